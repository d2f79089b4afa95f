/* The walk over the journal's list of keys.
 *
 *   RESTING --(kick, interval, the soonest wait is over)--> WALKING --(end of list)--> RESTING
 *
 * A walk pages through the list and starts a job per key, a bounded number at a time: with all workers busy it
 * waits for one. A kick during a walk makes another one follow. What a walk cannot do now tells how long to wait:
 * the soonest of these waits, or interval_ms, ends the rest.
 *
 * Keys of which a replica did not answer a HEAD are looked at again after a backoff that doubles from walk to walk, for
 * that is about the replica and not about the key. A key that a replica will never take as things are (a file-backed server
 * can have no `a/b` beside `a`) is a dead letter at once. Failures are counted per key in the journal: backoff doubles with jitter; after `attempts` the key is on the
 * dead-letter list and left alone until a replica recovers or somebody asks for it. */
#include "repair/repair.h"

#include "base/log.h"
#include "repair/job.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { BACKOFF_MOST_MS = 10 * 60 * 1000, LATER_LEAST_MS = 20, REST_FACTOR = 10 };

struct repair {
    struct env *env;
    struct repair_options options;
    struct repair_counters counters;
    struct list jobs;
    uint32_t busy;
    struct timer timer; /* RESTING: the next walk; stopping: the deferred `stopped` */
    struct journal_scan scan;
    bool walking, scanning, kicked, recovered, recovered_next, paused, stopping, did_something;
    size_t at;         /* in the page */
    char *after;       /* the last key of the page before: the cursor's bytes */
    uint64_t began_ms; /* this walk */
    uint64_t wait_ms;  /* the soonest that a key of this walk wants to be looked at again */
    bool away;         /* some replica did not answer in this walk */
    uint32_t aways;    /* walks in a row before this one in which that was so */
    bool idle;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
};

static void walk(struct repair *r);

static void rest(struct repair *r)
{
    uint64_t took = clock_mono_ms(r->env->clock) - r->began_ms;
    uint64_t wait = r->wait_ms < r->options.interval_ms ? r->wait_ms : r->options.interval_ms;

    /* a long list that nothing can be done about does not keep the machine busy */
    if (!r->did_something && wait < REST_FACTOR * took)
        wait = REST_FACTOR * took;

    r->walking = false;
    r->recovered = false;
    journal_scan_fini(&r->scan);
    free(r->after);
    r->after = NULL;
    if (r->busy == 0)
        r->idle = !r->did_something && !r->kicked;
    clock_start(r->env->clock, &r->timer, r->kicked ? 0 : wait);
}

static void check_stopped(struct repair *r)
{
    if (r->stopping && !r->busy && !r->scanning && r->stopped)
        clock_start(r->env->clock, &r->timer, 0);
}

static void wants_again(struct repair *r, uint64_t wait_ms)
{
    if (wait_ms < LATER_LEAST_MS)
        wait_ms = LATER_LEAST_MS;
    if (wait_ms < r->wait_ms)
        r->wait_ms = wait_ms;
}

/* After so many times before; with jitter. */
static uint64_t backoff_ms(struct repair *r, uint32_t times)
{
    uint64_t backoff = r->options.backoff_ms;

    while (times-- && backoff < BACKOFF_MOST_MS)
        backoff *= 2;
    return backoff / 2 + random_below(r->env->random, backoff + 1);
}

static void note_failure(struct repair *r, struct job *j)
{
    struct journal_attempt a = {.key = j->key, .tries = j->tries + 1, .slot = j->slot};
    char reason[sizeof(j->reason)];

    snprintf(reason, sizeof(reason), "%s%s%s", j->reason, j->hopeless ? ": " : "",
             j->hopeless ? j->hopeless : "");
    a.reason = span_of(reason);
    a.wait_ms = backoff_ms(r, j->tries);
    a.dead = j->hopeless || a.tries >= r->options.attempts;
    r->counters.failed++;
    r->counters.dead += a.dead;
    if (!a.dead)
        wants_again(r, a.wait_ms);
    log_warn(a.dead ? "repair_dead_letter" : "repair_failed", LOG_U64("bucket", j->key.bucket),
             LOG_SPAN("key", j->key.key), LOG_STR("replica", j->replica), LOG_U64("tries", a.tries),
             LOG_STR("reason", reason));
    r->env->journal->ops->attempt(r->env->journal, &a);
}

static void on_job_done(void *ctx, struct job *j)
{
    struct repair *r = ctx;

    if (j->result == JOB_FAILED)
        note_failure(r, j);
    else if (j->tries && j->result != JOB_AWAY)
        r->env->journal->ops->attempt(r->env->journal, &(struct journal_attempt){.key = j->key});
    if (j->result == JOB_LATER)
        wants_again(r, j->wait_ms);
    if (j->result == JOB_AWAY)
        wants_again(r, backoff_ms(r, r->aways));
    r->away |= j->result == JOB_AWAY;
    r->did_something |= j->result != JOB_REST;
    list_remove(&j->node);
    job_free(j);
    r->busy--;
    if (r->walking)
        walk(r);
    else if (!r->stopping && r->wait_ms < r->options.interval_ms) /* the walk ended before this key did */
        clock_start(r->env->clock, &r->timer, r->kicked ? 0 : r->wait_ms);
    check_stopped(r);
}

static bool under_way(const struct repair *r, const struct journal_key *key)
{
    for (const struct list *l = r->jobs.next; l != &r->jobs; l = l->next) {
        const struct job *j = LIST_ENTRY(l, const struct job, node);

        if (j->key.bucket == key->bucket && span_eq(j->key.key, key->key))
            return true;
    }
    return false;
}

static void start_one(struct repair *r, const struct journal_work *work)
{
    const struct journal_failures *failures = &work->failures;
    struct replica_set set;
    struct job *j;

    if (under_way(r, &work->key)) {
        wants_again(r, 0);
        return;
    }
    if (!r->recovered && (failures->dead || failures->wait_ms)) {
        if (!failures->dead)
            wants_again(r, failures->wait_ms);
        return;
    }
    if (!r->options.replicas(r->options.ctx, work->key.bucket, &set))
        return;
    j = job_start(r->env, work->key, &set, &r->counters, on_job_done, r);
    if (!j)
        return;
    j->tries = failures->tries;
    list_append(&r->jobs, &j->node);
    r->busy++;
}

static void on_page(struct journal_request *request, enum err e)
{
    struct repair *r = LIST_ENTRY(request, struct repair, scan.request);

    r->scanning = false;
    r->at = 0;
    if (e != ERR_OK) {
        log_warn("repair_scan_failed", LOG_STR("cause", err_text(e)));
        r->scan.count = 0;
    }
    if (r->stopping) {
        journal_scan_fini(&r->scan);
        check_stopped(r);
        return;
    }
    walk(r);
}

static bool next_page(struct repair *r)
{
    struct journal_key last;
    bool more = r->scan.count == JOURNAL_PAGE_KEYS;

    if (!more)
        return false;
    last = r->scan.work[r->scan.count - 1].key;
    free(r->after);
    r->after = malloc(last.key.len + 1);
    if (!r->after)
        abort();
    memcpy(r->after, last.key.at, last.key.len);
    journal_scan_fini(&r->scan);
    r->scan.after = (struct journal_key){last.bucket, {r->after, last.key.len}};
    return true;
}

static void read_page(struct repair *r)
{
    r->scan.request.done = on_page;
    r->scan.list = r->recovered ? JOURNAL_ALL_WORK : JOURNAL_LIVE_WORK;
    r->scan.count = 0;
    r->scanning = true;
    r->env->journal->ops->scan(r->env->journal, &r->scan);
}

static void walk(struct repair *r)
{
    if (r->scanning || r->stopping)
        return;
    while (r->busy < r->options.workers && r->at < r->scan.count)
        start_one(r, &r->scan.work[r->at++]);
    if (r->at < r->scan.count)
        return; /* all workers are busy: on_job_done goes on */
    if (next_page(r))
        read_page(r);
    else
        rest(r);
}

static void on_timer(struct timer *t)
{
    struct repair *r = LIST_ENTRY(t, struct repair, timer);

    if (r->stopping) {
        void (*stopped)(void *ctx) = r->stopped;

        r->stopped = NULL;
        if (stopped)
            stopped(r->stopped_ctx);
        return;
    }
    if (r->paused || r->walking)
        return;
    r->walking = true;
    r->recovered = r->recovered_next;
    r->aways = r->away && !r->recovered ? r->aways + 1 : 0;
    r->kicked = r->recovered_next = r->did_something = r->away = false;
    r->wait_ms = UINT64_MAX;
    r->began_ms = clock_mono_ms(r->env->clock);
    r->scan.after = (struct journal_key){0, SPAN_EMPTY};
    read_page(r);
}

enum err repair_open(struct repair **out, struct env *env, const struct repair_options *options)
{
    struct repair *r = calloc(1, sizeof(*r));

    *out = r;
    if (!r)
        return ERR_NOMEM;
    r->env = env;
    r->options = *options;
    list_init(&r->jobs);
    r->recovered_next =
        true; /* a start counts as a recovery: dead letters of the time before get another try */
    timer_init(&r->timer, on_timer);
    clock_start(env->clock, &r->timer, 0);
    return ERR_OK;
}

void repair_kick(struct repair *r, bool recovered)
{
    r->idle = false;
    r->kicked = true;
    r->recovered_next |= recovered;
    if (!r->walking && !r->paused && !r->stopping)
        clock_start(r->env->clock, &r->timer, 0);
}

void repair_pause(struct repair *r, bool paused)
{
    r->paused = paused;
    if (!paused)
        repair_kick(r, false);
}

void repair_stop(struct repair *r, void (*done)(void *ctx), void *ctx)
{
    r->stopping = true;
    r->stopped = done;
    r->stopped_ctx = ctx;
    clock_stop(r->env->clock, &r->timer);
    check_stopped(r);
}

void repair_free(struct repair *r)
{
    assert(!r->busy && !r->scanning);
    clock_stop(r->env->clock, &r->timer);
    journal_scan_fini(&r->scan);
    free(r->after);
    free(r);
}

const struct repair_counters *repair_counters(const struct repair *r)
{
    return &r->counters;
}

bool repair_idle(const struct repair *r)
{
    return r->idle && !r->walking && !r->busy && !r->kicked;
}
