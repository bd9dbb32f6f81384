// Consent strings as the IAB's own packages make them, and Google's as documented, through /v1/events: what is stored is
// what the packages read back. CONSENT_SEED repeats a run.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { headgate, root, uniqueId } from './lib/headgate.mjs';

const require = createRequire(join(root, 'tests/package.json'));
const { GVL, PurposeRestriction, RestrictionType, TCModel, TCString } = require('@iabtechlabtcf/core');
const { GppModel } = require('@iabgpp/cmpapi');
const SEED = Number(process.env.CONSENT_SEED || 20261125);
const VENDOR = 755;
const TCF = { ads: [1, 2, 7], analytics: [1, 8], personalization: [1, 5, 6] };

function random(seed) { // mulberry32
	let a = seed >>> 0;
	const next = () => { a = (a + 0x6d2b79f5) >>> 0; let t = Math.imul(a ^ (a >>> 15), 1 | a); t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t; return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32; };
	return { below: (n) => Math.floor(next() * n), chance: (p) => next() < p, pick: (list) => list[Math.floor(next() * list.length)], some: (list, p) => list.filter(() => next() < p) };
}

// A vendor list in which every vendor may ask for everything, so that the package takes nothing out.
const numbered = (n, more) => Object.fromEntries(Array.from({ length: n }, (_, i) => [i + 1, { id: i + 1, name: `n${i + 1}`, description: '', illustrations: [], ...more }]));
const purposes = Array.from({ length: 11 }, (_, i) => i + 1);
const vendorList = (policy) => new GVL({ gvlSpecificationVersion: 3, vendorListVersion: 120, tcfPolicyVersion: policy, lastUpdated: '2026-01-01T00:00:00Z', purposes: numbered(11), specialPurposes: numbered(2), features: numbered(3), specialFeatures: numbered(2), stacks: {}, dataCategories: {},
	vendors: numbered(760, { purposes, legIntPurposes: [2, 7, 8, 9, 10, 11], flexiblePurposes: purposes.slice(1), specialPurposes: [], features: [], specialFeatures: [] }) });
const lists = { 4: vendorList(4), 5: vendorList(5) };

function tcString(r) {
	const model = new TCModel(lists[r.pick([4, 5])]);
	const vendors = r.chance(0.5) ? [VENDOR] : [];
	if (r.chance(0.7)) { // a few, which are written as ranges, or many, as bits
		const span = r.pick([20, 760]);
		for (let i = r.below(span === 20 ? 8 : 400); i > 0; i--) vendors.push(1 + r.below(span));
	}
	Object.assign(model, { cmpId: 2 + r.below(400), cmpVersion: r.below(90), consentScreen: r.below(60), consentLanguage: r.pick(['EN', 'DE', 'KO']), publisherCountryCode: r.pick(['DE', 'KR', 'FR']), purposeOneTreatment: r.chance(0.1) });
	model.purposeConsents.set(r.some(purposes, r.pick([0.2, 0.8, 1])));
	model.purposeLegitimateInterests.set(r.some([2, 7, 8, 9, 10, 11], 0.5));
	model.vendorConsents.set(vendors);
	model.vendorLegitimateInterests.set(r.chance(0.5) ? [VENDOR, 1 + r.below(760)] : []);
	if (r.chance(0.5)) model.vendorsDisclosed.set([...vendors, ...(r.chance(0.7) ? [VENDOR] : [1 + r.below(700)])]);
	if (r.chance(0.3)) model.publisherConsents.set(r.some(purposes, 0.5));
	for (let i = r.below(4); i > 0; i--) {
		const restriction = new PurposeRestriction(r.pick([2, 5, 6, 7, 8]), r.pick([RestrictionType.NOT_ALLOWED, RestrictionType.REQUIRE_CONSENT, RestrictionType.REQUIRE_LI]));
		model.publisherRestrictions.add(r.pick([VENDOR, VENDOR - 1, 3]), restriction);
		if (r.chance(0.5)) for (let v = VENDOR - 3; v < VENDOR + 3; v++) model.publisherRestrictions.add(v, restriction);
	}
	model.created = model.lastUpdated = new Date(Date.UTC(2026, r.below(10), 1 + r.below(28)));
	return TCString.encode(model);
}

// By the package's own reading of it.
function tcfOutcome(text, vendor) {
	const model = TCString.decode(text);
	const disclosed = [...model.vendorsDisclosed].filter(([, is]) => is).map(([id]) => id);
	const vendorGranted = !vendor || (model.vendorConsents.has(vendor) && (!disclosed.length || disclosed.includes(vendor)));
	const forbidden = vendor ? model.publisherRestrictions.getRestrictions(vendor).filter((x) => x.restrictionType !== RestrictionType.REQUIRE_CONSENT).map((x) => x.purposeId) : [];
	return Object.fromEntries(Object.entries(TCF).map(([name, needed]) => [name, vendorGranted && needed.every((p) => model.purposeConsents.has(p) && !forbidden.includes(p)) ? 'granted' : 'denied']));
}

// Sends each `consent` as an event of its own; gives back the stored ones, in order.
async function store(hg, consents, key = 'plain-key') {
	const events = consents.map((consent) => ({ event: 'page_view', event_id: uniqueId(), consent }));
	for (let i = 0; i < events.length; i += 200) {
		const answer = await hg.post(events.slice(i, i + 200), { key });
		assert.equal(answer.status, 200, answer.text);
		assert.equal(answer.json.accepted, Math.min(200, events.length - i));
	}
	await hg.drained();
	const stored = new Map(hg.files().map((f) => [f.event.event_id, f.event]));
	return events.map((e) => stored.get(e.event_id));
}

const start = (t, consent = {}) => headgate(t, { config: { consent, sources: {
	plain: { kind: 'browser', keys: ['plain-key'] },
	granting: { kind: 'browser', keys: ['granting-key'], consent_defaults: { analytics: 'granted', ads: 'granted' } },
} } });
const said = (event) => Object.fromEntries(Object.keys(TCF).map((name) => [name, event.consent[name]]));

for (const [vendor, count] of [[0, 80], [VENDOR, 160]]) {
	test(`${count} TC strings of @iabtechlabtcf/core, ${vendor ? 'for a vendor' : 'purposes alone'}: the same reading`, async (t) => {
		const hg = await start(t, { tcf_vendor_id: vendor });
		const r = random(SEED + vendor);
		const strings = Array.from({ length: count }, () => tcString(r));
		const stored = await store(hg, strings.map((tcf) => ({ tcf })));
		const seen = { granted: 0, denied: 0 };
		stored.forEach((event, i) => {
			const expected = tcfOutcome(strings[i], vendor);
			assert.deepEqual(said(event), expected, strings[i]);
			assert.deepEqual(event.consent.basis, { analytics: 'tcf', ads: 'tcf', personalization: 'tcf' }, strings[i]);
			for (const state of Object.values(expected)) seen[state]++;
		});
		assert.ok(seen.granted > count / 10 && seen.denied > count / 10, JSON.stringify(seen));
		assert.equal((await hg.metrics()).get('headgate_consent_ignored_total'), 0);
	});
}

test('TC strings that are cut off or spoiled are ignored, counted, and grant nothing', async (t) => {
	const hg = await start(t);
	const r = random(SEED + 1);
	const strings = [];
	for (let i = 0; i < 25; i++) {
		const core = tcString(r).split('.')[0];
		strings.push(core.slice(0, r.below(core.length - 10)) || 'C');
		const at = r.below(core.length);
		strings.push(core.slice(0, at) + r.pick(['!', ' ', '한', '\u0001', '+', '=', '"']) + core.slice(at + 1));
		strings.push(`B${core.slice(1)}`, `D${core.slice(1)}`, `${core}..`, `${core}.!`, `.${core}`);
	}
	const stored = await store(hg, strings.map((tcf) => ({ tcf })));
	for (const [i, event] of stored.entries()) assert.deepEqual(said(event), { ads: 'unknown', analytics: 'unknown', personalization: 'unknown' }, strings[i]);
	assert.equal((await hg.metrics()).get('headgate_consent_ignored_total', { statement: 'tcf' }), strings.length);
});

const US = { usnat: 7, usca: 8, usva: 9, usco: 10, usut: 11, usct: 12, usfl: 13, usmt: 14, usor: 15, ustx: 16, usde: 17, usia: 18, usne: 19, usnh: 20, usnj: 21, ustn: 22, usmn: 23, usmd: 24, usin: 25, usky: 26, usri: 27 };
const OPT_OUTS = ['SaleOptOut', 'SharingOptOut', 'TargetedAdvertisingOptOut'];
const NOISE = { SharingNotice: 3, SaleOptOutNotice: 3, SharingOptOutNotice: 3, TargetedAdvertisingOptOutNotice: 3, ProcessingNotice: 3, PersonalDataConsents: 3, AdditionalDataProcessingConsent: 3, SensitiveDataLimitUseNotice: 3, MspaOptOutOptionMode: 3, MspaMode: 3 };

// False if the section has no such field.
function set(model, section, field, value) {
	try {
		model.setFieldValue(section, field, value);
		return true;
	} catch (e) {
		assert.match(e.message, /Invalid field/);
		return false;
	}
}

function usSection(model, r, section, wanted = {}) {
	let out = false;
	for (const [field, values] of Object.entries(NOISE)) set(model, section, field, r.below(values));
	for (const field of OPT_OUTS) {
		const value = wanted[field] ?? r.pick([0, 2, 2, 1]);
		if (set(model, section, field, value) && value === 1) out = true;
	}
	const gpc = wanted.Gpc ?? r.chance(0.1);
	if (set(model, section, 'Gpc', gpc) && gpc) out = true;
	return out;
}

test('GPP strings of @iabgpp/cmpapi: each opt-out of each US section denies ads, and nothing else does', async (t) => {
	const hg = await start(t);
	const r = random(SEED + 2);
	const cases = [];
	for (const section of Object.keys(US)) {
		for (const field of [...OPT_OUTS, 'Gpc', 'none']) {
			const model = new GppModel();
			const calm = { SaleOptOut: 2, SharingOptOut: 2, TargetedAdvertisingOptOut: 2, Gpc: false };
			const out = usSection(model, r, section, { ...calm, ...(field === 'Gpc' ? { Gpc: true } : field === 'none' ? {} : { [field]: 1 }) });
			cases.push({ consent: { gpp: model.encode() }, out, section, field });
		}
	}
	assert.ok(cases.filter((c) => c.out).length > 2 * Object.keys(US).length);
	for (let i = 0; i < 200; i++) { // several sections, some of which apply
		const model = new GppModel(), outs = {};
		for (const section of r.some(Object.keys(US), 0.2)) outs[section] = usSection(model, r, section);
		if (r.chance(0.3)) model.setFieldValue('uspv1', 'OptOutSale', (outs.uspv1 = r.chance(0.5)) ? 'Y' : 'N');
		if (r.chance(0.2)) model.setFieldValue('tcfcav1', 'CmpId', 31);
		const ids = { ...US, uspv1: 6 }, sections = Object.keys(outs);
		const applicable = r.chance(0.5) ? sections.filter(() => r.chance(0.6)) : sections;
		const sid = applicable.length === sections.length ? undefined : applicable.map((s) => ids[s]);
		if (sid && !sid.length) continue;
		cases.push({ consent: { gpp: model.encode(), ...(sid && { gpp_sid: r.chance(0.5) ? sid : sid.join(r.pick([',', '_'])) }) }, out: applicable.some((s) => outs[s]), section: sections.join() });
	}
	const stored = await store(hg, cases.map((c) => c.consent), 'granting-key');
	stored.forEach((event, i) => assert.deepEqual([event.consent.analytics, event.consent.ads, event.consent.basis.ads, event.consent.applied],
		['granted', ...(cases[i].out ? ['denied', 'gpp', 'reduced'] : ['granted', 'default', 'kept'])], JSON.stringify(cases[i])));
	assert.equal((await hg.metrics()).get('headgate_consent_ignored_total'), 0);
});

test('a TC string inside GPP counts as one, with gpp as its basis', async (t) => {
	const hg = await start(t);
	const r = random(SEED + 3);
	const cases = Array.from({ length: 60 }, () => {
		const model = new GppModel();
		const granted = Array.from({ length: 24 }, (_, i) => i < 11 && r.chance(0.8));
		const when = new Date(Date.UTC(2026, r.below(10), 1));
		for (const [field, value] of Object.entries({ PurposeConsents: granted, PurposeLegitimateInterests: granted.map(() => true), IsServiceSpecific: true, CmpId: 31, VendorConsents: [2, VENDOR], Created: when, LastUpdated: when })) model.setFieldValue('tcfeuv2', field, value);
		const out = r.chance(0.5) ? usSection(model, r, 'usnat') : false;
		const states = Object.fromEntries(Object.entries(TCF).map(([name, needed]) => [name, needed.every((p) => granted[p - 1]) ? 'granted' : 'denied']));
		return { gpp: model.encode(), states: { ...states, ...(out && { ads: 'denied' }) } };
	});
	const stored = await store(hg, cases.map(({ gpp }) => ({ gpp })));
	stored.forEach((event, i) => {
		assert.deepEqual(said(event), cases[i].states, cases[i].gpp);
		assert.deepEqual(event.consent.basis, { analytics: 'gpp', ads: 'gpp', personalization: 'gpp' });
	});
});

test('Google: every letter of gcd for every signal, every gcs, as documented', async (t) => {
	const hg = await start(t);
	const LETTERS = { l: 'unknown', m: 'denied', n: 'granted', p: 'denied', q: 'denied', r: 'granted', t: 'granted', u: 'denied', v: 'granted' };
	const cases = [];
	for (const [a, ads] of Object.entries(LETTERS)) for (const [b, analytics] of Object.entries(LETTERS)) for (const [d, personalization] of Object.entries(LETTERS))
		cases.push({ consent: { gcd: `13${a}3${b}3t3${d}5l1` }, states: { ads, analytics, personalization } });
	const states = { 0: 'denied', 1: 'granted', '-': 'unknown' };
	for (const a of '01-') for (const b of '01-') cases.push({ consent: { gcs: `G1${a}${b}` }, states: { ads: states[a], analytics: states[b], personalization: 'unknown' } });
	const stored = await store(hg, cases.map((c) => c.consent));
	stored.forEach((event, i) => {
		assert.deepEqual(said(event), cases[i].states, JSON.stringify(cases[i].consent));
		for (const [name, state] of Object.entries(cases[i].states)) assert.equal(event.consent.basis[name], state === 'unknown' ? undefined : 'gcm');
	});
});
