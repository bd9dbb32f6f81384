#include "command/replay.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/log.h"
#include "command/admin_client.h"
#include "command/service.h"
#include "forward/forwarder.h"
#include "holdings/audit_log.h"
#include "journal/range.h"
#include "json/json.h"

#define BODY_BYTES 4096

static void put_member(struct buffer *body, const char *name, const char *value)
{
	buffer_append_char(body, body->len > 1 ? ',' : '{');
	json_write_string(body, slice_of(name));
	buffer_append_char(body, ':');
	json_write_string(body, slice_of(value));
}

int replay_command(const struct command_line *line)
{
	struct error err = { 0 };
	struct journal_range range;
	struct buffer body;
	if (!line->journal.from)
		return command_usage("journal replay: --from says where to begin");
	if (!journal_range_parse(line->journal.from, line->journal.to, &range, &err))
		return command_usage("%s", err.message);
	struct config *cfg = config_load(&line->config, &err);
	if (!cfg)
		return command_fail(&err);
	buffer_init(&body, NULL);
	put_member(&body, "from", line->journal.from);
	if (line->journal.to)
		put_member(&body, "to", line->journal.to);
	buffer_append_char(&body, '}');
	bool done = body.failed ? error_set(&err, ERROR_MEMORY, "out of memory")
	                        : admin_client_post(cfg, "/journal/replay", buffer_slice(&body), stdout, &err);
	buffer_fini(&body);
	config_destroy(&cfg);
	return done ? 0 : command_fail(&err);
}

/* A member's text with a NUL behind it, in the arena; NULL: it is absent. */
static bool text_of(const struct json_doc *doc, const char *name, struct arena *arena, const char **out)
{
	uint32_t node = json_get(doc, 0, slice_of(name));
	*out = NULL;
	if (!node)
		return true;
	if (json_type_of(doc, node) != JSON_STRING)
		return false;
	struct slice text = arena_print(arena, "%.*s", SLICE_ARG(json_string(doc, node, arena)));
	*out = text.at;
	return text.at != NULL;
}

static bool parse(struct slice body, struct journal_range *range, struct error *err)
{
	static const struct json_options OPTIONS = { .depth_max = 2, .nodes_max = 16 };
	struct arena arena;
	struct json_doc doc = { 0 };
	const char *from = NULL, *to = NULL;
	size_t offset;
	arena_init(&arena, BODY_BYTES * 4);
	bool done = body.len <= BODY_BYTES && json_scan(&doc, body, &OPTIONS, &arena, &offset) == JSON_OK &&
	            json_type_of(&doc, 0) == JSON_OBJECT && text_of(&doc, "from", &arena, &from) &&
	            text_of(&doc, "to", &arena, &to) && from;
	if (!done)
		error_set(err, ERROR_USAGE,
		          "expected {\"from\":\"…\",\"to\":\"…\"}: positions or times, `to` may be absent");
	done = done && journal_range_parse(from, to, range, err);
	arena_fini(&arena);
	return done;
}

/* Also one that failed or found nothing: that somebody asked for it is what is to be seen. */
static void note(struct service *service, struct slice body, bool done, uint64_t records)
{
	struct buffer members;
	struct error err;
	buffer_init(&members, NULL);
	audit_log_put_text(&members, "range", body);
	audit_log_put_number(&members, "records", records);
	if (!audit_log_write(service->audit, "replay", done, &members, &err))
		log_warn("audit_log_failed", "error=%s", err.message);
	buffer_fini(&members);
}

bool replay_serve(void *context, struct slice body, struct buffer *json, struct error *err)
{
	struct service *service = context;
	struct journal_range range;
	uint64_t records;
	if (!parse(body, &range, err))
		return false;
	bool done = forwarder_replay(service->forwarder, &range, &records, err);
	note(service, body, done, records);
	if (done)
		buffer_append_format(json, "{\"replayed\":%" PRIu64 "}\n", records);
	return done;
}
