/* SPDX-License-Identifier: MIT */
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.locks.LockSupport;
import sun.misc.Signal;

/*
 * A load on a collector of HotSpot, which the JVM's flags choose. Its truth is the JVM's own log, on CLOCK_MONOTONIC:
 *
 *   java -XX:+UseG1GC -Xlog:gc*,safepoint:file=gc.log:timenanos,tags:filecount=0 GcLoad OPTION...
 *
 * (timenanos is System.nanoTime(), which is CLOCK_MONOTONIC on Linux; tests/tools/gc_truth.awk makes a truth file of it.)
 *
 *   --mode steady    orders at a constant rate, some of which live for a while; a constant live set
 *          bursty    the rate changes every 2 s between a fifth and 1.8 of it
 *          mixed     steady, and batches that survive, a live set that grows and is dropped, and humongous arrays
 *   --seconds N      ends after N s; 0 (default): at SIGTERM
 *   --rate MB        allocated a second by all threads (default 200); 0: as fast as it goes
 *   --compute N      steps of arithmetic for each order beside making it (default 0)
 *   --live MB        the constant live set (default 16); what grows, grows to four times that
 *   --threads N      that allocate (default 1)
 *   --churn N        so many threads a second are started and end
 *   --ask MS         a thread calls System.gc() each MS ms
 *   --huge N         a thread makes N arrays of 768 KiB a second, which G1 calls humongous where regions have 1 MiB
 *   --latency        a thread measures how late it gets up from short sleeps
 *   --progress       a line `at NS units N` every 0.1 s
 *
 * Says `ready PID` when it works, and at its end: units (orders made), wrong (orders whose contents changed: 0),
 * churned, longest_stall_ns (--latency), done.
 */
public class GcLoad {
	static final int BATCH = 256; // orders between two looks at the clock
	static final int ORDER_OVERHEAD = 48; // of an order beside its payload, about
	static final long NAP_NS = 200_000;

	static String mode = "steady";
	static double seconds = 0;
	static long rateBytes = 200L << 20, liveBytes = 16L << 20;
	static int threads = 1, churn = 0, compute = 0, ask = 0, huge = 0;
	static boolean latency, progress;

	static volatile boolean stop;
	static AtomicLongArray units; // of thread i at i * 16: a cache line of its own
	static final AtomicLong wrong = new AtomicLong(), churned = new AtomicLong();
	static volatile long longestStallNs;

	static final class Order {
		final long id;
		final byte[] payload;

		Order(long id, int size) {
			this.id = id;
			payload = new byte[size];
			payload[0] = (byte) id;
			payload[size - 1] = (byte) (id >> 8);
		}

		boolean isWhole() {
			return payload[0] == (byte) id && payload[payload.length - 1] == (byte) (id >> 8);
		}
	}

	/* Bytes that may be allocated by now, by a rate that may change. */
	static final class Pace {
		final long start = System.nanoTime();
		long last = start;
		double credit;

		double rate(long now) {
			double share = (double) rateBytes / threads;
			if (!mode.equals("bursty"))
				return share;
			return (now - start) / 2_000_000_000L % 2 == 0 ? 0.2 * share : 1.8 * share;
		}

		void spend(long bytes) {
			if (rateBytes == 0)
				return;
			credit -= bytes;
			while (!stop) {
				long now = System.nanoTime();
				credit = Math.min(credit + rate(now) * (now - last) / 1e9, 4 << 20);
				last = now;
				if (credit >= 0)
					return;
				LockSupport.parkNanos(1_000_000);
			}
		}
	}

	/* What mode `mixed` does beside making orders. */
	static final class Mixed {
		final ArrayDeque<Order[]> survivors = new ArrayDeque<>();
		final List<byte[]> growing = new ArrayList<>();
		final byte[][] humongous = new byte[4][];
		long grownAt = System.nanoTime(), hugeAt = grownAt;
		int huge;

		long step(Order[] batch) {
			long now = System.nanoTime(), bytes = 0;
			survivors.add(batch);
			if (survivors.size() > 400)
				survivors.remove();
			if (now - grownAt > 50_000_000) {
				grownAt = now;
				if ((long) growing.size() << 20 >= 4 * liveBytes / threads)
					growing.clear();
				for (int i = 0; i < 16; i++)
					growing.add(new byte[1 << 16]);
				bytes += 1 << 20;
			}
			if (now - hugeAt > 100_000_000) {
				hugeAt = now;
				humongous[huge++ % humongous.length] = new byte[3 << 19];
				bytes += 3 << 19;
			}
			return bytes;
		}
	}

	static void work(int self) {
		Pace pace = new Pace();
		Mixed mixed = mode.equals("mixed") ? new Mixed() : null;
		Order[] live = new Order[(int) Math.max(1, liveBytes / threads / (256 + ORDER_OVERHEAD))];
		long id = 0, seed = self + 1;

		while (!stop) {
			Order[] batch = new Order[BATCH];
			long bytes = 0;
			for (int i = 0; i < BATCH; i++) {
				for (int step = 0; step < compute; step++)
					seed = seed * 2862933555777941757L + 3037000493L;
				seed = seed * 6364136223846793005L + 1442695040888963407L;
				Order order = new Order(id++, 16 + (int) (seed >>> 33) % 481);
				batch[i] = order;
				bytes += order.payload.length + ORDER_OVERHEAD;
			}
			// One in 16 lives until its place is taken.
			for (int i = 0; i < BATCH; i += 16) {
				seed = seed * 6364136223846793005L + 1442695040888963407L;
				int place = (int) ((seed >>> 33) % live.length);
				if (live[place] != null && !live[place].isWhole())
					wrong.incrementAndGet();
				live[place] = batch[i];
			}
			if (mixed != null)
				bytes += mixed.step(batch);
			units.lazySet(self * 16, id);
			pace.spend(bytes);
		}
		for (Order order : live)
			if (order != null && !order.isWhole())
				wrong.incrementAndGet();
	}

	static void measureStalls() {
		for (long before = System.nanoTime(); !stop;) {
			LockSupport.parkNanos(NAP_NS);
			long now = System.nanoTime();
			longestStallNs = Math.max(longestStallNs, now - before - NAP_NS);
			before = now;
		}
	}

	static void startAndJoin() {
		long next = System.nanoTime();
		while (!stop) {
			Thread t = new Thread(() -> {
				if (!new Order(churned.get(), 64).isWhole())
					wrong.incrementAndGet();
			});
			t.start();
			try {
				t.join();
			} catch (InterruptedException e) {
				return;
			}
			churned.incrementAndGet();
			next += 1_000_000_000L / churn;
			LockSupport.parkNanos(next - System.nanoTime());
		}
	}

	static void makeHuge() {
		byte[][] last = new byte[4][];
		long next = System.nanoTime();
		for (int i = 0; !stop; i++) {
			last[i % last.length] = new byte[3 << 18];
			next += 1_000_000_000L / huge;
			LockSupport.parkNanos(next - System.nanoTime());
		}
	}

	static void askForCollections() {
		while (!stop) {
			System.gc();
			LockSupport.parkNanos(ask * 1_000_000L);
		}
	}

	static long allUnits() {
		long n = 0;
		for (int i = 0; i < threads; i++)
			n += units.get(i * 16);
		return n;
	}

	static void tellProgress() {
		while (!stop) {
			System.out.println("at " + System.nanoTime() + " units " + allUnits());
			LockSupport.parkNanos(100_000_000);
		}
	}

	static void options(String[] args) {
		for (int i = 0; i < args.length; i++)
			switch (args[i]) {
			case "--mode": mode = args[++i]; break;
			case "--seconds": seconds = Double.parseDouble(args[++i]); break;
			case "--rate": rateBytes = Long.parseLong(args[++i]) << 20; break;
			case "--compute": compute = Integer.parseInt(args[++i]); break;
			case "--live": liveBytes = Long.parseLong(args[++i]) << 20; break;
			case "--threads": threads = Integer.parseInt(args[++i]); break;
			case "--churn": churn = Integer.parseInt(args[++i]); break;
			case "--ask": ask = Integer.parseInt(args[++i]); break;
			case "--huge": huge = Integer.parseInt(args[++i]); break;
			case "--latency": latency = true; break;
			case "--progress": progress = true; break;
			default:
				System.err.println("unknown option " + args[i]);
				System.exit(2);
			}
		if (!List.of("steady", "bursty", "mixed").contains(mode)) {
			System.err.println("unknown mode " + mode);
			System.exit(2);
		}
	}

	static void start(List<Thread> all, Runnable what) {
		Thread t = new Thread(what);
		t.start();
		all.add(t);
	}

	public static void main(String[] args) throws InterruptedException {
		options(args);
		Signal.handle(new Signal("TERM"), s -> stop = true);
		units = new AtomicLongArray(threads * 16);
		List<Thread> all = new ArrayList<>();
		for (int i = 0; i < threads; i++) {
			int self = i;
			start(all, () -> work(self));
		}
		if (churn > 0)
			start(all, GcLoad::startAndJoin);
		if (ask > 0)
			start(all, GcLoad::askForCollections);
		if (huge > 0)
			start(all, GcLoad::makeHuge);
		if (latency)
			start(all, GcLoad::measureStalls);
		System.out.println("ready " + ProcessHandle.current().pid());
		if (progress)
			start(all, GcLoad::tellProgress);
		long began = System.nanoTime();
		while (!stop) {
			Thread.sleep(10);
			if (seconds > 0 && System.nanoTime() - began >= seconds * 1e9)
				stop = true;
		}
		for (Thread t : all)
			t.join();
		System.out.println("units " + allUnits() + "\nwrong " + wrong + "\nchurned " + churned);
		if (latency)
			System.out.println("longest_stall_ns " + longestStallNs);
		System.out.println("done");
	}
}
