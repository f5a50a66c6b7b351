/* SPDX-License-Identifier: GPL-2.0 */
/*
 * KUnit devices that can do DMA.  See Documentation/dev-tools/kunit/api/dma.rst.
 */
#ifndef _KUNIT_DMA_H
#define _KUNIT_DMA_H

#include <linux/dma-custom-ops.h>
#include <linux/err.h>
#include <linux/types.h>

struct device;
struct kunit;

#if IS_BUILTIN(CONFIG_KUNIT) && IS_ENABLED(CONFIG_DMA_CUSTOM_OPS)
struct device *kunit_dma_device_register(struct kunit *test, const char *name,
					 const struct dma_custom_config *cfg);
int kunit_dma_read(struct device *dev, dma_addr_t dma_addr, void *data,
		   size_t size);
int kunit_dma_write(struct device *dev, dma_addr_t dma_addr, const void *data,
		    size_t size);
void kunit_dma_fail_nth(struct kunit *test, struct device *dev,
			enum dma_custom_fault fault, unsigned int nth);
#else
static inline struct device *
kunit_dma_device_register(struct kunit *test, const char *name,
			  const struct dma_custom_config *cfg)
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

static inline void kunit_dma_fail_nth(struct kunit *test, struct device *dev,
				      enum dma_custom_fault fault,
				      unsigned int nth)
{
}
#endif

#endif /* _KUNIT_DMA_H */
