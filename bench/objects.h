/* objects.h - what the sink remembers of each object: everything but its bytes. */
#ifndef BENCH_OBJECTS_H
#define BENCH_OBJECTS_H

#include "base/span.h"

enum { STAMP_ROOM = 64 };

struct object {
    struct object *next; /* in its hash chain */
    uint64_t bytes;
    char stamp[STAMP_ROOM]; /* x-amz-meta-s3mirror-stamp of the last PUT, "" when it had none */
    size_t path_len;
    char path[]; /* /bucket/key as on the wire, still percent-encoded */
};

struct objects {
    struct object **chains;
    size_t chain_count, count;
};

void objects_init(struct objects *all);
/* A copy on the heap, in no table; objects_put or free takes it over. */
struct object *object_make(struct span path, uint64_t bytes, struct span stamp);
/* Takes `o` and frees the one of the same path, if any. */
void objects_put(struct objects *all, struct object *o);
const struct object *objects_get(const struct objects *all, struct span path);
void objects_remove(struct objects *all, struct span path);

#endif
