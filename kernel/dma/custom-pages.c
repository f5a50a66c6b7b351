// SPDX-License-Identifier: GPL-2.0
/*
 * Custom DMA ops: where the pages of a buffer come from.
 *
 * The sources, in the order in which they are tried: the device's own CMA area,
 * the page allocator up to its largest block, and any range of memory that can
 * be cleared by moving its pages elsewhere.  From each of them come split pages,
 * every one with a reference of its own.  This is what lets the unused tail go
 * back at once.  Whole pieces of PMD_SIZE become folios, which cost one reference
 * instead of hundreds, and which a huge page table entry can map.  User mappings
 * hold what they map, so that what is still mapped or pinned outlives the buffer.
 */
#include <linux/cma.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/memcontrol.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/page-isolation.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>

#include "custom.h"
#include "direct.h"

/* What a huge page table entry can map has to start where one can. */
#ifdef CONFIG_MMU
#define DMA_CUSTOM_ALIGN	PMD_SIZE
#else
#define DMA_CUSTOM_ALIGN	PAGE_SIZE
#endif

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

#ifdef CONFIG_CONTIG_ALLOC
static int dma_custom_align_order(size_t size)
{
	return size >= DMA_CUSTOM_ALIGN ? get_order(DMA_CUSTOM_ALIGN) : 0;
}
#endif /* CONFIG_CONTIG_ALLOC */

#ifdef CONFIG_DMA_CMA
static struct page *dma_custom_alloc_cma(struct device *dev, size_t size,
					 gfp_t gfp, struct cma **cma)
{
	int align = max(dma_custom_align_order(size),
			min(get_order(size), CONFIG_CMA_ALIGNMENT));
	unsigned long nr = size >> PAGE_SHIFT;
	struct page *page;

	if (!dev->cma_area || !gfpflags_allow_blocking(gfp))
		return NULL;
	page = cma_alloc(dev->cma_area, nr, align, true);
	if (!page)
		return NULL;
	if (!dma_custom_reachable(dev, page, size) ||
	    (PageHighMem(page) && !(gfp & __GFP_HIGHMEM))) {
		cma_release(dev->cma_area, page, nr);
		return NULL;
	}
	*cma = dev->cma_area;
	return page;
}
#else
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
/*
 * Nothing in the block that could not be moved elsewhere, as far as one can see:
 * alloc_contig_range() has the last word.
 */
static bool dma_custom_block_movable(struct zone *zone, unsigned long pfn)
{
	unsigned long end = pfn + pageblock_nr_pages, step;
	struct page *page = pfn_to_online_page(pfn);

	if (!page || page_zone(page) != zone || is_migrate_cma_page(page))
		return false;

	guard(spinlock_irqsave)(&zone->lock);
	for (; pfn < end; pfn += step) {
		step = 1;
		page = pfn_to_page(pfn);
		if (PageHuge(page) ||
		    page_is_unmovable(zone, page, PB_ISOLATE_MODE_OTHER, &step))
			return false;
	}
	return true;
}

/*
 * alloc_contig_pages() would align powers of two to their size, of which there
 * may be four in all of memory, and nothing else to anything.  What matters here
 * is the alignment of a huge page table entry and the reach of the device, so
 * look at each such place.
 */
static struct page *dma_custom_alloc_in_zone(struct device *dev,
					     struct zone *zone, size_t size,
					     gfp_t gfp)
{
	const unsigned long nr = size >> PAGE_SHIFT;
	const unsigned long align = max(pageblock_nr_pages,
					1UL << dma_custom_align_order(size));
	unsigned long start = ALIGN(zone->zone_start_pfn, align), pfn = start;
	unsigned long end = ALIGN_DOWN(zone_end_pfn(zone), pageblock_nr_pages);

	/* All up to pfn can be moved. */
	while (start < end && nr <= end - start) {
		if (fatal_signal_pending(current))
			break;
		cond_resched();
		if (pfn - start < nr) {
			bool movable = dma_custom_block_movable(zone, pfn);

			pfn += pageblock_nr_pages;
			if (!movable) {
				pfn = ALIGN(pfn, align);
				start = pfn;
			}
			continue;
		}
		if (!dma_custom_reachable(dev, pfn_to_page(start), size)) {
			start += align;
			continue;
		}
		if (!alloc_contig_range(start, start + nr, ACR_FLAGS_NONE, gfp))
			return pfn_to_page(start);
		/* Go on behind it, as this may have taken long. */
		pfn = ALIGN(pfn, align);
		start = pfn;
	}
	return NULL;
}

static struct page *dma_custom_alloc_range(struct device *dev, size_t size,
					   gfp_t gfp)
{
	const unsigned long nr = size >> PAGE_SHIFT;
	int nid = dev_to_node(dev);
	struct page *page = NULL;
	struct zone *zone;
	struct zoneref *z;
	unsigned long i;

	if (nid == NUMA_NO_NODE)
		nid = numa_mem_id();
	get_online_mems();
	for_each_zone_zonelist(zone, z, node_zonelist(nid, gfp), gfp_zone(gfp)) {
		/* The modifiers that alloc_contig_range() does not refuse. */
		page = dma_custom_alloc_in_zone(dev, zone, size, gfp &
						(GFP_KERNEL |
						 __GFP_RETRY_MAYFAIL |
						 __GFP_NOWARN));
		if (page)
			break;
	}
	put_online_mems();
	if (!page)
		return NULL;

	/* It was put together from blocks with tags of their own. */
	for (i = 0; i < nr; i++)
		page_kasan_tag_reset(pfn_to_page(page_to_pfn(page) + i));
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
 * They are physically contiguous and zeroed.  Those of a buffer of PMD_SIZE and
 * more start on a multiple of PMD_SIZE, and each piece of that size is a folio, but
 * where make_contig_folios() could not make one.
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
	const unsigned int folio_order = get_order(DMA_CUSTOM_ALIGN);
	/* What is charged are the folios, which are yet to be made. */
	gfp_t page_gfp = gfp & ~__GFP_ACCOUNT;
	unsigned long pfn;

	buf->source = DMA_CUSTOM_SOURCE_CMA;
	buf->page = dma_custom_alloc_cma(dev, buf->size, page_gfp, &buf->cma);
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
