/* One pass over the header list fills the struct that all later checks read. A head with a fault is never looked at
 * again, so later headers may overwrite nothing of importance: only the first fault counts. */
#include "http/head.h"

#include <stddef.h>

enum header_rule {
	HEADER_FIRST, /* a repetition is ignored */
	HEADER_ONCE   /* a repetition is refused: two readers could choose differently */
};

#define NO_FLAG SIZE_MAX

static const struct header {
	struct slice name;
	size_t value_at, flag_at;
	enum header_rule rule;
} headers[] = {
#define HEADER(text, field, rule)                                                            \
	{                                                                                    \
		{ text, sizeof(text) - 1 }, offsetof(struct http_head, field), NO_FLAG, rule \
	}
#define HEADER_FLAGGED(text, field, rule)                                      \
	{                                                                      \
		{ text, sizeof(text) - 1 }, offsetof(struct http_head, field), \
		        offsetof(struct http_head, has_##field), rule          \
	}
	HEADER_FLAGGED("host", host, HEADER_ONCE),
	HEADER_FLAGGED("content-length", content_length, HEADER_ONCE),
	HEADER_FLAGGED("transfer-encoding", transfer_encoding, HEADER_ONCE),
	HEADER_FLAGGED("origin", origin, HEADER_ONCE),
	HEADER_FLAGGED("expect", expect, HEADER_ONCE),
	HEADER("content-type", content_type, HEADER_ONCE),
	HEADER("content-encoding", content_encoding, HEADER_ONCE),
	HEADER("authorization", authorization, HEADER_ONCE),
	HEADER("x-write-key", write_key, HEADER_ONCE),
	HEADER("x-headgate-signature", signature, HEADER_ONCE),
	HEADER("idempotency-key", idempotency_key, HEADER_ONCE),
	HEADER("user-agent", user_agent, HEADER_FIRST),
	HEADER("referer", referer, HEADER_FIRST),
	HEADER("sec-gpc", gpc, HEADER_FIRST),
	HEADER("dnt", dnt, HEADER_FIRST),
	HEADER("cookie", cookie, HEADER_FIRST),
	HEADER("sec-ch-ua", hint_ua, HEADER_FIRST),
	HEADER("sec-ch-ua-mobile", hint_mobile, HEADER_FIRST),
	HEADER("sec-ch-ua-platform", hint_platform, HEADER_FIRST),
	HEADER("x-forwarded-proto", forwarded_proto, HEADER_FIRST),
	HEADER("x-request-id", request_id, HEADER_FIRST),
#undef HEADER
#undef HEADER_FLAGGED
};

static const struct slice framing_names[] = { { "content-length", 14 }, { "transfer-encoding", 17 } };

static bool is_token(struct slice s)
{
	/* RFC 9110 section 5.6.2, one bit per ASCII character */
	static const uint64_t low = 0x03ff6cfa00000000, high = 0x57ffffffc7fffffe;

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.at[i];
		if (c >= 128 || !(((c < 64 ? low : high) >> (c & 63)) & 1))
			return false;
	}
	return s.len > 0;
}

static bool is_clean(struct slice s)
{
	unsigned bad = 0;

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.at[i];
		bad |= (unsigned)(c < 0x20) & (unsigned)(c != '\t');
		bad |= (unsigned)(c == 0x7f);
	}
	return !bad;
}

static void head_fault(struct http_head *head, enum refusal fault)
{
	if (head->fault == REFUSAL_NONE)
		head->fault = fault;
}

static void head_put(struct http_head *head, const struct header *header, struct slice value)
{
	struct slice *slot = (struct slice *)((char *)head + header->value_at);
	bool seen = slot->at != NULL;

	if (header->flag_at != NO_FLAG)
		*(bool *)((char *)head + header->flag_at) = true;
	if (!seen) {
		*slot = (struct slice) { value.at ? value.at : "", value.len };
		return;
	}
	if (header->rule == HEADER_ONCE)
		head_fault(head, slot == &head->host ? REFUSAL_BAD_HOST : REFUSAL_REPEATED_HEADER);
}

static void head_put_forwarded(struct slice *values, uint32_t *count, struct slice value)
{
	if (*count < HEAD_FORWARDED_MAX)
		values[(*count)++] = value;
	else
		*count = HEAD_FORWARDED_MAX + 1;
}

static bool is_glued(struct slice name)
{
	for (size_t i = 0; i < sizeof(framing_names) / sizeof(*framing_names); i++) {
		struct slice want = framing_names[i];
		if (name.len > want.len && slice_equal_nocase((struct slice) { name.at, want.len }, want))
			return true;
	}
	return false;
}

void head_add(struct http_head *head, struct slice name, struct slice value)
{
	head->bytes += name.len + value.len + 4;
	if (!is_token(name) || !is_clean(value) || (name.len > 14 && is_glued(name))) {
		head_fault(head, REFUSAL_BAD_REQUEST);
		return;
	}
	for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++) {
		if (headers[i].name.len == name.len && slice_equal_nocase(headers[i].name, name)) {
			head_put(head, &headers[i], value);
			return;
		}
	}
	if (slice_equal_nocase(name, SLICE("x-forwarded-for")))
		head_put_forwarded(head->forwarded_for, &head->forwarded_count, value);
	else if (slice_equal_nocase(name, SLICE("forwarded")))
		head_put_forwarded(head->forwarded, &head->forwarded_rfc_count, value);
}
