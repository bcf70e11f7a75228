/* SPDX-License-Identifier: GPL-2.0 */
/* What the test server shares with those who look at its counters. */
#ifndef SERVER_H
#define SERVER_H

#include <stdint.h>

/* What servers say that are older than FUSE_DAX_FMAP. */
#ifndef FUSE_DAX_FMAP_OLD
#define FUSE_DAX_FMAP_OLD (1ULL << 43)
#endif

/* Length of the file of counters, one uint64_t for each opcode. */
#define SERVER_NR_STATS 64

/* All requests so far. */
static inline uint64_t server_stats_sum(const volatile uint64_t *stats)
{
	uint64_t sum = 0;
	int i;

	for (i = 0; i < SERVER_NR_STATS; i++)
		sum += stats[i];
	return sum;
}

#endif
