// Heads and bodies on the wire, byte by byte: what the guard refuses, what it lets through, and that a refused request
// never harms the next one. The table is that of libmicrohttpd 0.9.75's known weaknesses.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { after, before, test } from 'node:test';
import { Headgate, pageView } from './lib/headgate.mjs';

let hg;
before(async () => {
	hg = await Headgate.start({ config: { limits: { head_timeout_ms: '1s', body_rate_over_ms: '1s', idle_timeout_ms: '3s' } } });
});
after(() => hg?.close());

const EVENT = JSON.stringify(pageView());
const head = (...lines) => ['POST /v1/events HTTP/1.1', 'Host: a', 'X-Write-Key: dev', ...lines, '', ''].join('\r\n');
const chunk = (text) => `${text.length.toString(16)}\r\n${text}\r\n`;
const GOOD = head(`Content-Length: ${EVENT.length}`) + EVENT;

const closed = [
	['length beside chunked', head('Content-Length: 5', 'Transfer-Encoding: chunked') + '0\r\n\r\n', 400],
	['two lengths', head('Content-Length: 5', 'Content-Length: 0') + 'hello', 400],
	['two equal lengths', head('Content-Length: 5', 'Content-Length: 5') + 'hello', 400],
	['space before the colon', head('Content-Length : 35'), 400],
	['tab before the colon', head('Content-Length\t: 35'), 400],
	['folded transfer coding', 'POST /v1/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n', 400],
	['gzip as transfer coding', head('Transfer-Encoding: gzip, chunked'), 501],
	['identity as transfer coding', head('Transfer-Encoding: identity'), 501],
	['unknown transfer coding', head('Transfer-Encoding: xchunked'), 501],
	['length 2^64 - 1', head('Content-Length: 18446744073709551615'), 413],
	['length list', head('Content-Length: 5, 5') + 'hello', 400],
	['signed length', head('Content-Length: +5') + 'hello', 400],
	['hexadecimal length', head('Content-Length: 0x5') + 'hello', 400],
	['chunked on HTTP/1.0', 'POST /v1/events HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400],
	['no Host', 'GET /v1/pixel.gif HTTP/1.1\r\n\r\n', 400],
	['two Hosts', 'GET /v1/pixel.gif HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 400],
	['HTTP/1.2', 'GET /v1/pixel.gif HTTP/1.2\r\nHost: a\r\n\r\n', 505],
	['CONNECT', 'CONNECT /v1/events HTTP/1.1\r\nHost: a\r\n\r\n', 405],
	['control character in the method', 'G\x01ET /v1/pixel.gif HTTP/1.1\r\nHost: a\r\n\r\n', 400],
	['control character in a value', 'GET /v1/pixel.gif HTTP/1.1\r\nHost: a\r\nX-A: b\x02c\r\n\r\n', 400],
	['escaped NUL in the target', 'GET /v1/pixel.gif?key=dev%00 HTTP/1.1\r\nHost: a\r\n\r\n', 400],
	['space in the target', 'GET /v1/pixel.gif?a= b HTTP/1.1\r\nHost: a\r\n\r\n', 400],
	['absolute target', 'GET http://a/v1/pixel.gif HTTP/1.1\r\nHost: a\r\n\r\n', 400],
	['no length', head(), 411],
	['another expectation', head('Content-Length: 2', 'Expect: 200-ok') + '{}', 417],
	['GET with a body', 'GET /v1/pixel.gif HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}', 400],
	['headers over the limit', head('Content-Length: 2', ...Array.from({ length: 170 }, (_, i) => `X-${i}: ${'x'.repeat(100)}`)) + '{}', 431],
	['target over the limit', `GET /v1/pixel.gif?a=${'x'.repeat(16500)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414],
	['length far over the limit', head('Content-Length: 50000000'), 413],
];

for (const [name, bytes, status] of closed) {
	test(`${name}: ${status}, and the connection is closed`, async () => {
		// Behind the refused head stands a request that must never be answered.
		const answer = await hg.raw(bytes + GOOD);
		assert.equal(answer.status, status, answer.text);
		assert.notEqual(answer.how, 'timeout', answer.text);
		assert.ok(!answer.text.includes('"accepted":1'), answer.text);
	});
}

test('malformed chunks end the connection without an event', async () => {
	for (const body of ['5 \r\nhello\r\n0\r\n\r\n', '0x5\r\nhello\r\n0\r\n\r\n', '-1\r\nhello\r\n0\r\n\r\n', '5\r\nhello!!0\r\n\r\n']) {
		const answer = await hg.raw(head('Transfer-Encoding: chunked') + body + GOOD);
		assert.ok([0, 400].includes(answer.status), answer.text);
		assert.ok(!answer.text.includes('"accepted":1'), answer.text);
	}
});

test('more query arguments than the limit: no hanging', async () => {
	const answer = await hg.raw(`GET /v1/pixel.gif?${'a&'.repeat(2000)} HTTP/1.1\r\nHost: a\r\n\r\n`, { timeoutMs: 3000 });
	assert.notEqual(answer.how, 'timeout');
});

const kept = [
	['unknown path', { path: '/v1/nothing' }, 404],
	['wrong method', { method: 'PUT' }, 405],
	['no key', { headers: { 'x-write-key': '' } }, 401],
	['unknown key', { headers: { 'x-write-key': 'unknown' } }, 401],
	['foreign origin', { headers: { origin: 'https://elsewhere.example' } }, 403],
	['unknown content type', { headers: { 'content-type': 'text/html' } }, 415],
	['unknown content coding', { headers: { 'content-encoding': 'br' } }, 415],
	['broken gzip', { headers: { 'content-encoding': 'gzip' } }, 400],
];

// The same connection serves the next request: keep-alive by hand, one after the other.
function converse(requests) {
	return new Promise((done, fail) => {
		const statuses = [];
		let text = '';
		const socket = connect({ port: hg.port, host: '127.0.0.1' }, () => socket.write(requests[0]));
		const timer = setTimeout(() => { socket.destroy(); fail(new Error(`after ${statuses}: ${text}`)); }, 5000);
		socket.on('error', fail);
		socket.on('close', () => { clearTimeout(timer); done(statuses); });
		socket.on('data', (d) => {
			text += d.toString('latin1');
			const end = text.indexOf('\r\n\r\n');
			const length = Number(text.match(/content-length: (\d+)/i)?.[1] ?? 0);
			if (end < 0 || text.length < end + 4 + length) return;
			statuses.push(Number(text.slice(9, 12)));
			text = '';
			if (statuses.length < requests.length) socket.write(requests[statuses.length]);
			else socket.end();
		});
	});
}

for (const [name, { path = '/v1/events', method = 'POST', headers = {} }, status] of kept) {
	test(`${name}: ${status}, and the connection serves the next request`, async () => {
		const all = { host: 'a', 'x-write-key': 'dev', 'content-length': 300_000, ...headers };
		const lines = Object.entries(all).filter(([, v]) => v !== '').map(([k, v]) => `${k}: ${v}`);
		const refused = `${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${' '.repeat(300_000)}`;
		assert.deepEqual(await converse([refused, GOOD, refused, GOOD]), [status, 200, status, 200]);
	});
}

test('a body over the limit is read up to four times of it, then refused', async () => {
	const size = 3 * 1024 * 1024;
	const big = head(`Content-Length: ${size}`) + ' '.repeat(size);
	assert.deepEqual(await converse([big, GOOD]), [413, 200]);
	const pieces = head('Transfer-Encoding: chunked') + chunk(' '.repeat(1024 * 1024)) + chunk(' '.repeat(1024 * 1024)) + '0\r\n\r\n';
	assert.deepEqual(await converse([pieces, GOOD]), [413, 200]);
});

test('Expect: 100-continue is met, and a refusal comes before the body', async () => {
	const asks = (...lines) => head(`Content-Length: ${EVENT.length}`, 'Expect: 100-continue', ...lines);
	const met = await hg.raw(asks(), { until: /100 Continue/, timeoutMs: 2000 });
	assert.equal(met.how, 'matched');
	const refused = await hg.raw(asks('Origin: https://elsewhere.example'), { timeoutMs: 2000 });
	assert.equal(refused.status, 403);
	assert.equal(refused.how, 'closed');
});

test('chunked bodies and gzip are taken', async () => {
	const halves = chunk(EVENT.slice(0, 20)) + chunk(EVENT.slice(20)) + '0\r\n\r\n';
	const answer = await hg.raw(head('Transfer-Encoding: chunked', 'Connection: close') + halves);
	assert.equal(answer.status, 200, answer.text);
	const packed = await hg.post(gzipSync(JSON.stringify(pageView())), { headers: { 'content-encoding': 'gzip' } });
	assert.equal(packed.status, 200, packed.text);
	const twice = await hg.post(Buffer.concat([gzipSync(EVENT), gzipSync(EVENT)]), { headers: { 'content-encoding': 'gzip' } });
	assert.equal(twice.status, 400, twice.text);
	const bomb = await hg.post(gzipSync(Buffer.alloc(3 * 1024 * 1024, ' ')), { headers: { 'content-encoding': 'gzip' } });
	assert.equal(bomb.status, 413, bomb.text);
});

test('slow heads and bodies: 408 within the deadline, however steadily they drip', async () => {
	const drip = (first, piece) => new Promise((done) => {
		let text = '';
		const began = Date.now();
		const socket = connect({ port: hg.port, host: '127.0.0.1' }, () => socket.write(first));
		const timer = setInterval(() => socket.writable && socket.write(piece), 100);
		socket.on('data', (d) => (text += d));
		socket.on('error', () => {});
		socket.on('close', () => { clearInterval(timer); done({ text, ms: Date.now() - began }); });
	});
	const [slowHead, slowBody] = await Promise.all([drip('POST /v1/events HTTP/1.1\r\nX-A: ', 'a'), drip(head('Content-Length: 100000'), 'a')]);
	for (const answer of [slowHead, slowBody]) {
		assert.ok(answer.ms < 4000, `${answer.ms} ms`);
		assert.ok(answer.text === '' || answer.text.startsWith('HTTP/1.1 408'), answer.text);
	}
});

test('refusals are counted by reason and by status', async () => {
	const metrics = await hg.metrics();
	for (const reason of ['bad_request', 'bad_host', 'unauthorized', 'origin_not_allowed', 'not_found', 'body_too_large', 'query_arguments', 'unsupported_content_type']) {
		assert.ok(metrics.get('headgate_refused_total', { reason }) > 0, reason);
	}
	for (const code of [400, 401, 403, 404, 405, 411, 413, 415, 417, 431, 501, 505]) assert.ok(metrics.get('headgate_requests_total', { code }) > 0, String(code));
});

test('the instance still serves', async () => {
	const answer = await hg.post(pageView());
	assert.equal(answer.status, 200, answer.text);
	assert.equal(answer.json.accepted, 1);
});
