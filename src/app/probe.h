/* app/probe.h - `s3mirror probe`: what a backend can do, found out by trying.
 *
 * Everything happens under a prefix of its own, in a bucket made for it or in the one that is named, and is removed
 * again, also when the probe fails or is interrupted. Time and requests are bounded. */
#ifndef APP_PROBE_H
#define APP_PROBE_H

#include "app/config.h"

struct probe_options {
    const char *backend; /* a name in the configuration */
    const char *bucket;  /* there; NULL: one is made and removed */
    bool json;
    bool harsh; /* also what is known to harm a server */
};

/* Prints what was found on stdout, how it goes on on stderr. 0; 1: it could not be found out, something is left behind,
 * there is no safe way to write there, or the configuration promises what the backend does not keep. */
int probe_run(const struct config *c, const struct probe_options *options);

#endif
