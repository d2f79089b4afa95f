/* gateway/move.h - the bytes of an object that is read, straight into the chunks of a write: copies that come through
 * here. */
#ifndef GATEWAY_MOVE_H
#define GATEWAY_MOVE_H

#include "fanout/fetch.h"
#include "fanout/write.h"
#include "s3/digest.h"

struct move {
    uint64_t bytes, done;         /* so many are to be moved, and have been */
    struct s3_digest own, wanted; /* of them; kind S3_CHECKSUM_NONE: not asked for */
    bool moving;                  /* a callback may come from inside */
    bool whole;                   /* ERR_OK was returned */
};

/* As far as source and write go. ERR_OK, once: all bytes are in the write. ERR_AGAIN: call again when either says that
 * it can go on; also when nothing is to be done. Others: the source cannot be read to its end. */
enum err move_on(struct move *m, struct fetch *source, struct write *to) MUST_CHECK;

#endif
