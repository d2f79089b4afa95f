"""What repair cannot do: it gives up on a key that a backend keeps refusing, says so, and takes it up again when asked."""

import json
import subprocess

import pytest

from hostile_backend import Fault, HostileBackend
from stack import Stack, wait_until

TERMS = {"terms.stall_ms": 1000, "terms.detach_ms": 1000, "terms.first_byte_ms": 1000, "terms.ambiguity_ms": 700,
         "terms.lease_ms": 2000, "terms.lease_margin_ms": 500, "repair.attempts": 2, "repair.backoff_ms": 50}


@pytest.fixture(scope="module")
def shared(tmp_path_factory, binary):
    with HostileBackend() as backend:
        for bucket in ("media", "media-copy"):
            backend.buckets[bucket] = {}
        stack = Stack.up(tmp_path_factory.mktemp("dead"), backends=["seaweedfs", "seaweedfs", backend.url], sets=TERMS)
        yield stack, backend
        stack.down()


@pytest.fixture
def stack(shared):
    yield shared[0]
    shared[1].behave()
    shared[0].wait_repaired()


@pytest.fixture
def c(shared, stack):
    return shared[1]


def s3mirror(binary, stack, *words):
    return subprocess.run([binary, *words, "--admin", stack.admin.removeprefix("http://")], text=True,
                          capture_output=True, check=False, timeout=60)


def dead_letters(stack, path=""):
    status, text = stack.admin_get(f"/status{path}")
    assert status == 200, text
    return {entry["key"]: entry for entry in json.loads(text)["dead_letters"]}


def make_dead_letters(stack, c, *keys):
    """c refuses these keys until repair has given up on them."""
    for key in keys:
        c.script(Fault("status", method="PUT", key=key, status=403))
        assert stack.put(key, b"content").status == 200
    wait_until(lambda: set(keys) <= set(dead_letters(stack)), "dead letters", 60, 0.05)


def test_a_dead_letter_is_listed_with_where_why_and_how_often(stack, c, key, binary):
    make_dead_letters(stack, c, key)
    letter = dead_letters(stack, "/media")[key]
    assert (letter["bucket"], letter["replica"], letter["tries"], letter["dead"]) == ("media", "c", 2, True)
    assert letter["reason"].startswith("PUT: status 403")
    assert letter["failed_unix_ms"] > 1_700_000_000_000
    assert stack.key_status(key)["failures"]["reason"] == letter["reason"]
    assert stack.metric("s3mirror_dead_letters") == 1

    assert f"media/{key}" in s3mirror(binary, stack, "status").stdout
    shown = s3mirror(binary, stack, "status", f"media/{key}").stdout
    assert "repair failed 2 times" in shown and " at c: PUT: status 403" in shown
    stack.s3.put("media", key, b"content")  # a new write may well fare better
    c.behave()
    s3mirror(binary, stack, "retry", "media")


def test_a_dead_letter_is_left_alone_until_somebody_asks_for_it(stack, c, key, binary):
    make_dead_letters(stack, c, key, key + "-other")
    c.behave()
    before = len(c.requests)
    c.script(Fault("status", method="PUT", key=key + "-third", status=403, times=1))
    assert stack.put(key + "-third", b"x").status == 200  # repair passes the two on its way to this one
    stack.wait_settled(key + "-third")
    assert not [r for r in c.requests[before:] if r.key in (key, key + "-other")]

    done = s3mirror(binary, stack, "retry", f"media/{key}")
    assert (done.returncode, done.stdout) == (0, "queued for repair again: 1\n"), done
    stack.wait_settled(key)
    stack.assert_everywhere(key, b"content")
    assert set(dead_letters(stack)) == {key + "-other"}

    done = s3mirror(binary, stack, "retry", "media", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"queued": 1}), done
    stack.wait_repaired()
    stack.assert_everywhere(key + "-other", b"content")
    assert stack.metric("s3mirror_dead_letters") == 0


def test_dead_letters_outlive_a_restart_and_are_tried_then(stack, c, key):
    make_dead_letters(stack, c, key)
    stack.rig("kill", "g1")
    stack.rig("start", "g1")
    wait_until(lambda: stack.key_status(key)["failures"]["tries"] == 3, "one more try after the start", 60, 0.05)
    assert set(dead_letters(stack)) == {key}
    c.behave()
    stack.rig("kill", "g1")
    stack.rig("start", "g1")
    stack.wait_repaired()
    stack.assert_everywhere(key, b"content")


def test_slow_answers_make_no_dead_letter(stack, c, key):
    c.script(Fault("status", method="PUT", key=key, status=403, times=1))
    slow = c.script(Fault("stall", method="HEAD", key=key))
    failed = stack.metric("s3mirror_repair_failures_total")
    assert stack.put(key, b"content").status == 200
    wait_until(lambda: slow.hits >= 4, "four HEADs without an answer", 60, 0.05)
    assert stack.metric("s3mirror_repair_failures_total") == failed
    assert stack.key_status(key)["failures"] is None
    c.behave()
    stack.wait_repaired()
    stack.assert_everywhere(key, b"content")


def test_a_key_that_a_backend_cannot_hold_is_told_and_tried_again_when_it_can(start_stack, binary):
    """`p/q` beside `p`: versitygw keeps objects as files."""
    stack = start_stack(backends=["seaweedfs", "seaweedfs", "versitygw"], sets=TERMS)
    assert stack.put("p", b"in the way").status == 200
    assert "c=hinted" in stack.put("p/q", b"below it").headers["x-s3mirror-replicas"]
    wait_until(lambda: "p/q" in dead_letters(stack), "the dead letter", 60, 0.05)
    letter = dead_letters(stack, "/media")["p/q"]
    assert (letter["replica"], letter["tries"], letter["dead"]) == ("c", 1, True)
    assert letter["reason"] == "PUT: status 409 ObjectParentIsFile: a folder in this key is an object there"
    listed = s3mirror(binary, stack, "status").stdout
    assert "media/p/q" in listed and "a folder in this key is an object there" in listed, listed

    # nothing has changed: the same again, and no more than once
    assert s3mirror(binary, stack, "retry", "media/p/q").stdout == "queued for repair again: 1\n"
    wait_until(lambda: stack.metric("s3mirror_repair_failures_total") == 2, "another try", 60, 0.05)
    wait_until(lambda: dead_letters(stack).get("p/q", {}).get("dead"), "the dead letter again", 60, 0.05)

    assert stack.delete("p").status == 204
    assert s3mirror(binary, stack, "retry", "media").stdout == "queued for repair again: 1\n"
    stack.wait_repaired()
    stack.assert_everywhere("p/q", b"below it")
    assert dead_letters(stack) == {}


@pytest.mark.parametrize("words, says", [
    (["retry"], "retry what? a BUCKET or a BUCKET/KEY"),
    (["retry", "a", "b"], "unexpected 'b'"),
    (["retry", "media", "--markdown"], "--markdown belongs to --print-config")])
def test_wrong_words_are_told(binary, words, says):
    done = subprocess.run([binary, *words], text=True, capture_output=True, check=False, timeout=60)
    assert (done.returncode, says in done.stderr) == (2, True), done


def test_what_is_not_there_cannot_be_tried_again(stack, binary, key):
    missing = s3mirror(binary, stack, "retry", "no-such-bucket-here")
    assert (missing.returncode, missing.stderr) == (1, "s3mirror: there is no such bucket\n")
    nothing = s3mirror(binary, stack, "retry", f"media/{key}")
    assert (nothing.returncode, nothing.stdout) == (0, "nothing to queue: no repair that failed is on record here\n")
