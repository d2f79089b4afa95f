"""AWS Signature Version 4 in the Authorization header, enough to talk to any S3 server.

The path is given as it goes on the wire (percent-encoded) and is signed exactly so: nothing is normalised.
"""

import hashlib
import hmac
import time
import urllib.parse

UNSIGNED = "UNSIGNED-PAYLOAD"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


def quote_key(key):
    """An object key (str or bytes) as it stands in a request path."""
    raw = key.encode() if isinstance(key, str) else key
    return urllib.parse.quote(raw, safe="/-._~")


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signing_key(secret_key, date, region, service="s3"):
    key = _hmac(("AWS4" + secret_key).encode(), date)
    for part in (region, service, "aws4_request"):
        key = _hmac(key, part)
    return key


def canonical_query(query):
    """`query` is the raw query string; sorted by encoded name, then value."""
    pairs = []
    for item in filter(None, query.split("&")):
        name, _, value = item.partition("=")
        pairs.append(tuple(urllib.parse.quote(urllib.parse.unquote_to_bytes(part), safe="-._~")
                           for part in (name, value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def sign(method, path, query, headers, payload, access_key, secret_key, region="us-east-1", when=None):
    """Return `headers` (a dict with at least host) plus x-amz-date, x-amz-content-sha256, authorization.

    `payload` is the value of x-amz-content-sha256: a hex digest, UNSIGNED-PAYLOAD or a STREAMING- literal.
    `when` is a unix time, for requests that pretend another clock.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() if when is None else when))
    signed = {name.lower(): " ".join(str(value).split()) for name, value in headers.items()}
    signed["x-amz-date"] = stamp
    signed["x-amz-content-sha256"] = payload
    # The hop changes or adds these, so they are sent but not signed.
    names = sorted(name for name in signed if name not in ("expect", "connection", "transfer-encoding"))
    canonical = "\n".join([
        method, path, canonical_query(query),
        "".join(f"{name}:{signed[name]}\n" for name in names), ";".join(names), payload])
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    signature = hmac.new(signing_key(secret_key, stamp[:8], region), to_sign.encode(), hashlib.sha256).hexdigest()
    out = dict(headers)
    out["x-amz-date"] = stamp
    out["x-amz-content-sha256"] = payload
    out["authorization"] = (f"AWS4-HMAC-SHA256 Credential={access_key}/{scope}, "
                            f"SignedHeaders={';'.join(names)}, Signature={signature}")
    return out
