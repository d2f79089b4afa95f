"""The gateway's configuration file as the rig writes it: flow style inside, one top-level key per line."""

import json

from .process import Failed


def parse_set(text):
    """'repair.workers=4' -> (['repair', 'workers'], 4). A value that is not JSON is a string."""
    name, equals, value = text.partition("=")
    if not equals or not all(name.split(".")):
        raise Failed(f"--set wants key=value with a dotted key, not '{text}'")
    try:
        return name.split("."), json.loads(value)
    except ValueError:
        return name.split("."), value


def apply_set(document, path, value):
    """Set one dotted key; a number steps into a list: buckets.0.ack.need."""
    at = document
    for i, step in enumerate(path):
        if isinstance(at, list):
            if not step.isdigit() or int(step) >= len(at):
                raise Failed(f"--set {'.'.join(path)}: '{step}' is no index of a list of {len(at)}")
            step = int(step)
        elif not isinstance(at, dict):
            raise Failed(f"--set {'.'.join(path)}: there is nothing below '{'.'.join(path[:i])}'")
        if i == len(path) - 1:
            at[step] = value
        elif isinstance(at, dict):
            at = at.setdefault(step, {})
        else:
            at = at[step]


def render(document):
    lines = []
    for key, value in document.items():
        if isinstance(value, list) and value:
            lines.append(f"{key}:")
            lines += [f"  - {json.dumps(item)}" for item in value]
        else:
            lines.append(f"{key}: {json.dumps(value)}")
    return "\n".join(lines) + "\n"


def build(directory, listen, admin, access_key, secret_key, backends, buckets):
    """The usual document: `backends` as in the rig's state, `buckets` {client bucket: {backend: its bucket}}."""
    def replica(client, backend, bucket):
        return backend if bucket == client else f"{backend}/{bucket}"

    return {
        "listen": listen,
        "admin": {"listen": admin},
        "journal": {"kind": "sqlite", "path": str(directory / "journal.db")},
        "keys": [{"access_key": access_key, "secret_key": secret_key}],
        "backends": [{"name": b["name"], "endpoint": b["endpoint"], "region": "us-east-1",
                      "access_key": b["access_key"], "secret_key_file": b["secret_file"],
                      "profile": b.get("profile", "aws")} for b in backends],
        "buckets": [{"name": client, "replicas": [replica(client, *pair) for pair in places.items()],
                     "ack": {"need": 1, "wait": "all"}} for client, places in buckets.items()],
        "defaults": {"replicas": [b["name"] for b in backends]},
    }
