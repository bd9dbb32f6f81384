#include "identity/campaign.h"

#include "base/percent.h"
#include "base/query.h"
#include "base/utf8.h"

#define VALUE_BYTES_MAX 512
#define RAW_BYTES_MAX 4096
#define CLICK_ID_BYTES_MAX 1024

#define NAME(text)                     \
	{                              \
		text, sizeof(text) - 1 \
	}

const struct slice campaign_member_names[CAMPAIGN_MEMBERS] = { NAME("source"),
	                                                       NAME("medium"),
	                                                       NAME("name"),
	                                                       NAME("term"),
	                                                       NAME("content"),
	                                                       NAME("id"),
	                                                       NAME("source_platform"),
	                                                       NAME("creative_format"),
	                                                       NAME("marketing_tactic") };

static const struct slice parameters[CAMPAIGN_MEMBERS] = { NAME("utm_source"),          NAME("utm_medium"),
	                                                   NAME("utm_campaign"),        NAME("utm_term"),
	                                                   NAME("utm_content"),         NAME("utm_id"),
	                                                   NAME("utm_source_platform"), NAME("utm_creative_format"),
	                                                   NAME("utm_marketing_tactic") };

/* fbclid, srsltid and gclsrc are on links that nobody paid for, too. */
static const struct slice paid[] = { NAME("gclid"),     NAME("gbraid"), NAME("wbraid"),         NAME("gad_source"),
	                             NAME("dclid"),     NAME("ttclid"), NAME("msclkid"),        NAME("twclid"),
	                             NAME("li_fat_id"), NAME("ScCid"),  NAME("gad_campaignid"), NAME("rdt_cid"),
	                             NAME("yclid"),     NAME("obclid"), NAME("tblci"),          NAME("NaPm"),
	                             NAME("n_*") };

static bool is_text(struct slice s)
{
	for (size_t i = 0, len; i < s.len; i += len) {
		len = utf8_length(s.at + i, s.len - i);
		if (!len || (unsigned char)s.at[i] < 0x20)
			return false;
	}
	return true;
}

/* Old pages write their parameters in EUC-KR: such a value stays as it came. */
static struct slice decode(struct slice raw, struct arena *arena)
{
	struct slice text = percent_decode(raw, true, arena);
	if (!text.at || !is_text(text))
		text = raw;
	if (text.len > VALUE_BYTES_MAX) {
		text.len = VALUE_BYTES_MAX;
		while (text.len && ((unsigned char)text.at[text.len] & 0xc0) == 0x80)
			text.len--;
	}
	return text;
}

static void take_member(struct campaign *out, struct slice name, struct slice value, struct arena *arena)
{
	for (size_t i = 0; i < CAMPAIGN_MEMBERS; i++) {
		if (!slice_equal(name, parameters[i]))
			continue;
		if (out->values[i].len || value.len > RAW_BYTES_MAX)
			return;
		out->values[i] = decode(value, arena);
		out->member_count++;
		return;
	}
}

static void take_click_id(struct campaign *out, struct slice name, struct slice value)
{
	struct name_set paid_names;
	for (uint32_t i = 0; i < out->click_id_count; i++)
		if (slice_equal(out->click_ids[i].name, name))
			return;
	if (value.len > CLICK_ID_BYTES_MAX || out->click_id_count == CAMPAIGN_CLICK_IDS_MAX)
		return;
	name_set_init(&paid_names, paid, sizeof paid / sizeof paid[0]);
	out->is_paid = out->is_paid || name_set_has(&paid_names, name);
	out->click_ids[out->click_id_count].name = name;
	out->click_ids[out->click_id_count++].value = value;
}

void campaign_read(struct slice url, const struct name_set *click_ids, struct arena *arena, struct campaign *out)
{
	struct slice rest = query_of_url(url), name, value;
	out->click_id_count = out->member_count = 0;
	out->is_paid = false;
	memset(out->values, 0, sizeof out->values);
	while (query_next(&rest, &name, &value)) {
		if (!value.len)
			continue;
		if (slice_starts(name, SLICE("utm_")))
			take_member(out, name, value, arena);
		else if (name_set_has(click_ids, name))
			take_click_id(out, name, value);
	}
}
