/* What a backend can do, as keys of the configuration: a row per field of struct capabilities. Each is optional and
 * stands above the profile; there are no defaults here. */
#include "app/config_table.h"

#define AT(member)                                                                                           \
    .at = offsetof(struct capabilities, member), .size = sizeof(((struct capabilities *)NULL)->member)
#define RANGE(low, high) .least = (low), .most = (high)
#define MIB              (1024ull * 1024)

static const struct config_word barriers[] = {{"trailer", S3_BARRIER_TRAILER},
                                              {"hash", S3_BARRIER_HASH},
                                              {"length", S3_BARRIER_LENGTH},
                                              {"parts", S3_BARRIER_PARTS},
                                              {NULL}};
static const struct config_word checksums[] = {
    {"crc32", 1u << S3_CHECKSUM_CRC32},         {"crc32c", 1u << S3_CHECKSUM_CRC32C},
    {"crc64nvme", 1u << S3_CHECKSUM_CRC64NVME}, {"sha1", 1u << S3_CHECKSUM_SHA1},
    {"sha256", 1u << S3_CHECKSUM_SHA256},       {NULL}};
static const struct config_word etag_kinds[] = {
    {"md5", S3_ETAG_MD5}, {"single", S3_ETAG_SINGLE}, {"opaque", S3_ETAG_OPAQUE}, {NULL}};
static const struct config_word answers[] = {{"false", S3_NO}, {"true", S3_YES}, {NULL}};
static const struct config_word folds[] = {{"lead", S3_FOLD_LEAD},           {"slashes", S3_FOLD_SLASHES},
                                           {"dots", S3_FOLD_DOTS},           {"tail", S3_FOLD_TAIL},
                                           {"tail_body", S3_FOLD_TAIL_BODY}, {NULL}};
static const struct config_word versions[] = {{"v1", S3_LIST_V1}, {"v2", S3_LIST_V2}, {NULL}};
static const struct config_word orders[] = {
    {"bytes", S3_LIST_ORDER_BYTES}, {"path", S3_LIST_ORDER_PATH}, {NULL}};

static const struct config_word copies[] = {
    {"false", S3_COPY_NO}, {"md5", S3_COPY_MD5}, {"same", S3_COPY_SAME}, {NULL}};

static const struct config_row rows[] = {
    {"barrier", CONFIG_WORD, AT(barrier), .words = barriers,
     .text =
         "What keeps a large body from being stored before it is verified: a checksum trailer, the SHA-256 "
         "that the "
         "client declared (else parts), the last byte missing, or a multipart upload that is not completed."},
    {"checksum_headers", CONFIG_WORDS, AT(checksum_headers), .words = checksums,
     .text = "The x-amz-checksum-* that it verifies and keeps; without crc32 small bodies are sent with "
             "Content-MD5."},
    {"etag_kind", CONFIG_WORD, AT(etag_kind), .words = etag_kinds,
     .text = "Its ETags: MD5s as Amazon's, MD5s of single PUTs only, or nothing that can be compared."},
    {"conditional_put", CONFIG_WORD, AT(conditional_put), .words = answers,
     .text = "A PUT with If-Match is refused when the object is another one; repairs use it."},
    {"key_folding", CONFIG_WORDS, AT(key_folding), .words = folds,
     .text = "Keys that it takes for other ones (docs/backends.md); they are refused for buckets with a "
             "replica there."},
    {"list_version", CONFIG_WORD, AT(list_version), .words = versions,
     .text = "Which ListObjects works there."},
    {"list_order", CONFIG_WORD, AT(list_order), .words = orders,
     .text = "Order of its listings: of bytes, or of paths (\"a/b\" before \"a!b\")."},
    {"url_encode", CONFIG_WORD, AT(url_encode), .words = answers,
     .text = "Its listings know encoding-type=url."},
    {"list_after", CONFIG_WORD, AT(list_after), .words = answers,
     .text = "A listing that begins within a folder misses nothing."},
    {"list_nested", CONFIG_WORD, AT(list_nested), .words = answers,
     .text = "Its listings show \"a/b\" beside an object \"a\"; where another replica's do, that one is "
             "asked for keys."},
    {"min_part", CONFIG_BYTES, AT(min_part), RANGE(1, 1024 * MIB),
     .text = "Least size of a part of an upload that the gateway itself makes there, but for the last."},
    {"max_parts", CONFIG_COUNT, AT(max_parts), RANGE(1, 10000),
     .text = "Parts that such an upload may have."},
    {"equal_parts", CONFIG_WORD, AT(equal_parts), .words = answers,
     .text = "All parts of an upload but the last must be of one size."},
    {"copy_object", CONFIG_WORD, AT(copy_object), .words = copies,
     .text = "It copies an object by itself, under a condition and with other metadata and tags; the copy of "
             "one that was uploaded in parts shows an MD5, or the same ETag."},
    {"copy_part", CONFIG_WORD, AT(copy_part), .words = answers,
     .text = "It copies a part by itself, under a condition; its ETag is the MD5 of the part."},
};
_Static_assert(sizeof(rows) / sizeof(rows[0]) == sizeof(struct capabilities) / sizeof(uint64_t),
               "a row per capability");

const struct config_record config_capabilities = {
    .rows = rows, .count = sizeof(rows) / sizeof(rows[0]), .size = sizeof(struct capabilities)};
