/* What makes a backend store a body that was cut short: each form of the barrier is broken off at several places, by a
 * close in order and by a reset, over an object that was there before; some time later that object must still be
 * there. A form that is verified at its end must also be refused when what stands there is wrong.
 *
 * Not cut, unless asked for: inside the trailer. One server spins for ever then and eats memory; the gateway sends the
 * trailer in one piece for that reason. */
#include "app/probe_private.h"

#include "s3/chunked.h"

#include <stdio.h>

enum { BODY_BYTES = 700000, TEXT_BYTES = 96 };

static const struct span old_body = SPAN("what was there before");

struct form {
    const char *name;
    enum s3_barrier barrier;
    struct span payload;
    const char *tried, *means;
};

static const struct form forms[] = {
    {"trailer", S3_BARRIER_TRAILER, SPAN("STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
     "aws-chunked with a CRC32 trailer", "large bodies stream, the trailer is held back"},
    {"length", S3_BARRIER_LENGTH, SPAN(""), "Content-Length, cut short",
     "large bodies stream, the last byte is held back"},
    {"hash", S3_BARRIER_HASH, SPAN(""), "Content-Length and SHA-256, cut short",
     "bodies with a declared SHA-256 stream"},
};

/* A body as the form has it on the wire: two pieces, of which the second is what is held back. */
struct encoded {
    struct sigv4_header headers[PROBE_HEADERS_MAX];
    size_t header_count;
    struct span payload, first, held;
    char *memory;
    char held_text[S3_TRAILER_MAX], decoded[24], hash[2 * SHA256_BYTES];
};

static void encode_frames(struct encoded *e, struct span body, bool right)
{
    uint32_t crc = crc32_add(0, body.at, body.len) ^ (right ? 0 : 1);
    const uint8_t value[4] = {(uint8_t)(crc >> 24), (uint8_t)(crc >> 16), (uint8_t)(crc >> 8), (uint8_t)crc};
    char *at = e->memory;

    for (uint64_t offset = 0; offset < body.len; offset += S3_FRAME_BYTES) {
        at += s3_chunked_frame_head(body.len, offset, at);
        at = span_put(at, span_head(span_skip(body, offset), S3_FRAME_BYTES));
    }
    e->first = (struct span){e->memory, (size_t)(at - e->memory)};
    e->held =
        (struct span){e->held_text, s3_chunked_trailer(body.len, S3_CHECKSUM_CRC32, value, e->held_text)};
    snprintf(e->decoded, sizeof(e->decoded), "%zu", body.len);
    e->headers[e->header_count++] =
        (struct sigv4_header){SPAN("x-amz-decoded-content-length"), span_of(e->decoded)};
    e->headers[e->header_count++] =
        (struct sigv4_header){SPAN("x-amz-trailer"), SPAN("x-amz-checksum-crc32")};
}

static void encode(struct probe *p, struct encoded *e, const struct form *f, bool right)
{
    struct span body = span_head(p->large, BODY_BYTES);
    uint8_t sum[SHA256_BYTES];

    *e = (struct encoded){.payload = f->payload};
    if (f->barrier == S3_BARRIER_TRAILER) {
        e->memory = arena_alloc(&p->kept, BODY_BYTES + 16 * S3_FRAME_HEAD_MAX);
        if (e->memory)
            encode_frames(e, body, right);
        else
            p->broken = "out of memory";
        return;
    }
    e->first = span_head(body, body.len - 1);
    e->held = span_skip(body, body.len - 1);
    if (f->barrier != S3_BARRIER_HASH)
        return;
    sha256_of(body, sum);
    sum[0] ^= right ? 0 : 1;
    hex_encode(sum, sizeof(sum), e->hash);
    e->payload = (struct span){e->hash, sizeof(e->hash)};
}

static void send_form(struct probe *p, struct span key, const struct encoded *e, enum wire_end end,
                      size_t bytes, struct wire_answer *a)
{
    struct probe_request q = {.method = SPAN("PUT"),
                              .key = key,
                              .header_count = e->header_count,
                              .payload = e->payload,
                              .body = {e->first, e->held},
                              .end = end,
                              .send_bytes = bytes};

    memcpy(q.headers, e->headers, sizeof(q.headers));
    probe_send(p, &q, a);
}

/* --- cuts ------------------------------------------------------------------------------------------------- */

enum cut { CUT_HEAD, CUT_FIRST, CUT_HALF, CUT_HELD, CUT_TRAILER, CUTS };

static const char *const cut_names[CUTS] = {"behind the head", "behind the first byte", "half way",
                                            "before what is held back", "inside the trailer"};

static size_t cut_at(const struct encoded *e, enum cut cut)
{
    switch (cut) {
    case CUT_HEAD: return 0;
    case CUT_FIRST: return e->first.len > 64 ? 64 : 1; /* of the body: a frame's head is before it */
    case CUT_HALF: return e->first.len / 2;
    case CUT_HELD: return e->first.len;
    default: return e->first.len + e->held.len - 6;
    }
}

struct
try {
    struct span key;
    enum cut cut;
    bool reset;
};

static size_t cut_all(struct probe *p, const struct form *f, const struct encoded *e,
                      struct try tries[2 * CUTS])
{
    bool harsh = p->options->harsh && f->barrier == S3_BARRIER_TRAILER;
    size_t count = 0;

    for (int cut = 0; cut < (harsh ? CUTS : CUT_TRAILER); cut++) {
        for (int reset = 0; reset < 2 && !p->broken; reset++) {
            char name[TEXT_BYTES];
            struct wire_answer a;

            snprintf(name, sizeof(name), "cut-%s-%d-%d", f->name, cut, reset);
            tries[count] = (struct try){probe_key(p, name), (enum cut)cut, reset};
            if (p->broken || probe_put(p, tries[count].key, old_body) != 200)
                continue;
            send_form(p, tries[count].key, e, reset ? WIRE_RESET : WIRE_CLOSE, cut_at(e, (enum cut)cut), &a);
            count++;
        }
    }
    return count;
}

/* Which of them changed the object; "" for none. *matters: at one of these places the gateway itself may break off. */
static const char *look(struct probe *p, const struct try *tries, size_t count, bool *matters)
{
    const char *seen = "";

    for (size_t i = 0; i < count && !p->broken; i++) {
        if (probe_shows(p, tries[i].key, old_body))
            continue;
        *matters |= tries[i].cut != CUT_HEAD && tries[i].cut != CUT_TRAILER;
        seen = probe_text(p, "%s%s%s %s", seen, *seen ? ", " : "", tries[i].reset ? "reset" : "closed",
                          cut_names[tries[i].cut]);
    }
    return seen;
}

/* --- a form ----------------------------------------------------------------------------------------------- */

static bool is_stored_right(struct probe *p, const struct form *f, const char **status)
{
    char name[TEXT_BYTES];
    struct encoded e;
    struct wire_answer a;
    struct span key;

    snprintf(name, sizeof(name), "whole-%s", f->name);
    key = probe_key(p, name);
    encode(p, &e, f, true);
    send_form(p, key, &e, WIRE_ANSWER, 0, &a);
    *status = probe_status(p, &a);
    if (!probe_ok(&a))
        return false;
    if (probe_shows(p, key, span_head(p->large, BODY_BYTES)))
        return true;
    *status = "stored as something else";
    return false;
}

static bool is_refused_wrong(struct probe *p, const struct form *f, const char **status)
{
    char name[TEXT_BYTES];
    struct encoded e;
    struct wire_answer a;
    struct span key;

    if (f->barrier == S3_BARRIER_LENGTH)
        return true; /* nothing there could be wrong */
    snprintf(name, sizeof(name), "wrong-%s", f->name);
    key = probe_key(p, name);
    encode(p, &e, f, false);
    probe_put(p, key, old_body);
    send_form(p, key, &e, WIRE_ANSWER, 0, &a);
    *status = probe_status(p, &a);
    return probe_refused(&a) && probe_shows(p, key, old_body);
}

static void check_form(struct probe *p, const struct form *f)
{
    const char *name = probe_text(p, "barrier: %s", f->name), *status = "", *stored;
    struct try tries[2 * CUTS];
    bool matters = false;
    struct encoded e;
    size_t count;

    if (!is_stored_right(p, f, &status)) {
        probe_find(p, name, f->tried, probe_text(p, "whole: %s", status), "not to be used");
        return;
    }
    if (!is_refused_wrong(p, f, &status)) {
        probe_find(p, name, f->tried, probe_text(p, "a wrong checksum: %s, STORED", status),
                   "not to be used");
        return;
    }
    encode(p, &e, f, true);
    if (p->broken)
        return;
    count = cut_all(p, f, &e, tries);
    (void)wire_pause(&p->wire, PROBE_SETTLE_MS);
    stored = look(p, tries, count, &matters);
    if (!p->broken && !matters)
        p->safe_barriers |= 1u << f->barrier;
    probe_find(p, name, f->tried,
               *stored ? probe_text(p, "STORED when %s", stored)
                       : probe_text(p, "old object kept at each of %zu cuts", count),
               matters ? "not to be used" : f->means);
}

/* With the one that costs least; where none is safe, in parts (probe_uploads.c). */
void probe_barriers(struct probe *p)
{
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]) && !p->broken; i++)
        check_form(p, &forms[i]);
    for (size_t i = 0; i < 2 && !p->found.barrier; i++)
        if (p->safe_barriers & 1u << forms[i].barrier)
            p->found.barrier = forms[i].barrier;
}
