/* Names of verdicts and reasons, and the two ways an event gathers remarks: refusals and warnings. */
#include "event/event.h"

static const char *const verdict_names[VERDICT_count] = {
	[VERDICT_PENDING] = "pending",   [VERDICT_ACCEPTED] = "accepted", [VERDICT_DUPLICATE] = "duplicate",
	[VERDICT_REJECTED] = "rejected", [VERDICT_DROPPED] = "dropped",   [VERDICT_RETRY] = "retry",
};

static const char *const reason_names[REASON_count] = {
#define REASON(id, name, text) [REASON_##id] = name,
#include "event/reasons.def"
#undef REASON
};

static const char *const reason_texts[REASON_count] = {
#define REASON(id, name, text) [REASON_##id] = text,
#include "event/reasons.def"
#undef REASON
};

const char *consent_applied_name(enum consent_applied applied)
{
	static const char *const names[] = { "kept", "reduced", "stripped", "dropped" };
	return names[applied];
}

const char *consent_basis_name(enum consent_basis basis)
{
	static const char *const names[BASIS_count] = {
#define BASIS(id, name) [BASIS_##id] = name,
#include "event/bases.def"
#undef BASIS
	};
	return names[basis];
}

const char *verdict_name(enum verdict verdict)
{
	return verdict_names[verdict];
}

const char *reject_reason_name(enum reject_reason reason)
{
	return reason_names[reason];
}

const char *reject_reason_text(enum reject_reason reason)
{
	return reason_texts[reason];
}

struct violations *event_errors(struct event *ev, struct arena *arena)
{
	if (!ev->errors) {
		ev->errors = arena_alloc(arena, sizeof *ev->errors);
		if (ev->errors)
			violations_init(ev->errors, arena);
	}
	return ev->errors;
}

void event_refuse(struct event *ev, struct arena *arena, enum reject_reason reason, struct slice path,
                  struct slice rule, struct slice message)
{
	if (ev->reason == REASON_NONE)
		ev->reason = reason;
	ev->reasons |= 1u << reason;
	struct violations *errors = event_errors(ev, arena);
	if (errors) {
		errors->schema = SLICE_NONE;
		violations_add(errors, path, rule, message);
	}
}

void event_warn(struct event *ev, struct arena *arena, struct slice path, struct slice rule)
{
	if (!ev->warnings) {
		ev->warnings = arena_array(arena, EVENT_WARNINGS_MAX, sizeof *ev->warnings);
		if (!ev->warnings)
			return;
	}
	if (ev->warning_count < EVENT_WARNINGS_MAX)
		ev->warnings[ev->warning_count++] = (struct event_warning) { path, rule };
	else
		ev->more_warnings++;
}

struct slice event_stored_id(const struct event *ev)
{
	return ev->written_event_id.len ? ev->written_event_id : ev->event_id;
}

struct slice event_id_text(const struct event *ev, const struct event_id_pair *pair)
{
	if (!pair->value)
		return pair->text;
	return json_type_of(ev->doc, pair->value) == JSON_STRING ? json_inner(ev->doc, pair->value)
	                                                         : json_raw(ev->doc, pair->value);
}

bool event_id_drop(struct event *ev, struct slice name)
{
	for (uint32_t i = 0; i < ev->id_count; i++) {
		if (!slice_equal(ev->ids[i].name, name))
			continue;
		memmove(&ev->ids[i], &ev->ids[i + 1], (ev->id_count - i - 1) * sizeof ev->ids[0]);
		ev->id_count--;
		return true;
	}
	return false;
}

struct slice event_id_find(const struct event *ev, struct slice name)
{
	for (uint32_t i = 0; i < ev->id_count; i++)
		if (slice_equal(ev->ids[i].name, name))
			return event_id_text(ev, &ev->ids[i]);
	return SLICE_NONE;
}
