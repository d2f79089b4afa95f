/* The contract of journal.h about uploads, to the letter. */
#include "sim_journal.h"

#include <assert.h>
#include <stdlib.h>

static struct upload *copy(const struct upload *u)
{
    struct upload *c = upload_copy(u);

    if (!c)
        abort();
    return c;
}

void disk_uploads_fini(struct disk_uploads *d)
{
    for (size_t i = 0; i < d->count; i++)
        free(d->at[i].upload);
    d->count = 0;
}

void disk_uploads_boot(struct disk_uploads *d)
{
    for (size_t i = 0; i < d->count; i++) {
        struct upload *u = d->at[i].upload;

        if (u->own && (u->state == UPLOAD_OPEN || u->state == UPLOAD_COMPLETING)) {
            u->state = UPLOAD_ABORTED;
            d->at[i].count = 0;
        }
        if (u->state == UPLOAD_COMPLETING)
            u->state = UPLOAD_OPEN;
    }
}

static size_t find(const struct disk_uploads *d, const struct journal_key *key, const struct stamp *id)
{
    size_t i = 0;

    while (i < d->count &&
           !(d->at[i].upload->key.bucket == key->bucket && span_eq(d->at[i].upload->key.key, key->key) &&
             stamp_eq(&d->at[i].upload->id, id)))
        i++;
    return i;
}

static int order(const struct upload *a, uint32_t bucket, struct span key, const struct stamp *id)
{
    int c = a->key.bucket < bucket ? -1 : a->key.bucket > bucket;

    if (!c)
        c = span_cmp(a->key.key, key);
    return c ? c : memcmp(a->id.b, id->b, STAMP_BYTES);
}

enum err disk_upload_add(struct disk_uploads *d, struct journal_upload_add *r, uint64_t now_ms)
{
    struct upload *u;
    size_t at = d->count;

    if (find(d, &r->upload.key, &r->upload.id) < d->count)
        return ERR_EXISTS;
    assert(d->count < DISK_UPLOADS_MAX);
    u = copy(&r->upload);
    u->state = UPLOAD_OPEN;
    u->tried = false;
    u->created_unix_ms = u->changed_unix_ms = now_ms;
    while (at && order(d->at[at - 1].upload, u->key.bucket, u->key.key, &u->id) > 0) {
        d->at[at] = d->at[at - 1];
        at--;
    }
    d->at[at].upload = u;
    d->at[at].count = 0;
    d->count++;
    return ERR_OK;
}

static void take_out(struct disk_uploads *d, size_t at)
{
    free(d->at[at].upload);
    memmove(&d->at[at], &d->at[at + 1], (d->count - at - 1) * sizeof(d->at[0]));
    d->count--;
}

static void put_manifest(struct disk_uploads *d, const struct journal_upload_step *r)
{
    assert(d->manifest_count < DISK_UPLOADS_MAX);
    d->manifests[d->manifest_count++] =
        (struct disk_manifest){.key = sim_key_number(r->key.key), .id = r->id, .version = r->version};
}

bool disk_any_manifest(const struct disk_uploads *d, uint32_t key)
{
    for (size_t i = 0; i < d->manifest_count; i++)
        if (d->manifests[i].key == key && !d->manifests[i].dropped)
            return true;
    return false;
}

void disk_manifests_drop(struct disk_uploads *d, uint32_t key, uint64_t before, const struct stamp *keeps)
{
    for (size_t i = 0; i < d->manifest_count; i++) {
        struct disk_manifest *m = &d->manifests[i];

        m->dropped |= m->key == key && m->version < before && !stamp_eq(&m->id, keeps);
    }
}

bool disk_manifest_lost(const struct disk_uploads *d, uint32_t key, const struct stamp *shown)
{
    for (size_t i = 0; i < d->manifest_count; i++)
        if (d->manifests[i].key == key && d->manifests[i].dropped && stamp_eq(&d->manifests[i].id, shown))
            return true;
    return false;
}

enum err disk_upload_step(struct disk_uploads *d, struct journal_upload_step *r, uint64_t now_ms)
{
    size_t at = find(d, &r->key, &r->id);
    struct upload *u, changed;

    if (at == d->count)
        return ERR_NOT_FOUND;
    u = d->at[at].upload;
    r->state = u->state;
    r->tried = u->tried;
    if (!(r->from & UPLOAD_IN(u->state)) || (u->state == UPLOAD_COMPLETING && u->taker != r->taker))
        return ERR_EXISTS;
    if (r->to == UPLOAD_GONE) {
        take_out(d, at);
        return ERR_OK;
    }
    changed = *u;
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++)
        if (r->gone & 1u << slot)
            changed.ids[slot] = SPAN_EMPTY;
    changed.tried |= r->to == UPLOAD_COMPLETING;
    if (r->to != u->state)
        changed.changed_unix_ms = now_ms;
    changed.state = r->to;
    changed.taker = r->taker;
    if (r->result.len)
        changed.result = r->result;
    if (changed.state == UPLOAD_DONE || changed.state == UPLOAD_ABORTED)
        d->at[at].count = 0;
    d->at[at].upload = copy(&changed);
    free(u);
    if (r->manifest.len)
        put_manifest(d, r);
    return ERR_OK;
}

enum err disk_part_write(struct disk_uploads *d, struct journal_part_write *r)
{
    size_t at = find(d, &r->key, &r->id);
    struct part *p;
    uint32_t i = 0, state = at < d->count ? d->at[at].upload->state : UPLOAD_GONE;

    if (state != UPLOAD_OPEN && !(state == UPLOAD_COMPLETING && r->change == PART_MORE))
        return ERR_NOT_FOUND;
    d->at[at].upload->dropped |= r->drop;
    while (i < d->at[at].count && d->at[at].parts[i].number < r->part.number)
        i++;
    p = &d->at[at].parts[i];
    if (r->change == PART_MORE) {
        for (uint32_t k = 0; i < d->at[at].count && p->number == r->part.number &&
                             p->attempt == r->part.attempt && k < r->part.etag_count;
             k++)
            (void)part_add(p, r->part.etags[k].slots, r->part.etags[k].text);
        return ERR_OK;
    }
    if (i < d->at[at].count && p->number == r->part.number) {
        memmove(p, p + 1, (d->at[at].count - i - 1) * sizeof(*p));
        d->at[at].count--;
    }
    if (r->change == PART_VOID)
        return ERR_OK;
    assert(d->at[at].count < DISK_PARTS_MAX);
    memmove(p + 1, p, (d->at[at].count - i) * sizeof(*p));
    *p = r->part;
    d->at[at].count++;
    return ERR_OK;
}

enum err disk_upload_read(struct disk_uploads *d, struct journal_upload_read *r)
{
    size_t at = find(d, &r->key, &r->id);

    if (at == d->count)
        return ERR_NOT_FOUND;
    r->upload = copy(d->at[at].upload);
    if (!r->with_parts)
        return ERR_OK;
    r->parts = malloc(DISK_PARTS_MAX * sizeof(*r->parts));
    if (!r->parts)
        abort();
    for (uint32_t i = 0; i < d->at[at].count; i++)
        if (d->at[at].parts[i].number > r->after)
            r->parts[r->count++] = d->at[at].parts[i];
    return ERR_OK;
}

enum err disk_upload_scan(struct disk_uploads *d, struct journal_upload_scan *r)
{
    for (size_t i = 0; i < d->count && r->count < JOURNAL_PAGE_UPLOADS; i++) {
        const struct upload *u = d->at[i].upload;

        if (order(u, r->after.bucket, r->after.key, &r->after_id) > 0 &&
            (r->whole || u->key.bucket == r->after.bucket) && r->states & UPLOAD_IN(u->state))
            r->uploads[r->count++] = copy(u);
    }
    return ERR_OK;
}
