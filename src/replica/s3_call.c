/* One request and its answer.
 *
 * What a backend could have done with a request is read off two numbers: how many bytes of it the kernel has
 * taken, and how many could be taken before the barrier. An answer is believed when its body has been read to
 * the end and is no <Error>: some servers say 200 first and fail afterwards. A status of 4xx is a refusal, however
 * the rest of that answer ends, and so is 501; everything else that came past the barrier and is no clean 2xx leaves it open
 * whether the request took effect. */
#include "replica/s3_call.h"

#include "s3/document.h"
#include "s3/request.h"

#include <assert.h>
#include <stdlib.h>

enum {
    ANSWER_BYTES_MAX = 64 * 1024, /* an answer's body beyond this is no S3 answer */
    ARENA_BYTES_MAX = 512 * 1024, /* head, signature text, answer, its parser */
};

static void on_failed(struct timer *t)
{
    struct replica_call *c = LIST_ENTRY(t, struct replica_call, failed);

    c->finish(c);
    s3_call_free(c);
}

struct replica_call *s3_call_open(struct replica *r, void *ctx, void (*finish)(struct replica_call *c))
{
    struct replica_call *c = calloc(1, sizeof(*c));

    if (!c)
        return NULL;
    c->replica = LIST_ENTRY(r, struct s3_replica, base);
    c->replica->calls++;
    c->ctx = ctx;
    c->finish = finish;
    arena_init(&c->arena, ARENA_BYTES_MAX);
    timer_init(&c->failed, on_failed);
    list_init(&c->left);
    return c;
}

void s3_call_break_off(struct replica_call *c)
{
    if (!c->http)
        return;
    c->sent_bytes = http_call_sent_bytes(c->http);
    http_call_abort(c->http);
    c->http = NULL;
}

/* Whoever gives a call up has reasons of his own, unless the answer's head said that the backend fails. */
static void tell_given_up(struct replica_call *c)
{
    struct health *h = &c->replica->backend->health;

    if (c->answer.status >= 500)
        health_end(h, false, 0);
    else
        health_forget(h);
}

void s3_call_free(struct replica_call *c)
{
    if (c->http) {
        tell_given_up(c);
        s3_call_break_off(c);
    }
    if (c->drop)
        c->drop(c);
    clock_stop(c->replica->backend->clock, &c->failed);
    c->replica->calls--;
    list_remove(&c->left);
    arena_fini(&c->arena);
    free(c);
}

struct span s3_call_path(struct replica_call *c, struct span key)
{
    struct span remote = c->replica->remote, encoded;
    char *path, *p;

    assert(key.len); /* without a key it would be the bucket that is deleted */
    encoded = s3_path_encode(&c->arena, key);
    path = encoded.at ? arena_alloc(&c->arena, remote.len + encoded.len + 2) : NULL;
    if (!path)
        return (struct span){NULL, 0};
    *path = '/';
    p = mempcpy(path + 1, remote.at, remote.len);
    *p = '/';
    memcpy(p + 1, encoded.at, encoded.len);
    return (struct span){path, remote.len + encoded.len + 2};
}

struct span s3_call_part_query(struct replica_call *c, uint32_t number, struct span upload_id)
{
    struct span id = s3_query_encode(&c->arena, upload_id);

    if (!id.at || !id.len)
        return id.at ? arena_printf(&c->arena, "partNumber=%u", number) : id;
    return arena_printf(&c->arena, "partNumber=%u&uploadId=%.*s", number, SPAN_ARG(id));
}

struct span s3_call_bucket_path(struct replica_call *c)
{
    return arena_printf(&c->arena, "/%.*s", SPAN_ARG(c->replica->remote));
}

struct sigv4_header *s3_call_headers(struct replica_call *c, const struct http_header *headers, size_t count,
                                     size_t more)
{
    struct sigv4_header *out = arena_alloc(&c->arena, (count + more) * sizeof(*out));

    for (size_t i = 0; out && i < count; i++) {
        char *name = arena_alloc(&c->arena, headers[i].name.len);

        out[i].value = arena_dup(&c->arena, headers[i].value);
        if (!name || !out[i].value.at)
            return NULL;
        for (size_t k = 0; k < headers[i].name.len; k++) {
            char letter = headers[i].name.at[k];

            name[k] = letter >= 'A' && letter <= 'Z' ? (char)(letter + 32) : letter;
        }
        out[i].name = (struct span){name, headers[i].name.len};
    }
    return out;
}

enum err s3_call_send(struct replica_call *c, const struct s3_call_request *q,
                      const struct http_call_events *events)
{
    struct s3_backend *b = c->replica->backend;
    struct sigv4_request sign = {
        .method = q->method,
        .host = b->host_field,
        .path = q->path,
        .query = q->query,
        .headers = q->headers,
        .header_count = q->header_count,
        .payload = q->payload,
        .has_length = q->has_length,
        .length = q->length,
        .now_unix_s = clock_unix_ms(b->clock) / 1000,
    };
    struct http_request request = {
        .source = q->length ? q->source : NULL,
        .source_ctx = c,
        .head_only = span_is(q->method, "HEAD"),
        .repeatable = q->repeatable,
    };
    enum err e;

    if (q->header_count > SIGV4_HEADERS_MAX)
        return ERR_TOO_LARGE;
    c->head = sigv4_sign(&b->signer, &sign, &c->arena);
    if (!c->head.at)
        return ERR_NOMEM;
    request.head = c->head;
    c->request_bytes = c->head.len + q->length;
    c->barrier_bytes = q->held_bytes ? c->request_bytes - q->held_bytes : 0;
    c->asked_ms = clock_mono_ms(b->clock);
    e = http_call_start(&c->http, b->origin, &request, events, c);
    if (e) {
        c->http = NULL;
        return e;
    }
    health_begin(&b->health);
    return ERR_OK;
}

void s3_call_note_head(struct replica_call *c, const struct http_head *head)
{
    const struct span *etag = http_header(head, "etag");

    c->answer.status = head->status;
    c->took_ms = clock_mono_ms(c->replica->backend->clock) - c->asked_ms;
    if (etag && etag->len < ETAG_CHARS_MAX)
        memcpy(c->answer.etag, etag->at, etag->len);
    if (c->seen)
        c->seen(c, head);
}

static bool past_barrier(const struct replica_call *c)
{
    return (c->http ? http_call_sent_bytes(c->http) : c->sent_bytes) > c->barrier_bytes;
}

/* 501: the server cannot do that at all (RFC 9110 section 15.6.2). */
static bool is_refusal(unsigned status)
{
    return (status >= 400 && status < 500) || status == 501;
}

static enum replica_result judge(const struct replica_call *c)
{
    const struct replica_answer *a = &c->answer;

    if (a->error == ERR_OK && a->status == c->stored_status && a->status &&
        (!c->stored_code || strcmp(a->code, c->stored_code) == 0))
        return REPLICA_STORED;
    if (is_refusal(a->status))
        return REPLICA_MISSED;
    if (a->error == ERR_OK && a->status >= 200 && a->status < 300 && !c->error_body)
        return REPLICA_STORED;
    return past_barrier(c) ? REPLICA_UNRESOLVED : REPLICA_MISSED;
}

/* Errors that are the backend's doing, not ours. */
static bool blames_backend(enum err e)
{
    switch (e) {
    case ERR_EOF:
    case ERR_TIMEOUT:
    case ERR_REFUSED:
    case ERR_RESET:
    case ERR_DNS:
    case ERR_TLS:
    case ERR_PROTOCOL:
    case ERR_TOO_LARGE: return true;
    default: return false;
    }
}

static void tell_health(struct replica_call *c)
{
    struct health *h = &c->replica->backend->health;

    if (c->answer.error == ERR_OK)
        health_end(h, c->answer.status < 500 || is_refusal(c->answer.status), c->took_ms);
    else if (blames_backend(c->answer.error))
        health_end(h, false, 0);
    else
        health_forget(h);
}

static void read_error_body(struct replica_call *c)
{
    struct span code = SPAN_EMPTY, message = SPAN_EMPTY;

    if (c->body_bytes == 0)
        return;
    c->error_body = s3_body_is_error((struct span){c->body, c->body_bytes}, &c->arena, &code, &message);
    if (c->error_body && code.len < CODE_CHARS_MAX)
        memcpy(c->answer.code, code.at, code.len);
}

void s3_call_over(struct replica_call *c, enum err result)
{
    if (c->http) {
        c->sent_bytes = http_call_sent_bytes(c->http);
        c->http = NULL;
    }
    /* A success for a request that was not sent to its end is no answer to it. */
    if (result == ERR_OK && c->answer.status < 300 && c->sent_bytes < c->request_bytes)
        result = ERR_PROTOCOL;
    c->answer.error = result;
    tell_health(c);
    read_error_body(c);
    c->answer.result = judge(c);
}

static void collect_head(void *ctx, const struct http_head *head)
{
    s3_call_note_head(ctx, head);
}

static void collect_done(void *ctx, enum err result)
{
    struct replica_call *c = ctx;

    s3_call_over(c, result);
    c->finish(c);
    s3_call_free(c);
}

static void collect_body(void *ctx)
{
    struct replica_call *c = ctx;
    size_t got;

    if (!c->body)
        c->body = arena_alloc(&c->arena, ANSWER_BYTES_MAX + 1);
    while (c->body && c->body_bytes <= ANSWER_BYTES_MAX) {
        if (http_call_read(c->http, c->body + c->body_bytes, ANSWER_BYTES_MAX + 1 - c->body_bytes, &got))
            return; /* `body` or `done` follows */
        c->body_bytes += got;
    }
    s3_call_break_off(c);
    collect_done(c, c->body ? ERR_TOO_LARGE : ERR_NOMEM);
}

const struct http_call_events s3_collect = {.head = collect_head, .body = collect_body, .done = collect_done};

void s3_call_fail_later(struct replica_call *c, enum err error)
{
    c->answer.error = error;
    c->answer.result = REPLICA_MISSED;
    clock_start(c->replica->backend->clock, &c->failed, 0);
}

enum replica_result s3_call_abandon(struct replica_call *c)
{
    enum replica_result result;

    if (c->in_parts)
        return s3_parts_abandon(c);
    c->answer.error = ERR_CANCELLED;
    result = judge(c);
    s3_call_free(c);
    return result;
}
