/* A copy that the backends make: each of the object that it has itself, so that no byte of it comes through here.
 *
 *   LOOK at the source on every backend, beside the HEAD of it --> all show what that shows --> COPY, each --> verdict
 *                                                        `--> else the bytes come through here
 *
 * Whether it may be done is asked of the source as clients see it (a strict read), as for any other copy. That the copies
 * are the same object is up to us: metadata, tags and stamp are sent as with a PUT, and each backend copies only from
 * the ETag that it showed.
 *
 * It is not done
 *   for an object larger than terms.copy_bytes_max (fanout/write_copy.c);
 *   for a checksum that the source does not have: nobody here sees the bytes;
 *   where one of the backends cannot, or shows something else: fanout/sources.h;
 *   again, when too few made the copy and one said that it will not. Where enough did, one that refused has missed
 *   the write, and repair brings it the object: reading all of it here for the one would take longer. */
#include "gateway/copy_private.h"

static struct sources_spec sources_of(const struct copy *c)
{
    return (struct sources_spec){
        .target = &c->x->bucket->set, .source = &c->spec.source->set, .source_key = c->spec.source_key};
}

static bool has_checksum(const struct copy *c)
{
    enum s3_checksum wanted = c->x->request.checksum_algorithm;

    return !wanted || wanted == c->shown;
}

static bool refused(const struct write_verdict *v)
{
    return (v->status >= 400 && v->status < 500) || v->status == 501;
}

static void on_verdict(void *ctx, const struct write_verdict *v)
{
    struct exchange *x = ctx;

    x->write = NULL;
    if (v->result != ERR_OK && refused(v))
        copy_begin_stream(x->copy);
    else
        copy_verdict(x->copy, v);
}

static void on_drain(void *ctx)
{
}

static const struct write_events write_events = {
    .held = writing_held, .drain = on_drain, .verdict = on_verdict};

static void go_on(struct copy *c)
{
    struct write_spec spec = {.checksum = c->shown, .checksum_value = c->shown_value};
    struct write_copy by_itself;

    if (!c->prepared || !c->asked)
        return;
    if (c->object.body_bytes > c->x->gateway->options.env->terms.copy_bytes_max || !has_checksum(c) ||
        !sources_agree(c->sources, &c->object, c->spec.in_place, &by_itself)) {
        copy_begin_stream(c);
        return;
    }
    spec.copy = &by_itself;
    c->checksum.kind = c->shown;
    c->checksum.bytes = c->shown ? s3_checksum_kind(c->shown)->bytes : 0;
    memcpy(c->checksum.value, c->shown_value, c->checksum.bytes);
    if (copy_open_write(c, &spec, &write_events))
        guard_verified(&c->x->guard, c->x->write);
}

static void on_asked(void *ctx)
{
    struct copy *c = ctx;

    c->asked = true;
    go_on(c);
}

bool copy_there_look(struct copy *c)
{
    struct sources_spec spec = sources_of(c);
    struct env *env = c->x->gateway->options.env;

    return !c->streams && env->terms.copy_bytes_max && sources_possible(&spec) &&
           sources_open(&c->sources, env, &spec, on_asked, c) == ERR_OK;
}

void copy_there(struct copy *c)
{
    go_on(c);
}
