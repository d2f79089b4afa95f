#include "s3/date.h"

#include <stdio.h>
#include <time.h>

bool s3_http_date_parse(struct span text, uint64_t *unix_s)
{
    /* IMF-fixdate, RFC 850, asctime */
    static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                                        "%a %b %d %H:%M:%S %Y"};
    char copy[64];

    if (text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct tm tm = {0};
        const char *end = strptime(copy, forms[i], &tm);
        time_t t;

        if (!end || (size_t)(end - copy) != text.len)
            continue;
        t = timegm(&tm);
        *unix_s = (uint64_t)t;
        return t >= 0;
    }
    return false;
}

void s3_date_print(uint64_t unix_ms, char out[static S3_DATE_CHARS + 1])
{
    static const uint64_t last_ms = 253402300799999; /* 9999-12-31 */
    time_t seconds;
    struct tm tm = {0};
    char text[64];

    unix_ms = unix_ms < last_ms ? unix_ms : last_ms;
    seconds = (time_t)(unix_ms / 1000);
    gmtime_r(&seconds, &tm);
    snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ", tm.tm_year + 1900, tm.tm_mon + 1,
             tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (unsigned)(unix_ms % 1000));
    memcpy(out, text, S3_DATE_CHARS);
    out[S3_DATE_CHARS] = '\0';
}
