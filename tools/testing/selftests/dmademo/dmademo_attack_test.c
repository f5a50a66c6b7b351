// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of /dev/dmademo0: what a user to whom the node was opened might try to hurt
 * the machine with, or others who use it.  Root opens it here, and gives up all
 * privileges before that.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <time.h>

#include "kselftest_harness.h"
#include "dmademo_test.h"

FIXTURE(attack) {
	int fd;
	struct dmademo_info info;
	uint64_t most;	/* bytes of all buffers that there may be */
};

FIXTURE_SETUP(attack)
{
	page_size = sysconf(_SC_PAGESIZE);
	self->fd = open(DEVICE, O_RDWR);
	if (self->fd < 0 && errno == ENOENT)
		SKIP(return, "%s is not there: no dmademo driver", DEVICE);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, demo_info(self->fd, &self->info));
	self->most = self->info.max_device_bytes - self->info.buffer_bytes;
}

FIXTURE_TEARDOWN(attack)
{
	close(self->fd);
}

/* A buffer as large as there is memory for, to be exported. */
static int alloc_largest(int fd, const struct dmademo_info *info, uint64_t bytes,
			 struct dmademo_alloc *alloc)
{
	int ret;

	bytes = bytes < info->max_bytes ? bytes & -page_size : info->max_bytes;
	while ((ret = demo_alloc_flags(fd, bytes, export_flags(info), alloc)) == -ENOMEM &&
	       bytes > page_size)
		bytes /= 2;
	return ret;
}

/* As many as make an interrupt that nobody cares for one that is turned off. */
#define TRANSFERS 120000
/* Two for each file. */
#define PROCESSES 16

/* They are all done, and then the next one, soon. */
TEST_F(attack, flood_of_transfers)
{
	/* Where they would take too long fewer are enough. */
	const time_t end = time(NULL) + 8;
	unsigned char *p[PROCESSES];
	struct dmademo_alloc alloc;
	int fd = self->fd, i, n, ret;
	pid_t pid[PROCESSES];

	for (i = 0; i < PROCESSES; i++) {
		if (i % 2 == 0) {
			fd = open(DEVICE, O_RDWR);
			ASSERT_EQ(0, demo_alloc(fd, page_size, &alloc));
		}
		p[i] = map(fd, &alloc);
		ASSERT_NE(NULL, p[i]);
		pid[i] = fork();
		if (!pid[i]) {
			ret = become_nobody();
			for (n = 0; !ret && n < TRANSFERS / PROCESSES && time(NULL) < end; n++)
				ret = demo_fill(fd, alloc.handle, i, 1, i + 1);
			_exit(-ret);
		}
	}
	ASSERT_EQ(0, become_nobody());
	for (i = 0; i < PROCESSES; i++) {
		EXPECT_EQ(0, end_of(pid[i]));
		EXPECT_EQ(i + 1, p[i][i]);
	}
	/* Else a signal ends it. */
	alarm(60);
	EXPECT_EQ(0, demo_fill(fd, alloc.handle, 0, page_size, 0xa5));
	alarm(0);
	EXPECT_TRUE(is_filled(p[PROCESSES - 1], 0xa5, page_size));
}

/* Nobody who opens a device waits until another one's large buffer is freed. */
TEST_F(attack, large_buffers_do_not_hold_up_open)
{
	const char *other = access(DEVICE2, R_OK) ? DEVICE : DEVICE2;
	unsigned int *opens, before, most = 0;
	struct dmademo_alloc alloc;
	pid_t pid;
	int i;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "needs two CPUs");
	opens = mmap(NULL, page_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)opens);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (!close(open(DEVICE, O_RDWR)) && !close(open(other, O_RDWR)))
			__atomic_fetch_add(opens, 1, __ATOMIC_RELAXED);
		_exit(1);
	}
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, become_nobody());
	/* If they did, there would be one or two while it is freed. */
	for (i = 0; i < 10 && most < 8; i++) {
		ASSERT_EQ(0, alloc_largest(self->fd, &self->info, self->most, &alloc));
		before = __atomic_load_n(opens, __ATOMIC_RELAXED);
		ASSERT_EQ(0, demo_free(self->fd, alloc.handle));
		before = __atomic_load_n(opens, __ATOMIC_RELAXED) - before;
		most = before > most ? before : most;
	}
	EXPECT_LE(8, most);
	EXPECT_TRUE(is_alive(pid));
}

/* A buffer that was freed counts as long as a mapping may have some of it. */
TEST_F(attack, mapped_buffers_count)
{
	const size_t chunk = 16 << 20, most = self->most / chunk;
	struct dmademo_alloc alloc;
	size_t nr, round;
	void *maps[128];
	int ret;

	if (most >= ARRAY_SIZE(maps))
		SKIP(return, "needs a lower limit, dmademo.max_device_bytes=");
	ASSERT_EQ(0, become_nobody());
	for (round = 0; round < 2; round++) {
		for (nr = 0; !(ret = demo_alloc(self->fd, chunk, &alloc)); nr++) {
			ASSERT_GT(most, nr);
			maps[nr] = demo_map(self->fd, &alloc, 0, page_size);
			ASSERT_NE(MAP_FAILED, maps[nr]);
			ASSERT_EQ(0, demo_free(self->fd, alloc.handle));
		}
		EXPECT_EQ(-EDQUOT, ret);
		EXPECT_EQ(most, nr);
		while (nr--)
			ASSERT_EQ(0, munmap(maps[nr], page_size));
	}
}

enum way { STOP, TRACE, FREEZE };

static int stop(enum way way, pid_t pid)
{
	char text[16];

	if (way == STOP)
		return kill(pid, SIGSTOP);
	if (way == TRACE)
		return ptrace(PTRACE_ATTACH, pid, NULL, NULL);
	snprintf(text, sizeof(text), "%d", pid);
	return write_file(CGROUP "cgroup.procs", text) ?: write_file(CGROUP "cgroup.freeze", "1");
}

static int go_on(enum way way, pid_t pid)
{
	siginfo_t info;

	if (way == STOP)
		return kill(pid, SIGCONT);
	if (way == FREEZE)
		return write_file(CGROUP "cgroup.freeze", "0");
	/* It stops before it returns to user space. */
	return waitid(P_PID, pid, &info, WSTOPPED | WEXITED | WNOWAIT) ?:
	       ptrace(PTRACE_DETACH, pid, NULL, NULL);
}

/* Once it is in time, so that a transfer goes on meanwhile, which has its result then. */
static void stop_and_go_on(struct __test_metadata *_metadata, int fd, enum way way)
{
	const uid_t uid = geteuid();
	struct dmademo_alloc alloc;
	int i, in_time = 0, ret;
	unsigned char *p;
	pid_t pid;

	ASSERT_EQ(0, demo_alloc(fd, LONG, &alloc));
	p = map(fd, &alloc);
	ASSERT_NE(NULL, p);
	for (i = 0; i < ATTEMPTS && !in_time; i++) {
		ASSERT_EQ(0, seteuid(uid ?: NOBODY));
		pid = start_fill(fd, &alloc, p, i);
		ASSERT_EQ(0, seteuid(uid));
		ASSERT_LT(0, pid);
		ret = stop(way, pid);
		in_time = is_under_way(p, &alloc, i);
		while (is_under_way(p, &alloc, i) && is_alive(pid))
			;
		ret = ret ?: go_on(way, pid);
		EXPECT_TRUE(!ret || !in_time);
		EXPECT_EQ(0, end_of(pid));
		EXPECT_TRUE(is_filled(p, i, alloc.bytes));
	}
	EXPECT_TRUE(in_time);
}

TEST_F(attack, stopped_and_traced)
{
	ASSERT_EQ(0, become_nobody());
	stop_and_go_on(_metadata, self->fd, STOP);
	stop_and_go_on(_metadata, self->fd, TRACE);
}

/* By root, as who manages containers does. */
TEST_F(attack, frozen)
{
	if (geteuid())
		SKIP(return, "needs root");
	if (make_cgroup() || access(CGROUP "cgroup.freeze", F_OK))
		SKIP(return, "needs cgroup2");
	stop_and_go_on(_metadata, self->fd, FREEZE);
	remove_cgroup();
	EXPECT_NE(0, access(CGROUP, F_OK));
}

/* There are no more handles than offsets, on 32 bits, too. */
TEST_F(attack, last_handle_can_be_mapped)
{
	const uint32_t most = self->info.max_buffers;
	struct dmademo_alloc alloc, last = {};
	unsigned char *p;
	int ret;

	if (most * page_size > self->most)
		SKIP(return, "needs a higher limit, dmademo.max_device_bytes=");
	ASSERT_EQ(0, become_nobody());
	while (!(ret = demo_alloc(self->fd, 1, &alloc)))
		last = alloc;
	EXPECT_EQ(-ENOSPC, ret);
	EXPECT_EQ(most, last.handle);
	p = map(self->fd, &last);
	ASSERT_NE(NULL, p);
	ASSERT_EQ(0, demo_fill(self->fd, last.handle, 0, page_size, 0x5a));
	EXPECT_TRUE(is_filled(p, 0x5a, page_size));
}

/* They keep a buffer as long as there is one of them, and no longer. */
TEST_F(attack, dma_bufs_without_end)
{
	const struct rlimit limit = { 1024, 1024 };
	struct dmademo_alloc alloc, more;
	int fd, first, last, ret;

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_EQ(0, become_nobody());
	ASSERT_EQ(0, alloc_largest(self->fd, &self->info, self->most, &alloc));
	if (2 * alloc.bytes <= self->most)
		SKIP(return, "needs a lower limit, dmademo.max_device_bytes=");
	first = demo_export(self->fd, alloc.handle);
	if (first == -EOPNOTSUPP)
		SKIP(return, "needs a device that has dma-bufs");
	for (last = fd = first; fd >= 0; fd = demo_export(self->fd, alloc.handle))
		last = fd;
	EXPECT_EQ(-EMFILE, fd);
	EXPECT_EQ(1023, last);
	ASSERT_EQ(0, demo_free(self->fd, alloc.handle));
	for (fd = first; fd <= last; fd++) {
		EXPECT_EQ(-EDQUOT, demo_alloc(self->fd, alloc.bytes, &more));
		ASSERT_EQ(0, close(fd));
	}
	/* There may be no such memory any more, but there are the bytes. */
	ret = demo_alloc(self->fd, alloc.bytes, &more);
	EXPECT_TRUE(!ret || ret == -ENOMEM);
}

TEST_HARNESS_MAIN
