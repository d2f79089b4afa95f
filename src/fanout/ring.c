#include "fanout/ring.h"

#include <assert.h>

enum err ring_init(struct ring *r, struct chunk_budget *budget, uint32_t chunks_max)
{
    *r = (struct ring){.budget = budget, .chunks_max = chunks_max};
    r->first = r->last = chunk_take(budget);
    if (!r->first)
        return ERR_BUSY;
    r->chunks = 1;
    return ERR_OK;
}

void ring_fini(struct ring *r)
{
    while (r->first) {
        struct chunk *c = r->first;

        r->first = c->next;
        chunk_give(r->budget, c);
    }
    *r = (struct ring){.budget = r->budget};
}

bool ring_full(const struct ring *r)
{
    return !r->last || (r->last->len == CHUNK_BYTES && r->chunks >= r->chunks_max);
}

enum err ring_room(struct ring *r, struct iovec *out)
{
    if (!r->last)
        return ERR_AGAIN;
    if (r->last->len == CHUNK_BYTES) {
        struct chunk *more = r->chunks < r->chunks_max ? chunk_take_extra(r->budget) : NULL;

        if (!more)
            return ERR_AGAIN;
        r->last = r->last->next = more;
        r->chunks++;
    }
    out->iov_base = r->last->data + r->last->len;
    out->iov_len = CHUNK_BYTES - r->last->len;
    return ERR_OK;
}

void ring_produced(struct ring *r, size_t bytes)
{
    assert(r->last && bytes <= CHUNK_BYTES - r->last->len);
    r->last->len += (uint32_t)bytes;
    r->end += bytes;
}

enum err ring_peek(const struct ring *r, uint64_t offset, struct iovec *iov, int *count)
{
    const struct chunk *c = r->first;
    uint64_t at = r->start;
    int room = *count;

    assert(offset >= r->start && offset <= r->end);
    *count = 0;
    for (; c && at + c->len <= offset; c = c->next)
        at += c->len;
    for (; c && *count < room && c->len; c = c->next) {
        size_t skip = offset > at ? (size_t)(offset - at) : 0;

        iov[*count].iov_base = c->data + skip;
        iov[(*count)++].iov_len = c->len - skip;
        at += c->len;
    }
    return *count ? ERR_OK : ERR_AGAIN;
}

/* The last chunk is kept, emptied when all of it was read: a ring never gives its ticket back before its end. */
bool ring_drop(struct ring *r, uint64_t offset)
{
    bool was_full = ring_full(r);

    while (r->first && r->first->len == CHUNK_BYTES && r->start + CHUNK_BYTES <= offset) {
        struct chunk *c = r->first;

        r->start += CHUNK_BYTES;
        if (c == r->last) {
            c->len = 0;
            break;
        }
        r->first = c->next;
        r->chunks--;
        chunk_give(r->budget, c);
    }
    return was_full && !ring_full(r);
}
