/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _FUZZ_LINUX_MINMAX_H
#define _FUZZ_LINUX_MINMAX_H

#include <linux/kernel.h>

/* the kernel's own lets unsigned types differ */
#undef min
#define min(x, y) ({			\
	__typeof__(x) min_x = (x);	\
	__typeof__(y) min_y = (y);	\
	min_x < min_y ? min_x : min_y; })

#define swap(a, b) do {			\
	__typeof__(a) tmp = (a);	\
	(a) = (b);			\
	(b) = tmp;			\
} while (0)

#endif
