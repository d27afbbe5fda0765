"""The worker on a real Redis: every job answered once, whatever happens to the workers."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
import redis

from ml_service.__main__ import main
from ml_service.queue import Depth, JobQueue, connect, put
from ml_service.settings import QueueSettings, WorkerSettings
from ml_service.submit import NoResultError, ask
from tests.unit.service.support import DIGITS, Redis, Service, wait_for, worker

STREAM, GROUP = "ml:jobs", "ml-batch"


def submit(client: redis.Redis, identity: str, body: Any = None) -> None:
    content = body if isinstance(body, str) else json.dumps(body or {"image": DIGITS[7]})
    client.xadd(STREAM, {"id": identity, "body": content})


def result(client: redis.Redis, identity: str) -> dict[str, Any]:
    found: Any = wait_for(f"the result of {identity}", lambda: client.get(f"{STREAM}:result:{identity}"))
    return dict(json.loads(found))


def is_empty(client: redis.Redis) -> bool:
    return client.xlen(STREAM) == 0 and client.xpending(STREAM, GROUP)["pending"] == 0


def laid_aside(client: redis.Redis) -> list[dict[str, str]]:
    entries: Any = client.xrange(f"{STREAM}:dead")
    return [fields for _, fields in entries]


def status(service: Service, path: str) -> httpx2.Response:
    return httpx2.get(f"http://127.0.0.1:{service.logged('working')['port']}{path}", timeout=10)


def test_a_job_is_answered_and_its_entry_is_gone(model: Path, queue: Redis) -> None:
    client = queue.client()
    with worker(model, queue.url):
        submit(client, "one")
        answer = result(client, "one")
        assert answer["status"] == "done"
        assert answer["result"]["digit"] == 7
        wait_for("the entry's end", lambda: is_empty(client))
        assert 0 < client.ttl(f"{STREAM}:result:one") <= 86_400


def test_jobs_from_before_the_first_worker_are_answered(model: Path, queue: Redis) -> None:
    client = queue.client()
    for number in range(20):
        submit(client, str(number), {"images": [DIGITS[0], DIGITS[4]]})
    with worker(model, queue.url):
        digits = [p["digit"] for p in result(client, "19")["result"]["predictions"]]
        assert digits == [0, 4]
        wait_for("an empty queue", lambda: is_empty(client))


def test_the_same_id_is_answered_once(model: Path, queue: Redis) -> None:
    client = queue.client()
    submit(client, "same", {"image": DIGITS[0]})
    submit(client, "same", {"image": DIGITS[7]})
    with worker(model, queue.url) as running:
        wait_for("an empty queue", lambda: client.exists(STREAM) and is_empty(client))
        assert result(client, "same")["result"]["digit"] == 0
        wait_for("both lines", lambda: len([x for x in running.log if x["message"] == "job"]) == 2)
        assert [x["outcome"] for x in running.log if x["message"] == "job"] == ["done", "duplicate"]


@pytest.mark.parametrize("body", ["{", '{"image": [[17]]}', "\x00"], ids=["no JSON", "too bright", "a zero byte"])
def test_a_wrong_job_fails_at_once_and_is_laid_aside(model: Path, queue: Redis, body: str) -> None:
    client = queue.client()
    with worker(model, queue.url):
        submit(client, "bad", body)
        submit(client, "good")
        failed = result(client, "bad")
        assert failed["status"] == "failed"
        assert failed["error"]
        assert result(client, "good")["status"] == "done"
        wait_for("an empty queue", lambda: is_empty(client))
    (dead,) = laid_aside(client)
    assert (dead["id"], dead["body"], dead["error"]) == ("bad", body, failed["error"])


def test_an_entry_without_our_fields_is_answered_under_its_own_id(model: Path, queue: Redis) -> None:
    client = queue.client()
    with worker(model, queue.url):
        entry = client.xadd(STREAM, {"something": "else"})
        assert result(client, str(entry))["status"] == "failed"


def test_killed_workers_lose_no_job_and_double_no_result(model: Path, queue: Redis) -> None:
    """SIGKILL at random moments, again and again, while jobs come in; each result must be written exactly once."""
    client = queue.client()
    client.config_set("notify-keyspace-events", "K$")
    watcher: Any = queue.client().pubsub(  # type: ignore[no-untyped-call]
        ignore_subscribe_messages=True
    )
    watcher.psubscribe("__keyspace@0__:ml:jobs:result:*")
    watcher.get_message(timeout=10)
    chance = random.Random(20261121)  # noqa: S311 - moments, not secrets
    total, kills = 150, 6
    settings = {"ML_CLAIM_IDLE_S": "0.3", "ML_BATCH_JOBS": "16", "ML_MAX_DELIVERIES": "50"}
    sent = 0
    for _ in range(kills):
        for _ in range(total // kills):
            submit(client, str(sent), {"images": [DIGITS[7]] * 250})
            sent += 1
        with worker(model, queue.url, **settings) as running:
            running.logged("connected to Redis")
            time.sleep(chance.uniform(0, 0.06))
            running.signal(signal.SIGKILL)
    with worker(model, queue.url, **settings):
        wait_for("an empty queue", lambda: is_empty(client), deadline_s=60)
    assert sent == total
    for number in range(total):
        answer = result(client, str(number))
        assert answer["status"] == "done"
        assert len(answer["result"]["predictions"]) == 250
    writes: dict[str, int] = {}
    while message := watcher.get_message(timeout=0.2):
        if message["data"] == "set":
            writes[message["channel"]] = writes.get(message["channel"], 0) + 1
    assert len(writes) == total
    assert set(writes.values()) == {1}
    assert client.xlen(f"{STREAM}:dead") == 0


def test_what_breaks_between_storing_and_acknowledging_costs_nothing(queue: Redis) -> None:
    settings = WorkerSettings.model_validate({"redis_url": queue.url, "claim_idle_s": 0.001})
    client: Any = connect(settings)
    jobs = JobQueue(client, settings, "first")
    jobs.ensure_group()
    put(client, STREAM, "one", b"{}")
    (job,) = jobs.take(block_ms=None)

    def broken(*_: object, **__: object) -> None:
        raise redis.ConnectionError("cut")

    for method in ("set", "pipeline"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(client, method, broken)
            with pytest.raises(redis.ConnectionError):
                jobs.finish(job, {"answer": 1})
        assert jobs.depth().pending == 1
        assert bool(client.get(f"{STREAM}:result:one")) == (method == "pipeline")
    second = JobQueue(client, settings, "second")
    (again,) = wait_for("the takeover", lambda: list(second.take_over()))
    assert (again.identity, again.deliveries) == ("one", 2)
    assert second.finish(again, {"answer": 2}) is False
    assert json.loads(client.get(f"{STREAM}:result:one")) == {"answer": 1}
    assert jobs.depth() == Depth(length=0, lag=0, pending=0, dead=0, oldest_s=0)


def test_a_job_that_kills_its_workers_is_laid_aside_and_costs_the_others_nothing(model: Path, queue: Redis) -> None:
    client = queue.client()
    client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    submit(client, "poison")
    submit(client, "innocent")
    # Workers that took both and died, one after the other: delivered twice, never answered.
    for name in ("dead-1", "dead-2"):
        client.xreadgroup(GROUP, name, {STREAM: ">"}, count=10)
        client.xautoclaim(STREAM, GROUP, name, 0, count=1)
    with worker(model, queue.url, ML_CLAIM_IDLE_S="0.2", ML_MAX_DELIVERIES="3"):
        poison, innocent = result(client, "poison"), result(client, "innocent")
        wait_for("an empty queue", lambda: is_empty(client))
    assert innocent["status"] == "done"
    assert poison == {"id": "poison", "status": "failed", "error": "no answer after 3 deliveries"}
    assert [dead["id"] for dead in laid_aside(client)] == ["poison"]


def test_sigterm_finishes_what_was_taken_and_leaves_the_group(model: Path, queue: Redis) -> None:
    client = queue.client()
    for number in range(200):
        submit(client, str(number), {"images": [DIGITS[7]] * 250})
    with worker(model, queue.url, ML_BATCH_JOBS="10") as running:
        wait_for("the first result", lambda: client.exists(f"{STREAM}:result:0"))
        running.signal(signal.SIGTERM)
        assert running.ended() == 0
        assert running.log[-1]["message"] == "stopped"
    assert client.xpending(STREAM, GROUP)["pending"] == 0
    assert client.xinfo_consumers(STREAM, GROUP) == []
    answered = sum(bool(client.exists(f"{STREAM}:result:{number}")) for number in range(200))
    assert answered + client.xlen(STREAM) == 200
    assert answered % 10 == 0


def test_drain_mode_works_until_nothing_is_left_then_ends(model: Path, queue: Redis) -> None:
    client = queue.client()
    client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    for number in range(30):
        submit(client, str(number))
    # A run that was killed holds some of them; they must not be left behind.
    client.xreadgroup(GROUP, "killed-run", {STREAM: ">"}, count=7)
    with worker(model, queue.url, "--drain", ML_CLAIM_IDLE_S="0.5") as running:
        assert running.ended() == 0
    assert is_empty(client)
    assert all(result(client, str(number))["status"] == "done" for number in range(30))


def test_drain_mode_on_no_queue_at_all_ends(model: Path, queue: Redis) -> None:
    with worker(model, queue.url, "--drain") as running:
        assert running.ended() == 0


def test_redis_that_goes_away_and_comes_back_empty_is_waited_for(model: Path, queue: Redis) -> None:
    with worker(model, queue.url) as running:
        running.logged("connected to Redis")
        assert status(running, "/readyz").status_code == 200
        queue.stop()
        wait_for("not ready", lambda: status(running, "/readyz").json() == {"status": "disconnected"})
        assert status(running, "/healthz").status_code == 200
        assert "ml_redis_up 0.0" in status(running, "/metrics").text
        queue.start()
        client = queue.client()
        submit(client, "after")
        assert result(client, "after")["status"] == "done"
        wait_for("ready", lambda: status(running, "/readyz").status_code == 200)


def test_without_redis_it_waits_and_still_stops_when_told(model: Path, tmp_path: Path) -> None:
    with worker(model, f"unix://{tmp_path}/none.sock") as running:
        warned = running.logged("Redis cannot be used")
        assert warned["again_in_s"] <= 5
        running.signal(signal.SIGTERM)
        assert running.ended() == 0


def test_the_password_is_read_from_its_file_at_each_connection(model: Path, queue: Redis, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("canary-one\n", "utf-8")
    admin: Any = queue.client()
    admin.config_set("requirepass", "canary-one")
    with worker(model, queue.url, ML_REDIS_PASSWORD_FILE=str(secret)) as running:
        running.logged("connected to Redis")
        secret.write_text("canary-two\n", "utf-8")
        admin.config_set("requirepass", "canary-two")
        admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        client = queue.client(password="canary-two")
        submit(client, "rotated")
        assert result(client, "rotated")["status"] == "done"
        assert "canary" not in "\n".join(running.lines)


def test_a_wrong_password_is_said_and_not_shown(model: Path, queue: Redis) -> None:
    queue.client().config_set("requirepass", "right")
    with worker(model, queue.url, ML_REDIS_PASSWORD="canary-wrong") as running:
        assert "AuthenticationError" in running.logged("Redis cannot be used")["error"]
        assert "canary-wrong" not in "\n".join(running.lines)


def test_metrics_tell_how_much_is_left(model: Path, queue: Redis) -> None:
    client = queue.client()
    submit(client, "bad", "{")
    with worker(model, queue.url) as running:
        for number in range(5):
            submit(client, str(number))
        result(client, "4")
        wanted = ['ml_jobs_total{outcome="done"} 5.0', 'ml_jobs_total{outcome="failed"} 1.0', "ml_queue_dead 1.0"]
        wanted += ["ml_queue_length 0.0", "ml_queue_lag 0.0", "ml_queue_pending 0.0", "ml_redis_up 1.0"]
        wanted += ["ml_queue_oldest_seconds 0.0"]
        wait_for("the metrics", lambda: all(line in status(running, "/metrics").text for line in wanted))
        assert status(running, "/elsewhere").status_code == 404


def test_the_age_of_the_queue_is_its_oldest_job_s_by_redis_own_clock(queue: Redis) -> None:
    settings = WorkerSettings.model_validate({"redis_url": queue.url})
    jobs = JobQueue(connect(settings), settings, "one")
    jobs.ensure_group()
    client = queue.client()
    seconds, _ = client.time()
    for age_s in (100, 50):
        client.xadd(STREAM, {"id": str(age_s), "body": "{}"}, id=f"{(seconds - age_s) * 1000}-0")
    assert 100 <= jobs.depth().oldest_s < 110
    (oldest, *_) = jobs.take(block_ms=None)
    assert 100 <= jobs.depth().oldest_s < 110  # taken is not answered
    jobs.finish(oldest, {"answer": 1})
    assert 50 <= jobs.depth().oldest_s < 60


@pytest.mark.parametrize(
    ("variable", "value"), [("ML_REDIS_URL", "http://canary"), ("ML_CLAIM_IDLE_S", "0"), ("ML_METRICS_PORT", "x")]
)
def test_a_wrong_setting_is_2_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert main(["worker"]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(f"ml_service: {variable}: ")
    assert printed.err.count("\n") == 1
    assert "canary" not in printed.err


def test_submit_waits_for_the_result_and_says_when_none_comes(model: Path, queue: Redis) -> None:
    client = connect(QueueSettings.model_validate({"redis_url": queue.url}))
    body = json.dumps({"image": DIGITS[4]}).encode()
    with pytest.raises(NoResultError, match=r"job late within 0\.1 s"):
        ask(client, STREAM, body, timeout_s=0.1, identity="late")
    with worker(model, queue.url):
        assert ask(client, STREAM, body, timeout_s=30)["result"]["digit"] == 4
    command = Service(["submit", "--timeout", "1"], {"ML_REDIS_URL": queue.url})
    assert command.ended() == 1
    assert "no result" in command.lines[0]


def test_nothing_is_written_to_disk(model: Path, queue: Redis, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with worker(model, queue.url, "--drain", HOME=str(home), XDG_CACHE_HOME=str(home)) as running:
        assert running.ended() == 0
    assert list(home.iterdir()) == []
