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

static int dmademo_insert_page(struct dmademo_buffer *buf,
			       struct vm_area_struct *vma)
{
	unsigned long count = buf->size >> PAGE_SHIFT, i;
	struct page *page = virt_to_page(buf->cpu_addr);
	int ret = 0;

	if (vma->vm_pgoff >= count || vma_pages(vma) > count - vma->vm_pgoff)
		return -ENXIO;
	for (i = 0; i < vma_pages(vma) && !ret; i++)
		ret = vm_insert_page(vma, vma->vm_start + i * PAGE_SIZE,
				     page + vma->vm_pgoff + i);
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
	if ((vma->vm_flags & VM_PFNMAP) && vma->vm_ops == vm_ops) {
		kref_get(&buf->ref);
		vma->vm_private_data = buf;
		vma->vm_ops = &dmademo_vm_ops;
	}
	return 0;
}
