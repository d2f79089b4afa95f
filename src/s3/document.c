/* Printing XML. A client's parser must be able to read whatever came in through a key or a header, so
 * what XML 1.0 cannot hold at all becomes U+FFFD; an error document is for people, not for round trips. */
#include "s3/document.h"

#include <time.h>

#define DECLARATION "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* What stands for the character at text.at[0], and in *taken how many bytes that is. XML 1.0 section 2.2 (Char). */
static struct span escaped(struct span text, bool utf8, size_t *taken)
{
    uint8_t c = (uint8_t)text.at[0];

    *taken = 1;
    switch (c) {
    case '<': return SPAN("&lt;");
    case '>': return SPAN("&gt;");
    case '&': return SPAN("&amp;");
    case '"': return SPAN("&quot;");
    case '\'': return SPAN("&apos;");
    case '\t': return SPAN("&#x9;");
    case '\n': return SPAN("&#xA;");
    case '\r': return SPAN("&#xD;");
    case 0x7f: return SPAN("&#x7F;");
    default: break;
    }
    if (c < 0x20 || (c >= 0x80 && !utf8))
        return SPAN(REPLACEMENT);
    if (span_starts(text, SPAN("\xef\xbf\xbe")) || span_starts(text, SPAN("\xef\xbf\xbf"))) {
        *taken = 3;
        return SPAN(REPLACEMENT);
    }
    return span_head(text, 1);
}

struct span s3_xml_escape(struct arena *arena, struct span text)
{
    bool utf8 = span_is_utf8(text);
    size_t bytes = 0, taken;
    char *out, *p;

    for (struct span left = text; left.len; left = span_skip(left, taken))
        bytes += escaped(left, utf8, &taken).len;
    p = out = arena_alloc(arena, bytes + 1);
    if (!out)
        return (struct span){0};
    for (struct span left = text; left.len; left = span_skip(left, taken)) {
        struct span s = escaped(left, utf8, &taken);

        memcpy(p, s.at, s.len);
        p += s.len;
    }
    *p = '\0';
    return (struct span){out, bytes};
}

struct span s3_error_document(struct arena *arena, enum s3_code code, const char *message,
                              struct span resource, struct span request_id, struct span extra)
{
    const struct s3_error *e = s3_error(code);
    struct span text = s3_xml_escape(arena, span_of(message ? message : e->message));
    struct span where = s3_xml_escape(arena, resource);
    struct span id = s3_xml_escape(arena, request_id);

    if (!text.at || !where.at || !id.at)
        return (struct span){0};
    return arena_printf(arena,
                        DECLARATION
                        "<Error><Code>%s</Code><Message>%.*s</Message>%.*s<Resource>%.*s</Resource>"
                        "<RequestId>%.*s</RequestId><HostId>s3mirror</HostId></Error>",
                        e->name, SPAN_ARG(text), SPAN_ARG(extra), SPAN_ARG(where), SPAN_ARG(id));
}

/* "2009-02-03T16:45:09.000Z" */
static void print_time(uint64_t unix_ms, char *out, size_t room)
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm tm = {0};
    size_t len;

    gmtime_r(&seconds, &tm);
    len = strftime(out, room, "%Y-%m-%dT%H:%M:%S", &tm);
    memcpy(out + len, ".000Z", sizeof(".000Z"));
    out[len + 1] = (char)('0' + unix_ms / 100 % 10);
    out[len + 2] = (char)('0' + unix_ms / 10 % 10);
    out[len + 3] = (char)('0' + unix_ms % 10);
}

static struct span bucket_element(struct arena *arena, const struct s3_bucket_entry *bucket)
{
    struct span name = s3_xml_escape(arena, bucket->name);
    char created[64];

    if (!name.at)
        return name;
    print_time(bucket->created_unix_ms, created, sizeof(created) - sizeof(".000Z"));
    return arena_printf(arena, "<Bucket><Name>%.*s</Name><CreationDate>%s</CreationDate></Bucket>",
                        SPAN_ARG(name), created);
}

/* "</Buckets>" to the end. */
static struct span buckets_tail(struct arena *arena, struct span prefix, struct span token)
{
    struct span text = SPAN("</Buckets>");

    prefix = s3_xml_escape(arena, prefix);
    token = s3_xml_escape(arena, token);
    if (!prefix.at || !token.at)
        return (struct span){NULL, 0};
    if (prefix.len)
        text = arena_printf(arena, "%.*s<Prefix>%.*s</Prefix>", SPAN_ARG(text), SPAN_ARG(prefix));
    if (text.at && token.len)
        text = arena_printf(arena, "%.*s<ContinuationToken>%.*s</ContinuationToken>", SPAN_ARG(text),
                            SPAN_ARG(token));
    return text.at ? arena_printf(arena, "%.*s</ListAllMyBucketsResult>", SPAN_ARG(text)) : text;
}

struct span s3_buckets_document(struct arena *arena, const struct s3_bucket_entry *buckets, size_t count,
                                struct span owner, struct span prefix, struct span token)
{
    struct span *parts = arena_alloc(arena, (count + 2) * sizeof(*parts));
    struct span id = s3_xml_escape(arena, owner);
    size_t bytes = 0;
    char *out, *p;

    if (!parts || !id.at)
        return (struct span){0};
    parts[0] =
        arena_printf(arena,
                     DECLARATION "<ListAllMyBucketsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                                 "<Owner><ID>%.*s</ID><DisplayName>%.*s</DisplayName></Owner><Buckets>",
                     SPAN_ARG(id), SPAN_ARG(id));
    for (size_t i = 0; i < count; i++)
        parts[i + 1] = bucket_element(arena, &buckets[i]);
    parts[count + 1] = buckets_tail(arena, prefix, token);
    for (size_t i = 0; i < count + 2; i++) {
        if (!parts[i].at)
            return (struct span){0};
        bytes += parts[i].len;
    }
    p = out = arena_alloc(arena, bytes);
    if (!out)
        return (struct span){0};
    for (size_t i = 0; i < count + 2; i++)
        p = span_put(p, parts[i]);
    return (struct span){out, bytes};
}
