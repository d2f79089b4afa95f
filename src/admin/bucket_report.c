/* /status: every bucket's replicas, whether they answer, and what they miss; below that, what repair has given up on. */
#include "admin/admin_private.h"

#include <stdio.h>
#include <stdlib.h>

struct bucket_report {
    struct admin_request *request;
    struct bucket only; /* id 0: of all */
    struct journal_scan dead;
};

static bool shares_backend(const struct bucket *b, uint32_t slot)
{
    for (uint32_t i = 0; i < b->replica_count; i++)
        if (i != slot && !b->replicas[i].retired &&
            strcmp(b->replicas[i].backend, b->replicas[slot].backend) == 0)
            return true;
    return false;
}

struct replica_name replica_name(const struct bucket *b, uint32_t slot)
{
    const struct bucket_replica *r = &b->replicas[slot];
    struct replica_name name;

    if (shares_backend(b, slot))
        snprintf(name.text, sizeof(name.text), "%s/%s", r->backend, r->remote);
    else
        snprintf(name.text, sizeof(name.text), "%s", r->backend);
    return name;
}

bool backend_is_up(const struct admin *a, const char *backend)
{
    const struct admin_options *o = &a->options;

    for (size_t i = 0; i < o->backend_count; i++) {
        if (strcmp(o->backends[i], backend) != 0)
            continue;
        for (size_t l = 0; l < o->loop_count; l++)
            if (__atomic_load_n(&o->loops[l].healths[i]->open, __ATOMIC_RELAXED))
                return false;
        return true;
    }
    return false;
}

static void print_json(const struct admin *a, struct text *out, const struct bucket *b,
                       const struct replica_lag *lag)
{
    const char *comma = "";

    text_add(out, SPAN("{\"name\":"));
    text_json(out, span_of(b->name));
    text_add(out, SPAN(",\"replicas\":["));
    for (uint32_t i = 0; i < b->replica_count; i++) {
        const struct bucket_replica *r = &b->replicas[i];
        struct replica_name name = replica_name(b, i);

        if (r->retired)
            continue;
        text_printf(out, "%s{\"name\":", comma);
        text_json(out, span_of(name.text));
        text_add(out, SPAN(",\"backend\":"));
        text_json(out, span_of(r->backend));
        text_add(out, SPAN(",\"bucket\":"));
        text_json(out, span_of(r->remote));
        text_printf(out, ",\"state\":\"%s\",\"hints\":%llu,\"lag_ms\":%llu}",
                    backend_is_up(a, r->backend) ? "up" : "down", (unsigned long long)lag[i].hints,
                    (unsigned long long)lag[i].lag_ms);
        comma = ",";
    }
    text_add(out, SPAN("]}"));
}

static void print_rows(const struct admin *a, struct table *table, const struct bucket *b,
                       const struct replica_lag *lag)
{
    for (uint32_t i = 0; i < b->replica_count; i++) {
        const struct bucket_replica *r = &b->replicas[i];
        char age[24];

        if (r->retired)
            continue;
        text_duration(age, lag[i].lag_ms);
        table_cell(table, "%s", b->name);
        table_cell(table, "%s", replica_name(b, i).text);
        table_cell(table, "%s", r->remote);
        table_cell(table, "%s", backend_is_up(a, r->backend) ? "up" : "down");
        table_cell(table, "%llu", (unsigned long long)lag[i].hints);
        table_cell(table, "%s", lag[i].hints ? age : "-");
    }
}

static void print_bucket(const struct admin *a, struct text *out, struct table *table, const struct bucket *b)
{
    struct journal *j = a->options.env->journal;
    struct replica_lag lag[REPLICAS_MAX];

    j->ops->lag(j, b->id, lag);
    if (table)
        print_rows(a, table, b, lag);
    else
        print_json(a, out, b, lag);
}

static void print_buckets(const struct admin *a, struct text *out, bool for_people, const struct bucket *only)
{
    static const char *const heads[] = {"BUCKET", "REPLICA", "BUCKET THERE", "STATE", "HINTS", "LAG"};
    struct journal *j = a->options.env->journal;
    struct table rows = {.columns = sizeof(heads) / sizeof(heads[0])};
    struct table *table = for_people ? &rows : NULL;
    struct bucket b = {.id = 0};
    bool first = true;

    for (size_t i = 0; table && i < rows.columns; i++)
        table_cell(table, "%s", heads[i]);
    if (!table)
        text_add(out, SPAN("{\"buckets\":["));
    if (only->id)
        print_bucket(a, out, table, only);
    while (!only->id && j->ops->bucket_after(j, span_of(b.name), &b)) {
        if (!table && !first)
            text_add(out, SPAN(",\n"));
        print_bucket(a, out, table, &b);
        first = false;
    }
    if (table)
        table_end(table, out);
    else
        text_add(out, SPAN("]"));
}

static void print_report(struct bucket_report *b, enum err result)
{
    struct admin_request *r = b->request;

    print_buckets(r->admin, &r->body, r->for_people, &b->only);
    if (!result)
        dead_letters_print(r->admin, &r->body, r->for_people, &b->dead,
                           dead_letters_of(&b->dead, b->only.id));
    else if (r->for_people)
        text_printf(&r->body, "\ndead letters are not known: the journal does not answer: %s\n",
                    err_text(result));
    else
        text_add(&r->body, SPAN(",\"dead_letters\":null"));
    if (!r->for_people)
        text_add(&r->body, SPAN("}\n"));
    admin_answer(r, 200, r->for_people ? "text/plain; charset=utf-8" : "application/json");
}

static void on_dead(struct journal_request *request, enum err result)
{
    struct bucket_report *b = LIST_ENTRY(request, struct bucket_report, dead.request);
    struct admin_request *r = b->request;

    if (r->http)
        print_report(b, result);
    if (!result)
        journal_scan_fini(&b->dead);
    free(b);
    admin_request_release(r);
}

void bucket_report_start(struct admin_request *r, const struct bucket *only)
{
    struct journal *j = r->admin->options.env->journal;
    struct bucket_report *b = calloc(1, sizeof(*b));

    if (!b) {
        admin_refuse(r, 500, "out of memory");
        return;
    }
    b->request = admin_request_hold(r);
    if (only)
        b->only = *only;
    b->dead.list = JOURNAL_DEAD_LETTERS;
    b->dead.after.bucket = b->only.id;
    b->dead.request.done = on_dead;
    j->ops->scan(j, &b->dead);
}
