/* alone.c - two costs measured alone, to set the gateway's figures against:
 *
 *   alone sha256 --size BYTES          CPU seconds of one SHA-256 pass, in 512 KiB pieces of a ring that
 *                                      is larger than the processor's near caches, as in the gateway
 *   alone sync --path FILE --count N   fdatasync of a small append, as a group commit does it;
 *                                      the file is made, and removed at the end */
#include "base/hash.h"
#include "bench/tally.h"
#include "bench/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { PIECE = 512 << 10, RING = 8 * PIECE, APPEND = 4 << 10 };

static void measure_sha256(uint64_t size)
{
    uint8_t *ring = must_alloc(RING), digest[SHA256_BYTES];
    struct timespec from, to;
    struct sha256 h;

    memset(ring, 0x5a, RING);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    sha256_init(&h);
    for (uint64_t done = 0; done < size; done += PIECE)
        sha256_add(&h, ring + done % RING, size - done < PIECE ? (size_t)(size - done) : PIECE);
    sha256_end(&h, digest);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    printf("{\"size\": %llu, \"cpu_s\": %.6f}\n", (unsigned long long)size,
           (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9);
    free(ring);
}

static void measure_sync(const char *path, uint64_t count)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    char block[APPEND];
    struct tally t;

    if (fd < 0)
        die("%s: %s", path, strerror(errno));
    memset(block, 0x5a, sizeof(block));
    tally_start(&t);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t start = mono_us();

        if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block) || fdatasync(fd))
            die("%s: %s", path, strerror(errno));
        tally_op(&t, sizeof(block), mono_us() - start);
    }
    t.ended_us = mono_us();
    close(fd);
    unlink(path);
    tally_print(&t, "", stdout);
    tally_free(&t);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"size", required_argument, NULL, 's'},
                                            {"path", required_argument, NULL, 'p'},
                                            {"count", required_argument, NULL, 'n'},
                                            {0}};
    static const char usage[] = "usage: alone sha256 --size BYTES | alone sync --path FILE --count N";
    uint64_t size = 0, count = 0;
    const char *path = NULL;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 's': size = parse_size("--size", optarg); break;
        case 'p': path = optarg; break;
        case 'n': count = parse_size("--count", optarg); break;
        default: die("%s", usage);
        }
    }
    if (optind + 1 != argc)
        die("%s", usage);
    if (strcmp(argv[optind], "sha256") == 0 && size)
        measure_sha256(size);
    else if (strcmp(argv[optind], "sync") == 0 && path && count)
        measure_sync(path, count);
    else
        die("%s", usage);
    return 0;
}
