// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA demo device: the engine.
 *
 * This file plays the hardware, which is why it includes what a driver has no business
 * with.  It knows DMA addresses only, refuses those that it was not granted, and has its
 * own view of memory: if it is not cache coherent, it does not see the CPU's caches.
 */
#include <linux/cc_platform.h>
#include <linux/crc32.h>
#include <linux/devm-helpers.h>
#include <linux/dma-direct.h>
#include <linux/highmem.h>
#include <linux/interrupt.h>
#include <linux/iommu-dma.h>
#include <linux/iommu.h>
#include <linux/irq_sim.h>
#include <linux/vmalloc.h>

#include "dmademo.h"

/* How much is between the two sides of a transfer, at most. */
#define FIFO_SIZE	SZ_16K

/* The page at a DMA address, and where in it, or NULL if there is no memory. */
static struct page *engine_page(struct device *dev, dma_addr_t addr, size_t *offset)
{
	phys_addr_t phys;

	if (use_dma_iommu(dev)) {
		phys = iommu_iova_to_phys(iommu_get_domain_for_dev(dev), addr);
		if (!phys)
			return NULL;
	} else {
		phys = dma_to_phys(dev, addr);
	}
	/* On 32 bits there may be more addresses than page frame numbers. */
	if (PHYS_PFN(phys) != phys >> PAGE_SHIFT || !pfn_valid(PHYS_PFN(phys)))
		return NULL;
	*offset = offset_in_page(phys);
	return phys_to_page(phys);
}

/* Moves the next bytes of one side into the FIFO, or out of it. */
static int engine_move(struct dmademo_engine *engine, struct dmademo_side *side, size_t length,
		       bool out)
{
	const pgprot_t prot = pgprot_dmacoherent(PAGE_KERNEL);
	const u64 mask = dma_get_mask(engine->dev);
	void *fifo = engine->fifo, *window;
	struct page *page;
	size_t offset, n;
	dma_addr_t addr;

	/* What was granted at the beginning may have been revoked. */
	if (!(out ? side->grant->write : side->grant->read))
		return -EIO;
	for (; length; length -= n, fifo += n, side->offset += n) {
		for (; side->offset >= sg_dma_len(side->sg); side->sg = sg_next(side->sg))
			side->offset -= sg_dma_len(side->sg);
		addr = sg_dma_address(side->sg) + side->offset;
		page = engine_page(engine->dev, addr, &offset);
		/* A bus, or an IOMMU, translates 4 KiB at a time, or more. */
		n = min3(length, sg_dma_len(side->sg) - side->offset, SZ_4K - (size_t)addr % SZ_4K);
		if (!page || addr > mask || n - 1 > mask - addr)
			return -EIO;
		n = min(n, PAGE_SIZE - offset);
		window = engine->coherent ? kmap_local_page(page) :
					    vmap(&page, 1, VM_MAP, prot);
		if (!window)
			return -ENOMEM;
		if (out)
			memcpy(window + offset, fifo, n);
		else
			memcpy(fifo, window + offset, n);
		if (engine->coherent)
			kunmap_local(window);
		else
			vunmap(window);
	}
	return 0;
}

static int engine_process(struct dmademo_engine *engine, struct dmademo_desc *desc)
{
	struct dmademo_side src = desc->src, dst = desc->dst;
	size_t left, n;
	u32 crc = ~0;
	int ret = 0;

	if (!src.grant)
		memset(engine->fifo, desc->value, FIFO_SIZE);
	for (left = desc->length; left && !ret; left -= n) {
		n = min(left, FIFO_SIZE);
		scoped_guard(mutex, &engine->access) {
			ret = READ_ONCE(engine->stop);
			if (!ret && src.grant)
				ret = engine_move(engine, &src, n, false);
			if (!ret && dst.grant)
				ret = engine_move(engine, &dst, n, true);
		}
		if (!ret && !dst.grant)
			crc = crc32_le(crc, engine->fifo, n);
		cond_resched();
	}
	if (!dst.grant)
		desc->value = ~crc;
	return ret;
}

static void engine_work(struct work_struct *work)
{
	struct dmademo_engine *engine = container_of(work, struct dmademo_engine, work);

	engine->desc->status = engine_process(engine, engine->desc);
	/* An interrupt is lost if the handler still runs for the one before. */
	synchronize_hardirq(engine->irq);
	irq_set_irqchip_state(engine->irq, IRQCHIP_STATE_PENDING, true);
}

/* What the engine may do with memory from here on, or DMA_NONE; may sleep. */
void dmademo_engine_grant(struct dmademo_engine *engine, struct dmademo_grant *grant,
			  enum dma_data_direction dir)
{
	guard(mutex)(&engine->access);
	grant->read = dir == DMA_BIDIRECTIONAL || dir == DMA_TO_DEVICE;
	grant->write = dir == DMA_BIDIRECTIONAL || dir == DMA_FROM_DEVICE;
}

/* The engine has nothing to do.  Its interrupt says when it is done with @desc. */
void dmademo_engine_start(struct dmademo_engine *engine, struct dmademo_desc *desc)
{
	engine->desc = desc;
	WRITE_ONCE(engine->stop, 0);
	queue_work(system_dfl_long_wq, &engine->work);
}

static void engine_dispose_irq(void *engine)
{
	irq_dispose_mapping(((struct dmademo_engine *)engine)->irq);
}

/* With devres of @dev; -EOPNOTSUPP on a machine that encrypts memory. */
int dmademo_engine_init(struct dmademo_engine *engine, struct device *dev)
{
	struct irq_domain *domain;
	int ret;

	/* Its view of memory does not know about encryption. */
	if (cc_platform_has(CC_ATTR_MEM_ENCRYPT))
		return -EOPNOTSUPP;

	engine->dev = dev;
	engine->coherent = dev_is_dma_coherent(dev);
	mutex_init(&engine->access);
	engine->fifo = devm_kmalloc(dev, FIFO_SIZE, GFP_KERNEL);
	if (!engine->fifo)
		return -ENOMEM;

	domain = devm_irq_domain_create_sim(dev, NULL, 1);
	if (IS_ERR(domain))
		return PTR_ERR(domain);
	engine->irq = irq_create_mapping(domain, 0);
	if (!engine->irq)
		return -ENOMEM;
	ret = devm_add_action_or_reset(dev, engine_dispose_irq, engine);
	if (ret)
		return ret;
	return devm_work_autocancel(dev, &engine->work, engine_work);
}
