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

/* Memory that the engine has in front of it at a time, wherever it starts. */
#define WINDOW_PAGES	16
#define WINDOW_SIZE	((WINDOW_PAGES - 1) * PAGE_SIZE)

/* Where the engine is in a list of segments. */
struct engine_cursor {
	const struct dmademo_seg	*seg;
	size_t				start; /* of that segment in the whole */
};

static void engine_seek(struct engine_cursor *cursor, size_t pos)
{
	while (pos < cursor->start) {
		cursor->seg--;
		cursor->start -= cursor->seg->length;
	}
	while (pos - cursor->start >= cursor->seg->length) {
		cursor->start += cursor->seg->length;
		cursor->seg++;
	}
}

/* The bus address of the byte at @pos, with *@length clipped to what follows. */
static dma_addr_t engine_ahead(struct engine_cursor *cursor, size_t pos,
			       size_t *length)
{
	engine_seek(cursor, pos);
	pos -= cursor->start;
	*length = min(*length, cursor->seg->length - pos);
	return cursor->seg->addr + pos;
}

/* The same with *@length clipped to what is before @pos, and its start. */
static dma_addr_t engine_behind(struct engine_cursor *cursor, size_t pos,
				size_t *length)
{
	engine_seek(cursor, pos - 1);
	pos -= cursor->start;
	*length = min(*length, pos);
	return cursor->seg->addr + pos - *length;
}

static bool engine_can_access(struct dmademo_engine *engine,
			      const struct dmademo_seg *seg)
{
	const u64 mask = dma_get_mask(engine->dev);
	struct interval_tree_node *node;
	unsigned long page = seg->addr >> PAGE_SHIFT;

	if (!seg->length || seg->addr > mask ||
	    seg->length - 1 > mask - seg->addr)
		return false;

	guard(spinlock)(&engine->lock);
	for (node = interval_tree_iter_first(&engine->regions, page, page); node;
	     node = interval_tree_iter_next(node, page, page)) {
		const struct dmademo_seg *granted;

		granted = &container_of(node, struct dmademo_region, node)->seg;
		if (seg->addr >= granted->addr &&
		    seg->addr - granted->addr < granted->length &&
		    seg->length <= granted->length -
				   (seg->addr - granted->addr))
			return true;
	}
	return false;
}

static bool engine_can_access_all(struct dmademo_engine *engine,
				  const struct dmademo_seg *segs,
				  unsigned int nr, size_t length)
{
	size_t total = 0;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (!engine_can_access(engine, &segs[i]))
			return false;
		total += segs[i].length;
	}
	return total >= length;
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

static void engine_reverse(u8 *to, const u8 *from, size_t length)
{
	while (length--)
		*to++ = from[length];
}

static int engine_process(struct dmademo_engine *engine,
			  struct dmademo_desc *desc)
{
	const bool reads = desc->op != DMADEMO_OP_FILL;
	const bool writes = desc->op != DMADEMO_OP_CRC32;
	struct engine_cursor src = { desc->src }, dst = { desc->dst };
	size_t done = 0;
	u32 crc = ~0;

	if ((reads && !engine_can_access_all(engine, desc->src, desc->nr_src,
					     desc->length)) ||
	    (writes && !engine_can_access_all(engine, desc->dst, desc->nr_dst,
					      desc->length)))
		return -EIO;

	while (done < desc->length) {
		size_t length = min(desc->length - done, WINDOW_SIZE);
		dma_addr_t src_addr = 0, dst_addr = 0;
		void *from = NULL, *to = NULL;
		int stop = READ_ONCE(desc->stop);

		if (stop)
			return stop;
		if (reads)
			src_addr = engine_ahead(&src, done, &length);
		if (desc->op == DMADEMO_OP_REVERSE)
			dst_addr = engine_behind(&dst, desc->length - done,
						 &length);
		else if (writes)
			dst_addr = engine_ahead(&dst, done, &length);
		if (reads)
			from = engine_map(engine, src_addr, length);
		if (writes)
			to = engine_map(engine, dst_addr, length);
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
		case DMADEMO_OP_REVERSE:
			engine_reverse(to, from, length);
			break;
		}

		engine_unmap(to);
		engine_unmap(from);
		done += length;
		cond_resched();
	}

	if (desc->op == DMADEMO_OP_CRC32)
		desc->value = ~crc;
	return 0;
}

static struct dmademo_desc *engine_next(struct dmademo_engine *engine)
{
	struct dmademo_desc *desc;

	guard(spinlock)(&engine->lock);
	desc = list_first_entry_or_null(&engine->queue, struct dmademo_desc,
					node);
	if (desc)
		list_del(&desc->node);
	engine->running = desc;
	return desc;
}

static void engine_finish(struct dmademo_engine *engine,
			  struct dmademo_desc *desc, int status)
{
	scoped_guard(spinlock, &engine->lock) {
		engine->running = NULL;
		desc->status = status;
		list_add_tail(&desc->node, &engine->finished);
	}
	irq_set_irqchip_state(engine->irq, IRQCHIP_STATE_PENDING, true);
}

static void engine_work(struct work_struct *work)
{
	struct dmademo_engine *engine = container_of(work,
						     struct dmademo_engine,
						     work);
	struct dmademo_desc *desc;

	while ((desc = engine_next(engine)))
		engine_finish(engine, desc, engine_process(engine, desc));
}

/**
 * dmademo_engine_grant - let the engine access memory
 * @engine: the engine
 * @mem: the memory; stays with the engine until it is revoked
 */
void dmademo_engine_grant(struct dmademo_engine *engine,
			  struct dmademo_memory *mem)
{
	struct dmademo_region *region = mem->regions;
	unsigned int i;

	for (i = 0; i < mem->nr; i++, region++) {
		region->node.start = region->seg.addr >> PAGE_SHIFT;
		region->node.last = (region->seg.addr + region->seg.length - 1) >>
				    PAGE_SHIFT;
		guard(spinlock)(&engine->lock);
		interval_tree_insert(&region->node, &engine->regions);
	}
}

/**
 * dmademo_engine_revoke - no longer let the engine access memory
 * @engine: the engine
 * @mem: what was granted; the caller has no transfer to it under way
 */
void dmademo_engine_revoke(struct dmademo_engine *engine,
			   struct dmademo_memory *mem)
{
	unsigned int i;

	for (i = 0; i < mem->nr; i++) {
		guard(spinlock)(&engine->lock);
		interval_tree_remove(&mem->regions[i].node, &engine->regions);
	}
}

/**
 * dmademo_engine_submit - have the engine process a descriptor
 * @engine: the engine
 * @desc: the transfer; the engine's until it is fetched
 *
 * The interrupt says when it is done.
 */
void dmademo_engine_submit(struct dmademo_engine *engine,
			   struct dmademo_desc *desc)
{
	scoped_guard(spinlock, &engine->lock)
		list_add_tail(&desc->node, &engine->queue);
	queue_work(engine->wq, &engine->work);
}

/**
 * dmademo_engine_stop - have a descriptor end early
 * @engine: the engine
 * @desc: the transfer; has been submitted, and may have been fetched, but is still
 *	there
 * @error: its status, a negative errno, unless it is too late
 *
 * The interrupt says when it is done, soon.
 */
void dmademo_engine_stop(struct dmademo_engine *engine,
			 struct dmademo_desc *desc, int error)
{
	struct dmademo_desc *queued;
	bool found = false;

	scoped_guard(spinlock, &engine->lock) {
		if (engine->running == desc) {
			WRITE_ONCE(desc->stop, error);
			return;
		}
		list_for_each_entry(queued, &engine->queue, node) {
			if (queued != desc)
				continue;
			desc->status = error;
			list_move_tail(&desc->node, &engine->finished);
			found = true;
			break;
		}
	}
	if (found)
		irq_set_irqchip_state(engine->irq, IRQCHIP_STATE_PENDING, true);
}

/**
 * dmademo_engine_fetch - get what the engine has done
 * @engine: the engine
 * @finished: gets the descriptors, in order
 */
void dmademo_engine_fetch(struct dmademo_engine *engine,
			  struct list_head *finished)
{
	guard(spinlock)(&engine->lock);
	list_splice_tail_init(&engine->finished, finished);
}

static void engine_dispose_irq(void *engine)
{
	irq_dispose_mapping(((struct dmademo_engine *)engine)->irq);
}

static void engine_exit(void *engine)
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
	engine->regions = RB_ROOT_CACHED;
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

	engine->wq = alloc_ordered_workqueue("%s", 0, dev_name(dev));
	if (!engine->wq)
		return -ENOMEM;
	return devm_add_action_or_reset(dev, engine_exit, engine);
}
