#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A load on CPython's collector of cycles (3.8 and later).

  gc_load.py TRUTH OPTION...

TRUTH is written at the end, a line `begin_ns end_ns gen0|gen1|gen2` for each collection, on CLOCK_MONOTONIC, by
gc.callbacks; -: none, and no callback.

  --mode steady     cycles at a constant rate, of which some live for a while; a constant live set
         bursty     the rate changes every 2 s between a fifth and 1.8 of it
  --seconds N       ends after N s; 0 (default): at SIGTERM
  --rate N          cycles made a second (default 100000); 0: as fast as it goes
  --compute N       steps of arithmetic for each cycle beside making it (default 0)
  --live N          cycles in the live set (default 20000)
  --keep N          one in so many cycles lives for a while (default 32)
  --loaded N        so many cycles are made before it is ready, and stay (default 0)
  --then CODE       Python, run when it is ready; it knows gc
  --churn N         so many threads a second are started and end
  --latency         a thread measures how late it gets up from short sleeps
  --progress        a line `at NS units N` every 0.1 s

Says `ready PID` when it works, and at its end: units (cycles made), wrong (of the live set: 0), churned,
longest_stall_ns (--latency), done.
"""
import argparse
import array
import gc
import os
import signal
import sys
import threading
import time

BATCH = 200
NAP_NS = 500_000
CALLS_INSIDE = sys.version_info >= (3, 13)

now_ns = time.monotonic_ns
stopped = False
units = 0
wrong = 0
churned = 0
longest_stall_ns = 0
begun = array.array("q")
ended = array.array("q")
generations = array.array("b")


def on_collection(phase, info):
    """The stamps are the last thing before the collection, and the first after it; from 3.13 on, where callbacks are a part
    of it, the first of the one before, and the last of the one after."""
    now = now_ns()
    if phase == "stop":
        ended.append(now_ns() if CALLS_INSIDE else now)
        return
    generations.append(info["generation"])
    begun.append(now if CALLS_INSIDE else now_ns())


def write_truth(path):
    with open(path, "w", encoding="ascii") as truth:
        for begin, end, generation in zip(begun, ended, generations):
            truth.write(f"{begin} {end} gen{generation}\n")


def make_cycle(number):
    cycle = [number]
    cycle.append([cycle])
    return cycle


def check(cycle, number):
    global wrong
    if cycle is not None and (cycle[0] != number or cycle[1][0] is not cycle):
        wrong += 1


def rate_now(options, began_ns):
    if options.mode != "bursty":
        return options.rate
    return options.rate * (0.2 if (now_ns() - began_ns) // 2_000_000_000 % 2 == 0 else 1.8)


def work(options):
    """Makes cycles, a list and one that holds it, until stopped."""
    global units, stopped
    live = [None] * options.live
    numbers = [0] * options.live
    began = last = now_ns()
    credit = 0.0
    place = 0
    seed = 1
    while not stopped:
        for _ in range(BATCH):
            for _ in range(options.compute):
                seed = (seed * 1103515245 + 12345) & 0x7fffffff
            cycle = make_cycle(units)
            if units % options.keep == 0:
                check(live[place], numbers[place])
                live[place] = cycle
                numbers[place] = units
                place = (place + 1) % options.live
            units += 1
        credit -= BATCH
        while options.rate and not stopped:
            now = now_ns()
            credit = min(credit + rate_now(options, began) * (now - last) / 1e9, 10 * BATCH)
            last = now
            if credit >= 0:
                break
            time.sleep(0.001)
        if options.seconds and now_ns() - began >= options.seconds * 1e9:
            stopped = True
    for cycle, number in zip(live, numbers):
        check(cycle, number)


def measure_stalls():
    global longest_stall_ns
    before = now_ns()
    while not stopped:
        time.sleep(NAP_NS / 1e9)
        now = now_ns()
        longest_stall_ns = max(longest_stall_ns, now - before - NAP_NS)
        before = now


def start_and_join(per_second):
    global churned
    while not stopped:
        thread = threading.Thread(target=lambda: [[]])
        thread.start()
        thread.join()
        churned += 1
        time.sleep(1 / per_second)


def tell_progress():
    while not stopped:
        print("at", now_ns(), "units", units, flush=True)
        time.sleep(0.1)


def parse_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("truth")
    parser.add_argument("--mode", choices=("steady", "bursty"), default="steady")
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--rate", type=int, default=100000)
    parser.add_argument("--compute", type=int, default=0)
    parser.add_argument("--live", type=int, default=20000)
    parser.add_argument("--keep", type=int, default=32)
    parser.add_argument("--loaded", type=int, default=0)
    parser.add_argument("--then", default="")
    parser.add_argument("--churn", type=int, default=0)
    parser.add_argument("--latency", action="store_true")
    parser.add_argument("--progress", action="store_true")
    return parser.parse_args()


def on_term(_number, _frame):
    global stopped
    stopped = True


def main():
    options = parse_options()
    signal.signal(signal.SIGTERM, on_term)
    if options.truth != "-":
        gc.callbacks.append(on_collection)
    beside = []
    if options.latency:
        beside.append(threading.Thread(target=measure_stalls))
    if options.churn:
        beside.append(threading.Thread(target=start_and_join, args=(options.churn,)))
    loaded = [make_cycle(number) for number in range(options.loaded)]
    exec(options.then)
    print("ready", os.getpid(), flush=True)
    if options.progress:
        beside.append(threading.Thread(target=tell_progress))
    for thread in beside:
        thread.start()
    work(options)
    for thread in beside:
        thread.join()
    if options.truth != "-":
        gc.callbacks.remove(on_collection)
        write_truth(options.truth)
    for number, cycle in enumerate(loaded):
        check(cycle, number)
    print(f"units {units}\nwrong {wrong}\nchurned {churned}")
    if options.latency:
        print(f"longest_stall_ns {longest_stall_ns}")
    print("done", flush=True)


main()
