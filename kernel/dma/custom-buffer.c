// SPDX-License-Identifier: GPL-2.0
/*
 * Custom DMA ops: buffers, their books and their kernel addresses.  The pages
 * come from custom-pages.c.
 */
#include <linux/gfp.h>
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

static struct dma_custom_buffer *dma_custom_buffer_create(size_t size,
							  gfp_t gfp)
{
	struct dma_custom_buffer *buf = kzalloc_obj(*buf, gfp);

	if (buf) {
		kref_init(&buf->ref);
		buf->size = size;
	}
	return buf;
}

static void dma_custom_buffer_release(struct kref *ref)
{
	struct dma_custom_buffer *buf = container_of(ref,
						     struct dma_custom_buffer,
						     ref);

	if (buf->page && !buf->leaked)
		dma_custom_pages_free(buf->page, buf->size, buf->cma);
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
static bool dma_custom_buffer_add(struct dma_custom *dc,
				  struct dma_custom_buffer *buf)
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
 * Takes the buffer that the arguments describe off the books.  If there is none,
 * the driver is wrong: that gets a WARN, and NULL so that nothing is freed.
 */
static struct dma_custom_buffer *
dma_custom_buffer_remove(struct dma_custom *dc, size_t size, void *cpu_addr,
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
		dev_WARN(dc->dev, "freeing %zu bytes at %pad, which is no live DMA buffer\n",
			 size, &dma_addr);
	return buf;
}

/*
 * Restricted pools, and memory that has to be shared with a hypervisor, are
 * dma-direct's business.
 */
static bool dma_custom_use_direct_pages(struct device *dev)
{
	return is_swiotlb_for_alloc(dev) || force_dma_unencrypted(dev);
}

/*
 * So are, where a kernel mapping has to change, what an architecture does all by
 * itself, and the pools for callers that cannot wait.
 */
static bool dma_custom_use_direct(struct device *dev, gfp_t gfp)
{
	if (dma_custom_use_direct_pages(dev))
		return true;
	if (dev_is_dma_coherent(dev))
		return false;
	return IS_ENABLED(CONFIG_ARCH_HAS_DMA_ALLOC) ||
	       IS_ENABLED(CONFIG_DMA_GLOBAL_POOL) ||
	       !(IS_ENABLED(CONFIG_DMA_DIRECT_REMAP) ||
		 IS_ENABLED(CONFIG_ARCH_HAS_DMA_SET_UNCACHED)) ||
	       !gfpflags_allow_blocking(gfp);
}

/*
 * Without a kernel mapping dma-direct would not zero the buffer, which is there
 * to be mapped to user space.  The attribute is a hint, so do without.
 */
static unsigned long dma_custom_direct_attrs(unsigned long attrs)
{
	return attrs & ~DMA_ATTR_NO_KERNEL_MAPPING;
}

/*
 * A large allocation that fails gets one line rather than the page allocator's
 * report, or its WARN above MAX_PAGE_ORDER.
 */
static gfp_t dma_custom_quiet(size_t size, gfp_t gfp)
{
	return get_order(size) > PAGE_ALLOC_COSTLY_ORDER ? gfp | __GFP_NOWARN :
							   gfp;
}

static void dma_custom_report(struct device *dev, size_t size, gfp_t gfp,
			      bool direct)
{
	const char *why = "no memory in one piece that the device can reach";

	if ((gfp & __GFP_NOWARN) || dma_custom_quiet(size, gfp) == gfp)
		return;
	if (direct)
		why = "dma-direct has no memory for this device";
	else if (get_order(size) > MAX_PAGE_ORDER &&
		 !IS_ENABLED(CONFIG_CONTIG_ALLOC))
		why = "above the largest block, and no CONFIG_CONTIG_ALLOC";
	else if (get_order(size) > MAX_PAGE_ORDER &&
		 !gfpflags_allow_blocking(gfp))
		why = "above the largest block, and may not sleep";
	dev_err_ratelimited(dev, "no DMA buffer of %zu bytes: %s\n", size, why);
}

/*
 * The kernel address of zeroed pages, with the attributes that the device needs
 * them accessed with.  Whoever asks for none gets the first page as a cookie.
 */
static void *dma_custom_kernel_map(struct device *dev, struct page *page,
				   size_t size, unsigned long attrs)
{
	void *cpu_addr;

	/* Write back the zeroes before anybody looks past the cache. */
	if (!dev_is_dma_coherent(dev))
		arch_dma_prep_coherent(page, size);
	if (attrs & DMA_ATTR_NO_KERNEL_MAPPING)
		return page;
	if (dev_is_dma_coherent(dev))
		return page_address(page);
	if (IS_ENABLED(CONFIG_DMA_DIRECT_REMAP))
		return dma_common_contiguous_remap(page, size,
				dma_pgprot(dev, PAGE_KERNEL, attrs),
				__builtin_return_address(0));
	/* Elsewhere dma-direct has such buffers. */
	if (!IS_ENABLED(CONFIG_ARCH_HAS_DMA_SET_UNCACHED))
		return NULL;
	cpu_addr = arch_dma_set_uncached(page_address(page), size);
	return IS_ERR(cpu_addr) ? NULL : cpu_addr;
}

static void dma_custom_kernel_unmap(struct device *dev,
				    struct dma_custom_buffer *buf)
{
	if (buf->cpu_addr == buf->page || dev_is_dma_coherent(dev))
		return;
	if (IS_ENABLED(CONFIG_DMA_DIRECT_REMAP))
		dma_common_free_remap(buf->cpu_addr, buf->size);
	else if (IS_ENABLED(CONFIG_ARCH_HAS_DMA_CLEAR_UNCACHED))
		arch_dma_clear_uncached(buf->cpu_addr, buf->size);
}

/* Takes from a buffer what goes with the device: all but our own pages. */
static void dma_custom_buffer_unmap(struct device *dev,
				    struct dma_custom_buffer *buf,
				    unsigned long attrs)
{
	if (buf->page)
		dma_custom_kernel_unmap(dev, buf);
	else
		dma_direct_free(dev, buf->size, buf->cpu_addr, buf->dma_addr,
				dma_custom_direct_attrs(attrs));
}

void *dma_custom_alloc(struct device *dev, size_t size, dma_addr_t *dma_addr,
		       gfp_t gfp, unsigned long attrs)
{
	struct dma_custom *dc = dma_custom_of(dev);
	struct dma_custom_buffer *buf;
	gfp_t page_gfp;
	bool direct;

	if (!dc)
		return dma_direct_alloc(dev, size, dma_addr, gfp, attrs);

	gfp &= ~__GFP_ZERO; /* always zeroed, the unused tail never */
	if (attrs & DMA_ATTR_NO_WARN)
		gfp |= __GFP_NOWARN;
	if (dma_custom_should_fail(dev, DMA_CUSTOM_FAULT_ALLOC, size,
				   gfp & __GFP_NOWARN))
		return NULL;

	size = PAGE_ALIGN(size);
	if (!size) /* 0, or so large that it wrapped */
		return NULL;
	buf = dma_custom_buffer_create(size, gfp);
	if (!buf)
		return NULL;

	page_gfp = dma_custom_quiet(size, gfp);
	direct = dma_custom_use_direct(dev, gfp);
	if (direct) {
		buf->cpu_addr = dma_direct_alloc(dev, size, &buf->dma_addr,
						 page_gfp,
						 dma_custom_direct_attrs(attrs));
		if (!buf->cpu_addr)
			goto out_report;
	} else {
		if ((attrs & DMA_ATTR_NO_KERNEL_MAPPING) &&
		    dev_is_dma_coherent(dev))
			page_gfp |= __GFP_HIGHMEM;
		if (!dma_custom_pages_alloc(dev, buf, page_gfp))
			goto out_report;
		buf->cpu_addr = dma_custom_kernel_map(dev, buf->page, size,
						      attrs);
		if (!buf->cpu_addr)
			goto out_put;
		buf->dma_addr = phys_to_dma(dev, page_to_phys(buf->page));
	}

	if (!dma_custom_buffer_add(dc, buf))
		goto out_unmap;
	*dma_addr = buf->dma_addr;
	return buf->cpu_addr;

out_report:
	dma_custom_report(dev, size, gfp, direct);
	goto out_put;
out_unmap:
	dma_custom_buffer_unmap(dev, buf, attrs);
out_put:
	dma_custom_buffer_put(buf);
	return NULL;
}

void dma_custom_free(struct device *dev, size_t size, void *cpu_addr,
		     dma_addr_t dma_addr, unsigned long attrs)
{
	struct dma_custom *dc = dma_custom_of(dev);
	struct dma_custom_buffer *buf;

	if (!dc) {
		dma_direct_free(dev, size, cpu_addr, dma_addr, attrs);
		return;
	}

	buf = dma_custom_buffer_remove(dc, size, cpu_addr, dma_addr);
	if (!buf)
		return;

	dma_custom_buffer_unmap(dev, buf, attrs);
	dma_custom_buffer_put(buf);
}

/*
 * Pages for dma_alloc_pages() and dma_alloc_noncontiguous(): cached, whatever
 * the device is, and synced by the caller.  They are in the books with the page
 * as their cookie, so that dma_free_attrs() does not take them.
 */
struct page *dma_custom_alloc_pages(struct device *dev, size_t size,
				    dma_addr_t *dma_addr,
				    enum dma_data_direction dir, gfp_t gfp)
{
	struct dma_custom *dc = dma_custom_of(dev);
	struct dma_custom_buffer *buf;
	struct page *page;
	bool direct;

	if (!dc)
		return dma_direct_alloc_pages(dev, size, dma_addr, dir, gfp);

	gfp &= ~__GFP_ZERO;
	if (dma_custom_should_fail(dev, DMA_CUSTOM_FAULT_ALLOC, size,
				   gfp & __GFP_NOWARN))
		return NULL;

	size = PAGE_ALIGN(size);
	if (!size || size > UINT_MAX) /* has to fit a scatterlist entry */
		return NULL;
	buf = dma_custom_buffer_create(size, gfp);
	if (!buf)
		return NULL;

	direct = dma_custom_use_direct_pages(dev);
	if (direct) {
		page = dma_direct_alloc_pages(dev, size, &buf->dma_addr, dir,
					      dma_custom_quiet(size, gfp));
	} else {
		dma_custom_pages_alloc(dev, buf, dma_custom_quiet(size, gfp));
		page = buf->page;
	}
	if (!page) {
		dma_custom_report(dev, size, gfp, direct);
		goto out_put;
	}
	if (!direct)
		buf->dma_addr = phys_to_dma(dev, page_to_phys(page));

	buf->cpu_addr = page;
	if (!dma_custom_buffer_add(dc, buf))
		goto out_free_direct;
	*dma_addr = buf->dma_addr;
	return page;

out_free_direct:
	if (direct)
		dma_direct_free_pages(dev, size, page, buf->dma_addr, dir);
out_put:
	dma_custom_buffer_put(buf);
	return NULL;
}

void dma_custom_free_pages(struct device *dev, size_t size, struct page *page,
			   dma_addr_t dma_addr, enum dma_data_direction dir)
{
	struct dma_custom *dc = dma_custom_of(dev);
	struct dma_custom_buffer *buf;

	if (!dc) {
		dma_direct_free_pages(dev, size, page, dma_addr, dir);
		return;
	}

	buf = dma_custom_buffer_remove(dc, size, page, dma_addr);
	if (!buf)
		return;

	if (!buf->page)
		dma_direct_free_pages(dev, size, page, dma_addr, dir);
	dma_custom_buffer_put(buf);
}

/* @size and @max, what fits an entry, are multiples of PAGE_SIZE. */
int dma_custom_fill_sgtable(struct sg_table *sgt, unsigned long pfn,
			    size_t size, size_t max)
{
	struct scatterlist *sg;
	unsigned int i;
	int ret;

	/* DIV_ROUND_UP() would overflow a size_t of 32 bits. */
	ret = sg_alloc_table(sgt, size / max + !!(size % max), GFP_KERNEL);
	if (ret)
		return ret;
	for_each_sgtable_sg(sgt, sg, i) {
		sg_set_page(sg, pfn_to_page(pfn), min(size, max), 0);
		pfn += sg->length >> PAGE_SHIFT;
		size -= sg->length;
	}
	return 0;
}

int dma_custom_get_sgtable(struct device *dev, struct sg_table *sgt,
			   void *cpu_addr, dma_addr_t dma_addr, size_t size,
			   unsigned long attrs)
{
	struct dma_custom_buffer *buf;
	int ret = -ENXIO;

	buf = dma_custom_buffer_find(dev, dma_addr);
	if (!buf)
		return dma_direct_get_sgtable(dev, sgt, cpu_addr, dma_addr,
					      size, attrs);

	if (dma_custom_buffer_has(buf, dma_addr, size))
		ret = dma_custom_fill_sgtable(sgt,
					      PHYS_PFN(dma_to_phys(dev, dma_addr)),
					      PAGE_ALIGN(size),
					      ALIGN_DOWN(UINT_MAX, PAGE_SIZE));
	dma_custom_buffer_put(buf);
	return ret;
}
