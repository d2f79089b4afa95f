/* Printing the documents of multipart uploads for clients. */
#include "s3/multipart.h"

#include "base/hash.h"
#include "s3/date.h"
#include "s3/document.h"

#include <inttypes.h>

#define DECLARATION "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define NS          " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

static const struct span nothing = {NULL, 0};

struct span s3_created_document(struct arena *arena, struct span bucket, struct span key, struct span id)
{
    key = s3_xml_escape(arena, key);
    if (!key.at)
        return nothing;
    return arena_printf(arena,
                        DECLARATION "<InitiateMultipartUploadResult" NS
                                    "><Bucket>%.*s</Bucket><Key>%.*s</Key>"
                                    "<UploadId>%.*s</UploadId></InitiateMultipartUploadResult>",
                        SPAN_ARG(bucket), SPAN_ARG(key), SPAN_ARG(id));
}

struct span s3_completed_document(struct arena *arena, struct span location, struct span bucket,
                                  struct span key, struct span result)
{
    key = s3_xml_escape(arena, key);
    location = s3_xml_escape(arena, location);
    if (!key.at || !location.at)
        return nothing;
    return arena_printf(arena,
                        DECLARATION
                        "<CompleteMultipartUploadResult" NS "><Location>%.*s</Location>"
                        "<Bucket>%.*s</Bucket><Key>%.*s</Key>%.*s</CompleteMultipartUploadResult>",
                        SPAN_ARG(location), SPAN_ARG(bucket), SPAN_ARG(key), SPAN_ARG(result));
}

/* ---- lists: head, entries, tail, joined ---- */

static struct span join(struct arena *arena, const struct span *pieces, size_t count)
{
    size_t bytes = 0;
    char *out, *p;

    for (size_t i = 0; i < count; i++) {
        if (!pieces[i].at)
            return nothing;
        bytes += pieces[i].len;
    }
    p = out = arena_alloc(arena, bytes);
    if (!out)
        return nothing;
    for (size_t i = 0; i < count; i++)
        p = span_put(p, pieces[i]);
    return (struct span){out, bytes};
}

static struct span owner_elements(struct arena *arena, struct span owner)
{
    return arena_printf(arena,
                        "<Initiator><ID>%.*s</ID><DisplayName>%.*s</DisplayName></Initiator>"
                        "<Owner><ID>%.*s</ID><DisplayName>%.*s</DisplayName></Owner>"
                        "<StorageClass>STANDARD</StorageClass>",
                        SPAN_ARG(owner), SPAN_ARG(owner), SPAN_ARG(owner), SPAN_ARG(owner));
}

static struct span algorithm_elements(struct arena *arena, enum s3_checksum kind, bool full_object)
{
    if (!kind)
        return SPAN_EMPTY;
    return arena_printf(arena, "<ChecksumAlgorithm>%.*s</ChecksumAlgorithm><ChecksumType>%s</ChecksumType>",
                        SPAN_ARG(s3_checksum_kind(kind)->algorithm),
                        full_object ? "FULL_OBJECT" : "COMPOSITE");
}

static struct span part_element(struct arena *arena, const struct s3_part_entry *p, enum s3_checksum kind)
{
    char modified[S3_DATE_CHARS + 1], text[BASE64_SHA256_CHARS];
    struct span etag = s3_xml_escape(arena, span_of(p->etag)), checksum = SPAN_EMPTY;

    s3_date_print(p->unix_ms, modified);
    if (kind && p->checksum.len) {
        struct span element = s3_checksum_kind(kind)->element;
        int len = (int)base64_encode(p->checksum.at, p->checksum.len, text);

        checksum = arena_printf(arena, "<%.*s>%.*s</%.*s>", SPAN_ARG(element), len, text, SPAN_ARG(element));
    }
    if (!etag.at || !checksum.at)
        return nothing;
    return arena_printf(arena,
                        "<Part><PartNumber>%" PRIu32 "</PartNumber><LastModified>%s</LastModified>"
                        "<ETag>%.*s</ETag><Size>%" PRIu64 "</Size>%.*s</Part>",
                        p->number, modified, SPAN_ARG(etag), p->bytes, SPAN_ARG(checksum));
}

struct span s3_parts_document(struct arena *arena, const struct s3_parts_list *l)
{
    struct span *pieces = arena_alloc(arena, (l->count + 2) * sizeof(*pieces));
    struct span key = s3_xml_escape(arena, l->key), owner = owner_elements(arena, l->owner);
    struct span algorithm = algorithm_elements(arena, l->checksum, l->full_object);
    uint32_t next = l->count ? l->parts[l->count - 1].number : l->marker;

    if (!pieces || !key.at || !owner.at || !algorithm.at)
        return nothing;
    pieces[0] = arena_printf(
        arena,
        DECLARATION "<ListPartsResult" NS "><Bucket>%.*s</Bucket><Key>%.*s</Key><UploadId>%.*s</UploadId>"
                    "%.*s<PartNumberMarker>%" PRIu32 "</PartNumberMarker><NextPartNumberMarker>%" PRIu32
                    "</NextPartNumberMarker><MaxParts>%" PRIu32
                    "</MaxParts><IsTruncated>%s</IsTruncated>%.*s",
        SPAN_ARG(l->bucket), SPAN_ARG(key), SPAN_ARG(l->id), SPAN_ARG(owner), l->marker, next, l->most,
        l->truncated ? "true" : "false", SPAN_ARG(algorithm));
    for (size_t i = 0; i < l->count; i++)
        pieces[i + 1] = part_element(arena, &l->parts[i], l->checksum);
    pieces[l->count + 1] = SPAN("</ListPartsResult>");
    return join(arena, pieces, l->count + 2);
}

/* As text, or percent-encoded where the client asked for that. */
static struct span shown(struct arena *arena, struct span text, bool url)
{
    return url ? s3_query_encode(arena, text) : s3_xml_escape(arena, text);
}

struct span s3_upload_element(struct arena *arena, const struct s3_upload_shown *u, struct span owner,
                              bool url)
{
    struct span key = shown(arena, u->key, url), who = owner_elements(arena, owner);
    struct span algorithm = algorithm_elements(arena, u->checksum, u->full_object);
    char initiated[S3_DATE_CHARS + 1];

    if (!key.at || !who.at || !algorithm.at)
        return nothing;
    s3_date_print(u->created_unix_ms, initiated);
    return arena_printf(
        arena, "<Upload><Key>%.*s</Key><UploadId>%.*s</UploadId>%.*s<Initiated>%s</Initiated>%.*s</Upload>",
        SPAN_ARG(key), SPAN_ARG(u->id), SPAN_ARG(who), initiated, SPAN_ARG(algorithm));
}

struct span s3_prefix_element(struct arena *arena, struct span prefix, bool url)
{
    prefix = shown(arena, prefix, url);
    return prefix.at ? arena_printf(arena, "<CommonPrefixes><Prefix>%.*s</Prefix></CommonPrefixes>",
                                    SPAN_ARG(prefix))
                     : nothing;
}

/* Absent when empty, as S3 does it. */
static struct span optional(struct arena *arena, const char *name, struct span text, bool url)
{
    if (!text.len)
        return SPAN_EMPTY;
    text = shown(arena, text, url);
    return text.at ? arena_printf(arena, "<%s>%.*s</%s>", name, SPAN_ARG(text), name) : nothing;
}

struct span s3_uploads_document(struct arena *arena, const struct s3_uploads_list *l)
{
    struct span *pieces = arena_alloc(arena, (l->count + 12) * sizeof(*pieces));
    struct span marker = shown(arena, l->key_marker, l->url), prefix = shown(arena, l->prefix, l->url);
    struct span id = s3_xml_escape(arena, l->id_marker);
    size_t n = 0;

    if (!pieces || !marker.at || !prefix.at || !id.at)
        return nothing;
    pieces[n++] = arena_printf(arena,
                               DECLARATION "<ListMultipartUploadsResult" NS "><Bucket>%.*s</Bucket>"
                                           "<KeyMarker>%.*s</KeyMarker><UploadIdMarker>%.*s</UploadIdMarker>",
                               SPAN_ARG(l->bucket), SPAN_ARG(marker), SPAN_ARG(id));
    pieces[n++] = optional(arena, "NextKeyMarker", l->next_key, l->url);
    pieces[n++] = optional(arena, "NextUploadIdMarker", l->next_id, false);
    pieces[n++] = arena_printf(arena, "<Prefix>%.*s</Prefix>", SPAN_ARG(prefix));
    pieces[n++] = optional(arena, "Delimiter", l->delimiter, l->url);
    pieces[n++] = l->url ? SPAN("<EncodingType>url</EncodingType>") : SPAN_EMPTY;
    pieces[n++] = arena_printf(arena, "<MaxUploads>%" PRIu32 "</MaxUploads><IsTruncated>%s</IsTruncated>",
                               l->most, l->truncated ? "true" : "false");
    for (size_t i = 0; i < l->count; i++)
        pieces[n++] = l->elements[i];
    pieces[n++] = SPAN("</ListMultipartUploadsResult>");
    return join(arena, pieces, n);
}
