/* gateway/copy.h - an object read from where it is current and written as another, or as itself with something changed:
 * CopyObject and the changes of tags. */
#ifndef GATEWAY_COPY_H
#define GATEWAY_COPY_H

#include "gateway/writing.h"

struct copy;

struct copy_spec {
    const struct catalog_bucket *source; /* stays as long as the exchange, as all here */
    struct span source_key;
    const struct http_header *conditions; /* of the source */
    size_t condition_count;
    /* The source's, or these. */
    const struct http_header *metadata; /* NULL: the source's */
    size_t metadata_count;
    const struct s3_tags *tags; /* NULL: the source's */
    /* The source is the target: what was read must still be there when it is written, else it is read anew. */
    bool in_place;
    /* Stored, v->result is ERR_OK; or nothing had to be done, v is NULL. Everything else has been answered. */
    void (*done)(struct exchange *x, const struct write_verdict *v);
};

/* The target is the request's bucket and key; x->guard is set up (writing_guard). */
void copy_start(struct exchange *x, const struct copy_spec *spec);
/* In `done`: the checksum that the copy was written with. */
struct copy_checksum {
    enum s3_checksum kind;
    size_t bytes; /* 0: none */
    uint8_t value[SHA256_BYTES];
};
struct copy_checksum copy_checksum(const struct exchange *x);
/* For operation.end. */
void copy_end(struct exchange *x);

#endif
