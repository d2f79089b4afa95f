/* s3/acl.h - access control lists: there is one, the owner's FULL_CONTROL, and it cannot be changed. Pure. */
#ifndef S3_ACL_H
#define S3_ACL_H

#include "base/arena.h"

/* <AccessControlPolicy>. at == NULL: arena full. */
struct span s3_acl_document(struct arena *arena, struct span owner) MUST_CHECK;
/* A client's <AccessControlPolicy>: ERR_OK: it grants FULL_CONTROL to the owner and nothing else; ERR_MISMATCH: something
 * else; ERR_INVALID: no such document. */
enum err s3_acl_parse(struct span body, struct span owner) MUST_CHECK;

#endif
