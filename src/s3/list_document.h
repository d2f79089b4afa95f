/* s3/list_document.h - the answers to ListObjects, ListObjectsV2 and ListObjectVersions, printed piece by piece. Pure. */
#ifndef S3_LIST_DOCUMENT_H
#define S3_LIST_DOCUMENT_H

#include "base/arena.h"
#include "s3/request.h"

/* Room that one entry may take: a key of 1024 bytes, each of them a reference of up to 6. */
enum { S3_LIST_ENTRY_BYTES_MAX = 8 * 1024 };

struct s3_list_head {
    const struct s3_request *request; /* one of the three operations */
    bool truncated;
    uint32_t count;     /* of entries */
    struct span last;   /* the last entry: key or common prefix; empty without one */
    bool last_is_group; /* it is a common prefix */
};

/* All that stands before the entries. at == NULL: arena full. */
struct span s3_list_head_print(struct arena *arena, const struct s3_list_head *head) MUST_CHECK;
/* One element; returns what is behind it. `at` has S3_LIST_ENTRY_BYTES_MAX. */
char *s3_list_key_print(char *at, const struct s3_request *request, struct span key, uint64_t body_bytes,
                        uint64_t modified_ms, struct span etag, struct span owner);
char *s3_list_prefix_print(char *at, const struct s3_request *request, struct span prefix);
/* What ends it. */
struct span s3_list_tail(enum s3_op op);

/* ContinuationToken: says where the page before ended, to us only. False: it is none of ours. */
struct span s3_list_token(struct arena *arena, struct span last) MUST_CHECK;
bool s3_list_token_parse(struct arena *arena, struct span token, struct span *last) MUST_CHECK;

#endif
