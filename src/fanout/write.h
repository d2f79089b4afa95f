/* fanout/write.h - one client write or delete, from its intent to settled (docs/protocol.md, write steps 1 to 7).
 *
 * The owner feeds the body and hears the verdict. What happens after that - late replicas, the last journal
 * steps - happens without it: a write owns itself and frees itself when it is settled and its owner has left. */
#ifndef FANOUT_WRITE_H
#define FANOUT_WRITE_H

#include "fanout/env.h"
#include "fanout/quorum.h"

struct write; /* belongs to one loop */

/* What makes a write one of a multipart upload. A part is invisible: it has no intent, and what became of it is in the
 * journal's table of parts before the verdict. A Complete is a write like any other whose legs have no body: the whole
 * request waits at the barrier. */
struct write_upload {
    struct stamp id;
    struct span ids
        [REPLICAS_MAX];   /* the replicas' own; empty: it takes no part, and has missed this from the start */
    uint32_t part_number; /* 0: the Complete */
    /* of a part: */
    uint32_t
        tries; /* over 1: it is kept in memory until all replicas have answered, as far as the body budget goes, and
                     * one that fails is sent it again, so often in all */
    /* of a Complete: */
    bool tried;                          /* one was begun before: this one's row has a stamp of its own */
    struct span documents[REPLICAS_MAX]; /* what each is sent; in `text` */
    void *text;            /* from malloc; the write's from here on, also when it cannot be opened */
    uint64_t object_bytes; /* putting a large object together takes backends longer */
};

/* What makes a write a copy that each replica makes by itself (replica_copy_start): it has no body, and the whole request
 * waits at the barrier. With `upload` it is a part that is copied. */
struct write_copy {
    struct span key;                          /* of the source; copied */
    const struct replica *from[REPLICAS_MAX]; /* the source there, by the slot of the target; NULL: it takes
                                                * no part, and has missed this from the start */
    char etags[REPLICAS_MAX][ETAG_CHARS_MAX]; /* that the source shows there */
    uint64_t bytes;                           /* to be copied */
    bool ranged;                              /* so many from `first` on; else all */
    uint64_t first;
};

struct write_spec {
    struct journal_key key;             /* copied */
    const struct replica_set *replicas; /* copied */
    struct ack_policy ack;
    enum row_kind kind;
    /* for ROW_PUT: */
    uint64_t body_bytes;
    const struct http_header *headers; /* stored with the object; copied */
    size_t header_count;
    bool has_sha256; /* the client declared the body's hash (the owner verifies it all the same) */
    uint8_t sha256[32];
    bool has_md5; /* the client declared it: the ETag that stored copies must show */
    uint8_t md5[16];
    /* The client's checksum, kept with the object; its value (big-endian) now, or NULL: write_checksum tells it. */
    enum s3_checksum checksum;
    const uint8_t *checksum_value;
    struct write_upload *upload;   /* NULL: an object by itself */
    const struct write_copy *copy; /* NULL: the body comes from the owner; else body_bytes is 0 */
};

enum write_mark { WRITE_STORED = 1, WRITE_HINTED, WRITE_PENDING };
struct write_verdict {
    enum err result;  /* ERR_OK: 200. ERR_UNAVAILABLE: 503, nothing is claimed */
    uint64_t version; /* of its row */
    char etag[ETAG_CHARS_MAX];
    uint8_t marks[REPLICAS_MAX]; /* enum write_mark by slot, for x-s3mirror-replicas */
    enum err cause;              /* with a failure: the journal's or a replica's error, for the log */
    unsigned status;             /* with a failure: a replica's answer, 0 without */
    char code[CODE_CHARS_MAX];   /* and its S3 error code */
};

struct write_events {
    /* After write_hold, once: no other write of this key is between its barrier and its verdict, and none will be before
     * this write's own. The owner judges what there is, then calls write_verified or write_leave. */
    void (*held)(void *ctx);
    /* There may be room again after ERR_AGAIN from write_room. */
    void (*drain)(void *ctx);
    /* Once, never from inside a call of the owner's, unless write_leave comes first. It may come before the
     * body's end, when need can no longer be met. The write is no longer the owner's when this returns. */
    void (*verdict)(void *ctx, const struct write_verdict *v);
};

/* ERR_BUSY: the body budget is spent; ERR_UNAVAILABLE: fewer than `need` replicas can be asked now; ERR_NOMEM:
 * nothing was begun, nothing fires. ERR_OK: the intent is on its way. */
enum err write_open(struct write **out, struct env *env, const struct write_spec *spec,
                    const struct write_events *events, void *ctx) MUST_CHECK;
/* Room for body bytes. ERR_AGAIN: `drain` will fire. Not to be called when all body_bytes are there. */
enum err write_room(struct write *w, struct iovec *out) MUST_CHECK;
/* So many bytes were put there. They may leave for the replicas, up to the barrier; they stay readable where they are
 * until the next call. */
void write_filled(struct write *w, size_t bytes);
/* The value of spec.checksum, when it came behind the body; before write_verified. */
void write_checksum(struct write *w, const uint8_t *value);
/* The body is complete and good, and the write is a conditional one: `held` will fire. Instead of write_verified,
 * which comes after that. */
void write_hold(struct write *w);
/* The body is complete and verified. For a delete it is called right after write_open. */
void write_verified(struct write *w);
bool write_is_verified(const struct write *w);
/* The owner goes: nothing fires any more. Before write_verified: the body never becomes visible anywhere. After it:
 * the write goes on by itself. */
void write_leave(struct write *w);

#endif
