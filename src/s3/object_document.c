#include "s3/object_document.h"

#include "base/hash.h"
#include "s3/date.h"
#include "s3/document.h"

#include <inttypes.h>

#define DECLARATION "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define NS          " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

static struct span bare(struct span etag)
{
    if (etag.len >= 2 && etag.at[0] == '"' && etag.at[etag.len - 1] == '"')
        return (struct span){etag.at + 1, etag.len - 2};
    return etag;
}

uint32_t s3_etag_parts(struct span etag)
{
    uint64_t parts;

    etag = bare(etag);
    if (etag.len < 34 || etag.at[32] != '-' || !span_to_u64(span_skip(etag, 33), &parts))
        return 0;
    return parts <= S3_PART_NUMBER_MAX ? (uint32_t)parts : 0;
}

/* <ChecksumCRC32>...</ChecksumCRC32><ChecksumType>...; empty when none is known. */
static struct span checksum_elements(struct arena *arena, const struct s3_object_checksum *c)
{
    const struct s3_checksum_kind *kind;
    struct span value, type;

    if (!c->kind)
        return SPAN_EMPTY;
    kind = s3_checksum_kind(c->kind);
    value = s3_xml_escape(arena, c->value);
    type = s3_xml_escape(arena, c->type);
    if (!value.at || !type.at)
        return (struct span){NULL, 0};
    return arena_printf(arena, "<%.*s>%.*s</%.*s>%s%.*s%s", SPAN_ARG(kind->element), SPAN_ARG(value),
                        SPAN_ARG(kind->element), type.len ? "<ChecksumType>" : "", SPAN_ARG(type),
                        type.len ? "</ChecksumType>" : "");
}

struct span s3_copy_document(struct arena *arena, const char *root, struct span etag,
                             uint64_t modified_unix_ms, const struct s3_object_checksum *checksum)
{
    struct span elements = checksum_elements(arena, checksum), quoted = s3_xml_escape(arena, etag);
    char modified[S3_DATE_CHARS + 1];

    if (!elements.at || !quoted.at)
        return (struct span){NULL, 0};
    s3_date_print(modified_unix_ms, modified);
    return arena_printf(arena,
                        DECLARATION "<%s" NS "><LastModified>%s</LastModified><ETag>%.*s</ETag>%.*s</%s>",
                        root, modified, SPAN_ARG(quoted), SPAN_ARG(elements), root);
}

static char *put_number(char *at, const char *element, uint64_t n)
{
    at = span_put(at, SPAN("<"));
    at = span_put(at, span_of(element));
    at = span_put(at, SPAN(">"));
    at = span_put_u64(at, n);
    at = span_put(at, SPAN("</"));
    at = span_put(at, span_of(element));
    return span_put(at, SPAN(">"));
}

static char *put_part(char *at, const struct s3_manifest *m, const struct s3_manifest_part *part)
{
    struct span element = s3_checksum_kind(m->kind)->element;

    at = put_number(span_put(at, SPAN("<Part>")), "PartNumber", part->number);
    at = put_number(at, "Size", part->bytes);
    if (part->checksum.len) {
        at = span_put(at, SPAN("<"));
        at = span_put(at, element);
        at = span_put(at, SPAN(">"));
        at += base64_encode(part->checksum.at, part->checksum.len, at);
        at = span_put(at, SPAN("</"));
        at = span_put(at, element);
        at = span_put(at, SPAN(">"));
    }
    return span_put(at, SPAN("</Part>"));
}

static struct span parts_head(struct arena *arena, const struct s3_attributes *a, uint32_t last,
                              bool truncated)
{
    return arena_printf(arena,
                        "<PartsCount>%" PRIu32 "</PartsCount><PartNumberMarker>%" PRIu32 "</PartNumberMarker>"
                        "<NextPartNumberMarker>%" PRIu32 "</NextPartNumberMarker><MaxParts>%" PRIu32
                        "</MaxParts><IsTruncated>%s</IsTruncated>",
                        a->manifest->count, a->marker, last, a->most, truncated ? "true" : "false");
}

/* A page of the parts: those behind the marker, as many as are wanted. */
static struct span parts_element(struct arena *arena, const struct s3_attributes *a)
{
    enum { PART_BYTES_MAX = 200 };
    uint32_t most = a->most < a->manifest->count ? a->most : a->manifest->count, shown = 0, last = a->marker;
    char *text = arena_alloc(arena, (size_t)most * PART_BYTES_MAX + 1), *at = text;
    struct s3_manifest_part part = {0};
    bool truncated = false;
    struct span head;

    if (!text)
        return (struct span){NULL, 0};
    while (s3_manifest_next(a->manifest, &part)) {
        if (part.number <= a->marker)
            continue;
        if (shown == most) {
            truncated = true;
            break;
        }
        at = put_part(at, a->manifest, &part);
        last = part.number;
        shown++;
    }
    head = parts_head(arena, a, last, truncated);
    return head.at ? arena_printf(arena, "<ObjectParts>%.*s%.*s</ObjectParts>", SPAN_ARG(head),
                                  (int)(at - text), text)
                   : head;
}

struct span s3_attributes_document(struct arena *arena, const struct s3_attributes *a)
{
    struct span etag = SPAN_EMPTY, checksum = SPAN_EMPTY, parts = SPAN_EMPTY, size = SPAN_EMPTY;

    if (a->asked & S3_ATTRIBUTE_ETAG) {
        struct span text = s3_xml_escape(arena, bare(a->etag));

        etag = text.at ? arena_printf(arena, "<ETag>%.*s</ETag>", SPAN_ARG(text)) : text;
    }
    if (a->asked & S3_ATTRIBUTE_CHECKSUM && a->checksum.kind) {
        checksum = checksum_elements(arena, &a->checksum);
        if (checksum.at)
            checksum = arena_printf(arena, "<Checksum>%.*s</Checksum>", SPAN_ARG(checksum));
    }
    if (a->asked & S3_ATTRIBUTE_PARTS && a->manifest)
        parts = parts_element(arena, a);
    else if (a->asked & S3_ATTRIBUTE_PARTS && a->parts)
        parts = arena_printf(arena, "<ObjectParts><PartsCount>%u</PartsCount></ObjectParts>", a->parts);
    if (a->asked & S3_ATTRIBUTE_SIZE)
        size = arena_printf(arena, "<ObjectSize>%" PRIu64 "</ObjectSize>", a->bytes);
    if (!etag.at || !checksum.at || !parts.at || !size.at)
        return (struct span){NULL, 0};
    return arena_printf(
        arena,
        DECLARATION "<GetObjectAttributesResponse" NS ">%.*s%.*s%.*s%s%.*s</GetObjectAttributesResponse>",
        SPAN_ARG(etag), SPAN_ARG(checksum), SPAN_ARG(parts),
        a->asked & S3_ATTRIBUTE_STORAGE_CLASS ? "<StorageClass>STANDARD</StorageClass>" : "", SPAN_ARG(size));
}
