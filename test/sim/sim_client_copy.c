/* A copy that the replicas make by themselves, in the gateway's place: the source is read strictly and looked at on every
 * replica, and when all show the same each is asked to copy it. Without a hold of the key: what is written to the source
 * meanwhile has to be refused by its replica.
 *
 * For the history it is a write of the same bytes under another number. Copies that the gateway would make by reading and
 * writing are not made here: they are a GET and a PUT. */
#include "sim_client.h"

static struct sim *sim_of(struct client *c)
{
    return c->host->sim;
}

void client_copy_end(struct client *c)
{
    fetch_free(c->fetch);
    sources_free(c->sources);
    c->fetch = NULL;
    c->sources = NULL;
}

static void over(struct client *c)
{
    client_copy_end(c);
    client_over(c);
}

/* From the loop: this may be called from inside what is to be freed. */
static void over_later(struct client *c)
{
    c->finished = true;
    sim_after(sim_of(c), &c->event, 0);
}

static void on_verdict(void *ctx, const struct write_verdict *v)
{
    struct client *c = ctx;
    uint32_t stored = 0;

    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++)
        if (v->marks[slot] == WRITE_STORED)
            stored |= 1u << slot;
    c->write = NULL;
    if (v->result == ERR_OK)
        check_acked(c->host->check, c->written, stored, c->host->ack.need);
    else
        check_unknown(c->host->check, c->written, true);
    if (v->result == ERR_OK && strcmp(v->etag, c->content->etag) != 0)
        sim_violate(sim_of(c), "P6: the answer for the copy %s shows the ETag %s", c->content->header,
                    v->etag);
    sim_trace(sim_of(c), "client %u: copy k%u %s, stored on %x", c->number, c->key,
              v->result == ERR_OK ? "acknowledged" : "refused", stored);
    over_later(c);
}

static void on_nothing(void *ctx)
{
}

static const struct write_events write_events = {
    .held = on_nothing, .drain = on_nothing, .verdict = on_verdict};

static void start_write(struct client *c, const struct write_copy *copy)
{
    struct write_spec spec = {
        .key = {SIM_BUCKET, sim_key_name(c->key)},
        .replicas = c->host->set,
        .ack = c->host->ack,
        .kind = ROW_PUT,
        .headers = c->headers,
        .header_count = 1,
        .copy = copy,
    };

    c->content = c->host->content_same(c->host->ctx, c->content);
    c->headers[0] = (struct http_header){SPAN(CONTENT_HEADER), span_of(c->content->header)};
    spec.has_md5 = sim_of(c)->damage || sim_chance(sim_of(c), 500);
    memcpy(spec.md5, c->content->md5, sizeof(spec.md5));
    c->written = check_begin(c->host->check, c->key, c->content);
    sim_trace(sim_of(c), "client %u: copy k%u to k%u as %s", c->number, c->source, c->key,
              c->content->header);
    if (write_open(&c->write, c->host->env, &spec, &write_events, c) == ERR_OK) {
        check_verified(c->host->check, c->written);
        write_verified(c->write);
    } else {
        check_unknown(c->host->check, c->written, true);
        over_later(c);
    }
}

static void go_on(struct client *c)
{
    struct write_copy copy;

    if (!c->headed || !c->asked || c->finished)
        return;
    if (c->content && sources_agree(c->sources, &c->object, c->source == c->key, &copy))
        start_write(c, &copy);
    else
        over_later(c);
}

static void on_head(void *ctx, unsigned status, const struct http_head *head,
                    const struct replica_object *object, const struct replica *from)
{
    struct client *c = ctx;
    const struct span *header = http_header(head, CONTENT_HEADER);
    uint64_t id = 0;

    c->headed = true;
    c->content = NULL;
    c->object = *object;
    if (object->exists && header && span_to_u64(*header, &id))
        c->content = c->host->content(c->host->ctx, (uint32_t)id);
    if (c->content && strcmp(c->content->etag, object->etag) != 0)
        c->content = NULL; /* damaged */
    go_on(c);
}

static void on_failed(void *ctx, enum err e)
{
    over_later(ctx);
}

static void on_asked(void *ctx)
{
    struct client *c = ctx;

    c->asked = true;
    go_on(c);
}

void client_copy_begin(struct client *c)
{
    static const struct fetch_events events = {.head = on_head, .body = on_nothing, .failed = on_failed};
    struct fetch_spec fetch = {.replicas = c->host->set, .head_only = true};
    struct sources_spec sources = {.target = c->host->set, .source = c->host->set};

    c->source = (uint32_t)sim_between(sim_of(c), 0, c->host->keys - 1);
    c->headed = c->asked = c->finished = false;
    fetch.key = (struct journal_key){SIM_BUCKET, sim_key_name(c->source)};
    sources.source_key = fetch.key.key;
    if (!sources_possible(&sources) ||
        sources_open(&c->sources, c->host->env, &sources, on_asked, c) != ERR_OK) {
        over_later(c);
        return;
    }
    if (fetch_open(&c->fetch, c->host->env, &fetch, &events, c) != ERR_OK)
        over_later(c);
}

void client_copy_on(struct client *c)
{
    if (c->finished)
        over(c);
}
