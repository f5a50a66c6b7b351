/* SPDX-License-Identifier: GPL-2.0 */
/*
 * KUnit devices that can do DMA.  See Documentation/dev-tools/kunit/api/dma.rst.
 */
#ifndef _KUNIT_DMA_H
#define _KUNIT_DMA_H

#include <linux/err.h>
#include <linux/types.h>

struct device;
struct kunit;

/**
 * struct kunit_dma_config - what a test may choose for its device
 * @bus_offset: Bytes to add to a physical address to get the DMA address, a
 *	multiple of PAGE_SIZE.  An address that is right for the CPU is then wrong
 *	for the device.
 */
struct kunit_dma_config {
	u64	bus_offset;
};

/**
 * enum kunit_dma_fault - operations that can be made to fail
 * @KUNIT_DMA_FAULT_ALLOC: dma_alloc_attrs(), dma_alloc_pages() and what is made of
 *	them return NULL.
 * @KUNIT_DMA_FAULT_MAP: dma_map_phys(), dma_map_page(), dma_map_single() and
 *	dma_map_resource() return DMA_MAPPING_ERROR.
 * @KUNIT_DMA_FAULT_MAP_SG: dma_map_sgtable() returns -ENOMEM, dma_map_sg() 0.
 * @KUNIT_DMA_NR_FAULTS: How many there are.
 */
enum kunit_dma_fault {
	KUNIT_DMA_FAULT_ALLOC,
	KUNIT_DMA_FAULT_MAP,
	KUNIT_DMA_FAULT_MAP_SG,
	KUNIT_DMA_NR_FAULTS,
};

#ifdef CONFIG_KUNIT_DMA
struct device *kunit_dma_device_register(struct kunit *test, const char *name,
					 const struct kunit_dma_config *cfg);
int kunit_dma_read(struct device *dev, dma_addr_t dma_addr, void *data,
		   size_t size);
int kunit_dma_write(struct device *dev, dma_addr_t dma_addr, const void *data,
		    size_t size);
void kunit_dma_fail_nth(struct device *dev, enum kunit_dma_fault fault,
			unsigned int nth);
#else
static inline struct device *
kunit_dma_device_register(struct kunit *test, const char *name,
			  const struct kunit_dma_config *cfg)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static inline int kunit_dma_read(struct device *dev, dma_addr_t dma_addr,
				 void *data, size_t size)
{
	return -EFAULT;
}

static inline int kunit_dma_write(struct device *dev, dma_addr_t dma_addr,
				  const void *data, size_t size)
{
	return -EFAULT;
}

static inline void kunit_dma_fail_nth(struct device *dev,
				      enum kunit_dma_fault fault,
				      unsigned int nth)
{
}
#endif

#endif /* _KUNIT_DMA_H */
