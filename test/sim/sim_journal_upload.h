/* sim_journal_upload.h - multipart uploads on the simulated disk. */
#ifndef SIM_JOURNAL_UPLOAD_H
#define SIM_JOURNAL_UPLOAD_H

#include "journal/journal.h"
#include "sim.h"

enum { DISK_UPLOADS_MAX = 512, DISK_PARTS_MAX = 4 };

/* Once it is durable it is never forgotten here, so that it can be told whether it may be. */
struct disk_manifest {
    uint32_t key;
    struct stamp id;
    uint64_t version;
    bool dropped;
};

struct disk_uploads {
    struct {
        struct upload *upload; /* from upload_copy */
        struct part parts[DISK_PARTS_MAX];
        uint32_t count;
    } at[DISK_UPLOADS_MAX];
    size_t count;
    struct disk_manifest manifests[DISK_UPLOADS_MAX];
    size_t manifest_count;
};
void disk_uploads_fini(struct disk_uploads *d);
/* A process begins: nobody is completing anything. */
void disk_uploads_boot(struct disk_uploads *d);

/* The requests happen. `now_ms` is wall time. */
enum err disk_upload_add(struct disk_uploads *d, struct journal_upload_add *r, uint64_t now_ms);
enum err disk_upload_step(struct disk_uploads *d, struct journal_upload_step *r, uint64_t now_ms);
enum err disk_part_write(struct disk_uploads *d, struct journal_part_write *r);
enum err disk_upload_read(struct disk_uploads *d, struct journal_upload_read *r);
enum err disk_upload_scan(struct disk_uploads *d, struct journal_upload_scan *r);

bool disk_any_manifest(const struct disk_uploads *d, uint32_t key);
void disk_manifests_drop(struct disk_uploads *d, uint32_t key, uint64_t before, const struct stamp *keeps);
/* The manifest of the object that shows this stamp was durable, and is no more. */
bool disk_manifest_lost(const struct disk_uploads *d, uint32_t key, const struct stamp *shown);

#endif
