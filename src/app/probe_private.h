/* app/probe_private.h - the inside of a probe; shared by probe*.c only. */
#ifndef APP_PROBE_PRIVATE_H
#define APP_PROBE_PRIVATE_H

#include "app/config_table.h"
#include "app/probe.h"
#include "app/probe_wire.h"
#include "auth/sigv4.h"

enum {
    PROBE_FINDINGS_MAX = 48,
    PROBE_TRACES_MAX = 256,
    PROBE_REQUESTS_MAX = 600,
    PROBE_HEADERS_MAX = 5,
    PROBE_PART_BYTES = 5 * 1024 * 1024,
    PROBE_SETTLE_MS = 1500, /* what becomes of a request that was broken off shows within so long */
};
/* An object in parts, of PROBE_PART_BYTES and some more, that probe_uploads leaves for probe_copies. */
#define PROBE_UPLOAD "upload"

struct probe_finding {
    const char *name, *tried, *seen, *means;
};

/* Something that may be there and has to be removed. */
struct probe_trace {
    struct span key, upload_id; /* empty id: the object */
};

struct probe {
    const struct config_backend *backend;
    const struct probe_options *options;
    struct wire wire;
    struct sigv4_signer signer;
    struct arena arena; /* of one request */
    struct arena kept;  /* findings, keys */
    struct span host_field;
    char bucket[64], prefix[40];
    bool bucket_made;
    uint64_t deadline_ms;
    unsigned requests;
    const char *broken; /* why it cannot go on; NULL: it can */
    struct probe_trace traces[PROBE_TRACES_MAX];
    size_t trace_count;

    struct probe_finding findings[PROBE_FINDINGS_MAX];
    size_t finding_count;
    struct capabilities found; /* 0: not found out */
    uint64_t safe_barriers;    /* bits 1 << enum s3_barrier */
    struct span large;         /* content for what has to be large */
};

/* --- probe_request.c --- */

struct probe_request {
    struct span method, key; /* key empty: the bucket */
    struct span query;       /* canonical */
    struct sigv4_header headers[PROBE_HEADERS_MAX];
    size_t header_count;
    struct span payload; /* empty: UNSIGNED-PAYLOAD */
    struct span body[2];
    enum wire_end end;
    size_t send_bytes; /* of the body, before it is broken off */
};
void probe_send(struct probe *p, const struct probe_request *q, struct wire_answer *a);
/* PREFIX + name, remembered as to be removed; at == NULL: the probe is broken. */
struct span probe_key(struct probe *p, const char *name);
void probe_trace_upload(struct probe *p, struct span key, struct span upload_id);
/* A plain PUT of a small body with Content-MD5: the status, 0 without an answer. */
unsigned probe_put(struct probe *p, struct span key, struct span body);
/* GET shows exactly this. */
bool probe_shows(struct probe *p, struct span key, struct span body);
bool probe_ok(const struct wire_answer *a);
/* The answer was a refusal: 4xx. */
bool probe_refused(const struct wire_answer *a);
/* "409 ObjectParentIsFile"; "no answer: ..." */
const char *probe_status(struct probe *p, const struct wire_answer *a);
/* In `kept`; "" when that is full, which breaks the probe. */
const char *probe_text(struct probe *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
void probe_find(struct probe *p, const char *name, const char *tried, const char *seen, const char *means);

/* --- the checks, in this order --- */

void probe_objects(struct probe *p);   /* probe_objects.c: etag_kind of single PUTs, conditional_put, MD5 */
void probe_checksums(struct probe *p); /* the same: checksum_headers */
void probe_barriers(struct probe *p);  /* probe_barriers.c */
void probe_uploads(struct probe *p);   /* probe_uploads.c: etag_kind, min_part, max_parts, barrier parts */
void probe_copies(struct probe *p);    /* probe_copies.c: copy_object, copy_part */
void probe_lists(struct probe *p);     /* probe_lists.c: list_*, url_encode */
void probe_keys(struct probe *p);      /* probe_keys.c: key_folding */

/* --- probe_scratch.c --- */

/* A bucket and a prefix to work in. False: there is none, and why is in `broken`. */
bool probe_begin(struct probe *p);
/* Removes everything; false: something is left, and was told. */
bool probe_clean(struct probe *p);

/* --- probe_report.c --- */

/* Prints; the probe's exit status. */
int probe_report(const struct probe *p);

#endif
