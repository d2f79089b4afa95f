/* gateway/manifest.h - what the journal keeps of the request's object if it was uploaded in parts, for reads. */
#ifndef GATEWAY_MANIFEST_H
#define GATEWAY_MANIFEST_H

#include "gateway/exchange.h"
#include "s3/manifest.h"

struct manifest_look;
/* Looks for the newest manifest of the request's key. `then` is called at once when there is none for certain, else from the
 * loop, unless the exchange ends. A journal that cannot be read is as good as one that has none: what it has is no
 * content. */
void manifest_look(struct exchange *x, void (*then)(struct exchange *x));
/* Of this object, which the key shows; NULL: it has none, or another object of the key has. */
const struct s3_manifest *manifest_of(const struct exchange *x, const struct replica_object *object);
/* Header lines for an answer with its checksum, which has one: of the part of this number, 0: of the object. Takes
 * MANIFEST_CHECKSUM_BYTES_MAX at most; returns what is behind them. */
enum { MANIFEST_CHECKSUM_BYTES_MAX = 200 };
char *manifest_put_checksum(char *at, const struct s3_manifest *m, uint32_t part_number);
/* For operation.end. */
void manifest_end(struct exchange *x);

#endif
