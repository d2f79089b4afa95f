/* sim_replica.h - replicas in memory, behind a network that loses, delays and reorders. */
#ifndef SIM_REPLICA_H
#define SIM_REPLICA_H

#include "base/list.h"
#include "replica/health.h"
#include "replica/replica.h"
#include "sim.h"
#include "sim_content.h"

/* What a replica shows for a key. */
struct sim_object {
    bool exists, stamped;
    bool damaged;  /* its first byte is wrong */
    bool uploaded; /* in parts */
    struct stamp stamp;
    const struct content *content;
    uint64_t modified_s;
};

/* A multipart upload on a backend. Part n is there when etags[n] is not "". */
enum { SIM_UPLOADS_MAX = 256, SIM_PARTS_MAX = 3 };
struct sim_upload {
    uint32_t id, key; /* id 0: none */
    uint64_t initiated_ms;
    struct sim_object object; /* that it will become */
    char etags[SIM_PARTS_MAX + 1][CONTENT_ETAG_CHARS];
};

/* The backend itself: it outlives every process. */
struct sim_store {
    struct sim *sim;
    uint32_t slot;
    const char *name;
    bool down;        /* refuses connections; what is under way breaks */
    bool silent;      /* down, and nobody is told: it takes no byte and gives none */
    bool conditional; /* knows If-Match on PUT */
    struct sim_object objects[SIM_KEYS_MAX];
    struct sim_upload uploads[SIM_UPLOADS_MAX];
    uint32_t last_upload;
    struct list arrivals; /* requests that have left their sender and may take effect */
    /* Which body the header of an object names; set by the world. */
    const struct content *(*content)(void *ctx, uint32_t id);
    /* The barrier opens for a request that writes `object` (exists false: a delete). */
    void (*opened)(void *ctx, struct sim_store *store, uint32_t key, const struct sim_object *object);
    /* After each change. */
    void (*landed)(void *ctx, struct sim_store *store, uint32_t key);
    void *ctx;
};

/* One process's handle on it. */
struct sim_replica {
    struct replica replica;
    struct sim *sim;
    struct sim_store *store;
    struct health health;
    struct list calls;
    bool dead; /* the process crashed */
};

void sim_store_init(struct sim_store *st, struct sim *s, uint32_t slot);
void sim_store_fini(struct sim_store *st);
void sim_store_set_down(struct sim_store *st, bool down, bool silent);
/* A request for this key is on its way. */
bool sim_store_expects(const struct sim_store *st, uint32_t key);
bool sim_uploads_left(const struct sim_store *st);
const char *sim_object_etag(const struct sim_object *o);
bool sim_object_same(const struct sim_object *a, const struct sim_object *b);

void sim_replica_init(struct sim_replica *r, struct sim_store *st, struct clock *clock);
void sim_replica_fini(struct sim_replica *r);
/* The crash: connections break; what has left goes on. Its calls wait for sim_replica_drain. */
void sim_replica_die(struct sim_replica *r);
/* Dead: fails all calls. True when there were any. */
bool sim_replica_drain(struct sim_replica *r);
/* A call that writes this key has not ended. */
bool sim_replica_writes(const struct sim_replica *r, uint32_t key);
/* An outage or its end, as this process finds out. */
void sim_replica_break_calls(struct sim_replica *r);

#endif
