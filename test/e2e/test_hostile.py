"""One of three backends, c, goes wrong on command; two real ones stand beside it.

The client must not notice more than its ack policy allows, the journal must know, and repair must end it.
"""

import random
import threading

import pytest

from hostile_backend import Fault, HostileBackend
from stack import STAMP, Stack, wait_until

BIG, SMALL = 3_000_000, 2000


def noise(size, seed=1):
    return random.Random(seed).randbytes(size)


# c lets nothing take effect after it has been given up, so all of these can be short.
TERMS = {"terms.stall_ms": 1000, "terms.detach_ms": 1000, "terms.first_byte_ms": 1000, "terms.ambiguity_ms": 700,
         "terms.lease_ms": 2000, "terms.lease_margin_ms": 500}


def bring_up(directory, backend, **sets):
    return Stack.up(directory, backends=["seaweedfs", "seaweedfs", backend.url], sets={**TERMS, **sets})


def prepare(backend):
    for bucket in ("media", "media-copy"):
        backend.buckets[bucket] = {}


@pytest.fixture(scope="module")
def shared(tmp_path_factory, binary):
    with HostileBackend() as backend:
        prepare(backend)
        stack = bring_up(tmp_path_factory.mktemp("hostile"), backend)
        yield stack, backend
        stack.down()


@pytest.fixture
def stack(shared):
    """The module's stack with an honest c at the start and at the end, when all replicas must agree."""
    running, backend = shared
    backend.problems.clear()
    yield running
    backend.behave()
    if backend.listener is None:
        backend.accept()
    running.wait_repaired()
    assert not backend.problems, backend.problems


@pytest.fixture
def c(shared, stack):
    return shared[1]


# How a write can go wrong at c. None of them may reach the client, none may leave c behind for good.
WRITE_FAULTS = {
    "reset before the body": Fault("reset", at="head"),
    "closed before the body": Fault("close", at="head"),
    "stalled before the body": Fault("stall", at="head"),
    "503 before the body": Fault("status", at="head", status=503),
    "500 before the body": Fault("status", at="head", status=500),
    "403 before the body": Fault("status", at="head", status=403),
    "garbage before the body": Fault("garbage", at="head"),
    "reset in the body": Fault("reset", at="body", after=1000),
    "closed in the body": Fault("close", at="body", after=1000),
    "stalled in the body": Fault("stall", at="body", after=1000),
    "503 in the body": Fault("status", at="body", after=1000, status=503),
    "reset after the body, not stored": Fault("reset"),
    "reset after the body, stored": Fault("reset", store=True),
    "closed after the body, not stored": Fault("close"),
    "closed after the body, stored": Fault("close", store=True),
    "no answer, not stored": Fault("stall"),
    "no answer, stored": Fault("stall", store=True),
    "200 with an error body": Fault("error200"),
    "500, not stored": Fault("status", status=500),
    "500, stored": Fault("status", status=500, store=True),
    "503": Fault("status", status=503),
    "400": Fault("status", status=400),
    "403": Fault("status", status=403),
    "garbage, not stored": Fault("garbage"),
    "garbage, stored": Fault("garbage", store=True),
    "another ETag": Fault("wrong_etag"),
    "a damaged copy": Fault("damage"),
}


def fresh(name, **changes):
    """A new Fault like the one in the table."""
    model = WRITE_FAULTS[name]
    fields = {n: getattr(model, n) for n in ("what", "at", "after", "status", "store")}
    return Fault(**{**fields, **changes})


@pytest.mark.parametrize("size", [SMALL, BIG])
@pytest.mark.parametrize("fault", WRITE_FAULTS)
def test_a_fault_of_one_backend_does_not_reach_the_writer(stack, c, key, fault, size):
    stack.put(key, b"before")
    stack.wait_settled(key)
    struck = c.script(fresh(fault, method="PUT", key=key))

    answer = stack.put(key, noise(size))
    assert answer.status == 200, answer.body
    assert "a=stored" in answer.headers["x-s3mirror-replicas"]
    assert "b=stored" in answer.headers["x-s3mirror-replicas"]
    assert "c=stored" not in answer.headers["x-s3mirror-replicas"]
    assert struck.hits >= 1
    for _ in range(5):
        assert stack.get(key).body == noise(size)
    assert stack.hints("c") >= 1

    c.behave()
    stack.wait_repaired()
    stack.assert_everywhere(key, noise(size))


DELETE_FAULTS = [name for name in WRITE_FAULTS
                 if "in the body" not in name and name not in ("another ETag", "a damaged copy")]


@pytest.mark.parametrize("fault", DELETE_FAULTS)
def test_a_fault_of_one_backend_does_not_undo_a_delete(stack, c, key, fault):
    stack.put(key, b"before")
    stack.wait_settled(key)
    c.script(fresh(fault, method="DELETE", key=key))
    assert stack.delete(key).status == 204
    for _ in range(5):
        assert stack.get(key).status == 404
    c.behave()
    stack.wait_repaired()
    stack.assert_everywhere(key, None)


def test_a_backend_that_refuses_connections(stack, c, key):
    stack.put(key, b"before")
    stack.wait_settled(key)
    c.refuse()
    answer = stack.put(key, noise(BIG))
    assert answer.status == 200
    assert "c=hinted" in answer.headers["x-s3mirror-replicas"]
    assert stack.get(key).body == noise(BIG)
    c.accept()
    stack.wait_repaired()
    stack.assert_everywhere(key, noise(BIG))


# --- the barrier ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("size", [SMALL, BIG])
def test_no_backend_receives_a_whole_request_for_a_body_that_did_not_verify(stack, c, key, size):
    """Not merely 'is not stored': c would store it, and is never given the chance."""
    body = noise(size)
    for payload, sent in (("0" * 64, body), ("UNSIGNED-PAYLOAD", body[:-1])):
        with stack.wire() as wire:
            wire.try_send(stack.signer.put(stack.path(key), sent, declared=size, payload=payload))
            wire.finish()
            wire.response()
        stack.wait_settled(key)
    assert c.count("PUT", key, "200") == 0
    assert c.stored("media-copy", key) is None
    stack.assert_everywhere(key, None)


def test_what_a_backend_receives_is_checked_on_its_way(stack, c, key):
    """Each PUT to a backend carries something by which it can refuse a body that was cut or changed."""
    for size in (0, 1, SMALL, 512 * 1024, BIG):
        assert stack.put(f"{key}-{size}", noise(size)).status == 200
        sent = next(r for r in c.requests if r.method == "PUT" and r.key == f"{key}-{size}")
        guards = [n for n in sent.headers if n == "content-md5" or n.startswith("x-amz-checksum-") or n == "x-amz-trailer"]
        assert guards or len(sent.headers["x-amz-content-sha256"]) == 64, sent.headers
        assert "expect" not in sent.headers or sent.headers["expect"].lower() == "100-continue"
        assert STAMP in sent.headers


def test_nothing_of_the_clients_proof_is_forwarded(stack, c, key):
    stack.put(key, noise(SMALL), {"x-amz-meta-kept": "yes"})
    sent = next(r for r in c.requests if r.method == "PUT" and r.key == key)
    assert stack.document["access_key"] not in sent.headers["authorization"]
    assert sent.headers["x-amz-meta-kept"] == "yes"
    assert "aws-chunked" not in sent.headers.get("content-encoding", "")


# --- what repair costs ------------------------------------------------------------------------------------------

def test_ten_overwrites_during_an_outage_cost_one_put(stack, c, key):
    stack.put(key, b"before")
    stack.wait_settled(key)
    c.refuse()
    for i in range(10):
        assert stack.put(key, noise(SMALL, i)).status == 200
    before = c.count("PUT", key)
    c.accept()
    stack.wait_repaired()
    assert c.count("PUT", key) - before == 1
    stack.assert_everywhere(key, noise(SMALL, 9))


def test_a_put_then_a_delete_during_an_outage_cost_one_delete_and_no_put(stack, c, key):
    stack.put(key, b"before")
    stack.wait_settled(key)
    c.refuse()
    assert stack.put(key, noise(BIG)).status == 200
    assert stack.delete(key).status == 204
    puts, deletes = c.count("PUT", key), c.count("DELETE", key)
    c.accept()
    stack.wait_repaired()
    assert (c.count("PUT", key) - puts, c.count("DELETE", key) - deletes) == (0, 1)
    stack.assert_everywhere(key, None)


def test_an_object_that_never_was_on_the_backend_costs_it_no_copy_when_deleted(stack, c, key):
    c.refuse()
    assert stack.put(key, noise(BIG)).status == 200
    assert stack.delete(key).status == 204
    puts = c.count("PUT", key)
    c.accept()
    stack.wait_repaired()
    assert c.count("PUT", key) == puts
    stack.assert_everywhere(key, None)


def test_a_write_that_landed_unseen_is_not_copied_again(stack, c, key):
    """c stored it and the answer was lost: repair finds the stamp and has nothing to copy."""
    c.script(Fault("reset", store=True, method="PUT", key=key, times=1))
    assert stack.put(key, noise(BIG)).status == 200
    stack.wait_repaired()
    assert c.count("PUT", key) == 1
    stack.assert_everywhere(key, noise(BIG))


@pytest.mark.parametrize("fault", ["reset in the body", "no answer, not stored", "500, not stored", "503",
                                   "a damaged copy", "200 with an error body"])
def test_repair_itself_survives_the_fault_and_tries_again(stack, c, key, fault):
    c.refuse()
    assert stack.put(key, noise(BIG)).status == 200
    struck = c.script(fresh(fault, method="PUT", key=key, times=2))
    c.accept()
    wait_until(lambda: struck.hits == 2, "two failed repairs", 60)
    c.behave()
    stack.wait_repaired()
    stack.assert_everywhere(key, noise(BIG))


# --- reads -----------------------------------------------------------------------------------------------------

READ_FAULTS = [Fault("reset", at="head"), Fault("stall", at="head"), Fault("close"), Fault("status", status=500),
               Fault("status", status=503), Fault("status", status=403), Fault("garbage")]


@pytest.mark.parametrize("fault", READ_FAULTS, ids=lambda f: f"{f.what}-{f.at}-{f.status if f.what == 'status' else ''}")
def test_a_read_fails_over_before_the_first_byte(stack, c, key, fault):
    body = noise(BIG)
    stack.put(key, body)
    stack.wait_settled(key)
    c.script(Fault(fault.what, at=fault.at, status=fault.status, method="GET"))
    for _ in range(8):
        answer = stack.get(key)
        assert (answer.status, answer.body) == (200, body)


@pytest.mark.parametrize("what", ["reset", "close", "stall"])
def test_a_read_that_breaks_in_the_middle_is_never_taken_for_whole(stack, c, key, what):
    body = noise(BIG)
    stack.put(key, body)
    stack.wait_settled(key)
    c.script(Fault(what, at="reply", after=100_000, method="GET"))
    for _ in range(8):
        with stack.wire(timeout=60) as wire:
            wire.send(stack.signer.head("GET", stack.path(key)))
            answer = wire.response()
            assert answer.status == 200
            assert body.startswith(answer.body)
            assert answer.complete == (answer.body == body)
            assert answer.headers["content-length"] == str(BIG)


# --- all must agree ---------------------------------------------------------------------------------------------

def test_need_all_is_503_when_one_backend_fails_and_repair_still_makes_them_agree(tmp_path, binary, key):
    with HostileBackend() as c:
        prepare(c)
        stack = bring_up(tmp_path / "rig", c, **{"buckets.0.ack": {"need": "all", "wait": "all"}})
        try:
            assert stack.put(key, b"before").status == 200
            for fault in ("503", "reset after the body, stored", "no answer, not stored", "reset in the body"):
                c.script(fresh(fault, method="PUT", key=key))
                answer = stack.put(key, noise(BIG))
                assert answer.status == 503, fault
                assert "etag" not in answer.headers
                c.behave()
                stack.wait_repaired()
                assert stack.get(key).body in (b"before", noise(BIG))
                stack.assert_everywhere(key, stack.get(key).body)
        finally:
            stack.down()


def test_wait_need_answers_while_a_slow_backend_is_still_busy(tmp_path, binary, key):
    with HostileBackend() as c:
        prepare(c)
        stack = bring_up(tmp_path / "rig", c, **{"buckets.0.ack": {"need": 1, "wait": "need"}, "terms.stall_ms": 60_000,
                                                 "terms.detach_ms": 60_000})
        try:
            held = c.script(Fault("hold", method="PUT", key=key))
            assert stack.put(key, noise(BIG)).status == 200
            assert stack.get(key).body == noise(BIG)
            assert held.reached.wait(30), "c has not been asked"
            assert c.stored("media-copy", key) is None, "the answer came although c was still held"
            held.release()
            c.behave()
            stack.wait_settled(key)
            stack.assert_everywhere(key, noise(BIG))
            assert c.count("PUT", key) == 1, "the late write counted; nothing was repaired"
        finally:
            stack.down()


def test_two_writers_whose_requests_cross_end_with_one_content(tmp_path, binary, key):
    """a commits 1 then 2; b and c commit 2 then 1. Nobody failed, and yet the replicas differ: the journal must know."""
    backends = {name: HostileBackend() for name in "abc"}
    try:
        for backend in backends.values():
            prepare(backend)
        stack = Stack.up(tmp_path / "rig", backends=[b.url for b in backends.values()],
                         sets={"terms.stall_ms": 60_000, "terms.detach_ms": 60_000})
        try:
            for round_number in range(3):
                cross(stack, backends, f"{key}-{round_number}")
        finally:
            stack.down()
    finally:
        for backend in backends.values():
            backend.close()


def cross(stack, backends, key):
    last = {"a": "2", "b": "1", "c": "1"}
    gates = {name: backend.script(Fault("hold", method="PUT", key=key, header=("x-amz-meta-writer", last[name])))
             for name, backend in backends.items()}
    answers = {}

    def write(writer):
        answers[writer] = stack.put(key, noise(SMALL, int(writer)), {"x-amz-meta-writer": writer}).status

    writers = [threading.Thread(target=write, args=(w,)) for w in ("1", "2")]
    for writer in writers:
        writer.start()
    for name, backend in backends.items():
        bucket = stack.backend_bucket(name)
        assert gates[name].reached.wait(30), f"{name} did not get writer {last[name]}"
        wait_until(lambda b=backend, k=bucket: b.stored(k, key), f"{name} to commit the other writer", 30)
    for gate in gates.values():
        gate.release()
    for writer in writers:
        writer.join()
    assert set(answers.values()) == {200}
    stack.wait_settled(key)
    final = stack.get(key).body
    assert final in (noise(SMALL, 1), noise(SMALL, 2))
    stack.assert_everywhere(key, final)
