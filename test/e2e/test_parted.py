"""A PUT over part_threshold goes to the backends in parts, several at a time: one object, the same cuts on every replica,
and nothing left behind by one that does not come to its end."""

import base64

import pytest
from aws_chunked import checksum
from test_multipart import MIB, composite, left_on, refused
from test_multipart_crash import etags, nothing_left
from test_operations import boto, noise

from stack import PATIENT, Stack, wait_until

PART = 5 * MIB
IN_PARTS = {"part_threshold": "8MiB", "part_bytes": PART}
BODY = 12 * MIB + 345


@pytest.fixture(scope="module", params=["seaweedfs,seaweedfs,seaweedfs", "seaweedfs,minio,versitygw"])
def stack(request, tmp_path_factory, binary):
    running = Stack.up(tmp_path_factory.mktemp("parted"), backends=request.param.split(","),
                       sets={**PATIENT, **IN_PARTS})
    yield running
    running.down()


def cuts(body):
    return [body[at:at + PART] for at in range(0, len(body), PART)]


def plain(stack):
    return boto(stack, request_checksum_calculation="when_required")


def begun(stack, key, sent, declared=BODY, headers=None):
    """A PUT of which only the first bytes have been sent; the backends have parts of it."""
    wire = stack.wire()
    wire.send(stack.signer.put(stack.path(key), noise(declared)[:sent], declared, headers))
    wait_until(lambda: all(left_on(stack, name) for name in stack.backends), "the backends' uploads", 30, 0.05)
    return wire


def known_uploads(stack):
    return plain(stack).list_multipart_uploads(Bucket=stack.bucket).get("Uploads", [])


# --- one that comes to its end ----------------------------------------------------------------------------

def test_it_is_one_object_with_the_same_cuts_everywhere(stack, key):
    body = noise(BODY)
    answer = plain(stack).put_object(Bucket=stack.bucket, Key=key, Body=body, ContentType="image/png",
                                     Metadata={"colour": "blue"}, Tagging="a=b&c=d")
    assert answer["ETag"] == composite(cuts(body))
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-s3mirror-replicas"] == "a=stored, b=stored, c=stored"
    read = plain(stack).get_object(Bucket=stack.bucket, Key=key)
    assert (read["Body"].read() == body, read["ETag"], read["ContentType"], read["Metadata"], read["TagCount"]) == (
        True, answer["ETag"], "image/png", {"colour": "blue"}, 2)
    assert stack.metric("s3mirror_writes_in_parts_total") > 0
    second = plain(stack).get_object(Bucket=stack.bucket, Key=key, PartNumber=2)
    assert (second["Body"].read() == cuts(body)[1], second["PartsCount"]) == (True, 3)
    stack.wait_settled(key)
    stack.assert_everywhere(key, body)
    assert etags(stack, key) == dict.fromkeys(stack.backends, answer["ETag"])
    assert not known_uploads(stack)
    nothing_left(stack)


def test_what_the_threshold_holds_is_one_piece(stack, key):
    body = noise(8 * MIB)
    assert "-" not in stack.put(key, body).headers["etag"]
    stack.wait_settled(key)
    stack.assert_everywhere(key, body)


@pytest.mark.parametrize("size", [8 * MIB + 1, 2 * PART, 2 * PART + 1])
def test_every_length_is_kept(stack, key, size):
    body = noise(size)
    answer = stack.put(key, body)
    assert answer.headers["etag"] == composite(cuts(body))
    assert stack.get(key).body == body
    stack.wait_settled(key)
    stack.assert_everywhere(key, body)


@pytest.mark.parametrize("kind", ["crc32", "crc32c", "crc64nvme"])
def test_a_crc_of_the_whole_is_kept_with_it(stack, key, kind):
    body = noise(BODY)
    name = f"x-amz-checksum-{kind}"
    answer = stack.put(key, body, {name: checksum(kind, body)})
    assert (answer.headers[name], answer.headers["x-amz-checksum-type"]) == (checksum(kind, body), "FULL_OBJECT")
    head = boto(stack).head_object(Bucket=stack.bucket, Key=key, ChecksumMode="ENABLED")
    assert (head[f"Checksum{kind.upper()}"], head["ChecksumType"]) == (checksum(kind, body), "FULL_OBJECT")
    assert head["ETag"] == answer.headers["etag"] == composite(cuts(body))


def test_a_crc_may_come_behind_it(stack, key):
    client, body = boto(stack), noise(BODY)  # in a trailer
    answer = client.put_object(Bucket=stack.bucket, Key=key, Body=body, ChecksumAlgorithm="CRC32")
    head = client.head_object(Bucket=stack.bucket, Key=key, ChecksumMode="ENABLED")
    assert answer["ChecksumCRC32"] == head["ChecksumCRC32"] == checksum("crc32", body)
    assert head["ETag"] == composite(cuts(body))


def test_one_with_a_sha_stays_in_one_piece(stack, key):
    """Of parts there is no SHA of the whole, and the client wants that kept."""
    answer = boto(stack).put_object(Bucket=stack.bucket, Key=key, Body=noise(BODY), ChecksumAlgorithm="SHA256")
    assert "-" not in answer["ETag"]
    head = boto(stack).head_object(Bucket=stack.bucket, Key=key, ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"] == answer["ChecksumSHA256"]


def test_its_condition_is_judged_at_its_end(stack, key):
    client, body = plain(stack), noise(BODY)
    assert client.put_object(Bucket=stack.bucket, Key=key, Body=body, IfNoneMatch="*")["ETag"] == composite(cuts(body))
    assert refused(client.put_object, Bucket=stack.bucket, Key=key, Body=noise(BODY, 2), IfNoneMatch="*") == (
        412, "PreconditionFailed")
    stack.wait_settled(key)
    stack.assert_everywhere(key, body)
    nothing_left(stack)


# --- one that does not ------------------------------------------------------------------------------------

def test_nobody_sees_it_before_its_end(stack, key):
    with begun(stack, key, 11 * MIB) as wire:
        assert stack.get(key).status == 404
        assert not known_uploads(stack)
        wire.send(noise(BODY)[11 * MIB:])
        assert wire.response("PUT").status == 200
    assert stack.get(key).body == noise(BODY)


def test_a_client_that_goes_away_leaves_nothing(stack, key):
    begun(stack, key, 11 * MIB).reset()
    nothing_left(stack)
    assert stack.get(key).status == 404
    stack.assert_everywhere(key, None)


@pytest.mark.parametrize("header", ["x-amz-checksum-crc32", "content-md5", "x-amz-content-sha256"])
def test_a_body_that_is_not_as_announced_is_refused(stack, key, header):
    wrong = {"x-amz-checksum-crc32": checksum("crc32", b"other"), "content-md5": base64.b64encode(bytes(16)).decode()}.get(header)
    body = noise(BODY)
    answer = stack.signer.exchange(stack.signer.put(
        stack.path(key), body, headers={header: wrong} if wrong else None, payload="0" * 64 if not wrong else
        "UNSIGNED-PAYLOAD"), "PUT")
    assert answer.status == 400
    assert answer.code in ("BadDigest", "XAmzContentSHA256Mismatch")
    nothing_left(stack)
    assert stack.get(key).status == 404


def test_a_gateway_that_is_killed_leaves_nothing(start_stack, key):
    stack = start_stack(sets=IN_PARTS)
    wire = begun(stack, key, 11 * MIB)
    stack.rig("kill", "g1")
    wire.reset()
    stack.rig("start", "g1")
    nothing_left(stack)
    assert stack.get(key).status == 404
    assert not known_uploads(stack)
    stack.assert_everywhere(key, None)


def test_gateways_killed_anywhere_leave_one_or_the_other(start_stack, key):
    stack = start_stack(sets=IN_PARTS)
    stack.put(key, noise(BODY, 0))
    for round_number, kill_after in enumerate((0, 3 * MIB, 6 * MIB, 10 * MIB + 1, BODY - 1, BODY, BODY), 1):
        body = noise(BODY, round_number)
        wire = stack.wire()
        wire.send(stack.signer.put(stack.path(key), body[:kill_after], BODY))
        stack.rig("kill", "g1")  # the last two: anywhere inside the Complete, or after it
        wire.reset()
        stack.rig("start", "g1")
        stack.wait_repaired()
        shown = stack.get(key).body
        assert shown in (body, noise(BODY, 0)), f"round {round_number} shows neither"
        assert shown == noise(BODY, 0) or kill_after == BODY
        stack.put(key, noise(BODY, 0))
    nothing_left(stack)
    stack.wait_repaired()
    stack.assert_everywhere(key, noise(BODY, 0))


# --- replicas are away, memory is short ---------------------------------------------------------------------

@pytest.mark.parametrize("how", ["kill", "stop"])
def test_a_replica_that_fails_in_the_middle_is_repaired_alone(start_stack, key, how):
    stack = start_stack(sets=IN_PARTS)
    with begun(stack, key, 6 * MIB) as wire:
        stack.rig(how, "b")
        wire.send(noise(BODY)[6 * MIB:])
        answer = wire.response("PUT")
    assert answer.status == 200
    assert answer.headers["x-s3mirror-replicas"] == "a=stored, b=hinted, c=stored"
    assert stack.get(key).body == noise(BODY)
    stack.rig({"kill": "start", "stop": "cont"}[how], "b")
    stack.wait_repaired()
    stack.assert_everywhere(key, noise(BODY))
    assert set(etags(stack, key).values()) == {composite(cuts(noise(BODY)))}
    nothing_left(stack)


def test_too_few_replicas_end_it(start_stack, key):
    stack = start_stack(sets={**IN_PARTS, "buckets.0.ack.need": 2, "terms.write_ms": 3000})
    with begun(stack, key, 6 * MIB) as wire:
        stack.rig("kill", "b")
        stack.rig("kill", "c")
        wire.try_send(noise(BODY)[6 * MIB:])
        answer = wire.response("PUT")
    assert answer is None or answer.status == 503
    stack.rig("start", "b")
    stack.rig("start", "c")
    nothing_left(stack)
    assert stack.get(key).status == 404


def test_it_goes_on_with_one_chunk_where_there_is_no_more_memory(start_stack, key):
    """The least body_budget there can be is less than one part."""
    stack = start_stack(sets={**PATIENT, **IN_PARTS, "body_budget": "4MiB", "ring_bytes": "1MiB"})
    body = noise(BODY)
    for _ in range(3):
        assert stack.put(key, body).headers["etag"] == composite(cuts(body))
    stack.wait_settled(key)
    stack.assert_everywhere(key, body)
