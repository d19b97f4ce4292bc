/* SPDX-License-Identifier: MIT */
/*
 * The ring of sampler/preload/record.h, to be searched exhaustively by spin: one writer that pushes PUSHES
 * records (alone or as a pair, as a marker with a third argument is), one reader, a ring of RECORDS records.
 * At any time the slot may be handed to another thread, or a new recorder may come (mp_ring_mute), up to
 * CHANGES times, and the reader may freeze for good. Positions begin close before the overflow of their type.
 *
 * Memory: the writer's stores wait in a buffer of STORES entries. They reach memory in their order (x86-64),
 * or with -DRELAXED in any order that C11 allows: stores to one place in their order, a release store behind
 * all before it, else as they like. The reader's loads are done where they stand, for its acquire load of
 * `head` keeps them behind it and its release store of `tail` before that. What happens where one of the
 * four orderings is missing is a mutant.
 *
 * Holds: each record that was pushed is read once, in order, whole, as the thread's that pushed it; written +
 * dropped = pushes; the writer ends after a bounded number of steps of its own, also with a frozen reader.
 *
 * Each -DMUTANT_... breaks one line, and spin has to find a run that shows it (tests/run/t_model.sh).
 */
#ifndef RECORDS
#define RECORDS 2 /* a power of two, at most 16 */
#endif
#ifndef PUSHES
#define PUSHES 5
#endif
#ifndef CHANGES
#define CHANGES 2
#endif
#ifndef STORES
#define STORES 6
#endif
#define START 254

#define WORDS     4 /* t, addr, size, what: all hold the record's number, so that a torn one shows */
#define HEAD      (RECORDS * WORDS)
#define OWNER     128 /* + tid: a record that names the owner; others are numbered from 1 */
#define AGE(a, b) (((a) - (b)) & 255) /* of unsigned positions, here of 8 bits */

/* Steps of one push at most: a load, an owner's record and two records, each of four words and `head`. */
#define STEPS (1 + 3 * (WORDS + 1))

/* ---- Memory ---- */

byte mem[RECORDS * WORDS + 1] = START; /* the ring; mem[HEAD] is `head` */
byte tail = START;
byte place[STORES], content[STORES]; /* stores on their way, the oldest first; unused entries are 0 */
bool release[STORES];
byte waiting;

/* A full buffer makes its own CPU wait, not for the reader: memory_main can always go on. */
inline store(where, value, is_release)
{
	atomic {
		waiting < STORES;
		place[waiting] = where;
		content[waiting] = value;
		release[waiting] = is_release;
		waiting++;
		steps++;
		assert(steps <= STEPS);
	}
}

#ifdef MUTANT_NO_RELEASE
#define store_release(where, value) store(where, value, false)
#else
#define store_release(where, value) store(where, value, true)
#endif

/* ---- What really happened, for the assertions ---- */

short written, seen;     /* sets of numbers of records */
bool by_second;          /* who pushes now */
short pushed_by_second;  /* set */
byte pushes, dropped;
bool is_done, is_frozen;

/* ---- The writer: names as in record.h ---- */

byte head = START, tail_seen, named_tid, tid = 1;
byte steps; /* of the push under way */
bool has_room;

inline mp_ring_put(position, value)
{
	store((position % RECORDS) * WORDS, value, false);
	store((position % RECORDS) * WORDS + 1, value, false);
	store((position % RECORDS) * WORDS + 2, value, false);
	store((position % RECORDS) * WORDS + 3, value, false);
}

inline mp_ring_publish()
{
	store_release(HEAD, (head + 1) & 255);
	head++;
}

inline mp_ring_mute()
{
	named_tid = 0;
	tail_seen = head - RECORDS;
}

#ifdef MUTANT_OFF_BY_ONE
#define FITS(used) ((used) <= RECORDS + 1)
#else
#define FITS(used) ((used) <= RECORDS)
#endif
#ifdef MUTANT_NO_ROOM_FOR_OWNER
#define OWNER_ROOM 0
#else
#define OWNER_ROOM (named_tid != tid)
#endif

inline mp_ring_make_room(n)
{
	atomic {
		steps++;
#ifdef MUTANT_WAITS
		FITS(AGE(head, tail) + n + OWNER_ROOM);
#endif
		has_room = FITS(AGE(head, tail) + n + OWNER_ROOM);
		if
		:: has_room -> tail_seen = tail;
		:: else
		fi
	}
	if
	:: has_room && named_tid != tid ->
		mp_ring_put(head, OWNER + tid);
		mp_ring_publish();
		named_tid = tid;
	:: else
	fi
}

inline mp_ring_has_room(n)
{
	if
	:: FITS(AGE(head, tail_seen) + n) -> has_room = true;
	:: else -> mp_ring_make_room(n)
	fi
}

inline push_one()
{
	atomic {
		pushes++;
		written = written | (1 << pushes);
		pushed_by_second = pushed_by_second | (by_second << pushes);
	}
	mp_ring_put(head, pushes);
	mp_ring_publish();
}

/* The load of `tail` without its acquire: the stores may be seen before it has its value. Runs where the
 * value turns out to forbid them do not exist. */
inline push_before_looking()
{
	atomic {
		pushes++;
		written = written | (1 << pushes);
		pushed_by_second = pushed_by_second | (by_second << pushes);
	}
	mp_ring_put(head, pushes);
	mp_ring_has_room(1);
	if
	:: has_room -> mp_ring_publish();
	:: else -> goto impossible;
	fi
}

active proctype writer_main()
{
	byte n, changes;

	atomic {
		mp_ring_mute(); /* a slot just claimed */
	}
	do
	:: pushes < PUSHES ->
		atomic {
			steps = 0;
			if
			:: changes < CHANGES -> /* another thread has the slot now */
				changes++;
				by_second = !by_second;
				tid = 3 - tid;
#ifndef MUTANT_NO_MUTE
				mp_ring_mute();
#endif
			:: changes < CHANGES -> /* another recorder */
				changes++;
				mp_ring_mute();
			:: skip
			fi;
			if
			:: n = 1;
			:: pushes + 2 <= PUSHES -> n = 2;
			fi
		}
#ifdef MUTANT_NO_WRITER_ACQUIRE
		if
		:: n == 1 && named_tid == tid && !FITS(AGE(head, tail_seen) + 1) ->
			push_before_looking();
			goto next;
		:: else
		fi;
#endif
		mp_ring_has_room(n);
		if
		:: has_room ->
			push_one();
			if
			:: n == 2 -> push_one();
			:: else
			fi
		:: else ->
			atomic {
				pushes = pushes + n;
#ifndef MUTANT_NO_COUNT
				dropped = dropped + n;
#endif
			}
		fi;
next:		skip;
	:: else -> break
	od;
	is_done = true;
	goto ended;
impossible:
	is_frozen = true; /* so that the search goes no further here */
ended:
	skip;
}

/* ---- The writer's stores reach memory ---- */

#define IS_FIRST_OF_ITS_PLACE(i)                                                                             \
	((i < 1 || place[0] != place[i]) && (i < 2 || place[1] != place[i]) &&                               \
	    (i < 3 || place[2] != place[i]) && (i < 4 || place[3] != place[i]) &&                            \
	    (i < 5 || place[4] != place[i]))

inline drain(i)
{
	mem[place[i]] = content[i];
	waiting--;
	for (k : i .. STORES - 2) {
		place[k] = place[k + 1];
		content[k] = content[k + 1];
		release[k] = release[k + 1];
	}
	place[STORES - 1] = 0;
	content[STORES - 1] = 0;
	release[STORES - 1] = 0;
	k = 0;
}

active proctype memory_main()
{
	byte k;

end:	do
	:: d_step {
		waiting > 0;
		drain(0);
	}
#ifdef RELAXED
	:: d_step {
		waiting > 1 && !release[1] && IS_FIRST_OF_ITS_PLACE(1);
		drain(1);
	}
	:: d_step {
		waiting > 2 && !release[2] && IS_FIRST_OF_ITS_PLACE(2);
		drain(2);
	}
	:: d_step {
		waiting > 3 && !release[3] && IS_FIRST_OF_ITS_PLACE(3);
		drain(3);
	}
	:: d_step {
		waiting > 4 && !release[4] && IS_FIRST_OF_ITS_PLACE(4);
		drain(4);
	}
	:: d_step {
		waiting > 5 && !release[5] && IS_FIRST_OF_ITS_PLACE(5);
		drain(5);
	}
#endif
	od
}

/* ---- The reader ---- */

inline mp_ring_peek(position)
{
	w0 = mem[(position % RECORDS) * WORDS];
	w1 = mem[(position % RECORDS) * WORDS + 1];
	w2 = mem[(position % RECORDS) * WORDS + 2];
	w3 = mem[(position % RECORDS) * WORDS + 3];
}

inline check_record()
{
	d_step {
		assert(w0 == w1 && w1 == w2 && w2 == w3);
		if
		:: w0 > OWNER -> owner = w0 - OWNER;
		:: else ->
			assert(w0 > last && w0 <= PUSHES);
			assert(written & (1 << w0));
			seen = seen | (1 << w0);
			last = w0;
			assert(owner == 1 + ((pushed_by_second >> w0) & 1));
		fi;
		w0 = 0;
		w1 = 0;
		w2 = 0;
		w3 = 0;
		from++;
	}
}

inline check_end()
{
	byte i, count;

	d_step {
		assert(seen == written);
		for (i : 1 .. PUSHES) {
			count = count + ((seen >> i) & 1);
		}
		assert(count + dropped == PUSHES);
	}
}

active proctype reader_main()
{
	byte from = START, to, w0, w1, w2, w3, owner, last;

	{
		do
#ifdef MUTANT_NO_READER_ACQUIRE
		:: !is_done -> /* the words may be loaded before `head` is */
			mp_ring_peek(from);
			if
			:: mem[HEAD] != from ->
				check_record();
				tail = from;
			:: else
			fi
#endif
		:: atomic {
				mem[HEAD] != from;
				to = mem[HEAD];
				assert(AGE(to, from) <= RECORDS);
			}
			do
			:: from != to ->
#if defined(MUTANT_EARLY_RELEASE)
				tail = (from + 1) & 255; /* or the loads done after it: no release */
#endif
				mp_ring_peek(from);
				check_record();
				if
				:: tail = from; /* after each record */
				:: from != to   /* or after several */
				fi
			:: else -> break
			od
		:: is_done && waiting == 0 && mem[HEAD] == from -> break
		od;
		check_end();
	} unless {
		is_frozen;
	}
}

#ifdef FREEZES
active proctype freeze_main()
{
	if
	:: is_frozen = true;
	:: skip
	fi
}
#endif
