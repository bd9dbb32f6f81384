/* UUIDs (RFC 9562): version 7 for ids minted here, version 8 for ids derived from a keyed hash. */
#ifndef HEADGATE_BASE_UUID_H
#define HEADGATE_BASE_UUID_H

#include "base/hash.h"

#define UUID_TEXT_BYTES 36

/* Monotonic within a thread (counter in rand_a, section 6.2 method 1). Writes UUID_TEXT_BYTES, no NUL. */
void uuid_v7(int64_t wall_ms, char *to);
void uuid_v8(struct hash128 hash, char *to);
/* Any version, hex digits of either case, hyphens at 8-4-4-4-12. */
bool uuid_is_valid(struct slice text);

#endif
