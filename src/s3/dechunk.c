/* A machine over lines and data:
 *
 *     HEAD --size--> DATA --all--> WHOLE --(told)--> DATA_END --CRLF--> HEAD
 *       `--0--> WHOLE --(told)--> TRAILER --field--> TRAILER_SIGNATURE --> LAST --CRLF--> ENDED
 *                            `--(no trailer in this mode)----------------^
 *
 * A line is collected in `line` up to its CR LF and then looked at whole; a line that does not fit is refused, so
 * that whoever sends no line end costs no memory. Data is the caller's. Nothing is skipped over: a decoder that tolerates what it does not know can be
 * brought to see another end of the body than the next one does.
 *
 * One exception, since minio-go's users are many: it prints a trailer as it was signed, with LF, and then CR LF. */
#include "s3/dechunk.h"

#include <assert.h>

enum { HEAD, DATA, WHOLE, DATA_END, TRAILER, TRAILER_SIGNATURE, LAST, ENDED, REFUSED };

void s3_dechunk_init(struct s3_dechunk *d, enum s3_payload payload, enum s3_checksum announced,
                     uint64_t decoded_bytes)
{
    assert(s3_payload_is_chunked(payload));
    *d = (struct s3_dechunk){
        .is_signed = payload != S3_PAYLOAD_CHUNKS_UNSIGNED_TRAILER,
        .has_trailer_lines = payload != S3_PAYLOAD_CHUNKS_SIGNED,
        .announced = announced,
        .expected = decoded_bytes,
        .last_size = UINT64_MAX,
        .trailer = SPAN_EMPTY,
    };
}

static enum s3_dechunk_step refuse(struct s3_dechunk *d, enum s3_code code, const char *message)
{
    d->state = REFUSED;
    d->code = code;
    d->message = message;
    return S3_DECHUNK_REFUSED;
}

static bool in_trailer(const struct s3_dechunk *d)
{
    return d->state == TRAILER || d->state == TRAILER_SIGNATURE || (d->state == LAST && d->has_trailer_lines);
}

/* What is wrong has a name of its own in the trailer. */
static enum s3_dechunk_step malformed(struct s3_dechunk *d, const char *message)
{
    return in_trailer(d) ? refuse(d, S3_MALFORMED_TRAILER, message) : refuse(d, S3_INVALID_REQUEST, message);
}

static bool take_signature(struct s3_dechunk *d, struct span text)
{
    if (text.len != sizeof(d->signature))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!(text.at[i] >= '0' && text.at[i] <= '9') && !(text.at[i] >= 'a' && text.at[i] <= 'f'))
            return false;
    memcpy(d->signature, text.at, text.len);
    return true;
}

/* Which size may follow which: by the declared length, and small ones at the end only. */
static enum s3_dechunk_step take_size(struct s3_dechunk *d, uint64_t size)
{
    if (size == 0 && d->decoded < d->expected)
        return refuse(
            d, S3_INCOMPLETE_BODY,
            "The chunks end before the number of bytes that x-amz-decoded-content-length declares.");
    if (size && d->last_size < S3_CHUNK_BYTES_LEAST)
        return refuse(d, S3_INVALID_CHUNK_SIZE, NULL);
    if (size > d->expected - d->decoded)
        return refuse(d, S3_INVALID_REQUEST,
                      "The chunks hold more bytes than x-amz-decoded-content-length declares.");
    d->left = d->last_size = size;
    d->state = size ? DATA : WHOLE;
    return S3_DECHUNK_MORE;
}

static enum s3_dechunk_step take_head(struct s3_dechunk *d, struct span line)
{
    static const struct span extension = SPAN("chunk-signature=");
    size_t digits = span_find(line, ';');
    struct span rest = span_skip(line, digits);
    uint64_t size;

    if (!span_to_u64_hex(span_head(line, digits), &size))
        return malformed(d, "A chunk of the aws-chunked body does not begin with its size in hexadecimal.");
    if (!d->is_signed && rest.len)
        return malformed(d, "A chunk has an extension, but the payload was declared as unsigned.");
    if (d->is_signed && (!span_starts(span_skip(rest, 1), extension) ||
                         !take_signature(d, span_skip(rest, 1 + extension.len))))
        return malformed(d, "A chunk has no \";chunk-signature=\" with 64 hexadecimal digits.");
    return take_size(d, size);
}

/* name:value, the name in any case, spaces around the value allowed. */
static bool split_field(struct span line, struct span name, struct span *value)
{
    struct span rest = line;

    if (!span_ieq(span_cut(&rest, ':'), name) || line.len == name.len)
        return false;
    *value = span_trim(rest);
    return true;
}

static void after_field(struct s3_dechunk *d)
{
    d->state = d->is_signed ? TRAILER_SIGNATURE : LAST;
}

static enum s3_dechunk_step take_field(struct s3_dechunk *d, struct span line)
{
    struct span value;

    if (!split_field(line, s3_checksum_kind(d->announced)->header, &value) || value.len == 0 ||
        value.len > sizeof(d->value))
        return malformed(d, "The trailer is not the field that x-amz-trailer announces.");
    memcpy(d->value, value.at, value.len);
    d->trailer = (struct span){d->value, value.len};
    after_field(d);
    return S3_DECHUNK_MORE;
}

static enum s3_dechunk_step take_trailer_signature(struct s3_dechunk *d, struct span line)
{
    struct span value;

    if (!split_field(line, SPAN("x-amz-trailer-signature"), &value) || !take_signature(d, value))
        return malformed(d, "The trailer has no x-amz-trailer-signature with 64 hexadecimal digits.");
    d->state = LAST;
    return S3_DECHUNK_MORE;
}

static enum s3_dechunk_step take_line(struct s3_dechunk *d)
{
    struct span line = {d->line, d->line_len};

    d->line_len = 0;
    d->lf_seen = false;
    switch (d->state) {
    case HEAD: return take_head(d, line);
    case TRAILER: return take_field(d, line);
    case TRAILER_SIGNATURE: return take_trailer_signature(d, line);
    case DATA_END:
        if (line.len)
            return malformed(d, "A chunk is longer than its size says.");
        d->state = HEAD;
        return S3_DECHUNK_MORE;
    default: /* LAST */
        if (line.len)
            return malformed(d, d->has_trailer_lines ? "The trailer has more fields than were announced."
                                                     : "Something follows the last chunk.");
        d->state = ENDED;
        return S3_DECHUNK_ENDED;
    }
}

/* One byte of a line. */
static enum s3_dechunk_step take_byte(struct s3_dechunk *d, char ch)
{
    bool after_cr = d->line_len && d->line[d->line_len - 1] == '\r';

    if (after_cr && ch == '\n') {
        d->line_len--;
        return take_line(d);
    }
    if (ch == '\n' && d->state == TRAILER && !d->lf_seen) {
        d->lf_seen = true;
        return S3_DECHUNK_MORE;
    }
    if (after_cr || ch == '\n' || ch == '\0' || (d->lf_seen && ch != '\r'))
        return malformed(d, "A line of the aws-chunked body does not end in CR LF.");
    if (d->line_len == sizeof(d->line))
        return malformed(d, "A line of the aws-chunked body is too long.");
    d->line[d->line_len++] = ch;
    return S3_DECHUNK_MORE;
}

/* The chunk that was just told of is done with. */
static void leave_chunk(struct s3_dechunk *d)
{
    if (d->last_size)
        d->state = DATA_END;
    else if (!d->has_trailer_lines)
        d->state = LAST;
    else if (d->announced)
        d->state = TRAILER;
    else
        after_field(d);
}

uint64_t s3_dechunk_data_left(const struct s3_dechunk *d)
{
    return d->state == DATA ? d->left : 0;
}

void s3_dechunk_took(struct s3_dechunk *d, uint64_t bytes)
{
    assert(d->state == DATA && bytes <= d->left);
    d->left -= bytes;
    d->decoded += bytes;
    if (d->left == 0)
        d->state = WHOLE;
}

enum s3_dechunk_step s3_dechunk_feed(struct s3_dechunk *d, const char *in, size_t len, size_t *used)
{
    enum s3_dechunk_step step = S3_DECHUNK_MORE;

    *used = 0;
    if (d->state == REFUSED)
        return S3_DECHUNK_REFUSED;
    if (d->state == ENDED)
        return S3_DECHUNK_ENDED;
    while (step == S3_DECHUNK_MORE && d->state != DATA && d->state != WHOLE && *used < len)
        step = take_byte(d, in[(*used)++]);
    if (step != S3_DECHUNK_MORE)
        return step;
    if (d->state == WHOLE) {
        leave_chunk(d);
        return S3_DECHUNK_CHUNK;
    }
    return d->state == DATA ? S3_DECHUNK_DATA : S3_DECHUNK_MORE;
}
