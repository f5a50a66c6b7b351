// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of /dev/dmademo0: the driver is unbound while files are open, buffers mapped
 * and transfers under way, and the module is not unloaded.  They need root, and leave
 * the device as it was.  That dma-bufs stay is in dmademo_dmabuf_test.c.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "dmademo_test.h"

FIXTURE(unbind) {
	int fd;
	struct dmademo_info info;
	struct dmademo_alloc a;
	unsigned char *p;
	size_t size;
};

FIXTURE_SETUP(unbind)
{
	page_size = sysconf(_SC_PAGESIZE);
	/* With 4 KiB pages three huge page table entries, and some pages. */
	self->size = 1541 * page_size;
	if (geteuid())
		SKIP(return, "needs root");
	if (access(DRIVER, F_OK))
		SKIP(return, "no dmademo driver");
	if (!is_bound())
		ASSERT_EQ(0, bind_driver());
	self->fd = open(DEVICE, O_RDWR);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, demo_info(self->fd, &self->info));
	ASSERT_EQ(0, demo_alloc(self->fd, self->size, &self->a));
	self->p = map(self->fd, &self->a);
	ASSERT_NE(NULL, self->p);
}

FIXTURE_TEARDOWN(unbind)
{
	close(self->fd);
	if (!is_bound())
		EXPECT_EQ(0, bind_driver());
}

static void check_calls(struct __test_metadata *_metadata, int fd, uint32_t handle)
{
	const struct dmademo_alloc own = {};
	struct dmademo_alloc alloc;
	struct dmademo_info info;
	uint32_t crc;

	EXPECT_EQ(-ENODEV, demo_info(fd, &info));
	EXPECT_EQ(-ENODEV, demo_alloc(fd, 1, &alloc));
	EXPECT_EQ(-ENODEV, demo_free(fd, handle));
	EXPECT_EQ(-ENODEV, demo_crc32(fd, handle, 0, 1, &crc));
	EXPECT_EQ(-ENODEV, demo_crc32(fd, 0, 0, 1, &crc));
	EXPECT_EQ(-ENODEV, demo_copy_user(fd, &alloc, &info, 1));
	EXPECT_EQ(-ENODEV, demo_sync(fd, handle, DMADEMO_SYNC_FOR_CPU, 0, 1));
	EXPECT_EQ(-ENODEV, demo_export(fd, handle));
	EXPECT_EQ(MAP_FAILED, demo_map(fd, &own, (uint64_t)handle << 30, page_size));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(MAP_FAILED, demo_map(fd, &own, 0, page_size));
	EXPECT_EQ(ENODEV, errno);
}

TEST_F(unbind, calls_end)
{
	ASSERT_EQ(0, unbind_driver());
	check_calls(_metadata, self->fd, self->a.handle);
	EXPECT_GT(0, open(DEVICE, O_RDWR));
	/* The next device has nothing to do with the old one's files. */
	ASSERT_EQ(0, bind_driver());
	check_calls(_metadata, self->fd, self->a.handle);
}

/* All kinds of memory, freed before or not, with a hole or not; and the device's own. */
#define KINDS 3
#define OWN (2 * KINDS)

TEST_F(unbind, mappings_stay)
{
	static const uint32_t kinds[KINDS] = {
		0, DMADEMO_ALLOC_CACHED, DMADEMO_ALLOC_WRITE_COMBINE,
	};
	const size_t half = self->size / 2 / page_size * page_size;
	struct dmademo_alloc alloc, own = { .bytes = self->info.buffer_bytes };
	unsigned char *p[OWN + 1] = {};
	int again, i;

	if (own.bytes) {
		p[OWN] = map(self->fd, &own);
		ASSERT_NE(NULL, p[OWN]);
		memset(p[OWN], 0x5a, own.bytes);
	}
	for (i = 0; i < OWN; i++) {
		ASSERT_EQ(0, demo_alloc_flags(self->fd, self->size, kinds[i % KINDS], &alloc));
		p[i] = map(self->fd, &alloc);
		ASSERT_NE(NULL, p[i]);
		memset(p[i], i + 1, self->size);
		if (i < KINDS)
			ASSERT_EQ(0, demo_free(self->fd, alloc.handle));
		if (i & 1)
			ASSERT_EQ(0, munmap(p[i] + half, page_size));
	}
	ASSERT_EQ(0, unbind_driver());
	ASSERT_EQ(0, bind_driver());
	/* As much, for others. */
	again = open(DEVICE, O_RDWR);
	ASSERT_LE(0, again);
	for (i = 0; i < OWN; i++) {
		ASSERT_EQ(0, demo_alloc(again, self->size, &alloc));
		ASSERT_EQ(0, demo_fill(again, alloc.handle, 0, self->size, 0xa5));
	}
	if (own.bytes)
		ASSERT_EQ(0, demo_fill(again, 0, 0, own.bytes, 0xa5));
	for (i = 0; i < OWN; i++) {
		EXPECT_TRUE(is_filled(p[i], i + 1, half));
		EXPECT_TRUE(is_filled(p[i] + half + page_size, i + 1,
				      self->size - half - page_size));
	}
	EXPECT_TRUE(is_filled(p[OWN], 0x5a, own.bytes));
	close(again);
}

/* A process with transfers to user memory, until they end; nothing stays locked then. */
static pid_t start_user_fills(int fd)
{
	const size_t size = 100 * page_size;
	unsigned char *mem = malloc(size);
	pid_t pid = fork();
	int ret;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	do {
		ret = demo_copy_user(fd, mem, mem + size / 2, size / 2);
	} while (!ret);
	_exit(demo_proc_bytes("/proc/self/status", "VmLck") ? 255 : -ret);
}

/* The one that is under way, before it is done, and those that wait for the device. */
TEST_F(unbind, transfers_end)
{
	int i, end, in_time = 0, nr;
	struct dmademo_alloc big;
	unsigned char *p;
	pid_t pid[3];

	for (i = 1; i <= ATTEMPTS && !in_time; i++) {
		close(self->fd);
		self->fd = open(DEVICE, O_RDWR);
		ASSERT_LE(0, self->fd);
		ASSERT_EQ(0, demo_alloc(self->fd, LONG, &big));
		p = map(self->fd, &big);
		ASSERT_NE(NULL, p);
		pid[1] = start_user_fills(self->fd);
		pid[2] = start_user_fills(self->fd);
		pid[0] = start_fill(self->fd, &big, p, i);
		ASSERT_EQ(0, unbind_driver());
		in_time = is_under_way(p, &big, i);
		end = end_of(pid[0]);
		EXPECT_EQ(in_time ? ENODEV : 0, end);
		for (nr = 1; nr < ARRAY_SIZE(pid); nr++)
			EXPECT_EQ(ENODEV, end_of(pid[nr]));
		ASSERT_EQ(0, munmap(p, LONG));
		ASSERT_EQ(0, bind_driver());
	}
	EXPECT_TRUE(in_time);
}

/* Calls may fail because the device has gone, but what is mapped stays what it was. */
static int work(int seed, unsigned int *rounds)
{
	struct dmademo_alloc alloc;
	unsigned char *p, value;
	int fd, ret;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	srand(seed);
	for (;;) {
		fd = open(DEVICE, O_RDWR);
		if (fd < 0 && errno != ENOENT && errno != ENODEV)
			return 1;
		if (fd < 0)
			continue;
		p = NULL;
		value = rand();
		ret = demo_alloc(fd, (1 + rand() % 700) * page_size, &alloc);
		if (!ret)
			p = map(fd, &alloc);
		if (p) {
			memset(p, value, alloc.bytes);
			ret = demo_fill(fd, alloc.handle, 0, alloc.bytes, value);
		}
		if (!ret && rand() % 2)
			ret = demo_free(fd, alloc.handle);
		if (!ret && rand() % 2)
			ret = demo_copy_user(fd, &seed, &value, 1);
		if (ret && ret != -ENODEV && ret != -ENOMEM)
			return 2;
		if (p && (!is_filled(p, value, alloc.bytes) || munmap(p, alloc.bytes)))
			return 3;
		close(fd);
		__atomic_fetch_add(rounds, 1, __ATOMIC_RELAXED);
	}
}

#define WORKERS 3

TEST_F(unbind, again_and_again)
{
	unsigned int *rounds, before;
	pid_t pid[WORKERS];
	int i, nr;

	rounds = mmap(NULL, page_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)rounds);
	for (nr = 0; nr < WORKERS; nr++) {
		pid[nr] = fork();
		if (!pid[nr])
			_exit(work(nr, &rounds[nr]));
	}
	for (i = 0; i < 15; i++) {
		/* Each of them is somewhere in its next one. */
		for (nr = 0; nr < WORKERS; nr++) {
			before = __atomic_load_n(&rounds[nr], __ATOMIC_RELAXED);
			while (__atomic_load_n(&rounds[nr], __ATOMIC_RELAXED) == before)
				ASSERT_TRUE(is_alive(pid[nr]));
		}
		EXPECT_EQ(0, unbind_driver());
		EXPECT_EQ(0, bind_driver());
	}
	for (nr = 0; nr < WORKERS; nr++) {
		EXPECT_EQ(0, kill(pid[nr], SIGKILL));
		EXPECT_EQ(-SIGKILL, end_of(pid[nr]));
	}
}

static int unload(void)
{
	return syscall(SYS_delete_module, "dmademo", O_NONBLOCK) ? errno : 0;
}

/* The code that an open file or a mapping needs stays. */
TEST_F(unbind, module_stays)
{
	struct stat st;

	if (stat("/sys/module/dmademo/refcnt", &st))
		SKIP(return, "dmademo is no module");
	EXPECT_EQ(EWOULDBLOCK, unload());
	ASSERT_EQ(0, close(self->fd));
	EXPECT_EQ(EWOULDBLOCK, unload());
	ASSERT_EQ(0, unbind_driver());
	EXPECT_EQ(EWOULDBLOCK, unload());
}

TEST_HARNESS_MAIN
