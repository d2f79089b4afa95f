/* Writes of one key beside each other when some are conditional: who holds it, since when, and that each hold ends. Each write
 * has a journal and replicas of its own here; what they share is the table of held keys. */
#include "write_stage.h"

enum { WRITERS = 8 };

struct crowd {
    struct keyhold table;
    struct keyhold_port ports[WRITERS];
    struct owner o[WRITERS];
};

static void on_wake(struct keyhold_port *p)
{
}

static void crowd_init(struct crowd *c)
{
    keyhold_init(&c->table);
    for (int i = 0; i < WRITERS; i++) {
        owner_init(&c->o[i]);
        keyhold_port_init(&c->ports[i], &c->table, on_wake);
        c->o[i].s.env.holds = &c->ports[i];
    }
}

static void deliver(struct crowd *c)
{
    for (int i = 0; i < WRITERS; i++) {
        keyhold_deliver(&c->ports[i]);
        turn(&c->o[i].s);
    }
}

static void crowd_fini(struct crowd *c)
{
    deliver(c);
    for (int i = 0; i < WRITERS; i++) {
        owner_fini(&c->o[i]);
        keyhold_port_fini(&c->ports[i]);
    }
    keyhold_fini(&c->table);
}

/* Begun, its body complete and good. */
static void prepare(struct owner *o, bool conditional)
{
    open_put(o, SMALL, 1, true);
    assert_int_equal(feed(o, 0, SMALL), SMALL);
    begun_alone(&o->s);
    o->inside = true;
    if (conditional)
        write_hold(o->w);
    else
        write_verified(o->w);
    o->inside = false;
}

static void store_everywhere(struct owner *o)
{
    for (unsigned i = 0; i < REPLICAS; i++)
        stored(&o->s, i);
    assert_int_equal(o->v.result, ERR_OK);
}

static void a_conditional_write_waits_for_those_past_their_barrier_and_keeps_later_ones_back(void **state)
{
    static struct crowd c;

    crowd_init(&c);
    prepare(&c.o[0], false);
    assert_int_equal(opened(&c.o[0].s), ALL);
    prepare(&c.o[1], true);
    prepare(&c.o[2], false);
    deliver(&c);
    assert_int_equal(c.o[1].helds, 0);
    assert_int_equal(opened(&c.o[2].s), 0);
    store_everywhere(&c.o[0]);
    deliver(&c);
    assert_int_equal(c.o[1].helds, 1);
    assert_int_equal(opened(&c.o[1].s), 0); /* not before it is judged */
    assert_int_equal(opened(&c.o[2].s), 0);
    verify(&c.o[1]);
    assert_int_equal(opened(&c.o[1].s), ALL);
    store_everywhere(&c.o[1]);
    deliver(&c);
    assert_int_equal(opened(&c.o[2].s), ALL);
    store_everywhere(&c.o[2]);
    crowd_fini(&c);
}

static void of_many_creators_one_finds_nothing_though_no_replica_looks_at_conditions(void **state)
{
    static struct crowd c;
    bool exists = false;
    unsigned winners = 0;

    crowd_init(&c);
    for (int i = 0; i < WRITERS; i++)
        prepare(&c.o[i], true);
    for (int i = 0; i < WRITERS; i++) {
        deliver(&c);
        for (int k = 0; k < WRITERS; k++)
            assert_int_equal(c.o[k].helds, k <= i); /* one at a time, in order */
        if (exists) {
            leave(&c.o[i]);
            continue;
        }
        verify(&c.o[i]);
        deliver(&c);
        assert_int_equal(c.o[i + 1].helds, 0); /* its copies are on their way: nobody looks now */
        store_everywhere(&c.o[i]);
        exists = true;
        winners++;
    }
    assert_int_equal(winners, 1);
    crowd_fini(&c);
}

static void every_way_to_end_lets_the_next_one_in(void **state)
{
    enum { LEAVES_WAITING, LEAVES_HOLDING, LEAVES_PAST, FAILS, WAYS };

    for (int way = 0; way < WAYS; way++) {
        static struct crowd c;

        crowd_init(&c);
        prepare(&c.o[0], true);
        deliver(&c);
        prepare(&c.o[1], true);
        prepare(&c.o[2], false);
        if (way == LEAVES_WAITING)
            leave(&c.o[1]);
        if (way == LEAVES_HOLDING)
            leave(&c.o[0]);
        else
            verify(&c.o[0]);
        if (way == LEAVES_PAST)
            leave(&c.o[0]);
        if (way == FAILS) {
            for (unsigned i = 0; i < REPLICAS; i++)
                refused(&c.o[0].s, i);
            assert_int_equal(c.o[0].v.result, ERR_UNAVAILABLE);
        } else if (way != LEAVES_HOLDING) {
            for (unsigned i = 0; i < REPLICAS; i++)
                stored(&c.o[0].s, i);
        }
        deliver(&c);
        assert_int_equal(c.o[1].helds, way != LEAVES_WAITING);
        if (way != LEAVES_WAITING) {
            assert_int_equal(opened(&c.o[2].s), 0);
            leave(&c.o[1]);
        }
        deliver(&c);
        assert_int_equal(opened(&c.o[2].s), ALL);
        store_everywhere(&c.o[2]);
        crowd_fini(&c);
    }
}

static void a_write_that_can_no_longer_be_met_is_not_told_that_it_holds(void **state)
{
    static struct crowd c;
    struct write_spec spec;

    crowd_init(&c);
    prepare(&c.o[0], true);
    deliver(&c);
    spec = put_spec(&c.o[1], LARGE, 3, true);
    open_spec(&c.o[1], &spec);
    assert_int_equal(feed(&c.o[1], 0, CHUNK_BYTES), CHUNK_BYTES);
    begun_alone(&c.o[1].s);
    answer(&c.o[1].s, 0, &(struct replica_answer){.result = REPLICA_MISSED, .status = 403});
    assert_int_equal(c.o[1].v.result, ERR_UNAVAILABLE);
    leave(&c.o[0]);
    deliver(&c);
    assert_int_equal(c.o[1].helds, 0);
    crowd_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_conditional_write_waits_for_those_past_their_barrier_and_keeps_later_ones_back),
        cmocka_unit_test(of_many_creators_one_finds_nothing_though_no_replica_looks_at_conditions),
        cmocka_unit_test(every_way_to_end_lets_the_next_one_in),
        cmocka_unit_test(a_write_that_can_no_longer_be_met_is_not_told_that_it_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
