// SPDX-License-Identifier: GPL-2.0
/*
 * Custom DMA ops: user mappings with huge page table entries.
 *
 * The entries are page frame numbers and hold nothing, so the VMA holds the
 * buffer.  They are made by page faults only: whenever the kernel has to split a
 * huge one it drops it, and relies on the next fault to bring back what is still
 * mapped.
 */
#include <linux/export.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>

#include "custom.h"

static void dma_custom_vm_open(struct vm_area_struct *vma)
{
	dma_custom_buffer_get(vma->vm_private_data);
}

static void dma_custom_vm_close(struct vm_area_struct *vma)
{
	dma_custom_buffer_put(vma->vm_private_data);
}

/*
 * The page frame number of @addr.  False if not all of the @size bytes there are
 * in the VMA, or in the buffer: dma_mmap_attrs() has checked that, but a driver
 * may have changed vm_pgoff since.
 */
static bool dma_custom_vm_pfn(struct vm_area_struct *vma, unsigned long addr,
			      unsigned long size, unsigned long *pfn)
{
	struct dma_custom_buffer *buf = vma->vm_private_data;
	unsigned long count = buf->size >> PAGE_SHIFT;
	unsigned long off = linear_page_index(vma, addr);

	if (!range_in_vma(vma, addr, addr + size) || off >= count ||
	    size >> PAGE_SHIFT > count - off)
		return false;
	*pfn = page_to_pfn(buf->page) + off;
	return true;
}

/*
 * What no huge entry can map, or may: the rest of the page table is filled at
 * once.
 */
static vm_fault_t dma_custom_vm_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long addr = max(vmf->address & PMD_MASK, vma->vm_start);
	unsigned long end = pmd_addr_end(addr, vma->vm_end), pfn;
	vm_fault_t ret = VM_FAULT_NOPAGE;

	if (!dma_custom_vm_pfn(vma, addr, end - addr, &pfn))
		return VM_FAULT_SIGBUS;

	/* If somebody was allowed a huge entry meanwhile, have a look at that. */
	if (pte_alloc(vma->vm_mm, vmf->pmd))
		return VM_FAULT_OOM;
	if (pmd_trans_huge(pmdp_get_lockless(vmf->pmd)))
		return VM_FAULT_NOPAGE;

	for (; addr < end && ret == VM_FAULT_NOPAGE; addr += PAGE_SIZE)
		ret = vmf_insert_pfn(vma, addr, pfn++);
	return ret;
}

#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
/*
 * Fills what is empty between @addr and @end, all in one table, like the entry
 * that vmf_insert_pfn_pmd() has made.  It would do for these too, but look up the
 * memory type of each, which costs more than all the rest, and is the same in
 * all of a buffer.
 */
static void dma_custom_fill_pmds(struct vm_fault *vmf, unsigned long addr,
				 unsigned long end, unsigned long pfn)
{
	struct mm_struct *mm = vmf->vma->vm_mm;
	spinlock_t *ptl = pmd_lock(mm, vmf->pmd);
	pmd_t *pmd = pmd_offset(vmf->pud, addr);
	const pmd_t entry = *vmf->pmd;

	if (!pmd_trans_huge(entry))
		end = addr;
	for (; addr < end; addr += PMD_SIZE, pmd++, pfn += 1UL << PMD_ORDER) {
		if (!pmd_none(*pmd))
			continue;
		set_pmd_at(mm, addr, pmd,
			   pmd_mkspecial(pmd_mkhuge(pfn_pmd(pfn,
							    pmd_pgprot(entry)))));
		update_mmu_cache_pmd(vmf->vma, addr, pmd);
	}
	spin_unlock(ptl);
}

/*
 * Fills what it can of the table that the entry is in, which spares the faults
 * on the others.
 */
static vm_fault_t dma_custom_fault_pmd(struct vm_fault *vmf)
{
	const unsigned long fault = vmf->address & PMD_MASK;
	struct vm_area_struct *vma = vmf->vma;
	unsigned long addr = ALIGN(max(vmf->address & PUD_MASK, vma->vm_start),
				   PMD_SIZE);
	unsigned long end = pud_addr_end(vmf->address, vma->vm_end) & PMD_MASK;
	unsigned long pfn;
	vm_fault_t ret;

	/*
	 * A huge entry would need a page table set aside, which fork() does not
	 * do for those of page frame numbers.
	 */
	if (arch_needs_pgtable_deposit())
		return VM_FAULT_FALLBACK;
	if (fault < addr || fault >= end ||
	    !dma_custom_vm_pfn(vma, addr, end - addr, &pfn) ||
	    !IS_ALIGNED(pfn, 1UL << PMD_ORDER))
		return VM_FAULT_FALLBACK;

	/* One that is there has to become writable.  A new one may be written. */
	if (pmd_trans_huge(pmdp_get_lockless(vmf->pmd)))
		return vmf_insert_pfn_pmd(vmf, pfn + PHYS_PFN(fault - addr),
					  true);

	ret = vmf_insert_pfn_pmd(vmf, pfn + PHYS_PFN(fault - addr), false);
	if (ret == VM_FAULT_NOPAGE)
		dma_custom_fill_pmds(vmf, addr, end, pfn);
	return ret;
}
#else
static vm_fault_t dma_custom_fault_pmd(struct vm_fault *vmf)
{
	return VM_FAULT_FALLBACK;
}
#endif

static vm_fault_t dma_custom_vm_huge_fault(struct vm_fault *vmf,
					   unsigned int order)
{
	if (order == PMD_ORDER)
		return dma_custom_fault_pmd(vmf);
	return VM_FAULT_FALLBACK;
}

static const struct vm_operations_struct dma_custom_vm_ops = {
	.open		= dma_custom_vm_open,
	.close		= dma_custom_vm_close,
	.fault		= dma_custom_vm_fault,
	.huge_fault	= dma_custom_vm_huge_fault,
};

/**
 * dma_custom_mmap_huge - prepare a VMA for huge entries
 * @vma: the VMA, checked to be within @buf and not to be private and writable
 * @buf: the buffer, whose pages are known
 *
 * Context: Process context, from ->mmap of a file.
 *
 * Return: 0, -EBUSY if @vma has a buffer already, -EOPNOTSUPP if it has other
 * operations, or -EINVAL if the driver marked it VM_MIXEDMAP.
 */
int dma_custom_mmap_huge(struct vm_area_struct *vma,
			 struct dma_custom_buffer *buf)
{
	if (vma->vm_ops == &dma_custom_vm_ops)
		return -EBUSY;
	if (vma->vm_ops && vma->vm_ops != &vma_dummy_vm_ops)
		return -EOPNOTSUPP;
	if (vma->vm_flags & VM_MIXEDMAP)
		return -EINVAL;

	vm_flags_set(vma, VM_PFNMAP);
	vma->vm_ops = &dma_custom_vm_ops;
	vma->vm_private_data = buf;
	dma_custom_buffer_get(buf);
	return 0;
}

/**
 * dma_custom_get_unmapped_area - find an address that suits huge entries
 * @file: the file to be mapped
 * @addr: where user space wants it, 0 if it does not care
 * @len: bytes
 * @pgoff: first page of the buffer that is to be mapped
 * @flags: MAP_FIXED and others
 *
 * A huge entry maps a part of the buffer only if that is aligned in memory, as
 * buffers of PMD_SIZE and more are, and at the same offset from such a boundary
 * in user space.  This is for the driver's ->get_unmapped_area, which can be just
 * this function if page 0 of the file is page 0 of the buffer, or another
 * multiple of PMD_SIZE is.
 *
 * Context: Process context, may sleep.
 *
 * Return: the address, or what mm_get_unmapped_area() says, such as -ENOMEM if
 * there is no room.
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
