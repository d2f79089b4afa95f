/* Three documents with one body. What differs is a row each: the root, the elements that echo where the list began, and
 * those that say where the next one begins.
 *
 * Texts are XML, and with encoding-type=url percent-encoded first (spaces as %20, which decodes alike as a path and
 * as a form). Without it a key may hold characters that XML 1.0 has no place for: they become numeric references, as
 * at Amazon's, which clients that read such keys know to take.
 *
 * A token is the place where a page ended, in base64 with a checksum before it: what was made up or cut is refused
 * instead of starting a list somewhere. */
#include "s3/list_document.h"

#include "base/hash.h"
#include "s3/date.h"

#include <stdio.h>

enum { TOKEN_SUM_BYTES = 4 };

static const struct form {
    const char *root, *marker, *next;
} forms[] = {
    [S3_OP_LIST_OBJECTS] = {"ListBucketResult", "Marker", "NextMarker"},
    [S3_OP_LIST_OBJECTS_V2] = {"ListBucketResult", "StartAfter", NULL},
    [S3_OP_LIST_OBJECT_VERSIONS] = {"ListVersionsResult", "KeyMarker", "NextKeyMarker"},
};

/* ---- text ---- */

static char *put_reference(char *at, unsigned code)
{
    return at + sprintf(at, "&#x%X;", code);
}

static bool is_plain(uint8_t c)
{
    return c >= 0x20 && c != '<' && c != '>' && c != '&' && c != '"' && c != 0x7f && c != 0xef;
}

/* At most 6 bytes for each. */
static char *put_xml(char *at, struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = (uint8_t)text.at[i];

        if (is_plain(c)) {
            *at++ = (char)c;
            continue;
        }
        if (c == '<')
            at = span_put(at, SPAN("&lt;"));
        else if (c == '>')
            at = span_put(at, SPAN("&gt;"));
        else if (c == '&')
            at = span_put(at, SPAN("&amp;"));
        else if (c == '"')
            at = span_put(at, SPAN("&quot;"));
        else if (c < 0x20 || c == 0x7f)
            at = put_reference(at, c);
        else if (text.len - i >= 3 && (uint8_t)text.at[i + 1] == 0xbf && (uint8_t)text.at[i + 2] >= 0xbe) {
            at = put_reference(at, 0xff00u | ((uint8_t)text.at[i + 2] | 0x40u)); /* U+FFFE, U+FFFF */
            i += 2;
        } else
            *at++ = (char)c;
    }
    return at;
}

static char *put_url(char *at, struct span text)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = (uint8_t)text.at[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            (c && strchr("-._~/", c))) {
            *at++ = (char)c;
        } else {
            *at++ = '%';
            *at++ = digits[c >> 4];
            *at++ = digits[c & 15];
        }
    }
    return at;
}

/* Nothing is formatted: a listing has some ten of these for each key. */
static char *put_tag(char *at, struct span before, struct span name, struct span behind)
{
    at = span_put(at, before);
    at = span_put(at, name);
    return span_put(at, behind);
}

static char *put_element(char *at, const char *name, struct span text, bool url)
{
    struct span tag = span_of(name);

    if (text.len == 0)
        return put_tag(at, SPAN("<"), tag, SPAN("/>"));
    at = put_tag(at, SPAN("<"), tag, SPAN(">"));
    at = url ? put_url(at, text) : put_xml(at, text);
    return put_tag(at, SPAN("</"), tag, SPAN(">"));
}

static char *put_number(char *at, const char *name, uint64_t number)
{
    struct span tag = span_of(name);

    at = put_tag(at, SPAN("<"), tag, SPAN(">"));
    at = span_put_u64(at, number);
    return put_tag(at, SPAN("</"), tag, SPAN(">"));
}

/* ---- before the entries ---- */

static char *put_continuation(char *at, const struct s3_list_head *h, struct span token)
{
    if (h->request->marker.len)
        at = put_element(at, "StartAfter", h->request->marker, h->request->url_encoding);
    if (h->request->has_token)
        at = put_element(at, "ContinuationToken", h->request->continuation_token, false);
    if (h->truncated)
        at = put_element(at, "NextContinuationToken", token, false);
    return put_number(at, "KeyCount", h->count);
}

static char *put_markers(char *at, const struct s3_list_head *h)
{
    const struct s3_request *r = h->request;
    bool versions = r->op == S3_OP_LIST_OBJECT_VERSIONS;

    at = put_element(at, forms[r->op].marker, r->marker, r->url_encoding);
    if (versions)
        at = put_element(at, "VersionIdMarker", r->id_marker, false);
    if (h->truncated && (versions || r->delimiter.len))
        at = put_element(at, forms[r->op].next, h->last, r->url_encoding);
    if (h->truncated && versions && !h->last_is_group)
        at = put_element(at, "NextVersionIdMarker", SPAN("null"), false);
    return at;
}

struct span s3_list_head_print(struct arena *arena, const struct s3_list_head *h)
{
    const struct s3_request *r = h->request;
    struct span token = r->op == S3_OP_LIST_OBJECTS_V2 ? s3_list_token(arena, h->last) : SPAN_EMPTY;
    size_t room = 1024 + 6 * (r->bucket.len + r->prefix.len + r->delimiter.len + r->marker.len +
                              r->id_marker.len + r->continuation_token.len + h->last.len + token.len);
    char *text = arena_alloc(arena, room), *at = text;

    if (!text || !token.at)
        return (struct span){NULL, 0};
    at += sprintf(
        at,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<%s xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">",
        forms[r->op].root);
    at = put_element(at, "Name", r->bucket, false);
    /* V1's is not encoded: botocore decodes it in V2 only */
    at = put_element(at, "Prefix", r->prefix, r->url_encoding && r->op != S3_OP_LIST_OBJECTS);
    at = r->op == S3_OP_LIST_OBJECTS_V2 ? put_continuation(at, h, token) : put_markers(at, h);
    at = put_number(at, "MaxKeys", r->max_keys);
    if (r->delimiter.len)
        at = put_element(at, "Delimiter", r->delimiter, r->url_encoding);
    if (r->url_encoding)
        at = put_element(at, "EncodingType", SPAN("url"), false);
    at = put_element(at, "IsTruncated", h->truncated ? SPAN("true") : SPAN("false"), false);
    return (struct span){text, (size_t)(at - text)};
}

/* ---- entries ---- */

static char *put_owner(char *at, struct span owner)
{
    at = span_put(at, SPAN("<Owner>"));
    at = put_element(at, "ID", owner, false);
    at = put_element(at, "DisplayName", owner, false);
    return span_put(at, SPAN("</Owner>"));
}

/* Some servers leave the quotes away. */
static char *put_etag(char *at, struct span etag)
{
    bool quoted = etag.len && (etag.at[0] == '"' || span_starts(etag, SPAN("W/")));

    at = span_put(at, quoted ? SPAN("<ETag>") : SPAN("<ETag>&quot;"));
    at = put_xml(at, etag);
    return span_put(at, quoted ? SPAN("</ETag>") : SPAN("&quot;</ETag>"));
}

char *s3_list_key_print(char *at, const struct s3_request *r, struct span key, uint64_t body_bytes,
                        uint64_t modified_ms, struct span etag, struct span owner)
{
    bool versions = r->op == S3_OP_LIST_OBJECT_VERSIONS;
    char date[S3_DATE_CHARS + 1];

    s3_date_print(modified_ms, date);
    at = span_put(at, versions ? SPAN("<Version>") : SPAN("<Contents>"));
    at = put_element(at, "Key", key, r->url_encoding);
    if (versions)
        at = span_put(at, SPAN("<VersionId>null</VersionId><IsLatest>true</IsLatest>"));
    at = put_element(at, "LastModified", span_of(date), false);
    if (etag.len)
        at = put_etag(at, etag);
    at = put_number(at, "Size", body_bytes);
    if (r->op != S3_OP_LIST_OBJECTS_V2 || r->fetch_owner)
        at = put_owner(at, owner);
    at = span_put(at, SPAN("<StorageClass>STANDARD</StorageClass>"));
    return span_put(at, versions ? SPAN("</Version>") : SPAN("</Contents>"));
}

char *s3_list_prefix_print(char *at, const struct s3_request *r, struct span prefix)
{
    at = span_put(at, SPAN("<CommonPrefixes>"));
    at = put_element(at, "Prefix", prefix, r->url_encoding);
    return span_put(at, SPAN("</CommonPrefixes>"));
}

struct span s3_list_tail(enum s3_op op)
{
    return op == S3_OP_LIST_OBJECT_VERSIONS ? SPAN("</ListVersionsResult>") : SPAN("</ListBucketResult>");
}

/* ---- tokens ---- */

static void sum(struct span last, uint8_t out[static TOKEN_SUM_BYTES])
{
    uint32_t crc = crc32c_add(0, last.at, last.len);

    for (int i = 0; i < TOKEN_SUM_BYTES; i++)
        out[i] = (uint8_t)(crc >> 8 * i);
}

/* RFC 4648 section 5, so that a client which does not encode it in its query is understood too; without padding. */
struct span s3_list_token(struct arena *arena, struct span last)
{
    size_t bytes = TOKEN_SUM_BYTES + last.len, chars;
    char *plain = arena_alloc(arena, bytes), *text = arena_alloc(arena, (bytes + 2) / 3 * 4);

    if (!plain || !text)
        return (struct span){NULL, 0};
    sum(last, (uint8_t *)plain);
    span_put(plain + TOKEN_SUM_BYTES, last);
    chars = base64_encode(plain, bytes, text);
    while (chars && text[chars - 1] == '=')
        chars--;
    for (size_t i = 0; i < chars; i++)
        text[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
    return (struct span){text, chars};
}

bool s3_list_token_parse(struct arena *arena, struct span token, struct span *last)
{
    size_t chars = (token.len + 3) / 4 * 4, bytes = token.len * 3 / 4;
    char *text = arena_alloc(arena, chars + 1), *plain = arena_alloc(arena, bytes + 1);
    uint8_t want[TOKEN_SUM_BYTES];

    if (!text || !plain || bytes < TOKEN_SUM_BYTES || token.len > S3_TOKEN_BYTES_MAX)
        return false;
    memset(text, '=', chars);
    for (size_t i = 0; i < token.len; i++) {
        char c = token.at[i];

        if (c == '+' || c == '/' || c == '=')
            return false;
        text[i] = c == '-' ? '+' : c == '_' ? '/' : c;
    }
    if (!base64_decode((struct span){text, chars}, plain, bytes))
        return false;
    *last = (struct span){plain + TOKEN_SUM_BYTES, bytes - TOKEN_SUM_BYTES};
    sum(*last, want);
    return memcmp(want, plain, TOKEN_SUM_BYTES) == 0 && span_is_utf8(*last);
}
