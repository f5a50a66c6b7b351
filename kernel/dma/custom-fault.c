// SPDX-License-Identifier: GPL-2.0
/*
 * Custom DMA ops: failures on purpose, so that a driver's error paths can be
 * tested.  Each device has its own settings of the fault-injection framework, in
 * debugfs below dma_custom/BUS:DEVICE:
 *
 * fail_alloc	dma_alloc_attrs() and dma_alloc_pages() return NULL
 * fail_map	dma_map_phys() and what is made of it return DMA_MAPPING_ERROR
 * fail_map_sg	dma_map_sgtable() returns -ENOMEM, dma_map_sg() 0
 */
#include <linux/fault-inject.h>
#include <linux/ratelimit.h>
#include <linux/scatterlist.h>
#include <linux/sched.h>

#include "custom.h"

static const char * const dma_custom_fault_names[] = {
	[DMA_CUSTOM_FAULT_ALLOC]	= "fail_alloc",
	[DMA_CUSTOM_FAULT_MAP]		= "fail_map",
	[DMA_CUSTOM_FAULT_MAP_SG]	= "fail_map_sg",
};

void dma_custom_faults_init(struct dma_custom *dc)
{
	static const DECLARE_FAULT_ATTR(initial);
	unsigned int i;

	for (i = 0; i < DMA_CUSTOM_NR_FAULTS; i++) {
		dc->faults[i] = initial;
		/* A lock cannot be copied. */
		ratelimit_state_init(&dc->faults[i].ratelimit_state, 0,
				     DEFAULT_RATELIMIT_BURST);
	}
}

void dma_custom_faults_debugfs_add(struct dma_custom *dc, struct dentry *dir)
{
	unsigned int i;

	for (i = 0; i < DMA_CUSTOM_NR_FAULTS; i++)
		fault_create_debugfs_attr(dma_custom_fault_names[i], dir,
					  &dc->faults[i]);
}

bool dma_custom_should_fail(struct device *dev, enum dma_custom_fault fault,
			    size_t size, bool nowarn)
{
	struct dma_custom *dc = dma_custom_of(dev);

	return dc && should_fail_ex(&dc->faults[fault], size,
				    nowarn ? FAULT_NOWARN : 0);
}

bool dma_custom_should_fail_sg(struct device *dev, struct scatterlist *sgl,
			       int nents, bool nowarn)
{
	struct dma_custom *dc = dma_custom_of(dev);
	struct scatterlist *sg;
	size_t size = 0;
	int i;

	/* Most of the time nobody wants to know how much it is. */
	if (!dc || !(dc->faults[DMA_CUSTOM_FAULT_MAP_SG].probability ||
		     current->fail_nth))
		return false;
	for_each_sg(sgl, sg, nents, i)
		size += sg->length;
	return dma_custom_should_fail(dev, DMA_CUSTOM_FAULT_MAP_SG, size,
				      nowarn);
}
