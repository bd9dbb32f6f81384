/* The event's bytes are searched as one run, which is cheap; only where something may stand is the string around it looked
 * at. Numbers may stand anywhere, names included (then the value goes with its name); e-mail addresses are looked for in
 * properties, context and what `user` holds besides its marked members. */
#include "privacy/shape_work.h"

#include <stdlib.h>

static uint32_t node_at(const struct event *ev, size_t offset)
{
	uint32_t low = ev->node, high = ev->doc->nodes[ev->node].next;
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;
		if (ev->doc->nodes[middle].offset <= offset)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static bool is_within(const struct event *ev, uint32_t node, enum event_member member)
{
	uint32_t root = ev->member[member];
	return root && node > root && node < ev->doc->nodes[root].next;
}

/* It, or something around it, is left out or replaced as a whole. Asked in the order of nodes, so that each edit is looked
 * at once. */
static bool is_gone(struct shape *shape, uint32_t node)
{
	const struct event *ev = shape->ev;
	for (; shape->edits_passed < ev->edit_count && ev->edits[shape->edits_passed].node < node;
	     shape->edits_passed++) {
		uint32_t next = ev->doc->nodes[ev->edits[shape->edits_passed].node].next;
		if (next > shape->gone_until)
			shape->gone_until = next;
	}
	const struct event_edit *own = event_edit_find(ev, node);
	return node < shape->gone_until || (own && !own->text.at);
}

/* The nearest name around a value: its own, or its array's. */
static struct slice name_around(const struct event *ev, uint32_t node)
{
	for (uint32_t at = node; at > ev->node + 1;) {
		if (shape_is_key(ev, at - 1))
			return json_inner(ev->doc, at - 1);
		uint32_t parent = at - 1;
		while (parent > ev->node && ev->doc->nodes[parent].next <= at)
			parent--;
		at = parent;
	}
	return SLICE_NONE;
}

/* Where an EAN-13 is at home; elsewhere it may be the number of a person born on such a day. */
static bool is_product_name(struct slice name)
{
	static const char *const words[] = { "product", "item",    "sku",  "gtin",   "ean",
		                             "upc",     "barcode", "isbn", "variant" };
	for (size_t i = 0; name.len && i < sizeof words / sizeof words[0]; i++)
		if (memmem(name.at, name.len, words[i], strlen(words[i])))
			return true;
	return false;
}

static int year_of(const struct event *ev)
{
	return 1970 + (int)(ev->received_ms / 31556952000);
}

static bool allows_barcodes(const struct event *ev, uint32_t node)
{
	return is_product_name(name_around(ev, node));
}

/* The canonical event writes ids from their nodes, not by edits. */
static void replace_id(struct shape *shape, uint32_t node, struct slice text)
{
	struct event *ev = shape->ev;
	for (uint32_t i = 0; i < ev->id_count; i++) {
		if (ev->ids[i].value != node)
			continue;
		ev->ids[i].value = 0;
		ev->ids[i].text = text;
		if (slice_find(text, '\\') < text.len || slice_find(text, '"') < text.len)
			ev->ids[i] = ev->ids[--ev->id_count];
		return;
	}
}

/* True if something was found; *text is then a copy without it. */
static bool redact(struct shape *shape, struct slice *text, bool with_emails, bool barcodes, struct redact_found *found)
{
	struct slice copy = arena_copy(shape->facts->arena, *text);
	char *to = (char *)(uintptr_t)copy.at;
	if (!to)
		return false;
	*found = (struct redact_found) { 0 };
	redact_digits(to, copy.len, year_of(shape->ev), barcodes, found);
	if (with_emails)
		copy.len = redact_emails(to, copy.len, found);
	bool any = false;
	for (int kind = 0; kind < REDACT_count; kind++)
		any = any || found->count[kind];
	*text = copy;
	return any;
}

/* Identifiers may be addresses, by the sender's own choice; so may what a mark keeps or masks, which has its edit. */
static bool looks_for_emails(const struct event *ev, uint32_t node)
{
	static const enum event_member ids[] = { EVENT_MEMBER_EVENT_ID, EVENT_MEMBER_ANONYMOUS_ID, EVENT_MEMBER_USER_ID,
		                                 EVENT_MEMBER_SESSION_ID, EVENT_MEMBER_DEVICE_ID };
	for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
		if (ev->member[ids[i]] == node)
			return false;
	return !is_within(ev, node, EVENT_MEMBER_IDS) && !event_edit_find(ev, node);
}

static void add_found(struct shape *shape, const struct redact_found *found)
{
	for (int kind = 0; kind < REDACT_count; kind++)
		shape->found.count[kind] += found->count[kind];
}

static void redact_node(struct shape *shape, uint32_t node)
{
	const struct event *ev = shape->ev;
	const struct json_doc *doc = ev->doc;
	bool is_key = shape_is_key(ev, node), is_number = json_type_of(doc, node) == JSON_NUMBER;
	if ((json_type_of(doc, node) != JSON_STRING && !is_number) || is_gone(shape, is_key ? node + 1 : node))
		return;
	struct slice text = is_number ? json_raw(doc, node)
	                    : is_key  ? json_string(doc, node, shape->facts->arena)
	                              : shape_text(shape, node);
	struct redact_found found;
	struct slice plain = text;
	bool with_emails = text.at && !is_number && looks_for_emails(ev, node);
	if (!text.at || !redact(shape, &text, with_emails, false, &found))
		return;
	/* only now is the name looked at: hardly any event comes so far */
	if (found.count[REDACT_RESIDENT_NUMBER] && !is_key && allows_barcodes(ev, node)) {
		text = plain;
		if (!redact(shape, &text, with_emails, true, &found))
			return;
	}
	add_found(shape, &found);
	if (is_key) {
		shape_remove(shape, node + 1);
		return;
	}
	shape_set_text(shape, node, text);
	replace_id(shape, node, text);
}

/* Each node once: places come in order. */
static void redact_at(struct shape *shape, size_t offset, uint32_t *last)
{
	uint32_t node = node_at(shape->ev, offset);
	if (node <= *last)
		return;
	*last = node;
	redact_node(shape, node);
}

static uint32_t begin_pass(struct shape *shape)
{
	shape->edits_passed = shape->gone_until = 0;
	return shape->ev->node;
}

/* An escape may stand for a digit or an @. */
static void redact_escaped(struct shape *shape, struct slice bytes, size_t base)
{
	uint32_t last = begin_pass(shape);
	const char *at = bytes.at, *end = bytes.at + bytes.len;
	while (at < end && (at = memchr(at, '\\', (size_t)(end - at)))) {
		if (end - at >= 6 && memcmp(at, "\\u00", 4) == 0)
			redact_at(shape, base + (size_t)(at - bytes.at), &last);
		at += 2;
	}
}

void shape_redact(struct shape *shape)
{
	const struct event *ev = shape->ev;
	struct slice bytes = json_raw(ev->doc, ev->node);
	size_t base = ev->doc->nodes[ev->node].offset, at = 0, begin;
	uint32_t last = begin_pass(shape);
	while (redact_next_digits(bytes, &at, &begin))
		redact_at(shape, base + at - 1, &last);
	last = begin_pass(shape);
	for (at = redact_next_at(bytes, 0); at < bytes.len; at = redact_next_at(bytes, at + 1))
		redact_at(shape, base + at, &last);
	if (memchr(bytes.at, '\\', bytes.len))
		redact_escaped(shape, bytes, base);
}

static void redact_remark(struct shape *shape, struct slice *text)
{
	size_t at = 0, begin;
	struct slice without = *text;
	struct redact_found found;
	if ((redact_next_digits(without, &at, &begin) || redact_next_at(without, 0) < without.len) &&
	    redact(shape, &without, true, false, &found)) {
		add_found(shape, &found);
		*text = without;
	}
}

void shape_redact_remarks(struct shape *shape)
{
	struct event *ev = shape->ev;
	for (uint32_t i = 0; ev->errors && i < ev->errors->count; i++) {
		redact_remark(shape, &ev->errors->at[i].path);
		redact_remark(shape, &ev->errors->at[i].message);
	}
	for (uint32_t i = 0; i < ev->warning_count; i++)
		redact_remark(shape, &ev->warnings[i].path);
}
