"""Who may ask and how: presigned URLs with real clients, requests without a signature, buckets as hosts."""

import datetime
import http.client
import re
import shutil
import socket
import subprocess
import urllib.parse
import uuid
from unittest import mock

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.exceptions
import pytest

from riglib.sigv4 import quote_key
from stack import Stack
from wire import Wire, head_bytes

DOMAIN = "s3.example.org"


@pytest.fixture(scope="module")
def stack(tmp_path_factory, binary):
    running = Stack.up(tmp_path_factory.mktemp("front"), sets={
        "domains": ["localhost", DOMAIN], "buckets.0.public_read": True})
    yield running
    running.down()


@pytest.fixture(scope="module")
def closed(stack):
    """A bucket that is not open to everybody."""
    name = f"closed-{uuid.uuid4().hex[:8]}"
    assert stack.s3.request("PUT", f"/{name}").status == 200
    return name


def boto(stack, endpoint=None, style="path", signature="s3v4", **keys):
    return boto3.client("s3", endpoint_url=endpoint or stack.endpoint, region_name="us-east-1",
                        **{"aws_access_key_id": stack.document["access_key"],
                           "aws_secret_access_key": stack.document["secret_key"], **keys},
                        config=botocore.config.Config(s3={"addressing_style": style}, signature_version=signature,
                                                      retries={"total_max_attempts": 1}))


def fetch(method, url, body=None, headers=None):
    """(status, body, code) without any signature but the URL's."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    try:
        connection.request(method, parts.path + ("?" + parts.query if parts.query else ""), body=body,
                           headers=headers or {})
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, text, text.partition(b"<Code>")[2].partition(b"</Code>")[0].decode()
    finally:
        connection.close()


def presign(stack, operation, key, seconds=600, ago=0, **more):
    """A URL signed by boto3 so many seconds ago."""
    when = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) - datetime.timedelta(seconds=ago)
    with mock.patch.object(botocore.auth, "get_current_datetime", lambda *_, **__: when):
        return boto(stack).generate_presigned_url(operation, Params={"Bucket": stack.bucket, "Key": key, **more},
                                                  ExpiresIn=seconds)


# --- presigned URLs -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["plain", "a b+c/d~e", "\u00e4\u65e5/%25?#"])
def test_a_presigned_url_puts_and_gets(stack, key, name):
    name = f"{key}/{name}"
    assert fetch("PUT", presign(stack, "put_object", name), b"by url")[0] == 200
    stack.assert_everywhere(name, b"by url")
    assert fetch("GET", presign(stack, "get_object", name))[:2] == (200, b"by url")
    assert fetch("HEAD", presign(stack, "head_object", name))[0] == 200
    assert fetch("DELETE", presign(stack, "delete_object", name))[0] == 204
    stack.assert_everywhere(name, None)


def test_a_presigned_put_keeps_what_its_url_was_signed_for(stack, key):
    url = presign(stack, "put_object", key, ContentType="image/png", Metadata={"colour": "blue"})
    headers = {"content-type": "image/png", "x-amz-meta-colour": "blue"}
    assert fetch("PUT", url, b"picture", headers)[0] == 200
    shown = stack.get(key)
    assert (shown.headers["content-type"], shown.headers["x-amz-meta-colour"]) == ("image/png", "blue")
    for other in ({**headers, "content-type": "text/html"}, {**headers, "x-amz-meta-colour": "red"},
                  {"content-type": "image/png"}):
        assert fetch("PUT", url, b"other", other)[2] == "SignatureDoesNotMatch"
    assert fetch("PUT", url, b"other", {**headers, "x-amz-meta-more": "1"})[2] == "AccessDenied"
    stack.assert_nowhere_changed(key, b"picture")


def presign_query(stack, method, key, more):
    """As SDKs do that move their headers into the query."""
    host = urllib.parse.urlsplit(stack.endpoint).netloc
    request = botocore.awsrequest.AWSRequest(method, f"{stack.endpoint}{stack.path(key)}", params=more)
    request.headers["host"] = host
    keys = botocore.credentials.Credentials(stack.document["access_key"], stack.document["secret_key"])
    botocore.auth.S3SigV4QueryAuth(keys, "s3", "us-east-1", 600).add_auth(request)
    return request.url


def test_a_checksum_in_a_url_is_the_body_s_or_none(stack, key):
    def put(body, value):
        url = presign_query(stack, "PUT", key, {"x-amz-checksum-crc32": value, "x-amz-sdk-checksum-algorithm": "CRC32"})
        return fetch("PUT", url, body)

    assert put(b"any body", "AAAAAA==")[0] == 200  # signed before there was one
    stack.assert_everywhere(key, b"any body")
    assert put(b"abc", "NSRBwg==")[0] == 200
    assert put(b"abd", "NSRBwg==")[2] == "BadDigest"
    stack.assert_nowhere_changed(key, b"abc")
    assert fetch("GET", presign_query(stack, "GET", key, {"x-amz-checksum-mode": "ENABLED"}))[:2] == (200, b"abc")


def test_a_presigned_put_takes_headers_from_its_url(stack, key):
    """As the SDK for JavaScript signs them: in the query, not as headers that the user has to send too."""
    url = presign_query(stack, "PUT", key, {"x-amz-meta-colour": "light blue", "X-Amz-Tagging": "a=b&c=d",
                                            "x-amz-acl": "private"})
    assert fetch("PUT", url, b"picture")[0] == 200
    shown = boto(stack).head_object(Bucket=stack.bucket, Key=key)
    assert (shown["Metadata"], shown["TagCount"]) == ({"colour": "light blue"}, 2)
    assert fetch("PUT", url.replace("light", "dark"), b"other")[2] == "SignatureDoesNotMatch"
    assert fetch("PUT", url, b"other", {"x-amz-meta-colour": "light blue"})[0] in (400, 403)
    split = presign_query(stack, "PUT", key, {"x-amz-meta-colour": "blue\r\nx-amz-meta-more: 1"})
    assert fetch("PUT", split, b"other")[2] == "InvalidArgument"
    stack.assert_nowhere_changed(key, b"picture")


def test_a_presigned_get_may_override_headers(stack, key):
    stack.put(key, b"text")
    url = presign(stack, "get_object", key, ResponseContentDisposition='attachment; filename="a b"')
    with Wire(stack.endpoint) as wire:
        parts = urllib.parse.urlsplit(url)
        wire.send(head_bytes("GET", f"{parts.path}?{parts.query}", {"host": parts.netloc}))
        assert wire.response().headers["content-disposition"] == 'attachment; filename="a b"'


def test_a_url_counts_only_in_its_time(stack, key):
    stack.put(key, b"as it was")
    refused = fetch("GET", presign(stack, "get_object", key, seconds=60, ago=120))
    assert (refused[0], refused[2]) == (403, "AccessDenied") and b"Request has expired" in refused[1]
    refused = fetch("GET", presign(stack, "get_object", key, ago=-3600))
    assert (refused[0], refused[2]) == (403, "AccessDenied") and b"Request is not valid yet" in refused[1]
    assert fetch("GET", presign(stack, "get_object", key, seconds=604800, ago=604000))[0] == 200
    refused = fetch("GET", presign(stack, "get_object", key, seconds=604801))
    assert (refused[0], refused[2]) == (400, "AuthorizationQueryParametersError")
    refused = fetch("PUT", presign(stack, "put_object", key, seconds=60, ago=120), b"late")
    assert refused[0] == 403
    stack.assert_nowhere_changed(key, b"as it was")


@pytest.mark.parametrize("old, new, code", [
    ("X-Amz-Signature=", "X-Amz-Signature=0", "AuthorizationQueryParametersError"),
    ("X-Amz-Expires=600", "X-Amz-Expires=601", "SignatureDoesNotMatch"),
    ("%2Fus-east-1%2F", "%2Feu-west-1%2F", "AuthorizationQueryParametersError"),
    ("X-Amz-Credential=", "X-Amz-Credential=x", "InvalidAccessKeyId"),
    ("X-Amz-Date=", "X-Amz-Security-Token=t&X-Amz-Date=", "InvalidRequest"),
    ("?", "?acl&", "SignatureDoesNotMatch"),
    ("?", "?torrent&", "NotImplemented"),
])
def test_a_changed_url_is_refused(stack, old, new, code):
    key = "changed"
    stack.put(key, b"as it was")
    for operation, method in (("get_object", "GET"), ("put_object", "PUT"), ("delete_object", "DELETE")):
        answer = fetch(method, presign(stack, operation, key).replace(old, new, 1), b"new" if method == "PUT" else None)
        if method == "DELETE" and new == "?acl&":
            assert answer[2] == "NotImplemented"
        else:
            assert answer[2] == code
    stack.assert_nowhere_changed(key, b"as it was")


def test_a_url_of_one_method_is_not_one_of_another(stack, key):
    stack.put(key, b"as it was")
    url = presign(stack, "get_object", key)
    assert fetch("PUT", url, b"new")[2] == fetch("DELETE", url)[2] == "SignatureDoesNotMatch"
    stack.assert_nowhere_changed(key, b"as it was")


def test_a_url_and_a_header_are_one_proof_too_many(stack, key):
    parts = urllib.parse.urlsplit(presign(stack, "get_object", key))
    answer = stack.s3.request("GET", parts.path, parts.query)
    assert answer.status == 400
    assert b"<Code>InvalidArgument</Code>" in answer.body and b"Only one auth mechanism" in answer.body


def test_signature_version_2_is_told_what_to_use(stack, key):
    url = boto(stack, signature="s3").generate_presigned_url("get_object", Params={"Bucket": stack.bucket, "Key": key})
    assert "AWSAccessKeyId=" in url
    status, text, code = fetch("GET", url)
    assert (status, code) == (400, "InvalidRequest") and b"Use Signature Version 4" in text


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_curl_uploads_and_downloads_by_url(stack, key, tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(bytes(range(256)) * 8000)
    for arguments in (["-T", source, presign(stack, "put_object", key)],
                      ["-o", target, presign(stack, "get_object", key)]):
        subprocess.run(["curl", "-fsS", *map(str, arguments)], check=True, timeout=120)
    assert target.read_bytes() == source.read_bytes()
    stack.assert_everywhere(key, source.read_bytes())


# --- without a signature ------------------------------------------------------------------------------------

def test_anybody_reads_an_open_bucket(stack, key):
    stack.put(key, b"for all")
    url = stack.endpoint + stack.path(key)
    assert fetch("GET", url)[:2] == (200, b"for all")
    assert fetch("GET", url, headers={"range": "bytes=4-"})[:2] == (206, b"all")
    assert fetch("HEAD", url)[0] == 200
    assert fetch("GET", url + "-not-there")[2] == "NoSuchKey"
    for query in ("", "?list-type=2", "?versions"):
        status, listed, _ = fetch("GET", f"{stack.endpoint}/{stack.bucket}{query}")
        assert status == 200 and f"<Key>{key}</Key>".encode() in listed
    assert fetch("GET", url + "?response-content-type=text/html")[2] == "InvalidRequest"


def test_nobody_writes_to_it_or_asks_for_more(stack, key):
    stack.put(key, b"for all")
    url, bucket = stack.endpoint + stack.path(key), f"{stack.endpoint}/{stack.bucket}"
    asked = [("PUT", url), ("DELETE", url), ("PUT", url + "?acl"), ("PUT", url + "?tagging"), ("GET", url + "?acl"),
             ("GET", url + "?tagging"), ("GET", url + "?attributes"), ("POST", url + "?uploads"),
             ("PUT", url + "?uploadId=u&partNumber=1"), ("GET", url + "?uploadId=u"), ("POST", url + "?uploadId=u"),
             ("DELETE", url + "?uploadId=u"), ("PUT", bucket), ("DELETE", bucket), ("POST", bucket + "?delete"),
             ("GET", bucket + "?acl"), ("GET", bucket + "?policy"), ("GET", bucket + "?location"),
             ("GET", bucket + "?uploads"), ("GET", stack.endpoint + "/"), ("PUT", url + "?torrent"), ("PATCH", url)]
    for method, target in asked:
        body = b"<x/>" if method in ("PUT", "POST") else None
        status, _, code = fetch(method, target, body)
        assert (status, code) == (403, "AccessDenied"), (method, target, status, code)
    copied = fetch("PUT", url, b"", {"x-amz-copy-source": f"/{stack.bucket}/other"})
    assert copied[0] == 403
    stack.assert_nowhere_changed(key, b"for all")


def test_other_buckets_stay_closed(stack, closed, key):
    assert stack.s3.put(closed, key, b"secret").status == 200
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        assert fetch(method, f"{stack.endpoint}/{closed}/{quote_key(key)}", b"" if method == "PUT" else None)[0] == 403
    for target in (f"/{closed}", f"/{closed}?list-type=2", f"/{closed}/a?torrent", "/no-such-bucket/key", "/no-such-bucket"):
        assert fetch("GET", stack.endpoint + target)[2] == "AccessDenied"
    assert stack.s3.get(closed, key).body == b"secret"


def test_a_wrong_signature_is_not_taken_for_none(stack, key):
    stack.put(key, b"for all")
    headers = stack.signer.headers("GET", stack.path(key))
    headers["authorization"] = re.sub(r"Signature=.", "Signature=0", headers["authorization"])
    headers["x-amz-date"] = "20200101T000000Z"
    with Wire(stack.endpoint) as wire:
        wire.send(head_bytes("GET", stack.path(key), headers))
        assert wire.response().status in (400, 403)


# --- buckets as hosts ---------------------------------------------------------------------------------------

@pytest.fixture
def resolver(monkeypatch):
    """Names below the domain are here."""
    real = socket.getaddrinfo

    def look_up(host, *rest, **more):
        return real("127.0.0.1" if str(host).endswith(DOMAIN) else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def test_boto3_reaches_buckets_as_hosts(stack, resolver, closed, key):
    port = stack.endpoint.rpartition(":")[2]
    seen = []
    client = boto(stack, endpoint=f"http://{DOMAIN}:{port}", style="virtual")
    client.meta.events.register("before-send.s3", lambda request, **_: seen.append(urllib.parse.urlsplit(request.url)))
    client.put_object(Bucket=closed, Key=f"{key}/a b", Body=b"as a host")
    assert client.get_object(Bucket=closed, Key=f"{key}/a b")["Body"].read() == b"as a host"
    client.head_bucket(Bucket=closed)
    assert {parts.netloc for parts in seen} == {f"{closed}.{DOMAIN}:{port}"}
    assert not any(parts.path.startswith(f"/{closed}") for parts in seen)
    assert stack.s3.get(closed, f"{key}/a b").body == b"as a host"
    names = [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]
    assert closed in names and seen[-1].netloc == f"{DOMAIN}:{port}"
    url = client.generate_presigned_url("get_object", Params={"Bucket": closed, "Key": f"{key}/a b"})
    assert urllib.parse.urlsplit(url).netloc == f"{closed}.{DOMAIN}:{port}"
    assert fetch("GET", url)[:2] == (200, b"as a host")
    client.delete_object(Bucket=closed, Key=f"{key}/a b")
    assert stack.s3.get(closed, f"{key}/a b").status == 404


def test_a_bucket_is_created_and_deleted_as_a_host(stack, resolver):
    name = f"as-host-{uuid.uuid4().hex[:8]}"
    client = boto(stack, endpoint=f"http://{DOMAIN}:{stack.endpoint.rpartition(':')[2]}", style="virtual")
    client.create_bucket(Bucket=name)
    assert stack.s3.request("HEAD", f"/{name}").status == 200
    client.delete_bucket(Bucket=name)
    assert stack.s3.request("HEAD", f"/{name}").status == 404


@pytest.mark.parametrize("host, path, found", [
    ("media.s3.example.org", "/{key}", True), ("MEDIA.S3.Example.org:8000", "/{key}", True),
    ("media.localhost", "/{key}", True), ("s3.example.org", "/media/{key}", True), ("localhost", "/media/{key}", True),
    ("media.example.org", "/media/{key}", True), ("10.0.0.1", "/media/{key}", True),
    ("media.s3.example.org", "/media/{key}", False), ("other.s3.example.org", "/{key}", False),
    ("media.s3.example.org.evil", "/{key}", False)])
def test_the_host_decides_where_the_bucket_stands(stack, key, host, path, found):
    stack.put(key, b"here")
    with Wire(stack.endpoint) as wire:
        wire.send(head_bytes("GET", path.format(key=quote_key(key)), {"host": host}))
        answer = wire.response()
        assert (answer.status == 200) == found, answer
