/* Pages of other origins. A browser asks before it sends what a form could not (OPTIONS, the preflight), and reads on
 * every answer whether the page may see it. The rules are the bucket's, from the configuration. */
#include "gateway/gateway_private.h"

static struct span field(const struct http_head *head, struct span name)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (head->headers[i].name.len == name.len && span_ieq(head->headers[i].name, name))
            return head->headers[i].value;
    return SPAN_EMPTY;
}

/* A request that was refused before its target was read has one all the same. */
static struct span bucket_name(struct exchange *x)
{
    struct s3_request target = {.bucket = SPAN_EMPTY};
    const char *message;

    if (x->request.bucket.len)
        return x->request.bucket;
    if (s3_request_parse(&target, x->head, S3_PROOF_NONE, &x->gateway->options.domains, &x->arena, &message))
        return target.bucket.at ? target.bucket : SPAN_EMPTY;
    return target.bucket;
}

struct span exchange_origin_lines(struct exchange *x)
{
    const struct gateway_bucket *b;
    const struct s3_cors_rule *rule;
    struct span origin, lines;

    if (x->gateway->options.bucket_count == 0 || x->head->method == HTTP_OPTIONS)
        return SPAN_EMPTY;
    origin = field(x->head, SPAN("origin"));
    if (origin.len == 0)
        return SPAN_EMPTY;
    b = gateway_bucket(x->gateway, bucket_name(x));
    rule = s3_cors_match(b->cors, b->cors_count, origin, x->head->method_text, SPAN_EMPTY);
    if (!rule)
        return SPAN_EMPTY;
    lines = s3_cors_lines(&x->arena, rule, origin, SPAN_EMPTY);
    return lines.at ? lines : SPAN_EMPTY;
}

static void forbid(struct exchange *x, struct span method, const char *message)
{
    exchange_error_extra(x, S3_ACCESS_FORBIDDEN, message,
                         arena_printf(&x->arena, "<Method>%.*s</Method><ResourceType>%s</ResourceType>",
                                      SPAN_ARG(method), x->request.key.len ? "OBJECT" : "BUCKET"));
}

static bool is_method(struct span text)
{
    static const char *const methods[] = {"GET", "HEAD", "PUT", "POST", "DELETE"};

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (span_is(text, methods[i]))
            return true;
    return false;
}

static void start_preflight(struct exchange *x)
{
    const struct gateway_bucket *b = gateway_bucket(x->gateway, x->request.bucket);
    struct span origin = field(x->head, SPAN("origin"));
    struct span method = field(x->head, SPAN("access-control-request-method"));
    struct span headers = field(x->head, SPAN("access-control-request-headers"));
    const struct s3_cors_rule *rule;
    struct span lines;

    if (origin.len == 0) {
        exchange_error(x, S3_BAD_REQUEST, "Insufficient information. Origin request header needed.");
        return;
    }
    if (!is_method(method)) {
        struct span shown = span_head(method, 40);

        exchange_error(
            x, S3_BAD_REQUEST,
            arena_printf(&x->arena, "Invalid Access-Control-Request-Method: %.*s", SPAN_ARG(shown)).at);
        return;
    }
    if (b->cors_count == 0) {
        forbid(x, method, "CORSResponse: CORS is not enabled for this bucket.");
        return;
    }
    rule = s3_cors_match(b->cors, b->cors_count, origin, method, headers);
    if (!rule) {
        forbid(x, method,
               "CORSResponse: This CORS request is not allowed. This is usually because the evaluation of "
               "Origin, "
               "request method / Access-Control-Request-Method or Access-Control-Request-Headers are not "
               "whitelisted by the resource's CORS spec.");
        return;
    }
    lines = s3_cors_lines(&x->arena, rule, origin, headers);
    if (lines.at)
        exchange_answer(x, 200, lines, SPAN_EMPTY);
    else
        exchange_unavailable(x, ERR_NOMEM);
}

const struct operation operation_preflight = {.start = start_preflight};
