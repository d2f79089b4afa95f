"""What one client can make the gateway hold: heads that do not end, thousands of fields, bodies that come slowly or are not
read. Memory stays within what the design gives each connection and each body, and others are served meanwhile."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from memory import grown, peak
from stack import Stack, wait_until
from wire import Wire

MIB = 1 << 20
BUDGET = 16 * MIB     # body_budget
CHUNK = 512 * 1024    # the ticket of a body
HEAD = 36 * 1024      # of a head that is not at its end, its first block besides
BLOCK = 24 * 1024
# A sanitizer's shadow and its margins take so much more of what is held; freed memory is not kept (ASAN_OPTIONS below).
MARGIN = 2
SLACK = 8 * MIB


@pytest.fixture(scope="module")
def stack(tmp_path_factory, binary):
    """One for all: those tests come first after which least may have been held."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASAN_OPTIONS", "quarantine_size_mb=1:thread_local_quarantine_size_kb=64")
        running = Stack.up(tmp_path_factory.mktemp("limits"), sets={
            "body_budget": BUDGET, "ring_bytes": 2 * MIB, "limits.front.head_ms": 20_000, "limits.front.body_ms": 20_000,
            "terms.stall_ms": 20_000, "terms.detach_ms": 20_000})
    for i in range(20):  # what is allocated once
        assert running.put("warm", b"x" * 100_000).status == 200
        assert running.get("warm").status == 200
    yield running
    running.down()


@pytest.fixture
def connections(stack):
    """A function that opens one more; all are reset at the end."""
    opened = []

    def more():
        opened.append(Wire(stack.endpoint))
        return opened[-1]

    yield more
    for wire in opened:
        if wire.sock.fileno() >= 0:
            wire.reset()


def assert_served(stack):
    assert stack.get("warm").body == b"x" * 100_000


def pour(wire, piece, times):
    """Send on and on, until it is all sent or the other side has enough."""
    for _ in range(times):
        try:
            wire.sock.sendall(piece)
        except OSError:
            return


# --- heads --------------------------------------------------------------------------------------------------

FLOODS = {
    "a hundred thousand fields": (b"GET /media/warm HTTP/1.1\r\nHost: x\r\n", b"X-Field: value\r\n" * 100, 1000),
    "a field of a megabyte": (b"GET /media/warm HTTP/1.1\r\nHost: x\r\nX-Field: ", b"x" * 10_000, 105),
    "a field without an end": (b"GET /media/warm HTTP/1.1\r\nHost: x\r\nX-Field: ", b"x" * 100_000, 500),
    "a name without an end": (b"GET /media/warm HTTP/1.1\r\nHost: x\r\n", b"x" * 100_000, 100),
    "a path without an end": (b"GET /media/", b"x" * 100_000, 100),
    "a query without an end": (b"GET /media?prefix=", b"%41" * 33_000, 100),
    "a method without an end": (b"", b"G" * 100_000, 100),
    "empty parameters": (b"GET /media?", b"&" * 100_000, 100),
    "empty lines": (b"", b"\r\n" * 50_000, 100),
}


def flood(stack, start, piece, times):
    """What is answered to it; None: a reset while we still sent swallowed it. The connection ends."""
    with Wire(stack.endpoint) as wire:
        wire.try_send(start)
        pour(wire, piece, times)
        answer = wire.response()
        assert wire.closed()
        return answer


def test_a_head_has_a_limit(stack):
    """All at a time: each is read on for a while when it has been answered, so that the answer is not lost."""
    before = peak(stack)
    with ThreadPoolExecutor(len(FLOODS)) as pool:
        answers = dict(zip(FLOODS, pool.map(lambda what: flood(stack, *what), FLOODS.values())))
    for name, answer in answers.items():
        assert answer is None or answer.status in (400, 431), (name, answer)
    assert_served(stack)
    assert grown(stack, before) < MARGIN * len(FLOODS) * (HEAD + BLOCK) + SLACK


@pytest.mark.parametrize("fields, size, status", [
    (101, 10, 431), (90, 400, 431), (1, 40_000, 431), (90, 10, 403), (1, 30_000, 403)])
def test_the_limits_of_a_head_are_told(stack, fields, size, status):
    """By an answer, when the client reads it: it has sent no more than fits the socket."""
    head = b"PUT /media/x HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"v" * size) for i in range(fields)) + b"\r\n"
    answer = stack.signer.exchange(head)
    assert answer.status == status, answer
    assert answer.code in (("RequestHeaderSectionTooLarge",) if status == 431 else ("AccessDenied",)), answer


def test_a_parameter_for_each_of_thousands_is_refused(stack):
    for query in ("&".join(f"a{i}=1" for i in range(5000)), "&".join(["uploads"] * 3000), "a=" + "%25" * 9000,
                  "X-Amz-Signature=0&" * 1500):
        answer = stack.signer.exchange(f"GET /media?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert answer.status in (400, 403, 431, 501), answer
    assert_served(stack)


# --- bodies -------------------------------------------------------------------------------------------------

def test_bodies_that_nobody_reads_are_thrown_away(stack):
    """Refused by their heads; what follows is read off up to a limit, or the connection ends."""
    before = peak(stack)

    def send(_):
        with Wire(stack.endpoint) as wire:
            wire.try_send(stack.signer.head("PUT", stack.path("x"), secret_key="wrong",
                                            headers={"content-length": str(1 << 32)}))
            pour(wire, bytes(100_000), 200)
            return wire.response()

    with ThreadPoolExecutor(8) as pool:
        for answer in pool.map(send, range(16)):
            assert answer is None or answer.code == "SignatureDoesNotMatch", answer
    assert_served(stack)
    assert grown(stack, before) < SLACK + MARGIN * 8 * (BLOCK + HEAD)


ENDLESS = {"extensions": b"5;a=" + b"b" * 100_000, "trailer": b"0\r\n" + b"X-T: " + b"y" * 100_000, "sizes": b"0" * 100_000,
           "small chunks": b"1\r\nx\r\n" * 20_000}


def test_chunk_lines_have_limits(stack):
    head = b"PUT /media/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    before = peak(stack)
    with ThreadPoolExecutor(len(ENDLESS)) as pool:
        answers = dict(zip(ENDLESS, pool.map(lambda piece: flood(stack, head, piece, 100), ENDLESS.values())))
    for name, answer in answers.items():
        assert answer is None or answer.status == 403, (name, answer)
    assert_served(stack)
    assert grown(stack, before) < MARGIN * len(ENDLESS) * (HEAD + BLOCK) + SLACK


# --- what many hold together ----------------------------------------------------------------------------------

def test_heads_that_stand_still_hold_a_block_each(stack, connections):
    """Four hundred, each one byte short of too large."""
    before = peak(stack)
    start = b"GET /media/warm HTTP/1.1\r\nHost: x\r\nX-Field: "
    for _ in range(400):
        connections().send(start + b"x" * (32 * 1024 - len(start) - 1))
    assert_served(stack)
    assert grown(stack, before) < MARGIN * 400 * (HEAD + BLOCK) + SLACK


def test_slow_bodies_stay_in_the_budget(stack, connections):
    """So many that all cannot have a chunk: some are asked to slow down, and none waits for another."""
    before = peak(stack)
    wires = []
    for i in range(3 * BUDGET // CHUNK):
        wire = connections()
        wires.append(wire)
        head = stack.signer.head("PUT", stack.path(f"slow-{i}"), headers={"content-length": str(100 * MIB)})
        wire.sock.settimeout(0.2)
        try:
            wire.sock.sendall(head + random.Random(i).randbytes(MIB))
        except OSError:
            pass  # what the gateway does not take has to wait here
    assert stack.metric("s3mirror_body_budget_used_bytes") <= BUDGET
    refused = [answer for answer in map(first_answer, wires) if answer]
    assert refused and all((a.status, a.code) == (503, "SlowDown") for a in refused), refused
    assert len(refused) < len(wires)
    assert grown(stack, before) < MARGIN * (BUDGET + len(wires) * (BLOCK + CHUNK // 2)) + SLACK
    for wire in wires:
        wire.reset()
    wait_until(lambda: stack.metric("s3mirror_body_budget_used_bytes") == 0, "all of the budget to come back", 30)
    for i in range(len(wires)):
        assert stack.get(f"slow-{i}").status == 404
    assert stack.put("after", b"x" * 3 * MIB).status == 200


def first_answer(wire):
    """What has come by now; None: nothing."""
    try:
        return wire.response() if wire.pending or wire.more() else None
    except TimeoutError:
        return None


def test_readers_that_take_nothing_hold_a_chunk_each(stack, connections):
    assert stack.put("large", random.Random(1).randbytes(40 * MIB)).status == 200
    before = peak(stack)
    for _ in range(30):
        wire = connections()
        wire.send(stack.signer.head("GET", stack.path("large")))
        assert wire.sock.recv(1000)
    assert stack.metric("s3mirror_body_budget_used_bytes") <= BUDGET
    assert grown(stack, before) < MARGIN * (BUDGET + 30 * (BLOCK + CHUNK // 2)) + SLACK
