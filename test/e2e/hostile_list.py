"""ListObjects and ListObjectsV2 of the misbehaving server, honest: for any number of keys, in byte or path order."""

import bisect
import urllib.parse
from xml.sax.saxutils import escape


def by_bytes(key):
    return key.encode()


def by_path(key):
    return key.encode().replace(b"/", b"\0")


def entries(keys, prefix, delimiter, after, order):
    """(text, is a group) behind `after`, in order; what is behind a group is found, not walked to."""
    keys = sorted(keys, key=order)
    sorted_by = [order(key) for key in keys]
    at = bisect.bisect_right(sorted_by, order(after)) if after else 0
    if order is by_bytes:
        at = max(at, bisect.bisect_left(sorted_by, prefix.encode()))
    while at < len(keys):
        key = keys[at]
        cut = key.find(delimiter, len(prefix)) if delimiter and key.startswith(prefix) else -1
        if cut >= 0:
            group = key[:cut + len(delimiter)]
            if order(group) > order(after):
                yield group, True
            at = bisect.bisect_right(sorted_by, order(group + "\U0010ffff"))
            continue
        if key.startswith(prefix):
            yield key, False
        elif order is by_bytes and key > prefix:
            return
        at += 1


def list_objects(bucket, objects, query, order):
    asked = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
    most = int(asked.get("max-keys", "1000"))
    encoded = asked.get("encoding-type") == "url"
    text = urllib.parse.quote_plus if encoded else escape
    after = asked.get("start-after") or asked.get("marker") or ""
    shown, truncated = [], False
    for entry in entries(objects, asked.get("prefix", ""), asked.get("delimiter", ""), after, order):
        if len(shown) == most:
            truncated = True
            break
        shown.append(entry)
    keys = "".join(f"<Contents><Key>{text(key)}</Key><LastModified>2026-01-01T00:00:00Z</LastModified>"
                   f"<ETag>{escape(objects[key].etag)}</ETag><Size>{len(objects[key].body)}</Size></Contents>"
                   for key, is_group in shown if not is_group)
    groups = "".join(f"<CommonPrefixes><Prefix>{text(group)}</Prefix></CommonPrefixes>"
                     for group, is_group in shown if is_group)
    return (f"<ListBucketResult><Name>{bucket}</Name><IsTruncated>{str(truncated).lower()}</IsTruncated>{keys}{groups}"
            f"{'<EncodingType>url</EncodingType>' if encoded else ''}</ListBucketResult>").encode()
