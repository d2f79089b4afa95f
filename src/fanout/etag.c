#include "fanout/etag.h"

bool etag_is_md5(const char *etag)
{
    return strlen(etag) == 34 && etag[0] == '"' && etag[33] == '"' &&
           strspn(etag + 1, "0123456789abcdefABCDEF") == 32;
}

bool etag_same(const char *a, const char *b)
{
    return span_ieq(span_of(a), span_of(b));
}

bool etag_contradicts(const char *a, const char *b)
{
    return !etag_same(a, b) && etag_is_md5(a) && etag_is_md5(b);
}

bool object_same(const struct replica_object *a, const struct replica_object *b)
{
    if (a->exists != b->exists)
        return false;
    if (!a->exists)
        return true;
    if (a->stamped != b->stamped || a->body_bytes != b->body_bytes)
        return false;
    if (a->stamped)
        return stamp_eq(&a->stamp, &b->stamp) && !etag_contradicts(a->etag, b->etag);
    return etag_same(a->etag, b->etag);
}
