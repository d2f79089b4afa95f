#!/usr/bin/env python3
"""The aws command line named by the first argument: the steps of test/clients/README.md."""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from steps import BIG, BUCKET, COPY, ENDPOINT, FILES, MANY, OUT, PREFIX, PUT, SMALL, check, play, run, same  # noqa: E402


# For presigned URLs only, which version 1 of this tool signs with version 2 otherwise.
(OUT / "config").write_text("[default]\ns3 =\n  signature_version = s3v4\n")
os.environ["AWS_CONFIG_FILE"] = str(OUT / "config")


def aws(*arguments):
    """The keys, the region and the CA come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_CA_BUNDLE."""
    return run(sys.argv[1], "--endpoint-url", ENDPOINT, *arguments)


def url(name):
    return f"s3://{BUCKET}/{PREFIX}/{name}"


def object_(name):
    return "--bucket", BUCKET, "--key", f"{PREFIX}/{name}"


def put():
    aws("s3", "cp", SMALL, url(PUT), "--content-type", "image/png", "--metadata", "colour=blue")


def get():
    aws("s3", "cp", url(PUT), OUT / "get")
    same(OUT / "get", SMALL)
    head = json.loads(aws("s3api", "head-object", *object_(PUT)))
    check(head["ContentType"] == "image/png", "another content type")
    check(head["Metadata"] == {"colour": "blue"}, "another metadata")


def ranged():
    aws("s3api", "get-object", *object_(PUT), "--range", "bytes=1000-1999", OUT / "range")
    check((OUT / "range").read_bytes() == SMALL.read_bytes()[1000:2000], "other bytes")


def listed():
    page = json.loads(aws("s3api", "list-objects-v2", "--bucket", BUCKET, "--prefix", f"{PREFIX}/many/") or "{}")
    return [entry["Key"] for entry in page.get("Contents", ())]


def list_many():
    aws("s3", "cp", "--recursive", "--only-show-errors", FILES / "many", url("many"))
    check(listed() == [f"{PREFIX}/many/{name}" for name in MANY], "other keys")


def multipart():
    aws("s3", "cp", "--only-show-errors", BIG, url("big"))
    aws("s3", "cp", "--only-show-errors", url("big"), OUT / "big")
    same(OUT / "big", BIG)


def copy():
    aws("s3", "cp", url(PUT), url(COPY))
    aws("s3", "cp", url(COPY), OUT / "copy")
    same(OUT / "copy", SMALL)


def delete():
    keys = listed()
    for some in (keys[:1000], keys[1000:]):
        (OUT / "delete").write_text(json.dumps({"Objects": [{"Key": key} for key in some]}))
        answer = json.loads(aws("s3api", "delete-objects", "--bucket", BUCKET, "--delete", f"file://{OUT / 'delete'}"))
        check(not answer.get("Errors") and len(answer["Deleted"]) == len(some), "not all were deleted")
    check(not listed(), "keys are left")


def presign():
    print("url GET", aws("s3", "presign", url(PUT), "--expires-in", 600).decode().strip())


play({"put": put, "get": get, "range": ranged, "list": list_many, "multipart": multipart, "copy": copy,
      "delete": delete, "presign": presign})
