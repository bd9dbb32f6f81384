// The command line: exit codes, and that a second process keeps its hands off.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Headgate, binary, cleanEnv, headgate, pageView, purchase } from './lib/headgate.mjs';

const dir = mkdtempSync(join(tmpdir(), 'headgate-command-'));
after(() => rmSync(dir, { recursive: true, force: true }));

function run(args, { input = null, env = {} } = {}) {
	return new Promise((done) => {
		const child = execFile(binary, args, { env: { ...cleanEnv, ...env }, cwd: dir, timeout: 20_000 }, (error, stdout, stderr) => done({ code: error ? error.code : 0, stdout, stderr }));
		child.stdin.on('error', () => {});
		child.stdin.end(input ?? '');
	});
}
const configOf = (hg) => ['--config', hg.configFile, '--data-dir', hg.dataDir];

test('version, and a wrong command line is 64', async () => {
	const version = await run(['version']);
	assert.equal(version.code, 0);
	assert.match(version.stdout, /headgate/);
	assert.equal((await run(['no-such-command'])).code, 64);
	assert.equal((await run(['serve', '--no-such-option'])).code, 64);
});

test('a wrong configuration stops the start with its path: 78', async (t) => {
	const hg = await headgate(t);
	for (const [config, path] of [[{ lisen: '127.0.0.1:1' }, 'lisen'], [{ limits: { events: 'many' } }, 'limits.events'], [{ sources: { dev: { kind: 'browserr' } } }, 'sources.dev.kind'], [{ durability: 'ram' }, 'durability']]) {
		const file = join(dir, 'wrong.jsonc');
		writeFileSync(file, JSON.stringify({ ...config }));
		for (const command of ['check', 'serve']) {
			const result = await run([command, '--config', file, '--data-dir', join(dir, 'never'), '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0']);
			assert.equal(result.code, 78, `${command} ${path}: ${result.stderr}`);
			assert.ok(result.stderr.includes(path), result.stderr);
		}
	}
	assert.equal((await run(['check', ...configOf(hg)])).code, 0);
});

test('the environment overrides the file; stdout is the one line', async (t) => {
	const hg = await headgate(t, { env: { HEADGATE_LIMITS__EVENTS: '2' } });
	assert.equal((await hg.post([pageView(), pageView(), pageView()])).status, 413);
	assert.equal(hg.stdout.split('\n').length, 2);
});

test('a second process on the same data, or on the same port, exits 75', async (t) => {
	const hg = await headgate(t);
	assert.equal((await run(['serve', ...configOf(hg), '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0'])).code, 75);
	const other = await Headgate.start({ expectExit: true, listen: `127.0.0.1:${hg.port}` });
	assert.equal((await other.exit).code, 75);
	await other.close();
	assert.equal((await hg.post(pageView())).status, 200, 'the first one is not disturbed');
});

test('an id that is taken after SIGTERM: exit 0, and the port is free again at once', async (t) => {
	const hg = await headgate(t);
	await hg.post(pageView());
	const { port } = hg;
	assert.deepEqual(await hg.sigterm(), { code: 0, signal: null });
	await hg.restart({ listen: `127.0.0.1:${port}` });
	assert.equal(hg.port, port);
});

test('validate: verdicts as NDJSON, exit 1 if any is refused', async (t) => {
	const hg = await headgate(t);
	const good = await run(['validate', ...configOf(hg), '-'], { input: `${JSON.stringify(pageView())}\n${JSON.stringify(purchase())}\n` });
	assert.equal(good.code, 0, good.stderr);
	assert.equal(good.stdout.trim().split('\n').length, 2);
	const bad = await run(['validate', ...configOf(hg), '-'], { input: `${JSON.stringify(pageView())}\n${JSON.stringify(purchase({ properties: { value: -3 } }))}\n` });
	assert.equal(bad.code, 1, bad.stderr);
	const verdicts = bad.stdout.trim().split('\n').map((l) => JSON.parse(l));
	assert.ok(JSON.stringify(verdicts[1]).includes('/properties/value'));
});

test('validate judges by the source that is named; what consent drops is not refused', async (t) => {
	const hg = await headgate(t, { config: { sources: { dropping: { kind: 'app', keys: ['dropping-key'], consent_defaults: { analytics: 'denied', ads: 'denied' }, denied_events: 'dropped' } } } });
	const judge = (options, event) => run(['validate', ...configOf(hg), ...options, '-'], { input: `${JSON.stringify(event)}\n` });
	const event = { ...pageView(), event_id: 'order-1' };
	const dropped = await judge(['--source', 'dropping'], event);
	assert.deepEqual([dropped.code, JSON.parse(dropped.stdout).status, JSON.parse(dropped.stdout).event_id], [0, 'dropped', 'order-1'], dropped.stderr);
	assert.equal(JSON.parse((await judge([], event)).stdout).status, 'accepted');
	const refused = await judge(['--source', 'dropping'], { event: 'nope', event_id: 'order-2' });
	assert.deepEqual([refused.code, JSON.parse(refused.stdout).event_id, JSON.parse(refused.stdout).client_event_id], [1, 'order-2', undefined]);
	assert.equal((await judge(['--source', 'nobody'], event)).code, 64);
	assert.equal((await run(['validate', '--source', 'dev', '--schema', 'x.json', '-'])).code, 64);
});

test('validate --schema: any schema, any documents, by the rules of JSON Schema', async () => {
	const schema = join(dir, 'order.json');
	mkdirSync(join(dir, 'shared', 'parts'), { recursive: true });
	writeFileSync(join(dir, 'shared', 'parts', 'price.json'), JSON.stringify({ type: 'number', multipleOf: 0.01, unknown: true }));
	writeFileSync(join(dir, 'beside.json'), JSON.stringify({ $anchor: 'mail', format: 'email' }));
	writeFileSync(schema, JSON.stringify({
		properties: { price: { $ref: 'https://schemas.example/parts/price.json' }, mail: { $ref: 'beside.json#mail' } },
		unevaluatedProperties: false,
	}));
	const documents = ['{"price":19.99}', '', '{"price":19.999}', '{"mail":"nobody"}', '{"x":"\\u0000"}', '{"a":', '3'].join('\n');
	const map = ['--map', `https://schemas.example/=${join(dir, 'shared')}`];
	const plain = await run(['validate', '--schema', schema, ...map, '-'], { input: documents });
	assert.equal(plain.code, 1, plain.stderr);
	const verdicts = plain.stdout.trim().split('\n').map((l) => JSON.parse(l));
	assert.deepEqual(verdicts.map((v) => v.index), [0, 1, 2, 3, 4, 5]);
	assert.deepEqual(verdicts.map((v) => v.valid), [true, false, true, false, false, true]);
	assert.deepEqual(verdicts[0], { index: 0, valid: true });
	assert.equal(verdicts[1].errors[0].path, '/price');
	assert.equal(verdicts[1].errors[0].rule, 'multipleOf');
	assert.equal(verdicts[4].errors[0].rule, 'json');
	const asserted = await run(['validate', `--schema=${schema}`, ...map, '--assert-format', '-'], { input: '{"mail":"nobody"}\n{"mail":"a@b.example"}' });
	assert.deepEqual(asserted.stdout.trim().split('\n').map((l) => JSON.parse(l).valid), [false, true]);
	const file = join(dir, 'documents.ndjson');
	writeFileSync(file, '{"price":1}\n{}\n');
	assert.equal((await run(['validate', '--schema', schema, ...map, file])).code, 0);
	const unmapped = await run(['validate', '--schema', schema, file]);
	assert.equal(unmapped.code, 78);
	assert.match(unmapped.stderr, /order\.json#\/properties\/price\/\$ref: .*not mapped.*nothing is fetched/);
	assert.equal((await run(['validate', '--schema', schema, '--map', 'nonsense', file])).code, 64);
	assert.equal((await run(['validate', '--assert-format', file])).code, 64);
	assert.equal((await run(['check', '--schema', schema])).code, 64);
	assert.equal((await run(['validate', '--schema', join(dir, 'none.json'), file])).code, 66);
});

test('journal ls, cat and verify read while the daemon runs', async (t) => {
	const hg = await headgate(t, { config: { kafka: { 'bootstrap.servers': '127.0.0.1:9' } } });
	const event = pageView();
	await hg.post(event);
	for (const word of ['ls', 'verify']) assert.equal((await run(['journal', word, ...configOf(hg)])).code, 0, word);
	const audited = () => readFileSync(join(hg.dataDir, 'audit.ndjson'), 'utf8').split('\n').filter(Boolean).map((l) => JSON.parse(l));
	assert.deepEqual(audited(), [], 'neither shows what came in');
	const cat = await run(['journal', 'cat', ...configOf(hg)]);
	assert.equal(cat.code, 0, cat.stderr);
	assert.ok(cat.stdout.includes(event.event_id));
	const from = String(Date.now() - 3_600_000);
	const file = join(hg.dataDir, 'journal/0', readdirSync(join(hg.dataDir, 'journal/0')).find((f) => f.endsWith('.log')));
	assert.equal((await run(['journal', 'export', '--from', from, file])).code, 0);
	await hg.admin('/reload', { method: 'POST', headers: { 'content-length': 0, authorization: `Bearer ${hg.adminToken}` } });
	assert.deepEqual(audited().map(({ act, command, from, files }) => ({ act, command, from, files: files && files > 0 })), [
		{ act: 'journal_read', command: 'cat', from: undefined, files: true },
		{ act: 'journal_read', command: 'export', from, files: true },
		{ act: 'reload', command: undefined, from: undefined, files: undefined }]);
	const carried = join(dir, 'carried.log');
	copyFileSync(file, carried);
	assert.equal((await run(['journal', 'cat', carried])).code, 0, 'a file without its directory is read all the same');
	assert.equal(audited().length, 3);
});

test('journal export: every record with its position, within a range, also beside the daemon', async (t) => {
	const hg = await headgate(t, { config: { lanes: 1, kafka: { 'bootstrap.servers': '127.0.0.1:9' } } });
	const lines = async (...args) => {
		const result = await run(['journal', 'export', ...configOf(hg), ...args]);
		assert.equal(result.code, 0, result.stderr);
		return result.stdout.split('\n').filter(Boolean).map((l) => JSON.parse(l));
	};
	const first = pageView({ user_id: 'u-1' }), second = purchase();
	await hg.post(first);
	await new Promise((done) => setTimeout(done, 5));
	await hg.post([second, { ...pageView(), event: 'no_such_event' }]);
	const all = await lines();
	assert.deepEqual(all.map((l) => l.type), ['event', 'event', 'dead_letter']);
	const { log_id: logId, epoch } = (await hg.status()).journal;
	assert.deepEqual(all.map((l) => l.position), [1, 2, 3].map((n) => `${logId}/0/${epoch}/${n}`));
	assert.deepEqual(all.map((l) => l.value.position), all.map((l) => l.position));
	assert.equal(all[0].topic, 'headgate.events');
	assert.equal(all[0].key, 'u-1');
	assert.equal(all[0].headers.ce_id, first.event_id);
	assert.equal(all[0].value.event_id, first.event_id);
	assert.equal(all[2].topic, 'headgate.rejected');
	const positions = (list) => list.map((l) => Number(l.position.split('/')[3]));
	assert.deepEqual(positions(await lines('--from', all[1].position)), [2, 3]);
	assert.deepEqual(positions(await lines('--to', all[1].position)), [1, 2]);
	assert.deepEqual(positions(await lines('--from', all[1].received_at)), [2, 3]);
	assert.deepEqual(positions(await lines('--to', String(Date.parse(all[0].received_at)))), [1]);
	assert.deepEqual(await lines('--from', `${logId}/1/${epoch}/1`), [], 'another lane');
	assert.equal((await run(['journal', 'cat', ...configOf(hg), '--from', all[2].position])).stdout.trim().split('\n').length, 1);
	for (const wrong of [['export', '--from', 'yesterday'], ['export', '--from', all[1].position, '--to', all[0].position], ['ls', '--from', all[0].position]])
		assert.equal((await run(['journal', ...wrong, ...configOf(hg)])).code, 64, wrong.join(' '));
});

test('journal verify and export tell of a file that is gone and of damage: 65', async (t) => {
	const hg = await headgate(t, { config: { lanes: 1, journal: { file_bytes: '256KiB' }, kafka: { 'bootstrap.servers': '127.0.0.1:9' } } });
	for (let i = 0; i < 30; i++) await hg.post(pageView({ properties: { pad: 'x'.repeat(30_000) } }));
	await hg.sigterm();
	const dir = join(hg.dataDir, 'journal/0'), files = readdirSync(dir).filter((f) => f.endsWith('.log')).sort();
	assert.ok(files.length >= 4, files.join(' '));
	assert.equal((await run(['journal', 'verify', ...configOf(hg)])).code, 0);
	const damaged = join(dir, files[0]), bytes = readFileSync(damaged);
	bytes.fill(0xff, 60_000, 60_100);
	writeFileSync(damaged, bytes);
	rmSync(join(dir, files[2]));
	const verify = await run(['journal', 'verify', ...configOf(hg)]);
	assert.equal(verify.code, 65);
	assert.match(verify.stdout, /damaged: \d+ bytes at \d+/);
	assert.match(verify.stdout, /1 counters without a record/);
	assert.match(verify.stdout, /\d counters before it are in no file/);
	const exported = await run(['journal', 'export', ...configOf(hg)]);
	assert.equal(exported.code, 65);
	const lost = exported.stdout.split('\n').filter(Boolean).map((l) => JSON.parse(l)).filter((l) => l.type === 'gap');
	assert.deepEqual(lost.map((l) => [l.count, l.reason]), [[1, 'lost']]);
	await hg.restart();
});

test('a start that is killed early leaves nothing that stops the next one', async (t) => {
	const hg = await headgate(t);
	await hg.post(pageView());
	await hg.sigterm();
	for (const ms of [1, 3, 10, 30, 60]) {
		const child = spawn(binary, ['serve', ...configOf(hg), '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0'], { env: cleanEnv, stdio: 'ignore' });
		await new Promise((done) => setTimeout(done, ms));
		child.kill('SIGKILL');
		await new Promise((done) => child.once('exit', done));
	}
	await hg.restart();
	await hg.delivered(1);
	assert.equal((await hg.events()).length, 1);
});
