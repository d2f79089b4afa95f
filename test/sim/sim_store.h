/* sim_store.h - what sim_replica.c (the sender) and sim_store.c (the backend) share. */
#ifndef SIM_SIM_STORE_H
#define SIM_SIM_STORE_H

#include "base/hash.h"
#include "sim_journal.h"
#include "sim_replica.h"

enum call_kind { CALL_PUT, CALL_DELETE, CALL_HEAD, CALL_GET, CALL_BUCKET };

/* A request that has left its sender: it takes effect once, or never. */
struct arrival {
    struct sim_event event;
    struct list node;
    struct sim_store *store;
    struct replica_call *call; /* NULL: nobody waits for the answer */
    bool answers;              /* the answer follows its effect */
    uint32_t key;
    struct sim_object object; /* !exists: a delete */
    char if_match[ETAG_CHARS_MAX];
};

struct replica_call {
    struct sim_event event;
    struct list node;
    struct sim_replica *replica;
    enum call_kind kind;
    uint32_t key;
    void *ctx;
    unsigned inside; /* depth of callbacks: whoever ends the call meanwhile does not free it */
    bool over;
    bool stalled; /* nothing will ever come of it */
    uint64_t asked_ms;
    struct sim_object object; /* PUT: what it writes. HEAD, GET: what was there at the look */
    struct replica_answer answer;
    char if_match[ETAG_CHARS_MAX];
    uint64_t offset, end; /* of the body: taken or given so far */
    /* PUT, DELETE */
    struct replica_put_events put_events;
    struct replica_body body;
    uint64_t body_bytes;
    uint32_t crc32, open_crc32;
    bool open, waiting, left;
    struct arrival *arrival;
    /* HEAD, GET, bucket */
    struct replica_head_events head_events;
    struct replica_get_events get_events;
    struct replica_bucket_events bucket_events;
    struct replica_object shown;
    bool head_only, looked, headed, broken;
    uint64_t ready;
    struct http_head head;
    char text[160], range[64];
};

const char *call_name(const struct replica_call *c);
/* The request has left: from here on it is the store's to decide what comes of it. */
void sim_store_send(struct sim_store *st, struct replica_call *c);
/* It will never take effect. Nobody may wait for it. */
void sim_arrival_lose(struct arrival *a);

#endif
