/* Reading XML: expat walks the document, each reader is a pair of callbacks that get the element's name and depth.
 *
 * Refused before anything is believed: a document type (and with it every entity of its own), nesting
 * deeper than DEPTH_MAX, more bytes than the document's kind may have. Names are compared without their
 * namespace prefix: backends differ in it.
 *
 * Expat keeps every name that a document has, and a tag or comment until it has come to its end. So a document of some
 * megabytes could make it hold many times as much for as long as its sender likes; it gets MEMORY_MAX, which
 * is plenty for what S3 speaks, and a document that needs more is refused. */
#include "s3/xml_read.h"

#include <assert.h>
#include <expat.h>
#include <stdlib.h>

enum { DEPTH_MAX = 16, MEMORY_MAX = 256 * 1024, FEED_BYTES = 16 * 1024 /* expat copies what it is fed */ };

/* In front of each block of memory that expat has. */
struct block {
    size_t bytes;
    max_align_t memory[];
};

/* Whose expat is at work: its memory functions are told nothing else. Walks do not nest. */
static _Thread_local struct xml_walk *at_work;

static struct block *block_of(void *memory)
{
    return memory ? (struct block *)(void *)((char *)memory - offsetof(struct block, memory)) : NULL;
}

static void *resize(void *memory, size_t bytes)
{
    struct block *b = block_of(memory);
    size_t others = at_work->memory_bytes - (b ? b->bytes : 0);

    if (bytes > MEMORY_MAX - others)
        return NULL;
    b = realloc(b, offsetof(struct block, memory) + bytes);
    if (!b)
        return NULL;
    b->bytes = bytes;
    at_work->memory_bytes = others + bytes;
    return b->memory;
}

static void *take(size_t bytes)
{
    return resize(NULL, bytes);
}

static void give(void *memory)
{
    struct block *b = block_of(memory);

    if (b)
        at_work->memory_bytes -= b->bytes;
    free(b);
}

static struct span local_name(const char *name)
{
    struct span s = span_of(name);
    size_t colon = span_find(s, ':');

    return colon == s.len ? s : span_skip(s, colon + 1);
}

static void stop(struct xml_walk *w)
{
    w->refused = true;
    XML_StopParser(w->parser, XML_FALSE);
}

static void XMLCALL on_start(void *ctx, const XML_Char *name, const XML_Char **attributes)
{
    struct xml_walk *w = ctx;

    w->text_bytes = 0;
    w->cut = false;
    if (++w->depth > DEPTH_MAX || !w->enter(w, local_name(name), w->depth))
        stop(w);
}

static void XMLCALL on_end(void *ctx, const XML_Char *name)
{
    struct xml_walk *w = ctx;
    bool wanted;

    if (w->refused)
        return;
    wanted = !w->leave || w->leave(w, local_name(name), w->depth, (struct span){w->text, w->text_bytes});
    w->text_bytes = 0;
    w->cut = false;
    w->depth--;
    if (!wanted)
        stop(w);
}

static void XMLCALL on_text(void *ctx, const XML_Char *at, int len)
{
    struct xml_walk *w = ctx;
    size_t most = w->wide ? XML_WIDE_TEXT_BYTES_MAX : XML_TEXT_BYTES_MAX;
    size_t room = most - w->text_bytes, n = (size_t)len < room ? (size_t)len : room;

    memcpy(w->text + w->text_bytes, at, n);
    w->text_bytes += n;
    w->cut = w->cut || n < (size_t)len;
}

static void XMLCALL on_doctype(void *ctx, const XML_Char *name, const XML_Char *system,
                               const XML_Char *public, int internal)
{
    stop(ctx);
}

enum err xml_walk_begin(struct xml_walk *w)
{
    static const XML_Memory_Handling_Suite memory = {take, resize, give};
    XML_Parser parser;

    assert(!at_work);
    at_work = w;
    w->memory_bytes = 0;
    parser = XML_ParserCreate_MM("UTF-8", &memory, NULL);
    at_work = NULL;
    if (!parser)
        return ERR_NOMEM;
    w->parser = parser;
    w->depth = 0;
    w->refused = w->cut = false;
    w->text_bytes = 0;
    w->fed_bytes = 0;
    XML_SetUserData(parser, w);
    XML_SetElementHandler(parser, on_start, on_end);
    XML_SetCharacterDataHandler(parser, on_text);
    XML_SetStartDoctypeDeclHandler(parser, on_doctype);
    return ERR_OK;
}

static enum err feed(struct xml_walk *w, struct span piece, bool last)
{
    assert(!at_work);
    at_work = w;
    w->fed_bytes += piece.len;
    do {
        struct span part = span_head(piece, FEED_BYTES);

        piece = span_skip(piece, part.len);
        if (!w->refused && XML_Parse(w->parser, part.at, (int)part.len, last && !piece.len) != XML_STATUS_OK)
            w->refused = true;
    } while (piece.len && !w->refused);
    at_work = NULL;
    return w->refused ? ERR_INVALID : ERR_OK;
}

enum err xml_walk_feed(struct xml_walk *w, struct span piece)
{
    return feed(w, piece, false);
}

bool xml_walk_is_even(const struct xml_walk *w)
{
    XML_Index at = XML_GetCurrentByteIndex(w->parser);

    return at >= 0 && (uint64_t)at == w->fed_bytes;
}

enum err xml_walk_end(struct xml_walk *w)
{
    enum err e = feed(w, SPAN_EMPTY, true);

    at_work = w;
    XML_ParserFree(w->parser);
    at_work = NULL;
    w->parser = NULL;
    assert(w->memory_bytes == 0);
    return e;
}

enum err xml_walk(struct xml_walk *w, struct span body, size_t bytes_max)
{
    enum err e;

    if (body.len > bytes_max)
        return ERR_TOO_LARGE;
    e = xml_walk_begin(w);
    if (e != ERR_OK)
        return e;
    (void)!xml_walk_feed(w, body); /* the end tells */
    return xml_walk_end(w);
}

struct span xml_skip_space(struct span body)
{
    while (body.len && strchr(" \t\r\n", body.at[0]) && body.at[0])
        body = span_skip(body, 1);
    return body;
}

struct span xml_trim(struct span text)
{
    text = xml_skip_space(text);
    while (text.len && strchr(" \t\r\n", text.at[text.len - 1]) && text.at[text.len - 1])
        text.len--;
    return text;
}
