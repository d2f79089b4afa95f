#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>

enum { BLOCK_BYTES = 8 * 1024 };

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    _Alignas(16) char data[];
};

void arena_init(struct arena *a, size_t cap_bytes)
{
    *a = (struct arena){.cap_bytes = cap_bytes};
}

static void free_blocks(struct arena_block *b)
{
    while (b) {
        struct arena_block *next = b->next;

        free(b);
        b = next;
    }
}

void arena_fini(struct arena *a)
{
    free_blocks(a->blocks);
    a->blocks = NULL;
    a->used_bytes = 0;
}

void arena_reset(struct arena *a)
{
    if (!a->blocks)
        return;
    free_blocks(a->blocks->next);
    a->blocks->next = NULL;
    a->blocks->used = 0;
    a->used_bytes = a->blocks->size;
}

static struct arena_block *grow(struct arena *a, size_t bytes)
{
    size_t size = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES, room = a->cap_bytes - a->used_bytes;
    struct arena_block *b;

    if (size > room)
        size = room;
    if (bytes > size)
        return NULL;
    b = malloc(sizeof(*b) + size);
    if (!b)
        return NULL;
    b->next = a->blocks;
    b->used = 0;
    b->size = size;
    a->blocks = b;
    a->used_bytes += size;
    return b;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
    struct arena_block *b = a->blocks;
    void *p;

    if (bytes > a->cap_bytes)
        return NULL;
    bytes = (bytes + 15) & ~(size_t)15;
    if (!b || bytes > b->size - b->used)
        b = grow(a, bytes);
    if (!b)
        return NULL;
    p = b->data + b->used;
    b->used += bytes;
    return p;
}

void *arena_zalloc(struct arena *a, size_t bytes)
{
    void *p = arena_alloc(a, bytes);

    return p ? memset(p, 0, bytes) : NULL;
}

struct span arena_dup(struct arena *a, struct span s)
{
    char *p = arena_alloc(a, s.len + 1);

    if (!p)
        return (struct span){NULL, 0};
    if (s.len)
        memcpy(p, s.at, s.len);
    p[s.len] = '\0';
    return (struct span){p, s.len};
}

struct span arena_printf(struct arena *a, const char *format, ...)
{
    va_list args, again;
    char *p;
    int n;

    va_start(args, format);
    va_copy(again, args);
    n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    p = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
    if (p)
        vsnprintf(p, (size_t)n + 1, format, again);
    va_end(again);
    return p ? (struct span){p, (size_t)n} : (struct span){NULL, 0};
}
