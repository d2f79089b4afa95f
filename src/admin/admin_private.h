#ifndef ADMIN_ADMIN_PRIVATE_H
#define ADMIN_ADMIN_PRIVATE_H

#include "admin/admin.h"
#include "admin/text.h"

struct admin {
    struct admin_options options;
    struct http_server *server;
    size_t requests; /* with those that only wait for the journal and nobody waits for any more */
};

/* One request; lives until it is answered and nothing works for it. */
struct admin_request {
    struct admin *admin;
    struct http_exchange *http; /* NULL: the client has gone */
    size_t held;                /* by journal calls: they cannot be taken back */
    struct arena arena;
    struct text body;
    struct span headers;
    bool for_people; /* Accept: text/plain */
    struct key_report *report;
};

/* Answers with what is in `body`; later calls for the same request are not allowed. */
void admin_answer(struct admin_request *r, unsigned status, const char *content_type);
/* One line that says what is wrong. */
void admin_refuse(struct admin_request *r, unsigned status, const char *why);

/* Whatever a journal call needs of it stays until it is released, although the client may go. */
struct admin_request *admin_request_hold(struct admin_request *r);
void admin_request_release(struct admin_request *r);

/* metrics.c */
void metrics_print(const struct admin *a, struct text *out);

/* bucket_report.c; `only`: of this bucket, NULL: of all */
void bucket_report_start(struct admin_request *r, const struct bucket *only);
/* A replica's name in reports and metrics: its backend's, or backend/bucket when two are on one backend. */
struct replica_name {
    char text[2 * 64 + 2];
};
struct replica_name replica_name(const struct bucket *b, uint32_t slot);
/* The backend answers, as far as every loop knows. */
bool backend_is_up(const struct admin *a, const char *backend);

/* dead_letters.c */
/* How many of a list's page are the bucket's; 0: of any. */
size_t dead_letters_of(const struct journal_scan *s, uint32_t bucket);
/* The first `count` of a page: members of a JSON object, each with a comma before it, or a table if there are any. */
void dead_letters_print(const struct admin *a, struct text *out, bool for_people,
                        const struct journal_scan *s, size_t count);
/* Members of a JSON object; lines for people. */
void failures_json(struct text *out, const struct bucket *b, const struct journal_failures *f);
void failures_lines(const struct admin *a, struct text *out, const struct bucket *b,
                    const struct journal_failures *f);

/* retry.c; an empty key: all dead letters of the bucket */
void retry_start(struct admin_request *r, uint32_t bucket, struct span key);

/* key_report.c: collects, then answers. */
void key_report_start(struct admin_request *r, const struct catalog_bucket *bucket, struct span key);
/* The client went, or has its answer. */
void key_report_leave(struct admin_request *r);

#endif
