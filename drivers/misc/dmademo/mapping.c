// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA demo device: the ways to map a buffer into user space.
 *
 * A driver needs one of them, and dma_mmap_attrs() it should be.  The others are
 * here to be compared with it.
 */
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "dmademo.h"

int dmademo_dma_mmap(struct dmademo_buffer *buf, struct vm_area_struct *vma)
{
	if (buf->flags & DMADEMO_ALLOC_CACHED)
		return dma_mmap_pages(buf->dd->dev, vma, buf->size,
				      virt_to_page(buf->cpu_addr));
	return dma_mmap_attrs(buf->dd->dev, vma, buf->cpu_addr,
			      buf->region.seg.addr, buf->size,
			      dmademo_buffer_attrs(buf));
}

/* The pages that the VMA selects; false if it goes past the end. */
static bool dmademo_pages(struct dmademo_buffer *buf,
			  struct vm_area_struct *vma, struct page **page)
{
	unsigned long count = buf->size >> PAGE_SHIFT;

	if (vma->vm_pgoff >= count || vma_pages(vma) > count - vma->vm_pgoff)
		return false;
	*page = virt_to_page(buf->cpu_addr) + vma->vm_pgoff;
	return true;
}

static int dmademo_insert_page(struct dmademo_buffer *buf,
			       struct vm_area_struct *vma)
{
	struct page *page;
	unsigned long i;
	int ret = 0;

	if (!dmademo_pages(buf, vma, &page))
		return -ENXIO;
	for (i = 0; i < vma_pages(vma) && !ret; i++)
		ret = vm_insert_page(vma, vma->vm_start + i * PAGE_SIZE,
				     page + i);
	return ret;
}

static int dmademo_map_pages(struct dmademo_buffer *buf,
			     struct vm_area_struct *vma)
{
	unsigned long count = buf->size >> PAGE_SHIFT, i;
	struct page *page = virt_to_page(buf->cpu_addr);
	struct page **pages;
	int ret;

	pages = kvmalloc_array(count, sizeof(*pages), GFP_KERNEL_ACCOUNT);
	if (!pages)
		return -ENOMEM;
	for (i = 0; i < count; i++)
		pages[i] = page + i;
	ret = vm_map_pages(vma, pages, count);
	kvfree(pages);
	return ret;
}

static int dmademo_remap_pfn(struct dmademo_buffer *buf,
			     struct vm_area_struct *vma)
{
	struct page *page;

	if (!dmademo_pages(buf, vma, &page))
		return -ENXIO;
	return remap_pfn_range(vma, vma->vm_start, page_to_pfn(page),
			       vma->vm_end - vma->vm_start, vma->vm_page_prot);
}

static void dmademo_vm_open(struct vm_area_struct *vma)
{
	struct dmademo_buffer *buf = vma->vm_private_data;

	kref_get(&buf->ref);
}

static void dmademo_vm_close(struct vm_area_struct *vma)
{
	dmademo_buffer_put(vma->vm_private_data);
}

static const struct vm_operations_struct dmademo_vm_ops = {
	.open	= dmademo_vm_open,
	.close	= dmademo_vm_close,
};

/*
 * The VMA holds the buffer.  When the device goes, the memory does, and the
 * mapping before it: what is in there can be found by the handle in its offset.
 */
static void dmademo_vm_hold(struct dmademo_buffer *buf,
			    struct vm_area_struct *vma,
			    const struct vm_operations_struct *vm_ops)
{
	kref_get(&buf->ref);
	vma->vm_private_data = buf;
	vma->vm_ops = vm_ops;
}

/* One page for each page fault, as ->nopage was once. */
static vm_fault_t dmademo_vm_fault(struct vm_fault *vmf)
{
	struct dmademo_buffer *buf = vmf->vma->vm_private_data;
	unsigned long i = vmf->pgoff & DMADEMO_PGOFF_MASK;
	int idx;

	if (i >= buf->size >> PAGE_SHIFT || !dmademo_enter(buf->dd, &idx))
		return VM_FAULT_SIGBUS;
	vmf->page = virt_to_page(buf->cpu_addr) + i;
	get_page(vmf->page);
	dmademo_exit(idx);
	return 0;
}

static const struct vm_operations_struct dmademo_fault_vm_ops = {
	.open	= dmademo_vm_open,
	.close	= dmademo_vm_close,
	.fault	= dmademo_vm_fault,
};

static int dmademo_fault(struct dmademo_buffer *buf,
			 struct vm_area_struct *vma)
{
	struct page *page;

	if (!dmademo_pages(buf, vma, &page))
		return -ENXIO;
	dmademo_vm_hold(buf, vma, &dmademo_fault_vm_ops);
	return 0;
}

/**
 * struct dmademo_mapper - a process that has mapped a buffer
 * @node: In &dmademo.mappers.
 * @df: The file.
 * @mm: The process's memory.
 */
struct dmademo_mapper {
	struct list_head	node;
	struct dmademo_file	*df;
	struct mm_struct	*mm;
};

static void dmademo_mapper_free(struct dmademo_mapper *mapper)
{
	list_del(&mapper->node);
	mmdrop(mapper->mm);
	kfree(mapper);
}

/* Forgets those that have ended on the way, as they are not in mmap(). */
static bool dmademo_knows_mapper(struct dmademo_file *df, struct mm_struct *mm)
{
	struct dmademo_mapper *mapper, *next;

	guard(mutex)(&df->dd->lock);
	list_for_each_entry_safe(mapper, next, &df->dd->mappers, node) {
		if (mapper->df == df && mapper->mm == mm)
			return true;
		if (!atomic_read(&mapper->mm->mm_users))
			dmademo_mapper_free(mapper);
	}
	return false;
}

/* @mm is locked, so nobody else remembers it meanwhile. */
static int dmademo_remember_mapper(struct dmademo_file *df,
				   struct mm_struct *mm)
{
	struct dmademo_mapper *mapper;

	if (dmademo_knows_mapper(df, mm))
		return 0;
	mapper = kzalloc_obj(*mapper, GFP_KERNEL_ACCOUNT);
	if (!mapper)
		return -ENOMEM;
	mapper->df = df;
	mapper->mm = mm;
	mmgrab(mm);
	guard(mutex)(&df->dd->lock);
	list_add(&mapper->node, &df->dd->mappers);
	return 0;
}

/* A file goes, and its mappings have gone before.  Its device is locked. */
void dmademo_forget_mappers(struct dmademo_file *df)
{
	struct dmademo_mapper *mapper, *next;

	list_for_each_entry_safe(mapper, next, &df->dd->mappers, node)
		if (mapper->df == df)
			dmademo_mapper_free(mapper);
}

/*
 * mmap() maps, and only then, still under the lock of the process's memory, makes
 * the VMA one that unmap_mapping_pages() finds.  Wait for those that are between.
 */
static void dmademo_wait_for_mappers(struct dmademo *dd)
{
	struct dmademo_mapper *mapper;

	for (;;) {
		/* Their lock is taken before the device's elsewhere. */
		scoped_guard(mutex, &dd->lock) {
			mapper = list_first_entry_or_null(&dd->mappers,
							  struct dmademo_mapper,
							  node);
			if (!mapper)
				return;
			list_del_init(&mapper->node);
		}
		mmap_write_lock(mapper->mm);
		mmap_write_unlock(mapper->mm);
		dmademo_mapper_free(mapper);
	}
}

/**
 * dmademo_unmap_all - end all mappings that do not keep their memory
 * @dd: the device, which gets no more of them
 */
void dmademo_unmap_all(struct dmademo *dd)
{
	struct dmademo_file *df;

	dmademo_wait_for_mappers(dd);
	guard(mutex)(&dd->lock);
	list_for_each_entry(df, &dd->files, node)
		unmap_mapping_pages(df->mapping, 1UL << DMADEMO_PGOFF_SHIFT, 0,
				    true);
}

static const struct dmademo_way dmademo_ways[] = {
	{
		.name		= "pages",
		.strategy	= DMADEMO_STRATEGY_DMA_MMAP,
		.mode		= DMA_CUSTOM_MMAP_PAGES,
		.mmap		= dmademo_dma_mmap,
	}, {
		.name		= "pfn",
		.strategy	= DMADEMO_STRATEGY_DMA_MMAP,
		.mode		= DMA_CUSTOM_MMAP_PFN,
		.mmap		= dmademo_dma_mmap,
	}, {
		.name		= "huge",
		.strategy	= DMADEMO_STRATEGY_HUGE,
		.mode		= DMA_CUSTOM_MMAP_HUGE,
		.mmap		= dmademo_dma_mmap,
	}, {
		.name		= "direct",
		.strategy	= DMADEMO_STRATEGY_DMA_MMAP,
		.no_provider	= true,
		.mmap		= dmademo_dma_mmap,
	}, {
		.name		= "insert_page",
		.strategy	= DMADEMO_STRATEGY_INSERT_PAGE,
		.by_page	= true,
		.mmap		= dmademo_insert_page,
	}, {
		.name		= "map_pages",
		.strategy	= DMADEMO_STRATEGY_MAP_PAGES,
		.by_page	= true,
		.mmap		= dmademo_map_pages,
	}, {
		.name		= "remap_pfn",
		.strategy	= DMADEMO_STRATEGY_REMAP_PFN,
		.by_page	= true,
		.mmap		= dmademo_remap_pfn,
	}, {
		.name		= "fault",
		.strategy	= DMADEMO_STRATEGY_FAULT,
		.by_page	= true,
		.mmap		= dmademo_fault,
	},
};

const struct dmademo_way *dmademo_way_by_name(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(dmademo_ways); i++)
		if (!strcmp(name, dmademo_ways[i].name))
			return &dmademo_ways[i];
	return NULL;
}

/**
 * dmademo_has_plain_pages - can others have the pages of a buffer?
 * @dd: the device
 * @flags: of the buffer
 *
 * Return: true if each page has a reference of its own, nobody wants the pages
 * back, and the kernel's mapping shows what the device sees.
 */
bool dmademo_has_plain_pages(const struct dmademo *dd, u32 flags)
{
	return !dd->way->no_provider && !dd->own_memory &&
	       (dd->engine.coherent || flags & DMADEMO_ALLOC_CACHED);
}

/* dma_mmap_attrs() does what the device was set up for. */
static bool dmademo_way_fits(const struct dmademo *dd,
			     const struct dmademo_way *way, u32 strategy)
{
	/* Without the custom DMA ops there are no others to choose from. */
	if (dd->way->by_page && way != dd->way)
		return false;
	if (way->by_page)
		return way->strategy == strategy;
	return way->no_provider == dd->way->no_provider &&
	       way->mode == dd->way->mode &&
	       (strategy == DMADEMO_STRATEGY_DMA_MMAP ||
		strategy == way->strategy);
}

/**
 * dmademo_way_by_strategy - how to map a buffer
 * @dd: the device
 * @strategy: as in struct dmademo_alloc
 * @flags: as in struct dmademo_alloc
 *
 * Return: the way, or -EOPNOTSUPP if the device has none for such a buffer.
 */
const struct dmademo_way *dmademo_way_by_strategy(struct dmademo *dd,
						  u32 strategy, u32 flags)
{
	const struct dmademo_way *way = dd->way;
	unsigned int i;

	if (strategy != DMADEMO_STRATEGY_DEFAULT) {
		for (i = 0; i < ARRAY_SIZE(dmademo_ways); i++)
			if (dmademo_way_fits(dd, &dmademo_ways[i], strategy))
				break;
		if (i == ARRAY_SIZE(dmademo_ways))
			return ERR_PTR(-EOPNOTSUPP);
		way = &dmademo_ways[i];
	}
	if (way->by_page && !dmademo_has_plain_pages(dd, flags))
		return ERR_PTR(-EOPNOTSUPP);
	return way;
}

/* What dma_mmap_attrs() does. */
enum dmademo_mmap_mode dmademo_mmap_mode(struct dmademo *dd)
{
	if (dd->way->no_provider)
		return DMADEMO_MMAP_PFN;
	switch (dd->way->mode) {
	case DMA_CUSTOM_MMAP_HUGE:
		return DMADEMO_MMAP_HUGE;
	case DMA_CUSTOM_MMAP_PAGES:
		return DMADEMO_MMAP_PAGES;
	default:
		return DMADEMO_MMAP_PFN;
	}
}

/**
 * dmademo_map - map a buffer into user space
 * @df: the file that is mapped
 * @buf: the buffer, with its memory; its device is entered
 * @vma: where to; its offset has the handle in front
 *
 * Return: 0, -EINVAL for a private mapping that can be written, -ENXIO if it
 * would go past the end, or -ENOMEM.
 */
int dmademo_map(struct dmademo_file *df, struct dmademo_buffer *buf,
		struct vm_area_struct *vma)
{
	const unsigned long pgoff = vma->vm_pgoff;
	int ret;

	/* The device would never see what is written to private copies. */
	if (!(vma->vm_flags & VM_SHARED)) {
		if (vma->vm_flags & VM_WRITE)
			return -EINVAL;
		vm_flags_clear(vma, VM_MAYWRITE);
	}
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	/* Before there is anything to find. */
	ret = dmademo_remember_mapper(df, vma->vm_mm);
	if (ret)
		return ret;
	/* dma_mmap_attrs() counts from the start of the buffer. */
	vma->vm_pgoff = pgoff & DMADEMO_PGOFF_MASK;
	ret = buf->way->mmap(buf, vma);
	if (ret)
		return ret;

	/* Page frame numbers do not keep the memory, so hold the buffer. */
	if (vma->vm_flags & VM_PFNMAP)
		dmademo_vm_hold(buf, vma, &dmademo_vm_ops);
	if (vma->vm_ops == &dmademo_vm_ops ||
	    vma->vm_ops == &dmademo_fault_vm_ops)
		vma->vm_pgoff = pgoff;
	return 0;
}
