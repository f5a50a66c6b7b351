// SPDX-License-Identifier: GPL-2.0
/*
 * Custom DMA ops: scatterlists of buffers.
 */
#include <linux/iommu-dma.h>
#include <linux/mm.h>

#include "custom.h"
#include "direct.h"

/*
 * @off, @size and @max, what fits an entry, are multiples of PAGE_SIZE; the bytes are
 * all in the buffer.
 */
int dma_custom_fill_sgtable(struct sg_table *sgt,
			    const struct dma_custom_buffer *buf, size_t off,
			    size_t size, size_t max, gfp_t gfp)
{
	const size_t end = off + size;
	unsigned int nr = 0, i;
	struct scatterlist *sg;
	size_t at, len;
	int ret;

	for (at = off; at < end; at += len) {
		dma_custom_pages_at(buf, at, &len);
		len = min3(len, end - at, max);
		nr++;
	}
	ret = sg_alloc_table(sgt, nr, gfp);
	if (ret)
		return ret;
	at = off;
	for_each_sgtable_sg(sgt, sg, i) {
		struct page *page = dma_custom_pages_at(buf, at, &len);

		len = min3(len, end - at, max);
		sg_set_page(sg, page, len, 0);
		at += len;
	}
	return 0;
}

int dma_custom_get_sgtable(struct device *dev, struct sg_table *sgt,
			   void *cpu_addr, dma_addr_t dma_addr, size_t size,
			   unsigned long attrs)
{
	struct dma_custom_buffer *buf;
	int ret;

	buf = dma_custom_buffer_find_addr(dev, cpu_addr, dma_addr);
	if (buf && !dma_custom_buffer_has(buf, dma_addr, size))
		ret = -ENXIO;
	else if (buf && buf->page)
		ret = dma_custom_fill_sgtable(sgt, buf,
					      ALIGN_DOWN(dma_addr - buf->dma_addr,
							 PAGE_SIZE),
					      PAGE_ALIGN(size),
					      ALIGN_DOWN(UINT_MAX, PAGE_SIZE),
					      GFP_KERNEL);
	else if (use_dma_iommu(dev))
		ret = iommu_dma_get_sgtable(dev, sgt, cpu_addr, dma_addr, size,
					    attrs);
	else
		ret = dma_direct_get_sgtable(dev, sgt, cpu_addr, dma_addr,
					     size, attrs);
	if (buf)
		dma_custom_buffer_put(buf);
	return ret;
}
