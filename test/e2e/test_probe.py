"""`s3mirror probe` on the real servers: it finds the profile of each, leaves nothing behind, and says what is wrong."""

import json
import re
import signal
import subprocess

import pytest

KINDS = {"a": "seaweedfs", "b": "minio", "c": "versitygw", "d": "rclone"}


@pytest.fixture(scope="module")
def servers(tmp_path_factory, binary):
    from stack import Stack
    running = Stack.up(tmp_path_factory.mktemp("probe"), backends=list(KINDS.values()))
    yield running
    running.down()


def probe(binary, stack, *arguments, config=None):
    return subprocess.run([binary, "probe", *arguments, "--config", config or stack.config()], capture_output=True,
                          text=True, timeout=200, check=False)


def buckets(stack, name):
    """{bucket: keys} of one backend."""
    s3 = stack.backend(name)
    found = {}
    for bucket in re.findall(rb"<Name>(.*?)</Name>", s3.request("GET", "/").body):
        answer = s3.request("GET", f"/{bucket.decode()}")
        assert answer.status == 200, answer.body
        found[bucket] = re.findall(rb"<Key>(.*?)</Key>", answer.body)
    return found


def uploads(stack, name, bucket):
    answer = stack.backend(name).request("GET", f"/{bucket}", "uploads=")
    return re.findall(rb"<UploadId>(.*?)</UploadId>", answer.body)


@pytest.mark.parametrize("name", KINDS)
def test_each_server_is_what_its_profile_says(servers, binary, name):
    before = buckets(servers, name)
    done = probe(binary, servers, name, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert (found["error"], found["wrong"], found["profile"]) == (None, [], KINDS[name]), found
    assert found["requests"] < 300
    assert buckets(servers, name) == before


EXPECTED = {
    "a": {"barrier": "trailer", "list_order": "path", "list_nested": "true", "key_folding": ["lead", "slashes", "tail_body"],
          "copy_object": "same", "copy_part": "false"},
    "b": {"barrier": "trailer", "list_order": "bytes", "key_folding": ["lead"], "conditional_put": "true",
          "list_nested": "false", "copy_object": "md5", "copy_part": "true"},
    "c": {"barrier": "trailer", "url_encode": "false", "key_folding": ["lead", "slashes", "dots"],
          "copy_object": "md5", "copy_part": "true"},
    "d": {"barrier": "length", "checksum_headers": [], "conditional_put": "false", "key_folding": ["tail"],
          "etag_kind": "single", "copy_object": "false", "copy_part": "false"},
}


@pytest.mark.parametrize("name", KINDS)
def test_what_is_seen_is_what_was_measured_before(servers, binary, name):
    """In a bucket that is there, beside objects of others."""
    bucket = servers.backend_bucket(name)
    assert servers.backend(name).put(bucket, "stranger", b"not the probe's").status == 200
    before = buckets(servers, name)
    done = probe(binary, servers, name, "--json", "--bucket", bucket)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)["found"]
    assert {field: found[field] for field in EXPECTED[name]} == EXPECTED[name]
    assert buckets(servers, name) == before
    assert not uploads(servers, name, bucket)
    assert servers.backend(name).get(bucket, "stranger").body == b"not the probe's"


def test_people_get_a_table_and_the_lines_for_the_configuration(servers, binary):
    done = probe(binary, servers, "c")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^ABOUT +TRIED +SEEN +MEANS$", done.stdout, re.M)
    assert re.search(r"^barrier: length .*STORED when closed half way", done.stdout, re.M)
    assert "  - name: c\n    profile: versitygw\n" in done.stdout
    assert "3 of 7, bodies that are cut short" in done.stderr


def with_profile(servers, tmp_path, name, **fields):
    """A copy of the gateway's configuration in which one backend is told to be something else."""
    lines = servers.config().read_text().splitlines()
    for i, line in enumerate(lines):
        if line.startswith("  - {") and f'"name": "{name}", "endpoint"' in line:
            lines[i] = "  - " + json.dumps({**json.loads(line[4:]), **fields})
    path = tmp_path / "s3mirror.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_configuration_that_promises_too_much_is_told(servers, binary, tmp_path):
    config = with_profile(servers, tmp_path, "d", profile="aws")
    done = probe(binary, servers, "d", "--json", config=config)
    assert done.returncode == 1
    assert set(json.loads(done.stdout)["wrong"]) >= {"barrier", "checksum_headers", "conditional_put", "copy_object", "copy_part",
                                                      "key_folding"}
    done = probe(binary, servers, "d", config=config)
    assert done.returncode == 1
    assert "WRONG in the configuration now: barrier: trailer" in done.stdout


def test_a_configuration_that_is_more_careful_than_needed_is_fine(servers, binary, tmp_path):
    config = with_profile(servers, tmp_path, "b", profile="generic")
    done = probe(binary, servers, "b", "--json", config=config)
    assert (done.returncode, json.loads(done.stdout)["wrong"]) == (0, []), done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("step", [2, 3, 4, 5, 7])
def test_an_interruption_leaves_nothing_behind(servers, binary, number, step):
    before = buckets(servers, "c")
    running = subprocess.Popen([binary, "probe", "c", "--config", servers.config()], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    for line in running.stderr:
        if f" {step} of 7," in line:
            break
    running.send_signal(number)
    _, told = running.communicate(timeout=100)
    assert running.returncode == 1
    assert "interrupted" in told
    assert buckets(servers, "c") == before


def test_a_backend_that_dies_in_the_middle_is_an_error_that_names_what_may_be_left(start_stack, binary):
    stack = start_stack(backends=["versitygw"])
    running = subprocess.Popen([binary, "probe", "a", "--config", stack.config()], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    for line in running.stderr:
        if " 3 of 7," in line:
            break
    stack.rig("kill", "a")
    _, told = running.communicate(timeout=200)
    assert running.returncode == 1
    assert re.search(r"something may be left in bucket s3mirror-probe-\w+ under s3mirror-probe-\w+/", told), told


@pytest.mark.parametrize("arguments, code, told", [
    (["z"], 1, "there is no backend 'z'"),
    ([], 2, "probe what?"),
    (["a", "--bucket", "not-there"], 1, "HEAD of bucket not-there: 404"),
    (["a", "--admin", "127.0.0.1:1"], 2, "--admin belongs to status"),
])
def test_what_cannot_be_probed_is_told(servers, binary, arguments, code, told):
    done = probe(binary, servers, *arguments)
    assert done.returncode == code
    assert told in done.stderr


def test_a_wrong_secret_is_told(servers, binary, tmp_path):
    config = with_profile(servers, tmp_path, "a", secret_key="wrong", access_key="nobody", secret_key_file=None)
    config.write_text(config.read_text().replace('"secret_key_file": null, ', "").replace(
        ', "secret_key_file": null', ""))
    done = probe(binary, servers, "a", config=config)
    assert done.returncode == 1
    assert re.search(r"creating bucket s3mirror-probe-\w+: 403", done.stderr), done.stderr


def test_nobody_there_is_told(servers, binary, tmp_path):
    config = with_profile(servers, tmp_path, "a", endpoint="http://127.0.0.1:1")
    done = probe(binary, servers, "a", config=config)
    assert done.returncode == 1
    assert "no answer" in done.stderr
