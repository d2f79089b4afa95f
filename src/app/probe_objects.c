/* Small objects: what their ETags are, which conditions and checksums are judged. */
#include "app/probe_private.h"

#include "s3/digest.h"

#include <stdio.h>

static const struct span old_body = SPAN("what was there before");
static const struct span new_body = SPAN("what comes in its place");

static void md5_etag(struct span body, char out[static 2 * MD5_BYTES + 1])
{
    uint8_t sum[MD5_BYTES];
    struct md5 h;

    md5_init(&h);
    md5_add(&h, body.at, body.len);
    md5_end(&h, sum);
    hex_encode(sum, sizeof(sum), out);
    out[2 * MD5_BYTES] = '\0';
}

static bool etag_is(const struct wire_answer *a, const char *hex)
{
    const struct span *etag = http_header(&a->head, "etag");

    return etag && etag->len == strlen(hex) + 2 &&
           span_ieq((struct span){etag->at + 1, etag->len - 2}, span_of(hex));
}

static void put_with(struct probe *p, struct span key, const char *name, struct span value, struct span body,
                     struct wire_answer *a)
{
    probe_send(p,
               &(struct probe_request){.method = SPAN("PUT"),
                                       .key = key,
                                       .headers = {{span_of(name), value}},
                                       .header_count = 1,
                                       .body = {body}},
               a);
}

static void check_etag(struct probe *p)
{
    struct span key = probe_key(p, "etag");
    char hex[2 * MD5_BYTES + 1];
    struct wire_answer a;
    bool is_md5;

    md5_etag(new_body, hex);
    probe_send(p, &(struct probe_request){.method = SPAN("PUT"), .key = key, .body = {new_body}}, &a);
    if (!probe_ok(&a)) {
        p->broken =
            p->broken ? p->broken : probe_text(p, "a plain PUT of a small object: %s", probe_status(p, &a));
        return;
    }
    is_md5 = etag_is(&a, hex);
    p->found.etag_kind = is_md5 ? S3_ETAG_MD5 : S3_ETAG_OPAQUE;
    probe_find(p, "etag_kind", "ETag of a single PUT", is_md5 ? "its MD5" : "something else",
               is_md5 ? "a damaged copy shows" : "ETags are not compared");
}

static void check_md5(struct probe *p)
{
    struct span key = probe_key(p, "content-md5");
    struct wire_answer a;
    bool kept;

    probe_put(p, key, old_body);
    put_with(p, key, "content-md5", SPAN("AAAAAAAAAAAAAAAAAAAAAA=="), new_body, &a);
    kept = probe_shows(p, key, old_body);
    probe_find(p, "Content-MD5", "PUT with a wrong one",
               probe_text(p, "%s, %s", probe_status(p, &a), kept ? "old object kept" : "stored"),
               kept ? "small bodies are verified" : "NOTHING verifies small bodies but checksums");
}

static void check_condition(struct probe *p)
{
    struct span key = probe_key(p, "condition");
    char hex[2 * MD5_BYTES + 1], quoted[2 * MD5_BYTES + 3];
    struct wire_answer wrong, right;
    const char *seen;
    bool judged;

    if (p->found.etag_kind != S3_ETAG_MD5)
        return;
    md5_etag(old_body, hex);
    snprintf(quoted, sizeof(quoted), "\"%s\"", hex);
    probe_put(p, key, old_body);
    put_with(p, key, "if-match", SPAN("\"00000000000000000000000000000000\""), new_body, &wrong);
    seen = probe_status(p, &wrong);
    judged = wrong.status == 412 && probe_shows(p, key, old_body);
    put_with(p, key, "if-match", span_of(quoted), new_body, &right);
    seen = probe_text(p, "%s, %s", seen, probe_status(p, &right));
    judged = judged && probe_ok(&right);
    p->found.conditional_put = judged ? S3_YES : S3_NO;
    probe_find(p, "conditional_put", "PUT with If-Match, wrong and right", seen,
               judged ? "repairs overwrite nothing newer" : "a late repair is waited for");
}

/* Nothing that the gateway sends; worth to be known of a backend that other clients use as well. */
static void check_delete_objects(struct probe *p)
{
    static const struct span document =
        SPAN("<Delete><Quiet>true</Quiet><Object><Key>none</Key></Object></Delete>");
    struct wire_answer a;

    probe_send(
        p, &(struct probe_request){.method = SPAN("POST"), .query = SPAN("delete="), .body = {document}}, &a);
    probe_find(p, "DeleteObjects", "without Content-MD5 and checksum", probe_status(p, &a),
               "nothing: keys are deleted one by one");
}

void probe_objects(struct probe *p)
{
    check_etag(p);
    check_md5(p);
    check_condition(p);
    check_delete_objects(p);
}

/* --- checksums -------------------------------------------------------------------------------------------- */

static struct span checksum_of(enum s3_checksum kind, struct span body, char out[static BASE64_SHA256_CHARS])
{
    uint8_t value[SHA256_BYTES];
    struct s3_digest d;
    size_t bytes;

    s3_digest_init(&d, kind);
    s3_digest_add(&d, body.at, body.len);
    bytes = s3_digest_end(&d, value);
    return (struct span){out, base64_encode(value, bytes, out)};
}

/* It shows what it was given. */
static bool is_kept(struct probe *p, struct span key, const struct s3_checksum_kind *kind, struct span value)
{
    char name[40];
    const struct span *shown;
    struct wire_answer a;

    snprintf(name, sizeof(name), "%.*s", SPAN_ARG(kind->header));
    probe_send(p,
               &(struct probe_request){.method = SPAN("HEAD"),
                                       .key = key,
                                       .headers = {{SPAN("x-amz-checksum-mode"), SPAN("ENABLED")}},
                                       .header_count = 1},
               &a);
    shown = a.status == 200 ? http_header(&a.head, name) : NULL;
    return shown && span_eq(*shown, value);
}

static void check_checksum(struct probe *p, enum s3_checksum c)
{
    const struct s3_checksum_kind *kind = s3_checksum_kind(c);
    char name[40], right[BASE64_SHA256_CHARS], wrong[BASE64_SHA256_CHARS];
    struct span key, value = checksum_of(c, new_body, right);
    bool taken, refused, kept;
    struct wire_answer a;
    const char *seen;

    snprintf(name, sizeof(name), "%.*s", SPAN_ARG(kind->header));
    key = probe_key(p, name);
    put_with(p, key, name, value, new_body, &a);
    taken = probe_ok(&a);
    kept = taken && is_kept(p, key, kind, value);
    if (!taken) {
        seen = probe_text(p, "right: %s", probe_status(p, &a));
        refused = false;
    } else {
        put_with(p, key, name, checksum_of(c, new_body, wrong), old_body, &a);
        refused = probe_refused(&a) && probe_shows(p, key, new_body);
        seen = probe_text(p, "right: taken%s, wrong: %s", kept ? " and kept" : "",
                          refused ? "refused" : probe_text(p, "%s, STORED", probe_status(p, &a)));
    }
    if (taken && refused)
        p->found.checksum_headers |= 1u << c;
    probe_find(p, probe_text(p, "%s", name + strlen("x-amz-")), "header, right and wrong", seen,
               taken && refused ? kept ? "sent on" : "sent on, not shown again" : "not sent");
}

void probe_checksums(struct probe *p)
{
    p->found.checksum_headers = CAPABILITY_SET;
    for (int c = S3_CHECKSUM_NONE + 1; c < S3_CHECKSUM_COUNT && !p->broken; c++)
        check_checksum(p, (enum s3_checksum)c);
}
