/* tls.c - OpenSSL on a non-blocking socket.
 *
 * Writes are cut to one record (16 KiB) each, so that "how much was taken" is never far from what the
 * kernel has. Small pieces in front (a head, the first bytes of a body) are gathered into one record;
 * larger ones are encrypted from where they lie. When the kernel takes only part of a record OpenSSL
 * keeps the rest and wants the same call again: `retry_bytes` is its length, and the caller's promise
 * to come again with the same bytes is in stream.h. */
#include "io/tls.h"

#include "base/log.h"
#include "io/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <uv.h>

enum {
    RECORD_BYTES = 16 * 1024,
    GATHER_BELOW = 4 * 1024, /* a first piece below this is sent together with what follows it */
};
_Static_assert((int)RECORD_BYTES <= (int)LOOP_BLOCK_BYTES, "a record is gathered in a block");

struct tls_context {
    pthread_mutex_t lock; /* of `ssl`, which a reload replaces; each connection keeps the one it began with */
    SSL_CTX *ssl;
    bool server;
};

struct tls {
    SSL *ssl;
    struct loop *loop;
    size_t retry_bytes; /* of the write under way, 0: none */
    bool broken;        /* after a fatal error OpenSSL must not be asked to say goodbye */
};

/* The newest entry of OpenSSL's error queue as text, and the queue emptied. */
static const char *openssl_why(void)
{
    static _Thread_local char text[256];
    unsigned long code = ERR_peek_last_error();

    ERR_error_string_n(code, text, sizeof(text));
    ERR_clear_error();
    return text;
}

/* The same for a file that could not be used: the first entry is the cause, the others tell who noticed. */
static const char *file_why(const char *what, const char *file)
{
    static _Thread_local char text[1024];
    unsigned long code = ERR_peek_error();
    const char *reason =
        ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);

    snprintf(text, sizeof(text), "cannot read %s from %s: %s", what, file, reason ? reason : "not PEM");
    ERR_clear_error();
    return text;
}

static enum err context_open(struct tls_context **out, bool server, const char **why)
{
    struct tls_context *c = calloc(1, sizeof(*c));

    *out = NULL;
    if (!c)
        return ERR_NOMEM;
    pthread_mutex_init(&c->lock, NULL);
    c->server = server;
    c->ssl = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    if (!c->ssl) {
        *why = openssl_why();
        tls_context_free(c);
        return ERR_NOMEM;
    }
    SSL_CTX_set_min_proto_version(c->ssl, TLS1_2_VERSION);
    SSL_CTX_set_mode(c->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(c->ssl, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_read_ahead(c->ssl, 1);
    *out = c;
    return ERR_OK;
}

enum err tls_context_open_client(struct tls_context **out, const char *ca_file, const char **why)
{
    enum err e = context_open(out, false, why);

    if (e)
        return e;
    SSL_CTX_set_verify((*out)->ssl, SSL_VERIFY_PEER, NULL);
    if (!ca_file) {
        SSL_CTX_set_default_verify_paths((*out)->ssl);
    } else if (!SSL_CTX_load_verify_file((*out)->ssl, ca_file)) {
        *why = file_why("certificates", ca_file);
        tls_context_free(*out);
        *out = NULL;
        return ERR_INVALID;
    }
    ERR_clear_error();
    return ERR_OK;
}

/* Without this OpenSSL asks at the terminal. */
static int on_passphrase(char *at, int room, int writing, void *asked)
{
    *(bool *)asked = true;
    return -1;
}

static enum err load_key(SSL_CTX *ssl, const char *certificate_file, const char *file, const char **why)
{
    static _Thread_local char text[1024];
    bool asked = false, loaded;
    int reason;

    SSL_CTX_set_default_passwd_cb(ssl, on_passphrase);
    SSL_CTX_set_default_passwd_cb_userdata(ssl, &asked);
    loaded =
        SSL_CTX_use_PrivateKey_file(ssl, file, SSL_FILETYPE_PEM) == 1 && SSL_CTX_check_private_key(ssl) == 1;
    SSL_CTX_set_default_passwd_cb_userdata(ssl, NULL);
    if (loaded)
        return ERR_OK;
    reason = ERR_GET_REASON(ERR_peek_last_error());
    *why = text;
    if (asked)
        snprintf(text, sizeof(text), "%s is protected by a passphrase, which nobody could type", file);
    else if (ERR_GET_LIB(ERR_peek_last_error()) == ERR_LIB_X509 &&
             (reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH))
        snprintf(text, sizeof(text), "%s is not the key of the certificate in %s", file, certificate_file);
    else
        *why = file_why("a private key", file);
    ERR_clear_error();
    return ERR_MISMATCH;
}

enum err tls_context_open_server(struct tls_context **out, const char *certificate_file, const char *key_file,
                                 const char **why)
{
    enum err e = context_open(out, true, why);

    if (e)
        return e;
    if (SSL_CTX_use_certificate_chain_file((*out)->ssl, certificate_file) != 1) {
        *why = file_why("a certificate", certificate_file);
        e = ERR_INVALID;
    } else {
        e = load_key((*out)->ssl, certificate_file, key_file, why);
    }
    if (e) {
        tls_context_free(*out);
        *out = NULL;
    }
    return e;
}

enum err tls_context_reload_server(struct tls_context *c, const char *certificate_file, const char *key_file,
                                   const char **why)
{
    struct tls_context *fresh;
    enum err e = tls_context_open_server(&fresh, certificate_file, key_file, why);
    SSL_CTX *old;

    if (e)
        return e;
    pthread_mutex_lock(&c->lock);
    old = c->ssl;
    c->ssl = fresh->ssl;
    pthread_mutex_unlock(&c->lock);
    fresh->ssl = old;
    tls_context_free(fresh);
    return ERR_OK;
}

void tls_context_free(struct tls_context *c)
{
    if (!c)
        return;
    SSL_CTX_free(c->ssl);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

/* NULL: no memory. */
static SSL *new_connection(struct tls_context *c)
{
    SSL_CTX *settings;
    SSL *ssl;

    pthread_mutex_lock(&c->lock);
    settings = c->ssl;
    SSL_CTX_up_ref(settings);
    pthread_mutex_unlock(&c->lock);
    ssl = SSL_new(settings);
    SSL_CTX_free(settings);
    return ssl;
}

/* Whom the certificate must be for, and the name sent in the clear to find it (RFC 6066: names only). */
static bool expect_host(SSL *ssl, struct span host)
{
    unsigned char address[16];
    char name[256];

    if (host.len == 0 || host.len >= sizeof(name))
        return false;
    memcpy(name, host.at, host.len);
    name[host.len] = 0;
    if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name);
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, name) && SSL_set_tlsext_host_name(ssl, name);
}

enum err tls_open(struct tls **out, struct tls_context *c, int fd, struct loop *loop, struct span host)
{
    struct tls *t = calloc(1, sizeof(*t));
    bool good;

    *out = NULL;
    if (!t)
        return ERR_NOMEM;
    t->loop = loop;
    t->ssl = new_connection(c);
    good = t->ssl && SSL_set_fd(t->ssl, fd) && (c->server || expect_host(t->ssl, host));
    if (!good) {
        ERR_clear_error();
        tls_free(t);
        return ERR_TLS;
    }
    if (c->server)
        SSL_set_accept_state(t->ssl);
    else
        SSL_set_connect_state(t->ssl);
    *out = t;
    return ERR_OK;
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    SSL_free(t->ssl);
    free(t);
}

/* "127.0.0.1:9001" */
static void print_peer(char *out, size_t room, int fd)
{
    struct sockaddr_storage a;
    socklen_t len = sizeof(a);
    char host[64], port[8];

    *out = 0;
    if (getpeername(fd, (struct sockaddr *)&a, &len) == 0 &&
        getnameinfo((struct sockaddr *)&a, len, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        snprintf(out, room, a.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

/* A client that cannot shake hands is its own user's business; a server that cannot is ours. */
static void log_refusal(struct tls *t)
{
    bool server = SSL_is_server(t->ssl);
    long verdict = SSL_get_verify_result(t->ssl);
    const char *name = SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name);
    const char *why = openssl_why();
    char peer[80];

    print_peer(peer, sizeof(peer), SSL_get_fd(t->ssl));
    LOG_AT(server ? LOG_DEBUG : LOG_WARN, server ? "tls_client_refused" : "tls_handshake_failed",
           LOG_STR("host", name ? name : ""), LOG_STR("peer", peer),
           LOG_STR("cause", verdict == X509_V_OK ? why : X509_verify_cert_error_string(verdict)));
}

/* A client that never meant to speak TLS. Whatever else goes wrong in a handshake has an alert sent for it. */
static bool speaks_plainly(struct tls *t)
{
    int reason = ERR_GET_REASON(ERR_peek_error());

    return SSL_is_server(t->ssl) && BIO_number_written(SSL_get_wbio(t->ssl)) == 0 &&
           (reason == SSL_R_HTTP_REQUEST || reason == SSL_R_WRONG_VERSION_NUMBER);
}

/* Why an OpenSSL call did not do all it should. */
static enum err error_of(struct tls *t, int result, unsigned *wait_for)
{
    int error = errno;

    switch (SSL_get_error(t->ssl, result)) {
    case SSL_ERROR_WANT_READ: *wait_for = UV_READABLE; return ERR_AGAIN;
    case SSL_ERROR_WANT_WRITE: *wait_for = UV_WRITABLE; return ERR_AGAIN;
    case SSL_ERROR_ZERO_RETURN: return ERR_EOF;
    case SSL_ERROR_SYSCALL:
        t->broken = true;
        ERR_clear_error();
        return error == ETIMEDOUT ? ERR_TIMEOUT : ERR_RESET;
    default:
        t->broken = true;
        /* A peer that closes without close_notify may have been cut off by anyone. */
        if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
            ERR_clear_error();
            return ERR_RESET;
        }
        if (speaks_plainly(t)) {
            ERR_clear_error();
            return ERR_PROTOCOL;
        }
        if (SSL_is_init_finished(t->ssl))
            ERR_clear_error();
        else
            log_refusal(t);
        return ERR_TLS;
    }
}

enum err tls_handshake(struct tls *t, unsigned *wait_for)
{
    int result = SSL_do_handshake(t->ssl);

    return result == 1 ? ERR_OK : error_of(t, result, wait_for);
}

enum err tls_read(struct tls *t, void *at, size_t room, size_t *got, unsigned *wait_for)
{
    *got = 0;
    while (*got < room) { /* a record at a time: fill what there is room for */
        size_t n;
        int result = SSL_read_ex(t->ssl, (char *)at + *got, room - *got, &n);

        if (result != 1 && *got == 0)
            return error_of(t, result, wait_for);
        if (result != 1) { /* whatever it is, the next call finds it again */
            ERR_clear_error();
            break;
        }
        *got += n;
        if (!SSL_has_pending(t->ssl))
            break;
    }
    return ERR_OK;
}

/* One record's worth from the front of `iov`: where it lies, or gathered in `block`. */
static struct span front(const struct iovec *iov, int count, size_t limit, char *block)
{
    size_t filled = 0;

    if (!block)
        return span_head((struct span){iov[0].iov_base, iov[0].iov_len}, limit);
    for (int i = 0; i < count && filled < limit; i++) {
        size_t n = iov[i].iov_len < limit - filled ? iov[i].iov_len : limit - filled;

        memcpy(block + filled, iov[i].iov_base, n);
        filled += n;
    }
    return (struct span){block, filled};
}

static enum err write_record(struct tls *t, const struct iovec *iov, int count, size_t *sent,
                             unsigned *wait_for)
{
    size_t limit = t->retry_bytes ? t->retry_bytes : RECORD_BYTES;
    bool gather = count > 1 && iov[0].iov_len < (t->retry_bytes ? t->retry_bytes : GATHER_BELOW);
    char *block = gather ? loop_block_take(t->loop) : NULL;
    struct span piece;
    int result;

    if (gather && !block)
        return ERR_NOMEM;
    piece = front(iov, count, limit, block);
    result = SSL_write_ex(t->ssl, piece.at, piece.len, sent);
    if (block)
        loop_block_give(t->loop, block);
    t->retry_bytes = result == 1 ? 0 : piece.len; /* also after an error, so that it is met again */
    return result == 1 ? ERR_OK : error_of(t, result, wait_for);
}

enum err tls_writev(struct tls *t, const struct iovec *iov, int count, size_t *sent, unsigned *wait_for)
{
    struct iovec left[STREAM_IOV_MAX];
    int first = 0, end = count < STREAM_IOV_MAX ? count : STREAM_IOV_MAX;
    enum err e = ERR_OK;

    *sent = 0;
    memcpy(left, iov, (size_t)end * sizeof(*left));
    while (first < end) {
        size_t taken;

        e = write_record(t, left + first, end - first, &taken, wait_for);
        if (e)
            break;
        *sent += taken;
        while (first < end && taken >= left[first].iov_len)
            taken -= left[first++].iov_len;
        if (first < end)
            left[first] = (struct iovec){(char *)left[first].iov_base + taken, left[first].iov_len - taken};
    }
    /* What was taken is told whatever came then: callers must know if anything can have reached the peer. */
    return *sent ? ERR_OK : e;
}

enum err tls_peek(struct tls *t)
{
    unsigned ignored;
    char byte;
    size_t n;
    int result = SSL_peek_ex(t->ssl, &byte, 1, &n);

    return result == 1 ? ERR_OK : error_of(t, result, &ignored);
}

bool tls_pending(const struct tls *t)
{
    return SSL_has_pending(t->ssl);
}

void tls_shutdown(struct tls *t)
{
    if (!t->broken && SSL_is_init_finished(t->ssl) && !(SSL_get_shutdown(t->ssl) & SSL_SENT_SHUTDOWN))
        SSL_shutdown(t->ssl);
    ERR_clear_error();
}
