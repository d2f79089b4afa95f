"""What the clients in Python share: the job as test/clients/README.md has it, and a line for each step."""

import filecmp
import os
import subprocess
from pathlib import Path

ENDPOINT, BUCKET, PREFIX = os.environ["S3_ENDPOINT"], os.environ["S3_BUCKET"], os.environ["S3_PREFIX"]
FILES, OUT = Path(os.environ["S3_FILES"]), Path(os.environ["S3_OUT"])
CA = os.environ.get("AWS_CA_BUNDLE")
SMALL, BIG = FILES / "small", FILES / "big"
MANY = [f"{n:04}" for n in range(1005)]
PUT, COPY = "put +ü.bin", "copy %41&=.bin"


def check(holds, what):
    if not holds:
        raise ValueError(what)


def same(file, expected):
    check(filecmp.cmp(file, expected, shallow=False), "other bytes")


def run(*argv):
    """What it prints; an error with what it says when it fails."""
    done = subprocess.run([str(a) for a in argv], capture_output=True, check=False)
    if done.returncode != 0:
        raise ValueError(f"exit {done.returncode}: {(done.stderr or done.stdout).decode(errors='replace').strip()}")
    return done.stdout


def play(steps):
    for name, step in steps.items():
        try:
            step()
            print(f"ok {name}", flush=True)
        except Exception as error:  # whatever it is, it is this step's
            print(f"not ok {name} {' '.join(str(error).split())}", flush=True)
