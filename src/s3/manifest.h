/* s3/manifest.h - how an object that was uploaded in parts was cut, and the checksums of it and of its parts: what no
 * header of the object tells. Pure: what it looks like as bytes; the journal keeps them (journal/journal.h).
 *
 * Parts count from 1 in the order of the object, whatever numbers they were uploaded under: so many there are, so many
 * can be asked for. */
#ifndef S3_MANIFEST_H
#define S3_MANIFEST_H

#include "s3/request.h"

struct s3_manifest {
    enum s3_checksum kind; /* S3_CHECKSUM_NONE: of the two below nothing is known */
    bool full_object;
    struct span checksum; /* of the object, as S3 writes it: base64, with "-<parts>" when it is composite */
    uint32_t count;       /* parts, at least one */
    uint64_t object_bytes;
    struct span sizes, checksums; /* packed */
};

/* As many bytes as a size takes packed, at most; and a manifest besides its sizes and checksums. */
enum {
    S3_MANIFEST_SIZE_BYTES_MAX = 10,
    S3_MANIFEST_HEAD_BYTES_MAX = 4 + 127 + 2 * S3_MANIFEST_SIZE_BYTES_MAX
};
/* Packs the size of the next part; returns what is behind it. */
char *s3_manifest_put_size(char *at, uint64_t bytes);
/* Of `m`: kind, full_object, checksum (shorter than 128), count, sizes, and as many checksums, or none. `out` has room for the head,
 * the sizes and the checksums. Returns the bytes there are. */
size_t s3_manifest_print(const struct s3_manifest *m, char *out);

/* Borrows from `packed`. False: it is none. */
bool s3_manifest_read(struct span packed, struct s3_manifest *out) MUST_CHECK;

struct s3_manifest_part {
    uint32_t number; /* 0: before the first */
    uint64_t offset, bytes;
    struct span checksum; /* its bytes; empty: none is known */
    size_t at;            /* in the sizes: the walk's own */
};
/* From one part to the next, of a manifest that was read; begins with one that is all zeros. False: that was the last. */
bool s3_manifest_next(const struct s3_manifest *m, struct s3_manifest_part *part);
/* That part. False: there are not so many. */
bool s3_manifest_find(const struct s3_manifest *m, uint32_t number, struct s3_manifest_part *out) MUST_CHECK;

#endif
