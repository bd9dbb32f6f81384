/* Checks go from the request line over single headers to how they belong together. libmicrohttpd 0.9.75 accepts most of
 * what is refused here: a length beside chunked coding, repeated lengths, names with a space before the colon. */
#include "http/guard.h"

#include "protocol/protocol.h"

static bool is_method_token(struct slice s)
{
	if (!s.len)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.at[i];
		bool fits = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
		if (!fits)
			return false;
	}
	return true;
}

static unsigned method_of(struct slice s)
{
	if (slice_equal(s, SLICE("POST")))
		return METHOD_POST;
	if (slice_equal(s, SLICE("GET")))
		return METHOD_GET;
	if (slice_equal(s, SLICE("HEAD")))
		return METHOD_HEAD;
	if (slice_equal(s, SLICE("OPTIONS")))
		return METHOD_OPTIONS;
	return 0;
}

static enum refusal guard_request_line(struct slice method, struct slice version, bool *http10)
{
	*http10 = slice_equal(version, SLICE("HTTP/1.0"));
	if (!*http10 && !slice_equal(version, SLICE("HTTP/1.1")))
		return version.len && slice_starts(version, SLICE("HTTP/")) ? REFUSAL_HTTP_VERSION
		                                                            : REFUSAL_BAD_REQUEST;
	if (!is_method_token(method))
		return REFUSAL_BAD_REQUEST;
	/* what follows a CONNECT head is a tunnel, never a body that could be drained */
	return slice_equal(method, SLICE("CONNECT")) ? REFUSAL_METHOD : REFUSAL_NONE;
}

static enum refusal guard_body(const struct http_head *head, bool http10, struct http_framing *out)
{
	if (head->has_transfer_encoding) {
		if (head->has_content_length || http10)
			return REFUSAL_BAD_REQUEST;
		if (!slice_equal_nocase(head->transfer_encoding, SLICE("chunked")))
			return REFUSAL_TRANSFER_CODING;
		out->is_chunked = true;
	}
	if (head->has_content_length) {
		if (!slice_to_u64(head->content_length, &out->length))
			return REFUSAL_BAD_REQUEST;
		/* libmicrohttpd takes 2^64 - 1 for "length not known" */
		if (out->length == UINT64_MAX)
			return REFUSAL_BODY_TOO_LARGE;
	}
	out->has_body = out->is_chunked || out->length > 0;
	if (out->method == METHOD_POST && !head->has_content_length && !out->is_chunked)
		return REFUSAL_LENGTH_REQUIRED;
	if ((out->method == METHOD_GET || out->method == METHOD_HEAD) && out->has_body)
		return REFUSAL_UNEXPECTED_BODY;
	return REFUSAL_NONE;
}

enum refusal guard_check(const struct http_head *head, struct slice method, struct slice version,
                         size_t header_limit_bytes, struct http_framing *out)
{
	bool http10;

	*out = (struct http_framing) { .method = method_of(method) };
	enum refusal refusal = guard_request_line(method, version, &http10);
	if (refusal != REFUSAL_NONE)
		return refusal;
	if (head->fault != REFUSAL_NONE)
		return head->fault;
	if (head->bytes > header_limit_bytes)
		return REFUSAL_HEADERS_TOO_LARGE;
	if (!http10 && (!head->has_host || !head->host.len))
		return REFUSAL_BAD_HOST;
	if (head->has_expect) {
		if (!slice_equal_nocase(head->expect, SLICE("100-continue")))
			return REFUSAL_EXPECTATION;
		out->expects_continue = !http10;
	}
	return guard_body(head, http10, out);
}
