/* replica/list_steps.h - what list_walk.c and list_path.c share. Private to them. */
#ifndef REPLICA_LIST_STEPS_H
#define REPLICA_LIST_STEPS_H

#include "replica/list_walk.h"

static inline struct span text_span(const struct list_text *t)
{
    return (struct span){t->at, t->len};
}

static inline bool text_set(struct list_text *t, struct span s)
{
    if (s.len > sizeof(t->at))
        return false;
    t->len = (uint16_t)s.len;
    memmove(t->at, s.at, s.len);
    return true;
}

/* What does not fit is cut: nothing that is listed is that long. */
static inline void text_add(struct list_text *t, struct span more)
{
    size_t room = sizeof(t->at) - t->len;

    more = span_head(more, room);
    span_put(t->at + t->len, more);
    t->len = (uint16_t)(t->len + more.len);
}

/* The index of the last '/' at `from` or behind; text.len without one. */
static inline size_t last_slash(struct span text, size_t from)
{
    for (size_t at = text.len; at > from; at--)
        if (text.at[at - 1] == '/')
            return at - 1;
    return text.len;
}

/* Fills *ask; always true. after: NULL: from the start. */
static inline bool walk_ask(struct list_walk *w, struct list_ask *ask, int step,
                            const struct list_text *prefix, const struct list_text *after, bool grouped,
                            uint32_t most, struct replica_page *into)
{
    replica_page_clear(into);
    w->step = step;
    *ask = (struct list_ask){.prefix = text_span(prefix),
                             .after = after ? text_span(after) : SPAN_EMPTY,
                             .grouped = grouped,
                             .most = most,
                             .into = into};
    return true;
}

static inline bool walk_fail(struct list_walk *w)
{
    w->failed = ERR_PROTOCOL;
    return false;
}

/* The walk is over; always false. An answer may have had what was not asked for. */
static inline bool walk_over(struct list_walk *w, bool more, bool sure)
{
    w->page->more = more;
    w->page->sure = more && sure;
    if (replica_page_rank(w->page, text_span(&w->start)) || (more && w->page->count == 0))
        return walk_fail(w);
    return false;
}

bool list_path_next(struct list_walk *w, struct list_ask *ask);

#endif
