/* A backend that orders by bytes: one question. Unless it is unsound, and is asked for what is behind a place within a
 * folder:
 *
 * One widely used server, asked for what comes behind "m/5", counts the names that come before "m/" ("m-1", "m-2",
 * ...) against the limit, then stops, leaves m/ out, may list something that comes later, and says that there is nothing
 * more. So it is asked only where `after` has no '/' behind the prefix:
 *
 *     INSIDE    the rest of the folder m/ itself, with that prefix
 *     NEXT_KEY  when that is empty: the key "m0", the first text behind all of m/, when there is such a key
 *     REST      what comes behind "m0" in the folder that m/ is in
 *
 * and so on outwards, until something comes. */
#include "replica/list_steps.h"

enum step { STEP_START, STEP_MAIN, STEP_INSIDE, STEP_NEXT_KEY, STEP_REST };

int list_path_cmp(struct span a, struct span b)
{
    size_t n = a.len < b.len ? a.len : b.len;

    for (size_t i = 0; i < n; i++) {
        uint8_t x = a.at[i] == '/' ? 0 : (uint8_t)a.at[i], y = b.at[i] == '/' ? 0 : (uint8_t)b.at[i];

        if (x != y)
            return x < y ? -1 : 1;
    }
    return a.len < b.len ? -1 : a.len > b.len;
}

bool list_walk_init(struct list_walk *w, enum list_order order, struct replica_page *page, struct span prefix,
                    bool grouped, struct span after, uint32_t most)
{
    size_t slash;

    memset(w, 0, sizeof(*w));
    w->order = order;
    w->grouped = grouped;
    w->most = most;
    w->page = page;
    replica_page_clear(page);
    replica_page_init(&w->few, w->few_room, sizeof(w->few_room));
    if (!span_starts(after, prefix) && span_cmp(after, prefix) < 0)
        after = SPAN_EMPTY;
    slash = prefix.len + span_find(span_skip(after, prefix.len), '/');
    if (!grouped || slash >= after.len)
        return text_set(&w->whole, prefix) && text_set(&w->start, after);
    /* behind the whole group that it is in */
    if (!text_set(&w->whole, prefix) || !text_set(&w->start, span_head(after, slash + 1)))
        return false;
    text_add(&w->start, SPAN(PAGE_LAST));
    return true;
}

/* The folder that `after` is in, behind the prefix; false without one. */
static bool find_folder(struct list_walk *w)
{
    struct span after = text_span(&w->after);
    size_t slash = last_slash(after, w->whole.len);

    return slash < after.len && text_set(&w->folder, span_head(after, slash));
}

static bool ask_next_key(struct list_walk *w, struct list_ask *ask)
{
    text_add(&w->folder, SPAN("0"));
    return walk_ask(w, ask, STEP_NEXT_KEY, &w->folder, NULL, w->grouped, 1, &w->few);
}

static bool climb(struct list_walk *w, struct list_ask *ask)
{
    if (w->grouped || span_ends(text_span(&w->after), SPAN("/" PAGE_LAST)))
        return ask_next_key(w, ask);
    w->scratch = w->folder;
    text_add(&w->scratch, SPAN("/"));
    return walk_ask(w, ask, STEP_INSIDE, &w->scratch, &w->after, false, w->most, w->page);
}

static bool after_main(struct list_walk *w)
{
    replica_page_cut(w->page, replica_page_rank(w->page, text_span(&w->after)), w->page->count);
    return walk_over(w, w->truncated, w->truncated);
}

static bool after_inside(struct list_walk *w, struct list_ask *ask)
{
    replica_page_cut(w->page, replica_page_rank(w->page, text_span(&w->after)), w->page->count);
    if (w->page->count)
        return walk_over(w, true, w->truncated);
    return w->truncated ? walk_fail(w) : ask_next_key(w, ask);
}

static bool after_next_key(struct list_walk *w, struct list_ask *ask)
{
    struct span key = text_span(&w->folder), name = span_head(key, key.len - 1);
    size_t slash = last_slash(name, w->whole.len);
    struct replica_entry e;

    if (w->few.count && (e = replica_page_get(&w->few, 0), span_eq(e.key, key))) {
        replica_page_clear(w->page);
        return replica_page_add(w->page, &e) ? walk_over(w, true, false) : walk_fail(w);
    }
    /* the folder that this one is in, or the prefix */
    (void)!text_set(&w->prefix, slash < name.len ? span_head(name, slash + 1) : text_span(&w->whole));
    return walk_ask(w, ask, STEP_REST, &w->prefix, &w->folder, w->grouped, w->most, w->page);
}

static bool after_rest(struct list_walk *w, struct list_ask *ask)
{
    replica_page_cut(w->page, replica_page_rank(w->page, text_span(&w->folder)), w->page->count);
    if (w->page->count)
        return walk_over(w, true, w->truncated);
    if (w->truncated)
        return walk_fail(w);
    if (w->prefix.len == w->whole.len)
        return walk_over(w, false, false);
    (void)!text_set(&w->folder, span_head(text_span(&w->prefix), w->prefix.len - 1u));
    return ask_next_key(w, ask);
}

bool list_walk_next(struct list_walk *w, struct list_ask *ask)
{
    struct span prefix = text_span(&w->whole), after = text_span(&w->start);

    if (++w->asks > WALK_ASKS_MAX)
        return walk_fail(w);
    if (w->asks == 1 && after.len && !span_starts(after, prefix))
        return walk_over(w, false, false);
    if (w->order == LIST_ORDER_PATH)
        return list_path_next(w, ask);
    (void)!replica_page_sort(w->page);
    switch ((enum step)w->step) {
    case STEP_START:
        w->after = w->start;
        if (w->order == LIST_ORDER_BYTES_UNSOUND && find_folder(w))
            return climb(w, ask);
        /* a group that `after` is in may come once more */
        return walk_ask(w, ask, STEP_MAIN, &w->whole, after.len ? &w->after : NULL, w->grouped,
                        w->most + (w->grouped && after.len), w->page);
    case STEP_MAIN: return after_main(w);
    case STEP_INSIDE: return after_inside(w, ask);
    case STEP_NEXT_KEY: return after_next_key(w, ask);
    case STEP_REST: return after_rest(w, ask);
    }
    return walk_fail(w);
}
