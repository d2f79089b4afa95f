/* aws-chunked decodes to the same content, the same signatures, the same end and the same verdict however it is cut. The
 * first bytes of the input say which mode, trailer and length were declared, and how it is cut. */
#include "s3/dechunk.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            abort();                                                                                         \
    } while (0)

enum { HEAD_BYTES = 5 };

struct decoded {
    enum s3_dechunk_step last;
    size_t used, content_bytes, chunks;
    uint64_t signatures; /* of all of them, folded */
    char *content;
    struct s3_dechunk d;
};

static void note_signature(struct decoded *r)
{
    r->chunks++;
    r->signatures = hash64((struct span){r->d.signature, sizeof(r->d.signature)}, r->signatures);
}

static void take_content(struct decoded *r, const char *in, size_t n)
{
    uint64_t left = s3_dechunk_data_left(&r->d);

    n = n < left ? n : (size_t)left;
    memcpy(r->content + r->content_bytes, in + r->used, n);
    r->content_bytes += n;
    r->used += n;
    s3_dechunk_took(&r->d, n);
}

static struct decoded decode(const uint8_t *head, const char *in, size_t len, size_t step)
{
    struct decoded r = {.content = malloc(len + 1)};

    s3_dechunk_init(&r.d, S3_PAYLOAD_CHUNKS_UNSIGNED_TRAILER + head[0] % 3, head[1] % S3_CHECKSUM_COUNT,
                    (uint64_t)head[2] << 8 | head[3]);
    for (;;) {
        size_t n = step < len - r.used ? step : len - r.used, used;

        if (s3_dechunk_data_left(&r.d) && n) {
            take_content(&r, in, n);
            continue;
        }
        r.last = s3_dechunk_feed(&r.d, in + r.used, n, &used);
        CHECK(used <= n);
        r.used += used;
        if (r.last == S3_DECHUNK_CHUNK)
            note_signature(&r);
        else if (r.last == S3_DECHUNK_ENDED || r.last == S3_DECHUNK_REFUSED || r.used == len)
            return r;
    }
}

static void check_end(const struct decoded *r)
{
    CHECK(r->content_bytes == r->d.decoded && r->d.decoded <= r->d.expected);
    if (r->last == S3_DECHUNK_ENDED) {
        CHECK(r->content_bytes == r->d.expected && r->chunks);
        CHECK((r->d.trailer.len != 0) == (r->d.announced && r->d.has_trailer_lines));
    }
    if (r->last == S3_DECHUNK_REFUSED)
        CHECK(r->d.code != S3_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct decoded whole, pieces;

    if (size < HEAD_BYTES)
        return 0;
    whole = decode(data, (const char *)data + HEAD_BYTES, size - HEAD_BYTES, size);
    pieces = decode(data, (const char *)data + HEAD_BYTES, size - HEAD_BYTES, 1 + data[4] % 16);
    check_end(&whole);
    check_end(&pieces);
    CHECK(whole.last == pieces.last && whole.used == pieces.used && whole.chunks == pieces.chunks);
    CHECK(whole.signatures == pieces.signatures && whole.content_bytes == pieces.content_bytes);
    CHECK(memcmp(whole.content, pieces.content, whole.content_bytes) == 0);
    CHECK(whole.d.code == pieces.d.code && span_eq(whole.d.trailer, pieces.d.trailer));
    free(whole.content);
    free(pieces.content);
    return 0;
}
