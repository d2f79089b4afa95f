#include "fanout/etag.h"

#include "base/span.h"

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
