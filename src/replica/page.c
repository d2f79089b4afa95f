/* Records from the front of the room, their places from its back:
 *
 *     | record 0 | record 1 | ...           free            ... | place 1 | place 0 |
 *
 * Sorting and cutting move places only. */
#include "replica/page.h"

#include <assert.h>
#include <stdlib.h>

struct record {
    uint64_t body_bytes, modified_ms;
    uint16_t key_bytes, etag_bytes;
    bool is_group;
};

void replica_page_init(struct replica_page *p, void *room, size_t room_bytes)
{
    *p = (struct replica_page){.room = room, .room_bytes = room_bytes};
    assert((uintptr_t)room % sizeof(uint32_t) == 0 && room_bytes % sizeof(uint32_t) == 0 &&
           room_bytes <= UINT32_MAX);
}

void replica_page_clear(struct replica_page *p)
{
    p->used = 0;
    p->count = 0;
    p->more = p->sure = false;
}

static uint32_t *place(const struct replica_page *p, uint32_t at)
{
    return (uint32_t *)(void *)(p->room + p->room_bytes) - 1 - at;
}

static struct record record_of(const struct replica_page *p, uint32_t offset)
{
    struct record r;

    memcpy(&r, p->room + offset, sizeof(r));
    return r;
}

static struct span key_of(const struct replica_page *p, uint32_t offset)
{
    struct record r = record_of(p, offset);

    return (struct span){p->room + offset + sizeof(r) + r.etag_bytes, r.key_bytes};
}

static struct span key_at(const struct replica_page *p, uint32_t at)
{
    assert(at < p->count);
    return key_of(p, *place(p, at));
}

bool replica_page_add(struct replica_page *p, const struct replica_entry *e)
{
    struct record r = {.body_bytes = e->body_bytes,
                       .modified_ms = e->modified_ms,
                       .key_bytes = (uint16_t)e->key.len,
                       .etag_bytes = (uint16_t)e->etag.len,
                       .is_group = e->is_group};
    size_t bytes = sizeof(r) + e->etag.len + e->key.len;
    size_t free_bytes = p->room_bytes - p->used - p->count * sizeof(uint32_t);
    char *at = p->room + p->used;

    assert(e->key.len <= PAGE_TEXT_BYTES_MAX && e->etag.len <= PAGE_ETAG_BYTES_MAX);
    if (free_bytes < bytes + sizeof(uint32_t))
        return false;
    memcpy(at, &r, sizeof(r));
    at = span_put(at + sizeof(r), e->etag); /* before the key, which may be made shorter later */
    span_put(at, e->key);
    *place(p, p->count++) = (uint32_t)p->used;
    p->used += bytes;
    return true;
}

struct replica_entry replica_page_get(const struct replica_page *p, uint32_t at)
{
    struct span key = key_at(p, at);
    struct record r = record_of(p, *place(p, at));

    return (struct replica_entry){
        .key = key,
        .is_group = r.is_group,
        .body_bytes = r.body_bytes,
        .modified_ms = r.modified_ms,
        .etag = {p->room + *place(p, at) + sizeof(r), r.etag_bytes},
    };
}

char *replica_page_text(struct replica_page *p, uint32_t at, size_t *len)
{
    struct span key = key_at(p, at);

    *len = key.len;
    return p->room + (key.at - p->room);
}

void replica_page_set_text(struct replica_page *p, uint32_t at, size_t len)
{
    struct record r = record_of(p, *place(p, at));

    assert(at < p->count && len <= r.key_bytes);
    r.key_bytes = (uint16_t)len;
    memcpy(p->room + *place(p, at), &r, sizeof(r));
}

/* The places lie backwards, so what is smaller comes later. */
static int compare(const void *a, const void *b, void *page)
{
    return span_cmp(key_of(page, *(const uint32_t *)b), key_of(page, *(const uint32_t *)a));
}

static bool is_sorted(const struct replica_page *p, bool *distinct)
{
    *distinct = true;
    for (uint32_t at = 1; at < p->count; at++) {
        int order = span_cmp(key_at(p, at - 1), key_at(p, at));

        if (order > 0)
            return false;
        *distinct = *distinct && order < 0;
    }
    return true;
}

bool replica_page_sort(struct replica_page *p)
{
    bool distinct;

    if (!is_sorted(p, &distinct)) {
        qsort_r(place(p, p->count - 1), p->count, sizeof(uint32_t), compare, p);
        (void)!is_sorted(p, &distinct);
    }
    return distinct;
}

uint32_t replica_page_rank(const struct replica_page *p, struct span text)
{
    uint32_t low = 0, high = p->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (span_cmp(key_at(p, middle), text) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void replica_page_cut(struct replica_page *p, uint32_t from, uint32_t to)
{
    assert(from <= to && to <= p->count);
    p->count = to - from;
    if (p->count)
        memmove(place(p, p->count - 1), place(p, to - 1), p->count * sizeof(uint32_t));
}
