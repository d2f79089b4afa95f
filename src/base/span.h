/* span.h - borrowed bytes: a pointer and a length. A span never owns and never frees. */
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const char *at;
    size_t len;
};

#define SPAN(literal) ((struct span){(literal), sizeof(literal) - 1})
#define SPAN_EMPTY    ((struct span){"", 0})
/* For printf: "%.*s", SPAN_ARG(s). */
#define SPAN_ARG(s) (int)(s).len, (s).at

static inline struct span span_of(const char *text)
{
    return (struct span){text, strlen(text)};
}

static inline bool span_eq(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline bool span_is(struct span a, const char *text)
{
    return span_eq(a, span_of(text));
}

/* The first `n` bytes, and what is left after them; n is cut to the length. */
static inline struct span span_head(struct span s, size_t n)
{
    return (struct span){s.at, n < s.len ? n : s.len};
}

static inline struct span span_skip(struct span s, size_t n)
{
    if (n > s.len)
        n = s.len;
    return (struct span){s.at + n, s.len - n};
}

/* Copies to `at`, which has the room; returns what is behind it. */
static inline char *span_put(char *at, struct span s)
{
    if (s.at && s.len)
        memcpy(at, s.at, s.len);
    return at + s.len;
}

/* In decimal digits, 20 at most; returns what is behind them. */
static inline char *span_put_u64(char *at, uint64_t n)
{
    char digits[20];
    size_t from = sizeof(digits);

    do
        digits[--from] = (char)('0' + n % 10);
    while (n /= 10);
    return span_put(at, (struct span){digits + from, sizeof(digits) - from});
}

/* ASCII case folded; never locale dependent. */
bool span_ieq(struct span a, struct span b);
bool span_starts(struct span s, struct span prefix);
bool span_ends(struct span s, struct span suffix);

/* Index of the first `c`, or s.len. */
size_t span_find(struct span s, char c);

/* Cut at the first `c`: returns what stands before it and moves *s behind it. Without a `c`
 * the whole of *s is returned and *s becomes empty. */
struct span span_cut(struct span *s, char c);

/* Without leading and trailing spaces and tabs. */
struct span span_trim(struct span s);

/* Decimal digits only, no sign, no space, no overflow, at least one digit; else false. */
bool span_to_u64(struct span s, uint64_t *out);
/* Hexadecimal digits only, 1 to 16 of them. */
bool span_to_u64_hex(struct span s, uint64_t *out);

/* Byte order, as S3 sorts keys: memcmp, then the shorter first. */
int span_cmp(struct span a, struct span b);

/* True when the bytes are well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool span_is_utf8(struct span s);

#endif
