/* Reading the YAML file by the table.
 *
 * libyaml builds the document; then the table and the document are walked together, record by record: defaults first,
 * then what the file says. Every value leaves a mark (its field, line and key), by which later checks can point at
 * the place in the file. Mistakes are collected and reading goes on behind them. */
#include "app/config_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

enum { ARENA_BYTES = 64 * 1024 * 1024, ROWS_MAX = 64 };

struct reader {
    struct config *c;
    yaml_document_t document;
};

static unsigned line_of(const yaml_node_t *node)
{
    return (unsigned)node->start_mark.line + 1;
}

static struct span scalar_of(const yaml_node_t *node)
{
    return (struct span){(const char *)node->data.scalar.value, node->data.scalar.length};
}

static bool is_null(const yaml_node_t *node)
{
    struct span s;

    if (node->type != YAML_SCALAR_NODE || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    s = scalar_of(node);
    return s.len == 0 || span_is(s, "~") || span_is(s, "null");
}

/* --- problems and marks ---------------------------------------------------------------------------------- */

static void add_problem(struct config *c, unsigned line, const char *path, const char *format, va_list args)
{
    struct config_problem *p;
    char text[512], place[16] = "";

    if (c->problem_count++ >= CONFIG_PROBLEMS_MAX)
        return;
    vsnprintf(text, sizeof(text), format, args);
    if (line)
        snprintf(place, sizeof(place), ":%u", line);
    /* The list is short, and without memory for a message there must still be a count. */
    p = arena_zalloc(&c->arena, sizeof(*p));
    if (!p)
        return;
    p->text = arena_printf(&c->arena, "%s%s: %s%s%s", c->file, place, path ? path : "",
                           path && *path ? ": " : "", text)
                  .at;
    if (!p->text)
        return;
    *c->last = p;
    c->last = &p->next;
}

void config_problem_at(struct config *c, unsigned line, const char *path, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add_problem(c, line, path, format, args);
    va_end(args);
}

void config_problem(struct config *c, const void *field, const char *format, ...)
{
    const struct config_mark *m = c->marks;
    va_list args;

    while (m && m->field != field)
        m = m->next;
    va_start(args, format);
    add_problem(c, m ? m->line : 0, m ? m->path : NULL, format, args);
    va_end(args);
}

static void mark(struct config *c, const void *field, unsigned line, const char *path)
{
    struct config_mark *m = arena_zalloc(&c->arena, sizeof(*m));

    if (!m) {
        config_problem_at(c, line, path, "the configuration is too large");
        return;
    }
    *m = (struct config_mark){.next = c->marks, .field = field, .line = line, .path = path};
    c->marks = m;
}

static const char *join(struct config *c, const char *path, const char *name)
{
    struct span joined = arena_printf(&c->arena, "%s%s%s", path, *path ? "." : "", name);

    return joined.at ? joined.at : path;
}

/* --- names that are not in the table --------------------------------------------------------------------- */

enum { NAME_BYTES = 40 };

/* Edits between two names (Levenshtein). */
static size_t distance(struct span a, struct span b)
{
    size_t row[NAME_BYTES + 1];

    if (a.len > NAME_BYTES || b.len > NAME_BYTES)
        return SIZE_MAX;
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t change = diagonal + (a.at[i - 1] != b.at[j - 1]);
            size_t other = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;

            diagonal = row[j];
            row[j] = change < other ? change : other;
        }
    }
    return row[b.len];
}

static const char *nearest(const struct config_record *record, struct span name)
{
    size_t best = name.len / 3 + 2;
    const char *found = NULL;

    for (size_t i = 0; i < record->count; i++) {
        size_t d = distance(name, span_of(record->rows[i].name));

        if (d < best) {
            best = d;
            found = record->rows[i].name;
        }
    }
    return found;
}

/* The same name at another place of the table: "stall_ms" belongs under "terms". */
static const char *elsewhere(struct config *c, const struct config_record *record, const char *path,
                             struct span name)
{
    for (size_t i = 0; i < record->count; i++) {
        const struct config_row *row = &record->rows[i];
        const char *here = join(c, path, row->name), *found;

        if (span_is(name, row->name))
            return here;
        found = row->record ? elsewhere(c, row->record, here, name) : NULL;
        if (found)
            return found;
    }
    return NULL;
}

static void unknown(struct config *c, const struct config_record *record, const char *path,
                    const yaml_node_t *key)
{
    struct span name = scalar_of(key);
    const char *near = nearest(record, name);
    const char *other = near ? near : elsewhere(c, &config_table, "", name);
    struct span shown = span_head(name, NAME_BYTES);

    if (other)
        config_problem_at(c, line_of(key), path, "there is no key '%.*s' here; did you mean '%s'?",
                          SPAN_ARG(shown), other);
    else
        config_problem_at(c, line_of(key), path, "there is no key '%.*s' here", SPAN_ARG(shown));
}

/* --- values ---------------------------------------------------------------------------------------------- */

static void read_record(struct reader *r, const yaml_node_t *node, const struct config_record *record,
                        char *base, const char *path);

/* Which shape a value has to have, told when it has another. */
static const char *const shapes[CONFIG_TYPES] = {
    [CONFIG_TEXT] = "a text",
    [CONFIG_SECRET] = "a text",
    [CONFIG_PATH] = "a path",
    [CONFIG_COUNT] = "a number",
    [CONFIG_BYTES] = "a size",
    [CONFIG_MS] = "a number of milliseconds",
    [CONFIG_WORD] = "a word",
    [CONFIG_WORDS] = "a list of words",
    [CONFIG_ADDRESS] = "ADDRESS:PORT",
    [CONFIG_TEXTS] = "a list of texts",
    [CONFIG_RECORD] = "a mapping (key: value)",
    [CONFIG_RECORDS] = "a list of mappings",
};

static yaml_node_type_t node_type(enum config_type type)
{
    if (type == CONFIG_RECORD)
        return YAML_MAPPING_NODE;
    return type == CONFIG_RECORDS || type == CONFIG_TEXTS || type == CONFIG_WORDS ? YAML_SEQUENCE_NODE
                                                                                  : YAML_SCALAR_NODE;
}

static bool read_scalar(struct reader *r, const struct config_row *row, const yaml_node_t *node, void *field,
                        const char *path)
{
    struct config *c = r->c;
    struct span text;
    const char *problem = config_expand(&c->arena, scalar_of(node), &text);

    if (!problem)
        problem = config_value_parse(&c->arena, row, text, c->file, field);
    if (problem)
        config_problem_at(c, line_of(node), path, "%s", problem);
    return !problem;
}

static size_t items_of(const yaml_node_t *node)
{
    return (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
}

static bool length_fits(struct reader *r, const struct config_row *row, const yaml_node_t *node,
                        const char *path)
{
    size_t count = items_of(node);

    if (count >= row->least && count <= row->most)
        return true;
    config_problem_at(r->c, line_of(node), path, "has %zu entries, not %llu to %llu", count,
                      (unsigned long long)row->least, (unsigned long long)row->most);
    return false;
}

static void read_texts(struct reader *r, const struct config_row *row, const yaml_node_t *node,
                       struct config_texts *out, const char *path)
{
    static const struct config_row item_row = {.type = CONFIG_TEXT};

    if (!length_fits(r, row, node, path))
        return;
    out->at = arena_zalloc(&r->c->arena, (items_of(node) + 1) * sizeof(*out->at));
    for (size_t i = 0; out->at && i < items_of(node); i++) {
        const yaml_node_t *item = yaml_document_get_node(&r->document, node->data.sequence.items.start[i]);

        if (item->type != YAML_SCALAR_NODE)
            config_problem_at(r->c, line_of(item), path, "an entry must be a text");
        else if (read_scalar(r, &item_row, item, &out->at[out->count], path))
            out->count++;
    }
}

static void read_words(struct reader *r, const struct config_row *row, const yaml_node_t *node, uint64_t *set,
                       const char *path)
{
    *set = CAPABILITY_SET;
    for (size_t i = 0; i < items_of(node); i++) {
        const yaml_node_t *item = yaml_document_get_node(&r->document, node->data.sequence.items.start[i]);
        struct span text;
        const char *problem = item->type == YAML_SCALAR_NODE
                                  ? config_expand(&r->c->arena, scalar_of(item), &text)
                                  : "an entry must be a word";

        if (!problem)
            problem = config_word_add(&r->c->arena, row, text, set);
        if (problem)
            config_problem_at(r->c, line_of(item), path, "%s", problem);
    }
}

static void read_records(struct reader *r, const struct config_row *row, const yaml_node_t *node, void *field,
                         const char *path)
{
    /* Every list in the struct is {pointer, count}; the pointer's type differs, so it is set by bytes. */
    struct {
        char *at;
        size_t count;
    } list = {NULL, 0};

    if (!length_fits(r, row, node, path))
        return;
    list.at = arena_zalloc(&r->c->arena, (items_of(node) + 1) * row->record->size);
    for (size_t i = 0; list.at && i < items_of(node); i++) {
        const yaml_node_t *item = yaml_document_get_node(&r->document, node->data.sequence.items.start[i]);
        struct span here = arena_printf(&r->c->arena, "%s[%zu]", path, i);

        if (item->type != YAML_MAPPING_NODE)
            config_problem_at(r->c, line_of(item), here.at, "must be a mapping (key: value)");
        else if (here.at)
            read_record(r, item, row->record, list.at + list.count++ * row->record->size, here.at);
    }
    memcpy(field, &list, sizeof(list));
}

static void read_value(struct reader *r, const struct config_row *row, const yaml_node_t *node, char *base,
                       const char *path)
{
    void *field = base + row->at;

    if (is_null(node)) {
        if (row->type == CONFIG_RECORD) /* a section whose keys are all commented out */
            return;
        config_problem_at(r->c, line_of(node), path, "has no value");
        return;
    }
    if (node->type != node_type(row->type)) {
        config_problem_at(r->c, line_of(node), path, "must be %s", shapes[row->type]);
        return;
    }
    if (row->type == CONFIG_RECORD) {
        read_record(r, node, row->record, field, path);
        return;
    }
    mark(r->c, field, line_of(node), path);
    if (row->type == CONFIG_RECORDS)
        read_records(r, row, node, field, path);
    else if (row->type == CONFIG_WORDS)
        read_words(r, row, node, field, path);
    else if (row->type == CONFIG_TEXTS)
        read_texts(r, row, node, field, path);
    else
        (void)read_scalar(r, row, node, field, path); /* the problem is on the list */
}

/* --- records --------------------------------------------------------------------------------------------- */

static void set_defaults(struct config *c, const struct config_record *record, char *base)
{
    for (size_t i = 0; i < record->count; i++) {
        const struct config_row *row = &record->rows[i];

        if (row->type == CONFIG_RECORD)
            set_defaults(c, row->record, base + row->at);
        else if (row->fallback && row->type != CONFIG_TEXTS && row->type != CONFIG_RECORDS) {
            const char *problem =
                config_value_parse(&c->arena, row, span_of(row->fallback), "", base + row->at);

            if (problem)
                config_problem_at(c, 0, row->name, "default: %s", problem);
        }
    }
}

static const struct config_row *find_row(const struct config_record *record, struct span name)
{
    for (size_t i = 0; i < record->count; i++)
        if (span_is(name, record->rows[i].name))
            return &record->rows[i];
    return NULL;
}

static void read_record(struct reader *r, const yaml_node_t *node, const struct config_record *record,
                        char *base, const char *path)
{
    struct config *c = r->c;
    bool seen[ROWS_MAX] = {false};

    mark(c, base, line_of(node), path);
    set_defaults(c, record, base);
    for (const yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top; p++) {
        const yaml_node_t *key = yaml_document_get_node(&r->document, p->key);
        const struct config_row *row =
            key->type == YAML_SCALAR_NODE ? find_row(record, scalar_of(key)) : NULL;

        if (key->type != YAML_SCALAR_NODE) {
            config_problem_at(c, line_of(key), path, "a key must be a word");
        } else if (!row) {
            unknown(c, record, path, key);
        } else if (seen[row - record->rows]) {
            config_problem_at(c, line_of(key), join(c, path, row->name), "is given twice");
        } else {
            seen[row - record->rows] = true;
            read_value(r, row, yaml_document_get_node(&r->document, p->value), base,
                       join(c, path, row->name));
        }
    }
    for (size_t i = 0; i < record->count; i++)
        if (record->rows[i].required && !seen[i])
            config_problem_at(c, line_of(node), join(c, path, record->rows[i].name), "is missing");
}

static void read_document(struct reader *r, yaml_parser_t *parser)
{
    const yaml_node_t *root = yaml_document_get_root_node(&r->document);
    yaml_document_t second;

    if (!root)
        config_problem_at(r->c, 1, NULL, "the file is empty");
    else if (root->type != YAML_MAPPING_NODE)
        config_problem_at(r->c, line_of(root), NULL, "must be a mapping (key: value)");
    else
        read_record(r, root, &config_table, (char *)r->c, "");
    if (!root || !yaml_parser_load(parser, &second))
        return;
    if (yaml_document_get_root_node(&second))
        config_problem_at(r->c, line_of(yaml_document_get_root_node(&second)), NULL,
                          "there is a second document");
    yaml_document_delete(&second);
}

static enum err config_new(struct config **out, const char *name)
{
    struct config *c = calloc(1, sizeof(*c));

    *out = c;
    if (!c)
        abort(); /* the first allocation of the program */
    arena_init(&c->arena, ARENA_BYTES);
    c->last = &c->first;
    c->file = arena_dup(&c->arena, span_of(name)).at;
    return c->file ? ERR_OK : ERR_NOMEM;
}

static enum err parse(struct config *c, struct span text)
{
    struct reader r = {.c = c};
    yaml_parser_t parser;

    if (!yaml_parser_initialize(&parser))
        return ERR_NOMEM;
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.at, text.len);
    if (yaml_parser_load(&parser, &r.document)) {
        read_document(&r, &parser);
        yaml_document_delete(&r.document);
    }
    if (parser.error != YAML_NO_ERROR)
        config_problem_at(c, (unsigned)parser.problem_mark.line + 1, NULL, "not YAML: %s%s%s",
                          parser.problem ? parser.problem : "unreadable", parser.context ? ", " : "",
                          parser.context ? parser.context : "");
    yaml_parser_delete(&parser);
    if (!c->problem_count)
        config_check(c);
    return c->problem_count ? ERR_INVALID : ERR_OK;
}

enum err config_parse(struct config **out, const char *name, struct span text)
{
    enum err e = config_new(out, name);

    return e ? e : parse(*out, text);
}

/* The whole of a small file; NULL and a problem when that cannot be had. */
static char *slurp(struct config *c, size_t *len)
{
    int fd = open(c->file, O_RDONLY | O_CLOEXEC);
    char *text = malloc(CONFIG_FILE_BYTES_MAX + 1);
    struct stat st;
    ssize_t got = 0;

    *len = 0;
    if (fd < 0 || !text || fstat(fd, &st)) {
        config_problem_at(c, 0, NULL, "cannot be read: %s", strerror(errno));
    } else if (S_ISDIR(st.st_mode)) {
        config_problem_at(c, 0, NULL, "is a folder");
    } else {
        while (*len <= CONFIG_FILE_BYTES_MAX &&
               (got = read(fd, text + *len, CONFIG_FILE_BYTES_MAX + 1 - *len)) > 0)
            *len += (size_t)got;
        if (got < 0)
            config_problem_at(c, 0, NULL, "cannot be read: %s", strerror(errno));
        else if (*len > CONFIG_FILE_BYTES_MAX)
            config_problem_at(c, 0, NULL, "is larger than 1 MiB");
    }
    if (fd >= 0)
        close(fd);
    return text;
}

enum err config_load(struct config **out, const char *path)
{
    enum err e = config_new(out, path);
    struct span text;
    char *buffer;

    if (e)
        return e;
    buffer = slurp(*out, &text.len);
    text.at = buffer;
    e = (*out)->problem_count ? ERR_INVALID : parse(*out, text);
    free(buffer);
    return e;
}

void config_free(struct config *c)
{
    if (!c)
        return;
    arena_fini(&c->arena);
    free(c);
}
