// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of /dev/dmademo0: buffers as dma-bufs, which user space maps, hands over and
 * keeps.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <poll.h>

#include "kselftest_harness.h"
#include "dmademo_test.h"

FIXTURE(dmabuf) {
	int fd, dmabuf;
	struct dmademo_info info;
	struct dmademo_alloc a;
	unsigned char *p, *q;	/* the buffer and the dma-buf, mapped */
	size_t size;
};

static unsigned char *map_dmabuf(int fd, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

FIXTURE_SETUP(dmabuf)
{
	page_size = sysconf(_SC_PAGESIZE);
	self->size = 600 * page_size;
	self->fd = open(DEVICE, O_RDWR);
	if (self->fd < 0 && errno == ENOENT)
		SKIP(return, "%s is not there: no dmademo driver", DEVICE);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, demo_info(self->fd, &self->info));
	ASSERT_EQ(0, demo_alloc_flags(self->fd, self->size, export_flags(&self->info),
				      &self->a));
	self->p = map(self->fd, &self->a);
	ASSERT_NE(NULL, self->p);
	self->dmabuf = demo_export(self->fd, self->a.handle);
	if (self->dmabuf == -EOPNOTSUPP)
		SKIP(return, "needs a device that has dma-bufs");
	ASSERT_LE(0, self->dmabuf);
	self->q = map_dmabuf(self->dmabuf, self->size);
	ASSERT_NE(NULL, self->q);
}

FIXTURE_TEARDOWN(dmabuf)
{
	close(self->dmabuf);
	close(self->fd);
}

/* The CPU's access to the dma-buf, from one call to the next one. */
#define BEGIN(flags) sync_dmabuf(self->dmabuf, DMA_BUF_SYNC_START | (flags))
#define END(flags) sync_dmabuf(self->dmabuf, DMA_BUF_SYNC_END | (flags))

/* What the device and the CPU do to either of them is in both. */
TEST_F(dmabuf, is_the_buffer)
{
	struct pollfd pollfd = { .fd = self->dmabuf, .events = POLLIN | POLLOUT };
	uint32_t crc;
	int i;

	EXPECT_EQ(O_RDWR, fcntl(self->dmabuf, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->dmabuf, F_GETFD));
	EXPECT_EQ(self->size, lseek(self->dmabuf, 0, SEEK_END));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, BEGIN(DMA_BUF_SYNC_WRITE));
		demo_fill_pattern(self->q, self->size);
		self->q[i] = i;
		ASSERT_EQ(0, END(DMA_BUF_SYNC_WRITE));
		EXPECT_EQ(0, memcmp(self->p, self->q, self->size));
		ASSERT_EQ(0, demo_crc32(self->fd, self->a.handle, 0, self->size, &crc));
		EXPECT_EQ(demo_cpu_crc32(self->q, self->size), crc);

		ASSERT_EQ(0, demo_fill(self->fd, self->a.handle, i, self->size - i, 0x43));
		/* What the device does is done. */
		EXPECT_EQ(1, poll(&pollfd, 1, 0));
		EXPECT_EQ(POLLIN | POLLOUT, pollfd.revents);
		ASSERT_EQ(0, BEGIN(DMA_BUF_SYNC_READ));
		EXPECT_TRUE(is_filled(self->q + i, 0x43, self->size - i));
		ASSERT_EQ(0, END(DMA_BUF_SYNC_READ));
	}
}

TEST_F(dmabuf, mmap)
{
	const size_t nr = self->size / page_size;
	const struct { size_t first, nr; int prot, flags, error; } maps[] = {
		{ 0, nr, PROT_READ | PROT_WRITE, MAP_SHARED, 0 },
		{ nr - 1, 1, PROT_READ | PROT_WRITE, MAP_SHARED, 0 },
		{ 5, 7, PROT_READ, MAP_PRIVATE, 0 },
		{ 0, nr + 1, PROT_READ, MAP_SHARED, EINVAL },
		{ nr - 1, 2, PROT_READ, MAP_SHARED, EINVAL },
		{ nr, 1, PROT_READ, MAP_SHARED, EINVAL },
		/* It would be a copy. */
		{ 0, nr, PROT_READ | PROT_WRITE, MAP_PRIVATE, EINVAL },
	};
	unsigned char *p;
	size_t i;

	number_pages(self->q, 0, nr);
	for (i = 0; i < ARRAY_SIZE(maps); i++) {
		p = mmap(NULL, maps[i].nr * page_size, maps[i].prot, maps[i].flags,
			 self->dmabuf, maps[i].first * page_size);
		EXPECT_EQ(maps[i].error, p == MAP_FAILED ? errno : 0)
			TH_LOG("line %zu", i);
		EXPECT_TRUE(p == MAP_FAILED || are_numbered(p, maps[i].first, maps[i].nr));
	}
}

/* Uncached memory, where others would see something else than the CPU. */
TEST_F(dmabuf, refusals)
{
	struct dmademo_alloc alloc;
	int own, ret;

	ret = export_flags(&self->info) ? -EOPNOTSUPP : 0;
	ASSERT_EQ(0, demo_alloc(self->fd, 1, &alloc));
	own = demo_export(self->fd, alloc.handle);
	EXPECT_EQ(ret, own < 0 ? own : close(own));
	/* The device's own buffer, if it has one. */
	own = demo_export(self->fd, 0);
	EXPECT_EQ(self->info.buffer_bytes ? ret : -ENOENT, own < 0 ? own : close(own));
	EXPECT_EQ(-ENOENT, demo_export(self->fd, alloc.handle + 1));
}

/* The memory is still what it was, and not that of others, who use what was left. */
static void check_kept(struct __test_metadata *_metadata, struct _test_data_dmabuf *self,
		       const unsigned char *copy, unsigned char *again)
{
	int other = open(DEVICE, O_RDWR);
	struct dmademo_alloc alloc;

	ASSERT_LE(0, other);
	ASSERT_EQ(0, demo_alloc(other, self->size, &alloc));
	ASSERT_EQ(0, demo_fill(other, alloc.handle, 0, self->size, 0xa5));
	ASSERT_EQ(0, BEGIN(DMA_BUF_SYNC_RW));
	EXPECT_EQ(0, memcmp(copy, self->q, self->size));
	ASSERT_NE(NULL, again);
	EXPECT_EQ(0, memcmp(copy, again, self->size));
	ASSERT_EQ(0, END(DMA_BUF_SYNC_RW));
	close(other);
}

/* The buffer, the file, and, if root can do that, the device. */
TEST_F(dmabuf, outlives)
{
	unsigned char *copy = malloc(self->size), *again;

	ASSERT_NE(NULL, copy);
	demo_fill_pattern(copy, self->size);
	memcpy(self->q, copy, self->size);
	ASSERT_EQ(0, END(DMA_BUF_SYNC_RW));
	ASSERT_EQ(0, demo_free(self->fd, self->a.handle));
	check_kept(_metadata, self, copy, map_dmabuf(self->dmabuf, self->size));
	/* A mapping of it has the file open. */
	ASSERT_EQ(0, munmap(self->p, self->size) | close(self->fd));
	again = map_dmabuf(self->dmabuf, self->size);
	check_kept(_metadata, self, copy, again);
	if (!geteuid()) {
		ASSERT_EQ(0, unbind_driver());
		EXPECT_EQ(NULL, map_dmabuf(self->dmabuf, self->size));
		EXPECT_EQ(ENODEV, errno);
		ASSERT_EQ(0, bind_driver());
		check_kept(_metadata, self, copy, again);
	}
	ASSERT_EQ(0, close(self->dmabuf));
	EXPECT_EQ(0, memcmp(copy, again, self->size));
}

/* Another one can do with a mapping what it can do with any memory of user space. */
TEST_F(dmabuf, other_device)
{
	struct dmademo_run run = {
		.op = DMADEMO_OP_COPY,
		.flags = DMADEMO_RUN_SRC_USER,
		.src_offset = (uintptr_t)self->q + 1,
		.length = self->size - 2,
	};
	int other = open(DEVICE2, O_RDWR), ret;
	struct dmademo_alloc alloc;

	if (other < 0 && errno == ENOENT)
		SKIP(return, "needs a second device");
	ASSERT_EQ(0, demo_alloc(other, self->size, &alloc));
	demo_fill_pattern(self->q, self->size);
	run.dst = alloc.handle;
	ret = demo_call(other, DMADEMO_IOC_RUN, &run);
	/* As to pages; those of a CMA area must not be pinned for long, either. */
	if (ret == -EFAULT || self->info.mmap_mode == DMADEMO_MMAP_PFN) {
		EXPECT_EQ(-EFAULT, ret);
		return;
	}
	ASSERT_EQ(0, ret);
	EXPECT_EQ(0, memcmp(map(other, &alloc), self->q + 1, self->size - 2));
	/* And write it, where the buffer has it. */
	run.op = DMADEMO_OP_FILL;
	run.flags = DMADEMO_RUN_DST_USER;
	run.dst = 0;
	run.dst_offset = run.src_offset;
	run.src_offset = 0;
	run.value = 0x66;
	ASSERT_EQ(0, demo_call(other, DMADEMO_IOC_RUN, &run));
	EXPECT_TRUE(is_filled(self->p + 1, 0x66, self->size - 2));
	close(other);
}

/* Whatever goes first. */
TEST_F(dmabuf, nothing_is_left)
{
	const size_t bytes = 16 << 20, most = self->info.max_device_bytes / bytes;
	struct dmademo_alloc alloc;
	int dmabuf, fd;
	void *p;
	size_t i;

	if (most > 128)
		SKIP(return, "needs a lower limit, dmademo.max_device_bytes=");
	for (i = 0; i < most + 8; i++) {
		fd = open(DEVICE, O_RDWR);
		ASSERT_EQ(0, demo_alloc_flags(fd, bytes, export_flags(&self->info), &alloc));
		dmabuf = demo_export(fd, alloc.handle);
		ASSERT_LE(0, dmabuf);
		p = map_dmabuf(dmabuf, page_size);
		ASSERT_NE(NULL, p);
		if (i & 1)
			EXPECT_EQ(0, demo_free(fd, alloc.handle));
		if (i & 2)
			EXPECT_EQ(0, munmap(p, page_size));
		EXPECT_EQ(0, i & 4 ? close(fd) ?: close(dmabuf) : close(dmabuf) ?: close(fd));
		if (!(i & 2))
			EXPECT_EQ(0, munmap(p, page_size));
	}
}

TEST_HARNESS_MAIN
