/* The bearer token of the admin listener. */
#ifndef HEADGATE_ADMIN_TOKEN_H
#define HEADGATE_ADMIN_TOKEN_H

#include "base/error.h"
#include "base/slice.h"

#define ADMIN_TOKEN_BYTES 64

/* Reads the token, or makes the file (mode 0600). A file that others may read is refused. */
MUST_CHECK bool admin_token_load(const char *path, char token[ADMIN_TOKEN_BYTES + 1], struct error *err);
/* In constant time with regard to the bytes. */
bool admin_token_matches(const char *token, struct slice given);

#endif
