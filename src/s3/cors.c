/* Rules in order, patterns with one star: small enough to be looked through for each request that has an Origin. */
#include "s3/cors.h"

#include "s3/document.h"

/* `pattern` with at most one '*' against `text`; fold: in any case. */
static bool fits(struct span pattern, struct span text, bool fold)
{
    bool (*same)(struct span, struct span) = fold ? span_ieq : span_eq;
    size_t star = span_find(pattern, '*');
    struct span tail = span_skip(pattern, star + 1);

    if (star == pattern.len)
        return same(pattern, text);
    return text.len >= star + tail.len && same(span_head(pattern, star), span_head(text, star)) &&
           same(tail, span_skip(text, text.len - tail.len));
}

static bool any_fits(const struct s3_cors_list *list, struct span text, bool fold)
{
    for (size_t i = 0; i < list->count; i++)
        if (fits(list->at[i], text, fold))
            return true;
    return false;
}

static bool all_headers_fit(const struct s3_cors_rule *rule, struct span headers)
{
    while (headers.len) {
        struct span name = span_trim(span_cut(&headers, ','));

        if (name.len && !any_fits(&rule->headers, name, true))
            return false;
    }
    return true;
}

const struct s3_cors_rule *s3_cors_match(const struct s3_cors_rule *rules, size_t count, struct span origin,
                                         struct span method, struct span headers)
{
    for (const struct s3_cors_rule *r = rules; r < rules + count; r++)
        if (any_fits(&r->origins, origin, false) && any_fits(&r->methods, method, false) &&
            all_headers_fit(r, headers))
            return r;
    return NULL;
}

/* "a, b". Room for it is there. */
static char *put_list(char *p, const struct s3_cors_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (i)
            p = span_put(p, SPAN(", "));
        p = span_put(p, list->at[i]);
    }
    return p;
}

static size_t list_bytes(const struct s3_cors_list *list)
{
    size_t bytes = 0;

    for (size_t i = 0; i < list->count; i++)
        bytes += list->at[i].len + 2;
    return bytes;
}

struct span s3_cors_lines(struct arena *arena, const struct s3_cors_rule *rule, struct span origin,
                          struct span headers)
{
    enum { NAMES = 512 }; /* of the fields, their ends and a number */
    static const struct span star = SPAN("*");
    bool anybody = false;
    char *text, *p;

    for (size_t i = 0; i < rule->origins.count; i++)
        anybody |= span_eq(rule->origins.at[i], star);
    text = p = arena_alloc(arena, NAMES + origin.len + headers.len + list_bytes(&rule->methods) +
                                      list_bytes(&rule->exposed));
    if (!text)
        return (struct span){NULL, 0};
    p = span_put(p, SPAN("Access-Control-Allow-Origin: "));
    p = span_put(p, anybody ? star : origin);
    if (!anybody)
        p = span_put(p, SPAN("\r\nAccess-Control-Allow-Credentials: true"));
    p = span_put(p, SPAN("\r\nAccess-Control-Allow-Methods: "));
    p = put_list(p, &rule->methods);
    if (headers.len) {
        p = span_put(p, SPAN("\r\nAccess-Control-Allow-Headers: "));
        p = span_put(p, headers);
    }
    if (rule->exposed.count) {
        p = span_put(p, SPAN("\r\nAccess-Control-Expose-Headers: "));
        p = put_list(p, &rule->exposed);
    }
    if (rule->max_age_s) {
        p = span_put(p, SPAN("\r\nAccess-Control-Max-Age: "));
        p = span_put_u64(p, rule->max_age_s);
    }
    p = span_put(p,
                 SPAN("\r\nVary: Origin, Access-Control-Request-Headers, Access-Control-Request-Method\r\n"));
    return (struct span){text, (size_t)(p - text)};
}

/* Printed twice: without memory, which tells how much it takes, and then into it. */
struct sink {
    struct arena *arena;
    char *at;
    size_t len;
    bool full;
};

static void put(struct sink *s, struct span text)
{
    if (s->at)
        span_put(s->at + s->len, text);
    s->len += text.len;
}

static void put_element(struct sink *s, struct span name, struct span value)
{
    struct span text = s3_xml_escape(s->arena, value);

    s->full |= !text.at;
    put(s, SPAN("<"));
    put(s, name);
    put(s, SPAN(">"));
    put(s, text);
    put(s, SPAN("</"));
    put(s, name);
    put(s, SPAN(">"));
}

static void put_elements(struct sink *s, struct span name, const struct s3_cors_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        put_element(s, name, list->at[i]);
}

static void put_document(struct sink *s, const struct s3_cors_rule *rules, size_t count)
{
    char digits[20];

    put(s, SPAN("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CORSConfiguration "
                "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"));
    for (const struct s3_cors_rule *r = rules; r < rules + count; r++) {
        put(s, SPAN("<CORSRule>"));
        put_elements(s, SPAN("AllowedHeader"), &r->headers);
        put_elements(s, SPAN("AllowedMethod"), &r->methods);
        put_elements(s, SPAN("AllowedOrigin"), &r->origins);
        put_elements(s, SPAN("ExposeHeader"), &r->exposed);
        if (r->max_age_s)
            put_element(s, SPAN("MaxAgeSeconds"),
                        (struct span){digits, (size_t)(span_put_u64(digits, r->max_age_s) - digits)});
        put(s, SPAN("</CORSRule>"));
    }
    put(s, SPAN("</CORSConfiguration>"));
}

struct span s3_cors_document(struct arena *arena, const struct s3_cors_rule *rules, size_t count)
{
    struct sink s = {.arena = arena};

    put_document(&s, rules, count);
    s.at = arena_alloc(arena, s.len);
    s.len = 0;
    if (!s.at)
        return (struct span){NULL, 0};
    put_document(&s, rules, count);
    return s.full ? (struct span){NULL, 0} : (struct span){s.at, s.len};
}
