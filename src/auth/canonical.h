/* auth/canonical.h - the pieces of SigV4's canonical request that verifying and signing share. For auth/ only.
 *
 * Everything is written to memory whose size was reckoned beforehand: each function writes at `p` and
 * returns the end of what it wrote. */
#ifndef AUTH_CANONICAL_H
#define AUTH_CANONICAL_H

#include "auth/sigv4.h"

static inline char *put(char *p, struct span s)
{
    if (s.len)
        memcpy(p, s.at, s.len);
    return p + s.len;
}

static inline char *put_char(char *p, char c)
{
    *p = c;
    return p + 1;
}

/* A path as received: each byte decoded once and encoded again. At most 3 * path.len bytes. */
char *canonical_path(char *p, struct span path);

/* A query as received: names and values decoded ('+' is a space) and encoded again, sorted by encoded name, then
 * value, a '=' behind every name, X-Amz-Signature left out. Writes within CANONICAL_QUERY_ROOM(query.len) bytes, its scratch included. NULL:
 * too many parameters. */
enum { CANONICAL_PARAMS_MAX = 64 };
#define CANONICAL_QUERY_ROOM(len) (2 * (3 * (len) + 2 * CANONICAL_PARAMS_MAX))
char *canonical_query(char *p, struct span query);

/* A field's value: trimmed, runs of spaces are one space. At most value.len bytes. */
char *canonical_value(char *p, struct span value);

/* "<day>/<region>/s3/aws4_request": SIGV4_SCOPE_BYTES + region.len bytes. */
enum { SIGV4_SCOPE_BYTES = SIGV4_DAY_CHARS + sizeof("//s3/aws4_request") - 1 };
char *put_scope(char *p, struct span day, struct span region);

/* The string to sign for a canonical request: SIGV4_STRING_BYTES + region.len bytes. */
enum {
    SIGV4_STRING_BYTES =
        sizeof("AWS4-HMAC-SHA256\n") - 1 + SIGV4_STAMP_CHARS + 1 + SIGV4_SCOPE_BYTES + 1 + 2 * SHA256_BYTES
};
char *put_string_to_sign(char *p, struct span stamp, struct span day, struct span region,
                         struct span canonical);

/* HMAC(HMAC(HMAC(HMAC("AWS4" secret, day), region), "s3"), "aws4_request"), ready to sign with. */
void sigv4_derive(struct hmac_key *out, struct span secret, struct span day, struct span region);
/* The same out of `keys`. The result is in `keys`, or in *spare when it does not fit there or keys is NULL. */
const struct hmac_key *sigv4_key(struct sigv4_keyring *keys, struct span secret, struct span day,
                                 struct span region, struct hmac_key *spare);

#endif
