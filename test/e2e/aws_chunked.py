"""aws-chunked uploads by hand: every frame, signature and trailer is the test's to spoil."""

import base64
import copy
import hashlib
import hmac
import zlib

from riglib import sigv4
from wire import head_bytes

UNSIGNED, SIGNED, TRAILING = "unsigned-trailer", "signed", "signed-trailer"
MODES = (UNSIGNED, SIGNED, TRAILING)
LITERALS = {UNSIGNED: "STREAMING-UNSIGNED-PAYLOAD-TRAILER", SIGNED: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            TRAILING: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"}


def _crc_table(polynomial):
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (polynomial if byte & 1 else 0)
        table.append(byte)
    return table


def _crc(body, table, width):
    crc = mask = (1 << width) - 1
    for byte in body:
        crc = crc >> 8 ^ table[(crc ^ byte) & 255]
    return (crc ^ mask).to_bytes(width // 8, "big")


_CRC32C, _CRC64NVME = _crc_table(0x82F63B78), _crc_table(0x9A6C9329AC4BC9B5)
DIGESTS = {
    "crc32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
    "crc32c": lambda body: _crc(body, _CRC32C, 32),
    "crc64nvme": lambda body: _crc(body, _CRC64NVME, 64),
    "sha1": lambda body: hashlib.sha1(body).digest(),
    "sha256": lambda body: hashlib.sha256(body).digest(),
}


def checksum(kind, body):
    return base64.b64encode(DIGESTS[kind](body)).decode()


class Upload:
    """A PUT in frames. `spoil` functions change what is in it before it is printed."""

    def __init__(self, signer, path, body, mode, chunk=65536, kind="crc32", headers=None, transfer_chunked=False):
        self.signer, self.path, self.body, self.mode = signer, path, body, mode
        self.secret = signer.secret_key
        self.kind = None if mode == SIGNED else kind
        self.data = [body[at:at + chunk] for at in range(0, len(body), chunk)] + [b""]
        self.sizes = [f"{len(data):x}" for data in self.data]
        self.trailer = [(f"x-amz-checksum-{kind}", checksum(kind, body))] if self.kind else []
        self.trailer_end = "\r\n"
        self.decoded = len(body)
        self.headers = dict(headers or {})
        self.transfer_chunked = transfer_chunked
        self.after = b""           # behind the end, in Content-Length
        self.declared = None       # Content-Length, when it is not the true one
        # printed, when the signatures are known:
        self.signatures = []
        self.trailer_signature = None
        self.seed = None

    def sign(self):
        """The head, and the chain that begins with its signature."""
        head = {"x-amz-decoded-content-length": str(self.decoded), **self.headers}
        if self.kind:
            head.setdefault("x-amz-trailer", f"x-amz-checksum-{self.kind}")
        signed = self.signer.headers("PUT", self.path, headers=head, payload=LITERALS[self.mode])
        if self.mode == UNSIGNED:
            return signed
        self.seed = self.seed or signed["authorization"].rpartition("Signature=")[2]
        self.stamp = signed["x-amz-date"]
        self.scope = signed["authorization"].partition("Credential=")[2].partition(",")[0].partition("/")[2]
        day, region = self.scope.split("/")[:2]
        self.key = sigv4.signing_key(self.secret, day, region)
        previous = self.seed
        for data in self.data:
            previous = self._link("AWS4-HMAC-SHA256-PAYLOAD", previous, hashlib.sha256(b"").hexdigest(),
                                  hashlib.sha256(data).hexdigest())
            self.signatures.append(previous)
        if self.mode == TRAILING:
            canonical = "".join(f"{name.lower()}:{value}\n" for name, value in self.trailer)
            self.trailer_signature = self._link("AWS4-HMAC-SHA256-TRAILER", previous,
                                                hashlib.sha256(canonical.encode()).hexdigest())
        return signed

    def _link(self, kind, previous, *digests):
        text = "\n".join([kind, self.stamp, self.scope, previous, *digests])
        return hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()

    def frames(self):
        out = []
        for i, (size, data) in enumerate(zip(self.sizes, self.data)):
            extension = f";chunk-signature={self.signatures[i]}" if self.signatures else ""
            out.append(f"{size}{extension}\r\n".encode() + data + (b"\r\n" if data else b""))
        for name, value in self.trailer:
            out.append(f"{name}:{value}{self.trailer_end}".encode())
        if self.trailer_signature:
            out.append(f"x-amz-trailer-signature:{self.trailer_signature}\r\n".encode())
        return out + [b"\r\n"]

    def request(self, before_sign=None, after_sign=None, spoil_frames=None):
        """The bytes on the wire."""
        spoiled = copy.copy(self)
        for name in ("data", "sizes", "trailer", "signatures"):
            setattr(spoiled, name, list(getattr(self, name)))
        if before_sign:
            before_sign(spoiled)
        head = spoiled.sign()
        if after_sign:
            after_sign(spoiled)
        frames = spoiled.frames()
        if spoil_frames:
            frames = spoil_frames(frames)
        body = b"".join(frames) + spoiled.after
        if spoiled.transfer_chunked:
            head["transfer-encoding"] = "chunked"
            pieces = [body[at:at + 10_007] for at in range(0, len(body), 10_007)]
            body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        else:
            head["content-length"] = str(len(body) if spoiled.declared is None else spoiled.declared)
        return head_bytes("PUT", self.path, head) + body
