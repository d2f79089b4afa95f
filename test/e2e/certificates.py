"""Certificate authorities and certificates, made by openssl when a test runs."""

import ssl
import subprocess
from pathlib import Path

HERE = "DNS:localhost,IP:127.0.0.1"


def tell_cuts(context):
    """Python takes an end without close_notify for one in order unless it is told not to."""
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    return context


class Pair:
    """A certificate and its key, as files."""

    def __init__(self, directory, name):
        self.certificate, self.key = directory / f"{name}.pem", directory / f"{name}.key"


def openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class Authority:
    """`directory` is made; what it issues lies there too."""

    def __init__(self, directory, name="ca"):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.settings = self.directory / "openssl.cnf"
        self.settings.write_text("[req]\ndistinguished_name = dn\n[dn]\n")
        self.own = self.make(name, "basicConstraints=critical,CA:TRUE")
        self.file = self.own.certificate

    def make(self, name, extension, *signed_by):
        pair = Pair(self.directory, name)
        openssl("req", "-x509", "-config", self.settings, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-days", 2, "-subj", f"/CN={name}", "-addext", extension, *signed_by,
                "-keyout", pair.key, "-out", pair.certificate)
        pair.key.chmod(0o600)
        return pair

    def issue(self, name, alt_names=HERE):
        return self.make(name, f"subjectAltName={alt_names}", "-CA", self.own.certificate, "-CAkey", self.own.key)

    def context(self):
        """Of a client that trusts this authority only."""
        return tell_cuts(ssl.create_default_context(cafile=str(self.file)))
