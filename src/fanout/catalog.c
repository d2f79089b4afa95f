/* The journal's catalogue is the truth; this is a cache of it with replica objects made of its words.
 *
 * The journal answers look-ups from memory at once, so each look-up here asks it first and compares: an entry whose
 * record has changed is rebuilt in place, one whose bucket is gone is freed. Replica objects are kept by (backend,
 * remote) for as long as the catalog lives: writes and repairs under way may use them longer than the bucket lives,
 * and a bucket that is made again finds them.
 *
 * A bucket with a replica that cannot be opened is not served at all: writing to the others only would be a
 * difference that no row records. The service checks at start that every backend of the catalogue is configured. */
#include "fanout/catalog.h"

#include "base/list.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

enum { HASH_SLOTS = 512 };

struct entry {
    struct catalog_bucket bucket;
    struct list by_name, by_id;
};

struct member {
    struct list node;
    struct replica *replica;
    char backend[64], remote[64];
};

struct catalog {
    struct catalog_options options;
    struct list by_name[HASH_SLOTS], by_id[HASH_SLOTS], members;
};

enum err catalog_open(struct catalog **out, const struct catalog_options *options)
{
    struct catalog *c = calloc(1, sizeof(*c));

    *out = c;
    if (!c)
        return ERR_NOMEM;
    c->options = *options;
    list_init(&c->members);
    for (size_t i = 0; i < HASH_SLOTS; i++) {
        list_init(&c->by_name[i]);
        list_init(&c->by_id[i]);
    }
    return ERR_OK;
}

static void drop(struct entry *e)
{
    list_remove(&e->by_name);
    list_remove(&e->by_id);
    free(e);
}

void catalog_free(struct catalog *c)
{
    struct list *node, *next;

    if (!c)
        return;
    for (size_t i = 0; i < HASH_SLOTS; i++) {
        for (node = c->by_id[i].next; node != &c->by_id[i]; node = next) {
            next = node->next;
            free(LIST_ENTRY(node, struct entry, by_id));
        }
    }
    for (node = c->members.next; node != &c->members; node = next) {
        struct member *m = LIST_ENTRY(node, struct member, node);

        next = node->next;
        c->options.close(c->options.ctx, m->replica);
        free(m);
    }
    free(c);
}

static struct list *name_slot(struct catalog *c, struct span name)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a: names are few and come from the journal */

    for (size_t i = 0; i < name.len; i++)
        h = (h ^ (unsigned char)name.at[i]) * 1099511628211u;
    return &c->by_name[h % HASH_SLOTS];
}

static struct list *id_slot(struct catalog *c, uint32_t id)
{
    return &c->by_id[id % HASH_SLOTS];
}

static struct entry *find_name(struct catalog *c, struct span name)
{
    struct list *slot = name_slot(c, name);

    for (struct list *n = slot->next; n != slot; n = n->next) {
        struct entry *e = LIST_ENTRY(n, struct entry, by_name);

        if (span_is(name, e->bucket.record.name))
            return e;
    }
    return NULL;
}

static struct entry *find_id(struct catalog *c, uint32_t id)
{
    struct list *slot = id_slot(c, id);

    for (struct list *n = slot->next; n != slot; n = n->next) {
        struct entry *e = LIST_ENTRY(n, struct entry, by_id);

        if (e->bucket.record.id == id)
            return e;
    }
    return NULL;
}

static bool same_record(const struct bucket *a, const struct bucket *b)
{
    if (a->id != b->id || a->replica_count != b->replica_count || a->configured != b->configured)
        return false;
    for (uint32_t i = 0; i < a->replica_count; i++)
        if (a->replicas[i].retired != b->replicas[i].retired ||
            strcmp(a->replicas[i].backend, b->replicas[i].backend) != 0 ||
            strcmp(a->replicas[i].remote, b->replicas[i].remote) != 0)
            return false;
    return true;
}

struct replica *catalog_replica(struct catalog *c, const char *backend, const char *remote)
{
    struct member *m;

    for (struct list *n = c->members.next; n != &c->members; n = n->next) {
        m = LIST_ENTRY(n, struct member, node);
        if (strcmp(m->backend, backend) == 0 && strcmp(m->remote, remote) == 0)
            return m->replica;
    }
    m = calloc(1, sizeof(*m));
    if (!m)
        return NULL;
    m->replica = c->options.open(c->options.ctx, backend, remote);
    if (!m->replica) {
        free(m);
        return NULL;
    }
    snprintf(m->backend, sizeof(m->backend), "%s", backend);
    snprintf(m->remote, sizeof(m->remote), "%s", remote);
    list_append(&c->members, &m->node);
    return m->replica;
}

static bool build(struct catalog *c, struct catalog_bucket *out, const struct bucket *record)
{
    uint32_t used = 0;

    *out = (struct catalog_bucket){.record = *record};
    for (uint32_t i = 0; i < record->replica_count; i++) {
        const struct bucket_replica *r = &record->replicas[i];

        if (r->retired)
            continue;
        out->set.by_slot[i] = catalog_replica(c, r->backend, r->remote);
        if (!out->set.by_slot[i]) {
            log_error("bucket_unusable", LOG_STR("bucket", record->name), LOG_STR("backend", r->backend),
                      LOG_STR("cause", "its backend is not configured"));
            return false;
        }
        out->set.mask |= 1u << i;
        used++;
    }
    out->ack = c->options.ack(c->options.ctx, record->name, used);
    return used > 0;
}

/* The entry for what the journal says now. */
static const struct catalog_bucket *entry_for(struct catalog *c, struct entry *e, const struct bucket *record)
{
    if (e && e->bucket.record.id != record->id) {
        drop(e);
        e = NULL;
    }
    if (e && same_record(&e->bucket.record, record))
        return &e->bucket;
    if (!e) {
        e = calloc(1, sizeof(*e));
        if (!e)
            return NULL;
        list_append(name_slot(c, span_of(record->name)), &e->by_name);
        list_append(id_slot(c, record->id), &e->by_id);
    }
    if (build(c, &e->bucket, record))
        return &e->bucket;
    drop(e);
    return NULL;
}

const struct catalog_bucket *catalog_by_name(struct catalog *c, struct span name)
{
    struct journal *j = c->options.journal;
    struct entry *e = find_name(c, name);
    struct bucket record;

    if (j->ops->bucket_by_name(j, name, &record))
        return entry_for(c, e, &record);
    if (e)
        drop(e);
    return NULL;
}

const struct catalog_bucket *catalog_by_id(struct catalog *c, uint32_t id)
{
    struct journal *j = c->options.journal;
    struct entry *e = find_id(c, id);
    struct bucket record;

    if (j->ops->bucket_by_id(j, id, &record))
        return entry_for(c, e ? e : find_name(c, span_of(record.name)), &record);
    if (e)
        drop(e);
    return NULL;
}
