"""A journal that is full, damaged, or another gateway's: no write is claimed, and the message says what is wrong."""

import contextlib
import os
import shutil
import sqlite3
import subprocess

import pytest

from riglib.process import free_ports
from stack import Failed, wait_until


def journal_file(stack):
    return stack.directory / "g1" / "journal.db"


def second_config(stack, path, **replace):
    """The gateway's configuration on other ports."""
    listen, admin = free_ports(2)
    text = stack.config().read_text()
    text = text.replace(stack.endpoint.removeprefix("http://"), f"127.0.0.1:{listen}")
    text = text.replace(stack.admin.removeprefix("http://"), f"127.0.0.1:{admin}")
    for old, new in replace.items():
        text = text.replace(old, new)
    path.write_text(text)
    return path


def test_a_journal_in_use_is_refused_to_a_second_gateway(start_stack, binary, tmp_path, key):
    stack = start_stack()
    done = subprocess.run([binary, "--config", second_config(stack, tmp_path / "second.yaml")], capture_output=True,
                          text=True, check=False, timeout=60)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "journal" in said and ("lock" in said or "another process" in said or "in use" in said), said
    assert stack.put(key, b"the first goes on").status == 200


@pytest.mark.parametrize("damage", ["overwritten", "not a database", "truncated"])
def test_a_damaged_journal_is_refused_at_start(start_stack, key, damage):
    stack = start_stack()
    stack.rig("kill", "c")
    for i in range(50):
        assert stack.put(f"{key}-{i}", b"hinted").status == 200
    stack.rig("term", "g1")
    file = journal_file(stack)
    assert file.stat().st_size > 4096 * 3
    with open(file, "r+b") as f:
        if damage == "overwritten":
            for page in range(1, file.stat().st_size // 4096):
                f.seek(page * 4096)
                f.write(os.urandom(2048))
        elif damage == "not a database":
            f.write(b"this is not a database, it is text" * 10)
        else:
            f.truncate(file.stat().st_size // 2)
    with pytest.raises(Failed) as refused:
        stack.rig("start", "g1")
    said = str(refused.value)
    assert str(file) in said and ("damaged" in said or "corrupt" in said or "not what we wrote" in said), said


def test_a_journal_of_a_newer_version_is_refused(start_stack):
    stack = start_stack()
    stack.rig("term", "g1")
    with contextlib.closing(sqlite3.connect(journal_file(stack))) as database, database:
        newest = database.execute("SELECT max(version) FROM migration").fetchone()[0]
        columns = len(database.execute("SELECT * FROM migration").description)
        database.execute(f"INSERT INTO migration VALUES ({newest + 1000}{', 0' * (columns - 1)})")
    with pytest.raises(Failed) as refused:
        stack.rig("start", "g1")
    assert "newer" in str(refused.value)


def test_a_missing_journal_directory_is_named(binary, start_stack, tmp_path):
    stack = start_stack()
    config = second_config(stack, tmp_path / "c.yaml", **{str(journal_file(stack)): "/nonexistent/place/journal.db"})
    done = subprocess.run([binary, "--config", config], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
    assert "/nonexistent/place" in done.stdout + done.stderr


def can_mount():
    return subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"],
                          capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="no user namespaces here: cannot mount a small file system")
def test_a_full_disk_means_503_and_nothing_claimed_until_there_is_room(start_stack, binary, tmp_path, key):
    """The journal lies on a tmpfs of 1 MiB that a file of ours fills up."""
    small, wrapper = tmp_path / "small", tmp_path / "s3mirror-on-small-disk"
    small.mkdir()
    wrapper.write_text(f"""#!/bin/sh
exec unshare --user --map-root-user --mount sh -c '
    mount -t tmpfs -o size=1m none {small} && exec "$0" "$@"' {binary} "$@"
""")
    wrapper.chmod(0o755)
    stack = start_stack(binary=wrapper, sets={"journal.path": str(small / "journal.db")})
    assert stack.put(key, b"before").status == 200
    stack.wait_settled(key)

    inside = f"/proc/{stack.gateway_pid()}/root{small}/filler"
    with open(inside, "wb", buffering=0) as filler, pytest.raises(OSError, match="No space left"):
        while True:
            filler.write(b"x" * 4096)
    refused = None
    for i in range(2000):
        answer = stack.put(f"{key}-{i}", b"x" * 100)
        if answer.status != 200:
            refused = answer
            break
    assert refused is not None, "the journal found room on a full disk"
    assert refused.status == 503
    assert "stored" not in refused.headers.get("x-s3mirror-replicas", "")
    assert stack.admin_get("/healthz")[0] == 200

    os.unlink(inside)
    wait_until(lambda: stack.put(key, b"after").status == 200, "writes to work again once there is room", 30)
    stack.wait_settled(key)
    stack.assert_everywhere(key, b"after")


def test_a_journal_that_vanishes_with_its_directory_starts_anew(start_stack, key):
    """Losing the journal loses the hints, not the objects: an empty one is made and the data is served."""
    stack = start_stack()
    assert stack.put(key, b"kept").status == 200
    stack.rig("kill", "g1")
    for file in journal_file(stack).parent.glob("journal.db*"):
        shutil.rmtree(file) if file.is_dir() else file.unlink()
    stack.rig("start", "g1")
    assert stack.get(key).body == b"kept"
