/* inbound.c - see the header. The spans of a parsed head point into `bytes`, so it never moves while a
 * head is in use; it may grow while one is being read. */
#include "http/inbound.h"

#include <stdlib.h>

enum {
    FIRST_READ_BYTES = 8 * 1024,                  /* more would only be body, to be copied */
    LARGE_BYTES = HTTP_HEAD_BYTES_MAX + 4 * 1024, /* a head at its limit, and room for chunk lines */
    SPARE_BYTES = 512,                            /* left behind a head in a block, for chunk lines */
    DIRECT_BYTES = 1024,                          /* chunk data worth a read of its own */
};

void inbound_init(struct inbound *in, struct loop *loop)
{
    *in = (struct inbound){.loop = loop, .ended = true};
}

void inbound_release(struct inbound *in)
{
    if (in->block)
        loop_block_give(in->loop, in->block);
    free(in->large);
    inbound_init(in, in->loop);
}

static enum err take_block(struct inbound *in)
{
    in->block = loop_block_take(in->loop);
    if (!in->block)
        return ERR_NOMEM;
    in->bytes = in->block->bytes;
    in->room = sizeof(in->block->bytes);
    return ERR_OK;
}

static enum err grow(struct inbound *in)
{
    in->large = malloc(LARGE_BYTES);
    if (!in->large)
        return ERR_NOMEM;
    memcpy(in->large, in->bytes, in->end);
    in->bytes = in->large;
    in->room = LARGE_BYTES;
    return ERR_OK;
}

enum err inbound_fill(struct inbound *in, struct stream *s)
{
    size_t want, got;
    enum err e = in->block ? ERR_OK : take_block(in);

    if (!e && !in->large && in->end + SPARE_BYTES >= in->room)
        e = grow(in);
    if (e)
        return e;
    want = in->room - in->end - SPARE_BYTES;
    if (in->end == 0 && want > FIRST_READ_BYTES)
        want = FIRST_READ_BYTES;
    e = stream_read(s, in->bytes + in->end, want, &got);
    in->end += got;
    if (e == ERR_AGAIN && in->end == 0)
        inbound_release(in);
    return e;
}

enum err inbound_parse(struct inbound *in,
                       enum err (*parse)(struct span, struct http_head *, size_t *, const char **),
                       const char **why)
{
    return parse((struct span){in->bytes + in->start, inbound_unread(in)}, &in->block->head, &in->seen, why);
}

void inbound_skip_head(struct inbound *in)
{
    in->start += in->block->head.head_bytes;
    memmove(in->bytes, in->bytes + in->start, inbound_unread(in));
    in->end -= in->start;
    in->start = 0;
    in->seen = 0;
}

void inbound_begin_body(struct inbound *in, enum body_kind kind)
{
    in->start += in->block->head.head_bytes;
    in->kept = in->start;
    in->kind = kind;
    in->left = kind == BODY_LENGTH ? in->block->head.length : 0;
    in->ended = kind == BODY_NONE || (kind == BODY_LENGTH && in->left == 0);
    http_chunked_init(&in->chunked);
}

/* At most `limit` bytes, from what is unread or from the socket. */
static enum err plain_read(struct inbound *in, struct stream *s, void *at, size_t limit, size_t *got)
{
    size_t unread = inbound_unread(in), more;

    if (unread == 0)
        return stream_read(s, at, limit, got);
    *got = unread < limit ? unread : limit;
    memcpy(at, in->bytes + in->start, *got);
    in->start += *got;
    /* What came with the head is seldom all that is there: one piece is handed on instead of two. An error here
     * will be met again, if only as an end that comes too early; so not where an end is no error. */
    if (in->kind == BODY_LENGTH && *got < limit && *got < in->left &&
        stream_read(s, (char *)at + *got, limit - *got, &more) == ERR_OK)
        *got += more;
    return ERR_OK;
}

static enum err chunked_read(struct inbound *in, struct stream *s, void *at, size_t room, size_t *got)
{
    for (;;) {
        uint64_t left = http_chunked_data_left(&in->chunked);
        size_t unread = inbound_unread(in), used, data;
        bool direct = unread == 0 && left >= DIRECT_BYTES && room >= DIRECT_BYTES;
        enum err e = ERR_OK;

        if (direct) {
            e = stream_read(s, at, room < left ? room : (size_t)left, &unread);
        } else if (unread == 0) {
            in->start = in->end = in->kept;
            e = stream_read(s, in->bytes + in->end, in->room - in->end, &unread);
            in->end += unread;
        }
        if (e)
            return e;

        const char *from = direct ? at : in->bytes + in->start;
        e = http_chunked_feed(&in->chunked, from, unread < room ? unread : room, &used, &data, got);
        if (e == ERR_PROTOCOL)
            return e;
        if (!direct) {
            memcpy(at, from + data, *got);
            in->start += used;
        }
        if (e == ERR_EOF)
            in->ended = true;
        if (*got || in->ended)
            return *got ? ERR_OK : ERR_EOF;
    }
}

/* With `alone` as much is read as there is room for, so that bytes beyond the announced length show. */
static enum err measured_read(struct inbound *in, struct stream *s, void *at, size_t room, size_t *got)
{
    enum err e = plain_read(in, s, at, in->alone || room < in->left ? room : (size_t)in->left, got);
    bool surplus = *got > in->left || (in->alone && *got == in->left && inbound_unread(in));

    if (surplus) {
        *got = 0;
        return ERR_PROTOCOL;
    }
    in->left -= *got;
    in->ended = in->left == 0;
    return e;
}

enum err inbound_read(struct inbound *in, struct stream *s, void *at, size_t room, size_t *got)
{
    enum err e;

    *got = 0;
    if (in->ended)
        return ERR_EOF;
    switch (in->kind) {
    case BODY_LENGTH: e = measured_read(in, s, at, room, got); break;
    case BODY_CHUNKED: e = chunked_read(in, s, at, room, got); break;
    default: e = plain_read(in, s, at, room, got); in->ended = e == ERR_EOF;
    }
    return e == ERR_EOF && !in->ended ? ERR_RESET : e;
}

/* Two places are filled at once only where nothing stands between the socket and the bytes of the body. */
enum err inbound_readv(struct inbound *in, struct stream *s, const struct iovec place[static 2], size_t *got)
{
    struct iovec iov[2] = {place[0], place[1]};
    enum err e;

    if (in->ended || in->kind != BODY_LENGTH || in->alone || in->left <= iov[0].iov_len || inbound_unread(in))
        return inbound_read(in, s, place[0].iov_base, place[0].iov_len, got);
    if (iov[1].iov_len > in->left - iov[0].iov_len)
        iov[1].iov_len = (size_t)(in->left - iov[0].iov_len);
    e = stream_readv(s, iov, 2, got);
    in->left -= *got;
    in->ended = in->left == 0;
    return e == ERR_EOF ? ERR_RESET : e;
}

bool inbound_next(struct inbound *in)
{
    size_t unread = inbound_unread(in);
    char *from = in->bytes + in->start;

    if (unread == 0) {
        inbound_release(in);
        return false;
    }
    if (in->large && unread + SPARE_BYTES < sizeof(in->block->bytes)) {
        memcpy(in->block->bytes, from, unread);
        free(in->large);
        in->large = NULL;
        in->bytes = in->block->bytes;
        in->room = sizeof(in->block->bytes);
    } else {
        memmove(in->bytes, from, unread);
    }
    in->start = in->kept = in->seen = 0;
    in->end = unread;
    return true;
}
