/* Header, then a section for each id that the header lists, in ascending order, separated by tildes. The US sections differ
 * in where their fields stand; all fields here are of two bits, 1 being "opted out". */
#include "privacy/gpp.h"

#include "privacy/bits.h"
#include "privacy/us_privacy.h"

#define HEADER_TYPE 3
#define HEADER_VERSION 1
#define SECTION_TCF_EU 2
#define SECTION_US_PRIVACY 6
#define SECTION_MAX 31 /* beyond: not known to us */
#define FIBONACCI_BITS_MAX 24
#define SEGMENT_GPC 1
#define OPTED_OUT 1

/* Offsets in bits of the opt-outs of sale, sharing and targeted advertising; 0: the section has none. `version`: of the
 * section, at its beginning. */
static const struct us_section {
	uint8_t id, version_max, sale, sharing, targeted;
} us_sections[] = {
	{ 7, 2, 18, 20, 22 }, /* usnat */
	{ 8, 1, 12, 14, 0 },  /* California */
	{ 9, 1, 12, 0, 14 },  /* Virginia */
	{ 10, 1, 12, 0, 14 }, /* Colorado */
	{ 11, 1, 14, 0, 16 }, /* Utah */
	{ 12, 1, 12, 0, 14 }, /* Connecticut */
	{ 13, 1, 12, 0, 14 }, /* Florida */
	{ 14, 1, 12, 0, 14 }, /* Montana */
	{ 15, 1, 12, 0, 14 }, /* Oregon */
	{ 16, 1, 12, 0, 14 }, /* Texas */
	{ 17, 1, 12, 0, 14 }, /* Delaware */
	{ 18, 1, 14, 0, 16 }, /* Iowa */
	{ 19, 1, 12, 0, 14 }, /* Nebraska */
	{ 20, 1, 12, 0, 14 }, /* New Hampshire */
	{ 21, 1, 12, 0, 14 }, /* New Jersey */
	{ 22, 1, 12, 0, 14 }, /* Tennessee */
	{ 23, 1, 12, 0, 14 }, /* Minnesota */
	{ 24, 1, 16, 0, 18 }, /* Maryland */
	{ 25, 1, 16, 0, 18 }, /* Indiana */
	{ 26, 1, 16, 0, 18 }, /* Kentucky */
	{ 27, 1, 16, 0, 18 }, /* Rhode Island */
};

/* A sum of Fibonacci numbers, the least first, ended by a second 1 in a row. */
static uint32_t read_fibonacci(struct bits *bits)
{
	uint32_t value = 0, weight = 1, next = 2;
	bool before = false;
	for (unsigned i = 0; i < FIBONACCI_BITS_MAX && !bits->failed; i++) {
		bool bit = bits_read(bits, 1);
		if (bit && before)
			return value;
		if (bit)
			value += weight;
		before = bit;
		uint32_t after = weight + next;
		weight = next;
		next = after;
	}
	bits->failed = true;
	return 0;
}

/* Ids as differences, single or in ranges. Sets a bit for each; an id that no bit is for ends it. */
static bool read_header(struct slice text, uint32_t *sections)
{
	struct bits bits = { .text = text };
	uint32_t last = 0;
	*sections = 0;
	if (bits_read(&bits, 6) != HEADER_TYPE || bits_read(&bits, 6) != HEADER_VERSION)
		return false;
	uint64_t entries = bits_read(&bits, 12);
	for (uint64_t i = 0; i < entries && !bits.failed; i++) {
		bool is_range = bits_read(&bits, 1);
		uint32_t first = last + read_fibonacci(&bits);
		last = is_range ? first + read_fibonacci(&bits) : first;
		if (bits.failed || first == 0 || last > SECTION_MAX)
			return false;
		for (uint32_t id = first; id <= last; id++)
			*sections |= 1u << id;
	}
	return !bits.failed;
}

static bool field_is_out(struct slice core, unsigned at)
{
	struct bits bits = { .text = core };
	bits_skip(&bits, at);
	return at && bits_read(&bits, 2) == OPTED_OUT;
}

/* The core segment, then perhaps one for GPC. */
static bool read_us(struct slice text, const struct us_section *section, struct gpp *out)
{
	struct slice core = slice_split(&text, '.');
	struct bits bits = { .text = core };
	uint64_t version = bits_read(&bits, 6);
	unsigned last = section->targeted ? section->targeted : section->sharing;
	bits_skip(&bits, last + 2 - 6);
	if (bits.failed || !bits_is_text(core) || version == 0 || version > section->version_max)
		return false;
	if (field_is_out(core, section->sale) || field_is_out(core, section->sharing) ||
	    field_is_out(core, section->targeted))
		out->is_opted_out = true;
	while (text.len) {
		struct bits more = { .text = slice_split(&text, '.') };
		if (bits_read(&more, 2) == SEGMENT_GPC && bits_read(&more, 1))
			out->is_opted_out = true;
		if (more.failed)
			return false;
	}
	return true;
}

/* Sections that are not about the US or the EU say nothing to us. */
static bool read_section(uint32_t id, struct slice text, struct gpp *out)
{
	if (id == SECTION_TCF_EU) {
		out->tcf = text;
		return text.len > 0;
	}
	if (id == SECTION_US_PRIVACY) {
		bool is_opted_out;
		if (!us_privacy_parse(text, &is_opted_out))
			return false;
		out->is_opted_out = out->is_opted_out || is_opted_out;
		return true;
	}
	for (size_t i = 0; i < sizeof us_sections / sizeof us_sections[0]; i++)
		if (us_sections[i].id == id)
			return read_us(text, &us_sections[i], out);
	return true;
}

bool gpp_parse(struct slice text, uint32_t applicable, struct gpp *out)
{
	uint32_t sections;
	bool ok = true;
	struct slice header = slice_split(&text, '~');
	*out = (struct gpp) { .tcf = SLICE_NONE };
	if (!bits_is_text(header) || !read_header(header, &sections))
		return false;
	for (uint32_t id = 0; id <= SECTION_MAX; id++) {
		if (!(sections & 1u << id))
			continue;
		if (!text.len)
			return false;
		struct slice section = slice_split(&text, '~');
		if (applicable == 0 || applicable & 1u << id)
			ok = read_section(id, section, out) && ok;
	}
	return ok && text.len == 0;
}
