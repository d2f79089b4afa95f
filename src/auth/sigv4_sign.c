/* Signing runs once per replica and request, so it is laid out to be cheap: the head that goes on the wire and
 * the canonical request are assembled in one piece of the arena, the headers are sorted as pointers, and
 * the day's key is kept in the signer.
 *
 *     [ head ... Authorization: ... SignedHeaders= | canonical request | string to sign ] */
#include "auth/canonical.h"
#include "auth/date.h"

#include <assert.h>

enum { OWN_HEADERS = 3, HEAD_ALIGN = 64, TAIL_BYTES = 64 + HEAD_ALIGN };

void sigv4_signer_init(struct sigv4_signer *s, struct span access_key, struct span secret, struct span region)
{
    *s = (struct sigv4_signer){.access_key = access_key, .secret = secret, .region = region};
}

static const struct hmac_key *key_of_day(struct sigv4_signer *s, struct span day)
{
    if (memcmp(s->day, day.at, sizeof(s->day)) != 0) {
        sigv4_derive(&s->key, s->secret, day, s->region);
        put(s->day, day);
    }
    return &s->key;
}

/* Insertion sort: few headers, and callers tend to give them in order. */
static void insert_sorted(const struct sigv4_header **sorted, size_t count, const struct sigv4_header *h)
{
    for (; count && span_cmp(sorted[count - 1]->name, h->name) > 0; count--)
        sorted[count] = sorted[count - 1];
    sorted[count] = h;
}

static char *put_signed_names(char *p, const struct sigv4_header *const *sorted, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i)
            p = put_char(p, ';');
        p = put(p, sorted[i]->name);
    }
    return p;
}

static char *put_field(char *p, struct span name, struct span value)
{
    p = put(p, name);
    p = put(p, SPAN(": "));
    p = put(p, value);
    return put(p, SPAN("\r\n"));
}

static char *put_canonical(char *p, const struct sigv4_request *r, const struct sigv4_header *const *sorted,
                           size_t count)
{
    p = put(p, r->method);
    p = put_char(p, '\n');
    p = put(p, r->path);
    p = put_char(p, '\n');
    p = put(p, r->query);
    p = put_char(p, '\n');
    for (size_t i = 0; i < count; i++) {
        p = put(p, sorted[i]->name);
        p = put_char(p, ':');
        p = canonical_value(p, sorted[i]->value);
        p = put_char(p, '\n');
    }
    p = put_char(p, '\n');
    p = put_signed_names(p, sorted, count);
    p = put_char(p, '\n');
    return put(p, r->payload);
}

/* The head's last field. White space before a value means nothing (RFC 9112 section 5); with it the head's length is
 * a multiple of HEAD_ALIGN, so that the body behind it lies in the socket as it lies in our memory: the kernel copies
 * aligned bytes at up to twice the speed of others. */
static char *put_length(char *p, const char *head, uint64_t length)
{
    static const struct span name = SPAN("Content-Length:");
    char digits[20];
    struct span number = {digits, (size_t)(span_put_u64(digits, length) - digits)};

    p = put(p, name);
    for (size_t bytes = (size_t)(p - head) + number.len + 4; bytes % HEAD_ALIGN; bytes++)
        p = put_char(p, ' ');
    return put(p, number);
}

/* Request line and fields, all but Authorization and Content-Length. */
static char *put_head(char *p, const struct sigv4_request *r, const struct sigv4_header *own)
{
    p = put(p, r->method);
    p = put_char(p, ' ');
    p = put(p, r->path);
    if (r->query.len) {
        p = put_char(p, '?');
        p = put(p, r->query);
    }
    p = put(p, SPAN(" HTTP/1.1\r\n"));
    p = put_field(p, SPAN("Host"), r->host);
    for (size_t i = 0; i < r->header_count; i++)
        p = put_field(p, r->headers[i].name, r->headers[i].value);
    for (size_t i = 1; i < OWN_HEADERS; i++)
        p = put_field(p, own[i].name, own[i].value);
    return p;
}

/* An upper bound for the three parts together. */
static size_t room_for(const struct sigv4_signer *s, const struct sigv4_request *r,
                       const struct sigv4_header *const *sorted, size_t count)
{
    enum { FIXED = 512 + TAIL_BYTES }; /* all literal text and hex digits; checked by assert */
    size_t bytes = FIXED + 2 * (r->method.len + r->path.len + r->query.len) + r->payload.len +
                   s->access_key.len + 2 * (SIGV4_SCOPE_BYTES + s->region.len) + SIGV4_STRING_BYTES +
                   2 * SHA256_BYTES;

    for (size_t i = 0; i < count; i++)
        bytes += 4 * sorted[i]->name.len + 2 * sorted[i]->value.len + 8;
    return bytes;
}

struct span sigv4_sign(struct sigv4_signer *s, const struct sigv4_request *r, struct arena *arena)
{
    char stamp[SIGV4_STAMP_CHARS];
    const struct span stamp_text = {stamp, sizeof(stamp)}, day = {stamp, SIGV4_DAY_CHARS};
    const struct sigv4_header own[OWN_HEADERS] = {{SPAN("host"), r->host},
                                                  {SPAN("x-amz-content-sha256"), r->payload},
                                                  {SPAN("x-amz-date"), stamp_text}};
    const struct sigv4_header *sorted[SIGV4_HEADERS_MAX + OWN_HEADERS];
    size_t count = 0, room;
    uint8_t signature[SHA256_BYTES];
    char *head, *p, *canonical, *string, *end;

    assert(r->header_count <= SIGV4_HEADERS_MAX);
    amz_date_print(r->now_unix_s, stamp);
    for (size_t i = 0; i < r->header_count; i++)
        insert_sorted(sorted, count++, &r->headers[i]);
    for (size_t i = 0; i < OWN_HEADERS; i++)
        insert_sorted(sorted, count++, &own[i]);
    room = room_for(s, r, sorted, count);
    head = arena_alloc(arena, room);
    if (!head)
        return (struct span){0};

    p = put_head(head, r, own);
    p = put(p, SPAN("Authorization: AWS4-HMAC-SHA256 Credential="));
    p = put(p, s->access_key);
    p = put_char(p, '/');
    p = put_scope(p, day, s->region);
    p = put(p, SPAN(", SignedHeaders="));
    p = put_signed_names(p, sorted, count);
    p = put(p, SPAN(", Signature="));

    /* Behind the place of the signature and the head's end. */
    canonical = p + 2 * SHA256_BYTES + TAIL_BYTES;
    string = put_canonical(canonical, r, sorted, count);
    end = put_string_to_sign(string, stamp_text, day, s->region,
                             (struct span){canonical, (size_t)(string - canonical)});
    assert((size_t)(end - head) <= room);
    hmac_sha256(key_of_day(s, day), (struct span){string, (size_t)(end - string)}, signature);

    hex_encode(signature, sizeof(signature), p);
    p += 2 * sizeof(signature);
    if (r->has_length) {
        p = put(p, SPAN("\r\n"));
        p = put_length(p, head, r->length);
    }
    p = put(p, SPAN("\r\n\r\n"));
    return (struct span){head, (size_t)(p - head)};
}
