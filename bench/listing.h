/* listing.h - a bucket of any number of keys that are nowhere: pages of it are printed as they are asked for. */
#ifndef BENCH_LISTING_H
#define BENCH_LISTING_H

#include "base/span.h"

enum { LISTING_PAGE_KEYS = 1000, LISTING_PAGE_ROOM = 320 << 10 };

/* ListObjectsV2 of keys "object-000000000" and on: the page that a query asks for. Its continuation token is the last
 * key, as is start-after; prefix and delimiter are not looked at. Returns its length. */
size_t listing_print(struct span query, uint64_t keys, char out[static LISTING_PAGE_ROOM]);

#endif
