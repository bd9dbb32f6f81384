/* In a transaction a refused record takes everything along: librdkafka sends no more, and only an abort is left. A batch
 * is refused as a whole, so a refusal names many records of which one may be at fault. The search sends parts of the
 * round in transactions that are always aborted, halves down to one; nothing of that is ever committed. What is refused
 * alone, several times, is the culprit: it goes to quarantine, synced, and a short dead letter takes its place; then the
 * whole round is sent again in one transaction, so that a round stays all or nothing.
 *
 * Where parts pass that were refused together, together they are too much: then the round is sent in pieces that are
 * waited for, small enough that no batch grows beyond what passed.
 *
 * A transaction that follows a refused one may fail without any record's fault: what was purged behind the refusal leaves
 * a hole in librdkafka's sequence numbers, the broker refuses the next batch for it, and only the abort mends that. Such a
 * failure says nothing of the records; the same ones are sent again. */
#include "forward/kafka_round.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/metrics.h"
#include "config/config.h"
#include "forward/kafka_poison.h"
#include "forward/kafka_transaction.h"

#define REFUSALS_MAX 3 /* alone */
#define ECHOES_MAX 8

bool kafka_round_init(struct kafka_round *round, struct kafka_producer *producer)
{
	*round = (struct kafka_round) { .producer = producer, .capacity = producer->cfg->forward.batch_events };
	round->entries = calloc(round->capacity, sizeof *round->entries); /* touched as rounds grow */
	return round->entries != NULL;
}

void kafka_round_clear(struct kafka_round *round)
{
	for (uint32_t i = 0; i < round->count; i++)
		buffer_fini(&round->entries[i].letter);
	round->count = round->poisoned = 0;
	round->piece = 0;
}

void kafka_round_fini(struct kafka_round *round)
{
	kafka_round_clear(round);
	free(round->entries);
	round->entries = NULL;
}

/* ---- poison ---- */

/* The dead letter takes the record's place in the round. */
static bool bury(struct kafka_round *round, struct kafka_round_entry *one, struct error *err)
{
	struct journal_record *record = &one->entry.record;
	struct journal_record letter;
	if (one->entry.poisoned) {
		log_error("dead_letter_refused", "error=%s", rd_kafka_err2name(one->entry.code));
		one->muted = true;
		return true;
	}
	buffer_init(&one->letter, NULL);
	if (!kafka_poison_bury(round->producer, &one->entry, &one->letter, &letter, err))
		return false;
	one->original = *record;
	*record = letter;
	one->entry.poisoned = true;
	round->poisoned++;
	return true;
}

void kafka_round_count_poisoned(struct kafka_round *round)
{
	if (round->producer->sink->replaying) /* it was counted when it was delivered */
		return;
	for (uint32_t i = 0; round->poisoned && i < round->count; i++) {
		struct kafka_round_entry *one = &round->entries[i];
		if (!one->entry.poisoned || one->counted)
			continue;
		tally_poison(&round->producer->sink->tally, &one->original);
		one->counted = true;
	}
}

/* ---- sending ---- */

/* Refused as the thing it is; a record that was given up before is not sent. */
static bool is_refused(const struct kafka_round_entry *one)
{
	return one->entry.code != RD_KAFKA_RESP_ERR_NO_ERROR && !one->muted;
}

static bool send_one(struct kafka_round *round, struct kafka_round_entry *one, struct error *err)
{
	one->entry.code = RD_KAFKA_RESP_ERR_NO_ERROR;
	return one->muted || kafka_producer_send(round->producer, &one->entry, err);
}

static bool send_all(struct kafka_round *round, struct kafka_round_entry *list, uint32_t count, struct error *err)
{
	for (uint32_t i = 0; i < count; i++) {
		if (!send_one(round, &list[i], err))
			return false;
		if (round->piece && (i + 1) % round->piece == 0 && !kafka_producer_wait(round->producer, err))
			return false;
	}
	return kafka_producer_wait(round->producer, err);
}

bool kafka_round_put(struct kafka_round *round, const struct journal_record *record, struct error *err)
{
	struct kafka_round_entry *one = &round->entries[round->count];
	memset(one, 0, sizeof *one);
	one->entry.record = *record;
	if (!send_one(round, one, err))
		return false;
	round->count++;
	/* refused before it was part of the transaction: its dead letter can be, without ado */
	if (kafka_poison_is(one->entry.code))
		return bury(round, one, err) && send_one(round, one, err);
	return true; /* another refusal is judged with all of them */
}

/* ---- the search ---- */

enum part { PART_PASSED, PART_REFUSED, PART_ECHO };

static enum part judge_part(const struct kafka_round_entry *list, uint32_t count)
{
	enum part part = PART_PASSED;
	for (uint32_t i = 0; i < count; i++) {
		if (!is_refused(&list[i]))
			continue;
		if (kafka_poison_is(list[i].entry.code))
			return PART_REFUSED;
		part = PART_ECHO;
	}
	return part;
}

/* Sends the part in a transaction of its own and aborts it. *refused: for what some record is. */
static bool try_part(struct kafka_round *round, struct kafka_round_entry *list, uint32_t count, bool *refused,
                     struct error *err)
{
	enum part part = PART_ECHO;
	for (int tries = 0; part == PART_ECHO; tries++) {
		if (tries == ECHOES_MAX)
			return error_set(err, ERROR_KAFKA, "a part of the round fails for no fault of its records");
		if (!kafka_transaction_begin(round->producer, err) || !send_all(round, list, count, err))
			return false;
		part = judge_part(list, count);
		if (!kafka_transaction_abort(round->producer, err) || round->producer->spent)
			return false;
	}
	*refused = part == PART_REFUSED;
	return true;
}

static bool judge_one(struct kafka_round *round, struct kafka_round_entry *one, bool *found, struct error *err)
{
	bool refused;
	while (++one->entry.refusals < REFUSALS_MAX) {
		if (!try_part(round, one, 1, &refused, err))
			return false;
		if (!refused)
			return true;
	}
	*found = true;
	one->entry.refusals = 0;
	return bury(round, one, err);
}

/* Looks for culprits in the part; *found: there was one, or the part passed when it was tried alone. */
static bool search(struct kafka_round *round, struct kafka_round_entry *list, uint32_t count, bool *found,
                   struct error *err)
{
	bool refused;
	if (!try_part(round, list, count, &refused, err))
		return false;
	if (!refused)
		return true;
	if (count == 1)
		return judge_one(round, list, found, err);
	uint32_t half = count / 2;
	bool below = false;
	if (!search(round, list, half, &below, err) || !search(round, list + half, count - half, &below, err))
		return false;
	if (!below) /* either half passes */
		round->piece = round->piece && round->piece < half ? round->piece : half;
	*found = true;
	return true;
}

/* ---- all of it ---- */

/* What was purged, or came too late for the transaction, only tells that something else was refused. */
static bool is_echo(const struct kafka_round_entry *one)
{
	return one->entry.code == RD_KAFKA_RESP_ERR__PURGE_QUEUE || one->entry.code == RD_KAFKA_RESP_ERR__STATE ||
	       one->entry.code == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
}

/* NULL: nothing is refused. *by_content: something is for what it is. */
static const struct kafka_round_entry *first_refused(const struct kafka_round *round, bool *by_content)
{
	const struct kafka_round_entry *first = NULL;
	*by_content = false;
	for (uint32_t i = 0; i < round->count; i++) {
		const struct kafka_round_entry *one = &round->entries[i];
		if (!is_refused(one))
			continue;
		*by_content |= kafka_poison_is(one->entry.code);
		if (!first || (is_echo(first) && !is_echo(one)))
			first = one;
	}
	return first;
}

static void tell_refusal(struct kafka_round *round, const struct kafka_round_entry *one, struct error *err)
{
	const char *trouble = round->producer->trouble;
	error_set(err, ERROR_KAFKA, "topic %.*s: %s%s%s", SLICE_ARG(one->entry.record.topic),
	          rd_kafka_err2str(one->entry.code), trouble[0] ? "; " : "", trouble);
	metrics_add(metrics_series1(METRIC_FORWARD_FAILURES, rd_kafka_err2name(one->entry.code)), 1);
	kafka_producer_doubt_topics(round->producer);
}

/* What to do after the round was refused and its transaction aborted in good order. False: *definite as for settle. */
static bool mend(struct kafka_round *round, bool by_content, int echoes, bool *definite, struct error *err)
{
	bool found = false;
	uint32_t piece = round->piece;
	/* a round without a culprit is not sent again here: what is wrong may last, and the forwarder has time */
	*definite = !by_content && (!round->poisoned || echoes > ECHOES_MAX);
	if (*definite)
		return false;
	if (!by_content)
		return true;
	if (!search(round, round->entries, round->count, &found, err))
		return false;
	if (!found && piece == 1)
		return error_set(err, ERROR_KAFKA, "refused in one transaction, not refused in parts");
	if (!found)
		round->piece = piece ? piece / 2 : (round->count + 1) / 2;
	return true;
}

bool kafka_round_settle(struct kafka_round *round, bool *definite, struct error *err)
{
	int echoes = 0;
	*definite = round->sent_again = false;
	if (!kafka_producer_wait(round->producer, err))
		return false;
	for (;;) {
		bool by_content;
		const struct kafka_round_entry *one = first_refused(round, &by_content);
		if (!one)
			break;
		tell_refusal(round, one, err);
		struct error reason;
		if (!kafka_transaction_abort(round->producer, &reason) || round->producer->spent)
			return false;
		echoes += !by_content;
		round->sent_again = true;
		if (!mend(round, by_content, echoes, definite, err) || !kafka_transaction_begin(round->producer, err) ||
		    !send_all(round, round->entries, round->count, err))
			return false;
	}
	return true;
}
