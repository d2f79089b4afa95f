/* ListBuckets: from the catalogue, a page at a time. The continuation token is the name of the page's last bucket. */
#include "gateway/gateway_private.h"
#include "s3/document.h"

#include <stdlib.h>

/* For the page of a client that asks for all: 10,000 buckets with the longest names. */
enum { LIST_ARENA_BYTES = 8 * 1024 * 1024 };

/* The next bucket behind *b that has the prefix, into *b. */
static bool next_bucket(struct exchange *x, struct bucket *b)
{
    struct journal *journal = x->gateway->options.env->journal;

    while (journal->ops->bucket_after(journal, span_of(b->name), b))
        if (span_starts(span_of(b->name), x->request.prefix))
            return true;
    return false;
}

static bool begin_behind(struct exchange *x, struct bucket *b)
{
    struct span token = x->request.continuation_token;

    *b = (struct bucket){.id = 0};
    if (token.len == 0)
        return true;
    if (!s3_bucket_name_valid(token))
        return false;
    span_put(b->name, token); /* at most 63 characters */
    return true;
}

static void start_list(struct exchange *x)
{
    size_t most = x->request.max_keys, count = 0, room = 64;
    struct s3_bucket_entry *entries = malloc(room * sizeof(*entries));
    struct span document;
    struct bucket b;
    bool more;

    if (!begin_behind(x, &b)) {
        free(entries);
        exchange_error(x, S3_INVALID_ARGUMENT, "The continuation token provided is incorrect.");
        return;
    }
    x->arena.cap_bytes = LIST_ARENA_BYTES;
    while ((more = next_bucket(x, &b)) && count < most) {
        if (count == room)
            entries = realloc(entries, (room *= 2) * sizeof(*entries));
        if (!entries)
            abort(); /* some KiB */
        entries[count++] = (struct s3_bucket_entry){arena_dup(&x->arena, span_of(b.name)), b.created_unix_ms};
    }
    document = s3_buckets_document(&x->arena, entries, count, SPAN(GATEWAY_OWNER), x->request.prefix,
                                   more ? entries[count - 1].name : SPAN_EMPTY);
    free(entries);
    if (document.at)
        exchange_answer(x, 200, SPAN("Content-Type: application/xml\r\n"), document);
    else
        exchange_unavailable(x, ERR_NOMEM);
}

const struct operation operation_list_buckets = {.start = start_list};
