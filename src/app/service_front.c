/* What the gateways of all loops share about the front: domains, and what the configuration says of each bucket. The texts
 * stay the configuration's. */
#include "app/service_private.h"

#include <stdlib.h>

/* NULL: no memory; else `out` may be freed, also when the list is empty. */
static struct span *spans_of(const struct config_texts *texts)
{
    struct span *out = calloc(texts->count + 1, sizeof(*out));

    for (size_t i = 0; out && i < texts->count; i++)
        out[i] = span_of(texts->at[i]);
    return out;
}

static bool fill_list(struct s3_cors_list *out, const struct config_texts *texts)
{
    out->at = spans_of(texts);
    out->count = out->at ? texts->count : 0;
    return out->at != NULL;
}

static bool fill_bucket(struct gateway_bucket *out, const struct config_bucket *b)
{
    struct s3_cors_rule *rules = calloc(b->cors.count + 1, sizeof(*rules));

    *out = (struct gateway_bucket){.name = span_of(b->name), .public_read = b->public_read, .cors = rules};
    for (size_t i = 0; rules && i < b->cors.count; i++) {
        const struct config_cors_rule *c = &b->cors.at[i];

        out->cors_count = i + 1;
        rules[i].max_age_s = (uint32_t)c->max_age_s;
        if (!fill_list(&rules[i].origins, &c->allowed_origins) ||
            !fill_list(&rules[i].methods, &c->allowed_methods) ||
            !fill_list(&rules[i].headers, &c->allowed_headers) ||
            !fill_list(&rules[i].exposed, &c->expose_headers))
            return false;
    }
    return rules != NULL;
}

bool service_front(struct service *s)
{
    const struct config *c = s->config;
    struct service_front *f = &s->front;

    f->domains = spans_of(&c->domains);
    f->buckets = calloc(c->buckets.count + 1, sizeof(*f->buckets));
    if (!f->domains || !f->buckets)
        return false;
    for (size_t i = 0; i < c->buckets.count; i++) {
        const struct config_bucket *b = &c->buckets.at[i];

        if ((b->public_read || b->cors.count) && !fill_bucket(&f->buckets[f->bucket_count++], b))
            return false;
    }
    return true;
}

static void free_list(const struct s3_cors_list *list)
{
    free((void *)(uintptr_t)list->at);
}

void service_front_free(struct service *s)
{
    for (size_t i = 0; i < s->front.bucket_count; i++) {
        const struct gateway_bucket *b = &s->front.buckets[i];

        for (size_t j = 0; j < b->cors_count; j++) {
            free_list(&b->cors[j].origins);
            free_list(&b->cors[j].methods);
            free_list(&b->cors[j].headers);
            free_list(&b->cors[j].exposed);
        }
        free((void *)(uintptr_t)b->cors);
    }
    free(s->front.buckets);
    free(s->front.domains);
}
