#include "base/error.h"

#undef error_set
#undef error_set_errno
#undef error_prepend

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *text;
	int http_status;
	bool retry_helps;
	int exit_code;
} TABLE[ERROR_count] = {
#define ERROR(name, text, http_status, retry_helps, exit_code) \
	[ERROR_##name] = { text, http_status, retry_helps, exit_code },
#include "base/errors.def"
#undef ERROR
};

bool error_set(struct error *err, enum error_code code, const char *format, ...)
{
	if (!err)
		return false;
	/* The arguments may point into the old message. */
	char message[sizeof err->message];
	va_list args;
	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
	err->code = code;
	memcpy(err->message, message, sizeof message);
	return false;
}

/* Cuts what does not fit. */
static void append_reason(char *message, size_t size, const char *reason)
{
	size_t len = strlen(message);
	size_t more = strlen(reason);
	if (len + 2 >= size)
		return;
	memcpy(message + len, ": ", 2);
	len += 2;
	if (more > size - len - 1)
		more = size - len - 1;
	memcpy(message + len, reason, more);
	message[len + more] = '\0';
}

static enum error_code code_of_errno(int number)
{
	switch (number) {
	case ENOSPC:
	case EDQUOT:
		return ERROR_NO_SPACE;
	case EACCES:
	case EPERM:
		return ERROR_DENIED;
	case ENOENT:
		return ERROR_NOT_FOUND;
	default:
		return ERROR_IO;
	}
}

bool error_set_errno(struct error *err, const char *format, ...)
{
	int number = errno;
	if (!err)
		return false;
	char message[sizeof err->message];
	va_list args;
	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
	char reason[96];
	append_reason(message, sizeof message, strerror_r(number, reason, sizeof reason));
	err->code = code_of_errno(number);
	memcpy(err->message, message, sizeof message);
	errno = number;
	return false;
}

bool error_prepend(struct error *err, const char *format, ...)
{
	if (!err)
		return false;
	char message[sizeof err->message];
	va_list args;
	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
	append_reason(message, sizeof message, err->message);
	memcpy(err->message, message, sizeof message);
	return false;
}

const char *error_text(enum error_code code)
{
	assert(code < ERROR_count);
	return TABLE[code].text;
}

int error_http_status(enum error_code code)
{
	assert(code < ERROR_count);
	return TABLE[code].http_status;
}

bool error_retry_helps(enum error_code code)
{
	assert(code < ERROR_count);
	return TABLE[code].retry_helps;
}

int error_exit_code(enum error_code code)
{
	assert(code < ERROR_count);
	return TABLE[code].exit_code;
}
