/* s3/tagging.h - the tags of an object: as x-amz-tagging, as a <Tagging> document, and their rules. Pure.
 * Source: S3 API reference, PutObjectTagging; user guide, "Categorizing your objects using tags". */
#ifndef S3_TAGGING_H
#define S3_TAGGING_H

#include "base/arena.h"
#include "s3/error.h"

enum {
    S3_TAGS_MAX = 10,
    S3_TAG_KEY_CHARS_MAX = 128,
    S3_TAG_VALUE_CHARS_MAX = 256,
    S3_TAGGING_BYTES_MAX = 128 * 1024
};

struct s3_tag {
    struct span key, value; /* decoded, UTF-8 */
};
struct s3_tags {
    struct s3_tag tag[S3_TAGS_MAX];
    size_t count;
};

/* "key=value&key=value", URL-encoded: S3_INVALID_ARGUMENT when it is not of that form, S3_INVALID_TAG when a rule is
 * broken: at most 10, keys of 1..128 and values of 0..256 characters, of letters, digits, spaces and + - = . _ : / @, each
 * key once, none that begins with aws:. *message says which. */
enum s3_code s3_tags_parse_header(struct s3_tags *out, struct span text, struct arena *arena,
                                  const char **message) MUST_CHECK;
/* <Tagging><TagSet><Tag><Key/><Value/></Tag>...: S3_MALFORMED_XML, or S3_INVALID_TAG as above. */
enum s3_code s3_tags_parse_document(struct s3_tags *out, struct span body, struct arena *arena,
                                    const char **message) MUST_CHECK;
/* As a header's value; empty for no tags. at == NULL: arena full. */
struct span s3_tags_header(const struct s3_tags *tags, struct arena *arena) MUST_CHECK;
struct span s3_tags_document(const struct s3_tags *tags, struct arena *arena) MUST_CHECK;

#endif
