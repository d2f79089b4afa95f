#include "s3/date.h"

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

static char *put_digits(char *at, unsigned number, unsigned digits)
{
    for (unsigned i = digits; i--; number /= 10)
        at[i] = (char)('0' + number % 10);
    return at + digits;
}

static char *put_part(char *at, unsigned number, unsigned digits, char behind)
{
    at = put_digits(at, number, digits);
    *at++ = behind;
    return at;
}

/* The C library's way through struct tm and a format takes ten times as long, and each key of a listing has a date.
 * Years are counted from March on, so that a leap day is the last of its year (days_before in list_read.c undoes it). */
void s3_date_print(uint64_t unix_ms, char out[static S3_DATE_CHARS + 1])
{
    static const uint64_t last_ms = 253402300799999; /* 9999-12-31 */
    uint64_t ms = unix_ms < last_ms ? unix_ms : last_ms;
    unsigned second = (unsigned)(ms / 1000 % 86400);
    unsigned days = (unsigned)(ms / 1000 / 86400) + 719468; /* since 0000-03-01 */
    unsigned era = days / 146097, of_era = days % 146097;
    unsigned year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
    char *at = out;

    at = put_part(at, year + era * 400 + (month >= 10), 4, '-');
    at = put_part(at, month < 10 ? month + 3 : month - 9, 2, '-');
    at = put_part(at, of_year - (153 * month + 2) / 5 + 1, 2, 'T');
    at = put_part(at, second / 3600, 2, ':');
    at = put_part(at, second / 60 % 60, 2, ':');
    at = put_part(at, second % 60, 2, '.');
    at = put_part(at, (unsigned)(ms % 1000), 3, 'Z');
    *at = '\0';
}
