/* arena.h - memory of one exchange: bump allocation with a hard cap, freed as a whole. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/err.h"
#include "base/span.h"

#include <stdarg.h>

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used_bytes, cap_bytes;
};

/* Nothing is allocated before the first call. */
void arena_init(struct arena *a, size_t cap_bytes);
void arena_fini(struct arena *a);
/* Empties it and keeps one block for the next exchange; the cap stays. */
void arena_reset(struct arena *a);

/* 16-byte aligned, not cleared; NULL when the cap is reached or malloc fails. */
void *arena_alloc(struct arena *a, size_t bytes) MUST_CHECK;
/* Cleared. */
void *arena_zalloc(struct arena *a, size_t bytes) MUST_CHECK;
/* Copies; the copy is NUL-terminated behind its length. at == NULL: the cap is reached. */
struct span arena_dup(struct arena *a, struct span s) MUST_CHECK;
struct span arena_printf(struct arena *a, const char *format, ...)
    __attribute__((format(printf, 2, 3))) MUST_CHECK;

#endif
