/* fanout/fetch_answer.h - is what a replica says an answer to the read that was asked? Pure.
 *
 * Backends differ, and some that stand before them speak for them: what does not fit is not passed on, another
 * replica is asked. */
#ifndef FANOUT_FETCH_ANSWER_H
#define FANOUT_FETCH_ANSWER_H

#include "replica/replica.h"

struct fetch_answer {
    unsigned status;      /* for the client: 206 for a part, also from a backend that says 200 */
    uint64_t first, last; /* the body's bytes in the object; 0 and 0 when it has none */
};

/* `asked`: Range and conditions as they were sent. False: it does not fit, *out is undefined. */
bool fetch_answer_read(struct fetch_answer *out, const struct http_header *asked, size_t asked_count,
                       const struct http_head *head, const struct replica_object *object) MUST_CHECK;

/* The same for a part by its number: where it lies only the replica knows. The whole is no answer. */
bool fetch_answer_read_part(struct fetch_answer *out, const struct http_head *head,
                            const struct replica_object *object) MUST_CHECK;

/* Is it, from the object's byte `next` on, the rest of `began`, which `shown` told of? */
bool fetch_answer_continues(const struct fetch_answer *began, const struct replica_object *shown,
                            uint64_t next, const struct http_head *head,
                            const struct replica_object *object) MUST_CHECK;

#endif
