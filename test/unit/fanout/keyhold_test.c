/* Holds of keys: the order on one loop, and races between threads. */
#include "fanout/keyhold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { TICKETS = 6 };

struct one {
    struct keyhold table;
    struct keyhold_port port;
    unsigned wakes;
    struct waiter {
        struct keyhold_ticket ticket;
        unsigned granted;
    } w[TICKETS];
};

static void on_granted(struct keyhold_ticket *t)
{
    LIST_ENTRY(t, struct waiter, ticket)->granted++;
}

static void on_wake(struct keyhold_port *p)
{
    LIST_ENTRY(p, struct one, port)->wakes++;
}

static void one_init(struct one *o)
{
    memset(o, 0, sizeof(*o));
    keyhold_init(&o->table);
    keyhold_port_init(&o->port, &o->table, on_wake);
    for (int i = 0; i < TICKETS; i++)
        o->w[i].ticket.granted = on_granted;
}

static void one_fini(struct one *o)
{
    for (int i = 0; i < TICKETS; i++)
        keyhold_release(&o->w[i].ticket);
    keyhold_deliver(&o->port);
    keyhold_port_fini(&o->port);
    keyhold_fini(&o->table);
}

static enum err ask(struct one *o, int i, const char *key, bool alone)
{
    return keyhold_ask(&o->port, &o->w[i].ticket, 1, span_of(key), alone);
}

static void release(struct one *o, int i)
{
    keyhold_release(&o->w[i].ticket);
    keyhold_deliver(&o->port);
}

/* Bit i: ticket i holds its key. */
static unsigned held(const struct one *o)
{
    unsigned mask = 0;

    for (int i = 0; i < TICKETS; i++)
        mask |= o->w[i].ticket.held ? 1u << i : 0;
    return mask;
}

static void others_share_a_key_and_one_has_it_alone_in_the_order_of_asking(void **state)
{
    struct one o;

    one_init(&o);
    assert_int_equal(ask(&o, 0, "k", false), ERR_OK);
    assert_int_equal(ask(&o, 1, "k", false), ERR_OK);
    assert_int_equal(ask(&o, 2, "k", true), ERR_AGAIN);
    assert_int_equal(ask(&o, 3, "k", false), ERR_AGAIN); /* behind one that waits to be alone */
    assert_int_equal(ask(&o, 4, "k", false), ERR_AGAIN);
    assert_int_equal(ask(&o, 5, "k", true), ERR_AGAIN);
    assert_int_equal(held(&o), 3);
    release(&o, 0);
    assert_int_equal(held(&o), 2);
    release(&o, 1);
    assert_int_equal(held(&o), 4);
    assert_int_equal(o.w[2].granted, 1);
    release(&o, 2);
    assert_int_equal(held(&o), 8 | 16);
    release(&o, 4);
    assert_int_equal(held(&o), 8);
    release(&o, 3);
    assert_int_equal(held(&o), 32);
    one_fini(&o);
}

static void keys_and_buckets_do_not_mind_each_other(void **state)
{
    struct one o;

    one_init(&o);
    assert_int_equal(ask(&o, 0, "k", true), ERR_OK);
    assert_int_equal(ask(&o, 1, "l", true), ERR_OK);
    assert_int_equal(keyhold_ask(&o.port, &o.w[2].ticket, 2, SPAN("k"), true), ERR_OK);
    one_fini(&o);
}

static void whoever_stops_waiting_lets_the_next_through(void **state)
{
    struct one o;

    one_init(&o);
    assert_int_equal(ask(&o, 0, "k", false), ERR_OK);
    assert_int_equal(ask(&o, 1, "k", true), ERR_AGAIN);
    assert_int_equal(ask(&o, 2, "k", false), ERR_AGAIN);
    release(&o, 1);
    assert_int_equal(held(&o), 1 | 4);
    assert_int_equal(o.w[1].granted, 0);
    one_fini(&o);
}

static void a_grant_that_was_not_delivered_yet_is_taken_back_with_the_ticket(void **state)
{
    struct one o;

    one_init(&o);
    assert_int_equal(ask(&o, 0, "k", true), ERR_OK);
    assert_int_equal(ask(&o, 1, "k", true), ERR_AGAIN);
    assert_int_equal(ask(&o, 2, "k", true), ERR_AGAIN);
    keyhold_release(&o.w[0].ticket);
    assert_int_equal(held(&o), 2);
    keyhold_release(&o.w[1].ticket);
    assert_int_equal(o.wakes, 1); /* one wake-up for all */
    keyhold_deliver(&o.port);
    assert_int_equal(o.w[1].granted, 0);
    assert_int_equal(o.w[2].granted, 1);
    keyhold_release(&o.w[2].ticket);
    keyhold_release(&o.w[2].ticket); /* harmless */
    one_fini(&o);
}

/* ---- several loops ---- */

enum { LOOPS = 4, ROUNDS = 3000, KEYS = 2 };

struct crowd {
    struct keyhold table;
    atomic_int alone[KEYS], shared[KEYS];
    atomic_uint broken;
};

struct member {
    struct crowd *crowd;
    struct keyhold_port port;
    struct keyhold_ticket ticket;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool woken, granted;
};

static void on_member_granted(struct keyhold_ticket *t)
{
    LIST_ENTRY(t, struct member, ticket)->granted = true;
}

static void on_member_wake(struct keyhold_port *p)
{
    struct member *m = LIST_ENTRY(p, struct member, port);

    pthread_mutex_lock(&m->lock);
    m->woken = true;
    pthread_cond_signal(&m->cond);
    pthread_mutex_unlock(&m->lock);
}

static void wait_for_key(struct member *m)
{
    while (!m->granted) {
        pthread_mutex_lock(&m->lock);
        while (!m->woken)
            pthread_cond_wait(&m->cond, &m->lock);
        m->woken = false;
        pthread_mutex_unlock(&m->lock);
        keyhold_deliver(&m->port);
    }
}

static void *work(void *ctx)
{
    struct member *m = ctx;
    struct crowd *c = m->crowd;

    for (int i = 0; i < ROUNDS; i++) {
        bool alone = i % 3 == 0;
        int k = i % KEYS;

        m->granted = false;
        if (keyhold_ask(&m->port, &m->ticket, 1, k ? SPAN("a") : SPAN("b"), alone) == ERR_AGAIN) {
            if (i % 7 == 0) { /* it does not wait */
                keyhold_release(&m->ticket);
                continue;
            }
            wait_for_key(m);
        }
        if (alone)
            c->broken += atomic_fetch_add(&c->alone[k], 1) != 0 || c->shared[k] != 0;
        else
            c->broken += atomic_fetch_add(&c->shared[k], 1) < 0 || c->alone[k] != 0;
        if (alone)
            c->broken += atomic_fetch_sub(&c->alone[k], 1) != 1;
        else
            atomic_fetch_sub(&c->shared[k], 1);
        keyhold_release(&m->ticket);
    }
    return NULL;
}

static void between_loops_one_is_alone_and_nobody_is_forgotten(void **state)
{
    static struct crowd c;
    static struct member members[LOOPS];

    keyhold_init(&c.table);
    for (int i = 0; i < LOOPS; i++) {
        members[i] = (struct member){.crowd = &c, .ticket.granted = on_member_granted};
        pthread_mutex_init(&members[i].lock, NULL);
        pthread_cond_init(&members[i].cond, NULL);
        keyhold_port_init(&members[i].port, &c.table, on_member_wake);
    }
    for (int i = 0; i < LOOPS; i++)
        assert_int_equal(pthread_create(&members[i].thread, NULL, work, &members[i]), 0);
    for (int i = 0; i < LOOPS; i++)
        pthread_join(members[i].thread, NULL);
    assert_int_equal(c.broken, 0);
    for (int i = 0; i < LOOPS; i++)
        keyhold_port_fini(&members[i].port);
    keyhold_fini(&c.table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(others_share_a_key_and_one_has_it_alone_in_the_order_of_asking),
        cmocka_unit_test(keys_and_buckets_do_not_mind_each_other),
        cmocka_unit_test(whoever_stops_waiting_lets_the_next_through),
        cmocka_unit_test(a_grant_that_was_not_delivered_yet_is_taken_back_with_the_ticket),
        cmocka_unit_test(between_loops_one_is_alone_and_nobody_is_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
