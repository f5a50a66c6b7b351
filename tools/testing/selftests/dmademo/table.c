// SPDX-License-Identifier: GPL-2.0
/*
 * What a mapping of a buffer costs, and what can be done with it, in one row.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <err.h>
#include <stdbool.h>
#include <time.h>

#include "bench.h"
#include "dmademo_user.h"

#define SIZE (64UL << 20)

/*
 * The name of the device's way to map: that of its place in the driver's parameter, or
 * the last one there.  @mode, if the device has a name of its own.
 */
static const char *way_of(const char *device, const char *mode)
{
	FILE *f = fopen("/sys/module/dmademo/parameters/mmap", "re");
	static char names[256];
	char *rest = names, *name;
	const char *way = mode;
	unsigned int nr;

	if (!f)
		return mode;
	if (sscanf(device, "/dev/dmademo%u", &nr) == 1 && fgets(names, sizeof(names), f))
		while ((name = strsep(&rest, ",\n")) && *name) {
			way = name;
			if (!nr--)
				break;
		}
	fclose(f);
	return strcmp(way, "direct") ? way : "dma-direct";
}

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

static struct dmademo_alloc alloc(int fd, const char *device)
{
	struct dmademo_alloc alloc;
	int ret = demo_alloc(fd, SIZE, &alloc);

	if (ret)
		errx(1, "%s has no buffer of %lu bytes: %s%s", device, SIZE, strerror(-ret),
		     ret == -ENOMEM ? "; free some memory, or boot with cma=" : "");
	return alloc;
}

/* Each page has its number. */
static unsigned char *map_and_touch(int fd, const struct dmademo_alloc *alloc)
{
	const size_t page_size = sysconf(_SC_PAGESIZE);
	unsigned char *p = demo_map(fd, alloc, 0, SIZE);
	size_t i;

	if (p == MAP_FAILED)
		err(1, "cannot map a buffer");
	for (i = 0; i < SIZE; i += page_size)
		*(size_t *)(p + i) = i;
	return p;
}

static bool is_intact(const unsigned char *p)
{
	size_t i;

	for (i = 0; i < SIZE; i += sysconf(_SC_PAGESIZE))
		if (*(const size_t *)(p + i) != i)
			return false;
	return true;
}

/* As what is there shows. */
static bool write_directly(const char *disk, const unsigned char *p)
{
	unsigned char *copy = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open(disk, O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
	ssize_t n;

	if (copy == MAP_FAILED)
		err(1, "no memory");
	if (fd < 0)
		err(1, "cannot open %s with O_DIRECT; try a disk, or a file on one", disk);
	errno = EIO; /* if a part only is written */
	n = pwrite(fd, p, SIZE, 0);
	/* Pages that cannot be pinned. */
	if (n < 0 && errno == EFAULT)
		return false;
	if (n != SIZE)
		err(1, "cannot write %lu bytes to %s", SIZE, disk);
	if (pread(fd, copy, SIZE, 0) != SIZE)
		err(1, "cannot read what was written to %s", disk);
	return is_intact(copy);
}

/* The driver frees the buffer, and the device fills the next one. */
static bool outlives_free(int fd, const char *device, uint32_t handle,
			  const unsigned char *p)
{
	struct dmademo_alloc next;
	int ret = demo_free(fd, handle);

	/* Nothing else has the memory: the driver has to wait for munmap(). */
	if (ret == -EBUSY)
		return false;
	if (!ret) {
		next = alloc(fd, device);
		ret = demo_fill(fd, next.handle, 0, SIZE, 0xff);
	}
	if (ret)
		errx(1, "cannot free a buffer and fill another one: %s", strerror(-ret));
	return is_intact(p);
}

void table(const char *device, int fd, const char *mode, const char *disk)
{
	struct dmademo_alloc buf = alloc(fd, device);
	double start, ms, least = 0;
	bool direct, intact;
	unsigned char *p;
	long tables;
	int round;

	/* An interrupt may come at any time, and the first round warms up. */
	for (round = 0; round < 5; round++) {
		start = now_ms();
		munmap(map_and_touch(fd, &buf), SIZE);
		ms = now_ms() - start;
		if (!round || ms < least)
			least = ms;
	}
	tables = demo_page_table_bytes();
	p = map_and_touch(fd, &buf);
	tables = demo_page_table_bytes() - tables;
	direct = write_directly(disk, p);
	intact = outlives_free(fd, device, buf.handle, p);
	printf("%-12s %8.2f %8ld  %-8s  %s\n", way_of(device, mode), least, tables / 1024,
	       direct ? "yes" : "no", intact ? "yes" : "no");
}
