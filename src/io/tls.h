/* io/tls.h - TLS 1.2 and 1.3 on a socket: contexts for users of streams, connections for stream.c.
 *
 * A client verifies the server's chain and that the certificate is for the host it meant to reach. */
#ifndef IO_TLS_H
#define IO_TLS_H

#include "base/err.h"
#include "base/span.h"
#include "io/loop.h"

#include <sys/uio.h>

struct tls_context; /* shared by all loops; may be used from any thread */

/* For connections to servers. Trusts the certificate authorities in `ca_file` (PEM) and no others; NULL: those of
 * the system. ERR_INVALID: *why, static or per-thread, says what is wrong, with the file's name. */
enum err tls_context_open_client(struct tls_context **out, const char *ca_file, const char **why) MUST_CHECK;
/* For connections from clients: PEM files, the chain with the server's own certificate first, and the key, which
 * no passphrase protects. ERR_INVALID: it is the certificate that is wrong, ERR_MISMATCH: the key; *why as above. */
enum err tls_context_open_server(struct tls_context **out, const char *certificate_file, const char *key_file,
                                 const char **why) MUST_CHECK;
/* The same files, or others, for handshakes that begin from now on; connections that are open go on as they are. On an
 * error everything stays as it was. From any thread. */
enum err tls_context_reload_server(struct tls_context *c, const char *certificate_file, const char *key_file,
                                   const char **why) MUST_CHECK;
void tls_context_free(struct tls_context *c);

/* The rest is for stream.c. */

struct tls; /* one connection */

/* `host` as for stream_connect; empty on the server's side. Does not own `fd`. */
enum err tls_open(struct tls **out, struct tls_context *c, int fd, struct loop *loop,
                  struct span host) MUST_CHECK;
void tls_free(struct tls *t);

/* In each of these ERR_AGAIN sets *wait_for to UV_READABLE or UV_WRITABLE: what to wait for before the
 * same call is made again. Reads and writes shake hands by themselves. ERR_PROTOCOL: a client whose first
 * bytes are no TLS; nothing has been said to it. */
enum err tls_handshake(struct tls *t, unsigned *wait_for) MUST_CHECK;
enum err tls_read(struct tls *t, void *at, size_t room, size_t *got, unsigned *wait_for) MUST_CHECK;
enum err tls_writev(struct tls *t, const struct iovec *iov, int count, size_t *sent,
                    unsigned *wait_for) MUST_CHECK;
/* As stream_probe. */
enum err tls_peek(struct tls *t) MUST_CHECK;
/* Bytes are here already that no poll will tell of. */
bool tls_pending(const struct tls *t);
/* Sends close_notify, once, as far as the socket takes it. */
void tls_shutdown(struct tls *t);

#endif
