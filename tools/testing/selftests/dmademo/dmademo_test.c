// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of /dev/dmademo0: what each call is there for.  What they refuse is in
 * dmademo_args_test.c, but for mmap(), which each way to map has to refuse by itself.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <grp.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "dmademo_test.h"

/* With 4 KiB pages more than one batch or page table; no power of two. */
#define PAGES 600

FIXTURE(dmademo) {
	int fd;
	struct dmademo_info info;
	struct dmademo_alloc a, b;
	unsigned char *p, *q;	/* the two buffers */
	size_t size;
	int direct;
};

FIXTURE_SETUP(dmademo)
{
	page_size = sysconf(_SC_PAGESIZE);
	self->size = PAGES * page_size;
	self->fd = open(DEVICE, O_RDWR);
	if (self->fd < 0 && errno == ENOENT)
		SKIP(return, "%s is not there: no dmademo driver", DEVICE);
	ASSERT_LE(0, self->fd);
	/* All of it is output. */
	memset(&self->info, 0xff, sizeof(self->info));
	ASSERT_EQ(0, demo_info(self->fd, &self->info));
	self->direct = is_direct(self->fd, &self->info);
	ASSERT_EQ(0, demo_alloc(self->fd, self->size, &self->a));
	ASSERT_EQ(0, demo_alloc(self->fd, self->size, &self->b));
	self->p = map(self->fd, &self->a);
	self->q = map(self->fd, &self->b);
	ASSERT_NE(NULL, self->p);
	ASSERT_NE(NULL, self->q);
}

FIXTURE_TEARDOWN(dmademo)
{
	close(self->fd);
}

TEST_F(dmademo, info)
{
	const struct dmademo_info *info = &self->info;

	EXPECT_LE(self->size, info->max_bytes);
	EXPECT_LE(2 * self->size, info->max_device_bytes);
	EXPECT_TRUE(info->dma_mask && !(info->dma_mask & (info->dma_mask + 1)));
	EXPECT_EQ(0, info->buffer_bytes % page_size);
	EXPECT_GE(DMADEMO_MMAP_HUGE, info->mmap_mode);
	EXPECT_EQ(0, info->flags & ~DMADEMO_INFO_COHERENT);
	EXPECT_LE(1000, info->max_buffers);
	EXPECT_EQ(0, info->__reserved);
}

/* What the driver asks for; rules of udev are not supposed to change it. */
TEST_F(dmademo, node_belongs_to_root)
{
	struct stat st;
	int status;
	pid_t pid;

	if (geteuid())
		SKIP(return, "needs root");
	ASSERT_EQ(0, fstat(self->fd, &st));
	EXPECT_EQ(S_IFCHR | 0600, st.st_mode);
	EXPECT_EQ(0, st.st_uid | st.st_gid);
	pid = fork();
	if (!pid) {
		if (setgroups(0, NULL) || setgid(65534) || setuid(65534))
			_exit(1);
		_exit(open(DEVICE, O_RDONLY) >= 0 || errno != EACCES ? 2 : 0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_F(dmademo, alloc_rounds_up_to_pages)
{
	const struct { size_t bytes, pages; } sizes[] = {
		{ 1, 1 }, { page_size - 1, 1 }, { page_size, 1 },
		{ page_size + 1, 2 }, { 5 * page_size + 1, 6 },
	};
	struct dmademo_alloc alloc;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		ASSERT_EQ(0, demo_alloc(self->fd, sizes[i].bytes, &alloc));
		EXPECT_EQ(sizes[i].pages * page_size, alloc.bytes);
		EXPECT_EQ(0, alloc.mmap_offset % page_size);
		EXPECT_EQ(0, alloc.bus_addr);
		EXPECT_EQ(self->b.handle + 1, alloc.handle);
		ASSERT_EQ(0, demo_free(self->fd, alloc.handle));
	}
}

/*
 * The device and the CPU see the same in each kind of memory, with a sync on each
 * side, as a device needs that does not see the caches.  It is zeroed for both,
 * although there is something else where the last one was.
 */
TEST_F(dmademo, alloc_each_kind)
{
	static const uint32_t kinds[] = {
		0, DMADEMO_ALLOC_CACHED, DMADEMO_ALLOC_WRITE_COMBINE,
	};
	const size_t bytes = 40 * page_size;
	uint32_t crc, zeroed = demo_cpu_crc32(self->p, bytes);
	struct dmademo_sync sync = { .length = bytes };
	struct dmademo_alloc alloc;
	unsigned char *p;
	int i, ret;

	for (i = 0; i < 12; i++) {
		ret = demo_alloc_flags(self->fd, bytes, kinds[i % 3], &alloc);
		if (self->direct && ret == -ENOMEM)
			continue;
		ASSERT_EQ(0, ret);
		ASSERT_EQ(0, demo_crc32(self->fd, alloc.handle, 0, bytes, &crc));
		EXPECT_EQ(zeroed, crc);
		p = map(self->fd, &alloc);
		ASSERT_NE(NULL, p);
		EXPECT_TRUE(is_filled(p, 0, bytes));

		/* In one direction, as demo_sync() has both. */
		sync.handle = alloc.handle;
		sync.flags = DMADEMO_SYNC_FOR_DEVICE | DMADEMO_SYNC_TO_DEVICE;
		memset(p, 1 + i, bytes);
		ASSERT_EQ(0, demo_call(self->fd, DMADEMO_IOC_SYNC, &sync));
		ASSERT_EQ(0, demo_crc32(self->fd, alloc.handle, 0, bytes, &crc));
		EXPECT_EQ(demo_cpu_crc32(p, bytes), crc)
			TH_LOG("time %d, kind %u", i, kinds[i % 3]);
		sync.flags = DMADEMO_SYNC_FOR_CPU | DMADEMO_SYNC_FROM_DEVICE;
		ASSERT_EQ(0, demo_fill(self->fd, alloc.handle, 0, bytes, ~i));
		ASSERT_EQ(0, demo_call(self->fd, DMADEMO_IOC_SYNC, &sync));
		EXPECT_TRUE(is_filled(p, ~i, bytes))
			TH_LOG("time %d, kind %u", i, kinds[i % 3]);
		ASSERT_EQ(0, munmap(p, bytes));
		ASSERT_EQ(0, demo_free(self->fd, alloc.handle));
	}
}

/* Far more than the page allocator has in one block. */
TEST_F(dmademo, alloc_large)
{
	const size_t bytes = 256 << 20, last = bytes - page_size;
	struct dmademo_alloc alloc;
	unsigned char *p;

	if (self->direct)
		SKIP(return, "needs the custom DMA ops");
	ASSERT_EQ(0, demo_alloc(self->fd, bytes, &alloc));
	p = map(self->fd, &alloc);
	ASSERT_NE(NULL, p);
	EXPECT_TRUE(is_filled(p + last, 0, page_size));
	memset(p + last, 0x5a, page_size);
	ASSERT_EQ(0, demo_copy(self->fd, alloc.handle, 0, alloc.handle, last,
			       page_size));
	EXPECT_TRUE(is_filled(p, 0x5a, page_size));
}

/* Whoever may use the device must not be able to use up the machine with it. */
TEST_F(dmademo, alloc_is_charged)
{
	char top[] = "/tmp/dmademo-XXXXXX";
	struct dmademo_alloc alloc;
	int ret, status;
	pid_t pid;

	if (geteuid() || self->direct)
		SKIP(return, "needs root, and the custom DMA ops");
	ASSERT_NE(NULL, mkdtemp(top));
	ret = mount("none", top, "cgroup2", 0, NULL) ?: chdir(top);
	/* From here on it is the working directory, and goes with that. */
	umount2(top, MNT_DETACH);
	EXPECT_EQ(0, rmdir(top));
	if (ret || write_file("cgroup.subtree_control", "+memory") ||
	    mkdir("dmademo-test", 0755))
		SKIP(return, "needs the memory controller of cgroup2");
	EXPECT_EQ(0, write_file("dmademo-test/memory.max", "33554432"));
	pid = fork();
	if (!pid) {
		if (write_file("dmademo-test/cgroup.procs", "0"))
			_exit(1);
		if (demo_alloc(self->fd, 16 << 20, &alloc))
			_exit(2);
		if (demo_alloc(self->fd, 64 << 20, &alloc) != -ENOMEM)
			_exit(3);
		_exit(demo_alloc(self->fd, 8 << 20, &alloc) ? 4 : 0);
	}
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, rmdir("dmademo-test"));
	EXPECT_EQ(0, write_file("cgroup.subtree_control", "-memory"));
}

TEST_F(dmademo, bus_address_needs_privilege)
{
	const uint32_t flags = DMADEMO_ALLOC_BUS_ADDR;
	struct dmademo_alloc alloc;
	int status;
	pid_t pid;

	if (geteuid())
		SKIP(return, "needs root");
	ASSERT_EQ(0, demo_alloc_flags(self->fd, self->size, flags, &alloc));
	EXPECT_NE(0, alloc.bus_addr);
	EXPECT_GE(self->info.dma_mask, alloc.bus_addr + self->size - 1);
	ASSERT_EQ(0, demo_free(self->fd, alloc.handle));
	pid = fork();
	if (!pid) {
		if (setuid(65534))
			_exit(1);
		if (demo_alloc_flags(self->fd, 1, flags, &alloc) != -EPERM)
			_exit(2);
		_exit(demo_alloc(self->fd, 1, &alloc) || alloc.bus_addr ? 3 : 0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* Whether the device has no more and no less; there may be no such memory. */
static int has_left(int fd, uint64_t bytes)
{
	struct dmademo_alloc alloc;
	int more = demo_alloc(fd, bytes + page_size, &alloc);
	int ret = demo_alloc(fd, bytes, &alloc);

	if (!ret)
		demo_free(fd, alloc.handle);
	return more == -EDQUOT && (!ret || ret == -ENOMEM);
}

/* To the last page, whichever file asks, and until nobody has it any more. */
TEST_F(dmademo, alloc_more_than_the_device_may)
{
	const uint64_t limit = self->info.max_device_bytes;
	const uint64_t left = limit - limit % page_size - 2 * self->size -
			      self->info.buffer_bytes;
	int other = open(DEVICE, O_RDWR), dmabuf;
	struct dmademo_alloc alloc;

	ASSERT_LE(0, other);
	if (left >= self->info.max_bytes || self->direct)
		SKIP(return, "needs dma-bufs, and a lower dmademo.max_device_bytes=");
	EXPECT_TRUE(has_left(self->fd, left));
	ASSERT_EQ(0, demo_alloc_flags(other, self->size,
				      export_flags(&self->info), &alloc));
	EXPECT_TRUE(has_left(other, left - self->size));
	dmabuf = demo_export(other, alloc.handle);
	ASSERT_LE(0, dmabuf);
	ASSERT_EQ(0, close(other));
	EXPECT_TRUE(has_left(self->fd, left - self->size));
	ASSERT_EQ(0, close(dmabuf));
	EXPECT_TRUE(has_left(self->fd, left));

	ASSERT_EQ(0, demo_free(self->fd, self->a.handle));
	EXPECT_TRUE(has_left(self->fd, left));
	ASSERT_EQ(0, munmap(self->p, self->size));
	EXPECT_TRUE(has_left(self->fd, left + self->size));
}

TEST_F(dmademo, free)
{
	/* Where nothing keeps the memory of a mapping. */
	if (self->direct) {
		EXPECT_EQ(-EBUSY, demo_free(self->fd, self->a.handle));
		ASSERT_EQ(0, munmap(self->p, self->size));
	}
	EXPECT_EQ(0, demo_free(self->fd, self->a.handle));
	EXPECT_EQ(-ENOENT, demo_free(self->fd, self->a.handle));
}

/* All of a buffer, and a part that starts and ends anywhere. */
TEST_F(dmademo, copy)
{
	const struct { size_t to, from, length; } parts[] = {
		{ 0, 0, self->size },
		{ 7 * page_size + 1, 3, 100 * page_size },
		{ self->size - 1, page_size - 1, 1 },
	};
	const size_t half = self->size / 2;
	size_t i;

	demo_fill_pattern(self->p, self->size);
	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		const size_t to = parts[i].to, length = parts[i].length;

		memset(self->q, 0, self->size);
		ASSERT_EQ(0, demo_copy(self->fd, self->b.handle, to,
				       self->a.handle, parts[i].from, length));
		EXPECT_TRUE(is_filled(self->q, 0, to));
		EXPECT_EQ(0, memcmp(self->q + to, self->p + parts[i].from, length));
		EXPECT_TRUE(is_filled(self->q + to + length, 0,
				      self->size - to - length));
	}
	/* within a buffer */
	ASSERT_EQ(0, demo_copy(self->fd, self->a.handle, half, self->a.handle, 0,
			       half));
	EXPECT_EQ(0, memcmp(self->p, self->p + half, half));
}

TEST_F(dmademo, fill_and_crc32)
{
	const size_t last = self->size - 1;
	uint32_t crc;

	ASSERT_EQ(0, demo_fill(self->fd, self->a.handle, 1, last - 1, 0xa5));
	EXPECT_TRUE(is_filled(self->p + 1, 0xa5, last - 1));
	EXPECT_EQ(0, self->p[0] | self->p[last]);
	ASSERT_EQ(0, demo_crc32(self->fd, self->a.handle, 0, self->size, &crc));
	EXPECT_EQ(demo_cpu_crc32(self->p, self->size), crc);
	/* the check value of the algorithm's specification */
	memcpy(self->p + 5, "123456789", 9);
	ASSERT_EQ(0, demo_crc32(self->fd, self->a.handle, 5, 9, &crc));
	EXPECT_EQ(0xcbf43926, crc);
}

TEST_F(dmademo, mmap_part)
{
	const size_t from = 590 * page_size, length = 10 * page_size;
	unsigned char *part = demo_map(self->fd, &self->a, from, length), *p;

	ASSERT_NE(MAP_FAILED, (void *)part);
	self->p[from] = 1;
	part[length - 1] = 2;
	EXPECT_EQ(1, part[0]);
	EXPECT_EQ(2, self->p[self->size - 1]);

	/* It does not matter that it is private if it is only read. */
	p = mmap(NULL, length, PROT_READ, MAP_PRIVATE, self->fd,
		 self->a.mmap_offset + from);
	ASSERT_NE(MAP_FAILED, (void *)p);
	self->p[from] = 3;
	EXPECT_EQ(3, p[0]);
	EXPECT_TRUE(self->direct ||
		    (mprotect(p, length, PROT_WRITE) && errno == EACCES));
}

/* The error of a mapping that is refused, 0 if it is not. */
static int map_error(int fd, uint64_t offset, size_t length, int flags)
{
	void *p = mmap(NULL, length, PROT_READ | PROT_WRITE, flags, fd, offset);

	if (p == MAP_FAILED)
		return errno;
	munmap(p, length);
	return 0;
}

/* By each of the two calls that the driver maps memory with. */
TEST_F(dmademo, mmap_refusals)
{
	const uint64_t apart = self->b.mmap_offset - self->a.mmap_offset;
	const size_t size = self->size;
	struct dmademo_alloc alloc;
	uint32_t flags;
	size_t i;
	int ret;

	for (flags = 0; flags <= DMADEMO_ALLOC_CACHED; flags++) {
		ret = demo_alloc_flags(self->fd, size, flags, &alloc);
		if (self->direct && ret == -ENOMEM)
			continue;
		ASSERT_EQ(0, ret);

		const uint64_t at = alloc.mmap_offset;
		const struct { uint64_t offset; size_t length; } none[] = {
			{ at, size + page_size }, { at + page_size, size },
			{ at + size - page_size, 2 * page_size },
			{ at + size, page_size },
			{ at + size + page_size, page_size },
			{ at - page_size, page_size },
			{ at + apart, page_size },
			{ (1ULL << 44) - page_size, page_size },
			{ 1ULL << (sizeof(long) > 4 ? 62 : 43), page_size },
		};
		for (i = 0; i < ARRAY_SIZE(none); i++)
			EXPECT_EQ(ENXIO, map_error(self->fd, none[i].offset,
						   none[i].length, MAP_SHARED))
				TH_LOG("flags %u, line %zu", flags, i);
		EXPECT_EQ(0, map_error(self->fd, at + size - page_size,
				       page_size, MAP_SHARED));
		/* Others make a copy. */
		if (!self->direct)
			EXPECT_EQ(EINVAL, map_error(self->fd, at, size,
						    MAP_PRIVATE));
		ASSERT_EQ(0, demo_free(self->fd, alloc.handle));
		EXPECT_EQ(ENXIO, map_error(self->fd, at, page_size, MAP_SHARED));
	}
}

/* It is there for each file without another call, and it is the same for all. */
TEST_F(dmademo, buffer_of_the_device)
{
	const struct dmademo_alloc own = { .bytes = self->info.buffer_bytes };
	const size_t bytes = own.bytes;
	unsigned long long said;
	int other = open(DEVICE, O_RDWR);
	unsigned char *p, *q;
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/misc/%s/device/buffer_size",
		 strrchr(DEVICE, '/') + 1);
	f = fopen(path, "re");
	ASSERT_NE(NULL, f);
	ASSERT_EQ(1, fscanf(f, "%llu", &said));
	ASSERT_EQ(bytes, said);
	if (!bytes)
		SKIP(return, "needs dmademo.buffer_size=");

	q = map(other, &own);
	ASSERT_NE(NULL, q);
	p = map(self->fd, &own);
	ASSERT_NE(NULL, p);
	demo_fill_pattern(p, bytes);
	EXPECT_EQ(0, memcmp(p, q, bytes));
	EXPECT_EQ(ENXIO, map_error(other, 0, bytes + page_size, MAP_SHARED));
	ASSERT_EQ(0, demo_copy(self->fd, self->a.handle, 5, 0, bytes - 9, 9));
	EXPECT_EQ(0, memcmp(self->p + 5, p + bytes - 9, 9));
	EXPECT_EQ(0, demo_sync(other, 0, DMADEMO_SYNC_FOR_CPU, 0, bytes));

	/* What a file leaves there the next one finds. */
	ASSERT_EQ(0, demo_fill(other, 0, 0, bytes, 0x5a));
	ASSERT_EQ(0, munmap(q, bytes));
	ASSERT_EQ(0, close(other));
	EXPECT_TRUE(is_filled(p, 0x5a, bytes));
}

TEST_HARNESS_MAIN
