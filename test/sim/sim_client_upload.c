/* An upload in parts, in the gateway's place: create, two or three parts, complete. It is the one operation that outlives a
 * process: the client goes on with the next one. What fails is tried again, some parts come with other bytes first, and
 * some uploads are aborted or left to the janitor.
 *
 * For the history a write begins with each Complete: nothing may show before that, and nothing at all of an upload that
 * nobody completes. One that is answered as done before counts from its first Complete on. */
#include "sim_client.h"

#include <assert.h>
#include <stdio.h>

enum { TRIES_MAX = 6, RETRY_MS = 1500 };

static struct sim *sim_of(struct client *c)
{
    return c->host->sim;
}

static struct journal_key key_of(const struct client *c)
{
    return (struct journal_key){SIM_BUCKET, sim_key_name(c->key)};
}

static void step_later(struct client *c, uint64_t ms)
{
    c->since_ms = sim_of(c)->now_ms;
    sim_after(sim_of(c), &c->event, ms);
}

static void over(struct client *c, const char *how)
{
    sim_trace(sim_of(c), "client %u: upload of k%u is over: %s", c->number, c->key, how);
    client_over(c);
}

static void go_on(struct client *c, enum upload_step step)
{
    c->upload.step = step;
    c->upload.tries = 0;
    step_later(c, c->host->slow ? sim_between(sim_of(c), 0, 30) : 0);
}

static void failed(struct client *c)
{
    if (++c->upload.tries <= TRIES_MAX)
        step_later(c, sim_between(sim_of(c), 0, RETRY_MS));
    else if (c->upload.created && c->upload.step != UPLOAD_STEP_ABORT && sim_chance(sim_of(c), 500))
        go_on(c, UPLOAD_STEP_ABORT);
    else
        over(c, "given up");
}

/* ---- create ---- */

static void on_created(void *ctx, const struct upload_created *created)
{
    struct client *c = ctx;

    c->upload.create = NULL;
    if (created->result != ERR_OK) {
        failed(c);
        return;
    }
    c->upload.created = true;
    c->upload.id = created->id;
    go_on(c, UPLOAD_STEP_PART);
}

static void start_create(struct client *c)
{
    const struct upload_create_spec spec = {.key = key_of(c),
                                            .replicas = c->host->set,
                                            .ack = c->host->ack,
                                            .headers = c->headers,
                                            .header_count = 1};

    c->headers[0] = (struct http_header){SPAN(CONTENT_HEADER), span_of(c->content->header)};
    if (upload_create_start(&c->upload.create, c->host->env, &spec, on_created, c) != ERR_OK)
        failed(c);
}

/* ---- parts ---- */

static uint64_t boundary(const struct client *c, uint32_t part)
{
    return c->content->bytes * part / c->upload.parts;
}

static void fill(struct client *c, char *at, size_t len)
{
    content_fill(c->content, c->offset, at, len);
    for (size_t i = 0; c->upload.garbage && i < len; i++)
        at[i] ^= 1;
}

static void feed(struct client *c)
{
    uint64_t left = c->end - c->offset, most = sim_between(sim_of(c), 1, 300 * 1024);
    struct iovec room;

    if (c->offset >= c->leave_at) {
        write_leave(c->write);
        c->write = NULL;
        failed(c);
        return;
    }
    c->feeding = false;
    if (left == 0) {
        write_verified(c->write);
        return;
    }
    if (write_room(c->write, &room) != ERR_OK)
        return; /* on_drain goes on */
    if (room.iov_len > most)
        room.iov_len = (size_t)most;
    fill(c, room.iov_base, room.iov_len);
    c->offset += room.iov_len;
    c->feeding = true;
    sim_after(sim_of(c), &c->event, c->host->slow ? sim_between(sim_of(c), 0, 25) : 0);
    write_filled(c->write, room.iov_len);
}

static void on_drain(void *ctx)
{
    struct client *c = ctx;

    if (c->feeding)
        return;
    c->feeding = true;
    sim_after(sim_of(c), &c->event, 0);
}

static void on_part(void *ctx, const struct write_verdict *v)
{
    struct client *c = ctx;

    c->write = NULL;
    c->feeding = false;
    sim_cancel(sim_of(c), &c->event);
    if (v->result != ERR_OK) {
        failed(c);
        return;
    }
    if (!c->upload.garbage && strcmp(v->etag, c->upload.etags[c->upload.part]) != 0)
        sim_violate(sim_of(c), "P6: the answer for part %u of %s shows the ETag %s", c->upload.part,
                    c->content->header, v->etag);
    if (c->upload.garbage) {
        c->upload.garbage = false;
        go_on(c, UPLOAD_STEP_PART);
    } else if (c->upload.part < c->upload.parts) {
        c->upload.part++;
        c->upload.garbage = sim_chance(sim_of(c), 100);
        go_on(c, UPLOAD_STEP_PART);
    } else if (sim_chance(sim_of(c), 100)) {
        go_on(c, UPLOAD_STEP_ABORT);
    } else if (sim_chance(sim_of(c), 50)) {
        over(c, "left to the janitor");
    } else {
        go_on(c, UPLOAD_STEP_COMPLETE);
    }
}

/* The ETag that the part's own bytes have. */
static void reckon_part(struct client *c)
{
    static char bytes[64 * 1024];
    uint32_t crc = 0;

    for (uint64_t at = c->offset; at < c->end;) {
        size_t n = c->end - at < sizeof(bytes) ? (size_t)(c->end - at) : sizeof(bytes);

        content_fill(c->content, at, bytes, n);
        crc = crc32_add(crc, bytes, n);
        at += n;
    }
    content_etag(crc, c->end - c->offset, c->upload.etags[c->upload.part]);
    content_md5(crc, c->end - c->offset, c->upload.md5);
}

static const struct write_events part_events = {.drain = on_drain, .verdict = on_part};

static void open_part(struct client *c, const struct upload *u)
{
    struct write_upload of = {.id = u->id, .part_number = c->upload.part};
    struct write_spec spec = {
        .key = key_of(c), .replicas = c->host->set, .ack = c->host->ack, .kind = ROW_PUT, .upload = &of};

    c->offset = boundary(c, c->upload.part - 1);
    c->end = boundary(c, c->upload.part);
    reckon_part(c);
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++)
        if (!(u->dropped & 1u << slot))
            of.ids[slot] = u->ids[slot];
    spec.body_bytes = c->end - c->offset;
    spec.has_md5 = !c->upload.garbage;
    memcpy(spec.md5, c->upload.md5, sizeof(spec.md5));
    if (write_open(&c->write, c->host->env, &spec, &part_events, c) != ERR_OK) {
        c->write = NULL;
        failed(c);
        return;
    }
    c->leave_at =
        c->host->slow && sim_chance(sim_of(c), 40) ? sim_between(sim_of(c), c->offset, c->end) : NEVER;
    c->feeding = true;
    sim_after(sim_of(c), &c->event, 0);
}

/* What the gateway does first: the upload as the journal has it. After a crash nobody is there to go on. */
static void on_read(struct journal_request *r, enum err e)
{
    struct client *c = LIST_ENTRY(r, struct client, upload.read.request);
    bool there = e == ERR_OK && c->upload.read.upload->state == UPLOAD_OPEN;

    c->upload.reading = false;
    if (c->host->env && there)
        open_part(c, c->upload.read.upload);
    else if (c->host->env && (e == ERR_OK || e == ERR_NOT_FOUND))
        over(c, "it is gone");
    else if (c->host->env)
        failed(c);
    journal_upload_read_fini(&c->upload.read);
}

static void start_part(struct client *c)
{
    struct journal *j = c->host->env->journal;

    c->upload.read =
        (struct journal_upload_read){.request.done = on_read, .key = key_of(c), .id = c->upload.id};
    c->upload.reading = true;
    j->ops->upload_read(j, &c->upload.read);
}

/* ---- complete ---- */

static void on_opened(void *ctx, struct write *w)
{
    write_verified(w);
}

static void on_held(void *ctx)
{
}

static uint32_t stored_of(const struct write_verdict *v)
{
    uint32_t stored = 0;

    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++)
        if (v->marks[slot] == WRITE_STORED)
            stored |= 1u << slot;
    return stored;
}

static void on_completed(void *ctx, const struct upload_completed *done)
{
    struct client *c = ctx;
    struct check *check = c->host->check;

    c->upload.complete = NULL;
    sim_trace(sim_of(c), "client %u: complete of k%u %s%s", c->number, c->key,
              done->code == S3_OK ? "acknowledged" : s3_error(done->code)->name,
              done->code == S3_OK && !done->verdict ? ", again" : "");
    if (done->code == S3_OK && done->verdict) {
        check_acked(check, c->written, stored_of(done->verdict), c->host->ack.need);
        over(c, "complete");
        return;
    }
    check_unknown(check, c->written, true);
    if (done->code == S3_OK) {
        check_acked_earlier(check, c->upload.first_written);
        over(c, "complete before");
    } else if (done->code == S3_NO_SUCH_UPLOAD) {
        over(c, "it is gone");
    } else if (done->code == S3_INVALID_PART) { /* a part was tried again and failed: it is none any more */
        c->upload.part = 1;
        c->upload.step = UPLOAD_STEP_PART;
        failed(c);
    } else {
        failed(c);
    }
}

static const struct upload_complete_events complete_events = {
    .opened = on_opened, .held = on_held, .done = on_completed};

static void start_complete(struct client *c)
{
    struct upload_list list;
    struct upload_complete_spec spec = {.key = key_of(c),
                                        .replicas = c->host->set,
                                        .ack = c->host->ack,
                                        .id = c->upload.id,
                                        .list = &list,
                                        .claims.object_bytes = c->content->bytes};

    upload_list_init(&list, 1);
    for (uint32_t n = 1; n <= c->upload.parts; n++)
        upload_list_add(&list, &(struct s3_listed_part){
                                   .number = n, .etag = {c->upload.etags[n] + 1, CONTENT_ETAG_CHARS - 3}});
    c->written = check_begin(c->host->check, c->key, c->content);
    check_verified(c->host->check, c->written);
    if (!c->upload.attempted)
        c->upload.first_written = c->written;
    c->upload.attempted = true;
    sim_trace(sim_of(c), "client %u: complete k%u %s, %u parts", c->number, c->key, c->content->header,
              c->upload.parts);
    if (upload_complete_start(&c->upload.complete, c->host->env, &spec, &complete_events, c) != ERR_OK) {
        c->upload.complete = NULL;
        check_unknown(c->host->check, c->written, true);
        failed(c);
    } else if (c->host->slow && sim_chance(sim_of(c), 40)) {
        sim_after(sim_of(c), &c->event, sim_between(sim_of(c), 0, 200)); /* and leaves */
    }
}

/* ---- abort ---- */

static void on_aborted(void *ctx, enum err e)
{
    struct client *c = ctx;

    c->upload.abort = NULL;
    if (e == ERR_OK || e == ERR_NOT_FOUND)
        over(c, "aborted");
    else
        failed(c);
}

static void start_abort(struct client *c)
{
    if (upload_abort_start(&c->upload.abort, c->host->env, key_of(c), &c->upload.id, UPLOAD_IN(UPLOAD_OPEN),
                           c->host->set, on_aborted, c) != ERR_OK)
        failed(c);
}

/* ---- its life ---- */

void client_upload_begin(struct client *c)
{
    c->upload = (struct client_upload){.step = UPLOAD_STEP_CREATE, .part = 1};
    c->upload.parts = (uint32_t)sim_between(sim_of(c), 1, c->content->bytes > 10 ? CLIENT_PARTS_MAX : 1);
    c->upload.garbage = sim_chance(sim_of(c), 100);
    sim_trace(sim_of(c), "client %u: upload k%u %s, %llu bytes", c->number, c->key, c->content->header,
              (unsigned long long)c->content->bytes);
    start_create(c);
}

/* The client leaves what it waits for, and will try it again. */
static void leave(struct client *c)
{
    if (c->upload.complete) {
        upload_complete_leave(c->upload.complete);
        check_unknown(c->host->check, c->written, false);
    }
    if (c->upload.create)
        upload_create_leave(c->upload.create);
    if (c->upload.abort)
        upload_abort_leave(c->upload.abort);
    if (c->write)
        write_leave(c->write);
    c->upload.complete = NULL;
    c->upload.create = NULL;
    c->upload.abort = NULL;
    c->write = NULL;
    c->feeding = false;
}

void client_upload_on(struct client *c)
{
    if (c->write && c->feeding) {
        feed(c);
        return;
    }
    if (c->upload.complete) {
        leave(c);
        failed(c);
        return;
    }
    switch (c->upload.step) {
    case UPLOAD_STEP_CREATE: start_create(c); break;
    case UPLOAD_STEP_PART: start_part(c); break;
    case UPLOAD_STEP_COMPLETE: start_complete(c); break;
    case UPLOAD_STEP_ABORT: start_abort(c); break;
    }
}

void client_upload_crash(struct client *c)
{
    leave(c);
}

void client_upload_resume(struct client *c)
{
    step_later(c, sim_between(sim_of(c), 0, RETRY_MS));
}
