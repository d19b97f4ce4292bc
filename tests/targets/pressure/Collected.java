// SPDX-License-Identifier: MIT
// Collected GCS: asks for so many collections, after each 8 MiB of garbage. Protocol: target.h.
import java.io.BufferedReader;
import java.io.InputStreamReader;

public final class Collected {
	static volatile byte[] kept;

	public static void main(String[] arguments) throws Exception {
		BufferedReader in = new BufferedReader(new InputStreamReader(System.in));

		System.out.println("ready " + ProcessHandle.current().pid());
		if (in.readLine() == null)
			System.exit(2);
		for (int gcs = Integer.parseInt(arguments[0]); gcs > 0; gcs--) {
			for (int i = 0; i < 8192; i++)
				kept = new byte[1024];
			System.gc();
		}
		System.out.println("done");
		while (in.readLine() != null)
			;
	}
}
