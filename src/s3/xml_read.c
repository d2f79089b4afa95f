/* Reading XML: expat walks the document, each reader is a pair of callbacks that get the element's name and depth.
 *
 * Refused before anything is believed: a document type (and with it every entity of its own), nesting
 * deeper than DEPTH_MAX, more bytes than the document's kind may have. Names are compared without their
 * namespace prefix: backends differ in it. */
#include "s3/xml_read.h"

#include <expat.h>

enum { DEPTH_MAX = 16 };

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
    XML_Parser parser = XML_ParserCreate("UTF-8");

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
    w->fed_bytes += piece.len;
    if (!w->refused && XML_Parse(w->parser, piece.at, (int)piece.len, last) != XML_STATUS_OK)
        w->refused = true;
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

    XML_ParserFree(w->parser);
    w->parser = NULL;
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
