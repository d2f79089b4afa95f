#!/usr/bin/env python3
"""s5cmd, named by the first argument: the steps of test/clients/README.md."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from steps import BIG, BUCKET, COPY, ENDPOINT, FILES, MANY, OUT, PREFIX, PUT, SMALL, check, play, run, same  # noqa: E402


def s5cmd(*arguments):
    """The keys, the region and the CA come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_CA_BUNDLE."""
    return run(sys.argv[1], "--endpoint-url", ENDPOINT, *arguments)


def url(name):
    return f"s3://{BUCKET}/{PREFIX}/{name}"


def put():
    s5cmd("cp", "--content-type", "image/png", "--metadata", "colour=blue", SMALL, url(PUT))


def get():
    s5cmd("cp", url(PUT), OUT / "get")
    same(OUT / "get", SMALL)
    head = json.loads(s5cmd("--json", "head", url(PUT)))
    check(head["content_type"] == "image/png", "another content type")
    check(head["metadata"] == {"colour": "blue"}, "another metadata")


def listed():
    return [line.split()[-1] for line in s5cmd("ls", url("many/")).decode().splitlines()]


def list_many():
    s5cmd("--numworkers", 16, "cp", f"{FILES / 'many'}/", url("many/"))
    check(listed() == MANY, "other keys")


def multipart():
    s5cmd("cp", "--part-size", 16, BIG, url("big"))


def ranged():
    """It has no command for a range, but downloads in ranges."""
    s5cmd("cp", "--part-size", 5, url("big"), OUT / "big")
    same(OUT / "big", BIG)


def copy():
    s5cmd("cp", "--metadata-directive", "COPY", url(PUT), url(COPY))  # it asks for REPLACE otherwise
    s5cmd("cp", url(COPY), OUT / "copy")
    same(OUT / "copy", SMALL)


def delete():
    s5cmd("rm", url("many/*"))
    check(f"{PREFIX}/many" not in s5cmd("ls", f"s3://{BUCKET}/*").decode(), "keys are left")


def presign():
    print("url GET", s5cmd("presign", "--expire", "10m", url(PUT)).decode().strip())


play({"put": put, "get": get, "list": list_many, "multipart": multipart, "range": ranged, "copy": copy,
      "delete": delete, "presign": presign})
