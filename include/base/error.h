/* Why something failed: a code from errors.def and a message that gains context as it rises. */
#ifndef HEADGATE_BASE_ERROR_H
#define HEADGATE_BASE_ERROR_H

#include <stdbool.h>

enum error_code {
#define ERROR(name, text, http_status, retry_helps, exit_code) ERROR_##name,
#include "base/errors.def"
#undef ERROR
	ERROR_count
};

struct error {
	enum error_code code;
	char message[496];
};

#define MUST_CHECK __attribute__((warn_unused_result))

/* Always returns false, so that `return error_set(err, …)` reads well. `err` may be NULL. */
bool error_set(struct error *err, enum error_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Appends ": <strerror(errno)>" and picks NO_SPACE, DENIED, NOT_FOUND or IO from errno. Always returns false. */
bool error_set_errno(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Puts "<context>: " before the message. Always returns false. */
bool error_prepend(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
#ifdef __clang_analyzer__
/* The analyzer sees no other file: without this it follows callers past their `return error_set(…)`. */
#define error_set(...) (error_set(__VA_ARGS__), false)
#define error_set_errno(...) (error_set_errno(__VA_ARGS__), false)
#define error_prepend(...) (error_prepend(__VA_ARGS__), false)
#endif
const char *error_text(enum error_code code);
int error_http_status(enum error_code code);
bool error_retry_helps(enum error_code code);
int error_exit_code(enum error_code code);

#endif
