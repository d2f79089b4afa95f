#include "base/hash.h"

#include <isa-l/crc.h>
#include <openssl/crypto.h>

void sha256_init(struct sha256 *h)
{
    SHA256_Init(&h->state);
}

void sha256_add(struct sha256 *h, const void *at, size_t len)
{
    SHA256_Update(&h->state, at, len);
}

void sha256_end(struct sha256 *h, uint8_t out[static SHA256_BYTES])
{
    SHA256_Final(out, &h->state);
}

void sha256_of(struct span s, uint8_t out[static SHA256_BYTES])
{
    struct sha256 h;

    sha256_init(&h);
    sha256_add(&h, s.at, s.len);
    sha256_end(&h, out);
}

void sha1_init(struct sha1 *h)
{
    SHA1_Init(&h->state);
}

void sha1_add(struct sha1 *h, const void *at, size_t len)
{
    SHA1_Update(&h->state, at, len);
}

void sha1_end(struct sha1 *h, uint8_t out[static SHA1_BYTES])
{
    SHA1_Final(out, &h->state);
}

void md5_init(struct md5 *h)
{
    MD5_Init(&h->state);
}

void md5_add(struct md5 *h, const void *at, size_t len)
{
    MD5_Update(&h->state, at, len);
}

void md5_end(struct md5 *h, uint8_t out[static MD5_BYTES])
{
    MD5_Final(out, &h->state);
}

void hmac_key_init(struct hmac_key *k, struct span key)
{
    uint8_t block[SHA256_CBLOCK] = {0};

    if (key.len > sizeof(block))
        sha256_of(key, block);
    else if (key.len)
        memcpy(block, key.at, key.len);
    for (size_t i = 0; i < sizeof(block); i++)
        block[i] ^= 0x36;
    SHA256_Init(&k->inner);
    SHA256_Update(&k->inner, block, sizeof(block));
    for (size_t i = 0; i < sizeof(block); i++)
        block[i] ^= 0x36 ^ 0x5c;
    SHA256_Init(&k->outer);
    SHA256_Update(&k->outer, block, sizeof(block));
    OPENSSL_cleanse(block, sizeof(block));
}

void hmac_sha256(const struct hmac_key *k, struct span message, uint8_t out[static SHA256_BYTES])
{
    SHA256_CTX h = k->inner;
    uint8_t digest[SHA256_BYTES];

    SHA256_Update(&h, message.at, message.len);
    SHA256_Final(digest, &h);
    h = k->outer;
    SHA256_Update(&h, digest, sizeof(digest));
    SHA256_Final(out, &h);
}

/* ISA-L's widest kernels return with the upper halves of the vector registers in use. Until they are cleared every
 * instruction of the older kind drags them along, and those of SHA-256 are of that kind: it took a third longer. */
#if defined(__x86_64__)
__attribute__((target("avx"))) static void clear_upper_halves(void)
{
    __builtin_ia32_vzeroupper();
}

static void leave_isal(void)
{
    if (__builtin_cpu_supports("avx"))
        clear_upper_halves();
}
#else
static void leave_isal(void)
{
}
#endif

uint32_t crc32_add(uint32_t crc, const void *at, size_t len)
{
    crc = crc32_gzip_refl(crc, at, len);
    leave_isal();
    return crc;
}

/* ISA-L's iSCSI CRC leaves both inversions to its caller and takes an int as length. */
uint32_t crc32c_add(uint32_t crc, const void *at, size_t len)
{
    unsigned char *p = (unsigned char *)(uintptr_t)at;

    crc = ~crc;
    while (len) {
        int n = len > 1 << 30 ? 1 << 30 : (int)len;

        crc = crc32_iscsi(p, n, crc);
        p += n;
        len -= (size_t)n;
    }
    leave_isal();
    return ~crc;
}

/* Slicing by 8 (Kounavis and Berry, 2005); Debian's ISA-L has no NVMe polynomial yet. */
static uint64_t nvme_table[8][256];

__attribute__((constructor)) static void nvme_table_fill(void)
{
    for (unsigned i = 0; i < 256; i++) {
        uint64_t crc = i;

        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0x9A6C9329AC4BC9B5u : crc >> 1;
        nvme_table[0][i] = crc;
    }
    for (unsigned i = 0; i < 256; i++)
        for (int t = 1; t < 8; t++)
            nvme_table[t][i] = nvme_table[t - 1][i] >> 8 ^ nvme_table[0][nvme_table[t - 1][i] & 0xff];
}

uint64_t crc64nvme_add(uint64_t crc, const void *at, size_t len)
{
    const uint8_t *p = at;

    crc = ~crc;
    for (; len >= 8; p += 8, len -= 8) {
        uint64_t word;

        memcpy(&word, p, 8); /* little-endian machines only, as is the rest of the build */
        crc ^= word;
        crc = nvme_table[7][crc & 0xff] ^ nvme_table[6][crc >> 8 & 0xff] ^ nvme_table[5][crc >> 16 & 0xff] ^
              nvme_table[4][crc >> 24 & 0xff] ^ nvme_table[3][crc >> 32 & 0xff] ^
              nvme_table[2][crc >> 40 & 0xff] ^ nvme_table[1][crc >> 48 & 0xff] ^ nvme_table[0][crc >> 56];
    }
    while (len--)
        crc = nvme_table[0][(crc ^ *p++) & 0xff] ^ crc >> 8;
    return ~crc;
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "crc64nvme_add reads words");

void hex_encode(const void *at, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = at;

    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool hex_decode(struct span text, void *out, size_t len)
{
    uint8_t *p = out;

    if (text.len != 2 * len)
        return false;
    for (size_t i = 0; i < len; i++) {
        int high = hex_digit(text.at[2 * i]), low = hex_digit(text.at[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        p[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_encode(const void *at, size_t len, char *out)
{
    const uint8_t *p = at;
    char *start = out;

    for (; len >= 3; p += 3, len -= 3, out += 4) {
        out[0] = base64_digits[p[0] >> 2];
        out[1] = base64_digits[(p[0] & 3) << 4 | p[1] >> 4];
        out[2] = base64_digits[(p[1] & 15) << 2 | p[2] >> 6];
        out[3] = base64_digits[p[2] & 63];
    }
    if (len) {
        uint8_t second = len == 2 ? p[1] : 0;

        out[0] = base64_digits[p[0] >> 2];
        out[1] = base64_digits[(p[0] & 3) << 4 | second >> 4];
        out[2] = len == 2 ? base64_digits[(second & 15) << 2] : '=';
        out[3] = '=';
        out += 4;
    }
    return (size_t)(out - start);
}

static int base64_digit(char c)
{
    const char *hit = c ? strchr(base64_digits, c) : NULL;

    return hit ? (int)(hit - base64_digits) : -1;
}

bool base64_decode(struct span text, void *out, size_t len)
{
    uint8_t *p = out;
    size_t pad = (3 - len % 3) % 3, done = 0;

    if (text.len != (len + 2) / 3 * 4)
        return false;
    for (size_t i = 0; i < text.len; i += 4) {
        bool last = i + 4 == text.len;
        uint32_t word = 0;

        for (size_t j = 0; j < 4; j++) {
            bool padding = last && j >= 4 - pad;
            int digit = padding ? (text.at[i + j] == '=' ? 0 : -1) : base64_digit(text.at[i + j]);

            if (digit < 0)
                return false;
            word = word << 6 | (uint32_t)digit;
        }
        for (size_t j = 0; j < 3; j++) {
            uint8_t byte = (uint8_t)(word >> (16 - 8 * j));

            if (done < len)
                p[done++] = byte;
            else if (byte)
                return false;
        }
    }
    return true;
}

bool bytes_equal_ct(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}

/* FNV-1a over words with a murmur finish: enough to spread keys, seeded against chosen ones. */
uint64_t hash64(struct span s, uint64_t seed)
{
    uint64_t h = seed ^ (s.len * 0x9E3779B97F4A7C15u);

    for (; s.len >= 8; s = span_skip(s, 8)) {
        uint64_t word;

        memcpy(&word, s.at, 8);
        h = (h ^ word) * 0x9FB21C651E98DF25u;
        h ^= h >> 32;
    }
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (uint8_t)s.at[i]) * 0x100000001B3u;
    h ^= h >> 33;
    h *= 0xFF51AFD7ED558CCDu;
    h ^= h >> 33;
    h *= 0xC4CEB9FE1A85EC53u;
    return h ^ h >> 33;
}
