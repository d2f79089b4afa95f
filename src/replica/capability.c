/* The vendors, as rows of what they can do.
 *
 * Measured on the servers themselves for those that can be run anywhere (SeaweedFS, MinIO, versitygw, rclone); for
 * services as their documentation and the lists of differences that clients keep say. What a row leaves open is as
 * in the first, which asks for nothing that is not as old as S3 itself (parts, Content-MD5) and takes no two keys
 * for different ones that some server confuses. */
#include "replica/capability.h"

#define MIB            (1024ull * 1024)
#define SET(bits)      (CAPABILITY_SET | (bits))
#define ONLY(checksum) SET(1u << (checksum))
#define FOLDS_ALL      SET(S3_FOLD_LEAD | S3_FOLD_SLASHES | S3_FOLD_DOTS | S3_FOLD_TAIL | S3_FOLD_TAIL_BODY)

const struct capability_profile capability_profiles[] = {
    {"generic",
     {.barrier = S3_BARRIER_PARTS,
      .checksum_headers = SET(0),
      .etag_kind = S3_ETAG_SINGLE,
      .conditional_put = S3_NO,
      .key_folding = FOLDS_ALL,
      .list_version = S3_LIST_V2,
      .list_order = S3_LIST_ORDER_BYTES,
      .url_encode = S3_YES,
      .list_after = S3_NO,
      .list_nested = S3_NO,
      .min_part = 5 * MIB,
      .max_parts = 1000,
      .equal_parts = S3_YES,
      .copy_object = S3_COPY_NO,
      .copy_part = S3_NO},
     "A server that nothing is known about: slow and safe. `s3mirror probe` finds out what it can do."},
    {"aws",
     {.barrier = S3_BARRIER_TRAILER,
      .checksum_headers = SET(S3_CHECKSUMS_ALL),
      .etag_kind = S3_ETAG_MD5,
      .conditional_put = S3_YES,
      .key_folding = SET(0),
      .list_after = S3_YES,
      .list_nested = S3_YES,
      .max_parts = 10000,
      .equal_parts = S3_NO,
      .copy_object = S3_COPY_MD5,
      .copy_part = S3_YES},
     "Amazon S3, and whatever behaves as it does."},
    {"minio",
     {.barrier = S3_BARRIER_TRAILER,
      .checksum_headers = SET(S3_CHECKSUMS_ALL),
      .etag_kind = S3_ETAG_MD5,
      .conditional_put = S3_YES,
      .key_folding = SET(S3_FOLD_LEAD),
      .max_parts = 10000,
      .equal_parts = S3_NO,
      .copy_object = S3_COPY_MD5,
      .copy_part = S3_YES},
     "MinIO. Give it a memory limit: a connection that ends inside a trailer makes it eat memory."},
    {"seaweedfs",
     {.barrier = S3_BARRIER_TRAILER,
      .checksum_headers = SET(S3_CHECKSUMS_ALL),
      .etag_kind = S3_ETAG_MD5,
      .conditional_put = S3_YES,
      .key_folding = SET(S3_FOLD_LEAD | S3_FOLD_SLASHES | S3_FOLD_TAIL_BODY),
      .list_order = S3_LIST_ORDER_PATH,
      .list_after = S3_YES,
      .list_nested = S3_YES,
      .max_parts = 10000,
      .equal_parts = S3_NO,
      .copy_object = S3_COPY_SAME,
      .copy_part = S3_NO},
     "SeaweedFS (weed server, weed mini)."},
    {"versitygw",
     {.barrier = S3_BARRIER_TRAILER,
      .checksum_headers = SET(S3_CHECKSUMS_ALL),
      .etag_kind = S3_ETAG_MD5,
      .conditional_put = S3_YES,
      .key_folding = SET(S3_FOLD_LEAD | S3_FOLD_SLASHES | S3_FOLD_DOTS),
      .url_encode = S3_NO,
      .list_after = S3_YES,
      .list_nested = S3_YES,
      .max_parts = 10000,
      .equal_parts = S3_NO,
      .copy_object = S3_COPY_MD5,
      .copy_part = S3_YES},
     "versitygw on a file system. Plain bodies that are cut short it stores: never `barrier: length`."},
    {"rclone",
     {.barrier = S3_BARRIER_LENGTH,
      .key_folding = SET(S3_FOLD_TAIL),
      .max_parts = 10000,
      .equal_parts = S3_NO},
     "rclone serve s3: it verifies Content-MD5 and no checksum, and stores what a trailer should have "
     "stopped."},
    {"ceph",
     {.etag_kind = S3_ETAG_MD5,
      .key_folding = SET(0),
      .list_nested = S3_YES,
      .list_version = S3_LIST_V1,
      .url_encode = S3_NO},
     "Ceph's RADOS gateway, and services made of it."},
    {"r2",
     {.key_folding = SET(0), .list_nested = S3_YES},
     "Cloudflare R2: it refuses trailers, and its parts must be of one size."},
    {"b2",
     {.key_folding = SET(0), .list_nested = S3_YES},
     "Backblaze B2, over https: it refuses checksum headers and If-Match."},
    {"gcs", {.key_folding = SET(0), .list_nested = S3_YES}, "Google Cloud Storage, by its XML interface."},
    {"ovh", {.key_folding = SET(0), .list_nested = S3_YES}, "OVH Object Storage: no checksum trailers."},
    {"storj", {.key_folding = SET(0), .list_nested = S3_YES}, "Storj: no checksum trailers."},
    {"scaleway", {.key_folding = SET(0), .list_nested = S3_YES}, "Scaleway: 1000 parts to an upload."},
    {"ibm",
     {.key_folding = SET(0), .list_nested = S3_YES, .list_version = S3_LIST_V1},
     "IBM Cloud Object Storage."},
    {"tencent",
     {.key_folding = SET(0), .list_nested = S3_YES, .list_version = S3_LIST_V1},
     "Tencent Cloud Object Storage."},
    {"alibaba", {.key_folding = SET(0), .list_nested = S3_YES}, "Alibaba Cloud OSS."},
    {"huawei", {.key_folding = SET(0), .list_nested = S3_YES, .list_version = S3_LIST_V1}, "Huawei OBS."},
    {NULL},
};

const struct capability_profile *capability_profile(const char *name)
{
    const struct capability_profile *p = capability_profiles;

    while (p->name && strcmp(p->name, name) != 0)
        p++;
    return p->name ? p : NULL;
}

void capabilities_fill(struct capabilities *own, const struct capabilities *profile)
{
    enum { FIELDS = sizeof(*own) / sizeof(uint64_t) };
    const struct capabilities *layers[] = {profile, &capability_profiles[0].can};
    uint64_t mine[FIELDS], theirs[FIELDS];

    memcpy(mine, own, sizeof(mine));
    for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++) {
        memcpy(theirs, layers[i], sizeof(theirs));
        for (size_t field = 0; field < FIELDS; field++)
            if (!mine[field])
                mine[field] = theirs[field];
    }
    memcpy(own, mine, sizeof(mine));
}

static bool has_dot_segment(struct span key)
{
    while (key.len) {
        struct span segment = span_cut(&key, '/');

        if (span_is(segment, ".") || span_is(segment, ".."))
            return true;
    }
    return false;
}

static bool has_double_slash(struct span key)
{
    return memmem(key.at, key.len, "//", 2) != NULL;
}

static bool has_long_segment(struct span key)
{
    enum { FILE_NAME_BYTES_MAX = 255 };

    while (key.len)
        if (span_cut(&key, '/').len > FILE_NAME_BYTES_MAX)
            return true;
    return false;
}

const char *capability_folds(const struct capabilities *can, struct span key, bool has_body)
{
    bool tail = key.len && key.at[key.len - 1] == '/';

    if (can->key_folding & S3_FOLD_LEAD && key.len && key.at[0] == '/')
        return "drops a '/' at the beginning of a key";
    if (can->key_folding & S3_FOLD_SLASHES && has_double_slash(key))
        return "takes '//' in a key for '/'";
    if (can->key_folding & S3_FOLD_DOTS && has_dot_segment(key))
        return "resolves '.' and '..' in a key as in a path";
    if (can->key_folding & S3_FOLD_TAIL && tail)
        return "drops a '/' at the end of a key";
    if (can->key_folding & S3_FOLD_TAIL_BODY && tail && has_body)
        return "loses the content of an object whose key ends in '/'";
    return NULL;
}

/* What servers say that keep objects as files. */
static const struct {
    const char *code, *text;
} key_failures[] = {
    {"ObjectParentIsFile", "a folder in this key is an object there"},
    {"ExistingObjectIsDirectory", "this key is a folder of other objects there"},
    {"DirectoryObjectContainsData", "a key that ends in '/' can have no content there"},
    {"XMinioParentIsObject", "a folder in this key is an object there"},
    {"XMinioObjectExistsAsDirectory", "this key is a folder of other objects there"},
    {"XMinioInvalidObjectName", "no key of this form can be kept there"},
    {"XMinioInvalidResourceName", "no key of this form can be kept there"},
    {"KeyTooLongError", "this key, or a part of it between slashes, is too long there"},
    {"KeyTooLong", "this key, or a part of it between slashes, is too long there"},
    {"InvalidURI", "no key of this form can be kept there"},
};

const char *capability_key_failure(unsigned status, const char *code, struct span key)
{
    if (status < 400 || status >= 500)
        return NULL;
    for (size_t i = 0; i < sizeof(key_failures) / sizeof(key_failures[0]); i++)
        if (strcmp(key_failures[i].code, code) == 0)
            return key_failures[i].text;
    if (status != 400)
        return NULL;
    if (has_long_segment(key))
        return "a part of this key between slashes is longer than 255 bytes";
    if (has_dot_segment(key) || has_double_slash(key))
        return "no key with empty, '.' or '..' segments can be kept there";
    return NULL;
}
