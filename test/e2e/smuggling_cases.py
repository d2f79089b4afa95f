"""The published ways to smuggle a request, as tables.

A case is what stands between the signed lines of a PUT and the end of its body, with the hidden request in it, and what a
server must make of it: REFUSED, with the connection ended, or ONE request, whole, after which the next one is
answered. Placeholders: %(hidden)s a whole request for a path that nobody asks for; %(n)d the length of the body as
printed, %(h)d and %(h)x that of the hidden request, %(content)s what a good client would send, %(c)x its length.

Sources: Linhart et al. 2005; Kettle, "HTTP Desync Attacks" 2019 and "HTTP/1.1 must die" 2025; PortSwigger's
http-request-smuggler; the chunk extension cases (TERM.EXT, EXT.TERM, TERM.SPILL, SPILL.TERM) of 2025; RFC 9112 section 11.2.
"""

REFUSED, ONE = "refused", "one"

HIDDEN = b"%(hidden)s"
CHUNKED = b"0\r\n\r\n" + HIDDEN                   # ends at once for who believes chunked
LENGTHY = b"%(h)x\r\n" + HIDDEN + b"\r\n0\r\n\r\n"  # begins a request at once for who believes a short length
ALL, SHORT = b"Content-Length: %(n)d", b"Content-Length: 4"
TE = b"Transfer-Encoding: chunked"


class Case:
    def __init__(self, *lines, body=CHUNKED, verdict=REFUSED, method="PUT", version=b"HTTP/1.1", first=None, signed=True):
        self.lines, self.body, self.verdict = lines, body, verdict
        self.method, self.version, self.first, self.signed = method, version, first, signed


def obscured(line):
    """A Transfer-Encoding that one side may take for one and the other not: with a length that covers everything, with
    one that ends early, and alone."""
    return {"all": Case(ALL, line), "short": Case(SHORT, line, body=LENGTHY), "alone": Case(line)}


OBSCURED = {
    "x before": b"Transfer-Encoding: xchunked",
    "x behind": b"Transfer-Encoding: chunkedx",
    "space before colon": b"Transfer-Encoding : chunked",
    "tab before colon": b"Transfer-Encoding\t: chunked",
    "tab before value": b"Transfer-Encoding:\tchunked",
    "tab behind value": b"Transfer-Encoding: chunked\t",
    "space before name": b" Transfer-Encoding: chunked",
    "tab before name": b"\tTransfer-Encoding: chunked",
    "vertical tab": b"Transfer-Encoding:\x0bchunked",
    "vertical tab behind": b"Transfer-Encoding: chunked\x0b",
    "form feed": b"Transfer-Encoding: \x0cchunked",
    "NUL behind": b"Transfer-Encoding: chunked\0",
    "NUL in name": b"Transfer-Encoding\0: chunked",
    "NBSP": b"Transfer-Encoding: \xa0chunked",
    "NBSP behind": b"Transfer-Encoding: chunked\xa0",
    "DEL": b"Transfer-Encoding: chunked\x7f",
    "twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "then another": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
    "another first": b"Transfer-Encoding: x\r\n" + TE,
    "then identity": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "identity first": b"Transfer-Encoding: identity\r\n" + TE,
    "identity": b"Transfer-Encoding: identity",
    "list with identity": b"Transfer-Encoding: identity, chunked",
    "list ending otherwise": b"Transfer-Encoding: chunked, identity",
    "list of two": b"Transfer-Encoding: chunked, chunked",
    "gzip, chunked": b"Transfer-Encoding: gzip, chunked",
    "comma behind": b"Transfer-Encoding: chunked,",
    "comma before": b"Transfer-Encoding: ,chunked",
    "parameter": b"Transfer-Encoding: chunked;q=1",
    "quoted": b'Transfer-Encoding: "chunked"',
    "single quotes": b"Transfer-Encoding: 'chunked'",
    "empty": b"Transfer-Encoding:",
    "split word": b"Transfer-Encoding: chu nked",
    "folded value": b"Transfer-Encoding:\r\n chunked",
    "folded in the word": b"Transfer-Encoding: chun\r\n ked",
    "folded name": b"Transfer-Encoding\r\n : chunked",
    "bare LF before": b"X: x\nTransfer-Encoding: chunked",
    "bare CR before": b"X: x\rTransfer-Encoding: chunked",
    "two CR before": b"X: x\r\r\nTransfer-Encoding: chunked",
    "bare LF behind": b"Transfer-Encoding: chunked\nX: x",
    "empty name": b": x\r\n" + TE,
    "no colon": b"x\r\n" + TE,
    "semicolon in name": b"Transfer-Encoding;: chunked",
    "colon twice": b"Transfer-Encoding:: chunked",
    "high byte in name": b"Transfer-Encoding\xff: chunked",
    "brackets in name": b"(Transfer-Encoding): chunked",
    "backslash": b"Transfer-Encoding\\: chunked",
}

LENGTHS = {
    "two that differ": Case(ALL, SHORT, body=LENGTHY),
    "two that differ, short first": Case(SHORT, ALL, body=LENGTHY),
    "two that agree": Case(ALL, ALL),
    "list that agrees": Case(b"Content-Length: %(n)d, %(n)d"),
    "list that differs": Case(b"Content-Length: %(n)d, 0"),
    "list, zero first": Case(b"Content-Length: 0,%(n)d"),
    "two numbers": Case(b"Content-Length: 0 %(n)d"),
    "plus": Case(b"Content-Length: +%(n)d"),
    "minus": Case(b"Content-Length: -%(n)d"),
    "hex": Case(b"Content-Length: 0x%(n)x"),
    "float": Case(b"Content-Length: %(n)d.0"),
    "exponent": Case(b"Content-Length: 1e2"),
    "underscore": Case(b"Content-Length: 1_0"),
    "comma behind": Case(b"Content-Length: %(n)d,"),
    "semicolon": Case(b"Content-Length: %(n)d;"),
    "quoted": Case(b'Content-Length: "%(n)d"'),
    "empty": Case(b"Content-Length:"),
    "NUL behind": Case(b"Content-Length: %(n)d\0"),
    "vertical tab": Case(b"Content-Length: \x0b%(n)d"),
    "tab": Case(b"Content-Length:\t%(n)d"),
    "NBSP": Case(b"Content-Length: \xa0%(n)d"),
    "beyond 64 bits": Case(b"Content-Length: 18446744073709551620"),
    "2^63": Case(b"Content-Length: 9223372036854775808"),
    "2^32 more": Case(b"Content-Length: 4294967296000000000000"),
    "space before colon": Case(b"Content-Length : %(n)d"),
    "space before name": Case(b" Content-Length: %(n)d"),
    "NUL in name": Case(b"Content-Length\0: %(n)d"),
    "folded": Case(b"Content-Length:\r\n %(n)d"),
    "folded behind": Case(ALL + b"\r\n 0"),
    "bare LF before": Case(b"X: x\nContent-Length: %(n)d"),
    "bare CR before": Case(b"X: x\rContent-Length: %(n)d"),
    "other digits": Case("Content-Length: \u0661\u0662".encode()),
    # The same in every reading: an octal one would not be Content-Length.
    "zeros before": Case(b"Content-Length: 000%(n)d", verdict=ONE),
    # Other names: they say nothing about the frame.
    "underscore in name": Case(ALL, b"Content_Length: 0", verdict=ONE),
    "X-Content-Length": Case(ALL, b"X-Content-Length: 0", verdict=ONE),
    "Transfer_Encoding": Case(ALL, b"Transfer_Encoding: chunked", verdict=ONE),
    "Content-Encoding": Case(ALL, b"Content-Encoding: chunked", verdict=ONE),
    "TE": Case(ALL, b"TE: chunked", verdict=ONE),
    # A hop is asked to drop what frames the message.
    "Connection names the length": Case(ALL, b"Connection: Content-Length", verdict=ONE),
    "Connection names the coding": Case(TE, b"Connection: Transfer-Encoding", body=LENGTHY, verdict=ONE),
    "Keep-Alive names the length": Case(ALL, b"Keep-Alive: Content-Length", verdict=ONE),
}

BOTH = {
    "CL.TE": Case(ALL, TE),
    "CL.TE, coding first": Case(TE, ALL),
    "TE.CL": Case(TE, SHORT, body=LENGTHY),
    "TE.CL, length first": Case(SHORT, TE, body=LENGTHY),
    "CL 0 and TE": Case(b"Content-Length: 0", TE, body=LENGTHY),
    "TE and an empty CL": Case(TE, b"Content-Length:", body=LENGTHY),
    "TE and a negative CL": Case(TE, b"Content-Length: -1", body=LENGTHY),
    "TE in HTTP/1.0": Case(TE, version=b"HTTP/1.0"),
    "CL.TE in HTTP/1.0": Case(ALL, TE, version=b"HTTP/1.0"),
    "TE in HTTP/1.0, kept alive": Case(TE, b"Connection: keep-alive", version=b"HTTP/1.0"),
}

# Requests whose body nobody expects: it is a body all the same.
BODIES = {f"{method} with a body": Case(ALL, body=HIDDEN, method=method, verdict=ONE)
          for method in ("GET", "HEAD", "DELETE", "PUT")}
BODIES |= {f"{method} with a body, unsigned": Case(ALL, body=HIDDEN, method=method, verdict=ONE, signed=False)
           for method in ("GET", "HEAD", "DELETE", "PUT", "POST", "OPTIONS", "PATCH", "TRACE")}
BODIES |= {
    "Upgrade: h2c": Case(ALL, b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
                         b"Connection: Upgrade, HTTP2-Settings", body=HIDDEN, verdict=ONE),
    "Upgrade: websocket": Case(ALL, b"Upgrade: websocket", b"Connection: Upgrade", body=HIDDEN, verdict=ONE),
    "Expect twice": Case(ALL, b"Expect: 100-continue", b"Expect: 100-continue", body=HIDDEN, verdict=ONE),
    "Expect of something else": Case(ALL, b"Expect: y 100-continue", body=HIDDEN, verdict=ONE),
    "Expect, unsigned": Case(ALL, b"Expect: 100-continue", body=HIDDEN, signed=False),
    "Expect folded": Case(ALL, b"Expect:\r\n 100-continue", body=HIDDEN),
}

LINES = {
    "absolute form": Case(b"Content-Length: 0", body=b"", first=b"PUT http://%(host)s%(path)s HTTP/1.1"),
    "absolute form of another": Case(b"Content-Length: 0", body=b"", first=b"PUT http://elsewhere%(path)s HTTP/1.1"),
    "authority form": Case(body=b"", first=b"CONNECT %(host)s HTTP/1.1"),
    "asterisk": Case(body=b"", first=b"OPTIONS * HTTP/1.1"),
    "two spaces": Case(ALL, body=HIDDEN, first=b"PUT  %(path)s HTTP/1.1"),
    "two spaces before the version": Case(ALL, body=HIDDEN, first=b"PUT %(path)s  HTTP/1.1"),
    "tab": Case(ALL, body=HIDDEN, first=b"PUT\t%(path)s HTTP/1.1"),
    "tab before the version": Case(ALL, body=HIDDEN, first=b"PUT %(path)s\tHTTP/1.1"),
    "space behind": Case(ALL, body=HIDDEN, first=b"PUT %(path)s HTTP/1.1 "),
    "space before": Case(ALL, body=HIDDEN, first=b" PUT %(path)s HTTP/1.1"),
    "empty line before": Case(ALL, body=HIDDEN, first=b"\r\nPUT %(path)s HTTP/1.1"),
    "LF before": Case(ALL, body=HIDDEN, first=b"\nPUT %(path)s HTTP/1.1"),
    "no version": Case(ALL, body=HIDDEN, first=b"PUT %(path)s"),
    "HTTP/0.9": Case(ALL, body=HIDDEN, version=b"HTTP/0.9"),
    "HTTP/1.2": Case(ALL, body=HIDDEN, version=b"HTTP/1.2"),
    "HTTP/2.0": Case(ALL, body=HIDDEN, version=b"HTTP/2.0"),
    "HTTP/1.10": Case(ALL, body=HIDDEN, version=b"HTTP/1.10"),
    "HTTP/01.1": Case(ALL, body=HIDDEN, version=b"HTTP/01.1"),
    "http/1.1": Case(ALL, body=HIDDEN, version=b"http/1.1"),
    "HTTP 1.1": Case(ALL, body=HIDDEN, version=b"HTTP 1.1"),
    "NUL in the method": Case(ALL, body=HIDDEN, first=b"PU\0T %(path)s HTTP/1.1"),
    "NUL in the path": Case(ALL, body=HIDDEN, first=b"PUT %(path)s\0 HTTP/1.1"),
    "bare CR": Case(ALL, body=HIDDEN, first=b"PUT %(path)s HTTP/1.1\rX: y"),
    "bare LF": Case(ALL, body=HIDDEN, first=b"PUT %(path)s HTTP/1.1\nX: y"),
    "fragment": Case(ALL, body=HIDDEN, first=b"PUT %(path)s#%(marker)s HTTP/1.1"),
    "high byte in the path": Case(ALL, body=HIDDEN, first=b"PUT %(path)s\xff HTTP/1.1"),
    "line end in the path, encoded": Case(ALL, body=HIDDEN, verdict=ONE,
                                          first=b"PUT %(path)s%%20HTTP/1.1%%0d%%0a%%0d%%0aGET%%20%(marker)s HTTP/1.1"),
    "two hosts": Case(b"Host: elsewhere", ALL, body=HIDDEN),
    "host with a space": Case(b"Host : elsewhere", ALL, body=HIDDEN),
    "folded field": Case(b"X: a\r\n b", ALL, body=HIDDEN),
    "NUL in a value": Case(b"X: a\0b", ALL, body=HIDDEN),
    "NUL in a name": Case(b"X\0Y: a", ALL, body=HIDDEN),
    "space in a name": Case(b"X Y: a", ALL, body=HIDDEN),
    "quote in a name": Case(b'X"Y: a', ALL, body=HIDDEN),
    "slash in a name": Case(b"X/Y: a", ALL, body=HIDDEN),
    "at in a name": Case(b"X@Y: a", ALL, body=HIDDEN),
    "comma in a name": Case(b"X,Y: a", ALL, body=HIDDEN),
    "high byte in a name": Case(b"X\x80: a", ALL, body=HIDDEN),
    "no name": Case(b": a", ALL, body=HIDDEN),
    "no colon": Case(b"whatever", ALL, body=HIDDEN),
    "request line among the fields": Case(b"GET %(marker)s HTTP/1.1", ALL, body=HIDDEN),
    "bare CR in a value": Case(b"X: a\rb", ALL, body=HIDDEN),
    "CR CR LF": Case(b"X: a\r", ALL, body=HIDDEN),
    "odd but a token": Case(b"!#$%%&'*+-.^_`|~9: a", ALL, body=HIDDEN, verdict=ONE),
}

GOOD = b"%(c)x\r\n%(content)s\r\n0\r\n\r\n"
END = b"\r\n%(content)s\r\n0\r\n\r\n"

# {name: (body in chunked coding, verdict)}. What follows the end is never in the body, and never a request when refused.
CHUNKS = {
    "plain": (GOOD, ONE),
    "capitals": (b"%(c)X" + END, ONE),
    "zeros before": (b"000%(c)x" + END, ONE),
    "many zeros at the end": (b"%(c)x\r\n%(content)s\r\n00000\r\n\r\n", ONE),
    "extension": (b"%(c)x;a=b" + END, ONE),
    "extension without a value": (b"%(c)x;a" + END, ONE),
    "extension in quotes": (b'%(c)x;a="b;c"' + END, ONE),
    "extension at the end": (b"%(c)x\r\n%(content)s\r\n0;a=b\r\n\r\n", ONE),
    # chunk extensions
    "TERM.EXT: LF ends the extension": (b"%(c)x;\n%(content)s\r\n0\r\n\r\n", REFUSED),
    "TERM.EXT: LF, then more": (b"2;\nxx\r\n%(h)x\r\n0\r\n\r\n" + HIDDEN + b"\r\n0\r\n\r\n", REFUSED),
    "EXT.TERM: LF in a named extension": (b"%(c)x;a\nb" + END, REFUSED),
    "CR in an extension": (b"%(c)x;a\rb" + END, REFUSED),
    "CR LF in a quoted extension": (b'%(c)x;a="\r\n' + HIDDEN + b'"' + END, REFUSED),
    "LF in a quoted extension": (b'%(c)x;a="\n"' + END, REFUSED),
    "NUL in an extension": (b"%(c)x;a\0" + END, REFUSED),
    "quote that stays open": (b'%(c)x;a="b' + END, REFUSED),
    "semicolon alone": (b"%(c)x;" + END, REFUSED),
    "request in an extension": (b"%(c)x;GET %(marker)s HTTP/1.1" + END, REFUSED),
    "long extension": (b"%(c)x;" + b"a" * 2000 + END, REFUSED),
    "space before the extension": (b"%(c)x ;a=b" + END, REFUSED),
    # line ends
    "LF behind the size": (b"%(c)x\n%(content)s\r\n0\r\n\r\n", REFUSED),
    "CR behind the size": (b"%(c)x\r%(content)s\r\n0\r\n\r\n", REFUSED),
    "LF behind the data": (b"%(c)x\r\n%(content)s\n0\r\n\r\n", REFUSED),
    "nothing behind the data": (b"%(c)x\r\n%(content)s0\r\n\r\n", REFUSED),
    "two bytes behind the data": (b"%(c)x\r\n%(content)sxx0\r\n\r\n", REFUSED),
    "LF at the end": (b"%(c)x\r\n%(content)s\r\n0\r\n\n", REFUSED),
    "LF behind the last size": (b"%(c)x\r\n%(content)s\r\n0\n\r\n", REFUSED),
    "LFs at the end": (b"%(c)x\r\n%(content)s\r\n0\n\n", REFUSED),
    "CR at the end, then another": (b"%(c)x\r\n%(content)s\r\n0\r\n\rX", REFUSED),
    "empty line before": (b"\r\n" + GOOD, REFUSED),
    "TERM.SPILL: data runs over": (b"1\r\n%(content)s\r\n0\r\n\r\n", REFUSED),
    "SPILL.TERM: LF, data runs over": (b"%(c)x\n%(content)s\n0\n\n", REFUSED),
    # sizes
    "0x": (b"0x%(c)x" + END, REFUSED),
    "plus": (b"+%(c)x" + END, REFUSED),
    "minus": (b"-%(c)x" + END, REFUSED),
    "minus zero": (b"%(c)x\r\n%(content)s\r\n-0\r\n\r\n", REFUSED),
    "space before": (b" %(c)x" + END, REFUSED),
    "space behind": (b"%(c)x " + END, REFUSED),
    "tab behind": (b"%(c)x\t" + END, REFUSED),
    "no size": (END, REFUSED),
    "no hexadecimal": (b"g" + END, REFUSED),
    "underscore": (b"%(c)x_0" + END, REFUSED),
    "comma": (b"%(c)x,0" + END, REFUSED),
    "NUL behind": (b"%(c)x\0" + END, REFUSED),
    "quoted": (b'"%(c)x"' + END, REFUSED),
    "2^64 more": (b"1%(c)016x" + END, REFUSED),
    "2^32 more, that never come": (b"1%(c)08x" + END, REFUSED),
    "all ones": (b"f" * 16 + END, REFUSED),
    "seventeen digits": (b"0" * 16 + b"%(c)x" + END, REFUSED),
    # trailers
    "trailer": (b"%(c)x\r\n%(content)s\r\n0\r\nX-Trailer: y\r\n\r\n", ONE),
    "trailer with Content-Length": (b"%(c)x\r\n%(content)s\r\n0\r\nContent-Length: %(h)d\r\n\r\n", REFUSED),
    "trailer with Transfer-Encoding": (b"%(c)x\r\n%(content)s\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", REFUSED),
    "trailer with another Host": (b"%(c)x\r\n%(content)s\r\n0\r\nHost: elsewhere\r\n\r\n", ONE),
    "trailer without a colon": (b"%(c)x\r\n%(content)s\r\n0\r\nGET %(marker)s HTTP/1.1\r\n\r\n", REFUSED),
    "trailer with LF": (b"%(c)x\r\n%(content)s\r\n0\r\nX: y\n\r\n", REFUSED),
    "trailer folded": (b"%(c)x\r\n%(content)s\r\n0\r\nX: y\r\n z\r\n\r\n", REFUSED),
    "trailer with NUL": (b"%(c)x\r\n%(content)s\r\n0\r\nX: \0\r\n\r\n", REFUSED),
    "trailer with a space before the colon": (b"%(c)x\r\n%(content)s\r\n0\r\nX : y\r\n\r\n", REFUSED),
    "long trailer": (b"%(c)x\r\n%(content)s\r\n0\r\nX: " + b"y" * 10_000 + b"\r\n\r\n", REFUSED),
}


def heads():
    """{id: Case} of all cases that are about the head."""
    cases = {}
    for group, table in {"both": BOTH, "length": LENGTHS, "body": BODIES, "line": LINES}.items():
        cases |= {f"{group}: {name}": case for name, case in table.items()}
    for name, line in OBSCURED.items():
        cases |= {f"TE.TE: {name}, {how}": case for how, case in obscured(line).items()}
    return cases
