/* loop.c - the event loop.
 *
 * One turn of libuv is: prepare, wait for sockets, handle them, check. Our timers hang on the two
 * ends of that: `prepare` sets one libuv timer to the earliest due time, so that the wait ends by
 * then, and `check` fires what is due. So starting or stopping a timer never talks to libuv, and a
 * timer started for "the next turn" while sockets are handled fires at the end of the same turn,
 * without another system call. The clock reads libuv's cached time.
 *
 * `prepare` first runs what asked to be run before the wait: a turn's gatherings, handed on in one piece.
 *
 * The mailbox is a list under a lock and one uv_async: only the post that finds it empty wakes. */
#include "io/loop.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <uv.h>

enum { SPARE_BLOCKS_MAX = 64 };

struct block {
    struct block *next;
};

struct loop {
    uv_loop_t uv;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_timer_t timer; /* only ends the wait; what is due fires from check */
    uv_async_t wake;
    struct clock clock;
    uint64_t timer_ms; /* what `timer` is set to, UINT64_MAX when it rests */
    pthread_mutex_t lock;
    struct list mail;        /* of loop_task.node; under lock */
    struct list before_wait; /* of loop_task.node */
    struct block *spare;
    unsigned spare_count;
};

static struct loop *of_clock(struct clock *c)
{
    return LIST_ENTRY(c, struct loop, clock);
}

static uint64_t loop_mono_ms(struct clock *c)
{
    return uv_now(&of_clock(c)->uv);
}

static uint64_t loop_unix_ms(struct clock *c)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void loop_rearm(struct clock *c)
{
    /* Nothing to do: the prepare step looks at the earliest due time once a turn. */
}

static const struct clock_ops clock_ops = {
    .mono_ms = loop_mono_ms,
    .unix_ms = loop_unix_ms,
    .rearm = loop_rearm,
};

static void on_timer(uv_timer_t *t)
{
    ((struct loop *)t->data)->timer_ms = UINT64_MAX;
}

static void run_all(struct list *tasks)
{
    struct list *node;

    while ((node = list_pop(tasks))) {
        struct loop_task *t = LIST_ENTRY(node, struct loop_task, node);

        t->run(t);
    }
}

static void on_prepare(uv_prepare_t *p)
{
    struct loop *l = p->data;
    uint64_t due_ms, now = uv_now(&l->uv);

    run_all(&l->before_wait);
    if (!clock_next_due_ms(&l->clock, &due_ms)) {
        if (l->timer_ms != UINT64_MAX)
            uv_timer_stop(&l->timer);
        l->timer_ms = UINT64_MAX;
        return;
    }
    if (due_ms == l->timer_ms)
        return;
    l->timer_ms = due_ms;
    uv_timer_start(&l->timer, on_timer, due_ms > now ? due_ms - now : 0, 0);
}

static void on_check(uv_check_t *c)
{
    clock_fire_due(&((struct loop *)c->data)->clock);
}

static void on_wake(uv_async_t *a)
{
    struct loop *l = a->data;
    struct list tasks;

    list_init(&tasks);
    pthread_mutex_lock(&l->lock);
    list_splice(&tasks, &l->mail);
    pthread_mutex_unlock(&l->lock);
    run_all(&tasks);
}

enum err loop_open(struct loop **out)
{
    struct loop *l = calloc(1, sizeof(*l));

    *out = NULL;
    if (!l)
        return ERR_NOMEM;
    /* A peer that closes while we write is an error of that write, not the end of the process. */
    signal(SIGPIPE, SIG_IGN);
    if (uv_loop_init(&l->uv)) {
        free(l);
        return ERR_IO;
    }
    if (uv_async_init(&l->uv, &l->wake, on_wake)) {
        uv_loop_close(&l->uv);
        free(l);
        return ERR_IO;
    }
    uv_prepare_init(&l->uv, &l->prepare);
    uv_check_init(&l->uv, &l->check);
    uv_timer_init(&l->uv, &l->timer);
    l->wake.data = l->prepare.data = l->check.data = l->timer.data = l;
    uv_prepare_start(&l->prepare, on_prepare);
    uv_check_start(&l->check, on_check);
    l->timer_ms = UINT64_MAX;
    clock_init(&l->clock, &clock_ops);
    pthread_mutex_init(&l->lock, NULL);
    list_init(&l->mail);
    list_init(&l->before_wait);
    *out = l;
    return ERR_OK;
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    uv_close((uv_handle_t *)&l->prepare, NULL);
    uv_close((uv_handle_t *)&l->check, NULL);
    uv_close((uv_handle_t *)&l->timer, NULL);
    uv_close((uv_handle_t *)&l->wake, NULL);
    /* Lets closed streams go, and waits for work that is still on another thread. */
    uv_run(&l->uv, UV_RUN_DEFAULT);
    int left = uv_loop_close(&l->uv);
    assert(left == 0);
    (void)left;
    clock_fini(&l->clock);
    pthread_mutex_destroy(&l->lock);
    while (l->spare) {
        struct block *b = l->spare;

        l->spare = b->next;
        free(b);
    }
    free(l);
}

void loop_run(struct loop *l)
{
    uv_update_time(&l->uv);
    uv_run(&l->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *l)
{
    uv_stop(&l->uv);
}

struct clock *loop_clock(struct loop *l)
{
    return &l->clock;
}

void loop_post(struct loop *l, struct loop_task *t)
{
    bool first;

    pthread_mutex_lock(&l->lock);
    first = list_empty(&l->mail);
    list_append(&l->mail, &t->node);
    pthread_mutex_unlock(&l->lock);
    if (first)
        uv_async_send(&l->wake);
}

void loop_before_wait(struct loop *l, struct loop_task *t)
{
    list_append(&l->before_wait, &t->node);
}

void *loop_block_take(struct loop *l)
{
    struct block *b = l->spare;

    if (!b)
        return malloc(LOOP_BLOCK_BYTES);
    l->spare = b->next;
    l->spare_count--;
    return b;
}

void loop_block_give(struct loop *l, void *block)
{
    struct block *b = block;

    if (l->spare_count >= SPARE_BLOCKS_MAX) {
        free(b);
        return;
    }
    b->next = l->spare;
    l->spare = b;
    l->spare_count++;
}

struct uv_loop_s *loop_uv(struct loop *l)
{
    return &l->uv;
}
