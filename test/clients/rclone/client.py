#!/usr/bin/env python3
"""rclone, named by the first argument: the steps of test/clients/README.md."""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from steps import BIG, BUCKET, CA, COPY, ENDPOINT, FILES, MANY, OUT, PREFIX, PUT, SMALL, check, play, run, same  # noqa: E402

# The remote "s3"; its keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
os.environ.update({"RCLONE_CONFIG": "/dev/null", "RCLONE_CONFIG_S3_TYPE": "s3", "RCLONE_CONFIG_S3_PROVIDER": "Other",
                   "RCLONE_CONFIG_S3_ENV_AUTH": "true", "RCLONE_CONFIG_S3_ENDPOINT": ENDPOINT,
                   **({"RCLONE_CA_CERT": CA} if CA else {})})


def rclone(*arguments):
    return run(sys.argv[1], *arguments)


def place(name):
    return f"s3:{BUCKET}/{PREFIX}/{name}"


def put():
    rclone("copyto", SMALL, place(PUT), "-M", "--metadata-set", "colour=blue", "--metadata-set", "content-type=image/png")


def get():
    rclone("copyto", place(PUT), OUT / "get")
    same(OUT / "get", SMALL)
    head = json.loads(rclone("lsjson", "-M", "--stat", place(PUT)))
    check(head["MimeType"] == "image/png", "another content type")
    check(head["Metadata"]["colour"] == "blue", "another metadata")


def ranged():
    check(rclone("cat", "--offset", 1000, "--count", 1000, place(PUT)) == SMALL.read_bytes()[1000:2000], "other bytes")


def listed():
    return rclone("lsf", place("many")).decode().split()


def list_many():
    rclone("copy", "--transfers", 16, FILES / "many", place("many"))
    check(sorted(listed()) == MANY, "other keys")


def multipart():
    rclone("copyto", "--s3-upload-cutoff", "16Mi", "--s3-chunk-size", "8Mi", BIG, place("big"))
    rclone("copyto", place("big"), OUT / "big")
    same(OUT / "big", BIG)


def copy():
    rclone("copyto", place(PUT), place(COPY))
    rclone("copyto", place(COPY), OUT / "copy")
    same(OUT / "copy", SMALL)


def delete():
    rclone("delete", "--checkers", 16, place("many"))
    check(not listed(), "keys are left")


def presign():
    print("url GET", rclone("link", "--expire", "10m", place(PUT)).decode().strip())


play({"put": put, "get": get, "range": ranged, "list": list_many, "multipart": multipart, "copy": copy,
      "delete": delete, "presign": presign})
