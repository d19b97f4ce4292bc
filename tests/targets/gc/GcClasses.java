/* SPDX-License-Identifier: MIT */
import java.util.Locale;
import java.util.concurrent.locks.LockSupport;
import sun.misc.Signal;

/*
 * Allocates objects of known classes in known shares of the bytes, until SIGTERM: what is next is drawn at random, so that
 * no rhythm of the allocator meets one of the program's. One object in 16 lives for a while, so that young collections move
 * some to the old generation.
 *
 *   --rate MB   allocated a second (default 100)
 *   --half      each second Order is not made, at the same rate of what is drawn
 *
 * Says `ready PID` when it works, and at its end for each class `class NAME bytes N`, objects with their headers as a 64-bit
 * JVM with compressed class pointers lays them out (8 bytes aligned; header 12 bytes, of an array 16), large ones of 512 KiB
 * and more apart as `large NAME bytes N objects N`; then wrong 0 and done.
 */
public class GcClasses {
	static final class Order { // 16 (header, rounded up for a long) + 64
		final long id;
		long a, b, c, d, e, f, g;

		Order(long id) {
			this.id = id;
		}
	}

	static final class Quote { // 16 + 16
		final long bid, ask;

		Quote(long bid, long ask) {
			this.bid = bid;
			this.ask = ask;
		}
	}

	static final int LARGE = 3 << 18, EVERY = 8 << 20; // a large array each so many bytes of the rest

	static volatile boolean stop;
	static final Object[] live = new Object[1 << 16];

	public static void main(String[] args) {
		double rate = 100e6;
		boolean half = false;
		for (int i = 0; i < args.length; i++)
			if (args[i].equals("--rate"))
				rate = Double.parseDouble(args[++i]) * 1e6;
			else
				half = args[i].equals("--half");
		Signal.handle(new Signal("TERM"), s -> stop = true);
		long orders = 0, quotes = 0, legs = 0, texts = 0, larges = 0, bytes = 0, seed = 1, sinceLarge = 0;
		long start = System.nanoTime();
		Object[] large = new Object[4];

		System.out.println("ready " + ProcessHandle.current().pid());
		while (!stop) {
			for (int i = 0; i < 256; i++) {
				Object made;
				int size;
				seed = seed * 6364136223846793005L + 1442695040888963407L;
				int what = (int) (seed >>> 56);
				if (what < 128) {
					bytes += size = 80;
					if (half && (what & 1) == 0)
						continue;
					made = new Order(seed);
					orders += size;
					bytes -= size;
				} else if (what < 192) {
					made = new Quote(seed, i);
					size = 32;
					quotes += size;
				} else if (what < 224) {
					made = new Order[10]; // 16 + 40
					size = 56;
					legs += size;
				} else {
					made = new byte[100]; // 16 + 100, and 4
					size = 120;
					texts += size;
				}
				live[(int) (seed >>> 33) & (live.length - 1) & -16 | i & 15] = made;
				bytes += size;
				sinceLarge += size;
			}
			if (sinceLarge >= EVERY) {
				sinceLarge -= EVERY;
				large[(int) (larges++ % large.length)] = new byte[LARGE];
				bytes += LARGE + 16;
			}
			long ahead = (long) (bytes / rate * 1e9) - (System.nanoTime() - start);
			if (ahead > 1_000_000)
				LockSupport.parkNanos(ahead);
		}
		System.out.printf(Locale.ROOT, "class GcClasses$Order bytes %d%nclass GcClasses$Quote bytes %d%n", orders, quotes);
		System.out.printf(Locale.ROOT, "class GcClasses$Order[] bytes %d%nclass byte[] bytes %d%n", legs, texts);
		System.out.printf(Locale.ROOT, "large byte[] bytes %d objects %d%nwrong 0%ndone%n", larges * (LARGE + 16), larges);
	}
}
