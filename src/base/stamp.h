/* stamp.h - names of contents and the hybrid logical clock that orders writes (docs/protocol.md).
 *
 * A stamp names one content for ever. It is 128 bits, written as 26 characters of lower-case
 * Crockford base32 (the shape of a ULID): 48 bits unix milliseconds, 16 bits counter, 32 bits node,
 * 32 bits drawn when the process started, so that neither a clock set back nor a cloned node id
 * can name two contents alike.
 * A version is the first 64 bits of such a stamp: (unix ms << 16) + counter. */
#ifndef BASE_STAMP_H
#define BASE_STAMP_H

#include "base/span.h"

enum { STAMP_BYTES = 16, STAMP_CHARS = 26 };

struct stamp {
    uint8_t b[STAMP_BYTES]; /* big-endian, so that memcmp orders by time */
};

/* Shared by all loops; thread safe. */
struct hlc {
    _Atomic uint64_t last; /* greatest version given out or seen */
    uint32_t node, incarnation;
};

void hlc_init(struct hlc *h, uint32_t node, uint32_t incarnation);
/* A version above all given out and seen so far, and not below unix_ms << 16. */
uint64_t hlc_next(struct hlc *h, uint64_t unix_ms);
/* Lifts the clock: later versions are above `version`. */
void hlc_see(struct hlc *h, uint64_t version);

struct stamp stamp_make(const struct hlc *h, uint64_t version);
uint64_t stamp_version(const struct stamp *s);
/* `out` gets STAMP_CHARS characters and no NUL. */
void stamp_print(const struct stamp *s, char out[static STAMP_CHARS]);
/* False unless it is exactly 26 lower-case Crockford characters of a 128-bit value. */
bool stamp_parse(struct span text, struct stamp *out);

static inline bool stamp_eq(const struct stamp *a, const struct stamp *b)
{
    return memcmp(a->b, b->b, STAMP_BYTES) == 0;
}

#endif
