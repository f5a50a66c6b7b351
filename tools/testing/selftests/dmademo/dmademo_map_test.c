// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of mappings of /dev/dmademo0: how long they live, and what the calls that
 * change mappings do to them.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <pthread.h>

#include "kselftest_harness.h"
#include "dmademo_test.h"

#ifndef MADV_COLLAPSE /* newer than some C libraries */
#define MADV_COLLAPSE 25
#endif

#define MIB ((size_t)1 << 20)

/* With 4 KiB pages three huge entries and a ragged end. */
#define PAGES 1541

/* Large enough to be told from what else happens to free memory. */
#define BIG (128 * MIB)
#define SMALL (16 * MIB)

/* A page in the middle of a huge entry. */
#define MIDDLE 700

FIXTURE(mapping) {
	int fd;
	struct dmademo_info info;
	struct dmademo_alloc a;
	size_t size;
	unsigned char *p;
};

FIXTURE_SETUP(mapping)
{
	page_size = sysconf(_SC_PAGESIZE);
	self->size = PAGES * page_size;
	self->fd = open(DEVICE, O_RDWR);
	if (self->fd < 0 && errno == ENOENT)
		SKIP(return, "%s is not there: no dmademo driver", DEVICE);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, demo_info(self->fd, &self->info));
	if (is_direct(self->fd, &self->info))
		SKIP(return, "needs the custom DMA ops");
	ASSERT_EQ(0, demo_alloc(self->fd, self->size, &self->a));
	self->p = map(self->fd, &self->a);
	ASSERT_NE(NULL, self->p);
	number_pages(self->p, 0, PAGES);
}

FIXTURE_TEARDOWN(mapping)
{
	close(self->fd);
}

/* Lifetime. */

TEST_F(mapping, outlives_free_and_close)
{
	struct dmademo_alloc alloc;

	memset(self->p, 0x5a, self->size);
	ASSERT_EQ(0, demo_free(self->fd, self->a.handle));
	/* would get the memory, and zero it, if it were free */
	ASSERT_EQ(0, demo_alloc(self->fd, self->size, &alloc));
	EXPECT_TRUE(is_filled(self->p, 0x5a, self->size));
	close(self->fd);
	EXPECT_TRUE(is_filled(self->p, 0x5a, self->size));
}

TEST_F(mapping, holds_the_memory_until_munmap)
{
	size_t before = demo_free_memory();
	struct dmademo_alloc big;
	unsigned char *p;

	ASSERT_EQ(0, demo_alloc(self->fd, BIG, &big));
	p = map(self->fd, &big);
	ASSERT_NE(NULL, p);
	number_pages(p, 0, BIG / page_size);
	ASSERT_EQ(0, demo_free(self->fd, big.handle));
	EXPECT_GE(before - BIG + SMALL, demo_free_memory());
	EXPECT_TRUE(are_numbered(p, 0, BIG / page_size));

	/* in two parts, of which each keeps what it has to */
	ASSERT_EQ(0, munmap(p + BIG / 2 + page_size, BIG / 2 - page_size));
	EXPECT_TRUE(are_numbered(p, 0, BIG / page_size / 2 + 1));
	ASSERT_EQ(0, munmap(p, BIG / 2 + page_size));
	EXPECT_LE(before - SMALL, demo_free_memory());
}

TEST_F(mapping, holds_the_memory_until_killed)
{
	size_t before = demo_free_memory();
	struct dmademo_alloc big;
	int fds[2], fd;
	char c = 0;
	pid_t pid;

	ASSERT_EQ(0, pipe(fds));
	pid = fork();
	if (!pid) {
		fd = open(DEVICE, O_RDWR);
		if (demo_alloc(fd, BIG, &big) || !map(fd, &big) || demo_free(fd, big.handle) ||
		    close(fd) || write(fds[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	ASSERT_LT(0, pid);
	close(fds[1]);
	ASSERT_EQ(1, read(fds[0], &c, 1));
	EXPECT_GE(before - BIG + SMALL, demo_free_memory());
	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(-SIGKILL, end_of(pid));
	EXPECT_LE(before - SMALL, demo_free_memory());
}

TEST_F(mapping, child_shares_it)
{
	pid_t pid = fork();

	if (!pid) {
		self->p[page_size * MIDDLE + 9] = 7;
		_exit(!are_numbered(self->p, 0, PAGES));
	}
	EXPECT_EQ(0, end_of(pid));
	EXPECT_EQ(7, self->p[page_size * MIDDLE + 9]);
	EXPECT_TRUE(are_numbered(self->p, 0, PAGES));
}

TEST_F(mapping, child_outlives_its_parent)
{
	int fds[2], go[2];
	char verdict = 0;
	unsigned char *p;
	pid_t pid;

	ASSERT_EQ(0, munmap(self->p, self->size));
	ASSERT_EQ(0, pipe(fds) | pipe(go));
	pid = fork();
	if (!pid) {
		p = map(self->fd, &self->a);
		if (!p || fork())
			_exit(!p);
		/* the grandchild, when its parent is gone and the buffer too */
		close(self->fd);
		if (read(go[0], &verdict, 1) != 1)
			_exit(1);
		verdict = are_numbered(p, 0, PAGES) ? 'y' : 'n';
		_exit(write(fds[1], &verdict, 1) != 1);
	}
	ASSERT_EQ(0, end_of(pid));
	ASSERT_EQ(0, demo_free(self->fd, self->a.handle));
	ASSERT_EQ(1, write(go[1], "g", 1));
	close(fds[1]);
	ASSERT_EQ(1, read(fds[0], &verdict, 1));
	EXPECT_EQ('y', verdict);
}

/* What changes mappings. */

TEST_F(mapping, survives_partial_munmap)
{
	unsigned char *p = self->p;

	ASSERT_EQ(0, demo_free(self->fd, self->a.handle));
	ASSERT_EQ(0, munmap(p + MIDDLE * page_size, page_size));
	EXPECT_TRUE(are_numbered(p, 0, MIDDLE));
	EXPECT_TRUE(are_numbered(p + (MIDDLE + 1) * page_size, MIDDLE + 1, PAGES - MIDDLE - 1));
	EXPECT_EQ(SIGSEGV, read_signal(p + MIDDLE * page_size));
	ASSERT_EQ(0, munmap(p, page_size));
	ASSERT_EQ(0, munmap(p + (PAGES - 1) * page_size, page_size));
	EXPECT_TRUE(are_numbered(p + page_size, 1, MIDDLE - 1));
	EXPECT_TRUE(are_numbered(p + (MIDDLE + 1) * page_size, MIDDLE + 1, PAGES - MIDDLE - 2));
}

/* Room for @size bytes, and @shift pages beside what suits huge entries. */
static unsigned char *reserve(size_t size, size_t shift)
{
	const size_t align = 2 * MIB;
	unsigned char *p = mmap(NULL, size + 2 * align, PROT_NONE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	p += align - (uintptr_t)p % align;
	return p + shift * page_size;
}

/* Also to where nothing is aligned. */
TEST_F(mapping, moves_with_mremap)
{
	unsigned char *p = self->p, *to;
	size_t shift;

	ASSERT_EQ(0, demo_free(self->fd, self->a.handle));
	for (shift = 0; shift <= 3; shift += 3, p = to) {
		to = reserve(self->size, shift);
		ASSERT_NE(NULL, to);
		ASSERT_EQ(to, mremap(p, self->size, self->size, MREMAP_MAYMOVE | MREMAP_FIXED, to));
		EXPECT_TRUE(are_numbered(to, 0, PAGES));
		EXPECT_EQ(SIGSEGV, read_signal(p));
		EXPECT_EQ(SIGSEGV, read_signal(p + self->size - page_size));
	}
}

TEST_F(mapping, moves_in_part)
{
	unsigned char *p = self->p, *to = reserve(self->size, 0);

	ASSERT_NE(NULL, to);
	ASSERT_EQ(0, demo_free(self->fd, self->a.handle));
	ASSERT_EQ(to, mremap(p + MIDDLE * page_size, 10 * page_size, 10 * page_size,
			     MREMAP_MAYMOVE | MREMAP_FIXED, to));
	EXPECT_TRUE(are_numbered(to, MIDDLE, 10));
	EXPECT_TRUE(are_numbered(p, 0, MIDDLE));
	EXPECT_TRUE(are_numbered(p + (MIDDLE + 10) * page_size, MIDDLE + 10, PAGES - MIDDLE - 10));
	EXPECT_EQ(SIGSEGV, read_signal(p + MIDDLE * page_size));
}

TEST_F(mapping, shrinks_but_does_not_grow)
{
	EXPECT_EQ(MAP_FAILED, mremap(self->p, self->size, self->size + page_size,
				     MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	/* a second mapping of the same */
	EXPECT_EQ(MAP_FAILED, mremap(self->p, 0, self->size, MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(MAP_FAILED, mremap(self->p, self->size, self->size,
				     MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_TRUE(are_numbered(self->p, 0, PAGES));
	ASSERT_EQ(self->p, mremap(self->p, self->size, 600 * page_size, 0));
	EXPECT_TRUE(are_numbered(self->p, 0, 600));
	EXPECT_EQ(SIGSEGV, read_signal(self->p + 600 * page_size));
}

TEST_F(mapping, mprotect)
{
	unsigned char *p = self->p, *part = p + MIDDLE * page_size;

	ASSERT_EQ(0, mprotect(p, self->size, PROT_READ));
	EXPECT_EQ(SIGSEGV, write_signal(p));
	EXPECT_TRUE(are_numbered(p, 0, PAGES));
	ASSERT_EQ(0, mprotect(p, self->size, PROT_READ | PROT_WRITE));
	number_pages(p, 5, PAGES);

	ASSERT_EQ(0, mprotect(part, 10 * page_size, PROT_READ));
	EXPECT_TRUE(are_numbered(p, 5, PAGES));
	EXPECT_EQ(SIGSEGV, write_signal(part));
	EXPECT_EQ(SIGSEGV, write_signal(part + 9 * page_size));
	EXPECT_EQ(0, write_signal(part - page_size));
	EXPECT_EQ(0, write_signal(part + 10 * page_size));

	ASSERT_EQ(0, mprotect(part, 10 * page_size, PROT_NONE));
	EXPECT_EQ(SIGSEGV, read_signal(part));
	ASSERT_EQ(0, mprotect(part, 10 * page_size, PROT_READ | PROT_WRITE));
	number_pages(p, 7, PAGES);
	EXPECT_TRUE(are_numbered(p, 7, PAGES));
}

TEST_F(mapping, madvise_dontneed)
{
	int ret = madvise(self->p, self->size, MADV_DONTNEED);

	if (self->info.mmap_mode == DMADEMO_MMAP_PFN) {
		EXPECT_EQ(-1, ret);
		EXPECT_EQ(EINVAL, errno);
	} else {
		/* The entries are gone, and nobody brings them back. */
		EXPECT_EQ(0, ret);
		EXPECT_EQ(SIGBUS, read_signal(self->p));
		munmap(self->p, self->size);
		self->p = map(self->fd, &self->a);
		ASSERT_NE(NULL, self->p);
	}
	EXPECT_TRUE(are_numbered(self->p, 0, PAGES));
}

TEST_F(mapping, madvise_others)
{
	static const int advice[] = {
		MADV_FREE, MADV_REMOVE, MADV_PAGEOUT, MADV_COLD, MADV_WILLNEED, MADV_HUGEPAGE,
		MADV_NOHUGEPAGE, MADV_COLLAPSE, MADV_POPULATE_WRITE, MADV_MERGEABLE, MADV_DODUMP,
		MADV_DONTFORK,
	};
	size_t i;

	/* Whatever these say, they must not touch the contents. */
	for (i = 0; i < ARRAY_SIZE(advice); i++) {
		madvise(self->p, self->size, advice[i]);
		EXPECT_TRUE(are_numbered(self->p, 0, PAGES))
			TH_LOG("after advice %d", advice[i]);
	}
}

TEST_F(mapping, of_a_file_opened_for_reading)
{
	int fd = open(DEVICE, O_RDONLY);
	struct dmademo_alloc a;
	unsigned char *p;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, demo_alloc(fd, self->size, &a));
	EXPECT_EQ(NULL, map(fd, &a));
	EXPECT_EQ(EACCES, errno);
	p = mmap(NULL, self->size, PROT_READ, MAP_SHARED, fd, a.mmap_offset);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_TRUE(is_filled(p, 0, self->size));
	EXPECT_EQ(-1, mprotect(p, self->size, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	close(fd);
}

TEST_F(mapping, can_be_executed)
{
#if defined(__x86_64__)
	static const unsigned char code[] = {
		0xb8, 42, 0, 0, 0,	/* mov $42, %eax */
		0xc3,			/* ret */
	};
#elif defined(__aarch64__)
	static const uint32_t code[] = {
		0x52800540,		/* mov w0, #42 */
		0xd65f03c0,		/* ret */
	};
#else
	static const unsigned char code[1];

	SKIP(return, "knows no machine code for this machine");
#endif
	unsigned char *p;

	/* arm64 has page faults for ever where code is in uncached memory. */
	if (!(self->info.flags & DMADEMO_INFO_COHERENT))
		return;
	p = mmap(NULL, self->size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED, self->fd,
		 self->a.mmap_offset);
	if (p == MAP_FAILED && errno == EPERM)
		SKIP(return, "/dev is mounted noexec");
	ASSERT_NE(MAP_FAILED, p);
	memcpy(p + page_size, code, sizeof(code));
	__builtin___clear_cache((char *)p + page_size,
				(char *)p + page_size + sizeof(code));
	EXPECT_EQ(42, ((int (*)(void))(p + page_size))());
}

/* No memory shows that is not the buffer's own. */
TEST_F(mapping, shows_nothing_old)
{
	static const size_t sizes[] = { 1, 4097, 5 * 4096 + 1, 65537, 2 * MIB + 1, 5 * MIB };
	const size_t nr = ARRAY_SIZE(sizes);
	struct dmademo_alloc a[16];
	unsigned char *p;
	size_t i, n;

	/* Leave something to be found, with the same sizes and others. */
	for (n = 0; n < 2; n++) {
		for (i = 0; i < 16; i++) {
			ASSERT_EQ(0, demo_alloc(self->fd, sizes[(i + n) % nr], &a[i]));
			p = map(self->fd, &a[i]);
			ASSERT_NE(NULL, p);
			EXPECT_TRUE(is_filled(p, 0, a[i].bytes));
			memset(p, 0xa5, a[i].bytes);
			ASSERT_EQ(0, munmap(p, a[i].bytes));
		}
		for (i = 0; i < 16; i++)
			ASSERT_EQ(0, demo_free(self->fd, a[i].handle));
	}
}

static int is_zeroed_in_each_page(const unsigned char *p, size_t size)
{
	size_t i;

	for (i = 0; i < size && !p[i]; i += page_size)
		;
	return i >= size;
}

/* What it costs, in faults and page tables. */
TEST_F(mapping, faults_and_page_tables)
{
	const size_t size = 64 * MIB, gib = 1024 * MIB;
	size_t tables = demo_page_table_bytes(), spanned;
	struct dmademo_alloc a;
	unsigned char *p;
	long faults;

	ASSERT_EQ(0, demo_alloc(self->fd, size, &a));
	p = map(self->fd, &a);
	ASSERT_NE(NULL, p);
	spanned = ((uintptr_t)p + size - 1) / gib - (uintptr_t)p / gib + 1;
	/* These have faults of their own the first time. */
	EXPECT_TRUE(is_zeroed_in_each_page(self->p, page_size));
	demo_page_faults();
	faults = demo_page_faults();
	/* Reads, as some machines have a fault for the first write. */
	EXPECT_TRUE(is_zeroed_in_each_page(p, size));
	faults = demo_page_faults() - faults;
	tables = demo_page_table_bytes() - tables;
	TH_LOG("%ld faults, %zu bytes of page tables", faults, tables);
	EXPECT_EQ(0, faults);
	EXPECT_TRUE(self->info.mmap_mode == DMADEMO_MMAP_HUGE ?
		    tables <= (spanned + 1) * page_size :
		    tables >= size / page_size * sizeof(long));
}

struct race {
	unsigned char *p;
	int stop, wrong;
};

static void *race_reader(void *arg)
{
	struct race *race = arg;

	while (!__atomic_load_n(&race->stop, __ATOMIC_RELAXED))
		race->wrong += !are_numbered(race->p, 0, PAGES);
	return NULL;
}

TEST_F(mapping, faults_race_with_changes)
{
	struct race race = { .p = self->p };
	unsigned char *middle = self->p + MIDDLE * page_size;
	pthread_t threads[2];
	pid_t pid;
	int i;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, race_reader, &race));
	for (i = 0; i < 40; i++) {
		/* In turn with and without huge entries. */
		prctl(PR_SET_THP_DISABLE, i & 1, 0, 0, 0);
		EXPECT_EQ(0, mprotect(middle, 600 * page_size, PROT_READ));
		prctl(PR_SET_THP_DISABLE, !(i & 1), 0, 0, 0);
		EXPECT_EQ(0, mprotect(middle, 600 * page_size, PROT_READ | PROT_WRITE));
		EXPECT_EQ(0, mprotect(self->p, self->size, PROT_READ));
		EXPECT_EQ(0, mprotect(self->p, self->size, PROT_READ | PROT_WRITE));
		if (i % 8)
			continue;
		pid = fork();
		if (!pid)
			_exit(!are_numbered(self->p, 0, PAGES));
		EXPECT_EQ(0, end_of(pid));
	}
	__atomic_store_n(&race.stop, 1, __ATOMIC_RELAXED);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(0, race.wrong);
}

TEST_HARNESS_MAIN
