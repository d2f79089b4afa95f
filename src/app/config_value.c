/* Scalars of the configuration: text to value and back. */
#include "app/config_table.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>

static const struct {
    const char *name;
    uint64_t bytes;
} units[] = {
    {"TiB", 1ull << 40}, {"GiB", 1ull << 30}, {"MiB", 1ull << 20}, {"KiB", 1ull << 10}, {"B", 1},
};
enum { UNITS = sizeof(units) / sizeof(units[0]) };

/* Messages are short; without room for one the arena is full, and that is what is wrong. */
#define WRONG(arena, ...) wrong(arena_printf(arena, __VA_ARGS__))
static const char *wrong(struct span message)
{
    return message.at ? message.at : "the configuration is too large";
}

static const char *keep(struct arena *arena, struct span text, const char **out)
{
    struct span copy = arena_dup(arena, text);

    *out = copy.at;
    return copy.at ? NULL : wrong(copy);
}

static bool name_byte(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* One "NAME" or "NAME:-default", without its braces. */
static const char *look_up(struct arena *arena, struct span inside, struct span *value)
{
    size_t name_len = 0;
    struct span rest, name;
    const char *set;

    while (name_len < inside.len && name_byte(inside.at[name_len]))
        name_len++;
    name = arena_dup(arena, span_head(inside, name_len));
    rest = span_skip(inside, name_len);
    if (!name.at)
        return wrong(name);
    if (name.len == 0 || isdigit((unsigned char)name.at[0]) || (rest.len && !span_starts(rest, SPAN(":-"))))
        return "'${' must be followed by NAME} or NAME:-default} (write '$${' for a literal '${')";
    set = getenv(name.at);
    if (rest.len && (!set || !*set))
        *value = span_skip(rest, 2);
    else if (set)
        *value = span_of(set);
    else
        return WRONG(arena, "the environment variable %s is not set (write ${%s:-...} for a default)",
                     name.at, name.at);
    return NULL;
}

const char *config_expand(struct arena *arena, struct span text, struct span *out)
{
    struct span done = SPAN_EMPTY;

    while (text.len) {
        size_t plain = span_find(text, '$');
        struct span value = span_head(text, plain);

        text = span_skip(text, plain);
        if (span_starts(text, SPAN("$${"))) {
            value.len++;
            text = span_skip(text, 2);
        } else if (span_starts(text, SPAN("${"))) {
            struct span head = value, inside = span_skip(text, 2), found;
            size_t end = span_find(inside, '}');
            const char *problem;

            if (end == inside.len)
                return "'${' without its '}'";
            problem = look_up(arena, span_head(inside, end), &found);
            if (problem)
                return problem;
            value = arena_printf(arena, "%.*s%.*s", SPAN_ARG(head), SPAN_ARG(found));
            text = span_skip(inside, end + 1);
        } else if (text.len) {
            value.len++;
            text = span_skip(text, 1);
        }
        done = value.at ? arena_printf(arena, "%.*s%.*s", SPAN_ARG(done), SPAN_ARG(value)) : value;
        if (!done.at)
            return wrong(done);
    }
    *out = done;
    return NULL;
}

void config_words_print(FILE *out, const struct config_word *words)
{
    for (const struct config_word *w = words; w->name; w++)
        fprintf(out, "%s%s", w == words ? "" : ", ", w->name);
}

void config_bytes_print(FILE *out, uint64_t bytes)
{
    for (size_t i = 0; i < UNITS; i++) {
        if (bytes % units[i].bytes == 0 && bytes) {
            fprintf(out, "%llu%s", (unsigned long long)(bytes / units[i].bytes), units[i].name);
            return;
        }
    }
    fputs("0B", out);
}

static bool parse_bytes(struct span text, uint64_t *out)
{
    for (size_t i = 0; i < UNITS; i++) {
        uint64_t n;

        if (!span_ends(text, span_of(units[i].name)))
            continue;
        text.len -= strlen(units[i].name);
        return span_to_u64(text, &n) && !__builtin_mul_overflow(n, units[i].bytes, out);
    }
    return span_to_u64(text, out);
}

/* The message of a number, with its range in the words of its type; printed through a FILE as the rest of the
 * table is. */
static const char *out_of_range(struct arena *arena, const struct config_row *row, struct span text)
{
    char *message = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&message, &len);
    struct span kept;

    if (!f)
        return "is not valid";
    fprintf(f, "'%.*s' is not ", SPAN_ARG(span_head(text, 64)));
    if (row->words) {
        fputs("one of: ", f);
        config_words_print(f, row->words);
    }
    if (row->type != CONFIG_WORD) {
        fputs(row->words ? ", or a number " : "a number ", f);
        if (row->type == CONFIG_BYTES) {
            fputs("of bytes (KiB, MiB, GiB) from ", f);
            config_bytes_print(f, row->least);
            fputs(" to ", f);
            config_bytes_print(f, row->most);
        } else {
            fprintf(f, "%sfrom %llu to %llu", row->type == CONFIG_MS ? "of milliseconds " : "",
                    (unsigned long long)row->least, (unsigned long long)row->most);
        }
    }
    fclose(f);
    kept = arena_dup(arena, (struct span){message, len});
    free(message);
    return wrong(kept);
}

static const char *parse_number(struct arena *arena, const struct config_row *row, struct span text,
                                uint64_t *out)
{
    bool good = false;

    for (const struct config_word *w = row->words; w && w->name; w++) {
        if (span_is(text, w->name)) {
            *out = w->value;
            return NULL;
        }
    }
    if (row->type == CONFIG_BYTES)
        good = parse_bytes(text, out);
    else if (row->type != CONFIG_WORD)
        good = span_to_u64(text, out);
    return good && *out >= row->least && *out <= row->most ? NULL : out_of_range(arena, row, text);
}

const char *config_word_add(struct arena *arena, const struct config_row *row, struct span text,
                            uint64_t *set)
{
    const struct config_row one = {.type = CONFIG_WORD, .words = row->words, .least = 1};
    uint64_t bit;
    const char *problem = parse_number(arena, &one, text, &bit);

    if (!problem)
        *set |= bit;
    return problem;
}

static const char *parse_text(struct arena *arena, const struct config_row *row, struct span text,
                              const char **out)
{
    const char *problem = NULL;

    if (text.len == 0)
        return "is empty";
    for (size_t i = 0; i < text.len; i++)
        if (iscntrl((unsigned char)text.at[i]))
            return "has a control character";
    if (row->form)
        problem = row->form(text);
    return problem ? problem : keep(arena, text, out);
}

static const char *parse_path(struct arena *arena, const struct config_row *row, struct span text,
                              const char *file, const char **out)
{
    const char *slash = strrchr(file, '/');
    const char *problem = parse_text(arena, row, text, out);
    struct span joined;

    if (problem || text.at[0] == '/' || !slash)
        return problem;
    joined = arena_printf(arena, "%.*s/%.*s", (int)(slash - file), file, SPAN_ARG(text));
    *out = joined.at;
    return joined.at ? NULL : wrong(joined);
}

static bool set_ip(struct config_address *a, const char *host, uint16_t port)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&a->at;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&a->at;

    memset(&a->at, 0, sizeof(a->at));
    if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        a->len = sizeof(*v4);
        return true;
    }
    memset(&a->at, 0, sizeof(a->at));
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        a->len = sizeof(*v6);
        return true;
    }
    return false;
}

static const char *parse_address(struct arena *arena, struct span text, struct config_address *out)
{
    char host[INET6_ADDRSTRLEN + 1];
    size_t colon = text.len;
    struct span name;
    uint64_t port;
    bool bracketed;

    while (colon && text.at[colon - 1] != ':')
        colon--;
    if (!colon || !span_to_u64(span_skip(text, colon), &port) || port > UINT16_MAX)
        return WRONG(arena, "'%.*s' is not ADDRESS:PORT", SPAN_ARG(span_head(text, 64)));
    name = span_head(text, colon - 1);
    bracketed = name.len > 2 && name.at[0] == '[' && name.at[name.len - 1] == ']';
    if (bracketed)
        name = (struct span){name.at + 1, name.len - 2};
    if (name.len == 0 || name.len >= sizeof(host))
        return WRONG(arena, "'%.*s' needs an IP address before the port (0.0.0.0 or [::] for all)",
                     SPAN_ARG(span_head(text, 64)));
    memcpy(host, name.at, name.len);
    host[name.len] = '\0';
    if (!bracketed && strchr(host, ':'))
        return WRONG(arena, "'%.*s': an IPv6 address stands in brackets, as in [::1]:8000",
                     SPAN_ARG(span_head(text, 64)));
    if (!set_ip(out, host, (uint16_t)port) || bracketed != (out->at.ss_family == AF_INET6))
        return WRONG(arena, "'%.*s' is no IP address", SPAN_ARG(span_head(text, 64)));
    return keep(arena, text, &out->text);
}

const char *config_value_parse(struct arena *arena, const struct config_row *row, struct span text,
                               const char *file, void *field)
{
    switch (row->type) {
    case CONFIG_TEXT:
    case CONFIG_SECRET: return parse_text(arena, row, text, field);
    case CONFIG_PATH: return parse_path(arena, row, text, file, field);
    case CONFIG_COUNT:
    case CONFIG_BYTES:
    case CONFIG_MS:
    case CONFIG_WORD: return parse_number(arena, row, text, field);
    case CONFIG_ADDRESS: return parse_address(arena, text, field);
    default: abort(); /* not a scalar: the reader does not ask */
    }
}

static void print_quoted(FILE *out, const char *text)
{
    fputc('"', out);
    for (const char *p = text; *p; p++) {
        if (*p == '"' || *p == '\\')
            fputc('\\', out);
        if (p[0] == '$' && p[1] == '{')
            fputc('$', out);
        fputc(*p, out);
    }
    fputc('"', out);
}

/* Texts that need no quotes and are nothing but texts to every YAML reader. */
static bool is_plain(const char *text)
{
    static const char *const words[] = {"true", "false", "null", "yes", "no", "on", "off"};

    if (!isalpha((unsigned char)text[0]) && text[0] != '/')
        return false;
    for (const char *p = text; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("-_./", *p))
            return false;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcasecmp(text, words[i]) == 0)
            return false;
    return true;
}

static void print_text(FILE *out, const char *text)
{
    if (is_plain(text))
        fputs(text, out);
    else
        print_quoted(out, text);
}

static void print_number(FILE *out, const struct config_row *row, uint64_t value)
{
    /* Within the range a number is printed as one: `need: 1`, though the word is `one`. */
    if (row->type == CONFIG_WORD || value < row->least || value > row->most) {
        for (const struct config_word *w = row->words; w && w->name; w++) {
            if (w->value == value) {
                fputs(w->name, out);
                return;
            }
        }
    }
    if (row->type == CONFIG_BYTES)
        config_bytes_print(out, value);
    else
        fprintf(out, "%llu", (unsigned long long)value);
}

static void print_words(FILE *out, const struct config_row *row, uint64_t set)
{
    const char *comma = "";

    fputc('[', out);
    for (const struct config_word *w = row->words; w->name; w++) {
        if (!(set & w->value))
            continue;
        fprintf(out, "%s%s", comma, w->name);
        comma = ", ";
    }
    fputc(']', out);
}

void config_value_print(FILE *out, const struct config_row *row, const void *field)
{
    const char *text = NULL;

    switch (row->type) {
    case CONFIG_TEXT:
    case CONFIG_PATH:
    case CONFIG_SECRET:
        memcpy(&text, field, sizeof(text));
        if (text && row->type == CONFIG_SECRET)
            fputs("\"********\"", out);
        else if (text)
            print_text(out, text);
        return;
    case CONFIG_WORDS: print_words(out, row, *(const uint64_t *)field); return;
    case CONFIG_ADDRESS: print_text(out, ((const struct config_address *)field)->text); return;
    case CONFIG_TEXTS: {
        const struct config_texts *list = field;

        fputc('[', out);
        for (size_t i = 0; i < list->count; i++) {
            fputs(i ? ", " : "", out);
            print_text(out, list->at[i]);
        }
        fputc(']', out);
        return;
    }
    default: print_number(out, row, *(const uint64_t *)field); return;
    }
}
