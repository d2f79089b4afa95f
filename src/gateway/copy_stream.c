/* A copy whose bytes come through here: from the source's connection straight into the write's chunks. A source that breaks
 * off in the middle is followed by another replica that shows the same (fanout/fetch); when none is left the write is
 * dropped before its barrier. */
#include "gateway/copy_private.h"

static bool is_sound(struct copy *c)
{
    uint8_t got[SHA256_BYTES];
    size_t bytes = s3_digest_end(&c->move.own, got);

    return bytes == 0 || memcmp(got, c->shown_value, bytes) == 0;
}

static void finish(struct copy *c)
{
    struct exchange *x = c->x;

    if (!is_sound(c)) {
        copy_fail(c, S3_INTERNAL_ERROR,
                  "The source's bytes do not have the checksum that was stored with them.");
        return;
    }
    c->checksum.kind = c->move.wanted.kind;
    c->checksum.bytes = s3_digest_end(&c->move.wanted, c->checksum.value);
    if (c->checksum.bytes)
        write_checksum(x->write, c->checksum.value);
    guard_verified(&x->guard, x->write);
}

void copy_stream_pump(struct copy *c)
{
    enum err e = move_on(&c->move, c->source, c->x->write);

    if (e == ERR_OK)
        finish(c);
    else if (e != ERR_AGAIN)
        copy_fail(c, S3_SERVICE_UNAVAILABLE,
                  "The source of the copy cannot be read to its end. Please try again.");
}

static void on_drain(void *ctx)
{
    copy_stream_pump(((struct exchange *)ctx)->copy);
}

static void on_verdict(void *ctx, const struct write_verdict *v)
{
    struct exchange *x = ctx;

    x->write = NULL;
    copy_verdict(x->copy, v);
}

static const struct write_events write_events = {
    .held = writing_held, .drain = on_drain, .verdict = on_verdict};

void copy_stream(struct copy *c)
{
    struct write_spec spec = {.body_bytes = c->object.body_bytes,
                              .checksum = c->x->request.checksum_algorithm ? c->x->request.checksum_algorithm
                                                                           : c->shown};

    c->move = (struct move){.bytes = c->object.body_bytes};
    s3_digest_init(&c->move.own, c->shown);
    s3_digest_init(&c->move.wanted, spec.checksum);
    if (copy_open_write(c, &spec, &write_events))
        copy_stream_pump(c);
}
