"""Backends that are stopped (SIGSTOP): the kernel takes connections and bytes for them, and nothing is answered."""

import pytest

from outage import NAMES, noise, read_while_it_comes_back, replicas, restore, write_while_they_come_and_go
from stack import Stack

# What a stopped server has in its socket buffers it carries out when it goes on, so a request may take effect as late
# as that: ambiguity_ms must be longer than any stop of these tests, and stalls are found early to keep stops short.
TERMS = {"terms.stall_ms": 600, "terms.detach_ms": 600, "terms.first_byte_ms": 600, "terms.ambiguity_ms": 6000}


@pytest.fixture(scope="module")
def shared(tmp_path_factory, binary):
    running = Stack.up(tmp_path_factory.mktemp("stopped"), sets=TERMS)
    yield running
    running.down()


@pytest.fixture
def stack(shared):
    yield shared
    restore(shared)


def test_a_stopped_backend_delays_no_write_for_ever(stack, key):
    """SIGSTOP: connections are accepted by the kernel and nothing is ever read."""
    stack.put(key, b"before")
    stack.rig("stop", "b")
    for body in (b"small", noise(20_000_000)):
        answer = stack.put(key, body)
        assert answer.status == 200, answer.body
        assert replicas(answer) == {"a": "stored", "b": "hinted", "c": "stored"}
        assert stack.get(key).body == body
    assert stack.delete(key).status == 204
    assert stack.get(key).status == 404
    stack.rig("cont", "b")
    stack.wait_repaired()
    stack.assert_everywhere(key, None)


def test_a_read_of_an_untouched_key_fails_over_from_a_stopped_backend(stack, key):
    body = noise(1_000_000)
    stack.put(key, body)
    stack.wait_settled(key)
    for name in NAMES:
        stack.rig("stop", name)
        for _ in range(6):
            assert stack.get(key).body == body
        stack.rig("cont", name)


@pytest.mark.parametrize("name", NAMES)
def test_a_read_is_never_answered_by_a_backend_that_missed_a_write(stack, key, name):
    read_while_it_comes_back(stack, key, name, "stop", "cont")


def test_writes_go_on_while_backends_stop_and_go_on(stack, key):
    write_while_they_come_and_go(stack, key, "stop", "cont")
