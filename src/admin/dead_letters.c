/* What is said of repairs that failed: at a key's report, and as the list of dead letters below the buckets' report. */
#include "admin/admin_private.h"

/* NULL: at none of them. */
static const char *failed_at(const struct bucket *b, const struct journal_failures *f,
                             struct replica_name *room)
{
    if (f->slot >= b->replica_count)
        return NULL;
    *room = replica_name(b, f->slot);
    return room->text;
}

void failures_json(struct text *out, const struct bucket *b, const struct journal_failures *f)
{
    struct replica_name room;
    const char *at = failed_at(b, f, &room);

    text_printf(out, "\"tries\":%u,\"dead\":%s,\"replica\":", f->tries, f->dead ? "true" : "false");
    text_json_or_null(out, at ? span_of(at) : SPAN_EMPTY);
    text_add(out, SPAN(",\"reason\":"));
    text_json(out, span_of(f->reason));
    text_printf(out, ",\"failed_unix_ms\":%llu,\"wait_ms\":%llu", (unsigned long long)f->unix_ms,
                (unsigned long long)f->wait_ms);
}

/* "3 min", how long ago. */
static void age_of(const struct admin *a, const struct journal_failures *f, char out[static 24])
{
    uint64_t now_ms = clock_unix_ms(a->options.env->clock);

    text_duration(out, now_ms > f->unix_ms ? now_ms - f->unix_ms : 0);
}

void failures_lines(const struct admin *a, struct text *out, const struct bucket *b,
                    const struct journal_failures *f)
{
    struct replica_name room;
    const char *at = failed_at(b, f, &room);
    char age[24], wait[24];

    age_of(a, f, age);
    text_duration(wait, f->wait_ms);
    text_printf(out, "repair failed %u times, last %s ago%s%s: %s\n", f->tries, age, at ? " at " : "",
                at ? at : "", f->reason);
    if (f->dead)
        text_add(out,
                 SPAN("it is a dead letter: tried again when a backend recovers, or by `s3mirror retry`\n"));
    else
        text_printf(out, "tried again in %s\n", wait);
}

static void print_json(const struct admin *a, struct text *out, const struct journal_scan *s, size_t count)
{
    struct journal *j = a->options.env->journal;
    const char *comma = "";

    text_add(out, SPAN(",\"dead_letters\":["));
    for (size_t i = 0; i < count; i++) {
        struct bucket b;

        if (!j->ops->bucket_by_id(j, s->work[i].key.bucket, &b))
            continue;
        text_printf(out, "%s\n{\"bucket\":", comma);
        text_json(out, span_of(b.name));
        text_add(out, SPAN(",\"key\":"));
        text_json(out, s->work[i].key.key);
        text_add(out, SPAN(","));
        failures_json(out, &b, &s->work[i].failures);
        text_add(out, SPAN("}"));
        comma = ",";
    }
    text_add(out, SPAN("]"));
}

static void print_table(const struct admin *a, struct text *out, const struct journal_scan *s, size_t count)
{
    static const char *const heads[] = {"DEAD LETTER", "REPLICA", "TRIES", "LAST", "REASON"};
    struct table table = {.columns = sizeof(heads) / sizeof(heads[0])};
    struct journal *j = a->options.env->journal;

    if (!count)
        return;
    for (size_t i = 0; i < table.columns; i++)
        table_cell(&table, "%s", heads[i]);
    for (size_t i = 0; i < count; i++) {
        const struct journal_failures *f = &s->work[i].failures;
        struct replica_name room;
        const char *at;
        struct bucket b;
        char age[24];

        if (!j->ops->bucket_by_id(j, s->work[i].key.bucket, &b))
            continue;
        at = failed_at(&b, f, &room);
        age_of(a, f, age);
        table_cell(&table, "%s/%.*s", b.name, SPAN_ARG(s->work[i].key.key));
        table_cell(&table, "%s", at ? at : "-");
        table_cell(&table, "%u", f->tries);
        table_cell(&table, "%s ago", age);
        table_cell(&table, "%s", f->reason);
    }
    text_add(out, SPAN("\n"));
    table_end(&table, out);
}

size_t dead_letters_of(const struct journal_scan *s, uint32_t bucket)
{
    size_t count = 0;

    while (count < s->count && (!bucket || s->work[count].key.bucket == bucket))
        count++;
    return count;
}

void dead_letters_print(const struct admin *a, struct text *out, bool for_people,
                        const struct journal_scan *s, size_t count)
{
    bool more = count == JOURNAL_PAGE_KEYS;

    if (for_people)
        print_table(a, out, s, count);
    else
        print_json(a, out, s, count);
    if (!for_people)
        text_printf(out, ",\"dead_letters_more\":%s", more ? "true" : "false");
    else if (more)
        text_printf(out, "these are the first %d, there may be more\n", JOURNAL_PAGE_KEYS);
}
