"""SIGHUP: another certificate without a dropped connection, and none that is broken."""

import os
import shutil
import signal
import ssl

import pytest

from certificates import Authority
from stack import Stack, wait_until
from tls_wire import TlsWire

MIB = 1 << 20


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    """The one whose certificate is loaded at start, and the one that comes after it."""
    return [Authority(tmp_path_factory.mktemp(name), name) for name in ("first", "second")]


@pytest.fixture
def stack(tmp_path, binary, authorities):
    pair = authorities[0].issue("gateway")
    live = {"tls.cert_file": tmp_path / "live.pem", "tls.key_file": tmp_path / "live.key"}
    install(live, pair)
    running = Stack.up(tmp_path / "rig", backends=["seaweedfs"], sets={
        **{name: str(path) for name, path in live.items()},
        "terms.stall_ms": 30_000, "terms.detach_ms": 30_000, "limits.front.idle_ms": 60_000})
    running.s3.context = authorities[0].context()
    running.live = live
    yield running
    running.down()


def install(live, pair):
    for source, target in ((pair.certificate, live["tls.cert_file"]), (pair.key, live["tls.key_file"])):
        shutil.copy(source, target)
        target.chmod(0o600)


def hang_up(stack, event):
    """SIGHUP, until the gateway has said so many times what came of it."""
    before = stack.log("g1").count(event)
    os.kill(stack.gateway_pid(), signal.SIGHUP)
    wait_until(lambda: stack.log("g1").count(event) > before, f"{event} in the log", 60, 0.02)


def shakes(stack, authority):
    try:
        with TlsWire(stack.endpoint, authority.context()):
            return True
    except ssl.SSLCertVerificationError:
        return False


def test_a_new_certificate_is_for_new_connections_and_drops_none(stack, authorities, key):
    first, second = authorities
    body = os.urandom(8 * MIB)
    head = stack.signer.put(stack.path(key), b"", declared=len(body))
    idle = TlsWire(stack.endpoint, first.context())
    busy = TlsWire(stack.endpoint, first.context())
    idle.send(stack.signer.head("GET", "/"))
    assert idle.response().status == 200
    busy.send(head + body[:3 * MIB])
    assert shakes(stack, first) and not shakes(stack, second)

    install(stack.live, second.issue("gateway"))
    assert shakes(stack, first), "nothing changes before it is asked for"
    hang_up(stack, "tls_reloaded")
    assert shakes(stack, second) and not shakes(stack, first)

    busy.send(body[3 * MIB:])
    assert busy.response().status == 200
    idle.send(stack.signer.head("GET", "/"))
    assert idle.response().status == 200
    stack.s3.context = second.context()
    assert stack.get(key).body == body
    stack.assert_everywhere(key, body)


def test_a_broken_file_changes_nothing(stack, authorities, key):
    first, second = authorities
    other = second.issue("gateway")

    def no_certificate():
        stack.live["tls.cert_file"].write_text("not PEM")

    def no_key():
        stack.live["tls.key_file"].unlink()

    def another_key():
        shutil.copy(other.key, stack.live["tls.key_file"])

    def a_public_key():
        stack.live["tls.key_file"].chmod(0o644)

    for spoil in (no_certificate, no_key, another_key, a_public_key):
        install(stack.live, first.issue("gateway"))
        spoil()
        hang_up(stack, "tls_not_reloaded")
        assert shakes(stack, first), spoil.__name__
        assert stack.put(key, spoil.__name__.encode()).status == 200
    log = stack.log("g1")
    for cause in ("cannot read a certificate from", "No such file", "is not the key of the certificate", "may use it"):
        assert cause in log
    install(stack.live, other)
    hang_up(stack, "tls_reloaded")
    assert shakes(stack, second)


def test_without_tls_there_is_nothing_to_read_and_nothing_ends(start_stack, key):
    plain = start_stack(backends=["seaweedfs"])
    hang_up(plain, "nothing_to_reload")
    assert plain.put(key, b"still here").status == 200
    plain.assert_everywhere(key, b"still here")
