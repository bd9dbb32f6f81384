// A disk that fills up: a small tmpfs and a small ext4 in a loop mount (skipped where mounting is not allowed). With a
// reserve, intake stops before the file system is full; without one ENOSPC itself is met. Either way: 503 with
// Retry-After, /readyz red, nothing answered 200 is lost, also by a process that is killed and started on the full disk,
// and all is well by itself when space returns. And an ext4 that turns read-only, as it does after an error of its own.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, openSync, closeSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { Headgate, pageView, sleep, waitFor } from './lib/headgate.mjs';
import { freePort } from './lib/wait.mjs';

const MIB = 2 ** 20;
const quiet = { stdio: 'pipe' };

function mountTmpfs(dir) {
	execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', dir], quiet);
}
function mountLoop(dir, ...options) {
	const image = `${dir}.img`;
	execFileSync('truncate', ['-s', '32M', image], quiet);
	execFileSync('mkfs.ext4', ['-q', '-m', '0', image], quiet);
	execFileSync('mount', ['-o', ['loop', ...options].join(), image, dir], quiet);
}

// A disk for one test, and headgate on it; null, and the test is skipped, where mounting is not allowed.
function mountFor(t, mount) {
	const dir = mkdtempSync(join(tmpdir(), 'headgate-full-')), scene = { disk: join(dir, 'disk'), hg: null };
	let mounted = false;
	t.after(async () => {
		try { await scene.hg?.close(); } finally {
			if (mounted) execFileSync('umount', [scene.disk], quiet);
			rmSync(dir, { recursive: true, force: true });
		}
	});
	mkdirSync(scene.disk);
	try { mount(scene.disk); } catch (e) {
		t.skip(`not possible here: ${String(e.stderr || e).trim()}`);
		return null;
	}
	mounted = true;
	return scene;
}

async function deliveredOnce(hg, accepted) {
	await hg.drained(30_000);
	const ids = hg.files().map((f) => f.event.event_id);
	assert.equal(ids.length, accepted.length);
	assert.deepEqual(new Set(ids), new Set(accepted));
}

// As far as it goes, in steps of 64 KiB.
function fill(path, bytes) {
	const fd = openSync(path, 'w'), chunk = Buffer.alloc(MIB / 16, 1);
	try {
		for (let at = 0; at < bytes; at += chunk.length) writeSync(fd, chunk);
	} catch (e) { assert.equal(e.code, 'ENOSPC'); }
	closeSync(fd);
}

for (const [kind, mount, reserve, other] of [['tmpfs', mountTmpfs, '2MiB', false], ['tmpfs, filled by somebody else', mountTmpfs, '0B', true], ['a loop mount, filled by somebody else', mountLoop, '0B', true]]) {
	test(`disk full: ${kind}, reserve ${reserve}`, { timeout: 120_000 }, async (t) => {
		const scene = mountFor(t, mount);
		if (!scene) return;
		const { disk } = scene, ballast = join(disk, 'ballast');
		fill(ballast, 14 * MIB);
		const nowhere = { 'bootstrap.servers': `127.0.0.1:${await freePort()}` };
		const config = { lanes: 1, durability: 'disk', journal: { file_bytes: '1MiB', reserve_bytes: reserve } };
		const hg = scene.hg = await Headgate.start({ dataDir: join(disk, 'data'), config: { ...config, kafka: nowhere } });
		const accepted = [];
		const post = async () => {
			const batch = Array.from({ length: 10 }, () => pageView({ properties: { pad: 'x'.repeat(1000) } }));
			const answer = await hg.post(batch);
			if (answer.status === 200) accepted.push(...batch.map((e) => e.event_id));
			else assert.equal(answer.status, 503, answer.text);
			return answer;
		};
		if (other) {
			while (accepted.length < 1500) assert.equal((await post()).status, 200);
			fill(`${ballast}-2`, Infinity);
		}
		const isRed = async () => (await hg.admin('/readyz')).status === 503;
		await waitFor(async () => {
			const answer = await post();
			if (answer.status !== 503 || !(await isRed())) return false;
			assert.ok(Number(answer.headers['retry-after']) > 0);
			return true;
		}, { deadlineMs: 60_000, everyMs: 0, what: 'no headroom' });
		assert.ok(accepted.length > 1000, `not before it was used: ${accepted.length}`);
		for (let i = 0; i < 20; i++) await post(); // it stays honest
		const failures = (await hg.metrics()).get('headgate_journal_failures_total');
		if (!other) assert.equal(failures, 0, 'stopped before the disk was full');
		await hg.kill9();
		const started = await hg.restart().then(() => true, (e) => {
			assert.match(e.message, /^exit 74[^]*No space left on device/, 'the service manager tries again');
			return false;
		});
		for (let i = 0; started && i < 20; i++) await post();
		const before = accepted.length;
		for (const file of [ballast, `${ballast}-2`]) rmSync(file, { force: true });
		if (!started) await hg.restart();
		await waitFor(async () => !(await isRed()), { deadlineMs: 20_000, what: '/readyz green when space returns' });
		await waitFor(async () => (await post()).status === 200, { deadlineMs: 5_000, what: 'intake' });
		assert.ok(accepted.length > before);
		console.error(`disk full, ${kind}, reserve ${reserve}: ${accepted.length} accepted, ${failures} failed calls`);
		await hg.restart({ config }); // to files now
		await deliveredOnce(hg, accepted);
	});
}

test('an ext4 that turns read-only', { timeout: 60_000 }, async (t) => {
	const scene = mountFor(t, (dir) => mountLoop(dir, 'errors=remount-ro'));
	if (!scene) return;
	const { disk } = scene;
	const device = basename(execFileSync('findmnt', ['-no', 'SOURCE', disk], { encoding: 'utf8' }).trim());
	const trigger = `/sys/fs/ext4/${device}/trigger_fs_error`;
	if (!existsSync(trigger)) return t.skip(`${trigger} is not there`);
	const config = { lanes: 1, durability: 'disk', journal: { file_bytes: '1MiB' } };
	const hg = scene.hg = await Headgate.start({ dataDir: join(disk, 'data'), config: { ...config, kafka: { 'bootstrap.servers': `127.0.0.1:${await freePort()}` } } });
	const accepted = [];
	const post = async () => {
		const event = pageView();
		const answer = await hg.post(event).catch(() => null);
		if (answer?.status === 200) accepted.push(event.event_id);
		return answer?.status;
	};
	while (accepted.length < 50) assert.equal(await post(), 200);
	writeFileSync(trigger, 'as a test');
	const ended = hg.exit;
	const statuses = [];
	while (hg.child && statuses.length < 200) {
		statuses.push(await post());
		await sleep(20);
	}
	assert.equal((await ended).code, 74, 'for the service manager to see');
	assert.equal(statuses[0], 503);
	assert.ok(!statuses.includes(200), 'nothing is promised that cannot be kept');
	execFileSync('umount', [disk], quiet);
	execFileSync('mount', ['-o', 'loop', `${disk}.img`, disk], quiet);
	await hg.restart({ config });
	assert.equal(await post(), 200);
	await deliveredOnce(hg, accepted);
});
