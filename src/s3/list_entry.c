/* A parser that knows all of XML spends 14,000 instructions on a key of a listing, several times what all else costs.
 * What stands there is nearly always this, and nothing else is taken here:
 *
 *     "<Contents>" *( "<" name ">" text "</" name ">" ) "</Contents>"      name: letters
 *
 * where `text` is printable ASCII without '<' and '>', with the five references of XML and the numeric ones that stand for
 * the same characters. Attributes, white space between elements or in tags, children of children, other characters: OTHER. */
#include "s3/list_entry.h"

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* "<name>" */
static enum s3_list_entry take_tag(struct span *rest, struct span *name)
{
    size_t at = 1;

    while (at < rest->len && is_letter(rest->at[at]))
        at++;
    if (at == rest->len)
        return S3_LIST_ENTRY_CUT;
    if (rest->at[0] != '<' || at == 1 || rest->at[at] != '>')
        return S3_LIST_ENTRY_OTHER;
    *name = (struct span){rest->at + 1, at - 1};
    *rest = span_skip(*rest, at + 1);
    return S3_LIST_ENTRY_WHOLE;
}

static bool resolve(struct span *text, char *out)
{
    static const struct {
        struct span reference;
        char stands_for;
    } known[] = {{SPAN("&quot;"), '"'}, {SPAN("&#34;"), '"'},   {SPAN("&#x22;"), '"'}, {SPAN("&amp;"), '&'},
                 {SPAN("&#38;"), '&'},  {SPAN("&apos;"), '\''}, {SPAN("&#39;"), '\''}, {SPAN("&#x27;"), '\''},
                 {SPAN("&lt;"), '<'},   {SPAN("&gt;"), '>'}};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (span_starts(*text, known[i].reference)) {
            *text = span_skip(*text, known[i].reference.len);
            *out = known[i].stands_for;
            return true;
        }
    return false;
}

/* Of `text`, which is all of it, to `room`. */
static bool take_text(struct span text, char *room, size_t room_bytes, struct span *out)
{
    char *at = room;

    if (text.len > room_bytes)
        return false;
    while (text.len) {
        char c = text.at[0];

        if (c == '&') {
            if (!resolve(&text, at++))
                return false;
            continue;
        }
        if (c < ' ' || c > '~' || c == '>')
            return false;
        *at++ = c;
        text = span_skip(text, 1);
    }
    *out = (struct span){room, (size_t)(at - room)};
    return true;
}

/* text "</" name ">" */
static enum s3_list_entry take_content(struct span *rest, struct span name, char *room, size_t room_bytes,
                                       struct span *out)
{
    struct span text = span_head(*rest, span_find(*rest, '<'));
    struct span end = span_skip(*rest, text.len);

    if (end.len < name.len + 3)
        return S3_LIST_ENTRY_CUT;
    if (end.at[1] != '/' || !span_eq(span_head(span_skip(end, 2), name.len), name) ||
        end.at[name.len + 2] != '>' || !take_text(text, room, room_bytes, out))
        return S3_LIST_ENTRY_OTHER;
    *rest = span_skip(end, name.len + 3);
    return S3_LIST_ENTRY_WHOLE;
}

enum s3_list_entry s3_list_entry_scan(struct span text, char *room, size_t room_bytes,
                                      bool (*field)(void *ctx, struct span name, struct span text), void *ctx,
                                      size_t *used)
{
    static const struct span end = SPAN("</Contents>");
    struct span rest = span_skip(text, sizeof(S3_LIST_ENTRY_BEGIN) - 1), name, content;
    enum s3_list_entry e = S3_LIST_ENTRY_WHOLE;

    while (e == S3_LIST_ENTRY_WHOLE && !span_starts(rest, end)) {
        if (rest.len < end.len)
            return S3_LIST_ENTRY_CUT;
        e = take_tag(&rest, &name);
        if (e == S3_LIST_ENTRY_WHOLE)
            e = take_content(&rest, name, room, room_bytes, &content);
        if (e == S3_LIST_ENTRY_WHOLE && !field(ctx, name, content))
            return S3_LIST_ENTRY_OTHER;
    }
    *used = text.len - rest.len + end.len;
    return e;
}
