/* Reading the documents of multipart uploads. */
#include "s3/multipart.h"

#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* ---- a client's list of parts ---- */

static bool complete_enter(struct xml_walk *w, struct span name, unsigned depth)
{
    struct s3_complete_reader *r = w->ctx;

    if (depth == 1)
        return span_is(name, "CompleteMultipartUpload");
    if (depth == 2) {
        if (!span_is(name, "Part"))
            return false;
        r->current = (struct s3_listed_part){0};
        r->numbered = r->tagged = false;
    }
    return depth <= 3;
}

static bool take_number(struct s3_complete_reader *r, struct span text)
{
    uint64_t number;

    if (r->numbered || !span_to_u64(text, &number) || number < 1 || number > S3_PART_NUMBER_MAX)
        return false;
    r->current.number = (uint32_t)number;
    return r->numbered = true;
}

static bool keep(char *room, size_t bytes, struct span text, struct span *out)
{
    if (text.len >= bytes)
        return false;
    memcpy(room, text.at, text.len);
    *out = (struct span){room, text.len};
    return true;
}

static bool take_etag(struct s3_complete_reader *r, struct span text)
{
    if (text.len >= 2 && text.at[0] == '"' && text.at[text.len - 1] == '"')
        text = (struct span){text.at + 1, text.len - 2};
    if (r->tagged || !keep(r->etag, sizeof(r->etag), text, &r->current.etag))
        return false;
    return r->tagged = true;
}

/* Elements of later versions of S3 mean nothing to us. */
static bool take_field(struct s3_complete_reader *r, struct span name, struct span text)
{
    if (span_is(name, "PartNumber"))
        return take_number(r, text);
    if (span_is(name, "ETag"))
        return take_etag(r, text);
    for (enum s3_checksum c = S3_CHECKSUM_CRC32; c < S3_CHECKSUM_COUNT; c++) {
        if (!span_eq(name, s3_checksum_kind(c)->element))
            continue;
        r->current.checksum = c;
        return keep(r->checksum, sizeof(r->checksum), text, &r->current.checksum_text);
    }
    return true;
}

static bool complete_leave(struct xml_walk *w, struct span name, unsigned depth, struct span text)
{
    struct s3_complete_reader *r = w->ctx;

    if (depth == 3)
        return take_field(r, name, xml_trim(text));
    if (depth == 2)
        return r->numbered && r->tagged && r->part(r->ctx, &r->current);
    return true;
}

enum err s3_complete_begin(struct s3_complete_reader *r)
{
    r->walk = (struct xml_walk){.enter = complete_enter, .leave = complete_leave, .ctx = r};
    return xml_walk_begin(&r->walk);
}

enum err s3_complete_feed(struct s3_complete_reader *r, struct span piece)
{
    return xml_walk_feed(&r->walk, piece);
}

enum err s3_complete_end(struct s3_complete_reader *r)
{
    return xml_walk_end(&r->walk);
}

/* ---- one element of a backend's answer ---- */

enum { ANSWER_BYTES_MAX = 64 * 1024 };

struct one_reader {
    struct arena *arena;
    const char *root, *element;
    struct span value;
};

static bool one_enter(struct xml_walk *w, struct span name, unsigned depth)
{
    const struct one_reader *r = w->ctx;

    return depth != 1 || span_starts(name, span_of(r->root));
}

static bool one_leave(struct xml_walk *w, struct span name, unsigned depth, struct span text)
{
    struct one_reader *r = w->ctx;

    if (depth == 2 && span_is(name, r->element))
        r->value = arena_dup(r->arena, xml_trim(text));
    return true;
}

static enum err read_one(struct span body, struct arena *arena, const char *root, const char *element,
                         struct span *out)
{
    struct one_reader r = {.arena = arena, .root = root, .element = element};
    struct xml_walk w = {.enter = one_enter, .leave = one_leave, .ctx = &r};

    *out = SPAN_EMPTY;
    if (xml_walk(&w, xml_skip_space(body), ANSWER_BYTES_MAX) != ERR_OK || !r.value.len)
        return ERR_INVALID;
    *out = r.value;
    return ERR_OK;
}

enum err s3_upload_id_read(struct span body, struct arena *arena, struct span *id)
{
    /* rclone's is without the "Result" */
    return read_one(body, arena, "InitiateMultipartUpload", "UploadId", id);
}

enum err s3_complete_etag_read(struct span body, struct arena *arena, struct span *etag)
{
    return read_one(body, arena, "CompleteMultipartUploadResult", "ETag", etag);
}

enum err s3_copy_etag_read(struct span body, struct arena *arena, struct span *etag)
{
    return read_one(body, arena, "Copy", "ETag", etag);
}

/* ---- a backend's list of uploads ---- */

struct uploads_reader {
    struct arena *arena;
    struct s3_uploads_page *page;
    struct s3_upload_entry entry;
    bool full;
};

/* "2009-02-03T16:45:09.000Z", to the second. */
static uint64_t read_time(struct span text)
{
    struct tm tm = {0};
    char copy[32];
    const char *end;

    if (text.len >= sizeof(copy))
        return UINT64_MAX;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    end = strptime(copy, "%Y-%m-%dT%H:%M:%S", &tm);
    return end && (*end == '.' || *end == 'Z') ? (uint64_t)timegm(&tm) * 1000 : UINT64_MAX;
}

static bool uploads_enter(struct xml_walk *w, struct span name, unsigned depth)
{
    struct uploads_reader *r = w->ctx;

    if (depth == 1)
        return span_is(name, "ListMultipartUploadsResult");
    if (depth == 2 && span_is(name, "Upload"))
        r->entry = (struct s3_upload_entry){SPAN_EMPTY, SPAN_EMPTY, UINT64_MAX};
    return true;
}

static void set(struct uploads_reader *r, struct span *out, struct span text)
{
    *out = arena_dup(r->arena, text);
    r->full = r->full || !out->at;
}

static bool uploads_leave(struct xml_walk *w, struct span name, unsigned depth, struct span text)
{
    struct uploads_reader *r = w->ctx;

    if (depth == 3 && span_is(name, "Key"))
        set(r, &r->entry.key, text);
    else if (depth == 3 && span_is(name, "UploadId"))
        set(r, &r->entry.id, xml_trim(text));
    else if (depth == 3 && span_is(name, "Initiated"))
        r->entry.initiated_unix_ms = read_time(xml_trim(text));
    else if (depth == 2 && span_is(name, "NextKeyMarker"))
        set(r, &r->page->next_key, text);
    else if (depth == 2 && span_is(name, "NextUploadIdMarker"))
        set(r, &r->page->next_id, xml_trim(text));
    else if (depth == 2 && span_is(name, "IsTruncated"))
        r->page->truncated = span_is(xml_trim(text), "true");
    else if (depth == 2 && span_is(name, "Upload") && !w->cut && r->entry.key.len && r->entry.id.len)
        r->page->entry(r->page->ctx, &r->entry);
    return !r->full;
}

enum err s3_uploads_read(struct span body, struct arena *arena, struct s3_uploads_page *page)
{
    struct uploads_reader r = {.arena = arena, .page = page};
    struct xml_walk w = {.enter = uploads_enter, .leave = uploads_leave, .ctx = &r};

    page->truncated = false;
    page->next_key = page->next_id = SPAN_EMPTY;
    return xml_walk(&w, xml_skip_space(body), 4 * ANSWER_BYTES_MAX);
}

/* ---- what backends are sent ---- */

char *s3_complete_put_part(char *at, uint32_t number, struct span etag, enum s3_checksum checksum,
                           struct span checksum_value)
{
    at = span_put(at, SPAN("<Part><PartNumber>"));
    at = span_put_u64(at, number);
    at = span_put(at, SPAN("</PartNumber><ETag>"));
    for (size_t i = 0; i < etag.len; i++) { /* an ETag is quoted text: the five that XML minds */
        switch (etag.at[i]) {
        case '"': at = span_put(at, SPAN("&quot;")); break;
        case '&': at = span_put(at, SPAN("&amp;")); break;
        case '<': at = span_put(at, SPAN("&lt;")); break;
        case '>': at = span_put(at, SPAN("&gt;")); break;
        case '\'': at = span_put(at, SPAN("&apos;")); break;
        default: *at++ = etag.at[i];
        }
    }
    at = span_put(at, SPAN("</ETag>"));
    if (checksum) {
        struct span element = s3_checksum_kind(checksum)->element;

        at = span_put(at, SPAN("<"));
        at = span_put(at, element);
        at = span_put(at, SPAN(">"));
        at += base64_encode(checksum_value.at, checksum_value.len, at);
        at = span_put(at, SPAN("</"));
        at = span_put(at, element);
        at = span_put(at, SPAN(">"));
    }
    return span_put(at, SPAN("</Part>"));
}
