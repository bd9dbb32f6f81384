/* Each step passes, drops or rejects. What is wrong with an event is gathered over all steps and told at once; only
 * what cannot be read at all ends the road early. */
#include "pipeline/steps.h"

#include "base/metrics.h"
#include "base/uuid.h"
#include "catalog/money.h"
#include "catalog/normalise.h"
#include "pipeline/enrich.h"
#include "pipeline/visit.h"
#include "privacy/consent.h"
#include "privacy/shape.h"
#include "privacy/suppression.h"

#define NODES_MAX (1u << 20)
#define REASON_BIT(reason) (1u << (reason))

/* `{}` for events without properties, so that required ones are missed by the same program. */
static struct json_node empty_object_node = { .offset = 0, .length = 2, .next = 1, .type = JSON_OBJECT };
static const struct json_doc empty_object = { .text = "{}", .nodes = &empty_object_node, .count = 1, .capacity = 1 };

static void refuse_unknown_event(const struct step_context *context, struct event *ev)
{
	struct slice guess = catalog_guess_event(context->snap->cat, ev->name);
	struct slice message =
	        guess.len ? arena_print(context->arena, "the catalog has no such event; did you mean \"%.*s\"?",
	                                SLICE_ARG(guess))
	                  : SLICE("the catalog has no such event");
	event_refuse(ev, context->arena, REASON_EVENT_UNKNOWN, SLICE("/event"), SLICE("unknown_event"), message);
}

static void find_schema(const struct step_context *context, struct event *ev)
{
	uint32_t node = ev->member[EVENT_MEMBER_VERSION];
	struct slice version = SLICE_NONE;
	if (node) {
		if (json_type_of(ev->doc, node) != JSON_STRING)
			return;
		version = json_inner(ev->doc, node);
	}
	switch (catalog_find(context->snap->cat, ev->name, version, &ev->schema)) {
	case CATALOG_FOUND:
		ev->version = ev->schema->version_text;
		ev->dataschema = ev->schema->dataschema;
		break;
	case CATALOG_NO_EVENT:
		refuse_unknown_event(context, ev);
		break;
	case CATALOG_NO_VERSION:
		event_refuse(ev, context->arena, REASON_VERSION_UNKNOWN, SLICE("/version"), SLICE("unknown_version"),
		             SLICE("the catalog has no such version of the event"));
		break;
	case CATALOG_BAD_VERSION:
		event_refuse(ev, context->arena, REASON_MEMBER_WRONG, SLICE("/version"), SLICE("pattern"),
		             SLICE("must be a version like \"1-0-0\", \"1-0\" or \"1\""));
		break;
	}
}

/* Foreign names become ours before anything looks at them: the event goes on under a text of its own. */
static void translate(const struct step_context *context, struct event *ev)
{
	const struct json_options options = { .depth_max = context->snap->cfg->limits.depth,
		                              .nodes_max = NODES_MAX,
		                              .depth_refused = UINT32_MAX };
	struct buffer text;
	size_t at;
	if (ev->reason != REASON_NONE || !ev->doc || json_type_of(ev->doc, ev->node) != JSON_OBJECT ||
	    ev->bytes.len > context->source->event_bytes)
		return;
	if (ev->doc->nodes[ev->node].flags & (JSON_FLAG_DUPLICATE | JSON_FLAG_NUL | JSON_FLAG_BAD_UTF8))
		return;
	buffer_init(&text, context->arena);
	if (!catalog_normalise(context->snap->cat, ev->doc, ev->node, context->arena, &text))
		return;
	struct json_doc *doc = arena_zalloc(context->arena, sizeof *doc);
	if (!doc || text.failed || json_scan(doc, buffer_slice(&text), &options, context->arena, &at) != JSON_OK)
		return;
	ev->doc = doc;
	ev->node = 0;
	ev->bytes = buffer_slice(&text);
}

static void decide_consent(const struct step_context *context, struct event *ev)
{
	const struct consent_context consent = { .cfg = context->snap->cfg,
		                                 .source = context->source,
		                                 .connection = context->connection,
		                                 .cookie = context->consent_cookie,
		                                 .signer = context->signer,
		                                 .arena = context->arena,
		                                 .dry = context->dry };
	consent_decide(ev, &consent);
}

/* What else is wrong with the event is not told: its dead letter is to say nothing of the person. */
static bool refuse_suppressed(const struct step_context *context, struct event *ev)
{
	if (!context->suppression || !suppression_covers(context->suppression, ev, context->arena))
		return false;
	ev->errors = NULL;
	ev->reason = REASON_NONE;
	ev->reasons = 0;
	ev->payload_allowed = false;
	event_refuse(ev, context->arena, REASON_SUPPRESSED, SLICE(""), SLICE("suppressed"),
	             slice_of(reject_reason_text(REASON_SUPPRESSED)));
	return true;
}

static enum step_outcome step_decode(const struct step_context *context, struct event *ev)
{
	const struct config_limits *limits = &context->snap->cfg->limits;
	const struct event_limits bounds = { .event_bytes = context->source->event_bytes,
		                             .depth = limits->depth,
		                             .id_bytes = limits->id_bytes,
		                             .event_id_bytes = limits->event_id_bytes,
		                             /* the replay of a signed request is known by its ids; one derived from
		                              * Idempotency-Key would not do, that header is not signed */
		                             .event_id_required = context->source->signing_secrets.count > 0 };
	ev->received_ms = context->received_ms;
	ev->consent.applied = CONSENT_STRIPPED; /* until it is decided */
	ev->payload_allowed = context->source->dead_letter_payload == PAYLOAD_ALWAYS;
	if (context->translates)
		translate(context, ev);
	bool fit = event_read(ev, &bounds, context->arena);
	if (ev->name.len)
		find_schema(context, ev);
	if (fit)
		return STEP_PASS;
	/* its dead letter obeys consent too; of two statements under one name nobody knows which counts */
	if (ev->name.len && !(ev->reasons & REASON_BIT(REASON_DUPLICATE_NAME)))
		decide_consent(context, ev);
	(void)refuse_suppressed(context, ev);
	return STEP_REJECT;
}

/* A migrating shop's first weeks: what the catalog does not know or refuses is kept apart, with the reasons on it. */
static bool is_kept(const struct step_context *context, const struct event *ev)
{
	uint32_t kept = 0;
	if (context->source->unknown_events == SOURCE_UNFIT_KEEP)
		kept |= REASON_BIT(REASON_EVENT_UNKNOWN) | REASON_BIT(REASON_VERSION_UNKNOWN);
	if (context->source->invalid_events == SOURCE_UNFIT_KEEP)
		kept |= REASON_BIT(REASON_SCHEMA);
	return (ev->reasons & ~kept) == 0;
}

static enum step_outcome step_consent(const struct step_context *context, struct event *ev)
{
	decide_consent(context, ev);
	/* what would be refused is refused, so that its sender learns of it */
	return ev->consent.applied == CONSENT_DROPPED && is_kept(context, ev) ? STEP_DROP : STEP_PASS;
}

static struct slice derived_id(const struct step_context *context, uint32_t index)
{
	struct slice at = arena_print(context->arena, "%u", index);
	const struct slice parts[] = { SLICE("idempotency"), context->source->name, context->idempotency_key, at };
	char *id = arena_alloc(context->arena, UUID_TEXT_BYTES);
	if (!id)
		return SLICE_NONE;
	uuid_v8(hash_keyed128_parts(context->hash_key, parts, sizeof parts / sizeof parts[0]), id);
	return (struct slice) { id, UUID_TEXT_BYTES };
}

static void count_ignored(const struct step_context *context, const char *path)
{
	if (!context->dry)
		metrics_add(metrics_series1(METRIC_IGNORED_MEMBERS, path), 1);
}

/* Of browsers and apps the connection tells these; what the event says of them is a claim. */
static void ignore_claims(const struct step_context *context, struct event *ev)
{
	uint32_t object = ev->member[EVENT_MEMBER_CONTEXT];
	if (context->source->kind == SOURCE_SERVER)
		return;
	if (event_id_drop(ev, SLICE("cookie_id")))
		count_ignored(context, "/ids/cookie_id");
	if (object && json_get(ev->doc, object, SLICE("ip")))
		count_ignored(context, "/context/ip");
	if (object && json_get(ev->doc, object, SLICE("user_agent")))
		count_ignored(context, "/context/user_agent");
}

static enum step_outcome step_identify(const struct step_context *context, struct event *ev)
{
	ignore_claims(context, ev);
	if (context->visitor)
		visit_identify(context->visitor, context->visitor_context, ev);
	if (ev->event_id.len)
		return STEP_PASS;
	ev->event_id_given = true;
	if (context->idempotency_key.len) {
		ev->event_id = derived_id(context, ev->index);
		return STEP_PASS;
	}
	char *id = arena_alloc(context->arena, UUID_TEXT_BYTES);
	if (id) {
		uuid_v7(context->received_ms, id);
		ev->event_id = (struct slice) { id, UUID_TEXT_BYTES };
		ev->event_id_random = true;
	}
	return STEP_PASS;
}

static enum step_outcome step_suppress(const struct step_context *context, struct event *ev)
{
	return refuse_suppressed(context, ev) ? STEP_REJECT : STEP_PASS;
}

static void check(const struct step_context *context, struct event *ev, const struct schema *schema, struct slice name,
                  enum event_member member, struct slice at)
{
	struct violations found;
	uint32_t node = ev->member[member];
	if (!schema || (!node && member != EVENT_MEMBER_PROPERTIES))
		return;
	violations_init(&found, context->arena);
	found.schema = name;
	if (schema_validate(schema, node ? ev->doc : &empty_object, node, at, &found))
		return;
	struct violations *errors = event_errors(ev, context->arena);
	if (ev->reason == REASON_NONE)
		ev->reason = REASON_SCHEMA;
	ev->reasons |= REASON_BIT(REASON_SCHEMA);
	for (uint32_t i = 0; errors && i < found.count; i++) {
		errors->schema = found.at[i].schema;
		violations_add(errors, found.at[i].path, found.at[i].rule, found.at[i].message);
	}
	if (errors)
		errors->more += found.more;
}

static void warn_of_money(const struct step_context *context, struct event *ev)
{
	struct money_finding found[MONEY_FINDINGS_MAX];
	uint32_t node = ev->member[EVENT_MEMBER_PROPERTIES];
	size_t count = node ? money_check(ev->doc, node, context->arena, found) : 0;
	for (size_t i = 0; i < count; i++)
		event_warn(ev, context->arena, found[i].path, found[i].rule);
}

static enum step_outcome step_validate(const struct step_context *context, struct event *ev)
{
	const struct catalog *cat = context->snap->cat;
	if (ev->schema)
		check(context, ev, ev->schema->properties, ev->schema->name, EVENT_MEMBER_PROPERTIES,
		      SLICE("/properties"));
	check(context, ev, catalog_user(cat), SLICE("common/user"), EVENT_MEMBER_USER, SLICE("/user"));
	check(context, ev, catalog_context(cat), SLICE("common/context"), EVENT_MEMBER_CONTEXT, SLICE("/context"));
	if (ev->reason == REASON_NONE) {
		warn_of_money(context, ev);
		return STEP_PASS;
	}
	if (!is_kept(context, ev))
		return STEP_REJECT;
	ev->unverified = true;
	consent_tighten(ev, context->source);
	if (ev->consent.applied == CONSENT_DROPPED)
		return STEP_DROP;
	for (uint32_t i = 0; ev->errors && i < ev->errors->count; i++)
		event_warn(ev, context->arena, ev->errors->at[i].path, ev->errors->at[i].rule);
	ev->more_warnings += ev->errors ? ev->errors->more : 0;
	return STEP_PASS;
}

typedef enum step_outcome (*step_fn)(const struct step_context *context, struct event *ev);

static const step_fn steps[] = {
#define STEP(name, text) step_##name,
#include "pipeline/steps.def"
#undef STEP
};

static enum verdict run_steps(const struct step_context *context, struct event *ev)
{
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		switch (steps[i](context, ev)) {
		case STEP_PASS:
			break;
		case STEP_DROP:
			return VERDICT_DROPPED;
		case STEP_REJECT:
			return VERDICT_REJECTED;
		}
	}
	return VERDICT_PENDING;
}

void steps_judge(const struct step_context *context, struct event *ev)
{
	ev->verdict = run_steps(context, ev);
	if (ev->verdict == VERDICT_DROPPED)
		return;
	const struct shape_facts facts = { .cfg = context->snap->cfg,
		                           .source = context->source,
		                           .connection = context->connection,
		                           .rules = context->snap->shape_rules,
		                           .hash_key = context->hash_key,
		                           .arena = context->arena,
		                           .agent_family = enrich_event(context, ev),
		                           .dry = context->dry };
	privacy_shape(&facts, ev);
	if (ev->verdict != VERDICT_REJECTED) /* a dead letter shows what came */
		event_leave_out_silent(ev, context->arena);
}
