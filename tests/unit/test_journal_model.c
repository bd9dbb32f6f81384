/* The journal against a model of it that fits a page: random appends, commits, discarded batches, checkpoints and failing
 * system calls in a process that ends at a random moment without closing anything; then the directory is opened and must
 * hold exactly what the model says. JOURNAL_MODEL_SEED repeats a run, JOURNAL_MODEL_ROUNDS lengthens it. */
#include "journal_fixture.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define SCRATCH (access("/dev/shm", W_OK) == 0 ? "/dev/shm" : NULL)
#define LANES 3
#define RECORDS_MAX 40000
#define ROUNDS 40
#define OPERATIONS 120
#define BUDGET_MS 15000 /* a slow machine does fewer rounds */

/* BURNT: must never be seen again. DOUBT: the process ended, or the sync failed, within the commit: either is right, but
 * what a recovery decided stays. */
enum fate { FATE_APPENDED, FATE_ACKED, FATE_BURNT, FATE_DOUBT };

struct model_lane {
	uint32_t count;
	struct {
		struct journal_position position;
		uint8_t fate;
	} records[RECORDS_MAX];
	struct journal_position checkpoint;
};

/* Shared with the process that ends. */
struct model {
	struct model_lane lanes[LANES];
	uint32_t operations, failures, crashes, doubts;
};

static uint64_t random_state;
static _Atomic int calls_until_failure; /* 0: none fails */
static _Atomic int failure;

static uint64_t roll(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static uint32_t below(uint32_t limit)
{
	return (uint32_t)(roll() % limit);
}

/* ---- system calls that fail ---- */

enum { FAIL_SHORT = 1000 };

static int judge(void)
{
	int left = atomic_load(&calls_until_failure);
	while (left > 0)
		if (atomic_compare_exchange_weak(&calls_until_failure, &left, left - 1))
			return left == 1 ? atomic_load(&failure) : 0;
	return 0;
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
	int how = judge();
	if (how && how != FAIL_SHORT) {
		errno = how;
		return -1;
	}
	return syscall(SYS_pwrite64, fd, bytes, how && size > 1 ? size / 2 : size, offset);
}

int fdatasync(int fd)
{
	int how = judge();
	if (how && how != FAIL_SHORT) {
		errno = how;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

/* ---- the process that ends ---- */

static void set_fates(struct model_lane *lane, uint32_t from, enum fate fate)
{
	for (uint32_t i = from; i < lane->count; i++)
		lane->records[i].fate = (uint8_t)fate;
}

static void append_some(struct fixture *f, struct model_lane *lane, uint32_t index)
{
	struct journal_writer *writer = journal_writer_get(f->journal, index);
	for (uint32_t n = 1 + below(6); n > 0 && lane->count < RECORDS_MAX; n--) {
		struct journal_position position = journal_writer_next(writer);
		if (!fixture_append(writer, index, below(10) ? below(900) : below(20000)))
			return;
		lane->records[lane->count].position = position;
		lane->records[lane->count].fate = FATE_APPENDED;
		lane->count++;
	}
}

static void commit(struct fixture *f, struct model *model, uint32_t index)
{
	struct model_lane *lane = &model->lanes[index];
	uint32_t from = lane->count;
	while (from > 0 && lane->records[from - 1].fate == FATE_APPENDED)
		from--;
	set_fates(lane, from, FATE_DOUBT); /* while it lasts */
	if (journal_writer_commit(journal_writer_get(f->journal, index), &f->err)) {
		set_fates(lane, from, FATE_ACKED);
		return;
	}
	model->failures++;
	if (f->err.code != ERROR_SYNC_LOST)
		set_fates(lane, from, FATE_BURNT);
}

static void discard(struct fixture *f, struct model_lane *lane, uint32_t index)
{
	journal_writer_discard(journal_writer_get(f->journal, index));
	for (uint32_t i = lane->count; i > 0 && lane->records[i - 1].fate == FATE_APPENDED; i--)
		lane->records[i - 1].fate = FATE_BURNT;
}

/* Up to some record that was committed. */
static void cover(struct fixture *f, struct model_lane *lane, uint32_t index)
{
	uint32_t at = lane->count ? below(lane->count) : 0;
	if (lane->count == 0 || lane->records[at].fate != FATE_ACKED)
		return;
	struct journal_position to = lane->records[at].position, *now = &lane->checkpoint;
	if (to.epoch > now->epoch || (to.epoch == now->epoch && to.counter > now->counter))
		*now = to;
	journal_set_checkpoint(f->journal, index, *now);
}

static void plan_failure(void)
{
	static const int kinds[] = { ENOSPC, EIO, FAIL_SHORT, ENOSPC, EINTR };
	atomic_store(&failure, kinds[below(5)]);
	atomic_store(&calls_until_failure, 1 + (int)below(30));
}

static void live(struct fixture *f, void *context)
{
	struct model *model = context;
	uint32_t lanes = f->options.lanes;
	for (uint32_t left = 1 + below(OPERATIONS); left > 0; left--) {
		uint32_t index = below(lanes), what = below(100);
		model->operations++;
		if (what < 55) {
			append_some(f, &model->lanes[index], index);
			if (below(3))
				commit(f, model, index);
		} else if (what < 80) {
			commit(f, model, index);
		} else if (what < 88) {
			discard(f, &model->lanes[index], index);
		} else if (what < 97) {
			cover(f, &model->lanes[index], index);
		} else {
			plan_failure();
		}
	}
}

/* ---- what must be there ---- */

static void compare_lane(struct fixture *f, struct model *model, uint32_t index)
{
	struct model_lane *lane = &model->lanes[index];
	struct journal_reader *reader = journal_reader_open(f->journal, index, lane->checkpoint, &f->err);
	assert_non_null(reader);
	struct journal_record record;
	uint32_t at = 0;
	enum journal_read got;
	while ((got = journal_reader_next(reader, &record, &f->err)) == JOURNAL_READ_RECORD) {
		assert_int_equal(record.type, JOURNAL_EVENT); /* nothing is damaged, so no GAP */
		for (; at < lane->count; at++) {
			struct journal_position position = lane->records[at].position;
			if (position.epoch == record.position.epoch && position.counter == record.position.counter)
				break;
			bool covered = position.epoch < lane->checkpoint.epoch ||
			               (position.epoch == lane->checkpoint.epoch &&
			                position.counter <= lane->checkpoint.counter);
			if (lane->records[at].fate == FATE_ACKED && !covered)
				fail_msg("lane %u: %" PRIu64 "/%" PRIu64 " is missing", index, position.epoch,
				         position.counter);
			if (lane->records[at].fate == FATE_DOUBT && !covered)
				lane->records[at].fate = FATE_BURNT;
		}
		if (at == lane->count || lane->records[at].fate == FATE_BURNT ||
		    lane->records[at].fate == FATE_APPENDED)
			fail_msg("lane %u: %" PRIu64 "/%" PRIu64 " was never accepted", index, record.position.epoch,
			         record.position.counter);
		model->doubts += lane->records[at].fate == FATE_DOUBT;
		lane->records[at++].fate = FATE_ACKED;
		fixture_check(index, &record);
	}
	assert_int_equal(got, JOURNAL_READ_END);
	for (; at < lane->count; at++) {
		struct journal_position position = lane->records[at].position;
		bool covered =
		        position.epoch < lane->checkpoint.epoch ||
		        (position.epoch == lane->checkpoint.epoch && position.counter <= lane->checkpoint.counter);
		if (lane->records[at].fate == FATE_ACKED && !covered)
			fail_msg("lane %u: %" PRIu64 "/%" PRIu64 " is missing at the end", index, position.epoch,
			         position.counter);
		if (lane->records[at].fate != FATE_ACKED)
			lane->records[at].fate = FATE_BURNT; /* what was never committed is gone */
	}
	journal_reader_close(&reader);
}

static uint64_t acked(const struct model *model)
{
	uint64_t count = 0;
	for (uint32_t lane = 0; lane < LANES; lane++)
		for (uint32_t i = 0; i < model->lanes[lane].count; i++)
			count += model->lanes[lane].records[i].fate == FATE_ACKED;
	return count;
}

static void compare(struct fixture *f, struct model *model)
{
	fixture_open(f);
	for (uint32_t lane = 0; lane < journal_lane_count(f->journal); lane++)
		compare_lane(f, model, lane);
	assert_int_equal(fixture_stats(f).accepted_events, acked(model));
	assert_int_equal(fixture_stats(f).quarantined_bytes, 0);
	journal_close(&f->journal);
}

static void run_model(bool sync_on_commit, uint64_t grace_ms)
{
	const char *seed = getenv("JOURNAL_MODEL_SEED"), *rounds = getenv("JOURNAL_MODEL_ROUNDS");
	uint64_t start = seed ? strtoull(seed, NULL, 0) : (uint64_t)clock_monotonic_us() * 2654435761U + 1;
	struct model *model = mmap(NULL, sizeof(*model), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(model, MAP_FAILED);
	random_state = start;
	fprintf(stderr, "JOURNAL_MODEL_SEED=%" PRIu64 "\n", start);
	struct fixture f;
	fixture_init(&f, SCRATCH);
	f.options.sync_on_commit = sync_on_commit;
	f.options.grace_ms = grace_ms;
	f.options.file_bytes = 32 * 1024;
	int64_t until_ms = clock_monotonic_ms() + BUDGET_MS;
	for (int round = rounds ? atoi(rounds) : ROUNDS; round > 0; round--) {
		f.options.lanes = 1 + below(LANES);
		/* each life has dice of its own, thrown here, so that a seed repeats them */
		uint64_t dice = roll() | 1, before = random_state;
		random_state = dice;
		fixture_crash(&f, live, model);
		random_state = before;
		model->crashes++;
		compare(&f, model);
		if (!rounds && clock_monotonic_ms() > until_ms)
			break;
	}
	fprintf(stderr, "%u lives, %u operations, %u commits failed, %" PRIu64 " records kept, %u of them in doubt\n",
	        model->crashes, model->operations, model->failures, acked(model), model->doubts);
	assert_true(acked(model) > 100);
	fixture_fini(&f);
	munmap(model, sizeof(*model));
}

static void test_disk(void **state)
{
	(void)state;
	run_model(true, 0);
}

static void test_os(void **state)
{
	(void)state;
	run_model(false, 0);
}

static void test_grace(void **state)
{
	(void)state;
	run_model(true, 3600000);
}

int main(void)
{
	metrics_register_thread();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_disk),
		cmocka_unit_test(test_os),
		cmocka_unit_test(test_grace),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
