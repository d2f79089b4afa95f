/* app/service.h - the gateway as a process: builds everything from the configuration, runs it, ends it in order. */
#ifndef APP_SERVICE_H
#define APP_SERVICE_H

#include "app/config.h"

/* Runs until SIGTERM or SIGINT. The process's exit status: 0, or 1 with one line on stderr when it cannot start. */
int service_run(const struct config *config);

#endif
