"""Processes that outlive the script that started them: found again by pid and start time, never by name."""

import os
import signal
import socket
import random
import subprocess
import time


class Failed(Exception):
    """Something did not come about; the text is for the person at the terminal."""


def wait_until(condition, what, seconds, pause=0.02):
    """Poll `condition` until it gives something true and return that; Failed after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not within {seconds:g} s")
        time.sleep(pause)


def free_ports(count, taken=()):
    """`count` loopback ports that nobody listens on, below the kernel's range for outgoing connections:
    a server that is killed finds its port free when it comes back. `taken`: given to somebody who does not listen yet."""
    held, ports = [], []
    try:
        while len(ports) < count:
            port = random.randrange(10240, 32000)
            if port in taken:
                continue
            probe = socket.socket()
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                probe.close()
                continue
            held.append(probe)
            ports.append(port)
        return ports
    finally:
        for probe in held:
            probe.close()


def _stat(pid):
    """(state, start time in clock ticks) from /proc, None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            fields = f.read().rpartition(")")[2].split()
    except OSError:
        return None
    return fields[0], int(fields[19])


def start(argv, env, cwd, log):
    """Start `argv` in a session of its own, output appended to `log`; returns {pid, started}."""
    with open(log, "ab") as out:
        child = subprocess.Popen(argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                 start_new_session=True)
    found = _stat(child.pid)
    return {"pid": child.pid, "started": found[1] if found else 0}


def alive(process):
    """Whether it still runs (stopped counts, a zombie does not)."""
    if not process:
        return False
    try:
        os.waitpid(process["pid"], os.WNOHANG)  # reap, if it is ours
    except ChildProcessError:
        pass
    found = _stat(process["pid"])
    if not found or found[1] != process["started"]:
        return False
    return found[0] not in "ZX" or _threads(process["pid"]) > 1


def _threads(pid):
    """Of a process whose first thread has ended, others may still be ending: until then its sockets are open."""
    try:
        return len(os.listdir(f"/proc/{pid}/task"))
    except OSError:
        return 0


def send(process, number):
    """Signal the process and what it may have started; nothing when it is gone."""
    if alive(process):
        try:
            os.killpg(process["pid"], number)
        except ProcessLookupError:
            pass


def wait_gone(process, what, seconds=10):
    wait_until(lambda: not alive(process), f"{what} to end", seconds, pause=0.005)


def kill(process, what):
    send(process, signal.SIGKILL)
    wait_gone(process, what)


def wait_stopped(process, what):
    """Until SIGSTOP has taken effect: from then on it reads and answers nothing."""
    wait_until(lambda: (_stat(process["pid"]) or ("gone",))[0] in ("T", "gone"), f"{what} to stop", 5, pause=0.002)


def tail(log, lines=15):
    try:
        with open(log, encoding="utf-8", errors="replace") as f:
            return "".join(f.readlines()[-lines:])
    except OSError:
        return ""
