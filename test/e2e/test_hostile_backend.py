"""The misbehaving server itself: honest when left alone, and wrong exactly as told."""

import base64
import struct
import zlib

import pytest

from hostile_backend import CRC32C, CRC64NVME, Fault, reflected_crc
from riglib.s3 import S3
from wire import Signer, Wire


@pytest.fixture
def s3(hostile):
    hostile.buckets["b"] = {}
    return S3(hostile.endpoint, "x", "y", timeout=10)


def chunked(hostile, body, trailer, value):
    """Status of an aws-chunked PUT with this trailer."""
    signer = Signer(hostile.endpoint, "x", "y")
    framed = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:10], body[10:]) if part)
    framed += b"0\r\n" + f"{trailer}:{value}\r\n\r\n".encode()
    head = signer.head("PUT", "/b/k", payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER", headers={
        "content-length": str(len(framed)), "x-amz-decoded-content-length": str(len(body)), "x-amz-trailer": trailer})
    return signer.exchange(head + framed).status


def test_crcs_are_the_published_ones():
    assert reflected_crc(CRC32C, b"123456789") == 0xE3069283
    assert reflected_crc(CRC64NVME, b"123456789") == 0xAE8B14860A799888


def test_it_stores_and_gives_back(hostile, s3):
    assert s3.put("b", "k", b"0123456789", {"x-amz-meta-a": "1"}).status == 200
    assert s3.get("b", "k").body == b"0123456789"
    assert s3.head("b", "k").headers["x-amz-meta-a"] == "1"
    part = s3.request("GET", "/b/k", headers={"range": "bytes=2-4"})
    assert (part.status, part.body) == (206, b"234")
    assert s3.delete("b", "k").status == 204
    assert s3.get("b", "k").status == 404


def test_it_refuses_bodies_that_do_not_verify(hostile, s3):
    assert s3.put("b", "k", b"x", {"content-md5": base64.b64encode(b"0" * 16).decode()}).status == 400
    assert s3.put("b", "k", b"x", {"x-amz-checksum-crc32": "AAAAAA=="}).status == 400
    body = b"a body in two chunks"
    right = base64.b64encode(struct.pack(">I", zlib.crc32(body))).decode()
    assert chunked(hostile, body, "x-amz-checksum-crc32", "AAAAAA==") == 400
    assert hostile.stored("b", "k") is None
    assert chunked(hostile, body, "x-amz-checksum-crc32", right) == 200
    assert hostile.stored("b", "k").body == body


@pytest.mark.parametrize("fault, stored", [
    (Fault("reset", at="head"), False), (Fault("close", at="head"), False), (Fault("reset", at="body", after=3), False),
    (Fault("reset"), False), (Fault("reset", store=True), True), (Fault("close", store=True), True)])
def test_it_breaks_off_where_told(hostile, s3, fault, stored):
    hostile.script(fault)
    with pytest.raises(OSError):
        s3.put("b", "k", b"some body")
    assert (hostile.stored("b", "k") is not None) == stored
    assert fault.hits == 1


def test_it_answers_as_told(hostile, s3):
    hostile.script(Fault("status", status=503, times=1), Fault("error200", times=1))
    assert s3.put("b", "k", b"x").status == 503
    second = s3.put("b", "k", b"x")
    assert (second.status, b"<Error>" in second.body) == (200, True)
    assert hostile.stored("b", "k") is None
    assert s3.put("b", "k", b"x").status == 200
    hostile.script(Fault("damage", times=1))
    assert s3.put("b", "k", b"whole").headers["etag"] != s3.put("b", "k2", b"whole").headers["etag"]
    assert hostile.stored("b", "k").body != b"whole"
    hostile.script(Fault("garbage", times=1))
    with pytest.raises(OSError):
        s3.put("b", "k", b"x")


def test_it_says_what_it_is_told_to_the_byte(hostile):
    raw = hostile.script(Fault("raw", raw=b"HTTP/1.1 206 x\r\nContent-Length: 3\r\n\r\nabcd", times=1))
    flood = hostile.script(Fault("flood", raw=b"HTTP/1.1 103 Early Hints\r\n\r\n"))
    head = Signer(hostile.endpoint, "x", "y").head("GET", "/b/k")
    with Wire(hostile.endpoint) as wire:
        wire.send(head)
        answer = wire.response()
        assert (answer.status, answer.body) == (206, b"abc")
        assert wire.pending == b"d" and not wire.more()
    with Wire(hostile.endpoint) as wire:
        wire.send(head)
        assert {wire.response().status for _ in range(10_000)} == {103}
    assert raw.hits == flood.hits == 1


def test_it_stalls_until_released(hostile, s3):
    fault = hostile.script(Fault("stall", method="PUT"))
    signer = Signer(hostile.endpoint, "x", "y")
    with Wire(hostile.endpoint) as wire:
        wire.send(signer.put("/b/k", b"body"))
        assert fault.reached.wait(10)
        fault.release()
        assert wire.response() is None


def test_it_holds_back_its_effect_until_released(hostile, s3):
    fault = hostile.script(Fault("hold", method="PUT"))
    signer = Signer(hostile.endpoint, "x", "y")
    with Wire(hostile.endpoint) as wire:
        wire.send(signer.put("/b/k", b"body"))
        assert fault.reached.wait(10)
        assert hostile.stored("b", "k") is None
        fault.release()
        assert wire.response().status == 200
    assert hostile.stored("b", "k").body == b"body"


def test_it_refuses_and_comes_back_on_its_port(hostile, s3):
    hostile.refuse()
    with pytest.raises(ConnectionRefusedError):
        s3.get("b", "k")
    hostile.accept()
    assert s3.get("b", "k").status == 404


def test_it_breaks_a_reply_in_the_middle(hostile, s3):
    s3.put("b", "k", b"0123456789")
    hostile.script(Fault("reset", at="reply", after=4, method="GET"))
    with Wire(hostile.endpoint) as wire:
        wire.send(Signer(hostile.endpoint, "x", "y").head("GET", "/b/k"))
        answer = wire.response()
    assert not answer.complete
    assert b"0123".startswith(answer.body)
