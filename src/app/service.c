/* The gateway as a process.
 *
 * Threads: one per loop, the journal's, and this one, which waits for signals. The end, step by step:
 *
 *   signal --> every loop: stop listening, let exchanges and open writes end; loop 0: stop repair, janitor
 *          --> all quiet: loop 0 closes the admin port (until then /readyz says "draining")
 *          --> quiet too: every loop stops, threads are joined, everything is taken apart, the journal closed
 *
 * SIGHUP ends nothing: it reads the certificate anew (service_reload.c).
 *
 * When drain_ms is over or a second signal comes, the process ends as it is: that is what the journal is for. */
#include "app/service.h"

#include "app/service_private.h"
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_MS = 10 };

/* --- kicks ------------------------------------------------------------------------------------------------ */

/* Loop 0 takes all kicks so far at once; only the first of them posts, however many hints there are. */
static void on_kick(struct loop_task *t)
{
    struct service *s = LIST_ENTRY(t, struct service, kick);
    unsigned kicks = atomic_exchange(&s->kicks, 0);

    if (atomic_load(&s->state) == SERVICE_RUNNING)
        repair_kick(s->repair, kicks & KICK_RECOVERED);
    if (atomic_load(&s->state) == SERVICE_RUNNING && kicks & KICK_RECOVERED)
        janitor_kick(s->janitor);
}

void service_kick(struct service *s, enum service_kick why)
{
    if (atomic_fetch_or(&s->kicks, why) == 0)
        loop_post(s->loops[0].loop, &s->kick);
}

/* --- the end, on the loops -------------------------------------------------------------------------------- */

static void tell_quiet(struct service *s)
{
    uint64_t one = 1;

    atomic_fetch_add(&s->quiet, 1);
    if (write(s->event_fd, &one, sizeof(one)) < 0)
        abort(); /* an eventfd takes 2^64 - 2 of these */
}

static bool is_quiet(const struct service_loop *l)
{
    const struct service *s = l->service;

    if (l == s->loops && s->admin_drains)
        return admin_idle(s->admin);
    return gateway_idle(l->gateway) && l->env.writes_open == 0 && (l != s->loops || s->repair_stopped);
}

static void on_look(struct timer *t)
{
    struct service_loop *l = LIST_ENTRY(t, struct service_loop, look);

    if (is_quiet(l))
        tell_quiet(l->service);
    else
        clock_start(l->env.clock, t, LOOK_MS);
}

static void on_janitor_stopped(void *ctx)
{
    ((struct service *)ctx)->repair_stopped = true;
}

static void on_repair_stopped(void *ctx)
{
    struct service *s = ctx;

    janitor_stop(s->janitor, on_janitor_stopped, s);
}

static void on_drain(struct loop_task *t)
{
    struct service_loop *l = LIST_ENTRY(t, struct service_loop, drain);
    struct service *s = l->service;

    gateway_drain(l->gateway);
    if (l == s->loops)
        repair_stop(s->repair, on_repair_stopped, s);
    clock_start(l->env.clock, &l->look, 0);
}

static void on_finish(struct loop_task *t)
{
    struct service *s = LIST_ENTRY(t, struct service, finish);

    s->admin_drains = true;
    admin_drain(s->admin);
    clock_start(s->loops[0].env.clock, &s->loops[0].look, 0);
}

static void on_stop(struct loop_task *t)
{
    loop_stop(LIST_ENTRY(t, struct service_loop, stop)->loop);
}

/* --- the thread that waits for signals -------------------------------------------------------------------- */

static void *run_loop(void *at)
{
    loop_run(((struct service_loop *)at)->loop);
    return NULL;
}

static bool start_loops(struct service *s)
{
    for (size_t i = 0; i < s->loop_count; i++) {
        struct service_loop *l = &s->loops[i];
        char name[16];
        int error;

        l->drain.run = on_drain;
        l->stop.run = on_stop;
        timer_init(&l->look, on_look);
        error = pthread_create(&l->thread, NULL, run_loop, l);
        if (error)
            return service_fails("cannot start a thread: %s", strerror(error));
        snprintf(name, sizeof(name), "loop-%zu", i);
        pthread_setname_np(l->thread, name);
    }
    return true;
}

static void stop_loops(struct service *s)
{
    for (size_t i = 0; i < s->loop_count; i++)
        loop_post(s->loops[i].loop, &s->loops[i].stop);
    for (size_t i = 0; i < s->loop_count; i++)
        pthread_join(s->loops[i].thread, NULL);
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

enum wake { WAKE_SIGNAL, WAKE_QUIET, WAKE_TIMEOUT };

/* Until a signal to end comes, or so many are quiet, or the time is over (until_ms < 0: never). */
static enum wake wait_for(struct service *s, int signals, unsigned quiet, int64_t until_ms)
{
    struct pollfd fds[] = {{.fd = signals, .events = POLLIN}, {.fd = s->event_fd, .events = POLLIN}};
    struct signalfd_siginfo info;
    uint64_t count;

    for (;;) {
        int64_t left = until_ms < 0 ? -1 : until_ms - now_ms();
        int ready;

        if (quiet && atomic_load(&s->quiet) >= quiet)
            return WAKE_QUIET;
        if (until_ms >= 0 && left <= 0)
            return WAKE_TIMEOUT;
        ready = poll(fds, 2, (int)left);
        if (ready > 0 && fds[0].revents && read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
            log_info("signal", LOG_STR("name", strsignal((int)info.ssi_signo)));
            if (info.ssi_signo != SIGHUP)
                return WAKE_SIGNAL;
            service_reload(s);
        }
        if (ready > 0 && fds[1].revents && read(s->event_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
            abort();
    }
}

/* True: everything has come to rest. */
static bool drain(struct service *s, int signals)
{
    int64_t until_ms = now_ms() + (int64_t)s->config->drain_ms;
    unsigned loops = (unsigned)s->loop_count;
    enum wake wake;

    log_info("draining", LOG_U64("drain_ms", s->config->drain_ms));
    atomic_store(&s->state, SERVICE_DRAINING);
    for (size_t i = 0; i < s->loop_count; i++)
        loop_post(s->loops[i].loop, &s->loops[i].drain);
    wake = wait_for(s, signals, loops, until_ms);
    if (wake == WAKE_QUIET) {
        s->finish.run = on_finish;
        loop_post(s->loops[0].loop, &s->finish);
        wake = wait_for(s, signals, loops + 1, until_ms);
    }
    if (wake != WAKE_QUIET)
        log_warn("ended_at_once",
                 LOG_STR("cause", wake == WAKE_SIGNAL ? "a second signal" : "drain_ms is over"),
                 LOG_STR("note", "writes that were open are in the journal as hints"));
    return wake == WAKE_QUIET;
}

/* The address as configured, with the port that is really used. */
static void print_address(char *out, size_t room, const char *text, uint16_t port)
{
    snprintf(out, room, "%.*s:%u", (int)(strrchr(text, ':') - text), text, port);
}

static void log_start(struct service *s)
{
    const struct config *c = s->config;
    char listen[80], admin[80];

    print_address(listen, sizeof(listen), c->listen.text, gateway_port(s->loops[0].gateway));
    print_address(admin, sizeof(admin), c->admin.listen.text, admin_port(s->admin));
    log_info("started", LOG_STR("version", S3MIRROR_VERSION), LOG_STR("listen", listen),
             LOG_STR("scheme", s->server_tls ? "https" : "http"), LOG_STR("admin", admin),
             LOG_STR("journal", c->journal.path), LOG_U64("loops", s->loop_count),
             LOG_U64("backends", c->backends.count), LOG_U64("buckets", c->buckets.count),
             LOG_U64("body_budget", c->body_budget));
}

/* Until everything has come to rest and all threads are gone. Where that cannot be had the process ends here. */
static void run(struct service *s, int signals)
{
    atomic_store(&s->state, SERVICE_RUNNING);
    if (!start_loops(s))
        _exit(1); /* some loops work already, and not all that it would take to end them in order is there */
    log_start(s);
    (void)wait_for(s, signals, 0, -1);
    if (!drain(s, signals))
        _exit(0);
    stop_loops(s);
}

static int catch_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    /* Threads inherit the mask, so that these come here only. */
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int service_run(const struct config *config)
{
    struct service s = {.config = config, .kick = {.run = on_kick}};
    int signals = catch_signals();
    bool built = false;

    s.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    log_setup((enum log_level)config->log.level, (enum log_format)config->log.format);
    if (signals < 0 || s.event_fd < 0)
        service_fails("cannot wait for signals: %s", strerror(errno));
    else if ((built = service_build(&s)))
        run(&s, signals);
    service_dismantle(&s);
    close(signals);
    close(s.event_fd);
    if (built)
        log_info("ended");
    return built ? 0 : 1;
}
