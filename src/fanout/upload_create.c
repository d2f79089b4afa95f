/* An upload is created on every replica that can be reached, and then in the journal: its id is the stamp that the object
 * will have. Until the journal has it nobody knows the replicas' ids; what a crash leaves there is found by the janitor.
 *
 *   CREATE on all --enough--> journal --> done
 *        `-- too few ------------`-- it fails: done, and what was created is aborted
 *
 * A replica that does not answer within stall_ms has no part in the upload: it will be repaired. */
#include "fanout/upload.h"

#include "base/arena.h"
#include "base/count.h"
#include "base/log.h"
#include "fanout/upload_fan.h"

#include <stdlib.h>

enum { ARENA_BYTES = 64 * 1024 };

struct upload_create {
    struct upload_fan fan;
    struct arena arena;
    struct ack_policy ack;
    struct replica_create create;
    struct journal_upload_add add;
    upload_created_fn *done; /* NULL: the owner has left */
    void *ctx;
};

static void free_create(struct upload_create *c)
{
    clock_stop(c->fan.env->clock, &c->fan.timer);
    COUNT_ADD(c->fan.env->writes_open, -1);
    arena_fini(&c->arena);
    free(c);
}

static void tell(struct upload_create *c, enum err result)
{
    struct upload_created out = {
        .result = result, .id = c->add.upload.id, .ids = c->add.upload.ids, .status = c->fan.answer.status};
    upload_created_fn *done = c->done;

    memcpy(out.code, c->fan.answer.code, sizeof(out.code));
    c->done = NULL;
    if (done)
        done(c->ctx, &out);
}

static void over_undone(struct upload_fan *f)
{
    free_create(LIST_ENTRY(f, struct upload_create, fan));
}

static void on_undone(void *ctx, const struct replica_answer *answer)
{
    upload_fan_answered(ctx, answer);
}

static void undo(struct upload_create *c)
{
    static const struct replica_put_events events = {.done = on_undone};

    upload_fan_begin(&c->fan, over_undone);
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++) {
        struct upload_fan_leg *leg = &c->fan.legs[slot];

        if (c->add.upload.ids[slot].len && upload_fan_usable(&c->fan, slot))
            upload_fan_started(leg, replica_abort_start(leg->replica, &leg->call, c->create.key,
                                                        c->add.upload.ids[slot], &events, leg));
    }
    upload_fan_wait(&c->fan);
}

/* Without an answer the journal may have it all the same: nobody knows its id, and it expires. */
static void on_added(struct journal_request *r, enum err e)
{
    struct upload_create *c = LIST_ENTRY(r, struct upload_create, add.request);

    tell(c, e);
    if (e == ERR_OK)
        free_create(c);
    else
        undo(c);
}

static void over_created(struct upload_fan *f)
{
    struct upload_create *c = LIST_ENTRY(f, struct upload_create, fan);
    struct journal *j = f->env->journal;
    uint32_t have = upload_slots(&c->add.upload);

    if ((uint32_t)__builtin_popcount(have) < c->ack.need) {
        tell(c, ERR_UNAVAILABLE);
        undo(c);
        return;
    }
    c->add.request.done = on_added;
    j->ops->upload_add(j, &c->add);
}

static void on_created(void *ctx, const struct replica_answer *answer, struct span id)
{
    struct upload_fan_leg *leg = ctx;
    struct upload_create *c = LIST_ENTRY(leg->fan, struct upload_create, fan);

    if (answer->result == REPLICA_STORED && id.len <= JOURNAL_UPLOAD_ID_BYTES_MAX) {
        struct span copy = arena_dup(&c->arena, id);

        if (copy.at)
            c->add.upload.ids[leg->slot] = copy;
    } else {
        log_info("upload_not_created", LOG_STR("backend", leg->replica->name), LOG_SPAN("key", c->create.key),
                 LOG_U64("status", answer->status), LOG_STR("code", answer->code),
                 LOG_STR("cause", err_text(answer->error)));
    }
    upload_fan_answered(leg, answer);
}

static bool copy_spec(struct upload_create *c, const struct upload_create_spec *spec)
{
    struct http_header *headers = arena_alloc(&c->arena, (spec->header_count + 1) * sizeof(*headers));

    c->create = (struct replica_create){.key = arena_dup(&c->arena, spec->key.key),
                                        .headers = headers,
                                        .header_count = spec->header_count,
                                        .stamped = true,
                                        .stamp = c->add.upload.id,
                                        .checksum = spec->checksum,
                                        .full_object = spec->full_object};
    c->add.upload.key = (struct journal_key){spec->key.bucket, c->create.key};
    if (!headers || !c->create.key.at)
        return false;
    for (size_t i = 0; i < spec->header_count; i++) {
        headers[i].name = arena_dup(&c->arena, spec->headers[i].name);
        headers[i].value = arena_dup(&c->arena, spec->headers[i].value);
        if (!headers[i].name.at || !headers[i].value.at)
            return false;
    }
    return true;
}

static void start_all(struct upload_create *c)
{
    static const struct replica_create_events events = {.done = on_created};

    upload_fan_begin(&c->fan, over_created);
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++) {
        struct upload_fan_leg *leg = &c->fan.legs[slot];

        if (upload_fan_usable(&c->fan, slot))
            upload_fan_started(leg, replica_create_start(leg->replica, &leg->call, &c->create, &events, leg));
    }
    upload_fan_wait(&c->fan);
}

enum err upload_create_start(struct upload_create **out, struct env *env,
                             const struct upload_create_spec *spec, upload_created_fn *done, void *ctx)
{
    struct upload_create *c = NULL;

    *out = NULL;
    if (!env->journal->ops->lease_valid(env->journal))
        return ERR_UNAVAILABLE;
    *out = c = calloc(1, sizeof(*c));
    if (!c)
        return ERR_NOMEM;
    arena_init(&c->arena, ARENA_BYTES);
    upload_fan_init(&c->fan, env, spec->replicas);
    c->ack = spec->ack;
    c->done = done;
    c->ctx = ctx;
    c->add.upload.id = stamp_make(env->hlc, hlc_next(env->hlc, clock_unix_ms(env->clock)));
    c->add.upload.checksum = (uint8_t)spec->checksum;
    c->add.upload.full_object = spec->full_object;
    c->add.upload.own = spec->own;
    COUNT_ADD(env->writes_open, 1);
    if (!copy_spec(c, spec)) {
        free_create(c);
        *out = NULL;
        return ERR_NOMEM;
    }
    start_all(c);
    return ERR_OK;
}

void upload_create_leave(struct upload_create *c)
{
    c->done = NULL;
}
