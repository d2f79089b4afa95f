/* What is asked about a bucket and is known without asking a backend: where it is, that it has no versions, and that it
 * has none of the settings that S3 knows; but for the rules for other origins, which are in the configuration. */
#include "gateway/gateway_private.h"
#include "s3/setting.h"

#define XML "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define NS  " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

static const struct span type = SPAN("Content-Type: application/xml\r\n");

static void answer_document(struct exchange *x, struct span document)
{
    if (document.at)
        exchange_answer(x, 200, type, document);
    else
        exchange_unavailable(x, ERR_NOMEM);
}

static void start_head(struct exchange *x)
{
    exchange_answer(
        x, 200,
        arena_printf(&x->arena, "x-amz-bucket-region: %.*s\r\n", SPAN_ARG(x->gateway->options.region)),
        SPAN_EMPTY);
}

/* S3 API reference, GetBucketLocation: us-east-1 has no name here. */
static void start_location(struct exchange *x)
{
    struct span region = x->gateway->options.region;

    if (span_is(region, "us-east-1"))
        answer_document(x, SPAN(XML "<LocationConstraint" NS "/>"));
    else
        answer_document(x, arena_printf(&x->arena, XML "<LocationConstraint" NS ">%.*s</LocationConstraint>",
                                        SPAN_ARG(region)));
}

static void start_versioning(struct exchange *x)
{
    answer_document(x, SPAN(XML "<VersioningConfiguration" NS "/>"));
}

static void start_setting(struct exchange *x)
{
    const struct gateway_bucket *rules = gateway_bucket(x->gateway, x->request.bucket);
    struct span document;
    enum s3_code code = s3_setting_answer(x->request.setting, &document);

    if (x->request.setting == S3_SETTING_CORS && rules->cors_count)
        answer_document(x, s3_cors_document(&x->arena, rules->cors, rules->cors_count));
    else if (code == S3_OK)
        answer_document(x, arena_printf(&x->arena, XML "%.*s", SPAN_ARG(document)));
    else
        exchange_error(x, code, NULL);
}

const struct operation operation_head_bucket = {.start = start_head};
const struct operation operation_get_bucket_location = {.start = start_location};
const struct operation operation_get_bucket_versioning = {.start = start_versioning};
const struct operation operation_get_bucket_setting = {.start = start_setting};
