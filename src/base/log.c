#include "base/log.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 4096 };

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

/* A line that is too long is cut; room for the end is kept. */
static void add(struct line *l, const char *at, size_t len)
{
    size_t room = sizeof(l->text) - 8 - l->len;

    if (len > room)
        len = room;
    memcpy(l->text + l->len, at, len);
    l->len += len;
}

static void add_text(struct line *l, const char *s)
{
    add(l, s, strlen(s));
}

/* JSON's escapes serve logfmt as well. */
static void add_quoted(struct line *l, struct span s)
{
    add(l, "\"", 1);
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];
        char escaped[8];

        if (c == '"' || c == '\\') {
            escaped[0] = '\\';
            escaped[1] = (char)c;
            add(l, escaped, 2);
        } else if (c < 0x20 || c == 0x7f) {
            snprintf(escaped, sizeof(escaped), "\\u%04x", c);
            add(l, escaped, 6);
        } else {
            add(l, s.at + i, 1);
        }
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

static void add_field(struct line *l, const char *name, struct span value, bool number)
{
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
