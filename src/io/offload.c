/* offload.c - libuv's thread pool (UV_THREADPOOL_SIZE threads, 4 unless set). */
#include "io/offload.h"

#include <stdlib.h>
#include <uv.h>

struct job {
    uv_work_t uv;
    void (*work)(void *ctx);
    void (*done)(void *ctx);
    void *ctx;
};

static void on_work(uv_work_t *w)
{
    struct job *j = w->data;

    j->work(j->ctx);
}

static void on_done(uv_work_t *w, int status)
{
    struct job *j = w->data;

    j->done(j->ctx);
    free(j);
}

enum err offload_start(struct loop *l, void (*work)(void *ctx), void (*done)(void *ctx), void *ctx)
{
    struct job *j = malloc(sizeof(*j));

    if (!j)
        return ERR_NOMEM;
    *j = (struct job){.work = work, .done = done, .ctx = ctx};
    j->uv.data = j;
    if (uv_queue_work(loop_uv(l), &j->uv, on_work, on_done)) {
        free(j);
        return ERR_NOMEM;
    }
    return ERR_OK;
}
