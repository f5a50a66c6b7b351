// SPDX-License-Identifier: GPL-2.0
/*
 * Custom DMA ops: the cached buffers of dma_alloc_pages() and
 * dma_alloc_noncontiguous().
 */
#include <linux/gfp.h>
#include <linux/iommu-dma.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "custom.h"
#include "direct.h"

static struct page *dma_custom_direct_alloc_pages(struct device *dev,
						  size_t size,
						  dma_addr_t *dma_addr,
						  enum dma_data_direction dir,
						  gfp_t gfp)
{
	if (use_dma_iommu(dev))
		return dma_common_alloc_pages(dev, size, dma_addr, dir, gfp);
	return dma_direct_alloc_pages(dev, size, dma_addr, dir, gfp);
}

static void dma_custom_direct_free_pages(struct device *dev, size_t size,
					 struct page *page, dma_addr_t dma_addr,
					 enum dma_data_direction dir)
{
	if (use_dma_iommu(dev))
		dma_common_free_pages(dev, size, page, dma_addr, dir);
	else
		dma_direct_free_pages(dev, size, page, dma_addr, dir);
}

static void dma_custom_page_buffer_unmap(struct device *dev,
					 struct dma_custom_buffer *buf,
					 enum dma_data_direction dir)
{
	if (buf->page)
		dma_custom_iommu_unmap(dev, buf, dir);
	else if (buf->iommu == use_dma_iommu(dev))
		dma_custom_direct_free_pages(dev, buf->size, buf->cpu_addr,
					     buf->dma_addr, dir);
}

/*
 * Pages for dma_alloc_pages() and dma_alloc_noncontiguous(): cached, whatever
 * the device is, and synced by the caller.  They are in the books with the page
 * as their cookie, so that dma_free_attrs() does not take them.
 */
static struct page *
dma_custom_page_buffer_alloc(struct device *dev, size_t size,
			     dma_addr_t *dma_addr, enum dma_data_direction dir,
			     gfp_t gfp, bool contiguous)
{
	struct dma_custom *dc = dma_custom_of(dev);
	struct dma_custom_buffer *buf;
	struct page *page;
	bool direct;

	if (!dc)
		return dma_custom_direct_alloc_pages(dev, size, dma_addr, dir,
						     gfp);

	gfp &= ~__GFP_ZERO;
	if (dma_custom_should_fail(dev, DMA_CUSTOM_FAULT_ALLOC, size,
				   gfp & __GFP_NOWARN))
		return NULL;

	size = PAGE_ALIGN(size);
	if (!size || size > UINT_MAX) /* has to fit a scatterlist entry */
		return NULL;
	buf = dma_custom_buffer_create(dev, size, gfp);
	if (!buf)
		return NULL;

	direct = dma_custom_use_direct_pages(dev);
	if (direct) {
		page = dma_custom_direct_alloc_pages(dev, size, &buf->dma_addr,
						     dir,
						     dma_custom_quiet(size, gfp));
		if (!page)
			goto out_report;
	} else {
		if (!dma_custom_pages_alloc(dev, buf,
					    dma_custom_quiet(size, gfp),
					    contiguous))
			goto out_report;
		if (!dma_custom_device_map(dev, buf, dir, gfp, 0))
			goto out_report;
		page = buf->page;
	}

	buf->cpu_addr = page;
	if (!dma_custom_buffer_add(dc, buf))
		goto out_unmap;
	*dma_addr = buf->dma_addr;
	return page;

out_report:
	dma_custom_report(dev, size, gfp, direct);
	goto out_put;
out_unmap:
	dma_custom_page_buffer_unmap(dev, buf, dir);
out_put:
	dma_custom_buffer_put(buf);
	return NULL;
}

struct page *dma_custom_alloc_pages(struct device *dev, size_t size,
				    dma_addr_t *dma_addr,
				    enum dma_data_direction dir, gfp_t gfp)
{
	return dma_custom_page_buffer_alloc(dev, size, dma_addr, dir, gfp, true);
}

void dma_custom_free_pages(struct device *dev, size_t size, struct page *page,
			   dma_addr_t dma_addr, enum dma_data_direction dir)
{
	struct dma_custom *dc = dma_custom_of(dev);
	struct dma_custom_buffer *buf;

	if (!dc) {
		dma_custom_direct_free_pages(dev, size, page, dma_addr, dir);
		return;
	}

	buf = dma_custom_buffer_remove(dc, size, page, dma_addr);
	if (!buf)
		return;

	dma_custom_page_buffer_unmap(dev, buf, dir);
	dma_custom_buffer_put(buf);
}

/* Behind an IOMMU only: elsewhere it is what dma_alloc_pages() gives. */
struct sg_table *dma_custom_alloc_noncontiguous(struct device *dev, size_t size,
						enum dma_data_direction dir,
						gfp_t gfp, unsigned long attrs)
{
	struct dma_custom_buffer *buf;
	struct sg_table *sgt;
	dma_addr_t dma_addr;
	struct page *page;
	int ret;

	gfp &= ~GFP_ZONEMASK;
	sgt = kmalloc_obj(*sgt, gfp);
	if (!sgt)
		return NULL;
	page = dma_custom_page_buffer_alloc(dev, size, &dma_addr, dir, gfp,
					    false);
	if (!page)
		goto out_free_sgt;

	size = PAGE_ALIGN(size);
	buf = dma_custom_buffer_find(dev, dma_addr);
	if (buf && buf->page) {
		ret = dma_custom_fill_sgtable(sgt, buf, 0, size,
					      ALIGN_DOWN(UINT_MAX, PAGE_SIZE),
					      gfp);
	} else {
		ret = sg_alloc_table(sgt, 1, gfp);
		if (!ret)
			sg_set_page(sgt->sgl, page, size, 0);
	}
	if (buf)
		dma_custom_buffer_put(buf);
	if (ret)
		goto out_free_pages;
	sg_dma_address(sgt->sgl) = dma_addr;
	sg_dma_len(sgt->sgl) = size;
	return sgt;

out_free_pages:
	dma_custom_free_pages(dev, size, page, dma_addr, dir);
out_free_sgt:
	kfree(sgt);
	return NULL;
}

void dma_custom_free_noncontiguous(struct device *dev, size_t size,
				   struct sg_table *sgt,
				   enum dma_data_direction dir)
{
	dma_custom_free_pages(dev, size, sg_page(sgt->sgl),
			      sg_dma_address(sgt->sgl), dir);
	sg_free_table(sgt);
	kfree(sgt);
}
