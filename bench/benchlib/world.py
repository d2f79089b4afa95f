"""What a measurement needs running: sinks, the raw baseline, the gateway, a rig of real servers. All on loopback,
all ended by the pid they were started with."""

import contextlib
import http.client
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

from riglib import config
from riglib.process import Failed, free_ports, wait_until

from . import meter

ROOT = Path(__file__).resolve().parents[2]
ACCESS_KEY, SECRET_KEY, BUCKET = "bench", "bench-secret-key", "bench"
READY_S, STOP_S, LOAD_S = 30, 30, 600


@dataclass
class Target:
    """Where a load goes, and the process whose CPU time it is to be charged to (None: nobody's)."""
    port: int
    pid: int | None = None
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY
    bucket: str = BUCKET

    def at(self, bucket):
        return replace(self, bucket=bucket)


@dataclass
class World:
    build: Path             # the Meson build directory
    work: Path              # journals and logs; on the disk whose fsync counts
    gateway: Path
    settings: list = field(default_factory=list)  # --set of the gateway's configuration
    gateways: int = 0       # started so far: each has a directory of its own

    def tool(self, name):
        return str(self.build / "bench" / name)

    # ---- programs that say their port in a first line ----

    @contextlib.contextmanager
    def _program(self, *argv):
        log = self.work / f"{Path(argv[0]).name}.log"
        with open(log, "ab") as err:
            child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=err, text=True)
        try:
            if not select.select([child.stdout], [], [], READY_S)[0]:
                raise Failed(f"{argv[0]} does not say its port")
            line = child.stdout.readline()
            if not line:
                raise Failed(f"{argv[0]} did not start: {log.read_text().strip()}")
            with blame(child, log):
                yield child, json.loads(line)["port"]
        finally:
            end(child)

    @contextlib.contextmanager
    def sinks(self, count=3, **options):
        """`count` sinks: yields [(process, port)]."""
        extra = [word for name, value in options.items() if value for word in (f"--{name}", str(value))]
        with contextlib.ExitStack() as stack:
            yield [stack.enter_context(self._program(self.tool("sink"), *extra)) for _ in range(count)]

    @contextlib.contextmanager
    def raw(self, ports):
        argv = [word for port in ports for word in ("--to", str(port))]
        with self._program(self.tool("raw"), *argv) as (child, port):
            yield Target(port, child.pid)

    # ---- the gateway ----

    def _configure(self, home, ports, listen, admin, sets):
        secret = home / "backend.secret"
        secret.touch(mode=0o600)
        secret.write_text(SECRET_KEY + "\n")
        backends = [{"name": name, "endpoint": f"http://127.0.0.1:{port}", "access_key": ACCESS_KEY,
                     "secret_file": str(secret)} for name, port in zip("abc", ports)]
        document = config.build(home, f"127.0.0.1:{listen}", f"127.0.0.1:{admin}", ACCESS_KEY, SECRET_KEY, backends,
                                {BUCKET: {b["name"]: BUCKET for b in backends}})
        document["loops"] = 1
        for text in [*sets, *self.settings]:
            config.apply_set(document, *config.parse_set(text))
        file = home / "s3mirror.yaml"
        file.write_text(config.render(document))
        return file

    @contextlib.contextmanager
    def s3mirror(self, ports, sets=()):
        """A fresh gateway with an empty journal in front of the backends at `ports`; `sets` are "key=value"s of its
        configuration."""
        if not os.access(self.gateway, os.X_OK):
            raise Failed(f"there is no gateway at {self.gateway}: `make` builds it")
        self.gateways += 1
        home = self.work / f"gateway-{self.gateways}"
        home.mkdir()
        listen, admin = free_ports(2)
        log = home / "log"
        with open(log, "wb") as out:
            child = subprocess.Popen([self.gateway, "--config", self._configure(home, ports, listen, admin, sets)],
                                     stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        try:
            wait_until(lambda: child.poll() is not None or answers(admin), "the gateway's /readyz", READY_S)
            with blame(child, log):
                if child.poll() is None:
                    yield Target(listen, child.pid)
        finally:
            end(child)
        shutil.rmtree(home)

    # ---- real servers ----

    @contextlib.contextmanager
    def rig(self, servers=3):
        """So many SeaweedFS and a gateway. Yields the gateway's Target and, for the client that goes to them
        directly, a Target in a bucket of its own for each server."""
        place = ["--dir", str(self.work / "rig")]
        up = subprocess.run([ROOT / "tools/rig", "up", *place, "--backends", ",".join(["seaweedfs"] * servers),
                             "--buckets", BUCKET, "--binary", self.gateway, "--set", "loops=1",
                             *[word for text in self.settings for word in ("--set", text)]],
                            stdout=subprocess.PIPE, text=True, check=False)
        try:
            if up.returncode:
                raise Failed("tools/rig up failed")
            document = json.loads(up.stdout)
            front = Target(port_of(document["endpoint"]), document["gateways"][0]["pid"], document["access_key"],
                           document["secret_key"])
            direct = [Target(port_of(b["endpoint"]), None, b["access_key"], b["secret_key"], "direct")
                      for b in document["backends"]]
            for target in direct:
                self.load(target, op="bucket", count=1)
            yield front, direct
        finally:
            subprocess.run([ROOT / "tools/rig", "down", *place], stdout=subprocess.DEVNULL, check=False)

    # ---- the client ----

    def start_load(self, target, **options):
        argv = [self.tool("load"), "--endpoint", str(target.port), "--bucket", target.bucket,
                "--access-key", target.access_key, "--secret-key", target.secret_key]
        for name, value in options.items():
            argv += [f"--{name}"] if value is True else [f"--{name}", str(value)]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)

    def finish_load(self, child):
        try:
            text = child.communicate(timeout=LOAD_S)[0]
        except subprocess.TimeoutExpired as late:
            raise Failed(f"the load did not end within {LOAD_S} s") from late
        finally:
            end(child)
        result = json.loads(text) if text else {}
        if not result or result["errors"]:
            raise Failed(f"{result.get('errors', 'all')} operations failed, the first with: "
                         f"{result.get('first_error', 'no answer of the load generator')}")
        return result

    def load(self, target, **options):
        return self.finish_load(self.start_load(target, **options))

    def charged_load(self, target, **options):
        """The load's result with `cpu_s`: what it cost the target's process, to its last afterthought."""
        meter.wait_quiet(target.pid)
        before = meter.cpu_s(target.pid)
        result = self.load(target, **options)
        meter.wait_quiet(target.pid)
        return result | {"cpu_s": meter.cpu_s(target.pid) - before}

    def parallel_load(self, targets, **options):
        """The same load to each target at once, as one client that writes each object to all would see it."""
        results = [self.finish_load(child) for child in [self.start_load(t, **options) for t in targets]]
        return {key: min(r[key] for r in results) for key in ("mib_per_s", "ops_per_s")}

    def alone(self, *argv):
        done = subprocess.run([self.tool("alone"), *map(str, argv)], stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise Failed(f"alone {argv[0]} failed")
        return json.loads(done.stdout)


def port_of(endpoint):
    return int(endpoint.rstrip("/").rpartition(":")[2])


def answers(admin):
    connection = http.client.HTTPConnection("127.0.0.1", admin, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@contextlib.contextmanager
def blame(child, log):
    """A process that ends by itself is the reason for whatever else went wrong meanwhile."""
    why = None
    try:
        yield
    except Failed as failed:
        why = failed
    if child.poll() is not None:
        lines = log.read_text(errors="replace").splitlines()[-10:]
        raise Failed("\n".join([f"{Path(child.args[0]).name} ended by itself, status {child.returncode}:", *lines])) \
            from why
    if why:
        raise why


def end(child):
    """SIGTERM, then SIGKILL; a process that was stopped is continued first, so that it can hear."""
    if child.poll() is None:
        child.send_signal(signal.SIGCONT)
        child.terminate()
        try:
            child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            print(f"bench: process {child.pid} did not end on SIGTERM", file=sys.stderr)
            child.kill()
            child.wait()
    if child.stdout:
        child.stdout.close()
