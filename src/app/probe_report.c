/* What a probe has found: a table for people, the lines for the configuration, or all of it as JSON. */
#include "app/probe_private.h"

#include "admin/text.h"

#include <stdio.h>
#include <stdlib.h>

enum { FIELDS = sizeof(struct capabilities) / sizeof(uint64_t) };

static uint64_t field_of(const struct capabilities *c, size_t i)
{
    uint64_t fields[FIELDS];

    memcpy(fields, c, sizeof(fields));
    return fields[i];
}

/* The rows stand in the order of the struct. */
static size_t row_field(size_t row)
{
    return config_capabilities.rows[row].at / sizeof(uint64_t);
}

/* --- the nearest profile ---------------------------------------------------------------------------------- */

static bool differs(const struct probe *p, const struct capabilities *profile, size_t field)
{
    uint64_t found = field_of(&p->found, field);

    return found && found != field_of(profile, field);
}

static size_t count_differences(const struct probe *p, const struct capabilities *profile)
{
    size_t count = 0;

    for (size_t i = 0; i < FIELDS; i++)
        count += differs(p, profile, i);
    return count;
}

static const struct capability_profile *nearest(const struct probe *p, struct capabilities *can)
{
    const struct capability_profile *best = NULL;
    size_t least = SIZE_MAX;

    for (const struct capability_profile *one = capability_profiles; one->name; one++) {
        struct capabilities full = {0};
        size_t count;

        capabilities_fill(&full, &one->can);
        count = count_differences(p, &full);
        if (count >= least)
            continue;
        least = count;
        best = one;
        *can = full;
    }
    return best;
}

static void print_field(FILE *out, const struct capabilities *c, size_t row)
{
    config_value_print(out, &config_capabilities.rows[row],
                       (const char *)c + config_capabilities.rows[row].at);
}

/* --- what the configuration promises ---------------------------------------------------------------------- */

/* A value of the configuration that the backend does not keep. More care than it needs is no harm. */
static bool breaks_promise(const struct probe *p, size_t row)
{
    const struct capabilities *told = &p->backend->can, *found = &p->found;
    const char *name = config_capabilities.rows[row].name;

    if (p->broken || !field_of(found, row_field(row)))
        return false;
    if (strcmp(name, "barrier") == 0)
        return !(p->safe_barriers & 1u << told->barrier);
    if (strcmp(name, "checksum_headers") == 0)
        return told->checksum_headers & ~found->checksum_headers;
    if (strcmp(name, "key_folding") == 0)
        return found->key_folding & ~told->key_folding;
    if (strcmp(name, "etag_kind") == 0)
        return told->etag_kind < found->etag_kind;
    if (strcmp(name, "conditional_put") == 0)
        return told->conditional_put > found->conditional_put;
    if (strcmp(name, "url_encode") == 0)
        return told->url_encode > found->url_encode;
    if (strcmp(name, "list_after") == 0)
        return told->list_after > found->list_after;
    if (strcmp(name, "list_nested") == 0)
        return told->list_nested > found->list_nested;
    if (strcmp(name, "equal_parts") == 0)
        return told->equal_parts < found->equal_parts;
    if (strcmp(name, "copy_object") == 0)
        return told->copy_object > S3_COPY_NO && told->copy_object != found->copy_object;
    if (strcmp(name, "copy_part") == 0)
        return told->copy_part > found->copy_part;
    if (strcmp(name, "max_parts") == 0)
        return told->max_parts > found->max_parts;
    return field_of(told, row_field(row)) != field_of(found, row_field(row));
}

static size_t count_broken_promises(const struct probe *p)
{
    size_t count = 0;

    for (size_t row = 0; row < config_capabilities.count; row++)
        count += breaks_promise(p, row);
    return count;
}

/* --- for people ------------------------------------------------------------------------------------------- */

static void print_table(const struct probe *p)
{
    struct table table = {.columns = 4};
    struct text out = {0};

    table_cell(&table, "ABOUT");
    table_cell(&table, "TRIED");
    table_cell(&table, "SEEN");
    table_cell(&table, "MEANS");
    for (size_t i = 0; i < p->finding_count; i++) {
        table_cell(&table, "%s", p->findings[i].name);
        table_cell(&table, "%s", p->findings[i].tried);
        table_cell(&table, "%s", p->findings[i].seen);
        table_cell(&table, "%s", p->findings[i].means);
    }
    table_end(&table, &out);
    fwrite(text_span(&out).at, 1, out.len, stdout);
    text_fini(&out);
}

static void print_yaml(const struct probe *p)
{
    struct capabilities profile;
    const struct capability_profile *best = nearest(p, &profile);
    const char *open = "\n    capabilities:\n";

    printf("\nFor the configuration:\n\n  - name: %s\n    profile: %s", p->backend->name, best->name);
    for (size_t row = 0; row < config_capabilities.count; row++) {
        if (!differs(p, &profile, row_field(row)))
            continue;
        printf("%s      %s: ", open, config_capabilities.rows[row].name);
        print_field(stdout, &p->found, row);
        putchar('\n');
        open = "";
    }
    puts("");
}

static void print_promises(const struct probe *p)
{
    for (size_t row = 0; row < config_capabilities.count; row++) {
        if (!breaks_promise(p, row))
            continue;
        printf("WRONG in the configuration now: %s: ", config_capabilities.rows[row].name);
        print_field(stdout, &p->backend->can, row);
        putchar('\n');
    }
    if (!p->safe_barriers && !p->broken)
        puts("There is NO SAFE WAY to write large objects there: do not use it.");
}

/* --- JSON ------------------------------------------------------------------------------------------------- */

static void json_member(struct text *out, const char *comma, const char *name, const char *value)
{
    text_printf(out, "%s\"%s\":", comma, name);
    text_json(out, span_of(value));
}

static void json_findings(struct text *out, const struct probe *p)
{
    for (size_t i = 0; i < p->finding_count; i++) {
        const struct probe_finding *f = &p->findings[i];

        text_add(out, i ? SPAN(",") : SPAN(""));
        json_member(out, "{", "about", f->name);
        json_member(out, ",", "tried", f->tried);
        json_member(out, ",", "seen", f->seen);
        json_member(out, ",", "means", f->means);
        text_add(out, SPAN("}"));
    }
}

/* A set as a list, all else as a text. */
static void json_value(struct text *out, const struct probe *p, size_t row)
{
    const struct config_row *r = &config_capabilities.rows[row];
    char *printed = NULL;
    size_t len = 0;
    FILE *f;

    if (r->type == CONFIG_WORDS) {
        const char *comma = "";

        text_add(out, SPAN("["));
        for (const struct config_word *w = r->words; w->name; w++) {
            if (!(field_of(&p->found, row_field(row)) & w->value))
                continue;
            text_printf(out, "%s\"%s\"", comma, w->name);
            comma = ",";
        }
        text_add(out, SPAN("]"));
        return;
    }
    f = open_memstream(&printed, &len);
    if (!f)
        abort();
    print_field(f, &p->found, row);
    fclose(f);
    text_json(out, (struct span){printed, len});
    free(printed);
}

static void print_json(const struct probe *p)
{
    struct capabilities profile;
    struct text out = {0};
    const char *comma = "";

    json_member(&out, "{", "backend", p->backend->name);
    text_printf(&out, ",\"requests\":%u,\"error\":", p->requests);
    text_json_or_null(&out, span_of(p->broken ? p->broken : ""));
    json_member(&out, ",", "profile", nearest(p, &profile)->name);
    text_add(&out, SPAN(",\"found\":{"));
    for (size_t row = 0; row < config_capabilities.count; row++) {
        if (!field_of(&p->found, row_field(row)))
            continue;
        text_printf(&out, "%s\"%s\":", comma, config_capabilities.rows[row].name);
        json_value(&out, p, row);
        comma = ",";
    }
    text_add(&out, SPAN("},\"wrong\":["));
    comma = "";
    for (size_t row = 0; row < config_capabilities.count; row++) {
        if (!breaks_promise(p, row))
            continue;
        text_printf(&out, "%s\"%s\"", comma, config_capabilities.rows[row].name);
        comma = ",";
    }
    text_add(&out, SPAN("],\"findings\":["));
    json_findings(&out, p);
    text_add(&out, SPAN("]}\n"));
    fwrite(text_span(&out).at, 1, out.len, stdout);
    text_fini(&out);
}

int probe_report(const struct probe *p)
{
    if (p->options->json) {
        print_json(p);
    } else if (p->finding_count) {
        print_table(p);
        if (!p->broken)
            print_yaml(p);
        print_promises(p);
    }
    if (p->broken)
        fprintf(stderr, "s3mirror: probe of %s: %s\n", p->backend->name, p->broken);
    return p->broken || !p->safe_barriers || count_broken_promises(p) ? 1 : 0;
}
