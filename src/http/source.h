/* http/source.h - bytes to be sent, pulled by the one who sends them.
 *
 * The sender peeks, writes what the kernel takes straight from there, and says how much that was.
 * No copy in between. */
#ifndef HTTP_SOURCE_H
#define HTTP_SOURCE_H

#include "base/err.h"

#include <stddef.h>
#include <sys/uio.h>

struct http_source {
    /* Sets iov[0 .. *count) to what can be sent now; *count comes in as the room, at least 2. What was
     * shown and is not sent yet comes first again the next time, and no less of it.
     * ERR_OK: at least one byte is there. ERR_AGAIN: nothing now, the owner will call the sender's
     * resume function. ERR_EOF: all has been given. Any other error: the sender breaks off. */
    enum err (*peek)(void *ctx, struct iovec *iov, int *count);
    /* The first `bytes` of what the last peek showed are with the kernel. */
    void (*sent)(void *ctx, size_t bytes);
};

#endif
