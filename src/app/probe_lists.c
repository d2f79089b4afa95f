/* Listings: which version gives all keys, once and page by page; in what order; whether keys come encoded; and whether
 * any are hidden. */
#include "app/probe_private.h"

#include "s3/list_read.h"

#include <stdio.h>

enum { KEYS = 5, SIBLINGS = 8, SHOWN_MAX = 16, KEY_BYTES = 200, QUERY_BYTES = 1024, PAGES_MAX = 8 };

/* In byte order. The last one tells encoded from not. */
static const char *const names[KEYS] = {"list/a!b", "list/a/b", "list/a0", "list/b", "list/c +%\xc3\xa4"};

struct listing {
    char keys[SHOWN_MAX][KEY_BYTES];
    size_t count;
    bool truncated, encoded, good;
    struct span next; /* what V2 calls NextContinuationToken, in `kept` */
};

static bool on_item(void *ctx, const struct s3_list_item *item)
{
    struct listing *l = ctx;

    if (!item->is_prefix && l->count < SHOWN_MAX)
        snprintf(l->keys[l->count++], KEY_BYTES, "%.*s", SPAN_ARG(item->key));
    return true;
}

/* The text of the first element of this name, as it stands there; its characters need no unescaping but for "&amp;". */
static struct span element(struct probe *p, struct span body, const char *open, const char *close)
{
    const char *at = memmem(body.at, body.len, open, strlen(open)), *end;
    char text[KEY_BYTES * 3];
    size_t len = 0;

    if (!at)
        return SPAN_EMPTY;
    at += strlen(open);
    end = memmem(at, body.len - (size_t)(at - body.at), close, strlen(close));
    for (; end && at < end && len < sizeof(text); at++) {
        text[len++] = *at;
        if (span_starts((struct span){at, (size_t)(end - at)}, SPAN("&amp;")))
            at += 4;
    }
    return arena_dup(&p->kept, (struct span){text, len});
}

/* One page, added to what is there. */
static void list_page(struct probe *p, const char *query, struct listing *l)
{
    struct s3_list_reader r;
    struct wire_answer a;
    size_t from = l->count;
    enum err e;

    l->good = false;
    probe_send(p, &(struct probe_request){.method = SPAN("GET"), .query = span_of(query)}, &a);
    if (!probe_ok(&a))
        return;
    s3_list_reader_init(&r, on_item, l);
    e = s3_list_reader_feed(&r, a.body);
    l->good = s3_list_reader_end(&r) == ERR_OK && e == ERR_OK;
    l->truncated = r.truncated;
    l->encoded = r.encoded;
    l->next = element(p, a.body, "<NextContinuationToken>", "</NextContinuationToken>");
    for (size_t i = from; i < l->count && l->encoded; i++) {
        size_t len = strlen(l->keys[i]);

        if (s3_list_decode(l->keys[i], &len))
            l->keys[i][len] = '\0';
    }
}

static bool has_all_once(const struct probe *p, const struct listing *l)
{
    if (!l->good || l->count != KEYS)
        return false;
    for (size_t i = 0; i < KEYS; i++) {
        size_t times = 0;

        for (size_t k = 0; k < l->count; k++)
            times += strncmp(l->keys[k], p->prefix, strlen(p->prefix)) == 0 &&
                     strcmp(l->keys[k] + strlen(p->prefix), names[i]) == 0;
        if (times != 1)
            return false;
    }
    return true;
}

/* "PREFIX%2Flist%2F" */
static const char *encoded_prefix(struct probe *p)
{
    return probe_text(p, "%.*s%%2Flist%%2F", (int)strlen(p->prefix) - 1, p->prefix);
}

static bool pages_v2(struct probe *p, struct listing *l)
{
    char query[QUERY_BYTES];

    *l = (struct listing){.truncated = true};
    for (int page = 0; page < PAGES_MAX && l->truncated && (page == 0 || l->good); page++) {
        struct span token = page ? s3_query_encode(&p->kept, l->next) : SPAN_EMPTY;

        snprintf(query, sizeof(query), "%s%.*s%slist-type=2&max-keys=2&prefix=%s",
                 page ? "continuation-token=" : "", SPAN_ARG(token), page ? "&" : "", encoded_prefix(p));
        list_page(p, query, l);
    }
    return has_all_once(p, l);
}

/* By the last key shown, as a client does that was given no NextMarker. */
static bool pages_v1(struct probe *p, struct listing *l)
{
    char query[QUERY_BYTES];

    *l = (struct listing){.truncated = true};
    for (int page = 0; page < PAGES_MAX && l->truncated && (page == 0 || l->good); page++) {
        struct span marker =
            l->count ? s3_query_encode(&p->kept, span_of(l->keys[l->count - 1])) : SPAN_EMPTY;

        snprintf(query, sizeof(query), "%s%.*s%smax-keys=2&prefix=%s", l->count ? "marker=" : "",
                 SPAN_ARG(marker), l->count ? "&" : "", encoded_prefix(p));
        list_page(p, query, l);
    }
    return has_all_once(p, l);
}

static void check_versions(struct probe *p)
{
    struct listing l;
    bool v2 = pages_v2(p, &l), v1 = pages_v1(p, &l);

    if (v2 || v1)
        p->found.list_version = v2 ? S3_LIST_V2 : S3_LIST_V1;
    probe_find(p, "list_version", "5 keys in pages of 2, by V2 and by V1",
               probe_text(p, "V2: %s, V1: %s", v2 ? "all" : "WRONG", v1 ? "all" : "WRONG"),
               v2   ? "V2 is used"
               : v1 ? "V1 is used"
                    : "it CANNOT be listed");
}

static void check_order(struct probe *p)
{
    bool bytes = true, path;
    struct listing l = {.count = 0};

    list_page(p, probe_text(p, "list-type=2&prefix=%s", encoded_prefix(p)), &l);
    if (!has_all_once(p, &l))
        return;
    for (size_t i = 1; i < l.count; i++)
        bytes = bytes && strcmp(l.keys[i - 1], l.keys[i]) < 0;
    path = strcmp(l.keys[0] + strlen(p->prefix), names[1]) == 0 &&
           strcmp(l.keys[1] + strlen(p->prefix), names[0]) == 0;
    if (bytes || path)
        p->found.list_order = bytes ? S3_LIST_ORDER_BYTES : S3_LIST_ORDER_PATH;
    probe_find(p, "list_order", "'a!b', 'a/b', 'a0'",
               bytes  ? "order of bytes"
               : path ? "'a/b' first"
                      : "some OTHER order",
               bytes  ? "pages are taken as they come"
               : path ? "listings are put in order"
                      : "its listings CANNOT be merged");
}

static void check_encoding(struct probe *p)
{
    struct listing l = {.count = 0};
    bool done;

    list_page(p, probe_text(p, "encoding-type=url&list-type=2&prefix=%s", encoded_prefix(p)), &l);
    done = l.encoded && has_all_once(p, &l);
    p->found.url_encode = done ? S3_YES : S3_NO;
    probe_find(p, "url_encode", "encoding-type=url",
               done        ? "keys come encoded"
               : l.encoded ? "keys come encoded WRONG"
                           : "keys come as they are",
               done ? "any key can be listed" : "keys with control characters cannot be listed");
}

/* A folder with siblings that come before it: behind its first key comes its second. */
static void check_after(struct probe *p)
{
    struct span prefix = s3_query_encode(&p->kept, span_of(probe_text(p, "%safter/", p->prefix))), after;
    struct listing l = {.count = 0};
    bool sound;

    for (int i = 0; i < SIBLINGS; i++)
        probe_put(p, probe_key(p, probe_text(p, "after/m!%d", i)), SPAN("listed"));
    after = s3_query_encode(&p->kept, probe_key(p, "after/m/1"));
    probe_put(p, probe_key(p, "after/m/1"), SPAN("listed"));
    probe_put(p, probe_key(p, "after/m/2"), SPAN("listed"));
    list_page(p,
              p->found.list_version == S3_LIST_V1
                  ? probe_text(p, "marker=%.*s&max-keys=1&prefix=%.*s", SPAN_ARG(after), SPAN_ARG(prefix))
                  : probe_text(p, "list-type=2&max-keys=1&prefix=%.*s&start-after=%.*s", SPAN_ARG(prefix),
                               SPAN_ARG(after)),
              &l);
    sound = l.good && l.count == 1 && strcmp(l.keys[0] + strlen(p->prefix), "after/m/2") == 0;
    p->found.list_after = sound ? S3_YES : S3_NO;
    probe_find(p, "list_after", "one key behind 'm/1', with 'm!0' to 'm!7' beside it",
               sound ? "'m/2'" : "WRONG",
               sound ? "pages begin anywhere" : "folders are listed one by one at a page's begin");
}

/* An object below another one: listed, or hidden, or there can be none. */
static void check_nested(struct probe *p)
{
    struct span prefix = s3_query_encode(&p->kept, span_of(probe_text(p, "%snest", p->prefix)));
    struct listing l = {.count = 0};
    bool both, sound;

    probe_put(p, probe_key(p, "nest"), SPAN("listed"));
    both = probe_put(p, probe_key(p, "nest/egg"), SPAN("listed")) == 200;
    list_page(p,
              p->found.list_version == S3_LIST_V1
                  ? probe_text(p, "prefix=%.*s", SPAN_ARG(prefix))
                  : probe_text(p, "list-type=2&prefix=%.*s", SPAN_ARG(prefix)),
              &l);
    sound = l.good && l.count == (both ? 2u : 1u);
    p->found.list_nested = sound ? S3_YES : S3_NO;
    probe_find(p, "list_nested", "'nest' and 'nest/egg'",
               !both   ? "there can only be one"
               : sound ? "both"
                       : "'nest/egg' is HIDDEN",
               sound ? "what it lists is all there is" : "another replica is listed where there is one");
}

void probe_lists(struct probe *p)
{
    for (size_t i = 0; i < KEYS; i++)
        probe_put(p, probe_key(p, names[i]), SPAN("listed"));
    check_versions(p);
    check_order(p);
    check_encoding(p);
    check_after(p);
    check_nested(p);
}
