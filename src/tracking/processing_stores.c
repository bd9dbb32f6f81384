/* Who sends, what consent does, where data are kept, and what a person can do. */
#include "tracking/processing.h"

static void put_default(struct processing *p, const struct config_consent_default *at, size_t count)
{
	static const char *const states[] = { "unknown", "denied", "granted" };

	for (size_t i = 0; i < count; i++) {
		page_put_text(&p->page, i ? SLICE(", ") : SLICE(""));
		page_put_code(&p->page, at[i].purpose);
		page_put_text(&p->page, SLICE(" "));
		page_put_text(&p->page, slice_of(at[i].is_contract ? "granted by contract" : states[at[i].state]));
	}
	if (!count)
		page_put_text(&p->page, SLICE("all denied"));
}

bool processing_put_sources(struct processing *p, struct error *err)
{
	static const char *const columns[] = { "Source",
		                               "Sends",
		                               "Address of the person",
		                               "Where nobody said anything",
		                               "All purposes refused",
		                               "Refused for their form" };
	static const char *const addresses[] = { "in full where consent keeps all", "truncated", "as a keyed hash",
		                                 "not kept" };
	static const char *const letters[] = { "kept without content unless consent is granted", "kept without content",
		                               "kept with content" };

	(void)err;
	page_begin_table(&p->page, SLICE("Sources"), columns, 6);
	for (size_t i = 0; i < p->cfg->sources_count; i++) {
		const struct source *source = &p->cfg->sources[i];
		page_begin_row(&p->page);
		page_begin_cell(&p->page);
		page_put_code(&p->page, source->name);
		page_put_cell(&p->page, "a %s", source_kind_name(source->kind));
		page_put_cell(&p->page, "%s", addresses[source->ip]);
		page_begin_cell(&p->page);
		put_default(p, source->consent_defaults, source->consent_defaults_count);
		for (size_t c = 0; c < source->country_defaults_count; c++) {
			const struct config_country_defaults *country = &source->country_defaults[c];
			page_put_text(&p->page, SLICE("; in "));
			page_put_text(&p->page, country->country);
			page_put_text(&p->page, SLICE(": "));
			put_default(p, country->at, country->count);
		}
		page_put_cell(&p->page, "%s%s", source->denied_events == DENIED_EVENTS_DROPPED ? "dropped" : "stripped",
		              source->daily_id ? "; where nothing at all is known, with an id that lasts a day" : "");
		page_put_cell(&p->page, "%s", letters[source->dead_letter_payload]);
		page_end_row(&p->page);
	}
	page_end_table(&p->page);
	return true;
}

static void put_store(struct processing *p, const char *name, const char *what)
{
	page_begin_row(&p->page);
	page_begin_cell(&p->page);
	page_put_text(&p->page, slice_of(name));
	page_put_cell(&p->page, "%s", what);
	page_begin_cell(&p->page);
}

/* Ends the row. */
static void put_retention(struct processing *p, uint64_t ms, const char *key)
{
	if (ms)
		page_put_text(&p->page, processing_time_text(p, ms));
	else
		page_put_gap(&p->page, arena_print(p->docs.src.arena, "for ever (%s)", key));
	page_end_row(&p->page);
}

static void put_topic(struct processing *p, struct slice topic, const char *what)
{
	page_begin_row(&p->page);
	page_begin_cell(&p->page);
	page_put_text(&p->page, SLICE("Kafka topic "));
	page_put_code(&p->page, topic);
	page_put_cell(&p->page, "%s", what);
	processing_put_stated_cell(p, processing_find(&p->cfg->statements.retention, topic), "privacy.retention");
	page_end_row(&p->page);
}

static void put_topics(struct processing *p)
{
	const struct catalog *cat = p->docs.cat;

	put_topic(p, p->cfg->topics.events, "accepted events");
	for (size_t i = 0; i < catalog_event_count(cat); i++) {
		const struct event_schema *schema = docs_default(&p->docs, catalog_event_name(cat, i));
		bool told = !schema->topic.len || slice_equal(schema->topic, p->cfg->topics.consent);
		for (size_t k = 0; k < i && !told; k++)
			told = slice_equal(docs_default(&p->docs, catalog_event_name(cat, k))->topic, schema->topic);
		if (!told)
			put_topic(p, schema->topic, "events that name it");
	}
	put_topic(p, p->cfg->topics.unverified,
	          "events that the catalog does not know or refuses, kept where a source "
	          "says so, under the strictest rules");
	put_topic(p, p->cfg->topics.rejected,
	          "refused events (dead letters); with their content only as the source "
	          "says, after the rules for personal data");
	put_topic(p, p->cfg->topics.consent, "changes of consent, by id");
	put_topic(p, p->cfg->topics.erasures, "requests for erasure, with the ids");
}

static uint64_t longest_window_ms(const struct processing *p)
{
	uint64_t longest = 0;

	for (size_t i = 0; i < p->cfg->sources_count; i++)
		if (p->cfg->sources[i].dedup_window_ms > longest)
			longest = p->cfg->sources[i].dedup_window_ms;
	for (size_t i = 0; i < catalog_schema_count(p->docs.cat); i++) {
		const struct event_schema *schema = catalog_schema_at(p->docs.cat, i);
		longest = schema->dedup_window_ms > longest ? schema->dedup_window_ms : longest;
		longest = schema->unique_window_ms > longest ? schema->unique_window_ms : longest;
	}
	return longest;
}

bool processing_put_stores(struct processing *p, struct error *err)
{
	static const char *const columns[] = { "Store", "Holds", "How long" };

	(void)err;
	page_begin_paragraph(&p->page);
	page_put_text(&p->page, SLICE("All files lie below "));
	page_put_code(&p->page, p->cfg->data_dir);
	page_put_text(&p->page, SLICE(", readable by the account alone that runs headgate."));
	page_end_paragraph(&p->page);
	page_begin_table(&p->page, SLICE("Stores"), columns, 3);
	put_store(p, "Journal",
	          "accepted events and dead letters on their way, after consent and the rules for "
	          "personal data");
	page_put_text(&p->page, arena_print(p->docs.src.arena,
	                                    "until they are delivered and the file that holds them is full (%u KiB)",
	                                    p->cfg->journal.file_bytes / 1024));
	if (p->cfg->journal.grace_ms) {
		page_put_text(&p->page, SLICE(", and at most "));
		page_put_text(&p->page, processing_time_text(p, p->cfg->journal.grace_ms));
		page_put_text(&p->page, SLICE(" after that, for replay"));
	}
	page_end_row(&p->page);
	put_store(p, "Key indexes", "what events have been seen: keyed hashes of ids, no ids");
	page_put_text(&p->page, processing_time_text(p, longest_window_ms(p)));
	page_end_row(&p->page);
	if (p->cfg->kafka.count) {
		put_topics(p);
	} else {
		put_store(p, "Event files", "accepted events and changes of consent, by hour of their arrival");
		put_retention(p, p->cfg->files.retention_ms, "files.retention_ms");
		put_store(p, "Files of dead letters",
		          "refused events; with their content only as the source says, after "
		          "the rules for personal data");
		put_retention(p, p->cfg->files.dead_letter_retention_ms, "files.dead_letter_retention_ms");
	}
	put_store(p, "Quarantine", "damaged parts of the journal, and records that Kafka does not take");
	put_retention(p, p->cfg->quarantine.retention_ms, "quarantine.retention_ms");
	put_store(p, "Audit log", "who erased, read or reloaded, and when; ids as keyed hashes");
	put_retention(p, p->cfg->audit_log.retention_ms, "audit_log.retention_ms");
	put_store(p, "Suppressed", "who must not be collected any more: keyed hashes of ids");
	page_put_text(&p->page, SLICE("until it is lifted"));
	page_end_row(&p->page);
	put_store(p, "Log", "what the program does; no values of events");
	page_put_text(&p->page, SLICE("as the system keeps its logs"));
	page_end_row(&p->page);
	page_end_table(&p->page);
	return true;
}
