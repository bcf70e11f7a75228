// SPDX-License-Identifier: GPL-2.0
/* Modes of a dax device: who binds when, and what each mode allows. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../kselftest_harness.h"
#include "util.h"

FIXTURE(mode)
{
	const char *dev;
	char path[32];
};

FIXTURE_VARIANT(mode)
{
	const char *dev;
	bool ram;	/* has a node that it can become memory of */
};

FIXTURE_VARIANT_ADD(mode, dynamic) { .dev = DAX_BIG, .ram = true };
FIXTURE_VARIANT_ADD(mode, two_ranges) { .dev = DAX_TWO, .ram = true };
FIXTURE_VARIANT_ADD(mode, pmem) { .dev = DAX_PMEM };

FIXTURE_SETUP(mode)
{
	self->dev = variant->dev;
	snprintf(self->path, sizeof(self->path), "/dev/%s", self->dev);
	ASSERT_EQ(0, dax_set_mode(self->dev, DAX_DEVDAX));
}

FIXTURE_TEARDOWN(mode)
{
	EXPECT_EQ(0, dax_set_mode(self->dev, DAX_DEVDAX));
}

/* Neither loading the driver nor binding another device makes it bind. */
TEST_F(mode, never_by_itself)
{
	ASSERT_EQ(0, dax_unbind(self->dev));
	ASSERT_EQ(0, dax_set_mode(DAX_SMALL, DAX_DISABLED));
	ASSERT_EQ(0, dax_set_mode(DAX_SMALL, DAX_FAMFS));
	EXPECT_EQ(DAX_DISABLED, dax_get_mode(self->dev));
	EXPECT_EQ(-ENODEV, write_text("/sys/bus/dax/drivers/fsdev_dax/bind",
				      self->dev));
	EXPECT_EQ(0, write_text("/sys/bus/dax/drivers_probe", self->dev));
	EXPECT_NE(DAX_FAMFS, dax_get_mode(self->dev));
	EXPECT_EQ(0, dax_set_mode(DAX_SMALL, DAX_DEVDAX));
}

TEST_F(mode, character_device)
{
	char buf[8];
	int fd;

	ASSERT_EQ(0, dax_set_mode(self->dev, DAX_FAMFS));
	fd = open(self->path, O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, read(fd, buf, sizeof(buf)));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, write(fd, buf, sizeof(buf)));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PMD, PROT_READ, MAP_SHARED, fd, 0));
	EXPECT_EQ(ENODEV, errno);
	close(fd);
	EXPECT_EQ(0, dax_set_mode(self->dev, DAX_DEVDAX));
}

/* An open descriptor of the device does not keep the mode from changing. */
TEST_F(mode, open_over_change)
{
	int fd;

	ASSERT_EQ(0, dax_set_mode(self->dev, DAX_FAMFS));
	fd = open(self->path, O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, dax_set_mode(self->dev, DAX_DEVDAX));
	close(fd);
}

static long free_kb(void)
{
	char line[128];
	FILE *f = fopen("/proc/meminfo", "re");
	long kb = -1;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemFree: %ld", &kb) == 1)
			break;
	fclose(f);
	return kb;
}

/* The struct pages are given back: 16 MiB for every GiB of the device. */
TEST_F(mode, memory_is_given_back)
{
	char path[64];
	long before = 0, kb;
	int i;

	snprintf(path, sizeof(path), "/sys/bus/dax/devices/%s/size", self->dev);
	/* of which 8 times 1 part in 64, if nothing is given back */
	kb = read_number(path) / KB / 64 * 8;
	for (i = -2; i < 8; i++) {
		if (!i)
			before = free_kb();
		ASSERT_EQ(0, dax_set_mode(self->dev, DAX_FAMFS));
		ASSERT_EQ(0, dax_set_mode(self->dev, DAX_DEVDAX));
	}
	EXPECT_GT(kb / 2, before - free_kb());
}

static void *map_raw(const char *path)
{
	int fd = open(path, O_RDWR);
	void *p;

	if (fd < 0)
		return NULL;
	p = map_file(fd, 8 * MB, PROT_READ | PROT_WRITE, MAP_SHARED);
	close(fd);
	return p;
}

TEST_F(mode, content_is_kept)
{
	struct server s;
	char layout[128];
	char *p;
	int fd, i;

	snprintf(layout, sizeof(layout),
		 "dev 0 %s\nfile f 644 8M simple 0:0:8M\n", self->path);
	for (i = 0; i < 3; i++) {
		p = map_raw(self->path);
		ASSERT_NE(NULL, p);
		if (i)
			EXPECT_EQ(-1, check_pattern(p, 8 * MB, 100 + i, 0));
		fill_pattern(p, 8 * MB, i, 0);
		munmap(p, 8 * MB);

		ASSERT_EQ(0, dax_set_mode(self->dev, DAX_FAMFS));
		server_start(&s, layout, NULL);
		fd = server_open(&s, "f", O_RDWR);
		ASSERT_LE(0, fd);
		p = map_file(fd, 8 * MB, PROT_READ | PROT_WRITE, MAP_SHARED);
		ASSERT_NE(NULL, p);
		EXPECT_EQ(-1, check_pattern(p, 8 * MB, i, 0));
		fill_pattern(p, 8 * MB, 101 + i, 0);
		munmap(p, 8 * MB);
		close(fd);
		ASSERT_EQ(0, server_stop(&s));
		ASSERT_EQ(0, dax_set_mode(self->dev, DAX_DEVDAX));
	}
}

TEST_F(mode, every_order)
{
	static const enum dax_mode order[] = {
		DAX_FAMFS, DAX_RAM, DAX_FAMFS, DAX_DEVDAX, DAX_RAM, DAX_DEVDAX,
		DAX_FAMFS, DAX_DISABLED, DAX_RAM, DAX_DISABLED, DAX_FAMFS,
		DAX_DISABLED, DAX_DEVDAX, DAX_FAMFS, DAX_FAMFS, DAX_DEVDAX,
	};
	size_t i;

	for (i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (order[i] == DAX_RAM && !variant->ram)
			continue;
		ASSERT_EQ(0, dax_set_mode(self->dev, order[i])) {
			TH_LOG("step %zu", i);
		}
	}
}

TEST_F(mode, held_by_one_mount)
{
	struct server a, b;
	char layout[128];
	int fd;

	ASSERT_EQ(0, dax_set_mode(self->dev, DAX_FAMFS));
	snprintf(layout, sizeof(layout),
		 "dev 0 %s\nfile f 644 2M simple 0:0:2M\n", self->path);
	server_start(&a, layout, NULL);
	server_start(&b, layout, NULL);
	fd = server_open(&a, "f", O_RDONLY);
	ASSERT_LE(0, fd);
	close(fd);
	EXPECT_EQ(-EBUSY, server_open(&b, "f", O_RDONLY));
	ASSERT_EQ(0, server_stop(&a));
	/* the next open tries again */
	fd = server_open(&b, "f", O_RDONLY);
	ASSERT_LE(0, fd);
	close(fd);
	ASSERT_EQ(0, server_stop(&b));
}

static volatile sig_atomic_t bus_signals;

static void count_bus(int sig)
{
	bus_signals++;
}

/* Memory that fails in devdax mode is none of fsdev's business any more. */
TEST_F(mode, memory_failure_afterwards)
{
	char *p;

	ASSERT_EQ(0, dax_set_mode(self->dev, DAX_FAMFS));
	ASSERT_EQ(0, dax_set_mode(self->dev, DAX_DEVDAX));
	p = map_raw(self->path);
	ASSERT_NE(NULL, p);
	p[MB] = 1;
	signal(SIGBUS, count_bus);
	ASSERT_EQ(0, dax_poison(self->dev, MB));
	EXPECT_EQ(1, bus_signals);
	munmap(p, 8 * MB);
	/* a new page map knows nothing of it */
	ASSERT_EQ(0, dax_set_mode(self->dev, DAX_DISABLED));
}

/* A device that is not in famfs mode is not taken, and says why. */
TEST_F(mode, wrong_mode)
{
	struct server s;
	char layout[128];
	int fd;

	snprintf(layout, sizeof(layout),
		 "dev 0 %s\nfile f 644 2M simple 0:0:2M\n", self->path);
	server_start(&s, layout, NULL);
	EXPECT_EQ(-EOPNOTSUPP, server_open(&s, "f", O_RDONLY));
	ASSERT_EQ(0, dax_set_mode(self->dev, DAX_FAMFS));
	fd = server_open(&s, "f", O_RDONLY);
	ASSERT_LE(0, fd);
	close(fd);
	ASSERT_EQ(0, server_stop(&s));
}

TEST_HARNESS_MAIN
