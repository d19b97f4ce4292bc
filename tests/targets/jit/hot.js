// SPDX-License-Identifier: MIT
'use strict';
// A known target (target.h: go/stop protocol) whose allocations come out of compiled JavaScript:
//
//   run -> matchOrder -> bookInsert -> Buffer.allocUnsafeSlow -> (node) -> malloc(BYTES)
//
// Before "ready" the chain has run often enough to be compiled; --no-turbo-inlining keeps it one frame a function.
// Usage: hot.js CALLS; BYTES is a size that nothing else asks for. It says
//   bytes N     of each allocation     calls N     of malloc with this size, after go
const fs = require('fs');
const WARM_CALLS = 20000;
const BYTES = 12352;

function bookInsert(n) {
	const order = Buffer.allocUnsafeSlow(BYTES);
	order[0] = n;
	return order[0];
}

function matchOrder(n) {
	return bookInsert(n) + 1;
}

function run(calls) {
	for (let i = 0; i < calls; i++)
		if (matchOrder(i) !== (i & 255) + 1)
			throw new Error('wrong');
}

// By write(2), and read(2) of single bytes: everything happens between go and done.
function say(text) {
	fs.writeSync(1, text + '\n');
}

function waitLine() {
	const c = Buffer.alloc(1);
	do {
		if (fs.readSync(0, c) === 0)
			return false;
	} while (c[0] !== 10);
	return true;
}

const calls = Number(process.argv[2]);
run(WARM_CALLS);
say('ready ' + process.pid);
if (!waitLine())
	process.exit(2);
run(calls);
say('bytes ' + BYTES + '\ncalls ' + calls);
say('done');
while (waitLine())
	;
