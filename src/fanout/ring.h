/* fanout/ring.h - the bytes of one body between one producer and several readers.
 *
 * A queue of chunks from the body budget, addressed by absolute offsets in the body. The producer fills
 * its end; readers look at any offset that was not dropped yet; whoever knows the slowest reader drops. */
#ifndef FANOUT_RING_H
#define FANOUT_RING_H

#include "base/chunk.h"

#include <stdbool.h>
#include <sys/uio.h>

struct ring {
    struct chunk_budget *budget;
    struct chunk *first, *last;
    uint32_t chunks, chunks_max;
    uint64_t start; /* offset of first->data[0] */
    uint64_t end;   /* bytes produced */
};

/* Takes the first chunk, the ticket of this body. ERR_BUSY: the budget is spent. A ring that is all zeros
 * may be passed to ring_fini. */
enum err ring_init(struct ring *r, struct chunk_budget *budget, uint32_t chunks_max) MUST_CHECK;
void ring_fini(struct ring *r);

/* Where the next bytes go; at least one byte of room. ERR_AGAIN: full, wait for ring_drop. */
enum err ring_room(struct ring *r, struct iovec *out) MUST_CHECK;
void ring_produced(struct ring *r, size_t bytes);
/* Bytes from `offset` (>= start) on: fills up to *count pieces. ERR_AGAIN: there are none yet. */
enum err ring_peek(const struct ring *r, uint64_t offset, struct iovec *iov, int *count) MUST_CHECK;
/* Nobody needs the bytes before `offset` any more. True when that gave room to a full ring. */
bool ring_drop(struct ring *r, uint64_t offset);
bool ring_full(const struct ring *r);

#endif
