/* gateway/body.h - the body of a request: pulled, taken out of its aws-chunked frames, verified.
 *
 * One interface for objects, parts and small documents. The end is not reached before everything that the client said
 * about its body has proved true: length, SHA-256, MD5, checksum in a header or behind the body, the signature of
 * each chunk and of the trailer. Belongs to an exchange. */
#ifndef GATEWAY_BODY_H
#define GATEWAY_BODY_H

#include "auth/chunk_sign.h"
#include "http/server.h"
#include "s3/dechunk.h"
#include "s3/digest.h"

struct exchange;

/* What must be true of a body's bytes. */
struct body_check {
    const struct s3_request *request;
    struct sha256 sha256;
    struct md5 md5;
    struct s3_digest checksum;
};
void body_check_init(struct body_check *c, const struct s3_request *request);
void body_check_add(struct body_check *c, const void *at, size_t len);
/* S3_OK, or what does not agree; *message is static, NULL: the table's. */
enum s3_code body_check_end(struct body_check *c, const char **message) MUST_CHECK;

/* Frame heads are read here, in the same system call as the data before them. As long as the longest that can
 * follow data: the last chunk's head, the trailer and its signature. What it takes of the data behind is copied. */
enum { BODY_SIDE_BYTES = 256 };

struct body {
    struct http_exchange *http;
    struct s3_request *request; /* a trailer's checksum_value is put there */
    enum { BODY_PULL, BODY_TAIL, BODY_WHOLE, BODY_REFUSED } state;
    bool framed, is_signed;
    uint64_t bytes; /* of content so far */
    size_t unseen;  /* the last of them, which body_seen is due for */
    struct body_check check;
    struct s3_dechunk dechunk;
    struct chunk_sign sign;
    size_t side_from, side_to; /* of `side`: read and not looked at yet */
    char side[BODY_SIDE_BYTES];
    /* when it is refused */
    enum s3_code code;
    const char *message; /* static; NULL: the table's */
};

/* For x->request, whose claim is verified. */
void body_init(struct body *b, struct exchange *x);
/* The same for one that is kept elsewhere: a form's own, when x->request is what the form asks for. */
void body_init_for(struct body *b, struct exchange *x, struct s3_request *request);
/* Overwrites the key. Harmless when it was never initialised (all zeros). */
void body_fini(struct body *b);

/* Content to `at`. `room` may be 0 once all request->body_bytes are there: what is left then is to hear whether they
 * are good.
 * ERR_OK: *got >= 1. ERR_AGAIN: the operation's `body` will fire. ERR_EOF: whole and verified.
 * Others: it is refused, with b->code and b->message; it stays so. */
enum err body_read(struct body *b, void *at, size_t room, size_t *got) MUST_CHECK;

/* The same in two steps, for who sends content on: what has been read is in the processor's caches, and is copied out of
 * them faster before it is hashed than after. ERR_OK from body_pull: body_seen follows, with these bytes, before anything else is
 * asked of the body. */
enum err body_pull(struct body *b, void *at, size_t room, size_t *got) MUST_CHECK;
void body_seen(struct body *b, const void *at, size_t len);

static inline bool body_is_whole(const struct body *b)
{
    return b->state == BODY_WHOLE;
}

/* A small document, whole, into x->chunk, which is taken if there is none. ERR_OK: whole and verified, *out is it.
 * ERR_AGAIN: call again from `body`. Others: the request has been answered. `most`: up to CHUNK_BYTES; longer ones are
 * answered with `too_long`. */
enum err body_document(struct exchange *x, size_t most, enum s3_code too_long, struct span *out) MUST_CHECK;

#endif
