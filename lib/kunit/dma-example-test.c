// SPDX-License-Identifier: GPL-2.0
/*
 * How to test code that uses the DMA API: a small driver, and its tests.
 *
 * The driver has a ring of descriptors that its device reads from memory.  A
 * descriptor says where a message is, and in which direction it goes.
 */
#include <kunit/dma.h>
#include <kunit/test.h>
#include <linux/dma-mapping.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>

/* --- what is tested: in real life, a file in drivers/ ---------------------- */

#define RING_ENTRIES	4

struct example_desc {
	__le64	addr;
	__le32	len;
	__le32	flags;
#define EXAMPLE_TO_DEVICE	BIT(0)
};

struct example {
	struct device		*dev;
	struct example_desc	*ring;
	dma_addr_t		ring_addr;
	unsigned int		head;
	unsigned int		used;
};

static int example_init(struct example *ex, struct device *dev)
{
	ex->dev = dev;
	ex->head = 0;
	ex->used = 0;
	ex->ring = dma_alloc_coherent(dev, RING_ENTRIES * sizeof(*ex->ring),
				      &ex->ring_addr, GFP_KERNEL);
	return ex->ring ? 0 : -ENOMEM;
}

static void example_exit(struct example *ex)
{
	dma_free_coherent(ex->dev, RING_ENTRIES * sizeof(*ex->ring), ex->ring,
			  ex->ring_addr);
}

static void example_push(struct example *ex, dma_addr_t addr, u32 len,
			 u32 flags)
{
	struct example_desc *desc = &ex->ring[ex->head++ % RING_ENTRIES];

	desc->addr = cpu_to_le64(addr);
	desc->len = cpu_to_le32(len);
	desc->flags = cpu_to_le32(flags);
	ex->used++;
}

/* Gives a message to the device; example_done() takes it back. */
static int example_start(struct example *ex, void *msg, u32 len,
			 enum dma_data_direction dir, dma_addr_t *addr)
{
	if (ex->used == RING_ENTRIES)
		return -ENOSPC;
	*addr = dma_map_single(ex->dev, msg, len, dir);
	if (dma_mapping_error(ex->dev, *addr))
		return -ENOMEM;
	example_push(ex, *addr, len,
		     dir == DMA_TO_DEVICE ? EXAMPLE_TO_DEVICE : 0);
	return 0;
}

static void example_done(struct example *ex, dma_addr_t addr, u32 len,
			 enum dma_data_direction dir)
{
	dma_unmap_single(ex->dev, addr, len, dir);
	ex->used--;
}

/* The same for a message in pieces, all of which go, or none. */
static int example_start_sg(struct example *ex, struct sg_table *sgt)
{
	struct scatterlist *sg;
	int ret, i;

	ret = dma_map_sgtable(ex->dev, sgt, DMA_TO_DEVICE, 0);
	if (ret)
		return ret;
	if (sgt->nents > RING_ENTRIES - ex->used) {
		dma_unmap_sgtable(ex->dev, sgt, DMA_TO_DEVICE, 0);
		return -ENOSPC;
	}
	for_each_sgtable_dma_sg(sgt, sg, i)
		example_push(ex, sg_dma_address(sg), sg_dma_len(sg),
			     EXAMPLE_TO_DEVICE);
	return 0;
}

static void example_done_sg(struct example *ex, struct sg_table *sgt)
{
	ex->used -= sgt->nents;
	dma_unmap_sgtable(ex->dev, sgt, DMA_TO_DEVICE, 0);
}

/* --- the device, as far as the driver can tell ----------------------------- */

/* Reads descriptor @i as the device does, and the message that goes to it. */
static u32 device_receive(struct kunit *test, struct example *ex,
			  unsigned int i, void *msg, u32 max)
{
	struct example_desc desc;
	u32 len;

	KUNIT_ASSERT_EQ(test, 0, kunit_dma_read(ex->dev, ex->ring_addr +
						i * sizeof(desc), &desc,
						sizeof(desc)));
	len = le32_to_cpu(desc.len);
	KUNIT_ASSERT_EQ(test, EXAMPLE_TO_DEVICE, le32_to_cpu(desc.flags));
	KUNIT_ASSERT_LE(test, len, max);
	KUNIT_ASSERT_EQ(test, 0, kunit_dma_read(ex->dev, le64_to_cpu(desc.addr),
						msg, len));
	return len;
}

/* Writes a message to where descriptor @i says. */
static void device_send(struct kunit *test, struct example *ex, unsigned int i,
			const void *msg, u32 len)
{
	struct example_desc desc;

	KUNIT_ASSERT_EQ(test, 0, kunit_dma_read(ex->dev, ex->ring_addr +
						i * sizeof(desc), &desc,
						sizeof(desc)));
	KUNIT_ASSERT_EQ(test, 0, le32_to_cpu(desc.flags));
	KUNIT_ASSERT_LE(test, len, le32_to_cpu(desc.len));
	KUNIT_ASSERT_EQ(test, 0, kunit_dma_write(ex->dev,
						 le64_to_cpu(desc.addr), msg,
						 len));
}

/* --- the tests -------------------------------------------------------------- */

static const char hello[] = "a message";

/*
 * With an offset, so that an address of the CPU's is none of the device's, where
 * there is room for one and the architecture allows it.
 */
static struct example *example(struct kunit *test)
{
	static const struct kunit_dma_config cfg = {
		.bus_offset = IS_ENABLED(CONFIG_ARCH_DMA_ADDR_T_64BIT) &&
			      !IS_ENABLED(CONFIG_ARCH_HAS_PHYS_TO_DMA) ?
			      SZ_1G : 0,
	};
	struct example *ex = kunit_kzalloc(test, sizeof(*ex), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ex);
	ex->dev = kunit_dma_device_register(test, "example", &cfg);
	if (PTR_ERR_OR_ZERO(ex->dev) == -EBUSY)
		kunit_skip(test, "the architecture has DMA ops of its own");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, ex->dev);
	return ex;
}

static struct example *started_example(struct kunit *test)
{
	struct example *ex = example(test);

	KUNIT_ASSERT_EQ(test, 0, example_init(ex, ex->dev));
	return ex;
}

/* DMA is not for the stack, nor for constants. */
static void *message(struct kunit *test, const char *text)
{
	void *msg = kunit_kzalloc(test, SZ_64, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, msg);
	strscpy(msg, text, SZ_64);
	return msg;
}

static void message_reaches_the_device(struct kunit *test)
{
	struct example *ex = started_example(test);
	void *msg = message(test, hello);
	char received[SZ_64];
	dma_addr_t addr;

	KUNIT_ASSERT_EQ(test, 0, example_start(ex, msg, sizeof(hello),
					       DMA_TO_DEVICE, &addr));
	KUNIT_EXPECT_EQ(test, sizeof(hello),
			device_receive(test, ex, 0, received,
				       sizeof(received)));
	KUNIT_EXPECT_STREQ(test, hello, received);
	example_done(ex, addr, sizeof(hello), DMA_TO_DEVICE);
	example_exit(ex);
}

static void message_comes_from_the_device(struct kunit *test)
{
	struct example *ex = started_example(test);
	void *msg = message(test, "");
	dma_addr_t addr;

	KUNIT_ASSERT_EQ(test, 0, example_start(ex, msg, SZ_64, DMA_FROM_DEVICE,
					       &addr));
	device_send(test, ex, 0, hello, sizeof(hello));
	example_done(ex, addr, SZ_64, DMA_FROM_DEVICE);
	KUNIT_EXPECT_STREQ(test, hello, (char *)msg);
	example_exit(ex);
}

static void ring_that_is_full_maps_nothing(struct kunit *test)
{
	struct example *ex = started_example(test);
	void *msg = message(test, hello);
	dma_addr_t addr[RING_ENTRIES + 1];
	unsigned int i;

	for (i = 0; i < RING_ENTRIES; i++)
		KUNIT_ASSERT_EQ(test, 0, example_start(ex, msg, SZ_64,
						       DMA_TO_DEVICE,
						       &addr[i]));
	KUNIT_EXPECT_EQ(test, -ENOSPC, example_start(ex, msg, SZ_64,
						     DMA_TO_DEVICE, &addr[i]));
	for (i = 0; i < RING_ENTRIES; i++)
		example_done(ex, addr[i], SZ_64, DMA_TO_DEVICE);
	example_exit(ex);
}

static void pieces(struct kunit *test, struct sg_table *sgt, unsigned int nr)
{
	struct scatterlist *sg;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, 0, sg_alloc_table(sgt, nr, GFP_KERNEL));
	for_each_sgtable_sg(sgt, sg, i)
		sg_set_buf(sg, message(test, hello), SZ_64);
}

static void message_in_pieces_reaches_the_device(struct kunit *test)
{
	struct example *ex = started_example(test);
	char received[SZ_64];
	struct sg_table sgt;
	unsigned int i;

	pieces(test, &sgt, 3);
	KUNIT_ASSERT_EQ(test, 0, example_start_sg(ex, &sgt));
	for (i = 0; i < 3; i++) {
		device_receive(test, ex, i, received, sizeof(received));
		KUNIT_EXPECT_STREQ(test, hello, received);
	}
	example_done_sg(ex, &sgt);
	sg_free_table(&sgt);
	example_exit(ex);
}

static void too_many_pieces_leave_nothing_mapped(struct kunit *test)
{
	struct example *ex = started_example(test);
	struct sg_table sgt;

	pieces(test, &sgt, RING_ENTRIES + 1);
	KUNIT_EXPECT_EQ(test, -ENOSPC, example_start_sg(ex, &sgt));
	KUNIT_EXPECT_EQ(test, 0, ex->used);
	sg_free_table(&sgt);
	example_exit(ex);
}

/* Error paths.  That nothing is left behind, the end of the test checks. */

static void no_memory_for_the_ring(struct kunit *test)
{
	struct example *ex = example(test);

	kunit_dma_fail_nth(ex->dev, KUNIT_DMA_FAULT_ALLOC, 1);
	KUNIT_EXPECT_EQ(test, -ENOMEM, example_init(ex, ex->dev));
}

static void message_that_cannot_be_mapped(struct kunit *test)
{
	struct example *ex = started_example(test);
	void *msg = message(test, hello);
	char received[SZ_64];
	dma_addr_t addr[2];

	kunit_dma_fail_nth(ex->dev, KUNIT_DMA_FAULT_MAP, 2);
	KUNIT_ASSERT_EQ(test, 0, example_start(ex, msg, SZ_64, DMA_TO_DEVICE,
					       &addr[0]));
	KUNIT_EXPECT_EQ(test, -ENOMEM, example_start(ex, msg, SZ_64,
						     DMA_TO_DEVICE, &addr[1]));
	KUNIT_EXPECT_EQ(test, 1, ex->used);

	/* The next one takes its place. */
	KUNIT_ASSERT_EQ(test, 0, example_start(ex, msg, SZ_64, DMA_TO_DEVICE,
					       &addr[1]));
	device_receive(test, ex, 1, received, sizeof(received));
	KUNIT_EXPECT_STREQ(test, hello, received);
	example_done(ex, addr[0], SZ_64, DMA_TO_DEVICE);
	example_done(ex, addr[1], SZ_64, DMA_TO_DEVICE);
	example_exit(ex);
}

static void pieces_that_cannot_be_mapped(struct kunit *test)
{
	struct example *ex = started_example(test);
	struct sg_table sgt;

	pieces(test, &sgt, 2);
	kunit_dma_fail_nth(ex->dev, KUNIT_DMA_FAULT_MAP_SG, 1);
	KUNIT_EXPECT_EQ(test, -ENOMEM, example_start_sg(ex, &sgt));
	KUNIT_EXPECT_EQ(test, 0, ex->used);
	sg_free_table(&sgt);
	example_exit(ex);
}

static struct kunit_case dma_example_cases[] = {
	KUNIT_CASE(message_reaches_the_device),
	KUNIT_CASE(message_comes_from_the_device),
	KUNIT_CASE(ring_that_is_full_maps_nothing),
	KUNIT_CASE(message_in_pieces_reaches_the_device),
	KUNIT_CASE(too_many_pieces_leave_nothing_mapped),
	KUNIT_CASE(no_memory_for_the_ring),
	KUNIT_CASE(message_that_cannot_be_mapped),
	KUNIT_CASE(pieces_that_cannot_be_mapped),
	{}
};

static struct kunit_suite dma_example_suite = {
	.name = "kunit_dma_example",
	.test_cases = dma_example_cases,
};

kunit_test_suite(dma_example_suite);
