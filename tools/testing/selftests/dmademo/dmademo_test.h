/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of /dev/dmademo0 share.
 */
#ifndef DMADEMO_TEST_H
#define DMADEMO_TEST_H

#include <stdlib.h>

#include "dmademo_user.h"

/* The device to test. */
#define DEVICE (getenv("DMADEMO_DEVICE") ?: "/dev/dmademo0")

static size_t page_size;

/* Maps a whole buffer; NULL with errno set. */
static inline unsigned char *map(int fd, const struct dmademo_alloc *alloc)
{
	void *map = demo_map(fd, alloc, 0, alloc->bytes_held);

	return map == MAP_FAILED ? NULL : map;
}

static inline int is_filled(const unsigned char *p, unsigned char value,
			    size_t length)
{
	while (length--)
		if (*p++ != value)
			return 0;
	return 1;
}

#endif /* DMADEMO_TEST_H */
