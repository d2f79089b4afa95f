"""The gateway listening with https: real clients, and clients that break off, stall or speak something else."""

import hashlib
import random
import re
import socket
import ssl
import subprocess
import threading

import boto3
import botocore.config
import pytest

from certificates import Authority, openssl
from riglib import sigv4
from stack import Stack
from tls_wire import TlsWire
from wire import Wire, sha256

MIB = 1 << 20
BIG = 64 * MIB
OLD = b"what was there before"
PATIENCE_MS = 4000  # with clients that do not go on
# No backend is slow here; a busy machine is, and that is no reason to give one up.
TERMS = {"terms.stall_ms": 30_000, "terms.detach_ms": 30_000, "terms.write_ms": 60_000, "terms.first_byte_ms": 30_000}


def noise(size, seed=1):
    return random.Random(seed).randbytes(size)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def trust(authority):
    return authority.context()


@pytest.fixture(scope="module")
def shared(tmp_path_factory, binary, authority, trust):
    pair = authority.issue("gateway")
    running = Stack.up(tmp_path_factory.mktemp("tls"), sets={
        "tls.cert_file": str(pair.certificate), "tls.key_file": str(pair.key),
        **TERMS, "limits.front.idle_ms": PATIENCE_MS, "limits.front.head_ms": PATIENCE_MS})
    running.s3.context = trust
    assert running.endpoint.startswith("https://127.0.0.1:")
    yield running
    running.down()


@pytest.fixture
def stack(shared):
    """Whatever a test did: the gateway goes on."""
    yield shared
    assert shared.s3.request("GET").status == 200


def connect(stack, trust, **options):
    return TlsWire(stack.endpoint, trust, **options)


def port_of(stack):
    return int(stack.endpoint.rpartition(":")[2])


# --- real clients -------------------------------------------------------------------------------------------

def boto(stack, authority, **options):
    return boto3.client("s3", endpoint_url=stack.endpoint, region_name="us-east-1", verify=str(authority.file),
                        aws_access_key_id=stack.document["access_key"],
                        aws_secret_access_key=stack.document["secret_key"],
                        config=botocore.config.Config(s3={"addressing_style": "path"},
                                                      retries={"total_max_attempts": 1}, **options))


@pytest.mark.parametrize("size", [0, 1, 16 * 1024 + 1, 3_000_000, BIG])
def test_boto3_puts_reads_and_deletes(stack, authority, key, size):
    client, body = boto(stack, authority), noise(size)
    client.put_object(Bucket=stack.bucket, Key=key, Body=body, Metadata={"colour": "blue"})
    stack.assert_everywhere(key, body)
    head = client.head_object(Bucket=stack.bucket, Key=key)
    assert (head["ContentLength"], head["Metadata"]) == (size, {"colour": "blue"})
    assert client.get_object(Bucket=stack.bucket, Key=key)["Body"].read() == body
    client.delete_object(Bucket=stack.bucket, Key=key)
    stack.assert_everywhere(key, None)


def curl(stack, authority, *arguments):
    """(exit status, the answer's status, stdout without it, stderr)"""
    done = subprocess.run(
        ["curl", "-sS", "--max-time", "120", "--cacert", authority.file, "--aws-sigv4", "aws:amz:us-east-1:s3",
         "--user", f"{stack.document['access_key']}:{stack.document['secret_key']}",
         "-H", f"x-amz-content-sha256: {sigv4.UNSIGNED}", "-w", "\n%{http_code}", *arguments],
        capture_output=True, check=False)
    body, _, status = done.stdout.rpartition(b"\n")
    return done.returncode, int(status or 0), body, done.stderr.decode()


@pytest.mark.parametrize("size", [1000, BIG])
def test_curl_puts_reads_and_deletes(stack, authority, key, tmp_path, size):
    """A file of a size that makes curl send Expect: 100-continue."""
    body, url = noise(size), stack.endpoint + stack.path(key)
    (tmp_path / "up").write_bytes(body)
    assert curl(stack, authority, "-T", tmp_path / "up", url)[:2] == (0, 200)
    stack.assert_everywhere(key, body)
    assert curl(stack, authority, "-o", tmp_path / "down", url)[:2] == (0, 200)
    assert (tmp_path / "down").read_bytes() == body
    code, status, head, _ = curl(stack, authority, "-I", url)
    assert (code, status) == (0, 200)
    assert re.search(rb"(?im)^content-length: +%d\r$" % size, head)
    assert curl(stack, authority, "-H", "Range: bytes=100-199", url)[:3] == (0, 206, body[100:200])
    assert curl(stack, authority, "-X", "DELETE", url)[:2] == (0, 204)
    stack.assert_everywhere(key, None)


@pytest.mark.parametrize("header, first, last", [
    ("bytes=0-0", 0, 0), ("bytes=16383-16384", 16383, 16384), ("bytes=2999999-", 2999999, 2999999),
    ("bytes=-70000", 2930000, 2999999), ("bytes=1000-2500000", 1000, 2500000)])
def test_a_range_gives_its_part(stack, key, header, first, last):
    body = noise(3_000_000)
    stack.put(key, body)
    answer = stack.s3.request("GET", stack.path(key), headers={"range": header})
    assert (answer.status, answer.headers["content-range"]) == (206, f"bytes {first}-{last}/{len(body)}")
    assert answer.body == body[first:last + 1]


def test_many_clients_at_once_get_what_they_put(stack, key):
    wrong = []

    def work(number):
        for i in range(6):
            name, body = f"{key}-{number}", noise([100, 20_000, 600_000][(number + i) % 3], number * 100 + i)
            try:
                put, get = stack.put(name, body), stack.get(name)
            except OSError as broken:
                wrong.append((name, broken))
                continue
            if (put.status, get.status) != (200, 200) or get.body != body:
                wrong.append((name, put.status, get.status))

    workers = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong, wrong[:5]


# --- connections ------------------------------------------------------------------------------------------------

def test_a_connection_is_kept_and_pipelined_requests_are_answered_in_order(stack, trust, key):
    with connect(stack, trust) as wire:
        for size in (0, 10, 300_000):
            wire.send(stack.signer.put(stack.path(key), noise(size)))
            assert wire.response().status == 200
            wire.send(stack.signer.head("GET", stack.path(key)))
            assert wire.response().body == noise(size)
        wire.send(stack.signer.head("HEAD", stack.path(key)) + stack.signer.head("GET", stack.path(key)) +
                  stack.signer.head("GET", stack.path(key + "-none")))
        assert wire.response("HEAD").status == 200
        assert wire.response().body == noise(300_000)
        assert wire.response().status == 404


def test_100_continue_comes_before_the_body_and_only_when_authorised(stack, trust, key):
    body, expect = noise(700_000), {"content-length": "700000", "expect": "100-continue"}
    with connect(stack, trust) as wire:
        wire.send(stack.signer.head("PUT", stack.path(key), headers=expect))
        assert wire.response().status == 100
        wire.send(body)
        assert wire.response().status == 200
    stack.assert_everywhere(key, body)
    with connect(stack, trust) as wire:
        wire.send(stack.signer.head("PUT", stack.path(key), headers=expect).replace(b"Signature=", b"Signature=0"))
        assert wire.response().status in (400, 403)
    stack.assert_nowhere_changed(key, body)


@pytest.mark.parametrize("size", [1000, 3_000_000])
def test_bytes_that_come_in_any_records_and_pieces_are_the_same_object(stack, trust, key, size):
    """Records of one byte to the largest, cut anywhere on the wire."""
    body, rng = noise(size), random.Random(size)
    request = stack.signer.put(stack.path(key), body, payload=sha256(body))
    with connect(stack, trust) as wire:
        while request:
            cut = rng.choice((1, 2, 17, 1000, 16384, 100_000))
            records, request = wire.records(request[:cut]), request[cut:]
            middle = rng.randrange(len(records))
            wire.sock.sendall(records[:middle])
            wire.sock.sendall(records[middle:])
        assert wire.response().status == 200
    stack.assert_everywhere(key, body)


def test_a_reader_with_little_room_gets_the_whole_body(stack, trust, key):
    """The kernel takes parts of records only; the rest of each must follow, and nothing twice."""
    body = noise(8 * MIB)
    stack.put(key, body)
    with connect(stack, trust) as wire:
        wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 20_000)
        wire.send(stack.signer.head("GET", stack.path(key)))
        wire.more()
        head, _, first = wire.pending.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        seen, digest = len(first), hashlib.sha256(first)
        while seen < len(body):
            wire.pending = b""
            assert wire.more(), wire.ended
            seen += len(wire.pending)
            digest.update(wire.pending)
    assert digest.hexdigest() == sha256(body)


def test_a_client_that_has_said_all_still_gets_its_answer(stack, trust, key):
    """close_notify while the answer is coming ends one direction only."""
    body = noise(16 * MIB)
    stack.put(key, body)
    with connect(stack, trust) as wire:
        wire.send(stack.signer.head("GET", stack.path(key)))
        assert wire.more()
        wire.close_notify()
        answer = wire.response()
        assert (answer.status, answer.complete) == (200, True)
        assert answer.body == body


@pytest.mark.parametrize("why", ["asked to", "idle"])
def test_the_gateway_ends_with_close_notify(stack, trust, key, why):
    """Without it a client cannot tell an end from an attack, and some say so."""
    with connect(stack, trust) as wire:
        wire.send(stack.signer.head("HEAD", stack.path(key), headers={"connection": "close"} if why == "asked to" else {}))
        assert wire.response("HEAD").status == 404
        assert wire.closed()
        assert wire.ended == "close_notify"


# --- bodies that do not come whole ------------------------------------------------------------------------------

def changed(record):
    return record[:-1] + bytes([record[-1] ^ 1])


ENDINGS = {
    "close_notify": lambda wire: (wire.close_notify(), wire.finish()),
    "close_notify, socket open": lambda wire: wire.close_notify(),
    "no close_notify": lambda wire: wire.finish(),
    "in the middle of a record": lambda wire: (wire.sock.sendall(wire.records(b"x" * 900)[:450]), wire.finish()),
    "a record that was changed": lambda wire: wire.sock.sendall(changed(wire.records(b"x" * 900))),
    "reset": lambda wire: wire.reset(),
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("size", [2000, 3_000_000])
@pytest.mark.parametrize("payload", ["unsigned", "hashed"])
def test_a_truncated_body_changes_nothing(stack, trust, key, payload, size, ending):
    stack.put(key, OLD)
    stack.wait_settled(key)
    body = noise(size)
    declared = sha256(body) if payload == "hashed" else sigv4.UNSIGNED
    for sent in (0, 1, size // 2, size - 1000):
        with connect(stack, trust) as wire:
            wire.send(stack.signer.put(stack.path(key), body[:sent], declared=size, payload=declared))
            ENDINGS[ending](wire)
            if ending != "reset":
                answer = wire.response()
                assert answer is None or (answer.status == 400 and answer.code == "IncompleteBody"), answer
        stack.assert_nowhere_changed(key, OLD)


def test_a_client_gone_while_it_reads_harms_nobody(stack, trust, key):
    body = noise(BIG)
    stack.put(key, body)
    for ending in ("reset", "no close_notify", "close_notify"):
        with connect(stack, trust) as wire:
            wire.send(stack.signer.head("GET", stack.path(key)))
            assert wire.more()
            ENDINGS[ending](wire)
    assert stack.get(key).body == body


# --- handshakes that come to nothing ------------------------------------------------------------------------------

def test_a_client_refuses_a_certificate_for_another_name(stack, authority, trust, key):
    with pytest.raises(ssl.SSLCertVerificationError, match="other.example"):
        connect(stack, trust, name="other.example")
    code, _, _, error = curl(stack, authority, "--resolve", f"other.example:{port_of(stack)}:127.0.0.1",
                             f"https://other.example:{port_of(stack)}{stack.path(key)}")
    assert code == 60, error


def test_a_client_refuses_an_authority_it_does_not_know(stack, tmp_path, key):
    stranger = Authority(tmp_path / "stranger", "stranger")
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(stack, stranger.context())
    assert curl(stack, stranger, stack.endpoint + stack.path(key))[0] == 60


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions_of_tls_are_served(stack, authority, key, version):
    context = authority.context()
    context.minimum_version = context.maximum_version = version
    with connect(stack, context) as wire:
        assert wire.tls.version() == version.name.replace("_", ".")
        wire.send(stack.signer.put(stack.path(key), noise(600_000)))
        assert wire.response().status == 200
        wire.send(stack.signer.head("GET", stack.path(key)))
        assert wire.response().body == noise(600_000)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_older_versions_are_refused_with_an_alert(stack, authority, version):
    context = authority.context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with pytest.raises(ssl.SSLError) as refused:
        connect(stack, context)
    assert refused.value.reason == "TLSV1_ALERT_PROTOCOL_VERSION"


@pytest.mark.parametrize("first", ["GET /", "HEAD /media", "PUT /media/x", "DELETE /media/x"])
def test_plain_http_to_the_https_port_is_told_so(stack, first):
    with Wire(stack.endpoint) as wire:
        wire.send(first.encode() + b" HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + bytes(100_000))
        answer = wire.response()
        assert answer.status == 400
        assert b"https" in answer.body
        assert wire.closed()


def test_a_plain_head_in_pieces_is_told_so(stack):
    with Wire(stack.endpoint) as wire:
        for piece in (b"G", b"ET", b" / HTTP/1.1\r\n", b"Host: h\r\n\r\n"):
            wire.send(piece)
        assert wire.response().status == 400
        assert wire.closed()


def test_random_bytes_do_not_hurt(stack, trust):
    rng = random.Random(7)
    with connect(stack, trust, shake=False) as wire:
        hello = wire.client_hello()
    for i in range(60):
        sent = bytearray(hello if i % 2 else rng.randbytes(rng.choice((1, 5, 100, 5000))))
        for _ in range(rng.randrange(4)):
            sent[rng.randrange(len(sent))] = rng.randrange(256)
        with Wire(stack.endpoint) as wire:
            wire.try_send(bytes(sent))
            wire.finish()
            while wire.more():
                pass


def test_half_a_handshake_is_given_up_in_time_and_keeps_nobody_out(stack, trust, key):
    """Silence, half a ClientHello, a whole one and no more, and one byte now and then (slowloris)."""
    with connect(stack, trust, shake=False) as wire:
        hello = wire.client_hello()
    waiting = []
    for i in range(90):
        waiting.append(Wire(stack.endpoint))
        waiting[-1].send([b"", hello[:len(hello) // 2], hello][i % 3])
    assert stack.put(key, b"served").status == 200
    dripping = Wire(stack.endpoint, timeout=0.2)
    for byte in hello[:-1]:
        dripping.try_send(bytes([byte]))
        try:
            if not dripping.more():
                break
        except TimeoutError:
            continue
    else:
        pytest.fail(f"the gateway waited for {len(hello) - 1} bytes at one every 200 ms")
    assert not dripping.pending
    for wire in waiting:
        while wire.more():  # until the gateway ends it; a time-out fails the test
            pass
        wire.sock.close()
    dripping.sock.close()


# --- the configuration ----------------------------------------------------------------------------------------------

CONFIG = """\
listen: 127.0.0.1:18000
journal: {{ path: /tmp/journal.db }}
tls:
  cert_file: {certificate}
  key_file: {key}
keys: [ {{ access_key: demo, secret_key: s }} ]
backends:
  - {{ name: a, endpoint: "https://127.0.0.1:9001", access_key: x, secret_key: y, ca_file: {ca} }}
"""


@pytest.fixture(scope="module")
def files(authority, tmp_path_factory):
    """The names that CONFIG takes, all of them right."""
    pair = authority.issue("configured")
    locked = tmp_path_factory.mktemp("files") / "locked.key"
    openssl("pkcs8", "-topk8", "-in", pair.key, "-out", locked, "-passout", "pass:word")
    locked.chmod(0o600)
    wide = locked.with_name("wide.key")
    wide.write_bytes(pair.key.read_bytes())
    wide.chmod(0o644)
    garbage = locked.with_name("garbage.pem")
    garbage.touch(0o600)
    garbage.write_text("no PEM\n")
    return {"good": {"certificate": pair.certificate, "key": pair.key, "ca": authority.file},
            "other": authority.issue("other").key, "locked": locked, "wide": wide, "garbage": garbage,
            "none": locked.with_name("none.pem")}


def check_config(binary, tmp_path, **names):
    file = tmp_path / "s3mirror.yaml"
    file.write_text(CONFIG.format(**names))
    return subprocess.run([binary, "--check-config", "--config", file], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, start_new_session=True, timeout=60)


def test_good_files_pass(binary, tmp_path, files):
    done = check_config(binary, tmp_path, **files["good"])
    assert done.returncode == 0, done.stderr
    assert "https" in done.stdout


BAD_FILES = {  # what is put where, and what the message must say of it
    "no certificate": ("certificate", "none", r":4: tls\.cert_file: .*none\.pem: No such file"),
    "no key": ("key", "none", r":5: tls\.key_file: .*none\.pem: No such file"),
    "another's key": ("key", "other", r":5: tls\.key_file: .*other\.key is not the key of the certificate in "),
    "a key under a passphrase": ("key", "locked", r":5: tls\.key_file: .*locked\.key is protected by a passphrase"),
    "a key that all can read": ("key", "wide", r":5: tls\.key_file: .*wide\.key.*chmod 600"),
    "a certificate that is none": ("certificate", "garbage", r":4: tls\.cert_file: cannot read a certificate from .*garbage"),
    "a key that is none": ("key", "garbage", r":5: tls\.key_file: cannot read a private key from .*garbage"),
    "no authority": ("ca", "none", r":8: backends\[0\]\.ca_file: .*none\.pem: No such file"),
    "an authority that is none": ("ca", "garbage", r":8: backends\[0\]\.ca_file: cannot read certificates from .*garbage"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_file_that_cannot_be_used_is_told_with_line_and_key(binary, tmp_path, files, case):
    where, what, pattern = BAD_FILES[case]
    done = check_config(binary, tmp_path, **{**files["good"], where: files[what]})
    assert done.returncode == 1, done.stdout
    assert re.search(pattern, done.stderr), done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
