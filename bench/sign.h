/* sign.h - the load generator's own AWS Signature Version 4: header, query, and the chain of signed chunks.
 *
 * Written apart from src/auth on purpose: a request that both sides sign and verify with the same
 * code would prove nothing, and the client's cost must not change with the gateway's. */
#ifndef BENCH_SIGN_H
#define BENCH_SIGN_H

#include "base/hash.h"

#include <time.h>

struct signer {
    char access_key[129], secret_key[129], region[33];
    struct hmac_key key; /* of `day` */
    char day[9];         /* 20130524 */
    char at[17];         /* 20130524T000000Z */
    time_t second;       /* what `at` shows */
};

enum { SIGNATURE_CHARS = 2 * SHA256_BYTES, SIGNED_FIELDS_MAX = 2 };

/* What is signed: these and x-amz-date. Nothing needs escaping: the bench's keys are plain. */
struct signed_request {
    const char *method, *host, *path; /* "PUT", "127.0.0.1:8000", "/bucket/k-0-1" */
    const char *query;   /* parameters by name, each with a value: "list-type=2&max-keys=9"; or "" */
    const char *payload; /* 64 hex digits, UNSIGNED-PAYLOAD, STREAMING-... */
    /* Further ones, by name, behind "x-amz-date" in that order. */
    struct signed_field {
        const char *name, *value;
    } fields[SIGNED_FIELDS_MAX];
    size_t field_count;
};

/* Ends the process when a name is too long. */
void signer_init(struct signer *s, const char *access_key, const char *secret_key, const char *region);
/* The time that later signatures show; free when the second has not changed. */
void signer_now(struct signer *s, time_t now);
/* Prints the fields Host, X-Amz-Date, X-Amz-Content-Sha256, those of `r`, and Authorization, each with CRLF, and a
 * NUL. Returns the length without the NUL; ends the process when `room` does not do. */
size_t signer_print(const struct signer *s, const struct signed_request *r, char *out, size_t room,
                    char signature[static SIGNATURE_CHARS]);
/* The same request as a URL that is good for an hour: its query. The only field is Host, the payload is not signed. */
size_t signer_presign(const struct signer *s, const struct signed_request *r, char *out, size_t room);
/* The signature of the chunk with this SHA-256, in place of that of the chunk before (or of the request). */
void signer_chunk(const struct signer *s, const uint8_t digest[static SHA256_BYTES],
                  char signature[static SIGNATURE_CHARS]);

#endif
