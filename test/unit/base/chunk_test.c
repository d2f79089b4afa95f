/* The body budget: so many chunks and not one more, over all threads. */
#include "base/chunk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { MANY = 40 }; /* more than are kept for reuse */

static void the_limit_is_counted_in_whole_chunks(void **state)
{
    static const struct {
        uint64_t limit_bytes;
        uint32_t chunks;
    } rows[] = {{0, 0},
                {CHUNK_BYTES - 1, 0},
                {CHUNK_BYTES, 1},
                {2 * CHUNK_BYTES - 1, 1},
                {5ull * CHUNK_BYTES, 5},
                {(uint64_t)MANY * CHUNK_BYTES, MANY}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct chunk_budget b;
        struct chunk *taken[MANY + 1];
        uint32_t n = 0;

        chunk_budget_init(&b, rows[i].limit_bytes);
        while ((taken[n] = chunk_take(&b)))
            n++;
        assert_int_equal(n, rows[i].chunks);
        assert_int_equal(chunk_taken(&b), n);
        while (n)
            chunk_give(&b, taken[--n]);
        assert_int_equal(chunk_taken(&b), 0);
        chunk_budget_fini(&b);
    }
}

static void a_chunk_given_back_can_be_taken_again_and_is_empty(void **state)
{
    struct chunk_budget b;
    struct chunk *c;

    chunk_budget_init(&b, CHUNK_BYTES);
    for (int round = 0; round < 3; round++) {
        c = chunk_take(&b);
        assert_non_null(c);
        assert_int_equal(c->len, 0);
        assert_null(c->next);
        memset(c->data, round, CHUNK_BYTES);
        c->len = 77;
        c->next = c;
        assert_null(chunk_take(&b));
        chunk_give(&b, c);
    }
    chunk_budget_fini(&b);
}

static void extra_is_for_a_budget_that_is_mostly_free(void **state)
{
    static const struct {
        uint32_t limit, extra;
    } rows[] = {{1, 0}, {7, 0}, {8, 1}, {17, 2}, {MANY, MANY / 8}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct chunk_budget b;
        struct chunk *taken[MANY + 1];
        uint32_t n = 0;

        chunk_budget_init(&b, (uint64_t)rows[i].limit * CHUNK_BYTES);
        while ((taken[n] = chunk_take_extra(&b)))
            n++;
        assert_int_equal(n, rows[i].extra);
        while ((taken[n] = chunk_take(&b)))
            n++;
        assert_int_equal(n, rows[i].limit);
        while (n)
            chunk_give(&b, taken[--n]);
        chunk_budget_fini(&b);
    }
}

static void *take_and_give(void *arg)
{
    struct chunk_budget *b = arg;
    uintptr_t got = 0;

    for (int i = 0; i < 2000; i++) {
        struct chunk *c = chunk_take(b);

        if (!c)
            continue;
        got++;
        c->data[0] = 1; /* nobody else may have it: ThreadSanitizer watches */
        chunk_give(b, c);
    }
    return (void *)got;
}

static void threads_share_the_budget(void **state)
{
    struct chunk_budget b;
    pthread_t threads[3];
    void *got;

    chunk_budget_init(&b, 2 * CHUNK_BYTES);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, &b), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], &got), 0);
        assert_true((uintptr_t)got > 0);
    }
    assert_int_equal(chunk_taken(&b), 0);
    chunk_budget_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_limit_is_counted_in_whole_chunks),
        cmocka_unit_test(a_chunk_given_back_can_be_taken_again_and_is_empty),
        cmocka_unit_test(extra_is_for_a_budget_that_is_mostly_free),
        cmocka_unit_test(threads_share_the_budget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
