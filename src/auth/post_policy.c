/*     { "expiration": "2030-01-01T12:00:00.000Z",
 *       "conditions": [ {"bucket": "media"}, ["eq", "$acl", "private"], ["starts-with", "$key", "user/"],
 *                       ["content-length-range", 1, 1048576] ] }
 *
 * Each condition covers the fields it names; at the end none may be left over. Names and operators are compared in any
 * case, values to the byte. A field that is not there has the value "". */
#include "auth/post_policy.h"

#include "auth/canonical.h"
#include "auth/claim.h"
#include "auth/date.h"

#include <jansson.h>

/* ---- the claim and its signature ---- */

static const struct span nothing = {"", 0};

static struct span value_of(const struct s3_form *form, const char *name)
{
    const struct span *value = s3_form_value(form, name);

    return value ? *value : nothing;
}

enum s3_code post_policy_claim(struct sigv4_claim *out, const struct s3_form *form, struct arena *arena,
                               const char **message)
{
    static const char *const needed[] = {"policy", "x-amz-algorithm", "x-amz-credential", "x-amz-date",
                                         "x-amz-signature"};
    enum s3_code code;

    *out = (struct sigv4_claim){.proof = S3_PROOF_FORM};
    *message = NULL;
    if (s3_form_value(form, "awsaccesskeyid")) {
        *message = "Signature Version 2 is not supported. Use Signature Version 4 (AWS4-HMAC-SHA256).";
        return S3_INVALID_REQUEST;
    }
    if (s3_form_value(form, "x-amz-security-token")) {
        *message = "Session tokens (x-amz-security-token) are not supported. Use a long-term access key.";
        return S3_INVALID_REQUEST;
    }
    if (!s3_form_value(form, "policy") && !s3_form_value(form, "x-amz-signature")) {
        *message = "Anonymous access is not allowed; the form has no policy.";
        return S3_ACCESS_DENIED;
    }
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        if (value_of(form, needed[i]).len)
            continue;
        *message = arena_printf(arena, "Bucket POST must contain a field named '%s'.", needed[i]).at;
        return S3_INVALID_ARGUMENT;
    }
    if (!span_is(value_of(form, "x-amz-algorithm"), "AWS4-HMAC-SHA256")) {
        *message = "The field x-amz-algorithm must be AWS4-HMAC-SHA256.";
        return S3_INVALID_ARGUMENT;
    }
    out->stamp = value_of(form, "x-amz-date");
    if (!amz_date_parse(out->stamp, &out->stamp_unix_s)) {
        *message = "The field x-amz-date must be of the form yyyymmddThhmmssZ.";
        return S3_INVALID_ARGUMENT;
    }
    code = claim_signature(out, value_of(form, "x-amz-signature"), arena, message);
    if (code == S3_OK)
        code = claim_credential(out, value_of(form, "x-amz-credential"), arena, message);
    if (code == S3_OK)
        code = claim_day(out, arena, message);
    return code;
}

enum s3_code post_policy_verify(struct sigv4_keyring *keys, const struct sigv4_claim *claim,
                                struct span secret, struct span region, const struct s3_form *form,
                                struct arena *arena, const char **message)
{
    uint8_t ours[SHA256_BYTES], theirs[SHA256_BYTES];
    struct hmac_key spare;
    struct span shown = span_head(claim->region, 40);

    *message = NULL;
    if (!span_eq(claim->region, region))
        return CLAIM_MALFORMED(claim, arena, message, "the region '%.*s' is wrong; expecting '%.*s'.",
                               SPAN_ARG(shown), SPAN_ARG(region));
    hmac_sha256(sigv4_key(keys, secret, claim->day, region, &spare), value_of(form, "policy"), ours);
    explicit_bzero(&spare, sizeof(spare));
    if (hex_decode(claim->signature, theirs, sizeof(theirs)) && bytes_equal_ct(ours, theirs, sizeof(ours)))
        return S3_OK;
    return S3_SIGNATURE_DOES_NOT_MATCH;
}

/* ---- the policy ---- */

struct check {
    struct post_policy_limits *out;
    const struct s3_form *form;
    struct span bucket, key;
    struct arena *arena;
    const char **message;
    uint64_t covered; /* bit i: form->fields[i] */
    bool bucket_covered;
};
_Static_assert(S3_FORM_FIELDS_MAX <= 64, "covered is 64 bits");

#define refuse(c, code, ...) (*(c)->message = arena_printf((c)->arena, __VA_ARGS__).at, (code))
#define invalid(c, text)     refuse(c, S3_INVALID_POLICY_DOCUMENT, "Invalid Policy: %s", text)

/* "2030-01-01T12:00:00Z", with or without a fraction of the second. */
static bool read_expiration(struct span text, uint64_t *unix_s)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd";
    char stamp[16], *p = stamp;
    struct span rest = span_skip(text, sizeof(form) - 1);

    if (text.len < sizeof(form))
        return false;
    for (size_t i = 0; i < sizeof(form) - 1; i++) {
        if (form[i] == 'd' || form[i] == 'T')
            *p++ = text.at[i];
        else if (text.at[i] != form[i])
            return false;
    }
    *p = 'Z';
    if (rest.at[0] == '.') {
        uint64_t fraction;

        rest = span_skip(rest, 1);
        if (rest.len < 2 || rest.len > 10 || !span_to_u64(span_head(rest, rest.len - 1), &fraction))
            return false;
        rest = span_skip(rest, rest.len - 1);
    }
    return span_is(rest, "Z") && amz_date_parse((struct span){stamp, sizeof(stamp)}, unix_s);
}

/* The value that a condition on `name` looks at, which is covered by it. */
static struct span look_up(struct check *c, struct span name)
{
    struct span value = nothing;

    if (span_ieq(name, SPAN("bucket"))) {
        c->bucket_covered = true;
        value = c->bucket;
    }
    for (size_t i = 0; i < c->form->field_count; i++) {
        if (!span_ieq(c->form->fields[i].name, name))
            continue;
        c->covered |= 1ull << i;
        if (!span_ieq(name, SPAN("bucket")))
            value = c->form->fields[i].value;
    }
    return span_ieq(name, SPAN("key")) ? c->key : value;
}

static enum s3_code match(struct check *c, bool whole, struct span name, struct span wanted)
{
    struct span value = look_up(c, name);

    if (whole ? span_eq(value, wanted) : span_starts(value, wanted))
        return S3_OK;
    return refuse(c, S3_ACCESS_DENIED,
                  "Invalid according to Policy: Policy Condition failed: [\"%s\", \"$%.*s\", \"%.*s\"]",
                  whole ? "eq" : "starts-with", SPAN_ARG(span_head(name, 100)),
                  SPAN_ARG(span_head(wanted, 300)));
}

static struct span text_of(const json_t *j)
{
    return (struct span){json_string_value(j), json_string_length(j)};
}

/* Numbers also come as texts. */
static bool bytes_of(const json_t *j, uint64_t *out)
{
    if (json_is_string(j))
        return span_to_u64(text_of(j), out);
    *out = (uint64_t)json_integer_value(j);
    return json_is_integer(j) && json_integer_value(j) >= 0;
}

/* {"name": "value"} */
static enum s3_code check_object(struct check *c, json_t *condition)
{
    const char *name;
    json_t *value;
    enum s3_code code = S3_OK;

    if (json_object_size(condition) == 0)
        return invalid(c, "a condition is empty.");
    json_object_foreach(condition, name, value)
    {
        if (code != S3_OK)
            break;
        code = json_is_string(value) ? match(c, true, span_of(name), text_of(value))
                                     : invalid(c, "the value of a condition is no text.");
    }
    return code;
}

static enum s3_code check_range(struct check *c, const json_t *least, const json_t *most)
{
    uint64_t from, to;

    if (!bytes_of(least, &from) || !bytes_of(most, &to) || from > to)
        return invalid(c, "content-length-range needs two numbers, the lesser first.");
    if (from > c->out->least_bytes)
        c->out->least_bytes = from;
    if (to < c->out->most_bytes)
        c->out->most_bytes = to;
    return S3_OK;
}

/* ["operator", "$name", "value"] */
static enum s3_code check_array(struct check *c, json_t *condition)
{
    const json_t *a = json_array_get(condition, 1), *b = json_array_get(condition, 2);
    struct span verb = text_of(json_array_get(condition, 0)), name;
    bool whole = verb.at && span_ieq(verb, SPAN("eq"));

    if (json_array_size(condition) != 3 || !verb.at)
        return invalid(c, "a condition has not three elements, an operator first.");
    if (span_ieq(verb, SPAN("content-length-range")))
        return check_range(c, a, b);
    if (!whole && !span_ieq(verb, SPAN("starts-with")))
        return invalid(c, "the operators are eq, starts-with and content-length-range.");
    name = text_of(a);
    if (!name.at || name.len < 2 || name.at[0] != '$' || !json_is_string(b))
        return invalid(c, "a condition names a field as \"$name\", and its value is a text.");
    return match(c, whole, span_skip(name, 1), text_of(b));
}

/* A field that no condition names could be anybody's. */
static enum s3_code check_coverage(struct check *c)
{
    static const char *const free[] = {"x-amz-signature", "file", "policy"};
    static const struct span ignored = SPAN("x-ignore-");

    if (!c->bucket_covered)
        return refuse(c, S3_ACCESS_DENIED, "Invalid according to Policy: Extra input fields: bucket");
    for (size_t i = 0; i < c->form->field_count; i++) {
        struct span name = c->form->fields[i].name;
        bool covered = c->covered >> i & 1 || span_ieq(span_head(name, ignored.len), ignored);

        for (size_t k = 0; k < sizeof(free) / sizeof(free[0]); k++)
            covered = covered || span_ieq(name, span_of(free[k]));
        if (!covered)
            return refuse(c, S3_ACCESS_DENIED, "Invalid according to Policy: Extra input fields: %.*s",
                          SPAN_ARG(span_head(name, 100)));
    }
    return S3_OK;
}

static enum s3_code check_document(struct check *c, const json_t *policy, uint64_t now_unix_s)
{
    struct span expiration = text_of(json_object_get(policy, "expiration"));
    json_t *conditions = json_object_get(policy, "conditions"), *condition;
    uint64_t ends_unix_s;
    enum s3_code code = S3_OK;
    size_t i;

    if (!json_is_object(policy))
        return invalid(c, "it is no JSON object.");
    if (!expiration.at || !read_expiration(expiration, &ends_unix_s))
        return invalid(c, "its expiration is not of the form yyyy-mm-ddThh:mm:ss.sssZ.");
    if (!json_is_array(conditions) || json_array_size(conditions) == 0)
        return invalid(c, "it has no list of conditions.");
    if (now_unix_s >= ends_unix_s)
        return refuse(c, S3_ACCESS_DENIED, "Invalid according to Policy: Policy expired.");
    json_array_foreach(conditions, i, condition)
    {
        if (code != S3_OK)
            break;
        code = json_is_object(condition)  ? check_object(c, condition)
               : json_is_array(condition) ? check_array(c, condition)
                                          : invalid(c, "a condition is neither a list nor an object.");
    }
    return code == S3_OK ? check_coverage(c) : code;
}

/* at == NULL: it is no base64, or the arena is full. */
static struct span decode(struct arena *arena, struct span text)
{
    size_t padding = span_ends(text, SPAN("==")) ? 2 : span_ends(text, SPAN("="));
    size_t len = text.len / 4 * 3 - (text.len >= 4 ? padding : 0);
    char *out = arena_alloc(arena, len + 1);

    if (!out || text.len % 4 || !base64_decode(text, out, len))
        return (struct span){NULL, 0};
    return (struct span){out, len};
}

enum s3_code post_policy_check(struct post_policy_limits *out, const struct s3_form *form, struct span bucket,
                               struct span key, uint64_t now_unix_s, struct arena *arena,
                               const char **message)
{
    struct check c = {
        .out = out, .form = form, .bucket = bucket, .key = key, .arena = arena, .message = message};
    struct span text = decode(arena, value_of(form, "policy"));
    enum s3_code code;
    json_t *policy;

    *out = (struct post_policy_limits){0, UINT64_MAX};
    *message = NULL;
    if (!text.at)
        return invalid(&c, "it is not in Base64.");
    policy = json_loadb(text.at, text.len, JSON_REJECT_DUPLICATES, NULL);
    if (!policy)
        return invalid(&c, "it is no JSON.");
    code = check_document(&c, policy, now_unix_s);
    json_decref(policy);
    return code;
}
