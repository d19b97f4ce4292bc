/* SPDX-License-Identifier: MIT */
import java.io.IOException;
import java.lang.reflect.Field;
import sun.misc.Unsafe;

/*
 * A known target (target.h: go/stop protocol) whose allocations come out of compiled Java code:
 *
 *   run -> matchOrder -> bookInsert -> Unsafe.allocateMemory -> (libjvm.so) -> malloc(BYTES)
 *
 * Before "ready" the chain has run often enough to be compiled, given -Xbatch; "dontinline,Hot::*" keeps it one
 * frame a method. Usage: Hot THREADS CALLS; BYTES is a size that nothing else asks for. It says
 *   bytes N     of each allocation     calls N     of malloc with this size, after go
 */
public class Hot {
	static final int WARM_CALLS = 20000;
	static final long BYTES = 12352;
	static Unsafe unsafe;

	static long bookInsert(int n) {
		long order = unsafe.allocateMemory(BYTES);
		unsafe.putLong(order, n);
		long read = unsafe.getLong(order);
		unsafe.freeMemory(order);
		return read;
	}

	static long matchOrder(int n) {
		return bookInsert(n) + 1;
	}

	static void run(int calls) {
		for (int i = 0; i < calls; i++)
			if (matchOrder(i) != i + 1)
				throw new IllegalStateException();
	}

	static void inThreads(int threads, int calls) throws InterruptedException {
		Thread[] all = new Thread[threads];
		for (int i = 0; i < threads; i++)
			(all[i] = new Thread(() -> run(calls))).start();
		for (Thread t : all)
			t.join();
	}

	static void waitLine() throws IOException {
		for (int c = System.in.read(); c != '\n'; c = System.in.read())
			if (c < 0)
				System.exit(2);
	}

	public static void main(String[] args) throws Exception {
		int threads = Integer.parseInt(args[0]), calls = Integer.parseInt(args[1]);
		Field field = Unsafe.class.getDeclaredField("theUnsafe");

		field.setAccessible(true);
		unsafe = (Unsafe) field.get(null);
		run(WARM_CALLS);
		System.out.println("ready " + ProcessHandle.current().pid());
		waitLine();
		inThreads(threads, calls);
		System.out.println("bytes " + BYTES + "\ncalls " + (long) threads * calls);
		System.out.println("done");
		while (System.in.read() >= 0)
			;
	}
}
