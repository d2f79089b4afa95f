"""Fixtures: real S3 servers with the gateway in front of them, stood up by tools/rig.

`stack` is one for the whole session: tests that only send bad or good requests share it. Tests that stop or kill
something ask `start_stack` for one of their own.
"""

import os
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
sys.path.insert(0, str(ROOT / "test" / "e2e"))

from hostile_backend import HostileBackend  # noqa: E402
from stack import Stack  # noqa: E402


@pytest.fixture(scope="session")
def binary():
    path = Path(os.environ.get("S3MIRROR_BINARY", ROOT / "build/src/app/s3mirror")).resolve()
    assert path.exists(), f"{path} is not built"
    return path


@pytest.fixture(scope="session")
def stack(tmp_path_factory, binary):
    running = Stack.up(tmp_path_factory.mktemp("rig"))
    yield running
    running.down()


@pytest.fixture
def start_stack(tmp_path, binary):
    """A function that brings up a stack of the test's own; all are taken down afterwards."""
    running = []

    def start(**options):
        running.append(Stack.up(tmp_path / f"rig{len(running)}", **options))
        return running[-1]

    yield start
    for one in running:
        one.down()


@pytest.fixture
def hostile():
    with HostileBackend() as backend:
        yield backend
        assert not backend.problems, backend.problems


@pytest.fixture
def key(request):
    """A key of this test's own."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", request.node.name)[:120].strip("-.")
