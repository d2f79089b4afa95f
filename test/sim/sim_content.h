/* sim_content.h - made-up object bodies: all bytes follow from a number. */
#ifndef SIM_CONTENT_H
#define SIM_CONTENT_H

#include "base/span.h"

enum { CONTENT_BLOCK = 4099, CONTENT_HEADER_MAX = 16, CONTENT_ETAG_CHARS = 35 };

/* Body number `id`, 1 and up. The block repeats through the body; its length is prime, so that no piece of a body
 * looks like another piece that starts at a round offset. */
struct content {
    uint32_t id;
    uint64_t bytes;
    uint32_t crc32;
    uint8_t md5[16]; /* stands for it: from the bytes' CRC and length */
    char etag[CONTENT_ETAG_CHARS], damaged_etag[CONTENT_ETAG_CHARS];
    char header[CONTENT_HEADER_MAX]; /* value of x-amz-meta-content: the number */
    char block[CONTENT_BLOCK];
};

void content_init(struct content *c, uint32_t id, uint64_t bytes);
/* The same bytes under another number. */
void content_init_same(struct content *c, uint32_t id, const struct content *of);
/* What stands for the MD5 of so many bytes with that CRC, and the ETag made of it. */
void content_md5(uint32_t crc32, uint64_t bytes, uint8_t out[static 16]);
void content_etag(uint32_t crc32, uint64_t bytes, char out[static CONTENT_ETAG_CHARS]);
void content_fill(const struct content *c, uint64_t offset, void *at, size_t len);
bool content_equal(const struct content *c, uint64_t offset, const void *at, size_t len);

#define CONTENT_HEADER "x-amz-meta-content"

#endif
