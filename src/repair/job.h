/* repair/job.h - the repair of one key, PROTOCOL's steps 1 to 7, one target at a time. */
#ifndef REPAIR_JOB_H
#define REPAIR_JOB_H

#include "fanout/env.h"
#include "repair/repair.h"

enum job_result {
    JOB_CLEAN, /* no rows are left, or none were there */
    JOB_REST,  /* what can be done is done; the rest waits for a replica that is away */
    JOB_LATER, /* a row is not settled, a claim stands, somebody wrote meanwhile: look again after wait_ms */
    JOB_AWAY,  /* a replica did not answer a HEAD: as if it were away, so nothing to hold against the key */
    JOB_FAILED /* a replica refused or broke; reason says how */
};

struct job {
    struct list node; /* for the owner */
    enum job_result result;
    uint64_t wait_ms; /* JOB_LATER */
    /* JOB_FAILED */
    uint32_t slot;                     /* the replica it failed at; REPLICAS_MAX: at none */
    const char *replica;               /* its name, "" without; valid until job_free */
    char reason[JOURNAL_REASON_BYTES]; /* "PUT: status 403 AccessDenied" */
    /* JOB_FAILED: only one replica is behind, and this is why it will never take this key as things are; NULL: another
     * try may help. Static. */
    const char *hopeless;
    struct journal_key key;
    uint32_t tries; /* for the owner */
};

/* `done` fires once, never from inside; the owner frees the job then. */
struct job *job_start(struct env *env, struct journal_key key, const struct replica_set *replicas,
                      struct repair_counters *counters, void (*done)(void *ctx, struct job *j), void *ctx);
void job_free(struct job *j);

#endif
