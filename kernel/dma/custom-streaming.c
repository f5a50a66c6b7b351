// SPDX-License-Identifier: GPL-2.0
/*
 * Custom DMA ops: streaming mappings.  Cache maintenance, bounce buffers, MMIO
 * and the translation of addresses are dma-direct's, which is called through.
 */
#include "custom.h"
#include "direct.h"

dma_addr_t dma_custom_map_phys(struct device *dev, phys_addr_t phys,
			       size_t size, enum dma_data_direction dir,
			       unsigned long attrs)
{
	struct dma_custom *dc = dev->dma_custom;
	dma_addr_t dma_addr = DMA_MAPPING_ERROR;

	if (!dma_custom_should_fail(dc, DMA_CUSTOM_FAULT_MAP, size,
				    attrs & DMA_ATTR_NO_WARN))
		dma_addr = dma_direct_map_phys(dev, phys, size, dir, attrs,
					       true);
	if (unlikely(dma_addr == DMA_MAPPING_ERROR))
		dma_custom_count(dc, DMA_CUSTOM_STAT_MAP_FAILED);
	else
		dma_custom_count(dc, DMA_CUSTOM_STAT_MAP);
	return dma_addr;
}

static noinline void dma_custom_unmap_sync(struct device *dev,
					   dma_addr_t dma_addr, size_t size,
					   enum dma_data_direction dir,
					   unsigned long attrs)
{
	dma_direct_unmap_phys(dev, dma_addr, size, dir, attrs, true);
}

/*
 * Most often there is nothing to sync.  Find out without a stack frame: it would
 * cost more than all the rest.
 */
void dma_custom_unmap_phys(struct device *dev, dma_addr_t dma_addr, size_t size,
			   enum dma_data_direction dir, unsigned long attrs)
{
	dma_custom_count(dev->dma_custom, DMA_CUSTOM_STAT_UNMAP);
	if (dev_is_dma_coherent(dev) &&
	    !swiotlb_find_pool(dev, dma_to_phys(dev, dma_addr)))
		return;
	dma_custom_unmap_sync(dev, dma_addr, size, dir, attrs);
}

int dma_custom_map_sg(struct device *dev, struct scatterlist *sgl, int nents,
		      enum dma_data_direction dir, unsigned long attrs)
{
	struct dma_custom *dc = dev->dma_custom;
	int ret = -ENOMEM;

	if (!dma_custom_should_fail_sg(dc, sgl, nents,
				       attrs & DMA_ATTR_NO_WARN))
		ret = dma_direct_map_sg(dev, sgl, nents, dir, attrs);
	dma_custom_count(dc, ret < 0 ? DMA_CUSTOM_STAT_MAP_SG_FAILED :
				       DMA_CUSTOM_STAT_MAP_SG);
	return ret;
}

void dma_custom_unmap_sg(struct device *dev, struct scatterlist *sgl, int nents,
			 enum dma_data_direction dir, unsigned long attrs)
{
	dma_custom_count(dev->dma_custom, DMA_CUSTOM_STAT_UNMAP_SG);
	dma_direct_unmap_sg(dev, sgl, nents, dir, attrs);
}

void dma_custom_sync_single_for_cpu(struct device *dev, dma_addr_t dma_addr,
				    size_t size, enum dma_data_direction dir)
{
	dma_custom_count(dev->dma_custom, DMA_CUSTOM_STAT_SYNC);
	dma_direct_sync_single_for_cpu(dev, dma_addr, size, dir, true);
}

void dma_custom_sync_single_for_device(struct device *dev, dma_addr_t dma_addr,
				       size_t size, enum dma_data_direction dir)
{
	dma_custom_count(dev->dma_custom, DMA_CUSTOM_STAT_SYNC);
	dma_direct_sync_single_for_device(dev, dma_addr, size, dir);
}

void dma_custom_sync_sg_for_cpu(struct device *dev, struct scatterlist *sgl,
				int nents, enum dma_data_direction dir)
{
	dma_custom_count(dev->dma_custom, DMA_CUSTOM_STAT_SYNC);
	dma_direct_sync_sg_for_cpu(dev, sgl, nents, dir);
}

void dma_custom_sync_sg_for_device(struct device *dev, struct scatterlist *sgl,
				   int nents, enum dma_data_direction dir)
{
	dma_custom_count(dev->dma_custom, DMA_CUSTOM_STAT_SYNC);
	dma_direct_sync_sg_for_device(dev, sgl, nents, dir);
}
