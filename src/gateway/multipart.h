/* gateway/multipart.h - what the operations on multipart uploads share (op_multipart, op_part, op_part_copy, op_uploads). */
#ifndef GATEWAY_MULTIPART_H
#define GATEWAY_MULTIPART_H

#include "gateway/exchange.h"

/* The id in the request. False: it is none of ours, and that has been answered. */
bool multipart_id(struct exchange *x, struct stamp *out);

/* The upload of the request, with a page of its parts after number `after` if wanted; `then` comes from the loop unless
 * the exchange ends. An upload that is not there for clients, or a journal that cannot be read, has been answered:
 * then `then` does not fire. */
struct multipart_look;
void multipart_look(struct exchange *x, bool with_parts, uint32_t after,
                    void (*then)(struct exchange *x, struct journal_upload_read *r));
/* For operation.end. */
void multipart_look_end(struct exchange *x);

/* Opens x->write for a part of so many bytes; what the client said of its body is in x->request. With `copy`, which says
 * how many they are, the replicas copy it by themselves. False: it cannot be, and that has been answered. */
bool multipart_open_part(struct exchange *x, const struct upload *u, uint64_t bytes,
                         const struct write_copy *copy, const struct write_events *events) MUST_CHECK;
/* A part's verdict that is no success. */
void multipart_part_failed(struct exchange *x, const struct write_verdict *v);

#endif
