/* The configuration: what is accepted, what each mistake is told as, and that prints and the page follow the table. */
#include "app/config_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define KEYS "keys: [{access_key: demo, secret_key: s}]\n"
#define BACKENDS                                                                                             \
    "backends: [{name: a, endpoint: 'http://h:1', access_key: x, secret_key: s},\n"                          \
    "           {name: b, endpoint: 'http://h:2', access_key: x, secret_key: s}]\n"
#define LEAST                  KEYS BACKENDS /* two backends, four lines */
#define BACKEND(fields)        KEYS "backends: [{name: a, access_key: x, " fields "}]\n"

#define BUCKET(fields)         LEAST "buckets: [{name: media, replicas: [a], " fields "}]\n"
#define CORS(origins, methods) BUCKET("cors: [{allowed_origins: " origins ", allowed_methods: " methods "}]")

static const struct {
    const char *text;
    const char *message; /* "f.yaml:LINE: PATH: ..." begins with or has this */
} mistakes[] = {
    /* the form of the file */
    {"", "f.yaml:1: the file is empty"},
    {"just a text\n", "f.yaml:1: must be a mapping"},
    {"- a\n", "f.yaml:1: must be a mapping"},
    {"listen: [\n", "f.yaml:2: not YAML:"},
    {"listen: 'a\n", "not YAML:"},
    {"\tlisten: a\n", "f.yaml:1: not YAML:"},
    {LEAST "--- \na: b\n", "there is a second document"},
    {LEAST "[a, b]: c\n", "f.yaml:4: a key must be a word"},
    {KEYS, "f.yaml:1: backends: is missing"},
    {BACKENDS, "f.yaml:1: keys: is missing"},
    {LEAST KEYS, "f.yaml:4: keys: is given twice"},
    {LEAST "terms: {stall_ms: 200, stall_ms: 300}\n", "f.yaml:4: terms.stall_ms: is given twice"},
    {LEAST "lissten: 127.0.0.1:1\n", "there is no key 'lissten' here; did you mean 'listen'?"},
    {LEAST "stall_ms: 100\n", "there is no key 'stall_ms' here; did you mean 'terms.stall_ms'?"},
    {LEAST "terms: {detatch_ms: 100}\n",
     "f.yaml:4: terms: there is no key 'detatch_ms' here; did you mean 'detach_ms'?"},
    {LEAST "zzzzzzzzzzzz: 1\n", "there is no key 'zzzzzzzzzzzz' here\n"},
    /* shapes */
    {LEAST "listen:\n", "f.yaml:4: listen: has no value"},
    {LEAST "listen: {a: b}\n", "f.yaml:4: listen: must be ADDRESS:PORT"},
    {LEAST "terms: 5\n", "f.yaml:4: terms: must be a mapping"},
    {LEAST "buckets: {name: x}\n", "f.yaml:4: buckets: must be a list of mappings"},
    {LEAST "buckets: [media]\n", "f.yaml:4: buckets[0]: must be a mapping"},
    {LEAST "buckets: [{name: media, replicas: a}]\n", "buckets[0].replicas: must be a list of texts"},
    {LEAST "buckets: [{name: media, replicas: [[a]]}]\n", "buckets[0].replicas: an entry must be a text"},
    {LEAST "buckets: [{name: media, replicas: []}]\n", "buckets[0].replicas: has 0 entries, not 1 to 16"},
    {LEAST "buckets: [{name: media, replicas: [a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a]}]\n",
     "has 17 entries, not 1 to 16"},
    {"keys: []\n" BACKENDS, "f.yaml:1: keys: has 0 entries"},
    /* values */
    {LEAST "loops: 0\n", "f.yaml:4: loops: '0' is not one of: auto, or a number from 1 to 256"},
    {LEAST "loops: -1\n", "loops: '-1' is not"},
    {LEAST "loops: 257\n", "loops: '257' is not"},
    {LEAST "body_budget: 1MiB\n",
     "body_budget: '1MiB' is not a number of bytes (KiB, MiB, GiB) from 4MiB to 1TiB"},
    {LEAST "body_budget: 128MB\n", "body_budget: '128MB' is not"},
    {LEAST "body_budget: 99999999999TiB\n", "body_budget: '99999999999TiB' is not"},
    {LEAST "terms: {stall_ms: 5s}\n",
     "terms.stall_ms: '5s' is not a number of milliseconds from 100 to 3600000"},
    {LEAST "log: {level: loud}\n", "log.level: 'loud' is not one of: debug, info, warn, error"},
    {LEAST "journal: {kind: cassandra}\n",
     "f.yaml:4: journal.kind: cassandra is not in this version; use sqlite"},
    {LEAST "region: ''\n", "region: is empty"},
    {LEAST "region: \"a\\nb\"\n", "region: has a control character"},
    {LEAST "region: a b\n", "region: may have letters"},
    /* addresses */
    {LEAST "listen: 8000\n", "listen: '8000' is not ADDRESS:PORT"},
    {LEAST "listen: ':8000'\n", "needs an IP address before the port"},
    {LEAST "listen: 127.0.0.1:65536\n", "is not ADDRESS:PORT"},
    {LEAST "listen: 127.0.0.1:http\n", "is not ADDRESS:PORT"},
    {LEAST "listen: '::1:8000'\n", "an IPv6 address stands in brackets"},
    {LEAST "listen: '[127.0.0.1]:8000'\n", "is no IP address"},
    {LEAST "listen: '[::1'\n", "an IPv6 address stands in brackets"},
    {LEAST "listen: example.com:80\n", "is no IP address"},
    /* the environment */
    {LEAST "region: '${S3MIRROR_TEST_UNSET}'\n",
     "region: the environment variable S3MIRROR_TEST_UNSET is not set"},
    {LEAST "region: '${S3MIRROR_TEST_UNSET'\n", "region: '${' without its '}'"},
    {LEAST "region: '${}'\n", "region: '${' must be followed by NAME}"},
    {LEAST "region: '${1}'\n", "region: '${' must be followed by NAME}"},
    {LEAST "region: '${A-b}'\n", "region: '${' must be followed by NAME}"},
    /* keys and secrets */
    {"keys: [{access_key: demo}]\n" BACKENDS, "keys[0].access_key: needs a secret_key or a secret_key_file"},
    {"keys: [{access_key: demo, secret_key: a, secret_key_file: b}]\n" BACKENDS,
     "only one of secret_key and"},
    {"keys: [{access_key: demo, secret_key_file: /nowhere/secret}]\n" BACKENDS,
     "cannot read /nowhere/secret: No such file"},
    {"keys: [{access_key: demo, secret_key_file: /dev}]\n" BACKENDS, "/dev is not a file"},
    {"keys: [{access_key: d, secret_key: a},\n  {access_key: d, secret_key: b}]\n" BACKENDS,
     "f.yaml:2: keys[1].access_key: 'd' is there twice"},
    {"keys: [{access_key: a/b, secret_key: a}]\n" BACKENDS, "keys[0].access_key: may not have spaces"},
    /* backends */
    {BACKEND("secret_key: s, endpoint: 'ftp://h'"),
     "backends[0].endpoint: must begin with http:// or https://"},
    {BACKEND("secret_key: s, endpoint: 'h:1'"), "must begin with http:// or https://"},
    {BACKEND("secret_key: s, endpoint: 'http://h:1/path'"), "may not have a path"},
    {BACKEND("secret_key: s, endpoint: 'http://h:1?x'"), "may not have a path"},
    {BACKEND("secret_key: s, endpoint: 'http://u:p@h:1'"), "may not have credentials"},
    {BACKEND("secret_key: s, endpoint: 'http://h:0'"), "has no valid port"},
    {BACKEND("secret_key: s, endpoint: 'http://h:'"), "has no valid port"},
    {BACKEND("secret_key: s, endpoint: 'http://h:70000'"), "has no valid port"},
    {BACKEND("secret_key: s, endpoint: 'http://'"), "has no valid host"},
    {BACKEND("secret_key: s, endpoint: 'http://::1:80'"), "has no valid"},
    {BACKEND("secret_key: s, endpoint: 'http://[1.2.3.4]:80'"), "has no valid host"},
    {BACKEND("secret_key: s, endpoint: 'http://[::1]x'"), "is not http(s)://host[:port]"},
    {BACKEND("secret_key: s, endpoint: 'http://a_b'"), "has no valid host"},
    {BACKEND("secret_key: s, endpoint: 'http://h', ca_file: /etc/passwd"), "is for https endpoints only"},
    {BACKEND("secret_key: s, endpoint: 'https://h', ca_file: /nowhere"),
     "ca_file: cannot read certificates from /nowhere: No such file"},
    {BACKEND("secret_key: s, endpoint: 'https://h', ca_file: /etc/passwd"),
     "ca_file: cannot read certificates"},
    {KEYS "backends: [{name: a, access_key: x, secret_key: s, endpoint: 'http://h'},\n"
          "  {name: a, access_key: x, secret_key: s, endpoint: 'http://i'}]\n",
     "f.yaml:3: backends[1].name: 'a' is there twice"},
    {KEYS "backends: [{name: 'a b', access_key: x, secret_key: s, endpoint: 'http://h'}]\n",
     "backends[0].name: may have letters"},
    {BACKEND("secret_key: s, endpoint: 'http://h', profile: amazon"),
     "backends[0].profile: is none of: generic aws minio"},
    {BACKEND("secret_key: s, endpoint: 'http://h', capabilities: {barrier: none}"),
     "backends[0].capabilities.barrier: 'none' is not one of: trailer, hash, length, parts"},
    {BACKEND("secret_key: s, endpoint: 'http://h', capabilities: {list_ordr: path}"),
     "did you mean 'list_order'?"},
    {BACKEND("secret_key: s, endpoint: 'http://h', capabilities: {key_folding: dots}"),
     "backends[0].capabilities.key_folding: must be a list of words"},
    {BACKEND("secret_key: s, endpoint: 'http://h', capabilities: {key_folding: [dots, commas]}"),
     "backends[0].capabilities.key_folding: 'commas' is not one of: lead, slashes, dots, tail, tail_body"},
    {BACKEND("secret_key: s, endpoint: 'http://h', capabilities: {max_parts: 10001}"),
     "backends[0].capabilities.max_parts: '10001' is not a number from 1 to 10000"},
    /* buckets */
    {LEAST "buckets: [{name: UP, replicas: [a]}]\n", "buckets[0].name: is no valid bucket name"},
    {LEAST "buckets: [{replicas: [a]}]\n", "buckets[0].name: is missing"},
    {LEAST "buckets: [{name: media, replicas: [a, z]}]\n",
     "f.yaml:4: buckets[0].replicas: there is no backend 'z'"},
    {LEAST "buckets: [{name: media, replicas: [a/UP]}]\n", "'UP' is no valid bucket name"},
    {LEAST "buckets: [{name: media, replicas: [a/]}]\n", "'' is no valid bucket name"},
    {LEAST "buckets: [{name: media, replicas: [a, a/media]}]\n", "'a/media' is the same place as 'a'"},
    {LEAST "buckets: [{name: media, replicas: [a]}, {name: media, replicas: [b]}]\n",
     "buckets[1].name: 'media' is there twice"},
    {LEAST "buckets: [{name: media, replicas: [a]}, {name: other, replicas: [a/media]}]\n",
     "'media' on backend a belongs to bucket 'media' already"},
    {LEAST "buckets: [{name: media, replicas: [a, b], ack: {need: 3}}]\n",
     "buckets[0].ack.need: is 3, but there are only 2 replicas"},
    {LEAST "buckets: [{name: media, replicas: [a, b], ack: {need: most}}]\n",
     "'most' is not one of: one, quorum, all, or a number from 1 to 16"},
    {LEAST "buckets: [{name: media, replicas: [a, b], ack: {wait: long}}]\n",
     "'long' is not one of: all, need"},
    {LEAST "defaults: {replicas: [a/b]}\n", "defaults.replicas: 'a/b': name the backend only"},
    {LEAST "defaults: {replicas: [q]}\n", "there is no backend 'q'"},
    /* the front */
    {LEAST "domains: [S3.example.org]\n", "f.yaml:4: domains: 'S3.example.org' is no name of a host"},
    {LEAST "domains: [s3.example.org, 's3.example.org:8000']\n",
     "'s3.example.org:8000' is no name of a host"},
    {LEAST "domains: [.example.org]\n", "'.example.org' is no name"},
    {LEAST "domains: [a..b]\n", "'a..b' is no name"},
    {LEAST "domains: [example.org.]\n", "'example.org.' is no name"},
    {LEAST "domains: ['*.example.org']\n", "is no name of a host"},
    {LEAST "domains: s3.example.org\n", "domains: must be a list of texts"},
    {BUCKET("public_read: yes"), "buckets[0].public_read: 'yes' is not one of: false, true"},
    {BUCKET("cors: {}"), "buckets[0].cors: must be a list of mappings"},
    {BUCKET("cors: [{}]"), "buckets[0].cors[0].allowed_origins: is missing"},
    {BUCKET("cors: [{allowed_origins: ['*']}]"), "buckets[0].cors[0].allowed_methods: is missing"},
    {CORS("[]", "[GET]"), "allowed_origins: has 0 entries, not 1 to 100"},
    {CORS("['http://*.a.*']", "[GET]"), "'http://*.a.*' has more than one *"},
    {CORS("[app.example.org]", "[GET]"), "'app.example.org' is no origin: scheme://host[:port]"},
    {CORS("['https://']", "[GET]"), "'https://' is no origin"},
    {CORS("['https://a/']", "[GET]"), "'https://a/' is no origin: it has a path"},
    {CORS("['https://a, https://b']", "[GET]"), "may not have spaces"},
    {CORS("['https://<a>']", "[GET]"), "may not have spaces, quotes, commas or brackets"},
    {CORS("['*']", "[get]"), "allowed_methods: 'get' is none of GET, HEAD, PUT, POST, DELETE"},
    {CORS("['*']", "[OPTIONS]"), "'OPTIONS' is none of"},
    {CORS("['*']", "[GET], allowed_headers: ['a b']"), "allowed_headers: 'a b' is no name of a header"},
    {CORS("['*']", "[GET], allowed_headers: ['**']"), "allowed_headers: '**' has more than one *"},
    {CORS("['*']", "[GET], expose_headers: ['x-*']"), "expose_headers: 'x-*' may not have a *"},
    {CORS("['*']", "[GET], max_age_s: 86401"), "max_age_s: '86401' is not a number from 0 to 86400"},
    /* what must agree */
    {LEAST "terms: {lease_ms: 1000}\n",
     "f.yaml:4: terms.lease_ms: terms.lease_ms (1000) must be more than terms.lease_margin_ms (2000)"},
    {LEAST "body_budget: 4MiB\nring_bytes: 8MiB\n",
     "f.yaml:5: ring_bytes: ring_bytes must not be more than body_budget"},
    {LEAST "tls: {cert_file: /etc/passwd}\n", "tls.cert_file: cert_file and key_file are given together"},
    {LEAST "tls: {cert_file: /etc/passwd, key_file: /etc/passwd}\n",
     "tls.key_file: /etc/passwd holds a secret, but others"},
};

/* All problems, one per line. */
static char *parse_problems(const char *text)
{
    struct config *c;
    enum err e = config_parse(&c, "f.yaml", span_of(text));
    char *all = NULL;
    size_t len;
    FILE *f = open_memstream(&all, &len);

    for (const struct config_problem *p = c->first; p; p = p->next)
        fprintf(f, "%s\n", p->text);
    fclose(f);
    assert_int_equal(e, c->problem_count ? ERR_INVALID : ERR_OK);
    config_free(c);
    return all;
}

static void each_mistake_is_told_with_line_and_key(void **state)
{
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        char *told = parse_problems(mistakes[i].text);

        if (!strstr(told, mistakes[i].message))
            fail_msg("%s\n  told: %s  not: %s", mistakes[i].text, told, mistakes[i].message);
        free(told);
    }
}

static void all_mistakes_are_told_at_once(void **state)
{
    char *told = parse_problems("lisen: x\nloops: many\nterms: {stall_ms: no}\n" LEAST);

    assert_non_null(strstr(told, "f.yaml:1: there is no key 'lisen'"));
    assert_non_null(strstr(told, "f.yaml:2: loops:"));
    assert_non_null(strstr(told, "f.yaml:3: terms.stall_ms:"));
    free(told);
}

static void endless_mistakes_are_counted_and_the_first_are_told(void **state)
{
    char text[4000] = "";
    struct config *c;
    size_t told = 0;

    for (int i = 0; i < 200; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "k%d: 1\n", i);
    assert_int_equal(config_parse(&c, "f.yaml", span_of(text)), ERR_INVALID);
    for (const struct config_problem *p = c->first; p; p = p->next)
        told++;
    assert_int_equal(told, CONFIG_PROBLEMS_MAX);
    assert_int_equal(c->problem_count, 202); /* and the two that are missing */
    config_free(c);
}

static void an_example_with_three_backends_is_understood(void **state)
{
    static const char *const text =
        "listen: 127.0.0.1:8000\n"
        "admin: { listen: 127.0.0.1:8001 }\n"
        "journal: { kind: sqlite, path: /var/lib/s3mirror/journal.db }\n"
        "keys:     [ { access_key: demo, secret_key: \"${S3MIRROR_TEST_SECRET}\" } ]\n"
        "backends: [ { name: a, endpoint: \"http://127.0.0.1:9001\", region: eu, access_key: x, secret_key: "
        "s },\n"
        "            { name: b, endpoint: \"https://[::1]\", access_key: x, secret_key: s },\n"
        "            { name: c, endpoint: \"http://s3.example.com/\", access_key: x, secret_key: s } ]\n"
        "buckets:  [ { name: media, replicas: [a, b, c/media-copy], ack: { need: quorum, wait: need } } ]\n"
        "defaults: { replicas: [a, b, c] }\n";
    const struct config_bucket *b;
    struct config *c;

    setenv("S3MIRROR_TEST_SECRET", "from the environment", 1);
    assert_int_equal(config_parse(&c, "f.yaml", span_of(text)), ERR_OK);
    assert_int_equal(((struct sockaddr_in *)&c->listen.at)->sin_port, htons(8000));
    assert_int_equal(((struct sockaddr_in *)&c->admin.listen.at)->sin_port, htons(8001));
    assert_string_equal(c->journal.path, "/var/lib/s3mirror/journal.db");
    assert_string_equal(c->keys.at[0].secret, "from the environment");
    assert_string_equal(c->backends.at[0].host, "127.0.0.1");
    assert_int_equal(c->backends.at[0].port, 9001);
    assert_string_equal(c->backends.at[0].region, "eu");
    assert_string_equal(c->backends.at[1].host, "::1");
    assert_int_equal(c->backends.at[1].port, 443);
    assert_true(c->backends.at[1].tls);
    assert_string_equal(c->backends.at[1].region, "us-east-1");
    assert_string_equal(c->backends.at[2].host, "s3.example.com");
    assert_int_equal(c->backends.at[2].port, 80);
    b = &c->buckets.at[0];
    assert_int_equal(b->place_count, 3);
    assert_string_equal(b->places[0].remote, "media");
    assert_string_equal(b->places[2].remote, "media-copy");
    assert_ptr_equal(b->places[2].backend, &c->backends.at[2]);
    assert_int_equal(config_need(&b->ack, 3), 2);
    assert_int_equal(b->ack.wait, CONFIG_WAIT_NEED);
    assert_int_equal(c->defaults.place_count, 3);
    assert_int_equal(config_need(&c->defaults.ack, 3), 1);
    assert_int_equal(c->body_budget, 128 << 20);
    assert_int_equal(c->terms.ambiguity_ms, 30000);
    config_free(c);
}

static void the_front_is_closed_unless_it_is_told_otherwise(void **state)
{
    struct config *c;

    assert_int_equal(config_parse(&c, "f.yaml", SPAN(BUCKET("ack: {need: 1}"))), ERR_OK);
    assert_int_equal(c->domains.count, 0);
    assert_false(c->buckets.at[0].public_read);
    assert_int_equal(c->buckets.at[0].cors.count, 0);
    config_free(c);
    assert_int_equal(
        config_parse(
            &c, "f.yaml",
            SPAN(BUCKET("public_read: true, cors: [{allowed_origins: ['*'], allowed_methods: [GET]}, "
                        "{allowed_origins: ['https://*.example.org', 'null', 'app://a'], "
                        "allowed_methods: [PUT, POST], allowed_headers: ['*'], expose_headers: [ETag], "
                        "max_age_s: 600}]") "domains: [s3.example.org, localhost]\n")),
        ERR_OK);
    assert_int_equal(c->domains.count, 2);
    assert_string_equal(c->domains.at[0], "s3.example.org");
    assert_true(c->buckets.at[0].public_read);
    assert_int_equal(c->buckets.at[0].cors.count, 2);
    assert_int_equal(c->buckets.at[0].cors.at[0].allowed_headers.count, 0);
    assert_int_equal(c->buckets.at[0].cors.at[1].allowed_origins.count, 3);
    assert_string_equal(c->buckets.at[0].cors.at[1].expose_headers.at[0], "ETag");
    assert_int_equal(c->buckets.at[0].cors.at[1].max_age_s, 600);
    config_free(c);
}

static void need_is_a_word_or_a_number_of_replicas(void **state)
{
    static const struct {
        uint64_t need;
        uint32_t replicas, result;
    } cases[] = {
        {1, 3, 1},
        {2, 3, 2},
        {CONFIG_NEED_QUORUM, 1, 1},
        {CONFIG_NEED_QUORUM, 2, 2},
        {CONFIG_NEED_QUORUM, 3, 2},
        {CONFIG_NEED_QUORUM, 4, 3},
        {CONFIG_NEED_ALL, 5, 5},
        {3, 2, 2},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct config_ack ack = {.need = cases[i].need};

        assert_int_equal(config_need(&ack, cases[i].replicas), cases[i].result);
    }
}

static void values_come_from_the_environment(void **state)
{
    static const struct {
        const char *text, *value;
    } cases[] = {
        {"${S3MIRROR_A}", "aa"},
        {"x${S3MIRROR_A}y${S3MIRROR_A}", "xaayaa"},
        {"${S3MIRROR_NO:-d}", "d"},
        {"${S3MIRROR_EMPTY:-d}", "d"},
        {"${S3MIRROR_EMPTY}", ""},
        {"${S3MIRROR_A:-d}", "aa"},
        {"${S3MIRROR_NO:-}", ""},
        {"$${S3MIRROR_A}", "${S3MIRROR_A}"},
        {"a$b$", "a$b$"},
        {"$", "$"},
        {"$$", "$$"},
        {"", ""},
    };
    struct arena arena;

    setenv("S3MIRROR_A", "aa", 1);
    setenv("S3MIRROR_EMPTY", "", 1);
    unsetenv("S3MIRROR_NO");
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct span out;

        assert_null(config_expand(&arena, span_of(cases[i].text), &out));
        assert_true(span_is(out, cases[i].value));
    }
    arena_fini(&arena);
}

/* --- files ------------------------------------------------------------------------------------------------ */

struct folder {
    char path[64], config[96], secret[96];
};

static int make_folder(void **state)
{
    struct folder *f = calloc(1, sizeof(*f));

    *state = f;
    strcpy(f->path, "/tmp/s3mirror-config-XXXXXX");
    if (!mkdtemp(f->path))
        return -1;
    snprintf(f->config, sizeof(f->config), "%s/s3mirror.yaml", f->path);
    snprintf(f->secret, sizeof(f->secret), "%s/a.secret", f->path);
    return 0;
}

static int remove_folder(void **state)
{
    struct folder *f = *state;

    unlink(f->config);
    unlink(f->secret);
    rmdir(f->path);
    free(f);
    return 0;
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(chmod(path, mode), 0);
}

static const char *const with_secret_file =
    KEYS "journal: {path: data/journal.db}\n"
         "backends: [{name: a, endpoint: 'http://h:1', access_key: x, secret_key_file: a.secret}]\n";

static void a_secret_file_is_found_beside_the_configuration(void **state)
{
    struct folder *f = *state;
    char journal[96];
    struct config *c;

    write_file(f->secret, "top secret\r\n", 0600);
    write_file(f->config, with_secret_file, 0644);
    assert_int_equal(config_load(&c, f->config), ERR_OK);
    assert_string_equal(c->backends.at[0].secret, "top secret");
    snprintf(journal, sizeof(journal), "%s/data/journal.db", f->path);
    assert_string_equal(c->journal.path, journal);
    config_free(c);
}

static void an_unfit_secret_file_is_refused(void **state)
{
    static char large[5000];
    const struct {
        const char *text;
        mode_t mode;
        const char *message;
    } cases[] = {
        {"s\n", 0604, "others than its owner and group may use it (mode 0604)"},
        {"s\n", 0666, "others than its owner and group"},
        {"s\n", 0620, "others than its owner and group"},
        {"\n", 0600, "is empty"},
        {"", 0600, "is empty"},
        {"a\nb\n", 0600, "must hold the secret on one line"},
        {large, 0600, "is larger than 4096 bytes"},
    };
    struct folder *f = *state;

    memset(large, 'x', sizeof(large) - 1);
    write_file(f->config, with_secret_file, 0644);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct config *c;

        write_file(f->secret, cases[i].text, cases[i].mode);
        assert_int_equal(config_load(&c, f->config), ERR_INVALID);
        assert_non_null(strstr(c->first->text, "backends[0].secret_key_file: "));
        assert_non_null(strstr(c->first->text, cases[i].message));
        config_free(c);
        unlink(f->secret);
    }
}

static void a_certificate_that_cannot_be_used_is_told(void **state)
{
    struct folder *f = *state;
    char text[400];
    char *told;

    write_file(f->secret, "no PEM\n", 0600);
    snprintf(text, sizeof(text), LEAST "tls:\n  cert_file: %s\n  key_file: %s\n", f->secret, f->secret);
    told = parse_problems(text);
    assert_non_null(strstr(told, "f.yaml:5: tls.cert_file: cannot read a certificate from /tmp/"));
    free(told);
    snprintf(text, sizeof(text), LEAST "tls:\n  cert_file: /nowhere.pem\n  key_file: %s\n", f->secret);
    told = parse_problems(text);
    assert_non_null(strstr(told, "tls.cert_file: cannot read a certificate from /nowhere.pem: No such file"));
    free(told);
}

static void a_file_that_cannot_be_read_is_told(void **state)
{
    struct folder *f = *state;
    struct config *c;
    char *large;

    assert_int_equal(config_load(&c, f->config), ERR_INVALID);
    assert_non_null(strstr(c->first->text, "s3mirror.yaml: cannot be read: No such file"));
    config_free(c);
    assert_int_equal(config_load(&c, f->path), ERR_INVALID);
    assert_non_null(strstr(c->first->text, "is a folder"));
    config_free(c);
    large = malloc(CONFIG_FILE_BYTES_MAX + 2);
    memset(large, '#', CONFIG_FILE_BYTES_MAX + 1);
    large[CONFIG_FILE_BYTES_MAX + 1] = '\0';
    write_file(f->config, large, 0644);
    free(large);
    assert_int_equal(config_load(&c, f->config), ERR_INVALID);
    assert_non_null(strstr(c->first->text, "is larger than 1 MiB"));
    config_free(c);
}

/* --- prints ----------------------------------------------------------------------------------------------- */

static char *printed_yaml(const struct config *c)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);

    config_print_yaml(f, c);
    fclose(f);
    return text;
}

static void the_printed_template_is_a_valid_configuration_with_every_key(void **state)
{
    char *text = printed_yaml(NULL), *told = parse_problems(text);

    assert_string_equal(told, "");
    assert_non_null(strstr(text, "\n  # cert_file:\n"));
    assert_non_null(strstr(text, "\nbody_budget: 128MiB\n"));
    assert_non_null(strstr(text, "\n  stall_ms: 5000\n"));
    free(told);
    free(text);
}

static void effective_values_read_back_as_themselves_and_show_no_secret(void **state)
{
    struct config *c, *again;
    char *text, *second;

    assert_int_equal(
        config_parse(
            &c, "f.yaml",
            span_of("keys: [{access_key: demo, secret_key: 'hush hush'}]\n" BACKENDS
                    "region: \"true\"\nloops: 3\nbody_budget: 5000KiB\n"
                    "listen: '[::1]:8000'\n"
                    "buckets: [{name: media, replicas: [a, b/other], ack: {need: all, wait: need}}]\n")),
        ERR_OK);
    text = printed_yaml(c);
    assert_null(strstr(text, "hush"));
    assert_non_null(strstr(text, "\nloops: 3\n"));
    assert_non_null(strstr(text, "\nbody_budget: 5000KiB\n"));
    assert_non_null(strstr(text, "need: all\n"));
    assert_non_null(strstr(text, "replicas: [a, b/other]\n"));
    assert_int_equal(config_parse(&again, "f.yaml", span_of(text)), ERR_OK);
    second = printed_yaml(again);
    assert_string_equal(second, text);
    free(second);
    free(text);
    config_free(again);
    config_free(c);
}

static void the_page_in_docs_is_what_the_table_says(void **state)
{
    FILE *page = fopen(CONFIGURATION_PAGE, "r");
    char *text = NULL, *read = calloc(1, 1 << 20);
    size_t len;
    FILE *f = open_memstream(&text, &len);

    config_print_markdown(f);
    fclose(f);
    assert_non_null(page); /* made by s3mirror --print-config --markdown */
    assert_true(fread(read, 1, (1 << 20) - 1, page) > 0);
    fclose(page);
    assert_string_equal(read, text);
    free(read);
    free(text);
}

static const size_t sizes[CONFIG_TYPES] = {
    [CONFIG_TEXT] = sizeof(char *),
    [CONFIG_SECRET] = sizeof(char *),
    [CONFIG_PATH] = sizeof(char *),
    [CONFIG_COUNT] = sizeof(uint64_t),
    [CONFIG_BYTES] = sizeof(uint64_t),
    [CONFIG_MS] = sizeof(uint64_t),
    [CONFIG_WORD] = sizeof(uint64_t),
    [CONFIG_WORDS] = sizeof(uint64_t),
    [CONFIG_ADDRESS] = sizeof(struct config_address),
    [CONFIG_TEXTS] = sizeof(struct config_texts),
    [CONFIG_RECORDS] = sizeof(struct config_keys),
};

/* Those of a capability have none: they are the profile's. */
static void check_number(const struct config_record *record, const struct config_row *row)
{
    assert_true(row->least < row->most);
    assert_int_equal(record == &config_capabilities, row->fallback == NULL);
}

static void check_record(const struct config_record *record)
{
    for (size_t i = 0; i < record->count; i++) {
        const struct config_row *row = &record->rows[i];
        struct span name = span_of(row->name), text = span_of(row->text);

        assert_int_equal(row->size, row->type == CONFIG_RECORD ? row->record->size : sizes[row->type]);
        assert_true(row->at + row->size <= record->size);
        assert_int_equal(text.at[text.len - 1], '.');
        /* the unit is in the name */
        assert_int_equal(row->type == CONFIG_MS, span_ends(name, SPAN("_ms")));
        assert_true(row->type != CONFIG_PATH || span_ends(name, SPAN("_file")) || span_is(name, "path"));
        if (row->type == CONFIG_COUNT || row->type == CONFIG_BYTES || row->type == CONFIG_MS)
            check_number(record, row);
        if (row->record)
            check_record(row->record);
    }
}

static void every_row_fits_its_field(void **state)
{
    check_record(&config_table);
}

static void a_backend_is_as_its_profile_but_for_what_is_given(void **state)
{
    static const struct span text =
        SPAN(KEYS "backends:\n"
                  "- {name: a, access_key: x, secret_key: s, endpoint: 'http://h', profile: seaweedfs,\n"
                  "   capabilities: {list_order: bytes, key_folding: [], min_part: 6MiB,\n"
                  "                  checksum_headers: [crc32, sha1]}}\n"
                  "- {name: b, access_key: x, secret_key: s, endpoint: 'http://i'}\n");
    struct config *c;

    assert_int_equal(config_parse(&c, "f.yaml", text), ERR_OK);
    assert_int_equal(c->backends.at[0].can.barrier, S3_BARRIER_TRAILER);
    assert_int_equal(c->backends.at[0].can.list_order, S3_LIST_ORDER_BYTES);
    assert_int_equal(c->backends.at[0].can.key_folding, CAPABILITY_SET);
    assert_int_equal(c->backends.at[0].can.checksum_headers,
                     CAPABILITY_SET | 1u << S3_CHECKSUM_CRC32 | 1u << S3_CHECKSUM_SHA1);
    assert_int_equal(c->backends.at[0].can.min_part, 6 << 20);
    assert_memory_equal(&c->backends.at[1].can, &capability_profile("generic")->can,
                        sizeof(struct capabilities));
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_mistake_is_told_with_line_and_key),
        cmocka_unit_test(all_mistakes_are_told_at_once),
        cmocka_unit_test(endless_mistakes_are_counted_and_the_first_are_told),
        cmocka_unit_test(an_example_with_three_backends_is_understood),
        cmocka_unit_test(the_front_is_closed_unless_it_is_told_otherwise),
        cmocka_unit_test(a_backend_is_as_its_profile_but_for_what_is_given),
        cmocka_unit_test(need_is_a_word_or_a_number_of_replicas),
        cmocka_unit_test(values_come_from_the_environment),
        cmocka_unit_test_setup_teardown(a_secret_file_is_found_beside_the_configuration, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(an_unfit_secret_file_is_refused, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_certificate_that_cannot_be_used_is_told, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_file_that_cannot_be_read_is_told, make_folder, remove_folder),
        cmocka_unit_test(the_printed_template_is_a_valid_configuration_with_every_key),
        cmocka_unit_test(effective_values_read_back_as_themselves_and_show_no_secret),
        cmocka_unit_test(the_page_in_docs_is_what_the_table_says),
        cmocka_unit_test(every_row_fits_its_field),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
