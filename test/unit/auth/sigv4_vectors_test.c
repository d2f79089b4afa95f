/* Every request in test/vectors/sigv4 verifies, and its string to sign is the one beside it. */
#include "signed_text.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static char file_text[2][16 * 1024];

static struct span read_file(int slot, struct span stem, const char *suffix)
{
    char path[1024];
    FILE *f;
    size_t len;

    snprintf(path, sizeof(path), VECTORS_DIR "/sigv4/%.*s%s", SPAN_ARG(stem), suffix);
    f = fopen(path, "r");
    if (!f)
        fail_msg("%s cannot be opened", path);
    len = fread(file_text[slot], 1, sizeof(file_text[slot]), f);
    fclose(f);
    return (struct span){file_text[slot], len};
}

static void check_vector(struct span stem, struct sigv4_keyring *keys)
{
    struct span request = read_file(0, stem, ".req"), string = read_file(1, stem, ".sts");
    struct outcome out;
    struct arena arena;
    struct span escaped;
    bool raw = span_starts(stem, SPAN("aws_"));

    arena_init(&arena, 256 * 1024);
    check_text(&out, request, raw, SPAN(SECRET), NOW_UNIX_S, keys, &arena);
    if (out.code != S3_OK)
        fail_msg("%.*s: %s, %s\n%.*s", SPAN_ARG(stem), s3_error(out.code)->name,
                 out.message ? out.message : "", SPAN_ARG(out.detail));
    check_text(&out, request, raw, SPAN("another secret"), NOW_UNIX_S, keys, &arena);
    assert_int_equal(out.code, S3_SIGNATURE_DOES_NOT_MATCH);
    escaped = arena_printf(&arena, "%.*s", SPAN_ARG(string));
    for (char *p = (char *)(uintptr_t)out.detail.at; (p = strstr(p, "&#xA;"));) {
        *p = '\n';
        memmove(p + 1, p + 5, strlen(p + 5) + 1);
    }
    if (!strstr(out.detail.at, escaped.at))
        fail_msg("%.*s: signed something else\n%s\n%s", SPAN_ARG(stem), out.detail.at, escaped.at);
    arena_fini(&arena);
}

static size_t check_all(struct sigv4_keyring *keys, const char *prefix)
{
    DIR *dir = opendir(VECTORS_DIR "/sigv4");
    size_t count = 0;

    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        struct span name = span_of(e->d_name);

        if (!span_ends(name, SPAN(".req")) || !span_starts(name, span_of(prefix)))
            continue;
        check_vector(span_head(name, name.len - 4), keys);
        count++;
    }
    closedir(dir);
    return count;
}

static void the_examples_of_the_aws_documentation_verify(void **state)
{
    assert_int_equal(check_all(NULL, "aws_"), 7);
}

static void what_botocore_signs_verifies(void **state)
{
    assert_int_equal(check_all(NULL, "botocore_"), 29);
}

static void they_verify_with_a_keyring_as_well(void **state)
{
    static struct sigv4_keyring keys;

    sigv4_keyring_init(&keys);
    assert_int_equal(check_all(&keys, ""), 36);
    assert_int_equal(check_all(&keys, ""), 36);
    sigv4_keyring_fini(&keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_the_aws_documentation_verify),
        cmocka_unit_test(what_botocore_signs_verifies),
        cmocka_unit_test(they_verify_with_a_keyring_as_well),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
