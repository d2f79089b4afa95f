/* Keys that a backend takes for others: one object is there under the plain key, another is written under the key that
 * might be folded onto it; then the first one must still be what it was, and the second be there too. */
#include "app/probe_private.h"

static const struct span first_body = SPAN("the first, under the plain key");
static const struct span second_body = SPAN("the second, longer, under the other key");

struct folding {
    enum s3_fold fold;
    const char *name, *plain, *other; /* below the prefix; other: '/' first stands before the prefix */
};

static const struct folding foldings[] = {
    {S3_FOLD_LEAD, "'/x' beside 'x'", "lead", "/lead"},
    {S3_FOLD_SLASHES, "'a//b' beside 'a/b'", "slashes/b", "slashes//b"},
    {S3_FOLD_DOTS, "'a/../b' beside 'b'", "dots", "up/../dots"},
    {S3_FOLD_DOTS, "'a/.' beside 'a'", "dot", "dot/."},
    {S3_FOLD_TAIL, "'a/' beside 'a'", "tail", "tail/"},
};

static struct span other_key(struct probe *p, const struct folding *f)
{
    struct span key;

    if (f->other[0] != '/')
        return probe_key(p, f->other);
    key = probe_key(p, f->other + 1);
    if (!key.at)
        return key;
    key = arena_printf(&p->kept, "/%.*s", SPAN_ARG(key));
    if (key.at)
        probe_trace_upload(p, key, SPAN_EMPTY);
    else
        p->broken = "out of memory";
    return key;
}

static void check_folding(struct probe *p, const struct folding *f)
{
    struct span plain = probe_key(p, f->plain), other = other_key(p, f);
    struct wire_answer a;
    const char *seen;
    bool taken, folded;

    if (p->broken)
        return;
    probe_put(p, plain, first_body);
    probe_send(p, &(struct probe_request){.method = SPAN("PUT"), .key = other, .body = {second_body}}, &a);
    taken = probe_ok(&a);
    seen = taken ? "taken" : probe_status(p, &a);
    folded = !probe_shows(p, plain, first_body);
    if (folded)
        p->found.key_folding |= f->fold;
    else if (taken)
        seen = probe_shows(p, other, second_body) ? "both are there" : "taken, not shown as it was";
    probe_find(p, "key_folding", f->name, folded ? "the plain key shows the OTHER object" : seen,
               folded  ? "such keys are refused"
               : taken ? "two keys"
                       : "such keys are missing here, as a hint");
}

static void check_tail_body(struct probe *p)
{
    struct span key = probe_key(p, "folder/");
    struct wire_answer a;
    bool lost;

    probe_send(p, &(struct probe_request){.method = SPAN("PUT"), .key = key, .body = {second_body}}, &a);
    if (!probe_ok(&a)) {
        probe_find(p, "key_folding", "'a/' with content", probe_status(p, &a),
                   "such objects are missing here, as a hint");
        return;
    }
    lost = !probe_shows(p, key, second_body);
    if (lost)
        p->found.key_folding |= S3_FOLD_TAIL_BODY;
    probe_find(p, "key_folding", "'a/' with content", lost ? "taken, and the content LOST" : "kept",
               lost ? "refused, empty ones are not" : "an object as any other");
}

static void check_file_and_folder(struct probe *p)
{
    struct span file = probe_key(p, "file"), in_it = probe_key(p, "file/in-it");
    struct wire_answer a;
    bool both;

    probe_put(p, file, first_body);
    probe_send(p, &(struct probe_request){.method = SPAN("PUT"), .key = in_it, .body = {second_body}}, &a);
    both = probe_ok(&a) && probe_shows(p, file, first_body) && probe_shows(p, in_it, second_body);
    probe_find(p, "keys as files", "'a/b' beside 'a'", both ? "both are there" : probe_status(p, &a),
               both ? "keys are just names" : "the later one is missing here, as a hint");
}

void probe_keys(struct probe *p)
{
    p->found.key_folding = CAPABILITY_SET;
    for (size_t i = 0; i < sizeof(foldings) / sizeof(foldings[0]) && !p->broken; i++)
        check_folding(p, &foldings[i]);
    check_tail_body(p);
    check_file_and_folder(p);
}
