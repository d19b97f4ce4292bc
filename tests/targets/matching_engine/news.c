/* SPDX-License-Identifier: MIT */
/* Breaking news: headlines come in by the thousand, and each is put in memory before it is read and dropped.
 */
#include "engine.h"

#include <stdlib.h>
#include <string.h>

enum { TICK_NS = 1000 * 1000, HEADLINE_BYTES = 200 };

static uint64_t headlines;

static NOINLINE void news_headline(void)
{
	char *text = malloc(HEADLINE_BYTES);

	if (!text)
		return;
	memset(text, ' ', HEADLINE_BYTES);
	__asm__ volatile("" : : "r"(text) : "memory"); /* it is read */
	free(text);
	headlines++;
}

void *news_main(void *arg)
{
	int64_t begin_ns = (int64_t)(day.news_at * 1e9), end_ns = begin_ns + NEWS_SECONDS * 1000000000LL;

	if (day.news_at < 0)
		return arg;
	double owed = 0;
	for (int64_t at = begin_ns; at < end_ns && day_sleep_until(at); at += TICK_NS)
		for (owed += NEWS_RATE * day.pace * (TICK_NS / 1e9); owed >= 1; owed--)
			news_headline();
	return arg;
}

uint64_t news_headlines(void)
{
	return headlines;
}
