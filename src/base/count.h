/* count.h - counters and gauges: numbers that one thread writes and any thread may read.
 *
 * For the thread they belong to they are plain numbers, but that it changes them by these two only: as a relaxed store,
 * which needs no lock and no barrier. Other threads read them relaxed, and find each number whole; several together may
 * be some changes apart. The arguments are evaluated more than once. */
#ifndef BASE_COUNT_H
#define BASE_COUNT_H

#define COUNT_SET(number, value)                                                                             \
    do {                                                                                                     \
        __typeof__(number) count_value = (value);                                                            \
        __atomic_store(&(number), &count_value, __ATOMIC_RELAXED);                                           \
    } while (0)

#define COUNT_ADD(number, n) COUNT_SET(number, (number) + (n))

#endif
