#include "base/random.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>

void random_init(struct random *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) { /* splitmix64, as its authors advise for seeding */
        uint64_t z = seed += 0x9E3779B97F4A7C15u;

        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
        z = (z ^ z >> 27) * 0x94D049BB133111EBu;
        r->s[i] = z ^ z >> 31;
    }
}

void random_init_system(struct random *r)
{
    if (getrandom(r->s, sizeof(r->s), 0) != (ssize_t)sizeof(r->s))
        abort();
}

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

uint64_t random_u64(struct random *r)
{
    uint64_t *s = r->s, out = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return out;
}

uint64_t random_below(struct random *r, uint64_t below)
{
    assert(below);
    return (uint64_t)((unsigned __int128)random_u64(r) * below >> 64);
}
