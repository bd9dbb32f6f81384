/* The page's frame, and what is said about purposes, recipients and rights. The body is written first, so that its
 * beginning can tell how much is missing. */
#include "tracking/processing.h"

#define MEMORY_BYTES ((size_t)512 * 1024 * 1024)

static const struct {
	struct page_section section;
	bool (*put)(struct processing *p, struct error *err);
} parts[] = {
	{ { "purposes", "Why: purposes and legal basis" }, processing_put_purposes },
	{ { "sources", "Who sends" }, processing_put_sources },
	{ { "consent", "What consent does" }, processing_put_consent },
	{ { "common", "What is collected with every event" }, processing_put_common },
	{ { "events", "What each event collects" }, processing_put_events },
	{ { "stores", "Where it is kept, and how long" }, processing_put_stores },
	{ { "recipients", "Who receives it, and where" }, processing_put_recipients },
	{ { "rights", "What a person can do" }, processing_put_rights },
};

#define PARTS (sizeof parts / sizeof *parts)

struct slice processing_find(const struct config_pairs *pairs, struct slice name)
{
	for (size_t i = 0; i < pairs->count; i++)
		if (slice_equal(pairs->at[i].name, name) && pairs->at[i].value.len)
			return pairs->at[i].value;
	return SLICE_NONE;
}

void processing_put_stated(struct processing *p, struct slice stated, const char *key)
{
	if (stated.len) {
		page_put_text(&p->page, stated);
		return;
	}
	p->gaps++;
	page_put_gap(&p->page, arena_print(p->docs.src.arena, "not stated (%s)", key));
}

void processing_put_stated_cell(struct processing *p, struct slice stated, const char *key)
{
	page_begin_cell(&p->page);
	processing_put_stated(p, stated, key);
}

struct slice processing_time_text(struct processing *p, uint64_t ms)
{
	static const struct {
		uint64_t ms;
		const char *name;
	} units[] = { { 86400000, "day" }, { 3600000, "hour" }, { 60000, "minute" }, { 1000, "second" } };

	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		if (ms && ms % units[i].ms == 0)
			return arena_print(p->docs.src.arena, "%llu %s%s", (unsigned long long)(ms / units[i].ms),
			                   units[i].name, ms == units[i].ms ? "" : "s");
	return arena_print(p->docs.src.arena, "%llu ms", (unsigned long long)ms);
}

static bool has_purpose(const struct event_schema *schema, struct slice purpose)
{
	for (size_t i = 0; i < schema->purposes_count; i++)
		if (slice_equal(schema->purposes[i], purpose))
			return true;
	return false;
}

static void put_purpose(struct processing *p, struct slice purpose, const char *built_in)
{
	const struct config *cfg = p->cfg;
	struct slice what = processing_find(&cfg->statements.purposes, purpose);
	size_t count = 0;

	page_begin_row(&p->page);
	page_begin_cell(&p->page);
	page_put_code(&p->page, purpose);
	processing_put_stated_cell(p, what.len || !built_in ? what : slice_of(built_in), "privacy.purposes");
	processing_put_stated_cell(p, processing_find(&cfg->statements.legal_basis, purpose), "privacy.legal_basis");
	page_begin_cell(&p->page);
	for (size_t i = 0; i < catalog_event_count(p->docs.cat); i++) {
		struct slice name = catalog_event_name(p->docs.cat, i);
		if (!has_purpose(docs_default(&p->docs, name), purpose))
			continue;
		page_put_text(&p->page, count++ ? SLICE(", ") : SLICE(""));
		page_put_code(&p->page, name);
	}
	if (!count)
		page_put_text(&p->page, SLICE("no event has it for its own"));
	page_end_row(&p->page);
}

static bool is_listed(struct slice purpose, const struct slice *listed, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (slice_equal(listed[i], purpose))
			return true;
	return false;
}

/* Those that events have, and ads, for whose sake more is kept of any event. */
bool processing_put_purposes(struct processing *p, struct error *err)
{
	static const char *const columns[] = { "Purpose", "What for", "Legal basis", "Events" };
	struct slice *listed;
	size_t count = 0, room = 1;

	for (size_t i = 0; i < catalog_schema_count(p->docs.cat); i++)
		room += catalog_schema_at(p->docs.cat, i)->purposes_count;
	listed = arena_array(p->docs.src.arena, room, sizeof *listed);
	if (!listed)
		return error_set(err, ERROR_MEMORY, "no memory for the page");
	for (size_t i = 0; i < catalog_schema_count(p->docs.cat); i++) {
		const struct event_schema *schema = catalog_schema_at(p->docs.cat, i);
		for (size_t k = 0; k < schema->purposes_count; k++)
			if (!is_listed(schema->purposes[k], listed, count))
				listed[count++] = schema->purposes[k];
	}
	if (!is_listed(SLICE("ads"), listed, count))
		listed[count++] = SLICE("ads");
	page_begin_table(&p->page, SLICE("Purposes"), columns, 4);
	for (size_t i = 0; i < count; i++)
		put_purpose(p, listed[i],
		            slice_equal(listed[i], SLICE("necessary"))
		                    ? "To keep what the person chose, and to be able to show it."
		                    : NULL);
	page_end_table(&p->page);
	page_put_paragraph(&p->page,
	                   "An event is kept with all that it carries only if all of its purposes and ads are granted: "
	                   "click ids, ids of advertising platforms and hashed contact data are for ads.");
	return true;
}

bool processing_put_recipients(struct processing *p, struct error *err)
{
	static const char *const columns[] = { "Recipient", "What for", "Country" };
	const struct config_pairs *recipients = &p->cfg->statements.recipients;

	(void)err;
	page_begin_paragraph(&p->page);
	page_put_text(&p->page, SLICE("This instance, and what it writes to, stand in: "));
	processing_put_stated(p, p->cfg->statements.country, "privacy.country");
	page_end_paragraph(&p->page);
	if (!recipients->count) {
		page_begin_paragraph(&p->page);
		processing_put_stated(p, SLICE_NONE, "privacy.recipients");
		page_put_text(&p->page, SLICE(" Who reads the topics or files below, and passes them on?"));
		page_end_paragraph(&p->page);
		return true;
	}
	page_begin_table(&p->page, SLICE("Recipients"), columns, 3);
	for (size_t i = 0; i < recipients->count; i++) {
		page_begin_row(&p->page);
		page_put_cell(&p->page, "%.*s", SLICE_ARG(recipients->at[i].name));
		processing_put_stated_cell(p, recipients->at[i].value, "privacy.recipients");
		processing_put_stated_cell(
		        p, processing_find(&p->cfg->statements.recipient_countries, recipients->at[i].name),
		        "privacy.recipient_countries");
		page_end_row(&p->page);
	}
	page_end_table(&p->page);
	return true;
}

static bool put_body(struct processing *p, struct error *err)
{
	for (size_t i = 0; i < PARTS; i++) {
		page_put_section(&p->page, &parts[i].section);
		if (!parts[i].put(p, err))
			return false;
	}
	return true;
}

static void put_beginning(struct processing *p)
{
	const struct config *cfg = p->cfg;

	page_put_paragraph(&p->page,
	                   "What is collected of persons, for which purpose, on what basis, where and how long it is "
	                   "kept, who receives it, and what a person can do. Made by headgate privacy from the "
	                   "configuration and the event catalog (fingerprint %.*s) that are in force; what these do "
	                   "not hold is not described here.",
	                   SLICE_ARG(catalog_fingerprint(p->docs.cat)));
	page_begin_paragraph(&p->page);
	page_put_text(&p->page, SLICE("Responsible: "));
	processing_put_stated(p, cfg->statements.controller, "privacy.controller");
	page_put_text(&p->page, SLICE(". Contact: "));
	processing_put_stated(p, cfg->statements.contact, "privacy.contact");
	page_put_text(&p->page, SLICE("."));
	page_end_paragraph(&p->page);
	if (!p->gaps)
		return;
	page_begin_paragraph(&p->page);
	page_put_gap(&p->page, arena_print(p->docs.src.arena, "%zu %s not stated", p->gaps,
	                                   p->gaps == 1 ? "thing is" : "things are"));
	page_put_text(&p->page, SLICE(" in the configuration. Each is marked where it is missing, with its key."));
	page_end_paragraph(&p->page);
}

bool processing_write(const struct config *cfg, const struct catalog *cat, enum page_format format, struct buffer *out,
                      struct error *err)
{
	struct page_section sections[PARTS];
	struct buffer body;
	struct arena arena;
	struct processing p = { .cfg = cfg, .docs = { .cat = cat }, .page = { .out = &body, .format = format } };

	arena_init(&arena, MEMORY_BYTES);
	sources_init(&p.docs.src, cfg->catalog.dir, &arena);
	buffer_init(&body, &arena);
	bool ok = put_body(&p, err);
	for (size_t i = 0; i < PARTS; i++)
		sections[i] = parts[i].section;
	p.page.out = out;
	page_begin(&p.page, "What is collected of persons", sections, PARTS);
	put_beginning(&p);
	buffer_append(out, buffer_slice(&body));
	page_end(&p.page);
	if (ok && (body.failed || out->failed || arena.overflowed))
		ok = error_set(err, ERROR_MEMORY, "no memory for the page");
	arena_fini(&arena);
	return ok;
}
