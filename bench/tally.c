#include "bench/tally.h"
#include "bench/wire.h"

#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

uint64_t mono_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void tally_start(struct tally *t)
{
    *t = (struct tally){.started_us = mono_us()};
}

void tally_free(struct tally *t)
{
    free(t->latency_us);
    free(t->series);
}

/* At least `need` elements; new ones are zero. */
static void *widen(void *array, size_t *room, size_t need, size_t element)
{
    size_t wider = *room ? *room : 1024;

    if (need <= *room)
        return array;
    while (wider < need)
        wider *= 2;
    array = realloc(array, wider * element);
    if (!array)
        die("out of memory");
    memset((char *)array + *room * element, 0, (wider - *room) * element);
    *room = wider;
    return array;
}

void tally_moved(struct tally *t, uint64_t bytes, uint64_t now_us)
{
    size_t slot = (size_t)((now_us - t->started_us) / (SERIES_STEP_MS * 1000));

    t->moved += bytes;
    t->series = widen(t->series, &t->series_room, slot + 1, sizeof(t->series[0]));
    t->series[slot] += bytes;
}

void tally_op(struct tally *t, uint64_t bytes, uint64_t took_us)
{
    t->latency_us = widen(t->latency_us, &t->latency_room, t->ops + 1, sizeof(t->latency_us[0]));
    t->latency_us[t->ops++] = took_us < UINT32_MAX ? (uint32_t)took_us : UINT32_MAX;
    t->bytes += bytes;
}

void tally_error(struct tally *t, const char *format, ...)
{
    va_list args;

    if (t->errors++)
        return;
    va_start(args, format);
    vsnprintf(t->first_error, sizeof(t->first_error), format, args);
    va_end(args);
    for (char *c = t->first_error; *c; c++)
        if ((unsigned char)*c < ' ' || (unsigned char)*c > '~' || *c == '"' || *c == '\\')
            *c = ' '; /* it is printed as a JSON string */
}

void tally_hinted(struct tally *t, uint64_t now_us)
{
    if (t->hinted++ == 0)
        t->first_hinted_us = now_us - t->started_us;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* Nearest rank, in milliseconds. */
static double percentile(const struct tally *t, unsigned percent)
{
    size_t rank = (t->ops * percent + 99) / 100;

    return t->ops ? t->latency_us[rank ? rank - 1 : 0] / 1e3 : 0;
}

static double own_cpu_s(void)
{
    struct rusage used;

    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

void tally_print(struct tally *t, const char *fields, FILE *out)
{
    double seconds;
    size_t slots;

    if (!t->ended_us)
        t->ended_us = mono_us();
    seconds = (double)(t->ended_us - t->started_us) / 1e6;
    slots = (size_t)((t->ended_us - t->started_us) / (SERIES_STEP_MS * 1000));
    if (t->ops)
        qsort(t->latency_us, t->ops, sizeof(t->latency_us[0]), compare);
    fprintf(out,
            "{%s\"ops\": %llu, \"errors\": %llu, \"bytes\": %llu, \"moved_bytes\": %llu, \"items\": %llu, "
            "\"seconds\": %.6f, "
            "\"ops_per_s\": %.2f, \"mib_per_s\": %.2f, ",
            fields, (unsigned long long)t->ops, (unsigned long long)t->errors, (unsigned long long)t->bytes,
            (unsigned long long)t->moved, (unsigned long long)t->items, seconds, (double)t->ops / seconds,
            (double)t->bytes / (1 << 20) / seconds);
    fprintf(out, "\"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f, \"client_cpu_s\": %.6f, ",
            percentile(t, 50), percentile(t, 99), percentile(t, 100), own_cpu_s());
    fprintf(out, "\"hinted\": %llu, \"first_hinted_s\": ", (unsigned long long)t->hinted);
    if (t->hinted)
        fprintf(out, "%.3f", (double)t->first_hinted_us / 1e6);
    else
        fprintf(out, "null");
    fprintf(out, ", \"first_error\": \"%s\", \"series_step_ms\": %d, \"series_bytes\": [", t->first_error,
            SERIES_STEP_MS);
    for (size_t i = 0; i < slots; i++)
        fprintf(out, "%s%llu", i ? ", " : "", i < t->series_room ? (unsigned long long)t->series[i] : 0ULL);
    fprintf(out, "]}\n");
}
