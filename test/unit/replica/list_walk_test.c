/* Any backend's listing becomes one in byte order: against sorted lists of drawn keys, from every position. */
#include "replica/list_walk.h"

#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { KEYS_MAX = 60, KEY_CHARS = 12, PAGE_BYTES = 64 * 1024 };

struct backend {
    enum list_order order;
    bool counts_before; /* the limit counts names that come before the folder that `after` is in */
    bool repeats_group; /* the group that `after` is in comes once more */
    bool skips_folder;  /* the folder that has the name of `after` is left out */
    char keys[KEYS_MAX][KEY_CHARS + 1];
    size_t count;
    unsigned asks;
};

static struct span key_of(const struct backend *b, size_t i)
{
    return span_of(b->keys[i]);
}

static int compare_bytes(const void *a, const void *b)
{
    return span_cmp(span_of(a), span_of(b));
}

static int compare_path(const void *a, const void *b)
{
    return list_path_cmp(span_of(a), span_of(b));
}

static struct span text_of(struct span key, struct span prefix, bool grouped, bool *is_group)
{
    size_t slash = prefix.len + span_find(span_skip(key, prefix.len), '/');

    *is_group = grouped && slash < key.len;
    return *is_group ? span_head(key, slash + 1) : key;
}

/* The keys that have the prefix, as entries, in the order of `compare`, those at and before `after` left out. */
static size_t list_all(const struct backend *b, struct span prefix, bool grouped, struct span after,
                       int (*compare)(struct span a, struct span b),
                       struct replica_entry out[static KEYS_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < b->count; i++) {
        struct replica_entry e = {.etag = SPAN("\"e\""), .body_bytes = i, .modified_ms = 7};

        if (!span_starts(key_of(b, i), prefix))
            continue;
        e.key = text_of(key_of(b, i), prefix, grouped, &e.is_group);
        if (after.len && compare(key_of(b, i), after) <= 0)
            continue;
        if (after.len && e.is_group && !b->repeats_group && compare(e.key, after) <= 0)
            continue;
        if (after.len && b->skips_folder && key_of(b, i).len > after.len &&
            span_starts(key_of(b, i), after) && key_of(b, i).at[after.len] == '/')
            continue;
        if (n && span_eq(out[n - 1].key, e.key))
            continue;
        out[n++] = e;
    }
    return n;
}

/* How many names such a server counts before those that are asked for. */
static size_t counted_before(const struct backend *b, struct span prefix, struct span after)
{
    size_t slash = prefix.len + span_find(span_skip(after, prefix.len), '/'), n = 0;
    struct span name = span_head(after, slash);

    for (size_t i = 0; slash < after.len && i < b->count; i++)
        n += span_starts(key_of(b, i), prefix) && span_cmp(key_of(b, i), name) >= 0 &&
             span_cmp(key_of(b, i), after) <= 0;
    return n;
}

static bool answer(struct backend *b, const struct list_ask *ask)
{
    struct replica_entry all[KEYS_MAX];
    size_t n = list_all(b, ask->prefix, ask->grouped, ask->after,
                        b->order == LIST_ORDER_PATH ? list_path_cmp : span_cmp, all);
    size_t most = ask->most, before = b->counts_before ? counted_before(b, ask->prefix, ask->after) : 0;

    assert_true(ask->most > 0 && (ask->after.len == 0 || span_starts(ask->after, ask->prefix)));
    b->asks++;
    if (before + n > most && before) { /* it stops before its time, and lists one that comes later */
        size_t good = before < most ? most - before : 0;

        if (good + 1 < n)
            all[good] = all[good + 1];
        n = good + 1 < n ? good + 1 : good;
    }
    for (size_t i = 0; i < n && i < most; i++)
        assert_true(replica_page_add(ask->into, &all[i]));
    return n > most;
}

static void draw_keys(struct backend *b, struct random *r)
{
    static const char letters[] = "ab-!.0//";
    size_t wanted = 1 + random_below(r, KEYS_MAX - 1);
    size_t few = 3 + random_below(r, sizeof(letters) - 3);

    b->count = 0;
    while (b->count < wanted) {
        char *key = b->keys[b->count];
        size_t len = 1 + random_below(r, KEY_CHARS);
        bool good = true;

        for (size_t i = 0; i < len; i++)
            key[i] = letters[sizeof(letters) - 2 - random_below(r, few)];
        key[len] = '\0';
        good = key[0] != '/' && !strstr(key, "//");
        for (size_t i = 0; i < b->count; i++)
            good = good && strcmp(b->keys[i], key) != 0;
        if (good)
            b->count++;
        else if (random_below(r, 50) == 0)
            break;
    }
    qsort(b->keys, b->count, sizeof(b->keys[0]), b->order == LIST_ORDER_PATH ? compare_path : compare_bytes);
}

/* A whole listing, page by page, must be `want`, from the first entry behind `after`. */
static void check_listing(struct backend *b, struct span prefix, bool grouped, struct span after,
                          uint32_t most, const struct replica_entry *want, size_t count)
{
    static uint32_t room[PAGE_BYTES / sizeof(uint32_t)];
    static struct list_walk w;
    struct replica_page page;
    struct list_ask ask;
    char at[KEY_CHARS + 8];
    size_t seen = 0;
    bool more = true;

    while (more) {
        replica_page_init(&page, room, sizeof(room));
        assert_true(list_walk_init(&w, b->order, &page, prefix, grouped, after, most));
        while (list_walk_next(&w, &ask))
            w.truncated = answer(b, &ask);
        assert_int_equal(w.failed, ERR_OK);
        more = page.more;
        assert_true(page.count <= most || b->order != LIST_ORDER_PATH);
        if (page.sure)
            assert_true(seen + page.count < count);
        if (page.count == 0)
            assert_false(more);
        for (uint32_t i = 0; i < page.count; i++, seen++) {
            struct replica_entry e = replica_page_get(&page, i);

            assert_true(seen < count);
            if (!span_eq(e.key, want[seen].key) || e.is_group != want[seen].is_group)
                fail_msg("entry %zu is '%.*s' instead of '%.*s'", seen, SPAN_ARG(e.key),
                         SPAN_ARG(want[seen].key));
            assert_true(e.is_group || (e.body_bytes == want[seen].body_bytes && span_is(e.etag, "\"e\"")));
            after = (struct span){at, e.key.len};
            span_put(span_put(at, e.key), e.is_group ? SPAN(PAGE_LAST) : SPAN_EMPTY);
            after.len += e.is_group ? 4 : 0;
        }
    }
    assert_int_equal(seen, count);
}

static void check_from_everywhere(struct backend *b, struct random *r, struct span prefix, bool grouped)
{
    struct replica_entry want[KEYS_MAX], entry;
    struct backend sorted = *b;
    size_t count;

    qsort(sorted.keys, sorted.count, sizeof(sorted.keys[0]), compare_bytes);
    count = list_all(&sorted, prefix, grouped, SPAN_EMPTY, span_cmp, want);
    /* sizes tell the place of a key in the backend's order */
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < b->count; k++)
            if (span_eq(key_of(b, k), want[i].key))
                want[i].body_bytes = k;
    check_listing(b, prefix, grouped, SPAN_EMPTY, 1 + (uint32_t)random_below(r, 9), want, count);
    for (int i = 0; i < 6; i++) { /* positions that are keys, and that are none */
        char after[KEY_CHARS + 1];
        size_t skipped = 0;
        struct span from;

        memcpy(after, b->keys[random_below(r, b->count)], sizeof(after));
        from = span_of(after);
        if (random_below(r, 2))
            from = span_head(from, 1 + random_below(r, from.len));
        for (; skipped < count && (entry = want[skipped], span_cmp(entry.key, from) <= 0); skipped++)
            ;
        check_listing(b, prefix, grouped, from, 1 + (uint32_t)random_below(r, 5), want + skipped,
                      count - skipped);
    }
}

static void check_backends(const struct backend *kind)
{
    struct random r;

    random_init(&r, 5);
    for (int run = 0; run < 3000; run++) {
        struct backend b = *kind;
        struct span prefix = SPAN_EMPTY;
        char text[KEY_CHARS + 1];

        draw_keys(&b, &r);
        if (b.count == 0)
            continue;
        memcpy(text, b.keys[random_below(&r, b.count)], sizeof(text));
        if (random_below(&r, 2))
            prefix = span_head(span_of(text), random_below(&r, KEY_CHARS));
        check_from_everywhere(&b, &r, prefix, run % 2);
    }
}

static void byte_order_passes_through(void **state)
{
    check_backends(&(struct backend){.order = LIST_ORDER_BYTES});
    check_backends(&(struct backend){.order = LIST_ORDER_BYTES, .repeats_group = true});
}

static void an_end_that_is_none_is_found_out(void **state)
{
    check_backends(&(struct backend){.order = LIST_ORDER_BYTES_UNSOUND});
    check_backends(&(struct backend){.order = LIST_ORDER_BYTES_UNSOUND, .counts_before = true});
    check_backends(&(struct backend){.order = LIST_ORDER_BYTES_UNSOUND, .repeats_group = true});
}

static void path_order_becomes_byte_order(void **state)
{
    check_backends(&(struct backend){.order = LIST_ORDER_PATH});
    check_backends(&(struct backend){.order = LIST_ORDER_PATH, .repeats_group = true});
    check_backends(&(struct backend){.order = LIST_ORDER_PATH, .skips_folder = true});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(byte_order_passes_through),
        cmocka_unit_test(an_end_that_is_none_is_found_out),
        cmocka_unit_test(path_order_becomes_byte_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
