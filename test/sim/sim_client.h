/* sim_client.h - a client: one operation after another, on whatever process is running. */
#ifndef SIM_CLIENT_H
#define SIM_CLIENT_H

#include "fanout/fetch.h"
#include "fanout/listing.h"
#include "fanout/parted.h"
#include "fanout/sources.h"
#include "fanout/upload.h"
#include "fanout/write.h"
#include "sim_check.h"

/* What clients need of the world. */
struct client_host {
    struct sim *sim;
    struct check *check;
    struct env *env; /* NULL: no process runs */
    const struct replica_set *set;
    struct ack_policy ack;
    uint32_t keys, left; /* operations that may yet begin */
    bool slow;           /* clients take their time, and some leave */
    uint64_t pause_ms;   /* the most that they pause between two operations */
    const struct content *(*content_new)(void *ctx);
    const struct content *(*content)(void *ctx, uint32_t id);
    const struct content *(*content_same)(void *ctx, const struct content *of);
    void *ctx;
};

enum client_kind { CLIENT_PUT, CLIENT_DELETE, CLIENT_GET, CLIENT_LIST, CLIENT_UPLOAD, CLIENT_COPY };

enum { CLIENT_PARTS_MAX = 3 };
enum upload_step { UPLOAD_STEP_CREATE, UPLOAD_STEP_PART, UPLOAD_STEP_COMPLETE, UPLOAD_STEP_ABORT };
struct client_upload {
    enum upload_step step;
    struct upload_create *create; /* under way, as the next two */
    struct upload_complete *complete;
    struct upload_abort *abort;
    struct journal_upload_read read;
    bool reading, created, attempted;
    bool garbage; /* the part comes with other bytes than the object's first */
    struct stamp id;
    uint32_t parts, part, tries;
    char etags[CLIENT_PARTS_MAX + 1][CONTENT_ETAG_CHARS];
    uint8_t md5[16];
    size_t first_written; /* of its first Complete */
};

struct client {
    struct client_host *host;
    struct sim_event event;
    uint32_t number, key;
    enum client_kind kind;
    bool active, by_itself; /* by_itself: draws its operations; else client_begin starts each */
    struct write *write;
    struct parted *parted; /* a PUT in parts; `write` is its Complete then, once that is open */
    struct fetch *fetch;
    size_t written; /* its number in the history */
    const struct content *content;
    struct http_header headers[2];
    uint64_t offset, end, leave_at, since_ms;
    bool verified, feeding;
    /* GET */
    uint64_t began;
    bool headed, finished, damaged;
    char range[48];
    /* LIST */
    struct listing *listing;
    bool grouped, group_seen;
    char listed[SIM_KEYS_MAX][CONTENT_ETAG_CHARS]; /* ETags; "": not listed */
    struct client_upload upload;
    /* COPY; `fetch` is the look at the source */
    struct sources *sources;
    uint32_t source;
    struct replica_object object;
    bool asked;
};

void client_init(struct client *c, struct client_host *host, uint32_t number, bool by_itself);
/* Begins an operation now, if a process runs; `content` for a PUT. */
void client_begin(struct client *c, enum client_kind kind, uint32_t key, const struct content *content);
/* sim_client_list.c. False: it could not begin. */
bool client_list_begin(struct client *c);
void client_list_on(struct client *c);
/* sim_client_upload.c */
void client_upload_begin(struct client *c);
void client_upload_on(struct client *c);
void client_upload_crash(struct client *c);
void client_upload_resume(struct client *c);
/* sim_client_copy.c */
void client_copy_begin(struct client *c);
void client_copy_on(struct client *c);
void client_copy_end(struct client *c);
/* Its operation is over. */
void client_over(struct client *c);
/* The process is gone: the client knows nothing. What it held of the process is handed to it for its end. */
void client_crash(struct client *c);
/* A process runs again. */
void client_resume(struct client *c);

#endif
