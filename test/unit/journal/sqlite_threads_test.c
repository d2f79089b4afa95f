/* Two loops on two threads and a few keys that they share: what begin and read show, and what the filter denies, is held
 * against a plain list of what was answered. A row is entered there after its answer and struck out before its
 * removal is asked for, so whatever is in the list must be seen. */
#include "sqlite_fixture.h"

#include "base/random.h"

#include <pthread.h>

enum { LOOPS = 2, SLOTS = 8, KEYS = 12, TURNS = 1500, ALIVE_MAX = LOOPS * SLOTS };

static struct alive {
    bool used, stored;
    int key;
    struct stamp stamp;
} alive[ALIVE_MAX];
static pthread_mutex_t alive_lock = PTHREAD_MUTEX_INITIALIZER;

/* Names of keys; the last byte is the number. */
static const char names[KEYS][4] = {"k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9", "k10", "k11"};

struct seen {
    struct stamp stamps[ALIVE_MAX];
    size_t count;
};

struct player;

/* One row after another. */
struct slot {
    struct player *player;
    struct journal_begin begin;
    struct journal_write write;
    struct journal_read read;
    struct seen before; /* alive when the call was made */
    struct alive *entry;
    int key;
};

struct player {
    pthread_t thread;
    struct loop *loop;
    struct journal *journal;
    struct random random;
    struct slot slots[SLOTS];
    int turns, busy;
};

static void look(int key, struct seen *out)
{
    out->count = 0;
    for (int i = 0; i < ALIVE_MAX; i++)
        if (alive[i].used && alive[i].key == key)
            out->stamps[out->count++] = alive[i].stamp;
}

static bool is_alive(const struct stamp *stamp)
{
    for (int i = 0; i < ALIVE_MAX; i++)
        if (alive[i].used && stamp_eq(&alive[i].stamp, stamp))
            return true;
    return false;
}

/* What was there before the call and still is must be in the view. */
static void check_view_locked(const struct seen *before, const struct key_view *view, const struct stamp *own)
{
    for (size_t i = 0; i < before->count; i++)
        if (is_alive(&before->stamps[i]) && !(own && stamp_eq(own, &before->stamps[i])))
            assert_non_null(key_view_find(view, &before->stamps[i]));
}

static void check_filter_locked(const struct slot *s)
{
    struct journal *j = s->player->journal;
    bool others = false, stored = false;

    for (int i = 0; i < ALIVE_MAX; i++) {
        if (!alive[i].used || alive[i].key != s->key)
            continue;
        others = others || &alive[i] != s->entry;
        stored = stored || alive[i].stored;
    }
    if (others)
        assert_true(j->ops->maybe(j, s->begin.key, JOURNAL_ANY_OTHER_ROW, &s->begin.stamp));
    if (stored)
        assert_true(j->ops->maybe(j, s->begin.key, JOURNAL_ANY_STORED_ROW, NULL));
    assert_true(j->ops->maybe(j, s->begin.key, JOURNAL_ANY_OTHER_ROW, NULL));
}

static void enter_locked(struct slot *s)
{
    for (s->entry = alive; s->entry->used; s->entry++) {
    }
    *s->entry = (struct alive){.used = true, .key = s->key, .stamp = s->begin.stamp};
}

static void start(struct slot *s);

static void end_turn(struct slot *s)
{
    struct player *p = s->player;

    if (p->turns-- > 0)
        start(s);
    else if (--p->busy == 0)
        loop_stop(p->loop);
}

static void on_removed(struct journal_request *r, enum err result)
{
    assert_int_equal(result, ERR_OK);
    end_turn(LIST_ENTRY(LIST_ENTRY(r, struct journal_write, request), struct slot, write));
}

static void finish(struct slot *s)
{
    struct journal *j = s->player->journal;

    pthread_mutex_lock(&alive_lock);
    check_filter_locked(s);
    s->entry->used = false;
    pthread_mutex_unlock(&alive_lock);
    if (random_below(&s->player->random, 2)) {
        j->ops->forget(j, s->begin.key, &s->begin.stamp, 1);
        end_turn(s);
        return;
    }
    s->write = (struct journal_write){
        .request.done = on_removed, .key = s->begin.key, .remove = &s->begin.stamp, .remove_count = 1};
    j->ops->write(j, &s->write);
}

static void on_read(struct journal_request *r, enum err result)
{
    struct slot *s = LIST_ENTRY(LIST_ENTRY(r, struct journal_read, request), struct slot, read);

    assert_int_equal(result, ERR_OK);
    pthread_mutex_lock(&alive_lock);
    check_view_locked(&s->before, &s->read.view, NULL);
    pthread_mutex_unlock(&alive_lock);
    key_view_fini(&s->read.view);
    finish(s);
}

static void start_read(struct slot *s)
{
    struct journal *j = s->player->journal;

    s->read = (struct journal_read){.request.done = on_read, .key = s->begin.key};
    pthread_mutex_lock(&alive_lock);
    look(s->key, &s->before);
    pthread_mutex_unlock(&alive_lock);
    j->ops->read(j, &s->read);
}

static void on_final(struct journal_request *r, enum err result)
{
    struct slot *s = LIST_ENTRY(LIST_ENTRY(r, struct journal_write, request), struct slot, write);

    assert_int_equal(result, ERR_OK);
    pthread_mutex_lock(&alive_lock);
    s->entry->stored = true;
    check_filter_locked(s);
    pthread_mutex_unlock(&alive_lock);
    start_read(s);
}

static void on_begun(struct journal_request *r, enum err result)
{
    struct slot *s = LIST_ENTRY(LIST_ENTRY(r, struct journal_begin, request), struct slot, begin);
    struct journal *j = s->player->journal;

    assert_int_equal(result, ERR_OK);
    pthread_mutex_lock(&alive_lock);
    enter_locked(s);
    check_view_locked(&s->before, &s->begin.view, &s->begin.stamp);
    check_filter_locked(s);
    pthread_mutex_unlock(&alive_lock);
    key_view_fini(&s->begin.view);
    if (random_below(&s->player->random, 3)) {
        finish(s);
        return;
    }
    s->write = (struct journal_write){.request.done = on_final, .key = s->begin.key, .change = true};
    s->write.row = (struct row){.stamp = s->begin.stamp, .phase = ROW_FINAL, .stored = 1};
    j->ops->write(j, &s->write);
}

static void start(struct slot *s)
{
    struct journal *j = s->player->journal;

    s->key = (int)random_below(&s->player->random, KEYS);
    make_begin(&s->begin, key_of(names[s->key]));
    s->begin.request.done = on_begun;
    pthread_mutex_lock(&alive_lock);
    look(s->key, &s->before);
    pthread_mutex_unlock(&alive_lock);
    j->ops->begin(j, &s->begin);
}

static void *play(void *at)
{
    struct player *p = at;

    p->busy = SLOTS;
    for (int i = 0; i < SLOTS; i++)
        start(&p->slots[i]);
    loop_run(p->loop);
    return NULL;
}

static void loops_that_share_keys_miss_nothing(void **state)
{
    static struct player players[LOOPS];

    for (int i = 0; i < LOOPS; i++) {
        struct player *p = &players[i];

        *p = (struct player){.turns = TURNS};
        random_init(&p->random, (uint64_t)i + 1);
        assert_int_equal(loop_open(&p->loop), ERR_OK);
        assert_int_equal(sqlite_journal_open(&p->journal, fix.store, p->loop), ERR_OK);
        for (int k = 0; k < SLOTS; k++)
            p->slots[k].player = p;
    }
    for (int i = 0; i < LOOPS; i++)
        assert_int_equal(pthread_create(&players[i].thread, NULL, play, &players[i]), 0);
    for (int i = 0; i < LOOPS; i++) {
        pthread_join(players[i].thread, NULL);
        sqlite_journal_free(players[i].journal);
        loop_free(players[i].loop);
    }
    for (int key = 0; key < KEYS; key++) {
        while (maybe_other(names[key], NULL)) /* the last that were forgotten */
            usleep(1000);
        assert_false(maybe_stored(names[key]));
        assert_int_equal(count_rows(names[key]), 0);
    }
    reopen_store();
    assert_int_equal(stats().rows_open, 0);
    assert_int_equal(stats().hints, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(loops_that_share_keys_miss_nothing, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
