/* fanout/listing_private.h - what listing.c and listing_look.c share. */
#ifndef FANOUT_LISTING_PRIVATE_H
#define FANOUT_LISTING_PRIVATE_H

#include "fanout/listing.h"
#include "s3/request.h"

enum {
    LISTING_TEXT_BYTES_MAX =
        S3_KEY_BYTES_MAX + 8, /* a key, or a group with what makes it a position behind it */
    LISTING_LOOKS = 16,       /* at a time */
};

struct listing_text {
    size_t len;
    char at[LISTING_TEXT_BYTES_MAX];
};

/* What a replica of a key's stored set shows. */
struct listing_look {
    struct listing *listing; /* NULL: not in use */
    size_t row;              /* of the range */
    struct replica *replica;
    struct replica_call *call; /* NULL: it is over */
    uint32_t candidates;
    enum err result; /* once it is over */
    struct replica_object object;
    struct timer timer;
};

/* A reading of the journal; it may outlive the listing. */
struct listing_rows {
    struct journal_range range;
    struct listing *listing; /* NULL: the listing has gone */
    bool asked;
    char prefix[LISTING_TEXT_BYTES_MAX], after[LISTING_TEXT_BYTES_MAX];
};

enum listing_part { PART_NONE, PART_ASKED, PART_HERE };

struct listing {
    struct env *env;
    const struct listing_events *events;
    void *ctx;
    uint32_t bucket, most, given;
    struct replica_set set;
    struct listing_text prefix, delimiter;
    struct listing_text passed; /* the entry that was given or passed over last */
    bool passed_group;          /* it is a group */
    bool split;                 /* group_name is to be looked into, behind `passed` */
    bool waiting;               /* listing_next said ERR_AGAIN */
    enum err failed;            /* ERR_OK: it goes on; ERR_EOF: it is over */

    enum listing_part rows;
    bool no_rows; /* the bucket has none */
    struct listing_rows *journal;
    size_t row; /* the next one */
    struct listing_look looks[LISTING_LOOKS];

    enum listing_part entries;
    struct replica_page page;
    uint32_t entry; /* the next one */
    struct chunk *chunk;
    void *room;         /* instead of a chunk, where a few entries are wanted */
    uint32_t page_most; /* entries that fit */
    bool chosen;
    uint32_t slot, tried; /* the replica that is listed; those that failed */
    struct replica_call *call;
    struct timer timer;
    uint64_t asked_ms;

    struct listing *group; /* is there anything in it? */
    struct listing_text group_name;
};

static inline void listing_set(struct listing_text *t, struct span s)
{
    t->len = s.len < sizeof(t->at) ? s.len : sizeof(t->at);
    memmove(t->at, s.at, t->len);
}

static inline struct span listing_span(const struct listing_text *t)
{
    return (struct span){t->at, t->len};
}

static inline void listing_fail(struct listing *l, enum err e)
{
    l->failed = e;
}

/* Then the backend does it. */
static inline bool listing_groups_by_slash(const struct listing *l)
{
    return span_is(listing_span(&l->delimiter), "/");
}

/* Something has come: the owner may ask again. The last thing a callback does. */
void listing_wake(struct listing *l);

/* listing_page.c */
void listing_page_init(struct listing *l);
/* The rows behind what has been passed. A page that was asked for before them is of no use. */
void listing_ask_rows(struct listing *l);
/* The entries behind what has been passed. */
void listing_ask_page(struct listing *l);

/* listing_look.c */
/* What is shown of the key of this row. ERR_OK: *out, exists or not. ERR_AGAIN: it is being asked, and so are some of the
 * rows behind it up to `end`. */
enum err listing_look(struct listing *l, size_t row, size_t end,
                      const struct replica_object **out) MUST_CHECK;
/* The rows are over. */
void listing_looks_end(struct listing *l);
/* The group that a key is in, or itself. */
struct span listing_text_of(const struct listing *l, struct span key, bool *is_group);

#endif
