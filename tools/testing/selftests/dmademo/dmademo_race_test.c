// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of /dev/dmademo0: two calls at the same time, on two CPUs.  In each round a
 * thread makes one of them and another thread the other one.  In some rounds one waits
 * for the other, so that the result of each order is known; in all others there must be
 * one of the two results.  What the loser had got of the buffer has to keep its contents.
 *
 * DMADEMO_ROUNDS is the number of rounds of each race (default: 100).
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <glob.h>
#include <pthread.h>
#include <sched.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "dmademo_test.h"

/* Most often so many pages, and now and then a huge page table entry and some more. */
#define FEW_PAGES 5
#define MANY_PAGES 517

enum order { AT_ONCE, A_FIRST, B_FIRST };

/* A round, and what both know of it. */
struct race {
	int fd;
	struct dmademo_alloc alloc;
	unsigned char value;	/* that the buffer is full of */
	unsigned char *early;	/* a mapping from before, or NULL */
	/* What B has got: */
	int file;		/* an open file or a dma-buf, or -1 */
	unsigned char *late;	/* a mapping, or NULL */
	int pipe[2];		/* with @spliced bytes of a buffer */
	size_t spliced;
	/* Number of the round that was begun, and that each has done. */
	unsigned int begun, done[2], wait[2];
	enum order order;
	int (*b)(struct race *r);
	int result;		/* of B */
};

/* 0; -EFAULT if there is nothing, or -EIO if there is something else. */
static int read_pages(const unsigned char *p, size_t bytes, unsigned char value)
{
	unsigned char found;
	size_t i;

	for (i = 0; i < bytes; i += page_size / 2) {
		if (copy_signal(&found, p + i, 1))
			return -EFAULT;
		if (found != value)
			return -EIO;
	}
	return 0;
}

/* --- what A does, and B ------------------------------------------------------- */

static int do_free(struct race *r)
{
	return demo_free(r->fd, r->alloc.handle);
}

static int do_munmap(struct race *r)
{
	return munmap(r->early, r->alloc.bytes) ? -errno : 0;
}

static int do_munmap_and_free(struct race *r)
{
	return do_munmap(r) ?: do_free(r);
}

static int do_unbind(struct race *r)
{
	return unbind_driver();
}

static int do_mmap(struct race *r)
{
	r->late = map(r->fd, &r->alloc);
	return r->late ? 0 : -errno;
}

static int do_export(struct race *r)
{
	r->file = demo_export(r->fd, r->alloc.handle);
	return r->file < 0 ? r->file : 0;
}

static int do_fault(struct race *r)
{
	return read_pages(r->early, r->alloc.bytes, r->value);
}

/* References of a pipe. */
static int do_splice(struct race *r)
{
	struct iovec from = { r->early + page_size, page_size };
	ssize_t ret = vmsplice(r->pipe[1], &from, 1, 0);

	r->spliced = ret > 0 ? ret : 0;
	return ret < 0 ? -errno : 0;
}

/* Pages that are pinned for the device. */
static int do_pin(struct race *r)
{
	struct dmademo_run run = {
		.op = DMADEMO_OP_CRC32, .flags = DMADEMO_RUN_SRC_USER, .length = page_size,
		.src_offset = (uintptr_t)r->early + page_size,
	};
	int ret = demo_call(r->fd, DMADEMO_IOC_RUN, &run);
	unsigned char want[page_size];

	memset(want, r->value, page_size);
	return ret ?: run.value == demo_cpu_crc32(want, page_size) ? 0 : -EIO;
}

static int do_run(struct race *r)
{
	return demo_fill(r->fd, r->alloc.handle, 0, r->alloc.bytes, r->value);
}

static int do_sync(struct race *r)
{
	return demo_sync(r->fd, r->alloc.handle, DMADEMO_SYNC_FOR_CPU, 0, r->alloc.bytes);
}

static int do_alloc(struct race *r)
{
	struct dmademo_alloc alloc;

	return demo_alloc(r->fd, r->alloc.bytes, &alloc);
}

/* Its node goes first. */
static int do_open(struct race *r)
{
	r->file = open(DEVICE, O_RDWR);
	return r->file >= 0 ? 0 : errno == ENOENT ? -ENODEV : -errno;
}

static int do_close(struct race *r)
{
	int ret = close(r->fd) ? -errno : 0;

	r->fd = -1;
	return ret;
}

/* 0 if the list of buffers has that one, -ENOENT if not. */
static int do_list(struct race *r)
{
	char path[128], line[128], want[32];
	int ret = -ENOENT;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/debug/dma_custom/platform:%s/buffers", NAME);
	snprintf(want, sizeof(want), " %llu ", (unsigned long long)r->alloc.bytes);
	f = fopen(path, "r");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (!strchr(line, '\n'))
			ret = -EIO;
		else if (strstr(line, want))
			ret = 0;
	}
	fclose(f);
	return ret;
}

/* --- rounds ------------------------------------------------------------------ */

FIXTURE(race) {
	struct race r;
	struct dmademo_info info;
	pthread_t thread;
};

FIXTURE_VARIANT(race) {
	int (*a)(struct race *r), (*b)(struct race *r);
	int late;		/* what B comes to after A */
	bool maps;		/* the buffer is mapped before */
	bool pins;
};

FIXTURE_VARIANT_ADD(race, free_and_mmap) { do_free, do_mmap, -ENXIO };
FIXTURE_VARIANT_ADD(race, free_and_export) { do_free, do_export, -ENOENT };
FIXTURE_VARIANT_ADD(race, free_and_fault) { do_free, do_fault, 0, .maps = true };

FIXTURE_VARIANT_ADD(race, free_and_splice) {
	do_munmap_and_free, do_splice, -EFAULT, .maps = true, .pins = true
};

FIXTURE_VARIANT_ADD(race, free_and_pin) {
	do_munmap_and_free, do_pin, -EFAULT, .maps = true, .pins = true
};

FIXTURE_VARIANT_ADD(race, free_and_run) { do_free, do_run, -ENOENT };
FIXTURE_VARIANT_ADD(race, free_and_sync) { do_free, do_sync, -ENOENT };
FIXTURE_VARIANT_ADD(race, free_and_free) { do_free, do_free, -ENOENT };
FIXTURE_VARIANT_ADD(race, free_and_list) { do_free, do_list, -ENOENT };
FIXTURE_VARIANT_ADD(race, munmap_and_fault) { do_munmap, do_fault, -EFAULT, .maps = true };

FIXTURE_VARIANT_ADD(race, munmap_and_splice) {
	do_munmap, do_splice, -EFAULT, .maps = true, .pins = true
};

FIXTURE_VARIANT_ADD(race, unbind_and_open) { do_unbind, do_open, -ENODEV };
FIXTURE_VARIANT_ADD(race, unbind_and_close) { do_unbind, do_close, 0, .maps = true };
FIXTURE_VARIANT_ADD(race, unbind_and_alloc) { do_unbind, do_alloc, -ENODEV };
FIXTURE_VARIANT_ADD(race, unbind_and_free) { do_unbind, do_free, -ENODEV, .maps = true };
FIXTURE_VARIANT_ADD(race, unbind_and_mmap) { do_unbind, do_mmap, -ENODEV };
FIXTURE_VARIANT_ADD(race, unbind_and_fault) { do_unbind, do_fault, 0, .maps = true };

FIXTURE_VARIANT_ADD(race, unbind_and_pin) {
	do_unbind, do_pin, -ENODEV, .maps = true, .pins = true
};

FIXTURE_VARIANT_ADD(race, unbind_and_run) { do_unbind, do_run, -ENODEV };
FIXTURE_VARIANT_ADD(race, unbind_and_export) { do_unbind, do_export, -ENODEV };
FIXTURE_VARIANT_ADD(race, unbind_and_list) { do_unbind, do_list, -ENOENT };

FIXTURE_SETUP(race)
{
	page_size = sysconf(_SC_PAGESIZE);
	self->r.fd = open(DEVICE, O_RDWR);
	if (self->r.fd < 0 && errno == ENOENT)
		SKIP(return, "%s is not there: no dmademo driver", DEVICE);
	ASSERT_LE(0, self->r.fd);
	ASSERT_EQ(0, demo_info(self->r.fd, &self->info));
	if (is_direct(self->r.fd, &self->info) || !(self->info.flags & DMADEMO_INFO_COHERENT))
		SKIP(return, "needs the custom DMA ops, and a device that is cache coherent");
	if (variant->pins && self->info.mmap_mode == DMADEMO_MMAP_PFN)
		SKIP(return, "mappings by page frame numbers cannot be pinned");
	if (variant->pins && demo_proc_bytes("/proc/meminfo", "CmaTotal"))
		SKIP(return, "memory may be of a CMA area, which cannot be pinned");
	if (variant->a == do_unbind && geteuid())
		SKIP(return, "needs root");
	if (variant->b == do_list && (geteuid() || access("/sys/kernel/debug/dma_custom", R_OK)))
		SKIP(return, "needs debugfs, and root");
	catch_signals();
	ASSERT_EQ(0, pipe(self->r.pipe));
}

FIXTURE_TEARDOWN(race)
{
	if (variant->a == do_unbind && !is_bound())
		EXPECT_EQ(0, bind_driver());
}

/* For the next one who is soon there. */
static void wait_for(unsigned int *what, unsigned int round)
{
	unsigned int i;

	for (i = 0; __atomic_load_n(what, __ATOMIC_ACQUIRE) != round; i++)
		if (i > 1 << 20)
			sched_yield();
}

static void wait_a_bit(unsigned int loops)
{
	while (loops--)
		asm volatile("" ::: "memory");
}

/*
 * Who ended first begins later the next time, so that they stay close: by more each time
 * until it is the other one, and then by less.
 */
static void adapt(int *lead, int *step, bool b_was_first)
{
	if (b_was_first == (*step < 0))
		*step = abs(*step) < 1 << 20 ? *step * 2 : *step;
	else
		*step = abs(*step) > 64 ? -*step / 4 : -*step;
	if (abs(*lead + *step) < 1 << 24)
		*lead += *step;
}

static void bind_to_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	/* With one CPU, they take turns. */
	sched_setaffinity(0, sizeof(set), &set);
}

static void *be_b(void *arg)
{
	struct race *r = arg;
	unsigned int round;

	bind_to_cpu(1);
	for (round = 1;; round++) {
		wait_for(&r->begun, round);
		if (!r->b)
			return NULL;
		if (r->order == A_FIRST)
			wait_for(&r->done[0], round);
		else
			wait_a_bit(r->wait[1]);
		r->result = r->b(r);
		__atomic_store_n(&r->done[1], round, __ATOMIC_RELEASE);
	}
}

/* Another buffer, in the same memory if that was free. */
static void check_contents(struct __test_metadata *_metadata, struct race *r, bool early)
{
	const size_t bytes = r->alloc.bytes;
	unsigned char got[page_size];
	struct dmademo_alloc other;
	int ret = demo_alloc(r->fd, bytes, &other);

	/* What is mapped still counts. */
	ASSERT_TRUE(!ret || ret == -ENOMEM || ret == -EDQUOT);
	if (!ret) {
		ASSERT_EQ(0, demo_fill(r->fd, other.handle, 0, bytes, ~r->value));
		ASSERT_EQ(0, demo_free(r->fd, other.handle));
	}
	if (early) {
		ASSERT_TRUE(is_filled(r->early, r->value, bytes));
		ASSERT_EQ(0, munmap(r->early, bytes));
	}
	if (r->late) {
		ASSERT_TRUE(is_filled(r->late, r->value, bytes));
		ASSERT_EQ(0, munmap(r->late, bytes));
	}
	if (r->spliced) {
		ASSERT_EQ(page_size, read(r->pipe[0], got, page_size));
		ASSERT_TRUE(is_filled(got, r->value, page_size));
	}
}

#define ROUNDS (getenv("DMADEMO_ROUNDS") ? atoi(getenv("DMADEMO_ROUNDS")) : 100)

TEST_F_TIMEOUT(race, both_orders, 86400)
{
	const unsigned int rounds = variant->a == do_unbind ? ROUNDS / 10 + 10 : ROUNDS;
	const bool freed = variant->a == do_free || variant->a == do_munmap_and_free;
	unsigned int round, first = 0, at_once = 0;
	struct race *r = &self->r;
	uint64_t before = 0, all = 0, now;
	const struct dmademo_alloc *alloc = &r->alloc;
	int ret, lead = 0, step = 256;
	bool late, ended;

	r->b = variant->b;
	ASSERT_EQ(0, pthread_create(&self->thread, NULL, be_b, r));
	bind_to_cpu(0);
	srand(rounds);
	for (round = 1; round <= rounds; round++) {
		if (round == 10) /* what has to be set up once is */
			before = demo_free_memory();
		r->value = round;
		r->file = -1;
		r->late = NULL;
		r->spliced = 0;
		/* A size that no other buffer has. */
		ASSERT_EQ(0, demo_alloc(r->fd, (round % 61 ? FEW_PAGES : MANY_PAGES) * page_size,
					&r->alloc));
		ASSERT_EQ(0, demo_fill(r->fd, alloc->handle, 0, alloc->bytes, r->value));
		r->early = variant->maps ? map(r->fd, alloc) : NULL;
		ASSERT_EQ(variant->maps, !!r->early);
		all += alloc->bytes;

		r->order = round % 8 ? AT_ONCE : round % 16 ? A_FIRST : B_FIRST;
		r->wait[0] = rand() % 1024 + (lead > 0 ? lead : 0);
		r->wait[1] = rand() % 1024 + (lead < 0 ? -lead : 0);
		__atomic_store_n(&r->begun, round, __ATOMIC_RELEASE);
		if (r->order == B_FIRST)
			wait_for(&r->done[1], round);
		else
			wait_a_bit(r->wait[0]);
		ret = variant->a(r);
		ended = __atomic_load_n(&r->done[1], __ATOMIC_ACQUIRE) == round;
		__atomic_store_n(&r->done[0], round, __ATOMIC_RELEASE);
		wait_for(&r->done[1], round);

		ASSERT_EQ(0, r->order == B_FIRST ? r->result : r->order == A_FIRST ? ret : 0);
		if (variant->b == do_free && freed) {
			/* One of the two is too late. */
			ASSERT_EQ(-ENOENT, ret + r->result);
		} else {
			late = r->order == A_FIRST || (r->order == AT_ONCE && r->result);
			ASSERT_EQ(0, ret);
			ASSERT_EQ(late ? variant->late : 0, r->result);
		}
		/* Where the result does not tell, the end has to. */
		if (variant->late)
			ended = !r->result;
		if (r->order == AT_ONCE) {
			first += ended;
			at_once++;
			adapt(&lead, &step, ended);
		}

		if (variant->a == do_unbind) {
			if (r->fd >= 0)
				close(r->fd);
			ASSERT_EQ(0, bind_driver());
			r->fd = open(DEVICE, O_RDWR);
			ASSERT_LE(0, r->fd);
		}
		if (r->file >= 0 && variant->b == do_export && variant->a != do_unbind) {
			r->late = mmap(NULL, alloc->bytes, PROT_READ, MAP_SHARED, r->file, 0);
			ASSERT_NE(MAP_FAILED, (void *)r->late);
		}
		if (r->file >= 0)
			close(r->file);
		check_contents(_metadata, r, variant->maps && variant->a != do_munmap &&
			       variant->a != do_munmap_and_free);
		if (!freed && variant->a != do_unbind)
			ASSERT_EQ(0, demo_free(r->fd, alloc->handle));
	}
	r->b = NULL;
	__atomic_store_n(&r->begun, round, __ATOMIC_RELEASE);
	ASSERT_EQ(0, pthread_join(self->thread, NULL));
	close(r->fd);

	TH_LOG("%u rounds, of %u at once B was first in %u", rounds, at_once, first);
	/* Nothing of the buffers is left. */
	for (ret = 0; ret < 50; ret++) {
		now = demo_free_memory();
		if (!before || now + all / 4 > before)
			break;
		usleep(100000);
	}
	EXPECT_LT(before, now + all / 4 + (8 << 20));
	EXPECT_GE(!!self->info.buffer_bytes, listed_buffers());
}

/* --- memory that goes offline ------------------------------------------------- */

FIXTURE(hotplug) {
	int fd;
	glob_t blocks;
	pthread_t thread;
	bool over;
	unsigned int offline, busy, stuck; /* how often a block went, did not, or did not come */
};

FIXTURE_SETUP(hotplug)
{
	page_size = sysconf(_SC_PAGESIZE);
	if (geteuid())
		SKIP(return, "needs root");
	if (glob("/sys/devices/system/memory/memory*/state", 0, NULL, &self->blocks))
		SKIP(return, "needs memory that can go offline");
	self->fd = open(DEVICE, O_RDWR);
	if (self->fd < 0 && errno == ENOENT)
		SKIP(return, "%s is not there: no dmademo driver", DEVICE);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(hotplug)
{
	close(self->fd);
	globfree(&self->blocks);
}

/* Each block in turn.  Most have memory that cannot be moved, and stay. */
static void *be_hotplug(void *arg)
{
	FIXTURE_DATA(hotplug) * self = arg;
	size_t i;

	bind_to_cpu(1);
	for (i = 0; !__atomic_load_n(&self->over, __ATOMIC_RELAXED); i++) {
		const char *path = self->blocks.gl_pathv[i % self->blocks.gl_pathc];

		if (write_file(path, "offline"))
			self->busy++;
		else if (write_file(path, "online_kernel"))
			self->stuck++;
		else
			__atomic_fetch_add(&self->offline, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* Sets one byte of each page, which has to be what it was. */
static bool replace_bytes(unsigned char *p, size_t bytes, unsigned char old, unsigned char new)
{
	size_t i;

	for (i = 0; i < bytes && p[i] == old; i += page_size)
		p[i] = new;
	return i >= bytes;
}

/* Both isolate blocks of pages, and neither may take them from the other. */
TEST_F_TIMEOUT(hotplug, alloc_and_offline, 86400)
{
	/* More than the largest block of free memory. */
	const uint64_t bytes = ((uint64_t)4 << 20) + page_size;
	unsigned int round, none = 0;
	struct dmademo_alloc alloc;
	unsigned char *p;
	int ret;

	ASSERT_EQ(0, pthread_create(&self->thread, NULL, be_hotplug, self));
	bind_to_cpu(0);
	for (round = 0; round < ROUNDS || !__atomic_load_n(&self->offline, __ATOMIC_RELAXED);
	     round++) {
		ret = demo_alloc(self->fd, bytes, &alloc);
		if (ret) {
			ASSERT_EQ(-ENOMEM, ret);
			none++;
			continue;
		}
		p = map(self->fd, &alloc);
		ASSERT_NE(NULL, p);
		ASSERT_TRUE(replace_bytes(p, bytes, 0, 1 + round % 255));
		ASSERT_EQ(0, demo_free(self->fd, alloc.handle));
		ASSERT_TRUE(replace_bytes(p, bytes, 1 + round % 255, 0));
		ASSERT_EQ(0, munmap(p, bytes));
	}
	__atomic_store_n(&self->over, true, __ATOMIC_RELAXED);
	ASSERT_EQ(0, pthread_join(self->thread, NULL));

	TH_LOG("%u rounds, %u without memory; a block went offline %u times, and stayed %u times",
	       round, none, self->offline, self->busy);
	EXPECT_GT(round / 2, none);
	EXPECT_EQ(0, self->stuck);
}

TEST_HARNESS_MAIN
