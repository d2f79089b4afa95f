/* A page of a listing: one look at the store, in byte order, some time between the call and its answer. Pages are cut where
 * the seed says. */
#include "sim_store.h"

#include <stdlib.h>

enum err sim_list_start(struct replica *r, struct replica_call **out, const struct replica_list *list,
                        const struct replica_list_events *events, void *ctx)
{
    struct replica_call *c;

    *out = NULL;
    if (sim_call_refused(of(r)))
        return ERR_REFUSED;
    c = sim_call_new(r, CALL_LIST, 0, ctx);
    c->list_events = *events;
    c->page = list->page;
    c->most = list->most;
    c->after_bytes = list->after.len < sizeof(c->text) ? list->after.len : sizeof(c->text);
    span_put(c->text, span_head(list->after, c->after_bytes));
    c->prefix_bytes = list->prefix.len < sizeof(c->range) ? list->prefix.len : sizeof(c->range);
    span_put(c->range, span_head(list->prefix, c->prefix_bytes));
    sim_after(sim_of(c), &c->event, sim_delay_ms(sim_of(c)));
    *out = c;
    return ERR_OK;
}

/* Keys have no '/': there are no groups. */
static void look(struct replica_call *c)
{
    struct span after = {c->text, c->after_bytes}, prefix = {c->range, c->prefix_bytes};
    uint32_t most = (uint32_t)sim_between(sim_of(c), 1, c->most);

    c->looked = true;
    replica_page_clear(c->page);
    for (uint32_t key = 0; key < SIM_KEYS_MAX; key++) {
        const struct sim_object *o = &c->replica->store->objects[key];
        struct replica_entry e = {.key = sim_key_name(key)};

        if (!o->exists || span_cmp(e.key, after) <= 0 || !span_starts(e.key, prefix))
            continue;
        if (c->page->count == most) {
            c->page->more = c->page->sure = true;
            break;
        }
        e.body_bytes = o->content->bytes;
        e.modified_ms = o->modified_s * 1000;
        e.etag = span_of(sim_object_etag(o));
        if (!replica_page_add(c->page, &e))
            abort(); /* a few short entries */
    }
    sim_after(sim_of(c), &c->event, sim_delay_ms(sim_of(c)));
}

void sim_list_event(struct replica_call *c)
{
    if (!c->looked) {
        look(c);
        return;
    }
    c->answer.status = 200;
    sim_call_done(c);
}
