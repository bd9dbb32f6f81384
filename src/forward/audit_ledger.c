/* An epoch of a lane is a bitmap over its counters, which begin with 1 and have no holes but those the journal accounts
 * for. A lane keeps the last position met in each partition: a position that is not greater is out of order, or, if its
 * bit is set already, there twice. */
#include "forward/audit_ledger.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "forward/checkpoint.h"

#define LISTED_MAX 20 /* breaches of one kind, and ranges of one epoch */
#define WORD_BITS 64

struct range {
	uint64_t first, last;
	const char *why;
};

/* What one partition holds of one epoch. */
struct share {
	uint32_t partition;
	uint64_t first, last;
};

struct epoch {
	uint64_t number;
	uint64_t *bits;    /* bit counter - 1 */
	uint64_t capacity; /* words */
	uint64_t last;     /* greatest counter seen */
	uint64_t records;
	struct share *shares;
	uint32_t share_count;
	struct range *ranges; /* explained */
	uint32_t range_count;
};

struct audit_lane {
	char log_id[JOURNAL_LOG_ID_TEXT + 1];
	uint32_t lane;
	bool has_checkpoint;
	struct journal_position checkpoint;
	struct epoch *epochs; /* by number */
	uint32_t epoch_count;
	uint32_t epoch_last;                /* met last */
	struct journal_position *positions; /* by partition: met last */
	uint32_t position_count;
};

struct audit_partition {
	char topic[250];
	int32_t partition;
	bool cut;
};

struct audit_ledger {
	struct audit_lane *lanes;
	uint32_t lane_count, lane_last;
	struct audit_partition *partitions;
	uint32_t partition_count;
	struct audit_verdict seen;
	struct buffer breaches;
};

/* Room for one more in an array that grows by doubling; NULL: no memory. */
static void *grow(void *array, uint32_t count, size_t size)
{
	if (count && (count & (count - 1)))
		return array; /* not full: capacity is the next power of two */
	return realloc(array, (count ? (size_t)count * 2 : 1) * size);
}

struct audit_ledger *audit_ledger_create(void)
{
	struct audit_ledger *ledger = calloc(1, sizeof *ledger);
	if (ledger)
		buffer_init(&ledger->breaches, NULL);
	return ledger;
}

void audit_ledger_destroy(struct audit_ledger **ledger)
{
	struct audit_ledger *l = *ledger;
	if (!l)
		return;
	for (uint32_t i = 0; i < l->lane_count; i++) {
		for (uint32_t k = 0; k < l->lanes[i].epoch_count; k++) {
			free(l->lanes[i].epochs[k].bits);
			free(l->lanes[i].epochs[k].shares);
			free(l->lanes[i].epochs[k].ranges);
		}
		free(l->lanes[i].epochs);
		free(l->lanes[i].positions);
	}
	free(l->lanes);
	free(l->partitions);
	buffer_fini(&l->breaches);
	free(l);
	*ledger = NULL;
}

bool audit_position_parse(struct slice text, struct audit_position *out)
{
	uint64_t lane;
	struct slice log_id = slice_split(&text, '/');
	if (log_id.len != JOURNAL_LOG_ID_TEXT)
		return false;
	memset(out, 0, sizeof *out);
	memcpy(out->log_id, log_id.at, log_id.len);
	if (!slice_to_u64(slice_split(&text, '/'), &lane) || lane >= JOURNAL_LANES_MAX ||
	    !slice_to_u64(slice_split(&text, '/'), &out->at.epoch) || !slice_to_u64(text, &out->at.counter))
		return false;
	out->lane = (uint32_t)lane;
	return out->at.counter > 0;
}

/* ---- finding, and making what is not there ---- */

static struct audit_lane *lane_of(struct audit_ledger *ledger, const struct audit_position *position)
{
	for (uint32_t i = 0; i < ledger->lane_count; i++) {
		uint32_t k = (ledger->lane_last + i) % ledger->lane_count;
		struct audit_lane *lane = &ledger->lanes[k];
		if (lane->lane == position->lane && strcmp(lane->log_id, position->log_id) == 0) {
			ledger->lane_last = k;
			return lane;
		}
	}
	struct audit_lane *lanes = grow(ledger->lanes, ledger->lane_count, sizeof *lanes);
	if (!lanes)
		return NULL;
	ledger->lanes = lanes;
	struct audit_lane *lane = &lanes[ledger->lane_count++];
	*lane = (struct audit_lane) { .lane = position->lane };
	memcpy(lane->log_id, position->log_id, sizeof lane->log_id);
	return lane;
}

static struct epoch *epoch_of(struct audit_lane *lane, uint64_t number)
{
	uint32_t low = 0, high = lane->epoch_count;
	if (lane->epoch_count && lane->epochs[lane->epoch_last].number == number)
		return &lane->epochs[lane->epoch_last];
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (lane->epochs[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	lane->epoch_last = low;
	if (low < lane->epoch_count && lane->epochs[low].number == number)
		return &lane->epochs[low];
	struct epoch *epochs = grow(lane->epochs, lane->epoch_count, sizeof *epochs);
	if (!epochs)
		return NULL;
	lane->epochs = epochs;
	memmove(epochs + low + 1, epochs + low, (lane->epoch_count - low) * sizeof *epochs);
	lane->epoch_count++;
	epochs[low] = (struct epoch) { .number = number };
	return &epochs[low];
}

static bool make_bit(struct epoch *epoch, uint64_t counter)
{
	uint64_t words = (counter - 1) / WORD_BITS + 1, capacity = epoch->capacity ? epoch->capacity : 16;
	if (words <= epoch->capacity)
		return true;
	while (capacity < words)
		capacity *= 2;
	uint64_t *bits = realloc(epoch->bits, capacity * sizeof *bits);
	if (!bits)
		return false;
	memset(bits + epoch->capacity, 0, (capacity - epoch->capacity) * sizeof *bits);
	epoch->bits = bits;
	epoch->capacity = capacity;
	return true;
}

static bool has_bit(const struct epoch *epoch, uint64_t counter)
{
	uint64_t word = (counter - 1) / WORD_BITS;
	return word < epoch->capacity && (epoch->bits[word] >> ((counter - 1) % WORD_BITS) & 1);
}

static struct share *share_of(struct epoch *epoch, uint32_t partition)
{
	for (uint32_t i = 0; i < epoch->share_count; i++)
		if (epoch->shares[i].partition == partition)
			return &epoch->shares[i];
	struct share *shares = grow(epoch->shares, epoch->share_count, sizeof *shares);
	if (!shares)
		return NULL;
	epoch->shares = shares;
	shares[epoch->share_count] = (struct share) { .partition = partition };
	return &shares[epoch->share_count++];
}

static struct journal_position *last_of(struct audit_lane *lane, uint32_t partition)
{
	if (partition < lane->position_count)
		return &lane->positions[partition];
	struct journal_position *positions = realloc(lane->positions, (partition + 1) * sizeof *positions);
	if (!positions)
		return NULL;
	memset(positions + lane->position_count, 0, (partition + 1 - lane->position_count) * sizeof *positions);
	lane->positions = positions;
	lane->position_count = partition + 1;
	return &positions[partition];
}

/* ---- what was met ---- */

bool audit_ledger_add_partition(struct audit_ledger *ledger, uint32_t number, const char *topic, int32_t partition,
                                bool cut)
{
	assert(number == ledger->partition_count);
	struct audit_partition *partitions = grow(ledger->partitions, ledger->partition_count, sizeof *partitions);
	if (!partitions)
		return false;
	ledger->partitions = partitions;
	struct audit_partition *to = &partitions[ledger->partition_count++];
	*to = (struct audit_partition) { .partition = partition, .cut = cut };
	snprintf(to->topic, sizeof to->topic, "%s", topic);
	return true;
}

static void tell(struct audit_ledger *ledger, uint64_t nth, const char *what, uint32_t partition,
                 const struct audit_position *position)
{
	const struct audit_partition *at = &ledger->partitions[partition];
	if (nth <= LISTED_MAX)
		buffer_append_format(&ledger->breaches,
		                     "%s: %s/%" PRIu32 "/%" PRIu64 "/%" PRIu64 " in topic %s partition %" PRId32 "\n",
		                     what, position->log_id, position->lane, position->at.epoch, position->at.counter,
		                     at->topic, at->partition);
}

bool audit_ledger_add(struct audit_ledger *ledger, uint32_t partition, const struct audit_position *position)
{
	struct audit_lane *lane = lane_of(ledger, position);
	struct epoch *epoch = lane ? epoch_of(lane, position->at.epoch) : NULL;
	struct share *share = epoch ? share_of(epoch, partition) : NULL;
	struct journal_position *last = share ? last_of(lane, partition) : NULL;
	uint64_t counter = position->at.counter;
	if (!last || !make_bit(epoch, counter))
		return false;
	ledger->seen.records++;
	if (has_bit(epoch, counter)) {
		tell(ledger, ++ledger->seen.twice, "twice", partition, position);
		return true;
	}
	if (checkpoint_compare(position->at, *last) <= 0)
		tell(ledger, ++ledger->seen.disorder, "out of order", partition, position);
	else
		*last = position->at;
	epoch->bits[(counter - 1) / WORD_BITS] |= UINT64_C(1) << ((counter - 1) % WORD_BITS);
	epoch->records++;
	if (counter > epoch->last)
		epoch->last = counter;
	if (share->first == 0 || counter < share->first)
		share->first = counter;
	if (counter > share->last)
		share->last = counter;
	return true;
}

void audit_ledger_add_replayed(struct audit_ledger *ledger)
{
	ledger->seen.replayed++;
}

void audit_ledger_add_foreign(struct audit_ledger *ledger)
{
	ledger->seen.foreign++;
}

bool audit_ledger_set_checkpoint(struct audit_ledger *ledger, const struct audit_position *position)
{
	struct audit_lane *lane = lane_of(ledger, position);
	if (!lane)
		return false;
	if (!lane->has_checkpoint || checkpoint_compare(position->at, lane->checkpoint) > 0)
		lane->checkpoint = position->at;
	lane->has_checkpoint = true;
	return true;
}

bool audit_ledger_explain(struct audit_ledger *ledger, const struct audit_position *first, uint64_t count,
                          const char *why)
{
	struct audit_lane *lane = lane_of(ledger, first);
	struct epoch *epoch = lane ? epoch_of(lane, first->at.epoch) : NULL;
	struct range *ranges = epoch ? grow(epoch->ranges, epoch->range_count, sizeof *ranges) : NULL;
	if (!ranges)
		return false;
	epoch->ranges = ranges;
	ranges[epoch->range_count++] = (struct range) { first->at.counter, first->at.counter + count - 1, why };
	return true;
}

/* ---- the judgement ---- */

/* Counters below this may have gone with the oldest records of a partition: its first one that is left tells how far. One
 * that holds nothing of the epoch any more may have held anything of it. */
static uint64_t horizon_of(const struct audit_ledger *ledger, const struct epoch *epoch)
{
	uint64_t horizon = 0;
	for (uint32_t p = 0; p < ledger->partition_count; p++) {
		uint64_t first = UINT64_MAX;
		if (!ledger->partitions[p].cut)
			continue;
		for (uint32_t i = 0; i < epoch->share_count; i++)
			if (epoch->shares[i].partition == p)
				first = epoch->shares[i].first;
		if (first > horizon)
			horizon = first;
	}
	return horizon;
}

static const char *why_of(const struct epoch *epoch, uint64_t counter, uint64_t *last)
{
	const char *why = NULL;
	for (uint32_t i = 0; i < epoch->range_count; i++) {
		const struct range *range = &epoch->ranges[i];
		if (counter >= range->first && counter <= range->last) {
			why = range->why;
			*last = *last < range->last ? *last : range->last;
		} else if (counter < range->first && !why && range->first - 1 < *last) {
			*last = range->first - 1;
		}
	}
	return why;
}

/* The counters from `first` on without a record: how far this kind of hole goes, and what it is. */
static void tell_hole(const struct epoch *epoch, uint64_t first, uint64_t last, uint64_t horizon, uint32_t *listed,
                      struct buffer *out, struct audit_verdict *verdict)
{
	while (first <= last) {
		uint64_t end = last;
		const char *why = why_of(epoch, first, &end);
		if (!why && first < horizon) {
			why = "beyond retention";
			end = end < horizon - 1 ? end : horizon - 1;
			verdict->retired += end - first + 1;
		} else if (why) {
			verdict->explained += end - first + 1;
		} else {
			verdict->missing += end - first + 1;
		}
		if (++*listed <= LISTED_MAX)
			buffer_append_format(out, ", %s %" PRIu64 "..%" PRIu64, why ? why : "MISSING", first, end);
		first = end + 1;
	}
}

static void judge_epoch(const struct audit_ledger *ledger, const struct audit_lane *lane, const struct epoch *epoch,
                        struct buffer *out, struct audit_verdict *verdict)
{
	uint64_t horizon = horizon_of(ledger, epoch), end = epoch->last, hole = 0;
	uint32_t listed = 0;
	bool bounded = lane->has_checkpoint && epoch->number >= lane->checkpoint.epoch;
	if (bounded) /* what is behind the checkpoint is still under way */
		end = epoch->number == lane->checkpoint.epoch ? lane->checkpoint.counter : 0;
	buffer_append_format(out, "log %s lane %" PRIu32 " epoch %" PRIu64 ": ", lane->log_id, lane->lane,
	                     epoch->number);
	if (epoch->records)
		buffer_append_format(out, "%" PRIu64 " records up to %" PRIu64, epoch->records, epoch->last);
	else
		buffer_append(out, SLICE("no record"));
	if (bounded)
		buffer_append_format(out, ", checkpoint %" PRIu64, end);
	for (uint64_t counter = 1; counter <= end; counter++) {
		if (has_bit(epoch, counter)) {
			if (hole)
				tell_hole(epoch, hole, counter - 1, horizon, &listed, out, verdict);
			hole = 0;
		} else if (!hole) {
			hole = counter;
		}
	}
	if (hole)
		tell_hole(epoch, hole, end, horizon, &listed, out, verdict);
	if (listed > LISTED_MAX)
		buffer_append_format(out, ", and %" PRIu32 " more", listed - LISTED_MAX);
	buffer_append_char(out, '\n');
}

/* The checkpoint names an epoch of which nothing is there. */
static bool add_checkpoint_epoch(struct audit_lane *lane)
{
	return !lane->has_checkpoint || lane->checkpoint.counter == 0 || epoch_of(lane, lane->checkpoint.epoch) != NULL;
}

bool audit_ledger_judge(struct audit_ledger *ledger, struct buffer *out, struct audit_verdict *verdict)
{
	*verdict = ledger->seen;
	for (uint32_t i = 0; i < ledger->lane_count; i++) {
		struct audit_lane *lane = &ledger->lanes[i];
		if (!add_checkpoint_epoch(lane))
			out->failed = true;
		for (uint32_t k = 0; k < lane->epoch_count; k++)
			judge_epoch(ledger, lane, &lane->epochs[k], out, verdict);
	}
	buffer_append(out, buffer_slice(&ledger->breaches));
	return verdict->twice + verdict->disorder + verdict->missing == 0 && !out->failed;
}
