/* What a document can make its reader hold, and how it may be cut. */
#include "s3/xml_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MEMORY_MAX = 256 * 1024, DOCUMENT_BYTES = 4 * 1024 * 1024 };

static size_t most_held, elements;

static bool enter(struct xml_walk *w, struct span name, unsigned depth)
{
    elements++;
    most_held = w->memory_bytes > most_held ? w->memory_bytes : most_held;
    return true;
}

static enum err read_in_pieces(struct span text, size_t bytes)
{
    struct xml_walk w = {.enter = enter};

    most_held = elements = 0;
    assert_int_equal(xml_walk_begin(&w), ERR_OK);
    while (text.len && xml_walk_feed(&w, span_head(text, bytes)) == ERR_OK) {
        text = span_skip(text, bytes);
        most_held = w.memory_bytes > most_held ? w.memory_bytes : most_held;
    }
    return xml_walk_end(&w);
}

/* A document of `count` times `format`, which may show the number, inside <a>. */
static struct span document(const char *format, unsigned count)
{
    static char text[DOCUMENT_BYTES];
    char *p = text;

    p += sprintf(p, "<a>");
    for (unsigned i = 0; i < count; i++) {
        assert_true(p < text + sizeof(text) - 256);
        p += snprintf(p, 256, format, i);
    }
    p += sprintf(p, "</a>");
    return (struct span){text, (size_t)(p - text)};
}

static void documents_of_megabytes_are_read_in_little_memory(void **state)
{
    static const char *const contents[] = {"<b>text</b>", "<b c=\"d\"/>", "text and ",
                                           "<!-- %u -->", "&amp;",        "<![CDATA[%u]]>"};

    for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
        for (size_t piece = 1000; piece < DOCUMENT_BYTES; piece *= 40)
            if (read_in_pieces(document(contents[i], 200000), piece) != ERR_OK)
                fail_msg("%s is refused in pieces of %zu", contents[i], piece);
        assert_in_range(most_held, 1, MEMORY_MAX);
    }
}

static void names_that_are_all_different_are_refused_in_time(void **state)
{
    static const char *const contents[] = {"<b%u/>", "<b c%u=\"\"/>", "<b xmlns:c%u=\"d\"/>",
                                           "<b%u:c xmlns:b%u=\"d\"/>"};

    for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
        assert_int_equal(read_in_pieces(document(contents[i], 100000), SIZE_MAX), ERR_INVALID);
        assert_in_range(elements, 500, 50000);
        assert_in_range(most_held, 1, MEMORY_MAX);
    }
}

/* Whatever does not end: a tag, an attribute, a comment, an instruction, a name. */
static void a_token_that_does_not_end_is_refused(void **state)
{
    static const char *const starts[] = {"<a><b ", "<a b=\"", "<a><!-- ",   "<a><?b ",
                                         "<a><b",  "<!-- ",   "<a></a><?b "};
    char *text = malloc(DOCUMENT_BYTES);

    assert_non_null(text);
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        struct span start = span_of(starts[i]);

        memset(text, 'x', DOCUMENT_BYTES);
        memcpy(text, start.at, start.len);
        for (size_t piece = 1400; piece < DOCUMENT_BYTES; piece *= 100) {
            struct xml_walk w = {.enter = enter};
            size_t fed = 0;

            assert_int_equal(xml_walk_begin(&w), ERR_OK);
            while (fed < DOCUMENT_BYTES - piece &&
                   xml_walk_feed(&w, (struct span){text + fed, piece}) == ERR_OK) {
                fed += piece;
                assert_in_range(w.memory_bytes, 1, MEMORY_MAX);
            }
            assert_true(fed < 2 * MEMORY_MAX);
            assert_int_equal(xml_walk_end(&w), ERR_INVALID);
        }
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_of_megabytes_are_read_in_little_memory),
        cmocka_unit_test(names_that_are_all_different_are_refused_in_time),
        cmocka_unit_test(a_token_that_does_not_end_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
