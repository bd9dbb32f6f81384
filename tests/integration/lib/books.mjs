// The books (wire.md), as every test may ask for them: at rest and after each fault.
//
//   const ledger = Ledger.watch(hg);         notes each answer of hg.post; a restart begins anew
//   await assertBooks(hg, { ledger });       everything delivered, equations hold
//   await assertBooks(hg, { atRest: false }) something may be pending (the sink is away): equations hold all the same
//
// Of what the daemon says nothing is believed alone: verdicts are compared with the answers, what is delivered with the
// lines in the files, what is pending with zero at rest.
import assert from 'node:assert/strict';
import { waitFor } from './wait.mjs';

const ANSWER = { accepted: 'accepted', duplicates: 'duplicate', rejected: 'rejected', dropped: 'dropped', retry: 'retry' };
const LEFT = ['delivered', 'pending', 'poisoned', 'erased', 'quarantined'];

// What clients were told. `received` of an answer is compared with the sum of its verdicts.
export class Ledger {
	constructor() { this.counts = { received: 0, accepted: 0, duplicates: 0, rejected: 0, dropped: 0, retry: 0 }; }
	static watch(hg) {
		const ledger = new Ledger(), post = hg.post;
		let { life } = hg;
		hg.post = async function noted(body, options = {}) {
			if (hg.life !== life) {
				life = hg.life;
				ledger.counts = new Ledger().counts;
			}
			const answer = await post.call(hg, body, options);
			return options.path === '/v1/validate' ? answer : ledger.add(answer);
		};
		return ledger;
	}
	add(answer) {
		const told = answer.json;
		if (typeof told?.received !== 'number') return answer; // refused before decoding: not of these books
		assert.equal(told.received, Object.keys(ANSWER).reduce((n, name) => n + told[name], 0), answer.text);
		for (const name of Object.keys(this.counts)) this.counts[name] += told[name];
		return answer;
	}
}

const states = (m, name) => Object.fromEntries(['accepted', ...LEFT].map((state) => [state, m.get(name, { state })]));
const missing = (s) => s.accepted - LEFT.reduce((n, state) => n + s[state], 0);

// Figures of one moment; accepted and delivered are counted by different threads, so it is asked again until both agree.
async function figures(hg, atRest, deadlineMs) {
	return waitFor(async () => {
		const m = await hg.metrics(), status = await hg.status();
		const found = { m, status, records: states(m, 'headgate_records_total'), letters: states(m, 'headgate_dead_letters_total') };
		const wrong = JSON.stringify({ records: found.records, letters: found.letters, forwarder: status.forwarder });
		if (missing(found.records) || missing(found.letters)) throw new Error(`the books do not balance: ${wrong}`);
		if (status.journal.accepted_events !== found.records.accepted || status.journal.accepted_dead_letters !== found.letters.accepted) throw new Error(`/status and /metrics differ: ${wrong}`);
		if (atRest && (found.records.pending || found.letters.pending)) throw new Error(`not at rest: ${wrong}`);
		return found;
	}, { deadlineMs, everyMs: 30, what: 'books that balance' });
}

// Lines of all topics but the dead letters', and of these; null where the sink is another one or old files may be gone.
function filed(hg) {
	if (hg.config.kafka || hg.config.files?.retention_ms || hg.config.files?.compress) return null;
	const letters = hg.config.topics?.rejected ?? 'headgate.rejected';
	return { records: hg.topics().filter((t) => t !== letters).reduce((n, t) => n + hg.lineCount(t), 0), letters: hg.lineCount(letters) };
}

// `sinkChanged`: part of what was delivered lies elsewhere. Returns the figures.
export async function assertBooks(hg, { ledger = null, atRest = true, sinkChanged = false, deadlineMs = 20_000 } = {}) {
	const found = await figures(hg, atRest, deadlineMs);
	const { m, records, letters } = found;
	if (ledger) {
		const told = Object.fromEntries(Object.entries(ANSWER).map(([name, verdict]) => [name, m.get('headgate_events_total', { verdict })]));
		const { received, ...counts } = ledger.counts;
		assert.deepEqual(told, counts, 'what clients were told and what is counted');
		assert.equal(Object.values(told).reduce((a, b) => a + b, 0), received, 'received');
	}
	// In the first life of a log each accepted event is a record, each rejected one a dead letter.
	if (hg.life === 1 && !hg.options.dataDir) {
		assert.equal(records.accepted, m.get('headgate_events_total', { verdict: 'accepted' }), 'accepted events are records');
		assert.equal(letters.accepted + m.get('headgate_dead_letters_total', { state: 'over_budget' }), m.get('headgate_events_total', { verdict: 'rejected' }), 'rejected events are dead letters');
	}
	const lines = atRest && !sinkChanged ? filed(hg) : null;
	if (lines) {
		assert.equal(records.delivered, lines.records, 'delivered, and lines in the files');
		assert.equal(letters.delivered, lines.letters, 'dead letters delivered, and lines in the files');
	}
	return found;
}
