/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of /dev/dmademo0 share.
 */
#ifndef DMADEMO_TEST_H
#define DMADEMO_TEST_H

#include <linux/dma-buf.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "dmademo_user.h"

/*
 * On an emulated CPU, with a kernel that looks for mistakes, a test may take a
 * minute; this is for one that hangs.
 */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 600

/* The device to test. */
#define DEVICE (getenv("DMADEMO_DEVICE") ?: "/dev/dmademo0")

/* Another one. */
#define DEVICE2 (getenv("DMADEMO_DEVICE2") ?: "/dev/dmademo1")

static size_t page_size;

/* Maps a whole buffer; NULL with errno set. */
static inline unsigned char *map(int fd, const struct dmademo_alloc *alloc)
{
	void *map = demo_map(fd, alloc, 0, alloc->bytes_held);

	return map == MAP_FAILED ? NULL : map;
}

/* Flags of a buffer that can be exported, if any can. */
static inline uint32_t export_flags(const struct dmademo_info *info)
{
	return info->flags & DMADEMO_INFO_COHERENT ? 0 : DMADEMO_ALLOC_CACHED;
}

/* 0 or a negative errno. */
static inline int sync_dmabuf(int fd, uint64_t flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	return ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync) ? -errno : 0;
}

static inline int is_filled(const unsigned char *p, unsigned char value,
			    size_t length)
{
	while (length--)
		if (*p++ != value)
			return 0;
	return 1;
}

/* The first word of each page is its number. */
static inline void number_pages(unsigned char *p, size_t first, size_t pages)
{
	size_t i;

	for (i = 0; i < pages; i++)
		*(size_t *)(p + i * page_size) = first + i;
}

static inline int are_numbered(unsigned char *p, size_t first, size_t pages)
{
	size_t i;

	for (i = 0; i < pages; i++)
		if (__atomic_load_n((size_t *)(p + i * page_size),
				    __ATOMIC_RELAXED) != first + i)
			return 0;
	return 1;
}

/* The signal that an access is answered with, 0 if it works. */
static inline int access_signal(unsigned char *p, int write)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		if (write)
			__atomic_fetch_or(p, 0, __ATOMIC_RELAXED);
		else
			__atomic_load_n(p, __ATOMIC_RELAXED);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static inline int read_signal(unsigned char *p)
{
	return access_signal(p, 0);
}

/* 0 or a negative errno. */
static inline int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), ret = 0;

	if (fd < 0)
		return -errno;
	errno = EIO; /* if it takes a part only */
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		ret = -errno;
	close(fd);
	return ret;
}

#endif /* DMADEMO_TEST_H */
