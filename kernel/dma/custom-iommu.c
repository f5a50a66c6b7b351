// SPDX-License-Identifier: GPL-2.0
/*
 * Custom DMA ops: buffers of a device behind an IOMMU.  Each has one range of IOVA
 * space, whether its pages are contiguous or not.  What is not about buffers is
 * dma-iommu's, and does not come here.
 */
#include <linux/iommu.h>
#include <linux/iommu-dma.h>
#include <linux/mm.h>

#include "custom.h"

/**
 * dma_custom_iommu_map - map a buffer for its device
 * @dev: the device
 * @buf: the buffer, which has its pages
 * @dir: what the device may do with it
 * @gfp: for page tables
 * @attrs: of the allocation
 *
 * Context: As @gfp says.
 *
 * Return: true if @buf has its DMA address.
 */
bool dma_custom_iommu_map(struct device *dev, struct dma_custom_buffer *buf,
			  enum dma_data_direction dir, gfp_t gfp,
			  unsigned long attrs)
{
	size_t off, len;

	if (!iommu_dma_iova_alloc_coherent(dev, &buf->iova, buf->size))
		goto out;
	for (off = 0; off < buf->size; off += len) {
		struct page *page = dma_custom_pages_at(buf, off, &len);

		if (iommu_dma_iova_link_coherent(dev, &buf->iova,
						 page_to_phys(page), off, len,
						 dir, gfp & ~GFP_ZONEMASK, attrs))
			goto out_unlink;
	}
	if (dma_iova_sync(dev, &buf->iova, 0, buf->size))
		goto out_unlink;
	buf->dma_addr = buf->iova.addr;
	/* Where dma_custom_buffer_find_page() can look for it. */
	set_page_private(buf->page, buf->dma_addr >> PAGE_SHIFT);
	return true;

out_unlink:
	if (off)
		dma_iova_unlink(dev, &buf->iova, 0, off, dir,
				DMA_ATTR_SKIP_CPU_SYNC);
	dma_iova_free(dev, &buf->iova);
out:
	buf->iova = (struct dma_iova_state){};
	return false;
}

/*
 * The IOMMU forgets the buffer before its pages can be anybody else's, also where it
 * is lazy with other mappings.  A driver that was unbound may have left the buffer: if
 * the device has another domain since, that never knew it, and if it has none, other
 * devices may still reach the pages, so that nobody else may have them.
 */
void dma_custom_iommu_unmap(struct device *dev, struct dma_custom_buffer *buf,
			    enum dma_data_direction dir)
{
	if (!dma_use_iova(&buf->iova))
		return;
	if (!use_dma_iommu(dev)) {
		buf->leaked = true;
		return;
	}
	if (iommu_iova_to_phys(iommu_get_dma_domain(dev), buf->dma_addr) !=
	    page_to_phys(buf->page))
		return;
	dma_iova_unlink(dev, &buf->iova, 0, buf->size, dir,
			DMA_ATTR_SKIP_CPU_SYNC);
	dma_iova_free(dev, &buf->iova);
}
