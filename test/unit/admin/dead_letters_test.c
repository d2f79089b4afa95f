/* What the admin port says of repairs that failed, and another try for them. */
#include "bed.h"

static struct journal_failures failure(uint32_t tries, bool dead)
{
    struct journal_failures f = {.tries = tries, .dead = dead, .wait_ms = dead ? 0 : 4000, .slot = 2};

    snprintf(f.reason, sizeof(f.reason), "PUT: status 403 AccessDenied");
    return f;
}

static void dead_letters_are_listed_with_replica_tries_and_reason(void **state)
{
    struct bed *b = *state;

    b->failures[3] = failure(10, true);
    b->failures[3].unix_ms = clock_unix_ms(b->envs[0].clock) - 125000;
    b->failures[4] = failure(2, false); /* is tried again by itself */
    b->failures[5] =
        (struct journal_failures){.tries = 11, .dead = true, .slot = REPLICAS_MAX, .reason = "journal: x"};
    ask(b, GET("/status"));
    assert_non_null(strstr(b->answer,
                           ",\"dead_letters\":[\n{\"bucket\":\"media\",\"key\":\"k003\",\"tries\":10,"
                           "\"dead\":true,\"replica\":\"b\",\"reason\":\"PUT: status 403 AccessDenied\","
                           "\"failed_unix_ms\":"));
    assert_non_null(strstr(b->answer,
                           "\n{\"bucket\":\"media\",\"key\":\"k005\",\"tries\":11,\"dead\":true,"
                           "\"replica\":null,\"reason\":\"journal: x\",\"failed_unix_ms\":0,\"wait_ms\":0}],"
                           "\"dead_letters_more\":false}\n"));
    assert_null(strstr(b->answer, "k004"));
    b->failures[5].dead = false;
    expect(b, GET_PEOPLE("/status/media"), 200,
           "BUCKET  REPLICA  BUCKET THERE  STATE  HINTS  LAG\n"
           "media   a        media         up     0      -\n"
           "media   b        media-copy    up     0      -\n"
           "\n"
           "DEAD LETTER  REPLICA  TRIES  LAST       REASON\n"
           "media/k003   b        10     2 min ago  PUT: status 403 AccessDenied\n");
}

static void a_long_list_of_dead_letters_says_that_it_is_cut(void **state)
{
    struct bed *b = *state;
    size_t shown = 0;

    for (size_t i = 0; i < KEYS; i++)
        b->failures[i] = failure(10, true);
    ask(b, GET("/status/media"));
    for (const char *at = b->answer; (at = strstr(at, "\"key\":")); at++)
        shown++;
    assert_int_equal(shown, JOURNAL_PAGE_KEYS);
    assert_non_null(strstr(b->answer, "],\"dead_letters_more\":true}\n"));
    ask(b, GET_PEOPLE("/status"));
    assert_non_null(strstr(b->answer, "\nthese are the first 128, there may be more\n"));
}

static void buckets_are_reported_without_the_journals_dead_letters(void **state)
{
    struct bed *b = *state;

    b->scan_error = ERR_IO;
    ask(b, GET("/status"));
    assert_non_null(strstr(b->answer, "\"name\":\"media\""));
    assert_non_null(strstr(b->answer, "}]}],\"dead_letters\":null}\n"));
    ask(b, GET_PEOPLE("/status"));
    assert_non_null(strstr(b->answer, "\ndead letters are not known: the journal does not answer: "));
}

static void a_key_shows_the_repairs_that_failed(void **state)
{
    struct bed *b = *state;

    b->failures[1] = failure(10, true);
    b->failures[2] = failure(2, false);
    b->failures[1].unix_ms = b->failures[2].unix_ms = clock_unix_ms(b->envs[0].clock) - 125000;
    ask(b, GET("/status/media/k001"));
    assert_non_null(strstr(b->answer,
                           ",\"failures\":{\"tries\":10,\"dead\":true,\"replica\":\"b\",\"reason\":"
                           "\"PUT: status 403 AccessDenied\",\"failed_unix_ms\":"));
    ask(b, GET_PEOPLE("/status/media/k001"));
    assert_non_null(strstr(b->answer,
                           "\nrepair failed 10 times, last 2 min ago at b: PUT: status 403 AccessDenied\n"
                           "it is a dead letter: "));
    ask(b, GET_PEOPLE("/status/media/k002"));
    assert_non_null(strstr(b->answer,
                           "\nrepair failed 2 times, last 2 min ago at b: PUT: status 403 AccessDenied\n"
                           "tried again in 4 s\n"));
}

static void a_buckets_dead_letters_are_all_queued_again(void **state)
{
    struct bed *b = *state;

    for (size_t i = 0; i < KEYS; i++)
        b->failures[i] = failure(10, i != 200);
    expect(b, POST("/retry/media"), 200, "{\"queued\":299}\n");
    for (size_t i = 0; i < KEYS; i++)
        assert_int_equal(b->failures[i].tries, i == 200 ? 10 : 0);
    expect(b, POST_PEOPLE("/retry/media"), 200,
           "nothing to queue: no repair that failed is on record here\n");
    b->failures[3] = failure(10, true);
    expect(b, POST_PEOPLE("/retry/media/"), 200, "queued for repair again: 1\n");
}

static void a_key_is_queued_again_whether_dead_or_waiting(void **state)
{
    struct bed *b = *state;

    b->failures[1] = failure(10, true);
    b->failures[2] = failure(2, false);
    b->failures[3] = failure(10, true);
    expect(b, POST("/retry/media/k001"), 200, "{\"queued\":1}\n");
    expect(b, POST("/retry/media/k002"), 200, "{\"queued\":1}\n");
    expect(b, POST("/retry/media/k002"), 200, "{\"queued\":0}\n");
    assert_int_equal(b->failures[1].tries + b->failures[2].tries, 0);
    assert_int_equal(b->failures[3].tries, 10);
}

static void repair_hears_of_what_was_queued_again(void **state)
{
    struct bed *b = *state;

    repair_pause(b->repair, false);
    ask(b, GET("/healthz"));
    assert_int_equal(b->walks, 1);
    b->failures[1] = failure(10, true);
    ask(b, POST("/retry/media/k002")); /* nothing has failed there */
    ask(b, GET("/healthz"));
    assert_int_equal(b->walks, 1);
    ask(b, POST("/retry/media/k001"));
    ask(b, GET("/healthz"));
    assert_int_equal(b->walks, 2);
}

static void a_retry_that_the_journal_does_not_take_is_told(void **state)
{
    struct bed *b = *state;

    b->failures[1] = failure(10, true);
    b->write_error = ERR_FULL;
    ask(b, POST("/retry/media/k001"));
    assert_memory_equal(b->answer, "HTTP/1.1 503 ", 13);
    assert_non_null(strstr(body_of(b), "the journal does not answer: "));
    assert_non_null(strstr(body_of(b), "; queued again before that: 0\n"));
    ask(b, POST("/retry/media"));
    assert_memory_equal(b->answer, "HTTP/1.1 503 ", 13);
    b->scan_error = ERR_IO;
    ask(b, POST("/retry/media"));
    assert_memory_equal(b->answer, "HTTP/1.1 503 ", 13);
    b->read_error = ERR_IO;
    ask(b, POST("/retry/media/k001"));
    assert_memory_equal(b->answer, "HTTP/1.1 503 ", 13);
}

static void a_client_that_goes_leaves_nothing_behind(void **state)
{
    static const char *const questions[] = {GET("/status"), POST("/retry/media"), POST("/retry/media/k001")};
    struct bed *b = *state;

    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        b->failures[1] = failure(10, true);
        ask_and_go(b, questions[i]);
        assert_int_equal(b->failures[1].tries, i == 0 ? 10 : 0); /* what was asked for is done */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(dead_letters_are_listed_with_replica_tries_and_reason, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_long_list_of_dead_letters_says_that_it_is_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(buckets_are_reported_without_the_journals_dead_letters, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_key_shows_the_repairs_that_failed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_buckets_dead_letters_are_all_queued_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_key_is_queued_again_whether_dead_or_waiting, setup, teardown),
        cmocka_unit_test_setup_teardown(repair_hears_of_what_was_queued_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_retry_that_the_journal_does_not_take_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_client_that_goes_leaves_nothing_behind, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
