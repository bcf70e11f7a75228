/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _FUZZ_LINUX_TYPES_H
#define _FUZZ_LINUX_TYPES_H

#include_next <linux/types.h>

/* compilers that know the attribute may not know it here */
#define __counted_by(member)

/* no configuration is there to be included */
#define IS_ENABLED(option) 0

#endif
