/* One HEAD per replica of the target, all at once, of the source on the same backend.
 *
 * What counts as the same object: the same stamp and size, and no other MD5; without a stamp the same ETag and size. Its ETag there, which
 * need not be the one that others show, is the condition that the copy is made under: whatever is written to the source
 * between this look and the copy makes the backend refuse.
 *
 * The ETag of a copy is that of its source where that is an MD5. That of an upload in parts depends on the backend (struct
 * capabilities, copy_object): clients are to see one, so the backends must be of one kind, and of a copy in place only
 * that kind is known which keeps it always. */
#include "fanout/sources.h"

#include "fanout/etag.h"

#include <stdlib.h>

struct look {
    struct sources *owner;
    struct replica *target, *source; /* NULL: not asked */
    struct replica_call *call;
    bool shown;
    struct replica_object object;
};

struct sources {
    struct env *env;
    bool part, over;
    void (*done)(void *ctx);
    void *ctx;
    struct timer timer; /* the replicas' time; then the turn on which `done` fires */
    uint32_t waiting;
    struct look looks[REPLICAS_MAX];
    size_t key_len;
    char key[];
};

static struct replica *source_for(const struct sources_spec *spec, const struct replica *target)
{
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++) {
        struct replica *r = spec->source->by_slot[slot];

        if (spec->source->mask & 1u << slot && r && replica_shares_backend(r, target))
            return r;
    }
    return NULL;
}

static struct replica *usable_target(const struct sources_spec *spec, uint32_t slot)
{
    struct replica *r = spec->target->mask & 1u << slot ? spec->target->by_slot[slot] : NULL;

    return r && replica_usable(r) ? r : NULL;
}

static bool can_copy(const struct replica *r, bool part)
{
    if (!r->can)
        return true;
    return part ? r->can->copy_part == S3_YES : r->can->copy_object > S3_COPY_NO;
}

bool sources_possible(const struct sources_spec *spec)
{
    bool any = false;

    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++) {
        const struct replica *r = usable_target(spec, slot);

        if (r && (!can_copy(r, spec->part) || !source_for(spec, r)))
            return false;
        any = any || r;
    }
    return any;
}

/* ---- the looks ---- */

static void over(struct sources *s)
{
    s->over = true;
    clock_start(s->env->clock, &s->timer, 0);
}

static void on_timer(struct timer *t)
{
    struct sources *s = LIST_ENTRY(t, struct sources, timer);

    if (s->over) {
        s->done(s->ctx);
        return;
    }
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++) {
        struct look *l = &s->looks[slot];

        if (!l->call)
            continue;
        replica_call_abandon(l->source, l->call);
        l->call = NULL;
        if (l->source->health)
            health_stalled(l->source->health); /* nobody else is to wait for it */
    }
    over(s);
}

static void on_head(void *ctx, enum err error, unsigned status, const struct replica_object *object)
{
    struct look *l = ctx;

    l->call = NULL;
    l->shown = error == ERR_OK && object->exists;
    if (l->shown)
        l->object = *object;
    if (--l->owner->waiting == 0)
        over(l->owner);
}

static const struct replica_head_events head_events = {.done = on_head};

enum err sources_open(struct sources **out, struct env *env, const struct sources_spec *spec,
                      void (*done)(void *ctx), void *ctx)
{
    struct sources *s = calloc(1, sizeof(*s) + spec->source_key.len);

    *out = s;
    if (!s)
        return ERR_NOMEM;
    s->env = env;
    s->part = spec->part;
    s->done = done;
    s->ctx = ctx;
    s->key_len = spec->source_key.len;
    memcpy(s->key, spec->source_key.at, s->key_len);
    timer_init(&s->timer, on_timer);
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++) {
        struct look *l = &s->looks[slot];

        l->owner = s;
        l->target = usable_target(spec, slot);
        l->source = l->target ? source_for(spec, l->target) : NULL;
        if (!l->source)
            continue;
        if (replica_head_start(l->source, &l->call, (struct span){s->key, s->key_len}, &head_events, l) ==
            ERR_OK)
            s->waiting++;
        else
            l->call = NULL;
    }
    if (s->waiting)
        clock_start(env->clock, &s->timer, env->terms.first_byte_ms);
    else
        over(s);
    return ERR_OK;
}

void sources_free(struct sources *s)
{
    if (!s)
        return;
    clock_stop(s->env->clock, &s->timer);
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++)
        if (s->looks[slot].call)
            replica_call_abandon(s->looks[slot].source, s->looks[slot].call);
    free(s);
}

/* ---- what they say ---- */

static uint64_t copy_kind(const struct replica *r)
{
    return r->can ? r->can->copy_object : S3_COPY_MD5;
}

static bool etags_will_agree(const struct sources *s, bool in_place)
{
    uint64_t kind = 0;

    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++) {
        const struct replica *r = s->looks[slot].target;

        if (!r)
            continue;
        if ((r->can && r->can->etag_kind != S3_ETAG_MD5) || (kind && copy_kind(r) != kind))
            return false;
        kind = copy_kind(r);
    }
    return !in_place || kind == S3_COPY_SAME;
}

bool sources_agree(const struct sources *s, const struct replica_object *object, bool in_place,
                   struct write_copy *out)
{
    bool any = false;

    *out = (struct write_copy){.key = {s->key, s->key_len}, .bytes = object->body_bytes};
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++) {
        const struct look *l = &s->looks[slot];

        if (!l->target)
            continue;
        if (!l->shown || !l->object.etag[0] || !object_same(&l->object, object))
            return false;
        out->from[slot] = l->source;
        memcpy(out->etags[slot], l->object.etag, ETAG_CHARS_MAX);
        any = true;
    }
    return any && (s->part || etag_is_md5(object->etag) || etags_will_agree(s, in_place));
}
