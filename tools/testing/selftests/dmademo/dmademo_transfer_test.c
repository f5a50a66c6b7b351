// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of transfers of /dev/dmademo0: those that nobody waits for, those to and
 * from user memory, and what becomes of them when something ends early.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/capability.h>

#include "kselftest_harness.h"
#include "dmademo_test.h"

/* Takes the device long enough for something to happen meanwhile. */
#define BIG ((size_t)32 << 20)

#define SECOND 1000000000ULL

FIXTURE(transfer) {
	int fd;
	struct dmademo_alloc a, b;
	struct dmademo_info info;
	size_t size;
};

FIXTURE_SETUP(transfer)
{
	page_size = sysconf(_SC_PAGESIZE);
	self->size = 100 * page_size;
	self->fd = open(DEVICE, O_RDWR);
	if (self->fd < 0 && errno == ENOENT)
		SKIP(return, "%s is not there: no dmademo driver", DEVICE);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, demo_info(self->fd, &self->info));
	ASSERT_EQ(0, demo_alloc(self->fd, self->size, &self->a));
	ASSERT_EQ(0, demo_alloc(self->fd, self->size, &self->b));
}

FIXTURE_TEARDOWN(transfer)
{
	close(self->fd);
}

/* Starts to fill a buffer; the cookie, or 0. */
static uint64_t start_fill(int fd, uint32_t handle, size_t size,
			   unsigned char value)
{
	struct dmademo_run run = { .value = value };

	return demo_run(fd, DMADEMO_OP_FILL, handle, 0, 0, 0, size,
			DMADEMO_RUN_ASYNC, &run) ? 0 : run.cookie;
}

static int is_readable(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1 && pfd.revents & POLLIN;
}

TEST_F(transfer, wait)
{
	unsigned char *a = map(self->fd, &self->a);
	struct dmademo_wait wait;
	uint64_t cookie;

	ASSERT_NE(NULL, a);
	cookie = start_fill(self->fd, self->a.handle, self->size, 7);
	ASSERT_NE(0, cookie);
	ASSERT_EQ(0, demo_wait(self->fd, cookie, UINT64_MAX, &wait));
	EXPECT_EQ(0, wait.status);
	EXPECT_EQ(7, wait.value);
	EXPECT_TRUE(is_filled(a, 7, self->size));
	/* Each is to be had once. */
	EXPECT_EQ(-ENOENT, demo_wait(self->fd, cookie, 0, &wait));
	EXPECT_FALSE(is_readable(self->fd));
}

TEST_F(transfer, wait_bad_arguments)
{
	struct dmademo_wait wait = {
		.size = sizeof(wait),
		.flags = 1,
		.cookie = 1,
	};
	uint64_t cookie;
	int other;

	EXPECT_EQ(-EINVAL, demo_call(self->fd, DMADEMO_IOC_WAIT, &wait));
	EXPECT_EQ(-ENOENT, demo_wait(self->fd, 0, 0, &wait));
	EXPECT_EQ(-ENOENT, demo_wait(self->fd, 1, 0, &wait));
	EXPECT_EQ(-ENOENT, demo_wait(self->fd, UINT64_MAX, SECOND, &wait));

	/* Another file's is nobody else's business. */
	cookie = start_fill(self->fd, self->a.handle, self->size, 7);
	ASSERT_NE(0, cookie);
	other = open(DEVICE, O_RDWR);
	ASSERT_LE(0, other);
	EXPECT_EQ(-ENOENT, demo_wait(other, cookie, 0, &wait));
	close(other);
	ASSERT_EQ(0, demo_wait(self->fd, cookie, SECOND * 60, &wait));
}

TEST_F_TIMEOUT(transfer, wait_times_out, 300)
{
	struct dmademo_alloc big;
	struct dmademo_wait wait;
	uint64_t cookie;
	int i;

	ASSERT_EQ(0, demo_alloc(self->fd, BIG, &big));
	for (i = 0; i < 20; i++)
		cookie = start_fill(self->fd, big.handle, BIG, 7);
	ASSERT_NE(0, cookie);
	EXPECT_EQ(-ETIMEDOUT, demo_wait(self->fd, cookie, 0, &wait));
	EXPECT_EQ(-ETIMEDOUT, demo_wait(self->fd, cookie, 1000, &wait));
	EXPECT_EQ(0, demo_wait(self->fd, cookie, UINT64_MAX, &wait));
	EXPECT_EQ(0, wait.status);
}

TEST_F(transfer, read_in_order)
{
	struct dmademo_completion done[8];
	uint64_t cookie[5];
	int i, nr = 0;

	for (i = 0; i < 5; i++) {
		cookie[i] = start_fill(self->fd, self->a.handle, self->size, i);
		ASSERT_NE(0, cookie[i]);
		EXPECT_NE(i ? cookie[i - 1] : 0, cookie[i]);
	}
	while (nr < 5) {
		ssize_t n = read(self->fd, done + nr, sizeof(done) - nr *
				 sizeof(*done) - 1);

		ASSERT_LT(0, n);
		ASSERT_EQ(0, n % sizeof(*done));
		nr += n / sizeof(*done);
	}
	ASSERT_EQ(5, nr);
	for (i = 0; i < 5; i++) {
		EXPECT_EQ(cookie[i], done[i].cookie);
		EXPECT_EQ(0, done[i].status);
		EXPECT_EQ(i, done[i].value);
	}
}

TEST_F(transfer, read_refusals)
{
	struct dmademo_completion done;
	int fd = open(DEVICE, O_RDWR | O_NONBLOCK);
	struct dmademo_alloc alloc;
	void *none;

	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, read(fd, &done, sizeof(done)));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(-1, read(fd, &done, sizeof(done) - 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, pread(fd, &done, sizeof(done), 0));
	EXPECT_EQ(ESPIPE, errno);

	/* What cannot be copied is not lost. */
	ASSERT_EQ(0, demo_alloc(fd, page_size, &alloc));
	ASSERT_NE(0, start_fill(fd, alloc.handle, page_size, 1));
	while (!is_readable(fd))
		;
	none = mmap(NULL, page_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	ASSERT_NE(MAP_FAILED, none);
	EXPECT_EQ(-1, read(fd, none, sizeof(done)));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(sizeof(done), read(fd, &done, sizeof(done)));
	EXPECT_EQ(0, done.status);
	close(fd);
}

static void *read_one(void *arg)
{
	struct dmademo_completion done;

	if (read(*(int *)arg, &done, sizeof(done)) != sizeof(done))
		return (void *)-1;
	return (void *)(uintptr_t)done.value;
}

TEST_F(transfer, read_and_poll_wait)
{
	struct pollfd pfd = { .fd = self->fd, .events = POLLIN };
	struct dmademo_completion done;
	pthread_t thread;
	void *value;

	EXPECT_EQ(0, poll(&pfd, 1, 10));
	ASSERT_EQ(0, pthread_create(&thread, NULL, read_one, &self->fd));
	usleep(10000);
	ASSERT_NE(0, start_fill(self->fd, self->a.handle, self->size, 5));
	ASSERT_EQ(0, pthread_join(thread, &value));
	EXPECT_EQ(5, (uintptr_t)value);

	ASSERT_NE(0, start_fill(self->fd, self->a.handle, self->size, 6));
	EXPECT_EQ(1, poll(&pfd, 1, 60000));
	EXPECT_EQ(POLLIN, pfd.revents);
	EXPECT_EQ(sizeof(done), read(self->fd, &done, sizeof(done)));
	EXPECT_EQ(6, done.value);
	EXPECT_EQ(0, poll(&pfd, 1, 0));
}

TEST_F_TIMEOUT(transfer, has_a_limit_for_each_file, 300)
{
	const uint32_t max = self->info.max_transfers;
	struct dmademo_run run = { .value = 1 };
	struct dmademo_completion done;
	int other = open(DEVICE, O_RDWR);
	struct dmademo_alloc alloc;
	uint32_t i;

	ASSERT_LE(0, other);
	for (i = 0; i < max; i++)
		ASSERT_NE(0, start_fill(self->fd, self->a.handle, 1, 1));
	/* Completed or not, they are there until they are read. */
	EXPECT_EQ(-EAGAIN, demo_run(self->fd, DMADEMO_OP_FILL, self->a.handle,
				    0, 0, 0, 1, DMADEMO_RUN_ASYNC, &run));
	EXPECT_EQ(-EAGAIN, demo_fill(self->fd, self->a.handle, 0, 1, 1));
	/* Others do not care. */
	ASSERT_EQ(0, demo_alloc(other, page_size, &alloc));
	EXPECT_EQ(0, demo_fill(other, alloc.handle, 0, 1, 1));
	ASSERT_EQ(sizeof(done), read(self->fd, &done, sizeof(done)));
	EXPECT_EQ(0, demo_fill(self->fd, self->a.handle, 0, 1, 1));
	close(other);
}

/* What a transfer needs stays until it is done. */
TEST_F(transfer, outlives_free)
{
	struct dmademo_alloc big;
	struct dmademo_wait wait;
	uint64_t cookie;

	ASSERT_EQ(0, demo_alloc(self->fd, BIG, &big));
	cookie = start_fill(self->fd, big.handle, BIG, 7);
	ASSERT_NE(0, cookie);
	ASSERT_EQ(0, demo_free(self->fd, big.handle));
	EXPECT_EQ(-ENOENT, demo_fill(self->fd, big.handle, 0, 1, 1));
	ASSERT_EQ(0, demo_wait(self->fd, cookie, UINT64_MAX, &wait));
	EXPECT_EQ(0, wait.status);
}

/* A cookie that cannot be told is a transfer that must not be left. */
TEST_F(transfer, into_read_only_memory)
{
	struct dmademo_run *run;
	uint32_t i;

	run = mmap(NULL, page_size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, run);
	*run = (struct dmademo_run){
		.size = sizeof(*run),
		.op = DMADEMO_OP_FILL,
		.dst = self->a.handle,
		.length = self->size,
		.flags = DMADEMO_RUN_ASYNC,
	};
	ASSERT_EQ(0, mprotect(run, page_size, PROT_READ));
	for (i = 0; i < 2 * self->info.max_transfers; i++)
		ASSERT_EQ(-EFAULT, demo_call(self->fd, DMADEMO_IOC_RUN, run));
	EXPECT_FALSE(is_readable(self->fd));
	EXPECT_EQ(0, demo_fill(self->fd, self->a.handle, 0, 1, 1));
}

/* A completion that cannot be told must not be lost. */
TEST_F(transfer, wait_in_read_only_memory)
{
	struct dmademo_wait *arg, wait;
	uint64_t cookie;

	arg = mmap(NULL, page_size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, arg);
	cookie = start_fill(self->fd, self->a.handle, self->size, 7);
	ASSERT_NE(0, cookie);
	*arg = (struct dmademo_wait){
		.size = sizeof(*arg),
		.cookie = cookie,
		.timeout_ns = UINT64_MAX,
	};
	ASSERT_EQ(0, mprotect(arg, page_size, PROT_READ));
	EXPECT_EQ(-EFAULT, demo_call(self->fd, DMADEMO_IOC_WAIT, arg));
	EXPECT_EQ(-EFAULT, demo_call(self->fd, DMADEMO_IOC_WAIT, arg));
	EXPECT_TRUE(is_readable(self->fd));
	EXPECT_EQ(0, demo_wait(self->fd, cookie, 0, &wait));
	EXPECT_EQ(7, wait.value);
}

#define RUNS 2000

/* Reads all completions, which come in order, and says how many were wrong. */
static void *read_all(void *arg)
{
	struct dmademo_completion done;
	uintptr_t wrong = 0;
	uint64_t i;

	for (i = 1; i <= RUNS; i++)
		wrong += read(*(int *)arg, &done, sizeof(done)) !=
			 sizeof(done) || done.cookie != i || done.status;
	return (void *)wrong;
}

/* A transfer may be completed, and read, before the call that started it is back. */
TEST_F_TIMEOUT(transfer, read_while_others_run, 300)
{
	struct dmademo_run run = { .value = 1 };
	int fd = open(DEVICE, O_RDWR), i, ret;
	struct dmademo_alloc alloc;
	pthread_t thread;
	void *wrong;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, demo_alloc(fd, page_size, &alloc));
	ASSERT_EQ(0, pthread_create(&thread, NULL, read_all, &fd));
	for (i = 1; i <= RUNS; i++) {
		do {
			ret = demo_run(fd, DMADEMO_OP_FILL, alloc.handle, 0, 0,
				       0, 1, DMADEMO_RUN_ASYNC, &run);
		} while (ret == -EAGAIN);
		ASSERT_EQ(0, ret);
		ASSERT_EQ(i, run.cookie);
	}
	ASSERT_EQ(0, pthread_join(thread, &wrong));
	EXPECT_EQ(0, (uintptr_t)wrong);
	close(fd);
}

/* Fills much, on and on. */
static void work_for_ever(int fd, uint32_t handle)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		demo_fill(fd, handle, 0, BIG, 1);
}

TEST_F_TIMEOUT(transfer, signal_ends_it, 300)
{
	int fd = open(DEVICE, O_RDWR), status;
	struct dmademo_alloc big;
	pid_t pid;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, demo_alloc(fd, BIG, &big));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		work_for_ever(fd, big.handle);
	usleep(50000);
	ASSERT_EQ(0, kill(pid, SIGTERM));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(SIGTERM, WTERMSIG(status));
	/* The file goes on. */
	EXPECT_EQ(0, demo_fill(fd, big.handle, 0, 1, 1));
	close(fd);
}

static void no_action(int sig)
{
}

TEST_F_TIMEOUT(transfer, signal_is_told, 300)
{
	struct sigaction action = { .sa_handler = no_action };
	int ret = 0, i, parent = getpid(), status;
	struct dmademo_alloc big;
	struct dmademo_wait wait;
	pid_t pid;

	ASSERT_EQ(0, demo_alloc(self->fd, 4 * BIG, &big));
	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			usleep(5000);
			kill(parent, SIGUSR1);
		}
	}
	for (i = 0; i < 100 && !ret; i++)
		ret = demo_fill(self->fd, big.handle, 0, 4 * BIG, 1);
	EXPECT_EQ(-EINTR, ret);
	/* The same for those that wait. */
	for (i = 0, ret = 0; i < 100 && !ret; i++) {
		uint64_t cookie = start_fill(self->fd, big.handle, 4 * BIG, 1);

		if (!cookie)
			break;
		ret = demo_wait(self->fd, cookie, UINT64_MAX, &wait);
		if (ret == -EINTR)
			while (demo_wait(self->fd, cookie, UINT64_MAX, &wait) ==
			       -EINTR)
				;
	}
	EXPECT_EQ(-EINTR, ret);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

/* What is queued or under way when the file is closed is not waited for. */
TEST_F_TIMEOUT(transfer, close_cancels, 300)
{
	struct dmademo_alloc big;
	uint64_t before, after;
	int fd, i, j;

	usleep(200000);
	before = demo_free_memory();
	for (i = 0; i < 5; i++) {
		fd = open(DEVICE, O_RDWR);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, demo_alloc(fd, BIG, &big));
		for (j = 0; j < 20; j++)
			ASSERT_NE(0, start_fill(fd, big.handle, BIG, 1));
		close(fd);
	}
	usleep(200000);
	after = demo_free_memory();
	EXPECT_LE(before, after + BIG / 2);
	EXPECT_EQ(0, demo_fill(self->fd, self->a.handle, 0, 1, 1));
}

/* Two at work, and one that is killed in the middle of it. */
TEST_F_TIMEOUT(transfer, processes_do_not_disturb_each_other, 300)
{
	unsigned char *a = map(self->fd, &self->a);
	pid_t pid[2], killed;
	int i, j, status;

	ASSERT_NE(NULL, a);
	for (i = 0; i < 2; i++) {
		pid[i] = fork();
		ASSERT_LE(0, pid[i]);
		if (pid[i])
			continue;
		{
			int fd = open(DEVICE, O_RDWR);
			struct dmademo_alloc x, y;
			unsigned char *p, *q;

			if (fd < 0 || demo_alloc(fd, self->size, &x) ||
			    demo_alloc(fd, self->size, &y))
				_exit(1);
			p = map(fd, &x);
			q = map(fd, &y);
			for (j = 0; j < 100; j++) {
				memset(p, i * 100 + j, self->size);
				if (demo_copy(fd, y.handle, 0, x.handle, 0,
					      self->size) ||
				    memcmp(p, q, self->size))
					_exit(2);
			}
			_exit(0);
		}
	}
	for (i = 0; i < 5; i++) {
		killed = fork();
		ASSERT_LE(0, killed);
		if (!killed) {
			int fd = open(DEVICE, O_RDWR);
			struct dmademo_alloc big;

			if (fd < 0 || demo_alloc(fd, BIG, &big))
				_exit(1);
			start_fill(fd, big.handle, BIG, 1);
			work_for_ever(fd, big.handle);
		}
		usleep(30000);
		kill(killed, SIGKILL);
		ASSERT_EQ(killed, waitpid(killed, &status, 0));
		EXPECT_EQ(SIGKILL, WTERMSIG(status));
	}
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(pid[i], waitpid(pid[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	EXPECT_TRUE(is_filled(a, 0, self->size));
}

/* User memory. */

TEST_F(transfer, user_memory)
{
	const size_t size = 3 << 20, from = 5, to = page_size + 11;
	const size_t length = size - 2 * page_size;
	unsigned char *src = malloc(size), *dst = malloc(size);
	uint32_t crc;
	size_t i;
	struct dmademo_run run = {};

	ASSERT_NE(NULL, src);
	ASSERT_NE(NULL, dst);
	demo_fill_pattern(src, size);
	memset(dst, 0, size);
	ASSERT_EQ(0, demo_copy_user(self->fd, dst + to, src + from, length));
	EXPECT_TRUE(is_filled(dst, 0, to));
	EXPECT_EQ(0, memcmp(dst + to, src + from, length));
	EXPECT_TRUE(is_filled(dst + to + length, 0, size - to - length));

	ASSERT_EQ(0, demo_run(self->fd, DMADEMO_OP_CRC32, 0, 0, 0,
			      (uintptr_t)src + 1, 1000, DMADEMO_RUN_SRC_USER,
			      &run));
	crc = run.value;
	EXPECT_EQ(demo_cpu_crc32(src + 1, 1000), crc);
	run.value = 0;
	ASSERT_EQ(0, demo_run(self->fd, DMADEMO_OP_REVERSE, 0, (uintptr_t)dst, 0,
			      (uintptr_t)src, size - 3,
			      DMADEMO_RUN_SRC_USER | DMADEMO_RUN_DST_USER,
			      &run));
	for (i = 0; i < size - 3; i++)
		if (dst[i] != src[size - 4 - i])
			break;
	EXPECT_EQ(size - 3, i);
	free(src);
	free(dst);
}

TEST_F(transfer, user_memory_and_a_buffer)
{
	unsigned char *a = map(self->fd, &self->a), *mem = malloc(self->size);
	struct dmademo_run run = {};

	ASSERT_NE(NULL, a);
	ASSERT_NE(NULL, mem);
	memset(mem, 0x77, self->size);
	ASSERT_EQ(0, demo_run(self->fd, DMADEMO_OP_COPY, self->a.handle, 10, 0,
			      (uintptr_t)mem, self->size - 10,
			      DMADEMO_RUN_SRC_USER, &run));
	EXPECT_TRUE(is_filled(a, 0, 10));
	EXPECT_TRUE(is_filled(a + 10, 0x77, self->size - 10));
	a[self->size - 1] = 1;
	ASSERT_EQ(0, demo_run(self->fd, DMADEMO_OP_COPY, 0, (uintptr_t)mem,
			      self->a.handle, 1, self->size - 1,
			      DMADEMO_RUN_DST_USER, &run));
	EXPECT_EQ(0, mem[0]);
	EXPECT_EQ(1, mem[self->size - 2]);
	EXPECT_EQ(0x77, mem[self->size - 1]);
	free(mem);
}

/* The pages stay until the device is done, whatever the process does. */
TEST_F_TIMEOUT(transfer, user_memory_outlives_munmap, 300)
{
	const size_t size = BIG;
	struct dmademo_run run = { .value = 3 };
	struct dmademo_wait wait;
	void *p;

	p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, demo_run(self->fd, DMADEMO_OP_FILL, 0, (uintptr_t)p, 0, 0,
			      size, DMADEMO_RUN_ASYNC | DMADEMO_RUN_DST_USER,
			      &run));
	ASSERT_EQ(0, munmap(p, size));
	ASSERT_EQ(0, demo_wait(self->fd, run.cookie, UINT64_MAX, &wait));
	EXPECT_EQ(0, wait.status);
}

TEST_F(transfer, user_memory_refusals)
{
	struct dmademo_run run = {};
	unsigned char *p;
	const uint32_t both = DMADEMO_RUN_SRC_USER | DMADEMO_RUN_DST_USER;

	p = mmap(NULL, 4 * page_size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, mprotect(p + page_size, page_size, PROT_READ));
	ASSERT_EQ(0, munmap(p + 3 * page_size, page_size));

	/* read-only, unmapped in part, not there at all, the kernel's */
	EXPECT_EQ(-EFAULT, demo_copy_user(self->fd, p + page_size, p, 1));
	EXPECT_EQ(-EFAULT, demo_copy_user(self->fd, p, p + 2 * page_size,
					  page_size + 1));
	EXPECT_EQ(-EFAULT, demo_copy_user(self->fd, p, NULL, 1));
	EXPECT_EQ(-EFAULT, demo_copy_user(self->fd, p,
					  (void *)(uintptr_t)-4096, 1));
	/* ranges that wrap, or overlap; with a handle */
	EXPECT_EQ(-EINVAL, demo_copy_user(self->fd, p,
					  (void *)(uintptr_t)-1, 2));
	EXPECT_EQ(-EINVAL, demo_copy_user(self->fd, p, p + 1, 2));
	EXPECT_EQ(-EINVAL, demo_run(self->fd, DMADEMO_OP_COPY, self->a.handle,
				    (uintptr_t)p, 0,
				    (uintptr_t)p + page_size, 1, both, &run));
	/* for a side that the operation does not have */
	EXPECT_EQ(-EINVAL, demo_run(self->fd, DMADEMO_OP_FILL, 0, (uintptr_t)p,
				    0, 0, 1, both, &run));
	EXPECT_EQ(-EINVAL, demo_run(self->fd, DMADEMO_OP_CRC32, 0, 0, 0,
				    (uintptr_t)p, 1, both, &run));
	/* a mapping of page frame numbers */
	if (self->info.mmap_mode != DMADEMO_MMAP_PAGES) {
		unsigned char *a = map(self->fd, &self->a);

		ASSERT_NE(NULL, a);
		a[0] = 1;
		EXPECT_EQ(-EFAULT, demo_copy_user(self->fd, p, a, 1));
	}
	EXPECT_EQ(0, demo_copy_user(self->fd, p, p + page_size, page_size));
}

TEST_F(transfer, user_memory_is_limited)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct none[2] = {};
	struct rlimit limit = { 8 * page_size, 8 * page_size };
	struct dmademo_wait wait;
	int status, i;
	pid_t pid;

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		unsigned char *p = malloc(16 * page_size);
		struct dmademo_run run = {};

		if (!p || setrlimit(RLIMIT_MEMLOCK, &limit))
			_exit(1);
		memset(p, 1, 16 * page_size);
		/* Who may lock memory may do as he likes. */
		if (!geteuid() &&
		    demo_run(self->fd, DMADEMO_OP_CRC32, 0, 0, 0, (uintptr_t)p,
			     16 * page_size, DMADEMO_RUN_SRC_USER, &run))
			_exit(2);
		if (syscall(SYS_capset, &header, none))
			_exit(3);
		run.value = 0;
		if (demo_run(self->fd, DMADEMO_OP_CRC32, 0, 0, 0, (uintptr_t)p,
			     9 * page_size, DMADEMO_RUN_SRC_USER, &run) !=
		    -ENOMEM)
			_exit(4);
		/* What is given back counts no longer. */
		for (i = 0; i < 10; i++) {
			run.value = 0;
			if (demo_run(self->fd, DMADEMO_OP_CRC32, 0, 0, 0,
				     (uintptr_t)p, 7 * page_size,
				     DMADEMO_RUN_SRC_USER | DMADEMO_RUN_ASYNC,
				     &run) ||
			    demo_wait(self->fd, run.cookie, UINT64_MAX, &wait))
				_exit(5);
		}
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* Bus addresses. */

TEST_F(transfer, bus_address)
{
	unsigned char *a = map(self->fd, &self->a);
	struct dmademo_run run = { .value = 4 };
	uint64_t unmapped;

	if (!self->a.bus_addr)
		SKIP(return, "needs CAP_SYS_RAWIO");
	ASSERT_NE(NULL, a);
	ASSERT_EQ(0, demo_run(self->fd, DMADEMO_OP_FILL, 0,
			      self->a.bus_addr + 1, 0, 0, self->size - 1,
			      DMADEMO_RUN_DST_BUS, &run));
	EXPECT_TRUE(is_filled(a + 1, 4, self->size - 1));

	/* What the device was never given is a bus error, and not an access. */
	EXPECT_EQ(-EIO, demo_run(self->fd, DMADEMO_OP_FILL, 0, 0, 0, 0, 1,
				 DMADEMO_RUN_DST_BUS, &run));
	EXPECT_EQ(-EIO, demo_run(self->fd, DMADEMO_OP_FILL, 0, UINT64_MAX, 0, 0,
				 1, DMADEMO_RUN_DST_BUS, &run));
	run.value = 0;
	EXPECT_EQ(-EIO, demo_run(self->fd, DMADEMO_OP_COPY, self->b.handle, 0, 0,
				 self->a.bus_addr - 1, 2, DMADEMO_RUN_SRC_BUS,
				 &run));
	EXPECT_EQ(-EIO, demo_run(self->fd, DMADEMO_OP_CRC32, 0, 0, 0,
				 self->a.bus_addr, 1 << 30,
				 DMADEMO_RUN_SRC_BUS, &run));
	/* A buffer that was freed is no longer the device's. */
	unmapped = self->b.bus_addr;
	ASSERT_EQ(0, demo_free(self->fd, self->b.handle));
	run.value = 0;
	EXPECT_EQ(-EIO, demo_run(self->fd, DMADEMO_OP_CRC32, 0, 0, 0, unmapped,
				 self->size, DMADEMO_RUN_SRC_BUS, &run));
	EXPECT_EQ(-EINVAL, demo_run(self->fd, DMADEMO_OP_CRC32, 0, 0, 0,
				    self->a.bus_addr, 1,
				    DMADEMO_RUN_SRC_BUS | DMADEMO_RUN_SRC_USER,
				    &run));
	/* The completion of one that nobody waits for tells. */
	{
		struct dmademo_wait wait;

		run.value = 0;
		ASSERT_EQ(0, demo_run(self->fd, DMADEMO_OP_CRC32, 0, 0, 0,
				      unmapped, self->size,
				      DMADEMO_RUN_SRC_BUS | DMADEMO_RUN_ASYNC,
				      &run));
		ASSERT_EQ(0, demo_wait(self->fd, run.cookie, UINT64_MAX, &wait));
		EXPECT_EQ(-EIO, wait.status);
	}
}

/* A bus address holds nothing, so what is freed is out of the device's reach. */
TEST_F_TIMEOUT(transfer, bus_address_of_freed_memory, 300)
{
	struct dmademo_run run = { .value = 0x77 };
	struct dmademo_alloc a, b;
	struct dmademo_wait wait;
	unsigned char *p;
	int i;

	if (!self->a.bus_addr)
		SKIP(return, "needs CAP_SYS_RAWIO");
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, demo_alloc(self->fd, BIG, &a));
		ASSERT_EQ(0, demo_run(self->fd, DMADEMO_OP_FILL, 0, a.bus_addr,
				      0, 0, BIG,
				      DMADEMO_RUN_DST_BUS | DMADEMO_RUN_ASYNC,
				      &run));
		usleep(i * 1000);
		ASSERT_EQ(0, demo_free(self->fd, a.handle));
		p = mmap(NULL, BIG, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		ASSERT_NE(MAP_FAILED, p);
		ASSERT_EQ(0, demo_wait(self->fd, run.cookie, UINT64_MAX, &wait));
		EXPECT_TRUE(!wait.status || wait.status == -EIO);
		EXPECT_TRUE(is_filled(p, 0, BIG));
		ASSERT_EQ(0, munmap(p, BIG));
		/* And it works again when somebody has it. */
		ASSERT_EQ(0, demo_alloc(self->fd, page_size, &b));
		ASSERT_EQ(0, demo_run(self->fd, DMADEMO_OP_FILL, 0, b.bus_addr,
				      0, 0, 1, DMADEMO_RUN_DST_BUS, &run));
		ASSERT_EQ(0, demo_free(self->fd, b.handle));
	}
}

TEST_F(transfer, bus_address_needs_privilege)
{
	int status;
	pid_t pid;

	if (geteuid())
		SKIP(return, "needs root");
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct dmademo_run run = {};

		if (setuid(65534))
			_exit(1);
		_exit(demo_run(self->fd, DMADEMO_OP_CRC32, 0, 0, 0,
			       self->a.bus_addr, 1, DMADEMO_RUN_SRC_BUS,
			       &run) != -EPERM);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* Free, run and munmap of the same buffer, at the same time. */

static struct {
	int fd;
	uint32_t handle;
	size_t size;
	int stop;
} shared;

static void *run_on(void *arg)
{
	uint32_t crc;
	int ret;

	while (!__atomic_load_n(&shared.stop, __ATOMIC_RELAXED)) {
		ret = demo_crc32(shared.fd,
				 __atomic_load_n(&shared.handle,
						 __ATOMIC_RELAXED),
				 0, shared.size, &crc);
		if (ret && ret != -ENOENT)
			return (void *)(intptr_t)ret;
	}
	return NULL;
}

TEST_F_TIMEOUT(transfer, concurrent_free_run_and_munmap, 300)
{
	struct dmademo_alloc alloc;
	struct dmademo_run run = {};
	pthread_t thread[2];
	unsigned char *p;
	void *result;
	int i;

	shared.fd = self->fd;
	shared.size = self->size;
	shared.handle = self->a.handle;
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, run_on, NULL));
	for (i = 0; i < 150; i++) {
		ASSERT_EQ(0, demo_alloc(self->fd, self->size, &alloc));
		__atomic_store_n(&shared.handle, alloc.handle,
				 __ATOMIC_RELAXED);
		p = map(self->fd, &alloc);
		ASSERT_NE(NULL, p);
		p[0] = 1;
		/* Either works, or it is not there any more. */
		if (i % 2)
			demo_run(self->fd, DMADEMO_OP_CRC32, 0, 0, 0,
				 (uintptr_t)p, self->size,
				 DMADEMO_RUN_SRC_USER, &run);
		run.value = 0;
		ASSERT_EQ(0, demo_free(self->fd, alloc.handle));
		ASSERT_EQ(0, munmap(p, self->size));
	}
	__atomic_store_n(&shared.stop, 1, __ATOMIC_RELAXED);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, pthread_join(thread[i], &result));
		EXPECT_EQ(NULL, result);
	}
}

TEST_HARNESS_MAIN
