"""S3 over a bare socket: every byte is the test's to choose."""

import hashlib
import socket
import struct
import urllib.parse

from riglib import sigv4

BODY_LIMIT = 1 << 30


class Response:
    def __init__(self, status, headers, body, complete):
        self.status, self.headers, self.body, self.complete = status, headers, body, complete

    @property
    def code(self):
        """The <Code> of an error document."""
        return self.body.partition(b"<Code>")[2].partition(b"</Code>")[0].decode()

    def __repr__(self):
        return f"Response({self.status}, {self.headers}, {self.body[:300]!r}, complete={self.complete})"


class Wire:
    """One connection to one endpoint; answers are read in order, so that pipelining can be tested."""

    def __init__(self, endpoint, timeout=30):
        parts = urllib.parse.urlsplit(endpoint)
        self.sock = socket.create_connection((parts.hostname, parts.port), timeout=timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def try_send(self, data):
        """Send what the peer takes; it may have ended the connection for good reason."""
        try:
            self.sock.sendall(data)
        except OSError:
            pass

    def finish(self):
        """No more from our side (FIN)."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def more(self):
        try:
            data = self.sock.recv(1 << 18)
        except ConnectionError:
            return False
        self.pending += data
        return bool(data)

    def closed(self):
        """True once the peer has ended the connection and nothing more came before."""
        while self.more():
            pass
        return not self.pending

    def response(self, method="GET"):
        """The next answer (100 Continue included, as an answer of its own); None when the peer ended instead."""
        while b"\r\n\r\n" not in self.pending:
            if not self.more():
                return None
        head, _, self.pending = self.pending.partition(b"\r\n\r\n")
        first, *lines = head.decode("utf-8", "surrogateescape").split("\r\n")
        status = int(first.split(" ")[1])
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if method == "HEAD" or status < 200 or status in (204, 304):
            return Response(status, headers, b"", True)
        if "content-length" in headers:
            want = int(headers["content-length"])
            while len(self.pending) < want and self.more():
                pass
            body, self.pending = self.pending[:want], self.pending[want:]
            return Response(status, headers, body, len(body) == want)
        while self.more():
            pass
        body, self.pending = self.pending, b""
        return Response(status, headers, body, headers.get("connection", "").lower() == "close")


class Signer:
    """Builds signed request heads for one endpoint and key."""

    def __init__(self, endpoint, access_key, secret_key):
        self.endpoint = endpoint
        self.netloc = urllib.parse.urlsplit(endpoint).netloc
        self.access_key, self.secret_key = access_key, secret_key

    def headers(self, method, path, query="", headers=None, payload=sigv4.UNSIGNED, **signing):
        head = {"host": self.netloc, **(headers or {})}
        keys = {"access_key": self.access_key, "secret_key": self.secret_key, **signing}
        return sigv4.sign(method, path, query, head, payload, **keys)

    def head(self, method, path, query="", headers=None, payload=sigv4.UNSIGNED, **signing):
        """The bytes of a signed head, blank line included."""
        return head_bytes(method, path + ("?" + query if query else ""),
                          self.headers(method, path, query, headers, payload, **signing))

    def put(self, path, body, declared=None, headers=None, payload=sigv4.UNSIGNED):
        """Head and body of a PUT; `declared` is the Content-Length to state instead of the true one."""
        length = len(body) if declared is None else declared
        return self.head("PUT", path, headers={"content-length": str(length), **(headers or {})},
                         payload=payload) + body

    def exchange(self, data, method="GET"):
        """Send `data` on a connection of its own and read one answer."""
        with Wire(self.endpoint) as wire:
            wire.try_send(data)
            return wire.response(method)


def head_bytes(method, target, headers):
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("utf-8", "surrogateescape")


def sha256(body):
    return hashlib.sha256(body).hexdigest()
