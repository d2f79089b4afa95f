"""What is static about buckets and objects, and the pages of the list of buckets."""

import re
import socket
import subprocess
import uuid

import boto3
import botocore.config
import botocore.exceptions
import pytest

from riglib.s3 import S3


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="module")
def client(stack):
    return boto3.client("s3", endpoint_url=stack.endpoint, region_name="us-east-1",
                        aws_access_key_id=stack.document["access_key"],
                        aws_secret_access_key=stack.document["secret_key"],
                        config=botocore.config.Config(s3={"addressing_style": "path"},
                                                      retries={"total_max_attempts": 1}))


def refusal(call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as told:
        call(**arguments)
    return told.value.response["Error"]["Code"]


def test_the_region_is_told(stack, client):
    assert client.get_bucket_location(Bucket=stack.bucket)["LocationConstraint"] is None
    assert refusal(client.get_bucket_location, Bucket="no-such-bucket") == "NoSuchBucket"


def test_another_region_is_told_by_its_name(stack, binary, tmp_path):
    """A second gateway, in front of the same backends, that serves no more than this question."""
    port, admin = free_port(), free_port()
    text = stack.config().read_text() + 'region: "eu-test-1"\n'
    for key, value in (("listen", f'"127.0.0.1:{port}"'), ("admin", f'{{"listen": "127.0.0.1:{admin}"}}'),
                       ("journal", f'{{"kind": "sqlite", "path": "{tmp_path}/journal.db"}}')):
        text, found = re.subn(rf"(?m)^{key}: .*$", f"{key}: {value}", text)
        assert found == 1
    config = tmp_path / "s3mirror.yaml"
    config.write_text(text)
    config.chmod(0o600)
    gateway = subprocess.Popen([binary, "--config", config], stderr=subprocess.PIPE, text=True)
    try:
        assert any("started" in line for line in gateway.stderr)
        s3 = S3(f"http://127.0.0.1:{port}", stack.document["access_key"], stack.document["secret_key"], "eu-test-1")
        answer = s3.request("GET", f"/{stack.bucket}", "location")
        assert b">eu-test-1</LocationConstraint>" in answer.body
        assert s3.request("HEAD", f"/{stack.bucket}").headers["x-amz-bucket-region"] == "eu-test-1"
        s3.region = "us-east-1"
        answer = s3.request("GET", f"/{stack.bucket}", "location")
        assert answer.status == 400 and b"expecting &apos;eu-test-1&apos;" in answer.body
    finally:
        gateway.terminate()
        gateway.communicate(timeout=60)


def test_there_are_no_versions(stack, client):
    assert "Status" not in client.get_bucket_versioning(Bucket=stack.bucket)
    assert refusal(client.get_bucket_versioning, Bucket="no-such-bucket") == "NoSuchBucket"


@pytest.mark.parametrize("name, code", [
    ("policy", "NoSuchBucketPolicy"), ("policyStatus", "NoSuchBucketPolicy"), ("cors", "NoSuchCORSConfiguration"),
    ("lifecycle", "NoSuchLifecycleConfiguration"), ("encryption", "ServerSideEncryptionConfigurationNotFoundError"),
    ("website", "NoSuchWebsiteConfiguration"), ("tagging", "NoSuchTagSet"),
    ("replication", "ReplicationConfigurationNotFoundError"), ("object-lock", "ObjectLockConfigurationNotFoundError"),
    ("publicAccessBlock", "NoSuchPublicAccessBlockConfiguration"), ("ownershipControls", "OwnershipControlsNotFoundError")])
def test_a_setting_that_there_is_not_says_so(stack, name, code):
    answer = stack.s3.request("GET", f"/{stack.bucket}", name)
    assert answer.status == 404 and f"<Code>{code}</Code>".encode() in answer.body
    for method in ("PUT", "DELETE"):
        assert stack.s3.request(method, f"/{stack.bucket}", name, body=b"<x/>" if method == "PUT" else b"").status == 501
    assert b"<Code>NoSuchBucket</Code>" in stack.s3.request("GET", "/no-such-bucket", name).body


def test_a_setting_that_is_off_says_so(stack, client):
    client.get_bucket_logging(Bucket=stack.bucket)
    client.get_bucket_notification_configuration(Bucket=stack.bucket)
    assert "Status" not in client.get_bucket_accelerate_configuration(Bucket=stack.bucket)
    assert client.get_bucket_request_payment(Bucket=stack.bucket)["Payer"] == "BucketOwner"


# --- access control lists -------------------------------------------------------------------------------------

def full_control(acl):
    return [grant["Permission"] for grant in acl["Grants"]] == ["FULL_CONTROL"] and \
        acl["Grants"][0]["Grantee"]["ID"] == acl["Owner"]["ID"]


def test_there_is_one_acl_and_it_may_be_put_again(stack, client, key):
    stack.put(key, b"mine")
    bucket, thing = {"Bucket": stack.bucket}, {"Bucket": stack.bucket, "Key": key}
    for get, put, what in ((client.get_bucket_acl, client.put_bucket_acl, bucket),
                           (client.get_object_acl, client.put_object_acl, thing)):
        acl = get(**what)
        assert full_control(acl)
        put(**what, ACL="private")
        put(**what, AccessControlPolicy={"Owner": acl["Owner"], "Grants": acl["Grants"]})
        assert refusal(put, **what, ACL="public-read") == "NotImplemented"
        everybody = {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AllUsers"}
        assert refusal(put, **what, AccessControlPolicy={
            "Owner": acl["Owner"], "Grants": [*acl["Grants"], {"Grantee": everybody, "Permission": "READ"}]}
        ) == "NotImplemented"
        assert refusal(put, **what, GrantRead="id=other") == "NotImplemented"
        assert full_control(get(**what))
    assert stack.get(key).body == b"mine"


def test_an_object_that_is_not_there_has_no_acl(stack, client, key):
    thing = {"Bucket": stack.bucket, "Key": key}
    assert refusal(client.get_object_acl, **thing) == "NoSuchKey"
    assert refusal(client.put_object_acl, **thing, ACL="private") == "NoSuchKey"
    stack.assert_everywhere(key, None)
    assert refusal(client.get_bucket_acl, Bucket="no-such-bucket") == "NoSuchBucket"


def test_a_body_that_is_no_acl_is_refused(stack, key):
    stack.put(key, b"mine")
    path = stack.path(key)
    for body in (b"", b"<x/>", b"private", b"<AccessControlPolicy>"):
        assert b"<Code>MalformedXML</Code>" in stack.s3.request("PUT", path, "acl", body=body).body
    answer = stack.s3.request("PUT", path, "acl", body=b"<x/>", headers={"x-amz-acl": "private"})
    assert b"<Code>UnexpectedContent</Code>" in answer.body
    big = b"<AccessControlPolicy>" + b" " * 70_000
    assert stack.s3.request("PUT", path, "acl", body=big).status == 400
    stack.assert_nowhere_changed(key, b"mine")


# --- the list of buckets ----------------------------------------------------------------------------------------

def test_buckets_are_listed_in_pages(stack, client):
    prefix = f"page-{uuid.uuid4().hex[:8]}-"
    names = [f"{prefix}{i}" for i in range(5)]
    for name in names:
        client.create_bucket(Bucket=name)
    try:
        every = [b["Name"] for b in client.list_buckets()["Buckets"]]
        assert set(names) < set(every) and every == sorted(every) and stack.bucket in every
        whole = client.list_buckets(Prefix=prefix)
        assert [b["Name"] for b in whole["Buckets"]] == names and whole["Prefix"] == prefix
        assert "ContinuationToken" not in whole
        for size in (1, 2, 4, 5, 6):
            pages = list(client.get_paginator("list_buckets").paginate(
                Prefix=prefix, PaginationConfig={"PageSize": size}))
            assert [b["Name"] for page in pages for b in page["Buckets"]] == names
            assert [len(page["Buckets"]) for page in pages] == [min(size, 5 - i) for i in range(0, 5, size)]
        assert client.list_buckets(Prefix=prefix + "none")["Buckets"] == []
        for token in ("No/Bucket", "x", "a" * 64):
            assert refusal(client.list_buckets, ContinuationToken=token) == "InvalidArgument"
        for count in (0, 10001):
            assert b"<Code>InvalidArgument</Code>" in stack.s3.request("GET", "/", f"max-buckets={count}").body
    finally:
        for name in names:
            client.delete_bucket(Bucket=name)
