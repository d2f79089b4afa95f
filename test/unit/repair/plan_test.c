/* The plan of a repair (docs/protocol.md, repair steps 1 to 3), row by row.
 *
 * A case is a key's rows and what each of three replicas shows, in letters: a content is 'x', 'y', 'z' (by the
 * number of the write that made it, so that a row and its content have one stamp), '-' nothing, '?' unreachable. */
#include "repair/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { AMBIGUITY_MS = 1000, REPLICAS = 3, A = 1, B = 2, C = 4, ALL = 7, NONE = REPLICAS_MAX };

struct row_spec {
    char content; /* whose write it is; 0: no row */
    uint64_t version;
    uint32_t stored;
    uint8_t kind, phase;
    bool orphan;
};

static struct stamp stamp_of(char content)
{
    struct stamp s = {{0}};

    s.b[7] = (uint8_t)content; /* in the order of the letters */
    return s;
}

static struct shown show(char content, bool stamped)
{
    struct shown s = {.known = content != '?'};

    if (content == '?' || content == '-')
        return s;
    s.object.exists = true;
    s.object.stamped = stamped;
    if (stamped)
        s.object.stamp = stamp_of(content);
    s.object.body_bytes = 10;
    snprintf(s.object.etag, sizeof(s.object.etag), "\"%032x\"", content);
    return s;
}

static void fill_view(struct key_view *v, const struct row_spec *rows, size_t most)
{
    key_view_init(v);
    for (size_t i = 0; i < most && rows[i].content; i++) {
        struct row r = {.stamp = stamp_of(rows[i].content),
                        .version = rows[i].version,
                        .stored = rows[i].stored,
                        .kind = rows[i].kind ? rows[i].kind : ROW_PUT,
                        .phase = rows[i].phase ? rows[i].phase : ROW_FINAL,
                        .orphan = rows[i].orphan,
                        .age_ms = AMBIGUITY_MS};

        key_view_add(v, &r);
    }
}

static const struct {
    const char *what;
    struct row_spec rows[3];
    const char *shown; /* A, B, C */
    enum plan_result result;
    uint32_t source;
    uint32_t targets, agree;
    bool winner_gone; /* it is "no object" */
} cases[] = {
    {"no rows", {{0}}, "xxx", PLAN_NOTHING, NONE, 0, 0, false},

    /* one put that somebody missed */
    {"a put that B missed", {{'x', 1, A | C}}, "x-x", PLAN_ACT, 0, B, A | C, false},
    {"a put that B and C missed", {{'x', 1, A}}, "x-w", PLAN_ACT, 0, B | C, A, false},
    {"B is away: nothing to gain", {{'x', 1, A | C}}, "x?x", PLAN_REST, 0, 0, A | C, false},
    {"B has it after all", {{'x', 1, A | C}}, "xxx", PLAN_ACT, 0, 0, ALL, false},
    {"B has it after all, C is away: the set grows", {{'x', 1, A}}, "xx?", PLAN_ACT, 0, 0, A | B, false},
    {"stored on all, to be verified", {{'x', 1, ALL}}, "xxx", PLAN_ACT, 0, 0, ALL, false},
    {"stored on all, yet B shows another", {{'x', 1, ALL}}, "xwx", PLAN_ACT, 0, B, A | C, false},

    /* the source is of the stored set, whoever else shows what */
    {"A is away, C is of the set", {{'x', 1, A | C}}, "?-x", PLAN_ACT, 2, B, C, false},
    {"the whole set is away", {{'x', 1, A}}, "?xx", PLAN_WAIT, NONE, 0, 0, false},
    {"everybody is away", {{'x', 1, A}}, "???", PLAN_WAIT, NONE, 0, 0, false},
    {"of the set, one that shows the stamp is preferred",
     {{'x', 1, A | C}},
     "y-x",
     PLAN_ACT,
     2,
     A | B,
     C,
     false},

    /* the winner is what the source shows, never the highest version somebody holds */
    {"a later content outside the set loses", {{'x', 1, A | B}}, "xxz", PLAN_ACT, 0, C, A | B, false},
    {"the source shows a later write: that wins", {{'x', 1, A}}, "z-x", PLAN_ACT, 0, B | C, A, false},
    {"the source shows an older write: that wins as well",
     {{'y', 2, A}},
     "x-y",
     PLAN_ACT,
     0,
     B | C,
     A,
     false},
    {"the source shows nothing: that wins", {{'x', 1, A}}, "-xx", PLAN_ACT, 0, B | C, A, true},
    {"a newer row that nobody stored does not choose",
     {{'x', 1, A}, {'z', 2, 0}},
     "x-z",
     PLAN_ACT,
     0,
     B | C,
     A,
     false},

    /* several rows merge into one plan */
    {"the newest stored set counts", {{'x', 1, A | B}, {'y', 2, C}}, "xxy", PLAN_ACT, 2, A | B, C, false},
    {"by version, not by the order of rows",
     {{'y', 2, C}, {'x', 1, A | B}},
     "xxy",
     PLAN_ACT,
     2,
     A | B,
     C,
     false},
    {"by version, not by stamp", {{'y', 1, A}, {'x', 2, C}}, "y-x", PLAN_ACT, 2, A | B, C, false},
    {"the older set is no substitute for the newest",
     {{'x', 1, A | B}, {'y', 2, C}},
     "xx?",
     PLAN_WAIT,
     NONE,
     0,
     0,
     false},
    {"two rows that all agree on", {{'x', 1, A | B}, {'y', 2, A | C}}, "yyy", PLAN_ACT, 0, 0, ALL, false},
    {"two rows, one away: they become one",
     {{'x', 1, A | B}, {'y', 2, A | B}},
     "yy?",
     PLAN_ACT,
     0,
     0,
     A | B,
     false},
    {"three writes of an outage cost one copy",
     {{'x', 1, A | B}, {'y', 2, A | B}, {'z', 3, A | B}},
     "zzw",
     PLAN_ACT,
     0,
     C,
     A | B,
     false},

    /* deletes */
    {"a delete that B missed", {{'x', 1, A | C, ROW_DELETE}}, "-w-", PLAN_ACT, 0, B, A | C, true},
    {"a delete, B is away", {{'x', 1, A | C, ROW_DELETE}}, "-?-", PLAN_REST, 0, 0, A | C, true},
    {"a delete that all have", {{'x', 1, A | C, ROW_DELETE}}, "---", PLAN_ACT, 0, 0, ALL, true},
    {"of a delete's set, one that shows nothing is preferred",
     {{'x', 1, A | C, ROW_DELETE}},
     "w--",
     PLAN_ACT,
     2,
     A,
     B | C,
     true},
    {"a put over a delete", {{'x', 1, A | B, ROW_DELETE}, {'y', 2, A}}, "y-w", PLAN_ACT, 0, B | C, A, false},
    {"a delete over a put", {{'x', 1, A | B}, {'y', 2, A, ROW_DELETE}}, "-xx", PLAN_ACT, 0, B | C, A, true},
    {"a delete that landed before a put: the put shows",
     {{'x', 1, A, ROW_DELETE}},
     "y--",
     PLAN_ACT,
     0,
     B | C,
     A,
     false},

    /* no row with a stored set: any replica is right, the newest stamp preferred */
    {"an orphan put that landed nowhere",
     {{'x', 1, 0, 0, ROW_OPEN, true}},
     "www",
     PLAN_ACT,
     0,
     0,
     ALL,
     false},
    {"an orphan put that landed on B", {{'x', 1, 0, 0, ROW_OPEN, true}}, "wxw", PLAN_ACT, 1, 0, B, false},
    {"an orphan put of a new key", {{'x', 1, 0, 0, ROW_OPEN, true}}, "--x", PLAN_ACT, 2, 0, C, false},
    {"an orphan put of a new key that landed nowhere",
     {{'x', 1, 0, 0, ROW_OPEN, true}},
     "---",
     PLAN_ACT,
     0,
     0,
     ALL,
     true},
    {"an orphan, only C can be asked", {{'x', 1, 0, 0, ROW_OPEN, true}}, "??w", PLAN_ACT, 2, 0, C, false},
    {"an orphan, nobody can be asked", {{'x', 1, 0, 0, ROW_OPEN, true}}, "???", PLAN_WAIT, NONE, 0, 0, false},
    {"an orphan beside a row with a stored set",
     {{'x', 1, B}, {'z', 2, 0, 0, ROW_OPEN, true}},
     "zxx",
     PLAN_ACT,
     1,
     A,
     B | C,
     false},
    {"a final row that nobody stored", {{'x', 1, 0}}, "w?w", PLAN_ACT, 0, 0, A | C, false},

    /* objects from before the gateway: capital letters have no stamp */
    {"unstamped objects that agree", {{'x', 1, 0}}, "WWW", PLAN_ACT, 0, 0, ALL, false},
    {"unstamped objects that differ", {{'x', 1, 0}}, "VWW", PLAN_ACT, 0, 0, A, false},
    {"a stamped one is preferred to one without", {{'x', 1, 0}}, "WxW", PLAN_ACT, 1, 0, B, false},
    {"a stamped copy is not the same as one without", {{'x', 1, A}}, "xWx", PLAN_ACT, 0, B, A | C, false},
    {"an unstamped source wins over stamped copies", {{'x', 1, A}}, "Wxx", PLAN_ACT, 0, B | C, A, false},
};
enum { CASES = sizeof(cases) / sizeof(cases[0]) };

static void show_all(struct shown shown[static REPLICAS_MAX], const char *letters)
{
    memset(shown, 0, REPLICAS_MAX * sizeof(*shown));
    for (int i = 0; i < REPLICAS; i++) {
        bool stamped = letters[i] >= 'a';

        shown[i] = show(letters[i], stamped);
    }
}

static void the_plan_of_each_case_is_as_written(void **state)
{
    for (size_t i = 0; i < CASES; i++) {
        struct shown shown[REPLICAS_MAX];
        struct key_view v;
        struct plan p;

        fill_view(&v, cases[i].rows, 3);
        show_all(shown, cases[i].shown);
        plan_make(&p, &v, ALL, shown);
        if (p.result != cases[i].result || p.source != cases[i].source || p.targets != cases[i].targets ||
            p.agree != cases[i].agree)
            fail_msg("%s: result %d source %u targets %x agree %x", cases[i].what, p.result, p.source,
                     p.targets, p.agree);
        if (p.source != NONE)
            assert_int_equal(p.winner_exists, !cases[i].winner_gone);
        key_view_fini(&v);
    }
}

/* What must hold of every plan, whatever the rows and the replicas say: all rows of up to two, all that is shown. */
static void no_plan_breaks_the_protocols_rules(void **state)
{
    static const char letters[] = "-?xyW";
    unsigned plans = 0;

    for (uint32_t first = 0; first < 16; first++)
        for (uint32_t second = 0; second < 16; second++)
            for (uint32_t n = 0; n < 125; n++) {
                struct row_spec rows[2] = {
                    {'x', 1, first & ALL, first & 8 ? ROW_DELETE : ROW_PUT, ROW_FINAL, false},
                    {'y', 2, second & ALL, second & 8 ? ROW_DELETE : ROW_PUT, ROW_FINAL, false}};
                char look[] = {letters[n % 5], letters[n / 5 % 5], letters[n / 25], 0};
                const bool known =
                    (first | second) & ALL; /* who stored it; else that is written down first */
                const uint32_t chosen = second & ALL ? second & ALL : first & ALL ? first & ALL : ALL;
                struct shown shown[REPLICAS_MAX];
                struct key_view v;
                struct plan p;

                fill_view(&v, rows, 2);
                show_all(shown, look);
                plan_make(&p, &v, ALL, shown);
                assert_int_equal(p.newest->version, 2);
                assert_int_equal(p.agree & p.targets, 0);
                if (p.result == PLAN_ACT) {
                    plans++;
                    assert_true(chosen & 1u << p.source);
                    assert_true(p.agree & 1u << p.source);
                    assert_int_equal(p.winner_exists, look[p.source] != '-');
                    for (uint32_t i = 0; i < REPLICAS; i++) {
                        bool reachable = look[i] != '?', same = look[i] == look[p.source];

                        assert_int_equal(p.agree >> i & 1, reachable && same);
                        assert_int_equal(p.targets >> i & 1, known && reachable && !same);
                    }
                } else { /* two rows always leave something to be merged: only the source can be missing */
                    assert_int_equal(p.result, PLAN_WAIT);
                    for (uint32_t i = 0; i < REPLICAS; i++)
                        assert_true(!(chosen & 1u << i) || look[i] == '?');
                }
                key_view_fini(&v);
            }
    assert_true(plans > 10000);
}

static void the_rows_to_merge_into_is_the_newest_not_the_one_that_chose(void **state)
{
    struct row_spec rows[] = {{'x', 1, A}, {'z', 3, 0}, {'y', 2, B}};
    struct shown shown[REPLICAS_MAX];
    struct key_view v;
    struct plan p;

    fill_view(&v, rows, 3);
    show_all(shown, "xyw");
    plan_make(&p, &v, ALL, shown);
    assert_int_equal(p.chosen->version, 2);
    assert_int_equal(p.newest->version, 3);
    assert_int_equal(p.source, 1);
    key_view_fini(&v);
}

/* Slots beyond the bucket's are neither asked nor changed, whatever a row or a stale answer says of them. */
static void a_retired_slot_is_neither_source_nor_target(void **state)
{
    static const struct {
        uint32_t stored, all;
        enum plan_result result;
        uint32_t source, targets;
    } rows[] = {
        {A | B, B | C, PLAN_ACT, 1, C}, /* A is retired: B is of the set */
        {B, B | C, PLAN_ACT, 1, C},
        {A, B | C, PLAN_ACT, 1, 0}, /* the whole set is retired: any replica is as right */
        {A | C, A | B, PLAN_ACT, 0, B},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct row_spec row[] = {{'x', 1, rows[i].stored}};
        struct shown shown[REPLICAS_MAX];
        struct key_view v;
        struct plan p;

        fill_view(&v, row, 1);
        show_all(shown, "xxx");
        shown[1] = show(rows[i].all & A ? 'w' : 'x', true);
        shown[2] = show(rows[i].all & C ? 'w' : 'x', true);
        plan_make(&p, &v, rows[i].all, shown);
        assert_int_equal(p.result, rows[i].result);
        assert_int_equal(p.source, rows[i].source);
        assert_int_equal(p.targets, rows[i].targets);
        assert_int_equal((p.agree | p.targets) & ~rows[i].all, 0);
        key_view_fini(&v);
    }
}

static void what_only_a_removed_replica_stored_is_stored_by_nobody(void **state)
{
    struct row_spec rows[] = {{'x', 1, B}, {'y', 2, A}};
    struct shown shown[REPLICAS_MAX];
    struct key_view v;
    struct plan p;

    fill_view(&v, rows, 2);
    show_all(shown, "yxz");
    plan_make(&p, &v, B | C, shown);
    assert_int_equal(p.chosen->version, 1);
    assert_int_equal(p.newest->version, 2);
    assert_int_equal(p.source, 1);
    assert_int_equal(p.targets, C);
    shown[1].known = false; /* then C is no substitute */
    plan_make(&p, &v, B | C, shown);
    assert_int_equal(p.result, PLAN_WAIT);
    key_view_fini(&v);
}

static void a_repair_begins_only_when_every_row_is_settled(void **state)
{
    static const struct {
        uint8_t phase;
        bool orphan, unresolved, old, may;
    } rows[] = {
        {ROW_FINAL, false, false, false, true}, {ROW_MERGED, false, false, false, true},
        {ROW_FINAL, false, true, true, true},   {ROW_FINAL, false, true, false, false},
        {ROW_OPEN, true, false, true, true},    {ROW_OPEN, true, false, false, false},
        {ROW_OPEN, false, false, true, false},  {ROW_OUTCOME, false, false, true, false},
        {ROW_OUTCOME, true, true, true, true},  {ROW_OUTCOME, true, true, false, false},
    };
    struct row settled = {.phase = ROW_FINAL, .kind = ROW_PUT, .stored = A};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (int others = 0; others < 2; others++) {
            struct row r = {.phase = rows[i].phase,
                            .kind = ROW_PUT,
                            .orphan = rows[i].orphan,
                            .unresolved = rows[i].unresolved ? B : 0,
                            .age_ms = rows[i].old ? AMBIGUITY_MS : AMBIGUITY_MS - 1};
            struct key_view v;

            key_view_init(&v);
            key_view_add(&v, &r);
            if (others)
                key_view_add(&v, &settled);
            assert_int_equal(plan_may_begin(&v, AMBIGUITY_MS), rows[i].may);
            key_view_fini(&v);
        }
}

static void a_key_without_rows_has_nothing_to_begin_with(void **state)
{
    struct key_view v;

    key_view_init(&v);
    assert_false(plan_may_begin(&v, AMBIGUITY_MS));
    key_view_fini(&v);
}

#define MD5_1 "\"900150983cd24fb0d6963f7d28e17f72\""
#define MD5_2 "\"d41d8cd98f00b204e9800998ecf8427e\""

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_plan_of_each_case_is_as_written),
        cmocka_unit_test(no_plan_breaks_the_protocols_rules),
        cmocka_unit_test(the_rows_to_merge_into_is_the_newest_not_the_one_that_chose),
        cmocka_unit_test(a_retired_slot_is_neither_source_nor_target),
        cmocka_unit_test(what_only_a_removed_replica_stored_is_stored_by_nobody),
        cmocka_unit_test(a_repair_begins_only_when_every_row_is_settled),
        cmocka_unit_test(a_key_without_rows_has_nothing_to_begin_with),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
