/* Delivered records are counted when their round is committed, never before: a round that failed is read again and
 * would count twice. The counters start from the checkpoint's books, so that "accepted = delivered + pending + …"
 * holds across restarts. */
#include "forward/tally.h"

#include <assert.h>

#include "base/metrics.h"

static enum tally_kind kind_of(const struct journal_record *record)
{
	return record->type == JOURNAL_DEAD_LETTER ? TALLY_DEAD_LETTERS : TALLY_EVENTS;
}

static struct tally_topic *find_topic(struct tally *tally, struct slice name)
{
	struct tally_topic *topic = &tally->topics[tally->topic_last];
	if (tally->topic_count && slice_equal((struct slice) { topic->name, topic->name_len }, name))
		return topic;
	for (uint32_t i = 0; i < tally->topic_count; i++) {
		topic = &tally->topics[i];
		if (slice_equal((struct slice) { topic->name, topic->name_len }, name)) {
			tally->topic_last = i;
			return topic;
		}
	}
	if (tally->topic_count == TALLY_TOPICS_MAX)
		return &tally->topics[TALLY_TOPICS_MAX - 1];
	if (tally->topic_count == TALLY_TOPICS_MAX - 1 || name.len >= TALLY_TOPIC_BYTES)
		name = SLICE("other");
	tally->topic_last = tally->topic_count++;
	topic = &tally->topics[tally->topic_last];
	memcpy(topic->name, name.at, name.len);
	topic->name_len = name.len;
	topic->series = metrics_series(METRIC_FORWARD_RECORDS, &name);
	topic->round = 0;
	return topic;
}

static void publish(const struct tally *tally)
{
	const struct tally_books *total = &tally->total;
	for (int kind = 0; kind < TALLY_KINDS; kind++) {
		metrics_set(tally->delivered_series[kind], (int64_t)total->delivered[kind]);
		metrics_set(tally->poisoned_series[kind], (int64_t)total->poisoned[kind]);
		metrics_set(tally->erased_series[kind], (int64_t)total->erased[kind]);
		metrics_set(tally->quarantined_series[kind], (int64_t)total->quarantined[kind]);
	}
}

void tally_init(struct tally *tally)
{
	static const enum metric METRICS[TALLY_KINDS] = { METRIC_RECORDS, METRIC_DEAD_LETTERS };
	memset(tally, 0, sizeof *tally);
	for (int kind = 0; kind < TALLY_KINDS; kind++) {
		tally->delivered_series[kind] = metrics_series1(METRICS[kind], "delivered");
		tally->poisoned_series[kind] = metrics_series1(METRICS[kind], "poisoned");
		tally->erased_series[kind] = metrics_series1(METRICS[kind], "erased");
		tally->quarantined_series[kind] = metrics_series1(METRICS[kind], "quarantined");
	}
}

void tally_books_add(struct tally_books *to, const struct tally_books *more)
{
	for (int kind = 0; kind < TALLY_KINDS; kind++) {
		to->delivered[kind] += more->delivered[kind];
		to->poisoned[kind] += more->poisoned[kind];
		to->erased[kind] += more->erased[kind];
		to->quarantined[kind] += more->quarantined[kind];
		to->lost_behind[kind] += more->lost_behind[kind];
	}
}

static void add_up(struct tally *tally)
{
	memset(&tally->total, 0, sizeof tally->total);
	for (uint32_t lane = 0; lane < JOURNAL_LANES_MAX; lane++)
		tally_books_add(&tally->total, &tally->lanes[lane]);
}

void tally_load(struct tally *tally, const struct tally_books books[JOURNAL_LANES_MAX])
{
	memcpy(tally->lanes, books, sizeof tally->lanes);
	tally_discard(tally);
	add_up(tally);
	publish(tally);
}

static void add_gap(struct tally_books *round, const struct journal_record *gap)
{
	struct journal_counts counts = { 0 };
	uint64_t *to = gap->flags & JOURNAL_GAP_ERASED ? round->erased : round->quarantined;
	journal_counts_add(&counts, gap);
	to[TALLY_EVENTS] += counts.events;
	to[TALLY_DEAD_LETTERS] += counts.dead_letters;
}

void tally_add(struct tally *tally, const struct journal_record *record)
{
	struct tally_books *round = &tally->round[record->lane];
	if (record->type == JOURNAL_GAP) {
		add_gap(round, record);
		return;
	}
	round->delivered[kind_of(record)]++;
	find_topic(tally, record->topic)->round++;
}

void tally_poison(struct tally *tally, const struct journal_record *record)
{
	struct tally_topic *topic = find_topic(tally, record->topic);
	struct tally_books *round = &tally->round[record->lane];
	assert(round->delivered[kind_of(record)] > 0 && topic->round > 0);
	round->delivered[kind_of(record)]--;
	round->poisoned[kind_of(record)]++;
	topic->round--;
}

static uint64_t settled(const struct tally_books *lane, const struct tally_books *round, int kind)
{
	uint64_t sum = lane->delivered[kind] + lane->poisoned[kind] + lane->erased[kind] + lane->quarantined[kind];
	sum += round->delivered[kind] + round->poisoned[kind] + round->erased[kind] + round->quarantined[kind];
	return sum - lane->lost_behind[kind];
}

/* Books beyond the journal's account: it lost what the sink has. Books below it: records that it once counted came by
 * neither as such nor as a gap. One kind beyond and the other below: damaged ones were taken for events. */
void tally_reconcile(struct tally *tally, uint32_t lane, struct journal_counts counts, bool has_position)
{
	struct tally_books *books = &tally->lanes[lane], *round = &tally->round[lane];
	const uint64_t own[TALLY_KINDS] = { counts.events, counts.dead_letters };
	static const struct tally_books NONE;
	if (has_position && memcmp(books, &NONE, sizeof NONE) == 0)
		for (int kind = 0; kind < TALLY_KINDS; kind++)
			books->delivered[kind] = own[kind] - settled(books, round, kind);
	int64_t beyond[TALLY_KINDS];
	for (int kind = 0; kind < TALLY_KINDS; kind++)
		beyond[kind] = (int64_t)(settled(books, round, kind) - own[kind]);
	uint64_t taken = books->quarantined[TALLY_EVENTS] + round->quarantined[TALLY_EVENTS];
	while (beyond[TALLY_EVENTS] > 0 && beyond[TALLY_DEAD_LETTERS] < 0 && taken > 0) {
		uint64_t *from = round->quarantined[TALLY_EVENTS] ? round->quarantined : books->quarantined;
		from[TALLY_EVENTS]--;
		from[TALLY_DEAD_LETTERS]++;
		beyond[TALLY_EVENTS]--;
		beyond[TALLY_DEAD_LETTERS]++;
		taken--;
	}
	for (int kind = 0; kind < TALLY_KINDS; kind++) {
		if (beyond[kind] > 0)
			books->lost_behind[kind] += (uint64_t)beyond[kind];
		else
			books->quarantined[kind] += (uint64_t)-beyond[kind];
	}
	add_up(tally);
	publish(tally);
}

struct tally_books tally_after(const struct tally *tally, uint32_t lane)
{
	struct tally_books after = tally->lanes[lane];
	tally_books_add(&after, &tally->round[lane]);
	return after;
}

void tally_all_after(const struct tally *tally, struct tally_books books[JOURNAL_LANES_MAX])
{
	for (uint32_t lane = 0; lane < JOURNAL_LANES_MAX; lane++)
		books[lane] = tally_after(tally, lane);
}

void tally_commit(struct tally *tally)
{
	tally_all_after(tally, tally->lanes);
	add_up(tally);
	publish(tally);
	for (uint32_t i = 0; i < tally->topic_count; i++)
		if (tally->topics[i].round)
			metrics_add(tally->topics[i].series, tally->topics[i].round);
	tally_discard(tally);
}

void tally_discard(struct tally *tally)
{
	memset(tally->round, 0, sizeof tally->round);
	for (uint32_t i = 0; i < tally->topic_count; i++)
		tally->topics[i].round = 0;
}
