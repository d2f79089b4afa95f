/* gateway/post_fields.h - the fields of a form as the head of a PUT. Pure. */
#ifndef GATEWAY_POST_FIELDS_H
#define GATEWAY_POST_FIELDS_H

#include "s3/form.h"
#include "s3/request.h"

struct post_fields {
    struct http_header headers[S3_FORM_FIELDS_MAX]; /* the fields that are header fields of a PUT */
    size_t header_count;
    struct span redirect; /* success_action_redirect: an http(s) address; else empty */
    unsigned status;      /* success_action_status: 200, 201, 204 */
};

/* S3_OK: *put is the PutObject that the form asks for, of the key with ${filename} replaced; its body_bytes is not known here.
 * `form_request` is the form's own. What a PUT refuses is refused here: encryption, locks, other ACLs than private; and tags,
 * which a form has in a document of their own. */
enum s3_code post_fields_read(struct post_fields *out, struct s3_request *put, const struct s3_form *form,
                              const struct s3_request *form_request, struct arena *arena,
                              const char **message) MUST_CHECK;

#endif
