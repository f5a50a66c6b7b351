// SPDX-License-Identifier: GPL-2.0
/*
 * Custom DMA ops: mapping coherent buffers into user space.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "custom.h"
#include "direct.h"

/* One page of pointers at a time, however large the buffer is. */
#define DMA_CUSTOM_BATCH	(PAGE_SIZE / sizeof(struct page *))

static int dma_custom_mmap_pages(struct vm_area_struct *vma, unsigned long pfn)
{
	unsigned long left = vma_pages(vma), addr = vma->vm_start;
	struct page **pages;
	int ret = 0;

	pages = kmalloc_array(min(left, DMA_CUSTOM_BATCH), sizeof(*pages),
			      GFP_KERNEL);
	if (!pages)
		return -ENOMEM;

	while (left && !ret) {
		unsigned long nr = min(left, DMA_CUSTOM_BATCH);
		unsigned long unmapped = nr, i;

		for (i = 0; i < nr; i++)
			pages[i] = pfn_to_page(pfn + i);
		ret = vm_insert_pages(vma, addr, pages, &unmapped);
		addr += nr << PAGE_SHIFT;
		pfn += nr;
		left -= nr;
	}
	kfree(pages);
	return ret;
}

/*
 * A private mapping that is written to would get copies the device never sees.
 * A read-only one is fine, as long as mprotect() cannot change that.
 */
static int dma_custom_mmap_check_flags(struct vm_area_struct *vma)
{
	if (vma->vm_flags & VM_SHARED)
		return 0;
	if (vma->vm_flags & VM_WRITE)
		return -EINVAL;
	vm_flags_clear(vma, VM_MAYWRITE);
	return 0;
}

/*
 * How a buffer is mapped, unless the driver's VMA is in the way.
 *
 * Pages of a CMA area must not be pinned for long, and gup would try in vain to
 * move these elsewhere first.  Nor may the CPU look at uncached memory through
 * its caches.  User space may not pin PFNs.
 */
enum dma_custom_mmap dma_custom_mmap_mode(struct device *dev,
					  const struct dma_custom_buffer *buf)
{
	enum dma_custom_mmap mode = dev->dma_custom->mmap;

	if (!IS_ENABLED(CONFIG_MMU) || !buf->page)
		return DMA_CUSTOM_MMAP_PFN;
	if (mode == DMA_CUSTOM_MMAP_PAGES &&
	    (buf->cma || !dev_is_dma_coherent(dev)))
		return DMA_CUSTOM_MMAP_PFN;
	return mode;
}

static int dma_custom_mmap_buffer(struct device *dev,
				  struct vm_area_struct *vma,
				  struct dma_custom_buffer *buf)
{
	unsigned long pfn = page_to_pfn(buf->page) + vma_start_pgoff(vma);
	enum dma_custom_mmap mode = dma_custom_mmap_mode(dev, buf);

	if (IS_ENABLED(CONFIG_MMU) && mode == DMA_CUSTOM_MMAP_HUGE) {
		int ret = dma_custom_mmap_huge(vma, buf);

		if (ret != -EOPNOTSUPP)
			return ret;
	}

	if (mode == DMA_CUSTOM_MMAP_PAGES && !(vma->vm_flags & VM_PFNMAP))
		return dma_custom_mmap_pages(vma, pfn);

	/* Not all architectures can tell PFNs from pages in there. */
	if (vma->vm_flags & VM_MIXEDMAP)
		return -EINVAL;
	return remap_pfn_range(vma, vma->vm_start, pfn,
			       vma->vm_end - vma->vm_start, vma->vm_page_prot);
}

int dma_custom_mmap(struct device *dev, struct vm_area_struct *vma,
		    void *cpu_addr, dma_addr_t dma_addr, size_t size,
		    unsigned long attrs)
{
	const unsigned long count = PAGE_ALIGN(size) >> PAGE_SHIFT;
	const unsigned long off = vma_start_pgoff(vma);
	struct dma_custom_buffer *buf;
	int ret;

	if (!dma_direct_can_mmap(dev))
		return -ENXIO;
	ret = dma_custom_mmap_check_flags(vma);
	if (ret)
		return ret;
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_page_prot = dma_pgprot(dev, vma->vm_page_prot, attrs);

	if (dma_mmap_from_dev_coherent(dev, vma, cpu_addr, size, &ret))
		return ret;
	if (!dev->dma_custom)
		return dma_direct_mmap(dev, vma, cpu_addr, dma_addr, size,
				       attrs);

	buf = dma_custom_buffer_find(dev, dma_addr, size);
	if (!buf || off >= count || vma_pages(vma) > count - off)
		return -ENXIO;
	if (buf->page)
		ret = dma_custom_mmap_buffer(dev, vma, buf);
	else
		ret = dma_direct_mmap(dev, vma, cpu_addr, dma_addr, size,
				      attrs);
	if (ret)
		return ret;

	atomic_inc(&buf->mapped);
	dma_custom_count(dev->dma_custom, DMA_CUSTOM_STAT_MMAP);
	return 0;
}
