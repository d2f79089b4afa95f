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

/* "AWS4-HMAC-SHA256..." LF time LF scope LF rest, by the day's key, in hex. */
static void seal(const struct signer *s, const char *kind, const char *rest, char out[static SIGNATURE_CHARS])
{
    char text[512];
    uint8_t mac[SHA256_BYTES];
    int n = snprintf(text, sizeof(text), "%s\n%s\n%s/%s/s3/aws4_request\n%s", kind, s->at, s->day, s->region,
                     rest);

    hmac_sha256(&s->key, (struct span){text, (size_t)n}, mac);
    hex_encode(mac, sizeof(mac), out);
}

/* `canonical`: what snprintf made of the canonical request. */
static void seal_request(const struct signer *s, const char *canonical, int len, size_t room,
                         char out[static SIGNATURE_CHARS])
{
    char hex[SIGNATURE_CHARS + 1] = "";
    uint8_t digest[SHA256_BYTES];

    if (len < 0 || (size_t)len >= room)
        die("request too long to sign");
    sha256_of((struct span){canonical, (size_t)len}, digest);
    hex_encode(digest, sizeof(digest), hex);
    seal(s, "AWS4-HMAC-SHA256", hex, out);
}

static size_t fits(int len, size_t room)
{
    if (len < 0 || (size_t)len >= room)
        die("what is signed does not fit in %zu bytes", room);
    return (size_t)len;
}

size_t signer_print(const struct signer *s, const struct signed_request *r, char *out, size_t room,
                    char signature[static SIGNATURE_CHARS])
{
    char canonical[4096], names[160] = "host;x-amz-content-sha256;x-amz-date", lines[256] = "";
    size_t names_len = strlen(names), lines_len = 0, n;

    n = fits(snprintf(out, room, "Host: %s\r\nX-Amz-Date: %s\r\nX-Amz-Content-Sha256: %s\r\n", r->host, s->at,
                      r->payload),
             room);
    for (size_t i = 0; i < r->field_count; i++) {
        const struct signed_field *f = &r->fields[i];

        names_len += fits(snprintf(names + names_len, sizeof(names) - names_len, ";%s", f->name),
                          sizeof(names) - names_len);
        lines_len +=
            fits(snprintf(lines + lines_len, sizeof(lines) - lines_len, "%s:%s\n", f->name, f->value),
                 sizeof(lines) - lines_len);
        n += fits(snprintf(out + n, room - n, "%s: %s\r\n", f->name, f->value), room - n);
    }
    seal_request(s, canonical,
                 snprintf(canonical, sizeof(canonical),
                          "%s\n%s\n%s\nhost:%s\nx-amz-content-sha256:%s\nx-amz-date:%s\n%s\n%s\n%s",
                          r->method, r->path, r->query, r->host, r->payload, s->at, lines, names, r->payload),
                 sizeof(canonical), signature);
    return n + fits(snprintf(out + n, room - n,
                             "Authorization: AWS4-HMAC-SHA256 Credential=%s/%s/%s/s3/aws4_request, "
                             "SignedHeaders=%s, Signature=%.*s\r\n",
                             s->access_key, s->day, s->region, names, SIGNATURE_CHARS, signature),
                    room - n);
}

size_t signer_presign(const struct signer *s, const struct signed_request *r, char *out, size_t room)
{
    char canonical[4096], signature[SIGNATURE_CHARS];
    size_t n = fits(snprintf(out, room,
                             "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=%s%%2F%s%%2F%s%%2Fs3%%2F"
                             "aws4_request&X-Amz-Date=%s&X-Amz-Expires=3600&X-Amz-SignedHeaders=host",
                             s->access_key, s->day, s->region, s->at),
                    room);

    seal_request(s, canonical,
                 snprintf(canonical, sizeof(canonical), "%s\n%s\n%s\nhost:%s\n\nhost\nUNSIGNED-PAYLOAD",
                          r->method, r->path, out, r->host),
                 sizeof(canonical), signature);
    return n +
           fits(snprintf(out + n, room - n, "&X-Amz-Signature=%.*s", SIGNATURE_CHARS, signature), room - n);
}

void signer_chunk(const struct signer *s, const uint8_t digest[static SHA256_BYTES],
                  char signature[static SIGNATURE_CHARS])
{
    static const char empty[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    char rest[3 * SIGNATURE_CHARS + 4], *p = rest;

    p = span_put(p, (struct span){signature, SIGNATURE_CHARS});
    p = span_put(p, SPAN("\n"));
    p = span_put(p, span_of(empty));
    p = span_put(p, SPAN("\n"));
    hex_encode(digest, SHA256_BYTES, p);
    p[SIGNATURE_CHARS] = '\0';
    seal(s, "AWS4-HMAC-SHA256-PAYLOAD", rest, signature);
}
