"""Request smuggling: every published case, straight at the gateway, and through nginx and HAProxy that keep connections to it.

The gateway's log tells which requests it took for requests. Straight at it that is exact: the hidden request is never
there, and behind what was refused nothing is. Through a proxy the proxy's log says what it has forwarded: the gateway
sees nothing besides, and clients that come after on the shared connections get their own answers.
"""

import collections
import itertools
import json
import os

import pytest

from aws_chunked import UNSIGNED, Upload
from proxies import HAProxy, Nginx
from smuggling_cases import CHUNKS, ONE, Case, heads
from stack import Stack, wait_until
from wire import Signer, Wire, head_bytes

HEADS = heads()
CARRIERS = ("read", "left unread")
FRONTS = ("buffered", "streamed", "haproxy")
VICTIMS = 3
HIDDEN = "/media/hidden-"


class Scene:
    """The gateway, the proxies before it, and what each took for a request."""

    def __init__(self, stack, proxies):
        self.stack, self.proxies = stack, proxies
        self.fronts = {name: front for proxy in proxies for name, front in proxy.fronts.items()}
        self.numbers = itertools.count()
        self.intended = []  # hidden requests that are no more hidden: a test sent them as requests
        for name in ("honest", *(f"victim-{i}" for i in range(VICTIMS))):
            assert stack.put(name, self.body(name)).status == 200

    @staticmethod
    def body(name):
        return f"this is {name}\n".encode()

    def seen(self):
        """Targets of all requests that the gateway has logged."""
        lines = (line for line in self.stack.log("g1").splitlines() if '"request"' in line)
        return [record["path"] for record in map(json.loads, lines) if record.get("event") == "request"]

    def honest(self, host, name="honest"):
        return head_bytes("GET", f"/media/{name}", {"host": host, "connection": "close"})

    def hidden_beyond(self, forwarded):
        """Hidden requests that the gateway took for requests of their own although nobody sent them as such."""
        return collections.Counter(t for t in self.seen() if t.startswith(HIDDEN)) - collections.Counter(forwarded)


@pytest.fixture(scope="module")
def scene(tmp_path_factory, binary):
    directory = tmp_path_factory.mktemp("smuggling")
    stack = Stack.up(directory / "rig", sets={
        "buckets.0.public_read": True, "log.format": "json", "limits.front.body_ms": 1000, "limits.front.head_ms": 1000})
    proxies = []
    try:
        proxies += [kind(directory / kind.__name__, stack.signer.netloc) for kind in (Nginx, HAProxy)]
        running = Scene(stack, proxies)
        yield running
        for proxy in proxies:
            proxy.down()
        stack.rig("term", "g1")  # what was late is there when it has ended
        forwarded = [target for _, told in running.fronts.values() for target in told()]
        assert not running.hidden_beyond(running.intended + forwarded)
    finally:
        for proxy in proxies:
            proxy.down()
        stack.down()


class Attack:
    """One case made for one front."""

    def __init__(self, scene, endpoint):
        self.number = next(scene.numbers)
        self.stack = scene.stack
        self.signer = Signer(endpoint, scene.stack.document["access_key"], scene.stack.document["secret_key"])
        self.path, self.marker = f"/media/attack-{self.number}", f"{HIDDEN}{self.number}"
        self.method = "PUT"

    def words(self, **more):
        hidden = head_bytes("GET", self.marker, {"host": self.signer.netloc})
        words = {"host": self.signer.netloc.encode(), "path": self.path.encode(), "marker": self.marker.encode(),
                 "hidden": hidden, "h": len(hidden), **more}
        return {name.encode(): value for name, value in words.items()}

    def head(self, case):
        self.method = case.method
        body = case.body % self.words()
        words = self.words(n=len(body))
        headers = self.signer.headers(case.method, self.path) if case.signed else {"host": self.signer.netloc}
        first = (case.first % words) if case.first else f"{case.method} {self.path} ".encode() + case.version
        lines = [first, *(f"{name}: {value}".encode() for name, value in headers.items()), *(line % words for line in case.lines)]
        return b"\r\n".join([*lines, b"", b""]) + body

    def chunked(self, text, carrier):
        """`read`: an upload as SDKs send it, taken from the coding by the gateway. `left unread`: it is refused before."""
        if carrier == "read":
            upload = Upload(self.signer, self.path, b"some content", UNSIGNED)
            headers = upload.sign()
            content = b"".join(upload.frames())
        else:
            headers, content = {"host": self.signer.netloc}, b"some content"
        head = head_bytes("PUT", self.path, {**headers, "transfer-encoding": "chunked"})
        return head + text % self.words(content=content, c=len(content))


def exchange(endpoint, data, methods):
    """All final answers until the other side ends the connection. `methods` of the requests, in order."""
    answers = []
    with Wire(endpoint) as wire:
        wire.try_send(data)
        while True:
            method = methods[min(len(answers), len(methods) - 1)]
            answer = wire.response(method)
            if answer is None:
                return answers
            if answer.status >= 200:
                answers.append(answer)


def straight(scene, attack, data, verdict):
    """At the gateway itself, with an honest request right behind it."""
    before = len(scene.seen())
    answers = exchange(scene.stack.endpoint, data + scene.honest(attack.signer.netloc), [attack.method, "GET"])
    assert scene.stack.signer.exchange(head_bytes("GET", f"{attack.path}-is-over", {"host": "x"})).status == 404
    wait_until(lambda: f"{attack.path}-is-over" in scene.seen(), "the log to have it", 10)
    seen = [target for target in scene.seen()[before:] if not target.endswith("-is-over")]
    assert attack.marker not in seen
    if verdict == ONE:
        assert len(answers) == len(seen) == 2, (answers, seen)
        assert (answers[1].status, answers[1].body) == (200, scene.body("honest"))
    else:
        assert len(answers) <= 1 and "/media/honest" not in seen, (answers, seen)
        # None: our bytes behind what was refused can make the kernel's reset overtake the answer.
        assert not answers or answers[0].status >= 400, answers


def through(scene, front, attack, data):
    """By way of a proxy, then the next clients."""
    endpoint, forwarded = scene.fronts[front]
    answers = exchange(endpoint, data + scene.honest(attack.signer.netloc), [attack.method, "GET"])
    for answer in answers[1:]:
        assert answer.status != 200 or answer.body == scene.body("honest"), answers
    for i in range(VICTIMS):
        got = exchange(endpoint, scene.honest(attack.signer.netloc, f"victim-{i}"), ["GET"])
        assert [(a.status, a.body) for a in got] == [(200, scene.body(f"victim-{i}"))], got
    if attack.marker in scene.seen():
        wait_until(lambda: attack.marker in forwarded(), f"{front} to log what it forwarded", 10)


# --- the log can tell ---------------------------------------------------------------------------------------

def test_a_request_that_is_none_of_the_hidden_is_seen(scene):
    """What is sent as a request behind another is one: else nothing below would prove anything."""
    attack = Attack(scene, scene.stack.endpoint)
    data = attack.head(Case(b"Content-Length: 0", body=b"%(hidden)s"))
    scene.intended.append(attack.marker)
    answers = exchange(scene.stack.endpoint, data + scene.honest(attack.signer.netloc), ["PUT", "GET"])
    assert [answer.status for answer in answers] == [200, 404, 200]
    wait_until(lambda: scene.seen()[-3:] == [attack.path, attack.marker, "/media/honest"], "the log to have them", 10)


@pytest.mark.parametrize("front", FRONTS)
def test_a_request_behind_another_is_one_through_a_proxy(scene, front):
    endpoint, forwarded = scene.fronts[front]
    attack = Attack(scene, endpoint)
    data = attack.head(Case(b"Content-Length: 0", body=b"%(hidden)s"))
    answers = exchange(endpoint, data + scene.honest(attack.signer.netloc), ["PUT", "GET"])
    assert [answer.status for answer in answers] == [200, 404, 200]
    wait_until(lambda: attack.marker in forwarded() and attack.marker in scene.seen(), "both logs to have it", 10)


@pytest.mark.parametrize("front", FRONTS)
def test_clients_of_a_proxy_share_its_connections(scene, front):
    """So that what one leaves on a connection would reach the next."""
    endpoint, _ = scene.fronts[front]
    pid = next(p.process.pid for p in scene.proxies if front in p.fronts)
    used = set()
    for i in range(20):
        exchange(endpoint, scene.honest("h", f"victim-{i % VICTIMS}"), ["GET"])
        used |= to_gateway(pid, int(scene.stack.endpoint.rpartition(":")[2]))
    assert 1 <= len(used) <= 8, f"{len(used)} connections for 20 clients"


def to_gateway(pid, port):
    """The sockets (by inode) with which the process is connected to a loopback port."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    connected = {f"socket:[{row[9]}]" for row in rows if row[2].endswith(f":{port:04X}") and row[3] == "01"}
    return connected & {os.readlink(entry.path) for entry in os.scandir(f"/proc/{pid}/fd") if entry.is_symlink()}


# --- straight -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("case", HEADS)
def test_a_head_is_read_in_one_way_only(scene, case):
    attack = Attack(scene, scene.stack.endpoint)
    straight(scene, attack, attack.head(HEADS[case]), HEADS[case].verdict)


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("case", CHUNKS)
def test_chunks_are_read_in_one_way_only(scene, case, carrier):
    text, verdict = CHUNKS[case]
    attack = Attack(scene, scene.stack.endpoint)
    straight(scene, attack, attack.chunked(text, carrier), verdict)


# --- behind a proxy -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("front", FRONTS)
@pytest.mark.parametrize("case", HEADS)
def test_no_head_gets_a_request_past_a_proxy(scene, front, case):
    attack = Attack(scene, scene.fronts[front][0])
    through(scene, front, attack, attack.head(HEADS[case]))


@pytest.mark.parametrize("front", FRONTS)
@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("case", CHUNKS)
def test_no_chunk_gets_a_request_past_a_proxy(scene, front, case, carrier):
    attack = Attack(scene, scene.fronts[front][0])
    through(scene, front, attack, attack.chunked(CHUNKS[case][0], carrier))
