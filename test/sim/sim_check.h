/* sim_check.h - the history of a run, and the promises it is held against (docs/protocol.md, DESIGN P1 to P4, P6).
 *
 * THE RULE for what a read may see (a regular register). Each write W of a key has a begin and an end; `end` is when it
 * was acknowledged, and for one that was not (503, broken, crash) it is never, until the key is QUIET: no row in
 * the journal, nothing on its way. A read R may see the value of W when
 *   - W began before R ended, and
 *   - no acknowledged write began after W's end and ended before R began.
 * A damaged copy of W (a backend stored other bytes than it was sent, and its ETag shows it) may not be seen once W is
 * acknowledged, if W was alone: of concurrent writes each counts on the copies of the others. When a key gets quiet, what its replicas show then counts as a write that was acknowledged at that moment, and all
 * unacknowledged writes that are over end before it: whatever is not shown then has vanished for good.
 *
 * After each step, per key:
 *   P2   replicas that differ: the journal has a row of the key.
 *   P4   a strict read at this moment, from any replica that the journal's rows allow, would be allowed by the rule.
 * When a request goes past its barrier: P2, the journal has its intent, or a claim on that replica that has not ended.
 * When a client reads: the same rule, for the time that its read took; and every byte is that of the body it was told.
 * When a body lands: P6, its client did not leave before it was verified. When a write is acknowledged: P1, each replica
 * that is called stored had it. At the end of a run: P3, all agree, no row is left, and the rule holds for what they show. */
#ifndef SIM_CHECK_H
#define SIM_CHECK_H

#include "sim_journal.h"
#include "sim_replica.h"

enum { CHECK_WRITES_MAX = 4096 };
#define NEVER UINT64_MAX

struct written {
    uint32_t key;
    const struct content *content; /* NULL: a delete */
    uint64_t begin, end;           /* on the checker's own count of events */
    bool acked, over, unverified;
    bool damaged;    /* what a quiet key shows may be; its write was not acknowledged */
    uint32_t landed; /* replicas that have shown it at some time; not known of deletes */
};

struct check {
    struct sim *sim;
    struct disk *disk;
    struct sim_store *stores;
    uint32_t replicas;
    uint64_t count; /* events of the history so far */
    struct written writes[CHECK_WRITES_MAX];
    size_t write_count;
    size_t quiet_from[SIM_KEYS_MAX]; /* writes before it are superseded for certain */
    bool touched[SIM_KEYS_MAX];      /* since the key was quiet last */
    uint64_t acked, refused, unknown, reads, lists, quiets;
};

void check_init(struct check *c, struct sim *s, struct disk *d, struct sim_store *stores, uint32_t replicas);
/* What all replicas show at the start, NULL: nothing. */
void check_initial(struct check *c, uint32_t key, const struct content *content);

/* A client's write begins; returns its number. */
size_t check_begin(struct check *c, uint32_t key, const struct content *content);
void check_verified(struct check *c, size_t write);
/* It was acknowledged, with these replicas called stored; or the client knows nothing. */
void check_acked(struct check *c, size_t write, uint32_t stored, uint32_t need);
void check_unknown(struct check *c, size_t write, bool refused);
/* It was acknowledged at some time that the client did not hear of: now it knows. */
void check_acked_earlier(struct check *c, size_t write);

/* A client's read: `began` comes from check_now at its start. */
uint64_t check_now(struct check *c);
void check_read(struct check *c, uint32_t key, const struct content *seen, bool damaged, uint64_t began);

/* A key as a list showed it, by its ETag; NULL: it was not listed. And the group of all keys. */
void check_listed(struct check *c, uint32_t key, const char *etag, uint64_t began);
void check_grouped(struct check *c, bool seen, uint64_t began);

/* A process lets a request past its barrier. */
void check_opened(struct check *c, const struct sim_store *st, uint32_t key, const struct sim_object *o,
                  uint32_t boot);
/* A replica has changed. */
void check_landed(struct check *c, const struct sim_store *st, uint32_t key);
/* After each step; `idle`: per key, no process has anything under way that writes it. */
void check_step(struct check *c, uint32_t boot, uint64_t boot_ms, const bool idle[static SIM_KEYS_MAX]);
/* The end of a run. */
void check_converged(struct check *c);

#endif
