"""What the gateway holds in memory, as the kernel counts it."""

import re


def _of(stack, name):
    with open(f"/proc/{stack.gateway_pid()}/status", encoding="ascii") as f:
        return int(re.search(rf"^{name}:\s+(\d+) kB", f.read(), re.M)[1]) * 1024


def peak(stack):
    """The most that has been resident; starts anew from what is."""
    most = _of(stack, "VmHWM")
    with open(f"/proc/{stack.gateway_pid()}/clear_refs", "w", encoding="ascii") as f:
        f.write("5")
    return min(most, _of(stack, "VmRSS"))


def grown(stack, before):
    """By how much the most since then exceeds what `peak` told."""
    return _of(stack, "VmHWM") - before
