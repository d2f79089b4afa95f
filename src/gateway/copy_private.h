/* gateway/copy_private.h - the inside of a copy; shared by copy*.c only. */
#ifndef GATEWAY_COPY_PRIVATE_H
#define GATEWAY_COPY_PRIVATE_H

#include "fanout/sources.h"
#include "gateway/copy.h"
#include "gateway/gateway_private.h"
#include "gateway/move.h"

struct copy {
    struct exchange *x;
    struct copy_spec spec;
    struct fetch *source, *tags_fetch;
    struct sources *sources;      /* copy_there.c: what the source shows at each backend */
    bool looking;                 /* they are being asked; so `source` is a HEAD */
    bool asked;                   /* they have answered */
    bool prepared;                /* `headers` is complete */
    bool streams;                 /* the bytes are to come through here, whatever the backends could do */
    struct replica_object object; /* the source, as read */
    struct http_header headers[WRITING_HEADERS_MAX];
    size_t header_count;
    struct move move; /* copy_stream.c: the bytes; `own` to be compared with the next, `wanted` to be kept */
    enum s3_checksum shown; /* the source's checksum of the whole object, if it has one */
    uint8_t shown_value[SHA256_BYTES];
    struct copy_checksum checksum;
    unsigned tries;
};

/* --- copy.c --- */

/* Reads the source from the beginning. */
void copy_begin(struct copy *c);
/* The same, and not by the backends themselves. */
void copy_begin_stream(struct copy *c);
void copy_fail(struct copy *c, enum s3_code code, const char *message);
/* For write_events.verdict. */
void copy_verdict(struct copy *c, const struct write_verdict *v);
/* Opens the write, which is completed by its form's part of `spec`. False: it cannot be, and that has been answered. */
bool copy_open_write(struct copy *c, struct write_spec *spec, const struct write_events *events) MUST_CHECK;

/* --- copy_stream.c: the bytes through here --- */

void copy_stream(struct copy *c);
/* There may be bytes, or room. */
void copy_stream_pump(struct copy *c);

/* --- copy_there.c: by the backends themselves --- */

/* Begins to ask them. False: they cannot. */
bool copy_there_look(struct copy *c);
/* `prepared` now. */
void copy_there(struct copy *c);

#endif
