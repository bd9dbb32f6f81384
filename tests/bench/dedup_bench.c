/* A start with 10 million keys in the dedup window: key indexes as the keeper leaves them behind (merged ones and one per
 * journal file), loaded into a new table in a process of its own. Prints `figure NAME VALUE UNIT`: the time, the bytes
 * read, the memory that the process holds then, and how long merging eight of the files takes; and what a key costs where
 * the memory has long been full, against one where it has just become so. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "dedup/index_set.h"

#define KEYS 10000000
#define DAY_MS INT64_C(86400000)
#define FULL_BYTES (64u << 20) /* holds so many keys: */
#define FULL_KEYS (FULL_BYTES / 24 / 8 * 5)

static const uint32_t FILES[] = { 4000000, 2000000, 1000000, 1000000, 500000, 500000, 250000, 250000, 250000, 250000 };

static _Noreturn void die(const struct error *err)
{
	fprintf(stderr, "%s\n", err->message);
	exit(1);
}

static struct dedup *make_table(void)
{
	struct error err = { 0 };
	const struct dedup_options options = { .memory_bytes = 1u << 30, .bucket_ms = DEDUP_BUCKET_MS };
	struct dedup *dedup = dedup_create(&options, &err);
	if (!dedup)
		die(&err);
	return dedup;
}

static void write_files(const char *dir, int64_t now_ms)
{
	struct dedup *dedup = make_table();
	struct dedup_entry *entries = malloc(FILES[0] * sizeof(*entries));
	struct error err = { 0 };
	uint64_t number = 0;
	for (size_t f = 0; entries && f < sizeof(FILES) / sizeof(FILES[0]); f++) {
		char path[256];
		struct key_index_facts facts;
		for (uint32_t i = 0; i < FILES[f]; i++, number++) {
			const struct slice parts[] = { SLICE("shop"), { (const char *)&number, sizeof(number) } };
			entries[i].key = dedup_make_key(dedup, parts, 2, now_ms, 30 * (uint64_t)DAY_MS);
			entries[i].tag = number | 1;
		}
		snprintf(path, sizeof(path), "%s/dedup/merged-%zu.idx", dir, f + 1);
		if (!key_index_write(path, entries, FILES[f], &facts, &err))
			die(&err);
	}
	free(entries);
	dedup_destroy(&dedup);
}

static void on_unread(void *context, const char *name)
{
	(void)context;
	fprintf(stderr, "%s cannot be read\n", name);
	exit(1);
}

static bool go_on(void *context)
{
	(void)context;
	return true;
}

static void load(const char *dir, int64_t now_ms)
{
	struct index_set set;
	struct error err = { 0 };
	struct dedup_stats stats;
	struct rusage usage;
	struct dedup *dedup = make_table();
	if (!index_set_init(&set, dir, &err))
		die(&err);
	int64_t begun_us = clock_monotonic_us();
	index_set_load(&set, dedup, now_ms, on_unread, NULL);
	int64_t load_us = clock_monotonic_us() - begun_us;
	dedup_stats(dedup, &stats);
	getrusage(RUSAGE_SELF, &usage);
	if (stats.entries != KEYS) {
		fprintf(stderr, "%llu keys instead of %d\n", (unsigned long long)stats.entries, KEYS);
		exit(1);
	}
	printf("figure dedup_load_10m_keys %lld ms\n", (long long)load_us / 1000);
	printf("figure dedup_index_10m_keys %llu MiB\n", (unsigned long long)atomic_load(&set.bytes) >> 20);
	printf("figure dedup_rss_10m_keys %ld MiB\n", usage.ru_maxrss >> 10);
	fflush(stdout);
	index_set_fini(&set);
	dedup_destroy(&dedup);
}

static void merge(const char *dir, int64_t now_ms)
{
	const struct journal_pace pace = { .go_on = go_on };
	struct key_index_facts facts;
	struct error err = { 0 };
	char paths[8][256], to[256];
	const char *from[8];
	size_t bad;
	for (size_t i = 0; i < 8; i++) {
		snprintf(paths[i], sizeof(paths[i]), "%s/dedup/merged-%zu.idx", dir, i + 3);
		from[i] = paths[i];
	}
	snprintf(to, sizeof(to), "%s/dedup/merged-99.idx", dir);
	int64_t begun_us = clock_monotonic_us();
	const struct key_index_job job = { from, 8, to, now_ms, NULL, &pace };
	if (!key_index_merge(&job, &facts, &bad, &err))
		die(&err);
	printf("figure dedup_merge_4m_keys %lld ms\n", (long long)(clock_monotonic_us() - begun_us) / 1000);
}

/* Nanoseconds for a new key, in the pattern of the pipeline. */
static double see_new(struct dedup *dedup, uint64_t first, uint64_t count, int64_t now_ms)
{
	int64_t begun_us = clock_monotonic_us();
	for (uint64_t number = first; number < first + count; number++) {
		const struct slice parts[] = { SLICE("shop"), { (const char *)&number, sizeof(number) } };
		struct dedup_key key = dedup_make_key(dedup, parts, 2, now_ms, 30 * (uint64_t)DAY_MS);
		struct dedup_ticket ticket;
		if (dedup_reserve(dedup, &key, 1, now_ms, &ticket, NULL) != DEDUP_NEW)
			exit(1);
		dedup_confirm(dedup, &ticket);
	}
	return (double)(clock_monotonic_us() - begun_us) * 1000 / (double)count;
}

static void fill(const char *dir, int64_t now_ms)
{
	(void)dir;
	struct error err = { 0 };
	const struct dedup_options options = { .memory_bytes = FULL_BYTES, .bucket_ms = DEDUP_BUCKET_MS };
	struct dedup *dedup = dedup_create(&options, &err);
	struct dedup_stats stats;
	if (!dedup)
		die(&err);
	see_new(dedup, 0, FULL_KEYS / 4 * 3, now_ms);
	double before = see_new(dedup, FULL_KEYS / 4 * 3, FULL_KEYS / 4, now_ms);
	see_new(dedup, FULL_KEYS, 4 * FULL_KEYS, now_ms);
	double after = see_new(dedup, 5 * FULL_KEYS, FULL_KEYS, now_ms);
	dedup_stats(dedup, &stats);
	printf("figure dedup_key_filling %.0f ns\n", before);
	printf("figure dedup_key_full %.0f ns\n", after);
	printf("figure dedup_full_ratio %.2f of filling, %llu keys forgotten\n", after / before,
	       (unsigned long long)stats.evicted);
	dedup_destroy(&dedup);
}

int main(void)
{
	char dir[64], command[128];
	int64_t now_ms = clock_wall_ms();
	snprintf(dir, sizeof(dir), "/tmp/headgate-bench-XXXXXX");
	if (!mkdtemp(dir))
		return 1;
	snprintf(command, sizeof(command), "%s/dedup", dir);
	mkdir(command, 0700);
	int status = 0;
	void (*const parts[])(const char *, int64_t) = { write_files, load, merge, fill };
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && status == 0; i++) {
		pid_t child = fork(); /* so that the memory of one part is not counted for the next */
		if (child == 0) {
			parts[i](dir, now_ms);
			exit(0);
		}
		if (child < 0 || waitpid(child, &status, 0) < 0)
			status = 1;
	}
	snprintf(command, sizeof(command), "rm -r '%s'", dir);
	return system(command) != 0 || status != 0; /* NOLINT(cert-env33-c): a folder of this program's own making */
}
