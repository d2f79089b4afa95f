/* fanout/upload_list.h - a client's list of parts, held against the parts there are: what a Complete would make, or why it
 * cannot. Pure.
 *
 * The list is kept as numbers and hashes, a few hundred KiB for the most there can be; the parts come in pages; what is sent to
 * the replicas is printed meanwhile, once for all that know the parts by the same ETags, and so is the object's manifest.
 *
 * A number that is listed twice in a row means the later one: a client that sent a part again, and lists both. */
#ifndef FANOUT_UPLOAD_LIST_H
#define FANOUT_UPLOAD_LIST_H

#include "base/hash.h"
#include "journal/journal.h"
#include "s3/manifest.h"
#include "s3/multipart.h"

struct upload_listed {
    uint32_t number;
    enum s3_checksum checksum;
    uint64_t etag_hash, checksum_hash;
};
struct upload_list {
    uint64_t seed;
    struct upload_listed *at;
    size_t count, room;
    bool out_of_order;
};
void upload_list_init(struct upload_list *l, uint64_t seed);
void upload_list_fini(struct upload_list *l);
void upload_list_add(struct upload_list *l, const struct s3_listed_part *part);
/* By their numbers, whatever order they were added in; each once. */
void upload_list_sort(struct upload_list *l);

struct upload_text {
    char *at;
    size_t len, room;
};

struct upload_match {
    const struct upload_list *list;
    const struct upload *upload;
    uint64_t part_bytes_min;
    uint32_t
        checksummed; /* replicas that keep checksums of the upload's kind: they are told those of the parts */
    size_t next;     /* in the list */
    uint64_t bytes;
    uint32_t holders;                               /* replicas that have all parts so far */
    bool md5s;                                      /* all ETags so far are MD5s */
    struct md5 md5;                                 /* of these */
    struct upload_text document, own[REPLICAS_MAX]; /* own: for a replica that is told something else */
    struct upload_text checksums, cuts;             /* of the parts, one behind the other, as in a manifest */
    struct upload_text manifest;                    /* once ended */
    uint64_t crc;                                   /* FULL_OBJECT: of the bytes so far */
    const char *message;                            /* more precise than the code; NULL: nothing */
    char text[160];
    /* once ended */
    char etag[PART_ETAG_CHARS];           /* in quotes; "" when it cannot be known */
    char checksum[80];                    /* of the object, as S3 writes it; "" without */
    uint8_t checksum_value[SHA256_BYTES]; /* and its bytes */
    size_t checksum_bytes;
};
/* `list` and `upload` stay. */
void upload_match_init(struct upload_match *m, const struct upload_list *list, const struct upload *upload,
                       uint32_t checksummed, uint64_t part_bytes_min);
void upload_match_fini(struct upload_match *m);
/* The next page of the upload's parts; S3_OK, or what is wrong with the list. */
enum s3_code upload_match_page(struct upload_match *m, const struct part *parts, size_t count) MUST_CHECK;
/* After the last page. */
enum s3_code upload_match_end(struct upload_match *m) MUST_CHECK;
/* What a client says of the object beforehand. */
struct upload_claims {
    uint64_t object_bytes;               /* UINT64_MAX: it did not say */
    enum s3_checksum_type checksum_type; /* S3_TYPE_OPEN: the same */
    enum s3_checksum checksum; /* of the object, as the client reckons it; S3_CHECKSUM_NONE: the same */
    uint8_t checksum_value[SHA256_BYTES];
    uint32_t checksum_parts; /* the number behind a composite one; 0: there was none */
};
/* Once ended: is it so? S3_OK, or what is wrong. */
enum s3_code upload_match_check(struct upload_match *m, const struct upload_claims *claims) MUST_CHECK;
/* What the replica is to be sent. */
struct span upload_match_document(const struct upload_match *m, uint32_t slot);

#endif
