/* What every store shares: views and the pure rules on rows. */
#include "journal/journal.h"

#include <stdlib.h>

void key_view_init(struct key_view *v)
{
    v->rows = v->few;
    v->count = 0;
    v->room = sizeof(v->few) / sizeof(v->few[0]);
    v->claimed = false;
}

void key_view_fini(struct key_view *v)
{
    if (v->rows != v->few)
        free(v->rows);
    key_view_init(v);
}

void key_view_add(struct key_view *v, const struct row *r)
{
    if (v->count == v->room) {
        struct row *more = malloc(2 * v->room * sizeof(*more));

        if (!more)
            abort();
        memcpy(more, v->rows, v->count * sizeof(*more));
        if (v->rows != v->few)
            free(v->rows);
        v->rows = more;
        v->room *= 2;
    }
    v->rows[v->count++] = *r;
}

const struct row *key_view_find(const struct key_view *v, const struct stamp *stamp)
{
    for (size_t i = 0; i < v->count; i++)
        if (stamp_eq(&v->rows[i].stamp, stamp))
            return &v->rows[i];
    return NULL;
}

static bool orders_after(const struct row *a, const struct row *b)
{
    if (a->version != b->version)
        return a->version > b->version;
    return memcmp(a->stamp.b, b->stamp.b, STAMP_BYTES) > 0;
}

const struct row *key_view_newest_stored(const struct key_view *v, uint32_t slots)
{
    const struct row *best = NULL;

    for (size_t i = 0; i < v->count; i++)
        if (v->rows[i].stored & slots && (!best || orders_after(&v->rows[i], best)))
            best = &v->rows[i];
    return best;
}

const struct row *key_view_newest(const struct key_view *v)
{
    const struct row *best = NULL;

    for (size_t i = 0; i < v->count; i++)
        if (!best || orders_after(&v->rows[i], best))
            best = &v->rows[i];
    return best;
}

bool row_is_settled(const struct row *r, uint64_t ambiguity_ms)
{
    if (r->orphan)
        return r->age_ms >= ambiguity_ms;
    if (r->phase == ROW_MERGED)
        return true;
    return r->phase == ROW_FINAL && (!r->unresolved || r->age_ms >= ambiguity_ms);
}

/* An outcome row whose owner lives may still be sending: only its final form starts the wait, so until then the
 * hold is renewed. Open rows of others hold nothing while their owner lives; an orphan's results are unknown, yet
 * its requests were sent before this process began, so it holds no longer than any other. */
uint32_t row_holds(const struct row *r, uint64_t ambiguity_ms, uint64_t *for_ms)
{
    *for_ms = 0;
    if (r->phase != ROW_OUTCOME && r->phase != ROW_FINAL)
        return 0;
    if (r->phase == ROW_OUTCOME && !r->orphan) {
        *for_ms = UINT64_MAX;
        return r->unresolved;
    }
    if (r->age_ms >= ambiguity_ms)
        return 0;
    *for_ms = ambiguity_ms - r->age_ms;
    return r->unresolved;
}

bool journal_range_add(struct journal_range *r, struct span key, uint32_t stored)
{
    const struct journal_range_key *last = r->count ? &r->keys[r->count - 1] : NULL;
    size_t used = last ? (size_t)(last->key.at + last->key.len - r->text) : 0;

    r->more = r->count == JOURNAL_RANGE_KEYS || sizeof(r->text) - used < key.len;
    if (r->more)
        return false;
    span_put(r->text + used, key);
    r->keys[r->count++] = (struct journal_range_key){{r->text + used, key.len}, stored};
    return true;
}

void journal_scan_fini(struct journal_scan *s)
{
    for (size_t i = 0; i < s->count; i++)
        free((void *)s->work[i].key.key.at);
    s->count = 0;
}
