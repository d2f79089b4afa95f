/* Keys that the listed replica may not be believed about: a HEAD to a replica of the newest row's stored set.
 *
 * Rows are looked at in their order, some ahead of the one that is wanted, so that a page full of differences costs a
 * few round trips. A replica that does not answer is followed by the next of the set; when none is left the listing
 * fails, as a strict read does. */
#include "fanout/listing_private.h"

#include <string.h>

static void ask_next(struct listing_look *k);

static void over(struct listing_look *k, enum err result)
{
    k->result = result;
    listing_wake(k->listing);
}

static void on_shown(void *ctx, enum err error, unsigned status, const struct replica_object *object)
{
    struct listing_look *k = ctx;

    k->call = NULL;
    clock_stop(k->listing->env->clock, &k->timer);
    k->object = *object;
    if (error == ERR_OK)
        over(k, ERR_OK);
    else
        ask_next(k);
}

static const struct replica_head_events head_events = {.done = on_shown};

static void on_late(struct timer *t)
{
    struct listing_look *k = LIST_ENTRY(t, struct listing_look, timer);

    if (k->call) {
        replica_call_abandon(k->replica, k->call);
        k->call = NULL;
        if (k->replica->health)
            health_stalled(k->replica->health);
        ask_next(k);
    } else {
        over(k, ERR_UNAVAILABLE);
    }
}

static uint32_t choose(const struct listing_look *k)
{
    uint32_t pool = 0;

    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++)
        if (k->candidates & 1u << slot && replica_usable(k->listing->set.by_slot[slot]))
            pool |= 1u << slot;
    return (uint32_t)__builtin_ctz(pool ? pool : k->candidates);
}

/* When nobody is left that is told from the loop. */
static void ask_next(struct listing_look *k)
{
    struct listing *l = k->listing;

    while (k->candidates) {
        uint32_t slot = choose(k);

        k->candidates &= ~(1u << slot);
        k->replica = l->set.by_slot[slot];
        if (replica_head_start(k->replica, &k->call, l->journal->range.keys[k->row].key, &head_events, k) ==
            ERR_OK) {
            clock_start(l->env->clock, &k->timer, l->env->terms.first_byte_ms);
            return;
        }
        k->call = NULL;
    }
    clock_start(l->env->clock, &k->timer, 0);
}

static struct listing_look *find(struct listing *l, size_t row)
{
    for (size_t i = 0; i < LISTING_LOOKS; i++)
        if (l->looks[i].listing && l->looks[i].row == row)
            return &l->looks[i];
    return NULL;
}

/* One whose row is behind us. */
static struct listing_look *take_free(struct listing *l)
{
    for (size_t i = 0; i < LISTING_LOOKS; i++) {
        struct listing_look *k = &l->looks[i];

        if (!k->listing || (k->row < l->row && !k->call && !timer_running(&k->timer)))
            return k;
    }
    return NULL;
}

static bool begin(struct listing *l, size_t row)
{
    struct listing_look *k = take_free(l);

    if (!k)
        return false;
    *k = (struct listing_look){
        .listing = l, .row = row, .candidates = l->journal->range.keys[row].stored, .result = ERR_AGAIN};
    timer_init(&k->timer, on_late);
    ask_next(k);
    return true;
}

static bool wants_look(const struct listing *l, size_t row)
{
    const struct journal_range_key *key = &l->journal->range.keys[row];
    bool is_group;

    listing_text_of(l, key->key, &is_group);
    return !is_group && key->stored && !(key->stored & 1u << l->slot);
}

enum err listing_look(struct listing *l, size_t row, size_t end, const struct replica_object **out)
{
    struct listing_look *k = find(l, row);
    size_t wanted = l->most > l->given ? l->most - l->given : 1;

    for (; row < end && wanted; row++) {
        if (!wants_look(l, row))
            continue;
        wanted--;
        if (!find(l, row) && !begin(l, row))
            break;
    }
    *out = k ? &k->object : NULL;
    return k ? k->result : ERR_AGAIN;
}

void listing_looks_end(struct listing *l)
{
    for (size_t i = 0; i < LISTING_LOOKS; i++) {
        struct listing_look *k = &l->looks[i];

        if (!k->listing)
            continue;
        clock_stop(l->env->clock, &k->timer);
        if (k->call)
            replica_call_abandon(k->replica, k->call);
        k->listing = NULL;
        k->call = NULL;
    }
}
