// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the custom DMA ops: what debugfs shows, read from the real
 * file system.
 */
#include <kunit/platform_device.h>
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mman.h>
#include <linux/platform_device.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "custom_kunit.h"

#define HEADINGS "dma_address size source mode mapped\n"

static char *path_of(struct kunit *test, struct device *dev, const char *name)
{
	char *path = kunit_kzalloc(test, SZ_256, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, path);
	snprintf(path, SZ_256, "dma_custom/%s:%s/%s", dev_bus_name(dev),
		 dev_name(dev), name);
	return path;
}

static const char *show(struct kunit *test, struct device *dev,
			const char *name)
{
	return custom_kunit_read_file(test, "debugfs",
				      path_of(test, dev, name));
}

static void buffers_starts_with_headings(struct kunit *test)
{
	struct device *dev = custom_kunit_device(test, NULL);

	KUNIT_EXPECT_STREQ(test, HEADINGS, show(test, dev, "buffers"));
}

static void expect_line(struct kunit *test, struct custom_kunit_buffer *buf,
			const char *source, const char *mode,
			unsigned int mapped)
{
	char line[SZ_128];

	snprintf(line, sizeof(line), "\n%pad %zu %s %s %u\n", &buf->dma_addr,
		 (size_t)PAGE_ALIGN(buf->size), source, mode, mapped);
	KUNIT_EXPECT_NOT_NULL_MSG(test,
				  strstr(show(test, buf->dev, "buffers"), line),
				  "no line %s", line + 1);
}

static void buffers_shows_each_live_buffer(struct kunit *test)
{
	struct device *dev = custom_kunit_device(test, NULL);
	struct custom_kunit_buffer *small = custom_kunit_alloc(test, dev, 1);
	struct custom_kunit_buffer *large = custom_kunit_alloc(test, dev,
							       5 * PAGE_SIZE);

	expect_line(test, small, "block", "pages", 0);
	expect_line(test, large, "block", "pages", 0);
	custom_kunit_free(test, small);
	expect_line(test, large, "block", "pages", 0);
	custom_kunit_free(test, large);
	KUNIT_EXPECT_STREQ(test, HEADINGS, show(test, dev, "buffers"));
}

/* More than one read() of the file takes. */
static void buffers_shows_many_buffers(struct kunit *test)
{
	struct device *dev = custom_kunit_device(test, NULL);
	unsigned int nr = PAGE_SIZE / 8, i, lines = 0;
	const char *text;

	for (i = 0; i < nr; i++)
		custom_kunit_alloc(test, dev, PAGE_SIZE);
	text = show(test, dev, "buffers");
	KUNIT_EXPECT_GT(test, strlen(text), 2 * PAGE_SIZE);
	while ((text = strchr(text, '\n'))) {
		text++;
		lines++;
	}
	KUNIT_EXPECT_EQ(test, nr + 1, lines);
}

static void buffers_names_a_range(struct kunit *test)
{
	struct device *dev = custom_kunit_device(test, NULL);

	if (!IS_ENABLED(CONFIG_CONTIG_ALLOC))
		kunit_skip(test, "needs CONFIG_CONTIG_ALLOC");
	expect_line(test,
		    custom_kunit_alloc(test, dev, (PAGE_SIZE << MAX_PAGE_ORDER) +
				       PAGE_SIZE),
		    "range", "pages", 0);
}

static void buffers_names_a_cma_area(struct kunit *test)
{
#ifdef CONFIG_DMA_CMA
	struct device *dev = custom_kunit_device(test, NULL);

	if (!dev_get_cma_area(dev))
		kunit_skip(test, "needs a CMA area, boot with cma=64M");
	dev->cma_area = dev_get_cma_area(dev);
	expect_line(test, custom_kunit_alloc(test, dev, PAGE_SIZE), "cma",
		    "pages", 0);
#else
	kunit_skip(test, "needs CONFIG_DMA_CMA");
#endif
}

static void buffers_names_dma_direct(struct kunit *test)
{
	struct device *dev = custom_kunit_noncoherent_device(test, NULL);

	expect_line(test,
		    custom_kunit_alloc_attrs(test, dev, PAGE_SIZE, GFP_ATOMIC,
					     0),
		    "dma-direct", "pfn", 0);
}

static void buffers_shows_pages(struct kunit *test)
{
	struct device *dev = custom_kunit_device(test, NULL);
	struct custom_kunit_buffer buf = { .dev = dev, .size = PAGE_SIZE };
	struct page *page;

	page = dma_alloc_pages(dev, PAGE_SIZE, &buf.dma_addr, DMA_BIDIRECTIONAL,
			       GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, page);
	expect_line(test, &buf, "block", "pages", 0);
	dma_free_pages(dev, PAGE_SIZE, page, buf.dma_addr, DMA_BIDIRECTIONAL);
}

struct mode_case {
	const char *name;
	struct dma_custom_config cfg;
};

static const struct mode_case mode_cases[] = {
	{ "pages", { .mmap = DMA_CUSTOM_MMAP_PAGES } },
	{ "pfn", { .mmap = DMA_CUSTOM_MMAP_PFN } },
	{ "huge", { .mmap = DMA_CUSTOM_MMAP_HUGE } },
};

KUNIT_ARRAY_PARAM_DESC(mode, mode_cases, name);

static int buffer_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct custom_kunit_buffer *buf = file->private_data;

	return dma_mmap_attrs(buf->dev, vma, buf->cpu_addr, buf->dma_addr,
			      buf->size, 0);
}

static const struct file_operations buffer_fops = { .mmap = buffer_mmap };

static unsigned long map_buffer(struct kunit *test,
				struct custom_kunit_buffer *buf, size_t size)
{
	unsigned long addr;
	struct file *file;

	KUNIT_ASSERT_EQ(test, 0, kunit_attach_mm());
	file = anon_inode_getfile("dma_custom_kunit", &buffer_fops, buf,
				  O_RDWR);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	addr = vm_mmap(file, 0, size, PROT_READ, MAP_SHARED, 0);
	fput(file);
	return addr;
}

static void buffers_counts_mappings(struct kunit *test)
{
	const struct mode_case *mode = test->param_value;
	struct device *dev = custom_kunit_device(test, &mode->cfg);
	struct custom_kunit_buffer *buf = custom_kunit_alloc(test, dev,
							     PAGE_SIZE);

	expect_line(test, buf, "block", mode->name, 0);
	map_buffer(test, buf, PAGE_SIZE);
	map_buffer(test, buf, PAGE_SIZE);
	map_buffer(test, buf, 2 * PAGE_SIZE); /* fails */
	expect_line(test, buf, "block", mode->name, 2);
}

/* A second device of the name, on another bus. */
static void names_have_the_bus(struct kunit *test)
{
	struct device *dev = custom_kunit_device(test, NULL);
	struct platform_device *pdev;

	pdev = kunit_platform_device_alloc(test, dev_name(dev),
					   PLATFORM_DEVID_NONE);
	KUNIT_ASSERT_NOT_NULL(test, pdev);
	KUNIT_ASSERT_EQ(test, 0, kunit_platform_device_add(test, pdev));
	KUNIT_ASSERT_STREQ(test, dev_name(dev), dev_name(&pdev->dev));
	KUNIT_ASSERT_EQ(test, 0, dma_custom_attach(&pdev->dev, NULL));

	expect_line(test, custom_kunit_alloc(test, dev, PAGE_SIZE), "block",
		    "pages", 0);
	KUNIT_EXPECT_STREQ(test, HEADINGS, show(test, &pdev->dev, "buffers"));
	dma_custom_detach(&pdev->dev);
	KUNIT_EXPECT_STRNEQ(test, HEADINGS, show(test, dev, "buffers"));
}

static void directory_goes_with_detach(struct kunit *test)
{
	struct device *dev = custom_kunit_device(test, NULL);
	char *buffers = path_of(test, dev, "buffers");
	struct file *open;

	open = custom_kunit_open_file(test, "debugfs", buffers, O_RDONLY);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, open);
	custom_kunit_detach(test, dev);

	KUNIT_EXPECT_PTR_EQ(test, ERR_PTR(-ENOENT),
			    custom_kunit_open_file(test, "debugfs", buffers,
						   O_RDONLY));
	KUNIT_EXPECT_EQ(test, -EIO, custom_kunit_read(test, open, 1));
}

static int need_mmu(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_MMU))
		kunit_skip(test, "needs CONFIG_MMU");
	return 0;
}

static struct kunit_case custom_debugfs_cases[] = {
	KUNIT_CASE(buffers_starts_with_headings),
	KUNIT_CASE(buffers_shows_each_live_buffer),
	KUNIT_CASE(buffers_shows_many_buffers),
	KUNIT_CASE(buffers_shows_pages),
	KUNIT_CASE(buffers_names_a_range),
	KUNIT_CASE(buffers_names_a_cma_area),
	KUNIT_CASE(buffers_names_dma_direct),
	KUNIT_CASE_PARAM(buffers_counts_mappings, mode_gen_params),
	KUNIT_CASE(names_have_the_bus),
	KUNIT_CASE(directory_goes_with_detach),
	{}
};

static struct kunit_suite custom_debugfs_suite = {
	.name = "dma_custom_debugfs",
	.init = need_mmu,
	.test_cases = custom_debugfs_cases,
};

kunit_test_suite(custom_debugfs_suite);
