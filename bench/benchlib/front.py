"""The measurements of the rest of the S3 front: signed chunks and trailers, presigned URLs, uploads in parts, DeleteObjects,
listings. Beside each, in the same rounds, the same client directly at one backend: at a sink, which costs next to
nothing, so that what is left is the gateway's own; and where a backend's own time counts, at one SeaweedFS."""

from . import meter
from .common import KIB, MIB, SMALL_CONNS, SMALL_KEYS, alternate, column, per_10000, size_name
from .report import Figure
from .world import Target

PARTS = (8 * MIB, 16 * MIB)
PARTS_IN_FLIGHT = 8
FILL_SECONDS = 300  # no longer, however many keys are there then
FRONT_CPU_RATIO, LIST_TIME_RATIO = 1.5, 1.2
SLOW_CONNECTION, SLOW_LINE_RATIO = 16 * MIB, 3  # with four parts on their way
RSS_ONE_MIB, RSS_MANY_MIB = 32, 256
HASHED_BYTES = 10000 * 64 * KIB  # of 10,000 small bodies


def direct_to(sinks):
    return Target(sinks[0][1])


def less(values, others):
    return [a - b for a, b in zip(values, others)]


def put_chunked(world, sizes):
    work = f"PUT 64 KiB to 3 sinks, {SMALL_CONNS} connections"
    options = {"op": "put", "size": 64 * KIB, "conns": SMALL_CONNS, "seconds": sizes.seconds}
    with world.sinks() as sinks, world.s3mirror([port for _, port in sinks]) as gateway:
        got = alternate(work, sizes.rounds, {
            "plain": lambda: world.charged_load(gateway, **options),
            "signed": lambda: world.charged_load(gateway, **options, payload="signed"),
            "chunks": lambda: world.charged_load(gateway, **options, payload="chunks"),
            "trailer": lambda: world.charged_load(gateway, **options, payload="trailer"),
            "chunks to one": lambda: world.load(direct_to(sinks), **options, payload="chunks"),
            "trailer to one": lambda: world.load(direct_to(sinks), **options, payload="trailer"),
            "SHA-256 alone": lambda: world.alone("sha256", "--size", HASHED_BYTES)})
    plain, hashed = per_10000(got["plain"]), column(got["SHA-256 alone"], "cpu_s")
    per_s = {name: column(results, "ops_per_s") for name, results in got.items() if name != "SHA-256 alone"}
    return [Figure("SHA-256 of 10,000 times 64 KiB, alone", "CPU s", hashed),
            Figure(f"{work}, unsigned payload", "CPU s per 10,000", plain),
            Figure(f"{work}, signed payload, less SHA-256 alone", "CPU s per 10,000",
                   less(per_10000(got["signed"]), hashed), "unsigned payload", plain),
            Figure(f"{work}, signed chunks, less SHA-256 alone", "CPU s per 10,000",
                   less(per_10000(got["chunks"]), hashed), "unsigned payload", plain,
                   at_most=FRONT_CPU_RATIO, of_ratio=True),
            Figure(f"{work}, CRC32 trailer", "CPU s per 10,000", per_10000(got["trailer"]), "unsigned payload", plain,
                   at_most=FRONT_CPU_RATIO, of_ratio=True),
            Figure(f"{work}, signed chunks", "PUT/s", per_s["chunks"], "direct to one", per_s["chunks to one"]),
            Figure(f"{work}, CRC32 trailer", "PUT/s", per_s["trailer"], "direct to one", per_s["trailer to one"])]


def get_presigned(world, sizes):
    work = f"GET 64 KiB, {SMALL_CONNS} connections, presigned"
    options = {"size": 64 * KIB, "conns": SMALL_CONNS, "keys": SMALL_KEYS}
    with world.sinks() as sinks, world.s3mirror([port for _, port in sinks]) as gateway:
        world.load(gateway, op="put", count=SMALL_CONNS * SMALL_KEYS, **options)
        options |= {"op": "get", "seconds": sizes.seconds}
        got = alternate(work, sizes.rounds, {
            "by header": lambda: world.charged_load(gateway, **options),
            "presigned": lambda: world.charged_load(gateway, **options, presigned=True),
            "presigned to one": lambda: world.load(direct_to(sinks), **options, presigned=True)})
    return [Figure(work, "CPU s per 10,000", per_10000(got["presigned"]), "signed by header",
                   per_10000(got["by header"])),
            Figure(work, "GET/s", column(got["presigned"], "ops_per_s"), "direct to one",
                   column(got["presigned to one"], "ops_per_s"))]


def in_parts(sizes, part):
    return {"op": "multipart", "object": sizes.large, "size": part, "conns": PARTS_IN_FLIGHT, "count": 1}


def multipart(world, sizes):
    work = f"{size_name(sizes.large)} in parts to 3 sinks, {PARTS_IN_FLIGHT} in flight"
    with world.sinks() as sinks, world.s3mirror([port for _, port in sinks]) as gateway:
        subjects = {"one PUT": lambda: world.charged_load(gateway, op="put", size=sizes.large, count=1)}
        for part in PARTS:
            subjects[f"{part}"] = lambda part=part: world.charged_load(gateway, **in_parts(sizes, part))
            subjects[f"{part} to one"] = lambda part=part: world.load(direct_to(sinks), **in_parts(sizes, part))
        got = alternate(work, sizes.rounds, subjects)
        rss = meter.peak_rss_mib(gateway.pid)
    figures = []
    for part in PARTS:
        row = f"{work}, of {size_name(part)}"
        figures += [Figure(row, "CPU s", column(got[f"{part}"], "cpu_s"), "one PUT", column(got["one PUT"], "cpu_s")),
                    Figure(row, "MiB/s", column(got[f"{part}"], "mib_per_s"), "direct to one",
                           column(got[f"{part} to one"], "mib_per_s"))]
    return figures + [Figure(f"{work}, all of these", "peak RSS MiB", [rss], at_most=RSS_MANY_MIB)]


def put_in_parts(world, sizes):
    """One client's PUT in one piece and, by part_threshold, in parts: where a connection is what limits it, as on a long
    line, and where nothing does, for what it costs."""
    in_parts_of_8 = ["part_threshold=1MiB", f"part_bytes={PARTS[0]}", "part_concurrency=4"]
    size, rounds = sizes.large // 4, min(sizes.rounds, 3)
    work = f"PUT {size_name(size)} to 3 sinks, {size_name(SLOW_CONNECTION)} a second by each connection"
    options = {"op": "put", "count": 1}
    with (world.sinks(slow=SLOW_CONNECTION) as sinks, world.s3mirror([port for _, port in sinks]) as whole,
          world.s3mirror([port for _, port in sinks], in_parts_of_8) as parted):
        slow = alternate(work, rounds, {
            "in parts": lambda: world.charged_load(parted, **options, size=size),
            "in one piece": lambda: world.charged_load(whole, **options, size=size)}, warm_up=False)
        rss = meter.peak_rss_mib(parted.pid)
    with (world.sinks() as sinks, world.s3mirror([port for _, port in sinks]) as whole,
          world.s3mirror([port for _, port in sinks], in_parts_of_8) as parted):
        fast = alternate(f"PUT {size_name(sizes.large)} to 3 sinks, in parts", sizes.rounds, {
            "in parts": lambda: world.charged_load(parted, **options, size=sizes.large),
            "in one piece": lambda: world.charged_load(whole, **options, size=sizes.large)})
    row = f"PUT {size_name(sizes.large)} to 3 sinks, in parts of {size_name(PARTS[0])}"
    return [Figure(f"{work}, in parts", "MiB/s", column(slow["in parts"], "mib_per_s"), "in one piece",
                   column(slow["in one piece"], "mib_per_s"), at_least=SLOW_LINE_RATIO, of_ratio=True),
            Figure(f"{work}, in parts", "peak RSS MiB", [rss], at_most=RSS_MANY_MIB),
            Figure(row, "CPU s", column(fast["in parts"], "cpu_s"), "in one piece",
                   column(fast["in one piece"], "cpu_s")),
            Figure(row, "MiB/s", column(fast["in parts"], "mib_per_s"), "in one piece",
                   column(fast["in one piece"], "mib_per_s"))]


def items_per_s(results):
    return [result["items"] / result["seconds"] for result in results]


def delete_many(world, sizes):
    """Of keys that are not there: a delete is the same work, whatever it finds."""
    work = "DeleteObjects of 1,000 keys, 3 sinks"
    with world.sinks() as sinks, world.s3mirror([port for _, port in sinks]) as gateway:
        got = alternate(work, sizes.rounds, {
            "many": lambda: world.charged_load(gateway, op="delete-many", count=sizes.deletes),
            "one by one": lambda: world.charged_load(gateway, op="delete", conns=SMALL_CONNS,
                                                     count=1000 * sizes.deletes)})
        rss = meter.peak_rss_mib(gateway.pid)
    one_by_one = f"DELETE, {SMALL_CONNS} connections"
    return [Figure(work, "keys/s", items_per_s(got["many"]), one_by_one, column(got["one by one"], "ops_per_s")),
            Figure(work, "CPU s per 10,000 keys", [r["cpu_s"] / r["items"] * 10000 for r in got["many"]], one_by_one,
                   per_10000(got["one by one"])),
            Figure(work, "p50 ms", column(got["many"], "p50_ms")),
            Figure(work, "peak RSS MiB", [rss], at_most=RSS_ONE_MIB)]


def listing(world, sizes):
    work = f"ListObjectsV2 over {sizes.listed:,} keys"
    options = {"op": "list", "count": 1}
    with world.sinks(keys=sizes.listed) as sinks, world.s3mirror([port for _, port in sinks]) as gateway:
        got = alternate(work, sizes.rounds, {"s3mirror": lambda: world.charged_load(gateway, **options),
                                             "direct": lambda: world.load(direct_to(sinks), **options)})
        rss = meter.peak_rss_mib(gateway.pid)
    return [Figure(f"{work} of a sink", "keys/s", items_per_s(got["s3mirror"]), "direct to one",
                   items_per_s(got["direct"])),
            Figure(f"{work} of a sink", "CPU s per 1,000,000 keys",
                   [r["cpu_s"] / r["items"] * 1e6 for r in got["s3mirror"]]),
            Figure(f"{work} of a sink", "p50 ms of a page", column(got["s3mirror"], "p50_ms"), "direct to one",
                   column(got["direct"], "p50_ms")),
            Figure(f"{work} of a sink", "peak RSS MiB", [rss], at_most=RSS_ONE_MIB)]


def real_listing(world, sizes):
    """One SeaweedFS: a listing asks one replica, and the keys need to be put once only."""
    options = {"op": "list", "count": 1}
    with world.rig(1) as (front, direct):
        same = direct[0].at(front.bucket)
        filled = world.load(same, op="put", size=0, conns=SMALL_CONNS, count=sizes.listed_real, seconds=FILL_SECONDS)
        work = f"ListObjectsV2 over {filled['ops']:,} keys, SeaweedFS"
        got = alternate(work, sizes.rounds, {"s3mirror": lambda: world.charged_load(front, **options),
                                             "direct": lambda: world.load(same, **options)})
        rss = meter.peak_rss_mib(front.pid)
    return [Figure(work, "s", column(got["s3mirror"], "seconds"), "direct to one", column(got["direct"], "seconds"),
                   at_most=LIST_TIME_RATIO, of_ratio=True),
            Figure(work, "keys/s", items_per_s(got["s3mirror"]), "direct to one", items_per_s(got["direct"])),
            Figure(work, "CPU s per 1,000,000 keys", [r["cpu_s"] / r["items"] * 1e6 for r in got["s3mirror"]]),
            Figure(work, "peak RSS MiB", [rss], at_most=RSS_ONE_MIB)]


def real_writes(world, sizes):
    """Three SeaweedFS, fresh in each round so that their disks do not fill."""
    rounds = min(sizes.rounds, 3)
    deletes = max(sizes.deletes // 10, 1)
    fill = {"op": "put", "size": 0, "conns": deletes, "count": 1000 * deletes}
    names = [f"{size_name(sizes.large)} in parts of {size_name(part)}, {PARTS_IN_FLIGHT} in flight" for part in PARTS]
    got = {name: {"s3mirror": [], "direct": []} for name in [*names, "DeleteObjects of 1,000 keys"]}
    for number in range(rounds):
        with world.rig() as (front, direct):
            ways = [("s3mirror", front), ("direct", direct[0])]
            for way, target in ways if number % 2 == 0 else reversed(ways):
                for name, part in zip(names, PARTS):
                    got[name][way].append(world.load(target, **in_parts(sizes, part)))
                world.load(target, **fill)
                got["DeleteObjects of 1,000 keys"][way].append(world.load(target, op="delete-many", count=deletes))
    figures = [Figure(f"{name}, SeaweedFS", "MiB/s", column(got[name]["s3mirror"], "mib_per_s"), "direct to one",
                      column(got[name]["direct"], "mib_per_s")) for name in names]
    results = got["DeleteObjects of 1,000 keys"]
    return figures + [Figure("DeleteObjects of 1,000 keys, SeaweedFS", "keys/s", items_per_s(results["s3mirror"]),
                             "direct to one", items_per_s(results["direct"]))]


def real_front(world, sizes):
    return real_writes(world, sizes) + real_listing(world, sizes)


GROUPS = {"put-chunked": put_chunked, "get-presigned": get_presigned, "multipart": multipart,
          "put-parts": put_in_parts, "delete-many": delete_many, "list": listing, "real-front": real_front}
QUICK_GROUPS = ("put-chunked", "get-presigned", "multipart", "put-parts", "delete-many", "list")
