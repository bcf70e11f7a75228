// SPDX-License-Identifier: GPL-2.0
/* Reads the description of the tree to serve, see layout.h. */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

static void *append(struct layout_node *node, const void *item, size_t len)
{
	node->fmap = realloc(node->fmap, node->fmap_len + len);
	if (!node->fmap)
		err(2, "realloc");
	memcpy(node->fmap + node->fmap_len, item, len);
	node->fmap_len += len;
	return node->fmap + node->fmap_len - len;
}

static void add_extent(struct layout_node *node, const char *word)
{
	struct fuse_famfs_simple_ext ext = {};
	char *p;

	ext.se_devindex = number(word, &p);
	if (*p++ != ':')
		errx(2, "layout: not an extent: %s", word);
	ext.se_offset = number(p, &p);
	if (*p++ != ':')
		errx(2, "layout: not an extent: %s", word);
	ext.se_len = number(p, NULL);
	append(node, &ext, sizeof(ext));
}

static unsigned int add_simple(struct layout_node *node)
{
	unsigned int n = 0;
	char *word;

	while ((word = strtok(NULL, SEP))) {
		add_extent(node, word);
		n++;
	}
	return n;
}

static unsigned int add_interleave(struct layout_node *node)
{
	unsigned int n = 0;
	char *word;

	do {
		struct fuse_famfs_iext iext = {};
		size_t at = node->fmap_len;

		iext.ie_chunk_size = number(strtok(NULL, SEP), NULL);
		iext.ie_nbytes = number(strtok(NULL, SEP), NULL);
		append(node, &iext, sizeof(iext));
		while ((word = strtok(NULL, SEP)) && strcmp(word, "+")) {
			add_extent(node, word);
			iext.ie_nstrips++;
		}
		memcpy(node->fmap + at, &iext, sizeof(iext));
		n++;
	} while (word);
	return n;
}

static void add_fmap(struct layout_node *node)
{
	struct fuse_famfs_fmap_header h = {
		.fmap_version = FAMFS_FMAP_VERSION,
		.file_size = node->size,
	};
	const char *type = strtok(NULL, SEP);

	append(node, &h, sizeof(h));
	if (type && !strcmp(type, "simple")) {
		h.ext_type = FUSE_FAMFS_EXT_SIMPLE;
		h.nextents = add_simple(node);
	} else if (type && !strcmp(type, "interleave")) {
		h.ext_type = FUSE_FAMFS_EXT_INTERLEAVE;
		h.nextents = add_interleave(node);
	} else {
		errx(2, "layout: neither simple nor interleave");
	}
	memcpy(node->fmap, &h, sizeof(h));
}

int layout_lookup(const struct layout *l, unsigned int parent, const char *name)
{
	unsigned int i;

	if (parent >= l->nr_nodes || !l->nodes[parent].last)
		return -1;
	for (i = l->nodes[parent].first; i <= l->nodes[parent].last; i++)
		if (l->nodes[i].parent == parent &&
		    !strcmp(l->nodes[i].name, name))
			return i;
	return -1;
}

static struct layout_node *add_node(struct layout *l, char *path, mode_t type)
{
	struct layout_node node = { .mode = type };
	char *slash;

	if (!path)
		errx(2, "layout: a name is missing");
	while ((slash = strchr(path, '/'))) {
		int parent;

		*slash = 0;
		parent = layout_lookup(l, node.parent, path);
		if (parent < 0)
			errx(2, "layout: no directory %s", path);
		node.parent = parent;
		path = slash + 1;
	}
	node.name = strdup(path);
	l->nodes = reallocarray(l->nodes, l->nr_nodes + 1, sizeof(node));
	if (!l->nodes || !node.name)
		err(2, "realloc");
	l->nodes[l->nr_nodes] = node;
	if (l->nr_nodes) {
		struct layout_node *dir = &l->nodes[node.parent];

		if (!dir->last)
			dir->first = l->nr_nodes;
		dir->last = l->nr_nodes;
	}
	return &l->nodes[l->nr_nodes++];
}

static mode_t mode(void)
{
	const char *s = strtok(NULL, SEP);

	return s ? strtoul(s, NULL, 8) & 07777 : 0755;
}

static void parse_line(struct layout *l, char *line)
{
	const char *what = strtok(line, SEP);
	struct layout_node *node;
	uint64_t index;
	char *path;

	if (!what) {
		return;
	} else if (!strcmp(what, "dev")) {
		index = number(strtok(NULL, SEP), NULL);
		path = strtok(NULL, SEP);
		if (path && *path == '$')
			path = getenv(path + 1);
		if (index >= LAYOUT_MAX_DEVS || !path)
			errx(2, "layout: not a device");
		l->devs[index] = strdup(path);
	} else if (!strcmp(what, "dir")) {
		node = add_node(l, strtok(NULL, SEP), S_IFDIR);
		node->mode |= mode();
	} else if (!strcmp(what, "file")) {
		node = add_node(l, strtok(NULL, SEP), S_IFREG);
		node->mode |= mode();
		node->size = number(strtok(NULL, SEP), NULL);
		add_fmap(node);
	} else {
		errx(2, "layout: what is %s?", what);
	}
}

struct layout *layout_read(const char *path)
{
	struct layout *l = calloc(1, sizeof(*l));
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;

	if (!l || !f)
		err(2, "%s", path);
	add_node(l, "", S_IFDIR | 0755);
	while (getline(&line, &size, f) > 0) {
		line[strcspn(line, "#")] = 0;
		parse_line(l, line);
	}
	free(line);
	fclose(f);
	return l;
}
