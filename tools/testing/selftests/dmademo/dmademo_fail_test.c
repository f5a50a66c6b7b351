// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of /dev/dmademo0 when memory is short.  Each call is made again and again, and
 * each time the next site in the kernel fails that can be made to: an allocation, an
 * access to user memory, or an operation of the custom DMA ops.  The call works all the
 * same, or it returns an error that is documented, and nothing has changed.
 *
 * They need root and a kernel with fault injection, see the file config.  Whether
 * objects of the kernel are lost for good is for kmemleak to say, when the module has
 * been unloaded; that buffers are not is seen here.
 *
 * DMADEMO_DISK names a block device whose first MiB may be overwritten.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64

#include "kselftest_harness.h"
#include "dmademo_fail.h"

#define MIB ((size_t)1 << 20)
#define GIB ((uintptr_t)1 << 30)

/* Of user memory, to be mapped as a scatterlist. */
#define USER_PAGES 3

/* So many runs in a row that had too few sites end a walk. */
#define PASSES 3

/* Less than a large buffer, and more than what is not in use otherwise varies by. */
#define LOSS (4L << 20)

struct context {
	struct injection inj;
	int fd;
	struct dmademo_info info;
	uint32_t flags;		/* of buffers */
	size_t size;		/* of a buffer */
	struct dmademo_alloc a;
	unsigned char *p;	/* where it is mapped */
	unsigned char *user;	/* memory for two sides of a transfer, */
	size_t length;		/* and how much of that is copied */
	void *hint;		/* where there are no page tables */
	/* What a step has made, for undo(). */
	int new_fd, dmabuf;	/* or -1 */
	struct dmademo_alloc b;	/* with a handle if it is there */
	unsigned char *q;	/* a mapping, or NULL */
	int hole;		/* in that, a page in the middle */
	pid_t pid;
	int unbound;		/* the device has to be */
};

/* Both return 0 or a negative errno. */
struct step {
	const char *name;
	int (*prepare)(struct context *c);
	int (*run)(struct context *c);	/* with a failure */
	unsigned int least;		/* sites that there are on any machine */
	int errnos[4];			/* that are documented */
};

static int is_documented(const struct step *step, int ret)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(step->errnos); i++)
		if (ret == -step->errnos[i])
			return 1;
	return !ret;
}

/* All of it is mapped, and the data are there. */
static int is_mapped(unsigned char *p, size_t from, size_t to)
{
	return are_numbered(p + from, from / page_size, (to - from) / page_size);
}

/* A page that has others on both sides, in a large buffer of the same huge entry. */
static size_t middle(const struct context *c)
{
	return c->size / page_size / 2 * page_size - (c->size > 2 * MIB ? MIB / 2 : 0);
}

/* Whether the step has failed or not; -EIO if something is not as it should be. */
static int undo(struct context *c)
{
	const size_t part = middle(c);
	int ret = 0;

	if (c->pid > 0 && end_of(c->pid))
		ret = -EIO;
	if (c->q && (!is_mapped(c->q, 0, part) ||
		     !is_mapped(c->q, part + c->hole * page_size, c->size)))
		ret = -EIO;
	if (c->q && munmap(c->q, c->size))
		ret = -errno;
	if (c->dmabuf >= 0)
		close(c->dmabuf);
	if (c->b.handle)
		ret = demo_free(c->fd, c->b.handle) ?: ret;
	if (c->new_fd >= 0)
		close(c->new_fd);
	c->new_fd = -1;
	c->dmabuf = -1;
	c->b.handle = 0;
	c->q = NULL;
	c->hole = 0;
	c->pid = 0;
	if (c->unbound)
		return is_bound() ? unbind_driver() : 0;
	return is_bound() ? ret : bind_driver();
}

/*
 * A step without a failure, and then with a failure of each site.  How many there are
 * varies a bit, as what one allocation leaves over the next one finds.  So it ends when
 * there were too few several times in a row, which also tells that the step works as
 * before.  Returns how many bytes of free memory it has cost.
 */
static long walk(struct __test_metadata *_metadata, struct context *c, const struct step *step)
{
	unsigned int sites = 0, injected = 0, errors = 0, passed = 0, left, nth;
	struct state prepared, start;
	long memory = 0;
	int ret;

	for (nth = 0; passed < PASSES; nth++) {
		ret = step->prepare ? step->prepare(c) : 0;
		if (ret == -EOPNOTSUPP) {
			printf("#  %s: cannot be done\n", step->name);
			return undo(c);
		}
		ASSERT_EQ(0, ret);
		if (!nth)
			prepared = look();
		arm(&c->inj, nth);
		ret = step->run(c);
		left = disarm(&c->inj);
		EXPECT_TRUE(nth && !left ? is_documented(step, ret) : !ret) {
			TH_LOG("%s, site %u: %s", step->name, nth, strerror(-ret));
		}
		if (ret)
			expect_same(_metadata, &prepared, step->name, nth);
		errors += !!ret;
		ASSERT_EQ(0, undo(c)) {
			TH_LOG("%s, site %u: %s", step->name, nth, strerror(-ret));
		}
		if (!nth) {
			start = look();
			memory = demo_free_memory();
			continue;
		}
		expect_same(_metadata, &start, step->name, nth);
		injected += !left;
		passed = left ? passed + 1 : 0;
		if (sites < nth - left)
			sites = nth - left;
	}
	memory -= demo_free_memory();
	c->unbound = 0;
	ASSERT_EQ(0, undo(c));
	printf("#  %s: sites %u, injected %u, errors %u, memory %ld KiB\n", step->name, sites,
	       injected, errors, memory / 1024);
	fflush(stdout);
	EXPECT_LE(step->least, injected);
	totals->scenarios++;
	totals->sites += sites;
	totals->injected += injected;
	return memory;
}

static int run_open(struct context *c)
{
	c->new_fd = open(DEVICE, O_RDWR);
	return c->new_fd < 0 ? -errno : 0;
}

/* dma_map_sgtable().  What is copied to has yet to be allocated. */
static int prepare_user_pages(struct context *c)
{
	c->length = USER_PAGES * page_size;
	demo_fill_pattern(c->user, c->length);
	return madvise(c->user + c->length, c->length, MADV_DONTNEED);
}

/* dma_map_page() */
static int prepare_user_page(struct context *c)
{
	int ret = prepare_user_pages(c);

	c->length = page_size;
	return ret;
}

static int run_user(struct context *c)
{
	unsigned char *dst = c->user + USER_PAGES * page_size;
	int ret = demo_copy_user(c->fd, dst, c->user, c->length);

	return !ret && memcmp(dst, c->user, c->length) ? -EIO : ret;
}

static int run_alloc(struct context *c)
{
	return demo_alloc_flags(c->fd, c->size, c->flags, &c->b);
}

static int run_free(struct context *c)
{
	int ret = demo_free(c->fd, c->b.handle);

	if (!ret)
		c->b.handle = 0;
	return ret;
}

/* If something is left of a mapping before it, it is -EEXIST. */
static int map_at_hint(struct context *c, int fd, uint64_t offset)
{
	void *q = mmap(c->hint, c->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE,
		       fd, offset);

	if (q == MAP_FAILED)
		return -errno;
	number_pages(q, 0, c->size / page_size);
	c->q = q;
	return 0;
}

static int run_map(struct context *c)
{
	return map_at_hint(c, c->fd, c->b.mmap_offset);
}

/* The mapping is what has the memory. */
static int prepare_mapped(struct context *c)
{
	return run_alloc(c) ?: run_map(c) ?: run_free(c);
}

/* And there is a part of it that is not all. */
static int prepare_split(struct context *c)
{
	return c->size == page_size ? -EOPNOTSUPP : prepare_mapped(c);
}

static int run_unmap(struct context *c)
{
	if (munmap(c->q, c->size))
		return -errno;
	c->q = NULL;
	return 0;
}

static int run_unmap_part(struct context *c)
{
	if (munmap(c->q + middle(c), page_size))
		return -errno;
	c->hole = 1;
	return 0;
}

static int run_protect_part(struct context *c)
{
	return mprotect(c->q + middle(c), page_size, PROT_READ) ? -errno : 0;
}

/* In a child, mappings do not know what memory they are of. */
static int prepare_fork(struct context *c)
{
	return c->flags ? -EOPNOTSUPP : 0;
}

static int run_fork(struct context *c)
{
	c->pid = fork();
	if (!c->pid)
		_exit(!is_mapped(c->p, 0, c->size));
	return c->pid < 0 ? -errno : 0;
}

/* Behind what numbers the first page. */
static int run_transfer(struct context *c)
{
	const size_t half = page_size / 2, quarter = page_size / 4;
	uint32_t crc;

	return demo_fill(c->fd, c->a.handle, half, quarter, 0x5a) ?:
	       demo_copy(c->fd, c->a.handle, half + quarter, c->a.handle, half, quarter) ?:
	       demo_crc32(c->fd, c->a.handle, half, half, &crc);
}

static int run_sync(struct context *c)
{
	return demo_sync(c->fd, c->a.handle, DMADEMO_SYNC_FOR_CPU, 0, c->size) ?:
	       demo_sync(c->fd, c->a.handle, DMADEMO_SYNC_FOR_DEVICE, 0, c->size);
}

/* A buffer that can be exported, and was not yet. */
static int prepare_export(struct context *c)
{
	if (!(c->info.flags & DMADEMO_INFO_COHERENT) && !(c->flags & DMADEMO_ALLOC_CACHED))
		return -EOPNOTSUPP;
	return run_alloc(c);
}

static int run_export(struct context *c)
{
	c->dmabuf = demo_export(c->fd, c->b.handle);
	return c->dmabuf < 0 ? c->dmabuf : 0;
}

/* The dma-buf is what has the memory. */
static int prepare_dmabuf(struct context *c)
{
	return prepare_export(c) ?: run_export(c) ?: run_free(c);
}

static int run_map_dmabuf(struct context *c)
{
	return map_at_hint(c, c->dmabuf, 0);
}

static int run_sync_dmabuf(struct context *c)
{
	return sync_dmabuf(c->dmabuf, DMA_BUF_SYNC_RW | DMA_BUF_SYNC_START) ?:
	       sync_dmabuf(c->dmabuf, DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END);
}

static int prepare_o_direct(struct context *c)
{
	if (c->info.mmap_mode == DMADEMO_MMAP_PFN || !getenv("DMADEMO_DISK"))
		return -EOPNOTSUPP;
	c->new_fd = open(getenv("DMADEMO_DISK"), O_RDWR | O_DIRECT);
	return c->new_fd < 0 ? -errno : 0;
}

/* It may have written a part, which is no error. */
static int run_o_direct(struct context *c)
{
	return pwrite(c->new_fd, c->p, c->size < MIB ? c->size : MIB, 0) < 0 ? -errno : 0;
}

/* A file of its own, whose buffer is mapped and, if it can be, exported. */
static int prepare_close(struct context *c)
{
	const int fd = c->fd;
	int ret = run_open(c);

	if (ret)
		return ret;
	c->fd = c->new_fd;
	ret = run_alloc(c) ?: run_map(c) ?: run_export(c);
	c->fd = fd;
	c->b.handle = 0;
	return ret == -EOPNOTSUPP ? 0 : ret;
}

static int run_close(struct context *c)
{
	int ret = close(c->new_fd) ? -errno : 0;

	c->new_fd = -1;
	return ret;
}

static int run_unbind(struct context *c __maybe_unused)
{
	return write_file(DRIVER "/unbind", NAME);
}

/*
 * It stays unbound, as to bind it again each time would take long.  What the kernel has
 * failed to put into /proc/irq it complains about when it is to remove it.
 */
static int prepare_bind(struct context *c)
{
	int ret = c->unbound ? 0 : leave_out("register_irq_proc");

	if (ret)
		return ret;
	c->unbound = 1;
	return is_bound() ? unbind_driver() : 0;
}

static int run_bind(struct context *c __maybe_unused)
{
	return write_file(DRIVER "/bind", NAME);
}

static const struct step device_steps[] = {
	{ "open", NULL, run_open, 4, { ENOMEM, EFAULT } },
	{ "transfer, user page", prepare_user_page, run_user, 6, { ENOMEM, EFAULT } },
	{ "transfer, user pages", prepare_user_pages, run_user, 6, { ENOMEM, EFAULT } },
	{ "unbind", prepare_close, run_unbind, 2, { ENOMEM, EFAULT } },
	{ "bind", prepare_bind, run_bind, 20, { ENOMEM, EFAULT } },
	{}
};

/* Nobody could call close() again, so there is nothing that it may return. */
static const struct step buffer_steps[] = {
	{ "alloc", NULL, run_alloc, 6, { ENOMEM, EFAULT } },
	{ "free", run_alloc, run_free, 1, { EFAULT } },
	{ "map", run_alloc, run_map, 4, { ENOMEM } },
	{ "unmap", prepare_mapped, run_unmap, 0, { ENOMEM } },
	{ "unmap, a part", prepare_split, run_unmap_part, 1, { ENOMEM } },
	{ "protect, a part", prepare_split, run_protect_part, 1, { ENOMEM } },
	{ "fork", prepare_fork, run_fork, 20, { ENOMEM } },
	{ "transfer", NULL, run_transfer, 6, { EFAULT } },
	{ "sync", NULL, run_sync, 2, { EFAULT } },
	{ "export", prepare_export, run_export, 6, { ENOMEM, EFAULT } },
	{ "map, dma-buf", prepare_dmabuf, run_map_dmabuf, 4, { ENOMEM } },
	{ "sync, dma-buf", prepare_dmabuf, run_sync_dmabuf, 2, { EFAULT } },
	{ "O_DIRECT", prepare_o_direct, run_o_direct, 2, { ENOMEM, EFAULT } },
	{ "close", prepare_close, run_close, 0, {} },
	{}
};

FIXTURE(fail) {
	struct context c;
};

FIXTURE_VARIANT(fail) {
	size_t size;	/* of the buffer, or 0 for calls that need none */
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(fail, device) { 0, 0 };
FIXTURE_VARIANT_ADD(fail, small_coherent) { 1, 0 };
FIXTURE_VARIANT_ADD(fail, small_cached) { 1, DMADEMO_ALLOC_CACHED };
FIXTURE_VARIANT_ADD(fail, small_write_combine) { 1, DMADEMO_ALLOC_WRITE_COMBINE };
FIXTURE_VARIANT_ADD(fail, medium_coherent) { MIB / 16, 0 };
FIXTURE_VARIANT_ADD(fail, medium_cached) { MIB / 16, DMADEMO_ALLOC_CACHED };
FIXTURE_VARIANT_ADD(fail, medium_write_combine) { MIB / 16, DMADEMO_ALLOC_WRITE_COMBINE };
FIXTURE_VARIANT_ADD(fail, large_coherent) { 6 * MIB, 0 };
FIXTURE_VARIANT_ADD(fail, large_cached) { 6 * MIB, DMADEMO_ALLOC_CACHED };
FIXTURE_VARIANT_ADD(fail, large_write_combine) { 6 * MIB, DMADEMO_ALLOC_WRITE_COMBINE };

FIXTURE_SETUP(fail)
{
	struct context *c = &self->c;
	const char *missing;

	page_size = sysconf(_SC_PAGESIZE);
	c->new_fd = -1;
	c->dmabuf = -1;
	if (geteuid())
		SKIP(return, "needs root");
	if (!is_bound())
		SKIP(return, "%s is not bound to the dmademo driver", NAME);
	missing = use_settings(&c->inj);
	if (missing)
		SKIP(return, "needs fault injection: there is no %s", missing);
	c->fd = open(DEVICE, O_RDWR);
	ASSERT_LE(0, c->fd);
	ASSERT_EQ(0, demo_info(c->fd, &c->info));
	/* Half way to the stack, with no neighbour in any table. */
	c->hint = (void *)((uintptr_t)&missing / 2 & ~(GIB - 1));
	c->flags = variant->flags;
	c->size = 6 * MIB;
	c->user = mmap(NULL, 2 * USER_PAGES * page_size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)c->user);
	if (variant->size) {
		ASSERT_EQ(0, demo_alloc_flags(c->fd, variant->size, c->flags, &c->a));
		c->size = c->a.bytes;
		c->p = map(c->fd, &c->a);
		ASSERT_NE(NULL, c->p);
		number_pages(c->p, 0, c->size / page_size);
	}
}

FIXTURE_TEARDOWN(fail)
{
	if (!is_bound())
		EXPECT_EQ(0, bind_driver());
	leave_out(NULL);
	restore_settings(&self->c.inj);
}

TEST_F(fail, walk)
{
	const struct step *step = variant->size ? buffer_steps : device_steps;
	int try;

	for (; step->name; step++) {
		/*
		 * A buffer that is lost is lost each time, what others take is not.  But
		 * KASAN keeps what a process was made of, for a while.
		 */
		for (try = 0; try < 3; try++)
			if (walk(_metadata, &self->c, step) < LOSS || !variant->size ||
			    step->run == run_fork)
				break;
		EXPECT_GT(3, try);
	}
}

TEST_HARNESS_MAIN
