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
#include <linux/iommu-dma.h>
#include <linux/log2.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

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

	if (use_dma_iommu(dev))
		return true;
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

static struct page *dma_custom_alloc_cma_area(struct device *dev,
					      struct cma *area, size_t size,
					      gfp_t gfp)
{
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
	return page;
}

/* From the device's own area, if it has one, or that of its node, or the default one. */
static struct page *dma_custom_alloc_cma(struct device *dev, size_t size,
					 gfp_t gfp, struct cma **cma)
{
	struct cma *area = dev->cma_area ?: dev_get_numa_cma_area(dev);
	struct page *page = dma_custom_alloc_cma_area(dev, area, size, gfp);

	if (!page && area != dev_get_cma_area(dev)) {
		area = dev_get_cma_area(dev);
		page = dma_custom_alloc_cma_area(dev, area, size, gfp);
	}
	if (page)
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

static void dma_custom_free_run(struct page *page, size_t size, struct cma *cma)
{
	if (IS_ENABLED(CONFIG_DMA_CMA) && cma)
		cma_release_folios(cma, page, size >> PAGE_SHIFT);
	else
		free_contig_folios(page_to_pfn(page), size >> PAGE_SHIFT);
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
		dma_custom_free_run(page, size, NULL);
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

	if (use_dma_iommu(dev))
		return dma_custom_alloc_within(dev, size, gfp, 0, (phys_addr_t)-1);
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

	if (use_dma_iommu(dev))
		return gfp;
	zone = dma_direct_optimal_gfp_mask(dev, &phys_limit);
	if (!IS_ENABLED(CONFIG_ZONE_DMA32))
		zone &= ~GFP_DMA32;
	return zone ? (gfp & ~__GFP_HIGHMEM) | zone : gfp;
}

/* Adds a block to the pieces of a buffer, or to the last of them. */
static bool dma_custom_add_piece(struct dma_custom_buffer *buf,
				 struct page *page, size_t size, gfp_t gfp)
{
	struct dma_custom_piece *last = buf->pieces + buf->nr_pieces - 1;
	size_t start = 0, end = 0;
	void *pieces;

	if (buf->nr_pieces) {
		start = buf->nr_pieces > 1 ? last[-1].end : 0;
		end = last->end;
		if (page_to_pfn(page) ==
		    page_to_pfn(last->page) + PHYS_PFN(end - start) &&
		    page_zone(page) == page_zone(last->page)) {
			last->end += size;
			return true;
		}
	}
	/* Room for as many again each time that there is none left. */
	if (is_power_of_2(buf->nr_pieces) || !buf->nr_pieces) {
		pieces = kvrealloc(buf->pieces,
				   array_size(max(2 * buf->nr_pieces, 1),
					      sizeof(*buf->pieces)),
				   gfp & ~GFP_ZONEMASK);
		if (!pieces)
			return false;
		buf->pieces = pieces;
	}
	buf->pieces[buf->nr_pieces++] = (struct dma_custom_piece){
		.page = page, .end = end + size,
	};
	return true;
}

/*
 * Blocks from anywhere: those that a huge entry can map as long as there are any,
 * then smaller ones.
 */
static struct page *dma_custom_alloc_pieces(struct device *dev,
					    struct dma_custom_buffer *buf,
					    gfp_t gfp)
{
	unsigned int order = min(DMA_CUSTOM_HUGE_ORDER, MAX_PAGE_ORDER);
	unsigned long left = buf->size >> PAGE_SHIFT, i;
	struct page *page;

	/* No reason to take all that there is. */
	if (left > totalram_pages())
		return NULL;
	while (left) {
		order = min_t(unsigned int, order, ilog2(left));
		page = alloc_pages_node(dev_to_node(dev), gfp | (order ?
					__GFP_NORETRY | __GFP_NOWARN :
					__GFP_RETRY_MAYFAIL), order);
		if (!page && order) {
			order--;
			continue;
		}
		if (!page)
			return NULL;
		split_page(page, order);
		/* It may be used as a part of something larger. */
		for (i = 0; i < 1UL << order; i++)
			page_kasan_tag_reset(page + i);
		if (!dma_custom_add_piece(buf, page, PAGE_SIZE << order, gfp)) {
			dma_custom_free_run(page, PAGE_SIZE << order, NULL);
			return NULL;
		}
		left -= 1UL << order;
		if (fatal_signal_pending(current))
			return NULL;
	}
	return buf->pieces[0].page;
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
 * @contiguous: what an IOMMU could put together does not do
 *
 * They are zeroed, and physically contiguous and aligned unless there is an IOMMU.
 * Each piece of PMD_SIZE is a folio, but where make_contig_folios() could not make one.
 *
 * Context: As @gfp says.  Above MAX_PAGE_ORDER it has to allow blocking.
 *
 * Return: true if @buf has its pages, and knows where they are from.  If not, it may
 * have some, for dma_custom_pages_free().
 */
bool dma_custom_pages_alloc(struct device *dev, struct dma_custom_buffer *buf,
			    gfp_t gfp, bool contiguous)
{
	const unsigned int folio_order = DMA_CUSTOM_HUGE_ORDER;
	const unsigned int order = get_order(buf->size);
	/* What is charged are the folios, which are yet to be made. */
	gfp_t page_gfp = gfp & ~__GFP_ACCOUNT;
	size_t off, len;

	contiguous |= !use_dma_iommu(dev) || !gfpflags_allow_blocking(gfp);
	/* An IOMMU does without what is hard to find. */
	if (!contiguous)
		page_gfp |= __GFP_NORETRY | __GFP_NOWARN;
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
	if (!buf->page && !contiguous) {
		buf->source = DMA_CUSTOM_SOURCE_PIECES;
		buf->page = dma_custom_alloc_pieces(dev, buf, (gfp & ~__GFP_ACCOUNT) |
						    __GFP_HIGHMEM);
	}
	/* It may be all that dma-direct would have, but others need it, too. */
	if (!buf->page && contiguous && !dma_custom_has_cma(dev) && order) {
		buf->source = DMA_CUSTOM_SOURCE_CMA;
		buf->page = dma_custom_alloc_cma(dev, buf->size, gfp & ~__GFP_ACCOUNT,
						 &buf->cma);
	}
	if (!buf->page)
		return false;

	for (off = 0; off < buf->size; off += len) {
		struct page *page = dma_custom_pages_at(buf, off, &len);

		if (folio_order && folio_order <= MAX_PAGE_ORDER)
			make_contig_folios(page_to_pfn(page), len >> PAGE_SHIFT,
					   folio_order);
		if (!dma_custom_account(page_to_pfn(page), len >> PAGE_SHIFT,
					gfp))
			return false;
		dma_custom_zero(page, len, gfp);
	}
	return true;
}

/**
 * dma_custom_pages_at - contiguous pages of a buffer
 * @buf: the buffer, which has its pages
 * @off: bytes from its start, a multiple of PAGE_SIZE, less than its size
 * @size: where to put how many bytes there are from @off on that are contiguous
 *
 * Return: the page at @off.
 */
struct page *dma_custom_pages_at(const struct dma_custom_buffer *buf,
				 size_t off, size_t *size)
{
	unsigned int low = 0, high = buf->nr_pieces, i;
	struct page *page = buf->page;
	size_t start = 0, end = buf->size;

	/* The first that ends behind it. */
	while (low < high) {
		i = low + (high - low) / 2;
		if (buf->pieces[i].end > off)
			high = i;
		else
			low = i + 1;
	}
	if (buf->nr_pieces) {
		start = low ? buf->pieces[low - 1].end : 0;
		end = buf->pieces[low].end;
		page = buf->pieces[low].page;
	}
	*size = end - off;
	return pfn_to_page(page_to_pfn(page) + PHYS_PFN(off - start));
}

/**
 * dma_custom_pages_free - give up a buffer's references on its pages
 * @buf: the buffer, which may have all of its pages, some or none
 *
 * What has no other user is free at once, the rest when the last user of each page
 * or folio is gone.
 *
 * Context: Any context, but not NMI and not under a raw spinlock.
 */
void dma_custom_pages_free(struct dma_custom_buffer *buf)
{
	size_t start = 0;
	unsigned int i;

	for (i = 0; i < buf->nr_pieces; i++) {
		dma_custom_free_run(buf->pieces[i].page,
				    buf->pieces[i].end - start, NULL);
		start = buf->pieces[i].end;
	}
	if (buf->page && !buf->nr_pieces)
		dma_custom_free_run(buf->page, buf->size, buf->cma);
	kvfree(buf->pieces);
}
