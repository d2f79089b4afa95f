"""Uploads of browsers: forms with a policy, as boto3 presigns them and as urllib3, curl and bare sockets send them."""

import base64
import hashlib
import hmac
import json
import random
import re
import shutil
import subprocess
import time

import boto3
import botocore.config
import pytest
import urllib3

from aws_chunked import checksum
from riglib import sigv4
from wire import Wire, head_bytes

OLD = b"what was there before"
SMALL, LARGE = 1000, 3_000_000
BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
HELD = 512 * 1024


def noise(size):
    return random.Random(size).randbytes(size)


@pytest.fixture(autouse=True)
def gateway_survives(stack):
    yield
    assert stack.admin_get("/healthz")[0] == 200


class Form:
    """A form for one key; its parts are the test's to change before it is printed."""

    def __init__(self, stack, key, body, fields=None, conditions=None, file_name="photo.jpg"):
        self.stack, self.body, self.file_name = stack, body, file_name
        self.secret = stack.document["secret_key"]
        self.stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        self.credential = f"{stack.document['access_key']}/{self.stamp[:8]}/us-east-1/s3/aws4_request"
        self.fields = {"key": key, **(fields or {}), "x-amz-algorithm": "AWS4-HMAC-SHA256",
                       "x-amz-credential": self.credential, "x-amz-date": self.stamp}
        self.policy = {"expiration": self.time(600), "conditions": [
            {"bucket": stack.bucket}, *[{name: value} for name, value in self.fields.items() if name != "key"],
            ["starts-with", "$key", ""], *(conditions or [])]}
        self.tail = f"\r\n--{BOUNDARY}--\r\n".encode()
        self.between = b""  # parts behind the file
        self.content_type = f"multipart/form-data; boundary={BOUNDARY}"

    @staticmethod
    def time(seconds):
        return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() + seconds))

    def sign(self):
        text = self.policy if isinstance(self.policy, str) else json.dumps(self.policy)
        self.fields["policy"] = base64.b64encode(text.encode()).decode()
        self.fields["x-amz-signature"] = hmac.new(sigv4.signing_key(self.secret, self.stamp[:8], "us-east-1"),
                                                  self.fields["policy"].encode(), hashlib.sha256).hexdigest()
        return self

    @staticmethod
    def part(name, value, more=""):
        return (f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() +
                (value if isinstance(value, bytes) else value.encode()))

    def text(self):
        parts = [self.part(name, value) for name, value in self.fields.items() if value is not None]
        parts.append(self.part("file", self.body, f'; filename="{self.file_name}"\r\nContent-Type: image/jpeg'))
        return b"\r\n".join(parts) + self.between + self.tail

    def request(self, path=None, headers=None):
        text = self.text()
        return head_bytes("POST", path or f"/{self.stack.bucket}",
                          {"host": self.stack.signer.netloc, "content-type": self.content_type,
                           "content-length": str(len(text)), **(headers or {})}) + text

    def send(self, **options):
        return self.stack.signer.exchange(self.request(**options), "POST")


# --- where it may go ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name, taken_for", [("/KEY", "KEY"), ("KEY//b", "KEY/b"), ("KEY//${filename}", "KEY/photo.jpg"),
                                             ("KEY/", "KEY/")], ids=["lead", "slashes", "file name", "folder"])
@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_a_key_that_a_replica_takes_for_another_is_no_forms_either(stack, key, name, taken_for, size):
    answer = Form(stack, name.replace("KEY", key), noise(size)).sign().send()
    assert (answer.status, answer.code) == (400, "KeyNotSupported"), answer
    assert b"<Message>Backend " in answer.body
    for backend in stack.backends:
        assert stack.on_backend(backend, taken_for.replace("KEY", key)).status == 404, backend


def test_a_form_may_make_a_folder(stack, key):
    assert Form(stack, key + "/", b"").sign().send().status == 204
    assert stack.get(key + "/").body == b""


# --- what is good -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("size", [0, 1, SMALL, HELD - 2000, HELD, HELD + 1, LARGE])
def test_a_form_uploads_its_file(stack, key, size):
    body = noise(size)
    answer = Form(stack, key, body, {"Content-Type": "image/jpeg", "x-amz-meta-colour": "dark red",
                                     "Cache-Control": "max-age=5", "acl": "private"}).sign().send()
    assert (answer.status, answer.body) == (204, b""), answer
    assert answer.headers["etag"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert answer.headers["location"] == f"http://{stack.signer.netloc}{stack.path(key)}"
    stack.wait_settled(key)
    stack.assert_everywhere(key, body)
    shown = stack.head(key).headers
    assert (shown["content-type"], shown["x-amz-meta-colour"], shown["cache-control"]) == ("image/jpeg", "dark red", "max-age=5")


def test_forms_of_every_length_around_what_is_held(stack, key):
    """The whole form is one byte shorter, as long, one byte longer than what is held."""
    for more in (-1, 0, 1):
        form = Form(stack, key, b"").sign()
        form.body = noise(HELD + more - len(form.text()))
        assert len(form.text()) == HELD + more
        assert form.send().status == 204
        stack.wait_settled(key)
        stack.assert_everywhere(key, form.body)


def test_a_form_that_comes_byte_by_byte(stack, key):
    request = Form(stack, key, noise(200)).sign().request()
    with Wire(stack.endpoint) as wire:
        for at in range(len(request)):
            wire.send(request[at:at + 1])
        assert wire.response("POST").status == 204
    stack.assert_everywhere(key, noise(200))


def test_boto3_presigns_and_urllib3_sends(stack, key):
    client = boto3.client("s3", endpoint_url=stack.endpoint, region_name="us-east-1",
                          aws_access_key_id=stack.document["access_key"],
                          aws_secret_access_key=stack.document["secret_key"],
                          config=botocore.config.Config(s3={"addressing_style": "path"}, signature_version="s3v4"))
    for size in (SMALL, LARGE):
        post = client.generate_presigned_post(stack.bucket, key + "/${filename}", Fields={"success_action_status": "201"},
                                              Conditions=[{"success_action_status": "201"},
                                                          ["content-length-range", 1, 10_000_000]])
        answer = urllib3.request("POST", post["url"], fields={**post["fields"], "file": ("a b.bin", noise(size))})
        assert answer.status == 201, answer.data
        found = dict(re.findall(r"<(Location|Bucket|Key|ETag)>([^<]*)<", answer.data.decode()))
        assert (found["Bucket"], found["Key"]) == (stack.bucket, f"{key}/a b.bin")
        assert found["Location"].endswith(f"{stack.path(key)}/a%20b.bin")
        assert found["ETag"] == f"&quot;{hashlib.md5(noise(size)).hexdigest()}&quot;"
        assert answer.headers["content-type"] == "application/xml"
        stack.assert_everywhere(f"{key}/a b.bin", noise(size))


def test_curl_sends(stack, key, tmp_path):
    if not shutil.which("curl"):
        pytest.skip("no curl here")
    for size in (SMALL, LARGE):
        path = tmp_path / "photo.bin"
        path.write_bytes(noise(size))
        fields = Form(stack, key, b"").sign().fields
        done = subprocess.run(["curl", "-sS", "-w", "%{http_code}", *[a for f in fields.items() for a in ("-F", "=".join(f))],
                               "-F", f"file=@{path}", f"{stack.endpoint}/{stack.bucket}"],
                              capture_output=True, text=True, check=True)
        assert done.stdout == "204", done.stdout
        stack.assert_everywhere(key, noise(size))


@pytest.mark.parametrize("name, expanded", [
    ("photo.jpg", "photo.jpg"), ("C:\\fakepath\\photo.jpg", "photo.jpg"), ("../../etc/passwd", "passwd"),
    ("ä ü+%.jpg", "ä ü+%.jpg"), ("", "")])
def test_the_name_of_the_file_goes_into_the_key(stack, key, name, expanded):
    form = Form(stack, key + "/${filename}-${filename}", b"x", file_name=name)
    form.policy["conditions"].append(["starts-with", "$key", key + "/"])
    assert form.sign().send().status == 204
    assert stack.get(f"{key}/{expanded}-{expanded}").body == b"x"


@pytest.mark.parametrize("field, value, status", [
    ("success_action_status", "200", 200), ("success_action_status", "201", 201), ("success_action_status", "204", 204),
    ("success_action_status", "404", 204), ("success_action_redirect", "javascript:alert(1)", 204),
    ("success_action_redirect", "http://x/\r\nSet-Cookie: a=b", 204)])
def test_success_is_answered_as_asked(stack, key, field, value, status):
    answer = Form(stack, key, b"x", {field: value}).sign().send()
    assert answer.status == status
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("page, join", [("http://here/done", "?"), ("https://here/done?a=b", "&"), ("http://here/#there", "?")])
def test_success_redirects_to_the_page_of_the_form(stack, key, page, join):
    for field in ("success_action_redirect", "redirect"):
        answer = Form(stack, key + "/ä&", b"x", {field: page}).sign().send()
        start, hash_mark, rest = page.partition("#")
        etag = f"%22{hashlib.md5(b'x').hexdigest()}%22"
        assert answer.status == 303
        key_text = sigv4.quote_key(key + "/ä&").replace("/", "%2F")
        assert answer.headers["location"] == f"{start}{join}bucket={stack.bucket}&key={key_text}&etag={etag}{hash_mark}{rest}"


def test_what_follows_the_file_of_a_small_form_is_ignored(stack, key):
    form = Form(stack, key, noise(SMALL)).sign()
    form.between = b"\r\n" + form.part("submit", "Upload") + b"\r\n" + form.part("acl", "public-read")
    assert form.send().status == 204
    stack.assert_everywhere(key, noise(SMALL))


def test_a_form_without_the_last_line_end(stack, key):
    form = Form(stack, key, noise(SMALL)).sign()
    form.tail = form.tail[:-2]
    assert form.send().status == 204
    stack.assert_everywhere(key, noise(SMALL))


def test_checksums_of_forms_are_verified_and_kept(stack, key):
    for size in (SMALL, LARGE):
        value = checksum("sha256", noise(size))
        answer = Form(stack, key, noise(size), {"x-amz-checksum-sha256": value,
                                                "content-md5": base64.b64encode(hashlib.md5(noise(size)).digest()).decode()}).sign().send()
        assert (answer.status, answer.headers["x-amz-checksum-sha256"]) == (204, value)
        shown = stack.s3.request("HEAD", stack.path(key), headers={"x-amz-checksum-mode": "ENABLED"})
        assert shown.headers["x-amz-checksum-sha256"] == value


def test_fields_to_be_ignored_and_empty_ones(stack, key):
    answer = Form(stack, key, b"x", {"Content-Type": "", "x-amz-meta-empty": "", "Expires": ""})
    answer.fields["x-ignore-this"] = "whatever\r\nit is"
    assert answer.sign().send().status == 204
    assert stack.head(key).headers["content-type"] == "binary/octet-stream"


def test_a_request_follows_a_form_on_the_same_connection(stack, key):
    with Wire(stack.endpoint) as wire:
        for size in (SMALL, LARGE):
            wire.send(Form(stack, key, noise(size)).sign().request())
            assert wire.response("POST").status == 204
        wire.send(stack.signer.head("GET", stack.path(key)))
        assert wire.response().body == noise(LARGE)


# --- what is refused ----------------------------------------------------------------------------------------

def field(name, value):
    return lambda f: f.fields.__setitem__(name, value)


def attribute(name, value):
    return lambda f: setattr(f, name, value(f) if callable(value) else value)


def condition(*what):
    return lambda f: f.policy["conditions"].extend(what)


def policy(name, value):
    def spoil(f):
        f.policy[name] = value(f) if callable(value) else value
    return spoil


def without(name):
    def spoil(f):
        f.policy["conditions"] = [c for c in f.policy["conditions"] if not (isinstance(c, dict) and name in c)]
    return spoil


def flip(text):
    return ("0" if text[0] != "0" else "1") + text[1:]


def mixed_up(f):
    f.body = f.body[:len(f.body) // 2] + f"\r\n--{BOUNDARY}\r\n".encode() + f.body[len(f.body) // 2:]


# (when, what, status, code); "before": what is signed
CASES = {
    "another secret": ("before", attribute("secret", "not it"), 403, "SignatureDoesNotMatch"),
    "a changed policy": ("after", lambda f: f.fields.__setitem__("policy", base64.b64encode(b"{}" + json.dumps(f.policy).encode()).decode()),
                         403, "SignatureDoesNotMatch"),
    "a changed signature": ("after", lambda f: f.fields.__setitem__("x-amz-signature", flip(f.fields["x-amz-signature"])),
                            403, "SignatureDoesNotMatch"),
    "an unknown key": ("before", lambda f: f.fields.__setitem__("x-amz-credential", "nobody/" + f.credential.partition("/")[2]),
                       403, "InvalidAccessKeyId"),
    "another region": ("before", lambda f: f.fields.__setitem__("x-amz-credential", f.credential.replace("us-east-1", "eu-west-1")),
                       400, "AuthorizationHeaderMalformed"),
    "no policy and no signature": ("after", lambda f: (f.fields.pop("policy"), f.fields.pop("x-amz-signature")), 403, "AccessDenied"),
    "no policy": ("after", lambda f: f.fields.pop("policy"), 400, "InvalidArgument"),
    "no signature": ("after", lambda f: f.fields.pop("x-amz-signature"), 400, "InvalidArgument"),
    "signature version 2": ("after", field("AWSAccessKeyId", "demo"), 400, "InvalidRequest"),
    "a session token": ("before", field("x-amz-security-token", "t"), 400, "InvalidRequest"),
    "an expired policy": ("before", policy("expiration", lambda f: f.time(-1)), 403, "AccessDenied"),
    "an expiration that is none": ("before", policy("expiration", "tomorrow"), 400, "InvalidPolicyDocument"),
    "no conditions": ("before", policy("conditions", []), 400, "InvalidPolicyDocument"),
    "a policy that is no JSON": ("before", attribute("policy", "{"), 400, "InvalidPolicyDocument"),
    "another bucket": ("before", condition({"bucket": "other"}), 403, "AccessDenied"),
    "no bucket": ("before", without("bucket"), 403, "AccessDenied"),
    "another key": ("before", condition({"key": "other"}), 403, "AccessDenied"),
    "another prefix": ("before", condition(["starts-with", "$key", "other/"]), 403, "AccessDenied"),
    "a field without a condition": ("after", field("x-amz-meta-more", "a"), 403, "AccessDenied"),
    "a field that is changed": ("after", field("Content-Type", "text/html"), 403, "AccessDenied"),
    "a file too small": ("before", condition(["content-length-range", 4_000_000, 5_000_000]), 400, "EntityTooSmall"),
    "a file too large": ("before", condition(["content-length-range", 0, 999]), 400, "EntityTooLarge"),
    "no key": ("after", lambda f: f.fields.pop("key"), 400, "InvalidArgument"),
    "an empty key": ("before", field("key", ""), 400, "InvalidArgument"),
    "a key too long": ("before", field("key", "k" * 1025), 400, "KeyTooLongError"),
    "a wrong checksum": ("before", lambda f: (f.fields.__setitem__("x-amz-checksum-crc32", "AAAAAA=="),
                                              f.policy["conditions"].append(["starts-with", "$x-amz-checksum-crc32", ""])),
                         400, "BadDigest"),
    "a wrong MD5": ("before", lambda f: (f.fields.__setitem__("content-md5", "A" * 22 + "=="),
                                         f.policy["conditions"].append(["starts-with", "$content-md5", ""])), 400, "BadDigest"),
    "a line end in a value": ("after", lambda f: f.fields.__setitem__("Content-Type", "a\r\nb"), 400, "InvalidArgument"),
    "no boundary": ("before", attribute("content_type", "multipart/form-data"), 400, "MalformedPOSTRequest"),
    "another boundary": ("before", attribute("content_type", "multipart/form-data; boundary=x"), 400, "MalformedPOSTRequest"),
    "no end": ("before", attribute("tail", b""), 400, "MalformedPOSTRequest"),
    "an end without its dashes": ("before", attribute("tail", f"\r\n--{BOUNDARY}\r\n".encode()), 400, "MalformedPOSTRequest"),
    "something behind the end": ("before", attribute("tail", lambda f: f.tail + b"more"), 400, "MalformedPOSTRequest"),
    "fields that are too large": ("before", field("x-ignore-much", "x" * 21_000), 400, "MaxPostPreDataLengthExceeded"),
    "public-read": ("before", lambda f: (f.fields.__setitem__("acl", "public-read"),
                                         f.policy["conditions"].append({"acl": "public-read"})), 501, "NotImplemented"),
    "tags": ("before", lambda f: (f.fields.__setitem__("tagging", "<Tagging/>"),
                                  f.policy["conditions"].append({"tagging": "<Tagging/>"})), 501, "NotImplemented"),
    "encryption": ("before", lambda f: (f.fields.__setitem__("x-amz-server-side-encryption", "AES256"),
                                        f.policy["conditions"].append({"x-amz-server-side-encryption": "AES256"})),
                   501, "NotImplemented"),
    "a copy source": ("before", lambda f: (f.fields.__setitem__("x-amz-copy-source", "media/a"),
                                           f.policy["conditions"].append({"x-amz-copy-source": "media/a"})), 501, "NotImplemented"),
    "metadata of ours": ("before", lambda f: (f.fields.__setitem__("x-amz-meta-s3mirror-stamp", "a"),
                                              f.policy["conditions"].append({"x-amz-meta-s3mirror-stamp": "a"})),
                         400, "InvalidArgument"),
    "a line end in metadata": ("before", lambda f: (f.fields.__setitem__("x-amz-meta-a", "a\r\nb: c"),
                                                    f.policy["conditions"].append({"x-amz-meta-a": "a\r\nb: c"})),
                               400, "InvalidArgument"),
}


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("what", CASES)
def test_what_is_spoiled_changes_nothing(stack, key, what, size):
    when, spoil, status, code = CASES[what]
    stack.put(key, OLD)
    form = Form(stack, key, noise(size), {"Content-Type": "image/jpeg"})
    if when == "before":
        spoil(form)
    form.sign()
    if when == "after":
        spoil(form)
    answer = form.send()
    assert answer is not None and (answer.status, answer.code) == (status, code), answer
    stack.assert_nowhere_changed(key, OLD)


@pytest.mark.parametrize("spoil", [mixed_up, lambda f: setattr(f, "between", b"\r\n" + f.part("submit", "Upload"))],
                         ids=["the boundary in the file", "parts behind the file"])
def test_the_file_of_a_large_form_is_its_last_part(stack, key, spoil):
    stack.put(key, OLD)
    form = Form(stack, key, noise(LARGE)).sign()
    spoil(form)
    answer = form.send()
    assert (answer.status, answer.code) == (400, "MalformedPOSTRequest"), answer
    stack.assert_nowhere_changed(key, OLD)


@pytest.mark.parametrize("ending", ["finish", "reset"])
@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_a_form_that_breaks_off_changes_nothing(stack, key, size, ending):
    stack.put(key, OLD)
    request = Form(stack, key, noise(size)).sign().request()
    start = request.index(b"\r\n\r\n") + 4
    for cut in (start, start + 10, start + 1500, len(request) - size // 2, len(request) - 60, len(request) - 3, len(request) - 1):
        with Wire(stack.endpoint) as wire:
            wire.try_send(request[:cut])
            getattr(wire, ending)()
            if ending == "finish":
                answer = wire.response("POST")
                assert answer is None or answer.code == "IncompleteBody", answer
    stack.assert_nowhere_changed(key, OLD)


def test_a_wrong_form_is_refused_before_its_file_is_sent(stack, key):
    """Its fields are judged as they come: nobody waits for a large file."""
    form = Form(stack, key, noise(LARGE))
    form.secret = "not it"
    request = form.sign().request()
    with Wire(stack.endpoint) as wire:
        wire.send(request[:request.index(b"image/jpeg\r\n\r\n") + 100])
        assert wire.response("POST").code == "SignatureDoesNotMatch"


def test_a_post_that_is_no_form(stack):
    for kind in ("application/x-www-form-urlencoded", "text/plain"):
        answer = stack.s3.request("POST", f"/{stack.bucket}", body=b"a=b", headers={"content-type": kind})
        assert answer.status == 412
        assert b"<Code>PreconditionFailed</Code>" in answer.body


def test_a_form_for_a_bucket_that_is_not_there(stack, key):
    answer = Form(stack, key, b"x").sign().send(path="/nobody-has-this")
    assert (answer.status, answer.code) == (404, "NoSuchBucket")
