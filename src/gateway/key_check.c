#include "gateway/key_check.h"

const char *key_check(const struct catalog_bucket *b, struct span key, bool has_body, struct arena *arena)
{
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++) {
        const struct replica *r = b->set.by_slot[slot];
        const char *why = NULL;
        struct span text;

        if (b->set.mask & 1u << slot && r && r->can)
            why = capability_folds(r->can, key, has_body);
        if (!why)
            continue;
        text = arena_printf(
            arena,
            "Backend %s %s: this key cannot be told from another one there, so this bucket cannot have it.",
            r->name, why);
        return text.at ? text.at : why;
    }
    return NULL;
}

/* How much there is to copy is not known yet; but what has such a key here already has no content. */
static bool copies_content(const struct s3_request *r)
{
    return !span_eq(r->source_bucket, r->bucket) || !span_ends(r->source_key, SPAN("/"));
}

static bool writes_content(const struct s3_request *r)
{
    switch (r->op) {
    case S3_OP_PUT_OBJECT: return r->body_bytes > 0;
    case S3_OP_COPY_OBJECT: return copies_content(r);
    case S3_OP_CREATE_MULTIPART_UPLOAD: return true;
    default: return false;
    }
}

const char *key_check_request(const struct catalog_bucket *b, const struct s3_request *r, struct arena *arena)
{
    return r->key.len ? key_check(b, r->key, writes_content(r), arena) : NULL;
}
