/* fanout/upload.h - multipart uploads over all replicas of a bucket: create, complete, abort. Parts are writes
 * (fanout/write.h).
 *
 * Each of these owns itself and frees itself when it is over; its owner hears of it once, from the loop, unless it
 * leaves. Like writes they count in env->writes_open. */
#ifndef FANOUT_UPLOAD_H
#define FANOUT_UPLOAD_H

#include "fanout/upload_list.h"
#include "fanout/write.h"

/* ---- create: on all replicas that can be reached, at least `need` ---- */

struct upload_create; /* belongs to one loop, as the others here */

struct upload_create_spec {
    struct journal_key key;             /* copied */
    const struct replica_set *replicas; /* copied */
    struct ack_policy ack;
    const struct http_header *headers; /* stored with the object; copied */
    size_t header_count;
    enum s3_checksum checksum;
    bool full_object;
    bool own; /* journal/journal.h: no client's */
};
struct upload_created {
    enum err
        result; /* ERR_OK: the id is durable. ERR_UNAVAILABLE: too few replicas; else the journal's error */
    struct stamp id;
    const struct span *ids; /* by slot, the replicas' own; empty: it has no part in the upload */
    unsigned status;        /* with a failure: a replica's answer, 0 without, and its S3 error code */
    char code[CODE_CHARS_MAX];
};
typedef void upload_created_fn(void *ctx, const struct upload_created *c);
enum err upload_create_start(struct upload_create **out, struct env *env,
                             const struct upload_create_spec *spec, upload_created_fn *done,
                             void *ctx) MUST_CHECK;
void upload_create_leave(struct upload_create *c);

/* ---- abort ---- */

struct upload_abort;

/* Takes the upload out of the clients' sight, durably, when it is in one of the states of `from`; then whatever the replicas
 * have of it is removed, as far as they can be reached; what is left is for the janitor. ERR_OK; ERR_NOT_FOUND: there
 * is no such upload; ERR_EXISTS: it is being completed; else the journal's error. */
typedef void upload_aborted_fn(void *ctx, enum err result);
enum err upload_abort_start(struct upload_abort **out, struct env *env, struct journal_key key,
                            const struct stamp *id, uint32_t from, const struct replica_set *replicas,
                            upload_aborted_fn *done, void *ctx) MUST_CHECK;
/* The same for an upload whose replicas' ids are known; it is copied. */
enum err upload_abort_known(struct upload_abort **out, struct env *env, const struct upload *upload,
                            uint32_t from, const struct replica_set *replicas, upload_aborted_fn *done,
                            void *ctx) MUST_CHECK;
/* The same for what is out of sight already: UPLOAD_ABORTED, or UPLOAD_DONE on other replicas than those that
 * completed it. */
enum err upload_sweep_start(struct upload_abort **out, struct env *env, const struct upload *upload,
                            const struct replica_set *replicas, upload_aborted_fn *done,
                            void *ctx) MUST_CHECK;
void upload_abort_leave(struct upload_abort *a);

/* ---- complete ---- */

struct upload_complete;

struct upload_complete_spec {
    struct journal_key key;             /* copied */
    const struct replica_set *replicas; /* copied */
    struct ack_policy ack;
    struct stamp id;
    struct upload_list *list; /* taken over: it is empty afterwards */
    struct upload_claims claims;
};
struct upload_completed {
    enum s3_code
        code; /* S3_OK: `result` is to be answered, now or again. Else why not, before anything was sent */
    const char *message;                 /* NULL: the table's */
    struct span result;                  /* XML elements: ETag and the checksum */
    const struct write_verdict *verdict; /* of the write, NULL when none was begun */
};
struct upload_complete_events {
    /* The write is open, and verified by its owner: write_verified, or write_hold and then that. */
    void (*opened)(void *ctx, struct write *w);
    void (*held)(void *ctx); /* write_events.held */
    void (*done)(void *ctx, const struct upload_completed *c);
};
enum err upload_complete_start(struct upload_complete **out, struct env *env,
                               const struct upload_complete_spec *spec,
                               const struct upload_complete_events *events, void *ctx) MUST_CHECK;
/* A write that the owner was given and has not verified never takes place. */
void upload_complete_leave(struct upload_complete *c);
/* The write is open and not verified. */
bool upload_complete_can_refuse(const struct upload_complete *c);
/* The same for a write whose condition does not hold: the upload stays open, and `done` fires. */
void upload_complete_refuse(struct upload_complete *c, enum s3_code code, const char *message);

#endif
