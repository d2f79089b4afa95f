"""Listings as clients see them: every way to ask, page by page, and what must come out of it."""

import re
import urllib.parse
import xml.etree.ElementTree

# Names in which orders, encodings and XML can go wrong; none of them is a folder of another, so that servers which keep
# objects as files take them all.
AWKWARD = ["a b", "a!b", "a+b", "a-b/c", "a-b/d", "a.txt", "a/1", "a/2", "a0", "b!", "b-/x", "b/1", "b/2", "b/c/d", "b/c-d",
           "b/c.d", "d-e", "d.e/f", "d/e/f/g", "d/e-/x", "d/e/f.g", "d/e.f", "q", "sp ace/+x y", "sp ace/%41", "x-y/1",
           "x.d", "x/1", "z<&>\"'", "\u00e4/\u00f6", "\u20ac", "\U0010fffd"]


def quote(text):
    return urllib.parse.quote(text, safe="")


def ask(stack, **parameters):
    """One request: (status, XML tree). Underscores stand for '-'; the order is that of a canonical query."""
    named = {name.replace("_", "-"): str(value) for name, value in parameters.items()}
    query = "&".join(f"{quote(name)}={quote(value)}" for name, value in sorted(named.items()))
    answer = stack.s3.request("GET", f"/{stack.bucket}", query)
    return answer.status, xml.etree.ElementTree.fromstring(re.sub(rb' xmlns="[^"]*"', b"", answer.body))


class Page:
    """What one answer lists, decoded; `texts` is all of it in byte order."""

    def __init__(self, tree):
        self.tree = tree
        decode = urllib.parse.unquote if tree.findtext("EncodingType") == "url" else (lambda text: text)
        entries = [*tree.iter("Contents"), *tree.iter("Version")]
        self.keys = [decode(entry.findtext("Key")) for entry in entries]
        self.groups = [decode(entry.findtext("Prefix")) for entry in tree.iter("CommonPrefixes")]
        self.etags = {decode(entry.findtext("Key")): entry.findtext("ETag") for entry in entries}
        self.sizes = {decode(entry.findtext("Key")): int(entry.findtext("Size")) for entry in entries}
        self.truncated = {"true": True, "false": False}[tree.findtext("IsTruncated")]
        assert self.keys == sorted(self.keys, key=str.encode), self.keys
        assert self.groups == sorted(self.groups, key=str.encode), self.groups
        self.texts = sorted(self.keys + self.groups, key=str.encode)
        self.next = {name: decode(tree.findtext(name)) for name in ("NextMarker", "NextKeyMarker", "NextVersionIdMarker")
                     if tree.findtext(name) is not None}


def version_1(stack, **asked):
    after = {}
    while True:
        status, tree = ask(stack, **asked, **after)
        assert status == 200, xml.etree.ElementTree.tostring(tree)
        page = Page(tree)
        yield page
        if not page.truncated:
            return
        assert ("NextMarker" in page.next) == ("delimiter" in asked)
        after = {"marker": page.next.get("NextMarker", page.texts[-1])}
        assert after["marker"] == page.texts[-1]


def version_2(stack, **asked):
    after = {}
    while True:
        status, tree = ask(stack, list_type=2, **asked, **after)
        assert status == 200, xml.etree.ElementTree.tostring(tree)
        page = Page(tree)
        assert int(tree.findtext("KeyCount")) == len(page.texts)
        yield page
        if not page.truncated:
            assert tree.find("NextContinuationToken") is None
            return
        after = {"continuation_token": tree.findtext("NextContinuationToken")}


def versions(stack, **asked):
    after = {}
    while True:
        status, tree = ask(stack, versions="", **asked, **after)
        assert status == 200, xml.etree.ElementTree.tostring(tree)
        page = Page(tree)
        for entry in tree.iter("Version"):
            assert (entry.findtext("VersionId"), entry.findtext("IsLatest")) == ("null", "true")
        yield page
        if not page.truncated:
            return
        assert page.next["NextKeyMarker"] == page.texts[-1]
        after = {"key_marker": page.next["NextKeyMarker"]}
        if page.texts[-1] in page.keys:
            assert page.next["NextVersionIdMarker"] == "null"
            after["version_id_marker"] = "null"


FORMS = {"V1": version_1, "V2": version_2, "versions": versions}


def expected(keys, prefix="", delimiter=""):
    texts = []
    for key in sorted(keys, key=str.encode):
        if key.startswith(prefix):
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            texts.append(key if cut < 0 else key[:cut + len(delimiter)])
    return list(dict.fromkeys(texts))


def check(stack, keys, form="V2", most=1000, **asked):
    """The listing is exactly this, and every page but the last is full."""
    want, got = expected(keys, asked.get("prefix", ""), asked.get("delimiter", "")), []
    for page in FORMS[form](stack, **asked, encoding_type="url", max_keys=most):
        got += page.texts
        assert len(page.texts) == most or not page.truncated
        assert len(got) <= len(want), (form, most, asked, got, want)
    assert got == want, (form, most, asked, got, want)
