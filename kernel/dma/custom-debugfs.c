// SPDX-License-Identifier: GPL-2.0
/*
 * Custom DMA ops: what debugfs shows of a device.  In dma_custom/BUS:DEVICE there is
 * buffers, with a line for each live buffer, and what custom-fault.c has.
 */
#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "custom.h"

static struct dentry *dma_custom_root;

static const char * const dma_custom_source_names[] = {
	[DMA_CUSTOM_SOURCE_DIRECT]	= "dma-direct",
	[DMA_CUSTOM_SOURCE_CMA]		= "cma",
	[DMA_CUSTOM_SOURCE_BLOCK]	= "block",
	[DMA_CUSTOM_SOURCE_RANGE]	= "range",
	[DMA_CUSTOM_SOURCE_PIECES]	= "pieces",
};

static const char * const dma_custom_mmap_names[] = {
	[DMA_CUSTOM_MMAP_PAGES]		= "pages",
	[DMA_CUSTOM_MMAP_PFN]		= "pfn",
	[DMA_CUSTOM_MMAP_HUGE]		= "huge",
};

/*
 * A buffer is copied while it cannot go away, so that the reader holds nothing.
 * A position is a DMA page number plus one; zero is the header line.
 */
struct dma_custom_buffers_iter {
	struct dma_custom		*dc;
	struct dma_custom_buffer	buf;
};

static void *dma_custom_buffers_get(struct seq_file *m, loff_t *pos)
{
	struct dma_custom_buffers_iter *iter = m->private;
	struct dma_custom *dc = iter->dc;
	struct dma_custom_buffer *buf, *first = NULL;
	struct rb_node *node;

	guard(spinlock_irq)(&dc->lock);
	for (node = dc->buffers.rb_node; node;) {
		buf = rb_entry(node, struct dma_custom_buffer, node);
		if (buf->dma_addr >> PAGE_SHIFT >= *pos - 1) {
			first = buf;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	if (!first)
		return NULL;
	iter->buf = *first;
	*pos = (first->dma_addr >> PAGE_SHIFT) + 1;
	return &iter->buf;
}

static void *dma_custom_buffers_start(struct seq_file *m, loff_t *pos)
{
	return *pos ? dma_custom_buffers_get(m, pos) : SEQ_START_TOKEN;
}

static void *dma_custom_buffers_next(struct seq_file *m, void *v, loff_t *pos)
{
	++*pos;
	return dma_custom_buffers_get(m, pos);
}

static void dma_custom_buffers_stop(struct seq_file *m, void *v)
{
}

static int dma_custom_buffers_show(struct seq_file *m, void *v)
{
	struct dma_custom_buffers_iter *iter = m->private;
	struct dma_custom_buffer *buf = v;
	enum dma_custom_mmap mode;

	if (v == SEQ_START_TOKEN) {
		seq_puts(m, "dma_address size source mode mapped\n");
		return 0;
	}
	mode = dma_custom_mmap_mode(iter->dc, buf);
	seq_printf(m, "%pad %zu %s %s %d\n", &buf->dma_addr, buf->size,
		   dma_custom_source_names[buf->source],
		   dma_custom_mmap_names[mode], atomic_read(&buf->mapped));
	return 0;
}

static const struct seq_operations dma_custom_buffers_ops = {
	.start	= dma_custom_buffers_start,
	.next	= dma_custom_buffers_next,
	.stop	= dma_custom_buffers_stop,
	.show	= dma_custom_buffers_show,
};

static int dma_custom_buffers_open(struct inode *inode, struct file *file)
{
	struct dma_custom_buffers_iter *iter;

	iter = __seq_open_private(file, &dma_custom_buffers_ops, sizeof(*iter));
	if (!iter)
		return -ENOMEM;
	iter->dc = inode->i_private;
	return 0;
}

static const struct file_operations dma_custom_buffers_fops = {
	.owner		= THIS_MODULE,
	.open		= dma_custom_buffers_open,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= seq_release_private,
};

/* Two devices on different buses may have the same name. */
void dma_custom_debugfs_add(struct dma_custom *dc)
{
	char *name __free(kfree) = kasprintf(GFP_KERNEL, "%s:%s",
					     dev_bus_name(dc->dev),
					     dev_name(dc->dev));

	if (!name || !dma_custom_root)
		return;
	dc->debugfs = debugfs_create_dir(name, dma_custom_root);
	debugfs_create_file("buffers", 0400, dc->debugfs, dc,
			    &dma_custom_buffers_fops);
	dma_custom_faults_debugfs_add(dc, dc->debugfs);
}

/* Waits for those who are reading. */
void dma_custom_debugfs_remove(struct dma_custom *dc)
{
	debugfs_remove(dc->debugfs);
	dc->debugfs = NULL;
}

static int __init dma_custom_debugfs_init(void)
{
	dma_custom_root = debugfs_create_dir("dma_custom", NULL);
	return 0;
}
postcore_initcall(dma_custom_debugfs_init);
