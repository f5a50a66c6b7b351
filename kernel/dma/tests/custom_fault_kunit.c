// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the custom DMA ops: failures on purpose.
 */
#include <linux/fault-inject.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "../custom.h"
#include "custom_kunit.h"

/* Settings that make the next operation fail, and no other. */
static struct fault_attr *fail_next(struct kunit *test, struct device *dev,
				    enum dma_custom_fault fault)
{
	struct fault_attr *attr = &dma_custom_of(dev)->faults[fault];

	attr->verbose = 0;
	attr->probability = 100;
	atomic_set(&attr->times, 1);
	return attr;
}

static bool alloc_works(struct device *dev)
{
	dma_addr_t dma_addr;
	void *cpu_addr = dma_alloc_attrs(dev, PAGE_SIZE, &dma_addr, GFP_KERNEL,
					 0);

	if (cpu_addr)
		dma_free_attrs(dev, PAGE_SIZE, cpu_addr, dma_addr, 0);
	return cpu_addr;
}

static bool alloc_pages_works(struct device *dev)
{
	dma_addr_t dma_addr;
	struct page *page = dma_alloc_pages(dev, PAGE_SIZE, &dma_addr,
					    DMA_BIDIRECTIONAL, GFP_KERNEL);

	if (page)
		dma_free_pages(dev, PAGE_SIZE, page, dma_addr,
			       DMA_BIDIRECTIONAL);
	return page;
}

static bool map_works(struct device *dev)
{
	void *mem = kzalloc(64, GFP_KERNEL);
	dma_addr_t dma_addr = dma_map_single(dev, mem, 64, DMA_TO_DEVICE);
	bool ret = !dma_mapping_error(dev, dma_addr);

	if (ret)
		dma_unmap_single(dev, dma_addr, 64, DMA_TO_DEVICE);
	kfree(mem);
	return ret;
}

static bool map_sg_works(struct device *dev)
{
	void *mem = kzalloc(64, GFP_KERNEL);
	struct scatterlist sg;
	bool ret;

	sg_init_one(&sg, mem, 64);
	ret = dma_map_sg(dev, &sg, 1, DMA_TO_DEVICE);
	if (ret)
		dma_unmap_sg(dev, &sg, 1, DMA_TO_DEVICE);
	kfree(mem);
	return ret;
}

struct fault_case {
	const char *name;
	enum dma_custom_fault fault;
	bool (*works)(struct device *dev);
	const char *dir;
};

static const struct fault_case fault_cases[] = {
	{ "alloc", DMA_CUSTOM_FAULT_ALLOC, alloc_works, "fail_alloc" },
	{ "alloc_pages", DMA_CUSTOM_FAULT_ALLOC, alloc_pages_works,
	  "fail_alloc" },
	{ "map", DMA_CUSTOM_FAULT_MAP, map_works, "fail_map" },
	{ "map_sg", DMA_CUSTOM_FAULT_MAP_SG, map_sg_works, "fail_map_sg" },
};

KUNIT_ARRAY_PARAM_DESC(fault, fault_cases, name);

static void nothing_fails_unasked(struct kunit *test)
{
	const struct fault_case *fault = test->param_value;
	struct device *dev = custom_kunit_device(test, NULL);

	KUNIT_EXPECT_TRUE(test, fault->works(dev));
}

static void fails_once(struct kunit *test)
{
	const struct fault_case *fault = test->param_value;
	struct device *dev = custom_kunit_device(test, NULL);

	fail_next(test, dev, fault->fault);
	KUNIT_EXPECT_FALSE(test, fault->works(dev));
	KUNIT_EXPECT_TRUE(test, fault->works(dev));
}

static void fails_the_third_time(struct kunit *test)
{
	const struct fault_case *fault = test->param_value;
	struct device *dev = custom_kunit_device(test, NULL);

	fail_next(test, dev, fault->fault)->interval = 3;
	KUNIT_EXPECT_TRUE(test, fault->works(dev));
	KUNIT_EXPECT_TRUE(test, fault->works(dev));
	KUNIT_EXPECT_FALSE(test, fault->works(dev));
	KUNIT_EXPECT_TRUE(test, fault->works(dev));
}

static void fails_when_the_space_is_used_up(struct kunit *test)
{
	const struct fault_case *fault = test->param_value;
	bool alloc = fault->fault == DMA_CUSTOM_FAULT_ALLOC;
	struct device *dev = custom_kunit_device(test, NULL);

	atomic_set(&fail_next(test, dev, fault->fault)->space,
		   alloc ? PAGE_SIZE + 1 : 64 + 1);
	KUNIT_EXPECT_TRUE(test, fault->works(dev));
	KUNIT_EXPECT_FALSE(test, fault->works(dev));
}

/* Lockdep speaks up if the lock of that was not made properly. */
static void reports_can_be_rate_limited(struct kunit *test)
{
	struct device *dev = custom_kunit_device(test, NULL);
	struct fault_attr *attr = fail_next(test, dev, DMA_CUSTOM_FAULT_MAP);

	attr->verbose = 1;
	attr->ratelimit_state.interval = HZ;
	attr->ratelimit_state.burst = 1;
	atomic_set(&attr->times, 10);
	while (atomic_read(&attr->times))
		KUNIT_EXPECT_FALSE(test, map_works(dev));
	KUNIT_EXPECT_TRUE(test, map_works(dev));
}

static void other_operations_do_not_fail(struct kunit *test)
{
	const struct fault_case *fault = test->param_value;
	struct device *dev = custom_kunit_device(test, NULL);
	unsigned int i;

	fail_next(test, dev, fault->fault);
	for (i = 0; i < ARRAY_SIZE(fault_cases); i++)
		if (fault_cases[i].fault != fault->fault)
			KUNIT_EXPECT_TRUE_MSG(test, fault_cases[i].works(dev),
					      "%s", fault_cases[i].name);
}

static void other_devices_do_not_fail(struct kunit *test)
{
	const struct fault_case *fault = test->param_value;
	struct device *dev = custom_kunit_device(test, NULL);
	struct device *other = custom_kunit_plain_device(test, "other");

	KUNIT_ASSERT_EQ(test, 0, devm_dma_custom_attach(other, NULL));
	fail_next(test, dev, fault->fault);
	KUNIT_EXPECT_TRUE(test, fault->works(other));
}

static void attached_again_nothing_fails(struct kunit *test)
{
	const struct fault_case *fault = test->param_value;
	struct device *dev = custom_kunit_plain_device(test, "dev");

	KUNIT_ASSERT_EQ(test, 0, dma_custom_attach(dev, NULL));
	fail_next(test, dev, fault->fault);
	dma_custom_detach(dev);
	KUNIT_ASSERT_EQ(test, 0, devm_dma_custom_attach(dev, NULL));
	KUNIT_EXPECT_TRUE(test, fault->works(dev));
}

static void set_debugfs(struct kunit *test, struct device *dev,
			const char *dir, const char *name, const char *val)
{
	char path[SZ_128];

	snprintf(path, sizeof(path), "dma_custom/%s:%s/%s/%s",
		 dev_bus_name(dev), dev_name(dev), dir, name);
	KUNIT_ASSERT_EQ(test, strlen(val),
			custom_kunit_write_file(test, "debugfs", path, val));
}

static void debugfs_makes_it_fail(struct kunit *test)
{
	const struct fault_case *fault = test->param_value;
	struct device *dev = custom_kunit_device(test, NULL);

	if (!IS_ENABLED(CONFIG_FAULT_INJECTION_DEBUG_FS) ||
	    !IS_ENABLED(CONFIG_MMU))
		kunit_skip(test, "needs CONFIG_FAULT_INJECTION_DEBUG_FS and CONFIG_MMU");
	set_debugfs(test, dev, fault->dir, "verbose", "0");
	set_debugfs(test, dev, fault->dir, "interval", "2");
	set_debugfs(test, dev, fault->dir, "times", "1");
	set_debugfs(test, dev, fault->dir, "probability", "100");
	KUNIT_EXPECT_TRUE(test, fault->works(dev));
	KUNIT_EXPECT_FALSE(test, fault->works(dev));
	KUNIT_EXPECT_TRUE(test, fault->works(dev));
}

static void map_sgtable_returns_enomem(struct kunit *test)
{
	struct device *dev = custom_kunit_device(test, NULL);
	struct sg_table sgt;
	void *mem = (void *)kunit_kmalloc(test, 64, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, mem);
	KUNIT_ASSERT_EQ(test, 0, sg_alloc_table(&sgt, 1, GFP_KERNEL));
	sg_set_buf(sgt.sgl, mem, 64);
	fail_next(test, dev, DMA_CUSTOM_FAULT_MAP_SG);
	KUNIT_EXPECT_EQ(test, -ENOMEM,
			dma_map_sgtable(dev, &sgt, DMA_TO_DEVICE, 0));
	sg_free_table(&sgt);
}

static struct kunit_case custom_fault_cases[] = {
	KUNIT_CASE_PARAM(nothing_fails_unasked, fault_gen_params),
	KUNIT_CASE_PARAM(fails_once, fault_gen_params),
	KUNIT_CASE_PARAM(fails_the_third_time, fault_gen_params),
	KUNIT_CASE_PARAM(fails_when_the_space_is_used_up, fault_gen_params),
	KUNIT_CASE_PARAM(other_operations_do_not_fail, fault_gen_params),
	KUNIT_CASE_PARAM(other_devices_do_not_fail, fault_gen_params),
	KUNIT_CASE_PARAM(attached_again_nothing_fails, fault_gen_params),
	KUNIT_CASE_PARAM(debugfs_makes_it_fail, fault_gen_params),
	KUNIT_CASE(reports_can_be_rate_limited),
	KUNIT_CASE(map_sgtable_returns_enomem),
	{}
};

static struct kunit_suite custom_fault_suite = {
	.name = "dma_custom_fault",
	.test_cases = custom_fault_cases,
};

kunit_test_suite(custom_fault_suite);
