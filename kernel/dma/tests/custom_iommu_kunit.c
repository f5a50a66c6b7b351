// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the custom DMA ops: a device behind an IOMMU, which does DMA.  It is
 * the edu card that QEMU has: it copies less than 4 KiB into memory of its own, and
 * back.
 */
#include <linux/delay.h>
#include <linux/highmem.h>
#include <linux/io.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/iommu.h>
#include <linux/iommu-dma.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/sizes.h>
#include <linux/vmstat.h>

#include "../custom.h"
#include "custom_kunit.h"

#define EDU_DMA_SRC	0x80
#define EDU_DMA_DST	0x88
#define EDU_DMA_COUNT	0x90
#define EDU_DMA_CMD	0x98
#define EDU_DMA_RUN	BIT(0)
#define EDU_DMA_TO_RAM	BIT(1)
#define EDU_MEMORY	0x40000
#define EDU_BYTES	SZ_2K

static struct {
	struct pci_dev *pdev;
	void __iomem *regs;
} edu;

static void edu_dma(struct kunit *test, u64 src, u64 dst, u32 count, u32 cmd)
{
	unsigned int tries = 500;

	writeq(src, edu.regs + EDU_DMA_SRC);
	writeq(dst, edu.regs + EDU_DMA_DST);
	writeq(count, edu.regs + EDU_DMA_COUNT);
	writeq(cmd | EDU_DMA_RUN, edu.regs + EDU_DMA_CMD);
	/* It takes its time. */
	while ((readl(edu.regs + EDU_DMA_CMD) & EDU_DMA_RUN) && --tries)
		msleep(20);
	KUNIT_ASSERT_NE_MSG(test, 0, tries, "the device does not finish");
}

static void edu_read(struct kunit *test, dma_addr_t addr, u32 count)
{
	edu_dma(test, addr, EDU_MEMORY, count, 0);
}

static void edu_write(struct kunit *test, dma_addr_t addr, u32 count)
{
	edu_dma(test, EDU_MEMORY, addr, count, EDU_DMA_TO_RAM);
}

static struct device *edu_device(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, 0, dma_set_mask_and_coherent(&edu.pdev->dev,
							   DMA_BIT_MASK(64)));
	/* A table may have entries of any size. */
	dma_set_max_seg_size(&edu.pdev->dev, UINT_MAX);
	return custom_kunit_attach(test, &edu.pdev->dev, NULL);
}

static u32 *word(struct custom_kunit_buffer *buf, size_t off)
{
	return buf->cpu_addr + off;
}

/* The device copies from one end of a buffer to the other. */
static void check_copies(struct kunit *test, struct custom_kunit_buffer *buf)
{
	const size_t last = buf->size - EDU_BYTES;

	*word(buf, 0) = 0x600d;
	*word(buf, EDU_BYTES - 4) = 0xf00d;
	edu_read(test, buf->dma_addr, EDU_BYTES);
	edu_write(test, buf->dma_addr + last, EDU_BYTES);
	KUNIT_EXPECT_EQ(test, 0x600d, *word(buf, last));
	KUNIT_EXPECT_EQ(test, 0xf00d, *word(buf, buf->size - 4));
}

struct size_case {
	const char *name;
	size_t size;
};

static const struct size_case size_cases[] = {
	{ "2 pages", 2 * PAGE_SIZE },
	{ "5 MiB and a page", 5 * SZ_1M + PAGE_SIZE },
	{ "64 MiB", SZ_64M },
};

KUNIT_ARRAY_PARAM_DESC(size, size_cases, name);

static void device_copies(struct kunit *test)
{
	const struct size_case *c = test->param_value;
	struct device *dev = edu_device(test);

	check_copies(test, custom_kunit_alloc(test, dev, c->size));
}

static void device_copies_cached_pages(struct kunit *test)
{
	struct device *dev = edu_device(test);
	dma_addr_t dma_addr;
	struct page *page;
	u32 *mem;

	page = dma_alloc_pages(dev, SZ_2M, &dma_addr, DMA_BIDIRECTIONAL,
			       GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, page);
	mem = page_address(page);
	mem[0] = 0x600d;
	dma_sync_single_for_device(dev, dma_addr, SZ_2M, DMA_BIDIRECTIONAL);
	edu_read(test, dma_addr, EDU_BYTES);
	edu_write(test, dma_addr + SZ_1M, EDU_BYTES);
	dma_sync_single_for_cpu(dev, dma_addr, SZ_2M, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 0x600d, mem[SZ_1M / 4]);
	dma_free_pages(dev, SZ_2M, page, dma_addr, DMA_BIDIRECTIONAL);
}

/* One entry for each piece, for a part of the buffer, too. */
static void check_sgtable(struct kunit *test, struct custom_kunit_buffer *buf,
			  int (*get)(struct device *dev, struct sg_table *sgt,
				     void *cpu_addr, dma_addr_t dma_addr,
				     size_t size, unsigned long attrs),
			  size_t off, size_t size)
{
	struct scatterlist *sg;
	struct sg_table sgt;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, 0,
			get(buf->dev, &sgt, buf->cpu_addr + off,
			    buf->dma_addr + off, size, 0));
	for_each_sgtable_sg(&sgt, sg, i) {
		KUNIT_EXPECT_PTR_EQ(test, custom_kunit_page(buf, off),
				    sg_page(sg));
		off += sg->length;
		size -= sg->length;
	}
	KUNIT_EXPECT_EQ(test, 0, size);
	sg_free_table(&sgt);
}

static const struct size_case piece_cases[] = {
	{ "32 MiB", SZ_32M },
	{ "512 MiB", SZ_512M },
};

KUNIT_ARRAY_PARAM_DESC(piece, piece_cases, name);

static void device_copies_what_is_in_pieces(struct kunit *test)
{
	const struct size_case *c = test->param_value;
	const size_t size = c->size;
	/* Blocks that the kernel can live with are to be left. */
	const size_t left = max(SZ_128M, size / 2);
	struct device *dev = edu_device(test);
	struct dma_custom_buffer *buf;
	struct custom_kunit_buffer *b;
	dma_addr_t dma_addr;

	if (global_zone_page_state(NR_FREE_PAGES) <
	    (size + left + SZ_64M) / PAGE_SIZE)
		kunit_skip(test, "needs more memory");
	custom_kunit_fragment(test, size + left);
	/* More than a CMA area has that there may be. */
	if (size > SZ_64M)
		KUNIT_EXPECT_NULL(test,
				  dma_alloc_attrs(dev, size, &dma_addr, GFP_KERNEL,
						  DMA_ATTR_FORCE_CONTIGUOUS |
						  DMA_ATTR_NO_WARN));
	b = custom_kunit_alloc(test, dev, size);
	check_copies(test, b);
	buf = dma_custom_buffer_find(dev, b->dma_addr);
	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_EXPECT_EQ(test, DMA_CUSTOM_SOURCE_PIECES, buf->source);
	KUNIT_EXPECT_GT(test, buf->nr_pieces, size / SZ_256K);
	dma_custom_buffer_put(buf);
	/* Nothing of it is in the linear mapping's order. */
	*word(b, SZ_4M) = 42;
	edu_read(test, b->dma_addr + SZ_4M, 4);
	edu_write(test, b->dma_addr + SZ_4M + PAGE_SIZE, 4);
	KUNIT_EXPECT_EQ(test, 42, *word(b, SZ_4M + PAGE_SIZE));

	check_sgtable(test, b, dma_get_sgtable_attrs, 0, size);
	check_sgtable(test, b, dma_get_sgtable_attrs, SZ_4M + PAGE_SIZE, SZ_8M);
	/* As for another device, which the provider is not attached to. */
	check_sgtable(test, b, iommu_dma_get_sgtable, 0, size);
}

/* dma_alloc_noncontiguous() is cached, and synced by its user. */
static void check_noncontiguous(struct kunit *test, struct device *dev,
				size_t size, bool pieces)
{
	struct sg_table *sgt;
	u32 *mem;

	sgt = dma_alloc_noncontiguous(dev, size, DMA_BIDIRECTIONAL, GFP_KERNEL,
				      0);
	KUNIT_ASSERT_NOT_NULL(test, sgt);
	KUNIT_EXPECT_EQ(test, 1, sgt->nents);
	KUNIT_EXPECT_EQ(test, size, sg_dma_len(sgt->sgl));
	KUNIT_EXPECT_EQ(test, pieces, sgt->orig_nents > 1);
	mem = dma_vmap_noncontiguous(dev, size, sgt);
	if (mem) {
		KUNIT_EXPECT_EQ(test, 0, mem[0]);
		KUNIT_EXPECT_EQ(test, 0, mem[size / 4 - 1]);
		mem[0] = 0x600d;
		flush_kernel_vmap_range(mem, size);
		dma_sync_sgtable_for_device(dev, sgt, DMA_BIDIRECTIONAL);
		edu_read(test, sg_dma_address(sgt->sgl), EDU_BYTES);
		edu_write(test, sg_dma_address(sgt->sgl) + SZ_4M, EDU_BYTES);
		dma_sync_sgtable_for_cpu(dev, sgt, DMA_BIDIRECTIONAL);
		invalidate_kernel_vmap_range(mem, size);
		KUNIT_EXPECT_EQ(test, 0x600d, mem[SZ_4M / 4]);
		dma_vunmap_noncontiguous(dev, mem);
	}
	KUNIT_EXPECT_NOT_NULL(test, mem);
	dma_free_noncontiguous(dev, size, sgt, DMA_BIDIRECTIONAL);
}

static void device_copies_noncontiguous(struct kunit *test)
{
	struct device *dev = edu_device(test);

	check_noncontiguous(test, dev, SZ_8M, false);
	custom_kunit_fragment(test, SZ_256M);
	check_noncontiguous(test, dev, SZ_64M, true);
}

static void force_contiguous_is_contiguous(struct kunit *test)
{
	struct device *dev = edu_device(test);
	struct dma_custom_buffer *buf;
	struct custom_kunit_buffer *b;

	b = custom_kunit_alloc_attrs(test, dev, SZ_8M, GFP_KERNEL,
				     DMA_ATTR_FORCE_CONTIGUOUS);
	buf = dma_custom_buffer_find(dev, b->dma_addr);
	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_EXPECT_EQ(test, 0, buf->nr_pieces);
	dma_custom_buffer_put(buf);
}

/* Its DMA address may be that of a buffer here, as each domain has its own. */
static void buffer_of_another_device_is_not_ours(struct kunit *test)
{
	struct device *dev = edu_device(test);
	struct custom_kunit_buffer *buf;
	struct sg_table sgt;
	struct page *page;

	buf = custom_kunit_alloc(test, dev, PAGE_SIZE);
	page = alloc_page(GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_EXPECT_EQ(test, 0, dma_get_sgtable(dev, &sgt, page_address(page),
						 buf->dma_addr, PAGE_SIZE));
	KUNIT_EXPECT_PTR_EQ(test, page, sg_page(sgt.sgl));
	sg_free_table(&sgt);
	__free_page(page);
}

/* Nobody is killed for what cannot be. */
static void more_than_there_is_fails_early(struct kunit *test)
{
	struct device *dev = edu_device(test);
	unsigned long before = global_zone_page_state(NR_FREE_PAGES);
	dma_addr_t dma_addr;

	KUNIT_EXPECT_NULL(test, dma_alloc_attrs(dev, 2 * totalram_pages() *
						PAGE_SIZE, &dma_addr, GFP_KERNEL,
						DMA_ATTR_NO_WARN));
	KUNIT_EXPECT_GT(test, global_zone_page_state(NR_FREE_PAGES), before / 2);
}

/* The IOMMU reports a fault. */
static void device_cannot_write_what_it_only_reads(struct kunit *test)
{
	struct device *dev = edu_device(test);
	dma_addr_t dma_addr;
	struct page *page;
	u32 *mem;

	page = dma_alloc_pages(dev, PAGE_SIZE, &dma_addr, DMA_TO_DEVICE,
			       GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, page);
	mem = page_address(page);
	mem[0] = 0x600d;
	dma_sync_single_for_device(dev, dma_addr, PAGE_SIZE, DMA_TO_DEVICE);
	edu_read(test, dma_addr, EDU_BYTES);
	mem[0] = 0xbad;
	edu_write(test, dma_addr, EDU_BYTES);
	KUNIT_EXPECT_EQ(test, 0xbad, mem[0]);
	dma_free_pages(dev, PAGE_SIZE, page, dma_addr, DMA_TO_DEVICE);
}

/* Also where the IOMMU is lazy.  It reports two faults. */
static void device_has_no_access_to_what_was_freed(struct kunit *test)
{
	struct device *dev = edu_device(test);
	struct custom_kunit_buffer *buf;
	dma_addr_t dma_addr;
	struct page *page;
	u32 *mem;

	buf = custom_kunit_alloc(test, dev, PAGE_SIZE);
	*word(buf, 0) = 0x600d;
	dma_addr = buf->dma_addr;
	/* What the device can reach it may have looked up before. */
	edu_read(test, dma_addr, EDU_BYTES);
	page = custom_kunit_page(buf, 0);
	get_page(page);
	custom_kunit_free(test, buf);

	mem = page_address(page);
	mem[0] = 0xbad;
	edu_write(test, dma_addr, EDU_BYTES);
	KUNIT_EXPECT_EQ(test, 0xbad, mem[0]);
	put_page(page);
}

static void streaming_is_dma_iommus(struct kunit *test)
{
	struct device *dev = edu_device(test);
	u32 *mem = (void *)get_zeroed_page(GFP_KERNEL);
	dma_addr_t dma_addr;

	KUNIT_ASSERT_NOT_NULL(test, mem);
	mem[0] = 0x600d;
	dma_addr = dma_map_single(dev, mem, PAGE_SIZE, DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_EQ(test, 0, dma_mapping_error(dev, dma_addr));
	KUNIT_EXPECT_EQ(test, virt_to_phys(mem),
			iommu_iova_to_phys(iommu_get_dma_domain(dev), dma_addr));
	edu_read(test, dma_addr, 4);
	edu_write(test, dma_addr + 4, 4);
	dma_unmap_single(dev, dma_addr, PAGE_SIZE, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 0x600d, mem[1]);
	free_page((unsigned long)mem);
}

static void bus_offset_is_refused(struct kunit *test)
{
	static const struct dma_custom_config cfg = { .bus_offset = SZ_1G };

	KUNIT_EXPECT_EQ(test, -EINVAL,
			dma_custom_attach(&edu.pdev->dev, &cfg));
	KUNIT_EXPECT_NULL(test, get_dma_ops(&edu.pdev->dev));
}

/* The mask is that of coherent memory. */
static void buffers_keep_to_the_coherent_mask(struct kunit *test)
{
	struct device *dev = edu_device(test);
	struct custom_kunit_buffer *buf;

	KUNIT_ASSERT_EQ(test, 0, dma_set_coherent_mask(dev, DMA_BIT_MASK(28)));
	buf = custom_kunit_alloc(test, dev, SZ_1M);
	KUNIT_EXPECT_LE(test, (u64)buf->dma_addr + SZ_1M - 1, DMA_BIT_MASK(28));
}

static int custom_iommu_init(struct kunit *test)
{
	edu.pdev = pci_get_device(0x1234, 0x11e8, NULL);
	if (!edu.pdev)
		kunit_skip(test, "needs QEMU's edu card");
	if (!use_dma_iommu(&edu.pdev->dev)) {
		pci_dev_put(edu.pdev);
		edu.pdev = NULL;
		kunit_skip(test, "needs an IOMMU that translates");
	}
	KUNIT_ASSERT_EQ(test, 0, pci_enable_device(edu.pdev));
	pci_set_master(edu.pdev);
	edu.regs = pci_ioremap_bar(edu.pdev, 0);
	KUNIT_ASSERT_TRUE(test, edu.regs);
	return 0;
}

static void custom_iommu_exit(struct kunit *test)
{
	if (!edu.pdev)
		return;
	iounmap(edu.regs);
	pci_clear_master(edu.pdev);
	pci_disable_device(edu.pdev);
	pci_dev_put(edu.pdev);
	edu.pdev = NULL;
}

static struct kunit_case custom_iommu_cases[] = {
	KUNIT_CASE_PARAM(device_copies, size_gen_params),
	KUNIT_CASE(device_copies_cached_pages),
	KUNIT_CASE_PARAM_ATTR(device_copies_what_is_in_pieces, piece_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	KUNIT_CASE_SLOW(device_copies_noncontiguous),
	KUNIT_CASE(force_contiguous_is_contiguous),
	KUNIT_CASE(buffer_of_another_device_is_not_ours),
	KUNIT_CASE(more_than_there_is_fails_early),
	KUNIT_CASE(device_cannot_write_what_it_only_reads),
	KUNIT_CASE(device_has_no_access_to_what_was_freed),
	KUNIT_CASE(streaming_is_dma_iommus),
	KUNIT_CASE(bus_offset_is_refused),
	KUNIT_CASE(buffers_keep_to_the_coherent_mask),
	{}
};

static struct kunit_suite custom_iommu_suite = {
	.name = "dma_custom_iommu",
	.init = custom_iommu_init,
	.exit = custom_iommu_exit,
	.test_cases = custom_iommu_cases,
};

kunit_test_suite(custom_iommu_suite);
