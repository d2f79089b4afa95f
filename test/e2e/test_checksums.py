"""Checksums end to end: real clients with their defaults, on three truly different servers, over http and https."""

import random
import shutil
import subprocess

import boto3
import botocore.config
import botocore.exceptions
import pytest

from aws_chunked import DIGESTS, TRAILING, UNSIGNED, Upload, checksum
from certificates import Authority
from riglib import sigv4
from stack import PATIENT, Stack
from tls_wire import TlsWire

VENDORS = ["seaweedfs", "minio", "versitygw"]
SIZES = [0, 1, 100_000, 3_000_000]


def noise(size):
    return random.Random(size).randbytes(size)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module", params=["http", "https"])
def mixed(request, tmp_path_factory, binary, authority):
    sets = dict(PATIENT)
    if request.param == "https":
        pair = authority.issue("gateway")
        sets |= {"tls.cert_file": str(pair.certificate), "tls.key_file": str(pair.key)}
    running = Stack.up(tmp_path_factory.mktemp("mixed"), backends=VENDORS, sets=sets)
    if request.param == "https":
        running.s3.context = authority.context()
    running.scheme = request.param
    yield running
    running.down()


@pytest.fixture
def client(mixed, authority):
    return boto(mixed, authority)


def boto(stack, authority, **options):
    return boto3.client("s3", endpoint_url=stack.endpoint, region_name="us-east-1", verify=str(authority.file),
                        aws_access_key_id=stack.document["access_key"],
                        aws_secret_access_key=stack.document["secret_key"],
                        config=botocore.config.Config(s3={"addressing_style": "path"},
                                                      retries={"total_max_attempts": 1}, **options))


def sent(client):
    """The heads of the requests that a client sends from now on."""
    heads = []
    client.meta.events.register("before-send.s3", lambda request, **_: heads.append(
        {name.lower(): value if isinstance(value, str) else value.decode() for name, value in request.headers.items()}))
    return heads


def test_boto3_with_its_defaults(mixed, client, key):
    """CRC32 on each put: as a header over http, as a trailer in chunks over https."""
    for size in SIZES:
        heads, body = sent(client), noise(size)
        put = client.put_object(Bucket=mixed.bucket, Key=key, Body=body, Metadata={"colour": "blue"})
        if mixed.scheme == "https":
            assert heads[0]["x-amz-content-sha256"] == "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
            assert heads[0]["transfer-encoding"] == "chunked" and "content-length" not in heads[0]
        else:
            assert heads[0]["x-amz-checksum-crc32"]
        assert put["ChecksumCRC32"] == checksum("crc32", body)
        assert put["ChecksumType"] == "FULL_OBJECT"
        mixed.assert_everywhere(key, body)
        got = client.get_object(Bucket=mixed.bucket, Key=key, ChecksumMode="ENABLED")
        assert got["Body"].read() == body  # which checks it
        assert got["ChecksumCRC32"] == checksum("crc32", body)
        assert (got["Metadata"], got.get("ContentEncoding")) == ({"colour": "blue"}, None)


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_boto3_with_each_algorithm(mixed, client, key, algorithm):
    for size in SIZES:
        body, field = noise(size), f"Checksum{algorithm}"
        put = client.put_object(Bucket=mixed.bucket, Key=key, Body=body, ChecksumAlgorithm=algorithm)
        assert put[field] == checksum(algorithm.lower(), body)
        head = client.head_object(Bucket=mixed.bucket, Key=key, ChecksumMode="ENABLED")
        assert (head[field], head["ChecksumType"]) == (checksum(algorithm.lower(), body), "FULL_OBJECT")
        assert field not in client.head_object(Bucket=mixed.bucket, Key=key)
    mixed.assert_everywhere(key, body)


def test_boto3_is_told_of_a_wrong_checksum(mixed, client, key):
    client.put_object(Bucket=mixed.bucket, Key=key, Body=b"old")
    for wrong in ({"ChecksumSHA256": checksum("sha256", b"else")}, {"ChecksumCRC32": checksum("crc32", b"else")}):
        with pytest.raises(botocore.exceptions.ClientError) as told:
            client.put_object(Bucket=mixed.bucket, Key=key, Body=noise(3_000_000), **wrong)
        assert told.value.response["Error"]["Code"] == "BadDigest"
    mixed.wait_settled(key)
    mixed.assert_everywhere(key, b"old")


@pytest.mark.parametrize("mode", [UNSIGNED, TRAILING])
def test_every_kind_is_kept_by_every_vendor(mixed, key, mode):
    for kind in DIGESTS:
        for size in (100, 700_000):
            body, name = noise(size), f"x-amz-checksum-{kind}"
            with TlsWire(mixed.endpoint, mixed.s3.context) if mixed.s3.https else mixed.wire() as wire:
                wire.send(Upload(mixed.signer, mixed.path(key), body, mode, kind=kind).request())
                answer = wire.response()
            assert (answer.status, answer.headers.get(name)) == (200, checksum(kind, body)), answer.body
            mixed.wait_settled(key)
            mixed.assert_everywhere(key, body)
            for backend in mixed.backends:
                path = f"/{mixed.backend_bucket(backend)}/{sigv4.quote_key(key)}"
                shown = mixed.backend(backend).request("HEAD", path, headers={"x-amz-checksum-mode": "ENABLED"})
                assert shown.headers[name] == checksum(kind, body), (backend, kind, size)


def test_a_backend_that_takes_no_checksums_breaks_nothing(start_stack, key):
    for taken in (["crc32"], []):
        stack = start_stack(sets={"backends.1.capabilities.checksum_headers": taken})
        for kind in DIGESTS:
            for size in (100, 700_000):
                body = noise(size)
                one = Upload(stack.signer, stack.path(key), body, UNSIGNED, kind=kind)
                answer = stack.signer.exchange(one.request())
                assert (answer.status, answer.headers[f"x-amz-checksum-{kind}"]) == (200, checksum(kind, body))
                stack.assert_everywhere(key, body)


def test_checksums_of_an_object_in_parts_are_kept_where_no_backend_takes_them(start_stack, key):
    stack = start_stack(sets={f"backends.{n}.capabilities.checksum_headers": [] for n in range(3)})
    client = boto3.client("s3", endpoint_url=stack.endpoint, region_name="us-east-1",
                          aws_access_key_id=stack.document["access_key"],
                          aws_secret_access_key=stack.document["secret_key"],
                          config=botocore.config.Config(s3={"addressing_style": "path"}))
    where, bodies = {"Bucket": stack.bucket, "Key": key}, [noise(5 << 20), noise(9)]
    made = client.create_multipart_upload(**where, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")["UploadId"]
    parts = []
    for number, body in enumerate(bodies, 1):
        answer = client.upload_part(**where, UploadId=made, PartNumber=number, Body=body, ChecksumAlgorithm="CRC32")
        parts.append({"PartNumber": number, "ETag": answer["ETag"], "ChecksumCRC32": answer["ChecksumCRC32"]})
    done = client.complete_multipart_upload(**where, UploadId=made, MultipartUpload={"Parts": parts})
    assert done["ChecksumCRC32"] == checksum("crc32", b"".join(bodies))
    read = client.get_object(**where)  # boto3 compares it with the bytes
    assert (read["ChecksumCRC32"], read["Body"].read()) == (done["ChecksumCRC32"], b"".join(bodies))
    part = client.get_object(**where, PartNumber=2)
    assert (part["ChecksumCRC32"], part["Body"].read()) == (checksum("crc32", bodies[1]), bodies[1])


def test_aws_cli_with_its_defaults(mixed, authority, key, tmp_path):
    if not shutil.which("aws"):
        pytest.skip("no aws here")
    body, path, back = noise(3_000_000), tmp_path / "body", tmp_path / "back"
    path.write_bytes(body)
    environment = {"AWS_ACCESS_KEY_ID": mixed.document["access_key"], "AWS_EC2_METADATA_DISABLED": "true",
                   "AWS_SECRET_ACCESS_KEY": mixed.document["secret_key"], "AWS_DEFAULT_REGION": "us-east-1",
                   "AWS_CA_BUNDLE": str(authority.file), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    aws = [shutil.which("aws"), "--endpoint-url", mixed.endpoint, "s3", "cp", "--no-progress"]
    for arguments in ([path, f"s3://{mixed.bucket}/{key}"], [f"s3://{mixed.bucket}/{key}", back]):
        done = subprocess.run([*aws, *arguments], env=environment, capture_output=True, text=True, check=False)
        if done.returncode == 127:
            pytest.skip("aws does not run here: " + done.stderr)
        assert done.returncode == 0, done.stderr
    assert back.read_bytes() == body
    mixed.assert_everywhere(key, body)


def test_a_repaired_copy_keeps_its_checksum(start_stack, key):
    stack = start_stack()
    body = noise(700_000)
    stack.rig("kill", "b")
    one = Upload(stack.signer, stack.path(key), body, UNSIGNED, kind="sha256")
    assert stack.signer.exchange(one.request()).status == 200
    stack.rig("start", "b")
    stack.wait_repaired()
    stack.assert_everywhere(key, body)
    shown = stack.backend("b").request("HEAD", f"/{stack.backend_bucket('b')}/{sigv4.quote_key(key)}",
                                       headers={"x-amz-checksum-mode": "ENABLED"})
    assert shown.headers["x-amz-checksum-sha256"] == checksum("sha256", body)
