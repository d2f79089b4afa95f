/* A counting filter with saturating counters.
 *
 * Why an answer "none" is certain, whatever the threads do: call a row `alive` from the moment its insertion can
 * have been committed until its removal has been. We keep the invariant
 *
 *     count(place) >= number of alive rows and claims of the keys at that place, or count(place) is full.
 *
 *  - The loop that asks for a row adds to the counter before it queues the request; the writer takes the request
 *    from the queue under the same lock, so the addition happens before the commit: the count is lifted before
 *    the row can be alive.
 *  - The writer drops one only after COMMIT of the removal returned, or after the group that would have inserted
 *    the row was rolled back: never while the row is alive. It takes the number of rows removed from the database
 *    inside the transaction, where it is the only writer, so no row is dropped twice.
 *  - A full counter has forgotten how many there are, so it is never lowered again.
 *  - Rows of earlier processes are added before the first loop runs.
 *
 * Hence a count of 0 read at any moment means that no row of the key was alive at that moment. A count of exactly
 * 1, read by somebody whose own row is alive throughout, means that this one is the own row: another alive one
 * would have made it 2. Whoever has learned from anybody that a row is durable (a callback, an answer on a socket)
 * did so after the commit, hence after the addition, and sees it.
 *
 * Manifests are counted by the same rule, one for each; those that went with their bucket stay counted, which costs look-ups and
 * nothing else. The stored sets are counted by it, too: added before a write that can give a row a stored set is queued,
 * dropped after it is certain that this write did not raise the number of such rows. */
#include "journal/sqlite_filter.h"

#include "base/hash.h"
#include "base/random.h"

#include <stdatomic.h>
#include <stdlib.h>

enum err filter_init(struct filter *f)
{
    struct random random;
    bool full = false;

    random_init_system(&random);
    f->seed = random_u64(&random);
    for (int set = 0; set < FILTER_SETS; set++) {
        f->counts[set] = calloc(FILTER_VALUES, sizeof(*f->counts[set]));
        full = full || !f->counts[set];
    }
    if (full)
        filter_fini(f);
    return full ? ERR_NOMEM : ERR_OK;
}

void filter_fini(struct filter *f)
{
    for (int set = 0; set < FILTER_SETS; set++) {
        free(f->counts[set]);
        f->counts[set] = NULL;
    }
}

uint32_t filter_place(const struct filter *f, const struct journal_key *key)
{
    return hash64(key->key, f->seed + key->bucket * 0x9E3779B97F4A7C15u) & (FILTER_VALUES - 1);
}

void filter_add(struct filter *f, enum filter_set set, uint32_t place)
{
    _Atomic uint8_t *count = &f->counts[set][place];
    uint8_t now = atomic_load(count);

    while (now != FILTER_FULL && !atomic_compare_exchange_weak(count, &now, (uint8_t)(now + 1))) {
    }
}

void filter_drop(struct filter *f, enum filter_set set, uint32_t place)
{
    _Atomic uint8_t *count = &f->counts[set][place];
    uint8_t now = atomic_load(count);

    while (now != FILTER_FULL && now != 0 && !atomic_compare_exchange_weak(count, &now, (uint8_t)(now - 1))) {
    }
}

void filter_add_stored_in(struct filter *f, uint32_t bucket)
{
    atomic_fetch_add(&f->stored_in[bucket % FILTER_BUCKETS], 1);
}

void filter_drop_stored_in(struct filter *f, uint32_t bucket)
{
    atomic_fetch_sub(&f->stored_in[bucket % FILTER_BUCKETS], 1);
}

bool filter_any_stored_in(const struct filter *f, uint32_t bucket)
{
    return atomic_load(&f->stored_in[bucket % FILTER_BUCKETS]) != 0;
}

uint8_t filter_count(const struct filter *f, enum filter_set set, uint32_t place)
{
    return atomic_load(&f->counts[set][place]);
}
