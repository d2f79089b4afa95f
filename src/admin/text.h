/* admin/text.h - a growing text, for answers whose size is not known before. */
#ifndef ADMIN_TEXT_H
#define ADMIN_TEXT_H

#include "base/span.h"

/* All zeros is an empty one. Without memory it stays as it is and says so: nothing else has to check. */
struct text {
    char *at;
    size_t len, room;
    bool failed;
};

void text_fini(struct text *t);
void text_add(struct text *t, struct span s);
void text_printf(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A JSON string, quotes included; bytes that are not UTF-8 become U+FFFD. */
void text_json(struct text *t, struct span s);
/* The same, null for an empty one. */
void text_json_or_null(struct text *t, struct span s);
static inline struct span text_span(const struct text *t)
{
    return (struct span){t->len ? t->at : "", t->len};
}

/* A table for people: cells are added row by row, the head first; columns are as wide as they must be. Control
 * characters in cells are shown as '?'. */
enum { TABLE_COLUMNS_MAX = 8 };
struct table {
    struct text cells; /* each with its NUL */
    size_t columns;
};
void table_cell(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints and empties it. */
void table_end(struct table *t, struct text *out);

/* "340 ms", "12 s", "5 min", "3 h", "2 d". */
void text_duration(char out[static 24], uint64_t ms);

#endif
