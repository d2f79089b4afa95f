/* Writing an object, with the barrier: what could make a backend commit is not sent before s3_put_open.
 *
 *   PUT_WHOLE   up to SMALL_BYTES: the request starts when the barrier opens, head and body in one write, with a
 *               checksum header. Any byte of it is past the barrier.
 *   PUT_FRAMES  aws-chunked with a checksum trailer. The frames stream straight from the owner's memory; the end of the
 *               last frame, the last chunk and the trailer are held back and then sent in one piece: one server
 *               spins for ever when a connection ends inside the trailer. No Content-Encoding: all servers decode
 *               without it, and some would give it back on GET.
 *   PUT_PLAIN   as it is, with the declared SHA-256 signed on where there is one; the last byte is held back.
 *
 * Which of the last two, or neither (s3_parts.c), is the backend's capability `barrier`. A backend that takes no
 * checksums gets a small body with Content-MD5.
 *
 * The checksum is the client's, so that the backend keeps what the client declared; CRC32 where it gave none.
 *
 * The head never leaves alone (http/client.h): one server stores an empty object when the connection ends
 * right behind it. A delete has no body: all of it is past the barrier. */
#include "replica/s3_call.h"

#include "base/chunk.h"

enum { SMALL_BYTES = CHUNK_BYTES, PUT_HEADERS_OWN = 4, PEEKED_MAX = 8 };
_Static_assert(S3_TRAILER_MAX >= S3_FRAME_HEAD_MAX, "struct s3_put's text holds either");

static void add_header(struct s3_put *p, const char *name, struct span value)
{
    p->headers[p->header_count++] = (struct sigv4_header){span_of(name), value};
}

static enum err wait_for_body(struct s3_put *p)
{
    p->waiting = true;
    return ERR_AGAIN;
}

/* Body bytes from the offset on, at most `most` of them. */
static enum err peek_body(struct replica_call *c, uint64_t most, struct iovec *iov, int *count)
{
    struct s3_put *p = &c->put;
    int n = *count;
    enum err e = p->body.peek(c->ctx, p->offset, iov, &n);

    if (e)
        return e == ERR_AGAIN ? wait_for_body(p) : e;
    *count = 0;
    while (*count < n && most) {
        struct iovec *piece = &iov[(*count)++];

        if (piece->iov_len > most)
            piece->iov_len = most;
        most -= piece->iov_len;
    }
    return ERR_OK;
}

static void advance_body(struct replica_call *c, size_t bytes)
{
    struct s3_put *p = &c->put;

    p->offset += bytes;
    if (p->events.progress)
        p->events.progress(c->ctx, p->offset);
}

static enum err plain_peek(void *ctx, struct iovec *iov, int *count)
{
    struct replica_call *c = ctx;
    struct s3_put *p = &c->put;
    uint64_t end = p->open ? p->body_bytes : p->body_bytes - 1;

    if (p->offset == p->body_bytes)
        return ERR_EOF;
    if (p->offset == end || c->answer.status)
        return wait_for_body(p);
    return peek_body(c, end - p->offset, iov, count);
}

static void plain_sent(void *ctx, size_t bytes)
{
    advance_body(ctx, bytes);
}

/* Prints what stands before the byte at the offset: a frame's head, or behind the last frame what is held back. */
static void print_text(struct s3_put *p)
{
    p->text_len = p->offset < p->body_bytes
                      ? s3_chunked_frame_head(p->body_bytes, p->offset, p->text)
                      : s3_chunked_trailer(p->body_bytes, p->checksum, p->checksum_value, p->text);
    p->text_sent = 0;
    p->text_ready = true;
}

/* Bytes of the body up to the end of the frame that the offset is in. */
static uint64_t frame_left(const struct s3_put *p)
{
    uint64_t in_frame = S3_FRAME_BYTES - p->offset % S3_FRAME_BYTES, in_body = p->body_bytes - p->offset;

    return in_frame < in_body ? in_frame : in_body;
}

static enum err frames_peek(void *ctx, struct iovec *iov, int *count)
{
    struct replica_call *c = ctx;
    struct s3_put *p = &c->put;
    bool at_end = p->offset == p->body_bytes;
    int texts = 0, pieces;
    enum err e;

    if (at_end && p->text_ready && p->text_sent == p->text_len)
        return ERR_EOF;
    if ((at_end && !p->open) || c->answer.status)
        return wait_for_body(p);
    if (!p->text_ready)
        print_text(p);
    if (p->text_sent < p->text_len)
        iov[texts++] = (struct iovec){p->text + p->text_sent, p->text_len - p->text_sent};
    if (at_end) {
        *count = texts;
        return ERR_OK;
    }
    pieces = *count - texts;
    e = peek_body(c, frame_left(p), iov + texts, &pieces);
    *count = texts + pieces;
    return e;
}

static void frames_sent(void *ctx, size_t bytes)
{
    struct replica_call *c = ctx;
    struct s3_put *p = &c->put;
    size_t text = p->text_len - p->text_sent < bytes ? p->text_len - p->text_sent : bytes;

    p->text_sent += text;
    bytes -= text;
    if (bytes == 0)
        return;
    p->text_ready = bytes < frame_left(p);
    advance_body(c, bytes);
}

static const struct http_source plain_source = {.peek = plain_peek, .sent = plain_sent};
static const struct http_source frames_source = {.peek = frames_peek, .sent = frames_sent};

static enum err send_put(struct replica_call *c, struct span payload, uint64_t wire_bytes,
                         uint64_t held_bytes, const struct http_source *source)
{
    const struct s3_call_request q = {
        .method = SPAN("PUT"),
        .path = c->put.path,
        .query = c->put.query,
        .headers = c->put.headers,
        .header_count = c->put.header_count,
        .payload = payload,
        .has_length = true,
        .length = wire_bytes,
        .source = source,
        .held_bytes = held_bytes,
    };

    return s3_call_send(c, &q, &s3_collect);
}

/* As a header, for a body that is sent plain. */
static void add_checksum(struct s3_put *p)
{
    const struct s3_checksum_kind *kind = s3_checksum_kind(p->checksum);

    if (!p->checksum)
        return;
    p->text_len = base64_encode(p->checksum_value, kind->bytes, p->text);
    p->headers[p->header_count++] = (struct sigv4_header){kind->header, {p->text, p->text_len}};
}

/* What every server has verified since there is S3. The body is all there: it fits into a chunk. */
static void add_md5(struct replica_call *c)
{
    struct s3_put *p = &c->put;
    uint8_t md5[MD5_BYTES];
    struct md5 h;

    md5_init(&h);
    for (uint64_t at = 0; at < p->body_bytes;) {
        struct iovec iov[PEEKED_MAX];
        int count = PEEKED_MAX;

        if (p->body.peek(c->ctx, at, iov, &count) != ERR_OK)
            return; /* then sending it fails as well */
        for (int i = 0; i < count && at < p->body_bytes; at += iov[i++].iov_len)
            md5_add(&h, iov[i].iov_base, iov[i].iov_len);
    }
    md5_end(&h, md5);
    p->text_len = base64_encode(md5, sizeof(md5), p->text);
    add_header(p, "content-md5", (struct span){p->text, p->text_len});
}

static enum err send_whole(struct replica_call *c)
{
    if (c->put.checksum)
        add_checksum(&c->put);
    else
        add_md5(c);
    return send_put(c, c->put.payload, c->put.body_bytes, 0, &plain_source);
}

static enum err send_frames(struct replica_call *c)
{
    static const uint8_t any[SHA256_BYTES]; /* the trailer's length does not depend on it */
    struct s3_put *p = &c->put;
    struct span decoded = arena_printf(&c->arena, "%llu", (unsigned long long)p->body_bytes);
    size_t held = s3_chunked_trailer(p->body_bytes, p->checksum, any, p->text);

    if (!decoded.at)
        return ERR_NOMEM;
    add_header(p, "x-amz-decoded-content-length", decoded);
    add_header(p, "x-amz-trailer", s3_checksum_kind(p->checksum)->header);
    return send_put(c, SPAN("STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
                    s3_chunked_length(p->body_bytes, p->checksum), held, &frames_source);
}

static enum err send_plain(struct replica_call *c, bool checksum_known)
{
    if (checksum_known)
        add_checksum(&c->put);
    return send_put(c, c->put.payload, c->put.body_bytes, 1, &plain_source);
}

static void finish(struct replica_call *c)
{
    c->put.events.done(c->ctx, &c->answer);
}

/* There are no parts of a part: it is invisible before its Complete, and what became of a cut one is not asked. */
static bool in_parts(const struct capabilities *can, const struct replica_put *put)
{
    if (put->cuts)
        return true;
    if (put->upload_id.len || put->body_bytes <= SMALL_BYTES)
        return false;
    if (put->body_bytes > S3_SINGLE_PUT_BYTES_MAX)
        return true;
    return can->barrier == S3_BARRIER_PARTS || (can->barrier == S3_BARRIER_HASH && !put->has_sha256);
}

static int choose_form(const struct replica_call *c, const struct replica_put *put)
{
    if (put->body_bytes <= SMALL_BYTES)
        return PUT_WHOLE;
    return c->replica->backend->can.barrier == S3_BARRIER_TRAILER ? PUT_FRAMES : PUT_PLAIN;
}

/* The client's checksum where the backend takes its kind. A trailer is needed in any case: CRC32 then, which every
 * server knows that knows trailers. */
static void choose_checksum(struct replica_call *c, const struct replica_put *put)
{
    struct s3_put *p = &c->put;
    uint64_t taken = c->replica->backend->can.checksum_headers;

    p->checksum_value = p->crc32;
    if (put->checksum && taken & 1u << put->checksum) {
        p->checksum = put->checksum;
        p->checksum_value = put->checksum_value;
    } else if (p->form == PUT_FRAMES || taken & 1u << S3_CHECKSUM_CRC32) {
        p->checksum = S3_CHECKSUM_CRC32;
    }
}

/* Takes over what the owner gives; of it only the body stays the owner's. */
static enum err copy_put(struct replica_call *c, const struct replica_put *put)
{
    struct s3_put *p = &c->put;
    char *text;

    p->body_bytes = put->body_bytes;
    choose_checksum(c, put);
    if (put->body)
        p->body = *put->body;
    p->path = s3_call_path(c, put->key);
    p->headers = s3_call_headers(c, put->headers, put->header_count, PUT_HEADERS_OWN);
    text = arena_alloc(&c->arena, STAMP_CHARS + 2 * sizeof(put->sha256));
    p->query = put->upload_id.len ? s3_call_part_query(c, put->part_number, put->upload_id) : SPAN_EMPTY;
    if (!p->path.at || !p->query.at || !p->headers || !text)
        return ERR_NOMEM;
    p->header_count = put->header_count;
    if (put->stamped) {
        stamp_print(&put->stamp, text);
        add_header(p, S3_STAMP_HEADER, (struct span){text, STAMP_CHARS});
        text += STAMP_CHARS;
    }
    p->payload = SPAN("UNSIGNED-PAYLOAD");
    if (put->has_sha256) {
        hex_encode(put->sha256, sizeof(put->sha256), text);
        p->payload = (struct span){text, 2 * sizeof(put->sha256)};
    }
    if (put->if_match) {
        struct span etag = arena_dup(&c->arena, span_of(put->if_match));

        if (!etag.at)
            return ERR_NOMEM;
        add_header(p, "if-match", etag);
    }
    return ERR_OK;
}

static enum err start(struct replica *r, struct replica_call **out, bool held, const struct replica_put *put,
                      const struct replica_put_events *events, void *ctx)
{
    struct replica_call *c = s3_call_open(r, ctx, finish);
    enum err e;

    *out = c;
    if (!c)
        return ERR_NOMEM;
    c->put.events = *events;
    c->put.open = !held;
    c->put.form = held ? choose_form(c, put) : PUT_PLAIN;
    e = copy_put(c, put);
    if (e == ERR_OK && c->put.form == PUT_PLAIN)
        e = send_plain(c, held && put->checksum_known && put->checksum == c->put.checksum);
    else if (e == ERR_OK && c->put.form == PUT_FRAMES)
        e = send_frames(c);
    if (e) {
        s3_call_free(c);
        *out = NULL;
    }
    return e;
}

enum err s3_put_start(struct replica *r, struct replica_call **out, const struct replica_put *put,
                      const struct replica_put_events *events, void *ctx)
{
    if (in_parts(&LIST_ENTRY(r, struct s3_replica, base)->backend->can, put))
        return s3_parts_start(r, out, put, events, ctx);
    return start(r, out, true, put, events, ctx);
}

enum err s3_part_start(struct replica *r, struct replica_call **out, const struct replica_put *put,
                       const struct replica_put_events *events, void *ctx)
{
    return start(r, out, false, put, events, ctx);
}

/* Once an answer is there, nothing more is sent. */
static void resume(struct replica_call *c)
{
    if (!c->http || !c->put.waiting || c->answer.status)
        return;
    c->put.waiting = false;
    http_call_resume(c->http);
}

void s3_put_more(struct replica_call *c)
{
    if (c->in_parts)
        s3_parts_more(c);
    else
        resume(c);
}

void s3_put_open(struct replica_call *c, uint32_t crc32)
{
    enum err e;

    if (c->in_parts) {
        s3_parts_open(c);
        return;
    }
    c->put.open = true;
    for (int i = 0; i < 4; i++)
        c->put.crc32[i] = (uint8_t)(crc32 >> (8 * (3 - i)));
    c->asked_ms = clock_mono_ms(c->replica->backend->clock);
    if (c->put.form != PUT_WHOLE) {
        resume(c);
        return;
    }
    e = send_whole(c);
    if (e)
        s3_call_fail_later(c, e);
}

enum err s3_delete_start(struct replica *r, struct replica_call **out, struct span key,
                         const struct replica_put_events *events, void *ctx)
{
    struct replica_call *c = s3_call_open(r, ctx, finish);
    enum err e = ERR_NOMEM;

    *out = c;
    if (!c)
        return ERR_NOMEM;
    c->put.events = *events;
    c->stored_status = 404;
    c->stored_code = "NoSuchKey";
    c->put.path = s3_call_path(c, key);
    if (c->put.path.at)
        e = s3_call_send(c,
                         &(struct s3_call_request){
                             .method = SPAN("DELETE"), .path = c->put.path, .payload = SPAN(S3_EMPTY_SHA256)},
                         &s3_collect);
    if (e) {
        s3_call_free(c);
        *out = NULL;
    }
    return e;
}
