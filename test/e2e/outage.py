"""Helpers of test_down.py and test_stopped.py: one stack for a module, made whole again after each test."""

import random
import threading

from stack import wait_until

NAMES = ("a", "b", "c")


def noise(size, seed=1):
    return random.Random(seed).randbytes(size)


def replicas(answer):
    """{'a': 'stored', 'b': 'hinted'} from the answer's header."""
    return dict(part.strip().split("=") for part in answer.headers["x-s3mirror-replicas"].split(","))


def restore(stack):
    """Everything runs and goes on, everything is repaired, the three agree."""
    document = stack.show()
    for member in document["backends"] + document["gateways"]:
        stack.rig("start" if member["pid"] is None else "cont", member["name"])
    stack.wait_repaired()
    stack.compare_backends()


def read_while_it_comes_back(stack, key, name, down, up):
    """`name` misses an overwrite and a delete; four readers watch while it comes back and is repaired."""
    changed, deleted = key + "-changed", key + "-deleted"
    stack.put(changed, b"old")
    stack.put(deleted, b"old")
    stack.rig(down, name)
    assert stack.put(changed, b"new").status == 200
    assert stack.delete(deleted).status == 204

    stale, stop, failed = [], threading.Event(), []

    def read():
        while not stop.is_set():
            try:
                answer, gone = stack.get(changed), stack.get(deleted)
            except OSError as broken:
                failed.append(broken)
                continue
            if (answer.status, answer.body) != (200, b"new"):
                stale.append((answer.status, answer.body))
            if gone.status != 404:
                stale.append((gone.status, gone.body))

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    try:
        stack.rig(up, name)
        stack.wait_repaired()
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert not stale, stale[:5]
    assert not failed, failed[:5]
    stack.assert_everywhere(changed, b"new")
    stack.assert_everywhere(deleted, None)


def write_while_they_come_and_go(stack, key, down, up):
    """Twelve writers on their own keys while one backend after another goes and comes back."""
    acknowledged, answered, failed = {}, [], []
    stop = threading.Event()

    def write(number):
        i = 0
        while not stop.is_set():
            name, body = f"{key}-{number}-{i % 5}", noise(1000 + 40_000 * (i % 3), number * 1000 + i)
            answer = stack.put(name, body)
            answered.append(name)
            if answer.status == 200:
                acknowledged[name] = body
            else:
                failed.append((name, answer.status))
            i += 1

    writers = [threading.Thread(target=write, args=(n,)) for n in range(12)]
    for writer in writers:
        writer.start()
    try:
        for name in NAMES:
            stack.rig(down, name)
            wait_until(lambda n=len(answered) + 24: len(answered) >= n, "writes during the outage", 60)
            stack.rig(up, name)
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert not failed, failed[:5]
    assert len(acknowledged) >= 12
    stack.wait_repaired()
    for name, body in acknowledged.items():
        stack.assert_everywhere(name, body)
