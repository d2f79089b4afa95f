"""The kinds of S3 server the rig can run: how many ports one takes, and its command line.

The flags are explained in each server's own help; all listeners are bound to loopback.
"""

import json
import os
import subprocess
from pathlib import Path

from .process import Failed

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".venv" / "bin"
MINIO_MEMORY = 8 << 30  # a body cut inside its trailer makes MinIO eat memory without end


def tool(name):
    """Path of a program that tools/setup installs on request; installs it when it is not there."""
    path = BIN / name
    if not path.exists():
        arguments = [] if name == "weed" else [name]
        done = subprocess.run([str(ROOT / "tools" / "setup"), *arguments], stdout=2, check=False)
        if done.returncode != 0 or not path.exists():
            raise Failed(f"{name} is not installed, and tools/setup could not install it")
    return str(path)


def seaweedfs(directory, ports, access_key, secret_key):
    identity = {"name": "main", "credentials": [{"accessKey": access_key, "secretKey": secret_key}],
                "actions": ["Admin", "Read", "List", "Tagging", "Write"]}
    (directory / "s3.json").write_text(json.dumps({"identities": [identity]}))
    flags = {"dir": directory / "data", "ip": "127.0.0.1", "ip.bind": "127.0.0.1",
             "s3.port": ports[0], "s3.port.grpc": ports[5], "s3.port.iceberg": 0, "s3.port.lance": 0,
             "master.port": ports[1], "master.port.grpc": ports[6],
             "volume.port": ports[2], "volume.port.grpc": ports[7],
             "filer.port": ports[3], "filer.port.grpc": ports[8],
             "admin.port": ports[4], "admin.port.grpc": ports[9],
             "webdav": "false", "admin.ui": "false", "master.telemetry": "false",
             "s3.autoCreateBucket": "false", "s3.allowDeleteBucketNotEmpty": "false",
             "s3.config": directory / "s3.json"}
    return [tool("weed"), "-logtostderr", "mini", *(f"-{name}={value}" for name, value in flags.items())], {}


def strays(backend):
    """What a killed server leaves outside its directory: weed has sockets in /tmp whatever one tells it."""
    return [path for port in backend.get("ports", ()) for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock")]


def minio(directory, ports, access_key, secret_key):
    argv = ["prlimit", f"--as={MINIO_MEMORY}", tool("minio"), "server", "--address", f"127.0.0.1:{ports[0]}",
            "--quiet", "--certs-dir", str(directory / "certs"), str(directory / "data")]
    return argv, {"MINIO_ROOT_USER": access_key, "MINIO_ROOT_PASSWORD": secret_key,
                  "MINIO_BROWSER": "off", "MINIO_UPDATE": "off"}


def versitygw(directory, ports, access_key, secret_key):
    (directory / "iam").mkdir(exist_ok=True)
    argv = [tool("versitygw"), "--port", f"127.0.0.1:{ports[0]}", "--quiet", "--keep-alive",
            "--iam-dir", str(directory / "iam"), "posix", str(directory / "data")]
    return argv, {"ROOT_ACCESS_KEY": access_key, "ROOT_SECRET_KEY": secret_key}


def rclone(directory, ports, access_key, secret_key):
    argv = [tool("rclone"), "serve", "s3", "--config", "/dev/null", "--addr", f"127.0.0.1:{ports[0]}",
            "--auth-key", f"{access_key},{secret_key}", "--cache-dir", str(directory / "cache"),
            str(directory / "data")]
    return argv, {}


#        kind          ports  command line
KINDS = {
    "seaweedfs":      (10,    seaweedfs),
    "minio":          (1,     minio),
    "versitygw":      (1,     versitygw),
    "rclone":         (1,     rclone),
}


# All that a member sees of the caller's environment: weed takes any of its flags from there ($S3, $DIR, $IP...).
KEPT = ("PATH", "HOME", "USER", "TMPDIR", "LANG", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR",
        "ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS")


def environment(extra):
    env = {name: os.environ[name] for name in KEPT if name in os.environ}
    env.update(extra)
    return env


def check(kind):
    if kind in KINDS or kind.startswith("http://"):
        return
    raise Failed(f"unknown backend kind '{kind}' (known: {', '.join(KINDS)}, or http://[access:secret@]host:port)")
