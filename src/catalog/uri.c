/* Everything is done on texts: two URIs are the same here when their texts are, as JSON Schema has it. */
#include "catalog/uri.h"

#include "base/buffer.h"
#include "base/hex.h"

struct parts {
	struct slice scheme, authority, path, query, fragment; /* at == NULL: absent */
};

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Length of the scheme, 0 if there is none. */
static size_t scheme_length(struct slice text)
{
	if (!text.len || !is_alpha(text.at[0]))
		return 0;
	for (size_t i = 1; i < text.len; i++) {
		char c = text.at[i];
		if (c == ':')
			return i;
		if (!is_alpha(c) && !(c >= '0' && c <= '9') && c != '+' && c != '-' && c != '.')
			return 0;
	}
	return 0;
}

bool uri_is_absolute(struct slice reference)
{
	return scheme_length(reference) > 0;
}

/* Cuts `text` at the first `mark`; what stands behind it. */
static struct slice cut(struct slice *text, char mark)
{
	size_t at = slice_find(*text, mark);
	struct slice rest = SLICE_NONE;

	if (at < text->len)
		rest = (struct slice) { text->at + at + 1, text->len - at - 1 };
	text->len = at;
	return rest;
}

static struct parts split(struct slice text)
{
	struct parts p = { 0 };
	size_t scheme = scheme_length(text);

	p.fragment = cut(&text, '#');
	p.query = cut(&text, '?');
	if (scheme) {
		p.scheme = (struct slice) { text.at, scheme };
		text = (struct slice) { text.at + scheme + 1, text.len - scheme - 1 };
	}
	if (slice_starts(text, SLICE("//"))) {
		text = (struct slice) { text.at + 2, text.len - 2 };
		size_t end = slice_find(text, '/');
		p.authority = (struct slice) { text.at, end };
		text = (struct slice) { text.at + end, text.len - end };
	}
	p.path = text;
	return p;
}

/* Section 5.2.4, on what was appended to `out` from `start` on. */
static bool remove_dots(struct buffer *out, size_t start)
{
	size_t read = start, write = start;
	bool left_root = false;

	while (read < out->len) {
		size_t end = read + 1;
		while (end < out->len && out->at[end] != '/')
			end++;
		struct slice part = { out->at + read, end - read };
		bool is_last = end == out->len;
		if (slice_equal(part, SLICE("/..")) || slice_equal(part, SLICE("/."))) {
			if (part.len == 3) {
				left_root |= write == start;
				while (write > start && out->at[--write] != '/')
					;
			}
			if (is_last)
				out->at[write++] = '/';
		} else {
			memmove(out->at + write, part.at, part.len);
			write += part.len;
		}
		read = end;
	}
	out->len = write;
	return left_root;
}

static void append_path(struct buffer *out, const struct parts *base, const struct parts *ref)
{
	if (ref->path.len && ref->path.at[0] != '/' && !ref->scheme.at && !ref->authority.at) {
		size_t folder = base->path.len;
		while (folder > 0 && base->path.at[folder - 1] != '/')
			folder--;
		if (folder == 0 && base->authority.at)
			buffer_append_char(out, '/');
		buffer_append(out, (struct slice) { base->path.at, folder });
	}
	buffer_append(out, ref->path);
}

struct uri_result uri_resolve(struct arena *arena, struct slice base_text, struct slice reference)
{
	struct parts base = split(base_text), ref = split(reference);
	struct uri_result result = { .fragment = ref.fragment };
	bool own_authority = ref.scheme.at || ref.authority.at;
	struct buffer out;

	if (!ref.scheme.at && !ref.authority.at && !ref.path.len && !ref.query.at) {
		result.uri = base_text;
		return result;
	}
	buffer_init(&out, arena);
	buffer_append(&out, ref.scheme.at ? ref.scheme : base.scheme);
	buffer_append_char(&out, ':');
	struct slice authority = own_authority ? ref.authority : base.authority;
	if (authority.at) {
		buffer_append(&out, SLICE("//"));
		buffer_append(&out, authority);
	}
	size_t start = out.len;
	if (!own_authority && !ref.path.len)
		buffer_append(&out, base.path);
	else
		append_path(&out, &base, &ref);
	if (!out.failed && out.len > start && out.at[start] == '/')
		result.left_root = remove_dots(&out, start);
	if (ref.query.at) {
		buffer_append_char(&out, '?');
		buffer_append(&out, ref.query);
	}
	result.uri = out.failed ? SLICE_NONE : buffer_slice(&out);
	return result;
}

struct slice uri_decode(struct arena *arena, struct slice text)
{
	char *to = arena_alloc(arena, text.len + 1);
	size_t len = 0;

	for (size_t i = 0; to && i < text.len; i++) {
		to[len] = text.at[i];
		if (text.at[i] == '%') {
			int high = i + 2 < text.len ? hex_value(text.at[i + 1]) : -1;
			int low = i + 2 < text.len ? hex_value(text.at[i + 2]) : -1;
			if (high < 0 || low < 0 || high + low == 0)
				return SLICE_NONE;
			to[len] = (char)(high * 16 + low);
			i += 2;
		}
		len++;
	}
	return to ? (struct slice) { to, len } : SLICE_NONE;
}
