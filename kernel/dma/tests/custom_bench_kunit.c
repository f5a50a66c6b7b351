// SPDX-License-Identifier: GPL-2.0
/*
 * What the provider's code costs next to dma-direct's, on the machine below: for
 * UML, which runs it at full speed.  No test, as time is nothing to test: it prints
 * figures, for scripts to read.
 */
#include <linux/ktime.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "custom_kunit.h"

#define ROUNDS	30
#define ENTRIES	16

struct bench_case {
	const char *name;
	size_t size;
	unsigned int loops;
	bool (*run)(struct device *dev, void *mem, size_t size);
};

static bool alloc_free(struct device *dev, void *mem, size_t size)
{
	dma_addr_t dma_addr;
	void *cpu_addr = dma_alloc_attrs(dev, size, &dma_addr, GFP_KERNEL, 0);

	if (!cpu_addr)
		return false;
	dma_free_attrs(dev, size, cpu_addr, dma_addr, 0);
	return true;
}

static bool map_unmap(struct device *dev, void *mem, size_t size)
{
	dma_addr_t dma_addr = dma_map_single(dev, mem, size, DMA_TO_DEVICE);

	if (dma_mapping_error(dev, dma_addr))
		return false;
	dma_unmap_single(dev, dma_addr, size, DMA_TO_DEVICE);
	return true;
}

static bool map_unmap_sg(struct device *dev, void *mem, size_t size)
{
	struct scatterlist sg[ENTRIES];
	unsigned int i;

	sg_init_table(sg, ENTRIES);
	for (i = 0; i < ENTRIES; i++)
		sg_set_buf(&sg[i], mem + i * size / ENTRIES, size / ENTRIES);
	if (!dma_map_sg(dev, sg, ENTRIES, DMA_TO_DEVICE))
		return false;
	dma_unmap_sg(dev, sg, ENTRIES, DMA_TO_DEVICE);
	return true;
}

static const struct bench_case bench_cases[] = {
	{ "alloc_free", SZ_4K, 200, alloc_free },
	{ "alloc_free", SZ_64K, 100, alloc_free },
	{ "alloc_free", SZ_1M, 10, alloc_free },
	{ "map_unmap", SZ_4K, 2000, map_unmap },
	{ "map_unmap_sg", SZ_64K, 500, map_unmap_sg },
};

static void bench_desc(const struct bench_case *bench, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s %zu", bench->name,
		 bench->size);
}

KUNIT_ARRAY_PARAM(bench, bench_cases, bench_desc);

/* The least of some rounds, in which the devices take turns. */
static void provider_and_dma_direct(struct kunit *test)
{
	const struct bench_case *bench = test->param_value;
	struct device *devs[] = {
		custom_kunit_plain_device(test, "plain"),
		custom_kunit_device(test, NULL),
	};
	static const char * const names[] = { "dma_direct", "custom" };
	void *mem = (void *)kunit_kzalloc(test, SZ_64K, GFP_KERNEL);
	u64 least[] = { U64_MAX, U64_MAX };
	unsigned int round, i, j;

	if (!IS_ENABLED(CONFIG_UML))
		kunit_skip(test, "an emulated machine's time tells nothing");
	KUNIT_ASSERT_NOT_NULL(test, mem);
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < ARRAY_SIZE(devs); i++) {
			u64 start = ktime_get_ns();

			for (j = 0; j < bench->loops; j++)
				if (!bench->run(devs[i], mem, bench->size))
					KUNIT_FAIL_AND_ABORT(test, "%s does not work",
							     bench->name);
			least[i] = min(least[i], ktime_get_ns() - start);
		}
	}
	for (i = 0; i < ARRAY_SIZE(devs); i++)
		kunit_info(test, "bench: %s,%s,%zu,%llu,ns\n", names[i],
			   bench->name, bench->size,
			   div_u64(least[i], bench->loops));
}

static struct kunit_case custom_bench_cases[] = {
	KUNIT_CASE_PARAM_ATTR(provider_and_dma_direct, bench_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	{}
};

static struct kunit_suite custom_bench_suite = {
	.name = "dma_custom_bench",
	.test_cases = custom_bench_cases,
};

kunit_test_suite(custom_bench_suite);
