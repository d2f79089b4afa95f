"""Listings over real servers: every form, prefix, delimiter and page size over awkward names, on each vendor by itself and
on the three together, also while replicas differ."""

import itertools

import pytest

from listing import AWKWARD, FORMS, Page, ask, check, expected, quote
from stack import Stack, wait_until

PREFIXES = ["", "a", "a/", "b/c", "d/", "x", "\u00e4", "nothing"]
DELIMITERS = ["", "/", "-", "e/"]


@pytest.fixture(scope="module", params=["seaweedfs", "minio", "versitygw", "seaweedfs,minio,versitygw"])
def filled(request, tmp_path_factory, binary):
    running = Stack.up(tmp_path_factory.mktemp("list"), backends=request.param.split(","))
    for name in AWKWARD:
        assert running.put(name, name.encode()).status == 200
    yield running
    running.down()


@pytest.mark.parametrize("most", [1, 3, 1000])
@pytest.mark.parametrize("form", FORMS)
def test_every_page_is_right(filled, form, most):
    for prefix, delimiter in itertools.product(PREFIXES, DELIMITERS):
        asked = {"prefix": prefix, **({"delimiter": delimiter} if delimiter else {})}
        check(filled, AWKWARD, form, most, **asked)


def test_a_list_may_start_anywhere(filled):
    for after in ["", "A", "a", "a b", "a-b/", "a-b/c", "a/", "a/1", "a/9", "b/c", "d/e", "m", "sp ace/", "x-", "x/", "\U0010fffe"]:
        status, tree = ask(filled, list_type=2, start_after=after, encoding_type="url")
        assert status == 200
        assert Page(tree).texts == [k for k in expected(AWKWARD) if k.encode() > after.encode()]
        _, tree = ask(filled, marker=after, encoding_type="url", delimiter="/")
        assert Page(tree).texts == [text for text in expected(AWKWARD, delimiter="/")
                                    if text.encode() > after.encode() and not (text.endswith("/") and after.startswith(text))]
        # V2 shows a group again of which there is something left.
        _, tree = ask(filled, list_type=2, start_after=after, encoding_type="url", delimiter="/")
        assert Page(tree).texts == expected([k for k in AWKWARD if k.encode() > after.encode()], delimiter="/")


def test_entries_say_what_a_head_says(filled):
    _, tree = ask(filled, list_type=2, fetch_owner="true")
    page = Page(tree)
    for name in page.keys:
        head = filled.head(name)
        assert page.etags[name] == head.headers["etag"]
        assert page.sizes[name] == int(head.headers["content-length"]) == len(name.encode())
    for entry in tree.iter("Contents"):
        assert entry.findtext("StorageClass") == "STANDARD"
        assert entry.findtext("Owner/ID") == entry.findtext("Owner/DisplayName") != ""
        assert entry.findtext("LastModified").endswith("Z")


def test_what_was_asked_is_echoed(filled):
    _, tree = ask(filled, list_type=2, prefix="a+ b", delimiter="%", start_after="<&>", max_keys=2000)
    assert [tree.findtext(name) for name in ("Name", "Prefix", "Delimiter", "StartAfter", "MaxKeys", "KeyCount")] == \
        ["media", "a+ b", "%", "<&>", "1000", "0"]
    assert tree.find("EncodingType") is None
    _, tree = ask(filled, prefix="a+ b", delimiter="%", marker="<&>", encoding_type="url")
    assert [tree.findtext(name) for name in ("Prefix", "Delimiter", "Marker", "EncodingType")] == \
        ["a+ b", "%25", "%3C%26%3E", "url"]  # version 1 and its clients do not encode the prefix
    _, tree = ask(filled, delimiter="")
    assert tree.find("Delimiter") is None
    assert Page(tree).texts == expected(AWKWARD)


def test_a_folder_whose_objects_are_gone_is_no_object(start_stack):
    stack = start_stack(backends=["seaweedfs"])
    for name in ("folder/1", "folder/sub/2", "kept/"):
        assert stack.put(name, b"").status == 200
    for name in ("folder/1", "folder/sub/2"):
        assert stack.delete(name).status == 204
    for prefix, keys in (("folder/", []), ("folder/sub/", []), ("kept/", ["kept/"])):
        for form in FORMS:
            assert [key for page in FORMS[form](stack, delimiter="/", prefix=prefix) for key in page.keys] == keys


def test_no_keys_are_a_list_too(filled):
    for asked in ({"list_type": 2}, {}, {"versions": ""}):
        status, tree = ask(filled, max_keys=0, **asked)
        assert (status, Page(tree).texts, Page(tree).truncated) == (200, [], False)


@pytest.mark.parametrize("asked, says", [
    ({"list_type": 2, "continuation_token": "x"}, "continuation token"),
    ({"list_type": 2, "continuation_token": "A" * 2000}, "continuation token"),
    ({"list_type": 2, "continuation_token": "\u00e4"}, "continuation token"),
    ({"max_keys": "-1"}, "max-keys"),
    ({"max_keys": "many"}, "max-keys"),
    ({"encoding_type": "base64"}, "Encoding"),
    ({"versions": "", "version_id_marker": "null"}, "key marker"),
    ({"versions": "", "version_id_marker": "3", "key_marker": "a"}, "null"),
])
def test_what_cannot_be_asked_is_refused(filled, asked, says):
    status, tree = ask(filled, **asked)
    assert (status, tree.findtext("Code")) == (400, "InvalidArgument")
    assert says in tree.findtext("Message")


def test_a_prefix_that_is_no_text_is_refused(filled):
    answer = filled.s3.request("GET", f"/{filled.bucket}", "prefix=%FF")
    assert answer.status == 400 and b"UTF-8" in answer.body


def test_a_prefix_longer_than_any_key_lists_nothing(filled):
    status, tree = ask(filled, list_type=2, prefix="p" * 3000)
    assert (status, Page(tree).texts) == (200, [])
    status, tree = ask(filled, list_type=2, start_after="a" * 3000, prefix="a")
    assert (status, Page(tree).texts) == (200, [k for k in expected(AWKWARD) if k.startswith("a") and k > "a" * 3000])


def test_backends_that_know_version_1_only(start_stack):
    stack = start_stack(backends=["seaweedfs", "minio", "versitygw"],
                        sets={f"backends.{n}.capabilities.list_version": "v1" for n in range(3)})
    for name in AWKWARD:
        assert stack.put(name, b"x").status == 200
    for away in ("", "bc", "ac", "ab"):  # all of them, and each by itself
        for name in away:
            stack.rig("kill", name)
        for most, delimiter in itertools.product((3, 1000), ("", "/")):
            check(stack, AWKWARD, most=most, **({"delimiter": delimiter} if delimiter else {}))
        for name in away:
            stack.rig("start", name)
        for name in away:
            wait_until(lambda n=name: stack.metric("s3mirror_backend_up", backend=n) == 1, f"{name} to be taken back", 60)


# --- replicas that differ -----------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def mixed(tmp_path_factory, binary):
    # SeaweedFS, while it starts, may hold a PUT for long and then carry it out.
    running = Stack.up(tmp_path_factory.mktemp("mixed"), backends=["seaweedfs", "minio", "versitygw"],
                       sets={"terms.stall_ms": 30_000, "terms.write_ms": 30_000, "terms.ambiguity_ms": 30_000,
                             "terms.lease_ms": 30_000})
    yield running
    running.down()


def check_all(stack, prefix, keys, mosts=(1, 3, 1000)):
    for most, delimiter in itertools.product(mosts, ["", "/", "-"]):
        asked = {"prefix": prefix, **({"delimiter": delimiter} if delimiter else {})}
        check(stack, keys, "V2", most, **asked)


@pytest.mark.parametrize("away", ["a", "b", "c"])
def test_a_replica_that_missed_writes_makes_no_list_wrong(mixed, away):
    prefix = f"{away}-was-away/"
    keys = {prefix + name for name in AWKWARD}
    for name in keys:
        assert mixed.put(name, b"before").status == 200
    check_all(mixed, prefix, keys, [1000])
    mixed.rig("kill", away)

    changed, gone = prefix + "a+b", {prefix + name for name in ("a.txt", "b/c/d", "d/e/f/g", "x-y/1")}
    new = {prefix + name for name in ("0", "a/12", "b/c-d0", "new/folder/x", "zz")}
    for name in gone:
        assert mixed.delete(name).status == 204
        keys.remove(name)
        check(mixed, keys, prefix=prefix)
    for name in new:
        assert mixed.put(name, b"new").status == 200
        keys.add(name)
        check(mixed, keys, prefix=prefix)
    assert mixed.put(changed, b"changed").status == 200
    check_all(mixed, prefix, keys)

    mixed.rig("start", away)
    for _ in range(10):  # while it is repaired
        check(mixed, keys, prefix=prefix, most=7)
        _, tree = ask(mixed, list_type=2, prefix=prefix)
        assert Page(tree).sizes[changed] == len(b"changed")
    mixed.wait_repaired()
    check_all(mixed, prefix, keys)
    for name in mixed.backends:
        assert {key for key in mixed.listing(name) if key.startswith(prefix)} == keys


@pytest.mark.parametrize("behind", [False, True])
def test_a_key_below_another_one_is_listed(start_stack, behind):
    """MinIO hides it, versitygw cannot have it: SeaweedFS is listed, be it behind or not."""
    stack = start_stack(backends=["minio", "versitygw", "seaweedfs"])
    keys = {"nest", "nest/egg", "nest/egg/yolk", "other"}
    for name in sorted(keys):
        assert stack.put(name, b"x").status == 200
    if behind:
        wait_until(lambda: stack.metric("s3mirror_dead_letters") == 2, "versitygw's dead letters", 60)
        stack.rig("stop", "c")
        for n in range(5):
            assert stack.put(f"missed-{n}", b"x").status == 200
            keys.add(f"missed-{n}")
        stack.rig("cont", "c")
        wait_until(lambda: stack.metric("s3mirror_backend_up", backend="c") == 1, "c to be taken back", 60)
    for form, most in itertools.product(FORMS, (1, 2, 1000)):
        check(stack, keys, form, most)


def test_a_list_that_only_a_stale_replica_could_give_is_refused(start_stack):
    stack = start_stack(backends=["versitygw", "versitygw"])
    for name in ("kept", "gone"):
        assert stack.put(name, b"x").status == 200
    stack.rig("kill", "b")
    assert stack.delete("gone").status == 204
    assert stack.put("new", b"x").status == 200
    stack.rig("stop", "a")
    stack.rig("start", "b")
    status, tree = ask(stack, list_type=2)
    assert (status, tree.findtext("Code")) == (503, "ServiceUnavailable")
    status, tree = ask(stack, list_type=2, prefix="kept")  # of this it is sure
    assert (status, Page(tree).texts) == (200, ["kept"])
    stack.rig("cont", "a")
    stack.wait_repaired()
    check(stack, ["kept", "new"])


def test_a_bucket_is_empty_when_no_replica_lists_anything(start_stack):
    stack = start_stack(backends=["versitygw", "minio", "seaweedfs"])
    assert stack.s3.request("PUT", "/fresh").status == 200
    stack.bucket = "fresh"
    check(stack, [])
    assert stack.put("folder/key", b"x").status == 200
    answer = stack.s3.request("DELETE", "/fresh")
    assert (answer.status, b"BucketNotEmpty" in answer.body) == (409, True)
    assert stack.delete("folder/key").status == 204
    check(stack, [])
    assert stack.s3.request("DELETE", "/fresh").status == 204
    assert stack.s3.request("GET", "/fresh", f"prefix={quote('x')}").status == 404
