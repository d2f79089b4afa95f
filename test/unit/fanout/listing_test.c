/* A listing is right while the replicas differ: drawn worlds against what strict reads of each key would say, with answers
 * in any order, pages of any size, replicas that fail, and any prefix, delimiter and place to begin. */
#include "fanout/listing.h"

#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { REPLICAS = 3, KEYS_MAX = 40, KEY_CHARS = 8, CALLS_MAX = 64 };

/* A key: what each replica shows (0: nothing), and the newest stored set (0: no such row). */
struct key {
    char name[KEY_CHARS + 1];
    unsigned shown[REPLICAS];
    uint32_t stored;
};

enum ask { ASK_NOTHING, ASK_PAGE, ASK_HEAD, ASK_ROWS };

struct replica_call {
    enum ask ask;
    unsigned slot;
    char prefix[64], after[64], key[64];
    size_t prefix_len, after_len, key_len;
    bool grouped;
    uint32_t most;
    struct replica_page *page;
    struct replica_list_events list_events;
    struct replica_head_events head_events;
    void *ctx;
    struct journal_range *range;
};

static struct {
    struct clock clock;
    uint64_t now_ms;
    struct journal journal;
    struct replica replicas[REPLICAS];
    struct replica_set set;
    struct chunk_budget budget;
    struct env env;
    struct random random;
    struct key keys[KEYS_MAX];
    size_t count;
    struct replica_call calls[CALLS_MAX];
    unsigned pages, heads, ranges, page_most; /* asked for so far */
    unsigned range_keys;                      /* in one page of the journal */
    uint32_t fails_lists, fails_heads;        /* replicas that do */
    bool unknown;                             /* the journal says maybe where there is nothing */
    bool journal_fails;
    bool is_ready;
} w;

static struct span name_of(const struct key *k)
{
    return span_of(k->name);
}

static struct replica_call *call_new(enum ask ask)
{
    for (size_t i = 0; i < CALLS_MAX; i++)
        if (w.calls[i].ask == ASK_NOTHING) {
            w.calls[i] = (struct replica_call){.ask = ask};
            return &w.calls[i];
        }
    fail_msg("too many requests at a time");
    return NULL;
}

static void keep(char room[64], size_t *len, struct span s)
{
    assert_true(s.len <= 64);
    span_put(room, s);
    *len = s.len;
}

/* ---- the seams ---- */

static uint64_t mono(struct clock *c)
{
    return w.now_ms;
}
static void rearm(struct clock *c)
{
}

static unsigned slot_of(const struct replica *r)
{
    return (unsigned)(r - w.replicas);
}

static enum err start_list(struct replica *r, struct replica_call **out, const struct replica_list *list,
                           const struct replica_list_events *events, void *ctx)
{
    struct replica_call *c = call_new(ASK_PAGE);

    c->slot = slot_of(r);
    keep(c->prefix, &c->prefix_len, list->prefix);
    keep(c->after, &c->after_len, list->after);
    c->grouped = list->grouped;
    c->most = list->most;
    c->page = list->page;
    c->list_events = *events;
    c->ctx = ctx;
    w.pages++;
    *out = c;
    return ERR_OK;
}

static enum err start_head(struct replica *r, struct replica_call **out, struct span key,
                           const struct replica_head_events *events, void *ctx)
{
    struct replica_call *c = call_new(ASK_HEAD);

    c->slot = slot_of(r);
    keep(c->key, &c->key_len, key);
    c->head_events = *events;
    c->ctx = ctx;
    w.heads++;
    *out = c;
    return ERR_OK;
}

static enum replica_result abandon(struct replica_call *c)
{
    assert_int_not_equal(c->ask, ASK_NOTHING);
    c->ask = ASK_NOTHING;
    return REPLICA_MISSED;
}

static void start_range(struct journal *j, struct journal_range *r)
{
    struct replica_call *c = call_new(ASK_ROWS);

    r->count = 0;
    r->more = false;
    c->range = r;
    w.ranges++;
}

static bool maybe(struct journal *j, struct journal_key key, enum journal_question q, const struct stamp *own)
{
    assert_int_equal(q, JOURNAL_ANY_STORED_IN_BUCKET);
    for (size_t i = 0; i < w.count; i++)
        if (w.keys[i].stored)
            return true;
    return w.unknown;
}

static void lag(struct journal *j, uint32_t bucket, struct replica_lag out[static REPLICAS_MAX])
{
    memset(out, 0, REPLICAS_MAX * sizeof(*out));
    for (size_t i = 0; i < w.count; i++)
        for (unsigned slot = 0; slot < REPLICAS; slot++)
            out[slot].hints += w.keys[i].stored && !(w.keys[i].stored & 1u << slot);
}

/* ---- answers ---- */

static struct span group_of(struct span key, struct span prefix, struct span delimiter, bool *is_group)
{
    const char *at =
        delimiter.len ? memmem(key.at + prefix.len, key.len - prefix.len, delimiter.at, delimiter.len) : NULL;

    *is_group = at != NULL;
    return at ? span_head(key, (size_t)(at - key.at) + delimiter.len) : key;
}

static void answer_page(struct replica_call *c)
{
    struct span prefix = {c->prefix, c->prefix_len}, after = {c->after, c->after_len}, last = SPAN_EMPTY;
    uint32_t most = 1 + (uint32_t)random_below(&w.random, c->most);

    replica_page_clear(c->page);
    for (size_t i = 0; i < w.count; i++) {
        struct replica_entry e = {.body_bytes = w.keys[i].shown[c->slot], .etag = SPAN("\"e\"")};

        if (!e.body_bytes || !span_starts(name_of(&w.keys[i]), prefix))
            continue;
        e.key = group_of(name_of(&w.keys[i]), prefix, c->grouped ? SPAN("/") : SPAN_EMPTY, &e.is_group);
        if (span_cmp(e.key, after) <= 0 || span_eq(e.key, last))
            continue;
        if (c->page->count == most) {
            c->page->more = true;
            c->page->sure = random_below(&w.random, 2);
            break;
        }
        assert_true(replica_page_add(c->page, &e));
        last = e.key;
    }
    w.page_most = c->page->count > w.page_most ? c->page->count : w.page_most;
    c->ask = ASK_NOTHING;
    if (w.fails_lists & 1u << c->slot)
        c->list_events.done(c->ctx, random_below(&w.random, 2) ? ERR_RESET : ERR_PROTOCOL);
    else
        c->list_events.done(c->ctx, ERR_OK);
}

static void answer_head(struct replica_call *c)
{
    struct replica_object o = {.exists = false};

    for (size_t i = 0; i < w.count; i++)
        if (span_eq(name_of(&w.keys[i]), (struct span){c->key, c->key_len}))
            o.body_bytes = w.keys[i].shown[c->slot];
    o.exists = o.body_bytes != 0;
    snprintf(o.etag, sizeof(o.etag), "\"e\"");
    snprintf(o.last_modified, sizeof(o.last_modified), "Sun, 06 Nov 1994 08:49:37 GMT");
    c->ask = ASK_NOTHING;
    c->head_events.done(c->ctx, w.fails_heads & 1u << c->slot ? ERR_RESET : ERR_OK, o.exists ? 200 : 404, &o);
}

static void answer_rows(struct replica_call *c)
{
    struct journal_range *r = c->range;

    for (size_t i = 0; i < w.count && !r->more; i++) {
        const struct key *k = &w.keys[i];

        if (!(k->stored & r->slots) || !span_starts(name_of(k), r->prefix) ||
            span_cmp(name_of(k), r->after) <= 0)
            continue;
        r->more = r->count == w.range_keys;
        if (!r->more)
            assert_true(journal_range_add(r, name_of(k), k->stored & r->slots));
    }
    c->ask = ASK_NOTHING;
    r->request.done(&r->request, w.journal_fails ? ERR_IO : ERR_OK);
}

static unsigned under_way(void)
{
    unsigned n = 0;

    for (size_t i = 0; i < CALLS_MAX; i++)
        n += w.calls[i].ask != ASK_NOTHING;
    return n;
}

static void answer_one(void)
{
    size_t skip = random_below(&w.random, under_way()), i = 0;

    while (w.calls[i].ask == ASK_NOTHING || skip--)
        i++;
    switch (w.calls[i].ask) {
    case ASK_PAGE: answer_page(&w.calls[i]); break;
    case ASK_HEAD: answer_head(&w.calls[i]); break;
    case ASK_ROWS: answer_rows(&w.calls[i]); break;
    case ASK_NOTHING: break;
    }
}

static void on_ready(void *ctx)
{
    assert_false(w.is_ready);
    w.is_ready = true;
}

static const struct listing_events events = {.ready = on_ready};

/* Until the listing has something to say, or ... for ever. */
static void wait_ready(void)
{
    while (!w.is_ready) {
        uint64_t due;

        if (under_way() && random_below(&w.random, 8)) {
            answer_one();
        } else if (clock_next_due_ms(&w.clock, &due) && due <= w.now_ms) {
            clock_fire_due(&w.clock);
        } else if (!under_way()) {
            fail_msg("the listing waits for nothing");
        }
    }
    w.is_ready = false;
}

/* ---- worlds ---- */

static void init(void)
{
    static const struct clock_ops clock_ops = {.mono_ms = mono, .unix_ms = mono, .rearm = rearm};
    static const struct journal_ops journal_ops = {.range = start_range, .maybe = maybe, .lag = lag};
    static const struct replica_ops replica_ops = {
        .list = start_list, .head = start_head, .abandon = abandon};
    static const char *const names[REPLICAS] = {"a", "b", "c"};

    log_setup(LOG_ERROR + 1, LOG_LOGFMT);
    memset(&w, 0, sizeof(w));
    clock_init(&w.clock, &clock_ops);
    w.journal.ops = &journal_ops;
    for (unsigned slot = 0; slot < REPLICAS; slot++) {
        w.replicas[slot] = (struct replica){.ops = &replica_ops, .name = names[slot]};
        w.set.by_slot[slot] = &w.replicas[slot];
        w.set.mask |= 1u << slot;
    }
    chunk_budget_init(&w.budget, 8 * CHUNK_BYTES);
    w.env = (struct env){.clock = &w.clock,
                         .journal = &w.journal,
                         .random = &w.random,
                         .budget = &w.budget,
                         .terms = {.first_byte_ms = 500, .stall_ms = 1000}};
    w.range_keys = KEYS_MAX;
}

static void fini(void)
{
    uint64_t due;

    while (under_way()) /* a journal request that a listing left behind */
        answer_one();
    assert_false(clock_next_due_ms(&w.clock, &due));
    clock_fini(&w.clock);
    assert_int_equal(chunk_taken(&w.budget), 0);
    chunk_budget_fini(&w.budget);
}

static int by_name(const void *a, const void *b)
{
    return span_cmp(name_of(a), name_of(b));
}

static void draw_key(struct key *k, uint32_t differ_permille)
{
    unsigned value = random_below(&w.random, 4) ? 1 + (unsigned)random_below(&w.random, 1000) : 0;

    k->stored = 0;
    for (unsigned slot = 0; slot < REPLICAS; slot++)
        k->shown[slot] = value;
    if (random_below(&w.random, 1000) >= differ_permille)
        return;
    k->stored = 1 + (uint32_t)random_below(&w.random, 6);
    for (unsigned slot = 0; slot < REPLICAS; slot++)
        if (!(k->stored & 1u << slot))
            k->shown[slot] = random_below(&w.random, 2) ? 2000 + slot : 0;
}

static void draw_world(void)
{
    static const char letters[] = "ab-./";
    size_t wanted = random_below(&w.random, KEYS_MAX);
    uint32_t differ_permille = (uint32_t[]){0, 30, 300, 1000}[random_below(&w.random, 4)];

    w.count = 0;
    for (size_t tries = 0; w.count < wanted && tries < 400; tries++) {
        struct key *k = &w.keys[w.count];
        size_t len = 1 + random_below(&w.random, KEY_CHARS);
        bool is_new = true;

        memset(k, 0, sizeof(*k));
        for (size_t i = 0; i < len; i++)
            k->name[i] = letters[random_below(&w.random, sizeof(letters) - 1)];
        for (size_t i = 0; i < w.count; i++)
            is_new = is_new && strcmp(w.keys[i].name, k->name) != 0;
        if (is_new) {
            draw_key(k, differ_permille);
            w.count++;
        }
    }
    qsort(w.keys, w.count, sizeof(w.keys[0]), by_name);
    w.range_keys = 1 + (unsigned)random_below(&w.random, KEYS_MAX);
    w.unknown = random_below(&w.random, 2);
}

/* What a strict read of it shows. */
static unsigned truth(const struct key *k)
{
    return k->shown[k->stored ? __builtin_ctz(k->stored) : 0];
}

struct want {
    struct span text;
    bool is_group;
    unsigned value;
};

static size_t expect(const struct listing_spec *spec, struct want out[static KEYS_MAX])
{
    size_t n = 0;
    bool in_group;
    struct span begun = SPAN_EMPTY;

    if (span_starts(spec->after, spec->prefix))
        begun = group_of(spec->after, spec->prefix, spec->delimiter, &in_group);
    for (size_t i = 0; i < w.count; i++) {
        const struct key *k = &w.keys[i];
        struct want e = {.value = truth(k)};

        if (!e.value || !span_starts(name_of(k), spec->prefix) || span_cmp(name_of(k), spec->after) <= 0)
            continue;
        e.text = group_of(name_of(k), spec->prefix, spec->delimiter, &e.is_group);
        if (e.is_group && span_eq(e.text, begun) && !spec->split)
            continue;
        if (n && span_eq(out[n - 1].text, e.text))
            continue;
        out[n++] = e;
    }
    return n;
}

/* The whole listing; false: it failed. */
static bool check(const struct listing_spec *spec)
{
    struct want want[KEYS_MAX];
    size_t count = expect(spec, want), seen = 0;
    struct replica_entry e;
    struct listing *l;
    enum err result;

    assert_int_equal(listing_open(&l, &w.env, spec, &events, NULL), ERR_OK);
    while ((result = listing_next(l, &e)) == ERR_OK || result == ERR_AGAIN) {
        if (result == ERR_AGAIN) {
            wait_ready();
            continue;
        }
        if (seen == count || !span_eq(e.key, want[seen].text))
            fail_msg("entry %zu is '%.*s'; prefix '%.*s', delimiter '%.*s', after '%.*s'", seen,
                     SPAN_ARG(e.key), SPAN_ARG(spec->prefix), SPAN_ARG(spec->delimiter),
                     SPAN_ARG(spec->after));
        assert_int_equal(e.is_group, want[seen].is_group);
        if (!e.is_group) {
            assert_int_equal(e.body_bytes, want[seen].value);
            assert_true(span_is(e.etag, "\"e\""));
        }
        seen++;
        if (listing_has_more(l))
            assert_true(seen < count);
    }
    listing_free(l);
    if (result == ERR_EOF)
        assert_int_equal(seen, count);
    else
        assert_int_equal(result, ERR_UNAVAILABLE);
    return result == ERR_EOF;
}

static struct listing_spec draw_spec(char text[2][KEY_CHARS + 1])
{
    static const char *const delimiters[] = {"", "/", "-", "a/", "/"};
    struct listing_spec spec = {.bucket = 1, .replicas = &w.set, .prefix = SPAN_EMPTY, .after = SPAN_EMPTY};

    for (int i = 0; i < 2 && w.count; i++)
        memcpy(text[i], w.keys[random_below(&w.random, w.count)].name, KEY_CHARS + 1);
    spec.delimiter = span_of(delimiters[random_below(&w.random, 5)]);
    if (w.count && random_below(&w.random, 3) == 0)
        spec.prefix = span_head(span_of(text[0]), random_below(&w.random, 4));
    if (w.count && random_below(&w.random, 2))
        spec.after = span_head(span_of(text[1]), 1 + random_below(&w.random, KEY_CHARS));
    spec.split = random_below(&w.random, 2);
    spec.most = 1 + (uint32_t)random_below(&w.random, 12);
    return spec;
}

static void lists_are_right_while_replicas_differ(void **state)
{
    init();
    random_init(&w.random, 3);
    for (int run = 0; run < 6000; run++) {
        char text[2][KEY_CHARS + 1];
        struct listing_spec spec;

        draw_world();
        spec = draw_spec(text);
        assert_true(check(&spec));
    }
    fini();
}

static void replicas_that_fail_are_replaced_or_the_list_fails(void **state)
{
    unsigned failed = 0, good = 0;

    init();
    random_init(&w.random, 4);
    for (int run = 0; run < 4000; run++) {
        char text[2][KEY_CHARS + 1];
        struct listing_spec spec;

        draw_world();
        spec = draw_spec(text);
        w.fails_lists = (uint32_t)random_below(&w.random, 7); /* never all */
        w.fails_heads = (uint32_t)random_below(&w.random, 8);
        if (check(&spec))
            good++;
        else
            failed++;
    }
    assert_true(good > 1000);
    assert_true(failed > 100);
    w.fails_lists = w.fails_heads = 0;
    fini();
}

/* --- single cases --- */

static void add(const char *name, unsigned a, unsigned b, unsigned c, uint32_t stored)
{
    struct key *k = &w.keys[w.count++];

    *k = (struct key){.shown = {a, b, c}, .stored = stored};
    snprintf(k->name, sizeof(k->name), "%s", name);
    qsort(w.keys, w.count, sizeof(w.keys[0]), by_name);
}

static struct listing_spec plain(void)
{
    return (struct listing_spec){.bucket = 1,
                                 .replicas = &w.set,
                                 .prefix = SPAN_EMPTY,
                                 .delimiter = SPAN_EMPTY,
                                 .after = SPAN_EMPTY,
                                 .most = 1000};
}

static void a_quiet_bucket_costs_one_page_and_no_look(void **state)
{
    struct listing_spec spec = plain();

    init();
    random_init(&w.random, 1);
    for (char c = 'a'; c < 'z'; c++)
        add((char[]){c, '\0'}, 1, 1, 1, 0);
    while (w.page_most < 25) { /* until a page comes whole */
        w.pages = 0;
        assert_true(check(&spec));
    }
    assert_int_equal(w.pages, 1);
    assert_int_equal(w.heads, 0);
    assert_int_equal(w.ranges, 0);
    fini();
}

static void the_replica_with_the_fewest_hints_is_listed(void **state)
{
    struct listing_spec spec = plain();

    init();
    random_init(&w.random, 1);
    add("gone", 1, 0, 0, 6); /* deleted while a was away */
    add("new", 0, 7, 7, 6);
    add("old", 3, 3, 3, 0);
    assert_true(check(&spec));
    assert_int_equal(w.heads, 0);
    w.fails_lists = 6; /* only a can be listed */
    assert_true(check(&spec));
    assert_int_equal(w.heads, 2);
    w.fails_heads = 2; /* c has it as well */
    assert_true(check(&spec));
    w.fails_heads = 6;
    assert_false(check(&spec));
    w.fails_lists = 7;
    assert_false(check(&spec));
    fini();
}

/* What it hides is in no row: "a/b" beside "a" would be missing, and nobody would know. */
static void a_replica_that_hides_keys_is_listed_last(void **state)
{
    static const struct capabilities hides = {.list_nested = S3_NO, .list_order = S3_LIST_ORDER_BYTES},
                                     shows = {.list_nested = S3_YES, .list_order = S3_LIST_ORDER_PATH};
    struct listing_spec spec = plain();

    init();
    random_init(&w.random, 1);
    add("gone", 1, 0, 0, 6);
    add("new", 0, 7, 7, 6);
    w.replicas[0].can = &shows; /* with hints, and not in order */
    w.replicas[1].can = w.replicas[2].can = &hides;
    assert_true(check(&spec));
    assert_int_equal(w.heads, 2);
    spec.delimiter = SPAN("/"); /* folders: the one with the fewest hints all the same */
    w.heads = 0;
    assert_true(check(&spec));
    assert_int_equal(w.heads, 0);
    spec.delimiter = SPAN_EMPTY;
    w.fails_lists = 1; /* there is no other */
    assert_true(check(&spec));
    assert_int_equal(w.heads, 0);
    fini();
}

static void without_the_journal_there_is_no_list(void **state)
{
    struct listing_spec spec = plain();

    init();
    random_init(&w.random, 1);
    add("k", 1, 1, 1, 3);
    w.journal_fails = true;
    assert_false(check(&spec));
    fini();
}

static void a_replica_that_says_nothing_is_given_up(void **state)
{
    struct listing_spec spec = plain();
    struct replica_entry e;
    struct listing *l;

    init();
    random_init(&w.random, 1);
    add("k", 1, 1, 1, 0);
    assert_int_equal(listing_open(&l, &w.env, &spec, &events, NULL), ERR_OK);
    assert_int_equal(listing_next(l, &e), ERR_AGAIN);
    for (unsigned tries = 1; tries <= REPLICAS; tries++) {
        assert_int_equal(w.pages, tries);
        assert_false(w.is_ready);
        w.now_ms += 500;
        clock_fire_due(&w.clock);
    }
    assert_true(w.is_ready);
    assert_int_equal(listing_next(l, &e), ERR_UNAVAILABLE);
    listing_free(l);
    assert_int_equal(under_way(), 0);
    fini();
}

/* One that goes on for ever, a little at a time, has its time as well. */
static void a_page_without_end_is_given_up(void **state)
{
    struct listing_spec spec = plain();
    struct replica_entry e;
    struct listing *l;

    init();
    random_init(&w.random, 1);
    assert_int_equal(listing_open(&l, &w.env, &spec, &events, NULL), ERR_OK);
    assert_int_equal(listing_next(l, &e), ERR_AGAIN);
    for (int i = 0; i < 1000 && w.pages == 1; i++) {
        w.calls[0].list_events.progress(w.calls[0].ctx);
        w.now_ms += 400;
        clock_fire_due(&w.clock);
    }
    assert_int_equal(w.pages, 2);
    listing_free(l);
    fini();
}

static void a_group_is_not_walked_through(void **state)
{
    struct listing_spec spec = plain();

    init();
    random_init(&w.random, 1);
    for (int i = 0; i < 30; i++) {
        char name[KEY_CHARS + 1];

        snprintf(name, sizeof(name), "g-%02d", i);
        add(name, 1, 1, 1, i == 7 ? 6 : 0);
    }
    add("z", 1, 1, 1, 0);
    spec.delimiter = SPAN("-");
    assert_true(check(&spec));
    assert_true(w.pages <= 6); /* some of them small */
    fini();
}

static void a_budget_that_is_spent_is_told(void **state)
{
    struct listing_spec spec = plain();
    struct chunk *taken[8];
    struct listing *l;

    init();
    for (int i = 0; i < 8; i++)
        taken[i] = chunk_take(&w.budget);
    assert_int_equal(listing_open(&l, &w.env, &spec, &events, NULL), ERR_BUSY);
    assert_null(l);
    spec.most = 1; /* so few need none */
    assert_int_equal(listing_open(&l, &w.env, &spec, &events, NULL), ERR_OK);
    listing_free(l);
    for (int i = 0; i < 8; i++)
        chunk_give(&w.budget, taken[i]);
    fini();
}

/* The owner leaves at every moment there is. */
static void it_can_be_left_at_any_time(void **state)
{
    init();
    random_init(&w.random, 9);
    for (int run = 0; run < 2000; run++) {
        char text[2][KEY_CHARS + 1];
        struct listing_spec spec;
        struct replica_entry e;
        struct listing *l;
        size_t steps = random_below(&w.random, 30);

        draw_world();
        spec = draw_spec(text);
        assert_int_equal(listing_open(&l, &w.env, &spec, &events, NULL), ERR_OK);
        while (steps--) {
            enum err result = listing_next(l, &e);

            if (result == ERR_AGAIN)
                wait_ready();
            else if (result != ERR_OK)
                break;
        }
        listing_free(l);
        w.is_ready = false;
        while (under_way())
            answer_one();
        assert_false(w.is_ready);
    }
    fini();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_right_while_replicas_differ),
        cmocka_unit_test(replicas_that_fail_are_replaced_or_the_list_fails),
        cmocka_unit_test(a_quiet_bucket_costs_one_page_and_no_look),
        cmocka_unit_test(the_replica_with_the_fewest_hints_is_listed),
        cmocka_unit_test(a_replica_that_hides_keys_is_listed_last),
        cmocka_unit_test(without_the_journal_there_is_no_list),
        cmocka_unit_test(a_replica_that_says_nothing_is_given_up),
        cmocka_unit_test(a_page_without_end_is_given_up),
        cmocka_unit_test(a_group_is_not_walked_through),
        cmocka_unit_test(a_budget_that_is_spent_is_told),
        cmocka_unit_test(it_can_be_left_at_any_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
