/* The table of configuration keys: the one place where a key is added. */
#include "app/config_table.h"

#include "base/log.h"
#include "fanout/parted.h"
#include "s3/request.h"

#include <ctype.h>

#define AT(type, member) .at = offsetof(struct type, member), .size = sizeof(((struct type *)NULL)->member)
#define RANGE(low, high) .least = (low), .most = (high)
#define RECORD_OF(type, r)                                                                                   \
    {                                                                                                        \
        .rows = (r), .count = sizeof(r) / sizeof((r)[0]), .size = sizeof(struct type)                        \
    }

enum { SECOND_MS = 1000, HOUR_MS = 3600 * SECOND_MS, DAY_MS = 24 * HOUR_MS, NAME_CHARS_MAX = 63 };
#define MIB (1024ull * 1024)
#define GIB (1024ull * MIB)

static const struct config_word flags[] = {{"false", 0}, {"true", 1}, {NULL}};
static const struct config_word needs[] = {
    {"one", 1}, {"quorum", CONFIG_NEED_QUORUM}, {"all", CONFIG_NEED_ALL}, {NULL}};
static const struct config_word waits[] = {{"all", CONFIG_WAIT_ALL}, {"need", CONFIG_WAIT_NEED}, {NULL}};
static const struct config_word journals[] = {
    {"sqlite", CONFIG_JOURNAL_SQLITE}, {"cassandra", CONFIG_JOURNAL_CASSANDRA}, {NULL}};
static const struct config_word autos[] = {{"auto", 0}, {NULL}};
static const struct config_word levels[] = {
    {"debug", LOG_DEBUG}, {"info", LOG_INFO}, {"warn", LOG_WARN}, {"error", LOG_ERROR}, {NULL}};
static const struct config_word formats[] = {{"logfmt", LOG_LOGFMT}, {"json", LOG_JSON}, {NULL}};

static const char *form_name(struct span value)
{
    if (value.len == 0 || value.len > NAME_CHARS_MAX)
        return "must have 1 to 63 characters";
    for (size_t i = 0; i < value.len; i++)
        if (!isalnum((unsigned char)value.at[i]) && value.at[i] != '-' && value.at[i] != '_')
            return "may have letters, digits, '-' and '_' only";
    return NULL;
}

/* What stands between the slashes of a credential scope. */
static const char *form_access_key(struct span value)
{
    if (value.len == 0 || value.len > 128)
        return "must have 1 to 128 characters";
    for (size_t i = 0; i < value.len; i++)
        if (!isgraph((unsigned char)value.at[i]) || value.at[i] == '/' || value.at[i] == ',')
            return "may not have spaces, '/', ',' or control characters";
    return NULL;
}

static const char *form_bucket(struct span value)
{
    if (!s3_bucket_name_valid(value))
        return "is no valid bucket name (3 to 63 of a-z, 0-9, '-', '.', letter or digit at both ends)";
    return NULL;
}

static const char *form_profile(struct span value)
{
    static char text[512] = "is none of:";
    size_t len = sizeof("is none of:") - 1;

    for (const struct capability_profile *p = capability_profiles; p->name; p++) {
        if (span_is(value, p->name))
            return NULL;
        len += (size_t)snprintf(text + len, sizeof(text) - len, " %s", p->name);
    }
    return text;
}

static const struct config_row key_rows[] = {
    {"access_key", CONFIG_TEXT, .required = true, AT(config_key, access_key), .form = form_access_key,
     .example = "demo", .text = "Access key id that clients sign with."},
    {"secret_key", CONFIG_SECRET, AT(config_key, secret_key), .example = "\"${DEMO_SECRET:-change-me}\"",
     .text = "Its secret; this or secret_key_file."},
    {"secret_key_file", CONFIG_PATH, AT(config_key, secret_key_file),
     .text = "File that holds the secret; must not be readable by others."},
};

static const struct config_row backend_rows[] = {
    {"name", CONFIG_TEXT, .required = true, AT(config_backend, name), .form = form_name, .example = "a",
     .text = "Name of the backend in replicas, logs, metrics and answers; keep it for ever."},
    {"endpoint", CONFIG_TEXT, .required = true, AT(config_backend, endpoint),
     .example = "\"http://127.0.0.1:9001\"",
     .text = "http(s)://host[:port] of the S3 server, without a path."},
    {"region", CONFIG_TEXT, AT(config_backend, region), .form = form_name, .fallback = "us-east-1",
     .text = "Region that requests to it are signed for."},
    {"access_key", CONFIG_TEXT, .required = true, AT(config_backend, access_key), .form = form_access_key,
     .example = "x", .text = "Access key id there."},
    {"secret_key", CONFIG_SECRET, AT(config_backend, secret_key),
     .example = "\"${BACKEND_SECRET:-change-me}\"", .text = "Its secret; this or secret_key_file."},
    {"secret_key_file", CONFIG_PATH, AT(config_backend, secret_key_file),
     .text = "File that holds the secret; must not be readable by others."},
    {"profile", CONFIG_TEXT, AT(config_backend, profile), .form = form_profile, .fallback = "generic",
     .text = "What kind of server it is: one of the vendors in docs/backends.md."},
    {"capabilities", CONFIG_RECORD, AT(config_backend, can), .record = &config_capabilities,
     .text = "What it can do, where that is not as its profile says; `s3mirror probe` finds it out."},
    {"ca_file", CONFIG_PATH, AT(config_backend, ca_file),
     .text =
         "Certificates (PEM) of the only authorities to trust for https; without it those of the system."},
};

static const struct config_row ack_rows[] = {
    {"need", CONFIG_COUNT, AT(config_ack, need), RANGE(1, REPLICAS_MAX), .words = needs, .fallback = "one",
     .text = "So many replicas must have stored a write for a success."},
    {"wait", CONFIG_WORD, AT(config_ack, wait), .words = waits, .fallback = "all",
     .text = "How long the answer is held: until every replica that keeps pace has answered, or until need "
             "is met."},
};
static const struct config_record ack_record = RECORD_OF(config_ack, ack_rows);

static const struct config_row cors_rows[] = {
    {"allowed_origins", CONFIG_TEXTS, .required = true, AT(config_cors_rule, allowed_origins), RANGE(1, 100),
     .example = "[\"https://app.example.org\"]",
     .text =
         "Origins of the pages, as in scheme://host[:port]; each may have one *, which stands for anything."},
    {"allowed_methods", CONFIG_TEXTS, .required = true, AT(config_cors_rule, allowed_methods), RANGE(1, 5),
     .example = "[GET]", .text = "Of GET, HEAD, PUT, POST, DELETE."},
    {"allowed_headers", CONFIG_TEXTS, AT(config_cors_rule, allowed_headers), RANGE(0, 100), .fallback = "[]",
     .text = "Request headers that they may send; each may have one *."},
    {"expose_headers", CONFIG_TEXTS, AT(config_cors_rule, expose_headers), RANGE(0, 100), .fallback = "[]",
     .text = "Answer headers that they may read, such as ETag."},
    {"max_age_s", CONFIG_COUNT, AT(config_cors_rule, max_age_s), RANGE(0, 86400), .fallback = "0",
     .text = "Seconds that a browser may remember what it was told; 0: as long as it does by itself."},
};
static const struct config_record cors_record = RECORD_OF(config_cors_rule, cors_rows);

static const struct config_row bucket_rows[] = {
    {"name", CONFIG_TEXT, .required = true, AT(config_bucket, name), .form = form_bucket, .example = "media",
     .text = "The bucket that clients see."},
    {"replicas", CONFIG_TEXTS, .required = true, AT(config_bucket, replicas), RANGE(1, REPLICAS_MAX),
     .example = "[a]",
     .text = "Where its objects are kept: backend, or backend/bucket where the bucket's name there differs."},
    {"ack", CONFIG_RECORD, AT(config_bucket, ack), .record = &ack_record,
     .text = "When a write is a success."},
    {"trust_new_replicas", CONFIG_WORD, AT(config_bucket, trust_new_replicas), .words = flags,
     .fallback = "false",
     .text = "Accept a replica added to a bucket that exists already; its objects must have been copied "
             "there before."},
    {"public_read", CONFIG_WORD, AT(config_bucket, public_read), .words = flags, .fallback = "false",
     .text = "Anybody may get its objects and list them, without a signature."},
    {"cors", CONFIG_RECORDS, AT(config_bucket, cors), RANGE(0, 100), .record = &cors_record, .fallback = "[]",
     .text = "What pages of other origins may do in a browser; the first rule that fits counts."},
};

static const struct config_row admin_rows[] = {
    {"listen", CONFIG_ADDRESS, AT(config_admin, listen), .fallback = "127.0.0.1:8001",
     .text = "Address of /healthz, /readyz, /metrics, /status and /retry; it asks for no password, so keep "
             "it private."},
};

static const struct config_row tls_rows[] = {
    {"cert_file", CONFIG_PATH, AT(config_tls, cert_file),
     .text = "Certificate chain (PEM); SIGHUP reads it and the key anew."},
    {"key_file", CONFIG_PATH, AT(config_tls, key_file),
     .text = "Its private key (PEM); must not be readable by others."},
};

static const struct config_row store_rows[] = {
    {"kind", CONFIG_WORD, AT(config_store, kind), .words = journals, .fallback = "sqlite",
     .text = "Where the journal is kept; cassandra is not in this version."},
    {"path", CONFIG_PATH, AT(config_store, path), .fallback = "/var/lib/s3mirror/journal.db",
     .text = "The database file, on a local disk; one gateway per file."},
};

static const struct config_row defaults_rows[] = {
    {"replicas", CONFIG_TEXTS, AT(config_defaults, replicas), RANGE(0, REPLICAS_MAX), .fallback = "[]",
     .example = "[a]",
     .text = "Backends of buckets that clients create; none: clients may not create buckets."},
    {"ack", CONFIG_RECORD, AT(config_defaults, ack), .record = &ack_record,
     .text = "When a write to such a bucket is a success."},
};

static const struct config_row terms_rows[] = {
    {"ambiguity_ms", CONFIG_MS, AT(config_terms, ambiguity_ms), RANGE(100, HOUR_MS), .fallback = "30000",
     .text = "A request to a backend that got no answer may take effect for so long."},
    {"stall_ms", CONFIG_MS, AT(config_terms, stall_ms), RANGE(100, HOUR_MS), .fallback = "5000",
     .text = "A replica without progress for so long is given up for this write."},
    {"detach_ms", CONFIG_MS, AT(config_terms, detach_ms), RANGE(100, HOUR_MS), .fallback = "5000",
     .text = "A replica that holds up the others for so long is given up for this write."},
    {"write_ms", CONFIG_MS, AT(config_terms, write_ms), RANGE(100, HOUR_MS), .fallback = "60000",
     .text = "A replica without progress that the ack policy needs is given up after so long."},
    {"first_byte_ms", CONFIG_MS, AT(config_terms, first_byte_ms), RANGE(100, HOUR_MS), .fallback = "5000",
     .text = "A read without an answer for so long asks the next replica."},
    {"copy_bytes_max", CONFIG_BYTES, AT(config_terms, copy_bytes_max), RANGE(0, 5 * GIB), .fallback = "1GiB",
     .text = "Largest copy that backends are asked to make by themselves; it must not take one longer than "
             "ambiguity_ms. 0: none, the bytes always come through the gateway."},
    {"lease_ms", CONFIG_MS, AT(config_terms, lease_ms), RANGE(500, HOUR_MS), .fallback = "10000",
     .text = "How long a repair may hold a key's replicas."},
    {"lease_margin_ms", CONFIG_MS, AT(config_terms, lease_margin_ms), RANGE(50, HOUR_MS), .fallback = "2000",
     .text = "A repair stops acting so long before its lease ends."},
    {"probe_ms", CONFIG_MS, AT(config_terms, probe_ms), RANGE(50, HOUR_MS), .fallback = "1000",
     .text = "A backend that is down is asked this often whether it is back."},
};

static const struct config_row repair_rows[] = {
    {"workers", CONFIG_COUNT, AT(config_repair, workers), RANGE(1, 256), .fallback = "4",
     .text = "Keys repaired at a time."},
    {"interval_ms", CONFIG_MS, AT(config_repair, interval_ms), RANGE(100, DAY_MS), .fallback = "30000",
     .text = "Walk the list of keys to repair this often, also when nothing calls for it."},
    {"attempts", CONFIG_COUNT, AT(config_repair, attempts), RANGE(1, 1000), .fallback = "10",
     .text = "Failed repairs of a key before it goes to the dead-letter list."},
    {"backoff_ms", CONFIG_MS, AT(config_repair, backoff_ms), RANGE(10, HOUR_MS), .fallback = "1000",
     .text = "Wait after the first failed repair of a key; doubles with each further one."},
};

static const struct config_row front_rows[] = {
    {"head_ms", CONFIG_MS, AT(config_front, head_ms), RANGE(100, HOUR_MS), .fallback = "10000",
     .text = "A request's head must be complete within so long."},
    {"idle_ms", CONFIG_MS, AT(config_front, idle_ms), RANGE(100, DAY_MS), .fallback = "60000",
     .text = "A connection without a request is closed after so long, a TLS handshake included."},
    {"body_ms", CONFIG_MS, AT(config_front, body_ms), RANGE(100, DAY_MS), .fallback = "30000",
     .text = "A client that neither sends nor takes a byte for so long is given up."},
    {"connections", CONFIG_COUNT, AT(config_front, connections), RANGE(1, 1000000), .fallback = "4096",
     .text = "Client connections at a time, per loop."},
};
static const struct config_record front_record = RECORD_OF(config_front, front_rows);

static const struct config_row back_rows[] = {
    {"connect_ms", CONFIG_MS, AT(config_back, connect_ms), RANGE(100, HOUR_MS), .fallback = "3000",
     .text = "Name look-up, connect and TLS handshake together."},
    {"idle_ms", CONFIG_MS, AT(config_back, idle_ms), RANGE(100, DAY_MS), .fallback = "20000",
     .text = "An unused connection is kept for so long; below what the servers themselves keep."},
    {"idle_max", CONFIG_COUNT, AT(config_back, idle_max), RANGE(0, 65536), .fallback = "64",
     .text = "Unused connections kept, per backend and loop."},
    {"connections", CONFIG_COUNT, AT(config_back, connections), RANGE(1, 65536), .fallback = "256",
     .text = "Connections at a time, per backend and loop; further requests wait."},
};
static const struct config_record back_record = RECORD_OF(config_back, back_rows);

static const struct config_row limits_rows[] = {
    {"front", CONFIG_RECORD, AT(config_limits, front), .record = &front_record, .text = "Towards clients."},
    {"backends", CONFIG_RECORD, AT(config_limits, backends), .record = &back_record,
     .text = "Towards each backend."},
};

static const struct config_row log_rows[] = {
    {"level", CONFIG_WORD, AT(config_log, level), .words = levels, .fallback = "info",
     .text = "The least that is logged."},
    {"format", CONFIG_WORD, AT(config_log, format), .words = formats, .fallback = "logfmt",
     .text = "Form of a log line."},
};

static const struct config_record key_record = RECORD_OF(config_key, key_rows);
static const struct config_record backend_record = RECORD_OF(config_backend, backend_rows);
static const struct config_record bucket_record = RECORD_OF(config_bucket, bucket_rows);
static const struct config_record admin_record = RECORD_OF(config_admin, admin_rows);
static const struct config_record tls_record = RECORD_OF(config_tls, tls_rows);
static const struct config_record store_record = RECORD_OF(config_store, store_rows);
static const struct config_record defaults_record = RECORD_OF(config_defaults, defaults_rows);
static const struct config_record terms_record = RECORD_OF(config_terms, terms_rows);
static const struct config_record repair_record = RECORD_OF(config_repair, repair_rows);
static const struct config_record limits_record = RECORD_OF(config_limits, limits_rows);
static const struct config_record log_record = RECORD_OF(config_log, log_rows);

static const struct config_row top_rows[] = {
    {"listen", CONFIG_ADDRESS, AT(config, listen), .fallback = "127.0.0.1:8000",
     .text = "Address of the S3 endpoint; port 0: any free one, told in the log."},
    {"tls", CONFIG_RECORD, AT(config, tls), .record = &tls_record,
     .text = "Serve https at listen; without it plain http."},
    {"admin", CONFIG_RECORD, AT(config, admin), .record = &admin_record, .text = "The admin port."},
    {"journal", CONFIG_RECORD, AT(config, journal), .record = &store_record,
     .text = "The record of what every replica holds or misses."},
    {"keys", CONFIG_RECORDS, .required = true, AT(config, keys), RANGE(1, 10000), .record = &key_record,
     .text = "Access keys of clients."},
    {"backends", CONFIG_RECORDS, .required = true, AT(config, backends), RANGE(1, CONFIG_BACKENDS_MAX),
     .record = &backend_record, .text = "The S3 servers that hold the objects."},
    {"buckets", CONFIG_RECORDS, AT(config, buckets), RANGE(0, 10000), .record = &bucket_record,
     .text = "Buckets that exist from the start; their buckets on the backends must exist."},
    {"defaults", CONFIG_RECORD, AT(config, defaults), .record = &defaults_record,
     .text = "For buckets that clients create."},
    {"domains", CONFIG_TEXTS, AT(config, domains), RANGE(0, 100), .fallback = "[]", .example = "[]",
     .text =
         "Names of this endpoint under which a bucket is a host: bucket.s3.example.org for s3.example.org."},
    {"region", CONFIG_TEXT, AT(config, region), .form = form_name, .fallback = "us-east-1",
     .text = "Region that clients sign for."},
    {"loops", CONFIG_COUNT, AT(config, loops), RANGE(1, 256), .words = autos, .fallback = "auto",
     .text = "Event loops, each a thread; auto: one per core."},
    {"body_budget", CONFIG_BYTES, AT(config, body_budget), RANGE(4 * MIB, 1024 * GIB), .fallback = "128MiB",
     .text = "Memory for object bytes under way; a write takes 512KiB at least, and is asked to slow down "
             "when there is none."},
    {"ring_bytes", CONFIG_BYTES, AT(config, ring_bytes), RANGE(MIB, GIB), .fallback = "4MiB",
     .text = "A write may run ahead of its slowest replica by so much."},
    {"max_object_bytes", CONFIG_BYTES, AT(config, max_object_bytes), RANGE(1, S3_OBJECT_BYTES_MAX),
     .fallback = "5TiB", .text = "Largest object that is accepted in one PUT."},
    {"part_threshold", CONFIG_BYTES, AT(config, part_threshold), RANGE(MIB, S3_SINGLE_PUT_BYTES_MAX),
     .fallback = "5GiB",
     .text = "A PUT of more is written to the backends in parts, several at a time: faster where one "
             "connection does not "
             "fill the line. Its ETag is then that of an object in parts, no MD5 of the content."},
    {"part_bytes", CONFIG_BYTES, AT(config, part_bytes), RANGE(S3_PART_BYTES_MIN, S3_SINGLE_PUT_BYTES_MAX),
     .fallback = "16MiB",
     .text = "Size of those parts; larger where there would be more than 10,000, or than a backend takes."},
    {"part_concurrency", CONFIG_COUNT, AT(config, part_concurrency), RANGE(1, PARTED_CONCURRENCY_MAX),
     .fallback = "4",
     .text = "So many of them may be on their way while another is filled: part_bytes x (part_concurrency + "
             "1) of memory "
             "for each such PUT, as far as body_budget has room."},
    {"multipart_expire_ms", CONFIG_MS, AT(config, multipart_expire_ms), RANGE(SECOND_MS, 365ull * DAY_MS),
     .fallback = "604800000",
     .text = "A multipart upload that nobody completes is aborted when it is so old; 7 days."},
    {"drain_ms", CONFIG_MS, AT(config, drain_ms), RANGE(0, HOUR_MS), .fallback = "30000",
     .text = "After SIGTERM, requests under way get so long to end."},
    {"terms", CONFIG_RECORD, AT(config, terms), .record = &terms_record,
     .text = "When a replica counts as slow, as gone, and as quiet again."},
    {"repair", CONFIG_RECORD, AT(config, repair), .record = &repair_record,
     .text = "Bringing replicas to one content."},
    {"limits", CONFIG_RECORD, AT(config, limits), .record = &limits_record,
     .text = "Time-outs and numbers of connections."},
    {"log", CONFIG_RECORD, AT(config, log), .record = &log_record, .text = "The log, on stderr."},
};
const struct config_record config_table = RECORD_OF(config, top_rows);
