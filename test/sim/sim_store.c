/* The backend: what becomes of a request that has left its sender. PUT, DELETE, GET and HEAD, last arrival wins.
 *
 * A request takes effect at most once, at once or within ambiguity_ms of its leaving; nothing else is promised. The
 * table of fates says what the network and the backend do to it and to its answer. */
#include "sim_store.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const names[SIM_REPLICAS_MAX] = {"a", "b", "c"};

void sim_store_init(struct sim_store *st, struct sim *s, uint32_t slot)
{
    *st = (struct sim_store){.sim = s, .slot = slot, .name = names[slot]};
    list_init(&st->arrivals);
}

static void arrival_free(struct arrival *a)
{
    list_remove(&a->node);
    sim_cancel(a->store->sim, &a->event);
    if (a->call)
        a->call->arrival = NULL;
    free(a);
}

void sim_store_fini(struct sim_store *st)
{
    while (!list_empty(&st->arrivals))
        arrival_free(LIST_ENTRY(st->arrivals.next, struct arrival, node));
}

/* What is under way breaks; what arrives meanwhile is lost. */
void sim_store_set_down(struct sim_store *st, bool down, bool silent)
{
    sim_trace(st->sim, "%s is %s", st->name, !down ? "back" : silent ? "silent" : "down");
    st->down = down;
    st->silent = down && silent;
}

bool sim_store_expects(const struct sim_store *st, uint32_t key)
{
    for (const struct list *l = st->arrivals.next; l != &st->arrivals; l = l->next)
        if (LIST_ENTRY(l, const struct arrival, node)->key == key)
            return true;
    return false;
}

const char *sim_object_etag(const struct sim_object *o)
{
    return o->damaged ? o->content->damaged_etag : o->content->etag;
}

bool sim_object_same(const struct sim_object *a, const struct sim_object *b)
{
    if (!a->exists || !b->exists)
        return a->exists == b->exists;
    return a->content == b->content && a->damaged == b->damaged && a->stamped == b->stamped &&
           (!a->stamped || stamp_eq(&a->stamp, &b->stamp));
}

void sim_arrival_lose(struct arrival *a)
{
    assert(!a->call);
    sim_trace(a->store->sim, "%s k%u loses a request", a->store->name, a->key);
    arrival_free(a);
}

static void on_arrival(struct sim_event *e);

static struct arrival *arrival_new(struct sim_store *st, uint32_t key, const struct sim_object *o,
                                   uint64_t after_ms)
{
    struct arrival *a = calloc(1, sizeof(*a));

    if (!a)
        abort();
    *a = (struct arrival){.event = {.fire = on_arrival}, .store = st, .key = key, .object = *o};
    list_append(&st->arrivals, &a->node);
    sim_after(st->sim, &a->event, after_ms);
    return a;
}

static void answer_after(struct replica_call *c, uint64_t after_ms, enum replica_result result,
                         unsigned status, enum err error)
{
    c->answer = (struct replica_answer){.result = result, .error = error, .status = status};
    if (result == REPLICA_STORED && (c->kind == CALL_PUT || c->kind == CALL_COPY) && c->object.content)
        snprintf(c->answer.etag, sizeof(c->answer.etag), "%s", sim_object_etag(&c->object));
    sim_after(c->replica->sim, &c->event, after_ms);
}

static void land(struct arrival *a)
{
    struct sim_store *st = a->store;
    struct sim_object *o = &st->objects[a->key], old = *o;
    struct sim *s = st->sim;

    if (s->breakage == BREAK_FALSE_STORED && sim_chance(s, 200))
        return;
    *o = a->object;
    o->modified_s = s->now_ms / 1000;
    if (s->damage && o->content && o->content->bytes && sim_fault(s)) {
        o->damaged = true;
        if (a->call)
            a->call->object.damaged = true;
    }
    sim_trace(s, "%s k%u shows %s%s%s", st->name, a->key, o->content ? o->content->header : "nothing",
              o->damaged ? ", damaged" : "", a->call ? "" : " (nobody waits)");
    if (s->breakage == BREAK_COMEBACK && !o->exists && old.exists && sim_chance(s, 300))
        arrival_new(st, a->key, &old, sim_between(s, 1, 10000));
    st->landed(st->ctx, st, a->key);
}

/* Its condition does not hold. */
static bool is_refused(const struct arrival *a)
{
    const struct sim_object *judged = &a->store->objects[a->copies ? a->source : a->key];

    if (!a->copies && (!a->store->conditional || !a->if_match[0]))
        return false;
    return !judged->exists || strcmp(sim_object_etag(judged), a->if_match) != 0;
}

static void take_source(struct arrival *a)
{
    const struct sim_object *source = &a->store->objects[a->source];

    a->object.damaged = source->damaged;
    if (a->call)
        a->call->object.damaged = source->damaged;
    if (source->content->crc32 != a->object.content->crc32)
        sim_violate(a->store->sim, "P6: %s k%u copies %s as %s", a->store->name, a->key,
                    source->content->header, a->object.content->header);
}

static void on_arrival(struct sim_event *e)
{
    struct arrival *a = LIST_ENTRY(e, struct arrival, event);
    struct sim_object *now = &a->store->objects[a->key];
    struct replica_call *c = a->call;
    bool answers = a->answers && c, refused, absent;

    if (a->store->down) {
        sim_trace(a->store->sim, "%s k%u loses a request: it is down", a->store->name, a->key);
        arrival_free(a);
        if (answers && !c->event.slot && !c->stalled)
            answer_after(c, 1, REPLICA_UNRESOLVED, 0, ERR_RESET);
        return;
    }
    if (a->request.what) {
        unsigned status = sim_upload_arrive(a);

        if (answers) {
            sim_upload_answer(c, a, status);
            sim_after(a->store->sim, &c->event, sim_delay_ms(a->store->sim));
        }
        arrival_free(a);
        return;
    }
    absent = !now->exists;
    refused = is_refused(a);
    if (!refused && a->copies)
        take_source(a);
    if (!refused)
        land(a);
    if (answers && refused)
        answer_after(c, sim_delay_ms(a->store->sim), REPLICA_MISSED, 412, ERR_OK);
    else if (answers && c->kind == CALL_DELETE && absent)
        answer_after(c, sim_delay_ms(a->store->sim), REPLICA_STORED, 404, ERR_OK);
    else if (answers)
        answer_after(c, sim_delay_ms(a->store->sim), REPLICA_STORED, c->kind == CALL_DELETE ? 204 : 200,
                     ERR_OK);
    arrival_free(a);
}

/* What may happen to a request past its barrier. */
struct fate {
    bool lands, late; /* it takes effect; any time within ambiguity_ms */
    bool told;        /* ... and then the answer says so. Otherwise: */
    bool silent;      /* no answer, ever */
    unsigned status;  /* 0: the connection breaks */
    enum err error;
};
static const struct fate good = {.lands = true, .told = true};
static const struct fate fates[] = {
    {.lands = true, .late = true, .told = true},       /* slow */
    {.silent = true},                                  /* lost, silently */
    {.error = ERR_RESET},                              /* lost, with its connection */
    {.lands = true, .silent = true},                   /* the answer is lost */
    {.lands = true, .late = true, .silent = true},     /* and the request takes its time */
    {.lands = true, .late = true, .error = ERR_RESET}, /* the connection breaks before or after it lands */
    {.lands = true, .error = ERR_RESET},
    {.status = 500},                                      /* it fails, */
    {.lands = true, .late = true, .status = 503},         /* or says so, */
    {.lands = true, .late = true, .error = ERR_PROTOCOL}, /* or answers garbage */
    {.status = 403},
};

static const struct fate *draw_fate(struct sim *s)
{
    const size_t count = sizeof(fates) / sizeof(fates[0]);
    size_t i = random_below(&s->random, count);

    while (s->lingering && !fates[i].late && !sim_chance(s, 100))
        i = (i + 1) % count;
    return &fates[i];
}

void sim_store_send(struct sim_store *st, struct replica_call *c)
{
    struct sim *s = st->sim;
    const struct fate *f = sim_fault(s) ? draw_fate(s) : &good;

    if (!c->object.content && (c->kind == CALL_PUT || c->kind == CALL_COPY) && !c->request.what) {
        sim_violate(s, "P1: %s k%u is sent an object without its metadata", st->name, c->key);
        return;
    }
    if (f->lands) {
        c->arrival = arrival_new(st, c->key, &c->object,
                                 f->late ? sim_between(s, 0, s->ambiguity_ms - 1) : sim_delay_ms(s));
        c->arrival->call = c;
        c->arrival->answers = f->told;
        c->arrival->request = c->request;
        c->arrival->copies = c->kind == CALL_COPY;
        c->arrival->source = c->source;
        memcpy(c->arrival->if_match, c->if_match, sizeof(c->if_match));
    }
    if (f->told)
        return;
    if (f->silent)
        c->stalled = true;
    else
        answer_after(c, sim_delay_ms(s),
                     f->status >= 400 && f->status < 500 ? REPLICA_MISSED : REPLICA_UNRESOLVED, f->status,
                     f->error);
}
