/* Requests of a probe: signed here, sent over probe_wire. Whatever goes wrong on the way is an answer without a status; once
 * the requests or the time are spent, or somebody wants an end, the probe is broken and nothing more is sent. */
#include "app/probe_private.h"

#include "s3/document.h"

#include <stdarg.h>
#include <stdio.h>

const char *probe_text(struct probe *p, const char *format, ...)
{
    char text[1024];
    va_list args;
    struct span kept;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    kept = arena_dup(&p->kept, span_of(text));
    if (!kept.at)
        p->broken = "out of memory";
    return kept.at ? kept.at : "";
}

void probe_find(struct probe *p, const char *name, const char *tried, const char *seen, const char *means)
{
    if (!p->broken && p->finding_count < PROBE_FINDINGS_MAX)
        p->findings[p->finding_count++] = (struct probe_finding){name, tried, seen, means};
}

static void trace(struct probe *p, struct span key, struct span upload_id)
{
    if (p->trace_count == PROBE_TRACES_MAX)
        p->broken = "too much to be removed";
    else
        p->traces[p->trace_count++] = (struct probe_trace){key, upload_id};
}

struct span probe_key(struct probe *p, const char *name)
{
    struct span key = arena_printf(&p->kept, "%s%s", p->prefix, name);

    if (key.at)
        trace(p, key, SPAN_EMPTY);
    else
        p->broken = "out of memory";
    return key;
}

void probe_trace_upload(struct probe *p, struct span key, struct span upload_id)
{
    trace(p, key, upload_id);
}

static const char *not_any_more(struct probe *p)
{
    if (*p->wire.stopped)
        return "interrupted";
    if (p->requests >= PROBE_REQUESTS_MAX)
        return "it takes too many requests";
    if (clock_mono_ms(loop_clock(p->wire.loop)) >= p->deadline_ms)
        return "it takes too long";
    return NULL;
}

static struct span path_of(struct probe *p, struct span key)
{
    struct span encoded = s3_path_encode(&p->arena, key);

    if (!encoded.at)
        return encoded;
    return arena_printf(&p->arena, "/%s%s%.*s", p->bucket, key.len ? "/" : "", SPAN_ARG(encoded));
}

static struct span signed_head(struct probe *p, const struct probe_request *q)
{
    const struct sigv4_request r = {
        .method = q->method,
        .host = p->host_field,
        .path = path_of(p, q->key),
        .query = q->query,
        .headers = q->headers,
        .header_count = q->header_count,
        .payload = q->payload.len ? q->payload : SPAN("UNSIGNED-PAYLOAD"),
        .has_length = span_is(q->method, "PUT") || span_is(q->method, "POST"),
        .length = q->body[0].len + q->body[1].len,
        .now_unix_s = clock_unix_ms(loop_clock(p->wire.loop)) / 1000,
    };

    return r.path.at ? sigv4_sign(&p->signer, &r, &p->arena) : r.path;
}

void probe_send(struct probe *p, const struct probe_request *q, struct wire_answer *a)
{
    size_t most = q->end == WIRE_ANSWER ? SIZE_MAX : q->send_bytes;
    struct wire_request w = {.head_only = span_is(q->method, "HEAD"), .end = q->end};

    *a = (struct wire_answer){.error = ERR_CANCELLED, .body = SPAN_EMPTY};
    if (!p->broken)
        p->broken = not_any_more(p);
    if (p->broken)
        return;
    p->requests++;
    arena_reset(&p->arena);
    w.pieces[0] = signed_head(p, q);
    if (!w.pieces[0].at) {
        a->error = ERR_NOMEM;
        return;
    }
    w.pieces[1] = span_head(q->body[0], most);
    w.pieces[2] = span_head(q->body[1], most - w.pieces[1].len);
    wire_exchange(&p->wire, &w, a);
}

bool probe_ok(const struct wire_answer *a)
{
    struct arena arena;
    struct span code, message;
    bool is_error;

    if (a->error != ERR_OK || a->status < 200 || a->status >= 300)
        return false;
    arena_init(&arena, 256 * 1024);
    is_error = a->body.len && s3_body_is_error(a->body, &arena, &code, &message);
    arena_fini(&arena);
    return !is_error;
}

bool probe_refused(const struct wire_answer *a)
{
    return a->status >= 400 && a->status < 500;
}

const char *probe_status(struct probe *p, const struct wire_answer *a)
{
    struct arena arena;
    struct span code = SPAN_EMPTY, message;
    const char *text;

    if (!a->status)
        return probe_text(p, "no answer: %s", err_text(a->error));
    arena_init(&arena, 256 * 1024);
    if (a->body.len)
        (void)s3_body_is_error(a->body, &arena, &code, &message);
    text = probe_text(p, "%u%s%.*s", a->status, code.len ? " " : "", SPAN_ARG(code));
    arena_fini(&arena);
    return text;
}

unsigned probe_put(struct probe *p, struct span key, struct span body)
{
    uint8_t sum[MD5_BYTES];
    char text[BASE64_MD5_CHARS];
    struct wire_answer a;
    struct md5 h;

    md5_init(&h);
    md5_add(&h, body.at, body.len);
    md5_end(&h, sum);
    base64_encode(sum, sizeof(sum), text);
    probe_send(p,
               &(struct probe_request){.method = SPAN("PUT"),
                                       .key = key,
                                       .headers = {{SPAN("content-md5"), {text, sizeof(text)}}},
                                       .header_count = 1,
                                       .body = {body}},
               &a);
    return a.error == ERR_OK ? a.status : 0;
}

bool probe_shows(struct probe *p, struct span key, struct span body)
{
    struct wire_answer a;

    probe_send(p, &(struct probe_request){.method = SPAN("GET"), .key = key}, &a);
    return probe_ok(&a) && span_eq(a.body, body);
}
