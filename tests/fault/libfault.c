/* A shim for LD_PRELOAD between headgate and the kernel: fails the n-th call on a file below FAULT_DIR, or the n-th
 * allocation, as the control block (file FAULT_CONTROL) says, and keeps a side log (file FAULT_LOG) of all that was not
 * synced when the process ended, from which tests/integration/lib/fault.mjs makes what a power cut would have left.
 *
 * In the side log an entry is written before the call it tells of: one that was cut off before the call undoes
 * nothing. SYNCED is written after the sync, and covers what was logged before SYNC: one that was cut off counts for
 * nothing. */
#include "libfault.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FILES 4096 /* descriptors looked at */
#define PATH_BYTES 512
#define TEXT(s) (s), sizeof(s) - 1

static struct fault_control *control;
static char dir[PATH_BYTES], saved_dir[PATH_BYTES];
static size_t dir_len;
static int log_fd = -1;
static uint32_t saved_count;
static _Atomic uint64_t sync_count;
static char *paths[FILES]; /* of open files below the folder */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void *(*real_malloc)(size_t);
static void *(*real_calloc)(size_t, size_t);
static void *(*real_realloc)(void *, size_t);

static void find_allocators(void)
{
	*(void **)&real_realloc = dlsym(RTLD_NEXT, "realloc"); /* as POSIX says it is done */
	*(void **)&real_calloc = dlsym(RTLD_NEXT, "calloc");
	*(void **)&real_malloc = dlsym(RTLD_NEXT, "malloc");
}

static long call_open(const char *path, int flags, mode_t mode)
{
	return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

__attribute__((constructor)) static void begin(void)
{
	const char *folder = getenv("FAULT_DIR"), *control_file = getenv("FAULT_CONTROL"),
	           *log_file = getenv("FAULT_LOG");
	find_allocators();
	if (!folder || !control_file)
		return;
	snprintf(dir, sizeof(dir), "%s", folder);
	dir_len = strlen(dir);
	int fd = (int)call_open(control_file, O_RDWR | O_CLOEXEC, 0);
	void *map = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		(void)!write(STDERR_FILENO, TEXT("libfault: no control block\n"));
		_exit(125);
	}
	close(fd);
	if (log_file) {
		log_fd = (int)call_open(log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		snprintf(saved_dir, sizeof(saved_dir), "%.500s.saved", log_file);
	}
	control = map;
}

/* ---- which call, and what becomes of it ---- */

static bool is_ours(const char *path)
{
	return control && strncmp(path, dir, dir_len) == 0 && (path[dir_len] == '/' || path[dir_len] == 0);
}

static const char *path_of(int fd)
{
	return control && fd >= 0 && fd < FILES ? paths[fd] : NULL;
}

static void set_path(int fd, const char *path)
{
	if (fd < 0 || fd >= FILES)
		return;
	free(paths[fd]);
	paths[fd] = path ? strdup(path) : NULL;
}

/* 0: let it be. Else how it is to fail; what kills or delays has been done. */
static uint64_t judge(enum fault_call kind, bool *kill_after)
{
	*kill_after = false;
	uint64_t kinds = atomic_load(&control->kinds);
	if (kinds && !(kinds & kind))
		return 0;
	uint64_t number = atomic_fetch_add(&control->calls, 1) + 1, wanted = atomic_load(&control->fail_call);
	if (!wanted || number < wanted || (number > wanted && !atomic_load(&control->sticky)))
		return 0;
	uint64_t how = atomic_load(&control->how);
	atomic_store(&control->hit_kind, kind);
	atomic_fetch_add(&control->hits, 1);
	if (how == FAULT_KILL)
		raise(SIGKILL);
	if (how >= FAULT_SLOW) {
		uint64_t ms = how - FAULT_SLOW;
		nanosleep(&(struct timespec) { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 }, NULL);
		return 0;
	}
	*kill_after = how == FAULT_KILL_AFTER;
	return *kill_after ? 0 : how;
}

static long finish(long result, bool kill_after)
{
	if (kill_after)
		raise(SIGKILL);
	return result;
}

static int fail(uint64_t how)
{
	errno = how == FAULT_SHORT ? EIO : (int)how;
	return -1;
}

/* ---- the side log ---- */

static int64_t wall_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* One write, so that entries of threads do not mix and a killed process leaves no half one. */
static void put_entry(struct fault_entry entry, const char *path, const char *other, const void *old)
{
	if (log_fd < 0)
		return;
	entry.path_len = (uint32_t)strlen(path);
	entry.other_len = other ? (uint32_t)strlen(other) : 0;
	entry.wall_ms = wall_ms();
	struct iovec parts[] = { { &entry, sizeof(entry) },
		                 { (void *)path, entry.path_len },
		                 { (void *)other, entry.other_len },
		                 { (void *)old, entry.old_len } };
	if (syscall(SYS_writev, log_fd, parts, 4) < 0) {
		(void)!write(STDERR_FILENO, TEXT("libfault: the side log failed\n"));
		_exit(125);
	}
}

static void log_write(int fd, const char *path, uint64_t offset, uint64_t size)
{
	struct stat st;
	if (log_fd < 0 || fstat(fd, &st) != 0)
		return;
	struct fault_entry entry = { .kind = FAULT_LOG_WRITE,
		                     .inode = st.st_ino,
		                     .offset = offset,
		                     .size = size,
		                     .old_size = (uint64_t)st.st_size };
	uint64_t there = entry.old_size > offset ? entry.old_size - offset : 0;
	void *old = there ? malloc(there < size ? there : size) : NULL;
	int again = old ? (int)call_open(path, O_RDONLY | O_CLOEXEC, 0) : -1;
	if (again >= 0) {
		ssize_t got = pread(again, old, there < size ? there : size, (off_t)offset);
		entry.old_len = got > 0 ? (uint64_t)got : 0;
		close(again);
	}
	put_entry(entry, path, NULL, old);
	free(old);
}

static void log_truncate(int fd, const char *path, uint64_t length)
{
	struct stat st;
	if (log_fd < 0 || fstat(fd, &st) != 0)
		return;
	struct fault_entry entry = {
		.kind = FAULT_LOG_TRUNCATE, .inode = st.st_ino, .offset = length, .old_size = (uint64_t)st.st_size
	};
	uint64_t cut = entry.old_size > length ? entry.old_size - length : 0;
	void *old = cut ? malloc(cut) : NULL;
	ssize_t got = old ? pread(fd, old, cut, (off_t)length) : 0;
	entry.old_len = got > 0 ? (uint64_t)got : 0;
	put_entry(entry, path, NULL, old);
	free(old);
}

/* A second name for what is about to lose its last one. 0: there is nothing. */
static uint32_t save(const char *path, uint64_t *inode)
{
	struct stat st;
	char to[PATH_BYTES + 16];
	if (log_fd < 0 || lstat(path, &st) != 0)
		return 0;
	*inode = st.st_ino;
	mkdir(saved_dir, 0700);
	pthread_mutex_lock(&mutex);
	uint32_t number = ++saved_count;
	pthread_mutex_unlock(&mutex);
	snprintf(to, sizeof(to), "%s/%d-%u", saved_dir, (int)getpid(), number);
	return link(path, to) == 0 ? number : 0;
}

/* ---- calls ---- */

static int do_open(const char *path, int flags, mode_t mode)
{
	if (!is_ours(path))
		return (int)call_open(path, flags, mode);
	bool kill_after;
	uint64_t how = judge(FAULT_OPEN, &kill_after);
	if (how)
		return fail(how);
	struct stat st;
	bool fresh = flags & O_CREAT && lstat(path, &st) != 0;
	if (fresh)
		put_entry((struct fault_entry) { .kind = FAULT_LOG_CREATE }, path, NULL, NULL);
	int fd = (int)call_open(path, flags, mode);
	if (fd >= 0 && flags & O_TRUNC && !fresh)
		put_entry((struct fault_entry) { .kind = FAULT_LOG_TRUNCATE, .inode = 0 }, path, NULL, NULL);
	set_path(fd, path);
	return (int)finish(fd, kill_after);
}

int open(const char *path, int flags, ...)
{
	va_list args;
	va_start(args, flags);
	mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
	va_end(args);
	return do_open(path, flags, mode);
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));

int __open_2(const char *path, int flags);
int __open_2(const char *path, int flags)
{
	return do_open(path, flags, 0);
}

int close(int fd)
{
	if (path_of(fd))
		set_path(fd, NULL);
	return (int)syscall(SYS_close, fd);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
	const char *path = path_of(fd);
	bool kill_after = false;
	if (path) {
		uint64_t how = judge(FAULT_WRITE, &kill_after);
		size_t size = 0;
		for (int i = 0; i < count; i++)
			size += parts[i].iov_len;
		if (how && how != FAULT_SHORT)
			return fail(how);
		log_write(fd, path, (uint64_t)offset, size);
		if (how) /* half of the first part */
			return pwrite(fd, parts[0].iov_base, (parts[0].iov_len + 1) / 2, offset);
	}
	return finish(syscall(SYS_pwritev, fd, parts, count, offset, 0), kill_after);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
	const char *path = path_of(fd);
	bool kill_after = false;
	if (path) {
		uint64_t how = judge(FAULT_WRITE, &kill_after);
		if (how && how != FAULT_SHORT)
			return fail(how);
		size = how && size > 1 ? size / 2 : size;
		log_write(fd, path, (uint64_t)offset, size);
	}
	return finish(syscall(SYS_pwrite64, fd, bytes, size, offset), kill_after);
}

static int do_sync(int fd, long number)
{
	const char *path = path_of(fd);
	if (!path)
		return (int)syscall(number, fd);
	bool kill_after;
	uint64_t how = judge(FAULT_SYNC, &kill_after);
	if (how)
		return fail(how);
	struct stat st = { 0 };
	fstat(fd, &st);
	struct fault_entry entry = { .kind = FAULT_LOG_SYNC,
		                     .inode = st.st_ino,
		                     .offset = atomic_fetch_add(&sync_count, 1) + 1 };
	put_entry(entry, path, NULL, NULL);
	int rc = (int)syscall(number, fd);
	entry.kind = FAULT_LOG_SYNCED;
	if (rc == 0)
		put_entry(entry, path, NULL, NULL);
	return (int)finish(rc, kill_after);
}

int fdatasync(int fd)
{
	return do_sync(fd, SYS_fdatasync);
}

int fsync(int fd)
{
	return do_sync(fd, SYS_fsync);
}

int ftruncate(int fd, off_t length)
{
	const char *path = path_of(fd);
	bool kill_after = false;
	if (path) {
		uint64_t how = judge(FAULT_TRUNCATE, &kill_after);
		if (how)
			return fail(how);
		log_truncate(fd, path, (uint64_t)length);
	}
	return (int)finish(syscall(SYS_ftruncate, fd, length), kill_after);
}

int fallocate(int fd, int mode, off_t offset, off_t size)
{
	const char *path = path_of(fd);
	bool kill_after = false;
	if (path) {
		uint64_t how = judge(FAULT_ALLOCATE, &kill_after);
		if (how)
			return fail(how);
		log_write(fd, path, (uint64_t)offset, (uint64_t)size);
	}
	return (int)finish(syscall(SYS_fallocate, fd, mode, offset, size), kill_after);
}

int rename(const char *from, const char *to)
{
	bool kill_after = false;
	if (is_ours(from)) {
		uint64_t how = judge(FAULT_RENAME, &kill_after);
		if (how)
			return fail(how);
		struct fault_entry entry = { .kind = FAULT_LOG_RENAME };
		entry.saved = save(to, &entry.inode);
		put_entry(entry, to, from, NULL);
	}
	return (int)finish(syscall(SYS_rename, from, to), kill_after);
}

int unlink(const char *path)
{
	bool kill_after = false;
	if (is_ours(path)) {
		uint64_t how = judge(FAULT_UNLINK, &kill_after);
		if (how)
			return fail(how);
		struct fault_entry entry = { .kind = FAULT_LOG_UNLINK };
		entry.saved = save(path, &entry.inode);
		put_entry(entry, path, NULL, NULL);
	}
	return (int)finish(syscall(SYS_unlink, path), kill_after);
}

int mkdir(const char *path, mode_t mode)
{
	bool kill_after = false;
	if (is_ours(path)) {
		uint64_t how = judge(FAULT_MKDIR, &kill_after);
		if (how)
			return fail(how);
	}
	return (int)finish(syscall(SYS_mkdir, path, mode), kill_after);
}

/* ---- time ---- */

int clock_gettime(clockid_t id, struct timespec *now)
{
	int rc = (int)syscall(SYS_clock_gettime, id, now);
	int64_t ms = rc == 0 && control && id == CLOCK_REALTIME ? atomic_load(&control->clock_ms) : 0;
	if (ms == 0)
		return rc;
	int64_t ns = now->tv_nsec + ms % 1000 * 1000000;
	now->tv_sec += ms / 1000 + (ns < 0 ? -1 : ns / 1000000000);
	now->tv_nsec = (ns + 1000000000) % 1000000000;
	return rc;
}

/* ---- memory ---- */

static bool refuse(void)
{
	if (!control || !atomic_load_explicit(&control->fail_malloc, memory_order_relaxed))
		return false;
	uint64_t wanted = atomic_load(&control->fail_malloc), number = atomic_fetch_add(&control->mallocs, 1) + 1;
	if (number != wanted)
		return false;
	atomic_fetch_add(&control->malloc_hits, 1);
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	if (!real_malloc)
		find_allocators();
	return refuse() ? NULL : real_malloc(size);
}

void *realloc(void *old, size_t size)
{
	if (!real_realloc)
		find_allocators();
	return refuse() ? NULL : real_realloc(old, size);
}

/* dlsym itself may ask for some before the real one is known. */
void *calloc(size_t count, size_t size)
{
	static _Alignas(16) char early[8192];
	static size_t used;
	if (!real_calloc) {
		size_t need = (count * size + 15) & ~(size_t)15;
		if (used + need > sizeof(early))
			return NULL;
		used += need;
		return early + used - need;
	}
	return refuse() ? NULL : real_calloc(count, size);
}
