/* Builds the service, from the bottom up: what all loops share, then each loop, then what loop 0 alone has.
 *
 * Everything is built by the starting thread before any loop has a thread of its own, so nothing here needs a lock.
 * Sockets are opened last: a client that can connect finds everything in place. */
#include "app/service_private.h"

#include "base/log.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { JOURNAL_BUSY_MS = 5000, SPARE_FILES = 128 };

bool service_fails(const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    fprintf(stderr, "s3mirror: %s\n", text);
    return false;
}

static bool no_memory(void)
{
    return service_fails("out of memory");
}

/* --- shared by all loops ---------------------------------------------------------------------------------- */

static size_t cores(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof(set), &set) == 0 ? (size_t)CPU_COUNT(&set) : 1;
}

static void raise_file_limit(const struct service *s)
{
    const struct config_limits *l = &s->config->limits;
    uint64_t wanted =
        s->loop_count * (l->front.connections + s->config->backends.count * l->backends.connections) +
        SPARE_FILES;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit))
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < wanted)
        log_warn("open_files_low", LOG_U64("limit", limit.rlim_max), LOG_U64("wanted", wanted),
                 LOG_STR("cause", "fewer connections than the configuration allows; raise the hard limit"));
}

/* Listening is with SO_REUSEPORT, one socket per loop, and so two gateways of one user could share a port and
 * neither would know. Without that option a bind tells whether somebody listens there. */
static bool address_is_free(const char *key, const struct config_address *a)
{
    int fd = socket(a->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    bool is_free = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
                   bind(fd, (const struct sockaddr *)&a->at, a->len) == 0;
    int error = errno;

    if (fd >= 0)
        close(fd);
    return is_free || service_fails("%s: cannot listen on %s: %s", key, a->text, strerror(error));
}

static bool open_journal(struct service *s)
{
    const struct config *c = s->config;
    struct sqlite_options options = {.ambiguity_ms = c->terms.ambiguity_ms, .busy_ms = JOURNAL_BUSY_MS};
    char why[JOURNAL_WHY_BYTES];

    if (sqlite_store_open(&s->store, c->journal.path, &options, why))
        return service_fails("%s", why);
    return true;
}

static bool open_tls(struct service *s)
{
    const struct config *c = s->config;
    const char *why = NULL;

    if (c->tls.cert_file && tls_context_open_server(&s->server_tls, c->tls.cert_file, c->tls.key_file, &why))
        return service_fails("tls: %s", why);
    for (size_t i = 0; i < c->backends.count; i++) {
        const struct config_backend *b = &c->backends.at[i];

        if (b->tls && tls_context_open_client(&s->client_tls[i], b->ca_file, &why))
            return service_fails("backend %s: %s", b->name, why);
    }
    return true;
}

static bool open_shared(struct service *s)
{
    const struct config *c = s->config;
    struct random random;

    s->loop_count = c->loops ? c->loops : cores();
    s->loops = calloc(s->loop_count, sizeof(*s->loops));
    s->admin_loops = calloc(s->loop_count, sizeof(*s->admin_loops));
    s->client_tls = calloc(c->backends.count, sizeof(*s->client_tls));
    s->backend_names = calloc(c->backends.count, sizeof(*s->backend_names));
    s->keys = calloc(c->keys.count, sizeof(*s->keys));
    if (!s->loops || !s->admin_loops || !s->client_tls || !s->backend_names || !s->keys || !service_front(s))
        return no_memory();
    for (size_t i = 0; i < c->backends.count; i++)
        s->backend_names[i] = c->backends.at[i].name;
    for (size_t i = 0; i < c->keys.count; i++)
        s->keys[i] = (struct gateway_key){span_of(c->keys.at[i].access_key), span_of(c->keys.at[i].secret)};
    /* A new name at each start: a stamp has the time and both of these, so none is given twice. */
    random_init_system(&random);
    hlc_init(&s->hlc, (uint32_t)random_u64(&random), (uint32_t)random_u64(&random));
    raise_file_limit(s);
    return address_is_free("listen", &c->listen) && address_is_free("admin.listen", &c->admin.listen) &&
           open_journal(s) && open_tls(s);
}

/* --- one loop --------------------------------------------------------------------------------------------- */

static struct terms terms_of(const struct config *c)
{
    return (struct terms){
        .ambiguity_ms = c->terms.ambiguity_ms,
        .stall_ms = c->terms.stall_ms,
        .detach_ms = c->terms.detach_ms,
        .write_ms = c->terms.write_ms,
        .copy_bytes_max = c->terms.copy_bytes_max,
        .first_byte_ms = c->terms.first_byte_ms,
        .lease_ms = c->terms.lease_ms,
        .lease_margin_ms = c->terms.lease_margin_ms,
        .part_bytes_min = S3_PART_BYTES_MIN,
        .ring_chunks = (uint32_t)(c->ring_bytes / CHUNK_BYTES),
    };
}

static void on_holds(struct loop_task *t)
{
    keyhold_deliver(&LIST_ENTRY(t, struct service_loop, holds_task)->holds);
}

static void wake_holds(struct keyhold_port *p)
{
    struct service_loop *l = LIST_ENTRY(p, struct service_loop, holds);

    loop_post(l->loop, &l->holds_task);
}

static void on_hint(struct env *env, uint32_t bucket, struct span key)
{
    service_kick(((struct service_loop *)env->owner)->service, KICK_HINT);
}

static size_t backend_of(const struct service_loop *l, const struct health *h)
{
    size_t i = 0;

    while (l->healths[i] != h)
        i++;
    return i;
}

/* One loop has found a backend down: the others need not have a client each wait for finding out the same. Coming
 * back is for each loop's own probe to see. */
static void on_health(void *ctx, struct health *h)
{
    struct service_loop *l = ctx;
    struct service *s = l->service;
    uint64_t bit = 1ull << backend_of(l, h);

    if (health_usable(h)) {
        service_kick(s, KICK_RECOVERED);
        return;
    }
    for (size_t i = 0; i < s->loop_count && !l->warned; i++)
        if (&s->loops[i] != l && atomic_fetch_or(&s->loops[i].warnings, bit) == 0)
            loop_post(s->loops[i].loop, &s->loops[i].warn);
}

static void on_warnings(struct loop_task *t)
{
    struct service_loop *l = LIST_ENTRY(t, struct service_loop, warn);
    uint64_t down = atomic_exchange(&l->warnings, 0);

    l->warned = true; /* what changes now is not passed on: two loops would never stop */
    for (size_t i = 0; i < l->service->config->backends.count; i++)
        if (down >> i & 1)
            health_stalled(s3_backend_health(l->backends[i]));
    l->warned = false;
}

static enum err open_backend(struct service_loop *l, size_t i)
{
    const struct config *c = l->service->config;
    const struct config_backend *b = &c->backends.at[i];
    const struct config_back *limits = &c->limits.backends;
    struct s3_backend_options options = {
        .name = b->name,
        .host = span_of(b->host),
        .port = b->port,
        .tls = l->service->client_tls[i],
        .region = span_of(b->region),
        .access_key = span_of(b->access_key),
        .secret_key = span_of(b->secret),
        .can = &b->can,
        .limits = {.connect_ms = limits->connect_ms,
                   .idle_ms = limits->idle_ms,
                   .idle_max = (uint32_t)limits->idle_max,
                   .connections = (uint32_t)limits->connections},
        .probe_ms = c->terms.probe_ms,
    };
    enum err e = s3_backend_open(&l->backends[i], l->loop, &options);
    struct health *h;

    if (e)
        return e;
    h = s3_backend_health(l->backends[i]);
    h->on_change = on_health;
    h->ctx = l;
    l->healths[i] = h;
    return ERR_OK;
}

static struct replica *open_replica(void *ctx, const char *backend, const char *remote)
{
    struct service_loop *l = ctx;
    const struct config_backends *all = &l->service->config->backends;
    struct replica *r = NULL;

    for (size_t i = 0; i < all->count; i++)
        if (strcmp(all->at[i].name, backend) == 0 &&
            s3_replica_open(&r, l->backends[i], span_of(remote)) == ERR_OK)
            return r;
    return NULL;
}

static void close_replica(void *ctx, struct replica *r)
{
    s3_replica_free(r);
}

static struct ack_policy ack_of(void *ctx, const char *bucket, uint32_t replicas)
{
    const struct config *c = ((struct service_loop *)ctx)->service->config;
    const struct config_ack *ack = &c->defaults.ack;

    for (size_t i = 0; i < c->buckets.count; i++)
        if (strcmp(c->buckets.at[i].name, bucket) == 0)
            ack = &c->buckets.at[i].ack;
    return (struct ack_policy){.need = config_need(ack, replicas), .wait_all = ack->wait == CONFIG_WAIT_ALL};
}

static enum err fill_loop(struct service_loop *l)
{
    struct service *s = l->service;
    size_t backends = s->config->backends.count;
    struct catalog_options options = {.open = open_replica, .close = close_replica, .ack = ack_of, .ctx = l};
    enum err e;

    l->backends = calloc(backends, sizeof(*l->backends));
    l->healths = calloc(backends, sizeof(*l->healths));
    if (!l->backends || !l->healths)
        return ERR_NOMEM;
    l->warn.run = on_warnings;
    if ((e = loop_open(&l->loop)) || (e = sqlite_journal_open(&l->journal, s->store, l->loop)))
        return e;
    random_init_system(&l->random);
    keyhold_port_init(&l->holds, &s->holds, wake_holds);
    l->holds_task = (struct loop_task){.run = on_holds};
    list_init(&l->holds_task.node);
    l->env = (struct env){
        .clock = loop_clock(l->loop),
        .journal = l->journal,
        .random = &l->random,
        .hlc = &s->hlc,
        .budget = &s->budget,
        .holds = &l->holds,
        .terms = terms_of(s->config),
        .on_hint = on_hint,
        .owner = l,
    };
    for (size_t i = 0; i < backends; i++)
        if ((e = open_backend(l, i)))
            return e;
    options.journal = l->journal;
    return catalog_open(&l->catalog, &options);
}

static bool open_loops(struct service *s)
{
    for (size_t i = 0; i < s->loop_count; i++) {
        enum err e;

        s->loops[i].service = s;
        e = fill_loop(&s->loops[i]);
        if (e)
            return service_fails("cannot set up event loop %zu: %s", i, err_text(e));
        s->admin_loops[i] = (struct admin_loop){.env = &s->loops[i].env, .healths = s->loops[i].healths};
    }
    return true;
}

/* --- repair and the ports --------------------------------------------------------------------------------- */

static bool replicas_of(void *ctx, uint32_t bucket, struct replica_set *out)
{
    struct service_loop *l = ctx;
    const struct catalog_bucket *found = catalog_by_id(l->catalog, bucket);

    if (found)
        *out = found->set;
    return found != NULL;
}

static bool open_repair(struct service *s)
{
    const struct config_repair *c = &s->config->repair;
    struct repair_options options = {
        .workers = (uint32_t)c->workers,
        .interval_ms = c->interval_ms,
        .attempts = (uint32_t)c->attempts,
        .backoff_ms = c->backoff_ms,
        .replicas = replicas_of,
        .ctx = &s->loops[0],
    };

    return repair_open(&s->repair, &s->loops[0].env, &options) == ERR_OK || no_memory();
}

enum { STRAYS_ROUNDS = 24, STRAYS_MOST_MS = 3600 * 1000, REMEMBER_MS = 3600 * 1000 };

static bool open_janitor(struct service *s)
{
    uint64_t expire_ms = s->config->multipart_expire_ms, strays_ms = expire_ms / STRAYS_ROUNDS;
    struct janitor_options options = {
        .expire_ms = expire_ms,
        .remember_ms = expire_ms < REMEMBER_MS ? expire_ms : REMEMBER_MS,
        .interval_ms = s->config->repair.interval_ms,
        .strays_ms = strays_ms < STRAYS_MOST_MS ? strays_ms : STRAYS_MOST_MS,
        .replicas = replicas_of,
        .ctx = &s->loops[0],
    };

    return janitor_open(&s->janitor, &s->loops[0].env, &options) == ERR_OK || no_memory();
}

static void set_port(struct sockaddr_storage *a, uint16_t port)
{
    if (a->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)a)->sin6_port = htons(port);
    else
        ((struct sockaddr_in *)a)->sin_port = htons(port);
}

static bool open_gateways(struct service *s)
{
    const struct config *c = s->config;
    const struct config_front *front = &c->limits.front;
    struct gateway_options options = {
        .region = span_of(c->region),
        .keys = s->keys,
        .key_count = c->keys.count,
        .domains = {s->front.domains, c->domains.count},
        .buckets = s->front.buckets,
        .bucket_count = s->front.bucket_count,
        .max_object_bytes = c->max_object_bytes,
        .part_threshold = c->part_threshold,
        .part_bytes = c->part_bytes,
        .part_concurrency = (uint32_t)c->part_concurrency,
        .default_replicas = service_default_replicas,
        .listen = c->listen.at,
        .listen_len = c->listen.len,
        .tls = s->server_tls,
        .limits = {.head_ms = front->head_ms,
                   .idle_ms = front->idle_ms,
                   .body_ms = front->body_ms,
                   .connections = (uint32_t)front->connections},
    };

    for (size_t i = 0; i < s->loop_count; i++) {
        struct service_loop *l = &s->loops[i];
        enum err e;

        options.loop = l->loop;
        options.env = &l->env;
        options.catalog = l->catalog;
        options.ctx = l;
        e = gateway_open(&l->gateway, &options);
        if (e)
            return service_fails("listen: cannot listen on %s: %s", c->listen.text,
                                 e == ERR_IO ? strerror(errno) : err_text(e));
        /* Any free port: the first loop's is everybody's. */
        set_port(&options.listen, gateway_port(l->gateway));
        s->admin_loops[i].gateway = l->gateway;
    }
    return true;
}

static const char *not_ready(void *ctx)
{
    struct service *s = ctx;
    struct journal *j = s->loops[0].journal;

    if (atomic_load(&s->state) == SERVICE_DRAINING)
        return "draining";
    if (!j->ops->lease_valid(j))
        return "the journal has failed (the log says why)";
    return NULL;
}

static bool open_admin(struct service *s)
{
    const struct config *c = s->config;
    struct admin_options options = {
        .loop = s->loops[0].loop,
        .env = &s->loops[0].env,
        .catalog = s->loops[0].catalog,
        .repair = s->repair,
        .janitor = s->janitor,
        .loops = s->admin_loops,
        .loop_count = s->loop_count,
        .backends = s->backend_names,
        .backend_count = c->backends.count,
        .not_ready = not_ready,
        .ctx = s,
        .listen = c->admin.listen.at,
        .listen_len = c->admin.listen.len,
    };
    enum err e = admin_open(&s->admin, &options);

    if (e)
        return service_fails("admin.listen: cannot listen on %s: %s", c->admin.listen.text,
                             e == ERR_IO ? strerror(errno) : err_text(e));
    return true;
}

bool service_build(struct service *s)
{
    chunk_budget_init(&s->budget, s->config->body_budget);
    keyhold_init(&s->holds);
    return open_shared(s) && open_loops(s) && service_buckets(s) && open_repair(s) && open_janitor(s) &&
           open_gateways(s) && open_admin(s);
}

static void empty_loop(struct service_loop *l, size_t backends)
{
    gateway_free(l->gateway);
    catalog_free(l->catalog);
    for (size_t i = 0; l->backends && i < backends; i++)
        s3_backend_free(l->backends[i]);
    sqlite_journal_free(l->journal);
    free(l->backends);
    free(l->healths);
    if (l->holds.table)
        keyhold_port_fini(&l->holds);
}

void service_dismantle(struct service *s)
{
    size_t backends = s->config->backends.count;

    admin_free(s->admin);
    janitor_free(s->janitor);
    if (s->repair)
        repair_free(s->repair);
    for (size_t i = 0; s->loops && i < s->loop_count; i++)
        empty_loop(&s->loops[i], backends);
    sqlite_store_close(s->store);
    for (size_t i = 0; s->loops && i < s->loop_count; i++)
        loop_free(s->loops[i].loop);
    tls_context_free(s->server_tls);
    for (size_t i = 0; s->client_tls && i < backends; i++)
        tls_context_free(s->client_tls[i]);
    chunk_budget_fini(&s->budget);
    keyhold_fini(&s->holds);
    service_front_free(s);
    free(s->client_tls);
    free(s->backend_names);
    free(s->admin_loops);
    free(s->keys);
    free(s->loops);
}
