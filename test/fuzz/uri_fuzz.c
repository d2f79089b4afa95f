/* Paths and queries: what is decoded encodes and decodes again to itself, and a path is signed as what it is taken for. */
#include "auth/canonical.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            abort();                                                                                         \
    } while (0)

enum { TEXT_BYTES_MAX = HTTP_HEAD_BYTES_MAX };

static struct span canonical(char *(*form)(char *, struct span), struct span text, size_t room)
{
    char *out = malloc(room + 1), *end = form(out, text);

    CHECK(!end || (size_t)(end - out) <= room);
    if (!end) {
        free(out);
        return (struct span){0};
    }
    return (struct span){out, (size_t)(end - out)};
}

static void let_go(struct span text)
{
    free((char *)(uintptr_t)text.at);
}

static void check_path(struct span text, struct arena *arena)
{
    struct span decoded, again, encoded, is_signed = canonical(canonical_path, text, 3 * text.len);

    if (s3_decode(arena, text, false, &decoded)) {
        CHECK(decoded.len <= text.len && span_find(decoded, '\0') == decoded.len);
        encoded = s3_path_encode(arena, decoded);
        CHECK(encoded.at && s3_decode(arena, encoded, false, &again) && span_eq(again, decoded));
        CHECK(span_eq(encoded, is_signed));
    }
    let_go(is_signed);
}

static void check_query(struct span text, struct arena *arena)
{
    struct span first = canonical(canonical_query, text, CANONICAL_QUERY_ROOM(text.len)), second, decoded,
                again;

    if (s3_decode(arena, text, true, &decoded)) {
        struct span encoded = s3_query_encode(arena, decoded);

        CHECK(encoded.at && s3_decode(arena, encoded, true, &again) && span_eq(again, decoded));
    }
    if (!first.at)
        return;
    second = canonical(canonical_query, first, CANONICAL_QUERY_ROOM(first.len));
    CHECK(second.at && span_eq(first, second));
    let_go(second);
    let_go(first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size};
    struct arena arena;

    if (size > TEXT_BYTES_MAX)
        return 0;
    arena_init(&arena, 1024 * 1024);
    check_path(text, &arena);
    check_query(text, &arena);
    (void)s3_bucket_name_valid(text);
    arena_fini(&arena);
    return 0;
}
