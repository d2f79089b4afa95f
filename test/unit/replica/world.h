/* What the tests of S3 replicas share: a loop, a backend on the scripted server, and one replica of it. */
#ifndef TEST_REPLICA_WORLD_H
#define TEST_REPLICA_WORLD_H

#include "auth/sigv4.h"
#include "replica/s3_replica.h"
#include "scripted_server.h"

#define TEST_ACCESS "AKTEST"
#define TEST_SECRET "test-secret"
#define TEST_REMOTE "remote-bucket"

struct world {
    struct loop *loop;
    struct scripted_server server;
    struct s3_backend *backend;
    struct replica *replica;
    struct health *health;
    struct timer turn;
    unsigned checksums_refused; /* to be set before world_open */
    /* of the request that the server got last */
    struct http_head head;
};

static inline void world_open(struct world *w, const char *region, enum s3_barrier barrier)
{
    struct capabilities can = {
        .barrier = barrier, .checksum_headers = CAPABILITY_SET | (S3_CHECKSUMS_ALL & ~w->checksums_refused)};
    struct s3_backend_options o = {
        .name = "a",
        .host = SPAN("127.0.0.1"),
        .region = span_of(region),
        .access_key = SPAN(TEST_ACCESS),
        .secret_key = SPAN(TEST_SECRET),
        .can = &can,
        .limits = {.connect_ms = 20000, .idle_ms = 60000, .idle_max = 4, .connections = 4},
        .probe_ms = 60000,
    };

    capabilities_fill(&can, &capability_profile("aws")->can);
    assert_int_equal(loop_open(&w->loop), ERR_OK);
    server_open(&w->server, w->loop);
    o.port = w->server.port;
    assert_int_equal(s3_backend_open(&w->backend, w->loop, &o), ERR_OK);
    w->health = s3_backend_health(w->backend);
    assert_int_equal(s3_replica_open(&w->replica, w->backend, SPAN(TEST_REMOTE)), ERR_OK);
}

static inline void world_close(struct world *w)
{
    assert_int_equal(w->health->in_flight, 0);
    s3_replica_free(w->replica);
    s3_backend_free(w->backend);
    server_fini(&w->server);
    loop_free(w->loop);
}

static inline void world_turned(struct timer *t)
{
    loop_stop(LIST_ENTRY(t, struct world, turn)->loop);
}

/* Some turns of the loop, so that what was begun can show. */
static inline void world_turn(struct world *w)
{
    for (int i = 0; i < 3; i++) {
        timer_init(&w->turn, world_turned);
        clock_start(loop_clock(w->loop), &w->turn, 1);
        loop_run(w->loop);
    }
}

static inline struct world *world_of(struct scripted_server *s)
{
    return LIST_ENTRY(s, struct world, server);
}

static inline void tell_stop(struct scripted_server *s, int count)
{
    loop_stop(world_of(s)->loop);
}

/* Parses the head the server got, and verifies its signature: every x-amz-* field and the host must be signed. */
static inline void world_check_head(struct world *w, const char *method, const char *path, const char *query)
{
    struct s3_request request = {.path = span_of(path), .query = span_of(query)};
    struct sigv4_claim claim;
    struct arena arena;
    const char *message = NULL;
    size_t seen = 0;

    assert_int_equal(
        http_parse_request((struct span){w->server.got, w->server.got_bytes}, &w->head, &seen, NULL), ERR_OK);
    assert_true(span_is(w->head.method_text, method));
    assert_memory_equal(w->head.target.at, path, strlen(path));
    if (*query) {
        assert_int_equal(w->head.target.len, strlen(path) + 1 + strlen(query));
        assert_memory_equal(w->head.target.at + strlen(path) + 1, query, strlen(query));
    } else {
        assert_int_equal(w->head.target.len, strlen(path));
    }
    request.payload_text = *http_header(&w->head, "x-amz-content-sha256");
    arena_init(&arena, 1 << 20);
    assert_int_equal(sigv4_claim_parse(&claim, &w->head, &arena, &message), S3_OK);
    assert_true(span_is(claim.access_key, TEST_ACCESS));
    assert_int_equal(sigv4_verify(NULL, &claim, SPAN(TEST_SECRET), claim.region, &w->head, &request,
                                  claim.stamp_unix_s, &arena, &message, NULL),
                     S3_OK);
    arena_fini(&arena);
}

static inline void assert_field(const struct world *w, const char *name, const char *value)
{
    const struct span *v = http_header(&w->head, name);

    if (!value) {
        assert_null(v);
        return;
    }
    assert_non_null(v);
    if (!span_is(*v, value))
        fail_msg("%s: %.*s instead of %s", name, SPAN_ARG(*v), value);
}

#endif
