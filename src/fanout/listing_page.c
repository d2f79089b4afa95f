/* What a listing is made of: the journal's rows of a range, and a page of one replica behind the same place.
 *
 * A page comes whole or not at all, so a replica that fails has shown nothing yet: another is asked for the same. Of
 * those that hide nothing the one with the fewest hints in the bucket is taken, as it costs the fewest looks. A bucket
 * without rows costs no reading of the journal at all. */
#include "fanout/listing_private.h"

#include "base/count.h"
#include "base/log.h"

#include <stdlib.h>

enum { PAGE_MS_MAX = 60 * 1000 };

/* ---- the journal's rows ---- */

static void on_rows(struct journal_request *r, enum err e)
{
    struct listing_rows *rows = LIST_ENTRY(r, struct listing_rows, range.request);
    struct listing *l = rows->listing;

    rows->asked = false;
    if (!l) {
        free(rows);
        return;
    }
    l->rows = PART_HERE;
    l->row = 0;
    if (e != ERR_OK)
        listing_fail(l, ERR_UNAVAILABLE);
    listing_wake(l);
}

void listing_ask_rows(struct listing *l)
{
    struct journal *j = l->env->journal;
    struct listing_rows *rows = l->journal;
    struct journal_key any = {l->bucket, SPAN_EMPTY};
    char *end;

    l->entries = PART_NONE;
    l->no_rows = !j->ops->maybe(j, any, JOURNAL_ANY_STORED_IN_BUCKET, NULL);
    if (l->no_rows) {
        l->rows = PART_HERE;
        return;
    }
    if (!rows)
        rows = l->journal = malloc(sizeof(*rows));
    if (!rows) {
        listing_fail(l, ERR_NOMEM);
        return;
    }
    rows->listing = l;
    rows->asked = true;
    rows->range.request.done = on_rows;
    rows->range.bucket = l->bucket;
    rows->range.slots = l->set.mask;
    rows->range.prefix = (struct span){rows->prefix, l->prefix.len};
    span_put(rows->prefix, listing_span(&l->prefix));
    end = span_put(rows->after, listing_span(&l->passed));
    if (l->passed_group)
        end = span_put(end, SPAN("\xff")); /* no key has it */
    rows->range.after = (struct span){rows->after, (size_t)(end - rows->after)};
    l->rows = PART_ASKED;
    j->ops->range(j, &rows->range);
}

/* ---- the replica's page ---- */

/* Putting it in order costs further questions; and what lists folders may list empty ones for a while. */
static bool lists_in_order(const struct replica *r)
{
    return !r->can || r->can->list_order != S3_LIST_ORDER_PATH;
}

/* What is stored there and not listed is in no row either: nothing would tell that it is missing. Of folders alone the
 * order counts more, as it keeps empty ones away. */
static bool lists_all(const struct replica *r)
{
    return !r->can || r->can->list_nested != S3_NO;
}

static bool is_better(const struct replica *a, uint64_t a_hints, const struct replica *b, uint64_t b_hints,
                      bool grouped)
{
    bool differ = lists_all(a) != lists_all(b);

    if (replica_usable(a) != replica_usable(b))
        return replica_usable(a);
    if (differ && !grouped)
        return lists_all(a);
    if (a_hints != b_hints)
        return a_hints < b_hints;
    if (lists_in_order(a) != lists_in_order(b))
        return lists_in_order(a);
    if (differ)
        return lists_all(a);
    return a->health && b->health && health_cost(a->health) < health_cost(b->health);
}

/* Of those that have not failed: a usable one, that hides no keys, with the fewest hints, in order by itself, that hides
 * no folders, which answers soonest. */
static bool choose(struct listing *l)
{
    struct replica_lag lag[REPLICAS_MAX];
    uint32_t left = l->set.mask & ~l->tried;

    if (l->chosen && left & 1u << l->slot)
        return true;
    l->chosen = false;
    l->env->journal->ops->lag(l->env->journal, l->bucket, lag);
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++) {
        if (!(left & 1u << slot))
            continue;
        if (!l->chosen || is_better(l->set.by_slot[slot], lag[slot].hints, l->set.by_slot[l->slot],
                                    lag[l->slot].hints, listing_groups_by_slash(l)))
            l->slot = slot;
        l->chosen = true;
    }
    return l->chosen;
}

/* Another one goes on. */
static void give_up_replica(struct listing *l, enum err why)
{
    log_info("listing_failover", LOG_STR("backend", l->set.by_slot[l->slot]->name),
             LOG_STR("cause", err_text(why)), LOG_U64("given", l->given));
    COUNT_ADD(l->env->counters.read_failovers, 1);
    l->tried |= 1u << l->slot;
    listing_ask_page(l);
    if (l->failed)
        listing_wake(l);
}

static void on_page(void *ctx, enum err e)
{
    struct listing *l = ctx;

    l->call = NULL;
    clock_stop(l->env->clock, &l->timer);
    if (e == ERR_OK && l->page.count == 0 && l->page.more)
        e = ERR_PROTOCOL;
    if (e != ERR_OK) {
        give_up_replica(l, e);
        return;
    }
    l->entries = PART_HERE;
    l->entry = 0;
    listing_wake(l);
}

/* A backend that is slow to list may well take writes: its breaker opens only when nothing else tells otherwise. */
static void on_late(struct timer *t)
{
    struct listing *l = LIST_ENTRY(t, struct listing, timer);
    struct health *h = l->set.by_slot[l->slot]->health;

    replica_call_abandon(l->set.by_slot[l->slot], l->call);
    l->call = NULL;
    if (h) {
        health_begin(h);
        health_end(h, false, 0);
    }
    give_up_replica(l, ERR_TIMEOUT);
}

static void on_progress(void *ctx)
{
    struct listing *l = ctx;

    if (clock_mono_ms(l->env->clock) - l->asked_ms < PAGE_MS_MAX)
        clock_start(l->env->clock, &l->timer, l->env->terms.stall_ms);
}

void listing_ask_page(struct listing *l)
{
    static const struct replica_list_events events = {.progress = on_progress, .done = on_page};
    struct listing_text after = l->passed;
    struct replica_list list = {
        .prefix = listing_span(&l->prefix), .grouped = listing_groups_by_slash(l), .page = &l->page};
    uint32_t wanted = l->most > l->given ? l->most - l->given + 1 : 2;

    if (l->passed_group)
        listing_set(&after, (struct span){after.at, (size_t)(span_put(after.at + after.len, SPAN(PAGE_LAST)) -
                                                             after.at)});
    list.after = listing_span(&after);
    list.most = wanted < l->page_most ? wanted : l->page_most;
    if (l->delimiter.len && !list.grouped)
        list.most = l->page_most;
    while (choose(l)) {
        l->entries = PART_ASKED;
        l->asked_ms = clock_mono_ms(l->env->clock);
        if (replica_list_start(l->set.by_slot[l->slot], &l->call, &list, &events, l) == ERR_OK) {
            clock_start(l->env->clock, &l->timer, l->env->terms.first_byte_ms);
            return;
        }
        l->call = NULL;
        l->tried |= 1u << l->slot;
    }
    listing_fail(l, ERR_UNAVAILABLE);
}

void listing_page_init(struct listing *l)
{
    timer_init(&l->timer, on_late);
}
