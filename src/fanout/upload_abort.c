/* An upload ends without an object: first in the journal, so that no Complete can begin any more, then on the replicas.
 *
 *   READ (unless it is known) --> MARK (journal) --> abort on all that have something of it --> NOTE what is gone --> done
 *
 * Replicas that cannot be reached keep what they have until the janitor comes by again; a replica that is no longer the
 * bucket's keeps it for good. */
#include "fanout/upload.h"

#include "base/count.h"
#include "base/log.h"
#include "fanout/upload_fan.h"

#include <stdlib.h>

struct upload_abort {
    struct upload_fan fan;
    struct upload *upload; /* NULL until it is read */
    uint32_t slots;        /* of the replicas that the bucket has */
    struct journal_upload_read read;
    struct journal_upload_step step;
    uint32_t from;
    upload_aborted_fn *done; /* NULL: the owner has left */
    void *ctx;
    char key[]; /* until it is read */
};

static void end(struct upload_abort *a, enum err result)
{
    upload_aborted_fn *done = a->done;
    void *ctx = a->ctx;

    clock_stop(a->fan.env->clock, &a->fan.timer);
    COUNT_ADD(a->fan.env->writes_open, -1);
    journal_upload_read_fini(&a->read);
    free(a->upload);
    free(a);
    if (done)
        done(ctx, result);
}

static struct journal *journal_of(const struct upload_abort *a)
{
    return a->fan.env->journal;
}

static void send_step(struct upload_abort *a, uint32_t from, enum upload_state to,
                      void (*done)(struct journal_request *, enum err))
{
    a->step.key = a->upload->key;
    a->step.id = a->upload->id;
    a->step.from = from;
    a->step.to = (uint8_t)to;
    a->step.request.done = done;
    journal_of(a)->ops->upload_step(journal_of(a), &a->step);
}

static void on_noted(struct journal_request *r, enum err e)
{
    (void)e; /* the janitor finds the same again */
    end(LIST_ENTRY(r, struct upload_abort, step.request), ERR_OK);
}

static void over_aborted(struct upload_fan *f)
{
    struct upload_abort *a = LIST_ENTRY(f, struct upload_abort, fan);
    enum upload_state state = (enum upload_state)a->upload->state;
    uint32_t had = upload_slots(a->upload);

    a->step.gone = f->stored | ~a->slots;
    if (state == UPLOAD_ABORTED && !(had & ~a->step.gone))
        send_step(a, UPLOAD_IN(state), UPLOAD_GONE, on_noted);
    else if (had & a->step.gone)
        send_step(a, UPLOAD_IN(state), state, on_noted);
    else
        end(a, ERR_OK);
}

static void on_answer(void *ctx, const struct replica_answer *answer)
{
    struct upload_fan_leg *leg = ctx;
    struct upload_abort *a = LIST_ENTRY(leg->fan, struct upload_abort, fan);

    if (answer->result != REPLICA_STORED)
        log_info("upload_not_aborted", LOG_STR("backend", leg->replica->name),
                 LOG_SPAN("key", a->upload->key.key), LOG_U64("status", answer->status),
                 LOG_STR("code", answer->code), LOG_STR("cause", err_text(answer->error)));
    upload_fan_answered(leg, answer);
}

static void abort_all(struct upload_abort *a)
{
    static const struct replica_put_events events = {.done = on_answer};

    upload_fan_begin(&a->fan, over_aborted);
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++) {
        struct upload_fan_leg *leg = &a->fan.legs[slot];
        struct span id = a->upload->ids[slot];

        if (id.len && upload_fan_usable(&a->fan, slot))
            upload_fan_started(
                leg, replica_abort_start(leg->replica, &leg->call, a->upload->key.key, id, &events, leg));
    }
    upload_fan_wait(&a->fan);
}

static void on_marked(struct journal_request *r, enum err e)
{
    struct upload_abort *a = LIST_ENTRY(r, struct upload_abort, step.request);

    if (e == ERR_EXISTS && a->step.state != UPLOAD_COMPLETING)
        e = ERR_NOT_FOUND;
    if (e != ERR_OK) {
        end(a, e);
        return;
    }
    a->upload->state = UPLOAD_ABORTED;
    abort_all(a);
}

static void on_read(struct journal_request *r, enum err e)
{
    struct upload_abort *a = LIST_ENTRY(r, struct upload_abort, read.request);

    if (e != ERR_OK) {
        end(a, e);
        return;
    }
    a->upload = a->read.upload;
    a->read.upload = NULL;
    send_step(a, a->from, UPLOAD_ABORTED, on_marked);
}

static struct upload_abort *open_abort(struct env *env, const struct replica_set *replicas, struct span key,
                                       upload_aborted_fn *done, void *ctx)
{
    struct upload_abort *a = calloc(1, sizeof(*a) + key.len);

    if (!a)
        return NULL;
    upload_fan_init(&a->fan, env, replicas);
    a->slots = replicas->mask;
    a->done = done;
    a->ctx = ctx;
    span_put(a->key, key);
    COUNT_ADD(env->writes_open, 1);
    return a;
}

enum err upload_abort_start(struct upload_abort **out, struct env *env, struct journal_key key,
                            const struct stamp *id, uint32_t from, const struct replica_set *replicas,
                            upload_aborted_fn *done, void *ctx)
{
    struct upload_abort *a = *out = open_abort(env, replicas, key.key, done, ctx);

    if (!a)
        return ERR_NOMEM;
    a->from = from;
    a->read.key = (struct journal_key){key.bucket, {a->key, key.key.len}};
    a->read.id = *id;
    a->read.request.done = on_read;
    env->journal->ops->upload_read(env->journal, &a->read);
    return ERR_OK;
}

static struct upload_abort *open_known(struct env *env, const struct upload *upload,
                                       const struct replica_set *replicas, upload_aborted_fn *done, void *ctx)
{
    struct upload_abort *a = open_abort(env, replicas, SPAN_EMPTY, done, ctx);

    if (!a)
        return NULL;
    a->upload = upload_copy(upload);
    if (a->upload)
        return a;
    a->done = NULL;
    end(a, ERR_NOMEM);
    return NULL;
}

enum err upload_abort_known(struct upload_abort **out, struct env *env, const struct upload *upload,
                            uint32_t from, const struct replica_set *replicas, upload_aborted_fn *done,
                            void *ctx)
{
    struct upload_abort *a = *out = open_known(env, upload, replicas, done, ctx);

    if (!a)
        return ERR_NOMEM;
    send_step(a, from, UPLOAD_ABORTED, on_marked);
    return ERR_OK;
}

enum err upload_sweep_start(struct upload_abort **out, struct env *env, const struct upload *upload,
                            const struct replica_set *replicas, upload_aborted_fn *done, void *ctx)
{
    struct upload_abort *a = *out = open_known(env, upload, replicas, done, ctx);

    if (!a)
        return ERR_NOMEM;
    abort_all(a);
    return ERR_OK;
}

void upload_abort_leave(struct upload_abort *a)
{
    a->done = NULL;
}
