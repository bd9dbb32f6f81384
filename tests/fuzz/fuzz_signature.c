/* X-Headgate-Signature of any bytes: what is taken lies within the header and means the same when written anew; nothing
 * passes without a secret. */
#include <assert.h>
#include <stdio.h>

#include "config/config.h"
#include "http/signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static size_t write_anew(const struct signature *signature, char *to, size_t size)
{
	size_t at = (size_t)snprintf(to, size, "t=%.*s", SLICE_ARG(signature->time_text));

	for (uint32_t i = 0; i < signature->tag_count; i++) {
		at += (size_t)snprintf(to + at, size - at, ",v1=");
		for (size_t b = 0; b < SIGNATURE_TAG_BYTES; b++)
			at += (size_t)snprintf(to + at, size - at, "%02x", signature->tags[i][b]);
	}
	return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const struct slices nothing;
	struct slice header = { (const char *)bytes, len };
	struct signature signature, again;
	char text[1024];

	if (signature_parse(header, &signature) != REFUSAL_NONE)
		return 0;
	assert(signature.time_text.at >= header.at);
	assert(signature.time_text.at + signature.time_text.len <= header.at + header.len);
	assert(signature.tag_count >= 1 && signature.tag_count <= SIGNATURE_TAGS_MAX);
	assert(signature_check_body(&signature, &nothing, header) == REFUSAL_SIGNATURE_WRONG);
	struct slice anew = { text, write_anew(&signature, text, sizeof text) };
	assert(signature_parse(anew, &again) == REFUSAL_NONE);
	assert(again.time_s == signature.time_s && again.tag_count == signature.tag_count);
	assert(memcmp(again.tags, signature.tags, signature.tag_count * sizeof signature.tags[0]) == 0);
	return 0;
}
