/* Members and pointers. A name without escapes, which is nearly every name, is found by length and memcmp. */
#include "json/json.h"
#include "json/text.h"

uint32_t json_get(const struct json_doc *doc, uint32_t object, struct slice name)
{
	const struct json_node *nodes = doc->nodes;
	if (nodes[object].type != JSON_OBJECT)
		return 0;
	uint32_t end = nodes[object].next;
	for (uint32_t key = object + 1; key != end; key = nodes[key + 1].next) {
		const struct json_node *node = &nodes[key];
		if (__builtin_expect(node->flags & JSON_FLAG_ESCAPED, 0)) {
			if (text_equals(json_inner(doc, key), name))
				return key + 1;
		} else if (slice_equal(json_inner(doc, key), name)) {
			return key + 1;
		}
	}
	return 0;
}

/* The next byte of a pointer's token with ~0 and ~1 resolved; false at its end or at a wrong escape. */
static bool take_pointer_byte(struct slice *token, char *byte)
{
	if (token->len == 0)
		return false;
	size_t used = 1;
	*byte = token->at[0];
	if (*byte == '~') {
		if (token->len < 2 || (token->at[1] != '0' && token->at[1] != '1'))
			return false;
		*byte = token->at[1] == '0' ? '~' : '/';
		used = 2;
	}
	token->at += used;
	token->len -= used;
	return true;
}

static bool name_matches(struct slice inner, struct slice token)
{
	struct text_step step;
	char byte;
	while (text_next(&inner, &step))
		for (size_t i = 0; i < step.bytes.len; i++)
			if (!take_pointer_byte(&token, &byte) || byte != step.bytes.at[i])
				return false;
	return token.len == 0;
}

static uint32_t get_by_token(const struct json_doc *doc, uint32_t object, struct slice token)
{
	if (slice_find(token, '~') == token.len)
		return json_get(doc, object, token);
	for (uint32_t key = object + 1; key != doc->nodes[object].next; key = doc->nodes[key + 1].next)
		if (name_matches(json_inner(doc, key), token))
			return key + 1;
	return 0;
}

static uint32_t get_by_index(const struct json_doc *doc, uint32_t array, struct slice token)
{
	uint64_t index;
	if (!slice_to_u64(token, &index) || (token.len > 1 && token.at[0] == '0'))
		return 0;
	uint32_t end = doc->nodes[array].next;
	for (uint32_t child = array + 1; child != end; child = doc->nodes[child].next)
		if (index-- == 0)
			return child;
	return 0;
}

uint32_t json_pointer_get(const struct json_doc *doc, uint32_t node, struct slice pointer)
{
	if (pointer.len == 0)
		return node;
	if (pointer.at[0] != '/')
		return 0;
	do {
		/* Between two slashes; an empty token is a name too ("/" leads to the member ""). */
		pointer.at++;
		pointer.len--;
		struct slice token = { pointer.at, slice_find(pointer, '/') };
		pointer.at += token.len;
		pointer.len -= token.len;
		switch (json_type_of(doc, node)) {
		case JSON_OBJECT:
			node = get_by_token(doc, node, token);
			break;
		case JSON_ARRAY:
			node = get_by_index(doc, node, token);
			break;
		default:
			return 0;
		}
	} while (node && pointer.len);
	return node;
}
