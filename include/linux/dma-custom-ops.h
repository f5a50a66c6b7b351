/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Custom DMA ops: a per-device provider of large contiguous DMA buffers that are
 * safe to map into user space.  See Documentation/core-api/dma-custom-ops.rst.
 */
#ifndef _LINUX_DMA_CUSTOM_OPS_H
#define _LINUX_DMA_CUSTOM_OPS_H

#include <linux/errno.h>
#include <linux/sched/mm.h>
#include <linux/types.h>

struct device;
struct file;

/**
 * enum dma_custom_mmap - how a buffer is mapped into user space
 * @DMA_CUSTOM_MMAP_PAGES: Refcounted mapping with one page table entry per page.
 *	The memory lives until its last user is gone, so the driver may free the
 *	buffer while it is mapped.  The kernel can pin the pages, for O_DIRECT or
 *	RDMA.  This is the default.
 * @DMA_CUSTOM_MMAP_PFN: PFN mapping, made by remap_pfn_range() as in dma-direct.  It
 *	holds no reference: the driver must not free the buffer before the mapping
 *	is gone.  The kernel cannot pin the pages.
 * @DMA_CUSTOM_MMAP_HUGE: Refcounted mapping with huge page table entries where the
 *	architecture, the address and the length allow them.
 *	dma_custom_get_unmapped_area() chooses a suitable address.
 *
 * The mode applies to dma_mmap_attrs(), dma_mmap_pages() and
 * dma_mmap_noncontiguous(), for all memory that the provider has allocated.  The
 * following memory always gets a PFN mapping, because other code owns it:
 *
 * * memory from a per-device coherent pool, which serves allocations before the DMA
 *   API calls any DMA ops;
 * * memory that dma-direct or dma-iommu allocates: for a device with a restricted DMA
 *   pool, for a confidential computing guest, for an IOMMU whose pages are larger than
 *   PAGE_SIZE; and coherent buffers of a device that is not cache coherent, if the
 *   caller cannot sleep or if the architecture has its own allocator for them (such
 *   as 32-bit arm);
 * * memory that was not allocated with the DMA API, but mapped for streaming.
 *
 * A VMA that is VM_PFNMAP already also gets a PFN mapping, and so does every VMA on
 * a kernel without an MMU.  Memory of a CMA area can be pinned for a short time, but
 * not with FOLL_LONGTERM.
 */
enum dma_custom_mmap {
	DMA_CUSTOM_MMAP_PAGES,
	DMA_CUSTOM_MMAP_PFN,
	DMA_CUSTOM_MMAP_HUGE,
};

/**
 * struct dma_custom_config - options of dma_custom_attach()
 * @mmap: How buffers are mapped into user space.
 * @bus_offset: Offset in bytes that is added to a physical address to form the DMA
 *	address.  It must be a multiple of PAGE_SIZE, and the end of RAM plus the
 *	offset must fit a dma_addr_t.  A value other than 0 is for testing and needs
 *	CONFIG_DMA_CUSTOM_OPS_TESTING.
 *
 * The default is all zero: DMA_CUSTOM_MMAP_PAGES, and the DMA addresses that the
 * device has without the provider.
 */
struct dma_custom_config {
	enum dma_custom_mmap	mmap;
	u64			bus_offset;
};

#ifdef CONFIG_DMA_CUSTOM_OPS
int dma_custom_attach(struct device *dev, const struct dma_custom_config *cfg);
int devm_dma_custom_attach(struct device *dev,
			   const struct dma_custom_config *cfg);
void dma_custom_detach(struct device *dev);
bool dma_custom_attached(struct device *dev);
#ifdef CONFIG_MMU
unsigned long dma_custom_get_unmapped_area(struct file *file,
					   unsigned long addr,
					   unsigned long len,
					   unsigned long pgoff,
					   unsigned long flags);
#endif
#else /* !CONFIG_DMA_CUSTOM_OPS */
static inline int dma_custom_attach(struct device *dev,
				    const struct dma_custom_config *cfg)
{
	return -EOPNOTSUPP;
}

static inline int devm_dma_custom_attach(struct device *dev,
					 const struct dma_custom_config *cfg)
{
	return -EOPNOTSUPP;
}

static inline void dma_custom_detach(struct device *dev)
{
}

static inline bool dma_custom_attached(struct device *dev)
{
	return false;
}

#ifdef CONFIG_MMU
static inline unsigned long
dma_custom_get_unmapped_area(struct file *file, unsigned long addr,
			     unsigned long len, unsigned long pgoff,
			     unsigned long flags)
{
	return mm_get_unmapped_area(file, addr, len, pgoff, flags);
}
#endif
#endif /* CONFIG_DMA_CUSTOM_OPS */

#endif /* _LINUX_DMA_CUSTOM_OPS_H */
