"""What all measurements share: how much is moved, and how what is compared runs side by side."""

import sys
from dataclasses import dataclass

GIB, MIB, KIB = 1 << 30, 1 << 20, 1 << 10
SMALL_CONNS, SMALL_KEYS = 32, 64


@dataclass
class Sizes:
    """How much is moved. QUICK shows that everything works; only FULL gives figures to quote."""
    rounds: int
    large_rounds: int    # of the large objects, whose runs are short and whose target is a ratio
    large: int           # bytes of the "1 GiB" object
    seconds: int         # of each run of small objects
    many: int            # connections of the slow PUTs
    many_seconds: int
    slow: int            # bytes a second that a slow sink takes from each connection
    alike: tuple         # two sizes whose peak memory must be alike
    stall_seconds: int   # of each run with a stalled backend
    syncs: int
    deletes: int         # requests of 1,000 keys each
    listed: int          # keys of a bucket that the sink makes up
    listed_real: int     # keys that a SeaweedFS is filled with, if it takes them in five minutes


FULL = Sizes(5, 9, GIB, 5, 200, 20, 1 * MIB, (100_000_000, 1_000_000_000), 30, 500, 50, 1_000_000, 1_000_000)
QUICK = Sizes(1, 1, 64 * MIB, 1, 50, 3, 1 * MIB, (10_000_000, 100_000_000), 12, 50, 4, 50_000, 5_000)


def size_name(size):
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size / 1e6:g} MB"


def alternate(title, rounds, subjects, warm_up=True):
    """{name: what to run} -> {name: [result of each round]}."""
    names, results = list(subjects), {name: [] for name in subjects}
    for number in range(0 if warm_up else 1, rounds + 1):
        for name in names:
            result = subjects[name]()
            text = ", ".join(f"{key} {result[key]:.4g}" for key in ("mib_per_s", "ops_per_s", "cpu_s", "peak_rss_mib")
                             if key in result)
            print(f"{title}: {f'round {number}/{rounds}' if number else 'warm-up'}, {name}: {text}", file=sys.stderr)
            if number:
                results[name].append(result)
        names = names[1:] + names[:1]
    return results


def column(results, key):
    return [result[key] for result in results]


def per_10000(results):
    return [result["cpu_s"] / result["ops"] * 10000 for result in results]
