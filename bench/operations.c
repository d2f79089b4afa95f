/* What the load generator can ask, a row each at the end.
 *
 * A listing goes from page to page to its end, then anew; a page is one operation. A DeleteObjects names all keys that
 * one connection of a PUT run has put: the n-th of connection c those of the connection c + n * conns. */
#include "bench/load.h"
#include "bench/wire.h"

#include <stdio.h>
#include <stdlib.h>

enum { LIST_KEYS = 1000, DELETE_KEYS_MAX = 1000, DELETE_KEY_BYTES = 80 };

struct span load_element(const char *from, const char *name)
{
    char tag[64];
    const char *at, *end;

    snprintf(tag, sizeof(tag), "<%s>", name);
    at = strstr(from, tag);
    if (!at)
        return SPAN_EMPTY;
    at += strlen(tag);
    end = strchr(at, '<');
    return (struct span){at, end ? (size_t)(end - at) : strlen(at)};
}

static uint64_t count_of(const char *text, const char *what)
{
    uint64_t n = 0;

    for (const char *at = text; (at = strstr(at, what)) != NULL; at += strlen(what))
        n++;
    return n;
}

static enum turn by_quota(struct conn *c)
{
    if (c->done == c->quota || (load.deadline_us && mono_us() >= load.deadline_us))
        return TURN_OVER;
    c->done++;
    return TURN_ASK;
}

/* ---- objects ---- */

static void ask_object(struct conn *c, struct ask *a)
{
    uint64_t number = c->done - 1, key = load.keys ? number % load.keys : number;

    snprintf(a->path, sizeof(a->path), "/%s/k-%u-%llu", load.bucket, c->number, (unsigned long long)key);
}

static void ask_put(struct conn *c, struct ask *a)
{
    ask_object(c, a);
    a->method = "PUT";
    a->content = true;
}

static void ask_get(struct conn *c, struct ask *a)
{
    ask_object(c, a);
    a->method = "GET";
}

static void ask_delete(struct conn *c, struct ask *a)
{
    ask_object(c, a);
    a->method = "DELETE";
}

static void ask_bucket(struct conn *c, struct ask *a)
{
    a->method = "PUT";
    snprintf(a->path, sizeof(a->path), "/%s", load.bucket);
}

/* ---- listings ---- */

static enum turn list_turn(struct conn *c)
{
    return c->more ? TURN_ASK : by_quota(c);
}

static void ask_list(struct conn *c, struct ask *a)
{
    a->method = "GET";
    snprintf(a->path, sizeof(a->path), "/%s", load.bucket);
    snprintf(a->query, sizeof(a->query), "%s%s%slist-type=2&max-keys=%d",
             c->more ? "continuation-token=" : "", c->more ? c->token : "", c->more ? "&" : "", LIST_KEYS);
}

static bool encode(struct span text, char *out, size_t room)
{
    static const char digits[] = "0123456789ABCDEF", plain[] = "-._~";
    char *p = out;

    if (3 * text.len + 1 > room)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = (uint8_t)text.at[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                        (c && strchr(plain, c));

        if (is_plain) {
            *p++ = (char)c;
        } else {
            *p++ = '%';
            *p++ = digits[c >> 4];
            *p++ = digits[c & 15];
        }
    }
    *p = '\0';
    return true;
}

static const char *take_list(struct conn *c)
{
    uint64_t keys = count_of(c->text, "<Contents>");

    load.tally.items += keys;
    c->more = span_is(load_element(c->text, "IsTruncated"), "true");
    if (!c->more)
        return NULL;
    if (!encode(load_element(c->text, "NextContinuationToken"), c->token, sizeof(c->token)) || !c->token[0]) {
        c->more = false;
        return "a page without a usable token for the next one";
    }
    return keys ? NULL : "a truncated page without keys";
}

/* ---- DeleteObjects ---- */

static void ask_delete_many(struct conn *c, struct ask *a)
{
    uint64_t writer = c->number + (c->done - 1) * load.conns;
    char *p;

    if (!c->document)
        c->document = must_alloc(64 + load.per_request * DELETE_KEY_BYTES);
    p = span_put(c->document, SPAN("<Delete>"));
    for (uint64_t i = 0; i < load.per_request; i++)
        p += sprintf(p, "<Object><Key>k-%llu-%llu</Key></Object>", (unsigned long long)writer,
                     (unsigned long long)i);
    p = span_put(p, SPAN("</Delete>"));
    a->method = "POST";
    snprintf(a->path, sizeof(a->path), "/%s", load.bucket);
    snprintf(a->query, sizeof(a->query), "delete=");
    a->document = (struct span){c->document, (size_t)(p - c->document)};
}

static const char *take_delete_many(struct conn *c)
{
    uint64_t deleted = count_of(c->text, "<Deleted>");

    load.tally.items += deleted;
    return deleted == load.per_request ? NULL : "not all keys were deleted";
}

static const char *take_nothing(struct conn *c)
{
    return NULL;
}

const struct operation operations[] = {
    {"put", .turn = by_quota, .ask = ask_put, .take = take_nothing},
    {"get", .receives = true, .turn = by_quota, .ask = ask_get, .take = take_nothing},
    {"delete", .turn = by_quota, .ask = ask_delete, .take = take_nothing},
    {"bucket", .turn = by_quota, .ask = ask_bucket, .take = take_nothing},
    {"list", .reads = true, .turn = list_turn, .ask = ask_list, .take = take_list},
    {"delete-many", .reads = true, .turn = by_quota, .ask = ask_delete_many, .take = take_delete_many},
};
const size_t operation_count = sizeof(operations) / sizeof(operations[0]);
