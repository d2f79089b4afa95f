"""Replicas that know less than S3: one ignores conditions on writes, If-Match and the tags of objects, and answers a sub-resource
with the object itself. What the gateway promises of conditions, copies and tags holds all the same."""

import concurrent.futures

import pytest

from stack import wait_until
from test_conditions import READS, ask
from test_copies import backend_tags, code_of, copy, noise, put_tags, tags_of


@pytest.fixture(scope="module")
def mixed(tmp_path_factory, binary):
    from stack import Stack
    stack = Stack.up(tmp_path_factory.mktemp("mixed"), backends=["seaweedfs", "versitygw", "rclone"])
    yield stack
    stack.down()


def test_reads_are_judged_the_same_whoever_answers(mixed):
    mixed.put("read", b"x" * 100)
    head = mixed.head("read").headers
    values = {"etag": head["etag"], "bare": head["etag"].strip('"'), "other": '"' + "0" * 32 + '"',
              "older": "Sun, 06 Nov 1994 08:49:37 GMT", "newer": "Fri, 01 Jan 2100 00:00:00 GMT"}
    for _ in range(4):  # a replica is drawn each time
        for status, conditions in READS:
            if any("{same}" in v for v in conditions.values()):
                continue  # replicas differ in the second of their Last-Modified
            for method in ("GET", "HEAD"):
                answer = ask(mixed, method, "read", {n: v.format(**values) for n, v in conditions.items()})
                assert answer.status == status, (conditions, answer)
                assert status != 304 or answer.headers["etag"] == head["etag"]
        answer = ask(mixed, "HEAD", "read", {"range": "bytes=10-19"})
        assert (answer.status, answer.headers["content-range"]) == (206, "bytes 10-19/100")


def test_one_creator_wins(mixed):
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        for n in range(4):
            bodies = [f"creator {i}".encode() for i in range(12)]
            answers = list(pool.map(lambda b: mixed.put(f"race-{n}", b, {"if-none-match": "*"}), bodies))  # noqa: B023
            assert sorted(a.status for a in answers) == [200] + [412] * 11
            mixed.assert_everywhere(f"race-{n}", bodies[[a.status for a in answers].index(200)])


def test_tags_are_told_whoever_is_asked_and_survive_the_source_that_knows_none(mixed):
    assert mixed.put("tagged", noise(600_000), {"x-amz-tagging": "a=1&b=2"}).status == 200
    for _ in range(8):
        assert tags_of(mixed, "tagged") == {"a": "1", "b": "2"}
        assert mixed.head("tagged").headers["x-amz-tagging-count"] == "2"
    assert put_tags(mixed, "tagged", {"c": "3"}).status == 200
    assert copy(mixed, "tagged", "tagged-2").status == 200
    for key in ("tagged", "tagged-2"):
        assert tags_of(mixed, key) == {"c": "3"}
        assert backend_tags(mixed, "a", key) == backend_tags(mixed, "b", key) == {"c": "3"}
        mixed.assert_everywhere(key, noise(600_000))
    assert mixed.s3.request("DELETE", mixed.path("tagged"), "tagging=").status == 204
    assert tags_of(mixed, "tagged") == {}
    mixed.assert_everywhere("tagged", noise(600_000))


def test_a_failed_condition_of_a_delete_deletes_nowhere(mixed):
    mixed.put("kept", b"kept")
    assert ask(mixed, "DELETE", "kept", {"if-match": '"0"'}).status == 412
    mixed.assert_everywhere("kept", b"kept")
    assert code_of(ask(mixed, "PUT", "kept", {"if-match": '"0"'}, body=b"x")) == "PreconditionFailed"


def test_repair_brings_tags_from_whoever_tells_them(mixed):
    """a is away; of the two that have the change one knows no tags."""
    mixed.put("mended", b"m" * 1000, {"x-amz-tagging": "v=1"})
    mixed.rig("kill", "a")
    wait_until(lambda: put_tags(mixed, "mended", {"v": "2"}).status == 200, "tags to be put", 30)
    mixed.rig("start", "a")
    mixed.wait_repaired()
    assert backend_tags(mixed, "a", "mended") == {"v": "2"}
    mixed.assert_everywhere("mended", b"m" * 1000)
