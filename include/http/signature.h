/* The header X-Headgate-Signature of server and app sources: `t=<unix>,v1=<hex>`, HMAC-SHA256 over the time's text, a dot
 * and the body as received. Pure. */
#ifndef HEADGATE_HTTP_SIGNATURE_H
#define HEADGATE_HTTP_SIGNATURE_H

#include "base/slice.h"
#include "http/refusal.h"

struct slices;

#define SIGNATURE_TAG_BYTES 32
#define SIGNATURE_TAGS_MAX 8

struct signature {
	struct slice time_text; /* borrowed from the header; it is signed as it stands */
	int64_t time_s;
	uint8_t tags[SIGNATURE_TAGS_MAX][SIGNATURE_TAG_BYTES];
	uint32_t tag_count;
};

/* Parts are separated by commas, spaces around them allowed; exactly one `t`, one to SIGNATURE_TAGS_MAX `v1`; parts of
 * other names are for later schemes and passed over. */
enum refusal signature_parse(struct slice header, struct signature *out);
/* The time lies at most `tolerance_ms` before or after now. */
enum refusal signature_check_time(const struct signature *signature, int64_t now_ms, uint32_t tolerance_ms);
/* One of the tags fits the body under one of the secrets. How long it takes tells nothing of either. */
enum refusal signature_check_body(const struct signature *signature, const struct slices *secrets, struct slice body);

#endif
