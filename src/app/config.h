/* app/config.h - the configuration: one YAML file, every key in one table (config_table.c).
 *
 * The table says of each key its type, range, default and meaning; reading, checking, printing and
 * docs/configuration.md all follow it. A file with mistakes is read to its end, so that all of them are told at
 * once, each with file, line and key. Secrets never appear in a message or a print. */
#ifndef APP_CONFIG_H
#define APP_CONFIG_H

#include "base/arena.h"
#include "journal/journal.h"
#include "replica/capability.h"

#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

/* `need` of an ack policy: a number of replicas, or one of these. */
enum { CONFIG_NEED_QUORUM = 1000, CONFIG_NEED_ALL = 1001 };
enum { CONFIG_BACKENDS_MAX = 64 };
enum config_wait { CONFIG_WAIT_ALL, CONFIG_WAIT_NEED };
enum config_journal { CONFIG_JOURNAL_SQLITE, CONFIG_JOURNAL_CASSANDRA };

/* Values as the table stores them: numbers, words and flags are uint64_t, texts are in the arena and NULL when not
 * given. What stands below "worked out" is no key: config_check.c derives it. */
struct config_address {
    const char *text;
    struct sockaddr_storage at;
    socklen_t len;
};

struct config_texts {
    const char **at;
    size_t count;
};

struct config_key {
    const char *access_key, *secret_key, *secret_key_file;
    /* worked out */
    const char *secret;
};

struct config_backend {
    const char *name, *endpoint, *region, *access_key, *secret_key, *secret_key_file, *ca_file;
    const char *profile;
    struct capabilities can; /* what was given for it; once checked, all of it */
    /* worked out */
    const char *secret, *host;
    uint16_t port;
    bool tls;
};

struct config_replica {
    const struct config_backend *backend;
    const char *remote; /* the bucket's name there */
};

struct config_ack {
    uint64_t need, wait;
};

struct config_cors_rule {
    struct config_texts allowed_origins, allowed_methods, allowed_headers, expose_headers;
    uint64_t max_age_s;
};
struct config_cors {
    struct config_cors_rule *at;
    size_t count;
};

struct config_bucket {
    const char *name;
    struct config_texts replicas;
    struct config_ack ack;
    uint64_t trust_new_replicas, public_read;
    struct config_cors cors;
    /* worked out */
    struct config_replica places[REPLICAS_MAX];
    uint32_t place_count;
};

struct config_keys {
    struct config_key *at;
    size_t count;
};
struct config_backends {
    struct config_backend *at;
    size_t count;
};
struct config_buckets {
    struct config_bucket *at;
    size_t count;
};

struct config_admin {
    struct config_address listen;
};
struct config_tls {
    const char *cert_file, *key_file;
};
struct config_store {
    uint64_t kind;
    const char *path;
};
struct config_defaults {
    struct config_texts replicas;
    struct config_ack ack;
    /* worked out: remote is NULL, the bucket's own name is used */
    struct config_replica places[REPLICAS_MAX];
    uint32_t place_count;
};
struct config_terms {
    uint64_t ambiguity_ms, stall_ms, detach_ms, write_ms, first_byte_ms, lease_ms, lease_margin_ms, probe_ms;
    uint64_t copy_bytes_max;
};
struct config_repair {
    uint64_t workers, interval_ms, attempts, backoff_ms;
};
struct config_front {
    uint64_t head_ms, idle_ms, body_ms, connections;
};
struct config_back {
    uint64_t connect_ms, idle_ms, idle_max, connections;
};
struct config_limits {
    struct config_front front;
    struct config_back backends;
};
struct config_log {
    uint64_t level, format; /* enum log_level, enum log_format */
};

struct config {
    struct config_address listen;
    struct config_tls tls;
    struct config_admin admin;
    struct config_store journal;
    struct config_keys keys;
    struct config_backends backends;
    struct config_buckets buckets;
    struct config_defaults defaults;
    struct config_texts domains;
    const char *region;
    uint64_t loops; /* 0: one per core */
    uint64_t body_budget, ring_bytes, max_object_bytes, part_threshold, part_bytes, part_concurrency;
    uint64_t multipart_expire_ms, drain_ms;
    struct config_terms terms;
    struct config_repair repair;
    struct config_limits limits;
    struct config_log log;
    /* not keys: */
    struct arena arena;
    const char *file;          /* for messages */
    struct config_mark *marks; /* where each value stands in the file */
    struct config_problem *first, **last;
    size_t problem_count;
};

struct config_problem {
    struct config_problem *next;
    const char *text; /* "s3mirror.yaml:12: backends[0].endpoint: ..." */
};

enum { CONFIG_FILE_BYTES_MAX = 1024 * 1024, CONFIG_PROBLEMS_MAX = 50 };

/* Read and check a file. *out is always set (config_free it). ERR_OK, or ERR_INVALID: see its problems. */
enum err config_load(struct config **out, const char *path) MUST_CHECK;
/* The same for text at hand; `name` stands for the file in messages, relative paths start from its folder. */
enum err config_parse(struct config **out, const char *name, struct span text) MUST_CHECK;
void config_free(struct config *c);

/* How many replicas of `replicas` must have stored a write. */
uint32_t config_need(const struct config_ack *ack, uint32_t replicas);

/* YAML with every key and its documentation. NULL: defaults and examples, a file to start from; else the effective
 * values, secrets masked. */
void config_print_yaml(FILE *out, const struct config *c);
/* docs/configuration.md. */
void config_print_markdown(FILE *out);

#endif
