/* What more than one value, or the world outside of the file, must agree on; and what is worked out from it:
 * secrets, hosts, the replicas behind the names. Runs only on a file whose single values are right. */
#include "app/config_table.h"

#include "io/tls.h"
#include "s3/request.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECRET_BYTES_MAX = 4096, HOST_BYTES_MAX = 255 };

static struct span kept(struct config *c, struct span text)
{
    struct span copy = arena_dup(&c->arena, text);

    if (!copy.at)
        config_problem_at(c, 0, NULL, "the configuration is too large");
    return copy;
}

/* --- files ------------------------------------------------------------------------------------------------ */

/* An open file that may be used as a secret, or -1 and a problem. */
static int open_private(struct config *c, const void *field, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;

    if (fd < 0 || fstat(fd, &st)) {
        config_problem(c, field, "cannot read %s: %s", path, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        config_problem(c, field, "%s is not a file", path);
    } else if (st.st_mode & (S_IRWXO | S_IWGRP)) {
        config_problem(
            c, field,
            "%s holds a secret, but others than its owner and group may use it (mode %04o): chmod 600 %s",
            path, st.st_mode & 07777, path);
    } else {
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

static const char *read_secret(struct config *c, const void *field, const char *path)
{
    char text[SECRET_BYTES_MAX + 1];
    int fd = open_private(c, field, path);
    const char *secret = NULL;
    ssize_t len;

    if (fd < 0)
        return NULL;
    len = read(fd, text, sizeof(text));
    close(fd);
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    if (len < 0)
        config_problem(c, field, "cannot read %s: %s", path, strerror(errno));
    else if (len == 0)
        config_problem(c, field, "%s is empty", path);
    else if (len > SECRET_BYTES_MAX)
        config_problem(c, field, "%s is larger than %d bytes", path, SECRET_BYTES_MAX);
    else
        secret = kept(c, (struct span){text, (size_t)len}).at;
    for (const char *p = secret; p && *p; p++) {
        if (iscntrl((unsigned char)*p)) {
            config_problem(c, field, "%s must hold the secret on one line, and nothing else", path);
            return NULL;
        }
    }
    return secret;
}

static const char *secret_of(struct config *c, const void *owner, const char *const *text,
                             const char *const *file)
{
    if (*text && *file)
        config_problem(c, file, "only one of secret_key and secret_key_file can be given");
    else if (*file)
        return read_secret(c, file, *file);
    else if (!*text)
        config_problem(c, owner, "needs a secret_key or a secret_key_file");
    return *text;
}

static void check_tls(struct config *c)
{
    struct tls_context *context;
    const char *why = "out of memory";
    enum err e;
    int fd;

    if (!c->tls.cert_file != !c->tls.key_file)
        config_problem(c, c->tls.cert_file ? &c->tls.cert_file : &c->tls.key_file,
                       "cert_file and key_file are given together or not at all");
    if (!c->tls.cert_file || !c->tls.key_file)
        return;
    fd = open_private(c, &c->tls.key_file, c->tls.key_file);
    if (fd < 0)
        return;
    close(fd);
    e = tls_context_open_server(&context, c->tls.cert_file, c->tls.key_file, &why);
    if (e)
        config_problem(c, e == ERR_MISMATCH ? &c->tls.key_file : &c->tls.cert_file, "%s", why);
    tls_context_free(context);
}

static void check_ca(struct config *c, const char *const *file)
{
    struct tls_context *context = NULL;
    const char *why = "out of memory";

    if (*file && tls_context_open_client(&context, *file, &why))
        config_problem(c, file, "%s", why);
    tls_context_free(context);
}

/* --- keys and backends ------------------------------------------------------------------------------------ */

static void check_keys(struct config *c)
{
    for (size_t i = 0; i < c->keys.count; i++) {
        struct config_key *k = &c->keys.at[i];

        for (size_t j = 0; j < i; j++)
            if (strcmp(c->keys.at[j].access_key, k->access_key) == 0)
                config_problem(c, &k->access_key, "'%s' is there twice", k->access_key);
        k->secret = secret_of(c, &k->access_key, &k->secret_key, &k->secret_key_file);
    }
}

static bool host_valid(struct span host, bool bracketed)
{
    char text[HOST_BYTES_MAX + 1];
    struct in6_addr v6;

    if (host.len == 0 || host.len > HOST_BYTES_MAX)
        return false;
    memcpy(text, host.at, host.len);
    text[host.len] = '\0';
    if (bracketed)
        return inet_pton(AF_INET6, text, &v6) == 1;
    for (size_t i = 0; i < host.len; i++)
        if (!isalnum((unsigned char)text[i]) && text[i] != '.' && text[i] != '-')
            return false;
    return isalnum((unsigned char)text[0]);
}

static const char *parse_endpoint(struct config *c, struct config_backend *b)
{
    struct span rest = span_of(b->endpoint), host, port = SPAN_EMPTY;
    bool bracketed;
    uint64_t number;

    b->tls = span_starts(rest, SPAN("https://"));
    if (!b->tls && !span_starts(rest, SPAN("http://")))
        return "must begin with http:// or https://";
    rest = span_skip(rest, b->tls ? 8 : 7);
    if (rest.len && rest.at[rest.len - 1] == '/')
        rest.len--;
    if (span_find(rest, '@') < rest.len)
        return "may not have credentials; they are access_key and secret_key";
    if (span_find(rest, '/') < rest.len || span_find(rest, '?') < rest.len || span_find(rest, '#') < rest.len)
        return "may not have a path; buckets are named in replicas";
    bracketed = rest.len && rest.at[0] == '[';
    if (bracketed) {
        rest = span_skip(rest, 1);
        host = span_cut(&rest, ']');
        if (rest.len && rest.at[0] != ':')
            return "is not http(s)://host[:port]";
        port = rest.len ? rest : port;
    } else {
        host = span_head(rest, span_find(rest, ':'));
        port = span_skip(rest, host.len);
    }
    if (!host_valid(host, bracketed))
        return "has no valid host (an IPv6 address stands in brackets)";
    number = b->tls ? 443 : 80;
    if (port.len && (!span_to_u64(span_skip(port, 1), &number) || number == 0 || number > UINT16_MAX))
        return "has no valid port";
    b->host = kept(c, host).at;
    b->port = (uint16_t)number;
    return NULL;
}

static void check_backends(struct config *c)
{
    for (size_t i = 0; i < c->backends.count; i++) {
        struct config_backend *b = &c->backends.at[i];
        const char *wrong = parse_endpoint(c, b);

        if (wrong)
            config_problem(c, &b->endpoint, "%s", wrong);
        for (size_t j = 0; j < i; j++)
            if (strcmp(c->backends.at[j].name, b->name) == 0)
                config_problem(c, &b->name, "'%s' is there twice", b->name);
        if (b->ca_file && !b->tls)
            config_problem(c, &b->ca_file, "is for https endpoints only");
        else
            check_ca(c, &b->ca_file);
        b->secret = secret_of(c, &b->access_key, &b->secret_key, &b->secret_key_file);
        capabilities_fill(&b->can, &capability_profile(b->profile)->can);
    }
}

/* --- buckets ---------------------------------------------------------------------------------------------- */

static const struct config_backend *find_backend(const struct config *c, struct span name)
{
    for (size_t i = 0; i < c->backends.count; i++)
        if (span_is(name, c->backends.at[i].name))
            return &c->backends.at[i];
    return NULL;
}

/* The same bucket on the same server, under whatever names. */
static bool same_place(const struct config_replica *a, const struct config_replica *b)
{
    return strcasecmp(a->backend->host, b->backend->host) == 0 && a->backend->port == b->backend->port &&
           strcmp(a->remote ? a->remote : "", b->remote ? b->remote : "") == 0;
}

/* "backend" or "backend/bucket". `bucket` stands for the name there when none is given; NULL: none may be given. */
static bool resolve(struct config *c, const struct config_texts *list, size_t i, const char *bucket,
                    struct config_replica *out)
{
    struct span remote = span_of(list->at[i]), backend = span_cut(&remote, '/');
    bool named = backend.len < strlen(list->at[i]);

    out->backend = find_backend(c, backend);
    out->remote = named ? kept(c, remote).at : bucket;
    if (!out->backend)
        config_problem(c, list, "there is no backend '%.*s'", SPAN_ARG(backend));
    else if (named && !bucket)
        config_problem(c, list,
                       "'%s': name the backend only; buckets have the name that the client gives them",
                       list->at[i]);
    else if (named && !s3_bucket_name_valid(remote))
        config_problem(c, list, "'%.*s' is no valid bucket name", SPAN_ARG(remote));
    else
        return true;
    return false;
}

static uint32_t resolve_all(struct config *c, const struct config_texts *list, const char *bucket,
                            struct config_replica out[static REPLICAS_MAX])
{
    uint32_t count = 0;

    for (size_t i = 0; i < list->count; i++) {
        if (!resolve(c, list, i, bucket, &out[count]))
            continue;
        for (uint32_t j = 0; j < count; j++)
            if (same_place(&out[j], &out[count]))
                config_problem(c, list, "'%s' is the same place as '%s': a replica needs a bucket of its own",
                               list->at[i], list->at[j]);
        count++;
    }
    return count;
}

static void check_ack(struct config *c, const struct config_ack *ack, uint32_t replicas)
{
    if (replicas && ack->need <= REPLICAS_MAX && ack->need > replicas)
        config_problem(c, &ack->need, "is %llu, but there are only %u replicas",
                       (unsigned long long)ack->need, replicas);
}

static void check_places(struct config *c, const struct config_bucket *b, const struct config_bucket *other)
{
    for (uint32_t i = 0; i < b->place_count; i++)
        for (uint32_t j = 0; j < other->place_count; j++)
            if (same_place(&b->places[i], &other->places[j]))
                config_problem(c, &b->replicas, "'%s' on backend %s belongs to bucket '%s' already",
                               b->places[i].remote, b->places[i].backend->name, other->name);
}

static void check_buckets(struct config *c)
{
    for (size_t i = 0; i < c->buckets.count; i++) {
        struct config_bucket *b = &c->buckets.at[i];

        b->place_count = resolve_all(c, &b->replicas, b->name, b->places);
        check_ack(c, &b->ack, b->place_count);
        for (size_t j = 0; j < i; j++) {
            if (strcmp(c->buckets.at[j].name, b->name) == 0)
                config_problem(c, &b->name, "'%s' is there twice", b->name);
            else
                check_places(c, b, &c->buckets.at[j]);
        }
    }
    c->defaults.place_count = resolve_all(c, &c->defaults.replicas, NULL, c->defaults.places);
    check_ack(c, &c->defaults.ack, c->defaults.place_count);
}

static void check_numbers(struct config *c)
{
    if (c->terms.lease_margin_ms >= c->terms.lease_ms)
        config_problem(c, &c->terms.lease_ms,
                       "terms.lease_ms (%llu) must be more than terms.lease_margin_ms (%llu)",
                       (unsigned long long)c->terms.lease_ms, (unsigned long long)c->terms.lease_margin_ms);
    if (c->ring_bytes > c->body_budget)
        config_problem(c, &c->ring_bytes, "ring_bytes must not be more than body_budget");
}

void config_check(struct config *c)
{
    check_tls(c);
    if (c->journal.kind == CONFIG_JOURNAL_CASSANDRA)
        config_problem(c, &c->journal.kind, "cassandra is not in this version; use sqlite");
    check_keys(c);
    check_backends(c);
    config_check_front(c);
    if (!c->problem_count)
        check_buckets(c);
    check_numbers(c);
}

uint32_t config_need(const struct config_ack *ack, uint32_t replicas)
{
    if (ack->need == CONFIG_NEED_QUORUM)
        return replicas / 2 + 1;
    /* A bucket of fewer replicas than the number asks for (one was retired): all of them. */
    return ack->need < replicas ? (uint32_t)ack->need : replicas;
}
