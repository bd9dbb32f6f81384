/* References: "#/$defs/x" within a file, "../../common/money.json#/$defs/price" from file to file, relative to where
 * the file lies, never outside the schemas' folder and never to the network. */
#include "catalog/compiler.h"

#define PATH_BYTES 512

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Percent-decoding of RFC 3986. SLICE_NONE: malformed, or no memory. */
static struct slice decode(struct compiler *c, struct slice text)
{
	char *to = arena_alloc(c->arena, text.len + 1);
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

/* Appends the parts of `path` to `to`, "." and ".." resolved. False: it would leave the root, or is too long. */
static bool join(char *to, size_t *len, struct slice path)
{
	while (path.len) {
		struct slice part = slice_split(&path, '/');
		if (part.len == 0 || slice_equal(part, SLICE(".")))
			continue;
		if (slice_equal(part, SLICE(".."))) {
			if (*len == 0)
				return false;
			while (*len > 0 && to[--*len] != '/')
				;
			continue;
		}
		if (*len + part.len + 1 > PATH_BYTES)
			return false;
		if (*len > 0)
			to[(*len)++] = '/';
		memcpy(to + *len, part.at, part.len);
		*len += part.len;
	}
	return true;
}

static struct schema_file *find_file(struct compiler *c, const struct place *at, struct slice uri)
{
	char path[PATH_BYTES];
	struct slice folder = at->file->path;
	size_t len = 0;

	if (uri.len == 0)
		return at->file;
	if (slice_find(uri, ':') < uri.len || uri.at[0] == '/') {
		compiler_refuse(c, at, "must be relative to this file; nothing is fetched from elsewhere");
		return NULL;
	}
	while (folder.len > 0 && folder.at[folder.len - 1] != '/')
		folder.len--;
	if (!c->root.len || !slice_ends(uri, SLICE(".json")) || !join(path, &len, folder) || !join(path, &len, uri)) {
		compiler_refuse(c, at, "must lead to a .json file within the schemas' folder");
		return NULL;
	}
	struct schema_file *file = compiler_add_file(c, (struct slice) { path, len });
	if (!file)
		error_prepend(c->err, "%.*s/%.*s#%.*s", SLICE_ARG(c->root), SLICE_ARG(at->file->path),
		              SLICE_ARG(at->pointer));
	return file;
}

const struct subschema *reference_resolve(struct compiler *c, const struct place *at)
{
	struct slice fragment = compiler_string(at->file, at->node);
	struct slice uri = slice_split(&fragment, '#');

	fragment = decode(c, fragment);
	uri = decode(c, uri);
	if (!fragment.at || !uri.at) {
		compiler_refuse(c, at, "not a reference: wrong percent-encoding");
		return NULL;
	}
	if (fragment.len && fragment.at[0] != '/') {
		compiler_refuse(c, at, "anchors are not supported yet: begin with #/");
		return NULL;
	}
	struct place target = { find_file(c, at, uri), 0, fragment };
	if (!target.file)
		return NULL;
	if (fragment.len)
		target.node = json_pointer_get(&target.file->doc, 0, fragment);
	if (fragment.len && !target.node) {
		compiler_refuse(c, at, "leads nowhere: %.*s has no %.*s", SLICE_ARG(target.file->path),
		                SLICE_ARG(fragment));
		return NULL;
	}
	return compiler_compile(c, &target);
}
