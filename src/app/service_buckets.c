/* Which buckets there are, where, and what must not be.
 *
 * The journal's catalogue is what counts; at start the configured buckets are written into it, one after the other,
 * and what would make replicas differ without anybody knowing is refused:
 * - one backend bucket behind two buckets,
 * - a replica added to a bucket that has objects already: this version has nothing that would copy them there,
 * - a bucket of the catalogue with a replica on a backend that is not configured. */
#include "app/service_private.h"

#include "base/log.h"

#include <stdio.h>

static bool on_place(const struct bucket_replica *r, const char *backend, const char *remote)
{
    return !r->retired && strcmp(r->backend, backend) == 0 && strcmp(r->remote, remote) == 0;
}

static bool has_place(const struct bucket *b, const char *backend, const char *remote)
{
    for (uint32_t i = 0; i < b->replica_count; i++)
        if (on_place(&b->replicas[i], backend, remote))
            return true;
    return false;
}

/* Another bucket's name that is kept in that place, in `other`. */
static bool place_is_taken(struct journal *j, const char *name, const char *backend, const char *remote,
                           struct bucket *other)
{
    *other = (struct bucket){.id = 0};
    while (j->ops->bucket_after(j, span_of(other->name), other))
        if (strcmp(other->name, name) != 0 && has_place(other, backend, remote))
            return true;
    return false;
}

static void add_place(struct bucket *b, const char *backend, const char *remote)
{
    struct bucket_replica *r = &b->replicas[b->replica_count++];

    /* Names are checked where they come in: at most 63 characters. */
    snprintf(r->backend, sizeof(r->backend), "%s", backend);
    snprintf(r->remote, sizeof(r->remote), "%s", remote);
}

bool service_default_replicas(void *ctx, struct span name, struct bucket *out)
{
    struct service_loop *l = ctx;
    const struct config_defaults *d = &l->service->config->defaults;
    struct bucket other;
    char remote[64];

    if (name.len >= sizeof(remote))
        return false;
    memcpy(remote, name.at, name.len);
    remote[name.len] = '\0';
    out->replica_count = 0;
    for (uint32_t i = 0; i < d->place_count; i++) {
        if (place_is_taken(l->journal, remote, d->places[i].backend->name, remote, &other)) {
            log_warn("bucket_refused", LOG_STR("bucket", remote),
                     LOG_STR("backend", d->places[i].backend->name),
                     LOG_STR("cause", "that backend bucket is a replica of another bucket"),
                     LOG_STR("other", other.name));
            return false;
        }
        add_place(out, d->places[i].backend->name, remote);
    }
    return out->replica_count > 0;
}

/* --- at start --------------------------------------------------------------------------------------------- */

struct writing {
    struct journal_bucket_write write;
    struct loop *loop;
    enum err result;
};

static void on_written(struct journal_request *r, enum err result)
{
    struct writing *w = LIST_ENTRY(r, struct writing, write.request);

    w->result = result;
    loop_stop(w->loop);
}

static bool write_bucket(struct service *s, struct bucket *b)
{
    struct service_loop *l = &s->loops[0];
    struct writing w = {.write = {.request = {.done = on_written}, .bucket = *b}, .loop = l->loop};

    l->journal->ops->bucket_write(l->journal, &w.write);
    loop_run(l->loop);
    if (w.result)
        return service_fails("journal %s: bucket %s cannot be written: %s", s->config->journal.path, b->name,
                             err_text(w.result));
    return true;
}

static bool may_add(const struct config_bucket *c, const struct bucket *had,
                    const struct config_replica *place)
{
    if (c->trust_new_replicas) {
        log_warn("replica_added", LOG_STR("bucket", c->name), LOG_STR("backend", place->backend->name),
                 LOG_STR("cause", "taken to hold the bucket's objects already"));
        return true;
    }
    return service_fails("bucket %s exists already, and %s/%s would be a new replica of it that lacks its "
                         "objects: copy them there "
                         "first, then set trust_new_replicas: true for the bucket",
                         c->name, place->backend->name, place->remote);
}

static bool same_places(const struct bucket *had, const struct bucket *wanted)
{
    uint32_t used = 0;

    for (uint32_t i = 0; i < had->replica_count; i++)
        used += !had->replicas[i].retired;
    for (uint32_t i = 0; i < wanted->replica_count; i++)
        if (!has_place(had, wanted->replicas[i].backend, wanted->replicas[i].remote))
            return false;
    return used == wanted->replica_count;
}

static bool configure(struct service *s, const struct config_bucket *c)
{
    struct journal *j = s->loops[0].journal;
    struct bucket wanted = {.created_unix_ms = clock_unix_ms(s->loops[0].env.clock), .configured = true};
    struct bucket had, other;
    bool exists = j->ops->bucket_by_name(j, span_of(c->name), &had);

    snprintf(wanted.name, sizeof(wanted.name), "%s", c->name);
    if (exists)
        wanted.created_unix_ms = had.created_unix_ms;
    for (uint32_t i = 0; i < c->place_count; i++) {
        const struct config_replica *p = &c->places[i];

        if (place_is_taken(j, c->name, p->backend->name, p->remote, &other))
            return service_fails("bucket %s: %s/%s is a replica of bucket %s already", c->name,
                                 p->backend->name, p->remote, other.name);
        if (exists && !has_place(&had, p->backend->name, p->remote) && !may_add(c, &had, p))
            return false;
        add_place(&wanted, p->backend->name, p->remote);
    }
    if (exists && had.configured && same_places(&had, &wanted))
        return true;
    return write_bucket(s, &wanted);
}

static bool backend_is_configured(const struct service *s, const char *name)
{
    for (size_t i = 0; i < s->config->backends.count; i++)
        if (strcmp(s->config->backends.at[i].name, name) == 0)
            return true;
    return false;
}

static bool is_configured(const struct service *s, const char *name)
{
    for (size_t i = 0; i < s->config->buckets.count; i++)
        if (strcmp(s->config->buckets.at[i].name, name) == 0)
            return true;
    return false;
}

static bool check_catalogue(struct service *s)
{
    struct journal *j = s->loops[0].journal;
    struct bucket b = {.id = 0};

    while (j->ops->bucket_after(j, span_of(b.name), &b)) {
        for (uint32_t i = 0; i < b.replica_count; i++)
            if (!b.replicas[i].retired && !backend_is_configured(s, b.replicas[i].backend))
                return service_fails(
                    "bucket %s has a replica on backend %s, which is not configured: configure it, or "
                    "name the bucket in `buckets` with the replicas it shall keep",
                    b.name, b.replicas[i].backend);
        if (b.configured && !is_configured(s, b.name))
            log_info("bucket_kept", LOG_STR("bucket", b.name),
                     LOG_STR("cause", "no longer in the configuration; it goes on with its replicas until a "
                                      "client deletes it"));
    }
    return true;
}

bool service_buckets(struct service *s)
{
    for (size_t i = 0; i < s->config->buckets.count; i++)
        if (!configure(s, &s->config->buckets.at[i]))
            return false;
    return check_catalogue(s);
}
