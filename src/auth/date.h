/* auth/date.h - the two dates that a signature can carry. For auth/ only. Pure, no locale. */
#ifndef AUTH_DATE_H
#define AUTH_DATE_H

#include "base/span.h"

/* "20130524T000000Z", no NUL. Years 1970 to 9999; later ones are cut to the last second of 9999. */
void amz_date_print(uint64_t unix_s, char out[static 16]);
/* The same form and no other; no dates that are not in the calendar. */
bool amz_date_parse(struct span text, uint64_t *unix_s);
/* RFC 9110's IMF-fixdate: "Fri, 24 May 2013 00:00:00 GMT"; also with RFC 5322's names for that zone, "+0000" and "-0000",
 * which botocore writes. The name of the day is not checked against the date. */
bool http_date_parse(struct span text, uint64_t *unix_s);

#endif
