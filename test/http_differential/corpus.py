"""Streams of HTTP/1.1 bytes, near the border between well-formed and not. Always the same for one seed."""

import random

HEAD = b"PUT /b/k HTTP/1.1\r\nHost: h\r\n"

# What has told parsers apart in the wild (request smuggling), each one alone.
REQUESTS = [
    b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET / HTTP/1.1\nHost: h\n\n",
    HEAD + b"Content-Length: 5\r\n\r\nhello",
    HEAD + b"Content-Length: 5\r\n\r\nhel",
    HEAD + b"Content-Length: 5\r\n\r\nhelloGET /x HTTP/1.1\r\nHost: h\r\n\r\n",
    HEAD + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    HEAD + b"Content-Length: 5, 5\r\n\r\nhello",
    HEAD + b"Content-Length: +5\r\n\r\nhello",
    HEAD + b"Content-Length: 005\r\n\r\nhello",
    HEAD + b"Content-Length: 5 \r\n\r\nhello",
    HEAD + b"Content-Length:5\r\n\r\nhello",
    HEAD + b"Content-Length : 5\r\n\r\nhello",
    HEAD + b"Content-Length\t: 5\r\n\r\nhello",
    HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n",
    HEAD + b"Transfer-Encoding: Chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5;a\nhello\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\rhello\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n X: y\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX y\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\n\n",
    HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    HEAD + b"Transfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello",
    HEAD + b"X: y\r\n Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello",
    HEAD + b"X: y\rTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello",
    HEAD + b"X: y\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello",
    HEAD + b"X: y\x00\r\nContent-Length: 5\r\n\r\nhello",
    HEAD + b"Connection: close\r\n\r\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n",
    HEAD + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
    b"GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET / HTTP/2.0\r\nHost: h\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nbytes",
    b"GET /\xc3\xa4 HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET /a?b=\"<>^`{|}\\ HTTP/1.1\r\nHost: h\r\n\r\n",
]

ANSWERS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\n\r\nto the end",
    b"HTTP/1.0 200 OK\r\n\r\nto the end",
    b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.1 304 No\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 4\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nX: y\r\n z\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 2000 OK\r\n\r\n",
    b"HTTP/1.1 20 OK\r\n\r\n",
    b"HTTP/1.1 200 O\x00K\r\n\r\n",
    b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
]

EOLS = [b"\n", b"\r", b"\r\r\n", b" \r\n", b"\n\r", b"\r\n\r\n", b"", b"\x00\r\n"]
METHODS = [b"get", b"G(T", b"PATCH", b"", b"GET ", b" GET", b"M\xc3\xa9"]
TARGETS = [b"", b"*", b"a", b"http://h/a", b"/a b", b"/\xff", b"/a#f", b"/\x00", b"/\x7f", b"//", b"/%zz", b"/?"]
VERSIONS = [b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1", b"HTTP/1.1 ", b"HTTP/01.1", b"HTTP/1.11", b"HTTP/1", b""]
LENGTHS = [b"+5", b"-5", b"005", b"5,5", b"5, 6", b"0x5", b"5 5", b"", b"5.0", b"1e1", b"99999999999999999999", b"4", b"6",
           b"\t5\t", b"5;", b"\xb95", b"18446744073709551621"]
CODINGS = [b"gzip", b"chunked, chunked", b"gzip, chunked", b"chunked, gzip", b"identity", b"CHUNKED", b" chunked ",
           b"\tchunked\t", b"chunked;q=1", b"\"chunked\"", b"", b"chunked,", b",chunked", b"chun ked", b"chunked\x0b"]
SEPARATORS = [b":", b" : ", b" :", b"\t: ", b":\t", b"=", b"", b":: ", b":\x0b"]
FIELDS = [b"X: y", b"X:", b"X", b": y", b" X: y", b"\tX: y", b"X: y\r\n z", b"X: \x01", b"X: \xff", b"X\x00: y", b"X y: z",
          b"Connection: close", b"Connection: keep-alive", b"Expect: 100-continue", b"Host: other", b"X: \x7f",
          b"Content-Length: 5", b"Transfer-Encoding: chunked", b"X: y\rZ: z", b"X(: y", b"content-length: 7"]
SIZES = [b"05", b"0000000000000000005", b"0x5", b"+5", b" 5", b"5 ", b"5\t", b"5;", b"5;a", b"5;a=b", b"5;a=\"b\"", b"5 ;a", b"5; a",
         b"g", b"", b"5\x00", b"4", b"6", b"5;\n", b"5;a\rb", b"FFFFFFFFFFFFFFFFF", b"5;\x01", b"5.0", b"5,5"]
TRAILERS = [b"X: y\r\n", b" X: y\r\n", b"X\r\n", b": y\r\n", b"X : y\r\n", b"X: \x00\r\n", b"X: y\n", b"X: y\r\n z\r\n", b"Content-Length: 3\r\n",
            b"Transfer-Encoding: gzip\r\n"]
BYTES = b"\x00\x01\t\n\x0b\r \"#(),/0159:;=AZ\\az\x7f\x80\xff"


class Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def pick(self, usual, odd, chance=0.06):
        return self.random.choice(odd) if self.random.random() < chance else usual

    def eol(self):
        return self.pick(b"\r\n", EOLS, 0.015)

    def field(self, name, value):
        return name + self.pick(b": ", SEPARATORS, 0.04) + value + self.eol()

    def chunked(self):
        out = b""
        for _ in range(self.random.randrange(3)):
            out += self.pick(b"5", SIZES, 0.12) + self.eol() + b"hello" + self.eol()
        out += self.pick(b"0", [b"00", b"0;a", b"0 ", b"-0", b"0x0", b""], 0.08) + self.eol()
        if self.random.random() < 0.2:
            out += self.random.choice(TRAILERS)
        return out + self.eol()

    def framed(self, first):
        fields, body = [], b""
        kind = self.random.random()
        if kind < 0.4:
            fields.append(self.field(b"Content-Length", self.pick(b"5", LENGTHS, 0.2)))
            body = b"hello"
        elif kind < 0.8:
            fields.append(self.field(b"Transfer-Encoding", self.pick(b"chunked", CODINGS, 0.2)))
            body = self.chunked()
        while self.random.random() < 0.3:
            fields.append(self.random.choice(FIELDS) + self.eol())
        self.random.shuffle(fields)
        return first + b"".join(fields) + self.eol() + body

    def request(self):
        line = (self.pick(b"PUT", METHODS) + self.pick(b" ", [b"  ", b"\t", b""], 0.03) + self.pick(b"/a", TARGETS) +
                self.pick(b" ", [b"  ", b"\t", b""], 0.03) + self.pick(b"HTTP/1.1", VERSIONS) + self.eol())
        return self.framed(line + self.pick(b"Host: h\r\n", [b"", b"Host: h\r\nHost: h\r\n", b"host:h\r\n"], 0.05))

    def answer(self):
        line = (self.pick(b"HTTP/1.1", VERSIONS) + self.pick(b" ", [b"  ", b"\t", b""], 0.03) +
                self.pick(b"200", [b"204", b"304", b"100", b"103", b"99", b"600", b"2000", b"20", b"2x0", b"", b"404"], 0.2) +
                self.pick(b" OK", [b"", b" ", b"  ", b" \xff", b" \x00", b"\tOK"], 0.1) + self.eol())
        return self.framed(line)

    def bend(self, data):
        """One byte changed, put in or taken out, now and then."""
        if self.random.random() < 0.7 or not data:
            return data
        at = self.random.randrange(len(data))
        byte = bytes([self.random.choice(BYTES)])
        return data[:at] + self.random.choice([byte, byte + data[at:at + 1], b""]) + data[at + 1:]


def requests(count, seed=1):
    m = Maker(seed)
    made = [m.bend(m.request() + (m.request() if m.random.random() < 0.3 else b"")) for _ in range(count)]
    return REQUESTS + made


def answers(count, seed=2):
    m = Maker(seed)
    return ANSWERS + [m.bend(m.answer()) for _ in range(count)]
