// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the custom DMA ops: what debugfs shows, read from the real
 * file system.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mman.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "custom_kunit.h"

#define HEADINGS "bus_address size source mode mapped\n"

static char *path_of(struct kunit *test, struct device *dev, const char *name)
{
	char *path = kunit_kzalloc(test, SZ_256, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, path);
	snprintf(path, SZ_256, "dma_custom/%s/%s", dev_name(dev), name);
	return path;
}

static const char *show(struct kunit *test, struct device *dev,
			const char *name)
{
	return custom_kunit_read_file(test, "debugfs",
				      path_of(test, dev, name));
}

static unsigned long stat(struct kunit *test, struct device *dev,
			  const char *name)
{
	const char *line = show(test, dev, "stats");
	size_t len = strlen(name);
	unsigned long val = 0;

	while (strncmp(line, name, len) || line[len] != ' ') {
		line = strchrnul(line, '\n');
		KUNIT_ASSERT_EQ_MSG(test, '\n', *line, "no line %s", name);
		line++;
	}
	KUNIT_ASSERT_EQ(test, 1, sscanf(line + len, " %lu\n", &val));
	return val;
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
	KUNIT_EXPECT_EQ(test, 2, stat(test, dev, "mmap"));
}

static void stats_start_at_zero(struct kunit *test)
{
	struct device *dev = custom_kunit_device(test, NULL);

	KUNIT_EXPECT_STREQ(test, "alloc 0\nalloc_failed 0\nfree 0\nmmap 0\n"
			   "map 0\nmap_failed 0\nunmap 0\n"
			   "map_sg 0\nmap_sg_failed 0\nunmap_sg 0\nsync 0\n",
			   show(test, dev, "stats"));
}

static void stats_count_buffers(struct kunit *test)
{
	struct device *dev = custom_kunit_device(test, NULL);
	dma_addr_t dma_addr;
	struct page *page;

	custom_kunit_free(test, custom_kunit_alloc(test, dev, PAGE_SIZE));
	page = dma_alloc_pages(dev, PAGE_SIZE, &dma_addr, DMA_BIDIRECTIONAL,
			       GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_EXPECT_NULL(test, dma_alloc_attrs(dev, SIZE_MAX / 2, &dma_addr,
						GFP_KERNEL | __GFP_NOWARN, 0));
	KUNIT_EXPECT_EQ(test, 2, stat(test, dev, "alloc"));
	KUNIT_EXPECT_EQ(test, 1, stat(test, dev, "alloc_failed"));
	KUNIT_EXPECT_EQ(test, 1, stat(test, dev, "free"));
	dma_free_pages(dev, PAGE_SIZE, page, dma_addr, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 2, stat(test, dev, "free"));
}

static void stats_count_streaming(struct kunit *test)
{
	struct device *dev = custom_kunit_device(test, NULL);
	void *mem = (void *)kunit_kmalloc(test, 64, GFP_KERNEL);
	struct scatterlist sg;
	dma_addr_t dma_addr;

	KUNIT_ASSERT_NOT_NULL(test, mem);
	dma_addr = dma_map_single(dev, mem, 64, DMA_TO_DEVICE);
	KUNIT_ASSERT_EQ(test, 0, dma_mapping_error(dev, dma_addr));
	dma_sync_single_for_cpu(dev, dma_addr, 64, DMA_TO_DEVICE);
	dma_sync_single_for_device(dev, dma_addr, 64, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, 0, stat(test, dev, "unmap"));
	dma_unmap_single(dev, dma_addr, 64, DMA_TO_DEVICE);

	sg_init_one(&sg, mem, 64);
	KUNIT_ASSERT_EQ(test, 1, dma_map_sg(dev, &sg, 1, DMA_FROM_DEVICE));
	dma_sync_sg_for_cpu(dev, &sg, 1, DMA_FROM_DEVICE);
	dma_sync_sg_for_device(dev, &sg, 1, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, 0, stat(test, dev, "unmap_sg"));
	dma_unmap_sg(dev, &sg, 1, DMA_FROM_DEVICE);

	KUNIT_EXPECT_EQ(test, 1, stat(test, dev, "map"));
	KUNIT_EXPECT_EQ(test, 0, stat(test, dev, "map_failed"));
	KUNIT_EXPECT_EQ(test, 1, stat(test, dev, "unmap"));
	KUNIT_EXPECT_EQ(test, 1, stat(test, dev, "map_sg"));
	KUNIT_EXPECT_EQ(test, 0, stat(test, dev, "map_sg_failed"));
	KUNIT_EXPECT_EQ(test, 1, stat(test, dev, "unmap_sg"));
	KUNIT_EXPECT_EQ(test, 4, stat(test, dev, "sync"));
}

static void stats_count_failed_mappings(struct kunit *test)
{
	struct device *dev = custom_kunit_device(test, NULL);
	struct scatterlist sg;
	void *mem = (void *)kunit_kmalloc(test, 64, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, mem);
	sg_init_one(&sg, mem, 64);
	*dev->dma_mask = DMA_BIT_MASK(8);
	kunit_warning_suppress(test) {
		dma_addr_t dma_addr = dma_map_single(dev, mem, 64,
						     DMA_BIDIRECTIONAL);

		KUNIT_EXPECT_NE(test, 0, dma_mapping_error(dev, dma_addr));
		KUNIT_EXPECT_EQ(test, 0, dma_map_sg(dev, &sg, 1,
						    DMA_BIDIRECTIONAL));
	}
	KUNIT_EXPECT_EQ(test, 1, stat(test, dev, "map_failed"));
	KUNIT_EXPECT_EQ(test, 1, stat(test, dev, "map_sg_failed"));
	KUNIT_EXPECT_EQ(test, 0, stat(test, dev, "map"));
	KUNIT_EXPECT_EQ(test, 0, stat(test, dev, "map_sg"));
}

static void stats_are_each_devices_own(struct kunit *test)
{
	struct device *dev = custom_kunit_device(test, NULL);
	struct device *other = custom_kunit_plain_device(test, "other");

	KUNIT_ASSERT_EQ(test, 0, devm_dma_custom_attach(other, NULL));
	custom_kunit_alloc(test, dev, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, 1, stat(test, dev, "alloc"));
	KUNIT_EXPECT_EQ(test, 0, stat(test, other, "alloc"));
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

static int need_debugfs(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_DEBUG_FS) || !IS_ENABLED(CONFIG_MMU))
		kunit_skip(test, "needs CONFIG_DEBUG_FS and CONFIG_MMU");
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
	KUNIT_CASE(stats_start_at_zero),
	KUNIT_CASE(stats_count_buffers),
	KUNIT_CASE(stats_count_streaming),
	KUNIT_CASE(stats_count_failed_mappings),
	KUNIT_CASE(stats_are_each_devices_own),
	KUNIT_CASE(directory_goes_with_detach),
	{}
};

static struct kunit_suite custom_debugfs_suite = {
	.name = "dma_custom_debugfs",
	.init = need_debugfs,
	.test_cases = custom_debugfs_cases,
};

kunit_test_suite(custom_debugfs_suite);
