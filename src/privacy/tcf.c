/* Segments are separated by dots. The first holds, at fixed places, times and purposes, then lists of vendors as bit
 * fields or ranges; the others begin with their type. The whole of the first must be there: a string that was cut off
 * may have lost a restriction. */
#include "privacy/tcf.h"

#include "privacy/bits.h"

#define VERSION 2
#define SEGMENT_DISCLOSED 1
#define MS_PER_DECISECOND 100

enum restriction { RESTRICTION_NOT_ALLOWED, RESTRICTION_REQUIRE_CONSENT, RESTRICTION_REQUIRE_INTEREST };

/* NumEntries(12) of { IsARange(1), Start(16) [, End(16)] }: is the vendor among them? */
static bool ranges_hold(struct bits *bits, uint32_t vendor)
{
	bool found = false;
	uint64_t entries = bits_read(bits, 12);
	for (uint64_t i = 0; i < entries && !bits->failed; i++) {
		bool is_range = bits_read(bits, 1);
		uint64_t first = bits_read(bits, 16);
		uint64_t last = is_range ? bits_read(bits, 16) : first;
		if (first == 0 || last < first)
			bits->failed = true;
		found = found || (vendor >= first && vendor <= last);
	}
	return found && !bits->failed;
}

/* MaxVendorId(16), IsRangeEncoding(1), then a bit for each vendor, or ranges. */
static bool vendors_hold(struct bits *bits, uint32_t vendor, uint64_t *highest)
{
	*highest = bits_read(bits, 16);
	if (bits_read(bits, 1))
		return ranges_hold(bits, vendor);
	if (vendor == 0 || vendor > *highest) {
		bits_skip(bits, *highest);
		return false;
	}
	bits_skip(bits, vendor - 1);
	bool found = bits_read(bits, 1);
	bits_skip(bits, *highest - vendor);
	return found && !bits->failed;
}

/* Purposes that the publisher does not allow the vendor, or only on legitimate interest. */
static uint32_t restricted_purposes(struct bits *bits, uint32_t vendor)
{
	uint32_t purposes = 0;
	uint64_t count = bits_read(bits, 12);
	for (uint64_t i = 0; i < count && !bits->failed; i++) {
		uint64_t purpose = bits_read(bits, 6);
		uint64_t type = bits_read(bits, 2);
		if (ranges_hold(bits, vendor) && purpose >= 1 && purpose <= 24 && type != RESTRICTION_REQUIRE_CONSENT)
			purposes |= 1u << (purpose - 1);
	}
	return purposes;
}

/* The first purpose is in the highest bit. */
static uint32_t read_purposes(struct bits *bits)
{
	uint32_t purposes = 0;
	for (unsigned i = 0; i < 24; i++)
		purposes |= (uint32_t)bits_read(bits, 1) << i;
	return purposes;
}

static bool parse_core(struct slice text, uint32_t vendor, struct tcf *out)
{
	struct bits bits = { .text = text };
	uint64_t highest;
	if (bits_read(&bits, 6) != VERSION)
		return false;
	int64_t created_ms = (int64_t)bits_read(&bits, 36) * MS_PER_DECISECOND;
	out->updated_ms = (int64_t)bits_read(&bits, 36) * MS_PER_DECISECOND;
	bits_skip(&bits, 12 + 12 + 6 + 12 + 12 + 6); /* CMP, its version, screen, language, vendor list, policy */
	bool is_service_specific = bits_read(&bits, 1);
	bits_skip(&bits, 1 + 12); /* non-standard texts, special features */
	out->purposes = read_purposes(&bits);
	bits_skip(&bits, 24 + 1 + 12); /* legitimate interest, treatment of purpose 1, the publisher's country */
	out->vendor_is_granted = vendors_hold(&bits, vendor, &highest) || vendor == 0;
	(void)vendors_hold(&bits, vendor, &highest); /* legitimate interest */
	out->purposes &= ~restricted_purposes(&bits, vendor);
	return !bits.failed && is_service_specific && out->updated_ms >= created_ms;
}

/* v2.3: vendors that were not shown to the person cannot have consent. Empty where nothing was noted. */
static bool parse_segment(struct slice text, uint32_t vendor, struct tcf *out)
{
	struct bits bits = { .text = text };
	uint64_t highest = 0;
	if (!bits_is_text(text))
		return false;
	if (bits_read(&bits, 3) != SEGMENT_DISCLOSED || bits.failed)
		return !bits.failed;
	bool is_disclosed = vendors_hold(&bits, vendor, &highest);
	if (vendor && highest && !is_disclosed)
		out->vendor_is_granted = false;
	return !bits.failed;
}

bool tcf_parse(struct slice text, uint32_t vendor, struct tcf *out)
{
	struct slice core = slice_split(&text, '.');
	*out = (struct tcf) { 0 };
	if (!bits_is_text(core) || !parse_core(core, vendor, out))
		return false;
	while (text.len) {
		struct slice segment = slice_split(&text, '.');
		if (!parse_segment(segment, vendor, out))
			return false;
	}
	return true;
}
