// SPDX-License-Identifier: GPL-2.0
/*
 * Custom DMA ops: buffers, their books and their kernel addresses.  The pages
 * come from custom-pages.c.
 */
#include <linux/gfp.h>
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

static struct dma_custom_buffer *
dma_custom_buffer_create(struct device *dev, size_t size, gfp_t gfp)
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
 * dma-direct's business, or dma-iommu's.
 */
static bool dma_custom_use_direct_pages(struct device *dev)
{
	if (force_dma_unencrypted(dev))
		return true;
	/* One that maps more than a page at a time would map what is next to ours. */
	if (use_dma_iommu(dev))
		return iommu_dma_get_merge_boundary(dev) >= PAGE_SIZE;
	return is_swiotlb_for_alloc(dev);
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

	if (use_dma_iommu(dev))
		why = "no memory, or no DMA addresses";
	if ((gfp & __GFP_NOWARN) || dma_custom_quiet(size, gfp) == gfp)
		return;
	if (direct && use_dma_iommu(dev))
		why = "dma-iommu has no memory for this device";
	else if (direct)
		why = "dma-direct has no memory for this device";
	else if (get_order(size) > MAX_PAGE_ORDER &&
		 !IS_ENABLED(CONFIG_CONTIG_ALLOC))
		why = "above the largest block, and no CONFIG_CONTIG_ALLOC";
	else if (get_order(size) > MAX_PAGE_ORDER &&
		 !gfpflags_allow_blocking(gfp))
		why = "above the largest block, and may not sleep";
	dev_err_ratelimited(dev, "no DMA buffer of %zu bytes: %s\n", size, why);
}

static void *dma_custom_vmap(struct device *dev, struct dma_custom_buffer *buf,
			     unsigned long attrs)
{
	unsigned long nr = buf->size >> PAGE_SHIFT, i, n;
	struct page **pages = kvmalloc_objs(*pages, nr);
	unsigned long pfn;
	void *cpu_addr;
	size_t len;

	if (!pages)
		return NULL;
	for (i = 0; i < nr; i += n) {
		pfn = page_to_pfn(dma_custom_pages_at(buf, i << PAGE_SHIFT, &len));
		for (n = 0; n < len >> PAGE_SHIFT; n++)
			pages[i + n] = pfn_to_page(pfn + n);
	}
	/* It keeps them, for dma-iommu, which another device's driver may ask. */
	cpu_addr = dma_common_pages_remap(pages, buf->size,
					  dma_pgprot(dev, PAGE_KERNEL, attrs),
					  __builtin_return_address(0));
	if (!cpu_addr)
		kvfree(pages);
	return cpu_addr;
}

static void dma_custom_vunmap(struct dma_custom_buffer *buf)
{
	struct page **pages = dma_common_find_pages(buf->cpu_addr);

	dma_common_free_remap(buf->cpu_addr, buf->size);
	kvfree(pages);
}

/*
 * The kernel address of zeroed pages, with the attributes that the device needs
 * them accessed with.  Whoever asks for none gets the first page as a cookie.
 */
static void *dma_custom_kernel_map(struct device *dev,
				   struct dma_custom_buffer *buf,
				   unsigned long attrs)
{
	struct page *page = buf->page;
	size_t size = buf->size, off, len;
	void *cpu_addr;

	/* Write back the zeroes before anybody looks past the cache. */
	if (!dev_is_dma_coherent(dev))
		for (off = 0; off < size; off += len)
			arch_dma_prep_coherent(dma_custom_pages_at(buf, off, &len),
					       len);
	if (attrs & DMA_ATTR_NO_KERNEL_MAPPING)
		return page;
	if (buf->nr_pieces)
		return dma_custom_vmap(dev, buf, attrs);
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
	if (buf->cpu_addr == buf->page)
		return;
	if (buf->nr_pieces)
		dma_custom_vunmap(buf);
	else if (dev_is_dma_coherent(dev))
		return;
	else if (IS_ENABLED(CONFIG_DMA_DIRECT_REMAP))
		dma_common_free_remap(buf->cpu_addr, buf->size);
	else if (IS_ENABLED(CONFIG_ARCH_HAS_DMA_CLEAR_UNCACHED))
		arch_dma_clear_uncached(buf->cpu_addr, buf->size);
}

/* From dma-direct or dma-iommu, whichever the device has. */
static void *dma_custom_direct_alloc(struct device *dev, size_t size,
				     dma_addr_t *dma_addr, gfp_t gfp,
				     unsigned long attrs)
{
	if (use_dma_iommu(dev))
		return iommu_dma_alloc(dev, size, dma_addr, gfp, attrs);
	return dma_direct_alloc(dev, size, dma_addr, gfp, attrs);
}

static void dma_custom_direct_free(struct device *dev, size_t size,
				   void *cpu_addr, dma_addr_t dma_addr,
				   unsigned long attrs)
{
	if (use_dma_iommu(dev))
		iommu_dma_free(dev, size, cpu_addr, dma_addr, attrs);
	else
		dma_direct_free(dev, size, cpu_addr, dma_addr, attrs);
}

/* Takes from a buffer what goes with the device: all but our own pages. */
static void dma_custom_buffer_unmap(struct device *dev,
				    struct dma_custom_buffer *buf,
				    unsigned long attrs)
{
	if (buf->page) {
		dma_custom_iommu_unmap(dev, buf, DMA_BIDIRECTIONAL);
		dma_custom_kernel_unmap(dev, buf);
	} else if (buf->iommu == use_dma_iommu(dev)) {
		dma_custom_direct_free(dev, buf->size, buf->cpu_addr,
				       buf->dma_addr,
				       dma_custom_direct_attrs(attrs));
	}
}

/* Gives a buffer that has its pages a DMA address. */
static bool dma_custom_device_map(struct device *dev,
				  struct dma_custom_buffer *buf,
				  enum dma_data_direction dir, gfp_t gfp,
				  unsigned long attrs)
{
	if (buf->iommu)
		return dma_custom_iommu_map(dev, buf, dir, gfp, attrs);
	buf->dma_addr = phys_to_dma(dev, page_to_phys(buf->page));
	return true;
}

void *dma_custom_alloc(struct device *dev, size_t size, dma_addr_t *dma_addr,
		       gfp_t gfp, unsigned long attrs)
{
	struct dma_custom *dc = dma_custom_of(dev);
	struct dma_custom_buffer *buf;
	gfp_t page_gfp;
	bool direct;

	if (!dc)
		return dma_custom_direct_alloc(dev, size, dma_addr, gfp, attrs);

	gfp &= ~__GFP_ZERO; /* always zeroed, the unused tail never */
	if (attrs & DMA_ATTR_NO_WARN)
		gfp |= __GFP_NOWARN;
	if (dma_custom_should_fail(dev, DMA_CUSTOM_FAULT_ALLOC, size,
				   gfp & __GFP_NOWARN))
		return NULL;

	size = PAGE_ALIGN(size);
	if (!size) /* 0, or so large that it wrapped */
		return NULL;
	buf = dma_custom_buffer_create(dev, size, gfp);
	if (!buf)
		return NULL;

	page_gfp = dma_custom_quiet(size, gfp);
	direct = dma_custom_use_direct(dev, gfp);
	if (direct) {
		buf->cpu_addr = dma_custom_direct_alloc(dev, size,
							&buf->dma_addr, page_gfp,
							dma_custom_direct_attrs(attrs));
		if (!buf->cpu_addr)
			goto out_report;
	} else {
		if ((attrs & DMA_ATTR_NO_KERNEL_MAPPING) &&
		    dev_is_dma_coherent(dev))
			page_gfp |= __GFP_HIGHMEM;
		if (!dma_custom_pages_alloc(dev, buf, page_gfp,
					    attrs & DMA_ATTR_FORCE_CONTIGUOUS))
			goto out_report;
		buf->cpu_addr = dma_custom_kernel_map(dev, buf, attrs);
		if (!buf->cpu_addr)
			goto out_put;
		if (!dma_custom_device_map(dev, buf, DMA_BIDIRECTIONAL, gfp,
					   attrs))
			goto out_kernel_unmap;
	}

	if (!dma_custom_buffer_add(dc, buf))
		goto out_unmap;
	*dma_addr = buf->dma_addr;
	return buf->cpu_addr;

out_kernel_unmap:
	dma_custom_kernel_unmap(dev, buf);
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
		dma_custom_direct_free(dev, size, cpu_addr, dma_addr, attrs);
		return;
	}

	buf = dma_custom_buffer_remove(dc, size, cpu_addr, dma_addr);
	if (!buf)
		return;

	dma_custom_buffer_unmap(dev, buf, attrs);
	dma_custom_buffer_put(buf);
}

static struct page *dma_custom_direct_alloc_pages(struct device *dev,
						  size_t size,
						  dma_addr_t *dma_addr,
						  enum dma_data_direction dir,
						  gfp_t gfp)
{
	if (use_dma_iommu(dev))
		return dma_common_alloc_pages(dev, size, dma_addr, dir, gfp);
	return dma_direct_alloc_pages(dev, size, dma_addr, dir, gfp);
}

static void dma_custom_direct_free_pages(struct device *dev, size_t size,
					 struct page *page, dma_addr_t dma_addr,
					 enum dma_data_direction dir)
{
	if (use_dma_iommu(dev))
		dma_common_free_pages(dev, size, page, dma_addr, dir);
	else
		dma_direct_free_pages(dev, size, page, dma_addr, dir);
}

static void dma_custom_page_buffer_unmap(struct device *dev,
					 struct dma_custom_buffer *buf,
					 enum dma_data_direction dir)
{
	if (buf->page)
		dma_custom_iommu_unmap(dev, buf, dir);
	else if (buf->iommu == use_dma_iommu(dev))
		dma_custom_direct_free_pages(dev, buf->size, buf->cpu_addr,
					     buf->dma_addr, dir);
}

/*
 * Pages for dma_alloc_pages() and dma_alloc_noncontiguous(): cached, whatever
 * the device is, and synced by the caller.  They are in the books with the page
 * as their cookie, so that dma_free_attrs() does not take them.
 */
static struct page *
dma_custom_page_buffer_alloc(struct device *dev, size_t size,
			     dma_addr_t *dma_addr, enum dma_data_direction dir,
			     gfp_t gfp, bool contiguous)
{
	struct dma_custom *dc = dma_custom_of(dev);
	struct dma_custom_buffer *buf;
	struct page *page;
	bool direct;

	if (!dc)
		return dma_custom_direct_alloc_pages(dev, size, dma_addr, dir,
						     gfp);

	gfp &= ~__GFP_ZERO;
	if (dma_custom_should_fail(dev, DMA_CUSTOM_FAULT_ALLOC, size,
				   gfp & __GFP_NOWARN))
		return NULL;

	size = PAGE_ALIGN(size);
	if (!size || size > UINT_MAX) /* has to fit a scatterlist entry */
		return NULL;
	buf = dma_custom_buffer_create(dev, size, gfp);
	if (!buf)
		return NULL;

	direct = dma_custom_use_direct_pages(dev);
	if (direct) {
		page = dma_custom_direct_alloc_pages(dev, size, &buf->dma_addr,
						     dir,
						     dma_custom_quiet(size, gfp));
		if (!page)
			goto out_report;
	} else {
		if (!dma_custom_pages_alloc(dev, buf,
					    dma_custom_quiet(size, gfp),
					    contiguous))
			goto out_report;
		if (!dma_custom_device_map(dev, buf, dir, gfp, 0))
			goto out_report;
		page = buf->page;
	}

	buf->cpu_addr = page;
	if (!dma_custom_buffer_add(dc, buf))
		goto out_unmap;
	*dma_addr = buf->dma_addr;
	return page;

out_report:
	dma_custom_report(dev, size, gfp, direct);
	goto out_put;
out_unmap:
	dma_custom_page_buffer_unmap(dev, buf, dir);
out_put:
	dma_custom_buffer_put(buf);
	return NULL;
}

struct page *dma_custom_alloc_pages(struct device *dev, size_t size,
				    dma_addr_t *dma_addr,
				    enum dma_data_direction dir, gfp_t gfp)
{
	return dma_custom_page_buffer_alloc(dev, size, dma_addr, dir, gfp, true);
}

void dma_custom_free_pages(struct device *dev, size_t size, struct page *page,
			   dma_addr_t dma_addr, enum dma_data_direction dir)
{
	struct dma_custom *dc = dma_custom_of(dev);
	struct dma_custom_buffer *buf;

	if (!dc) {
		dma_custom_direct_free_pages(dev, size, page, dma_addr, dir);
		return;
	}

	buf = dma_custom_buffer_remove(dc, size, page, dma_addr);
	if (!buf)
		return;

	dma_custom_page_buffer_unmap(dev, buf, dir);
	dma_custom_buffer_put(buf);
}

/*
 * @off, @size and @max, what fits an entry, are multiples of PAGE_SIZE; the bytes are
 * all in the buffer.
 */
int dma_custom_fill_sgtable(struct sg_table *sgt,
			    const struct dma_custom_buffer *buf, size_t off,
			    size_t size, size_t max, gfp_t gfp)
{
	const size_t end = off + size;
	unsigned int nr = 0, i;
	struct scatterlist *sg;
	size_t at, len;
	int ret;

	for (at = off; at < end; at += len) {
		dma_custom_pages_at(buf, at, &len);
		len = min3(len, end - at, max);
		nr++;
	}
	ret = sg_alloc_table(sgt, nr, gfp);
	if (ret)
		return ret;
	at = off;
	for_each_sgtable_sg(sgt, sg, i) {
		struct page *page = dma_custom_pages_at(buf, at, &len);

		len = min3(len, end - at, max);
		sg_set_page(sg, page, len, 0);
		at += len;
	}
	return 0;
}

/* Behind an IOMMU only: elsewhere it is what dma_alloc_pages() gives. */
struct sg_table *dma_custom_alloc_noncontiguous(struct device *dev, size_t size,
						enum dma_data_direction dir,
						gfp_t gfp, unsigned long attrs)
{
	struct dma_custom_buffer *buf;
	struct sg_table *sgt;
	dma_addr_t dma_addr;
	struct page *page;
	int ret;

	gfp &= ~GFP_ZONEMASK;
	sgt = kmalloc_obj(*sgt, gfp);
	if (!sgt)
		return NULL;
	page = dma_custom_page_buffer_alloc(dev, size, &dma_addr, dir, gfp,
					    false);
	if (!page)
		goto out_free_sgt;

	size = PAGE_ALIGN(size);
	buf = dma_custom_buffer_find(dev, dma_addr);
	if (buf && buf->page) {
		ret = dma_custom_fill_sgtable(sgt, buf, 0, size,
					      ALIGN_DOWN(UINT_MAX, PAGE_SIZE),
					      gfp);
	} else {
		ret = sg_alloc_table(sgt, 1, gfp);
		if (!ret)
			sg_set_page(sgt->sgl, page, size, 0);
	}
	if (buf)
		dma_custom_buffer_put(buf);
	if (ret)
		goto out_free_pages;
	sg_dma_address(sgt->sgl) = dma_addr;
	sg_dma_len(sgt->sgl) = size;
	return sgt;

out_free_pages:
	dma_custom_free_pages(dev, size, page, dma_addr, dir);
out_free_sgt:
	kfree(sgt);
	return NULL;
}

void dma_custom_free_noncontiguous(struct device *dev, size_t size,
				   struct sg_table *sgt,
				   enum dma_data_direction dir)
{
	dma_custom_free_pages(dev, size, sg_page(sgt->sgl),
			      sg_dma_address(sgt->sgl), dir);
	sg_free_table(sgt);
	kfree(sgt);
}

int dma_custom_get_sgtable(struct device *dev, struct sg_table *sgt,
			   void *cpu_addr, dma_addr_t dma_addr, size_t size,
			   unsigned long attrs)
{
	struct dma_custom_buffer *buf;
	int ret;

	buf = dma_custom_buffer_find_addr(dev, cpu_addr, dma_addr);
	if (buf && !dma_custom_buffer_has(buf, dma_addr, size))
		ret = -ENXIO;
	else if (buf && buf->page)
		ret = dma_custom_fill_sgtable(sgt, buf,
					      ALIGN_DOWN(dma_addr - buf->dma_addr,
							 PAGE_SIZE),
					      PAGE_ALIGN(size),
					      ALIGN_DOWN(UINT_MAX, PAGE_SIZE),
					      GFP_KERNEL);
	else if (use_dma_iommu(dev))
		ret = iommu_dma_get_sgtable(dev, sgt, cpu_addr, dma_addr, size,
					    attrs);
	else
		ret = dma_direct_get_sgtable(dev, sgt, cpu_addr, dma_addr,
					     size, attrs);
	if (buf)
		dma_custom_buffer_put(buf);
	return ret;
}
