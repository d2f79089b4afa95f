/* Metadata in a form that every backend keeps.
 *
 * Measured: a value beyond ASCII comes back as the bytes that were sent, as RFC 2047 encoded words, or damaged, by
 * backend. S3's answer are the words, so these are stored: "=?UTF-8?B?" base64 "?=", of 75 characters at most, a space
 * between two, which readers drop. What is no UTF-8 is ISO 8859-1, as everywhere in HTTP.
 *
 * A field without a value is kept by some backends and dropped by others. It is sent to all, so that whoever reads a backend
 * itself sees what can be seen there, and its name is stored as a value, which all keep. */
#include "s3/metadata.h"

#include "base/hash.h"

/* ---- encoded words ---- */

enum { WORD_BYTES = 45 }; /* 60 characters of base64, and 12 around them */

static bool is_ascii(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.at[i] >= 0x80)
            return false;
    return true;
}

/* One character of *s, in UTF-8. */
static size_t next_character(struct span *s, bool utf8, char out[static 4])
{
    unsigned char first = (unsigned char)s->at[0];
    size_t len = !utf8 || first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

    memcpy(out, s->at, len);
    *s = span_skip(*s, len);
    if (utf8 || first < 0x80)
        return len;
    out[0] = (char)(0xc0 | first >> 6);
    out[1] = (char)(0x80 | (first & 0x3f));
    return 2;
}

/* Behind out[at]; out NULL: nowhere. Returns where it ends. */
static size_t put_word(const char *bytes, size_t len, char *out, size_t at)
{
    static const struct span begin = SPAN(" =?UTF-8?B?"), end = SPAN("?=");
    struct span opening = at ? begin : span_skip(begin, 1);

    if (out) {
        char *p = span_put(out + at, opening);

        p += base64_encode(bytes, len, p);
        span_put(p, end);
    }
    return at + opening.len + 4 * ((len + 2) / 3) + end.len;
}

/* Returns the length; out NULL: nothing else. */
static size_t encode(struct span value, char *out)
{
    bool utf8 = span_is_utf8(value);
    char word[WORD_BYTES], character[4];
    size_t filled = 0, at = 0;

    while (value.len) {
        size_t len = next_character(&value, utf8, character);

        if (filled + len > WORD_BYTES) {
            at = put_word(word, filled, out, at);
            filled = 0;
        }
        memcpy(word + filled, character, len);
        filled += len;
    }
    return put_word(word, filled, out, at);
}

/* ---- what is stored ---- */

static const struct span prefix = SPAN(S3_METADATA_PREFIX);

static bool is_metadata(struct span name)
{
    return s3_header_is_stored(name) && span_ieq(span_head(name, prefix.len), prefix);
}

/* Content-Encoding is a list; aws-chunked in it describes a framing that only STREAMING- bodies have. */
static bool names_chunked(struct span value)
{
    while (value.len)
        if (span_ieq(span_trim(span_cut(&value, ',')), SPAN("aws-chunked")))
            return true;
    return false;
}

static bool without_chunked(struct arena *arena, struct span left, struct span *out)
{
    char *copy = arena_alloc(arena, left.len + 1), *p = copy;

    if (!copy)
        return false;
    while (left.len) {
        struct span token = span_trim(span_cut(&left, ','));

        if (token.len == 0 || span_ieq(token, SPAN("aws-chunked")))
            continue;
        if (p != copy)
            *p++ = ',';
        p = span_put(p, token);
    }
    *out = (struct span){copy, (size_t)(p - copy)};
    return true;
}

bool s3_stored_value(struct arena *arena, const struct http_header *h, struct span *out)
{
    char *words;

    *out = h->value;
    if (span_ieq(h->name, SPAN("content-encoding")) && names_chunked(h->value))
        return without_chunked(arena, h->value, out);
    if (!is_metadata(h->name) || is_ascii(h->value))
        return true;
    words = arena_alloc(arena, encode(h->value, NULL));
    if (words)
        *out = (struct span){words, encode(h->value, words)};
    return words;
}

/* ---- what has no value ---- */

static const struct span list_header = SPAN(S3_EMPTY_METADATA_HEADER);

size_t s3_metadata_bytes(const struct http_header *h, bool *has_empty)
{
    size_t name = h->name.len - prefix.len, list = *has_empty ? 1 : list_header.len - prefix.len;

    if (h->value.len)
        return name + (is_ascii(h->value) ? h->value.len : encode(h->value, NULL));
    *has_empty = true;
    return 2 * name + list;
}

struct span s3_empty_metadata(struct arena *arena, const struct http_header *fields, size_t count)
{
    size_t bytes = 0;
    char *list, *p;

    for (size_t i = 0; i < count; i++)
        if (is_metadata(fields[i].name) && !fields[i].value.len)
            bytes += fields[i].name.len;
    if (!bytes)
        return SPAN_EMPTY;
    list = p = arena_alloc(arena, bytes);
    for (size_t i = 0; p && i < count; i++) {
        if (!is_metadata(fields[i].name) || fields[i].value.len)
            continue;
        if (p != list)
            *p++ = ',';
        p = span_put(p, span_skip(fields[i].name, prefix.len));
    }
    return (struct span){list, (size_t)(p - list)};
}

static bool is_token(struct span s)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i], letter = (char)(c | 0x20);

        if (!(c >= '0' && c <= '9') && !(letter >= 'a' && letter <= 'z') &&
            !memchr(others, c, sizeof(others) - 1))
            return false;
    }
    return s.len;
}

static bool shows(const struct http_head *head, struct span name)
{
    for (size_t i = 0; i < head->header_count; i++) {
        struct span field = head->headers[i].name;

        if (field.len == prefix.len + name.len && span_ieq(span_head(field, prefix.len), prefix) &&
            span_ieq(span_skip(field, prefix.len), name))
            return true;
    }
    return false;
}

bool s3_dropped_metadata(const struct http_head *head, struct span *list, struct span *name)
{
    static const struct span own = SPAN("s3mirror-");

    while (list->len) {
        *name = span_trim(span_cut(list, ','));
        if (is_token(*name) && !span_ieq(span_head(*name, own.len), own) && !shows(head, *name))
            return true;
    }
    return false;
}

/* ---- of a backend's answer ---- */

/* The list itself, and what it names and the backend dropped. More than a request can have had there is no room for. */
static bool put_back(struct arena *arena, const struct http_head *head, struct span list,
                     struct http_header *out, size_t *count)
{
    struct span name, kept = arena_dup(arena, list);

    if (!kept.at)
        return false;
    out[(*count)++] = (struct http_header){list_header, kept};
    while (*count < S3_STORED_HEADERS_MAX && s3_dropped_metadata(head, &list, &name)) {
        struct span full = arena_printf(arena, S3_METADATA_PREFIX "%.*s", SPAN_ARG(name));

        if (!full.at)
            return false;
        out[(*count)++] = (struct http_header){full, SPAN_EMPTY};
    }
    return true;
}

bool s3_stored_headers(struct arena *arena, const struct http_head *head,
                       struct http_header out[static S3_STORED_HEADERS_MAX], size_t *count)
{
    const struct span *list = NULL;

    *count = 0;
    for (size_t i = 0; i < head->header_count; i++) {
        const struct http_header *h = &head->headers[i];
        struct http_header *to = &out[*count];

        if (span_ieq(h->name, list_header))
            list = &h->value;
        if (!s3_header_is_stored(h->name))
            continue;
        to->name = arena_dup(arena, h->name);
        to->value = arena_dup(arena, h->value);
        if (!to->name.at || !to->value.at)
            return false;
        (*count)++;
    }
    return !list || put_back(arena, head, *list, out, count);
}
