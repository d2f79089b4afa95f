/* chunk.h - the body budget: all body bytes in the process live in chunks bought from it.
 *
 * A chunk is CHUNK_BYTES of memory; the budget bounds how many exist at once, over all loops.
 * No chunk, no read from the client: back-pressure instead of growth. Freed chunks are kept for
 * reuse up to a small number and given back to the system beyond it. Thread safe. */
#ifndef BASE_CHUNK_H
#define BASE_CHUNK_H

#include "base/err.h"

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

enum { CHUNK_BYTES = 512 * 1024 };

struct chunk {
    struct chunk *next;
    uint32_t len; /* bytes in use; for the owner */
    char *data;   /* CHUNK_BYTES of them */
};

struct chunk_budget {
    pthread_mutex_t lock;
    struct chunk *spare;
    uint32_t spare_count;
    uint32_t taken, limit; /* chunks */
};

void chunk_budget_init(struct chunk_budget *b, uint64_t limit_bytes);
void chunk_budget_fini(struct chunk_budget *b);
/* NULL: the budget is spent. */
struct chunk *chunk_take(struct chunk_budget *b) MUST_CHECK;
/* The same, but only while most of the budget is free: for a ring that already has a chunk and would like to run
 * further ahead. What runs ahead must not be what keeps others from their first chunk. */
struct chunk *chunk_take_extra(struct chunk_budget *b) MUST_CHECK;
void chunk_give(struct chunk_budget *b, struct chunk *c);
uint32_t chunk_taken(struct chunk_budget *b);

#endif
