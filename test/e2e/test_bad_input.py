"""What broken, lying or hostile clients send. After each: nothing of it on any backend, and a gateway that serves."""

import base64
import hashlib
import random
import re
import time

import pytest

from riglib import sigv4
from stack import Stack, wait_until
from wire import head_bytes, sha256

SIZES = [1000, 3_000_000]
OLD = b"what was there before"


def noise(size):
    return random.Random(size).randbytes(size)


@pytest.fixture(autouse=True)
def gateway_survives(stack):
    yield
    assert stack.admin_get("/healthz")[0] == 200


# --- bodies that are not what they claim --------------------------------------------------------------------

@pytest.mark.parametrize("ending", ["finish", "reset"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("payload", ["unsigned", "hashed"])
def test_a_truncated_body_changes_nothing(stack, key, payload, size, ending):
    stack.put(key, OLD)
    body = noise(size)
    declared = sha256(body) if payload == "hashed" else sigv4.UNSIGNED
    for sent in (0, 1, size // 2, size - 1):
        with stack.wire() as wire:
            wire.try_send(stack.signer.put(stack.path(key), body[:sent], declared=size, payload=declared))
            getattr(wire, ending)()
            if ending == "finish":
                answer = wire.response()
                assert answer is None or (answer.status == 400 and answer.code == "IncompleteBody"), answer
        stack.assert_nowhere_changed(key, OLD)


def test_a_client_that_goes_at_any_byte_leaves_nothing(stack, key):
    """Cut the whole request, head included, at many places; only the uncut one counts."""
    stack.put(key, OLD)
    request = stack.signer.put(stack.path(key), noise(1000))
    cuts = [*range(0, len(request), 61), len(request) - 1]
    for cut in cuts:
        with stack.wire() as wire:
            wire.send(request[:cut])
            wire.reset()
    stack.assert_nowhere_changed(key, OLD)
    assert stack.signer.exchange(request).status == 200
    stack.assert_everywhere(key, noise(1000))


@pytest.mark.parametrize("size", SIZES)
def test_bytes_past_the_declared_length_are_not_part_of_the_object(stack, key, size):
    body = noise(size)
    with stack.wire() as wire:
        wire.try_send(stack.signer.put(stack.path(key), body + b"and some more that was not declared\r\n\r\n", declared=size))
        assert wire.response().status == 200
        refused = wire.response()
        assert refused is None or refused.status == 400, refused
        assert wire.closed()
    stack.assert_everywhere(key, body)


@pytest.mark.parametrize("size", SIZES)
def test_a_wrong_sha256_changes_nothing(stack, key, size):
    stack.put(key, OLD)
    answer = stack.signer.exchange(stack.signer.put(stack.path(key), noise(size), payload=sha256(b"something else")))
    assert (answer.status, answer.code) == (400, "XAmzContentSHA256Mismatch")
    stack.assert_nowhere_changed(key, OLD)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name, digest", [
    ("content-md5", hashlib.md5(b"else").digest()), ("x-amz-checksum-crc32", b"\0\1\2\3"),
    ("x-amz-checksum-crc32c", b"\0\1\2\3"), ("x-amz-checksum-crc64nvme", b"\0\1\2\3\4\5\6\7"),
    ("x-amz-checksum-sha1", hashlib.sha1(b"else").digest()),
    ("x-amz-checksum-sha256", hashlib.sha256(b"else").digest())])
def test_a_wrong_checksum_changes_nothing(stack, key, size, name, digest):
    stack.put(key, OLD)
    answer = stack.put(key, noise(size), {name: base64.b64encode(digest).decode()})
    assert answer.status == 400, answer.body
    assert b"<Code>BadDigest</Code>" in answer.body or b"<Code>XAmzContentChecksumMismatch</Code>" in answer.body
    stack.assert_nowhere_changed(key, OLD)


@pytest.mark.parametrize("value", ["", "nonsense", "AAAA", "A" * 24, "====", base64.b64encode(b"x" * 17).decode()])
def test_a_malformed_md5_is_refused_as_such(stack, key, value):
    stack.put(key, OLD)
    answer = stack.put(key, b"new", {"content-md5": value})
    assert answer.status == 400
    assert b"<Code>InvalidDigest</Code>" in answer.body
    stack.assert_nowhere_changed(key, OLD)


def test_a_put_without_a_length_is_refused(stack, key):
    answer = stack.signer.exchange(stack.signer.head("PUT", stack.path(key)) + b"body")
    assert (answer.status, answer.code) == (411, "MissingContentLength")
    assert stack.get(key).status == 404


# --- who may ------------------------------------------------------------------------------------------------

def refused(stack, key, data, status, code, method="GET"):
    answer = stack.signer.exchange(data, method)
    assert (answer.status, answer.code) == (status, code), answer
    assert stack.get(key).status == 404
    return answer


def test_a_wrong_secret_is_refused_and_the_answer_helps(stack, key):
    data = stack.signer.head("GET", stack.path(key), secret_key="wrong")
    answer = refused(stack, key, data, 403, "SignatureDoesNotMatch")
    for part in (b"<StringToSign>AWS4-HMAC-SHA256", b"<CanonicalRequest>GET"):
        assert part in answer.body


def test_a_put_with_a_wrong_signature_never_reaches_a_backend(stack, key):
    data = stack.signer.head("PUT", stack.path(key), headers={"content-length": "4"}, secret_key="wrong") + b"body"
    refused(stack, key, data, 403, "SignatureDoesNotMatch")
    stack.assert_everywhere(key, None)


@pytest.mark.parametrize("change", [
    lambda head: head.replace(b"GET /media/", b"GET /media/other-"),
    lambda head: head.replace(b"GET ", b"DELETE "),
    lambda head: re.sub(rb"(x-amz-meta-a: )1", rb"\g<1>2", head),
    lambda head: head.replace(b"Signature=", b"Signature=0"),
    lambda head: re.sub(rb"Signature=(.)", lambda m: b"Signature=" + (b"1" if m[1] == b"0" else b"0"), head),
])
def test_a_request_changed_after_signing_is_refused(stack, key, change):
    head = stack.signer.head("GET", stack.path(key), headers={"x-amz-meta-a": "1"})
    assert change(head) != head
    assert stack.signer.exchange(change(head)).status in (400, 403)


def test_an_unknown_access_key_is_refused(stack, key):
    refused(stack, key, stack.signer.head("GET", stack.path(key), access_key="nobody"), 403, "InvalidAccessKeyId")


@pytest.mark.parametrize("minutes", [-20, 20])
def test_a_clock_off_by_more_than_fifteen_minutes_is_refused(stack, key, minutes):
    data = stack.signer.head("GET", stack.path(key), when=time.time() + 60 * minutes)
    refused(stack, key, data, 403, "RequestTimeTooSkewed")


def test_a_clock_off_by_ten_minutes_is_accepted(stack, key):
    stack.put(key, b"x")
    assert stack.signer.exchange(stack.signer.head("GET", stack.path(key), when=time.time() - 600)).status == 200


def test_a_wrong_region_is_told_apart(stack, key):
    refused(stack, key, stack.signer.head("GET", stack.path(key), region="mars-1"), 400, "AuthorizationHeaderMalformed")


@pytest.mark.parametrize("value", ["", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=x", "Basic eDp5",
                                   "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=, Signature=zz", "A" * 5000])
def test_a_malformed_authorization_is_refused(stack, key, value):
    headers = stack.signer.headers("GET", stack.path(key))
    answer = stack.signer.exchange(head_bytes("GET", stack.path(key), {**headers, "authorization": value}))
    assert answer.status in (400, 403), answer
    assert answer.code in ("AuthorizationHeaderMalformed", "AccessDenied", "InvalidRequest", "InvalidArgument"), answer


def test_no_authorization_is_refused(stack, key):
    headers = {"host": stack.signer.netloc}
    refused(stack, key, head_bytes("GET", stack.path(key), headers), 403, "AccessDenied")


def test_signature_version_2_is_refused_with_advice(stack, key):
    headers = {"host": stack.signer.netloc, "authorization": "AWS somebody:c2lnbmF0dXJl"}
    answer = stack.signer.exchange(head_bytes("GET", stack.path(key), headers))
    assert answer.status in (400, 403), answer
    assert b"Signature Version 4" in answer.body or b"AWS4-HMAC-SHA256" in answer.body


def test_an_unsigned_amz_header_is_refused(stack, key):
    headers = stack.signer.headers("PUT", stack.path(key), headers={"content-length": "1"})
    headers["x-amz-meta-smuggled"] = "yes"
    refused(stack, key, head_bytes("PUT", stack.path(key), headers) + b"x", 403, "AccessDenied")


# --- Expect ---------------------------------------------------------------------------------------------------

def test_100_continue_comes_after_authorisation_and_before_the_body(stack, key):
    body = noise(100_000)
    with stack.wire() as wire:
        wire.send(stack.signer.head("PUT", stack.path(key), headers={"content-length": str(len(body)),
                                                                     "expect": "100-continue"}))
        assert wire.response().status == 100
        wire.send(body)
        assert wire.response().status == 200
    stack.assert_everywhere(key, body)


def test_no_100_continue_for_a_wrong_signature(stack, key):
    with stack.wire() as wire:
        wire.send(stack.signer.head("PUT", stack.path(key), secret_key="wrong",
                                    headers={"content-length": "100000", "expect": "100-continue"}))
        answer = wire.response()
        assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")


def test_no_100_continue_for_a_bucket_that_is_not_there(stack):
    with stack.wire() as wire:
        wire.send(stack.signer.head("PUT", "/no-such-bucket-here/key", headers={"content-length": "100000",
                                                                                 "expect": "100-continue"}))
        assert wire.response().status == 404


def test_a_client_that_does_not_wait_for_100_is_served(stack, key):
    answer = stack.signer.exchange(stack.signer.put(stack.path(key), b"eager", headers={"expect": "100-continue"}))
    assert answer.status in (100, 200)
    wait_until(lambda: stack.get(key).body == b"eager", "the object", 10)


# --- the connection -------------------------------------------------------------------------------------------

def test_pipelined_requests_are_answered_in_order(stack, key):
    paths = [stack.path(f"{key}-{i}") for i in range(5)]
    with stack.wire() as wire:
        wire.send(b"".join(stack.signer.put(path, f"body {i}".encode()) for i, path in enumerate(paths)))
        for _ in paths:
            assert wire.response().status == 200
        wire.send(b"".join(stack.signer.head("GET", path) for path in paths))
        assert [wire.response().body for _ in paths] == [f"body {i}".encode() for i in range(5)]


def test_a_connection_is_kept_after_an_error_of_s3(stack, key):
    with stack.wire() as wire:
        for status, path in ((404, stack.path(key)), (404, "/no-such-bucket-here/x"), (404, stack.path(key))):
            wire.send(stack.signer.head("GET", path))
            assert wire.response().status == status


def test_connection_close_is_honoured(stack, key):
    with stack.wire() as wire:
        wire.send(stack.signer.head("GET", stack.path(key), headers={"connection": "close"}))
        assert wire.response().status == 404
        assert wire.closed()


def test_a_reader_that_goes_in_the_middle_harms_nobody(stack, key):
    body = noise(8_000_000)
    stack.put(key, body)
    for _ in range(5):
        with stack.wire() as wire:
            wire.send(stack.signer.head("GET", stack.path(key)))
            wire.sock.recv(10_000)
            wire.reset()
    assert stack.get(key).body == body


def test_many_idle_connections_do_not_keep_others_out(stack, key):
    idle = [stack.wire() for _ in range(200)]
    try:
        for wire in idle[::2]:
            wire.send(b"GET /media/half-a-head HTTP/1.1\r\nHos")
        assert stack.put(key, b"served").status == 200
        assert stack.get(key).body == b"served"
    finally:
        for wire in idle:
            wire.reset()


# --- framing --------------------------------------------------------------------------------------------------

def framing(*lines, body=b""):
    """A PUT whose head is valid but for the given lines."""
    return lambda stack, path: b"\r\n".join(
        [f"PUT {path} HTTP/1.1".encode(), f"Host: {stack.signer.netloc}".encode(), *lines, b"", b""]) + body


FRAMING = {
    "length and coding": framing(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "two lengths": framing(b"Content-Length: 5", b"Content-Length: 6", body=b"hello!"),
    "length list": framing(b"Content-Length: 5, 6", body=b"hello!"),
    "signed length": framing(b"Content-Length: +5", body=b"hello"),
    "negative length": framing(b"Content-Length: -5", body=b"hello"),
    "hex length": framing(b"Content-Length: 0x5", body=b"hello"),
    "huge length": framing(b"Content-Length: 99999999999999999999", body=b"hello"),
    "empty length": framing(b"Content-Length: ", body=b"hello"),
    "space before colon": framing(b"Content-Length : 5", body=b"hello"),
    "unknown coding": framing(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"),
    "chunked is not last": framing(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n"),
    "obsolete folding": framing(b"X-Folded: a", b" b", b"Content-Length: 0"),
    "NUL in a value": framing(b"X-Nul: a\0b", b"Content-Length: 0"),
    "bare CR": framing(b"X-Bare: a\rContent-Length: 5", body=b"hello"),
    "no colon": framing(b"this is no header", b"Content-Length: 0"),
    "empty name": framing(b": nothing", b"Content-Length: 0"),
    "two hosts": framing(b"Host: elsewhere", b"Content-Length: 0"),
    "head over the limit": framing(b"X-Long: " + b"x" * 300_000, b"Content-Length: 0"),
    "many headers": framing(*[b"X-%d: y" % i for i in range(10_000)], b"Content-Length: 0"),
    "no host": lambda stack, path: f"PUT {path} HTTP/1.1\r\nContent-Length: 0\r\n\r\n".encode(),
    "bare LF": lambda stack, path: f"PUT {path} HTTP/1.1\nHost: x\nContent-Length: 0\n\n".encode(),
    "HTTP/2 preface": lambda stack, path: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/3.0": lambda stack, path: f"PUT {path} HTTP/3.0\r\nHost: x\r\n\r\n".encode(),
    "not HTTP": lambda stack, path: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "space in the path": lambda stack, path: b"PUT /media/a b HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    "no path": lambda stack, path: b"PUT HTTP/1.1\r\nHost: x\r\n\r\n",
    "path over the limit": lambda stack, path: b"PUT /" + b"x" * 300_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("case", FRAMING)
def test_bad_framing_is_refused_and_the_connection_ended(stack, key, case):
    with stack.wire() as wire:
        wire.try_send(FRAMING[case](stack, stack.path(key)))
        answer = wire.response()
        if answer is not None:  # a reset while we were still sending may swallow it
            assert answer.status in (400, 403, 408, 414, 431, 501, 505), answer
            assert wire.closed(), "what follows bad framing must not be read as a request"
    assert stack.get(key).status == 404


CHUNKED = {
    "bad size": b"zz\r\nhello\r\n0\r\n\r\n", "negative size": b"-5\r\nhello\r\n0\r\n\r\n", "no size": b"\r\nhello\r\n",
    "huge size": b"fffffffffffffffff\r\nhello\r\n", "0x size": b"0x5\r\nhello\r\n0\r\n\r\n",
    "no CRLF after data": b"5\r\nhelloX0\r\n\r\n", "bare LF": b"5\nhello\n0\n\n", "size too small": b"3\r\nhello\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("case", CHUNKED)
def test_bad_chunks_change_nothing(stack, key, case):
    stack.put(key, OLD)
    head = stack.signer.head("PUT", stack.path(key), headers={"transfer-encoding": "chunked"})
    with stack.wire() as wire:
        wire.try_send(head + CHUNKED[case])
        wire.finish()
        answer = wire.response()
        assert answer is None or answer.status in (400, 411, 501), answer
    stack.assert_nowhere_changed(key, OLD)


def test_random_bytes_do_not_hurt(stack):
    generator = random.Random(5)
    for _ in range(100):
        with stack.wire() as wire:
            wire.try_send(generator.randbytes(generator.randrange(1, 4000)))
            wire.finish()
            answer = wire.response()
            assert answer is None or answer.status >= 400


def test_mutated_requests_do_not_hurt(stack, key):
    """Valid requests with a few bytes changed: refused, or served when the change did not matter; never a crash."""
    generator = random.Random(6)
    stack.put(key, OLD)
    for _ in range(300):
        request = bytearray(stack.signer.head("GET", stack.path(key)))
        for _ in range(generator.randrange(1, 4)):
            request[generator.randrange(len(request))] = generator.randrange(256)
        with stack.wire() as wire:
            wire.try_send(bytes(request))
            wire.finish()
            answer = wire.response()
            assert answer is None or answer.status >= 400 or answer.body == OLD
    stack.assert_nowhere_changed(key, OLD)


# --- slowness -------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def impatient(tmp_path_factory, binary):
    running = Stack.up(tmp_path_factory.mktemp("impatient"), sets={
        "limits.front.head_ms": 700, "limits.front.idle_ms": 700, "limits.front.body_ms": 700})
    yield running
    running.down()


def ended_without_success(wire):
    """Wait for the gateway to end the connection; nothing but an error may have come before."""
    answer = wire.response()
    assert answer is None or answer.status in (400, 408), answer
    assert wire.closed()


def test_a_head_that_never_ends_is_cut_off(impatient, key):
    with impatient.wire() as wire:
        wire.send(impatient.signer.head("GET", impatient.path(key))[:-2])
        ended_without_success(wire)


def test_a_head_that_trickles_is_cut_off(impatient, key):
    """One byte after another, each well within any time-out: the head as a whole has its time (slowloris)."""
    head = impatient.signer.head("GET", impatient.path(key))
    with impatient.wire(timeout=0.1) as wire:
        for byte in head[:-4] + b"\r\nx-pad: " + b"x" * 10_000:
            wire.try_send(bytes([byte]))
            try:
                if not wire.more():
                    break
            except TimeoutError:
                continue
        else:
            pytest.fail("the gateway waited for 10,000 bytes at one every 100 ms")
    assert b" 200 " not in wire.pending


def test_a_body_that_stands_still_is_cut_off_and_changes_nothing(impatient, key):
    impatient.put(key, OLD)
    for size in SIZES:
        with impatient.wire() as wire:
            wire.send(impatient.signer.put(impatient.path(key), noise(size)[:-1], declared=size))
            ended_without_success(wire)
        impatient.assert_nowhere_changed(key, OLD)


def test_an_idle_connection_is_closed(impatient, key):
    with impatient.wire() as wire:
        wire.send(impatient.signer.head("HEAD", impatient.path(key)))
        assert wire.response("HEAD").status == 404
        assert wire.closed()


def test_a_reader_that_takes_nothing_is_given_up_and_others_are_served(impatient, key):
    body = noise(30_000_000)
    impatient.put(key, body)
    with impatient.wire() as wire:
        wire.send(impatient.signer.head("GET", impatient.path(key)))
        wait_until(lambda: impatient.get(key).body == body, "others to be served", 30)
        answer = wire.response()
        assert body.startswith(answer.body)
        assert not answer.complete or answer.body == body
