#include "base/stamp.h"

#include <stdatomic.h>

void hlc_init(struct hlc *h, uint32_t node, uint32_t incarnation)
{
    atomic_store(&h->last, 0);
    h->node = node;
    h->incarnation = incarnation;
}

uint64_t hlc_next(struct hlc *h, uint64_t unix_ms)
{
    uint64_t last = atomic_load_explicit(&h->last, memory_order_relaxed), next;

    do {
        next = last + 1 > unix_ms << 16 ? last + 1 : unix_ms << 16;
    } while (!atomic_compare_exchange_weak(&h->last, &last, next));
    return next;
}

void hlc_see(struct hlc *h, uint64_t version)
{
    uint64_t last = atomic_load_explicit(&h->last, memory_order_relaxed);

    while (last < version && !atomic_compare_exchange_weak(&h->last, &last, version)) {
    }
}

static void put_be(uint8_t *out, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        out[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
}

struct stamp stamp_make(const struct hlc *h, uint64_t version)
{
    struct stamp s;

    put_be(s.b, version, 8);
    put_be(s.b + 8, h->node, 4);
    put_be(s.b + 12, h->incarnation, 4);
    return s;
}

uint64_t stamp_version(const struct stamp *s)
{
    uint64_t v = 0;

    for (size_t i = 0; i < 8; i++)
        v = v << 8 | s->b[i];
    return v;
}

static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

/* 26 x 5 = 130 bits: two zero bits stand before the 128. */
void stamp_print(const struct stamp *s, char out[static STAMP_CHARS])
{
    unsigned held = 0;
    int bits = 2;
    size_t at = 0;

    for (size_t i = 0; i < STAMP_CHARS; i++) {
        while (bits < 5) {
            held = held << 8 | s->b[at++];
            bits += 8;
        }
        bits -= 5;
        out[i] = digits[held >> bits & 31];
        held &= (1u << bits) - 1;
    }
}

bool stamp_parse(struct span text, struct stamp *out)
{
    unsigned held = 0;
    int bits = -2;
    size_t at = 0;

    if (text.len != STAMP_CHARS)
        return false;
    for (size_t i = 0; i < STAMP_CHARS; i++) {
        const char *hit = text.at[i] ? strchr(digits, text.at[i]) : NULL;

        if (!hit || (i == 0 && hit - digits > 7))
            return false;
        held = held << 5 | (unsigned)(hit - digits);
        bits += 5;
        if (bits >= 8) {
            bits -= 8;
            out->b[at++] = (uint8_t)(held >> bits);
            held &= (1u << bits) - 1;
        }
    }
    return true;
}
