"""A small S3 client on http.client: one request, one connection, one answer held in memory."""

import http.client
import urllib.parse

from . import sigv4


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body


class S3:
    """Signed requests to one endpoint, path style. Socket failures come out as OSError.

    `context`: an ssl context for an https endpoint; without one the system says who is trusted.
    """

    def __init__(self, endpoint, access_key, secret_key, region="us-east-1", timeout=10, context=None):
        parts = urllib.parse.urlsplit(endpoint)
        self.https, self.context = parts.scheme == "https", context
        self.host, self.port, self.netloc = parts.hostname, parts.port, parts.netloc
        self.access_key, self.secret_key, self.region, self.timeout = access_key, secret_key, region, timeout

    def connection(self):
        if self.https:
            return http.client.HTTPSConnection(self.host, self.port, timeout=self.timeout, context=self.context)
        return http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)

    def request(self, method, path="/", query="", body=b"", headers=None):
        """`path` is percent-encoded already (sigv4.quote_key)."""
        head = {"host": self.netloc, **(headers or {})}
        if method in ("PUT", "POST"):
            head["content-length"] = str(len(body))
        signed = sigv4.sign(method, path, query, head, sigv4.UNSIGNED, self.access_key, self.secret_key, self.region)
        connection = self.connection()
        try:
            connection.request(method, path + ("?" + query if query else ""), body=body or None, headers=signed)
            response = connection.getresponse()
            return Answer(response.status, {n.lower(): v for n, v in response.getheaders()}, response.read())
        except http.client.HTTPException as broken:
            raise OSError(f"{method} {path}: {broken!r}") from broken
        finally:
            connection.close()

    def put(self, bucket, key, body, headers=None):
        return self.request("PUT", f"/{bucket}/{sigv4.quote_key(key)}", body=body, headers=headers)

    def get(self, bucket, key):
        return self.request("GET", f"/{bucket}/{sigv4.quote_key(key)}")

    def head(self, bucket, key):
        return self.request("HEAD", f"/{bucket}/{sigv4.quote_key(key)}")

    def delete(self, bucket, key):
        return self.request("DELETE", f"/{bucket}/{sigv4.quote_key(key)}")
