"""Hostile XML, sent to every operation that takes a document: a clear error, nothing done, and little memory."""

import hashlib
import re
import socket
import uuid

import pytest

from memory import grown, peak
from stack import Stack
from wire import Wire

OLD, PART = b"what was there before", b"the only part"
OWNER = "s3mirror"
BIG = 10_000_000
LIMIT = 2 << 20  # of DeleteObjects' document; a list of parts may have 4 MiB
HELD = 2 << 20   # of a document that is not at its end: a chunk of 512 KiB, a parser of 256 KiB, and what a sanitizer adds


class Operation:
    """`target(scene)`: method, path and query. `body(scene)`: what stands in the root element of an honest document."""

    def __init__(self, root, target, body):
        self.root, self.target, self.body = root, target, body


OPERATIONS = {
    "DeleteObjects": Operation("Delete", lambda s: ("POST", "/media", "delete="),
                               lambda s: f"<Object><Key>{s.key}</Key></Object>"),
    "CompleteMultipartUpload": Operation(
        "CompleteMultipartUpload", lambda s: ("POST", s.path + "-new", f"uploadId={s.upload}"),
        lambda s: f"<Part><PartNumber>1</PartNumber><ETag>{hashlib.md5(PART).hexdigest()}</ETag></Part>"),
    "CreateBucket": Operation("CreateBucketConfiguration", lambda s: ("PUT", f"/{s.bucket}", ""),
                              lambda s: "<LocationConstraint>us-east-1</LocationConstraint>"),
    "PutObjectTagging": Operation("Tagging", lambda s: ("PUT", s.path, "tagging="),
                                  lambda s: "<TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet>"),
    "PutObjectAcl": Operation(
        "AccessControlPolicy", lambda s: ("PUT", s.path, "acl="),
        lambda s: f"<Owner><ID>{OWNER}</ID></Owner><AccessControlList><Grant><Grantee><ID>{OWNER}</ID></Grantee>"
                  "<Permission>FULL_CONTROL</Permission></Grant></AccessControlList>"),
    "PutBucketAcl": Operation(
        "AccessControlPolicy", lambda s: ("PUT", "/media", "acl="),
        lambda s: f"<Owner><ID>{OWNER}</ID></Owner><AccessControlList><Grant><Grantee><ID>{OWNER}</ID></Grantee>"
                  "<Permission>FULL_CONTROL</Permission></Grant></AccessControlList>"),
}


class Scene:
    """An object, an upload with one part, and the name of a bucket that is not there."""

    def __init__(self, stack, key):
        self.stack, self.key = stack, f"{key}-base"
        self.path, self.bucket = stack.path(self.key), f"doc-{uuid.uuid4().hex[:12]}"
        assert stack.put(self.key, OLD).status == 200
        answer = stack.s3.request("POST", self.path + "-new", "uploads=")
        self.upload = re.search(rb"<UploadId>(.*?)</UploadId>", answer.body)[1].decode()
        assert stack.s3.request("PUT", self.path + "-new", f"partNumber=1&uploadId={self.upload}", body=PART).status == 200

    def send(self, operation, body, wire=None, declared=None):
        method, path, query = operation.target(self)
        length = len(body) if declared is None else declared
        head = self.stack.signer.head(method, path, query, {"content-length": str(length)})
        if wire:
            return wire.try_send(head + body)
        with Wire(self.stack.endpoint) as own:
            own.try_send(head + body)
            return own.response(method)

    def untouched(self):
        assert self.stack.get(self.key).body == OLD
        assert self.stack.get(self.key + "-new").status == 404
        assert b"<PartNumber>1<" in self.stack.s3.request("GET", self.path + "-new", f"uploadId={self.upload}").body
        assert b"<Key>" not in self.stack.s3.request("GET", self.path, "tagging=").body
        assert self.stack.s3.request("HEAD", f"/{self.bucket}").status == 404


@pytest.fixture(autouse=True)
def gateway_survives(stack):
    yield
    assert stack.admin_get("/healthz")[0] == 200


@pytest.fixture(params=OPERATIONS)
def operation(request):
    return OPERATIONS[request.param]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_honest_document_is_taken(stack, key, operation, encoding):
    scene = Scene(stack, key)
    answer = scene.send(operation, f"<{operation.root}>{operation.body(scene)}</{operation.root}>".encode(encoding))
    assert answer.status == 200, answer


# --- documents ----------------------------------------------------------------------------------------------

def laughs(root, body):
    entities = '<!ENTITY l0 "ha">' + "".join(f"<!ENTITY l{i} '{f'&l{i - 1};' * 10}'>" for i in range(1, 10))
    return f'<!DOCTYPE {root} [{entities}]><{root}>{body.replace("</", "&l9;</", 1)}</{root}>'


def blowup(root, body):
    return f'<!DOCTYPE {root} [<!ENTITY a "{"a" * 50_000}">]><{root}>{body.replace("</", "&a;" * 5_000 + "</", 1)}</{root}>'


def in_first(text):
    """In the innermost first element of the honest document."""
    return lambda root, body: f"<{root}>{body.replace('</', text + '</', 1)}</{root}>"


def around(before="", after=""):
    return lambda root, body: f"{before}<{root}>{body}</{root}>{after}"


def many(name):
    return " ".join(f"{name}{i}='b'" for i in range(25_000))


DOCUMENTS = {
    "billion laughs": laughs, "quadratic blow-up": blowup,
    "a document type": lambda root, body: f"<!DOCTYPE {root}><{root}>{body}</{root}>",
    "a public document type": lambda root, body: f'<!DOCTYPE {root} PUBLIC "-//x//y" "x.dtd"><{root}>{body}</{root}>',
    "an entity of its own": lambda root, body: f'<!DOCTYPE {root} [<!ENTITY e "">]><{root}>{body}</{root}>',
    "an unknown entity": in_first("&nbsp;"), "an endless entity": lambda root, body: (
        f'<!DOCTYPE {root} [<!ENTITY a "&b;"><!ENTITY b "&a;">]><{root}>{body.replace("</", "&a;</", 1)}</{root}>'),
    "a character that is none": in_first("&#0;"), "a control character": in_first("\x01"), "NUL": in_first("\0"),
    "half a surrogate": in_first("&#xD800;"), "a number beyond Unicode": in_first("&#99999999999;"),
    "another root": lambda root, body: f"<Other>{body}</Other>",
    "the root twice": lambda root, body: f"<{root}>{body}</{root}><{root}>{body}</{root}>",
    "the root in itself": lambda root, body: f"<{root}><{root}>{body}</{root}></{root}>",
    "the root in other letters": lambda root, body: f"<{root.lower()}>{body}</{root.lower()}>",
    "text before": around(before="x"), "text behind": around(after="x"),
    "no end": lambda root, body: f"<{root}>{body}", "half an end": lambda root, body: f"<{root}>{body}</{root}",
    "crossed ends": lambda root, body: f"<{root}>{body[:-1]}</{root}>",
    "only a declaration": lambda root, body: "<?xml version='1.0'?>",
    "a declaration that comes late": lambda root, body: f"<{root}><?xml version='1.0'?>{body}</{root}>",
    "an attribute twice": lambda root, body: f"<{root} a='1' a='2'>{body}</{root}>",
    "an attribute without quotes": lambda root, body: f"<{root} a=1>{body}</{root}>",
    "JSON": lambda root, body: '{"Objects": []}', "deep": lambda root, body: f"<{root}>{'<a>' * 100_000}",
    "deep in an element": lambda root, body: f"<{root}>{body.replace('</', '<a>' * 200 + '</a>' * 200 + '</', 1)}</{root}>",
    "a comment that does not end": lambda root, body: f"<{root}><!-- {'x' * 400_000}",
    "a long attribute": lambda root, body: f"<{root} a='{'x' * 400_000}'>{body}</{root}>",
    "a long name": lambda root, body: f"<{root}><{'x' * 400_000}/>{body}</{root}>",
    "many attributes": lambda root, body: f"<{root} {many('a')}>{body}</{root}>",
    "many namespaces": lambda root, body: f"<{root} {many('xmlns:a')}>{body}</{root}>",
}
BYTES = {
    "invalid UTF-8": lambda root, body: f"<{root}>{body}</{root}>".encode().replace(b"</", b"\xff</", 1),
    "an overlong slash": lambda root, body: f"<{root}>{body}</{root}>".encode().replace(b"</", b"\xc0\xaf</", 1),
    "half a character": lambda root, body: f"<{root}>{body}</{root}>".encode().replace(b"</", b"\xe4</", 1),
    "a surrogate in UTF-8": lambda root, body: f"<{root}>{body}</{root}>".encode().replace(b"</", b"\xed\xa0\x80</", 1),
    "UTF-32": lambda root, body: f"<{root}>{body}</{root}>".encode("utf-32"),
    "compressed": lambda root, body: b"\x1f\x8b\x08\0\0\0\0\0" + bytes(100),
    "zeros": lambda root, body: bytes(1000),
}


@pytest.mark.parametrize("name", [*DOCUMENTS, *BYTES])
def test_what_is_no_document_is_refused_as_such(stack, key, operation, name):
    scene = Scene(stack, key)
    body = operation.body(scene)
    text = BYTES[name](operation.root, body) if name in BYTES else DOCUMENTS[name](operation.root, body).encode()
    answer = scene.send(operation, text)
    assert answer is not None and (answer.status, answer.code) == (400, "MalformedXML"), answer
    scene.untouched()


# (operation, honest text, what it becomes, code)
ELEMENTS = [
    ("DeleteObjects", "</Key>", "</Key><Key>other</Key>", "MalformedXML"),
    ("DeleteObjects", "</Key>", "</Key><VersionId>1</VersionId><VersionId>null</VersionId>", "MalformedXML"),
    ("DeleteObjects", "</Key>", "</Key><ETag>a</ETag><ETag>b</ETag>", "MalformedXML"),
    ("DeleteObjects", "<Object>.*</Object>", "", "MalformedXML"),
    ("DeleteObjects", "<Key>.*</Key>", "", "MalformedXML"),
    ("DeleteObjects", "(<Object>.*</Object>)", r"\1" * 1001, "MalformedXML"),
    ("CompleteMultipartUpload", "</PartNumber>", "</PartNumber><PartNumber>1</PartNumber>", "MalformedXML"),
    ("CompleteMultipartUpload", "(<ETag>.*</ETag>)", r"\1\1", "MalformedXML"),
    ("CompleteMultipartUpload", "<ETag>.*</ETag>", "", "MalformedXML"),
    ("CompleteMultipartUpload", "<Part>.*</Part>", "", "MalformedXML"),
    ("CompleteMultipartUpload", "(<Part>.*</Part>)", r"<Part><PartNumber>2</PartNumber><ETag>a</ETag></Part>\1",
     "InvalidPartOrder"),
    *[("CompleteMultipartUpload", "<PartNumber>1<", f"<PartNumber>{number}<", "MalformedXML")
      for number in ("0", "-1", "+1", "1.0", "1e0", "0x1", "10001", "4294967297", "18446744073709551617", "9" * 1000, "", "one",
                     "\u0661")],
    ("CompleteMultipartUpload", "<PartNumber>1<", "<PartNumber>2<", "InvalidPart"),
    ("CompleteMultipartUpload", "<ETag>.", "<ETag>_", "InvalidPart"),
    ("CompleteMultipartUpload", "<ETag>", "<ETag>" + "a" * 2000, "MalformedXML"),
    ("CreateBucket", "(<Loc.*)", r"\1\1", "MalformedXML"),
    ("CreateBucket", "Loc[^>]*>", "Other>", "MalformedXML"),
    ("PutObjectTagging", "(<TagSet>.*</TagSet>)", r"\1\1", "MalformedXML"),
    ("PutObjectTagging", "(<Tag>.*</Tag>)", r"\1\1", "InvalidTag"),
    ("PutObjectTagging", "(<Key>.*</Key>)", r"\1\1", "MalformedXML"),
    ("PutObjectTagging", "(<Value>.*</Value>)", r"\1\1", "MalformedXML"),
    ("PutObjectTagging", "<Value>.*</Value>", "", "MalformedXML"),
    ("PutObjectTagging", "<Key>a", "<Key>" + "a" * 129, "InvalidTag"),
    ("PutObjectTagging", "<Value>b", "<Value>" + "b" * 5000, "InvalidTag"),
    ("PutObjectAcl", "(<AccessControlList>.*</AccessControlList>)", r"\1\1", "MalformedXML"),
    ("PutObjectAcl", "(<Grant>.*</Grant>)",
     r"\1<Grant><Grantee><URI>all</URI></Grantee><Permission>READ</Permission></Grant>", "NotImplemented"),
    ("PutObjectAcl", "FULL_CONTROL", "READ", "NotImplemented"),
    ("PutBucketAcl", "<AccessControlList>.*</AccessControlList>", "", "MalformedXML"),
]


@pytest.mark.parametrize("case", range(len(ELEMENTS)), ids=[f"{c[0]}: {c[1][:30]} {c[2][:30]}" for c in ELEMENTS])
def test_elements_are_read_in_one_way_only(stack, key, case):
    name, old, new, code = ELEMENTS[case]
    scene = Scene(stack, key)
    operation = OPERATIONS[name]
    honest = f"<{operation.root}>{operation.body(scene)}</{operation.root}>"
    changed = re.sub(old, new, honest)
    assert changed != honest
    answer = scene.send(operation, changed.encode())
    assert answer.code == code and answer.status == (501 if code == "NotImplemented" else 400), answer
    scene.untouched()


def test_nothing_outside_is_asked_for(stack, key, operation, tmp_path):
    """External entities and document types: no file is read, no address asked."""
    scene = Scene(stack, key)
    secret = tmp_path / "secret"
    secret.write_text("this must not be told")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        outside = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        for address in (f"file://{secret}", str(secret), outside):
            root, body = operation.root, operation.body(scene).replace("</", "&e;</", 1)
            for text in (f'<!DOCTYPE {root} [<!ENTITY e SYSTEM "{address}">]><{root}>{body}</{root}>',
                         f'<!DOCTYPE {root} [<!ENTITY % p SYSTEM "{address}"> %p;]><{root}>{body}</{root}>',
                         f'<!DOCTYPE {root} SYSTEM "{address}"><{root}>{body}</{root}>',
                         f'<{root} xmlns:xi="http://www.w3.org/2001/XInclude">{body}<xi:include href="{address}"/></{root}>',
                         f'<?xml-stylesheet href="{address}"?><{root}>{body}</{root}>'):
                answer = scene.send(operation, text.encode())
                assert (answer.status, answer.code) == (400, "MalformedXML"), answer
                assert b"must not be told" not in answer.body
        with pytest.raises(BlockingIOError):
            listener.accept()
    scene.untouched()


# --- size and memory ----------------------------------------------------------------------------------------

def test_ten_megabytes_are_refused_before_they_are_read(stack, key, operation):
    scene = Scene(stack, key)
    text = f"<{operation.root}>{' ' * BIG}{operation.body(scene)}</{operation.root}>".encode()
    with Wire(stack.endpoint) as wire:
        scene.send(operation, text[:1000], wire, declared=len(text))
        answer = wire.response("PUT")
        assert (answer.status, answer.code) == (400, "MalformedXML"), answer
        assert wire.closed()
    answer = scene.send(operation, text)
    assert answer is None or answer.code == "MalformedXML", answer  # a reset while we still send may swallow it
    scene.untouched()


@pytest.mark.parametrize("query", ["cors", "policy", "lifecycle", "replication", "website", "notification", "encryption"])
def test_ten_megabytes_for_what_is_not_here(stack, query):
    head = stack.signer.head("PUT", "/media", f"{query}=", {"content-length": str(BIG)})
    with Wire(stack.endpoint) as wire:
        wire.try_send(head + b"<" * 1000)
        answer = wire.response()
        assert (answer.status, answer.code) == (501, "NotImplemented"), answer
        assert wire.closed()


@pytest.fixture
def own(tmp_path, binary, monkeypatch):
    """A stack of the test's own, whose memory nothing else has touched, and without what AddressSanitizer keeps of freed
    memory."""
    monkeypatch.setenv("ASAN_OPTIONS", "quarantine_size_mb=1:thread_local_quarantine_size_kb=64")
    running = Stack.up(tmp_path / "rig")
    yield running
    running.down()


FILLERS = {
    "names": lambda i: f"<n{i}/>", "attributes": lambda i: f"<n a{i}=''/>", "namespaces": lambda i: f"<n xmlns:a{i}='b'/>",
    "text": lambda i: "x" * 100, "elements": lambda i: "<n></n>", "comments": lambda i: "<!-- comment -->",
}


@pytest.mark.parametrize("name", ["DeleteObjects", "CompleteMultipartUpload"])
def test_documents_that_do_not_end_hold_little(own, key, name):
    """Twenty of each kind, all but their last byte, at a time: these two read while the document comes."""
    operation, scene = OPERATIONS[name], Scene(own, key)
    inner = {"DeleteObjects": "Object", "CompleteMultipartUpload": "Part"}[name]
    before = peak(own)
    connections = []
    try:
        for filler in FILLERS.values():
            start = f"<{operation.root}><{inner}>"
            text = start + "".join(filler(i) for i in range(LIMIT // len(filler(1_000_000))))
            for _ in range(20):
                connections.append(Wire(own.endpoint))
                scene.send(operation, text.encode()[:LIMIT - 1], connections[-1], declared=LIMIT)
        assert own.get(scene.key).body == OLD
        assert grown(own, before) < len(connections) * HELD
    finally:
        for wire in connections:
            wire.reset()
    scene.untouched()
