"""Backends that are down, stopped or slow: what is acknowledged, what is read, what the journal says, how it ends."""

import json
import random
import subprocess
import threading

import pytest

from stack import Stack, wait_until

NAMES = ("a", "b", "c")


def noise(size, seed=1):
    return random.Random(seed).randbytes(size)


def replicas(answer):
    """{'a': 'stored', 'b': 'hinted'} from the answer's header."""
    return dict(part.strip().split("=") for part in answer.headers["x-s3mirror-replicas"].split(","))


# What a stopped server has in its socket buffers it carries out when it goes on, so a request may take effect as late
# as that: ambiguity_ms must be longer than any stop of these tests, and stalls are found early to keep stops short.
TERMS = {"terms.stall_ms": 600, "terms.detach_ms": 600, "terms.first_byte_ms": 600, "terms.ambiguity_ms": 6000}


@pytest.fixture(scope="module")
def shared(tmp_path_factory, binary):
    running = Stack.up(tmp_path_factory.mktemp("outage"), sets=TERMS)
    yield running
    running.down()


@pytest.fixture
def stack(shared):
    """The module's stack, whole again after each test: everything runs, everything is repaired."""
    yield shared
    document = shared.show()
    for member in document["backends"] + document["gateways"]:
        if member["pid"] is None:
            shared.rig("start", member["name"])
        else:
            shared.rig("cont", member["name"])
    shared.wait_repaired()
    shared.compare_backends()


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


def test_a_stopped_backend_delays_no_write_for_ever(stack, key):
    """SIGSTOP: connections are accepted by the kernel and nothing is ever read."""
    stack.put(key, b"before")
    stack.rig("stop", "b")
    for body in (b"small", noise(20_000_000)):
        answer = stack.put(key, body)
        assert answer.status == 200, answer.body
        assert replicas(answer) == {"a": "stored", "b": "hinted", "c": "stored"}
        assert stack.get(key).body == body
    assert stack.delete(key).status == 204
    assert stack.get(key).status == 404
    stack.rig("cont", "b")
    stack.wait_repaired()
    stack.assert_everywhere(key, None)


def test_a_read_of_an_untouched_key_fails_over_from_a_stopped_backend(stack, key):
    body = noise(1_000_000)
    stack.put(key, body)
    stack.wait_settled(key)
    for name in NAMES:
        stack.rig("stop", name)
        for _ in range(6):
            assert stack.get(key).body == body
        stack.rig("cont", name)


@pytest.mark.parametrize("verbs", [("stop", "cont"), ("kill", "start")])
@pytest.mark.parametrize("name", NAMES)
def test_a_read_is_never_answered_by_a_backend_that_missed_a_write(stack, key, name, verbs):
    down, up = verbs
    changed, deleted = key + "-changed", key + "-deleted"
    stack.put(changed, b"old")
    stack.put(deleted, b"old")
    stack.rig(down, name)
    assert stack.put(changed, b"new").status == 200
    assert stack.delete(deleted).status == 204

    stale, stop, failed = [], threading.Event(), []

    def read():
        while not stop.is_set():
            try:
                answer, gone = stack.get(changed), stack.get(deleted)
            except OSError as broken:
                failed.append(broken)
                continue
            if (answer.status, answer.body) != (200, b"new"):
                stale.append((answer.status, answer.body))
            if gone.status != 404:
                stale.append((gone.status, gone.body))

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    try:
        stack.rig(up, name)
        stack.wait_repaired()
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert not stale, stale[:5]
    assert not failed, failed[:5]
    stack.assert_everywhere(changed, b"new")
    stack.assert_everywhere(deleted, None)


def test_ten_overwrites_during_an_outage_leave_no_pile_of_hints_and_cost_one_copy(stack, key):
    stack.put(key, b"before")
    stack.wait_settled(key)
    before = stack.metric("s3mirror_repaired_total")
    stack.rig("kill", "c")
    for i in range(10):
        assert stack.put(key, noise(300_000, i)).status == 200
    # A write takes the place of the rows that were final when it began; the one just before it may not have been.
    assert 1 <= stack.hints("c") <= 2
    stack.rig("start", "c")
    stack.wait_repaired()
    assert stack.metric("s3mirror_repaired_total") - before == 1
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


def test_writes_go_on_while_backends_come_and_go(stack, key):
    """Twelve writers on their own keys while backends are stopped and killed one after another."""
    acknowledged, failed = {}, []
    stop = threading.Event()

    def write(number):
        i = 0
        while not stop.is_set():
            name, body = f"{key}-{number}-{i % 5}", noise(1000 + 40_000 * (i % 3), number * 1000 + i)
            answer = stack.put(name, body)
            if answer.status == 200:
                acknowledged[name] = body
            else:
                failed.append((name, answer.status))
            i += 1

    writers = [threading.Thread(target=write, args=(n,)) for n in range(12)]
    for writer in writers:
        writer.start()
    try:
        for down, up, name in (("stop", "cont", "a"), ("kill", "start", "b"), ("stop", "cont", "c"),
                               ("kill", "start", "a")):
            count = len(acknowledged) + len(failed)
            stack.rig(down, name)
            wait_until(lambda: len(acknowledged) + len(failed) >= min(60, count + 10), "writes during the outage", 60)
            stack.rig(up, name)
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert not failed, failed[:5]
    assert len(acknowledged) >= 12
    stack.wait_repaired()
    for name, body in acknowledged.items():
        stack.assert_everywhere(name, body)
