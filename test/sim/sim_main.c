/* sim - the seeded simulation of writes, reads and repair over faults at every step.
 *
 *   sim [seeds]      seeded runs: --seed N (the first) --runs M --steps K (client operations in each) --replicas 2|3
 *   sim crashes      each script of sim_script.c with a crash after each of its steps: --runs M seeds for each
 *   sim broken       deliberately broken worlds, which the checker has to notice: --runs M seeds at most for each
 *
 * --trace shows what happened in every run, else a run's last lines are shown when it breaks a promise. The last
 * line is "N passed, N failed"; the exit status is 0 when none failed. */
#include "base/log.h"
#include "sim_script.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { TRACE_LINES = 150, FAILURES_MAX = 5 };

struct arguments {
    const char *mode;
    uint64_t seed, runs, steps, replicas;
    bool trace;
};

struct totals {
    uint64_t passed, failed;
    struct world_result sum;
};

/* Any crash of ours has to name its seed. */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);
const char *__asan_default_options(void)
{
    return "abort_on_error=1";
}
const char *__ubsan_default_options(void)
{
    return "halt_on_error=1:abort_on_error=1:print_stacktrace=1";
}

static void on_abort(int signal_number)
{
    world_print_current();
}

static void add(struct totals *t, const struct world_result *r)
{
    t->passed += !r->violated;
    t->failed += r->violated;
    t->sum.steps += r->steps;
    t->sum.crashes += r->crashes;
    t->sum.acked += r->acked;
    t->sum.refused += r->refused;
    t->sum.unknown += r->unknown;
    t->sum.reads += r->reads;
    t->sum.lists += r->lists;
    t->sum.quiets += r->quiets;
    t->sum.copied += r->copied;
    t->sum.deleted += r->deleted;
}

static size_t trace_lines(const struct arguments *a)
{
    return a->trace ? SIM_TRACE_LINES : TRACE_LINES;
}

static void run_seeds(const struct arguments *a, struct totals *t)
{
    for (uint64_t i = 0; i < a->runs && t->failed < FAILURES_MAX; i++) {
        struct world_options o = {.seed = a->seed + i,
                                  .replicas = (uint32_t)a->replicas,
                                  .operations = (uint32_t)a->steps,
                                  .trace = a->trace};
        struct world_result r;

        world_run(&o, &r, trace_lines(a));
        add(t, &r);
    }
}

/* First without a crash, which tells how many steps there are; then with one after each. */
static void run_script(const struct arguments *a, const struct script *script, struct totals *t)
{
    for (uint64_t i = 0; i < a->runs; i++) {
        struct world_options o = {.seed = a->seed + i, .script = script, .trace = a->trace};
        struct world_result clean, r;

        world_run(&o, &clean, trace_lines(a));
        add(t, &clean);
        for (uint64_t step = 1; step <= clean.steps && t->failed < FAILURES_MAX; step++) {
            o.crash_step = step;
            world_run(&o, &r, trace_lines(a));
            if (r.violated)
                fprintf(stderr, "script \"%s\", seed %llu, crash after step %llu\n", script->name,
                        (unsigned long long)o.seed, (unsigned long long)step);
            add(t, &r);
        }
    }
}

static void run_crashes(const struct arguments *a, struct totals *t)
{
    for (size_t i = 0; i < sim_script_count && t->failed < FAILURES_MAX; i++) {
        uint64_t before = t->passed;

        run_script(a, &sim_scripts[i], t);
        printf("%6llu crash points: %s\n", (unsigned long long)(t->passed - before), sim_scripts[i].name);
    }
}

static void run_broken(const struct arguments *a, struct totals *t)
{
    static const char *const names[BREAK_COUNT] = {
        [BREAK_INTENT] = "the journal loses an intent",
        [BREAK_OUTCOME] = "the journal loses an outcome",
        [BREAK_RESTART] = "a restart forgets open rows",
        [BREAK_FORGETFUL] = "the journal shows no rows",
        [BREAK_FALSE_STORED] = "a replica says stored and stores nothing",
        [BREAK_TORN_BODY] = "a body given up before its barrier appears",
        [BREAK_COMEBACK] = "a deleted object comes back",
    };

    for (enum sim_breakage b = BREAK_NOTHING + 1; b < BREAK_COUNT; b++) {
        struct world_result r = {0};
        uint64_t i = 0;

        for (; i < a->runs && !r.violated; i++) {
            struct world_options o = {
                .seed = a->seed + i, .operations = (uint32_t)a->steps, .breakage = b, .trace = a->trace};

            world_run(&o, &r, a->trace ? SIM_TRACE_LINES : 0);
        }
        printf("%s: %s after %llu runs%s%s\n", names[b], r.violated ? "noticed" : "NOT NOTICED",
               (unsigned long long)i, r.violated ? ": " : "", r.violation);
        t->passed += r.violated;
        t->failed += !r.violated;
    }
}

static bool number(const char *text, uint64_t *out)
{
    return span_to_u64(span_of(text), out);
}

static bool parse(int argc, char **argv, struct arguments *a)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'},  {"runs", required_argument, NULL, 'r'},
        {"steps", required_argument, NULL, 'k'}, {"replicas", required_argument, NULL, 'n'},
        {"trace", no_argument, NULL, 't'},       {0}};
    bool good = true;
    int c;

    *a = (struct arguments){.mode = "seeds", .seed = 1, .runs = 1, .steps = 30};
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
        switch (c) {
        case 's': good &= number(optarg, &a->seed); break;
        case 'r': good &= number(optarg, &a->runs); break;
        case 'k': good &= number(optarg, &a->steps) && a->steps <= 1000; break;
        case 'n': good &= number(optarg, &a->replicas) && (a->replicas == 2 || a->replicas == 3); break;
        case 't': a->trace = true; break;
        default: good = false;
        }
    if (optind < argc)
        a->mode = argv[optind++];
    return good && optind == argc;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(const struct arguments *a, struct totals *t);
    } modes[] = {{"seeds", run_seeds}, {"crashes", run_crashes}, {"broken", run_broken}};
    struct arguments a;
    struct totals t = {0};
    size_t mode = 0;

    if (parse(argc, argv, &a))
        while (mode < 3 && strcmp(modes[mode].name, a.mode) != 0)
            mode++;
    else
        mode = 3;
    if (mode == 3) {
        fprintf(stderr, "usage: sim [seeds|crashes|broken] [--seed N] [--runs M] [--steps K (1000 at most)]"
                        " [--replicas 2|3] [--trace]\n");
        return 2;
    }
    signal(SIGABRT, on_abort);
    log_setup((enum log_level)(LOG_ERROR + 1), LOG_LOGFMT);
    modes[mode].run(&a, &t);
    printf("%llu steps, %llu crashes; writes: %llu acknowledged, %llu refused, %llu unknown; %llu reads, "
           "%llu lists;"
           " repairs: %llu copies, %llu deletes; keys quiet %llu times\n",
           (unsigned long long)t.sum.steps, (unsigned long long)t.sum.crashes,
           (unsigned long long)t.sum.acked, (unsigned long long)t.sum.refused,
           (unsigned long long)t.sum.unknown, (unsigned long long)t.sum.reads,
           (unsigned long long)t.sum.lists, (unsigned long long)t.sum.copied,
           (unsigned long long)t.sum.deleted, (unsigned long long)t.sum.quiets);
    printf("%llu passed, %llu failed\n", (unsigned long long)t.passed, (unsigned long long)t.failed);
    return t.failed != 0;
}
