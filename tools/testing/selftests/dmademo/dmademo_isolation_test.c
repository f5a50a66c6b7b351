// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of /dev/dmademo0: nobody sees the memory of others, and nobody takes what is for
 * others, while memory is short.
 *
 * DMADEMO_CYCLES is the number of buffers of each test (default: 100), and
 * DMADEMO_PROCESSES how many processes want more than there is (default: 20).
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <sched.h>
#include <time.h>

#include "kselftest_harness.h"
#include "dmademo_test.h"

#define MIB ((uint64_t)1 << 20)

/* In seconds: for what waits without end, and not for what is slow. */
#define STUCK 300

static unsigned int number_of(const char *name, unsigned int otherwise)
{
	return getenv(name) ? atoi(getenv(name)) : otherwise;
}

/* The number after a word of a file, or at its start, 0 if that is not known. */
static uint64_t read_number(const char *path, const char *name)
{
	FILE *f = fopen(path, "r");
	unsigned long long number = 0;
	char word[64] = "";

	while (f && *name && fscanf(f, "%63s", word) == 1 && strcmp(word, name))
		;
	if (f && fscanf(f, "%llu", &number) != 1)
		number = 0;
	if (f)
		fclose(f);
	return number;
}

FIXTURE(isolation) {
	int fd;
	struct dmademo_info info;
	unsigned int *shared;	/* with children */
};

FIXTURE_VARIANT(isolation) {
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(isolation, coherent) { 0 };
FIXTURE_VARIANT_ADD(isolation, cached) { DMADEMO_ALLOC_CACHED };
FIXTURE_VARIANT_ADD(isolation, write_combine) { DMADEMO_ALLOC_WRITE_COMBINE };

FIXTURE_SETUP(isolation)
{
	page_size = sysconf(_SC_PAGESIZE);
	self->fd = open(DEVICE, O_RDWR);
	if (self->fd < 0 && errno == ENOENT)
		SKIP(return, "%s is not there: no dmademo driver", DEVICE);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, demo_info(self->fd, &self->info));
	if (is_direct(self->fd, &self->info))
		SKIP(return, "needs the custom DMA ops");
	self->shared = mmap(NULL, page_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			    -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->shared);
}

FIXTURE_TEARDOWN(isolation)
{
	close(self->fd);
}

/* --- what is in memory -------------------------------------------------------- */

/* Small and large blocks, and more than a block; so many bytes at most. */
#define LARGEST (6 * MIB)

static uint64_t pick_bytes(uint64_t most)
{
	const int kind = rand() % 16;
	const uint64_t pages = 1 + (kind < 13 ? rand() % 32 : kind < 15 ? 512 + rand() % 8 :
				    rand() % 512 + 1024);

	return pages * page_size < most ? pages * page_size : page_size;
}

/*
 * Keeps all memory but some MiB, and has a part of that now and then, so that freed
 * memory is somebody else's soon.  Ends with the test.
 */
static pid_t start_hog(unsigned int *ready)
{
	uint64_t bytes, i, part = 16 * MIB;
	unsigned char *p;
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	write_file("/proc/self/oom_score_adj", "1000");
	bytes = demo_proc_bytes("/proc/meminfo", "MemAvailable");
	bytes += demo_proc_bytes("/proc/meminfo", "SwapFree") / 4 * 3;
	bytes = bytes > 64 * MIB ? (bytes - 64 * MIB) / page_size * page_size : 0;
	p = mmap(NULL, bytes + part, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		_exit(1);
	/* That takes long page by page. */
	madvise(p + part, bytes, MADV_HUGEPAGE);
	for (i = 0; i < bytes; i += page_size)
		p[part + i] = 0xbb;
	for (;;) {
		memset(p, 0xbb, part);
		madvise(p, part, MADV_DONTNEED);
		__atomic_fetch_add(ready, 1, __ATOMIC_RELAXED);
	}
}

#define OLD 12

/* What was freed while it was mapped, all of it filled with a value. */
struct old {
	unsigned char *p;
	uint64_t bytes;
	unsigned char value;
};

/* What has to happen meanwhile, if there is swap space or a CMA area. */
static const char * const event_names[] = { "pswpout", "pgmigrate_success", "cma_alloc_success" };

/* A new buffer has only zeros, for the CPU and for the device; an old mapping what it had. */
TEST_F_TIMEOUT(isolation, canary, 7200)
{
	const unsigned int cycles = number_of("DMADEMO_CYCLES", 100);
	unsigned int i, none = 0, page;
	struct dmademo_alloc alloc;
	struct old olds[OLD] = {}, *old;
	unsigned char *zeros = calloc(1, LARGEST), *p;
	uint32_t crc;
	uint64_t events[ARRAY_SIZE(event_names)];
	pid_t hog;
	int ret;

	for (i = 0; i < ARRAY_SIZE(events); i++)
		events[i] = read_number("/proc/vmstat", event_names[i]);
	hog = start_hog(self->shared);
	ASSERT_LT(0, hog);
	while (!__atomic_load_n(self->shared, __ATOMIC_RELAXED) && is_alive(hog))
		usleep(10000);
	srand(cycles);
	for (i = 0; i < cycles; i++) {
		if (i % 32 == 0)
			write_file("/proc/sys/vm/compact_memory", "1");
		old = &olds[rand() % OLD];
		if (old->p) {
			ASSERT_TRUE(is_filled(old->p, old->value, old->bytes));
			ASSERT_EQ(0, munmap(old->p, old->bytes));
			old->p = NULL;
		}
		ret = demo_alloc_flags(self->fd, pick_bytes(LARGEST), variant->flags, &alloc);
		if (ret) {
			ASSERT_TRUE(ret == -ENOMEM || ret == -EDQUOT);
			none++;
			continue;
		}
		/* First the device: a mapping might bring zeros. */
		page = rand() % (alloc.bytes / page_size);
		ASSERT_EQ(0, demo_crc32(self->fd, alloc.handle, page * page_size, page_size, &crc));
		ASSERT_EQ(demo_cpu_crc32(zeros, page_size), crc);
		p = map(self->fd, &alloc);
		ASSERT_NE(NULL, p);
		ASSERT_EQ(0, memcmp(p, zeros, alloc.bytes));
		*old = (struct old){ p, alloc.bytes, 1 + rand() % 0x7f };
		if (rand() % 2) {
			memset(p, old->value, alloc.bytes);
			ASSERT_EQ(0, demo_sync(self->fd, alloc.handle, DMADEMO_SYNC_FOR_DEVICE, 0,
					       alloc.bytes));
		} else {
			ASSERT_EQ(0, demo_fill(self->fd, alloc.handle, 0, alloc.bytes, old->value));
			ASSERT_EQ(0, demo_sync(self->fd, alloc.handle, DMADEMO_SYNC_FOR_CPU, 0,
					       alloc.bytes));
		}
		ASSERT_EQ(0, demo_free(self->fd, alloc.handle));
	}
	for (old = olds; old < olds + OLD; old++)
		ASSERT_TRUE(!old->p || is_filled(old->p, old->value, old->bytes));
	/* Even if the OOM killer had to have it. */
	TH_LOG("%u buffers, and %u times no memory; memory of others was written %u times%s",
	       cycles - none, none, *self->shared, is_alive(hog) ? "" : " until it was out");
	for (i = 0; i < ARRAY_SIZE(events); i++)
		TH_LOG("%s: %llu", event_names[i], (unsigned long long)
		       (read_number("/proc/vmstat", event_names[i]) - events[i]));
	EXPECT_LT(none, cycles / 2);
	kill(hog, SIGKILL);
	end_of(hog);
}

/* --- how much of it there is -------------------------------------------------- */

/* A FIXTURE of its own, as memory of which kind does not matter. */
FIXTURE(limit) {
	int fd;
	struct dmademo_info info;
	uint64_t most;		/* bytes of all buffers that there may be */
	/* With children: */
	struct {
		unsigned int full, chunks, go;
	} *shared;
};

#define CHUNK ((uint64_t)1 << 20)

FIXTURE_SETUP(limit)
{
	page_size = sysconf(_SC_PAGESIZE);
	self->fd = open(DEVICE, O_RDWR);
	if (self->fd < 0 && errno == ENOENT)
		SKIP(return, "%s is not there: no dmademo driver", DEVICE);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, demo_info(self->fd, &self->info));
	if (is_direct(self->fd, &self->info))
		SKIP(return, "needs the custom DMA ops");
	self->most = (self->info.max_device_bytes - self->info.buffer_bytes) / CHUNK * CHUNK;
	self->shared = mmap(NULL, page_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			    -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->shared);
}

FIXTURE_TEARDOWN(limit)
{
	close(self->fd);
}

/* Wants all that there is, frees some, and wants that back; ends if not the limit stops it. */
static void be_greedy(FIXTURE_DATA(limit) * self, int error)
{
	static struct dmademo_alloc allocs[4096];
	unsigned int nr = 0, full = 0, i;
	int ret;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (become_nobody())
		_exit(255);
	while (!__atomic_load_n(&self->shared->go, __ATOMIC_ACQUIRE))
		usleep(1000);
	for (;;) {
		ret = nr < ARRAY_SIZE(allocs) ? demo_alloc(self->fd, CHUNK, &allocs[nr]) : error;
		if (!ret) {
			__atomic_fetch_add(&self->shared->chunks, 1, __ATOMIC_ACQ_REL);
			nr++;
			continue;
		}
		if (ret != error)
			_exit(-ret);
		if (!full++)
			__atomic_fetch_add(&self->shared->full, 1, __ATOMIC_ACQ_REL);
		for (i = 0; i < 2 && nr; i++) {
			__atomic_fetch_sub(&self->shared->chunks, 1, __ATOMIC_ACQ_REL);
			ret = demo_free(self->fd, allocs[--nr].handle);
			if (ret)
				_exit(-ret);
		}
	}
}

static unsigned int now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Others have an open(), a mapping and a transfer: how soon is for the reader to judge. */
static void check_others(struct __test_metadata *_metadata, FIXTURE_DATA(limit) * self)
{
	const struct sched_param first = { .sched_priority = 1 }, last = {};
	const bool is_first = !sched_setscheduler(0, SCHED_FIFO, &first);
	const struct dmademo_alloc own = { .bytes = self->info.buffer_bytes };
	unsigned int i, ms, most = 0;
	unsigned char *p;
	int fd;

	alarm(STUCK);
	for (i = 0; i < 10; i++) {
		ms = now_ms();
		fd = open(DEVICE, O_RDWR);
		ASSERT_LE(0, fd);
		if (own.bytes) {
			p = map(fd, &own);
			ASSERT_NE(NULL, p);
			ASSERT_EQ(0, demo_fill(fd, 0, 0, own.bytes, i));
			ASSERT_EQ(i, p[own.bytes - 1]);
			ASSERT_EQ(0, munmap(p, own.bytes));
		}
		ASSERT_EQ(0, close(fd));
		ms = now_ms() - ms;
		most = ms > most ? ms : most;
	}
	alarm(0);
	sched_setscheduler(0, SCHED_OTHER, &last);
	TH_LOG("others had an open(), mmap() and transfer in %u ms at most%s", most,
	       is_first ? ", once they had the CPU" : "");
}

static void start_greedy(struct __test_metadata *_metadata, FIXTURE_DATA(limit) * self,
			 pid_t *pid, unsigned int nr, int error, const char *cgroup)
{
	char text[16];
	unsigned int i;

	for (i = 0; i < nr; i++) {
		close(self->fd);
		self->fd = open(DEVICE, O_RDWR);
		ASSERT_LE(0, self->fd);
		pid[i] = fork();
		if (!pid[i])
			be_greedy(self, error);
		ASSERT_LT(0, pid[i]);
		snprintf(text, sizeof(text), "%d", pid[i]);
		if (cgroup)
			ASSERT_EQ(0, write_file(cgroup, text));
	}
	close(self->fd);
	__atomic_store_n(&self->shared->go, 1, __ATOMIC_RELEASE);
}

/* All that there may be is there for one who comes after them. */
static void check_all_is_free(struct __test_metadata *_metadata, FIXTURE_DATA(limit) * self)
{
	struct dmademo_alloc alloc;
	uint64_t bytes = 0;
	int ret;

	self->fd = open(DEVICE, O_RDWR);
	ASSERT_LE(0, self->fd);
	while (!(ret = demo_alloc(self->fd, CHUNK, &alloc)))
		bytes += alloc.bytes;
	EXPECT_EQ(-EDQUOT, ret);
	EXPECT_EQ(self->most, bytes);
}

#define MOST_PROCESSES 1000

TEST_F_TIMEOUT(limit, of_the_driver, 7200)
{
	const unsigned int nr = number_of("DMADEMO_PROCESSES", 20);
	unsigned int i, chunks, ms;
	pid_t pid[MOST_PROCESSES];

	ASSERT_GE(MOST_PROCESSES, nr);
	if (self->most > demo_free_memory() / 2)
		SKIP(return, "needs a lower limit, dmademo.max_device_bytes=");
	start_greedy(_metadata, self, pid, nr, -EDQUOT, NULL);
	/* Each of them has found its limit, and frees and allocates from then on. */
	while (__atomic_load_n(&self->shared->full, __ATOMIC_ACQUIRE) < nr) {
		for (i = 0; i < nr; i++)
			ASSERT_TRUE(is_alive(pid[i]));
		usleep(10000);
	}
	for (i = 0; i < 100; i++) {
		/* They count later what they have got, and earlier what they free. */
		chunks = __atomic_load_n(&self->shared->chunks, __ATOMIC_ACQUIRE);
		ASSERT_GE(self->most / CHUNK, chunks);
		usleep(1000);
	}
	check_others(_metadata, self);
	if (!geteuid()) {
		ms = now_ms();
		alarm(STUCK);
		ASSERT_EQ(0, unbind_driver());
		TH_LOG("unbind in %u ms", now_ms() - ms);
		ASSERT_EQ(0, bind_driver());
		alarm(0);
		/* What they wanted is gone. */
		for (i = 0; i < nr; i++)
			EXPECT_EQ(ENODEV, end_of(pid[i]));
	}
	for (i = 0; geteuid() && i < nr; i++)
		ASSERT_EQ(0, kill(pid[i], SIGKILL));
	for (i = 0; geteuid() && i < nr; i++)
		ASSERT_EQ(-SIGKILL, end_of(pid[i]));
	check_all_is_free(_metadata, self);
}

/* They may be killed, nobody else, and together they have no more than their group. */
TEST_F_TIMEOUT(limit, of_a_cgroup, 7200)
{
	const unsigned int nr = number_of("DMADEMO_PROCESSES", 20), limit = 48 * MIB;
	unsigned int i, alive = nr, killed = 0, other = 0, hit = 0;
	pid_t pid[MOST_PROCESSES];
	char text[16];
	int end;

	ASSERT_GE(MOST_PROCESSES, nr);
	if (geteuid())
		SKIP(return, "needs root");
	if (2 * limit > self->most)
		SKIP(return, "needs a higher limit, dmademo.max_device_bytes=");
	snprintf(text, sizeof(text), "%u", limit);
	/* Those of the root are there for whoever asks for it. */
	if (make_cgroup() || (access(CGROUP "memory.max", F_OK) &&
			      write_file("cgroup.subtree_control", "+memory")) ||
	    write_file(CGROUP "memory.max", text))
		SKIP(return, "needs cgroup2 with a memory controller");
	start_greedy(_metadata, self, pid, nr, -ENOMEM, CGROUP "cgroup.procs");
	for (i = 0; i < 100 || (!hit && i < 10000); i++) {
		/* What does not fit is counted for a moment, too. */
		ASSERT_GE(limit + nr * CHUNK, read_number(CGROUP "memory.current", ""));
		hit = read_number(CGROUP "memory.events", "max");
		usleep(10000);
	}
	EXPECT_LT(0, hit);
	EXPECT_GE(limit + CHUNK, read_number(CGROUP "memory.peak", ""));
	/* There is enough for others. */
	check_others(_metadata, self);
	for (i = 0; i < nr; i++)
		kill(pid[i], SIGTERM);
	for (i = 0; i < nr; i++) {
		end = end_of(pid[i]);
		alive -= end != -SIGTERM;
		killed += end == -SIGKILL;
		other += end != -SIGTERM && end != -SIGKILL;
	}
	TH_LOG("%u at work to the end, %u out of memory; the limit was hit %u times", alive, killed,
	       hit);
	EXPECT_EQ(0, other);
	EXPECT_LE(killed, read_number(CGROUP "memory.events", "oom_kill"));
	remove_cgroup();
	check_all_is_free(_metadata, self);
}

TEST_HARNESS_MAIN
