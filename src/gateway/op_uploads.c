/* ListParts and ListMultipartUploads: from the journal alone, a page of it at a time. */
#include "gateway/gateway_private.h"
#include "gateway/multipart.h"
#include "s3/multipart.h"

#include <stdlib.h>

/* A list that would become larger ends earlier: it says where the next one goes on. */
enum { LIST_ARENA_BYTES = 8 * 1024 * 1024, ELEMENTS_BYTES_MAX = 2 * 1024 * 1024 };

static const struct span xml = SPAN("Content-Type: application/xml\r\n");

/* ---- ListParts ---- */

struct parts_listing {
    struct s3_parts_list list;
    struct s3_part_entry entries[S3_LIST_KEYS_MAX];
};

static bool add_part(struct exchange *x, const struct part *p)
{
    struct parts_listing *l = x->upload.parts;
    struct s3_part_entry *e = &l->entries[l->list.count];

    *e = (struct s3_part_entry){.number = p->number, .bytes = p->bytes, .unix_ms = p->unix_ms};
    e->etag = arena_dup(&x->arena, span_of(p->etag_count ? p->etags[0].text : "")).at;
    e->checksum = SPAN_EMPTY;
    if (p->checksum_bytes)
        e->checksum = arena_dup(&x->arena, (struct span){(const char *)p->checksum, p->checksum_bytes});
    l->list.count++;
    return e->etag && e->checksum.at;
}

static void answer_parts(struct exchange *x)
{
    struct span document = s3_parts_document(&x->arena, &x->upload.parts->list);

    if (document.at)
        exchange_answer(x, 200, xml, document);
    else
        exchange_unavailable(x, ERR_NOMEM);
}

static void on_parts(struct exchange *x, struct journal_upload_read *r)
{
    struct s3_parts_list *l = &x->upload.parts->list;
    bool good = true;

    l->checksum = (enum s3_checksum)r->upload->checksum;
    l->full_object = r->upload->full_object;
    for (size_t i = 0; i < r->count && good && !l->truncated; i++) {
        if (l->count == l->most)
            l->truncated = l->most > 0;
        else
            good = add_part(x, &r->parts[i]);
    }
    if (!good)
        exchange_unavailable(x, ERR_NOMEM);
    else if (r->count < JOURNAL_PAGE_PARTS || l->truncated || !l->most)
        answer_parts(x);
    else
        multipart_look(x, true, r->parts[r->count - 1].number, on_parts);
}

static void start_parts(struct exchange *x)
{
    struct parts_listing *l = x->upload.parts = arena_zalloc(&x->arena, sizeof(*l));

    x->arena.cap_bytes = LIST_ARENA_BYTES;
    if (!l) {
        exchange_unavailable(x, ERR_NOMEM);
        return;
    }
    l->list = (struct s3_parts_list){
        .bucket = x->request.bucket,
        .key = x->request.key,
        .id = x->request.upload_id,
        .owner = SPAN(GATEWAY_OWNER),
        .marker = x->request.part_marker,
        .most = x->request.max_keys,
        .parts = l->entries,
    };
    multipart_look(x, true, l->list.marker, on_parts);
}

/* ---- ListMultipartUploads ---- */

/* Outlives its exchange when the client goes: the journal has it. */
struct uploads_listing {
    struct journal_upload_scan scan;
    struct exchange *x; /* NULL: the client has gone */
    struct s3_uploads_list list;
    struct span elements[S3_LIST_KEYS_MAX];
    size_t element_bytes;
    bool over;                        /* beyond the prefix */
    struct span group;                /* the common prefix that was shown last; its keys are passed over */
    char after[S3_KEY_BYTES_MAX + 2]; /* the scan's key */
    char next_key[S3_KEY_BYTES_MAX + 1];
    char next_id[STAMP_CHARS];
};

static void free_listing(struct uploads_listing *l)
{
    if (l->x)
        l->x->upload.uploads = NULL;
    journal_upload_scan_fini(&l->scan);
    free(l);
}

/* The part of the key up to the delimiter behind the prefix; empty: there is none. */
static struct span group_of(const struct uploads_listing *l, struct span key)
{
    struct span d = l->list.delimiter;

    for (size_t at = l->list.prefix.len; d.len && at + d.len <= key.len; at++)
        if (memcmp(key.at + at, d.at, d.len) == 0)
            return span_head(key, at + d.len);
    return SPAN_EMPTY;
}

static bool is_full(const struct uploads_listing *l)
{
    return l->list.count == l->list.most || l->element_bytes > ELEMENTS_BYTES_MAX;
}

static bool add_element(struct uploads_listing *l, struct span element, struct span key, struct span id)
{
    l->list.elements = l->elements;
    l->elements[l->list.count++] = element;
    l->element_bytes += element.len;
    span_put(l->next_key, key);
    l->list.next_key = (struct span){l->next_key, key.len};
    span_put(l->next_id, id);
    l->list.next_id = (struct span){l->next_id, id.len};
    return element.at != NULL;
}

static bool add_upload(struct uploads_listing *l, const struct upload *u)
{
    char id[STAMP_CHARS];
    const struct s3_upload_shown shown = {.key = u->key.key,
                                          .id = {id, sizeof(id)},
                                          .created_unix_ms = u->created_unix_ms,
                                          .checksum = (enum s3_checksum)u->checksum,
                                          .full_object = u->full_object};

    stamp_print(&u->id, id);
    return add_element(l, s3_upload_element(&l->x->arena, &shown, SPAN(GATEWAY_OWNER), l->list.url),
                       u->key.key, shown.id);
}

static bool add_group(struct uploads_listing *l, struct span group)
{
    l->group = arena_dup(&l->x->arena, group);
    if (!l->group.at || span_starts(l->list.key_marker, group)) /* the list before has shown it */
        return l->group.at != NULL;
    return add_element(l, s3_prefix_element(&l->x->arena, group, l->list.url), group, SPAN_EMPTY);
}

/* False: the arena is full. */
static bool take(struct uploads_listing *l, const struct upload *u)
{
    struct span key = u->key.key, group;

    if (u->own || (l->group.len && span_starts(key, l->group)))
        return true;
    if (!span_starts(key, l->list.prefix)) {
        l->over = span_cmp(key, l->list.prefix) > 0;
        return true;
    }
    group = group_of(l, key);
    if (is_full(l) && !(group.len && span_starts(l->list.key_marker, group))) {
        l->over = l->list.truncated = true;
        return true;
    }
    return group.len ? add_group(l, group) : add_upload(l, u);
}

static void answer_uploads(struct uploads_listing *l)
{
    struct exchange *x = l->x;
    struct span document;

    if (!l->list.truncated)
        l->list.next_key = l->list.next_id = SPAN_EMPTY;
    document = s3_uploads_document(&x->arena, &l->list);
    free_listing(l);
    if (document.at)
        exchange_answer(x, 200, xml, document);
    else
        exchange_unavailable(x, ERR_NOMEM);
}

static void scan(struct uploads_listing *l);

/* Behind the last one seen; behind a whole group, where that ended in one: no key has a byte 0xff. */
static void set_after(struct uploads_listing *l, const struct upload *last)
{
    bool in_group = l->group.len && span_starts(last->key.key, l->group);
    struct span key = in_group ? l->group : last->key.key;
    char *end = span_put(l->after, key);

    if (in_group)
        *end++ = '\xff';
    l->scan.after.key = (struct span){l->after, (size_t)(end - l->after)};
    l->scan.after_id = last->id;
}

static void on_scanned(struct journal_request *r, enum err e)
{
    struct uploads_listing *l = LIST_ENTRY(r, struct uploads_listing, scan.request);
    struct exchange *x = l->x;
    bool last = l->scan.count < JOURNAL_PAGE_UPLOADS, good = true;

    if (!x || e != ERR_OK) {
        free_listing(l);
        if (x)
            exchange_unavailable(x, e);
        return;
    }
    for (size_t i = 0; i < l->scan.count && good && !l->over; i++)
        good = take(l, l->scan.uploads[i]);
    if (!good) {
        free_listing(l);
        exchange_unavailable(x, ERR_NOMEM);
    } else if (last || l->over) {
        answer_uploads(l);
    } else {
        set_after(l, l->scan.uploads[l->scan.count - 1]);
        journal_upload_scan_fini(&l->scan);
        scan(l);
    }
}

static void scan(struct uploads_listing *l)
{
    struct journal *j = l->x->gateway->options.env->journal;

    l->scan.request.done = on_scanned;
    l->scan.states = UPLOAD_IN(UPLOAD_OPEN) | UPLOAD_IN(UPLOAD_COMPLETING);
    j->ops->upload_scan(j, &l->scan);
}

/* Behind the marker; a marker without an id is behind all uploads of its key. */
static void set_start(struct uploads_listing *l)
{
    const struct s3_uploads_list *list = &l->list;

    l->scan.after = (struct journal_key){l->x->bucket->record.id, SPAN_EMPTY};
    if (list->key_marker.len && span_cmp(list->key_marker, list->prefix) >= 0) {
        l->scan.after.key = (struct span){l->after, list->key_marker.len};
        span_put(l->after, list->key_marker);
        if (!stamp_parse(list->id_marker, &l->scan.after_id))
            memset(&l->scan.after_id, 0xff, sizeof(l->scan.after_id));
    } else if (list->prefix.len) {
        l->scan.after.key = (struct span){l->after, list->prefix.len};
        span_put(l->after, list->prefix);
    }
}

static void start_uploads(struct exchange *x)
{
    const struct s3_request *q = &x->request;
    struct uploads_listing *l;

    if (q->marker.len > S3_KEY_BYTES_MAX || q->prefix.len > S3_KEY_BYTES_MAX) {
        exchange_error(x, S3_INVALID_ARGUMENT, "The prefix or the key-marker is longer than any key.");
        return;
    }
    l = x->upload.uploads = calloc(1, sizeof(*l));
    if (!l) {
        exchange_unavailable(x, ERR_NOMEM);
        return;
    }
    x->arena.cap_bytes = LIST_ARENA_BYTES;
    l->x = x;
    l->list = (struct s3_uploads_list){
        .bucket = q->bucket,
        .prefix = q->prefix,
        .delimiter = q->delimiter,
        .key_marker = q->marker,
        .id_marker = q->marker.len ? q->id_marker : SPAN_EMPTY,
        .most = q->max_keys,
        .url = q->url_encoding,
    };
    l->group = SPAN_EMPTY;
    set_start(l);
    if (q->max_keys)
        scan(l);
    else
        answer_uploads(l);
}

static void end_uploads(struct exchange *x)
{
    if (x->upload.uploads)
        x->upload.uploads->x = NULL;
    x->upload.uploads = NULL;
}

const struct operation operation_list_parts = {.start = start_parts, .end = multipart_look_end};
const struct operation operation_list_uploads = {.start = start_uploads, .end = end_uploads};
