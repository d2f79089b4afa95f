/* hash.h - digests, CRCs and their text forms. Home of OpenSSL's digests and of ISA-L.
 *
 * SHA-256 uses OpenSSL's low-level calls: an HMAC key is then two saved states, copied by value,
 * and a signature of three short hashes costs no allocation and no provider look-up (the EVP
 * calls cost about a microsecond each before they hash a byte). */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/span.h"

#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/md5.h>
#include <openssl/sha.h>

enum { SHA256_BYTES = 32, SHA1_BYTES = 20, MD5_BYTES = 16 };

struct sha256 {
    SHA256_CTX state;
};
void sha256_init(struct sha256 *h);
void sha256_add(struct sha256 *h, const void *at, size_t len);
void sha256_end(struct sha256 *h, uint8_t out[static SHA256_BYTES]);
void sha256_of(struct span s, uint8_t out[static SHA256_BYTES]);

struct sha1 {
    SHA_CTX state;
};
void sha1_init(struct sha1 *h);
void sha1_add(struct sha1 *h, const void *at, size_t len);
void sha1_end(struct sha1 *h, uint8_t out[static SHA1_BYTES]);

struct md5 {
    MD5_CTX state;
};
void md5_init(struct md5 *h);
void md5_add(struct md5 *h, const void *at, size_t len);
void md5_end(struct md5 *h, uint8_t out[static MD5_BYTES]);

/* A key ready for use: RFC 2104's inner and outer states. */
struct hmac_key {
    SHA256_CTX inner, outer;
};
void hmac_key_init(struct hmac_key *k, struct span key);
void hmac_sha256(const struct hmac_key *k, struct span message, uint8_t out[static SHA256_BYTES]);

/* CRCs as S3 writes them. Start with 0 and feed the result back in to go on. */
uint32_t crc32_add(uint32_t crc, const void *at, size_t len);     /* ISO-HDLC: x-amz-checksum-crc32 */
uint32_t crc32c_add(uint32_t crc, const void *at, size_t len);    /* Castagnoli: x-amz-checksum-crc32c */
uint64_t crc64nvme_add(uint64_t crc, const void *at, size_t len); /* x-amz-checksum-crc64nvme */

/* Lower-case hexadecimal; out has 2 * len bytes and gets no NUL. */
void hex_encode(const void *at, size_t len, char *out);
/* Either case; text.len must be 2 * len. */
bool hex_decode(struct span text, void *out, size_t len);

enum { BASE64_CRC32_CHARS = 8, BASE64_MD5_CHARS = 24, BASE64_SHA256_CHARS = 44 };
/* RFC 4648 section 4 with padding; out has 4 * ((len + 2) / 3) bytes and gets no NUL. Returns that length. */
size_t base64_encode(const void *at, size_t len, char *out);
/* Exactly `len` bytes must come out: padding required, no spaces, no stray bits. */
bool base64_decode(struct span text, void *out, size_t len);

/* Equal in constant time; the lengths are public. */
bool bytes_equal_ct(const void *a, const void *b, size_t len);

/* Not cryptographic; for hash tables, keyed by a seed drawn at start. */
uint64_t hash64(struct span s, uint64_t seed);

#endif
