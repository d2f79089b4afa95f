/* load.h - what the load generator is made of: connections (load.c), and what they ask (operations.c, multipart.c). */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "bench/body.h"
#include "bench/tally.h"

enum { LOAD_ANSWER_ROOM = 16 << 10, LOAD_PATH_ROOM = 512, LOAD_QUERY_ROOM = 2048 };

struct conn {
    unsigned number;
    int fd; /* -1: none */
    bool readable, gone;
    bool idle;            /* it has nothing to ask at the moment */
    uint64_t done, quota; /* operations started, and how many it may start */
    uint64_t started_us;
    size_t head_len, head_sent, answer_len;
    struct body body;
    bool answered; /* the answer's head has been read */
    unsigned status;
    bool last;                  /* the server closes after this answer */
    uint64_t answer_left;       /* of the answer's body */
    char etag[64];              /* of the answer, with its quotes; "" without one */
    size_t text_len, text_room; /* the answer's body, when the operation reads it */
    char *text;
    bool more;        /* list: there is a page behind the last one */
    char token[1100]; /* where it begins, percent-encoded */
    unsigned part;    /* multipart: that is being sent */
    enum { STEP_CREATE, STEP_PART, STEP_COMPLETE } step;
    char *document; /* delete-many */
    char head[4096], answer[LOAD_ANSWER_ROOM];
};

/* One request: what the operation fills in. */
struct ask {
    const char *method;
    char path[LOAD_PATH_ROOM], query[LOAD_QUERY_ROOM]; /* the query as it is signed: by name, encoded */
    bool content;                                      /* the body is load.content */
    struct span document;                              /* or this */
};

enum turn { TURN_ASK, TURN_WAIT, TURN_OVER }; /* WAIT: until load_wake */

struct operation {
    const char *name;
    bool receives; /* content, that must be as long as --size */
    bool reads;    /* the answer's body is kept at conn.text, with a NUL behind it, for `take` */
    enum turn (*turn)(struct conn *c);
    void (*ask)(struct conn *c, struct ask *a);
    /* The answer is whole, and was 2xx; NULL, or what is wrong with it. */
    const char *(*take)(struct conn *c);
};
extern const struct operation operations[];
extern const size_t operation_count;
extern const struct operation operation_multipart; /* multipart.c */

struct load {
    const struct operation *operation;
    uint16_t port;
    const char *bucket;
    uint64_t count, keys, per_request;
    uint64_t object_bytes; /* multipart: of the whole; the content is one part */
    bool presigned;
    unsigned conns, active;
    struct conn *all;
    uint64_t deadline_us; /* no operation starts after it; 0: none */
    bool wake;
    struct signer signer;
    struct tally tally;
    int epoll_fd;
    struct content content;
};
extern struct load load;

/* What the others wait for may have come. */
void load_wake(void);
/* The text between <name> and </name>, the first such element behind `from`; "" without one. */
struct span load_element(const char *from, const char *name);

#endif
