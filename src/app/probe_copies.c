/* Copies that the backend makes by itself: under a condition on the source, with other metadata and without the source's
 * tags; what the copy of an upload shows, and what a copied part. */
#include "app/probe_private.h"

#include "s3/multipart.h"

static const struct span body = SPAN("what is to be copied");
static const struct span wrong_etag = SPAN("\"00000000000000000000000000000000\"");

/* In `kept`; empty: it shows none. */
static struct span etag_of(struct probe *p, struct span key)
{
    const struct span *etag;
    struct wire_answer a;

    probe_send(p, &(struct probe_request){.method = SPAN("HEAD"), .key = key}, &a);
    etag = a.status == 200 ? http_header(&a.head, "etag") : NULL;
    return etag ? arena_dup(&p->kept, *etag) : SPAN_EMPTY;
}

static struct span source_of(struct probe *p, struct span key)
{
    return arena_printf(&p->kept, "/%s/%.*s", p->bucket, SPAN_ARG(key));
}

static void copy(struct probe *p, struct span from, struct span etag, struct span to, struct wire_answer *a)
{
    probe_send(p,
               &(struct probe_request){.method = SPAN("PUT"),
                                       .key = to,
                                       .headers = {{SPAN("x-amz-copy-source"), source_of(p, from)},
                                                   {SPAN("x-amz-copy-source-if-match"), etag},
                                                   {SPAN("x-amz-meta-new"), SPAN("2")},
                                                   {SPAN("x-amz-metadata-directive"), SPAN("REPLACE")},
                                                   {SPAN("x-amz-tagging-directive"), SPAN("REPLACE")}},
                                       .header_count = 5},
               a);
}

static bool put_source(struct probe *p, struct span key, struct wire_answer *a)
{
    probe_send(p,
               &(struct probe_request){
                   .method = SPAN("PUT"),
                   .key = key,
                   .headers = {{SPAN("x-amz-meta-old"), SPAN("1")}, {SPAN("x-amz-tagging"), SPAN("old=1")}},
                   .header_count = 2,
                   .body = {body}},
               a);
    return probe_ok(a);
}

static bool is_there(struct probe *p, struct span key)
{
    struct wire_answer a;

    probe_send(p, &(struct probe_request){.method = SPAN("HEAD"), .key = key}, &a);
    return a.status == 200;
}

/* NULL: the copy is what was asked for. */
static const char *wrong_with(struct probe *p, struct span key, struct span etag)
{
    struct wire_answer a;

    probe_send(p, &(struct probe_request){.method = SPAN("GET"), .key = key}, &a);
    if (!probe_ok(&a) || !span_eq(a.body, body))
        return "not the source's bytes";
    if (http_header(&a.head, "x-amz-meta-old") || !http_header(&a.head, "x-amz-meta-new"))
        return "metadata of the source";
    if (!http_header(&a.head, "etag") || !span_eq(*http_header(&a.head, "etag"), etag))
        return "another ETag";
    probe_send(p, &(struct probe_request){.method = SPAN("GET"), .key = key, .query = SPAN("tagging=")}, &a);
    return memmem(a.body.at, a.body.len, "<Key>old</Key>", 14) ? "tags of the source" : NULL;
}

/* What is seen, and whether it is right. */
static bool try_copies(struct probe *p, const char **seen)
{
    struct span from = probe_key(p, "copy-source"), to = probe_key(p, "copy"), etag;
    struct wire_answer a;

    if (!put_source(p, from, &a)) {
        *seen = probe_text(p, "an object with tags: %s", probe_status(p, &a));
        return false;
    }
    etag = etag_of(p, from);
    copy(p, from, wrong_etag, to, &a);
    *seen = probe_text(p, "wrong ETag: %s", probe_status(p, &a));
    if (a.status != 412 || is_there(p, to))
        return false;
    for (int in_place = 0; in_place < 2; in_place++) {
        struct span target = in_place ? from : to;
        const char *wrong;

        copy(p, from, etag, target, &a);
        wrong = probe_ok(&a) ? wrong_with(p, target, etag) : probe_status(p, &a);
        if (wrong) {
            *seen = probe_text(p, "%s: %s", in_place ? "onto itself" : "to another key", wrong);
            return false;
        }
    }
    *seen = "wrong ETag refused, all else as asked";
    return true;
}

/* Of an object that probe_uploads has made. */
static uint64_t kind_of_copy(struct probe *p, struct span upload)
{
    struct span to = probe_key(p, "copied-upload"), etag = etag_of(p, upload), copied;
    struct wire_answer a;

    copy(p, upload, etag, to, &a);
    copied = probe_ok(&a) ? etag_of(p, to) : SPAN_EMPTY;
    if (!copied.len) {
        probe_find(p, "copy_object", "the copy of an upload in parts", probe_status(p, &a), "not to be used");
        return S3_COPY_NO;
    }
    if (!span_eq(copied, etag) || !memchr(etag.at, '-', etag.len)) {
        probe_find(p, "copy_object", "the copy of an upload in parts", "an ETag without parts",
                   "as Amazon's");
        return S3_COPY_MD5;
    }
    probe_find(p, "copy_object", "the copy of an upload in parts", "the same ETag",
               "copied there where all replicas do so");
    return S3_COPY_SAME;
}

/* ---- parts ---- */

static void copy_part(struct probe *p, struct span query, struct span from, struct span etag, struct span to,
                      struct wire_answer *a)
{
    probe_send(
        p,
        &(struct probe_request){.method = SPAN("PUT"),
                                .key = to,
                                .query = query,
                                .headers = {{SPAN("x-amz-copy-source"), source_of(p, from)},
                                            {SPAN("x-amz-copy-source-if-match"), etag},
                                            {SPAN("x-amz-copy-source-range"),
                                             arena_printf(&p->kept, "bytes=0-%d", PROBE_PART_BYTES - 1)}},
                                .header_count = 3},
        a);
}

static bool shows_md5(struct probe *p, const struct wire_answer *a)
{
    char hex[2 * MD5_BYTES];
    uint8_t sum[MD5_BYTES];
    struct span etag;
    struct md5 h;

    md5_init(&h);
    md5_add(&h, p->large.at, PROBE_PART_BYTES);
    md5_end(&h, sum);
    hex_encode(sum, sizeof(sum), hex);
    return s3_copy_etag_read(a->body, &p->arena, &etag) == ERR_OK &&
           memmem(etag.at, etag.len, hex, sizeof(hex)) && !memchr(etag.at, '-', etag.len);
}

static void check_part(struct probe *p, struct span upload)
{
    struct span to = probe_key(p, "copied-part"), etag = etag_of(p, upload), id = SPAN_EMPTY, query;
    struct wire_answer a;
    const char *seen;

    p->found.copy_part = S3_NO;
    probe_send(p, &(struct probe_request){.method = SPAN("POST"), .key = to, .query = SPAN("uploads=")}, &a);
    if (!probe_ok(&a) || s3_upload_id_read(a.body, &p->arena, &id) != ERR_OK)
        return;
    id = arena_dup(&p->kept, id);
    probe_trace_upload(p, to, id);
    id = s3_query_encode(&p->kept, id);
    query = arena_printf(&p->kept, "partNumber=1&uploadId=%.*s", SPAN_ARG(id));
    copy_part(p, query, upload, wrong_etag, to, &a);
    seen = probe_text(p, "wrong ETag: %s", probe_status(p, &a));
    if (a.status == 412) {
        copy_part(p, query, upload, etag, to, &a);
        if (!probe_ok(&a))
            seen = probe_status(p, &a);
        else if (!shows_md5(p, &a))
            seen = "an ETag that is no MD5";
        else
            p->found.copy_part = S3_YES;
    }
    if (p->found.copy_part == S3_YES)
        probe_find(p, "copy_part", "5 MiB of an object", "its ETag is its MD5", "parts are copied there");
    else
        probe_find(p, "copy_part", "5 MiB of an object", seen, "parts are read and written");
}

void probe_copies(struct probe *p)
{
    struct span upload = arena_printf(&p->kept, "%s" PROBE_UPLOAD, p->prefix);
    const char *seen = "";
    bool right = try_copies(p, &seen);

    probe_find(p, "copy_object", "a copy of an object", seen,
               right ? "objects are copied there" : "objects are read and written");
    p->found.copy_object = S3_COPY_NO;
    if (!(p->safe_barriers & 1u << S3_BARRIER_PARTS) || !upload.at) {
        p->found.copy_object = right ? S3_COPY_MD5 : S3_COPY_NO;
        return;
    }
    if (right)
        p->found.copy_object = kind_of_copy(p, upload);
    check_part(p, upload);
}
