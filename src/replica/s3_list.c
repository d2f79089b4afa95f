/* A page of a bucket's listing: the questions of a walk (list_walk.h), one request each, read as the answer arrives.
 *
 *   ask --> request --> answer's bytes --> s3/list_read --> page --> checked --> the walk --> ask ... | done
 *
 * What is checked of an answer before the walk sees it: its keys have the prefix, are as long as keys can be, come in
 * the backend's order and once, groups are groups, and there are no more than were asked for. A backend that answers
 * otherwise would make a listing that is silently wrong: its answer counts as none. The breaker does not hear of that,
 * which says nothing about how the backend takes writes.
 *
 * A page of long names may not fit the caller's room: it is asked for again, with fewer entries. */
#include "replica/s3_call.h"

#include "base/log.h"
#include "replica/list_walk.h"
#include "s3/list_read.h"
#include "s3/request.h"

#include <stdlib.h>

enum { READ_BYTES = 16 * 1024, FEW_ENTRIES = 100 };

struct s3_list_work {
    struct list_walk walk;
    struct list_ask ask;
    struct s3_list_reader reader;
    bool reading, overflow, surplus;
    const char *why; /* an answer is refused */
};

static enum err send_ask(struct replica_call *c);

static void drop(struct replica_call *c)
{
    if (c->list.work && c->list.work->reading)
        (void)!s3_list_reader_end(&c->list.work->reader);
    free(c->list.work);
    c->list.work = NULL;
}

static void finish(struct replica_call *c)
{
    const struct s3_list_work *w = c->list.work;
    enum err e = c->answer.error;

    if (e == ERR_OK && c->answer.status != 200 && c->answer.status)
        e = ERR_UNAVAILABLE;
    if (w->why)
        log_warn("listing_refused", LOG_STR("backend", c->replica->base.name), LOG_STR("cause", w->why));
    c->list.events.done(c->ctx, e);
}

static void over(struct replica_call *c)
{
    c->finish(c);
    s3_call_free(c);
}

/* ---- what an answer must be ---- */

/* SeaweedFS keeps a folder whose last object has gone, and shows it in a listing of that very folder. Objects have an
 * ETag, empty ones whose key ends in '/' too. */
static bool is_bare_folder(const struct s3_list_item *item)
{
    return !item->is_prefix && item->body_bytes == 0 && span_is(item->etag, "\"\"") &&
           (span_ends(item->key, SPAN("/")) || span_ends(item->key, SPAN("%2F")));
}

static bool on_item(void *ctx, const struct s3_list_item *item)
{
    struct s3_list_work *w = ctx;
    struct replica_entry e = {.key = item->key,
                              .is_group = item->is_prefix,
                              .body_bytes = item->body_bytes,
                              .modified_ms = item->modified_ms,
                              .etag = span_head(item->etag, PAGE_ETAG_BYTES_MAX)};

    if (is_bare_folder(item))
        return true;
    w->surplus = w->ask.into->count == w->ask.most;
    w->overflow = !w->surplus && !replica_page_add(w->ask.into, &e);
    return !w->surplus && !w->overflow;
}

static bool decode_all(struct replica_page *p)
{
    for (uint32_t at = 0; at < p->count; at++) {
        size_t len;
        char *text = replica_page_text(p, at, &len);

        if (!s3_list_decode(text, &len))
            return false;
        replica_page_set_text(p, at, len);
    }
    return true;
}

static const char *judge_entry(const struct list_ask *ask, const struct replica_entry *e)
{
    size_t slash = ask->prefix.len + span_find(span_skip(e->key, ask->prefix.len), '/');

    if (e->key.len == 0 || e->key.len > S3_KEY_BYTES_MAX)
        return "a key is longer than 1024 bytes";
    if (!span_is_utf8(e->key) || span_find(e->key, '\0') < e->key.len)
        return "a key is not UTF-8";
    if (!span_starts(e->key, ask->prefix))
        return "a key does not begin with the prefix asked for";
    if (e->is_group ? !ask->grouped || slash + 1 != e->key.len : ask->grouped && slash < e->key.len)
        return "keys are not grouped as asked for";
    return NULL;
}

/* NULL, or what is wrong with the entries. */
static const char *judge_page(const struct list_ask *ask, bool by_path)
{
    struct span last[2] = {SPAN_EMPTY, SPAN_EMPTY}; /* keys, groups: each kind is in order */

    for (uint32_t at = 0; at < ask->into->count; at++) {
        struct replica_entry e = replica_page_get(ask->into, at);
        const char *why = judge_entry(ask, &e);
        int order = by_path ? list_path_cmp(last[e.is_group], e.key) : span_cmp(last[e.is_group], e.key);

        if (why)
            return why;
        if (order >= 0)
            return by_path ? "keys are not in the order of paths"
                           : "keys are not in the order of their bytes (list_order: path may be the "
                             "backend's)";
        last[e.is_group] = e.key;
    }
    return NULL;
}

/* A whole answer. */
static enum err take_answer(struct replica_call *c)
{
    struct s3_list_work *w = c->list.work;
    enum err e = s3_list_reader_end(&w->reader);

    w->reading = false;
    if (e != ERR_OK)
        w->why = "its answer is no ListBucketResult";
    else if (w->reader.encoded && !decode_all(w->ask.into))
        w->why = "keys are said to be URL-encoded and are not";
    else
        w->why = judge_page(&w->ask, w->walk.order == LIST_ORDER_PATH);
    w->walk.truncated = w->reader.truncated;
    return w->why ? ERR_PROTOCOL : ERR_OK;
}

/* ---- asking ---- */

/* The next question, or the end: false: the call is over. */
static bool go_on(struct replica_call *c)
{
    struct s3_list_work *w = c->list.work;

    if (list_walk_next(&w->walk, &w->ask)) {
        c->answer.error = send_ask(c);
        return c->answer.error == ERR_OK;
    }
    c->answer.error = w->walk.failed;
    if (w->walk.failed)
        w->why = "it says that there is more and lists nothing";
    return false;
}

static bool ask_for_fewer(struct replica_call *c)
{
    struct s3_list_work *w = c->list.work;

    if (!w->overflow || w->ask.most <= FEW_ENTRIES)
        return false;
    (void)!s3_list_reader_end(&w->reader);
    w->reading = false;
    replica_page_clear(w->ask.into);
    w->ask.most = FEW_ENTRIES;
    return send_ask(c) == ERR_OK;
}

static void on_head(void *ctx, const struct http_head *head)
{
    s3_call_note_head(ctx, head);
}

static void refuse(struct replica_call *c, enum err e)
{
    struct s3_list_work *w = c->list.work;

    s3_call_break_off(c);
    if (w->overflow) {
        s3_call_over(c, ERR_CANCELLED); /* no fault of the backend's */
        if (ask_for_fewer(c))
            return;
        c->answer.error = ERR_TOO_LARGE;
    } else {
        w->why =
            w->surplus ? "it lists more entries than were asked for" : "its answer is no ListBucketResult";
        s3_call_over(c, ERR_CANCELLED);
        c->answer.error = e == ERR_NOMEM ? e : ERR_PROTOCOL;
    }
    over(c);
}

static void on_body(void *ctx)
{
    struct replica_call *c = ctx;
    char piece[READ_BYTES];
    size_t got;

    if (c->answer.status != 200) {
        s3_collect.body(c);
        return;
    }
    while (http_call_read(c->http, piece, sizeof(piece), &got) == ERR_OK) {
        enum err e = s3_list_reader_feed(&c->list.work->reader, (struct span){piece, got});

        if (e != ERR_OK) {
            refuse(c, e);
            return;
        }
    }
    if (c->list.events.progress)
        c->list.events.progress(c->ctx); /* the last thing: it may give the call up */
}

static void on_done(void *ctx, enum err result)
{
    struct replica_call *c = ctx;

    s3_call_over(c, result);
    if (c->answer.error == ERR_OK && c->answer.status == 200)
        c->answer.error = take_answer(c);
    if (c->answer.error != ERR_OK || c->answer.status != 200 || !go_on(c))
        over(c);
}

/* Parameters in the order of their names, as signatures want them. */
static struct span query_of(struct replica_call *c)
{
    const struct list_ask *a = &c->list.work->ask;
    const struct capabilities *can = &c->replica->backend->can;
    const char *grouped = a->grouped ? "delimiter=%2F&" : "", *more = a->after.len ? "&" : "";
    const char *encoding = can->url_encode == S3_NO ? "" : "encoding-type=url&";
    struct span prefix = s3_query_encode(&c->arena, a->prefix), after = s3_query_encode(&c->arena, a->after);

    if (!prefix.at || !after.at)
        return (struct span){NULL, 0};
    if (can->list_version == S3_LIST_V1)
        return arena_printf(&c->arena, "%s%s%s%.*s%smax-keys=%u&prefix=%.*s", grouped, encoding,
                            a->after.len ? "marker=" : "", SPAN_ARG(after), more, a->most, SPAN_ARG(prefix));
    return arena_printf(&c->arena, "%s%slist-type=2&max-keys=%u&prefix=%.*s%s%s%.*s", grouped, encoding,
                        a->most, SPAN_ARG(prefix), more, a->after.len ? "start-after=" : "", SPAN_ARG(after));
}

static enum err send_ask(struct replica_call *c)
{
    static const struct http_call_events events = {.head = on_head, .body = on_body, .done = on_done};
    struct s3_list_work *w = c->list.work;
    struct s3_call_request q = {.method = SPAN("GET"), .payload = SPAN(S3_EMPTY_SHA256), .repeatable = true};

    arena_reset(&c->arena);
    c->answer = (struct replica_answer){.result = REPLICA_MISSED};
    c->body = NULL;
    c->body_bytes = 0;
    c->error_body = w->overflow = w->surplus = false;
    s3_list_reader_init(&w->reader, on_item, w);
    w->reading = true;
    q.path = s3_call_bucket_path(c);
    q.query = query_of(c);
    return q.path.at && q.query.at ? s3_call_send(c, &q, &events) : ERR_NOMEM;
}

static enum list_order order_of(const struct capabilities *can)
{
    if (can->list_order == S3_LIST_ORDER_PATH)
        return LIST_ORDER_PATH;
    return can->list_after == S3_NO ? LIST_ORDER_BYTES_UNSOUND : LIST_ORDER_BYTES;
}

enum err s3_list_start(struct replica *r, struct replica_call **out, const struct replica_list *list,
                       const struct replica_list_events *events, void *ctx)
{
    struct replica_call *c = s3_call_open(r, ctx, finish);
    struct s3_list_work *w = c ? calloc(1, sizeof(*w)) : NULL;
    enum err e = ERR_TOO_LARGE;

    *out = c;
    if (!c)
        return ERR_NOMEM;
    c->list = (struct s3_list){.events = *events, .work = w};
    c->drop = drop;
    if (!w)
        e = ERR_NOMEM;
    else if (list_walk_init(&w->walk, order_of(&c->replica->backend->can), list->page, list->prefix,
                            list->grouped, list->after, list->most))
        e = go_on(c) ? ERR_OK : c->answer.error;
    if (e == ERR_OK && !c->http)
        s3_call_fail_later(c, ERR_OK); /* there is nothing to ask */
    if (e != ERR_OK) {
        s3_call_free(c);
        *out = NULL;
    }
    return e;
}
