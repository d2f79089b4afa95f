"""DeleteObjects: a result per key, in order, and nothing before the document has proved good."""

import base64
import hashlib
import xml.etree.ElementTree
from xml.sax.saxutils import escape

import pytest


def document(entries, quiet=False):
    objects = "".join("<Object>" + "".join(f"<{n}>{escape(v)}</{n}>" for n, v in entry.items()) + "</Object>" for entry in entries)
    return f"<Delete>{'<Quiet>true</Quiet>' if quiet else ''}{objects}</Delete>".encode()


def delete(stack, body, headers=None, bucket=None):
    return stack.s3.request("POST", f"/{bucket or stack.bucket}", "delete=", headers=headers or {}, body=body)


def results(answer):
    """[(key, "" or error code)] in the order of the answer."""
    assert answer.status == 200, answer.body
    tree = xml.etree.ElementTree.fromstring(answer.body)
    return [(e.findtext("{*}Key"), e.findtext("{*}Code") or "") for e in tree]


@pytest.mark.parametrize("headers", [
    lambda body: {}, lambda body: {"content-md5": base64.b64encode(hashlib.md5(body).digest()).decode()},
    lambda body: {"x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(body).digest()).decode()}])
def test_keys_are_deleted_everywhere_and_told_in_order(stack, key, headers):
    keys = [f"{key}/{i:03} <&> \u00e4" for i in range(40)]
    for name in keys:
        assert stack.put(name, b"x").status == 200
    body = document([{"Key": name} for name in keys + [key + "/never-there"]])
    assert results(delete(stack, body, headers(body))) == [(name, "") for name in keys + [key + "/never-there"]]
    for name in keys[::7]:
        stack.assert_everywhere(name, None)


def test_quiet_tells_errors_alone(stack, key):
    stack.put(key, b"x")
    answer = delete(stack, document([{"Key": key}, {"Key": key, "VersionId": "v1"}], quiet=True))
    assert results(answer) == [(key, "NoSuchVersion")]
    stack.assert_everywhere(key, None)


def test_each_key_has_its_own_result(stack, key):
    etag = stack.put(key + "-a", b"a").headers["etag"]
    stack.put(key + "-b", b"b")
    entries = [({"Key": key + "-a", "ETag": '"' + "0" * 32 + '"'}, "PreconditionFailed"), ({"Key": key + "-a", "ETag": etag}, ""),
               ({"Key": key + "-b", "VersionId": "null"}, ""), ({"Key": key + "-b", "VersionId": "3"}, "NoSuchVersion"),
               ({"Key": "k" * 1025}, "KeyTooLongError"), ({"Key": key + "-c", "ETag": etag}, "NoSuchKey"),
               ({"Key": key + "-c", "Size": "3"}, "NotImplemented")]
    # One after the other, so that the first two do not race.
    for entry, code in entries:
        assert [c for _, c in results(delete(stack, document([entry])))] == [code]
    stack.assert_everywhere(key + "-a", None)
    stack.assert_everywhere(key + "-b", None)


def test_a_thousand_keys_and_no_more(stack, key):
    names = [f"{key}/{i}" for i in range(1000)]
    for name in names[::100]:
        stack.put(name, b"x")
    assert results(delete(stack, document([{"Key": name} for name in names]))) == [(name, "") for name in names]
    for name in names[::100]:
        stack.assert_everywhere(name, None)
    stack.put(key, b"stays")
    answer = delete(stack, document([{"Key": key}] * 1001))
    assert (answer.status, b"<Code>MalformedXML</Code>" in answer.body) == (400, True)
    stack.assert_nowhere_changed(key, b"stays")


def test_long_names_that_grow_when_they_are_escaped(stack, key):
    names = [f"{key}/" + "&'\"<>" * 40 + str(i) for i in range(300)]
    assert results(delete(stack, document([{"Key": name} for name in names]))) == [(name, "") for name in names]


@pytest.mark.parametrize("body", [b"", b"<Delete/>", b"<Delete><Object/></Delete>", b"<Delete><Object><Key>x</Key></Object>",
                                  b"<Other><Object><Key>x</Key></Object></Other>",
                                  b'<!DOCTYPE d [<!ENTITY x "y">]><Delete><Object><Key>&x;</Key></Object></Delete>'])
def test_a_document_that_is_none_is_refused(stack, body):
    answer = delete(stack, body)
    assert (answer.status, b"<Code>MalformedXML</Code>" in answer.body) == (400, True)


def test_a_document_over_two_mib_is_refused(stack):
    answer = delete(stack, document([{"Key": "x"}]) + b" " * (2 << 20))
    assert (answer.status, b"<Code>MalformedXML</Code>" in answer.body) == (400, True)


@pytest.mark.parametrize("headers, code", [
    ({"content-md5": base64.b64encode(b"0" * 16).decode()}, "BadDigest"),
    ({"x-amz-checksum-crc32": "AAAAAA=="}, "BadDigest")])
def test_a_document_that_is_not_what_was_said_deletes_nothing(stack, key, headers, code):
    stack.put(key, b"stays")
    answer = delete(stack, document([{"Key": key}]), headers)
    assert (answer.status, f"<Code>{code}</Code>".encode() in answer.body) in [(400, True)], answer.body
    stack.assert_nowhere_changed(key, b"stays")


def test_a_client_that_goes_in_the_middle_deletes_nothing(stack, key):
    stack.put(key, b"stays")
    body = document([{"Key": key}])
    with stack.wire() as wire:
        wire.send(stack.signer.head("POST", f"/{stack.bucket}", "delete=", {"content-length": str(len(body))}) + body[:-5])
        wire.reset()
    stack.assert_nowhere_changed(key, b"stays")


def test_a_missing_bucket_is_missing(stack):
    answer = delete(stack, document([{"Key": "x"}]), bucket="no-such-bucket-here")
    assert (answer.status, b"<Code>NoSuchBucket</Code>" in answer.body) == (404, True)
