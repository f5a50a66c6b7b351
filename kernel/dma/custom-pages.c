// SPDX-License-Identifier: GPL-2.0
/*
 * Custom DMA ops: where the pages of a buffer come from.
 *
 * The sources, in the order in which they are tried: the device's own CMA area,
 * the page allocator up to its largest block, any range of memory that can be
 * cleared by moving its pages elsewhere, and, for a device without an area of its own,
 * the default one, which others need, too.  From each of them come split pages,
 * every one with a reference of its own.  This is what lets the unused tail go
 * back at once.  Whole pieces of PMD_SIZE become folios, which cost one reference
 * instead of hundreds, and which a huge page table entry can map.  User mappings
 * hold what they map, so that what is still mapped or pinned outlives the buffer.
 */
#include <linux/cma.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>

#include "custom.h"
#include "direct.h"

/* What a huge page table entry can map has to start where one can. */
#ifdef CONFIG_MMU
#define DMA_CUSTOM_HUGE_ORDER	get_order(PMD_SIZE)
#else
#define DMA_CUSTOM_HUGE_ORDER	0
#endif

/*
 * What a buffer is aligned to: the DMA API promises the order of the size.  Above the
 * largest block that would cost too much memory.
 */
static unsigned int dma_custom_align_order(size_t size)
{
	unsigned int order = get_order(size);

	if (order <= MAX_PAGE_ORDER)
		return order;
	return size >= PAGE_SIZE << DMA_CUSTOM_HUGE_ORDER ? DMA_CUSTOM_HUGE_ORDER : 0;
}

/*
 * Can the device reach all of a range of memory, and sees it in one piece?
 * dma_coherent_ok() translates no more than the first byte, but there may be
 * holes in what firmware says is on the bus.
 */
static bool dma_custom_reachable(struct device *dev, struct page *page,
				 size_t size)
{
	const struct bus_dma_region *map = dev->dma_range_map;
	phys_addr_t phys = page_to_phys(page);

	if (!dma_coherent_ok(dev, phys, size))
		return false;
	if (!map)
		return true;
	while (phys < map->cpu_start || phys - map->cpu_start >= map->size)
		if (!(++map)->size)
			return false;
	return size <= map->size - (phys - map->cpu_start);
}

#ifdef CONFIG_DMA_CMA
static bool dma_custom_has_cma(struct device *dev)
{
	return dev->cma_area;
}

/* From the device's own area, if it has one, or the default one. */
static struct page *dma_custom_alloc_cma(struct device *dev, size_t size,
					 gfp_t gfp, struct cma **cma)
{
	struct cma *area = dev_get_cma_area(dev);
	const unsigned int least = min(get_order(size), CONFIG_CMA_ALIGNMENT);
	unsigned int align = max(dma_custom_align_order(size), least);
	unsigned long nr = size >> PAGE_SHIFT;
	struct page *page;

	if (!area || !gfpflags_allow_blocking(gfp))
		return NULL;
	page = cma_alloc(area, nr, align, true);
	/*
	 * The area need not have such a place.  The next best one is for a huge
	 * entry, and in the end there is what dma-direct asks for.
	 */
	if (!page && size >= PAGE_SIZE << DMA_CUSTOM_HUGE_ORDER &&
	    align > DMA_CUSTOM_HUGE_ORDER && least < DMA_CUSTOM_HUGE_ORDER)
		page = cma_alloc(area, nr, DMA_CUSTOM_HUGE_ORDER, true);
	if (!page && align > least)
		page = cma_alloc(area, nr, least, true);
	if (!page)
		return NULL;
	if (!dma_custom_reachable(dev, page, size) ||
	    (PageHighMem(page) && !(gfp & __GFP_HIGHMEM))) {
		cma_release(area, page, nr);
		return NULL;
	}
	*cma = area;
	return page;
}
#else
static bool dma_custom_has_cma(struct device *dev)
{
	return false;
}

static struct page *dma_custom_alloc_cma(struct device *dev, size_t size,
					 gfp_t gfp, struct cma **cma)
{
	return NULL;
}
#endif /* CONFIG_DMA_CMA */

/* The zone below the one that the allocation was from; false if there is none. */
static bool dma_custom_lower_zone(gfp_t *gfp)
{
	if (*gfp & __GFP_HIGHMEM)
		*gfp &= ~__GFP_HIGHMEM;
	else if (IS_ENABLED(CONFIG_ZONE_DMA32) &&
		 !(*gfp & (GFP_DMA32 | GFP_DMA)))
		*gfp |= GFP_DMA32;
	else if (IS_ENABLED(CONFIG_ZONE_DMA) && !(*gfp & GFP_DMA))
		*gfp = (*gfp & ~GFP_DMA32) | GFP_DMA;
	else
		return false;
	return true;
}

static struct page *dma_custom_alloc_block(struct device *dev, size_t size,
					   gfp_t gfp)
{
	unsigned long nr = size >> PAGE_SHIFT;
	unsigned int order = get_order(size);
	struct page *page;

	do {
		page = alloc_pages_node(dev_to_node(dev), gfp, order);
		if (!page)
			return NULL;
		split_page(page, order);
		__free_contig_range(page_to_pfn(page) + nr, (1UL << order) - nr);
		if (dma_custom_reachable(dev, page, size))
			return page;
		dma_custom_pages_free(page, size, NULL);
	} while (dma_custom_lower_zone(&gfp));
	return NULL;
}

#ifdef CONFIG_CONTIG_ALLOC
/* In the memory from @first to @last, what the device can reach of one region. */
static struct page *dma_custom_alloc_within(struct device *dev, size_t size,
					    gfp_t gfp, phys_addr_t first,
					    phys_addr_t last)
{
	const gfp_t modifiers = GFP_KERNEL | __GFP_NORETRY | __GFP_RETRY_MAYFAIL |
				__GFP_NOWARN | __GFP_THISNODE;
	const unsigned long nr = size >> PAGE_SHIFT;
	const unsigned long align = 1UL << dma_custom_align_order(size);
	/* All ones are all of memory, whose size does not fit the type. */
	u64 end = (u64)last + 1 ?: U64_MAX;
	int nid = dev_to_node(dev);
	struct page *page;
	unsigned long i;

	if (nid == NUMA_NO_NODE)
		nid = numa_mem_id();
	page = alloc_contig_pages_within(nr, align, PFN_UP(first),
					 min_t(u64, end >> PAGE_SHIFT, ULONG_MAX),
					 gfp & (modifiers | GFP_ZONEMASK), nid,
					 NULL);
	if (!page)
		return NULL;
	/* Translations need not be monotonic. */
	if (!dma_custom_reachable(dev, page, size)) {
		free_contig_range(page_to_pfn(page), nr);
		return NULL;
	}

	/* It was put together from blocks with tags of their own. */
	for (i = 0; i < nr; i++)
		page_kasan_tag_reset(pfn_to_page(page_to_pfn(page) + i));
	return page;
}

static struct page *dma_custom_alloc_range(struct device *dev, size_t size,
					   gfp_t gfp)
{
	const struct bus_dma_region *map = dev->dma_range_map;
	u64 limit = min_not_zero(dev->coherent_dma_mask, dev->bus_dma_limit);
	struct page *page = NULL;
	u64 length;

	if (!map)
		return dma_custom_alloc_within(dev, size, gfp, 0,
					       dma_to_phys(dev, limit));
	for (; map->size && !page; map++) {
		if (map->dma_start > limit)
			continue;
		length = min(map->size - 1, limit - map->dma_start);
		page = dma_custom_alloc_within(dev, size, gfp, map->cpu_start,
					       map->cpu_start + length);
	}
	return page;
}
#else
static struct page *dma_custom_alloc_range(struct device *dev, size_t size,
					   gfp_t gfp)
{
	return NULL;
}
#endif /* CONFIG_CONTIG_ALLOC */

/* @gfp for the highest zone with anything that the device can reach. */
static gfp_t dma_custom_zone(struct device *dev, gfp_t gfp)
{
	u64 phys_limit;
	gfp_t zone;

	zone = dma_direct_optimal_gfp_mask(dev, &phys_limit);
	if (!IS_ENABLED(CONFIG_ZONE_DMA32))
		zone &= ~GFP_DMA32;
	return zone ? (gfp & ~__GFP_HIGHMEM) | zone : gfp;
}

/*
 * Charges the caller's memory cgroup if asked to.  As with a large block of the page
 * allocator, going over the limit is an error and no case for the OOM killer.  Pages
 * are uncharged when they are freed, those before a failure included.
 */
static bool dma_custom_account(unsigned long pfn, unsigned long nr, gfp_t gfp)
{
	const unsigned long end = pfn + nr;

	if (!(gfp & __GFP_ACCOUNT))
		return true;
	while (pfn < end) {
		struct page *page = pfn_to_page(pfn);

		if (memcg_kmem_charge_page(page, gfp | __GFP_RETRY_MAYFAIL,
					   compound_order(page)))
			return false;
		pfn += compound_nr(page);
	}
	return true;
}

static void dma_custom_zero(struct page *page, size_t size, gfp_t gfp)
{
	unsigned long pfn = page_to_pfn(page), nr = size >> PAGE_SHIFT, i;

	for (i = 0; i < nr; i++) {
		clear_highpage(pfn_to_page(pfn + i));
		if (!(i % MAX_ORDER_NR_PAGES) && gfpflags_allow_blocking(gfp))
			cond_resched();
	}
}

/**
 * dma_custom_pages_alloc - allocate the pages of a buffer
 * @dev: the device that has to reach them
 * @buf: the buffer, whose size is known, a multiple of PAGE_SIZE and not 0
 * @gfp: with __GFP_HIGHMEM if the pages need no kernel address; no other zone
 *
 * They are physically contiguous, aligned and zeroed.  Each piece of PMD_SIZE is a
 * folio, but where make_contig_folios() could not make one.
 *
 * Context: As @gfp says.  Above MAX_PAGE_ORDER it has to allow blocking.
 *
 * Return: true if @buf has its pages, and knows where they are from.
 */
bool dma_custom_pages_alloc(struct device *dev, struct dma_custom_buffer *buf,
			    gfp_t gfp)
{
	const unsigned long nr = buf->size >> PAGE_SHIFT;
	const unsigned int order = get_order(buf->size);
	const unsigned int folio_order = DMA_CUSTOM_HUGE_ORDER;
	/* What is charged are the folios, which are yet to be made. */
	gfp_t page_gfp = gfp & ~__GFP_ACCOUNT;
	unsigned long pfn;

	if (dma_custom_has_cma(dev)) {
		buf->source = DMA_CUSTOM_SOURCE_CMA;
		buf->page = dma_custom_alloc_cma(dev, buf->size, page_gfp,
						 &buf->cma);
	}
	page_gfp = dma_custom_zone(dev, page_gfp);
	if (!buf->page && order <= MAX_PAGE_ORDER) {
		buf->source = DMA_CUSTOM_SOURCE_BLOCK;
		buf->page = dma_custom_alloc_block(dev, buf->size, page_gfp);
	}
	if (!buf->page && gfpflags_allow_blocking(gfp) &&
	    (order > MAX_PAGE_ORDER || (gfp & __GFP_RETRY_MAYFAIL))) {
		buf->source = DMA_CUSTOM_SOURCE_RANGE;
		buf->page = dma_custom_alloc_range(dev, buf->size, page_gfp);
	}
	/* It may be all that dma-direct would have, but others need it, too. */
	if (!buf->page && !dma_custom_has_cma(dev) && nr > 1) {
		buf->source = DMA_CUSTOM_SOURCE_CMA;
		buf->page = dma_custom_alloc_cma(dev, buf->size, gfp & ~__GFP_ACCOUNT,
						 &buf->cma);
	}
	if (!buf->page)
		return false;

	pfn = page_to_pfn(buf->page);
	if (folio_order && folio_order <= MAX_PAGE_ORDER)
		make_contig_folios(pfn, nr, folio_order);
	if (!dma_custom_account(pfn, nr, gfp)) {
		dma_custom_pages_free(buf->page, buf->size, buf->cma);
		buf->page = NULL;
		return false;
	}
	dma_custom_zero(buf->page, buf->size, gfp);
	return true;
}

/**
 * dma_custom_pages_free - give up a buffer's references on its pages
 * @page: the first
 * @size: bytes, a multiple of PAGE_SIZE
 * @cma: the CMA area they are from, NULL if from none
 *
 * What has no other user is free at once, the rest when the last user of each page
 * or folio is gone.
 *
 * Context: Any context, but not NMI and not under a raw spinlock.
 */
void dma_custom_pages_free(struct page *page, size_t size, struct cma *cma)
{
	if (IS_ENABLED(CONFIG_DMA_CMA) && cma)
		cma_release_folios(cma, page, size >> PAGE_SHIFT);
	else
		free_contig_folios(page_to_pfn(page), size >> PAGE_SHIFT);
}
