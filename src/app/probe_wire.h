/* app/probe_wire.h - one request at a time to a backend, to the byte, and written as if it blocked.
 *
 * Each request has a connection of its own and may be broken off wherever the caller likes. Underneath is a loop that
 * runs while something is waited for. */
#ifndef APP_PROBE_WIRE_H
#define APP_PROBE_WIRE_H

#include "http/message.h"
#include "io/resolve.h"
#include "io/tls.h"

#include <signal.h>

enum { WIRE_PIECES_MAX = 4, WIRE_ANSWER_BYTES_MAX = 4 * 1024 * 1024 };

struct wire {
    struct loop *loop;
    struct tls_context *tls; /* NULL: plain http */
    struct span host;
    uint64_t wait_ms;                     /* without progress, and a request is given up */
    const volatile sig_atomic_t *stopped; /* not 0: give up what is waited for */
    struct addresses addresses;
    char *buffer; /* of the answer */
    size_t room;
};

/* How a request ends: with its answer, or broken off behind the pieces, by a close in order or by a reset. */
enum wire_end { WIRE_ANSWER, WIRE_CLOSE, WIRE_RESET };

struct wire_request {
    struct span pieces[WIRE_PIECES_MAX]; /* sent one after the other; each may be empty */
    bool head_only;
    enum wire_end end;
};

struct wire_answer {
    enum err error; /* ERR_OK: the answer is whole. Broken off on purpose: ERR_OK, status 0 */
    unsigned status;
    struct http_head head; /* this and the body are valid until the next request */
    struct span body;
};

/* Also resolves the name. *out is to be freed in any case. */
enum err wire_open(struct wire *w, struct span host, uint16_t port, struct tls_context *tls, uint64_t wait_ms,
                   const volatile sig_atomic_t *stopped) MUST_CHECK;
void wire_fini(struct wire *w);
void wire_exchange(struct wire *w, const struct wire_request *q, struct wire_answer *out);
/* Nothing but time: false when it was cut short by `stopped`. */
bool wire_pause(struct wire *w, uint64_t ms);

#endif
