/* Walks over listings whose answers are made up: they end, stay within their page, and what they give out is in order and
 * behind the place that was asked for. */
#include "replica/list_walk.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PAGE_BYTES = 8 * 1024, ENTRIES_MAX = 8 };

static struct span take(struct span *from, size_t most)
{
    size_t len = from->len ? (uint8_t)from->at[0] % (most + 1) : 0;
    struct span text = span_head(span_skip(*from, 1), len);

    *from = span_skip(*from, 1 + text.len);
    return text;
}

/* An answer's entries have the prefix and are groups only where they may be, as s3_list.c sees to. */
static void answer(struct list_walk *w, const struct list_ask *ask, struct span *from)
{
    uint8_t shape = from->len ? (uint8_t)from->at[0] : 0;
    char text[64];

    *from = span_skip(*from, 1);
    w->truncated = shape & 1;
    for (unsigned i = 0; i < (shape >> 1) % ENTRIES_MAX && i < ask->most && ask->prefix.len < 32; i++) {
        struct span key = {text, (size_t)(span_put(span_put(text, ask->prefix), take(from, 12)) - text)};
        size_t slash = ask->prefix.len + span_find(span_skip(key, ask->prefix.len), '/');
        struct replica_entry e = {
            .key = key, .etag = SPAN_EMPTY, .is_group = ask->grouped && slash < key.len};

        if (e.is_group)
            e.key.len = slash + 1;
        if (e.key.len == 0 || !replica_page_add(ask->into, &e))
            break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint32_t room[PAGE_BYTES / sizeof(uint32_t)];
    static struct list_walk w;
    struct span from = {(const char *)data, size}, prefix, after;
    struct replica_page page;
    struct list_ask ask;
    uint8_t shape = size ? data[0] : 0;

    from = span_skip(from, 1);
    prefix = take(&from, 6);
    after = take(&from, 12);
    replica_page_init(&page, room, sizeof(room));
    if (!list_walk_init(&w, (enum list_order)(shape % 3), &page, prefix, shape & 4, after,
                        1 + (shape >> 3) % ENTRIES_MAX))
        abort();
    while (list_walk_next(&w, &ask)) {
        if (ask.into->count || !span_starts(ask.prefix, prefix) ||
            (ask.after.len && !span_starts(ask.after, ask.prefix)))
            abort();
        answer(&w, &ask, &from);
    }
    if (w.failed)
        return 0;
    for (uint32_t i = 0; i < page.count; i++) {
        struct replica_entry e = replica_page_get(&page, i);

        if (!span_starts(e.key, prefix) || span_cmp(e.key, after) <= 0 ||
            (i && span_cmp(replica_page_get(&page, i - 1).key, e.key) > 0))
            abort();
    }
    if (page.count == 0 && page.more)
        abort();
    return 0;
}
