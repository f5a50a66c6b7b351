/* SPDX-License-Identifier: GPL-2.0 */
/*
 * KUnit tests of the custom DMA ops: what the suites share.
 */
#ifndef _KERNEL_DMA_TESTS_CUSTOM_KUNIT_H
#define _KERNEL_DMA_TESTS_CUSTOM_KUNIT_H

#include <kunit/test.h>
#include <linux/dma-custom-ops.h>
#include <linux/dma-map-ops.h>

struct custom_kunit_buffer {
	struct device	*dev;
	size_t		size;
	void		*cpu_addr;
	dma_addr_t	dma_addr;
};

/* A coherent device with 64-bit masks that nothing is attached to. */
struct device *custom_kunit_plain_device(struct kunit *test, const char *name);

/*
 * The same with the provider attached; detached when the test ends.  Skips the
 * test where the architecture cannot have it.
 */
struct device *custom_kunit_device(struct kunit *test,
				   const struct dma_custom_config *cfg);

/* dma_alloc_attrs(); freed when the test ends or by custom_kunit_free(). */
struct custom_kunit_buffer *custom_kunit_alloc(struct kunit *test,
					       struct device *dev, size_t size);
void custom_kunit_free(struct kunit *test, struct custom_kunit_buffer *buf);

/* The page that holds byte @offset of the buffer. */
struct page *custom_kunit_page(struct custom_kunit_buffer *buf, size_t offset);

#endif /* _KERNEL_DMA_TESTS_CUSTOM_KUNIT_H */
