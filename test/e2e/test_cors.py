"""What browsers are told: preflights, and on every answer who may see it."""

import pytest

from stack import Stack
from wire import Wire, head_bytes

APP, CDN, EVIL = "https://app.example.org", "https://edge7.cdn.example.org", "https://evil.example"
RULES = [{"allowed_origins": [APP, "https://*.cdn.example.org"], "allowed_methods": ["GET", "PUT"],
          "allowed_headers": ["content-type", "x-amz-*"], "expose_headers": ["ETag", "x-amz-request-id"],
          "max_age_s": 300},
         {"allowed_origins": ["*"], "allowed_methods": ["HEAD"]}]


@pytest.fixture(scope="module")
def stack(tmp_path_factory, binary):
    running = Stack.up(tmp_path_factory.mktemp("cors"), backends=["seaweedfs"],
                       sets={"buckets.0.cors": RULES, "domains": ["s3.example.org"]})
    yield running
    running.down()


def ask(stack, method, target, **headers):
    """Without a signature; header names with '_' for '-'."""
    fields = {"host": "127.0.0.1", **{name.replace("_", "-"): value for name, value in headers.items()}}
    with Wire(stack.endpoint) as wire:
        wire.send(head_bytes(method, target, fields))
        return wire.response(method)


def told(answer):
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


def test_a_preflight_is_answered_by_the_rule(stack, key):
    for origin in (APP, CDN):
        answer = ask(stack, "OPTIONS", stack.path(key), origin=origin, access_control_request_method="PUT",
                     access_control_request_headers="content-type, X-Amz-Date")
        assert (answer.status, answer.body) == (200, b"")
        assert told(answer) == {"access-control-allow-origin": origin, "access-control-allow-credentials": "true",
                                "access-control-allow-methods": "GET, PUT", "access-control-max-age": "300",
                                "access-control-allow-headers": "content-type, X-Amz-Date",
                                "access-control-expose-headers": "ETag, x-amz-request-id"}
        assert "Origin" in answer.headers["vary"]
    answer = ask(stack, "OPTIONS", stack.path(key), origin=EVIL, access_control_request_method="HEAD")
    assert told(answer) == {"access-control-allow-origin": "*", "access-control-allow-methods": "HEAD"}
    answer = ask(stack, "OPTIONS", "/", host="media.s3.example.org", origin=APP, access_control_request_method="GET")
    assert answer.status == 200


@pytest.mark.parametrize("headers, status, code, says", [
    ({}, 400, "BadRequest", b"Origin request header needed"),
    ({"origin": APP}, 400, "BadRequest", b"Access-Control-Request-Method"),
    ({"origin": APP, "access_control_request_method": "PATCH"}, 400, "BadRequest", b"PATCH"),
    ({"origin": EVIL, "access_control_request_method": "PUT"}, 403, "AccessForbidden", b"CORSResponse: This CORS"),
    ({"origin": APP, "access_control_request_method": "DELETE"}, 403, "AccessForbidden", b"<Method>DELETE</Method>"),
    ({"origin": APP, "access_control_request_method": "PUT", "access_control_request_headers": "authorization"},
     403, "AccessForbidden", b"<ResourceType>OBJECT</ResourceType>"),
])
def test_any_other_preflight_is_refused(stack, key, headers, status, code, says):
    answer = ask(stack, "OPTIONS", stack.path(key), **headers)
    assert (answer.status, answer.code) == (status, code)
    assert says in answer.body and not told(answer)


def test_a_bucket_without_rules_says_so(stack):
    assert stack.s3.request("PUT", "/without-rules").status == 200
    answer = ask(stack, "OPTIONS", "/without-rules/a", origin=APP, access_control_request_method="GET")
    assert (answer.status, answer.code) == (403, "AccessForbidden")
    assert b"CORS is not enabled for this bucket" in answer.body
    assert ask(stack, "OPTIONS", "/no-such-bucket/a", origin=APP, access_control_request_method="GET").status == 404
    none = ask(stack, "OPTIONS", "/", origin=APP, access_control_request_method="GET")  # of all buckets
    assert 400 <= none.status < 500 and not told(none)
    assert not told(stack.s3.request("GET", "/without-rules/a", headers={"origin": APP}))


def test_every_answer_tells_whether_the_page_may_see_it(stack, key):
    put = stack.put(key, b"seen", {"origin": APP})
    assert put.status == 200 and told(put)["access-control-allow-origin"] == APP
    path = stack.path(key)
    read = stack.s3.request("GET", path, headers={"origin": CDN})
    assert read.body == b"seen" and told(read)["access-control-allow-origin"] == CDN
    assert told(read)["access-control-expose-headers"] == "ETag, x-amz-request-id"
    for answer, status in ((stack.s3.request("GET", path + "-not-there", headers={"origin": APP}), 404),
                           (stack.s3.request("GET", path, "torrent", headers={"origin": APP}), 501),
                           (stack.s3.request("GET", path, headers={"origin": APP, "range": "bytes=9-"}), 416),
                           (ask(stack, "GET", path, origin=APP), 403),
                           (ask(stack, "GET", path, origin=APP, authorization="Basic x"), 400),
                           (ask(stack, "GET", path + "?X-Amz-Signature=1", origin=APP), 400)):
        assert answer.status == status, answer.body
        assert told(answer)["access-control-allow-origin"] == APP, status
    for headers in ({"origin": EVIL}, {"origin": ""}, {}):
        assert not told(stack.s3.request("GET", path, headers=headers))
    assert told(stack.s3.request("HEAD", path, headers={"origin": EVIL}))["access-control-allow-origin"] == "*"
    assert not told(stack.s3.request("DELETE", path, headers={"origin": APP}))
    assert not told(stack.s3.request("GET", "/", headers={"origin": APP}))


def test_the_rules_can_be_read(stack):
    answer = stack.s3.request("GET", f"/{stack.bucket}", "cors")
    assert answer.status == 200
    assert b"<AllowedOrigin>https://*.cdn.example.org</AllowedOrigin>" in answer.body
    assert b"<MaxAgeSeconds>300</MaxAgeSeconds>" in answer.body
    assert b"<Code>NoSuchCORSConfiguration</Code>" in stack.s3.request("GET", "/without-rules", "cors").body or \
        stack.s3.request("HEAD", "/without-rules").status == 404
