/* Backends and their replicas: what they are made of. The calls are in s3_put.c, s3_copy.c, s3_get.c,
 * s3_bucket.c and s3_upload.c. */
#include "replica/s3_call.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

static const struct replica_ops ops = {
    .put = s3_put_start,
    .put_more = s3_put_more,
    .put_open = s3_put_open,
    .del = s3_delete_start,
    .copy = s3_copy_start,
    .head = s3_head_start,
    .get = s3_get_start,
    .get_read = s3_get_read,
    .tags = s3_tags_start,
    .list = s3_list_start,
    .bucket = s3_bucket_start,
    .create = s3_create_start,
    .complete = s3_complete_start,
    .abort = s3_abort_start,
    .uploads = s3_uploads_start,
    .abandon = s3_call_abandon,
};

/* RFC 9110 section 7.2: the port unless it is the scheme's own, an IPv6 address in brackets. */
static enum err print_host_field(struct span *out, const struct s3_backend_options *o)
{
    bool is_v6 = span_find(o->host, ':') < o->host.len;
    char port[8] = "", *text;
    int n;

    if (o->port != (o->tls ? 443 : 80))
        snprintf(port, sizeof(port), ":%u", o->port);
    n = asprintf(&text, "%s%.*s%s%s", is_v6 ? "[" : "", SPAN_ARG(o->host), is_v6 ? "]" : "", port);
    if (n < 0)
        return ERR_NOMEM;
    *out = (struct span){text, (size_t)n};
    return ERR_OK;
}

enum err s3_backend_open(struct s3_backend **out, struct loop *loop, const struct s3_backend_options *o)
{
    struct s3_backend *b = calloc(1, sizeof(*b));
    enum err e;

    *out = NULL;
    if (!b)
        return ERR_NOMEM;
    b->clock = loop_clock(loop);
    b->can = *o->can;
    list_init(&b->replicas);
    sigv4_signer_init(&b->signer, o->access_key, o->secret_key, o->region);
    health_init(&b->health, b->clock, o->name, o->probe_ms);
    e = print_host_field(&b->host_field, o);
    if (e == ERR_OK)
        e = http_origin_open(&b->origin, loop, o->host, o->port, o->tls, &o->limits);
    if (e) {
        s3_backend_free(b);
        return e;
    }
    *out = b;
    return ERR_OK;
}

void s3_backend_free(struct s3_backend *b)
{
    if (!b)
        return;
    assert(list_empty(&b->replicas));
    health_fini(&b->health);
    if (b->origin)
        http_origin_free(b->origin);
    free((char *)b->host_field.at);
    free(b);
}

struct health *s3_backend_health(struct s3_backend *b)
{
    return &b->health;
}

enum err s3_replica_open(struct replica **out, struct s3_backend *b, struct span remote)
{
    struct s3_replica *r = calloc(1, sizeof(*r) + remote.len);

    *out = NULL;
    if (!r)
        return ERR_NOMEM;
    r->base = (struct replica){.ops = &ops, .name = b->health.name, .health = &b->health, .can = &b->can};
    r->backend = b;
    memcpy(r->remote_text, remote.at, remote.len);
    r->remote = (struct span){r->remote_text, remote.len};
    list_init(&r->left);
    list_append(&b->replicas, &r->node);
    if (!b->health.probe)
        health_probe_by(&b->health, &r->base);
    *out = &r->base;
    return ERR_OK;
}

void s3_replica_free(struct replica *base)
{
    struct s3_replica *r;
    struct s3_backend *b;

    if (!base)
        return;
    r = LIST_ENTRY(base, struct s3_replica, base);
    b = r->backend;
    list_remove(&r->node);
    if (b->health.probe == base)
        health_probe_by(&b->health, list_empty(&b->replicas)
                                        ? NULL
                                        : &LIST_ENTRY(b->replicas.next, struct s3_replica, node)->base);
    while (!list_empty(&r->left))
        s3_call_free(LIST_ENTRY(r->left.next, struct replica_call, left));
    assert(r->calls == 0);
    free(r);
}
