/* app/status.h - `s3mirror status` and `s3mirror retry`: ask a running gateway's admin port and print what it says. */
#ifndef APP_STATUS_H
#define APP_STATUS_H

#include <stdbool.h>

/* `admin` is ADDRESS:PORT, an any-address stands for this machine; `what` is NULL, BUCKET or BUCKET/KEY.
 * Blocking, with time-outs. Prints to stdout; the exit status: 0, or 1 with one line on stderr. */
int status_print(const char *admin, const char *what, bool json);
/* The same; `what` is BUCKET or BUCKET/KEY: what repair has given up on there is queued again. */
int status_retry(const char *admin, const char *what, bool json);

#endif
