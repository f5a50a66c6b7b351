// SPDX-License-Identifier: GPL-2.0
/*
 * Custom DMA ops: coherent buffers, and their kernel addresses.  The pages come
 * from custom-pages.c.
 */
#include <linux/gfp.h>
#include <linux/iommu-dma.h>
#include <linux/mm.h>

#include "custom.h"
#include "direct.h"

/*
 * Restricted pools, and memory that has to be shared with a hypervisor, are
 * dma-direct's business, or dma-iommu's.
 */
bool dma_custom_use_direct_pages(struct device *dev)
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
gfp_t dma_custom_quiet(size_t size, gfp_t gfp)
{
	return get_order(size) > PAGE_ALLOC_COSTLY_ORDER ? gfp | __GFP_NOWARN :
							   gfp;
}

void dma_custom_report(struct device *dev, size_t size, gfp_t gfp, bool direct)
{
	const char *why = "no contiguous memory within the device's DMA mask";

	if (use_dma_iommu(dev))
		why = "no memory or no IOVA space";
	if ((gfp & __GFP_NOWARN) || dma_custom_quiet(size, gfp) == gfp)
		return;
	if (direct && use_dma_iommu(dev))
		why = "dma-iommu has no memory for this device";
	else if (direct)
		why = "dma-direct has no memory for this device";
	else if (get_order(size) > MAX_PAGE_ORDER &&
		 !IS_ENABLED(CONFIG_CONTIG_ALLOC))
		why = "a buffer of this size needs CONFIG_CONTIG_ALLOC";
	else if (get_order(size) > MAX_PAGE_ORDER &&
		 !gfpflags_allow_blocking(gfp))
		why = "a buffer of this size needs a GFP mask that allows sleeping";
	dev_err_ratelimited(dev, "cannot allocate %zu-byte DMA buffer: %s\n",
			    size, why);
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
bool dma_custom_device_map(struct device *dev, struct dma_custom_buffer *buf,
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
