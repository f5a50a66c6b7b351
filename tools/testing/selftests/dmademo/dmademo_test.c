// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of /dev/dmademo0: each call, and each refusal.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "dmademo_test.h"

/* With 4 KiB pages more than one batch or page table; no power of two. */
#define PAGES 600

FIXTURE(dmademo) {
	int fd;
	struct dmademo_alloc a, b;
	size_t size;
};

FIXTURE_SETUP(dmademo)
{
	page_size = sysconf(_SC_PAGESIZE);
	self->size = PAGES * page_size;
	self->fd = open(DEVICE, O_RDWR);
	if (self->fd < 0 && errno == ENOENT)
		SKIP(return, "%s is not there: no dmademo driver", DEVICE);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, demo_alloc(self->fd, self->size, &self->a));
	ASSERT_EQ(0, demo_alloc(self->fd, self->size, &self->b));
}

FIXTURE_TEARDOWN(dmademo)
{
	close(self->fd);
}

TEST_F(dmademo, info)
{
	struct dmademo_info info;

	ASSERT_EQ(0, demo_info(self->fd, &info));
	EXPECT_EQ(DMADEMO_VERSION, info.version);
	EXPECT_LE(self->size, info.max_bytes);
	EXPECT_GE(DMADEMO_MMAP_HUGE, info.mmap_mode);
	EXPECT_LE(self->a.bus_addr + self->size - 1, info.dma_mask);
	EXPECT_LE(self->size, info.max_device_bytes);
	EXPECT_LE(1000, info.max_buffers);
	EXPECT_LE(2, info.max_transfers);
	EXPECT_TRUE(info.strategies & 1U << DMADEMO_STRATEGY_DEFAULT);
	EXPECT_TRUE(info.strategies & 1U << DMADEMO_STRATEGY_DMA_MMAP);
	EXPECT_EQ(0, info.__reserved);
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
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(0600, st.st_mode & 07777);
	EXPECT_EQ(0, st.st_uid);
	EXPECT_EQ(0, st.st_gid);

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (setgroups(0, NULL) || setgid(65534) || setuid(65534))
			_exit(1);
		if (open(DEVICE, O_RDONLY) >= 0 || errno != EACCES)
			_exit(2);
		if (open(DEVICE, O_RDWR) >= 0 || errno != EACCES)
			_exit(3);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_F(dmademo, unknown_ioctl)
{
	struct dmademo_info info = { .size = sizeof(info) };

	EXPECT_EQ(-ENOTTY,
		  demo_call(self->fd, _IO(DMADEMO_IOC_TYPE, 8), &info));
	EXPECT_EQ(-ENOTTY,
		  demo_call(self->fd, _IO(DMADEMO_IOC_TYPE, 255), &info));
	EXPECT_EQ(-ENOTTY, demo_call(self->fd, _IO('D', 0), &info));
	EXPECT_EQ(-ENOTTY,
		  demo_call(self->fd,
			    _IOW(DMADEMO_IOC_TYPE, 0, struct dmademo_info),
			    &info));
}

TEST_F(dmademo, bad_pointer)
{
	EXPECT_EQ(-EFAULT, demo_call(self->fd, DMADEMO_IOC_INFO, NULL));
	EXPECT_EQ(-EFAULT, demo_call(self->fd, DMADEMO_IOC_ALLOC, NULL));
	EXPECT_EQ(-EFAULT, demo_call(self->fd, DMADEMO_IOC_FREE, NULL));
	EXPECT_EQ(-EFAULT, demo_call(self->fd, DMADEMO_IOC_RUN, NULL));
	EXPECT_EQ(-EFAULT, demo_call(self->fd, DMADEMO_IOC_WAIT, NULL));
	EXPECT_EQ(-EFAULT, demo_call(self->fd, DMADEMO_IOC_SYNC, NULL));
	EXPECT_EQ(-EFAULT, demo_call(self->fd, DMADEMO_IOC_EXPORT, NULL));
	EXPECT_EQ(-EFAULT, demo_call(self->fd, DMADEMO_IOC_IMPORT, NULL));
	EXPECT_EQ(-EFAULT, demo_call(self->fd, DMADEMO_IOC_INFO,
				     (void *)(uintptr_t)-4096));
}

TEST_F(dmademo, struct_size)
{
	struct {
		struct dmademo_info info;
		unsigned char newer[8];
	} arg = {};
	const uint32_t full = sizeof(arg.info);

	/* too small, even for the first version */
	arg.info.size = 0;
	EXPECT_EQ(-EINVAL, demo_call(self->fd, DMADEMO_IOC_INFO, &arg));
	arg.info.size = full - 1;
	EXPECT_EQ(-EINVAL, demo_call(self->fd, DMADEMO_IOC_INFO, &arg));

	/* newer than the kernel, first with nothing new used, then with */
	arg.info.size = sizeof(arg);
	EXPECT_EQ(0, demo_call(self->fd, DMADEMO_IOC_INFO, &arg));
	memset(&arg, 0, sizeof(arg));
	arg.info.size = sizeof(arg);
	arg.newer[7] = 1;
	EXPECT_EQ(-E2BIG, demo_call(self->fd, DMADEMO_IOC_INFO, &arg));
	arg.info.size = UINT32_MAX;
	EXPECT_EQ(-E2BIG, demo_call(self->fd, DMADEMO_IOC_INFO, &arg));
}

TEST_F(dmademo, alloc_rounds_up_to_pages)
{
	struct dmademo_alloc alloc;

	ASSERT_EQ(0, demo_alloc(self->fd, 1, &alloc));
	EXPECT_EQ(page_size, alloc.bytes_held);
	ASSERT_EQ(0, demo_alloc(self->fd, 5 * page_size + 1, &alloc));
	EXPECT_EQ(6 * page_size, alloc.bytes_held);
}

TEST_F(dmademo, alloc_is_zeroed)
{
	unsigned char *p = map(self->fd, &self->a);

	ASSERT_NE(NULL, p);
	EXPECT_TRUE(is_filled(p, 0, self->size));
}

/* Far more than the page allocator has in one block. */
TEST_F(dmademo, alloc_large)
{
	static const size_t mib[] = { 64, 256 };
	struct dmademo_alloc alloc;
	unsigned char *p;
	size_t i, bytes;

	for (i = 0; i < ARRAY_SIZE(mib); i++) {
		bytes = mib[i] << 20;
		ASSERT_EQ(0, demo_alloc(self->fd, bytes, &alloc));
		EXPECT_EQ(bytes, alloc.bytes_held);
		p = map(self->fd, &alloc);
		ASSERT_NE(NULL, p);
		EXPECT_TRUE(is_filled(p, 0, page_size));
		EXPECT_TRUE(is_filled(p + bytes - page_size, 0, page_size));
		memset(p + bytes - page_size, 0x5a, page_size);
		ASSERT_EQ(0, demo_copy(self->fd, alloc.handle, 0, alloc.handle,
				       bytes - page_size, page_size));
		EXPECT_TRUE(is_filled(p, 0x5a, page_size));
		ASSERT_EQ(0, munmap(p, bytes));
		ASSERT_EQ(0, demo_free(self->fd, alloc.handle));
	}
}

/* Whoever may use the device must not be able to use up the machine with it. */
TEST_F(dmademo, alloc_is_charged)
{
	char top[] = "/tmp/dmademo-XXXXXX", path[128], group[64];
	struct dmademo_alloc alloc;
	int status = -1;
	pid_t pid;

	if (geteuid())
		SKIP(return, "needs root");
	ASSERT_NE(NULL, mkdtemp(top));
	if (mount("none", top, "cgroup2", 0, NULL)) {
		rmdir(top);
		SKIP(return, "needs cgroup2");
	}
	snprintf(group, sizeof(group), "%s/dmademo-test", top);
	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", top);
	if (write_file(path, "+memory") || mkdir(group, 0755)) {
		umount(top);
		rmdir(top);
		SKIP(return, "needs the memory controller");
	}
	snprintf(path, sizeof(path), "%s/memory.max", group);
	EXPECT_EQ(0, write_file(path, "33554432"));
	snprintf(path, sizeof(path), "%s/cgroup.procs", group);

	pid = fork();
	if (!pid) {
		if (write_file(path, "0"))
			_exit(1);
		if (demo_alloc(self->fd, 16 << 20, &alloc))
			_exit(2);
		if (demo_alloc(self->fd, 64 << 20, &alloc) != -ENOMEM)
			_exit(3);
		if (demo_alloc(self->fd, 8 << 20, &alloc))
			_exit(4);
		_exit(0);
	}
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, rmdir(group));
	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", top);
	EXPECT_EQ(0, write_file(path, "-memory"));
	EXPECT_EQ(0, umount(top));
	EXPECT_EQ(0, rmdir(top));
}

TEST_F(dmademo, alloc_bad_size)
{
	struct dmademo_alloc alloc;
	struct dmademo_info info;

	ASSERT_EQ(0, demo_info(self->fd, &info));
	EXPECT_EQ(-EINVAL, demo_alloc(self->fd, 0, &alloc));
	EXPECT_EQ(-EINVAL, demo_alloc(self->fd, info.max_bytes + 1, &alloc));
	EXPECT_EQ(-EINVAL, demo_alloc(self->fd, 1ULL << 32, &alloc));
	EXPECT_EQ(-EINVAL, demo_alloc(self->fd, UINT64_MAX, &alloc));
	EXPECT_EQ(-EINVAL,
		  demo_alloc(self->fd, UINT64_MAX - page_size + 2, &alloc));
}

TEST_F(dmademo, alloc_unknown_flags)
{
	struct dmademo_alloc alloc = {
		.size = sizeof(alloc),
		.bytes = 1,
		.flags = 1U << 2,
	};

	EXPECT_EQ(-EINVAL, demo_call(self->fd, DMADEMO_IOC_ALLOC, &alloc));
	alloc.flags = DMADEMO_ALLOC_CACHED | DMADEMO_ALLOC_WRITE_COMBINE;
	EXPECT_EQ(-EINVAL, demo_call(self->fd, DMADEMO_IOC_ALLOC, &alloc));
	alloc.flags = 0;
	alloc.strategy = DMADEMO_STRATEGY_HUGE + 1;
	EXPECT_EQ(-EINVAL, demo_call(self->fd, DMADEMO_IOC_ALLOC, &alloc));
}

/* The handle that cannot be reported must not stay taken. */
TEST_F(dmademo, alloc_into_read_only_memory)
{
	struct dmademo_alloc *arg, alloc;

	arg = mmap(NULL, page_size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, arg);
	arg->size = sizeof(*arg);
	arg->bytes = self->size;
	ASSERT_EQ(0, mprotect(arg, page_size, PROT_READ));
	EXPECT_EQ(-EFAULT, demo_call(self->fd, DMADEMO_IOC_ALLOC, arg));
	EXPECT_EQ(-ENOENT, demo_free(self->fd, self->b.handle + 1));
	ASSERT_EQ(0, demo_alloc(self->fd, 1, &alloc));
	EXPECT_EQ(self->b.handle + 1, alloc.handle);
}

TEST_F(dmademo, info_nonzero_flags)
{
	struct dmademo_info info = { .size = sizeof(info), .flags = 1 };

	EXPECT_EQ(-EINVAL, demo_call(self->fd, DMADEMO_IOC_INFO, &info));
}

TEST_F(dmademo, bus_address_needs_privilege)
{
	struct dmademo_alloc alloc;
	pid_t pid;
	int status;

	if (geteuid())
		SKIP(return, "needs root");
	if (!self->a.bus_addr)
		SKIP(return, "needs CAP_SYS_RAWIO");
	pid = fork();
	if (!pid) {
		if (setuid(65534))
			_exit(1);
		_exit(demo_alloc(self->fd, 1, &alloc) || alloc.bus_addr);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_F(dmademo, free_foreign_handle)
{
	int other = open(DEVICE, O_RDWR);

	ASSERT_LE(0, other);
	EXPECT_EQ(-ENOENT, demo_free(other, self->a.handle));
	EXPECT_EQ(-ENOENT, demo_free(self->fd, 0));
	EXPECT_EQ(-ENOENT, demo_free(self->fd, self->b.handle + 1));
	EXPECT_EQ(-ENOENT, demo_free(self->fd, UINT32_MAX));
	close(other);
}

TEST_F(dmademo, free_twice)
{
	EXPECT_EQ(0, demo_free(self->fd, self->a.handle));
	EXPECT_EQ(-ENOENT, demo_free(self->fd, self->a.handle));
}

static int dmademo_alloc_and_map(int fd, uint32_t strategy, uint32_t flags,
				 size_t size, unsigned char **p)
{
	struct dmademo_alloc alloc;
	int ret = demo_alloc_as(fd, size, strategy, flags, &alloc);

	if (ret)
		return ret;
	*p = map(fd, &alloc);
	return *p ? (int)alloc.handle : -errno;
}

/* The device sees what the CPU writes through each kind of mapping. */
TEST_F(dmademo, alloc_each_strategy)
{
	struct dmademo_info info;
	unsigned int strategy, supported = 0;

	ASSERT_EQ(0, demo_info(self->fd, &info));
	for (strategy = 0; strategy <= DMADEMO_STRATEGY_HUGE; strategy++) {
		unsigned char *p;
		uint32_t crc;
		int handle;

		handle = dmademo_alloc_and_map(self->fd, strategy, 0,
					       self->size, &p);
		if (!(info.strategies & 1U << strategy)) {
			EXPECT_EQ(-EOPNOTSUPP, handle);
			continue;
		}
		ASSERT_LT(0, handle);
		memset(p, strategy, self->size);
		ASSERT_EQ(0, demo_crc32(self->fd, handle, 0, self->size, &crc));
		EXPECT_EQ(demo_cpu_crc32(p, self->size), crc);
		ASSERT_EQ(0, demo_fill(self->fd, handle, 7, self->size - 7, 9));
		EXPECT_TRUE(is_filled(p + 7, 9, self->size - 7));
		ASSERT_EQ(0, munmap(p, self->size));
		ASSERT_EQ(0, demo_free(self->fd, handle));
		supported++;
	}
	/* the default and dma_mmap() at least, all but huge if it is coherent */
	EXPECT_LE(info.flags & DMADEMO_INFO_COHERENT &&
		  info.flags & DMADEMO_INFO_EXPORT ? 6 : 2, supported);
}

/* With a sync on each side, as a device needs that does not see the caches. */
TEST_F(dmademo, alloc_cached)
{
	struct dmademo_alloc alloc;
	unsigned char *p;
	uint32_t crc;
	int i;

	ASSERT_EQ(0, demo_alloc_as(self->fd, self->size, 0,
				   DMADEMO_ALLOC_CACHED, &alloc));
	p = map(self->fd, &alloc);
	ASSERT_NE(NULL, p);
	for (i = 0; i < 3; i++) {
		memset(p, 1 + i, self->size);
		ASSERT_EQ(0, demo_sync(self->fd, alloc.handle,
				       DMADEMO_SYNC_FOR_DEVICE, 0, self->size));
		ASSERT_EQ(0, demo_crc32(self->fd, alloc.handle, 0, self->size,
					&crc));
		EXPECT_EQ(demo_cpu_crc32(p, self->size), crc);
		ASSERT_EQ(0, demo_fill(self->fd, alloc.handle, 0, self->size,
				       0x80 + i));
		ASSERT_EQ(0, demo_sync(self->fd, alloc.handle,
				       DMADEMO_SYNC_FOR_CPU, 0, self->size));
		EXPECT_TRUE(is_filled(p, 0x80 + i, self->size));
	}
	ASSERT_EQ(0, demo_sync(self->fd, alloc.handle, DMADEMO_SYNC_FOR_DEVICE,
			       self->size - 1, 1));
}

/* A new buffer is zeroed for the device, too, not only in the CPU's caches. */
TEST_F(dmademo, alloc_cached_is_zeroed)
{
	unsigned char *a = map(self->fd, &self->a);
	struct dmademo_alloc alloc;
	int i;

	ASSERT_NE(NULL, a);
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, demo_alloc_as(self->fd, self->size, 0,
					   DMADEMO_ALLOC_CACHED, &alloc));
		memset(a, 0x5a, self->size);
		ASSERT_EQ(0, demo_copy(self->fd, self->a.handle, 0,
				       alloc.handle, 0, self->size));
		EXPECT_TRUE(is_filled(a, 0, self->size));
		ASSERT_EQ(0, demo_fill(self->fd, alloc.handle, 0, self->size,
				       0xff));
		ASSERT_EQ(0, demo_free(self->fd, alloc.handle));
	}
}

/* Calls without output do not write. */
TEST_F(dmademo, free_in_read_only_memory)
{
	struct dmademo_free *arg;

	arg = mmap(NULL, page_size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, arg);
	arg->size = sizeof(*arg);
	arg->handle = self->a.handle;
	ASSERT_EQ(0, mprotect(arg, page_size, PROT_READ));
	EXPECT_EQ(0, demo_call(self->fd, DMADEMO_IOC_FREE, arg));
	EXPECT_EQ(-ENOENT, demo_call(self->fd, DMADEMO_IOC_FREE, arg));
}

TEST_F(dmademo, alloc_cached_for_huge_entries)
{
	struct dmademo_alloc alloc;
	struct dmademo_info info;

	ASSERT_EQ(0, demo_info(self->fd, &info));
	EXPECT_EQ(info.mmap_mode == DMADEMO_MMAP_HUGE ? 0 : -EOPNOTSUPP,
		  demo_alloc_as(self->fd, self->size, DMADEMO_STRATEGY_HUGE,
				DMADEMO_ALLOC_CACHED, &alloc));
}

TEST_F(dmademo, alloc_write_combine)
{
	unsigned char *p;
	int handle;

	handle = dmademo_alloc_and_map(self->fd, 0, DMADEMO_ALLOC_WRITE_COMBINE,
				       self->size, &p);
	ASSERT_LT(0, handle);
	ASSERT_EQ(0, demo_fill(self->fd, handle, 0, self->size, 3));
	EXPECT_TRUE(is_filled(p, 3, self->size));
}

/* To the last page, and whichever file asks for it. */
TEST_F(dmademo, alloc_more_than_the_device_may)
{
	int other = open(DEVICE, O_RDWR), ret = 0, nr = 0;
	struct dmademo_alloc alloc[16], more;
	const uint64_t bytes = 64 << 20;
	struct dmademo_info info;
	uint64_t left, free;

	ASSERT_LE(0, other);
	ASSERT_EQ(0, demo_info(self->fd, &info));
	free = demo_free_memory();
	if (info.max_device_bytes >= 16 * bytes)
		SKIP(return, "needs a lower limit, dmademo.max_device_bytes=");
	left = info.max_device_bytes - info.max_device_bytes % page_size;
	ASSERT_LT(2 * self->size, left);
	left -= 2 * self->size;
	while (left > bytes && !ret) {
		ret = demo_alloc(self->fd, bytes, &alloc[nr]);
		if (!ret) {
			left -= bytes;
			nr++;
		}
	}
	if (!ret) {
		EXPECT_EQ(-EDQUOT,
			  demo_alloc(self->fd, left + page_size, &more));
		ret = demo_alloc(self->fd, left, &alloc[nr]);
	}
	/* There may be less memory than that. */
	if (ret != -ENOMEM || info.max_device_bytes < free / 2) {
		ASSERT_EQ(0, ret);
		EXPECT_EQ(-EDQUOT, demo_alloc(self->fd, 1, &more));
		EXPECT_EQ(-EDQUOT, demo_alloc(other, 1, &more));
		/* What one file gives back another one can have, no more. */
		ASSERT_EQ(0, demo_free(self->fd, alloc[nr].handle));
		EXPECT_EQ(-EDQUOT, demo_alloc(other, left + page_size, &more));
		EXPECT_EQ(0, demo_alloc(other, page_size, &more));
		EXPECT_EQ(-EDQUOT, demo_alloc(self->fd, left, &more));
	}
	close(other);
	while (nr--)
		ASSERT_EQ(0, demo_free(self->fd, alloc[nr].handle));
	ASSERT_EQ(0, demo_alloc(self->fd, bytes, &more));
}

TEST_F(dmademo, sync_bad_arguments)
{
	const uint32_t a = self->a.handle;
	const uint64_t size = self->size;
	struct dmademo_sync arg = {
		.size = sizeof(arg),
		.flags = DMADEMO_SYNC_FOR_CPU,
		.handle = a,
		.length = 1,
		.__reserved = 1,
	};

	EXPECT_EQ(-EINVAL, demo_call(self->fd, DMADEMO_IOC_SYNC, &arg));
	EXPECT_EQ(-EINVAL, demo_sync(self->fd, a, 0, 0, 1));
	EXPECT_EQ(-EINVAL, demo_sync(self->fd, a, 3, 0, 1));
	EXPECT_EQ(-EINVAL, demo_sync(self->fd, a, 4, 0, 1));
	EXPECT_EQ(-EINVAL, demo_sync(self->fd, a, 1, 0, 0));
	EXPECT_EQ(-ERANGE, demo_sync(self->fd, a, 1, 0, size + 1));
	EXPECT_EQ(-ERANGE, demo_sync(self->fd, a, 1, size, 1));
	EXPECT_EQ(-ERANGE, demo_sync(self->fd, a, 1, UINT64_MAX, 2));
	EXPECT_EQ(-ERANGE, demo_sync(self->fd, a, 1, 1, UINT64_MAX));
	EXPECT_EQ(-ENOENT, demo_sync(self->fd, 0, 1, 0, 1));
	EXPECT_EQ(-ENOENT, demo_sync(self->fd, self->b.handle + 1, 1, 0, 1));
	EXPECT_EQ(0, demo_sync(self->fd, a, 1, 0, size));
	EXPECT_EQ(0, demo_sync(self->fd, a, 2, size - 1, 1));
}

TEST_F(dmademo, many_buffers)
{
	struct dmademo_alloc alloc;
	int i;

	for (i = 0; i < 1000; i++) {
		ASSERT_EQ(0, demo_alloc(self->fd, 1, &alloc));
		if (i % 3)
			ASSERT_EQ(0, demo_free(self->fd, alloc.handle));
	}
}

TEST_F(dmademo, copy)
{
	unsigned char *a = map(self->fd, &self->a);
	unsigned char *b = map(self->fd, &self->b);

	ASSERT_NE(NULL, a);
	ASSERT_NE(NULL, b);
	demo_fill_pattern(a, self->size);
	ASSERT_EQ(0, demo_copy(self->fd, self->b.handle, 0, self->a.handle, 0,
			       self->size));
	EXPECT_EQ(0, memcmp(a, b, self->size));
}

TEST_F(dmademo, copy_part)
{
	unsigned char *a = map(self->fd, &self->a);
	unsigned char *b = map(self->fd, &self->b);
	const size_t from = 3, to = 7 * page_size + 1, len = 100 * page_size;

	ASSERT_NE(NULL, a);
	ASSERT_NE(NULL, b);
	memset(a, 0x5a, self->size);
	ASSERT_EQ(0, demo_copy(self->fd, self->b.handle, to, self->a.handle,
			       from, len));
	EXPECT_TRUE(is_filled(b, 0, to));
	EXPECT_TRUE(is_filled(b + to, 0x5a, len));
	EXPECT_TRUE(is_filled(b + to + len, 0, self->size - to - len));
}

TEST_F(dmademo, copy_within_a_buffer)
{
	unsigned char *a = map(self->fd, &self->a);
	const size_t half = self->size / 2;

	ASSERT_NE(NULL, a);
	memset(a, 0x5a, half);
	EXPECT_EQ(0, demo_copy(self->fd, self->a.handle, half, self->a.handle,
			       0, half));
	EXPECT_TRUE(is_filled(a, 0x5a, 2 * half));
	EXPECT_EQ(-EINVAL, demo_copy(self->fd, self->a.handle, half - 1,
				     self->a.handle, 0, half));
	EXPECT_EQ(-EINVAL,
		  demo_copy(self->fd, self->a.handle, 0, self->a.handle, 0, 1));
}

TEST_F(dmademo, fill)
{
	unsigned char *a = map(self->fd, &self->a);

	ASSERT_NE(NULL, a);
	ASSERT_EQ(0,
		  demo_fill(self->fd, self->a.handle, 1, self->size - 2, 0xa5));
	EXPECT_EQ(0, a[0]);
	EXPECT_TRUE(is_filled(a + 1, 0xa5, self->size - 2));
	EXPECT_EQ(0, a[self->size - 1]);
}

TEST_F(dmademo, reverse)
{
	unsigned char *a = map(self->fd, &self->a);
	unsigned char *b = map(self->fd, &self->b);
	const size_t length = self->size - 5;
	size_t i;

	ASSERT_NE(NULL, a);
	ASSERT_NE(NULL, b);
	demo_fill_pattern(a, self->size);
	ASSERT_EQ(0, demo_reverse(self->fd, self->b.handle, 2, self->a.handle, 3,
				  length));
	EXPECT_EQ(0, b[1]);
	EXPECT_EQ(0, b[2 + length]);
	for (i = 0; i < length; i++)
		if (b[2 + i] != a[3 + length - 1 - i])
			break;
	EXPECT_EQ(length, i);
}

TEST_F(dmademo, crc32)
{
	unsigned char *a = map(self->fd, &self->a);
	uint32_t crc;

	ASSERT_NE(NULL, a);
	/* the check value of the algorithm's specification */
	memcpy(a + 5, "123456789", 9);
	ASSERT_EQ(0, demo_crc32(self->fd, self->a.handle, 5, 9, &crc));
	EXPECT_EQ(0xcbf43926, crc);
	ASSERT_EQ(0, demo_crc32(self->fd, self->a.handle, 0, self->size, &crc));
	EXPECT_EQ(demo_cpu_crc32(a, self->size), crc);
}

TEST_F(dmademo, run_past_the_end)
{
	const uint32_t a = self->a.handle, b = self->b.handle;
	const uint64_t size = self->size;

	EXPECT_EQ(-ERANGE, demo_copy(self->fd, b, 0, a, 0, size + 1));
	EXPECT_EQ(-ERANGE, demo_copy(self->fd, b, 1, a, 0, size));
	EXPECT_EQ(-ERANGE, demo_copy(self->fd, b, 0, a, 1, size));
	EXPECT_EQ(-ERANGE, demo_copy(self->fd, b, size, a, 0, 1));
	EXPECT_EQ(-ERANGE, demo_copy(self->fd, b, 0, a, UINT64_MAX, 2));
	EXPECT_EQ(-EINVAL, demo_copy(self->fd, b, 2, a, 0, UINT64_MAX));
	EXPECT_EQ(-EINVAL, demo_copy(self->fd, b, 0, a, size - 1,
				     UINT64_MAX - size + 2));
}

TEST_F(dmademo, run_foreign_handle)
{
	const uint32_t a = self->a.handle;
	int other = open(DEVICE, O_RDWR);

	ASSERT_LE(0, other);
	EXPECT_EQ(-ENOENT, demo_fill(other, a, 0, 1, 0));
	EXPECT_EQ(-ENOENT, demo_copy(self->fd, 0, 0, a, 0, 1));
	EXPECT_EQ(-ENOENT, demo_copy(self->fd, a, 0, 0, 0, 1));
	EXPECT_EQ(-ENOENT, demo_copy(self->fd, UINT32_MAX, 0, a, 0, 1));
	ASSERT_EQ(0, demo_free(self->fd, self->b.handle));
	EXPECT_EQ(-ENOENT, demo_copy(self->fd, self->b.handle, 0, a, 0, 1));
	close(other);
}

TEST_F(dmademo, run_bad_arguments)
{
	const struct dmademo_run good[] = {
		{
			.size = sizeof(good[0]),
			.op = DMADEMO_OP_COPY,
			.src = self->a.handle,
			.dst = self->b.handle,
			.length = 1,
		},
		{
			.size = sizeof(good[0]),
			.op = DMADEMO_OP_FILL,
			.dst = self->b.handle,
			.length = 1,
		},
		{
			.size = sizeof(good[0]),
			.op = DMADEMO_OP_CRC32,
			.src = self->a.handle,
			.length = 1,
		},
		{
			.size = sizeof(good[0]),
			.op = DMADEMO_OP_REVERSE,
			.src = self->a.handle,
			.dst = self->b.handle,
			.length = 1,
		},
	};
	struct dmademo_run run;
	int op;

#define EXPECT_INVAL(op_, member, val)                                 \
	do {                                                           \
		run = good[op_];                                       \
		run.member = (val);                                    \
		EXPECT_EQ(-EINVAL,                                     \
			  demo_call(self->fd, DMADEMO_IOC_RUN, &run)); \
	} while (0)

	for (op = DMADEMO_OP_COPY; op <= DMADEMO_OP_REVERSE; op++) {
		run = good[op];
		ASSERT_EQ(0, demo_call(self->fd, DMADEMO_IOC_RUN, &run));
		EXPECT_INVAL(op, op, DMADEMO_OP_REVERSE + 1);
		EXPECT_INVAL(op, op, UINT32_MAX);
		EXPECT_INVAL(op, length, 0);
		EXPECT_INVAL(op, length, (1ULL << 30) + 1);
		EXPECT_INVAL(op, flags, DMADEMO_RUN_DST_BUS << 1);
		EXPECT_INVAL(op, cookie, 1);
		EXPECT_INVAL(op, value, 256);
	}
	EXPECT_INVAL(DMADEMO_OP_COPY, value, 1);
	EXPECT_INVAL(DMADEMO_OP_CRC32, value, 1);
	EXPECT_INVAL(DMADEMO_OP_CRC32, dst, self->b.handle);
	EXPECT_INVAL(DMADEMO_OP_CRC32, dst_offset, 1);
	EXPECT_INVAL(DMADEMO_OP_FILL, src, self->a.handle);
	EXPECT_INVAL(DMADEMO_OP_FILL, src_offset, 1);
}

TEST_F(dmademo, mmap_part)
{
	unsigned char *whole = map(self->fd, &self->a), *part;

	ASSERT_NE(NULL, whole);
	part = demo_map(self->fd, &self->a, 590 * page_size, 10 * page_size);
	ASSERT_NE(MAP_FAILED, part);
	whole[590 * page_size] = 1;
	part[10 * page_size - 1] = 2;
	EXPECT_EQ(1, part[0]);
	EXPECT_EQ(2, whole[self->size - 1]);
}

/* The error of a mapping that is refused, 0 if it is not. */
static int map_error(int fd, const struct dmademo_alloc *alloc,
		     uint64_t offset, size_t length, int flags)
{
	void *p = mmap(NULL, length, PROT_READ | PROT_WRITE, flags, fd,
		       alloc->mmap_offset + offset);

	if (p == MAP_FAILED)
		return errno;
	munmap(p, length);
	return 0;
}

/* Each way to map has to refuse by itself what goes past the end. */
TEST_F(dmademo, mmap_refusals_of_each_strategy)
{
	const size_t size = self->size;
	struct dmademo_alloc alloc;
	struct dmademo_info info;
	unsigned int strategy, i;
	const struct {
		uint64_t offset;
		size_t length;
		int flags, error;
	} refusals[] = {
		{ 0, size + page_size, MAP_SHARED, ENXIO },
		{ page_size, size, MAP_SHARED, ENXIO },
		{ size - page_size, 2 * page_size, MAP_SHARED, ENXIO },
		{ size, page_size, MAP_SHARED, ENXIO },
		{ size + page_size, page_size, MAP_SHARED, ENXIO },
		{ (uint64_t)UINT32_MAX + 1 - page_size, page_size, MAP_SHARED,
		  ENXIO },
		{ 0, page_size, MAP_PRIVATE, EINVAL },
		{ 0, size, MAP_PRIVATE, EINVAL },
		/* and none of these */
		{ size - page_size, page_size, MAP_SHARED, 0 },
		{ 0, size, MAP_SHARED, 0 },
	};

	ASSERT_EQ(0, demo_info(self->fd, &info));
	for (strategy = 0; strategy <= DMADEMO_STRATEGY_HUGE; strategy++) {
		if (!(info.strategies & 1U << strategy))
			continue;
		ASSERT_EQ(0, demo_alloc_as(self->fd, size, strategy, 0,
					   &alloc));
		for (i = 0; i < ARRAY_SIZE(refusals); i++) {
			EXPECT_EQ(refusals[i].error,
				  map_error(self->fd, &alloc,
					    refusals[i].offset,
					    refusals[i].length,
					    refusals[i].flags)) {
				TH_LOG("strategy %u, refusal %u", strategy, i);
			}
		}
		ASSERT_EQ(0, demo_free(self->fd, alloc.handle));
	}
}

/* Whatever the way, a mapping keeps its memory, and nobody does after it. */
TEST_F(dmademo, mmap_of_each_strategy_outlives_free)
{
	const size_t size = self->size, half = size / 2;
	struct dmademo_info info;
	unsigned int strategy;
	uint64_t left;
	int ret;

	ASSERT_EQ(0, demo_info(self->fd, &info));
	for (strategy = 0; strategy <= DMADEMO_STRATEGY_HUGE; strategy++) {
		struct dmademo_alloc alloc, again;
		unsigned char *p;

		if (!(info.strategies & 1U << strategy))
			continue;
		ASSERT_EQ(0, demo_alloc_as(self->fd, size, strategy, 0,
					   &alloc));
		p = map(self->fd, &alloc);
		ASSERT_NE(NULL, p);
		memset(p, 0x5a, half);
		ASSERT_EQ(0, demo_free(self->fd, alloc.handle));
		/* would get the memory, and zero it, if it were free */
		ASSERT_EQ(0, demo_alloc_as(self->fd, size, strategy, 0,
					   &again));
		ASSERT_EQ(0, demo_fill(self->fd, again.handle, 0, size, 0xff));
		EXPECT_TRUE(is_filled(p, 0x5a, half)) {
			TH_LOG("strategy %u", strategy);
		}
		/* where there may be no page table entries yet, too */
		EXPECT_TRUE(is_filled(p + half, 0, size - half)) {
			TH_LOG("strategy %u", strategy);
		}
		memset(p, 0xa5, size);
		EXPECT_TRUE(is_filled(p, 0xa5, size)) {
			TH_LOG("strategy %u", strategy);
		}
		ASSERT_EQ(0, munmap(p, size));
		ASSERT_EQ(0, demo_free(self->fd, again.handle));
	}
	/* All that counts is the fixture's: there is room for the rest. */
	left = info.max_device_bytes - info.max_device_bytes % page_size -
	       2 * size;
	if (left < info.max_bytes) {
		struct dmademo_alloc alloc;

		EXPECT_EQ(-EDQUOT,
			  demo_alloc(self->fd, left + page_size, &alloc));
		/* That there is such a piece of memory is another question. */
		ret = demo_alloc(self->fd, left, &alloc);
		EXPECT_TRUE(!ret || ret == -ENOMEM);
	}
}

TEST_F(dmademo, mmap_no_buffer)
{
	struct dmademo_alloc none = self->b;

	none.mmap_offset += self->b.mmap_offset - self->a.mmap_offset;
	EXPECT_EQ(MAP_FAILED, demo_map(self->fd, &none, 0, page_size));
	EXPECT_EQ(ENXIO, errno);
	none.mmap_offset = 0;
	EXPECT_EQ(MAP_FAILED, demo_map(self->fd, &none, 0, page_size));
	EXPECT_EQ(ENXIO, errno);
	none.mmap_offset = (uint64_t)1 << 62;
	EXPECT_EQ(MAP_FAILED, demo_map(self->fd, &none, 0, page_size));
	EXPECT_EQ(ENXIO, errno);
	ASSERT_EQ(0, demo_free(self->fd, self->a.handle));
	EXPECT_EQ(MAP_FAILED, demo_map(self->fd, &self->a, 0, page_size));
	EXPECT_EQ(ENXIO, errno);
}

TEST_F(dmademo, mmap_private_read_only)
{
	unsigned char *whole = map(self->fd, &self->a), *p;

	ASSERT_NE(NULL, whole);
	p = mmap(NULL, page_size, PROT_READ, MAP_PRIVATE, self->fd,
		 self->a.mmap_offset);
	ASSERT_NE(MAP_FAILED, p);
	whole[0] = 3;
	EXPECT_EQ(3, p[0]);
	EXPECT_EQ(-1, mprotect(p, page_size, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
}

TEST_HARNESS_MAIN
