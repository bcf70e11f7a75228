// SPDX-License-Identifier: GPL-2.0
/* The check of the kernel's log, which all other tests rely on, can fail. */

#include "test.h"

#define DEVKMSG "/proc/sys/kernel/printk_devkmsg"
#define TAINTED "/proc/sys/kernel/tainted"
#define TAINT_USER 6

static const char *const words[] = {
#include "problems.h"
};

/* As a debug message, which consoles do not show. */
static bool say(const char *text)
{
	char line[1000];
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	int len = snprintf(line, sizeof(line), "<7>famfs log_test: %s\n", text);
	bool ok = fd >= 0 && write(fd, line, len) == len;

	close(fd);
	return ok;
}

FIXTURE(log)
{
	char devkmsg[32];
};

FIXTURE_SETUP(log)
{
	BEGIN();
	snprintf(self->devkmsg, sizeof(self->devkmsg), "%s", read_text(DEVKMSG));
	/* there are limits otherwise */
	ASSERT_EQ(0, write_text(DEVKMSG, "on\n"));
}

/* Each test has taken notice of what it has said. */
FIXTURE_TEARDOWN(log)
{
	EXPECT_EQ(0, write_text(DEVKMSG, self->devkmsg));
	END();
}

TEST_F(log, every_word)
{
	size_t i;

	EXPECT_LT(10, ARRAY_SIZE(words));
	for (i = 0; i < ARRAY_SIZE(words); i++) {
		ASSERT_TRUE(say(words[i]));
		EXPECT_EQ(1, log_problems())
			TH_LOG("%s", words[i]);
		EXPECT_EQ(0, log_problems());
	}
}

/* ... and lines that are older. */
TEST_F(log, other_words)
{
	ASSERT_TRUE(say("is installed"));
	EXPECT_EQ(0, log_problems());
	ASSERT_TRUE(say("WARNING: before"));
	log_mark();
	EXPECT_EQ(0, log_problems());
}

/* Lines that were overwritten before they were read. */
TEST_F(log, lost_messages)
{
	char text[900];
	int i;

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = 0;
	ASSERT_TRUE(say("WARNING: lost"));
	for (i = 0; i < 4000; i++)
		ASSERT_TRUE(say(text));
	ASSERT_TRUE(say("BUG: behind"));
	EXPECT_LE(2, log_problems());
}

TEST_F(log, tainted)
{
	char flag[16];

	if (read_number(TAINTED) >> TAINT_USER & 1)
		SKIP(return, "tainted by user space already");
	snprintf(flag, sizeof(flag), "%u", 1U << TAINT_USER);
	ASSERT_EQ(0, write_text(TAINTED, flag));
	EXPECT_EQ(1, log_problems());
	EXPECT_EQ(0, log_problems());
}

FAMFS_TEST_MAIN
