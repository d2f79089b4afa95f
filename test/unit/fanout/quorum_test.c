/* The ack policy, for every need, both kinds of waiting and every tally of up to four replicas. */
#include "fanout/quorum.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { REPLICAS = 4, OUTCOMES = 4 }; /* stored, missed, unresolved, pending */

struct case_of {
    struct ack_policy policy;
    struct tally tally;
    uint32_t stored, pending; /* counts */
};

/* The n-th tally of so many replicas, one digit of base OUTCOMES each. Slots need not be dense: they start at 2. */
static struct case_of make_case(uint32_t replicas, uint32_t n, uint32_t need, bool wait_all)
{
    struct case_of c = {.policy = {.need = need, .wait_all = wait_all}};

    for (uint32_t i = 0; i < replicas; i++, n /= OUTCOMES) {
        uint32_t bit = 4u << (i + i / 2);

        c.tally.all |= bit;
        c.tally.stored |= n % OUTCOMES == 0 ? bit : 0;
        c.tally.missed |= n % OUTCOMES == 1 ? bit : 0;
        c.tally.unresolved |= n % OUTCOMES == 2 ? bit : 0;
        c.stored += n % OUTCOMES == 0;
        c.pending += n % OUTCOMES == 3;
    }
    return c;
}

static uint32_t power(uint32_t base, uint32_t n)
{
    return n ? base * power(base, n - 1) : 1;
}

#define FOR_EVERY_CASE(c, replicas, check)                                                                   \
    for (uint32_t replicas = 1; replicas <= REPLICAS; replicas++)                                            \
        for (uint32_t n_ = 0; n_ < power(OUTCOMES, replicas); n_++)                                          \
            for (uint32_t need_ = 1; need_ <= replicas; need_++)                                             \
                for (uint32_t wait_ = 0; wait_ < 2; wait_++) {                                               \
                    struct case_of c = make_case(replicas, n_, need_, wait_);                                \
                    check                                                                                    \
                }

static void what_can_no_longer_be_met_fails_at_once(void **state)
{
    FOR_EVERY_CASE(c, replicas, {
        bool hopeless = c.stored + c.pending < c.policy.need;

        assert_int_equal(quorum_decide(&c.policy, &c.tally) == QUORUM_FAILED, hopeless);
    })
}

static void success_is_never_said_with_fewer_than_need_stored(void **state)
{
    FOR_EVERY_CASE(c, replicas, {
        if (quorum_decide(&c.policy, &c.tally) == QUORUM_MET)
            assert_true(c.stored >= c.policy.need);
    })
}

static void waiting_for_all_holds_a_success_while_a_replica_is_pending(void **state)
{
    FOR_EVERY_CASE(c, replicas, {
        if (c.policy.wait_all && c.pending)
            assert_int_not_equal(quorum_decide(&c.policy, &c.tally), QUORUM_MET);
    })
}

static void waiting_for_need_answers_as_soon_as_need_have_stored(void **state)
{
    FOR_EVERY_CASE(c, replicas, {
        if (!c.policy.wait_all && c.stored >= c.policy.need)
            assert_int_equal(quorum_decide(&c.policy, &c.tally), QUORUM_MET);
    })
}

static void without_pending_replicas_there_is_always_a_decision(void **state)
{
    FOR_EVERY_CASE(c, replicas, {
        if (!c.pending)
            assert_int_equal(quorum_decide(&c.policy, &c.tally),
                             c.stored >= c.policy.need ? QUORUM_MET : QUORUM_FAILED);
    })
}

static void unresolved_counts_neither_as_stored_nor_as_pending(void **state)
{
    FOR_EVERY_CASE(c, replicas, {
        struct tally as_missed = c.tally;

        as_missed.missed |= as_missed.unresolved;
        as_missed.unresolved = 0;
        assert_int_equal(quorum_decide(&c.policy, &c.tally), quorum_decide(&c.policy, &as_missed));
        assert_int_equal(tally_pending(&c.tally), tally_pending(&as_missed));
    })
}

static void pending_is_what_has_no_outcome_yet(void **state)
{
    FOR_EVERY_CASE(c, replicas, {
        assert_int_equal(__builtin_popcount(tally_pending(&c.tally)), c.pending);
        assert_int_equal(tally_pending(&c.tally) & ~c.tally.all, 0);
    })
}

/* For every subset of slots: giving its pending ones up must leave need reachable, else it is not spared. */
static void slots_are_spared_exactly_when_need_can_be_met_without_them(void **state)
{
    FOR_EVERY_CASE(c, replicas, {
        for (uint32_t slots = c.tally.all;; slots = (slots - 1) & c.tally.all) {
            uint32_t left = 0;

            for (uint32_t bit = 1; bit <= c.tally.all; bit <<= 1)
                left += bit & c.tally.all && !(bit & slots) && !(bit & (c.tally.missed | c.tally.unresolved));
            assert_int_equal(quorum_spares(&c.policy, &c.tally, slots), left >= c.policy.need);
            if (!slots)
                break;
        }
    })
}

/* The rows a person would ask about. */
static void the_tallies_a_person_would_ask_about_are_decided_as_expected(void **state)
{
    static const struct {
        const char *why;
        uint32_t need;
        bool wait_all;
        struct tally t;
        enum quorum expected;
    } rows[] = {
        {"nothing happened yet", 1, true, {.all = 7}, QUORUM_WAIT},
        {"one of three, all waited for", 1, true, {.all = 7, .stored = 1}, QUORUM_WAIT},
        {"one of three, need one", 1, false, {.all = 7, .stored = 1}, QUORUM_MET},
        {"two stored, one missed", 1, true, {.all = 7, .stored = 3, .missed = 4}, QUORUM_MET},
        {"all three stored", 3, true, {.all = 7, .stored = 7}, QUORUM_MET},
        {"need all, one missed", 3, true, {.all = 7, .stored = 1, .missed = 4}, QUORUM_FAILED},
        {"all missed", 1, false, {.all = 7, .missed = 7}, QUORUM_FAILED},
        {"one unresolved, others missed", 1, true, {.all = 7, .missed = 6, .unresolved = 1}, QUORUM_FAILED},
        {"quorum of three, one missed, one pending",
         2,
         false,
         {.all = 7, .stored = 1, .missed = 2},
         QUORUM_WAIT},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ack_policy p = {.need = rows[i].need, .wait_all = rows[i].wait_all};

        if (quorum_decide(&p, &rows[i].t) != rows[i].expected)
            fail_msg("%s", rows[i].why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_no_longer_be_met_fails_at_once),
        cmocka_unit_test(success_is_never_said_with_fewer_than_need_stored),
        cmocka_unit_test(waiting_for_all_holds_a_success_while_a_replica_is_pending),
        cmocka_unit_test(waiting_for_need_answers_as_soon_as_need_have_stored),
        cmocka_unit_test(without_pending_replicas_there_is_always_a_decision),
        cmocka_unit_test(unresolved_counts_neither_as_stored_nor_as_pending),
        cmocka_unit_test(pending_is_what_has_no_outcome_yet),
        cmocka_unit_test(slots_are_spared_exactly_when_need_can_be_met_without_them),
        cmocka_unit_test(the_tallies_a_person_would_ask_about_are_decided_as_expected),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
