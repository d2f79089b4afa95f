/* The documents of multipart uploads: a client's list of parts in pieces, and what backends answer. The first byte says how
 * large the pieces are; they make no difference. */
#include "s3/multipart.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    size_t count;
    uint64_t hash;
};

static bool on_part(void *ctx, const struct s3_listed_part *part)
{
    struct seen *s = ctx;

    if (part->number < 1 || part->number > S3_PART_NUMBER_MAX || part->checksum >= S3_CHECKSUM_COUNT)
        abort();
    s->hash = hash64(part->etag, s->hash + part->number);
    s->hash = hash64(part->checksum_text, s->hash + part->checksum);
    return ++s->count < S3_PART_NUMBER_MAX;
}

static enum err read_list(struct span text, size_t piece, struct seen *s)
{
    static struct s3_complete_reader r;

    r = (struct s3_complete_reader){.part = on_part, .ctx = s};
    if (s3_complete_begin(&r) != ERR_OK)
        abort();
    while (text.len && s3_complete_feed(&r, span_head(text, piece)) == ERR_OK)
        text = span_skip(text, piece);
    return s3_complete_end(&r);
}

static void on_entry(void *ctx, const struct s3_upload_entry *entry)
{
    if (!entry->key.len || !entry->id.len)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data + 1, size ? size - 1 : 0}, out;
    struct seen whole = {0}, pieces = {0};
    struct s3_uploads_page page = {.entry = on_entry};
    struct arena arena;
    enum err e;

    if (!size)
        return 0;
    e = read_list(text, SIZE_MAX, &whole);
    if (read_list(text, 1 + data[0] % 16, &pieces) != e ||
        (e == ERR_OK && (whole.count != pieces.count || whole.hash != pieces.hash)))
        abort();
    arena_init(&arena, 8 * 1024 * 1024);
    if (s3_upload_id_read(text, &arena, &out) == ERR_OK && !out.len)
        abort();
    if (s3_complete_etag_read(text, &arena, &out) == ERR_OK && !out.len)
        abort();
    (void)!s3_uploads_read(text, &arena, &page);
    arena_fini(&arena);
    return 0;
}
