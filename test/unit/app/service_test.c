/* The service as a process of its own: it starts, says where, ends in order; and what keeps it from starting is told
 * in one line. Backends are not needed for that: they are ports where nobody listens. */
#include "app/service.h"
#include "app/status.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { LINE_BYTES = 4096 };

struct bed {
    char folder[64];
    char extra[512]; /* more of the configuration */
    const char *replicas, *backends;
    uint16_t port_a; /* of backend a, when something listens there */
};

struct process {
    pid_t pid;
    FILE *log;
    char line[LINE_BYTES];
};

static int setup(void **state)
{
    struct bed *b = calloc(1, sizeof(*b));

    *state = b;
    b->replicas = "[a, b]";
    b->backends = "abc";
    strcpy(b->folder, "/tmp/s3mirror-service-XXXXXX");
    return mkdtemp(b->folder) ? 0 : -1;
}

static int teardown(void **state)
{
    static const char *const files[] = {"journal.db", "journal.db-wal", "journal.db-shm", "journal.db.lock"};
    struct bed *b = *state;

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char path[128];

        snprintf(path, sizeof(path), "%s/%s", b->folder, files[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(b->folder), 0);
    free(b);
    return 0;
}

static struct config *configure(const struct bed *b)
{
    char text[4096];
    struct config *c;
    int n = snprintf(text, sizeof(text),
                     "keys: [{access_key: k, secret_key: s}]\nloops: 2\njournal: {path: %s/journal.db}\n%s%s"
                     "buckets: [{name: media, replicas: %s}]\nbackends:\n",
                     b->folder, b->extra,
                     strstr(b->extra, "listen:") ? "" : "listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\n",
                     b->replicas);

    for (const char *name = b->backends; *name; name++)
        n += snprintf(text + n, sizeof(text) - (size_t)n,
                      "  - {name: %c, endpoint: 'http://127.0.0.1:%d', access_key: x, secret_key: s}\n",
                      *name, *name == 'a' && b->port_a ? b->port_a : *name - 'a' + 1);
    if (config_parse(&c, "f.yaml", span_of(text)))
        fail_msg("%s", c->first->text);
    return c;
}

static struct process start(const struct bed *b)
{
    struct config *c = configure(b);
    struct process p;
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    fflush(NULL);
    p.pid = fork();
    assert_true(p.pid >= 0);
    if (p.pid == 0) {
        int status;

        close(fds[0]);
        dup2(fds[1], STDERR_FILENO);
        close(fds[1]);
        status = service_run(c);
        config_free(c);
        _exit(status);
    }
    close(fds[1]);
    p.log = fdopen(fds[0], "r");
    config_free(c);
    return p;
}

/* Reads on until a line has it; the process must not end before. */
static void expect_line(struct process *p, const char *part)
{
    while (fgets(p->line, sizeof(p->line), p->log))
        if (strstr(p->line, part))
            return;
    fail_msg("the process ended without saying '%s'", part);
}

static void expect_end(struct process *p, int status)
{
    int got;

    while (fgets(p->line, sizeof(p->line), p->log))
        ;
    fclose(p->log);
    assert_int_equal(waitpid(p->pid, &got, 0), p->pid);
    assert_true(WIFEXITED(got));
    assert_int_equal(WEXITSTATUS(got), status);
}

/* The value of a field in the line that was read last. */
static void field(const struct process *p, const char *name, char out[static 64])
{
    const char *at = strstr(p->line, name);

    assert_non_null(at);
    assert_int_equal(sscanf(at + strlen(name), "%63[^ \n]", out), 1);
}

static void stop(struct process *p)
{
    kill(p->pid, SIGTERM);
    expect_line(p, "event=draining");
    expect_line(p, "event=ended\n");
    expect_end(p, 0);
}

static void expect_refusal(const struct bed *b, const char *part)
{
    struct process p = start(b);

    expect_line(&p, part);
    assert_int_equal(strncmp(p.line, "s3mirror: ", 10), 0);
    expect_end(&p, 1);
}

static int connect_to(const char *address)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    a.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    return connect(fd, (struct sockaddr *)&a, sizeof(a)) ? -1 : fd;
}

/* --- tests ------------------------------------------------------------------------------------------------ */

static void it_starts_says_where_and_ends_in_order(void **state)
{
    struct process p = start(*state);
    char admin[64], answer[256];
    ssize_t len;
    int fd;

    expect_line(&p, "event=started");
    field(&p, " admin=", admin);
    fd = connect_to(admin);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "GET /readyz HTTP/1.1\r\nHost: h\r\n\r\n", 33), 33);
    len = read(fd, answer, sizeof(answer) - 1);
    assert_true(len > 12);
    assert_memory_equal(answer, "HTTP/1.1 200", 12);
    close(fd);
    stop(&p);
}

static void status_is_told_by_a_running_gateway_only(void **state)
{
    struct process p = start(*state);
    char admin[64];

    expect_line(&p, "event=started");
    field(&p, " admin=", admin);
    assert_int_equal(status_print(admin, NULL, false), 0);
    assert_int_equal(status_print(admin, NULL, true), 0);
    assert_int_equal(status_print(admin, "media/a key/with spaces", true), 0);
    assert_int_equal(status_print(admin, "media", false), 0);
    assert_int_equal(status_print(admin, "nothing", false), 1);
    assert_int_equal(status_print(admin, "nothing/x", false), 1);
    stop(&p);
    assert_int_equal(status_print(admin, NULL, false), 1);
    assert_int_equal(status_print("nowhere", NULL, false), 1);
}

/* A gateway with a request under way for as long as the test wants: a report on a key, whose replica a is a socket of
 * ours that takes the question and does not answer. */
struct busy {
    struct process process;
    int listener, backend, client;
};

/* The connection on which the key is asked for: the gateway has questions of its own for a backend, which end here. */
static int accept_question(int listener)
{
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        char head[1024] = "";

        assert_true(fd >= 0);
        if (read(fd, head, sizeof(head) - 1) > 0 && strstr(head, "/media/x "))
            return fd;
        close(fd);
    }
}

static struct busy start_busy(struct bed *b)
{
    static const char question[] = "GET /status/media/x HTTP/1.1\r\nHost: h\r\n\r\n";
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct busy busy = {.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    socklen_t len = sizeof(a);
    char admin[64];

    assert_int_equal(bind(busy.listener, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(busy.listener, 8), 0);
    assert_int_equal(getsockname(busy.listener, (struct sockaddr *)&a, &len), 0);
    b->port_a = ntohs(a.sin_port);
    strcpy(b->extra, "terms: {first_byte_ms: 3600000}\nlimits: {backends: {connect_ms: 3600000}}\n");
    busy.process = start(b);
    expect_line(&busy.process, "event=started");
    field(&busy.process, " admin=", admin);
    busy.client = connect_to(admin);
    assert_int_equal(write(busy.client, question, sizeof(question) - 1), sizeof(question) - 1);
    busy.backend = accept_question(busy.listener);
    kill(busy.process.pid, SIGTERM);
    expect_line(&busy.process, "event=draining");
    return busy;
}

static void end_busy(struct busy *b)
{
    close(b->client);
    close(b->listener);
}

static void a_second_signal_ends_it_at_once(void **state)
{
    struct busy b = start_busy(*state);

    kill(b.process.pid, SIGINT);
    expect_line(&b.process, "a second signal");
    expect_end(&b.process, 0);
    close(b.backend);
    end_busy(&b);
}

static void what_is_under_way_is_completed_before_it_ends(void **state)
{
    struct busy b = start_busy(*state);
    char answer[256];
    ssize_t len;

    shutdown(b.listener, SHUT_RDWR); /* the gateway is a fork of the test, and holds it too */
    close(b.listener);
    close(b.backend);
    len = read(b.client, answer, sizeof(answer) - 1);
    assert_true(len > 12);
    assert_memory_equal(answer, "HTTP/1.1 200", 12);
    expect_line(&b.process, "event=ended\n");
    expect_end(&b.process, 0);
    close(b.client);
}

static void when_the_time_to_drain_is_over_it_ends(void **state)
{
    struct bed *b = *state;
    struct process p;

    strcpy(b->extra, "drain_ms: 0\n");
    p = start(b);
    expect_line(&p, "event=started");
    kill(p.pid, SIGTERM);
    expect_line(&p, "drain_ms is over");
    expect_end(&p, 0);
}

static void a_port_that_is_taken_is_told(void **state)
{
    struct process p = start(*state);
    struct bed *b = *state;
    char listen[64], admin[64], message[128];

    expect_line(&p, "event=started");
    field(&p, " listen=", listen);
    field(&p, " admin=", admin);
    snprintf(b->extra, sizeof(b->extra), "listen: %s\nadmin: {listen: 127.0.0.1:0}\n", listen);
    snprintf(message, sizeof(message), "listen: cannot listen on %s: Address already in use", listen);
    expect_refusal(b, message);
    snprintf(b->extra, sizeof(b->extra), "listen: 127.0.0.1:0\nadmin: {listen: %s}\n", admin);
    snprintf(message, sizeof(message), "admin.listen: cannot listen on %s: Address already in use", admin);
    expect_refusal(b, message);
    stop(&p);
}

static void a_journal_that_another_gateway_holds_is_told(void **state)
{
    struct process p = start(*state);

    expect_line(&p, "event=started");
    expect_refusal(*state, "another gateway");
    stop(&p);
}

static void a_journal_that_cannot_be_opened_is_told(void **state)
{
    struct bed *b = *state;
    char good[sizeof(b->folder)];

    strcpy(good, b->folder);
    strcpy(b->folder, "/nowhere");
    expect_refusal(b, "/nowhere/journal.db");
    strcpy(b->folder, good);
}

static void a_bucket_keeps_its_replicas_over_a_restart(void **state)
{
    for (int i = 0; i < 2; i++) {
        struct process p = start(*state);

        expect_line(&p, "event=started");
        stop(&p);
    }
}

static void a_replica_is_added_to_a_bucket_only_when_trusted(void **state)
{
    struct bed *b = *state;
    struct process p = start(b);

    expect_line(&p, "event=started");
    stop(&p);
    b->replicas = "[a, b, c/other]";
    expect_refusal(b, "c/other would be a new replica of it that lacks its objects");
    b->replicas = "[a, b, c/other], trust_new_replicas: true";
    p = start(b);
    expect_line(&p, "event=replica_added");
    expect_line(&p, "event=started");
    stop(&p);
    /* It has been accepted once; taken out it may not come back unseen. */
    b->replicas = "[a, b]";
    p = start(b);
    expect_line(&p, "event=started");
    stop(&p);
    b->replicas = "[a, b, c/other]";
    expect_refusal(b, "c/other would be a new replica");
}

static void a_place_of_a_bucket_that_the_journal_knows_is_not_given_away(void **state)
{
    struct bed *b = *state;
    struct process p;

    b->replicas = "[a, b]}, {name: fresh, replicas: [c/xyz]";
    p = start(b);
    expect_line(&p, "event=started");
    stop(&p);
    /* The configuration no longer says so; the journal does. */
    b->replicas = "[a, b, c/xyz], trust_new_replicas: true";
    expect_refusal(b, "bucket media: c/xyz is a replica of bucket fresh already");
}

static void a_backend_that_a_bucket_needs_must_be_configured(void **state)
{
    struct bed *b = *state;
    struct process p;

    b->replicas = "[a, b]}, {name: fresh, replicas: [c]";
    p = start(b);
    expect_line(&p, "event=started");
    stop(&p);
    b->replicas = "[a, b]";
    p = start(b);
    expect_line(&p, "event=bucket_kept bucket=fresh");
    expect_line(&p, "event=started");
    stop(&p);
    b->backends = "ab";
    expect_refusal(b, "bucket fresh has a replica on backend c, which is not configured");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_starts_says_where_and_ends_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(status_is_told_by_a_running_gateway_only, setup, teardown),
        cmocka_unit_test_setup_teardown(a_second_signal_ends_it_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_under_way_is_completed_before_it_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(when_the_time_to_drain_is_over_it_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(a_port_that_is_taken_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_journal_that_another_gateway_holds_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_journal_that_cannot_be_opened_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bucket_keeps_its_replicas_over_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(a_replica_is_added_to_a_bucket_only_when_trusted, setup, teardown),
        cmocka_unit_test_setup_teardown(a_place_of_a_bucket_that_the_journal_knows_is_not_given_away, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_backend_that_a_bucket_needs_must_be_configured, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
