/* An event has up to two keys. The declared one (order_id of a purchase) decides first, because it sees through new
 * event ids: a reloaded thank-you page. Then the event id: the same bytes again are a duplicate, other bytes under the
 * same id are kept under an id derived from both, so that nobody can suppress an event by sending its id first.
 *
 * A reservation that is given up because the other key hit is released at once; a copy that waited for it is told
 * `retry`, which is rare and safe.
 *
 * An event whose declared key is in flight from another source is flagged as a repeat without waiting, since its answer
 * must not depend on another lane before it is appended. */
#include "pipeline/copies.h"

#include "base/uuid.h"

#define UNIQUE_PARTS_MAX 12

/* The schema may declare mode and window of its own; else they are the source's. */
static enum dedup_mode id_mode(const struct request *req, const struct event *ev)
{
	if (!ev->schema || !ev->schema->dedup_mode.len)
		return req->source->dedup_mode;
	return slice_equal(ev->schema->dedup_mode, SLICE("id")) ? DEDUP_MODE_ID : DEDUP_MODE_ID_FINGERPRINT;
}

static uint64_t id_window_ms(const struct request *req, const struct event *ev)
{
	return ev->schema && ev->schema->dedup_window_ms ? ev->schema->dedup_window_ms : req->source->dedup_window_ms;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The member with one of the commas around it, as a range of the event's bytes. */
static struct slice member_with_comma(struct slice bytes, const char *name_quote, const char *value_end)
{
	const char *from = name_quote, *to = value_end;
	while (from > bytes.at && is_space(from[-1]))
		from--;
	if (from > bytes.at && from[-1] == ',')
		return (struct slice) { from - 1, (size_t)(to - (from - 1)) };
	while (to < bytes.at + bytes.len && is_space(*to))
		to++;
	if (to < bytes.at + bytes.len && *to == ',')
		to++;
	return (struct slice) { name_quote, (size_t)(to - name_quote) };
}

/* sent_at differs between retries, or comes with the second attempt only: the event without it is what counts. */
static uint64_t fingerprint(const struct dedup *dedup, const struct event *ev, struct arena *arena)
{
	uint32_t sent_at = ev->member[EVENT_MEMBER_SENT_AT];
	if (!sent_at)
		return dedup_tag(dedup, ev->bytes);
	struct slice value = json_raw(ev->doc, sent_at);
	struct slice gone = member_with_comma(ev->bytes, json_raw(ev->doc, sent_at - 1).at, value.at + value.len);
	size_t before = (size_t)(gone.at - ev->bytes.at), behind = ev->bytes.len - before - gone.len;
	char *rest = arena_alloc(arena, before + behind);
	if (!rest)
		return 0; /* the arena has overflowed: the request is given up */
	memcpy(rest, ev->bytes.at, before);
	memcpy(rest + before, gone.at + gone.len, behind);
	return dedup_tag(dedup, (struct slice) { rest, before + behind });
}

/* The text of a declared value; SLICE_NONE if it is absent, null, "" or no scalar. */
static struct slice unique_value(const struct event *ev, struct slice pointer, struct arena *arena)
{
	uint32_t node = json_pointer_get(ev->doc, ev->node, pointer);
	if (!node)
		return SLICE_NONE;
	switch (json_type_of(ev->doc, node)) {
	case JSON_STRING:
		return json_string(ev->doc, node, arena);
	case JSON_NUMBER:
		return json_raw(ev->doc, node);
	default:
		return SLICE_NONE;
	}
}

static bool declared_key(const struct dedup *dedup, const struct request *req, const struct event *ev,
                         struct dedup_key *key)
{
	struct slice parts[UNIQUE_PARTS_MAX + 2] = { req->source->dedup_group, ev->name };
	if (!ev->schema || ev->unverified || ev->schema->unique_by_count == 0 ||
	    ev->schema->unique_by_count > UNIQUE_PARTS_MAX)
		return false;
	for (size_t i = 0; i < ev->schema->unique_by_count; i++) {
		parts[i + 2] = unique_value(ev, ev->schema->unique_by[i], req->arena);
		if (!parts[i + 2].len)
			return false;
	}
	*key = dedup_make_key(dedup, parts, ev->schema->unique_by_count + 2, req->expiry_now_ms,
	                      ev->schema->unique_window_ms);
	return true;
}

/* Whoever stitches needs to be told once that two ids are one person. A pair in flight is being told. */
static void link_ids(struct dedup *dedup, struct request *req, struct event *ev, struct pipeline_copy *copy)
{
	if (ev->consent.applied != CONSENT_KEPT && ev->consent.applied != CONSENT_REDUCED)
		return;
	const struct slice user = event_id_find(ev, SLICE("user_id"));
	const struct slice anonymous = user.len ? event_id_find(ev, SLICE("anonymous_id")) : SLICE_NONE;
	if (!anonymous.len)
		return;
	const struct slice parts[] = { SLICE("link"), req->source->dedup_group, user, anonymous };
	struct dedup_key *key = &copy->keys[COPY_KEY_LINK];
	*key = dedup_make_key(dedup, parts, 4, req->expiry_now_ms, req->source->dedup_window_ms);
	ev->ids_linked =
	        dedup_reserve(dedup, key, 0, req->expiry_now_ms, &copy->tickets[COPY_KEY_LINK], NULL) == DEDUP_NEW;
}

void copies_prepare(struct dedup *dedup, struct request *req, const struct event *ev, struct pipeline_copy *copy)
{
	if (declared_key(dedup, req, ev, &copy->keys[COPY_KEY_DECLARED])) {
		/* across sources one tag makes them one: then a copy in flight is waited for as well */
		copy->tags[COPY_KEY_DECLARED] =
		        ev->schema->unique_across_drop ? 0 : dedup_tag(dedup, req->source->name);
		dedup_prefetch(dedup, &copy->keys[COPY_KEY_DECLARED]);
	}
	if (ev->event_id_random)
		return;
	const struct slice parts[] = { req->source->name, ev->name, ev->event_id };
	copy->keys[COPY_KEY_ID] = dedup_make_key(dedup, parts, 3, req->expiry_now_ms, id_window_ms(req, ev));
	copy->tags[COPY_KEY_ID] = id_mode(req, ev) == DEDUP_MODE_ID ? 0 : fingerprint(dedup, ev, req->arena);
	dedup_prefetch(dedup, &copy->keys[COPY_KEY_ID]);
}

static enum copies_outcome check_declared(struct dedup *dedup, struct request *req, struct event *ev,
                                          struct pipeline_copy *copy)
{
	if (!copy->keys[COPY_KEY_DECLARED].bucket)
		return COPIES_NEW;
	switch (dedup_reserve(dedup, &copy->keys[COPY_KEY_DECLARED], copy->tags[COPY_KEY_DECLARED], req->expiry_now_ms,
	                      &copy->tickets[COPY_KEY_DECLARED], &copy->waiter)) {
	case DEDUP_NEW:
		return COPIES_NEW;
	case DEDUP_OTHER:
		ev->repeat = true;
		return COPIES_NEW;
	case DEDUP_SAME:
		return COPIES_DUPLICATE;
	case DEDUP_PENDING:
		return COPIES_WAIT;
	case DEDUP_FULL:
		break;
	}
	return COPIES_RETRY;
}

static void keep_under_new_id(const struct hash_key *hash_key, struct request *req, struct event *ev, uint64_t tag)
{
	const struct slice parts[] = {
		SLICE("synthetic"), req->source->name, ev->name, ev->event_id, { (const char *)&tag, sizeof tag }
	};
	char *id = arena_alloc(req->arena, UUID_TEXT_BYTES);
	if (!id)
		return;
	uuid_v8(hash_keyed128_parts(hash_key, parts, sizeof parts / sizeof parts[0]), id);
	ev->client_event_id = ev->event_id;
	ev->client_event_id_withheld = ev->written_event_id.len > 0;
	ev->written_event_id = SLICE_NONE;
	ev->event_id = (struct slice) { id, UUID_TEXT_BYTES };
}

static enum copies_outcome check_id(struct dedup *dedup, const struct hash_key *hash_key, struct request *req,
                                    struct event *ev, struct pipeline_copy *copy)
{
	if (!copy->keys[COPY_KEY_ID].bucket)
		return COPIES_NEW;
	uint64_t tag = copy->tags[COPY_KEY_ID];
	switch (dedup_reserve(dedup, &copy->keys[COPY_KEY_ID], tag, req->expiry_now_ms, &copy->tickets[COPY_KEY_ID],
	                      &copy->waiter)) {
	case DEDUP_NEW:
		return COPIES_NEW;
	case DEDUP_OTHER:
		keep_under_new_id(hash_key, req, ev, tag);
		return COPIES_NEW;
	case DEDUP_SAME:
		return COPIES_DUPLICATE;
	case DEDUP_PENDING:
		return COPIES_WAIT;
	case DEDUP_FULL:
		break;
	}
	return COPIES_RETRY;
}

enum copies_outcome copies_check(struct dedup *dedup, const struct hash_key *hash_key, struct request *req,
                                 struct event *ev, struct pipeline_copy *copy)
{
	enum copies_outcome outcome = check_declared(dedup, req, ev, copy);
	if (outcome != COPIES_NEW)
		return outcome;
	outcome = check_id(dedup, hash_key, req, ev, copy);
	if (outcome == COPIES_NEW)
		link_ids(dedup, req, ev, copy);
	else
		dedup_release(dedup, &copy->tickets[COPY_KEY_DECLARED]);
	return outcome;
}

void copies_confirm(struct dedup *dedup, struct pipeline_copy *copy)
{
	for (int i = 0; i < COPY_KEY_count; i++)
		dedup_confirm(dedup, &copy->tickets[i]);
}

void copies_release(struct dedup *dedup, struct pipeline_copy *copy)
{
	for (int i = 0; i < COPY_KEY_count; i++)
		dedup_release(dedup, &copy->tickets[i]);
}
