"""Conditions of reads and writes, ranges of HEAD and parts of objects: what the gateway itself decides, whatever its
replicas make of it."""

import concurrent.futures
import email.utils
import time

import pytest

from stack import wait_until

BODY = b"0123456789" * 100


def ask(stack, method, key, headers=None, query="", body=b""):
    return stack.s3.request(method, stack.path(key), query, headers=headers or {}, body=body)


@pytest.fixture
def stored(stack, key):
    assert stack.put(key, BODY).status == 200
    head = stack.head(key)
    then = email.utils.parsedate_to_datetime(head.headers["last-modified"]).timestamp()
    return {"key": key, "etag": head.headers["etag"], "bare": head.headers["etag"].strip('"'), "other": '"' + "0" * 32 + '"',
            "same": head.headers["last-modified"], "older": email.utils.formatdate(then - 60, usegmt=True),
            "newer": email.utils.formatdate(then + 60, usegmt=True)}


READS = [
    (200, {}), (200, {"if-match": "{etag}"}), (200, {"if-match": "{bare}"}), (200, {"if-match": "*"}),
    (200, {"if-match": "{other}, {etag}"}), (412, {"if-match": "{other}"}), (412, {"if-match": "W/{etag}"}),
    (304, {"if-none-match": "{etag}"}), (304, {"if-none-match": "*"}), (304, {"if-none-match": "{other},W/{etag}"}),
    (200, {"if-none-match": "{other}"}), (304, {"if-modified-since": "{same}"}), (304, {"if-modified-since": "{newer}"}),
    (200, {"if-modified-since": "{older}"}), (200, {"if-modified-since": "not a date"}),
    (412, {"if-unmodified-since": "{older}"}), (200, {"if-unmodified-since": "{same}"}),
    (200, {"if-match": "{etag}", "if-unmodified-since": "{older}"}), (412, {"if-match": "{other}", "if-unmodified-since": "{newer}"}),
    (200, {"if-none-match": "{other}", "if-modified-since": "{same}"}),
    (304, {"if-none-match": "{etag}", "if-modified-since": "{older}"}),
    (304, {"if-match": "{etag}", "if-none-match": "{etag}"}), (412, {"if-match": "{other}", "if-none-match": "{etag}"}),
]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_read_is_judged_by_the_gateway(stack, stored, method):
    for status, conditions in READS:
        answer = ask(stack, method, stored["key"], {n: v.format(**stored) for n, v in conditions.items()})
        assert answer.status == status, (conditions, answer)
        if status == 304:
            assert (answer.headers["etag"], answer.headers["last-modified"]) == (stored["etag"], stored["same"])
            assert answer.body == b""
        if status == 412 and method == "GET":
            assert b"<Code>PreconditionFailed</Code>" in answer.body
        if status == 200 and method == "GET":
            assert answer.body == BODY


def test_conditions_come_before_the_range(stack, stored):
    for status, conditions in [(412, {"if-match": "{other}"}), (304, {"if-none-match": "{etag}"}), (416, {"if-match": "{etag}"})]:
        headers = {n: v.format(**stored) for n, v in conditions.items()} | {"range": "bytes=5000-"}
        assert ask(stack, "GET", stored["key"], headers).status == status


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_missing_key_is_missing_under_any_condition(stack, key, method):
    for name, value in [("if-match", "*"), ("if-none-match", "*"), ("if-match", '"x"')]:
        assert ask(stack, method, key, {name: value}).status == 404


@pytest.mark.parametrize("given, first, last", [("bytes=0-0", 0, 0), ("bytes=10-", 10, 999), ("bytes=-5", 995, 999),
                                                ("bytes=990-5000", 990, 999)])
def test_head_of_a_range_tells_its_place(stack, stored, given, first, last):
    answer = ask(stack, "HEAD", stored["key"], {"range": given})
    assert (answer.status, answer.body) == (206, b"")
    assert answer.headers["content-range"] == f"bytes {first}-{last}/1000"
    assert answer.headers["content-length"] == str(last - first + 1)


def test_head_of_an_impossible_range_is_416(stack, stored):
    assert ask(stack, "HEAD", stored["key"], {"range": "bytes=1000-"}).status == 416
    assert ask(stack, "HEAD", stored["key"], {"range": "bytes=1-0"}).status == 200
    answer = ask(stack, "GET", stored["key"], {"range": "bytes=1000-"})
    assert answer.status == 416


def test_overrides_replace_headers(stack, stored):
    query = "response-cache-control=no-store&response-content-type=text%2Fx"
    for method in ("GET", "HEAD"):
        answer = ask(stack, method, stored["key"], query=query)
        assert (answer.status, answer.headers["cache-control"], answer.headers["content-type"]) == (200, "no-store", "text/x")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_object_in_one_piece_is_its_own_first_part(stack, stored, method):
    answer = ask(stack, method, stored["key"], query="partNumber=1")
    assert (answer.status, answer.headers["content-range"]) == (206, "bytes 0-999/1000")
    assert answer.headers["content-length"] == "1000"
    assert answer.body == (BODY if method == "GET" else b"")
    assert "x-amz-mp-parts-count" not in answer.headers
    refused = ask(stack, method, stored["key"], query="partNumber=2")
    assert refused.status == 400
    if method == "GET":
        assert b"<Code>InvalidPart</Code>" in refused.body
    assert ask(stack, method, stored["key"], {"range": "bytes=0-1"}, query="partNumber=1").status == 400


# --- writes -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("status, code, conditions", [
    (412, "PreconditionFailed", {"if-none-match": "*"}), (200, "", {"if-match": "{etag}"}), (200, "", {"if-match": "{bare}"}),
    (200, "", {"if-match": "*"}), (412, "PreconditionFailed", {"if-match": "{other}"}),
    (412, "PreconditionFailed", {"if-none-match": "{etag}"}), (501, "NotImplemented", {"if-match": "*", "if-none-match": "*"}),
])
@pytest.mark.parametrize("size", [10, 1_500_000])
def test_a_conditional_put_of_what_is_there(stack, stored, status, code, conditions, size):
    body = b"n" * size
    answer = stack.put(stored["key"], body, {n: v.format(**stored) for n, v in conditions.items()})
    assert answer.status == status, answer.body
    assert code.encode() in answer.body
    if status == 200:
        stack.assert_everywhere(stored["key"], body)
    else:
        stack.assert_nowhere_changed(stored["key"], BODY)


def test_a_conditional_put_of_what_is_not_there(stack, key):
    for value in ("*", '"x"'):
        answer = stack.put(key, b"new", {"if-match": value})
        assert (answer.status, b"<Code>NoSuchKey</Code>" in answer.body) == (404, True)
    stack.assert_nowhere_changed(key, None)
    assert stack.put(key, b"new", {"if-none-match": "*"}).status == 200
    stack.assert_everywhere(key, b"new")
    assert stack.delete(key).status == 204
    assert stack.put(key, b"again", {"if-none-match": "*"}).status == 200


def test_a_conditional_delete(stack, stored):
    key = stored["key"]
    assert ask(stack, "DELETE", key, {"if-match": stored["other"]}).status == 412
    stack.assert_nowhere_changed(key, BODY)
    assert ask(stack, "DELETE", key, {"if-match": stored["etag"]}).status == 204
    stack.assert_everywhere(key, None)
    assert ask(stack, "DELETE", key, {"if-match": stored["etag"]}).status == 404


def test_one_of_many_creators_wins(stack, key):
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for n in range(6):
            bodies = [f"creator {i} ".encode() * (1 if n % 2 else 60_000) for i in range(16)]
            answers = list(pool.map(lambda body: stack.put(f"{key}-{n}", body, {"if-none-match": "*"}), bodies))  # noqa: B023
            assert sorted(a.status for a in answers) == [200] + [412] * 15
            stack.assert_everywhere(f"{key}-{n}", bodies[[a.status for a in answers].index(200)])


def test_of_those_who_change_one_etag_one_wins(stack, stored):
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        bodies = [f"changer {i}".encode() for i in range(16)]
        answers = list(pool.map(lambda body: stack.put(stored["key"], body, {"if-match": stored["etag"]}), bodies))
    assert sorted(a.status for a in answers) == [200] + [412] * 15


def test_a_client_that_goes_lets_the_next_one_write(stack, key):
    """Gone before its verdict: whatever became of its write, its hold has ended."""
    with stack.wire() as wire:
        wire.send(stack.signer.put(stack.path(key), b"x" * 100, headers={"if-none-match": "*"}))
        wire.reset()
    wait_until(lambda: stack.put(key, b"next").status == 200, "the next write", 20)
    assert stack.put(key, b"later", {"if-match": "*"}).status == 200
    started = time.monotonic()
    assert stack.put(key, b"never", {"if-none-match": "*"}).status == 412
    assert time.monotonic() - started < 20


def test_a_part_of_an_object_in_parts_is_read_by_its_number(stack, key):
    from test_operations import boto, noise
    client = boto(stack)
    bodies = [noise(5 << 20, 1), noise(5 << 20, 2), noise(1000, 3)]
    upload = client.create_multipart_upload(Bucket=stack.bucket, Key=key)["UploadId"]
    parts = [{"PartNumber": n, "ETag": client.upload_part(Bucket=stack.bucket, Key=key, UploadId=upload, PartNumber=n,
                                                          Body=body)["ETag"]} for n, body in enumerate(bodies, 1)]
    client.complete_multipart_upload(Bucket=stack.bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
    at = 0
    for n, body in enumerate(bodies, 1):
        for method in ("GET", "HEAD"):
            answer = ask(stack, method, key, query=f"partNumber={n}")
            assert (answer.status, answer.headers["x-amz-mp-parts-count"]) == (206, "3")
            assert answer.headers["content-range"] == f"bytes {at}-{at + len(body) - 1}/{sum(map(len, bodies))}"
            assert answer.headers["content-length"] == str(len(body))
            assert answer.body == (body if method == "GET" else b"")
        at += len(body)
    assert ask(stack, "GET", key, query="partNumber=4").status == 400
    assert ask(stack, "GET", key, {"x-amz-object-attributes": "ObjectParts"}, "attributes=").body.count(b"<PartsCount>3<") == 1
