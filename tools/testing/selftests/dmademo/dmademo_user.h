/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The calls on /dev/dmademoN, for the test and the command-line tool.
 */
#ifndef DMADEMO_USER_H
#define DMADEMO_USER_H

#include <errno.h>
#include <fcntl.h>
#include <linux/dmademo.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* All return 0 or a negative errno. */
static inline int demo_call(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) ? -errno : 0;
}

static inline int demo_info(int fd, struct dmademo_info *info)
{
	return demo_call(fd, DMADEMO_IOC_INFO, info);
}

static inline int demo_alloc_flags(int fd, uint64_t bytes, uint32_t flags,
				   struct dmademo_alloc *alloc)
{
	*alloc = (struct dmademo_alloc){ .bytes = bytes, .flags = flags };
	return demo_call(fd, DMADEMO_IOC_ALLOC, alloc);
}

static inline int demo_alloc(int fd, uint64_t bytes,
			     struct dmademo_alloc *alloc)
{
	return demo_alloc_flags(fd, bytes, 0, alloc);
}

static inline int demo_free(int fd, uint32_t handle)
{
	struct dmademo_free arg = { .handle = handle };

	return demo_call(fd, DMADEMO_IOC_FREE, &arg);
}

static inline int demo_copy(int fd, uint32_t dst, uint64_t dst_offset,
			    uint32_t src, uint64_t src_offset, uint64_t length)
{
	struct dmademo_run run = {
		.op = DMADEMO_OP_COPY, .length = length,
		.src = src, .src_offset = src_offset, .dst = dst, .dst_offset = dst_offset,
	};

	return demo_call(fd, DMADEMO_IOC_RUN, &run);
}

static inline int demo_fill(int fd, uint32_t dst, uint64_t offset,
			    uint64_t length, uint8_t value)
{
	struct dmademo_run run = {
		.op = DMADEMO_OP_FILL, .length = length, .value = value,
		.dst = dst, .dst_offset = offset,
	};

	return demo_call(fd, DMADEMO_IOC_RUN, &run);
}

static inline int demo_crc32(int fd, uint32_t src, uint64_t offset,
			     uint64_t length, uint32_t *crc)
{
	struct dmademo_run run = {
		.op = DMADEMO_OP_CRC32, .length = length, .src = src, .src_offset = offset,
	};
	int ret = demo_call(fd, DMADEMO_IOC_RUN, &run);

	*crc = run.value;
	return ret;
}

/* The device copies from user memory to user memory. */
static inline int demo_copy_user(int fd, void *dst, const void *src,
				 uint64_t length)
{
	struct dmademo_run run = {
		.op = DMADEMO_OP_COPY, .length = length,
		.flags = DMADEMO_RUN_SRC_USER | DMADEMO_RUN_DST_USER,
		.src_offset = (uintptr_t)src, .dst_offset = (uintptr_t)dst,
	};

	return demo_call(fd, DMADEMO_IOC_RUN, &run);
}

/* In both directions. */
static inline int demo_sync(int fd, uint32_t handle, uint32_t whom,
			    uint64_t offset, uint64_t length)
{
	struct dmademo_sync arg = {
		.handle = handle, .offset = offset, .length = length,
		.flags = whom | DMADEMO_SYNC_TO_DEVICE | DMADEMO_SYNC_FROM_DEVICE,
	};

	return demo_call(fd, DMADEMO_IOC_SYNC, &arg);
}

/* A file descriptor, or a negative errno. */
static inline int demo_export(int fd, uint32_t handle)
{
	struct dmademo_export arg = { .handle = handle };
	int ret = demo_call(fd, DMADEMO_IOC_EXPORT, &arg);

	return ret ? ret : arg.fd;
}

/* Maps @length bytes of a buffer from @offset; MAP_FAILED with errno set. */
static inline void *demo_map(int fd, const struct dmademo_alloc *alloc,
			     uint64_t offset, size_t length)
{
	return mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		    alloc->mmap_offset + offset);
}

/* The CRC-32 that the device computes, a bit at a time. */
static inline uint32_t demo_cpu_crc32(const unsigned char *p, size_t length)
{
	uint32_t crc = ~0U;

	while (length--) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320U : 0);
	}
	return ~crc;
}

/*
 * A pattern in which no two pages are alike: each 8 bytes have the number of their
 * 4 KiB, times something odd so that small numbers differ in all of them.
 */
static inline unsigned char demo_pattern(uint64_t i)
{
	return ((i >> 12) + 1) * 0x9e3779b97f4a7c15ULL >> i % 8 * 8 ^ i ^ i >> 8;
}

static inline void demo_fill_pattern(unsigned char *p, uint64_t bytes)
{
	uint64_t i;

	for (i = 0; i < bytes; i++)
		p[i] = demo_pattern(i);
}

/* The bytes that a line of a file in /proc says, 0 if that is not known. */
static inline uint64_t demo_proc_bytes(const char *path, const char *name)
{
	FILE *f = fopen(path, "re");
	unsigned long kib = 0;
	char line[128];

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)) &&
		    sscanf(line + strlen(name), ": %lu kB", &kib) == 1)
			break;
	fclose(f);
	return (uint64_t)kib * 1024;
}

/* Bytes of this process's page tables, 0 if that is not known. */
static inline long demo_page_table_bytes(void)
{
	return demo_proc_bytes("/proc/self/status", "VmPTE");
}

/*
 * Bytes of memory that nobody uses, 0 if that is not known.  MemFree in
 * /proc/meminfo leaves out what the CPUs have at hand for the next allocation.
 */
static inline uint64_t demo_free_memory(void)
{
	FILE *f = fopen("/proc/zoneinfo", "re");
	uint64_t pages = 0;
	char line[128];
	size_t nr;

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, " nr_free_pages %zu", &nr) == 1 ||
		    sscanf(line, " count: %zu", &nr) == 1)
			pages += nr;
	fclose(f);
	return pages * sysconf(_SC_PAGESIZE);
}

/* Page faults of this process so far. */
static inline long demo_page_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

#endif /* DMADEMO_USER_H */
