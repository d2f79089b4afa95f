/* fanout/etag.h - what two ETags say about two copies, and whether two copies are the same. Pure.
 *
 * An ETag names content only where it is the MD5 of the body: "32 hexadecimal digits" in quotes. Those of multipart
 * uploads depend on how the parts were cut, and vendors have further kinds: of these nothing can be said. */
#ifndef FANOUT_ETAG_H
#define FANOUT_ETAG_H

#include "replica/replica.h"

/* It looks like one. */
bool etag_is_md5(const char *etag);
bool etag_same(const char *a, const char *b);
/* Both are MD5s, and of different bodies. */
bool etag_contradicts(const char *a, const char *b);

/* The same content by identity: the same stamp; without stamps on both the same ETag and size. A copy whose size or
 * MD5 tells that it is damaged is not the same, whatever its stamp. */
bool object_same(const struct replica_object *a, const struct replica_object *b);

#endif
