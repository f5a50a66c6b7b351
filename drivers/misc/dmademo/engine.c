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
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/dma-direct.h>
#include <linux/interrupt.h>
#include <linux/iommu-dma.h>
#include <linux/iommu.h>
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

/* The caller holds the engine's access lock, so that the answer holds as long. */
static bool engine_can_access(struct dmademo_engine *engine,
			      const struct dmademo_seg *seg, bool write)
{
	const enum dma_data_direction wrong = write ? DMA_TO_DEVICE :
						      DMA_FROM_DEVICE;
	const u64 mask = dma_get_mask(engine->dev);
	struct interval_tree_node *node;
	unsigned long page = seg->addr >> PAGE_SHIFT;

	if (!seg->length || seg->addr > mask ||
	    seg->length - 1 > mask - seg->addr)
		return false;

	for (node = interval_tree_iter_first(&engine->regions, page, page); node;
	     node = interval_tree_iter_next(node, page, page)) {
		const struct dmademo_region *region;
		const struct dmademo_seg *granted;

		region = container_of(node, struct dmademo_region, node);
		granted = &region->seg;
		if (region->dir != wrong && seg->addr >= granted->addr &&
		    seg->addr - granted->addr < granted->length &&
		    seg->length <= granted->length -
				   (seg->addr - granted->addr))
			return true;
	}
	return false;
}

static bool engine_can_access_all(struct dmademo_engine *engine,
				  const struct dmademo_seg *segs,
				  unsigned int nr, size_t length, bool write)
{
	size_t total = 0;
	unsigned int i;

	guard(mutex)(&engine->access);
	for (i = 0; i < nr; i++) {
		if (!engine_can_access(engine, &segs[i], write))
			return false;
		total += segs[i].length;
	}
	return total >= length;
}

/* The page at a bus address, NULL if the IOMMU that the engine is behind has none. */
static struct page *engine_page(struct dmademo_engine *engine, dma_addr_t addr)
{
	struct device *dev = engine->dev;
	phys_addr_t phys;

	if (use_dma_iommu(dev)) {
		phys = iommu_iova_to_phys(iommu_get_domain_for_dev(dev), addr);
		if (!phys)
			return NULL;
	} else {
		phys = dma_to_phys(dev, addr);
	}
	return pfn_valid(PHYS_PFN(phys)) ? phys_to_page(phys) : NULL;
}

/*
 * Brings @length bytes at @addr, at most a window, in front of the engine.  Returns
 * where they are, or an ERR_PTR: -EIO if there is no such memory, or -ENOMEM.
 */
static void *engine_map(struct dmademo_engine *engine, dma_addr_t addr,
			size_t length)
{
	unsigned int nr = PFN_UP(offset_in_page(addr) + length), i;
	struct page *pages[WINDOW_PAGES];
	pgprot_t prot = PAGE_KERNEL;
	void *window;

	if (!engine->coherent)
		prot = pgprot_dmacoherent(prot);
	for (i = 0; i < nr; i++) {
		pages[i] = engine_page(engine, addr + i * PAGE_SIZE);
		if (!pages[i])
			return ERR_PTR(-EIO);
	}
	window = vmap(pages, nr, VM_MAP, prot);
	return window ? window + offset_in_page(addr) : ERR_PTR(-ENOMEM);
}

static void engine_unmap(void *window)
{
	if (!IS_ERR_OR_NULL(window))
		vunmap(PTR_ALIGN_DOWN(window, PAGE_SIZE));
}

static void engine_reverse(u8 *to, const u8 *from, size_t length)
{
	while (length--)
		*to++ = from[length];
}

/*
 * A simulated interrupt is lost if it is raised while its handler runs on another
 * CPU.  Whichever handler runs after this knows what is finished.  Only the work
 * raises it, as two CPUs at a time would confuse the simulation.
 */
static void engine_raise(struct dmademo_engine *engine)
{
	synchronize_hardirq(engine->irq);
	irq_set_irqchip_state(engine->irq, IRQCHIP_STATE_PENDING, true);
}

/* Those that dmademo_engine_stop() took out of the queue are finished, too. */
static void engine_tell_stopped(struct dmademo_engine *engine)
{
	bool stopped;

	scoped_guard(spinlock, &engine->lock) {
		stopped = engine->stopped;
		engine->stopped = false;
	}
	if (stopped)
		engine_raise(engine);
}

/* A part of a transfer: one window on each side that there is. */
static int engine_access(struct dmademo_engine *engine,
			 struct dmademo_desc *desc,
			 const struct dmademo_seg *src,
			 const struct dmademo_seg *dst, u32 *crc)
{
	void *from = NULL, *to = NULL;
	int ret;

	/* What was granted at the beginning may have been revoked. */
	guard(mutex)(&engine->access);
	if ((src->length && !engine_can_access(engine, src, false)) ||
	    (dst->length && !engine_can_access(engine, dst, true)))
		return -EIO;
	if (src->length)
		from = engine_map(engine, src->addr, src->length);
	if (dst->length)
		to = engine_map(engine, dst->addr, dst->length);
	ret = PTR_ERR_OR_ZERO(from) ?: PTR_ERR_OR_ZERO(to);
	if (ret)
		goto out_unmap;

	switch (desc->op) {
	case DMADEMO_OP_COPY:
		memcpy(to, from, src->length);
		break;
	case DMADEMO_OP_FILL:
		memset(to, desc->value, dst->length);
		break;
	case DMADEMO_OP_CRC32:
		*crc = crc32_le(*crc, from, src->length);
		break;
	case DMADEMO_OP_REVERSE:
		engine_reverse(to, from, src->length);
		break;
	}

out_unmap:
	engine_unmap(to);
	engine_unmap(from);
	return ret;
}

static int engine_process(struct dmademo_engine *engine,
			  struct dmademo_desc *desc)
{
	const bool reads = dmademo_op_reads(desc->op);
	const bool writes = dmademo_op_writes(desc->op);
	struct engine_cursor from = { desc->src }, to = { desc->dst };
	size_t done = 0;
	u32 crc = ~0;
	int ret;

	if ((reads && !engine_can_access_all(engine, desc->src, desc->nr_src,
					     desc->length, false)) ||
	    (writes && !engine_can_access_all(engine, desc->dst, desc->nr_dst,
					      desc->length, true)))
		return -EIO;

	while (done < desc->length) {
		size_t length = min(desc->length - done, WINDOW_SIZE);
		struct dmademo_seg src = {}, dst = {};

		engine_tell_stopped(engine);
		ret = READ_ONCE(desc->stop);
		if (ret)
			return ret;
		if (reads)
			src.addr = engine_ahead(&from, done, &length);
		if (desc->op == DMADEMO_OP_REVERSE)
			dst.addr = engine_behind(&to, desc->length - done,
						 &length);
		else if (writes)
			dst.addr = engine_ahead(&to, done, &length);
		src.length = reads ? length : 0;
		dst.length = writes ? length : 0;
		ret = engine_access(engine, desc, &src, &dst, &crc);
		if (ret)
			return ret;
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
	if (desc) {
		list_del(&desc->node);
		desc->queued = false;
	}
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
	engine_raise(engine);
}

static void engine_work(struct work_struct *work)
{
	struct dmademo_engine *engine = container_of(work,
						     struct dmademo_engine,
						     work);
	struct dmademo_desc *desc;

	while ((desc = engine_next(engine)))
		engine_finish(engine, desc, engine_process(engine, desc));
	engine_tell_stopped(engine);
}

/**
 * dmademo_engine_grant - let the engine access memory
 * @engine: the engine
 * @mem: the memory; stays with the engine until it is revoked
 *
 * Context: Process context, may sleep.
 */
void dmademo_engine_grant(struct dmademo_engine *engine,
			  struct dmademo_memory *mem)
{
	struct dmademo_region *region = mem->regions;
	unsigned int i;

	guard(mutex)(&engine->access);
	for (i = 0; i < mem->nr; i++, region++) {
		region->dir = mem->dir;
		region->node.start = region->seg.addr >> PAGE_SHIFT;
		region->node.last = (region->seg.addr + region->seg.length - 1) >>
				    PAGE_SHIFT;
		interval_tree_insert(&region->node, &engine->regions);
	}
}

/**
 * dmademo_engine_revoke - no longer let the engine access memory
 * @engine: the engine
 * @mem: what was granted
 *
 * A transfer that still wants to access it ends with a bus error.
 *
 * Context: Process context, may sleep.
 */
void dmademo_engine_revoke(struct dmademo_engine *engine,
			   struct dmademo_memory *mem)
{
	unsigned int i;

	guard(mutex)(&engine->access);
	for (i = 0; i < mem->nr; i++)
		interval_tree_remove(&mem->regions[i].node, &engine->regions);
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
	scoped_guard(spinlock, &engine->lock) {
		list_add_tail(&desc->node, &engine->queue);
		desc->queued = true;
	}
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
	scoped_guard(spinlock, &engine->lock) {
		if (engine->running == desc)
			WRITE_ONCE(desc->stop, error);
		if (!desc->queued)
			return;
		desc->queued = false;
		desc->status = error;
		list_move_tail(&desc->node, &engine->finished);
		engine->stopped = true;
	}
	queue_work(engine->wq, &engine->work);
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

/**
 * dmademo_engine_quiesce - wait until the engine raises no more interrupts
 * @engine: the engine, which has nothing to do any more
 */
void dmademo_engine_quiesce(struct dmademo_engine *engine)
{
	bool pending = true;

	flush_work(&engine->work);
	while (!irq_get_irqchip_state(engine->irq, IRQCHIP_STATE_PENDING,
				      &pending) && pending)
		fsleep(1000);
	synchronize_irq(engine->irq);
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
	mutex_init(&engine->access);
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

	engine->wq = alloc_ordered_workqueue("%s", WQ_FREEZABLE, dev_name(dev));
	if (!engine->wq)
		return -ENOMEM;
	return devm_add_action_or_reset(dev, engine_exit, engine);
}
