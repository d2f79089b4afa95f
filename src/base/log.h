/* log.h - structured log: one line per event on stderr, logfmt or JSON.
 *
 * An event has a level, a fixed name (grep finds it) and fields:
 *     log_warn("replica_missed", LOG_SPAN("key", key), LOG_U64("status", 503), LOG_STR("cause", err_text(e)));
 * Values are quoted and escaped, so that no input can forge a line. Never log a secret.
 * Thread safe; a line is one write(2). */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/span.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };

struct log_field {
    const char *name;
    enum { LOG_FIELD_END = 0, LOG_FIELD_SPAN, LOG_FIELD_U64 } kind;
    struct span text;
    uint64_t number;
};

#define LOG_SPAN(n, s)                                                                                       \
    {                                                                                                        \
        .name = (n), .kind = LOG_FIELD_SPAN, .text = (s)                                                     \
    }
#define LOG_STR(n, s)                                                                                        \
    {                                                                                                        \
        .name = (n), .kind = LOG_FIELD_SPAN, .text = span_of(s)                                              \
    }
#define LOG_U64(n, v)                                                                                        \
    {                                                                                                        \
        .name = (n), .kind = LOG_FIELD_U64, .number = (uint64_t)(v)                                          \
    }

void log_setup(enum log_level least, enum log_format format);
bool log_wants(enum log_level level);
/* `fields` ends with a row of kind LOG_FIELD_END. */
void log_event(enum log_level level, const char *event, const struct log_field *fields);

#define LOG_AT(level, event, ...)                                                                            \
    do {                                                                                                     \
        if (log_wants(level))                                                                                \
            log_event(level, event,                                                                          \
                      (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){.kind = LOG_FIELD_END}});        \
    } while (0)
#define log_debug(event, ...) LOG_AT(LOG_DEBUG, event __VA_OPT__(, ) __VA_ARGS__)
#define log_info(event, ...)  LOG_AT(LOG_INFO, event __VA_OPT__(, ) __VA_ARGS__)
#define log_warn(event, ...)  LOG_AT(LOG_WARN, event __VA_OPT__(, ) __VA_ARGS__)
#define log_error(event, ...) LOG_AT(LOG_ERROR, event __VA_OPT__(, ) __VA_ARGS__)

#endif
