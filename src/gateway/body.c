/* From the client's socket to where the bytes are wanted.
 *
 *     plain    content is read straight to the caller's place
 *     framed   aws-chunked: inside a chunk the same, and in the same system call the frame's end, the next head or the
 *              trailer into a small side buffer; what of the next chunk's data came along is copied from there
 *
 *   PULL --all content, last chunk--> TAIL --trailer, end of the message--> WHOLE
 *     `-------------------------------- `---- anything that is not as announced --> REFUSED
 *
 * A transfer coding around either is taken off below, by the server. Content is handed on before its chunk's signature
 * is known to be good, and with body_pull before it is even hashed: whoever takes it must not let it become visible
 * before ERR_EOF (the barrier). */
#include "gateway/body.h"

#include "gateway/gateway_private.h"

#include <assert.h>

static enum err refuse(struct body *b, enum s3_code code, const char *message)
{
    b->state = BODY_REFUSED;
    b->code = code;
    b->message = message;
    return ERR_INVALID;
}

void body_init_for(struct body *b, struct exchange *x, struct s3_request *request)
{
    *b = (struct body){.http = x->http, .request = request, .state = BODY_PULL};
    body_check_init(&b->check, b->request);
    b->framed = s3_payload_is_chunked(b->request->payload);
    if (!b->framed)
        return;
    s3_dechunk_init(&b->dechunk, b->request->payload,
                    b->request->checksum_in_trailer ? b->request->checksum : S3_CHECKSUM_NONE,
                    b->request->body_bytes);
    b->is_signed = b->dechunk.is_signed;
    if (b->is_signed && x->claim.signature.len)
        chunk_sign_init(&b->sign, &x->gateway->keyring, &x->claim, x->secret);
    else if (b->is_signed)
        (void)refuse(b, S3_INVALID_REQUEST,
                     "Signed chunks need a signed request: their chain begins with its signature.");
}

void body_init(struct body *b, struct exchange *x)
{
    body_init_for(b, x, &x->request);
}

void body_fini(struct body *b)
{
    chunk_sign_fini(&b->sign);
}

/* Content has been put there. */
static void took(struct body *b, size_t len)
{
    b->bytes += len;
    b->unseen += len;
}

/* What the connection said instead of more bytes. */
static enum err broken(struct body *b, enum err e)
{
    switch (e) {
    case ERR_AGAIN: return ERR_AGAIN;
    case ERR_TIMEOUT: return refuse(b, S3_REQUEST_TIMEOUT, NULL);
    case ERR_PROTOCOL:
        return refuse(b, S3_INVALID_REQUEST, "The body's chunked transfer coding is malformed.");
    default: return refuse(b, S3_INCOMPLETE_BODY, NULL);
    }
}

/* ---- the end ---- */

static enum err take_trailer(struct body *b)
{
    struct s3_dechunk *d = &b->dechunk;
    const struct s3_checksum_kind *kind = s3_checksum_kind(d->announced);

    if (b->is_signed && d->has_trailer_lines &&
        !chunk_sign_trailer(&b->sign, kind->header, d->trailer, d->signature))
        return refuse(b, S3_SIGNATURE_DOES_NOT_MATCH, "The signature of the trailer does not match.");
    if (d->announced && !base64_decode(d->trailer, b->request->checksum_value, kind->bytes))
        return refuse(b, S3_INVALID_REQUEST, "The value of the x-amz-checksum- trailer is invalid.");
    b->state = BODY_TAIL;
    return ERR_OK;
}

/* All content is here: nothing may follow, and everything that was said of it must be true. */
static enum err finish(struct body *b)
{
    const char *message;
    size_t got;
    enum s3_code code;
    enum err e =
        b->side_from < b->side_to ? ERR_OK : http_exchange_read(b->http, b->side, sizeof(b->side), &got);

    if (e == ERR_OK)
        return refuse(b, S3_INVALID_REQUEST, "Something follows the end of the body.");
    if (e != ERR_EOF)
        return broken(b, e);
    code = body_check_end(&b->check, &message);
    if (code != S3_OK)
        return refuse(b, code, message);
    b->state = BODY_WHOLE;
    return ERR_EOF;
}

/* ---- pulling ---- */

static enum err read_plain(struct body *b, void *at, size_t room, size_t *got)
{
    uint64_t left = b->request->body_bytes - b->bytes;
    enum err e;

    if (left == 0) {
        b->state = BODY_TAIL;
        return finish(b);
    }
    assert(room);
    e = http_exchange_read(b->http, at, room < left ? room : (size_t)left, got);
    if (e != ERR_OK)
        return broken(b, e);
    took(b, *got);
    return ERR_OK;
}

/* Data of the chunk under way, from the side buffer or from the socket. */
static enum err read_data(struct body *b, char *at, size_t room, size_t *got)
{
    uint64_t left = s3_dechunk_data_left(&b->dechunk);
    size_t have = b->side_to - b->side_from, most = room < left ? room : (size_t)left;
    struct iovec place[2] = {{at, most}, {b->side, most == left ? sizeof(b->side) : 0}};
    enum err e;

    assert(at && room);
    if (have) {
        *got = have < most ? have : most;
        memcpy(at, b->side + b->side_from, *got);
        b->side_from += *got;
    } else {
        e = place[1].iov_len ? http_exchange_readv(b->http, place, got)
                             : http_exchange_read(b->http, at, most, got);
        if (e != ERR_OK)
            return broken(b, e);
        b->side_from = 0;
        b->side_to = *got > most ? *got - most : 0;
        *got -= b->side_to;
    }
    s3_dechunk_took(&b->dechunk, *got);
    took(b, *got);
    return ERR_OK;
}

static enum err fill_side(struct body *b)
{
    enum err e = http_exchange_read(b->http, b->side, sizeof(b->side), &b->side_to);

    b->side_from = 0;
    if (e != ERR_OK)
        b->side_to = 0;
    return e == ERR_OK ? ERR_OK : broken(b, e);
}

/* Lines up to the next data. ERR_OK: there is some. */
static enum err read_lines(struct body *b)
{
    for (;;) {
        size_t used;
        enum err e = ERR_OK;
        enum s3_dechunk_step step =
            s3_dechunk_feed(&b->dechunk, b->side + b->side_from, b->side_to - b->side_from, &used);

        b->side_from += used;
        switch (step) {
        case S3_DECHUNK_DATA: return ERR_OK;
        case S3_DECHUNK_MORE: e = fill_side(b); break;
        case S3_DECHUNK_REFUSED: return refuse(b, b->dechunk.code, b->dechunk.message);
        case S3_DECHUNK_CHUNK:
            if (b->is_signed && !chunk_sign_end(&b->sign, b->dechunk.signature))
                return refuse(b, S3_SIGNATURE_DOES_NOT_MATCH, "The signature of a chunk does not match.");
            break;
        case S3_DECHUNK_ENDED: e = take_trailer(b); return e == ERR_OK ? finish(b) : e;
        }
        if (e != ERR_OK)
            return e;
    }
}

/* What came from the side buffer and what comes from the socket behind it is one piece, if it is one chunk's. */
static enum err read_framed(struct body *b, char *at, size_t room, size_t *got)
{
    enum err e = s3_dechunk_data_left(&b->dechunk) ? ERR_OK : read_lines(b);
    size_t more = 0;
    bool copied = b->side_from < b->side_to;

    if (e != ERR_OK)
        return e;
    e = read_data(b, at, room, got);
    if (e != ERR_OK || !copied || *got == room || !s3_dechunk_data_left(&b->dechunk))
        return e;
    if (read_data(b, at + *got, room - *got, &more) == ERR_OK)
        *got += more;
    return ERR_OK;
}

enum err body_pull(struct body *b, void *at, size_t room, size_t *got)
{
    assert(b->unseen == 0);
    *got = 0;
    switch (b->state) {
    case BODY_PULL: return b->framed ? read_framed(b, at, room, got) : read_plain(b, at, room, got);
    case BODY_TAIL: return finish(b);
    case BODY_WHOLE: return ERR_EOF;
    default: return ERR_INVALID;
    }
}

void body_seen(struct body *b, const void *at, size_t len)
{
    assert(len == b->unseen);
    body_check_add(&b->check, at, len);
    if (b->is_signed)
        chunk_sign_add(&b->sign, at, len);
    b->unseen = 0;
}

enum err body_read(struct body *b, void *at, size_t room, size_t *got)
{
    enum err e = body_pull(b, at, room, got);

    if (e == ERR_OK)
        body_seen(b, at, *got);
    return e;
}

enum err body_document(struct exchange *x, size_t most, enum s3_code too_long, struct span *out)
{
    struct body *b = &x->body;
    char *text;
    size_t got;
    enum err e;

    if (x->request.body_bytes > most) {
        exchange_error(x, too_long, NULL);
        return ERR_TOO_LARGE;
    }
    if (!x->chunk && x->request.body_bytes)
        x->chunk = chunk_take(x->gateway->options.env->budget);
    if (!x->chunk && x->request.body_bytes) {
        exchange_unavailable(x, ERR_BUSY);
        return ERR_BUSY;
    }
    text = x->chunk ? x->chunk->data : NULL;
    do {
        e = body_read(b, text ? text + b->bytes : NULL, (size_t)(x->request.body_bytes - b->bytes), &got);
        x->body_bytes_in += got;
    } while (e == ERR_OK);
    if (e == ERR_EOF) {
        *out = text ? (struct span){text, (size_t)b->bytes} : SPAN_EMPTY;
        return ERR_OK;
    }
    if (e != ERR_AGAIN)
        exchange_error(x, b->code, b->message);
    return e;
}
