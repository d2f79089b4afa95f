/* alone.c - costs measured alone, to set the gateway's figures against:
 *
 *   alone sha256 --size BYTES          CPU seconds of one SHA-256 pass, in 512 KiB pieces of a ring that
 *                                      is larger than the processor's near caches, as in the gateway
 *   alone sync --path FILE --count N   fdatasync of a small append, as a group commit does it;
 *                                      the file is made, and removed at the end
 *   alone send --size BYTES [--head N] [--skew N]
 *                                      CPU seconds of sending 512 KiB pieces, each behind a head of N bytes,
 *                                      from memory that begins N bytes into a page: what alignment costs */
#include "base/hash.h"
#include "bench/tally.h"
#include "bench/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { PIECE = 512 << 10, RING = 8 * PIECE, APPEND = 4 << 10, PAGE = 4 << 10, HEAD_MOST = 4 << 10 };

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

static void wait_for(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};

    poll(&p, 1, -1);
}

/* Takes all that arrives until the other side closes. */
static void *drain(void *arg)
{
    int fd = *(int *)arg;
    ssize_t n;

    while ((n = wire_discard(fd, PIECE)) != 0)
        if (n < 0)
            wait_for(fd, POLLIN);
    close(fd);
    return NULL;
}

static void send_piece(int fd, struct iovec *iov)
{
    while (iov[1].iov_len) {
        ssize_t n = writev(fd, iov, 2);

        if (n < 0 && errno != EAGAIN)
            die("send: %s", strerror(errno));
        if (n < 0)
            wait_for(fd, POLLOUT);
        for (int i = 0; i < 2 && n > 0; i++) {
            size_t gone = (size_t)n < iov[i].iov_len ? (size_t)n : iov[i].iov_len;

            iov[i].iov_base = (char *)iov[i].iov_base + gone;
            iov[i].iov_len -= gone;
            n -= (ssize_t)gone;
        }
    }
}

static void measure_send(uint64_t size, size_t head, size_t skew)
{
    uint16_t port = 0;
    int listener = wire_listen(&port, 0), fd = wire_connect(port), peer;
    static char heads[HEAD_MOST];
    char *ring = aligned_alloc(PAGE, RING + PAGE);
    struct timespec from, to;
    pthread_t thread;

    if (!ring || fd < 0)
        die("no memory or no connection");
    memset(ring, 0x5a, RING + PAGE);
    wait_for(listener, POLLIN);
    peer = wire_accept(listener);
    if (pthread_create(&thread, NULL, drain, &peer))
        die("no thread");
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    for (uint64_t done = 0; done < size; done += PIECE) {
        struct iovec iov[2] = {{heads, head}, {ring + done % RING + skew, PIECE}};

        send_piece(fd, iov);
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    close(fd);
    pthread_join(thread, NULL);
    close(listener);
    printf("{\"size\": %llu, \"cpu_s\": %.6f}\n", (unsigned long long)size,
           (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9);
    free(ring);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"size", required_argument, NULL, 's'},  {"path", required_argument, NULL, 'p'},
        {"count", required_argument, NULL, 'n'}, {"head", required_argument, NULL, 'h'},
        {"skew", required_argument, NULL, 'k'},  {0}};
    static const char usage[] = "usage: alone sha256 --size BYTES | alone sync --path FILE --count N |"
                                " alone send --size BYTES [--head 0..4096] [--skew 0..4096]";
    uint64_t size = 0, count = 0, head = 0, skew = 0;
    const char *path = NULL;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 's': size = parse_size("--size", optarg); break;
        case 'p': path = optarg; break;
        case 'h': head = parse_size("--head", optarg); break;
        case 'k': skew = parse_size("--skew", optarg); break;
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
    else if (strcmp(argv[optind], "send") == 0 && size && head <= HEAD_MOST && skew <= PAGE)
        measure_send(size, (size_t)head, (size_t)skew);
    else
        die("%s", usage);
    return 0;
}
