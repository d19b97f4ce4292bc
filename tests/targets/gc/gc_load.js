// SPDX-License-Identifier: MIT
'use strict';
// A load on V8's collector, under node:
//
//   node [--max-semi-space-size=N] gc_load.js TRUTH OPTION...
//
// TRUTH is written at the end, a line `begin_ns end_ns scavenge|mark-compact` for each pause, on CLOCK_MONOTONIC, by
// perf_hooks; steps of incremental marking and weak callbacks, which are no pauses of their own, are lines `# ...`.
// -: none, and no observer. They are stamped around the pauses' callbacks: with --trace-gc, tests/tools/gc_truth_node.awk
// puts V8's own lengths in.
//
//   --mode steady     orders at a constant rate, one in 16 of which lives for a while; a constant live set
//          bursty     the rate changes every 2 s between a fifth and 1.8 of it
//   --seconds N       ends after N s; 0 (default): at SIGTERM
//   --rate N          orders a second, of about 200 bytes each (default 400000)
//   --live N          orders in the live set (default 50000)
//   --say FD          where it says what it does (default 1, which V8 writes its traces to)
//   --latency         measures how late its turns begin
//   --churn N         so many worker threads a second are started and end
//
// Says `ready PID` when it works, and at its end: units (orders made), wrong (orders whose contents changed: 0), churned,
// longest_stall_ns (--latency), done.
const fs = require('fs');
const { performance, PerformanceObserver, constants } = require('perf_hooks');
const { Worker } = require('worker_threads');

const TURN_MS = 2;
const options = { mode: 'steady', seconds: 0, rate: 400000, live: 50000, churn: 0, say: 1 };
const flags = { latency: false };
const KINDS = {
	[constants.NODE_PERFORMANCE_GC_MINOR]: 'scavenge',
	[constants.NODE_PERFORMANCE_GC_MAJOR]: 'mark-compact',
	[constants.NODE_PERFORMANCE_GC_INCREMENTAL]: '# incremental',
	[constants.NODE_PERFORMANCE_GC_WEAKCB]: '# weak-callbacks',
};

function say(text) {
	fs.writeSync(options.say, text + '\n');
}

function parse(args) {
	for (let i = 0; i < args.length; i++) {
		const name = args[i].replace(/^--/, '');
		if (name in flags)
			flags[name] = true;
		else if (name in options && i + 1 < args.length)
			options[name] = name === 'mode' ? args[++i] : Number(args[++i]);
		else
			throw new Error('unknown option ' + args[i]);
	}
	if (!['steady', 'bursty'].includes(options.mode))
		throw new Error('unknown mode ' + options.mode);
}

// What is to be added to performance.now(), in ns, for CLOCK_MONOTONIC: of several pairs the closest.
function clockOffset() {
	let best = { gap: Infinity };
	for (let i = 0; i < 100; i++) {
		const before = process.hrtime.bigint();
		const at = performance.now();
		const gap = Number(process.hrtime.bigint() - before);
		if (gap < best.gap)
			best = { gap, offset: before + BigInt(gap >> 1) - BigInt(Math.round(at * 1e6)) };
	}
	return best.offset;
}

const entries = [];
const observer = new PerformanceObserver((list) => {
	for (const e of list.getEntries())
		entries.push([e.startTime, e.duration, e.detail.kind]);
});

function writeTruth(path) {
	const offset = clockOffset();
	const lines = entries.map(([start, duration, kind]) => {
		const begin = offset + BigInt(Math.round(start * 1e6));
		const times = begin + ' ' + (begin + BigInt(Math.round(duration * 1e6)));
		const name = KINDS[kind];
		return name.startsWith('#') ? '# ' + times + name.slice(1) : times + ' ' + name;
	});
	fs.writeFileSync(path, lines.map((line) => line + '\n').join(''));
}

const [truth, ...rest] = process.argv.slice(2);
parse(rest);
const live = new Array(options.live).fill(null);
let stop = false, units = 0, wrong = 0, churned = 0, seed = 1, longestStallNs = 0n;
let credit = 0, last = performance.now(), due = process.hrtime.bigint();
const began = last;

function isWhole(order) {
	return order.tag.length === 1 + order.id % 7 && order.legs[2].px === order.id;
}

function makeOrder() {
	const id = units++;
	return { id, tag: 'abcdefg'.slice(0, 1 + id % 7), legs: [{ px: id, n: 1.5 }, { px: id, n: 2.5 }, { px: id, n: 3.5 }] };
}

function place(order) {
	seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
	const at = (seed >>> 8) % live.length;
	if (live[at] && !isWhole(live[at]))
		wrong++;
	live[at] = order;
}

function rate(now) {
	if (options.mode !== 'bursty')
		return options.rate;
	return options.rate * (Math.floor((now - began) / 2000) % 2 === 0 ? 0.2 : 1.8);
}

function churn() {
	const worker = new Worker('[[]]', { eval: true });
	worker.on('exit', () => {
		churned++;
		if (!stop)
			setTimeout(churn, 1000 / options.churn);
	});
}

function finish() {
	for (const order of live)
		if (order && !isWhole(order))
			wrong++;
	if (truth !== '-')
		writeTruth(truth);
	say(`units ${units}\nwrong ${wrong}\nchurned ${churned}`);
	if (flags.latency)
		say(`longest_stall_ns ${longestStallNs}`);
	say('done');
}

// Each turn makes what is due since the last one, in steps that end when the turn has lasted long enough.
function turn() {
	const at = process.hrtime.bigint();
	if (at - due > longestStallNs)
		longestStallNs = at - due;
	const now = performance.now();
	credit = Math.min(credit + rate(now) * (now - last) / 1000, options.rate / 10);
	last = now;
	for (; credit >= 16; credit -= 16) {
		for (let i = 0; i < 15; i++)
			if (!isWhole(makeOrder()))
				wrong++;
		place(makeOrder());
	}
	if (stop || (options.seconds > 0 && now - began >= options.seconds * 1000)) {
		stop = true;
		setTimeout(finish, 100); // the last entries come by the event loop
		return;
	}
	due = process.hrtime.bigint() + BigInt(TURN_MS * 1e6);
	setTimeout(turn, TURN_MS);
}

process.on('SIGTERM', () => { stop = true; });
if (truth !== '-')
	observer.observe({ entryTypes: ['gc'] });
say('ready ' + process.pid);
if (options.churn > 0)
	churn();
turn();
