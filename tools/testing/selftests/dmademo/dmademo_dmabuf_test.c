// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of /dev/dmademo0: buffers as dma-bufs, and dma-bufs as buffers.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "dmademo_test.h"

FIXTURE(dmabuf) {
	int fd;
	struct dmademo_alloc a, b;
	struct dmademo_info info;
	uint32_t flags;
	size_t size;
};

FIXTURE_SETUP(dmabuf)
{
	page_size = sysconf(_SC_PAGESIZE);
	self->size = 600 * page_size;
	self->fd = open(DEVICE, O_RDWR);
	if (self->fd < 0 && errno == ENOENT)
		SKIP(return, "%s is not there: no dmademo driver", DEVICE);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, demo_info(self->fd, &self->info));
	/* To be exported, and what the CPU looks at. */
	self->flags = export_flags(&self->info);
	ASSERT_EQ(0, demo_alloc_as(self->fd, self->size, 0, self->flags,
				   &self->a));
	ASSERT_EQ(0, demo_alloc(self->fd, self->size, &self->b));
}

FIXTURE_TEARDOWN(dmabuf)
{
	close(self->fd);
}

static unsigned char *map_dmabuf(int fd, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

TEST_F(dmabuf, export)
{
	unsigned char *a = map(self->fd, &self->a), *p;
	int dmabuf = demo_export(self->fd, self->a.handle);
	uint32_t crc;

	if (!(self->info.flags & DMADEMO_INFO_EXPORT)) {
		EXPECT_EQ(-EOPNOTSUPP, dmabuf);
		return;
	}
	ASSERT_LE(0, dmabuf);
	EXPECT_EQ(self->size, lseek(dmabuf, 0, SEEK_END));
	p = map_dmabuf(dmabuf, self->size);
	ASSERT_NE(NULL, p);
	ASSERT_EQ(0, sync_dmabuf(dmabuf, DMA_BUF_SYNC_RW |
				 DMA_BUF_SYNC_START));
	memset(p, 0x42, self->size);
	ASSERT_EQ(0, sync_dmabuf(dmabuf, DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END));
	EXPECT_TRUE(is_filled(a, 0x42, self->size));
	ASSERT_EQ(0, demo_crc32(self->fd, self->a.handle, 0, self->size, &crc));
	EXPECT_EQ(demo_cpu_crc32(a, self->size), crc);
	ASSERT_EQ(0, demo_fill(self->fd, self->a.handle, 0, self->size, 0x43));
	ASSERT_EQ(0, sync_dmabuf(dmabuf, DMA_BUF_SYNC_READ |
				 DMA_BUF_SYNC_START));
	EXPECT_TRUE(is_filled(p, 0x43, self->size));
	close(dmabuf);
	EXPECT_TRUE(is_filled(p, 0x43, self->size));
	/* A part, and too much. */
	dmabuf = demo_export(self->fd, self->a.handle);
	ASSERT_LE(0, dmabuf);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, self->size + page_size, PROT_READ,
				   MAP_SHARED, dmabuf, 0));
	p = mmap(NULL, page_size, PROT_READ, MAP_SHARED, dmabuf,
		 self->size - page_size);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_TRUE(is_filled(p, 0x43, page_size));
	close(dmabuf);
}

/* The dma-buf keeps the memory when its buffer and the file have gone. */
TEST_F(dmabuf, export_outlives_the_file)
{
	struct dmademo_alloc again;
	struct dmademo_import import;
	int dmabuf, other;
	unsigned char *p;

	if (!(self->info.flags & DMADEMO_INFO_EXPORT)) {
		EXPECT_EQ(-EOPNOTSUPP, demo_export(self->fd, self->a.handle));
		return;
	}
	ASSERT_EQ(0, demo_fill(self->fd, self->a.handle, 0, self->size, 0x44));
	ASSERT_EQ(0, demo_sync(self->fd, self->a.handle, DMADEMO_SYNC_FOR_CPU,
			       0, self->size));
	dmabuf = demo_export(self->fd, self->a.handle);
	ASSERT_LE(0, dmabuf);
	ASSERT_EQ(0, demo_free(self->fd, self->a.handle));
	close(self->fd);

	other = open(DEVICE, O_RDWR);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, demo_alloc(other, self->size, &again));
	p = map_dmabuf(dmabuf, self->size);
	ASSERT_NE(NULL, p);
	EXPECT_TRUE(is_filled(p, 0x44, self->size));
	/* And the device reads it as anybody's. */
	ASSERT_EQ(0, demo_import(other, dmabuf, &import));
	ASSERT_EQ(self->size, import.bytes_held);
	ASSERT_EQ(0, demo_copy(other, again.handle, 0, import.handle, 0,
			       self->size));
	EXPECT_TRUE(is_filled(map(other, &again), 0x44, self->size));
	close(dmabuf);
	close(other);
	EXPECT_TRUE(is_filled(p, 0x44, self->size));
}

TEST_F(dmabuf, export_refusals)
{
	struct dmademo_export arg = {
		.size = sizeof(arg),
		.handle = self->a.handle,
	};
	struct dmademo_import import;
	int dmabuf;

	EXPECT_EQ(-ENOENT, demo_export(self->fd, 0));
	EXPECT_EQ(-ENOENT, demo_export(self->fd, self->b.handle + 1));
	arg.fd_flags = O_ACCMODE;
	EXPECT_EQ(-EINVAL, demo_call(self->fd, DMADEMO_IOC_EXPORT, &arg));
	arg.fd_flags = O_NONBLOCK;
	EXPECT_EQ(-EINVAL, demo_call(self->fd, DMADEMO_IOC_EXPORT, &arg));
	if (!(self->info.flags & DMADEMO_INFO_EXPORT))
		return;
	if (self->flags)
		EXPECT_EQ(-EOPNOTSUPP, demo_export(self->fd, self->b.handle));
	dmabuf = demo_export(self->fd, self->a.handle);
	ASSERT_LE(0, dmabuf);
	ASSERT_EQ(0, demo_import(self->fd, dmabuf, &import));
	EXPECT_EQ(-EOPNOTSUPP, demo_export(self->fd, import.handle));
	close(dmabuf);
}

/* The descriptor that cannot be told must not stay taken. */
TEST_F(dmabuf, export_into_read_only_memory)
{
	struct dmademo_export *arg;
	int before, after;

	if (!(self->info.flags & DMADEMO_INFO_EXPORT)) {
		EXPECT_EQ(-EOPNOTSUPP, demo_export(self->fd, self->a.handle));
		return;
	}
	arg = mmap(NULL, page_size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, arg);
	arg->size = sizeof(*arg);
	arg->handle = self->a.handle;
	ASSERT_EQ(0, mprotect(arg, page_size, PROT_READ));
	before = dup(self->fd);
	close(before);
	EXPECT_EQ(-EFAULT, demo_call(self->fd, DMADEMO_IOC_EXPORT, arg));
	after = dup(self->fd);
	close(after);
	EXPECT_EQ(before, after);
}

/* The device reads and writes a dma-buf of @size bytes, on and off its ends. */
static void use_import(struct __test_metadata *_metadata, int fd, int dmabuf,
		       uint32_t buffer, unsigned char *b, size_t size)
{
	struct dmademo_import import;
	unsigned char *p = map_dmabuf(dmabuf, size);
	uint32_t crc;

	ASSERT_NE(NULL, p);
	ASSERT_EQ(0, demo_import(fd, dmabuf, &import));
	EXPECT_EQ(size, import.bytes_held);
	ASSERT_EQ(0, sync_dmabuf(dmabuf, DMA_BUF_SYNC_RW |
				 DMA_BUF_SYNC_START));
	demo_fill_pattern(p, size);
	ASSERT_EQ(0, sync_dmabuf(dmabuf, DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END));

	ASSERT_EQ(0, demo_copy(fd, buffer, 0, import.handle, 1, size - 2));
	EXPECT_EQ(0, memcmp(b, p + 1, size - 2));
	ASSERT_EQ(0, demo_crc32(fd, import.handle, 0, size, &crc));
	EXPECT_EQ(demo_cpu_crc32(p, size), crc);
	ASSERT_EQ(0, demo_fill(fd, import.handle, 4095, size - 4096, 0x66));
	ASSERT_EQ(0, sync_dmabuf(dmabuf, DMA_BUF_SYNC_READ |
				 DMA_BUF_SYNC_START));
	EXPECT_TRUE(is_filled(p + 4095, 0x66, size - 4096));
	EXPECT_EQ(demo_pattern(0), p[0]);
	ASSERT_EQ(0, sync_dmabuf(dmabuf, DMA_BUF_SYNC_READ |
				 DMA_BUF_SYNC_END));

	EXPECT_EQ(-ERANGE, demo_fill(fd, import.handle, 1, size, 1));
	EXPECT_EQ(-EOPNOTSUPP, demo_sync(fd, import.handle,
					 DMADEMO_SYNC_FOR_CPU, 0, 1));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, page_size, PROT_READ, MAP_SHARED, fd,
				   (off_t)import.handle << 32));
	EXPECT_EQ(ENXIO, errno);
	ASSERT_EQ(0, demo_free(fd, import.handle));
	ASSERT_EQ(0, munmap(p, size));
}

TEST_F(dmabuf, import_of_a_heap)
{
	struct dma_heap_allocation_data data = {
		.len = self->size,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	unsigned char *b = map(self->fd, &self->b);
	int heap = open("/dev/dma_heap/system", O_RDWR);

	if (heap < 0)
		SKIP(return, "needs the system heap");
	ASSERT_NE(NULL, b);
	ASSERT_EQ(0, ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data));
	use_import(_metadata, self->fd, data.fd, self->b.handle, b, self->size);
	close(data.fd);
	close(heap);
}

/*
 * Every second page first, so that they are not next to each other in memory:
 * udmabuf maps longer pieces for its own device than it says that this can do.
 */
static int fill_scattered(int memfd, size_t size)
{
	size_t start, pos;

	for (start = 0; start < 2; start++)
		for (pos = start * page_size; pos < size; pos += 2 * page_size)
			if (pwrite(memfd, "", 1, pos) != 1)
				return -1;
	return 0;
}

static int new_udmabuf(size_t size)
{
	struct udmabuf_create create = { .size = size };
	int udmabuf = open("/dev/udmabuf", O_RDWR), memfd, ret;

	if (udmabuf < 0)
		return -ENOENT;
	memfd = memfd_create("dmademo", MFD_ALLOW_SEALING);
	create.memfd = memfd;
	if (memfd < 0 || ftruncate(memfd, size) ||
	    fill_scattered(memfd, size) ||
	    fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		ret = -errno;
	else
		ret = ioctl(udmabuf, UDMABUF_CREATE, &create);
	close(memfd);
	close(udmabuf);
	return ret;
}

/* Of single pages, wherever they may be. */
TEST_F(dmabuf, import_of_udmabuf)
{
	unsigned char *b = map(self->fd, &self->b);
	int dmabuf = new_udmabuf(self->size);

	if (dmabuf == -ENOENT)
		SKIP(return, "needs udmabuf");
	ASSERT_LE(0, dmabuf);
	ASSERT_NE(NULL, b);
	use_import(_metadata, self->fd, dmabuf, self->b.handle, b, self->size);
	close(dmabuf);
}

/* What one device writes another one reads, and the other way round. */
TEST_F(dmabuf, between_devices)
{
	int other = open(DEVICE2, O_RDWR), from = self->fd, to = other;
	struct dmademo_alloc x, y;
	struct dmademo_import import;
	struct dmademo_info info;
	unsigned char *p, *q;
	uint32_t crc;
	int dmabuf;

	if ((other < 0 && errno == ENOENT) || !strcmp(DEVICE, DEVICE2))
		SKIP(return, "needs a second device");
	ASSERT_LE(0, other);
	if (!(self->info.flags & DMADEMO_INFO_EXPORT)) {
		from = other;
		to = self->fd;
	}
	ASSERT_EQ(0, demo_info(from, &info));
	if (!(info.flags & DMADEMO_INFO_EXPORT))
		SKIP(return, "needs a device that exports dma-bufs");
	ASSERT_EQ(0, demo_alloc_as(from, self->size, 0, export_flags(&info),
				   &x));
	ASSERT_EQ(0, demo_alloc(to, self->size, &y));
	q = map(to, &y);
	ASSERT_NE(NULL, q);

	ASSERT_EQ(0, demo_fill(from, x.handle, 0, self->size, 0x11));
	dmabuf = demo_export(from, x.handle);
	ASSERT_LE(0, dmabuf);
	p = map_dmabuf(dmabuf, self->size);
	ASSERT_NE(NULL, p);
	ASSERT_EQ(0, demo_import(to, dmabuf, &import));
	ASSERT_EQ(0, demo_copy(to, y.handle, 0, import.handle, 0, self->size));
	EXPECT_TRUE(is_filled(q, 0x11, self->size));

	ASSERT_EQ(0, demo_fill(to, import.handle, 0, self->size, 0x22));
	ASSERT_EQ(0, sync_dmabuf(dmabuf, DMA_BUF_SYNC_RW |
				 DMA_BUF_SYNC_START));
	EXPECT_TRUE(is_filled(p, 0x22, self->size));
	memset(p, 0x33, self->size);
	ASSERT_EQ(0, sync_dmabuf(dmabuf, DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END));
	ASSERT_EQ(0, demo_crc32(from, x.handle, 0, self->size, &crc));
	EXPECT_EQ(demo_cpu_crc32(p, self->size), crc);
	ASSERT_EQ(0, demo_crc32(to, import.handle, 0, self->size, &crc));
	EXPECT_EQ(demo_cpu_crc32(p, self->size), crc);
	close(dmabuf);
	close(other);
}

TEST_F(dmabuf, import_refusals)
{
	struct dmademo_import arg = {
		.size = sizeof(arg),
		.flags = 1,
		.fd = self->fd,
	};
	int pipes[2];

	EXPECT_EQ(-EINVAL, demo_call(self->fd, DMADEMO_IOC_IMPORT, &arg));
	EXPECT_EQ(-EBADF, demo_import(self->fd, -1, &arg));
	EXPECT_EQ(-EBADF, demo_import(self->fd, 1 << 20, &arg));
	EXPECT_EQ(-EINVAL, demo_import(self->fd, self->fd, &arg));
	ASSERT_EQ(0, pipe(pipes));
	EXPECT_EQ(-EINVAL, demo_import(self->fd, pipes[0], &arg));
}

/* Each end keeps what it needs, whoever closes first, and again and again. */
TEST_F(dmabuf, nothing_is_left)
{
	struct dmademo_import import;
	struct dmademo_alloc big;
	uint64_t before, after;
	const size_t size = 16 << 20;
	int i, fd, dmabuf;

	if (!(self->info.flags & DMADEMO_INFO_EXPORT)) {
		EXPECT_EQ(-EOPNOTSUPP, demo_export(self->fd, self->a.handle));
		return;
	}
	usleep(200000);
	before = demo_free_memory();
	for (i = 0; i < 8; i++) {
		fd = open(DEVICE, O_RDWR);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, demo_alloc_as(fd, size, 0, self->flags, &big));
		dmabuf = demo_export(fd, big.handle);
		ASSERT_LE(0, dmabuf);
		ASSERT_EQ(0, demo_import(fd, dmabuf, &import));
		if (i % 2)
			demo_free(fd, big.handle);
		if (i % 4 < 2) {
			close(dmabuf);
			close(fd);
		} else {
			close(fd);
			close(dmabuf);
		}
	}
	usleep(500000);
	after = demo_free_memory();
	EXPECT_LE(before, after + size);
}

TEST_HARNESS_MAIN
