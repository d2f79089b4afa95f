/* arena: bump allocation under a hard cap. */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { CAP = 64 * 1024 };

static void allocations_are_aligned_and_apart(void **state)
{
    static const size_t sizes[] = {1, 15, 16, 17, 100, 4096, 8192, 9000};
    char *at[8];
    struct arena a;

    arena_init(&a, CAP);
    for (size_t i = 0; i < 8; i++) {
        at[i] = arena_alloc(&a, sizes[i]);
        assert_non_null(at[i]);
        assert_int_equal((uintptr_t)at[i] % 16, 0);
        memset(at[i], (int)i + 1, sizes[i]);
    }
    for (size_t i = 0; i < 8; i++)
        for (size_t k = 0; k < sizes[i]; k++)
            assert_int_equal(at[i][k], (int)i + 1);
    arena_fini(&a);
}

static void the_cap_is_reached_to_the_byte_and_never_passed(void **state)
{
    static const size_t caps[] = {0, 16, 1000, 8192, 10000, CAP};

    for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
        struct arena a;
        size_t got = 0;

        arena_init(&a, caps[i]);
        while (arena_alloc(&a, 16))
            got += 16;
        assert_int_equal(got, caps[i] / 16 * 16);
        assert_true(a.used_bytes <= caps[i]);
        assert_null(arena_alloc(&a, 1));
        arena_fini(&a);
    }
}

static void a_request_over_the_cap_is_refused_and_leaves_the_arena_usable(void **state)
{
    static const size_t sizes[] = {CAP + 1, SIZE_MAX, SIZE_MAX - 7, SIZE_MAX / 2};
    struct arena a;

    arena_init(&a, CAP);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        assert_null(arena_alloc(&a, sizes[i]));
    assert_non_null(arena_alloc(&a, CAP));
    assert_null(arena_alloc(&a, 1));
    arena_fini(&a);
}

static void zalloc_clears_memory_that_was_used_before(void **state)
{
    struct arena a;
    char *p;

    arena_init(&a, CAP);
    p = arena_alloc(&a, 200);
    assert_non_null(p);
    memset(p, 'x', 200);
    arena_reset(&a);
    p = arena_zalloc(&a, 200);
    assert_non_null(p);
    for (int i = 0; i < 200; i++)
        assert_int_equal(p[i], 0);
    arena_fini(&a);
}

static void reset_makes_the_whole_cap_usable_again(void **state)
{
    struct arena a;

    arena_init(&a, CAP);
    arena_reset(&a);
    for (int round = 0; round < 3; round++) {
        size_t got = 0;

        while (arena_alloc(&a, 1024))
            got += 1024;
        assert_int_equal(got, CAP);
        arena_reset(&a);
        assert_true(a.used_bytes < CAP);
    }
    arena_fini(&a);
}

static void dup_copies_and_ends_with_a_nul(void **state)
{
    static const char text[] = "a\0b";
    struct arena a;
    struct span s, empty;

    arena_init(&a, CAP);
    s = arena_dup(&a, (struct span){text, 3});
    assert_ptr_not_equal(s.at, text);
    assert_int_equal(s.len, 3);
    assert_memory_equal(s.at, "a\0b\0", 4);
    empty = arena_dup(&a, (struct span){NULL, 0});
    assert_non_null(empty.at);
    assert_int_equal(empty.len, 0);
    assert_int_equal(empty.at[0], 0);
    arena_fini(&a);
}

static void printf_prints_and_says_when_there_is_no_room(void **state)
{
    char large[300];
    struct arena a;
    struct span s;

    memset(large, 'y', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    arena_init(&a, 400);
    s = arena_printf(&a, "%s=%d", "n", 42);
    assert_true(span_is(s, "n=42"));
    assert_int_equal(s.at[4], 0);
    s = arena_printf(&a, "%s", large);
    assert_int_equal(s.len, 299);
    assert_null(arena_printf(&a, "%s", large).at);
    assert_null(arena_dup(&a, span_of(large)).at);
    assert_null(arena_zalloc(&a, 100));
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_aligned_and_apart),
        cmocka_unit_test(the_cap_is_reached_to_the_byte_and_never_passed),
        cmocka_unit_test(a_request_over_the_cap_is_refused_and_leaves_the_arena_usable),
        cmocka_unit_test(zalloc_clears_memory_that_was_used_before),
        cmocka_unit_test(reset_makes_the_whole_cap_usable_again),
        cmocka_unit_test(dup_copies_and_ends_with_a_nul),
        cmocka_unit_test(printf_prints_and_says_when_there_is_no_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
