// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the custom DMA ops: coherent buffers.
 */
#include <linux/dma-direct.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/swap.h>

#include "custom_kunit.h"

#define LARGEST	(PAGE_SIZE << MAX_PAGE_ORDER)

struct size_case {
	const char *name;
	size_t size;
};

static const struct size_case size_cases[] = {
	{ "1 byte", 1 },
	{ "a page", PAGE_SIZE },
	{ "a page and a byte", PAGE_SIZE + 1 },
	{ "3 pages", 3 * PAGE_SIZE },
	{ "64 pages", 64 * PAGE_SIZE },
	{ "half the largest block", LARGEST / 2 },
	{ "half the largest block and a page", LARGEST / 2 + PAGE_SIZE },
	{ "the largest block less a page", LARGEST - PAGE_SIZE },
	{ "the largest block", LARGEST },
};

KUNIT_ARRAY_PARAM_DESC(size, size_cases, name);

static size_t size_param(struct kunit *test)
{
	return ((const struct size_case *)test->param_value)->size;
}

/* With the provider attached in the default configuration. */
static struct device *device(struct kunit *test)
{
	return custom_kunit_device(test, NULL);
}

static void alloc_is_zeroed(struct kunit *test)
{
	size_t size = PAGE_ALIGN(size_param(test));
	struct device *dev = device(test);
	struct custom_kunit_buffer *buf;

	/* Dirty the memory that the second allocation is likely to get. */
	buf = custom_kunit_alloc(test, dev, size);
	memset(buf->cpu_addr, 0xa5, size);
	custom_kunit_free(test, buf);

	buf = custom_kunit_alloc(test, dev, size_param(test));
	KUNIT_EXPECT_NULL(test, memchr_inv(buf->cpu_addr, 0, size));
}

static void alloc_pages_have_one_reference_each(struct kunit *test)
{
	struct custom_kunit_buffer *buf;
	size_t off, wrong = 0;

	buf = custom_kunit_alloc(test, device(test), size_param(test));
	for (off = 0; off < buf->size; off += PAGE_SIZE) {
		struct page *page = custom_kunit_page(buf, off);

		if (page_count(page) != 1 || PageCompound(page))
			wrong++;
	}
	KUNIT_EXPECT_EQ(test, 0, wrong);
}

static void alloc_is_aligned_to_its_size(struct kunit *test)
{
	size_t align = PAGE_SIZE << get_order(size_param(test));
	struct custom_kunit_buffer *buf;

	buf = custom_kunit_alloc(test, device(test), size_param(test));
	KUNIT_EXPECT_TRUE(test, IS_ALIGNED(buf->dma_addr, align));
}

static void alloc_bus_address_is_physical(struct kunit *test)
{
	struct custom_kunit_buffer *buf;

	buf = custom_kunit_alloc(test, device(test), PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, (u64)virt_to_phys(buf->cpu_addr),
			(u64)buf->dma_addr);
}

static void alloc_bus_offset_is_added(struct kunit *test)
{
	static const struct dma_custom_config cfg = { .bus_offset = SZ_1G };
	struct custom_kunit_buffer *buf;

	buf = custom_kunit_alloc(test, custom_kunit_device(test, &cfg),
				 PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, (u64)virt_to_phys(buf->cpu_addr) + SZ_1G,
			(u64)buf->dma_addr);
}

static unsigned long free_kbytes(void)
{
	return nr_free_pages() << (PAGE_SHIFT - 10);
}

#define MANY	8

/*
 * Eight buffers of a quarter block and a page each come out of eight half
 * blocks.  If the tails were kept, twice as much would be gone; half of that
 * difference is left for what the rest of the kernel does meanwhile.
 */
static void alloc_returns_the_tail(struct kunit *test)
{
	unsigned long size = LARGEST / 4 + PAGE_SIZE, before, used;
	struct device *dev = device(test);
	int i;

	before = free_kbytes();
	for (i = 0; i < MANY; i++)
		custom_kunit_alloc(test, dev, size);
	used = before - free_kbytes();
	KUNIT_EXPECT_LT(test, used, (MANY * LARGEST / 4 * 3 / 2) >> 10);
}

/* A leak of one buffer in a hundred shows; the tolerance is half of one. */
static void free_returns_the_memory(struct kunit *test)
{
	struct device *dev = device(test);
	unsigned long before, after;
	int i;

	custom_kunit_free(test, custom_kunit_alloc(test, dev, LARGEST));
	before = free_kbytes();
	for (i = 0; i < 100; i++)
		custom_kunit_free(test, custom_kunit_alloc(test, dev, LARGEST));
	after = free_kbytes();
	KUNIT_EXPECT_GT(test, after + (LARGEST >> 11), before);
}

struct refused_size {
	const char *name;
	size_t size;
};

static const struct refused_size refused_sizes[] = {
	{ "0", 0 },
	{ "one over the largest block", LARGEST + 1 },
	{ "over half of the address space", SIZE_MAX / 2 + 2 },
	{ "all but a page", SIZE_MAX - PAGE_SIZE },
	{ "rounds up to 0", SIZE_MAX - PAGE_SIZE + 2 },
	{ "SIZE_MAX", SIZE_MAX },
};

KUNIT_ARRAY_PARAM_DESC(refused_size, refused_sizes, name);

/* There must be no WARN, although none is asked to be left out. */
static void alloc_refuses_size(struct kunit *test)
{
	const struct refused_size *refused = test->param_value;
	struct device *dev = device(test);
	dma_addr_t dma_addr = 42;

	kunit_warning_suppress(test) {
		KUNIT_EXPECT_NULL(test, dma_alloc_attrs(dev, refused->size,
							&dma_addr, GFP_KERNEL,
							0));
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 0);
	}
	KUNIT_EXPECT_EQ_MSG(test, 42, (u64)dma_addr, "changed on failure");
}

static void alloc_stays_within_the_mask(struct kunit *test)
{
	struct device *dev = device(test);
	struct custom_kunit_buffer *buf;

	if (!IS_ENABLED(CONFIG_ZONE_DMA))
		kunit_skip(test, "no zone for a device with few address bits");
	dev->coherent_dma_mask = zone_dma_limit;
	buf = custom_kunit_alloc(test, dev, 16 * PAGE_SIZE);
	KUNIT_EXPECT_LE(test, (u64)buf->dma_addr + buf->size - 1,
			zone_dma_limit);
}

static void alloc_stays_within_the_bus_limit(struct kunit *test)
{
	struct device *dev = device(test);
	struct custom_kunit_buffer *buf;

	if (!IS_ENABLED(CONFIG_ZONE_DMA))
		kunit_skip(test, "no zone for a bus with few address bits");
	dev->bus_dma_limit = zone_dma_limit;
	buf = custom_kunit_alloc(test, dev, 16 * PAGE_SIZE);
	KUNIT_EXPECT_LE(test, (u64)buf->dma_addr + buf->size - 1,
			zone_dma_limit);
}

static void alloc_fails_where_nothing_is_in_reach(struct kunit *test)
{
	struct device *dev = device(test);
	dma_addr_t dma_addr;

	dev->coherent_dma_mask = DMA_BIT_MASK(8);
	KUNIT_EXPECT_NULL(test, dma_alloc_attrs(dev, PAGE_SIZE, &dma_addr,
						GFP_KERNEL, DMA_ATTR_NO_WARN));
}

static void alloc_fails_where_the_offset_is_out_of_reach(struct kunit *test)
{
	static const struct dma_custom_config cfg = { .bus_offset = SZ_1G };
	struct device *dev = custom_kunit_device(test, &cfg);
	dma_addr_t dma_addr;

	dev->coherent_dma_mask = DMA_BIT_MASK(29);
	KUNIT_EXPECT_NULL(test, dma_alloc_attrs(dev, PAGE_SIZE, &dma_addr,
						GFP_KERNEL, DMA_ATTR_NO_WARN));
}

static void failed_alloc_keeps_no_memory(struct kunit *test)
{
	struct device *dev = device(test);
	unsigned long before, after;
	dma_addr_t dma_addr;
	int i;

	dev->coherent_dma_mask = DMA_BIT_MASK(8);
	before = free_kbytes();
	for (i = 0; i < 100; i++)
		dma_alloc_attrs(dev, LARGEST, &dma_addr, GFP_KERNEL,
				DMA_ATTR_NO_WARN);
	after = free_kbytes();
	KUNIT_EXPECT_GT(test, after + (LARGEST >> 11), before);
}

static void alloc_with_interrupts_off(struct kunit *test)
{
	struct device *dev = device(test);
	unsigned long flags;
	dma_addr_t dma_addr;
	void *cpu_addr;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "nothing can be allocated with interrupts off");
	local_irq_save(flags);
	cpu_addr = dma_alloc_attrs(dev, PAGE_SIZE, &dma_addr, GFP_ATOMIC, 0);
	KUNIT_EXPECT_TRUE(test, irqs_disabled());
	local_irq_restore(flags);

	KUNIT_ASSERT_NOT_NULL(test, cpu_addr);
	dma_free_attrs(dev, PAGE_SIZE, cpu_addr, dma_addr, 0);
}

static void alloc_without_kernel_mapping(struct kunit *test)
{
	struct device *dev = device(test);
	dma_addr_t dma_addr;
	void *cookie;

	cookie = dma_alloc_attrs(dev, PAGE_SIZE, &dma_addr, GFP_KERNEL,
				 DMA_ATTR_NO_KERNEL_MAPPING);
	KUNIT_ASSERT_NOT_NULL(test, cookie);
	KUNIT_EXPECT_NULL(test, memchr_inv(phys_to_virt(dma_addr), 0,
					   PAGE_SIZE));
	dma_free_attrs(dev, PAGE_SIZE, cookie, dma_addr,
		       DMA_ATTR_NO_KERNEL_MAPPING);
}

static void alloc_accepts_gfp_zero(struct kunit *test)
{
	struct device *dev = device(test);
	dma_addr_t dma_addr;
	void *cpu_addr;

	cpu_addr = dma_alloc_attrs(dev, PAGE_SIZE, &dma_addr,
				   GFP_KERNEL | __GFP_ZERO, 0);
	KUNIT_ASSERT_NOT_NULL(test, cpu_addr);
	dma_free_attrs(dev, PAGE_SIZE, cpu_addr, dma_addr, 0);
}

static void live_buffers_do_not_overlap(struct kunit *test)
{
	struct device *dev = device(test);
	struct custom_kunit_buffer *buf[MANY];
	unsigned int i, wrong = 0;

	for (i = 0; i < MANY; i++) {
		buf[i] = custom_kunit_alloc(test, dev, 3 * PAGE_SIZE);
		memset(buf[i]->cpu_addr, i + 1, buf[i]->size);
	}
	for (i = 0; i < MANY; i++)
		if (memchr_inv(buf[i]->cpu_addr, i + 1, buf[i]->size))
			wrong++;
	KUNIT_EXPECT_EQ(test, 0, wrong);
}

static void free_leaves_a_pinned_page_alone(struct kunit *test)
{
	struct custom_kunit_buffer *buf;
	struct page *page;

	buf = custom_kunit_alloc(test, device(test), 4 * PAGE_SIZE);
	page = custom_kunit_page(buf, 2 * PAGE_SIZE);
	get_page(page);
	custom_kunit_free(test, buf);
	KUNIT_EXPECT_EQ(test, 1, page_count(page));
	put_page(page);
}

/*
 * The misuse cases call the provider itself, because dma-debug would report
 * them on its own account before.
 */
static void misuse_free(struct kunit *test, struct device *dev, size_t size,
			void *cpu_addr, dma_addr_t dma_addr)
{
	kunit_warning_suppress(test) {
		get_dma_ops(dev)->free(dev, size, cpu_addr, dma_addr, 0);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
	}
}

static void expect_live(struct kunit *test, struct custom_kunit_buffer *buf)
{
	struct sg_table sgt;

	KUNIT_EXPECT_EQ(test, 1, page_count(custom_kunit_page(buf, 0)));
	KUNIT_ASSERT_EQ_MSG(test, 0,
			    dma_get_sgtable(buf->dev, &sgt, buf->cpu_addr,
					    buf->dma_addr, buf->size),
			    "the buffer is gone");
	sg_free_table(&sgt);
}

static void free_with_wrong_size(struct kunit *test)
{
	struct device *dev = device(test);
	struct custom_kunit_buffer *buf;

	buf = custom_kunit_alloc(test, dev, 4 * PAGE_SIZE);
	misuse_free(test, dev, 3 * PAGE_SIZE, buf->cpu_addr, buf->dma_addr);
	misuse_free(test, dev, 5 * PAGE_SIZE, buf->cpu_addr, buf->dma_addr);
	misuse_free(test, dev, 0, buf->cpu_addr, buf->dma_addr);
	expect_live(test, buf);
}

static void free_with_unrounded_size(struct kunit *test)
{
	struct device *dev = device(test);
	dma_addr_t dma_addr;
	struct page *page;
	void *cpu_addr;

	cpu_addr = dma_alloc_attrs(dev, PAGE_SIZE + 1, &dma_addr, GFP_KERNEL,
				   0);
	KUNIT_ASSERT_NOT_NULL(test, cpu_addr);
	page = virt_to_page(cpu_addr + PAGE_SIZE);
	get_page(page);
	dma_free_attrs(dev, PAGE_SIZE + 1, cpu_addr, dma_addr, 0);
	KUNIT_EXPECT_EQ_MSG(test, 1, page_count(page), "not freed");
	put_page(page);
}

static void free_with_wrong_bus_address(struct kunit *test)
{
	struct device *dev = device(test);
	struct custom_kunit_buffer *buf;

	buf = custom_kunit_alloc(test, dev, 4 * PAGE_SIZE);
	misuse_free(test, dev, buf->size, buf->cpu_addr,
		    buf->dma_addr + PAGE_SIZE);
	misuse_free(test, dev, buf->size, buf->cpu_addr, buf->dma_addr + 1);
	misuse_free(test, dev, buf->size, buf->cpu_addr, DMA_MAPPING_ERROR);
	expect_live(test, buf);
}

static void free_with_wrong_cpu_address(struct kunit *test)
{
	struct device *dev = device(test);
	struct custom_kunit_buffer *buf;

	buf = custom_kunit_alloc(test, dev, 4 * PAGE_SIZE);
	misuse_free(test, dev, buf->size, buf->cpu_addr + PAGE_SIZE,
		    buf->dma_addr);
	expect_live(test, buf);
}

static void free_twice(struct kunit *test)
{
	struct device *dev = device(test);
	struct custom_kunit_buffer *buf, gone;
	struct page *page;

	buf = custom_kunit_alloc(test, dev, PAGE_SIZE);
	gone = *buf;
	page = custom_kunit_page(buf, 0);
	get_page(page); /* so that nobody else gets it meanwhile */
	custom_kunit_free(test, buf);
	misuse_free(test, dev, gone.size, gone.cpu_addr, gone.dma_addr);
	KUNIT_EXPECT_EQ(test, 1, page_count(page));
	put_page(page);
}

static void free_on_another_device(struct kunit *test)
{
	struct device *dev = device(test), *other;
	struct custom_kunit_buffer *buf;

	other = custom_kunit_plain_device(test, "other");
	KUNIT_ASSERT_EQ(test, 0, devm_dma_custom_attach(other, NULL));
	buf = custom_kunit_alloc(test, dev, PAGE_SIZE);
	misuse_free(test, other, buf->size, buf->cpu_addr, buf->dma_addr);
	expect_live(test, buf);
}

static void sgtable_is_one_entry(struct kunit *test)
{
	struct custom_kunit_buffer *buf;
	struct sg_table sgt;

	buf = custom_kunit_alloc(test, device(test), 5 * PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, 0,
			dma_get_sgtable(buf->dev, &sgt, buf->cpu_addr,
					buf->dma_addr, buf->size));
	KUNIT_EXPECT_EQ(test, 1, sgt.nents);
	KUNIT_EXPECT_EQ(test, buf->size, sgt.sgl->length);
	KUNIT_EXPECT_PTR_EQ(test, custom_kunit_page(buf, 0),
			    sg_page(sgt.sgl));
	sg_free_table(&sgt);
}

static void sgtable_past_the_end(struct kunit *test)
{
	struct custom_kunit_buffer *buf;
	struct sg_table sgt;

	buf = custom_kunit_alloc(test, device(test), 5 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, -ENXIO,
			dma_get_sgtable(buf->dev, &sgt, buf->cpu_addr,
					buf->dma_addr, buf->size + 1));
}

static void sgtable_of_an_unknown_address(struct kunit *test)
{
	struct custom_kunit_buffer *buf;
	struct sg_table sgt;

	buf = custom_kunit_alloc(test, device(test), 5 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, -ENXIO,
			dma_get_sgtable(buf->dev, &sgt, buf->cpu_addr,
					buf->dma_addr + PAGE_SIZE, PAGE_SIZE));
}

static void alloc_pages_works_too(struct kunit *test)
{
	struct device *dev = device(test);
	dma_addr_t dma_addr;
	struct page *page;

	page = dma_alloc_pages(dev, 2 * PAGE_SIZE, &dma_addr,
			       DMA_BIDIRECTIONAL, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_EXPECT_EQ(test, (u64)page_to_phys(page), (u64)dma_addr);
	dma_free_pages(dev, 2 * PAGE_SIZE, page, dma_addr, DMA_BIDIRECTIONAL);
}

static struct kunit_case custom_buffer_cases[] = {
	KUNIT_CASE_PARAM(alloc_is_zeroed, size_gen_params),
	KUNIT_CASE_PARAM(alloc_pages_have_one_reference_each, size_gen_params),
	KUNIT_CASE_PARAM(alloc_is_aligned_to_its_size, size_gen_params),
	KUNIT_CASE(alloc_bus_address_is_physical),
	KUNIT_CASE(alloc_bus_offset_is_added),
	KUNIT_CASE(alloc_returns_the_tail),
	KUNIT_CASE_PARAM(alloc_refuses_size, refused_size_gen_params),
	KUNIT_CASE(alloc_stays_within_the_mask),
	KUNIT_CASE(alloc_stays_within_the_bus_limit),
	KUNIT_CASE(alloc_fails_where_nothing_is_in_reach),
	KUNIT_CASE(alloc_fails_where_the_offset_is_out_of_reach),
	KUNIT_CASE(failed_alloc_keeps_no_memory),
	KUNIT_CASE(alloc_with_interrupts_off),
	KUNIT_CASE(alloc_without_kernel_mapping),
	KUNIT_CASE(alloc_accepts_gfp_zero),
	KUNIT_CASE(live_buffers_do_not_overlap),
	KUNIT_CASE(free_returns_the_memory),
	KUNIT_CASE(free_leaves_a_pinned_page_alone),
	KUNIT_CASE(free_with_unrounded_size),
	KUNIT_CASE(free_with_wrong_size),
	KUNIT_CASE(free_with_wrong_bus_address),
	KUNIT_CASE(free_with_wrong_cpu_address),
	KUNIT_CASE(free_twice),
	KUNIT_CASE(free_on_another_device),
	KUNIT_CASE(sgtable_is_one_entry),
	KUNIT_CASE(sgtable_past_the_end),
	KUNIT_CASE(sgtable_of_an_unknown_address),
	KUNIT_CASE(alloc_pages_works_too),
	{}
};

static struct kunit_suite custom_buffer_suite = {
	.name = "dma_custom_buffer",
	.test_cases = custom_buffer_cases,
};

kunit_test_suite(custom_buffer_suite);
