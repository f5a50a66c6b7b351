// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of transfers of /dev/dmademo0: those that nobody waits for, those to
 * and from user memory, what becomes of them when something ends early, and what
 * another device has to do with them.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <poll.h>
#include <pthread.h>
#include <sched.h>
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

/*
 * Of BIG each: seconds under an emulator, and a fifth of one on a fast machine, for
 * what takes the tests a thousandth.
 */
#define FILLS 60

/* Starts to fill BIG bytes with 1, 2 and so on; the last cookie, or 0. */
static uint64_t start_fills(int fd, uint32_t handle, uint64_t offset,
			    uint32_t flags)
{
	struct dmademo_run run;
	int i;

	for (i = 1; i <= FILLS; i++) {
		run.value = i;
		if (demo_run(fd, DMADEMO_OP_FILL, handle, offset, 0, 0, BIG,
			     DMADEMO_RUN_ASYNC | flags, &run))
			return 0;
	}
	return run.cookie;
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

TEST_F(transfer, wait_times_out)
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

TEST_F(transfer, has_a_limit_for_each_file)
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
TEST_F(transfer, read_while_others_run)
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

/* As in /proc: R runs, S and D sleep, Z has ended; 0 if that is not known. */
static char process_state(pid_t pid)
{
	char path[32], line[256], *end = NULL;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fgets(line, sizeof(line), f))
		end = strrchr(line, ')');
	fclose(f);
	return end && end[1] == ' ' ? end[2] : 0;
}

/* At once, too: the transfer is behind others, which are still to be done. */
TEST_F(transfer, signal_ends_it)
{
	int fd = open(DEVICE, O_RDWR), started[2], status;
	const uint32_t max = self->info.max_transfers;
	struct dmademo_alloc big;
	struct dmademo_wait wait;
	uint64_t last;
	uint32_t i;
	char state;
	pid_t pid;

	ASSERT_LE(0, fd);
	ASSERT_LT(FILLS, max);
	ASSERT_EQ(0, demo_alloc(fd, BIG, &big));
	ASSERT_EQ(0, pipe(started));
	last = start_fills(fd, big.handle, 0, 0);
	ASSERT_NE(0, last);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (write(started[1], "", 1) != 1)
			_exit(1);
		demo_fill(fd, big.handle, 0, BIG, 0);
		_exit(2);
	}
	ASSERT_EQ(1, read(started[0], &state, 1));
	do {
		usleep(1000);
		state = process_state(pid);
	} while (state == 'R');
	EXPECT_TRUE(state == 'S' || state == 'D') {
		TH_LOG("the process is in state %c", state);
	}
	ASSERT_EQ(0, kill(pid, SIGTERM));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGTERM, WTERMSIG(status));
	EXPECT_EQ(-ETIMEDOUT, demo_wait(fd, last, 0, &wait));
	/* The file goes on, with the place of the one that has ended. */
	for (i = FILLS; i < max; i++)
		EXPECT_NE(0, start_fill(fd, big.handle, 1, 1));
	EXPECT_EQ(0, start_fill(fd, big.handle, 1, 1));
	close(fd);
	EXPECT_EQ(0, demo_fill(self->fd, self->a.handle, 0, 1, 1));
}

static void no_action(int sig)
{
}

TEST_F(transfer, signal_is_told)
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

/*
 * What is queued or under way when the file is closed is not waited for.  The
 * device does one after the other, so the memory tells: the last one must not
 * show, then or later.  A mapping of the file would keep it open, so look at a
 * dma-buf of that memory, or have it in a buffer of another file.
 */
TEST_F(transfer, close_cancels)
{
	const uint64_t flags = DMA_BUF_SYNC_READ | DMA_BUF_SYNC_START;
	int fd = open(DEVICE, O_RDWR), dmabuf = -1;
	unsigned char *p, *copy = malloc(BIG);
	struct dmademo_completion done;
	struct dmademo_alloc big;
	struct dmademo_wait wait;
	uint64_t last;

	ASSERT_LE(0, fd);
	ASSERT_NE(NULL, copy);
	if (self->info.flags & DMADEMO_INFO_EXPORT) {
		ASSERT_EQ(0, demo_alloc_as(fd, BIG, 0,
					   export_flags(&self->info), &big));
		dmabuf = demo_export(fd, big.handle);
		ASSERT_LE(0, dmabuf);
		p = mmap(NULL, BIG, PROT_READ, MAP_SHARED, dmabuf, 0);
		ASSERT_NE(MAP_FAILED, p);
		last = start_fills(fd, big.handle, 0, 0);
	} else {
		ASSERT_EQ(0, demo_alloc(self->fd, BIG, &big));
		if (!big.bus_addr)
			SKIP(return, "needs CAP_SYS_RAWIO");
		p = map(self->fd, &big);
		ASSERT_NE(NULL, p);
		last = start_fills(fd, 0, big.bus_addr, DMADEMO_RUN_DST_BUS);
	}
	ASSERT_NE(0, last);
	/* One is done, the next one under way, the last one far away. */
	ASSERT_EQ(sizeof(done), read(fd, &done, sizeof(done)));
	EXPECT_EQ(0, done.status);
	EXPECT_EQ(-ETIMEDOUT, demo_wait(fd, last, 0, &wait));
	close(fd);

	if (dmabuf >= 0)
		ASSERT_EQ(0, sync_dmabuf(dmabuf, flags));
	EXPECT_LE(1, p[BIG - 1]);
	EXPECT_GT(FILLS, p[BIG - 1]);
	memcpy(copy, p, BIG);
	/* This comes behind whatever may have been left. */
	EXPECT_EQ(0, demo_fill(self->fd, self->a.handle, 0, 1, 1));
	if (dmabuf >= 0)
		ASSERT_EQ(0, sync_dmabuf(dmabuf, flags));
	EXPECT_EQ(0, memcmp(copy, p, BIG));
	free(copy);
}

TEST_F(transfer, close_gives_back_memory)
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

/* A file of its own, with two buffers, and the device copies between them. */
struct copier {
	int fd;
	struct dmademo_alloc x, y;
	unsigned char *p, *q;
	size_t size;
};

static int copier_init(struct copier *c, const char *device, size_t size)
{
	c->size = size;
	c->fd = open(device, O_RDWR);
	if (c->fd < 0 || demo_alloc(c->fd, size, &c->x) ||
	    demo_alloc(c->fd, size, &c->y))
		return -1;
	c->p = map(c->fd, &c->x);
	c->q = map(c->fd, &c->y);
	return c->p && c->q ? 0 : -1;
}

/* 0 if what is copied is what was written, and nothing else. */
static int copier_round(struct copier *c, unsigned char value)
{
	memset(c->p, value, c->size);
	memset(c->q, ~value, c->size);
	if (demo_copy(c->fd, c->y.handle, 0, c->x.handle, 0, c->size) ||
	    memcmp(c->p, c->q, c->size) || !is_filled(c->q, value, c->size))
		return -1;
	return 0;
}

/* What processes have in common: two that copy, and one that will be killed. */
struct progress {
	int stop;
	unsigned int rounds[3];
};

static struct progress *new_progress(void)
{
	void *p = mmap(NULL, sizeof(struct progress), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static int is_stopped(struct progress *progress)
{
	return __atomic_load_n(&progress->stop, __ATOMIC_RELAXED);
}

static unsigned int rounds_of(struct progress *progress, int i)
{
	return __atomic_load_n(&progress->rounds[i], __ATOMIC_RELAXED);
}

static void round_done(struct progress *progress, int i)
{
	__atomic_fetch_add(&progress->rounds[i], 1, __ATOMIC_RELAXED);
}

static void copy_until_stopped(struct progress *progress, int i, size_t size)
{
	unsigned char value = i;
	struct copier copier;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (copier_init(&copier, DEVICE, size))
		_exit(1);
	while (!is_stopped(progress)) {
		value += 2;
		if (copier_round(&copier, value))
			_exit(2);
		round_done(progress, i);
	}
	_exit(0);
}

static void fill_for_ever(struct progress *progress, int i)
{
	int fd = open(DEVICE, O_RDWR);
	struct dmademo_alloc big;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fd < 0 || demo_alloc(fd, BIG, &big) ||
	    !start_fill(fd, big.handle, BIG, 1))
		_exit(1);
	while (!demo_fill(fd, big.handle, 0, BIG, 1))
		round_done(progress, i);
	_exit(2);
}

/* Waits until a process has done a round more; 0 if it has ended instead. */
static int does_a_round(struct progress *progress, int i, pid_t pid)
{
	const unsigned int before = rounds_of(progress, i);

	while (rounds_of(progress, i) == before) {
		siginfo_t info = {};

		if (waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) ||
		    info.si_pid)
			return 0;
		usleep(1000);
	}
	return 1;
}

/* Two at work, and one that is killed in the middle of it, again and again. */
TEST_F(transfer, processes_do_not_disturb_each_other)
{
	unsigned char *a = map(self->fd, &self->a);
	struct progress *progress = new_progress();
	pid_t pid[2], killed;
	int i, j, status;

	ASSERT_NE(NULL, a);
	ASSERT_NE(NULL, progress);
	for (i = 0; i < 2; i++) {
		pid[i] = fork();
		ASSERT_LE(0, pid[i]);
		if (!pid[i])
			copy_until_stopped(progress, i, self->size);
	}
	for (i = 0; i < 5; i++) {
		killed = fork();
		ASSERT_LE(0, killed);
		if (!killed)
			fill_for_ever(progress, 2);
		ASSERT_TRUE(does_a_round(progress, 2, killed));
		for (j = 0; j < 2; j++)
			ASSERT_TRUE(does_a_round(progress, j, pid[j]));
		kill(killed, SIGKILL);
		ASSERT_EQ(killed, waitpid(killed, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
		EXPECT_EQ(SIGKILL, WTERMSIG(status));
		for (j = 0; j < 2; j++)
			ASSERT_TRUE(does_a_round(progress, j, pid[j]));
	}
	__atomic_store_n(&progress->stop, 1, __ATOMIC_RELAXED);
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
TEST_F(transfer, user_memory_outlives_munmap)
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
	void *kernel = (void *)(uintptr_t)-4096;

	p = mmap(NULL, 4 * page_size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, p);
	memset(p, 1, page_size);
	ASSERT_EQ(0, mprotect(p + page_size, page_size, PROT_READ));
	ASSERT_EQ(0, munmap(p + 3 * page_size, page_size));

	/* read-only, unmapped in part, not there at all, the kernel's */
	EXPECT_EQ(-EFAULT, demo_copy_user(self->fd, p + page_size, p, 1));
	EXPECT_EQ(-EFAULT, demo_copy_user(self->fd, p, p + 2 * page_size,
					  page_size + 1));
	EXPECT_EQ(-EFAULT, demo_copy_user(self->fd, p, NULL, 1));
	EXPECT_EQ(-EFAULT, demo_copy_user(self->fd, p, kernel, 1));
	/* the same for what is written, and none of it is */
	EXPECT_EQ(-EFAULT, demo_copy_user(self->fd, p + 2 * page_size, p,
					  page_size + 1));
	EXPECT_TRUE(is_filled(p + 2 * page_size, 0, page_size));
	EXPECT_EQ(-EFAULT, demo_copy_user(self->fd, NULL, p, 1));
	EXPECT_EQ(-EFAULT, demo_copy_user(self->fd, kernel, p, 1));
	/* ranges that wrap, or overlap; with a handle */
	EXPECT_EQ(-EINVAL, demo_copy_user(self->fd, p,
					  (void *)(uintptr_t)-1, 2));
	EXPECT_EQ(-EINVAL, demo_copy_user(self->fd, (void *)(uintptr_t)-1, p,
					  2));
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
	if (self->info.mmap_mode == DMADEMO_MMAP_PFN) {
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
	EXPECT_EQ(self->info.dma_mask == UINT64_MAX ? -EIO : -EINVAL,
		  demo_run(self->fd, DMADEMO_OP_FILL, 0, UINT64_MAX, 0, 0, 1,
			   DMADEMO_RUN_DST_BUS, &run));
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
TEST_F(transfer, bus_address_of_freed_memory)
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

#define RACES 100

/* Those that run come first. */
enum { RUN, RUN_TOO, RUN_USER, FREE, FREE_TOO, UNMAP, RACERS };
#define RUNNERS FREE

struct racer {
	int (*race)(struct racer *racer);
	pthread_t thread;
	int tried; /* in this race */
	unsigned int hits; /* runs that worked, in all */
	int ret;
};

static struct {
	int fd;
	uint32_t handle;
	unsigned char *p;
	size_t size;
	int late;
	pthread_barrier_t barrier;
	struct racer racers[RACERS];
} shared;

/* How it ended: it should be because there is nothing left to read. */
static int run_until_gone(struct racer *racer, uint32_t src, uint64_t offset,
			  uint32_t flags)
{
	struct dmademo_run run;
	int ret;

	do {
		run.value = 0;
		ret = demo_run(shared.fd, DMADEMO_OP_CRC32, 0, 0, src, offset,
			       shared.size, flags, &run);
		racer->hits += !ret;
		__atomic_store_n(&racer->tried, 1, __ATOMIC_RELEASE);
	} while (!ret);
	return ret;
}

static int run_buffer(struct racer *racer)
{
	return run_until_gone(racer, shared.handle, 0, 0);
}

/* It only reads, so that it may look for what is not there any more. */
static int run_user(struct racer *racer)
{
	return run_until_gone(racer, 0, (uintptr_t)shared.p,
			      DMADEMO_RUN_SRC_USER);
}

/* In every other race all of them get something before it goes. */
static void wait_for_runners(void)
{
	int i;

	for (i = 0; shared.late && i < RUNNERS; i++)
		while (!__atomic_load_n(&shared.racers[i].tried,
					__ATOMIC_ACQUIRE))
			sched_yield();
}

static int free_it(struct racer *racer)
{
	wait_for_runners();
	return demo_free(shared.fd, shared.handle);
}

static int unmap_it(struct racer *racer)
{
	wait_for_runners();
	return munmap(shared.p, shared.size) ? -errno : 0;
}

static void *race_on(void *arg)
{
	struct racer *racer = arg;
	int i;

	for (i = 0; i < RACES; i++) {
		pthread_barrier_wait(&shared.barrier);
		racer->ret = racer->race(racer);
		pthread_barrier_wait(&shared.barrier);
	}
	return NULL;
}

TEST_F(transfer, concurrent_free_run_and_munmap)
{
	struct racer *racers = shared.racers;
	struct dmademo_alloc alloc;
	struct dmademo_run run = {};
	int can_pin = 0;
	uint32_t j;
	int i;

	racers[RUN].race = run_buffer;
	racers[RUN_TOO].race = run_buffer;
	racers[RUN_USER].race = run_user;
	racers[FREE].race = free_it;
	racers[FREE_TOO].race = free_it;
	racers[UNMAP].race = unmap_it;
	shared.fd = self->fd;
	shared.size = self->size;
	ASSERT_EQ(0, pthread_barrier_init(&shared.barrier, NULL, RACERS + 1));
	for (i = 0; i < RACERS; i++)
		ASSERT_EQ(0, pthread_create(&racers[i].thread, NULL, race_on,
					    &racers[i]));

	for (i = 0; i < RACES; i++) {
		/* So that the device's mode says what kind of mapping it is. */
		ASSERT_EQ(0, demo_alloc_as(self->fd, self->size,
					   DMADEMO_STRATEGY_DMA_MMAP, 0,
					   &alloc));
		shared.handle = alloc.handle;
		shared.p = map(self->fd, &alloc);
		ASSERT_NE(NULL, shared.p);
		shared.p[0] = 1;
		if (!i)
			can_pin = !demo_run(self->fd, DMADEMO_OP_CRC32, 0, 0, 0,
					    (uintptr_t)shared.p, self->size,
					    DMADEMO_RUN_SRC_USER, &run);
		shared.late = i % 2;
		for (j = 0; j < RUNNERS; j++)
			racers[j].tried = 0;
		pthread_barrier_wait(&shared.barrier);
		pthread_barrier_wait(&shared.barrier);
		ASSERT_EQ(-ENOENT, racers[RUN].ret);
		ASSERT_EQ(-ENOENT, racers[RUN_TOO].ret);
		ASSERT_EQ(-EFAULT, racers[RUN_USER].ret);
		/* One of the two, and not both. */
		ASSERT_EQ(-ENOENT, racers[FREE].ret ?: racers[FREE_TOO].ret);
		ASSERT_TRUE(!racers[FREE].ret || !racers[FREE_TOO].ret);
		ASSERT_EQ(0, racers[UNMAP].ret);
	}
	for (i = 0; i < RACERS; i++)
		ASSERT_EQ(0, pthread_join(racers[i].thread, NULL));

	EXPECT_LT(0, racers[RUN].hits);
	EXPECT_LT(0, racers[RUN_TOO].hits);
	/* Neither can page frame numbers, nor, for long, memory of a CMA area. */
	EXPECT_FALSE(can_pin && self->info.mmap_mode == DMADEMO_MMAP_PFN);
	EXPECT_EQ(can_pin, racers[RUN_USER].hits > 0);
	/* Nothing is left: no handle, and no transfer. */
	ASSERT_EQ(0, demo_alloc(self->fd, page_size, &alloc));
	EXPECT_EQ(self->b.handle + 1, alloc.handle);
	for (j = 0; j < self->info.max_transfers; j++)
		ASSERT_NE(0, start_fill(self->fd, alloc.handle, page_size, 1));
}

/* Two devices. */

FIXTURE(two) {
	int fd[2];
	struct dmademo_info info[2];
	struct dmademo_alloc alloc[2];
	size_t size;
};

FIXTURE_SETUP(two)
{
	const char *device[2] = { DEVICE, DEVICE2 };
	int i;

	page_size = sysconf(_SC_PAGESIZE);
	self->size = 100 * page_size;
	for (i = 0; i < 2; i++) {
		self->fd[i] = open(device[i], O_RDWR);
		if (self->fd[i] < 0 && errno == ENOENT)
			SKIP(return, "%s is not there", device[i]);
		if (i && !strcmp(DEVICE, DEVICE2))
			SKIP(return, "needs another one in DMADEMO_DEVICE2");
		ASSERT_LE(0, self->fd[i]);
		ASSERT_EQ(0, demo_info(self->fd[i], &self->info[i]));
		ASSERT_EQ(0, demo_alloc(self->fd[i], self->size,
					&self->alloc[i]));
	}
}

FIXTURE_TEARDOWN(two)
{
	close(self->fd[0]);
	close(self->fd[1]);
}

/* A handle is its file's. */
TEST_F(two, handles)
{
	unsigned char *p[2];
	struct dmademo_alloc more;
	int i;

	for (i = 0; i < 2; i++) {
		p[i] = map(self->fd[i], &self->alloc[i]);
		ASSERT_NE(NULL, p[i]);
	}
	/* The same number, but not the same buffer. */
	ASSERT_EQ(self->alloc[0].handle, self->alloc[1].handle);
	ASSERT_EQ(0, demo_fill(self->fd[0], self->alloc[0].handle, 0,
			       self->size, 1));
	ASSERT_EQ(0, demo_fill(self->fd[1], self->alloc[1].handle, 0,
			       self->size, 2));
	EXPECT_TRUE(is_filled(p[0], 1, self->size));
	EXPECT_TRUE(is_filled(p[1], 2, self->size));

	/* One has a number more than the other one. */
	for (i = 0; i < 2; i++) {
		const int other = self->fd[!i];

		ASSERT_EQ(0, demo_alloc(self->fd[i], self->size, &more));
		ASSERT_NE(self->alloc[!i].handle, more.handle);
		EXPECT_EQ(-ENOENT, demo_fill(other, more.handle, 0, 1, 3));
		EXPECT_EQ(-ENOENT, demo_copy(other, self->alloc[!i].handle, 0,
					     more.handle, 0, 1));
		EXPECT_EQ(-ENOENT, demo_sync(other, more.handle,
					     DMADEMO_SYNC_FOR_CPU, 0, 1));
		EXPECT_EQ(-ENOENT, demo_export(other, more.handle));
		EXPECT_EQ(NULL, map(other, &more));
		EXPECT_EQ(ENXIO, errno);
		EXPECT_EQ(-ENOENT, demo_free(other, more.handle));
		ASSERT_EQ(0, demo_free(self->fd[i], more.handle));
	}
}

/* What one device was granted is out of the other one's reach. */
TEST_F(two, bus_addresses)
{
	struct dmademo_run run;
	unsigned char *p;
	int i;

	for (i = 0; i < 2; i++) {
		const uint64_t addr = self->alloc[i].bus_addr;
		const int other = self->fd[!i];

		p = map(self->fd[i], &self->alloc[i]);
		ASSERT_NE(NULL, p);
		if (!addr)
			SKIP(return, "needs CAP_SYS_RAWIO");
		run.value = 0;
		EXPECT_EQ(0, demo_run(self->fd[i], DMADEMO_OP_CRC32, 0, 0, 0,
				      addr, self->size, DMADEMO_RUN_SRC_BUS,
				      &run));
		run.value = 0;
		EXPECT_EQ(-EIO, demo_run(other, DMADEMO_OP_CRC32, 0, 0, 0, addr,
					 self->size, DMADEMO_RUN_SRC_BUS,
					 &run));
		run.value = 0;
		EXPECT_EQ(-EIO, demo_run(other, DMADEMO_OP_CRC32, 0, 0, 0, addr,
					 1, DMADEMO_RUN_SRC_BUS, &run));
		run.value = 1;
		EXPECT_EQ(-EIO, demo_run(other, DMADEMO_OP_FILL, 0, addr, 0, 0,
					 self->size, DMADEMO_RUN_DST_BUS,
					 &run));
		EXPECT_TRUE(is_filled(p, 0, self->size));
	}
}

/* What one device's buffers hold does not count for the other one. */
TEST_F(two, bytes_held)
{
	struct dmademo_alloc alloc;
	size_t bytes = 2 * BIG;
	int ret, full;

	if (self->info[0].max_device_bytes >= 32 * bytes)
		SKIP(return, "needs a lower limit, dmademo.max_device_bytes=");
	/* To the last page, unless there is no memory. */
	do {
		ret = demo_alloc(self->fd[0], bytes, &alloc);
		if (ret == -EDQUOT && bytes > page_size) {
			bytes /= 2;
			ret = 0;
		}
	} while (!ret);
	EXPECT_TRUE(ret == -EDQUOT || ret == -ENOMEM);
	full = ret == -EDQUOT;
	ret = demo_alloc(self->fd[1], 1 << 20, &alloc);
	EXPECT_TRUE(!ret || (!full && ret == -ENOMEM)) {
		TH_LOG("the other device says %d", ret);
	}
}

#define ROUNDS 50

/* Neither is more than a round ahead of the other one. */
static void copy_in_step(struct progress *progress, int i, const char *device,
			 size_t size)
{
	struct copier copier;
	int round;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (copier_init(&copier, device, size))
		_exit(1);
	for (round = 0; round < ROUNDS; round++) {
		while (rounds_of(progress, !i) < (unsigned int)round) {
			if (is_stopped(progress))
				_exit(2);
			usleep(100);
		}
		if (copier_round(&copier, 2 * round + i + 1))
			_exit(3);
		round_done(progress, i);
	}
	_exit(0);
}

/* Both at work at the same time. */
TEST_F(two, processes)
{
	const char *device[2] = { DEVICE, DEVICE2 };
	struct progress *progress = new_progress();
	unsigned char *p[2];
	int i, status;
	pid_t pid[2];

	ASSERT_NE(NULL, progress);
	for (i = 0; i < 2; i++) {
		p[i] = map(self->fd[i], &self->alloc[i]);
		ASSERT_NE(NULL, p[i]);
		pid[i] = fork();
		ASSERT_LE(0, pid[i]);
		if (!pid[i])
			copy_in_step(progress, i, device[i], self->size);
	}
	for (i = 0; i < 2; i++) {
		ASSERT_LT(0, wait(&status));
		EXPECT_EQ(0, status);
		/* The other one would wait in vain. */
		if (status)
			__atomic_store_n(&progress->stop, 1, __ATOMIC_RELAXED);
	}
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(ROUNDS, rounds_of(progress, i));
		EXPECT_TRUE(is_filled(p[i], 0, self->size));
	}
}

TEST_HARNESS_MAIN
