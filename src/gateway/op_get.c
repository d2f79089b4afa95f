/* GetObject and HeadObject: what there is, judged, and its bytes out.
 *
 *   start --> LOOK (a HEAD) --> judged --> READ (a GET) --> judged --> the answer
 *     `--------------------------------------^
 *
 * Conditions are judged here, on what a current replica shows, never by the replica: backends differ in what they make of
 * them (s3/condition.h). A HEAD is LOOK alone: its Range is worked out here. A GET looks first where an answer without a
 * body is likely (If-None-Match, If-Modified-Since), for a body that nobody wants costs its connection, and where it must
 * know what the object is (a part by its number); what READ then finds is judged again. A replica that refuses the
 * range leaves the conditions open, which come before it (RFC 9110 section 13.2.2): then LOOK follows READ.
 *
 * How an object is cut into parts, and the checksums of it and of them, are in its manifest (gateway/manifest.h), which is asked for
 * first where one of these is wanted: a part is then a range. Of an object that has none (it came from elsewhere, or the
 * journal was lost) only a GET of the part by its number tells where it lies: a HEAD of it is READ too, without the body.
 *
 * One chunk lies between: filled from the replica when it is empty, written from where it lies when the client takes
 * bytes. A replica that is faster than the client waits in its own socket. */
#include "gateway/gateway_private.h"
#include "gateway/manifest.h"
#include "s3/condition.h"
#include "s3/document.h"
#include "s3/metadata.h"
#include "s3/object_document.h"

#include <assert.h>
#include <inttypes.h>

static enum err peek(void *ctx, struct iovec *iov, int *count)
{
    struct exchange *x = ctx;
    size_t got;
    enum err e;

    if (x->chunk_from == x->chunk_to) {
        e = fetch_read(x->fetch, x->chunk->data, CHUNK_BYTES, &got);
        if (e != ERR_OK)
            return e;
        x->chunk_from = 0;
        x->chunk_to = got;
    }
    iov[0].iov_base = x->chunk->data + x->chunk_from;
    iov[0].iov_len = x->chunk_to - x->chunk_from;
    *count = 1;
    return ERR_OK;
}

static void sent(void *ctx, size_t bytes)
{
    struct exchange *x = ctx;

    x->chunk_from += bytes;
    x->body_bytes_out += bytes;
    assert(x->chunk_from <= x->chunk_to);
}

static const struct http_source body_source = {.peek = peek, .sent = sent};

/* ---- the answer's head ---- */

/* What the answer says besides the replica's head. */
struct shown {
    unsigned status;
    bool own_range; /* Content-Range is worked out here; else the replica's is shown */
    uint64_t first, last, total;
    uint64_t length;                    /* of the body that there is, or would be for a HEAD */
    uint32_t parts;                     /* x-amz-mp-parts-count, 0: not */
    const struct s3_manifest *manifest; /* the object's, NULL: it has none */
};

static struct span override_of(const struct exchange *x, struct span name)
{
    for (size_t i = 0; i < x->request.override_count; i++)
        if (span_ieq(x->request.overrides[i].header, name))
            return x->request.overrides[i].value;
    return (struct span){NULL, 0};
}

static bool is_checksum(struct span name)
{
    return s3_checksum_by_header(name) != S3_CHECKSUM_NONE || span_ieq(name, SPAN("x-amz-checksum-type"));
}

/* Is the manifest the one that tells the checksum, whatever the replica makes of it? */
static bool keeps_checksum(const struct shown *s)
{
    return s->manifest && s->manifest->kind;
}

/* May the client see this field of the replica's? A checksum is the whole object's. */
static bool passes(const struct exchange *x, const struct shown *s, struct span name)
{
    if (override_of(x, name).at || (s->own_range && span_ieq(name, SPAN("content-range"))))
        return false;
    if (is_checksum(name))
        return x->request.checksum_mode && s->status == 200 && !keeps_checksum(s);
    if (s->status == 304) /* RFC 9110 section 15.4.5 */
        return span_ieq(name, SPAN("etag")) || span_ieq(name, SPAN("last-modified")) ||
               span_ieq(name, SPAN("cache-control")) || span_ieq(name, SPAN("expires"));
    return s3_header_is_shown(name);
}

static char *add_line(char *at, struct span name, struct span value)
{
    at = span_put(at, name);
    at = span_put(at, SPAN(": "));
    at = span_put(at, value);
    return span_put(at, SPAN("\r\n"));
}

static char *add_number(char *at, struct span name, uint64_t n)
{
    at = span_put(at, name);
    at = span_put(at, SPAN(": "));
    at = span_put_u64(at, n);
    return span_put(at, SPAN("\r\n"));
}

static char *add_content_range(char *at, const struct shown *s)
{
    at = span_put(at, SPAN("Content-Range: bytes "));
    at = span_put_u64(at, s->first);
    at = span_put(at, SPAN("-"));
    at = span_put_u64(at, s->last);
    at = span_put(at, SPAN("/"));
    at = span_put_u64(at, s->total);
    return span_put(at, SPAN("\r\n"));
}

/* Metadata without a value that the backend dropped. at NULL: nowhere; *bytes counts. */
static char *add_dropped_metadata(char *at, const struct http_head *head, size_t *bytes)
{
    const struct span *list = http_header(head, S3_EMPTY_METADATA_HEADER);
    struct span left = list ? *list : SPAN_EMPTY, name;

    while (s3_dropped_metadata(head, &left, &name)) {
        *bytes += sizeof(S3_METADATA_PREFIX ": \r\n") + name.len;
        if (at)
            at = add_line(span_put(at, SPAN(S3_METADATA_PREFIX)), name, SPAN_EMPTY);
    }
    return at;
}

/* Servers that know no x-amz-checksum-type: a composite one is told by the number of parts behind it. */
static char *add_checksum_type(char *at, const struct http_head *head)
{
    const struct span *value = NULL;

    if (http_header(head, "x-amz-checksum-type"))
        return at;
    for (size_t i = 0; i < head->header_count && !value; i++)
        if (s3_checksum_by_header(head->headers[i].name))
            value = &head->headers[i].value;
    if (!value)
        return at;
    return add_line(at, SPAN("x-amz-checksum-type"),
                    span_find(*value, '-') < value->len ? SPAN("COMPOSITE") : SPAN("FULL_OBJECT"));
}

/* The manifest's of the object, or of the part that was asked for; of any other range there is none. */
static char *add_checksum(char *at, const struct exchange *x, const struct http_head *head,
                          const struct shown *s)
{
    bool whole_or_part = s->status == 200 || x->request.part_number;

    if (!x->request.checksum_mode || !whole_or_part)
        return at;
    if (keeps_checksum(s))
        return manifest_put_checksum(at, s->manifest, x->request.part_number);
    return s->status == 200 ? add_checksum_type(at, head) : at;
}

/* at == NULL: the arena is full. */
static struct span shown_headers(struct exchange *x, const struct http_head *head,
                                 const struct replica_object *object, const struct shown *s)
{
    enum { OWN = 320 + MANIFEST_CHECKSUM_BYTES_MAX };
    size_t bytes = OWN;
    char *text, *at;

    for (size_t i = 0; i < head->header_count; i++)
        bytes += head->headers[i].name.len + head->headers[i].value.len + 4;
    add_dropped_metadata(NULL, head, &bytes);
    for (size_t i = 0; i < x->request.override_count; i++)
        bytes += x->request.overrides[i].header.len + x->request.overrides[i].value.len + 4;
    text = at = arena_alloc(&x->arena, bytes);
    if (!text)
        return (struct span){NULL, 0};
    for (size_t i = 0; i < head->header_count; i++)
        if (passes(x, s, head->headers[i].name))
            at = add_line(at, head->headers[i].name, head->headers[i].value);
    if (s->status != 304)
        at = add_dropped_metadata(at, head, &bytes);
    for (size_t i = 0; s->status != 304 && i < x->request.override_count; i++)
        at = add_line(at, x->request.overrides[i].header, x->request.overrides[i].value);
    if (s->own_range)
        at = add_content_range(at, s);
    if (s->parts)
        at = add_number(at, SPAN("x-amz-mp-parts-count"), s->parts);
    if (s->status != 304)
        at = add_checksum(at, x, head, s);
    if (object->tag_count && s->status != 304)
        at = add_number(at, SPAN("x-amz-tagging-count"), object->tag_count);
    return (struct span){text, (size_t)(at - text)};
}

/* ---- what there is, judged ---- */

static enum s3_code judge(const struct exchange *x, const struct replica_object *object)
{
    const struct s3_current current = {.exists = object->exists,
                                       .etag = span_of(object->etag),
                                       .last_modified = span_of(object->last_modified)};

    if (!object->exists)
        return S3_NO_SUCH_KEY;
    return s3_condition_read(x->request.conditions, x->request.condition_count, &current);
}

static struct shown whole(const struct exchange *x, const struct replica_object *object)
{
    return (struct shown){.status = 200,
                          .total = object->body_bytes,
                          .length = object->body_bytes,
                          .manifest = manifest_of(x, object)};
}

/* An object in one piece is its own first part. */
static struct shown only_part(const struct exchange *x, const struct replica_object *object)
{
    struct shown s = whole(x, object);

    if (s.total == 0)
        return s;
    s.status = 206;
    s.own_range = true;
    s.last = s.total - 1;
    return s;
}

/* One of the manifest's. Where it is empty no range says where it lies. */
static struct shown kept_part(const struct exchange *x, const struct replica_object *object,
                              const struct s3_manifest_part *part)
{
    struct shown s = whole(x, object);

    s.status = 206;
    s.own_range = part->bytes > 0;
    s.first = part->offset;
    s.last = part->offset + part->bytes - 1;
    s.length = part->bytes;
    s.parts = s.manifest->count;
    return s;
}

/* What a HEAD shows of the whole, or of a Range. */
static enum s3_code place(const struct exchange *x, const struct replica_object *object, struct shown *s)
{
    *s = whole(x, object);
    switch (s3_range_parse(x->request.range, s->total, &s->first, &s->last)) {
    case S3_RANGE_NONE: return S3_OK;
    case S3_RANGE_UNSATISFIABLE: return S3_INVALID_RANGE;
    case S3_RANGE_OK: break;
    }
    s->status = 206;
    s->own_range = true;
    s->length = s->last - s->first + 1;
    return S3_OK;
}

static void refuse(struct exchange *x, enum s3_code code, const struct replica_object *object)
{
    struct span range = s3_xml_escape(&x->arena, span_head(x->request.range, 100));

    if (code == S3_INVALID_RANGE && object->exists && range.at)
        exchange_error_extra(x, code, NULL,
                             arena_printf(&x->arena,
                                          "<RangeRequested>%.*s</RangeRequested>"
                                          "<ActualObjectSize>%" PRIu64 "</ActualObjectSize>",
                                          SPAN_ARG(range), object->body_bytes));
    else
        exchange_error(x, code, NULL);
}

/* `source` NULL: the head alone. */
static void show(struct exchange *x, const struct http_head *head, const struct replica_object *object,
                 const struct shown *s, const struct http_source *source)
{
    struct span headers = shown_headers(x, head, object, s);

    if (!headers.at)
        exchange_unavailable(x, ERR_NOMEM);
    else if (s->status == 304 || (s->length == 0 && source))
        exchange_answer(x, s->status, headers, SPAN_EMPTY);
    else
        exchange_answer_source(x, s->status, headers, s->length, source);
}

static void show_not_modified(struct exchange *x, const struct http_head *head,
                              const struct replica_object *object)
{
    const struct shown s = {.status = 304};

    show(x, head, object, &s, NULL);
}

static uint32_t parts_of(const struct exchange *x, const struct replica_object *object)
{
    const struct s3_manifest *m = manifest_of(x, object);

    return m ? m->count : s3_etag_parts(span_of(object->etag));
}

static bool is_head(const struct exchange *x)
{
    return x->request.op == S3_OP_HEAD_OBJECT;
}

/* ---- READ ---- */

static void look(struct exchange *x);

static void on_read_head(void *ctx, unsigned status, const struct http_head *head,
                         const struct replica_object *object, const struct replica *from)
{
    struct exchange *x = ctx;
    enum s3_code code = judge(x, object);
    struct shown s = whole(x, object);

    if (status == 416) {
        if (x->request.condition_count)
            look(x);
        else
            refuse(x, S3_INVALID_RANGE, object);
        return;
    }
    if (code == S3_NOT_MODIFIED)
        show_not_modified(x, head, object);
    else if (code != S3_OK)
        refuse(x, code, object);
    if (code != S3_OK)
        return;
    if (x->manifest.part.number && !s.manifest) {
        exchange_error(x, S3_SERVICE_UNAVAILABLE, "The object was replaced meanwhile. Please try again.");
        return;
    }
    if (status == 206) {
        s.status = 206;
        s.length = head->length;
    } else if (x->request.part_number) {
        s = only_part(x, object);
    }
    s.parts = x->request.part_number ? parts_of(x, object) : 0;
    show(x, head, object, &s, is_head(x) ? NULL : &body_source);
}

/* The body of an answer that is not passed on is read off, so that the replica's connection stays good; no more of it
 * than an error document can be. */
static void on_read_body(void *ctx)
{
    struct exchange *x = ctx;
    size_t got;

    if (x->answered && (x->status == 200 || x->status == 206)) {
        if (!is_head(x))
            http_exchange_resume(x->http);
        return;
    }
    while (x->status == 404 && x->chunk && x->chunk_to < CHUNK_BYTES &&
           fetch_read(x->fetch, x->chunk->data + x->chunk_to, CHUNK_BYTES - x->chunk_to, &got) == ERR_OK)
        x->chunk_to += got;
}

static void on_failed(void *ctx, enum err e)
{
    exchange_unavailable(ctx, e);
}

/* S3 ignores a Range that is not one well-formed range; some servers would refuse it. */
static bool is_range(struct span value)
{
    uint64_t first, last;

    return value.len && s3_range_parse(value, UINT64_MAX, &first, &last) != S3_RANGE_NONE;
}

static enum err open_fetch(struct exchange *x, struct fetch **out, struct fetch_spec *spec,
                           const struct fetch_events *events)
{
    struct http_header *range = arena_alloc(&x->arena, sizeof(*range));

    if (!range)
        return ERR_NOMEM;
    spec->key = (struct journal_key){x->bucket->record.id, x->request.key};
    spec->replicas = &x->bucket->set;
    spec->headers = range;
    spec->checksum_mode = x->request.checksum_mode;
    if (!spec->head_only && is_range(x->request.range))
        range[spec->header_count++] = (struct http_header){SPAN("range"), x->request.range};
    return fetch_open(out, x->gateway->options.env, spec, events, x);
}

/* `part`: of an object that has several, 0: not. */
static void read_object(struct exchange *x, uint32_t part)
{
    static const struct fetch_events events = {
        .head = on_read_head, .body = on_read_body, .failed = on_failed};
    struct fetch_spec spec = {.part_number = part};
    enum err e = ERR_OK;

    if (!is_head(x)) {
        x->chunk = chunk_take(x->gateway->options.env->budget);
        e = x->chunk ? ERR_OK : ERR_BUSY;
    }
    if (e == ERR_OK)
        e = open_fetch(x, &x->fetch, &spec, &events);
    if (e != ERR_OK)
        exchange_unavailable(x, e);
}

/* ---- LOOK ---- */

/* A part of which the manifest tells where it lies. */
static void show_kept_part(struct exchange *x, const struct http_head *head,
                           const struct replica_object *object)
{
    struct shown s = kept_part(x, object, &x->manifest.part);

    if (is_head(x) || !x->manifest.part.bytes) {
        show(x, head, object, &s, is_head(x) ? NULL : &body_source);
        return;
    }
    x->request.range = arena_printf(&x->arena, "bytes=%" PRIu64 "-%" PRIu64, s.first, s.last);
    if (x->request.range.at)
        read_object(x, 0);
    else
        exchange_unavailable(x, ERR_NOMEM);
}

static void looked_for_part(struct exchange *x, const struct http_head *head,
                            const struct replica_object *object)
{
    const struct s3_manifest *m = manifest_of(x, object);
    uint32_t parts = parts_of(x, object);
    struct shown s = only_part(x, object);

    if (m && s3_manifest_find(m, x->request.part_number, &x->manifest.part))
        show_kept_part(x, head, object);
    else if (m || x->request.part_number > (parts ? parts : 1))
        exchange_error(x, S3_INVALID_PART, "The object has no part of this number.");
    else if (parts || !is_head(x))
        read_object(x, parts ? x->request.part_number : 0);
    else
        show(x, head, object, &s, NULL);
}

static void on_look(void *ctx, unsigned status, const struct http_head *head,
                    const struct replica_object *object, const struct replica *from)
{
    struct exchange *x = ctx;
    enum s3_code code = judge(x, object);
    struct shown s;

    if (code == S3_OK && x->fetch) /* READ was refused its range, and the conditions hold */
        code = S3_INVALID_RANGE;
    else if (code == S3_OK && is_head(x) && !x->request.part_number)
        code = place(x, object, &s);
    if (code == S3_NOT_MODIFIED)
        show_not_modified(x, head, object);
    else if (code != S3_OK)
        refuse(x, code, object);
    else if (x->request.part_number)
        looked_for_part(x, head, object);
    else if (is_head(x))
        show(x, head, object, &s, NULL);
    else
        read_object(x, 0);
}

static void on_look_body(void *ctx)
{
}

static void look(struct exchange *x)
{
    static const struct fetch_events events = {.head = on_look, .body = on_look_body, .failed = on_failed};
    struct fetch_spec spec = {.head_only = true};
    enum err e = open_fetch(x, &x->look, &spec, &events);

    if (e != ERR_OK)
        exchange_unavailable(x, e);
}

static bool asks(const struct exchange *x, const char *condition)
{
    for (size_t i = 0; i < x->request.condition_count; i++)
        if (span_is(x->request.conditions[i].name, condition))
            return true;
    return false;
}

static void begin(struct exchange *x)
{
    if (is_head(x) || x->request.part_number || asks(x, "if-none-match") || asks(x, "if-modified-since"))
        look(x);
    else
        read_object(x, 0);
}

static void start_get(struct exchange *x)
{
    if (x->request.part_number && x->request.range.len)
        exchange_error(x, S3_INVALID_REQUEST,
                       "Cannot specify both Range header and partNumber query parameter");
    else if (x->request.part_number || x->request.checksum_mode)
        manifest_look(x, begin);
    else
        begin(x);
}

const struct operation operation_get = {.start = start_get, .end = manifest_end};
const struct operation operation_head = {.start = start_get, .end = manifest_end};
