// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the custom DMA ops: user mappings by a driver that has ->mmap_prepare
 * instead of ->mmap.  Each case has a real address space, a real file and a real VMA.
 */
#include <linux/anon_inodes.h>
#include <linux/dma-mapping.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/uaccess.h>

#include "custom_kunit.h"

/* Some pages that are in no large folio, or a huge entry and a page. */
#define PAGES		9
#define HUGE_PAGES	(PMD_SIZE / PAGE_SIZE + 1)

/* The driver behind the mapped file.  The address space may go after the test. */
struct mapping {
	struct kref ref;
	struct custom_kunit_buffer *buf;
	unsigned long pages;
	/* memory from dma_alloc_pages() or dma_alloc_noncontiguous() instead */
	struct page *page;
	struct sg_table *sgt;
	/* what ->mapped returns instead of mapping anything */
	int error;
	/* ->mmap_prepare does not call dma_mmap_prepare() */
	bool forgets;
	/* calls */
	int prepared, mapped, closed;
	/* of a VMA that is not merged with others */
	bool special;
	/* of ->mapped that have not been followed by ->close */
	int held;
};

struct device_case {
	const char *name;
	bool attached;
	struct dma_custom_config cfg;
};

static const struct device_case device_cases[] = {
	{ "no DMA ops", false },
	{ "pages", true, { .mmap = DMA_CUSTOM_MMAP_PAGES } },
	{ "pfn", true, { .mmap = DMA_CUSTOM_MMAP_PFN } },
	{ "huge", true, { .mmap = DMA_CUSTOM_MMAP_HUGE } },
};

KUNIT_ARRAY_PARAM_DESC(device, device_cases, name);

static const struct dma_custom_config huge_mode = {
	.mmap = DMA_CUSTOM_MMAP_HUGE,
};

static bool holds_pages(struct kunit *test)
{
	const struct device_case *device = test->param_value;

	return device->attached && device->cfg.mmap != DMA_CUSTOM_MMAP_PFN;
}

/* A reference to the file's driver is what a real one has in vm_private_data. */
static int driver_mapped(unsigned long start, unsigned long end, pgoff_t pgoff,
			 const struct file *file, void **vm_private_data)
{
	struct mapping *m = file->private_data;
	int ret;

	m->mapped++;
	if (m->error)
		return m->error;
	if (m->sgt)
		ret = dma_mmap_noncontiguous_mapped(m->buf->dev, start, end,
						    m->buf->size, m->sgt);
	else if (m->page)
		ret = dma_mmap_pages_mapped(m->buf->dev, start, end,
					    m->buf->size, m->page);
	else
		ret = dma_mmap_mapped(m->buf->dev, start, end, m->buf->cpu_addr,
				      m->buf->dma_addr, m->buf->size, 0);
	if (ret)
		return ret;
	m->held++;
	*vm_private_data = m;
	return 0;
}

static void driver_open(struct vm_area_struct *vma)
{
	struct mapping *m = vma->vm_private_data;

	m->held++;
}

static void driver_close(struct vm_area_struct *vma)
{
	struct mapping *m = vma->vm_file->private_data;

	m->closed++;
	if (vma->vm_private_data)
		m->held--;
}

static const struct vm_operations_struct driver_vm_ops = {
	.open	= driver_open,
	.close	= driver_close,
	.mapped	= driver_mapped,
};

static int driver_mmap_prepare(struct vm_area_desc *desc)
{
	struct mapping *m = desc->file->private_data;
	int ret = m->forgets ? 0 : dma_mmap_prepare(desc);

	m->prepared++;
	m->special = vma_desc_test(desc, VMA_DONTEXPAND_BIT);
	desc->vm_ops = &driver_vm_ops;
	return ret;
}

static void mapping_free(struct kref *ref)
{
	kfree(container_of(ref, struct mapping, ref));
}

static void mapping_put(void *data)
{
	struct mapping *m = data;

	kref_put(&m->ref, mapping_free);
}

static int driver_release(struct inode *inode, struct file *file)
{
	mapping_put(file->private_data);
	return 0;
}

static const struct file_operations driver_fops = {
	.release		= driver_release,
	.mmap_prepare		= driver_mmap_prepare,
#ifdef CONFIG_MMU
	.get_unmapped_area	= dma_custom_get_unmapped_area,
#endif
};

/* A buffer whose first long on each page is that page's number. */
static struct mapping *mapping_of(struct kunit *test, struct device *dev,
				  unsigned long pages)
{
	struct mapping *m;
	unsigned long i;

	if (!IS_ENABLED(CONFIG_MMU))
		kunit_skip(test, "needs an MMU");
	m = kzalloc_obj(*m);
	KUNIT_ASSERT_NOT_NULL(test, m);
	kref_init(&m->ref);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, mapping_put, m));
	m->pages = pages;
	m->buf = custom_kunit_alloc(test, dev, pages * PAGE_SIZE);
	for (i = 0; i < pages; i++)
		*(unsigned long *)(m->buf->cpu_addr + i * PAGE_SIZE) = i;
	return m;
}

static struct device *device_param(struct kunit *test)
{
	const struct device_case *device = test->param_value;

	if (!device->attached)
		return custom_kunit_plain_device(test, "plain");
	return custom_kunit_device(test, &device->cfg);
}

static struct mapping *mapping_param(struct kunit *test)
{
	return mapping_of(test, device_param(test), PAGES);
}

static struct file *open_file(struct kunit *test, struct mapping *m)
{
	struct file *file;

	KUNIT_ASSERT_EQ(test, 0, kunit_attach_mm());
	file = anon_inode_getfile("dma_custom_kunit", &driver_fops, m, O_RDWR);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	kref_get(&m->ref);
	return file;
}

/* mmap() of @pages from the @first; returns the user address or an error. */
static unsigned long do_mmap_file(struct kunit *test, struct mapping *m,
				  unsigned long addr, unsigned long first,
				  unsigned long pages, unsigned long prot,
				  unsigned long flags)
{
	struct file *file = open_file(test, m);

	addr = vm_mmap(file, addr, pages * PAGE_SIZE, prot, flags,
		       first << PAGE_SHIFT);
	fput(file);
	return addr;
}

static unsigned long map_shared(struct kunit *test, struct mapping *m,
				unsigned long first, unsigned long pages)
{
	return do_mmap_file(test, m, 0, first, pages, PROT_READ | PROT_WRITE,
			    MAP_SHARED);
}

static void __user *user_ptr(struct kunit *test, unsigned long addr)
{
	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR_VALUE(addr), "mmap() failed: %ld",
			       (long)addr);
	return (void __user *)addr;
}

static void __user *map_all(struct kunit *test, struct mapping *m)
{
	return user_ptr(test, map_shared(test, m, 0, m->pages));
}

static void unmap(struct kunit *test, void __user *uaddr, unsigned long pages)
{
	KUNIT_ASSERT_EQ(test, 0, vm_munmap((unsigned long)uaddr,
					   pages * PAGE_SIZE));
}

static void expect_page_numbers(struct kunit *test, void __user *uaddr,
				unsigned long first, unsigned long pages)
{
	unsigned long i, val, wrong = 0;

	for (i = 0; i < pages; i++) {
		KUNIT_ASSERT_EQ(test, 0, copy_from_user(&val, uaddr + i * PAGE_SIZE,
							sizeof(val)));
		if (val != first + i)
			wrong++;
	}
	KUNIT_EXPECT_EQ(test, 0, wrong);
}

/* Of each page: the allocation's, and those of @mappings. */
static void expect_references(struct kunit *test, struct mapping *m, int mappings)
{
	unsigned long i, wrong = 0;

	for (i = 0; i < m->pages; i++) {
		struct folio *folio;

		folio = page_folio(custom_kunit_page(m->buf, i * PAGE_SIZE));
		if (folio_ref_count(folio) !=
		    1 + mappings * folio_nr_pages(folio))
			wrong++;
	}
	KUNIT_EXPECT_EQ(test, 0, wrong);
}

/* An mmap() that failed has left nothing. */
static void expect_nothing_held(struct kunit *test, struct mapping *m)
{
	const struct device_case *device = test->param_value;

	KUNIT_EXPECT_EQ(test, 0, m->held);
	KUNIT_EXPECT_EQ(test, m->mapped, m->closed);
	/* dma-direct's pages have no references to look at. */
	if (device->attached)
		expect_references(test, m, 0);
	expect_page_numbers(test, map_all(test, m), 0, m->pages);
	KUNIT_EXPECT_EQ(test, 1, m->held);
}

static void user_reads_every_page(struct kunit *test)
{
	struct mapping *m = mapping_param(test);

	expect_page_numbers(test, map_all(test, m), 0, PAGES);
	KUNIT_EXPECT_EQ(test, 1, m->mapped);
}

static void kernel_sees_user_writes(struct kunit *test)
{
	struct mapping *m = mapping_param(test);
	void __user *uaddr = map_all(test, m);
	unsigned long val = 0x5eed;

	KUNIT_ASSERT_EQ(test, 0, copy_to_user(uaddr + 3 * PAGE_SIZE, &val,
					      sizeof(val)));
	KUNIT_EXPECT_EQ(test, val,
			*(unsigned long *)(m->buf->cpu_addr + 3 * PAGE_SIZE));
}

static void part_starts_at_its_offset(struct kunit *test)
{
	struct mapping *m = mapping_param(test);

	expect_page_numbers(test, user_ptr(test, map_shared(test, m, 5, 3)), 5, 3);
}

/* Without its first two pages, while the caller has the buffer. */
static void expect_part_is_mapped(struct kunit *test, struct mapping *m, void *cpu_addr)
{
	unsigned long addr, i;

	for (i = 0; i < PAGES; i++)
		*(unsigned long *)(cpu_addr + i * PAGE_SIZE) = i;
	addr = map_shared(test, m, 2, PAGES - 2);
	KUNIT_EXPECT_FALSE(test, IS_ERR_VALUE(addr));
	if (IS_ERR_VALUE(addr))
		return;
	expect_page_numbers(test, (void __user *)addr, 2, PAGES - 2);
	vm_munmap(addr, (PAGES - 2) * PAGE_SIZE);
}

static void cached_buffer_is_mapped(struct kunit *test)
{
	struct mapping *m = mapping_param(test);
	struct device *dev = m->buf->dev;
	dma_addr_t dma_addr;

	m->page = dma_alloc_pages(dev, m->buf->size, &dma_addr,
				  DMA_BIDIRECTIONAL, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m->page);
	expect_part_is_mapped(test, m, page_address(m->page));
	dma_free_pages(dev, m->buf->size, m->page, dma_addr, DMA_BIDIRECTIONAL);
}

static void noncontiguous_buffer_is_mapped(struct kunit *test)
{
	struct mapping *m = mapping_param(test);
	struct device *dev = m->buf->dev;
	void *cpu_addr;

	m->sgt = dma_alloc_noncontiguous(dev, m->buf->size, DMA_BIDIRECTIONAL,
					 GFP_KERNEL, 0);
	KUNIT_ASSERT_NOT_NULL(test, m->sgt);
	cpu_addr = dma_vmap_noncontiguous(dev, m->buf->size, m->sgt);
	KUNIT_EXPECT_NOT_NULL(test, cpu_addr);
	if (cpu_addr) {
		expect_part_is_mapped(test, m, cpu_addr);
		dma_vunmap_noncontiguous(dev, cpu_addr);
	}
	dma_free_noncontiguous(dev, m->buf->size, m->sgt, DMA_BIDIRECTIONAL);
}

static void mapping_holds_the_pages(struct kunit *test)
{
	struct mapping *m = mapping_param(test);
	const struct device_case *device = test->param_value;
	void __user *uaddr;

	if (!device->attached)
		kunit_skip(test, "dma-direct's pages have no references");
	uaddr = map_all(test, m);
	expect_references(test, m, holds_pages(test) ? 1 : 0);
	unmap(test, uaddr, PAGES);
	expect_references(test, m, 0);
	KUNIT_EXPECT_EQ(test, 0, m->held);
}

static void mapping_outlives_the_buffer(struct kunit *test)
{
	struct mapping *m = mapping_param(test);
	void __user *uaddr;
	struct page *page;

	if (!holds_pages(test))
		kunit_skip(test, "the driver has to unmap it first");
	uaddr = map_all(test, m);
	page = custom_kunit_page(m->buf, 4 * PAGE_SIZE);
	get_page(page); /* so that nobody else gets it meanwhile */
	custom_kunit_free(test, m->buf);
	expect_page_numbers(test, uaddr, 0, PAGES);
	KUNIT_EXPECT_EQ(test, 2, page_count(page));
	unmap(test, uaddr, PAGES);
	KUNIT_EXPECT_EQ(test, 1, page_count(page));
	put_page(page);
}

static void part_past_the_end_holds_nothing(struct kunit *test)
{
	struct mapping *m = mapping_param(test);

	KUNIT_EXPECT_EQ(test, -ENXIO, (long)map_shared(test, m, 0, PAGES + 1));
	KUNIT_EXPECT_EQ(test, -ENXIO, (long)map_shared(test, m, PAGES, 1));
	KUNIT_EXPECT_EQ(test, -ENXIO, (long)map_shared(test, m, PAGES - 1, 2));
	KUNIT_EXPECT_EQ(test, 3, m->mapped);
	expect_nothing_held(test, m);
}

static void driver_that_finds_no_buffer_holds_nothing(struct kunit *test)
{
	struct mapping *m = mapping_param(test);

	m->error = -ENODEV;
	KUNIT_EXPECT_EQ(test, -ENODEV, (long)map_shared(test, m, 0, PAGES));
	m->error = 0;
	KUNIT_EXPECT_EQ(test, 1, m->mapped);
	expect_nothing_held(test, m);
}

static void driver_that_forgot_to_prepare_is_told(struct kunit *test)
{
	struct mapping *m = mapping_param(test);

	m->forgets = true;
	kunit_warning_suppress(test) {
		KUNIT_EXPECT_EQ(test, -EINVAL, (long)map_shared(test, m, 0, PAGES));
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
	}
	m->forgets = false;
	expect_nothing_held(test, m);
}

static void private_writable_is_refused(struct kunit *test)
{
	struct mapping *m = mapping_param(test);

	KUNIT_EXPECT_EQ(test, -EINVAL,
			(long)do_mmap_file(test, m, 0, 0, PAGES,
					   PROT_READ | PROT_WRITE, MAP_PRIVATE));
	KUNIT_EXPECT_EQ(test, 1, m->prepared);
	KUNIT_EXPECT_EQ(test, 0, m->mapped);
	expect_nothing_held(test, m);
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

static void private_read_only_stays_read_only(struct kunit *test)
{
	struct mapping *m = mapping_param(test);
	void __user *uaddr;

	uaddr = user_ptr(test, do_mmap_file(test, m, 0, 3, 1, PROT_READ,
					    MAP_PRIVATE));
	expect_page_numbers(test, uaddr, 3, 1);
	KUNIT_EXPECT_EQ(test, 0, flags_at(test, uaddr) & VM_MAYWRITE);
}

/* Nothing would map the second one. */
static void neighbours_are_not_merged(struct kunit *test)
{
	struct mapping *m = mapping_param(test);
	struct file *file = open_file(test, m);
	unsigned long addr, next;

	addr = vm_mmap(file, 0, PAGES * PAGE_SIZE, PROT_READ, MAP_SHARED, 0);
	KUNIT_EXPECT_FALSE(test, IS_ERR_VALUE(addr));
	/* In place of its second part, and just what that was. */
	next = vm_mmap(file, addr + 4 * PAGE_SIZE, (PAGES - 4) * PAGE_SIZE,
		       PROT_READ, MAP_SHARED | MAP_FIXED, 4 * PAGE_SIZE);
	fput(file);
	KUNIT_ASSERT_EQ(test, addr + 4 * PAGE_SIZE, next);
	KUNIT_EXPECT_TRUE(test, m->special);
	KUNIT_EXPECT_EQ(test, 2, m->mapped);
	KUNIT_EXPECT_EQ(test, 2, m->held);
	expect_page_numbers(test, user_ptr(test, addr), 0, PAGES);
	unmap(test, user_ptr(test, addr), PAGES);
	KUNIT_EXPECT_EQ(test, 0, m->held);
}

static void unmapped_hole_leaves_its_neighbours(struct kunit *test)
{
	struct mapping *m = mapping_param(test);
	void __user *uaddr = map_all(test, m);

	unmap(test, uaddr + 4 * PAGE_SIZE, 1);
	KUNIT_EXPECT_EQ(test, 2, m->held);
	expect_page_numbers(test, uaddr, 0, 4);
	expect_page_numbers(test, uaddr + 5 * PAGE_SIZE, 5, PAGES - 5);
	unmap(test, uaddr, PAGES);
	KUNIT_EXPECT_EQ(test, 0, m->held);
}

/* A file that has ->mmap, and another one's pages. */
static int outer_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct file *inner = file->private_data;

	vma_set_file(vma, inner);
	return vfs_mmap(inner, vma);
}

static const struct file_operations outer_fops = { .mmap = outer_mmap };

/* In place of a mapping of the buffer, which is still in the address space then. */
static void file_of_another_file_is_refused(struct kunit *test)
{
	struct mapping *m = mapping_param(test);
	struct file *inner = open_file(test, m);
	struct file *outer = anon_inode_getfile("dma_custom_kunit", &outer_fops,
						inner, O_RDWR);
	unsigned long addr = map_shared(test, m, 0, PAGES), ret;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, outer);
	user_ptr(test, addr);
	ret = vm_mmap(outer, addr, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_FIXED, 0);
	fput(outer);
	fput(inner);
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, (long)ret);
	KUNIT_EXPECT_EQ(test, 2, m->prepared);
	KUNIT_EXPECT_EQ(test, 1, m->mapped);
	KUNIT_EXPECT_EQ(test, 0, m->held);
}

#ifdef CONFIG_MMU
static void huge_entry_maps_the_buffer(struct kunit *test)
{
	struct mapping *m = mapping_of(test, custom_kunit_device(test, &huge_mode),
				       HUGE_PAGES);
	void __user *uaddr = map_all(test, m);
	bool can = false;

	expect_page_numbers(test, uaddr, 0, HUGE_PAGES);
#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
	can = has_transparent_hugepage() && !arch_needs_pgtable_deposit();
#endif
	if (!can)
		kunit_skip(test, "needs huge page table entries");
	KUNIT_EXPECT_TRUE(test, pmd_leaf(custom_kunit_pmd(current->mm,
							  (unsigned long)uaddr)));
	/* The allocation's reference, and one of the entry. */
	KUNIT_EXPECT_EQ(test, 2, folio_ref_count(page_folio(custom_kunit_page(m->buf, 0))));
}
#endif

static struct kunit_case custom_mmap_prepare_cases[] = {
	KUNIT_CASE_PARAM(user_reads_every_page, device_gen_params),
	KUNIT_CASE_PARAM(kernel_sees_user_writes, device_gen_params),
	KUNIT_CASE_PARAM(part_starts_at_its_offset, device_gen_params),
	KUNIT_CASE_PARAM(cached_buffer_is_mapped, device_gen_params),
	KUNIT_CASE_PARAM(noncontiguous_buffer_is_mapped, device_gen_params),
	KUNIT_CASE_PARAM(mapping_holds_the_pages, device_gen_params),
	KUNIT_CASE_PARAM(mapping_outlives_the_buffer, device_gen_params),
	KUNIT_CASE_PARAM(part_past_the_end_holds_nothing, device_gen_params),
	KUNIT_CASE_PARAM(driver_that_finds_no_buffer_holds_nothing, device_gen_params),
	KUNIT_CASE_PARAM(driver_that_forgot_to_prepare_is_told, device_gen_params),
	KUNIT_CASE_PARAM(private_writable_is_refused, device_gen_params),
	KUNIT_CASE_PARAM(private_read_only_stays_read_only, device_gen_params),
	KUNIT_CASE_PARAM(neighbours_are_not_merged, device_gen_params),
	KUNIT_CASE_PARAM(unmapped_hole_leaves_its_neighbours, device_gen_params),
	KUNIT_CASE_PARAM(file_of_another_file_is_refused, device_gen_params),
#ifdef CONFIG_MMU
	KUNIT_CASE(huge_entry_maps_the_buffer),
#endif
	{}
};

static struct kunit_suite custom_mmap_prepare_suite = {
	.name = "dma_custom_mmap_prepare",
	.test_cases = custom_mmap_prepare_cases,
};

kunit_test_suite(custom_mmap_prepare_suite);
