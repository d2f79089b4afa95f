/* A copy whose bytes come through here: from the source's connection straight into the write's chunks. A source that breaks
 * off in the middle is followed by another replica that shows the same (fanout/fetch); when none is left the write is
 * dropped before its barrier. */
#include "gateway/copy_private.h"

static bool is_sound(struct copy *c)
{
    uint8_t got[SHA256_BYTES];
    size_t bytes = s3_digest_end(&c->own, got);

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
    c->whole = true;
    c->checksum.kind = c->wanted.kind;
    c->checksum.bytes = s3_digest_end(&c->wanted, c->checksum.value);
    if (c->checksum.bytes)
        write_checksum(x->write, c->checksum.value);
    guard_verified(&x->guard, x->write);
}

void copy_stream_pump(struct copy *c)
{
    struct exchange *x = c->x;
    enum err e = ERR_OK;

    if (!x->write || c->whole || c->pumping)
        return;
    c->pumping = true;
    while (e == ERR_OK && c->read_bytes < c->object.body_bytes) {
        struct iovec room;
        size_t got = 0;

        e = write_room(x->write, &room);
        if (e == ERR_OK)
            e = fetch_read(c->source, room.iov_base, room.iov_len, &got);
        if (e == ERR_OK) {
            c->read_bytes += got;
            s3_digest_add(&c->own, room.iov_base, got);
            s3_digest_add(&c->wanted, room.iov_base, got);
            write_filled(x->write, got);
        }
    }
    c->pumping = false;
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

    s3_digest_init(&c->own, c->shown);
    s3_digest_init(&c->wanted, spec.checksum);
    if (copy_open_write(c, &spec, &write_events))
        copy_stream_pump(c);
}
