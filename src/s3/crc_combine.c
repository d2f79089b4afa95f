/* A CRC is linear: behind n zero bytes the first CRC is multiplied by x^8n, modulo the polynomial, and the second is added.
 * That the CRCs start and end inverted cancels out. All three are reflected: the highest power is the lowest bit. */
#include "s3/crc_combine.h"

#include <assert.h>

/* a * b modulo the polynomial; `one` is the bit of x^0. */
static uint64_t multiply(uint64_t a, uint64_t b, uint64_t polynomial, uint64_t one)
{
    uint64_t product = 0;

    for (uint64_t bit = one; bit; bit >>= 1) {
        if (a & bit)
            product ^= b;
        b = b & 1 ? b >> 1 ^ polynomial : b >> 1; /* b * x */
    }
    return product;
}

uint64_t s3_crc_combine(enum s3_checksum kind, uint64_t first, uint64_t second, uint64_t second_bytes)
{
    static const struct {
        uint64_t polynomial, one;
    } crcs[S3_CHECKSUM_COUNT] = {
        [S3_CHECKSUM_CRC32] = {0xedb88320, 1ull << 31},
        [S3_CHECKSUM_CRC32C] = {0x82f63b78, 1ull << 31},
        [S3_CHECKSUM_CRC64NVME] = {0x9a6c9329ac4bc9b5, 1ull << 63},
    };
    uint64_t polynomial = crcs[kind].polynomial, one = crcs[kind].one;
    uint64_t power = one >> 8; /* x^8, one byte; squared for each further bit of the length */

    assert(polynomial);
    for (uint64_t n = second_bytes; n; n >>= 1) {
        if (n & 1)
            first = multiply(first, power, polynomial, one);
        power = multiply(power, power, polynomial, one);
    }
    return first ^ second;
}
