// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of transfers of /dev/dmademo0: to and from user memory, what becomes of one
 * when something happens meanwhile, and that nobody gets in the way of others.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "dmademo_test.h"

FIXTURE(transfer) {
	int fd;
	struct dmademo_alloc a, b, big;
	unsigned char *p, *q, *big_p;	/* where they are mapped */
	unsigned char *mem, *mem2;	/* user memory, as much as the first two have */
	size_t size;
};

static unsigned char *new_memory(size_t size, int flags)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);
}

FIXTURE_SETUP(transfer)
{
	page_size = sysconf(_SC_PAGESIZE);
	self->size = 100 * page_size;
	self->fd = open(DEVICE, O_RDWR);
	if (self->fd < 0 && errno == ENOENT)
		SKIP(return, "%s is not there: no dmademo driver", DEVICE);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, demo_alloc(self->fd, self->size, &self->a));
	ASSERT_EQ(0, demo_alloc(self->fd, self->size, &self->b));
	ASSERT_EQ(0, demo_alloc(self->fd, LONG, &self->big));
	self->p = map(self->fd, &self->a);
	self->q = map(self->fd, &self->b);
	self->big_p = map(self->fd, &self->big);
	ASSERT_TRUE(self->p && self->q && self->big_p);
	self->mem = new_memory(self->size, MAP_PRIVATE);
	self->mem2 = new_memory(self->size, MAP_PRIVATE);
	ASSERT_TRUE(self->mem != MAP_FAILED && self->mem2 != MAP_FAILED);
}

FIXTURE_TEARDOWN(transfer)
{
	close(self->fd);
}

/* What is refused of user memory is in dmademo_args_test.c. */
TEST_F(transfer, user_memory_and_buffers)
{
	const struct { size_t to, from, length; } parts[] = {
		/* one page, two, more than the engine sees at a time, and all */
		{ 5, 9, 1 }, { 0, 0, page_size }, { page_size - 1, 8, page_size - 8 },
		{ 3 * page_size + 11, page_size - 1, 61 * page_size }, { 0, 0, self->size },
	};
	size_t i;

	demo_fill_pattern(self->p, self->size);
	demo_fill_pattern(self->mem, self->size);
	for (i = 0; i < 4 * ARRAY_SIZE(parts); i++) {
		const size_t to = parts[i / 4].to, from = parts[i / 4].from;
		const size_t length = parts[i / 4].length;
		const int src_user = i & DMADEMO_RUN_SRC_USER;
		const int dst_user = i & DMADEMO_RUN_DST_USER;
		unsigned char *src = src_user ? self->mem : self->p;
		unsigned char *dst = dst_user ? self->mem2 : self->q;
		struct dmademo_run run = {
			.op = DMADEMO_OP_COPY,
			.flags = src_user | dst_user,
			.src = src_user ? 0 : self->a.handle,
			.dst = dst_user ? 0 : self->b.handle,
			.src_offset = src_user ? (uintptr_t)src + from : from,
			.dst_offset = dst_user ? (uintptr_t)dst + to : to,
			.length = length,
		};

		memset(dst, 0, self->size);
		ASSERT_EQ(0, demo_call(self->fd, DMADEMO_IOC_RUN, &run));
		EXPECT_EQ(0, memcmp(dst + to, src + from, length))
			TH_LOG("flags %u, part %zu", run.flags, i / 4);
		EXPECT_TRUE(is_filled(dst, 0, to));
		EXPECT_TRUE(is_filled(dst + to + length, 0, self->size - to - length));
	}
}

/* The CRC-32 of user memory, or what it is filled with, or a negative errno. */
static int64_t on_user(int fd, uint32_t op, const void *p, size_t length, uint32_t value)
{
	const int writes = op == DMADEMO_OP_FILL;
	struct dmademo_run run = {
		.op = op,
		.flags = writes ? DMADEMO_RUN_DST_USER : DMADEMO_RUN_SRC_USER,
		.src_offset = writes ? 0 : (uintptr_t)p,
		.dst_offset = writes ? (uintptr_t)p : 0,
		.length = length,
		.value = value,
	};

	return demo_call(fd, DMADEMO_IOC_RUN, &run) ?: (int64_t)run.value;
}

/* By both sides, or by processes: each has what it would have without a device. */
TEST_F(transfer, user_memory_that_is_shared)
{
	unsigned char *mem = self->mem, *shared = new_memory(page_size, MAP_SHARED);
	const size_t two = page_size + 1;
	int go[2], fd = self->fd;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, (void *)shared);
	ASSERT_EQ(0, pipe(go));
	/* Nobody has written there: zeros that everybody has. */
	EXPECT_EQ(demo_cpu_crc32(self->mem2, two), on_user(fd, DMADEMO_OP_CRC32, mem, two, 0));
	memset(mem, 1, 100);
	ASSERT_EQ(0, demo_copy_user(fd, mem + 100, mem, 100));
	EXPECT_TRUE(is_filled(mem, 1, 200) && is_filled(mem + 200, 0, 100));
	/* The first one of two pages can only be read. */
	ASSERT_EQ(0, mprotect(mem, page_size, PROT_READ));
	EXPECT_EQ(demo_cpu_crc32(mem, two), on_user(fd, DMADEMO_OP_CRC32, mem, two, 0));
	EXPECT_EQ(-EFAULT, on_user(fd, DMADEMO_OP_FILL, mem, two, 2));
	ASSERT_EQ(0, mprotect(mem, page_size, PROT_READ | PROT_WRITE));

	pid = fork();
	if (!pid)
		_exit(read(go[0], go, 1) != 1 || !is_filled(mem, 1, 200) ||
		      !is_filled(shared, 3, page_size));
	ASSERT_EQ(2, on_user(fd, DMADEMO_OP_FILL, mem, 200, 2));
	ASSERT_EQ(3, on_user(fd, DMADEMO_OP_FILL, shared, page_size, 3));
	EXPECT_TRUE(is_filled(mem, 2, 200) && is_filled(shared, 3, page_size));
	ASSERT_EQ(1, write(go[1], "", 1));
	EXPECT_EQ(0, end_of(pid));
}

/* RLIMIT_MEMLOCK, for both sides together, and no longer than a transfer. */
TEST_F(transfer, user_memory_is_limited)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct { size_t offset, length; int ret; } copies[] = {
		{ 0, 4 * page_size, 0 }, { 0, 4 * page_size + 1, -ENOMEM },
		{ 1, 4 * page_size, -ENOMEM }, { 1, 4 * page_size - 1, 0 },
		{ 0, 9 * page_size, -ENOMEM }, { 0, 4 * page_size, 0 },
	};
	struct __user_cap_data_struct none[2] = {};
	struct rlimit limit;
	size_t i;

	ASSERT_EQ(0, getrlimit(RLIMIT_MEMLOCK, &limit));
	limit.rlim_cur = 8 * page_size;
	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &limit));
	/* Who may lock memory may do as he likes. */
	if (!geteuid())
		EXPECT_EQ(0, demo_copy_user(self->fd, self->mem2, self->mem, self->size));
	ASSERT_EQ(0, syscall(SYS_capset, &header, none));
	for (i = 0; i < ARRAY_SIZE(copies); i++) {
		EXPECT_EQ(copies[i].ret,
			  demo_copy_user(self->fd, self->mem2 + copies[i].offset,
					 self->mem + copies[i].offset, copies[i].length))
			TH_LOG("line %zu", i);
	}
	EXPECT_EQ(0, demo_proc_bytes("/proc/self/status", "VmLck"));
}

static void no_action(int sig)
{
	(void)sig;
}

static pid_t start_short_fills(int fd, uint32_t handle)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!demo_fill(fd, handle, 0, 1, 1))
		;
	_exit(1);
}

/*
 * To a process that waits for the device, and to the one whose transfer it has: they
 * do not notice a handler or a stop before that is done, but SIGKILL ends them at once.
 */
TEST_F(transfer, signals)
{
	static const int signals[] = { SIGUSR1, SIGSTOP, SIGKILL };
	const struct sigaction action = { .sa_handler = no_action };
	int attempts, end, i, in_time;
	pid_t pid, waits;

	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	for (i = 0; i < ARRAY_SIZE(signals); i++) {
		const int sig = signals[i], kills = sig == SIGKILL;

		for (attempts = in_time = 0; attempts < ATTEMPTS && !in_time; attempts++) {
			waits = start_short_fills(self->fd, self->a.handle);
			pid = start_fill(self->fd, &self->big, self->big_p, attempts);
			ASSERT_TRUE(pid > 0 && waits > 0);
			EXPECT_EQ(0, kill(waits, sig));
			EXPECT_TRUE(!kills || end_of(waits) == -SIGKILL);
			EXPECT_EQ(0, kill(pid, sig));
			in_time = is_under_way(self->big_p, &self->big, attempts);
			/* Comes behind it, and it must not go on behind this. */
			ASSERT_EQ(0, demo_fill(self->fd, self->b.handle, 0, 1, 1));
			if (kills) {
				in_time = is_under_way(self->big_p, &self->big, attempts);
			} else {
				EXPECT_EQ(0, kill(waits, SIGCONT) | kill(pid, SIGCONT));
				EXPECT_TRUE(is_filled(self->big_p, attempts, LONG));
				EXPECT_TRUE(is_alive(waits));
				kill(waits, SIGKILL);
				end_of(waits);
			}
			end = end_of(pid);
			EXPECT_TRUE(kills ? !in_time || end == -SIGKILL : !end);
		}
		EXPECT_TRUE(in_time)
			TH_LOG("signal %d", sig);
	}
}

/* Threads run until there is nothing left to read, of a buffer or of user memory. */
static struct {
	int fd;
	uint32_t handle, crc;
	unsigned char *p;
	size_t size;
	int tried, hits, wrong;
} race;

enum { BUFFER = 1, USER = 2 };

static void *run_until_gone(void *arg)
{
	const intptr_t what = (intptr_t)arg;
	uint32_t crc;
	int64_t ret;

	do {
		if (what == BUFFER)
			ret = demo_crc32(race.fd, race.handle, 0, race.size, &crc) ?:
			      (int64_t)crc;
		else
			ret = on_user(race.fd, DMADEMO_OP_CRC32, race.p, race.size, 0);
		if (ret >= 0)
			__atomic_fetch_or(ret == race.crc ? &race.hits : &race.wrong,
					  what, __ATOMIC_RELAXED);
		__atomic_fetch_or(&race.tried, what, __ATOMIC_RELEASE);
	} while (ret >= 0);
	return (void *)(intptr_t)ret;
}

/* Two processes take it away. */
TEST_F(transfer, concurrent_run_free_munmap_and_close)
{
	struct dmademo_alloc alloc;
	intptr_t buffer, user;
	int closes, freed, i;
	pthread_t thread[2];
	pid_t pid;

	race.size = self->size;
	memset(self->mem, 0x5a, self->size);
	race.crc = demo_cpu_crc32(self->mem, self->size);
	for (i = 0; i < 100; i++) {
		race.fd = open(DEVICE, O_RDWR);
		ASSERT_EQ(0, demo_alloc(race.fd, race.size, &alloc));
		race.handle = alloc.handle;
		/* Of the buffer, which not all modes let be pinned, or other memory. */
		race.p = i & 4 ? map(race.fd, &alloc) : new_memory(race.size, MAP_PRIVATE);
		memset(race.p, 0x5a, race.size);
		ASSERT_EQ(0, demo_fill(race.fd, race.handle, 0, race.size, 0x5a));
		race.tried = 0;
		pthread_create(&thread[0], NULL, run_until_gone, (void *)BUFFER);
		pthread_create(&thread[1], NULL, run_until_gone, (void *)USER);
		while (i & 1 && __atomic_load_n(&race.tried, __ATOMIC_ACQUIRE) != 3)
			sched_yield();
		pid = fork();
		if (!pid)
			_exit(-demo_free(race.fd, race.handle));
		closes = i & 2;
		freed = closes ? close(race.fd) : demo_free(race.fd, race.handle);
		ASSERT_EQ(0, munmap(race.p, race.size));
		/* One of the two frees it, and not both. */
		EXPECT_EQ(closes ? 0 : ENOENT, end_of(pid) - freed);
		ASSERT_EQ(0, pthread_join(thread[0], (void **)&buffer));
		ASSERT_EQ(0, pthread_join(thread[1], (void **)&user));
		EXPECT_TRUE(buffer == -ENOENT || (closes && buffer == -EBADF));
		EXPECT_TRUE(user == -EFAULT || (closes && user == -EBADF));
		if (!closes)
			close(race.fd);
	}
	EXPECT_EQ(0, race.wrong);
	EXPECT_EQ(BUFFER | USER, race.hits);
}

/* In a file of its own: what is copied is what was written. */
static int copy_rounds(const char *device, size_t size)
{
	int fd = open(device, O_RDWR), i;
	struct dmademo_alloc x, y;
	unsigned char *p, *q;

	if (demo_alloc(fd, size, &x) || demo_alloc(fd, size, &y))
		return 1;
	p = map(fd, &x);
	q = map(fd, &y);
	for (i = 0; i < 50; i++) {
		memset(p, i, size);
		if (demo_copy(fd, y.handle, 0, x.handle, 0, size) || !is_filled(q, i, size))
			return 2;
	}
	return 0;
}

/* Some at work, and one that is killed in the middle of it, again and again. */
TEST_F(transfer, processes_do_not_disturb_each_other)
{
	const char *const devices[] = { DEVICE, DEVICE, access(DEVICE2, R_OK) ? DEVICE : DEVICE2 };
	pid_t pid[ARRAY_SIZE(devices)], killed;
	int i;

	for (i = 0; i < ARRAY_SIZE(devices); i++) {
		pid[i] = fork();
		if (!pid[i])
			_exit(copy_rounds(devices[i], self->size));
	}
	for (i = 0; i < 5; i++) {
		killed = start_fill(self->fd, &self->big, self->big_p, i);
		EXPECT_EQ(0, kill(killed, SIGKILL));
		end_of(killed);
	}
	for (i = 0; i < ARRAY_SIZE(devices); i++)
		EXPECT_EQ(0, end_of(pid[i]));
	EXPECT_TRUE(is_filled(self->p, 0, self->size) && is_filled(self->q, 0, self->size));
}

/* Neither another file's, nor another device's. */
TEST_F(transfer, handles_of_others)
{
	const char *const devices[] = { DEVICE, DEVICE2 };
	const uint32_t big = self->big.handle;
	struct dmademo_alloc alloc;
	int fd, i;

	for (i = 0; i < ARRAY_SIZE(devices); i++) {
		fd = open(devices[i], O_RDWR);
		if (fd < 0 && errno == ENOENT)
			SKIP(return, "%s is not there", devices[i]);
		ASSERT_EQ(0, demo_alloc(fd, self->size, &alloc));
		/* The same number, but not the same buffer. */
		ASSERT_EQ(self->a.handle, alloc.handle);
		ASSERT_EQ(0, demo_fill(fd, alloc.handle, 0, self->size, 2));
		EXPECT_EQ(-ENOENT, demo_fill(fd, big, 0, 1, 2));
		EXPECT_EQ(-ENOENT, demo_copy(fd, alloc.handle, 0, big, 0, 1));
		EXPECT_EQ(-ENOENT, demo_sync(fd, big, DMADEMO_SYNC_FOR_CPU, 0, 1));
		EXPECT_EQ(-ENOENT, demo_export(fd, big));
		EXPECT_EQ(-ENOENT, demo_free(fd, big));
		EXPECT_EQ(NULL, map(fd, &self->big));
		close(fd);
	}
	EXPECT_TRUE(is_filled(self->p, 0, self->size));
	EXPECT_EQ(0, demo_fill(self->fd, big, 0, 1, 2));
}

TEST_HARNESS_MAIN
