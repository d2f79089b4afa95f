/* The journal's contract (journal/journal.h), to the letter and no further.
 *
 * Each request is one event at which it happens, and a later one at which its `done` fires; a begin has one more
 * between them, for the R1 read and the second writing of the row (step 3a). Requests that are under way at the same
 * time overtake each other. A writing request may fail: then it has happened or not, the caller cannot know (J4). A
 * crash leaves the same doubt about every request that was under way.
 *
 * Only the disk outlives a process. Its rows carry the number of the process that made them: to any other process
 * an open row or an outcome of theirs is an orphan, and everything's age counts from that process's start. */
#include "sim_journal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum kind {
    BEGIN,
    READ,
    WRITE,
    CLAIM,
    SCAN,
    RANGE,
    FORGET,
    MANIFEST_DROP,
    UPLOAD_ADD,
    UPLOAD_STEP,
    PART,
    UPLOAD_READ,
    UPLOAD_SCAN,
    OTHER
};
enum stage { STAGE_HAPPEN, STAGE_READ, STAGE_RAISE, STAGE_ANSWER };

/* One request under way; a forget has no journal_request. */
struct journey {
    struct sim_event event;
    struct list node;
    struct sim_journal *journal;
    struct journal_request *request;
    enum kind kind;
    enum stage stage;
    uint32_t key;
    struct stamp forget; /* or the one whose manifest is kept */
    uint64_t before;
};

static struct sim_journal *of(struct journal *j)
{
    return (struct sim_journal *)(void *)j;
}

uint32_t sim_key_number(struct span key)
{
    assert(key.len == 2 && key.at[0] == 'k' && key.at[1] >= '0' && key.at[1] < '0' + SIM_KEYS_MAX);
    return (uint32_t)(key.at[1] - '0');
}

struct span sim_key_name(uint32_t number)
{
    static const char *const names[SIM_KEYS_MAX] = {"k0", "k1", "k2"};

    return span_of(names[number]);
}

/* --- the disk --- */

void disk_init(struct disk *d, struct sim *s)
{
    memset(d, 0, sizeof(*d));
    d->sim = s;
}

void disk_fini(struct disk *d)
{
    disk_uploads_fini(&d->uploads);
}

static struct disk_row *disk_find(struct disk *d, uint32_t key, const struct stamp *stamp)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->rows[i].key == key && stamp_eq(&d->rows[i].row.stamp, stamp))
            return &d->rows[i];
    return NULL;
}

static const char *short_stamp(const struct stamp *s, char out[static 12])
{
    snprintf(out, 12, "%02x%02x%02x.%02x", s->b[4], s->b[5], s->b[7], s->b[15]);
    return out;
}

static void disk_remove(struct disk *d, uint32_t key, const struct stamp *stamp, const char *why)
{
    struct disk_row *r = disk_find(d, key, stamp);
    char text[12];

    if (!r)
        return;
    sim_trace(d->sim, "journal k%u row %s removed (%s)", key, short_stamp(stamp, text), why);
    *r = d->rows[--d->count];
}

static uint64_t age_since(const struct disk *d, uint64_t event_ms, uint64_t boot_ms)
{
    return d->sim->now_ms - (event_ms > boot_ms ? event_ms : boot_ms);
}

void disk_view(const struct disk *d, uint32_t key, uint32_t boot, uint64_t boot_ms, struct key_view *out)
{
    const struct disk_claim *c = &d->claims[key];

    for (size_t i = 0; i < d->count; i++) {
        struct row r = d->rows[i].row;

        if (d->rows[i].key != key)
            continue;
        r.orphan = d->rows[i].boot != boot && (r.phase == ROW_OPEN || r.phase == ROW_OUTCOME);
        r.age_ms = r.orphan ? d->sim->now_ms - boot_ms : age_since(d, d->rows[i].changed_ms, boot_ms);
        key_view_add(out, &r);
    }
    if (c->taken) {
        out->claim = c->claim;
        out->claim.age_ms = age_since(d, c->taken_ms, boot_ms);
        out->claimed = out->claim.age_ms < c->claim.lease_ms + d->sim->ambiguity_ms;
    }
}

/* --- what requests do --- */

static void happen_begin(struct journey *y)
{
    struct journal_begin *b = (struct journal_begin *)(void *)y->request;
    struct disk *d = y->journal->disk;
    char text[12];

    assert(d->count < DISK_ROWS_MAX && !disk_find(d, y->key, &b->stamp));
    if (d->sim->breakage == BREAK_INTENT && sim_chance(d->sim, 300))
        return;
    d->rows[d->count++] = (struct disk_row){
        .row = {.stamp = b->stamp, .version = b->version, .kind = (uint8_t)b->row_kind, .phase = ROW_OPEN},
        .key = y->key,
        .boot = y->journal->boot,
        .changed_ms = d->sim->now_ms,
    };
    sim_trace(d->sim, "journal k%u row %s open (%s)", y->key, short_stamp(&b->stamp, text),
              b->row_kind == ROW_PUT ? "put" : "delete");
}

/* R1: true when a row orders after the own one, which has to be raised above it. */
static bool read_begin(struct journey *y)
{
    struct journal_begin *b = (struct journal_begin *)(void *)y->request;
    struct sim_journal *j = y->journal;
    struct key_view all;
    bool raise = false;

    key_view_init(&all);
    key_view_init(&b->view);
    if (j->sim->breakage != BREAK_FORGETFUL)
        disk_view(j->disk, y->key, j->boot, j->boot_ms, &all);
    for (size_t i = 0; i < all.count; i++) {
        const struct row *r = &all.rows[i];

        if (stamp_eq(&r->stamp, &b->stamp))
            continue;
        key_view_add(&b->view, r);
        if (r->version > b->version ||
            (r->version == b->version && memcmp(r->stamp.b, b->stamp.b, STAMP_BYTES) > 0)) {
            b->version = r->version + 1;
            raise = true;
        }
    }
    b->view.claimed = all.claimed;
    b->view.claim = all.claim;
    key_view_fini(&all);
    return raise;
}

static void happen_raise(struct journey *y)
{
    struct journal_begin *b = (struct journal_begin *)(void *)y->request;
    struct disk_row *r = disk_find(y->journal->disk, y->key, &b->stamp);

    if (r)
        r->row.version = b->version;
}

static enum err happen_write(struct journey *y)
{
    static const char *const phases[] = {
        [ROW_OPEN] = "open", [ROW_OUTCOME] = "outcome", [ROW_FINAL] = "final", [ROW_MERGED] = "merged"};
    struct journal_write *w = (struct journal_write *)(void *)y->request;
    struct disk *d = y->journal->disk;
    struct disk_row *r = w->change ? disk_find(d, y->key, &w->row.stamp) : NULL;
    char text[12];

    if (w->change && (!r || w->row.phase < r->row.phase))
        return ERR_NOT_FOUND;
    if (d->sim->breakage == BREAK_OUTCOME && w->change && sim_chance(d->sim, 300)) {
        disk_remove(d, y->key, &w->row.stamp, "broken on purpose");
        return ERR_OK;
    }
    if (r) {
        r->row.phase = w->row.phase;
        r->row.stored = w->add_stored ? r->row.stored | w->row.stored : w->row.stored;
        r->row.unresolved = w->row.unresolved;
        r->changed_ms = d->sim->now_ms;
        sim_trace(d->sim, "journal k%u row %s %s, stored %x, unresolved %x", y->key,
                  short_stamp(&w->row.stamp, text), phases[r->row.phase], r->row.stored, r->row.unresolved);
    }
    for (size_t i = 0; i < w->remove_count; i++)
        disk_remove(d, y->key, &w->remove[i], "batch");
    if (w->try_again)
        d->work[y->key] = (struct disk_work){.until_ms = 0};
    if (w->release && d->claims[y->key].taken && d->claims[y->key].claim.id == w->release) {
        d->claims[y->key].taken = false;
        sim_trace(d->sim, "journal k%u claim released", y->key);
    }
    return ERR_OK;
}

static enum err happen_claim(struct journey *y)
{
    struct journal_claim *r = (struct journal_claim *)(void *)y->request;
    struct sim_journal *j = y->journal;
    struct disk_claim *c = &j->disk->claims[y->key];

    if (c->taken && age_since(j->disk, c->taken_ms, j->boot_ms) < c->claim.lease_ms + j->sim->ambiguity_ms)
        return ERR_EXISTS;
    r->id = ++j->disk->last_claim;
    *c = (struct disk_claim){.taken = true,
                             .claim = {.id = r->id, .targets = r->targets, .lease_ms = r->lease_ms},
                             .taken_ms = j->sim->now_ms};
    sim_trace(j->sim, "journal k%u claimed, targets %x", y->key, r->targets);
    return ERR_OK;
}

static struct journal_failures failures_of(const struct sim_journal *j, uint32_t key)
{
    const struct disk_work *work = &j->disk->work[key];
    struct journal_failures f = work->failures;

    f.wait_ms = work->until_ms > j->sim->now_ms ? work->until_ms - j->sim->now_ms : 0;
    return f;
}

static void happen_read(struct journey *y)
{
    struct journal_read *r = (struct journal_read *)(void *)y->request;

    r->failures = failures_of(y->journal, y->key);
    key_view_init(&r->view);
    if (y->journal->sim->breakage != BREAK_FORGETFUL)
        disk_view(y->journal->disk, y->key, y->journal->boot, y->journal->boot_ms, &r->view);
}

static bool has_work(const struct sim_journal *j, uint32_t key)
{
    for (size_t i = 0; i < j->disk->count; i++) {
        const struct disk_row *r = &j->disk->rows[i];

        if (r->key == key && (r->row.phase >= ROW_FINAL || r->boot != j->boot))
            return true;
    }
    return false;
}

/* It may name a key that has nothing. */
static void happen_scan(struct journey *y)
{
    struct journal_scan *s = (struct journal_scan *)(void *)y->request;
    struct sim_journal *j = y->journal;
    uint32_t first = s->after.bucket ? sim_key_number(s->after.key) + 1 : 0;

    s->count = 0;
    for (uint32_t key = first; key < SIM_KEYS_MAX; key++) {
        bool dead = j->disk->work[key].failures.dead;
        struct span name = sim_key_name(key);
        char *copy;

        if (s->list == (dead ? JOURNAL_LIVE_WORK : JOURNAL_DEAD_LETTERS) ||
            (!has_work(j, key) && !sim_fault(j->sim)))
            continue;
        copy = malloc(name.len);
        if (!copy)
            abort();
        memcpy(copy, name.at, name.len);
        s->work[s->count++] = (struct journal_work){
            .key = {.bucket = SIM_BUCKET, .key = {copy, name.len}},
            .failures = failures_of(j, key),
        };
    }
}

/* It may name a key that has nothing, and end anywhere. */
static void happen_range(struct journey *y)
{
    struct journal_range *r = (struct journal_range *)(void *)y->request;
    struct sim_journal *j = y->journal;

    r->count = 0;
    r->more = false;
    if (j->sim->breakage == BREAK_FORGETFUL)
        return;
    for (uint32_t key = 0; key < SIM_KEYS_MAX && !r->more; key++) {
        const struct row *newest;
        struct key_view v;
        uint32_t stored;

        key_view_init(&v);
        disk_view(j->disk, key, j->boot, j->boot_ms, &v);
        newest = key_view_newest_stored(&v, r->slots);
        stored = newest ? newest->stored & r->slots : 0;
        key_view_fini(&v);
        if ((!stored && !sim_fault(j->sim)) || !span_starts(sim_key_name(key), r->prefix) ||
            span_cmp(sim_key_name(key), r->after) <= 0)
            continue;
        if (r->count && sim_chance(j->sim, 300))
            r->more = true;
        else
            journal_range_add(r, sim_key_name(key), stored);
    }
}

static enum err happen_step(struct journey *y, uint64_t unix_ms)
{
    static const char *const states[] = {[UPLOAD_OPEN] = "open",
                                         [UPLOAD_COMPLETING] = "completing",
                                         [UPLOAD_DONE] = "done",
                                         [UPLOAD_ABORTED] = "aborted",
                                         [UPLOAD_GONE] = "gone"};
    struct journal_upload_step *r = (struct journal_upload_step *)(void *)y->request;
    enum err e = disk_upload_step(&y->journal->disk->uploads, r, unix_ms);
    char text[12];

    if (e == ERR_OK)
        sim_trace(y->journal->sim, "journal k%u upload %s %s", y->key, short_stamp(&r->id, text),
                  states[r->to]);
    return e;
}

static enum err happen(struct journey *y)
{
    struct disk_uploads *u = &y->journal->disk->uploads;
    uint64_t unix_ms = SIM_UNIX_MS + y->journal->sim->now_ms;

    switch (y->kind) {
    case BEGIN: happen_begin(y); return ERR_OK;
    case READ: happen_read(y); return ERR_OK;
    case WRITE: return happen_write(y);
    case CLAIM: return happen_claim(y);
    case SCAN: happen_scan(y); return ERR_OK;
    case RANGE: happen_range(y); return ERR_OK;
    case FORGET: disk_remove(y->journal->disk, y->key, &y->forget, "forgotten"); return ERR_OK;
    case MANIFEST_DROP: disk_manifests_drop(u, y->key, y->before, &y->forget); return ERR_OK;
    case UPLOAD_ADD: return disk_upload_add(u, (struct journal_upload_add *)(void *)y->request, unix_ms);
    case UPLOAD_STEP: return happen_step(y, unix_ms);
    case PART: return disk_part_write(u, (struct journal_part_write *)(void *)y->request);
    case UPLOAD_READ: return disk_upload_read(u, (struct journal_upload_read *)(void *)y->request);
    case UPLOAD_SCAN: return disk_upload_scan(u, (struct journal_upload_scan *)(void *)y->request);
    case OTHER: return ERR_DENIED;
    }
    abort();
}

static bool is_writing(enum kind kind)
{
    return kind == BEGIN || kind == WRITE || kind == CLAIM || kind == UPLOAD_ADD || kind == UPLOAD_STEP ||
           kind == PART;
}

static const char *const kind_names[] = {[BEGIN] = "begin",
                                         [READ] = "read",
                                         [WRITE] = "write",
                                         [CLAIM] = "claim",
                                         [SCAN] = "scan",
                                         [RANGE] = "range",
                                         [FORGET] = "forget",
                                         [MANIFEST_DROP] = "drop of manifests",
                                         [UPLOAD_ADD] = "upload_add",
                                         [UPLOAD_STEP] = "upload_step",
                                         [PART] = "part",
                                         [UPLOAD_READ] = "upload_read",
                                         [UPLOAD_SCAN] = "upload_scan",
                                         [OTHER] = "other"};

/* A failing disk: writes that failed may be there all the same. */
static enum err happen_or_fail(struct journey *y)
{
    static const enum err errors[] = {ERR_FULL, ERR_IO, ERR_UNAVAILABLE};
    struct sim *s = y->journal->sim;

    if (!y->journal->failed && !(y->kind != FORGET && sim_fault(s) && sim_chance(s, 300)))
        return happen(y);
    sim_trace(s, "journal k%u %s fails", y->key, kind_names[y->kind]);
    if (is_writing(y->kind) && sim_chance(s, 500))
        (void)happen(y);
    return errors[random_below(&s->random, 3)];
}

/* Disks and their locks can take longer than any lease. */
static uint64_t journal_delay_ms(struct sim *s)
{
    return sim_fault(s) && sim_chance(s, 100) ? sim_between(s, 500, 3 * s->ambiguity_ms) : sim_delay_ms(s);
}

static void journey_end(struct journey *y)
{
    struct journal_request *r = y->request;
    enum err result = r ? r->result : ERR_OK;

    list_remove(&y->node);
    sim_cancel(y->journal->sim, &y->event);
    free(y);
    if (r)
        r->done(r, result);
}

static void on_event(struct sim_event *e)
{
    struct journey *y = LIST_ENTRY(e, struct journey, event);
    struct sim *s = y->journal->sim;
    enum err result;

    switch (y->stage) {
    case STAGE_HAPPEN:
        result = happen_or_fail(y);
        if (!y->request) {
            journey_end(y);
            return;
        }
        y->request->result = result;
        y->stage = y->kind == BEGIN && result == ERR_OK ? STAGE_READ : STAGE_ANSWER;
        break;
    case STAGE_READ: y->stage = read_begin(y) ? STAGE_RAISE : STAGE_ANSWER; break;
    case STAGE_RAISE:
        happen_raise(y);
        y->stage = STAGE_ANSWER;
        break;
    case STAGE_ANSWER: journey_end(y); return;
    }
    sim_after(s, &y->event, sim_chance(s, 700) ? 0 : journal_delay_ms(s));
}

static struct journey *journey_new(struct journal *journal, struct journal_request *r, enum kind kind,
                                   uint32_t key)
{
    struct sim_journal *j = of(journal);
    struct journey *y = calloc(1, sizeof(*y));

    if (!y)
        abort();
    y->event.fire = on_event;
    y->journal = j;
    y->request = r;
    y->kind = kind;
    y->key = key;
    if (r) {
        r->journal = journal;
        r->result = ERR_IO;
    }
    list_append(&j->under_way, &y->node);
    if (!j->dead)
        sim_after(j->sim, &y->event, journal_delay_ms(j->sim));
    return y;
}

/* --- the vtable --- */

static void sj_begin(struct journal *j, struct journal_begin *r)
{
    assert(r->key.bucket == SIM_BUCKET);
    journey_new(j, &r->request, BEGIN, sim_key_number(r->key.key));
}

static void sj_read(struct journal *j, struct journal_read *r)
{
    journey_new(j, &r->request, READ, sim_key_number(r->key.key));
}

static void sj_write(struct journal *j, struct journal_write *r)
{
    journey_new(j, &r->request, WRITE, sim_key_number(r->key.key));
}

static void sj_claim(struct journal *j, struct journal_claim *r)
{
    journey_new(j, &r->request, CLAIM, sim_key_number(r->key.key));
}

static void sj_scan(struct journal *j, struct journal_scan *r)
{
    r->count = 0;
    journey_new(j, &r->request, SCAN, 0);
}

static void sj_range(struct journal *j, struct journal_range *r)
{
    r->count = 0;
    r->more = false;
    journey_new(j, &r->request, RANGE, 0);
}

/* Each stamp by itself, each any time later. */
static void sj_forget(struct journal *j, struct journal_key key, const struct stamp *stamps, size_t count)
{
    struct sim *s = of(j)->sim;

    if (of(j)->dead)
        return;
    for (size_t i = 0; i < count; i++) {
        struct journey *y = journey_new(j, NULL, FORGET, sim_key_number(key.key));

        y->forget = stamps[i];
        if (sim_chance(s, 100))
            sim_after(s, &y->event, sim_between(s, 0, 3 * s->ambiguity_ms));
    }
}

static void sj_manifest_drop(struct journal *j, struct journal_key key, uint64_t before,
                             const struct stamp *keeps)
{
    struct sim *s = of(j)->sim;
    struct journey *y;

    if (of(j)->dead)
        return;
    y = journey_new(j, NULL, MANIFEST_DROP, sim_key_number(key.key));
    y->before = before;
    y->forget = *keeps;
    if (sim_chance(s, 100))
        sim_after(s, &y->event, sim_between(s, 0, 3 * s->ambiguity_ms));
}

static void sj_attempt(struct journal *j, const struct journal_attempt *a)
{
    struct sim_journal *sj = of(j);
    struct disk_work *work;

    if (sj->dead)
        return;
    sim_trace(sj->sim, "journal %.*s attempt %u failed: %.*s", SPAN_ARG(a->key.key), a->tries,
              SPAN_ARG(a->reason));
    work = &sj->disk->work[sim_key_number(a->key.key)];
    *work = (struct disk_work){.until_ms = 0};
    if (!a->tries)
        return;
    *work = (struct disk_work){
        .failures = {.tries = a->tries, .dead = a->dead, .slot = a->slot, .unix_ms = sj->sim->now_ms},
        .until_ms = sj->sim->now_ms + a->wait_ms,
    };
    snprintf(work->failures.reason, sizeof(work->failures.reason), "%.*s", SPAN_ARG(a->reason));
}

static void sj_upload_add(struct journal *j, struct journal_upload_add *r)
{
    journey_new(j, &r->request, UPLOAD_ADD, sim_key_number(r->upload.key.key));
}

static void sj_upload_step(struct journal *j, struct journal_upload_step *r)
{
    journey_new(j, &r->request, UPLOAD_STEP, sim_key_number(r->key.key));
}

static void sj_part_write(struct journal *j, struct journal_part_write *r)
{
    journey_new(j, &r->request, PART, sim_key_number(r->key.key));
}

static void sj_upload_read(struct journal *j, struct journal_upload_read *r)
{
    r->upload = NULL;
    r->parts = NULL;
    r->count = 0;
    journey_new(j, &r->request, UPLOAD_READ, sim_key_number(r->key.key));
}

static void sj_upload_scan(struct journal *j, struct journal_upload_scan *r)
{
    r->count = 0;
    journey_new(j, &r->request, UPLOAD_SCAN, 0);
}

static void sj_bucket_write(struct journal *j, struct journal_bucket_write *r)
{
    journey_new(j, &r->request, OTHER, 0);
}

static bool sj_maybe(struct journal *journal, struct journal_key key, enum journal_question q,
                     const struct stamp *own)
{
    struct sim_journal *j = of(journal);
    bool whole = q == JOURNAL_ANY_STORED_IN_BUCKET;
    uint32_t number = whole ? 0 : sim_key_number(key.key);
    bool yes = q == JOURNAL_ANY_OTHER_ROW && j->disk->claims[number].taken;

    if (q == JOURNAL_ANY_MANIFEST)
        return disk_any_manifest(&j->disk->uploads, number) || sim_chance(j->sim, 200);

    for (size_t i = 0; i < j->disk->count; i++) {
        const struct disk_row *r = &j->disk->rows[i];

        if (r->key != number && !whole)
            continue;
        if (q != JOURNAL_ANY_OTHER_ROW)
            yes |= r->row.stored != 0;
        else
            yes |= !own || !stamp_eq(&r->row.stamp, own);
    }
    if (j->sim->breakage == BREAK_FORGETFUL)
        return false;
    return yes || sim_chance(j->sim, 200);
}

static bool sj_lease_valid(struct journal *j)
{
    return !of(j)->dead && !of(j)->failed;
}

static void fill_bucket(struct sim_journal *j, struct bucket *out)
{
    *out = (struct bucket){.id = SIM_BUCKET, .name = "sim", .configured = true, .replica_count = j->replicas};
}

static bool sj_bucket_by_name(struct journal *j, struct span name, struct bucket *out)
{
    fill_bucket(of(j), out);
    return span_is(name, "sim");
}

static bool sj_bucket_by_id(struct journal *j, uint32_t id, struct bucket *out)
{
    fill_bucket(of(j), out);
    return id == SIM_BUCKET;
}

static bool sj_bucket_after(struct journal *j, struct span name, struct bucket *out)
{
    fill_bucket(of(j), out);
    return span_cmp(name, SPAN("sim")) < 0;
}

static void sj_lag(struct journal *j, uint32_t bucket, struct replica_lag out[static REPLICAS_MAX])
{
    uint32_t lacked[SIM_KEYS_MAX] = {0};

    memset(out, 0, REPLICAS_MAX * sizeof(*out));
    for (size_t i = 0; i < of(j)->disk->count; i++)
        if (of(j)->disk->rows[i].row.phase >= ROW_FINAL)
            lacked[of(j)->disk->rows[i].key] |= ~of(j)->disk->rows[i].row.stored;
    for (uint32_t key = 0; key < SIM_KEYS_MAX; key++)
        for (uint32_t slot = 0; slot < of(j)->replicas; slot++)
            out[slot].hints += lacked[key] >> slot & 1;
}

static void sj_stats(struct journal *j, struct journal_stats *out)
{
    *out = (struct journal_stats){0};
    for (size_t i = 0; i < of(j)->disk->count; i++)
        *(of(j)->disk->rows[i].row.phase == ROW_OPEN ? &out->rows_open : &out->hints) += 1;
}

static const struct journal_ops ops = {
    .begin = sj_begin,
    .read = sj_read,
    .write = sj_write,
    .claim = sj_claim,
    .scan = sj_scan,
    .range = sj_range,
    .forget = sj_forget,
    .manifest_drop = sj_manifest_drop,
    .attempt = sj_attempt,
    .bucket_write = sj_bucket_write,
    .upload_add = sj_upload_add,
    .upload_step = sj_upload_step,
    .part_write = sj_part_write,
    .upload_read = sj_upload_read,
    .upload_scan = sj_upload_scan,
    .maybe = sj_maybe,
    .lease_valid = sj_lease_valid,
    .bucket_by_name = sj_bucket_by_name,
    .bucket_by_id = sj_bucket_by_id,
    .bucket_after = sj_bucket_after,
    .lag = sj_lag,
    .stats = sj_stats,
};

/* --- the life of a process --- */

void sim_journal_init(struct sim_journal *j, struct disk *d, uint32_t boot, uint32_t replicas)
{
    *j = (struct sim_journal){
        .journal = {.ops = &ops}, .sim = d->sim, .disk = d, .boot = boot, .replicas = replicas};
    j->boot_ms = d->sim->now_ms;
    list_init(&j->under_way);
    disk_uploads_boot(&d->uploads);
    if (d->sim->breakage == BREAK_RESTART)
        for (size_t i = d->count; i-- > 0;)
            if (d->rows[i].row.phase < ROW_FINAL)
                disk_remove(d, d->rows[i].key, &d->rows[i].row.stamp, "broken on purpose");
}

void sim_journal_die(struct sim_journal *j)
{
    struct list left = {0};

    list_init(&left);
    while (!list_empty(&j->under_way)) {
        struct journey *y = LIST_ENTRY(list_pop(&j->under_way), struct journey, node);

        sim_cancel(j->sim, &y->event);
        if (y->stage == STAGE_HAPPEN && (is_writing(y->kind) || y->kind == FORGET) && sim_chance(j->sim, 500))
            (void)happen(y);
        else if (y->stage == STAGE_RAISE && sim_chance(j->sim, 500))
            happen_raise(y);
        if (y->request)
            list_append(&left, &y->node);
        else
            free(y);
    }
    list_splice(&j->under_way, &left);
    j->dead = true;
}

/* A row that is gone ends the tries to make it final; all else has failed. */
bool sim_journal_drain(struct sim_journal *j)
{
    struct list now = {0};
    bool any = !list_empty(&j->under_way);

    list_init(&now);
    list_splice(&now, &j->under_way);
    while (!list_empty(&now)) {
        struct journey *y = LIST_ENTRY(now.next, struct journey, node);

        y->request->result = y->kind == WRITE || y->kind == UPLOAD_STEP ? ERR_NOT_FOUND : ERR_IO;
        if (y->kind == SCAN)
            journal_scan_fini((struct journal_scan *)(void *)y->request);
        journey_end(y);
    }
    return any;
}

bool sim_journal_busy(const struct sim_journal *j, uint32_t key)
{
    for (const struct list *l = j->under_way.next; l != &j->under_way; l = l->next) {
        const struct journey *y = LIST_ENTRY(l, const struct journey, node);

        if (y->key == key && y->kind != SCAN && y->kind != RANGE && y->kind != READ)
            return true;
    }
    return false;
}
