/* LIST, in the gateway's place: the whole bucket, of which each key is held against the rule of reads. Now and then all
 * keys are one group, which is there when one of them may be. */
#include "sim_client.h"

#include <stdio.h>

static struct sim *sim_of(struct client *c)
{
    return c->host->sim;
}

static void judge(struct client *c)
{
    if (c->grouped) {
        check_grouped(c->host->check, c->group_seen, c->began);
        return;
    }
    for (uint32_t key = 0; key < SIM_KEYS_MAX; key++)
        check_listed(c->host->check, key, c->listed[key][0] ? c->listed[key] : NULL, c->began);
}

static void see(struct client *c, const struct replica_entry *e)
{
    if (e->is_group) {
        c->group_seen = true;
        return;
    }
    if (c->grouped)
        sim_violate(sim_of(c), "P4: a list by groups shows the key %.*s", SPAN_ARG(e->key));
    snprintf(c->listed[sim_key_number(e->key)], sizeof(c->listed[0]), "%.*s", SPAN_ARG(e->etag));
}

void client_list_on(struct client *c)
{
    struct replica_entry e;
    enum err result;

    while ((result = listing_next(c->listing, &e)) == ERR_OK) {
        see(c, &e);
        if (c->host->slow && sim_chance(sim_of(c), 200)) {
            sim_after(sim_of(c), &c->event, sim_between(sim_of(c), 0, 100));
            return;
        }
    }
    if (result == ERR_AGAIN)
        return;
    sim_trace(sim_of(c), "client %u: listed k0 %s, k1 %s, k2 %s%s: %s", c->number, c->listed[0], c->listed[1],
              c->listed[2], c->group_seen ? ", as a group" : "", err_name(result));
    if (result == ERR_EOF)
        judge(c);
    c->finished = true;
    sim_after(sim_of(c), &c->event, 0);
}

static void on_ready(void *ctx)
{
    struct client *c = ctx;

    if (!c->finished)
        client_list_on(c);
}

bool client_list_begin(struct client *c)
{
    static const struct listing_events events = {.ready = on_ready};
    struct listing_spec spec = {.bucket = SIM_BUCKET,
                                .replicas = c->host->set,
                                .prefix = SPAN_EMPTY,
                                .delimiter = SPAN_EMPTY,
                                .after = SPAN_EMPTY,
                                .most = (uint32_t)sim_between(sim_of(c), 1, 5)};

    c->grouped = sim_chance(sim_of(c), 300);
    if (c->grouped)
        spec.delimiter = SPAN("k");
    sim_trace(sim_of(c), "client %u: list%s", c->number, c->grouped ? " by groups" : "");
    c->began = check_now(c->host->check);
    c->finished = c->group_seen = false;
    memset(c->listed, 0, sizeof(c->listed));
    if (listing_open(&c->listing, c->host->env, &spec, &events, c) != ERR_OK)
        return false;
    sim_after(sim_of(c), &c->event, 0);
    return true;
}
