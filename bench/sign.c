#include "bench/sign.h"
#include "bench/wire.h"

#include <stdio.h>

static void keep(char *out, size_t room, const char *text)
{
    if (strlen(text) >= room)
        die("'%s' has more than %zu characters", text, room - 1);
    memcpy(out, text, strlen(text) + 1);
}

void signer_init(struct signer *s, const char *access_key, const char *secret_key, const char *region)
{
    *s = (struct signer){.second = -1};
    keep(s->access_key, sizeof(s->access_key), access_key);
    keep(s->secret_key, sizeof(s->secret_key), secret_key);
    keep(s->region, sizeof(s->region), region);
}

/* The key is good for a day: HMAC over date, region, service, terminator, each keyed by the one before. */
static void derive_key(struct signer *s)
{
    struct span steps[] = {span_of(s->day), span_of(s->region), SPAN("s3"), SPAN("aws4_request")};
    char first[sizeof(s->secret_key) + 4];
    uint8_t mac[SHA256_BYTES];

    snprintf(first, sizeof(first), "AWS4%s", s->secret_key);
    hmac_key_init(&s->key, span_of(first));
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        hmac_sha256(&s->key, steps[i], mac);
        hmac_key_init(&s->key, (struct span){(const char *)mac, sizeof(mac)});
    }
}

void signer_now(struct signer *s, time_t now)
{
    struct tm tm;

    if (now == s->second)
        return;
    s->second = now;
    gmtime_r(&now, &tm);
    strftime(s->at, sizeof(s->at), "%Y%m%dT%H%M%SZ", &tm);
    if (memcmp(s->day, s->at, 8) != 0) {
        memcpy(s->day, s->at, 8);
        derive_key(s);
    }
}

size_t signer_print(const struct signer *s, const struct signed_request *r, char *out, size_t room)
{
    static const char names[] = "host;x-amz-content-sha256;x-amz-date";
    char canonical[4096], to_sign[512], hex[2 * SHA256_BYTES];
    uint8_t digest[SHA256_BYTES];
    int n;

    n = snprintf(canonical, sizeof(canonical),
                 "%s\n%s\n%s\nhost:%s\nx-amz-content-sha256:%s\nx-amz-date:%s\n\n%s\n%s", r->method, r->path,
                 r->query, r->host, r->payload, s->at, names, r->payload);
    if (n < 0 || (size_t)n >= sizeof(canonical))
        die("request too long to sign: %s", r->path);
    sha256_of((struct span){canonical, (size_t)n}, digest);
    hex_encode(digest, sizeof(digest), hex);
    n = snprintf(to_sign, sizeof(to_sign), "AWS4-HMAC-SHA256\n%s\n%s/%s/s3/aws4_request\n%.*s", s->at, s->day,
                 s->region, (int)sizeof(hex), hex);
    hmac_sha256(&s->key, (struct span){to_sign, (size_t)n}, digest);
    hex_encode(digest, sizeof(digest), hex);
    n = snprintf(out, room,
                 "Host: %s\r\nX-Amz-Date: %s\r\nX-Amz-Content-Sha256: %s\r\nAuthorization: AWS4-HMAC-SHA256 "
                 "Credential=%s/%s/%s/s3/aws4_request, SignedHeaders=%s, Signature=%.*s\r\n",
                 r->host, s->at, r->payload, s->access_key, s->day, s->region, names, (int)sizeof(hex), hex);
    if (n < 0 || (size_t)n >= room)
        die("signed fields do not fit in %zu bytes", room);
    return (size_t)n;
}
