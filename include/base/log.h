/* Structured log to stderr: JSON lines, or text on a terminal. Never a payload, a key or a header value. A call site
 * that repeats more than 10 times in a second is held back and counted ("suppressed"). Thread: any. */
#ifndef HEADGATE_BASE_LOG_H
#define HEADGATE_BASE_LOG_H

#include "base/error.h"
#include "base/slice.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_JSON, LOG_FORMAT_TEXT };

struct log_site {
	_Atomic uint64_t window; /* second << 32 | count */
};

void log_init(enum log_level level, enum log_format format);
/* `event` is a fixed snake_case name; `fields` a printf format of space separated name=%… pairs (may be ""); values
 * are escaped and cut at 512 bytes. Use the macros. */
void log_write(struct log_site *site, enum log_level level, const char *event, const char *fields, ...)
        __attribute__((format(printf, 4, 5)));

#define LOG_AT(level, event, ...)                                     \
	do {                                                          \
		static struct log_site log_site_;                     \
		log_write(&log_site_, (level), (event), __VA_ARGS__); \
	} while (0)
#define log_error(event, ...) LOG_AT(LOG_ERROR, event, __VA_ARGS__)
#define log_warn(event, ...) LOG_AT(LOG_WARN, event, __VA_ARGS__)
#define log_info(event, ...) LOG_AT(LOG_INFO, event, __VA_ARGS__)
#define log_debug(event, ...) LOG_AT(LOG_DEBUG, event, __VA_ARGS__)

#endif
