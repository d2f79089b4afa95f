/* sqlite_filter.h - says at once, from memory, that a key has no rows. Thread safe.
 *
 * Three counters for each of a fixed number of hash values: rows and claims of the keys that share it, those of
 * these rows that have a stored set, and manifests. Three bytes for each value, whatever the number of keys. */
#ifndef JOURNAL_SQLITE_FILTER_H
#define JOURNAL_SQLITE_FILTER_H

#include "base/err.h"
#include "journal/journal.h"

enum { FILTER_VALUES = 1 << 20, FILTER_FULL = UINT8_MAX, FILTER_BUCKETS = 1 << 10 };

enum filter_set { FILTER_ROWS, FILTER_STORED, FILTER_MANIFESTS, FILTER_SETS };

struct filter {
    uint64_t seed;
    _Atomic uint8_t *counts[FILTER_SETS];
    _Atomic uint64_t
        stored_in[FILTER_BUCKETS]; /* rows with a stored set, by the bucket's id; some share a count */
};

enum err filter_init(struct filter *f) MUST_CHECK;
void filter_fini(struct filter *f);

/* The place of a key: the argument of all below. */
uint32_t filter_place(const struct filter *f, const struct journal_key *key);
/* Before the row, claim or stored set can become durable. */
void filter_add(struct filter *f, enum filter_set set, uint32_t place);
/* After its removal has become durable, or when it can no longer become durable. */
void filter_drop(struct filter *f, enum filter_set set, uint32_t place);
/* The same for the count of a bucket's rows with a stored set. */
void filter_add_stored_in(struct filter *f, uint32_t bucket);
void filter_drop_stored_in(struct filter *f, uint32_t bucket);
bool filter_any_stored_in(const struct filter *f, uint32_t bucket);
/* At least the number there are; FILTER_FULL: unknown, many. */
uint8_t filter_count(const struct filter *f, enum filter_set set, uint32_t place);

#endif
