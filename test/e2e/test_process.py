"""The program itself: its command line, its configuration, its admin port, its log, its end."""

import json
import os
import random
import re
import signal
import subprocess

import pytest

from stack import Failed, wait_until

GOOD = """\
listen: 127.0.0.1:18000
admin: { listen: 127.0.0.1:18001 }
journal: { kind: sqlite, path: /tmp/journal.db }
keys:
  - { access_key: demo, secret_key: "${DEMO_SECRET}" }
backends:
  - { name: a, endpoint: "http://127.0.0.1:9001", region: us-east-1, access_key: x, secret_key: y }
  - { name: b, endpoint: "http://127.0.0.1:9002", region: us-east-1, access_key: x, secret_key: y }
buckets:
  - { name: media, replicas: [a, b/media-copy], ack: { need: 1, wait: all } }
defaults: { replicas: [a, b] }
"""


def run(binary, *arguments, **env):
    return subprocess.run([binary, *arguments], capture_output=True, text=True, check=False, timeout=60,
                          env={**os.environ, "DEMO_SECRET": "s3cret", **env})


def check_config(binary, tmp_path, text, **env):
    file = tmp_path / "s3mirror.yaml"
    file.write_text(text)
    return run(binary, "--check-config", "--config", file, **env)


def test_version_and_help(binary):
    assert re.search(r"\d+\.\d+\.\d+", run(binary, "--version").stdout)
    text = run(binary, "--help").stdout
    for option in ("--config", "--check-config", "--print-config", "--version", "status"):
        assert option in text


def test_an_unknown_option_is_refused(binary):
    done = run(binary, "--no-such-option")
    assert done.returncode != 0
    assert "--no-such-option" in done.stderr


def test_a_missing_configuration_file_is_named(binary, tmp_path):
    done = run(binary, "--config", tmp_path / "none.yaml")
    assert done.returncode != 0
    assert "none.yaml" in done.stderr


def test_a_good_configuration_passes(binary, tmp_path):
    done = check_config(binary, tmp_path, GOOD)
    assert done.returncode == 0, done.stderr


def test_the_printed_configuration_documents_every_key_and_is_itself_valid_yaml(binary):
    text = run(binary, "--print-config").stdout
    for key in ("listen", "admin", "journal", "keys", "backends", "buckets", "ack", "body_budget", "ambiguity_ms",
                "stall_ms", "detach_ms", "repair"):
        assert key in text
    assert "#" in text, "each key comes with its documentation"


BAD = {  # what is changed, and what the message must name: the line and the key
    "unknown key": (("listen:", "lisen:"), r"1\b.*lisen"),
    "unknown inner key": (("kind: sqlite", "kindd: sqlite"), r"3\b.*kindd"),
    "bad address": (("127.0.0.1:18000", "127.0.0.1:99999"), r"1\b.*listen"),
    "no port": (("127.0.0.1:18000", "127.0.0.1"), r"1\b.*listen"),
    "unknown journal": (("sqlite", "postgres"), r"3\b.*kind"),
    "unknown replica": (("replicas: [a, b/media-copy]", "replicas: [a, z]"), r"10\b.*z"),
    "replica twice": (("replicas: [a, b/media-copy]", "replicas: [a, a]"), r"10\b.*a"),
    "bad need": (("need: 1", "need: 7"), r"10\b.*need"),
    "need of a wrong type": (("need: 1", "need: [1]"), r"10\b.*need"),
    "bad wait": (("wait: all", "wait: soon"), r"10\b.*wait"),
    "bad bucket name": (("name: media", "name: M"), r"10\b.*name"),
    "backend without endpoint": (('endpoint: "http://127.0.0.1:9001", ', ""), r"7\b.*endpoint"),
    "bad endpoint": (("http://127.0.0.1:9001", "ftp://127.0.0.1"), r"7\b.*endpoint"),
    "backend twice": (("name: b,", "name: a,"), r"8\b.*(name|'?a'?)"),
    "not YAML": (("keys:", "keys: [}"), r":[45]:.*YAML"),
    "a key twice": (("defaults:", "listen: 127.0.0.1:1\ndefaults:"), r"11\b.*listen"),
    "number out of range": (("defaults:", "terms: { stall_ms: -5 }\ndefaults:"), r"11\b.*stall_ms"),
    "no number": (("defaults:", "terms: { stall_ms: soon }\ndefaults:"), r"11\b.*stall_ms"),
    "unset variable": (("${DEMO_SECRET}", "${NO_SUCH_VARIABLE}"), r"5\b.*NO_SUCH_VARIABLE|secret_key.*NO_SUCH_VARIABLE"),
    "missing secret file": (("secret_key: y }\n  - { name: b", "secret_key_file: /nonexistent }\n  - { name: b"),
                            r"7\b.*secret_key_file|/nonexistent"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_configuration_is_refused_with_line_and_key(binary, tmp_path, case):
    (old, new), pattern = BAD[case]
    assert GOOD.count(old) >= 1
    done = check_config(binary, tmp_path, GOOD.replace(old, new, 1))
    assert done.returncode != 0, f"accepted: {done.stdout}"
    assert re.search(pattern, done.stderr), done.stderr


def test_secrets_are_never_printed(binary, tmp_path):
    done = check_config(binary, tmp_path, GOOD.replace("need: 1", "need: 9"), DEMO_SECRET="hunter2hunter2")
    assert "hunter2" not in done.stdout + done.stderr


# --- the admin port -------------------------------------------------------------------------------------------

def test_health_readiness_and_unknown_paths(stack):
    assert stack.admin_get("/healthz")[0] == 200
    assert stack.admin_get("/readyz")[0] == 200
    assert stack.admin_get("/no-such-page")[0] == 404


def test_metrics_are_prometheus_text_and_count(stack, key):
    before = stack.metric("s3mirror_requests_total")
    stack.put(key, b"counted")
    stack.get(key)
    assert stack.metric("s3mirror_requests_total") >= before + 2
    status, text = stack.admin_get("/metrics")
    assert status == 200
    for line in text.splitlines():
        assert re.match(r"(# (HELP|TYPE) \w+ .+|[a-zA-Z_:]\w*(\{.*\})? [0-9.eE+-]+|[a-zA-Z_:]\w*(\{.*\})? (NaN|[+-]Inf))$",
                        line), line
    for name in ("s3mirror_hints", "s3mirror_repaired_total", "s3mirror_hinted_total"):
        assert f"# TYPE {name} " in text


def test_the_status_page_lists_every_replica(stack):
    status, text = stack.admin_get("/status")
    assert status == 200
    media = next(b for b in json.loads(text)["buckets"] if b["name"] == "media")
    assert [(r["name"], r["backend"], r["bucket"]) for r in media["replicas"]] == \
        [("a", "a", "media"), ("b", "b", "media"), ("c", "c", "media-copy")]
    for replica in media["replicas"]:
        assert {"state", "hints", "lag_ms"} <= set(replica)


def test_the_status_of_a_key_shows_each_replica(stack, key):
    etag = stack.put(key, b"asked about").headers["etag"].strip('"')
    stack.wait_settled(key)
    seen = stack.key_status(key)
    assert [r["name"] for r in seen["replicas"]] == ["a", "b", "c"]
    assert {r["etag"].strip('"') for r in seen["replicas"]} == {etag}
    assert {r["bytes"] for r in seen["replicas"]} == {len(b"asked about")}
    assert len({r["stamp"] for r in seen["replicas"]}) == 1


def test_a_request_is_logged_with_the_id_the_client_got(stack, key):
    answer = stack.put(key, b"logged")
    request_id = answer.headers["x-amz-request-id"]
    line = wait_until(lambda: next((li for li in stack.log("g1").splitlines() if request_id in li), None), "the line", 10)
    assert "PutObject" in line or "put" in line.lower()
    for secret in (stack.document["secret_key"], *(b["secret_key"] for b in stack.backends.values())):
        assert secret not in stack.log("g1")


def test_the_log_can_be_json(start_stack, key):
    stack = start_stack(sets={"log.format": "json"})
    stack.put(key, b"x")
    lines = [line for line in stack.log("g1").splitlines() if line.strip()]
    assert lines
    for line in lines:
        json.loads(line)


# --- its end --------------------------------------------------------------------------------------------------

def test_sigterm_lets_a_running_upload_finish_and_takes_no_new_one(start_stack, key):
    stack = start_stack()
    body = random.Random(9).randbytes(3_000_000)
    request = stack.signer.put(stack.path(key), body)
    with stack.wire() as wire:
        wire.send(request[:-1_000_000])
        wait_until(lambda: stack.rows(key), "the intent of the upload", 10)
        os.kill(stack.gateway_pid(), signal.SIGTERM)

        def refused():
            try:
                stack.wire().sock.close()
                return False
            except OSError:
                return True

        wait_until(refused, "the listening socket to be closed", 10)
        wire.send(request[-1_000_000:])
        assert wire.response().status == 200
    wait_until(lambda: stack.gateway_pid() is None, "the gateway to end by itself", 20)
    stack.assert_everywhere(key, body)
    stack.rig("start", "g1")
    assert stack.get(key).body == body


def test_a_port_in_use_is_named(start_stack, stack, binary, tmp_path):
    other = start_stack()
    text = other.config().read_text().replace(other.endpoint.removeprefix("http://"),
                                              stack.endpoint.removeprefix("http://"))
    text = text.replace(str(other.directory / "g1" / "journal.db"), str(tmp_path / "journal.db"))
    file = tmp_path / "clash.yaml"
    file.write_text(text.replace(other.admin.removeprefix("http://"), "127.0.0.1:0"))
    done = subprocess.run([binary, "--config", file], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
    assert stack.endpoint.removeprefix("http://") in done.stdout + done.stderr


def test_a_bad_setting_keeps_it_from_starting(start_stack):
    with pytest.raises(Failed) as refused:
        start_stack(sets={"no_such_key": 1})
    assert "no_such_key" in str(refused.value)


# --- memory ---------------------------------------------------------------------------------------------------

def test_an_upload_waits_for_budget_or_is_told_to_slow_down(start_stack, key):
    """A body budget of 4 MiB and twelve uploads at once: each is stored or refused with SlowDown, none half."""
    import concurrent.futures
    stack = start_stack(sets={"body_budget": 4 << 20})
    bodies = {f"{key}-{i}": random.Random(i).randbytes(4_000_000) for i in range(12)}
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        answers = dict(zip(bodies, pool.map(lambda name: stack.put(name, bodies[name]), bodies)))
    for name, answer in answers.items():
        stack.wait_settled(name)
        if answer.status == 200:
            stack.assert_everywhere(name, bodies[name])
        else:
            assert answer.status == 503 and b"<Code>SlowDown</Code>" in answer.body, answer.body
            stack.assert_everywhere(name, None)
    assert any(answer.status == 200 for answer in answers.values())
