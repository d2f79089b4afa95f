/* One listing: the rows of a range, then a page of one replica behind the same place, merged.
 *
 *        .------------------------------------------------------------.
 *        v                                                            | the rows are over: from there on anew
 *      ROWS --> PAGE --> MERGE --(entry)--> the owner                 |
 *                ^         |-- the page is over: the next one         |
 *                '---------'-- a key of others: a look (listing_look) '
 *                          '-- a group with rows: is anything in it? (a listing of its own, of one entry)
 *
 * The rows are always read before the page that they are laid over is asked for: what a row says at its reading is
 * true of any later look at a replica of its stored set (PROTOCOL, strict read), while a look before it may be older
 * than a repair that has removed the row since.
 *
 * Groups: '/' is left to the backend; behind a group the listing goes on at the first text behind all of it. For other
 * delimiters the backend lists keys, and what is behind a group is asked for when its page ends within it: either way a
 * group is never walked through. */
#include "fanout/listing_private.h"

#include "s3/date.h"

#include <stdlib.h>

enum { FEW_ENTRIES = 4 /* so many fit a few KiB: no chunk is needed */ };

/* The index behind the first delimiter in `s` from `from` on; 0 without one. */
static size_t behind_delimiter(const struct listing *l, struct span s, size_t from)
{
    const char *at;

    if (l->delimiter.len == 0 || from > s.len)
        return 0;
    at = memmem(s.at + from, s.len - from, l->delimiter.at, l->delimiter.len);
    return at ? (size_t)(at - s.at) + l->delimiter.len : 0;
}

struct span listing_text_of(const struct listing *l, struct span key, bool *is_group)
{
    size_t end = behind_delimiter(l, key, l->prefix.len);

    *is_group = end != 0;
    return end ? span_head(key, end) : key;
}

static void pass(struct listing *l, struct span what, bool is_group)
{
    listing_set(&l->passed, what);
    l->passed_group = is_group;
}

void listing_wake(struct listing *l)
{
    if (!l->waiting)
        return;
    l->waiting = false;
    l->events->ready(l->ctx);
}

/* ---- both together ---- */

static const struct journal_range_key *next_row(const struct listing *l)
{
    return !l->no_rows && l->row < l->journal->range.count ? &l->journal->range.keys[l->row] : NULL;
}

/* Behind the last row that is known there may be others. */
static bool rows_end_early(const struct listing *l)
{
    return !l->no_rows && l->journal->range.more;
}

static struct span last_row(const struct listing *l)
{
    const struct journal_range *r = &l->journal->range;

    return r->count ? r->keys[r->count - 1].key : SPAN_EMPTY;
}

enum verdict { GIVE, WAIT, ON };

struct next {
    bool there, is_group;
    struct span text;
};

static struct next next_entry(struct listing *l)
{
    for (; l->entry < l->page.count; l->entry++) {
        struct replica_entry e = replica_page_get(&l->page, l->entry);
        struct next n = {.there = true, .is_group = e.is_group, .text = e.key};

        if (!e.is_group)
            n.text = listing_text_of(l, e.key, &n.is_group);
        if (span_cmp(n.text, listing_span(&l->passed)) > 0)
            return n;
    }
    return (struct next){.there = false};
}

static struct next next_row_text(struct listing *l)
{
    const struct journal_range_key *row;

    for (; (row = next_row(l)) != NULL; l->row++) {
        struct next n = {.there = true};

        n.text = listing_text_of(l, row->key, &n.is_group);
        if (span_cmp(n.text, listing_span(&l->passed)) > 0)
            return n;
    }
    return (struct next){.there = false};
}

/* Does the page say anything about this place? */
static bool page_covers(const struct listing *l, struct span place)
{
    return !l->page.more || span_cmp(place, replica_page_get(&l->page, l->page.count - 1).key) <= 0;
}

static enum verdict give_entry(struct listing *l, const struct next *n, struct replica_entry *out)
{
    *out = replica_page_get(&l->page, l->entry++);
    if (n->is_group)
        *out = (struct replica_entry){.key = n->text, .is_group = true, .etag = SPAN_EMPTY};
    pass(l, n->text, n->is_group);
    return GIVE;
}

static enum verdict give_shown(struct listing *l, struct span key, const struct replica_object *o,
                               struct replica_entry *out)
{
    uint64_t modified_s = 0;

    pass(l, key, false);
    if (!o->exists)
        return ON;
    (void)s3_http_date_parse(span_of(o->last_modified), &modified_s);
    *out = (struct replica_entry){
        .key = key, .body_bytes = o->body_bytes, .modified_ms = modified_s * 1000, .etag = span_of(o->etag)};
    return GIVE;
}

static bool is_listed_right(const struct listing *l, const struct journal_range_key *row)
{
    return !row->stored || row->stored & 1u << l->slot;
}

/* Is every row of the group that comes next one that the page is right about, and are these all of them? */
static bool knows_group(const struct listing *l, struct span group)
{
    const struct journal_range *r = &l->journal->range;
    size_t at = l->row;

    for (; at < r->count && span_starts(r->keys[at].key, group); at++)
        if (!is_listed_right(l, &r->keys[at]))
            return false;
    return at < r->count || !r->more;
}

static void on_group_ready(void *ctx)
{
    listing_wake(ctx);
}

/* Is there anything in it, behind `after`? GIVE, ON or WAIT. */
static enum verdict look_into(struct listing *l, struct span group, struct span after,
                              struct replica_entry *out)
{
    static const struct listing_events events = {.ready = on_group_ready};
    struct listing_spec spec = {.bucket = l->bucket,
                                .replicas = &l->set,
                                .prefix = group,
                                .delimiter = SPAN_EMPTY,
                                .after = after,
                                .most = 1};
    struct replica_entry found;
    enum err e = l->group ? ERR_OK : listing_open(&l->group, l->env, &spec, &events, l);

    if (e == ERR_OK)
        e = listing_next(l->group, &found);
    if (e == ERR_AGAIN)
        return WAIT;
    listing_free(l->group);
    l->group = NULL;
    pass(l, group, true);
    if (e != ERR_OK && e != ERR_EOF)
        listing_fail(l, e);
    *out = (struct replica_entry){.key = listing_span(&l->passed), .is_group = true, .etag = SPAN_EMPTY};
    return e == ERR_OK ? GIVE : ON;
}

/* A place that has a row; `entry` is there when the page shows it too. */
static enum verdict settle(struct listing *l, const struct next *row, const struct next *entry,
                           struct replica_entry *out)
{
    const struct journal_range_key *key = next_row(l);
    bool right = row->is_group ? knows_group(l, row->text) : is_listed_right(l, key);
    const struct replica_object *object;
    size_t end = l->row;
    enum err e;

    if (right && entry->there)
        return give_entry(l, entry, out);
    if (right) {
        pass(l, row->text, row->is_group);
        return ON;
    }
    if (row->is_group)
        return look_into(l, row->text, SPAN_EMPTY, out);
    while (end < l->journal->range.count && end < l->row + 4 * LISTING_LOOKS &&
           page_covers(l, l->journal->range.keys[end].key))
        end++;
    e = listing_look(l, l->row, end, &object);
    if (e == ERR_AGAIN)
        return WAIT;
    if (e == ERR_OK)
        return give_shown(l, key->key, object, out);
    listing_fail(l, ERR_UNAVAILABLE);
    return ON;
}

/* All that is known of the rows has been settled: on with those behind them. */
static void pass_rows(struct listing *l)
{
    bool is_group;
    struct span last = listing_text_of(l, last_row(l), &is_group);

    if (span_cmp(last, listing_span(&l->passed)) > 0)
        pass(l, last, is_group);
    l->rows = PART_NONE;
}

/* Neither has anything more before the end of the page. */
static void turn_page(struct listing *l)
{
    l->entries = PART_NONE;
    if (!next_row(l) && rows_end_early(l))
        l->rows = PART_NONE;
    else if (!l->page.more)
        listing_fail(l, ERR_EOF);
}

static enum verdict merge(struct listing *l, struct replica_entry *out)
{
    struct next entry = next_entry(l), row = next_row_text(l);
    bool rows_over = !row.there && rows_end_early(l);
    int order;

    /* behind the last known row nothing is known of this page */
    if (rows_over && (entry.there ? span_cmp(entry.text, last_row(l)) > 0 : !l->page.more)) {
        pass_rows(l);
        return ON;
    }
    if (row.there && !page_covers(l, row.text))
        row.there = false;
    if (!entry.there && !row.there) {
        turn_page(l);
        return ON;
    }
    order = !row.there ? -1 : !entry.there ? 1 : span_cmp(entry.text, row.text);
    if (order < 0)
        return give_entry(l, &entry, out);
    if (order > 0)
        entry.there = false;
    return settle(l, &row, &entry, out);
}

/* ---- the owner's side ---- */

static enum verdict advance(struct listing *l, struct replica_entry *out)
{
    if (l->split) {
        enum verdict v = look_into(l, listing_span(&l->group_name), listing_span(&l->passed), out);

        l->split = v == WAIT;
        return v;
    }
    if (l->rows == PART_NONE) {
        listing_looks_end(l);
        listing_ask_rows(l);
    }
    if (l->rows == PART_HERE && l->entries == PART_NONE && !l->failed)
        listing_ask_page(l);
    if (l->failed)
        return ON;
    return l->rows == PART_HERE && l->entries == PART_HERE ? merge(l, out) : WAIT;
}

enum err listing_next(struct listing *l, struct replica_entry *out)
{
    l->waiting = false;
    while (!l->failed) {
        switch (advance(l, out)) {
        case GIVE: l->given++; return ERR_OK;
        case WAIT: l->waiting = true; return ERR_AGAIN;
        case ON: break;
        }
    }
    return l->failed;
}

bool listing_has_more(const struct listing *l)
{
    bool no_rows = l->no_rows || (l->journal && !next_row(l) && !l->journal->range.more);

    return !l->failed && l->rows == PART_HERE && l->entries == PART_HERE && no_rows &&
           l->entry == l->page.count && l->page.sure && (l->delimiter.len == 0 || listing_groups_by_slash(l));
}

/* Where it begins: within a group behind all of it, or with a look at what is left of it. */
static void begin_behind(struct listing *l, const struct listing_spec *spec)
{
    size_t end;

    listing_set(&l->passed, spec->after);
    if (!span_starts(listing_span(&l->passed), listing_span(&l->prefix)))
        return;
    end = behind_delimiter(l, listing_span(&l->passed), l->prefix.len);
    if (!end)
        return;
    listing_set(&l->group_name, span_head(listing_span(&l->passed), end));
    l->split = spec->split;
    if (!l->split)
        pass(l, listing_span(&l->group_name), true);
}

static enum err take_room(struct listing *l)
{
    if (l->page_most <= FEW_ENTRIES + 1) {
        size_t bytes = (FEW_ENTRIES + 3) * PAGE_ENTRY_BYTES_MAX; /* a walk may ask for one more */

        l->room = malloc(bytes);
        if (!l->room)
            return ERR_NOMEM;
        replica_page_init(&l->page, l->room, bytes);
        return ERR_OK;
    }
    l->chunk = chunk_take(l->env->budget);
    if (!l->chunk)
        return ERR_BUSY;
    replica_page_init(&l->page, l->chunk->data, CHUNK_BYTES);
    return ERR_OK;
}

enum err listing_open(struct listing **out, struct env *env, const struct listing_spec *spec,
                      const struct listing_events *events, void *ctx)
{
    struct listing *l = calloc(1, sizeof(*l));
    enum err e;

    *out = NULL;
    if (!l)
        return ERR_NOMEM;
    l->env = env;
    l->events = events;
    l->ctx = ctx;
    l->bucket = spec->bucket;
    l->most = spec->most;
    l->set = *spec->replicas;
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++)
        if (!l->set.by_slot[slot])
            l->set.mask &= ~(1u << slot);
    listing_page_init(l);
    if (spec->prefix.len > S3_KEY_BYTES_MAX)
        l->failed = ERR_EOF; /* no key is that long */
    listing_set(&l->prefix, spec->prefix);
    listing_set(&l->delimiter, spec->delimiter);
    begin_behind(l, spec);
    l->page_most = S3_LIST_KEYS_MAX;
    if (spec->most <= FEW_ENTRIES && (l->delimiter.len == 0 || listing_groups_by_slash(l)))
        l->page_most = spec->most + 1;
    e = take_room(l);
    if (e != ERR_OK) {
        listing_free(l);
        return e;
    }
    *out = l;
    return ERR_OK;
}

void listing_free(struct listing *l)
{
    if (!l)
        return;
    clock_stop(l->env->clock, &l->timer);
    if (l->call)
        replica_call_abandon(l->set.by_slot[l->slot], l->call);
    listing_looks_end(l);
    listing_free(l->group);
    if (l->journal && l->journal->asked)
        l->journal->listing = NULL; /* on_rows frees it */
    else
        free(l->journal);
    if (l->chunk)
        chunk_give(l->env->budget, l->chunk);
    free(l->room);
    free(l);
}
