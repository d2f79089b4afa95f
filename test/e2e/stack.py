"""A running rig as the tests see it: the gateway, its backends, and the questions one asks of them."""

import http.client
import json
import re
import urllib.parse
import xml.etree.ElementTree

from riglib.process import Failed, wait_until  # noqa: F401  (tests import them from here)
from riglib.rig import client as rig
from riglib.s3 import S3
from riglib.sigv4 import quote_key
from wire import Signer, Wire

# Short enough for tests, long enough for a sanitized gateway on a busy machine. Two loops on any machine, so that what
# they share is shared.
QUICK = {"terms.ambiguity_ms": 1500, "terms.stall_ms": 1500, "terms.detach_ms": 1500, "terms.write_ms": 15_000,
         "terms.first_byte_ms": 1500, "terms.lease_ms": 3000, "terms.lease_margin_ms": 500, "terms.probe_ms": 200,
         "repair.interval_ms": 200, "repair.backoff_ms": 100, "drain_ms": 15_000, "log.level": "debug",
         "loops": 2}
# Where nothing is to stall: gives a backend that is busy with what a test loads on it the time it needs.
PATIENT = {"terms.stall_ms": 30_000, "terms.detach_ms": 30_000, "terms.write_ms": 60_000, "terms.first_byte_ms": 30_000}
STAMP = "x-amz-meta-s3mirror-stamp"
KEPT = ("content-type", "content-disposition", "content-language", "content-encoding", "cache-control", "expires")
# The last is valgrind, which with -q says nothing else.
SANITIZER = re.compile(r"(ERROR|WARNING): (Address|Leak|Undefined|Thread)|runtime error:|Assertion .* failed|SUMMARY: "
                       r"|^==\d+== ", re.M)


class Stack:
    """`up` starts it; every member can be stopped, killed, started by name (a, b, c, g1)."""

    def __init__(self, directory, document):
        self.directory = directory
        self.bucket = "media"
        self.load(document)

    @classmethod
    def up(cls, directory, *, backends=None, sets=None, binary=None):
        arguments = ["up"]
        if backends:
            arguments += ["--backends", ",".join(backends)]
        for name, value in {**QUICK, **(sets or {})}.items():
            arguments += ["--set", f"{name}={json.dumps(value)}"]
        if binary:
            arguments += ["--binary", str(binary)]
        return cls(directory, rig(directory, *arguments))

    def load(self, document):
        self.document = document
        self.endpoint, self.admin = document["endpoint"], document["admin"]
        self.s3 = S3(self.endpoint, document["access_key"], document["secret_key"], timeout=60)
        self.signer = Signer(self.endpoint, document["access_key"], document["secret_key"])
        self.backends = {b["name"]: b for b in document["backends"]}

    def rig(self, verb, name):
        rig(self.directory, verb, name)

    def show(self):
        return rig(self.directory, "show")

    def gateway_pid(self):
        return self.show()["gateways"][0]["pid"]

    def down(self):
        """End it; what a sanitizer or an assertion had to say is an error."""
        try:
            if self.gateway_pid():
                self.rig("term", "g1")
            log = self.log("g1")
        finally:
            rig(self.directory, "down")
        found = SANITIZER.search(log)
        assert not found, log[max(0, found.start() - 500):found.start() + 6000]

    def log(self, name):
        return (self.directory / name / "log").read_text(errors="replace")

    def config(self):
        return self.directory / "g1" / "s3mirror.yaml"

    def wire(self, **options):
        return Wire(self.endpoint, **options)

    # --- the client's side ----------------------------------------------------------------------------

    def put(self, key, body, headers=None):
        return self.s3.put(self.bucket, key, body, headers)

    def get(self, key):
        return self.s3.get(self.bucket, key)

    def head(self, key):
        return self.s3.head(self.bucket, key)

    def delete(self, key):
        return self.s3.delete(self.bucket, key)

    def path(self, key):
        return f"/{self.bucket}/{quote_key(key)}"

    # --- the admin port -------------------------------------------------------------------------------

    def admin_get(self, path):
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(self.admin).netloc, timeout=30)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def metric(self, name, **labels):
        """The sum of all samples of a metric that carry these labels; 0 when there is none."""
        total = 0.0
        for line in self.admin_get("/metrics")[1].splitlines():
            found = re.match(rf"{name}(?:\{{(.*)\}})? ([0-9.eE+-]+|NaN)$", line)
            if found:
                have = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', found[1] or ""))
                if all(have.get(label) == value for label, value in labels.items()):
                    total += float(found[2])
        return total

    def key_status(self, key):
        status, text = self.admin_get(f"/status{self.path(key)}")
        assert status == 200, text
        return json.loads(text)

    def rows(self, key):
        return self.key_status(key)["rows"]

    def hints(self, replica=None):
        labels = {"replica": replica} if replica else {}
        return self.metric("s3mirror_hints", **labels)

    def wait_settled(self, key):
        """Until the journal has no row of the key: nothing under way, nothing to repair."""
        wait_until(lambda: not self.rows(key), f"rows of {key!r} to go", 120, 0.05)

    def wait_repaired(self):
        """Until the journal is empty: no write under way or undecided, no replica behind in anything."""
        wait_until(lambda: self.metric("s3mirror_journal_rows_open") + self.metric("s3mirror_journal_hints") == 0,
                   "all replicas to be repaired", 120, 0.1)

    # --- the backends' side ---------------------------------------------------------------------------

    def backend(self, name):
        b = self.backends[name]
        return S3(b["endpoint"], b["access_key"], b["secret_key"], timeout=30)

    def backend_bucket(self, name, bucket=None):
        return self.document["buckets"].get(bucket or self.bucket, {}).get(name, bucket or self.bucket)

    def on_backend(self, name, key):
        return self.backend(name).get(self.backend_bucket(name), key)

    def everywhere(self, key):
        """{backend: (status, body, stored headers)} asked of each backend directly."""
        shown = {}
        for name in self.backends:
            answer = self.on_backend(name, key)
            headers = {n: v for n, v in answer.headers.items()
                       if n in KEPT or n.startswith("x-amz-meta-") or n == "etag"}
            shown[name] = (answer.status, answer.body, headers) if answer.status == 200 else (answer.status,)
        return shown

    def assert_everywhere(self, key, body):
        """All backends hold exactly `body` under the same stamp; None: none holds anything."""
        shown = self.everywhere(key)
        for name, seen in shown.items():
            if body is None:
                assert seen == (404,), f"{name} shows {seen[0]}"
            else:
                assert seen[0] == 200, f"{name} shows {seen[0]}"
                assert seen[1] == body, f"{name} has {len(seen[1])} bytes that differ from the {len(body)} written"
        if body is not None:
            assert len({seen[2][STAMP] for seen in shown.values()}) == 1, shown

    def assert_nowhere_changed(self, key, body):
        """As before: the old body on every backend, and the journal settles."""
        self.wait_settled(key)
        self.assert_everywhere(key, body)

    def listing(self, name):
        """All keys of the client bucket's replica on one backend."""
        keys, after = [], ""
        s3 = self.backend(name)
        while True:
            query = "list-type=2&max-keys=1000" + (f"&continuation-token={urllib.parse.quote(after, safe='')}"
                                                   if after else "")
            answer = s3.request("GET", f"/{self.backend_bucket(name)}", query)
            assert answer.status == 200, answer.body
            tree = xml.etree.ElementTree.fromstring(re.sub(rb' xmlns="[^"]*"', b"", answer.body))
            keys += [entry.findtext("Key") for entry in tree.iter("Contents")]
            after = tree.findtext("NextContinuationToken") or ""
            if tree.findtext("IsTruncated") != "true":
                return sorted(keys)

    def compare_backends(self):
        """Byte for byte: the same keys, bodies, metadata and stamps on all. Returns {key: (body, headers)}."""
        listings = {name: self.listing(name) for name in self.backends}
        first = next(iter(listings.values()))
        for name, keys in listings.items():
            differ = sorted(set(keys) ^ set(first))[:10]
            assert not differ, {key: {n: shown[0] for n, shown in self.everywhere(key).items()} for key in differ}
        content = {}
        for key in first:
            shown = self.everywhere(key)
            one = next(iter(shown.values()))
            for name, seen in shown.items():
                assert seen == one, f"{name} differs in {key!r}: {seen[2:]} and {one[2:]}"
            content[key] = one[1:]
        return content
