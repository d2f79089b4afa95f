/* Objects in parts, one after the other, each by all connections together:
 *
 *   CREATE --id--> PARTS, as many in flight as there are connections --all--> COMPLETE --> CREATE of the next | over
 *
 * Create and Complete are one connection's; the others wait meanwhile. The content of the run is one part; the object's
 * size is a multiple of it. One failure ends it all. */
#include "bench/load.h"
#include "bench/wire.h"

#include <stdio.h>
#include <stdlib.h>

enum { PARTS_MAX = 10000, ETAG_ROOM = 64, DOCUMENT_PART_BYTES = 96 + ETAG_ROOM };

static struct upload {
    enum { PHASE_CREATE, PHASE_PARTS, PHASE_COMPLETE } phase;
    bool asked; /* Create or Complete is on its way */
    uint64_t object;
    unsigned parts, next, stored; /* parts: of each object; the next to be sent; answered */
    char id[1024];                /* safe in a query as it is */
    char etags[PARTS_MAX][ETAG_ROOM];
    char document[PARTS_MAX * DOCUMENT_PART_BYTES];
} up;

static enum turn multipart_turn(struct conn *c)
{
    uint64_t parts = load.object_bytes / load.content.size;

    if (!up.parts && (parts == 0 || parts > PARTS_MAX || parts * load.content.size != load.object_bytes))
        die("--object wants 1 to %d times --size", PARTS_MAX);
    up.parts = (unsigned)parts;
    if (load.tally.errors || (up.object == load.count && !up.asked))
        return TURN_OVER;
    if (up.phase == PHASE_PARTS) {
        if (up.next == up.parts)
            return TURN_WAIT;
        c->step = STEP_PART;
        c->part = up.next++;
        return TURN_ASK;
    }
    if (up.asked)
        return TURN_WAIT;
    up.asked = true;
    c->step = up.phase == PHASE_CREATE ? STEP_CREATE : STEP_COMPLETE;
    return TURN_ASK;
}

static struct span print_document(void)
{
    char *p = span_put(up.document, SPAN("<CompleteMultipartUpload>"));

    for (unsigned i = 0; i < up.parts; i++)
        p += sprintf(p, "<Part><PartNumber>%u</PartNumber><ETag>%s</ETag></Part>", i + 1, up.etags[i]);
    p = span_put(p, SPAN("</CompleteMultipartUpload>"));
    return (struct span){up.document, (size_t)(p - up.document)};
}

static void ask_multipart(struct conn *c, struct ask *a)
{
    snprintf(a->path, sizeof(a->path), "/%s/multipart-%llu", load.bucket, (unsigned long long)up.object);
    switch (c->step) {
    case STEP_CREATE:
        a->method = "POST";
        snprintf(a->query, sizeof(a->query), "uploads=");
        break;
    case STEP_PART:
        a->method = "PUT";
        snprintf(a->query, sizeof(a->query), "partNumber=%u&uploadId=%s", c->part + 1, up.id);
        a->content = true;
        break;
    case STEP_COMPLETE:
        a->method = "POST";
        snprintf(a->query, sizeof(a->query), "uploadId=%s", up.id);
        a->document = print_document();
    }
}

static const char *created(struct conn *c)
{
    struct span id = load_element(c->text, "UploadId");

    for (size_t i = 0; i < id.len; i++)
        if (strchr("%&+/= ", id.at[i]))
            return "an upload's id is not plain";
    if (id.len == 0 || id.len >= sizeof(up.id))
        return "no usable id of an upload";
    *span_put(up.id, id) = '\0';
    up.phase = PHASE_PARTS;
    up.next = up.stored = 0;
    up.asked = false;
    return NULL;
}

static const char *part_stored(struct conn *c)
{
    if (!c->etag[0])
        return "a part without an ETag";
    memcpy(up.etags[c->part], c->etag, sizeof(c->etag));
    if (++up.stored == up.parts)
        up.phase = PHASE_COMPLETE;
    return NULL;
}

static const char *completed(struct conn *c)
{
    if (!load_element(c->text, "ETag").len)
        return "the upload was not completed";
    up.object++;
    up.phase = PHASE_CREATE;
    up.asked = false;
    return NULL;
}

static const char *take_multipart(struct conn *c)
{
    const char *why;

    switch (c->step) {
    case STEP_CREATE: why = created(c); break;
    case STEP_PART: why = part_stored(c); break;
    default: why = completed(c);
    }
    if (why || up.phase != PHASE_PARTS || c->step == STEP_CREATE)
        load_wake();
    return why;
}

const struct operation operation_multipart = {"multipart", .reads = true, .turn = multipart_turn,
                                              .ask = ask_multipart, .take = take_multipart};
