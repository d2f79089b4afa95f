/* replica/page.h - a piece of a bucket's listing, in memory of the caller's. Pure.
 *
 * Entries are added in any order and read in byte order, once they are sorted. What does not fit is refused. */
#ifndef REPLICA_PAGE_H
#define REPLICA_PAGE_H

#include "base/span.h"

/* The greatest character that a key can begin with: PREFIX PAGE_LAST is behind all that matters with that prefix. */
#define PAGE_LAST "\xf4\x8f\xbf\xbf"

enum {
    PAGE_TEXT_BYTES_MAX = 3 * 1024, /* of a key as it comes: URL-encoded */
    PAGE_ETAG_BYTES_MAX = 80,
    PAGE_ENTRY_BYTES_MAX = PAGE_TEXT_BYTES_MAX + PAGE_ETAG_BYTES_MAX + 32
};

struct replica_entry {
    struct span key; /* or a group: what its keys have in common, up to and with the '/' */
    bool is_group;   /* then there is nothing else */
    uint64_t body_bytes, modified_ms;
    struct span etag; /* as answered */
};

struct replica_page {
    char *room; /* aligned for a uint32_t, and so is its end */
    size_t room_bytes, used;
    uint32_t count;
    bool more; /* there may be entries behind the last one */
    bool sure; /* there are: nothing but a change since can have taken them away */
};

void replica_page_init(struct replica_page *p, void *room, size_t room_bytes);
void replica_page_clear(struct replica_page *p);
/* False: it does not fit. */
bool replica_page_add(struct replica_page *p, const struct replica_entry *e);
/* The spans are the page's. */
struct replica_entry replica_page_get(const struct replica_page *p, uint32_t at);
/* The n-th entry's key becomes the first `len` bytes at *text, which may be written to and not beyond its end. */
char *replica_page_text(struct replica_page *p, uint32_t at, size_t *len);
void replica_page_set_text(struct replica_page *p, uint32_t at, size_t len);
/* Into byte order. False: two are the same. */
bool replica_page_sort(struct replica_page *p);
/* Of a sorted page: how many entries are not greater than `text`. */
uint32_t replica_page_rank(const struct replica_page *p, struct span text);
/* Keeps the entries from .. to-1 only. */
void replica_page_cut(struct replica_page *p, uint32_t from, uint32_t to);

#endif
