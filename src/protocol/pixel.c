/* The pixel: one event from a query, answered by a picture of one transparent dot whatever becomes of the event. */
#include "protocol/protocol.h"

#include <sodium.h>

#include "protocol/pixel_query.h"

#define NODES_MAX (1u << 16)

/* GIF89a, 1×1, one transparent colour. */
static const char gif[] = "GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff\x21\xf9\x04\x01\x00\x00\x00\x00"
                          "\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00\x3b";

static enum protocol_result malformed(struct protocol_decoded *out, const char *problem)
{
	out->problem = problem;
	out->problem_at = SIZE_MAX;
	return PROTOCOL_MALFORMED;
}

static enum protocol_result decode_data(struct slice data, struct arena *arena, struct slice *json,
                                        struct protocol_decoded *out)
{
	size_t len = 0;
	while (data.len && data.at[data.len - 1] == '=')
		data.len--;
	char *to = arena_alloc(arena, data.len + 1);
	if (!to)
		return PROTOCOL_NO_MEMORY;
	if (sodium_base642bin((unsigned char *)to, data.len + 1, data.at, data.len, NULL, &len, NULL,
	                      sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
		return malformed(out, "data is not base64url");
	*json = (struct slice) { to, len };
	return PROTOCOL_OK;
}

static enum protocol_result query_problem(enum pixel_query_result result, struct protocol_decoded *out)
{
	switch (result) {
	case PIXEL_QUERY_TOO_MANY:
		return malformed(out, "the query holds too many arguments");
	case PIXEL_QUERY_CONFLICT:
		return malformed(out, "the query gives the same member twice");
	case PIXEL_QUERY_TOO_DEEP:
		return malformed(out, "the query nests too deep");
	default:
		return PROTOCOL_NO_MEMORY;
	}
}

static enum protocol_result pixel_decode(const struct protocol_input *input, const struct protocol_limits *limits,
                                         const struct catalog *cat, struct arena *arena, struct protocol_decoded *out)
{
	struct json_options options = { .depth_max = limits->depth, .nodes_max = NODES_MAX };
	struct json_doc *doc = arena_zalloc(arena, sizeof *doc);
	struct buffer text;
	struct slice data, json;
	size_t at;
	buffer_init(&text, arena);
	enum pixel_query_result query =
	        pixel_query_to_json(input->query, limits->query_arguments, cat, arena, &text, &data);
	if (query != PIXEL_QUERY_OK)
		return query_problem(query, out);
	json = buffer_slice(&text);
	if (data.at) {
		enum protocol_result result = decode_data(data, arena, &json, out);
		if (result != PROTOCOL_OK)
			return result;
	}
	out->events = arena_array(arena, 1, sizeof *out->events);
	if (!doc || !out->events)
		return PROTOCOL_NO_MEMORY;
	enum json_result result = json_scan(doc, json, &options, arena, &at);
	if (result == JSON_NO_MEMORY)
		return PROTOCOL_NO_MEMORY;
	if (result != JSON_OK)
		return malformed(out, "data is not well-formed JSON");
	out->events[0].doc = doc;
	out->events[0].bytes = json_raw(doc, 0);
	out->count = 1;
	return PROTOCOL_OK;
}

static void pixel_refuse(unsigned status, struct protocol_answer *out)
{
	*out = (struct protocol_answer) { .status = status,
		                          .content_type = "image/gif",
		                          .body = { gif, sizeof gif - 1 },
		                          .is_fixed = true,
		                          .retry_after = status == 503 || status == 429 };
}

static void pixel_answer(const struct protocol_verdicts *v, struct arena *arena, struct protocol_answer *out)
{
	(void)arena;
	unsigned status = 200;
	if (v->result == PROTOCOL_NO_MEMORY || v->counts[VERDICT_RETRY])
		status = 503;
	else if (v->result != PROTOCOL_OK)
		status = 400;
	pixel_refuse(status, out);
}

static const char *const pixel_content_types[] = { "", NULL };

const struct protocol protocol_pixel = {
	.name = "pixel",
	.key_places = KEY_IN_AUTHORIZATION | KEY_IN_HEADER | KEY_IN_QUERY,
	.content_types = pixel_content_types,
	.cors_headers = "Authorization, X-Request-Id, X-Write-Key",
	.decode = pixel_decode,
	.answer = pixel_answer,
	.refuse = pixel_refuse,
};
