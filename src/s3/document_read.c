/* Reading XML: expat walks the document, each reader is a pair of callbacks that get the element's path.
 *
 * Refused before anything is believed: a document type (and with it every entity of its own), nesting
 * deeper than DEPTH_MAX, more bytes than the document's kind may have. Names are compared without their
 * namespace prefix: backends differ in it. */
#include "s3/document.h"

#include <expat.h>

enum {
    DEPTH_MAX = 16,
    TEXT_MAX_BYTES = 1024,
    ERROR_BYTES_MAX = 64 * 1024,
    CREATE_BYTES_MAX = 64 * 1024,
    LIST_BYTES_MAX = 4 * 1024 * 1024,
};

struct walk {
    XML_Parser parser;
    /* An element begins; depth of the root is 1. False: not the document we read. */
    bool (*enter)(struct walk *w, struct span name, unsigned depth);
    /* It ends; `text` is what stood in it, cut to TEXT_MAX_BYTES, for elements without children. */
    bool (*leave)(struct walk *w, struct span name, unsigned depth, struct span text);
    void *ctx;
    unsigned depth;
    bool refused;
    char text[TEXT_MAX_BYTES];
    size_t text_bytes;
};

static struct span local_name(const char *name)
{
    struct span s = span_of(name);
    size_t colon = span_find(s, ':');

    return colon == s.len ? s : span_skip(s, colon + 1);
}

static void stop(struct walk *w)
{
    w->refused = true;
    XML_StopParser(w->parser, XML_FALSE);
}

static void XMLCALL on_start(void *ctx, const XML_Char *name, const XML_Char **attributes)
{
    struct walk *w = ctx;

    w->text_bytes = 0;
    if (++w->depth > DEPTH_MAX || !w->enter(w, local_name(name), w->depth))
        stop(w);
}

static void XMLCALL on_end(void *ctx, const XML_Char *name)
{
    struct walk *w = ctx;
    bool wanted;

    if (w->refused)
        return;
    wanted = !w->leave || w->leave(w, local_name(name), w->depth, (struct span){w->text, w->text_bytes});
    w->text_bytes = 0;
    w->depth--;
    if (!wanted)
        stop(w);
}

static void XMLCALL on_text(void *ctx, const XML_Char *at, int len)
{
    struct walk *w = ctx;
    size_t room = sizeof(w->text) - w->text_bytes, n = (size_t)len < room ? (size_t)len : room;

    memcpy(w->text + w->text_bytes, at, n);
    w->text_bytes += n;
}

static void XMLCALL on_doctype(void *ctx, const XML_Char *name, const XML_Char *system,
                               const XML_Char *public, int internal)
{
    stop(ctx);
}

/* ERR_OK: well-formed to the end and nothing was refused. */
static enum err walk(struct walk *w, struct span body, size_t bytes_max)
{
    enum XML_Status status;

    if (body.len > bytes_max)
        return ERR_TOO_LARGE;
    w->parser = XML_ParserCreate("UTF-8");
    if (!w->parser)
        return ERR_NOMEM;
    XML_SetUserData(w->parser, w);
    XML_SetElementHandler(w->parser, on_start, on_end);
    XML_SetCharacterDataHandler(w->parser, on_text);
    XML_SetStartDoctypeDeclHandler(w->parser, on_doctype);
    status = XML_Parse(w->parser, body.at, (int)body.len, XML_TRUE);
    XML_ParserFree(w->parser);
    return status == XML_STATUS_OK && !w->refused ? ERR_OK : ERR_INVALID;
}

/* Servers that keep a slow answer alive put spaces before the document, where XML has no place for them. */
static struct span skip_space(struct span body)
{
    while (body.len && strchr(" \t\r\n", body.at[0]) && body.at[0])
        body = span_skip(body, 1);
    return body;
}

static struct span trim_text(struct span text)
{
    text = skip_space(text);
    while (text.len && strchr(" \t\r\n", text.at[text.len - 1]) && text.at[text.len - 1])
        text.len--;
    return text;
}

struct create_reader {
    struct arena *arena;
    struct span location;
};

static bool create_enter(struct walk *w, struct span name, unsigned depth)
{
    return span_is(name, depth == 1 ? "CreateBucketConfiguration" : "LocationConstraint") && depth <= 2;
}

static bool create_leave(struct walk *w, struct span name, unsigned depth, struct span text)
{
    struct create_reader *r = w->ctx;

    if (depth == 2)
        r->location = arena_dup(r->arena, trim_text(text));
    return r->location.at != NULL;
}

enum err s3_create_bucket_parse(struct span body, struct arena *arena, struct span *location)
{
    struct create_reader r = {.arena = arena, .location = SPAN_EMPTY};
    struct walk w = {.enter = create_enter, .leave = create_leave, .ctx = &r};

    *location = SPAN_EMPTY;
    if (skip_space(body).len == 0)
        return ERR_OK;
    if (walk(&w, body, CREATE_BYTES_MAX) != ERR_OK)
        return ERR_INVALID;
    *location = r.location;
    return ERR_OK;
}

struct error_reader {
    struct arena *arena;
    struct span code, message;
    bool is_error;
};

static bool error_enter(struct walk *w, struct span name, unsigned depth)
{
    struct error_reader *r = w->ctx;

    if (depth == 1)
        r->is_error = span_is(name, "Error");
    return r->is_error;
}

static bool error_leave(struct walk *w, struct span name, unsigned depth, struct span text)
{
    struct error_reader *r = w->ctx;
    struct span *out = span_is(name, "Code") ? &r->code : span_is(name, "Message") ? &r->message : NULL;

    if (depth == 2 && out && out->len == 0) {
        struct span copy = arena_dup(r->arena, trim_text(text));

        if (copy.at)
            *out = copy;
    }
    return true;
}

bool s3_body_is_error(struct span body, struct arena *arena, struct span *code, struct span *message)
{
    struct error_reader r = {.arena = arena, .code = SPAN_EMPTY, .message = SPAN_EMPTY};
    struct walk w = {.enter = error_enter, .leave = error_leave, .ctx = &r};

    *code = *message = SPAN_EMPTY;
    body = skip_space(body);
    if (body.len == 0)
        return false;
    /* A document that breaks off behind its root's name has said enough. */
    if (walk(&w, span_head(body, ERROR_BYTES_MAX), ERROR_BYTES_MAX) != ERR_OK && !r.is_error)
        return span_starts(body, SPAN("<Error"));
    *code = r.code;
    *message = r.message;
    return r.is_error;
}

static bool list_enter(struct walk *w, struct span name, unsigned depth)
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
    struct walk w = {.enter = list_enter, .ctx = entries};

    *entries = 0;
    return walk(&w, skip_space(body), LIST_BYTES_MAX) == ERR_OK ? ERR_OK : ERR_INVALID;
}
