"""Reads beside a backend whose answers are wrong: the client gets the right bytes under the right label from another
replica, or notices that it did not get them."""

import hashlib
import random

import pytest

from hostile_backend import Fault, HostileBackend
from riglib.process import wait_until
from stack import Stack

BODY = random.Random(1).randbytes(5000)
ETAG = f'"{hashlib.md5(BODY).hexdigest()}"'
ERROR = b"<?xml version=\"1.0\"?>\n<Error><Code>InternalError</Code><Message>We tried.</Message></Error>"


@pytest.fixture(scope="module")
def shared(tmp_path_factory, binary):
    backends = {name: HostileBackend() for name in "abc"}
    for backend in backends.values():
        backend.buckets.update({"media": {}, "media-copy": {}})
    stack = Stack.up(tmp_path_factory.mktemp("get-hostile"), backends=[b.url for b in backends.values()])
    try:
        yield stack, backends["c"]
    finally:
        stack.down()
        for backend in backends.values():
            backend.close()


@pytest.fixture
def stack(shared, key):
    """The object is on all three, and the gateway thinks well of c."""
    running, c = shared
    wait_until(lambda: running.metric("s3mirror_backend_up", backend="c") == 1, "c to be taken back", 30)
    assert running.put(key, BODY, {"content-type": "text/plain"}).status == 200
    running.wait_settled(key)
    yield running
    c.behave()
    running.wait_repaired()
    running.assert_everywhere(key, BODY)


@pytest.fixture
def c(shared, stack):
    return shared[1]


def answer(status, body, *lines, etag=ETAG, length=None):
    """An answer's bytes. Some headers may be missing, and some lines may be wrong."""
    head = [f"HTTP/1.1 {status} Whatever", *lines]
    if etag:
        head.append(f"ETag: {etag}")
    if length != "":
        head.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def read(stack, key, headers=None, method="GET"):
    """On a connection of its own; None: it was broken before a whole head."""
    with stack.wire(timeout=60) as wire:
        wire.send(stack.signer.head(method, stack.path(key), headers=headers))
        return wire.response(method)


def while_struck(fault, step):
    """Until the gateway has asked c, whom it asks when it likes."""
    for _ in range(200):
        if fault.hits:
            return
        step()
    assert fault.hits, "c was never asked"


# Nothing of these reaches a client.
WRONG = {
    "an error document under a 200": answer(200, ERROR, "Content-Type: application/xml", etag=None),
    "an error document of no length": answer(200, ERROR, "Connection: close", etag=None, length=""),
    "an object of no length": answer(200, BODY, "Connection: close", length=""),
    "a part nobody asked for": answer(206, BODY[:100], "Content-Range: bytes 0-99/5000"),
    "a part that says 200": answer(200, BODY[:100], "Content-Range: bytes 0-99/5000"),
    "206 for the whole": answer(206, BODY),
    "304 without a condition": answer(304, b"", length=""),
    "412 without a condition": answer(412, ERROR, etag=None),
    "416 without a range": answer(416, ERROR, "Content-Range: bytes */5000", etag=None),
    "201": answer(201, BODY),
    "204": answer(204, b"", length=""),
    "a redirect": answer(307, b"", "Location: http://127.0.0.1:1/"),
    "403": answer(403, ERROR, etag=None),
    "another protocol": answer(101, b"", "Upgrade: h2c", "Connection: upgrade", etag=None, length=""),
    "a control character in a value": answer(200, BODY, "X-Odd: a\x01b"),
    "a NUL in a value": answer(200, BODY, "X-Odd: a\x00b"),
    "a bare CR in a value": answer(200, BODY, "X-Odd: a\rContent-Length: 1"),
    "a bare LF in a value": answer(200, BODY, "X-Odd: a\nContent-Length: 1"),
    "a folded line": answer(200, BODY, "X-Odd: a", " b"),
    "two lengths": answer(200, BODY, "Content-Length: 100"),
    "a negative length": answer(200, BODY, length=-1),
    "a length beyond all": answer(200, BODY, length=1 << 64),
    "a length and chunks": answer(200, b"1388\r\n" + BODY + b"\r\n0\r\n\r\n", "Transfer-Encoding: chunked", length=5000),
    "chunks in gzip": answer(200, b"0\r\n\r\n", "Transfer-Encoding: gzip, chunked", length=""),
    "too many headers": answer(200, BODY, *[f"X-{i}: x" for i in range(101)]),
    "HTTP/2": b"HTTP/2 200\r\ncontent-length: 0\r\n\r\n",
    "an end in the head": answer(200, BODY)[:30],
    "nothing": b"",
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_answer_is_followed_by_another_replica(stack, c, key, wrong):
    fault = c.script(Fault("raw", raw=WRONG[wrong], method="GET", key=key))

    def get():
        got = read(stack, key)
        assert (got.status, got.body, got.headers["etag"]) == (200, BODY, ETAG)
        assert got.headers["content-type"] == "text/plain"
        assert "content-range" not in got.headers
    while_struck(fault, get)


# A client's HEAD goes the same way.
@pytest.mark.parametrize("wrong", ["an error document under a 200", "a part nobody asked for", "304 without a condition",
                                   "a control character in a value", "two lengths", "nothing"])
def test_a_wrong_answer_to_head_is_followed_by_another_replica(stack, c, key, wrong):
    head = WRONG[wrong].partition(b"\r\n\r\n")
    fault = c.script(Fault("raw", raw=head[0] + head[1], method="HEAD", key=key))

    def look():
        got = read(stack, key, method="HEAD")
        assert (got.status, got.headers["content-length"], got.headers["etag"]) == (200, "5000", ETAG)
    while_struck(fault, look)


# Endless ones: each ends with the time or the size that a head may have.
FLOODS = {
    "interim answers": b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n" * 100,
    "continue": b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
    "status lines": b"HTTP/1.1 200 OK\r\n" * 100,
    "one line": b"H" * 1000,
}


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_in_place_of_an_answer_is_followed_by_another_replica(stack, c, key, flood):
    fault = c.script(Fault("flood", raw=FLOODS[flood], method="GET", key=key))

    def get():
        got = read(stack, key)
        assert (got.status, got.body) == (200, BODY)
    while_struck(fault, get)


PART = BODY[1000:2000]
WRONG_PARTS = {
    "no Content-Range": answer(206, PART),
    "another start": answer(206, BODY[999:2000], "Content-Range: bytes 999-1999/5000"),
    "another end": answer(206, BODY[1000:2001], "Content-Range: bytes 1000-2000/5000"),
    "another part, as 200": answer(200, BODY[:1000], "Content-Range: bytes 0-999/5000"),
    "fewer bytes than it says": answer(206, PART[:-1], "Content-Range: bytes 1000-1999/5000"),
    "more bytes than it says": answer(206, BODY[1000:2001], "Content-Range: bytes 1000-1999/5000"),
    "the whole as a part": answer(206, BODY, "Content-Range: bytes 1000-1999/5000"),
    "a part of nothing": answer(206, PART, "Content-Range: bytes 1000-1999/1500"),
    "no size": answer(206, PART, "Content-Range: bytes 1000-1999/*"),
    "two places": answer(206, PART, "Content-Range: bytes 1000-1999/5000", "Content-Range: bytes 0-999/5000"),
    "several parts": answer(206, b"--x\r\n\r\nabc\r\n--x--", "Content-Type: multipart/byteranges; boundary=x"),
    "an error document": answer(200, ERROR, etag=None),
}


@pytest.mark.parametrize("wrong", WRONG_PARTS)
def test_a_wrong_part_is_followed_by_another_replica(stack, c, key, wrong):
    fault = c.script(Fault("raw", raw=WRONG_PARTS[wrong], method="GET", key=key))

    def get():
        got = read(stack, key, {"range": "bytes=1000-1999"})
        assert (got.status, got.body) == (206, PART)
        assert got.headers["content-range"] == "bytes 1000-1999/5000"
    while_struck(fault, get)


def test_a_part_that_says_200_is_told_as_a_part(stack, c, key):
    raw = answer(200, PART, "Content-Range: bytes 1000-1999/5000", "X-Amz-Meta-From: c")
    fault = c.script(Fault("raw", raw=raw, method="GET", key=key))
    answers = []
    while_struck(fault, lambda: answers.append(read(stack, key, {"range": "bytes=1000-1999"})))
    for got in answers:
        assert (got.status, got.body, got.headers["content-range"]) == (206, PART, "bytes 1000-1999/5000")
    assert answers[-1].headers["x-amz-meta-from"] == "c", "it is c's answer that was passed on"


def test_the_whole_for_a_part_is_told_as_the_whole(stack, c, key):
    fault = c.script(Fault("raw", raw=answer(200, BODY, "X-Amz-Meta-From: c"), method="GET", key=key))
    answers = []
    while_struck(fault, lambda: answers.append(read(stack, key, {"range": "bytes=1000-1999"})))
    assert (answers[-1].status, answers[-1].body) == (200, BODY)
    assert "content-range" not in answers[-1].headers
    assert answers[-1].headers["x-amz-meta-from"] == "c"


@pytest.mark.parametrize("cut", [0, 1, 4999])
def test_a_body_shorter_than_announced_goes_on_from_another_replica(stack, c, key, cut):
    stamp = c.stored(stack.backend_bucket("c"), key).headers["x-amz-meta-s3mirror-stamp"]
    raw = answer(200, BODY[:cut], f"x-amz-meta-s3mirror-stamp: {stamp}", length=5000)
    fault = c.script(Fault("raw", raw=raw, method="GET", key=key))
    resumes = stack.metric("s3mirror_read_resumes_total")

    def get():
        got = read(stack, key)
        assert (got.status, got.body) == (200, BODY)
    while_struck(fault, get)
    assert stack.metric("s3mirror_read_resumes_total") > resumes


# What c says of the object's size is wrong, and what the others have cannot complete it.
BROKEN = {
    "longer than announced": answer(200, BODY, length=100),
    "something behind an empty object": answer(200, BODY, length=0),
    "shorter than announced, and the object too": answer(200, BODY, length=6000),
    "another object, cut": answer(200, BODY[::-1][:100], length=5000, etag='"other"'),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_body_that_nobody_can_complete_is_never_taken_for_whole(stack, c, key, broken):
    fault = c.script(Fault("raw", raw=BROKEN[broken], method="GET", key=key))
    answers = []
    while_struck(fault, lambda: answers.append(read(stack, key)))
    for got in answers:
        assert got is None or not got.complete or (got.status, got.body) == (200, BODY)
    last = answers[-1]
    if broken == "something behind an empty object":
        assert (last.status, last.body) == (200, BODY), "its head was not believed"
    else:
        assert last is None or not last.complete


def test_another_coding_is_told_to_the_client(stack, c, key):
    """c, or what stands before it, has packed the object: the label goes with the bytes."""
    fault = c.script(Fault("raw", raw=answer(200, b"packed", "Content-Encoding: gzip"), method="GET", key=key))
    answers = []
    while_struck(fault, lambda: answers.append(read(stack, key)))
    assert (answers[-1].body, answers[-1].headers["content-encoding"]) == (b"packed", "gzip")


def test_a_document_without_an_end_does_not_keep_the_client(stack, c, key):
    """A 404 and then bytes for ever: the client has its answer, and c is let go."""
    stack.delete(key)
    stack.wait_settled(key)
    fault = c.script(Fault("raw", raw=answer(404, ERROR * 50_000, etag=None, length=1 << 40), method="GET", key=key))

    def get():
        got = read(stack, key)
        assert (got.status, got.code) == (404, "NoSuchKey")
    while_struck(fault, get)
    c.behave()
    wait_until(lambda: stack.metric("s3mirror_backend_in_flight", backend="c") == 0, "c to be let go", 30)
    assert stack.put(key, BODY).status == 200
    stack.wait_settled(key)
