/* /metrics: the Prometheus text format, from one table of metrics.
 *
 * A row says what a metric is and who prints its samples; rows of plain counters name a struct and an offset. What
 * other loops count is read relaxed (admin.h). */
#include "admin/admin_private.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

struct metric {
    const char *name, *type, *help;
    void (*print)(const struct metric *m, const struct admin *a, struct text *out);
    size_t offset;      /* of a uint64_t in the struct that `print` reads */
    const char *labels; /* "kind=\"copied\"", NULL: none. A row without help goes on with the metric above */
};

static uint64_t count_at(const void *counters, size_t offset)
{
    return __atomic_load_n((const uint64_t *)(const void *)((const char *)counters + offset),
                           __ATOMIC_RELAXED);
}

static double double_at(const double *at)
{
    double value;

    __atomic_load(at, &value, __ATOMIC_RELAXED);
    return value;
}

static void sample(const struct metric *m, struct text *out, uint64_t value)
{
    if (m->labels)
        text_printf(out, "%s{%s} %llu\n", m->name, m->labels, (unsigned long long)value);
    else
        text_printf(out, "%s %llu\n", m->name, (unsigned long long)value);
}

/* --- requests --------------------------------------------------------------------------------------------- */

static const char *op_name(size_t op)
{
    return op < S3_OP_COUNT ? s3_op_name((enum s3_op)op) : "Refused";
}

static uint64_t op_count(const struct admin *a, size_t op, size_t offset)
{
    uint64_t sum = 0;

    for (size_t l = 0; l < a->options.loop_count; l++)
        sum += count_at(&gateway_counters(a->options.loops[l].gateway)[op], offset);
    return sum;
}

static void print_requests(const struct metric *m, const struct admin *a, struct text *out)
{
    for (size_t op = 0; op <= S3_OP_COUNT; op++) {
        /* The errors first: a request that is counted in between shows as a success at most. */
        uint64_t e4 = op_count(a, op, offsetof(struct gateway_op_counters, errors_4xx));
        uint64_t e5 = op_count(a, op, offsetof(struct gateway_op_counters, errors_5xx));
        uint64_t all = op_count(a, op, offsetof(struct gateway_op_counters, requests));
        const char *name = op_name(op);

        text_printf(out, "%s{operation=\"%s\",class=\"ok\"} %llu\n", m->name, name,
                    (unsigned long long)(all > e4 + e5 ? all - e4 - e5 : 0));
        text_printf(out, "%s{operation=\"%s\",class=\"4xx\"} %llu\n", m->name, name, (unsigned long long)e4);
        text_printf(out, "%s{operation=\"%s\",class=\"5xx\"} %llu\n", m->name, name, (unsigned long long)e5);
    }
}

static void print_op(const struct metric *m, const struct admin *a, struct text *out)
{
    for (size_t op = 0; op <= S3_OP_COUNT; op++)
        text_printf(out, "%s{operation=\"%s\"} %llu\n", m->name, op_name(op),
                    (unsigned long long)op_count(a, op, m->offset));
}

static void print_latency(const struct metric *m, const struct admin *a, struct text *out)
{
    for (size_t op = 0; op <= S3_OP_COUNT; op++) {
        const char *name = op_name(op);
        uint64_t below = 0;
        double sum = 0;

        for (size_t i = 0; i <= LATENCY_BUCKETS; i++) {
            below += op_count(a, op, offsetof(struct gateway_op_counters, latency) + i * sizeof(uint64_t));
            if (i < LATENCY_BUCKETS)
                text_printf(out, "%s_bucket{operation=\"%s\",le=\"%g\"} %llu\n", m->name, name,
                            gateway_latency_bounds_s[i], (unsigned long long)below);
        }
        for (size_t l = 0; l < a->options.loop_count; l++)
            sum += double_at(&gateway_counters(a->options.loops[l].gateway)[op].latency_sum_s);
        text_printf(out, "%s_bucket{operation=\"%s\",le=\"+Inf\"} %llu\n", m->name, name,
                    (unsigned long long)below);
        text_printf(out, "%s_sum{operation=\"%s\"} %g\n", m->name, name, sum);
        text_printf(out, "%s_count{operation=\"%s\"} %llu\n", m->name, name, (unsigned long long)below);
    }
}

/* --- backends --------------------------------------------------------------------------------------------- */

static void print_up(const struct metric *m, const struct admin *a, struct text *out)
{
    for (size_t i = 0; i < a->options.backend_count; i++)
        text_printf(out, "%s{backend=\"%s\"} %d\n", m->name, a->options.backends[i],
                    backend_is_up(a, a->options.backends[i]));
}

/* The mean of the loops that have asked it. */
static void print_backend_latency(const struct metric *m, const struct admin *a, struct text *out)
{
    for (size_t i = 0; i < a->options.backend_count; i++) {
        double sum_ms = 0;
        unsigned loops = 0;

        for (size_t l = 0; l < a->options.loop_count; l++) {
            const struct health *h = a->options.loops[l].healths[i];

            if (!__atomic_load_n(&h->sampled, __ATOMIC_RELAXED))
                continue;
            sum_ms += double_at(&h->latency_ms);
            loops++;
        }
        if (loops)
            text_printf(out, "%s{backend=\"%s\"} %g\n", m->name, a->options.backends[i],
                        sum_ms / 1000 / loops);
    }
}

static void print_in_flight(const struct metric *m, const struct admin *a, struct text *out)
{
    for (size_t i = 0; i < a->options.backend_count; i++) {
        uint64_t sum = 0;

        for (size_t l = 0; l < a->options.loop_count; l++)
            sum += __atomic_load_n(&a->options.loops[l].healths[i]->in_flight, __ATOMIC_RELAXED);
        text_printf(out, "%s{backend=\"%s\"} %llu\n", m->name, a->options.backends[i],
                    (unsigned long long)sum);
    }
}

static void print_health(const struct metric *m, const struct admin *a, struct text *out)
{
    for (size_t i = 0; i < a->options.backend_count; i++) {
        uint64_t sum = 0;

        for (size_t l = 0; l < a->options.loop_count; l++)
            sum += count_at(a->options.loops[l].healths[i], m->offset);
        text_printf(out, "%s{backend=\"%s\"} %llu\n", m->name, a->options.backends[i],
                    (unsigned long long)sum);
    }
}

/* --- replicas --------------------------------------------------------------------------------------------- */

static void print_replicas(const struct metric *m, const struct admin *a, struct text *out)
{
    bool lag_wanted = m->offset == offsetof(struct replica_lag, lag_ms);
    struct journal *j = a->options.env->journal;
    struct replica_lag lag[REPLICAS_MAX];
    struct bucket b = {.id = 0};

    while (j->ops->bucket_after(j, span_of(b.name), &b)) {
        j->ops->lag(j, b.id, lag);
        for (uint32_t i = 0; i < b.replica_count; i++) {
            if (b.replicas[i].retired)
                continue;
            text_printf(out, "%s{bucket=\"%s\",replica=\"%s\"} ", m->name, b.name, replica_name(&b, i).text);
            if (lag_wanted)
                text_printf(out, "%g\n", (double)lag[i].lag_ms / 1000);
            else
                text_printf(out, "%llu\n", (unsigned long long)lag[i].hints);
        }
    }
}

/* --- the rest --------------------------------------------------------------------------------------------- */

static void print_fanout(const struct metric *m, const struct admin *a, struct text *out)
{
    uint64_t sum = 0;

    for (size_t l = 0; l < a->options.loop_count; l++)
        sum += count_at(&a->options.loops[l].env->counters, m->offset);
    sample(m, out, sum);
}

static void print_repair(const struct metric *m, const struct admin *a, struct text *out)
{
    sample(m, out, count_at(repair_counters(a->options.repair), m->offset));
}

static void print_janitor(const struct metric *m, const struct admin *a, struct text *out)
{
    sample(m, out, a->options.janitor ? count_at(janitor_counters(a->options.janitor), m->offset) : 0);
}

static void print_journal(const struct metric *m, const struct admin *a, struct text *out)
{
    struct journal_stats stats;

    a->options.env->journal->ops->stats(a->options.env->journal, &stats);
    sample(m, out, count_at(&stats, m->offset));
}

static void print_writes_open(const struct metric *m, const struct admin *a, struct text *out)
{
    uint64_t sum = 0;

    for (size_t l = 0; l < a->options.loop_count; l++)
        sum += __atomic_load_n(&a->options.loops[l].env->writes_open, __ATOMIC_RELAXED);
    sample(m, out, sum);
}

static void print_budget_used(const struct metric *m, const struct admin *a, struct text *out)
{
    sample(m, out, (uint64_t)chunk_taken(a->options.env->budget) * CHUNK_BYTES);
}

static void print_budget_limit(const struct metric *m, const struct admin *a, struct text *out)
{
    sample(m, out, (uint64_t)a->options.env->budget->limit * CHUNK_BYTES);
}

static void print_rss(const struct metric *m, const struct admin *a, struct text *out)
{
    FILE *f = fopen("/proc/self/statm", "re");
    unsigned long long pages = 0;

    if (!f)
        return;
    if (fscanf(f, "%*u %llu", &pages) == 1)
        sample(m, out, pages * (uint64_t)sysconf(_SC_PAGESIZE));
    fclose(f);
}

static void print_peak_rss(const struct metric *m, const struct admin *a, struct text *out)
{
    struct rusage use;

    if (getrusage(RUSAGE_SELF, &use) == 0)
        sample(m, out, (uint64_t)use.ru_maxrss * 1024);
}

static void print_cpu(const struct metric *m, const struct admin *a, struct text *out)
{
    struct rusage use;

    if (getrusage(RUSAGE_SELF, &use) == 0)
        text_printf(out, "%s %.6f\n", m->name,
                    (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
                        (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6);
}

static void print_build(const struct metric *m, const struct admin *a, struct text *out)
{
    sample(m, out, 1);
}

#define OP(field)      print_op, offsetof(struct gateway_op_counters, field)
#define HEALTH(field)  print_health, offsetof(struct health, field)
#define FANOUT(field)  print_fanout, offsetof(struct fanout_counters, field)
#define REPAIR(field)  print_repair, offsetof(struct repair_counters, field)
#define JANITOR(field) print_janitor, offsetof(struct janitor_counters, field)
#define JOURNAL(field) print_journal, offsetof(struct journal_stats, field)
#define REPLICA(field) print_replicas, offsetof(struct replica_lag, field)
#define KIND(word)     "kind=\"" word "\""

static const struct metric metrics[] = {
    {"s3mirror_requests_total", "counter", "Client requests; ok: answered below 400.", print_requests},
    {"s3mirror_request_bytes_total", "counter", "Body bytes from clients.", OP(bytes_in)},
    {"s3mirror_response_bytes_total", "counter", "Body bytes to clients.", OP(bytes_out)},
    {"s3mirror_request_seconds", "histogram", "From a request's head to the end of its answer.",
     print_latency},
    {"s3mirror_backend_up", "gauge", "0 while a loop's circuit breaker keeps requests from the backend.",
     print_up},
    {"s3mirror_backend_latency_seconds", "gauge",
     "Moving average of the time to the first byte of an answer.", print_backend_latency},
    {"s3mirror_backend_in_flight", "gauge", "Requests to the backend under way.", print_in_flight},
    {"s3mirror_backend_opened_total", "counter", "Circuit breakers opened.", HEALTH(opened)},
    {"s3mirror_backend_recovered_total", "counter", "Circuit breakers closed again.", HEALTH(recovered)},
    {"s3mirror_hints", "gauge", "Keys of which the journal says that a replica misses something.",
     REPLICA(hints)},
    {"s3mirror_lag_seconds", "gauge", "Age of the oldest hint of a replica, 0 without one.", REPLICA(lag_ms)},
    {"s3mirror_writes_total", "counter", "Writes and deletes begun.", FANOUT(writes)},
    {"s3mirror_writes_in_parts_total", "counter", "Puts over part_threshold, written in parts.",
     FANOUT(parted)},
    {"s3mirror_parts_sent_again_total", "counter", "Parts of such puts that a backend did not take at once.",
     FANOUT(parts_again)},
    {"s3mirror_writes_open", "gauge", "Writes and deletes that are not settled.", print_writes_open},
    {"s3mirror_writes_failed_total", "counter", "Writes and deletes answered with an error.",
     FANOUT(failed_writes)},
    {"s3mirror_hinted_total", "counter", "Writes and deletes that left a hint.", FANOUT(hinted)},
    {"s3mirror_detached_total", "counter", "Replicas given up for being slow.", FANOUT(detached)},
    {"s3mirror_held_total", "counter", "Replicas that had to be held.", FANOUT(held)},
    {"s3mirror_etag_differs_total", "counter", "Replicas that answered another ETag than they should.",
     FANOUT(etag_differs)},
    {"s3mirror_reads_total", "counter", "Reads begun.", FANOUT(reads)},
    {"s3mirror_read_failovers_total", "counter", "Reads that asked a further replica before the first byte.",
     FANOUT(read_failovers)},
    {"s3mirror_copies_by_backends_total", "counter",
     "Objects and parts that were copied by the backends themselves, without their bytes coming here.",
     FANOUT(copied_there)},
    {"s3mirror_read_resumes_total", "counter", "Reads that went on from another replica in mid-body.",
     FANOUT(read_resumes)},
    {"s3mirror_repaired_total", "counter", "What repair has done.", REPAIR(copied), KIND("copied")},
    {"s3mirror_repaired_total", "counter", NULL, REPAIR(deleted), KIND("deleted")},
    {"s3mirror_repaired_total", "counter", NULL, REPAIR(merged), KIND("merged")},
    {"s3mirror_repaired_total", "counter", NULL, REPAIR(verified), KIND("verified")},
    {"s3mirror_repair_failures_total", "counter", "Repairs of a key that failed and are tried again.",
     REPAIR(failed)},
    {"s3mirror_repair_bytes_total", "counter", "Bytes copied by repair.", REPAIR(bytes)},
    {"s3mirror_dead_letters", "gauge", "Keys that repair has given up on for now.", JOURNAL(dead)},
    {"s3mirror_uploads_cleared_total", "counter",
     "Multipart uploads that nobody finished or that were left over.", JANITOR(expired), KIND("expired")},
    {"s3mirror_uploads_cleared_total", "counter", NULL, JANITOR(swept), KIND("left_over")},
    {"s3mirror_uploads_cleared_total", "counter", NULL, JANITOR(strays), KIND("unknown")},
    {"s3mirror_journal_rows_open", "gauge", "Intents and outcomes in the journal.", JOURNAL(rows_open)},
    {"s3mirror_journal_hints", "gauge", "Final and merged rows in the journal.", JOURNAL(hints)},
    {"s3mirror_journal_commits_total", "counter", "Groups made durable.", JOURNAL(commits)},
    {"s3mirror_journal_operations_total", "counter", "Operations in these groups.", JOURNAL(operations)},
    {"s3mirror_body_budget_used_bytes", "gauge", "Memory that holds object bytes.", print_budget_used},
    {"s3mirror_body_budget_limit_bytes", "gauge", "The limit of that memory (body_budget).",
     print_budget_limit},
    {"process_resident_memory_bytes", "gauge", "Resident memory.", print_rss},
    {"s3mirror_peak_resident_memory_bytes", "gauge", "The most it has been.", print_peak_rss},
    {"process_cpu_seconds_total", "counter", "User and system time.", print_cpu},
    {"s3mirror_build_info", "gauge", "The version that runs.", print_build, 0,
     "version=\"" S3MIRROR_VERSION "\""},
};

void metrics_print(const struct admin *a, struct text *out)
{
    for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
        const struct metric *m = &metrics[i];

        if (m->help)
            text_printf(out, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name, m->type);
        m->print(m, a, out);
    }
}
