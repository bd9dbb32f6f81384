/* Key indexes as recovery sees them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "dedup/recovery.h"

/* An index that is there but cannot be read must not keep recovery from scanning the journal file. */
static void test_unread_index_does_not_count(void **state)
{
	(void)state;
	char folder[] = "/tmp/headgate-dedup-XXXXXX", path[96];
	struct error err = { 0 };
	const struct dedup_options options = { .memory_bytes = 16 << 20, .bucket_ms = DEDUP_BUCKET_MS };
	struct dedup *dedup = dedup_create(&options, &err);
	struct dedup_recovery recovery;
	struct dedup_entry entry = { { { 1 }, 0 }, 0 };
	const struct slice parts[] = { SLICE("web"), SLICE("purchase"), SLICE("id") };
	assert_non_null(dedup);
	entry.key = dedup_make_key(dedup, parts, 3, clock_wall_ms(), 86400000);
	assert_non_null(mkdtemp(folder));
	assert_true(dedup_recovery_init(&recovery, dedup, folder, &err));
	snprintf(path, sizeof(path), "%s/dedup", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/dedup/0-good.idx", folder);
	assert_true(dedup_index_write(path, &entry, 1, &err));
	snprintf(path, sizeof(path), "%s/dedup/0-bad.idx", folder);
	assert_int_equal(mkdir(path, 0700), 0); /* reading it is an I/O error, not damage */
	assert_true(dedup_recovery_has_index(&recovery, 0, "good.log"));
	assert_false(dedup_recovery_has_index(&recovery, 0, "bad.log"));
	assert_false(dedup_recovery_has_index(&recovery, 0, "none.log"));
	rmdir(path);
	snprintf(path, sizeof(path), "%s/dedup/0-good.idx", folder);
	unlink(path);
	snprintf(path, sizeof(path), "%s/dedup", folder);
	rmdir(path);
	rmdir(folder);
	dedup_recovery_fini(&recovery);
	dedup_destroy(&dedup);
}

/* The keeper must not tend indexes that nobody has looked at: with no journal file to recover nothing else asks for them
 * before it runs. */
static void test_indexes_outlive_the_journal_files(void **state)
{
	(void)state;
	char folder[] = "/tmp/headgate-dedup-XXXXXX", path[96], command[64];
	struct error err = { 0 };
	const struct dedup_options options = { .memory_bytes = 16 << 20, .bucket_ms = DEDUP_BUCKET_MS };
	struct dedup_recovery recovery;
	struct dedup_ticket ticket;
	const struct slice parts[] = { SLICE("shop"), SLICE("purchase"), SLICE("order") };
	assert_non_null(mkdtemp(folder));
	struct dedup *dedup = dedup_create(&options, &err);
	struct dedup_entry entry = { dedup_make_key(dedup, parts, 3, clock_wall_ms(), 86400000), 7 };
	assert_true(dedup_recovery_init(&recovery, dedup, folder, &err));
	snprintf(path, sizeof(path), "%s/dedup", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/dedup/merged-1.idx", folder);
	assert_true(dedup_index_write(path, &entry, 1, &err));
	const struct journal_options journal_options = { .dir = folder,
		                                         .lanes = 1,
		                                         .file_bytes = 1 << 20,
		                                         .recovered_all = dedup_recovery_load,
		                                         .has_index = dedup_recovery_has_index,
		                                         .write_index = dedup_recovery_write_index,
		                                         .tend = dedup_recovery_tend,
		                                         .context = &recovery };
	struct journal *journal = journal_open(&journal_options, &err);
	assert_non_null(journal);
	assert_int_equal(dedup_reserve(dedup, &entry.key, entry.tag, clock_wall_ms(), &ticket, NULL), DEDUP_SAME);
	for (int64_t end_ms = clock_monotonic_ms() + 5000; clock_monotonic_ms() < end_ms;) {
		if (recovery.indexes.looked_ms) /* tended once */
			break;
		nanosleep(&(struct timespec) { .tv_nsec = 5000000 }, NULL);
	}
	journal_close(&journal);
	assert_true(recovery.indexes.looked_ms);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(atomic_load(&recovery.indexes.file_count), 1);
	dedup_recovery_fini(&recovery);
	dedup_destroy(&dedup);
	snprintf(command, sizeof(command), "rm -r '%s'", folder);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): a folder of this test's own making */
}

/* ---- merging ---- */

#define KEYS_A_FILE 600 /* every second one of a purchase: 30 days; the others 24 hours */
#define FILES_A_DAY 8
#define DAYS 40
#define DAY_MS INT64_C(86400000)

struct world {
	char dir[64];
	struct dedup *dedup;
	struct index_set set;
	int paces, give_up_at; /* 0: never */
	uint64_t room, asked;  /* bytes */
};

static int world_setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	const struct dedup_options options = { .memory_bytes = 64 << 20, .bucket_ms = DEDUP_BUCKET_MS };
	struct error err = { 0 };
	*state = world;
	snprintf(world->dir, sizeof(world->dir), "/tmp/headgate-dedup-XXXXXX");
	world->dedup = dedup_create(&options, &err);
	world->room = UINT64_MAX;
	if (!world->dedup || !mkdtemp(world->dir) || !index_set_init(&world->set, world->dir, &err))
		return -1;
	return mkdir(world->set.dir, 0700);
}

static int world_teardown(void **state)
{
	struct world *world = *state;
	char command[128];
	snprintf(command, sizeof(command), "rm -r '%s'", world->dir);
	int failed = system(command); /* NOLINT(cert-env33-c): a folder of this test's own making */
	index_set_fini(&world->set);
	dedup_destroy(&world->dedup);
	free(world);
	return failed;
}

static bool pace(void *context)
{
	struct world *world = context;
	return ++world->paces != world->give_up_at;
}

static bool has_room(void *context, uint64_t bytes)
{
	struct world *world = context;
	world->asked = bytes;
	return bytes <= world->room;
}

static struct dedup_entry entry_of(struct world *world, int file, int n, int64_t at_ms)
{
	char id[32];
	int len = snprintf(id, sizeof(id), "%d-%d", file, n);
	const struct slice parts[] = { { id, (size_t)len } };
	uint64_t window_ms = (uint64_t)(n % 2 ? 30 * DAY_MS : DAY_MS);
	return (struct dedup_entry) { dedup_make_key(world->dedup, parts, 1, at_ms, window_ms), (uint64_t)n };
}

/* As the keeper does when a journal file that is gone by now was sealed. */
static void write_file(struct world *world, int number, int64_t at_ms)
{
	struct dedup_entry entries[KEYS_A_FILE];
	struct key_index_facts facts;
	struct error err = { 0 };
	char path[700], name[32];
	for (int n = 0; n < KEYS_A_FILE; n++)
		entries[n] = entry_of(world, number, n, at_ms);
	snprintf(name, sizeof(name), "0-1-%06d.idx", number);
	snprintf(path, sizeof(path), "%s/%s", world->set.dir, name);
	assert_true(key_index_write(path, entries, KEYS_A_FILE, &facts, &err));
	index_set_add(&world->set, name, &facts);
}

static void tend(struct world *world, int64_t at_ms)
{
	const struct journal_pace own = { pace, has_room, world };
	world->set.looked_ms = 0;
	index_set_tend(&world->set, at_ms, &own);
}

static void on_unread(void *context, const char *name)
{
	(void)name;
	++*(int *)context;
}

static int files_on_disk(struct world *world)
{
	char command[128];
	int count = -1;
	snprintf(command, sizeof(command), "ls '%s/dedup' | wc -l", world->dir);
	FILE *pipe = popen(command, "r"); /* NOLINT(cert-env33-c) */
	assert_non_null(pipe);
	assert_int_equal(fscanf(pipe, "%d", &count), 1); /* NOLINT(cert-err34-c) */
	pclose(pipe);
	return count;
}

/* A new table from what lies on the disk; returns how many files could not be used. */
static int load_into(struct world *world, uint64_t memory_bytes, int64_t at_ms)
{
	const struct dedup_options options = { .memory_bytes = memory_bytes, .bucket_ms = DEDUP_BUCKET_MS };
	struct error err = { 0 };
	int unread = 0;
	index_set_fini(&world->set);
	dedup_destroy(&world->dedup);
	world->dedup = dedup_create(&options, &err);
	assert_true(world->dedup && index_set_init(&world->set, world->dir, &err));
	index_set_load(&world->set, world->dedup, at_ms, on_unread, &unread);
	return unread;
}

static int load_anew(struct world *world, int64_t at_ms)
{
	return load_into(world, 64 << 20, at_ms);
}

static bool is_known(struct world *world, const struct dedup_entry *entry, int64_t at_ms)
{
	struct dedup_ticket ticket;
	bool known = dedup_reserve(world->dedup, &entry->key, entry->tag, at_ms, &ticket, NULL) == DEDUP_SAME;
	dedup_release(world->dedup, &ticket);
	return known;
}

static void assert_known(struct world *world, int files, int64_t begun_ms, int64_t now_ms, int64_t step_ms)
{
	for (int file = 0; file < files; file++)
		for (int n = 0; n < KEYS_A_FILE; n++) {
			int64_t at_ms = begun_ms + file * step_ms, window_ms = n % 2 ? 30 * DAY_MS : DAY_MS;
			struct dedup_entry entry = entry_of(world, file, n, at_ms);
			if (now_ms < at_ms + window_ms)
				assert_true(is_known(world, &entry, now_ms));
			else if (now_ms > at_ms + window_ms + DEDUP_BUCKET_MS)
				assert_false(is_known(world, &entry, now_ms));
		}
}

static void test_forty_days_of_purchases(void **state)
{
	struct world *world = *state;
	const int64_t begun_ms = clock_wall_ms(), step_ms = DAY_MS / FILES_A_DAY;
	int files = 0, most = 0;
	uint64_t most_bytes = 0;
	for (; files < DAYS * FILES_A_DAY; files++) {
		write_file(world, files, begun_ms + files * step_ms);
		tend(world, begun_ms + files * step_ms);
		int there = files_on_disk(world);
		assert_int_equal(there, atomic_load(&world->set.file_count));
		most = there > most ? there : most;
		uint64_t bytes = atomic_load(&world->set.bytes);
		most_bytes = bytes > most_bytes ? bytes : most_bytes;
	}
	int64_t now_ms = begun_ms + (files - 1) * step_ms;
	assert_in_range(most, 1, 24); /* of 320 files written */
	/* what is in its window, and as much again that waits for the next merge */
	assert_in_range(most_bytes, 1, 2 * (31 * FILES_A_DAY + FILES_A_DAY) * (KEYS_A_FILE / 2) * 24);
	assert_int_equal(load_anew(world, now_ms), 0);
	assert_known(world, files, begun_ms, now_ms, step_ms);
	tend(world, now_ms + 31 * DAY_MS);
	assert_int_equal(files_on_disk(world), 0);
	assert_true(atomic_load(&world->set.expired) > 0);
}

/* Given up at any point, or ended between the new file's name and the sources' end: no key is lost. */
static void test_an_end_at_any_point(void **state)
{
	struct world *world = *state;
	int64_t now_ms = clock_wall_ms();
	char command[256];
	for (int file = 0; file < 8; file++)
		write_file(world, file, now_ms);
	for (world->give_up_at = 1;; world->give_up_at++) {
		snprintf(command, sizeof(command), "rm -rf '%s/saved'; cp -r '%s/dedup' '%s/saved'", world->dir,
		         world->dir, world->dir);
		assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c) */
		world->paces = 0;
		tend(world, now_ms);
		if (atomic_load(&world->set.merges))
			break;
		assert_int_equal(files_on_disk(world), 8);
		assert_int_equal(load_anew(world, now_ms), 0);
		assert_known(world, 8, now_ms, now_ms, 0);
	}
	assert_in_range(world->give_up_at, 2, 100);
	assert_int_equal(files_on_disk(world), 1);
	/* the sources are back, and half of a merged file as well */
	snprintf(command, sizeof(command),
	         "cd '%s' && cp saved/* dedup/ && head -c 5000 dedup/merged-*1.idx >dedup/merged-2.idx.tmp",
	         world->dir);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c) */
	assert_int_equal(load_anew(world, now_ms), 0);
	assert_int_equal(files_on_disk(world), 9);
	assert_known(world, 8, now_ms, now_ms, 0);
	struct dedup_stats stats;
	dedup_stats(world->dedup, &stats);
	assert_int_equal(stats.entries, 8 * KEYS_A_FILE);
	tend(world, now_ms);
	assert_int_equal(load_anew(world, now_ms), 0);
	assert_known(world, 8, now_ms, now_ms, 0);
}

/* A flipped bit costs at most the key it hit; the file is left out of merges and told of. */
static void test_damage_is_survived(void **state)
{
	struct world *world = *state;
	int64_t now_ms = clock_wall_ms();
	char path[700];
	int unknown = 0;
	for (int file = 0; file < 9; file++)
		write_file(world, file, now_ms);
	snprintf(path, sizeof(path), "%s/0-1-000004.idx", world->set.dir);
	FILE *file = fopen(path, "r+");
	assert_true(file && fseek(file, 32 + 24 * 100 + 3, SEEK_SET) == 0);
	int byte = fgetc(file);
	assert_true(fseek(file, -1, SEEK_CUR) == 0 && fputc(byte ^ 1, file) != EOF && fclose(file) == 0);
	tend(world, now_ms); /* finds out, and tries without it */
	tend(world, now_ms);
	assert_int_equal(atomic_load(&world->set.merges), 1);
	assert_int_equal(files_on_disk(world), 2);
	assert_int_equal(load_anew(world, now_ms), 1);
	assert_int_equal(atomic_load(&world->set.damaged), 1);
	for (int number = 0; number < 9; number++)
		for (int n = 0; n < KEYS_A_FILE; n++) {
			struct dedup_entry entry = entry_of(world, number, n, now_ms);
			unknown += !is_known(world, &entry, now_ms);
		}
	assert_int_equal(unknown, 1);
}

static uint64_t entries_on_disk(struct world *world)
{
	return (atomic_load(&world->set.bytes) - 32 * atomic_load(&world->set.file_count)) / 24;
}

/* What the table had to forget does not stay on the disk, to be forgotten again by each start; what it knows does. */
static void test_forgotten_keys_leave_the_disk(void **state)
{
	enum { FILES = 320 };
	struct world *world = *state;
	int64_t now_ms = clock_wall_ms();
	struct dedup_stats before, after;
	for (int file = 0; file < FILES; file++)
		write_file(world, file, now_ms);
	for (int turn = 0; turn < FILES / 8; turn++)
		tend(world, now_ms);
	assert_int_equal(entries_on_disk(world), FILES * KEYS_A_FILE);
	load_into(world, 1 << 20, now_ms);
	dedup_stats(world->dedup, &before);
	assert_true(before.evicted > 4 * before.entries);
	for (int turn = 0; turn < FILES / 8; turn++)
		tend(world, now_ms);
	assert_in_range(entries_on_disk(world), before.entries, 2 * before.entries + 4096);
	uint64_t merges = atomic_load(&world->set.merges);
	tend(world, now_ms);
	assert_int_equal(atomic_load(&world->set.merges), merges); /* not again and again */
	load_into(world, 1 << 20, now_ms);
	dedup_stats(world->dedup, &after);
	assert_int_equal(after.entries + after.evicted, entries_on_disk(world));
	assert_in_range(after.entries, before.entries / 8 * 7, before.entries);
}

/* A merge waits for room that the journal would not get else, and one that fails is not tried again at once. */
static void test_a_merge_needs_room(void **state)
{
	struct world *world = *state;
	int64_t now_ms = clock_wall_ms();
	char command[128];
	for (int file = 0; file < 8; file++)
		write_file(world, file, now_ms);
	world->room = 8 * KEYS_A_FILE * 24;
	tend(world, now_ms);
	assert_int_equal(world->asked, 32 + 8 * KEYS_A_FILE * 24);
	assert_int_equal(world->paces, 0);
	world->room = world->asked;
	snprintf(command, sizeof(command), "mkdir '%s/dedup/merged-000000000001.idx.tmp'", world->dir);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c) */
	world->asked = 0;
	tend(world, now_ms); /* fails: there is something in its way */
	assert_true(world->asked > 0);
	int64_t wait_ms = world->set.retry_at_ms - clock_monotonic_ms();
	assert_in_range(wait_ms, 5000, 10000);
	snprintf(command, sizeof(command), "rmdir '%s/dedup/merged-000000000001.idx.tmp'", world->dir);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c) */
	world->asked = 0;
	tend(world, now_ms);
	assert_int_equal(world->asked, 0);
	world->set.retry_at_ms = clock_monotonic_ms();
	tend(world, now_ms);
	assert_int_equal(atomic_load(&world->set.merges), 1);
	assert_int_equal(files_on_disk(world), 1);
}

/* Where nothing is written out the pace is kept as well. */
static void test_expired_stretches_keep_the_pace(void **state)
{
	enum { COUNT = 100000 };
	struct world *world = *state;
	int64_t now_ms = clock_wall_ms();
	struct dedup_entry *entries = calloc(COUNT, sizeof(*entries));
	struct key_index_facts facts;
	struct error err = { 0 };
	char from[128], to[128];
	size_t bad;
	assert_non_null(entries);
	for (int n = 0; n < COUNT; n++)
		entries[n] = entry_of(world, 1, 2 * n, now_ms);
	snprintf(from, sizeof(from), "%s/dedup/merged-1.idx", world->dir);
	snprintf(to, sizeof(to), "%s/dedup/merged-2.idx", world->dir);
	assert_true(key_index_write(from, entries, COUNT, &facts, &err));
	const struct journal_pace own = { pace, has_room, world };
	const char *const sources[] = { from };
	const struct key_index_job job = { sources, 1, to, now_ms + 2 * DAY_MS, NULL, &own };
	assert_true(key_index_merge(&job, &facts, &bad, &err));
	assert_int_equal(facts.count, 0);
	assert_in_range(world->paces, COUNT / 16384, COUNT);
	free(entries);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unread_index_does_not_count),
		cmocka_unit_test(test_indexes_outlive_the_journal_files),
		cmocka_unit_test_setup_teardown(test_forty_days_of_purchases, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_an_end_at_any_point, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_damage_is_survived, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_forgotten_keys_leave_the_disk, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_a_merge_needs_room, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_expired_stretches_keep_the_pace, world_setup, world_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
