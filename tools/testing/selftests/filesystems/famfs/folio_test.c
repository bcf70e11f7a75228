// SPDX-License-Identifier: GPL-2.0
/*
 * Devices with pre-built folios (folio_size): which files fit, and changes of the
 * folio size. folios.sh runs the other tests on such devices.
 */
#include "test.h"

static size_t folio_size(const char *dev)
{
	return read_number(strf("/sys/bus/dax/devices/%s/folio_size", dev));
}

/* For all tests: whatever happens, the device is as the others expect it. */
static void end_folios(struct __test_metadata *_metadata, const char *dev)
{
	EXPECT_EQ(0, dax_set_folios(dev, PAGE));
}

TEST(attribute)
{
	BEGIN(DAX_SMALL);
	EXPECT_EQ(PAGE, folio_size(DAX_SMALL));
	EXPECT_EQ(-EBUSY, dax_write(DAX_SMALL, "folio_size", "2097152"));
	ASSERT_EQ(0, dax_unbind(DAX_SMALL));
	EXPECT_EQ(-EINVAL, dax_write(DAX_SMALL, "folio_size", "0"));
	EXPECT_EQ(-EINVAL, dax_write(DAX_SMALL, "folio_size", "8192"));
	EXPECT_EQ(-EINVAL, dax_write(DAX_SMALL, "folio_size", "2M"));
	EXPECT_EQ(PAGE, folio_size(DAX_SMALL));
	EXPECT_EQ(0, dax_write(DAX_SMALL, "folio_size", "2097152"));
	EXPECT_EQ(PMD, folio_size(DAX_SMALL));
	/* other drivers do not mind */
	EXPECT_EQ(0, dax_set_mode(DAX_SMALL, DAX_DEVDAX));
	EXPECT_EQ(0, dax_write(DAX_SMALL, "folio_size", "4096"));
	EXPECT_EQ(0, dax_write(DAX_SMALL, "folio_size", "2097152"));
	EXPECT_EQ(0, dax_set_mode(DAX_SMALL, DAX_FAMFS));
	EXPECT_EQ(-EBUSY, dax_write(DAX_SMALL, "folio_size", "4096"));
	end_folios(_metadata, DAX_SMALL);
	EXPECT_EQ(PAGE, folio_size(DAX_SMALL));
	END();
}

/* The second range begins 128 MiB after the first one ends: never at 1 GiB. */
TEST(ranges_are_not_aligned)
{
	BEGIN(DAX_TWO, DAX_BIG);
	if (not_giant(DAX_BIG))
		SKIP(return, "%s", not_giant(DAX_BIG));
	EXPECT_NE(0, dax_set_folios(DAX_TWO, GB));
	EXPECT_EQ(DAX_DISABLED, dax_get_mode(DAX_TWO));
	EXPECT_LE(1, log_lines("not made of folios of 1073741824 bytes"));
	end_folios(_metadata, DAX_TWO);
	END();
}

/* --- Which files fit --- */

static const struct fit {
	const char *map;
	int ret;
} fits[] = {
	{ "4M simple 0:0:4M" },
	{ "3M simple 0:0:4M" },
	{ "4M simple 0:2M:2M 0:0:2M" },
	{ "8M simple 0:0:2M 0:4M:4M 1:0:2M" },
	{ "8M interleave 2M 8M 0:0:4M 1:0:4M" },
	{ "7M interleave 4M 8M 0:0:4M 0:4M:4M" },
	{ "4M simple 0:1M:4M", -EINVAL },
	{ "3M simple 0:0:3M", -EINVAL },
	{ "4M simple 0:0:1M 0:2M:3M", -EINVAL },
	{ "4M simple 0:0:2M 0:3M:2M", -EINVAL },
	{ "8M interleave 1M 8M 0:0:4M 1:0:4M", -EINVAL },
	{ "8M interleave 2M 8M 0:1M:4M 1:0:4M", -EINVAL },
	/* device 2 has folios of a page */
	{ "4M simple 2:1M:4M" },
	{ "4M simple 0:0:2M 2:0:2M", -EINVAL },
	{ "4M simple 2:0:2M 0:0:2M", -EINVAL },
};

TEST(files)
{
	char text[4096] = "dev 0 $small\ndev 1 $two\ndev 2 $big\n";
	struct server s;
	size_t i;

	BEGIN(DAX_SMALL, DAX_TWO, DAX_BIG);
	ASSERT_EQ(0, dax_set_folios(DAX_SMALL, PMD));
	ASSERT_EQ(0, dax_set_folios(DAX_TWO, PMD));
	for (i = 0; i < ARRAY_SIZE(fits); i++)
		sprintf(text + strlen(text), "file f%zu 644 %s\n", i, fits[i].map);
	server_start(&s, text, NULL);
	for (i = 0; i < ARRAY_SIZE(fits); i++) {
		int fd = server_open(&s, strf("f%zu", i), O_RDWR);

		if (fits[i].ret) {
			EXPECT_EQ(fits[i].ret, fd)
				TH_LOG("%s", fits[i].map);
			continue;
		}
		ASSERT_LE(0, fd)
			TH_LOG("%s: %d", fits[i].map, fd);
		EXPECT_TRUE(rw_works(fd, MB));
		/* the files are laid out over each other: the old one gives way */
		close(fd);
	}
	/* one line for each device, no matter how many files it was */
	EXPECT_EQ(2, log_lines("refuses files that are not made of its folios"));
	EXPECT_EQ(0, server_stop(&s));
	end_folios(_metadata, DAX_SMALL);
	end_folios(_metadata, DAX_TWO);
	END();
}

/* The content is that of the device, whatever its folios are. */
#define SIZE (31 * MB)

TEST(switch_kinds)
{
	const size_t sizes[] = { PMD, PAGE, PMD, PAGE };
	struct server s;
	uint8_t *p;
	size_t i;

	BEGIN(DAX_SMALL);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		ASSERT_EQ(0, dax_set_folios(DAX_SMALL, sizes[i]));
		server_start_f(&s, "dev 0 $small\nfile f 644 31M simple 0:0:32M\n");
		if (i)
			EXPECT_TRUE(has_pattern(s.fd, SIZE, i - 1, 0));
		p = map_rw(s.fd, SIZE, i < 2 ? PAGE : 0);
		if (i)
			EXPECT_EQ(-1, check_pattern(p, SIZE, i - 1, 0));
		fill_pattern(p, SIZE, i, 0);
		EXPECT_EQ(0, server_stop(&s));
	}
	END();
}

FAMFS_TEST_MAIN
