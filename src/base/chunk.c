#include "base/chunk.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Bytes of a mapping before the data. A copy whose source begins a page goes at half the speed on some processors when
 * its target lies a little further into its own page, as it does behind a head in a socket's buffer. */
enum { SPARE_CHUNKS = 32, LEAD_BYTES = 2048, MAP_BYTES = CHUNK_BYTES + 2 * LEAD_BYTES };

enum { EXTRA_SHARE = 8 };

void chunk_budget_init(struct chunk_budget *b, uint64_t limit_bytes)
{
    *b = (struct chunk_budget){.limit = (uint32_t)(limit_bytes / CHUNK_BYTES)};
    pthread_mutex_init(&b->lock, NULL);
}

static void chunk_unmap(struct chunk *c)
{
    munmap(c->data - LEAD_BYTES, MAP_BYTES);
    free(c);
}

void chunk_budget_fini(struct chunk_budget *b)
{
    assert(b->taken == 0);
    while (b->spare) {
        struct chunk *c = b->spare;

        b->spare = c->next;
        chunk_unmap(c);
    }
    pthread_mutex_destroy(&b->lock);
}

static struct chunk *chunk_map(void)
{
    struct chunk *c = malloc(sizeof(*c));
    void *map;

    if (!c)
        return NULL;
    map = mmap(NULL, MAP_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) {
        free(c);
        return NULL;
    }
    c->data = (char *)map + LEAD_BYTES;
    return c;
}

static struct chunk *take(struct chunk_budget *b, uint32_t limit)
{
    struct chunk *c = NULL;

    pthread_mutex_lock(&b->lock);
    if (b->taken < limit) {
        c = b->spare;
        if (c) {
            b->spare = c->next;
            b->spare_count--;
        } else {
            c = chunk_map();
        }
        b->taken += c != NULL;
    }
    pthread_mutex_unlock(&b->lock);
    if (c) {
        c->next = NULL;
        c->len = 0;
    }
    return c;
}

struct chunk *chunk_take(struct chunk_budget *b)
{
    return take(b, b->limit);
}

struct chunk *chunk_take_extra(struct chunk_budget *b)
{
    return take(b, b->limit / EXTRA_SHARE);
}

void chunk_give(struct chunk_budget *b, struct chunk *c)
{
    pthread_mutex_lock(&b->lock);
    assert(b->taken);
    b->taken--;
    if (b->spare_count < SPARE_CHUNKS) {
        c->next = b->spare;
        b->spare = c;
        b->spare_count++;
        c = NULL;
    }
    pthread_mutex_unlock(&b->lock);
    if (c)
        chunk_unmap(c);
}

uint32_t chunk_taken(struct chunk_budget *b)
{
    uint32_t n;

    pthread_mutex_lock(&b->lock);
    n = b->taken;
    pthread_mutex_unlock(&b->lock);
    return n;
}
