/* The documents that are read here, by the walk of s3/xml_read.h. */
#include "s3/document.h"

#include "s3/xml_read.h"

enum {
    ERROR_BYTES_MAX = 64 * 1024,
    CREATE_BYTES_MAX = 64 * 1024,
    LIST_BYTES_MAX = 4 * 1024 * 1024,
};

struct create_reader {
    struct arena *arena;
    struct span location;
    bool located;
};

static bool create_enter(struct xml_walk *w, struct span name, unsigned depth)
{
    return span_is(name, depth == 1 ? "CreateBucketConfiguration" : "LocationConstraint") && depth <= 2;
}

static bool create_leave(struct xml_walk *w, struct span name, unsigned depth, struct span text)
{
    struct create_reader *r = w->ctx;

    if (depth != 2)
        return true;
    if (r->located)
        return false;
    r->located = true;
    r->location = arena_dup(r->arena, xml_trim(text));
    return r->location.at != NULL;
}

enum err s3_create_bucket_parse(struct span body, struct arena *arena, struct span *location)
{
    struct create_reader r = {.arena = arena, .location = SPAN_EMPTY};
    struct xml_walk w = {.enter = create_enter, .leave = create_leave, .ctx = &r};

    *location = SPAN_EMPTY;
    if (xml_skip_space(body).len == 0)
        return ERR_OK;
    if (xml_walk(&w, body, CREATE_BYTES_MAX) != ERR_OK)
        return ERR_INVALID;
    *location = r.location;
    return ERR_OK;
}

struct error_reader {
    struct arena *arena;
    struct span code, message;
    bool is_error;
};

static bool error_enter(struct xml_walk *w, struct span name, unsigned depth)
{
    struct error_reader *r = w->ctx;

    if (depth == 1)
        r->is_error = span_is(name, "Error");
    return r->is_error;
}

static bool error_leave(struct xml_walk *w, struct span name, unsigned depth, struct span text)
{
    struct error_reader *r = w->ctx;
    struct span *out = span_is(name, "Code") ? &r->code : span_is(name, "Message") ? &r->message : NULL;

    if (depth == 2 && out && out->len == 0) {
        struct span copy = arena_dup(r->arena, xml_trim(text));

        if (copy.at)
            *out = copy;
    }
    return true;
}

bool s3_body_is_error(struct span body, struct arena *arena, struct span *code, struct span *message)
{
    struct error_reader r = {.arena = arena, .code = SPAN_EMPTY, .message = SPAN_EMPTY};
    struct xml_walk w = {.enter = error_enter, .leave = error_leave, .ctx = &r};

    *code = *message = SPAN_EMPTY;
    body = xml_skip_space(body);
    if (body.len == 0)
        return false;
    /* A document that breaks off behind its root's name has said enough. */
    if (xml_walk(&w, span_head(body, ERROR_BYTES_MAX), ERROR_BYTES_MAX) != ERR_OK && !r.is_error)
        return span_starts(body, SPAN("<Error"));
    *code = r.code;
    *message = r.message;
    return r.is_error;
}

static bool list_enter(struct xml_walk *w, struct span name, unsigned depth)
{
    size_t *entries = w->ctx;

    if (depth == 1)
        return span_is(name, "ListBucketResult");
    if (depth == 2 && (span_is(name, "Contents") || span_is(name, "CommonPrefixes")))
        ++*entries;
    return true;
}

enum err s3_list_count(struct span body, struct arena *arena, size_t *entries)
{
    struct xml_walk w = {.enter = list_enter, .ctx = entries};

    *entries = 0;
    return xml_walk(&w, xml_skip_space(body), LIST_BYTES_MAX) == ERR_OK ? ERR_OK : ERR_INVALID;
}
