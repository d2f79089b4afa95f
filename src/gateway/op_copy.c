/* CopyObject: the rules of its request, the copy (copy.c), its document. */
#include "gateway/copy.h"
#include "gateway/gateway_private.h"
#include "s3/object_document.h"

static void on_copied(struct exchange *x, const struct write_verdict *v)
{
    struct copy_checksum kept = copy_checksum(x);
    char text[2 * SHA256_BYTES];
    struct s3_object_checksum checksum = {
        .kind = kept.bytes ? kept.kind : S3_CHECKSUM_NONE,
        .value = {text, kept.bytes ? base64_encode(kept.value, kept.bytes, text) : 0},
        .type = SPAN("FULL_OBJECT")};
    struct span document = s3_copy_document(&x->arena, "CopyObjectResult", span_of(v->etag),
                                            clock_unix_ms(x->gateway->options.env->clock), &checksum);
    struct span headers = arena_printf(&x->arena, "Content-Type: application/xml\r\n%.*s",
                                       SPAN_ARG(writing_verdict_headers(x, v, false)));

    if (document.at && headers.at)
        exchange_answer(x, 200, headers, document);
    else
        exchange_unavailable(x, ERR_NOMEM);
}

/* What the request brings in place of the source's. */
static enum s3_code replacements(struct exchange *x, struct copy_spec *spec, const char **message)
{
    struct http_header *metadata = arena_alloc(&x->arena, S3_STORED_HEADERS_MAX * sizeof(*metadata));
    struct s3_tags *tags = arena_alloc(&x->arena, sizeof(*tags));
    enum s3_code code = metadata && tags ? S3_OK : S3_INTERNAL_ERROR;

    if (code == S3_OK && x->request.replace_metadata) {
        code = writing_metadata(x, metadata, &spec->metadata_count);
        spec->metadata = metadata;
    }
    if (code == S3_OK && x->request.replace_tagging) {
        code = s3_tags_parse_header(tags, x->request.tagging, &x->arena, message);
        spec->tags = tags;
    }
    return code;
}

static void start_copy(struct exchange *x)
{
    struct copy_spec spec = {.source_key = x->request.source_key,
                             .conditions = x->request.source_conditions,
                             .condition_count = x->request.source_condition_count,
                             .done = on_copied};
    const char *message = NULL;
    enum s3_code code;

    spec.in_place = span_eq(x->request.source_bucket, x->request.bucket) &&
                    span_eq(x->request.source_key, x->request.key);
    if (spec.in_place && !x->request.replace_metadata) {
        exchange_error(
            x, S3_INVALID_REQUEST,
            "This copy request is illegal because it is trying to copy an object to itself without "
            "changing the object's metadata, storage class, website redirect location or encryption "
            "attributes.");
        return;
    }
    if (!writing_guard(x))
        return;
    code = replacements(x, &spec, &message);
    if (code != S3_OK) {
        exchange_error(x, code, message);
        return;
    }
    spec.source = writing_source_bucket(x);
    if (spec.source)
        copy_start(x, &spec);
}

const struct operation operation_copy = {.start = start_copy, .end = copy_end};
