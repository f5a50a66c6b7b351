// SPDX-License-Identifier: GPL-2.0
/*
 * What DMA buffers cost, by every way there is to have one and to map it: the
 * demo devices, each with its own, and the dma-buf heaps.
 *
 * Each figure is the least of some rounds: the first ones warm up, and an
 * interrupt may come at any time.
 */
#include <err.h>
#include <errno.h>
#include <linux/dma-heap.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include <io_uring/mini_liburing.h>

#include "dmademo_user.h"
#include "bench.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof(*(a)))
#define KIB 1024UL
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

static size_t page_size;

/* A way to have a buffer, and to map it. */
struct method {
	char name[32];
	int fd;
	bool heap;
	uint32_t flags; /* DMADEMO_ALLOC_* */
};

struct bench_buffer {
	uint64_t bytes;
	/* of a demo device */
	uint64_t bus_addr;
	uint32_t handle;
	uint64_t offset;
	/* of a heap */
	int fd;
};

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* 0 or a negative errno. */
static int get(const struct method *m, uint64_t bytes, struct bench_buffer *buf)
{
	struct dma_heap_allocation_data data = {
		.len = bytes,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	struct dmademo_alloc alloc;
	int ret;

	buf->bytes = bytes;
	if (m->heap) {
		if (ioctl(m->fd, DMA_HEAP_IOCTL_ALLOC, &data))
			return -errno;
		buf->fd = data.fd;
		buf->offset = 0;
		return 0;
	}
	ret = demo_alloc_flags(m->fd, bytes, m->flags, &alloc);
	buf->fd = m->fd;
	buf->bus_addr = alloc.bus_addr;
	buf->handle = alloc.handle;
	buf->offset = alloc.mmap_offset;
	return ret;
}

static void put(const struct method *m, const struct bench_buffer *buf)
{
	if (m->heap)
		close(buf->fd);
	else
		demo_free(m->fd, buf->handle);
}

static unsigned char *map_at(const struct bench_buffer *buf, void *address)
{
	void *p = mmap(address, buf->bytes, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_FIXED_NOREPLACE, buf->fd, buf->offset);

	if (p == MAP_FAILED)
		err(1, "cannot map a buffer of %llu bytes",
		    (unsigned long long)buf->bytes);
	return p;
}

static void touch(unsigned char *p, uint64_t bytes)
{
	uint64_t i;

	for (i = 0; i < bytes; i += page_size)
		p[i] = 1;
}

/*
 * Where nothing else is mapped: an aligned GiB and one more, so that all page
 * tables that are needed count.
 */
static void *free_address(void)
{
	char *p = mmap(NULL, 3 * GIB, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		err(1, "no room for a mapping");
	munmap(p, 3 * GIB);
	return p + GIB - (uintptr_t)p % GIB;
}

static void print(const struct method *m, const char *operation,
		  uint64_t bytes, uint64_t value, const char *unit)
{
	printf("bench: %s,%s,%llu,%llu,%s\n", m->name, operation,
	       (unsigned long long)bytes, (unsigned long long)value, unit);
}

static void least(uint64_t *value, uint64_t candidate)
{
	if (candidate < *value)
		*value = candidate;
}

static int compare(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/*
 * What one buffer holds, without what the kernel needs to know of it.  Others use
 * and free memory meanwhile: it is the median of some rounds, after one that
 * warms up, and small buffers are counted by the dozen.
 */
static uint64_t bytes_held(const struct method *m, uint64_t bytes)
{
	enum { MOST = 64, ROUNDS = 7 };
	const int wanted = bytes > MIB ? 1 : MOST;
	struct bench_buffer buf[MOST];
	int64_t held[ROUNDS];
	int round, nr;

	for (round = -1; round < ROUNDS; round++) {
		int64_t before;

		/* What was freed before may come back late, by RCU. */
		usleep(200000);
		before = demo_free_memory();
		for (nr = 0; nr < wanted; nr++)
			if (get(m, bytes, &buf[nr]))
				break;
		if (round >= 0)
			held[round] = before - demo_free_memory();
		while (nr > 0)
			put(m, &buf[--nr]);
	}
	qsort(held, ROUNDS, sizeof(*held), compare);
	return (held[ROUNDS / 2] / wanted + page_size / 2) / page_size *
		page_size;
}

/* 0, or a negative errno if there is no such buffer. */
static int bench_size(const struct method *m, uint64_t bytes)
{
	enum { ALLOC, MAP, FIRST_TOUCH, SECOND_TOUCH, UNMAP, FREE, PARTS };
	const int rounds = bytes > 64 * MIB ? 3 : 6;
	uint64_t part[PARTS];
	struct bench_buffer buf;
	void *address = free_address();
	long tables, faults;
	int round, i, ret;

	memset(part, 0xff, sizeof(part));
	for (round = 0; round < rounds; round++) {
		uint64_t t[PARTS + 1];
		unsigned char *p;

		t[0] = now();
		ret = get(m, bytes, &buf);
		if (ret)
			return ret;
		t[1] = now();
		p = map_at(&buf, address);
		t[2] = now();
		touch(p, bytes);
		t[3] = now();
		touch(p, bytes);
		t[4] = now();
		munmap(p, bytes);
		t[5] = now();
		put(m, &buf);
		t[6] = now();
		for (i = 0; i < PARTS; i++)
			least(&part[i], t[i + 1] - t[i]);
	}

	ret = get(m, bytes, &buf);
	if (ret)
		return ret;
	tables = demo_page_table_bytes();
	map_at(&buf, address);
	faults = demo_page_faults();
	touch(address, bytes);
	faults = demo_page_faults() - faults;
	tables = demo_page_table_bytes() - tables;
	munmap(address, bytes);
	put(m, &buf);

	print(m, "alloc", bytes, part[ALLOC], "ns");
	print(m, "free", bytes, part[FREE], "ns");
	print(m, "mmap", bytes, part[MAP], "ns");
	print(m, "fault_all", bytes, part[FIRST_TOUCH] - part[SECOND_TOUCH],
	      "ns");
	print(m, "munmap", bytes, part[UNMAP], "ns");
	print(m, "page_table_bytes", bytes, tables, "bytes");
	print(m, "faults", bytes, faults, "faults");
	print(m, "bytes_held", bytes, bytes_held(m, bytes), "bytes");
	return 0;
}

static void bench_sizes(const struct method *m)
{
	static const uint64_t sizes[] = {
		4 * KIB, 64 * KIB, 2 * MIB, 4 * MIB, 5 * MIB + 4 * KIB,
		64 * MIB, 512 * MIB,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		int ret = bench_size(m, sizes[i]);

		if (ret)
			print(m, "alloc", sizes[i], -ret, "errno");
	}
}

/* What the next buffer costs when there are many. */
static void bench_live(const struct method *m)
{
	static const unsigned int numbers[] = { 10, 10000 };
	const uint64_t bytes = 64 * KIB;
	struct bench_buffer *live;
	void *address = free_address();
	unsigned int i, j;

	live = calloc(10000, sizeof(*live));
	if (!live)
		err(1, "no memory");
	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		uint64_t alloc = UINT64_MAX, map = UINT64_MAX;
		uint64_t release = UINT64_MAX;
		char operation[32];
		int round, ret = 0;

		for (j = 0; j < numbers[i]; j++) {
			ret = get(m, bytes, &live[j]);
			if (ret)
				break;
		}
		for (round = 0; round < 20 && !ret; round++) {
			struct bench_buffer buf;
			uint64_t t[4];

			t[0] = now();
			ret = get(m, bytes, &buf);
			if (ret)
				break;
			t[1] = now();
			map_at(&buf, address);
			t[2] = now();
			munmap(address, bytes);
			t[3] = now();
			put(m, &buf);
			least(&alloc, t[1] - t[0]);
			least(&map, t[2] - t[1]);
			least(&release, now() - t[3]);
		}
		while (j--)
			put(m, &live[j]);
		snprintf(operation, sizeof(operation), "alloc_%u_live",
			 numbers[i]);
		print(m, operation, bytes, ret ? (uint64_t)-ret : alloc,
		      ret ? "errno" : "ns");
		if (ret)
			continue;
		snprintf(operation, sizeof(operation), "mmap_%u_live",
			 numbers[i]);
		print(m, operation, bytes, map, "ns");
		snprintf(operation, sizeof(operation), "free_%u_live",
			 numbers[i]);
		print(m, operation, bytes, release, "ns");
	}
	free(live);
}

/* What it costs one process to map a buffer that others have mapped. */
static void bench_processes(const struct method *m)
{
	static const unsigned int numbers[] = { 0, 100 };
	const uint64_t bytes = 4 * MIB;
	struct bench_buffer buf;
	void *address = free_address();
	unsigned int i, j;
	pid_t pids[100];
	int ret, round;

	ret = get(m, bytes, &buf);
	if (ret) {
		print(m, "map_and_touch", bytes, -ret, "errno");
		return;
	}
	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		uint64_t all = UINT64_MAX;
		char operation[48];
		int ready[2];

		for (j = 0; j < numbers[i]; j++) {
			char c;

			if (pipe(ready))
				err(1, "no pipe");
			pids[j] = fork();
			if (pids[j] < 0)
				err(1, "no process");
			if (!pids[j]) {
				touch(map_at(&buf, address), bytes);
				write(ready[1], "", 1);
				pause();
				_exit(0);
			}
			if (read(ready[0], &c, 1) != 1)
				errx(1, "a process could not map the buffer");
			close(ready[0]);
			close(ready[1]);
		}
		for (round = 0; round < 6; round++) {
			uint64_t start = now();

			touch(map_at(&buf, address), bytes);
			least(&all, now() - start);
			munmap(address, bytes);
		}
		for (j = 0; j < numbers[i]; j++) {
			kill(pids[j], SIGKILL);
			waitpid(pids[j], NULL, 0);
		}
		snprintf(operation, sizeof(operation),
			 "map_and_touch_beside_%u", numbers[i]);
		print(m, operation, bytes, all, "ns");
	}
	put(m, &buf);
}

/* One on the custom DMA ops, NULL if there is none. */
static const struct method *find_custom(const struct method *methods,
					unsigned int nr)
{
	for (; nr--; methods++)
		if (!strcmp(methods->name, "pages") ||
		    !strcmp(methods->name, "pfn") ||
		    !strcmp(methods->name, "huge"))
			return methods;
	return NULL;
}

/* In percent, how many of a few buffers there can be at a time. */
static void bench_success(const struct method *methods, unsigned int nr,
			  const char *operation)
{
	static const uint64_t sizes[] = { 2 * MIB, 16 * MIB, 64 * MIB };
	enum { TRIES = 4 };
	struct bench_buffer buf[TRIES];
	unsigned int i, j, worked, try;

	for (i = 0; i < nr; i++)
		for (j = 0; j < ARRAY_SIZE(sizes); j++) {
			worked = 0;
			for (try = 0; try < TRIES; try++)
				if (!get(&methods[i], sizes[j], &buf[worked]))
					worked++;
			print(&methods[i], operation, sizes[j],
			      100 * worked / TRIES, "percent");
			while (worked--)
				put(&methods[i], &buf[worked]);
		}
}

/* Memory of user space, in use, without huge pages. */
static unsigned char *small_pages(uint64_t bytes)
{
	unsigned char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
				-1, 0);

	if (p == MAP_FAILED)
		err(1, "no memory");
	madvise(p, bytes, MADV_NOHUGEPAGE);
	touch(p, bytes);
	return p;
}

/*
 * Most memory was in use, and every second page of it still is, by user space,
 * where the kernel can move it.
 */
static void bench_user_fragments(const struct method *methods, unsigned int nr)
{
	uint64_t bytes = demo_free_memory() / 4 * 3, i;
	unsigned char *p = small_pages(bytes);

	for (i = 0; i < bytes; i += 2 * page_size)
		madvise(p + i, page_size, MADV_DONTNEED);
	bench_success(methods, nr, "success_user_fragments");
	munmap(p, bytes);
}

/*
 * All memory was in use by the kernel, but for CMA areas, and one page in each
 * @spacing still is: it cannot be moved.  Buffers that leave just a page of a
 * PMD's worth, and then that page, are how to get at one there.
 */
static void bench_kernel_fragments(const struct method *methods,
				   unsigned int nr, uint64_t spacing)
{
	enum { MOST = 4096 };
	static struct bench_buffer large[MOST], page[MOST];
	static bool used[MOST];
	const uint64_t reserve = demo_proc_bytes("/proc/meminfo", "CmaFree") + 64 * MIB;
	const struct method *custom = find_custom(methods, nr);
	unsigned int nr_blocks, i, kept = 0;
	struct method where, *m = &where;
	char operation[48];

	if (!custom)
		return;
	where = *custom;
	where.flags = DMADEMO_ALLOC_BUS_ADDR;
	for (nr_blocks = 0; nr_blocks < MOST; nr_blocks++) {
		if (demo_free_memory() < reserve)
			break;
		if (get(m, 2 * MIB - page_size, &large[nr_blocks]))
			break;
		if (get(m, page_size, &page[nr_blocks])) {
			put(m, &large[nr_blocks]);
			break;
		}
	}
	memset(used, 0, sizeof(used));
	for (i = 0; i < nr_blocks; i++) {
		uint64_t place = page[i].bus_addr / spacing;

		put(m, &large[i]);
		if (place < MOST && !used[place]) {
			used[place] = true;
			page[kept++] = page[i];
		} else {
			put(m, &page[i]);
		}
	}
	snprintf(operation, sizeof(operation),
		 "success_kernel_page_in_%llu_mib",
		 (unsigned long long)(spacing / MIB));
	bench_success(methods, nr, operation);
	while (kept--)
		put(m, &page[kept]);
}

/*
 * How long it takes to find a buffer, or that there is none: most memory is in use by
 * user space, of which one page in each MiB is pinned, and every second MiB but for
 * that page is free again.
 */
static void bench_pinned(const struct method *methods, unsigned int nr)
{
	enum { MOST = 4096 };
	static struct bench_buffer rest[MOST];
	static struct iovec pinned[MOST];
	/* A watermark may be boosted to more than 100 MiB. */
	const uint64_t reserve = 256 * MIB;
	const uint64_t bytes = (demo_free_memory() - 2 * reserve) / MIB * MIB;
	const struct method *m = find_custom(methods, nr);
	unsigned int nr_pinned = bytes / MIB, nr_rest, i;
	struct bench_buffer buf;
	struct io_uring ring;
	unsigned char *p;
	uint64_t start;

	if (!m || nr_pinned > MOST || io_uring_queue_init(1, &ring, 0))
		return;
	p = small_pages(bytes);
	for (i = 0; i < nr_pinned; i++)
		pinned[i] = (struct iovec){ p + i * MIB, page_size };
	if (io_uring_register_buffers(&ring, pinned, nr_pinned))
		err(1, "cannot pin %u pages", nr_pinned);
	for (nr_rest = 0; nr_rest < MOST; nr_rest++)
		if (demo_free_memory() < reserve ||
		    get(m, 2 * MIB, &rest[nr_rest]))
			break;
	for (i = 0; i < nr_pinned; i += 2)
		madvise(p + i * MIB + page_size, MIB - page_size, MADV_DONTNEED);

	start = now();
	i = get(m, 6 * MIB, &buf);
	print(m, "alloc_beside_pinned_pages", 6 * MIB, now() - start, "ns");
	if (!i)
		put(m, &buf);
	while (nr_rest--)
		put(m, &rest[nr_rest]);
	close(ring.ring_fd);
	munmap(p, bytes);
}

static bool wanted(const char *name, char **only)
{
	if (!*only)
		return true;
	for (; *only; only++)
		if (!strcmp(name, *only))
			return true;
	return false;
}

/*
 * The demo devices, each of which has the way to map that is its place in the
 * module parameter, and the heaps.
 */
static unsigned int find_methods(struct method *methods, unsigned int max,
				 char **only)
{
	static const char * const heaps[][2] = {
		{ "heap_system", "/dev/dma_heap/system" },
		{ "heap_cma", "/dev/dma_heap/default_cma_region" },
	};
	static const char parameter[] = "/sys/module/dmademo/parameters/mmap";
	FILE *f = fopen(parameter, "re");
	char names[256] = "", path[32], *rest = names, *name;
	unsigned int nr = 0, i;
	struct method *m;

	if (!f || !fgets(names, sizeof(names), f))
		errx(1, "the dmademo driver is not loaded (modprobe dmademo)");
	fclose(f);
	names[strcspn(names, "\n")] = 0;
	for (i = 0; (name = strsep(&rest, ",")); i++) {
		m = &methods[nr];
		snprintf(path, sizeof(path), "/dev/dmademo%u", i);
		snprintf(m->name, sizeof(m->name), "%s", name);
		if (nr == max || !wanted(m->name, only))
			continue;
		m->fd = open(path, O_RDWR | O_CLOEXEC);
		if (m->fd < 0)
			err(1, "cannot open %s%s", path,
			    errno == EACCES ? ", try as root" : "");
		nr++;
	}
	for (i = 0; i < ARRAY_SIZE(heaps); i++) {
		m = &methods[nr];
		snprintf(m->name, sizeof(m->name), "%s", heaps[i][0]);
		if (nr == max || !wanted(m->name, only))
			continue;
		m->fd = open(heaps[i][1], O_RDWR | O_CLOEXEC);
		if (m->fd < 0)
			continue; /* not all kernels have it */
		m->heap = true;
		nr++;
	}
	for (; *only; only++) {
		for (i = 0; i < nr && strcmp(*only, methods[i].name); i++)
			;
		if (i == nr)
			errx(1,
			     "unknown method %s; known here: the driver's (cat %s) and those of the heaps (ls /dev/dma_heap): heap_system, heap_cma",
			     *only, parameter);
	}
	return nr;
}

void bench(char **only)
{
	struct rlimit files = { .rlim_cur = 20000, .rlim_max = 20000 };
	/* As many as the driver takes, and the heaps. */
	struct method methods[16 + 2] = {};
	unsigned int nr, i;

	page_size = sysconf(_SC_PAGESIZE);
	setlinebuf(stdout);
	/* Each buffer of a heap is a file. */
	setrlimit(RLIMIT_NOFILE, &files);
	nr = find_methods(methods, ARRAY_SIZE(methods), only);
	for (i = 0; i < nr; i++) {
		bench_sizes(&methods[i]);
		bench_live(&methods[i]);
		bench_processes(&methods[i]);
	}
	bench_user_fragments(methods, nr);
	bench_kernel_fragments(methods, nr, 32 * MIB);
	bench_kernel_fragments(methods, nr, 2 * MIB);
	bench_pinned(methods, nr);
}
