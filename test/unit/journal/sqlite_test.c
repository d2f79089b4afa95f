/* What the store promises of rows, claims, the work list and the catalogue, over restarts too. */
#include "sqlite_fixture.h"

#include "base/random.h"

static void begin_at(struct journal_begin *b, const char *key, uint64_t version)
{
    make_begin(b, key_of(key));
    b->version = version;
    assert_int_equal(begin(b), ERR_OK);
}

static void a_begun_row_is_open_and_alone(void **state)
{
    struct journal_begin b;
    struct row row;

    make_begin(&b, key_of("k"));
    b.row_kind = ROW_DELETE;
    assert_int_equal(begin(&b), ERR_OK);
    assert_int_equal(b.view.count, 0);
    assert_false(b.view.claimed);
    pass_ms(77);
    row = only_row("k");
    assert_true(stamp_eq(&row.stamp, &b.stamp));
    assert_int_equal(row.version, b.version);
    assert_int_equal(row.kind, ROW_DELETE);
    assert_int_equal(row.phase, ROW_OPEN);
    assert_int_equal(row.stored | row.unresolved, 0);
    assert_false(row.orphan);
    assert_int_equal(row.age_ms, 77);
}

static void begin_shows_the_other_rows_and_the_claim(void **state)
{
    struct stamp first = begin_row("k");
    struct journal_begin b;
    uint64_t id;

    assert_int_equal(change_row("k", first, ROW_FINAL, 1, 4), ERR_OK);
    assert_int_equal(claim_key("k", 5000, &id), ERR_OK);
    make_begin(&b, key_of("k"));
    assert_int_equal(begin(&b), ERR_OK);
    assert_int_equal(b.view.count, 1);
    assert_true(stamp_eq(&b.view.rows[0].stamp, &first));
    assert_int_equal(b.view.rows[0].phase, ROW_FINAL);
    assert_int_equal(b.view.rows[0].stored, 1);
    assert_int_equal(b.view.rows[0].unresolved, 4);
    assert_true(b.view.claimed);
    assert_int_equal(b.view.claim.id, id);
    assert_int_equal(b.view.claim.targets, 2);
    key_view_fini(&b.view);
}

/* Many of one key in one group: each sees those that became durable with it. */
static void begins_of_one_group_see_each_other(void **state)
{
    struct journal_begin b[20];

    for (int i = 0; i < 20; i++) {
        make_begin(&b[i], key_of("same"));
        start_begin(&b[i]);
    }
    await_all();
    for (int i = 0; i < 20; i++) {
        assert_int_equal(b[i].request.result, ERR_OK);
        for (int k = 0; k < i; k++)
            assert_true(key_view_find(&b[i].view, &b[k].stamp) || key_view_find(&b[k].view, &b[i].stamp));
        key_view_fini(&b[i].view);
    }
    assert_int_equal(count_rows("same"), 20);
}

static void a_row_that_orders_after_mine_lifts_my_version(void **state)
{
    struct journal_begin ahead, mine, later;
    struct journal_read r;

    begin_at(&ahead, "k", 9000);
    begin_at(&mine, "k", 500);
    begin_at(&later, "k", 20000);
    assert_int_equal(mine.version, 9001);
    assert_int_equal(mine.view.count, 1);
    assert_true(stamp_eq(&mine.view.rows[0].stamp, &ahead.stamp));
    assert_int_equal(later.version, 20000);
    assert_int_equal(read_view(&r, key_of("k")), ERR_OK);
    assert_int_equal(key_view_find(&r.view, &mine.stamp)->version, 9001);
    assert_int_equal(key_view_find(&r.view, &mine.stamp)->phase, ROW_OPEN);
    key_view_fini(&r.view);
}

static void equal_versions_are_ordered_by_their_stamps(void **state)
{
    struct journal_begin small, great;

    make_begin(&small, key_of("k"));
    make_begin(&great, key_of("k"));
    small.version = great.version;
    assert_int_equal(begin(&great), ERR_OK);
    assert_int_equal(begin(&small), ERR_OK);
    assert_int_equal(small.version, great.version + 1);
}

static void a_stamp_is_begun_only_once(void **state)
{
    struct journal_begin b;

    make_begin(&b, key_of("k"));
    assert_int_equal(begin(&b), ERR_OK);
    assert_int_equal(begin(&b), ERR_EXISTS);
    assert_int_equal(count_rows("k"), 1);
    assert_false(maybe_other("k", &b.stamp));
}

static void a_bucket_that_is_not_there_takes_no_row(void **state)
{
    struct journal_begin b;
    struct journal_key key = {fix.bucket + 1, SPAN("k")};

    make_begin(&b, key);
    assert_int_equal(begin(&b), ERR_NOT_FOUND);
    assert_false(fix.journal->ops->maybe(fix.journal, key, JOURNAL_ANY_OTHER_ROW, NULL));
}

static void keys_are_any_bytes(void **state)
{
    char longest[1024];
    const struct span keys[] = {{NULL, 0},        SPAN("a\0b"), SPAN("a\0c"),
                                SPAN("\xff\xfe"), SPAN("a"),    {longest, sizeof(longest)}};

    memset(longest, 'x', sizeof(longest));
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        struct journal_key key = {fix.bucket, keys[i]};
        struct journal_begin b;
        struct journal_read r;

        make_begin(&b, key);
        assert_int_equal(begin(&b), ERR_OK);
        assert_int_equal(b.view.count, 0);
        assert_int_equal(read_view(&r, key), ERR_OK);
        assert_int_equal(r.view.count, 1);
        assert_true(stamp_eq(&r.view.rows[0].stamp, &b.stamp));
        key_view_fini(&r.view);
    }
}

static void phases_never_go_backwards(void **state)
{
    static const struct {
        enum row_phase from, to;
        enum err result;
    } cases[] = {
        {ROW_OPEN, ROW_OUTCOME, ERR_OK},         {ROW_OPEN, ROW_FINAL, ERR_OK},
        {ROW_OPEN, ROW_MERGED, ERR_OK},          {ROW_OUTCOME, ROW_OUTCOME, ERR_OK},
        {ROW_OUTCOME, ROW_FINAL, ERR_OK},        {ROW_FINAL, ROW_MERGED, ERR_OK},
        {ROW_FINAL, ROW_OUTCOME, ERR_NOT_FOUND}, {ROW_MERGED, ROW_OUTCOME, ERR_NOT_FOUND},
        {ROW_MERGED, ROW_FINAL, ERR_NOT_FOUND},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char key[16];
        struct stamp stamp;
        enum row_phase then = cases[i].result ? cases[i].from : cases[i].to;

        snprintf(key, sizeof(key), "case-%zu", i);
        stamp = begin_row(key);
        if (cases[i].from != ROW_OPEN)
            assert_int_equal(change_row(key, stamp, cases[i].from, 1, 0), ERR_OK);
        assert_int_equal(change_row(key, stamp, cases[i].to, 2, 0), cases[i].result);
        assert_int_equal(only_row(key).phase, then);
        assert_int_equal(only_row(key).stored, cases[i].result ? 1 : 2);
    }
}

static void a_merge_adds_to_the_stored_set_and_resolves(void **state)
{
    struct stamp stamp = begin_row("k");
    struct journal_write w = {.key = key_of("k"), .change = true, .add_stored = true};

    assert_int_equal(change_row("k", stamp, ROW_FINAL, 1, 6), ERR_OK);
    w.row = (struct row){.stamp = stamp, .phase = ROW_MERGED, .stored = 2, .unresolved = 4};
    assert_int_equal(write_batch(&w), ERR_OK);
    assert_int_equal(only_row("k").stored, 3);
    assert_int_equal(only_row("k").unresolved, 0);
    w.row.stored = 4;
    assert_int_equal(write_batch(&w), ERR_OK);
    assert_int_equal(only_row("k").stored, 7);
}

static void a_batch_on_a_missing_row_does_nothing(void **state)
{
    struct stamp other = begin_row("k"), missing = other;
    uint64_t id, again;
    struct journal_write w = {.key = key_of("k"), .change = true, .remove = &other, .remove_count = 1};

    assert_int_equal(claim_key("k", 1000, &id), ERR_OK);
    missing.b[15] ^= 1;
    w.row = (struct row){.stamp = missing, .phase = ROW_FINAL, .stored = 1};
    w.release = id;
    assert_int_equal(write_batch(&w), ERR_NOT_FOUND);
    assert_true(is_only_row("k", other));
    assert_int_equal(claim_key("k", 1000, &again), ERR_EXISTS);
    assert_false(maybe_stored("k"));
}

static void a_batch_changes_removes_and_releases_together(void **state)
{
    struct stamp old[2] = {begin_row("k"), begin_row("k")}, mine = begin_row("k");
    uint64_t id;
    struct journal_write w = {.key = key_of("k"), .change = true, .remove = old, .remove_count = 2};

    assert_int_equal(claim_key("k", 1000, &id), ERR_OK);
    w.row = (struct row){.stamp = mine, .phase = ROW_FINAL, .stored = 1};
    w.release = id;
    assert_int_equal(write_batch(&w), ERR_OK);
    assert_true(is_only_row("k", mine));
    assert_int_equal(claim_key("k", 1000, &id), ERR_OK);
}

static void removing_what_is_not_there_is_no_error(void **state)
{
    struct stamp stamp = begin_row("k");

    assert_int_equal(remove_row("k", stamp), ERR_OK);
    assert_int_equal(remove_row("k", stamp), ERR_OK);
    assert_int_equal(count_rows("k"), 0);
    assert_false(maybe_other("k", NULL));
}

/* A lazy removal is committed by itself when nothing else comes: the count of commits says so. */
static void a_forgotten_row_goes_without_any_other_call(void **state)
{
    struct stamp stamp = begin_row("k");

    fix.journal->ops->forget(fix.journal, key_of("k"), &stamp, 1);
    while (maybe_other("k", NULL))
        usleep(1000);
    assert_int_equal(count_rows("k"), 0);
    assert_int_equal(stats().rows_open, 0);
}

static void what_was_forgotten_last_goes_when_the_store_closes(void **state)
{
    struct stamp stamps[2] = {begin_row("k"), begin_row("k")};

    assert_int_equal(change_row("k", stamps[0], ROW_FINAL, 1, 0), ERR_OK);
    fix.journal->ops->forget(fix.journal, key_of("k"), stamps, 2);
    reopen_store();
    assert_int_equal(count_rows("k"), 0);
    assert_int_equal(stats().hints, 0);
}

static void claims_are_exclusive_until_lease_and_ambiguity_are_over(void **state)
{
    uint64_t first, second, other;

    assert_int_equal(claim_key("k", 1000, &first), ERR_OK);
    assert_int_equal(claim_key("k", 1000, &second), ERR_EXISTS);
    assert_int_equal(claim_key("other", 1000, &other), ERR_OK);
    assert_true(first != other && first != 0);
    pass_ms(1000 + AMBIGUITY_MS - 1);
    assert_int_equal(claim_key("k", 1000, &second), ERR_EXISTS);
    pass_ms(1);
    assert_int_equal(claim_key("k", 1000, &second), ERR_OK);
    assert_true(second != first);
}

static void releasing_an_old_claim_leaves_the_new_one(void **state)
{
    struct journal_write w = {.key = key_of("k")};
    uint64_t first, second, third;

    assert_int_equal(claim_key("k", 1000, &first), ERR_OK);
    pass_ms(1000 + AMBIGUITY_MS);
    assert_int_equal(claim_key("k", 1000, &second), ERR_OK);
    w.release = first;
    assert_int_equal(write_batch(&w), ERR_OK);
    assert_int_equal(claim_key("k", 1000, &third), ERR_EXISTS);
    assert_true(maybe_other("k", NULL));
    w.release = second;
    assert_int_equal(write_batch(&w), ERR_OK);
    assert_false(maybe_other("k", NULL));
}

static void a_claim_outlives_its_process_from_when_it_was_first_seen(void **state)
{
    struct journal_begin b;
    uint64_t before, after;

    assert_int_equal(claim_key("k", 1000, &before), ERR_OK);
    pass_ms(900 + AMBIGUITY_MS);
    reopen_store();
    pass_ms(1000 + AMBIGUITY_MS - 1);
    make_begin(&b, key_of("k"));
    assert_int_equal(begin(&b), ERR_OK);
    assert_true(b.view.claimed);
    assert_int_equal(b.view.claim.age_ms, 1000 + AMBIGUITY_MS - 1);
    assert_int_equal(claim_key("k", 1000, &after), ERR_EXISTS);
    pass_ms(1);
    assert_int_equal(claim_key("k", 1000, &after), ERR_OK);
    assert_true(after != before);
}

static void rows_of_a_process_that_ended_are_orphans_in_their_phase(void **state)
{
    static const struct {
        const char *key;
        enum row_phase phase;
        bool orphan;
    } cases[] = {{"open", ROW_OPEN, true},
                 {"outcome", ROW_OUTCOME, true},
                 {"final", ROW_FINAL, false},
                 {"merged", ROW_MERGED, false}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct stamp stamp = begin_row(cases[i].key);

        if (cases[i].phase != ROW_OPEN)
            assert_int_equal(change_row(cases[i].key, stamp, cases[i].phase, 1, 2), ERR_OK);
    }
    pass_ms(100000);
    reopen_store();
    pass_ms(40);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct row row = only_row(cases[i].key);

        assert_int_equal(row.phase, cases[i].phase);
        assert_int_equal(row.orphan, cases[i].orphan);
        assert_int_equal(row.age_ms, 40);
    }
    assert_int_equal(stats().rows_open, 2);
    assert_int_equal(stats().hints, 2);
}

static void an_orphan_that_is_merged_is_none_any_more(void **state)
{
    struct stamp stamp = begin_row("k");
    struct journal_write w = {.key = key_of("k"), .change = true, .add_stored = true};

    reopen_store();
    pass_ms(500);
    w.row = (struct row){.stamp = stamp, .phase = ROW_MERGED, .stored = 5};
    assert_int_equal(write_batch(&w), ERR_OK);
    assert_false(only_row("k").orphan);
    assert_int_equal(only_row("k").age_ms, 0);
    reopen_store();
    assert_int_equal(only_row("k").phase, ROW_MERGED);
    assert_false(only_row("k").orphan);
}

static void the_filter_follows_every_row(void **state)
{
    struct stamp a, b;

    assert_false(maybe_other("k", NULL));
    a = begin_row("k");
    assert_true(maybe_other("k", NULL));
    assert_false(maybe_other("k", &a));
    assert_false(maybe_stored("k"));
    b = begin_row("k");
    assert_true(maybe_other("k", &a));
    assert_int_equal(change_row("k", a, ROW_OUTCOME, 1, 2), ERR_OK);
    assert_int_equal(change_row("k", a, ROW_FINAL, 3, 0), ERR_OK);
    assert_true(maybe_stored("k"));
    assert_int_equal(change_row("k", a, ROW_FINAL, 0, 0), ERR_OK);
    assert_false(maybe_stored("k"));
    assert_int_equal(change_row("k", b, ROW_FINAL, 1, 0), ERR_OK);
    reopen_store();
    assert_true(maybe_stored("k"));
    assert_true(maybe_other("k", &a));
    assert_int_equal(remove_row("k", b), ERR_OK);
    assert_false(maybe_stored("k"));
    assert_false(maybe_other("k", &a));
    assert_int_equal(remove_row("k", a), ERR_OK);
    assert_false(maybe_other("k", NULL));
}

/* The work list. */

static struct journal_scan page;

static size_t scan_from(struct journal_key after, enum journal_list list)
{
    page = (struct journal_scan){.request.done = on_done, .after = after, .list = list};
    fix.waiting++;
    fix.journal->ops->scan(fix.journal, &page);
    await_all();
    assert_int_equal(page.request.result, ERR_OK);
    return page.count;
}

static size_t scan_count(enum journal_list list)
{
    size_t count = scan_from((struct journal_key){0}, list);

    journal_scan_fini(&page);
    return count;
}

enum { MANY_KEYS = 3000 };

static void make_hints(void)
{
    static struct journal_begin begins[MANY_KEYS];
    static struct journal_write writes[MANY_KEYS];
    static char keys[MANY_KEYS][16];

    for (int i = 0; i < MANY_KEYS; i++) {
        snprintf(keys[i], sizeof(keys[i]), "k%06d", i * 7919 % MANY_KEYS);
        make_begin(&begins[i], key_of(keys[i]));
        start_begin(&begins[i]);
    }
    await_all();
    for (int i = 0; i < MANY_KEYS; i++) {
        struct journal_write *w = &writes[i];

        key_view_fini(&begins[i].view);
        *w = (struct journal_write){.request.done = on_done, .key = begins[i].key, .change = true};
        w->row = (struct row){.stamp = begins[i].stamp, .phase = ROW_FINAL, .stored = 5};
        fix.waiting++;
        fix.journal->ops->write(fix.journal, w);
    }
    await_all();
}

static void the_work_list_names_every_hint_once_in_order(void **state)
{
    struct journal_key after = {0};
    char last[16] = "";
    size_t count, total = 0;

    make_hints();
    begin_row("open rows are not in it");
    begin_row("k000100"); /* a second row of a key that is */
    do {
        count = scan_from(after, JOURNAL_LIVE_WORK);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(page.work[i].key.bucket, fix.bucket);
            assert_true(span_cmp(page.work[i].key.key, span_of(last)) > 0);
            snprintf(last, sizeof(last), "%.*s", SPAN_ARG(page.work[i].key.key));
        }
        total += count;
        after = key_of(last);
        journal_scan_fini(&page);
    } while (count == JOURNAL_PAGE_KEYS);
    assert_int_equal(total, MANY_KEYS);
}

static void the_work_list_has_orphans_but_no_rows_under_way(void **state)
{
    struct stamp stamp = begin_row("a-outcome");

    assert_int_equal(change_row("a-outcome", stamp, ROW_OUTCOME, 1, 2), ERR_OK);
    begin_row("b-open");
    assert_int_equal(scan_count(JOURNAL_ALL_WORK), 0);
    reopen_store();
    assert_int_equal(scan_count(JOURNAL_ALL_WORK), 2);
    assert_int_equal(remove_row("a-outcome", stamp), ERR_OK);
    assert_int_equal(scan_count(JOURNAL_ALL_WORK), 1);
}

static void note_attempt(const char *key, uint32_t tries, bool dead)
{
    struct journal_attempt a = {
        .key = key_of(key), .tries = tries, .wait_ms = 5000, .dead = dead, .reason = SPAN("refused")};

    fix.journal->ops->attempt(fix.journal, &a);
}

static void attempts_are_kept_until_the_key_leaves_the_list(void **state)
{
    struct stamp stamp = begin_row("k");

    assert_int_equal(change_row("k", stamp, ROW_FINAL, 1, 0), ERR_OK);
    note_attempt("k", 3, false);
    note_attempt("nothing to repair", 9, true);
    reopen_store();
    pass_ms(1000);
    assert_int_equal(scan_from((struct journal_key){0}, JOURNAL_LIVE_WORK), 1);
    assert_int_equal(page.work[0].failures.tries, 3);
    assert_int_equal(page.work[0].failures.wait_ms, 4000);
    assert_false(page.work[0].failures.dead);
    journal_scan_fini(&page);
    assert_int_equal(stats().dead, 0);
    assert_int_equal(remove_row("k", stamp), ERR_OK);
    stamp = begin_row("k");
    assert_int_equal(change_row("k", stamp, ROW_FINAL, 1, 0), ERR_OK);
    assert_int_equal(scan_from((struct journal_key){0}, JOURNAL_LIVE_WORK), 1);
    assert_int_equal(page.work[0].failures.tries, 0);
    assert_int_equal(page.work[0].failures.wait_ms, 0);
    journal_scan_fini(&page);
}

static void dead_keys_are_listed_only_when_asked_for(void **state)
{
    struct stamp stamp = begin_row("k");

    assert_int_equal(change_row("k", stamp, ROW_FINAL, 1, 0), ERR_OK);
    note_attempt("k", 10, true);
    reopen_store();
    assert_int_equal(stats().dead, 1);
    assert_int_equal(scan_count(JOURNAL_LIVE_WORK), 0);
    assert_int_equal(scan_from((struct journal_key){0}, JOURNAL_ALL_WORK), 1);
    assert_true(page.work[0].failures.dead);
    journal_scan_fini(&page);
    note_attempt("k", 0, false);
    reopen_store();
    assert_int_equal(stats().dead, 0);
    assert_int_equal(scan_count(JOURNAL_LIVE_WORK), 1);
}

/* Lag. */

static void lag_counts_the_hints_of_each_replica(void **state)
{
    struct replica_lag lag[REPLICAS_MAX];
    struct stamp old, young;

    old = begin_row("old");
    pass_ms(1000);
    young = begin_row("young");
    assert_int_equal(change_row("old", old, ROW_FINAL, 1, 0), ERR_OK);     /* lacks 1 and 2 */
    assert_int_equal(change_row("young", young, ROW_FINAL, 3, 0), ERR_OK); /* lacks 2 */
    pass_ms(500);
    for (int round = 0; round < 2; round++) {
        fix.journal->ops->lag(fix.journal, fix.bucket, lag);
        assert_int_equal(lag[0].hints, 0);
        assert_int_equal(lag[0].lag_ms, 0);
        assert_int_equal(lag[1].hints, 1);
        assert_int_equal(lag[1].lag_ms, 1500);
        assert_int_equal(lag[2].hints, 2);
        assert_int_equal(lag[2].lag_ms, 1500);
        assert_int_equal(lag[3].hints, 0);
        reopen_store();
    }
    assert_int_equal(remove_row("old", old), ERR_OK);
    do /* the oldest that is left is searched behind the scenes */
        fix.journal->ops->lag(fix.journal, fix.bucket, lag);
    while (lag[2].lag_ms != 500);
    assert_int_equal(lag[1].hints, 0);
    assert_int_equal(lag[1].lag_ms, 0);
    assert_int_equal(lag[2].hints, 1);
    assert_int_equal(stats().hints, 1);
}

/* One step at random in the life of a key's rows. */
static void change_somehow(struct random *random, const char *key)
{
    struct journal_write w = {.key = key_of(key)};
    struct journal_read r;
    const struct row *row, *other;

    assert_int_equal(read_view(&r, w.key), ERR_OK);
    if (r.view.count == 0 || (r.view.count < 4 && random_below(random, 3) == 0)) {
        begin_row(key);
        key_view_fini(&r.view);
        return;
    }
    row = &r.view.rows[random_below(random, r.view.count)];
    other = &r.view.rows[random_below(random, r.view.count)];
    w.change = random_below(random, 3) != 0;
    w.row = (struct row){.stamp = row->stamp, .stored = (uint32_t)random_below(random, 8)};
    w.row.phase = row->phase == ROW_MERGED || random_below(random, 2) ? ROW_MERGED : ROW_FINAL;
    w.add_stored = w.row.phase == ROW_MERGED;
    w.remove = &other->stamp;
    w.remove_count = !w.change || (other != row && random_below(random, 2));
    assert_int_equal(write_batch(&w), ERR_OK);
    key_view_fini(&r.view);
}

static void check_missed_keys(const char *const *keys, size_t count)
{
    struct replica_lag lag[REPLICAS_MAX];
    uint64_t missed[3] = {0};

    for (size_t k = 0; k < count; k++) {
        struct journal_read r;
        uint32_t lacked = 0;

        assert_int_equal(read_view(&r, key_of(keys[k])), ERR_OK);
        for (size_t i = 0; i < r.view.count; i++)
            lacked |= r.view.rows[i].phase >= ROW_FINAL ? ~r.view.rows[i].stored : 0;
        for (uint32_t slot = 0; slot < 3; slot++)
            missed[slot] += lacked >> slot & 1;
        key_view_fini(&r.view);
    }
    fix.journal->ops->lag(fix.journal, fix.bucket, lag);
    for (uint32_t slot = 0; slot < 3; slot++)
        assert_int_equal(lag[slot].hints, missed[slot]);
}

static void a_key_counts_once_for_a_replica_however_many_rows_it_has(void **state)
{
    static const char *const keys[] = {"a", "b", "c"};
    struct random random;

    random_init(&random, 1);
    for (int step = 0; step < 400; step++) {
        change_somehow(&random, keys[random_below(&random, 3)]);
        if (step % 50 == 49)
            reopen_store();
        check_missed_keys(keys, 3);
    }
}

/* The catalogue. */

static void buckets_are_found_after_a_restart(void **state)
{
    struct journal_bucket_write w;
    struct bucket b;

    make_bucket("alpha", &w);
    w.bucket.configured = true;
    assert_int_equal(write_bucket(&w), ERR_OK);
    assert_true(w.bucket.id > fix.bucket);
    for (int round = 0; round < 2; round++) {
        assert_true(fix.journal->ops->bucket_by_name(fix.journal, SPAN("alpha"), &b));
        assert_int_equal(b.id, w.bucket.id);
        assert_true(b.configured);
        assert_int_equal(b.created_unix_ms, w.bucket.created_unix_ms);
        assert_int_equal(b.replica_count, 3);
        assert_string_equal(b.replicas[2].backend, "c");
        assert_string_equal(b.replicas[2].remote, "alpha-2");
        assert_true(fix.journal->ops->bucket_by_id(fix.journal, fix.bucket, &b));
        assert_string_equal(b.name, "media");
        assert_false(fix.journal->ops->bucket_by_name(fix.journal, SPAN("alph"), &b));
        assert_false(fix.journal->ops->bucket_by_id(fix.journal, 99, &b));
        assert_true(fix.journal->ops->bucket_after(fix.journal, SPAN(""), &b));
        assert_string_equal(b.name, "alpha");
        assert_true(fix.journal->ops->bucket_after(fix.journal, SPAN("alpha"), &b));
        assert_string_equal(b.name, "media");
        assert_false(fix.journal->ops->bucket_after(fix.journal, SPAN("media"), &b));
        reopen_store();
    }
}

static void a_replica_keeps_its_slot_for_ever(void **state)
{
    struct journal_bucket_write w;
    struct bucket_replica b_replica;
    struct bucket seen;

    make_bucket("media", &w);
    b_replica = w.bucket.replicas[1];
    w.bucket.replicas[0] = w.bucket.replicas[2];
    w.bucket.replica_count = 2; /* c, b; a is gone */
    snprintf(w.bucket.replicas[1].backend, sizeof(w.bucket.replicas[1].backend), "new");
    assert_int_equal(write_bucket(&w), ERR_OK); /* c, new; a and b are gone */
    reopen_store();
    assert_true(fix.journal->ops->bucket_by_id(fix.journal, fix.bucket, &seen));
    assert_memory_equal(&seen, &w.bucket, sizeof(seen));
    assert_int_equal(seen.id, fix.bucket);
    assert_int_equal(seen.replica_count, 4);
    assert_true(seen.replicas[0].retired && seen.replicas[1].retired);
    assert_string_equal(seen.replicas[1].backend, b_replica.backend);
    assert_string_equal(seen.replicas[2].backend, "c");
    assert_false(seen.replicas[2].retired);
    assert_string_equal(seen.replicas[3].backend, "new");
    make_bucket("media", &w); /* all three come back, `new` goes */
    assert_int_equal(write_bucket(&w), ERR_OK);
    assert_int_equal(w.bucket.replica_count, 4);
    assert_string_equal(w.bucket.replicas[0].backend, "a");
    assert_false(w.bucket.replicas[0].retired || w.bucket.replicas[1].retired ||
                 w.bucket.replicas[2].retired);
    assert_true(w.bucket.replicas[3].retired);
}

static void a_bad_bucket_is_refused(void **state)
{
    struct journal_bucket_write w;
    struct bucket b;

    make_bucket("", &w);
    assert_int_equal(write_bucket(&w), ERR_INVALID);
    make_bucket("none", &w);
    w.bucket.replica_count = 0;
    assert_int_equal(write_bucket(&w), ERR_INVALID);
    make_bucket("twice", &w);
    w.bucket.replicas[1] = w.bucket.replicas[0];
    assert_int_equal(write_bucket(&w), ERR_INVALID);
    make_bucket("crowd", &w);
    w.bucket.replica_count = REPLICAS_MAX + 1;
    assert_int_equal(write_bucket(&w), ERR_INVALID);
    assert_false(fix.journal->ops->bucket_after(fix.journal, SPAN("media"), &b));
}

static void no_slot_is_given_twice(void **state)
{
    struct journal_bucket_write w;
    char name[64];

    for (int i = 0; i < REPLICAS_MAX - 3; i++) {
        make_bucket("media", &w);
        snprintf(name, sizeof(name), "extra-%d", i);
        memcpy(w.bucket.replicas[0].backend, name, sizeof(name));
        assert_int_equal(write_bucket(&w), ERR_OK);
    }
    make_bucket("media", &w);
    snprintf(w.bucket.replicas[0].backend, sizeof(w.bucket.replicas[0].backend), "one too many");
    assert_int_equal(write_bucket(&w), ERR_TOO_LARGE);
}

static void a_bucket_with_rows_is_not_removed(void **state)
{
    struct journal_bucket_write w;
    struct stamp stamp = begin_row("k");
    struct journal_begin b;
    uint64_t id;

    make_bucket("media", &w);
    w.remove = true;
    assert_int_equal(write_bucket(&w), ERR_EXISTS);
    assert_int_equal(remove_row("k", stamp), ERR_OK);
    assert_int_equal(claim_key("k", 1, &id), ERR_OK);
    assert_int_equal(write_bucket(&w), ERR_OK);
    assert_int_equal(write_bucket(&w), ERR_NOT_FOUND);
    assert_false(maybe_other("k", NULL));
    make_begin(&b, key_of("k"));
    assert_int_equal(begin(&b), ERR_NOT_FOUND);
    make_bucket("media", &w);
    assert_int_equal(write_bucket(&w), ERR_OK);
    assert_true(w.bucket.id > fix.bucket); /* an id is never given twice */
}

/* The removal ends its group, so a row that is asked for behind it is refused, one before it keeps the bucket. */
static void rows_and_removal_of_a_bucket_keep_their_order(void **state)
{
    struct journal_bucket_write w;
    struct journal_begin before, behind;

    for (int round = 0; round < 50; round++) {
        bool first = round % 2;

        make_bucket("brief", &w);
        assert_int_equal(write_bucket(&w), ERR_OK);
        make_begin(&before, (struct journal_key){w.bucket.id, SPAN("k")});
        make_begin(&behind, before.key);
        w.remove = true;
        if (first)
            start_begin(&before);
        fix.waiting++;
        fix.journal->ops->bucket_write(fix.journal, &w);
        start_begin(&behind);
        await_all();
        assert_int_equal(w.request.result, first ? ERR_EXISTS : ERR_OK);
        assert_int_equal(behind.request.result, first ? ERR_OK : ERR_NOT_FOUND);
        if (first) {
            struct stamp stamps[2] = {before.stamp, behind.stamp};
            struct journal_write clean = {.key = before.key, .remove = stamps, .remove_count = 2};

            assert_int_equal(write_batch(&clean), ERR_OK);
            assert_int_equal(write_bucket(&w), ERR_OK);
        }
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_begun_row_is_open_and_alone),
        CASE(begin_shows_the_other_rows_and_the_claim),
        CASE(begins_of_one_group_see_each_other),
        CASE(a_row_that_orders_after_mine_lifts_my_version),
        CASE(equal_versions_are_ordered_by_their_stamps),
        CASE(a_stamp_is_begun_only_once),
        CASE(a_bucket_that_is_not_there_takes_no_row),
        CASE(keys_are_any_bytes),
        CASE(phases_never_go_backwards),
        CASE(a_merge_adds_to_the_stored_set_and_resolves),
        CASE(a_batch_on_a_missing_row_does_nothing),
        CASE(a_batch_changes_removes_and_releases_together),
        CASE(removing_what_is_not_there_is_no_error),
        CASE(a_forgotten_row_goes_without_any_other_call),
        CASE(what_was_forgotten_last_goes_when_the_store_closes),
        CASE(claims_are_exclusive_until_lease_and_ambiguity_are_over),
        CASE(releasing_an_old_claim_leaves_the_new_one),
        CASE(a_claim_outlives_its_process_from_when_it_was_first_seen),
        CASE(rows_of_a_process_that_ended_are_orphans_in_their_phase),
        CASE(an_orphan_that_is_merged_is_none_any_more),
        CASE(the_filter_follows_every_row),
        CASE(the_work_list_names_every_hint_once_in_order),
        CASE(the_work_list_has_orphans_but_no_rows_under_way),
        CASE(attempts_are_kept_until_the_key_leaves_the_list),
        CASE(dead_keys_are_listed_only_when_asked_for),
        CASE(lag_counts_the_hints_of_each_replica),
        CASE(a_key_counts_once_for_a_replica_however_many_rows_it_has),
        CASE(buckets_are_found_after_a_restart),
        CASE(a_replica_keeps_its_slot_for_ever),
        CASE(a_bad_bucket_is_refused),
        CASE(no_slot_is_given_twice),
        CASE(a_bucket_with_rows_is_not_removed),
        CASE(rows_and_removal_of_a_bucket_keep_their_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
