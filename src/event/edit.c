/* Edits of an event's bytes, kept by node, so that one walk over the document meets them in order. There are few of them,
 * and none on most events: these are copied as they came. */
#include "event/write.h"

#define EDITS_FIRST 16

/* Index of the first edit at or behind `node`. */
static uint32_t edit_at(const struct event *ev, uint32_t node)
{
	uint32_t low = 0, high = ev->edit_count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (ev->edits[middle].node < node)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct event_edit *event_edit_find(const struct event *ev, uint32_t node)
{
	uint32_t at = edit_at(ev, node);
	return at < ev->edit_count && ev->edits[at].node == node ? &ev->edits[at] : NULL;
}

static bool grow(struct event *ev, struct arena *arena)
{
	uint32_t capacity = ev->edit_capacity ? ev->edit_capacity * 2 : EDITS_FIRST;
	struct event_edit *edits = arena_array(arena, capacity, sizeof *edits);
	if (!edits)
		return false;
	if (ev->edit_count)
		memcpy(edits, ev->edits, ev->edit_count * sizeof *edits);
	ev->edits = edits;
	ev->edit_capacity = capacity;
	return true;
}

void event_edit(struct event *ev, uint32_t node, struct slice text, struct arena *arena)
{
	uint32_t at = edit_at(ev, node);
	if (at < ev->edit_count && ev->edits[at].node == node) {
		ev->edits[at].text = text;
		return;
	}
	if (ev->edit_count == ev->edit_capacity && !grow(ev, arena))
		return; /* the arena has overflowed: the request is given up */
	memmove(&ev->edits[at + 1], &ev->edits[at], (ev->edit_count - at) * sizeof *ev->edits);
	ev->edits[at] = (struct event_edit) { node, text };
	ev->edit_count++;
}

/* Recursion goes no deeper than the limit on an event's nesting. */
static void write_container(struct buffer *out, const struct event *ev, uint32_t node)
{
	const struct json_node *nodes = ev->doc->nodes;
	bool is_object = nodes[node].type == JSON_OBJECT, first = true;
	buffer_append_char(out, is_object ? '{' : '[');
	for (uint32_t at = node + 1; at < nodes[node].next; at = nodes[is_object ? at + 1 : at].next) {
		uint32_t value = is_object ? at + 1 : at;
		const struct event_edit *edit = event_edit_find(ev, value);
		if (edit && !edit->text.at)
			continue;
		if (!first)
			buffer_append_char(out, ',');
		first = false;
		if (is_object) {
			buffer_append(out, json_raw(ev->doc, at));
			buffer_append_char(out, ':');
		}
		event_write_node(ev, value, out);
	}
	buffer_append_char(out, is_object ? '}' : ']');
}

void event_write_node(const struct event *ev, uint32_t node, struct buffer *out)
{
	uint32_t at = edit_at(ev, node);
	if (at == ev->edit_count || ev->edits[at].node >= ev->doc->nodes[node].next)
		json_write_node(out, ev->doc, node);
	else if (ev->edits[at].node == node)
		buffer_append(out, ev->edits[at].text);
	else
		write_container(out, ev, node);
}
