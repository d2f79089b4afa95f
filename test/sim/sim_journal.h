/* sim_journal.h - a journal in memory: what is durable outlives the process, what is under way may not. */
#ifndef SIM_JOURNAL_H
#define SIM_JOURNAL_H

#include "journal/journal.h"
#include "sim.h"
#include "sim_journal_upload.h"

enum { SIM_BUCKET = 1, DISK_ROWS_MAX = 1024 };

struct disk_row {
    struct row row;      /* orphan and age_ms are worked out for each reader */
    uint32_t key, boot;  /* who made it */
    uint64_t changed_ms; /* simulated time */
};

struct disk_claim {
    bool taken;
    struct claim claim;
    uint64_t taken_ms;
};

struct disk_work {
    struct journal_failures failures; /* wait_ms is worked out for each reader */
    uint64_t until_ms;
};

/* What is durable. */
struct disk {
    struct sim *sim;
    struct disk_row rows[DISK_ROWS_MAX];
    size_t count;
    struct disk_claim claims[SIM_KEYS_MAX];
    struct disk_work work[SIM_KEYS_MAX];
    uint64_t last_claim;
    struct disk_uploads uploads;
};

/* One process's handle. */
struct sim_journal {
    struct journal journal;
    struct sim *sim;
    struct disk *disk;
    uint32_t boot, replicas;
    uint64_t boot_ms;
    bool dead;   /* the process crashed: nothing it asks for happens any more */
    bool failed; /* the store has given up on itself: no lease, every call fails */
    struct list under_way;
};

void disk_init(struct disk *d, struct sim *s);
void disk_fini(struct disk *d);
/* The rows and the claim of a key as process `boot`, running since boot_ms, sees them. */
void disk_view(const struct disk *d, uint32_t key, uint32_t boot, uint64_t boot_ms, struct key_view *out);

void sim_journal_init(struct sim_journal *j, struct disk *d, uint32_t boot, uint32_t replicas);
/* The crash: what was under way happened or not, unanswered. Its requests wait for sim_journal_drain. */
void sim_journal_die(struct sim_journal *j);
/* Dead: answers all requests without having done them. True when there were any. */
bool sim_journal_drain(struct sim_journal *j);
/* Some request of this key has not been answered. */
bool sim_journal_busy(const struct sim_journal *j, uint32_t key);

/* Keys are named "k0", "k1", ... */
uint32_t sim_key_number(struct span key);
struct span sim_key_name(uint32_t number);

#endif
