/* POST /retry/BUCKET[/KEY]: dead letters get another try.
 *
 *   a bucket:  LIST (a page of its dead letters) --> FORGET (their failures, all at once) --> LIST ... --> answer
 *   a key:     READ (has a repair of it failed?) --> FORGET --> answer
 *
 * What has been forgotten is durable when the answer goes out, and repair is told at once. A client that goes in the
 * middle ends it after the page. */
#include "admin/admin_private.h"

#include <stdlib.h>

struct retry;

struct forgetting {
    struct journal_write write;
    struct retry *retry;
};

struct retry {
    struct admin_request *request;
    uint32_t bucket;
    struct journal_scan scan;
    struct journal_read read; /* of a single key */
    struct forgetting writes[JOURNAL_PAGE_KEYS];
    size_t busy, queued;
    enum err error; /* the first */
    bool last;      /* nothing follows these writes */
    char after[S3_KEY_BYTES_MAX];
};

static struct journal *journal_of(const struct retry *t)
{
    return t->request->admin->options.env->journal;
}

static void answer(struct retry *t)
{
    struct admin_request *r = t->request;

    if (t->error) {
        text_printf(&r->body, "the journal does not answer: %s; queued again before that: %zu\n",
                    err_text(t->error), t->queued);
        admin_answer(r, 503, "text/plain; charset=utf-8");
    } else if (r->for_people) {
        if (t->queued)
            text_printf(&r->body, "queued for repair again: %zu\n", t->queued);
        else
            text_add(&r->body, SPAN("nothing to queue: no repair that failed is on record here\n"));
        admin_answer(r, 200, "text/plain; charset=utf-8");
    } else {
        text_printf(&r->body, "{\"queued\":%zu}\n", t->queued);
        admin_answer(r, 200, "application/json");
    }
}

static void end(struct retry *t)
{
    struct admin_request *r = t->request;

    if (t->queued)
        repair_kick(r->admin->options.repair, false);
    if (r->http)
        answer(t);
    journal_scan_fini(&t->scan);
    free(t);
    admin_request_release(r);
}

static void list_page(struct retry *t);

static void next_page(struct retry *t)
{
    const struct journal_key *key;

    if (t->error || t->last || !t->request->http) {
        end(t);
        return;
    }
    key = &t->scan.work[t->scan.count - 1].key;
    memcpy(t->after, key->key.at, key->key.len);
    t->scan.after.key = (struct span){t->after, key->key.len};
    journal_scan_fini(&t->scan);
    list_page(t);
}

static void on_forgotten(struct journal_request *request, enum err result)
{
    struct retry *t = LIST_ENTRY(request, struct forgetting, write.request)->retry;

    t->queued += result == ERR_OK;
    if (!t->error)
        t->error = result;
    if (--t->busy == 0)
        next_page(t);
}

static void forget(struct retry *t, struct journal_key key)
{
    struct forgetting *f = &t->writes[t->busy++];

    *f = (struct forgetting){.write = {.key = key, .try_again = true}, .retry = t};
    f->write.request.done = on_forgotten;
    journal_of(t)->ops->write(journal_of(t), &f->write);
}

static void on_page(struct journal_request *request, enum err result)
{
    struct retry *t = LIST_ENTRY(request, struct retry, scan.request);
    size_t count = result ? 0 : dead_letters_of(&t->scan, t->bucket);

    t->error = result;
    t->last = count < JOURNAL_PAGE_KEYS;
    for (size_t i = 0; i < count; i++)
        forget(t, t->scan.work[i].key);
    if (!count)
        end(t);
}

static void list_page(struct retry *t)
{
    t->scan.list = JOURNAL_DEAD_LETTERS;
    t->scan.request.done = on_page;
    journal_of(t)->ops->scan(journal_of(t), &t->scan);
}

/* A key that waits for its next try need not be a dead letter to be hurried. */
static void on_read(struct journal_request *request, enum err result)
{
    struct retry *t = LIST_ENTRY(request, struct retry, read.request);
    bool failed = result == ERR_OK && t->read.failures.tries;

    if (result == ERR_OK)
        key_view_fini(&t->read.view);
    t->error = result;
    t->last = true;
    if (failed)
        forget(t, t->read.key);
    else
        end(t);
}

void retry_start(struct admin_request *r, uint32_t bucket, struct span key)
{
    struct retry *t = calloc(1, sizeof(*t));

    if (!t) {
        admin_refuse(r, 500, "out of memory");
        return;
    }
    t->request = admin_request_hold(r);
    t->bucket = bucket;
    if (!key.len) {
        t->scan.after.bucket = bucket;
        list_page(t);
        return;
    }
    t->read.key = (struct journal_key){bucket, key};
    t->read.failures_too = true;
    t->read.request.done = on_read;
    journal_of(t)->ops->read(journal_of(t), &t->read);
}
