"""An S3 server in memory that misbehaves on command. Standard library only, one thread per connection.

Left alone it is an honest, strict backend: PUT (plain or aws-chunked; Content-MD5, SHA-256, CRC headers and
trailers are verified), CopyObject (REPLACE, with If-Match on the source), GET with one Range and If-Match, HEAD,
DELETE, buckets. Signatures are not looked at.

    with HostileBackend() as backend:
        backend.script(Fault("reset", at="body", after=1000, method="PUT", times=1))
        ... backend.endpoint goes into the gateway's configuration ...
        backend.requests      # what came in: method, path, headers, outcome
        backend.refuse()      # connection refused from now on; accept() ends it

A Fault is one way to go wrong, for the requests it matches. `at` is the moment:
    head    the request's head has been read, nothing of its body
    body    `after` bytes of the body have been read
    answer  the request has been read whole; with store=True it has taken effect
    reply   (GET) `after` bytes of the answer's body have been sent
and `what` the deed:
    reset   the connection is reset           close   it is closed in order
    stall   nothing more is read or sent, until release() or the peer goes away
    hold    as stall, but on release() the request goes on as if nothing had been
    status  `status` is answered, as an <Error> document
    error200  200 with an <Error> document as its body
    raw     the bytes in `raw`, then the connection is closed in order
    flood   the bytes in `raw` over and over, until the peer goes away
    garbage bytes that are not HTTP           wrong_etag   an ETag that is not this body's
    damage  what is stored differs from what came, and so does the ETag
"""

import base64
import dataclasses
import email.utils
import hashlib
import re
import socket
import struct
import threading
import time
import urllib.parse
import zlib

from hostile_list import by_bytes, list_objects

KEPT = ("content-type", "content-disposition", "content-language", "content-encoding", "cache-control", "expires")


class Gone(Exception):
    """The connection is of no further use."""


@dataclasses.dataclass
class Fault:
    what: str
    at: str = "answer"
    method: str | None = None
    key: str | None = None
    header: tuple | None = None  # (name, value) the request must carry; value None: any
    after: int = 0
    status: int = 500
    code: str = "InternalError"
    store: bool = False
    raw: bytes = b""
    times: int | None = None     # None: every time
    hits: int = 0

    def __post_init__(self):
        self.reached = threading.Event()
        self.released = threading.Event()

    def matches(self, request):
        return ((self.times is None or self.hits < self.times)
                and self.method in (None, request.method)
                and self.key in (None, request.key)
                and (self.header is None or (self.header[0] in request.headers
                                             and self.header[1] in (None, request.headers[self.header[0]]))))

    def release(self):
        self.released.set()


@dataclasses.dataclass
class Request:
    method: str
    path: str
    query: str
    headers: dict
    outcome: str = "open"
    body_bytes: int = 0

    @property
    def bucket(self):
        return urllib.parse.unquote(self.path).lstrip("/").partition("/")[0]

    @property
    def key(self):
        return urllib.parse.unquote(self.path).lstrip("/").partition("/")[2]


@dataclasses.dataclass
class Stored:
    body: bytes
    headers: dict
    etag: str
    modified: float


def _table(polynomial, bits):
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (polynomial if byte & 1 else 0)
        table.append(byte)
    return table, (1 << bits) - 1


CRC32C = _table(0x82F63B78, 32)
CRC64NVME = _table(0x9A6C9329AC4BC9B5, 64)


def reflected_crc(kind, data):
    table, mask = kind
    crc = mask
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ mask


CHECKSUMS = {
    "x-amz-checksum-crc32": lambda data: struct.pack(">I", zlib.crc32(data)),
    "x-amz-checksum-crc32c": lambda data: struct.pack(">I", reflected_crc(CRC32C, data)),
    "x-amz-checksum-crc64nvme": lambda data: struct.pack(">Q", reflected_crc(CRC64NVME, data)),
    "x-amz-checksum-sha1": lambda data: hashlib.sha1(data).digest(),
    "x-amz-checksum-sha256": lambda data: hashlib.sha256(data).digest(),
}


class HostileBackend:
    access_key, secret_key = "hostile", "hostile-secret"

    def __init__(self):
        self.buckets = {}     # name -> {key: Stored}
        self.requests = []    # every request whose head arrived
        self.problems = []    # what an honest client must never do, as text
        self.faults = []
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.listener = None
        self.order = by_bytes  # of its listings
        self.connections = set()
        self.port = 0
        self.accept()

    endpoint = property(lambda self: f"http://127.0.0.1:{self.port}")
    # For tools/rig up --backends: keys included.
    url = property(lambda self: f"http://{self.access_key}:{self.secret_key}@127.0.0.1:{self.port}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # --- what a test says -----------------------------------------------------------------------------

    def script(self, *faults):
        with self.lock:
            self.faults += faults
        return faults[0]

    def behave(self):
        """Forget all faults and let go of everything that stalls."""
        with self.lock:
            faults, self.faults = self.faults, []
        for fault in faults:
            fault.release()

    def accept(self):
        """Listen, on the same port as before."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(64)
        self.port = listener.getsockname()[1]
        self.listener = listener
        threading.Thread(target=self._accept_loop, args=(listener,), daemon=True).start()

    def refuse(self):
        """As a server that is not running: new connections are refused, old ones reset."""
        listener, self.listener = self.listener, None
        if listener:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self.lock:
            connections = list(self.connections)
        for connection in connections:
            connection.reset()

    def close(self):
        self.closing.set()
        self.behave()
        self.refuse()

    def count(self, method, key=None, outcome=None):
        with self.lock:
            return sum(1 for r in self.requests if r.method == method and key in (None, r.key)
                       and outcome in (None, r.outcome))

    def stored(self, bucket, key):
        with self.lock:
            return self.buckets.get(bucket, {}).get(key)

    # --- serving --------------------------------------------------------------------------------------

    def _accept_loop(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            connection = Connection(self, sock)
            with self.lock:
                self.connections.add(connection)
            threading.Thread(target=connection.serve, daemon=True).start()

    def find_fault(self, request, moment):
        with self.lock:
            for fault in self.faults:
                if fault.at == moment and fault.matches(request):
                    fault.hits += 1
                    return fault
        return None


class Connection:
    def __init__(self, backend, sock):
        self.backend, self.sock = backend, sock
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""

    def reset(self):
        """RST instead of FIN: what was not sent is dropped."""
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.sock.shutdown(socket.SHUT_RD)
        except OSError:
            pass
        self.sock.close()

    def serve(self):
        try:
            while not self.backend.closing.is_set():
                request = self.read_head()
                if request is None:
                    break
                with self.backend.lock:
                    self.backend.requests.append(request)
                self.handle(request)
        except (OSError, Gone, ValueError):
            pass
        finally:
            with self.backend.lock:
                self.backend.connections.discard(self)
            self.sock.close()

    def read_head(self):
        while b"\r\n\r\n" not in self.pending:
            if len(self.pending) > 65536 or not self.more():
                return None
        head, _, self.pending = self.pending.partition(b"\r\n\r\n")
        first, *lines = head.decode("utf-8", "surrogateescape").split("\r\n")
        method, target, _ = first.split(" ")
        path, _, query = target.partition("?")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return Request(method, path, query, headers)

    def more(self):
        data = self.sock.recv(65536)
        self.pending += data
        return bool(data)

    def take(self, count):
        while len(self.pending) < count:
            if not self.more():
                raise Gone()
        data, self.pending = self.pending[:count], self.pending[count:]
        return data

    def take_line(self):
        while b"\r\n" not in self.pending:
            if not self.more():
                raise Gone()
        line, _, self.pending = self.pending.partition(b"\r\n")
        return line

    # --- one request ----------------------------------------------------------------------------------

    def handle(self, request):
        self.misbehave(request, "head")
        if request.headers.get("expect", "").lower() == "100-continue":
            self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body, trailers = self.read_body(request)
        request.body_bytes = len(body)
        fault = self.backend.find_fault(request, "answer")
        if fault and fault.what == "hold":
            self.hold(fault)
            fault = None
        if not fault:
            self.answer(request, *self.operate(request, body, trailers))
            return
        if fault.what == "damage":
            body = bytes([body[0] ^ 1]) + body[1:] if body else b"damaged"
            self.answer(request, *self.operate(request, body, trailers, verify=False))
        elif fault.what == "wrong_etag":
            status, headers, out = self.operate(request, body, trailers)
            self.answer(request, status, {**headers, "etag": '"' + "0" * 32 + '"'}, out)
        else:
            if fault.store:
                self.operate(request, body, trailers)
            self.do(fault, request)

    def misbehave(self, request, moment):
        fault = self.backend.find_fault(request, moment)
        if fault and fault.what == "hold":
            self.hold(fault)
        elif fault:
            self.do(fault, request)

    def hold(self, fault):
        fault.reached.set()
        while not fault.released.wait(0.05):
            if self.backend.closing.is_set():
                raise Gone()

    def do(self, fault, request):
        """Go wrong; the connection ends here, except after a whole answer to a whole request."""
        request.outcome = fault.what
        fault.reached.set()
        if fault.what == "reset":
            self.reset()
        elif fault.what == "stall":
            self.hold(fault)
            self.reset()
        elif fault.what == "garbage":
            self.sock.sendall(b"\x16\x03\x01 this is not HTTP\r\n\r\n\0\0\0" * 10)
        elif fault.what == "raw":
            self.sock.sendall(fault.raw)
        elif fault.what == "flood":
            while True:
                self.sock.sendall(fault.raw)
        elif fault.what in ("status", "error200"):
            status = 200 if fault.what == "error200" else fault.status
            early = fault.at != "answer"
            self.answer(request, status, {"connection": "close"} if early else {}, error(fault.code))
            if not early:
                return
            self.linger()
        raise Gone()

    def linger(self):
        """After an early answer: read off what is still coming, so that the answer is not lost to a reset."""
        self.sock.shutdown(socket.SHUT_WR)
        self.sock.settimeout(5)
        while self.sock.recv(65536):
            pass

    def answer(self, request, status, headers, body):
        if request.outcome == "open":
            request.outcome = str(status)
        head = {"content-length": len(body), "date": email.utils.formatdate(usegmt=True), **headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        self.sock.sendall(f"HTTP/1.1 {status} Reason\r\n{lines}\r\n".encode("utf-8", "surrogateescape"))
        if request.method == "HEAD" or status in (204, 304):
            return
        fault = self.backend.find_fault(request, "reply") if status in (200, 206) else None
        if fault:
            self.sock.sendall(body[:fault.after])
            if fault.what == "hold":
                self.hold(fault)
                self.sock.sendall(body[fault.after:])
                return
            self.do(fault, request)
        self.sock.sendall(body)

    # --- bodies ---------------------------------------------------------------------------------------

    def read_body(self, request):
        """The decoded body and the trailers; a fault at `body` strikes after its number of bytes."""
        fault = self.backend.find_fault(request, "body")
        limit = fault.after if fault else None
        if request.headers.get("x-amz-content-sha256", "").startswith("STREAMING-"):
            body, trailers = self.read_chunks(limit)
            wanted = request.headers.get("x-amz-decoded-content-length")
            if wanted is None or (limit is None and int(wanted) != len(body)):
                self.backend.problems.append(f"{request.path}: decoded length {wanted}, got {len(body)}")
        else:
            length = int(request.headers.get("content-length", "0"))
            body, trailers = self.take(length if limit is None else min(limit, length)), {}
        if fault:
            if fault.what == "hold":
                raise ValueError("hold works at head, answer and reply")
            self.do(fault, request)
        return body, trailers

    def read_chunks(self, limit):
        """aws-chunked with unsigned chunks; stops early once `limit` bytes are there."""
        parts, total, trailers = [], 0, {}
        while True:
            line = self.take_line()
            if not re.fullmatch(rb"[0-9a-fA-F]+(;.*)?", line):
                self.backend.problems.append(f"bad chunk header {line[:40]!r}")
                raise Gone()
            size = int(line.partition(b";")[0], 16)
            if size == 0:
                break
            if limit is not None and total + size >= limit:
                parts.append(self.take(limit - total))
                return b"".join(parts), trailers
            parts.append(self.take(size))
            total += size
            if self.take(2) != b"\r\n":
                self.backend.problems.append("a chunk does not end with CRLF")
                raise Gone()
        while line := self.take_line():
            name, _, value = line.decode().partition(":")
            trailers[name.lower()] = value.strip()
        return b"".join(parts), trailers

    def verify(self, request, body, trailers):
        """The S3 error code that the body deserves, None when it is right."""
        headers = {**request.headers, **trailers}
        announced = request.headers.get("x-amz-trailer")
        if announced and announced not in trailers:
            return "MalformedTrailerError"
        md5 = headers.get("content-md5")
        if md5 and base64.b64decode(md5) != hashlib.md5(body).digest():
            return "BadDigest"
        declared = headers.get("x-amz-content-sha256", "")
        if re.fullmatch("[0-9a-f]{64}", declared) and declared != hashlib.sha256(body).hexdigest():
            return "XAmzContentSHA256Mismatch"
        for name, digest in CHECKSUMS.items():
            if name in headers and headers[name] != base64.b64encode(digest(body)).decode():
                return "BadDigest"
        return None

    # --- operations -----------------------------------------------------------------------------------

    def operate(self, request, body, trailers, verify=True):
        """Carry the request out; (status, headers, body)."""
        with self.backend.lock:
            if not request.bucket:
                return 200, {"content-type": "application/xml"}, list_buckets(self.backend.buckets)
            if not request.key:
                return self.operate_bucket(request)
            objects = self.backend.buckets.get(request.bucket)
            if objects is None:
                return 404, {}, error("NoSuchBucket")
            if request.method == "PUT":
                wrong = self.verify(request, body, trailers) if verify else None
                if wrong:
                    return 400, {}, error(wrong)
                kept = {n: v for n, v in request.headers.items() if n in KEPT or n.startswith("x-amz-meta-")}
                if "x-amz-copy-source" in request.headers:
                    return self.copy(request, objects, kept)
                etag = f'"{hashlib.md5(body).hexdigest()}"'
                objects[request.key] = Stored(body, kept, etag, time.time())
                return 200, {"etag": etag}, b""
            if request.method == "DELETE":
                objects.pop(request.key, None)
                return 204, {}, b""
            if request.method in ("GET", "HEAD"):
                return show(request, objects.get(request.key))
            return 501, {}, error("NotImplemented")

    def copy(self, request, objects, kept):
        if body := request.body_bytes:
            self.backend.problems.append(f"{request.path}: a copy with a body of {body} bytes")
        bucket, _, key = urllib.parse.unquote(request.headers["x-amz-copy-source"]).lstrip("/").partition("/")
        source = self.backend.buckets.get(bucket, {}).get(key)
        if source is None:
            return 404, {}, error("NoSuchKey")
        if request.headers.get("x-amz-copy-source-if-match", source.etag) != source.etag:
            return 412, {}, error("PreconditionFailed")
        objects[request.key] = Stored(source.body, kept, source.etag, time.time())
        return 200, {}, f"<CopyObjectResult><ETag>{source.etag}</ETag></CopyObjectResult>".encode()

    def operate_bucket(self, request):
        buckets = self.backend.buckets
        if request.method == "PUT":
            buckets.setdefault(request.bucket, {})
            return 200, {}, b""
        if request.bucket not in buckets:
            return 404, {}, error("NoSuchBucket")
        if request.method == "DELETE":
            if buckets[request.bucket]:
                return 409, {}, error("BucketNotEmpty")
            del buckets[request.bucket]
            return 204, {}, b""
        return 200, {"content-type": "application/xml"}, list_objects(request.bucket, buckets[request.bucket],
                                                                      request.query, self.backend.order)


def error(code):
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>on command</Message></Error>' \
        .encode()


def list_buckets(buckets):
    inside = "".join(f"<Bucket><Name>{name}</Name></Bucket>" for name in sorted(buckets))
    return f"<ListAllMyBucketsResult><Buckets>{inside}</Buckets></ListAllMyBucketsResult>".encode()


def show(request, stored):
    """GET and HEAD."""
    if stored is None:
        return 404, {}, error("NoSuchKey")
    headers = {**stored.headers, "etag": stored.etag, "accept-ranges": "bytes",
               "last-modified": email.utils.formatdate(stored.modified, usegmt=True)}
    if request.headers.get("if-match", stored.etag).strip('"') != stored.etag.strip('"'):
        return 412, {}, error("PreconditionFailed")
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("range", ""))
    body, size = stored.body, len(stored.body)
    if not found or (not found[1] and not found[2]):
        if request.method == "HEAD":
            headers["content-length"] = size
        return 200, headers, body
    first = int(found[1]) if found[1] else max(0, size - int(found[2]))
    last = min(int(found[2]), size - 1) if found[1] and found[2] else size - 1
    if first >= size or first > last:
        return 416, {"content-range": f"bytes */{size}"}, error("InvalidRange")
    headers["content-range"] = f"bytes {first}-{last}/{size}"
    if request.method == "HEAD":
        headers["content-length"] = last - first + 1
    return 206, headers, body[first:last + 1]
