"""Multipart uploads while the gateway dies and replicas are away, and what is left of those that nobody finishes."""

import random
import threading

import botocore.exceptions
import pytest
from test_multipart import MIB, PART, Upload, composite, left_on, refused
from test_operations import noise

from stack import wait_until


def nothing_left(stack, names=None):
    wait_until(lambda: not any(left_on(stack, name) for name in names or stack.backends),
               "the backends' uploads to be aborted", 60, 0.1)


def etags(stack, key):
    return {name: seen[2]["etag"] for name, seen in stack.everywhere(key).items()}


# --- the gateway dies -------------------------------------------------------------------------------------

def test_a_killed_gateway_goes_on_between_parts(start_stack, key):
    stack = start_stack()
    upload = Upload(stack, key)
    upload.part(1, noise(PART, 1))
    stack.rig("kill", "g1")
    stack.rig("start", "g1")
    assert [p["PartNumber"] for p in upload.listed()["Parts"]] == [1]
    upload.part(2, noise(MIB, 2))
    stack.rig("kill", "g1")
    stack.rig("start", "g1")
    answer = upload.complete()
    assert answer["ETag"] == composite([noise(PART, 1), noise(MIB, 2)])
    stack.wait_settled(key)
    stack.assert_everywhere(key, noise(PART, 1) + noise(MIB, 2))


def test_a_gateway_killed_inside_completes_leaves_nothing_undecided(start_stack, key):
    stack = start_stack()
    chance = random.Random(7)
    for round_number in range(12):
        one = f"{key}-{round_number}"
        upload = Upload(stack, one)
        upload.part(1, noise(PART, round_number))
        upload.part(2, b"end")
        outcome = []

        def complete(upload=upload, outcome=outcome):
            try:
                outcome.append(upload.complete()["ETag"])
            except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError):
                pass

        thread = threading.Thread(target=complete)
        thread.start()
        thread.join(chance.uniform(0, 0.06))  # anywhere inside, before it or after it
        stack.rig("kill", "g1")
        thread.join()
        stack.rig("start", "g1")
        body = noise(PART, round_number) + b"end"
        answer = upload.complete()  # again, as a client does that got no answer
        assert answer["ETag"] == composite([noise(PART, round_number), b"end"])
        assert stack.get(one).body == body
        if outcome:
            assert outcome == [answer["ETag"]]
    stack.wait_repaired()
    for round_number in range(12):
        stack.assert_everywhere(f"{key}-{round_number}", noise(PART, round_number) + b"end")
        assert set(etags(stack, f"{key}-{round_number}").values()) == {
            composite([noise(PART, round_number), b"end"])}


def parts_of(client, stack, key):
    shown = client.get_object_attributes(Bucket=stack.bucket, Key=key, ObjectAttributes=["ObjectParts", "Checksum"])
    return shown.get("ObjectParts", {}).get("Parts"), shown.get("Checksum")


def uploaded(stack, key, bodies):
    """With a checksum; what is known of it."""
    upload = Upload(stack, key, ChecksumAlgorithm="SHA256")
    for number, body in enumerate(bodies, 1):
        upload.part(number, body, ChecksumAlgorithm="SHA256")
    upload.complete()
    parts, checksum = parts_of(upload.client, stack, key)
    assert [p["ChecksumSHA256"] for p in parts] == [p["ChecksumSHA256"] for p in upload.parts.values()]
    assert checksum["ChecksumType"] == "COMPOSITE"
    return upload.client, (parts, checksum)


def test_what_is_known_of_parts_outlives_the_gateway(start_stack, key):
    stack = start_stack()
    client, known = uploaded(stack, key, [noise(PART, 1), b"end"])
    stack.rig("kill", "g1")
    stack.rig("start", "g1")
    assert parts_of(client, stack, key) == known


def test_without_its_journal_a_gateway_asks_the_replicas_for_parts(start_stack, key):
    stack = start_stack(sets={"backends.0.capabilities.checksum_headers": []})
    bodies = [noise(PART, 1), noise(PART + 1, 2), b"end"]
    client, _ = uploaded(stack, key, bodies)
    stack.wait_settled(key)
    stack.rig("term", "g1")
    journal = stack.directory / "g1" / "journal.db"
    for file in journal.parent.glob(journal.name + "*"):
        file.unlink()
    stack.rig("start", "g1")
    where = {"Bucket": stack.bucket, "Key": key}
    for number, body in enumerate(bodies, 1):
        read = client.get_object(**where, PartNumber=number)
        assert (read["Body"].read(), read["PartsCount"]) == (body, 3)
        assert client.head_object(**where, PartNumber=number)["ContentLength"] == len(body)
    assert refused(client.get_object, **where, PartNumber=4) == (400, "InvalidPart")
    shown = client.get_object_attributes(**where, ObjectAttributes=["ObjectParts", "ObjectSize"])
    assert (shown["ObjectParts"]["TotalPartsCount"], "Parts" in shown["ObjectParts"]) == (3, False)
    assert client.get_object(**where)["Body"].read() == b"".join(bodies)


# --- replicas are away ------------------------------------------------------------------------------------

def test_a_replica_stopped_in_mid_upload_is_repaired_with_the_same_etag(start_stack, key):
    stack = start_stack()
    bodies = [noise(PART, 1), noise(PART + 4321, 2), noise(PART, 3), noise(777, 4)]
    upload = Upload(stack, key, Metadata={"colour": "blue"})
    upload.part(1, bodies[0])
    stack.rig("stop", "b")
    for number in (2, 3, 4):
        upload.part(number, bodies[number - 1])
    answer = upload.complete()
    assert answer["ETag"] == composite(bodies)
    assert stack.get(key).body == b"".join(bodies)
    assert stack.hints("b") > 0
    stack.rig("cont", "b")
    stack.wait_repaired()
    stack.assert_everywhere(key, b"".join(bodies))
    assert etags(stack, key) == dict.fromkeys(stack.backends, answer["ETag"])
    nothing_left(stack)  # also what the replica had of the upload


def test_a_repaired_replica_shows_what_is_known_of_the_parts(start_stack, key):
    stack = start_stack()
    stack.rig("kill", "b")
    bodies = [noise(PART, 1), noise(PART + 9, 2), b"end"]
    client, known = uploaded(stack, key, bodies)
    stack.rig("start", "b")
    stack.wait_repaired()
    for name in ("a", "c"):
        stack.rig("kill", name)
    assert parts_of(client, stack, key) == known
    read = client.get_object(Bucket=stack.bucket, Key=key, PartNumber=2, ChecksumMode="ENABLED")
    assert (read["Body"].read(), read["ChecksumSHA256"]) == (bodies[1], known[0][1]["ChecksumSHA256"])
    for name in ("a", "c"):
        stack.rig("start", name)


def test_a_replica_that_was_away_at_the_beginning_has_no_part_in_it(start_stack, key):
    stack = start_stack()
    stack.rig("kill", "c")
    upload = Upload(stack, key)
    upload.part(1, noise(PART))
    stack.rig("start", "c")
    upload.part(2, b"end")
    answer = upload.complete()
    stack.wait_repaired()
    stack.assert_everywhere(key, noise(PART) + b"end")
    assert etags(stack, key) == dict.fromkeys(stack.backends, answer["ETag"])


def test_a_replica_that_is_away_at_the_complete_is_repaired(start_stack, key):
    stack = start_stack()
    upload = Upload(stack, key)
    upload.part(1, noise(PART))
    upload.part(2, b"end")
    stack.rig("stop", "a")
    answer = upload.complete()
    stack.rig("cont", "a")
    stack.wait_repaired()
    stack.assert_everywhere(key, noise(PART) + b"end")
    assert etags(stack, key) == dict.fromkeys(stack.backends, answer["ETag"])
    nothing_left(stack)


def test_an_answer_at_need_waits_for_the_slower_replicas_at_the_complete(start_stack, key):
    stack = start_stack(sets={"buckets.0.ack.need": 1, "buckets.0.ack.wait": "need"})
    for round_number in range(5):
        upload = Upload(stack, key)
        upload.part(1, noise(PART, round_number))
        upload.part(2, b"end")
        upload.complete()
        stack.wait_settled(key)
        stack.assert_everywhere(key, noise(PART, round_number) + b"end")
    assert stack.metric("s3mirror_repaired_total", kind="copied") == 0


def test_too_few_replicas_take_no_part_and_a_later_try_is_good(start_stack, key):
    stack = start_stack(sets={"buckets.0.ack.need": 2})
    upload = Upload(stack, key)
    upload.part(1, noise(PART, 1))
    stack.rig("kill", "a")
    stack.rig("kill", "b")
    assert refused(upload.part, 1, noise(PART, 2))[0] == 503
    assert refused(Upload, stack, key)[0] == 503
    stack.rig("start", "a")
    stack.rig("start", "b")
    wait_until(lambda: stack.put(key + "-probe", b"x").headers.get("x-s3mirror-replicas", "").count("stored") == 3,
               "the breakers to close", 60, 0.1)
    upload.part(1, noise(PART, 2))
    upload.complete()
    stack.wait_repaired()
    stack.assert_everywhere(key, noise(PART, 2))


# --- what nobody finishes ---------------------------------------------------------------------------------

def test_an_upload_that_nobody_finishes_is_aborted_everywhere(start_stack, key):
    stack = start_stack(sets={"multipart_expire_ms": 3000})
    upload = Upload(stack, key)
    upload.part(1, noise(PART))
    wait_until(lambda: "Uploads" not in upload.client.list_multipart_uploads(Bucket=stack.bucket),
               "the upload to expire", 60, 0.1)
    nothing_left(stack)
    assert refused(upload.complete) == (404, "NoSuchUpload")
    assert stack.get(key).status == 404


def test_what_a_replica_missed_of_an_abort_is_made_up_for(start_stack, key):
    stack = start_stack(sets={"multipart_expire_ms": 60_000})
    upload = Upload(stack, key)
    upload.part(1, noise(PART))
    stack.rig("stop", "b")
    upload.abort()
    assert refused(upload.listed) == (404, "NoSuchUpload")
    stack.rig("cont", "b")
    nothing_left(stack)


def test_an_upload_that_only_a_backend_knows_is_aborted_when_it_is_old(start_stack, key):
    stack = start_stack(sets={"multipart_expire_ms": 2000})
    path = f"/{stack.backend_bucket('a')}/{key}"
    assert stack.backend("a").request("POST", path, "uploads=").status == 200
    assert left_on(stack, "a") == 1
    nothing_left(stack)
    wait_until(lambda: stack.metric("s3mirror_uploads_cleared_total", kind="unknown") == 1, "it to be counted", 30, 0.1)


@pytest.mark.parametrize("verb", ["kill", "term"])
def test_uploads_outlive_the_gateway_and_expire_after_it(start_stack, key, verb):
    stack = start_stack(sets={"multipart_expire_ms": 4000})
    upload = Upload(stack, key)
    upload.part(1, noise(PART))
    stack.rig(verb, "g1")
    stack.rig("start", "g1")
    nothing_left(stack)
    assert refused(upload.listed) == (404, "NoSuchUpload")
