/* A backend's listing, in any pieces: the same is read of it whatever they are, and it is bounded. Continuation tokens:
 * one that is taken is one that we print. */
#include "base/hash.h"
#include "s3/list_document.h"
#include "s3/list_read.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    size_t items;
    uint64_t sum;
};

static bool on_item(void *ctx, const struct s3_list_item *item)
{
    struct seen *s = ctx;
    char key[XML_WIDE_TEXT_BYTES_MAX];
    size_t len = item->key.len;

    if (len == 0 || len > sizeof(key) || item->etag.len > 128 || !item->etag.at)
        abort();
    span_put(key, item->key);
    if (s3_list_decode(key, &len) && len > item->key.len)
        abort();
    s->items++;
    s->sum = hash64(item->key, s->sum) ^ item->body_bytes ^ item->modified_ms ^ item->is_prefix;
    return true;
}

/* `scans`: entries are taken before the parser; what comes of it is the same. */
static enum err read_all(struct span text, size_t piece, bool scans, struct seen *s, struct s3_list_reader *r)
{
    enum err e = ERR_OK, end;

    *s = (struct seen){0};
    s3_list_reader_init(r, on_item, s);
    r->scans = scans;
    for (; text.len && e == ERR_OK; text = span_skip(text, piece))
        e = s3_list_reader_feed(r, span_head(text, piece));
    end = s3_list_reader_end(r);
    return e == ERR_OK ? end : e;
}

static void try_token(struct span text)
{
    struct arena arena;
    struct span last;

    arena_init(&arena, 64 * 1024);
    if (s3_list_token_parse(&arena, text, &last) && !span_eq(s3_list_token(&arena, last), text))
        abort();
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct s3_list_reader whole, pieces;
    struct span text = {(const char *)data, size};
    struct seen a, b;

    if (size == 0)
        return 0;
    text = span_skip(text, 1);
    try_token(text);
    if (read_all(text, size, false, &a, &whole) != ERR_OK)
        return 0;
    if (read_all(text, 1 + data[0], true, &b, &pieces) != ERR_OK || a.items != b.items || a.sum != b.sum ||
        whole.truncated != pieces.truncated || whole.encoded != pieces.encoded)
        abort();
    return 0;
}
