"""Copies that the backends make by themselves: when they do, when the bytes come through the gateway instead, and what
becomes of a backend that does not do its part."""

import base64
import contextlib
import hashlib
import threading
import zlib

import pytest
from hostile_backend import Fault, HostileBackend
from test_copies import CHUNK, MIXED, THREE, copy, noise, put_tags, tags_of
from test_hostile import bring_up, prepare
from test_multipart import MIB, PART, Upload, composite

from stack import STAMP, Stack, wait_until


@pytest.fixture(scope="module", params=[THREE, MIXED], ids=["three", "mixed"])
def stack(request, tmp_path_factory, binary):
    running = Stack.up(tmp_path_factory.mktemp("there"), backends=request.param.split(","))
    running.alike = request.param == THREE
    yield running
    running.down()


def made_there(stack):
    return stack.metric("s3mirror_copies_by_backends_total")


@pytest.mark.parametrize("size", [0, 1, 3 * CHUNK + 5])
def test_an_object_is_copied_there(stack, key, size):
    body = noise(size)
    stack.put(key, body, {"x-amz-meta-a": "1", "x-amz-tagging": "t=1", "content-type": "text/x"})
    before = made_there(stack)
    answer = copy(stack, key, key + "-2")
    assert answer.status == 200, answer.body
    assert answer.headers["x-s3mirror-replicas"] == "a=stored, b=stored, c=stored"
    assert made_there(stack) == before + 1
    stack.assert_everywhere(key + "-2", body)
    for seen in stack.everywhere(key + "-2").values():
        assert seen[2]["etag"] == f'"{hashlib.md5(body).hexdigest()}"'
        assert (seen[2]["x-amz-meta-a"], seen[2]["content-type"]) == ("1", "text/x")
    assert tags_of(stack, key + "-2") == {"t": "1"}
    source, target = stack.on_backend("a", key), stack.on_backend("a", key + "-2")
    assert source.headers[STAMP] != target.headers[STAMP]
    stack.wait_settled(key + "-2")


def test_a_change_of_tags_moves_nothing(stack, key):
    stack.put(key, noise(2 * CHUNK), {"x-amz-meta-a": "1"})
    before = made_there(stack)
    assert put_tags(stack, key, {"n": "1"}).status == 200
    assert made_there(stack) == before + 1
    assert tags_of(stack, key) == {"n": "1"}
    stack.assert_everywhere(key, noise(2 * CHUNK))


def test_the_checksum_of_the_source_goes_with_the_copy(stack, key):
    body = noise(CHUNK + 1)
    stack.put(key, body, {"x-amz-checksum-crc32": crc32_of(body)})
    before = made_there(stack)
    for algorithm in (None, "CRC32"):
        answer = copy(stack, key, key + "-2", {"x-amz-checksum-algorithm": algorithm} if algorithm else {})
        assert f"<ChecksumCRC32>{crc32_of(body)}</ChecksumCRC32>".encode() in answer.body
        for name in stack.backends:
            shown = stack.backend(name).request("HEAD", f"/{stack.backend_bucket(name)}/{key}-2",
                                                headers={"x-amz-checksum-mode": "ENABLED"})
            assert shown.headers["x-amz-checksum-crc32"] == crc32_of(body)
    assert made_there(stack) == before + 2


def crc32_of(body):
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


def test_another_checksum_than_the_source_has_takes_the_bytes(stack, key):
    body = noise(CHUNK + 1)
    stack.put(key, body)
    before = made_there(stack)
    answer = copy(stack, key, key + "-2", {"x-amz-checksum-algorithm": "SHA256"})
    assert b"<ChecksumSHA256>" in answer.body
    assert made_there(stack) == before
    stack.assert_everywhere(key + "-2", body)


def test_the_copy_of_an_object_in_parts_shows_one_etag_everywhere(stack, key):
    """SeaweedFS keeps the source's ETag, the others show an MD5: all together it takes the bytes."""
    parts = [noise(PART, 1), noise(1000, 2)]
    upload = Upload(stack, key)
    for number, part in enumerate(parts, 1):
        upload.part(number, part)
    upload.complete()
    before = made_there(stack)
    assert copy(stack, key, key + "-2").status == 200
    assert made_there(stack) == before + stack.alike
    expected = composite(parts) if stack.alike else f'"{hashlib.md5(b"".join(parts)).hexdigest()}"'
    assert {seen[2]["etag"] for seen in stack.everywhere(key + "-2").values()} == {expected}
    assert stack.head(key + "-2").headers["etag"] == expected
    stack.assert_everywhere(key + "-2", b"".join(parts))
    assert put_tags(stack, key, {"a": "b"}).status == 200
    assert {seen[2]["etag"] for seen in stack.everywhere(key).values()} == {expected}
    stack.assert_everywhere(key, b"".join(parts))


def test_a_source_that_differs_on_one_backend_takes_the_bytes(stack, key):
    stack.put(key, b"the source")
    stranger = {"x-amz-meta-s3mirror-stamp": "01j00000000000000000000000"}
    assert stack.backend("c").put(stack.backend_bucket("c"), key, b"the source", stranger).status == 200
    before = made_there(stack)
    assert copy(stack, key, key + "-2").status == 200
    assert made_there(stack) == before
    stack.assert_everywhere(key + "-2", b"the source")


# --- parts --------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def able(tmp_path_factory, binary):
    """Of the servers those whose copied parts show MD5s."""
    running = Stack.up(tmp_path_factory.mktemp("able"), backends=["minio", "versitygw"])
    yield running
    running.down()


def test_parts_are_copied_there(able, key):
    source = noise(12 * MIB)
    able.put(key + "-source", source)
    before = made_there(able)
    upload = Upload(able, key)
    cuts = [(0, PART), (6 * MIB + 3, 12 * MIB), (0, 12 * MIB)]
    for number, (first, end) in enumerate(cuts, 1):
        whole = {} if end - first == len(source) else {"CopySourceRange": f"bytes={first}-{end - 1}"}
        answer = upload.client.upload_part_copy(**upload.where, PartNumber=number, CopySource=f"{able.bucket}/{key}-source",
                                                **whole)["CopyPartResult"]
        assert answer["ETag"] == f'"{hashlib.md5(source[first:end]).hexdigest()}"'
        upload.parts[number] = {"PartNumber": number, "ETag": answer["ETag"]}
    assert made_there(able) == before + len(cuts)
    assert [p["Size"] for p in upload.listed()["Parts"]] == [end - first for first, end in cuts]
    pieces = [source[first:end] for first, end in cuts]
    assert upload.complete()["ETag"] == composite(pieces)
    able.wait_settled(key)
    able.assert_everywhere(key, b"".join(pieces))


def test_a_part_of_an_upload_with_a_checksum_takes_the_bytes(able, key):
    able.put(key + "-source", noise(1000))
    upload = Upload(able, key, ChecksumAlgorithm="CRC32")
    before = made_there(able)
    upload.client.upload_part_copy(**upload.where, PartNumber=1, CopySource=f"{able.bucket}/{key}-source")
    assert made_there(able) == before
    upload.abort()


# --- the gateway dies ---------------------------------------------------------------------------------------

def test_a_copy_that_outlives_its_gateway_does_not_stay_over_what_was_written_later(tmp_path, binary, key):
    """c works on the copy while the gateway is killed and started and the key is written: the copy lands last, there."""
    with HostileBackend() as c:
        prepare(c)
        stack = bring_up(tmp_path, c, **{"terms.ambiguity_ms": 15_000, "terms.stall_ms": 15_000})
        try:
            stack.put(key + "-source", b"the source")
            held = c.script(Fault("hold", method="PUT", key=key, header=("x-amz-copy-source", None), times=1))
            client = threading.Thread(target=lost, args=(stack, key))
            client.start()
            assert held.reached.wait(60)
            wait_until(lambda: stack.on_backend("a", key).status == 200, "a to have made the copy", 60, 0.05)
            stack.rig("kill", "g1")
            client.join()
            stack.rig("start", "g1")
            assert stack.put(key, b"written later").status == 200
            held.release()
            wait_until(lambda: stack.on_backend("c", key).body == b"the source", "the copy to land", 60, 0.05)
            stack.wait_repaired()
            stack.assert_everywhere(key, b"written later")
        finally:
            c.behave()
            stack.down()


def lost(stack, key):
    with contextlib.suppress(OSError):
        copy(stack, key + "-source", key)


# --- backends that do not do their part -----------------------------------------------------------------------

IS_COPY = {"method": "PUT", "header": ("x-amz-copy-source", None)}
REFUSALS = {
    "no such thing": Fault("status", status=501, code="NotImplemented", **IS_COPY),
    "not what was looked at": Fault("status", status=412, code="PreconditionFailed", **IS_COPY),
    "not allowed": Fault("status", status=403, code="AccessDenied", **IS_COPY),
}
FAILURES = {
    "500": Fault("status", status=500, **IS_COPY),
    "200 with an error body": Fault("error200", **IS_COPY),
    "made, and no answer": Fault("reset", store=True, **IS_COPY),
    "not made, and no answer": Fault("reset", **IS_COPY),
    "no end": Fault("stall", **IS_COPY),
}


def again(fault):
    return Fault(fault.what, at=fault.at, method=fault.method, header=fault.header, status=fault.status, code=fault.code,
                 store=fault.store, times=1)


@pytest.fixture(scope="module")
def beside(tmp_path_factory, binary):
    """Two honest servers, and c."""
    with HostileBackend() as backend:
        prepare(backend)
        running = bring_up(tmp_path_factory.mktemp("beside"), backend)
        yield running, backend
        running.down()
        assert not backend.problems, backend.problems


@pytest.mark.parametrize("name", [*REFUSALS, *FAILURES])
def test_a_backend_that_fails_is_hinted_and_repaired(beside, key, name):
    stack, c = beside
    wait_until(lambda: copy_is_usual(stack, c, key), "c to be asked again", 30)
    before = made_there(stack)
    c.script(again({**REFUSALS, **FAILURES}[name]))
    answer = copy(stack, key + "-source", key)
    assert answer.status == 200, answer.body
    assert answer.headers["x-s3mirror-replicas"] == "a=stored, b=stored, c=hinted"
    assert made_there(stack) == before + 1
    c.behave()
    stack.wait_repaired()
    stack.assert_everywhere(key, b"the source")


def copy_is_usual(stack, c, key):
    """c takes part, and is looked at: no circuit breaker is open."""
    assert stack.put(key + "-source", b"the source").status == 200
    answer = copy(stack, key + "-source", key + "-usual")
    stack.wait_repaired()
    return answer.headers["x-s3mirror-replicas"] == "a=stored, b=stored, c=stored"


@pytest.fixture(scope="module")
def alone(tmp_path_factory, binary):
    """Nobody but a hostile one."""
    with HostileBackend() as backend:
        prepare(backend)
        running = Stack.up(tmp_path_factory.mktemp("alone"), backends=[backend.url])
        yield running, backend
        running.down()
        assert not backend.problems, backend.problems


@pytest.mark.parametrize("name", REFUSALS)
def test_what_too_few_will_copy_is_read_and_written(alone, key, name):
    stack, backend = alone
    body = noise(CHUNK + 1)
    assert stack.put(key + "-source", body).status == 200
    before = made_there(stack)
    backend.script(again(REFUSALS[name]))
    answer = copy(stack, key + "-source", key)
    assert answer.status == 200, answer.body
    assert made_there(stack) == before
    assert backend.count("PUT", key) == 2
    assert stack.get(key).body == body
    stack.wait_settled(key)


def test_a_copy_that_nobody_answered_is_not_tried_another_way(alone, key):
    """It may have been made, or may yet be: the client is told that nothing is known."""
    stack, backend = alone
    assert stack.put(key + "-source", b"the source").status == 200
    backend.script(again(FAILURES["made, and no answer"]))
    assert copy(stack, key + "-source", key).status == 503
    assert backend.count("PUT", key) == 1
    backend.behave()
    stack.wait_repaired()
    assert stack.get(key).body == b"the source"
