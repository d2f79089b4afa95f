/* One run.
 *
 *   FAULTS   clients work, replicas go away and come back, requests get lost, the journal fails, the process crashes
 *   QUIET    no new operations, no new faults, everybody is back: repair has to bring all to rest
 *
 * A crash takes everything of the process but what is durable. Its objects still have to free themselves, as they
 * are the code under test: the process becomes a ZOMBIE whose journal and replicas take nothing and fail every call,
 * with a clock of its own, and runs until nothing is left of it. Only then does the world go on. */
#include "sim_world.h"

#include "base/log.h"
#include "repair/janitor.h"
#include "repair/repair.h"
#include "sim_client.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    CONTENTS_MAX = 4096,
    QUIET_MS_MAX = 6 * 3600 * 1000,
    ASK_MS = 60 * 1000,
    STEPS_MAX = 400000,
    CLIENT_WAITS_MS_MAX = 60 * 1000, /* far above what the terms allow */
    ZOMBIE_TURNS_MAX = 100000,
};

struct boot {
    uint32_t number;
    struct sim_clock clock;
    struct sim_journal journal;
    struct sim_replica replicas[SIM_REPLICAS_MAX];
    struct replica_set set;
    struct hlc hlc;
    struct random random;
    struct chunk_budget budget;
    struct keyhold table;
    struct keyhold_port holds;
    struct timer deliver; /* of what the table grants */
    struct env env;
    struct repair *repair;
    struct janitor *janitor;
    bool repair_stopped, janitor_stopped;
};

struct outage {
    struct sim_event event;
    struct world *world;
    uint32_t slot;
};

struct script_event {
    struct sim_event event;
    struct world *world;
    const struct script_step *step;
    struct client *client;
};

struct world {
    struct sim sim;
    const struct world_options *options;
    struct check check;
    struct disk disk;
    struct sim_store stores[SIM_REPLICAS_MAX];
    uint32_t replicas, boots, keys;
    struct boot *boot;
    struct client_host host;
    struct client clients[SCRIPT_STEPS_MAX > CLIENTS_MAX ? SCRIPT_STEPS_MAX : CLIENTS_MAX];
    uint32_t client_count;
    struct content *contents[CONTENTS_MAX];
    uint32_t content_count;
    struct outage outages[SIM_REPLICAS_MAX];
    struct script_event script[SCRIPT_STEPS_MAX];
    uint32_t script_left;
    struct sim_event restart;
    uint64_t crashes, next_crash, copied, deleted;
    uint32_t crash_permille; /* of 100 steps */
    uint32_t budget_chunks;
    uint64_t scripted_crash; /* after which step */
    struct terms terms;
};

/* The one world there is; for a signal handler. */
static struct world *current;

/* --- contents --- */

static uint64_t draw_size(struct sim *s)
{
    static const uint64_t sizes[] = {0, 10, 10, 10, 5000, 5000, CHUNK_BYTES, CHUNK_BYTES + 1, 1300 * 1024};

    return sizes[sim_between(s, 0, sizeof(sizes) / sizeof(sizes[0]) - 1)];
}

static const struct content *content_make(struct world *w, uint64_t bytes)
{
    struct content *c = malloc(sizeof(*c));

    if (!c || w->content_count == CONTENTS_MAX)
        abort();
    content_init(c, w->content_count + 1, bytes);
    w->contents[w->content_count++] = c;
    return c;
}

static const struct content *content_new(void *ctx)
{
    struct world *w = ctx;

    return content_make(w, draw_size(&w->sim));
}

static const struct content *content_same(void *ctx, const struct content *of)
{
    struct world *w = ctx;
    struct content *c = malloc(sizeof(*c));

    if (!c || w->content_count == CONTENTS_MAX)
        abort();
    content_init_same(c, w->content_count + 1, of);
    w->contents[w->content_count++] = c;
    return c;
}

static const struct content *content_by_id(void *ctx, uint32_t id)
{
    struct world *w = ctx;

    return id >= 1 && id <= w->content_count ? w->contents[id - 1] : NULL;
}

/* --- the process --- */

static void on_hint(struct env *env, uint32_t bucket, struct span key)
{
    struct boot *b = env->owner;

    if (b->repair)
        repair_kick(b->repair, false);
}

static void on_health(void *ctx, struct health *h)
{
    struct boot *b = ctx;

    if (health_usable(h) && b->repair)
        repair_kick(b->repair, true);
}

static void on_deliver(struct timer *t)
{
    keyhold_deliver(&LIST_ENTRY(t, struct boot, deliver)->holds);
}

static void wake_holds(struct keyhold_port *p)
{
    struct boot *b = LIST_ENTRY(p, struct boot, holds);

    clock_start(&b->clock.clock, &b->deliver, 0);
}

static bool bucket_replicas(void *ctx, uint32_t bucket, struct replica_set *out)
{
    struct boot *b = ctx;

    *out = b->set;
    return bucket == SIM_BUCKET;
}

static void boot(struct world *w)
{
    struct boot *b = calloc(1, sizeof(*b));
    struct repair_options options = {.workers = 2,
                                     .interval_ms = 1000,
                                     .attempts = 6,
                                     .backoff_ms = 100,
                                     .replicas = bucket_replicas,
                                     .ctx = b};
    struct janitor_options janitor_options = {.expire_ms = 60000,
                                              .remember_ms = 20000,
                                              .interval_ms = 2000,
                                              .strays_ms = 10000,
                                              .replicas = bucket_replicas,
                                              .ctx = b};

    if (!b)
        abort();
    b->number = ++w->boots;
    sim_trace(&w->sim, "process %u starts", b->number);
    sim_clock_init(&b->clock, &w->sim);
    sim_journal_init(&b->journal, &w->disk, b->number, w->replicas);
    for (uint32_t slot = 0; slot < w->replicas; slot++) {
        sim_replica_init(&b->replicas[slot], &w->stores[slot], &b->clock.clock);
        b->replicas[slot].health.on_change = on_health;
        b->replicas[slot].health.ctx = b;
        b->set.by_slot[slot] = &b->replicas[slot].replica;
        b->set.mask |= 1u << slot;
    }
    hlc_init(&b->hlc, 1, b->number);
    random_init(&b->random, random_u64(&w->sim.random));
    chunk_budget_init(&b->budget, (uint64_t)w->budget_chunks * CHUNK_BYTES);
    keyhold_init(&b->table);
    keyhold_port_init(&b->holds, &b->table, wake_holds);
    timer_init(&b->deliver, on_deliver);
    b->env = (struct env){.clock = &b->clock.clock,
                          .journal = &b->journal.journal,
                          .random = &b->random,
                          .hlc = &b->hlc,
                          .budget = &b->budget,
                          .holds = &b->holds,
                          .terms = w->terms,
                          .on_hint = on_hint,
                          .owner = b};
    if (repair_open(&b->repair, &b->env, &options) != ERR_OK ||
        janitor_open(&b->janitor, &b->env, &janitor_options) != ERR_OK)
        abort();
    w->boot = b;
    w->host.env = &b->env;
    w->host.set = &b->set;
    for (uint32_t i = 0; i < w->client_count; i++)
        client_resume(&w->clients[i]);
}

static void on_repair_stopped(void *ctx)
{
    ((struct boot *)ctx)->repair_stopped = true;
}

static void on_janitor_stopped(void *ctx)
{
    ((struct boot *)ctx)->janitor_stopped = true;
}

static bool zombie_turn(struct world *w, struct boot *b)
{
    bool any = sim_journal_drain(&b->journal);

    for (uint32_t slot = 0; slot < w->replicas; slot++)
        any |= sim_replica_drain(&b->replicas[slot]);
    if (!any && b->repair_stopped && b->janitor_stopped && !b->env.writes_open)
        return false;
    sim_clock_drain(&b->clock);
    return true;
}

/* The process ends here; see the top. */
static void crash(struct world *w)
{
    struct boot *b = w->boot;
    uint32_t turns = 0;

    sim_trace(&w->sim, "process %u ends", b->number);
    w->sim.muted = true;
    w->boot = NULL;
    w->sim.lease_lost = false;
    sim_clock_die(&b->clock);
    sim_journal_die(&b->journal);
    for (uint32_t slot = 0; slot < w->replicas; slot++)
        sim_replica_die(&b->replicas[slot]);
    w->host.env = NULL;
    for (uint32_t i = 0; i < w->client_count; i++)
        client_crash(&w->clients[i]);
    repair_stop(b->repair, on_repair_stopped, b);
    janitor_stop(b->janitor, on_janitor_stopped, b);
    while (zombie_turn(w, b) && turns < ZOMBIE_TURNS_MAX)
        turns++;
    assert(turns < ZOMBIE_TURNS_MAX);
    w->copied += repair_counters(b->repair)->copied;
    w->deleted += repair_counters(b->repair)->deleted;
    repair_free(b->repair);
    janitor_free(b->janitor);
    for (uint32_t slot = 0; slot < w->replicas; slot++)
        sim_replica_fini(&b->replicas[slot]);
    clock_stop(&b->clock.clock, &b->deliver);
    keyhold_port_fini(&b->holds);
    keyhold_fini(&b->table);           /* every hold has ended */
    assert(b->clock.clock.count == 0); /* every timer went with its owner */
    clock_fini(&b->clock.clock);
    assert(chunk_taken(&b->budget) == 0);
    chunk_budget_fini(&b->budget);
    free(b);
    w->sim.muted = false;
}

static void on_restart(struct sim_event *e)
{
    boot(LIST_ENTRY(e, struct world, restart));
}

static void crash_and_restart(struct world *w)
{
    crash(w);
    w->crashes++;
    sim_after(&w->sim, &w->restart, sim_chance(&w->sim, 500) ? 1 : sim_between(&w->sim, 1, 3000));
}

/* --- outages and scripts --- */

static void set_down(struct world *w, uint32_t slot, bool down, bool silent)
{
    sim_store_set_down(&w->stores[slot], down, silent);
    if (down && w->boot)
        sim_replica_break_calls(&w->boot->replicas[slot]);
}

static void on_outage(struct sim_event *e)
{
    struct outage *o = LIST_ENTRY(e, struct outage, event);
    struct world *w = o->world;
    bool down = !w->stores[o->slot].down;

    set_down(w, o->slot, down, sim_chance(&w->sim, 300));
    sim_after(&w->sim, &o->event, down ? sim_between(&w->sim, 50, 8000) : sim_between(&w->sim, 200, 8000));
}

static void on_script(struct sim_event *e)
{
    struct script_event *s = LIST_ENTRY(e, struct script_event, event);
    struct world *w = s->world;

    w->script_left--;
    switch (s->step->kind) {
    case SCRIPT_PUT: client_begin(s->client, CLIENT_PUT, 0, content_make(w, s->step->bytes)); break;
    case SCRIPT_UPLOAD: client_begin(s->client, CLIENT_UPLOAD, 0, content_make(w, s->step->bytes)); break;
    case SCRIPT_COPY: client_begin(s->client, CLIENT_COPY, 0, NULL); break;
    case SCRIPT_DELETE: client_begin(s->client, CLIENT_DELETE, 0, NULL); break;
    case SCRIPT_GET: client_begin(s->client, CLIENT_GET, 0, NULL); break;
    case SCRIPT_LIST: client_begin(s->client, CLIENT_LIST, 0, NULL); break;
    case SCRIPT_DOWN: set_down(w, s->step->slot, true, false); break;
    case SCRIPT_UP: set_down(w, s->step->slot, false, false); break;
    case SCRIPT_END: break;
    }
}

static void on_opened(void *ctx, struct sim_store *st, uint32_t key, const struct sim_object *object)
{
    struct world *w = ctx;

    check_opened(&w->check, st, key, object, w->boots);
}

static void on_landed(void *ctx, struct sim_store *st, uint32_t key)
{
    struct world *w = ctx;

    check_landed(&w->check, st, key);
}

/* --- the run --- */

static void set_initial(struct world *w, uint32_t key, const struct content *content, bool stamped)
{
    struct hlc old;
    struct sim_object o = {.exists = content != NULL, .content = content, .stamped = stamped};

    hlc_init(&old, 9, key);
    if (stamped)
        o.stamp = stamp_make(&old, hlc_next(&old, 1600000000000u));
    for (uint32_t slot = 0; slot < w->replicas; slot++)
        w->stores[slot].objects[key] = o;
    check_initial(&w->check, key, content);
}

static void setup_seeded(struct world *w)
{
    static const uint32_t fault_permilles[] = {0, 10, 30, 100, 250};
    static const uint64_t pauses_ms[] = {15, 400, 400, 3000};
    static const uint32_t slow_permilles[] = {0, 40, 40, 250};
    static const uint32_t crash_permilles[] = {0, 0, 20, 100, 300};
    struct sim *s = &w->sim;

    w->replicas = w->options->replicas ? w->options->replicas : (uint32_t)sim_between(s, 2, 3);
    w->keys = (uint32_t)sim_between(s, 1, SIM_KEYS_MAX);
    w->host.ack =
        (struct ack_policy){.need = (uint32_t)sim_between(s, 1, w->replicas), .wait_all = sim_chance(s, 600)};
    w->host.left = w->options->operations;
    w->host.slow = sim_chance(s, 800);
    w->host.pause_ms = pauses_ms[sim_between(s, 0, 3)];
    s->lingering = sim_chance(s, 300);
    w->client_count = (uint32_t)sim_between(s, 1, CLIENTS_MAX);
    w->budget_chunks = sim_chance(s, 150) ? 5 : 64;
    w->terms.ring_chunks = (uint32_t)sim_between(s, 2, 4);
    s->faults = true;
    s->slow_permille = slow_permilles[sim_between(s, 0, 3)];
    s->slow_ms = sim_chance(s, 500) ? 250 : s->ambiguity_ms - 1; /* within it all that has left lands */
    s->damage = sim_chance(s, 150);
    s->fault_permille = fault_permilles[sim_between(s, 0, 4)];
    w->crash_permille = crash_permilles[sim_between(s, 0, 4)];
    for (uint32_t i = 0; i < w->client_count; i++)
        client_init(&w->clients[i], &w->host, i, true);
}

static void setup_outages(struct world *w)
{
    struct sim *s = &w->sim;
    bool outages = sim_chance(s, 600);

    for (uint32_t slot = 0; slot < w->replicas; slot++) {
        w->stores[slot].conditional = sim_chance(s, 300);
        w->outages[slot] = (struct outage){.event = {.fire = on_outage}, .world = w, .slot = slot};
        if (outages && sim_chance(s, 600))
            sim_after(s, &w->outages[slot].event, sim_between(s, 0, 5000));
    }
}

static void setup_script(struct world *w, const struct script *script)
{
    w->replicas = script->replicas;
    w->keys = 1;
    w->host.ack = (struct ack_policy){.need = script->need, .wait_all = script->wait_all};
    w->budget_chunks = 64;
    for (const struct script_step *step = script->steps; step->kind != SCRIPT_END; step++) {
        uint32_t i = w->script_left++;

        client_init(&w->clients[i], &w->host, i, false);
        w->script[i] = (struct script_event){
            .event = {.fire = on_script}, .world = w, .step = step, .client = &w->clients[i]};
        sim_after(&w->sim, &w->script[i].event, step->at_ms);
    }
    w->client_count = w->script_left;
}

static void world_init(struct world *w, const struct world_options *o)
{
    struct sim *s = &w->sim;
    bool exists;

    memset(w, 0, sizeof(*w));
    sim_init(s, o->seed);
    s->breakage = o->breakage;
    w->options = o;
    w->scripted_crash = o->crash_step;
    w->terms = (struct terms){.ambiguity_ms = s->ambiguity_ms,
                              .stall_ms = 300,
                              .detach_ms = 500,
                              .write_ms = 1500,
                              .first_byte_ms = 600,
                              .lease_ms = 1000,
                              .lease_margin_ms = 200,
                              .copy_bytes_max = 1024 * 1024,
                              .ring_chunks = 4};
    w->host.sim = s;
    w->host.check = &w->check;
    w->host.content_new = content_new;
    w->host.content = content_by_id;
    w->host.content_same = content_same;
    w->host.ctx = w;
    w->restart.fire = on_restart;
    disk_init(&w->disk, s);
    if (o->script)
        setup_script(w, o->script);
    else
        setup_seeded(w);
    w->host.keys = w->keys;
    check_init(&w->check, s, &w->disk, w->stores, w->replicas);
    for (uint32_t slot = 0; slot < w->replicas; slot++) {
        sim_store_init(&w->stores[slot], s, slot);
        w->stores[slot].content = content_by_id;
        w->stores[slot].opened = on_opened;
        w->stores[slot].landed = on_landed;
        w->stores[slot].ctx = w;
    }
    if (!o->script)
        setup_outages(w);
    exists = o->script ? o->script->exists : sim_chance(s, 500);
    for (uint32_t key = 0; key < SIM_KEYS_MAX; key++)
        set_initial(w, key, exists && key < w->keys ? content_make(w, 100) : NULL, sim_chance(s, 500));
    w->next_crash = 1 + sim_between(s, 0, 200);
}

static void world_fini(struct world *w)
{
    if (w->boot)
        crash(w);
    for (uint32_t slot = 0; slot < w->replicas; slot++)
        sim_store_fini(&w->stores[slot]);
    for (uint32_t i = 0; i < w->content_count; i++)
        free(w->contents[i]);
    disk_fini(&w->disk);
    sim_fini(&w->sim);
}

static void check(struct world *w)
{
    bool idle[SIM_KEYS_MAX];

    for (uint32_t key = 0; key < SIM_KEYS_MAX; key++) {
        idle[key] = !w->boot || !sim_journal_busy(&w->boot->journal, key);
        for (uint32_t slot = 0; w->boot && slot < w->replicas; slot++)
            idle[key] &= !sim_replica_writes(&w->boot->replicas[slot], key);
    }
    check_step(&w->check, w->boots + !w->boot, w->boot ? w->boot->journal.boot_ms : w->sim.now_ms, idle);
}

static void check_patience(struct world *w)
{
    for (uint32_t i = 0; i < w->client_count; i++)
        if (w->clients[i].active && w->sim.now_ms - w->clients[i].since_ms > CLIENT_WAITS_MS_MAX)
            sim_violate(&w->sim, "P5: client %u waits for ever", i);
}

static bool clients_active(const struct world *w)
{
    for (uint32_t i = 0; i < w->client_count; i++)
        if (w->clients[i].active)
            return true;
    return false;
}

static bool at_rest(const struct world *w)
{
    if (!w->boot || clients_active(w) || w->boot->env.writes_open || w->disk.count || w->disk.uploads.count ||
        !repair_idle(w->boot->repair))
        return false;
    for (uint32_t slot = 0; slot < w->replicas; slot++)
        if (!list_empty(&w->stores[slot].arrivals) || sim_uploads_left(&w->stores[slot]))
            return false;
    return true;
}

/* A crash, or what a process does that has lost its journal: it ends itself a little later. */
static void maybe_crash(struct world *w)
{
    struct sim *s = &w->sim;

    if (!w->boot || s->steps < w->next_crash)
        return;
    w->next_crash = s->steps + 1 + sim_between(s, 0, 200);
    if (!w->crash_permille || !sim_chance(s, w->crash_permille * 3))
        return;
    if (!w->boot->journal.failed && sim_chance(s, 150)) {
        sim_trace(s, "the journal fails for good");
        w->boot->journal.failed = s->lease_lost = true;
        w->next_crash = s->steps + sim_between(s, 1, 50);
        return;
    }
    crash_and_restart(w);
}

/* One step and all that is checked after it. False: the run is over. */
static bool advance(struct world *w)
{
    struct sim *s = &w->sim;

    if (!sim_step(s, w->boot ? &w->boot->clock : NULL)) {
        sim_violate(s, "P3: nothing happens any more");
        return false;
    }
    check(w);
    if (s->steps == w->scripted_crash && w->boot && !s->violation[0]) {
        crash_and_restart(w);
        check(w);
        if (sim_chance(s, 500)) /* and once more, while what was left is being repaired */
            w->scripted_crash = s->steps + sim_between(s, 1, 60);
    }
    check_patience(w);
    if (s->steps > STEPS_MAX)
        sim_violate(s, "P5: it does not end");
    return !s->violation[0];
}

static void run_faults(struct world *w)
{
    while ((w->host.left || clients_active(w) || w->script_left) && advance(w))
        if (!w->options->script)
            maybe_crash(w);
}

static void run_quiet(struct world *w)
{
    struct sim *s = &w->sim;
    uint64_t until_ms, ask_ms;

    sim_trace(s, "from here on all is well");
    s->faults = false;
    for (uint32_t slot = 0; slot < w->replicas; slot++) {
        sim_cancel(s, &w->outages[slot].event);
        if (w->stores[slot].down)
            set_down(w, slot, false, false);
    }
    if (w->boot && (w->boot->journal.failed || (!w->options->script && sim_chance(s, 300))))
        crash_and_restart(w);
    until_ms = s->now_ms + QUIET_MS_MAX;
    ask_ms = s->now_ms;
    while (!at_rest(w) && advance(w)) {
        if (w->boot && s->now_ms >= ask_ms) { /* somebody looks after the dead letters */
            repair_kick(w->boot->repair, true);
            ask_ms += ASK_MS;
        }
        if (s->now_ms > until_ms)
            sim_violate(s, "P3: replicas and journal do not come to rest");
    }
    if (!s->violation[0])
        check_converged(&w->check);
}

void world_run(const struct world_options *o, struct world_result *out, size_t trace_lines)
{
    struct world *w = malloc(sizeof(*w));

    if (!w)
        abort();
    world_init(w, o);
    current = w;
    boot(w);
    check(w);
    run_faults(w);
    if (!w->sim.violation[0])
        run_quiet(w);
    *out = (struct world_result){.violated = w->sim.violation[0] != 0,
                                 .steps = w->sim.steps,
                                 .crashes = w->crashes,
                                 .acked = w->check.acked,
                                 .refused = w->check.refused,
                                 .unknown = w->check.unknown,
                                 .reads = w->check.reads,
                                 .lists = w->check.lists,
                                 .quiets = w->check.quiets};
    memcpy(out->violation, w->sim.violation, sizeof(out->violation));
    if ((out->violated || o->trace) && trace_lines) {
        fprintf(stderr, "seed %llu: %s\n", (unsigned long long)o->seed,
                out->violated ? out->violation : "all promises kept");
        sim_print_trace(&w->sim, trace_lines);
    }
    world_fini(w);
    current = NULL;
    out->copied = w->copied;
    out->deleted = w->deleted;
    free(w);
}

void world_print_current(void)
{
    if (!current)
        return;
    fprintf(stderr, "seed %llu, script %s, crash step %llu, step %llu: aborted\n",
            (unsigned long long)current->options->seed,
            current->options->script ? current->options->script->name : "none",
            (unsigned long long)current->options->crash_step, (unsigned long long)current->sim.steps);
    sim_print_trace(&current->sim, 80);
}
