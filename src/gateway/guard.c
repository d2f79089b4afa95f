/*   guard_verified --> write_hold --> held: HEAD of a current replica --> judged --> write_verified
 *                                                                          `------> refused
 *
 * The hold is the write's, and ends with its verdict or with write_leave: nothing that goes wrong here keeps it. */
#include "gateway/guard.h"

#include "fanout/etag.h"
#include "s3/condition.h"

static enum s3_code judge(const struct guard *g, const struct replica_object *object)
{
    const struct s3_current current = {.exists = object->exists,
                                       .etag = span_of(object->etag),
                                       .last_modified = span_of(object->last_modified)};
    enum s3_code code = s3_condition_write(g->conditions, g->condition_count, &current);

    if (code == S3_OK && g->expected && !object_same(g->expected, object))
        return S3_OPERATION_ABORTED;
    return code;
}

static void on_head(void *ctx, unsigned status, const struct http_head *head,
                    const struct replica_object *object, const struct replica *from)
{
    struct guard *g = ctx;
    struct write *w = g->write;
    enum s3_code code = judge(g, object);

    g->write = NULL; /* the fetch stays until guard_end: its connection is still of use */
    if (code == S3_OK)
        write_verified(w);
    else
        g->refused(g->ctx, code, NULL);
}

static void on_body(void *ctx)
{
}

static void on_failed(void *ctx, enum err e)
{
    struct guard *g = ctx;

    g->write = NULL;
    g->refused(
        g->ctx, S3_SERVICE_UNAVAILABLE,
        "The state of the key cannot be read now, so its condition cannot be judged. Nothing was changed.");
}

static const struct fetch_events fetch_events = {.head = on_head, .body = on_body, .failed = on_failed};

void guard_verified(struct guard *g, struct write *w)
{
    if (!g->condition_count && !g->expected) {
        write_verified(w);
        return;
    }
    g->write = w;
    write_hold(w);
}

void guard_held(struct guard *g)
{
    const struct fetch_spec spec = {.key = g->key, .replicas = g->replicas, .head_only = true};

    if (fetch_open(&g->fetch, g->env, &spec, &fetch_events, g) != ERR_OK) {
        g->fetch = NULL;
        on_failed(g, ERR_NOMEM);
    }
}

void guard_end(struct guard *g)
{
    fetch_free(g->fetch);
    g->fetch = NULL;
    g->write = NULL;
}
