"""rclone serve s3 as the fourth replica, beside three real vendors: it verifies no checksum, ignores conditions, forgets
metadata when it restarts. The three good ones are never worse for it, and itself ends equal or hinted, never silently
different."""

import hashlib
import os
import threading

import pytest

from stack import wait_until
from wire import Wire, sha256

GOOD, BAD = ("a", "b", "c"), "d"
SIZES = (0, 1, 70_000, 512 * 1024, 512 * 1024 + 1, 700_000, 9_000_000)


@pytest.fixture(scope="module")
def four(tmp_path_factory, binary):
    from stack import Stack
    running = Stack.up(tmp_path_factory.mktemp("four"), backends=["seaweedfs", "minio", "versitygw", "rclone"],
                       sets={"repair.attempts": 3})
    yield running
    running.down()


def body_of(size, seed):
    return hashlib.shake_256(f"{seed}".encode()).digest(size)


def bodies(stack, key):
    return {name: (shown[0], shown[1] if shown[0] == 200 else None) for name, shown in stack.everywhere(key).items()}


def assert_bodies(stack, key, body):
    """The same bytes on all four. Not the stamps: rclone has forgotten them after a restart."""
    for name, (status, seen) in bodies(stack, key).items():
        assert (status, seen) == ((200, body) if body is not None else (404, None)), f"{name} shows {status}"


@pytest.mark.parametrize("size", SIZES)
def test_writes_overwrites_and_deletes_of_every_size(four, key, size):
    for seed in range(3):
        body = body_of(size, seed)
        answer = four.put(key, body, {"x-amz-meta-turn": str(seed)})
        assert answer.status == 200
        assert four.get(key).body == body
    four.assert_everywhere(key, body_of(size, 2))
    assert four.delete(key).status == 204
    four.assert_everywhere(key, None)


def test_what_a_client_reads_twice_has_one_etag(four, key):
    """rclone's ETag of a multipart upload is another than the others'."""
    s3, path = four.s3, four.path(key)
    upload = s3.request("POST", path, "uploads=").body.partition(b"<UploadId>")[2].partition(b"</UploadId>")[0].decode()
    parts = [body_of(5 << 20, 1), body_of(1000, 2)]
    document = "<CompleteMultipartUpload>"
    for number, part in enumerate(parts, 1):
        answer = s3.request("PUT", path, f"partNumber={number}&uploadId={upload}", part)
        assert answer.status == 200, answer.body
        document += f"<Part><PartNumber>{number}</PartNumber><ETag>{answer.headers['etag']}</ETag></Part>"
    answer = s3.request("POST", path, f"uploadId={upload}", (document + "</CompleteMultipartUpload>").encode())
    assert answer.status == 200, answer.body
    whole = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).hexdigest()
    assert {four.head(key).headers["etag"] for _ in range(20)} == {f'"{whole}-2"'}
    four.wait_settled(key)
    assert_bodies(four, key, b"".join(parts))
    assert four.on_backend(BAD, key).headers["etag"] == f'"{hashlib.md5(b"".join(parts)).hexdigest()}"'
    assert not four.metric("s3mirror_etag_differs_total")


# --- bodies that must not be stored ------------------------------------------------------------------------

LARGE = 3_000_000


@pytest.mark.parametrize("how", ["finish", "reset"])
@pytest.mark.parametrize("sent", [0, 1, 1000, LARGE // 2, LARGE - 1])
@pytest.mark.parametrize("there", [True, False])
def test_a_client_that_stops_anywhere_changes_nothing(four, key, sent, how, there):
    old = b"what was there before" if there else None
    if there:
        assert four.put(key, old).status == 200
    body = body_of(LARGE, 7)
    with Wire(four.endpoint) as wire:
        wire.send(four.signer.put(four.path(key), body[:sent], declared=len(body)))
        if sent > 1 << 20:
            wait_until(lambda: four.metric("s3mirror_journal_rows_open") > 0, "the write to have begun", 30)
        getattr(wire, how)()
        if how == "finish":
            wire.response()  # a refusal, or the end
    four.wait_settled(key)
    four.assert_everywhere(key, old)


@pytest.mark.parametrize("size", [9, LARGE])
@pytest.mark.parametrize("lie", ["sha256", "md5", "crc32"])
def test_a_body_that_is_not_what_it_is_said_to_be_changes_nothing(four, key, size, lie):
    """rclone would store it: of these it looks at the MD5 alone."""
    old, body = b"what was there before", body_of(size, 3)
    assert four.put(key, old).status == 200
    headers, payload = {}, sha256(body)
    if lie == "sha256":
        payload = sha256(body + b"x")
    elif lie == "md5":
        headers["content-md5"] = "AAAAAAAAAAAAAAAAAAAAAA=="
    else:
        headers["x-amz-checksum-crc32"] = "AAAAAA=="
    answer = four.signer.exchange(four.signer.put(four.path(key), body, headers=headers, payload=payload))
    assert answer.status == 400, answer
    four.wait_settled(key)
    four.assert_everywhere(key, old)


def test_conditions_that_rclone_ignores_are_decided_before_it_is_asked(four, key):
    answers, gate = [], threading.Barrier(8)

    def write(number):
        gate.wait()
        answers.append((four.put(key, b"%d" % number * 700_000, {"if-none-match": "*"}).status, number))

    writers = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    won = [number for status, number in answers if status == 200]
    assert len(won) == 1 and {status for status, _ in answers} <= {200, 409, 412}, answers
    assert four.put(key, b"no", {"if-match": '"00000000000000000000000000000000"'}).status == 412
    four.wait_settled(key)
    four.assert_everywhere(key, b"%d" % won[0] * 700_000)


# --- the gateway or rclone dies ----------------------------------------------------------------------------

@pytest.mark.parametrize("sent", [1000, LARGE // 2, LARGE - 1])
def test_a_gateway_that_is_killed_leaves_no_half_body(four, key, sent):
    old, body = b"what was there before", body_of(LARGE, 5)
    assert four.put(key, old).status == 200
    four.wait_repaired()
    with Wire(four.endpoint) as wire:
        wire.send(four.signer.put(four.path(key), body[:sent], declared=len(body)))
        wait_until(lambda: four.metric("s3mirror_journal_rows_open") > 0, "the write to have begun", 30)
        four.rig("kill", "g1")
    assert_bodies(four, key, old)
    four.rig("start", "g1")
    four.wait_repaired()
    assert_bodies(four, key, old)


def test_what_rclone_misses_while_it_is_down_it_gets_later(four):
    kept, gone, new = "down/kept", "down/gone", "down/new"
    for name in (kept, gone):
        assert four.put(name, b"from before").status == 200
    four.rig("kill", BAD)
    assert four.put(kept, body_of(LARGE, 1)).status == 200
    assert four.put(new, body_of(700_000, 2)).status == 200
    assert four.delete(gone).status == 204
    assert four.hints(BAD) == 3
    for name in GOOD:
        assert four.on_backend(name, kept).body == body_of(LARGE, 1)
    four.rig("start", BAD)
    four.wait_repaired()
    four.assert_everywhere(kept, body_of(LARGE, 1))
    four.assert_everywhere(new, body_of(700_000, 2))
    four.assert_everywhere(gone, None)


def test_rclone_is_killed_again_and_again_while_clients_write(four):
    written, stop = {}, threading.Event()

    def write(number):
        for turn in range(1000):
            if stop.is_set():
                return
            name = f"storm/{number}-{turn % 5}"
            if turn % 7 == 6:
                assert four.delete(name).status == 204
                written[name] = None
            else:
                body = os.urandom(700_000 if turn % 3 else 900)
                assert four.put(name, body).status == 200
                written[name] = body

    writers = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for writer in writers:
        writer.start()
    for _ in range(4):
        seen = dict(written)
        wait_until(lambda: len(written) > 8 and written != seen, "more writes", 60)  # noqa: B023
        four.rig("kill", BAD)
        seen = dict(written)
        wait_until(lambda: written != seen, "writes without it", 60)  # noqa: B023
        four.rig("start", BAD)
    stop.set()
    for writer in writers:
        writer.join()
    four.wait_repaired()
    for name, body in written.items():
        assert_bodies(four, name, body)


def test_metadata_does_not_depend_on_who_is_asked_and_is_repaired(four, key):
    """SeaweedFS drops metadata without a value, of what is beyond ASCII each shows something else."""
    metadata = {"x-amz-meta-empty": "", "x-amz-meta-town": "Köln", "x-amz-meta-plain": "1"}
    shown = {**metadata, "x-amz-meta-town": "=?UTF-8?B?S8O2bG4=?="}
    four.rig("stop", "b")
    put = four.signer.put(four.path(key), b"x", headers=metadata)
    assert "b=hinted" in four.signer.exchange(put).headers["x-s3mirror-replicas"]
    four.rig("cont", "b")
    four.wait_settled(key)
    for _ in range(20):
        headers = four.head(key).headers
        assert {name: headers.get(name) for name in metadata} == shown
    for name in ("b", "c"):
        headers = four.on_backend(name, key).headers
        assert {name: headers.get(name) for name in metadata} == shown


# --- keys --------------------------------------------------------------------------------------------------

FOLDED = ["/lead", "a//b", "up/../b", "up/.", "folder/"]


@pytest.mark.parametrize("key", FOLDED)
def test_keys_that_a_replica_takes_for_others_are_refused_by_every_operation(four, key):
    path = four.path(key)
    assert four.put("source", b"x").status == 200
    answers = {
        "put": four.s3.request("PUT", path, body=b"x"),
        "get": four.s3.request("GET", path),
        "delete": four.s3.request("DELETE", path),
        "copy to": four.s3.request("PUT", path, headers={"x-amz-copy-source": "/media/source"}),
        "copy from": four.s3.request("PUT", four.path("target"), headers={"x-amz-copy-source": path}),
        "upload": four.s3.request("POST", path, "uploads="),
        "tags": four.s3.request("GET", path, "tagging="),
        "attributes": four.s3.request("GET", path, "attributes=", headers={"x-amz-object-attributes": "ETag"}),
    }
    for name, answer in answers.items():
        assert answer.status == 400 and b"<Code>KeyNotSupported</Code>" in answer.body, (name, answer.body)
        assert b"<Message>Backend " in answer.body, (name, answer.body)
    assert four.s3.request("HEAD", path).status == 400
    many = four.s3.request("POST", "/media", "delete=", f"<Delete><Object><Key>{key}</Key></Object><Object><Key>source"
                           "</Key></Object></Delete>".encode())
    assert many.status == 200 and many.body.count(b"<Code>KeyNotSupported</Code>") == 1, many.body
    assert four.get("source").status == 404


def test_a_key_that_a_replica_cannot_have_is_no_endless_retry(start_stack):
    """`p/q` beside `p`: versitygw keeps objects as files."""
    stack = start_stack(backends=["seaweedfs", "seaweedfs", "versitygw"])
    assert stack.put("p", b"in the way").status == 200
    answer = stack.put("p/q", b"below it")
    assert answer.status == 200 and "c=hinted" in answer.headers["x-s3mirror-replicas"]
    wait_until(lambda: stack.metric("s3mirror_dead_letters") == 1, "the dead letter", 60)
    line = next(line for line in stack.log("g1").splitlines() if "repair_dead_letter" in line)
    assert "409 ObjectParentIsFile: a folder in this key is an object there" in line and "tries=1" in line, line
    failures = stack.metric("s3mirror_repair_failures_total")
    assert stack.put("other", b"x").status == 200
    stack.wait_settled("other")
    assert stack.metric("s3mirror_repair_failures_total") == failures
    assert stack.get("p/q").body == b"below it"
    # what is in the way goes; whoever asks then for another try gets it
    assert stack.delete("p").status == 204
    stack.rig("term", "g1")
    stack.rig("start", "g1")
    stack.wait_repaired()
    stack.assert_everywhere("p/q", b"below it")


# --- a server that nothing is known about -------------------------------------------------------------------

def test_unknown_servers_are_written_to_in_parts(start_stack):
    """The profile `generic`: nothing that shows before the Complete, whatever the server does with cut bodies."""
    stack = start_stack(backends=["seaweedfs", "minio", "versitygw"],
                        sets={f"backends.{n}.profile": "generic" for n in range(3)})
    body = body_of(20_000_000, 1)
    for size in (0, 70_000, 700_000, 20_000_000):
        assert stack.put("k", body[:size]).status == 200
        stack.assert_everywhere("k", body[:size])
    etags = {name: seen[2]["etag"] for name, seen in stack.everywhere("k").items()}
    assert len(set(etags.values())) == 1 and stack.head("k").headers["etag"] in etags.values()
    with Wire(stack.endpoint) as wire:
        wire.send(stack.signer.put(stack.path("k"), body[:10_000_000], declared=len(body)))
        wire.reset()
    stack.wait_settled("k")
    stack.assert_everywhere("k", body)
    for name in stack.backends:
        answer = stack.backend(name).request("GET", f"/{stack.backend_bucket(name)}", "uploads=")
        wait_until(lambda: b"<UploadId>" not in stack.backend(name).request(  # noqa: B023
            "GET", f"/{stack.backend_bucket(name)}", "uploads=").body, f"no upload to be left on {name}", 30)  # noqa: B023
        assert answer.status == 200
    stack.rig("kill", "b")
    assert stack.put("k", body[:700_001]).status == 200
    stack.rig("start", "b")
    stack.wait_repaired()
    stack.assert_everywhere("k", body[:700_001])
