/* One read (docs/protocol.md, strict read): who may be asked, failover before the first byte, resuming behind it. */
#include "fanout/stage.h"

#include "fanout/fetch.h"

#define BODY "0123456789abcdefghijklmnopqrstuvwxyz"
enum { BODY_BYTES = sizeof(BODY) - 1 };

struct reader {
    struct stage s;
    struct fetch *f;
    unsigned heads, bodies, failures, status;
    const char *from;
    enum err error;
    char text[64]; /* of the body, as read so far */
    size_t len;
    bool free_in_head;
};

static void on_head(void *ctx, unsigned status, const struct http_head *head,
                    const struct replica_object *object, const struct replica *from)
{
    struct reader *r = ctx;

    r->heads++;
    r->status = status;
    r->from = from->name;
    if (r->free_in_head) {
        fetch_free(r->f);
        r->f = NULL;
    }
}

static void on_body(void *ctx)
{
    ((struct reader *)ctx)->bodies++;
}

static void on_failed(void *ctx, enum err error)
{
    struct reader *r = ctx;

    r->failures++;
    r->error = error;
}

static const struct fetch_events events = {.head = on_head, .body = on_body, .failed = on_failed};

static void reader_init(struct reader *r)
{
    memset(r, 0, sizeof(*r));
    stage_init(&r->s, 8);
}

static void reader_fini(struct reader *r)
{
    fetch_free(r->f);
    stage_fini(&r->s);
}

static void open_get(struct reader *r, const struct http_header *headers, size_t count)
{
    struct fetch_spec spec = {
        .key = {1, SPAN("the/key")}, .replicas = &r->s.set, .headers = headers, .header_count = count};

    assert_int_equal(fetch_open(&r->f, &r->s.env, &spec, &events, r), ERR_OK);
    assert_int_equal(under_way(&r->s), 0); /* nothing from inside */
}

/* The slot that is asked now. */
static unsigned asked(const struct reader *r)
{
    assert_int_equal(__builtin_popcount(under_way(&r->s)), 1);
    return (unsigned)__builtin_ctz(under_way(&r->s));
}

enum { GONE = 1 << REPLICAS }; /* the slot of a replica that the bucket had once */

/* Which content a replica shows; the reader's is ONE. */
enum content { ONE, TWO, STAMP_OF_ONE, ETAG_OF_ONE, ETAG_OF_ONE_UNSTAMPED };

static struct replica_object object_of(enum content content)
{
    bool its_stamp = content == ONE || content == STAMP_OF_ONE,
         its_etag = content != TWO && content != STAMP_OF_ONE;
    struct replica_object o = {
        .exists = true, .stamped = true, .stamp = {{its_stamp ? 1 : 2}}, .body_bytes = BODY_BYTES};

    if (content == ETAG_OF_ONE_UNSTAMPED)
        o.stamped = false;
    snprintf(o.etag, sizeof(o.etag), "%s", its_etag ? "\"etag-1\"" : "\"etag-2\"");
    return o;
}

/* A head with this Content-Range ("" for none); `length` of the part. */
static void head_with(struct reader *r, unsigned status, enum content content, const char *range,
                      uint64_t length)
{
    struct replica_call *c = call_of(&r->s, asked(r));
    struct http_head head = {.status = status, .has_length = true, .length = length};
    struct replica_object o = {.exists = false};

    if (range[0])
        head.headers[head.header_count++] = (struct http_header){SPAN("Content-Range"), span_of(range)};
    if (status < 300)
        o = object_of(content);
    c->then = ERR_AGAIN;
    c->get_events.head(c->ctx, &head, &o);
}

static void head_ok(struct reader *r)
{
    head_with(r, 200, ONE, "", BODY_BYTES);
}

/* So many of the body's bytes arrive at the replica's side, from where the reader stands. */
static void arrive(struct reader *r, size_t from, size_t bytes)
{
    struct replica_call *c = call_of(&r->s, asked(r));

    c->bytes = (struct span){BODY + from, bytes};
    c->get_events.body(c->ctx);
}

static enum err read_all(struct reader *r)
{
    enum err e;
    size_t got;

    while ((e = fetch_read(r->f, r->text + r->len, sizeof(r->text) - r->len, &got)) == ERR_OK)
        r->len += got;
    return e;
}

static void done(struct reader *r, enum err e)
{
    struct replica_call *c = call_of(&r->s, asked(r));

    c->under_way = false;
    c->get_events.done(c->ctx, e);
}

/* All bytes behind `from`, to the end of the answer. */
static void complete(struct reader *r, size_t from)
{
    struct replica_call *c = call_of(&r->s, asked(r));

    c->then = ERR_EOF;
    arrive(r, from, BODY_BYTES - from);
    assert_int_equal(read_all(r), ERR_EOF);
    done(r, ERR_OK);
    assert_int_equal(read_all(r), ERR_EOF);
    assert_int_equal(r->len, BODY_BYTES);
    assert_memory_equal(r->text, BODY, BODY_BYTES);
}

static void a_clean_key_is_read_from_any_replica_without_the_journal(void **state)
{
    uint32_t seen = 0;

    for (uint64_t seed = 0; seed < 30; seed++) {
        struct reader r;

        reader_init(&r);
        random_init(&r.s.random, seed);
        open_get(&r, NULL, 0);
        turn(&r.s);
        seen |= 1u << asked(&r);
        assert_int_equal(r.s.journal.reads, 0);
        head_ok(&r);
        complete(&r, 0);
        assert_int_equal(r.heads, 1);
        assert_int_equal(r.failures, 0);
        reader_fini(&r);
    }
    assert_int_equal(seen, ALL);
}

static void a_hinted_key_is_read_from_the_newest_stored_set_only(void **state)
{
    static const struct {
        const char *what;
        struct {
            uint8_t version;
            uint32_t stored;
        } rows[2];
        size_t count;
        uint32_t may;
    } rows[] = {
        {"the row went meanwhile", {{0}}, 0, ALL},
        {"one row", {{1, B}}, 1, B},
        {"the newest of two", {{1, A | B}, {2, C}}, 2, C},
        {"in any order", {{2, B | C}, {1, A}}, 2, B | C},
        {"a newer one that nobody stored does not count", {{1, A | C}, {2, 0}}, 2, A | C},
        {"none with a stored set", {{1, 0}}, 1, ALL},
        {"stored by one that was removed, too", {{1, B | GONE}}, 1, B},
        {"stored by a removed one only: nobody has it", {{1, GONE}}, 1, ALL},
        {"then the newest that somebody has", {{1, A | C}, {2, GONE}}, 2, A | C},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint32_t seen = 0;

        for (uint64_t seed = 0; seed < 30; seed++) {
            struct row view[2];
            struct reader r;

            reader_init(&r);
            random_init(&r.s.random, seed);
            r.s.journal.stored_row = true;
            for (size_t k = 0; k < rows[i].count; k++)
                view[k] = row_with(rows[i].rows[k].version, ROW_FINAL, rows[i].rows[k].stored, 0, 0);
            open_get(&r, NULL, 0);
            turn(&r.s);
            assert_int_equal(under_way(&r.s), 0);
            rows_read(&r.s, ERR_OK, view, rows[i].count);
            while (!r.failures) { /* nobody answers: all that may be asked are */
                seen |= 1u << asked(&r);
                done(&r, ERR_RESET);
            }
            assert_int_equal(r.error, ERR_UNAVAILABLE);
            reader_fini(&r);
        }
        if (seen != rows[i].may)
            fail_msg("%s", rows[i].what);
    }
}

static void what_a_replica_of_the_set_shows_is_the_answer(void **state)
{
    static const struct {
        struct http_header asked;
        unsigned status;
        const char *range;
        unsigned told;
    } rows[] = {
        {{SPAN("if-match"), SPAN("\"e\"")}, 200, "", 200},
        {{SPAN("Range"), SPAN("bytes=0-")}, 206, "bytes 0-35/36", 206},
        {{SPAN("Range"), SPAN("bytes=0-")}, 200, "bytes 0-35/36", 206}, /* one server says so */
        {{SPAN("If-None-Match"), SPAN("\"e\"")}, 304, "", 304},
        {{SPAN("if-match"), SPAN("\"e\"")}, 404, "", 404},
        {{SPAN("if-match"), SPAN("\"e\"")}, 412, "", 412},
        {{SPAN("Range"), SPAN("bytes=40-")}, 416, "bytes */36", 416},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct row row = row_with(1, ROW_FINAL, B, 0, 0);
        struct reader r;

        reader_init(&r);
        r.s.journal.stored_row = true;
        open_get(&r, &rows[i].asked, 1);
        rows_read(&r.s, ERR_OK, &row, 1);
        head_with(&r, rows[i].status, TWO, rows[i].range, BODY_BYTES);
        assert_int_equal(r.status, rows[i].told);
        assert_string_equal(r.from, "b");
        reader_fini(&r);
    }
}

static void a_journal_that_does_not_say_fails_the_read(void **state)
{
    struct reader r;

    reader_init(&r);
    r.s.journal.stored_row = true;
    open_get(&r, NULL, 0);
    rows_read(&r.s, ERR_IO, NULL, 0);
    assert_int_equal(r.failures, 1);
    assert_int_equal(r.error, ERR_UNAVAILABLE);
    reader_fini(&r);
}

static void before_the_first_byte_every_kind_of_failure_asks_the_next(void **state)
{
    static const struct {
        const char *what;
        unsigned status; /* 0: none */
        enum err done;
        enum err start;
        bool silence;
    } rows[] = {
        {"500", 500, 0, 0, false},         {"503", 503, 0, 0, false},
        {"403", 403, 0, 0, false},         {"301", 301, 0, 0, false},
        {"reset", 0, ERR_RESET, 0, false}, {"refused", 0, ERR_REFUSED, 0, false},
        {"no answer", 0, 0, 0, true},      {"cannot start", 0, 0, ERR_BUSY, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (unsigned failing = 1; failing <= REPLICAS; failing++) {
            struct reader r;

            reader_init(&r);
            if (rows[i].start)
                for (unsigned k = 0; k < failing; k++)
                    r.s.replicas[k].start = rows[i].start;
            open_get(&r, NULL, 0);
            turn(&r.s);
            for (unsigned k = 0; k < failing && !rows[i].start; k++) {
                assert_int_equal(r.heads + r.failures, 0);
                if (rows[i].silence)
                    pass(&r.s, FIRST_BYTE_MS);
                else if (rows[i].status)
                    head_with(&r, rows[i].status, ONE, "", 0);
                else
                    done(&r, rows[i].done);
            }
            if (failing == REPLICAS) {
                assert_int_equal(r.failures, 1);
                assert_int_equal(r.error, ERR_UNAVAILABLE);
            } else {
                head_ok(&r);
                complete(&r, 0);
                if (!rows[i].start)
                    assert_int_equal(r.s.env.counters.read_failovers, failing);
            }
            reader_fini(&r);
        }
}

/* The table of what does not fit is fetch_answer_test's. */
static void an_answer_to_another_question_asks_the_next(void **state)
{
    static const struct http_header range = {{"range", 5}, {"bytes=10-29", 11}};
    unsigned first;
    struct reader r;

    reader_init(&r);
    open_get(&r, &range, 1);
    turn(&r.s);
    first = asked(&r);
    head_with(&r, 206, ONE, "bytes 11-30/36", 20);
    assert_int_equal(r.heads, 0);
    assert_int_equal(r.s.replicas[first].abandons, 1);
    assert_int_not_equal(asked(&r), first);
    head_with(&r, 206, ONE, "bytes 10-29/36", 20);
    assert_int_equal(r.status, 206);
    assert_int_equal(r.s.env.counters.read_failovers, 1);
    reader_fini(&r);
}

/* Its document is of no use to anybody: no other replica is asked for the rest of it. */
static void a_404_that_breaks_off_is_a_404(void **state)
{
    for (int stall = 0; stall < 2; stall++) {
        struct reader r;

        reader_init(&r);
        open_get(&r, NULL, 0);
        turn(&r.s);
        head_with(&r, 404, ONE, "", 300);
        arrive(&r, 0, 10);
        assert_int_equal(read_all(&r), ERR_AGAIN);
        if (stall)
            pass(&r.s, STALL_MS);
        else
            done(&r, ERR_RESET);
        assert_int_equal(under_way(&r.s), 0);
        assert_int_equal(read_all(&r), ERR_UNAVAILABLE);
        assert_int_equal(r.heads, 1);
        assert_int_equal(r.failures, 0);
        reader_fini(&r);
    }
}

static void a_silent_replica_opens_its_breaker(void **state)
{
    unsigned silent;
    struct reader r;

    reader_init(&r);
    open_get(&r, NULL, 0);
    turn(&r.s);
    silent = asked(&r);
    pass(&r.s, FIRST_BYTE_MS);
    assert_false(replica_usable(&r.s.replicas[silent].base));
    assert_int_not_equal(asked(&r), silent);
    reader_fini(&r);
}

static void those_behind_an_open_breaker_are_asked_last(void **state)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct reader r;

        reader_init(&r);
        random_init(&r.s.random, seed);
        health_stalled(&r.s.replicas[0].health);
        health_stalled(&r.s.replicas[2].health);
        open_get(&r, NULL, 0);
        turn(&r.s);
        assert_int_equal(asked(&r), 1);
        done(&r, ERR_RESET);
        assert_int_not_equal(asked(&r), 1); /* better than nothing */
        head_ok(&r);
        complete(&r, 0);
        reader_fini(&r);
    }
}

static void the_clients_range_and_conditions_are_passed_on_however_many(void **state)
{
    struct http_header headers[40];
    struct reader r;

    for (size_t i = 0; i < 39; i++)
        headers[i] = (struct http_header){SPAN("if-none-match"), SPAN("\"x\"")};
    headers[39] = (struct http_header){SPAN("range"), SPAN("bytes=5-9")};
    reader_init(&r);
    open_get(&r, headers, 40);
    turn(&r.s);
    assert_int_equal(call_of(&r.s, asked(&r))->header_count, 40);
    assert_string_equal(call_of(&r.s, asked(&r))->range, "bytes=5-9");
    reader_fini(&r);
}

/* The body breaks behind `cut` bytes, or stalls; another replica goes on from there. */
static void a_body_that_breaks_goes_on_from_another_replica(void **state)
{
    static const size_t cuts[] = {0, 1, 17, BODY_BYTES - 1};

    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++)
        for (int stall = 0; stall < 2; stall++) {
            char range[64], answered[64];
            unsigned first;
            struct reader r;

            reader_init(&r);
            open_get(&r, NULL, 0);
            turn(&r.s);
            first = asked(&r);
            head_ok(&r);
            if (cuts[i])
                arrive(&r, 0, cuts[i]);
            assert_int_equal(read_all(&r), ERR_AGAIN);
            assert_int_equal(r.len, cuts[i]);
            if (stall)
                pass(&r.s, STALL_MS);
            else
                done(&r, ERR_RESET);
            assert_int_not_equal(asked(&r), first);
            snprintf(range, sizeof(range), "bytes=%zu-%d", cuts[i], BODY_BYTES - 1);
            snprintf(answered, sizeof(answered), "bytes %zu-%d/%d", cuts[i], BODY_BYTES - 1, BODY_BYTES);
            assert_string_equal(call_of(&r.s, asked(&r))->range, range);
            assert_string_equal(call_of(&r.s, asked(&r))->if_match, "\"etag-1\"");
            head_with(&r, 206, ONE, answered, BODY_BYTES - cuts[i]);
            complete(&r, cuts[i]);
            assert_int_equal(r.heads, 1);
            assert_int_equal(r.s.env.counters.read_resumes, 1);
            reader_fini(&r);
        }
}

static void a_range_goes_on_within_the_range(void **state)
{
    static const unsigned statuses[] = {206, 200}; /* one server answers a range with 200 */

    for (size_t i = 0; i < 2; i++) {
        static const struct http_header headers[] = {{{"range", 5}, {"bytes=10-29", 11}}};
        struct replica_call *c;
        struct reader r;

        reader_init(&r);
        open_get(&r, headers, 1);
        turn(&r.s);
        head_with(&r, statuses[i], ONE, "bytes 10-29/36", 20);
        assert_int_equal(r.status, 206);
        arrive(&r, 10, 5);
        assert_int_equal(read_all(&r), ERR_AGAIN);
        done(&r, ERR_RESET);
        c = call_of(&r.s, asked(&r));
        assert_string_equal(c->range, "bytes=15-29");
        head_with(&r, statuses[i], ONE, "bytes 15-29/36", 15);
        c->then = ERR_EOF;
        arrive(&r, 15, 15);
        assert_int_equal(read_all(&r), ERR_EOF);
        assert_int_equal(r.len, 20);
        assert_memory_equal(r.text, BODY + 10, 20);
        done(&r, ERR_OK);
        reader_fini(&r);
    }
}

static void what_is_not_the_rest_of_the_same_content_is_refused(void **state)
{
    static const struct {
        const char *what;
        unsigned status;
        enum content content;
        const char *range;
    } rows[] = {
        {"the whole object again", 200, ONE, ""},
        {"another content", 206, TWO, "bytes 10-35/36"},
        {"a damaged copy of it", 206, STAMP_OF_ONE, "bytes 10-35/36"},
        {"the same bytes of another write", 206, ETAG_OF_ONE, "bytes 10-35/36"},
        {"the same bytes without a stamp", 206, ETAG_OF_ONE_UNSTAMPED, "bytes 10-35/36"},
        {"from another place", 206, ONE, "bytes 9-35/36"},
        {"to another place", 206, ONE, "bytes 10-34/36"},
        {"a broken range", 206, ONE, "bytes 10-/36"},
        {"a range in another unit", 206, ONE, "lines 10-35/36"},
        {"no range", 206, ONE, ""},
        {"of a longer object", 206, ONE, "bytes 10-35/37"},
        {"it is gone", 404, ONE, ""},
        {"it was overwritten", 412, ONE, ""},
        {"it has become shorter", 416, ONE, "bytes */5"},
        {"an error", 503, ONE, ""},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unsigned second;
        struct reader r;

        reader_init(&r);
        open_get(&r, NULL, 0);
        turn(&r.s);
        head_ok(&r);
        arrive(&r, 0, 10);
        assert_int_equal(read_all(&r), ERR_AGAIN);
        done(&r, ERR_RESET);
        second = asked(&r);
        head_with(&r, rows[i].status, rows[i].content, rows[i].range, BODY_BYTES - 10);
        if (asked(&r) == second)
            fail_msg("%s", rows[i].what);
        head_with(&r, 206, ONE, "bytes 10-35/36", BODY_BYTES - 10);
        complete(&r, 10);
        reader_fini(&r);
    }
}

static void a_body_nobody_can_complete_says_so_to_its_reader(void **state)
{
    unsigned bodies;
    struct row row = row_with(1, ROW_FINAL, A | B, 0, 0);
    struct reader r;

    reader_init(&r);
    r.s.journal.stored_row = true;
    open_get(&r, NULL, 0);
    rows_read(&r.s, ERR_OK, &row, 1);
    head_ok(&r);
    arrive(&r, 0, 10);
    assert_int_equal(read_all(&r), ERR_AGAIN);
    done(&r, ERR_RESET);
    bodies = r.bodies;
    assert_int_not_equal(asked(&r), 2); /* C is not of the set, in mid-body neither */
    done(&r, ERR_REFUSED);
    assert_int_equal(under_way(&r.s), 0);
    assert_int_equal(r.failures, 0); /* the head was given */
    assert_int_equal(r.bodies, bodies + 1);
    assert_int_equal(read_all(&r), ERR_UNAVAILABLE);
    assert_int_equal(r.len, 10);
    reader_fini(&r);
}

static void a_reader_that_takes_its_time_is_no_replicas_fault(void **state)
{
    struct reader r;

    reader_init(&r);
    open_get(&r, NULL, 0);
    turn(&r.s);
    head_ok(&r);
    arrive(&r, 0, 10);
    pass(&r.s, 100 * STALL_MS);
    assert_int_equal(r.s.replicas[asked(&r)].abandons, 0);
    assert_int_equal(read_all(&r), ERR_AGAIN);
    assert_int_equal(r.len, 10);
    complete(&r, 10);
    reader_fini(&r);
}

/* ---- the owner goes ---- */

static void it_may_be_freed_at_every_step(void **state)
{
    for (int step = 0; step < 6; step++) {
        struct reader r;

        reader_init(&r);
        r.s.journal.stored_row = step == 1;
        open_get(&r, NULL, 0);
        if (step >= 2)
            turn(&r.s);
        if (step >= 3)
            head_ok(&r);
        if (step >= 4) {
            arrive(&r, 0, 10);
            assert_int_equal(read_all(&r), ERR_AGAIN);
        }
        if (step == 5)
            done(&r, ERR_RESET);
        fetch_free(r.f);
        r.f = NULL;
        assert_int_equal(under_way(&r.s), 0);
        if (step == 1) /* the journal has no cancel: it answers to nobody */
            rows_read(&r.s, step ? ERR_OK : ERR_IO, NULL, 0);
        pass(&r.s, 10 * STALL_MS);
        assert_int_equal(r.failures, 0);
        reader_fini(&r);
    }
}

static void it_may_be_freed_from_inside_its_head(void **state)
{
    struct reader r;

    reader_init(&r);
    r.free_in_head = true;
    open_get(&r, NULL, 0);
    turn(&r.s);
    head_ok(&r);
    assert_int_equal(r.heads, 1);
    assert_null(r.f);
    assert_int_equal(under_way(&r.s), 0);
    reader_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clean_key_is_read_from_any_replica_without_the_journal),
        cmocka_unit_test(a_hinted_key_is_read_from_the_newest_stored_set_only),
        cmocka_unit_test(what_a_replica_of_the_set_shows_is_the_answer),
        cmocka_unit_test(a_journal_that_does_not_say_fails_the_read),
        cmocka_unit_test(before_the_first_byte_every_kind_of_failure_asks_the_next),
        cmocka_unit_test(an_answer_to_another_question_asks_the_next),
        cmocka_unit_test(a_404_that_breaks_off_is_a_404),
        cmocka_unit_test(a_silent_replica_opens_its_breaker),
        cmocka_unit_test(those_behind_an_open_breaker_are_asked_last),
        cmocka_unit_test(the_clients_range_and_conditions_are_passed_on_however_many),
        cmocka_unit_test(a_body_that_breaks_goes_on_from_another_replica),
        cmocka_unit_test(a_range_goes_on_within_the_range),
        cmocka_unit_test(what_is_not_the_rest_of_the_same_content_is_refused),
        cmocka_unit_test(a_body_nobody_can_complete_says_so_to_its_reader),
        cmocka_unit_test(a_reader_that_takes_its_time_is_no_replicas_fault),
        cmocka_unit_test(it_may_be_freed_at_every_step),
        cmocka_unit_test(it_may_be_freed_from_inside_its_head),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
