/* A form is taken apart alike however it comes, and where its file is said to end the boundary stands, and not before.
 * The first line of the input is the Content-Type, its last letter says how the rest is cut. */
#include "s3/form.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            abort();                                                                                         \
    } while (0)

static enum s3_form_step read_in_pieces(struct s3_form *f, struct span text, size_t step)
{
    enum s3_form_step result;
    size_t len = 0;

    do {
        len = text.len - len < step ? text.len : len + step;
        result = s3_form_read(f, span_head(text, len));
    } while (result == S3_FORM_MORE && len < text.len);
    return result;
}

static bool scan(const struct s3_form *f, struct span file, size_t step)
{
    struct s3_form_scan s;
    bool found = false;

    s3_form_scan_init(&s, f);
    while (file.len && !found) {
        found = s3_form_scan(&s, span_head(file, step));
        file = span_skip(file, step);
    }
    return found;
}

static void check_file(const struct s3_form *f, struct span file, size_t step)
{
    size_t bytes;

    if (!s3_form_file_end(f, file, &bytes))
        return;
    CHECK(bytes + f->delimiter_len <= file.len);
    CHECK(!scan(f, span_head(file, bytes + f->delimiter_len - 1), step));
    CHECK(scan(f, span_head(file, bytes + f->delimiter_len), step));
}

static void check_same(const struct s3_form *a, const struct s3_form *b)
{
    CHECK(a->field_count == b->field_count && a->file_at == b->file_at && a->code == b->code);
    for (size_t i = 0; i < a->field_count; i++) {
        CHECK(span_eq(a->fields[i].name, b->fields[i].name) &&
              span_eq(a->fields[i].value, b->fields[i].value));
        CHECK(a->fields[i].name.len && span_is_utf8(a->fields[i].name));
    }
    CHECK(a->field_bytes <= S3_FORM_FIELD_BYTES_MAX + S3_FORM_HEAD_BYTES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size}, type = span_cut(&text, '\n');
    size_t step = 1 + (type.len ? (uint8_t)type.at[type.len - 1] % 32 : 0);
    struct s3_form whole, pieces;
    enum s3_form_step result;
    const char *message = NULL;

    if (s3_form_init(&whole, type, &message) != S3_OK) {
        CHECK(message);
        return 0;
    }
    pieces = whole;
    result = s3_form_read(&whole, text);
    CHECK(read_in_pieces(&pieces, text, step) == result);
    check_same(&whole, &pieces);
    if (result == S3_FORM_FILE) {
        CHECK(whole.file_at <= text.len && whole.file_at <= S3_FORM_HEAD_BYTES_MAX);
        check_file(&whole, span_skip(text, whole.file_at), step);
    }
    return 0;
}
