"""The operations through the gateway on three real servers; each backend is asked directly afterwards."""

import base64
import binascii
import email.header
import hashlib
import random
import struct
import uuid

import boto3
import botocore.config
import botocore.exceptions
import pytest

from riglib.sigv4 import quote_key
from stack import STAMP, wait_until
from wire import head_bytes, sha256

CHUNK = 512 * 1024


def noise(size, seed=1):
    return random.Random(seed).randbytes(size)


def boto(stack, **options):
    return boto3.client("s3", endpoint_url=stack.endpoint, region_name="us-east-1",
                        aws_access_key_id=stack.document["access_key"],
                        aws_secret_access_key=stack.document["secret_key"],
                        config=botocore.config.Config(s3={"addressing_style": "path"},
                                                      retries={"total_max_attempts": 1}, **options))


# --- objects ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("size", [0, 1, 4095, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 17, 16 * 1024 * 1024 + 3])
def test_a_put_object_is_the_same_on_every_backend(stack, key, size):
    body = noise(size)
    answer = stack.put(key, body)
    assert answer.status == 200, answer.body
    assert answer.headers["etag"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert sorted(answer.headers["x-s3mirror-replicas"].replace(" ", "").split(",")) == \
        ["a=stored", "b=stored", "c=stored"]
    stack.assert_everywhere(key, body)
    read = stack.get(key)
    assert (read.status, read.body, read.headers["etag"]) == (200, body, answer.headers["etag"])
    stack.wait_settled(key)


def test_boto3_puts_and_gets_with_its_default_checksums(stack, key):
    client = boto(stack)
    for size in (10, 3_000_000):
        body = noise(size)
        client.put_object(Bucket=stack.bucket, Key=key, Body=body, Metadata={"colour": "blue"})
        read = client.get_object(Bucket=stack.bucket, Key=key)
        assert read["Body"].read() == body
        assert read["Metadata"] == {"colour": "blue"}
        stack.assert_everywhere(key, body)
    client.delete_object(Bucket=stack.bucket, Key=key)
    with pytest.raises(botocore.exceptions.ClientError) as failed:
        client.get_object(Bucket=stack.bucket, Key=key)
    assert failed.value.response["Error"]["Code"] == "NoSuchKey"


@pytest.mark.parametrize("size", [1000, 2_000_000])
def test_a_body_signed_by_its_hash_is_stored(stack, key, size):
    body = noise(size)
    answer = stack.signer.exchange(stack.signer.put(stack.path(key), body, payload=sha256(body)))
    assert answer.status == 200, answer
    stack.assert_everywhere(key, body)


@pytest.mark.parametrize("name, value", [
    ("content-md5", lambda body: base64.b64encode(hashlib.md5(body).digest())),
    ("x-amz-checksum-crc32", lambda body: base64.b64encode(struct.pack(">I", binascii.crc32(body)))),
    ("x-amz-checksum-sha1", lambda body: base64.b64encode(hashlib.sha1(body).digest())),
    ("x-amz-checksum-sha256", lambda body: base64.b64encode(hashlib.sha256(body).digest())),
])
def test_a_right_checksum_is_accepted(stack, key, name, value):
    body = noise(700_000)
    answer = stack.put(key, body, {name: value(body).decode()})
    assert answer.status == 200, answer.body
    stack.assert_everywhere(key, body)


def test_an_overwrite_replaces_the_object_everywhere(stack, key):
    for seed in range(3):
        assert stack.put(key, noise(100_000 + seed, seed)).status == 200
    stack.assert_everywhere(key, noise(100_002, 2))
    stack.wait_settled(key)


def test_head_tells_what_get_would_without_the_body(stack, key):
    body = noise(12_345)
    stack.put(key, body, {"content-type": "image/png"})
    answer = stack.head(key)
    assert answer.status == 200
    assert answer.body == b""
    assert answer.headers["content-length"] == "12345"
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["etag"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert "last-modified" in answer.headers


def test_what_is_not_there_is_404(stack, key):
    assert stack.get(key).status == 404
    assert b"<Code>NoSuchKey</Code>" in stack.get(key).body
    missing = stack.head(key)
    assert (missing.status, missing.body) == (404, b"")
    assert stack.s3.get("no-such-bucket-here", key).status == 404
    assert b"<Code>NoSuchBucket</Code>" in stack.s3.get("no-such-bucket-here", key).body
    assert b"<Code>NoSuchBucket</Code>" in stack.s3.put("no-such-bucket-here", key, b"x").body


def test_a_deleted_object_is_gone_everywhere(stack, key):
    stack.put(key, b"short-lived")
    assert stack.delete(key).status == 204
    stack.assert_everywhere(key, None)
    assert stack.get(key).status == 404
    assert stack.delete(key).status == 204, "deleting what is not there is no error"
    stack.wait_settled(key)


@pytest.mark.parametrize("header, first, last", [
    ("bytes=0-0", 0, 0), ("bytes=0-99", 0, 99), ("bytes=100-", 100, 1_499_999), ("bytes=-7", 1_499_993, 1_499_999),
    ("bytes=524287-524288", 524_287, 524_288), ("bytes=1499999-9999999", 1_499_999, 1_499_999),
    ("bytes=-9999999", 0, 1_499_999),
])
def test_a_range_gives_its_part(stack, header, first, last):
    body = noise(1_500_000)
    stack.put("ranged", body)
    answer = stack.s3.request("GET", stack.path("ranged"), headers={"range": header})
    assert answer.status == 206, answer.body
    assert answer.body == body[first:last + 1]
    assert answer.headers["content-range"] == f"bytes {first}-{last}/1500000"
    assert answer.headers["content-length"] == str(last - first + 1)


def test_a_range_past_the_end_is_416(stack, key):
    stack.put(key, b"0123456789")
    answer = stack.s3.request("GET", stack.path(key), headers={"range": "bytes=10-"})
    assert answer.status == 416
    assert b"<Code>InvalidRange</Code>" in answer.body


@pytest.mark.parametrize("header", ["bytes=0-1,3-4", "lines=1-2", "bytes=5-2", "bytes=x-"])
def test_a_range_that_is_none_gives_the_whole(stack, key, header):
    stack.put(key, b"0123456789")
    answer = stack.s3.request("GET", stack.path(key), headers={"range": header})
    assert (answer.status, answer.body) == (200, b"0123456789")


def test_conditions_on_a_read_are_answered(stack, key):
    etag = stack.put(key, b"conditional").headers["etag"]
    ask = lambda method, **headers: stack.s3.request(  # noqa: E731
        method, stack.path(key), headers={n.replace("_", "-"): v for n, v in headers.items()}).status
    for method in ("GET", "HEAD"):
        assert ask(method, if_match=etag) == 200
        assert ask(method, if_match='"0123"') == 412
        assert ask(method, if_none_match=etag) == 304
        assert ask(method, if_none_match='"0123"') == 200


# --- what belongs to an object besides its bytes ------------------------------------------------------------

HEADERS = {"content-type": "text/csv; charset=utf-8", "content-disposition": 'attachment; filename="a b.csv"',
           "content-language": "de", "cache-control": "max-age=60, public", "x-amz-meta-colour": "blue",
           "x-amz-meta-dash-name": "a, b;c=d"}


def test_metadata_and_content_headers_are_kept(stack, key):
    stack.put(key, noise(600_000), HEADERS)
    for answer in (stack.get(key), stack.head(key), *(stack.on_backend(name, key) for name in stack.backends)):
        assert {n: answer.headers.get(n) for n in HEADERS} == HEADERS


def test_content_encoding_of_the_client_is_kept(stack, key):
    stack.put(key, b"not really gzip", {"content-encoding": "gzip"})
    assert stack.head(key).headers["content-encoding"] == "gzip"
    for name in stack.backends:
        assert stack.on_backend(name, key).headers["content-encoding"] == "gzip"


def test_no_content_type_is_the_same_type_everywhere(stack, key):
    stack.put(key, b"plain words that a server might sniff")
    types = {stack.on_backend(name, key).headers["content-type"] for name in stack.backends}
    assert types == {stack.get(key).headers["content-type"]} == {"binary/octet-stream"}


TOWNS = {"Köln": 1, "東京" * 30: 4, "Łódź " * 12 + "plain": 3}


@pytest.mark.parametrize("town, words", TOWNS.items(), ids=["one word", "only such letters", "several words"])
def test_metadata_beyond_ascii_comes_back_as_encoded_words(stack, key, town, words):
    """RFC 2047, as S3 shows it; and the same from each backend."""
    raw = stack.signer.put(stack.path(key), b"x", headers={"x-amz-meta-town": town})
    assert stack.signer.exchange(raw).status == 200
    shown = stack.signer.exchange(stack.signer.head("HEAD", stack.path(key)), "HEAD").headers["x-amz-meta-town"]
    assert shown.isascii() and len(shown.split(" ")) == words and max(map(len, shown.split(" "))) <= 75
    assert str(email.header.make_header(email.header.decode_header(shown))) == town
    assert {stack.on_backend(name, key).headers["x-amz-meta-town"] for name in stack.backends} == {shown}


def test_encoded_words_of_a_client_are_not_encoded_again(stack, key):
    words = {"x-amz-meta-town": "=?UTF-8?Q?K=C3=B6ln?="}
    assert stack.put(key, b"x", words).status == 200
    assert metadata(stack.head(key)) == words


def metadata(answer):
    assert answer.status == 200, answer.body
    return {name: value for name, value in answer.headers.items() if name.startswith("x-amz-meta-")}


def test_metadata_without_a_value_is_kept(stack, key):
    """SeaweedFS drops it."""
    empty = {"x-amz-meta-e": "", "x-amz-meta-full": "1", "x-amz-meta-empty-too": ""}
    assert stack.put(key, b"x", empty).status == 200
    for answer in (stack.get(key), stack.head(key)):
        assert metadata(answer) == empty
    unchanged = stack.s3.request("HEAD", stack.path(key), headers={"if-none-match": answer.headers["etag"]})
    assert unchanged.status == 304 and "x-amz-meta-e" not in unchanged.headers
    assert stack.put(key, b"x", {"x-amz-meta-e": "filled"}).status == 200
    assert metadata(stack.head(key)) == {"x-amz-meta-e": "filled"}


def test_metadata_without_a_value_goes_with_copies_and_uploads_in_parts(stack, key):
    empty = {"x-amz-meta-e": "", "x-amz-meta-full": "1"}
    stack.put(key, b"x", empty)
    source = {"x-amz-copy-source": stack.path(key)}
    assert stack.s3.request("PUT", stack.path(key + "-copy"), headers=source).status == 200
    assert metadata(stack.head(key + "-copy")) == empty
    other = {"x-amz-metadata-directive": "REPLACE", "x-amz-meta-other": ""}
    assert stack.s3.request("PUT", stack.path(key + "-copy"), headers=source | other).status == 200
    assert metadata(stack.head(key + "-copy")) == {"x-amz-meta-other": ""}
    tags = b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"
    assert stack.s3.request("PUT", stack.path(key), "tagging=", body=tags).status == 200
    assert metadata(stack.head(key)) == empty
    client = boto(stack)
    where = {"Bucket": stack.bucket, "Key": key + "-parts"}
    upload = client.create_multipart_upload(**where, Metadata={"e": "", "full": "1"})["UploadId"]
    part = client.upload_part(**where, UploadId=upload, PartNumber=1, Body=b"x")
    client.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={
        "Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    assert client.head_object(**where)["Metadata"] == {"e": "", "full": "1"}


def test_the_stamp_is_on_the_backends_and_never_shown(stack, key):
    stack.put(key, b"stamped")
    for name in stack.backends:
        assert len(stack.on_backend(name, key).headers[STAMP]) == 26
    for answer in (stack.get(key), stack.head(key)):
        assert not [n for n in answer.headers if "s3mirror-stamp" in n]


def test_a_client_cannot_write_a_stamp_of_its_own(stack, key):
    stack.put(key, b"before")
    answer = stack.put(key, b"forged", {STAMP: "0" * 26})
    assert answer.status == 400, answer.body
    stack.assert_nowhere_changed(key, b"before")


def test_metadata_up_to_2048_bytes_is_kept_and_more_is_refused(stack, key):
    # Names without the prefix count, and values.
    fits = {"x-amz-meta-a": "v" * 1023, "x-amz-meta-b": "w" * 900}
    assert stack.put(key, b"fits", fits).status == 200
    assert {n: stack.head(key).headers.get(n) for n in fits} == fits
    answer = stack.put(key, b"does not", {"x-amz-meta-a": "v" * 1200, "x-amz-meta-b": "w" * 900})
    assert answer.status == 400
    assert b"<Code>MetadataTooLarge</Code>" in answer.body
    stack.assert_nowhere_changed(key, b"fits")
    # What a backend is sent counts: a name without a value stands there twice, other letters as encoded words.
    for much in ({f"x-amz-meta-{'n' * 15}-{n:02}": "" for n in range(56)}, {"x-amz-meta-a": "ä" * 700}):
        answer = stack.signer.exchange(stack.signer.put(stack.path(key), b"does not", headers=much))
        assert (answer.status, answer.code) == (400, "MetadataTooLarge")
    stack.assert_nowhere_changed(key, b"fits")


def test_every_answer_carries_a_request_id_and_errors_repeat_it(stack, key):
    good = stack.put(key, b"x")
    bad = stack.get(key + "-missing")
    assert good.headers["x-amz-request-id"] != bad.headers["x-amz-request-id"]
    assert f"<RequestId>{bad.headers['x-amz-request-id']}</RequestId>".encode() in bad.body
    assert bad.headers["content-type"] == "application/xml"


# --- keys ---------------------------------------------------------------------------------------------------

KEYS = ["plain", "with space", "plus+plus", "percent%", "percent%41encoded", "100%25", "a&b=c", "quest?ion", "ha#sh",
        "st*ar", "semi;colon", "com,ma", "at@colon:", "quote'\"", "tilde~(paren)!", "dot.in.name", "..leading-dots",
        "caf\u00e9", "cafe\u0301", "\u65e5\u672c\u8a9e/\u30d5\u30a1\u30a4\u30eb", "emoji-\U0001f600",
        "deep/er/and/deep/er", "a=b/c=d", "<xml>&amp;"]


@pytest.mark.parametrize("name", KEYS)
def test_a_key_keeps_its_name(stack, name):
    body = f"the body of {name}".encode()
    name = "names/" + name
    assert stack.put(name, body).status == 200
    assert stack.get(name).body == body
    stack.assert_everywhere(name, body)
    for backend in stack.backends:
        assert name in stack.listing(backend)
    assert stack.delete(name).status == 204
    stack.assert_everywhere(name, None)


def test_names_that_differ_only_in_normalisation_are_two(stack):
    stack.put("nf/caf\u00e9", b"composed")
    stack.put("nf/cafe\u0301", b"decomposed")
    stack.assert_everywhere("nf/caf\u00e9", b"composed")
    stack.assert_everywhere("nf/cafe\u0301", b"decomposed")


def test_a_key_of_1024_bytes_is_stored_and_1025_refused(stack):
    longest = "/".join(["x" * 200] * 5) + "/" + "y" * 19
    assert len(longest) == 1024
    assert stack.put(longest, b"long name").status == 200
    stack.assert_everywhere(longest, b"long name")
    for method in ("PUT", "GET", "DELETE"):
        answer = stack.s3.request(method, stack.path(longest + "z"), body=b"x" if method == "PUT" else b"")
        assert answer.status == 400, method
        assert b"<Code>KeyTooLongError</Code>" in answer.body


def test_an_empty_key_is_the_bucket_and_never_an_object(stack):
    answer = stack.s3.request("PUT", f"/{stack.bucket}/", body=b"not an object")
    assert answer.status in (200, 400, 409), answer.body
    for name in stack.backends:
        assert "" not in stack.listing(name)
    assert stack.head("").status == 200, "the bucket is still there"


@pytest.mark.parametrize("name", ["dots/../up", "dots/./here", "..", "../outside", "two//slashes", "/leading"])
def test_awkward_paths_are_stored_as_they_are_or_refused(stack, name):
    """Not every server can hold these. Whatever the answer, no other key is touched and no success is untrue."""
    stack.put("up", b"untouched")
    answer = stack.put(name, b"awkward")
    assert answer.status == 200 or answer.status in (400, 503), answer.body
    if answer.status == 200:
        assert stack.get(name).body == b"awkward"
        assert stack.delete(name).status == 204
    stack.assert_everywhere("up", b"untouched")


def test_a_folder_marker_is_an_object_without_bytes(stack):
    """With bytes in it some servers keep it and some lose them; without, all agree."""
    assert stack.put("folder/", b"").status == 200
    assert stack.head("folder/").headers["content-length"] == "0"
    assert stack.put("folder/inside", b"x").status == 200
    assert stack.get("folder/inside").body == b"x"


@pytest.mark.parametrize("sent, signed, name", [
    ("/%6Dedia/encoded-bucket", "/media/encoded-bucket", "encoded-bucket"), ("/media/a%2Fb", "/media/a/b", "a/b"),
    ("/media/t%7ewo%20one", "/media/t~wo%20one", "t~wo one"), ("/media/raw(star)*", "/media/raw%28star%29%2A", "raw(star)*")])
def test_a_path_is_decoded_once_and_signed_in_its_one_canonical_form(stack, sent, signed, name):
    headers = stack.signer.headers("PUT", signed, headers={"content-length": "7"})
    assert stack.signer.exchange(head_bytes("PUT", sent, headers) + b"decoded").status == 200
    stack.assert_everywhere(name, b"decoded")


@pytest.mark.parametrize("path", ["/media/bad%zz", "/media/cut%4", "/media/nul%00byte", "/media/%ff%fe"])
def test_a_path_that_does_not_decode_is_refused(stack, path):
    assert stack.signer.exchange(stack.signer.put(path, b"x")).status == 400


# --- buckets ------------------------------------------------------------------------------------------------

@pytest.fixture
def fresh_bucket():
    return "fresh-" + uuid.uuid4().hex[:12]


def test_a_bucket_lives_on_every_backend_from_create_to_delete(stack, fresh_bucket):
    s3 = stack.s3
    assert s3.request("HEAD", f"/{fresh_bucket}").status == 404
    assert s3.request("PUT", f"/{fresh_bucket}").status == 200
    assert s3.request("HEAD", f"/{fresh_bucket}").status == 200
    assert f"<Name>{fresh_bucket}</Name>".encode() in s3.request("GET", "/").body
    for name in stack.backends:
        assert stack.backend(name).request("HEAD", f"/{fresh_bucket}").status == 200
    assert s3.put(fresh_bucket, "inside", b"held").status == 200
    for name in stack.backends:
        assert stack.backend(name).get(fresh_bucket, "inside").body == b"held"

    refused = s3.request("DELETE", f"/{fresh_bucket}")
    assert refused.status == 409
    assert b"<Code>BucketNotEmpty</Code>" in refused.body
    assert s3.get(fresh_bucket, "inside").body == b"held"

    assert s3.delete(fresh_bucket, "inside").status == 204
    wait_until(lambda: s3.request("DELETE", f"/{fresh_bucket}").status == 204, "the empty bucket to be deleted", 30)
    assert s3.request("HEAD", f"/{fresh_bucket}").status == 404
    assert f"<Name>{fresh_bucket}</Name>".encode() not in s3.request("GET", "/").body
    for name in stack.backends:
        assert stack.backend(name).request("HEAD", f"/{fresh_bucket}").status == 404


def test_configured_buckets_are_listed(stack):
    answer = stack.s3.request("GET", "/")
    assert answer.status == 200
    assert f"<Name>{stack.bucket}</Name>".encode() in answer.body


def test_creating_a_bucket_twice_is_no_second_bucket(stack, fresh_bucket):
    assert stack.s3.request("PUT", f"/{fresh_bucket}").status == 200
    assert stack.s3.request("PUT", f"/{fresh_bucket}/a", body=b"kept").status == 200
    assert stack.s3.request("PUT", f"/{fresh_bucket}").status == 200  # us-east-1: 409 is of all other regions
    assert stack.s3.request("GET", f"/{fresh_bucket}/a").body == b"kept"
    assert stack.s3.request("DELETE", f"/{fresh_bucket}/a").status == 204
    assert stack.s3.request("DELETE", f"/{fresh_bucket}").status == 204


@pytest.mark.parametrize("name", ["ab", "UPPER", "under_score", "dot..dot", "-dash", "x" * 64, "192.168.1.1"])
def test_a_bad_bucket_name_is_refused(stack, name):
    answer = stack.s3.request("PUT", f"/{name}")
    assert answer.status == 400
    assert b"<Code>InvalidBucketName</Code>" in answer.body


def test_deleting_a_bucket_that_is_not_there_is_404(stack, fresh_bucket):
    answer = stack.s3.request("DELETE", f"/{fresh_bucket}")
    assert answer.status == 404
    assert b"<Code>NoSuchBucket</Code>" in answer.body


# --- what is not offered says so ----------------------------------------------------------------------------

@pytest.mark.parametrize("method, query", [("PUT", "retention"),
                                           ("DELETE", "retention"), ("POST", "restore"), ("POST", "select"),
                                           ("PUT", "no-such-subresource"), ("GET", "torrent")])
def test_an_unknown_subresource_never_falls_through(stack, key, method, query):
    stack.put(key, b"as it was")
    answer = stack.s3.request(method, stack.path(key), query, body=b"<x/>" if method != "GET" else b"")
    assert answer.status == 501, answer.body
    assert b"<Code>NotImplemented</Code>" in answer.body
    stack.assert_nowhere_changed(key, b"as it was")


@pytest.mark.parametrize("header, value", [("x-amz-acl", "public-read"), ("x-amz-server-side-encryption", "AES256"),
                                           ("x-amz-storage-class", "GLACIER")])
def test_a_header_that_cannot_be_honoured_is_refused_by_name(stack, key, header, value):
    stack.put(key, b"as it was")
    answer = stack.put(key, b"new", {header: value})
    assert answer.status == 501, answer.body
    assert header in answer.body.decode().lower()
    stack.assert_nowhere_changed(key, b"as it was")


def test_paths_are_signed_as_sent(stack):
    """A client that signs 'a b' as a%20b and one that leaves ~ alone are both right."""
    for name in ("sign me/a b~c", "sign+me/\u00fc"):
        assert stack.signer.exchange(stack.signer.put(f"/media/{quote_key(name)}", b"ok")).status == 200
