/* One Complete.
 *
 *   TAKE --> READ (pages of parts, matched with the list) --> WRITE --> verdict --> DONE (journal) --> done
 *    |         |                                              |            `failed-.
 *    |         `--- the list is wrong ------------------------`--- refused ---> BACK (journal) --> done
 *    `--- another one has it, it is done, or there is none --> done
 *
 * TAKE moves the upload from open to completing, durably and in this one's name: from then on no part is recorded and no
 * other Complete or abort begins, on any loop. BACK makes it open again. It and DONE are tried until they are durable, or a
 * restart makes it open; the owner hears when the first try has ended. A TAKE without an answer counts as either, and is
 * taken BACK. The write is an ordinary one (fanout/write.h): its row is the intent, and replicas that lack a part have missed
 * it from the start.
 *
 * A Complete that comes again, for its answer was lost, finds the upload done and is answered the same. One that comes after
 * a failure or a crash is a new write with a row of its own: a replica that has completed the upload already shows its
 * stamp, and that counts as stored.
 *
 * With `wait: need` a part may be acknowledged while some replica still receives it. Such a replica is waited for,
 * stall_ms at most.
 *
 * DONE also makes the object's manifest durable (s3/manifest.h), which no replica can be told: it is known at the end only. */
#include "fanout/upload.h"

#include "base/count.h"
#include "base/log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { LOOK_AGAIN_MS = 50, LEAVE_AGAIN_MS = 1000, RESULT_BYTES_MAX = 512 };

enum complete_state { COMPLETE_TAKE, COMPLETE_READ, COMPLETE_WRITE, COMPLETE_END };

struct upload_complete {
    struct env *env;
    const struct upload_complete_events *events; /* NULL: the owner has left */
    void *ctx;
    enum complete_state state;
    struct replica_set set;
    struct ack_policy ack;
    struct journal_key key;
    struct stamp id;
    uint64_t taker;
    struct upload_list list;
    struct upload_claims claims;

    struct journal_upload_step step;
    struct journal_upload_read read;
    struct upload *upload;
    struct upload_match match;
    bool matching, tried;
    struct timer timer; /* another look at the parts; another try of DONE or BACK */
    uint64_t waits_till_ms;
    struct write *write;
    struct write_verdict verdict;
    bool has_verdict;
    /* what will be told */
    enum s3_code code;
    const char *message;
    char message_text[160];
    char result[RESULT_BYTES_MAX];
    size_t result_bytes;
    char key_bytes[];
};

static struct journal *journal_of(const struct upload_complete *c)
{
    return c->env->journal;
}

static void drop_match(struct upload_complete *c)
{
    if (c->matching)
        upload_match_fini(&c->match);
    c->matching = false;
    free(c->upload);
    c->upload = NULL;
}

static void tell(struct upload_complete *c)
{
    const struct upload_complete_events *events = c->events;
    struct upload_completed out = {.code = c->code,
                                   .message = c->message,
                                   .result = {c->result, c->result_bytes},
                                   .verdict = c->has_verdict ? &c->verdict : NULL};

    c->events = NULL;
    if (events)
        events->done(c->ctx, &out);
}

static void end(struct upload_complete *c)
{
    tell(c);
    clock_stop(c->env->clock, &c->timer);
    COUNT_ADD(c->env->writes_open, -1);
    journal_upload_read_fini(&c->read);
    drop_match(c);
    upload_list_fini(&c->list);
    free(c);
}

static void fail(struct upload_complete *c, enum s3_code code, const char *message)
{
    c->code = code;
    c->message = message;
    if (message) {
        snprintf(c->message_text, sizeof(c->message_text), "%s", message);
        c->message = c->message_text;
    }
}

static void send_step(struct upload_complete *c, uint32_t from, enum upload_state to,
                      void (*done)(struct journal_request *, enum err))
{
    c->step.key = c->key;
    c->step.id = c->id;
    c->step.from = from;
    c->step.to = (uint8_t)to;
    c->step.taker = c->taker;
    c->step.request.done = done;
    journal_of(c)->ops->upload_step(journal_of(c), &c->step);
}

/* ---- the end of it ---- */

static void on_left(struct journal_request *r, enum err e)
{
    struct upload_complete *c = LIST_ENTRY(r, struct upload_complete, step.request);

    if (e == ERR_OK || e == ERR_NOT_FOUND || e == ERR_EXISTS) {
        end(c);
        return;
    }
    log_error("upload_not_left", LOG_SPAN("key", c->key.key), LOG_STR("cause", err_text(e)));
    clock_start(c->env->clock, &c->timer, LEAVE_AGAIN_MS);
    tell(c); /* nobody waits for a journal that fails */
}

/* The upload is let go of: done, or open again. The owner is told what there is in `code` and `verdict`. */
static void leave_upload(struct upload_complete *c, enum upload_state to)
{
    c->state = COMPLETE_END;
    send_step(c, UPLOAD_IN(UPLOAD_COMPLETING), to, on_left);
}

static void go_back(struct upload_complete *c)
{
    drop_match(c);
    leave_upload(c, UPLOAD_OPEN);
}

/* ---- the write ---- */

/* <ETag>&quot;...&quot;</ETag>, and the checksum. */
static void print_result(struct upload_complete *c)
{
    const char *etag = c->verdict.etag[0] ? c->verdict.etag : c->match.etag;
    struct span bare = span_of(etag);
    int n;

    if (bare.len >= 2 && bare.at[0] == '"')
        bare = (struct span){bare.at + 1, bare.len - 2};
    n = snprintf(c->result, sizeof(c->result), "<ETag>&quot;%.*s&quot;</ETag>", SPAN_ARG(bare));
    if (c->match.checksum[0]) {
        struct span element = s3_checksum_kind((enum s3_checksum)c->upload->checksum)->element;

        n += snprintf(c->result + n, sizeof(c->result) - (size_t)n,
                      "<%.*s>%s</%.*s><ChecksumType>%s</ChecksumType>", SPAN_ARG(element), c->match.checksum,
                      SPAN_ARG(element), c->upload->full_object ? "FULL_OBJECT" : "COMPOSITE");
    }
    c->result_bytes = (size_t)n;
}

static void on_verdict(void *ctx, const struct write_verdict *v)
{
    struct upload_complete *c = ctx;

    c->write = NULL;
    c->verdict = *v;
    c->has_verdict = true;
    if (v->result != ERR_OK) {
        fail(c, S3_SERVICE_UNAVAILABLE, NULL);
        go_back(c);
        return;
    }
    print_result(c);
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++)
        if (v->marks[slot] == WRITE_STORED)
            c->step.gone |= 1u << slot;
    c->step.result = (struct span){c->result, c->result_bytes};
    c->step.manifest = (struct span){c->match.manifest.at, c->match.manifest.len};
    c->step.version = v->version;
    leave_upload(c, UPLOAD_DONE);
}

static void on_held(void *ctx)
{
    struct upload_complete *c = ctx;

    c->events->held(c->ctx);
}

static const struct write_events write_events = {.held = on_held, .verdict = on_verdict};

/* Each document is copied behind the one before, each once: the write keeps them as long as a replica needs them. */
static bool fill_documents(struct upload_complete *c, struct write_upload *u)
{
    const struct upload_match *m = &c->match;
    size_t bytes = m->document.len;
    char *at;

    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++)
        bytes += m->own[slot].len;
    u->text = at = malloc(bytes);
    if (!at)
        return false;
    at = span_put(at, (struct span){m->document.at, m->document.len});
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++) {
        struct span document = upload_match_document(m, slot);

        if (!(m->holders & 1u << slot))
            continue;
        u->ids[slot] = c->upload->ids[slot];
        u->documents[slot] = (struct span){u->text, document.len};
        if (m->own[slot].at) {
            u->documents[slot].at = at;
            at = span_put(at, document);
        }
    }
    return true;
}

static void open_write(struct upload_complete *c)
{
    struct write_upload u = {.id = c->id, .tried = c->tried, .object_bytes = c->match.bytes};
    struct write_spec spec = {
        .key = c->key, .replicas = &c->set, .ack = c->ack, .kind = ROW_PUT, .upload = &u};
    enum err e = fill_documents(c, &u) ? ERR_OK : ERR_NOMEM;

    if (e == ERR_OK)
        e = write_open(&c->write, c->env, &spec, &write_events, c);
    if (e != ERR_OK) {
        fail(c, S3_SERVICE_UNAVAILABLE,
             "Too few replicas that have all parts can be reached. Please try again.");
        go_back(c);
        return;
    }
    c->state = COMPLETE_WRITE;
    c->events->opened(c->ctx, c->write);
}

/* ---- the parts ---- */

static void read_parts(struct upload_complete *c, uint32_t after);

/* Replicas that lack a part and were not dropped for it are still receiving it. */
static bool worth_waiting(const struct upload_complete *c)
{
    uint32_t late = upload_slots(c->upload) & ~c->upload->dropped & ~c->match.holders;

    if (c->ack.wait_all || clock_mono_ms(c->env->clock) >= c->waits_till_ms)
        return false;
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++)
        if (late & c->set.mask & 1u << slot && c->set.by_slot[slot] && replica_usable(c->set.by_slot[slot]))
            return true;
    return false;
}

static void matched(struct upload_complete *c)
{
    enum s3_code code = upload_match_end(&c->match);

    if (code == S3_OK && worth_waiting(c)) {
        clock_start(c->env->clock, &c->timer, LOOK_AGAIN_MS);
        return;
    }
    if (code == S3_OK)
        code = upload_match_check(&c->match, &c->claims);
    if (code == S3_OK && c->events) {
        open_write(c);
        return;
    }
    fail(c, code, c->match.message);
    go_back(c);
}

static uint32_t checksummed(const struct upload_complete *c)
{
    uint32_t slots = 0;

    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++)
        if (c->set.mask & 1u << slot && c->set.by_slot[slot] && c->set.by_slot[slot]->can &&
            c->set.by_slot[slot]->can->checksum_headers & 1u << c->upload->checksum)
            slots |= 1u << slot;
    return slots;
}

static void on_read(struct journal_request *r, enum err e)
{
    struct upload_complete *c = LIST_ENTRY(r, struct upload_complete, read.request);
    bool last = c->read.count < JOURNAL_PAGE_PARTS;
    uint32_t after = c->read.count ? c->read.parts[c->read.count - 1].number : 0;
    enum s3_code code;

    if (e != ERR_OK) {
        fail(c, S3_SERVICE_UNAVAILABLE, NULL);
        go_back(c);
        return;
    }
    if (!c->matching) {
        c->upload = c->read.upload;
        c->read.upload = NULL;
        upload_match_init(&c->match, &c->list, c->upload, checksummed(c), c->env->terms.part_bytes_min);
        c->matching = true;
    }
    code = upload_match_page(&c->match, c->read.parts, c->read.count);
    journal_upload_read_fini(&c->read);
    if (code != S3_OK) {
        fail(c, code, c->match.message);
        go_back(c);
    } else if (last) {
        matched(c);
    } else {
        read_parts(c, after);
    }
}

static void read_parts(struct upload_complete *c, uint32_t after)
{
    c->read.key = c->key;
    c->read.id = c->id;
    c->read.with_parts = true;
    c->read.after = after;
    c->read.request.done = on_read;
    journal_of(c)->ops->upload_read(journal_of(c), &c->read);
}

static void on_timer(struct timer *t)
{
    struct upload_complete *c = LIST_ENTRY(t, struct upload_complete, timer);

    if (c->state == COMPLETE_END) {
        leave_upload(c, (enum upload_state)c->step.to);
        return;
    }
    assert(c->state == COMPLETE_READ);
    drop_match(c);
    read_parts(c, 0);
}

/* ---- the beginning ---- */

/* It was completed before: the same answer again. */
static void on_result(struct journal_request *r, enum err e)
{
    struct upload_complete *c = LIST_ENTRY(r, struct upload_complete, read.request);

    if (e != ERR_OK) {
        fail(c, e == ERR_NOT_FOUND ? S3_NO_SUCH_UPLOAD : S3_SERVICE_UNAVAILABLE, NULL);
    } else {
        struct span result = span_head(c->read.upload->result, RESULT_BYTES_MAX);

        c->result_bytes = result.len;
        span_put(c->result, result);
    }
    end(c);
}

static void not_taken(struct upload_complete *c, enum err e)
{
    if (e == ERR_EXISTS && c->step.state == UPLOAD_DONE) {
        c->read.key = c->key;
        c->read.id = c->id;
        c->read.request.done = on_result;
        journal_of(c)->ops->upload_read(journal_of(c), &c->read);
        return;
    }
    if (e != ERR_EXISTS && e != ERR_NOT_FOUND) { /* it may be ours all the same */
        fail(c, S3_SERVICE_UNAVAILABLE, NULL);
        go_back(c);
        return;
    }
    if (e == ERR_EXISTS && c->step.state == UPLOAD_COMPLETING)
        fail(c, S3_SERVICE_UNAVAILABLE, "Another request is completing this upload. Please try again.");
    else
        fail(c, S3_NO_SUCH_UPLOAD, NULL);
    end(c);
}

static void on_taken(struct journal_request *r, enum err e)
{
    struct upload_complete *c = LIST_ENTRY(r, struct upload_complete, step.request);

    if (e != ERR_OK) {
        not_taken(c, e);
        return;
    }
    c->tried = c->step.tried;
    c->state = COMPLETE_READ;
    c->waits_till_ms = clock_mono_ms(c->env->clock) + c->env->terms.stall_ms;
    if (c->list.out_of_order) {
        fail(c, S3_INVALID_PART_ORDER, NULL);
        go_back(c);
        return;
    }
    read_parts(c, 0);
}

enum err upload_complete_start(struct upload_complete **out, struct env *env,
                               const struct upload_complete_spec *spec,
                               const struct upload_complete_events *events, void *ctx)
{
    struct upload_complete *c = calloc(1, sizeof(*c) + spec->key.key.len);

    *out = c;
    if (!c)
        return ERR_NOMEM;
    c->env = env;
    c->events = events;
    c->ctx = ctx;
    c->set = *spec->replicas;
    c->ack = spec->ack;
    span_put(c->key_bytes, spec->key.key);
    c->key = (struct journal_key){spec->key.bucket, {c->key_bytes, spec->key.key.len}};
    c->id = spec->id;
    c->taker = random_u64(env->random);
    c->list = *spec->list;
    *spec->list = (struct upload_list){0};
    c->claims = spec->claims;
    timer_init(&c->timer, on_timer);
    COUNT_ADD(env->writes_open, 1);
    send_step(c, UPLOAD_IN(UPLOAD_OPEN), UPLOAD_COMPLETING, on_taken);
    return ERR_OK;
}

bool upload_complete_can_refuse(const struct upload_complete *c)
{
    return c->state == COMPLETE_WRITE && c->write && !write_is_verified(c->write);
}

static void leave_write(struct upload_complete *c)
{
    if (!upload_complete_can_refuse(c))
        return;
    write_leave(c->write);
    c->write = NULL;
    go_back(c);
}

void upload_complete_leave(struct upload_complete *c)
{
    c->events = NULL;
    leave_write(c);
}

void upload_complete_refuse(struct upload_complete *c, enum s3_code code, const char *message)
{
    assert(upload_complete_can_refuse(c));
    fail(c, code, message);
    leave_write(c);
}
