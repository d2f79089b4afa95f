/* io/offload.h - work that may block runs on a thread of a small pool and answers on the loop. */
#ifndef IO_OFFLOAD_H
#define IO_OFFLOAD_H

#include "base/err.h"
#include "io/loop.h"

/* ERR_OK: `work` runs on another thread, then `done` on the loop; the two never overlap, and what `ctx`
 * points at is theirs until `done` returns. It cannot be called back: an owner that loses interest
 * leaves a mark in ctx and lets `done` clean up. ERR_NOMEM: neither runs. */
enum err offload_start(struct loop *l, void (*work)(void *ctx), void (*done)(void *ctx),
                       void *ctx) MUST_CHECK;

#endif
