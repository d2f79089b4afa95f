"""Multipart uploads through the gateway on three real servers: every part on each of them, and one object in the end."""

import base64
import hashlib
import threading
import zlib

import botocore.exceptions
import pytest
from aws_chunked import checksum
from test_operations import boto, noise

from stack import PATIENT, Stack

MIB = 1024 * 1024
PART = 5 * MIB


@pytest.fixture(scope="module", params=["seaweedfs,seaweedfs,seaweedfs", "seaweedfs,minio,versitygw"])
def stack(request, tmp_path_factory, binary):
    running = Stack.up(tmp_path_factory.mktemp("multipart"), backends=request.param.split(","),
                       sets=PATIENT)
    yield running
    running.down()


def composite(parts):
    """The ETag of an object that was uploaded in these parts."""
    return f'"{hashlib.md5(b"".join(hashlib.md5(p).digest() for p in parts)).hexdigest()}-{len(parts)}"'


class Upload:
    """One multipart upload of a key, step by step."""

    def __init__(self, stack, key, **options):
        self.stack, self.key = stack, key
        self.client = boto(stack, request_checksum_calculation="when_required")
        self.id = self.client.create_multipart_upload(Bucket=stack.bucket, Key=key, **options)["UploadId"]
        self.parts = {}

    @property
    def where(self):
        return {"Bucket": self.stack.bucket, "Key": self.key, "UploadId": self.id}

    def part(self, number, body, **options):
        answer = self.client.upload_part(**self.where, PartNumber=number, Body=body, **options)
        self.parts[number] = {"PartNumber": number, "ETag": answer["ETag"],
                              **{n: v for n, v in answer.items() if n.startswith("Checksum")}}
        return answer

    def complete(self, parts=None, **options):
        parts = [self.parts[n] for n in sorted(self.parts)] if parts is None else parts
        return self.client.complete_multipart_upload(**self.where, MultipartUpload={"Parts": parts}, **options)

    def abort(self):
        return self.client.abort_multipart_upload(**self.where)

    def listed(self):
        return self.client.list_parts(**self.where)


def everywhere_at_once(answer):
    """All replicas took part to the end: nothing is left to repair."""
    return answer["ResponseMetadata"]["HTTPHeaders"]["x-s3mirror-replicas"] == "a=stored, b=stored, c=stored"


def refused(call, *arguments, **options):
    with pytest.raises(botocore.exceptions.ClientError) as failed:
        call(*arguments, **options)
    answer = failed.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def left_on(stack, name):
    """Keys of the uploads that a backend has under way."""
    answer = stack.backend(name).request("GET", f"/{stack.backend_bucket(name)}", "uploads=")
    assert answer.status == 200, answer.body
    return answer.body.count(b"<Upload>")


# --- what every client does -------------------------------------------------------------------------------

def test_boto3_uploads_64_mb_in_parts_by_itself(stack, key, tmp_path):
    body = noise(64 * MIB)
    file = tmp_path / "body"
    file.write_bytes(body)
    client = boto(stack)
    client.upload_file(str(file), stack.bucket, key, ExtraArgs={"Metadata": {"colour": "blue"}})
    parts = [body[at:at + 8 * MIB] for at in range(0, len(body), 8 * MIB)]
    assert stack.head(key).headers["etag"] == composite(parts)
    read = client.get_object(Bucket=stack.bucket, Key=key)
    assert read["Metadata"] == {"colour": "blue"}
    assert read["Body"].read() == body
    stack.wait_settled(key)
    stack.assert_everywhere(key, body)


def test_parts_out_of_order_and_with_gaps_become_one_object(stack, key):
    upload = Upload(stack, key, ContentType="image/png")
    bodies = {7: noise(PART, 7), 2: noise(PART + 1, 2), 10000: noise(10, 3)}
    for number, body in bodies.items():
        upload.part(number, body)
    shown = upload.listed()
    assert [p["PartNumber"] for p in shown["Parts"]] == [2, 7, 10000]
    assert [p["Size"] for p in shown["Parts"]] == [PART + 1, PART, 10]
    answer = upload.complete()
    assert everywhere_at_once(answer)
    in_order = [bodies[n] for n in sorted(bodies)]
    assert answer["ETag"] == composite(in_order)
    assert answer["Location"].endswith(f"/{stack.bucket}/{key}")
    stack.wait_settled(key)
    stack.assert_everywhere(key, b"".join(in_order))
    shown = stack.everywhere(key)
    assert {seen[2]["content-type"] for seen in shown.values()} == {"image/png"}
    assert {seen[2]["etag"] for seen in shown.values()} == {answer["ETag"]}


def test_a_part_that_comes_again_is_the_one_that_counts(stack, key):
    upload = Upload(stack, key)
    first = upload.part(1, noise(PART, 1))["ETag"]
    again = upload.part(1, noise(PART, 2))["ETag"]
    assert first != again
    upload.part(2, b"end")
    assert refused(upload.complete, [{"PartNumber": 1, "ETag": first}, upload.parts[2]]) == (400, "InvalidPart")
    upload.complete()
    stack.wait_settled(key)
    stack.assert_everywhere(key, noise(PART, 2) + b"end")


def test_of_a_part_that_is_listed_twice_the_later_one_counts(stack, key):
    """As a client lists it that sent the part again."""
    upload = Upload(stack, key)
    first = upload.part(1, noise(PART, 1))["ETag"]
    again = upload.part(1, noise(PART, 2))["ETag"]
    end = upload.part(2, b"end")["ETag"]
    listed = [{"PartNumber": number, "ETag": etag} for number, etag in ((1, first), (1, again), (2, end))]
    assert refused(upload.complete, [listed[1], listed[0], listed[2]]) == (400, "InvalidPart")
    assert upload.complete(listed)["ETag"] == composite([noise(PART, 2), b"end"])
    stack.wait_settled(key)
    stack.assert_everywhere(key, noise(PART, 2) + b"end")


def test_a_single_small_part_is_enough(stack, key):
    upload = Upload(stack, key)
    upload.part(1, b"small")
    upload.complete()
    stack.wait_settled(key)
    stack.assert_everywhere(key, b"small")


def test_overlapping_uploads_of_one_key_know_nothing_of_each_other(stack, key):
    uploads = [Upload(stack, key) for _ in range(3)]
    for n, upload in enumerate(uploads):
        upload.part(1, noise(PART, n))
        upload.part(2, b"%d" % n)
    listed = uploads[0].client.list_multipart_uploads(Bucket=stack.bucket, Prefix=key)["Uploads"]
    assert [u["UploadId"] for u in listed] == [u.id for u in uploads]
    uploads[2].complete()
    uploads[0].complete()
    uploads[1].abort()
    stack.wait_settled(key)
    stack.assert_everywhere(key, noise(PART, 0) + b"0")


def test_completes_of_one_key_at_once_end_as_one_of_them_everywhere(stack, key):
    uploads = [Upload(stack, key) for _ in range(4)]
    for n, upload in enumerate(uploads):
        upload.part(1, b"%d" % n)
    threads = [threading.Thread(target=upload.complete) for upload in uploads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stack.wait_settled(key)
    body = stack.get(key).body
    assert body in (b"0", b"1", b"2", b"3")
    stack.assert_everywhere(key, body)


def test_completing_twice_is_answered_twice_alike(stack, key):
    upload = Upload(stack, key)
    upload.part(1, b"once")
    first, second = upload.complete(), upload.complete()
    assert first["ETag"] == second["ETag"]
    assert refused(upload.part, 2, b"late") == (404, "NoSuchUpload")
    assert refused(upload.listed) == (404, "NoSuchUpload")
    assert refused(upload.abort) == (404, "NoSuchUpload")


# --- copies -----------------------------------------------------------------------------------------------

def test_parts_can_be_copied_from_objects(stack, key):
    source = noise(PART + 1000)
    stack.put(key + "-source", source)
    upload = Upload(stack, key)
    origin = {"Bucket": stack.bucket, "Key": key + "-source"}
    for number, span in ((1, "bytes=0-5242879"), (2, "bytes=5242880-5242889"), (3, None)):
        answer = upload.client.upload_part_copy(**upload.where, PartNumber=number, CopySource=origin,
                                                **({"CopySourceRange": span} if span else {}))
        if number != 2:
            upload.parts[number] = {"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]}
    upload.complete()
    stack.wait_settled(key)
    stack.assert_everywhere(key, source[:PART] + source)


@pytest.mark.parametrize("options, expected", [
    ({"CopySourceRange": "bytes=0-99999999"}, (416, "InvalidRange")),
    ({"CopySourceRange": "bytes=5-"}, (400, "InvalidArgument")),
    ({"CopySourceRange": "bytes=0-1,3-4"}, (400, "InvalidArgument")),
    ({"CopySourceIfMatch": '"nonsense"'}, (412, "PreconditionFailed")),
])
def test_a_part_that_cannot_be_copied_says_why(stack, key, options, expected):
    stack.put(key + "-source", b"0123456789")
    upload = Upload(stack, key)
    assert refused(upload.client.upload_part_copy, **upload.where, PartNumber=1,
                   CopySource={"Bucket": stack.bucket, "Key": key + "-source"}, **options) == expected
    assert "Parts" not in upload.listed()


# --- checksums --------------------------------------------------------------------------------------------

def checksum_of(algorithm, body):
    return base64.b64decode(checksum(algorithm.lower(), body))


def show(value):
    return base64.b64encode(value).decode()


@pytest.mark.parametrize("algorithm, kind", [("SHA1", "COMPOSITE"), ("SHA256", "COMPOSITE"), ("CRC32", "COMPOSITE"),
                                             ("CRC32C", "COMPOSITE"), ("CRC32", "FULL_OBJECT"),
                                             ("CRC32C", "FULL_OBJECT"), ("CRC64NVME", "FULL_OBJECT")])
def test_a_checksum_is_reckoned_compared_kept_and_shown_of_the_object_and_its_parts(stack, key, algorithm, kind):
    client, name = boto(stack), f"Checksum{algorithm}"
    bodies = {1: noise(PART, 1), 2: noise(PART + 7, 2), 5: noise(1234, 3)}
    values = {n: checksum_of(algorithm, body) for n, body in bodies.items()}
    whole = show(checksum_of(algorithm, b"".join(bodies.values()))) if kind == "FULL_OBJECT" else \
        show(checksum_of(algorithm, b"".join(values.values()))) + "-3"
    made = client.create_multipart_upload(Bucket=stack.bucket, Key=key, ChecksumAlgorithm=algorithm, ChecksumType=kind)
    assert (made["ChecksumAlgorithm"], made["ChecksumType"]) == (algorithm, kind)
    where = {"Bucket": stack.bucket, "Key": key, "UploadId": made["UploadId"]}
    parts = []
    for number, body in bodies.items():
        answer = client.upload_part(**where, PartNumber=number, Body=body, **{name: show(values[number])})
        assert answer[name] == show(values[number])
        parts.append({"PartNumber": number, "ETag": answer["ETag"], name: answer[name]})
    listed = client.list_parts(**where)
    assert (listed["ChecksumAlgorithm"], listed["ChecksumType"]) == (algorithm, kind)
    assert [p[name] for p in listed["Parts"]] == [show(v) for v in values.values()]
    for wrong in ("bad", show(values[1]), whole[:-2] + "-4", whole + "-1"):
        assert refused(client.complete_multipart_upload, **where, MultipartUpload={"Parts": parts}, **{name: wrong}) == \
            (400, "BadDigest"), wrong
    other = {"COMPOSITE": "FULL_OBJECT", "FULL_OBJECT": "COMPOSITE"}[kind]
    assert refused(client.complete_multipart_upload, **where, MultipartUpload={"Parts": parts}, ChecksumType=other) == \
        (400, "InvalidRequest")
    done = client.complete_multipart_upload(**where, MultipartUpload={"Parts": parts}, **{name: whole})
    assert everywhere_at_once(done)
    again = client.complete_multipart_upload(**where, MultipartUpload={"Parts": parts}, **{name: whole})
    for answer in (done, again, client.head_object(Bucket=stack.bucket, Key=key, ChecksumMode="ENABLED"),
                   client.get_object(Bucket=stack.bucket, Key=key, ChecksumMode="ENABLED"),
                   client.get_object_attributes(Bucket=stack.bucket, Key=key,
                                                ObjectAttributes=["Checksum"])["Checksum"]):
        assert (answer[name], answer["ChecksumType"]) == (whole, kind)
    assert name not in client.head_object(Bucket=stack.bucket, Key=key)
    assert name not in client.get_object(Bucket=stack.bucket, Key=key, Range="bytes=0-9", ChecksumMode="ENABLED")
    for number, body in bodies.items():
        read = client.get_object(Bucket=stack.bucket, Key=key, PartNumber=number, ChecksumMode="ENABLED")
        assert (read[name], read["ChecksumType"], read["PartsCount"]) == (show(values[number]), kind, 3)
        assert read["Body"].read() == body
    stack.wait_settled(key)
    stack.assert_everywhere(key, b"".join(bodies.values()))


def test_checksums_that_a_list_leaves_out_are_known(stack, key):
    upload = Upload(stack, key, ChecksumAlgorithm="SHA256")
    bodies = [noise(PART, 1), b"end"]
    for number, body in enumerate(bodies, 1):
        upload.part(number, body, ChecksumAlgorithm="SHA256")
    done = upload.complete([{"PartNumber": n, "ETag": p["ETag"]} for n, p in upload.parts.items()])
    assert done["ChecksumSHA256"] == show(checksum_of("SHA256", b"".join(checksum_of("SHA256", b) for b in bodies))) + "-2"


@pytest.mark.parametrize("options", [{"ChecksumAlgorithm": "SHA256", "ChecksumType": "FULL_OBJECT"},
                                     {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "COMPOSITE"},
                                     {"ChecksumType": "COMPOSITE"}])
def test_checksums_that_cannot_be_are_refused_at_the_beginning(stack, key, options):
    assert refused(Upload, stack, key, **options) == (400, "InvalidRequest")


# --- how an object is cut ---------------------------------------------------------------------------------

def test_parts_are_read_by_their_numbers(stack, key):
    upload = Upload(stack, key, Metadata={"colour": "blue"})
    bodies = {2: noise(PART, 1), 3: noise(PART + 1, 2), 9: b"end"}
    for number, body in bodies.items():
        upload.part(number, body)
    assert refused(upload.client.get_object, Bucket=stack.bucket, Key=key, PartNumber=2) == (404, "NoSuchKey")
    etag, where, offset = upload.complete()["ETag"], {"Bucket": stack.bucket, "Key": key}, 0
    total = sum(map(len, bodies.values()))
    for number, body in bodies.items():
        for answer in (upload.client.head_object(**where, PartNumber=number),
                       upload.client.get_object(**where, PartNumber=number)):
            assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
            assert (answer["PartsCount"], answer["ETag"], answer["ContentLength"]) == (3, etag, len(body))
            assert answer["ResponseMetadata"]["HTTPHeaders"]["content-range"] == \
                f"bytes {offset}-{offset + len(body) - 1}/{total}"
            assert answer["Metadata"] == {"colour": "blue"}
        assert answer["Body"].read() == body
        offset += len(body)
    for number in (1, 4, 10, 10000):
        assert refused(upload.client.get_object, **where, PartNumber=number) == (400, "InvalidPart")
        assert refused(upload.client.head_object, **where, PartNumber=number)[0] == 400
    assert refused(upload.client.get_object, **where, PartNumber=2, IfMatch='"nonsense"')[0] == 412
    assert refused(upload.client.get_object, **where, PartNumber=2, IfNoneMatch=etag)[0] == 304
    assert refused(upload.client.get_object, **where, PartNumber=2, Range="bytes=0-1") == (400, "InvalidRequest")


def test_an_object_in_one_piece_is_its_own_first_part(stack, key):
    client, where = boto(stack), {"Bucket": stack.bucket, "Key": key}
    stack.put(key, b"in one piece")
    read = client.get_object(**where, PartNumber=1)
    assert (read["Body"].read(), "PartsCount" in read) == (b"in one piece", False)
    assert refused(client.get_object, **where, PartNumber=2) == (400, "InvalidPart")


def test_attributes_tell_the_parts_in_pages(stack, key):
    upload = Upload(stack, key, ChecksumAlgorithm="CRC32")
    sizes = {1: PART, 2: PART + 5, 7: PART, 8: 77}
    for number, size in sizes.items():
        upload.part(number, noise(size, number), ChecksumAlgorithm="CRC32")
    etag, where = upload.complete()["ETag"], {"Bucket": stack.bucket, "Key": key}
    every = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
    whole = upload.client.get_object_attributes(**where, ObjectAttributes=every)
    assert (whole["ETag"], whole["ObjectSize"], whole["StorageClass"]) == (etag.strip('"'), sum(sizes.values()), "STANDARD")
    parts = whole["ObjectParts"]
    assert (parts["TotalPartsCount"], parts["IsTruncated"], parts["MaxParts"]) == (4, False, 1000)
    assert {p["PartNumber"]: p["Size"] for p in parts["Parts"]} == sizes
    assert [p["ChecksumCRC32"] for p in parts["Parts"]] == [upload.parts[n]["ChecksumCRC32"] for n in sizes]
    seen, marker = [], 0
    while True:
        page = upload.client.get_object_attributes(**where, ObjectAttributes=["ObjectParts"], MaxParts=3,
                                                   PartNumberMarker=marker)["ObjectParts"]
        assert (page["PartNumberMarker"], page["TotalPartsCount"]) == (marker, 4)
        seen += [p["PartNumber"] for p in page["Parts"]]
        if not page["IsTruncated"]:
            break
        marker = page["NextPartNumberMarker"]
    assert (seen, marker) == (list(sizes), 7)


def test_what_was_known_of_the_parts_goes_with_the_object(stack, key):
    client, where = boto(stack), {"Bucket": stack.bucket, "Key": key}
    for number, overwrite in enumerate((lambda: stack.put(key, b"x" * 5), lambda: stack.delete(key))):
        upload = Upload(stack, key, ChecksumAlgorithm="SHA1")
        upload.part(1, noise(5, number), ChecksumAlgorithm="SHA1")
        upload.complete()
        assert client.get_object_attributes(**where, ObjectAttributes=["ObjectParts"])["ObjectParts"]["Parts"]
        overwrite()
        if number == 0:
            shown = client.get_object_attributes(**where, ObjectAttributes=["ObjectParts", "Checksum", "ObjectSize"])
            assert "ObjectParts" not in shown and "ChecksumSHA1" not in shown.get("Checksum", {})
            assert client.get_object(**where, PartNumber=1, ChecksumMode="ENABLED")["Body"].read() == b"xxxxx"
        stack.wait_settled(key)


def test_a_composite_checksum_is_reckoned_from_those_of_the_parts(stack, key):
    client = boto(stack)
    made = client.create_multipart_upload(Bucket=stack.bucket, Key=key, ChecksumAlgorithm="SHA256")
    assert (made["ChecksumAlgorithm"], made["ChecksumType"]) == ("SHA256", "COMPOSITE")
    where = {"Bucket": stack.bucket, "Key": key, "UploadId": made["UploadId"]}
    bodies = [noise(PART, 1), b"end"]
    parts = []
    for number, body in enumerate(bodies, 1):
        answer = client.upload_part(**where, PartNumber=number, Body=body, ChecksumAlgorithm="SHA256")
        assert answer["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(body).digest()).decode()
        parts.append({"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": answer["ChecksumSHA256"]})
    wrong = [{**parts[0], "ChecksumSHA256": parts[1]["ChecksumSHA256"]}, parts[1]]
    assert refused(client.complete_multipart_upload, **where, MultipartUpload={"Parts": wrong}) == \
        (400, "InvalidPart")
    done = client.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    assert everywhere_at_once(done)
    whole = hashlib.sha256(b"".join(hashlib.sha256(b).digest() for b in bodies)).digest()
    assert done["ChecksumSHA256"] == base64.b64encode(whole).decode() + "-2"
    shown = client.head_object(Bucket=stack.bucket, Key=key, ChecksumMode="ENABLED")
    assert (shown["ChecksumSHA256"], shown["ChecksumType"]) == (done["ChecksumSHA256"], "COMPOSITE")
    stack.wait_settled(key)
    stack.assert_everywhere(key, b"".join(bodies))


def test_a_checksum_of_the_whole_object_is_combined_and_compared(stack, key):
    client = boto(stack)
    bodies = [noise(PART, 1), noise(1234, 2)]
    value = base64.b64encode(zlib.crc32(b"".join(bodies)).to_bytes(4, "big")).decode()
    made = client.create_multipart_upload(Bucket=stack.bucket, Key=key, ChecksumAlgorithm="CRC32",
                                          ChecksumType="FULL_OBJECT")
    where = {"Bucket": stack.bucket, "Key": key, "UploadId": made["UploadId"]}
    parts = []
    for number, body in enumerate(bodies, 1):
        answer = client.upload_part(**where, PartNumber=number, Body=body, ChecksumAlgorithm="CRC32")
        parts.append({"PartNumber": number, "ETag": answer["ETag"], "ChecksumCRC32": answer["ChecksumCRC32"]})
    listed = {"MultipartUpload": {"Parts": parts}, "ChecksumType": "FULL_OBJECT"}
    assert refused(client.complete_multipart_upload, **where, **listed, ChecksumCRC32="AAAAAA==") == (400, "BadDigest")
    done = client.complete_multipart_upload(**where, **listed, ChecksumCRC32=value)
    assert everywhere_at_once(done)
    assert done["ChecksumCRC32"] == value
    stack.wait_settled(key)
    stack.assert_everywhere(key, b"".join(bodies))


# --- what is refused --------------------------------------------------------------------------------------

def test_a_wrong_list_is_refused_before_anything_is_sent(stack, key):
    upload = Upload(stack, key)
    upload.part(1, noise(PART))
    upload.part(2, b"end")
    one, two = upload.parts[1], upload.parts[2]
    cases = [([two, one], "InvalidPartOrder"), ([one, two, one], "InvalidPartOrder"), ([one, {**two, "PartNumber": 3}], "InvalidPart"), ([one, {**two, "ETag": one["ETag"]}], "InvalidPart"),
             ([], "MalformedXML")]
    for parts, code in cases:
        assert refused(upload.complete, parts) == (400, code)
    assert refused(upload.complete, MpuObjectSize=5) == (400, "InvalidRequest")
    assert stack.get(key).status == 404
    upload.complete(MpuObjectSize=PART + 3)
    stack.wait_settled(key)
    stack.assert_everywhere(key, noise(PART) + b"end")


@pytest.mark.parametrize("document", [
    b"", b"<", b"<Other/>", b"<CompleteMultipartUpload><Part/></CompleteMultipartUpload>",
    b"<CompleteMultipartUpload><Part><PartNumber>0</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>",
    b"<CompleteMultipartUpload><Part><PartNumber>10001</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>",
    b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>",
    b"<!DOCTYPE x [<!ENTITY e 'e'>]><CompleteMultipartUpload/>",
    b"<CompleteMultipartUpload>" + b"<Part><PartNumber>1</PartNumber><ETag>x</ETag></Part>"
    b"<Part><PartNumber>2</PartNumber><ETag>x</ETag></Part>" * 5001 + b"</CompleteMultipartUpload>",
    b"<CompleteMultipartUpload>" + b" " * (5 * MIB) + b"</CompleteMultipartUpload>",
])
def test_what_is_no_list_of_parts_is_malformed(stack, key, document):
    upload = Upload(stack, key)
    upload.part(1, b"x")
    answer = stack.s3.request("POST", stack.path(key), f"uploadId={upload.id}", document)
    assert answer.status == 400, answer.body
    assert b"<Code>MalformedXML</Code>" in answer.body
    assert len(upload.listed()["Parts"]) == 1


def test_a_thousand_small_parts_are_too_small(stack, key):
    upload = Upload(stack, key)
    for number in range(1, 1001):
        upload.part(number, b"%d" % number)
    shown = upload.client.list_parts(**upload.where, MaxParts=600)
    assert (len(shown["Parts"]), shown["IsTruncated"], shown["NextPartNumberMarker"]) == (600, True, 600)
    rest = upload.client.list_parts(**upload.where, PartNumberMarker=600)
    assert ([p["PartNumber"] for p in rest["Parts"]], rest["IsTruncated"]) == (list(range(601, 1001)), False)
    assert refused(upload.complete) == (400, "EntityTooSmall")
    upload.abort()
    assert stack.get(key).status == 404


def test_uploads_that_are_not_there_are_named_so(stack, key):
    upload = Upload(stack, key)
    upload.part(1, b"x")
    upload.abort()
    for call in (upload.abort, upload.listed, upload.complete, lambda: upload.part(2, b"x")):
        assert refused(call) == (404, "NoSuchUpload")
    upload.id = "no-id-of-ours"
    for call in (upload.abort, upload.listed, upload.complete, lambda: upload.part(2, b"x")):
        assert refused(call) == (404, "NoSuchUpload")


def test_an_abort_leaves_nothing_on_any_backend(stack, key):
    before = {name: left_on(stack, name) for name in stack.backends}
    upload = Upload(stack, key)
    upload.part(1, noise(PART))
    upload.abort()
    assert {name: left_on(stack, name) for name in stack.backends} == before
    assert stack.get(key).status == 404


def test_a_part_whose_checksum_is_wrong_is_no_part(stack, key):
    upload = Upload(stack, key)
    assert refused(upload.part, 1, noise(2 * MIB), ChecksumCRC32="AAAAAA==")[0] == 400
    assert "Parts" not in upload.listed()


@pytest.mark.parametrize("condition, there, expected", [
    ({"IfNoneMatch": "*"}, True, (412, "PreconditionFailed")),
    ({"IfNoneMatch": "*"}, False, None),
    ({"IfMatch": '"nonsense"'}, True, (412, "PreconditionFailed")),
    ({"IfMatch": '"nonsense"'}, False, (404, "NoSuchKey")),
])
def test_a_conditional_complete_is_judged_once(stack, key, condition, there, expected):
    if there:
        stack.put(key, b"there")
    upload = Upload(stack, key)
    upload.part(1, b"new")
    if expected:
        assert refused(upload.complete, **condition) == expected
        stack.wait_settled(key)
        stack.assert_everywhere(key, b"there" if there else None)
        upload.complete()
    else:
        upload.complete(**condition)
    stack.wait_settled(key)
    stack.assert_everywhere(key, b"new")


# --- lists ------------------------------------------------------------------------------------------------

def test_uploads_are_listed_with_prefixes_and_in_pages(stack, key):
    keys = [f"{key}/{name}" for name in ("a", "b/1", "b/2", "c", "d/1")]
    uploads = [Upload(stack, one) for one in keys]
    client = uploads[0].client
    where = {"Bucket": stack.bucket, "Prefix": key + "/"}
    shown = client.list_multipart_uploads(**where, Delimiter="/")
    assert [u["Key"] for u in shown["Uploads"]] == [f"{key}/a", f"{key}/c"]
    assert [p["Prefix"] for p in shown["CommonPrefixes"]] == [f"{key}/b/", f"{key}/d/"]
    seen, marker = [], {}
    while True:
        page = client.list_multipart_uploads(**where, MaxUploads=1, Delimiter="/", **marker)
        seen += [u["Key"] for u in page.get("Uploads", [])] + [p["Prefix"] for p in page.get("CommonPrefixes", [])]
        if not page["IsTruncated"]:
            break
        marker = {"KeyMarker": page["NextKeyMarker"]}
        if page.get("NextUploadIdMarker"):
            marker["UploadIdMarker"] = page["NextUploadIdMarker"]
    assert seen == [f"{key}/a", f"{key}/b/", f"{key}/c", f"{key}/d/"]
    for upload in uploads:
        upload.abort()
    assert "Uploads" not in client.list_multipart_uploads(**where)
