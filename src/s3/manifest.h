/* s3/manifest.h - how an object that was uploaded in parts was cut, and the checksums of it and of its parts: what no
 * header of the object tells. Pure: what it looks like as bytes; the journal keeps them (journal/journal.h). */
#ifndef S3_MANIFEST_H
#define S3_MANIFEST_H

#include "s3/request.h"

struct s3_manifest {
    enum s3_checksum kind; /* S3_CHECKSUM_NONE: of the two below nothing is known */
    bool full_object;
    struct span checksum; /* of the object, as S3 writes it: base64, with "-<parts>" when it is composite */
    uint32_t count;       /* parts, at least one */
    uint64_t object_bytes;
    struct span parts, checksums; /* packed */
};

/* As many bytes as a part takes packed, at most; and a manifest besides its parts and checksums. */
enum { S3_MANIFEST_PART_BYTES_MAX = 2 * 10, S3_MANIFEST_HEAD_BYTES_MAX = 4 + 127 + 2 * 10 };
/* Packs a part, whose number is greater than that of the one before (0: it is the first); returns what is behind it. */
char *s3_manifest_put_part(char *at, uint32_t before, uint32_t number, uint64_t bytes);
/* Of `m`: kind, full_object, checksum (shorter than 128), count, parts, and as many checksums, or none. `out` has room for
 * the head, the parts and the checksums. Returns the bytes there are. */
size_t s3_manifest_print(const struct s3_manifest *m, char *out);

/* Borrows from `packed`. False: it is none. */
bool s3_manifest_read(struct span packed, struct s3_manifest *out) MUST_CHECK;

struct s3_manifest_part {
    uint32_t number; /* 0: before the first */
    uint64_t offset, bytes;
    struct span checksum; /* its bytes; empty: none is known */
    uint32_t index;       /* among the parts, from 1; with the next the walk's own */
    size_t at;
};
/* From one part to the next, of a manifest that was read; begins with one that is all zeros. False: that was the last. */
bool s3_manifest_next(const struct s3_manifest *m, struct s3_manifest_part *part);
/* The part that was uploaded under this number. False: there is none. */
bool s3_manifest_find(const struct s3_manifest *m, uint32_t number, struct s3_manifest_part *out) MUST_CHECK;

#endif
