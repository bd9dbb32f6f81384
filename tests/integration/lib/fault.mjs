// The shim tests/fault/libfault.so around the daemon: its control block, and power cuts made from its side log. Layouts:
// tests/fault/libfault.h.
import { closeSync, existsSync, ftruncateSync, linkSync, lstatSync, openSync, readFileSync, readSync, readdirSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { binary, build } from './headgate.mjs';

export const SHORT = 1000, KILL = 1001, KILL_AFTER = 1002, slow = (ms) => 100000 + ms;
export const ERRNO = { EINTR: 4, EIO: 5, ENOSPC: 28, EROFS: 30 };
export const CALLS = { write: 1, sync: 2, open: 4, rename: 8, truncate: 16, unlink: 32, allocate: 64, mkdir: 128 };
const FIELDS = ['calls', 'fail_call', 'how', 'kinds', 'sticky', 'hits', 'hit_kind', 'mallocs', 'fail_malloc', 'malloc_hits', 'clock_ms'];

// A sanitizer wants to come first and has an allocator of its own.
export const sanitized = () => /__(asan|tsan|ubsan)_/.test(readFileSync(binary, 'latin1'));

export class Fault {
	constructor(home, dataDir) {
		Object.assign(this, { home, dataDir, controlFile: join(home, 'control'), round: 0 });
		writeFileSync(this.controlFile, Buffer.alloc(4096));
		this.fd = openSync(this.controlFile, 'r+');
	}
	close() { closeSync(this.fd); }
	get(field) {
		const bytes = Buffer.alloc(8);
		readSync(this.fd, bytes, 0, 8, FIELDS.indexOf(field) * 8);
		return Number(bytes.readBigUInt64LE());
	}
	set(values) {
		for (const [field, value] of Object.entries(values)) {
			const bytes = Buffer.alloc(8);
			bytes.writeBigInt64LE(BigInt(value));
			writeSync(this.fd, bytes, 0, 8, FIELDS.indexOf(field) * 8);
		}
	}
	// All zero, but for these.
	reset(values = {}) {
		writeSync(this.fd, Buffer.alloc(FIELDS.length * 8), 0, FIELDS.length * 8, 0);
		this.set(values);
	}
	// The environment of the next run; with `log`, what it leaves unsynced is noted.
	env({ log = false } = {}) {
		this.log = log ? join(this.home, `side-${++this.round}`) : null;
		return { LD_PRELOAD: join(build, 'fault/libfault.so'), FAULT_DIR: this.dataDir, FAULT_CONTROL: this.controlFile, ...(log && { FAULT_LOG: this.log }) };
	}
}

const KIND = { write: 1, truncate: 2, create: 3, rename: 4, unlink: 5, sync: 6, synced: 7 };
const HEAD = 64;

function* entries(bytes) {
	for (let at = 0; at + HEAD <= bytes.length;) {
		const u32 = (i) => bytes.readUInt32LE(at + i), u64 = (i) => Number(bytes.readBigUInt64LE(at + i));
		const e = { kind: u32(0), saved: u32(12), inode: u64(16), offset: u64(24), size: u64(32), oldSize: u64(48), wallMs: u64(56) };
		const pathAt = at + HEAD, otherAt = pathAt + u32(4), oldAt = otherAt + u32(8), end = oldAt + u64(40);
		if (end > bytes.length) break;
		e.path = resolve(bytes.toString('utf8', pathAt, otherAt));
		e.other = otherAt < oldAt ? resolve(bytes.toString('utf8', otherAt, oldAt)) : null;
		e.old = bytes.subarray(oldAt, end);
		at = end;
		yield e;
	}
}

// What was not synced when the process ended: writes per file, names per folder, in order.
function unsynced(log) {
	const writes = new Map(), names = new Map(), begun = new Map();
	let number = 0, lastMs = 0;
	const add = (map, key, e) => map.set(key, [...(map.get(key) ?? []), e]);
	const drop = (map, key, before) => { const left = (map.get(key) ?? []).filter((e) => e.number > before); if (left.length) map.set(key, left); else map.delete(key); };
	for (const e of entries(readFileSync(log))) {
		e.number = ++number;
		lastMs = Math.max(lastMs, e.wallMs);
		if (e.kind === KIND.write || (e.kind === KIND.truncate && e.inode)) add(writes, e.inode, e);
		else if (e.kind === KIND.create || e.kind === KIND.rename || e.kind === KIND.unlink) add(names, dirname(e.path), e);
		else if (e.kind === KIND.sync) begun.set(e.offset, number);
		else if (e.kind === KIND.synced && begun.has(e.offset)) {
			drop(writes, e.inode, begun.get(e.offset));
			drop(names, e.path, begun.get(e.offset));
		}
	}
	return { writes, names, lastMs };
}

function undoName(e, saved) {
	const keep = e.saved ? join(saved.dir, `${saved.pid}-${e.saved}`) : null;
	if (e.kind === KIND.create) rmSync(e.path, { force: true });
	if (e.kind === KIND.rename) {
		if (existsSync(e.path)) renameSync(e.path, e.other);
		if (keep) linkSync(keep, e.path);
	}
	if (e.kind === KIND.unlink && keep && !existsSync(e.path)) linkSync(keep, e.path);
}

const upTo = (n) => Math.floor(Math.random() * (n + 1));
const SECTOR = 512;

// The file before its unsynced writes, and which sectors these touched (true: wholly).
function before(now, pending) {
	let old = Buffer.from(now);
	const touched = new Map();
	for (const e of [...pending].reverse()) {
		old = old.length < e.oldSize ? Buffer.concat([old, Buffer.alloc(e.oldSize - old.length)]) : old.subarray(0, e.oldSize);
		e.old.copy(old, e.offset);
		const from = e.offset, to = e.kind === KIND.write ? e.offset + e.size : e.oldSize;
		for (let s = Math.floor(from / SECTOR); s * SECTOR < to; s++)
			touched.set(s, touched.get(s) || (s * SECTOR >= from && (s + 1) * SECTOR <= to));
	}
	return { old, touched };
}

// One of what the disk may hold: old or new for each sector, in order or at random, some of them neither.
function mangle(path, pending) {
	const now = readFileSync(path), { old, touched } = before(now, pending);
	const mode = ['old', 'new', 'torn', 'mixed', 'garbled', 'zeroed'][upTo(5)];
	const size = mode === 'old' ? old.length : mode === 'new' ? now.length : Math.min(old.length, now.length) + upTo(Math.abs(now.length - old.length));
	const out = Buffer.alloc(Math.max(size, 0));
	now.copy(out, 0, 0, Math.min(size, now.length));
	const sectors = [...touched.keys()].sort((a, b) => a - b), tornAt = upTo(sectors.length);
	sectors.forEach((s, i) => {
		const at = s * SECTOR, end = Math.min(at + SECTOR, size);
		if (at >= size) return;
		const takeOld = mode === 'old' || (mode === 'torn' ? i >= tornAt : mode !== 'new' && Math.random() < 0.5);
		if (takeOld) {
			out.fill(0, at, end);
			if (at < old.length) old.copy(out, at, at, Math.min(end, old.length));
		}
		if (!touched.get(s) || Math.random() > 0.2) return;
		if (mode === 'garbled') for (let b = at; b < end; b++) out[b] = upTo(255);
		if (mode === 'zeroed') out.fill(0, at, end);
	});
	const fd = openSync(path, 'r+');
	writeSync(fd, out, 0, out.length, 0);
	ftruncateSync(fd, out.length);
	closeSync(fd);
	return mode;
}

function* filesBelow(dir) {
	for (const entry of existsSync(dir) ? readdirSync(dir, { withFileTypes: true }) : []) {
		if (entry.isDirectory()) yield* filesBelow(join(dir, entry.name));
		else if (entry.isFile()) yield join(dir, entry.name);
	}
}

// The process has ended: makes of its data directory what a power cut at that moment might have left. Answers what was at
// stake: the time of the cut, and of the oldest write to the journal that was not synced.
export function cutPower(fault, pid) {
	const { writes, names, lastMs } = unsynced(fault.log);
	const saved = { dir: `${fault.log}.saved`, pid };
	let undone = 0, mangled = 0, oldestMs = null;
	for (const pending of writes.values())
		for (const e of pending) if (e.path.includes('/journal/') && (oldestMs === null || e.wallMs < oldestMs)) oldestMs = e.wallMs;
	for (const list of names.values()) {
		const keep = upTo(list.length);
		for (const e of list.slice(keep).reverse()) undoName(e, saved);
		undone += list.length - keep;
	}
	for (const path of filesBelow(fault.dataDir)) {
		const pending = writes.get(lstatSync(path).ino);
		if (pending && mangle(path, pending)) mangled++;
	}
	rmSync(saved.dir, { recursive: true, force: true });
	rmSync(fault.log, { force: true });
	return { undone, mangled, cutMs: lastMs, oldestMs };
}
