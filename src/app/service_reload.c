/* SIGHUP: the certificate and its key are read anew, for connections that come from now on. What is open goes on, and a
 * file that is not right changes nothing. All else of the configuration is read at start only. */
#include "app/service_private.h"

#include "base/log.h"

#include <errno.h>
#include <sys/stat.h>

/* As at start: a key that others may read is no secret. NULL: it is well. */
static const char *key_fault(const char *file)
{
    struct stat st;

    if (stat(file, &st))
        return strerror(errno);
    return st.st_mode & (S_IRWXO | S_IWGRP) ? "others than its owner and group may use it" : NULL;
}

void service_reload(struct service *s)
{
    const struct config_tls *c = &s->config->tls;
    const char *why = NULL;

    if (!s->server_tls) {
        log_info("nothing_to_reload", LOG_STR("cause", "the gateway serves plain http"));
        return;
    }
    why = key_fault(c->key_file);
    if (!why && tls_context_reload_server(s->server_tls, c->cert_file, c->key_file, &why) == ERR_OK)
        log_info("tls_reloaded", LOG_STR("cert_file", c->cert_file));
    else
        log_error("tls_not_reloaded", LOG_STR("cert_file", c->cert_file), LOG_STR("key_file", c->key_file),
                  LOG_STR("cause", why ? why : "out of memory"),
                  LOG_STR("note", "the certificate that was loaded before goes on"));
}
