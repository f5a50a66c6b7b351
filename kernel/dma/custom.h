/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Custom DMA ops: what the provider's files share.
 */
#ifndef _KERNEL_DMA_CUSTOM_H
#define _KERNEL_DMA_CUSTOM_H

#include <linux/dma-custom-ops.h>
#include <linux/dma-map-ops.h>
#include <linux/kref.h>
#include <linux/xarray.h>

/**
 * struct dma_custom - state of the provider for one device
 * @mmap: How buffers are mapped into user space.
 * @range_map: The translation that attach gave the device, NULL if none.
 * @buffers: Live buffers by bus page number.
 */
struct dma_custom {
	enum dma_custom_mmap		mmap;
	const struct bus_dma_region	*range_map;
	struct xarray			buffers;
};

/**
 * struct dma_custom_buffer - one buffer
 * @ref: One for the driver, until it frees the buffer, and one for each VMA with
 *	huge entries.
 * @leaked: The driver never freed it, so the pages are not to be reused.
 * @dma_addr: Bus address of the first byte.
 * @size: Bytes held, a multiple of PAGE_SIZE.
 * @cpu_addr: What dma_alloc_attrs() or dma_alloc_pages() returned.
 * @page: First of the pages, each with its own reference.  NULL if dma-direct
 *	allocated the buffer.
 * @cma: The CMA area that the pages are from, NULL if from none.
 */
struct dma_custom_buffer {
	struct kref	ref;
	bool		leaked;
	dma_addr_t	dma_addr;
	size_t		size;
	void		*cpu_addr;
	struct page	*page;
	struct cma	*cma;
};

/* custom-pages.c */
struct page *dma_custom_pages_alloc(struct device *dev, size_t size, gfp_t gfp,
				    struct cma **cma);
void dma_custom_pages_free(struct page *page, size_t size, struct cma *cma);

/*
 * The operations below also serve devices that have none of the state above:
 * some buses copy the ops of a parent device.  These get dma-direct.
 */

/* custom-buffer.c */
void dma_custom_buffers_init(struct dma_custom *dc);
unsigned long dma_custom_buffers_leak(struct dma_custom *dc);
struct dma_custom_buffer *dma_custom_buffer_find(struct device *dev,
						 dma_addr_t dma_addr,
						 size_t size);
void dma_custom_buffer_get(struct dma_custom_buffer *buf);
void dma_custom_buffer_put(struct dma_custom_buffer *buf);
void *dma_custom_alloc(struct device *dev, size_t size, dma_addr_t *dma_addr,
		       gfp_t gfp, unsigned long attrs);
void dma_custom_free(struct device *dev, size_t size, void *cpu_addr,
		     dma_addr_t dma_addr, unsigned long attrs);
struct page *dma_custom_alloc_pages(struct device *dev, size_t size,
				    dma_addr_t *dma_addr,
				    enum dma_data_direction dir, gfp_t gfp);
void dma_custom_free_pages(struct device *dev, size_t size, struct page *page,
			   dma_addr_t dma_addr, enum dma_data_direction dir);
int dma_custom_get_sgtable(struct device *dev, struct sg_table *sgt,
			   void *cpu_addr, dma_addr_t dma_addr, size_t size,
			   unsigned long attrs);

/* custom-mmap.c */
int dma_custom_mmap(struct device *dev, struct vm_area_struct *vma,
		    void *cpu_addr, dma_addr_t dma_addr, size_t size,
		    unsigned long attrs);

/* custom-huge.c */
int dma_custom_mmap_huge(struct vm_area_struct *vma,
			 struct dma_custom_buffer *buf);

#endif /* _KERNEL_DMA_CUSTOM_H */
