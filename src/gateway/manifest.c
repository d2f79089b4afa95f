/* A look at a manifest in the journal. It is asked before the object is: a manifest that is durable before a Complete is
 * acknowledged is found by every read that begins later, and one that belongs to another object says so by its stamp. */
#include "gateway/manifest.h"

#include "gateway/gateway_private.h"

#include <stdlib.h>

/* Outlives its exchange when the client goes: the journal has it. */
struct manifest_look {
    struct journal_manifest_read read;
    struct exchange *x; /* NULL: the client has gone */
    void (*then)(struct exchange *x);
    bool waiting, found;
    struct s3_manifest manifest;
    char key[];
};

static void free_look(struct manifest_look *l)
{
    journal_manifest_read_fini(&l->read);
    free(l);
}

static void on_read(struct journal_request *r, enum err e)
{
    struct manifest_look *l = LIST_ENTRY(r, struct manifest_look, read.request);

    l->waiting = false;
    l->found = e == ERR_OK && s3_manifest_read(l->read.manifest, &l->manifest);
    if (l->x)
        l->then(l->x);
    else
        free_look(l);
}

void manifest_look(struct exchange *x, void (*then)(struct exchange *x))
{
    struct journal *j = x->gateway->options.env->journal;
    struct journal_key key = {x->bucket->record.id, x->request.key};
    struct manifest_look *l;

    if (!j->ops->maybe(j, key, JOURNAL_ANY_MANIFEST, NULL)) {
        then(x);
        return;
    }
    l = calloc(1, sizeof(*l) + key.key.len);
    if (!l) {
        exchange_unavailable(x, ERR_NOMEM);
        return;
    }
    l->x = x;
    l->then = then;
    l->waiting = true;
    span_put(l->key, key.key);
    l->read.request.done = on_read;
    l->read.key = (struct journal_key){key.bucket, {l->key, key.key.len}};
    x->manifest.look = l;
    j->ops->manifest_read(j, &l->read);
}

const struct s3_manifest *manifest_of(const struct exchange *x, const struct replica_object *object)
{
    const struct manifest_look *l = x->manifest.look;

    return l && l->found && object->stamped && stamp_eq(&object->stamp, &l->read.id) &&
                   object->body_bytes == l->manifest.object_bytes
               ? &l->manifest
               : NULL;
}

char *manifest_put_checksum(char *at, const struct s3_manifest *m, uint32_t part_number)
{
    struct span value = m->checksum;
    struct s3_manifest_part part;
    char text[BASE64_SHA256_CHARS];

    if (part_number && s3_manifest_find(m, part_number, &part))
        value = (struct span){text, base64_encode(part.checksum.at, part.checksum.len, text)};
    at = span_put(at, s3_checksum_kind(m->kind)->header);
    at = span_put(at, SPAN(": "));
    at = span_put(at, value);
    return span_put(at, m->full_object ? SPAN("\r\nx-amz-checksum-type: FULL_OBJECT\r\n")
                                       : SPAN("\r\nx-amz-checksum-type: COMPOSITE\r\n"));
}

void manifest_end(struct exchange *x)
{
    struct manifest_look *l = x->manifest.look;

    x->manifest.look = NULL;
    if (l && l->waiting)
        l->x = NULL;
    else if (l)
        free_look(l);
}
