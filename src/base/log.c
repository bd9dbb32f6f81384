/* A line is written with one write(2), so that lines of several threads do not mix. The pairs are told apart by the
 * format, not by their values: before printing, each space of the format that stands before a name is replaced by a
 * separator that holds a random number of this process, so no value can forge another field. A failed write is
 * ignored: there is nowhere left to say so. */
#include "base/log.h"

#include <assert.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/utf8.h"

#define PER_SECOND_MAX 10
#define VALUE_BYTES_MAX 512
#define TEXT_BYTES_MAX 8192
#define FORMAT_BYTES_MAX 1024
#define PAIRS_MAX 32

_Static_assert(VALUE_BYTES_MAX >= sizeof((struct error) { 0 }.message), "what is wrong is told whole");

static const char *const LEVELS[] = { "error", "warn", "info", "debug" };

static struct {
	_Atomic int level;
	_Atomic bool as_json;
	_Atomic bool ready;
	char separator[24];
	size_t separator_len;
} state = { .level = LOG_INFO, .as_json = true, .separator = "\x1f", .separator_len = 1 };

void log_init(enum log_level level, enum log_format format)
{
	bool as_json = format == LOG_FORMAT_JSON || (format == LOG_FORMAT_AUTO && !isatty(STDERR_FILENO));
	if (!state.ready) {
		uint64_t number;
		hash_random(&number, sizeof number);
		state.separator_len = (size_t)snprintf(state.separator, sizeof state.separator, "\x1f%llx\x1f",
		                                       (unsigned long long)(number >> 24));
		state.ready = true;
	}
	state.level = (int)level;
	state.as_json = as_json;
}

/* Counts this call; false if it is to be held back. `suppressed` is what the site's last second held back. */
static bool admit(struct log_site *site, uint32_t *suppressed)
{
	uint64_t second = (uint64_t)(clock_monotonic_ms() / 1000) & UINT32_MAX;
	uint64_t seen = atomic_load_explicit(&site->window, memory_order_relaxed);
	uint64_t next;
	do {
		next = seen >> 32 == second ? seen + ((uint32_t)seen < UINT32_MAX) : second << 32 | 1;
	} while (!atomic_compare_exchange_weak_explicit(&site->window, &seen, next, memory_order_relaxed,
	                                                memory_order_relaxed));
	bool same_second = seen >> 32 == second;
	*suppressed = !same_second && (uint32_t)seen > PER_SECOND_MAX ? (uint32_t)seen - PER_SECOND_MAX : 0;
	return (uint32_t)next <= PER_SECOND_MAX;
}

/* As utf8_length, but C1 controls count as ill-formed too: terminals obey them. */
static size_t printable_length(const char *at, size_t len)
{
	bool c1 = len >= 2 && at[0] == '\xc2' && (unsigned char)at[1] < 0xa0;
	return c1 ? 0 : utf8_length(at, len);
}

static void write_escaped(struct buffer *out, struct slice value)
{
	size_t end = value.len < VALUE_BYTES_MAX ? value.len : VALUE_BYTES_MAX;
	for (size_t i = 0; i < end;) {
		unsigned char c = (unsigned char)value.at[i];
		size_t len = printable_length(value.at + i, value.len - i);
		if (i + len > end)
			break;
		if (len == 0)
			buffer_append_format(out, "\\ufffd");
		else if (c == '"' || c == '\\')
			buffer_append_format(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			buffer_append_format(out, "\\u%04x", c);
		else
			buffer_append(out, (struct slice) { value.at + i, len });
		i += len ? len : 1;
	}
	if (value.len > VALUE_BYTES_MAX)
		buffer_append(out, SLICE("…"));
}

static bool is_plain(struct slice value)
{
	for (size_t i = 0; i < value.len; i++)
		if (value.at[i] <= ' ' || value.at[i] == '"' || value.at[i] == '\\' || value.at[i] >= 0x7f)
			return false;
	return value.len > 0 && value.len <= VALUE_BYTES_MAX;
}

static void write_pair(struct buffer *out, bool as_json, struct slice name, struct slice value, bool number)
{
	if (as_json) {
		buffer_append(out, SLICE(",\""));
		write_escaped(out, name);
		buffer_append(out, SLICE("\":"));
	} else {
		buffer_append_char(out, ' ');
		write_escaped(out, name);
		buffer_append_char(out, '=');
	}
	bool bare = as_json ? number : is_plain(value);
	if (!bare)
		buffer_append_char(out, '"');
	write_escaped(out, value);
	if (!bare)
		buffer_append_char(out, '"');
}

static bool begins_pair(const char *at)
{
	size_t len = 0;
	while ((at[len] >= 'a' && at[len] <= 'z') || (at[len] >= '0' && at[len] <= '9') || at[len] == '_')
		len++;
	return len > 0 && at[len] == '=';
}

/* True for one decimal integer conversion and nothing else. */
static bool is_integer(const char *at, const char *end)
{
	if (at == end || *at++ != '%')
		return false;
	while (at < end && (*at == 'l' || *at == 'z' || *at == 'j' || *at == 'h'))
		at++;
	return end - at == 1 && (*at == 'd' || *at == 'u' || *at == 'i');
}

/* The format with separators between the pairs; bit i of `numbers` tells that pair i is an integer. */
static void split_format(const char *fields, char *to, size_t size, uint32_t *numbers)
{
	size_t len = 0;
	*numbers = 0;
	for (unsigned pair = 0; *fields; pair++) {
		size_t used = 0;
		while (fields[used] && !(fields[used] == ' ' && begins_pair(fields + used + 1)))
			used++;
		const char *value = memchr(fields, '=', used);
		if (value && pair < PAIRS_MAX && is_integer(value + 1, fields + used))
			*numbers |= UINT32_C(1) << pair;
		/* A format is written by us, never by a caller: one that does not fit is a mistake in the source. */
		assert(len + used + state.separator_len + 1 <= size);
		memcpy(to + len, fields, used);
		len += used;
		fields += used;
		if (*fields == ' ') {
			memcpy(to + len, state.separator, state.separator_len);
			len += state.separator_len;
			fields++;
		}
	}
	to[len] = '\0';
}

static void write_fields(struct buffer *out, bool as_json, struct slice text, uint32_t numbers)
{
	for (unsigned pair = 0; text.len; pair++) {
		const char *cut = memmem(text.at, text.len, state.separator, state.separator_len);
		size_t len = cut ? (size_t)(cut - text.at) : text.len;
		struct slice value = { text.at, len };
		struct slice name = slice_split(&value, '=');
		if (name.len)
			write_pair(out, as_json, name, value, pair < PAIRS_MAX && (numbers >> pair & 1));
		size_t used = cut ? len + state.separator_len : len;
		text.at += used;
		text.len -= used;
	}
}

static void begin_line(struct buffer *out, bool as_json, enum log_level level, const char *event)
{
	char time[CLOCK_TEXT_BYTES];
	clock_format(clock_wall_ms(), time);
	struct slice name = slice_of(LEVELS[level]);
	if (!as_json) {
		buffer_append_format(out, "%.*s %-5s %s", CLOCK_TEXT_BYTES, time, name.at, event);
		return;
	}
	buffer_append_format(out, "{\"time\":\"%.*s\",\"level\":\"%s\",\"event\":\"%s\"", CLOCK_TEXT_BYTES, time,
	                     name.at, event);
}

void log_write(struct log_site *site, enum log_level level, const char *event, const char *fields, ...)
{
	char format[FORMAT_BYTES_MAX], text[TEXT_BYTES_MAX];
	uint32_t suppressed, numbers;
	if ((int)level > state.level || !admit(site, &suppressed))
		return;
	bool as_json = state.as_json;
	split_format(fields, format, sizeof format, &numbers);
	va_list args;
	va_start(args, fields);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	int len = vsnprintf(text, sizeof text, format, args);
#pragma GCC diagnostic pop
	va_end(args);
	struct buffer out;
	buffer_init(&out, NULL);
	begin_line(&out, as_json, level, event);
	size_t whole = len < 0 ? 0 : (size_t)len < sizeof text ? (size_t)len : sizeof text - 1;
	write_fields(&out, as_json, (struct slice) { text, whole }, numbers);
	if (suppressed)
		buffer_append_format(&out, as_json ? ",\"suppressed\":%u" : " suppressed=%u", suppressed);
	buffer_append(&out, as_json ? SLICE("}\n") : SLICE("\n"));
	ssize_t put = out.failed ? 0 : write(STDERR_FILENO, out.at, out.len);
	(void)put;
	buffer_fini(&out);
}
