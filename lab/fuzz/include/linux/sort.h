/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _FUZZ_LINUX_SORT_H
#define _FUZZ_LINUX_SORT_H

#include <linux/types.h>

typedef void (*swap_r_func_t)(void *a, void *b, int size, const void *priv);
typedef int (*cmp_r_func_t)(const void *a, const void *b, const void *priv);

#define cmp_int(l, r) (((l) > (r)) - ((l) < (r)))

void sort_r_nonatomic(void *base, size_t num, size_t size, cmp_r_func_t cmp,
		      swap_r_func_t swap, const void *priv);

#endif
