"""What concurrent clients did to keys, and which contents a correct store may show for it.

Every operation writes a value of its own (or deletes). An operation is *acknowledged* when its success was seen;
otherwise it is open: it may have taken effect at any time from its start until it is closed by `settle`.
A key may show the value of operation X unless an acknowledged Y began after X had ended: then X is overwritten.
"""

import dataclasses
import itertools
import threading
import time

NEVER = float("inf")


@dataclasses.dataclass
class Operation:
    value: str | None           # None: a delete (or the beginning, before any write)
    start: float
    end: float = NEVER
    acknowledged: bool = False


class History:
    def __init__(self):
        self.lock = threading.Lock()
        self.keys = {}
        self.numbers = itertools.count()

    def _of(self, key):
        return self.keys.setdefault(key, [Operation(None, -NEVER, -NEVER, True)])

    def begin(self, key, delete=False):
        with self.lock:
            operation = Operation(None if delete else f"v{next(self.numbers)}", time.monotonic())
            self._of(key).append(operation)
            return operation

    def acknowledge(self, operation):
        with self.lock:
            operation.end, operation.acknowledged = time.monotonic(), True

    def forget(self, key, operation):
        """It cannot have reached anybody: the connection was refused."""
        with self.lock:
            self._of(key).remove(operation)

    def legal(self, key, value, read_start=NEVER, read_end=NEVER):
        """May a read that lasted from read_start to read_end have shown `value`?"""
        with self.lock:
            operations = list(self._of(key))
        for x in operations:
            if x.value == value and x.start <= read_end:
                overwritten = any(y.acknowledged and y.start > x.end and y.end < read_start for y in operations)
                if not overwritten:
                    return True
        return False

    def settle(self, key, value):
        """The key has been repaired everywhere and shows `value`: nothing open can take effect any more."""
        with self.lock:
            self.keys[key] = [Operation(value, -NEVER, -NEVER, True)]

    def explain(self, key):
        with self.lock:
            return "\n".join(f"  {o.value or 'delete':10} {o.start:.3f} .. {o.end:.3f}"
                             f" {'acknowledged' if o.acknowledged else 'open'}" for o in self._of(key))
