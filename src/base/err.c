#include "base/err.h"

#include <assert.h>

static const struct {
    const char *name;
    const char *text;
} table[] = {
    [ERR_OK] = {"ok", "no error"},
    [ERR_AGAIN] = {"again", "nothing to read or no room to write now"},
    [ERR_EOF] = {"eof", "the peer ended the stream"},
    [ERR_BUSY] = {"busy", "a limit is reached, try later"},
    [ERR_TOO_LARGE] = {"too_large", "larger than the limit"},
    [ERR_INVALID] = {"invalid", "not of the required form"},
    [ERR_MISMATCH] = {"mismatch", "a checksum, signature or length does not agree"},
    [ERR_NOT_FOUND] = {"not_found", "there is no such thing"},
    [ERR_EXISTS] = {"exists", "it exists already"},
    [ERR_DENIED] = {"denied", "not allowed"},
    [ERR_TIMEOUT] = {"timeout", "no answer in time"},
    [ERR_REFUSED] = {"refused", "the connection was refused"},
    [ERR_RESET] = {"reset", "the peer broke the connection"},
    [ERR_DNS] = {"dns", "the host name did not resolve"},
    [ERR_TLS] = {"tls", "the TLS handshake or the certificate failed"},
    [ERR_PROTOCOL] = {"protocol", "the peer does not speak HTTP/1.1 as it must"},
    [ERR_UNAVAILABLE] = {"unavailable", "nothing can serve this now"},
    [ERR_IO] = {"io", "a file or socket call failed"},
    [ERR_FULL] = {"full", "the disk is full"},
    [ERR_CORRUPT] = {"corrupt", "the file is damaged"},
    [ERR_LOCKED] = {"locked", "another process holds it"},
    [ERR_VERSION] = {"version", "it was written by a newer version"},
    [ERR_CANCELLED] = {"cancelled", "given up on our side"},
    [ERR_NOMEM] = {"nomem", "out of memory"},
};
_Static_assert(sizeof(table) / sizeof(table[0]) == ERR_COUNT, "every error has a row");

const char *err_name(enum err e)
{
    assert(e < ERR_COUNT);
    return table[e].name;
}

const char *err_text(enum err e)
{
    assert(e < ERR_COUNT);
    return table[e].text;
}
