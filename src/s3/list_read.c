/* <ListBucketResult>, by V1 and V2 alike:
 *
 *     depth 2   Contents, CommonPrefixes, IsTruncated, EncodingType; all else is passed over
 *           3   of Contents: Key, Size, ETag, LastModified; of CommonPrefixes: Prefix
 *
 * Where the document says whether its keys are encoded is up to the server, often behind them: they are handed over as
 * they stand. One server echoes an empty EncodingType and encodes nothing. Without IsTruncated a document says nothing
 * about its end and is none.
 *
 * Entries are taken out before the parser, where they stand as nearly all servers print them (list_entry.h); what it gets
 * is the rest. The first entry that is otherwise, or a comment, a CDATA section or the like anywhere, and all from there on
 * is the parser's. */
#include "s3/list_read.h"

#include "base/hash.h"
#include "s3/list_entry.h"

enum {
    LIST_BYTES_MAX = 8 * 1024 * 1024, /* 1000 keys of 1024 bytes, each byte a reference */
    QUIET_BYTES_MAX = 64 * 1024,      /* without the begin or end of an element: one endless tag or comment */
    DATE_CHARS = sizeof("2009-10-12T17:50:30") - 1,
};

static bool is_entry(const struct s3_list_reader *r)
{
    return r->entry.is_prefix || r->entry.key.at;
}

static bool enter(struct xml_walk *w, struct span name, unsigned depth)
{
    struct s3_list_reader *r = w->ctx;

    r->quiet_bytes = 0;
    if (depth == 1)
        return span_is(name, "ListBucketResult");
    if (depth == 2) {
        r->has_key = r->has_size = false;
        r->entry = (struct s3_list_item){.is_prefix = span_is(name, "CommonPrefixes"), .etag = SPAN_EMPTY};
        if (span_is(name, "Contents"))
            r->entry.key = SPAN_EMPTY;
    }
    return true;
}

static bool keep(char *room, size_t room_bytes, struct span text, struct span *out)
{
    if (text.len > room_bytes)
        return false;
    *out = (struct span){room, text.len};
    span_put(room, text);
    return true;
}

static bool two_digits(const char *at, unsigned *out)
{
    *out = (unsigned)(at[0] - '0') * 10 + (unsigned)(at[1] - '0');
    return at[0] >= '0' && at[0] <= '9' && at[1] >= '0' && at[1] <= '9';
}

static uint64_t days_before(unsigned year, unsigned month, unsigned day)
{
    /* years that begin in March end with the day that leap years have */
    unsigned y = month <= 2 ? year - 1 : year, m = month <= 2 ? month + 9 : month - 3;

    return 365ull * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

/* "2009-10-12T17:50:30.000Z", with any number of decimals or none. */
static bool read_date(struct span text, uint64_t *unix_ms)
{
    unsigned century, year, month, day, hour, minute, second, ms = 0, digits = 0;
    const char *at = text.at;
    struct span rest = span_skip(text, DATE_CHARS);

    if (text.len <= DATE_CHARS || at[4] != '-' || at[7] != '-' || at[10] != 'T' || at[13] != ':' ||
        at[16] != ':' || !two_digits(at, &century) || !two_digits(at + 2, &year) ||
        !two_digits(at + 5, &month) || !two_digits(at + 8, &day) || !two_digits(at + 11, &hour) ||
        !two_digits(at + 14, &minute) || !two_digits(at + 17, &second))
        return false;
    if (rest.at[0] == '.')
        for (rest = span_skip(rest, 1); rest.len && rest.at[0] >= '0' && rest.at[0] <= '9'; digits++) {
            ms = digits < 3 ? ms * 10 + (unsigned)(rest.at[0] - '0') : ms;
            rest = span_skip(rest, 1);
        }
    for (; digits < 3; digits++)
        ms *= 10;
    year += century * 100;
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 ||
        second > 60 || !(span_is(rest, "Z") || span_is(rest, "+00:00")))
        return false;
    *unix_ms = (((days_before(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000 + ms;
    return true;
}

static bool leave_field(struct s3_list_reader *r, struct span name, struct span text)
{
    if (span_is(name, r->entry.is_prefix ? "Prefix" : "Key")) {
        r->has_key = text.len != 0;
        return r->has_key && keep(r->key, sizeof(r->key), text, &r->entry.key);
    }
    if (r->entry.is_prefix)
        return true;
    if (span_is(name, "Size")) {
        r->has_size = true;
        return span_to_u64(xml_trim(text), &r->entry.body_bytes);
    }
    if (span_is(name, "ETag"))
        return keep(r->etag, sizeof(r->etag), xml_trim(text), &r->entry.etag);
    if (span_is(name, "LastModified"))
        return read_date(xml_trim(text), &r->entry.modified_ms);
    return true;
}

static bool leave_entry(struct s3_list_reader *r)
{
    if (!r->has_key || (!r->entry.is_prefix && !r->has_size))
        return false;
    r->full = !r->item(r->ctx, &r->entry);
    return !r->full;
}

static bool leave(struct xml_walk *w, struct span name, unsigned depth, struct span text)
{
    struct s3_list_reader *r = w->ctx;

    r->quiet_bytes = 0;
    if (depth == 3 && is_entry(r))
        return !w->cut && leave_field(r, name, text);
    if (depth != 2)
        return true;
    if (is_entry(r))
        return leave_entry(r);
    if (span_is(name, "IsTruncated")) {
        text = xml_trim(text);
        r->truncated = span_is(text, "true");
        r->has_truncated = r->truncated || span_is(text, "false");
    } else if (span_is(name, "EncodingType")) {
        r->encoded = span_is(xml_trim(text), "url");
    }
    return true;
}

void s3_list_reader_init(struct s3_list_reader *r, bool (*item)(void *ctx, const struct s3_list_item *item),
                         void *ctx)
{
    r->item = item;
    r->ctx = ctx;
    r->truncated = r->encoded = r->has_truncated = r->begun = r->full = false;
    r->entry = (struct s3_list_item){0};
    r->bytes = r->quiet_bytes = r->held_bytes = 0;
    r->scans = true;
    r->walk = (struct xml_walk){.enter = enter, .leave = leave, .ctx = r, .wide = true};
}

/* ---- entries before the parser ---- */

static enum err parse(struct s3_list_reader *r, struct span piece)
{
    enum err e = piece.len ? xml_walk_feed(&r->walk, piece) : ERR_OK;

    return r->full ? ERR_CANCELLED : e;
}

static enum err parse_from_now(struct s3_list_reader *r, struct span piece)
{
    r->scans = false;
    r->held_bytes = 0;
    return parse(r, piece);
}

static bool on_field(void *ctx, struct span name, struct span text)
{
    return leave_field(ctx, name, text);
}

static enum s3_list_entry scan(struct s3_list_reader *r, struct span text, size_t *used)
{
    enum s3_list_entry e;

    r->quiet_bytes = 0;
    r->has_key = r->has_size = false;
    r->entry = (struct s3_list_item){.key = SPAN_EMPTY, .etag = SPAN_EMPTY};
    e = s3_list_entry_scan(text, r->text, sizeof(r->text), on_field, r, used);
    if (e == S3_LIST_ENTRY_WHOLE && !leave_entry(r) && !r->full)
        e = S3_LIST_ENTRY_OTHER;
    r->entry = (struct s3_list_item){0};
    return e;
}

/* How much stands before the next entry, or what may be the beginning of one. */
static size_t up_to_entry(struct span text)
{
    static const struct span begin = SPAN(S3_LIST_ENTRY_BEGIN);
    const char *at = memmem(text.at, text.len, begin.at, begin.len);
    size_t tail = text.len;

    if (at)
        return (size_t)(at - text.at);
    while (tail && text.at[tail - 1] != '<')
        tail--;
    return tail && span_starts(begin, span_skip(text, tail - 1)) ? tail - 1 : text.len;
}

/* Then what looks like an entry may be none: a comment, a CDATA section, an instruction; but for the XML declaration. */
static bool hides_text(const struct s3_list_reader *r, struct span text)
{
    struct span behind = span_skip(text, r->walk.fed_bytes ? 0 : 2);

    if (!text.at || !behind.at)
        return false;
    return memmem(text.at, text.len, "<!", 2) || memmem(behind.at, behind.len, "<?", 2);
}

/* Entries and what is between them. What is left of `text` is the beginning of an entry, unless `scans` has ended. */
static enum err take(struct s3_list_reader *r, struct span *text)
{
    while (r->scans) {
        struct span before = span_head(*text, up_to_entry(*text));
        size_t used = 0;
        enum s3_list_entry entry;
        enum err e;

        r->scans = !hides_text(r, before);
        e = r->scans ? parse(r, before) : ERR_OK;
        if (!r->scans || e != ERR_OK)
            return e;
        *text = span_skip(*text, before.len);
        if (text->len < sizeof(S3_LIST_ENTRY_BEGIN) - 1)
            return ERR_OK;
        entry = S3_LIST_ENTRY_OTHER;
        if (r->walk.depth == 1 && xml_walk_is_even(&r->walk))
            entry = scan(r, *text, &used);
        if (r->full)
            return ERR_CANCELLED;
        if (entry == S3_LIST_ENTRY_CUT)
            return ERR_OK;
        r->scans = entry == S3_LIST_ENTRY_WHOLE;
        *text = span_skip(*text, r->scans ? used : 0);
    }
    return ERR_OK;
}

/* Behind what is held; *piece is what is left to be looked at then. */
static enum err take_held(struct s3_list_reader *r, struct span *piece)
{
    size_t had = r->held_bytes, room = sizeof(r->held) - had, n = piece->len < room ? piece->len : room;
    struct span text = {r->held, had + n};
    enum err e;

    span_put(r->held + had, span_head(*piece, n));
    e = take(r, &text);
    if (e != ERR_OK)
        return e;
    r->held_bytes = 0;
    if (text.len <= n) { /* all that was held is done with */
        *piece = span_skip(*piece, n - text.len);
        return ERR_OK;
    }
    *piece = span_skip(*piece, n);
    if (!r->scans || piece->len) /* longer than entries are */
        return parse_from_now(r, text);
    r->held_bytes = text.len;
    memmove(r->held, text.at, text.len);
    return ERR_OK;
}

static enum err take_piece(struct s3_list_reader *r, struct span piece)
{
    enum err e = r->held_bytes ? take_held(r, &piece) : ERR_OK;

    if (e == ERR_OK && piece.len)
        e = take(r, &piece);
    if (e != ERR_OK || piece.len == 0)
        return e;
    if (!r->scans || piece.len > sizeof(r->held))
        return parse_from_now(r, piece);
    r->held_bytes = piece.len;
    span_put(r->held, piece);
    return ERR_OK;
}

/* ---- the document ---- */

enum err s3_list_reader_feed(struct s3_list_reader *r, struct span piece)
{
    enum err e;

    if (!r->begun) {
        piece = xml_skip_space(piece);
        if (piece.len == 0)
            return ERR_OK;
        e = xml_walk_begin(&r->walk);
        if (e != ERR_OK)
            return e;
        r->begun = true;
    }
    r->bytes += piece.len;
    r->quiet_bytes += piece.len;
    if (r->bytes > LIST_BYTES_MAX || r->quiet_bytes > QUIET_BYTES_MAX + piece.len)
        return ERR_TOO_LARGE;
    return r->scans ? take_piece(r, piece) : parse(r, piece);
}

enum err s3_list_reader_end(struct s3_list_reader *r)
{
    enum err e = ERR_INVALID;

    if (r->begun) {
        (void)!parse_from_now(r, (struct span){r->held, r->held_bytes}); /* the end tells */
        e = xml_walk_end(&r->walk);
    }
    r->begun = false;
    if (r->full)
        return ERR_CANCELLED;
    return e == ERR_OK && !r->has_truncated ? ERR_INVALID : e;
}

bool s3_list_decode(char *text, size_t *len)
{
    size_t to = 0;

    for (size_t from = 0; from < *len; from++) {
        char c = text[from];

        if (c == '%') {
            if (!hex_decode(span_head((struct span){text + from + 1, *len - from - 1}, 2), &c, 1))
                return false;
            from += 2;
        } else if (c == '+') {
            c = ' ';
        }
        text[to++] = c;
    }
    *len = to;
    return true;
}
