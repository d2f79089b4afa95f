/* A backend that orders by path, as file systems do: in it '/' comes before every other character.
 *
 *     bytes: "x-1" "x-2" "x/1" "x/2" "x0"          path: "x/1" "x/2" "x-1" "x-2" "x0"
 *
 * The two differ only in where a folder Y/ stands among its siblings Yc, c < '/'. So of a piece of the backend's
 * listing, from somewhere to the entry `last`, sorted by bytes, all is right that is less than what can be missing:
 *
 *   behind `last`     its own next siblings, and for each folder Y/ that it is in: siblings Yc, which may be far away
 *   before the piece  for each Z that `after` begins with and goes on with a c < '/', or that it is: the folder Z/
 *
 * What is less than all of these is the page. When there is nothing of that kind, the least of them is looked for: a
 * folder Z/ that is there is walked next, by itself (a segment); siblings of Y/ too; what is not there is crossed
 * off. Siblings of a folder that `after` itself is in have been listed: they are skipped.
 *
 * Most keys have no such folder beside them, and still each page would cost a look. So the piece is asked for from a
 * little before `after`: what may be hidden then comes by itself, and a few entries are repeated. Where they are many, or
 * the folder is there and does not end with the piece, it is asked for from `after` on, as above.
 *
 * Memory is the page and some texts, whatever the number of folders. */
#include "replica/list_steps.h"

enum step { STEP_START, STEP_MAIN, STEP_LOOK_IN, STEP_LOOK_BEHIND };

enum {
    NOWHERE = UINT16_MAX,
    REPEATS = 4, /* so many entries more are asked for where some are likely to be repeated; 1 of few */
    MANY = 100,
    EXTENSION_CHARS_MAX = 8,
};

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static bool ask_main(struct list_walk *w, struct list_ask *ask)
{
    return walk_ask(w, ask, STEP_MAIN, &w->prefix, w->path.from.len ? &w->path.from : NULL, w->grouped,
                    w->most + w->path.repeats, w->page);
}

/* Asked for what comes behind the key k, one server leaves the folder k/ out. */
static bool hides_own_folder(const struct list_text *after)
{
    struct span text = text_span(after);

    return text.len && !span_ends(text, SPAN("/")) && !span_ends(text, SPAN("/" PAGE_LAST));
}

/* The length of a name without what looks like its extensions: "x/b-1.tar.gz" without ".tar.gz". */
static size_t stem_length(struct span key, size_t from)
{
    size_t end = key.len;

    for (size_t at = key.len; at > from + 1 && key.at[at - 1] != '/'; at--) {
        char next = at < key.len ? key.at[at] : '\0';

        if (key.at[at - 1] == '.' && (next < 'A' || end - at > EXTENSION_CHARS_MAX))
            break;
        if (key.at[at - 1] == '.' && key.at[at - 2] != '/')
            end = at - 1;
    }
    return end;
}

/* Makes of a text the place right before it, with nothing between the two in either order: "k-9" becomes "k-8\u10ffff". Asked
 * for what comes behind that place a server has no reason to leave the folder k-9/ out. False: there is none that is text. */
static bool step_before(struct list_text *t, struct span prefix)
{
    char c = t->len > prefix.len ? t->at[t->len - 1] : '\0';

    if (c <= '!' || c > '~')
        return false;
    t->at[t->len - 1] = c == '0' ? '.' : (char)(c - 1); /* '/' is elsewhere in the order of paths */
    text_add(t, SPAN(PAGE_LAST));
    return true;
}

/* To before the stem of `after`: a few entries are repeated. The length of the stem; 0: that cannot be. */
static size_t step_back(struct list_text *from, struct span prefix)
{
    size_t stem = stem_length(text_span(from), prefix.len);

    from->len = (uint16_t)stem;
    return step_before(from, prefix) ? stem : 0;
}

static bool start(struct list_walk *w, struct list_ask *ask, bool back)
{
    bool hides = hides_own_folder(&w->start);
    size_t stem = 0;

    w->prefix = w->whole;
    w->after = w->path.from = w->start;
    w->path.below.len = 0;
    if (hides && back)
        stem = step_back(&w->path.from, text_span(&w->prefix));
    if (!stem)
        w->path.from = w->start;
    w->path.repeats = !stem ? 0 : w->most < MANY ? 1 : REPEATS;
    w->path.pending = stem ? (uint32_t)stem : (uint32_t)w->after.len + hides;
    w->path.cleared = 0;
    w->path.segment = false;
    return ask_main(w, ask);
}

/* From here on only what is in this part of the listing. */
static bool walk_segment(struct list_walk *w, struct list_ask *ask)
{
    w->after.len = 0;
    w->path.pending = w->path.cleared = 0;
    w->path.repeats = 0;
    w->path.segment = true;
    return ask_main(w, ask);
}

/* The first folder of `last` whose siblings may come behind `after`, as the index of its '/'; NOWHERE without one. */
static uint32_t open_folder(const struct list_walk *w)
{
    struct span last = text_span(&w->path.last), after = text_span(&w->after);

    if (!w->truncated || w->path.beyond)
        return NOWHERE;
    for (uint32_t at = w->path.cleared > w->prefix.len ? w->path.cleared : w->prefix.len; at < last.len; at++)
        if (last.at[at] == '/' && span_cmp(span_head(last, at + 1), after) > 0)
            return at;
    return NOWHERE;
}

/* The folder that may have been left out before `after`, as its length without the '/'; NOWHERE without one. */
static uint32_t hidden_folder(const struct list_walk *w)
{
    for (uint32_t at = w->path.pending; at > w->prefix.len && at > 1; at--) {
        bool is_end = at > w->after.len;

        if (is_end || ((uint8_t)w->after.at[at - 1] < '/' && w->after.at[at - 2] != '/'))
            return at - 1;
    }
    return NOWHERE;
}

/* How many entries are less than `text`. */
static uint32_t less_than(const struct replica_page *p, struct span text)
{
    uint32_t n = replica_page_rank(p, text);

    return n && span_eq(replica_page_get(p, n - 1).key, text) ? n - 1 : n;
}

/* The least text that such siblings can have, and such a folder. */
static struct span siblings_of(struct list_text *room, const struct list_text *last, uint32_t open)
{
    (void)!text_set(room, span_head(text_span(last), open));
    text_add(room, SPAN("\x01"));
    return text_span(room);
}

static struct span folder_of(struct list_text *room, const struct list_text *after, uint32_t hidden)
{
    (void)!text_set(room, span_head(text_span(after), hidden));
    text_add(room, SPAN("/"));
    return text_span(room);
}

/* Is what comes behind `last` new? Not when it may be siblings of a folder that were listed before. */
static bool is_new_behind(const struct list_walk *w)
{
    struct span last = text_span(&w->path.last), after = text_span(&w->after);

    for (size_t at = w->prefix.len; at < last.len; at++)
        if (last.at[at] == '/' && span_cmp(span_head(last, at + 1), after) <= 0)
            return false;
    return span_cmp(last, after) > 0;
}

static bool emit(struct list_walk *w, uint32_t n, bool pending)
{
    bool is_cut, truncated = w->truncated && !w->path.beyond;

    n = least(n, w->most);
    is_cut = n < w->page->count;
    replica_page_cut(w->page, 0, n);
    return walk_over(w, is_cut || truncated || pending || w->path.segment,
                     is_cut || (truncated && !w->path.segment && is_new_behind(w)));
}

static bool look_behind(struct list_walk *w, struct list_ask *ask, uint32_t open)
{
    (void)!text_set(&w->folder, span_head(text_span(&w->path.last), open));
    w->scratch = w->folder;
    text_add(&w->scratch, SPAN("/" PAGE_LAST));
    return walk_ask(w, ask, STEP_LOOK_BEHIND, &w->folder, &w->scratch, w->grouped, 2, &w->few);
}

static bool look_in_itself(struct list_walk *w, struct list_ask *ask)
{
    return walk_ask(w, ask, STEP_LOOK_IN, &w->folder, NULL, false, 1, &w->few);
}

/* There is a server that looks for "k/" among all names that begin with k: what comes right before is asked for instead. */
static bool look_in(struct list_walk *w, struct list_ask *ask, uint32_t hidden)
{
    (void)!text_set(&w->folder, span_head(text_span(&w->after), hidden));
    w->scratch = w->folder;
    text_add(&w->folder, SPAN("/"));
    w->path.pending = hidden;
    if (step_before(&w->scratch, text_span(&w->prefix)))
        return walk_ask(w, ask, STEP_LOOK_IN, &w->prefix, &w->scratch, false, 2, &w->few);
    return look_in_itself(w, ask);
}

/* What is greater than `last` by bytes is a folder's whose siblings it is one of: more of them may come. */
static uint32_t up_to_last(const struct list_walk *w)
{
    struct span last = text_span(&w->path.last);

    if (!w->truncated || w->path.beyond || span_cmp(last, text_span(&w->after)) <= 0)
        return w->page->count;
    return replica_page_rank(w->page, last);
}

/* Stepping back has led into a folder beside `after`, which is one of its siblings: some have been listed before. */
static bool is_stem(const struct list_walk *w, uint32_t open)
{
    return w->path.repeats && open < w->after.len &&
           span_starts(text_span(&w->after), span_head(text_span(&w->path.last), open));
}

/* What of the page is right? A look costs less than a page that is mostly left. */
static bool decide(struct list_walk *w, struct list_ask *ask)
{
    uint32_t open = open_folder(w), hidden = hidden_folder(w), n = up_to_last(w);
    struct span siblings = {0}, folder = {0};
    bool by_siblings;

    if (open != NOWHERE)
        siblings = siblings_of(&w->scratch, &w->path.last, open);
    if (hidden != NOWHERE)
        folder = folder_of(&w->folder, &w->after, hidden);
    by_siblings = siblings.at && (!folder.at || span_cmp(siblings, folder) < 0);
    if (by_siblings || folder.at)
        n = least(n, less_than(w->page, by_siblings ? siblings : folder));
    if (by_siblings && is_stem(w, open))
        return start(w, ask, false);
    if (by_siblings && 2 * n < w->page->count)
        return look_behind(w, ask, open);
    if (folder.at && (n == 0 || (!by_siblings && 2 * n < w->page->count)))
        return look_in(w, ask, hidden);
    if (n == 0) /* nothing is there; a segment was a moment ago */
        return w->path.segment ? start(w, ask, true) : walk_over(w, false, false);
    return emit(w, n, folder.at);
}

/* All of it has been listed before: on behind the siblings of the folder that `after` is in. */
static bool skip(struct list_walk *w, struct list_ask *ask)
{
    struct span last = text_span(&w->path.last), after = text_span(&w->after);
    size_t at = 0;

    while (at < last.len && at < after.len && last.at[at] == after.at[at])
        at++;
    (void)!text_set(&w->path.from, span_head(after, at));
    text_add(&w->path.from, SPAN("." PAGE_LAST));
    if (list_path_cmp(text_span(&w->path.from), last) < 0)
        (void)!text_set(&w->path.from, last);
    return ask_main(w, ask);
}

static void note_last(struct list_walk *w)
{
    struct span last = SPAN_EMPTY;

    for (uint32_t at = 0; at < w->page->count; at++) {
        struct span key = replica_page_get(w->page, at).key;

        if (at == 0 || list_path_cmp(key, last) > 0)
            last = key;
    }
    (void)!text_set(&w->path.last, last);
}

static bool after_main(struct list_walk *w, struct list_ask *ask)
{
    struct replica_page *p = w->page;
    uint32_t had = p->count, end;

    if (w->truncated && !had)
        return walk_fail(w);
    note_last(w);
    if (!replica_page_sort(p))
        return walk_fail(w);
    end = w->path.below.len ? less_than(p, text_span(&w->path.below)) : had;
    w->path.beyond = end < had;
    replica_page_cut(p, replica_page_rank(p, text_span(&w->after)), end);
    if (w->truncated && w->path.repeats && list_path_cmp(text_span(&w->path.last), text_span(&w->after)) <= 0)
        return start(w, ask, false); /* nearly all was repeated */
    if (p->count == 0 && w->truncated && !w->path.beyond)
        return list_path_cmp(text_span(&w->path.last), text_span(&w->path.from)) > 0 ? skip(w, ask)
                                                                                     : walk_fail(w);
    w->path.truncated = w->truncated;
    return decide(w, ask);
}

static bool after_look_in(struct list_walk *w, struct list_ask *ask)
{
    struct replica_entry group = {.key = text_span(&w->folder), .is_group = true, .etag = SPAN_EMPTY};
    bool found = false, is_past = !w->truncated;
    uint32_t n;

    if (w->truncated && !w->few.count)
        return walk_fail(w);
    for (uint32_t at = 0; at < w->few.count; at++) {
        struct span key = replica_page_get(&w->few, at).key;

        found = found || span_starts(key, group.key);
        is_past = is_past || list_path_cmp(key, group.key) > 0;
    }
    if (!found && !is_past)
        return look_in_itself(w, ask);
    w->truncated = w->path.truncated;
    if (!found)
        return decide(w, ask);
    n = least(up_to_last(w), less_than(w->page, group.key));
    if (n)
        return emit(w, n, true);
    if (w->grouped) {
        replica_page_clear(w->page);
        return replica_page_add(w->page, &group) ? walk_over(w, true, false) : walk_fail(w);
    }
    w->prefix = w->folder;
    w->path.from.len = w->path.below.len = 0;
    return walk_segment(w, ask);
}

static bool has_siblings(const struct list_walk *w)
{
    struct span folder = text_span(&w->folder);

    for (uint32_t at = 0; at < w->few.count; at++) {
        struct span key = replica_page_get(&w->few, at).key;

        if (key.len > folder.len && span_starts(key, folder) && (uint8_t)key.at[folder.len] < '/')
            return true;
    }
    return false;
}

static bool after_look_behind(struct list_walk *w, struct list_ask *ask)
{
    uint32_t n;

    w->truncated = w->path.truncated;
    if (!has_siblings(w)) {
        w->path.cleared = w->folder.len + 1u;
        return decide(w, ask);
    }
    n = less_than(w->page, siblings_of(&w->scratch, &w->folder, w->folder.len));
    if (n)
        return emit(w, n, true);
    w->prefix = w->path.below = w->folder;
    text_add(&w->path.below, SPAN("/"));
    w->path.from = w->path.below;
    text_add(&w->path.from, SPAN(PAGE_LAST));
    return walk_segment(w, ask);
}

bool list_path_next(struct list_walk *w, struct list_ask *ask)
{
    switch ((enum step)w->step) {
    case STEP_START: return start(w, ask, true);
    case STEP_MAIN: return after_main(w, ask);
    case STEP_LOOK_IN: return after_look_in(w, ask);
    case STEP_LOOK_BEHIND: return after_look_behind(w, ask);
    }
    return walk_fail(w);
}
