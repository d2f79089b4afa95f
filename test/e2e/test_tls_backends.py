"""Backends over https: whom the gateway trusts, what it says of one it does not, and what it does about it."""

import re
import ssl

import pytest

from certificates import Authority
from outage import NAMES, noise, replicas
from riglib import kinds, process
from riglib.s3 import S3
from stack import Stack, wait_until
from tls_proxy import TlsProxy

BIG = 64 << 20
SIZES = [1000, 3_000_000]
# Slow machines are no reason to give a backend up; one that never shakes hands has connect_ms.
TERMS = {"terms.stall_ms": 30_000, "terms.detach_ms": 30_000, "terms.write_ms": 60_000, "terms.first_byte_ms": 30_000,
         "limits.backends.connect_ms": 1500}
HOSTS = {"a": "localhost", "b": "127.0.0.1", "c": "localhost"}  # both kinds of name that a certificate can have


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def good(authority):
    return authority.issue("good")


@pytest.fixture(scope="module")
def shared(tmp_path_factory, binary, authority, good):
    """Real servers, each behind a proxy, and {name: proxy}."""
    proxies, sets = {name: TlsProxy() for name in NAMES}, dict(TERMS)
    for i, (name, proxy) in enumerate(proxies.items()):
        sets[f"backends.{i}.endpoint"] = f"https://{HOSTS[name]}:{proxy.port}"
        sets[f"backends.{i}.ca_file"] = str(authority.file)
        proxy.present(good)
        proxy.mute()  # until the rig has told where its servers are
    stack = Stack.up(tmp_path_factory.mktemp("tls"), sets=sets)
    for name, proxy in proxies.items():
        proxy.upstream = stack.backends[name]["endpoint"]
        proxy.present(good)
    yield stack, proxies
    for proxy in proxies.values():
        proxy.close()
    stack.down()


@pytest.fixture
def proxies(shared):
    return shared[1]


@pytest.fixture
def stack(shared, good):
    """All sound and in use at the start and at the end, when the three agree."""
    running, proxies = shared

    def make_whole():
        for proxy in proxies.values():
            proxy.present(good)
        wait_until(lambda: all(is_up(running, name) for name in NAMES), "all backends to be up", 30)
        running.wait_repaired()

    make_whole()
    yield running
    make_whole()
    running.compare_backends()


def is_up(stack, name):
    """On every loop."""
    return stack.metric("s3mirror_backend_up", backend=name) == 1


def log_since(stack, mark):
    return stack.log("g1")[mark:]


# --- all is well --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("size", [0, 1, 16 * 1024 + 1, 3_000_000, BIG])
def test_what_is_put_is_on_every_backend(stack, key, size):
    body = noise(size)
    answer = stack.put(key, body)
    assert answer.status == 200, answer.body
    assert replicas(answer) == {"a": "stored", "b": "stored", "c": "stored"}
    stack.assert_everywhere(key, body)
    for _ in range(6):
        assert stack.get(key).body == body
    part = stack.s3.request("GET", stack.path(key), headers={"range": "bytes=0-99"})
    assert (part.status, part.body) == ((206, body[:100]) if size else (416, part.body))
    assert stack.delete(key).status == 204
    stack.assert_everywhere(key, None)


def test_connections_to_backends_are_reused(stack, proxies, key):
    stack.put(key, b"first")
    before = {name: proxy.accepted for name, proxy in proxies.items()}
    for i in range(40):
        assert stack.put(key, noise(1000, i)).status == 200
        assert stack.get(key).status == 200
    for name, proxy in proxies.items():
        assert proxy.accepted - before[name] < 10, name
    stack.wait_settled(key)
    stack.assert_everywhere(key, noise(1000, 39))


def test_seaweedfs_with_tls_of_its_own(tmp_path, binary, authority, good, start_stack, key):
    """No proxy: the gateway and a real server's own TLS."""
    home = tmp_path / "weed"
    (home / "data").mkdir(parents=True)
    count, command = kinds.KINDS["seaweedfs"]
    *ports, secure = process.free_ports(count + 1)
    argv, env = command(home, ports, "access", "secret")
    argv += [f"-s3.port.https={secure}", f"-s3.cert.file={good.certificate}", f"-s3.key.file={good.key}"]
    weed = process.start(argv, kinds.environment(env), home, home / "log")
    try:
        there = S3(f"https://localhost:{secure}", "access", "secret", timeout=60, context=authority.context())

        def ready():
            try:
                return there.request("PUT", "/media").status == 200 and there.put("media", "probe", b"x").status == 200
            except OSError:
                return False

        wait_until(ready, "weed to serve https", 90, 0.1)
        plain = f"http://access:secret@127.0.0.1:{ports[0]}"
        stack = start_stack(backends=[plain], sets={
            **TERMS, "backends.0.endpoint": f"https://localhost:{secure}", "backends.0.ca_file": str(authority.file)})
        for size in (0, 1000, 3_000_000, BIG):
            assert replicas(stack.put(key, noise(size))) == {"a": "stored"}
            stack.assert_everywhere(key, noise(size))
            assert stack.get(key).body == noise(size)
        assert stack.delete(key).status == 204
        stack.assert_everywhere(key, None)
    finally:
        process.kill(weed, "weed")


# --- one that cannot be trusted -----------------------------------------------------------------------------------

def wrong_names(proxy, authority, directory):
    proxy.present(authority.issue("wrong", "DNS:other.example,IP:192.0.2.1"))


def stranger(proxy, authority, directory):
    proxy.present(Authority(directory / "stranger", "stranger").issue("strange"))


def signed_by_itself(proxy, authority, directory):
    proxy.present(Authority(directory / "alone").make("alone", "subjectAltName=DNS:localhost,IP:127.0.0.1"))


def too_old(proxy, authority, directory):
    proxy.present(authority.issue("old"), ssl.TLSVersion.TLSv1_1)


def no_tls(proxy, authority, directory):
    proxy.plain()


BAD = {  # how c goes wrong, and the reason that the log must give
    "another's name": ("c", wrong_names, "hostname mismatch"),
    "another's address": ("b", wrong_names, "IP address mismatch"),
    "an unknown authority": ("c", stranger, "unable to get local issuer certificate"),
    "a certificate signed by itself": ("b", signed_by_itself, "self-signed certificate"),
    "TLS 1.1 only": ("c", too_old, "alert protocol version"),
    "plain http": ("c", no_tls, "wrong version number"),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("case", BAD)
def test_a_backend_that_cannot_be_trusted_is_down_and_repaired_when_it_can(
        stack, proxies, authority, good, tmp_path, key, case):
    name, spoil, reason = BAD[case]
    deleted = key + "-deleted"
    for old in (key, deleted):
        stack.put(old, b"before")
        stack.wait_settled(old)
    mark, carried = len(stack.log("g1")), proxies[name].carried
    spoil(proxies[name], authority, tmp_path)

    expected = {n: "hinted" if n == name else "stored" for n in NAMES}
    for size in SIZES:
        answer = stack.put(key, noise(size))
        assert answer.status == 200, answer.body
        assert replicas(answer) == expected
        assert stack.get(key).body == noise(size)
    assert replicas(stack.delete(deleted)) == expected
    wait_until(lambda: not is_up(stack, name), f"{name} to count as down", 30)
    assert stack.hints(name) >= 2
    assert stack.get(key).body == noise(SIZES[-1])
    assert stack.get(deleted).status == 404
    assert stack.on_backend(name, key).body == b"before"
    assert proxies[name].carried == carried, "bytes of a request went to a server that proved nothing"

    log = log_since(stack, mark)
    assert re.search(rf"backend_down.*backend={name}\b", log), log[-3000:]
    told = [line for line in log.splitlines() if "tls_handshake_failed" in line]
    assert told, log[-3000:]
    for line in told:
        assert f"127.0.0.1:{proxies[name].port}" in line, line
        assert re.search(reason, line), line

    proxies[name].present(good)
    stack.wait_repaired()
    assert is_up(stack, name)
    stack.assert_everywhere(key, noise(SIZES[-1]))
    stack.assert_everywhere(deleted, None)


def test_a_backend_that_never_shakes_hands_costs_its_own_hint_only(stack, proxies, key):
    stack.put(key, b"before")
    stack.wait_settled(key)
    proxies["c"].mute()
    for size in SIZES:
        assert replicas(stack.put(key, noise(size))) == {"a": "stored", "b": "stored", "c": "hinted"}
        assert stack.get(key).body == noise(size)


def test_with_no_backend_to_trust_nothing_is_claimed(stack, proxies, authority, tmp_path, key):
    stack.put(key, b"before")
    stack.wait_settled(key)
    for proxy in proxies.values():
        wrong_names(proxy, authority, tmp_path)
    for answer in (stack.put(key, b"lost"), stack.put(key, noise(3_000_000)), stack.delete(key), stack.get(key)):
        assert answer.status == 503
        assert "stored" not in answer.headers.get("x-s3mirror-replicas", "")
    for name in NAMES:
        assert stack.on_backend(name, key).body == b"before"


# --- connections cut without close_notify -------------------------------------------------------------------------

@pytest.mark.parametrize("after", [0, 500, 1_000_000])
def test_a_write_cut_off_on_its_way_to_one_backend_is_repaired(stack, proxies, key, after):
    stack.put(key, b"before")
    stack.wait_settled(key)
    proxies["c"].cut("up", after)
    answer = stack.put(key, noise(3_000_000))
    assert (answer.status, replicas(answer)["c"]) == (200, "hinted")
    assert proxies["c"].cuts
    seen = stack.on_backend("c", key)
    assert (seen.status, seen.body) == (200, b"before")
    assert stack.get(key).body == noise(3_000_000)


@pytest.mark.parametrize("after", [0, 20, 1_000_000])
def test_a_read_cut_off_at_one_backend_goes_on_at_another(stack, proxies, key, after):
    body = noise(3_000_000)
    stack.put(key, body)
    stack.wait_settled(key)
    proxies["b"].cut("down", after)
    for _ in range(100):
        answer = stack.get(key)
        assert (answer.status, answer.body) == (200, body)
        if proxies["b"].cuts:
            break
    assert proxies["b"].cuts, "b was never asked"


def test_an_answer_cut_off_everywhere_is_never_taken_for_a_whole_one(stack, proxies, key):
    stack.put(key, noise(3_000_000))
    stack.wait_settled(key)
    for proxy in proxies.values():
        proxy.cut("down", 1_000_000)
    with stack.wire() as wire:
        wire.send(stack.signer.head("GET", stack.path(key)))
        answer = wire.response()
        assert answer is None or answer.status == 503 or not answer.complete
    assert any(proxy.cuts for proxy in proxies.values())
