/* Matching: both lists ascend, so one walk does it. A listed part that is not among those there are, or has another ETag
 * or checksum, is InvalidPart; sizes are judged when all is known, as S3 does. The checksums of parts are known here, verified
 * when they came: those that a list leaves out are not missing. */
#include "fanout/upload_list.h"

#include "s3/crc_combine.h"
#include "s3/digest.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- the client's list ---- */

void upload_list_init(struct upload_list *l, uint64_t seed)
{
    *l = (struct upload_list){.seed = seed};
}

void upload_list_fini(struct upload_list *l)
{
    free(l->at);
    *l = (struct upload_list){0};
}

/* Aborts when memory is out: a few hundred KiB. */
void upload_list_add(struct upload_list *l, const struct s3_listed_part *part)
{
    if (l->count == l->room) {
        l->room = l->room ? 2 * l->room : 64;
        l->at = realloc(l->at, l->room * sizeof(*l->at));
        if (!l->at)
            abort();
    }
    l->out_of_order = l->out_of_order || (l->count && l->at[l->count - 1].number > part->number);
    if (l->count && l->at[l->count - 1].number == part->number)
        l->count--;
    l->at[l->count++] = (struct upload_listed){
        .number = part->number,
        .checksum = part->checksum,
        .etag_hash = hash64(part->etag, l->seed),
        .checksum_hash = hash64(part->checksum_text, l->seed),
    };
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = ((const struct upload_listed *)a)->number, y = ((const struct upload_listed *)b)->number;

    return x < y ? -1 : x > y;
}

void upload_list_sort(struct upload_list *l)
{
    if (l->count)
        qsort(l->at, l->count, sizeof(*l->at), by_number);
    l->out_of_order = false;
}

/* ---- text ---- */

static void text_room(struct upload_text *t, size_t more)
{
    if (t->at && t->room - t->len >= more)
        return;
    t->room = 2 * t->room + more;
    t->at = realloc(t->at, t->room);
    if (!t->at)
        abort();
}

static void text_add(struct upload_text *t, struct span s)
{
    text_room(t, s.len);
    span_put(t->at + t->len, s);
    t->len += s.len;
}

/* ---- the match ---- */

void upload_match_init(struct upload_match *m, const struct upload_list *list, const struct upload *upload,
                       uint32_t checksummed, uint64_t part_bytes_min)
{
    *m = (struct upload_match){.list = list,
                               .upload = upload,
                               .part_bytes_min = part_bytes_min,
                               .checksummed = checksummed,
                               .holders = upload_slots(upload) & ~upload->dropped,
                               .md5s = true};
    md5_init(&m->md5);
    text_add(&m->document, SPAN(S3_COMPLETE_HEAD));
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++)
        if (upload->checksum && m->holders & ~checksummed & 1u << slot)
            text_add(&m->own[slot], SPAN(S3_COMPLETE_HEAD));
}

void upload_match_fini(struct upload_match *m)
{
    free(m->document.at);
    free(m->checksums.at);
    free(m->cuts.at);
    free(m->manifest.at);
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++)
        free(m->own[slot].at);
    m->document = m->checksums = m->cuts = m->manifest = (struct upload_text){0};
    memset(m->own, 0, sizeof(m->own));
}

static struct span bare(const char *etag)
{
    struct span s = span_of(etag);

    return s.len >= 2 && s.at[0] == '"' ? (struct span){s.at + 1, s.len - 2} : s;
}

static enum s3_code wrong(struct upload_match *m, enum s3_code code, const char *format, uint32_t number)
{
    snprintf(m->text, sizeof(m->text), format, number);
    m->message = m->text;
    return code;
}

static bool same_checksum(const struct upload_match *m, const struct upload_listed *l, const struct part *p)
{
    char text[BASE64_SHA256_CHARS];
    size_t len = base64_encode(p->checksum, p->checksum_bytes, text);

    return hash64((struct span){text, len}, m->list->seed) == l->checksum_hash;
}

static enum s3_code check_part(struct upload_match *m, const struct upload_listed *l, const struct part *p)
{
    enum s3_checksum kind = (enum s3_checksum)m->upload->checksum;

    if (!p->etag_count || hash64(bare(p->etags[0].text), m->list->seed) != l->etag_hash)
        return wrong(m, S3_INVALID_PART, "Part %u was uploaded with another ETag.", l->number);
    if (l->checksum && p->checksum_bytes && (l->checksum != kind || !same_checksum(m, l, p)) && kind)
        return wrong(m, S3_INVALID_PART, "Part %u was uploaded with another checksum.", l->number);
    return S3_OK;
}

static void add_to_document(struct upload_text *t, const struct part *p, const char *etag,
                            enum s3_checksum kind)
{
    struct span value = {(const char *)p->checksum, p->checksum_bytes};
    char *end;

    text_room(t, S3_COMPLETE_PART_BYTES_MAX);
    end = s3_complete_put_part(t->at + t->len, p->number, span_of(etag),
                               p->checksum_bytes ? kind : S3_CHECKSUM_NONE, value);
    t->len = (size_t)(end - t->at);
}

static void add_to_documents(struct upload_match *m, const struct part *p)
{
    enum s3_checksum kind = (enum s3_checksum)m->upload->checksum;
    struct span so_far = {m->document.at, m->document.len};

    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++) {
        const char *etag = m->holders & 1u << slot ? part_etag(p, slot) : NULL;

        if (!etag || (!m->own[slot].at && strcmp(etag, p->etags[0].text) == 0))
            continue;
        if (!m->own[slot].at)
            text_add(&m->own[slot], so_far);
        add_to_document(&m->own[slot], p, etag, m->checksummed & 1u << slot ? kind : S3_CHECKSUM_NONE);
    }
    add_to_document(&m->document, p, p->etags[0].text, kind);
}

static void add_md5(struct upload_match *m, const struct part *p)
{
    uint8_t value[MD5_BYTES];
    struct span etag = bare(p->etags[0].text);

    m->md5s = m->md5s && etag.len == 2 * MD5_BYTES && hex_decode(etag, value, MD5_BYTES);
    if (m->md5s)
        md5_add(&m->md5, value, MD5_BYTES);
}

static uint64_t big_endian(const uint8_t *at, size_t bytes)
{
    uint64_t value = 0;

    while (bytes--)
        value = value << 8 | *at++;
    return value;
}

static void add_cut(struct upload_match *m, const struct part *p)
{
    uint32_t before = m->next ? m->list->at[m->next - 1].number : 0;
    struct upload_text *t = &m->cuts;

    text_room(t, S3_MANIFEST_PART_BYTES_MAX);
    t->len = (size_t)(s3_manifest_put_part(t->at + t->len, before, p->number, p->bytes) - t->at);
}

static void add_checksum(struct upload_match *m, const struct part *p)
{
    if (!m->upload->checksum || !p->checksum_bytes)
        return;
    text_add(&m->checksums, (struct span){(const char *)p->checksum, p->checksum_bytes});
    if (m->upload->full_object)
        m->crc = s3_crc_combine((enum s3_checksum)m->upload->checksum, m->crc,
                                big_endian(p->checksum, p->checksum_bytes), p->bytes);
}

enum s3_code upload_match_page(struct upload_match *m, const struct part *parts, size_t count)
{
    for (size_t i = 0; i < count && m->next < m->list->count; i++) {
        const struct upload_listed *l = &m->list->at[m->next];
        const struct part *p = &parts[i];
        enum s3_code code;

        if (p->number < l->number)
            continue;
        if (p->number > l->number)
            return wrong(m, S3_INVALID_PART, "Part %u was not uploaded.", l->number);
        code = check_part(m, l, p);
        if (code != S3_OK)
            return code;
        if (p->bytes < m->part_bytes_min && m->next + 1 < m->list->count)
            return wrong(m, S3_ENTITY_TOO_SMALL, "Part %u is too small, and not the last.", l->number);
        m->holders &= part_stored(p);
        m->bytes += p->bytes;
        add_to_documents(m, p);
        add_md5(m, p);
        add_checksum(m, p);
        add_cut(m, p);
        m->next++;
    }
    return S3_OK;
}

static void end_documents(struct upload_match *m)
{
    text_add(&m->document, SPAN(S3_COMPLETE_TAIL));
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++)
        if (m->own[slot].at)
            text_add(&m->own[slot], SPAN(S3_COMPLETE_TAIL));
}

/* "<md5 of the parts' MD5s>-<parts>" */
static void end_etag(struct upload_match *m)
{
    uint8_t value[MD5_BYTES];
    char hex[2 * MD5_BYTES];

    md5_end(&m->md5, value);
    hex_encode(value, sizeof(value), hex);
    if (m->md5s)
        snprintf(m->etag, sizeof(m->etag), "\"%.*s-%zu\"", (int)sizeof(hex), hex, m->next);
}

/* COMPOSITE: the checksum of the parts' checksums, and how many parts. FULL_OBJECT: of all bytes. */
static void end_checksum(struct upload_match *m)
{
    enum s3_checksum kind = (enum s3_checksum)m->upload->checksum;
    size_t bytes = s3_checksum_kind(kind)->bytes, len;

    if (m->checksums.len != bytes * m->next)
        return;
    m->checksum_bytes = bytes;
    if (m->upload->full_object) {
        for (size_t i = 0; i < bytes; i++)
            m->checksum_value[i] = (uint8_t)(m->crc >> (8 * (bytes - 1 - i)));
    } else {
        struct s3_digest d;

        s3_digest_init(&d, kind);
        s3_digest_add(&d, m->checksums.at, m->checksums.len);
        s3_digest_end(&d, m->checksum_value);
    }
    len = base64_encode(m->checksum_value, bytes, m->checksum);
    m->checksum[len] = '\0';
    if (!m->upload->full_object)
        snprintf(m->checksum + len, sizeof(m->checksum) - len, "-%zu", m->next);
}

static void end_manifest(struct upload_match *m)
{
    struct s3_manifest manifest = {.count = (uint32_t)m->next, .parts = {m->cuts.at, m->cuts.len}};

    if (m->checksum_bytes) {
        manifest.kind = (enum s3_checksum)m->upload->checksum;
        manifest.full_object = m->upload->full_object;
        manifest.checksum = span_of(m->checksum);
        manifest.checksums = (struct span){m->checksums.at, m->checksums.len};
    }
    text_room(&m->manifest, S3_MANIFEST_HEAD_BYTES_MAX + m->cuts.len + m->checksums.len);
    m->manifest.len = s3_manifest_print(&manifest, m->manifest.at);
}

enum s3_code upload_match_end(struct upload_match *m)
{
    if (m->next < m->list->count)
        return wrong(m, S3_INVALID_PART, "Part %u was not uploaded.", m->list->at[m->next].number);
    if (m->bytes > S3_OBJECT_BYTES_MAX)
        return S3_ENTITY_TOO_LARGE;
    end_documents(m);
    end_etag(m);
    if (m->upload->checksum)
        end_checksum(m);
    end_manifest(m);
    return S3_OK;
}

static enum s3_checksum_type type_of(const struct upload *u)
{
    return !u->checksum ? S3_TYPE_OPEN : u->full_object ? S3_TYPE_FULL_OBJECT : S3_TYPE_COMPOSITE;
}

/* With a number of parts behind it or without. */
static bool is_checksum(const struct upload_match *m, const struct upload_claims *c)
{
    uint32_t parts = m->upload->full_object ? 0 : (uint32_t)m->next;

    return memcmp(c->checksum_value, m->checksum_value, m->checksum_bytes) == 0 &&
           (!c->checksum_parts || c->checksum_parts == parts);
}

enum s3_code upload_match_check(struct upload_match *m, const struct upload_claims *c)
{
    enum s3_code code = S3_OK;

    if (c->object_bytes != UINT64_MAX && c->object_bytes != m->bytes) {
        m->message = "The value of x-amz-mp-object-size does not match the sizes of the parts.";
        code = S3_INVALID_REQUEST;
    } else if ((c->checksum && c->checksum != m->upload->checksum) ||
               (c->checksum_type && c->checksum_type != type_of(m->upload))) {
        m->message = "The upload was created with another checksum algorithm or type, or with none.";
        code = S3_INVALID_REQUEST;
    } else if (c->checksum && !is_checksum(m, c)) {
        m->message = "The checksum of the object does not match those of its parts.";
        code = S3_BAD_DIGEST;
    }
    return code;
}

struct span upload_match_document(const struct upload_match *m, uint32_t slot)
{
    const struct upload_text *t = m->own[slot].at ? &m->own[slot] : &m->document;

    return (struct span){t->at, t->len};
}
