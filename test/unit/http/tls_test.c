/* Server and client against each other over TLS in one loop, with certificates made here. */
#include "base/hash.h"
#include "base/log.h"
#include "http/client.h"
#include "http/server.h"
#include "io/tls.h"

#include "peer.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

enum { BODY_BYTES = 20 * 1000 * 1000, ANSWER_BYTES = 10 * 1000 * 1000 };

/* --- certificates --------------------------------------------------------------------------------- */

static char directory[64];

static const char *path_of(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
    return path;
}

static void extend(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    assert_non_null(e);
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
}

/* Writes <name>.pem and <name>.key. `issuer` NULL: signed by itself. */
static void make_certificate(const char *name, const char *alt_names, long from_s, long to_s, X509 *issuer,
                             EVP_PKEY *issuer_key, X509 **out, EVP_PKEY **out_key)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    static long serial = 1;
    char file[80];
    FILE *f;

    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
    X509_gmtime_adj(X509_getm_notBefore(x), from_s);
    X509_gmtime_adj(X509_getm_notAfter(x), to_s);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)name, -1,
                               -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(issuer ? issuer : x));
    if (alt_names)
        extend(x, NID_subject_alt_name, alt_names);
    else
        extend(x, NID_basic_constraints, "critical,CA:TRUE");
    assert_true(X509_sign(x, issuer ? issuer_key : key, EVP_sha256()) > 0);

    snprintf(file, sizeof(file), "%s.pem", name);
    f = fopen(path_of(file), "w");
    PEM_write_X509(f, x);
    fclose(f);
    snprintf(file, sizeof(file), "%s.key", name);
    f = fopen(path_of(file), "w");
    PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
    if (out) {
        *out = x;
        *out_key = key;
    } else {
        X509_free(x);
        EVP_PKEY_free(key);
    }
}

static const char *const names[] = {"ca", "good", "other", "expired", "future", "selfsigned", "locked"};

/* <name>.key again, under a passphrase, with no certificate beside it. */
static void lock_key(const char *name, const char *locked)
{
    char file[80];
    EVP_PKEY *key;
    FILE *f;

    snprintf(file, sizeof(file), "%s.key", name);
    f = fopen(path_of(file), "r");
    key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
    fclose(f);
    snprintf(file, sizeof(file), "%s.key", locked);
    f = fopen(path_of(file), "w");
    PEM_write_PrivateKey(f, key, EVP_aes_128_cbc(), (const unsigned char *)"word", 4, NULL, NULL);
    fclose(f);
    EVP_PKEY_free(key);
}

static int make_certificates(void **state)
{
    const long day = 24 * 3600;
    const char *here = "DNS:localhost,IP:127.0.0.1";
    X509 *ca;
    EVP_PKEY *key;

    log_setup(LOG_ERROR, LOG_LOGFMT); /* each refusal is logged */
    snprintf(directory, sizeof(directory), "/tmp/tls_test.XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    make_certificate("ca", NULL, -day, day, NULL, NULL, &ca, &key);
    make_certificate("good", here, -day, day, ca, key, NULL, NULL);
    make_certificate("other", "DNS:other.example,IP:192.0.2.1", -day, day, ca, key, NULL, NULL);
    make_certificate("expired", here, -2 * day, -day, ca, key, NULL, NULL);
    make_certificate("future", here, day, 2 * day, ca, key, NULL, NULL);
    make_certificate("selfsigned", here, -day, day, NULL, NULL, NULL, NULL);
    lock_key("good", "locked");
    X509_free(ca);
    EVP_PKEY_free(key);
    return 0;
}

static int remove_certificates(void **state)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char file[80];

        snprintf(file, sizeof(file), "%s.pem", names[i]);
        unlink(path_of(file));
        snprintf(file, sizeof(file), "%s.key", names[i]);
        unlink(path_of(file));
    }
    return rmdir(directory);
}

/* --- both ends ------------------------------------------------------------------------------------ */

/* Bytes that are pulled, a pattern, in pieces of odd sizes. */
struct flow {
    size_t bytes, sent;
    unsigned pieces;
    uint32_t crc; /* of what was sent */
};

enum { PERIOD = 1009 };
static char pattern[200 * 1000]; /* repeats itself, so that the stream can be shown from any position */

static enum err peek_flow(void *ctx, struct iovec *iov, int *count)
{
    static const size_t firsts[] = {1, 3000, 5, 16384, 100, 40000, 16385, 17};
    struct flow *f = ctx;
    size_t sizes[] = {firsts[f->pieces % 8], firsts[(f->pieces + 3) % 8], 100000}, at = f->sent;
    int n = 0;

    for (; n < 3 && at < f->bytes; n++) {
        size_t left = f->bytes - at;

        iov[n] = (struct iovec){pattern + at % PERIOD, sizes[n] < left ? sizes[n] : left};
        at += iov[n].iov_len;
    }
    *count = n;
    return n ? ERR_OK : ERR_EOF;
}

static void sent_flow(void *ctx, size_t bytes)
{
    struct flow *f = ctx;

    f->crc = crc32_add(f->crc, pattern + f->sent % PERIOD, bytes);
    f->sent += bytes;
    f->pieces++;
}

static const struct http_source flow_source = {.peek = peek_flow, .sent = sent_flow};

static struct tls_context *server_tls, *client_tls;
static struct http_server *server;
static struct http_origin *origin;
static struct http_exchange *exchange;
static struct flow request_flow, answer_flow;
static uint32_t request_crc, answer_crc;
static size_t request_bytes, answer_bytes;
static int exchanges;
static bool exchange_over;
static struct http_call *call;
static enum err call_done;
static const struct sockaddr *peer_seen;
static uint16_t peer_ports[2];

static void read_request(void *ctx)
{
    static char piece[33333];
    size_t got;
    enum err e;

    while ((e = http_exchange_read(exchange, piece, sizeof(piece), &got)) == ERR_OK) {
        request_crc = crc32_add(request_crc, piece, got);
        request_bytes += got;
    }
    if (e == ERR_AGAIN)
        return;
    assert_int_equal(e, ERR_EOF);
    answer_flow = (struct flow){.bytes = ANSWER_BYTES};
    struct http_answer a = {
        .status = 200, .body_bytes = ANSWER_BYTES, .source = &flow_source, .source_ctx = &answer_flow};
    http_exchange_answer(exchange, &a);
}

static void on_exchange_done(void *ctx, enum err result)
{
    assert_int_equal(result, ERR_OK);
    exchange_over = true;
    came();
}

static const struct http_exchange_events exchange_events = {.body = read_request, .done = on_exchange_done};

static void on_request(void *ctx, struct http_exchange *x, const struct http_head *head,
                       const struct http_exchange_events **events, void **out)
{
    *events = &exchange_events;
    exchange = x;
    assert_true(http_exchange_is_tls(x));
    peer_seen = http_exchange_peer(x);
    peer_ports[exchanges % 2] = ((const struct sockaddr_in *)(const void *)peer_seen)->sin_port;
    exchanges++;
    read_request(NULL);
}

static const struct http_server_events server_events = {.request = on_request};

static void on_head(void *ctx, const struct http_head *head)
{
    assert_int_equal(head->status, 200);
}

static void on_body(void *ctx)
{
    static char piece[44444];
    size_t got;

    while (http_call_read(call, piece, sizeof(piece), &got) == ERR_OK) {
        answer_crc = crc32_add(answer_crc, piece, got);
        answer_bytes += got;
    }
}

static void on_done(void *ctx, enum err result)
{
    call_done = result;
    came();
}

static const struct http_call_events call_events = {.head = on_head, .body = on_body, .done = on_done};

static void open_server(const char *name)
{
    static const struct http_server_limits limits = {60000, 60000, 60000, 10};
    struct sockaddr_in a = loopback(0);
    char certificate[80], key[80];
    const char *why = NULL;

    snprintf(certificate, sizeof(certificate), "%s/%s.pem", directory, name);
    snprintf(key, sizeof(key), "%s/%s.key", directory, name);
    assert_int_equal(tls_context_open_server(&server_tls, certificate, key, &why), ERR_OK);
    assert_int_equal(http_server_open(&server, loop, (struct sockaddr *)&a, sizeof(a), server_tls, &limits,
                                      &server_events, NULL),
                     ERR_OK);
}

static void open_origin(const char *host, const char *ca_file)
{
    static const struct http_origin_limits limits = {60000, 60000, 4, 4};
    const char *why = NULL;

    assert_int_equal(tls_context_open_client(&client_tls, ca_file, &why), ERR_OK);
    assert_int_equal(
        http_origin_open(&origin, loop, span_of(host), http_server_port(server), client_tls, &limits),
        ERR_OK);
}

static void put(void)
{
    static const char head[] = "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 20000000\r\n\r\n";
    struct http_request q = {.head = SPAN(head), .source = &flow_source, .source_ctx = &request_flow};

    request_flow = (struct flow){.bytes = BODY_BYTES};
    request_crc = answer_crc = 0;
    request_bytes = answer_bytes = 0;
    await(1);
    assert_int_equal(http_call_start(&call, origin, &q, &call_events, NULL), ERR_OK);
}

static int set_up(void **state)
{
    awaited = exchanges = 0;
    exchange_over = false;
    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = (char)(i % PERIOD * 2654435761u >> 13);
    return loop_open(&loop);
}

static int tear_down(void **state)
{
    http_origin_free(origin);
    http_server_free(server);
    loop_free(loop);
    tls_context_free(server_tls);
    tls_context_free(client_tls);
    origin = NULL;
    server = NULL;
    server_tls = client_tls = NULL;
    return 0;
}

/* --- tests ---------------------------------------------------------------------------------------- */

static void bodies_arrive_whole_and_the_connection_is_reused(const char *host)
{
    open_server("good");
    open_origin(host, path_of("ca.pem"));
    for (int i = 0; i < 2; i++) {
        await(1);
        put();
        loop_run(loop);
        assert_int_equal(call_done, ERR_OK);
        assert_int_equal(request_bytes, BODY_BYTES);
        assert_int_equal(answer_bytes, ANSWER_BYTES);
        assert_int_equal(request_crc, request_flow.crc);
        assert_int_equal(answer_crc, answer_flow.crc);
    }
    assert_int_equal(exchanges, 2);
    assert_int_equal(peer_ports[0], peer_ports[1]);
}

static void bodies_arrive_whole_by_name(void **state)
{
    bodies_arrive_whole_and_the_connection_is_reused("localhost");
}

static void bodies_arrive_whole_by_address(void **state)
{
    bodies_arrive_whole_and_the_connection_is_reused("127.0.0.1");
}

static void a_certificate_that_proves_nothing_is_refused(void **state)
{
    static const struct {
        const char *certificate, *host;
        bool trust_ca;
    } rows[] = {
        {"other", "localhost", true},      {"other", "127.0.0.1", true},  {"expired", "localhost", true},
        {"expired", "127.0.0.1", true},    {"future", "127.0.0.1", true}, {"selfsigned", "127.0.0.1", true},
        {"selfsigned", "localhost", true}, {"good", "127.0.0.1", false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (i) {
            tear_down(state);
            set_up(state);
        }
        open_server(rows[i].certificate);
        open_origin(rows[i].host, rows[i].trust_ca ? path_of("ca.pem") : NULL);
        put();
        loop_run(loop);
        if (call_done != ERR_TLS)
            fail_msg("row %zu: %s", i, err_name(call_done));
        assert_int_equal(exchanges, 0);
        assert_int_equal(request_flow.sent, 0); /* nothing of the body left */
    }
}

static const char *plain_request;

static void speak_plainly(struct peer *p)
{
    peer_connect(p);
    peer_send(p, plain_request);
    p->arg = peer_receive(p, NULL);
}

static void a_plain_client_at_a_tls_port_is_told(void **state)
{
    static const char *const requests[] = {"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
                                           "DELETE /a/b HTTP/1.1\r\nHost: h\r\n\r\n",
                                           "no protocol that anybody has heard of\r\n"};
    static struct peer plain;

    open_server("good");
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        plain_request = requests[i];
        plain = (struct peer){.port = http_server_port(server), .fd = -1};
        peer_start(&plain, speak_plainly);
        loop_run(loop);
        peer_join(&plain);
        assert_true(plain.arg); /* ended in order, no reset */
        assert_memory_equal(plain.got, "HTTP/1.1 400 ", 13);
        assert_int_equal(exchanges, 0);
        assert_true(http_server_idle(server));
    }
}

/* A client of OpenSSL's own: one request, then it waits to see how the server ends. */
static void ask_and_wait_for_the_end(struct peer *p)
{
    static const char request[] = "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n";
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(context);
    size_t got = 0;
    int n;

    peer_connect(p);
    SSL_set_fd(ssl, p->fd);
    if (SSL_connect(ssl) == 1 && SSL_write(ssl, request, sizeof(request) - 1) > 0)
        while ((n = SSL_read(ssl, p->got, sizeof(p->got))) > 0)
            got += (size_t)n;
    p->arg = got > ANSWER_BYTES && SSL_get_shutdown(ssl) == SSL_RECEIVED_SHUTDOWN;
    SSL_free(ssl);
    SSL_CTX_free(context);
}

static void drain(struct timer *t)
{
    if (exchange_over)
        http_server_drain(server);
    else
        clock_start(loop_clock(loop), t, 1);
}

static void a_connection_is_never_ended_without_saying_so(void **state)
{
    static struct peer client;
    struct timer t;

    open_server("good");
    client = (struct peer){.port = http_server_port(server), .fd = -1};
    await(1);
    peer_start(&client, ask_and_wait_for_the_end);
    timer_init(&t, drain);
    clock_start(loop_clock(loop), &t, 1);
    loop_run(loop);
    peer_join(&client);
    assert_int_equal(client.arg, 1);
}

static void answer_plainly(struct peer *p)
{
    peer_accept(p);
    recv(p->fd, p->got, 100, 0);
    peer_send(p, "HTTP/1.1 400 Bad Request\r\n\r\n");
    peer_receive(p, NULL);
}

static void a_plain_server_behind_a_tls_origin_is_an_error(void **state)
{
    static const struct http_origin_limits limits = {60000, 60000, 4, 4};
    static struct peer plain;
    const char *why = NULL;

    plain = (struct peer){.fd = -1};
    peer_listen(&plain);
    assert_int_equal(tls_context_open_client(&client_tls, path_of("ca.pem"), &why), ERR_OK);
    assert_int_equal(http_origin_open(&origin, loop, SPAN("127.0.0.1"), plain.port, client_tls, &limits),
                     ERR_OK);
    peer_start(&plain, answer_plainly);
    put();
    loop_run(loop);
    peer_join(&plain);
    close(plain.listening);
    assert_int_equal(call_done, ERR_TLS);
}

static void with_a_ca_file_the_system_is_not_trusted(void **state)
{
    static const struct {
        const char *system, *ca_file;
        enum err result;
    } rows[] = {
        {"ca.pem", NULL, ERR_OK},
        {"selfsigned.pem", NULL, ERR_TLS},
        {"selfsigned.pem", "ca.pem", ERR_OK},
        {"ca.pem", "selfsigned.pem", ERR_TLS},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (i) {
            tear_down(state);
            set_up(state);
        }
        setenv("SSL_CERT_FILE", path_of(rows[i].system), 1);
        open_server("good");
        open_origin("localhost", rows[i].ca_file ? path_of(rows[i].ca_file) : NULL);
        put();
        await(rows[i].result == ERR_OK); /* the exchange's end */
        loop_run(loop);
        unsetenv("SSL_CERT_FILE");
        if (call_done != rows[i].result)
            fail_msg("row %zu: %s", i, err_name(call_done));
    }
}

static void a_file_that_is_not_what_it_should_be_is_named(void **state)
{
    static const struct {
        const char *certificate, *key; /* no key: the certificates of a client */
        enum err result;
        const char *why[2];
    } rows[] = {
        {"none.pem", NULL, ERR_INVALID, {"none.pem", "No such file"}},
        {"good.key", NULL, ERR_INVALID, {"cannot read certificates from", "good.key"}},
        {"none.pem", "good.key", ERR_INVALID, {"none.pem", "No such file"}},
        {"good.key", "good.key", ERR_INVALID, {"cannot read a certificate from", "good.key"}},
        {"good.pem", "none.key", ERR_MISMATCH, {"none.key", "No such file"}},
        {"good.pem", "good.pem", ERR_MISMATCH, {"cannot read a private key from", "good.pem"}},
        {"good.pem",
         "other.key",
         ERR_MISMATCH,
         {"other.key is not the key of the certificate in", "good.pem"}},
        {"good.pem", "locked.key", ERR_MISMATCH, {"locked.key", "passphrase"}},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *certificate = path_of(rows[i].certificate), *why = "";
        struct tls_context *c;
        enum err e = rows[i].key ? tls_context_open_server(&c, certificate, path_of(rows[i].key), &why)
                                 : tls_context_open_client(&c, certificate, &why);

        assert_null(c);
        if (e != rows[i].result || !strstr(why, rows[i].why[0]) || !strstr(why, rows[i].why[1]))
            fail_msg("row %zu: %s: %s", i, err_name(e), why);
    }
}

static enum err reload(const char *certificate, const char *key, const char **why)
{
    return tls_context_reload_server(server_tls, path_of(certificate), path_of(key), why);
}

/* On a connection that is open already, or with a handshake. */
static void put_again(bool afresh)
{
    if (afresh) {
        http_origin_free(origin);
        tls_context_free(client_tls);
        open_origin("localhost", path_of("ca.pem"));
    }
    put();
}

static void a_new_certificate_counts_for_new_connections(void **state)
{
    static const char *const broken[][2] = {{"none.pem", "good.key"},
                                            {"good.key", "good.key"},
                                            {"good.pem", "other.key"},
                                            {"good.pem", "none.key"},
                                            {"good.pem", "locked.key"}};
    const char *why = NULL;

    open_server("good");
    open_origin("localhost", path_of("ca.pem"));
    await(1);
    put();
    loop_run(loop);
    assert_int_equal(call_done, ERR_OK);
    assert_int_equal(reload("selfsigned.pem", "selfsigned.key", &why), ERR_OK);
    await(1);
    put_again(false);
    loop_run(loop);
    assert_int_equal(call_done, ERR_OK);
    assert_int_equal(peer_ports[0], peer_ports[1]);
    put_again(true);
    loop_run(loop);
    assert_int_equal(call_done, ERR_TLS); /* nobody signed it */

    assert_int_equal(reload("good.pem", "good.key", &why), ERR_OK);
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        why = NULL;
        assert_int_not_equal(reload(broken[i][0], broken[i][1], &why), ERR_OK);
        assert_non_null(why);
    }
    await(1);
    put_again(true);
    loop_run(loop);
    assert_int_equal(call_done, ERR_OK);
    assert_int_equal(answer_bytes, ANSWER_BYTES);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(bodies_arrive_whole_by_name),
        CASE(bodies_arrive_whole_by_address),
        CASE(a_certificate_that_proves_nothing_is_refused),
        CASE(with_a_ca_file_the_system_is_not_trusted),
        CASE(a_plain_client_at_a_tls_port_is_told),
        CASE(a_connection_is_never_ended_without_saying_so),
        CASE(a_plain_server_behind_a_tls_origin_is_an_error),
        CASE(a_file_that_is_not_what_it_should_be_is_named),
        CASE(a_new_certificate_counts_for_new_connections),
    };
    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
