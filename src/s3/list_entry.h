/* s3/list_entry.h - the elements that a listing is full of, as servers print them. Pure, no allocation. */
#ifndef S3_LIST_ENTRY_H
#define S3_LIST_ENTRY_H

#include "base/err.h"
#include "base/span.h"

enum s3_list_entry {
    S3_LIST_ENTRY_WHOLE, /* taken: *used bytes */
    S3_LIST_ENTRY_CUT,   /* `text` ends within it */
    S3_LIST_ENTRY_OTHER, /* it has what is for a parser to judge */
};

#define S3_LIST_ENTRY_BEGIN "<Contents>"

/* `text` begins with S3_LIST_ENTRY_BEGIN. Tells each child to `field`, its references resolved in `room`, where the span
 * lies until the next one; false from it: OTHER. Children may have been told when it says CUT or OTHER, too. */
enum s3_list_entry s3_list_entry_scan(struct span text, char *room, size_t room_bytes,
                                      bool (*field)(void *ctx, struct span name, struct span text), void *ctx,
                                      size_t *used) MUST_CHECK;

#endif
