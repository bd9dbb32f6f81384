/* What consent does to an event, and what a person can do. */
#include "tracking/processing.h"

static void put_code_list(struct processing *p, const struct slices *names)
{
	for (size_t i = 0; i < names->count; i++) {
		page_put_text(&p->page, i ? SLICE(", ") : SLICE(""));
		page_put_code(&p->page, names->at[i]);
	}
}

static void put_decision(struct processing *p)
{
	page_put_paragraph(
	        &p->page,
	        "For each event and purpose it is decided before anything is stored. Consent is read from the "
	        "event itself, Google's consent mode, strings of the IAB (TCF, GPP, US Privacy), the "
	        "browser's signal Global Privacy Control%s, and the cookie that keeps the last choice. If "
	        "every statement is dated the latest decides, else the strictest.",
	        p->cfg->consent.honor_dnt ? " and Do Not Track" : "");
	page_begin_paragraph(&p->page);
	page_put_text(&p->page, SLICE("An opt-out of sale and sharing denies "));
	put_code_list(p, &p->cfg->consent.opt_out_purposes);
	page_put_text(&p->page, SLICE(" whatever else was said. Where nothing was said, the source's default holds "
	                              "(above); where there is none, it counts as a refusal."));
	page_end_paragraph(&p->page);
}

bool processing_put_consent(struct processing *p, struct error *err)
{
	static const char *const columns[] = { "What was allowed", "What becomes of the event" };
	static const char *const rows[][2] = {
		{ "All purposes of the event, and ads",
		  "kept: with all that it carries, personal data by the rules below" },
		{ "Some of it", "reduced: without click ids, ids of advertising platforms and hashed contact data; the "
		                "address is truncated" },
		{ "No purpose of the event", "stripped: without ids, address, title, free text, contact data and what "
		                             "is marked personal; no cookie "
		                             "is read or set; the referrer is cut to its origin, numbers and ids in "
		                             "addresses of pages become *. Or "
		                             "dropped: not stored at all, where the source says so" },
	};

	(void)err;
	put_decision(p);
	page_begin_table(&p->page, SLICE("What consent does"), columns, 2);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		page_begin_row(&p->page);
		page_put_cell(&p->page, "%s", rows[i][0]);
		page_put_cell(&p->page, "%s", rows[i][1]);
		page_end_row(&p->page);
	}
	page_end_table(&p->page);
	page_put_paragraph(
	        &p->page, "Whatever consent says, resident registration numbers and numbers of payment cards are "
	                  "redacted wherever they stand, and so are e-mail addresses in places that are not for them.");
	page_put_paragraph(
	        &p->page, "A stripped event is not anonymous: what a person bought, when, and by which browser may "
	                  "still tell who it was. A change of consent is stored itself, with time and version, under "
	                  "the id that the person had, so that consumers learn of a withdrawal; a refusal at the first "
	                  "visit gets no id.");
	return true;
}

static void put_command(struct processing *p, const char *before, const char *command, const char *after)
{
	page_begin_item(&p->page);
	page_put_text(&p->page, slice_of(before));
	page_put_code(&p->page, slice_of(command));
	page_put_text(&p->page, slice_of(after));
	page_end_item(&p->page);
}

bool processing_put_rights(struct processing *p, struct error *err)
{
	(void)err;
	page_begin_paragraph(&p->page);
	page_put_text(&p->page, SLICE("To refuse or withdraw consent, to object, to ask for a copy or for erasure: "));
	processing_put_stated(p, p->cfg->statements.refusal, "privacy.refusal");
	page_end_paragraph(&p->page);
	page_put_paragraph(&p->page, "Whoever operates this instance then does:");
	page_begin_list(&p->page);
	put_command(p, "A copy: ", "headgate find --id ID",
	            " prints all that journal, event files, dead letters and quarantine hold of an id.");
	put_command(p, "Erasure: ", "headgate erase --id ID",
	            " erases the same and writes a record to the topic of erasures, for consumers to do likewise.");
	put_command(p, "No more: ", "headgate erase --id ID --suppress", " refuses later events of that id as well.");
	page_put_item(&p->page, "What Kafka and the recipients hold already is not reached by these: the operator of "
	                        "each must erase there.");
	page_end_list(&p->page);
	return true;
}
