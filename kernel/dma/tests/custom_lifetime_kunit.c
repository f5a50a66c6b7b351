// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the custom DMA ops: how long memory lives that user space has
 * mapped.  Wherever a buffer is from and whatever the device, it has to be there, and
 * be nobody else's, until its last user is gone, and no longer.
 */
#include <linux/anon_inodes.h>
#include <linux/completion.h>
#include <linux/dma-direct.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>

#include "custom_kunit.h"

#ifdef CONFIG_MMU

enum lifetime_kind { BLOCK, RANGE, CMA, PAGES, NONCONTIGUOUS };

struct lifetime_case {
	const char		*name;
	enum lifetime_kind	kind;
	enum dma_custom_mmap	mmap;
	bool			noncoherent;
};

static const struct lifetime_case lifetime_cases[] = {
	{ "block, pages", BLOCK, DMA_CUSTOM_MMAP_PAGES },
	{ "range, pages", RANGE, DMA_CUSTOM_MMAP_PAGES },
	{ "CMA area, pages", CMA, DMA_CUSTOM_MMAP_PAGES },
	{ "cached pages, pages", PAGES, DMA_CUSTOM_MMAP_PAGES },
	{ "noncontiguous, pages", NONCONTIGUOUS, DMA_CUSTOM_MMAP_PAGES },
	{ "block, huge", BLOCK, DMA_CUSTOM_MMAP_HUGE },
	{ "range, huge", RANGE, DMA_CUSTOM_MMAP_HUGE },
	{ "CMA area, huge", CMA, DMA_CUSTOM_MMAP_HUGE },
	{ "cached pages, huge", PAGES, DMA_CUSTOM_MMAP_HUGE },
	{ "noncontiguous, huge", NONCONTIGUOUS, DMA_CUSTOM_MMAP_HUGE },
#ifdef CUSTOM_KUNIT_NONCOHERENT
	{ "block, pages, not coherent", BLOCK, DMA_CUSTOM_MMAP_PAGES, true },
	{ "range, pages, not coherent", RANGE, DMA_CUSTOM_MMAP_PAGES, true },
	{ "CMA area, pages, not coherent", CMA, DMA_CUSTOM_MMAP_PAGES, true },
	{ "cached pages, pages, not coherent", PAGES, DMA_CUSTOM_MMAP_PAGES, true },
	{ "noncontiguous, pages, not coherent", NONCONTIGUOUS, DMA_CUSTOM_MMAP_PAGES, true },
	{ "block, huge, not coherent", BLOCK, DMA_CUSTOM_MMAP_HUGE, true },
	{ "range, huge, not coherent", RANGE, DMA_CUSTOM_MMAP_HUGE, true },
	{ "CMA area, huge, not coherent", CMA, DMA_CUSTOM_MMAP_HUGE, true },
	{ "cached pages, huge, not coherent", PAGES, DMA_CUSTOM_MMAP_HUGE, true },
	{ "noncontiguous, huge, not coherent", NONCONTIGUOUS, DMA_CUSTOM_MMAP_HUGE, true },
#endif
};

KUNIT_ARRAY_PARAM_DESC(lifetime, lifetime_cases, name);

/* A folio and a ragged end; for a range, several folios. */
#define BLOCK_BYTES	(PMD_SIZE + 3 * PAGE_SIZE)
#define RANGE_BYTES	((PAGE_SIZE << MAX_PAGE_ORDER) + BLOCK_BYTES)

struct lifetime {
	enum lifetime_kind	kind;
	struct device		*dev;
	struct device_dma_parameters parms;
	size_t			size;
	bool			live;
	void			*cpu_addr;
	dma_addr_t		dma_addr;
	struct sg_table		*sgt;
	unsigned long		pfn;
	unsigned long		uaddr;
	/* what a child saw */
	struct completion	unmapped;
	struct completion	done;
	unsigned long		wrong;
};

static unsigned long pages_of(const struct lifetime *l)
{
	return l->size >> PAGE_SHIFT;
}

static int lifetime_alloc(struct lifetime *l)
{
	struct page *page;

	switch (l->kind) {
	case BLOCK:
	case RANGE:
	case CMA:
		l->cpu_addr = dma_alloc_attrs(l->dev, l->size, &l->dma_addr,
					      GFP_KERNEL, 0);
		if (!l->cpu_addr)
			return -ENOMEM;
		break;
	case PAGES:
		page = dma_alloc_pages(l->dev, l->size, &l->dma_addr,
				       DMA_BIDIRECTIONAL, GFP_KERNEL);
		if (!page)
			return -ENOMEM;
		l->cpu_addr = page_address(page);
		break;
	case NONCONTIGUOUS:
		l->sgt = dma_alloc_noncontiguous(l->dev, l->size,
						 DMA_BIDIRECTIONAL, GFP_KERNEL,
						 0);
		if (!l->sgt)
			return -ENOMEM;
		l->dma_addr = sg_dma_address(l->sgt->sgl);
		l->cpu_addr = page_address(sg_page(l->sgt->sgl));
		break;
	}
	l->pfn = custom_kunit_pfn(l->dev, l->dma_addr);
	l->live = true;
	return 0;
}

static void lifetime_free(void *data)
{
	struct lifetime *l = data;

	if (!l->live)
		return;
	l->live = false;
	switch (l->kind) {
	case BLOCK:
	case RANGE:
	case CMA:
		dma_free_attrs(l->dev, l->size, l->cpu_addr, l->dma_addr, 0);
		break;
	case PAGES:
		dma_free_pages(l->dev, l->size, pfn_to_page(l->pfn),
			       l->dma_addr, DMA_BIDIRECTIONAL);
		break;
	case NONCONTIGUOUS:
		dma_free_noncontiguous(l->dev, l->size, l->sgt,
				       DMA_BIDIRECTIONAL);
		break;
	}
}

static int lifetime_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct lifetime *l = file->private_data;

	if (l->kind == PAGES)
		return dma_mmap_pages(l->dev, vma, l->size,
				      pfn_to_page(l->pfn));
	if (l->kind == NONCONTIGUOUS)
		return dma_mmap_noncontiguous(l->dev, vma, l->size, l->sgt);
	return dma_mmap_attrs(l->dev, vma, l->cpu_addr, l->dma_addr, l->size,
			      0);
}

static const struct file_operations lifetime_fops = {
	.mmap			= lifetime_mmap,
	.get_unmapped_area	= dma_custom_get_unmapped_area,
};

static unsigned long value(unsigned long page)
{
	return page ^ 0x5eed0000UL;
}

/* A buffer as the parameter says, mapped, with a value in each page. */
static struct lifetime *lifetime(struct kunit *test)
{
	const struct lifetime_case *param = test->param_value;
	const struct dma_custom_config cfg = { .mmap = param->mmap };
	struct lifetime *l = kunit_kzalloc(test, sizeof(*l), GFP_KERNEL);
	struct file *file;
	unsigned long i;
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, l);
	if (PMD_ORDER >= MAX_PAGE_ORDER)
		kunit_skip(test, "huge entries are too large for this test");
	l->kind = param->kind;
	l->size = l->kind == RANGE ? RANGE_BYTES : BLOCK_BYTES;
	if (l->kind == RANGE && !IS_ENABLED(CONFIG_CONTIG_ALLOC))
		kunit_skip(test, "needs CONFIG_CONTIG_ALLOC");
	l->dev = param->noncoherent ?
		 custom_kunit_noncoherent_device(test, &cfg) :
		 custom_kunit_device(test, &cfg);
	if (l->kind == CMA) {
#ifdef CONFIG_DMA_CMA
		l->dev->cma_area = dev_get_cma_area(l->dev);
#endif
		if (!dev_get_cma_area(l->dev))
			kunit_skip(test, "needs a CMA area, boot with cma=64M");
	}
	if (!l->dev->dma_parms)
		l->dev->dma_parms = &l->parms;
	dma_set_max_seg_size(l->dev, UINT_MAX);
	KUNIT_ASSERT_EQ(test, 0, lifetime_alloc(l));
	ret = kunit_add_action_or_reset(test, lifetime_free, l);
	KUNIT_ASSERT_EQ(test, 0, ret);
	if (l->kind == CMA && !is_migrate_cma_page(pfn_to_page(l->pfn)))
		kunit_skip(test, "needs a larger CMA area");
	for (i = 0; i < pages_of(l); i++)
		*(unsigned long *)(l->cpu_addr + i * PAGE_SIZE) = value(i);

	KUNIT_ASSERT_EQ(test, 0, kunit_attach_mm());
	file = anon_inode_getfile("dma_custom_kunit", &lifetime_fops, l,
				  O_RDWR);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	l->uaddr = vm_mmap(file, 0, l->size, PROT_READ | PROT_WRITE, MAP_SHARED,
			   0);
	fput(file);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(l->uaddr));
	init_completion(&l->unmapped);
	init_completion(&l->done);
	return l;
}

/* Pages of the mapping, from @first on, that are not what they were. */
static unsigned long wrong_pages(struct lifetime *l, unsigned long first,
				 unsigned long nr)
{
	unsigned long i, val, wrong = 0;

	for (i = first; i < first + nr; i++)
		if (copy_from_user(&val, (void __user *)l->uaddr + i * PAGE_SIZE,
				   sizeof(val)) || val != value(i))
			wrong++;
	return wrong;
}

/*
 * References that nobody but the test has keep what it looks at afterwards: one on
 * each folio, and on each page that is in none.
 */
static void hold(struct lifetime *l)
{
	unsigned long i;

	for (i = 0; i < pages_of(l); i += folio_nr_pages(pfn_folio(l->pfn + i)))
		folio_get(pfn_folio(l->pfn + i));
}

/* Folios, and pages in none, with another number of references than that one. */
static unsigned long held_by_others(const struct lifetime *l)
{
	unsigned long i, nr = 0;

	for (i = 0; i < pages_of(l); i += folio_nr_pages(pfn_folio(l->pfn + i)))
		if (folio_ref_count(pfn_folio(l->pfn + i)) != 1)
			nr++;
	return nr;
}

static void expect_nobody_else(struct kunit *test, struct lifetime *l)
{
	unsigned long i, nr;

	KUNIT_EXPECT_EQ(test, 0, held_by_others(l));
	for (i = 0; i < pages_of(l); i += nr) {
		struct folio *folio = pfn_folio(l->pfn + i);

		nr = folio_nr_pages(folio);
		folio_put(folio);
	}
}

/* Frees the buffer, and sees that whoever allocates then gets other memory. */
static void free_and_reuse(struct kunit *test, struct lifetime *l)
{
	struct lifetime next = {
		.kind = l->kind, .dev = l->dev, .size = l->size,
	};
	int i;

	lifetime_free(l);
	for (i = 0; i < 4; i++) {
		KUNIT_ASSERT_EQ(test, 0, lifetime_alloc(&next));
		KUNIT_EXPECT_TRUE(test,
				  next.pfn >= l->pfn + pages_of(l) ||
				  next.pfn + pages_of(l) <= l->pfn);
		memset(next.cpu_addr, 0xa5, next.size);
		lifetime_free(&next);
	}
}

static void unmap(struct kunit *test, struct lifetime *l, unsigned long first,
		  unsigned long nr)
{
	KUNIT_ASSERT_EQ(test, 0, vm_munmap(l->uaddr + first * PAGE_SIZE,
					   nr * PAGE_SIZE));
}

static void whole_pieces_are_folios(struct kunit *test)
{
	struct lifetime *l = lifetime(test);
	const unsigned long nr = PMD_SIZE >> PAGE_SHIFT;
	unsigned long i;

	KUNIT_ASSERT_TRUE(test, IS_ALIGNED(l->pfn, nr));
	for (i = 0; i < ALIGN_DOWN(pages_of(l), nr); i++)
		if (pfn_folio(l->pfn + i) != pfn_folio(l->pfn + ALIGN_DOWN(i, nr)))
			break;
	KUNIT_EXPECT_EQ(test, ALIGN_DOWN(pages_of(l), nr), i);
	for (; i < pages_of(l); i++)
		KUNIT_EXPECT_FALSE(test, folio_test_large(pfn_folio(l->pfn + i)));
}

static void mapping_outlives_the_buffer(struct kunit *test)
{
	struct lifetime *l = lifetime(test);

	free_and_reuse(test, l);
	KUNIT_EXPECT_EQ(test, 0, wrong_pages(l, 0, pages_of(l)));
	hold(l);
	unmap(test, l, 0, pages_of(l));
	expect_nobody_else(test, l);
}

static void what_is_left_of_a_mapping_outlives_the_buffer(struct kunit *test)
{
	struct lifetime *l = lifetime(test);
	const unsigned long hole = 7, last = pages_of(l) - 2;

	free_and_reuse(test, l);
	hold(l);
	unmap(test, l, hole, 1);
	unmap(test, l, last, 1);
	KUNIT_EXPECT_EQ(test, 0, wrong_pages(l, 0, hole));
	KUNIT_EXPECT_EQ(test, 1, wrong_pages(l, hole, 1));
	KUNIT_EXPECT_EQ(test, 0, wrong_pages(l, hole + 1, last - hole - 1));
	KUNIT_EXPECT_EQ(test, 1, wrong_pages(l, last, 1));
	KUNIT_EXPECT_EQ(test, 0, wrong_pages(l, last + 1, 1));
	unmap(test, l, 0, last);
	unmap(test, l, last + 1, 1);
	expect_nobody_else(test, l);
}

/* A part that was unmapped is free, whatever becomes of the rest. */
static void last_mapping_of_a_folio_frees_it(struct kunit *test)
{
	struct lifetime *l = lifetime(test);
	const unsigned long nr = PMD_SIZE >> PAGE_SHIFT;

	hold(l);
	lifetime_free(l);
	unmap(test, l, 0, nr);
	KUNIT_EXPECT_EQ(test, 1, folio_ref_count(pfn_folio(l->pfn)));
	KUNIT_EXPECT_EQ(test, 0, wrong_pages(l, nr, pages_of(l) - nr));
	unmap(test, l, nr, pages_of(l) - nr);
	expect_nobody_else(test, l);
}

/* Of a fork(), with an address space of its own. */
static int child(void *data)
{
	struct lifetime *l = data;

	wait_for_completion(&l->unmapped);
	l->wrong = wrong_pages(l, 0, pages_of(l));
	kthread_complete_and_exit(&l->done, 0);
}

static void child_outlives_its_parent_and_the_buffer(struct kunit *test)
{
	struct lifetime *l = lifetime(test);
	struct kernel_clone_args args = {
		.flags = CLONE_UNTRACED,
		.exit_signal = SIGCHLD,
		.fn = child,
		.fn_arg = l,
	};
	pid_t pid = kernel_clone(&args);
	unsigned long i;

	KUNIT_ASSERT_GT(test, pid, 0);
	unmap(test, l, 0, pages_of(l));
	free_and_reuse(test, l);
	hold(l);
	complete(&l->unmapped);
	wait_for_completion(&l->done);
	KUNIT_EXPECT_EQ(test, 0, l->wrong);
	/* It lets go of its address space a little later. */
	for (i = 0; i < 1000 && held_by_others(l); i++)
		schedule_timeout_uninterruptible(1);
	expect_nobody_else(test, l);
}

static void pin_outlives_mapping_and_buffer(struct kunit *test)
{
	const struct lifetime_case *param = test->param_value;
	struct lifetime *l = lifetime(test);
	const unsigned long nr = PMD_SIZE >> PAGE_SHIFT;
	unsigned int flags = FOLL_WRITE;
	struct page *pages[4];
	unsigned long val;
	int i;

	/* Memory of a CMA area is on loan. */
	if (param->kind != CMA)
		flags |= FOLL_LONGTERM;
	/* Two of the folio, and two behind it. */
	KUNIT_ASSERT_EQ(test, 4,
			pin_user_pages_fast(l->uaddr + (nr - 2) * PAGE_SIZE, 4,
					    flags, pages));
	free_and_reuse(test, l);
	hold(l);
	unmap(test, l, 0, pages_of(l));
	for (i = 0; i < 4; i++) {
		KUNIT_EXPECT_EQ(test, l->pfn + nr - 2 + i,
				page_to_pfn(pages[i]));
		memcpy_from_page((char *)&val, pages[i], 0, sizeof(val));
		/* The cache knows nothing of what was written past it. */
		if (!param->noncoherent)
			KUNIT_EXPECT_EQ(test, value(nr - 2 + i), val);
	}
	KUNIT_EXPECT_GT(test, folio_ref_count(pfn_folio(l->pfn)), 1);
	unpin_user_pages(pages, 4);
	expect_nobody_else(test, l);
}

/* An error at once, no endless search for somewhere else. */
static void memory_on_loan_is_not_pinned_for_long(struct kunit *test)
{
	const struct lifetime_case *param = test->param_value;
	struct lifetime *l;
	struct page *page;

	if (param->kind != CMA)
		kunit_skip(test, "is about CMA areas");
	l = lifetime(test);
	KUNIT_EXPECT_EQ(test, -EFAULT,
			pin_user_pages_fast(l->uaddr, 1,
					    FOLL_WRITE | FOLL_LONGTERM, &page));
}

static struct kunit_case custom_lifetime_cases[] = {
	KUNIT_CASE_PARAM(whole_pieces_are_folios, lifetime_gen_params),
	KUNIT_CASE_PARAM(mapping_outlives_the_buffer, lifetime_gen_params),
	KUNIT_CASE_PARAM(what_is_left_of_a_mapping_outlives_the_buffer,
			 lifetime_gen_params),
	KUNIT_CASE_PARAM(last_mapping_of_a_folio_frees_it, lifetime_gen_params),
	KUNIT_CASE_PARAM(child_outlives_its_parent_and_the_buffer,
			 lifetime_gen_params),
	KUNIT_CASE_PARAM(pin_outlives_mapping_and_buffer, lifetime_gen_params),
	KUNIT_CASE_PARAM(memory_on_loan_is_not_pinned_for_long,
			 lifetime_gen_params),
	{}
};

static struct kunit_suite custom_lifetime_suite = {
	.name = "dma_custom_lifetime",
	.test_cases = custom_lifetime_cases,
};

kunit_test_suite(custom_lifetime_suite);
#endif /* CONFIG_MMU */
