/* fanout/write_private.h - the inside of a write; shared by write*.c only. */
#ifndef FANOUT_WRITE_PRIVATE_H
#define FANOUT_WRITE_PRIVATE_H

#include "base/arena.h"
#include "base/hash.h"
#include "fanout/ring.h"
#include "fanout/write.h"

enum leg_state {
    LEG_BEFORE, /* not past the barrier; may be streaming up to it */
    LEG_PAST,   /* the barrier is open for it: no answer yet */
    LEG_STORED,
    LEG_MISSED,
    LEG_UNRESOLVED
};

/* The write on one replica. */
struct leg {
    struct write *write;
    struct replica *replica;
    struct replica_call *call; /* NULL: nothing under way */
    uint32_t slot;
    enum leg_state state;
    struct span upload_id, document; /* of an upload: the replica's id; and for a Complete what it is sent */
    const struct replica *source;    /* of a copy: where its source is */
    const char *source_etag;         /* and what that shows; in the write's arena */
    uint32_t failures;               /* requests that failed and may be sent again */
    bool again;                      /* and are going to be; no call meanwhile */
    uint64_t offset;                 /* body bytes the replica needs no more */
    uint64_t moved_ms;               /* when it last made progress, or was last not expected to */
    uint64_t behind_ms; /* since when it alone keeps the client waiting for its bytes to go; 0: it does not */
    struct replica_answer answer;
};

enum write_state {
    WRITE_RUN,    /* body, barrier, answers: no verdict yet */
    WRITE_RECORD, /* decided; D2 is on its way to the journal */
    WRITE_LINGER, /* the client has its verdict; some replica is still pending */
    WRITE_CHECK,  /* stored on all; R2 is being read */
    WRITE_CLOSE,  /* the final row is on its way, as often as it takes */
    WRITE_OVER    /* nothing left to do but requests that must come back */
};

/* What the journal is told: rows (write_record.c), or a part of an upload (write_part.c). */
struct record_ops {
    void (*begin)(struct write *w);
    void (*outcome)(struct write *w); /* D2 */
    void (*settled)(struct write *w); /* all legs are over: what is left to tell */
    bool stored_too;                  /* outcome is told also when all have stored it */
};
extern const struct record_ops row_record, part_record;

struct write {
    struct env *env;
    const struct record_ops *record;
    const struct write_events *events; /* NULL: the owner has left */
    void *ctx;
    enum write_state state;
    struct arena arena;
    struct journal_key key;
    struct replica_put put; /* what every leg is given */
    enum row_kind kind;
    struct ack_policy ack;
    struct stamp stamp;
    bool streams; /* the body is larger than one chunk: it leaves as it comes */
    bool begun;   /* D1 is durable and R1 read */
    bool begin_busy, write_busy, read_busy;
    bool verified;
    struct keyhold_ticket hold; /* from the barrier to the verdict */
    bool has_key;               /* it is held; without a table as well */
    bool tells_held;            /* `held` is to be told */
    bool barrier_due;           /* begun and verified: legs wait for nothing but their holds */
    bool decided_met, recorded, wants_room;
    bool has_md5;
    unsigned inside; /* depth of calls by the owner: nothing may be called back */
    bool nudged;     /* something came due meanwhile */
    enum err cause;
    char etag[ETAG_CHARS_MAX]; /* the reference all stored copies must show; "" until chosen */

    struct ring ring;
    uint32_t crc32;
    uint8_t checksum[SHA256_BYTES]; /* the client's: put.checksum's value */

    uint32_t all, held;
    uint32_t leg_count;
    struct leg legs[REPLICAS_MAX];
    struct tally recorded_tally;

    struct journal_begin begin; /* its view is R1 */
    struct journal_read read;   /* hold checks, then R2 */
    struct journal_write write; /* D2, then the final row */
    struct stamp *superseded;   /* own stamp first, then F */
    size_t superseded_count;    /* of F alone */

    /* of a copy that the replicas make */
    bool copies;
    struct replica_copy copy; /* what every leg is given */

    /* of an upload */
    bool completes;
    struct stamp upload;
    struct journal_part_write part;
    uint32_t tries; /* of a part */
    bool keeps;     /* the ring keeps it whole */
    void *text;
    uint64_t patience_ms; /* a leg past its barrier has so much more time */

    struct timer turn;  /* a step that may not happen inside the owner's call */
    struct timer watch; /* stalls */
    struct timer again; /* hold checks; later the retry of the final row */
    uint64_t again_ms;
};

/* write.c */
void write_advance(struct write *w); /* take every step that is due; may free w */
struct tally write_tally(const struct write *w);

/* write_leg.c */
extern const struct replica_put_events leg_events; /* of a call of a struct leg */
void legs_init(struct write *w, const struct replica_set *set);
void legs_feed(struct write *w);         /* the ring has grown */
void legs_open_barrier(struct write *w); /* for every leg that is not held */
void legs_let_go(struct write *w);       /* bytes that no leg needs any more go out of the ring */
void legs_drop(struct write *w);         /* give up all that are pending */
void legs_watch(struct write *w);        /* give up those that stall */
void legs_compare_etags(struct write *w);

/* write_copy.c */
bool write_take_copy(struct write *w, const struct write_copy *spec) MUST_CHECK; /* false: no memory */
enum err leg_start_copy(struct leg *l) MUST_CHECK;

/* What is left to do when all legs are over, whatever is recorded. False: not yet, write_advance will come again. */
bool write_end_legs(struct write *w);

#endif
