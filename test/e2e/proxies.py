"""nginx and HAProxy as they stand in front of gateways: keep-alive to the gateway, a few connections that all clients
share, and as lenient as they can be told to be, so that what is doubtful reaches the gateway. Each logs what it forwards."""

import json
import shutil
import signal
import subprocess

from riglib.process import Failed, free_ports, tail, wait_until
from wire import Wire

NGINX = """
daemon off;
master_process off;
pid nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
    log_format forwarded escape=json '{{"answer":"$upstream_status","target":"$request_uri"}}';
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    client_header_timeout 2s; client_body_timeout 2s; lingering_timeout 1s; keepalive_timeout 10s;
    client_max_body_size 0;
    underscores_in_headers on;
    ignore_invalid_headers off;
    merge_slashes off;
    upstream gateway {{ server {gateway}; keepalive 2; }}
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_next_upstream off;
    server {{
        listen 127.0.0.1:{ports[0]};
        access_log buffered.log forwarded;
        location / {{ proxy_pass http://gateway; }}
    }}
    server {{
        listen 127.0.0.1:{ports[1]};
        access_log streamed.log forwarded;
        proxy_request_buffering off;
        location / {{ proxy_pass http://gateway; }}
    }}
}}
"""

HAPROXY = """
global
    log stdout format raw local0 info
    maxconn 200
defaults
    mode http
    timeout connect 5s
    timeout client 3s
    timeout server 10s
    timeout http-request 2s
    timeout http-keep-alive 10s
    option http-keep-alive
    option accept-invalid-http-request
    http-reuse always
    retries 0
frontend front
    bind 127.0.0.1:{ports[0]}
    log global
    log-format "forwarded %s %HU"
    default_backend gateway
backend gateway
    option accept-invalid-http-response
    server s3mirror {gateway} maxconn 2
"""


class Proxy:
    """A running proxy. `fronts` are {name: (endpoint, function that gives what was forwarded)}."""

    def __init__(self, directory, argv, ports, log):
        directory.mkdir(parents=True, exist_ok=True)
        self.directory, self.log = directory, directory / log
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen([str(a) for a in argv], cwd=directory, stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=out)
        for port in ports:
            wait_until(lambda p=port: self.listens(p), f"{argv[0]} to listen", 20)

    def listens(self, port):
        if self.process.poll() is not None:
            raise Failed(f"{self.process.args[0]} ended:\n{tail(self.log)}")
        try:
            Wire(f"http://127.0.0.1:{port}").sock.close()
            return True
        except OSError:
            return False

    def down(self):
        if self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def program(name):
    """Debian keeps servers where only root's PATH looks."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if not found:
        raise Failed(f"there is no {name}: tools/setup tests installs it")
    return found


class Nginx(Proxy):
    """One port that reads a request's body before it asks the gateway, and one that passes it on as it comes."""

    def __init__(self, directory, gateway):
        ports = free_ports(2)
        directory.mkdir(parents=True)
        (directory / "nginx.conf").write_text(NGINX.format(gateway=gateway, ports=ports))
        super().__init__(directory, [program("nginx"), "-p", directory, "-c", "nginx.conf", "-e", "stderr"], ports, "log")
        self.fronts = {name: (f"http://127.0.0.1:{port}", lambda n=name: self.forwarded(n))
                       for name, port in zip(("buffered", "streamed"), ports)}

    def forwarded(self, front):
        lines = (self.directory / f"{front}.log").read_text(errors="replace").splitlines()
        return [line["target"] for line in map(json.loads, lines) if line["answer"] not in ("", "-")]


class HAProxy(Proxy):
    def __init__(self, directory, gateway):
        ports = free_ports(1)
        directory.mkdir(parents=True)
        (directory / "haproxy.cfg").write_text(HAPROXY.format(gateway=gateway, ports=ports))
        super().__init__(directory, [program("haproxy"), "-db", "-f", "haproxy.cfg"], ports, "log")
        self.fronts = {"haproxy": (f"http://127.0.0.1:{ports[0]}", self.forwarded)}

    def forwarded(self):
        lines = [line.split(" ", 2) for line in self.log.read_text(errors="replace").splitlines()
                 if line.startswith("forwarded ")]
        return [line[2] for line in lines if line[1] == "s3mirror"]
