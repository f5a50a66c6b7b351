// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the custom DMA ops: user mappings.  Each case has a real
 * address space, a real file and a real VMA, and reads and writes the buffer
 * through user addresses.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>

#include "custom_kunit.h"

/*
 * The page allocator's largest block, less a page: with 4 KiB pages more than
 * one page table, and on 64-bit more than one batch, with a ragged end.
 */
#define PAGES	((1UL << MAX_PAGE_ORDER) - 1)
#define SIZE	(PAGES * PAGE_SIZE)
/* A page in the middle. */
#define MIDDLE	(PAGES / 2 + 1)

/* What the driver behind the mapped file does. */
struct mapping {
	struct custom_kunit_buffer *buf;
	/* arguments of dma_mmap_attrs() */
	dma_addr_t dma_addr;
	size_t size;
	/* set before the call */
	bool set_pgoff;
	unsigned long pgoff;
	vm_flags_t set_flags;
	/* set after the call */
	const struct vm_operations_struct *vm_ops;
};

struct mode_case {
	const char *name;
	struct dma_custom_config cfg;
	bool noncoherent;
};

static const struct mode_case mode_cases[] = {
	{ "pages", { .mmap = DMA_CUSTOM_MMAP_PAGES } },
	{ "pfn", { .mmap = DMA_CUSTOM_MMAP_PFN } },
#ifdef CUSTOM_KUNIT_NONCOHERENT
	{ "not coherent", { .mmap = DMA_CUSTOM_MMAP_PAGES }, true },
#endif
};

KUNIT_ARRAY_PARAM_DESC(mode, mode_cases, name);

static const struct dma_custom_config pfn_mode = {
	.mmap = DMA_CUSTOM_MMAP_PFN,
};

/* A buffer whose first long on each page is that page's number. */
static struct mapping *mapping_on(struct kunit *test, struct device *dev)
{
	struct mapping *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	unsigned long i;

	KUNIT_ASSERT_NOT_NULL(test, m);
	m->buf = custom_kunit_alloc(test, dev, SIZE);
	m->dma_addr = m->buf->dma_addr;
	m->size = m->buf->size;
	for (i = 0; i < PAGES; i++)
		*(unsigned long *)(m->buf->cpu_addr + i * PAGE_SIZE) = i;
	return m;
}

static struct mapping *mapping(struct kunit *test,
			       const struct dma_custom_config *cfg)
{
	return mapping_on(test, custom_kunit_device(test, cfg));
}

static struct mapping *mapping_param(struct kunit *test)
{
	const struct mode_case *mode = test->param_value;

	return mode->noncoherent ?
	       mapping_on(test, custom_kunit_noncoherent_device(test)) :
	       mapping(test, &mode->cfg);
}

static int mapping_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct mapping *m = file->private_data;
	int ret;

	if (m->set_pgoff)
		vma->vm_pgoff = m->pgoff;
	vm_flags_set(vma, m->set_flags);
	ret = dma_mmap_attrs(m->buf->dev, vma, m->buf->cpu_addr, m->dma_addr,
			     m->size, 0);
	if (!ret && m->vm_ops)
		vma->vm_ops = m->vm_ops;
	return ret;
}

static const struct file_operations mapping_fops = {
	.mmap = mapping_mmap,
};

/* mmap() of the buffer; returns the user address or an error. */
static unsigned long do_mmap_file(struct kunit *test, struct mapping *m,
				  size_t len, unsigned long prot,
				  unsigned long flags, unsigned long page)
{
	unsigned long addr;
	struct file *file;

	if (!IS_ENABLED(CONFIG_MMU))
		kunit_skip(test, "needs an MMU");
	KUNIT_ASSERT_EQ(test, 0, kunit_attach_mm());
	file = anon_inode_getfile("dma_custom_kunit", &mapping_fops, m, O_RDWR);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	addr = vm_mmap(file, 0, len, prot, flags, page << PAGE_SHIFT);
	fput(file);
	return addr;
}

static unsigned long map_shared(struct kunit *test, struct mapping *m,
				size_t len, unsigned long page)
{
	return do_mmap_file(test, m, len, PROT_READ | PROT_WRITE, MAP_SHARED,
			    page);
}

static void __user *user_ptr(struct kunit *test, unsigned long addr)
{
	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR_VALUE(addr), "mmap() failed: %ld",
			       (long)addr);
	return (void __user *)addr;
}

static void __user *map_all(struct kunit *test, struct mapping *m)
{
	return user_ptr(test, map_shared(test, m, SIZE, 0));
}

static void expect_error(struct kunit *test, int error, unsigned long addr)
{
	KUNIT_EXPECT_EQ(test, (long)error, (long)addr);
}

static unsigned long read_user(struct kunit *test, void __user *uaddr)
{
	unsigned long val;

	KUNIT_ASSERT_EQ(test, 0, copy_from_user(&val, uaddr, sizeof(val)));
	return val;
}

static vm_flags_t flags_at(struct kunit *test, void __user *uaddr)
{
	struct vm_area_struct *vma;
	vm_flags_t flags = 0;

	mmap_read_lock(current->mm);
	vma = vma_lookup(current->mm, (unsigned long)uaddr);
	if (vma)
		flags = vma->vm_flags;
	mmap_read_unlock(current->mm);
	KUNIT_ASSERT_NE(test, 0, flags);
	return flags;
}

static void user_reads_every_page(struct kunit *test)
{
	struct mapping *m = mapping_param(test);
	void __user *uaddr = map_all(test, m);
	unsigned long i, wrong = 0;

	for (i = 0; i < PAGES; i++)
		if (read_user(test, uaddr + i * PAGE_SIZE) != i)
			wrong++;
	KUNIT_EXPECT_EQ(test, 0, wrong);
}

static void user_sees_later_kernel_writes(struct kunit *test)
{
	struct mapping *m = mapping_param(test);
	void __user *uaddr = map_all(test, m);

	*(unsigned long *)m->buf->cpu_addr = 0x5eed;
	KUNIT_EXPECT_EQ(test, 0x5eed, read_user(test, uaddr));
}

static void kernel_sees_user_writes(struct kunit *test)
{
	struct mapping *m = mapping_param(test);
	void __user *uaddr = map_all(test, m);
	unsigned long val = 0x5eed;

	KUNIT_ASSERT_EQ(test, 0, copy_to_user(uaddr + SIZE - sizeof(val), &val,
					      sizeof(val)));
	KUNIT_EXPECT_EQ(test, val,
			*(unsigned long *)(m->buf->cpu_addr + SIZE -
					   sizeof(val)));
}

static void two_mappings_share_the_buffer(struct kunit *test)
{
	struct mapping *m = mapping_param(test);
	void __user *one = map_all(test, m), *two = map_all(test, m);
	unsigned long val = 0x5eed;

	KUNIT_ASSERT_EQ(test, 0, copy_to_user(one, &val, sizeof(val)));
	KUNIT_EXPECT_EQ(test, val, read_user(test, two));
}

static void partial_mapping_starts_at_its_offset(struct kunit *test)
{
	struct mapping *m = mapping_param(test);
	void __user *uaddr;

	uaddr = user_ptr(test, map_shared(test, m, 3 * PAGE_SIZE, MIDDLE));
	KUNIT_EXPECT_EQ(test, MIDDLE, read_user(test, uaddr));
	KUNIT_EXPECT_EQ(test, MIDDLE + 2,
			read_user(test, uaddr + 2 * PAGE_SIZE));
}

static void last_page_can_be_mapped(struct kunit *test)
{
	struct mapping *m = mapping_param(test);
	void __user *uaddr;

	uaddr = user_ptr(test, map_shared(test, m, PAGE_SIZE, PAGES - 1));
	KUNIT_EXPECT_EQ(test, PAGES - 1, read_user(test, uaddr));
}

static void length_past_the_end(struct kunit *test)
{
	struct mapping *m = mapping_param(test);

	expect_error(test, -ENXIO, map_shared(test, m, SIZE + PAGE_SIZE, 0));
	expect_error(test, -ENXIO, map_shared(test, m, SIZE, 1));
}

struct bad_offset {
	const char *name;
	unsigned long page;
};

static const struct bad_offset bad_offsets[] = {
	{ "one past the end", PAGES },
	{ "one more", PAGES + 1 },
	{ "wraps with the length", ULONG_MAX },
	{ "wraps to a page that exists", ULONG_MAX - 1 },
	{ "half of all", ULONG_MAX / 2 },
};

KUNIT_ARRAY_PARAM_DESC(bad_offset, bad_offsets, name);

static void offset_past_the_end(struct kunit *test)
{
	const struct bad_offset *bad = test->param_value;
	struct mapping *m = mapping(test, NULL);

	/* Set by the driver, as mmap() itself refuses the largest ones. */
	m->set_pgoff = true;
	m->pgoff = bad->page;
	expect_error(test, -ENXIO, map_shared(test, m, 2 * PAGE_SIZE, 0));
}

static void size_over_the_buffer(struct kunit *test)
{
	struct mapping *m = mapping_param(test);

	m->size = SIZE + 1;
	expect_error(test, -ENXIO, map_shared(test, m, PAGE_SIZE, 0));
	m->size = SIZE_MAX;
	expect_error(test, -ENXIO, map_shared(test, m, PAGE_SIZE, 0));
}

static void size_below_the_buffer_limits_the_mapping(struct kunit *test)
{
	struct mapping *m = mapping_param(test);

	m->size = PAGE_SIZE + 1;
	user_ptr(test, map_shared(test, m, 2 * PAGE_SIZE, 0));
	expect_error(test, -ENXIO, map_shared(test, m, 3 * PAGE_SIZE, 0));
}

static void unknown_bus_address(struct kunit *test)
{
	struct mapping *m = mapping_param(test);

	m->dma_addr += PAGE_SIZE;
	m->size = PAGE_SIZE;
	expect_error(test, -ENXIO, map_shared(test, m, PAGE_SIZE, 0));
}

static void freed_buffer(struct kunit *test)
{
	struct mapping *m = mapping_param(test);

	custom_kunit_free(test, m->buf);
	expect_error(test, -ENXIO, map_shared(test, m, PAGE_SIZE, 0));
}

static void private_writable_is_refused(struct kunit *test)
{
	struct mapping *m = mapping_param(test);

	expect_error(test, -EINVAL,
		     do_mmap_file(test, m, SIZE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE, 0));
}

static void __user *map_private(struct kunit *test, struct mapping *m)
{
	return user_ptr(test, do_mmap_file(test, m, PAGE_SIZE, PROT_READ,
					   MAP_PRIVATE, 7));
}

static void private_read_only_reads_the_buffer(struct kunit *test)
{
	struct mapping *m = mapping_param(test);

	KUNIT_EXPECT_EQ(test, 7, read_user(test, map_private(test, m)));
}

static void private_read_only_stays_read_only(struct kunit *test)
{
	struct mapping *m = mapping_param(test);

	KUNIT_EXPECT_EQ(test, 0,
			flags_at(test, map_private(test, m)) & VM_MAYWRITE);
}

static void mapping_neither_grows_nor_is_dumped(struct kunit *test)
{
	struct mapping *m = mapping_param(test);
	vm_flags_t want = VM_DONTEXPAND | VM_DONTDUMP;

	KUNIT_EXPECT_EQ(test, want, flags_at(test, map_all(test, m)) & want);
}

static void pages_hold_a_reference_each(struct kunit *test)
{
	struct mapping *m = mapping(test, NULL);
	unsigned long i, wrong = 0;

	map_all(test, m);
	for (i = 0; i < PAGES; i++)
		if (page_count(custom_kunit_page(m->buf, i * PAGE_SIZE)) != 2)
			wrong++;
	KUNIT_EXPECT_EQ(test, 0, wrong);
}

static void pages_are_released_by_munmap(struct kunit *test)
{
	struct mapping *m = mapping(test, NULL);
	void __user *uaddr = map_all(test, m);
	unsigned long i, wrong = 0;

	KUNIT_ASSERT_EQ(test, 0, vm_munmap((unsigned long)uaddr, SIZE));
	for (i = 0; i < PAGES; i++)
		if (page_count(custom_kunit_page(m->buf, i * PAGE_SIZE)) != 1)
			wrong++;
	KUNIT_EXPECT_EQ(test, 0, wrong);
}

static void pages_outlive_the_buffer(struct kunit *test)
{
	struct mapping *m = mapping(test, NULL);
	void __user *uaddr = map_all(test, m);
	struct page *page = custom_kunit_page(m->buf, 9 * PAGE_SIZE);

	custom_kunit_free(test, m->buf);
	KUNIT_EXPECT_EQ(test, 1, page_count(page));
	KUNIT_EXPECT_EQ(test, 9, read_user(test, uaddr + 9 * PAGE_SIZE));
}

static void pages_go_back_with_the_last_mapping(struct kunit *test)
{
	struct mapping *m = mapping(test, NULL);
	void __user *uaddr = map_all(test, m);
	struct page *page = custom_kunit_page(m->buf, 9 * PAGE_SIZE);

	get_page(page); /* so that nobody else gets it meanwhile */
	custom_kunit_free(test, m->buf);
	KUNIT_EXPECT_EQ(test, 2, page_count(page));
	KUNIT_ASSERT_EQ(test, 0, vm_munmap((unsigned long)uaddr, SIZE));
	KUNIT_EXPECT_EQ(test, 1, page_count(page));
	put_page(page);
}

static void pages_can_be_pinned(struct kunit *test)
{
	struct mapping *m = mapping(test, NULL);
	void __user *uaddr = map_all(test, m);
	struct page *page;

	KUNIT_ASSERT_EQ(test, 1,
			pin_user_pages_fast((unsigned long)uaddr + PAGE_SIZE, 1,
					    FOLL_WRITE, &page));
	KUNIT_EXPECT_PTR_EQ(test, custom_kunit_page(m->buf, PAGE_SIZE), page);
	unpin_user_page(page);
	/* for long, as RDMA and io_uring do */
	KUNIT_ASSERT_EQ(test, 1,
			pin_user_pages_fast((unsigned long)uaddr + PAGE_SIZE, 1,
					    FOLL_WRITE | FOLL_LONGTERM, &page));
	KUNIT_EXPECT_PTR_EQ(test, custom_kunit_page(m->buf, PAGE_SIZE), page);
	unpin_user_page(page);
}

static void pfns_cannot_be_pinned(struct kunit *test)
{
	struct mapping *m = mapping(test, &pfn_mode);
	void __user *uaddr = map_all(test, m);
	struct page *page;

	KUNIT_EXPECT_EQ(test, -EFAULT,
			pin_user_pages_fast((unsigned long)uaddr + PAGE_SIZE, 1,
					    FOLL_WRITE, &page));
}

static void pfns_hold_no_reference(struct kunit *test)
{
	struct mapping *m = mapping(test, &pfn_mode);

	map_all(test, m);
	KUNIT_EXPECT_EQ(test, 1, page_count(custom_kunit_page(m->buf, 0)));
}

static void pages_are_no_pfn_mapping(struct kunit *test)
{
	struct mapping *m = mapping(test, NULL);

	KUNIT_EXPECT_EQ(test, VM_MIXEDMAP,
			flags_at(test, map_all(test, m)) &
			(VM_MIXEDMAP | VM_PFNMAP | VM_IO));
}

static void pfnmap_vma_gets_pfns(struct kunit *test)
{
	struct mapping *m = mapping(test, NULL);
	void __user *uaddr;

	m->set_flags = VM_PFNMAP;
	uaddr = map_all(test, m);
	KUNIT_EXPECT_EQ(test, 1, page_count(custom_kunit_page(m->buf, 0)));
	KUNIT_EXPECT_EQ(test, 5, read_user(test, uaddr + 5 * PAGE_SIZE));
}

static void driver_may_set_vm_ops_afterwards(struct kunit *test)
{
	static const struct vm_operations_struct vm_ops;
	struct mapping *m = mapping_param(test);
	void __user *uaddr;

	m->vm_ops = &vm_ops;
	uaddr = map_all(test, m);
	KUNIT_EXPECT_EQ(test, 5, read_user(test, uaddr + 5 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 0, vm_munmap((unsigned long)uaddr, SIZE));
}

/* As the kernel's own, or the two would not agree on what is in the cache. */
static void noncoherent_buffer_is_mapped_uncached(struct kunit *test)
{
	struct device *dev = custom_kunit_noncoherent_device(test);
	struct mapping *m = mapping_on(test, dev);
	void __user *uaddr = map_all(test, m);

	KUNIT_EXPECT_TRUE(test, flags_at(test, uaddr) & VM_PFNMAP);
	custom_kunit_expect_uncached(test, current->mm, (unsigned long)uaddr,
				     SIZE);
}

/* A page of a CMA area that is pinned for long would be moved, but cannot be. */
static void cma_buffer_is_mapped_by_pfn(struct kunit *test)
{
#ifdef CONFIG_DMA_CMA
	struct device *dev = custom_kunit_device(test, NULL);
	struct page *page = NULL;
	struct mapping *m;
	void __user *uaddr;

	if (!dev_get_cma_area(dev))
		kunit_skip(test, "needs a CMA area, boot with cma=64M");
	dev->cma_area = dev_get_cma_area(dev);
	m = mapping_on(test, dev);
	if (!is_migrate_cma_page(custom_kunit_page(m->buf, 0)))
		kunit_skip(test, "needs a larger CMA area");
	uaddr = map_all(test, m);
	KUNIT_EXPECT_EQ(test, 5, read_user(test, uaddr + 5 * PAGE_SIZE));
	KUNIT_EXPECT_TRUE(test, flags_at(test, uaddr) & VM_PFNMAP);
	KUNIT_EXPECT_EQ(test, -EFAULT,
			pin_user_pages_fast((unsigned long)uaddr, 1,
					    FOLL_LONGTERM, &page));
#else
	kunit_skip(test, "needs CONFIG_DMA_CMA");
#endif
}

static void can_mmap_is_true(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, dma_can_mmap(custom_kunit_device(test, NULL)));
}

static struct kunit_case custom_mmap_cases[] = {
	KUNIT_CASE_PARAM(user_reads_every_page, mode_gen_params),
	KUNIT_CASE_PARAM(user_sees_later_kernel_writes, mode_gen_params),
	KUNIT_CASE_PARAM(kernel_sees_user_writes, mode_gen_params),
	KUNIT_CASE_PARAM(two_mappings_share_the_buffer, mode_gen_params),
	KUNIT_CASE_PARAM(partial_mapping_starts_at_its_offset, mode_gen_params),
	KUNIT_CASE_PARAM(last_page_can_be_mapped, mode_gen_params),
	KUNIT_CASE_PARAM(length_past_the_end, mode_gen_params),
	KUNIT_CASE_PARAM(offset_past_the_end, bad_offset_gen_params),
	KUNIT_CASE_PARAM(size_over_the_buffer, mode_gen_params),
	KUNIT_CASE_PARAM(size_below_the_buffer_limits_the_mapping,
			 mode_gen_params),
	KUNIT_CASE_PARAM(unknown_bus_address, mode_gen_params),
	KUNIT_CASE_PARAM(freed_buffer, mode_gen_params),
	KUNIT_CASE_PARAM(private_writable_is_refused, mode_gen_params),
	KUNIT_CASE_PARAM(private_read_only_reads_the_buffer, mode_gen_params),
	KUNIT_CASE_PARAM(private_read_only_stays_read_only, mode_gen_params),
	KUNIT_CASE_PARAM(mapping_neither_grows_nor_is_dumped, mode_gen_params),
	KUNIT_CASE(pages_hold_a_reference_each),
	KUNIT_CASE(pages_are_released_by_munmap),
	KUNIT_CASE(pages_outlive_the_buffer),
	KUNIT_CASE(pages_go_back_with_the_last_mapping),
	KUNIT_CASE(pages_can_be_pinned),
	KUNIT_CASE(pages_are_no_pfn_mapping),
	KUNIT_CASE(pfns_cannot_be_pinned),
	KUNIT_CASE(pfns_hold_no_reference),
	KUNIT_CASE(pfnmap_vma_gets_pfns),
	KUNIT_CASE_PARAM(driver_may_set_vm_ops_afterwards, mode_gen_params),
	KUNIT_CASE(noncoherent_buffer_is_mapped_uncached),
	KUNIT_CASE(cma_buffer_is_mapped_by_pfn),
	KUNIT_CASE(can_mmap_is_true),
	{}
};

static struct kunit_suite custom_mmap_suite = {
	.name = "dma_custom_mmap",
	.test_cases = custom_mmap_cases,
};

kunit_test_suite(custom_mmap_suite);
