"""A TLS-terminating proxy in front of a backend that speaks plain http: its certificate, and how it goes wrong, are the
test's to choose."""

import socket
import ssl
import struct
import threading
import urllib.parse

from certificates import tell_cuts

PIECE = 1 << 16


class TlsProxy:
    """Listens on one loopback port for as long as it lives; `present`, `mute`, `plain`, `cut` say how it behaves."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.upstream = None
        self.context = None
        self.cut_after = None
        self.how = "tls"
        self.accepted = self.carried = self.cuts = 0  # connections; bytes to the backend; connections cut off
        self.lock, self.open = threading.Lock(), set()
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()
        self.drop()

    # --- how it behaves from now on; connections that are open are reset ---------------------------------

    def present(self, pair, version=None):
        """Be sound, with this certificate; `version` the only one of TLS."""
        context = tell_cuts(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        context.load_cert_chain(pair.certificate, pair.key)
        if version:
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = version
        self.behave("tls", context)

    def mute(self):
        """Take connections and never say a word."""
        self.behave("mute", self.context)

    def plain(self):
        """Speak plain http where TLS is expected."""
        self.behave("plain", self.context)

    def cut(self, direction, after):
        """End each connection when so many bytes went 'up' (to the backend) or 'down', without close_notify."""
        self.behave("tls", self.context, (direction, after))

    def behave(self, how, context, cut_after=None):
        self.how, self.context, self.cut_after, self.cuts = how, context, cut_after, 0
        self.drop()

    def drop(self):
        with self.lock:
            ending, self.open = self.open, set()
        for sock in ending:
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    # --- connections --------------------------------------------------------------------------------------

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.open.add(sock)
            self.accepted += 1
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        upstream = None
        try:
            if self.how == "mute":
                while sock.recv(PIECE):
                    pass
                return
            if self.how == "plain":
                sock.recv(PIECE)
                sock.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                return
            parts = urllib.parse.urlsplit(self.upstream)
            upstream = socket.create_connection((parts.hostname, parts.port))
            upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            Tunnel(self, sock, upstream).run()
        except OSError:
            pass
        finally:
            with self.lock:
                self.open.discard(sock)
            sock.close()
            if upstream:
                upstream.close()


class Tunnel:
    """Two threads share one TLS object, each direction its own; the lock is held for computing, never for waiting."""

    def __init__(self, proxy, sock, upstream):
        self.proxy, self.sock, self.upstream = proxy, sock, upstream
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = proxy.context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.lock, self.sending = threading.Lock(), threading.Lock()
        self.left = dict([proxy.cut_after]) if proxy.cut_after else {}

    def flush(self):
        with self.sending:
            with self.lock:
                data = self.outgoing.read()
            if data:
                self.sock.sendall(data)

    def step(self, call, *arguments):
        while True:
            try:
                with self.lock:
                    return call(*arguments)
            except ssl.SSLWantReadError:
                self.flush()
                data = self.sock.recv(PIECE)
                with self.lock:
                    if data:
                        self.incoming.write(data)
                    else:
                        self.incoming.write_eof()

    def run(self):
        try:
            self.step(self.tls.do_handshake)
        finally:
            self.flush()  # an alert, too
        down = threading.Thread(target=self.down, daemon=True)
        down.start()
        try:
            while data := self.step(self.tls.read, PIECE):
                self.pass_on("up", data, self.upstream.sendall)
            self.upstream.shutdown(socket.SHUT_WR)
        except OSError:  # cut off on either side: whatever has come so far must not look whole
            self.break_upstream()
        down.join()

    def down(self):
        try:
            while data := self.upstream.recv(PIECE):
                self.pass_on("down", data, self.encrypt)
            with self.lock:
                try:
                    self.tls.unwrap()
                except ssl.SSLWantReadError:
                    pass
            self.flush()
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.break_upstream()

    def encrypt(self, data):
        with self.lock:
            while data:
                data = data[self.tls.write(data):]
        self.flush()

    def pass_on(self, direction, data, onwards):
        room = self.left.get(direction, len(data))
        if direction == "up":
            self.proxy.carried += len(data)
        onwards(data[:room])
        if direction in self.left:
            self.left[direction] -= len(data[:room])
        if room < len(data):
            self.proxy.cuts += 1
            self.sock.shutdown(socket.SHUT_RDWR)  # FIN, and nothing said before it
            raise ConnectionAbortedError("cut")

    def break_upstream(self):
        """Reset it when it is closed: a FIN could make a backend take what it has for the whole."""
        self.upstream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for sock, what in ((self.upstream, socket.SHUT_RD), (self.sock, socket.SHUT_RDWR)):
            try:
                sock.shutdown(what)
            except OSError:
                pass
