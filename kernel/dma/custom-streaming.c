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
	if (dma_custom_should_fail(dev, DMA_CUSTOM_FAULT_MAP, size,
				   attrs & DMA_ATTR_NO_WARN))
		return DMA_MAPPING_ERROR;
	return dma_direct_map_phys(dev, phys, size, dir, attrs, true);
}

void dma_custom_unmap_phys(struct device *dev, dma_addr_t dma_addr, size_t size,
			   enum dma_data_direction dir, unsigned long attrs)
{
	dma_direct_unmap_phys(dev, dma_addr, size, dir, attrs, true);
}

int dma_custom_map_sg(struct device *dev, struct scatterlist *sgl, int nents,
		      enum dma_data_direction dir, unsigned long attrs)
{
	if (dma_custom_should_fail_sg(dev, sgl, nents,
				      attrs & DMA_ATTR_NO_WARN))
		return -ENOMEM;
	return dma_direct_map_sg(dev, sgl, nents, dir, attrs);
}

void dma_custom_sync_single_for_cpu(struct device *dev, dma_addr_t dma_addr,
				    size_t size, enum dma_data_direction dir)
{
	dma_direct_sync_single_for_cpu(dev, dma_addr, size, dir, true);
}
