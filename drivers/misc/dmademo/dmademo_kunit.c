// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the DMA demo device: what the engine makes of its descriptors,
 * and the checks of what user space asks for.  There is no device node, but a
 * device that can do DMA, with an interrupt of its own.
 */
#include <kunit/device.h>
#include <kunit/dma.h>
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/crc32.h>
#include <linux/dma-mapping.h>
#include <linux/fcntl.h>
#include <linux/interrupt.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "dmademo.h"

/* --- what user space asks for --- */

struct run_case {
	const char *name;
	struct dmademo_run run;
	int ret;
};

#define COPY	.op = DMADEMO_OP_COPY, .src = 1, .dst = 2
#define FILL	.op = DMADEMO_OP_FILL, .dst = 2
#define CRC	.op = DMADEMO_OP_CRC32, .src = 1
#define USERS	(DMADEMO_RUN_SRC_USER | DMADEMO_RUN_DST_USER)
#define BUSES	(DMADEMO_RUN_SRC_BUS | DMADEMO_RUN_DST_BUS)

static const struct run_case run_cases[] = {
	{ "copy", { COPY, .length = 1 }, 0 },
	{ "copy, asynchronous",
	  { COPY, .length = 1, .flags = DMADEMO_RUN_ASYNC }, 0 },
	{ "most bytes", { COPY, .length = DMADEMO_MAX_BYTES }, 0 },
	{ "too many bytes",
	  { COPY, .length = DMADEMO_MAX_BYTES + 1ULL }, -EINVAL },
	{ "no bytes", { COPY, .length = 0 }, -EINVAL },
	{ "all bytes", { COPY, .length = U64_MAX }, -EINVAL },
	{ "fill", { FILL, .length = 1, .value = 255 }, 0 },
	{ "fill with too much", { FILL, .length = 1, .value = 256 }, -EINVAL },
	{ "fill reads", { FILL, .length = 1, .src = 1 }, -EINVAL },
	{ "fill from an offset",
	  { FILL, .length = 1, .src_offset = 1 }, -EINVAL },
	{ "fill from user memory",
	  { FILL, .length = 1, .flags = DMADEMO_RUN_SRC_USER }, -EINVAL },
	{ "sum", { CRC, .length = 1 }, 0 },
	{ "sum of a value", { CRC, .length = 1, .value = 1 }, -EINVAL },
	{ "sum writes", { CRC, .length = 1, .dst = 1 }, -EINVAL },
	{ "sum to a bus address",
	  { CRC, .length = 1, .flags = DMADEMO_RUN_DST_BUS }, -EINVAL },
	{ "reverse", { .op = DMADEMO_OP_REVERSE, .src = 1, .dst = 2,
		       .length = 1 }, 0 },
	{ "unknown operation", { .op = DMADEMO_OP_REVERSE + 1, .length = 1 },
	  -EINVAL },
	{ "unknown flag",
	  { COPY, .length = 1, .flags = DMADEMO_RUN_DST_BUS << 1 }, -EINVAL },
	{ "cookie", { COPY, .length = 1, .cookie = 1 }, -EINVAL },
	{ "same buffer, apart",
	  { .src = 1, .dst = 1, .dst_offset = 8, .length = 8 }, 0 },
	{ "same buffer, overlapping",
	  { .src = 1, .dst = 1, .dst_offset = 7, .length = 8 }, -EINVAL },
	{ "same buffer, overlapping from below",
	  { .src = 1, .dst = 1, .src_offset = 7, .length = 8 }, -EINVAL },
	{ "user memory, apart",
	  { .src_offset = 8, .length = 8, .flags = USERS }, 0 },
	{ "user memory, overlapping",
	  { .src_offset = 7, .length = 8, .flags = USERS }, -EINVAL },
	{ "user memory of a handle",
	  { .src = 1, .dst_offset = 8, .length = 8, .flags = USERS }, -EINVAL },
	{ "user memory to the end",
	  { .src_offset = U64_MAX - 7, .length = 8, .flags = USERS }, 0 },
	{ "user memory wraps",
	  { .src_offset = U64_MAX - 6, .length = 8, .flags = USERS }, -EINVAL },
	{ "user memory and a bus address",
	  { .length = 1, .flags = USERS | DMADEMO_RUN_SRC_BUS }, -EINVAL },
	{ "user memory to a bus address",
	  { .length = 1,
	    .flags = DMADEMO_RUN_SRC_USER | DMADEMO_RUN_DST_BUS }, 0 },
	{ "bus addresses, overlapping",
	  { .src_offset = 7, .length = 8, .flags = BUSES }, -EINVAL },
	{ "bus address wraps",
	  { .dst_offset = U64_MAX, .length = 2, .flags = BUSES }, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(run, run_cases, name);

static void run_arguments(struct kunit *test)
{
	const struct run_case *param = test->param_value;

	KUNIT_EXPECT_EQ(test, param->ret, dmademo_run_check(&param->run));
}

struct alloc_case {
	const char *name;
	struct dmademo_alloc alloc;
	int ret;
};

static const struct alloc_case alloc_cases[] = {
	{ "one byte", { .bytes = 1 }, 0 },
	{ "most bytes", { .bytes = DMADEMO_MAX_BYTES }, 0 },
	{ "no bytes", { .bytes = 0 }, -EINVAL },
	{ "too many bytes", { .bytes = DMADEMO_MAX_BYTES + 1ULL }, -EINVAL },
	{ "all bytes", { .bytes = U64_MAX }, -EINVAL },
	{ "cached", { .bytes = 1, .flags = DMADEMO_ALLOC_CACHED }, 0 },
	{ "write combining",
	  { .bytes = 1, .flags = DMADEMO_ALLOC_WRITE_COMBINE }, 0 },
	{ "both", { .bytes = 1, .flags = 3 }, -EINVAL },
	{ "unknown flag", { .bytes = 1, .flags = 4 }, -EINVAL },
	{ "last strategy",
	  { .bytes = 1, .strategy = DMADEMO_STRATEGY_HUGE }, 0 },
	{ "unknown strategy",
	  { .bytes = 1, .strategy = DMADEMO_STRATEGY_HUGE + 1 }, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(alloc, alloc_cases, name);

static void alloc_arguments(struct kunit *test)
{
	const struct alloc_case *param = test->param_value;

	KUNIT_EXPECT_EQ(test, param->ret, dmademo_alloc_check(&param->alloc));
}

struct sync_case {
	const char *name;
	struct dmademo_sync sync;
	int ret;
};

static const struct sync_case sync_cases[] = {
	{ "for the CPU", { .flags = 1, .length = 1 }, 0 },
	{ "for the device", { .flags = 2, .length = 1 }, 0 },
	{ "for both", { .flags = 3, .length = 1 }, -EINVAL },
	{ "for nobody", { .flags = 0, .length = 1 }, -EINVAL },
	{ "unknown flag", { .flags = 4, .length = 1 }, -EINVAL },
	{ "nothing", { .flags = 1, .length = 0 }, -EINVAL },
	{ "reserved", { .flags = 1, .length = 1, .__reserved = 1 }, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(sync, sync_cases, name);

static void sync_arguments(struct kunit *test)
{
	const struct sync_case *param = test->param_value;

	KUNIT_EXPECT_EQ(test, param->ret, dmademo_sync_check(&param->sync));
}

struct export_case {
	const char *name;
	u32 fd_flags;
	int ret;
};

static const struct export_case export_cases[] = {
	{ "for reading", O_RDONLY, 0 },
	{ "for writing", O_WRONLY, 0 },
	{ "for both", O_RDWR, 0 },
	{ "for neither", O_ACCMODE, -EINVAL },
	{ "close on exec", O_RDWR | O_CLOEXEC, 0 },
	{ "not blocking", O_RDWR | O_NONBLOCK, -EINVAL },
	{ "everything", U32_MAX, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(export, export_cases, name);

static void export_arguments(struct kunit *test)
{
	const struct export_case *param = test->param_value;
	const struct dmademo_export arg = {
		.fd_flags = param->fd_flags,
		/* output */
		.fd = -1,
	};

	KUNIT_EXPECT_EQ(test, param->ret, dmademo_export_check(&arg));
}

/* Calls of which all flags are reserved. */
static void reserved_arguments(struct kunit *test)
{
	struct dmademo_info info = {};
	struct dmademo_wait wait = {};
	struct dmademo_import import = {};

	KUNIT_EXPECT_EQ(test, 0, dmademo_info_check(&info));
	info.__reserved = 1;
	KUNIT_EXPECT_EQ(test, -EINVAL, dmademo_info_check(&info));
	info = (struct dmademo_info){ .flags = DMADEMO_INFO_COHERENT };
	KUNIT_EXPECT_EQ(test, -EINVAL, dmademo_info_check(&info));

	KUNIT_EXPECT_EQ(test, 0, dmademo_wait_check(&wait));
	wait.flags = BIT(31);
	KUNIT_EXPECT_EQ(test, -EINVAL, dmademo_wait_check(&wait));

	KUNIT_EXPECT_EQ(test, 0, dmademo_import_check(&import));
	import.flags = 1;
	KUNIT_EXPECT_EQ(test, -EINVAL, dmademo_import_check(&import));
}

struct way_case {
	const char *name;
	const char *device;
	bool coherent;
	bool own_memory;
	u32 strategy;
	u32 flags;
	const char *way;
};

/* No way is -EOPNOTSUPP. */
static const struct way_case way_cases[] = {
	{ "default of pages", "pages", true, false, 0, 0, "pages" },
	{ "default of fault", "fault", true, false, 0, 0, "fault" },
	{ "dma_mmap of pages", "pages", true, false, 1, 0, "pages" },
	{ "dma_mmap of pfn", "pfn", true, false, 1, 0, "pfn" },
	{ "dma_mmap of huge", "huge", true, false, 1, 0, "huge" },
	{ "dma_mmap of direct", "direct", true, false, 1, 0, "direct" },
	{ "dma_mmap of fault", "fault", true, false, 1, 0, NULL },
	{ "fault of fault", "fault", true, false, 5, 0, "fault" },
	{ "insert_page of fault", "fault", true, false, 2, 0, NULL },
	{ "huge of huge", "huge", true, false, 6, 0, "huge" },
	{ "huge of pages", "pages", true, false, 6, 0, NULL },
	{ "huge, cached", "huge", true, false, 6, DMADEMO_ALLOC_CACHED,
	  "huge" },
	{ "insert_page", "huge", true, false, 2, 0, "insert_page" },
	{ "map_pages", "pfn", true, false, 3, 0, "map_pages" },
	{ "remap_pfn", "pages", true, false, 4, 0, "remap_pfn" },
	{ "fault", "pages", true, false, 5, 0, "fault" },
	{ "insert_page of direct", "direct", true, false, 2, 0, NULL },
	{ "insert_page, own memory", "pages", true, true, 2, 0, NULL },
	{ "dma_mmap, own memory", "pages", true, true, 1, 0, "pages" },
	{ "insert_page, not coherent", "pages", false, false, 2, 0, NULL },
	{ "insert_page, not coherent, cached", "pages", false, false, 2,
	  DMADEMO_ALLOC_CACHED, "insert_page" },
	{ "dma_mmap, not coherent", "pages", false, false, 1, 0, "pages" },
};

KUNIT_ARRAY_PARAM_DESC(way, way_cases, name);

static void ways_to_map(struct kunit *test)
{
	const struct way_case *param = test->param_value;
	struct dmademo *dd = kunit_kzalloc(test, sizeof(*dd), GFP_KERNEL);
	const struct dmademo_way *way;

	KUNIT_ASSERT_NOT_NULL(test, dd);
	dd->way = dmademo_way_by_name(param->device);
	KUNIT_ASSERT_NOT_NULL(test, dd->way);
	dd->engine.coherent = param->coherent;
	dd->own_memory = param->own_memory;
	way = dmademo_way_by_strategy(dd, param->strategy, param->flags);
	if (param->way) {
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, way);
		KUNIT_EXPECT_STREQ(test, param->way, way->name);
	} else {
		KUNIT_EXPECT_PTR_EQ(test, ERR_PTR(-EOPNOTSUPP), way);
	}
}

/* --- slices --- */

struct slice_case {
	const char *name;
	size_t offset;
	size_t length;
	unsigned int nr;
	struct dmademo_seg segs[3];
};

/* Of memory of 16 bytes at 0x1000, 1 at 0x5000 and 32 at 0x3000. */
static const struct slice_case slice_cases[] = {
	{ "all", 0, 49, 3, { { 0x1000, 16 }, { 0x5000, 1 }, { 0x3000, 32 } } },
	{ "first byte", 0, 1, 1, { { 0x1000, 1 } } },
	{ "first region", 0, 16, 1, { { 0x1000, 16 } } },
	{ "and one byte", 0, 17, 2, { { 0x1000, 16 }, { 0x5000, 1 } } },
	{ "and two bytes", 0, 18, 3,
	  { { 0x1000, 16 }, { 0x5000, 1 }, { 0x3000, 1 } } },
	{ "end of the first", 15, 1, 1, { { 0x100f, 1 } } },
	{ "across the first", 15, 2, 2, { { 0x100f, 1 }, { 0x5000, 1 } } },
	{ "second region", 16, 1, 1, { { 0x5000, 1 } } },
	{ "second and third", 16, 33, 2, { { 0x5000, 1 }, { 0x3000, 32 } } },
	{ "inside the third", 20, 8, 1, { { 0x3003, 8 } } },
	{ "last byte", 48, 1, 1, { { 0x301f, 1 } } },
};

KUNIT_ARRAY_PARAM_DESC(slice, slice_cases, name);

static void slice_of_memory(struct kunit *test)
{
	static struct dmademo_region regions[] = {
		{ .seg = { 0x1000, 16 } },
		{ .seg = { 0x5000, 1 } },
		{ .seg = { 0x3000, 32 } },
	};
	const struct dmademo_memory mem = { regions, ARRAY_SIZE(regions) };
	const struct slice_case *param = test->param_value;
	struct dmademo_seg *segs;
	unsigned int nr, i;

	segs = dmademo_slice(&mem, param->offset, param->length, &nr);
	KUNIT_ASSERT_NOT_NULL(test, segs);
	KUNIT_EXPECT_EQ(test, param->nr, nr);
	for (i = 0; i < min(nr, param->nr); i++) {
		KUNIT_EXPECT_EQ(test, param->segs[i].addr, segs[i].addr);
		KUNIT_EXPECT_EQ(test, param->segs[i].length, segs[i].length);
	}
	kvfree(segs);
}

/* --- the engine --- */

#define PAGES	40
#define BYTES	(PAGES * PAGE_SIZE)

/*
 * An engine, two buffers, of which each of the first half is granted in one
 * piece, and a driver that waits for its interrupt.
 */
struct engine_test {
	struct device *dev;
	struct dmademo_engine engine;
	u8 *src, *dst, *expected;
	dma_addr_t src_addr, dst_addr;
	struct dmademo_region regions[2];
	struct dmademo_memory mem;
	spinlock_t lock; /* protects the list */
	struct list_head finished;
	wait_queue_head_t wait;
};

static irqreturn_t engine_test_irq(int irq, void *data)
{
	return IRQ_WAKE_THREAD;
}

static irqreturn_t engine_test_thread(int irq, void *data)
{
	struct engine_test *et = data;
	LIST_HEAD(finished);

	dmademo_engine_fetch(&et->engine, &finished);
	scoped_guard(spinlock, &et->lock)
		list_splice_tail(&finished, &et->finished);
	wake_up(&et->wait);
	return IRQ_HANDLED;
}

static struct dmademo_desc *engine_test_pop(struct engine_test *et)
{
	struct dmademo_desc *desc;

	guard(spinlock)(&et->lock);
	desc = list_first_entry_or_null(&et->finished, struct dmademo_desc,
					node);
	if (desc)
		list_del(&desc->node);
	return desc;
}

/* The next one that is done; NULL after some seconds without. */
static struct dmademo_desc *engine_test_wait(struct engine_test *et)
{
	struct dmademo_desc *desc = NULL;

	wait_event_timeout(et->wait, (desc = engine_test_pop(et)), 30 * HZ);
	return desc;
}

static int engine_test_init(struct kunit *test)
{
	struct engine_test *et = kunit_kzalloc(test, sizeof(*et), GFP_KERNEL);
	size_t i;

	KUNIT_ASSERT_NOT_NULL(test, et);
	test->priv = et;
	spin_lock_init(&et->lock);
	INIT_LIST_HEAD(&et->finished);
	init_waitqueue_head(&et->wait);
	et->expected = kunit_kzalloc(test, BYTES, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, et->expected);
	et->dev = kunit_dma_device_register(test, "dmademo", NULL);
	if (PTR_ERR_OR_ZERO(et->dev) == -EBUSY)
		kunit_skip(test, "the architecture has DMA ops of its own");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, et->dev);
	KUNIT_ASSERT_EQ(test, 0, dmademo_engine_init(&et->engine, et->dev));
	KUNIT_ASSERT_EQ(test, 0,
			devm_request_threaded_irq(et->dev, et->engine.irq,
						  engine_test_irq,
						  engine_test_thread, 0,
						  "dmademo", et));

	et->src = dmam_alloc_coherent(et->dev, BYTES, &et->src_addr,
				      GFP_KERNEL);
	et->dst = dmam_alloc_coherent(et->dev, BYTES, &et->dst_addr,
				      GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, et->src);
	KUNIT_ASSERT_NOT_NULL(test, et->dst);
	/* No two pages are alike. */
	for (i = 0; i < BYTES; i++)
		et->src[i] = i ^ i >> 8 ^ i / PAGE_SIZE * 37;
	et->regions[0].seg = (struct dmademo_seg){ et->src_addr, BYTES };
	et->regions[1].seg = (struct dmademo_seg){ et->dst_addr, BYTES };
	et->mem.regions = et->regions;
	et->mem.nr = 2;
	dmademo_engine_grant(&et->engine, &et->mem);
	return 0;
}

/* The status of a transfer. */
static int engine_test_run(struct kunit *test, struct dmademo_desc *desc)
{
	struct engine_test *et = test->priv;

	dmademo_engine_submit(&et->engine, desc);
	KUNIT_ASSERT_PTR_EQ(test, desc, engine_test_wait(et));
	return desc->status;
}

struct segs_case {
	const char *name;
	unsigned int nr_src;
	unsigned int nr_dst;
	size_t length;
	/* offset into the buffer, and length */
	struct dmademo_seg src[4];
	struct dmademo_seg dst[4];
};

/* A window is 15 pages; one side's segments end in the middle of the other's. */
static const struct segs_case segs_cases[] = {
	{ "a byte", 1, 1, 1, { { 1, 1 } }, { { 2, 1 } } },
	{ "a page", 1, 1, PAGE_SIZE, { { 0, PAGE_SIZE } }, { { 0, PAGE_SIZE } } },
	{ "across a page", 1, 1, 2, { { PAGE_SIZE - 1, 2 } }, { { 7, 2 } } },
	{ "a window", 1, 1, 15 * PAGE_SIZE,
	  { { 1, 15 * PAGE_SIZE } }, { { 2, 15 * PAGE_SIZE } } },
	{ "a window and a byte", 1, 1, 15 * PAGE_SIZE + 1,
	  { { 5, 15 * PAGE_SIZE + 1 } }, { { 0, 15 * PAGE_SIZE + 1 } } },
	{ "everything", 1, 1, BYTES, { { 0, BYTES } }, { { 0, BYTES } } },
	{ "from pieces", 4, 1, 1000 + 1 + 20 * PAGE_SIZE + 3,
	  { { 5000, 1000 }, { 1, 1 }, { 10000, 20 * PAGE_SIZE }, { 0, 3 } },
	  { { 100, 1000 + 1 + 20 * PAGE_SIZE + 3 } } },
	{ "to pieces", 1, 4, 1000 + 1 + 20 * PAGE_SIZE + 3,
	  { { 100, 1000 + 1 + 20 * PAGE_SIZE + 3 } },
	  { { 5000, 1000 }, { 1, 1 }, { 10000, 20 * PAGE_SIZE }, { 2, 3 } } },
	{ "pieces to pieces", 3, 2, 10000,
	  { { 0, 1 }, { 20000, 4000 }, { 4096, 5999 } },
	  { { 50000, 7000 }, { 12345, 3000 } } },
	{ "of more than is needed", 2, 2, 300,
	  { { 0, 200 }, { 1000, 200 } }, { { 0, 100 }, { 5000, 250 } } },
};

KUNIT_ARRAY_PARAM_DESC(segs, segs_cases, name);

static void engine_test_segs(struct kunit *test, struct dmademo_desc *desc)
{
	const struct segs_case *param = test->param_value;
	struct engine_test *et = test->priv;
	unsigned int i;

	desc->length = param->length;
	desc->nr_src = param->nr_src;
	desc->nr_dst = param->nr_dst;
	desc->src = kunit_kzalloc(test, sizeof(param->src), GFP_KERNEL);
	desc->dst = kunit_kzalloc(test, sizeof(param->dst), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, desc->src);
	KUNIT_ASSERT_NOT_NULL(test, desc->dst);
	memcpy(desc->src, param->src, sizeof(param->src));
	memcpy(desc->dst, param->dst, sizeof(param->dst));
	for (i = 0; i < desc->nr_src; i++)
		desc->src[i].addr += et->src_addr;
	for (i = 0; i < desc->nr_dst; i++)
		desc->dst[i].addr += et->dst_addr;
}

/* The slow way: the place of the byte at @pos. */
static size_t engine_test_place(const struct dmademo_seg *segs, size_t pos)
{
	for (; pos >= segs->length; segs++)
		pos -= segs->length;
	return segs->addr + pos;
}

static void copy_of_segments(struct kunit *test)
{
	const struct segs_case *param = test->param_value;
	struct dmademo_desc desc = { .op = DMADEMO_OP_COPY };
	struct engine_test *et = test->priv;
	size_t i;

	engine_test_segs(test, &desc);
	for (i = 0; i < param->length; i++)
		et->expected[engine_test_place(param->dst, i)] =
			et->src[engine_test_place(param->src, i)];
	KUNIT_EXPECT_EQ(test, 0, engine_test_run(test, &desc));
	KUNIT_EXPECT_TRUE(test, !memcmp(et->dst, et->expected, BYTES));
}

static void reverse_of_segments(struct kunit *test)
{
	const struct segs_case *param = test->param_value;
	struct dmademo_desc desc = { .op = DMADEMO_OP_REVERSE };
	struct engine_test *et = test->priv;
	size_t i;

	engine_test_segs(test, &desc);
	for (i = 0; i < param->length; i++)
		et->expected[engine_test_place(param->dst,
					       param->length - 1 - i)] =
			et->src[engine_test_place(param->src, i)];
	KUNIT_EXPECT_EQ(test, 0, engine_test_run(test, &desc));
	KUNIT_EXPECT_TRUE(test, !memcmp(et->dst, et->expected, BYTES));
}

static void fill_of_segments(struct kunit *test)
{
	const struct segs_case *param = test->param_value;
	struct dmademo_desc desc = { .op = DMADEMO_OP_FILL, .value = 0xa5 };
	struct engine_test *et = test->priv;
	size_t i;

	engine_test_segs(test, &desc);
	for (i = 0; i < param->length; i++)
		et->expected[engine_test_place(param->dst, i)] = 0xa5;
	KUNIT_EXPECT_EQ(test, 0, engine_test_run(test, &desc));
	KUNIT_EXPECT_TRUE(test, !memcmp(et->dst, et->expected, BYTES));
}

static void sum_of_segments(struct kunit *test)
{
	const struct segs_case *param = test->param_value;
	struct dmademo_desc desc = { .op = DMADEMO_OP_CRC32 };
	struct engine_test *et = test->priv;
	size_t i;

	engine_test_segs(test, &desc);
	for (i = 0; i < param->length; i++)
		et->expected[i] = et->src[engine_test_place(param->src, i)];
	KUNIT_EXPECT_EQ(test, 0, engine_test_run(test, &desc));
	KUNIT_EXPECT_EQ(test, ~crc32_le(~0, et->expected, param->length),
			desc.value);
	KUNIT_EXPECT_NULL(test, memchr_inv(et->dst, 0, BYTES));
}

/* The status of a fill of one segment, of which no byte is written if it fails. */
static int engine_test_fill(struct kunit *test, dma_addr_t addr, size_t size,
			    size_t length)
{
	struct dmademo_seg seg = { addr, size };
	struct dmademo_desc desc = {
		.op	= DMADEMO_OP_FILL,
		.dst	= &seg,
		.nr_dst	= 1,
		.length	= length,
		.value	= 1,
	};
	struct engine_test *et = test->priv;
	int ret = engine_test_run(test, &desc);

	KUNIT_EXPECT_TRUE(test, !ret || !memchr_inv(et->dst, 0, BYTES));
	return ret;
}

static void bus_errors(struct kunit *test)
{
	struct engine_test *et = test->priv;
	const dma_addr_t dst = et->dst_addr;

	KUNIT_EXPECT_EQ(test, -EIO, engine_test_fill(test, dst - 1, 2, 2));
	KUNIT_EXPECT_EQ(test, -EIO, engine_test_fill(test, dst + BYTES, 1, 1));
	KUNIT_EXPECT_EQ(test, -EIO,
			engine_test_fill(test, dst + BYTES - 1, 2, 2));
	KUNIT_EXPECT_EQ(test, -EIO, engine_test_fill(test, dst, BYTES + 1, 1));
	KUNIT_EXPECT_EQ(test, -EIO, engine_test_fill(test, 0, 1, 1));
	KUNIT_EXPECT_EQ(test, -EIO,
			engine_test_fill(test, ~(dma_addr_t)0, 1, 1));
	KUNIT_EXPECT_EQ(test, -EIO,
			engine_test_fill(test, ~(dma_addr_t)0, 2, 2));
	KUNIT_EXPECT_EQ(test, -EIO, engine_test_fill(test, dst, SIZE_MAX, 1));
	/* An empty one, and less than the descriptor says. */
	KUNIT_EXPECT_EQ(test, -EIO, engine_test_fill(test, dst, 0, 1));
	KUNIT_EXPECT_EQ(test, -EIO, engine_test_fill(test, dst, 10, 11));

	KUNIT_EXPECT_EQ(test, 0, engine_test_fill(test, dst, BYTES, BYTES));
}

static void bus_error_on_either_side(struct kunit *test)
{
	struct engine_test *et = test->priv;
	struct dmademo_seg src[] = {
		{ et->src_addr, 8 }, { et->src_addr + BYTES, 8 },
	};
	struct dmademo_seg dst = { et->dst_addr, 16 };
	struct dmademo_desc desc = {
		.op	= DMADEMO_OP_COPY,
		.src	= src,
		.nr_src	= 2,
		.dst	= &dst,
		.nr_dst	= 1,
		.length	= 16,
	};

	KUNIT_EXPECT_EQ(test, -EIO, engine_test_run(test, &desc));
	/* Not even what comes before it. */
	KUNIT_EXPECT_NULL(test, memchr_inv(et->dst, 0, BYTES));
}

static void mask_limits_the_engine(struct kunit *test)
{
	struct engine_test *et = test->priv;
	const dma_addr_t last = et->dst_addr + BYTES - 1;

	/* Not what dma_set_mask() would let a driver do. */
	*et->dev->dma_mask = last - 1;
	KUNIT_EXPECT_EQ(test, -EIO, engine_test_fill(test, last, 1, 1));
	KUNIT_EXPECT_EQ(test, -EIO, engine_test_fill(test, last - 1, 2, 2));
	*et->dev->dma_mask = last;
	KUNIT_EXPECT_EQ(test, 0, engine_test_fill(test, last - 1, 2, 2));
	*et->dev->dma_mask = DMA_BIT_MASK(64);
}

/* What was mapped for it to read is not written, and the other way round. */
static void direction_limits_the_engine(struct kunit *test)
{
	struct engine_test *et = test->priv;
	struct dmademo_region regions[] = {
		{ .seg = { et->src_addr, BYTES } },
		{ .seg = { et->dst_addr, BYTES } },
	};
	struct dmademo_memory to = { &regions[0], 1, DMA_TO_DEVICE };
	struct dmademo_memory from = { &regions[1], 1, DMA_FROM_DEVICE };
	struct dmademo_desc desc = {
		.op	= DMADEMO_OP_COPY,
		.src	= &regions[0].seg,
		.nr_src	= 1,
		.dst	= &regions[1].seg,
		.nr_dst	= 1,
		.length	= BYTES,
	};

	dmademo_engine_revoke(&et->engine, &et->mem);
	dmademo_engine_grant(&et->engine, &to);
	dmademo_engine_grant(&et->engine, &from);
	KUNIT_EXPECT_EQ(test, 0, engine_test_run(test, &desc));
	KUNIT_EXPECT_TRUE(test, !memcmp(et->src, et->dst, BYTES));
	memset(et->dst, 0, desc.length);

	swap(desc.src, desc.dst);
	KUNIT_EXPECT_EQ(test, -EIO, engine_test_run(test, &desc));
	desc.op = DMADEMO_OP_CRC32;
	KUNIT_EXPECT_EQ(test, -EIO, engine_test_run(test, &desc));
	KUNIT_EXPECT_EQ(test, -EIO, engine_test_fill(test, et->src_addr, 1, 1));
	KUNIT_EXPECT_EQ(test, 0, engine_test_fill(test, et->dst_addr, 1, 1));

	/* Whoever has it for both may do both. */
	dmademo_engine_grant(&et->engine, &et->mem);
	KUNIT_EXPECT_EQ(test, 0, engine_test_fill(test, et->src_addr, 1, 1));
	dmademo_engine_revoke(&et->engine, &to);
	dmademo_engine_revoke(&et->engine, &from);
}

/* Twice granted is revoked twice; and pieces are not more than they are. */
static void grants_overlap(struct kunit *test)
{
	struct engine_test *et = test->priv;
	struct dmademo_region regions[] = {
		{ .seg = { et->dst_addr + 100, 10 } },
		{ .seg = { et->dst_addr + 110, 10 } },
		{ .seg = { et->dst_addr + 100, 10 } },
	};
	struct dmademo_memory first = { regions, 2 };
	struct dmademo_memory again = { &regions[2], 1 };
	const dma_addr_t addr = et->dst_addr + 100;

	dmademo_engine_revoke(&et->engine, &et->mem);
	KUNIT_EXPECT_EQ(test, -EIO, engine_test_fill(test, addr, 1, 1));
	dmademo_engine_grant(&et->engine, &first);
	dmademo_engine_grant(&et->engine, &again);
	KUNIT_EXPECT_EQ(test, -EIO, engine_test_fill(test, addr - 1, 1, 1));
	KUNIT_EXPECT_EQ(test, -EIO, engine_test_fill(test, addr + 20, 1, 1));
	KUNIT_EXPECT_EQ(test, -EIO, engine_test_fill(test, addr + 9, 2, 2));
	dmademo_engine_revoke(&et->engine, &again);
	KUNIT_EXPECT_EQ(test, 0, engine_test_fill(test, addr, 10, 10));
	KUNIT_EXPECT_EQ(test, 0, engine_test_fill(test, addr + 10, 10, 10));
	memset(et->dst + 100, 0, 20);
	dmademo_engine_revoke(&et->engine, &first);
	KUNIT_EXPECT_EQ(test, -EIO, engine_test_fill(test, addr, 1, 1));
}

#define QUEUED	8

static void descriptors_are_done_in_order(struct kunit *test)
{
	struct engine_test *et = test->priv;
	struct dmademo_desc *desc;
	struct dmademo_seg *seg;
	unsigned int i;

	desc = kunit_kcalloc(test, QUEUED, sizeof(*desc), GFP_KERNEL);
	seg = kunit_kcalloc(test, QUEUED, sizeof(*seg), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, desc);
	KUNIT_ASSERT_NOT_NULL(test, seg);
	for (i = 0; i < QUEUED; i++) {
		seg[i] = (struct dmademo_seg){ et->dst_addr, BYTES - i };
		desc[i].op = DMADEMO_OP_FILL;
		desc[i].dst = &seg[i];
		desc[i].nr_dst = 1;
		desc[i].length = BYTES - i;
		desc[i].value = i + 1;
		dmademo_engine_submit(&et->engine, &desc[i]);
	}
	for (i = 0; i < QUEUED; i++) {
		KUNIT_ASSERT_PTR_EQ(test, &desc[i], engine_test_wait(et));
		KUNIT_EXPECT_EQ(test, 0, desc[i].status);
	}
	KUNIT_EXPECT_NULL(test, memchr_inv(et->dst, QUEUED,
					   BYTES - (QUEUED - 1)));
	KUNIT_EXPECT_EQ(test, 1, et->dst[BYTES - 1]);
}

/* The first of them may be under way, the last one is done or stopped. */
static void descriptors_can_be_stopped(struct kunit *test)
{
	struct engine_test *et = test->priv;
	struct dmademo_desc *desc, *done;
	struct dmademo_seg seg = { et->dst_addr, BYTES };
	unsigned int i, stopped = 0;

	desc = kunit_kcalloc(test, QUEUED, sizeof(*desc), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, desc);
	for (i = 0; i < QUEUED; i++) {
		desc[i].op = DMADEMO_OP_FILL;
		desc[i].dst = &seg;
		desc[i].nr_dst = 1;
		desc[i].length = BYTES;
		dmademo_engine_submit(&et->engine, &desc[i]);
	}
	for (i = QUEUED; i--; )
		dmademo_engine_stop(&et->engine, &desc[i], -ECANCELED);
	for (i = 0; i < QUEUED; i++) {
		done = engine_test_wait(et);
		KUNIT_ASSERT_NOT_NULL(test, done);
		if (done->status)
			KUNIT_EXPECT_EQ(test, -ECANCELED, done->status);
		stopped += !!done->status;
	}
	/* It does not matter when it is too late. */
	dmademo_engine_stop(&et->engine, &desc[0], -ECANCELED);
	kunit_info(test, "stopped %u of %u\n", stopped, QUEUED);
	KUNIT_EXPECT_EQ(test, 0,
			engine_test_fill(test, et->dst_addr, BYTES, BYTES));
}

/* One that is stopped before the engine looks at it leaves no trace. */
static void stopped_descriptor_does_nothing(struct kunit *test)
{
	struct engine_test *et = test->priv;
	struct dmademo_seg seg = { et->dst_addr, BYTES };
	struct dmademo_desc desc = {
		.op	= DMADEMO_OP_FILL,
		.dst	= &seg,
		.nr_dst	= 1,
		.length	= BYTES,
		.value	= 1,
		.stop	= -ENODEV,
	};

	KUNIT_EXPECT_EQ(test, -ENODEV, engine_test_run(test, &desc));
	KUNIT_EXPECT_NULL(test, memchr_inv(et->dst, 0, BYTES));
}

static struct kunit_case dmademo_args_cases[] = {
	KUNIT_CASE_PARAM(run_arguments, run_gen_params),
	KUNIT_CASE_PARAM(alloc_arguments, alloc_gen_params),
	KUNIT_CASE_PARAM(sync_arguments, sync_gen_params),
	KUNIT_CASE_PARAM(export_arguments, export_gen_params),
	KUNIT_CASE(reserved_arguments),
	KUNIT_CASE_PARAM(ways_to_map, way_gen_params),
	KUNIT_CASE_PARAM(slice_of_memory, slice_gen_params),
	{}
};

static struct kunit_suite dmademo_args_suite = {
	.name = "dmademo_args",
	.test_cases = dmademo_args_cases,
};

static struct kunit_case dmademo_engine_cases[] = {
	KUNIT_CASE_PARAM(copy_of_segments, segs_gen_params),
	KUNIT_CASE_PARAM(reverse_of_segments, segs_gen_params),
	KUNIT_CASE_PARAM(fill_of_segments, segs_gen_params),
	KUNIT_CASE_PARAM(sum_of_segments, segs_gen_params),
	KUNIT_CASE(bus_errors),
	KUNIT_CASE(bus_error_on_either_side),
	KUNIT_CASE(mask_limits_the_engine),
	KUNIT_CASE(direction_limits_the_engine),
	KUNIT_CASE(grants_overlap),
	KUNIT_CASE(descriptors_are_done_in_order),
	KUNIT_CASE(descriptors_can_be_stopped),
	KUNIT_CASE(stopped_descriptor_does_nothing),
	{}
};

static struct kunit_suite dmademo_engine_suite = {
	.name = "dmademo_engine",
	.init = engine_test_init,
	.test_cases = dmademo_engine_cases,
};

kunit_test_suites(&dmademo_args_suite, &dmademo_engine_suite);
