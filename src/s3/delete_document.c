#include "s3/delete_document.h"

#include "s3/document.h"

const struct span s3_delete_head = SPAN("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                                        "<DeleteResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
const struct span s3_delete_tail = SPAN("</DeleteResult>");

static bool enter(struct xml_walk *w, struct span name, unsigned depth)
{
    struct s3_delete_reader *r = w->ctx;

    if (depth == 1)
        return span_is(name, "Delete");
    if (depth == 2)
        r->in_object = span_is(name, "Object");
    if (depth == 2 && r->in_object) {
        if (r->out->count == S3_DELETE_KEYS_MAX)
            return false;
        r->out->entries[r->out->count] =
            (struct s3_delete_entry){.version = SPAN_EMPTY, .etag = SPAN_EMPTY, .key = SPAN_EMPTY};
    }
    return depth <= 3;
}

static bool keep(struct s3_delete_reader *r, struct span *to, struct span text)
{
    *to = arena_dup(r->arena, text);
    r->full = r->full || !to->at;
    return to->at != NULL;
}

static bool leave(struct xml_walk *w, struct span name, unsigned depth, struct span text)
{
    struct s3_delete_reader *r = w->ctx;
    struct s3_delete_entry *e = &r->out->entries[r->out->count];

    if (depth == 2 && span_is(name, "Quiet"))
        r->out->quiet = span_ieq(xml_trim(text), SPAN("true"));
    if (depth == 2 && span_is(name, "Object")) {
        r->out->count++;
        return e->key.len != 0;
    }
    if (depth != 3 || !r->in_object)
        return true;
    if (span_is(name, "Key")) {
        e->too_long = w->cut;
        return e->key.len == 0 && keep(r, &e->key, text);
    }
    if (span_is(name, "VersionId"))
        return e->version.len == 0 && keep(r, &e->version, xml_trim(text));
    if (span_is(name, "ETag"))
        return e->etag.len == 0 && keep(r, &e->etag, xml_trim(text));
    e->other_condition |= span_is(name, "LastModifiedTime") || span_is(name, "Size");
    return true;
}

enum s3_code s3_delete_open(struct s3_delete_reader *r, struct s3_delete *out, struct arena *arena)
{
    r->walk = (struct xml_walk){.enter = enter, .leave = leave, .ctx = r};
    r->arena = arena;
    r->out = out;
    r->full = r->in_object = false;
    *out = (struct s3_delete){
        .entries = arena_alloc(arena, (S3_DELETE_KEYS_MAX + 1) * sizeof(struct s3_delete_entry))};
    if (!out->entries)
        return S3_INTERNAL_ERROR;
    return xml_walk_begin(&r->walk) == ERR_OK ? S3_OK : S3_INTERNAL_ERROR;
}

void s3_delete_feed(struct s3_delete_reader *r, struct span piece)
{
    (void)!xml_walk_feed(&r->walk, piece); /* the close tells */
}

enum s3_code s3_delete_close(struct s3_delete_reader *r)
{
    enum err e = xml_walk_end(&r->walk);

    if (r->full)
        return S3_INTERNAL_ERROR;
    return e == ERR_OK && r->out->count ? S3_OK : S3_MALFORMED_XML;
}

struct span s3_delete_result(struct arena *arena, const struct s3_delete_entry *entry, enum s3_code code,
                             const char *message)
{
    struct span key = s3_xml_escape(arena, entry->key), version = s3_xml_escape(arena, entry->version), tag,
                text;

    if (!key.at || !version.at)
        return (struct span){NULL, 0};
    tag = version.len ? arena_printf(arena, "<VersionId>%.*s</VersionId>", SPAN_ARG(version)) : SPAN_EMPTY;
    if (!tag.at)
        return tag;
    if (code == S3_OK)
        return arena_printf(arena, "<Deleted><Key>%.*s</Key>%.*s</Deleted>", SPAN_ARG(key), SPAN_ARG(tag));
    text = s3_xml_escape(arena, span_of(message ? message : s3_error(code)->message));
    if (!text.at)
        return text;
    return arena_printf(arena, "<Error><Key>%.*s</Key>%.*s<Code>%s</Code><Message>%.*s</Message></Error>",
                        SPAN_ARG(key), SPAN_ARG(tag), s3_error(code)->name, SPAN_ARG(text));
}
