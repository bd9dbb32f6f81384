#!/usr/bin/env node
// Runs the unit tests (cmocka programs of $B/unit), then the integration tests (tests/integration/*.test.mjs), one file
// after the other, against $HEADGATE_BINARY or $B/headgate. The last line is "N passed, N failed[, N skipped]"; the exit
// code is 0 only if something ran and nothing failed.
//   run-tests.mjs [--unit|--integration] [NAME…]   NAME picks files: "kill" is test_kill and kill.test.mjs
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const build = resolve(root, process.env.B || 'build');
const flags = process.argv.slice(2).filter((a) => a.startsWith('--'));
const names = process.argv.slice(2).filter((a) => !a.startsWith('--'));
const total = { passed: 0, failed: 0, skipped: 0 };
const failures = [];
const FILE_TIMEOUT_MS = Number(process.env.TEST_FILE_TIMEOUT_MS || 600_000);

const env = {
	...process.env,
	B: build,
	HEADGATE_BINARY: process.env.HEADGATE_BINARY || join(build, 'headgate'),
	ASAN_OPTIONS: 'detect_leaks=1:abort_on_error=0:exitcode=99',
	UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1:exitcode=99',
	TSAN_OPTIONS: `halt_on_error=0:second_deadlock_stack=1:exitcode=99${suppressions()}`,
};

function suppressions() {
	const file = join(root, 'tests/tools/tsan.supp');
	return existsSync(file) ? `:suppressions=${file}` : '';
}

// A program in its own process group, so that one that hangs goes with all that it started.
function run(command, args, { timeoutMs, capture }) {
	return new Promise((done) => {
		const child = spawn(command, args, { env, cwd: root, detached: true, stdio: ['ignore', capture ? 'pipe' : 'inherit', capture ? 'pipe' : 'inherit'] });
		let output = '';
		child.stdout?.on('data', (d) => (output += d));
		child.stderr?.on('data', (d) => (output += d));
		let timedOut = false;
		const timer = setTimeout(() => {
			timedOut = true;
			try { process.kill(-child.pid, 'SIGKILL'); } catch {}
		}, timeoutMs);
		child.on('error', (e) => { clearTimeout(timer); done({ code: 127, output: String(e), timedOut }); });
		child.on('close', (code, signal) => { clearTimeout(timer); done({ code: code ?? `signal ${signal}`, output, timedOut }); });
	});
}

function add(name, { passed = 0, failed = 0, skipped = 0 }) {
	total.passed += passed;
	total.failed += failed;
	total.skipped += skipped;
	if (failed) failures.push(`${name} (${failed})`);
}

const picked = (name) => names.length === 0 || names.includes(name);

async function unitTests() {
	const dir = join(build, 'unit');
	const programs = readdirSync(join(root, 'tests/unit'), { withFileTypes: true })
		.filter((e) => /^test_.*\.c$/.test(e.name)).map((e) => e.name.slice(0, -2)).sort();
	for (const name of programs) {
		if (!picked(name.slice(5))) continue;
		const { code, output, timedOut } = await run(join(dir, name), [], { timeoutMs: 120_000, capture: true });
		const sum = (pattern) => [...output.matchAll(pattern)].reduce((n, m) => n + Number(m[1]), 0);
		const passed = sum(/\[ {2}PASSED {2}\] (\d+) test/g);
		const skipped = sum(/\[ {2}SKIPPED \] (\d+) test/g);
		let failed = sum(/\[ {2}FAILED {2}\] (\d+) test/g);
		if (code !== 0 && failed === 0) failed = 1; // crashed, timed out, or a sanitizer spoke at exit
		if (code === 0 && passed + skipped === 0) failed = 1; // a program without tests proves nothing
		console.log(`unit ${name}: ${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ''}${timedOut ? ', timed out' : ''}`);
		for (const line of output.split('\n')) if (/ tests passed/.test(line)) console.log(`    ${line}`); // of a public suite
		if (failed) console.log(output.split('\n').slice(-80).join('\n'));
		add(name, { passed, failed, skipped });
	}
}

async function integrationTests() {
	const dir = join(root, 'tests/integration');
	const scratch = mkdtempSync(join(tmpdir(), 'headgate-run-'));
	for (const file of readdirSync(dir).filter((f) => f.endsWith('.test.mjs')).sort()) {
		const name = file.slice(0, -'.test.mjs'.length);
		if (!picked(name)) continue;
		const tap = join(scratch, `${name}.tap`);
		const started = Date.now();
		const { code, timedOut } = await run(process.execPath, ['--test-reporter=spec', '--test-reporter-destination=stdout',
			'--test-reporter=tap', `--test-reporter-destination=${tap}`, join(dir, file)], { timeoutMs: FILE_TIMEOUT_MS, capture: false });
		const text = existsSync(tap) ? readFileSync(tap, 'utf8') : '';
		const count = (what) => Number(text.match(new RegExp(`^# ${what} (\\d+)$`, 'm'))?.[1] ?? 0);
		let failed = count('fail') + count('cancelled');
		const passed = count('pass'), skipped = count('skipped') + count('todo');
		if (code !== 0 && failed === 0) failed = 1;
		if (code === 0 && passed + skipped === 0) failed = 1;
		console.log(`integration ${name}: ${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ''}${timedOut ? ', timed out' : ''} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
		add(name, { passed, failed, skipped });
	}
	rmSync(scratch, { recursive: true, force: true });
}

if (!flags.includes('--integration')) await unitTests();
if (!flags.includes('--unit')) await integrationTests();
if (failures.length) console.log(`failed: ${failures.join(', ')}`);
if (total.passed + total.failed === 0) console.log('no test ran');
console.log(`${total.passed} passed, ${total.failed} failed${total.skipped ? `, ${total.skipped} skipped` : ''}`);
process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);
