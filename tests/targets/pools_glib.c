/* SPDX-License-Identifier: MIT */
/* Slices of GLib, counted here, by the size that they are kept by: multiples of 16 bytes. */
#include <glib.h>

#include "target.h"

enum { SMALL = 800, LARGE = 350, LEFT = 21, LIST = 5000, SINGLE = 300, KEPT = 7 };

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

	GList *list = NULL;
	GSList *single = NULL;

	target_wait_go();
	for (int i = 0; i < SMALL; i++)
		order[i] = g_slice_new0(struct order);
	for (int i = 0; i < LARGE; i++)
		message[i] = g_slice_new(struct message);
	for (int i = 0; i < SMALL - LEFT; i++)
		g_slice_free(struct order, order[i]);
	for (int i = 0; i < LARGE; i++)
		g_slice_free1(sizeof(*message[i]), message[i]);
	for (int i = 0; i < LIST; i++)
		list = g_list_prepend(list, order);
	g_list_free(list);
	for (int i = 0; i < SINGLE + KEPT; i++)
		single = g_slist_prepend(single, order);
	GSList *kept = g_slist_nth(single, SINGLE - 1), *rest = kept->next;
	kept->next = NULL;
	g_slist_free(single);
	target_print("list %d\nsingle %d\nkept %u\n", LIST, SINGLE + KEPT, g_slist_length(rest));
	target_print("orders_gets %d\norders_puts %d\nmessages_gets %d\n", SMALL, SMALL - LEFT, LARGE);
	target_print("done\n");
	while (target_wait_line())
		;
	return 0;
}
