#include "admin/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void text_fini(struct text *t)
{
    free(t->at);
    *t = (struct text){.at = NULL};
}

static bool reserve(struct text *t, size_t more)
{
    size_t room = t->room ? t->room : 1024;
    char *at;

    while (room - t->len < more)
        room *= 2;
    if (room == t->room)
        return true;
    at = t->failed ? NULL : realloc(t->at, room);
    if (!at) {
        t->failed = true;
        return false;
    }
    t->at = at;
    t->room = room;
    return true;
}

void text_add(struct text *t, struct span s)
{
    if (!s.len || !reserve(t, s.len))
        return;
    memcpy(t->at + t->len, s.at, s.len);
    t->len += s.len;
}

static void add_formatted(struct text *t, const char *format, va_list args)
{
    va_list again;
    int n;

    va_copy(again, args);
    n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (n <= 0 || !reserve(t, (size_t)n + 1))
        return;
    vsnprintf(t->at + t->len, (size_t)n + 1, format, args);
    t->len += (size_t)n;
}

void text_printf(struct text *t, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add_formatted(t, format, args);
    va_end(args);
}

void text_json(struct text *t, struct span s)
{
    text_add(t, SPAN("\""));
    while (s.len) {
        unsigned char c = (unsigned char)s.at[0];
        size_t n = 1;

        /* The shortest head that is UTF-8 by itself is one character. */
        while (c >= 0x80 && n <= 4 && n <= s.len && !span_is_utf8(span_head(s, n)))
            n++;
        if (c >= 0x80 && (n > 4 || n > s.len)) {
            text_add(t, SPAN("\\ufffd"));
            n = 1;
        } else if (c == '"' || c == '\\') {
            text_printf(t, "\\%c", c);
        } else if (c < 0x20 || c == 0x7f) {
            text_printf(t, "\\u%04x", c);
        } else {
            text_add(t, span_head(s, n));
        }
        s = span_skip(s, n);
    }
    text_add(t, SPAN("\""));
}

void text_json_or_null(struct text *t, struct span s)
{
    if (s.len)
        text_json(t, s);
    else
        text_add(t, SPAN("null"));
}

void table_cell(struct table *t, const char *format, ...)
{
    size_t start = t->cells.len;
    va_list args;

    va_start(args, format);
    add_formatted(&t->cells, format, args);
    va_end(args);
    for (size_t i = start; i < t->cells.len; i++)
        if ((unsigned char)t->cells.at[i] < 0x20 || t->cells.at[i] == 0x7f)
            t->cells.at[i] = '?';
    text_add(&t->cells, (struct span){"", 1});
}

/* Characters, not bytes: keys may be UTF-8. */
static size_t width_of(const char *cell)
{
    size_t width = 0;

    for (; *cell; cell++)
        width += ((unsigned char)*cell & 0xC0) != 0x80;
    return width;
}

static void widen(const struct table *t, size_t widths[static TABLE_COLUMNS_MAX])
{
    size_t column = 0;

    for (size_t at = 0; at < t->cells.len; at += strlen(t->cells.at + at) + 1) {
        size_t width = width_of(t->cells.at + at);

        if (width > widths[column])
            widths[column] = width;
        column = (column + 1) % t->columns;
    }
}

void table_end(struct table *t, struct text *out)
{
    size_t widths[TABLE_COLUMNS_MAX] = {0}, column = 0;

    widen(t, widths);
    for (size_t at = 0; at < t->cells.len; at += strlen(t->cells.at + at) + 1) {
        const char *cell = t->cells.at + at;

        if (column + 1 == t->columns)
            text_printf(out, "%s\n", cell);
        else
            text_printf(out, "%s%*s", cell, (int)(widths[column] - width_of(cell) + 2), "");
        column = (column + 1) % t->columns;
    }
    out->failed = out->failed || t->cells.failed;
    text_fini(&t->cells);
}

void text_duration(char out[static 24], uint64_t ms)
{
    static const struct {
        uint64_t ms;
        const char *name;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "min"}, {1000, "s"}, {1, "ms"}};
    size_t i = 0;

    /* Two of a unit at least, so that little is lost by cutting; but never "1500 ms". */
    while (i < 4 && ms < (units[i].ms > 1000 ? 2 : 1) * units[i].ms)
        i++;
    snprintf(out, 24, "%llu %s", (unsigned long long)(ms / units[i].ms), units[i].name);
}
