/* An entry is a copy of one text with nine digits put in its place: some ten nanoseconds a key, so that a listing costs
 * here next to nothing beside what it costs to send, read and check it. */
#include "bench/listing.h"

#include <stdio.h>

enum { DIGITS = 9, KEYS_MAX = 1000000000 };

#define BEFORE "<Contents><Key>object-"
#define BEHIND                                                                                               \
    "</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified>"                                            \
    "<ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><Size>0</Size>"                                \
    "<StorageClass>STANDARD</StorageClass></Contents>"

static struct span parameter(struct span query, const char *name)
{
    while (query.len) {
        struct span value = span_cut(&query, '&');

        if (span_is(span_cut(&value, '='), name))
            return value;
    }
    return SPAN_EMPTY;
}

/* The number of the first key behind the one that is named; 0 without one. */
static uint64_t first_behind(struct span key)
{
    uint64_t number;

    return key.len > DIGITS && span_to_u64(span_head(span_skip(key, key.len - DIGITS), DIGITS), &number)
               ? number + 1
               : 0;
}

static char *put_entry(char *at, uint64_t number)
{
    static const char entry[] = BEFORE "000000000" BEHIND;
    char *digit = at + sizeof(BEFORE) - 1 + DIGITS;

    memcpy(at, entry, sizeof(entry) - 1);
    for (; number; number /= 10)
        *--digit = (char)('0' + number % 10);
    return at + sizeof(entry) - 1;
}

size_t listing_print(struct span query, uint64_t keys, char out[static LISTING_PAGE_ROOM])
{
    struct span token = parameter(query, "continuation-token");
    uint64_t first = first_behind(token.len ? token : parameter(query, "start-after")), most, end;
    char *p = out;

    if (!span_to_u64(parameter(query, "max-keys"), &most) || most > LISTING_PAGE_KEYS)
        most = LISTING_PAGE_KEYS;
    if (keys > KEYS_MAX)
        keys = KEYS_MAX;
    end = first > keys ? first : keys - first < most ? keys : first + most;
    p += sprintf(p,
                 "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult "
                 "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><KeyCount>%llu</KeyCount>"
                 "<MaxKeys>%llu</MaxKeys><IsTruncated>%s</IsTruncated>",
                 (unsigned long long)(end - first), (unsigned long long)most, end < keys ? "true" : "false");
    if (end < keys && end > first)
        p += sprintf(p, "<NextContinuationToken>object-%09llu</NextContinuationToken>",
                     (unsigned long long)end - 1);
    for (uint64_t number = first; number < end; number++)
        p = put_entry(p, number);
    p = span_put(p, SPAN("</ListBucketResult>"));
    return (size_t)(p - out);
}
