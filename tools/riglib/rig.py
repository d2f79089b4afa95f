"""The rig: backends and gateways as processes, remembered in one file (rig.json) in the rig's directory.

Every command loads that file, does its one thing and writes it back, under a lock, so that two commands on
one rig do not trip over each other. A process keeps its ports, command line and data over kill and start.
"""

import contextlib
import fcntl
import http.client
import json
import os
import secrets
import shutil
import signal
import ssl
import string
import subprocess
import time
import urllib.parse
from pathlib import Path

from . import config, kinds, process
from .process import Failed
from .s3 import S3

READY_SECONDS = 90
DRAIN_SECONDS = 20
PROBE = "s3mirror-rig-probe"


def default_directory():
    return Path(os.environ.get("TMPDIR", "/tmp")) / f"s3mirror-rig-{os.getuid()}"


class Ended(Failed):
    """A member's process ended before it was ready."""


class Rig:
    def __init__(self, directory):
        self.directory = Path(directory).resolve()
        self.file = self.directory / "rig.json"
        self.state = None

    # --- the file -------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def locked(self, create=False):
        if create:
            self.directory.mkdir(parents=True, exist_ok=True)
        elif not self.file.exists():
            raise Failed(f"no rig in {self.directory} (tools/rig up starts one)")
        with open(self.directory / "lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.file.exists():
                self.state = json.loads(self.file.read_text())
            yield self

    def save(self):
        fresh = self.file.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(self.state, indent=1))
        fresh.replace(self.file)

    def members(self):
        return self.state["backends"] + self.state["gateways"]

    def find(self, name):
        for member in self.members():
            if member["name"] == name:
                if member.get("kind") == "external":
                    raise Failed(f"{name} is an outside server: not the rig's to stop or start")
                return member
        raise Failed(f"no '{name}' in this rig (there is: {', '.join(m['name'] for m in self.members())})")

    def log(self, member):
        return self.directory / member["name"] / "log"

    def document(self):
        """What `up` and `show` print."""
        def pid(member):
            return member["process"]["pid"] if process.alive(member["process"]) else None

        gateways = [{"name": g["name"], "pid": pid(g), "endpoint": g["endpoint"], "admin": g["admin"]}
                    for g in self.state["gateways"]]
        backends = [{"name": b["name"], "kind": b["kind"], "pid": pid(b), "endpoint": b["endpoint"],
                     "access_key": b["access_key"], "secret_key": b["secret_key"]} for b in self.state["backends"]]
        first = gateways[0] if gateways else {"endpoint": None, "admin": None}
        return {"endpoint": first["endpoint"], "admin": first["admin"],
                "access_key": self.state["access_key"], "secret_key": self.state["secret_key"],
                "gateways": gateways, "backends": backends, "buckets": self.state["buckets"],
                "dir": str(self.directory)}

    # --- up and down ----------------------------------------------------------------------------------

    def up(self, backend_kinds, gateways, buckets, binary, sets):
        if self.state and any(process.alive(m["process"]) for m in self.members()):
            raise Failed(f"a rig is already running in {self.directory} (tools/rig down ends it)")
        self.clear()
        self.state = {"access_key": "rig" + secrets.token_hex(4), "secret_key": secrets.token_hex(20),
                      "backends": [], "gateways": [], "buckets": {}}
        try:
            settings = [config.parse_set(text) for text in sets]
            self.add_backends(backend_kinds)
            names = [b["name"] for b in self.state["backends"]]
            # The last replica's bucket has another name, as it may in real life.
            for client in buckets:
                places = {name: client for name in names}
                if len(names) > 1:
                    places[names[-1]] = f"{client}-copy"
                self.state["buckets"][client] = places
            for backend in self.state["backends"]:
                self.launch(backend)
            for backend in self.state["backends"]:
                self.wait_ready(backend)
            self.add_gateways(gateways, binary, settings)
            for gateway in self.state["gateways"]:
                self.launch(gateway)
                self.wait_ready(gateway)
            self.save()
        except BaseException:
            self.down()
            raise

    def add_backends(self, backend_kinds):
        if not 1 <= len(backend_kinds) <= len(string.ascii_lowercase):
            raise Failed(f"--backends wants 1 to {len(string.ascii_lowercase)} kinds")
        for name, kind in zip(string.ascii_lowercase, backend_kinds):
            kinds.check(kind)
            home = self.directory / name
            (home / "data").mkdir(parents=True)
            backend = {"name": name, "kind": kind, "access_key": "key" + secrets.token_hex(6),
                       "secret_key": secrets.token_hex(20), "secret_file": str(home / "secret"), "process": None}
            if kind.startswith("http://"):
                self.describe_external(backend)
            else:
                count, command = kinds.KINDS[kind]
                backend["profile"] = kind
                ports = process.free_ports(count, self.taken_ports())
                backend["ports"], backend["endpoint"] = ports, f"http://127.0.0.1:{ports[0]}"
                backend["argv"], backend["env"] = command(home, ports, backend["access_key"], backend["secret_key"])
            secret = Path(backend["secret_file"])
            secret.touch(mode=0o600)
            secret.write_text(backend["secret_key"] + "\n")
            self.state["backends"].append(backend)

    def taken_ports(self):
        """Of members that may not listen yet, or not at the moment."""
        urls = [gateway[url] for gateway in self.state["gateways"] for url in ("endpoint", "admin")]
        return {port for backend in self.state["backends"] for port in backend.get("ports", [])} | {
            urllib.parse.urlsplit(url).port for url in urls}

    @staticmethod
    def describe_external(backend):
        url = urllib.parse.urlsplit(backend["kind"])
        if not url.port:
            raise Failed(f"{backend['kind']}: an outside backend needs a port")
        backend["kind"] = "external"
        backend["endpoint"] = f"http://{url.hostname}:{url.port}"
        backend["access_key"] = url.username or backend["access_key"]
        backend["secret_key"] = url.password or backend["secret_key"]

    def add_gateways(self, count, binary, settings):
        for number in range(1, count + 1):
            name = f"g{number}"
            home = self.directory / name
            home.mkdir()
            listen, admin = (f"127.0.0.1:{port}" for port in process.free_ports(2, self.taken_ports()))
            document = config.build(home, listen, admin, self.state["access_key"], self.state["secret_key"],
                                    self.state["backends"], self.state["buckets"])
            for path, value in settings:
                config.apply_set(document, path, value)
            file = home / "s3mirror.yaml"
            file.touch(mode=0o600)
            file.write_text(config.render(document))
            # A sanitized build ends itself at the first finding, and says where.
            env = {"UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1", "ASAN_OPTIONS": "detect_leaks=1"}
            scheme = "https" if document.get("tls") else "http"
            self.state["gateways"].append({
                "name": name, "kind": "gateway", "endpoint": f"{scheme}://{listen}", "admin": f"http://{admin}",
                "region": document.get("region", "us-east-1"),
                "argv": [str(binary), "--config", str(file)], "env": env, "process": None})

    def down(self):
        """End everything and remove the directory. Gateways are asked first, so that they end in order."""
        if self.state:
            for gateway in self.state["gateways"]:
                process.send(gateway["process"], signal.SIGTERM)
                process.send(gateway["process"], signal.SIGCONT)
            for gateway in self.state["gateways"]:
                with contextlib.suppress(Failed):
                    process.wait_gone(gateway["process"], gateway["name"], DRAIN_SECONDS)
            for member in self.members():
                process.send(member["process"], signal.SIGKILL)
            for member in self.members():
                process.wait_gone(member["process"], member["name"])
        self.clear()
        (self.directory / "lock").unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # something of another's is in it
            self.directory.rmdir()

    def clear(self):
        """Remove what a rig leaves in its directory and what its servers leave elsewhere, and nothing else."""
        for backend in self.state["backends"] if self.state else ():
            for path in kinds.strays(backend):
                with contextlib.suppress(OSError):
                    path.unlink()
        known = {"rig.json", "rig.new", *(f"g{n}" for n in range(1, 100)), *string.ascii_lowercase}
        for entry in self.directory.iterdir():
            if entry.name in known:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        self.state = None

    # --- one member -----------------------------------------------------------------------------------

    def launch(self, member):
        if member["kind"] == "external":
            return
        home = self.directory / member["name"]
        member["process"] = process.start(member["argv"], kinds.environment(member["env"]), home, self.log(member))
        self.save()

    def wait_ready(self, member):
        if member["kind"] == "external":
            return
        ready = self.gateway_ready if member["kind"] == "gateway" else self.backend_ready

        def condition():
            if not process.alive(member["process"]):
                raise Ended(f"{member['name']} ({member['kind']}) ended while starting:\n"
                            f"{process.tail(self.log(member))}")
            try:
                return ready(member)
            except OSError:
                return False

        process.wait_until(condition, f"{member['name']} ({member['kind']}) to become ready", READY_SECONDS, 0.05)

    def backend_ready(self, backend):
        """Lists buckets, has ours, and really stores an object (some list before they can store)."""
        # Patient: a PUT that SeaweedFS takes while it is still starting may be held for 20 s and then carried out,
        # so giving up on it would leave the probe behind.
        s3 = S3(backend["endpoint"], backend["access_key"], backend["secret_key"], timeout=READY_SECONDS)
        if s3.request("GET").status != 200:
            return False
        for places in self.state["buckets"].values():
            bucket = places[backend["name"]]
            if s3.request("HEAD", f"/{bucket}").status != 200 and s3.request("PUT", f"/{bucket}").status != 200:
                return False
            if s3.put(bucket, PROBE, b"probe").status != 200 or s3.get(bucket, PROBE).body != b"probe":
                return False
            if s3.delete(bucket, PROBE).status != 204:
                return False
        return True

    def gateway_ready(self, gateway):
        admin = http.client.HTTPConnection(gateway["admin"].removeprefix("http://"), timeout=5)
        try:
            admin.request("GET", "/readyz")
            if admin.getresponse().status != 200:
                return False
        except http.client.HTTPException:
            return False
        finally:
            admin.close()
        anybody = ssl.create_default_context()  # whom to trust is for those to say who really use it
        anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
        s3 = S3(gateway["endpoint"], self.state["access_key"], self.state["secret_key"], gateway["region"], context=anybody)
        return s3.request("GET").status == 200

    def stop(self, name):
        member = self.running(name)
        process.send(member["process"], signal.SIGSTOP)
        process.wait_stopped(member["process"], name)

    def cont(self, name):
        process.send(self.running(name)["process"], signal.SIGCONT)

    def kill(self, name):
        process.kill(self.running(name)["process"], name)

    def term(self, name):
        member = self.running(name)
        process.send(member["process"], signal.SIGTERM)
        process.wait_gone(member["process"], name, DRAIN_SECONDS)

    def start(self, name):
        member = self.find(name)
        if process.alive(member["process"]):
            raise Failed(f"{name} runs already, pid {member['process']['pid']} (stopped ones go on with cont)")
        # A port that a killed server has left may be looked at by another rig just now: a second later it is free.
        for left in (2, 1, 0):
            self.launch(member)
            try:
                self.wait_ready(member)
                return
            except Ended:
                if not left or member["kind"] == "gateway":
                    raise
                time.sleep(1)

    def running(self, name):
        member = self.find(name)
        if not process.alive(member["process"]):
            raise Failed(f"{name} is not running (tools/rig start {name})")
        return member


def client(directory, *arguments):
    """Run tools/rig as tests and the demo do; its JSON, or None when it prints none. Failed on an error."""
    argv = [str(kinds.ROOT / "tools" / "rig"), *arguments, "--dir", str(directory)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(done.stderr.strip() or f"{' '.join(argv)}: exit {done.returncode}")
    return json.loads(done.stdout) if done.stdout else None
