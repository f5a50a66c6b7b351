// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of alloc_contig_pages(), in memory that can all be moved: boot with
 * movablecore=300M.
 */
#include <kunit/test.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mmzone.h>
#include <linux/pageblock-flags.h>
#include <linux/uaccess.h>

static struct zone *zone_to_test(struct kunit *test)
{
	struct zone *zone = &NODE_DATA(first_online_node)->node_zones[ZONE_MOVABLE];

	if (zone_managed_pages(zone) < 64 * pageblock_nr_pages)
		kunit_skip(test, "needs memory that can be moved, boot with movablecore=300M");
	return zone;
}

/* Up to what was reserved when the kernel booted, such as its first file system. */
static unsigned long end_to_test(struct zone *zone)
{
	unsigned long pfn = zone->zone_start_pfn;

	while (pfn < zone_end_pfn(zone) && !PageReserved(pfn_to_page(pfn)))
		pfn++;
	return pfn;
}

struct contig {
	unsigned long	pfn;
	unsigned long	nr;
};

static void free_range(void *data)
{
	struct contig *range = data;

	free_contig_range(range->pfn, range->nr);
}

/* Freed when the test ends. */
static void keep(struct kunit *test, struct page *page, unsigned long nr)
{
	struct contig *range = kunit_kmalloc(test, sizeof(*range), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_ASSERT_NOT_NULL(test, range);
	range->pfn = page_to_pfn(page);
	range->nr = nr;
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_range, range));
}

/* What ALIGN() makes of the zone's start must not matter. */
static void odd_sizes_fit_anywhere(struct kunit *test)
{
	struct zone *zone = zone_to_test(test);
	const unsigned long start = zone->zone_start_pfn;
	const unsigned long most = end_to_test(zone) - start - pageblock_nr_pages;
	unsigned long nr = most / 2 + 1;
	struct page *page;

	while (nr <= most && (is_power_of_2(nr) || ALIGN(start, nr) + nr <= start + most))
		nr++;
	KUNIT_ASSERT_LE_MSG(test, nr, most, "the zone is too well aligned");
	page = alloc_contig_pages(nr, GFP_HIGHUSER_MOVABLE, zone_to_nid(zone), NULL);
	keep(test, page, nr);
	KUNIT_EXPECT_TRUE(test, zone_spans_pfn(zone, page_to_pfn(page)));
}

static struct page *alloc_within_zone(struct zone *zone, unsigned long nr)
{
	return alloc_contig_pages_within(nr, 1, zone->zone_start_pfn,
					 zone_end_pfn(zone), GFP_HIGHUSER_MOVABLE,
					 zone_to_nid(zone), NULL);
}

static void range_is_aligned_and_within(struct kunit *test)
{
	struct zone *zone = zone_to_test(test);
	const unsigned long align = 2 * pageblock_nr_pages, nr = align + 3;
	const unsigned long start = ALIGN(zone->zone_start_pfn, align) + 1;
	struct page *page;
	int i;

	for (i = 0; i < 2; i++) {
		page = alloc_contig_pages_within(nr, align, start,
						 start + 5 * align,
						 GFP_HIGHUSER_MOVABLE,
						 zone_to_nid(zone), NULL);
		keep(test, page, nr);
		KUNIT_EXPECT_TRUE(test, IS_ALIGNED(page_to_pfn(page), align));
		KUNIT_EXPECT_GT(test, page_to_pfn(page), start);
		KUNIT_EXPECT_LE(test, page_to_pfn(page) + nr, start + 5 * align);
	}
}

static void range_that_is_too_small(struct kunit *test)
{
	struct zone *zone = zone_to_test(test);
	const unsigned long start = zone->zone_start_pfn;

	KUNIT_EXPECT_NULL(test, alloc_contig_pages_within(5, 1, start, start + 4,
							  GFP_HIGHUSER_MOVABLE,
							  zone_to_nid(zone), NULL));
	KUNIT_EXPECT_NULL(test, alloc_contig_pages_within(5, 1, start, start,
							  GFP_HIGHUSER_MOVABLE,
							  zone_to_nid(zone), NULL));
	KUNIT_EXPECT_NULL(test, alloc_contig_pages_within(5, 1, start + 4, start,
							  GFP_HIGHUSER_MOVABLE,
							  zone_to_nid(zone), NULL));
}

/* Whatever is asked for, some memory is left in the zone. */
static void watermark_is_kept(struct kunit *test)
{
	struct zone *zone = zone_to_test(test);
	unsigned long nr = 16 * pageblock_nr_pages;
	struct page *page;

	KUNIT_ASSERT_GT(test, min_wmark_pages(zone), 0);
	for (; nr; nr /= 8)
		while ((page = alloc_within_zone(zone, nr)))
			keep(test, page, nr);
	KUNIT_EXPECT_GE(test, zone_page_state_snapshot(zone, NR_FREE_PAGES),
			min_wmark_pages(zone));
	/* And there was no other reason to end. */
	KUNIT_EXPECT_LE(test, zone_page_state_snapshot(zone, NR_FREE_PAGES),
			min_wmark_pages(zone) + 2 * pageblock_nr_pages);
}

/* Memory is isolated by the block: what else is in it must be movable, too. */
static void unmovable_neighbour_is_in_the_way(struct kunit *test)
{
	const unsigned long nr = 2 * pageblock_nr_pages;
	struct page *page, *found;
	unsigned long pfn;

	page = alloc_contig_pages(nr, GFP_KERNEL, first_online_node, NULL);
	KUNIT_ASSERT_NOT_NULL(test, page);
	pfn = page_to_pfn(page);
	free_contig_range(pfn + 1, nr - 1);
	keep(test, page, 1);
	found = alloc_contig_pages_within(8, 1, pfn + 1, pfn + nr, GFP_KERNEL,
					  first_online_node, NULL);
	keep(test, found, 8);
	KUNIT_EXPECT_GE(test, page_to_pfn(found), pfn + pageblock_nr_pages);
}

/* Of a process, so that its pages can be moved. */
struct user_memory {
	unsigned long	addr;
	unsigned long	nr;
	unsigned long	*pfns;
};

static unsigned long user_pfn(struct kunit *test, unsigned long addr)
{
	unsigned long pfn;
	struct page *page;

	KUNIT_ASSERT_EQ(test, 1, get_user_pages_fast(addr, 1, FOLL_WRITE, &page));
	pfn = page_to_pfn(page);
	put_page(page);
	return pfn;
}

/* Four pageblocks in size, which all are in the zone. */
static struct user_memory user_memory(struct kunit *test, struct zone *zone)
{
	struct user_memory m = { .nr = 4 * pageblock_nr_pages };
	unsigned long i;

	m.pfns = kunit_kcalloc(test, m.nr, sizeof(*m.pfns), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m.pfns);
	KUNIT_ASSERT_EQ(test, 0, kunit_attach_mm());
	m.addr = kunit_vm_mmap(test, NULL, 0, m.nr * PAGE_SIZE,
			       PROT_READ | PROT_WRITE,
			       MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(m.addr));
	for (i = 0; i < m.nr; i++) {
		KUNIT_ASSERT_EQ(test, 0, put_user(i, (unsigned long __user *)
						  (m.addr + i * PAGE_SIZE)));
		m.pfns[i] = user_pfn(test, m.addr + i * PAGE_SIZE);
		if (!zone_spans_pfn(zone, m.pfns[i]))
			kunit_skip(test, "no room in memory that can be moved");
	}
	return m;
}

static struct page *alloc_block_of(struct zone *zone, unsigned long pfn, gfp_t gfp)
{
	return alloc_contig_pages_within(pageblock_nr_pages, 1,
					 pageblock_start_pfn(pfn),
					 pageblock_end_pfn(pfn),
					 GFP_HIGHUSER_MOVABLE | gfp,
					 zone_to_nid(zone), NULL);
}

static unsigned long moved(struct kunit *test, const struct user_memory *m)
{
	unsigned long i, val, nr = 0;

	for (i = 0; i < m->nr; i++) {
		KUNIT_ASSERT_EQ(test, 0, get_user(val, (unsigned long __user *)
						  (m->addr + i * PAGE_SIZE)));
		KUNIT_ASSERT_EQ(test, i, val);
		if (user_pfn(test, m->addr + i * PAGE_SIZE) != m->pfns[i])
			nr++;
	}
	return nr;
}

static void noretry_moves_nothing(struct kunit *test)
{
	struct zone *zone = zone_to_test(test);
	struct user_memory m = user_memory(test, zone);

	KUNIT_EXPECT_NULL(test, alloc_block_of(zone, m.pfns[0], __GFP_NORETRY));
	KUNIT_EXPECT_EQ(test, 0, moved(test, &m));
	keep(test, alloc_block_of(zone, m.pfns[0], 0), pageblock_nr_pages);
	KUNIT_EXPECT_GT(test, moved(test, &m), 0);
}

/* Not even what is beside them. */
static void pinned_pages_are_left_alone(struct kunit *test)
{
	struct zone *zone = zone_to_test(test);
	struct user_memory m = user_memory(test, zone);
	struct page *page;

	KUNIT_ASSERT_EQ(test, 1, pin_user_pages_fast(m.addr, 1, FOLL_WRITE, &page));
	KUNIT_EXPECT_NULL(test, alloc_block_of(zone, m.pfns[0], 0));
	KUNIT_EXPECT_EQ(test, 0, moved(test, &m));
	unpin_user_page(page);
	keep(test, alloc_block_of(zone, m.pfns[0], 0), pageblock_nr_pages);
}

static struct kunit_case contig_alloc_cases[] = {
	KUNIT_CASE(odd_sizes_fit_anywhere),
	KUNIT_CASE(range_is_aligned_and_within),
	KUNIT_CASE(range_that_is_too_small),
	KUNIT_CASE(watermark_is_kept),
	KUNIT_CASE(unmovable_neighbour_is_in_the_way),
	KUNIT_CASE(noretry_moves_nothing),
	KUNIT_CASE(pinned_pages_are_left_alone),
	{}
};

static struct kunit_suite contig_alloc_suite = {
	.name = "contig_alloc",
	.test_cases = contig_alloc_cases,
};

kunit_test_suite(contig_alloc_suite);
