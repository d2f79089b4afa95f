#include "bench/body.h"
#include "bench/wire.h"

#include <stdio.h>

const char *const payload_names[PAYLOAD_COUNT] = {[PAYLOAD_UNSIGNED] = "unsigned",
                                                  [PAYLOAD_SIGNED] = "signed",
                                                  [PAYLOAD_CHUNKS] = "chunks",
                                                  [PAYLOAD_TRAILER] = "trailer"};

/* ---- what all have in common ---- */

static size_t piece_at(uint64_t offset, uint64_t size)
{
    return size - offset < CONTENT_BYTES ? (size_t)(size - offset) : CONTENT_BYTES;
}

static void hash_whole(struct content *all)
{
    uint8_t digest[SHA256_BYTES];
    struct sha256 h;

    sha256_init(&h);
    for (uint64_t done = 0; done < all->size; done += CONTENT_BYTES)
        sha256_add(&h, all->bytes, piece_at(done, all->size));
    sha256_end(&h, digest);
    hex_encode(digest, sizeof(digest), all->declared);
}

static void hash_chunks(struct content *all)
{
    uint64_t last = all->size ? (all->size - 1) / BODY_CHUNK_BYTES * BODY_CHUNK_BYTES : 0;

    for (size_t i = 0; i < CONTENT_BYTES / BODY_CHUNK_BYTES; i++)
        sha256_of((struct span){all->bytes + i * BODY_CHUNK_BYTES, BODY_CHUNK_BYTES}, all->digests[i]);
    sha256_of((struct span){all->bytes + last % CONTENT_BYTES, (size_t)(all->size - last)}, all->last_digest);
    sha256_of(SPAN_EMPTY, all->empty_digest);
}

static void sum_whole(struct content *all)
{
    uint32_t crc = 0;
    uint8_t value[sizeof(crc)];
    char text[9] = "";

    for (uint64_t done = 0; done < all->size; done += CONTENT_BYTES)
        crc = crc32_add(crc, all->bytes, piece_at(done, all->size));
    for (size_t i = 0; i < sizeof(value); i++)
        value[i] = (uint8_t)(crc >> (24 - 8 * i));
    base64_encode(value, sizeof(value), text);
    snprintf(all->trailer, sizeof(all->trailer), "x-amz-checksum-crc32:%s\r\n", text);
}

void content_init(struct content *all, enum payload payload, uint64_t size)
{
    static const char *const declared[PAYLOAD_COUNT] = {
        [PAYLOAD_UNSIGNED] = "UNSIGNED-PAYLOAD",
        [PAYLOAD_SIGNED] = "",
        [PAYLOAD_CHUNKS] = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        [PAYLOAD_TRAILER] = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"};
    uint64_t x = 0x9E3779B97F4A7C15u;

    all->payload = payload;
    all->size = size;
    snprintf(all->declared, sizeof(all->declared), "%s", declared[payload]);
    for (size_t i = 0; i < CONTENT_BYTES; i += sizeof(x)) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(all->bytes + i, &x, sizeof(x));
    }
    if (payload == PAYLOAD_SIGNED)
        hash_whole(all);
    if (payload == PAYLOAD_CHUNKS)
        hash_chunks(all);
    if (payload == PAYLOAD_TRAILER)
        sum_whole(all);
}

static bool is_framed(const struct content *all)
{
    return all->payload == PAYLOAD_CHUNKS || all->payload == PAYLOAD_TRAILER;
}

size_t content_fields(const struct content *all, struct signed_field out[static SIGNED_FIELDS_MAX],
                      char length[static 24])
{
    if (!is_framed(all))
        return 0;
    snprintf(length, 24, "%llu", (unsigned long long)all->size);
    out[0] = (struct signed_field){"x-amz-decoded-content-length", length};
    out[1] = (struct signed_field){"x-amz-trailer", "x-amz-checksum-crc32"};
    return all->payload == PAYLOAD_TRAILER ? 2 : 1;
}

/* ---- frames ---- */

#define EXTENSION ";chunk-signature="

static size_t head_bytes(const struct content *all, uint64_t size)
{
    size_t extension = all->payload == PAYLOAD_CHUNKS ? strlen(EXTENSION) + SIGNATURE_CHARS : 0;

    return (size_t)snprintf(NULL, 0, "%llx", (unsigned long long)size) + extension + 2;
}

uint64_t body_wire_bytes(const struct content *all, uint64_t size)
{
    uint64_t chunks = size / BODY_CHUNK_BYTES, rest = size % BODY_CHUNK_BYTES;

    if (!is_framed(all))
        return size;
    return chunks * (head_bytes(all, BODY_CHUNK_BYTES) + BODY_CHUNK_BYTES + 2) +
           (rest ? head_bytes(all, rest) + rest + 2 : 0) + head_bytes(all, 0) +
           (all->payload == PAYLOAD_TRAILER ? strlen(all->trailer) : 0) + 2;
}

static const uint8_t *digest_of(const struct body *b, size_t size)
{
    if (size == 0)
        return b->content->empty_digest;
    if (b->done + size == b->size)
        return b->content->last_digest;
    return b->content->digests[b->done % CONTENT_BYTES / BODY_CHUNK_BYTES];
}

/* "10000\r\n" or "10000;chunk-signature=...\r\n" */
static size_t print_head(struct body *b, size_t size, char *out, size_t room)
{
    if (b->content->payload == PAYLOAD_TRAILER)
        return (size_t)snprintf(out, room, "%zx\r\n", size);
    signer_chunk(b->signer, digest_of(b, size), b->signature);
    return (size_t)snprintf(out, room, "%zx" EXTENSION "%.*s\r\n", size, SIGNATURE_CHARS, b->signature);
}

/* The next chunk; behind the last also the end of the coding, so that a small body is one write. */
static void next_chunk(struct body *b)
{
    uint64_t left = b->size - b->done;
    size_t size = left < BODY_CHUNK_BYTES ? (size_t)left : BODY_CHUNK_BYTES, n = 0;
    bool trailed = b->content->payload == PAYLOAD_TRAILER;

    if (size)
        n = print_head(b, size, b->frame[0], sizeof(b->frame[0]));
    b->unit[0] = (struct span){b->frame[0], n};
    b->unit[1] = (struct span){b->content->bytes + b->done % CONTENT_BYTES, size};
    b->done += size;
    n = (size_t)snprintf(b->frame[1], sizeof(b->frame[1]), "%s", size ? "\r\n" : "");
    if (b->done == b->size) {
        n += print_head(b, 0, b->frame[1] + n, sizeof(b->frame[1]) - n);
        n += (size_t)snprintf(b->frame[1] + n, sizeof(b->frame[1]) - n, "%s\r\n",
                              trailed ? b->content->trailer : "");
    }
    b->unit[2] = (struct span){b->frame[1], n};
}

static void next_piece(struct body *b)
{
    const char *from = b->document.len ? b->document.at : b->content->bytes;
    size_t size = b->document.len ? b->document.len : piece_at(b->done, b->size);

    b->unit[1] = (struct span){from, size};
    b->done += size;
}

/* ---- one body ---- */

void body_none(struct body *b)
{
    b->size = b->done = 0;
    b->content = NULL;
    memset(b->unit, 0, sizeof(b->unit));
}

void body_document(struct body *b, struct span document)
{
    body_none(b);
    b->document = document;
    b->size = document.len;
}

void body_content(struct body *b, const struct content *all, const struct signer *signer,
                  const char signature[static SIGNATURE_CHARS])
{
    body_none(b);
    b->document = SPAN_EMPTY;
    b->content = all;
    b->signer = signer;
    b->size = all->size;
    memcpy(b->signature, signature, SIGNATURE_CHARS);
    if (is_framed(all))
        next_chunk(b); /* one without content has frames, too */
}

int body_peek(struct body *b, struct iovec *iov)
{
    int n = 0;

    if (b->unit[2].len + b->unit[1].len + b->unit[0].len == 0 && b->done < b->size) {
        if (b->content && is_framed(b->content))
            next_chunk(b);
        else
            next_piece(b);
    }
    for (size_t i = 0; i < 3; i++)
        if (b->unit[i].len)
            iov[n++] = (struct iovec){(char *)b->unit[i].at, b->unit[i].len};
    return n;
}

void body_sent(struct body *b, size_t bytes)
{
    for (size_t i = 0; i < 3; i++) {
        size_t gone = bytes < b->unit[i].len ? bytes : b->unit[i].len;

        b->unit[i] = span_skip(b->unit[i], gone);
        bytes -= gone;
    }
}
