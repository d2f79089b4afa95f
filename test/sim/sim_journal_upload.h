/* sim_journal_upload.h - multipart uploads on the simulated disk. */
#ifndef SIM_JOURNAL_UPLOAD_H
#define SIM_JOURNAL_UPLOAD_H

#include "journal/journal.h"
#include "sim.h"

enum { DISK_UPLOADS_MAX = 512, DISK_PARTS_MAX = 4 };

struct disk_uploads {
    struct {
        struct upload *upload; /* from upload_copy */
        struct part parts[DISK_PARTS_MAX];
        uint32_t count;
    } at[DISK_UPLOADS_MAX];
    size_t count;
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

#endif
