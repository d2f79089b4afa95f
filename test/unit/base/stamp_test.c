/* Stamps and the hybrid logical clock. */
#include "base/stamp.h"

#include "base/random.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ROUNDS = 20000 };

static struct stamp random_stamp(struct random *r)
{
    struct stamp s;

    for (size_t i = 0; i < STAMP_BYTES; i++)
        s.b[i] = (uint8_t)random_u64(r);
    return s;
}

static void text_has_26_characters_of_the_alphabet_and_reads_back(void **state)
{
    struct random r;

    random_init(&r, 3);
    for (int i = 0; i < 2000; i++) {
        struct stamp s = random_stamp(&r), back;
        char text[STAMP_CHARS + 1] = {0};

        stamp_print(&s, text);
        assert_int_equal(strspn(text, "0123456789abcdefghjkmnpqrstvwxyz"), STAMP_CHARS);
        assert_true(stamp_parse((struct span){text, STAMP_CHARS}, &back));
        assert_true(stamp_eq(&s, &back));
        back.b[i % STAMP_BYTES] ^= 1;
        assert_false(stamp_eq(&s, &back));
    }
}

static void the_extremes_print_as_they_must(void **state)
{
    static const struct {
        uint8_t byte;
        const char *text;
    } rows[] = {{0x00, "00000000000000000000000000"}, {0xff, "7zzzzzzzzzzzzzzzzzzzzzzzzz"}};

    for (size_t i = 0; i < 2; i++) {
        struct stamp s, back;
        char text[STAMP_CHARS];

        memset(s.b, rows[i].byte, STAMP_BYTES);
        stamp_print(&s, text);
        assert_memory_equal(text, rows[i].text, STAMP_CHARS);
        assert_true(stamp_parse(span_of(rows[i].text), &back));
        assert_true(stamp_eq(&s, &back));
    }
}

static void order_of_texts_is_the_order_of_stamps(void **state)
{
    struct random r;

    random_init(&r, 4);
    for (int i = 0; i < 2000; i++) {
        struct stamp a = random_stamp(&r), b = random_stamp(&r);
        char x[STAMP_CHARS], y[STAMP_CHARS];

        if (i % 2) /* near each other as well */
            memcpy(a.b, b.b, random_below(&r, STAMP_BYTES));
        stamp_print(&a, x);
        stamp_print(&b, y);
        assert_int_equal(memcmp(a.b, b.b, STAMP_BYTES) < 0, memcmp(x, y, STAMP_CHARS) < 0);
    }
}

static void what_is_not_exactly_a_stamp_is_refused(void **state)
{
    static const char *const rows[] = {
        "",
        "0",
        "0000000000000000000000000",   /* 25 */
        "000000000000000000000000000", /* 27 */
        "80000000000000000000000000",  /* over 128 bits */
        "z0000000000000000000000000",
        "0000000000000000000000000A",
        "0000000000000000000000000i",
        "0000000000000000000000000l",
        "0000000000000000000000000o",
        "0000000000000000000000000u",
        " 0000000000000000000000000",
        "0000000000000000000000000\n",
        "0000000000000-000000000000",
        "000000000000000000000000\xc3\xa4",
    };
    struct stamp out;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_false(stamp_parse(span_of(rows[i]), &out));
    assert_false(stamp_parse((struct span){"000000000000\0000000000000000", 26}, &out));
}

static void a_stamp_tells_its_version_node_and_incarnation_apart(void **state)
{
    struct hlc a, other_node, other_start;
    uint64_t v = 0x0123456789abcdef;
    struct stamp s;

    hlc_init(&a, 1, 1);
    hlc_init(&other_node, 2, 1);
    hlc_init(&other_start, 1, 2);
    s = stamp_make(&a, v);
    assert_int_equal(stamp_version(&s), v);
    assert_memory_equal(s.b, "\x01\x23\x45\x67\x89\xab\xcd\xef\x00\x00\x00\x01\x00\x00\x00\x01", STAMP_BYTES);
    assert_false(stamp_eq(&s, &(struct stamp[]){stamp_make(&other_node, v)}[0]));
    assert_false(stamp_eq(&s, &(struct stamp[]){stamp_make(&other_start, v)}[0]));
}

static void the_clock_never_repeats_or_steps_back(void **state)
{
    static const uint64_t times_ms[] = {1000, 1000, 999, 0, 1001, 1001, 5000, 1000};
    struct hlc h;
    uint64_t last = 0;

    hlc_init(&h, 1, 1);
    for (size_t i = 0; i < sizeof(times_ms) / sizeof(times_ms[0]); i++) {
        uint64_t v = hlc_next(&h, times_ms[i]);

        assert_true(v > last);
        assert_true(v >= times_ms[i] << 16);
        last = v;
    }
}

static void more_writes_than_a_millisecond_can_count_run_ahead_of_the_wall(void **state)
{
    struct hlc h;
    uint64_t v = 0;

    hlc_init(&h, 1, 1);
    for (int i = 0; i <= 0x10000; i++)
        v = hlc_next(&h, 1000);
    assert_int_equal(v, 1001ull << 16);
}

static void seeing_a_version_lifts_the_clock_and_never_lowers_it(void **state)
{
    struct hlc h;
    uint64_t ahead = 9000ull << 16 | 5;

    hlc_init(&h, 1, 1);
    hlc_see(&h, ahead);
    assert_int_equal(hlc_next(&h, 1000), ahead + 1);
    hlc_see(&h, 17);
    assert_int_equal(hlc_next(&h, 1000), ahead + 2);
}

struct drawer {
    struct hlc *hlc;
    uint64_t drawn[ROUNDS];
};

static void *draw(void *arg)
{
    struct drawer *d = arg;

    for (size_t i = 0; i < ROUNDS; i++) {
        d->drawn[i] = hlc_next(d->hlc, 1000);
        if (i % 16 == 0)
            hlc_see(d->hlc, d->drawn[i] + 3);
    }
    return NULL;
}

static void two_threads_never_draw_the_same_version(void **state)
{
    struct drawer *d = calloc(2, sizeof(*d));
    pthread_t thread;
    struct hlc h;
    size_t a = 0, b = 0;

    assert_non_null(d);
    hlc_init(&h, 1, 1);
    d[0].hlc = d[1].hlc = &h;
    assert_int_equal(pthread_create(&thread, NULL, draw, &d[1]), 0);
    draw(&d[0]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    for (size_t i = 1; i < ROUNDS; i++) {
        assert_true(d[0].drawn[i] > d[0].drawn[i - 1]);
        assert_true(d[1].drawn[i] > d[1].drawn[i - 1]);
        if (i % 16 == 1)
            assert_true(d[0].drawn[i] > d[0].drawn[i - 1] + 3);
    }
    while (a < ROUNDS && b < ROUNDS) { /* both are sorted */
        assert_int_not_equal(d[0].drawn[a], d[1].drawn[b]);
        if (d[0].drawn[a] < d[1].drawn[b])
            a++;
        else
            b++;
    }
    free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_has_26_characters_of_the_alphabet_and_reads_back),
        cmocka_unit_test(the_extremes_print_as_they_must),
        cmocka_unit_test(order_of_texts_is_the_order_of_stamps),
        cmocka_unit_test(what_is_not_exactly_a_stamp_is_refused),
        cmocka_unit_test(a_stamp_tells_its_version_node_and_incarnation_apart),
        cmocka_unit_test(the_clock_never_repeats_or_steps_back),
        cmocka_unit_test(more_writes_than_a_millisecond_can_count_run_ahead_of_the_wall),
        cmocka_unit_test(seeing_a_version_lifts_the_clock_and_never_lowers_it),
        cmocka_unit_test(two_threads_never_draw_the_same_version),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
