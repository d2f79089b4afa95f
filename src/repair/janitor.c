/* A round:
 *
 *   REST --> UPLOADS (pages of the journal's) --> STRAYS (each bucket, each replica, pages of its uploads) --> REST
 *                                           `---- unless they were looked at not long ago ----'
 *
 * Of a page each entry is looked at and, if need be, dealt with before the next. Whatever fails is found again by the
 * next round, so nothing is tried twice here.
 *
 * A stray is aborted only when the journal has no upload of its key with that id, asked after the backend listed it: an
 * upload that is being created right now is younger than expire_ms. */
#include "repair/janitor.h"

#include "base/count.h"
#include "base/log.h"

#include <assert.h>
#include <stdlib.h>

enum { STRAYS_PAGE = 64, LIST_PAGES_MAX = 1000 };

enum janitor_state { JANITOR_REST, JANITOR_UPLOADS, JANITOR_STRAYS };

struct stray {
    struct span key, id; /* in one block with the next */
    char *text;
};

struct janitor {
    struct env *env;
    struct janitor_options options;
    struct janitor_counters counters;
    enum janitor_state state;
    struct timer timer; /* the next round; a step that may not happen inside a call */
    bool again;         /* a round behind this one */
    bool looked;        /* at strays, last: */
    uint64_t looked_ms;
    bool busy; /* something is under way that will come back */
    void (*stopped)(void *ctx);
    void *stopped_ctx;
    bool stopping;

    struct journal_upload_scan scan; /* UPLOADS: the page; STRAYS: the uploads of one key */
    size_t at;                       /* in the page */
    struct journal_upload_step step;

    struct bucket bucket;
    struct replica_set set;
    uint32_t slot;
    struct replica_call *call;
    struct timer patience; /* of that call */
    struct stray strays[STRAYS_PAGE];
    size_t stray_count;
    uint32_t pages;    /* of this replica's list so far; one that does not end must not keep us */
    struct stray next; /* where the next page begins; text NULL: there is none */
    char after_key[S3_KEY_BYTES_MAX];
};

static void next(struct janitor *j);

static struct journal *journal_of(const struct janitor *j)
{
    return j->env->journal;
}

/* Whatever comes next does so on a turn of its own: no chain of calls grows with the number of uploads. */
static void later(struct janitor *j)
{
    j->busy = false;
    clock_start(j->env->clock, &j->timer, 0);
}

static bool is_old(const struct janitor *j, uint64_t since_unix_ms, uint64_t age_ms)
{
    uint64_t now = clock_unix_ms(j->env->clock);

    return now > since_unix_ms && now - since_unix_ms >= age_ms;
}

/* ---- the journal's uploads ---- */

static void on_aborted(void *ctx, enum err e)
{
    struct janitor *j = ctx;

    if (e != ERR_OK && e != ERR_NOT_FOUND && e != ERR_EXISTS)
        log_warn("upload_abort_failed", LOG_STR("cause", err_text(e)));
    later(j);
}

static void on_forgotten(struct journal_request *r, enum err e)
{
    (void)e; /* the next round finds it again */
    later(LIST_ENTRY(r, struct janitor, step.request));
}

static void forget(struct janitor *j, const struct upload *u)
{
    j->step = (struct journal_upload_step){.request.done = on_forgotten,
                                           .key = u->key,
                                           .id = u->id,
                                           .from = UPLOAD_IN(u->state),
                                           .to = UPLOAD_GONE};
    journal_of(j)->ops->upload_step(journal_of(j), &j->step);
}

static enum err expire(struct janitor *j, const struct upload *u)
{
    struct upload_abort *a;

    log_info("upload_expired", LOG_SPAN("key", u->key.key), LOG_U64("created_unix_ms", u->created_unix_ms));
    COUNT_ADD(j->counters.expired, 1);
    return upload_abort_start(&a, j->env, u->key, &u->id, UPLOAD_IN(UPLOAD_OPEN), &j->set, on_aborted, j);
}

static enum err sweep(struct janitor *j, const struct upload *u)
{
    struct upload_abort *a;

    COUNT_ADD(j->counters.swept, 1);
    return upload_sweep_start(&a, j->env, u, &j->set, on_aborted, j);
}

/* A late Complete of the write that was acknowledged may still arrive on a replica: it has its time. */
static bool may_sweep(const struct janitor *j, const struct upload *u)
{
    return u->state == UPLOAD_ABORTED ||
           (upload_slots(u) && is_old(j, u->changed_unix_ms, j->env->terms.ambiguity_ms));
}

static void look_at_upload(struct janitor *j, const struct upload *u)
{
    bool known = j->options.replicas(j->options.ctx, u->key.bucket, &j->set);
    enum err e = ERR_NOT_FOUND;

    j->busy = true;
    if (u->state == UPLOAD_DONE && !upload_slots(u) &&
        is_old(j, u->changed_unix_ms, j->options.remember_ms)) {
        forget(j, u);
        return;
    }
    if (known && (u->state == UPLOAD_DONE || u->state == UPLOAD_ABORTED)) {
        if (may_sweep(j, u))
            e = sweep(j, u);
    } else if (known && is_old(j, u->created_unix_ms, j->options.expire_ms)) {
        e = expire(j, u);
    }
    if (e != ERR_OK)
        later(j);
}

static void begin_strays(struct janitor *j);

static void on_page(struct journal_request *r, enum err e)
{
    struct janitor *j = LIST_ENTRY(r, struct janitor, scan.request);

    j->at = 0;
    if (e != ERR_OK)
        log_warn("uploads_not_read", LOG_STR("cause", err_text(e)));
    later(j);
}

static void read_page(struct janitor *j)
{
    j->scan.request.done = on_page;
    j->scan.whole = true;
    j->scan.states = ~0u;
    j->busy = true;
    journal_of(j)->ops->upload_scan(journal_of(j), &j->scan);
}

/* The page has been looked at: the next one, or what comes after. */
static void turn_page(struct janitor *j)
{
    const struct upload *last;

    if (j->scan.count < JOURNAL_PAGE_UPLOADS) {
        journal_upload_scan_fini(&j->scan);
        begin_strays(j);
        return;
    }
    last = j->scan.uploads[j->scan.count - 1];
    span_put(j->after_key, last->key.key);
    j->scan.after = (struct journal_key){last->key.bucket, {j->after_key, last->key.key.len}};
    j->scan.after_id = last->id;
    journal_upload_scan_fini(&j->scan);
    read_page(j);
}

/* ---- uploads on backends that nobody knows ---- */

static void drop_strays(struct janitor *j)
{
    for (size_t i = 0; i < j->stray_count; i++)
        free(j->strays[i].text);
    j->stray_count = 0;
    j->at = 0;
}

static bool keep(struct stray *s, struct span key, struct span id)
{
    s->text = malloc(key.len + id.len + 1);
    if (!s->text)
        return false;
    s->key = (struct span){s->text, key.len};
    s->id = (struct span){span_put(s->text, key), id.len};
    span_put(s->text + key.len, id);
    return true;
}

static void on_listed(void *ctx, const struct replica_upload *u)
{
    struct janitor *j = ctx;

    if (u->initiated_unix_ms == UINT64_MAX || !is_old(j, u->initiated_unix_ms, j->options.expire_ms) ||
        u->key.len > S3_KEY_BYTES_MAX || j->stray_count == STRAYS_PAGE)
        return;
    if (keep(&j->strays[j->stray_count], u->key, u->id))
        j->stray_count++;
}

static void on_list_end(void *ctx, const struct replica_uploads_end *end)
{
    struct janitor *j = ctx;

    j->call = NULL;
    clock_stop(j->env->clock, &j->patience);
    free(j->next.text);
    j->next.text = NULL;
    if (end->error == ERR_OK && end->next_key.len && ++j->pages < LIST_PAGES_MAX)
        (void)!keep(&j->next, end->next_key, end->next_id);
    later(j);
}

static void on_impatient(struct timer *t)
{
    struct janitor *j = LIST_ENTRY(t, struct janitor, patience);

    (void)replica_call_abandon(j->set.by_slot[j->slot], j->call);
    j->call = NULL;
    later(j);
}

static bool list_slot(struct janitor *j)
{
    static const struct replica_uploads_events events = {.entry = on_listed, .done = on_list_end};
    struct replica *r = j->set.mask & 1u << j->slot ? j->set.by_slot[j->slot] : NULL;
    struct span key = j->next.text ? j->next.key : SPAN_EMPTY, id = j->next.text ? j->next.id : SPAN_EMPTY;

    if (!r || !replica_usable(r) || replica_uploads_start(r, &j->call, key, id, &events, j) != ERR_OK) {
        j->call = NULL;
        return false;
    }
    j->busy = true;
    clock_start(j->env->clock, &j->patience, j->env->terms.stall_ms);
    return true;
}

static void on_stray_gone(void *ctx, const struct replica_answer *answer)
{
    struct janitor *j = ctx;

    j->call = NULL;
    clock_stop(j->env->clock, &j->patience);
    COUNT_ADD(j->counters.strays, answer->result == REPLICA_STORED);
    later(j);
}

static bool is_known(const struct janitor *j, const struct stray *s)
{
    for (size_t i = 0; i < j->scan.count; i++)
        if (span_eq(j->scan.uploads[i]->key.key, s->key) && span_eq(j->scan.uploads[i]->ids[j->slot], s->id))
            return true;
    return false;
}

/* The uploads of the stray's key: a full page says nothing about one that is not in it. */
static void on_key_read(struct journal_request *r, enum err e)
{
    static const struct replica_put_events events = {.done = on_stray_gone};
    struct janitor *j = LIST_ENTRY(r, struct janitor, scan.request);
    const struct stray *s = &j->strays[j->at++];
    struct replica *replica = j->set.by_slot[j->slot];
    bool stray = e == ERR_OK && j->scan.count < JOURNAL_PAGE_UPLOADS && !is_known(j, s);

    journal_upload_scan_fini(&j->scan);
    if (!stray || !replica_usable(replica) ||
        replica_abort_start(replica, &j->call, s->key, s->id, &events, j) != ERR_OK) {
        j->call = NULL;
        later(j);
        return;
    }
    log_info("stray_upload", LOG_STR("backend", replica->name), LOG_SPAN("key", s->key));
    clock_start(j->env->clock, &j->patience, j->env->terms.stall_ms);
}

static void look_at_stray(struct janitor *j)
{
    j->scan.request.done = on_key_read;
    j->scan.after = (struct journal_key){j->bucket.id, j->strays[j->at].key};
    j->scan.after_id = (struct stamp){{0}};
    j->scan.whole = false;
    j->scan.states = ~0u;
    j->busy = true;
    journal_of(j)->ops->upload_scan(journal_of(j), &j->scan);
}

static bool next_bucket(struct janitor *j)
{
    j->slot = 0;
    while (journal_of(j)->ops->bucket_after(journal_of(j), span_of(j->bucket.name), &j->bucket))
        if (j->options.replicas(j->options.ctx, j->bucket.id, &j->set))
            return true;
    return false;
}

static void rest(struct janitor *j)
{
    j->state = JANITOR_REST;
    clock_start(j->env->clock, &j->timer, j->again ? 0 : j->options.interval_ms);
    j->again = false;
}

static void next_slot(struct janitor *j)
{
    drop_strays(j);
    if (!j->next.text)
        j->slot++;
    for (;; j->slot++) {
        if (!j->next.text)
            j->pages = 0;
        if (j->slot == REPLICAS_MAX && !next_bucket(j)) {
            rest(j);
            return;
        }
        if (list_slot(j))
            return;
        free(j->next.text);
        j->next.text = NULL;
    }
}

static void begin_strays(struct janitor *j)
{
    uint64_t now = clock_mono_ms(j->env->clock);

    if (j->looked && now - j->looked_ms < j->options.strays_ms) {
        rest(j);
        return;
    }
    j->looked = true;
    j->looked_ms = now;
    j->state = JANITOR_STRAYS;
    j->bucket = (struct bucket){.id = 0};
    j->slot = REPLICAS_MAX - 1;
    next_slot(j);
}

/* ---- rounds ---- */

static void begin_round(struct janitor *j)
{
    j->state = JANITOR_UPLOADS;
    j->scan.after = (struct journal_key){0, SPAN_EMPTY};
    j->scan.after_id = (struct stamp){{0}};
    read_page(j);
}

static void next(struct janitor *j)
{
    if (j->stopping) {
        if (j->stopped)
            j->stopped(j->stopped_ctx);
        return;
    }
    switch (j->state) {
    case JANITOR_REST: begin_round(j); break;
    case JANITOR_UPLOADS:
        if (j->at < j->scan.count)
            look_at_upload(j, j->scan.uploads[j->at++]);
        else
            turn_page(j);
        break;
    case JANITOR_STRAYS:
        if (j->at < j->stray_count)
            look_at_stray(j);
        else
            next_slot(j);
        break;
    }
}

static void on_timer(struct timer *t)
{
    next(LIST_ENTRY(t, struct janitor, timer));
}

enum err janitor_open(struct janitor **out, struct env *env, const struct janitor_options *options)
{
    struct janitor *j = calloc(1, sizeof(*j));

    *out = j;
    if (!j)
        return ERR_NOMEM;
    j->env = env;
    j->options = *options;
    timer_init(&j->timer, on_timer);
    timer_init(&j->patience, on_impatient);
    clock_start(env->clock, &j->timer, 0);
    return ERR_OK;
}

void janitor_kick(struct janitor *j)
{
    if (j->stopping)
        return;
    if (j->state == JANITOR_REST && !j->busy)
        clock_start(j->env->clock, &j->timer, 0);
    else
        j->again = true;
}

void janitor_stop(struct janitor *j, void (*done)(void *ctx), void *ctx)
{
    j->stopping = true;
    j->stopped = done;
    j->stopped_ctx = ctx;
    if (!j->busy)
        clock_start(j->env->clock, &j->timer, 0);
}

void janitor_free(struct janitor *j)
{
    if (!j)
        return;
    assert(!j->busy);
    clock_stop(j->env->clock, &j->timer);
    clock_stop(j->env->clock, &j->patience);
    journal_upload_scan_fini(&j->scan);
    drop_strays(j);
    free(j->next.text);
    free(j);
}

const struct janitor_counters *janitor_counters(const struct janitor *j)
{
    return &j->counters;
}
