/* gateway/key_check.h - keys that a replica of the bucket would take for others. Pure.
 *
 * Stored under another name an object would overwrite a stranger's, and pass by whatever is allowed or forbidden by
 * prefix. So no operation may name such a key, reading ones included: what they would show is another object. */
#ifndef GATEWAY_KEY_CHECK_H
#define GATEWAY_KEY_CHECK_H

#include "base/arena.h"
#include "fanout/catalog.h"
#include "s3/request.h"

/* NULL: the key is fine. Else a sentence that names the replica, for S3_KEY_NOT_SUPPORTED. `has_body`: an object with
 * content is to be written under it. */
const char *key_check(const struct catalog_bucket *b, struct span key, bool has_body, struct arena *arena);
/* The same for the key that the request names, and what it would do with it. */
const char *key_check_request(const struct catalog_bucket *b, const struct s3_request *r,
                              struct arena *arena);

#endif
