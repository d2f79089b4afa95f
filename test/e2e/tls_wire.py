"""TLS over a bare socket: records are made in memory, so that a test can cut, hold back or leave out any byte."""

import ssl

from wire import Wire


class TlsWire(Wire):
    """`ended` says how the peer ended: "close_notify", "cut" (no close_notify before the end), "reset", or its alert."""

    def __init__(self, endpoint, context, name="localhost", shake=True, **options):
        super().__init__(endpoint, **options)
        self.ended = None
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name)
        if shake:
            self.step(self.tls.do_handshake)

    def client_hello(self):
        """The first bytes of a handshake, not sent."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return self.outgoing.read()

    def step(self, call, *arguments):
        while True:
            try:
                return call(*arguments)
            except ssl.SSLWantReadError:
                self.flush()
                data = self.sock.recv(1 << 18)
                if data:
                    self.incoming.write(data)
                else:
                    self.incoming.write_eof()
            finally:
                self.flush()

    def flush(self):
        if self.outgoing.pending:
            self.sock.sendall(self.outgoing.read())

    def records(self, data):
        """`data` as it would go over the wire; not sent."""
        while data:
            data = data[self.tls.write(data):]
        return self.outgoing.read()

    def send(self, data):
        self.sock.sendall(self.records(data))

    def try_send(self, data):
        try:
            self.send(data)
        except OSError:
            pass

    def close_notify(self):
        """No more from our side, said in TLS; the socket stays open. What has come so far is taken in first, because
        OpenSSL looks for the peer's own close_notify at once and wants nothing to lie before it."""
        self.pending += self.rest()
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self.flush()

    def rest(self):
        """What has come already, in as many records as there are."""
        pieces = []
        try:
            while data := self.tls.read(1 << 18):
                pieces.append(data)
        except ssl.SSLError:  # nothing more yet, or an end, which the next read finds again
            pass
        return b"".join(pieces)

    def more(self):
        try:
            data = self.step(self.tls.read, 1 << 18)
            if data:
                data += self.rest()
        except ssl.SSLZeroReturnError:
            data = b""
        except ssl.SSLEOFError:
            self.ended = "cut"
            return False
        except ssl.SSLError as alert:
            self.ended = alert.reason
            return False
        except ConnectionError:
            self.ended = "reset"
            return False
        self.pending += data
        if not data:
            self.ended = "close_notify"
        return bool(data)
