"""tools/rig keeps its contract: the document, the verbs, the clean end. Backends only, no gateway."""

import json
import os
import subprocess

import pytest

from riglib.process import Failed
from riglib.rig import client as rig
from riglib.s3 import S3


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    directory = tmp_path_factory.mktemp("only") / "rig"
    document = rig(directory, "up", "--gateways", "0", "--backends", "seaweedfs,seaweedfs")
    yield directory, document
    rig(directory, "down")
    assert not directory.exists()
    for backend in document["backends"]:
        assert not os.path.exists(f"/proc/{backend['pid']}/exe") or \
            "weed" not in os.readlink(f"/proc/{backend['pid']}/exe")


def client(document, number=0):
    backend = document["backends"][number]
    return S3(backend["endpoint"], backend["access_key"], backend["secret_key"], timeout=5)


def test_the_document_has_what_was_agreed(running):
    _, document = running
    assert {"endpoint", "admin", "access_key", "secret_key", "gateways", "backends", "buckets"} <= set(document)
    assert document["gateways"] == [] and document["endpoint"] is None
    for backend in document["backends"]:
        assert set(backend) == {"name", "kind", "pid", "endpoint", "access_key", "secret_key"}
    assert document["buckets"] == {"media": {"a": "media", "b": "media-copy"}}
    assert client(document, 1).put("media-copy", "k", b"x").status == 200


def test_a_killed_backend_comes_back_on_its_port_with_its_data(running):
    directory, document = running
    assert client(document).put("media", "kept", b"over the kill").status == 200
    rig(directory, "kill", "a")
    assert rig(directory, "show")["backends"][0]["pid"] is None
    with pytest.raises(ConnectionRefusedError):
        client(document).get("media", "kept")
    rig(directory, "start", "a")
    assert client(document).get("media", "kept").body == b"over the kill"
    shown = rig(directory, "show")["backends"][0]
    assert shown["pid"] not in (None, document["backends"][0]["pid"])
    assert shown["endpoint"] == document["backends"][0]["endpoint"]


def test_a_stopped_backend_answers_nothing_until_it_goes_on(running):
    directory, document = running
    rig(directory, "stop", "b")
    impatient = client(document, 1)
    impatient.timeout = 0.2
    with pytest.raises(TimeoutError):
        impatient.request("GET")
    rig(directory, "cont", "b")
    assert client(document, 1).request("GET").status == 200


@pytest.mark.parametrize("arguments, message", [
    (["kill", "zz"], "no 'zz' in this rig"), (["start", "a"], "runs already"), (["up", "--gateways", "0"], "already running"),
    (["up", "--gateways", "2"], "only 1 is possible"), (["up", "--journal", "cassandra"], "not in this build"),
    (["up", "--journal", "paper"], "unknown"), (["up", "--binary", "/nonexistent"], "/nonexistent")])
def test_what_cannot_be_done_is_said(running, arguments, message):
    with pytest.raises(Failed, match=message):
        rig(running[0], *arguments)


@pytest.mark.parametrize("arguments, message", [
    (["--backends", "floppy"], "unknown backend kind 'floppy'"), (["--set", "novalue"], "key=value"),
    (["--backends", "http://127.0.0.1"], "needs a port")])
def test_a_rig_that_cannot_start_leaves_nothing(tmp_path, arguments, message):
    with pytest.raises(Failed, match=message):
        rig(tmp_path / "rig", "up", "--gateways", "0", *arguments)
    assert not (tmp_path / "rig").exists()


def test_down_leaves_what_is_not_its_own_and_may_be_repeated(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    rig(tmp_path, "up", "--gateways", "0", "--backends", "http://127.0.0.1:9")
    assert json.loads((tmp_path / "rig.json").read_text())["backends"][0]["kind"] == "external"
    rig(tmp_path, "down")
    rig(tmp_path, "down")
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.txt"]


def test_a_command_without_a_rig_says_so(tmp_path):
    done = subprocess.run([os.path.join(os.path.dirname(__file__), "../../tools/rig"), "show", "--dir", tmp_path],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no rig in" in done.stderr and done.stdout == ""
