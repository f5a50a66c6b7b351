// SPDX-License-Identifier: GPL-2.0
/*
 * Custom DMA ops: mapping buffers into user space.
 */
#include <linux/export.h>
#include <linux/iommu-dma.h>
#include <linux/mm.h>

#include "custom.h"
#include "direct.h"

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

/* How a buffer is mapped, unless the driver's VMA is in the way. */
enum dma_custom_mmap dma_custom_mmap_mode(const struct dma_custom *dc,
					  const struct dma_custom_buffer *buf)
{
	if (!IS_ENABLED(CONFIG_MMU) || !buf->page)
		return DMA_CUSTOM_MMAP_PFN;
	return dc->mmap;
}

/* Not all architectures can tell page frame numbers from pages in a VMA with these. */
static bool dma_custom_mmap_pfns_fit(const struct vm_area_struct *vma)
{
	return IS_ENABLED(CONFIG_ARCH_HAS_PTE_SPECIAL) ||
	       !(vma->vm_flags & VM_MIXEDMAP);
}

/* As dma_mmap_attrs() does without the provider. */
static int dma_custom_mmap_direct(struct device *dev,
				  struct vm_area_struct *vma, void *cpu_addr,
				  dma_addr_t dma_addr, size_t size,
				  unsigned long attrs)
{
	if (!dma_custom_mmap_pfns_fit(vma))
		return -EINVAL;
	if (use_dma_iommu(dev))
		return iommu_dma_mmap(dev, vma, cpu_addr, dma_addr, size, attrs);
	return dma_direct_mmap(dev, vma, cpu_addr, dma_addr, size, attrs);
}

/* Contiguous pages at @addr of a VMA. */
static int dma_custom_mmap_run(struct vm_area_struct *vma, unsigned long addr,
			       struct page *page, unsigned long size, bool pfns)
{
	if (pfns)
		return remap_pfn_range(vma, addr, page_to_pfn(page), size,
				       vma->vm_page_prot);
	return vm_insert_contig_pages(vma, addr, page, size >> PAGE_SHIFT);
}

/* @off is the offset in the buffer that the VMA starts with. */
static int dma_custom_mmap_buffer(struct device *dev,
				  struct vm_area_struct *vma,
				  struct dma_custom_buffer *buf, size_t off)
{
	enum dma_custom_mmap mode = dma_custom_mmap_mode(dma_custom_of(dev), buf);
	unsigned long addr = vma->vm_start;
	bool pfns = !IS_ENABLED(CONFIG_MMU) || mode == DMA_CUSTOM_MMAP_PFN ||
		    (vma->vm_flags & VM_PFNMAP);
	size_t len;
	int ret;

	/*
	 * As remap_pfn_range() does: what a driver did to vm_page_prot must not
	 * make it differ from the kernel's own mapping, where that matters.  All
	 * of a buffer is mapped in the same way there.
	 */
	pfnmap_setup_cachemode_pfn(page_to_pfn(buf->page), &vma->vm_page_prot);

	/*
	 * Memory of a CMA area must not be pinned for long, and gup would try in
	 * vain, and for ever, to move it elsewhere first.
	 */
	if (buf->cma)
		vm_flags_set(vma, VM_IO);

	/* Not all architectures can tell PFNs from pages in there. */
	if (pfns && (vma->vm_flags & VM_MIXEDMAP))
		return -EINVAL;
	if (!pfns && mode == DMA_CUSTOM_MMAP_HUGE)
		vm_flags_set(vma, VM_HUGEPAGE);

	for (; addr < vma->vm_end; addr += len, off += len) {
		struct page *page = dma_custom_pages_at(buf, off, &len);

		len = min_t(size_t, len, vma->vm_end - addr);
		ret = dma_custom_mmap_run(vma, addr, page, len, pfns);
		if (ret)
			return ret;
	}
	return 0;
}

static int dma_custom_mmap_prepare(struct vm_area_struct *vma)
{
	int ret = dma_custom_mmap_check_flags(vma);

	if (!ret)
		vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	return ret;
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
	ret = dma_custom_mmap_prepare(vma);
	if (ret)
		return ret;
	vma->vm_page_prot = dma_pgprot(dev, vma->vm_page_prot, attrs);

	if (dma_mmap_from_dev_coherent(dev, vma, cpu_addr, size, &ret))
		return ret;
	buf = dma_custom_buffer_find_addr(dev, cpu_addr, dma_addr);
	if (!buf)
		return dma_custom_mmap_direct(dev, vma, cpu_addr, dma_addr,
					      size, attrs);

	if (!dma_custom_buffer_has(buf, dma_addr, size) ||
	    off >= count || vma_pages(vma) > count - off)
		ret = -ENXIO;
	else if (!buf->page)
		ret = dma_custom_mmap_direct(dev, vma, cpu_addr, dma_addr,
					     size, attrs);
	else
		ret = dma_custom_mmap_buffer(dev, vma, buf,
					     PFN_PHYS(off) +
					     ALIGN_DOWN(dma_addr - buf->dma_addr,
							PAGE_SIZE));
	if (!ret)
		atomic_inc(&buf->mapped);
	dma_custom_buffer_put(buf);
	return ret;
}

/* dma_mmap_pages() has checked that the VMA is within the @size bytes. */
int dma_custom_mmap_page_buffer(struct device *dev, struct vm_area_struct *vma,
				size_t size, struct page *page)
{
	struct dma_custom_buffer *buf;
	size_t off;
	int ret;

	ret = dma_custom_mmap_prepare(vma);
	if (ret)
		return ret;
	buf = dma_custom_buffer_find_page(dev, page, &off);
	if (buf && buf->page)
		ret = size <= buf->size - off ?
			dma_custom_mmap_buffer(dev, vma, buf, off +
					       (vma_start_pgoff(vma) << PAGE_SHIFT)) :
			-ENXIO;
	else if (dma_custom_mmap_pfns_fit(vma))
		ret = remap_pfn_range(vma, vma->vm_start,
				      page_to_pfn(page) + vma_start_pgoff(vma),
				      vma->vm_end - vma->vm_start,
				      vma->vm_page_prot);
	else
		ret = -EINVAL;
	if (buf) {
		if (!ret)
			atomic_inc(&buf->mapped);
		dma_custom_buffer_put(buf);
	}
	return ret;
}

#ifdef CONFIG_MMU
/**
 * dma_custom_get_unmapped_area - find an address for huge page table entries
 * @file: the file to map
 * @addr: the address that user space asks for, or 0
 * @len: the length in bytes
 * @pgoff: the offset of the mapping from the start of the buffer, in pages
 * @flags: the flags of mmap(), such as MAP_FIXED
 *
 * A huge page table entry needs the same alignment to PMD_SIZE in physical memory
 * and in user space.  Buffers of PMD_SIZE and more are aligned in memory; this
 * function finds an address that is aligned in user space.  A driver sets it as the
 * ->get_unmapped_area of its file operations if the start of the buffer is at a
 * multiple of PMD_SIZE in the file.  Otherwise the driver's own function calls this
 * one with a suitable @pgoff.
 *
 * Context: Process context, may sleep.
 *
 * Return: the address, or an error of mm_get_unmapped_area(), such as -ENOMEM if the
 * address space of the process has no free range.
 */
unsigned long dma_custom_get_unmapped_area(struct file *file,
					   unsigned long addr,
					   unsigned long len,
					   unsigned long pgoff,
					   unsigned long flags)
{
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
	return thp_get_unmapped_area(file, addr, len, pgoff, flags);
#else
	return mm_get_unmapped_area(file, addr, len, pgoff, flags);
#endif
}
EXPORT_SYMBOL_GPL(dma_custom_get_unmapped_area);
#endif
