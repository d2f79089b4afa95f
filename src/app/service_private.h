#ifndef APP_SERVICE_PRIVATE_H
#define APP_SERVICE_PRIVATE_H

#include "admin/admin.h"
#include "app/config.h"
#include "gateway/gateway.h"
#include "io/tls.h"
#include "journal/sqlite.h"
#include "repair/janitor.h"
#include "repair/repair.h"
#include "replica/s3_replica.h"

#include <pthread.h>
#include <stdatomic.h>

struct service;

/* Everything of one loop. Belongs to its thread once that runs. */
struct service_loop {
    struct service *service;
    struct loop *loop;
    struct journal *journal;
    struct random random;
    struct env env;
    struct keyhold_port holds;
    struct loop_task holds_task;  /* keyhold_deliver */
    struct s3_backend **backends; /* in the order of the configuration */
    const struct health **healths;
    struct catalog *catalog;
    struct gateway *gateway;
    pthread_t thread;
    /* backends that another loop has found down, a bit each (CONFIG_BACKENDS_MAX) */
    struct loop_task warn;
    atomic_ullong warnings;
    bool warned;
    /* the end */
    struct loop_task drain, stop;
    struct timer look;
};

struct service_front {
    struct span *domains;
    struct gateway_bucket *buckets;
    size_t bucket_count;
};

enum service_state { SERVICE_STARTING, SERVICE_RUNNING, SERVICE_DRAINING };

struct service {
    const struct config *config;
    struct hlc hlc;
    struct chunk_budget budget;
    struct keyhold holds; /* keys that conditional writes hold */
    struct sqlite_store *store;
    struct tls_context *server_tls, **client_tls; /* by backend, NULL: plain http */
    struct gateway_key *keys;
    struct service_front front;
    struct service_loop *loops;
    size_t loop_count;
    struct admin_loop *admin_loops;
    const char **backend_names;
    /* on loop 0 */
    struct repair *repair;
    struct janitor *janitor;
    struct admin *admin;
    bool repair_stopped, admin_drains; /* repair_stopped: and the janitor */
    struct loop_task finish;
    /* a repair's kicks from all loops, see service_kick */
    struct loop_task kick;
    atomic_uint kicks;
    /* between the loops and the thread that waits for signals */
    atomic_int state;  /* enum service_state */
    atomic_uint quiet; /* loops with nothing under way; one more when the admin port is, too */
    int event_fd;      /* told when `quiet` changes */
};

/* Something may be repairable: tell the repair on loop 0. From any loop. */
enum service_kick { KICK_HINT = 1, KICK_RECOVERED = 2 };
void service_kick(struct service *s, enum service_kick why);
/* One line on stderr: why the service cannot start. Always false. */
bool service_fails(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* service_build.c: everything but the threads; false when that has failed and was told. */
bool service_build(struct service *s);
/* Only when no thread runs and nothing is under way. Takes half-built ones. */
void service_dismantle(struct service *s);

/* service_front.c: s->front. False: no memory; service_front_free takes what there is. */
bool service_front(struct service *s);
void service_front_free(struct service *s);

/* service_reload.c: SIGHUP, on the thread that waits for signals. */
void service_reload(struct service *s);

/* service_buckets.c: the configured buckets into the journal's catalogue, by running loop 0 until that is durable. */
bool service_buckets(struct service *s);
/* gateway_options.default_replicas; ctx is the service_loop. */
bool service_default_replicas(void *ctx, struct span name, struct bucket *out);

#endif
