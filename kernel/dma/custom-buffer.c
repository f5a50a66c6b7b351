// SPDX-License-Identifier: GPL-2.0
/*
 * Custom DMA ops: the buffers of a device, which are found by their DMA address.
 */
#include <linux/iommu-dma.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "custom.h"
#include "direct.h"

void dma_custom_buffers_init(struct dma_custom *dc)
{
	spin_lock_init(&dc->lock);
	dc->buffers = RB_ROOT;
}

/* Whoever frees the last one is done with @dc when this is false. */
bool dma_custom_has_buffers(struct dma_custom *dc)
{
	guard(spinlock_irqsave)(&dc->lock);
	return !RB_EMPTY_ROOT(&dc->buffers);
}

struct dma_custom_buffer *dma_custom_buffer_create(struct device *dev,
						   size_t size, gfp_t gfp)
{
	struct dma_custom_buffer *buf = kzalloc_obj(*buf, gfp);

	if (buf) {
		kref_init(&buf->ref);
		buf->size = size;
		buf->iommu = use_dma_iommu(dev);
	}
	return buf;
}

static void dma_custom_buffer_release(struct kref *ref)
{
	struct dma_custom_buffer *buf = container_of(ref,
						     struct dma_custom_buffer,
						     ref);

	if (buf->leaked)
		kvfree(buf->pieces);
	else
		dma_custom_pages_free(buf);
	kfree(buf);
}

/* With the last reference the pages go back.  The device may be gone by then. */
void dma_custom_buffer_put(struct dma_custom_buffer *buf)
{
	kref_put(&buf->ref, dma_custom_buffer_release);
}

/* Forgets all live buffers without freeing their memory; returns how many. */
unsigned long dma_custom_buffers_leak(struct dma_custom *dc)
{
	struct dma_custom_buffer *buf, *next;
	unsigned long nr = 0;

	rbtree_postorder_for_each_entry_safe(buf, next, &dc->buffers, node) {
		buf->leaked = true;
		dma_custom_buffer_put(buf);
		nr++;
	}
	dc->buffers = RB_ROOT;
	return nr;
}

static int dma_custom_buffer_cmp(struct rb_node *node,
				 const struct rb_node *parent)
{
	const struct dma_custom_buffer *a, *b;

	a = rb_entry(node, struct dma_custom_buffer, node);
	b = rb_entry(parent, struct dma_custom_buffer, node);
	if (a->dma_addr < b->dma_addr)
		return b->dma_addr - a->dma_addr < a->size ? 0 : -1;
	return a->dma_addr - b->dma_addr < b->size ? 0 : 1;
}

/*
 * False if a part of it is at the address of another one: firmware has described a
 * bus on which two ranges of memory are in the same place.
 */
bool dma_custom_buffer_add(struct dma_custom *dc, struct dma_custom_buffer *buf)
{
	/* GFP_ATOMIC allocations may come with interrupts off. */
	guard(spinlock_irqsave)(&dc->lock);
	return !rb_find_add(&buf->node, &dc->buffers, dma_custom_buffer_cmp);
}

/* The live buffer that @dma_addr is in.  They do not overlap. */
static struct dma_custom_buffer *dma_custom_buffer_at(struct dma_custom *dc,
						      dma_addr_t dma_addr)
{
	struct rb_node *node = dc->buffers.rb_node;

	while (node) {
		struct dma_custom_buffer *buf = rb_entry(node, typeof(*buf),
							 node);

		if (dma_addr < buf->dma_addr)
			node = node->rb_left;
		else if (dma_addr - buf->dma_addr >= buf->size)
			node = node->rb_right;
		else
			return buf;
	}
	return NULL;
}

/*
 * The live buffer that @dma_addr is in, with a reference, or NULL: then it is no
 * buffer, and drivers expect what dma-direct would do.
 */
struct dma_custom_buffer *dma_custom_buffer_find(struct device *dev,
						 dma_addr_t dma_addr)
{
	struct dma_custom *dc = dma_custom_of(dev);
	struct dma_custom_buffer *buf;

	if (!dc)
		return NULL;
	guard(spinlock_irqsave)(&dc->lock);
	buf = dma_custom_buffer_at(dc, dma_addr);
	if (buf)
		kref_get(&buf->ref);
	return buf;
}

/*
 * The same for what a driver calls a buffer.  Behind an IOMMU another device may have
 * one at the same address, and the driver may mean that.
 */
struct dma_custom_buffer *dma_custom_buffer_find_addr(struct device *dev,
						      void *cpu_addr,
						      dma_addr_t dma_addr)
{
	struct dma_custom_buffer *buf = dma_custom_buffer_find(dev, dma_addr);

	if (!buf || !use_dma_iommu(dev) || cpu_addr == buf->cpu_addr ||
	    (buf->cpu_addr != buf->page &&
	     cpu_addr - buf->cpu_addr < buf->size))
		return buf;
	dma_custom_buffer_put(buf);
	return NULL;
}

/*
 * The live buffer that has the page, with a reference, or NULL, and how many bytes
 * from its start the page is.  An IOMMU does not tell the DMA address of a page, so
 * there the first page of a buffer does, which is what drivers have.
 */
struct dma_custom_buffer *dma_custom_buffer_find_page(struct device *dev,
						      struct page *page,
						      size_t *off)
{
	struct dma_custom_buffer *buf;
	dma_addr_t dma_addr;

	if (use_dma_iommu(dev))
		dma_addr = (dma_addr_t)page_private(page) << PAGE_SHIFT;
	else
		dma_addr = phys_to_dma(dev, page_to_phys(page));
	buf = dma_custom_buffer_find(dev, dma_addr);
	if (buf && use_dma_iommu(dev) && buf->page != page) {
		dma_custom_buffer_put(buf);
		buf = NULL;
	}
	if (buf)
		*off = dma_addr - buf->dma_addr;
	return buf;
}

/*
 * Takes the buffer that the arguments describe off the books.  If there is none,
 * the driver is wrong: that gets a WARN, and NULL so that nothing is freed.
 */
struct dma_custom_buffer *dma_custom_buffer_remove(struct dma_custom *dc,
						   size_t size, void *cpu_addr,
						   dma_addr_t dma_addr)
{
	struct dma_custom_buffer *buf;
	unsigned long flags;

	spin_lock_irqsave(&dc->lock, flags);
	buf = dma_custom_buffer_at(dc, dma_addr);
	if (buf && buf->dma_addr == dma_addr && buf->cpu_addr == cpu_addr &&
	    buf->size == PAGE_ALIGN(size))
		rb_erase(&buf->node, &dc->buffers);
	else
		buf = NULL;
	spin_unlock_irqrestore(&dc->lock, flags);

	if (!buf)
		dev_WARN(dc->dev, "freeing %zu bytes at %pad, which is not a live DMA buffer\n",
			 size, &dma_addr);
	return buf;
}
