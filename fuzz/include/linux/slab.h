/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _FUZZ_LINUX_SLAB_H
#define _FUZZ_LINUX_SLAB_H

#include <stdlib.h>
#include <linux/cleanup.h>
#include <linux/types.h>

#define GFP_KERNEL_ACCOUNT GFP_KERNEL

/* The allocation with this number from now on fails; 0: none does. */
extern unsigned int fuzz_fail_alloc;

static inline bool fuzz_alloc_fails(void)
{
	return fuzz_fail_alloc && !--fuzz_fail_alloc;
}

static inline void *kvzalloc(size_t size, gfp_t gfp)
{
	return fuzz_alloc_fails() ? NULL : calloc(1, size);
}

/* not zeroed by the kernel either, and ASan fills it with a pattern */
static inline void *kmalloc_array(size_t n, size_t size, gfp_t gfp)
{
	return fuzz_alloc_fails() ? NULL : reallocarray(NULL, n, size);
}

static inline void kfree(const void *p)
{
	free((void *)p);
}

static inline void kvfree(const void *p)
{
	kfree(p);
}

DEFINE_FREE(kfree, void *, if (!IS_ERR_OR_NULL(_T)) kfree(_T))

#endif
