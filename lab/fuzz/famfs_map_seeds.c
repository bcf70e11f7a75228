// SPDX-License-Identifier: GPL-2.0
/*
 * Writes the table of replies that the KUnit test has into files, as the corpus
 * that fuzzing starts with: famfs_map_seeds DIRECTORY
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <linux/fs.h>
#include <linux/fuse.h>

#define CASE_PAGE PAGE_SIZE
#include "famfs_map_cases.h"

static int write_file(const char *dir, size_t nr, const void *buf, size_t len)
{
	char name[4096];
	FILE *f;

	snprintf(name, sizeof(name), "%s/case-%03zu", dir, nr);
	f = fopen(name, "w");
	if (!f || fwrite(buf, 1, len, f) != len || fclose(f)) {
		perror(name);
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	char buf[512];
	size_t i;

	if (argc != 2)
		return 2;
	for (i = 0; i < sizeof(famfs_cases) / sizeof(*famfs_cases); i++)
		if (write_file(argv[1], i, buf,
			       famfs_case_build(&famfs_cases[i], buf)))
			return 1;
	return 0;
}
