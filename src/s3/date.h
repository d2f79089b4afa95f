/* s3/date.h - the dates of S3's headers and documents. Pure, no locale, UTC. */
#ifndef S3_DATE_H
#define S3_DATE_H

#include "base/span.h"

enum { S3_DATE_CHARS = 24 };

/* RFC 9110 section 5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT" and the two obsolete forms that must be understood. */
bool s3_http_date_parse(struct span text, uint64_t *unix_s);
/* "1994-11-06T08:49:37.000Z", S3_DATE_CHARS of them and a NUL. */
void s3_date_print(uint64_t unix_ms, char out[static S3_DATE_CHARS + 1]);

#endif
