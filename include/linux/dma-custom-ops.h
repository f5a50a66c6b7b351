/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Custom DMA ops: a per-device dma_map_ops provider whose coherent buffers are
 * physically contiguous, exactly as large as asked for, and safe to map into
 * user space.  See Documentation/core-api/dma-custom-ops.rst.
 */
#ifndef _LINUX_DMA_CUSTOM_OPS_H
#define _LINUX_DMA_CUSTOM_OPS_H

#include <linux/errno.h>
#include <linux/sched/mm.h>
#include <linux/types.h>

struct device;
struct file;

/**
 * enum dma_custom_mmap - how buffers are mapped into user space
 * @DMA_CUSTOM_MMAP_PAGES: A page table entry for each page.  Each holds what it
 *	maps: the memory lives until its last user is gone, so the driver may free
 *	the buffer while it is mapped.  User space can have it pinned, for O_DIRECT
 *	or RDMA.  The default.
 * @DMA_CUSTOM_MMAP_PFN: remap_pfn_range(), as dma-direct does it: holds nothing.
 *	The driver must not free the buffer before the mapping is gone.
 * @DMA_CUSTOM_MMAP_HUGE: As @DMA_CUSTOM_MMAP_PAGES, but with huge page table
 *	entries where the architecture, the address and the length allow them.  See
 *	dma_custom_get_unmapped_area() for the address.
 *
 * This is for dma_mmap_attrs(), dma_mmap_pages() and dma_mmap_noncontiguous() of
 * all memory that the provider has allocated.  What it has not is mapped as with
 * @DMA_CUSTOM_MMAP_PFN, whatever was asked for:
 *
 * * the device's coherent memory pool, if it has one of its own, which serves
 *   allocations before any DMA ops are asked;
 * * what dma-direct allocates: for a device that has a restricted DMA pool or needs
 *   unencrypted memory; and coherent buffers of one that is not cache coherent, where
 *   the caller cannot wait or the architecture allocates them in a way of its own
 *   (such as 32-bit arm);
 * * memory that was not allocated with the DMA API, but mapped for streaming.
 *
 * So is all in a VMA that is VM_PFNMAP already, as the driver marked it so or has had
 * page frame numbers mapped there before, and all on a machine without an MMU.  Memory
 * of a CMA area can be pinned, but not for long.
 */
enum dma_custom_mmap {
	DMA_CUSTOM_MMAP_PAGES,
	DMA_CUSTOM_MMAP_PFN,
	DMA_CUSTOM_MMAP_HUGE,
};

/**
 * struct dma_custom_config - what a driver may choose when it attaches
 * @mmap: How dma_mmap_attrs() maps a buffer into user space.
 * @bus_offset: Bytes to add to a physical address to get the bus address, a
 *	multiple of PAGE_SIZE.  All RAM plus the offset has to fit a dma_addr_t.
 *	For testing, with CONFIG_DMA_CUSTOM_OPS_TESTING only.
 *
 * All zero is the default: DMA_CUSTOM_MMAP_PAGES, bus address equal to the
 * physical address unless firmware described a translation.
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
