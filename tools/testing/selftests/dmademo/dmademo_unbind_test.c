// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of /dev/dmademo0: the driver is unbound while files are open, buffers
 * mapped and transfers under way, and the module is not unloaded.  They need
 * root, and leave the device as it was.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "dmademo_test.h"

#define DRIVER	"/sys/bus/platform/drivers/dmademo"
#define BIND	DRIVER "/bind"
#define UNBIND	DRIVER "/unbind"

/* The name of the platform device that DEVICE is. */
#define NAME	(getenv("DMADEMO_NAME") ?: "dmademo.0")

/* Takes the device long enough for something to happen meanwhile. */
#define BIG ((size_t)64 << 20)

static int unbind(void)
{
	return write_file(UNBIND, NAME);
}

/* And waits for the device node. */
static int bind_again(void)
{
	int ret = write_file(BIND, NAME), i;

	for (i = 0; i < 1000 && !ret; i++) {
		if (!access(DEVICE, R_OK))
			return 0;
		usleep(1000);
	}
	return ret ? ret : -ETIMEDOUT;
}

static int is_bound(void)
{
	char path[256];

	snprintf(path, sizeof(path), DRIVER "/%s", NAME);
	return !access(path, F_OK);
}

FIXTURE(unbind) {
	int fd;
	struct dmademo_alloc a;
	struct dmademo_info info;
	size_t size;
	unsigned char *p;
};

FIXTURE_SETUP(unbind)
{
	page_size = sysconf(_SC_PAGESIZE);
	self->size = 1541 * page_size;
	if (geteuid())
		SKIP(return, "needs root");
	if (access(DRIVER, F_OK))
		SKIP(return, "no dmademo driver");
	if (!is_bound())
		ASSERT_EQ(0, bind_again());
	self->fd = open(DEVICE, O_RDWR);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, demo_info(self->fd, &self->info));
	ASSERT_EQ(0, demo_alloc(self->fd, self->size, &self->a));
	self->p = map(self->fd, &self->a);
	ASSERT_NE(NULL, self->p);
	memset(self->p, 0x5a, self->size);
}

FIXTURE_TEARDOWN(unbind)
{
	close(self->fd);
	if (!is_bound())
		EXPECT_EQ(0, bind_again());
}

TEST_F(unbind, calls_end)
{
	struct pollfd pfd = { .fd = self->fd, .events = POLLIN };
	struct dmademo_completion done;
	struct dmademo_alloc alloc;
	struct dmademo_import import;
	struct dmademo_wait wait;
	struct dmademo_info info;

	ASSERT_EQ(0, unbind());
	EXPECT_EQ(-ENODEV, demo_info(self->fd, &info));
	EXPECT_EQ(-ENODEV, demo_alloc(self->fd, 1, &alloc));
	EXPECT_EQ(-ENODEV, demo_free(self->fd, self->a.handle));
	EXPECT_EQ(-ENODEV, demo_fill(self->fd, self->a.handle, 0, 1, 1));
	EXPECT_EQ(-ENODEV, demo_sync(self->fd, self->a.handle, 1, 0, 1));
	EXPECT_EQ(-ENODEV, demo_export(self->fd, self->a.handle));
	EXPECT_EQ(-ENODEV, demo_import(self->fd, 0, &import));
	EXPECT_EQ(-ENOENT, demo_wait(self->fd, 1, 0, &wait));
	EXPECT_EQ(MAP_FAILED, demo_map(self->fd, &self->a, 0, page_size));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(-1, read(self->fd, &done, sizeof(done)));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(1, poll(&pfd, 1, 0));
	EXPECT_EQ(POLLHUP, pfd.revents);
	EXPECT_EQ(-1, open(DEVICE, O_RDWR));
}

/*
 * Pages and huge mappings keep their memory; others are gone, rather than show
 * memory that is somebody else's by now.
 */
TEST_F(unbind, mappings_are_safe)
{
	int keeps = self->info.mmap_mode != DMADEMO_MMAP_PFN;
	struct dmademo_alloc again;
	int fd;

	ASSERT_EQ(0, unbind());
	ASSERT_EQ(0, bind_again());
	fd = open(DEVICE, O_RDWR);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, demo_alloc(fd, self->size, &again));
	ASSERT_EQ(0, demo_fill(fd, again.handle, 0, self->size, 0xa5));
	if (keeps) {
		EXPECT_TRUE(is_filled(self->p, 0x5a, self->size));
	} else {
		EXPECT_EQ(SIGBUS, read_signal(self->p));
		EXPECT_EQ(SIGBUS, read_signal(self->p + self->size - 1));
	}
	/* The old file stays a stranger to the new device. */
	EXPECT_EQ(-ENODEV, demo_free(self->fd, self->a.handle));
	ASSERT_EQ(0, munmap(self->p, self->size));
	close(fd);
}

TEST_F(unbind, each_strategy)
{
	unsigned char *p[DMADEMO_STRATEGY_HUGE + 1] = {}, *half;
	struct dmademo_alloc alloc;
	unsigned int i;

	for (i = 0; i <= DMADEMO_STRATEGY_HUGE; i++) {
		if (!(self->info.strategies & 1U << i))
			continue;
		ASSERT_EQ(0, demo_alloc_as(self->fd, self->size, i, 0, &alloc));
		p[i] = map(self->fd, &alloc);
		ASSERT_NE(NULL, p[i]);
		memset(p[i], i, self->size);
		/* One that was freed already, and one that was split. */
		if (i % 2)
			ASSERT_EQ(0, demo_free(self->fd, alloc.handle));
		half = p[i] + self->size / 2 / page_size * page_size;
		ASSERT_EQ(0, munmap(half, page_size));
	}
	ASSERT_EQ(0, unbind());
	for (i = 0; i <= DMADEMO_STRATEGY_HUGE; i++) {
		if (!p[i])
			continue;
		switch (i) {
		case DMADEMO_STRATEGY_REMAP_PFN:
		case DMADEMO_STRATEGY_FAULT:
			EXPECT_EQ(SIGBUS, read_signal(p[i]));
			EXPECT_EQ(SIGBUS, read_signal(p[i] + self->size - 1));
			break;
		case DMADEMO_STRATEGY_INSERT_PAGE:
		case DMADEMO_STRATEGY_MAP_PAGES:
		case DMADEMO_STRATEGY_HUGE:
			EXPECT_TRUE(is_filled(p[i], i, page_size));
			EXPECT_TRUE(is_filled(p[i] + self->size - page_size, i,
					      page_size));
		}
	}
}

static void *wait_for_completion(void *arg)
{
	struct dmademo_completion done;

	/* There is none, so it ends with the device. */
	if (read(*(int *)arg, &done, sizeof(done)) >= 0)
		return NULL;
	return (void *)(uintptr_t)errno;
}

static void *wait_for_run(void *arg)
{
	struct dmademo_alloc big;
	int fd = *(int *)arg, ret;

	ret = demo_alloc(fd, BIG, &big);
	while (!ret)
		ret = demo_fill(fd, big.handle, 0, BIG, 1);
	return (void *)(uintptr_t)-ret;
}

TEST_F(unbind, waiters_are_woken)
{
	int other = open(DEVICE, O_RDWR);
	pthread_t reader, runner;
	void *error;

	ASSERT_LE(0, other);
	ASSERT_EQ(0, pthread_create(&reader, NULL, wait_for_completion,
				    &self->fd));
	ASSERT_EQ(0, pthread_create(&runner, NULL, wait_for_run, &other));
	usleep(100000);
	ASSERT_EQ(0, unbind());
	ASSERT_EQ(0, pthread_join(reader, &error));
	EXPECT_EQ(ENODEV, (uintptr_t)error);
	ASSERT_EQ(0, pthread_join(runner, &error));
	EXPECT_EQ(ENODEV, (uintptr_t)error);
	close(other);
}

/* Those that are queued, too, and user memory is unpinned. */
TEST_F(unbind, transfers_end)
{
	struct dmademo_completion done[62];
	uint64_t before, after;
	struct dmademo_alloc big;
	void *mem;
	int i;

	usleep(200000);
	before = demo_free_memory();
	ASSERT_EQ(0, demo_alloc(self->fd, BIG, &big));
	mem = mmap(NULL, BIG, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, mem);
	for (i = 0; i < 60; i++) {
		struct dmademo_run run = { .value = i };

		ASSERT_EQ(0, demo_run(self->fd, DMADEMO_OP_FILL, big.handle, 0,
				      0, 0, BIG, DMADEMO_RUN_ASYNC, &run));
	}
	for (; i < 62; i++) {
		struct dmademo_run run = { .value = i };

		ASSERT_EQ(0, demo_run(self->fd, DMADEMO_OP_FILL, 0,
				      (uintptr_t)mem, 0, 0, BIG,
				      DMADEMO_RUN_ASYNC | DMADEMO_RUN_DST_USER,
				      &run));
	}
	ASSERT_EQ(0, unbind());
	/* The completions are still to be had, and then no more. */
	ASSERT_EQ(sizeof(done), read(self->fd, done, sizeof(done)));
	EXPECT_EQ(-ENODEV, done[61].status);
	EXPECT_EQ(-1, read(self->fd, done, sizeof(done)));
	EXPECT_EQ(ENODEV, errno);
	munmap(mem, BIG);
	usleep(300000);
	after = demo_free_memory();
	EXPECT_LE(before, after + BIG / 2);
}

/* Others may still use the memory. */
TEST_F(unbind, dmabuf_stays)
{
	struct dmademo_alloc alloc;
	struct dmademo_import import;
	int dmabuf, fd;
	void *p;

	if (!(self->info.flags & DMADEMO_INFO_EXPORT)) {
		EXPECT_EQ(-EOPNOTSUPP, demo_export(self->fd, self->a.handle));
		return;
	}
	/* The device has to see what the CPU wrote, wherever that is. */
	ASSERT_EQ(0, demo_alloc_as(self->fd, self->size, 0,
				   DMADEMO_ALLOC_CACHED, &alloc));
	p = map(self->fd, &alloc);
	ASSERT_NE(NULL, p);
	memset(p, 0x5a, self->size);
	ASSERT_EQ(0, demo_sync(self->fd, alloc.handle, DMADEMO_SYNC_FOR_DEVICE,
			       0, self->size));
	dmabuf = demo_export(self->fd, alloc.handle);
	ASSERT_LE(0, dmabuf);
	p = mmap(NULL, self->size, PROT_READ, MAP_SHARED, dmabuf, 0);
	ASSERT_NE(MAP_FAILED, p);
	/* An import that the device has to give back. */
	ASSERT_EQ(0, demo_import(self->fd, dmabuf, &import));

	ASSERT_EQ(0, unbind());
	EXPECT_EQ(MAP_FAILED, mmap(NULL, self->size, PROT_READ, MAP_SHARED,
				   dmabuf, 0));
	EXPECT_EQ(ENODEV, errno);
	ASSERT_EQ(0, bind_again());
	fd = open(DEVICE, O_RDWR);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, demo_alloc(fd, self->size, &alloc));
	ASSERT_EQ(0, demo_fill(fd, alloc.handle, 0, self->size, 1));
	ASSERT_EQ(0, demo_import(fd, dmabuf, &import));
	ASSERT_EQ(0, demo_copy(fd, alloc.handle, 0, import.handle, 0,
			       self->size));
	EXPECT_TRUE(is_filled(map(fd, &alloc), 0x5a, self->size));
	EXPECT_TRUE(is_filled(p, 0x5a, self->size));
	close(fd);
	close(dmabuf);
}

/* On and on, with somebody at work all the time. */
static void work_until_it_breaks(int seed)
{
	srand(seed);
	for (;;) {
		int fd = open(DEVICE, O_RDWR);
		struct dmademo_run run = { .value = 1 };
		struct dmademo_alloc alloc;
		unsigned char *p;

		if (fd < 0)
			continue;
		if (!demo_alloc(fd, (1 + rand() % 700) * page_size, &alloc)) {
			p = map(fd, &alloc);
			demo_run(fd, DMADEMO_OP_FILL, alloc.handle, 0, 0, 0,
				 alloc.bytes_held, DMADEMO_RUN_ASYNC, &run);
			if (rand() % 2)
				demo_free(fd, alloc.handle);
			if (p && rand() % 2)
				demo_copy_user(fd, &run, &alloc, 8);
			/* Which is a bus error if the device has gone. */
			if (p)
				memset(p, rand(), alloc.bytes_held);
			if (p && rand() % 2)
				munmap(p, alloc.bytes_held);
		}
		close(fd);
	}
}

/* A process that works, and another one when it got a bus error. */
static void work(int seed)
{
	pid_t pid;
	int i;

	for (i = seed; ; i += 10) {
		pid = fork();
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			work_until_it_breaks(i);
		}
		if (pid > 0)
			waitpid(pid, NULL, 0);
	}
}

TEST_F(unbind, again_and_again)
{
	pid_t pid[3];
	int i, status;

	for (i = 0; i < 3; i++) {
		pid[i] = fork();
		ASSERT_LE(0, pid[i]);
		if (!pid[i])
			work(i);
	}
	for (i = 0; i < 15; i++) {
		usleep(20000);
		EXPECT_EQ(0, unbind());
		EXPECT_EQ(0, bind_again());
	}
	for (i = 0; i < 3; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], &status, 0);
	}
}

/* The code that an open file or a mapping needs stays. */
TEST_F(unbind, module_stays)
{
	struct stat st;

	if (stat("/sys/module/dmademo/refcnt", &st))
		SKIP(return, "dmademo is no module");
	EXPECT_EQ(-1, syscall(SYS_delete_module, "dmademo", O_NONBLOCK));
	EXPECT_EQ(EWOULDBLOCK, errno);
	close(self->fd);
	EXPECT_EQ(-1, syscall(SYS_delete_module, "dmademo", O_NONBLOCK));
	EXPECT_EQ(EWOULDBLOCK, errno);
	ASSERT_EQ(0, unbind());
	EXPECT_EQ(-1, syscall(SYS_delete_module, "dmademo", O_NONBLOCK));
	EXPECT_EQ(EWOULDBLOCK, errno);
}

TEST_HARNESS_MAIN
