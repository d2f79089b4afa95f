/* err.h - the one error type, by value, always checked. The table in err.c names each. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#define MUST_CHECK __attribute__((warn_unused_result))

enum err {
    ERR_OK = 0,
    ERR_AGAIN,     /* nothing now; the matching callback will say when */
    ERR_EOF,       /* the peer ended its stream in order */
    ERR_BUSY,      /* a budget or a limit is spent; try later */
    ERR_TOO_LARGE, /* input over a stated limit */
    ERR_INVALID,   /* input that is not of the required form */
    ERR_MISMATCH,  /* a checksum, signature or length does not agree */
    ERR_NOT_FOUND,
    ERR_EXISTS,
    ERR_DENIED,
    ERR_TIMEOUT,
    ERR_REFUSED,     /* nobody listens there */
    ERR_RESET,       /* the peer broke the connection */
    ERR_DNS,         /* the name did not resolve */
    ERR_TLS,         /* handshake or certificate */
    ERR_PROTOCOL,    /* the peer does not speak HTTP/1.1 as it must */
    ERR_UNAVAILABLE, /* no replica, or the journal, can serve this now */
    ERR_IO,          /* a local file or socket call failed */
    ERR_FULL,        /* the disk is full */
    ERR_CORRUPT,     /* a file is not what we wrote */
    ERR_LOCKED,      /* another process holds it */
    ERR_VERSION,     /* written by a newer program */
    ERR_CANCELLED,   /* our side gave up */
    ERR_NOMEM,
    ERR_COUNT
};

/* A short lower-case word, static storage: "timeout", "tls". */
const char *err_name(enum err e);

/* A sentence fragment for a person, static storage: "the peer broke the connection". */
const char *err_text(enum err e);

#endif
