/* fanout/sources.h - may each replica of a target copy an object from the source that is on its own backend? A HEAD of the
 * source at each of them tells.
 *
 * It is all of them or none: where one cannot, the bytes have to come through here in any case, and the others take them
 * from the same ring, while a copy of their own could not begin before the last byte has come. */
#ifndef FANOUT_SOURCES_H
#define FANOUT_SOURCES_H

#include "fanout/env.h"
#include "fanout/write.h"

struct sources; /* belongs to one loop */

struct sources_spec {
    const struct replica_set *target; /* copied */
    const struct replica_set *source; /* copied */
    struct span source_key;           /* copied by the calls that need it longer */
    bool part;                        /* a part of an upload is to be copied; else an object */
};

/* Every usable replica of the target has a replica of the source on its backend, which can copy. Nothing is asked. */
bool sources_possible(const struct sources_spec *spec) MUST_CHECK;

/* Asks each of them. `done` fires once, not from inside; ERR_NOMEM: never. A source that does not answer within
 * first_byte_ms shows nothing. */
enum err sources_open(struct sources **out, struct env *env, const struct sources_spec *spec,
                      void (*done)(void *ctx), void *ctx) MUST_CHECK;
/* After `done`: all that are usable show `object`, so that each may copy it; `in_place`: onto itself. Then *out has key,
 * from and etags. Of an object in parts the copies' ETags must be going to agree, too. */
bool sources_agree(const struct sources *s, const struct replica_object *object, bool in_place,
                   struct write_copy *out) MUST_CHECK;
/* At any time; nothing fires any more. */
void sources_free(struct sources *s);

#endif
