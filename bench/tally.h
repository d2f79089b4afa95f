/* tally.h - what the load generator counted, and its one JSON document. */
#ifndef BENCH_TALLY_H
#define BENCH_TALLY_H

#include "base/span.h"

#include <stdio.h>

enum { SERIES_STEP_MS = 100 };

struct tally {
    uint64_t started_us, ended_us; /* monotonic */
    uint64_t ops, errors, bytes;   /* operations answered 2xx, failed ones, payload bytes of the former */
    uint64_t moved;                /* payload bytes sent or received, failed and unfinished ones too */
    uint64_t items;                /* that the answers name: keys listed, keys deleted */
    uint64_t hinted;               /* answers whose x-s3mirror-replicas tells of a hint */
    uint64_t first_hinted_us;      /* since the start; meaningful when hinted > 0 */
    uint32_t *latency_us;          /* of each good operation */
    size_t latency_room;
    uint64_t *series; /* moved bytes of each SERIES_STEP_MS since the start */
    size_t series_room;
    char first_error[256];
};

uint64_t mono_us(void);

void tally_start(struct tally *t);
void tally_free(struct tally *t);
void tally_moved(struct tally *t, uint64_t bytes, uint64_t now_us);
void tally_op(struct tally *t, uint64_t bytes, uint64_t took_us);
/* Keeps the text of the first failure. */
__attribute__((format(printf, 2, 3))) void tally_error(struct tally *t, const char *format, ...);
void tally_hinted(struct tally *t, uint64_t now_us);
/* Sets the end, if it is not set; sorts the latencies. `fields`: JSON members to print first, "" or with a comma. */
void tally_print(struct tally *t, const char *fields, FILE *out);

#endif
