/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of drivers' user mappings share: whether a device is on the custom
 * DMA ops (CUSTOM=1 in the environment), its buffers, and checks of a mapping.
 */
#ifndef TESTS_DRIVERS_MAPPINGS_H
#define TESTS_DRIVERS_MAPPINGS_H

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof(*(a)))
#define KIB ((size_t)1 << 10)
#define MIB (KIB * KIB)

static size_t page_size;
static int custom;
static int disk;

static inline void set_up(void)
{
	page_size = sysconf(_SC_PAGESIZE);
	custom = !!getenv("CUSTOM");
	disk = open(getenv("DISK") ?: "/dev/vda", O_RDWR | O_DIRECT);
}

/* Live buffers of a device, -1 if it is not on the custom DMA ops. */
static inline int buffers(const char *device)
{
	char pattern[128], line[128];
	int n = -1; /* the headings */
	glob_t path;
	FILE *f;

	snprintf(pattern, sizeof(pattern),
		 "/sys/kernel/debug/dma_custom/*:%s/buffers", device);
	if (glob(pattern, 0, NULL, &path))
		return -1;
	f = fopen(path.gl_pathv[0], "re");
	globfree(&path);
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		n++;
	fclose(f);
	return n;
}

/* The page frame that is mapped there, 0 if none is. */
static inline uint64_t pfn_of(const void *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	if (fd < 0 || pread(fd, &entry, sizeof(entry),
			    (uintptr_t)p / page_size * sizeof(entry)) !=
			      sizeof(entry))
		entry = 0;
	close(fd);
	return entry >> 63 ? entry & ((1ULL << 55) - 1) : 0;
}

/*
 * Are all pages mapped to those that follow each other from the first?  The kernel
 * does not tell of what remap_pfn_range() maps, as dma-direct does.
 */
static inline int is_contiguous(const unsigned char *p, size_t size)
{
	const uint64_t first = pfn_of(p);
	size_t i;

	if (!custom)
		return first == 0;
	for (i = 0; i < size / page_size; i++)
		if (pfn_of(p + i * page_size) != first + i)
			return 0;
	return first != 0;
}

/* Straight to the disk and back: 0, or a negative errno. */
static inline int to_disk(unsigned char *p, size_t size)
{
	void *copy = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int ret = 0;

	if (pwrite(disk, p, size, 0) != (ssize_t)size)
		ret = -errno;
	else if (pread(disk, copy, size, 0) != (ssize_t)size ||
		 memcmp(copy, p, size))
		ret = -EIO;
	munmap(copy, size);
	return ret;
}

static inline void number(unsigned char *p, size_t size, uint64_t first)
{
	size_t i;

	for (i = 0; i < size / sizeof(first); i++)
		((uint64_t *)p)[i] = first + i;
}

static inline int is_numbered(const unsigned char *p, size_t size, uint64_t first)
{
	size_t i;

	for (i = 0; i < size / sizeof(first); i++)
		if (((const uint64_t *)p)[i] != first + i)
			return 0;
	return 1;
}

/* A child sees the same, and leaves it there. */
static inline int child_sees(const unsigned char *p, size_t size, uint64_t first)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(!is_numbered(p, size, first));
	return waitpid(pid, &status, 0) == pid && !status;
}

#endif
