/* The admin token: 32 random bytes in hex, made at the first start, readable by its owner alone. */
#include "admin/token.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"

static bool make(const char *path, char token[ADMIN_TOKEN_BYTES + 1], struct error *err)
{
	uint8_t random[ADMIN_TOKEN_BYTES / 2];
	hash_random(random, sizeof random);
	sodium_bin2hex(token, ADMIN_TOKEN_BYTES + 1, random, sizeof random);
	char line[ADMIN_TOKEN_BYTES + 2];
	snprintf(line, sizeof line, "%s\n", token);
	return file_replace(path, (struct slice) { line, ADMIN_TOKEN_BYTES + 1 }, err);
}

bool admin_token_load(const char *path, char token[ADMIN_TOKEN_BYTES + 1], struct error *err)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? make(path, token, err) : error_set_errno(err, "%s", path);
	ssize_t len = read(fd, token, ADMIN_TOKEN_BYTES);
	bool seen = fstat(fd, &st) == 0;
	close(fd);
	if (!seen || len < 0)
		return error_set_errno(err, "%s", path);
	if (st.st_mode & 077)
		return error_set(err, ERROR_CONFIG, "%s: readable by others; expected mode 0600", path);
	token[len] = '\0';
	while (len > 0 && (token[len - 1] == '\n' || token[len - 1] == ' '))
		token[--len] = '\0';
	if (len < 16)
		return error_set(err, ERROR_CONFIG, "%s: expected a token of 16 to %d characters", path,
		                 ADMIN_TOKEN_BYTES);
	return true;
}

bool admin_token_matches(const char *token, struct slice given)
{
	size_t len = strlen(token);
	return given.len == len && sodium_memcmp(given.at, token, len) == 0;
}
