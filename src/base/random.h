/* random.h - random numbers, one of the four seams. Not for secrets. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stdint.h>

/* xoshiro256** (Blackman and Vigna): small, fast, and the same on every machine for one seed. */
struct random {
    uint64_t s[4];
};

void random_init(struct random *r, uint64_t seed);
/* Seeded by the kernel. */
void random_init_system(struct random *r);
uint64_t random_u64(struct random *r);
/* 0 .. below-1; below > 0. */
uint64_t random_below(struct random *r, uint64_t below);

#endif
