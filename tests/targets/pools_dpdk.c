/* SPDX-License-Identifier: MIT */
/*
 * Mempools of DPDK on memory of its own, without devices and huge pages, counted here and by DPDK: one
 * without caches, of which each get and put reaches the pool; one of packet buffers with a cache for each
 * core; and one that is made, and partly used up, before anybody looks.
 */
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "target.h"

enum {
	ORDERS = 256,
	ORDER_BYTES = 192,
	BULK = 24,
	ROUNDS = 5,
	LEFT = 11,
	PACKETS = 1024,
	CACHE = 64,
	HELD = 300,
	EARLY = 100
};

static long n_gets, n_puts, failures, high, in_use;

static bool take(struct rte_mempool *p, void **objects, unsigned int n)
{
	if (rte_mempool_get_bulk(p, objects, n)) {
		failures++;
		return false;
	}
	n_gets += n;
	in_use += n;
	high = in_use > high ? in_use : high;
	return true;
}

static void give(struct rte_mempool *p, void **objects, unsigned int n)
{
	rte_mempool_put_bulk(p, objects, n);
	n_puts += n;
	in_use -= n;
}

/* Fills up by bulks, until one is refused, and then one by one; puts back all but some. */
static void work_on_orders(struct rte_mempool *p)
{
	static void *objects[ORDERS + BULK];
	unsigned int n;

	for (int round = 0; round < ROUNDS; round++) {
		for (n = 0; take(p, objects + n, BULK);)
			n += BULK;
		while (take(p, objects + n, 1))
			n++;
		while (n >= BULK)
			give(p, objects + (n -= BULK), BULK);
		give(p, objects, n);
	}
	take(p, objects, LEFT);
}

/* Most of this stays in the core's cache. */
static void work_on_packets(struct rte_mempool *p)
{
	static struct rte_mbuf *held[HELD];

	for (int i = 0; i < HELD; i++)
		held[i] = rte_pktmbuf_alloc(p);
	for (int i = 0; i < HELD; i++)
		rte_pktmbuf_free(held[i]);
	for (int i = 0; i < HELD / 2; i++)
		held[i] = rte_pktmbuf_alloc(p);
}

int main(int argc, char **argv)
{
	char *eal[] = {argv[0], "--no-huge", "--no-pci", "-m", "64", "--no-shconf", "-l", "0",
	    "--no-telemetry", "--log-level=1", NULL};
	struct rte_mempool *orders, *packets, *early;
	void *objects[EARLY];

	(void)argc;
	if (rte_eal_init(sizeof(eal) / sizeof(*eal) - 1, eal) < 0) {
		fprintf(stderr, "rte_eal_init: %s\n", rte_strerror(rte_errno));
		return 1;
	}
	early = rte_mempool_create("early", EARLY, 48, 0, 0, NULL, NULL, NULL, NULL, SOCKET_ID_ANY, 0);
	if (!early || rte_mempool_get_bulk(early, objects, 40))
		return 1;
	target_wait_go();
	orders =
	    rte_mempool_create("orders", ORDERS, ORDER_BYTES, 0, 0, NULL, NULL, NULL, NULL, SOCKET_ID_ANY, 0);
	packets =
	    rte_pktmbuf_pool_create("packets", PACKETS, CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (!orders || !packets) {
		fprintf(stderr, "no mempool: %s\n", rte_strerror(rte_errno));
		return 1;
	}
	rte_mempool_put_bulk(early, objects, 30);
	if (rte_mempool_get_bulk(early, objects, 10))
		return 1;
	work_on_orders(orders);
	work_on_packets(packets);
	target_print("gets %ld\nputs %ld\nfailures %ld\nhigh %ld\nleft %ld\ncapacity %u\nobject_bytes %u\n",
	    n_gets, n_puts, failures, high, in_use, orders->size, orders->elt_size);
	target_print("packets %u\npackets_left %u\npackets_bytes %u\n", packets->size,
	    packets->size - rte_mempool_get_ops(packets->ops_index)->get_count(packets), packets->elt_size);
	target_print(
	    "early %u\nearly_bytes %u\nearly_gets 10\nearly_puts 30\n", early->size, early->elt_size);
	target_print("done\n");
	while (target_wait_line())
		;
	return 0;
}
