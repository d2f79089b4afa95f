/* io/loop.h - one event loop per core (libuv), with its clock and a mailbox for other threads.
 *
 * Everything a loop owns is touched by its own thread only. The one exception is loop_post. */
#ifndef IO_LOOP_H
#define IO_LOOP_H

#include "base/clock.h"
#include "base/err.h"
#include "base/list.h"

struct loop; /* opaque */

/* A message to a loop; intrusive, so that posting cannot fail. */
struct loop_task {
    struct list node;
    void (*run)(struct loop_task *t);
};

enum err loop_open(struct loop **out) MUST_CHECK;
/* The loop must have been stopped; pending tasks are dropped, not run. */
void loop_free(struct loop *l);
/* Runs until loop_stop. Timers fire and tasks run from here. */
void loop_run(struct loop *l);
/* From the loop's own thread: loop_run returns after this turn. */
void loop_stop(struct loop *l);

struct clock *loop_clock(struct loop *l);

/* From any thread: `run` is called on the loop's thread, in the order of posting. The task must
 * stay where it is until then. One wake-up serves all tasks posted before it is noticed. */
void loop_post(struct loop *l, struct loop_task *t);

/* On the loop's own thread: `run` is called once, before the loop next waits and after all that this turn still
 * handles: the place to hand on in one piece what a turn has gathered. The task must stay until then. */
void loop_before_wait(struct loop *l, struct loop_task *t);

/* Blocks of memory for short use (a head being read, a TLS record being filled), kept for the next
 * taker, so that an idle connection needs none and a busy one no malloc. */
enum { LOOP_BLOCK_BYTES = 20 * 1024 };
/* NULL: no memory. Not cleared. */
void *loop_block_take(struct loop *l) MUST_CHECK;
void loop_block_give(struct loop *l, void *block);

/* The libuv loop inside, for io/ only (a struct uv_loop_s). */
struct uv_loop_s;
struct uv_loop_s *loop_uv(struct loop *l);

#endif
