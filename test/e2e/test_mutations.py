"""Requests that are good but for one thing that is signed: each is refused by name, and nothing has happened.

One honest request of each kind is signed and must work; then, for each row, another is signed, changed and sent. What
is signed in a body's chunks is in test_chunked, what is signed in a form in test_post.
"""

import base64
import hashlib
import re
import urllib.parse
import zlib

import pytest

from riglib import sigv4
from wire import sha256

OLD, NEW = b"what was there before", b"what would be there"
MD5 = base64.b64encode(hashlib.md5(NEW).digest()).decode()
CRC32 = base64.b64encode(zlib.crc32(NEW).to_bytes(4, "big")).decode()
MISMATCH = "SignatureDoesNotMatch"
# A header or parameter that the operation does not know is told before the signature is looked at.
ELSEWHERE = "NotImplemented"
STATUS = {MISMATCH: 403, "AccessDenied": 403, "InvalidAccessKeyId": 403, "MissingContentLength": 411, ELSEWHERE: 501}


class Scene:
    """`key` and `key`-other are there; `key`-new is not; an upload of `key` has no parts."""

    def __init__(self, stack, key):
        key += "-base"  # no other test's key begins with it
        self.stack, self.key, self.path = stack, key, stack.path(key)
        for name in (key, f"{key}-other"):
            assert stack.put(name, OLD).status == 200
        answer = stack.s3.request("POST", self.path, "uploads=")
        self.upload = re.search(rb"<UploadId>(.*?)</UploadId>", answer.body)[1].decode()

    def request(self, method, path, query="", headers=None, body=b""):
        payload = sha256(body)
        head = {"content-length": str(len(body)), **(headers or {})} if method in ("PUT", "POST") else headers
        return self.stack.signer.head(method, path, query, head, payload) + body

    # --- one honest request of each kind ---

    def put(self):
        return self.request("PUT", self.path + "-new", "x-id=PutObject", {
            "content-type": "text/plain", "content-md5": MD5, "cache-control": "no-cache", "content-disposition": "inline",
            "content-language": "en", "expires": "Fri, 24 May 2030 00:00:00 GMT", "x-amz-acl": "private",
            "x-amz-checksum-crc32": CRC32, "x-amz-meta-one": "first value", "x-amz-meta-two": "second",
            "x-amz-storage-class": "STANDARD", "x-amz-tagging": "a=b", "if-none-match": "*"}, NEW)

    def part(self):
        return self.request("PUT", self.path, f"partNumber=1&uploadId={self.upload}", body=NEW)

    def copy(self):
        return self.request("PUT", self.path + "-new", "", {
            "x-amz-copy-source": f"/{self.stack.bucket}/{self.key}", "x-amz-metadata-directive": "REPLACE",
            "x-amz-copy-source-if-match": f'"{hashlib.md5(OLD).hexdigest()}"'})

    def delete(self):
        return self.request("DELETE", self.path)

    def delete_many(self):
        return self.request("POST", f"/{self.stack.bucket}", "delete=",
                            body=f"<Delete><Object><Key>{self.key}</Key></Object></Delete>".encode())

    def list(self):
        return self.request("GET", f"/{self.stack.bucket}",
                            f"delimiter=%2F&list-type=2&max-keys=2&prefix={self.key}&start-after=a")

    def presigned(self):
        """A PUT by URL, with metadata that the URL was signed for."""
        signer = self.stack.signer
        stamp = signer.headers("PUT", "/")["x-amz-date"]
        scope = f"{stamp[:8]}/us-east-1/s3/aws4_request"
        query = "&".join(f"{name}={urllib.parse.quote(value, safe='')}" for name, value in [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"), ("X-Amz-Credential", f"{signer.access_key}/{scope}"), ("X-Amz-Date", stamp),
            ("X-Amz-Expires", "600"), ("X-Amz-SignedHeaders", "content-type;host;x-amz-meta-one"), ("x-id", "PutObject")])
        path = self.path + "-new"
        canonical = "\n".join(["PUT", path, sigv4.canonical_query(query), "content-type:text/plain", f"host:{signer.netloc}",
                               "x-amz-meta-one:first value", "", "content-type;host;x-amz-meta-one", sigv4.UNSIGNED])
        text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, sha256(canonical.encode())])
        key = sigv4.signing_key(signer.secret_key, stamp[:8], "us-east-1")
        return (f"PUT {path}?{query}&X-Amz-Signature={sigv4._hmac(key, text).hex()} HTTP/1.1\r\nhost: {signer.netloc}\r\n"
                f"content-type: text/plain\r\nx-amz-meta-one: first value\r\ncontent-length: {len(NEW)}\r\n\r\n").encode() + NEW

    # --- what there is ---

    def untouched(self):
        for name in (self.key, f"{self.key}-other"):
            self.stack.assert_nowhere_changed(name, OLD)
        for name in self.stack.backends:
            assert [k for k in self.stack.listing(name) if k.startswith(self.key)] == [self.key, f"{self.key}-other"]
        assert b"<Part>" not in self.stack.s3.request("GET", self.path, f"uploadId={self.upload}").body


HONEST = {"put": 200, "part": 200, "copy": 200, "delete": 204, "delete_many": 200, "list": 200, "presigned": 200}


def row(name, value):
    """A header's value for another."""
    return rf"(?m)^{name}: [^\r]*", f"{name}: {value}"


def gone(name):
    return rf"(?m)^{name}: [^\r]*\r\n", ""


def more(line):
    return r"\r\n\r\n", f"\r\n{line}\r\n\r\n"


# (kind of request, (pattern, replacement), code)
CASES = {
    # what is asked, of what
    "DELETE for PUT": ("put", ("^PUT", "DELETE"), ELSEWHERE),
    "GET for PUT": ("put", ("^PUT", "GET"), ELSEWHERE),
    "GET for DELETE": ("delete", ("^DELETE", "GET"), MISMATCH),
    "PUT for DELETE": ("delete", ("^DELETE", "PUT"), "MissingContentLength"),
    "another key": ("put", ("-new", "-other"), MISMATCH),
    "another key to delete": ("delete", (r"(?<=\S) HTTP", "-other HTTP"), MISMATCH),
    "another bucket": ("put", ("/media/", "/medib/"), MISMATCH),
    "no bucket": ("put", ("/media/", "/"), "InvalidBucketName"),
    "two slashes": ("put", ("/media/", "/media//"), MISMATCH),
    "a dot": ("put", ("/media/", "/media/./"), MISMATCH),
    "two dots": ("put", ("/media/", "/media/x/../"), MISMATCH),
    "an escaped slash": ("put", ("-new", "%2Fnew"), MISMATCH),
    "a slash behind": ("put", ("-new", "-new/"), MISMATCH),
    "another operation": ("put", (r"x-id=PutObject", "x-id=PutObject&acl"), ELSEWHERE),
    "tags instead": ("put", (r"x-id=PutObject", "tagging"), ELSEWHERE),
    "a part instead": ("put", (r"x-id=PutObject", "partNumber=1&uploadId=x"), ELSEWHERE),
    # parameters
    "another x-id": ("put", ("x-id=PutObject", "x-id=GetObject"), MISMATCH),
    "no x-id": ("put", (r"\?x-id=PutObject", ""), MISMATCH),
    "x-id twice": ("put", ("x-id=PutObject", "x-id=PutObject&x-id=PutObject"), "InvalidArgument"),
    "another part number": ("part", ("partNumber=1", "partNumber=2"), MISMATCH),
    "part number 10001": ("part", ("partNumber=1", "partNumber=10001"), "InvalidArgument"),
    "another upload": ("part", ("uploadId=.", "uploadId=_"), MISMATCH),
    "a PUT for a part": ("part", (r"\?\S+", ""), MISMATCH),
    "another prefix": ("list", ("prefix=.", "prefix=_"), MISMATCH),
    "no prefix": ("list", (r"&prefix=[^&]*", ""), MISMATCH),
    "another delimiter": ("list", ("delimiter=%2F", "delimiter=-"), MISMATCH),
    "more keys": ("list", ("max-keys=2", "max-keys=3"), MISMATCH),
    "another version of listing": ("list", ("list-type=2&", ""), ELSEWHERE),
    "another start": ("list", ("start-after=a", "start-after=b"), MISMATCH),
    "encoding": ("list", ("list-type=2", "list-type=2&encoding-type=url"), MISMATCH),
    # fields
    "another host": ("put", row("host", "localhost:1"), MISMATCH),
    "a longer body": ("put", row("content-length", "20"), MISMATCH),
    "another type": ("put", row("content-type", "text/html"), MISMATCH),
    "no type": ("put", gone("content-type"), MISMATCH),
    "another MD5": ("put", row("content-md5", "A" * 22 + "=="), MISMATCH),
    "no MD5": ("put", gone("content-md5"), MISMATCH),
    "another cache-control": ("put", row("cache-control", "no-store"), MISMATCH),
    "another disposition": ("put", row("content-disposition", "attachment"), MISMATCH),
    "another language": ("put", row("content-language", "de"), MISMATCH),
    "another expires": ("put", row("expires", "Fri, 24 May 2031 00:00:00 GMT"), MISMATCH),
    "another condition": ("put", row("if-none-match", '"x"'), MISMATCH),
    "no condition": ("put", gone("if-none-match"), MISMATCH),
    "no ACL": ("put", gone("x-amz-acl"), MISMATCH),
    "another ACL": ("put", row("x-amz-acl", "bucket-owner-full-control"), MISMATCH),
    "another checksum": ("put", row("x-amz-checksum-crc32", "AAAAAA=="), MISMATCH),
    "no checksum": ("put", gone("x-amz-checksum-crc32"), MISMATCH),
    "other metadata": ("put", row("x-amz-meta-one", "other value"), MISMATCH),
    "metadata in capitals": ("put", row("x-amz-meta-one", "First value"), MISMATCH),
    "no metadata": ("put", gone("x-amz-meta-one"), MISMATCH),
    "metadata of another name": ("put", ("x-amz-meta-one", "x-amz-meta-won"), MISMATCH),
    "metadata swapped": ("put", (r"(?s)meta-one: first value(.*)meta-two: second",
                                 r"meta-one: second\1meta-two: first value"), MISMATCH),
    "metadata twice": ("put", more("x-amz-meta-two: third"), "InvalidRequest"),
    "more metadata": ("put", more("x-amz-meta-three: third"), "AccessDenied"),
    "a copy instead": ("put", more("x-amz-copy-source: /media/other"), "AccessDenied"),
    "other tags": ("put", row("x-amz-tagging", "a=c"), MISMATCH),
    "no tags": ("put", gone("x-amz-tagging"), MISMATCH),
    "another source": ("copy", (r"(copy-source: \S+)", r"\1-other"), MISMATCH),
    "no source": ("copy", gone("x-amz-copy-source"), ELSEWHERE),
    "another directive": ("copy", row("x-amz-metadata-directive", "COPY"), MISMATCH),
    "another condition on the source": ("copy", ('if-match: ".', 'if-match: "_'), MISMATCH),
    # the body
    "a byte of the body": ("put", (NEW.decode(), NEW.decode().replace("w", "W", 1)), "XAmzContentSHA256Mismatch"),
    "a byte of the part": ("part", (NEW.decode(), NEW.decode().replace("w", "W", 1)), "XAmzContentSHA256Mismatch"),
    "another key in the document": ("delete_many", ("</Key>", "-oter</Key>"), "XAmzContentSHA256Mismatch"),
    "a key of the same length in the document": ("delete_many", ("<Key>..", "<Key>__"), "XAmzContentSHA256Mismatch"),
    "the hash of another body": ("put", row("x-amz-content-sha256", sha256(b"x")), MISMATCH),
    "the hash in capitals": ("put", ("(?<=sha256: )" + sha256(NEW), sha256(NEW).upper()), MISMATCH),
    "no hash": ("put", gone("x-amz-content-sha256"), "InvalidRequest"),
    "unsigned instead": ("put", row("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), MISMATCH),
    "chunks instead": ("put", row("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), "MissingContentLength"),
    # when, where, who
    "a second later": ("put", (r"(x-amz-date: \d+T\d{5})\dZ", r"\1_Z"), "AccessDenied"),
    "another second": ("put", (r"(x-amz-date: \d+T\d{5})(\d)Z", lambda m: f"{m[1]}{9 - int(m[2])}Z"), MISMATCH),
    "another day": ("put", row("x-amz-date", "20200101T000000Z"), "AuthorizationHeaderMalformed"),
    "no date": ("put", gone("x-amz-date"), "AccessDenied"),
    "date twice": ("put", (r"(x-amz-date: [^\r]*\r\n)", r"\1\1"), "InvalidRequest"),
    "another day in the scope": ("put", (r"/\d{8}/us-east-1", "/20200101/us-east-1"), "AuthorizationHeaderMalformed"),
    "another region": ("put", ("/us-east-1/", "/eu-west-1/"), "AuthorizationHeaderMalformed"),
    "another service": ("put", ("/s3/aws4", "/sqs/aws4"), "AuthorizationHeaderMalformed"),
    "another end of the scope": ("put", ("/aws4_request", "/aws5_request"), "AuthorizationHeaderMalformed"),
    "another access key": ("put", ("Credential=", "Credential=x"), "InvalidAccessKeyId"),
    "another algorithm": ("put", ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512"), "InvalidArgument"),
    "the first digit of the signature": ("put", (r"Signature=(.)", lambda m: f"Signature={int(m[1], 16) ^ 1:x}"), MISMATCH),
    "the last digit of the signature": ("put", (r"(Signature=.{63})(.)", lambda m: f"{m[1]}{int(m[2], 16) ^ 1:x}"), MISMATCH),
    "a shorter signature": ("put", (r"(Signature=.{63}).", r"\1"), "AuthorizationHeaderMalformed"),
    "the signature of nothing": ("put", (r"Signature=.{64}", "Signature=" + "0" * 64), MISMATCH),
    "a header not signed": ("put", (";x-amz-meta-two", ""), "AccessDenied"),
    "the host not signed": ("put", (";host;", ";"), "AccessDenied"),
    "the length not signed": ("put", ("content-length;", ""), MISMATCH),
    "a header signed that is not there": ("put", (";x-amz-tagging", ";x-amz-tagging;x-amz-trailer"), MISMATCH),
    "signed headers in another order": ("put", ("content-length;content-md5", "content-md5;content-length"),
                                        "AuthorizationHeaderMalformed"),
    "a session token": ("put", more("x-amz-security-token: t"), "InvalidRequest"),
    "no authorization": ("put", gone("authorization"), "AccessDenied"),
    "authorization twice": ("put", (r"(authorization: [^\r]*\r\n)", r"\1\1"), "InvalidRequest"),
    # by URL
    "URL: another key": ("presigned", ("-new", "-other"), MISMATCH),
    "URL: DELETE": ("presigned", ("^PUT", "DELETE"), MISMATCH),
    "URL: other metadata": ("presigned", row("x-amz-meta-one", "other value"), MISMATCH),
    "URL: no metadata": ("presigned", gone("x-amz-meta-one"), MISMATCH),
    "URL: more metadata": ("presigned", more("x-amz-meta-two: second"), "AccessDenied"),
    "URL: another type": ("presigned", row("content-type", "text/html"), MISMATCH),
    "URL: another host": ("presigned", row("host", "localhost:1"), MISMATCH),
    "URL: another algorithm": ("presigned", ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512"), "AuthorizationQueryParametersError"),
    "URL: another access key": ("presigned", ("X-Amz-Credential=", "X-Amz-Credential=x"), "InvalidAccessKeyId"),
    "URL: another day in the scope": ("presigned", (r"%2F\d{8}%2F", "%2F20200101%2F"), "AuthorizationQueryParametersError"),
    "URL: another region": ("presigned", ("%2Fus-east-1%2F", "%2Feu-west-1%2F"), "AuthorizationQueryParametersError"),
    "URL: another service": ("presigned", ("%2Fs3%2F", "%2Fsqs%2F"), "AuthorizationQueryParametersError"),
    "URL: another second": ("presigned", (r"(X-Amz-Date=\d+T\d{5})(\d)Z", lambda m: f"{m[1]}{9 - int(m[2])}Z"), MISMATCH),
    "URL: another day": ("presigned", (r"X-Amz-Date=\w+", "X-Amz-Date=20200101T000000Z"), "AuthorizationQueryParametersError"),
    "URL: no date": ("presigned", (r"&X-Amz-Date=\w+", ""), "AuthorizationQueryParametersError"),
    "URL: a longer time": ("presigned", ("X-Amz-Expires=600", "X-Amz-Expires=60000"), MISMATCH),
    "URL: too long a time": ("presigned", ("X-Amz-Expires=600", "X-Amz-Expires=604801"), "AuthorizationQueryParametersError"),
    "URL: a negative time": ("presigned", ("X-Amz-Expires=600", "X-Amz-Expires=-1"), "AuthorizationQueryParametersError"),
    "URL: no time": ("presigned", ("&X-Amz-Expires=600", ""), "AuthorizationQueryParametersError"),
    "URL: metadata not signed": ("presigned", ("%3Bx-amz-meta-one", ""), "AccessDenied"),
    "URL: host not signed": ("presigned", ("%3Bhost", ""), "AccessDenied"),
    "URL: the signature": ("presigned", (r"Signature=(.)", lambda m: f"Signature={int(m[1], 16) ^ 1:x}"), MISMATCH),
    "URL: no signature": ("presigned", (r"&X-Amz-Signature=\w+", ""), "AuthorizationQueryParametersError"),
    "URL: the signature twice": ("presigned", (r"(&X-Amz-Signature=\w+)", r"\1\1"), "AuthorizationQueryParametersError"),
    "URL: another operation": ("presigned", ("&x-id=PutObject", "&x-id=PutObject&acl"), MISMATCH),
    "URL: no x-id": ("presigned", ("&x-id=PutObject", ""), MISMATCH),
    "URL: a session token": ("presigned", ("&x-id", "&X-Amz-Security-Token=t&x-id"), "InvalidRequest"),
    "URL: a hash of the body": ("presigned", more("x-amz-content-sha256: " + sha256(NEW)), "AccessDenied"),
}


@pytest.mark.parametrize("kind", HONEST)
def test_the_honest_request_works(stack, key, kind):
    answer = stack.signer.exchange(getattr(Scene(stack, key), kind)())
    assert (answer.status, answer.code) == (HONEST[kind], ""), answer


@pytest.mark.parametrize("case", CASES)
def test_what_is_changed_is_refused_and_nothing_happens(stack, key, case):
    kind, (pattern, replacement), code = CASES[case]
    scene = Scene(stack, key)
    honest = getattr(scene, kind)().decode()
    changed = re.sub(pattern, replacement, honest, count=1)
    assert changed != honest
    answer = stack.signer.exchange(changed.encode())
    assert (answer.status, answer.code) == (STATUS.get(code, 400), code), answer
    scene.untouched()
