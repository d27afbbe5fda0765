"""The parts of overlays that need no tool: patches, marks on generated files, and folders that change in one step."""

from __future__ import annotations

import random
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from mldeploy import process
from mldeploy.errors import RefusedError
from mldeploy.overlay import helm, memory, orphans, tree
from mldeploy.overlay.layout import Layout
from mldeploy.overlay.stamp import Origin, origin, stamp
from mldeploy.overlay.strategic import patch
from mldeploy.render.document import write


def deployment(**pod: Any) -> dict[str, Any]:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": pod}}}


def pod_patch(before: dict[str, Any], after: dict[str, Any]) -> Any:
    found = patch(deployment(**before), deployment(**after))
    return found.get("spec", {}).get("template", {}).get("spec", {})


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": 1}, {"a": 1}, {}),
        ({"a": 1}, {"a": True}, {"a": True}),
        ({"a": 1}, {"a": 1.0}, {"a": 1.0}),
        ({"a": 1, "b": 2}, {"b": 2}, {"a": None}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, {"a": {"c": 3}}),
        ({"a": {"b": 1}}, {"a": {}}, {"a": {"$patch": "replace"}}),
        ({"args": ["x"]}, {"args": ["x", "y"]}, {"args": ["x", "y"]}),
        # Merged by name: only what differs of the one that differs.
        (
            {"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]},
            {"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "z"}]},
            {"containers": [{"name": "b", "image": "z"}]},
        ),
        (
            {"containers": [{"name": "a"}, {"name": "b"}]},
            {"containers": [{"name": "a"}]},
            {"containers": [{"name": "b", "$patch": "delete"}]},
        ),
        # kustomize would put what is new before the rest, and variables refer to those before them.
        (
            {"env": [{"name": "a", "value": "1"}]},
            {"env": [{"name": "a", "value": "1"}, {"name": "b", "value": "$(a)"}]},
            {"env": [{"$patch": "replace"}, {"name": "a", "value": "1"}, {"name": "b", "value": "$(a)"}]},
        ),
        (
            {"initContainers": [{"name": "a"}, {"name": "b"}]},
            {"initContainers": [{"name": "b"}, {"name": "a"}]},
            {"initContainers": [{"$patch": "replace"}, {"name": "b"}, {"name": "a"}]},
        ),
        # kustomize tells these apart by two keys.
        (
            {"ports": [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53, "protocol": "TCP"}]},
            {"ports": [{"containerPort": 53, "protocol": "UDP"}]},
            {"ports": [{"$patch": "replace"}, {"containerPort": 53, "protocol": "UDP"}]},
        ),
        (
            {"topologySpreadConstraints": [{"topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}]},
            {"topologySpreadConstraints": [{"topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]},
            {
                "topologySpreadConstraints": [
                    {"$patch": "replace"},
                    {"topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"},
                ]
            },
        ),
    ],
)
def test_a_patch_says_what_differs_and_nothing_else(
    before: dict[str, Any], after: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert pod_patch(before, after) == expected


def test_lists_of_kinds_without_a_known_schema_are_replaced() -> None:
    kind = {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret"}
    before, after = ({**kind, "spec": {"env": [{"name": "a", "value": each}]}} for each in "xy")
    assert patch(before, after) == {"spec": {"env": [{"name": "a", "value": "y"}]}}


@pytest.mark.parametrize(
    "text",
    ["1e3", "0o755", "010", "y", "No", "on", "12:30", "~", "null", "", " a", "a: b", "a #b", "-", "line\nline\n", "ü"],
)
def test_texts_stay_texts_for_every_reader(text: str) -> None:
    written = write({"a": text})
    assert yaml.safe_load(written) == {"a": text}
    if "\n" not in text:
        assert '"' in written


def test_a_mark_is_known_again_and_an_edit_too() -> None:
    text = stamp("Made by mldeploy overlay build.", "a: 1\nb: 2\n")
    assert origin(text) is Origin.OURS
    for edited in (text.replace("b: 2", "b: 3"), text + "\n", text.replace("overlay build", "overlay  build")):
        assert origin(edited) is Origin.EDITED
    for foreign in ("", "a: 1\n", "# sha256:0123456789abcdef\na: 1\n", text.split("\n", 1)[1]):
        assert origin(foreign) is Origin.FOREIGN


@pytest.mark.parametrize("name", ["../../etc", "a/b", "..", "", "A", "a b", "-a"])
def test_names_lead_nowhere_else(name: str, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="no name of a service"):
        Layout(tmp_path, name)
    with pytest.raises(RefusedError, match="no name of a service"):
        Layout(tmp_path, "web").overlay(name)


def texts(layout: Layout) -> dict[str, str]:
    return {name: (layout.home / name).read_text("utf-8") for name in layout.files()}


def generated(number: int) -> dict[str, str]:
    names = ["base/a.yaml", "base/b.yaml", *(f"overlays/{each}/{number % 2}.yaml" for each in "xyz")]
    return {name: stamp("Made by mldeploy.", f"number: {number}\n") for name in names}


def test_files_of_people_stay_and_what_is_made_no_more_goes(tmp_path: Path) -> None:
    layout = Layout(tmp_path, "web")
    assert sorted(tree.write(layout, generated(0))) == [f"web-kustomize/{name}" for name in sorted(generated(0))]
    assert tree.write(layout, generated(0)) == []
    note = layout.home / "overlays" / "x" / "by-hand" / "note.yaml"
    note.parent.mkdir()
    note.write_text("mine: true\n", "utf-8")
    tree.write(layout, generated(1))
    assert texts(layout) == {**generated(1), "overlays/x/by-hand/note.yaml": "mine: true\n"}
    assert tree.stale(layout, generated(1)) == []


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        ("base/a.yaml", "edited", "was edited by hand"),
        ("base/a.yaml", "foreign", "is not generated"),
        ("overlays/x/0.yaml", "edited", "was edited by hand"),
    ],
)
def test_what_was_edited_is_refused_and_nothing_is_written(path: str, content: str, said: str, tmp_path: Path) -> None:
    layout = Layout(tmp_path, "web")
    tree.write(layout, generated(0))
    text = "mine: 1\n" if content == "foreign" else generated(0)[path] + "more: 1\n"
    (layout.home / path).write_text(text, "utf-8")
    before = texts(layout)
    with pytest.raises(RefusedError, match=f"web-kustomize/{path}: {said}"):
        tree.write(layout, generated(1))
    assert texts(layout) == before


def test_a_service_that_is_no_more_leaves_nothing_but_what_people_wrote(tmp_path: Path) -> None:
    gone, kept, foreign = Layout(tmp_path, "gone"), Layout(tmp_path, "kept"), tmp_path / "own-kustomize"
    for layout in (gone, kept):
        tree.write(layout, generated(0))
    (foreign / "base").mkdir(parents=True)
    (foreign / "base" / "a.yaml").write_text("mine: true\n", "utf-8")
    hand = gone.home / "overlays" / "x" / "by-hand" / "note.yaml"
    hand.parent.mkdir()
    hand.write_text("mine: true\n", "utf-8")

    assert orphans.orphans(tmp_path, {"gone", "kept"}) == []
    assert orphans.orphans(tmp_path, {"kept"}) == [gone]
    said = {each.name: each.what for each in orphans.left(gone)}
    assert set(said) == {*generated(0), "overlays/x/by-hand/note.yaml"}
    assert "was written by hand" in said["overlays/x/by-hand/note.yaml"]
    assert sorted(orphans.remove(gone)) == sorted(f"gone-kustomize/{name}" for name in generated(0))
    assert texts(gone) == {"overlays/x/by-hand/note.yaml": "mine: true\n"}
    assert sorted(path.name for path in gone.home.iterdir()) == ["overlays"], "no empty folder is left"

    assert orphans.orphans(tmp_path, {"kept"}) == [gone], "somebody's patch, which nothing applies"
    hand.unlink()
    assert orphans.orphans(tmp_path, {"kept"}) == []
    shutil.rmtree(gone.home)
    tree.write(gone, generated(0))
    orphans.remove(gone)
    assert not gone.home.exists()
    assert texts(kept) == generated(0)


def test_what_was_edited_of_a_service_that_is_no_more_is_left_with_the_rest(tmp_path: Path) -> None:
    layout = Layout(tmp_path, "gone")
    tree.write(layout, generated(0))
    (layout.home / "base" / "a.yaml").write_text(generated(0)["base/a.yaml"] + "more: 1\n", "utf-8")
    before = texts(layout)
    (edited,) = [each for each in orphans.left(layout) if "edited by hand" in each.what]
    assert edited.name == "base/a.yaml"
    with pytest.raises(RefusedError, match=r"gone-kustomize/base/a\.yaml: was edited by hand"):
        orphans.remove(layout)
    assert texts(layout) == before


@pytest.mark.parametrize("what", ["home", "folder", "file"])
def test_links_are_refused(what: str, tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    root.mkdir()
    layout = Layout(root, "web")
    tree.write(layout, generated(0))
    moved = {"home": layout.home, "folder": layout.home / "base", "file": layout.home / "base" / "a.yaml"}[what]
    moved.rename(elsewhere)
    moved.symlink_to(elsewhere)
    with pytest.raises(RefusedError, match="a symbolic link to"):
        tree.write(layout, generated(1))


_WRITER = """
import sys
from pathlib import Path
from mldeploy.overlay import tree
from mldeploy.overlay.layout import Layout
from mldeploy.overlay.stamp import stamp
layout = Layout(Path(sys.argv[1]), "web")
number = 0
while True:
    number += 1
    body = f"number: {number % 2}\\n" + "x" * 2000
    tree.write(layout, {f"base/{name}.yaml": stamp("Made by mldeploy.", body) for name in range(20)})
    print(number, flush=True)
"""


def test_a_killed_run_leaves_one_state_or_the_other(tmp_path: Path) -> None:
    """SIGKILL at random moments of a process that does nothing but change twenty files to and fro."""
    layout = Layout(tmp_path, "web")
    chance = random.Random(7)  # noqa: S311 - moments, not secrets
    for _ in range(15):
        with process.start([sys.executable, "-c", _WRITER, tmp_path], stdout=process.PIPE) as child:
            assert child.stdout is not None
            assert child.stdout.readline(), "it has written once"
            time.sleep(chance.uniform(0, 0.03))
            child.send_signal(signal.SIGKILL)
        found = texts(layout)
        assert len(found) == 20
        assert len(set(found.values())) == 1, "a mixture of two states"
        assert {origin(text) for text in found.values()} == {Origin.OURS}


def test_what_looks_like_a_template_is_escaped_once() -> None:
    assert helm.escaped("a {{ .x }} {{{b}}}") == 'a {{ "{{" }} .x }} {{ "{{" }}{b}}}'
    text = helm.template("web", "staging", "a: 1\n")
    assert origin(text) is Origin.OURS
    assert origin(text.replace("a: 1", "a: 2")) is Origin.EDITED


def test_what_was_built_is_remembered_until_something_changes(tmp_path: Path) -> None:
    source, folder = tmp_path / "values.yaml", tmp_path / "chart"
    folder.mkdir()
    source.write_text("a: 1\n", "utf-8")
    file = tmp_path / "memory.json"

    def remember() -> None:
        memory.remember(file, "built", [source, folder])
        assert memory.recall(file) == "built"

    assert memory.recall(file) is None
    remember()
    source.write_text("a: 2\n", "utf-8")
    assert memory.recall(file) is None
    remember()
    (folder / "new.yaml").write_text("", "utf-8")
    assert memory.recall(file) is None
    remember()
    file.write_text(file.read_text("utf-8").replace("built", "forged"), "utf-8")
    assert memory.recall(file) is None
