/* Verdicts → JSON. The one plain answer that most requests get, a single accepted event with an id of its own, is a
 * fixed text that the listener need not build. */
#include "protocol/native_answer.h"

#include "event/write.h"

#define PUT(out, literal) buffer_append((out), SLICE(literal))

static const char *const json_type = "application/json";

/* By consent. A refused event is told why it was refused. */
static bool is_changed(const struct event *ev)
{
	return ev->consent.applied != CONSENT_KEPT &&
	       (ev->verdict == VERDICT_ACCEPTED || ev->verdict == VERDICT_DUPLICATE || ev->verdict == VERDICT_DROPPED);
}

void native_answer_entry(const struct event *ev, struct buffer *out)
{
	PUT(out, "{\"index\":");
	buffer_append_u64(out, ev->index);
	if (ev->event_id.len) {
		PUT(out, ",\"event_id\":");
		json_write_string_safe(out, ev->event_id);
	}
	if (ev->client_event_id.len) {
		PUT(out, ",\"client_event_id\":");
		json_write_string_safe(out, ev->client_event_id);
	}
	PUT(out, ",\"status\":\"");
	buffer_append(out, slice_of(verdict_name(ev->verdict)));
	buffer_append_char(out, '"');
	if (is_changed(ev)) {
		PUT(out, ",\"applied\":\"");
		buffer_append(out, slice_of(consent_applied_name(ev->consent.applied)));
		buffer_append_char(out, '"');
	}
	if (ev->verdict == VERDICT_REJECTED) {
		buffer_append_char(out, ',');
		event_write_errors(ev, NULL, out);
	}
	buffer_append_char(out, '}');
}

static bool is_listed(const struct event *ev)
{
	return ev->verdict != VERDICT_ACCEPTED || ev->event_id_given || ev->client_event_id.len || is_changed(ev);
}

static bool has_ids(const struct protocol_verdicts *v)
{
	return v->anonymous_id.len || v->session_id.len;
}

static void put_counts(struct buffer *out, const struct protocol_verdicts *v)
{
	static const struct {
		struct slice name;
		enum verdict verdict;
	} counts[] = {
		{ { ",\"accepted\":", 12 }, VERDICT_ACCEPTED }, { { ",\"duplicates\":", 14 }, VERDICT_DUPLICATE },
		{ { ",\"rejected\":", 12 }, VERDICT_REJECTED }, { { ",\"dropped\":", 11 }, VERDICT_DROPPED },
		{ { ",\"retry\":", 9 }, VERDICT_RETRY },
	};
	PUT(out, "{\"received\":");
	buffer_append_u64(out, v->count);
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
		buffer_append(out, counts[i].name);
		buffer_append_u64(out, v->counts[counts[i].verdict]);
	}
}

static void put_ids(struct buffer *out, const struct protocol_verdicts *v)
{
	if (!has_ids(v))
		return;
	PUT(out, ",\"ids\":{");
	if (v->anonymous_id.len) {
		PUT(out, "\"anonymous_id\":\"");
		buffer_append(out, v->anonymous_id);
		buffer_append_char(out, '"');
	}
	if (v->session_id.len) {
		buffer_append(out, v->anonymous_id.len ? SLICE(",\"session_id\":\"") : SLICE("\"session_id\":\""));
		buffer_append(out, v->session_id);
		buffer_append_char(out, '"');
	}
	buffer_append_char(out, '}');
}

static void answer_refused(const struct protocol_verdicts *v, struct arena *arena, struct protocol_answer *out)
{
	static const struct {
		unsigned status;
		const char *code, *message;
	} refusals[] = {
		[PROTOCOL_MALFORMED] = { 400, "malformed_body", "the body cannot be read" },
		[PROTOCOL_NO_EVENTS] = { 400, "no_events", "the body holds no events" },
		[PROTOCOL_TOO_MANY] = { 413, "too_many_events", "the body holds more events than the limit" },
		[PROTOCOL_NO_MEMORY] = { 503, "out_of_memory", "not now; send the same events again" },
	};
	struct buffer buf;
	buffer_init(&buf, arena);
	PUT(&buf, "{\"error\":{\"code\":\"");
	buffer_append(&buf, slice_of(refusals[v->result].code));
	PUT(&buf, "\",\"message\":\"");
	buffer_append(&buf, slice_of(v->problem ? v->problem : refusals[v->result].message));
	if (v->result == PROTOCOL_MALFORMED && v->problem_at != SIZE_MAX)
		buffer_append_format(&buf, " (byte %zu)", v->problem_at);
	PUT(&buf, "\"}}");
	out->status = refusals[v->result].status;
	out->retry_after = out->status == 503;
	out->body = buf.failed ? SLICE("{\"error\":{\"code\":\"out_of_memory\",\"message\":\"not now\"}}")
	                       : buffer_slice(&buf);
}

static unsigned status_of(const struct protocol_verdicts *v)
{
	if (v->counts[VERDICT_RETRY])
		return 503;
	if (v->counts[VERDICT_REJECTED] == 0)
		return 200;
	return v->counts[VERDICT_REJECTED] == v->count ? 400 : 207;
}

void native_answer(const struct protocol_verdicts *v, struct arena *arena, struct protocol_answer *out)
{
	*out = (struct protocol_answer) { .content_type = json_type };
	if (v->result != PROTOCOL_OK) {
		answer_refused(v, arena, out);
		return;
	}
	out->status = status_of(v);
	out->retry_after = out->status == 503;
	if (v->count == 1 && v->counts[VERDICT_ACCEPTED] == 1 && !is_listed(&v->events[0]) && !has_ids(v)) {
		out->is_fixed = true;
		out->body = SLICE(
		        "{\"received\":1,\"accepted\":1,\"duplicates\":0,\"rejected\":0,\"dropped\":0,\"retry\":0,"
		        "\"events\":[]}");
		return;
	}
	struct buffer buf;
	buffer_init(&buf, arena);
	put_counts(&buf, v);
	put_ids(&buf, v);
	PUT(&buf, ",\"events\":[");
	bool first = true;
	for (uint32_t i = 0; i < v->count; i++) {
		if (!is_listed(&v->events[i]))
			continue;
		if (!first)
			buffer_append_char(&buf, ',');
		first = false;
		native_answer_entry(&v->events[i], &buf);
	}
	PUT(&buf, "]}");
	out->body = buffer_slice(&buf);
	if (buf.failed) { /* the verdicts stand, but cannot be told: the retry will be told `duplicate` */
		struct protocol_verdicts none = { .result = PROTOCOL_NO_MEMORY };
		answer_refused(&none, arena, out);
	}
}
