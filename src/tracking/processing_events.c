/* What is collected: of the connection and with each event, and by each event of its own. Personal data are marked, with
 * what becomes of them. */
#include "tracking/processing.h"

static const char *action_text(struct processing *p, enum pii_action action)
{
	switch (action) {
	case PII_KEEP:
		return "kept";
	case PII_DROP:
		return "dropped";
	case PII_MASK:
		return "masked";
	case PII_HASH:
		break;
	}
	return p->cfg->privacy.hash == PII_HASH_HMAC ? "dropped; where ads are granted, its hash under a secret is kept"
	                                             : "dropped; where ads are granted, its SHA-256 is kept";
}

/* What the schema says, else the configuration's rule for the kind. */
static const char *rule_text(struct processing *p, const struct outline_row *row)
{
	static const struct slice names[] = { { "keep", 4 }, { "drop", 4 }, { "mask", 4 }, { "hash", 4 } };
	const struct {
		const char *kind;
		enum pii_action action;
	} rules[] = {
		{ "email", p->cfg->privacy.pii.email }, { "phone", p->cfg->privacy.pii.phone },
		{ "name", p->cfg->privacy.pii.name },   { "address", p->cfg->privacy.pii.address },
		{ "id", p->cfg->privacy.pii.id },       { "free_text", p->cfg->privacy.pii.free_text },
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (slice_equal(row->pii_action, names[i]))
			return action_text(p, (enum pii_action)i);
	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
		if (slice_equal(row->pii, slice_of(rules[i].kind)))
			return action_text(p, rules[i].action);
	return "as the source's rule for addresses says";
}

/* `within`: the marked row that this one is a part of; NULL: none. */
static void put_row(struct processing *p, const struct outline_row *row, const struct outline_row *within)
{
	const struct outline_row *marked = row->pii.len ? row : within;

	page_begin_row(&p->page);
	page_begin_cell(&p->page);
	page_put_code(&p->page, row->path);
	page_put_cell(&p->page, "%.*s", SLICE_ARG(row->description));
	page_begin_cell(&p->page);
	if (marked)
		page_put_tag(&p->page, marked->pii);
	page_begin_cell(&p->page);
	if (marked)
		page_put_text(&p->page, slice_of(rule_text(p, marked)));
	else
		page_put_text(&p->page, SLICE("as sent"));
	page_end_row(&p->page);
}

/* address.city of address, items[].note of items */
static bool is_part(const struct outline_row *row, const struct outline_row *of)
{
	return of && slice_starts(row->path, of->path) && row->path.len > of->path.len &&
	       strchr(".[", row->path.at[of->path.len]);
}

static void put_rows(struct processing *p, struct slice caption, const struct outline *outline)
{
	static const char *const columns[] = { "Property", "Meaning", "Marked personal as", "Stored" };

	const struct outline_row *within = NULL;

	if (!outline->count)
		return;
	page_begin_table(&p->page, caption, columns, 4);
	for (size_t i = 0; i < outline->count; i++) {
		const struct outline_row *row = &outline->rows[i];
		if (!is_part(row, within))
			within = row->pii.len ? row : NULL;
		put_row(p, row, within == row ? NULL : within);
	}
	page_end_table(&p->page);
}

static void put_names(struct processing *p, const char *before, const struct slice *names, size_t count)
{
	page_put_text(&p->page, slice_of(before));
	for (size_t i = 0; i < count; i++) {
		page_put_text(&p->page, i ? SLICE(", ") : SLICE(""));
		page_put_code(&p->page, names[i]);
	}
	page_put_text(&p->page, SLICE(". "));
}

static bool put_event(struct processing *p, struct slice name, struct error *err)
{
	const struct event_schema *schema = docs_default(&p->docs, name);
	struct slice topic = schema->topic.len ? schema->topic : p->cfg->topics.events;
	struct docs_version v;

	if (!docs_read_version(&p->docs, schema, &v, err))
		return false;
	page_put_heading(&p->page, arena_print(p->docs.src.arena, "event-%.*s", SLICE_ARG(name)), name, v.title);
	page_put_paragraph(&p->page, "%.*s %.*s", SLICE_ARG(v.description), SLICE_ARG(v.when));
	page_begin_paragraph(&p->page);
	put_names(p, "Purposes: ", schema->purposes, schema->purposes_count);
	put_names(p, "Goes to: ", &topic, 1);
	if (v.outline.open)
		page_put_text(&p->page, SLICE("Other properties than these are taken as they come."));
	page_end_paragraph(&p->page);
	put_rows(p, arena_print(p->docs.src.arena, "Properties of %.*s", SLICE_ARG(name)), &v.outline);
	return true;
}

bool processing_put_events(struct processing *p, struct error *err)
{
	page_put_paragraph(&p->page,
	                   "The version is described that is used where senders name none. Properties are removed or "
	                   "changed beyond this where consent asks for it. Whatever stands beside an id of a person is "
	                   "personal data; the marks say what gets a treatment of its own.");
	for (size_t i = 0; i < catalog_event_count(p->docs.cat); i++)
		if (!put_event(p, catalog_event_name(p->docs.cat, i), err))
			return false;
	return true;
}

/* A shared definition, if the catalog has it. */
static bool put_shared(struct processing *p, bool is_there, struct slice path, struct slice caption, struct error *err)
{
	struct outline outline;
	const struct source_file *file = is_there ? source_read(&p->docs.src, path, err) : NULL;

	if (!is_there)
		return true;
	if (!file)
		return false;
	if (!outline_read(&p->docs.src, (struct spot) { file, 0 }, &outline))
		return error_set(err, ERROR_SCHEMA, "%.*s: too many properties to tell of", SLICE_ARG(path));
	put_rows(p, caption, &outline);
	return true;
}

static bool sets_cookies(const struct config *cfg)
{
	for (size_t i = 0; i < cfg->sources_count; i++)
		if (cfg->sources[i].kind == SOURCE_BROWSER && cfg->sources[i].cookies != SOURCE_COOKIES_OFF)
			return true;
	return false;
}

static void put_cookie(struct processing *p, struct slice name, const char *holds, struct slice how_long)
{
	page_begin_row(&p->page);
	page_begin_cell(&p->page);
	page_put_code(&p->page, name);
	page_put_cell(&p->page, "%s", holds);
	page_put_cell(&p->page, "%.*s", SLICE_ARG(how_long));
	page_end_row(&p->page);
}

static void put_cookies(struct processing *p)
{
	static const char *const columns[] = { "Cookie", "Holds", "How long" };
	const struct config *cfg = p->cfg;

	if (!sets_cookies(cfg)) {
		page_put_paragraph(&p->page, "No cookie is read or set.");
		return;
	}
	page_put_paragraph(&p->page, "Cookies are set by the server (HttpOnly), and only as far as consent allows:");
	page_begin_table(&p->page, SLICE("Cookies"), columns, 3);
	put_cookie(p, cfg->cookies.id_name, "an id of the visitor, by chance, with a tag that shows forgery",
	           cfg->cookies.renew == COOKIES_RENEW_DAILY ? SLICE("390 days from the last visit")
	                                                     : SLICE("390 days from the first visit"));
	put_cookie(p, cfg->cookies.session_name, "the visit: its id and when it began",
	           arena_print(p->docs.src.arena, "the visit, which ends after %.*s of inactivity",
	                       SLICE_ARG(processing_time_text(p, cfg->session.timeout_ms))));
	put_cookie(p, cfg->cookies.consent_name, "the last choice of consent, its time and version", SLICE("180 days"));
	page_end_table(&p->page);
}

bool processing_put_common(struct processing *p, struct error *err)
{
	page_begin_list(&p->page);
	page_put_item(&p->page,
	              "Name, time and event_id of the event; the time of its arrival; the source and the program that "
	              "sent it; what consent said and who said it.");
	page_put_item(&p->page, "Ids: anonymous_id, user_id, session_id, device_id and others that the sender names; "
	                        "for browsers also those of the cookies below.");
	page_put_item(&p->page, "Of the connection, for browsers and apps: the address, the browser's name (user agent "
	                        "and client hints). For servers these come from the event.");
	page_put_item(&p->page, "What follows from these: campaign and click ids of the page's address, class of the "
	                        "referrer, class of the device, whether it is a known robot or the shop's own people.");
	if (p->cfg->context.geo_database.len)
		page_put_item(&p->page,
		              "Country and city, looked up by the address before it is cut; of stripped events the "
		              "country alone.");
	page_end_list(&p->page);
	put_cookies(p);
	return put_shared(p, catalog_context(p->docs.cat) != NULL, SLICE("common/context.json"),
	                  SLICE("Context of an event"), err) &&
	       put_shared(p, catalog_user(p->docs.cat) != NULL, SLICE("common/user.json"),
	                  SLICE("What an event may say of the person"), err);
}
