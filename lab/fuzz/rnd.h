/* SPDX-License-Identifier: GPL-2.0 */
/* Random numbers that depend on nothing but the seed; each file has its own. */
#ifndef _FUZZ_RND_H
#define _FUZZ_RND_H

#include <linux/types.h>

/* not 0 */
static u64 rnd_state;

static u64 rnd(u64 below)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return (unsigned __int128)(rnd_state * 0x2545f4914f6cdd1dULL) * below >> 64;
}

#endif
