/* SPDX-License-Identifier: GPL-2.0 */
/* The hash FNV-1a, by which the demos compare content. */
#ifndef FNV_H
#define FNV_H

#include <stddef.h>
#include <stdint.h>

#define FNV_START 0xcbf29ce484222325

/* Go on from @h, or from FNV_START, with the bytes of @data. */
static inline uint64_t fnv(uint64_t h, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len--)
		h = (h ^ *p++) * 0x100000001b3;
	return h;
}

#endif
