"""aws-chunked in all its modes: what is good is stored to the byte, what is spoiled changes nothing anywhere."""

import random

import pytest

from aws_chunked import DIGESTS, MODES, SIGNED, TRAILING, UNSIGNED, Upload, checksum
from wire import Wire

OLD = b"what was there before"
SIZES = [0, 1, 8192, 65536, 65537, 200_000, 3_000_000]


def noise(size):
    return random.Random(size).randbytes(size)


@pytest.fixture(autouse=True)
def gateway_survives(stack):
    yield
    assert stack.admin_get("/healthz")[0] == 200


def upload(stack, key, body, mode, **options):
    return Upload(stack.signer, stack.path(key), body, mode, **options)


# --- what is good -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("transfer_chunked", [False, True], ids=["length", "transfer-chunked"])
@pytest.mark.parametrize("mode", MODES)
def test_every_mode_and_size_is_stored_to_the_byte(stack, key, mode, transfer_chunked):
    for size in SIZES:
        for chunk in (8192, 65536, 1 << 20):
            one = upload(stack, key, noise(size), mode, chunk=chunk, transfer_chunked=transfer_chunked)
            answer = stack.signer.exchange(one.request())
            assert answer.status == 200, (size, chunk, answer)
        stack.wait_settled(key)
        stack.assert_everywhere(key, noise(size))


@pytest.mark.parametrize("kind", DIGESTS)
@pytest.mark.parametrize("mode", [UNSIGNED, TRAILING])
def test_the_checksum_of_the_trailer_is_kept_and_shown(stack, key, mode, kind):
    for size in (1000, 600_000):
        body = noise(size)
        answer = stack.signer.exchange(upload(stack, key, body, mode, kind=kind).request())
        name, value = f"x-amz-checksum-{kind}", checksum(kind, body)
        assert answer.status == 200, answer
        assert answer.headers[name] == value
        assert answer.headers["x-amz-checksum-type"] == "FULL_OBJECT"
        for method in ("GET", "HEAD"):
            shown = stack.s3.request(method, stack.path(key), headers={"x-amz-checksum-mode": "ENABLED"})
            assert shown.headers[name] == value
            assert shown.headers["x-amz-checksum-type"] == "FULL_OBJECT"
            assert not [n for n in stack.s3.request(method, stack.path(key)).headers if "checksum" in n]
        part = stack.s3.request("GET", stack.path(key), headers={"x-amz-checksum-mode": "ENABLED", "range": "bytes=1-9"})
        assert part.status == 206
        assert not [n for n in part.headers if "checksum" in n]


def test_a_trailer_as_minio_go_prints_it(stack, key):
    for mode in (UNSIGNED, TRAILING):
        one = upload(stack, key, noise(5000), mode)
        one.trailer_end = "\n\r\n"
        assert stack.signer.exchange(one.request()).status == 200
    stack.assert_everywhere(key, noise(5000))


def test_content_encoding_is_kept_without_aws_chunked(stack, key):
    for sent, kept in (("aws-chunked", None), ("gzip, aws-chunked", "gzip"), ("aws-chunked,gzip", "gzip"), ("br", "br")):
        one = upload(stack, key, noise(5000), SIGNED, headers={"content-encoding": sent})
        assert stack.signer.exchange(one.request()).status == 200
        assert stack.get(key).headers.get("content-encoding") == kept
        for name in stack.backends:
            assert stack.on_backend(name, key).headers.get("content-encoding") == kept, name


def test_requests_after_a_chunked_one_on_the_same_connection(stack, key):
    with Wire(stack.endpoint) as wire:
        for mode in MODES:
            for size in (10, 100_000):
                wire.send(upload(stack, key, noise(size), mode).request())
                assert wire.response().status == 200
        wire.send(stack.signer.head("GET", stack.path(key)))
        assert wire.response().body == noise(100_000)


def test_a_body_that_comes_byte_by_byte(stack, key):
    """Every place where a read can end."""
    for mode in MODES:
        request = upload(stack, key, noise(300), mode, kind="sha256").request()
        with Wire(stack.endpoint) as wire:
            for at in range(len(request)):
                wire.send(request[at:at + 1])
            assert wire.response().status == 200
    stack.assert_everywhere(key, noise(300))


def test_a_body_is_asked_for_before_it_is_sent(stack, key):
    for mode in MODES:
        request = upload(stack, key, noise(70_000), mode, headers={"expect": "100-continue"}).request()
        head, _, body = request.partition(b"\r\n\r\n")
        with Wire(stack.endpoint) as wire:
            wire.send(head + b"\r\n\r\n")
            assert wire.response().status == 100
            wire.send(body)
            assert wire.response().status == 200


# --- what is spoiled ----------------------------------------------------------------------------------------

def flip(text, at=0):
    return text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1:]


def spoil_signature(index):
    def spoil(u):
        u.signatures[index] = flip(u.signatures[index], 63)
    return spoil


def change(name, index, new):
    def spoil(u):
        listed = getattr(u, name)
        listed[index] = new(listed[index])
    return spoil


def put(name, value):
    return lambda u: setattr(u, name, value(u) if callable(value) else value)


def swap(u):
    for listed in (u.data, u.sizes, u.signatures):
        if listed:
            listed[0], listed[1] = listed[1], listed[0]


def resize(u):
    """Pieces too small to stand in the middle."""
    u.data = [u.body[:100], u.body[100:], b""]
    u.sizes = [f"{len(data):x}" for data in u.data]


def drop_frame(index):
    return lambda frames: frames[:index] + frames[index + 1:]


def repeat_frame(index):
    return lambda frames: frames[:index + 1] + frames[index:]


def one_byte(data):
    return bytes([data[0] ^ 1]) + data[1:]


AFTER, BEFORE, FRAMES = "after_sign", "before_sign", "spoil_frames"
CASES = {
    # signatures of chunks
    "the first chunk's signature": (SIGNED, AFTER, spoil_signature(0), "SignatureDoesNotMatch"),
    "a middle chunk's signature": (SIGNED, AFTER, spoil_signature(1), "SignatureDoesNotMatch"),
    "the last data's signature": (SIGNED, AFTER, spoil_signature(-2), "SignatureDoesNotMatch"),
    "the empty chunk's signature": (SIGNED, AFTER, spoil_signature(-1), "SignatureDoesNotMatch"),
    "the first byte": (SIGNED, AFTER, change("data", 0, one_byte), "SignatureDoesNotMatch"),
    "a byte of the last data": (SIGNED, AFTER, change("data", -2, one_byte), "SignatureDoesNotMatch"),
    "two chunks changed places": (SIGNED, AFTER, swap, "SignatureDoesNotMatch"),
    "a chunk left out": (SIGNED, FRAMES, drop_frame(0), "SignatureDoesNotMatch"),
    "a chunk repeated": (SIGNED, FRAMES, repeat_frame(0), "SignatureDoesNotMatch"),
    "another secret": (SIGNED, BEFORE, put("secret", "not the secret"), "SignatureDoesNotMatch"),
    "another request's chain": (SIGNED, BEFORE, put("seed", "ab" * 32), "SignatureDoesNotMatch"),
    "signature in capitals": (SIGNED, AFTER, change("signatures", 0, str.upper), "InvalidRequest"),
    "signature too short": (SIGNED, AFTER, change("signatures", 0, lambda s: s[:-1]), "InvalidRequest"),
    "signature empty": (SIGNED, AFTER, change("signatures", 0, lambda s: ""), "InvalidRequest"),
    "no signatures": (SIGNED, AFTER, put("signatures", []), "InvalidRequest"),
    # the same with a trailer
    "a chunk's signature before a trailer": (TRAILING, AFTER, spoil_signature(0), "SignatureDoesNotMatch"),
    "the empty chunk's before a trailer": (TRAILING, AFTER, spoil_signature(-1), "SignatureDoesNotMatch"),
    "a byte, with its checksum": (TRAILING, AFTER, change("data", 0, one_byte), "SignatureDoesNotMatch"),
    "the trailer's signature": (TRAILING, AFTER, put("trailer_signature", lambda u: flip(u.trailer_signature)),
                                "SignatureDoesNotMatch"),
    "the trailer's value": (TRAILING, AFTER, change("trailer", 0, lambda t: (t[0], "AAAAAA==")), "SignatureDoesNotMatch"),
    "a signed wrong checksum": (TRAILING, BEFORE, change("trailer", 0, lambda t: (t[0], "AAAAAA==")), "BadDigest"),
    "no trailer signature": (TRAILING, AFTER, put("trailer_signature", None), "MalformedTrailerError"),
    "the chain's trailer of another": (TRAILING, AFTER, put("trailer_signature", lambda u: u.signatures[-1]),
                                       "SignatureDoesNotMatch"),
    "no trailer but its signature": (TRAILING, BEFORE, put("trailer", []), "MalformedTrailerError"),
    # trailers
    "a wrong checksum": (UNSIGNED, AFTER, change("trailer", 0, lambda t: (t[0], "AAAAAA==")), "BadDigest"),
    "a byte without signatures": (UNSIGNED, AFTER, change("data", 0, one_byte), "BadDigest"),
    "no checksum": (UNSIGNED, AFTER, change("trailer", 0, lambda t: (t[0], "")), "MalformedTrailerError"),
    "what is no checksum": (UNSIGNED, AFTER, change("trailer", 0, lambda t: (t[0], "nonsense")), "InvalidRequest"),
    "a checksum too short": (UNSIGNED, AFTER, change("trailer", 0, lambda t: (t[0], "AAA=")), "InvalidRequest"),
    "no trailer": (UNSIGNED, AFTER, put("trailer", []), "MalformedTrailerError"),
    "another trailer": (UNSIGNED, AFTER, change("trailer", 0, lambda t: ("x-amz-checksum-crc32c", t[1])),
                        "MalformedTrailerError"),
    "metadata as a trailer": (UNSIGNED, AFTER, change("trailer", 0, lambda t: ("x-amz-meta-a", t[1])),
                              "MalformedTrailerError"),
    "two trailers": (UNSIGNED, AFTER, put("trailer", lambda u: u.trailer * 2), "MalformedTrailerError"),
    "one that was not announced": (UNSIGNED, AFTER, put("trailer", lambda u: u.trailer + [("x-amz-meta-a", "b")]),
                                   "MalformedTrailerError"),
    "a trailer with LF alone": (UNSIGNED, AFTER, put("trailer_end", "\n"), "IncompleteBody"),
    # frames
    "0x before a size": (UNSIGNED, AFTER, change("sizes", 0, lambda s: "0x" + s), "InvalidRequest"),
    "a size that is none": (UNSIGNED, AFTER, change("sizes", 0, lambda s: "zz"), "InvalidRequest"),
    "a size too small": (UNSIGNED, AFTER, change("sizes", 0, lambda s: f"{int(s, 16) - 1:x}"), "InvalidRequest"),
    "a size too large": (UNSIGNED, AFTER, change("sizes", 0, lambda s: f"{int(s, 16) + 1:x}"), "InvalidRequest"),
    "a size beyond everything": (UNSIGNED, AFTER, change("sizes", 0, lambda s: "f" * 16), "InvalidRequest"),
    "a size of 17 digits": (UNSIGNED, AFTER, change("sizes", 0, lambda s: s.zfill(17)), "InvalidRequest"),
    "an extension": (UNSIGNED, AFTER, change("sizes", 0, lambda s: s + ";a=b"), "InvalidRequest"),
    "a second extension": (SIGNED, AFTER, change("signatures", 0, lambda s: s + ";a=b"), "InvalidRequest"),
    "a small chunk in the middle": (UNSIGNED, BEFORE, resize, "InvalidChunkSizeError"),
    "a small signed chunk in the middle": (SIGNED, BEFORE, resize, "InvalidChunkSizeError"),
    "no last chunk": (SIGNED, FRAMES, lambda frames: frames[:-2], "IncompleteBody"),
    "no end": (SIGNED, FRAMES, lambda frames: frames[:-1], "IncompleteBody"),
    "nothing at all": (UNSIGNED, FRAMES, lambda frames: [], "IncompleteBody"),
    # lengths
    "the decoded length too large": (UNSIGNED, BEFORE, put("decoded", lambda u: u.decoded + 1), "IncompleteBody"),
    "the decoded length too small": (UNSIGNED, BEFORE, put("decoded", lambda u: u.decoded - 1), "InvalidRequest"),
    "the decoded length too large, signed": (SIGNED, BEFORE, put("decoded", lambda u: u.decoded + 1), "IncompleteBody"),
    "the decoded length too small, signed": (SIGNED, BEFORE, put("decoded", lambda u: u.decoded - 1), "InvalidRequest"),
    "something behind the end": (UNSIGNED, AFTER, put("after", b"more"), "InvalidRequest"),
    "a request behind the end": (SIGNED, AFTER, put("after", b"GET / HTTP/1.1\r\n\r\n"), "InvalidRequest"),
    # the head
    "a wrong MD5": (SIGNED, BEFORE, put("headers", {"content-md5": "A" * 22 + "=="}), "BadDigest"),
    "a checksum in the header too": (UNSIGNED, BEFORE, put("headers", {"x-amz-checksum-crc32": "AAAAAA=="}), "InvalidRequest"),
    "a wrong checksum in the header": (SIGNED, BEFORE, put("headers", {"x-amz-checksum-crc32": "AAAAAA=="}), "BadDigest"),
    "a trailer that is no checksum": (UNSIGNED, BEFORE, put("headers", {"x-amz-trailer": "x-amz-meta-a"}), "InvalidRequest"),
    "a trailer in a mode without": (SIGNED, BEFORE, put("headers", {"x-amz-trailer": "x-amz-checksum-crc32"}),
                                    "InvalidRequest"),
}


@pytest.mark.parametrize("size", [200_000, 3_000_000])
@pytest.mark.parametrize("what", CASES)
def test_what_is_spoiled_changes_nothing(stack, key, what, size):
    mode, when, spoil, code = CASES[what]
    stack.put(key, OLD)
    answer = stack.signer.exchange(upload(stack, key, noise(size), mode).request(**{when: spoil}))
    assert answer is not None and answer.status == (403 if code == "SignatureDoesNotMatch" else 400), answer
    assert answer.code == code, answer
    stack.assert_nowhere_changed(key, OLD)


@pytest.mark.parametrize("mode", MODES)
def test_the_same_is_refused_inside_a_chunked_transfer(stack, key, mode):
    stack.put(key, OLD)
    for spoil, code in ((put("decoded", 199_999), "InvalidRequest"), (put("decoded", 200_001), "IncompleteBody"),
                        (put("after", b"x"), "InvalidRequest")):
        one = upload(stack, key, noise(200_000), mode, transfer_chunked=True)
        assert stack.signer.exchange(one.request(before_sign=spoil)).code == code
    stack.assert_nowhere_changed(key, OLD)


@pytest.mark.parametrize("ending", ["finish", "reset"])
@pytest.mark.parametrize("mode", MODES)
def test_a_body_that_breaks_off_changes_nothing(stack, key, mode, ending):
    stack.put(key, OLD)
    request = upload(stack, key, noise(600_000), mode).request()
    start = request.index(b"\r\n\r\n") + 4
    for cut in (start, start + 1, start + 50, start + 65536, start + 65536 + 100, len(request) - 300, len(request) - 150,
                len(request) - 3, len(request) - 1):
        with Wire(stack.endpoint) as wire:
            wire.try_send(request[:cut])
            getattr(wire, ending)()
            if ending == "finish":
                answer = wire.response()
                assert answer is None or answer.code == "IncompleteBody", answer
    stack.assert_nowhere_changed(key, OLD)


@pytest.mark.parametrize("spoil", ["7\r\nhello\r\n", "zz\r\n", "5;a\r\r\n"])
def test_a_malformed_transfer_coding_is_refused(stack, key, spoil):
    stack.put(key, OLD)
    request = upload(stack, key, noise(20_000), UNSIGNED, transfer_chunked=True).request()
    head, _, body = request.partition(b"\r\n\r\n")
    answer = stack.signer.exchange(head + b"\r\n\r\n" + body[:10_000 + 7 + 6] + spoil.encode() + b"\r\n" * 10)
    assert answer.status == 400, answer
    stack.assert_nowhere_changed(key, OLD)


def test_streaming_payloads_are_for_content_only(stack):
    answer = stack.signer.exchange(stack.signer.head("GET", f"/{stack.bucket}", payload="STREAMING-AWS4-HMAC-SHA256-PAYLOAD"))
    assert (answer.status, answer.code) == (400, "InvalidRequest")


def test_a_plain_chunked_transfer_has_no_length(stack, key):
    head = stack.signer.head("PUT", stack.path(key), headers={"transfer-encoding": "chunked"})
    answer = stack.signer.exchange(head + b"5\r\nhello\r\n0\r\n\r\n")
    assert (answer.status, answer.code) == (411, "MissingContentLength")
