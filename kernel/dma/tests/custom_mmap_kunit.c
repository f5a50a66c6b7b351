// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the custom DMA ops: user mappings.  Each case has a real
 * address space, a real file and a real VMA, and reads and writes the buffer
 * through user addresses.
 */
#include <kunit/device.h>
#include <kunit/platform_device.h>
#include <kunit/test-bug.h>
#include <linux/anon_inodes.h>
#include <linux/dma-direct.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/iommu-dma.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/platform_device.h>
#include <linux/shm.h>
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
/* One that is in no folio. */
#define SINGLE	(PAGES - 2)

/* What the driver behind the mapped file does. */
struct mapping {
	struct custom_kunit_buffer *buf;
	/* arguments of dma_mmap_attrs(); the buffer's kernel address if there is none */
	void *cpu_addr;
	dma_addr_t dma_addr;
	size_t size;
	/* set before the call */
	bool set_pgoff;
	unsigned long pgoff;
	vm_flags_t set_flags;
	const struct vm_operations_struct *vm_ops_before;
	/* set after the call */
	const struct vm_operations_struct *vm_ops;
	unsigned long add_pgoff;
	/* makes the call a second time */
	bool twice;
	int second_result;
	/* makes a call for each half of the VMA, the second one for this buffer */
	struct mapping *second_half;
	/* makes the call with a copy of the VMA */
	bool copy;
	/* fails afterwards */
	int error;
};

struct mode_case {
	const char *name;
	struct dma_custom_config cfg;
	bool noncoherent;
};

static const struct mode_case mode_cases[] = {
	{ "pages", { .mmap = DMA_CUSTOM_MMAP_PAGES } },
	{ "pfn", { .mmap = DMA_CUSTOM_MMAP_PFN } },
	{ "huge", { .mmap = DMA_CUSTOM_MMAP_HUGE } },
#ifdef CUSTOM_KUNIT_NONCOHERENT
	{ "pages, not coherent", { .mmap = DMA_CUSTOM_MMAP_PAGES }, true },
	{ "huge, not coherent", { .mmap = DMA_CUSTOM_MMAP_HUGE }, true },
#endif
};

KUNIT_ARRAY_PARAM_DESC(mode, mode_cases, name);

static const struct dma_custom_config pfn_mode = {
	.mmap = DMA_CUSTOM_MMAP_PFN,
};

/* A buffer whose first long on each page is that page's number. */
static struct mapping *mapping_of(struct kunit *test, struct device *dev,
				  size_t size)
{
	struct mapping *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	unsigned long i;

	KUNIT_ASSERT_NOT_NULL(test, m);
	m->buf = custom_kunit_alloc(test, dev, size);
	m->dma_addr = m->buf->dma_addr;
	m->size = m->buf->size;
	for (i = 0; i < size / PAGE_SIZE; i++)
		*(unsigned long *)(m->buf->cpu_addr + i * PAGE_SIZE) = i;
	return m;
}

static struct mapping *mapping_on(struct kunit *test, struct device *dev)
{
	return mapping_of(test, dev, SIZE);
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
	       mapping_on(test, custom_kunit_noncoherent_device(test,
								&mode->cfg)) :
	       mapping(test, &mode->cfg);
}

static int mapping_call(struct mapping *m, struct vm_area_struct *vma)
{
	return dma_mmap_attrs(m->buf->dev, vma, m->cpu_addr ?: m->buf->cpu_addr,
			      m->dma_addr, m->size, 0);
}

static int mapping_call_for_halves(struct mapping *m,
				   struct vm_area_struct *vma)
{
	const unsigned long start = vma->vm_start, end = vma->vm_end;
	const unsigned long middle = start + PAGE_ALIGN((end - start) / 2);
	int ret;

	vma->vm_end = middle;
	ret = mapping_call(m, vma);
	vma->vm_start = middle;
	vma->vm_end = end;
	if (!ret)
		ret = mapping_call(m->second_half, vma);
	vma->vm_start = start;
	return ret;
}

static int mapping_call_with_copy(struct mapping *m, struct vm_area_struct *vma)
{
	struct vm_area_struct copy = *vma;
	int ret = mapping_call(m, &copy);

	vm_flags_set(vma, copy.vm_flags);
	vma->vm_page_prot = copy.vm_page_prot;
	return ret;
}

static int mapping_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct mapping *m = file->private_data;
	int ret;

	if (m->set_pgoff)
		vma->vm_pgoff = m->pgoff;
	vm_flags_set(vma, m->set_flags);
	if (m->vm_ops_before)
		vma->vm_ops = m->vm_ops_before;
	if (m->second_half)
		ret = mapping_call_for_halves(m, vma);
	else if (m->copy)
		ret = mapping_call_with_copy(m, vma);
	else
		ret = mapping_call(m, vma);
	if (!ret && m->twice)
		m->second_result = mapping_call(m, vma);
	if (!ret && m->vm_ops)
		vma->vm_ops = m->vm_ops;
	if (!ret)
		vma->vm_pgoff += m->add_pgoff;
	return ret ?: m->error;
}

static const struct file_operations mapping_fops = {
	.mmap			= mapping_mmap,
#ifdef CONFIG_MMU
	.get_unmapped_area	= dma_custom_get_unmapped_area,
#endif
};

/* mmap() of the buffer at @hint; returns the user address or an error. */
static unsigned long do_mmap_file_at(struct kunit *test, struct mapping *m,
				     unsigned long hint, size_t len,
				     unsigned long prot, unsigned long flags,
				     unsigned long page)
{
	unsigned long addr;
	struct file *file;

	if (!IS_ENABLED(CONFIG_MMU))
		kunit_skip(test, "needs an MMU");
	KUNIT_ASSERT_EQ(test, 0, kunit_attach_mm());
	file = anon_inode_getfile("dma_custom_kunit", &mapping_fops, m, O_RDWR);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	addr = vm_mmap(file, hint, len, prot, flags, page << PAGE_SHIFT);
	fput(file);
	return addr;
}

static unsigned long do_mmap_file(struct kunit *test, struct mapping *m,
				  size_t len, unsigned long prot,
				  unsigned long flags, unsigned long page)
{
	return do_mmap_file_at(test, m, 0, len, prot, flags, page);
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

static void expect_page_numbers(struct kunit *test, void __user *uaddr,
				unsigned long first, unsigned long pages)
{
	unsigned long i, wrong = 0;

	for (i = 0; i < pages; i++)
		if (read_user(test, uaddr + i * PAGE_SIZE) != first + i)
			wrong++;
	KUNIT_EXPECT_EQ(test, 0, wrong);
}

/* Reads every page; returns the number of page faults that this took. */
static unsigned long touch(struct kunit *test, void __user *uaddr, size_t size)
{
	unsigned long faults = current->min_flt + current->maj_flt;
	size_t off;

	for (off = 0; off < size; off += PAGE_SIZE)
		read_user(test, uaddr + off);
	return current->min_flt + current->maj_flt - faults;
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

	expect_page_numbers(test, map_all(test, m), 0, PAGES);
}

/* In all modes, as it takes a while to bring memory into this state. */
static void pieces_are_mapped_in_each_mode(struct kunit *test)
{
	struct device *dev = custom_kunit_plain_device(test, "attached");
	struct custom_kunit_buffer *other;
	struct mapping *m;
	void __user *uaddr;
	unsigned int i;

	if (!use_dma_iommu(dev))
		kunit_skip(test, "needs a device behind an IOMMU, see custom_kunit.pci");
	custom_kunit_fragment(test, SZ_256M);
	for (i = 0; i < ARRAY_SIZE(mode_cases) && !mode_cases[i].noncoherent; i++) {
		custom_kunit_attach(test, dev, &mode_cases[i].cfg);
		/* Gets what large blocks each CPU has kept. */
		other = custom_kunit_alloc(test, dev, SZ_64M);
		m = mapping_on(test, dev);
		expect_page_numbers(test, map_all(test, m), 0, PAGES);
		uaddr = user_ptr(test, map_shared(test, m, PAGES / 2 * PAGE_SIZE,
						  MIDDLE - 1));
		expect_page_numbers(test, uaddr, MIDDLE - 1, PAGES / 2);
		/* From an address within the buffer on. */
		m->dma_addr += 7 * PAGE_SIZE;
		m->size = SIZE - 7 * PAGE_SIZE;
		uaddr = user_ptr(test, map_shared(test, m, m->size, 0));
		expect_page_numbers(test, uaddr, 7, PAGES - 7);
		KUNIT_EXPECT_NE(test, custom_kunit_pfn(dev, m->buf->dma_addr) +
				PAGES - 1,
				custom_kunit_pfn(dev, m->buf->dma_addr + SIZE -
						 PAGE_SIZE));
		custom_kunit_free(test, m->buf);
		if (mode_cases[i].cfg.mmap != DMA_CUSTOM_MMAP_PFN)
			expect_page_numbers(test, uaddr, 7, PAGES - 7);
		custom_kunit_free(test, other);
		custom_kunit_detach(test, dev);
	}
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

static void part_of_a_buffer_can_be_mapped(struct kunit *test)
{
	struct mapping *m = mapping_param(test);
	void __user *uaddr;

	m->dma_addr += MIDDLE * PAGE_SIZE;
	m->size = 2 * PAGE_SIZE;
	uaddr = user_ptr(test, map_shared(test, m, 2 * PAGE_SIZE, 0));
	expect_page_numbers(test, uaddr, MIDDLE, 2);
	uaddr = user_ptr(test, map_shared(test, m, PAGE_SIZE, 1));
	expect_page_numbers(test, uaddr, MIDDLE + 1, 1);
	expect_error(test, -ENXIO, map_shared(test, m, 2 * PAGE_SIZE, 1));
}

static void part_past_the_end(struct kunit *test)
{
	struct mapping *m = mapping_param(test);

	m->dma_addr += MIDDLE * PAGE_SIZE;
	m->size -= (MIDDLE - 1) * PAGE_SIZE;
	expect_error(test, -ENXIO, map_shared(test, m, PAGE_SIZE, 0));
}

/* Some drivers have memory that they mapped for the device mapped like a buffer. */
static void streaming_memory_can_be_mapped(struct kunit *test)
{
	struct mapping *m = mapping_param(test);
	struct device *dev = m->buf->dev;
	unsigned long *addr = kunit_kmalloc(test, 2 * PAGE_SIZE, GFP_KERNEL);
	void __user *uaddr;

	KUNIT_ASSERT_NOT_NULL(test, addr);
	addr[0] = 5;
	m->dma_addr = dma_map_single(dev, addr, 2 * PAGE_SIZE,
				     DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, m->dma_addr));
	if (custom_kunit_pfn(dev, m->dma_addr) !=
	    PHYS_PFN(virt_to_phys(addr))) {
		dma_unmap_single(dev, m->dma_addr, 2 * PAGE_SIZE,
				 DMA_BIDIRECTIONAL);
		kunit_skip(test, "everything is bounced");
	}
	m->cpu_addr = addr;
	m->size = 2 * PAGE_SIZE;
	uaddr = (void __user *)map_shared(test, m, 2 * PAGE_SIZE, 0);
	KUNIT_EXPECT_FALSE(test, IS_ERR(uaddr));
	if (!IS_ERR(uaddr)) {
		KUNIT_EXPECT_EQ(test, 5, read_user(test, uaddr));
		vm_munmap((unsigned long)uaddr, 2 * PAGE_SIZE);
	}
	dma_unmap_single(dev, m->dma_addr, 2 * PAGE_SIZE, DMA_BIDIRECTIONAL);
}

/* By moving the bounds of the VMA. */
static void two_buffers_in_one_mapping(struct kunit *test)
{
	const struct mode_case *mode = test->param_value;
	struct mapping *m = mapping_param(test);
	const unsigned long half = (PAGES + 1) / 2;
	void __user *uaddr;

	if (mode->cfg.mmap == DMA_CUSTOM_MMAP_PFN)
		kunit_skip(test, "remap_pfn_range() need not do that");
	m->second_half = mapping_on(test, m->buf->dev);
	uaddr = map_all(test, m);
	expect_page_numbers(test, uaddr, 0, half);
	expect_page_numbers(test, uaddr + half * PAGE_SIZE, 0, PAGES - half);
	KUNIT_EXPECT_EQ(test, 0, vm_munmap((unsigned long)uaddr, SIZE));
	KUNIT_EXPECT_EQ(test, 1, page_count(custom_kunit_page(m->buf, 0)));
	KUNIT_EXPECT_EQ(test, 1, page_count(custom_kunit_page(m->second_half->buf,
							      0)));
}

static void mmap_that_fails_afterwards_holds_nothing(struct kunit *test)
{
	struct mapping *m = mapping_param(test);

	m->error = -ENODEV;
	expect_error(test, -ENODEV, map_shared(test, m, SIZE, 0));
	KUNIT_EXPECT_EQ(test, 1, page_count(custom_kunit_page(m->buf, 0)));
	KUNIT_EXPECT_EQ(test, 1, page_count(custom_kunit_page(m->buf, SINGLE *
							      PAGE_SIZE)));
	m->error = 0;
	expect_page_numbers(test, map_all(test, m), 0, PAGES);
}

static void copy_of_the_vma_will_do(struct kunit *test)
{
	struct mapping *m = mapping_param(test);
	void __user *uaddr;

	m->copy = true;
	uaddr = map_all(test, m);
	expect_page_numbers(test, uaddr, 0, PAGES);
	KUNIT_EXPECT_EQ(test, 0, vm_munmap((unsigned long)uaddr, SIZE));
	KUNIT_EXPECT_EQ(test, 1, page_count(custom_kunit_page(m->buf, 0)));
}

/* UIO has the number of the mapping there, but for the call. */
static void offset_may_change_afterwards(struct kunit *test)
{
	struct mapping *m = mapping_param(test);
	void __user *uaddr;

	m->add_pgoff = 1;
	uaddr = map_all(test, m);
	expect_page_numbers(test, uaddr, 0, PAGES);
	KUNIT_EXPECT_EQ(test, 0, vm_munmap((unsigned long)uaddr +
					   MIDDLE * PAGE_SIZE, PAGE_SIZE));
	expect_page_numbers(test, uaddr, 0, MIDDLE);
	expect_page_numbers(test, uaddr + (MIDDLE + 1) * PAGE_SIZE, MIDDLE + 1,
			    PAGES - MIDDLE - 1);
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

/* Those of a mapping of all, and the driver's. */
static void expect_references(struct kunit *test, struct mapping *m,
			      unsigned long mappings)
{
	unsigned long i, wrong = 0;

	for (i = 0; i < PAGES; i++) {
		struct folio *folio;

		folio = page_folio(custom_kunit_page(m->buf, i * PAGE_SIZE));
		if (folio_ref_count(folio) !=
		    1 + mappings * folio_nr_pages(folio))
			wrong++;
	}
	KUNIT_EXPECT_EQ(test, 0, wrong);
}

static void pages_hold_a_reference_each(struct kunit *test)
{
	struct mapping *m = mapping(test, NULL);

	map_all(test, m);
	expect_references(test, m, 1);
}

static void pages_are_released_by_munmap(struct kunit *test)
{
	struct mapping *m = mapping(test, NULL);
	void __user *uaddr = map_all(test, m);

	KUNIT_ASSERT_EQ(test, 0, vm_munmap((unsigned long)uaddr, SIZE));
	expect_references(test, m, 0);
}

static void pages_outlive_the_buffer(struct kunit *test)
{
	struct mapping *m = mapping(test, NULL);
	void __user *uaddr = map_all(test, m);
	struct page *page = custom_kunit_page(m->buf, SINGLE * PAGE_SIZE);

	custom_kunit_free(test, m->buf);
	KUNIT_EXPECT_EQ(test, 1, page_count(page));
	KUNIT_EXPECT_EQ(test, SINGLE, read_user(test, uaddr + SINGLE * PAGE_SIZE));
}

static void pages_go_back_with_the_last_mapping(struct kunit *test)
{
	struct mapping *m = mapping(test, NULL);
	void __user *uaddr = map_all(test, m);
	struct page *page = custom_kunit_page(m->buf, SINGLE * PAGE_SIZE);

	get_page(page); /* so that nobody else gets it meanwhile */
	custom_kunit_free(test, m->buf);
	KUNIT_EXPECT_EQ(test, 2, page_count(page));
	KUNIT_ASSERT_EQ(test, 0, vm_munmap((unsigned long)uaddr, SIZE));
	KUNIT_EXPECT_EQ(test, 1, page_count(page));
	put_page(page);
}

/* A real driver: its buffer is managed, and goes when it is unbound. */
static int managed_probe(struct platform_device *pdev)
{
	struct custom_kunit_buffer *buf = dev_get_platdata(&pdev->dev);
	const struct mode_case *mode = kunit_get_current_test()->param_value;
	int ret;

	dev_set_dma_coherent(&pdev->dev);
	if (mode->noncoherent)
		custom_kunit_set_coherent(&pdev->dev, false);
	ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (ret)
		return ret;
	ret = devm_dma_custom_attach(&pdev->dev, &mode->cfg);
	if (ret)
		return ret;
	buf->dev = &pdev->dev;
	buf->size = SIZE;
	buf->cpu_addr = dmam_alloc_attrs(&pdev->dev, SIZE, &buf->dma_addr,
					 GFP_KERNEL, 0);
	if (!buf->cpu_addr)
		return -ENOMEM;
	platform_set_drvdata(pdev, buf);
	return 0;
}

static struct platform_driver managed_driver = {
	.probe		= managed_probe,
	.driver.name	= "dma_custom_kunit",
};

static void mapping_outlives_the_driver(struct kunit *test)
{
	const struct mode_case *mode = test->param_value;
	struct custom_kunit_buffer buf = {};
	struct mapping m = { .buf = &buf, .size = SIZE };
	struct custom_kunit_buffer *platdata;
	struct platform_device *pdev;
	void __user *uaddr;
	struct page *page;
	unsigned long i;

	if (mode->cfg.mmap == DMA_CUSTOM_MMAP_PFN)
		kunit_skip(test, "the driver has to unmap it first");

	KUNIT_ASSERT_EQ(test, 0,
			kunit_platform_driver_register(test, &managed_driver));
	pdev = kunit_platform_device_alloc(test, "dma_custom_kunit",
					   PLATFORM_DEVID_NONE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pdev);
	if (get_dma_ops(&pdev->dev))
		kunit_skip(test, "the architecture has DMA ops of its own");
	if (mode->noncoherent && (IS_ENABLED(CONFIG_ARCH_HAS_DMA_ALLOC) ||
				  IS_ENABLED(CONFIG_DMA_GLOBAL_POOL)))
		kunit_skip(test, "the architecture allocates by itself");
	KUNIT_ASSERT_EQ(test, 0, platform_device_add_data(pdev, &buf,
							  sizeof(buf)));
	KUNIT_ASSERT_EQ(test, 0, kunit_platform_device_add(test, pdev));
	platdata = dev_get_platdata(&pdev->dev);
	KUNIT_ASSERT_NOT_NULL(test, platdata->cpu_addr);
	buf = *platdata;
	for (i = 0; i < PAGES; i++)
		*(unsigned long *)(buf.cpu_addr + i * PAGE_SIZE) = i;
	page = custom_kunit_page(&buf, SINGLE * PAGE_SIZE);
	m.dma_addr = buf.dma_addr;
	uaddr = map_all(test, &m);

	get_page(page); /* so that nobody else gets it meanwhile */
	device_release_driver(&pdev->dev);
	KUNIT_EXPECT_FALSE(test, dma_custom_attached(&pdev->dev));
	KUNIT_EXPECT_EQ(test, 2, page_count(page));
	expect_page_numbers(test, uaddr, 0, PAGES);
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

/* Pages only: PFNs there would be taken for pages by some architectures. */
static void mixedmap_vma_gets_pages_or_nothing(struct kunit *test)
{
	const struct mode_case *mode = test->param_value;
	struct mapping *m = mapping_param(test);
	unsigned long addr;

	m->set_flags = VM_MIXEDMAP;
	addr = map_shared(test, m, SIZE, 0);
	if (mode->cfg.mmap != DMA_CUSTOM_MMAP_PFN)
		KUNIT_EXPECT_EQ(test, 5, read_user(test, user_ptr(test, addr) +
						   5 * PAGE_SIZE));
	else
		expect_error(test, -EINVAL, addr);
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
	const struct mode_case *mode = test->param_value;
	struct device *dev = custom_kunit_noncoherent_device(test, &mode->cfg);
	struct mapping *m = mapping_on(test, dev);
	void __user *uaddr = map_all(test, m);

	custom_kunit_expect_uncached(test, current->mm, (unsigned long)uaddr,
				     SIZE);
}

static void can_mmap_is_true(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, dma_can_mmap(custom_kunit_device(test, NULL)));
}

static struct kunit_case custom_mmap_cases[] = {
	KUNIT_CASE_PARAM(user_reads_every_page, mode_gen_params),
	KUNIT_CASE_SLOW(pieces_are_mapped_in_each_mode),
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
	KUNIT_CASE_PARAM(part_of_a_buffer_can_be_mapped, mode_gen_params),
	KUNIT_CASE_PARAM(part_past_the_end, mode_gen_params),
	KUNIT_CASE_PARAM(streaming_memory_can_be_mapped, mode_gen_params),
	KUNIT_CASE_PARAM(two_buffers_in_one_mapping, mode_gen_params),
	KUNIT_CASE_PARAM(mmap_that_fails_afterwards_holds_nothing,
			 mode_gen_params),
	KUNIT_CASE_PARAM(copy_of_the_vma_will_do, mode_gen_params),
	KUNIT_CASE_PARAM(offset_may_change_afterwards, mode_gen_params),
	KUNIT_CASE_PARAM(private_writable_is_refused, mode_gen_params),
	KUNIT_CASE_PARAM(private_read_only_reads_the_buffer, mode_gen_params),
	KUNIT_CASE_PARAM(private_read_only_stays_read_only, mode_gen_params),
	KUNIT_CASE_PARAM(mapping_neither_grows_nor_is_dumped, mode_gen_params),
	KUNIT_CASE(pages_hold_a_reference_each),
	KUNIT_CASE(pages_are_released_by_munmap),
	KUNIT_CASE(pages_outlive_the_buffer),
	KUNIT_CASE(pages_go_back_with_the_last_mapping),
	KUNIT_CASE_PARAM(mapping_outlives_the_driver, mode_gen_params),
	KUNIT_CASE(pages_can_be_pinned),
	KUNIT_CASE(pages_are_no_pfn_mapping),
	KUNIT_CASE(pfns_cannot_be_pinned),
	KUNIT_CASE(pfns_hold_no_reference),
	KUNIT_CASE(pfnmap_vma_gets_pfns),
	KUNIT_CASE_PARAM(mixedmap_vma_gets_pages_or_nothing, mode_gen_params),
	KUNIT_CASE_PARAM(driver_may_set_vm_ops_afterwards, mode_gen_params),
	KUNIT_CASE_PARAM(noncoherent_buffer_is_mapped_uncached,
			 mode_gen_params),
	KUNIT_CASE(can_mmap_is_true),
	{}
};

static struct kunit_suite custom_mmap_suite = {
	.name = "dma_custom_mmap",
	.test_cases = custom_mmap_cases,
};

kunit_test_suite(custom_mmap_suite);

#ifdef CONFIG_MMU
/* Huge entries. */

static const struct dma_custom_config huge_mode = {
	.mmap = DMA_CUSTOM_MMAP_HUGE,
};

static void need_huge_entries(struct kunit *test)
{
#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
	if (has_transparent_hugepage() && !arch_needs_pgtable_deposit())
		return;
#endif
	kunit_skip(test, "needs huge page table entries");
}

/* Where pages that are shared have to have a colour, no address will do. */
static void need_any_address(struct kunit *test)
{
	if (SHMLBA > PAGE_SIZE)
		kunit_skip(test, "needs caches without aliases");
}

static bool huge_at(struct kunit *test, void __user *uaddr)
{
	return pmd_leaf(custom_kunit_pmd(current->mm, (unsigned long)uaddr));
}

/* A buffer of three huge entries and a page. */
#define HUGE_PAGES	(PMD_SIZE / PAGE_SIZE)
#define HUGE_SIZE	(3 * PMD_SIZE + PAGE_SIZE)

static struct mapping *huge_mapping(struct kunit *test)
{
	if (get_order(HUGE_SIZE) > MAX_PAGE_ORDER &&
	    !IS_ENABLED(CONFIG_CONTIG_ALLOC))
		kunit_skip(test, "needs CONFIG_CONTIG_ALLOC");
	if (HUGE_SIZE > SZ_64M)
		kunit_skip(test, "huge entries are too large for this test");
	return mapping_of(test, custom_kunit_device(test, &huge_mode),
			  HUGE_SIZE);
}

static void __user *map_huge(struct kunit *test, struct mapping *m)
{
	return user_ptr(test, map_shared(test, m, HUGE_SIZE, 0));
}

static void huge_entries_map_the_buffer(struct kunit *test)
{
	struct mapping *m;
	void __user *uaddr;
	int i;

	need_huge_entries(test);
	m = huge_mapping(test);
	uaddr = map_huge(test, m);
	expect_page_numbers(test, uaddr, 0, HUGE_SIZE / PAGE_SIZE);
	for (i = 0; i < 3; i++) {
		pmd_t pmd = custom_kunit_pmd(current->mm, (unsigned long)uaddr +
					     i * PMD_SIZE);

		KUNIT_EXPECT_TRUE(test, pmd_leaf(pmd));
		KUNIT_EXPECT_EQ(test, pmd_pfn(pmd),
				page_to_pfn(custom_kunit_page(m->buf,
							      i * PMD_SIZE)));
	}
	KUNIT_EXPECT_FALSE(test, huge_at(test, uaddr + 3 * PMD_SIZE));
}

static void huge_entries_take_no_fault(struct kunit *test)
{
	struct mapping *m;

	need_huge_entries(test);
	m = huge_mapping(test);
	KUNIT_EXPECT_EQ(test, 0, touch(test, map_huge(test, m), HUGE_SIZE));
}

/* But where the CPU does not set the dirty bit, the first write does. */
static void huge_write_takes_no_fault(struct kunit *test)
{
	struct mapping *m;
	void __user *uaddr;
	unsigned long val = 0x5eed, faults;

	need_huge_entries(test);
	m = huge_mapping(test);
	uaddr = map_huge(test, m);
	faults = current->min_flt;
	KUNIT_ASSERT_EQ(test, 0, copy_to_user(uaddr, &val, sizeof(val)));
	KUNIT_ASSERT_EQ(test, 0, copy_to_user(uaddr, &val, sizeof(val)));
	KUNIT_EXPECT_LE(test, current->min_flt - faults, 1);
	KUNIT_EXPECT_EQ(test, val, *(unsigned long *)m->buf->cpu_addr);
}

static void huge_ragged_ends_are_single_pages(struct kunit *test)
{
	struct mapping *m = huge_mapping(test);
	unsigned long len = 2 * PMD_SIZE - 2 * PAGE_SIZE;
	void __user *uaddr;

	/* One page into a huge entry, up to one page before another's end. */
	uaddr = user_ptr(test, map_shared(test, m, len, 1));
	expect_page_numbers(test, uaddr, 1, len / PAGE_SIZE);
	KUNIT_EXPECT_FALSE(test, huge_at(test, uaddr));
	KUNIT_EXPECT_FALSE(test, huge_at(test, uaddr + len - PAGE_SIZE));
}

static void huge_middle_of_a_ragged_mapping_is_huge(struct kunit *test)
{
	struct mapping *m;
	void __user *uaddr;

	need_huge_entries(test);
	m = huge_mapping(test);
	uaddr = user_ptr(test, map_shared(test, m, HUGE_SIZE - PAGE_SIZE, 1));
	expect_page_numbers(test, uaddr, 1, HUGE_SIZE / PAGE_SIZE - 1);
	KUNIT_EXPECT_FALSE(test, huge_at(test, uaddr));
	KUNIT_EXPECT_TRUE(test, huge_at(test, uaddr + PMD_SIZE - PAGE_SIZE));
	KUNIT_EXPECT_TRUE(test, huge_at(test, uaddr + 2 * PMD_SIZE));
	KUNIT_EXPECT_FALSE(test, huge_at(test, uaddr + 3 * PMD_SIZE));
}

static void huge_address_that_does_not_suit(struct kunit *test)
{
	struct mapping *m = huge_mapping(test);
	void __user *uaddr = map_huge(test, m);
	unsigned long addr = (unsigned long)uaddr + PAGE_SIZE;

	need_any_address(test);
	KUNIT_ASSERT_EQ(test, 0, vm_munmap((unsigned long)uaddr, HUGE_SIZE));
	addr = do_mmap_file_at(test, m, addr, 3 * PMD_SIZE,
			       PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			       0);
	uaddr = user_ptr(test, addr);
	expect_page_numbers(test, uaddr, 0, 3 * HUGE_PAGES);
	KUNIT_EXPECT_FALSE(test, huge_at(test, uaddr + PMD_SIZE));
}

static void huge_entries_can_be_forbidden(struct kunit *test)
{
	struct mapping *m = huge_mapping(test);
	void __user *uaddr;

	m->set_flags = VM_NOHUGEPAGE;
	uaddr = map_huge(test, m);
	expect_page_numbers(test, uaddr, 0, HUGE_SIZE / PAGE_SIZE);
	KUNIT_EXPECT_FALSE(test, huge_at(test, uaddr));
}

static void huge_hole_leaves_its_neighbours(struct kunit *test)
{
	struct mapping *m = huge_mapping(test);
	void __user *uaddr = map_huge(test, m);
	unsigned long hole = HUGE_PAGES + 7, val;

	touch(test, uaddr, HUGE_SIZE);
	KUNIT_ASSERT_EQ(test, 0, vm_munmap((unsigned long)uaddr +
					   hole * PAGE_SIZE, PAGE_SIZE));
	expect_page_numbers(test, uaddr, 0, hole);
	KUNIT_EXPECT_NE(test, 0, copy_from_user(&val, uaddr + hole * PAGE_SIZE,
						sizeof(val)));
	expect_page_numbers(test, uaddr + (hole + 1) * PAGE_SIZE, hole + 1,
			    HUGE_SIZE / PAGE_SIZE - hole - 1);
}

static void huge_pages_outlive_the_buffer(struct kunit *test)
{
	struct mapping *m = huge_mapping(test);
	void __user *uaddr = map_huge(test, m);

	custom_kunit_free(test, m->buf);
	expect_page_numbers(test, uaddr, 0, HUGE_SIZE / PAGE_SIZE);
}

static void huge_pages_outlive_the_device(struct kunit *test)
{
	struct mapping *m = huge_mapping(test);
	void __user *uaddr = map_huge(test, m);
	struct device *dev = m->buf->dev;

	custom_kunit_free(test, m->buf);
	custom_kunit_detach(test, dev);
	kunit_device_unregister(test, dev);
	expect_page_numbers(test, uaddr, 0, HUGE_SIZE / PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, 0, vm_munmap((unsigned long)uaddr, HUGE_SIZE));
}

static void huge_folio_has_a_reference_per_entry(struct kunit *test)
{
	struct mapping *m;
	void __user *one, *two;
	struct folio *folio;

	need_huge_entries(test);
	m = huge_mapping(test);
	folio = page_folio(custom_kunit_page(m->buf, 0));
	one = map_huge(test, m);
	two = map_huge(test, m);
	KUNIT_EXPECT_EQ(test, 3, folio_ref_count(folio));
	KUNIT_ASSERT_EQ(test, 0, vm_munmap((unsigned long)one, HUGE_SIZE));
	KUNIT_EXPECT_EQ(test, 2, folio_ref_count(folio));
	/* Split, without a page. */
	KUNIT_ASSERT_EQ(test, 0, vm_munmap((unsigned long)two + PAGE_SIZE,
					   PAGE_SIZE));
	KUNIT_EXPECT_FALSE(test, huge_at(test, two));
	KUNIT_EXPECT_EQ(test, HUGE_PAGES, folio_ref_count(folio));
	KUNIT_ASSERT_EQ(test, 0, vm_munmap((unsigned long)two, PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, HUGE_PAGES - 1, folio_ref_count(folio));
	KUNIT_ASSERT_EQ(test, 0, vm_munmap((unsigned long)two, HUGE_SIZE));
	KUNIT_EXPECT_EQ(test, 1, folio_ref_count(folio));
}

/* Not before, however often it is mapped and unmapped. */
static void huge_buffer_outlives_its_mappings(struct kunit *test)
{
	struct mapping *m = huge_mapping(test);
	void __user *uaddr;
	int i;

	for (i = 0; i < 3; i++) {
		uaddr = map_huge(test, m);
		touch(test, uaddr, PAGE_SIZE);
		KUNIT_ASSERT_EQ(test, 0,
				vm_munmap((unsigned long)uaddr, HUGE_SIZE));
	}
	KUNIT_EXPECT_EQ(test, 1, page_count(custom_kunit_page(m->buf, 0)));
	expect_page_numbers(test, map_huge(test, m), 0, HUGE_SIZE / PAGE_SIZE);
}

static void huge_mapping_that_fails_holds_nothing(struct kunit *test)
{
	struct mapping *m = huge_mapping(test);
	struct page *page = custom_kunit_page(m->buf, 0);

	expect_error(test, -ENXIO,
		     map_shared(test, m, HUGE_SIZE + PAGE_SIZE, 0));
	get_page(page);
	custom_kunit_free(test, m->buf);
	KUNIT_EXPECT_EQ(test, 1, page_count(page));
	put_page(page);
}

/* What a driver left behind when it detached is nobody's to reuse. */
static void huge_mapping_of_a_leaked_buffer(struct kunit *test)
{
	struct device *dev = custom_kunit_device(test, &huge_mode);
	struct custom_kunit_buffer buf = { .dev = dev, .size = PAGE_SIZE };
	struct mapping m = { .buf = &buf, .size = PAGE_SIZE };
	void __user *uaddr;
	struct page *page;

	/* Straight from the provider: dma-debug would report the leak too. */
	buf.cpu_addr = get_dma_ops(dev)->alloc(dev, PAGE_SIZE, &buf.dma_addr,
					       GFP_KERNEL, 0);
	KUNIT_ASSERT_NOT_NULL(test, buf.cpu_addr);
	*(unsigned long *)buf.cpu_addr = 5;
	page = custom_kunit_page(&buf, 0);
	m.dma_addr = buf.dma_addr;
	uaddr = user_ptr(test, map_shared(test, &m, PAGE_SIZE, 0));

	custom_kunit_detach(test, dev);
	KUNIT_EXPECT_EQ(test, 5, read_user(test, uaddr));
	KUNIT_ASSERT_EQ(test, 0, vm_munmap((unsigned long)uaddr, PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 1, page_count(page));
	__free_page(page);
}

static void huge_pages_can_be_pinned(struct kunit *test)
{
	struct mapping *m = huge_mapping(test);
	void __user *uaddr = map_huge(test, m);
	struct page *page;

	KUNIT_ASSERT_EQ(test, 1,
			pin_user_pages_fast((unsigned long)uaddr + 9 * PAGE_SIZE,
					    1, FOLL_WRITE | FOLL_LONGTERM,
					    &page));
	KUNIT_EXPECT_PTR_EQ(test, custom_kunit_page(m->buf, 9 * PAGE_SIZE),
			    page);
	unpin_user_page(page);
}

static void huge_is_no_pfn_mapping(struct kunit *test)
{
	struct mapping *m = huge_mapping(test);

	KUNIT_EXPECT_EQ(test, VM_MIXEDMAP,
			flags_at(test, map_huge(test, m)) &
			(VM_PFNMAP | VM_MIXEDMAP | VM_IO));
}

static void huge_memory_is_in_the_books(struct kunit *test)
{
	struct mapping *m = huge_mapping(test);
	unsigned long before;
	void __user *uaddr;

	KUNIT_ASSERT_EQ(test, 0, kunit_attach_mm());
	before = get_mm_rss_sum(current->mm);
	uaddr = map_huge(test, m);
	KUNIT_EXPECT_EQ(test, HUGE_SIZE / PAGE_SIZE,
			get_mm_rss_sum(current->mm) - before);
	KUNIT_ASSERT_EQ(test, 0, vm_munmap((unsigned long)uaddr + PAGE_SIZE,
					   PMD_SIZE));
	KUNIT_EXPECT_EQ(test, (HUGE_SIZE - PMD_SIZE) / PAGE_SIZE,
			get_mm_rss_sum(current->mm) - before);
	KUNIT_ASSERT_EQ(test, 0, vm_munmap((unsigned long)uaddr, HUGE_SIZE));
	KUNIT_EXPECT_EQ(test, before, get_mm_rss_sum(current->mm));
}

static void huge_in_a_pfnmap_vma_is_pfns(struct kunit *test)
{
	struct mapping *m = huge_mapping(test);
	void __user *uaddr;

	m->set_flags = VM_PFNMAP;
	uaddr = map_huge(test, m);
	KUNIT_EXPECT_EQ(test, 1, page_count(custom_kunit_page(m->buf, 0)));
	expect_page_numbers(test, uaddr, 0, HUGE_SIZE / PAGE_SIZE);
}

static void huge_goes_with_vm_ops(struct kunit *test)
{
	static const struct vm_operations_struct vm_ops;
	struct mapping *m;
	void __user *uaddr;

	need_huge_entries(test);
	m = huge_mapping(test);
	m->vm_ops_before = &vm_ops;
	uaddr = map_huge(test, m);
	expect_page_numbers(test, uaddr, 0, HUGE_SIZE / PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, huge_at(test, uaddr));
}

static void huge_second_call_is_refused(struct kunit *test)
{
	struct mapping *m = huge_mapping(test);

	m->twice = true;
	expect_page_numbers(test, map_huge(test, m), 0, HUGE_SIZE / PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, -EBUSY, m->second_result);
}

static void unmapped_area_suits_the_offset(struct kunit *test)
{
	struct mapping *m;
	unsigned long addr;

	need_huge_entries(test);
	m = huge_mapping(test);
	addr = map_shared(test, m, 2 * PMD_SIZE, 3);
	user_ptr(test, addr);
	KUNIT_EXPECT_EQ(test, 3 * PAGE_SIZE, addr % PMD_SIZE);
}

static void unmapped_area_takes_a_hint(struct kunit *test)
{
	struct mapping *m = huge_mapping(test);
	void __user *uaddr = map_huge(test, m);
	unsigned long hint = (unsigned long)uaddr + 5 * PAGE_SIZE;

	need_any_address(test);
	KUNIT_ASSERT_EQ(test, 0, vm_munmap((unsigned long)uaddr, HUGE_SIZE));
	KUNIT_EXPECT_EQ(test, hint,
			do_mmap_file_at(test, m, hint, PAGE_SIZE, PROT_READ,
					MAP_SHARED, 0));
}

static void unmapped_area_has_its_limits(struct kunit *test)
{
	struct mapping *m = huge_mapping(test);

	expect_error(test, -ENOMEM, map_shared(test, m, TASK_SIZE, 0));
	expect_error(test, -ENOMEM,
		     map_shared(test, m, PAGE_ALIGN_DOWN(ULONG_MAX), 0));
}

static struct kunit_case custom_huge_cases[] = {
	KUNIT_CASE(huge_entries_map_the_buffer),
	KUNIT_CASE(huge_entries_take_no_fault),
	KUNIT_CASE(huge_write_takes_no_fault),
	KUNIT_CASE(huge_ragged_ends_are_single_pages),
	KUNIT_CASE(huge_middle_of_a_ragged_mapping_is_huge),
	KUNIT_CASE(huge_address_that_does_not_suit),
	KUNIT_CASE(huge_entries_can_be_forbidden),
	KUNIT_CASE(huge_hole_leaves_its_neighbours),
	KUNIT_CASE(huge_pages_outlive_the_buffer),
	KUNIT_CASE(huge_pages_outlive_the_device),
	KUNIT_CASE(huge_folio_has_a_reference_per_entry),
	KUNIT_CASE(huge_buffer_outlives_its_mappings),
	KUNIT_CASE(huge_mapping_that_fails_holds_nothing),
	KUNIT_CASE(huge_mapping_of_a_leaked_buffer),
	KUNIT_CASE(huge_pages_can_be_pinned),
	KUNIT_CASE(huge_is_no_pfn_mapping),
	KUNIT_CASE(huge_memory_is_in_the_books),
	KUNIT_CASE(huge_in_a_pfnmap_vma_is_pfns),
	KUNIT_CASE(huge_goes_with_vm_ops),
	KUNIT_CASE(huge_second_call_is_refused),
	KUNIT_CASE(unmapped_area_suits_the_offset),
	KUNIT_CASE(unmapped_area_takes_a_hint),
	KUNIT_CASE(unmapped_area_has_its_limits),
	{}
};

static struct kunit_suite custom_huge_suite = {
	.name = "dma_custom_huge",
	.test_cases = custom_huge_cases,
};

kunit_test_suite(custom_huge_suite);
#endif /* CONFIG_MMU */
