/* A look at an upload in the journal, and a part on its way to the replicas that take part in it. */
#include "gateway/multipart.h"

#include "gateway/gateway_private.h"
#include "gateway/writing.h"

#include <stdlib.h>

/* Outlives its exchange when the client goes: the journal has it. */
struct multipart_look {
    struct journal_upload_read read;
    struct exchange *x; /* NULL: the client has gone */
    void (*then)(struct exchange *x, struct journal_upload_read *r);
};

bool multipart_id(struct exchange *x, struct stamp *out)
{
    if (stamp_parse(x->request.upload_id, out))
        return true;
    exchange_error(x, S3_NO_SUCH_UPLOAD, NULL);
    return false;
}

static bool is_there(const struct upload *u)
{
    return !u->own && UPLOAD_IN(u->state) & (UPLOAD_IN(UPLOAD_OPEN) | UPLOAD_IN(UPLOAD_COMPLETING));
}

static void on_read(struct journal_request *r, enum err e)
{
    struct multipart_look *l = LIST_ENTRY(r, struct multipart_look, read.request);
    struct exchange *x = l->x;

    if (x) {
        x->upload.look = NULL;
        if (e == ERR_OK && is_there(l->read.upload))
            l->then(x, &l->read);
        else if (e == ERR_OK || e == ERR_NOT_FOUND)
            exchange_error(x, S3_NO_SUCH_UPLOAD, NULL);
        else
            exchange_unavailable(x, e);
    }
    journal_upload_read_fini(&l->read);
    free(l);
}

void multipart_look(struct exchange *x, bool with_parts, uint32_t after,
                    void (*then)(struct exchange *x, struct journal_upload_read *r))
{
    struct journal *j = x->gateway->options.env->journal;
    struct multipart_look *l;
    struct stamp id;

    if (!multipart_id(x, &id))
        return;
    l = calloc(1, sizeof(*l) + x->request.key.len);
    if (!l) {
        exchange_unavailable(x, ERR_NOMEM);
        return;
    }
    l->x = x;
    l->then = then;
    span_put((char *)(l + 1), x->request.key);
    l->read = (struct journal_upload_read){
        .request.done = on_read,
        .key = {x->bucket->record.id, {(char *)(l + 1), x->request.key.len}},
        .id = id,
        .with_parts = with_parts,
        .after = after,
    };
    x->upload.look = l;
    j->ops->upload_read(j, &l->read);
}

void multipart_look_end(struct exchange *x)
{
    if (x->upload.look)
        x->upload.look->x = NULL;
    x->upload.look = NULL;
}

/* The client's word about the part must be of the kind that the upload was created with. */
static bool checksum_fits(struct exchange *x, const struct upload *u)
{
    enum s3_checksum wanted = (enum s3_checksum)u->checksum, given = x->request.checksum;

    if (!wanted || given == wanted)
        return true;
    exchange_error_extra(x, S3_INVALID_REQUEST,
                         "The upload was created with another checksum algorithm than this part has.",
                         arena_printf(&x->arena, "<Expected>%.*s</Expected><Actual>%.*s</Actual>",
                                      SPAN_ARG(s3_checksum_kind(wanted)->algorithm),
                                      SPAN_ARG(given ? s3_checksum_kind(given)->algorithm : SPAN("null"))));
    return false;
}

bool multipart_open_part(struct exchange *x, const struct upload *u, uint64_t bytes,
                         const struct write_copy *copy, const struct write_events *events)
{
    const struct s3_request *q = &x->request;
    struct write_upload of = {.id = u->id, .part_number = q->part_number};
    struct write_spec spec = writing_spec(x, ROW_PUT);
    enum err e;

    if (!checksum_fits(x, u) || !writing_guard(x))
        return false;
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++)
        if (!(u->dropped & 1u << slot))
            of.ids[slot] = u->ids[slot];
    spec.body_bytes = bytes;
    spec.has_sha256 = q->payload == S3_PAYLOAD_SHA256 && q->op == S3_OP_UPLOAD_PART;
    memcpy(spec.sha256, q->sha256, sizeof(spec.sha256));
    spec.has_md5 = q->has_md5;
    memcpy(spec.md5, q->md5, sizeof(spec.md5));
    spec.checksum = q->checksum;
    spec.checksum_value = q->checksum_in_trailer ? NULL : q->checksum_value;
    spec.upload = &of;
    spec.copy = copy;
    e = write_open(&x->write, x->gateway->options.env, &spec, events, x);
    if (e != ERR_OK)
        exchange_unavailable(x, e);
    return e == ERR_OK;
}

void multipart_part_failed(struct exchange *x, const struct write_verdict *v)
{
    if (v->cause == ERR_NOT_FOUND || (v->status == 404 && strcmp(v->code, "NoSuchUpload") == 0))
        exchange_error(x, S3_NO_SUCH_UPLOAD, NULL);
    else
        writing_failed(x, v);
}
