#include "tracking/markup.h"

void markup_put_html(struct buffer *out, struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		switch (text.at[i]) {
		case '&':
			buffer_append(out, SLICE("&amp;"));
			break;
		case '<':
			buffer_append(out, SLICE("&lt;"));
			break;
		case '>':
			buffer_append(out, SLICE("&gt;"));
			break;
		case '"':
			buffer_append(out, SLICE("&quot;"));
			break;
		case '\'':
			buffer_append(out, SLICE("&#39;"));
			break;
		default:
			buffer_append_char(out, text.at[i]);
		}
	}
}

void markup_put_markdown(struct buffer *out, struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];
		if (c == '\n' || c == '\r') {
			buffer_append_char(out, ' ');
			continue;
		}
		if (strchr("|*_<>`[]\\#", c))
			buffer_append_char(out, '\\');
		buffer_append_char(out, c);
	}
}

/* A backtick in it becomes a prime, and a bar is escaped, as tables ask for. */
void markup_put_markdown_code(struct buffer *out, struct slice text)
{
	buffer_append_char(out, '`');
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];
		if (c == '|')
			buffer_append_char(out, '\\');
		buffer_append_char(out, c == '`' ? '\'' : c == '\n' || c == '\r' ? ' ' : c);
	}
	buffer_append_char(out, '`');
}
