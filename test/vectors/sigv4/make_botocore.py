#!/usr/bin/env python3
"""Write the botocore_*.req and .sts files: requests signed by botocore's S3SigV4Auth.

Each is then sent as a client may send it: escapes in another case, parameters in another order, a header in two
lines. Needs botocore; run it in this folder.
"""

import datetime
from unittest import mock

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

KEY, SECRET, REGION = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1"
HOST = "127.0.0.1:8000"
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
NOW = datetime.datetime(2013, 5, 24, tzinfo=datetime.timezone.utc)

# name, method, target as signed, target as sent, headers
CASES = [
    ("plain", "GET", "/media/a.txt", None, []),
    ("space", "GET", "/media/a%20b%20%20c", None, []),
    ("plus", "GET", "/media/1%2B1", "/media/1+1", []),
    ("percent", "GET", "/media/100%25", None, []),
    ("tilde_escaped", "GET", "/media/~x-_.y", "/media/%7ex%2D%5F%2ey", []),
    ("lower_case_escapes", "GET", "/media/%C3%A4%3D", "/media/%c3%a4%3d", []),
    ("raw_reserved", "GET", "/media/a%3D%40%3A%2C%24%26%21%27%28%29%2A%3B", "/media/a=@:,$&!'()*;", []),
    ("slashes", "GET", "/media//a//b/", None, []),
    ("dots", "GET", "/media/a/../b/./c", None, []),
    ("utf8", "GET", "/media/%E6%97%A5%E6%9C%AC%F0%9F%98%80", None, []),
    ("bucket_slash", "PUT", "/media/", None, []),
    ("service", "GET", "/", None, []),
    ("x_id", "GET", "/media/a?x-id=GetObject", None, []),
    ("query_order", "GET", "/media/a?response-cache-control=no-cache&response-content-type=text%2Fplain&x-id=GetObject",
     "/media/a?x-id=GetObject&response-content-type=text/plain&response-cache-control=no-cache", []),
    ("query_space", "GET", "/media/a?response-content-disposition=attachment%3B%20filename%3D%22a%20b%22",
     "/media/a?response-content-disposition=attachment%3b+filename%3D%22a+b%22", []),
    ("query_plus", "GET", "/?prefix=1%2B1", None, []),
    ("query_no_value", "GET", "/?prefix=", "/?prefix", []),
    ("query_empty_parts", "GET", "/?max-buckets=2&prefix=m", "/?&prefix=m&&max-buckets=2&", []),
    ("header_spaces", "PUT", "/media/a", None, [("x-amz-meta-a", "  one   two  three "), ("Content-Length", "0")]),
    ("header_case", "PUT", "/media/a", None, [("X-Amz-Meta-CamelCase", "Value"), ("Content-Type", "text/plain"),
                                              ("Content-Length", "0")]),
    ("header_empty", "PUT", "/media/a", None, [("x-amz-meta-empty", ""), ("Content-Length", "0")]),
    ("header_repeated", "GET", "/media/a", None, [("x-custom", "1"), ("x-custom", "2")]),
    ("put", "PUT", "/media/dir/file.bin?x-id=PutObject", None,
     [("Content-Type", "application/octet-stream"), ("Content-MD5", "1B2M2Y8AsgTpgAmY7PhCfg=="),
      ("x-amz-sdk-checksum-algorithm", "CRC32"), ("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-acl", "private"),
      ("x-amz-storage-class", "STANDARD"), ("x-amz-meta-owner", "someone"), ("Content-Length", "0")]),
    ("delete", "DELETE", "/media/a", None, []),
]

# The same, as presigned URLs that last an hour.
PRESIGNED = [
    ("presigned_get", "GET", "/media/dir/a%20file.txt", None, []),
    ("presigned_overrides", "GET", "/media/a?response-content-disposition=attachment%3B%20filename%3D%22a%22&x-id=GetObject",
     None, []),
    ("presigned_list", "GET", "/media?list-type=2&prefix=a%2Fb&delimiter=%2F", None, []),
    ("presigned_put", "PUT", "/media/dir/a%20file%2B.bin?x-id=PutObject", None,
     [("content-type", "text/plain"), ("x-amz-meta-one", "first  value"), ("x-amz-checksum-crc32", "AAAAAA=="),
      ("cache-control", "no-cache")]),
    ("presigned_part", "PUT", "/media/a?partNumber=2&uploadId=abc", None, [("Content-MD5", "1B2M2Y8AsgTpgAmY7PhCfg==")]),
]


def sign(method, target, headers, scheme, *options):
    class Frozen(scheme):
        string = None

        def string_to_sign(self, request, canonical_request):
            Frozen.string = super().string_to_sign(request, canonical_request)
            return Frozen.string

    request = AWSRequest(method=method, url=f"http://{HOST}{target}", data=b"")
    for name, value in headers:
        request.headers.add_header(name, value)
    request.headers["Host"] = HOST
    with mock.patch.object(botocore.auth, "get_current_datetime", lambda *a, **k: NOW.replace(tzinfo=None)):
        Frozen(Credentials(KEY, SECRET), "s3", REGION, *options).add_auth(request)
    return request, Frozen.string


def write(name, method, target, headers, string):
    with open(f"botocore_{name}.req", "w", encoding="utf-8") as f:
        f.write(f"{method} {target}\n")
        for header, value in headers.items():
            f.write(f"{header}: {value}\n")
    with open(f"botocore_{name}.sts", "w", encoding="utf-8") as f:
        f.write(string)


for name, method, signed, sent, headers in CASES:
    request, string = sign(method, signed, headers, botocore.auth.S3SigV4Auth)
    write(name, method, sent or signed, request.headers, string)
for name, method, signed, _, headers in PRESIGNED:
    request, string = sign(method, signed, headers, botocore.auth.S3SigV4QueryAuth, 3600)
    if method == "PUT":
        request.headers["Content-Length"] = "0"
    write(name, method, request.url.removeprefix(f"http://{HOST}"), request.headers, string)
