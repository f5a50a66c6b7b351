// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the custom DMA ops: attach and detach.
 */
#include <kunit/device.h>
#include <linux/dma-direct.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "custom_kunit.h"

/* What a failed attach and a detach leave behind: a device as it was. */
static void expect_untouched(struct kunit *test, struct device *dev)
{
	KUNIT_EXPECT_FALSE(test, dma_custom_attached(dev));
	KUNIT_EXPECT_NULL(test, get_dma_ops(dev));
	KUNIT_EXPECT_NULL(test, dev->dma_range_map);
}

static void attach_with_defaults(struct kunit *test)
{
	struct device *dev = custom_kunit_plain_device(test, "dev");

	KUNIT_EXPECT_EQ(test, 0, dma_custom_attach(dev, NULL));
	KUNIT_EXPECT_TRUE(test, dma_custom_attached(dev));
	dma_custom_detach(dev);
}

static void attach_leaves_other_devices_alone(struct kunit *test)
{
	struct device *other = custom_kunit_plain_device(test, "other");

	custom_kunit_device(test, NULL);
	expect_untouched(test, other);
}

static void attach_twice_is_busy(struct kunit *test)
{
	struct device *dev = custom_kunit_device(test, NULL);

	KUNIT_EXPECT_EQ(test, -EBUSY, dma_custom_attach(dev, NULL));
	KUNIT_EXPECT_TRUE(test, dma_custom_attached(dev));
}

static void attach_twice_with_an_offset_is_busy(struct kunit *test)
{
	static const struct dma_custom_config cfg = { .bus_offset = SZ_1G };
	struct device *dev = custom_kunit_device(test, &cfg);

	KUNIT_EXPECT_EQ(test, -EBUSY, dma_custom_attach(dev, &cfg));
	KUNIT_EXPECT_TRUE(test, dma_custom_attached(dev));
}

static void attach_over_other_ops_is_busy(struct kunit *test)
{
	struct device *dev = custom_kunit_plain_device(test, "dev");

	set_dma_ops(dev, &dma_dummy_ops);
	KUNIT_EXPECT_EQ(test, -EBUSY, dma_custom_attach(dev, NULL));
	KUNIT_EXPECT_PTR_EQ(test, &dma_dummy_ops, get_dma_ops(dev));
	set_dma_ops(dev, NULL);
	expect_untouched(test, dev);
}

static void attach_needs_a_dma_mask(struct kunit *test)
{
	struct device *dev = custom_kunit_plain_device(test, "dev");

	dev->dma_mask = NULL;
	KUNIT_EXPECT_EQ(test, -EINVAL, dma_custom_attach(dev, NULL));
	expect_untouched(test, dev);
}

struct bad_config {
	const char *name;
	struct dma_custom_config cfg;
	int error;
};

static const struct bad_config bad_configs[] = {
	{ "unknown mode", { .mmap = DMA_CUSTOM_MMAP_HUGE + 1 }, -EINVAL },
	{ "largest mode", { .mmap = UINT_MAX }, -EINVAL },
	{ "offset 1", { .bus_offset = 1 }, -EINVAL },
	{ "offset not page aligned", { .bus_offset = SZ_4G + 512 }, -EINVAL },
	{ "offset all ones", { .bus_offset = U64_MAX }, -EINVAL },
	{ "offset leaves no page", { .bus_offset = -(u64)PAGE_SIZE }, -EINVAL },
	{ "offset leaves one page", { .bus_offset = -2 * (u64)PAGE_SIZE },
	  -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(bad_config, bad_configs, name);

static void attach_refuses_bad_config(struct kunit *test)
{
	const struct bad_config *bad = test->param_value;
	struct device *dev = custom_kunit_plain_device(test, "dev");

	KUNIT_EXPECT_EQ(test, bad->error, dma_custom_attach(dev, &bad->cfg));
	expect_untouched(test, dev);
}

static void attach_offset_over_firmware_ranges(struct kunit *test)
{
	static const struct dma_custom_config cfg = { .bus_offset = SZ_1G };
	struct device *dev = custom_kunit_plain_device(test, "dev");
	const struct bus_dma_region *map;

	KUNIT_ASSERT_EQ(test, 0, dma_direct_set_offset(dev, 0, SZ_2G, SZ_1G));
	map = dev->dma_range_map;
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, dma_custom_attach(dev, &cfg));
	KUNIT_EXPECT_PTR_EQ(test, map, dev->dma_range_map);
	KUNIT_EXPECT_FALSE(test, dma_custom_attached(dev));
}

static void attach_keeps_firmware_ranges(struct kunit *test)
{
	struct device *dev = custom_kunit_plain_device(test, "dev");
	const struct bus_dma_region *map;

	KUNIT_ASSERT_EQ(test, 0, dma_direct_set_offset(dev, 0, SZ_2G, SZ_1G));
	map = dev->dma_range_map;
	KUNIT_EXPECT_EQ(test, 0, dma_custom_attach(dev, NULL));
	dma_custom_detach(dev);
	KUNIT_EXPECT_PTR_EQ(test, map, dev->dma_range_map);
}

static void detach_restores_the_device(struct kunit *test)
{
	static const struct dma_custom_config cfg = { .bus_offset = SZ_1G };
	struct device *dev = custom_kunit_device(test, &cfg);

	dma_custom_detach(dev);
	expect_untouched(test, dev);
}

static void detach_without_attach_does_nothing(struct kunit *test)
{
	struct device *dev = custom_kunit_plain_device(test, "dev");

	dma_custom_detach(dev);
	expect_untouched(test, dev);
}

static void detach_keeps_other_ops(struct kunit *test)
{
	struct device *dev = custom_kunit_plain_device(test, "dev");

	set_dma_ops(dev, &dma_dummy_ops);
	dma_custom_detach(dev);
	KUNIT_EXPECT_PTR_EQ(test, &dma_dummy_ops, get_dma_ops(dev));
	set_dma_ops(dev, NULL);
}

/* As an IOMMU driver does on arm. */
static void detach_after_others_took_over(struct kunit *test)
{
	struct device *dev = custom_kunit_plain_device(test, "dev");

	KUNIT_ASSERT_EQ(test, 0, devm_dma_custom_attach(dev, NULL));
	set_dma_ops(dev, &dma_dummy_ops);
	KUNIT_EXPECT_FALSE(test, dma_custom_attached(dev));
	dma_custom_detach(dev);
	KUNIT_EXPECT_PTR_EQ(test, &dma_dummy_ops, get_dma_ops(dev));

	/* The state goes all the same, with its debugfs directory. */
	get_device(dev);
	kunit_device_unregister(test, dev);
	KUNIT_EXPECT_PTR_EQ(test, &dma_dummy_ops, get_dma_ops(dev));
	set_dma_ops(dev, NULL);
	put_device(dev);
	dev = custom_kunit_plain_device(test, "dev");
	KUNIT_EXPECT_EQ(test, 0, devm_dma_custom_attach(dev, NULL));
}

static void devm_attach_can_be_detached(struct kunit *test)
{
	struct device *dev = custom_kunit_plain_device(test, "dev");

	KUNIT_ASSERT_EQ(test, 0, devm_dma_custom_attach(dev, NULL));
	dma_custom_detach(dev);
	expect_untouched(test, dev);
	KUNIT_EXPECT_EQ(test, 0, devm_dma_custom_attach(dev, NULL));
}

static void attach_again_after_detach(struct kunit *test)
{
	struct device *dev = custom_kunit_plain_device(test, "dev");
	int i;

	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, 0, dma_custom_attach(dev, NULL));
		dma_custom_detach(dev);
	}
	expect_untouched(test, dev);
}

static void detach_leaks_live_buffers(struct kunit *test)
{
	struct device *dev = custom_kunit_plain_device(test, "dev");
	dma_addr_t dma_addr;
	struct page *page;
	void *cpu_addr;

	KUNIT_ASSERT_EQ(test, 0, dma_custom_attach(dev, NULL));
	/* Straight from the provider: dma-debug would report the leak too. */
	cpu_addr = get_dma_ops(dev)->alloc(dev, PAGE_SIZE, &dma_addr,
					   GFP_KERNEL, 0);
	KUNIT_ASSERT_NOT_NULL(test, cpu_addr);
	page = virt_to_page(cpu_addr);

	dma_custom_detach(dev);
	KUNIT_EXPECT_FALSE(test, dma_custom_attached(dev));
	KUNIT_EXPECT_EQ(test, 1, page_count(page));
	__free_page(page);
}

/* As remoteproc does for the virtio devices below it. */
static void copied_ops_without_state_are_dma_directs(struct kunit *test)
{
	struct device *dev = custom_kunit_plain_device(test, "child");
	struct device *parent = custom_kunit_device(test, NULL);
	struct sg_table sgt;
	dma_addr_t dma_addr;
	void *cpu_addr;

	set_dma_ops(dev, get_dma_ops(parent));
	KUNIT_EXPECT_FALSE(test, dma_custom_attached(dev));
	KUNIT_EXPECT_EQ(test, -EBUSY, dma_custom_attach(dev, NULL));
	dma_custom_detach(dev);
	KUNIT_EXPECT_PTR_EQ(test, get_dma_ops(parent), get_dma_ops(dev));

	cpu_addr = dma_alloc_attrs(dev, PAGE_SIZE, &dma_addr, GFP_KERNEL, 0);
	KUNIT_ASSERT_NOT_NULL(test, cpu_addr);
	KUNIT_EXPECT_EQ(test, 0, dma_get_sgtable(dev, &sgt, cpu_addr, dma_addr,
						 PAGE_SIZE));
	sg_free_table(&sgt);
	dma_free_attrs(dev, PAGE_SIZE, cpu_addr, dma_addr, 0);
	set_dma_ops(dev, NULL);
}

static void devm_attach_ends_with_unbind(struct kunit *test)
{
	struct device *dev = custom_kunit_plain_device(test, "dev");

	KUNIT_ASSERT_EQ(test, 0, devm_dma_custom_attach(dev, NULL));
	KUNIT_EXPECT_TRUE(test, dma_custom_attached(dev));

	get_device(dev);
	kunit_device_unregister(test, dev);
	expect_untouched(test, dev);
	put_device(dev);
}

static void devm_attach_outlives_managed_buffers(struct kunit *test)
{
	struct device *dev = custom_kunit_plain_device(test, "dev");
	dma_addr_t dma_addr;
	struct page *page;
	void *cpu_addr;

	KUNIT_ASSERT_EQ(test, 0, devm_dma_custom_attach(dev, NULL));
	cpu_addr = dmam_alloc_attrs(dev, PAGE_SIZE, &dma_addr, GFP_KERNEL, 0);
	KUNIT_ASSERT_NOT_NULL(test, cpu_addr);
	page = virt_to_page(cpu_addr);
	get_page(page);

	kunit_device_unregister(test, dev);
	KUNIT_EXPECT_EQ_MSG(test, 1, page_count(page),
			    "the buffer was leaked, not freed");
	put_page(page);
}

static void devm_attach_reports_errors(struct kunit *test)
{
	struct device *dev = custom_kunit_device(test, NULL);

	KUNIT_EXPECT_EQ(test, -EBUSY, devm_dma_custom_attach(dev, NULL));
	KUNIT_EXPECT_TRUE(test, dma_custom_attached(dev));
}

static struct kunit_case custom_attach_cases[] = {
	KUNIT_CASE(attach_with_defaults),
	KUNIT_CASE(attach_leaves_other_devices_alone),
	KUNIT_CASE(attach_twice_is_busy),
	KUNIT_CASE(attach_twice_with_an_offset_is_busy),
	KUNIT_CASE(attach_over_other_ops_is_busy),
	KUNIT_CASE(attach_needs_a_dma_mask),
	KUNIT_CASE_PARAM(attach_refuses_bad_config, bad_config_gen_params),
	KUNIT_CASE(attach_offset_over_firmware_ranges),
	KUNIT_CASE(attach_keeps_firmware_ranges),
	KUNIT_CASE(detach_restores_the_device),
	KUNIT_CASE(detach_without_attach_does_nothing),
	KUNIT_CASE(detach_keeps_other_ops),
	KUNIT_CASE(detach_after_others_took_over),
	KUNIT_CASE(devm_attach_can_be_detached),
	KUNIT_CASE(attach_again_after_detach),
	KUNIT_CASE(detach_leaks_live_buffers),
	KUNIT_CASE(copied_ops_without_state_are_dma_directs),
	KUNIT_CASE(devm_attach_ends_with_unbind),
	KUNIT_CASE(devm_attach_outlives_managed_buffers),
	KUNIT_CASE(devm_attach_reports_errors),
	{}
};

static struct kunit_suite custom_attach_suite = {
	.name = "dma_custom_attach",
	.test_cases = custom_attach_cases,
};

kunit_test_suite(custom_attach_suite);
