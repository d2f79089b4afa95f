/* The packed form: a byte each for the form, the kind of checksum, its type and the length of the object's; that; how many
 * parts, how many bytes they take, for each what its number is greater by than the one before and its size; their checksums, all of
 * one length, or none.
 *
 * Numbers are of seven bits a byte, the low ones first, the top bit set on all but the last. */
#include "s3/manifest.h"

#include <assert.h>

enum { FORM = 1, CHECKSUM_CHARS_MAX = 127 };

static char *put_number(char *at, uint64_t n)
{
    for (; n > 0x7f; n >>= 7)
        *at++ = (char)(n | 0x80);
    *at++ = (char)n;
    return at;
}

char *s3_manifest_put_part(char *at, uint32_t before, uint32_t number, uint64_t bytes)
{
    assert(number > before);
    return put_number(put_number(at, number - before), bytes);
}

/* False: cut short, or more than 64 bits. */
static bool take_number(struct span *from, uint64_t *out)
{
    *out = 0;
    for (unsigned shift = 0; from->len && shift < 64; shift += 7) {
        uint8_t byte = (uint8_t)from->at[0];

        *from = span_skip(*from, 1);
        if (shift == 63 && byte > 1)
            return false;
        *out |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

static bool take_byte(struct span *from, uint8_t *out)
{
    if (!from->len)
        return false;
    *out = (uint8_t)from->at[0];
    *from = span_skip(*from, 1);
    return true;
}

static bool take_bytes(struct span *from, uint64_t bytes, struct span *out)
{
    if (bytes > from->len)
        return false;
    *out = span_head(*from, (size_t)bytes);
    *from = span_skip(*from, (size_t)bytes);
    return true;
}

size_t s3_manifest_print(const struct s3_manifest *m, char *out)
{
    char *at = out;

    assert(m->checksum.len <= CHECKSUM_CHARS_MAX);
    *at++ = FORM;
    *at++ = (char)m->kind;
    *at++ = (char)m->full_object;
    *at++ = (char)m->checksum.len;
    at = span_put(at, m->checksum);
    at = put_number(at, m->count);
    at = put_number(at, m->parts.len);
    at = span_put(at, m->parts);
    at = span_put(at, m->checksums);
    return (size_t)(at - out);
}

static bool read_head(struct span *from, struct s3_manifest *m)
{
    uint8_t form, kind, full_object, chars;
    uint64_t count, part_bytes;

    if (!take_byte(from, &form) || form != FORM || !take_byte(from, &kind) || kind >= S3_CHECKSUM_COUNT ||
        !take_byte(from, &full_object) || full_object > 1 || !take_byte(from, &chars) ||
        !take_bytes(from, chars, &m->checksum) || !take_number(from, &count) || count < 1 ||
        count > S3_PART_NUMBER_MAX || !take_number(from, &part_bytes))
        return false;
    m->kind = (enum s3_checksum)kind;
    m->full_object = full_object;
    m->count = (uint32_t)count;
    return take_bytes(from, part_bytes, &m->parts);
}

/* As many as there are, in order, which make up an object. */
static bool add_parts(struct s3_manifest *m)
{
    struct span left = m->parts;
    uint64_t number = 0, more, bytes;

    m->object_bytes = 0;
    for (uint32_t i = 0; i < m->count; i++) {
        if (!take_number(&left, &more) || more < 1 || more > S3_PART_NUMBER_MAX - number ||
            !take_number(&left, &bytes) || bytes > S3_OBJECT_BYTES_MAX)
            return false;
        number += more;
        m->object_bytes += bytes;
    }
    return left.len == 0;
}

bool s3_manifest_read(struct span packed, struct s3_manifest *out)
{
    size_t each;

    *out = (struct s3_manifest){.kind = S3_CHECKSUM_NONE};
    if (!read_head(&packed, out) || !add_parts(out))
        return false;
    each = s3_checksum_kind(out->kind)->bytes;
    out->checksums = packed;
    return packed.len == 0 || packed.len == each * out->count;
}

bool s3_manifest_next(const struct s3_manifest *m, struct s3_manifest_part *part)
{
    struct span left = span_skip(m->parts, part->at);
    size_t each = m->checksums.len / m->count;
    uint64_t more;

    if (part->index == m->count)
        return false;
    part->offset += part->bytes;
    (void)take_number(&left, &more);
    (void)take_number(&left, &part->bytes);
    part->number += (uint32_t)more;
    part->at = m->parts.len - left.len;
    part->checksum = span_head(span_skip(m->checksums, each * part->index), each);
    part->index++;
    return true;
}

bool s3_manifest_find(const struct s3_manifest *m, uint32_t number, struct s3_manifest_part *out)
{
    *out = (struct s3_manifest_part){0};
    while (out->number < number && s3_manifest_next(m, out))
        ;
    return number && out->number == number;
}
