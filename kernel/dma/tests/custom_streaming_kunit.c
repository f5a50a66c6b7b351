// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the custom DMA ops: streaming mappings, masks and sizes.
 * What dma-direct does with them is dma-direct's; these cases show that the
 * calls arrive there, with the bus offset on the device's side only.
 */
#include <linux/dma-direct.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
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

/* Where a DMA address is to be the one of the memory itself. */
static struct device *direct_device_cfg(struct kunit *test,
					const struct dma_custom_config *cfg)
{
	struct device *dev = custom_kunit_device(test, cfg);

	if (is_swiotlb_force_bounce(dev))
		kunit_skip(test, "everything is bounced");
	return dev;
}

static struct device *direct_device(struct kunit *test)
{
	return direct_device_cfg(test, offset_param(test));
}

static void *page_of_memory(struct kunit *test)
{
	void *mem = (void *)kunit_kmalloc(test, 2 * PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, mem);
	return PTR_ALIGN(mem, PAGE_SIZE);
}

static void free_far_memory(void *mem)
{
	__free_pages(virt_to_page(mem), compound_order(virt_to_page(mem)));
}

/* Zeroed, and above 4 GiB if there is such memory: the last node has it. */
static void *far_memory(struct kunit *test, size_t size)
{
	struct page *page;
	int nid, last = 0;

	for_each_node_state(nid, N_MEMORY)
		last = nid;
	page = alloc_pages_node(last, GFP_KERNEL | __GFP_COMP | __GFP_ZERO,
				get_order(size));
	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, free_far_memory,
						  page_address(page)));
	return page_address(page);
}

/* Where there is no memory. */
static phys_addr_t mmio_address(void)
{
	u64 phys;

	for (phys = SZ_2G + SZ_512M; phys < SZ_4G; phys += SZ_256M)
		if (!pfn_valid(PHYS_PFN(phys)))
			return phys;
	return SZ_128M; /* below RAM on arm64's "virt" */
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
	phys_addr_t mmio = mmio_address();
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
 * A device for which @mem, @size bytes, is bounced: with swiotlb=force on the
 * kernel command line everything is, else memory above 4 GiB for a mask of 32
 * bits.  What the device sees, @bounce, and what the CPU sees, @mem, are then two
 * things that only mapping, syncing and unmapping make equal.
 */
static struct device *
bouncing_device_cfg(struct kunit *test, const struct dma_custom_config *cfg,
		    size_t size, u32 **mem)
{
	struct device *dev = custom_kunit_device(test, cfg);

	if (!IS_ENABLED(CONFIG_SWIOTLB))
		kunit_skip(test, "needs CONFIG_SWIOTLB");
	*mem = far_memory(test, size);
	if (!is_swiotlb_force_bounce(dev)) {
		if (!is_swiotlb_active(dev) || virt_to_phys(*mem) < SZ_4G)
			kunit_skip(test, "needs memory above 4 GiB, or swiotlb=force");
		KUNIT_ASSERT_EQ(test, 0, dma_set_mask(dev, DMA_BIT_MASK(32)));
	}
	return dev;
}

static struct device *bouncing_device(struct kunit *test, size_t size,
				      u32 **mem)
{
	return bouncing_device_cfg(test, NULL, size, mem);
}

static u32 *bounce_of(struct kunit *test, struct device *dev,
		      dma_addr_t dma_addr, u32 *mem)
{
	u32 *bounce = phys_to_virt(dma_to_phys(dev, dma_addr));

	KUNIT_EXPECT_LE(test, (u64)dma_addr, dma_get_mask(dev));
	KUNIT_ASSERT_PTR_NE(test, mem, bounce);
	return bounce;
}

static dma_addr_t map(struct kunit *test, struct device *dev, void *mem,
		      size_t size, enum dma_data_direction dir,
		      unsigned long attrs)
{
	dma_addr_t dma_addr = dma_map_single_attrs(dev, mem, size, dir, attrs);

	KUNIT_ASSERT_EQ(test, 0, dma_mapping_error(dev, dma_addr));
	return dma_addr;
}

static void sync_single_moves_bounced_data(struct kunit *test)
{
	u32 *mem, *bounce;
	struct device *dev = bouncing_device_cfg(test, offset_param(test), 64,
						 &mem);
	dma_addr_t dma_addr;

	mem[0] = 1;
	dma_addr = map(test, dev, mem, 64, DMA_BIDIRECTIONAL, 0);
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
	u32 *mem, *bounce;
	struct device *dev = bouncing_device_cfg(test, offset_param(test), 64,
						 &mem);
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

/* A part of the mapping, and no more than that. */
static void sync_of_a_part_moves_that_part(struct kunit *test)
{
	u32 *mem, *bounce;
	struct device *dev = bouncing_device(test, 64, &mem);
	dma_addr_t dma_addr;

	dma_addr = map(test, dev, mem, 64, DMA_FROM_DEVICE, 0);
	bounce = bounce_of(test, dev, dma_addr, mem);
	memset(bounce, 0x55, 64);
	dma_sync_single_range_for_cpu(dev, dma_addr, 4, 4, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, 0, mem[0]);
	KUNIT_EXPECT_EQ(test, 0x55555555, mem[1]);
	KUNIT_EXPECT_EQ(test, 0, mem[2]);
	dma_unmap_single(dev, dma_addr, 64, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, 0x55555555, mem[15]);
}

static void to_device_is_not_written_back(struct kunit *test)
{
	u32 *mem, *bounce;
	struct device *dev = bouncing_device(test, 64, &mem);
	dma_addr_t dma_addr;

	mem[0] = 1;
	dma_addr = map(test, dev, mem, 64, DMA_TO_DEVICE, 0);
	bounce = bounce_of(test, dev, dma_addr, mem);
	KUNIT_EXPECT_EQ(test, 1, bounce[0]);
	bounce[0] = 2;
	dma_sync_single_for_cpu(dev, dma_addr, 64, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, 1, mem[0]);
	dma_unmap_single(dev, dma_addr, 64, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, 1, mem[0]);
}

/* More than the pool has: 64 MiB at most, unless somebody asked for more. */
#define MAPPINGS	(SZ_64M / SZ_256K + 1)

/* Maps memory until no slot is left, or MAPPINGS times, and says how often. */
static unsigned int fill_pool(struct kunit *test, struct device *dev, void *mem,
			      size_t size, dma_addr_t **addrs)
{
	dma_addr_t *addr;
	unsigned int nr;

	addr = kunit_kcalloc(test, MAPPINGS, sizeof(*addr), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, addr);
	for (nr = 0; nr < MAPPINGS; nr++) {
		addr[nr] = dma_map_single_attrs(dev, mem, size, DMA_TO_DEVICE,
						DMA_ATTR_NO_WARN);
		if (dma_mapping_error(dev, addr[nr]))
			break;
	}
	*addrs = addr;
	return nr;
}

/*
 * What a slot held for somebody else shows up neither on the device's side nor,
 * when the device writes less than was mapped, on the CPU's.
 */
static void from_device_shows_nothing_stale(struct kunit *test)
{
	u32 *mem, *bounce;
	struct device *dev = bouncing_device(test, SZ_256K, &mem);
	size_t size = dma_max_mapping_size(dev);
	unsigned int i, nr, stale = 0;
	dma_addr_t *addr;

	/* Every slot of the pool gets to know the secret. */
	memset(mem, 0x5e, size);
	nr = fill_pool(test, dev, mem, size, &addr);
	for (i = 0; i < nr; i++)
		dma_unmap_single(dev, addr[i], size, DMA_TO_DEVICE);

	memset(mem, 0x11, size);
	for (i = 0; i < 16; i++) {
		addr[0] = map(test, dev, mem, size, DMA_FROM_DEVICE, 0);
		bounce = bounce_of(test, dev, addr[0], mem);
		if (memchr_inv(bounce, 0x11, size))
			stale++;
		dma_unmap_single(dev, addr[0], size, DMA_FROM_DEVICE);
		if (memchr_inv(mem, 0x11, size))
			stale++;
	}
	KUNIT_EXPECT_EQ(test, 0, stale);
}

struct size_case {
	const char *name;
	size_t size;
};

/* A slot has 2 KiB, and up to 128 of them are one mapping. */
static const struct size_case size_cases[] = {
	{ "1 byte", 1 },
	{ "a slot", SZ_2K },
	{ "a slot and a byte", SZ_2K + 1 },
	{ "64 KiB", SZ_64K },
	{ "as much as fits", SZ_256K },
};

KUNIT_ARRAY_PARAM_DESC(size, size_cases, name);

static void bounced_data_arrives_whole(struct kunit *test)
{
	const struct size_case *param = test->param_value;
	size_t size = param->size, i;
	u32 *mem, *bounce;
	struct device *dev = bouncing_device(test, size, &mem);
	u8 *bytes = (u8 *)mem, *device_bytes;
	unsigned int wrong = 0;
	dma_addr_t dma_addr;

	for (i = 0; i < size; i++)
		bytes[i] = i % 251;
	dma_addr = map(test, dev, mem, size, DMA_BIDIRECTIONAL, 0);
	bounce = bounce_of(test, dev, dma_addr, mem);
	device_bytes = (u8 *)bounce;
	for (i = 0; i < size; i++) {
		if (device_bytes[i] != i % 251)
			wrong++;
		device_bytes[i] = i % 241;
	}
	dma_unmap_single(dev, dma_addr, size, DMA_BIDIRECTIONAL);
	for (i = 0; i < size; i++)
		if (bytes[i] != i % 241)
			wrong++;
	KUNIT_EXPECT_EQ(test, 0, wrong);
}

static void bounced_mapping_has_a_largest_size(struct kunit *test)
{
	u32 *mem;
	struct device *dev = bouncing_device(test, SZ_512K, &mem);
	size_t max = dma_max_mapping_size(dev);
	dma_addr_t dma_addr;

	KUNIT_EXPECT_EQ(test, SZ_256K, max);
	KUNIT_EXPECT_EQ(test, max, dma_opt_mapping_size(dev));
	dma_addr = dma_map_single_attrs(dev, mem, max + 1, DMA_TO_DEVICE,
					DMA_ATTR_NO_WARN);
	KUNIT_EXPECT_EQ(test, -ENOMEM, dma_mapping_error(dev, dma_addr));
	dma_unmap_single(dev, map(test, dev, mem, max, DMA_TO_DEVICE, 0), max,
			 DMA_TO_DEVICE);
}

static void exhaustion_is_an_error_that_passes(struct kunit *test)
{
	u32 *mem;
	struct device *dev = bouncing_device(test, SZ_256K, &mem);
	unsigned int nr, i;
	dma_addr_t *addr;

	if (IS_ENABLED(CONFIG_SWIOTLB_DYNAMIC))
		kunit_skip(test, "the pool grows");
	nr = fill_pool(test, dev, mem, SZ_256K, &addr);
	KUNIT_EXPECT_GT(test, nr, 1);

	/* As soon as one is given back, there is room for one. */
	if (nr) {
		dma_unmap_single(dev, addr[0], SZ_256K, DMA_TO_DEVICE);
		addr[0] = dma_map_single(dev, mem, SZ_256K, DMA_TO_DEVICE);
		KUNIT_EXPECT_EQ(test, 0, dma_mapping_error(dev, addr[0]));
	}
	for (i = 0; i < nr; i++)
		dma_unmap_single(dev, addr[i], SZ_256K, DMA_TO_DEVICE);
	if (nr == MAPPINGS)
		kunit_skip(test, "the pool is larger than by default");
}

/* An entry that cannot be mapped takes those before it along. */
static void failed_map_sg_keeps_no_slots(struct kunit *test)
{
	u32 *mem;
	struct device *dev = bouncing_device(test, SZ_1M, &mem);
	struct scatterlist sg[2];
	unsigned int i;

	sg_init_table(sg, 2);
	sg_set_buf(&sg[0], mem, SZ_64K);
	sg_set_buf(&sg[1], mem + SZ_64K / sizeof(*mem), SZ_512K);
	for (i = 0; i < MAPPINGS * (SZ_256K / SZ_64K); i++)
		KUNIT_ASSERT_EQ(test, 0,
				dma_map_sg_attrs(dev, sg, 2, DMA_TO_DEVICE,
						 DMA_ATTR_NO_WARN));
	KUNIT_ASSERT_EQ(test, 1, dma_map_sg(dev, sg, 1, DMA_TO_DEVICE));
	dma_unmap_sg(dev, sg, 1, DMA_TO_DEVICE);
}

/*
 * Bounce buffers are not as low as an ISA-like device needs them, so what it
 * cannot reach is an error, and what it can is mapped as it is.
 */
static void mask_of_24_bits_reaches_low_memory_only(struct kunit *test)
{
	struct device *dev = custom_kunit_device(test, NULL);
	dma_addr_t dma_addr;
	struct page *page;

	if (!IS_ENABLED(CONFIG_X86) || !IS_ENABLED(CONFIG_ZONE_DMA) ||
	    is_swiotlb_force_bounce(dev))
		kunit_skip(test, "needs x86's ZONE_DMA, and no swiotlb=force");
	KUNIT_ASSERT_EQ(test, 0, dma_set_mask(dev, DMA_BIT_MASK(24)));

	page = alloc_page(GFP_KERNEL | GFP_DMA | __GFP_ZERO);
	KUNIT_ASSERT_NOT_NULL(test, page);
	dma_addr = dma_map_page(dev, page, 0, PAGE_SIZE, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, 0, dma_mapping_error(dev, dma_addr));
	KUNIT_EXPECT_EQ(test, page_to_phys(page), (phys_addr_t)dma_addr);
	if (!dma_mapping_error(dev, dma_addr))
		dma_unmap_page(dev, dma_addr, PAGE_SIZE, DMA_TO_DEVICE);
	__free_page(page);

	/* dma-direct warns of it, the first time in the life of a kernel */
	kunit_warning_suppress(test) {
		dma_addr = dma_map_single(dev, far_memory(test, PAGE_SIZE),
					  PAGE_SIZE, DMA_TO_DEVICE);
		KUNIT_EXPECT_EQ(test, -ENOMEM,
				dma_mapping_error(dev, dma_addr));
	}
}

static void unmap_can_skip_the_sync(struct kunit *test)
{
	u32 *mem, *bounce;
	struct device *dev = bouncing_device(test, 64, &mem);
	dma_addr_t dma_addr;

	mem[0] = 1;
	dma_addr = map(test, dev, mem, 64, DMA_FROM_DEVICE,
		       DMA_ATTR_SKIP_CPU_SYNC);
	bounce = bounce_of(test, dev, dma_addr, mem);
	bounce[0] = 2;
	dma_unmap_single_attrs(dev, dma_addr, 64, DMA_FROM_DEVICE,
			       DMA_ATTR_SKIP_CPU_SYNC);
	KUNIT_EXPECT_EQ(test, 1, mem[0]);
}

static void coherence_that_is_required_forbids_bouncing(struct kunit *test)
{
	u32 *mem;
	struct device *dev = bouncing_device(test, 64, &mem);

	/* dma-direct warns of it, the first time in the life of a kernel */
	kunit_warning_suppress(test) {
		dma_addr_t dma_addr;

		dma_addr = dma_map_single_attrs(dev, mem, 64, DMA_TO_DEVICE,
						DMA_ATTR_REQUIRE_COHERENT);
		KUNIT_EXPECT_EQ(test, -ENOMEM,
				dma_mapping_error(dev, dma_addr));
	}
}

/* Whoever bounces all else cannot bounce this. */
static void mmio_is_not_bounced(struct kunit *test)
{
	u32 *mem;
	struct device *dev = bouncing_device(test, 64, &mem);
	phys_addr_t mmio = mmio_address();
	dma_addr_t dma_addr;

	dma_addr = dma_map_resource(dev, mmio, 64, DMA_BIDIRECTIONAL, 0);
	if (is_swiotlb_force_bounce(dev)) {
		KUNIT_EXPECT_EQ(test, -ENOMEM,
				dma_mapping_error(dev, dma_addr));
		return;
	}
	KUNIT_ASSERT_EQ(test, 0, dma_mapping_error(dev, dma_addr));
	KUNIT_EXPECT_EQ(test, (u64)mmio, (u64)dma_addr);
	dma_unmap_resource(dev, dma_addr, 64, DMA_BIDIRECTIONAL, 0);
}

/* Attributes that the core answers for. */

static void coherence_that_is_required_and_there(struct kunit *test)
{
	struct device *dev = direct_device_cfg(test, NULL);
	void *mem = page_of_memory(test);
	dma_addr_t dma_addr;

	dma_addr = map(test, dev, mem, 64, DMA_TO_DEVICE,
		       DMA_ATTR_REQUIRE_COHERENT);
	KUNIT_EXPECT_EQ(test, virt_to_phys(mem), (u64)dma_addr);
	dma_unmap_single_attrs(dev, dma_addr, 64, DMA_TO_DEVICE,
			       DMA_ATTR_REQUIRE_COHERENT);
}

static void coherence_that_is_required_and_not_there(struct kunit *test)
{
	struct device *dev = custom_kunit_noncoherent_device(test, NULL);
	dma_addr_t dma_addr;

	dma_addr = dma_map_single_attrs(dev, page_of_memory(test), 64,
					DMA_TO_DEVICE,
					DMA_ATTR_REQUIRE_COHERENT);
	KUNIT_EXPECT_EQ(test, -ENOMEM, dma_mapping_error(dev, dma_addr));
}

/* For devices without DMA ops only, as of v7.3. */
static void shared_memory_is_refused(struct kunit *test)
{
	struct device *dev = custom_kunit_device(test, NULL);
	dma_addr_t dma_addr;

	dma_addr = dma_map_single_attrs(dev, page_of_memory(test), 64,
					DMA_TO_DEVICE, DMA_ATTR_CC_SHARED);
	KUNIT_EXPECT_EQ(test, -ENOMEM, dma_mapping_error(dev, dma_addr));
}

static void map_out_of_reach_is_an_error(struct kunit *test)
{
	struct device *dev = custom_kunit_device(test, NULL);
	dma_addr_t dma_addr;

	*dev->dma_mask = DMA_BIT_MASK(8);
	/* dma-direct warns of it, the first time in the life of a kernel */
	kunit_warning_suppress(test) {
		dma_addr = dma_map_resource(dev, mmio_address(), PAGE_SIZE,
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
		kunit_skip(test, "RAM fills the DMA address space");
	KUNIT_EXPECT_EQ(test, 2 * mask + 1,
			dma_get_required_mask(custom_kunit_device(test, &cfg)));
}

static void mapping_sizes_are_dma_directs(struct kunit *test)
{
	struct device *plain = custom_kunit_plain_device(test, "plain");
	struct device *dev = custom_kunit_device(test, NULL);

	KUNIT_EXPECT_EQ(test, dma_max_mapping_size(plain),
			dma_max_mapping_size(dev));
	KUNIT_EXPECT_EQ(test, dma_opt_mapping_size(plain),
			dma_opt_mapping_size(dev));
}

/* Neither does dma-direct merge anything. */
static void nothing_is_merged(struct kunit *test)
{
	struct device *dev = custom_kunit_device(test, NULL);

	KUNIT_EXPECT_EQ(test, 0, dma_get_merge_boundary(dev));
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
	KUNIT_CASE(sync_of_a_part_moves_that_part),
	KUNIT_CASE(to_device_is_not_written_back),
	KUNIT_CASE(from_device_shows_nothing_stale),
	KUNIT_CASE_PARAM(bounced_data_arrives_whole, size_gen_params),
	KUNIT_CASE(bounced_mapping_has_a_largest_size),
	KUNIT_CASE(exhaustion_is_an_error_that_passes),
	KUNIT_CASE(failed_map_sg_keeps_no_slots),
	KUNIT_CASE(mask_of_24_bits_reaches_low_memory_only),
	KUNIT_CASE(unmap_can_skip_the_sync),
	KUNIT_CASE(coherence_that_is_required_forbids_bouncing),
	KUNIT_CASE(mmio_is_not_bounced),
	KUNIT_CASE(coherence_that_is_required_and_there),
	KUNIT_CASE(coherence_that_is_required_and_not_there),
	KUNIT_CASE(shared_memory_is_refused),
	KUNIT_CASE(map_out_of_reach_is_an_error),
	KUNIT_CASE(unsupported_mask_is_refused),
	KUNIT_CASE(supported_mask_is_set),
	KUNIT_CASE(required_mask_is_dma_directs),
	KUNIT_CASE(required_mask_covers_the_offset),
	KUNIT_CASE(mapping_sizes_are_dma_directs),
	KUNIT_CASE(nothing_is_merged),
	{}
};

static struct kunit_suite custom_streaming_suite = {
	.name = "dma_custom_streaming",
	.test_cases = custom_streaming_cases,
};

kunit_test_suite(custom_streaming_suite);
