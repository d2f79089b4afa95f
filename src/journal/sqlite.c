/* The embedded journal, seen from the loops.
 *
 *     loop 1  loop 2  ...        each with a handle; a call queues the caller's request, or answers from memory
 *        \      /  \
 *       queue     queue
 *         |          |
 *      writer      reader        two threads, each with a connection to the database
 *          \        /
 *         handle.done            one message to the loop for all that a group finished; `done` fires there
 *
 * What makes a healthy key cheap: the filter (sqlite_filter.c) knows that it has no rows, so that begin's R1, R2 and
 * reads cost no look-up; its intent is one insertion into a small tree, its removal rides in a later group. What makes
 * an unhealthy one safe: the order of things in sqlite_writer.c.
 *
 * Locks: the queue of each thread, the handles' lists, the catalogue. None is held while another is taken. */
#include "journal/sqlite_store.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

static void worker_push(struct worker *w, struct list *requests)
{
    pthread_mutex_lock(&w->lock);
    list_splice(&w->requests, requests);
    worker_wake_locked(w);
    pthread_mutex_unlock(&w->lock);
}

const struct journal_key *request_key(const struct journal_request *r)
{
    switch (r->kind) {
    case REQUEST_BEGIN:
    case REQUEST_LIFT: return &LIST_ENTRY(r, struct journal_begin, request)->key;
    case REQUEST_WRITE: return &LIST_ENTRY(r, struct journal_write, request)->key;
    case REQUEST_CLAIM: return &LIST_ENTRY(r, struct journal_claim, request)->key;
    case REQUEST_UPLOAD_STEP: return &LIST_ENTRY(r, struct journal_upload_step, request)->key;
    default: return NULL;
    }
}

/* What the request can add to the filter's sets; FILTER_SETS: nothing. A lifted row was counted as it was begun. */
static enum filter_set counted_set(const struct journal_request *r)
{
    const struct journal_write *w;

    if (r->kind == REQUEST_BEGIN || r->kind == REQUEST_CLAIM)
        return FILTER_ROWS;
    if (r->kind == REQUEST_UPLOAD_STEP)
        return LIST_ENTRY(r, struct journal_upload_step, request)->manifest.len ? FILTER_MANIFESTS
                                                                                : FILTER_SETS;
    if (r->kind != REQUEST_WRITE)
        return FILTER_SETS;
    w = LIST_ENTRY(r, struct journal_write, request);
    return w->change && (w->row.stored || w->add_stored) ? FILTER_STORED : FILTER_SETS;
}

void request_count(struct sqlite_store *s, const struct journal_request *r)
{
    enum filter_set set = counted_set(r);

    if (set != FILTER_SETS)
        filter_add(&s->filter, set, filter_place(&s->filter, request_key(r)));
    if (set == FILTER_STORED)
        filter_add_stored_in(&s->filter, request_key(r)->bucket);
}

void request_uncount(struct sqlite_store *s, const struct journal_request *r)
{
    enum filter_set set = counted_set(r);

    if (set != FILTER_SETS)
        filter_drop(&s->filter, set, filter_place(&s->filter, request_key(r)));
    if (set == FILTER_STORED)
        filter_drop_stored_in(&s->filter, request_key(r)->bucket);
}

static struct sqlite_journal *journal_of(struct journal *j)
{
    return LIST_ENTRY(j, struct sqlite_journal, journal);
}

static struct sqlite_store *queue(struct journal *j, struct journal_request *r, enum request_kind kind)
{
    struct sqlite_journal *handle = journal_of(j);

    handle->under_way++;
    r->journal = j;
    r->kind = kind;
    r->result = ERR_OK;
    list_init(&r->node);
    return handle->store;
}

/* All that a turn of the loop has for the writer goes there at once: it is woken once, and makes one group of it. */
static void send_outbox(struct loop_task *t)
{
    struct sqlite_journal *handle = LIST_ENTRY(t, struct sqlite_journal, send);

    worker_push(&handle->store->writer, &handle->outbox);
}

static void queue_write(struct journal *j, struct journal_request *r, enum request_kind kind)
{
    struct sqlite_journal *handle = journal_of(j);

    request_count(queue(j, r, kind), r);
    if (list_empty(&handle->outbox))
        loop_before_wait(handle->loop, &handle->send);
    list_append(&handle->outbox, &r->node);
}

static void queue_read(struct journal *j, struct journal_request *r)
{
    struct list one;

    list_init(&one);
    list_append(&one, &r->node);
    worker_push(&journal_of(j)->store->reader, &one);
}

static void hand_over(struct sqlite_journal *handle, struct list *done)
{
    bool post;

    pthread_mutex_lock(&handle->lock);
    list_splice(&handle->done, done);
    post = !handle->posted;
    handle->posted = true;
    pthread_mutex_unlock(&handle->lock);
    if (post)
        loop_post(handle->loop, &handle->deliver);
}

void deliver_all(struct list *done)
{
    while (!list_empty(done)) {
        struct journal *j = LIST_ENTRY(done->next, struct journal_request, node)->journal;
        struct list mine, *next;

        list_init(&mine);
        for (struct list *node = done->next; node != done; node = next) {
            next = node->next;
            if (LIST_ENTRY(node, struct journal_request, node)->journal != j)
                continue;
            list_remove(node);
            list_append(&mine, node);
        }
        hand_over(journal_of(j), &mine);
    }
}

/* On the loop. A callback may queue anew, and may free the handle when it was the last. */
static void deliver(struct loop_task *t)
{
    struct sqlite_journal *handle = LIST_ENTRY(t, struct sqlite_journal, deliver);
    struct list done, *node;

    list_init(&done);
    pthread_mutex_lock(&handle->lock);
    list_splice(&done, &handle->done);
    handle->posted = false;
    pthread_mutex_unlock(&handle->lock);
    while ((node = list_pop(&done))) {
        struct journal_request *r = LIST_ENTRY(node, struct journal_request, node);

        handle->under_way--;
        r->done(r, r->result);
    }
}

static void sqlite_begin(struct journal *j, struct journal_begin *r)
{
    key_view_init(&r->view);
    queue_write(j, &r->request, REQUEST_BEGIN);
}

/* A key without rows is answered without a look; like all answers, from the loop. */
static void sqlite_read(struct journal *j, struct journal_read *r)
{
    struct sqlite_store *s = queue(j, &r->request, REQUEST_READ);
    struct list done;

    r->failures = (struct journal_failures){0};
    key_view_init(&r->view);
    if (filter_count(&s->filter, FILTER_ROWS, filter_place(&s->filter, &r->key)) != 0) {
        queue_read(j, &r->request);
        return;
    }
    list_init(&done);
    list_append(&done, &r->request.node);
    hand_over(journal_of(j), &done);
}

static void sqlite_write(struct journal *j, struct journal_write *r)
{
    assert(!r->change || r->row.phase == ROW_OUTCOME || r->row.phase == ROW_FINAL ||
           r->row.phase == ROW_MERGED);
    queue_write(j, &r->request, REQUEST_WRITE);
}

static void sqlite_claim(struct journal *j, struct journal_claim *r)
{
    queue_write(j, &r->request, REQUEST_CLAIM);
}

static void sqlite_scan(struct journal *j, struct journal_scan *r)
{
    queue(j, &r->request, REQUEST_SCAN);
    r->count = 0;
    queue_read(j, &r->request);
}

static void sqlite_range(struct journal *j, struct journal_range *r)
{
    queue(j, &r->request, REQUEST_RANGE);
    r->count = 0;
    r->more = false;
    queue_read(j, &r->request);
}

/* A key without one is answered without a look. */
static void sqlite_manifest_read(struct journal *j, struct journal_manifest_read *r)
{
    struct sqlite_store *s = queue(j, &r->request, REQUEST_MANIFEST_READ);
    struct list done;

    r->manifest = (struct span){NULL, 0};
    if (filter_count(&s->filter, FILTER_MANIFESTS, filter_place(&s->filter, &r->key)) != 0) {
        queue_read(j, &r->request);
        return;
    }
    r->request.result = ERR_NOT_FOUND;
    list_init(&done);
    list_append(&done, &r->request.node);
    hand_over(journal_of(j), &done);
}

static void sqlite_bucket_write(struct journal *j, struct journal_bucket_write *r)
{
    queue_write(j, &r->request, REQUEST_BUCKET);
}

static void sqlite_upload_add(struct journal *j, struct journal_upload_add *r)
{
    queue_write(j, &r->request, REQUEST_UPLOAD_ADD);
}

static void sqlite_upload_step(struct journal *j, struct journal_upload_step *r)
{
    queue_write(j, &r->request, REQUEST_UPLOAD_STEP);
}

static void sqlite_part_write(struct journal *j, struct journal_part_write *r)
{
    queue_write(j, &r->request, REQUEST_PART);
}

static void sqlite_upload_read(struct journal *j, struct journal_upload_read *r)
{
    queue(j, &r->request, REQUEST_UPLOAD_READ);
    r->upload = NULL;
    r->parts = NULL;
    r->count = 0;
    queue_read(j, &r->request);
}

static void sqlite_upload_scan(struct journal *j, struct journal_upload_scan *r)
{
    queue(j, &r->request, REQUEST_UPLOAD_SCAN);
    r->count = 0;
    queue_read(j, &r->request);
}

/* What may wait. */

/* The block holds the stamps, then the key, then the reason. Aborts when memory is out: as many wait as there were
 * writes under way. */
static struct lazy *lazy_make(struct journal_key key, const struct stamp *stamps, size_t count,
                              struct span reason)
{
    size_t stamp_bytes = count * sizeof(*stamps);
    struct lazy *l = malloc(sizeof(*l) + stamp_bytes + key.key.len + reason.len);
    char *at = (char *)(l + 1);

    if (!l)
        abort();
    *l = (struct lazy){.count = count, .stamps = (const struct stamp *)(void *)at};
    l->key = (struct journal_key){key.bucket, {at + stamp_bytes, key.key.len}};
    l->reason = (struct span){at + stamp_bytes + key.key.len, reason.len};
    if (stamp_bytes)
        memcpy(at, stamps, stamp_bytes);
    if (key.key.len)
        memcpy(at + stamp_bytes, key.key.at, key.key.len);
    if (reason.len)
        memcpy(at + stamp_bytes + key.key.len, reason.at, reason.len);
    return l;
}

/* A writer that sleeps without an end must learn of the first, so that it begins to count. */
static void lazy_push(struct sqlite_store *s, struct lazy *l)
{
    pthread_mutex_lock(&s->writer.lock);
    list_append(&s->lazy, &l->node);
    if (s->lazy_count++ == 0) {
        s->lazy_due_ms = real_mono_ms() + LAZY_MS;
        worker_wake_locked(&s->writer);
    } else if (s->lazy_count == LAZY_MOST) {
        s->lazy_due_ms = real_mono_ms();
        worker_wake_locked(&s->writer);
    }
    pthread_mutex_unlock(&s->writer.lock);
}

static void sqlite_forget(struct journal *j, struct journal_key key, const struct stamp *stamps, size_t count)
{
    if (count)
        lazy_push(journal_of(j)->store, lazy_make(key, stamps, count, SPAN_EMPTY));
}

static void sqlite_manifest_drop(struct journal *j, struct journal_key key, uint64_t before,
                                 const struct stamp *keeps)
{
    struct lazy *l = lazy_make(key, keeps, 1, SPAN_EMPTY);

    l->before = before;
    lazy_push(journal_of(j)->store, l);
}

static void sqlite_attempt(struct journal *j, const struct journal_attempt *a)
{
    struct sqlite_store *s = journal_of(j)->store;
    struct lazy *l = lazy_make(a->key, NULL, 0, a->reason);

    l->tries = a->tries;
    l->slot = a->slot;
    l->unix_ms = store_unix_ms(s);
    l->due_unix_ms = l->unix_ms + a->wait_ms;
    l->dead = a->dead;
    lazy_push(s, l);
}

/* Answers from memory. */

/* With `own`, which the caller has begun and not removed, a count of exactly one is that row (sqlite_filter.c). */
static bool sqlite_maybe(struct journal *j, struct journal_key key, enum journal_question q,
                         const struct stamp *own)
{
    const struct filter *f = &journal_of(j)->store->filter;
    uint32_t place;

    if (q == JOURNAL_ANY_STORED_IN_BUCKET)
        return filter_any_stored_in(f, key.bucket);
    place = filter_place(f, &key);
    if (q == JOURNAL_ANY_STORED_ROW)
        return filter_count(f, FILTER_STORED, place) != 0;
    if (q == JOURNAL_ANY_MANIFEST)
        return filter_count(f, FILTER_MANIFESTS, place) != 0;
    return filter_count(f, FILTER_ROWS, place) != (own ? 1 : 0);
}

static bool sqlite_lease_valid(struct journal *j)
{
    return !atomic_load(&journal_of(j)->store->failed);
}

static bool sqlite_bucket_by_name(struct journal *j, struct span name, struct bucket *out)
{
    return sqlite_catalog_by_name(&journal_of(j)->store->catalog, name, out) == ERR_OK;
}

static bool sqlite_bucket_by_id(struct journal *j, uint32_t id, struct bucket *out)
{
    return sqlite_catalog_by_id(&journal_of(j)->store->catalog, id, out) == ERR_OK;
}

static bool sqlite_bucket_after(struct journal *j, struct span name, struct bucket *out)
{
    return sqlite_catalog_after(&journal_of(j)->store->catalog, name, out) == ERR_OK;
}

/* The reader searches anew, at most once a second, what is not known exactly. */
static void search_lag(struct sqlite_store *s)
{
    uint64_t now_ms = real_mono_ms(), last_ms = atomic_load(&s->lag_searched_ms);

    if (now_ms - last_ms < 1000 || !atomic_compare_exchange_strong(&s->lag_searched_ms, &last_ms, now_ms))
        return;
    pthread_mutex_lock(&s->reader.lock);
    s->lag_wanted = true;
    worker_wake_locked(&s->reader);
    pthread_mutex_unlock(&s->reader.lock);
}

static void sqlite_lag(struct journal *j, uint32_t bucket, struct replica_lag out[static REPLICAS_MAX])
{
    struct sqlite_store *s = journal_of(j)->store;

    if (sqlite_catalog_lag(&s->catalog, bucket, store_unix_ms(s), out))
        search_lag(s);
}

static void sqlite_stats(struct journal *j, struct journal_stats *out)
{
    const struct sqlite_store *s = journal_of(j)->store;

    *out = (struct journal_stats){
        .rows_open = s->rows_open,
        .hints = s->hints,
        .dead = s->dead,
        .commits = s->commits,
        .operations = s->operations,
    };
}

static const struct journal_ops ops = {
    .begin = sqlite_begin,
    .read = sqlite_read,
    .write = sqlite_write,
    .claim = sqlite_claim,
    .scan = sqlite_scan,
    .range = sqlite_range,
    .forget = sqlite_forget,
    .attempt = sqlite_attempt,
    .bucket_write = sqlite_bucket_write,
    .upload_add = sqlite_upload_add,
    .upload_step = sqlite_upload_step,
    .part_write = sqlite_part_write,
    .upload_read = sqlite_upload_read,
    .upload_scan = sqlite_upload_scan,
    .manifest_read = sqlite_manifest_read,
    .manifest_drop = sqlite_manifest_drop,
    .maybe = sqlite_maybe,
    .lease_valid = sqlite_lease_valid,
    .bucket_by_name = sqlite_bucket_by_name,
    .bucket_by_id = sqlite_bucket_by_id,
    .bucket_after = sqlite_bucket_after,
    .lag = sqlite_lag,
    .stats = sqlite_stats,
};

enum err sqlite_journal_open(struct journal **out, struct sqlite_store *s, struct loop *loop)
{
    struct sqlite_journal *handle = calloc(1, sizeof(*handle));

    *out = NULL;
    if (!handle)
        return ERR_NOMEM;
    handle->journal.ops = &ops;
    handle->store = s;
    handle->loop = loop;
    pthread_mutex_init(&handle->lock, NULL);
    list_init(&handle->done);
    list_init(&handle->outbox);
    handle->send = (struct loop_task){.run = send_outbox};
    list_init(&handle->send.node);
    handle->deliver = (struct loop_task){.run = deliver};
    list_init(&handle->deliver.node);
    *out = &handle->journal;
    return ERR_OK;
}

void sqlite_journal_free(struct journal *j)
{
    struct sqlite_journal *handle;

    if (!j)
        return;
    handle = journal_of(j);
    assert(handle->under_way == 0);
    pthread_mutex_destroy(&handle->lock);
    free(handle);
}
