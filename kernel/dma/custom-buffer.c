// SPDX-License-Identifier: GPL-2.0
/*
 * Custom DMA ops: coherent buffers.
 *
 * A buffer is a run of physically contiguous pages that were split, so that
 * each has a reference of its own.  This is what lets the tail of a buddy block
 * go back at once, user mappings hold the pages they map, and a page that is
 * still mapped or pinned outlive the buffer.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "custom.h"
#include "direct.h"

/*
 * The xarray is indexed by unsigned long, a bus page number can be wider on
 * 32-bit.  Cut off, it is still the physical page number plus a constant, so
 * that two buffers cannot have the same, unless firmware described several
 * ranges that far apart: then the second allocation fails.  Whoever looks one
 * up compares the address in full.
 */
static unsigned long dma_custom_index(dma_addr_t dma_addr)
{
	return dma_addr >> PAGE_SHIFT;
}

void dma_custom_buffers_init(struct dma_custom *dc)
{
	/* GFP_ATOMIC allocations may come with interrupts off. */
	xa_init_flags(&dc->buffers, XA_FLAGS_LOCK_IRQ);
}

/* Forgets all live buffers without freeing their memory; returns how many. */
unsigned long dma_custom_buffers_leak(struct dma_custom *dc)
{
	struct dma_custom_buffer *buf;
	unsigned long index, nr = 0;

	xa_for_each(&dc->buffers, index, buf) {
		kfree(buf);
		nr++;
	}
	xa_destroy(&dc->buffers);
	return nr;
}

static int dma_custom_buffer_add(struct dma_custom *dc,
				 struct dma_custom_buffer *buf, gfp_t gfp)
{
	unsigned long flags;
	int ret;

	xa_lock_irqsave(&dc->buffers, flags);
	ret = __xa_insert(&dc->buffers, dma_custom_index(buf->dma_addr), buf,
			  gfp);
	xa_unlock_irqrestore(&dc->buffers, flags);
	return ret;
}

/* The live buffer at @dma_addr if it holds at least @size bytes, else NULL. */
struct dma_custom_buffer *dma_custom_buffer_find(struct device *dev,
						 dma_addr_t dma_addr,
						 size_t size)
{
	struct dma_custom_buffer *buf;

	buf = xa_load(&dev->dma_custom->buffers, dma_custom_index(dma_addr));
	if (!buf || buf->dma_addr != dma_addr || size > buf->size)
		return NULL;
	return buf;
}

/* Takes the buffer that the arguments describe off the books, else NULL. */
static struct dma_custom_buffer *
dma_custom_buffer_remove(struct dma_custom *dc, size_t size, void *cpu_addr,
			 dma_addr_t dma_addr)
{
	unsigned long index = dma_custom_index(dma_addr);
	struct dma_custom_buffer *buf;
	unsigned long flags;

	xa_lock_irqsave(&dc->buffers, flags);
	buf = xa_load(&dc->buffers, index);
	if (buf && buf->dma_addr == dma_addr && buf->cpu_addr == cpu_addr &&
	    buf->size == PAGE_ALIGN(size))
		__xa_erase(&dc->buffers, index);
	else
		buf = NULL;
	xa_unlock_irqrestore(&dc->buffers, flags);
	return buf;
}

/*
 * Cache maintenance, bounce pools, encryption and a CMA area that the device
 * has for itself are dma-direct's business.
 */
static bool dma_custom_use_direct(struct device *dev)
{
#ifdef CONFIG_DMA_CMA
	if (dev->cma_area)
		return true;
#endif
	return !dev_is_dma_coherent(dev) || is_swiotlb_for_alloc(dev) ||
	       force_dma_unencrypted(dev);
}

/*
 * Without a kernel mapping dma-direct would not zero the buffer, which is there
 * to be mapped to user space.  The attribute is a hint, so do without.
 */
static unsigned long dma_custom_direct_attrs(unsigned long attrs)
{
	return attrs & ~DMA_ATTR_NO_KERNEL_MAPPING;
}

/* A buddy block that the device can reach, from the highest zone with one. */
static struct page *dma_custom_alloc_block(struct device *dev,
					   unsigned int order, gfp_t gfp)
{
	struct page *page;
	u64 phys_limit;

	gfp |= dma_direct_optimal_gfp_mask(dev, &phys_limit);
	while ((page = alloc_pages_node(dev_to_node(dev), gfp, order)) &&
	       !dma_coherent_ok(dev, page_to_phys(page), PAGE_SIZE << order)) {
		__free_pages(page, order);
		if (IS_ENABLED(CONFIG_ZONE_DMA32) &&
		    !(gfp & (GFP_DMA32 | GFP_DMA)))
			gfp |= GFP_DMA32;
		else if (IS_ENABLED(CONFIG_ZONE_DMA) && !(gfp & GFP_DMA))
			gfp = (gfp & ~GFP_DMA32) | GFP_DMA;
		else
			return NULL;
	}
	return page;
}

/* @size bytes, a multiple of PAGE_SIZE, as zeroed split pages. */
static struct page *dma_custom_alloc_pages(struct device *dev, size_t size,
					   gfp_t gfp)
{
	unsigned long nr = size >> PAGE_SHIFT;
	unsigned int order = get_order(size);
	struct page *page;

	if (order > MAX_PAGE_ORDER) {
		if (!(gfp & __GFP_NOWARN))
			dev_err_ratelimited(dev, "DMA buffer of %zu bytes is over the limit of %lu\n",
					    size, PAGE_SIZE << MAX_PAGE_ORDER);
		return NULL;
	}

	page = dma_custom_alloc_block(dev, order, gfp);
	if (!page)
		return NULL;

	split_page(page, order);
	__free_contig_range(page_to_pfn(page) + nr, (1UL << order) - nr);
	memset(page_address(page), 0, size);
	return page;
}

void *dma_custom_alloc(struct device *dev, size_t size, dma_addr_t *dma_addr,
		       gfp_t gfp, unsigned long attrs)
{
	struct dma_custom *dc = dev->dma_custom;
	struct dma_custom_buffer *buf;

	if (!dc)
		return dma_direct_alloc(dev, size, dma_addr, gfp, attrs);

	size = PAGE_ALIGN(size);
	if (!size) /* 0, or so large that it wrapped */
		return NULL;

	gfp &= ~__GFP_ZERO; /* always zeroed, the unused tail never */
	if (attrs & DMA_ATTR_NO_WARN)
		gfp |= __GFP_NOWARN;

	buf = kzalloc_obj(*buf, gfp);
	if (!buf)
		return NULL;

	buf->size = size;
	if (dma_custom_use_direct(dev)) {
		buf->cpu_addr = dma_direct_alloc(dev, size, &buf->dma_addr, gfp,
						 dma_custom_direct_attrs(attrs));
		if (!buf->cpu_addr)
			goto out_free_buf;
	} else {
		buf->page = dma_custom_alloc_pages(dev, size, gfp);
		if (!buf->page)
			goto out_free_buf;
		buf->cpu_addr = page_address(buf->page);
		buf->dma_addr = phys_to_dma(dev, page_to_phys(buf->page));
	}

	if (dma_custom_buffer_add(dc, buf, gfp))
		goto out_free_memory;
	*dma_addr = buf->dma_addr;
	return buf->cpu_addr;

out_free_memory:
	if (buf->page)
		__free_contig_range(page_to_pfn(buf->page), size >> PAGE_SHIFT);
	else
		dma_direct_free(dev, size, buf->cpu_addr, buf->dma_addr,
				dma_custom_direct_attrs(attrs));
out_free_buf:
	kfree(buf);
	return NULL;
}

void dma_custom_free(struct device *dev, size_t size, void *cpu_addr,
		     dma_addr_t dma_addr, unsigned long attrs)
{
	struct dma_custom *dc = dev->dma_custom;
	struct dma_custom_buffer *buf;

	if (!dc) {
		dma_direct_free(dev, size, cpu_addr, dma_addr, attrs);
		return;
	}

	buf = dma_custom_buffer_remove(dc, size, cpu_addr, dma_addr);
	if (!buf) {
		dev_WARN(dev, "freeing %zu bytes at %pad, which is no live DMA buffer\n",
			 size, &dma_addr);
		return;
	}

	if (buf->page)
		__free_contig_range(page_to_pfn(buf->page),
				    buf->size >> PAGE_SHIFT);
	else
		dma_direct_free(dev, size, cpu_addr, dma_addr,
				dma_custom_direct_attrs(attrs));
	kfree(buf);
}

int dma_custom_get_sgtable(struct device *dev, struct sg_table *sgt,
			   void *cpu_addr, dma_addr_t dma_addr, size_t size,
		unsigned long attrs)
{
	if (dev->dma_custom && !dma_custom_buffer_find(dev, dma_addr, size))
		return -ENXIO;
	return dma_direct_get_sgtable(dev, sgt, cpu_addr, dma_addr, size,
				      attrs);
}
