/* The canonical forms of a request's parts, in one pass each.
 *
 * A client signs the encoding that it believes in and sends another that means the same ("%7e" for '~').
 * So what was received is decoded once and encoded the one way S3 does: A-Z a-z 0-9 - . _ ~ stay, in a path
 * '/' as well, all else is %XX in upper case. Nothing is normalised beyond that. */
#include "auth/canonical.h"

#include <stdlib.h>

enum { PLAIN = 1, SLASH = 2 };

/* PLAIN: stays in paths and queries. SLASH: stays in paths. */
static const uint8_t classes[256] = {
    ['-'] = PLAIN, ['.'] = PLAIN,         ['_'] = PLAIN,         ['~'] = PLAIN,
    ['/'] = SLASH, ['0' ... '9'] = PLAIN, ['A' ... 'Z'] = PLAIN, ['a' ... 'z'] = PLAIN,
};

static char *encode_byte(char *p, uint8_t c, unsigned stays)
{
    static const char digits[] = "0123456789ABCDEF";

    if (classes[c] & stays)
        return put_char(p, (char)c);
    p = put_char(p, '%');
    p = put_char(p, digits[c >> 4]);
    return put_char(p, digits[c & 15]);
}

/* A '%' without two digits behind it stands for itself; s3_request_parse has refused such a request. */
static char *recode(char *p, struct span text, unsigned stays, bool plus_is_space)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = (uint8_t)text.at[i];

        if (c == '%') {
            if (hex_decode(span_head(span_skip(text, i + 1), 2), &c, 1))
                i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        p = encode_byte(p, c, stays);
    }
    return p;
}

char *canonical_path(char *p, struct span path)
{
    return recode(p, path, PLAIN | SLASH, false);
}

struct param {
    struct span name, value; /* encoded */
};

static int compare_params(const void *a, const void *b)
{
    const struct param *x = a, *y = b;
    int order = span_cmp(x->name, y->name);

    return order ? order : span_cmp(x->value, y->value);
}

/* The encoded parameters are written behind the place of the result, then copied there in order. */
char *canonical_query(char *p, struct span query)
{
    struct param params[CANONICAL_PARAMS_MAX];
    char *scratch = p + CANONICAL_QUERY_ROOM(query.len) / 2;
    size_t count = 0;

    while (query.len) {
        struct span value = span_cut(&query, '&');
        struct span name = span_cut(&value, '=');
        struct param *param = &params[count];

        if (name.len == 0 && value.len == 0)
            continue;
        if (count++ == CANONICAL_PARAMS_MAX)
            return NULL;
        param->name.at = scratch;
        scratch = recode(scratch, name, PLAIN, true);
        param->name.len = (size_t)(scratch - param->name.at);
        param->value.at = scratch;
        scratch = recode(scratch, value, PLAIN, true);
        param->value.len = (size_t)(scratch - param->value.at);
        if (span_is(param->name, "X-Amz-Signature"))
            count--; /* the proof itself */
    }
    if (count > 1)
        qsort(params, count, sizeof(params[0]), compare_params);
    for (size_t i = 0; i < count; i++) {
        if (i)
            p = put_char(p, '&');
        p = put(p, params[i].name);
        p = put_char(p, '=');
        p = put(p, params[i].value);
    }
    return p;
}

char *canonical_value(char *p, struct span value)
{
    bool space = false;

    value = span_trim(value);
    if (span_find(value, ' ') == value.len)
        return put(p, value);
    for (size_t i = 0; i < value.len; i++) {
        if (value.at[i] != ' ' || !space)
            p = put_char(p, value.at[i]);
        space = value.at[i] == ' ';
    }
    return p;
}

char *put_scope(char *p, struct span day, struct span region)
{
    p = put(p, day);
    p = put_char(p, '/');
    p = put(p, region);
    return put(p, SPAN("/s3/aws4_request"));
}

char *put_string_to_sign(char *p, struct span stamp, struct span day, struct span region,
                         struct span canonical)
{
    uint8_t digest[SHA256_BYTES];

    sha256_of(canonical, digest);
    p = put(p, SPAN("AWS4-HMAC-SHA256\n"));
    p = put(p, stamp);
    p = put_char(p, '\n');
    p = put_scope(p, day, region);
    p = put_char(p, '\n');
    hex_encode(digest, sizeof(digest), p);
    return p + 2 * sizeof(digest);
}
