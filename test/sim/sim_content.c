#include "sim_content.h"

#include "base/hash.h"
#include "base/random.h"

#include <stdio.h>

static size_t piece(uint64_t offset, size_t len)
{
    size_t room = CONTENT_BLOCK - (size_t)(offset % CONTENT_BLOCK);

    return len < room ? len : room;
}

void content_md5(uint32_t crc32, uint64_t bytes, uint8_t out[static 16])
{
    for (size_t i = 0; i < 16; i++)
        out[i] = (uint8_t)((i < 8 ? crc32 : bytes) >> i % 4 * 8);
}

void content_etag(uint32_t crc32, uint64_t bytes, char out[static CONTENT_ETAG_CHARS])
{
    uint8_t md5[16];

    content_md5(crc32, bytes, md5);
    out[0] = out[33] = '"';
    out[34] = '\0';
    hex_encode(md5, sizeof(md5), out + 1);
}

void content_init(struct content *c, uint32_t id, uint64_t bytes)
{
    struct random random;

    *c = (struct content){.id = id, .bytes = bytes};
    random_init(&random, id);
    for (size_t i = 0; i < CONTENT_BLOCK; i++)
        c->block[i] = (char)random_u64(&random);
    for (uint64_t at = 0; at < bytes;) {
        size_t n = piece(at, (size_t)(bytes - at));

        c->crc32 = crc32_add(c->crc32, c->block + at % CONTENT_BLOCK, n);
        at += n;
    }
    content_md5(c->crc32, bytes, c->md5);
    content_etag(c->crc32, bytes, c->etag);
    memcpy(c->damaged_etag, c->etag, sizeof(c->etag));
    c->damaged_etag[1] = c->etag[1] == 'd' ? 'e' : 'd';
    snprintf(c->header, sizeof(c->header), "%u", id);
}

void content_init_same(struct content *c, uint32_t id, const struct content *of)
{
    *c = *of;
    c->id = id;
    snprintf(c->header, sizeof(c->header), "%u", id);
}

void content_fill(const struct content *c, uint64_t offset, void *at, size_t len)
{
    for (size_t done = 0; done < len;) {
        size_t n = piece(offset + done, len - done);

        memcpy((char *)at + done, c->block + (offset + done) % CONTENT_BLOCK, n);
        done += n;
    }
}

bool content_equal(const struct content *c, uint64_t offset, const void *at, size_t len)
{
    for (size_t done = 0; done < len;) {
        size_t n = piece(offset + done, len - done);

        if (memcmp((const char *)at + done, c->block + (offset + done) % CONTENT_BLOCK, n) != 0)
            return false;
        done += n;
    }
    return true;
}
