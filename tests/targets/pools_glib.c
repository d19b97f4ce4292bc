/* SPDX-License-Identifier: MIT */
/* Slices of GLib, counted here, by the size that they are kept by: multiples of 16 bytes. */
#include <glib.h>

#include "target.h"

enum { SMALL = 800, LARGE = 350, LEFT = 21 };

struct order {
	char body[40]; /* kept as 48 */
};

struct message {
	char body[128];
};

int main(void)
{
	static struct order *order[SMALL];
	static struct message *message[LARGE];

	target_wait_go();
	for (int i = 0; i < SMALL; i++)
		order[i] = g_slice_new0(struct order);
	for (int i = 0; i < LARGE; i++)
		message[i] = g_slice_new(struct message);
	for (int i = 0; i < SMALL - LEFT; i++)
		g_slice_free(struct order, order[i]);
	for (int i = 0; i < LARGE; i++)
		g_slice_free1(sizeof(*message[i]), message[i]);
	target_print("orders_gets %d\norders_puts %d\nmessages_gets %d\n", SMALL, SMALL - LEFT, LARGE);
	target_print("done\n");
	while (target_wait_line())
		;
	return 0;
}
