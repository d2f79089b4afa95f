/* journal/journal.h - the record of what every replica holds or misses (docs/protocol.md).
 *
 * A vtable of asynchronous calls, one handle per event loop, over one store per process. Two kinds
 * of stores fit it: an embedded database with group commit (journal/sqlite.h) and a replicated one
 * that many gateways share. The simulation has a third, in memory, that loses, delays and crashes.
 *
 * What is in it, per key: ROWS, one per write or delete, named by a unique stamp. An open row is the
 * intent: durable before the write can become visible anywhere. An outcome, final or merged row is the hint.
 * The row of a delete is the tombstone. And at most one CLAIM, a repair's hold on some replicas.
 *
 * Contract of every call: the request struct is the caller's and must stay, with what it points at, until
 * `done` fires; `done` fires exactly once, from the loop, never from inside the call. There is no cancel.
 * ERR_OK means durable. Any other result of a writing call leaves it unknown whether it happened (J4),
 * ERR_NOT_FOUND and ERR_EXISTS excepted. */
#ifndef JOURNAL_JOURNAL_H
#define JOURNAL_JOURNAL_H

#include "base/list.h"
#include "base/span.h"
#include "base/stamp.h"

#include "base/err.h"

enum { REPLICAS_MAX = 16 }; /* per bucket; a set of replicas is a mask of their slots */

enum row_kind { ROW_PUT = 1, ROW_DELETE = 2 };
enum row_phase { ROW_OPEN = 1, ROW_OUTCOME = 3, ROW_FINAL = 4, ROW_MERGED = 5 };

struct row {
    struct stamp stamp;
    uint64_t version;    /* order among the rows that one key has at one time */
    uint32_t stored;     /* replicas that have it for certain; 0 while open */
    uint32_t unresolved; /* replicas that may yet take it; those still pending count (outcome) */
    uint8_t kind, phase;
    bool orphan;     /* open or outcome, and its owner is gone: results unknown */
    uint64_t age_ms; /* monotonic: since its last change, or since this process first saw it; orphans:
                          * since their owner can last have acted */
};

struct claim {
    uint64_t id;
    uint32_t targets;
    uint64_t lease_ms, age_ms; /* age as above; it holds until lease + ambiguity_ms */
};

/* A key's rows and claim at one moment. Set up by the calls below; free with key_view_fini. */
struct key_view {
    struct row *rows;
    size_t count, room;
    bool claimed;
    struct claim claim;
    struct row few[4];
};
void key_view_init(struct key_view *v);
void key_view_fini(struct key_view *v);
/* Aborts when memory is out: the number of rows is bounded by the writes in flight. */
void key_view_add(struct key_view *v, const struct row *r);
/* NULL when none has it. */
const struct row *key_view_find(const struct key_view *v, const struct stamp *stamp);

struct journal;

/* Common head of all requests. */
struct journal_request {
    struct list node;        /* the store's, while under way */
    struct journal *journal; /* set by the call */
    int kind;                /* the store's */
    enum err result;         /* the store's */
    void (*done)(struct journal_request *r, enum err result);
};

struct journal_key {
    uint32_t bucket; /* id from the catalogue */
    struct span key;
};

/* D1 and R1 in one: the row becomes durable as an intent; then the key's other rows and claim are read.
 * When one of them orders after `version`, the row is written again with the greatest + 1 (step 3a). */
struct journal_begin {
    struct journal_request request;
    struct journal_key key;
    enum row_kind row_kind;
    struct stamp stamp;
    uint64_t version;     /* in: from the clock; out: as journaled */
    struct key_view view; /* out, on ERR_OK: without the own row; to be freed by the caller */
};

/* The repairs of a key that failed since the last success. All zeros: none did. */
enum { JOURNAL_REASON_BYTES = 160 };
struct journal_failures {
    uint32_t tries;
    uint64_t wait_ms; /* repair leaves the key alone for so long */
    bool dead;     /* on the dead-letter list: left alone until a recovery, or until somebody asks for it */
    uint32_t slot; /* the replica at which the last one failed; REPLICAS_MAX: at none of them */
    uint64_t unix_ms; /* when that was, by the wall clock of who noted it: for people only */
    char reason[JOURNAL_REASON_BYTES];
};

/* The key's rows and claim, all that is durable now (R2, reads, repair). */
struct journal_read {
    struct journal_request request;
    struct journal_key key;
    bool failures_too;
    struct key_view view;             /* out, on ERR_OK */
    struct journal_failures failures; /* out, on ERR_OK, when asked for */
};

/* One durable batch on one key: one row changes phase or none does, others are removed, a claim is released
 * or none is, failures are forgotten or are not. Removing what is not there is no error. Changing a row that is not there, or backwards: nothing
 * of the batch happens, ERR_NOT_FOUND. */
struct journal_write {
    struct journal_request request;
    struct journal_key key;
    bool change;     /* `row` counts: stamp, phase, stored, unresolved */
    bool add_stored; /* stored is added to the row's set instead of replacing it (merge) */
    struct row row;
    const struct stamp *remove;
    size_t remove_count;
    uint64_t release; /* claim id, 0: none */
    bool try_again;   /* the key's failures are forgotten */
};

/* ERR_EXISTS: another claim holds the key. The lease counts from before the call. */
struct journal_claim {
    struct journal_request request;
    struct journal_key key;
    uint32_t targets;
    uint64_t lease_ms;
    uint64_t id; /* out */
};

/* The list by which repair finds keys: those with a final or merged row, or an orphan; in (bucket, key)
 * order, strictly after `after`. It may name a key that has nothing; it never misses one for good. The dead letters
 * among them are a list of their own, that can be read alone. */
enum { JOURNAL_PAGE_KEYS = 128 };
enum journal_list { JOURNAL_LIVE_WORK, JOURNAL_ALL_WORK, JOURNAL_DEAD_LETTERS };
struct journal_work {
    struct journal_key key;
    struct journal_failures failures;
};
struct journal_scan {
    struct journal_request request;
    struct journal_key after; /* bucket 0: from the start; an empty key: from the start of that bucket */
    enum journal_list list;
    struct journal_work work[JOURNAL_PAGE_KEYS]; /* out; keys are copies, freed by journal_scan_fini */
    size_t count;                                /* less than the page: the end was reached */
};
void journal_scan_fini(struct journal_scan *s);

/* What a listing has to know of a bucket: the keys that have a row with a stored set, in order, each with the set of the
 * newest such row, as far as it is of these `slots`. It may name a key that has none by now; it never misses one whose
 * row was durable when the call was made. */
enum { JOURNAL_RANGE_KEYS = 1000, JOURNAL_RANGE_BYTES = 64 * 1024 };
struct journal_range_key {
    struct span key; /* in the request's text */
    uint32_t stored; /* 0: no row with a stored set any more */
};
struct journal_range {
    struct journal_request request;
    uint32_t bucket, slots;
    struct span prefix, after;                         /* keys with this prefix, greater than `after` */
    struct journal_range_key keys[JOURNAL_RANGE_KEYS]; /* out */
    size_t count;
    bool more; /* there may be further ones behind the last */
    char text[JOURNAL_RANGE_BYTES];
};
/* For stores: adds a key, whose rows come together; false: the page is full, and `more` now. */
bool journal_range_add(struct journal_range *r, struct span key, uint32_t stored);

/* A failed repair: kept for backoff and for people. tries 0 forgets, and so does a row of the key that becomes final:
 * a new write may well fare better. Not durable at once. */
struct journal_attempt {
    struct journal_key key;
    uint32_t tries;
    uint64_t wait_ms;
    bool dead;
    uint32_t slot;      /* as in journal_failures */
    struct span reason; /* what is longer than JOURNAL_REASON_BYTES - 1 is cut */
};

/* The catalogue of buckets. */
struct bucket_replica {
    char backend[64]; /* name in the configuration */
    char remote[64];  /* the bucket's name there */
    bool retired;     /* its slot is kept, it is not used */
};
struct bucket {
    uint32_t id; /* from 1, never given twice */
    char name[64];
    uint64_t created_unix_ms;
    bool configured; /* named in the configuration; else created by a client */
    uint32_t replica_count;
    struct bucket_replica replicas[REPLICAS_MAX]; /* by slot */
};
struct journal_bucket_write {
    struct journal_request request;
    bool remove;          /* by name; ERR_EXISTS while it has rows; its uploads go with it */
    struct bucket bucket; /* in: name, created, configured, replicas; out: id and slots. A replica that the
                           * bucket had before keeps its slot; one that is gone is marked retired */
};

/* Multipart uploads. An upload's id is the stamp that the object will have, given when the upload is created; on each
 * replica it has an upload of its own there. Parts are invisible, so they have no rows: what is known of them is
 * here, and Complete is a write like any other. */
enum upload_state {
    UPLOAD_OPEN = 1,   /* takes parts */
    UPLOAD_COMPLETING, /* one Complete at a time; open again after a restart */
    UPLOAD_DONE,       /* kept for a while, for a client that asks again */
    UPLOAD_ABORTED,    /* invisible to clients; kept until no replica has anything of it */
    UPLOAD_GONE        /* as a wish: not kept any more */
};
#define UPLOAD_IN(state) (1u << (state))

enum {
    PART_ETAG_CHARS = 80,
    PART_ETAGS_MAX = 4,
    PART_CHECKSUM_BYTES = 32,
    JOURNAL_UPLOAD_ID_BYTES_MAX = 1024
};

/* A part as the replicas know it. They are told the ETags that they gave: not every vendor's are MD5s. */
struct part_etag {
    uint32_t slots; /* replicas that hold the part under this ETag */
    char text[PART_ETAG_CHARS];
};
struct part {
    uint32_t number;
    uint64_t bytes, unix_ms;
    uint64_t attempt;                       /* tells one upload of this number from the next */
    struct part_etag etags[PART_ETAGS_MAX]; /* the first is the one that clients see */
    uint32_t etag_count;
    uint8_t checksum[PART_CHECKSUM_BYTES];
    uint32_t checksum_bytes; /* 0: the client gave none */
};
/* False: too many kinds of ETags; then these replicas count as not holding it. */
bool part_add(struct part *p, uint32_t slots, const char *etag);
uint32_t part_stored(const struct part *p);
/* NULL: it does not hold the part. */
const char *part_etag(const struct part *p, uint32_t slot);

struct upload {
    struct stamp id;
    struct journal_key key;
    uint8_t state;
    bool tried;       /* a Complete has begun before: its row may have been made with the upload's stamp */
    uint8_t checksum; /* the client's wish at Create, for the gateway */
    bool full_object;
    bool
        own; /* made of one body by a gateway (fanout/parted.h): clients do not see it, and when its gateway is
               * gone and it was open or completing, it is aborted */
    uint64_t taker;                            /* UPLOAD_COMPLETING: whose Complete has it */
    uint64_t created_unix_ms, changed_unix_ms; /* changed: of the state */
    uint32_t dropped;              /* replicas that miss a part: they are not asked to complete it */
    struct span ids[REPLICAS_MAX]; /* by slot, the replica's own id; empty: it has no upload, or no more */
    struct span result;            /* UPLOAD_DONE: what a Complete that comes again is answered; opaque */
};
/* Slots that have an id. */
uint32_t upload_slots(const struct upload *u);
/* One block, to be freed with free(); NULL: out of memory. */
struct upload *upload_copy(const struct upload *u) MUST_CHECK;

/* ERR_NOT_FOUND: no such bucket. ERR_EXISTS: that id is taken. */
struct journal_upload_add {
    struct journal_request request;
    struct upload upload; /* borrowed; its state, tried and times are the store's */
};

/* An upload goes on, in one durable step. ERR_NOT_FOUND: no such upload. ERR_EXISTS: it is in none of the states of
 * `from`, `state` says in which. Leaving UPLOAD_OPEN and UPLOAD_COMPLETING for good removes its parts. */
struct journal_upload_step {
    struct journal_request request;
    struct journal_key key;
    struct stamp id;
    uint32_t from; /* UPLOAD_IN, one or more */
    uint8_t to;    /* the same as it is: only the rest */
    uint64_t
        taker; /* to UPLOAD_COMPLETING: who takes it; from there: only when this one has it, else ERR_EXISTS */
    uint32_t gone; /* replicas that have nothing of it any more: their ids are forgotten */
    struct span result;
    /* To UPLOAD_DONE: the object's manifest (s3/manifest.h, opaque here), and the version of the row that made it. */
    struct span manifest;
    uint64_t version;
    uint8_t state; /* out, also on ERR_OK: before the step */
    bool tried;    /* out: before the step */
};

/* What became of one part. ERR_NOT_FOUND: the upload is not open (for PART_MORE: nor completing). */
enum part_change {
    PART_PUT,  /* it takes the place of an earlier one of its number */
    PART_MORE, /* replicas that finished later: added while it is still of this attempt */
    PART_VOID  /* what its replicas hold is not known any more: there is no such part */
};
struct journal_part_write {
    struct journal_request request;
    struct journal_key key;
    struct stamp id;
    enum part_change change;
    struct part part;
    uint32_t drop; /* replicas that missed it: added to the upload's */
};

/* One upload and, if wanted, a page of its parts in the order of their numbers. ERR_NOT_FOUND: no such upload. */
enum { JOURNAL_PAGE_PARTS = 256 };
struct journal_upload_read {
    struct journal_request request;
    struct journal_key key;
    struct stamp id;
    bool with_parts;
    uint32_t after;        /* parts with greater numbers */
    struct upload *upload; /* out; this and the next freed by journal_upload_read_fini */
    struct part *parts;
    size_t count; /* less than the page: the end was reached */
};
void journal_upload_read_fini(struct journal_upload_read *r);

/* Uploads in the order of bucket, key and id, strictly after `after`; its bucket's only, or all when `whole`. */
enum { JOURNAL_PAGE_UPLOADS = 128 };
struct journal_upload_scan {
    struct journal_request request;
    struct journal_key after;
    struct stamp after_id;
    bool whole;
    uint32_t states;                              /* UPLOAD_IN of those wanted */
    struct upload *uploads[JOURNAL_PAGE_UPLOADS]; /* out; freed by journal_upload_scan_fini */
    size_t count;                                 /* less than the page: the end was reached */
};
void journal_upload_scan_fini(struct journal_upload_scan *s);

/* Manifests of objects that were uploaded in parts: what of them no header tells. Kept by the upload's id, which is the
 * object's stamp: whatever the key's object is by now, one that shows another stamp has another manifest, or none. Here is
 * the newest of the key's, more than one there are only while writes overlap. ERR_NOT_FOUND: none. */
struct journal_manifest_read {
    struct journal_request request;
    struct journal_key key;
    struct stamp id;      /* out */
    struct span manifest; /* out; freed by journal_manifest_read_fini */
};
void journal_manifest_read_fini(struct journal_manifest_read *r);

struct replica_lag {
    uint64_t hints;  /* keys with a final or merged row whose stored set lacks it */
    uint64_t lag_ms; /* age of the oldest such row by wall clock, 0 without */
};
struct journal_stats {
    uint64_t rows_open, hints, dead;
    uint64_t commits;    /* groups made durable */
    uint64_t operations; /* in them */
};

enum journal_question {
    JOURNAL_ANY_OTHER_ROW,        /* could there be a row or claim of this key besides `own`? */
    JOURNAL_ANY_STORED_ROW,       /* could there be a row with a stored set? */
    JOURNAL_ANY_STORED_IN_BUCKET, /* the same for any key of its bucket */
    JOURNAL_ANY_MANIFEST          /* could there be a manifest of the key's? */
};

struct journal_ops {
    void (*begin)(struct journal *j, struct journal_begin *r);
    void (*read)(struct journal *j, struct journal_read *r);
    void (*write)(struct journal *j, struct journal_write *r);
    void (*claim)(struct journal *j, struct journal_claim *r);
    void (*scan)(struct journal *j, struct journal_scan *r);
    void (*range)(struct journal *j, struct journal_range *r);
    /* Removals that may happen any time later, or never: not durable, no callback, all is copied. */
    void (*forget)(struct journal *j, struct journal_key key, const struct stamp *stamps, size_t count);
    void (*attempt)(struct journal *j, const struct journal_attempt *a);
    void (*bucket_write)(struct journal *j, struct journal_bucket_write *r);
    void (*upload_add)(struct journal *j, struct journal_upload_add *r);
    void (*upload_step)(struct journal *j, struct journal_upload_step *r);
    void (*part_write)(struct journal *j, struct journal_part_write *r);
    void (*upload_read)(struct journal *j, struct journal_upload_read *r);
    void (*upload_scan)(struct journal *j, struct journal_upload_scan *r);
    void (*manifest_read)(struct journal *j, struct journal_manifest_read *r);
    /* All replicas show one object, or none: manifests of rows before this version go, but for `keeps`. Like `forget`: any time
     * later, or never. */
    void (*manifest_drop)(struct journal *j, struct journal_key key, uint64_t before,
                          const struct stamp *keeps);
    /* At once, from memory; false only when it is certain. Lets a healthy key cost no look-up. */
    bool (*maybe)(struct journal *j, struct journal_key key, enum journal_question q,
                  const struct stamp *own);
    /* False: this gateway may no longer act (lost lease, failed store): no barrier, no 200. */
    bool (*lease_valid)(struct journal *j);
    /* At once, from memory. False when there is no such bucket. */
    bool (*bucket_by_name)(struct journal *j, struct span name, struct bucket *out);
    bool (*bucket_by_id)(struct journal *j, uint32_t id, struct bucket *out);
    /* The next bucket in name order after `name` ("": the first). */
    bool (*bucket_after)(struct journal *j, struct span name, struct bucket *out);
    void (*lag)(struct journal *j, uint32_t bucket, struct replica_lag out[static REPLICAS_MAX]);
    void (*stats)(struct journal *j, struct journal_stats *out);
};

struct journal {
    const struct journal_ops *ops;
};

/* True when nothing about it can change by itself any more: final or merged with nothing unresolved, or an orphan,
 * each ambiguity_ms old where something was unknown. Only such rows may be repaired. */
bool row_is_settled(const struct row *r, uint64_t ambiguity_ms);
/* The replicas that a new write has to hold because of this row (write step 3c), and for how long. */
uint32_t row_holds(const struct row *r, uint64_t ambiguity_ms, uint64_t *for_ms);
/* The row of greatest version that one of these `slots` stored, NULL when there is none: M of the protocol, for a bucket
 * of these replicas. A slot that is not the bucket's any more is no replica: what only it stored, nobody has. */
const struct row *key_view_newest_stored(const struct key_view *v, uint32_t slots);
/* The row of greatest version: g of the protocol. NULL without rows. Ties go to the greater stamp. */
const struct row *key_view_newest(const struct key_view *v);

#endif
