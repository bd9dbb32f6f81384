/* The position stands inside the value, so it is asked of the journal before the text is written; value and headers are
 * built in buffers of the lane, then copied once into the batch, topic, key, headers, value back to back. */
#include "pipeline/seal.h"

#include <stdio.h>

#include "event/write.h"
#include "journal/journal.h"
#include "privacy/shape.h"

#define CLAMP_MS (24 * 3600 * 1000LL)

void seal_init(struct seal *seal, struct journal *journal, uint32_t lane)
{
	seal->writer = journal_writer_get(journal, lane);
	buffer_init(&seal->value, NULL);
	buffer_init(&seal->headers, NULL);
	int len = snprintf(seal->prefix, sizeof seal->prefix, "%s/%u/%llu/", journal_log_id(journal), lane,
	                   (unsigned long long)journal_epoch(journal));
	seal->prefix_len = (size_t)len;
}

void seal_fini(struct seal *seal)
{
	buffer_fini(&seal->value);
	buffer_fini(&seal->headers);
}

static struct slice position_text(const struct seal *seal, char *to)
{
	char digits[20];
	size_t count = 0;
	uint64_t counter = journal_writer_next(seal->writer).counter;
	do {
		digits[count++] = (char)('0' + counter % 10);
		counter /= 10;
	} while (counter);
	memcpy(to, seal->prefix, seal->prefix_len);
	for (size_t i = 0; i < count; i++)
		to[seal->prefix_len + i] = digits[count - 1 - i];
	return (struct slice) { to, seal->prefix_len + count };
}

static char *copy_in(char *to, struct slice *s)
{
	if (s->len)
		memcpy(to, s->at, s->len);
	s->at = to;
	return to + s->len;
}

static bool append(struct seal *seal, struct journal_record *record)
{
	record->headers = buffer_slice(&seal->headers);
	record->value = buffer_slice(&seal->value);
	if (seal->value.failed || seal->headers.failed)
		return false;
	char *to = journal_writer_begin(seal->writer,
	                                record->topic.len + record->key.len + record->headers.len + record->value.len);
	if (!to)
		return false;
	to = copy_in(to, &record->topic);
	to = copy_in(to, &record->key);
	to = copy_in(to, &record->headers);
	copy_in(to, &record->value);
	journal_writer_end(seal->writer, record);
	return true;
}

/* Cold: only topics that hold {event}. */
static struct slice expand_topic(struct slice topic, struct slice event, struct arena *arena)
{
	static const char place[] = "{event}";
	if (slice_find(topic, '{') == topic.len)
		return topic;
	struct buffer out;
	buffer_init(&out, arena);
	while (topic.len) {
		if (slice_starts(topic, SLICE(place))) {
			buffer_append(&out, event);
			topic.at += sizeof place - 1;
			topic.len -= sizeof place - 1;
		} else {
			buffer_append_char(&out, *topic.at);
			topic.at++;
			topic.len--;
		}
	}
	return buffer_slice(&out);
}

static struct slice topic_of(const struct request *req, const struct event *ev)
{
	const struct config *cfg = req->snap->cfg;
	if (ev->unverified)
		return cfg->topics.unverified;
	if (ev->consent.is_update)
		return cfg->topics.consent;
	struct slice topic = ev->schema && ev->schema->topic.len ? ev->schema->topic : cfg->topics.events;
	return expand_topic(topic, ev->name, req->arena);
}

/* Withdrawals are found by the person, whatever keys the other topics have. */
static struct slices key_of(const struct request *req, const struct event *ev)
{
	static const struct slice person[] = {
		{ "/ids/user_id", 12 },   { "/ids/anonymous_id", 17 }, { "/ids/cookie_id", 14 },
		{ "/ids/device_id", 14 }, { "/event_id", 9 },
	};
	if (ev->schema && ev->schema->key_count)
		return (struct slices) { ev->schema->key, ev->schema->key_count };
	if (ev->consent.is_update)
		return (struct slices) { person, sizeof person / sizeof person[0] };
	return req->snap->cfg->topics.key;
}

static bool knows_name(const struct event_schema *schema, struct slice name)
{
	return schema_knows_name(schema->properties, name);
}

static struct event_origin origin_of(const struct seal *seal, const struct request *req, char *position)
{
	return (struct event_origin) { .source = req->source,
		                       .protocol = req->route->protocol->name,
		                       .path = req->input.path,
		                       .position = position_text(seal, position),
		                       .knows_name = knows_name };
}

static void begin(struct seal *seal)
{
	seal->value.len = seal->headers.len = 0;
	seal->value.failed = seal->headers.failed = false;
}

/* A record has room for two keys. The place of the declared one is free in most events: there the link stays known
 * across a restart. Of the others (a purchase) it is forgotten then, and told once more. */
static int second_key(const struct event *ev, const struct pipeline_copy *copy)
{
	return ev->ids_linked && !copy->keys[COPY_KEY_DECLARED].bucket ? COPY_KEY_LINK : COPY_KEY_DECLARED;
}

bool seal_event(struct seal *seal, const struct request *req, const struct event *ev, const struct pipeline_copy *copy)
{
	char position[sizeof seal->prefix + 20];
	struct event_origin origin = origin_of(seal, req, position);
	int second = second_key(ev, copy);
	begin(seal);
	event_write_canonical(ev, &origin, &seal->value);
	struct journal_record record = { .type = JOURNAL_EVENT,
		                         .received_ms = ev->received_ms,
		                         .tag1 = copy->tags[COPY_KEY_ID],
		                         .tag2 = copy->tags[second] };
	record.topic = topic_of(req, ev);
	struct slices key = key_of(req, ev);
	record.key = event_key(ev, key.at, key.count, buffer_slice(&seal->value), req->arena);
	event_write_headers(ev, &origin, &seal->headers);
	record.time_ms = ev->event_ms < ev->received_ms - CLAMP_MS ? ev->received_ms - CLAMP_MS : ev->event_ms;
	_Static_assert(sizeof(struct dedup_key) == sizeof record.key1, "a dedup key fills its place in the record");
	memcpy(record.key1, &copy->keys[COPY_KEY_ID], sizeof record.key1);
	memcpy(record.key2, &copy->keys[second], sizeof record.key2);
	return !req->arena->overflowed && append(seal, &record);
}

bool seal_dead_letter(struct seal *seal, const struct request *req, const struct event *ev)
{
	char position[sizeof seal->prefix + 20];
	struct event_origin origin = origin_of(seal, req, position);
	origin.path = shape_path(origin.path, req->arena);
	begin(seal);
	event_write_dead_letter(ev, &origin, req->source->event_bytes, &seal->value);
	struct journal_record record = { .type = JOURNAL_DEAD_LETTER,
		                         .received_ms = req->received_ms,
		                         .time_ms = req->received_ms,
		                         .topic = req->snap->cfg->topics.rejected,
		                         .key = ev->reason == REASON_SUPPRESSED ? SLICE_NONE : event_stored_id(ev) };
	return append(seal, &record);
}
