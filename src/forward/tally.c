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

/* Tells a counter what it lacks. */
static void publish_one(uint32_t series, uint64_t total, uint64_t *published)
{
	if (total <= *published)
		return;
	metrics_add(series, total - *published);
	*published = total;
}

static void publish(struct tally *tally)
{
	const struct tally_books *total = &tally->total;
	struct tally_books *published = &tally->published;
	for (int kind = 0; kind < TALLY_KINDS; kind++) {
		publish_one(tally->delivered_series[kind], total->delivered[kind], &published->delivered[kind]);
		publish_one(tally->poisoned_series[kind], total->poisoned[kind], &published->poisoned[kind]);
		publish_one(tally->erased_series[kind], total->erased[kind], &published->erased[kind]);
	}
	publish_one(tally->quarantined_series, total->quarantined, &published->quarantined);
}

void tally_init(struct tally *tally)
{
	memset(tally, 0, sizeof *tally);
	tally->delivered_series[TALLY_EVENTS] = metrics_series1(METRIC_RECORDS, "delivered");
	tally->delivered_series[TALLY_DEAD_LETTERS] = metrics_series1(METRIC_DEAD_LETTERS, "delivered");
	tally->poisoned_series[TALLY_EVENTS] = metrics_series1(METRIC_RECORDS, "poisoned");
	tally->poisoned_series[TALLY_DEAD_LETTERS] = metrics_series1(METRIC_DEAD_LETTERS, "poisoned");
	tally->quarantined_series = metrics_series1(METRIC_RECORDS, "quarantined");
	tally->erased_series[TALLY_EVENTS] = metrics_series1(METRIC_RECORDS, "erased");
	tally->erased_series[TALLY_DEAD_LETTERS] = metrics_series1(METRIC_DEAD_LETTERS, "erased");
}

void tally_books_add(struct tally_books *to, const struct tally_books *more)
{
	for (int kind = 0; kind < TALLY_KINDS; kind++) {
		to->delivered[kind] += more->delivered[kind];
		to->poisoned[kind] += more->poisoned[kind];
		to->erased[kind] += more->erased[kind];
	}
	to->quarantined += more->quarantined;
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
	add_up(tally);
	publish(tally);
}

void tally_add(struct tally *tally, const struct journal_record *record)
{
	struct tally_books *round = &tally->round[record->lane];
	if (record->type == JOURNAL_GAP) {
		round->quarantined += record->gap_count;
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
