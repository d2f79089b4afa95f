/* signed_text.h - a signed request as text, and its way through claim, request and verification. */
#ifndef TEST_SIGNED_TEXT_H
#define TEST_SIGNED_TEXT_H

#include "../s3/head_text.h"
#include "auth/sigv4.h"

#define ACCESS_KEY "AKIAIOSFODNN7EXAMPLE"
#define SECRET     "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define REGION     "us-east-1"
#define NOW_UNIX_S 1369353600u /* 20130524T000000Z */

struct outcome {
    enum s3_code code;
    const char *message;
    struct span detail;
    struct sigv4_claim claim;
    struct s3_request request;
};

/* `raw`: the request is not taken apart by s3_request_parse, for requests that are not path style or
 * not an operation of ours: only what is signed is filled in. */
static inline void check_text(struct outcome *out, struct span text, bool raw, struct span secret,
                              uint64_t now_unix_s, struct sigv4_keyring *keys, struct arena *arena)
{
    struct http_head head;

    memset(out, 0, sizeof(*out));
    head_from_text(&head, text);
    out->code = sigv4_claim_parse(&out->claim, &head, arena, &out->message);
    if (out->code == S3_OK && out->claim.proof == S3_PROOF_NONE)
        out->code = S3_ACCESS_DENIED;
    if (out->code != S3_OK)
        return;
    if (raw) {
        out->request.payload_text = SPAN("UNSIGNED-PAYLOAD");
        out->request.query = head.target;
        out->request.path = span_cut(&out->request.query, '?');
        for (size_t i = 0; i < head.header_count; i++)
            if (span_ieq(head.headers[i].name, SPAN("x-amz-content-sha256")))
                out->request.payload_text = head.headers[i].value;
    } else {
        out->code = s3_request_parse(&out->request, &head, out->claim.proof, NULL, arena, &out->message);
    }
    if (out->code == S3_OK)
        out->code = sigv4_verify(keys, &out->claim, secret, SPAN(REGION), &head, &out->request, now_unix_s,
                                 arena, &out->message, &out->detail);
}

/* A request head that sigv4_sign printed, as head_from_text reads it: no CR, no version. */
static inline struct span text_of_wire(struct span wire, struct arena *arena)
{
    static const struct span version = SPAN(" HTTP/1.1");
    char *text = arena_alloc(arena, wire.len + 1), *p = text;

    if (!text)
        return (struct span){0};
    for (size_t i = 0; i < wire.len; i++) {
        if (wire.at[i] == '\r')
            continue;
        if (span_starts(span_skip(wire, i), SPAN(" HTTP/1.1\r\n")))
            i += version.len - 1;
        else
            *p++ = wire.at[i];
    }
    return (struct span){text, (size_t)(p - text)};
}

#endif
