// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the custom DMA ops: allocating where dma-direct can be called from,
 * with locks held that an allocator may want.  Lockdep has to have nothing to say.
 */
#include <linux/debug_locks.h>
#include <linux/memory_hotplug.h>
#include <linux/mmap_lock.h>
#include <linux/sched/mm.h>
#include <linux/sizes.h>

#include "custom_kunit.h"

enum context { PLAIN, MMAP_LOCK, HOTPLUG, NOFS, NOIO, ATOMIC };

struct context_case {
	const char	*name;
	enum context	context;
	unsigned int	order;
	bool		fits;
};

#define LARGER	(MAX_PAGE_ORDER + 1)

static const struct context_case context_cases[] = {
	{ "no lock, a page", PLAIN, 0, true },
	{ "no lock, 16 pages", PLAIN, 4, true },
	{ "no lock, the largest block", PLAIN, MAX_PAGE_ORDER, true },
	{ "no lock, twice that", PLAIN, LARGER, true },
	{ "mmap lock, a page", MMAP_LOCK, 0, true },
	{ "mmap lock, 16 pages", MMAP_LOCK, 4, true },
	{ "mmap lock, the largest block", MMAP_LOCK, MAX_PAGE_ORDER, true },
	{ "mmap lock, twice that", MMAP_LOCK, LARGER, true },
	{ "memory goes offline, a page", HOTPLUG, 0, true },
	{ "memory goes offline, 16 pages", HOTPLUG, 4, true },
	{ "memory goes offline, the largest block", HOTPLUG, MAX_PAGE_ORDER, true },
	{ "memory goes offline, twice that", HOTPLUG, LARGER, true },
	{ "file system, a page", NOFS, 0, true },
	{ "file system, 16 pages", NOFS, 4, true },
	{ "file system, the largest block", NOFS, MAX_PAGE_ORDER, true },
	{ "file system, twice that", NOFS, LARGER, true },
	{ "I/O, a page", NOIO, 0, true },
	{ "I/O, 16 pages", NOIO, 4, true },
	{ "I/O, the largest block", NOIO, MAX_PAGE_ORDER, true },
	{ "I/O, twice that", NOIO, LARGER, true },
	{ "atomic, a page", ATOMIC, 0, true },
	{ "atomic, 16 pages", ATOMIC, 4, true },
	{ "atomic, twice that", ATOMIC, LARGER, false },
};

KUNIT_ARRAY_PARAM_DESC(context, context_cases, name);

static void *alloc(struct device *dev, size_t size, dma_addr_t *dma_addr,
		   gfp_t gfp)
{
	return dma_alloc_attrs(dev, size, dma_addr, gfp | __GFP_NOWARN,
			       DMA_ATTR_NO_WARN);
}

static bool can_alloc_in(enum context context, struct device *dev, size_t size)
{
	unsigned long irq_flags;
	void *cpu_addr = NULL;
	dma_addr_t dma_addr;
	unsigned int flags;

	switch (context) {
	case PLAIN:
		cpu_addr = alloc(dev, size, &dma_addr, GFP_KERNEL);
		break;
	case MMAP_LOCK:
		mmap_write_lock(current->mm);
		cpu_addr = alloc(dev, size, &dma_addr, GFP_KERNEL);
		mmap_write_unlock(current->mm);
		break;
	case HOTPLUG:
		/* What memory notifiers are called with. */
		mem_hotplug_begin();
		cpu_addr = alloc(dev, size, &dma_addr, GFP_KERNEL);
		mem_hotplug_done();
		break;
	case NOFS:
		/* What must not come back there. */
		fs_reclaim_acquire(GFP_KERNEL);
		flags = memalloc_nofs_save();
		cpu_addr = alloc(dev, size, &dma_addr, GFP_KERNEL);
		memalloc_nofs_restore(flags);
		fs_reclaim_release(GFP_KERNEL);
		break;
	case NOIO:
		fs_reclaim_acquire(GFP_KERNEL);
		flags = memalloc_noio_save();
		cpu_addr = alloc(dev, size, &dma_addr, GFP_KERNEL);
		memalloc_noio_restore(flags);
		fs_reclaim_release(GFP_KERNEL);
		break;
	case ATOMIC:
		local_irq_save(irq_flags);
		cpu_addr = alloc(dev, size, &dma_addr, GFP_ATOMIC);
		local_irq_restore(irq_flags);
		break;
	}
	if (cpu_addr)
		dma_free_attrs(dev, size, cpu_addr, dma_addr, 0);
	return cpu_addr;
}

/* And no worse than dma-direct. */
static void alloc_in_context(struct kunit *test)
{
	const struct context_case *param = test->param_value;
	struct device *dev = custom_kunit_device(test, NULL);
	struct device *direct = custom_kunit_plain_device(test, "direct");
	const size_t size = PAGE_SIZE << param->order;

	if (param->order > MAX_PAGE_ORDER && !IS_ENABLED(CONFIG_CONTIG_ALLOC))
		kunit_skip(test, "needs CONFIG_CONTIG_ALLOC");
	if (size > SZ_64M)
		kunit_skip(test, "the largest block is too large for this test");
	if (param->context == ATOMIC && IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "nothing can be allocated with interrupts off");
	if (IS_ENABLED(CONFIG_MMU))
		KUNIT_ASSERT_EQ(test, 0, kunit_attach_mm());
	else if (param->context == MMAP_LOCK)
		kunit_skip(test, "needs an MMU");

	KUNIT_EXPECT_EQ(test, param->fits,
			can_alloc_in(param->context, dev, size));
	KUNIT_EXPECT_TRUE(test, debug_locks);
	if (!param->fits)
		KUNIT_EXPECT_FALSE(test, can_alloc_in(param->context, direct, size));
}

static struct kunit_case custom_context_cases[] = {
	KUNIT_CASE_PARAM(alloc_in_context, context_gen_params),
	{}
};

static struct kunit_suite custom_context_suite = {
	.name = "dma_custom_context",
	.test_cases = custom_context_cases,
};

kunit_test_suite(custom_context_suite);
