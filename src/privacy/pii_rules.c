/* What the catalog marks as personal: kept, left out, masked, or left out with its hash in user.hashed. A hash never
 * takes the member's place, since whoever reads a member called `email` expects one. */
#include <sodium.h>

#include "privacy/ip.h"
#include "privacy/normal_form.h"
#include "privacy/shape_work.h"

#define NAME(text)                     \
	{                              \
		text, sizeof(text) - 1 \
	}
#define MASK "***"

enum pii_kind { KIND_EMAIL, KIND_PHONE, KIND_NAME, KIND_ADDRESS, KIND_ID, KIND_IP, KIND_FREE_TEXT, KIND_count };

static const struct slice kind_names[KIND_count] = { NAME("email"), NAME("phone"), NAME("name"),     NAME("address"),
	                                             NAME("id"),    NAME("ip"),    NAME("free_text") };
static const struct slice action_names[] = { NAME("keep"), NAME("drop"), NAME("mask"), NAME("hash") };

static int index_of(struct slice name, const struct slice *names, int count)
{
	int i = 0;
	while (i < count && !slice_equal(name, names[i]))
		i++;
	return i;
}

static enum pii_action action_of(const struct shape *shape, const struct schema_pii *mark, enum pii_kind kind)
{
	const struct config *cfg = shape->facts->cfg;
	const enum pii_action configured[KIND_count] = {
		[KIND_EMAIL] = cfg->privacy.pii.email,
		[KIND_PHONE] = cfg->privacy.pii.phone,
		[KIND_NAME] = cfg->privacy.pii.name,
		[KIND_ADDRESS] = cfg->privacy.pii.address,
		[KIND_ID] = cfg->privacy.pii.id,
		[KIND_IP] = PII_KEEP,
		[KIND_FREE_TEXT] = cfg->privacy.pii.free_text,
	};
	int stated = index_of(mark->action, action_names, 4);
	return mark->action.len && stated < 4 ? (enum pii_action)stated : configured[kind];
}

/* The pepper of a period cannot be told from another's, nor from the outside. */
static void hash_peppered(const struct shape *shape, uint64_t period, struct slice text, unsigned char *digest)
{
	struct hash128 pepper[2];
	for (size_t half = 0; half < 2; half++) {
		const uint64_t number[2] = { period, half };
		const struct slice parts[] = { SLICE("pepper"), { (const char *)number, sizeof number } };
		pepper[half] = hash_keyed128_parts(shape->facts->hash_key, parts, 2);
	}
	_Static_assert(sizeof pepper == crypto_auth_hmacsha256_KEYBYTES, "two halves make a key");
	crypto_auth_hmacsha256(digest, (const unsigned char *)text.at, text.len, (const unsigned char *)pepper);
}

static bool has_hash(const struct shape *shape, struct slice name, struct slice suffix)
{
	char quoted[96];
	size_t len = 0;
	quoted[len++] = '"';
	memcpy(quoted + len, name.at, name.len);
	len += name.len;
	memcpy(quoted + len, suffix.at, suffix.len);
	len += suffix.len;
	quoted[len++] = '"';
	quoted[len++] = ':';
	return shape->hashed.len && memmem(shape->hashed.at, shape->hashed.len, quoted, len);
}

/* The first one of a name counts: `user` comes before `properties`. */
static void put_hash(struct shape *shape, struct slice name, struct slice text)
{
	const struct config *cfg = shape->facts->cfg;
	bool is_peppered = cfg->privacy.hash == PII_HASH_HMAC;
	struct slice suffix = is_peppered ? SLICE("_hmac") : SLICE("");
	unsigned char digest[crypto_hash_sha256_BYTES];
	char hex[2 * sizeof digest + 1];
	if (!shape->with_hashes || !text.len || name.len > 64 || has_hash(shape, name, suffix))
		return;
	if (is_peppered) {
		uint64_t period = (uint64_t)shape->ev->received_ms / cfg->privacy.pepper_ms;
		if (!shape->hashed.len)
			buffer_append_format(&shape->hashed, "\"pepper\":%llu", (unsigned long long)period);
		hash_peppered(shape, period, text, digest);
	} else {
		crypto_hash_sha256(digest, (const unsigned char *)text.at, text.len);
	}
	sodium_bin2hex(hex, sizeof hex, digest, sizeof digest);
	if (shape->hashed.len)
		buffer_append_char(&shape->hashed, ',');
	buffer_append_char(&shape->hashed, '"');
	buffer_append(&shape->hashed, name);
	buffer_append(&shape->hashed, suffix);
	buffer_append_format(&shape->hashed, "\":\"%s\"", hex);
}

static void hash_email(struct shape *shape, struct slice text)
{
	char plain[NORMAL_FORM_BYTES], google[NORMAL_FORM_BYTES];
	struct slice email = normal_email(text, plain);
	if (!email.len)
		return;
	put_hash(shape, SLICE("email"), email);
	put_hash(shape, SLICE("email_google"), normal_email_google(email, google));
}

static void hash_phone(struct shape *shape, struct slice text)
{
	char to[NORMAL_FORM_BYTES];
	struct slice phone = normal_phone(text, shape->facts->cfg->privacy.phone_country, to);
	if (!phone.len)
		return;
	put_hash(shape, SLICE("phone_e164"), phone);
	put_hash(shape, SLICE("phone_digits"), (struct slice) { phone.at + 1, phone.len - 1 });
}

static bool is_part_of_address(struct slice name)
{
	static const struct slice names[] = { NAME("street"), NAME("street2"),     NAME("city"),
		                              NAME("region"), NAME("postal_code"), NAME("country") };
	return index_of(name, names, 6) < 6;
}

static void hash_address(struct shape *shape, uint32_t node)
{
	const struct json_doc *doc = shape->ev->doc;
	char to[NORMAL_FORM_BYTES];
	if (json_type_of(doc, node) == JSON_STRING)
		put_hash(shape, SLICE("address"), normal_words(json_string(doc, node, shape->facts->arena), to));
	if (json_type_of(doc, node) != JSON_OBJECT)
		return;
	for (uint32_t key = node + 1; key < doc->nodes[node].next; key = doc->nodes[key + 1].next) {
		struct slice name = json_inner(doc, key);
		if (json_type_of(doc, key + 1) != JSON_STRING || !is_part_of_address(name))
			continue;
		struct slice text = json_string(doc, key + 1, shape->facts->arena);
		bool is_street = slice_starts(name, SLICE("street"));
		put_hash(shape, name, is_street ? normal_words(text, to) : normal_compact(text, to));
	}
}

static void hash_value(struct shape *shape, uint32_t node, enum pii_kind kind, struct slice name)
{
	const struct json_doc *doc = shape->ev->doc;
	char to[NORMAL_FORM_BYTES];
	enum json_type type = json_type_of(doc, node);
	if (!shape->with_hashes)
		return;
	if (kind == KIND_ADDRESS) {
		hash_address(shape, node);
		return;
	}
	if (type != JSON_STRING && type != JSON_NUMBER)
		return;
	struct slice text = type == JSON_STRING ? json_string(doc, node, shape->facts->arena) : json_raw(doc, node);
	if (kind == KIND_EMAIL)
		hash_email(shape, text);
	else if (kind == KIND_PHONE)
		hash_phone(shape, text);
	else if (kind == KIND_NAME)
		put_hash(shape, SLICE("name"), normal_words(text, to));
	else if (kind == KIND_ID && name.len && !memchr(name.at, '\\', name.len))
		put_hash(shape, name, text);
}

/* The beginning of the first character, and where something is needed to tell one from another, a little more. */
static void mask_value(struct shape *shape, uint32_t node, enum pii_kind kind)
{
	const struct json_doc *doc = shape->ev->doc;
	struct buffer out;
	if (json_type_of(doc, node) != JSON_STRING) {
		shape_remove(shape, node);
		return;
	}
	struct slice text = json_string(doc, node, shape->facts->arena);
	buffer_init(&out, shape->facts->arena);
	size_t at = slice_find(text, '@'), first = text.len ? 1 : 0;
	while (first < text.len && ((unsigned char)text.at[first] & 0xc0) == 0x80)
		first++;
	if (kind == KIND_EMAIL || kind == KIND_NAME)
		buffer_append(&out, (struct slice) { text.at, first < at ? first : 0 });
	buffer_append(&out, SLICE(MASK));
	if (kind == KIND_EMAIL && at < text.len)
		buffer_append(&out, (struct slice) { text.at + at, text.len - at });
	if (kind == KIND_PHONE && text.len > 8)
		buffer_append(&out, (struct slice) { text.at + text.len - 4, 4 });
	shape_set_text(shape, node, buffer_slice(&out));
}

static void shorten_ip(struct shape *shape, uint32_t node)
{
	char *to = arena_alloc(shape->facts->arena, IP_TEXT_BYTES);
	if (shape->ip == IP_FULL || !to)
		return;
	struct slice text = SLICE_NONE;
	if (json_type_of(shape->ev->doc, node) == JSON_STRING)
		text = ip_shorten(json_string(shape->ev->doc, node, shape->facts->arena), shape->ip,
		                  shape->facts->hash_key, to);
	if (text.len)
		shape_set_text(shape, node, text);
	else
		shape_remove(shape, node);
}

/* Kept as it came, and exempt from the search for e-mail addresses: its edit says the same. */
static void keep_value(struct shape *shape, uint32_t node)
{
	const struct json_doc *doc = shape->ev->doc;
	for (uint32_t at = node; at < doc->nodes[node].next; at++)
		if (json_type_of(doc, at) == JSON_STRING && !shape_is_key(shape->ev, at) &&
		    redact_next_at(json_raw(doc, at), 0) < doc->nodes[at].length)
			event_edit(shape->ev, at, json_raw(doc, at), shape->facts->arena);
}

static void apply_mark(struct shape *shape, uint32_t node, const struct schema_pii *mark, struct slice name,
                       bool remove)
{
	enum pii_kind kind = (enum pii_kind)index_of(mark->kind, kind_names, KIND_count);
	enum pii_action action = remove || kind == KIND_count ? PII_DROP : action_of(shape, mark, kind);
	if (json_type_of(shape->ev->doc, node) == JSON_NULL)
		return;
	if (action == PII_KEEP && kind == KIND_IP)
		shorten_ip(shape, node);
	else if (action == PII_KEEP)
		keep_value(shape, node);
	else if (action == PII_MASK)
		mask_value(shape, node, kind);
	else {
		if (action == PII_HASH)
			hash_value(shape, node, kind, name);
		shape_remove(shape, node);
	}
}

/* Recursion goes no deeper than the mark's pointer. */
static void walk(struct shape *shape, uint32_t node, struct slice rest, const struct schema_pii *mark,
                 struct slice name, bool remove)
{
	const struct json_doc *doc = shape->ev->doc;
	const struct json_node *nodes = doc->nodes;
	if (!rest.len) {
		apply_mark(shape, node, mark, name, remove);
		return;
	}
	struct slice step = { rest.at + 1, 0 };
	while (step.len + 1 < rest.len && step.at[step.len] != '/')
		step.len++;
	rest = (struct slice) { step.at + step.len, rest.len - step.len - 1 };
	bool is_any = slice_equal(step, SLICE("*"));
	if (nodes[node].type == JSON_ARRAY && is_any) {
		for (uint32_t at = node + 1; at < nodes[node].next; at = nodes[at].next)
			walk(shape, at, rest, mark, name, remove);
	} else if (nodes[node].type == JSON_OBJECT && is_any) {
		for (uint32_t key = node + 1; key < nodes[node].next; key = nodes[key + 1].next)
			walk(shape, key + 1, rest, mark, name, remove);
	} else if (nodes[node].type == JSON_OBJECT) {
		struct slice pointer = { step.at - 1, step.len + 1 };
		uint32_t at = json_pointer_get(doc, node, pointer);
		if (at)
			walk(shape, at, rest, mark, step, remove);
	}
}

void pii_rules_apply(struct shape *shape, uint32_t root, struct shape_marks marks, bool remove)
{
	for (size_t i = 0; i < marks.count; i++)
		walk(shape, root, marks.at[i].pointer, &marks.at[i], SLICE_NONE, remove);
}
