/* What every store shares about multipart uploads. */
#include "journal/journal.h"

#include <stdio.h>
#include <stdlib.h>

bool part_add(struct part *p, uint32_t slots, const char *etag)
{
    struct part_etag *e = p->etags;

    while (e < p->etags + p->etag_count && strcmp(e->text, etag) != 0)
        e++;
    if (e == p->etags + PART_ETAGS_MAX)
        return false;
    if (e == p->etags + p->etag_count) {
        *e = (struct part_etag){0};
        snprintf(e->text, sizeof(e->text), "%s", etag);
        p->etag_count++;
    }
    e->slots |= slots;
    return true;
}

uint32_t part_stored(const struct part *p)
{
    uint32_t stored = 0;

    for (uint32_t i = 0; i < p->etag_count; i++)
        stored |= p->etags[i].slots;
    return stored;
}

const char *part_etag(const struct part *p, uint32_t slot)
{
    for (uint32_t i = 0; i < p->etag_count; i++)
        if (p->etags[i].slots & 1u << slot)
            return p->etags[i].text;
    return NULL;
}

uint32_t upload_slots(const struct upload *u)
{
    uint32_t slots = 0;

    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++)
        if (u->ids[slot].len)
            slots |= 1u << slot;
    return slots;
}

struct upload *upload_copy(const struct upload *u)
{
    size_t bytes = u->key.key.len + u->result.len;
    struct upload *copy;
    char *at;

    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++)
        bytes += u->ids[slot].len;
    copy = malloc(sizeof(*copy) + bytes);
    if (!copy)
        return NULL;
    *copy = *u;
    at = (char *)(copy + 1);
    copy->key.key.at = at;
    at = span_put(at, u->key.key);
    copy->result.at = at;
    at = span_put(at, u->result);
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++) {
        copy->ids[slot].at = at;
        at = span_put(at, u->ids[slot]);
    }
    return copy;
}

void journal_upload_read_fini(struct journal_upload_read *r)
{
    free(r->upload);
    free(r->parts);
    r->upload = NULL;
    r->parts = NULL;
    r->count = 0;
}

void journal_manifest_read_fini(struct journal_manifest_read *r)
{
    free((void *)r->manifest.at);
    r->manifest = (struct span){NULL, 0};
}

void journal_upload_scan_fini(struct journal_upload_scan *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->uploads[i]);
    s->count = 0;
}
