"""Fifty times kill -9 of the gateway in the middle of uploads, overwrites, deletes, reads and repairs.

Afterwards no acknowledged write is lost, no read was older than what had been acknowledged before it began, and the
three backends hold the same bytes: checked by history.py after every ten rounds, when repair has come to rest.
"""

import os
import random
import threading
import time

import pytest

from history import History
from stack import wait_until

ROUNDS = int(os.environ.get("S3MIRROR_CRASH_ROUNDS", "50"))
ROUNDS_PER_CHECK = 10
WRITERS = 8
KEYS = 24
SIZES = (10, 3000, 70_000, 700_000, 2_500_000)
SEED = int(os.environ.get("S3MIRROR_SEED", time.time_ns() % 1_000_000))


def make_body(value, size):
    """A body that names its value at the start and is recognised to the last byte."""
    line = value.encode() + b"\n"
    return (line * (size // len(line) + 1))[:max(size, len(line))]


def read_value(body):
    """The value a body carries; fails when it is torn, mixed or cut."""
    line, newline, _ = body.partition(b"\n")
    value = line.decode()
    assert newline and body == make_body(value, len(body)), f"a torn body of {len(body)} bytes, beginning {body[:60]!r}"
    return value


class Clients:
    """Threads that write, delete and read until told to stop; broken connections are part of the game."""

    def __init__(self, stack, history, seed):
        self.stack, self.history = stack, history
        self.stopping, self.pausing = threading.Event(), threading.Event()
        self.wrong, self.acknowledged = [], 0
        self.threads = [threading.Thread(target=self.run, args=(random.Random(seed * 100 + n),)) for n in range(WRITERS)]
        for thread in self.threads:
            thread.start()

    def run(self, generator):
        while not self.stopping.is_set():
            key = f"crash/{generator.randrange(KEYS)}"
            try:
                draw = generator.random()
                if draw < 0.55:
                    self.write(key, generator.choice(SIZES))
                elif draw < 0.75:
                    self.delete(key)
                else:
                    self.read(key)
            except OSError:
                self.stopping.wait(0.01)  # the gateway is not there: do not spin
            except AssertionError as wrong:
                self.wrong.append(str(wrong))

    def write(self, key, size):
        operation = self.history.begin(key)
        self.carry_out(key, operation, 200, lambda: self.stack.put(key, make_body(operation.value, size)))

    def delete(self, key):
        operation = self.history.begin(key, delete=True)
        self.carry_out(key, operation, 204, lambda: self.stack.delete(key))

    def carry_out(self, key, operation, success, act):
        try:
            status = act().status
        except ConnectionRefusedError:
            self.history.forget(key, operation)
            raise
        if status == success:
            self.history.acknowledge(operation)
            self.acknowledged += 1

    def read(self, key):
        start = time.monotonic()
        answer = self.stack.get(key)
        end = time.monotonic()
        if answer.status not in (200, 404):
            return
        value = read_value(answer.body) if answer.status == 200 else None
        if not self.history.legal(key, value, start, end):
            self.wrong.append(f"{key} read as {value} from {start:.3f} to {end:.3f}:\n{self.history.explain(key)}")

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


def check(stack, history):
    """Wait for repair; compare all three; every key shows a legal value. Then nothing is open any more."""
    for key in list(history.keys):
        stack.wait_settled(key)
    stack.wait_repaired()
    found = {key: read_value(body) for key, (body, _) in stack.compare_backends().items()}
    for key in list(history.keys):
        value = found.pop(key, None)
        assert history.legal(key, value), f"{key} shows {value}:\n{history.explain(key)}"
        answer = stack.get(key)
        assert (read_value(answer.body) if answer.status == 200 else None) == value
        history.settle(key, value)
    assert not found, f"keys nobody wrote: {sorted(found)}"


@pytest.mark.timeout(600)
def test_fifty_crashes_lose_nothing_and_leave_no_difference(start_stack):
    print(f"seed {SEED} (S3MIRROR_SEED repeats it as far as timing allows)")
    stack = start_stack()
    history, generator = History(), random.Random(SEED)
    for first in range(0, ROUNDS, ROUNDS_PER_CHECK):
        clients = Clients(stack, history, SEED + first)
        try:
            for _ in range(ROUNDS_PER_CHECK):
                seen = clients.acknowledged
                wait_until(lambda n=seen + generator.randrange(1, 40): clients.acknowledged >= n or clients.wrong,
                           "writes to be acknowledged again after the restart", 60, 0.001)
                stack.rig("kill", "g1")
                stack.rig("start", "g1")
        finally:
            clients.stop()
        assert not clients.wrong, clients.wrong[0]
        check(stack, history)


@pytest.mark.timeout(300)
def test_crashes_during_repair_of_many_keys(start_stack):
    """One backend misses forty writes and deletes; the gateway is killed again and again while repairing it."""
    stack = start_stack()
    generator = random.Random(SEED)
    expected = {}
    for i in range(40):
        assert stack.put(f"repair/{i}", b"before").status == 200
    stack.rig("kill", "b")
    for i in range(40):
        if i % 4 == 3:
            assert stack.delete(f"repair/{i}").status == 204
            expected[f"repair/{i}"] = None
        else:
            expected[f"repair/{i}"] = make_body(f"v{i}", generator.choice(SIZES))
            assert stack.put(f"repair/{i}", expected[f"repair/{i}"]).status == 200
    assert stack.hints("b") == 40
    stack.rig("kill", "g1")
    stack.rig("start", "b")
    stack.rig("start", "g1")
    left = 40
    for _ in range(8):
        target = max(0, left - generator.randrange(1, 8))
        wait_until(lambda t=target: stack.hints("b") <= t, f"repair to come down to {target} hints", 60, 0.001)
        stack.rig("kill", "g1")
        stack.rig("start", "g1")
        left = stack.hints("b")
    stack.wait_repaired()
    stack.compare_backends()
    for key, body in expected.items():
        stack.assert_everywhere(key, body)


@pytest.mark.timeout(300)
def test_backends_and_gateway_crash_in_turn(start_stack):
    """kill -9 of a backend and of the gateway in alternation, at most one backend at a time.

    SeaweedFS, while it is starting, may hold a PUT for 20 s and then carry it out: hence the long ambiguity_ms.
    """
    stack = start_stack(sets={"terms.ambiguity_ms": 25_000})
    history, generator = History(), random.Random(SEED + 1)
    clients = Clients(stack, history, SEED + 1)
    try:
        for _ in range(5):
            victim = generator.choice("abc")
            stack.rig("kill", victim)
            seen = clients.acknowledged
            wait_until(lambda n=seen + 10: clients.acknowledged >= n, "writes without a backend", 60, 0.005)
            stack.rig("kill", "g1")
            stack.rig("start", victim)
            stack.rig("start", "g1")
    finally:
        clients.stop()
    assert not clients.wrong, clients.wrong[0]
    check(stack, history)
