/* From decoded events to what would be stored, shared by the targets for bodies and queries: judges each event, writes
 * its canonical form or dead letter and its answer, and demands that all three are well-formed JSON. */
#ifndef HEADGATE_FUZZ_JUDGE_H
#define HEADGATE_FUZZ_JUDGE_H

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "event/write.h"
#include "pipeline/steps.h"
#include "protocol/protocol.h"

/* Set by the target for foreign names. */
static bool judge_translates;

static struct snapshot *judge_snapshot(void)
{
	static struct snapshot *snap;
	if (snap)
		return snap;
	struct error err;
	char *environment[] = { NULL };
	const struct config_options options = { .file = "config/headgate.jsonc", .environment = environment };
	struct config *cfg = sodium_init() < 0 ? NULL : config_load(&options, &err);
	snap = cfg ? snapshot_load(cfg, &err) : NULL;
	if (!snap) {
		fprintf(stderr, "run it in the project's root: %s\n", err.message);
		exit(1);
	}
	return snap;
}

static void judge_json(struct slice text, struct arena *arena)
{
	static const struct json_options options = { .depth_max = 64, .nodes_max = 1 << 20 };
	struct json_doc doc = { 0 };
	size_t at;
	enum json_result result = json_scan(&doc, text, &options, arena, &at);
	if (result == JSON_NO_MEMORY)
		return;
	if (result != JSON_OK || (doc.nodes[0].flags & JSON_FLAG_SPACED)) {
		fprintf(stderr, "not compact JSON at %zu: %.*s\n", at, SLICE_ARG(text));
		abort();
	}
}

static void judge_event(struct snapshot *snap, const struct protocol *protocol, struct event *ev, struct arena *arena)
{
	static const struct hash_key key = { { 1 } };
	static const struct event_connection nowhere = { .ip = { "192.0.2.1", 9 }, .user_agent = { "\xff\"", 2 } };
	const struct step_context context = { .snap = snap,
		                              .source = &snap->cfg->sources[0],
		                              .connection = &nowhere,
		                              .hash_key = &key,
		                              .arena = arena,
		                              .received_ms = 1795312860123,
		                              .dry = true,
		                              .translates = judge_translates };
	const struct event_origin origin = { .source = context.source,
		                             .protocol = protocol->name,
		                             .path = SLICE("/v1/events"),
		                             .position = SLICE("0/0/1/1") };
	struct buffer out;
	steps_judge(&context, ev);
	buffer_init(&out, arena);
	if (ev->verdict == VERDICT_PENDING)
		event_write_canonical(ev, &origin, &out);
	else
		event_write_dead_letter(ev, &origin, 65536, &out);
	if (!out.failed && !arena->overflowed)
		judge_json(buffer_slice(&out), arena);
}

static void judge_input(const struct protocol *protocol, const struct protocol_input *input)
{
	static struct arena arena;
	static const struct protocol_limits limits = { .event_bytes = 65536,
		                                       .events = 1000,
		                                       .depth = 32,
		                                       .event_id_bytes = 128,
		                                       .id_bytes = 256,
		                                       .query_arguments = 256 };
	struct snapshot *snap = judge_snapshot();
	struct protocol_decoded decoded = { 0 };
	struct protocol_verdicts verdicts = { 0 };
	struct protocol_answer answer;
	if (!arena.limit_bytes)
		arena_init(&arena, 64 << 20);
	arena_reset(&arena);
	verdicts.result = protocol->decode(input, &limits, snap->cat, &arena, &decoded);
	verdicts.problem = decoded.problem;
	verdicts.problem_at = decoded.problem_at;
	if (verdicts.result == PROTOCOL_OK) {
		for (uint32_t i = 0; i < decoded.count; i++) {
			judge_event(snap, protocol, &decoded.events[i], &arena);
			if (decoded.events[i].verdict == VERDICT_PENDING)
				decoded.events[i].verdict = VERDICT_ACCEPTED;
			verdicts.counts[decoded.events[i].verdict]++;
		}
		verdicts.events = decoded.events;
		verdicts.count = decoded.count;
	}
	protocol->answer(&verdicts, &arena, &answer);
	if (protocol == &protocol_native)
		judge_json(answer.body, &arena);
}

#endif
