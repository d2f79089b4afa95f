/* Paths, bucket names and ranges: the small grammars of a request. */
#include "base/hash.h"
#include "s3/request.h"

static bool unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

/* `also` stays as it is besides the unreserved ones. */
static struct span encode(struct arena *arena, struct span text, char also)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t escapes = 0;
    char *out, *p;

    for (size_t i = 0; i < text.len; i++)
        escapes += !unreserved(text.at[i]) && text.at[i] != also;
    if (!escapes && text.len)
        return text;
    p = out = arena_alloc(arena, text.len + 2 * escapes + 1);
    if (!out)
        return (struct span){0};
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = (uint8_t)text.at[i];

        if (unreserved((char)c) || c == (uint8_t)also) {
            *p++ = (char)c;
        } else {
            *p++ = '%';
            *p++ = digits[c >> 4];
            *p++ = digits[c & 15];
        }
    }
    return (struct span){out, (size_t)(p - out)};
}

struct span s3_path_encode(struct arena *arena, struct span key)
{
    return encode(arena, key, '/');
}

struct span s3_query_encode(struct arena *arena, struct span text)
{
    return encode(arena, text, '-');
}

bool s3_decode(struct arena *arena, struct span text, bool plus_is_space, struct span *out)
{
    char *copy, *p;

    *out = text;
    if (span_find(text, '\0') != text.len)
        return false;
    if (span_find(text, '%') == text.len && (!plus_is_space || span_find(text, '+') == text.len))
        return true;
    p = copy = arena_alloc(arena, text.len);
    if (!copy)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];

        if (c == '%') {
            if (!hex_decode(span_head(span_skip(text, i + 1), 2), &c, 1) || c == '\0')
                return false;
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        *p++ = c;
    }
    *out = (struct span){copy, (size_t)(p - copy)};
    return true;
}

static bool looks_like_ipv4(struct span name)
{
    size_t dots = 0;

    for (size_t i = 0; i < name.len; i++) {
        if (name.at[i] == '.')
            dots++;
        else if (name.at[i] < '0' || name.at[i] > '9')
            return false;
    }
    return dots == 3;
}

/* S3 user guide, "General purpose bucket naming rules". */
bool s3_bucket_name_valid(struct span name)
{
    static const char *const prefixes[] = {"xn--", "sthree-", "amzn-s3-demo-"};
    static const char *const suffixes[] = {"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"};

    if (name.len < 3 || name.len > 63)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i];
        bool alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

        if (!alnum && (i == 0 || i == name.len - 1 || (c != '-' && c != '.')))
            return false;
        if (c == '.' && (name.at[i + 1] == '.' || name.at[i + 1] == '-' || name.at[i - 1] == '-'))
            return false;
    }
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        if (span_starts(name, span_of(prefixes[i])))
            return false;
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
        if (span_ends(name, span_of(suffixes[i])))
            return false;
    return !looks_like_ipv4(name);
}

/* Digits of any length: what does not fit is beyond every object's end. False: not digits only. */
static bool position(struct span digits, uint64_t *out)
{
    uint64_t n = 0;

    if (digits.len == 0)
        return false;
    for (size_t i = 0; i < digits.len; i++) {
        unsigned digit = (unsigned char)digits.at[i] - (unsigned)'0';

        if (digit > 9)
            return false;
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, digit, &n))
            n = UINT64_MAX;
    }
    *out = n;
    return true;
}

/* RFC 9110 section 14.1.2. */
enum s3_range s3_range_parse(struct span value, uint64_t size, uint64_t *first, uint64_t *last)
{
    uint64_t from, to = UINT64_MAX;
    struct span start;

    if (!span_ieq(span_head(value, 6), SPAN("bytes=")))
        return S3_RANGE_NONE;
    value = span_skip(value, 6);
    if (span_find(value, '-') == value.len)
        return S3_RANGE_NONE;
    start = span_cut(&value, '-');
    if (start.len == 0) {
        uint64_t suffix;

        if (!position(value, &suffix))
            return S3_RANGE_NONE;
        if (suffix == 0)
            return S3_RANGE_UNSATISFIABLE;
        from = suffix < size ? size - suffix : 0;
    } else {
        if (!position(start, &from) || (value.len && !position(value, &to)) || from > to)
            return S3_RANGE_NONE;
    }
    if (from >= size)
        return S3_RANGE_UNSATISFIABLE;
    *first = from;
    *last = to < size ? to : size - 1;
    return S3_RANGE_OK;
}
