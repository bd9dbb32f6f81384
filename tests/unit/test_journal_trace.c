/* A run of 50 events is recorded, system call by system call. Then every prefix of it, the last write torn at every
 * 512-byte boundary, is a disk that some crash might have left: opened, it holds all that had been answered by then, as it
 * was written, and nothing that was not. The run rolls over several files, and in its middle the sink has half of the
 * events, so that files are unlinked and used again. */
#include "journal_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>

#define SCRATCH (access("/dev/shm", W_OK) == 0 ? "/dev/shm" : NULL)
#define EVENTS 50
#define VALUE_BYTES 1500
#define STEPS_MAX 4000
#define FILES_MAX 64
#define FD_MAX 1024
#define PATH_BYTES 192
#define SECTOR 512

enum kind { STEP_CREATE, STEP_WRITE, STEP_TRUNCATE, STEP_RENAME, STEP_UNLINK, STEP_MKDIR, STEP_ANSWER, STEP_COVER };

/* Files go by number, names by path below the folder. */
struct step {
	enum kind kind;
	int file;
	char path[PATH_BYTES], to[PATH_BYTES];
	uint64_t offset, counter;
	char *bytes;
	size_t len;
};

static struct step steps[STEPS_MAX];
static int step_count, file_count, file_of_fd[FD_MAX];
static const char *root; /* recording below this folder; NULL: not */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* ---- recording ---- */

static bool below_root(const char *path)
{
	return root && strncmp(path, root, strlen(root)) == 0;
}

static struct step *add_step(enum kind kind, const char *path)
{
	if (step_count == STEPS_MAX)
		abort();
	struct step *step = &steps[step_count++];
	*step = (struct step) { .kind = kind };
	if (path)
		snprintf(step->path, sizeof(step->path), "%s", path + strlen(root));
	return step;
}

static void lock(void)
{
	pthread_mutex_lock(&mutex);
}

static void unlock(void)
{
	pthread_mutex_unlock(&mutex);
}

static int file_at(const char *path)
{
	for (int i = step_count - 1; i >= 0; i--) {
		if (steps[i].kind == STEP_CREATE && strcmp(steps[i].path, path) == 0)
			return steps[i].file;
		if (steps[i].kind == STEP_RENAME && strcmp(steps[i].to, path) == 0)
			return steps[i].file;
	}
	return -1;
}

int open(const char *path, int flags, ...)
{
	va_list args;
	va_start(args, flags);
	mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
	va_end(args);
	if (!below_root(path))
		return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	lock();
	bool fresh = flags & O_CREAT && access(path, F_OK) != 0;
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	if (fd >= 0 && fd < FD_MAX) {
		file_of_fd[fd] = fresh ? file_count++ : file_at(path + strlen(root));
		if (fresh)
			add_step(STEP_CREATE, path)->file = file_of_fd[fd];
		else if (flags & O_TRUNC && file_of_fd[fd] >= 0)
			add_step(STEP_TRUNCATE, NULL)->file = file_of_fd[fd];
	}
	unlock();
	return fd;
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
	if (!root || fd >= FD_MAX || file_of_fd[fd] < 0)
		return syscall(SYS_pwrite64, fd, bytes, size, offset);
	lock();
	struct step *step = add_step(STEP_WRITE, NULL);
	step->file = file_of_fd[fd];
	step->offset = (uint64_t)offset;
	step->bytes = malloc(size);
	step->len = size;
	memcpy(step->bytes, bytes, size);
	ssize_t done = syscall(SYS_pwrite64, fd, bytes, size, offset);
	unlock();
	return done;
}

int ftruncate(int fd, off_t length)
{
	if (!root || fd >= FD_MAX || file_of_fd[fd] < 0)
		return (int)syscall(SYS_ftruncate, fd, length);
	lock();
	struct step *step = add_step(STEP_TRUNCATE, NULL);
	step->file = file_of_fd[fd];
	step->offset = (uint64_t)length;
	int rc = (int)syscall(SYS_ftruncate, fd, length);
	unlock();
	return rc;
}

int rename(const char *from, const char *to)
{
	if (!below_root(from))
		return (int)syscall(SYS_rename, from, to);
	lock();
	int file = file_at(from + strlen(root));
	struct step *step = add_step(STEP_RENAME, from);
	step->file = file;
	snprintf(step->to, sizeof(step->to), "%s", to + strlen(root));
	int rc = (int)syscall(SYS_rename, from, to);
	unlock();
	return rc;
}

int unlink(const char *path)
{
	if (!below_root(path))
		return (int)syscall(SYS_unlink, path);
	lock();
	if (access(path, F_OK) == 0)
		add_step(STEP_UNLINK, path);
	int rc = (int)syscall(SYS_unlink, path);
	unlock();
	return rc;
}

int mkdir(const char *path, mode_t mode)
{
	if (!below_root(path))
		return (int)syscall(SYS_mkdir, path, mode);
	lock();
	int rc = (int)syscall(SYS_mkdir, path, mode);
	if (rc == 0)
		add_step(STEP_MKDIR, path);
	unlock();
	return rc;
}

static void mark(enum kind kind, uint64_t counter)
{
	lock();
	add_step(kind, NULL)->counter = counter;
	unlock();
}

static void record_run(struct fixture *f, uint64_t *epoch)
{
	root = f->dir;
	fixture_open(f);
	*epoch = journal_epoch(f->journal);
	for (uint64_t i = 1; i <= EVENTS; i++) {
		fixture_write(f, 0, 1, VALUE_BYTES);
		mark(STEP_ANSWER, i);
		if (i == EVENTS / 2) {
			mark(STEP_COVER, i);
			journal_set_checkpoint(f->journal, 0, (struct journal_position) { *epoch, i });
			int64_t deadline = fixture_deadline();
			while (fixture_stats(f).files > 1 && clock_monotonic_ms() < deadline)
				fixture_pause();
		}
	}
	journal_close(&f->journal);
	root = NULL;
}

/* ---- the disk that a crash left ---- */

struct disk_file {
	char *bytes;
	size_t len, cap;
};
struct disk {
	struct disk_file files[FILES_MAX];
	char names[FILES_MAX][PATH_BYTES]; /* "": has none */
	char folders[16][PATH_BYTES];
	int folder_count;
	uint64_t answered, covered;
};

static void set_length(struct disk_file *file, size_t len)
{
	if (len > file->cap) {
		file->cap = len * 2;
		file->bytes = realloc(file->bytes, file->cap);
		assert_non_null(file->bytes);
	}
	if (len > file->len)
		memset(file->bytes + file->len, 0, len - file->len);
	file->len = len;
}

static int named(const struct disk *disk, const char *path)
{
	for (int i = 0; i < file_count; i++)
		if (strcmp(disk->names[i], path) == 0)
			return i;
	return -1;
}

static void write_part(struct disk *disk, const struct step *step, size_t len)
{
	struct disk_file *file = &disk->files[step->file];
	if (file->len < step->offset + len)
		set_length(file, step->offset + len);
	memcpy(file->bytes + step->offset, step->bytes, len);
}

static void apply(struct disk *disk, const struct step *step)
{
	int other;
	switch (step->kind) {
	case STEP_CREATE:
		memcpy(disk->names[step->file], step->path, PATH_BYTES);
		break;
	case STEP_WRITE:
		write_part(disk, step, step->len);
		break;
	case STEP_TRUNCATE:
		set_length(&disk->files[step->file], step->offset);
		break;
	case STEP_RENAME:
		other = named(disk, step->to);
		if (other >= 0)
			disk->names[other][0] = 0;
		memcpy(disk->names[step->file], step->to, PATH_BYTES);
		break;
	case STEP_UNLINK:
		other = named(disk, step->path);
		if (other >= 0)
			disk->names[other][0] = 0;
		break;
	case STEP_MKDIR:
		memcpy(disk->folders[disk->folder_count++], step->path, PATH_BYTES);
		break;
	case STEP_ANSWER:
		disk->answered = step->counter;
		break;
	case STEP_COVER:
		disk->covered = step->counter;
		break;
	}
}

static void lay_out(const struct disk *disk, const char *dir)
{
	char path[512];
	fixture_remove(dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	for (int i = 0; i < disk->folder_count; i++) {
		snprintf(path, sizeof(path), "%s%s", dir, disk->folders[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	for (int i = 0; i < file_count; i++) {
		const struct disk_file *file = &disk->files[i];
		if (!disk->names[i][0])
			continue;
		snprintf(path, sizeof(path), "%s%s", dir, disk->names[i]);
		int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		assert_true(fd >= 0);
		assert_int_equal(file->len ? pwrite(fd, file->bytes, file->len, 0) : 0, file->len);
		close(fd);
	}
}

/* `begun`: events whose write had begun. */
static void recover(struct fixture *f, const struct disk *disk, uint64_t epoch, uint64_t begun)
{
	lay_out(disk, f->dir);
	fixture_open(f);
	struct fixture_read seen =
	        fixture_read_lane(f, 0, (struct journal_position) { disk->covered ? epoch : 0, disk->covered });
	assert_int_equal(seen.gaps, 0);
	assert_true(seen.records >= disk->answered - disk->covered);
	assert_true(seen.records <= begun - disk->covered);
	if (seen.records) {
		assert_int_equal(seen.last.epoch, epoch);
		assert_int_equal(seen.last.counter, disk->covered + seen.records);
	}
	assert_in_range(fixture_stats(f).accepted_events, disk->answered, begun);
	journal_close(&f->journal);
}

static void test_every_prefix(void **state)
{
	(void)state;
	struct fixture f;
	static struct disk disk;
	uint64_t epoch;
	int states = 0;
	for (int i = 0; i < FD_MAX; i++)
		file_of_fd[i] = -1;
	fixture_init(&f, SCRATCH);
	f.options.file_bytes = 32 * 1024;
	record_run(&f, &epoch);
	assert_in_range(file_count, 5, FILES_MAX);
	for (int i = 0; i < step_count; i++) {
		const struct step *step = &steps[i];
		uint64_t begun = disk.answered + (disk.answered < EVENTS);
		size_t first = step->kind == STEP_WRITE ? SECTOR - (size_t)(step->offset % SECTOR) : 0;
		for (size_t torn = first; step->kind == STEP_WRITE && torn < step->len; torn += SECTOR, states++) {
			struct disk_file *file = &disk.files[step->file];
			struct disk_file kept = { .len = file->len };
			kept.bytes = malloc(file->len + 1);
			if (file->len)
				memcpy(kept.bytes, file->bytes, file->len);
			write_part(&disk, step, torn);
			recover(&f, &disk, epoch, begun);
			set_length(file, kept.len);
			if (kept.len)
				memcpy(file->bytes, kept.bytes, kept.len);
			free(kept.bytes);
		}
		apply(&disk, step);
		if (step->kind == STEP_ANSWER || step->kind == STEP_COVER)
			continue;
		recover(&f, &disk, epoch, begun);
		states++;
	}
	assert_int_equal(disk.answered, EVENTS);
	fprintf(stderr, "%d steps, %d states recovered\n", step_count, states);
	for (int i = 0; i < step_count; i++)
		free(steps[i].bytes);
	for (int i = 0; i < FILES_MAX; i++)
		free(disk.files[i].bytes);
	fixture_fini(&f);
}

int main(void)
{
	metrics_register_thread();
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_every_prefix) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
