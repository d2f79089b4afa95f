"""What the kernel knows of a process: CPU time and peak memory. The same reading for all that are compared."""

import os
import time
from pathlib import Path

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def cpu_s(pid):
    """CPU seconds of the process so far, all threads: exact from schedstat, in 10 ms ticks without it."""
    try:
        return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9
    except (FileNotFoundError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK_S


def wait_quiet(pid, seconds=3.0):
    """Until the process rests: what it puts off until after the answer is its cost as well."""
    deadline, before = time.monotonic() + seconds, cpu_s(pid)
    while time.monotonic() < deadline:
        time.sleep(0.05)
        now = cpu_s(pid)
        if now - before < 0.001:
            return
        before = now


def peak_rss_mib(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise OSError(f"no VmHWM of process {pid}")


def machine():
    """What the figures depend on and the reader must know."""
    model = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), "unknown")
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / (1 << 20)
    return {"cpu": model, "cores": len(os.sched_getaffinity(0)), "memory_gib": round(memory, 1),
            "kernel": os.uname().release, "load_at_start": os.getloadavg()[0]}
