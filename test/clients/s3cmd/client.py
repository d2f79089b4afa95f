#!/usr/bin/env python3
"""s3cmd, named by the first argument: the steps of test/clients/README.md."""

import os
import sys
import urllib.parse
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from steps import BIG, BUCKET, CA, COPY, ENDPOINT, FILES, MANY, OUT, PREFIX, PUT, SMALL, check, play, run, same  # noqa: E402

CONFIG = OUT / "s3cfg"
HOST = urllib.parse.urlsplit(ENDPOINT).netloc
SETTINGS = {"access_key": os.environ["AWS_ACCESS_KEY_ID"], "secret_key": os.environ["AWS_SECRET_ACCESS_KEY"],
            "host_base": HOST, "host_bucket": HOST, "bucket_location": os.environ["AWS_REGION"],
            "use_https": "True" if CA else "False", **({"ca_certs_file": CA} if CA else {})}


def s3cmd(*arguments):
    return run(sys.argv[1], "--config", CONFIG, "--no-progress", *arguments)


def url(name):
    return f"s3://{BUCKET}/{PREFIX}/{name}"


def put():
    s3cmd("put", "--mime-type", "image/png", "--add-header", "x-amz-meta-colour:blue", SMALL, url(PUT))


def get():
    s3cmd("get", "--force", url(PUT), OUT / "get")
    same(OUT / "get", SMALL)
    head = s3cmd("info", url(PUT)).decode()
    check("MIME type: image/png" in head, "another content type")
    check("x-amz-meta-colour: blue" in head, "another metadata")


def ranged():
    """It has no command for a range, but asks for one when a download goes on."""
    (OUT / "range").write_bytes(SMALL.read_bytes()[:1000])
    s3cmd("get", "--continue", url(PUT), OUT / "range")
    same(OUT / "range", SMALL)


def listed():
    return [line.split()[-1] for line in s3cmd("ls", url("many/")).decode().splitlines()]


def list_many():
    s3cmd("put", "--recursive", f"{FILES / 'many'}/", url("many/"))
    check(listed() == [url(f"many/{name}") for name in MANY], "other keys")


def multipart():
    s3cmd("put", BIG, url("big"))
    s3cmd("get", "--force", url("big"), OUT / "big")
    same(OUT / "big", BIG)


def copy():
    s3cmd("cp", url(PUT), url(COPY))
    s3cmd("get", "--force", url(COPY), OUT / "copy")
    same(OUT / "copy", SMALL)


def delete():
    s3cmd("del", "--recursive", "--force", url("many/"))
    check(not listed(), "keys are left")


def presign():
    print("url GET", s3cmd("signurl", url(PUT), "+600").decode().strip())


CONFIG.touch(mode=0o600)
CONFIG.write_text("[default]\n" + "".join(f"{name} = {value}\n" for name, value in SETTINGS.items()))
play({"put": put, "get": get, "range": ranged, "list": list_many, "multipart": multipart, "copy": copy,
      "delete": delete, "presign": presign})
