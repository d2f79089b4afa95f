/* Random numbers: the same on every machine for one seed, and within their bounds. */
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* From the authors' C code with this state. */
static void the_generator_is_xoshiro256_starstar(void **state)
{
    static const uint64_t expected[] = {11520, 0, 1509978240, 1215971899390074240};
    struct random r = {.s = {1, 2, 3, 4}};

    for (size_t i = 0; i < 4; i++)
        assert_int_equal(random_u64(&r), expected[i]);
}

/* splitmix64's published first outputs for the seed 1234567. */
static void the_seed_is_spread_by_splitmix64(void **state)
{
    static const uint64_t expected[] = {6457827717110365317u, 3203168211198807973u, 9817491932198370423u,
                                        4593380528125082431u};
    struct random r;

    random_init(&r, 1234567);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(r.s[i], expected[i]);
}

static void one_seed_gives_one_sequence_and_another_seed_another(void **state)
{
    struct random a, b, c;
    unsigned differ = 0;

    random_init(&a, 42);
    random_init(&b, 42);
    random_init(&c, 43);
    for (int i = 0; i < 100; i++) {
        uint64_t x = random_u64(&a);

        assert_int_equal(x, random_u64(&b));
        differ += x != random_u64(&c);
    }
    assert_true(differ >= 99);
}

static void below_stays_below_and_reaches_every_value(void **state)
{
    static const uint64_t bounds[] = {1, 2, 3, 7, 10, 64};
    struct random r;

    random_init(&r, 1);
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        unsigned seen[64] = {0}, missing = 0;

        for (int n = 0; n < 5000; n++) {
            uint64_t x = random_below(&r, bounds[i]);

            assert_true(x < bounds[i]);
            seen[x]++;
        }
        for (uint64_t x = 0; x < bounds[i]; x++)
            missing += seen[x] == 0;
        assert_int_equal(missing, 0);
    }
    for (int n = 0; n < 100; n++)
        assert_true(random_below(&r, UINT64_MAX) < UINT64_MAX);
}

static void the_system_seeds_two_generators_differently(void **state)
{
    struct random a, b;

    random_init_system(&a);
    random_init_system(&b);
    assert_memory_not_equal(a.s, b.s, sizeof(a.s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_generator_is_xoshiro256_starstar),
        cmocka_unit_test(the_seed_is_spread_by_splitmix64),
        cmocka_unit_test(one_seed_gives_one_sequence_and_another_seed_another),
        cmocka_unit_test(below_stays_below_and_reaches_every_value),
        cmocka_unit_test(the_system_seeds_two_generators_differently),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
