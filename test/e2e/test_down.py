"""Backends that are down: what is acknowledged, what is read, what the journal says, how it ends."""

import json
import subprocess

import pytest

from outage import NAMES, noise, read_while_it_comes_back, replicas, restore, write_while_they_come_and_go
from stack import Stack, wait_until

# A server that is down refuses connections at once, so nothing here waits for these times. But SeaweedFS, while it is
# starting, may hold a PUT for 20 s and then carry it out: patience must be longer than that, and ambiguity_ms too.
TERMS = {"terms.stall_ms": 30_000, "terms.write_ms": 30_000, "terms.lease_ms": 30_000, "terms.ambiguity_ms": 30_000}


@pytest.fixture(scope="module")
def shared(tmp_path_factory, binary):
    running = Stack.up(tmp_path_factory.mktemp("down"), sets=TERMS)
    yield running
    running.down()


@pytest.fixture
def stack(shared):
    yield shared
    restore(shared)


def test_with_one_backend_down_all_writes_succeed_and_are_repaired(stack, key):
    kept, overwritten, deleted, fresh = (f"{key}-{what}" for what in ("kept", "overwritten", "deleted", "fresh"))
    for name in (kept, overwritten, deleted):
        assert stack.put(name, b"before").status == 200
    stack.rig("kill", "c")

    for seen in (stack.put(overwritten, noise(2_000_000)), stack.put(fresh, b"new"), stack.delete(deleted)):
        assert seen.status in (200, 204), seen.body
        assert replicas(seen) == {"a": "stored", "b": "stored", "c": "hinted"}

    for name in (overwritten, fresh, deleted):
        rows = stack.rows(name)
        assert rows, f"the journal must say that c misses {name}"
        newest = max(rows, key=lambda row: row["version"])
        assert sorted(newest["stored"]) == ["a", "b"]
    assert not stack.rows(kept)
    assert stack.hints("c") == 3
    assert stack.hints("a") == stack.hints("b") == 0

    assert stack.get(overwritten).body == noise(2_000_000)
    assert stack.get(fresh).body == b"new"
    assert stack.get(deleted).status == 404
    assert stack.get(kept).body == b"before"

    stack.rig("start", "c")
    stack.wait_repaired()
    stack.assert_everywhere(kept, b"before")
    stack.assert_everywhere(overwritten, noise(2_000_000))
    stack.assert_everywhere(fresh, b"new")
    stack.assert_everywhere(deleted, None)


def test_with_two_backends_down_one_copy_is_enough_for_need_one(stack, key):
    stack.rig("kill", "b")
    stack.rig("kill", "c")
    answer = stack.put(key, noise(700_000))
    assert answer.status == 200, answer.body
    assert replicas(answer) == {"a": "stored", "b": "hinted", "c": "hinted"}
    assert stack.get(key).body == noise(700_000)
    stack.rig("start", "b")
    stack.rig("start", "c")
    stack.wait_repaired()
    stack.assert_everywhere(key, noise(700_000))


def test_with_all_backends_down_the_client_is_told_and_nothing_is_claimed(stack, key):
    stack.put(key, b"before")
    stack.wait_settled(key)
    for name in NAMES:
        stack.rig("kill", name)
    for answer in (stack.put(key, b"lost"), stack.put(key, noise(2_000_000)), stack.delete(key)):
        assert answer.status == 503
        assert b"<Code>ServiceUnavailable</Code>" in answer.body or b"<Code>SlowDown</Code>" in answer.body
        assert "stored" not in answer.headers.get("x-s3mirror-replicas", "")
        assert "etag" not in answer.headers
    assert stack.get(key).status == 503
    assert stack.admin_get("/healthz")[0] == 200
    for name in NAMES:
        stack.rig("start", name)
    # Every connection was refused: none of it can have arrived.
    wait_until(lambda: stack.get(key).status == 200, "reads to work again", 30)
    assert stack.get(key).body == b"before"
    stack.wait_settled(key)
    stack.assert_everywhere(key, b"before")


def test_bucket_creation_needs_its_backends_and_says_so(stack, key):
    stack.rig("kill", "b")
    answer = stack.s3.request("PUT", "/made-during-outage")
    assert answer.status in (200, 503), answer.body
    stack.rig("start", "b")
    wait_until(lambda: stack.s3.request("PUT", "/made-during-outage").status in (200, 409), "the bucket", 30)
    assert stack.s3.put("made-during-outage", key, b"x").status == 200
    assert stack.s3.delete("made-during-outage", key).status == 204
    wait_until(lambda: stack.s3.request("DELETE", "/made-during-outage").status in (204, 404), "its deletion", 30)


def test_ten_overwrites_during_an_outage_leave_no_pile_of_hints_and_cost_one_copy(stack, key):
    stack.put(key, b"before")
    stack.wait_settled(key)
    before = stack.metric("s3mirror_repaired_total", kind="copied")
    stack.rig("kill", "c")
    for i in range(10):
        assert stack.put(key, noise(300_000, i)).status == 200
    # A write takes the place of the rows that were final when it began; the one just before it may not have been.
    assert 1 <= stack.metric("s3mirror_journal_hints") <= 2
    assert stack.hints("c") == 1
    stack.rig("start", "c")
    stack.wait_repaired()
    assert stack.metric("s3mirror_repaired_total", kind="copied") - before == 1
    stack.assert_everywhere(key, noise(300_000, 9))


def test_backends_that_fail_in_turn_converge_to_the_newest(stack, key):
    """Each write is missed by another backend, so no backend has seen them all."""
    for i, name in enumerate(NAMES * 2):
        stack.rig("kill", name)
        assert stack.put(key, noise(200_000, i)).status == 200
        assert stack.get(key).body == noise(200_000, i)
        stack.rig("start", name)
    stack.wait_repaired()
    stack.assert_everywhere(key, noise(200_000, 5))


def test_hints_survive_a_crash_of_the_gateway(stack, key):
    stack.put(key, b"before")
    stack.rig("kill", "a")
    assert stack.put(key, b"after").status == 200
    assert stack.delete(key + "-2").status == 204
    stack.rig("kill", "g1")
    stack.rig("start", "g1")
    assert stack.hints("a") == 2
    assert stack.get(key).body == b"after"
    stack.rig("start", "a")
    stack.wait_repaired()
    stack.assert_everywhere(key, b"after")


def test_the_status_command_says_what_each_replica_misses(stack, key, binary):
    stack.put(key, b"before")
    stack.wait_settled(key)
    stack.rig("kill", "b")
    stack.put(key, b"after")

    def status(*what):
        done = subprocess.run([binary, "status", *what, "--config", stack.config()], capture_output=True, text=True,
                              check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    overview = json.loads(status("--json"))
    media = next(b for b in overview["buckets"] if b["name"] == "media")
    assert {r["name"]: r["hints"] for r in media["replicas"]} == {"a": 0, "b": 1, "c": 0}
    one = json.loads(status(f"media/{key}", "--json"))
    shown = {r["name"]: r for r in one["replicas"]}
    assert shown["a"]["stamp"] == shown["c"]["stamp"] == max(one["rows"], key=lambda r: r["version"])["stamp"]
    assert sorted(one["rows"][0]["stored"]) == ["a", "c"]
    assert shown["b"]["status"] not in (200, "200", "ok", "stored")
    for text in (status(), status("media"), status(f"media/{key}")):
        assert "b" in text and text.strip()


@pytest.mark.parametrize("name", NAMES)
def test_a_read_is_never_answered_by_a_backend_that_missed_a_write(stack, key, name):
    read_while_it_comes_back(stack, key, name, "kill", "start")


def test_writes_go_on_while_backends_die_and_come_back(stack, key):
    write_while_they_come_and_go(stack, key, "kill", "start")
