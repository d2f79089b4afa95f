"""What a person at the terminal follows: numbered steps, checked claims, progress."""

import contextlib
import sys
import threading
import time

MIB = 1 << 20


class Screen:
    """Remembers in `untrue` the claims that did not hold."""

    def __init__(self):
        self.terminal = sys.stdout.isatty()
        self.number = 0
        self.untrue = []

    def step(self, title):
        self.number += 1
        print(f"\n{self.number}. {title}", flush=True)

    def say(self, text):
        print(f"   {text}", flush=True)

    def claim(self, text, true, detail=""):
        print(f"   [{'ok' if true else 'NOT TRUE'}] {text}{'' if true or not detail else ': ' + str(detail)}",
              flush=True)
        if not true:
            self.untrue.append(text)

    @contextlib.contextmanager
    def progress(self, what, total, unit=MIB, name="MiB"):
        """Gives a function to call with what was done since the last call; from any thread."""
        done, began, shown, lock = 0, time.monotonic(), [0.0], threading.Lock()
        every = 0.2 if self.terminal else 10

        def advance(amount):
            nonlocal done
            with lock:
                done += amount
                now = time.monotonic()
                if now - shown[0] < every or now - began < every:
                    return
                shown[0] = now
                text = f"   {what}: {done / unit:.0f} of {total / unit:.0f} {name}, {done / unit / (now - began):.0f}/s"
                print(f"\r{text}\x1b[K" if self.terminal else text, end="" if self.terminal else "\n", flush=True)

        yield advance
        if self.terminal:
            print("\r\x1b[K", end="")
