/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _FUZZ_LINUX_CLEANUP_H
#define _FUZZ_LINUX_CLEANUP_H

/* what the kernel's own header takes from compiler_types.h */
#define __cleanup(func) __attribute__((__cleanup__(func)))
#define auto __auto_type

#include_next <linux/cleanup.h>

#endif
