/* Most answers are the same bytes each time (one event accepted, the pixel): their MHD_Response is made once per
 * (body, status, origin) and shared. All others are built for the request. A header that cannot be added (no memory)
 * fails the answer and closes the connection: an answer that silently lacks one would be worse. */
#include "http/answer.h"

#include <stdio.h>
#include <stdlib.h>

#include "http/counters.h"
#include "http/origin.h"

#define CACHE_MAX 32
#define CACHED_ORIGIN_BYTES 128
#define REQUEST_ID_DIGITS 16
#define RETRY_AFTER_MAX_S 5
#define PREFLIGHT_MAX_AGE "7200"
#define EXPOSED_HEADERS "Retry-After, X-Request-Id"

struct cached {
	const char *body;
	unsigned status;
	uint32_t origin_len;
	char origin[CACHED_ORIGIN_BYTES];
	struct MHD_Response *response;
};

struct answer_cache {
	struct cached at[CACHE_MAX];
	uint32_t count;
};

struct answer_cache *answer_cache_create(struct error *err)
{
	struct answer_cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		error_set(err, ERROR_MEMORY, "no memory for prebuilt answers");
	return cache;
}

void answer_cache_clear(struct answer_cache *cache)
{
	while (cache->count)
		MHD_destroy_response(cache->at[--cache->count].response);
}

void answer_cache_destroy(struct answer_cache **cache)
{
	if (!*cache)
		return;
	answer_cache_clear(*cache);
	free(*cache);
	*cache = NULL;
}

static void methods_text(unsigned methods, char *to, size_t size)
{
	static const struct {
		unsigned method;
		const char *name;
	} names[] = {
		{ METHOD_GET, "GET" }, { METHOD_HEAD, "HEAD" }, { METHOD_POST, "POST" }, { METHOD_OPTIONS, "OPTIONS" }
	};
	size_t len = 0;

	to[0] = 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (methods & names[i].method)
			len += (size_t)snprintf(to + len, size - len, "%s%s", len ? ", " : "", names[i].name);
	}
}

/* The request's origin if it may read the answer: before the source is known, one that any source lists. */
static struct slice readable_origin(const struct exchange *ex)
{
	struct slice origin = ex->head.origin;
	bool may;

	if (!ex->head.has_origin || !ex->snap)
		return SLICE_NONE;
	if (ex->source)
		may = ex->source->kind != SOURCE_SERVER && source_allows_origin(ex->source, origin);
	else
		may = origin_is_known(ex->snap->cfg, origin);
	return may ? origin : SLICE_NONE;
}

static bool add(struct MHD_Response *response, const char *name, const char *value)
{
	return MHD_add_response_header(response, name, value) == MHD_YES;
}

static bool add_cors(struct MHD_Response *response, struct slice origin)
{
	char text[ORIGIN_BYTES_MAX + 1];

	if (!origin.len)
		return true;
	if (origin.len > ORIGIN_BYTES_MAX)
		return false;
	memcpy(text, origin.at, origin.len);
	text[origin.len] = 0;
	return add(response, "Access-Control-Allow-Origin", text) &&
	       add(response, "Access-Control-Allow-Credentials", "true") && add(response, "Vary", "Origin") &&
	       add(response, "Access-Control-Expose-Headers", EXPOSED_HEADERS);
}

/* Headers that depend on the answer alone. */
static struct MHD_Response *build(const struct answer *answer, struct slice origin)
{
	struct slice body = answer->body.len ? answer->body : SLICE("");
	struct MHD_Response *response =
	        MHD_create_response_from_buffer(body.len, (void *)(uintptr_t)body.at, MHD_RESPMEM_PERSISTENT);

	if (!response)
		return NULL;
	bool ok = add(response, "Cache-Control", answer->cache_control ? answer->cache_control : "no-store") &&
	          add(response, "X-Content-Type-Options", "nosniff") && add_cors(response, origin);
	if (ok && answer->content_type) {
		ok = add(response, "Content-Type", answer->content_type);
		/* a picture is there to be loaded by any page, also under Cross-Origin-Embedder-Policy */
		if (ok && slice_starts(slice_of(answer->content_type), SLICE("image/")))
			ok = add(response, "Cross-Origin-Resource-Policy", "cross-origin");
	}
	if (ok)
		return response;
	MHD_destroy_response(response);
	return NULL;
}

static bool add_preflight(struct MHD_Response *response, const struct answer *answer)
{
	char methods[64];

	methods_text(answer->allow, methods, sizeof(methods));
	return add(response, "Access-Control-Allow-Methods", methods) &&
	       add(response, "Access-Control-Allow-Headers", answer->allow_headers) &&
	       add(response, "Access-Control-Max-Age", PREFLIGHT_MAX_AGE);
}

static bool add_request_id(struct MHD_Response *response, const struct exchange *ex)
{
	char text[72];
	struct slice id = ex->head.request_id;

	if (ex->names_request) {
		memcpy(text, id.at, id.len);
		text[id.len] = 0;
	} else {
		snprintf(text, sizeof(text), "%016llx", (unsigned long long)lane_random(ex->lane));
	}
	return add(response, "X-Request-Id", text);
}

/* Headers that depend on the request. */
static bool add_own(struct MHD_Response *response, const struct exchange *ex, const struct answer *answer, bool closes)
{
	char text[64];
	bool ok = true;

	if (answer->status != 200 || ex->head.request_id.len)
		ok = add_request_id(response, ex);
	if (ok && answer->retry_after) {
		unsigned seconds = answer->retry_after_s ? answer->retry_after_s
		                                         : 1 + (unsigned)(lane_random(ex->lane) % RETRY_AFTER_MAX_S);
		snprintf(text, sizeof(text), "%u", seconds);
		ok = add(response, "Retry-After", text);
	}
	if (ok && answer->challenge)
		ok = add(response, "WWW-Authenticate", "Bearer realm=\"headgate\"");
	if (ok && answer->allow_headers)
		ok = add_preflight(response, answer);
	if (ok && answer->allow) {
		methods_text(answer->allow, text, sizeof(text));
		ok = add(response, "Allow", text);
	}
	for (uint32_t i = 0; ok && i < answer->cookie_count; i++)
		ok = add(response, "Set-Cookie", answer->cookies[i]);
	if (ok && closes)
		ok = add(response, "Connection", "close");
	return ok;
}

static struct MHD_Response *cache_find(const struct answer_cache *cache, const struct answer *answer,
                                       struct slice origin)
{
	for (uint32_t i = 0; i < cache->count; i++) {
		const struct cached *entry = &cache->at[i];
		if (entry->body == answer->body.at && entry->status == answer->status &&
		    slice_equal((struct slice) { entry->origin, entry->origin_len }, origin))
			return entry->response;
	}
	return NULL;
}

static void cache_add(struct answer_cache *cache, const struct answer *answer, struct slice origin,
                      struct MHD_Response *response)
{
	struct cached *entry = &cache->at[cache->count++];

	entry->body = answer->body.at;
	entry->status = answer->status;
	entry->origin_len = (uint32_t)origin.len;
	if (origin.len)
		memcpy(entry->origin, origin.at, origin.len);
	entry->response = response;
}

static enum MHD_Result queue_shared(struct exchange *ex, const struct answer *answer, struct slice origin)
{
	struct answer_cache *cache = ex->lane->answers;
	struct MHD_Response *response = cache_find(cache, answer, origin);

	if (response)
		return MHD_queue_response(ex->handle, answer->status, response);
	response = build(answer, origin);
	if (!response)
		return MHD_NO;
	enum MHD_Result result = MHD_queue_response(ex->handle, answer->status, response);
	if (cache->count < CACHE_MAX && origin.len <= CACHED_ORIGIN_BYTES)
		cache_add(cache, answer, origin, response);
	else
		MHD_destroy_response(response);
	return result;
}

enum MHD_Result answer_send(struct exchange *ex, const struct answer *answer)
{
	struct slice origin = readable_origin(ex);
	bool closes = answer->closes || ex->lane->shared->draining;

	counters_request(ex->lane->counters, ex->route, answer->status);
	if (answer->is_fixed && answer->status == 200 && !ex->head.request_id.len && !closes && !answer->retry_after &&
	    !answer->cookie_count)
		return queue_shared(ex, answer, origin);
	struct MHD_Response *response = build(answer, origin);
	if (!response)
		return MHD_NO;
	enum MHD_Result result = MHD_NO;
	if (add_own(response, ex, answer, closes))
		result = MHD_queue_response(ex->handle, answer->status, response);
	MHD_destroy_response(response);
	return result;
}

/* The general answer, or the form that the route's protocol gives to it. */
static struct answer refusal_answer(const struct protocol_route *route, enum refusal refusal)
{
	struct answer answer = { .status = refusal_status(refusal),
		                 .content_type = "application/json",
		                 .body = refusal_body(refusal) };
	struct protocol_answer own;

	if (route && route->protocol && route->protocol->refuse) {
		route->protocol->refuse(answer.status, &own);
		answer.status = own.status;
		answer.content_type = own.content_type;
		answer.cache_control = own.cache_control;
		answer.body = own.body;
	}
	return answer;
}

enum MHD_Result answer_refuse(struct exchange *ex, enum refusal refusal, bool closes)
{
	struct answer answer = refusal_answer(ex->route, refusal);

	counters_refused(refusal_code(refusal));
	answer.closes = closes;
	answer.retry_after = answer.status == 429 || answer.status == 503;
	answer.retry_after_s = ex->retry_after_s;
	answer.challenge = refusal_status(refusal) == 401;
	if (refusal == REFUSAL_METHOD && ex->route)
		answer.allow = ex->route->methods | METHOD_OPTIONS;
	return answer_send(ex, &answer);
}

static enum MHD_Result print_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	(void)kind;
	buffer_append_format(cls, "%s: %s\r\n", name, value);
	return MHD_YES;
}

void answer_raw(struct lane *lane, const struct exchange *ex, enum refusal refusal, struct buffer *to)
{
	const struct exchange none = { .lane = lane };
	const struct exchange *known = ex ? ex : &none;
	struct answer answer = refusal_answer(known->route, refusal);
	struct MHD_Response *response = build(&answer, readable_origin(known));

	if (!response)
		return;
	if (add_own(response, known, &answer, true)) {
		buffer_append_format(to, "HTTP/1.1 %u %s\r\nContent-Length: %zu\r\n", answer.status,
		                     MHD_get_reason_phrase_for(answer.status), answer.body.len);
		MHD_get_response_headers(response, print_header, to);
		buffer_append(to, SLICE("\r\n"));
		buffer_append(to, answer.body);
	}
	MHD_destroy_response(response);
}
