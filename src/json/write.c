/* Writing: bytes that came in go out as they are, less white space; text of our own is escaped. */
#include "base/utf8.h"
#include "json/json.h"

/* Copies what stands between two tokens, less the white space; behind the copy. */
static char *copy_gap(char *to, const char *from, const char *end)
{
	for (; from < end; from++)
		if (*from > ' ')
			*to++ = *from;
	return to;
}

static char *copy_bytes(char *to, const char *from, size_t len)
{
	memcpy(to, from, len);
	return to + len;
}

void json_write_node(struct buffer *out, const struct json_doc *doc, uint32_t node)
{
	struct slice raw = json_raw(doc, node);
	if (!(doc->nodes[node].flags & JSON_FLAG_SPACED)) {
		buffer_append(out, raw);
		return;
	}
	char *begin = buffer_reserve(out, raw.len);
	if (!begin)
		return;
	char *to = begin;
	const char *from = raw.at;
	/* Tokens are copied whole, and so are containers without white space; of the others only the brackets and
	 * commas around what they hold. */
	for (uint32_t i = node + 1; i < doc->nodes[node].next;) {
		const struct json_node *part = &doc->nodes[i];
		const char *at = doc->text + part->offset;
		to = copy_gap(to, from, at);
		bool spaced = part->flags & JSON_FLAG_SPACED;
		to = copy_bytes(to, at, spaced ? 1 : part->length);
		from = at + (spaced ? 1 : part->length);
		i = spaced ? i + 1 : part->next;
	}
	to = copy_gap(to, from, raw.at + raw.len);
	out->len += (size_t)(to - begin);
}

static void write_control(struct buffer *out, unsigned char c)
{
	static const char HEX[] = "0123456789abcdef";
	static const char SHORT[] = "\bb\tt\nn\ff\rr";
	for (size_t i = 0; i + 1 < sizeof SHORT; i += 2)
		if ((char)c == SHORT[i]) {
			buffer_append(out, (struct slice) { (char[]) { '\\', SHORT[i + 1] }, 2 });
			return;
		}
	buffer_append(out, (struct slice) { (char[]) { '\\', 'u', '0', '0', HEX[c >> 4], HEX[c & 15] }, 6 });
}

static void write_ascii_escape(struct buffer *out, unsigned char c)
{
	if (c == '"' || c == '\\')
		buffer_append(out, (struct slice) { (char[]) { '\\', (char)c }, 2 });
	else
		write_control(out, c);
}

static bool must_escape(unsigned char c)
{
	return c < 0x20 || c == '"' || c == '\\';
}

/* How many of the first bytes need no escape, eight at a time: a byte below 0x20, a quote or a backslash leaves its high
 * bit set (Hacker's Delight 6-1; bytes from 0x80 up are masked out, they never need one). */
static size_t plain_run(const char *at, size_t len)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
	size_t i = 0;
	for (uint64_t word; len - i >= sizeof word; i += sizeof word) {
		memcpy(&word, at + i, sizeof word);
		uint64_t quote = word ^ ones * '"', backslash = word ^ ones * '\\';
		uint64_t found = (word - ones * 0x20) | (quote - ones) | (backslash - ones);
		if (found & ~word & high)
			break;
	}
	while (i < len && !must_escape((unsigned char)at[i]))
		i++;
	return i;
}

void json_write_string(struct buffer *out, struct slice text)
{
	size_t done = 0;
	if (text.len == 0)
		text = SLICE(""); /* no arithmetic on NULL */
	/* One growth for the usual string, which needs no escape. */
	if (!buffer_reserve(out, text.len + 2))
		return;
	buffer_append_char(out, '"');
	for (;;) {
		size_t run = plain_run(text.at + done, text.len - done);
		buffer_append(out, (struct slice) { text.at + done, run });
		done += run;
		if (done == text.len)
			break;
		write_ascii_escape(out, (unsigned char)text.at[done++]);
	}
	buffer_append_char(out, '"');
}

/* Printable ASCII that stands for itself everywhere: nearly all there is. */
static size_t simple_run(const char *at, size_t len)
{
	size_t i = 0;
	while (i < len && at[i] >= ' ' && at[i] < 0x7f && at[i] != '"' && at[i] != '\\' && at[i] != '<')
		i++;
	return i;
}

void json_write_string_safe(struct buffer *out, struct slice text)
{
	buffer_append_char(out, '"');
	for (size_t i = 0, len; i < text.len; i += len) {
		const char *at = text.at + i;
		len = simple_run(at, text.len - i);
		if (len) {
			buffer_append(out, (struct slice) { at, len });
			continue;
		}
		len = utf8_length(at, text.len - i);
		if (len == 0) {
			buffer_append(out, SLICE(UTF8_REPLACEMENT));
			len = 1;
		} else if (len == 1 && must_escape((unsigned char)*at)) {
			write_ascii_escape(out, (unsigned char)*at);
		} else if (*at == '<') {
			buffer_append(out, SLICE("\\u003c"));
		} else if (len == 3 && (memcmp(at, "\xe2\x80\xa8", 3) == 0 || memcmp(at, "\xe2\x80\xa9", 3) == 0)) {
			buffer_append(out, (unsigned char)at[2] == 0xa8 ? SLICE("\\u2028") : SLICE("\\u2029"));
		} else {
			buffer_append(out, (struct slice) { at, len });
		}
	}
	buffer_append_char(out, '"');
}

void json_write_pointer_step(struct buffer *out, struct slice name)
{
	buffer_append_char(out, '/');
	for (size_t i = 0; i < name.len; i++) {
		if (name.at[i] == '~')
			buffer_append(out, SLICE("~0"));
		else if (name.at[i] == '/')
			buffer_append(out, SLICE("~1"));
		else
			buffer_append_char(out, name.at[i]);
	}
}
