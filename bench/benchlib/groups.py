"""The measurements of what was there first: PUT, GET, memory, a stalled backend, real servers; a function each. Every one
runs what it compares side by side, in an order that turns from round to round; those that share a gateway begin with a
round that is not counted. The large PUT measures the raw baseline a second time as if it were something else: how far
that ratio is from 1 is the noise of all of them."""

import signal
import sys
import time

from riglib.process import Failed

from . import meter
from .common import GIB, KIB, MIB, SMALL_CONNS, SMALL_KEYS, alternate, column, per_10000, size_name
from .report import Figure

CPU_RATIO = 1.15
SMALL_PUTS_PER_S, SMALL_GETS_PER_S, SMALL_CPU_S_PER_10000 = 8000, 18000, 1.0
RSS_ONE_MIB, RSS_MANY_MIB, RSS_ALIKE = 32, 256, 1.10
STALL_CONNS, STALL_BYTES = 8, 16 * MIB
STALL_RATIO = 0.95


def put_large(world, sizes):
    work = f"PUT {size_name(sizes.large)} to 3 sinks"
    options = {"op": "put", "size": sizes.large, "count": 1}
    with world.sinks() as sinks, world.raw([port for _, port in sinks]) as raw, \
            world.s3mirror([port for _, port in sinks]) as gateway:
        got = alternate(work, sizes.large_rounds, {
            "raw": lambda: world.charged_load(raw, **options),
            "s3mirror": lambda: world.charged_load(gateway, **options),
            "raw again": lambda: world.charged_load(raw, **options),
            "s3mirror signed": lambda: world.charged_load(gateway, **options, payload="signed"),
            "SHA-256 alone": lambda: world.alone("sha256", "--size", sizes.large)})
    raw_cpu, hash_cpu = column(got["raw"], "cpu_s"), column(got["SHA-256 alone"], "cpu_s")
    return [Figure(f"{work}, unsigned payload", "CPU s", column(got["s3mirror"], "cpu_s"), "raw", raw_cpu,
                   at_most=CPU_RATIO, of_ratio=True),
            Figure(f"{work}, signed payload", "CPU s", column(got["s3mirror signed"], "cpu_s"), "raw + SHA-256 alone",
                   [a + b for a, b in zip(raw_cpu, hash_cpu)], at_most=CPU_RATIO, of_ratio=True),
            Figure(f"{work}, raw again", "CPU s", column(got["raw again"], "cpu_s"), "raw", raw_cpu),
            Figure(f"{work}, unsigned payload", "MiB/s", column(got["s3mirror"], "mib_per_s"), "raw",
                   column(got["raw"], "mib_per_s")),
            Figure(f"{work}, signed payload", "MiB/s", column(got["s3mirror signed"], "mib_per_s"), "raw",
                   column(got["raw"], "mib_per_s"))]


def put_small(world, sizes):
    work = f"PUT 64 KiB to 3 sinks, {SMALL_CONNS} connections"
    options = {"op": "put", "size": 64 * KIB, "conns": SMALL_CONNS, "seconds": sizes.seconds}
    with world.sinks() as sinks, world.raw([port for _, port in sinks]) as raw, \
            world.s3mirror([port for _, port in sinks]) as gateway:
        got = alternate(work, sizes.rounds, {"raw": lambda: world.charged_load(raw, **options),
                                             "s3mirror": lambda: world.charged_load(gateway, **options)})
    return [Figure(work, "PUT/s", column(got["s3mirror"], "ops_per_s"), "raw", column(got["raw"], "ops_per_s"),
                   at_least=SMALL_PUTS_PER_S),
            Figure(work, "CPU s per 10,000", per_10000(got["s3mirror"]), "raw", per_10000(got["raw"]),
                   at_most=SMALL_CPU_S_PER_10000),
            Figure(work, "p50 ms", column(got["s3mirror"], "p50_ms"), "raw", column(got["raw"], "p50_ms")),
            Figure(work, "p99 ms", column(got["s3mirror"], "p99_ms"), "raw", column(got["raw"], "p99_ms"))]


def get_large(world, sizes):
    work = f"GET {size_name(sizes.large)}"
    options = {"size": sizes.large, "count": 1}
    with world.sinks() as sinks, world.raw([sinks[0][1]]) as raw, \
            world.s3mirror([port for _, port in sinks]) as gateway:
        world.load(gateway, op="put", **options)
        got = alternate(work, sizes.large_rounds, {"raw": lambda: world.charged_load(raw, op="get", **options),
                                             "s3mirror": lambda: world.charged_load(gateway, op="get", **options)})
    return [Figure(work, "CPU s", column(got["s3mirror"], "cpu_s"), "raw", column(got["raw"], "cpu_s"),
                   at_most=CPU_RATIO, of_ratio=True),
            Figure(work, "MiB/s", column(got["s3mirror"], "mib_per_s"), "raw", column(got["raw"], "mib_per_s"))]


def get_small(world, sizes):
    work = f"GET 64 KiB, {SMALL_CONNS} connections"
    options = {"size": 64 * KIB, "conns": SMALL_CONNS, "keys": SMALL_KEYS}
    with world.sinks() as sinks, world.raw([sinks[0][1]]) as raw, \
            world.s3mirror([port for _, port in sinks]) as gateway:
        world.load(gateway, op="put", count=SMALL_CONNS * SMALL_KEYS, **options)
        options["seconds"] = sizes.seconds
        got = alternate(work, sizes.rounds, {"raw": lambda: world.charged_load(raw, op="get", **options),
                                             "s3mirror": lambda: world.charged_load(gateway, op="get", **options)})
    return [Figure(work, "GET/s", column(got["s3mirror"], "ops_per_s"), "raw", column(got["raw"], "ops_per_s"),
                   at_least=SMALL_GETS_PER_S),
            Figure(work, "CPU s per 10,000", per_10000(got["s3mirror"]), "raw", per_10000(got["raw"])),
            Figure(work, "p99 ms", column(got["s3mirror"], "p99_ms"), "raw", column(got["raw"], "p99_ms"))]


def peak_rss(world, slow=None, **load):
    """Of a gateway that has done nothing else."""
    with world.sinks(slow=slow) as sinks, world.s3mirror([port for _, port in sinks]) as gateway:
        result = world.load(gateway, op="put", **load)
        return {"peak_rss_mib": meter.peak_rss_mib(gateway.pid), "mib_per_s": result["moved_bytes"] / MIB / result["seconds"]}


def memory(world, sizes):
    small, large = sizes.alike  # the same bytes in all, so that a sink lags as often: only the object's size differs
    many = {"size": GIB, "conns": sizes.many, "seconds": sizes.many_seconds, "cut": True, "slow": sizes.slow}
    got = alternate("peak RSS", min(sizes.rounds, 3), {
        "one": lambda: peak_rss(world, size=sizes.large, count=1),
        "many": lambda: peak_rss(world, **many),
        "small": lambda: peak_rss(world, size=small, count=large // small),
        "large": lambda: peak_rss(world, size=large, count=1)}, warm_up=False)
    rss = {name: column(results, "peak_rss_mib") for name, results in got.items()}
    return [Figure(f"PUT {size_name(sizes.large)}", "peak RSS MiB", rss["one"], at_most=RSS_ONE_MIB),
            Figure(f"{sizes.many} PUTs of 1 GiB at once, slow sinks", "peak RSS MiB", rss["many"],
                   at_most=RSS_MANY_MIB),
            Figure(f"PUT {size_name(large)}", "peak RSS MiB", rss["large"],
                   f"{large // small} of {size_name(small)}", rss["small"],
                   at_most=RSS_ALIKE, of_ratio=True)]


def stalled_throughput(world, sizes):
    """MiB/s with one of three backends stopped, from the first answer that tells of a hint to the end."""
    with world.sinks() as sinks, world.s3mirror([port for _, port in sinks]) as gateway:
        load = world.start_load(gateway, op="put", size=STALL_BYTES, conns=STALL_CONNS, seconds=sizes.stall_seconds,
                                cut=True)
        time.sleep(1)
        sinks[2][0].send_signal(signal.SIGSTOP)
        try:
            result = world.finish_load(load)
        finally:
            sinks[2][0].send_signal(signal.SIGCONT)
    if result["first_hinted_s"] is None:
        raise Failed(f"a stopped backend was not detached within {sizes.stall_seconds - 1} s")
    return steady(result, result["first_hinted_s"]) | {"first_hinted_s": result["first_hinted_s"]}


def two_backends_throughput(world, sizes):
    with world.sinks(2) as sinks, world.s3mirror([port for _, port in sinks]) as gateway:
        return steady(world.load(gateway, op="put", size=STALL_BYTES, conns=STALL_CONNS,
                                 seconds=sizes.stall_seconds // 2, cut=True), 1)


def steady(result, from_s):
    """Mean throughput of the series' whole steps after `from_s`."""
    step_s = result["series_step_ms"] / 1000
    steps = result["series_bytes"][int(from_s / step_s) + 1:]
    if len(steps) * step_s < 2:
        raise Failed(f"only {len(steps) * step_s:.1f} s of the run are left after {from_s:.1f} s: too few to judge")
    return {"mib_per_s": sum(steps) / MIB / (len(steps) * step_s)}


def stalled(world, sizes):
    got = alternate("stalled backend", min(sizes.rounds, 3), {
        "two backends": lambda: two_backends_throughput(world, sizes),
        "one of three stalled": lambda: stalled_throughput(world, sizes)}, warm_up=False)
    stopped = got["one of three stalled"]
    return [Figure(f"PUT {size_name(STALL_BYTES)}, {STALL_CONNS} connections, one of three sinks stalled",
                   "MiB/s after the first detach", column(stopped, "mib_per_s"), "two backends",
                   column(got["two backends"], "mib_per_s"), at_least=STALL_RATIO, of_ratio=True),
            Figure("the same", "s from start to first detach", column(stopped, "first_hinted_s"))]


def real(world, sizes):
    """Three SeaweedFS, fresh in each round so that their disks do not fill: through s3mirror, to one, to three."""
    large = {"size": sizes.large, "count": 1}
    small = {"size": 64 * KIB, "conns": SMALL_CONNS, "keys": SMALL_KEYS, "seconds": sizes.seconds}
    works = {f"PUT {size_name(sizes.large)}": ("mib_per_s", {"op": "put"} | large),
             f"GET {size_name(sizes.large)}": ("mib_per_s", {"op": "get"} | large),
             "PUT 64 KiB": ("ops_per_s", {"op": "put"} | small),
             "GET 64 KiB": ("ops_per_s", {"op": "get"} | small)}
    rows = {work: {"s3mirror": [], "one": [], "three": []} for work in works}
    for number in range(min(sizes.rounds, 3)):
        with world.rig() as (front, direct):
            ways = [("s3mirror", lambda o, t=front: world.load(t, **o)),
                    ("one", lambda o, t=direct[0]: world.load(t, **o)),
                    ("three", lambda o, t=direct: world.parallel_load(t, **o))]
            fill = {"op": "put", "size": 64 * KIB, "conns": SMALL_CONNS, "count": SMALL_CONNS * SMALL_KEYS}
            for work, (key, options) in works.items():
                for name, go in ways[number % 3:] + ways[:number % 3]:
                    if options["op"] == "get" and options["size"] == 64 * KIB:
                        go(fill)
                    result = go(options)
                    rows[work][name].append(result[key])
                    print(f"SeaweedFS round {number + 1}, {work}, {name}: {key} {result[key]:.4g}", file=sys.stderr)
    figures = []
    for work, got in rows.items():
        unit = "MiB/s" if works[work][0] == "mib_per_s" else "per s"
        figures += [Figure(f"{work}, SeaweedFS", unit, got["s3mirror"], "direct to one", got["one"]),
                    Figure(f"{work}, SeaweedFS", unit, got["s3mirror"], "direct to three in parallel", got["three"])]
    return figures


def baselines(world, sizes):
    """Costs that are not s3mirror's: what its figures rest on."""
    hashed = [world.alone("sha256", "--size", sizes.large) for _ in range(sizes.rounds)]
    synced = [world.alone("sync", "--path", world.work / "sync", "--count", sizes.syncs) for _ in range(sizes.rounds)]
    return [Figure(f"SHA-256 of {size_name(sizes.large)}, alone", "CPU s", column(hashed, "cpu_s")),
            Figure("fdatasync of a 4 KiB append, alone", "p50 ms", column(synced, "p50_ms")),
            Figure("fdatasync of a 4 KiB append, alone", "p99 ms", column(synced, "p99_ms"))]


GROUPS = {"baselines": baselines, "put-large": put_large, "put-small": put_small, "get-large": get_large,
          "get-small": get_small, "memory": memory, "stalled": stalled, "real": real}
QUICK_GROUPS = ("baselines", "put-large", "put-small", "get-large", "get-small", "memory")
