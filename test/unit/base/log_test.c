/* The log: one event is one line, whatever its values are. Lines are read back from a pipe in place of stderr. */
#include "base/log.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static int read_end, old_stderr;
static char line[8192];
static size_t line_len;

static int take_stderr(void **state)
{
    int ends[2];

    if (pipe(ends) || (old_stderr = dup(STDERR_FILENO)) < 0 || dup2(ends[1], STDERR_FILENO) < 0)
        return -1;
    close(ends[1]);
    read_end = ends[0];
    return 0;
}

static int give_stderr_back(void **state)
{
    dup2(old_stderr, STDERR_FILENO);
    close(old_stderr);
    close(read_end);
    return 0;
}

/* What one event has written: exactly one line, with its end. */
static void take_line(void)
{
    ssize_t n = read(read_end, line, sizeof(line) - 1);

    assert_true(n > 0);
    line_len = (size_t)n;
    line[line_len] = '\0';
    assert_int_equal(strlen(line), line_len);
    assert_ptr_equal(strchr(line, '\n'), line + line_len - 1);
}

/* ---- a strict JSON object of strings and numbers (RFC 8259), decoding strings as it goes ---- */

struct member {
    char name[64], text[8192];
    size_t text_len;
    bool number;
};

static const char *at;

static void put_utf8(struct member *m, unsigned code)
{
    if (code < 0x80) {
        m->text[m->text_len++] = (char)code;
    } else if (code < 0x800) {
        m->text[m->text_len++] = (char)(0xc0 | code >> 6);
        m->text[m->text_len++] = (char)(0x80 | (code & 0x3f));
    } else {
        m->text[m->text_len++] = (char)(0xe0 | code >> 12);
        m->text[m->text_len++] = (char)(0x80 | (code >> 6 & 0x3f));
        m->text[m->text_len++] = (char)(0x80 | (code & 0x3f));
    }
}

static bool json_string(struct member *m)
{
    m->text_len = 0;
    if (*at++ != '"')
        return false;
    while (*at != '"') {
        unsigned char c = (unsigned char)*at++;

        if (c < 0x20)
            return false;
        if (c != '\\') {
            m->text[m->text_len++] = (char)c;
            continue;
        }
        c = (unsigned char)*at++;
        if (c == '"' || c == '\\') {
            m->text[m->text_len++] = (char)c;
        } else if (c == 'u') {
            unsigned code = 0;

            for (int i = 0; i < 4; i++, at++) {
                if (!isxdigit((unsigned char)*at))
                    return false;
                code = code * 16 + (unsigned)(*at <= '9' ? *at - '0' : *at - 'a' + 10);
            }
            put_utf8(m, code);
        } else {
            return false;
        }
    }
    at++;
    return true;
}

static bool json_member(struct member *m)
{
    if (!json_string(m) || m->text_len >= sizeof(m->name))
        return false;
    memcpy(m->name, m->text, m->text_len);
    m->name[m->text_len] = '\0';
    if (*at++ != ':')
        return false;
    m->number = *at != '"';
    if (!m->number)
        return json_string(m);
    m->text_len = strspn(at, "0123456789");
    memcpy(m->text, at, m->text_len);
    at += m->text_len;
    return m->text_len > 0;
}

/* The number of members, 0 when the line is no JSON object. */
static size_t json_line(struct member *members, size_t room)
{
    size_t n = 0;

    if (!span_is_utf8((struct span){line, line_len}))
        return 0;
    at = line;
    if (*at++ != '{')
        return 0;
    do {
        if (n == room || !json_member(&members[n++]))
            return 0;
    } while (*at++ == ',');
    return strcmp(at - 1, "}\n") == 0 ? n : 0;
}

/* Values that have broken logs; `shown`: what the reader of a JSON log gets, NULL: the same. */
static const struct {
    const char *value, *shown;
} nasty[] = {
    {"plain", NULL},
    {"", NULL},
    {"two words", NULL},
    {"a=b", NULL},
    {"say \"hi\"", NULL},
    {"back\\slash", NULL},
    {"\\", NULL},
    {"\\\"", NULL},
    {"x\ntime=2030-01-01T00:00:00.000Z level=error event=forged", NULL},
    {"x\r\n{\"event\":\"forged\"}", NULL},
    {"\",\"event\":\"forged", NULL},
    {"}\n{", NULL},
    {"tab\there", NULL},
    {"\x1b[2Jescape", NULL},
    {"\x7f", NULL},
    {"\x01\x02\x1f", NULL},
    {"na\xc3\xafve", NULL},
    {"\xf0\x9f\x98\x80", NULL},
    {"next\xc2\x85line", NULL},
    {"line\xe2\x80\xa8separator\xe2\x80\xa9paragraph", NULL},
    {"\xc2\xa0\xe2\x80\xa7\xe2\x80\xaa", NULL},
    {"not \xff utf-8", "not \xef\xbf\xbd utf-8"},
    {"cut \xc3", "cut \xef\xbf\xbd"},
    {"cut \xe2\x80", "cut \xef\xbf\xbd\xef\xbf\xbd"},
    {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
};
enum { NASTY = sizeof(nasty) / sizeof(nasty[0]) };

static void a_json_line_is_valid_and_gives_every_value_back(void **state)
{
    static struct member m[8];

    log_setup(LOG_DEBUG, LOG_JSON);
    for (size_t i = 0; i < NASTY; i++) {
        const char *shown = nasty[i].shown ? nasty[i].shown : nasty[i].value;

        log_warn("it_happened", LOG_STR("key", nasty[i].value), LOG_U64("n", UINT64_MAX));
        take_line();
        assert_int_equal(json_line(m, 8), 5);
        assert_string_equal(m[0].name, "time");
        assert_string_equal(m[1].name, "level");
        assert_memory_equal(m[1].text, "warn", m[1].text_len);
        assert_string_equal(m[2].name, "event");
        assert_memory_equal(m[2].text, "it_happened", m[2].text_len);
        assert_string_equal(m[3].name, "key");
        assert_false(m[3].number);
        assert_int_equal(m[3].text_len, strlen(shown));
        assert_memory_equal(m[3].text, shown, strlen(shown));
        assert_true(m[4].number);
        assert_memory_equal(m[4].text, "18446744073709551615", 20);
    }
}

static void no_value_starts_a_line_of_its_own_or_a_field(void **state)
{
    static const enum log_format formats[] = {LOG_LOGFMT, LOG_JSON};
    static const char *const breaks[] = {"\n",   "\r",   "\v",       "\f",           "\x1c",
                                         "\x1d", "\x1e", "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9"};

    for (size_t f = 0; f < 2; f++)
        for (size_t i = 0; i < NASTY; i++) {
            log_setup(LOG_DEBUG, formats[f]);
            log_error("it_happened", LOG_STR("key", nasty[i].value));
            take_line();
            line[line_len - 1] = '\0';
            for (size_t b = 0; b < sizeof(breaks) / sizeof(breaks[0]); b++)
                assert_null(strstr(line, breaks[b]));
        }
}

/* A logfmt reader: name=value, the value plain or quoted with JSON's escapes. */
static size_t logfmt_line(struct member *members, size_t room)
{
    size_t n = 0;

    at = line;
    do {
        struct member *m = &members[n++];
        size_t name_len = strcspn(at, "= \n\"");

        if (n == room || at[name_len] != '=' || name_len >= sizeof(m->name))
            return 0;
        memcpy(m->name, at, name_len);
        m->name[name_len] = '\0';
        at += name_len + 1;
        if (*at == '"') {
            if (!json_string(m))
                return 0;
        } else {
            m->text_len = strcspn(at, " =\"\\\n");
            memcpy(m->text, at, m->text_len);
            at += m->text_len;
        }
    } while (*at++ == ' ');
    return strcmp(at - 1, "\n") == 0 ? n : 0;
}

static void a_logfmt_line_has_the_fields_that_were_given_and_no_others(void **state)
{
    static struct member m[8];

    log_setup(LOG_DEBUG, LOG_LOGFMT);
    for (size_t i = 0; i < NASTY; i++) {
        const char *shown = nasty[i].shown ? nasty[i].shown : nasty[i].value;

        log_info("it_happened", LOG_STR("key", nasty[i].value), LOG_U64("n", 7));
        take_line();
        assert_int_equal(logfmt_line(m, 8), 5);
        assert_string_equal(m[0].name, "time");
        assert_string_equal(m[1].name, "level");
        assert_string_equal(m[2].name, "event");
        assert_string_equal(m[3].name, "key");
        assert_string_equal(m[4].name, "n");
        assert_int_equal(m[3].text_len, strlen(shown));
        assert_memory_equal(m[3].text, shown, strlen(shown));
    }
}

static void every_single_byte_keeps_the_line_well_formed(void **state)
{
    static struct member m[8];

    for (unsigned byte = 0; byte < 256; byte++) {
        char text[3] = {'a', (char)byte, 'z'};

        log_setup(LOG_DEBUG, LOG_JSON);
        log_info("it_happened", LOG_SPAN("key", ((struct span){text, 3})));
        take_line();
        assert_int_equal(json_line(m, 8), 4);
        log_setup(LOG_DEBUG, LOG_LOGFMT);
        log_info("it_happened", LOG_SPAN("key", ((struct span){text, 3})));
        take_line();
        assert_int_equal(logfmt_line(m, 8), 4);
    }
}

static void a_line_that_is_too_long_is_cut_and_stays_well_formed(void **state)
{
    static const char *const units[] = {"a", "\n", "\"", "\xc3\xa4", "\xf0\x9f\x98\x80", "\xff"};
    static struct member m[8];
    static char text[6000];

    for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++)
        for (size_t shift = 0; shift < 8; shift++) {
            size_t len = shift, unit = strlen(units[u]), members;

            memset(text, 'x', shift);
            for (; len + unit < sizeof(text); len += unit)
                memcpy(text + len, units[u], unit);
            log_setup(LOG_DEBUG, LOG_JSON);
            log_info("it_happened", LOG_SPAN("key", ((struct span){text, len})), LOG_U64("n", 7),
                     LOG_STR("s", "t"));
            take_line();
            assert_true(line_len <= 4096);
            members = json_line(m, 8);
            assert_true(members >= 4);
            assert_string_equal(m[3].name, "key");
            assert_true(m[3].text_len >= 600); /* 4096 bytes of six-byte escapes hold no less */
            log_setup(LOG_DEBUG, LOG_LOGFMT);
            log_info("it_happened", LOG_SPAN("key", ((struct span){text, len})), LOG_U64("n", 7));
            take_line();
            assert_true(line_len <= 4096);
            assert_true(logfmt_line(m, 8) >= 4);
        }
}

static void levels_below_the_least_are_not_written(void **state)
{
    static const enum log_level levels[] = {LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR};

    for (size_t least = 0; least < 4; least++) {
        log_setup(levels[least], LOG_LOGFMT);
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(log_wants(levels[i]), i >= least);
        log_debug("one");
        log_info("two");
        log_warn("three");
        log_error("four");
        log_setup(LOG_DEBUG, LOG_LOGFMT);
        log_debug("end");
        line_len = (size_t)read(read_end, line, sizeof(line) - 1);
        line[line_len] = '\0';
        assert_int_equal(strstr(line, "event=one") != NULL, least <= LOG_DEBUG);
        assert_int_equal(strstr(line, "event=two") != NULL, least <= LOG_INFO);
        assert_int_equal(strstr(line, "event=three") != NULL, least <= LOG_WARN);
        assert_non_null(strstr(line, "level=error event=four"));
        assert_non_null(strstr(line, "level=debug event=end"));
    }
}

static void the_time_is_utc_with_milliseconds(void **state)
{
    static const char form[] = "time=0000-00-00T00:00:00.000Z ";

    log_setup(LOG_DEBUG, LOG_LOGFMT);
    log_info("it_happened");
    take_line();
    for (size_t i = 0; form[i]; i++)
        assert_true(form[i] == '0' ? isdigit((unsigned char)line[i]) : line[i] == form[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_json_line_is_valid_and_gives_every_value_back),
        cmocka_unit_test(no_value_starts_a_line_of_its_own_or_a_field),
        cmocka_unit_test(a_logfmt_line_has_the_fields_that_were_given_and_no_others),
        cmocka_unit_test(every_single_byte_keeps_the_line_well_formed),
        cmocka_unit_test(a_line_that_is_too_long_is_cut_and_stays_well_formed),
        cmocka_unit_test(levels_below_the_least_are_not_written),
        cmocka_unit_test(the_time_is_utc_with_milliseconds),
    };

    return cmocka_run_group_tests(tests, take_stderr, give_stderr_back);
}
