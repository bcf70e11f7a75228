/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _FUZZ_LINUX_BITOPS_H
#define _FUZZ_LINUX_BITOPS_H

#include_next <linux/bitops.h>

/* without the kernel's library */
#undef hweight64
#define hweight64(word) __builtin_popcountll(word)
#define __ffs64(word) __builtin_ctzll(word)

#endif
