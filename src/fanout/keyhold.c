/* A shard is a list of tickets in the order of asking. A ticket holds its key when nothing before it with the same hash
 * stands against that: alone, nothing at all; beside others, nothing that is alone. So one that waits to be alone keeps
 * later ones back, and is itself reached.
 *
 * Locks: a shard's, then a port's. A ticket is delivered and released on its own loop, so neither can meet the other. */
#include "fanout/keyhold.h"

#include <assert.h>

void keyhold_init(struct keyhold *k)
{
    for (int i = 0; i < KEYHOLD_SHARDS; i++) {
        pthread_mutex_init(&k->shards[i].lock, NULL);
        list_init(&k->shards[i].tickets);
    }
}

void keyhold_fini(struct keyhold *k)
{
    for (int i = 0; i < KEYHOLD_SHARDS; i++) {
        assert(list_empty(&k->shards[i].tickets));
        pthread_mutex_destroy(&k->shards[i].lock);
    }
}

void keyhold_port_init(struct keyhold_port *p, struct keyhold *table, void (*wake)(struct keyhold_port *p))
{
    *p = (struct keyhold_port){.table = table, .wake = wake};
    pthread_mutex_init(&p->lock, NULL);
    list_init(&p->granted);
}

void keyhold_port_fini(struct keyhold_port *p)
{
    assert(list_empty(&p->granted));
    pthread_mutex_destroy(&p->lock);
}

/* FNV-1a */
static uint64_t hash_of(uint32_t bucket, struct span key)
{
    uint64_t h = 14695981039346656037u ^ bucket;

    for (size_t i = 0; i < key.len; i++)
        h = (h ^ (uint8_t)key.at[i]) * 1099511628211u;
    return h ^ h >> 29;
}

static struct keyhold_shard *shard_of(const struct keyhold_ticket *t)
{
    return &t->port->table->shards[t->hash % KEYHOLD_SHARDS];
}

static void tell(struct keyhold_ticket *t)
{
    struct keyhold_port *p = t->port;

    pthread_mutex_lock(&p->lock);
    list_append(&p->granted, &t->ready);
    if (!p->woken) {
        p->woken = true;
        p->wake(p);
    }
    pthread_mutex_unlock(&p->lock);
}

/* Whoever has this hash and is held back no longer gets the key. */
static void grant_locked(struct keyhold_shard *s, uint64_t hash)
{
    bool any = false, alone = false;

    for (struct list *l = s->tickets.next; l != &s->tickets && !alone; l = l->next) {
        struct keyhold_ticket *t = LIST_ENTRY(l, struct keyhold_ticket, node);

        if (t->hash != hash)
            continue;
        if (!t->held && !(t->alone && any)) {
            t->held = true;
            tell(t);
        }
        any = true;
        alone = t->alone;
    }
}

enum err keyhold_ask(struct keyhold_port *p, struct keyhold_ticket *t, uint32_t bucket, struct span key,
                     bool alone)
{
    struct keyhold_shard *s;
    bool free = true;

    assert(!t->port && t->granted);
    t->port = p;
    t->alone = alone;
    t->hash = hash_of(bucket, key);
    list_init(&t->ready);
    list_init(&t->node);
    s = shard_of(t);
    pthread_mutex_lock(&s->lock);
    for (struct list *l = s->tickets.next; l != &s->tickets && free; l = l->next) {
        const struct keyhold_ticket *other = LIST_ENTRY(l, const struct keyhold_ticket, node);

        free = other->hash != t->hash || !(alone || other->alone);
    }
    t->held = free;
    list_append(&s->tickets, &t->node);
    pthread_mutex_unlock(&s->lock);
    return free ? ERR_OK : ERR_AGAIN;
}

void keyhold_release(struct keyhold_ticket *t)
{
    struct keyhold_shard *s;

    if (!t->port)
        return;
    s = shard_of(t);
    pthread_mutex_lock(&s->lock);
    list_remove(&t->node);
    pthread_mutex_lock(&t->port->lock);
    list_remove(&t->ready);
    pthread_mutex_unlock(&t->port->lock);
    grant_locked(s, t->hash);
    pthread_mutex_unlock(&s->lock);
    t->port = NULL;
    t->held = false;
}

static struct keyhold_ticket *next_granted(struct keyhold_port *p)
{
    struct list *first;

    pthread_mutex_lock(&p->lock);
    first = list_pop(&p->granted);
    if (!first)
        p->woken = false;
    pthread_mutex_unlock(&p->lock);
    return first ? LIST_ENTRY(first, struct keyhold_ticket, ready) : NULL;
}

void keyhold_deliver(struct keyhold_port *p)
{
    struct keyhold_ticket *t;

    while ((t = next_granted(p)) != NULL)
        t->granted(t);
}
