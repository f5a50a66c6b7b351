// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the custom DMA ops: coherent buffers.
 */
#include <kunit/device.h>
#include <linux/cma.h>
#include <linux/cpumask.h>
#include <linux/dma-direct.h>
#include <linux/highmem.h>
#include <linux/memblock.h> /* for max_pfn */
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/nodemask.h>
#include <linux/pgtable.h>
#include <linux/scatterlist.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/swiotlb.h>
#include <linux/vmstat.h>

#include "../custom.h"
#include "custom_kunit.h"

/* What a large buffer has to be aligned to. */
#ifdef CONFIG_MMU
#define HUGE_ALIGN	((size_t)PMD_SIZE)
#else
#define HUGE_ALIGN	PAGE_SIZE
#endif

/* The page allocator's largest block. */
#define LARGEST	(PAGE_SIZE << MAX_PAGE_ORDER)

struct buffer_case {
	const char *name;
	size_t size;
	bool noncoherent;
};

static const struct buffer_case buffer_cases[] = {
	{ "1 byte", 1 },
	{ "a page", PAGE_SIZE },
	{ "a page and a byte", PAGE_SIZE + 1 },
	{ "3 pages", 3 * PAGE_SIZE },
	{ "2 MiB less a page", SZ_2M - PAGE_SIZE },
	{ "2 MiB", SZ_2M },
	{ "2 MiB and a page", SZ_2M + PAGE_SIZE },
	{ "4 MiB", SZ_4M },
	{ "4 MiB and a page", SZ_4M + PAGE_SIZE },
	{ "5 MiB", 5 * SZ_1M },
	{ "5 MiB and a page", 5 * SZ_1M + PAGE_SIZE },
#ifdef CUSTOM_KUNIT_NONCOHERENT
	{ "1 byte, not coherent", 1, true },
	{ "a page, not coherent", PAGE_SIZE, true },
	{ "3 pages, not coherent", 3 * PAGE_SIZE, true },
	{ "2 MiB less a page, not coherent", SZ_2M - PAGE_SIZE, true },
	{ "2 MiB, not coherent", SZ_2M, true },
	{ "4 MiB and a page, not coherent", SZ_4M + PAGE_SIZE, true },
	{ "5 MiB and a page, not coherent", 5 * SZ_1M + PAGE_SIZE, true },
#endif
};

KUNIT_ARRAY_PARAM_DESC(buffer, buffer_cases, name);

static const struct buffer_case large_cases[] = {
	{ "64 MiB", SZ_64M },
	{ "256 MiB", SZ_256M },
#ifdef CUSTOM_KUNIT_NONCOHERENT
	{ "64 MiB, not coherent", SZ_64M, true },
	{ "256 MiB, not coherent", SZ_256M, true },
#endif
};

KUNIT_ARRAY_PARAM_DESC(large, large_cases, name);

static const struct buffer_case coherence_cases[] = {
	{ "coherent", 0 },
#ifdef CUSTOM_KUNIT_NONCOHERENT
	{ "not coherent", 0, true },
#endif
};

KUNIT_ARRAY_PARAM_DESC(coherence, coherence_cases, name);

/* Skips the test if nobody could expect that there is a buffer of this size. */
static void needs_large_buffers(struct kunit *test, size_t size)
{
	if (get_order(size) > MAX_PAGE_ORDER &&
	    !IS_ENABLED(CONFIG_CONTIG_ALLOC))
		kunit_skip(test, "needs CONFIG_CONTIG_ALLOC");
	if (size > PAGE_SIZE * (totalram_pages() - totalhigh_pages()) / 3)
		kunit_skip(test, "needs three times as much memory");
}

/* The size that the case is about. */
static size_t size_param(struct kunit *test)
{
	const struct buffer_case *c = test->param_value;

	needs_large_buffers(test, c->size);
	return c->size;
}

/* With the provider attached in the default configuration. */
static struct device *device(struct kunit *test)
{
	return custom_kunit_device(test, NULL);
}

static struct device *device_param(struct kunit *test)
{
	const struct buffer_case *c = test->param_value;

	if (!c->noncoherent)
		return device(test);
	if (IS_ENABLED(CONFIG_ARCH_HAS_DMA_ALLOC))
		kunit_skip(test, "the architecture allocates by itself");
	return custom_kunit_noncoherent_device(test, NULL);
}

/* Free memory in pages, with what per-cpu lists and counters have of it. */
static long free_pages_now(void)
{
	struct zone *zone;
	long nr = 0;
	int cpu;

	for_each_populated_zone(zone) {
		nr += zone_page_state_snapshot(zone, NR_FREE_PAGES);
		for_each_online_cpu(cpu)
			nr += per_cpu_ptr(zone->per_cpu_pageset, cpu)->count;
	}
	return nr;
}

/* What the rest of the kernel may take or give back meanwhile. */
#define TOLERANCE	64L

/* Once what cases before have freed is free, such as by RCU or from a work item. */
static long free_pages_settled(void)
{
	long before, after = free_pages_now();
	int tries = 100;

	do {
		before = after;
		schedule_timeout_uninterruptible(2);
		after = free_pages_now();
	} while (after > before && --tries);
	return after;
}

static void expect_free_pages(struct kunit *test, long before)
{
	long after = free_pages_now();

	KUNIT_EXPECT_GE(test, after, before - TOLERANCE);
	KUNIT_EXPECT_LE(test, after, before + TOLERANCE);
}

static void alloc_is_zeroed(struct kunit *test)
{
	size_t size = PAGE_ALIGN(size_param(test));
	struct device *dev = device_param(test);
	struct custom_kunit_buffer *buf;

	/* Dirty the memory that the second allocation is likely to get. */
	buf = custom_kunit_alloc(test, dev, size);
	memset(buf->cpu_addr, 0xa5, size);
	custom_kunit_free(test, buf);

	buf = custom_kunit_alloc(test, dev, size_param(test));
	KUNIT_EXPECT_NULL(test, memchr_inv(buf->cpu_addr, 0, size));
}

/* Each piece of the size of a huge entry is a folio, the others are single pages. */
static void alloc_folios_have_one_reference_each(struct kunit *test)
{
	struct custom_kunit_buffer *buf;
	size_t off, wrong = 0;

	buf = custom_kunit_alloc(test, device_param(test), size_param(test));
	for (off = 0; off < buf->size; off += PAGE_SIZE) {
		struct page *page = custom_kunit_page(buf, off);
		size_t piece = ALIGN_DOWN(off, HUGE_ALIGN);
		bool large = piece + HUGE_ALIGN <= PAGE_ALIGN(buf->size) &&
			     get_order(HUGE_ALIGN) <= MAX_PAGE_ORDER;

		if (large ? page_folio(page) !=
			    page_folio(custom_kunit_page(buf, piece)) ||
			    folio_size(page_folio(page)) != HUGE_ALIGN :
			    PageCompound(page))
			wrong++;
		if (page_count(page) != 1)
			wrong++;
	}
	KUNIT_EXPECT_EQ(test, 0, wrong);
}

/* As the DMA API promises up to the largest block, and for a huge entry above. */
static void expect_aligned(struct kunit *test, struct custom_kunit_buffer *buf)
{
	unsigned int order = get_order(buf->size);
	size_t align = order > MAX_PAGE_ORDER ? HUGE_ALIGN : PAGE_SIZE << order;

	KUNIT_EXPECT_TRUE_MSG(test, IS_ALIGNED(buf->dma_addr, align),
			      "%pad is not aligned to %#zx", &buf->dma_addr,
			      align);
}

static void alloc_is_aligned(struct kunit *test)
{
	expect_aligned(test, custom_kunit_alloc(test, device_param(test),
						size_param(test)));
}

/* What is written at the kernel address arrives at the DMA address. */
static void alloc_addresses_are_of_the_same_memory(struct kunit *test)
{
	struct custom_kunit_buffer *buf;
	size_t off, wrong = 0;

	buf = custom_kunit_alloc(test, device_param(test), size_param(test));
	for (off = 0; off < buf->size; off += PAGE_SIZE)
		*(size_t *)(buf->cpu_addr + off) = ~off;
	for (off = 0; off < buf->size; off += PAGE_SIZE)
		if (*(size_t *)page_address(custom_kunit_page(buf, off)) !=
		    ~off)
			wrong++;
	KUNIT_EXPECT_EQ(test, 0, wrong);
}

/*
 * A power-of-two tail would be as much as the buffer again, or a third of it
 * with 3 pages; a fourth of it is left for bookkeeping, that of the slab
 * allocator included.  Small buffers are counted by the hundred.
 */
static void alloc_holds_no_more_than_its_pages(struct kunit *test)
{
	size_t size = size_param(test);
	long before, held, count = size < SZ_64K ? 300 : 1, i;
	long pages = count * (PAGE_ALIGN(size) >> PAGE_SHIFT);
	struct device *dev = device_param(test);

	custom_kunit_free(test, custom_kunit_alloc(test, dev, size));
	before = free_pages_settled();
	for (i = 0; i < count; i++)
		custom_kunit_alloc(test, dev, size);
	held = before - free_pages_now();
	KUNIT_EXPECT_GE(test, held, pages - TOLERANCE);
	KUNIT_EXPECT_LE(test, held,
			pages + TOLERANCE + (count > 1 ? pages / 4 : 0));
}

/* A leak of a large buffer, or of a page in each of many small ones, shows. */
static void free_returns_the_memory(struct kunit *test)
{
	long before, count, i;
	size_t size = size_param(test);
	struct device *dev = device_param(test);
	struct custom_kunit_buffer *buf;

	count = size < SZ_64K ? 3 * TOLERANCE : 1;
	buf = kunit_kcalloc(test, count, sizeof(*buf), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, buf);
	custom_kunit_free(test, custom_kunit_alloc(test, dev, size));
	before = free_pages_settled();
	for (i = 0; i < count; i++)
		buf[i].cpu_addr = dma_alloc_attrs(dev, size, &buf[i].dma_addr,
						  GFP_KERNEL, 0);
	for (i = 0; i < count; i++) {
		KUNIT_EXPECT_NOT_NULL(test, buf[i].cpu_addr);
		dma_free_attrs(dev, size, buf[i].cpu_addr, buf[i].dma_addr, 0);
	}
	expect_free_pages(test, before);
}

/* dma-direct has 4 MiB at most, rounds up, and needs a CMA area beyond. */
static void alloc_is_better_than_dma_direct(struct kunit *test)
{
	struct device *plain = custom_kunit_plain_device(test, "plain");
	struct custom_kunit_buffer *buf;
	dma_addr_t dma_addr;

	needs_large_buffers(test, SZ_256M);
	if (dev_get_cma_area(plain) || LARGEST >= SZ_64M)
		kunit_skip(test, "dma-direct has a CMA area or large blocks");
	KUNIT_EXPECT_NULL(test, dma_alloc_attrs(plain, SZ_64M, &dma_addr,
						GFP_KERNEL, DMA_ATTR_NO_WARN));
	buf = custom_kunit_alloc(test, device(test), SZ_64M);
	KUNIT_EXPECT_NOT_NULL(test, buf->cpu_addr);
	buf = custom_kunit_alloc(test, buf->dev, SZ_256M);
	KUNIT_EXPECT_NOT_NULL(test, buf->cpu_addr);
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

/*
 * The last step fails: there is a buffer at that DMA address.  It is where the one
 * before was; the next is likely to be there too, but need not.
 */
static void alloc_survives_a_failure_to_index(struct kunit *test)
{
	size_t size = IS_ENABLED(CONFIG_CONTIG_ALLOC) ? SZ_64M : LARGEST;
	struct device *dev = device_param(test);
	struct dma_custom *dc = dma_custom_of(dev);
	int tries = 10;

	needs_large_buffers(test, size);
	while (tries--) {
		struct dma_custom_buffer taken = { .size = PAGE_SIZE };
		struct custom_kunit_buffer *buf;
		dma_addr_t dma_addr = 42;
		void *cpu_addr;
		long before;

		buf = custom_kunit_alloc(test, dev, size);
		taken.dma_addr = buf->dma_addr;
		custom_kunit_free(test, buf);
		before = free_pages_now();
		KUNIT_ASSERT_TRUE(test, RB_EMPTY_ROOT(&dc->buffers));
		rb_link_node(&taken.node, NULL, &dc->buffers.rb_node);
		rb_insert_color(&taken.node, &dc->buffers);
		cpu_addr = dma_alloc_attrs(dev, size, &dma_addr, GFP_KERNEL, 0);
		rb_erase(&taken.node, &dc->buffers);
		if (!cpu_addr) {
			KUNIT_EXPECT_EQ(test, 42, (u64)dma_addr);
			expect_free_pages(test, before);
			return;
		}
		dma_free_attrs(dev, size, cpu_addr, dma_addr, 0);
	}
	KUNIT_FAIL(test, "the allocation does not fail");
}

struct refused_size {
	const char *name;
	size_t size;
};

static const struct refused_size refused_sizes[] = {
	{ "0", 0 },
	{ "over half of the address space", SIZE_MAX / 2 + 2 },
	{ "all but a page", SIZE_MAX - PAGE_SIZE },
	{ "rounds up to 0", SIZE_MAX - PAGE_SIZE + 2 },
	{ "SIZE_MAX", SIZE_MAX },
};

KUNIT_ARRAY_PARAM_DESC(refused_size, refused_sizes, name);

/* There must be no WARN, although none is asked to be left out. */
static void refuses(struct kunit *test, struct device *dev, size_t size,
		    gfp_t gfp)
{
	dma_addr_t dma_addr = 42;

	kunit_warning_suppress(test) {
		KUNIT_EXPECT_NULL(test, dma_alloc_attrs(dev, size, &dma_addr,
							gfp, 0));
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 0);
	}
	KUNIT_EXPECT_EQ_MSG(test, 42, (u64)dma_addr, "changed on failure");
}

static void alloc_refuses_size(struct kunit *test)
{
	const struct refused_size *refused = test->param_value;

	refuses(test, device(test), refused->size, GFP_KERNEL);
}

static void alloc_refuses_more_than_there_is(struct kunit *test)
{
	struct device *dev = device(test);
	long before = free_pages_settled();

	if (totalram_pages() >= SIZE_MAX >> PAGE_SHIFT)
		kunit_skip(test, "there is more than can be asked for");
	refuses(test, dev, (size_t)(totalram_pages() + 1) << PAGE_SHIFT,
		GFP_KERNEL);
	expect_free_pages(test, before);
}

static void alloc_refuses_a_large_buffer_without_sleeping(struct kunit *test)
{
	refuses(test, device(test), LARGEST + 1, GFP_NOWAIT & ~__GFP_NOWARN);
}

static void alloc_refuses_a_large_buffer_without_contig_alloc(struct kunit *test)
{
	if (IS_ENABLED(CONFIG_CONTIG_ALLOC))
		kunit_skip(test, "there is CONFIG_CONTIG_ALLOC");
	refuses(test, device(test), LARGEST + 1, GFP_KERNEL);
}

struct mask_case {
	const char *name;
	u64 mask;
	unsigned long attrs;
};

static const struct mask_case mask_cases[] = {
	{ "24 bits", DMA_BIT_MASK(24) },
	{ "31 bits", DMA_BIT_MASK(31) },
	{ "32 bits", DMA_BIT_MASK(32) },
	{ "36 bits", DMA_BIT_MASK(36) },
	{ "64 bits", DMA_BIT_MASK(64) },
	{ "24 bits, no kernel mapping", DMA_BIT_MASK(24),
	  DMA_ATTR_NO_KERNEL_MAPPING },
	{ "32 bits, no kernel mapping", DMA_BIT_MASK(32),
	  DMA_ATTR_NO_KERNEL_MAPPING },
	{ "64 bits, no kernel mapping", DMA_BIT_MASK(64),
	  DMA_ATTR_NO_KERNEL_MAPPING },
};

KUNIT_ARRAY_PARAM_DESC(mask, mask_cases, name);

/* False if there was no memory, which may be right. */
static bool alloc_and_check_reach(struct kunit *test, struct device *dev,
				  size_t size, unsigned long attrs, u64 limit,
				  u64 bus_offset)
{
	struct custom_kunit_buffer buf = { .dev = dev };

	attrs |= DMA_ATTR_NO_WARN;
	buf.cpu_addr = dma_alloc_attrs(dev, size, &buf.dma_addr, GFP_KERNEL,
				       attrs);
	if (!buf.cpu_addr)
		return false;
	KUNIT_EXPECT_LE_MSG(test, (u64)buf.dma_addr + PAGE_ALIGN(size) - 1,
			    limit, "size %#zx, offset %#llx", size, bus_offset);
	if (!(attrs & DMA_ATTR_NO_KERNEL_MAPPING))
		KUNIT_EXPECT_EQ(test,
				(u64)virt_to_phys(buf.cpu_addr) + bus_offset,
				(u64)buf.dma_addr);
	dma_free_attrs(dev, size, buf.cpu_addr, buf.dma_addr, attrs);
	return true;
}

/* Of what the device can reach, is there a zone or all of memory? */
static bool reaches_something(u64 phys_limit)
{
	return phys_limit >= ((u64)max_pfn << PAGE_SHIFT) - 1 ||
	       (IS_ENABLED(CONFIG_ZONE_DMA) && phys_limit >= zone_dma_limit) ||
	       (IS_ENABLED(CONFIG_ZONE_DMA32) &&
		phys_limit >= DMA_BIT_MASK(32));
}

/*
 * Whatever the combination of the device's mask, the bus's limit and the bus
 * offset, and whatever the source: nothing is out of reach, and where a zone is
 * within reach, or all memory, something is found.
 */
static void alloc_stays_within_reach(struct kunit *test)
{
	static const size_t sizes[] = {
		3 * PAGE_SIZE, 5 * SZ_1M + PAGE_SIZE,
	};
	static const u64 bus_limits[] = {
		0, DMA_BIT_MASK(30), DMA_BIT_MASK(33),
	};
	static const u64 offsets[] = {
		0, SZ_16M - PAGE_SIZE, SZ_1G,
#ifdef CONFIG_64BIT
		0xf00000000ull,
#endif
	};
	const struct mask_case *c = test->param_value;
	struct device *dev = device(test);
	unsigned int i, j, k;

	dev->coherent_dma_mask = c->mask;
	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		struct dma_custom_config cfg = { .bus_offset = offsets[i] };

		if (offsets[i] && IS_ENABLED(CONFIG_ARCH_HAS_PHYS_TO_DMA))
			break;
		dma_custom_detach(dev);
		KUNIT_ASSERT_EQ(test, 0, dma_custom_attach(dev, &cfg));
		for (j = 0; j < ARRAY_SIZE(bus_limits); j++) {
			u64 limit = min_not_zero(c->mask, bus_limits[j]);
			bool some = false;

			dev->bus_dma_limit = bus_limits[j];
			for (k = 0; k < ARRAY_SIZE(sizes); k++)
				some |= alloc_and_check_reach(test, dev,
							      sizes[k],
							      c->attrs, limit,
							      offsets[i]);
			if (limit < offsets[i])
				KUNIT_EXPECT_FALSE(test, some);
			else if (reaches_something(limit - offsets[i]))
				KUNIT_EXPECT_TRUE_MSG(test, some,
						      "limit %#llx, offset %#llx",
						      limit, offsets[i]);
		}
	}
}

/* Low memory is for those who have no choice. */
static void alloc_prefers_high_addresses(struct kunit *test)
{
	struct custom_kunit_buffer *buf;
	struct device *dev = device(test);

	needs_large_buffers(test, SZ_64M);
	if (max_pfn <= PFN_DOWN(SZ_4G) || IS_ENABLED(CONFIG_HIGHMEM))
		kunit_skip(test, "needs memory above 4 GiB");
	set_dev_node(dev, pfn_to_nid(max_pfn - 1));
	buf = custom_kunit_alloc(test, dev, SZ_2M);
	KUNIT_EXPECT_GE(test, (u64)buf->dma_addr, SZ_4G);
	buf = custom_kunit_alloc(test, dev, SZ_64M);
	KUNIT_EXPECT_GE(test, (u64)buf->dma_addr, SZ_4G);
}

static void alloc_prefers_the_devices_node(struct kunit *test)
{
	struct custom_kunit_buffer *buf;
	struct device *dev = device(test);
	int node;

	needs_large_buffers(test, SZ_64M);
	if (num_node_state(N_MEMORY) < 2)
		kunit_skip(test, "needs two nodes");
	for_each_node_state(node, N_MEMORY) {
		set_dev_node(dev, node);
		buf = custom_kunit_alloc(test, dev, SZ_2M);
		KUNIT_EXPECT_EQ(test, node,
				page_to_nid(custom_kunit_page(buf, 0)));
		buf = custom_kunit_alloc(test, dev, SZ_64M);
		KUNIT_EXPECT_EQ(test, node,
				page_to_nid(custom_kunit_page(buf, 0)));
	}
}

struct hole_case {
	const char *name;
	size_t size;
	u64 shift;
};

static const struct hole_case hole_cases[] = {
	{ "none, but another offset", 0, SZ_1G },
	{ "in memory", SZ_8M, 0 },
	{ "on the bus", SZ_8M, SZ_1G },
};

KUNIT_ARRAY_PARAM_DESC(hole, hole_cases, name);

/*
 * Firmware may describe a bus with holes.  This one goes through the place where
 * the allocator would put the buffer.
 */
static void alloc_does_not_cross_a_hole(struct kunit *test)
{
	const struct hole_case *hole = test->param_value;
	struct device *dev = device(test);
	struct bus_dma_region map[3] = {};
	struct custom_kunit_buffer *buf;
	u64 phys, middle, after, end;
	dma_addr_t dma_addr;
	void *cpu_addr;

	if (IS_ENABLED(CONFIG_ARCH_HAS_PHYS_TO_DMA) || !IS_ENABLED(CONFIG_64BIT))
		kunit_skip(test, "no room for translated DMA addresses");
	needs_large_buffers(test, SZ_64M);
	buf = custom_kunit_alloc(test, dev, SZ_64M);
	middle = buf->dma_addr + SZ_32M;
	after = middle + hole->size;
	custom_kunit_free(test, buf);

	map[0].size = middle;
	map[1].cpu_start = after;
	map[1].dma_start = after + hole->shift;
	map[1].size = SZ_1T;
	dev->dma_range_map = map;
	cpu_addr = dma_alloc_attrs(dev, SZ_64M, &dma_addr, GFP_KERNEL,
				   DMA_ATTR_NO_WARN);
	/* Nor may it be given up, as there is room to both sides of the hole. */
	KUNIT_EXPECT_NOT_NULL(test, cpu_addr);
	if (cpu_addr) {
		phys = virt_to_phys(cpu_addr);
		end = phys + SZ_64M;
		KUNIT_EXPECT_TRUE(test, end <= middle || phys >= after);
		dma_free_attrs(dev, SZ_64M, cpu_addr, dma_addr, 0);
	}
	dev->dma_range_map = NULL;
}

/* Nor need all of memory have a place of its own. */
static void alloc_does_not_overlap_on_the_bus(struct kunit *test)
{
	struct device *dev = device(test);
	struct bus_dma_region map[2] = {};
	struct custom_kunit_buffer *buf;
	dma_addr_t dma_addr;
	void *cpu_addr;
	u64 phys;
	int i;

	if (IS_ENABLED(CONFIG_ARCH_HAS_PHYS_TO_DMA) || !IS_ENABLED(CONFIG_64BIT))
		kunit_skip(test, "no room for translated DMA addresses");
	needs_large_buffers(test, SZ_64M);
	map[0].size = SZ_1T;
	map[0].dma_start = SZ_1T;
	dev->dma_range_map = map;
	buf = custom_kunit_alloc(test, dev, 2 * PAGE_SIZE);
	/* What was freed last is most often what is to be had next. */
	for (i = 0; i < 5; i++) {
		cpu_addr = dma_alloc_coherent(dev, SZ_64M, &dma_addr, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, cpu_addr);
		phys = virt_to_phys(cpu_addr);
		dma_free_coherent(dev, SZ_64M, cpu_addr, dma_addr);

		map[0].dma_start = buf->dma_addr + PAGE_SIZE - phys;
		cpu_addr = dma_alloc_coherent(dev, SZ_64M, &dma_addr, GFP_KERNEL);
		map[0].dma_start = SZ_1T;
		if (!cpu_addr)
			break;
		dma_free_coherent(dev, SZ_64M, cpu_addr, dma_addr);
	}
	KUNIT_EXPECT_LT(test, i, 5);
	custom_kunit_free(test, buf);
	dev->dma_range_map = NULL;
}

static void alloc_fails_where_nothing_is_in_reach(struct kunit *test)
{
	struct device *dev = device(test);
	dma_addr_t dma_addr;

	dev->coherent_dma_mask = DMA_BIT_MASK(8);
	KUNIT_EXPECT_NULL(test, dma_alloc_attrs(dev, PAGE_SIZE, &dma_addr,
						GFP_KERNEL, DMA_ATTR_NO_WARN));
}

static void failed_alloc_keeps_no_memory(struct kunit *test)
{
	struct device *dev = device(test);
	dma_addr_t dma_addr;
	long before, i;

	dev->coherent_dma_mask = DMA_BIT_MASK(8);
	before = free_pages_settled();
	for (i = 0; i < 10; i++) {
		dma_alloc_attrs(dev, LARGEST, &dma_addr, GFP_KERNEL,
				DMA_ATTR_NO_WARN);
		dma_alloc_attrs(dev, SZ_64M, &dma_addr, GFP_KERNEL,
				DMA_ATTR_NO_WARN);
	}
	expect_free_pages(test, before);
}

#if defined(CONFIG_FAILSLAB) && defined(CONFIG_FAIL_PAGE_ALLOC)
/*
 * Each allocation on the way fails once, whichever comes first, second and so
 * on.  Fault injection leaves those alone that may reclaim memory, so that they
 * must not, and dma-debug's own are left out.
 */
static void alloc_survives_each_failure_within(struct kunit *test)
{
	struct device *dev = device(test);
	const struct dma_map_ops *ops = get_dma_ops(dev);
	unsigned int nth, left = 0, failed = 0;
	dma_addr_t dma_addr;
	void *cpu_addr;
	long before;

	before = free_pages_settled();
	for (nth = 1; nth < 100 && !left; nth++) {
		dma_addr = 42;
		current->fail_nth = nth;
		cpu_addr = ops->alloc(dev, 3 * PAGE_SIZE, &dma_addr, GFP_NOWAIT,
				      DMA_ATTR_NO_WARN);
		left = current->fail_nth;
		current->fail_nth = 0;
		if (cpu_addr) {
			ops->free(dev, 3 * PAGE_SIZE, cpu_addr, dma_addr, 0);
			continue;
		}
		KUNIT_EXPECT_EQ(test, 42, (u64)dma_addr);
		failed++;
	}
	KUNIT_EXPECT_GT_MSG(test, left, 0, "no end to the allocations");
	/* On purpose, the bookkeeping and the pages. */
	KUNIT_EXPECT_GE(test, failed, 3);
	expect_free_pages(test, before);
}

/*
 * The first failure would be that of all of it, on purpose, and the third that of
 * the block, unless a debugging aid has an allocation in between.
 *
 * It is not the page allocator that complains, and fault injection does so only
 * where that would: then the run has a stack trace in its log.
 */
static void alloc_of_a_large_block_fails_quietly(struct kunit *test)
{
	struct device *dev = device(test);
	const struct dma_map_ops *ops = get_dma_ops(dev);
	dma_addr_t dma_addr;
	void *cpu_addr;
	int i;

	for (i = 0; i < 5; i++) {
		current->fail_nth = 3;
		cpu_addr = ops->alloc(dev, LARGEST, &dma_addr,
				      GFP_NOWAIT & ~__GFP_NOWARN, 0);
		current->fail_nth = 0;
		if (!cpu_addr)
			return;
		ops->free(dev, LARGEST, cpu_addr, dma_addr, 0);
	}
	KUNIT_FAIL(test, "the allocation does not fail");
}
#else
static void alloc_of_a_large_block_fails_quietly(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_FAILSLAB and CONFIG_FAIL_PAGE_ALLOC");
}

static void alloc_survives_each_failure_within(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_FAILSLAB and CONFIG_FAIL_PAGE_ALLOC");
}
#endif

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

/* For a device that is not coherent, dma-direct has a pool. */
static void alloc_with_interrupts_off_for_a_noncoherent_device(struct kunit *test)
{
	struct device *dev = custom_kunit_noncoherent_device(test, NULL);
	unsigned long flags;
	dma_addr_t dma_addr;
	void *cpu_addr;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "nothing can be allocated with interrupts off");
	local_irq_save(flags);
	cpu_addr = dma_alloc_attrs(dev, PAGE_SIZE + 1, &dma_addr, GFP_ATOMIC,
				   0);
	local_irq_restore(flags);

	KUNIT_ASSERT_NOT_NULL(test, cpu_addr);
	KUNIT_EXPECT_NULL(test, memchr_inv(cpu_addr, 0, 2 * PAGE_SIZE));
	dma_free_attrs(dev, PAGE_SIZE + 1, cpu_addr, dma_addr, 0);
}

struct attrs_case {
	const char *name;
	unsigned long attrs;
};

static const struct attrs_case attrs_cases[] = {
	{ "none", 0 },
	{ "write combine", DMA_ATTR_WRITE_COMBINE },
	{ "no kernel mapping", DMA_ATTR_NO_KERNEL_MAPPING },
	{ "single pages", DMA_ATTR_ALLOC_SINGLE_PAGES },
	{ "force contiguous", DMA_ATTR_FORCE_CONTIGUOUS },
	{ "no warn", DMA_ATTR_NO_WARN },
	{ "privileged", DMA_ATTR_PRIVILEGED },
};

KUNIT_ARRAY_PARAM_DESC(attrs, attrs_cases, name);

/*
 * Zeroed, contiguous and freed without complaint.  Looked at through the pages,
 * as with one of the attributes there is nothing else.
 */
static void check_attrs(struct kunit *test, struct device *dev,
			unsigned long attrs)
{
	size_t size = SZ_2M + PAGE_SIZE, off, wrong = 0;
	struct custom_kunit_buffer *buf;
	struct sg_table sgt;

	buf = custom_kunit_alloc_attrs(test, dev, size, GFP_KERNEL, attrs);
	for (off = 0; off < size; off += PAGE_SIZE) {
		void *addr = kmap_local_page(custom_kunit_page(buf, off));

		if (memchr_inv(addr, 0, PAGE_SIZE))
			wrong++;
		kunmap_local(addr);
	}
	KUNIT_EXPECT_EQ(test, 0, wrong);
	KUNIT_ASSERT_EQ(test, 0,
			dma_get_sgtable_attrs(dev, &sgt, buf->cpu_addr,
					      buf->dma_addr, size, attrs));
	KUNIT_EXPECT_EQ(test, 1, sgt.nents);
	KUNIT_EXPECT_PTR_EQ(test, custom_kunit_page(buf, 0), sg_page(sgt.sgl));
	sg_free_table(&sgt);
	custom_kunit_free(test, buf);
}

static void alloc_with_attrs(struct kunit *test)
{
	const struct attrs_case *c = test->param_value;
	struct device *dev = device(test);

	check_attrs(test, dev, c->attrs);
	custom_kunit_set_coherent(dev, false);
	check_attrs(test, dev, c->attrs);
}

/* Only what is really used without a kernel address may be without one. */
static void alloc_uses_highmem_without_kernel_mapping(struct kunit *test)
{
	struct device *dev = device(test);
	struct custom_kunit_buffer *buf;

	if (!IS_ENABLED(CONFIG_HIGHMEM) || !totalhigh_pages())
		kunit_skip(test, "needs high memory");
	buf = custom_kunit_alloc_attrs(test, dev, SZ_1M, GFP_KERNEL,
				       DMA_ATTR_NO_KERNEL_MAPPING);
	KUNIT_EXPECT_TRUE(test, PageHighMem(custom_kunit_page(buf, 0)));
	buf = custom_kunit_alloc(test, dev, SZ_1M);
	KUNIT_EXPECT_FALSE(test, PageHighMem(custom_kunit_page(buf, 0)));
}

static void noncoherent_kernel_mapping_is_uncached(struct kunit *test)
{
	struct device *dev = custom_kunit_noncoherent_device(test, NULL);
	struct custom_kunit_buffer *buf;

	buf = custom_kunit_alloc(test, dev, SZ_2M + PAGE_SIZE);
	custom_kunit_expect_uncached(test, &init_mm,
				     (unsigned long)buf->cpu_addr, buf->size);
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
	struct custom_kunit_buffer *buf[8];
	unsigned int i, wrong = 0;

	for (i = 0; i < ARRAY_SIZE(buf); i++) {
		buf[i] = custom_kunit_alloc(test, dev, 3 * PAGE_SIZE);
		memset(buf[i]->cpu_addr, i + 1, buf[i]->size);
	}
	for (i = 0; i < ARRAY_SIZE(buf); i++)
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
	/* For what is in no buffer there is no such error. */
	KUNIT_ASSERT_EQ_MSG(test, -ENXIO,
			    dma_get_sgtable(buf->dev, &sgt, buf->cpu_addr,
					    buf->dma_addr, buf->size + 1),
			    "the buffer is gone");
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

/* As of 4 GiB, which is more than there is here. */
static void sgtable_of_several_entries(struct kunit *test)
{
	static const unsigned int lengths[] = { 2, 2, 1 };
	struct custom_kunit_buffer *buf;
	struct dma_custom_buffer *live;
	struct scatterlist *sg;
	struct sg_table sgt;
	size_t off = 0;
	int i;

	buf = custom_kunit_alloc(test, device(test), 5 * PAGE_SIZE);
	live = dma_custom_buffer_find(buf->dev, buf->dma_addr);
	KUNIT_ASSERT_NOT_NULL(test, live);
	KUNIT_ASSERT_EQ(test, 0,
			dma_custom_fill_sgtable(&sgt, live, 0, buf->size,
						2 * PAGE_SIZE, GFP_KERNEL));
	dma_custom_buffer_put(live);
	KUNIT_EXPECT_EQ(test, ARRAY_SIZE(lengths), sgt.orig_nents);
	for_each_sgtable_sg(&sgt, sg, i) {
		KUNIT_EXPECT_EQ(test, lengths[i] * PAGE_SIZE, sg->length);
		KUNIT_EXPECT_PTR_EQ(test, custom_kunit_page(buf, off),
				    sg_page(sg));
		off += sg->length;
	}
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

static void sgtable_of_a_part(struct kunit *test)
{
	struct custom_kunit_buffer *buf;
	struct sg_table sgt;

	buf = custom_kunit_alloc(test, device(test), 5 * PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, 0,
			dma_get_sgtable(buf->dev, &sgt,
					buf->cpu_addr + 2 * PAGE_SIZE,
					buf->dma_addr + 2 * PAGE_SIZE,
					3 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 1, sgt.nents);
	KUNIT_EXPECT_EQ(test, 3 * PAGE_SIZE, sgt.sgl->length);
	KUNIT_EXPECT_PTR_EQ(test, custom_kunit_page(buf, 2 * PAGE_SIZE),
			    sg_page(sgt.sgl));
	sg_free_table(&sgt);
	KUNIT_EXPECT_EQ(test, -ENXIO,
			dma_get_sgtable(buf->dev, &sgt,
					buf->cpu_addr + 2 * PAGE_SIZE,
					buf->dma_addr + 2 * PAGE_SIZE,
					4 * PAGE_SIZE));
}

struct pages_case {
	const char *name;
	size_t size;
};

static const struct pages_case pages_cases[] = {
	{ "a page", PAGE_SIZE },
	{ "3 pages", 3 * PAGE_SIZE },
	{ "5 MiB and a page", 5 * SZ_1M + PAGE_SIZE },
	{ "64 MiB", SZ_64M },
};

KUNIT_ARRAY_PARAM_DESC(pages, pages_cases, name);

static size_t pages_param(struct kunit *test)
{
	const struct pages_case *c = test->param_value;

	needs_large_buffers(test, c->size);
	return c->size;
}

/* dma_alloc_pages(): cached and zeroed, of the exact size, and gone when freed. */
static void pages_of_any_size(struct kunit *test)
{
	size_t size = pages_param(test);
	struct device *dev = device(test);
	dma_addr_t dma_addr;
	struct page *page;
	long before;

	before = free_pages_settled();
	page = dma_alloc_pages(dev, size, &dma_addr, DMA_BIDIRECTIONAL,
			       GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_EXPECT_LE(test, before - free_pages_now(),
			(long)(size >> PAGE_SHIFT) + TOLERANCE);
	KUNIT_EXPECT_EQ(test, (u64)page_to_phys(page), (u64)dma_addr);
	KUNIT_EXPECT_NULL(test, memchr_inv(page_address(page), 0, size));
	dma_free_pages(dev, size, page, dma_addr, DMA_BIDIRECTIONAL);
	expect_free_pages(test, before);
}

static void pages_of_size_0(struct kunit *test)
{
	dma_addr_t dma_addr;

	KUNIT_EXPECT_NULL(test, dma_alloc_pages(device(test), 0, &dma_addr,
						DMA_BIDIRECTIONAL, GFP_KERNEL));
}

static void pages_freed_wrongly(struct kunit *test)
{
	struct device *dev = device(test);
	size_t size = 2 * PAGE_SIZE;
	dma_addr_t dma_addr;
	struct page *page;

	page = dma_alloc_pages(dev, size, &dma_addr, DMA_BIDIRECTIONAL,
			       GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, page);
	kunit_warning_suppress(test) {
		const struct dma_map_ops *ops = get_dma_ops(dev);

		ops->free_pages(dev, PAGE_SIZE, page, dma_addr,
				DMA_BIDIRECTIONAL);
		ops->free_pages(dev, size, page + 1, dma_addr,
				DMA_BIDIRECTIONAL);
		ops->free_pages(dev, size, page, dma_addr + PAGE_SIZE,
				DMA_BIDIRECTIONAL);
		ops->free(dev, size, page_address(page), dma_addr, 0);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 4);
	}
	KUNIT_EXPECT_EQ(test, 1, page_count(page));
	dma_free_pages(dev, size, page, dma_addr, DMA_BIDIRECTIONAL);
}

static void noncontiguous_is_contiguous(struct kunit *test)
{
	struct device_dma_parameters parms = { .max_segment_size = UINT_MAX };
	size_t size = pages_param(test);
	struct device *dev = device(test);
	struct sg_table *sgt;
	long before;
	void *addr;

	dev->dma_parms = &parms;
	before = free_pages_settled();
	sgt = dma_alloc_noncontiguous(dev, size, DMA_BIDIRECTIONAL, GFP_KERNEL,
				      0);
	KUNIT_ASSERT_NOT_NULL(test, sgt);
	KUNIT_EXPECT_EQ(test, 1, sgt->nents);
	KUNIT_EXPECT_EQ(test, size, (size_t)sg_dma_len(sgt->sgl));
	addr = dma_vmap_noncontiguous(dev, size, sgt);
	KUNIT_EXPECT_NOT_NULL(test, addr);
	KUNIT_EXPECT_NULL(test, memchr_inv(addr, 0, size));
	dma_vunmap_noncontiguous(dev, addr);
	dma_free_noncontiguous(dev, size, sgt, DMA_BIDIRECTIONAL);
	dev->dma_parms = NULL;
	expect_free_pages(test, before);
}

static void managed_buffer_goes_with_the_device(struct kunit *test)
{
	struct device *dev = custom_kunit_plain_device(test, "managed");
	dma_addr_t dma_addr;
	long before;

	before = free_pages_settled();
	KUNIT_ASSERT_EQ(test, 0, devm_dma_custom_attach(dev, NULL));
	KUNIT_ASSERT_NOT_NULL(test, dmam_alloc_attrs(dev, SZ_4M - PAGE_SIZE,
						     &dma_addr, GFP_KERNEL, 0));
	KUNIT_EXPECT_GT(test, before - free_pages_now(),
			(long)(SZ_2M >> PAGE_SHIFT));
	kunit_device_unregister(test, dev);
	expect_free_pages(test, before);
}

/* A device that has the default CMA area for its own. */
static struct device *device_with_cma(struct kunit *test)
{
#ifdef CONFIG_DMA_CMA
	struct device *dev = device(test);

	if (!dev_get_cma_area(dev) ||
	    cma_get_size(dev_get_cma_area(dev)) != SZ_64M)
		kunit_skip(test, "needs a CMA area, boot with cma=64M");
	dev->cma_area = dev_get_cma_area(dev);
	return dev;
#else
	kunit_skip(test, "needs CONFIG_DMA_CMA");
#endif
}

static bool in_cma(struct custom_kunit_buffer *buf)
{
	return is_migrate_cma_page(custom_kunit_page(buf, 0)) &&
	       is_migrate_cma_page(custom_kunit_page(buf, buf->size - 1));
}

/* As the default one is, it is the last source. */
static void cma_area_of_the_node_is_used(struct kunit *test)
{
#ifdef CONFIG_DMA_NUMA_CMA
	struct device *dev = device(test);
	struct custom_kunit_buffer *b;
	struct dma_custom_buffer *buf;

	set_dev_node(dev, 0);
	if (!dev_get_numa_cma_area(dev))
		kunit_skip(test, "needs a node with a CMA area, boot with numa_cma=0:16M");
	KUNIT_EXPECT_FALSE(test, in_cma(custom_kunit_alloc(test, dev, SZ_4M)));
	custom_kunit_fragment(test, SZ_64M);
	b = custom_kunit_alloc(test, dev, SZ_4M);
	buf = dma_custom_buffer_find(dev, b->dma_addr);
	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_EXPECT_PTR_EQ(test, dev_get_numa_cma_area(dev), buf->cma);
	dma_custom_buffer_put(buf);
#else
	kunit_skip(test, "needs CONFIG_DMA_NUMA_CMA");
#endif
}

static void cma_area_comes_first(struct kunit *test)
{
	static const size_t sizes[] = {
		1, 3 * PAGE_SIZE, 5 * SZ_1M + PAGE_SIZE, SZ_16M,
	};
	struct device *dev = device_with_cma(test);
	struct custom_kunit_buffer *buf;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		buf = custom_kunit_alloc(test, dev, sizes[i]);
		KUNIT_EXPECT_TRUE(test, in_cma(buf));
		KUNIT_EXPECT_NULL(test, memchr_inv(buf->cpu_addr, 0,
						   PAGE_ALIGN(sizes[i])));
		if (sizes[i] >= HUGE_ALIGN)
			KUNIT_EXPECT_TRUE(test, IS_ALIGNED(buf->dma_addr,
							   HUGE_ALIGN));
	}
}

/* Above CONFIG_CMA_ALIGNMENT, too, which is what dma-direct aligns to. */
static void cma_area_is_aligned(struct kunit *test)
{
	struct device *dev = device_with_cma(test);
	struct custom_kunit_buffer *buf;
	unsigned int i;

	custom_kunit_alloc(test, dev, PAGE_SIZE);
	for (i = 0; i < 3; i++) {
		buf = custom_kunit_alloc(test, dev, LARGEST / 4 * 3);
		KUNIT_EXPECT_TRUE(test, in_cma(buf));
		expect_aligned(test, buf);
	}
}

/* As many as fit, three times over: each has to go back to the area. */
static void cma_area_gets_its_pages_back(struct kunit *test)
{
	size_t size = 5 * SZ_1M + PAGE_SIZE;
	struct device *dev = device_with_cma(test);
	struct custom_kunit_buffer *buf[16];
	unsigned int round, nr, first = 0;

	for (round = 0; round < 3; round++) {
		for (nr = 0; nr < ARRAY_SIZE(buf); nr++) {
			buf[nr] = custom_kunit_alloc(test, dev, size);
			if (!in_cma(buf[nr]))
				break;
		}
		KUNIT_EXPECT_GT(test, nr, 4);
		KUNIT_ASSERT_LT(test, nr, ARRAY_SIZE(buf));
		if (!round)
			first = nr;
		KUNIT_EXPECT_EQ(test, first, nr);
		for (; nr < ARRAY_SIZE(buf); nr--)
			custom_kunit_free(test, buf[nr]);
	}
}

static void cma_area_used_up_is_no_error(struct kunit *test)
{
	struct device *dev = device_with_cma(test);
	struct custom_kunit_buffer *buf;

	needs_large_buffers(test, SZ_256M);
	buf = custom_kunit_alloc(test, dev, SZ_256M);
	KUNIT_EXPECT_FALSE(test, in_cma(buf));
}

static void cma_area_out_of_reach_is_not_used(struct kunit *test)
{
	struct device *dev = device_with_cma(test);
	dma_addr_t dma_addr;
	void *cpu_addr;

	dev->coherent_dma_mask = DMA_BIT_MASK(24);
	cpu_addr = dma_alloc_attrs(dev, PAGE_SIZE, &dma_addr, GFP_KERNEL,
				   DMA_ATTR_NO_WARN);
	if (!cpu_addr)
		return;
	KUNIT_EXPECT_LE(test, (u64)dma_addr, DMA_BIT_MASK(24));
	dma_free_attrs(dev, PAGE_SIZE, cpu_addr, dma_addr, 0);
}

/* Memory that mem= leaves out, for a device to have for itself. */
static unsigned long long spare;
module_param(spare, ullong, 0);
MODULE_PARM_DESC(spare, "physical address of 1 MiB of memory that is not used");

static void release_pool(void *dev)
{
	dma_release_coherent_memory(dev);
}

/* The core serves such a device itself, the provider has to keep out of it. */
static void device_pool_comes_first(struct kunit *test)
{
	struct device *dev = device(test);
	dma_addr_t dma_addr;
	void *cpu_addr;

	if (!IS_ENABLED(CONFIG_DMA_DECLARE_COHERENT) || !spare)
		kunit_skip(test, "needs custom_buffer_kunit.spare=");
	KUNIT_ASSERT_EQ(test, 0, dma_declare_coherent_memory(dev, spare, spare,
							     SZ_1M));
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, release_pool, dev));
	cpu_addr = dma_alloc_attrs(dev, 3 * PAGE_SIZE, &dma_addr, GFP_KERNEL,
				   0);
	KUNIT_ASSERT_NOT_NULL(test, cpu_addr);
	KUNIT_EXPECT_GE(test, (u64)dma_addr, spare);
	KUNIT_EXPECT_LT(test, (u64)dma_addr, spare + SZ_1M);
	KUNIT_EXPECT_NULL(test, memchr_inv(cpu_addr, 0, 3 * PAGE_SIZE));
	dma_free_attrs(dev, 3 * PAGE_SIZE, cpu_addr, dma_addr, 0);
}

#ifdef CONFIG_DMA_RESTRICTED_POOL
/* The bounce buffers, as if they were a restricted pool of the device's own. */
static void restricted_pool_is_the_only_source(struct kunit *test)
{
	struct device *dev = device(test);
	struct io_tlb_mem *normal = dev->dma_io_tlb_mem, *pool;
	dma_addr_t dma_addr;
	void *cpu_addr;

	if (!normal->nslabs)
		kunit_skip(test, "needs swiotlb=force");
	pool = kunit_kzalloc(test, sizeof(*pool), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, pool);
	*pool = *normal;
	pool->for_alloc = true;
	dev->dma_io_tlb_mem = pool;
	cpu_addr = dma_alloc_attrs(dev, 3 * PAGE_SIZE, &dma_addr, GFP_KERNEL,
				   0);
	if (cpu_addr) {
		KUNIT_EXPECT_NOT_NULL(test, swiotlb_find_pool(dev, dma_addr));
		KUNIT_EXPECT_NULL(test, memchr_inv(cpu_addr, 0, 3 * PAGE_SIZE));
		dma_free_attrs(dev, 3 * PAGE_SIZE, cpu_addr, dma_addr, 0);
	}
	KUNIT_EXPECT_NOT_NULL(test, cpu_addr);
	KUNIT_EXPECT_NULL(test, dma_alloc_attrs(dev, SZ_8M, &dma_addr,
						GFP_KERNEL, 0));
	dev->dma_io_tlb_mem = normal;
}
#else
static void restricted_pool_is_the_only_source(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_DMA_RESTRICTED_POOL");
}
#endif

static struct kunit_case custom_large_cases[] = {
	KUNIT_CASE(alloc_is_better_than_dma_direct),
	KUNIT_CASE_PARAM(alloc_is_zeroed, large_gen_params),
	KUNIT_CASE_PARAM(alloc_folios_have_one_reference_each, large_gen_params),
	KUNIT_CASE_PARAM(alloc_is_aligned, large_gen_params),
	KUNIT_CASE_PARAM(alloc_addresses_are_of_the_same_memory,
			 large_gen_params),
	KUNIT_CASE_PARAM(alloc_holds_no_more_than_its_pages, large_gen_params),
	KUNIT_CASE_PARAM(free_returns_the_memory, large_gen_params),
	{}
};

/* Comes first, before what the kernel cannot move is all over a small machine. */
static struct kunit_suite custom_large_suite = {
	.name = "dma_custom_large",
	.test_cases = custom_large_cases,
};

static struct kunit_case custom_buffer_cases[] = {
	KUNIT_CASE_PARAM(alloc_is_zeroed, buffer_gen_params),
	KUNIT_CASE_PARAM(alloc_folios_have_one_reference_each, buffer_gen_params),
	KUNIT_CASE_PARAM(alloc_is_aligned, buffer_gen_params),
	KUNIT_CASE_PARAM(alloc_addresses_are_of_the_same_memory,
			 buffer_gen_params),
	KUNIT_CASE_PARAM(alloc_holds_no_more_than_its_pages, buffer_gen_params),
	KUNIT_CASE_PARAM(free_returns_the_memory, buffer_gen_params),
	KUNIT_CASE(alloc_bus_address_is_physical),
	KUNIT_CASE(alloc_bus_offset_is_added),
	KUNIT_CASE_PARAM(alloc_refuses_size, refused_size_gen_params),
	KUNIT_CASE(alloc_refuses_more_than_there_is),
	KUNIT_CASE(alloc_refuses_a_large_buffer_without_sleeping),
	KUNIT_CASE(alloc_refuses_a_large_buffer_without_contig_alloc),
	KUNIT_CASE_PARAM(alloc_stays_within_reach, mask_gen_params),
	KUNIT_CASE(alloc_prefers_high_addresses),
	KUNIT_CASE(alloc_prefers_the_devices_node),
	KUNIT_CASE_PARAM(alloc_does_not_cross_a_hole, hole_gen_params),
	KUNIT_CASE(alloc_does_not_overlap_on_the_bus),
	KUNIT_CASE(alloc_fails_where_nothing_is_in_reach),
	KUNIT_CASE(failed_alloc_keeps_no_memory),
	KUNIT_CASE(alloc_survives_each_failure_within),
	KUNIT_CASE(alloc_of_a_large_block_fails_quietly),
	KUNIT_CASE_PARAM(alloc_survives_a_failure_to_index, coherence_gen_params),
	KUNIT_CASE(alloc_with_interrupts_off),
	KUNIT_CASE(alloc_with_interrupts_off_for_a_noncoherent_device),
	KUNIT_CASE_PARAM(alloc_with_attrs, attrs_gen_params),
	KUNIT_CASE(alloc_uses_highmem_without_kernel_mapping),
	KUNIT_CASE(noncoherent_kernel_mapping_is_uncached),
	KUNIT_CASE(alloc_accepts_gfp_zero),
	KUNIT_CASE(live_buffers_do_not_overlap),
	KUNIT_CASE(free_leaves_a_pinned_page_alone),
	KUNIT_CASE(free_with_unrounded_size),
	KUNIT_CASE(free_with_wrong_size),
	KUNIT_CASE(free_with_wrong_bus_address),
	KUNIT_CASE(free_with_wrong_cpu_address),
	KUNIT_CASE(free_twice),
	KUNIT_CASE(free_on_another_device),
	KUNIT_CASE(sgtable_is_one_entry),
	KUNIT_CASE(sgtable_of_several_entries),
	KUNIT_CASE(sgtable_past_the_end),
	KUNIT_CASE(sgtable_of_a_part),
	KUNIT_CASE_PARAM(pages_of_any_size, pages_gen_params),
	KUNIT_CASE(pages_of_size_0),
	KUNIT_CASE(pages_freed_wrongly),
	KUNIT_CASE_PARAM(noncontiguous_is_contiguous, pages_gen_params),
	KUNIT_CASE(managed_buffer_goes_with_the_device),
	KUNIT_CASE(cma_area_comes_first),
	KUNIT_CASE_SLOW(cma_area_of_the_node_is_used),
	KUNIT_CASE(cma_area_is_aligned),
	KUNIT_CASE(cma_area_gets_its_pages_back),
	KUNIT_CASE(cma_area_used_up_is_no_error),
	KUNIT_CASE(cma_area_out_of_reach_is_not_used),
	KUNIT_CASE(device_pool_comes_first),
	KUNIT_CASE(restricted_pool_is_the_only_source),
	{}
};

static struct kunit_suite custom_buffer_suite = {
	.name = "dma_custom_buffer",
	.test_cases = custom_buffer_cases,
};

kunit_test_suites(&custom_large_suite, &custom_buffer_suite);
