/* auth/post_policy.h - who sends a browser's form, and what the policy in it allows. The home of jansson.
 *
 * Whoever has the keys signs a policy; whoever has the policy may upload what it allows while it lasts. The signature covers
 * the policy alone, so every field of the form must be named by one of its conditions.
 * Source: AWS "Browser-Based Uploads Using POST (AWS Signature Version 4)". */
#ifndef AUTH_POST_POLICY_H
#define AUTH_POST_POLICY_H

#include "auth/sigv4.h"
#include "s3/form.h"

/* The claim that a form makes, taken apart; spans point into the form's text. S3_OK; S3_ACCESS_DENIED: it makes none;
 * S3_INVALID_REQUEST for Signature Version 2 and session tokens; S3_INVALID_ARGUMENT: a field is missing or another
 * algorithm's; S3_AUTHORIZATION_HEADER_MALFORMED. */
enum s3_code post_policy_claim(struct sigv4_claim *out, const struct s3_form *form, struct arena *arena,
                               const char **message) MUST_CHECK;
/* The region, then the signature over the policy as it stands in the form, in constant time. `keys` may be NULL. */
enum s3_code post_policy_verify(struct sigv4_keyring *keys, const struct sigv4_claim *claim,
                                struct span secret, struct span region, const struct s3_form *form,
                                struct arena *arena, const char **message) MUST_CHECK;

struct post_policy_limits {
    uint64_t least_bytes, most_bytes; /* of the file; 0 and UINT64_MAX when nothing is said */
};
/* S3_OK; S3_INVALID_POLICY_DOCUMENT: it is none; S3_ACCESS_DENIED: it has expired, or does not allow this form. `key` is the
 * form's with ${filename} replaced, as AWS matches it. */
enum s3_code post_policy_check(struct post_policy_limits *out, const struct s3_form *form, struct span bucket,
                               struct span key, uint64_t now_unix_s, struct arena *arena,
                               const char **message) MUST_CHECK;

#endif
