// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the devices that can do DMA.  What has to fail a test is done in
 * the name of a test that is made up for it.
 */
#include <kunit/device.h>
#include <kunit/dma.h>
#include <kunit/test.h>
#include <linux/dma-direct.h>
#include <linux/dma-map-ops.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/swiotlb.h>

#include "string-stream.h"

KUNIT_DEFINE_ACTION_WRAPPER(end_fake_test, kunit_cleanup, struct kunit *);

static struct kunit *fake_test(struct kunit *test)
{
	struct kunit *fake = kunit_kzalloc(test, sizeof(*fake), GFP_KERNEL);
	struct string_stream *log;

	KUNIT_ASSERT_NOT_NULL(test, fake);
	log = kunit_alloc_string_stream(test, GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, log);
	kunit_init_test(fake, "made-up", log);
	/* Should the test end early. */
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, end_fake_test, fake));
	return fake;
}

/* Of the test itself, or of one that is made up. */
static struct device *device_of(struct kunit *test, struct kunit *owner,
				const struct kunit_dma_config *cfg)
{
	struct device *dev;

	if (get_arch_dma_ops())
		kunit_skip(test, "the architecture has DMA ops of its own");
	dev = kunit_dma_device_register(owner, "dma", cfg);
	if (cfg && !IS_ENABLED(CONFIG_ARCH_DMA_ADDR_T_64BIT) &&
	    PTR_ERR_OR_ZERO(dev) == -EINVAL)
		kunit_skip(test, "RAM does not fit the bus with an offset");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	return dev;
}

static struct device *device(struct kunit *test,
			     const struct kunit_dma_config *cfg)
{
	return device_of(test, test, cfg);
}

static struct device *device_with_offset(struct kunit *test,
					 struct kunit *owner)
{
	static const struct kunit_dma_config cfg = { .bus_offset = SZ_1G };

	if (IS_ENABLED(CONFIG_ARCH_HAS_PHYS_TO_DMA))
		kunit_skip(test, "the architecture translates DMA addresses");
	return device_of(test, owner, &cfg);
}

/* DMA is not for the stack. */
static u32 *memory(struct kunit *test)
{
	u32 *mem = kunit_kzalloc(test, SZ_256, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, mem);
	return mem;
}

static dma_addr_t map(struct kunit *test, struct device *dev, void *mem,
		      size_t size, enum dma_data_direction dir)
{
	dma_addr_t dma_addr = dma_map_single(dev, mem, size, dir);

	KUNIT_ASSERT_EQ(test, 0, dma_mapping_error(dev, dma_addr));
	return dma_addr;
}

/* What ends a test: its devices go. */
static void expect_passed(struct kunit *test, struct kunit *fake)
{
	kunit_cleanup(fake);
	KUNIT_EXPECT_EQ(test, KUNIT_SUCCESS, READ_ONCE(fake->status));
}

static void expect_failed(struct kunit *test, struct kunit *fake)
{
	KUNIT_EXPECT_EQ(test, KUNIT_FAILURE, READ_ONCE(fake->status));
	WRITE_ONCE(fake->status, KUNIT_SUCCESS);
}

static void expect_left(struct kunit *test, struct kunit *fake,
			const char *what)
{
	char *log;

	kunit_cleanup(fake);
	log = string_stream_get_string(fake->log);
	KUNIT_ASSERT_NOT_NULL(test, log);
	KUNIT_EXPECT_EQ(test, KUNIT_FAILURE, READ_ONCE(fake->status));
	KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(log, what),
				  "no \"%s\" in:\n%s", what, log);
	kfree(log);
}

static void device_can_do_dma(struct kunit *test)
{
	struct device *dev = device(test, NULL);

	KUNIT_EXPECT_TRUE(test, dev_is_dma_coherent(dev));
	KUNIT_EXPECT_EQ(test, (dma_addr_t)DMA_BIT_MASK(64), dma_get_mask(dev));
	KUNIT_EXPECT_EQ(test, (dma_addr_t)DMA_BIT_MASK(64),
			dev->coherent_dma_mask);
}

static void bad_config_is_an_error(struct kunit *test)
{
	static const struct kunit_dma_config cfg = { .bus_offset = 1 };

	KUNIT_EXPECT_PTR_EQ(test, ERR_PTR(-EINVAL),
			    kunit_dma_device_register(test, "dma", &cfg));
	/* The name is free again. */
	device(test, NULL);
}

static void device_sees_buffers(struct kunit *test)
{
	struct device *dev = device(test, NULL);
	size_t size = 3 * PAGE_SIZE;
	u32 *data = kunit_kzalloc(test, size, GFP_KERNEL);
	dma_addr_t dma_addr;
	u32 *cpu_addr, x;

	KUNIT_ASSERT_NOT_NULL(test, data);
	cpu_addr = dma_alloc_coherent(dev, size, &dma_addr, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, cpu_addr);

	/* across a page boundary, and all of it */
	cpu_addr[PAGE_SIZE / 4] = 42;
	KUNIT_EXPECT_EQ(test, 0, kunit_dma_read(dev, dma_addr + PAGE_SIZE - 2,
						data, 8));
	memcpy(&x, (void *)data + 2, 4);
	KUNIT_EXPECT_EQ(test, 42, x);
	memset(data, 0x55, size);
	KUNIT_EXPECT_EQ(test, 0, kunit_dma_write(dev, dma_addr, data, size));
	KUNIT_EXPECT_MEMEQ(test, cpu_addr, data, size);
	dma_free_coherent(dev, size, cpu_addr, dma_addr);
}

static void device_sees_mappings(struct kunit *test)
{
	struct device *dev = device_with_offset(test, test);
	u32 *mem = memory(test), data = 0;
	dma_addr_t dma_addr;

	mem[1] = 42;
	dma_addr = map(test, dev, mem, SZ_256, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 0, kunit_dma_read(dev, dma_addr + 4, &data, 4));
	KUNIT_EXPECT_EQ(test, 42, data);
	data++;
	KUNIT_EXPECT_EQ(test, 0, kunit_dma_write(dev, dma_addr + 8, &data, 4));
	dma_unmap_single(dev, dma_addr, SZ_256, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 43, mem[2]);
}

static void device_sees_scatterlists(struct kunit *test)
{
	struct device *dev = device(test, NULL);
	u32 *mem = memory(test), data = 0;
	struct scatterlist sg[2];

	sg_init_table(sg, 2);
	sg_set_buf(&sg[0], &mem[0], 4);
	sg_set_buf(&sg[1], &mem[32], 4);
	mem[32] = 42;
	KUNIT_ASSERT_EQ(test, 2, dma_map_sg(dev, sg, 2, DMA_TO_DEVICE));
	KUNIT_EXPECT_EQ(test, 0, kunit_dma_read(dev, sg_dma_address(&sg[1]),
						&data, 4));
	KUNIT_EXPECT_EQ(test, 42, data);
	dma_sync_sg_for_cpu(dev, sg, 2, DMA_TO_DEVICE);
	dma_sync_sg_for_device(dev, sg, 2, DMA_TO_DEVICE);
	dma_unmap_sg(dev, sg, 2, DMA_TO_DEVICE);
}

/* Drivers do so in interrupt handlers. */
static void mapping_works_with_interrupts_off(struct kunit *test)
{
	struct kunit *fake = fake_test(test);
	struct device *dev = device_of(test, fake, NULL);
	u32 *mem = memory(test), data = 0;
	dma_addr_t dma_addr;
	unsigned long flags;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "no memory is allocated with interrupts off");
	local_irq_save(flags);
	dma_addr = dma_map_single(dev, mem, SZ_256, DMA_BIDIRECTIONAL);
	if (!dma_mapping_error(dev, dma_addr)) {
		dma_sync_single_for_cpu(dev, dma_addr, SZ_256,
					DMA_BIDIRECTIONAL);
		kunit_dma_write(dev, dma_addr, &data, 4);
		dma_unmap_single(dev, dma_addr, SZ_256, DMA_BIDIRECTIONAL);
	}
	local_irq_restore(flags);
	expect_passed(test, fake);
}

static void all_given_back_passes(struct kunit *test)
{
	struct kunit *fake = fake_test(test);
	struct device *dev = device_of(test, fake, NULL);
	u32 *mem = memory(test);
	dma_addr_t addr[3];
	struct page *page;

	/* The same memory twice is two mappings. */
	addr[0] = map(test, dev, mem, SZ_256, DMA_TO_DEVICE);
	addr[1] = map(test, dev, mem, SZ_256, DMA_TO_DEVICE);
	page = dma_alloc_pages(dev, PAGE_SIZE, &addr[2], DMA_FROM_DEVICE,
			       GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, page);
	dma_sync_single_for_cpu(dev, addr[2] + 64, 64, DMA_FROM_DEVICE);
	dma_free_pages(dev, PAGE_SIZE, page, addr[2], DMA_FROM_DEVICE);
	dma_unmap_single(dev, addr[0], SZ_256, DMA_TO_DEVICE);
	dma_unmap_single(dev, addr[1], SZ_256, DMA_TO_DEVICE);
	expect_passed(test, fake);
}

/*
 * What is left behind is so straight by way of the device's operations, as
 * dma-debug would remember it for ever.
 */
static void buffer_left_behind_fails(struct kunit *test)
{
	struct kunit *fake = fake_test(test);
	struct device *dev = device_of(test, fake, NULL);
	dma_addr_t dma_addr;

	KUNIT_ASSERT_NOT_NULL(test, get_dma_ops(dev)->alloc(dev, 12345,
							    &dma_addr,
							    GFP_KERNEL, 0));
	expect_left(test, fake, "a buffer of 12345 bytes at DMA address ");
}

static void pages_left_behind_fail(struct kunit *test)
{
	struct kunit *fake = fake_test(test);
	struct device *dev = device_of(test, fake, NULL);
	dma_addr_t dma_addr;

	KUNIT_ASSERT_NOT_NULL(test,
			      get_dma_ops(dev)->alloc_pages_op(dev, PAGE_SIZE,
							       &dma_addr,
							       DMA_TO_DEVICE,
							       GFP_KERNEL));
	expect_left(test, fake, "a buffer of pages of ");
}

static void mapping_left_behind_fails(struct kunit *test)
{
	struct kunit *fake = fake_test(test);
	struct device *dev = device_of(test, fake, NULL);

	get_dma_ops(dev)->map_phys(dev, virt_to_phys(memory(test)), 200,
				   DMA_FROM_DEVICE, 0);
	expect_left(test, fake, "a mapping of 200 bytes at DMA address ");
}

static void scatterlist_left_behind_fails(struct kunit *test)
{
	struct kunit *fake = fake_test(test);
	struct device *dev = device_of(test, fake, NULL);
	struct scatterlist sg;

	sg_init_one(&sg, memory(test), 100);
	KUNIT_ASSERT_EQ(test, 1, get_dma_ops(dev)->map_sg(dev, &sg, 1,
							  DMA_TO_DEVICE, 0));
	expect_left(test, fake,
		    "a mapping of a scatterlist entry of 100 bytes at DMA address ");
}

/* Nothing left, not even bounce buffers or pages, and no second report. */
static void what_is_left_is_given_back(struct kunit *test)
{
	struct kunit *fake = fake_test(test);
	struct device *dev = device_of(test, fake, NULL);
	dma_addr_t dma_addr;
	struct page *page;

	page = get_dma_ops(dev)->alloc_pages_op(dev, PAGE_SIZE, &dma_addr,
						DMA_TO_DEVICE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, page);
	get_page(page);
	expect_left(test, fake, "was left behind");
	KUNIT_EXPECT_EQ(test, 1, page_count(page));
	put_page(page);
}

static void unregistered_device_is_checked_at_once(struct kunit *test)
{
	struct kunit *fake = fake_test(test);
	struct device *dev = device_of(test, fake, NULL);

	get_dma_ops(dev)->map_phys(dev, virt_to_phys(memory(test)), 200,
				   DMA_FROM_DEVICE, 0);
	kunit_device_unregister(fake, dev);
	expect_failed(test, fake);
	expect_passed(test, fake);
}

/* Mistakes of drivers.  Again dma-debug is not to see them. */

static void unmap_with_another_size_fails(struct kunit *test)
{
	struct kunit *fake = fake_test(test);
	struct device *dev = device_of(test, fake, NULL);
	const struct dma_map_ops *ops = get_dma_ops(dev);
	dma_addr_t dma_addr;

	dma_addr = ops->map_phys(dev, virt_to_phys(memory(test)), 200,
				 DMA_FROM_DEVICE, 0);
	ops->unmap_phys(dev, dma_addr, 199, DMA_FROM_DEVICE, 0);
	expect_failed(test, fake);
	ops->unmap_phys(dev, dma_addr, 200, DMA_TO_DEVICE, 0);
	expect_failed(test, fake);
	ops->unmap_phys(dev, dma_addr, 200, DMA_FROM_DEVICE, 0);
	expect_passed(test, fake);
}

static void unmap_twice_fails(struct kunit *test)
{
	struct kunit *fake = fake_test(test);
	struct device *dev = device_of(test, fake, NULL);
	const struct dma_map_ops *ops = get_dma_ops(dev);
	struct scatterlist sg;

	sg_init_one(&sg, memory(test), 100);
	KUNIT_ASSERT_EQ(test, 1, ops->map_sg(dev, &sg, 1, DMA_TO_DEVICE, 0));
	ops->unmap_sg(dev, &sg, 1, DMA_TO_DEVICE, 0);
	KUNIT_EXPECT_EQ(test, KUNIT_SUCCESS, READ_ONCE(fake->status));
	ops->unmap_sg(dev, &sg, 1, DMA_TO_DEVICE, 0);
	expect_failed(test, fake);
	expect_passed(test, fake);
}

static void free_twice_fails(struct kunit *test)
{
	struct kunit *fake = fake_test(test);
	struct device *dev = device_of(test, fake, NULL);
	const struct dma_map_ops *ops = get_dma_ops(dev);
	dma_addr_t dma_addr;
	void *cpu_addr;

	cpu_addr = ops->alloc(dev, PAGE_SIZE, &dma_addr, GFP_KERNEL, 0);
	KUNIT_ASSERT_NOT_NULL(test, cpu_addr);
	ops->free(dev, PAGE_SIZE, cpu_addr, dma_addr, 0);
	ops->free(dev, PAGE_SIZE, cpu_addr, dma_addr, 0);
	expect_failed(test, fake);
	expect_passed(test, fake);
}

/* The address of another one, which is the driver's mistake as much. */
static void free_of_another_buffer_fails(struct kunit *test)
{
	struct kunit *fake = fake_test(test);
	struct device *dev = device_of(test, fake, NULL);
	const struct dma_map_ops *ops = get_dma_ops(dev);
	void *cpu_addr, *other;
	dma_addr_t dma_addr, other_addr;

	cpu_addr = ops->alloc(dev, PAGE_SIZE, &dma_addr, GFP_KERNEL, 0);
	other = ops->alloc(dev, PAGE_SIZE, &other_addr, GFP_KERNEL, 0);
	KUNIT_ASSERT_NOT_NULL(test, cpu_addr);
	KUNIT_ASSERT_NOT_NULL(test, other);
	ops->free(dev, PAGE_SIZE, other, dma_addr, 0);
	expect_failed(test, fake);
	ops->free(dev, PAGE_SIZE, cpu_addr, dma_addr, 0);
	ops->free(dev, PAGE_SIZE, other, other_addr, 0);
	expect_passed(test, fake);
}

static void sync_of_what_is_not_mapped_fails(struct kunit *test)
{
	struct kunit *fake = fake_test(test);
	struct device *dev = device_of(test, fake, NULL);
	const struct dma_map_ops *ops = get_dma_ops(dev);
	dma_addr_t dma_addr;

	dma_addr = ops->map_phys(dev, virt_to_phys(memory(test)), 200,
				 DMA_FROM_DEVICE, 0);
	ops->sync_single_for_cpu(dev, dma_addr + 100, 101, DMA_FROM_DEVICE);
	expect_failed(test, fake);
	ops->sync_single_for_device(dev, dma_addr, 200, DMA_TO_DEVICE);
	expect_failed(test, fake);
	ops->sync_single_for_device(dev, dma_addr, 200, DMA_FROM_DEVICE);
	ops->unmap_phys(dev, dma_addr, 200, DMA_FROM_DEVICE, 0);
	expect_passed(test, fake);
}

static void access_against_the_direction_fails(struct kunit *test)
{
	struct kunit *fake = fake_test(test);
	struct device *dev = device_of(test, fake, NULL);
	u32 *mem = memory(test), data = 42;
	dma_addr_t to, from;

	to = map(test, dev, mem, 64, DMA_TO_DEVICE);
	from = map(test, dev, mem + 32, 64, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, -EFAULT, kunit_dma_write(dev, to, &data, 4));
	expect_failed(test, fake);
	KUNIT_EXPECT_EQ(test, 0, mem[0]);
	KUNIT_EXPECT_EQ(test, -EFAULT, kunit_dma_read(dev, from, &data, 4));
	expect_failed(test, fake);
	KUNIT_EXPECT_EQ(test, 42, data);
	dma_unmap_single(dev, from, 64, DMA_FROM_DEVICE);
	dma_unmap_single(dev, to, 64, DMA_TO_DEVICE);
	expect_passed(test, fake);
}

static void access_past_the_end_fails(struct kunit *test)
{
	struct kunit *fake = fake_test(test);
	struct device *dev = device_of(test, fake, NULL);
	u32 *mem = memory(test), data[2] = {};
	dma_addr_t dma_addr;

	dma_addr = map(test, dev, mem, 64, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, 0, kunit_dma_write(dev, dma_addr + 60, data, 4));
	KUNIT_EXPECT_EQ(test, KUNIT_SUCCESS, READ_ONCE(fake->status));
	KUNIT_EXPECT_EQ(test, -EFAULT,
			kunit_dma_write(dev, dma_addr + 60, data, 8));
	expect_failed(test, fake);
	KUNIT_EXPECT_EQ(test, -EFAULT,
			kunit_dma_write(dev, dma_addr - 4, data, 8));
	expect_failed(test, fake);
	KUNIT_EXPECT_EQ(test, -EFAULT,
			kunit_dma_write(dev, dma_addr + 65, data, 0));
	expect_failed(test, fake);
	dma_unmap_single(dev, dma_addr, 64, DMA_FROM_DEVICE);
	expect_passed(test, fake);
}

static void access_to_mmio_fails(struct kunit *test)
{
	struct kunit *fake = fake_test(test);
	struct device *dev = device_of(test, fake, NULL);
	const struct dma_map_ops *ops = get_dma_ops(dev);
	dma_addr_t dma_addr;
	u32 data = 42;

	if (is_swiotlb_force_bounce(dev))
		kunit_skip(test, "MMIO cannot be bounced");
	dma_addr = ops->map_phys(dev, SZ_1G, 64, DMA_BIDIRECTIONAL,
				 DMA_ATTR_MMIO);
	KUNIT_ASSERT_NE(test, DMA_MAPPING_ERROR, dma_addr);
	KUNIT_EXPECT_EQ(test, -EFAULT, kunit_dma_write(dev, dma_addr, &data, 4));
	expect_failed(test, fake);
	ops->unmap_phys(dev, dma_addr, 64, DMA_BIDIRECTIONAL, DMA_ATTR_MMIO);
	expect_passed(test, fake);
}

static void access_after_unmap_fails(struct kunit *test)
{
	struct kunit *fake = fake_test(test);
	struct device *dev = device_of(test, fake, NULL);
	u32 *mem = memory(test), data = 42;
	dma_addr_t dma_addr;

	dma_addr = map(test, dev, mem, 64, DMA_FROM_DEVICE);
	dma_unmap_single(dev, dma_addr, 64, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, -EFAULT, kunit_dma_write(dev, dma_addr, &data, 4));
	KUNIT_EXPECT_EQ(test, 0, mem[0]);
	expect_failed(test, fake);
	expect_passed(test, fake);
}

/* The three that are hard to find on a PC. */

static void ignored_mapping_error_is_caught(struct kunit *test)
{
	struct kunit *fake = fake_test(test);
	struct device *dev = device_of(test, fake, NULL);
	u32 *mem = memory(test), data;
	dma_addr_t dma_addr;

	kunit_dma_fail_nth(dev, KUNIT_DMA_FAULT_MAP, 1);
	dma_addr = get_dma_ops(dev)->map_phys(dev, virt_to_phys(mem), 64,
					      DMA_TO_DEVICE, 0);
	/* The driver goes on, and tells the device. */
	KUNIT_EXPECT_EQ(test, -EFAULT, kunit_dma_read(dev, dma_addr, &data, 4));
	expect_failed(test, fake);
	/* And unmaps. */
	get_dma_ops(dev)->unmap_phys(dev, dma_addr, 64, DMA_TO_DEVICE, 0);
	expect_failed(test, fake);
	expect_passed(test, fake);
}

static void physical_address_is_caught(struct kunit *test)
{
	struct kunit *fake = fake_test(test);
	struct device *dev = device_with_offset(test, fake);
	u32 *mem = memory(test), data;
	dma_addr_t dma_addr;

	dma_addr = map(test, dev, mem, 64, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, 0, kunit_dma_read(dev, dma_addr, &data, 4));
	KUNIT_EXPECT_EQ(test, -EFAULT,
			kunit_dma_read(dev, virt_to_phys(mem), &data, 4));
	expect_failed(test, fake);
	dma_unmap_single(dev, dma_addr, 64, DMA_TO_DEVICE);
	expect_passed(test, fake);
}

/* On a device that reaches all memory there is nothing to forget. */
static void forgotten_sync_is_caught(struct kunit *test)
{
#ifdef CONFIG_SWIOTLB
	struct device *dev = device(test, NULL);
	int nid, last = 0;
	struct page *page;
	dma_addr_t dma_addr;
	u32 *mem, data = 42;

	for_each_node_state(nid, N_MEMORY)
		last = nid;
	page = alloc_pages_node(last, GFP_KERNEL | __GFP_ZERO, 0);
	KUNIT_ASSERT_NOT_NULL(test, page);
	if (!is_swiotlb_force_bounce(dev)) {
		if (!is_swiotlb_active(dev) ||
		    page_to_phys(page) < SZ_4G) {
			__free_page(page);
			kunit_skip(test, "needs memory above 4 GiB, or swiotlb=force");
		}
		KUNIT_ASSERT_EQ(test, 0, dma_set_mask(dev, DMA_BIT_MASK(32)));
	}
	mem = page_address(page);
	dma_addr = map(test, dev, mem, 64, DMA_BIDIRECTIONAL);

	KUNIT_EXPECT_EQ(test, 0, kunit_dma_write(dev, dma_addr, &data, 4));
	KUNIT_EXPECT_EQ_MSG(test, 0, mem[0], "without a sync");
	dma_sync_single_for_cpu(dev, dma_addr, 64, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ_MSG(test, 42, mem[0], "with a sync");

	mem[0] = 43;
	KUNIT_EXPECT_EQ(test, 0, kunit_dma_read(dev, dma_addr, &data, 4));
	KUNIT_EXPECT_EQ_MSG(test, 42, data, "without a sync");
	dma_sync_single_for_device(dev, dma_addr, 64, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 0, kunit_dma_read(dev, dma_addr, &data, 4));
	KUNIT_EXPECT_EQ_MSG(test, 43, data, "with a sync");

	dma_unmap_single(dev, dma_addr, 64, DMA_BIDIRECTIONAL);
	__free_page(page);
#else
	kunit_skip(test, "needs CONFIG_SWIOTLB");
#endif
}

static struct kunit_case kunit_dma_cases[] = {
	KUNIT_CASE(device_can_do_dma),
	KUNIT_CASE(bad_config_is_an_error),
	KUNIT_CASE(device_sees_buffers),
	KUNIT_CASE(device_sees_mappings),
	KUNIT_CASE(device_sees_scatterlists),
	KUNIT_CASE(mapping_works_with_interrupts_off),
	KUNIT_CASE(all_given_back_passes),
	KUNIT_CASE(buffer_left_behind_fails),
	KUNIT_CASE(pages_left_behind_fail),
	KUNIT_CASE(mapping_left_behind_fails),
	KUNIT_CASE(scatterlist_left_behind_fails),
	KUNIT_CASE(what_is_left_is_given_back),
	KUNIT_CASE(unregistered_device_is_checked_at_once),
	KUNIT_CASE(unmap_with_another_size_fails),
	KUNIT_CASE(unmap_twice_fails),
	KUNIT_CASE(free_twice_fails),
	KUNIT_CASE(free_of_another_buffer_fails),
	KUNIT_CASE(sync_of_what_is_not_mapped_fails),
	KUNIT_CASE(access_against_the_direction_fails),
	KUNIT_CASE(access_past_the_end_fails),
	KUNIT_CASE(access_to_mmio_fails),
	KUNIT_CASE(access_after_unmap_fails),
	KUNIT_CASE(ignored_mapping_error_is_caught),
	KUNIT_CASE(physical_address_is_caught),
	KUNIT_CASE(forgotten_sync_is_caught),
	{}
};

static struct kunit_suite kunit_dma_suite = {
	.name = "kunit_dma",
	.test_cases = kunit_dma_cases,
};

kunit_test_suite(kunit_dma_suite);
