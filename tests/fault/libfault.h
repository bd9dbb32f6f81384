/* What a test and the shim share: a control block in a file that both map or read (all u64, little-endian), and the
 * entries of the side log, from which a power cut is made. tests/integration/lib/fault.mjs knows both layouts. */
#ifndef HEADGATE_FAULT_LIBFAULT_H
#define HEADGATE_FAULT_LIBFAULT_H

#include <stdatomic.h>
#include <stdint.h>

enum fault_call {
	FAULT_WRITE = 1,
	FAULT_SYNC = 2,
	FAULT_OPEN = 4,
	FAULT_RENAME = 8,
	FAULT_TRUNCATE = 16,
	FAULT_UNLINK = 32,
	FAULT_ALLOCATE = 64,
	FAULT_MKDIR = 128,
};

enum fault_how {                     /* below FAULT_SHORT: an errno */
	         FAULT_SHORT = 1000, /* a write takes half of it */
	         FAULT_KILL = 1001,  /* SIGKILL before the call */
	         FAULT_KILL_AFTER = 1002,
	         FAULT_SLOW = 100000, /* plus milliseconds: the call succeeds, later */
};

struct fault_control {
	_Atomic uint64_t calls;     /* of the kinds in `kinds`, so far */
	_Atomic uint64_t fail_call; /* the one to fail, from 1; 0: none */
	_Atomic uint64_t how;
	_Atomic uint64_t kinds;       /* bits of enum fault_call that count; 0: all */
	_Atomic uint64_t sticky;      /* 1: all from fail_call on */
	_Atomic uint64_t hits;        /* failed so far */
	_Atomic uint64_t hit_kind;    /* of the last */
	_Atomic uint64_t mallocs;     /* malloc, calloc, realloc, while fail_malloc is set */
	_Atomic uint64_t fail_malloc; /* the one to fail, from 1; 0: none */
	_Atomic uint64_t malloc_hits;
	_Atomic int64_t clock_ms; /* added to the wall clock */
};

/* Side log: this, then the path, then the other path (RENAME: from; UNLINK, RENAME: see `saved`), then old bytes. */
enum fault_entry_kind {
	FAULT_LOG_WRITE = 1, /* `size` bytes at `offset`; old: what stood there, shorter where the file ended */
	FAULT_LOG_TRUNCATE,  /* to `offset`; old: what was cut off */
	FAULT_LOG_CREATE,
	FAULT_LOG_RENAME, /* path: to, other: from; saved: a link to what it replaced, or 0 */
	FAULT_LOG_UNLINK, /* saved: a link to it, or 0 */
	FAULT_LOG_SYNC,   /* begun; offset: number of the sync */
	FAULT_LOG_SYNCED, /* it succeeded */
};
struct fault_entry {
	uint32_t kind, path_len, other_len, saved;
	uint64_t inode, offset, size, old_len;
	uint64_t old_size; /* of the file */
	int64_t wall_ms;
};

#endif
