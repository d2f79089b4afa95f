#ifndef ADMIN_ADMIN_PRIVATE_H
#define ADMIN_ADMIN_PRIVATE_H

#include "admin/admin.h"
#include "admin/text.h"

struct admin {
    struct admin_options options;
    struct http_server *server;
    size_t requests; /* with key reports under way that nobody waits for any more */
};

/* One request; lives until it is answered and nothing works for it. */
struct admin_request {
    struct admin *admin;
    struct http_exchange *http; /* NULL: the client has gone */
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

/* metrics.c */
void metrics_print(const struct admin *a, struct text *out);

/* bucket_report.c; `only`: of this bucket, NULL: of all */
void bucket_report_print(const struct admin *a, struct text *out, bool for_people, const struct bucket *only);
/* A replica's name in reports and metrics: its backend's, or backend/bucket when two are on one backend. */
struct replica_name {
    char text[2 * 64 + 2];
};
struct replica_name replica_name(const struct bucket *b, uint32_t slot);
/* The backend answers, as far as every loop knows. */
bool backend_is_up(const struct admin *a, const char *backend);

/* key_report.c: collects, then answers. `over` when nothing is under way for the request any more. */
void key_report_start(struct admin_request *r, const struct catalog_bucket *bucket, struct span key);
/* The client went: true when nothing is under way, else admin_request_free is called later. */
bool key_report_leave(struct admin_request *r);
void admin_request_free(struct admin_request *r);

#endif
