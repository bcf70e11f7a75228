// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Reads the description of the tree to serve, see layout.h. */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layout.h"

#define SEP " \t\n"

static uint64_t number(const char *s, char **end)
{
	uint64_t n;
	char *e;

	if (!s)
		errx(2, "layout: a number is missing");
	n = strtoull(s, &e, 0);
	if (e == s)
		errx(2, "layout: not a number: %s", s);
	switch (*e) {
	case 'G':
		n <<= 10;
		/* fallthrough */
	case 'M':
		n <<= 10;
		/* fallthrough */
	case 'K':
		n <<= 10;
		e++;
	}
	if (end)
		*end = e;
	else if (*e)
		errx(2, "layout: not a number: %s", s);
	return n;
}

static void add_range(struct famfs_map *map, const char *word)
{
	uint64_t dev, off;
	char *p;

	dev = number(word, &p);
	if (*p++ != ':')
		errx(2, "layout: not an extent: %s", word);
	off = number(p, &p);
	if (*p++ != ':')
		errx(2, "layout: not an extent: %s", word);
	if (dev >= FAMFS_MAX_DEVS)
		errx(2, "layout: no device %ju", (uintmax_t)dev);
	famfs_map_range(map, dev, off, number(p, NULL));
}

static struct famfs_map *read_simple(uint64_t size)
{
	struct famfs_map *map = famfs_map_simple(size);
	char *word;

	while ((word = strtok(NULL, SEP)))
		add_range(map, word);
	return map;
}

static struct famfs_map *read_interleave(uint64_t size)
{
	struct famfs_map *map = famfs_map_interleaved(size);
	char *word;

	do {
		uint64_t chunk = number(strtok(NULL, SEP), NULL);

		famfs_map_extent(map, chunk, number(strtok(NULL, SEP), NULL));
		while ((word = strtok(NULL, SEP)) && strcmp(word, "+"))
			add_range(map, word);
	} while (word);
	return map;
}

static void read_map(struct layout_node *node, const uint64_t *sizes)
{
	const char *type = strtok(NULL, SEP);
	int ret;

	if (type && !strcmp(type, "simple"))
		node->map = read_simple(node->size);
	else if (type && !strcmp(type, "interleave"))
		node->map = read_interleave(node->size);
	else
		errx(2, "layout: neither simple nor interleave");
	ret = famfs_map_finish(node->map, sizes);
	if (ret)
		errx(2, "layout: map of %s: %s", node->name, strerror(-ret));
}

struct layout_node *layout_node(const struct layout *l, uint64_t ino)
{
	return ino >= 1 && ino <= l->nr_nodes ? &l->nodes[ino - 1] : NULL;
}

uint64_t layout_lookup(const struct layout *l, uint64_t parent, const char *name)
{
	const struct layout_node *dir = layout_node(l, parent);
	uint64_t ino;

	for (ino = dir ? dir->first : 0; ino && ino <= dir->last; ino++) {
		const struct layout_node *node = layout_node(l, ino);

		if (node->parent == parent && !strcmp(node->name, name))
			return ino;
	}
	return 0;
}

static struct layout_node *add_node(struct layout *l, char *path, mode_t type)
{
	struct layout_node node = { .mode = type, .parent = l->nr_nodes ? 1 : 0 };
	struct layout_node *dir;
	char *slash;

	if (!path)
		errx(2, "layout: a name is missing");
	while ((slash = strchr(path, '/'))) {
		*slash = 0;
		node.parent = layout_lookup(l, node.parent, path);
		if (!node.parent)
			errx(2, "layout: no directory %s", path);
		path = slash + 1;
	}
	node.name = strdup(path);
	l->nodes = reallocarray(l->nodes, l->nr_nodes + 1, sizeof(node));
	if (!l->nodes || !node.name)
		err(2, "realloc");
	l->nodes[l->nr_nodes++] = node;
	dir = layout_node(l, node.parent);
	if (dir) {
		dir->first = dir->first ?: l->nr_nodes;
		dir->last = l->nr_nodes;
	}
	return &l->nodes[l->nr_nodes - 1];
}

static mode_t mode(void)
{
	const char *s = strtok(NULL, SEP);

	return s ? strtoul(s, NULL, 8) & 07777 : 0755;
}

static void add_dev(struct layout *l)
{
	uint64_t index = number(strtok(NULL, SEP), NULL);
	char *path = strtok(NULL, SEP);

	if (path && *path == '$')
		path = getenv(path + 1);
	if (index >= FAMFS_MAX_DEVS || !path)
		errx(2, "layout: not a device");
	free(l->devs[index]);
	l->devs[index] = strdup(path);
	l->sizes[index] = famfs_dev_size(path);
}

static void parse_line(struct layout *l, char *line)
{
	const char *what = strtok(line, SEP);
	struct layout_node *node;

	if (!what) {
		return;
	} else if (!strcmp(what, "dev")) {
		add_dev(l);
	} else if (!strcmp(what, "dir")) {
		node = add_node(l, strtok(NULL, SEP), S_IFDIR);
		node->mode |= mode();
	} else if (!strcmp(what, "file")) {
		node = add_node(l, strtok(NULL, SEP), S_IFREG);
		node->mode |= mode();
		node->size = number(strtok(NULL, SEP), NULL);
		read_map(node, l->sizes);
	} else {
		errx(2, "layout: what is %s?", what);
	}
}

struct layout *layout_read(const char *path)
{
	struct layout *l = calloc(1, sizeof(*l));
	FILE *f = fopen(path, "re");
	char root[] = "", *line = NULL;
	size_t size = 0;

	if (!l || !f)
		err(2, "%s", path);
	add_node(l, root, S_IFDIR | 0755);
	while (getline(&line, &size, f) > 0) {
		line[strcspn(line, "#")] = 0;
		parse_line(l, line);
	}
	free(line);
	fclose(f);
	return l;
}

void layout_free(struct layout *l)
{
	uint64_t i;

	for (i = 0; i < l->nr_nodes; i++) {
		famfs_map_free(l->nodes[i].map);
		free(l->nodes[i].name);
	}
	for (i = 0; i < FAMFS_MAX_DEVS; i++)
		free(l->devs[i]);
	free(l->nodes);
	free(l);
}
