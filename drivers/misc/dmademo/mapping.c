// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA demo device: the ways to map a buffer into user space.
 *
 * A driver needs one of them, and dma_mmap_attrs() it should be.  The others are
 * here to be compared with it.
 */
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "dmademo.h"

static int dmademo_dma_mmap(struct dmademo_buffer *buf,
			    struct vm_area_struct *vma)
{
	return dma_mmap_attrs(buf->dd->dev, vma, buf->cpu_addr,
			      buf->region.start, buf->size, 0);
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

/* The VMA holds the buffer. */
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

	if (vmf->pgoff >= buf->size >> PAGE_SHIFT)
		return VM_FAULT_SIGBUS;
	vmf->page = virt_to_page(buf->cpu_addr) + vmf->pgoff;
	get_page(vmf->page);
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

static const struct dmademo_strategy dmademo_strategies[] = {
	{
		.name		= "pages",
		.provider_mode	= DMA_CUSTOM_MMAP_PAGES,
		.mode		= DMADEMO_MMAP_PAGES,
		.mmap		= dmademo_dma_mmap,
	}, {
		.name		= "pfn",
		.provider_mode	= DMA_CUSTOM_MMAP_PFN,
		.mode		= DMADEMO_MMAP_PFN,
		.mmap		= dmademo_dma_mmap,
	}, {
		.name		= "huge",
		.provider_mode	= DMA_CUSTOM_MMAP_HUGE,
		.mode		= DMADEMO_MMAP_HUGE,
		.mmap		= dmademo_dma_mmap,
	}, {
		.name		= "direct",
		.no_provider	= true,
		.mode		= DMADEMO_MMAP_PFN,
		.mmap		= dmademo_dma_mmap,
	}, {
		.name		= "insert_page",
		.coherent_only	= true,
		.mode		= DMADEMO_MMAP_PAGES,
		.mmap		= dmademo_insert_page,
	}, {
		.name		= "map_pages",
		.coherent_only	= true,
		.mode		= DMADEMO_MMAP_PAGES,
		.mmap		= dmademo_map_pages,
	}, {
		.name		= "remap_pfn",
		.coherent_only	= true,
		.mode		= DMADEMO_MMAP_PFN,
		.mmap		= dmademo_remap_pfn,
	}, {
		.name		= "fault",
		.coherent_only	= true,
		.mode		= DMADEMO_MMAP_PAGES,
		.mmap		= dmademo_fault,
	},
};

const struct dmademo_strategy *dmademo_strategy_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(dmademo_strategies); i++)
		if (!strcmp(name, dmademo_strategies[i].name))
			return &dmademo_strategies[i];
	return NULL;
}

int dmademo_map(struct dmademo_buffer *buf, struct vm_area_struct *vma)
{
	const struct vm_operations_struct *vm_ops = vma->vm_ops;
	int ret;

	/* The device would never see what is written to private copies. */
	if (!(vma->vm_flags & VM_SHARED)) {
		if (vma->vm_flags & VM_WRITE)
			return -EINVAL;
		vm_flags_clear(vma, VM_MAYWRITE);
	}
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	ret = buf->dd->strategy->mmap(buf, vma);
	if (ret)
		return ret;

	/*
	 * Page references keep the memory, and so do the VMA operations of the
	 * custom DMA ops.  Page frame numbers do not, so hold the buffer.
	 */
	if ((vma->vm_flags & VM_PFNMAP) && vma->vm_ops == vm_ops)
		dmademo_vm_hold(buf, vma, &dmademo_vm_ops);
	return 0;
}
