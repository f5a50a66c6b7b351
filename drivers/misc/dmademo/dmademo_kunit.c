// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the DMA demo device: what the engine makes of its descriptors, and
 * the check of what user space asks for.  There is no device node, but a device that
 * can do DMA, with an interrupt of its own.
 */
#include <kunit/dma.h>
#include <kunit/test.h>
#include <linux/crc32.h>
#include <linux/dma-mapping.h>
#include <linux/interrupt.h>
#include <linux/string.h>

#include "dmademo.h"

/* --- what user space asks for --- */

#define COPY	.op = DMADEMO_OP_COPY, .src = 1, .dst = 2
#define FILL	.op = DMADEMO_OP_FILL, .dst = 2
#define CRC	.op = DMADEMO_OP_CRC32, .src = 1
#define SRC	DMADEMO_RUN_SRC_USER
#define DST	DMADEMO_RUN_DST_USER

static const struct run_case {
	const char *name;
	int ret;
	struct dmademo_run run;
} run_cases[] = {
	{ "most bytes", 0, { COPY, .length = DMADEMO_MAX_BYTES } },
	{ "too many bytes", -EINVAL, { COPY, .length = DMADEMO_MAX_BYTES + 1ULL } },
	{ "all bytes", -EINVAL, { COPY, .length = U64_MAX } },
	{ "no bytes", -EINVAL, { COPY } },
	{ "copy of a value", -EINVAL, { COPY, .length = 1, .value = 1 } },
	{ "fill", 0, { FILL, .length = 1, .value = 255 } },
	{ "fill with too much", -EINVAL, { FILL, .length = 1, .value = 256 } },
	{ "fill reads", -EINVAL, { FILL, .length = 1, .src = 1 } },
	{ "fill reads somewhere", -EINVAL, { FILL, .length = 1, .src_offset = 1 } },
	{ "fill reads user memory", -EINVAL, { FILL, .length = 1, .flags = SRC } },
	{ "sum", 0, { CRC, .length = 1 } },
	{ "sum of a value", -EINVAL, { CRC, .length = 1, .value = 1 } },
	{ "sum writes", -EINVAL, { CRC, .length = 1, .dst = 1 } },
	{ "sum writes somewhere", -EINVAL, { CRC, .length = 1, .dst_offset = 1 } },
	{ "sum writes user memory", -EINVAL, { CRC, .length = 1, .flags = DST } },
	{ "unknown operation", -EINVAL, { .op = 3, .src = 1, .length = 1 } },
	{ "unknown flag", -EINVAL, { COPY, .length = 1, .flags = DST << 1 } },
	{ "reserved", -EINVAL, { COPY, .length = 1, .__reserved = 1 } },
	{ "apart", 0, { .dst_offset = 8, .length = 8 } },
	{ "overlapping", -EINVAL, { .dst_offset = 7, .length = 8 } },
	{ "overlapping from below", -EINVAL, { .src_offset = 7, .length = 8 } },
	{ "users apart", 0, { .src_offset = 8, .length = 8, .flags = SRC | DST } },
	{ "users overlap", -EINVAL, { .src_offset = 7, .length = 8, .flags = SRC | DST } },
	{ "user memory and buffer 0", 0, { .length = 8, .flags = DST } },
	{ "user memory of a handle", -EINVAL, { COPY, .length = 1, .flags = SRC } },
	{ "user memory to a handle", -EINVAL, { COPY, .length = 1, .flags = DST } },
};

KUNIT_ARRAY_PARAM_DESC(run, run_cases, name);

static void run_arguments(struct kunit *test)
{
	const struct run_case *param = test->param_value;

	KUNIT_EXPECT_EQ(test, param->ret, dmademo_run_check(&param->run));
}

/* --- the engine --- */

#define BYTES	(40 * PAGE_SIZE)
#define PIECES	4

/* Bytes of a buffer. */
struct piece {
	dma_addr_t at;
	size_t length;
};

#define ALL	{ 0, BYTES }

/* One side: a buffer, and what the engine is told of it. */
struct side {
	u8 *mem;
	dma_addr_t addr;
	struct dmademo_grant grant;
	struct scatterlist sg[PIECES];
};

/* An engine, and a driver that waits for its interrupts. */
struct engine_test {
	struct device *dev;
	struct dmademo_engine engine;
	struct dmademo_desc desc;
	struct completion done;
	atomic_t irqs;
	int runs;
	struct side src, dst;
	u8 *expected;
};

static irqreturn_t engine_test_irq(int irq, void *data)
{
	struct engine_test *et = data;

	atomic_inc(&et->irqs);
	complete(&et->done);
	return IRQ_HANDLED;
}

/* A list of the pieces, up to an empty one. */
static void side_list(struct side *side, const struct piece *pieces, unsigned int max)
{
	unsigned int nr = 0, i;

	while (nr < max && pieces[nr].length)
		nr++;
	sg_init_table(side->sg, nr);
	for (i = 0; i < nr; i++) {
		sg_dma_address(&side->sg[i]) = side->addr + pieces[i].at;
		sg_dma_len(&side->sg[i]) = pieces[i].length;
	}
}

static void side_init(struct kunit *test, struct side *side)
{
	struct engine_test *et = test->priv;

	side->mem = dmam_alloc_coherent(et->dev, BYTES, &side->addr, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, side->mem);
	side_list(side, (const struct piece[]){ ALL }, 1);
	/* Nothing is what it starts with. */
	KUNIT_EXPECT_FALSE(test, side->grant.read || side->grant.write);
	dmademo_engine_grant(&et->engine, &side->grant, DMA_BIDIRECTIONAL);
}

static int engine_test_init(struct kunit *test)
{
	/* Where that fits, what is right for the CPU is wrong for the device. */
	static const struct kunit_dma_config cfg = {
		.bus_offset = IS_ENABLED(CONFIG_ARCH_DMA_ADDR_T_64BIT) ? SZ_1G : 0,
	};
	struct engine_test *et = kunit_kzalloc(test, sizeof(*et), GFP_KERNEL);
	size_t i;

	KUNIT_ASSERT_NOT_NULL(test, et);
	test->priv = et;
	init_completion(&et->done);
	et->expected = kunit_kzalloc(test, BYTES, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, et->expected);
	et->dev = kunit_dma_device_register(test, "dmademo", &cfg);
	if (PTR_ERR_OR_ZERO(et->dev) == -EBUSY)
		kunit_skip(test, "the architecture has DMA ops of its own");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, et->dev);
	KUNIT_ASSERT_EQ(test, 0, dmademo_engine_init(&et->engine, et->dev));
	KUNIT_ASSERT_EQ(test, 0, devm_request_irq(et->dev, et->engine.irq,
						  engine_test_irq, 0, "dmademo", et));
	side_init(test, &et->src);
	side_init(test, &et->dst);
	/* No two pages are alike. */
	for (i = 0; i < BYTES; i++)
		et->src.mem[i] = i ^ i >> 8 ^ i / PAGE_SIZE * 37;
	et->desc.length = BYTES;
	return 0;
}

/* The status of what was started; whatever it is, there is one interrupt. */
static int engine_test_wait(struct kunit *test)
{
	struct engine_test *et = test->priv;

	KUNIT_ASSERT_NE(test, 0, wait_for_completion_timeout(&et->done, 30 * HZ));
	KUNIT_EXPECT_EQ(test, ++et->runs, atomic_read(&et->irqs));
	return et->desc.status;
}

static bool op_reads(u32 op)
{
	return op != DMADEMO_OP_FILL;
}

static bool op_writes(u32 op)
{
	return op != DMADEMO_OP_CRC32;
}

/* The side that the operation has not is not there. */
static void engine_test_start(struct kunit *test, u32 op, u32 value)
{
	struct engine_test *et = test->priv;

	et->desc.src.grant = op_reads(op) ? &et->src.grant : NULL;
	et->desc.src.sg = op_reads(op) ? et->src.sg : NULL;
	et->desc.dst.grant = op_writes(op) ? &et->dst.grant : NULL;
	et->desc.dst.sg = op_writes(op) ? et->dst.sg : NULL;
	et->desc.value = value;
	et->desc.status = 1;
	dmademo_engine_start(&et->engine, &et->desc);
}

static int engine_test_run(struct kunit *test, u32 op, u32 value)
{
	engine_test_start(test, op, value);
	return engine_test_wait(test);
}

/* The engine takes 16 KiB at a time; one side's pieces end in the middle of the other's. */
static const struct list_case {
	const char *name;
	size_t length, src_offset, dst_offset;
	struct piece src[PIECES], dst[PIECES];
} list_cases[] = {
	{ "a byte", 1, 1, 2, { { 0, 9 } }, { { 1, 9 } } },
	{ "across a page", 2, PAGE_SIZE - 1, 7, { ALL }, { ALL } },
	{ "all that is taken at a time", SZ_16K, 5, 0, { ALL }, { ALL } },
	{ "a byte more", SZ_16K + 1, 5, 0, { ALL }, { ALL } },
	{ "everything", BYTES, 0, 0, { ALL }, { ALL } },
	{ "from pieces", 1004 + 20 * PAGE_SIZE, 0, 100,
	  { { 5000, 1000 }, { 1, 1 }, { 10000, 20 * PAGE_SIZE }, { 0, 3 } }, { ALL } },
	{ "to pieces", 1004 + 20 * PAGE_SIZE, 100, 0,
	  { ALL }, { { 5000, 1000 }, { 1, 1 }, { 10000, 20 * PAGE_SIZE }, { 2, 3 } } },
	{ "from and to pieces", 10000, 0, 0,
	  { { 0, 1 }, { 20000, 4000 }, { 4096, 5999 } }, { { 50000, 7000 }, { 12345, 3000 } } },
	{ "from the middle of pieces", 300, 101, 250,
	  { { 7, 100 }, { 1000, 200 }, { 3, 4 }, { 5000, 900 } },
	  { { 11, 200 }, { 300, 51 }, { 9000, 400 } } },
	{ "from the start of pieces", 300, 100, 200,
	  { { 7, 100 }, { 1000, 201 }, { 3000, 200 } },
	  { { 11, 200 }, { 300, 51 }, { 9000, 249 } } },
};

KUNIT_ARRAY_PARAM_DESC(list, list_cases, name);

/* The slow way: the place of the byte at @pos of a list. */
static size_t list_place(const struct piece *piece, size_t pos)
{
	for (; pos >= piece->length; piece++)
		pos -= piece->length;
	return piece->at + pos;
}

static void lists_of_pieces(struct kunit *test)
{
	const struct list_case *param = test->param_value;
	struct engine_test *et = test->priv;
	u32 crc = ~0;
	size_t i;

	side_list(&et->src, param->src, PIECES);
	side_list(&et->dst, param->dst, PIECES);
	et->desc.length = param->length;
	et->desc.src.offset = param->src_offset;
	et->desc.dst.offset = param->dst_offset;
	for (i = 0; i < param->length; i++) {
		u8 *byte = et->src.mem + list_place(param->src, param->src_offset + i);

		et->expected[list_place(param->dst, param->dst_offset + i)] = *byte;
		crc = crc32_le(crc, byte, 1);
	}
	KUNIT_EXPECT_EQ(test, 0, engine_test_run(test, DMADEMO_OP_COPY, 0));
	KUNIT_EXPECT_EQ(test, 0, memcmp(et->dst.mem, et->expected, BYTES));

	KUNIT_EXPECT_EQ(test, 0, engine_test_run(test, DMADEMO_OP_CRC32, 0));
	KUNIT_EXPECT_EQ(test, ~crc, et->desc.value);

	for (i = 0; i < param->length; i++)
		et->expected[list_place(param->dst, param->dst_offset + i)] = 0xa5;
	KUNIT_EXPECT_EQ(test, 0, engine_test_run(test, DMADEMO_OP_FILL, 0xa5));
	KUNIT_EXPECT_EQ(test, 0, memcmp(et->dst.mem, et->expected, BYTES));
}

/* Each operation with each side granted in each direction, or in none. */
static void granted_memory(struct kunit *test)
{
	static const bool read[] = { [DMA_BIDIRECTIONAL] = true, [DMA_TO_DEVICE] = true,
				     [DMA_NONE] = false };
	static const bool write[] = { [DMA_BIDIRECTIONAL] = true, [DMA_FROM_DEVICE] = true,
				      [DMA_NONE] = false };
	struct engine_test *et = test->priv;
	unsigned int i;

	for (i = 0; i < 3 * 4 * 4; i++) {
		const unsigned int op = i / 16, src = i / 4 % 4, dst = i % 4;
		const bool ok = (read[src] || !op_reads(op)) && (write[dst] || !op_writes(op));

		memset32((u32 *)et->dst.mem, 0, BYTES / sizeof(u32));
		dmademo_engine_grant(&et->engine, &et->src.grant, src);
		dmademo_engine_grant(&et->engine, &et->dst.grant, dst);
		KUNIT_EXPECT_EQ(test, ok ? 0 : -EIO, engine_test_run(test, op, 1));
		KUNIT_EXPECT_EQ(test, !ok || !op_writes(op),
				!memchr_inv(et->dst.mem, 0, BYTES));
	}
}

/* Before it has done anything. */
static void transfer_ends_early(struct kunit *test)
{
	struct engine_test *et = test->priv;

	scoped_guard(mutex, &et->engine.access) {
		engine_test_start(test, DMADEMO_OP_COPY, 0);
		et->dst.grant.write = false;
	}
	KUNIT_EXPECT_EQ(test, -EIO, engine_test_wait(test));
	KUNIT_EXPECT_NULL(test, memchr_inv(et->dst.mem, 0, BYTES));
	dmademo_engine_grant(&et->engine, &et->dst.grant, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, 0, engine_test_run(test, DMADEMO_OP_FILL, 1));

	scoped_guard(mutex, &et->engine.access) {
		engine_test_start(test, DMADEMO_OP_FILL, 2);
		WRITE_ONCE(et->engine.stop, -ECANCELED);
	}
	KUNIT_EXPECT_EQ(test, -ECANCELED, engine_test_wait(test));
	KUNIT_EXPECT_EQ(test, 1, et->dst.mem[BYTES - 1]);
	/* The next one does not. */
	KUNIT_EXPECT_EQ(test, 0, engine_test_run(test, DMADEMO_OP_FILL, 2));
	KUNIT_EXPECT_NULL(test, memchr_inv(et->dst.mem, 2, BYTES));
}

/* On either side, behind 8 bytes that may have been copied.  The last one wraps. */
static void no_memory(struct kunit *test)
{
	const struct piece none[] = {
		{ -(dma_addr_t)PAGE_SIZE, PAGE_SIZE }, { -1, 1 }, { -1, 2 },
	};
	struct engine_test *et = test->priv;
	unsigned int i;

	for (i = 0; i < 2 * ARRAY_SIZE(none); i++) {
		struct side *side = i % 2 ? &et->src : &et->dst;
		struct piece pieces[] = { { 0, 8 }, none[i / 2] };

		pieces[1].at -= side->addr;
		side_list(side, pieces, 2);
		et->desc.length = 8 + pieces[1].length;
		KUNIT_EXPECT_EQ(test, -EIO, engine_test_run(test, DMADEMO_OP_COPY, 0));
		KUNIT_EXPECT_NULL(test, memchr_inv(et->dst.mem + 8, 0, BYTES - 8));
		side_list(side, (const struct piece[]){ ALL }, 1);
	}
}

/* Neither byte, one and both; dma_set_mask() would not let a driver do so. */
static void mask_limits_the_engine(struct kunit *test)
{
	struct engine_test *et = test->priv;
	unsigned int i;

	et->desc.dst.offset = BYTES - 2;
	et->desc.length = 2;
	for (i = 0; i <= 2; i++) {
		*et->dev->dma_mask = et->dst.addr + BYTES - 3 + i;
		KUNIT_EXPECT_NULL(test, memchr_inv(et->dst.mem, 0, BYTES));
		KUNIT_EXPECT_EQ(test, i < 2 ? -EIO : 0,
				engine_test_run(test, DMADEMO_OP_FILL, 1));
	}
	*et->dev->dma_mask = DMA_BIT_MASK(64);
}

/* It does not see the caches, on an architecture that lets it. */
static void device_that_is_not_coherent(struct kunit *test)
{
	struct engine_test *et = test->priv;
	u8 *mem = et->expected;
	dma_addr_t addr;
	unsigned int i;

	addr = dma_map_single(et->dev, mem, BYTES, DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_EQ(test, 0, dma_mapping_error(et->dev, addr));
	sg_dma_address(et->src.sg) = addr;
	sg_dma_address(et->dst.sg) = addr;
	dev_clear_dma_coherent(et->dev);
	et->engine.coherent = false;
	for (i = 1; i < 5; i++) {
		memset32((u32 *)mem, 0x01010101 * i, BYTES / sizeof(u32));
		dma_sync_single_for_device(et->dev, addr, BYTES, DMA_BIDIRECTIONAL);
		KUNIT_EXPECT_EQ(test, 0, engine_test_run(test, DMADEMO_OP_CRC32, 0));
		KUNIT_EXPECT_EQ(test, ~crc32_le(~0, mem, BYTES), et->desc.value);
		KUNIT_EXPECT_EQ(test, 0, engine_test_run(test, DMADEMO_OP_FILL, 0x80 + i));
		dma_sync_single_for_cpu(et->dev, addr, BYTES, DMA_BIDIRECTIONAL);
		KUNIT_EXPECT_NULL(test, memchr_inv(mem, 0x80 + i, BYTES));
	}
	/* As it was when the buffers were made. */
	dev_set_dma_coherent(et->dev);
	dma_unmap_single(et->dev, addr, BYTES, DMA_BIDIRECTIONAL);
}

static struct kunit_case dmademo_args_cases[] = {
	KUNIT_CASE_PARAM(run_arguments, run_gen_params),
	{}
};

static struct kunit_suite dmademo_args_suite = {
	.name = "dmademo_args",
	.test_cases = dmademo_args_cases,
};

static struct kunit_case dmademo_engine_cases[] = {
	KUNIT_CASE_PARAM(lists_of_pieces, list_gen_params),
	KUNIT_CASE(granted_memory),
	KUNIT_CASE(transfer_ends_early),
	KUNIT_CASE(no_memory),
	KUNIT_CASE(mask_limits_the_engine),
	KUNIT_CASE(device_that_is_not_coherent),
	{}
};

static struct kunit_suite dmademo_engine_suite = {
	.name = "dmademo_engine",
	.init = engine_test_init,
	.test_cases = dmademo_engine_cases,
};

kunit_test_suites(&dmademo_args_suite, &dmademo_engine_suite);
