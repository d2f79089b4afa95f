/* Multipart uploads in the embedded journal: what is told is there after a restart, each step is taken from the states
 * it may be taken from, and lists are whole and in order. */
#include "sqlite_fixture.h"

static struct stamp new_id(void)
{
    return stamp_make(&fix.clock, hlc_next(&fix.clock, fake_unix_ms));
}

static enum err add_upload_of(const char *key, struct stamp id, bool own)
{
    struct journal_upload_add a = {.request.done = on_done};

    a.upload = (struct upload){
        .id = id, .key = key_of(key), .checksum = 3, .full_object = true, .own = own, .dropped = 4};
    a.upload.ids[0] = SPAN("id on a");
    a.upload.ids[2] = SPAN("id on c");
    fix.waiting++;
    fix.journal->ops->upload_add(fix.journal, &a);
    await_all();
    return a.request.result;
}

static enum err add_upload(const char *key, struct stamp id)
{
    return add_upload_of(key, id, false);
}

static struct stamp some_upload(const char *key)
{
    struct stamp id = new_id();

    assert_int_equal(add_upload(key, id), ERR_OK);
    return id;
}

static enum err read_upload(struct journal_upload_read *r, const char *key, struct stamp id, uint32_t after)
{
    *r = (struct journal_upload_read){
        .request.done = on_done, .key = key_of(key), .id = id, .with_parts = true, .after = after};
    fix.waiting++;
    fix.journal->ops->upload_read(fix.journal, r);
    await_all();
    return r->request.result;
}

static enum err step(struct journal_upload_step *s, const char *key, struct stamp id)
{
    s->request.done = on_done;
    s->key = key_of(key);
    s->id = id;
    fix.waiting++;
    fix.journal->ops->upload_step(fix.journal, s);
    await_all();
    return s->request.result;
}

static enum err go(const char *key, struct stamp id, uint32_t from, enum upload_state to)
{
    struct journal_upload_step s = {.from = from, .to = (uint8_t)to};

    return step(&s, key, id);
}

static struct journal_part_write part_of(uint32_t number, uint64_t attempt, uint32_t slots, const char *etag)
{
    struct journal_part_write w = {
        .change = PART_PUT,
        .part = {.number = number, .bytes = 5000 + number, .unix_ms = 77, .attempt = attempt}};

    w.part.checksum_bytes = 4;
    memcpy(w.part.checksum, "\0\1\2\3", 4);
    if (slots)
        assert_true(part_add(&w.part, slots, etag));
    return w;
}

static enum err write_part(struct journal_part_write *w, const char *key, struct stamp id)
{
    w->request.done = on_done;
    w->key = key_of(key);
    w->id = id;
    fix.waiting++;
    fix.journal->ops->part_write(fix.journal, w);
    await_all();
    return w->request.result;
}

static void put_part(const char *key, struct stamp id, uint32_t number)
{
    struct journal_part_write w = part_of(number, 1, 5, "\"x\"");

    assert_int_equal(write_part(&w, key, id), ERR_OK);
}

static struct part only_part(const char *key, struct stamp id)
{
    struct journal_upload_read r;
    struct part p;

    assert_int_equal(read_upload(&r, key, id, 0), ERR_OK);
    assert_int_equal(r.count, 1);
    p = r.parts[0];
    journal_upload_read_fini(&r);
    return p;
}

static void scan(struct journal_upload_scan *s, const char *after, struct stamp after_id, uint32_t states)
{
    *s = (struct journal_upload_scan){
        .request.done = on_done, .after = key_of(after), .after_id = after_id, .states = states};
    fix.waiting++;
    fix.journal->ops->upload_scan(fix.journal, s);
    await_all();
    assert_int_equal(s->request.result, ERR_OK);
}

static void an_upload_and_its_parts_outlive_the_process(void **state)
{
    struct stamp id = some_upload("k");
    struct journal_part_write w = part_of(7, 3, 1, "\"one\"");
    struct journal_upload_read r;

    assert_true(part_add(&w.part, 4, "\"other kind\""));
    w.drop = 2;
    assert_int_equal(write_part(&w, "k", id), ERR_OK);
    reopen_store();
    assert_int_equal(read_upload(&r, "k", id, 0), ERR_OK);
    assert_true(stamp_eq(&r.upload->id, &id));
    assert_true(span_is(r.upload->key.key, "k"));
    assert_int_equal(r.upload->state, UPLOAD_OPEN);
    assert_int_equal(r.upload->checksum, 3);
    assert_true(r.upload->full_object);
    assert_int_equal(r.upload->created_unix_ms, fake_unix_ms);
    assert_int_equal(r.upload->dropped, 6);
    assert_int_equal(upload_slots(r.upload), 5);
    assert_true(span_is(r.upload->ids[0], "id on a"));
    assert_true(span_is(r.upload->ids[2], "id on c"));
    assert_int_equal(r.count, 1);
    assert_int_equal(r.parts[0].number, 7);
    assert_int_equal(r.parts[0].bytes, 5007);
    assert_int_equal(r.parts[0].unix_ms, 77);
    assert_int_equal(r.parts[0].checksum_bytes, 4);
    assert_memory_equal(r.parts[0].checksum, "\0\1\2\3", 4);
    assert_int_equal(part_stored(&r.parts[0]), 5);
    assert_string_equal(part_etag(&r.parts[0], 0), "\"one\"");
    assert_null(part_etag(&r.parts[0], 1));
    assert_string_equal(part_etag(&r.parts[0], 2), "\"other kind\"");
    journal_upload_read_fini(&r);
}

static void what_is_not_there_is_not_found(void **state)
{
    struct stamp id = some_upload("k");
    struct journal_part_write w = part_of(1, 1, 1, "\"x\"");
    struct journal_upload_add nowhere = {.request.done = on_done, .upload = {.key = {999, SPAN("k")}}};
    struct journal_upload_read r;

    assert_int_equal(read_upload(&r, "k", new_id(), 0), ERR_NOT_FOUND);
    assert_int_equal(read_upload(&r, "another", id, 0), ERR_NOT_FOUND);
    assert_int_equal(go("k", new_id(), ~0u, UPLOAD_DONE), ERR_NOT_FOUND);
    assert_int_equal(write_part(&w, "k", new_id()), ERR_NOT_FOUND);
    assert_int_equal(add_upload("k", id), ERR_EXISTS);
    fix.waiting++;
    fix.journal->ops->upload_add(fix.journal, &nowhere);
    await_all();
    assert_int_equal(nowhere.request.result, ERR_NOT_FOUND);
}

static void a_step_is_taken_only_from_the_states_it_names(void **state)
{
    static const enum upload_state all[] = {UPLOAD_OPEN, UPLOAD_COMPLETING, UPLOAD_DONE, UPLOAD_ABORTED};

    for (size_t is = 0; is < 4; is++)
        for (size_t from = 0; from < 4; from++) {
            struct stamp id = some_upload("k");
            struct journal_upload_step s = {.from = UPLOAD_IN(all[from]), .to = UPLOAD_ABORTED};

            assert_int_equal(go("k", id, UPLOAD_IN(UPLOAD_OPEN), all[is]), ERR_OK);
            assert_int_equal(step(&s, "k", id), is == from ? ERR_OK : ERR_EXISTS);
            assert_int_equal(s.state, all[is]);
        }
}

static void of_two_that_complete_at_once_one_is_told_so(void **state)
{
    struct stamp id = some_upload("k");
    struct journal_upload_step s[2];

    for (int i = 0; i < 2; i++) {
        s[i] = (struct journal_upload_step){.request.done = on_done,
                                            .key = key_of("k"),
                                            .id = id,
                                            .from = UPLOAD_IN(UPLOAD_OPEN),
                                            .to = UPLOAD_COMPLETING};
        fix.waiting++;
        fix.journal->ops->upload_step(fix.journal, &s[i]);
    }
    await_all();
    assert_int_equal(s[0].request.result, ERR_OK);
    assert_false(s[0].tried);
    assert_int_equal(s[1].request.result, ERR_EXISTS);
    assert_int_equal(s[1].state, UPLOAD_COMPLETING);
}

static void a_restart_ends_a_complete_and_remembers_that_it_was_tried(void **state)
{
    struct stamp id = some_upload("k");
    struct journal_upload_step s = {.from = UPLOAD_IN(UPLOAD_OPEN), .to = UPLOAD_COMPLETING};

    put_part("k", id, 1);
    assert_int_equal(step(&s, "k", id), ERR_OK);
    reopen_store();
    assert_int_equal(step(&s, "k", id), ERR_OK);
    assert_int_equal(s.state, UPLOAD_OPEN);
    assert_true(s.tried);
    assert_int_equal(only_part("k", id).number, 1);
}

/* Nobody can go on with what a gateway made of one body: the rest of the body is gone with it. */
static void a_restart_aborts_a_gateways_own_uploads_and_no_others(void **state)
{
    static const struct {
        bool own;
        enum upload_state was, is;
        size_t parts;
    } cases[] = {
        {true, UPLOAD_OPEN, UPLOAD_ABORTED, 0},     {true, UPLOAD_COMPLETING, UPLOAD_ABORTED, 0},
        {true, UPLOAD_DONE, UPLOAD_DONE, 0},        {true, UPLOAD_ABORTED, UPLOAD_ABORTED, 0},
        {false, UPLOAD_OPEN, UPLOAD_OPEN, 1},       {false, UPLOAD_COMPLETING, UPLOAD_OPEN, 1},
        {false, UPLOAD_ABORTED, UPLOAD_ABORTED, 0},
    };
    enum { COUNT = sizeof(cases) / sizeof(cases[0]) };
    struct stamp ids[COUNT];
    struct journal_upload_read r;

    for (size_t i = 0; i < COUNT; i++) {
        ids[i] = new_id();
        assert_int_equal(add_upload_of("k", ids[i], cases[i].own), ERR_OK);
        put_part("k", ids[i], 1);
        assert_int_equal(go("k", ids[i], UPLOAD_IN(UPLOAD_OPEN), cases[i].was), ERR_OK);
    }
    reopen_store();
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(read_upload(&r, "k", ids[i], 0), ERR_OK);
        assert_int_equal(r.upload->own, cases[i].own);
        assert_int_equal(r.upload->state, cases[i].is);
        assert_int_equal(r.count, cases[i].parts);
        assert_int_equal(upload_slots(r.upload), 5); /* what the janitor needs */
        journal_upload_read_fini(&r);
    }
}

static void the_end_of_an_upload_takes_its_parts_and_keeps_its_result(void **state)
{
    struct stamp id = some_upload("k");
    struct journal_upload_step s = {
        .from = UPLOAD_IN(UPLOAD_OPEN), .to = UPLOAD_DONE, .gone = 1, .result = SPAN("<ETag/>")};
    struct journal_part_write w = part_of(2, 1, 1, "\"x\"");
    struct journal_upload_read r;

    put_part("k", id, 1);
    assert_int_equal(step(&s, "k", id), ERR_OK);
    pass_ms(1000);
    assert_int_equal(go("k", id, UPLOAD_IN(UPLOAD_DONE), UPLOAD_DONE), ERR_OK);
    reopen_store();
    assert_int_equal(read_upload(&r, "k", id, 0), ERR_OK);
    assert_int_equal(r.count, 0);
    assert_int_equal(upload_slots(r.upload), 4);
    assert_true(span_is(r.upload->result, "<ETag/>"));
    assert_int_equal(r.upload->changed_unix_ms, fake_unix_ms - 1000);
    journal_upload_read_fini(&r);
    assert_int_equal(write_part(&w, "k", id), ERR_NOT_FOUND);
    assert_int_equal(go("k", id, UPLOAD_IN(UPLOAD_DONE), UPLOAD_GONE), ERR_OK);
    assert_int_equal(read_upload(&r, "k", id, 0), ERR_NOT_FOUND);
}

static void a_part_that_comes_again_takes_the_place_of_the_first(void **state)
{
    struct stamp id = some_upload("k");
    struct journal_part_write first = part_of(1, 1, 1, "\"first\""), again = part_of(1, 2, 5, "\"again\"");
    struct journal_part_write late = part_of(1, 1, 2, "\"first\"");

    assert_int_equal(write_part(&first, "k", id), ERR_OK);
    assert_int_equal(write_part(&again, "k", id), ERR_OK);
    late.change = PART_MORE;
    assert_int_equal(write_part(&late, "k", id), ERR_OK);
    assert_int_equal(part_stored(&(struct part[]){only_part("k", id)}[0]), 5);
}

static void replicas_that_finish_later_are_added_to_their_own_attempt(void **state)
{
    struct stamp id = some_upload("k");
    struct journal_part_write first = part_of(1, 9, 1, "\"x\""), late = part_of(1, 9, 4, "\"x\"");
    struct part p;

    assert_int_equal(write_part(&first, "k", id), ERR_OK);
    late.change = PART_MORE;
    assert_int_equal(write_part(&late, "k", id), ERR_OK);
    p = only_part("k", id);
    assert_int_equal(part_stored(&p), 5);
    assert_int_equal(p.etag_count, 1);
}

static void a_part_of_which_nothing_is_known_any_more_is_none(void **state)
{
    struct stamp id = some_upload("k");
    struct journal_part_write w = part_of(1, 2, 0, "");
    struct journal_upload_read r;

    put_part("k", id, 1);
    w.change = PART_VOID;
    assert_int_equal(write_part(&w, "k", id), ERR_OK);
    assert_int_equal(read_upload(&r, "k", id, 0), ERR_OK);
    assert_int_equal(r.count, 0);
    journal_upload_read_fini(&r);
}

static void parts_come_in_pages_by_number(void **state)
{
    enum { PARTS = JOURNAL_PAGE_PARTS + 10 };
    struct stamp id = some_upload("k"), other = some_upload("k");
    struct journal_upload_read r;

    for (uint32_t n = PARTS; n >= 1; n--)
        put_part("k", id, n);
    put_part("k", other, 5);
    assert_int_equal(read_upload(&r, "k", id, 0), ERR_OK);
    assert_int_equal(r.count, JOURNAL_PAGE_PARTS);
    for (uint32_t i = 0; i < r.count; i++)
        assert_int_equal(r.parts[i].number, i + 1);
    journal_upload_read_fini(&r);
    assert_int_equal(read_upload(&r, "k", id, JOURNAL_PAGE_PARTS), ERR_OK);
    assert_int_equal(r.count, 10);
    assert_int_equal(r.parts[9].number, PARTS);
    journal_upload_read_fini(&r);
}

static void uploads_are_listed_by_key_and_then_by_age(void **state)
{
    struct stamp b1 = some_upload("b"), a = some_upload("a"), b2 = some_upload("b"), c = some_upload("c");
    struct journal_upload_scan s;

    assert_int_equal(go("c", c, ~0u, UPLOAD_DONE), ERR_OK);
    scan(&s, "", (struct stamp){{0}}, UPLOAD_IN(UPLOAD_OPEN));
    assert_int_equal(s.count, 3);
    assert_true(stamp_eq(&s.uploads[0]->id, &a));
    assert_true(stamp_eq(&s.uploads[1]->id, &b1));
    assert_true(stamp_eq(&s.uploads[2]->id, &b2));
    assert_int_equal(upload_slots(s.uploads[2]), 5);
    journal_upload_scan_fini(&s);
    scan(&s, "b", b1, ~0u);
    assert_int_equal(s.count, 2);
    assert_true(stamp_eq(&s.uploads[0]->id, &b2));
    assert_int_equal(s.uploads[1]->state, UPLOAD_DONE);
    journal_upload_scan_fini(&s);
}

static void a_scan_stays_in_its_bucket_unless_it_is_whole(void **state)
{
    struct journal_upload_scan s;
    struct journal_bucket_write w;
    uint32_t first = fix.bucket;

    some_upload("k");
    make_bucket("other", &w);
    assert_int_equal(write_bucket(&w), ERR_OK);
    fix.bucket = w.bucket.id;
    some_upload("k");
    fix.bucket = first;
    scan(&s, "", (struct stamp){{0}}, ~0u);
    assert_int_equal(s.count, 1);
    journal_upload_scan_fini(&s);
    s = (struct journal_upload_scan){.request.done = on_done, .whole = true, .states = ~0u};
    fix.waiting++;
    fix.journal->ops->upload_scan(fix.journal, &s);
    await_all();
    assert_int_equal(s.count, 2);
    journal_upload_scan_fini(&s);
}

static void uploads_go_with_their_bucket(void **state)
{
    struct stamp id = some_upload("k");
    struct journal_upload_read r;
    struct journal_bucket_write w;

    put_part("k", id, 1);
    make_bucket("media", &w);
    w.remove = true;
    assert_int_equal(write_bucket(&w), ERR_OK);
    assert_int_equal(read_upload(&r, "k", id, 0), ERR_NOT_FOUND);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* ---- manifests ---- */

static struct stamp completed(const char *key, const char *manifest, uint64_t version)
{
    struct stamp id = some_upload(key);
    struct journal_upload_step s = {.from = UPLOAD_IN(UPLOAD_OPEN),
                                    .to = UPLOAD_DONE,
                                    .result = SPAN("r"),
                                    .manifest = span_of(manifest),
                                    .version = version};

    assert_int_equal(step(&s, key, id), ERR_OK);
    return id;
}

static enum err read_manifest(struct journal_manifest_read *r, const char *key)
{
    *r = (struct journal_manifest_read){.request.done = on_done, .key = key_of(key)};
    fix.waiting++;
    fix.journal->ops->manifest_read(fix.journal, r);
    await_all();
    return r->request.result;
}

static void shows_manifest(const char *key, struct stamp id, const char *manifest)
{
    struct journal_manifest_read r;

    assert_int_equal(read_manifest(&r, key), ERR_OK);
    assert_true(stamp_eq(&r.id, &id));
    assert_true(span_is(r.manifest, manifest));
    assert_true(fix.journal->ops->maybe(fix.journal, key_of(key), JOURNAL_ANY_MANIFEST, NULL));
    journal_manifest_read_fini(&r);
}

static void shows_none(const char *key)
{
    struct journal_manifest_read r;

    assert_int_equal(read_manifest(&r, key), ERR_NOT_FOUND);
    journal_manifest_read_fini(&r);
    assert_false(fix.journal->ops->maybe(fix.journal, key_of(key), JOURNAL_ANY_MANIFEST, NULL));
}

/* A durable step behind it: by then what could wait has been taken along. */
static void drop(const char *key, uint64_t before, struct stamp keeps)
{
    fix.journal->ops->manifest_drop(fix.journal, key_of(key), before, &keeps);
    (void)some_upload("drop");
}

static void a_manifest_outlives_the_process_and_its_upload(void **state)
{
    struct stamp id = completed("k", "how it was cut", 7);

    shows_none("other");
    assert_int_equal(go("k", id, UPLOAD_IN(UPLOAD_DONE), UPLOAD_GONE), ERR_OK);
    shows_manifest("k", id, "how it was cut");
    reopen_store();
    shows_manifest("k", id, "how it was cut");
}

static void the_newest_manifest_is_read_and_those_before_are_dropped(void **state)
{
    struct stamp old = completed("k", "old", 7), last = completed("k", "last", 9);
    struct stamp late = completed("k", "late", 8);

    shows_manifest("k", last, "last");
    drop("k", 7, last);
    drop("k", 9, late); /* takes the one of 7 */
    shows_manifest("k", last, "last");
    drop("k", 10, late); /* takes the one of 9 */
    shows_manifest("k", late, "late");
    drop("k", 10, old);
    shows_none("k");
}

static void a_step_that_is_not_taken_leaves_no_manifest(void **state)
{
    struct stamp id = some_upload("k");
    struct journal_upload_step s = {
        .from = UPLOAD_IN(UPLOAD_COMPLETING), .to = UPLOAD_DONE, .manifest = SPAN("m"), .version = 1};

    assert_int_equal(step(&s, "k", id), ERR_EXISTS);
    shows_none("k");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_upload_and_its_parts_outlive_the_process),
        CASE(what_is_not_there_is_not_found),
        CASE(a_step_is_taken_only_from_the_states_it_names),
        CASE(of_two_that_complete_at_once_one_is_told_so),
        CASE(a_restart_ends_a_complete_and_remembers_that_it_was_tried),
        CASE(a_restart_aborts_a_gateways_own_uploads_and_no_others),
        CASE(the_end_of_an_upload_takes_its_parts_and_keeps_its_result),
        CASE(a_part_that_comes_again_takes_the_place_of_the_first),
        CASE(replicas_that_finish_later_are_added_to_their_own_attempt),
        CASE(a_part_of_which_nothing_is_known_any_more_is_none),
        CASE(parts_come_in_pages_by_number),
        CASE(uploads_are_listed_by_key_and_then_by_age),
        CASE(a_scan_stays_in_its_bucket_unless_it_is_whole),
        CASE(uploads_go_with_their_bucket),
        CASE(a_manifest_outlives_the_process_and_its_upload),
        CASE(the_newest_manifest_is_read_and_those_before_are_dropped),
        CASE(a_step_that_is_not_taken_leaves_no_manifest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
