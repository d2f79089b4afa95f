#include "bench/objects.h"
#include "base/hash.h"
#include "bench/wire.h"

#include <stdlib.h>

void objects_init(struct objects *all)
{
    *all = (struct objects){.chain_count = 1 << 12};
    all->chains = must_alloc(all->chain_count * sizeof(all->chains[0]));
}

struct object *object_make(struct span path, uint64_t bytes, struct span stamp)
{
    struct object *o = must_alloc(sizeof(*o) + path.len);

    o->bytes = bytes;
    stamp = span_head(stamp, STAMP_ROOM - 1);
    if (stamp.len)
        memcpy(o->stamp, stamp.at, stamp.len);
    o->path_len = path.len;
    memcpy(o->path, path.at, path.len);
    return o;
}

static struct span path_of(const struct object *o)
{
    return (struct span){o->path, o->path_len};
}

/* The link that points at the object of that path, or the end of its chain. */
static struct object **find(const struct objects *all, struct span path)
{
    struct object **link = &all->chains[hash64(path, 0) & (all->chain_count - 1)];

    while (*link && !span_eq(path_of(*link), path))
        link = &(*link)->next;
    return link;
}

static void grow(struct objects *all)
{
    struct objects wider = {.chain_count = 2 * all->chain_count, .count = all->count};

    wider.chains = must_alloc(wider.chain_count * sizeof(wider.chains[0]));
    for (size_t i = 0; i < all->chain_count; i++) {
        struct object *o = all->chains[i];

        while (o) {
            struct object *next = o->next, **link = find(&wider, path_of(o));

            o->next = NULL;
            *link = o;
            o = next;
        }
    }
    free(all->chains);
    *all = wider;
}

void objects_put(struct objects *all, struct object *o)
{
    struct object **link = find(all, path_of(o)), *old = *link;

    o->next = old ? old->next : NULL;
    *link = o;
    free(old);
    if (!old && ++all->count > all->chain_count)
        grow(all);
}

const struct object *objects_get(const struct objects *all, struct span path)
{
    return *find(all, path);
}

void objects_remove(struct objects *all, struct span path)
{
    struct object **link = find(all, path), *old = *link;

    if (!old)
        return;
    *link = old->next;
    free(old);
    all->count--;
}
