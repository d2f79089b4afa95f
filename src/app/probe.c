/* The probe from beginning to end: a place to work in, the checks one after the other, everything removed again, the report.
 *
 * The first interruption ends the checks and lets the cleaning up run; a second one ends the program. */
#include "app/probe_private.h"

#include "base/random.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    WAIT_MS = 15 * 1000,
    WHOLE_MS = 5 * 60 * 1000,
    KEPT_BYTES = 16 * 1024 * 1024,
    REQUEST_BYTES = 512 * 1024
};
enum { LARGE_BYTES = 5 * 1024 * 1024 + 4096 };

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    stopped = 1;
}

static void catch_interruptions(void)
{
    const struct sigaction once = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    const struct sigaction never = {.sa_handler = SIG_IGN};

    sigaction(SIGINT, &once, NULL);
    sigaction(SIGTERM, &once, NULL);
    sigaction(SIGPIPE, &never, NULL);
}

static const struct {
    const char *what;
    void (*check)(struct probe *p);
} checks[] = {
    {"small objects", probe_objects},
    {"checksums", probe_checksums},
    {"bodies that are cut short", probe_barriers},
    {"uploads in parts", probe_uploads},
    {"copies", probe_copies},
    {"listings", probe_lists},
    {"keys", probe_keys},
};
enum { CHECKS = sizeof(checks) / sizeof(checks[0]) };

static const struct config_backend *find_backend(const struct config *c, const char *name)
{
    for (size_t i = 0; i < c->backends.count; i++)
        if (strcmp(c->backends.at[i].name, name) == 0)
            return &c->backends.at[i];
    fprintf(stderr, "s3mirror: there is no backend '%s' in %s\n", name, c->file);
    return NULL;
}

/* RFC 9110 section 7.2, as the gateway sends it. */
static struct span host_field(struct arena *arena, const struct config_backend *b)
{
    bool is_v6 = strchr(b->host, ':') != NULL;
    char port[8] = "";

    if (b->port != (b->tls ? 443 : 80))
        snprintf(port, sizeof(port), ":%u", b->port);
    return arena_printf(arena, "%s%s%s%s", is_v6 ? "[" : "", b->host, is_v6 ? "]" : "", port);
}

static bool prepare(struct probe *p)
{
    char *large = arena_alloc(&p->kept, LARGE_BYTES);
    struct random random;

    random_init_system(&random);
    snprintf(p->prefix, sizeof(p->prefix), "s3mirror-probe-%012llx/",
             (unsigned long long)(random_u64(&random) >> 16));
    p->host_field = host_field(&p->kept, p->backend);
    if (!large || !p->host_field.at)
        return false;
    for (size_t i = 0; i < LARGE_BYTES; i++)
        large[i] = (char)(i * 31 + i / 251);
    p->large = (struct span){large, LARGE_BYTES};
    sigv4_signer_init(&p->signer, span_of(p->backend->access_key), span_of(p->backend->secret),
                      span_of(p->backend->region));
    return true;
}

static int run(struct probe *p)
{
    const char *broken;
    unsigned requests;
    bool clean;

    p->deadline_ms = clock_mono_ms(loop_clock(p->wire.loop)) + WHOLE_MS;
    if (probe_begin(p)) {
        for (size_t i = 0; i < CHECKS && !p->broken; i++) {
            fprintf(stderr, "probe of %s: %zu of %d, %s\n", p->backend->name, i + 1, CHECKS, checks[i].what);
            checks[i].check(p);
        }
    }
    broken = p->broken;
    fprintf(stderr, "probe of %s: %u requests, cleaning up\n", p->backend->name, p->requests);
    requests = p->requests;
    clean = p->trace_count || p->bucket_made ? probe_clean(p) : true;
    p->broken = broken;
    p->requests = requests;
    return probe_report(p) || !clean;
}

static int with_wire(struct probe *p)
{
    struct tls_context *tls = NULL;
    const char *why = "out of memory";
    int result = 1;
    enum err e;

    if (p->backend->tls && tls_context_open_client(&tls, p->backend->ca_file, &why)) {
        fprintf(stderr, "s3mirror: backend %s: %s\n", p->backend->name, why);
        return 1;
    }
    e = wire_open(&p->wire, span_of(p->backend->host), p->backend->port, tls, WAIT_MS, &stopped);
    if (e)
        fprintf(stderr, "s3mirror: backend %s: %s\n", p->backend->name, err_text(e));
    else if (prepare(p))
        result = run(p);
    wire_fini(&p->wire);
    tls_context_free(tls);
    return result;
}

int probe_run(const struct config *c, const struct probe_options *options)
{
    struct probe *p = calloc(1, sizeof(*p));
    int result = 1;

    if (!p)
        return 1;
    p->options = options;
    p->backend = find_backend(c, options->backend);
    arena_init(&p->arena, REQUEST_BYTES);
    arena_init(&p->kept, KEPT_BYTES);
    catch_interruptions();
    if (p->backend)
        result = with_wire(p);
    arena_fini(&p->arena);
    arena_fini(&p->kept);
    free(p);
    return result;
}
