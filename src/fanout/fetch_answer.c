/* What must hold before a byte of an answer goes to a client:
 *
 * - an object has an ETag and a Content-Length. Some servers answer 200 and then an error document, which has no ETag;
 *   and without the two a body could be neither told from a cut one nor resumed.
 * - a part is the part that was asked for: its Content-Range, by which alone it is told from the whole (one server
 *   answers a range with 200), says the same place as our Range, its Content-Length the same number of bytes.
 * - the whole comes with 200, also when a part was asked for (RFC 9110 section 14.2: a server may ignore Range).
 * - what speaks of a condition or a range (304, 412, 416) comes only when there was one. */
#include "fanout/fetch_answer.h"

#include "s3/request.h"

static const struct span *find(const struct http_header *asked, size_t count, struct span name)
{
    for (size_t i = 0; i < count; i++)
        if (span_ieq(asked[i].name, name))
            return &asked[i].value;
    return NULL;
}

/* "bytes first-last/total" (RFC 9110 section 14.4), there once, and the body as long as it says. */
static bool read_part(const struct http_head *head, const struct replica_object *object, uint64_t *first,
                      uint64_t *last)
{
    const struct span *field = http_header(head, "content-range");
    uint64_t total;
    struct span rest, from, to;

    if (!field || http_header_count(head, "content-range") != 1 || !span_starts(*field, SPAN("bytes ")))
        return false;
    rest = span_skip(*field, 6);
    from = span_cut(&rest, '-');
    to = span_cut(&rest, '/');
    return span_to_u64(from, first) && span_to_u64(to, last) && span_to_u64(rest, &total) &&
           *first <= *last && *last < total && total == object->body_bytes && head->has_length &&
           head->length == *last - *first + 1;
}

static bool read_object(struct fetch_answer *out, const struct span *range, const struct http_head *head,
                        const struct replica_object *object)
{
    uint64_t first, last;

    if (!object->exists || !object->etag[0] || !head->has_length)
        return false;
    if (!http_header(head, "content-range")) {
        out->first = 0;
        out->last = head->length ? head->length - 1 : 0;
        return head->status == 200;
    }
    out->status = 206;
    return range && read_part(head, object, &out->first, &out->last) &&
           s3_range_parse(*range, object->body_bytes, &first, &last) == S3_RANGE_OK && first == out->first &&
           last == out->last;
}

bool fetch_answer_read(struct fetch_answer *out, const struct http_header *asked, size_t asked_count,
                       const struct http_head *head, const struct replica_object *object)
{
    *out = (struct fetch_answer){.status = head->status};
    switch (head->status) {
    case 200:
    case 206: return read_object(out, find(asked, asked_count, SPAN("range")), head, object);
    case 304:
        return find(asked, asked_count, SPAN("if-none-match")) ||
               find(asked, asked_count, SPAN("if-modified-since"));
    case 404: return true;
    case 412:
        return find(asked, asked_count, SPAN("if-match")) ||
               find(asked, asked_count, SPAN("if-unmodified-since"));
    case 416: return find(asked, asked_count, SPAN("range"));
    default: return false;
    }
}

bool fetch_answer_read_part(struct fetch_answer *out, const struct http_head *head,
                            const struct replica_object *object)
{
    *out = (struct fetch_answer){.status = head->status};
    if (head->status == 404)
        return true;
    out->status = 206;
    return (head->status == 200 || head->status == 206) && object->exists && object->etag[0] &&
           read_part(head, object, &out->first, &out->last);
}

bool fetch_answer_continues(const struct fetch_answer *began, const struct replica_object *shown,
                            uint64_t next, const struct http_head *head, const struct replica_object *object)
{
    uint64_t first, last;

    return object->exists && read_part(head, object, &first, &last) && first == next && last == began->last &&
           object->body_bytes == shown->body_bytes && strcmp(object->etag, shown->etag) == 0 &&
           object->stamped == shown->stamped && (!object->stamped || stamp_eq(&object->stamp, &shown->stamp));
}
