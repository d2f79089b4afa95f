/* /status/BUCKET/KEY: what the journal has of a key, and what each replica shows.
 *
 * The journal and all replicas are asked at the same time. A replica that has not answered within first_byte_ms is
 * reported so. Whoever ends last prints. */
#include "admin/admin_private.h"

#include <stdio.h>

struct probe {
    struct key_report *report;
    struct replica *replica;
    struct replica_call *call; /* under way */
    enum err error;
    unsigned status;
    struct replica_object object;
};

struct key_report {
    struct admin_request *request;
    struct catalog_bucket bucket;
    struct journal_read read;
    bool reading;
    enum err read_error;
    struct probe probes[REPLICAS_MAX]; /* by slot */
    struct timer deadline;
    uint32_t waiting; /* replicas without an answer */
};

/* --- printing --------------------------------------------------------------------------------------------- */

static const char *kind_name(const struct row *r)
{
    return r->kind == ROW_DELETE ? "delete" : "put";
}

static const char *phase_name(const struct row *r)
{
    static const char *const names[] = {
        [ROW_OPEN] = "open", [ROW_OUTCOME] = "outcome", [ROW_FINAL] = "final", [ROW_MERGED] = "merged"};

    return r->phase < sizeof(names) / sizeof(names[0]) && names[r->phase] ? names[r->phase] : "unknown";
}

static void names_json(struct text *out, const char *field, const struct bucket *b, uint32_t mask)
{
    const char *comma = "";

    text_printf(out, ",\"%s\":[", field);
    for (uint32_t i = 0; i < b->replica_count; i++) {
        if (!(mask >> i & 1))
            continue;
        text_printf(out, "%s", comma);
        text_json(out, span_of(replica_name(b, i).text));
        comma = ",";
    }
    text_add(out, SPAN("]"));
}

static void rows_json(struct text *out, const struct key_report *k)
{
    for (size_t i = 0; i < k->read.view.count; i++) {
        const struct row *r = &k->read.view.rows[i];
        char stamp[STAMP_CHARS];

        stamp_print(&r->stamp, stamp);
        text_printf(out,
                    "%s{\"stamp\":\"%.*s\",\"version\":%llu,\"kind\":\"%s\",\"phase\":\"%s\",\"orphan\":%s,"
                    "\"age_ms\":%llu",
                    i ? "," : "", STAMP_CHARS, stamp, (unsigned long long)r->version, kind_name(r),
                    phase_name(r), r->orphan ? "true" : "false", (unsigned long long)r->age_ms);
        names_json(out, "stored", &k->bucket.record, r->stored);
        names_json(out, "unresolved", &k->bucket.record, r->unresolved);
        text_add(out, SPAN("}"));
    }
}

static void claim_json(struct text *out, const struct key_report *k)
{
    const struct claim *c = &k->read.view.claim;

    if (!k->read.view.claimed) {
        text_add(out, SPAN("null"));
        return;
    }
    text_printf(out, "{\"id\":%llu,\"lease_ms\":%llu,\"age_ms\":%llu", (unsigned long long)c->id,
                (unsigned long long)c->lease_ms, (unsigned long long)c->age_ms);
    names_json(out, "targets", &k->bucket.record, c->targets);
    text_add(out, SPAN("}"));
}

/* What is wrong with a replica's answer; "" for one that tells. */
static const char *probe_error(const struct probe *p)
{
    return p->error ? err_text(p->error) : "";
}

static void probe_json(struct text *out, const struct probe *p, const char *name)
{
    const struct replica_object *o = &p->object;
    char stamp[STAMP_CHARS];

    text_add(out, SPAN("{\"name\":"));
    text_json(out, span_of(name));
    text_printf(out, ",\"status\":%u,\"stamp\":", p->status);
    stamp_print(&o->stamp, stamp);
    text_json_or_null(out, (struct span){stamp, o->stamped ? STAMP_CHARS : 0});
    text_add(out, SPAN(",\"etag\":"));
    text_json_or_null(out, span_of(o->etag));
    if (o->exists)
        text_printf(out, ",\"bytes\":%llu,\"last_modified\":", (unsigned long long)o->body_bytes);
    else
        text_add(out, SPAN(",\"bytes\":null,\"last_modified\":"));
    text_json_or_null(out, span_of(o->last_modified));
    text_add(out, SPAN(",\"error\":"));
    text_json_or_null(out, span_of(probe_error(p)));
    text_add(out, SPAN("}"));
}

static void print_json(struct key_report *k)
{
    struct text *out = &k->request->body;
    const char *comma = "";

    text_add(out, SPAN("{\"bucket\":"));
    text_json(out, span_of(k->bucket.record.name));
    text_add(out, SPAN(",\"key\":"));
    text_json(out, k->read.key.key);
    text_add(out, SPAN(",\"rows\":["));
    rows_json(out, k);
    text_add(out, SPAN("],\"claim\":"));
    claim_json(out, k);
    text_add(out, SPAN(",\"failures\":"));
    if (k->read.failures.tries) {
        text_add(out, SPAN("{"));
        failures_json(out, &k->bucket.record, &k->read.failures);
        text_add(out, SPAN("}"));
    } else {
        text_add(out, SPAN("null"));
    }
    text_add(out, SPAN(",\"replicas\":["));
    for (uint32_t i = 0; i < REPLICAS_MAX; i++) {
        if (!(k->bucket.set.mask >> i & 1))
            continue;
        text_printf(out, "%s", comma);
        probe_json(out, &k->probes[i], replica_name(&k->bucket.record, i).text);
        comma = ",";
    }
    text_add(out, SPAN("]}\n"));
}

static void names_cell(struct table *table, const struct bucket *b, uint32_t mask)
{
    char names[REPLICAS_MAX * sizeof(struct replica_name)] = "";
    size_t len = 0;

    for (uint32_t i = 0; i < b->replica_count; i++)
        if (mask >> i & 1)
            len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", len ? " " : "",
                                    replica_name(b, i).text);
    table_cell(table, "%s", len ? names : "-");
}

static void heads(struct table *table, const char *const *names)
{
    for (size_t i = 0; i < table->columns; i++)
        table_cell(table, "%s", names[i]);
}

static void rows_table(struct text *out, const struct key_report *k)
{
    static const char *const names[] = {"ROW", "KIND", "PHASE", "AGE", "STORED", "UNRESOLVED"};
    struct table table = {.columns = sizeof(names) / sizeof(names[0])};

    if (!k->read.view.count) {
        text_add(out, SPAN("no rows: the journal knows of no difference\n"));
        return;
    }
    heads(&table, names);
    for (size_t i = 0; i < k->read.view.count; i++) {
        const struct row *r = &k->read.view.rows[i];
        char stamp[STAMP_CHARS], age[24];

        stamp_print(&r->stamp, stamp);
        text_duration(age, r->age_ms);
        table_cell(&table, "%.*s", STAMP_CHARS, stamp);
        table_cell(&table, "%s", kind_name(r));
        table_cell(&table, "%s%s", phase_name(r), r->orphan ? ", orphan" : "");
        table_cell(&table, "%s", age);
        names_cell(&table, &k->bucket.record, r->stored);
        names_cell(&table, &k->bucket.record, r->unresolved);
    }
    table_end(&table, out);
}

static void probe_cells(struct table *table, const struct probe *p, const char *name)
{
    const struct replica_object *o = &p->object;
    char stamp[STAMP_CHARS];

    stamp_print(&o->stamp, stamp);
    table_cell(table, "%s", name);
    table_cell(table, "%s", p->error ? probe_error(p) : o->exists ? "has it" : "has it not");
    table_cell(table, "%.*s", o->stamped ? STAMP_CHARS : 1, o->stamped ? stamp : "-");
    if (o->exists)
        table_cell(table, "%llu", (unsigned long long)o->body_bytes);
    else
        table_cell(table, "-");
    table_cell(table, "%s", *o->etag ? o->etag : "-");
    table_cell(table, "%s", *o->last_modified ? o->last_modified : "-");
}

static void print_tables(struct key_report *k)
{
    static const char *const names[] = {"REPLICA", "SHOWS", "STAMP", "BYTES", "ETAG", "LAST MODIFIED"};
    struct table table = {.columns = sizeof(names) / sizeof(names[0])};
    struct text *out = &k->request->body;

    rows_table(out, k);
    if (k->read.view.claimed)
        text_printf(out, "claimed by a repair for %llu ms\n",
                    (unsigned long long)k->read.view.claim.lease_ms);
    if (k->read.failures.tries)
        failures_lines(k->request->admin, out, &k->bucket.record, &k->read.failures);
    text_add(out, SPAN("\n"));
    heads(&table, names);
    for (uint32_t i = 0; i < REPLICAS_MAX; i++)
        if (k->bucket.set.mask >> i & 1)
            probe_cells(&table, &k->probes[i], replica_name(&k->bucket.record, i).text);
    table_end(&table, out);
}

/* --- collecting ------------------------------------------------------------------------------------------- */

static void end_if_complete(struct key_report *k)
{
    struct admin_request *r = k->request;

    if (k->reading || k->waiting)
        return;
    clock_stop(r->admin->options.env->clock, &k->deadline);
    if (k->read_error) {
        text_printf(&r->body, "the journal does not answer: %s\n", err_text(k->read_error));
        admin_answer(r, 503, "text/plain; charset=utf-8");
    } else {
        if (r->for_people)
            print_tables(k);
        else
            print_json(k);
        admin_answer(r, 200, r->for_people ? "text/plain; charset=utf-8" : "application/json");
    }
}

static void on_read(struct journal_request *request, enum err result)
{
    struct key_report *k = LIST_ENTRY(request, struct key_report, read.request);
    struct admin_request *r = k->request;

    k->reading = false;
    k->read_error = result;
    if (result)
        key_view_init(&k->read.view);
    if (r->http)
        end_if_complete(k);
    else
        key_view_fini(&k->read.view);
    admin_request_release(r);
}

static void on_head(void *ctx, enum err error, unsigned status, const struct replica_object *object)
{
    struct probe *p = ctx;

    p->call = NULL;
    p->error = error;
    p->status = status;
    if (error == ERR_OK)
        p->object = *object;
    p->report->waiting--;
    end_if_complete(p->report);
}

static void give_up(struct key_report *k)
{
    for (uint32_t i = 0; i < REPLICAS_MAX; i++) {
        struct probe *p = &k->probes[i];

        if (!p->call)
            continue;
        (void)replica_call_abandon(p->replica, p->call);
        p->call = NULL;
        p->error = ERR_TIMEOUT;
        k->waiting--;
    }
}

static void on_deadline(struct timer *t)
{
    struct key_report *k = LIST_ENTRY(t, struct key_report, deadline);

    give_up(k);
    end_if_complete(k);
}

void key_report_leave(struct admin_request *r)
{
    struct key_report *k = r->report;

    if (!k)
        return;
    clock_stop(r->admin->options.env->clock, &k->deadline);
    give_up(k);
    if (!k->reading)
        key_view_fini(&k->read.view);
}

void key_report_start(struct admin_request *r, const struct catalog_bucket *bucket, struct span key)
{
    static const struct replica_head_events events = {.done = on_head};
    struct env *env = r->admin->options.env;
    struct key_report *k = arena_zalloc(&r->arena, sizeof(*k));

    if (!k) {
        admin_refuse(r, 500, "out of memory");
        return;
    }
    r->report = k;
    k->request = r;
    k->bucket = *bucket;
    k->read.key = (struct journal_key){.bucket = bucket->record.id, .key = key};
    k->read.request.done = on_read;
    k->read.failures_too = true;
    k->reading = true;
    admin_request_hold(r);
    timer_init(&k->deadline, on_deadline);
    clock_start(env->clock, &k->deadline, env->terms.first_byte_ms);
    for (uint32_t i = 0; i < REPLICAS_MAX; i++) {
        struct probe *p = &k->probes[i];

        if (!(k->bucket.set.mask >> i & 1))
            continue;
        p->report = k;
        p->replica = k->bucket.set.by_slot[i];
        p->error = replica_head_start(p->replica, &p->call, key, &events, p);
        if (p->error)
            p->call = NULL;
        else
            k->waiting++;
    }
    env->journal->ops->read(env->journal, &k->read);
}
