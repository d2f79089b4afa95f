/* app/config_table.h - the shape of the table of configuration keys. */
#ifndef APP_CONFIG_TABLE_H
#define APP_CONFIG_TABLE_H

#include "app/config.h"

enum config_type {
    CONFIG_TEXT,    /* const char * */
    CONFIG_SECRET,  /* const char *; never shown */
    CONFIG_PATH,    /* const char *; a relative one starts from the configuration file's folder */
    CONFIG_COUNT,   /* uint64_t */
    CONFIG_BYTES,   /* uint64_t; B, KiB, MiB, GiB, TiB */
    CONFIG_MS,      /* uint64_t */
    CONFIG_WORD,    /* uint64_t, one of `words` only */
    CONFIG_WORDS,   /* uint64_t, a set: the bits of some of `words`, and CAPABILITY_SET */
    CONFIG_ADDRESS, /* struct config_address */
    CONFIG_TEXTS,   /* struct config_texts */
    CONFIG_RECORD,  /* a mapping: `record` */
    CONFIG_RECORDS, /* a list of mappings: { struct at[count] } */
    CONFIG_TYPES
};

struct config_word {
    const char *name; /* NULL ends the list */
    uint64_t value;
};

struct config_record;

struct config_row {
    const char *name;
    enum config_type type;
    bool required;
    size_t at, size;                        /* of the value in its struct */
    uint64_t least, most;                   /* of numbers; of a list's length */
    const struct config_word *words;        /* words a number may be given by; NULL: none */
    const char *fallback;                   /* the default as YAML; NULL: none */
    const char *example;                    /* for print, where there is no default */
    const char *(*form)(struct span value); /* of texts: NULL when right, else what is wrong */
    const struct config_record *record;
    const char *text; /* one sentence */
};

struct config_record {
    const struct config_row *rows;
    size_t count;
    size_t size; /* of the struct */
};

/* config_capability.c: `capabilities` of a backend. */
extern const struct config_record config_capabilities;
/* The whole file. */
extern const struct config_record config_table;

/* Value of one scalar of `row`'s type, already expanded, into `field`. NULL, or what is wrong (in the arena). */
const char *config_value_parse(struct arena *arena, const struct config_row *row, struct span text,
                               const char *file, void *field) MUST_CHECK;
/* The names of a set, each of which adds its bit to it. NULL, or what is wrong. */
const char *config_word_add(struct arena *arena, const struct config_row *row, struct span text,
                            uint64_t *set) MUST_CHECK;
/* The same backwards, as YAML on one line; "" for a text that was not given. */
void config_value_print(FILE *out, const struct config_row *row, const void *field);
/* `${NAME}` and `${NAME:-default}` replaced from the environment, `$${` is a literal `${`. NULL, or what is wrong. */
const char *config_expand(struct arena *arena, struct span text, struct span *out) MUST_CHECK;
/* "one, quorum, all" */
void config_words_print(FILE *out, const struct config_word *words);
void config_bytes_print(FILE *out, uint64_t bytes);

struct config_mark {
    struct config_mark *next;
    const void *field;
    unsigned line; /* from 1 */
    const char *path;
};

/* A mistake at `field` (a value or a record that was read), or with NULL at `line` and `path`. */
void config_problem(struct config *c, const void *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void config_problem_at(struct config *c, unsigned line, const char *path, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* config_check_front.c: `domains`, and each bucket's `cors`. */
void config_check_front(struct config *c);
/* Everything that more than one value, or the world outside of the file, must agree on. */
void config_check(struct config *c);

#endif
