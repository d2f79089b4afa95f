"""CopyObject, tags and GetObjectAttributes over three real servers, in both forms, and what repair makes of tags."""

import concurrent.futures
import email.utils
import hashlib
import random
import re
import urllib.parse
import uuid

import pytest

from stack import Stack, wait_until

CHUNK = 512 * 1024
THREE, MIXED = "seaweedfs,seaweedfs,seaweedfs", "seaweedfs,minio,versitygw"


@pytest.fixture(scope="module", params=[(THREE, True), (THREE, False), (MIXED, True), (MIXED, False)],
                ids=["three-there", "three-streamed", "mixed-there", "mixed-streamed"])
def stack(request, tmp_path_factory, binary):
    """Copies are the same whether the backends make them or their bytes come through the gateway."""
    backends, there = request.param
    running = Stack.up(tmp_path_factory.mktemp("copies"), backends=backends.split(","),
                       sets={} if there else {"terms.copy_bytes_max": 0})
    yield running
    assert (running.metric("s3mirror_copies_by_backends_total") > 0) == there
    running.down()


def noise(size, seed=1):
    return random.Random(seed).randbytes(size)


def copy(stack, source, key, headers=None, bucket=None):
    source = f"/{bucket or stack.bucket}/{urllib.parse.quote(source)}"
    return stack.s3.request("PUT", stack.path(key), headers={"x-amz-copy-source": source, **(headers or {})})


def tags_of(stack, key):
    answer = stack.s3.request("GET", stack.path(key), "tagging=")
    assert answer.status == 200, answer.body
    return dict(re.findall(r"<Key>(.*?)</Key><Value>(.*?)</Value>", answer.body.decode()))


def backend_tags(stack, name, key):
    answer = stack.backend(name).request("GET", f"/{stack.backend_bucket(name)}/{key}", "tagging=")
    return dict(re.findall(r"<Key>(.*?)</Key>\s*<Value>(.*?)</Value>", answer.body.decode()))


def tag_set(tags):
    inside = "".join(f"<Tag><Key>{k}</Key><Value>{v}</Value></Tag>" for k, v in tags.items())
    return f"<Tagging><TagSet>{inside}</TagSet></Tagging>".encode()


def put_tags(stack, key, tags):
    return stack.s3.request("PUT", stack.path(key), "tagging=", body=tag_set(tags))


def code_of(answer):
    return answer.body.partition(b"<Code>")[2].partition(b"</Code>")[0].decode()


# --- copies -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("size", [0, 1, CHUNK, CHUNK + 1, 9 * CHUNK + 3])
def test_a_copy_is_the_same_object_everywhere(stack, key, size):
    body = noise(size)
    headers = {"content-type": "text/csv", "x-amz-meta-colour": "blue", "cache-control": "max-age=1"}
    stack.put(key, body, headers)
    answer = copy(stack, key, key + "-copy")
    assert answer.status == 200, answer.body
    etag = hashlib.md5(body).hexdigest()
    assert f"<ETag>&quot;{etag}&quot;</ETag>".encode() in answer.body
    assert re.search(rb"<CopyObjectResult .*<LastModified>\d{4}-\d\d-\d\dT[\d:.]+Z</LastModified>", answer.body)
    stack.assert_everywhere(key + "-copy", body)
    read = stack.get(key + "-copy")
    assert {n: read.headers.get(n) for n in headers} == headers
    stack.wait_settled(key + "-copy")


def test_a_copy_takes_other_metadata_when_told(stack, key):
    stack.put(key, b"body", {"x-amz-meta-old": "1", "content-type": "text/plain"})
    assert copy(stack, key, key + "-2", {"x-amz-metadata-directive": "REPLACE", "x-amz-meta-new": "2"}).status == 200
    head = stack.head(key + "-2").headers
    assert (head.get("x-amz-meta-old"), head.get("x-amz-meta-new")) == (None, "2")
    assert head["content-type"] == "binary/octet-stream"


def test_an_object_is_copied_onto_itself_only_to_change_it(stack, key):
    stack.put(key, b"self", {"x-amz-meta-a": "1"})
    answer = copy(stack, key, key)
    assert (answer.status, code_of(answer)) == (400, "InvalidRequest")
    stack.assert_nowhere_changed(key, b"self")
    assert copy(stack, key, key, {"x-amz-metadata-directive": "REPLACE", "x-amz-meta-b": "2"}).status == 200
    head = stack.head(key).headers
    assert (head.get("x-amz-meta-a"), head.get("x-amz-meta-b")) == (None, "2")
    stack.assert_everywhere(key, b"self")


@pytest.mark.parametrize("status, conditions", [
    (200, {"if-match": "{etag}"}), (412, {"if-match": '"0"'}), (412, {"if-none-match": "{etag}"}), (200, {"if-none-match": '"0"'}),
    (412, {"if-modified-since": "{date}"}), (200, {"if-unmodified-since": "{date}"}),
    (412, {"if-unmodified-since": "Sun, 06 Nov 1994 08:49:37 GMT"}),
    (200, {"if-match": "{etag}", "if-unmodified-since": "Sun, 06 Nov 1994 08:49:37 GMT"}),
    (412, {"if-none-match": "{etag}", "if-modified-since": "Sun, 06 Nov 1994 08:49:37 GMT"})])
def test_the_source_may_have_conditions(stack, key, status, conditions):
    etag = stack.put(key, b"source").headers["etag"]
    dates = [stack.on_backend(name, key).headers["last-modified"] for name in stack.backends]  # a second may lie between
    values = {"etag": etag, "date": max(dates, key=email.utils.parsedate_to_datetime)}
    answer = copy(stack, key, key + "-2", {f"x-amz-copy-source-{n}": v.format(**values) for n, v in conditions.items()})
    assert answer.status == status, answer.body
    stack.assert_everywhere(key + "-2", b"source" if status == 200 else None)


def test_the_target_may_have_conditions(stack, key):
    stack.put(key, b"source")
    assert copy(stack, key, key + "-2", {"if-none-match": "*"}).status == 200
    assert copy(stack, key, key + "-2", {"if-none-match": "*"}).status == 412
    assert copy(stack, key, key + "-3", {"if-match": "*"}).status == 404


def test_a_source_in_another_bucket_and_sources_that_are_missing(stack, key):
    other = "other-" + uuid.uuid4().hex[:12]
    assert stack.s3.request("PUT", f"/{other}").status == 200
    assert stack.s3.put(other, "a b+c\u00e4", b"from elsewhere").status == 200
    assert copy(stack, "a b+c\u00e4", key, bucket=other).status == 200
    stack.assert_everywhere(key, b"from elsewhere")
    for bucket, source, code in [(stack.bucket, key + "-none", "NoSuchKey"), ("no-such-bucket-here", key, "NoSuchBucket")]:
        answer = copy(stack, source, key + "-2", bucket=bucket)
        assert (answer.status, code_of(answer)) == (404, code)


def test_a_copy_gets_the_checksum_it_is_asked_for(stack, key):
    body = noise(700_000)
    stack.put(key, body)
    answer = copy(stack, key, key + "-2", {"x-amz-checksum-algorithm": "SHA256"})
    assert b"<ChecksumSHA256>" in answer.body and b"<ChecksumType>FULL_OBJECT</ChecksumType>" in answer.body


# --- tags ---------------------------------------------------------------------------------------------------

def test_tags_come_with_a_put_and_go_with_a_copy(stack, key):
    assert stack.put(key, b"tagged", {"x-amz-tagging": "colour=blue&a%20b=c%2Bd"}).status == 200
    assert tags_of(stack, key) == {"colour": "blue", "a b": "c+d"}
    for name in stack.backends:
        assert backend_tags(stack, name, key) == {"colour": "blue", "a b": "c+d"}
    for answer in (stack.get(key), stack.head(key)):
        assert answer.headers["x-amz-tagging-count"] == "2"
        assert not [n for n in answer.headers if "s3mirror-tags" in n]
    assert copy(stack, key, key + "-2").status == 200
    assert tags_of(stack, key + "-2") == {"colour": "blue", "a b": "c+d"}
    assert copy(stack, key, key + "-3", {"x-amz-tagging-directive": "REPLACE", "x-amz-tagging": "x=y"}).status == 200
    assert tags_of(stack, key + "-3") == {"x": "y"}
    assert stack.put(key, b"plain").status == 200
    assert tags_of(stack, key) == {}
    assert "x-amz-tagging-count" not in stack.head(key).headers


@pytest.mark.parametrize("size", [0, 20, 3 * CHUNK])
def test_tags_are_put_and_deleted_and_the_object_stays(stack, key, size):
    body = noise(size)
    etag = stack.put(key, body, {"x-amz-meta-a": "1", "content-type": "text/x"}).headers["etag"]
    assert put_tags(stack, key, {"one": "1", "two": ""}).status == 200
    assert tags_of(stack, key) == {"one": "1", "two": ""}
    assert put_tags(stack, key, {"three": "3"}).status == 200
    assert tags_of(stack, key) == {"three": "3"}
    head = stack.head(key).headers
    assert (head["etag"], head["x-amz-meta-a"], head["content-type"]) == (etag, "1", "text/x")
    for _ in range(2):
        assert stack.s3.request("DELETE", stack.path(key), "tagging=").status == 204
        assert tags_of(stack, key) == {}
    stack.assert_everywhere(key, body)
    stack.wait_settled(key)


def test_tags_of_what_is_not_there(stack, key):
    for answer in (stack.s3.request("GET", stack.path(key), "tagging="), put_tags(stack, key, {"a": "b"}),
                   stack.s3.request("DELETE", stack.path(key), "tagging=")):
        assert (answer.status, code_of(answer)) == (404, "NoSuchKey")
    stack.assert_everywhere(key, None)


@pytest.mark.parametrize("code, tags", [("InvalidTag", {f"k{i}": "v" for i in range(11)}), ("InvalidTag", {"k" * 129: "v"}),
                                        ("InvalidTag", {"k": "v" * 257}), ("InvalidTag", {"": "v"}), ("InvalidTag", {"aws:k": "v"}),
                                        ("InvalidTag", {"k": "a|b"}), ("", {"k" * 128: "v" * 256})])
def test_tags_have_rules(stack, key, code, tags):
    stack.put(key, b"x")
    answer = put_tags(stack, key, tags)
    assert (answer.status, code_of(answer)) == ((400, code) if code else (200, ""))
    header = stack.put(key + "-2", b"x", {"x-amz-tagging": urllib.parse.urlencode(tags)})
    assert (header.status, code_of(header)) == ((400, code) if code else (200, ""))
    assert tags_of(stack, key) == ({} if code else tags)


def test_a_tag_set_that_is_none(stack, key):
    stack.put(key, b"x")
    for body in (b"", b"<Tagging/>", b"<TagSet/>"):
        answer = stack.s3.request("PUT", stack.path(key), "tagging=", body=body)
        assert (answer.status, code_of(answer)) == (400, "MalformedXML")


def test_a_change_of_tags_brings_no_old_content_back(stack, key):
    """Puts and changes of tags of one key at once: what is read afterwards is the last put's content, or a later one's."""
    stack.put(key, b"start")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for n in range(10):
            body = f"content {n}".encode()
            put = pool.submit(stack.put, key, body)
            changes = [pool.submit(put_tags, stack, key, {"n": f"{n}.{i}"}) for i in range(5)]
            assert put.result().status == 200
            assert all(c.result().status in (200, 409) for c in changes)
            assert stack.get(key).body == body
    stack.wait_settled(key)
    stack.assert_everywhere(key, body)


def test_a_replica_that_missed_a_change_of_tags_gets_it_by_repair(start_stack):
    stack = start_stack()
    stack.put("kept", noise(100_000), {"x-amz-tagging": "a=1"})
    stack.put("gone", b"x", {"x-amz-tagging": "a=1"})
    stack.rig("kill", "b")
    wait_until(lambda: put_tags(stack, "kept", {"a": "2", "b": "x y"}).status == 200, "tags to be put", 30)
    assert stack.s3.request("DELETE", stack.path("gone"), "tagging=").status == 204
    assert stack.put("new", noise(3 * CHUNK), {"x-amz-tagging": "n=1"}).status == 200
    assert tags_of(stack, "kept") == {"a": "2", "b": "x y"}
    stack.rig("start", "b")
    stack.wait_repaired()
    for name in stack.backends:
        assert backend_tags(stack, name, "kept") == {"a": "2", "b": "x y"}
        assert backend_tags(stack, name, "gone") == {}
        assert backend_tags(stack, name, "new") == {"n": "1"}
    stack.compare_backends()


# --- attributes -----------------------------------------------------------------------------------------------

def test_attributes_are_told(stack, key):
    body = noise(1234)
    stack.put(key, body)
    ask = lambda names: stack.s3.request("GET", stack.path(key), "attributes=",  # noqa: E731
                                         headers={"x-amz-object-attributes": names})
    answer = ask("ETag,ObjectSize,StorageClass,Checksum,ObjectParts")
    assert answer.status == 200, answer.body
    assert f"<ETag>{hashlib.md5(body).hexdigest()}</ETag>".encode() in answer.body
    assert b"<ObjectSize>1234</ObjectSize>" in answer.body and b"<StorageClass>STANDARD</StorageClass>" in answer.body
    assert "last-modified" in answer.headers
    assert b"ETag" not in ask("ObjectSize").body
    assert ask("Nothing").status == 400
    assert stack.s3.request("GET", stack.path(key + "-none"), "attributes=",
                            headers={"x-amz-object-attributes": "ETag"}).status == 404
