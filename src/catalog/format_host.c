/* Addresses: IPv4, IPv6, names of hosts, mailboxes. */
#include "catalog/format.h"

#include "base/hex.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_one_of(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

bool format_is_ipv4(struct slice text)
{
	size_t i = 0;

	for (int part = 0; part < 4; part++) {
		int value = 0;
		if (part > 0 && (i >= text.len || text.at[i] != '.'))
			return false;
		i += part > 0;
		size_t from = i;
		for (; i < text.len && is_digit(text.at[i]) && i - from < 3; i++)
			value = value * 10 + (text.at[i] - '0');
		if (i == from || value > 255 || (i - from > 1 && text.at[from] == '0'))
			return false;
	}
	return i == text.len;
}

bool format_is_ipv6(struct slice text)
{
	size_t i = 0, groups = 0;
	bool gap = false;

	if (text.len >= 2 && text.at[0] == ':' && text.at[1] == ':') {
		gap = true;
		i = 2;
	}
	while (i < text.len) {
		size_t from = i;
		while (i < text.len && hex_is_digit(text.at[i]))
			i++;
		if (i < text.len && text.at[i] == '.') {
			struct slice quad = { text.at + from, text.len - from };
			groups += 2;
			return format_is_ipv4(quad) && (gap ? groups <= 7 : groups == 8);
		}
		if (i == from || i - from > 4 || ++groups > 8)
			return false;
		if (i == text.len)
			break;
		if (text.at[i++] != ':' || i == text.len)
			return false;
		if (text.at[i] == ':') {
			if (gap)
				return false;
			gap = true;
			i++;
		}
	}
	return gap ? groups <= 7 : groups == 8;
}

static bool is_host_name(struct slice text)
{
	if (text.len == 0 || text.len > 253)
		return false;
	for (struct slice rest = text; rest.at;) {
		size_t len = slice_find(rest, '.');
		if (len == 0 || len > 63 || rest.at[0] == '-' || rest.at[len - 1] == '-')
			return false;
		for (size_t i = 0; i < len; i++)
			if (!is_alpha(rest.at[i]) && !is_digit(rest.at[i]) && rest.at[i] != '-')
				return false;
		if (len == rest.len)
			return true;
		rest = (struct slice) { rest.at + len + 1, rest.len - len - 1 };
	}
	return false;
}

/* RFC 1123; labels that stand for other scripts ("xn--…") must do so rightly. */
bool format_is_hostname(struct slice text)
{
	if (!is_host_name(text))
		return false;
	for (struct slice rest = text; rest.len;) {
		struct slice label = slice_split(&rest, '.');
		if (label.len <= 3 || label.at[2] != '-' || label.at[3] != '-')
			continue;
		struct slice prefix = { label.at, 4 };
		return slice_equal_nocase(prefix, SLICE("xn--")) && format_is_idn_hostname(text);
	}
	return true;
}

static bool is_mail_domain(struct slice text)
{
	if (text.len < 2 || text.at[0] != '[')
		return is_host_name(text);
	if (text.at[text.len - 1] != ']')
		return false;
	struct slice inner = { text.at + 1, text.len - 2 };
	if (inner.len > 5 && slice_equal_nocase((struct slice) { inner.at, 5 }, SLICE("IPv6:")))
		return format_is_ipv6((struct slice) { inner.at + 5, inner.len - 5 });
	return format_is_ipv4(inner);
}

static bool is_quoted_local(struct slice text, bool international)
{
	for (size_t i = 1; i + 1 < text.len; i++) {
		char c = text.at[i];
		if (c == '\\' && ++i + 1 >= text.len)
			return false;
		unsigned char byte = (unsigned char)text.at[i];
		if (c == '"' || byte < 32 || byte == 127 || (byte > 127 && !international))
			return false;
	}
	return text.len > 2 && text.at[text.len - 1] == '"';
}

static bool is_dotted_local(struct slice text, bool international)
{
	if (text.at[0] == '.' || text.at[text.len - 1] == '.')
		return false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];
		if (c == '.' && text.at[i - 1] == '.')
			return false;
		if (international && (unsigned char)c > 127)
			continue;
		if (!is_alpha(c) && !is_digit(c) && !is_one_of(c, "!#$%&'*+-/=?^_`{|}~."))
			return false;
	}
	return true;
}

static bool is_mailbox(struct slice text, bool international)
{
	size_t at = text.len;

	while (at > 0 && text.at[at - 1] != '@')
		at--;
	if (at < 2 || at > 65)
		return false;
	struct slice local = { text.at, at - 1 };
	struct slice domain = { text.at + at, text.len - at };
	if (!(local.at[0] == '"' ? is_quoted_local(local, international) : is_dotted_local(local, international)))
		return false;
	return is_mail_domain(domain) || (international && format_is_idn_hostname(domain));
}

bool format_is_email(struct slice text)
{
	return is_mailbox(text, false);
}

bool format_is_idn_email(struct slice text)
{
	return is_mailbox(text, true);
}
