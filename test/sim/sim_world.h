/* sim_world.h - clients, one gateway process after another, replicas and a journal: one seeded run. */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "sim_check.h"

enum { SCRIPT_STEPS_MAX = 9, CLIENTS_MAX = 6 };

/* What happens when in a scripted run; times in milliseconds. */
enum script_kind {
    SCRIPT_END,
    SCRIPT_PUT,
    SCRIPT_UPLOAD,
    SCRIPT_COPY, /* onto itself */
    SCRIPT_DELETE,
    SCRIPT_GET,
    SCRIPT_LIST,
    SCRIPT_DOWN,
    SCRIPT_UP
};
struct script_step {
    enum script_kind kind;
    uint64_t at_ms;
    uint64_t bytes; /* PUT, UPLOAD */
    uint32_t slot;  /* DOWN, UP */
};
struct script {
    const char *name;
    uint32_t replicas, need;
    bool wait_all;
    bool exists; /* all replicas have the key at the start */
    struct script_step steps[SCRIPT_STEPS_MAX];
};

struct world_options {
    uint64_t seed;
    uint32_t replicas; /* 0: drawn */
    uint32_t operations;
    enum sim_breakage breakage;
    const struct script *script; /* NULL: seeded clients and faults */
    uint64_t crash_step;         /* with a script: crash after this step, 0: never */
    bool trace;                  /* print the trace of every run, not only of one that breaks a promise */
};

struct world_result {
    bool violated;
    char violation[512];
    uint64_t steps, crashes, acked, refused, unknown, reads, lists, quiets, copied, deleted;
};

/* Prints the last `trace_lines` lines of its trace, to stderr, when it broke a promise. */
void world_run(const struct world_options *o, struct world_result *out, size_t trace_lines);
/* For a process that is about to abort: what it was doing. */
void world_print_current(void);

#endif
