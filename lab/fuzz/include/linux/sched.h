/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _FUZZ_LINUX_SCHED_H
#define _FUZZ_LINUX_SCHED_H

static inline void cond_resched(void)
{
}

#endif
