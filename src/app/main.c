/* The command line. */
#include "app/config.h"
#include "app/probe.h"
#include "app/service.h"
#include "app/status.h"

#include <getopt.h>
#include <stdlib.h>

enum { EXIT_WRONG = 1, EXIT_USAGE = 2 };

static const char *const default_file = "/etc/s3mirror/s3mirror.yaml";

static const char *const help =
    "s3mirror - one S3 endpoint in front of several S3 buckets\n"
    "\n"
    "  s3mirror [--config FILE]                               run the gateway in the foreground\n"
    "  s3mirror --check-config [--config FILE]                tell every mistake in the configuration\n"
    "  s3mirror --print-config [--config FILE]                all keys with their documentation, as YAML to "
    "start\n"
    "                                                         from; with a file: what is in effect, secrets "
    "masked\n"
    "  s3mirror --print-config --markdown                     the same as a page (docs/configuration.md)\n"
    "  s3mirror status [BUCKET[/KEY]] [--json] [--config FILE | --admin ADDRESS:PORT]\n"
    "                                                         what every replica holds and misses; dead "
    "letters\n"
    "  s3mirror retry BUCKET[/KEY] [--json] [--config FILE | --admin ADDRESS:PORT]\n"
    "                                                         another try for its dead letters, or for the "
    "key\n"
    "  s3mirror probe BACKEND [--bucket NAME] [--json] [--harsh] [--config FILE]\n"
    "                                                         what a backend can do, found out by trying\n"
    "  s3mirror --version | --help\n"
    "\n"
    "FILE is /etc/s3mirror/s3mirror.yaml unless told otherwise. SIGHUP reads the TLS certificate anew. The "
    "gateway ends\n"
    "in order on SIGTERM or SIGINT, at once on the second one. Exit status: 0 good, 1 something is wrong "
    "(said on\n"
    "stderr), 2 wrong usage.\n";

enum command { RUN, CHECK, PRINT, STATUS, RETRY, PROBE, VERSION, HELP };

struct arguments {
    enum command command;
    const char *file, *admin, *what, *bucket;
    bool json, markdown, harsh;
};

enum {
    OPTION_CHECK = 256,
    OPTION_PRINT,
    OPTION_MARKDOWN,
    OPTION_JSON,
    OPTION_ADMIN,
    OPTION_BUCKET,
    OPTION_HARSH,
    OPTION_VERSION
};

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'},
    {"check-config", no_argument, NULL, OPTION_CHECK},
    {"print-config", no_argument, NULL, OPTION_PRINT},
    {"markdown", no_argument, NULL, OPTION_MARKDOWN},
    {"json", no_argument, NULL, OPTION_JSON},
    {"admin", required_argument, NULL, OPTION_ADMIN},
    {"bucket", required_argument, NULL, OPTION_BUCKET},
    {"harsh", no_argument, NULL, OPTION_HARSH},
    {"version", no_argument, NULL, OPTION_VERSION},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static bool set_command(struct arguments *a, enum command command)
{
    if (a->command != RUN && a->command != command) {
        fputs("s3mirror: one command at a time\n", stderr);
        return false;
    }
    a->command = command;
    return true;
}

static bool set_option(struct arguments *a, int option)
{
    switch (option) {
    case 'c': a->file = optarg; return true;
    case 'h': return set_command(a, HELP);
    case OPTION_CHECK: return set_command(a, CHECK);
    case OPTION_PRINT: return set_command(a, PRINT);
    case OPTION_VERSION: return set_command(a, VERSION);
    case OPTION_MARKDOWN: a->markdown = true; return true;
    case OPTION_JSON: a->json = true; return true;
    case OPTION_ADMIN: a->admin = optarg; return true;
    case OPTION_BUCKET: a->bucket = optarg; return true;
    case OPTION_HARSH: a->harsh = true; return true;
    default: return false; /* getopt has said what is wrong */
    }
}

static bool set_words(struct arguments *a, char **words, int count)
{
    static const struct {
        const char *word;
        enum command command;
        const char *what; /* NULL: may be left out */
    } commands[] = {
        {"status", STATUS, NULL},
        {"retry", RETRY, "a BUCKET or a BUCKET/KEY"},
        {"probe", PROBE, "a backend of the configuration"},
    };

    if (count) {
        size_t i = 0;

        while (i < sizeof commands / sizeof *commands && strcmp(words[0], commands[i].word) != 0)
            i++;
        if (i == sizeof commands / sizeof *commands || count > 2) {
            fprintf(stderr, "s3mirror: unexpected '%s'\n", words[count > 2 ? 2 : 0]);
            return false;
        }
        if (!set_command(a, commands[i].command))
            return false;
        if (count < 2 && commands[i].what) {
            fprintf(stderr, "s3mirror: %s what? %s\n", words[0], commands[i].what);
            return false;
        }
        a->what = count == 2 ? words[1] : NULL;
    }
    return true;
}

static bool options_fit(const struct arguments *a)
{
    if (a->json && a->command != STATUS && a->command != RETRY && a->command != PROBE) {
        fputs("s3mirror: --json belongs to status, retry and probe\n", stderr);
        return false;
    }
    if (a->admin && a->command != STATUS && a->command != RETRY) {
        fputs("s3mirror: --admin belongs to status and retry\n", stderr);
        return false;
    }
    if ((a->bucket || a->harsh) && a->command != PROBE) {
        fputs("s3mirror: --bucket and --harsh belong to probe\n", stderr);
        return false;
    }
    if (a->markdown && a->command != PRINT) {
        fputs("s3mirror: --markdown belongs to --print-config\n", stderr);
        return false;
    }
    return true;
}

static bool parse_arguments(struct arguments *a, int argc, char **argv)
{
    int option;

    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1)
        if (!set_option(a, option))
            return false;
    return set_words(a, argv + optind, argc - optind) && options_fit(a);
}

static struct config *load(const char *file)
{
    struct config *c;
    enum err e = config_load(&c, file ? file : default_file);

    if (e == ERR_OK)
        return c;
    for (const struct config_problem *p = c->first; p; p = p->next)
        fprintf(stderr, "%s\n", p->text);
    if (c->problem_count > CONFIG_PROBLEMS_MAX)
        fprintf(stderr, "... and %zu more\n", c->problem_count - CONFIG_PROBLEMS_MAX);
    config_free(c);
    return NULL;
}

static int check(const struct config *c)
{
    printf("ok: %s\n"
           "  listen %s (%s), admin %s\n"
           "  journal %s\n"
           "  %zu keys, %zu backends, %zu buckets; clients may%s create buckets\n",
           c->file, c->listen.text, c->tls.cert_file ? "https" : "http", c->admin.listen.text,
           c->journal.path, c->keys.count, c->backends.count, c->buckets.count,
           c->defaults.place_count ? "" : " not");
    return 0;
}

static int print(const struct arguments *a)
{
    struct config *c = NULL;

    if (a->markdown) {
        config_print_markdown(stdout);
        return 0;
    }
    if (a->file && !(c = load(a->file)))
        return EXIT_WRONG;
    config_print_yaml(stdout, c);
    config_free(c);
    return 0;
}

static int ask(const struct arguments *a, int (*page)(const char *admin, const char *what, bool json))
{
    struct config *c;
    int result;

    if (a->admin)
        return page(a->admin, a->what, a->json);
    c = load(a->file);
    if (!c)
        return EXIT_WRONG;
    result = page(c->admin.listen.text, a->what, a->json);
    config_free(c);
    return result;
}

static int probe(const struct arguments *a)
{
    const struct probe_options how = {
        .backend = a->what, .bucket = a->bucket, .json = a->json, .harsh = a->harsh};
    struct config *c = load(a->file);
    int result = c ? probe_run(c, &how) : EXIT_WRONG;

    config_free(c);
    return result;
}

static int with_config(const struct arguments *a, int (*act)(const struct config *c))
{
    struct config *c = load(a->file);
    int result = c ? act(c) : EXIT_WRONG;

    config_free(c);
    return result;
}

int main(int argc, char **argv)
{
    struct arguments a = {.command = RUN};

    if (!parse_arguments(&a, argc, argv)) {
        fputs("Try: s3mirror --help\n", stderr);
        return EXIT_USAGE;
    }
    switch (a.command) {
    case HELP: fputs(help, stdout); return 0;
    case VERSION: puts("s3mirror " S3MIRROR_VERSION); return 0;
    case CHECK: return with_config(&a, check);
    case PRINT: return print(&a);
    case STATUS: return ask(&a, status_print);
    case RETRY: return ask(&a, status_retry);
    case PROBE: return probe(&a);
    case RUN: break;
    }
    return with_config(&a, service_run);
}
