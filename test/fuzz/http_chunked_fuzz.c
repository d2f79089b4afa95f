/* The chunked coding decodes to the same bytes, the same end and the same verdict however it is cut. The first
 * byte of the input says how. */
#include "http/message.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            abort();                                                                                         \
    } while (0)

struct decoded {
    enum err result;
    size_t used, body_bytes;
    char *body;
};

static struct decoded decode(const char *in, size_t len, size_t step)
{
    struct decoded d = {.body = malloc(len + 1)};
    struct http_chunked c;

    http_chunked_init(&c);
    while (d.used < len && d.result == ERR_OK) {
        size_t n = step < len - d.used ? step : len - d.used, used, at, data_len;
        uint64_t left = http_chunked_data_left(&c);

        d.result = http_chunked_feed(&c, in + d.used, n, &used, &at, &data_len);
        if (d.result == ERR_PROTOCOL)
            break;
        CHECK(used <= n && at + data_len <= used && (used || d.result == ERR_EOF));
        CHECK(left == 0 || (at == 0 && data_len == (n < left ? n : left)));
        memcpy(d.body + d.body_bytes, in + d.used + at, data_len);
        d.body_bytes += data_len;
        d.used += used;
    }
    return d;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct decoded whole, pieces;

    if (size < 1)
        return 0;
    whole = decode((const char *)data + 1, size - 1, size);
    pieces = decode((const char *)data + 1, size - 1, 1 + data[0] % 16);
    CHECK(whole.result == pieces.result);
    if (whole.result != ERR_PROTOCOL)
        CHECK(whole.used == pieces.used);
    if (whole.result != ERR_PROTOCOL)
        CHECK(whole.body_bytes == pieces.body_bytes &&
              memcmp(whole.body, pieces.body, whole.body_bytes) == 0);
    free(whole.body);
    free(pieces.body);
    return 0;
}
