#!/usr/bin/env python3
"""boto3, whichever version the interpreter has: the steps of test/clients/README.md."""

import concurrent.futures
import os
import sys
from pathlib import Path

import boto3
import botocore.config

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from steps import BIG, BUCKET, COPY, ENDPOINT, FILES, MANY, OUT, PREFIX, PUT, SMALL, check, play, same  # noqa: E402

AT_ONCE = 16

# The keys and the CA come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_CA_BUNDLE. signature_version is for
# presigned URLs only, which boto3 signs with version 2 otherwise.
s3 = boto3.client("s3", endpoint_url=ENDPOINT, region_name=os.environ["AWS_REGION"],
                  config=botocore.config.Config(signature_version="s3v4", max_pool_connections=AT_ONCE))
small = SMALL.read_bytes()


def at(name):
    return {"Bucket": BUCKET, "Key": f"{PREFIX}/{name}"}


def put():
    s3.put_object(**at(PUT), Body=small, ContentType="image/png", Metadata={"colour": "blue"})


def get():
    answer = s3.get_object(**at(PUT))
    check(answer["Body"].read() == small, "other bytes")
    check(answer["ContentType"] == "image/png", "another content type")
    check(answer["Metadata"] == {"colour": "blue"}, "another metadata")


def ranged():
    answer = s3.get_object(**at(PUT), Range="bytes=1000-1999")
    check(answer["Body"].read() == small[1000:2000], "other bytes")


def listed():
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{PREFIX}/many/")
    return [entry["Key"] for page in pages for entry in page.get("Contents", ())]


def list_many():
    def one(name):
        s3.put_object(**at(f"many/{name}"), Body=(FILES / "many" / name).read_bytes())

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(one, MANY))
    check(listed() == [f"{PREFIX}/many/{name}" for name in MANY], "other keys")


def multipart():
    s3.upload_file(str(BIG), **at("big"))
    s3.download_file(**at("big"), Filename=str(OUT / "big"))
    same(OUT / "big", BIG)


def copy():
    s3.copy(at(PUT), **at(COPY))
    check(s3.get_object(**at(COPY))["Body"].read() == small, "other bytes")


def delete():
    keys = listed()
    while keys:
        some, keys = keys[:1000], keys[1000:]
        answer = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key} for key in some]})
        check(not answer.get("Errors") and len(answer["Deleted"]) == len(some), "not all were deleted")
    check(not listed(), "keys are left")


def presign():
    print("url GET", s3.generate_presigned_url("get_object", at(PUT), ExpiresIn=600))
    print("url PUT", s3.generate_presigned_url("put_object", at("presigned"), ExpiresIn=600))


play({"put": put, "get": get, "range": ranged, "list": list_many, "multipart": multipart, "copy": copy,
      "delete": delete, "presign": presign})
