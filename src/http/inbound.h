/* http/inbound.h - what comes in on one connection: a head, then a body pulled from the socket.
 *
 * For server and client alike, and only for them. A head is read into a block taken from the loop when
 * its first bytes come and given back when the connection falls idle. Of a body only what came along
 * with the head is copied; the rest is read straight to where it is wanted. */
#ifndef HTTP_INBOUND_H
#define HTTP_INBOUND_H

#include "http/message.h"
#include "io/loop.h"
#include "io/stream.h"

#define NEVER_MS UINT64_MAX /* of a deadline: none */

struct inbound_block {
    struct http_head head;
    char bytes[LOOP_BLOCK_BYTES - sizeof(struct http_head)];
};

enum body_kind { BODY_NONE, BODY_LENGTH, BODY_CHUNKED, BODY_UNTIL_CLOSE };

struct inbound {
    struct loop *loop;
    struct inbound_block *block; /* NULL: idle */
    char *bytes;                 /* block->bytes, or `large` */
    char *large;                 /* for a head that does not fit a block; NULL otherwise */
    size_t start, end, room;     /* unread bytes are bytes[start .. end) */
    size_t seen;                 /* http_parse_*'s note */
    size_t kept;                 /* bytes[0 .. kept) is a head that is in use: do not overwrite */
    enum body_kind kind;
    bool ended;    /* the body is whole */
    bool alone;    /* nothing may follow a BODY_LENGTH: what does is an error, if it is there to be seen */
    uint64_t left; /* BODY_LENGTH */
    struct http_chunked chunked;
};

void inbound_init(struct inbound *in, struct loop *loop);
/* Gives the block back; what was unread is lost. Harmless when there is none. */
void inbound_release(struct inbound *in);

/* Read more of a head. ERR_AGAIN: the stream has been asked to tell. ERR_NOMEM, or as stream_read. */
enum err inbound_fill(struct inbound *in, struct stream *s) MUST_CHECK;
/* Parse the head from what is unread; the result is in block->head. As http_parse_*. */
enum err inbound_parse(struct inbound *in,
                       enum err (*parse)(struct span, struct http_head *, size_t *, const char **),
                       const char **why) MUST_CHECK;
/* Skip the head just parsed without keeping it (an interim answer). */
void inbound_skip_head(struct inbound *in);
/* The head just parsed stays; what follows it is a body of this kind. */
void inbound_begin_body(struct inbound *in, enum body_kind kind);
/* Bytes of the body. ERR_OK: *got >= 1. ERR_EOF: whole. ERR_AGAIN: the stream has been asked to tell.
 * ERR_RESET also when the peer ends its side too early; ERR_PROTOCOL: more came than the announced length. */
enum err inbound_read(struct inbound *in, struct stream *s, void *at, size_t room, size_t *got) MUST_CHECK;
/* The same into two places: the second gets something only when the first is full, and may be left out. */
enum err inbound_readv(struct inbound *in, struct stream *s, const struct iovec place[static 2],
                       size_t *got) MUST_CHECK;
/* The head is no longer in use: unread bytes move to the front. False when there are none; the block has
 * been given back then. */
bool inbound_next(struct inbound *in);

static inline size_t inbound_unread(const struct inbound *in)
{
    return in->end - in->start;
}

#endif
