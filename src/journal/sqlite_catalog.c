/* Buckets are few and change seldom: two sorted arrays of pointers under one lock for reading and writing.
 *
 * Keys with hints are counted per slot for all slots that could exist, also those the bucket does not have yet: a hint
 * that was there before a replica was added is one for the new replica too. A key with several hints counts once for a
 * slot: whoever adds or drops one tells what the key's others lack.
 *
 * The age of the oldest hint is kept without asking the database as long as hints are only added, or younger ones
 * removed. Once the oldest is removed the old time is kept, an upper bound of the lag, until the reader has
 * searched the oldest anew. Hints that are added while it searches may or may not be in what it sees, so they
 * are noted beside and count again at the end. */
#include "journal/sqlite_catalog.h"

#include <assert.h>
#include <stdlib.h>

void sqlite_catalog_init(struct sqlite_catalog *c)
{
    *c = (struct sqlite_catalog){.by_id = NULL};
    pthread_rwlock_init(&c->lock, NULL);
}

void sqlite_catalog_fini(struct sqlite_catalog *c)
{
    for (size_t i = 0; i < c->count; i++)
        free(c->by_id[i]);
    free(c->by_id);
    free(c->by_name);
    pthread_rwlock_destroy(&c->lock);
}

/* Index of the first entry with an id not below `id`. */
static size_t place_of_id(const struct sqlite_catalog *c, uint32_t id)
{
    size_t low = 0, high = c->count;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (c->by_id[mid]->bucket.id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Index of the first entry with a name not below `name`. */
static size_t place_of_name(const struct sqlite_catalog *c, struct span name)
{
    size_t low = 0, high = c->count;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (span_cmp(span_of(c->by_name[mid]->bucket.name), name) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static struct sqlite_catalog_entry *find_locked(const struct sqlite_catalog *c, uint32_t id)
{
    size_t at = place_of_id(c, id);

    return at < c->count && c->by_id[at]->bucket.id == id ? c->by_id[at] : NULL;
}

static enum err copy_locked(const struct sqlite_catalog_entry *e, struct bucket *out)
{
    if (e && out)
        *out = e->bucket;
    return e ? ERR_OK : ERR_NOT_FOUND;
}

enum err sqlite_catalog_by_id(struct sqlite_catalog *c, uint32_t id, struct bucket *out)
{
    enum err err;

    pthread_rwlock_rdlock(&c->lock);
    err = copy_locked(find_locked(c, id), out);
    pthread_rwlock_unlock(&c->lock);
    return err;
}

enum err sqlite_catalog_by_name(struct sqlite_catalog *c, struct span name, struct bucket *out)
{
    enum err err;
    size_t at;

    pthread_rwlock_rdlock(&c->lock);
    at = place_of_name(c, name);
    err =
        copy_locked(at < c->count && span_is(name, c->by_name[at]->bucket.name) ? c->by_name[at] : NULL, out);
    pthread_rwlock_unlock(&c->lock);
    return err;
}

enum err sqlite_catalog_after(struct sqlite_catalog *c, struct span name, struct bucket *out)
{
    enum err err;
    size_t at;

    pthread_rwlock_rdlock(&c->lock);
    at = place_of_name(c, name);
    if (at < c->count && span_is(name, c->by_name[at]->bucket.name))
        at++;
    err = copy_locked(at < c->count ? c->by_name[at] : NULL, out);
    pthread_rwlock_unlock(&c->lock);
    return err;
}

static bool same_replica(const struct bucket_replica *a, const struct bucket_replica *b)
{
    return strcmp(a->backend, b->backend) == 0 && strcmp(a->remote, b->remote) == 0;
}

static struct bucket_replica *find_replica(struct bucket *b, const struct bucket_replica *r)
{
    for (uint32_t slot = 0; slot < b->replica_count; slot++)
        if (same_replica(&b->replicas[slot], r))
            return &b->replicas[slot];
    return NULL;
}

static bool is_text(const char *field, size_t room)
{
    return field[0] && memchr(field, 0, room);
}

static bool is_valid(const struct bucket *b)
{
    if (!is_text(b->name, sizeof(b->name)) || b->replica_count == 0 || b->replica_count > REPLICAS_MAX)
        return false;
    for (uint32_t i = 0; i < b->replica_count; i++) {
        const struct bucket_replica *r = &b->replicas[i];

        if (!is_text(r->backend, sizeof(r->backend)) || !is_text(r->remote, sizeof(r->remote)))
            return false;
        for (uint32_t k = 0; k < i; k++)
            if (same_replica(r, &b->replicas[k]))
                return false;
    }
    return true;
}

enum err sqlite_catalog_merge(const struct bucket *had, const struct bucket *wanted, struct bucket *out)
{
    if (!is_valid(wanted))
        return ERR_INVALID;
    if (!had) {
        *out = *wanted;
        out->id = 0;
        return ERR_OK;
    }
    *out = *had;
    out->configured = wanted->configured;
    for (uint32_t slot = 0; slot < out->replica_count; slot++)
        out->replicas[slot].retired = true;
    for (uint32_t i = 0; i < wanted->replica_count; i++) {
        struct bucket_replica *r = find_replica(out, &wanted->replicas[i]);

        if (!r && out->replica_count == REPLICAS_MAX)
            return ERR_TOO_LARGE;
        if (!r)
            r = &out->replicas[out->replica_count++];
        *r = wanted->replicas[i];
    }
    return ERR_OK;
}

static enum err grow_locked(struct sqlite_catalog *c)
{
    size_t room = c->room ? 2 * c->room : 8;
    struct sqlite_catalog_entry **by_id, **by_name;

    if (c->count < c->room)
        return ERR_OK;
    by_id = realloc(c->by_id, room * sizeof(struct sqlite_catalog_entry *));
    if (!by_id)
        return ERR_NOMEM;
    c->by_id = by_id;
    by_name = realloc(c->by_name, room * sizeof(struct sqlite_catalog_entry *));
    if (!by_name)
        return ERR_NOMEM;
    c->by_name = by_name;
    c->room = room;
    return ERR_OK;
}

static void insert(struct sqlite_catalog_entry **array, size_t count, size_t at,
                   struct sqlite_catalog_entry *e)
{
    memmove(array + at + 1, array + at, (count - at) * sizeof(struct sqlite_catalog_entry *));
    array[at] = e;
}

static void take_out(struct sqlite_catalog_entry **array, size_t count, size_t at)
{
    memmove(array + at, array + at + 1, (count - at - 1) * sizeof(struct sqlite_catalog_entry *));
}

static enum err add_locked(struct sqlite_catalog *c, const struct bucket *b)
{
    struct sqlite_catalog_entry *e;
    enum err err = grow_locked(c);

    if (err)
        return err;
    e = calloc(1, sizeof(*e));
    if (!e)
        return ERR_NOMEM;
    e->bucket = *b;
    for (int slot = 0; slot < REPLICAS_MAX; slot++)
        e->oldest_unix_ms[slot] = e->added_unix_ms[slot] = UINT64_MAX;
    insert(c->by_id, c->count, place_of_id(c, b->id), e);
    insert(c->by_name, c->count, place_of_name(c, span_of(b->name)), e);
    c->count++;
    return ERR_OK;
}

enum err sqlite_catalog_put(struct sqlite_catalog *c, const struct bucket *b)
{
    struct sqlite_catalog_entry *e;
    enum err err = ERR_OK;

    pthread_rwlock_wrlock(&c->lock);
    e = find_locked(c, b->id);
    if (e)
        e->bucket = *b;
    else
        err = add_locked(c, b);
    pthread_rwlock_unlock(&c->lock);
    return err;
}

void sqlite_catalog_remove(struct sqlite_catalog *c, uint32_t id)
{
    struct sqlite_catalog_entry *e;

    pthread_rwlock_wrlock(&c->lock);
    e = find_locked(c, id);
    if (e) {
        take_out(c->by_id, c->count, place_of_id(c, id));
        take_out(c->by_name, c->count, place_of_name(c, span_of(e->bucket.name)));
        c->count--;
        free(e);
    }
    pthread_rwlock_unlock(&c->lock);
}

static void lower(uint64_t *value, uint64_t to)
{
    if (to < *value)
        *value = to;
}

void sqlite_catalog_add_hint(struct sqlite_catalog *c, uint32_t bucket, uint32_t lacks, uint32_t others_lack,
                             uint64_t unix_ms)
{
    struct sqlite_catalog_entry *e;

    pthread_rwlock_wrlock(&c->lock);
    e = find_locked(c, bucket);
    for (int slot = 0; e && slot < REPLICAS_MAX; slot++) {
        if (!(lacks >> slot & 1))
            continue;
        e->keys[slot] += !(others_lack >> slot & 1);
        lower(&e->oldest_unix_ms[slot], unix_ms);
        lower(&e->added_unix_ms[slot], unix_ms);
    }
    pthread_rwlock_unlock(&c->lock);
}

void sqlite_catalog_drop_hint(struct sqlite_catalog *c, uint32_t bucket, uint32_t lacks, uint32_t others_lack,
                              uint64_t unix_ms)
{
    struct sqlite_catalog_entry *e;

    pthread_rwlock_wrlock(&c->lock);
    e = find_locked(c, bucket);
    for (int slot = 0; e && slot < REPLICAS_MAX; slot++) {
        if (!(lacks >> slot & 1))
            continue;
        assert(e->keys[slot] > 0);
        e->keys[slot] -= !(others_lack >> slot & 1);
        if (e->keys[slot] == 0)
            e->oldest_unix_ms[slot] = UINT64_MAX;
        else if (unix_ms <= e->oldest_unix_ms[slot])
            e->stale = true;
    }
    pthread_rwlock_unlock(&c->lock);
}

bool sqlite_catalog_lag(struct sqlite_catalog *c, uint32_t bucket, uint64_t now_unix_ms,
                        struct replica_lag out[static REPLICAS_MAX])
{
    const struct sqlite_catalog_entry *e;
    bool stale;

    memset(out, 0, REPLICAS_MAX * sizeof(*out));
    pthread_rwlock_rdlock(&c->lock);
    e = find_locked(c, bucket);
    for (uint32_t slot = 0; e && slot < e->bucket.replica_count; slot++) {
        if (e->bucket.replicas[slot].retired || !e->keys[slot])
            continue;
        out[slot].hints = e->keys[slot];
        if (e->oldest_unix_ms[slot] < now_unix_ms)
            out[slot].lag_ms = now_unix_ms - e->oldest_unix_ms[slot];
    }
    stale = e && e->stale;
    pthread_rwlock_unlock(&c->lock);
    return stale;
}

uint32_t sqlite_catalog_search_begin(struct sqlite_catalog *c, uint32_t bucket, uint32_t *slots)
{
    uint32_t found = 0;

    *slots = 0;
    pthread_rwlock_wrlock(&c->lock);
    for (size_t at = place_of_id(c, bucket + 1); at < c->count && !found; at++) {
        struct sqlite_catalog_entry *e = c->by_id[at];

        if (!e->stale)
            continue;
        e->stale = false;
        found = e->bucket.id;
        for (int slot = 0; slot < REPLICAS_MAX; slot++) {
            e->added_unix_ms[slot] = UINT64_MAX;
            if (e->keys[slot])
                *slots |= 1u << slot;
        }
    }
    pthread_rwlock_unlock(&c->lock);
    return found;
}

void sqlite_catalog_search_end(struct sqlite_catalog *c, uint32_t bucket, const uint64_t *oldest_unix_ms)
{
    struct sqlite_catalog_entry *e;

    pthread_rwlock_wrlock(&c->lock);
    e = find_locked(c, bucket);
    if (e && !oldest_unix_ms)
        e->stale = true;
    for (int slot = 0; e && oldest_unix_ms && slot < REPLICAS_MAX; slot++) {
        e->oldest_unix_ms[slot] = UINT64_MAX;
        if (e->keys[slot]) {
            lower(&e->oldest_unix_ms[slot], oldest_unix_ms[slot]);
            lower(&e->oldest_unix_ms[slot], e->added_unix_ms[slot]);
        }
    }
    pthread_rwlock_unlock(&c->lock);
}
