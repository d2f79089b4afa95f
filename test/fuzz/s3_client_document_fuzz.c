/* The documents of clients: keys to delete, tags, access control lists. The first byte says how large the pieces are in which
 * a list of keys comes; they make no difference. Tags that are accepted are the same when they are written anew. */
#include "s3/acl.h"
#include "s3/delete_document.h"
#include "s3/tagging.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            abort();                                                                                         \
    } while (0)

static enum s3_code read_keys(struct s3_delete *out, struct span text, size_t piece, struct arena *arena)
{
    static struct s3_delete_reader r;

    CHECK(s3_delete_open(&r, out, arena) == S3_OK);
    for (; text.len; text = span_skip(text, piece))
        s3_delete_feed(&r, span_head(text, piece));
    return s3_delete_close(&r);
}

static void check_keys(struct span text, size_t piece, struct arena *arena)
{
    struct s3_delete whole, pieces;
    enum s3_code code = read_keys(&whole, text, SIZE_MAX, arena);

    CHECK(code == S3_OK || code == S3_MALFORMED_XML);
    CHECK(read_keys(&pieces, text, piece, arena) == code);
    if (code != S3_OK)
        return;
    CHECK(whole.count == pieces.count && whole.quiet == pieces.quiet);
    CHECK(whole.count >= 1 && whole.count <= S3_DELETE_KEYS_MAX);
    for (size_t i = 0; i < whole.count; i++) {
        const struct s3_delete_entry *e = &whole.entries[i];

        CHECK(e->key.len && e->key.len <= XML_TEXT_BYTES_MAX && span_eq(e->key, pieces.entries[i].key));
        CHECK(span_eq(e->version, pieces.entries[i].version) && span_eq(e->etag, pieces.entries[i].etag));
        CHECK(s3_delete_result(arena, e, S3_NO_SUCH_VERSION, NULL).at);
    }
}

static void check_same(const struct s3_tags *a, const struct s3_tags *b)
{
    CHECK(a->count == b->count);
    for (size_t i = 0; i < a->count; i++)
        CHECK(span_eq(a->tag[i].key, b->tag[i].key) && span_eq(a->tag[i].value, b->tag[i].value));
}

static void check_tags(const struct s3_tags *tags, struct arena *arena)
{
    struct s3_tags again;
    const char *message;

    CHECK(tags->count <= S3_TAGS_MAX);
    CHECK(s3_tags_parse_header(&again, s3_tags_header(tags, arena), arena, &message) == S3_OK);
    check_same(tags, &again);
    CHECK(s3_tags_parse_document(&again, s3_tags_document(tags, arena), arena, &message) == S3_OK);
    check_same(tags, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text;
    struct s3_tags tags;
    const char *message;
    struct arena arena;

    if (size < 1)
        return 0;
    text = (struct span){(const char *)data + 1, size - 1};
    arena_init(&arena, 8 * 1024 * 1024);
    check_keys(text, 1 + data[0] % 16, &arena);
    if (s3_tags_parse_document(&tags, text, &arena, &message) == S3_OK)
        check_tags(&tags, &arena);
    if (s3_tags_parse_header(&tags, text, &arena, &message) == S3_OK)
        check_tags(&tags, &arena);
    (void)!s3_acl_parse(text, SPAN("s3mirror"));
    arena_fini(&arena);
    return 0;
}
