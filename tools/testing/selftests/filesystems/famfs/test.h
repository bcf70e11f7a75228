/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every test program includes, and nothing else does.
 *
 * How to add a test:
 *
 * - A program is NAME_test.c. It includes raw.h, if it needs that, and this, and
 *   ends with FAMFS_TEST_MAIN. The Makefile finds it by its name; list it there
 *   if it needs famfs_server (server_start()) or raw.c.
 * - FIXTURE_SETUP() begins with BEGIN() and the devices that the tests use, such
 *   as BEGIN(DAX_BIG, DAX_SMALL). It skips the test without them, and marks the
 *   log. FIXTURE_TEARDOWN() ends with END(), which fails the test if the kernel
 *   has reported a bug since. TEST() does both itself.
 * - Assert the errno, not only the failure. Leave devices in any mode: each test
 *   sets the mode that it needs. Leave files open and mapped: server_stop() and
 *   raw_stop() let go of them, and each test is a process of its own.
 * - Skip only if the kernel lacks a facility, never because a call has failed.
 */
#ifndef TEST_H
#define TEST_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../kselftest_harness.h"
#include "util.h"

/* Headers of older C libraries lack them. */
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif

/* An emulated CPU takes its time. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 300

/*
 * First in FIXTURE_SETUP() or TEST(): the devices that it needs, if any. They are
 * in famfs mode afterwards.
 */
#define BEGIN(...) do { \
	const char *const devs_[] = { __VA_ARGS__ }; \
	const char *why_ = begin_test(devs_, ARRAY_SIZE(devs_)); \
									\
	if (why_) \
		SKIP(return, "%s", why_); \
} while (0)

/* Last in FIXTURE_TEARDOWN() or TEST(). */
#define END() EXPECT_EQ(0, log_problems())

/* The system call, or what returns like one, fails with @error. */
#define EXPECT_ERRNO(error, call) \
	EXPECT_EQ(-(error), (long)(call) < 0 ? -errno : 0)

/* Instead of TEST_HARNESS_MAIN. */
#define FAMFS_TEST_MAIN \
	int main(int argc, char **argv) \
	{ \
		if (argc != 2 || strcmp(argv[1], "-l")) \
			require_test_devs(); \
		return test_harness_run(argc, argv); \
	}

#endif
