/* Uploads in parts: whether they work, what their ETag is, and where their limits are. */
#include "app/probe_private.h"

#include "s3/multipart.h"

#include <stdio.h>

enum { PART_BYTES = PROBE_PART_BYTES, TAIL_BYTES = 1000, DOCUMENT_BYTES = 4096, ETAG_BYTES = 128 };

struct trial {
    struct span key, id, query; /* id empty: there is none */
    char document[DOCUMENT_BYTES];
    size_t len;
};

static bool create(struct probe *p, struct trial *u, const char *name, struct wire_answer *a)
{
    struct span id = SPAN_EMPTY;

    *u = (struct trial){.key = probe_key(p, name), .id = SPAN_EMPTY};
    u->len = sizeof(S3_COMPLETE_HEAD) - 1;
    memcpy(u->document, S3_COMPLETE_HEAD, u->len);
    probe_send(p, &(struct probe_request){.method = SPAN("POST"), .key = u->key, .query = SPAN("uploads=")},
               a);
    if (!probe_ok(a) || s3_upload_id_read(a->body, &p->arena, &id) != ERR_OK)
        return false;
    u->id = arena_dup(&p->kept, id);
    if (!u->id.at)
        return false;
    probe_trace_upload(p, u->key, u->id);
    u->query = s3_query_encode(&p->kept, u->id);
    return u->query.at != NULL;
}

static bool put_part(struct probe *p, struct trial *u, uint32_t number, struct span body,
                     struct wire_answer *a)
{
    struct span query = arena_printf(&p->kept, "partNumber=%u&uploadId=%.*s", number, SPAN_ARG(u->query));
    const struct span *etag;

    if (!query.at)
        return false;
    probe_send(
        p, &(struct probe_request){.method = SPAN("PUT"), .key = u->key, .query = query, .body = {body}}, a);
    etag = probe_ok(a) ? http_header(&a->head, "etag") : NULL;
    if (!etag || etag->len > ETAG_BYTES || u->len + S3_COMPLETE_PART_BYTES_MAX > sizeof(u->document))
        return false;
    u->len =
        (size_t)(s3_complete_put_part(u->document + u->len, number, *etag, S3_CHECKSUM_NONE, SPAN_EMPTY) -
                 u->document);
    return true;
}

static bool complete(struct probe *p, struct trial *u, struct wire_answer *a)
{
    struct span query = arena_printf(&p->kept, "uploadId=%.*s", SPAN_ARG(u->query));

    if (!query.at)
        return false;
    probe_send(p,
               &(struct probe_request){.method = SPAN("POST"),
                                       .key = u->key,
                                       .query = query,
                                       .body = {{u->document, u->len}, SPAN(S3_COMPLETE_TAIL)}},
               a);
    return probe_ok(a);
}

/* md5 of the md5s of the parts, "-2" */
static void amazons_etag(struct span first, struct span second, char out[static 2 * MD5_BYTES + 3])
{
    const struct span parts[] = {first, second};
    uint8_t sum[MD5_BYTES];
    struct md5 all, one;

    md5_init(&all);
    for (int i = 0; i < 2; i++) {
        md5_init(&one);
        md5_add(&one, parts[i].at, parts[i].len);
        md5_end(&one, sum);
        md5_add(&all, sum, sizeof(sum));
    }
    md5_end(&all, sum);
    hex_encode(sum, sizeof(sum), out);
    memcpy(out + 2 * MD5_BYTES, "-2", 3);
}

static bool shows_etag(struct probe *p, struct span key, const char *hex)
{
    const struct span *etag;
    struct wire_answer a;

    probe_send(p, &(struct probe_request){.method = SPAN("HEAD"), .key = key}, &a);
    etag = a.status == 200 ? http_header(&a.head, "etag") : NULL;
    return etag && span_ieq((struct span){etag->at + 1, etag->len > 2 ? etag->len - 2 : 0}, span_of(hex));
}

static void check_whole(struct probe *p)
{
    struct span first = span_head(p->large, PART_BYTES), second = span_head(p->large, TAIL_BYTES);
    char hex[2 * MD5_BYTES + 3];
    struct wire_answer a;
    struct trial u;
    bool amazons;

    if (!create(p, &u, PROBE_UPLOAD, &a) || !put_part(p, &u, 1, first, &a) ||
        !put_part(p, &u, 2, second, &a) || !complete(p, &u, &a)) {
        probe_find(p, "barrier: parts", "an upload of two parts", probe_status(p, &a),
                   "clients' multipart uploads FAIL there");
        return;
    }
    p->safe_barriers |= 1u << S3_BARRIER_PARTS;
    probe_find(p, "barrier: parts", "an upload of two parts", "completed",
               "nothing shows before the Complete");
    amazons_etag(first, second, hex);
    amazons = shows_etag(p, u.key, hex);
    if (p->found.etag_kind == S3_ETAG_MD5 && !amazons)
        p->found.etag_kind = S3_ETAG_SINGLE;
    probe_find(p, "etag_kind", "ETag of the upload", amazons ? "MD5 of MD5s, -2" : "something else",
               amazons ? "as on the other replicas" : "read last, so that clients see one ETag");
}

static void check_unequal_parts(struct probe *p)
{
    struct span first = span_head(p->large, PART_BYTES),
                second = span_head(p->large, PART_BYTES + TAIL_BYTES);
    struct wire_answer a;
    struct trial u;
    bool taken;

    if (!create(p, &u, "unequal-parts", &a))
        return;
    taken = put_part(p, &u, 1, first, &a) && put_part(p, &u, 2, second, &a) &&
            put_part(p, &u, 3, first, &a) && complete(p, &u, &a);
    p->found.equal_parts = taken ? S3_NO : S3_YES;
    probe_find(p, "equal_parts", "parts of different sizes", taken ? "taken" : probe_status(p, &a),
               taken ? "as clients cut them" : "uploads of other clients' parts are repaired whole");
}

static void check_small_parts(struct probe *p)
{
    struct span small = span_head(p->large, TAIL_BYTES);
    struct wire_answer a;
    struct trial u;
    bool taken;

    if (!create(p, &u, "small-parts", &a))
        return;
    taken = put_part(p, &u, 1, small, &a) && put_part(p, &u, 2, small, &a) && complete(p, &u, &a);
    probe_find(p, "min_part", "a first part of 1000 bytes", taken ? "taken" : probe_status(p, &a),
               taken ? "parts of any size" : "5 MiB are taken for the least");
}

static void check_numbers(struct probe *p)
{
    static const uint32_t numbers[] = {10000, 1000};
    struct span small = span_head(p->large, TAIL_BYTES);
    const char *seen = "none of 10000, 1000";
    struct wire_answer a;
    struct trial u;

    if (!create(p, &u, "part-numbers", &a))
        return;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && !p->found.max_parts; i++) {
        if (!put_part(p, &u, numbers[i], small, &a))
            continue;
        p->found.max_parts = numbers[i];
        seen = probe_text(p, "%u is taken", numbers[i]);
    }
    probe_find(p, "max_parts", "part numbers", seen, "size of parts of very large objects");
}

void probe_uploads(struct probe *p)
{
    check_whole(p);
    if (!(p->safe_barriers & 1u << S3_BARRIER_PARTS))
        return;
    check_unequal_parts(p);
    check_small_parts(p);
    check_numbers(p);
    if (!p->found.barrier)
        p->found.barrier = p->safe_barriers & 1u << S3_BARRIER_HASH ? S3_BARRIER_HASH : S3_BARRIER_PARTS;
}
