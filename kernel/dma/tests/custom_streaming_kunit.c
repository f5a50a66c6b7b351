// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the custom DMA ops: streaming mappings, masks and sizes.
 * What dma-direct does with them is dma-direct's; these cases show that the
 * calls arrive there, with the bus offset on the device's side only.
 */
#include <linux/dma-direct.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/swiotlb.h>

#include "custom_kunit.h"

#define OFFSET	SZ_1G
#define ENTRIES	4

struct offset_case {
	const char *name;
	struct dma_custom_config cfg;
};

static const struct offset_case offset_cases[] = {
	{ "no offset", { .bus_offset = 0 } },
	{ "bus offset", { .bus_offset = OFFSET } },
};

KUNIT_ARRAY_PARAM_DESC(offset, offset_cases, name);

static const struct dma_custom_config *offset_param(struct kunit *test)
{
	return &((const struct offset_case *)test->param_value)->cfg;
}

/* Where a bus address is to be the one of the memory itself. */
static struct device *direct_device(struct kunit *test)
{
	struct device *dev = custom_kunit_device(test, offset_param(test));

	if (is_swiotlb_force_bounce(dev))
		kunit_skip(test, "everything is bounced");
	return dev;
}

static void *page_of_memory(struct kunit *test)
{
	void *mem = (void *)kunit_kmalloc(test, 2 * PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, mem);
	return PTR_ALIGN(mem, PAGE_SIZE);
}

static void map_single_gives_the_bus_address(struct kunit *test)
{
	const struct dma_custom_config *cfg = offset_param(test);
	struct device *dev = direct_device(test);
	void *mem = page_of_memory(test);
	dma_addr_t dma_addr;

	dma_addr = dma_map_single(dev, mem + 64, 128, DMA_TO_DEVICE);
	KUNIT_ASSERT_EQ(test, 0, dma_mapping_error(dev, dma_addr));
	KUNIT_EXPECT_EQ(test, virt_to_phys(mem) + 64 + cfg->bus_offset,
			(u64)dma_addr);
	dma_unmap_single(dev, dma_addr, 128, DMA_TO_DEVICE);
}

static void map_page_gives_the_bus_address(struct kunit *test)
{
	const struct dma_custom_config *cfg = offset_param(test);
	struct device *dev = direct_device(test);
	void *mem = page_of_memory(test);
	dma_addr_t dma_addr;

	dma_addr = dma_map_page(dev, virt_to_page(mem), 256, 512,
				DMA_FROM_DEVICE);
	KUNIT_ASSERT_EQ(test, 0, dma_mapping_error(dev, dma_addr));
	KUNIT_EXPECT_EQ(test, virt_to_phys(mem) + 256 + cfg->bus_offset,
			(u64)dma_addr);
	dma_unmap_page(dev, dma_addr, 512, DMA_FROM_DEVICE);
}

static void map_resource_gives_the_bus_address(struct kunit *test)
{
	const struct dma_custom_config *cfg = offset_param(test);
	struct device *dev = direct_device(test);
	phys_addr_t mmio = SZ_2G + SZ_512M;
	dma_addr_t dma_addr;

	dma_addr = dma_map_resource(dev, mmio, PAGE_SIZE, DMA_BIDIRECTIONAL, 0);
	KUNIT_ASSERT_EQ(test, 0, dma_mapping_error(dev, dma_addr));
	KUNIT_EXPECT_EQ(test, (u64)mmio + cfg->bus_offset, (u64)dma_addr);
	dma_unmap_resource(dev, dma_addr, PAGE_SIZE, DMA_BIDIRECTIONAL, 0);
}

static void map_sgtable_gives_the_bus_addresses(struct kunit *test)
{
	const struct dma_custom_config *cfg = offset_param(test);
	struct device *dev = direct_device(test);
	void *mem = page_of_memory(test);
	unsigned int i, wrong = 0;
	struct scatterlist *sg;
	struct sg_table sgt;

	KUNIT_ASSERT_EQ(test, 0, sg_alloc_table(&sgt, ENTRIES, GFP_KERNEL));
	for_each_sgtable_sg(&sgt, sg, i)
		sg_set_buf(sg, mem + i * PAGE_SIZE / ENTRIES, 64);

	KUNIT_ASSERT_EQ(test, 0,
			dma_map_sgtable(dev, &sgt, DMA_BIDIRECTIONAL, 0));
	KUNIT_EXPECT_EQ(test, ENTRIES, sgt.nents);
	for_each_sgtable_dma_sg(&sgt, sg, i)
		if (sg_dma_address(sg) != sg_phys(sg) + cfg->bus_offset ||
		    sg_dma_len(sg) != 64)
			wrong++;
	KUNIT_EXPECT_EQ(test, 0, wrong);
	dma_unmap_sgtable(dev, &sgt, DMA_BIDIRECTIONAL, 0);
	sg_free_table(&sgt);
}

/* The core leaves sync calls out for a device with this flag. */
static void attach_wants_sync_calls(struct kunit *test)
{
	struct device *dev = custom_kunit_plain_device(test, "dev");

	KUNIT_ASSERT_TRUE(test, dev_dma_skip_sync(dev));
	KUNIT_ASSERT_EQ(test, 0, devm_dma_custom_attach(dev, NULL));
	KUNIT_EXPECT_FALSE(test, dev_dma_skip_sync(dev));
}

/*
 * With swiotlb=force on the kernel command line every mapping is bounced, and
 * what the device sees, @bounce, and what the CPU sees, @mem, are two things
 * that only mapping, syncing and unmapping make equal.
 */
static struct device *bouncing_device(struct kunit *test)
{
	struct device *dev = custom_kunit_device(test, offset_param(test));

	if (!is_swiotlb_force_bounce(dev))
		kunit_skip(test, "needs swiotlb=force");
	return dev;
}

static u32 *bounce_of(struct kunit *test, struct device *dev,
		      dma_addr_t dma_addr, void *mem)
{
	u32 *bounce = phys_to_virt(dma_to_phys(dev, dma_addr));

	KUNIT_ASSERT_PTR_NE(test, mem, (void *)bounce);
	return bounce;
}

static void sync_single_moves_bounced_data(struct kunit *test)
{
	struct device *dev = bouncing_device(test);
	u32 *mem = page_of_memory(test), *bounce;
	dma_addr_t dma_addr;

	mem[0] = 1;
	dma_addr = dma_map_single(dev, mem, 64, DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_EQ(test, 0, dma_mapping_error(dev, dma_addr));
	bounce = bounce_of(test, dev, dma_addr, mem);
	KUNIT_EXPECT_EQ(test, 1, bounce[0]);

	bounce[0] = 2;
	KUNIT_EXPECT_EQ(test, 1, mem[0]);
	dma_sync_single_for_cpu(dev, dma_addr, 64, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 2, mem[0]);

	mem[0] = 3;
	KUNIT_EXPECT_EQ(test, 2, bounce[0]);
	dma_sync_single_for_device(dev, dma_addr, 64, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 3, bounce[0]);

	bounce[0] = 4;
	dma_unmap_single(dev, dma_addr, 64, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 4, mem[0]);
}

static void sync_sg_moves_bounced_data(struct kunit *test)
{
	struct device *dev = bouncing_device(test);
	u32 *mem = page_of_memory(test), *bounce;
	struct scatterlist sg;

	mem[0] = 1;
	sg_init_one(&sg, mem, 64);
	KUNIT_ASSERT_EQ(test, 1, dma_map_sg(dev, &sg, 1, DMA_BIDIRECTIONAL));
	bounce = bounce_of(test, dev, sg_dma_address(&sg), mem);
	KUNIT_EXPECT_EQ(test, 1, bounce[0]);

	bounce[0] = 2;
	KUNIT_EXPECT_EQ(test, 1, mem[0]);
	dma_sync_sg_for_cpu(dev, &sg, 1, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 2, mem[0]);

	mem[0] = 3;
	KUNIT_EXPECT_EQ(test, 2, bounce[0]);
	dma_sync_sg_for_device(dev, &sg, 1, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 3, bounce[0]);

	bounce[0] = 4;
	dma_unmap_sg(dev, &sg, 1, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 4, mem[0]);
}

static void map_out_of_reach_is_an_error(struct kunit *test)
{
	struct device *dev = custom_kunit_device(test, NULL);
	dma_addr_t dma_addr;

	*dev->dma_mask = DMA_BIT_MASK(8);
	/* dma-direct warns of it, the first time in the life of a kernel */
	kunit_warning_suppress(test) {
		dma_addr = dma_map_resource(dev, SZ_2G, PAGE_SIZE,
					    DMA_BIDIRECTIONAL, 0);
		KUNIT_EXPECT_EQ(test, -ENOMEM,
				dma_mapping_error(dev, dma_addr));
	}
}

static void unsupported_mask_is_refused(struct kunit *test)
{
	struct device *dev = custom_kunit_device(test, NULL);
	u64 mask = dma_get_mask(dev);

	KUNIT_EXPECT_EQ(test, -EIO, dma_set_mask(dev, DMA_BIT_MASK(8)));
	KUNIT_EXPECT_EQ(test, mask, dma_get_mask(dev));
}

static void supported_mask_is_set(struct kunit *test)
{
	struct device *dev = custom_kunit_device(test, NULL);

	KUNIT_EXPECT_EQ(test, 0, dma_set_mask(dev, DMA_BIT_MASK(32)));
	KUNIT_EXPECT_EQ(test, DMA_BIT_MASK(32), dma_get_mask(dev));
}

static void required_mask_is_dma_directs(struct kunit *test)
{
	struct device *plain = custom_kunit_plain_device(test, "plain");
	struct device *dev = custom_kunit_device(test, NULL);

	KUNIT_EXPECT_EQ(test, dma_get_required_mask(plain),
			dma_get_required_mask(dev));
}

static void required_mask_covers_the_offset(struct kunit *test)
{
	struct device *plain = custom_kunit_plain_device(test, "plain");
	u64 mask = dma_get_required_mask(plain);
	struct dma_custom_config cfg = { .bus_offset = mask + 1 };

	if (mask >= (dma_addr_t)DMA_BIT_MASK(64) / 2)
		kunit_skip(test, "RAM fills the bus address space");
	KUNIT_EXPECT_EQ(test, 2 * mask + 1,
			dma_get_required_mask(custom_kunit_device(test, &cfg)));
}

static void max_mapping_size_is_dma_directs(struct kunit *test)
{
	struct device *plain = custom_kunit_plain_device(test, "plain");
	struct device *dev = custom_kunit_device(test, NULL);

	KUNIT_EXPECT_EQ(test, dma_max_mapping_size(plain),
			dma_max_mapping_size(dev));
}

static struct kunit_case custom_streaming_cases[] = {
	KUNIT_CASE_PARAM(map_single_gives_the_bus_address, offset_gen_params),
	KUNIT_CASE_PARAM(map_page_gives_the_bus_address, offset_gen_params),
	KUNIT_CASE_PARAM(map_resource_gives_the_bus_address, offset_gen_params),
	KUNIT_CASE_PARAM(map_sgtable_gives_the_bus_addresses,
			 offset_gen_params),
	KUNIT_CASE(attach_wants_sync_calls),
	KUNIT_CASE_PARAM(sync_single_moves_bounced_data, offset_gen_params),
	KUNIT_CASE_PARAM(sync_sg_moves_bounced_data, offset_gen_params),
	KUNIT_CASE(map_out_of_reach_is_an_error),
	KUNIT_CASE(unsupported_mask_is_refused),
	KUNIT_CASE(supported_mask_is_set),
	KUNIT_CASE(required_mask_is_dma_directs),
	KUNIT_CASE(required_mask_covers_the_offset),
	KUNIT_CASE(max_mapping_size_is_dma_directs),
	{}
};

static struct kunit_suite custom_streaming_suite = {
	.name = "dma_custom_streaming",
	.test_cases = custom_streaming_cases,
};

kunit_test_suite(custom_streaming_suite);
