// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA demo device: the engine.
 *
 * This file plays the hardware.  It knows bus addresses only, refuses those
 * that it was not granted, and has its own view of memory: a device that is not
 * cache coherent sees what is in memory, not what is in the CPU's caches.
 * That, and turning a bus address back into a physical one, is why it includes
 * what a driver has no business with.
 */
#include <linux/cc_platform.h>
#include <linux/crc32.h>
#include <linux/device.h>
#include <linux/dma-direct.h>
#include <linux/interrupt.h>
#include <linux/irq_sim.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "dmademo.h"

/* Memory that the engine has in front of it at a time. */
#define WINDOW_PAGES	16
#define WINDOW_SIZE	(WINDOW_PAGES * PAGE_SIZE)

static bool engine_can_access(struct dmademo_engine *engine, dma_addr_t addr,
			      size_t length)
{
	struct dmademo_region *region;
	bool ret = false;

	if (addr > dma_get_mask(engine->dev) ||
	    length - 1 > dma_get_mask(engine->dev) - addr)
		return false;

	spin_lock_irq(&engine->lock);
	list_for_each_entry(region, &engine->regions, node) {
		if (addr >= region->start &&
		    addr - region->start < region->size &&
		    length <= region->size - (addr - region->start)) {
			ret = true;
			break;
		}
	}
	spin_unlock_irq(&engine->lock);
	return ret;
}

/* Brings @length bytes at @addr, at most a window, in front of the engine. */
static void *engine_map(struct dmademo_engine *engine, dma_addr_t addr,
			size_t length)
{
	unsigned long pfn = PHYS_PFN(dma_to_phys(engine->dev, addr));
	unsigned int nr = PFN_UP(offset_in_page(addr) + length), i;
	struct page *pages[WINDOW_PAGES];
	pgprot_t prot = PAGE_KERNEL;
	void *window;

	if (!engine->coherent)
		prot = pgprot_dmacoherent(prot);
	for (i = 0; i < nr; i++)
		pages[i] = pfn_to_page(pfn + i);
	window = vmap(pages, nr, VM_MAP, prot);
	return window ? window + offset_in_page(addr) : NULL;
}

static void engine_unmap(void *window)
{
	if (window)
		vunmap(PTR_ALIGN_DOWN(window, PAGE_SIZE));
}

/* As many of @length bytes at @addr as fit a window. */
static size_t engine_clip(dma_addr_t addr, size_t length)
{
	return min(length, WINDOW_SIZE - offset_in_page(addr));
}

static int engine_process(struct dmademo_engine *engine,
			  struct dmademo_desc *desc)
{
	bool reads = desc->op != DMADEMO_OP_FILL;
	bool writes = desc->op != DMADEMO_OP_CRC32;
	dma_addr_t src = desc->src, dst = desc->dst;
	size_t left = desc->length;
	u32 crc = ~0;

	if ((reads && !engine_can_access(engine, src, left)) ||
	    (writes && !engine_can_access(engine, dst, left)))
		return -EIO;

	while (left) {
		void *from = NULL, *to = NULL;
		size_t length = left;

		if (reads)
			length = engine_clip(src, length);
		if (writes)
			length = engine_clip(dst, length);
		if (reads)
			from = engine_map(engine, src, length);
		if (writes)
			to = engine_map(engine, dst, length);
		if ((reads && !from) || (writes && !to)) {
			engine_unmap(to);
			engine_unmap(from);
			return -ENOMEM;
		}

		switch (desc->op) {
		case DMADEMO_OP_COPY:
			memcpy(to, from, length);
			break;
		case DMADEMO_OP_FILL:
			memset(to, desc->value, length);
			break;
		case DMADEMO_OP_CRC32:
			crc = crc32_le(crc, from, length);
			break;
		}

		engine_unmap(to);
		engine_unmap(from);
		src += length;
		dst += length;
		left -= length;
		cond_resched();
	}

	if (desc->op == DMADEMO_OP_CRC32)
		desc->value = ~crc;
	return 0;
}

static struct dmademo_desc *engine_fetch(struct dmademo_engine *engine)
{
	struct dmademo_desc *desc;

	spin_lock_irq(&engine->lock);
	desc = list_first_entry_or_null(&engine->queue, struct dmademo_desc,
					node);
	if (desc)
		list_del(&desc->node);
	spin_unlock_irq(&engine->lock);
	return desc;
}

static void engine_finish(struct dmademo_engine *engine,
			  struct dmademo_desc *desc)
{
	spin_lock_irq(&engine->lock);
	list_add_tail(&desc->node, &engine->finished);
	spin_unlock_irq(&engine->lock);
	irq_set_irqchip_state(engine->irq, IRQCHIP_STATE_PENDING, true);
}

static void engine_work(struct work_struct *work)
{
	struct dmademo_engine *engine = container_of(work,
						     struct dmademo_engine,
						     work);
	struct dmademo_desc *desc;

	while ((desc = engine_fetch(engine))) {
		desc->status = engine_process(engine, desc);
		engine_finish(engine, desc);
	}
}

/* This one is the driver's, not the hardware's. */
static irqreturn_t engine_irq(int irq, void *data)
{
	struct dmademo_engine *engine = data;
	struct dmademo_desc *desc, *next;
	LIST_HEAD(finished);

	spin_lock(&engine->lock);
	list_splice_init(&engine->finished, &finished);
	spin_unlock(&engine->lock);

	if (list_empty(&finished))
		return IRQ_NONE;
	/* Its owner may free a descriptor as soon as it is completed. */
	list_for_each_entry_safe(desc, next, &finished, node)
		complete(&desc->done);
	return IRQ_HANDLED;
}

/**
 * dmademo_engine_grant - let the engine access memory
 * @engine: the engine
 * @region: bus addresses; stays with the engine until it is revoked
 */
void dmademo_engine_grant(struct dmademo_engine *engine,
			  struct dmademo_region *region)
{
	spin_lock_irq(&engine->lock);
	list_add(&region->node, &engine->regions);
	spin_unlock_irq(&engine->lock);
}

/**
 * dmademo_engine_revoke - no longer let the engine access memory
 * @engine: the engine
 * @region: what was granted; the caller has no transfer to it under way
 */
void dmademo_engine_revoke(struct dmademo_engine *engine,
			   struct dmademo_region *region)
{
	spin_lock_irq(&engine->lock);
	list_del(&region->node);
	spin_unlock_irq(&engine->lock);
}

/**
 * dmademo_engine_submit - have the engine process a descriptor
 * @engine: the engine
 * @desc: the transfer; the caller waits for dmademo_desc.done
 */
void dmademo_engine_submit(struct dmademo_engine *engine,
			   struct dmademo_desc *desc)
{
	init_completion(&desc->done);
	spin_lock_irq(&engine->lock);
	list_add_tail(&desc->node, &engine->queue);
	spin_unlock_irq(&engine->lock);
	queue_work(engine->wq, &engine->work);
}

static void engine_dispose_irq(void *engine)
{
	irq_dispose_mapping(((struct dmademo_engine *)engine)->irq);
}

static void engine_stop(void *engine)
{
	destroy_workqueue(((struct dmademo_engine *)engine)->wq);
}

/**
 * dmademo_engine_init - bring up the engine
 * @engine: the engine
 * @dev: the device that it is; the engine goes away when @dev is unbound
 *
 * Return: 0, -EOPNOTSUPP on a machine that encrypts memory, or what else went
 * wrong.
 */
int dmademo_engine_init(struct dmademo_engine *engine, struct device *dev)
{
	struct irq_domain *domain;
	int ret;

	/* Its view of memory does not know about encryption. */
	if (cc_platform_has(CC_ATTR_MEM_ENCRYPT))
		return -EOPNOTSUPP;

	engine->dev = dev;
	engine->coherent = dev_is_dma_coherent(dev);
	spin_lock_init(&engine->lock);
	INIT_LIST_HEAD(&engine->regions);
	INIT_LIST_HEAD(&engine->queue);
	INIT_LIST_HEAD(&engine->finished);
	INIT_WORK(&engine->work, engine_work);

	domain = devm_irq_domain_create_sim(dev, NULL, 1);
	if (IS_ERR(domain))
		return PTR_ERR(domain);
	engine->irq = irq_create_mapping(domain, 0);
	if (!engine->irq)
		return -ENXIO;
	ret = devm_add_action_or_reset(dev, engine_dispose_irq, engine);
	if (ret)
		return ret;
	ret = devm_request_irq(dev, engine->irq, engine_irq, 0, dev_name(dev),
			       engine);
	if (ret)
		return ret;

	engine->wq = alloc_ordered_workqueue("%s", 0, dev_name(dev));
	if (!engine->wq)
		return -ENOMEM;
	return devm_add_action_or_reset(dev, engine_stop, engine);
}
