/* ListBuckets: from the catalogue, a page at a time. The continuation token is the name of the page's last bucket. */
#include "gateway/gateway_private.h"
#include "s3/document.h"

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

/* Up to max-buckets of them behind *b; *more: there are others behind them. NULL: no memory. */
static struct s3_bucket_entry *collect(struct exchange *x, struct bucket *b, size_t *count, bool *more)
{
    struct s3_bucket_entry *entries = NULL;
    size_t room = 0;

    *count = 0;
    while ((*more = next_bucket(x, b)) && *count < x->request.max_keys) {
        if (*count == room) {
            struct s3_bucket_entry *larger = arena_alloc(&x->arena, (2 * room + 64) * sizeof(*larger));

            if (!larger)
                return NULL;
            if (room)
                memcpy(larger, entries, room * sizeof(*larger));
            entries = larger;
            room = 2 * room + 64;
        }
        entries[*count] =
            (struct s3_bucket_entry){arena_dup(&x->arena, span_of(b->name)), b->created_unix_ms};
        if (!entries[(*count)++].name.at)
            return NULL;
    }
    return entries ? entries : arena_alloc(&x->arena, sizeof(*entries));
}

static void start_list(struct exchange *x)
{
    struct s3_bucket_entry *entries;
    struct span document = {NULL, 0};
    struct bucket b;
    size_t count;
    bool more;

    if (!begin_behind(x, &b)) {
        exchange_error(x, S3_INVALID_ARGUMENT, "The continuation token provided is incorrect.");
        return;
    }
    x->arena.cap_bytes = LIST_ARENA_BYTES;
    entries = collect(x, &b, &count, &more);
    if (entries)
        document = s3_buckets_document(&x->arena, entries, count, SPAN(GATEWAY_OWNER), x->request.prefix,
                                       more && count ? entries[count - 1].name : SPAN_EMPTY);
    if (document.at)
        exchange_answer(x, 200, SPAN("Content-Type: application/xml\r\n"), document);
    else
        exchange_unavailable(x, ERR_NOMEM);
}

const struct operation operation_list_buckets = {.start = start_list};
