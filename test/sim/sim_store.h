/* sim_store.h - what sim_replica.c and sim_read.c (the sender) and sim_store.c (the backend) share. */
#ifndef SIM_SIM_STORE_H
#define SIM_SIM_STORE_H

#include "base/hash.h"
#include "sim_journal.h"
#include "sim_replica.h"

enum call_kind {
    CALL_PUT,
    CALL_DELETE,
    CALL_HEAD,
    CALL_GET,
    CALL_LIST,
    CALL_BUCKET,
    CALL_CREATE,
    CALL_COMPLETE,
    CALL_ABORT,
    CALL_UPLOADS,
    CALL_COPY
};

/* What a request does to a multipart upload; UPLOAD_NOTHING: it is about an object. */
struct sim_upload_request {
    enum { UPLOAD_NOTHING, UPLOAD_CREATE, UPLOAD_TAKE_PART, UPLOAD_COMPLETE, UPLOAD_ABORT } what;
    uint32_t upload, part;
    char etags[SIM_PARTS_MAX + 1][CONTENT_ETAG_CHARS]; /* of the part, or listed by a complete */
    struct stamp stamp;
};

/* A request that has left its sender: it takes effect once, or never. */
struct arrival {
    struct sim_event event;
    struct list node;
    struct sim_store *store;
    struct replica_call *call; /* NULL: nobody waits for the answer */
    bool answers;              /* the answer follows its effect */
    uint32_t key;
    struct sim_object object; /* !exists: a delete */
    struct sim_upload_request request;
    bool copies; /* the bytes of this key, if it shows `if_match` when this arrives */
    uint32_t source;
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
    uint32_t source; /* COPY */
    struct arrival *arrival;
    /* HEAD, GET, bucket */
    struct replica_head_events head_events;
    struct replica_get_events get_events;
    struct replica_bucket_events bucket_events;
    struct replica_list_events list_events;
    struct replica_create_events create_events;
    struct replica_uploads_events uploads_events;
    struct sim_upload_request request;
    struct replica_page *page; /* LIST: the owner's; `text` is where it begins, `range` the prefix */
    size_t after_bytes, prefix_bytes;
    uint32_t most;
    struct replica_object shown;
    bool head_only, looked, headed, broken;
    uint64_t ready;
    struct http_head head;
    const char *document; /* the body of an error answer, NULL: the object's */
    char text[160], range[64];
};

static inline struct sim_replica *of(struct replica *r)
{
    return (struct sim_replica *)(void *)r;
}

static inline struct sim *sim_of(const struct replica_call *c)
{
    return c->replica->sim;
}

/* sim_replica.c */
const char *call_name(const struct replica_call *c);
/* The process is gone, or it happens that nothing can be started. */
bool sim_call_refused(struct sim_replica *r);
struct replica_call *sim_call_new(struct replica *r, enum call_kind kind, uint32_t key, void *ctx);
/* Ends it: `answer` is told to its owner, and to the replica's health. */
void sim_call_done(struct replica_call *c);
/* Ends it without an answer. */
void sim_call_break(struct replica_call *c, enum err error);
/* When it was ended from inside one of its own callbacks. */
void sim_call_free(struct replica_call *c);

/* sim_read.c */
enum err sim_head_start(struct replica *r, struct replica_call **out, struct span key,
                        const struct replica_head_events *events, void *ctx);
enum err sim_get_start(struct replica *r, struct replica_call **out, const struct replica_get *get,
                       const struct replica_get_events *events, void *ctx);
enum err sim_get_read(struct replica_call *c, void *at, size_t room, size_t *got);
enum err sim_bucket_start(struct replica *r, struct replica_call **out, enum replica_bucket_op op,
                          const struct replica_bucket_events *events, void *ctx);
void sim_read_event(struct replica_call *c);

/* What all that may open a barrier must be checked for. */
void sim_put_opens(struct replica_call *c);

/* sim_upload.c */
enum err sim_create_start(struct replica *r, struct replica_call **out, const struct replica_create *create,
                          const struct replica_create_events *events, void *ctx);
enum err sim_complete_start(struct replica *r, struct replica_call **out,
                            const struct replica_complete *complete, const struct replica_put_events *events,
                            void *ctx);
enum err sim_abort_start(struct replica *r, struct replica_call **out, struct span key, struct span upload_id,
                         const struct replica_put_events *events, void *ctx);
enum err sim_uploads_start(struct replica *r, struct replica_call **out, struct span after_key,
                           struct span after_id, const struct replica_uploads_events *events, void *ctx);
void sim_create_done(struct replica_call *c);
void sim_uploads_answer(struct replica_call *c);
void sim_uploads_done(struct replica_call *c);
/* It takes effect; the status of its answer. */
unsigned sim_upload_arrive(struct arrival *a);
void sim_upload_answer(struct replica_call *c, const struct arrival *a, unsigned status);

/* sim_list.c */
enum err sim_list_start(struct replica *r, struct replica_call **out, const struct replica_list *list,
                        const struct replica_list_events *events, void *ctx);
void sim_list_event(struct replica_call *c);

/* sim_store.c */
/* The request has left: from here on it is the store's to decide what comes of it. */
void sim_store_send(struct sim_store *st, struct replica_call *c);
/* It will never take effect. Nobody may wait for it. */
void sim_arrival_lose(struct arrival *a);

#endif
