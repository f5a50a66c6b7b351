/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DMA demo device: what the driver's files share.
 *
 * main.c binds the driver to the device, file.c is the user API, mapping.c has
 * the ways to map a buffer into user space and engine.c plays the hardware.
 */
#ifndef _DMADEMO_H
#define _DMADEMO_H

#include <linux/completion.h>
#include <linux/dma-custom-ops.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <uapi/linux/dmademo.h>

/**
 * struct dmademo_region - bus addresses that the engine may access
 * @node: In the engine's list.
 * @start: First bus address.
 * @size: Bytes.
 */
struct dmademo_region {
	struct list_head	node;
	dma_addr_t		start;
	size_t			size;
};

/**
 * struct dmademo_desc - one transfer, as it is handed to the engine
 * @node: In one of the engine's queues.
 * @op: What to do.
 * @src: Bus address to read from, unless @op is DMADEMO_OP_FILL.
 * @dst: Bus address to write to, unless @op is DMADEMO_OP_CRC32.
 * @length: Bytes.
 * @value: The byte to fill with; the CRC-32.
 * @status: 0, -EIO or -ENOMEM, once it is done.
 * @done: Completed by the interrupt handler.
 */
struct dmademo_desc {
	struct list_head	node;
	enum dmademo_op		op;
	dma_addr_t		src;
	dma_addr_t		dst;
	size_t			length;
	u32			value;
	int			status;
	struct completion	done;
};

/**
 * struct dmademo_engine - the hardware
 * @dev: The device that it is.
 * @coherent: It sees what is in the CPU's caches.
 * @lock: Protects the lists.  Taken by the interrupt handler.
 * @regions: What the engine may access.
 * @queue: Descriptors to be processed, in order.
 * @finished: Processed descriptors that the driver has not fetched.
 * @wq: Runs @work.
 * @work: Processes the queue.
 * @irq: Interrupt that says that @finished has something in it.
 */
struct dmademo_engine {
	struct device		*dev;
	bool			coherent;
	spinlock_t		lock; /* protects the lists below */
	struct list_head	regions;
	struct list_head	queue;
	struct list_head	finished;
	struct workqueue_struct	*wq;
	struct work_struct	work;
	unsigned int		irq;
};

/**
 * struct dmademo_buffer - one DMA buffer
 * @ref: One for the handle, one for each transfer under way, and one for each
 *	mapping that does not hold the memory itself.
 * @dd: The device.
 * @size: Bytes held.
 * @cpu_addr: Kernel address.
 * @region: Bus address, as the engine knows it.
 */
struct dmademo_buffer {
	struct kref		ref;
	struct dmademo		*dd;
	size_t			size;
	void			*cpu_addr;
	struct dmademo_region	region;
};

/**
 * struct dmademo_strategy - one way to map a buffer into user space
 * @name: As in the module parameter.
 * @no_provider: Without the custom DMA ops, that is with dma-direct.
 * @coherent_only: For devices that are cache coherent.
 * @provider_mode: What the custom DMA ops are asked for.
 * @mode: What user space gets.
 * @mmap: Maps the part that the VMA selects, in pages from the buffer's start.
 */
struct dmademo_strategy {
	const char		*name;
	bool			no_provider;
	bool			coherent_only;
	enum dma_custom_mmap	provider_mode;
	enum dmademo_mmap_mode	mode;
	int			(*mmap)(struct dmademo_buffer *buf,
					struct vm_area_struct *vma);
};

/**
 * struct dmademo - one device
 * @dev: The platform device.
 * @strategy: How its buffers are mapped into user space.
 * @engine: The hardware.
 * @misc: /dev/dmademoN.
 * @name: Name of @misc.
 */
struct dmademo {
	struct device			*dev;
	const struct dmademo_strategy	*strategy;
	struct dmademo_engine		engine;
	struct miscdevice		misc;
	char				name[16];
};

/* file.c */
extern const struct file_operations dmademo_fops;
void dmademo_buffer_put(struct dmademo_buffer *buf);

/* mapping.c */
const struct dmademo_strategy *dmademo_strategy_find(const char *name);
int dmademo_map(struct dmademo_buffer *buf, struct vm_area_struct *vma);

/* engine.c */
int dmademo_engine_init(struct dmademo_engine *engine, struct device *dev);
void dmademo_engine_grant(struct dmademo_engine *engine,
			  struct dmademo_region *region);
void dmademo_engine_revoke(struct dmademo_engine *engine,
			   struct dmademo_region *region);
void dmademo_engine_submit(struct dmademo_engine *engine,
			   struct dmademo_desc *desc);

#endif /* _DMADEMO_H */
