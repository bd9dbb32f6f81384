/* Framing → route → method → (preflight) → key → origin → signature → rates → draining, headroom → content type and
 * coding → length. What comes earlier decides, so that a caller without rights learns nothing about the state behind. */
#include "http/admission.h"

#include "base/clock.h"
#include "base/percent.h"
#include "http/credentials.h"
#include "http/origin.h"
#include "http/rate_limits.h"
#include "http/signature.h"
#include "journal/journal.h"

#define REQUEST_ID_BYTES_MAX 64
#define IDEMPOTENCY_KEY_BYTES_MAX 128

static enum MHD_Result collect(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_len, const char *value,
                               size_t value_len)
{
	(void)kind;
	head_add(cls, (struct slice) { name, name_len }, (struct slice) { value, value_len });
	return MHD_YES;
}

static bool is_request_id(struct slice s)
{
	if (!s.len || s.len > REQUEST_ID_BYTES_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.at[i];
		bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
		            c == '_' || c == '-';
		if (!fits)
			return false;
	}
	return true;
}

enum refusal admission_check_framing(struct exchange *ex, const char *method, const char *version)
{
	const struct config_limits *limits = &ex->snap->cfg->limits;

	MHD_get_connection_values_n(ex->handle, MHD_HEADER_KIND, collect, &ex->head);
	ex->names_request = is_request_id(ex->head.request_id);
	enum refusal refusal =
	        guard_check(&ex->head, slice_of(method), slice_of(version), limits->header_bytes, &ex->framing);
	enum refusal target = target_parse(ex->raw_target, limits->request_line_bytes, &ex->target);
	if (refusal != REFUSAL_NONE || target != REFUSAL_NONE)
		return refusal != REFUSAL_NONE ? refusal : target;
	return target_argument_count(ex->target.query) > limits->query_arguments ? REFUSAL_QUERY_ARGUMENTS
	                                                                         : REFUSAL_NONE;
}

static bool path_fits(const struct config_path *map, struct slice path)
{
	struct slice prefix = map->path;

	if (prefix.len && prefix.at[prefix.len - 1] == '*') {
		prefix.len--;
		return slice_starts(path, prefix);
	}
	return slice_equal(path, prefix);
}

/* Own paths come first: the config adds paths, it cannot take one away. */
void admission_find_route(struct exchange *ex, const struct config *cfg)
{
	struct slice raw = { ex->raw_target.at, slice_find(ex->raw_target, '?') };
	struct slice path = percent_decode(raw, false, &ex->arena);

	ex->route = protocol_route_find(path);
	ex->route_path = path;
	for (size_t i = 0; !ex->route && i < cfg->http.paths_count; i++) {
		const struct config_path *map = &cfg->http.paths[i];
		if (!path_fits(map, path))
			continue;
		ex->route = protocol_route_find(map->route);
		ex->route_path = map->route;
		ex->req.input.path = map->path;
	}
	if (ex->route && !ex->req.input.path.len)
		ex->req.input.path = ex->route->path;
}

static enum refusal check_options(struct exchange *ex)
{
	ex->kind = ex->head.has_origin ? EXCHANGE_PREFLIGHT : EXCHANGE_OPTIONS;
	if (ex->head.has_origin && !origin_is_known(ex->snap->cfg, ex->head.origin))
		return REFUSAL_ORIGIN;
	return REFUSAL_NONE;
}

static enum refusal check_source(struct exchange *ex)
{
	const struct config *cfg = ex->snap->cfg;
	struct slice key = credentials_key(&ex->head, ex->target.query, ex->route->protocol->key_places, &ex->arena);

	ex->source = key.len ? config_source_by_key(cfg, key) : NULL;
	if (!ex->source)
		return REFUSAL_UNAUTHORIZED;
	ex->body_limit = ex->source->body_bytes;
	return origin_check(ex->source, ex->head.has_origin, ex->head.origin, ex->head.referer);
}

static enum refusal check_state(const struct exchange *ex)
{
	struct http_shared *shared = ex->lane->shared;

	/* where the socket goes on to the next process, nobody is to notice: what is accepted already is served */
	if (shared->draining && !shared->options.inherited_fd)
		return REFUSAL_DRAINING;
	if (ex->route->dry)
		return REFUSAL_NONE;
	if (shared->failed || !journal_has_headroom(shared->options.journal) ||
	    !journal_writer_has_headroom(ex->lane->writer))
		return REFUSAL_NO_HEADROOM;
	return REFUSAL_NONE;
}

static enum refusal check_content(struct exchange *ex)
{
	struct slice rest = ex->head.content_type;
	struct slice type = slice_trim(slice_split(&rest, ';'));
	const char *const *fits = ex->route->protocol->content_types;

	while (*fits && !slice_equal_nocase(slice_of(*fits), type))
		fits++;
	if (!*fits)
		return REFUSAL_CONTENT_TYPE;
	ex->req.input.content_type = slice_of(*fits);
	struct slice coding = slice_trim(ex->head.content_encoding);
	if (slice_equal_nocase(coding, SLICE("gzip")) || slice_equal_nocase(coding, SLICE("x-gzip")))
		ex->is_gzip = true;
	else if (coding.len && !slice_equal_nocase(coding, SLICE("identity")))
		return REFUSAL_CONTENT_ENCODING;
	return REFUSAL_NONE;
}

/* What a head can tell of the signature; whether it fits is seen when the body is there. Only a body can be signed: what
 * a query says would go unproven. */
static enum refusal check_signature(struct exchange *ex)
{
	const struct source *source = ex->source;

	if (!source->signing_secrets.count)
		return REFUSAL_NONE;
	if (ex->framing.method != METHOD_POST)
		return REFUSAL_SIGNATURE_MISSING;
	ex->signature = arena_zalloc(&ex->arena, sizeof(*ex->signature));
	if (!ex->signature)
		return REFUSAL_NO_MEMORY;
	enum refusal refusal = signature_parse(ex->head.signature, ex->signature);
	if (refusal == REFUSAL_NONE)
		refusal = signature_check_time(ex->signature, clock_wall_ms(), source->signature_tolerance_ms);
	return refusal;
}

static enum refusal check_rates(struct exchange *ex)
{
	enum refusal refusal = rate_limits_enter_client(ex);

	/* of a signed source anybody may know the key: its own limit counts only what proves to be its own */
	if (refusal == REFUSAL_NONE && !ex->signature)
		refusal = rate_limits_enter_source(ex);
	return refusal;
}

static enum refusal check_events(struct exchange *ex)
{
	enum refusal refusal = check_source(ex);

	if (refusal == REFUSAL_NONE)
		refusal = check_signature(ex);
	if (refusal == REFUSAL_NONE)
		refusal = check_rates(ex);
	if (refusal == REFUSAL_NONE)
		refusal = check_state(ex);
	if (refusal == REFUSAL_NONE && ex->framing.method == METHOD_POST)
		refusal = check_content(ex);
	if (refusal == REFUSAL_NONE && ex->head.idempotency_key.len > IDEMPOTENCY_KEY_BYTES_MAX)
		refusal = REFUSAL_IDEMPOTENCY_KEY;
	if (refusal == REFUSAL_NONE && !ex->framing.is_chunked && ex->framing.length > ex->body_limit)
		refusal = REFUSAL_BODY_TOO_LARGE;
	return refusal;
}

enum refusal admission_check_rights(struct exchange *ex)
{
	const struct config *cfg = ex->snap->cfg;

	ex->body_limit = cfg->limits.body_bytes;
	if (!ex->route)
		return REFUSAL_NOT_FOUND;
	if (!ex->route->protocol && !cfg->catalog.is_public)
		return REFUSAL_NOT_FOUND;
	if (ex->framing.method == METHOD_OPTIONS)
		return check_options(ex);
	if (!(ex->route->methods & ex->framing.method))
		return REFUSAL_METHOD;
	ex->kind = ex->route->protocol ? EXCHANGE_EVENTS : EXCHANGE_CATALOG;
	return ex->kind == EXCHANGE_EVENTS ? check_events(ex) : REFUSAL_NONE;
}
