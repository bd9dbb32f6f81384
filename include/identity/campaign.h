/* What brought a visitor, as the page's URL tells it: campaign parameters under the names of the canonical event, click
 * ids under their own. Thread: any. */
#ifndef HEADGATE_IDENTITY_CAMPAIGN_H
#define HEADGATE_IDENTITY_CAMPAIGN_H

#include "base/arena.h"
#include "base/name_set.h"

#define CAMPAIGN_MEMBERS 9
#define CAMPAIGN_CLICK_IDS_MAX 16

struct campaign {
	struct slice values[CAMPAIGN_MEMBERS]; /* by campaign_member_names; empty: not there */
	struct {
		struct slice name, value;
	} click_ids[CAMPAIGN_CLICK_IDS_MAX];
	uint32_t click_id_count;
	uint32_t member_count; /* of values */
	bool is_paid;          /* one of the click ids stands for a click that was paid for */
};

enum { CAMPAIGN_SOURCE, CAMPAIGN_MEDIUM, CAMPAIGN_NAME, CAMPAIGN_TERM, CAMPAIGN_CONTENT, CAMPAIGN_ID };
extern const struct slice campaign_member_names[CAMPAIGN_MEMBERS];

/* The first parameter of a name counts. Values of campaign parameters are decoded (unless that gives no UTF-8) and cut
 * at 512 bytes, those of click ids are as they came; they lie in the URL or in the arena. */
void campaign_read(struct slice url, const struct name_set *click_ids, struct arena *arena, struct campaign *out);

#endif
