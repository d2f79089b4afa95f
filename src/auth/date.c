#include "auth/date.h"

enum { DAY_S = 24 * 60 * 60 };
static const uint64_t year_10000_s = 253402300800u;

/* Days since 1970-01-01 and back, in the proleptic Gregorian calendar with years that begin in March.
 * Source: Howard Hinnant, "chrono-compatible low-level date algorithms". */
static int64_t days_of(unsigned year, unsigned month, unsigned day)
{
    unsigned y = year - (month <= 2), era = y / 400, yoe = y % 400;
    unsigned doy = (153 * (month + (month > 2 ? -3u : 9u)) + 2) / 5 + day - 1;
    unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

    return (int64_t)era * 146097 + doe - 719468;
}

static void date_of(uint64_t days, unsigned *year, unsigned *month, unsigned *day)
{
    uint64_t z = days + 719468, era = z / 146097;
    unsigned doe = (unsigned)(z % 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

    *day = doy - (153 * mp + 2) / 5 + 1;
    *month = mp < 10 ? mp + 3 : mp - 9;
    *year = yoe + (unsigned)era * 400 + (*month <= 2);
}

static void two_digits(char *out, unsigned n)
{
    out[0] = (char)('0' + n / 10);
    out[1] = (char)('0' + n % 10);
}

void amz_date_print(uint64_t unix_s, char out[static 16])
{
    unsigned year, month, day, second;

    if (unix_s >= year_10000_s)
        unix_s = year_10000_s - 1;
    date_of(unix_s / DAY_S, &year, &month, &day);
    second = (unsigned)(unix_s % DAY_S);
    two_digits(out, year / 100);
    two_digits(out + 2, year % 100);
    two_digits(out + 4, month);
    two_digits(out + 6, day);
    out[8] = 'T';
    two_digits(out + 9, second / 3600);
    two_digits(out + 11, second / 60 % 60);
    two_digits(out + 13, second % 60);
    out[15] = 'Z';
}

/* text[at .. at+len) as a number; false unless all are digits. */
static bool number(struct span text, size_t at, size_t len, unsigned *out)
{
    uint64_t n;

    if (!span_to_u64(span_head(span_skip(text, at), len), &n))
        return false;
    *out = (unsigned)n;
    return true;
}

static bool combine(unsigned year, unsigned month, unsigned day, unsigned hour, unsigned minute,
                    unsigned second, uint64_t *unix_s)
{
    static const uint8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    if (year < 1970 || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59)
        return false;
    if (day > lengths[month - 1] + (month == 2 && leap ? 1u : 0u))
        return false;
    *unix_s = (uint64_t)days_of(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second;
    return true;
}

bool amz_date_parse(struct span text, uint64_t *unix_s)
{
    unsigned year, month, day, hour, minute, second;

    return text.len == 16 && text.at[8] == 'T' && text.at[15] == 'Z' && number(text, 0, 4, &year) &&
           number(text, 4, 2, &month) && number(text, 6, 2, &day) && number(text, 9, 2, &hour) &&
           number(text, 11, 2, &minute) && number(text, 13, 2, &second) &&
           combine(year, month, day, hour, minute, second, unix_s);
}

static bool is_utc(struct span zone)
{
    return span_is(zone, " GMT") || span_is(zone, " +0000") || span_is(zone, " -0000");
}

bool http_date_parse(struct span text, uint64_t *unix_s)
{
    enum { ZONE_AT = 25 };
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec", days[] = "SunMonTueWedThuFriSat";
    unsigned year, month = 0, day, hour, minute, second;
    bool known_day = false;

    if (!is_utc(span_skip(text, ZONE_AT)) || text.at[3] != ',' || text.at[4] != ' ' || text.at[7] != ' ' ||
        text.at[11] != ' ' || text.at[16] != ' ' || text.at[19] != ':' || text.at[22] != ':')
        return false;
    for (unsigned i = 0; i < 7; i++)
        known_day |= memcmp(text.at, days + (size_t)i * 3, 3) == 0;
    for (unsigned i = 0; i < 12; i++)
        if (memcmp(text.at + 8, months + (size_t)i * 3, 3) == 0)
            month = i + 1;
    return known_day && number(text, 12, 4, &year) && number(text, 5, 2, &day) &&
           number(text, 17, 2, &hour) && number(text, 20, 2, &minute) && number(text, 23, 2, &second) &&
           combine(year, month, day, hour, minute, second, unix_s);
}
