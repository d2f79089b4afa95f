/* fanout/keyhold.h - who may write a key now: one table for all loops of the process.
 *
 * A conditional write judges the state of its key and then changes it: between the two nobody else may. So it holds the
 * key alone, from before it looks until its verdict. Every other write holds it too, from its barrier to its verdict, but
 * beside its like. In the order in which they asked; bodies are complete by then, so no client's pace keeps others
 * waiting, only journal and replicas.
 *
 * Keys are told apart by a 64-bit hash: two with the same one wait for each other for nothing, and that is all. */
#ifndef FANOUT_KEYHOLD_H
#define FANOUT_KEYHOLD_H

#include "base/err.h"
#include "base/list.h"
#include "base/span.h"

#include <pthread.h>

enum { KEYHOLD_SHARDS = 256 };

struct keyhold { /* the table; from any thread */
    struct keyhold_shard {
        pthread_mutex_t lock;
        struct list tickets; /* of keyhold_ticket.node, in the order of asking */
    } shards[KEYHOLD_SHARDS];
};
void keyhold_init(struct keyhold *k);
/* Nobody holds or waits any more. */
void keyhold_fini(struct keyhold *k);

/* One loop's way to hear of what it waits for. */
struct keyhold_port {
    struct keyhold *table;
    /* From any thread, with locks held: keyhold_deliver is to be called soon on the port's loop. Not again before that. */
    void (*wake)(struct keyhold_port *p);
    pthread_mutex_t lock;
    struct list granted; /* of keyhold_ticket.ready */
    bool woken;
};
void keyhold_port_init(struct keyhold_port *p, struct keyhold *table, void (*wake)(struct keyhold_port *p));
void keyhold_port_fini(struct keyhold_port *p);
/* On the port's loop: `granted` fires for all that got their key. */
void keyhold_deliver(struct keyhold_port *p);

/* Belongs to one loop but for what is under the locks; cleared memory is a ticket that holds nothing. */
struct keyhold_ticket {
    void (*granted)(struct keyhold_ticket *t); /* once after ERR_AGAIN, from keyhold_deliver */
    struct keyhold_port *port;                 /* NULL: neither holds nor waits */
    struct list node, ready;
    uint64_t hash;
    bool alone, held;
};
/* ERR_OK: it is held. ERR_AGAIN: `granted` will fire. `granted` must be set. */
enum err keyhold_ask(struct keyhold_port *p, struct keyhold_ticket *t, uint32_t bucket, struct span key,
                     bool alone) MUST_CHECK;
/* Lets go, or waits no longer: `granted` does not fire any more. Harmless for a ticket that has nothing. */
void keyhold_release(struct keyhold_ticket *t);

#endif
