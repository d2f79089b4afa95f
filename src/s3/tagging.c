#include "s3/tagging.h"

#include "s3/document.h"
#include "s3/request.h"
#include "s3/xml_read.h"

#define NS "http://s3.amazonaws.com/doc/2006-03-01/"

/* ---- the rules ---- */

static size_t characters(struct span utf8)
{
    size_t n = 0;

    for (size_t i = 0; i < utf8.len; i++)
        n += ((uint8_t)utf8.at[i] & 0xc0) != 0x80;
    return n;
}

/* Letters and digits of any script are allowed; of ASCII the rest of the list only. U+FFFE and U+FFFF are no characters: the
 * document that shows tags could not hold them. */
static bool allowed(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = (uint8_t)text.at[i];

        if (c < 0x80 && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            (c == '\0' || !strchr(" +-=._:/@", c)))
            return false;
        if (span_starts(span_skip(text, i), SPAN("\xef\xbf\xbe")) ||
            span_starts(span_skip(text, i), SPAN("\xef\xbf\xbf")))
            return false;
    }
    return span_is_utf8(text);
}

static enum s3_code add(struct s3_tags *tags, struct s3_tag tag, const char **message)
{
    *message = NULL;
    if (tags->count == S3_TAGS_MAX) {
        *message = "Object tags cannot be greater than 10";
        return S3_INVALID_TAG;
    }
    if (tag.key.len == 0 || characters(tag.key) > S3_TAG_KEY_CHARS_MAX || !allowed(tag.key))
        *message = "The TagKey you have provided is invalid";
    else if (characters(tag.value) > S3_TAG_VALUE_CHARS_MAX || !allowed(tag.value))
        *message = "The TagValue you have provided is invalid";
    else if (tag.key.len >= 4 && span_ieq(span_head(tag.key, 4), SPAN("aws:")))
        *message = "System tags cannot be added/updated by requester";
    for (size_t i = 0; i < tags->count && !*message; i++)
        if (span_eq(tags->tag[i].key, tag.key))
            *message = "Cannot provide multiple Tags with the same key";
    if (*message)
        return S3_INVALID_TAG;
    tags->tag[tags->count++] = tag;
    return S3_OK;
}

/* ---- the header ---- */

enum s3_code s3_tags_parse_header(struct s3_tags *out, struct span text, struct arena *arena,
                                  const char **message)
{
    out->count = 0;
    while (text.len) {
        struct span value = span_cut(&text, '&');
        struct span key = span_cut(&value, '=');
        struct s3_tag tag;
        enum s3_code code;

        if (!s3_decode(arena, key, true, &tag.key) || !s3_decode(arena, value, true, &tag.value)) {
            *message =
                "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters "
                "without tag name duplicates.";
            return S3_INVALID_ARGUMENT;
        }
        code = add(out, tag, message);
        if (code != S3_OK)
            return code;
    }
    return S3_OK;
}

static bool put_encoded(struct arena *arena, struct span text, char **at, const char *end)
{
    struct span encoded = text.len ? s3_path_encode(arena, text) : SPAN_EMPTY;

    if (!encoded.at || encoded.len > (size_t)(end - *at))
        return false;
    *at = span_put(*at, encoded);
    return true;
}

struct span s3_tags_header(const struct s3_tags *tags, struct arena *arena)
{
    size_t room = 1;
    char *out, *p, *end;

    for (size_t i = 0; i < tags->count; i++)
        room += 3 * (tags->tag[i].key.len + tags->tag[i].value.len) + 2; /* all of it escaped */
    p = out = arena_alloc(arena, room);
    if (!out)
        return (struct span){NULL, 0};
    end = out + room;
    for (size_t i = 0; i < tags->count; i++) {
        if (i)
            *p++ = '&';
        if (!put_encoded(arena, tags->tag[i].key, &p, end))
            return (struct span){NULL, 0};
        *p++ = '=';
        if (!put_encoded(arena, tags->tag[i].value, &p, end))
            return (struct span){NULL, 0};
    }
    return (struct span){out, (size_t)(p - out)};
}

/* ---- the document ---- */

struct reader {
    struct arena *arena;
    struct s3_tags *tags;
    struct s3_tag tag;
    bool set, key, value; /* seen; key and value of the tag under way */
    enum s3_code code;
    const char **message;
};

static bool enter(struct xml_walk *w, struct span name, unsigned depth)
{
    static const char *const names[] = {"Tagging", "TagSet", "Tag"};
    struct reader *r = w->ctx;

    if (depth == 2 && r->set)
        return false;
    if (depth <= 3) {
        r->set |= depth == 2;
        r->key = r->value = false;
        return span_is(name, names[depth - 1]);
    }
    return depth == 4 && ((span_is(name, "Key") && !r->key) || (span_is(name, "Value") && !r->value));
}

static bool leave(struct xml_walk *w, struct span name, unsigned depth, struct span text)
{
    struct reader *r = w->ctx;
    bool is_key = span_is(name, "Key");

    if (depth == 4) {
        struct span copy = arena_dup(r->arena, text);

        if (w->cut) {
            *r->message = "The TagKey or TagValue you have provided is invalid";
            r->code = S3_INVALID_TAG;
            return false;
        }
        *(is_key ? &r->tag.key : &r->tag.value) = copy;
        *(is_key ? &r->key : &r->value) = true;
        return copy.at != NULL;
    }
    if (depth != 3)
        return true;
    if (!r->key || !r->value)
        return false;
    r->code = add(r->tags, r->tag, r->message);
    return r->code == S3_OK;
}

enum s3_code s3_tags_parse_document(struct s3_tags *out, struct span body, struct arena *arena,
                                    const char **message)
{
    struct reader r = {.arena = arena, .tags = out, .message = message};
    struct xml_walk w = {.enter = enter, .leave = leave, .ctx = &r};
    enum err e;

    *message = NULL;
    out->count = 0;
    e = xml_walk(&w, xml_skip_space(body), S3_TAGGING_BYTES_MAX);
    if (r.code != S3_OK)
        return r.code;
    return e == ERR_OK && r.set ? S3_OK : S3_MALFORMED_XML;
}

struct span s3_tags_document(const struct s3_tags *tags, struct arena *arena)
{
    struct span text = SPAN("");

    for (size_t i = 0; i < tags->count; i++) {
        struct span key = s3_xml_escape(arena, tags->tag[i].key),
                    value = s3_xml_escape(arena, tags->tag[i].value);

        if (!key.at || !value.at)
            return (struct span){NULL, 0};
        text = arena_printf(arena, "%.*s<Tag><Key>%.*s</Key><Value>%.*s</Value></Tag>", SPAN_ARG(text),
                            SPAN_ARG(key), SPAN_ARG(value));
        if (!text.at)
            return text;
    }
    return arena_printf(arena,
                        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Tagging xmlns=\"" NS
                        "\"><TagSet>%.*s</TagSet></Tagging>",
                        SPAN_ARG(text));
}
