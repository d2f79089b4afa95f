/* s3/form.h - multipart/form-data as browsers upload with it: fields, then one file. Pure, no allocation.
 *
 * RFC 7578 on RFC 2046, strict: the body begins with the boundary, each part says form-data and a name, lines end in CR LF,
 * nothing is encoded. What stands before the file is bounded, and no field's name comes twice. What comes behind the
 * file, as the button that sends a form does, has no meaning to S3. */
#ifndef S3_FORM_H
#define S3_FORM_H

#include "base/err.h"
#include "s3/error.h"

enum {
    S3_FORM_HEAD_BYTES_MAX =
        20 * 1024 + 8 * 1024, /* up to the file's first byte: S3's 20 KB of fields, and their frames */
    S3_FORM_FIELD_BYTES_MAX = 20 * 1024, /* names and values of the fields */
    S3_FORM_FIELDS_MAX = 64,
    S3_FORM_BOUNDARY_CHARS_MAX = 70,
    S3_FORM_DELIMITER_MAX = 4 + S3_FORM_BOUNDARY_CHARS_MAX, /* CR LF "--" boundary */
    S3_FORM_TAIL_MAX = S3_FORM_DELIMITER_MAX + 4
};

struct s3_form_field {
    struct span name, value; /* of the file `value` is empty */
};

struct s3_form {
    char delimiter[S3_FORM_DELIMITER_MAX];
    size_t delimiter_len;
    enum { S3_FORM_START, S3_FORM_PART, S3_FORM_AT_FILE, S3_FORM_BAD } state;
    size_t at; /* of the text: taken apart so far */
    size_t field_bytes;
    struct s3_form_field fields[S3_FORM_FIELDS_MAX]; /* spans point into the text */
    size_t field_count;
    struct span file_name; /* without directories; empty when the part has none */
    size_t file_at;        /* of the text: the file's first byte */
    enum s3_code code;
    const char *message; /* static */
};

/* `content_type` is that header's value. S3_OK; S3_PRECONDITION_FAILED: it is no form; S3_MALFORMED_POST_REQUEST. */
enum s3_code s3_form_init(struct s3_form *f, struct span content_type, const char **message) MUST_CHECK;

enum s3_form_step {
    S3_FORM_MORE,   /* the file has not begun yet */
    S3_FORM_FILE,   /* it begins at file_at: fields are complete */
    S3_FORM_REFUSED /* `code` and `message` */
};
/* `text` is the body from its first byte, as much as there is of it, always at the same place. */
enum s3_form_step s3_form_read(struct s3_form *f, struct span text) MUST_CHECK;

/* The field's value, any case; NULL when it is not there. */
const struct span *s3_form_value(const struct s3_form *f, const char *name);

/* What follows a file that is the last part: CR LF "--" boundary "--" CR LF. Returns its length. */
size_t s3_form_tail(const struct s3_form *f, char out[static S3_FORM_TAIL_MAX]);
/* The length of the file that begins at `file`, which is the rest of a body that is at hand whole. False: no boundary ends
 * it, or the form does not end in order behind it. */
bool s3_form_file_end(const struct s3_form *f, struct span file, size_t *bytes) MUST_CHECK;

/* Looks for the boundary in a file that passes in pieces. */
struct s3_form_scan {
    const struct s3_form *form;
    size_t kept;
    char last[2 * S3_FORM_DELIMITER_MAX]; /* the end of what has passed */
};
void s3_form_scan_init(struct s3_form_scan *s, const struct s3_form *f);
/* True: it is there; the file is not what it seemed. */
bool s3_form_scan(struct s3_form_scan *s, struct span piece) MUST_CHECK;

#endif
