"""API keys: who is let in, while keys rotate too, and that no key ever shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_service.keys import ApiKeys
from ml_service.settings import ApiSettings, SettingsError
from tests.unit.service.support import DIGITS, Api, api, wait_for

BODY = {"image": DIGITS[0]}


def status(running: Api, key: str | None) -> int:
    with running.client() as client:
        headers = {} if key is None else {b"X-API-Key": key.encode("latin-1")}
        return client.post("/v1/predict", json=BODY, headers=headers).status_code


def test_without_keys_nobody_is_asked(service: Api) -> None:
    assert status(service, None) == 200
    assert status(service, "anything") == 200


def test_only_the_keys_pass_and_probes_need_none(model: Path) -> None:
    with api(model, ML_API_KEYS="old-key, new-key") as running:
        running.ready()
        assert [status(running, key) for key in ("old-key", "new-key")] == [200, 200]
        wrong = [None, "", "old", "old-key2", "OLD-KEY", "old-key, new-key", "new-key\xe9"]
        assert [status(running, key) for key in wrong] == [401] * len(wrong)
        with running.client() as client:
            refused = client.post("/v1/predict", json=BODY)
            assert refused.headers["www-authenticate"] == "ApiKey"
            assert refused.json() == {"detail": "X-API-Key is missing or wrong"}
            for path in ("/healthz", "/readyz", "/metrics", "/openapi.json"):
                assert client.get(path).status_code == 200


def test_a_file_that_changes_is_followed_and_one_that_goes_away_is_not(model: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("first\n", "utf-8")
    with api(model, ML_API_KEYS_FILE=str(keys)) as running:
        running.ready()
        assert (status(running, "first"), status(running, "second")) == (200, 401)
        keys.write_text("first\nsecond\n", "utf-8")
        wait_for("the second key", lambda: status(running, "second") == 200)
        assert status(running, "first") == 200
        keys.write_text("second\n", "utf-8")
        wait_for("the first key's end", lambda: status(running, "first") == 401)
        keys.unlink()
        wait_for("the warning", lambda: status(running, "second") and "the last ones stay" in "\n".join(running.lines))
        assert status(running, "second") == 200
        keys.write_text("third\n", "utf-8")
        wait_for("the third key", lambda: status(running, "third") == 200)


def test_a_mounted_secret_is_a_folder_whose_files_are_keys(tmp_path: Path) -> None:
    # As the kubelet lays it out: links through `..data`, which it swaps in one step.
    for generation, content in (("..one", {"current": "a"}), ("..two", {"current": "b", "previous": "a"})):
        (tmp_path / generation).mkdir()
        for name, key in content.items():
            (tmp_path / generation / name).write_text(key, "utf-8")
    (tmp_path / "..data").symlink_to("..one")
    (tmp_path / "current").symlink_to("..data/current")
    keys = ApiKeys(ApiSettings(api_keys_file=tmp_path))
    assert (keys.accepts("a"), keys.accepts("b")) == (True, False)
    (tmp_path / "..new").symlink_to("..two")
    (tmp_path / "..new").rename(tmp_path / "..data")
    (tmp_path / "previous").symlink_to("..data/previous")
    wait_for("the new key", lambda: keys.accepts("b"))
    assert keys.accepts("a")


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_a_file_without_a_key_lets_nobody_start(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys"
    path.write_text(content, "utf-8")
    with pytest.raises(SettingsError, match="holds no key"):
        ApiKeys(ApiSettings(api_keys_file=path))


def test_no_key_shows_in_the_log_of_any_level(model: Path, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("canary-right\n", "utf-8")
    with api(model, ML_API_KEYS_FILE=str(tmp_path / "keys"), ML_API_KEYS="canary-env", ML_LOG_LEVEL="debug") as running:
        running.ready()
        assert status(running, "canary-right") == 200
        assert status(running, "canary-wrong") == 401
        with running.client() as client:
            client.get("/readyz?key=canary-query")
            described = client.get("/metrics").text + client.get("/openapi.json").text
        running.signal(15)
        assert running.ended() == 0
        assert len(running.log) > 3
        assert "canary" not in "\n".join(running.lines)
        assert "canary" not in described
