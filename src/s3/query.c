/* The query of a request: each parameter is in the table, for this operation, once. */
#include "s3/request_parts.h"

enum param_use { PARAM_IGNORED, PARAM_OVERRIDE, PARAM_PREFIX, PARAM_MAX_BUCKETS, PARAM_NULL_VERSION };

#define BIT(op) (1u << (op))
enum {
    ANY_OP = BIT(S3_OP_COUNT) - 1,
    READS = BIT(S3_OP_GET_OBJECT) | BIT(S3_OP_HEAD_OBJECT),
};

static const struct param_rule {
    struct span name;
    enum param_use use;
    unsigned ops; /* BIT(op) of those that know it */
    struct span header;
} params[] = {
    {SPAN("x-id"), PARAM_IGNORED, ANY_OP, SPAN("")},
    {SPAN("response-content-type"), PARAM_OVERRIDE, READS, SPAN("Content-Type")},
    {SPAN("response-content-language"), PARAM_OVERRIDE, READS, SPAN("Content-Language")},
    {SPAN("response-content-disposition"), PARAM_OVERRIDE, READS, SPAN("Content-Disposition")},
    {SPAN("response-content-encoding"), PARAM_OVERRIDE, READS, SPAN("Content-Encoding")},
    {SPAN("response-cache-control"), PARAM_OVERRIDE, READS, SPAN("Cache-Control")},
    {SPAN("response-expires"), PARAM_OVERRIDE, READS, SPAN("Expires")},
    {SPAN("versionId"), PARAM_NULL_VERSION, READS | BIT(S3_OP_DELETE_OBJECT), SPAN("")},
    {SPAN("prefix"), PARAM_PREFIX, BIT(S3_OP_LIST_BUCKETS), SPAN("")},
    {SPAN("max-buckets"), PARAM_MAX_BUCKETS, BIT(S3_OP_LIST_BUCKETS), SPAN("")},
};
enum { PARAM_COUNT = sizeof(params) / sizeof(params[0]) };
_Static_assert(PARAM_COUNT <= 32, "seen is 32 bits");

static const struct param_rule *find_param(struct span name, enum s3_op op)
{
    for (const struct param_rule *r = params; r < params + PARAM_COUNT; r++)
        if ((r->ops & BIT(op)) && span_eq(r->name, name))
            return r;
    return NULL;
}

/* A value that goes into a header of the answer must not be able to end it. */
static bool printable(struct span value)
{
    for (size_t i = 0; i < value.len; i++)
        if ((uint8_t)value.at[i] < 0x20 || value.at[i] == 0x7f)
            return false;
    return true;
}

static enum s3_code apply(const struct s3_parse *p, const struct param_rule *rule, struct span value)
{
    struct s3_request *out = p->out;
    uint64_t number;

    switch (rule->use) {
    case PARAM_IGNORED: return S3_OK;
    case PARAM_OVERRIDE:
        if (!printable(value))
            return s3_refuse(p, S3_INVALID_ARGUMENT, "The value of '%.*s' holds control characters.",
                             S3_SHOWN(rule->name));
        out->overrides[out->override_count++] = (struct s3_override){rule->header, value};
        return S3_OK;
    case PARAM_PREFIX: out->prefix = value; return S3_OK;
    case PARAM_MAX_BUCKETS:
        if (!span_to_u64(value, &number) || number < 1 || number > 10000)
            return s3_refuse(p, S3_INVALID_ARGUMENT, "max-buckets is a number from 1 to 10000, not '%.*s'.",
                             S3_SHOWN(value));
        out->max_buckets = (uint32_t)number;
        return S3_OK;
    case PARAM_NULL_VERSION:
        if (!span_is(value, "null"))
            return s3_refuse(p, S3_NOT_IMPLEMENTED,
                             "Buckets have no versions: the only versionId is 'null', not '%.*s'.",
                             S3_SHOWN(value));
        return S3_OK;
    }
    return S3_INTERNAL_ERROR;
}

enum s3_code s3_query_parse(const struct s3_parse *p)
{
    struct span left = p->out->query;
    unsigned seen = 0;

    while (left.len) {
        struct span value = span_cut(&left, '&');
        struct span name = span_cut(&value, '=');
        const struct param_rule *rule;
        enum s3_code code;

        if (name.len == 0 && value.len == 0)
            continue;
        if (!s3_decode(p->arena, name, true, &name) || !s3_decode(p->arena, value, true, &value)) {
            *p->message = "The query is not valid: its escapes are %XX but not %00.";
            return S3_INVALID_URI;
        }
        rule = find_param(name, p->out->op);
        if (!rule)
            return s3_refuse(p, S3_NOT_IMPLEMENTED,
                             "The sub-resource or query parameter '%.*s' is not implemented for %s.",
                             S3_SHOWN(name), s3_op_name(p->out->op));
        if (seen & 1u << (rule - params))
            return s3_refuse(p, S3_INVALID_ARGUMENT, "The query parameter '%.*s' is there twice.",
                             S3_SHOWN(name));
        seen |= 1u << (rule - params);
        code = apply(p, rule, value);
        if (code != S3_OK)
            return code;
    }
    return S3_OK;
}
