/* A journal file damaged in every way the input says, then scanned, recovered and read. Nothing crashes, the start is
 * never blocked, and no record comes out that was not written, in its order; with CRCs made good again for damaged
 * records (operation RESTAMP) only the former is asked.
 *
 * Input: operations of 8 bytes {kind, length, 16-bit argument, 32-bit offset}. */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metrics.h"
#include "journal/format.h"

#define MUST(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

#define FILE_BYTES (32 * 1024)
#define RECORDS 40
#define VALUE_BYTES 90
#define OPERATIONS_MAX 64

enum operation { SET, FLIP, ZERO, COPY, TRUNCATE, EXTEND, RESTAMP, OPERATION_count };

struct step {
	uint8_t kind, length;
	uint16_t argument;
	uint32_t offset;
};

static char dir[128], lane_dir[160], log_path[256], meta_path[160];
static char reference[FILE_BYTES], meta[64 * 1024];
static size_t reference_len, meta_len;
static size_t record_size;
static uint32_t salt_crc;
static bool restamped;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static void remove_dir(void)
{
	nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static size_t load(const char *path, char *to, size_t cap)
{
	FILE *file = fopen(path, "r");
	MUST(file);
	size_t len = fread(to, 1, cap, file);
	fclose(file);
	return len;
}

static void save(const char *path, const char *bytes, size_t len)
{
	FILE *file = fopen(path, "w");
	MUST(file && fwrite(bytes, 1, len, file) == len);
	fclose(file);
}

static void fill_value(char *to, uint64_t counter)
{
	for (size_t i = 0; i < VALUE_BYTES; i++)
		to[i] = (char)('a' + (i * 7 + counter) % 26);
}

static void check_record(const struct journal_record *record)
{
	char value[VALUE_BYTES];
	if (restamped || record->type == JOURNAL_GAP)
		return;
	MUST(record->type == JOURNAL_EVENT && record->value.len == VALUE_BYTES);
	MUST(record->position.counter >= 1 && record->position.counter <= RECORDS);
	fill_value(value, record->position.counter);
	MUST(memcmp(value, record->value.at, VALUE_BYTES) == 0);
}

static void on_recovered(void *context, uint32_t lane, const struct journal_record *record)
{
	uint64_t *last = context;
	MUST(lane == 0 && record->position.counter > *last);
	*last = record->position.counter;
	check_record(record);
}

static bool on_scanned(void *context, const struct journal_record *record)
{
	on_recovered(context, 0, record);
	return true;
}

static struct journal *open_journal(uint64_t *last)
{
	struct journal_options options = {
		.dir = dir, .lanes = 1, .file_bytes = FILE_BYTES, .on_recovered = on_recovered, .context = last
	};
	options.sync_interval_ms = 1000;
	struct error err = { 0 };
	struct journal *journal = journal_open(&options, &err);
	if (!journal) {
		fprintf(stderr, "%s\n", err.message);
		abort();
	}
	return journal;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	metrics_register_thread();
	log_init(LOG_ERROR, LOG_FORMAT_JSON);
	const char *base = getenv("TMPDIR");
	snprintf(dir, sizeof(dir), "%s/headgate-fuzz-XXXXXX",
	         base                            ? base
	         : access("/dev/shm", W_OK) == 0 ? "/dev/shm"
	                                         : "/tmp");
	MUST(mkdtemp(dir));
	atexit(remove_dir);
	uint64_t last = 0;
	struct journal *journal = open_journal(&last);
	struct journal_writer *writer = journal_writer_get(journal, 0);
	for (uint64_t i = 1; i <= RECORDS; i++) {
		char *at = journal_writer_begin(writer, VALUE_BYTES);
		MUST(at);
		fill_value(at, i);
		journal_writer_end(writer,
		                   &(struct journal_record) { .type = JOURNAL_EVENT, .value = { at, VALUE_BYTES } });
		MUST(journal_writer_commit(writer, NULL));
	}
	struct journal_file_name *files;
	size_t count;
	MUST(journal_list_files(dir, &files, &count, NULL) && count == 1);
	snprintf(log_path, sizeof(log_path), "%s", files[0].path);
	free(files);
	snprintf(meta_path, sizeof(meta_path), "%s/meta", dir);
	snprintf(lane_dir, sizeof(lane_dir), "%s/journal/0", dir);
	reference_len = load(log_path, reference, sizeof(reference)); /* as a crash would leave both */
	meta_len = load(meta_path, meta, sizeof(meta));
	struct journal_file_header header;
	memcpy(&header, reference, sizeof(header));
	salt_crc = journal_salt_crc(header.salt);
	record_size = journal_record_size(reference + JOURNAL_HEADER_BYTES);
	journal_close(&journal);
	return 0;
}

static void restamp(char *log, size_t len, uint32_t index)
{
	size_t at = JOURNAL_HEADER_BYTES + (index % RECORDS) * record_size;
	if (at + JOURNAL_RECORD_BYTES > len || journal_record_size(log + at) < JOURNAL_RECORD_BYTES ||
	    journal_record_size(log + at) > len - at)
		return;
	journal_record_stamp(log + at, salt_crc);
	restamped = true;
}

static size_t apply(char *log, size_t len, struct step step)
{
	size_t at = len ? step.offset % len : 0, n = step.length;
	if (n > len - at)
		n = len - at;
	switch (step.kind % OPERATION_count) {
	case SET:
		memset(log + at, step.argument & 0xff, n);
		break;
	case FLIP:
		if (n)
			log[at] = (char)(log[at] ^ (1 << (step.argument % 8)));
		break;
	case ZERO:
		memset(log + at, 0, n * 16 < len - at ? n * 16 : len - at);
		break;
	case COPY: {
		size_t to = len ? step.argument * (size_t)8 % len : 0;
		size_t most = len - (at > to ? at : to);
		memmove(log + to, log + at, n * 8 < most ? n * 8 : most);
		break;
	}
	case TRUNCATE:
		return at;
	case EXTEND:
		n = step.argument < FILE_BYTES - len ? step.argument : FILE_BYTES - len;
		memset(log + len, step.length, n);
		return len + n;
	case RESTAMP:
		restamp(log, len, step.offset);
		break;
	}
	return len;
}

static void check_reading(struct journal *journal)
{
	struct journal_reader *reader = journal_reader_open(journal, 0, (struct journal_position) { 0, 0 }, NULL);
	MUST(reader);
	struct journal_record record;
	struct journal_position last = { 0, 0 };
	enum journal_read result;
	while ((result = journal_reader_next(reader, &record, NULL)) == JOURNAL_READ_RECORD) {
		MUST(record.position.epoch > last.epoch || record.position.counter > last.counter);
		last = record.position;
		check_record(&record);
	}
	MUST(result == JOURNAL_READ_END);
	journal_reader_close(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static char log[FILE_BYTES];
	memcpy(log, reference, reference_len);
	size_t log_len = reference_len;
	restamped = false;
	for (size_t i = 0; i < OPERATIONS_MAX && (i + 1) * sizeof(struct step) <= len; i++) {
		struct step step;
		memcpy(&step, bytes + i * sizeof(step), sizeof(step));
		log_len = apply(log, log_len, step);
	}
	char path[256];
	remove_dir();
	MUST(mkdir(dir, 0700) == 0);
	snprintf(path, sizeof(path), "%s/journal", dir);
	MUST(mkdir(path, 0700) == 0 && mkdir(lane_dir, 0700) == 0);
	save(meta_path, meta, meta_len);
	save(log_path, log, log_len);

	uint64_t last = 0;
	struct journal_scan scan;
	struct error err;
	if (!journal_scan_file(log_path, on_scanned, &last, &scan, &err))
		MUST(err.code == ERROR_DATA);
	last = 0;
	struct journal *journal = open_journal(&last);
	check_reading(journal);
	journal_close(&journal);
	return 0;
}
