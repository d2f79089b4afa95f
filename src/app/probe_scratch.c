/* Where a probe works, and that nothing of it is left there.
 *
 * Every key that was written to, refused or not, is deleted; so is what a listing of the prefix still shows, for a
 * backend that stored something under another name. An interruption before does not count here any more: a second one
 * ends the program. */
#include "app/probe_private.h"

#include "s3/list_read.h"

#include <stdio.h>

enum { CLEAN_MS = 60 * 1000, ROUNDS = 3, LEFT_MAX = 100 };

bool probe_begin(struct probe *p)
{
    struct wire_answer a;
    const char *named = p->options->bucket;

    snprintf(p->bucket, sizeof(p->bucket), "%s", named ? named : p->prefix);
    if (!named)
        p->bucket[strlen(p->prefix) - 1] = '\0'; /* the slash */
    probe_send(p, &(struct probe_request){.method = named ? SPAN("HEAD") : SPAN("PUT"), .key = SPAN_EMPTY},
               &a);
    p->bucket_made = !named && (probe_ok(&a) || !a.status);
    if (probe_ok(&a))
        return true;
    if (!p->broken)
        p->broken = probe_text(p, "%s bucket %s: %s%s", named ? "HEAD of" : "creating", p->bucket,
                               probe_status(p, &a), named ? "" : " (name one that exists with --bucket)");
    return false;
}

/* --- what a listing shows --------------------------------------------------------------------------------- */

struct left {
    struct probe *p;
    struct span keys[LEFT_MAX];
    size_t count;
};

static bool on_item(void *ctx, const struct s3_list_item *item)
{
    struct left *l = ctx;

    if (item->is_prefix || l->count == LEFT_MAX)
        return true;
    l->keys[l->count] = arena_dup(&l->p->kept, item->key);
    l->count += l->keys[l->count].at != NULL;
    return true;
}

/* False: it cannot be listed. */
static bool list_left(struct probe *p, struct left *l)
{
    struct s3_list_reader r;
    struct wire_answer a;
    char query[128];
    enum err e;

    *l = (struct left){.p = p};
    snprintf(query, sizeof(query), "max-keys=%d&prefix=%.*s%%2F", LEFT_MAX, (int)strlen(p->prefix) - 1,
             p->prefix);
    probe_send(p, &(struct probe_request){.method = SPAN("GET"), .query = span_of(query)}, &a);
    if (!probe_ok(&a))
        return false;
    s3_list_reader_init(&r, on_item, l);
    e = s3_list_reader_feed(&r, a.body);
    return s3_list_reader_end(&r) == ERR_OK && e == ERR_OK;
}

/* --- removing --------------------------------------------------------------------------------------------- */

static void remove_key(struct probe *p, struct span key)
{
    struct wire_answer a;

    probe_send(p, &(struct probe_request){.method = SPAN("DELETE"), .key = key}, &a);
}

static void remove_trace(struct probe *p, const struct probe_trace *t)
{
    struct arena arena;
    struct span id, query;
    struct wire_answer a;

    if (!t->upload_id.len) {
        remove_key(p, t->key);
        return;
    }
    arena_init(&arena, 64 * 1024);
    id = s3_query_encode(&arena, t->upload_id);
    query = arena_printf(&arena, "uploadId=%.*s", SPAN_ARG(id));
    if (id.at && query.at)
        probe_send(p, &(struct probe_request){.method = SPAN("DELETE"), .key = t->key, .query = query}, &a);
    arena_fini(&arena);
}

static bool remove_left(struct probe *p, size_t *count)
{
    struct left left;

    for (int round = 0; round < ROUNDS; round++) {
        if (!list_left(p, &left))
            return false;
        *count = left.count;
        for (size_t i = 0; i < left.count; i++)
            remove_key(p, left.keys[i]);
        if (!left.count)
            return true;
    }
    return false;
}

static bool remove_bucket(struct probe *p)
{
    struct wire_answer a;

    probe_send(p, &(struct probe_request){.method = SPAN("DELETE")}, &a);
    return probe_ok(&a) || a.status == 404;
}

bool probe_clean(struct probe *p)
{
    static volatile sig_atomic_t not_stopped;
    size_t left = 0;
    bool good;

    p->broken = NULL;
    p->requests = 0;
    p->wire.stopped = &not_stopped;
    p->deadline_ms = clock_mono_ms(loop_clock(p->wire.loop)) + CLEAN_MS;
    for (size_t i = p->trace_count; i-- > 0;) /* what is in a folder before the folder */
        remove_trace(p, &p->traces[i]);
    good = remove_left(p, &left);
    if (p->bucket_made)
        good = remove_bucket(p) && good;
    if (!good)
        fprintf(stderr, "s3mirror: probe: something may be left in bucket %s under %s: remove it by hand\n",
                p->bucket, p->prefix);
    return good;
}
