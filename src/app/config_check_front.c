/* What the front needs of the configuration besides addresses: domains, and the rules for other origins. The texts go into
 * answers to browsers as they are, so each is of a form that is harmless there. */
#include "app/config_table.h"

#include <ctype.h>

static bool is_domain(struct span name)
{
    if (name.len == 0 || name.len > 255 - 64 || !isalnum((unsigned char)name.at[name.len - 1]))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && (c != '.' || i == 0))
            return false;
        if (c == '.' && name.at[i - 1] == '.')
            return false;
    }
    return true;
}

static void check_domains(struct config *c)
{
    for (size_t i = 0; i < c->domains.count; i++)
        if (!is_domain(span_of(c->domains.at[i])))
            config_problem(c, &c->domains,
                           "'%s' is no name of a host: letters in lower case, digits, '-' and '.', no port",
                           c->domains.at[i]);
}

static bool one_star(struct span text)
{
    struct span rest = span_skip(text, span_find(text, '*') + 1);

    return span_find(rest, '*') == rest.len;
}

/* "*", "null", or something with a scheme; nothing that has a meaning in a header or in XML. */
static const char *origin_fault(struct span text)
{
    struct span scheme = text;

    for (size_t i = 0; i < text.len; i++)
        if (!isgraph((unsigned char)text.at[i]) || strchr("\"'<>&,;", text.at[i]))
            return "may not have spaces, quotes, commas or brackets";
    if (!one_star(text))
        return "has more than one *";
    if (span_find(text, '*') != text.len || span_is(text, "null"))
        return NULL;
    span_cut(&scheme, ':');
    if (!span_starts(scheme, SPAN("//")) || scheme.len == 2)
        return "is no origin: scheme://host[:port]";
    scheme = span_skip(scheme, 2);
    return span_find(scheme, '/') == scheme.len ? NULL : "is no origin: it has a path";
}

static const char *method_fault(struct span text)
{
    static const char *const methods[] = {"GET", "HEAD", "PUT", "POST", "DELETE"};

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (span_is(text, methods[i]))
            return NULL;
    return "is none of GET, HEAD, PUT, POST, DELETE";
}

static const char *field_fault(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!isalnum((unsigned char)text.at[i]) && !strchr("!#$%'+-.^_`|~*", text.at[i]))
            return "is no name of a header";
    return one_star(text) ? NULL : "has more than one *";
}

static const char *exposed_fault(struct span text)
{
    return span_find(text, '*') == text.len ? field_fault(text) : "may not have a *";
}

static void check_list(struct config *c, const struct config_texts *list, const char *(*fault)(struct span))
{
    for (size_t i = 0; i < list->count; i++) {
        const char *wrong = fault(span_of(list->at[i]));

        if (wrong)
            config_problem(c, list, "'%s' %s", list->at[i], wrong);
    }
}

void config_check_front(struct config *c)
{
    check_domains(c);
    for (size_t i = 0; i < c->buckets.count; i++)
        for (size_t j = 0; j < c->buckets.at[i].cors.count; j++) {
            const struct config_cors_rule *rule = &c->buckets.at[i].cors.at[j];

            check_list(c, &rule->allowed_origins, origin_fault);
            check_list(c, &rule->allowed_methods, method_fault);
            check_list(c, &rule->allowed_headers, field_fault);
            check_list(c, &rule->expose_headers, exposed_fault);
        }
}
