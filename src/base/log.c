#include "base/log.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 4096, END_BYTES = 2 };

static enum log_level least_level = LOG_INFO;
static enum log_format line_format = LOG_LOGFMT;
static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_setup(enum log_level least, enum log_format format)
{
    least_level = least;
    line_format = format;
}

bool log_wants(enum log_level level)
{
    return level >= least_level;
}

struct line {
    char text[LINE_BYTES];
    size_t len;
};

/* What is left besides the end of the line. */
static size_t room(const struct line *l)
{
    return sizeof(l->text) - END_BYTES - l->len;
}

static void add(struct line *l, const char *at, size_t len)
{
    if (len > room(l))
        len = room(l);
    memcpy(l->text + l->len, at, len);
    l->len += len;
}

static void add_text(struct line *l, const char *s)
{
    add(l, s, strlen(s));
}

/* Bytes of the well-formed character beyond ASCII that s starts with, 0 when there is none. */
static size_t wide_character(struct span s)
{
    for (size_t n = 2; n <= 4 && n <= s.len; n++)
        if (span_is_utf8(span_head(s, n)))
            return n;
    return 0;
}

/* The first character of s as it stands between quotes: itself, or an escape in `escaped`. *used: its bytes in s.
 * Escaped are, besides what JSON asks for, the ends of lines that Unicode knows and other software splits at:
 * U+0080 to U+009F, U+2028 and U+2029. What is not UTF-8 becomes U+FFFD. */
static struct span quoted_character(struct span s, char escaped[static 8], size_t *used)
{
    unsigned char c = (unsigned char)s.at[0], second = s.len > 1 ? (unsigned char)s.at[1] : 0;
    unsigned code;

    *used = c < 0x80 ? 1 : wide_character(s);
    if (c == '"' || c == '\\') {
        escaped[0] = '\\';
        escaped[1] = (char)c;
        return (struct span){escaped, 2};
    }
    if (c < 0x20 || c == 0x7f)
        code = c;
    else if (*used == 0)
        code = 0xfffd;
    else if (c == 0xc2 && second < 0xa0)
        code = second;
    else if (c == 0xe2 && second == 0x80 && ((unsigned char)s.at[2] & 0xfe) == 0xa8)
        code = 0x2000 | ((unsigned char)s.at[2] & 0x3f);
    else
        return span_head(s, *used);
    *used += *used == 0;
    snprintf(escaped, 8, "\\u%04x", code);
    return (struct span){escaped, 6};
}

/* JSON's escapes serve logfmt as well. A text that is too long is cut between two characters. */
static void add_quoted(struct line *l, struct span s)
{
    add(l, "\"", 1);
    while (s.len) {
        char escaped[8];
        size_t used;
        struct span c = quoted_character(s, escaped, &used);

        if (c.len + 1 > room(l))
            break;
        add(l, c.at, c.len);
        s = span_skip(s, used);
    }
    add(l, "\"", 1);
}

static bool plain(struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];

        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7f)
            return false;
    }
    return s.len > 0;
}

/* A field without room for its name and at least an empty value is left out: what is there stays well-formed. */
static void add_field(struct line *l, const char *name, struct span value, bool number)
{
    if (room(l) < strlen(name) + 6 + (number ? value.len : 0))
        return;
    if (line_format == LOG_JSON) {
        add_text(l, l->len > 1 ? ",\"" : "\"");
        add_text(l, name);
        add_text(l, "\":");
    } else {
        add_text(l, l->len ? " " : "");
        add_text(l, name);
        add_text(l, "=");
    }
    if (number || (line_format == LOG_LOGFMT && plain(value)))
        add(l, value.at, value.len);
    else
        add_quoted(l, value);
}

void log_event(enum log_level level, const char *event, const struct log_field *fields)
{
    struct line l = {.len = 0};
    struct timespec now;
    struct tm utc;
    char text[40];
    int n;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    n = (int)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text + n, sizeof(text) - (size_t)n, ".%03ldZ", now.tv_nsec / 1000000);
    if (line_format == LOG_JSON)
        add_text(&l, "{");
    add_field(&l, "time", span_of(text), false);
    add_field(&l, "level", span_of(level_names[level]), false);
    add_field(&l, "event", span_of(event), false);
    for (; fields->kind != LOG_FIELD_END; fields++) {
        if (fields->kind == LOG_FIELD_U64) {
            snprintf(text, sizeof(text), "%llu", (unsigned long long)fields->number);
            add_field(&l, fields->name, span_of(text), true);
        } else {
            add_field(&l, fields->name, fields->text, false);
        }
    }
    if (line_format == LOG_JSON)
        l.text[l.len++] = '}';
    l.text[l.len++] = '\n';
    if (write(STDERR_FILENO, l.text, l.len) < 0)
        return; /* nowhere left to say so */
}
