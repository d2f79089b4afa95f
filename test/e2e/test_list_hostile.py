"""Listings beside backends that list wrongly, and listings of which every replica misses something: what a client is told is
right, or it is told that nothing can be said."""

import hashlib
import itertools
import random

import pytest

from hostile_backend import Fault, HostileBackend, Stored
from hostile_list import by_path
from listing import AWKWARD, Page, ask, check, expected
from stack import Stack, wait_until

NAMES = "abc"


class Hostiles:
    def __init__(self, directory, sets=None):
        self.backends = {name: HostileBackend() for name in NAMES}
        for backend in self.backends.values():
            backend.buckets.update({"media": {}, "media-copy": {}})
        self.stack = Stack.up(directory, backends=[b.url for b in self.backends.values()], sets=sets)

    def down(self):
        for backend in self.backends.values():
            backend.behave()
        self.stack.down()
        for backend in self.backends.values():
            backend.close()


@pytest.fixture(scope="module")
def hostiles(tmp_path_factory, binary):
    running = Hostiles(tmp_path_factory.mktemp("list-hostile"))
    yield running
    running.down()


def behave(hostiles):
    for backend in hostiles.backends.values():
        backend.behave()
    for name in NAMES:
        wait_until(lambda n=name: hostiles.stack.metric("s3mirror_backend_up", backend=n) == 1, f"{name} to be taken back", 30)


@pytest.fixture
def stack(hostiles, key):
    """Three keys, and one more that a alone has: a has the fewest hints, so it is the one that is listed."""
    running = hostiles.stack
    for name in ("1", "2", "3"):
        assert running.put(f"{key}/{name}", b"x").status == 200
    for name in "bc":
        hostiles.backends[name].script(Fault("status", method="PUT", key=f"{key}/4", status=403),
                                       Fault("status", method="PUT", key=f"{key}/4", status=403))
    assert running.put(f"{key}/4", b"only a has it").status == 200
    yield running
    behave(hostiles)
    running.wait_repaired()


def document(inside, truncated="false"):
    return f"<ListBucketResult>{inside}<IsTruncated>{truncated}</IsTruncated></ListBucketResult>".encode()


def entry(key):
    return f"<Contents><Key>{key}</Key><Size>1</Size></Contents>"


def ok(body):
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nContent-Type: application/xml\r\n\r\n%s" % (len(body), body)


ENDLESS = b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\n\r\n<ListBucketResult>"


def wrong_answers(key):
    """Whatever `key` is: none of this can be the answer to a list of `key`/."""
    return {
        "no XML": ok(b"hello"),
        "no bytes": ok(b""),
        "an error under a 200": ok(b"<Error><Code>InternalError</Code></Error>"),
        "a document type": ok(b"<!DOCTYPE x [<!ENTITY a 'b'>]>" + document("")),
        "cut off": ok(document(entry(f"{key}/1")))[:-40],
        "without its end": ok(b"<ListBucketResult></ListBucketResult>"),
        "another prefix": ok(document(entry("other"))),
        "out of order": ok(document(entry(f"{key}/2") + entry(f"{key}/1"))),
        "the same twice": ok(document(entry(f"{key}/1") * 2)),
        "more, and nothing": ok(document("", "true")),
        "more than asked for": ok(document("".join(entry(f"{key}/{n:05}") for n in range(1500)))),
        "not UTF-8": ok(document(entry(f"{key}/%FF") + "<EncodingType>url</EncodingType>")),
        "a bomb": ok(document("<a>" * 100_000)),
    }


def check_wrong(hostiles, stack, key, names, fault):
    hits = [hostiles.backends[name].script(Fault(**fault, method="GET", key="")) for name in names]
    if len(names) < len(NAMES):
        check(stack, [f"{key}/{n}" for n in "1234"], prefix=f"{key}/")
        check(stack, [f"{key}/{n}" for n in "1234"], prefix=f"{key}/", most=1)
    else:
        status, tree = ask(stack, list_type=2, prefix=f"{key}/")
        assert (status, tree.findtext("Code")) == (503, "ServiceUnavailable")
    assert all(fault.hits for fault in hits), [fault.hits for fault in hits]


@pytest.mark.parametrize("what", sorted(wrong_answers("k")))
@pytest.mark.parametrize("names", ["a", "abc"])
def test_a_wrong_list_is_no_list(hostiles, stack, key, names, what):
    check_wrong(hostiles, stack, key, names, {"what": "raw", "raw": wrong_answers(key)[what]})


@pytest.mark.parametrize("fault", [
    {"what": "reset"}, {"what": "stall"}, {"what": "status", "status": 500}, {"what": "status", "status": 404},
    {"what": "garbage"}, {"what": "reset", "at": "reply", "after": 50}, {"what": "stall", "at": "reply", "after": 50},
    {"what": "flood", "raw": b"<x/>" * 1000}], ids=str)
@pytest.mark.parametrize("names", ["a", "abc"])
def test_a_list_that_does_not_come_is_no_list(hostiles, stack, key, names, fault):
    check_wrong(hostiles, stack, key, names, fault)


def test_endless_entries_end(hostiles, stack, key):
    """More bytes than any listing has: given up, and the gateway is as small as before."""
    filler = ENDLESS + b"<x>" + b"y" * 100 + b"</x>"
    for backend in hostiles.backends.values():
        backend.script(Fault("flood", method="GET", key="", raw=filler + b"<x/>" * 20_000))
    status, _ = ask(stack, list_type=2, prefix=f"{key}/")
    assert status == 503


def test_the_same_page_for_ever_ends(hostiles, stack, key):
    """A backend that does not know where it was asked to begin."""
    page = ok(document(entry(f"{key}/1") + entry(f"{key}/2"), "true"))
    for backend in hostiles.backends.values():
        backend.script(Fault("raw", method="GET", key="", raw=page))
    _, tree = ask(stack, list_type=2, prefix=f"{key}/", max_keys=1)
    assert (Page(tree).texts, Page(tree).truncated) == ([f"{key}/1"], True)
    for asked in ({}, {"max_keys": 2}, {"start_after": f"{key}/2"}):
        status, _ = ask(stack, list_type=2, prefix=f"{key}/", **asked)
        assert status == 503


# --- every replica misses something -----------------------------------------------------------------------------

def test_lists_are_right_while_every_replica_misses_something(tmp_path, binary):
    hostiles = Hostiles(tmp_path / "rig", {"repair.attempts": 1000, "repair.backoff_ms": 60_000})
    try:
        stack, draw = hostiles.stack, random.Random(7)
        names = [f"{folder}{name}" for folder in ("", "f/", "f-g/", "h/i/") for name in AWKWARD]
        keys = set(draw.sample(names, len(names) // 2))
        for name in keys:
            assert stack.put(name, b"before").status == 200
        # From now on each key has a replica that takes no write of it.
        for name in names:
            hostiles.backends[draw.choice("aaabbc")].script(Fault("status", method="PUT", key=name, status=403),
                                                             Fault("status", method="DELETE", key=name, status=403))
        for step, name in enumerate(draw.sample(names, len(names)) + draw.sample(names, 20)):
            if draw.random() < 0.5:
                assert stack.put(name, b"after").status == 200
                keys.add(name)
            else:
                assert stack.delete(name).status == 204
                keys.discard(name)
            if step % 10 == 0:
                check(stack, keys)
        assert all(stack.hints(name) > 10 for name in NAMES)
        for most, delimiter, prefix in itertools.product((1, 3, 1000), ("", "/", "-"), ("", "f", "f/")):
            check(stack, keys, "V2", most, prefix=prefix, **({"delimiter": delimiter} if delimiter else {}))
        _, tree = ask(stack, list_type=2, encoding_type="url")
        page = Page(tree)
        for name in sorted(keys):
            assert page.etags[name] == stack.head(name).headers["etag"], name
    finally:
        hostiles.down()


# --- many keys ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("order", ["bytes", "path"])
def test_groups_are_not_walked_through(tmp_path, binary, order):
    """20,000 keys in 20 folders, each of which has siblings that other orders put elsewhere."""
    with HostileBackend() as backend:
        if order == "path":
            backend.order = by_path
        stored = Stored(b"x", {}, f'"{hashlib.md5(b"x").hexdigest()}"', 0)
        keys = [f"{folder:02}/{n:04}-x" for folder in range(20) for n in range(1000)]
        keys += [f"{folder:02}{c}" for folder in range(20) for c in "-!"]
        backend.buckets.update({"media": dict.fromkeys(keys, stored), "media-copy": {}})
        stack = Stack.up(tmp_path / "rig", backends=[backend.url],
                         sets={"backends.0.capabilities.list_order": order})
        try:
            def asked(**parameters):
                before = backend.count("GET", key="")
                check(stack, keys, **parameters)
                return backend.count("GET", key="") - before

            assert asked(delimiter="/") <= 2
            assert asked(delimiter="/", most=1) <= 4 * len(expected(keys, delimiter="/"))
            assert asked(delimiter="-") <= 2 * len(expected(keys, delimiter="-")) + 4
            assert asked(prefix="07/") <= 3
            pages = len(keys) // 1000
            assert asked() <= (2 if order == "bytes" else 15) * pages + 10
        finally:
            stack.down()
