/* replica/list_walk.h - from what a backend can list to a page in byte order. Pure: says what to ask next.
 *
 * A walk is for one page of a listing: entries whose text is greater than `after`, in byte order, no more than `most`
 * and at least one unless there are none. With `grouped` a key with a '/' behind the prefix stands for its group: the
 * text up to and with that '/', which is an entry once.
 *
 * The caller asks the backend what the walk says and gives it the answer, until the walk is over:
 *
 *     while (list_walk_next(&w, &ask))
 *         w.truncated = fill *ask.into with the entries of ask.prefix behind ask.after, as the backend orders them,
 *                       ask.most at the most; true when it says that there are more
 *
 * What is in ask.into is sorted by the walk. */
#ifndef REPLICA_LIST_WALK_H
#define REPLICA_LIST_WALK_H

#include "base/err.h"
#include "replica/page.h"

enum { WALK_TEXT_BYTES_MAX = 1024 + 16, WALK_ASKS_MAX = 4096, WALK_FEW_BYTES = 16 * 1024 };

enum list_order {
    LIST_ORDER_BYTES,
    LIST_ORDER_BYTES_UNSOUND, /* what it lists behind a place within a folder is not to be believed */
    LIST_ORDER_PATH           /* '/' before all other characters: "a/b", "a!b" */
};

struct list_text {
    uint16_t len;
    char at[WALK_TEXT_BYTES_MAX];
};

struct list_ask {
    struct span prefix, after; /* after: "", or it begins with prefix */
    bool grouped;
    uint32_t most;
    struct replica_page *into; /* empty */
};

struct list_walk {
    enum list_order order;
    bool grouped;
    uint32_t most;
    enum err failed; /* when the walk is over: ERR_OK, or ERR_PROTOCOL: such answers cannot be */
    struct replica_page *page;
    bool truncated; /* of the last answer */

    int step; /* from here on the walk's own */
    uint32_t asks;
    struct list_text prefix, after; /* what is being walked now */
    struct list_text whole, start;  /* what was asked for */
    struct list_text folder, scratch;
    struct replica_page few; /* for a look at whether there is anything */
    uint32_t few_room[WALK_FEW_BYTES / sizeof(uint32_t)];
    struct { /* list_path.c */
        struct list_text from, below, last;
        uint32_t pending, cleared, repeats;
        bool segment, beyond, truncated;
    } path;
};

/* `page` is the caller's and becomes the result, with `more` and `sure`. False: prefix or after is too long. */
bool list_walk_init(struct list_walk *w, enum list_order order, struct replica_page *page, struct span prefix,
                    bool grouped, struct span after, uint32_t most) MUST_CHECK;
bool list_walk_next(struct list_walk *w, struct list_ask *ask);

/* Path order as one order of bytes: negative, 0, positive. */
int list_path_cmp(struct span a, struct span b);

#endif
