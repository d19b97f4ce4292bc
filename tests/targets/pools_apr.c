/* SPDX-License-Identifier: MIT */
/* Memory from pools of APR (libapr1), counted here: one that is cleared, one inside it, many of a moment. */
#include <apr_pools.h>

#include "target.h"

enum { ORDERS = 900, MESSAGES = 300, ROUNDS = 4, REQUESTS = 50, EACH = 11 };

int main(void)
{
	apr_pool_t *orders, *messages, *request;
	long gets = 0;

	apr_initialize();
	target_wait_go();
	apr_pool_create(&orders, NULL);
	apr_pool_create(&messages, orders);
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < MESSAGES; i++, gets++)
			apr_palloc(messages, 64);
		apr_pool_clear(messages);
	}
	for (int i = 0; i < ORDERS; i++, gets++)
		apr_palloc(orders, 200);
	for (int r = 0; r < REQUESTS; r++) {
		apr_pool_create(&request, orders);
		for (int i = 0; i < EACH; i++, gets++)
			apr_palloc(request, 32);
		apr_pool_destroy(request);
	}
	apr_pool_destroy(orders);
	target_print("gets %ld\norders %d\nmessages %d\nmessages_high %d\npools %d\nbytes %d\n", gets, ORDERS,
	    MESSAGES * ROUNDS, MESSAGES, REQUESTS + 2, ORDERS * 200);
	target_print("done\n");
	while (target_wait_line())
		;
	return 0;
}
