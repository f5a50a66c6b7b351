/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DMA demo device: what the driver's files share.
 *
 * main.c	binds the driver to the device
 * file.c	the user API: open files and their calls
 * args.c	what is wrong with the arguments of a call, whoever's it is
 * transfer.c	transfers: from the call to the completion
 * buffer.c	buffers, and what the device was granted of memory
 * user.c	user memory, pinned and mapped for one transfer
 * dmabuf.c	buffers as dma-bufs, and dma-bufs as buffers
 * mapping.c	the ways to map a buffer into user space
 * engine.c	plays the hardware
 *
 * A file may stay open after the device is unbound, so struct dmademo counts its
 * users.  Who needs the device is between dmademo_enter() and dmademo_exit(), and
 * remove() waits for them.
 */
#ifndef _DMADEMO_H
#define _DMADEMO_H

#include <linux/dma-custom-ops.h>
#include <linux/dma-direction.h>
#include <linux/interval_tree.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <uapi/linux/dmademo.h>

struct dma_buf;
struct dmademo_buffer;
struct dma_buf_attachment;
struct file;
struct page;
struct sg_table;
struct user_struct;
struct vm_area_struct;

#define DMADEMO_MAX_BYTES	SZ_1G
#define DMADEMO_MAX_TRANSFERS	64

/*
 * Each buffer has 4 GiB of file offsets of its own: the handle, shifted.  A
 * page offset is an unsigned long, which limits the number of handles.
 */
#define DMADEMO_HANDLE_SHIFT	32
#define DMADEMO_PGOFF_SHIFT	(DMADEMO_HANDLE_SHIFT - PAGE_SHIFT)
#define DMADEMO_PGOFF_MASK	(BIT(DMADEMO_PGOFF_SHIFT) - 1)
#define DMADEMO_MAX_BUFFERS	min_t(unsigned long, SZ_16K, \
				      ULONG_MAX >> DMADEMO_PGOFF_SHIFT)

/* --- engine.c: the hardware --- */

/**
 * struct dmademo_seg - contiguous memory, as the engine sees it
 * @addr: Bus address.
 * @length: Bytes.
 */
struct dmademo_seg {
	dma_addr_t	addr;
	size_t		length;
};

/**
 * struct dmademo_region - bus addresses that the engine may access
 * @node: In the engine's tree, by bus page.
 * @seg: Which they are.
 * @dir: Whether it may read, write, or both.
 */
struct dmademo_region {
	struct interval_tree_node	node;
	struct dmademo_seg		seg;
	enum dma_data_direction		dir;
};

/**
 * struct dmademo_memory - memory that was granted to the engine
 * @regions: Where it is, in order.
 * @nr: Number of @regions.
 * @dir: How it was mapped for the device; buffers are DMA_BIDIRECTIONAL.
 */
struct dmademo_memory {
	struct dmademo_region	*regions;
	unsigned int		nr;
	enum dma_data_direction	dir;
};

/**
 * struct dmademo_desc - one transfer, as it is handed to the engine
 * @node: In one of the engine's queues.
 * @op: What to do.
 * @src: Where to read from, unless @op is DMADEMO_OP_FILL.
 * @nr_src: Number of segments in @src.
 * @dst: Where to write to, unless @op is DMADEMO_OP_CRC32.
 * @nr_dst: Number of segments in @dst.
 * @length: Bytes; no more than those of @src and @dst.
 * @value: The byte to fill with; the CRC-32.
 * @queued: It is in the queue.
 * @stop: What to end with early, a negative errno, or 0.
 * @status: 0, -EIO, -ENOMEM or @stop, once it is done.
 */
struct dmademo_desc {
	struct list_head	node;
	enum dmademo_op		op;
	struct dmademo_seg	*src;
	unsigned int		nr_src;
	struct dmademo_seg	*dst;
	unsigned int		nr_dst;
	size_t			length;
	u32			value;
	bool			queued;
	int			stop;
	int			status;
};

/**
 * struct dmademo_engine - the hardware
 * @dev: The device that it is.
 * @coherent: It sees what is in the CPU's caches.
 * @access: Held while memory is accessed, and protects @regions.
 * @regions: What the engine may access.
 * @lock: Protects the lists.
 * @queue: Descriptors to be processed, in order.
 * @running: The one that is, or NULL.
 * @finished: Processed descriptors that the driver has not fetched.
 * @stopped: Some of them were stopped before, and no interrupt says so yet.
 * @wq: Runs @work.
 * @work: Processes the queue.
 * @irq: Interrupt that says that @finished has something in it.
 */
struct dmademo_engine {
	struct device		*dev;
	bool			coherent;
	struct mutex		access; /* see above */
	struct rb_root_cached	regions;
	spinlock_t		lock; /* protects the lists */
	struct list_head	queue;
	struct dmademo_desc	*running;
	struct list_head	finished;
	bool			stopped;
	struct workqueue_struct	*wq;
	struct work_struct	work;
	unsigned int		irq;
};

static inline bool dmademo_op_reads(enum dmademo_op op)
{
	return op != DMADEMO_OP_FILL;
}

static inline bool dmademo_op_writes(enum dmademo_op op)
{
	return op != DMADEMO_OP_CRC32;
}

int dmademo_engine_init(struct dmademo_engine *engine, struct device *dev);
void dmademo_engine_grant(struct dmademo_engine *engine,
			  struct dmademo_memory *mem);
void dmademo_engine_revoke(struct dmademo_engine *engine,
			   struct dmademo_memory *mem);
void dmademo_engine_submit(struct dmademo_engine *engine,
			   struct dmademo_desc *desc);
void dmademo_engine_stop(struct dmademo_engine *engine,
			 struct dmademo_desc *desc, int error);
void dmademo_engine_fetch(struct dmademo_engine *engine,
			  struct list_head *finished);
void dmademo_engine_quiesce(struct dmademo_engine *engine);

/* --- the driver --- */

/**
 * struct dmademo_way - one way to map a buffer into user space
 * @name: As in the module parameter.
 * @strategy: As in the user API; DMADEMO_STRATEGY_DEFAULT for none.
 * @no_provider: For devices without the custom DMA ops, that is with dma-direct.
 * @by_page: Maps the pages of the kernel's linear mapping, whose attributes have
 *	to be right for the buffer.  A device that maps all of its buffers so does
 *	without the custom DMA ops, and the driver allocates pages by itself.
 * @mode: What the custom DMA ops of a device of that way are asked for.
 * @mmap: Maps the part that the VMA selects, in pages from the buffer's start.
 */
struct dmademo_way {
	const char		*name;
	enum dmademo_strategy	strategy;
	bool			no_provider;
	bool			by_page;
	enum dma_custom_mmap	mode;
	int			(*mmap)(struct dmademo_buffer *buf,
					struct vm_area_struct *vma);
};

/**
 * struct dmademo - one device
 * @ref: One for the driver, one for each open file and one for each buffer.
 * @dev: The platform device; valid between dmademo_enter() and dmademo_exit().
 * @gone: The driver is unbound.
 * @ended: And so have all transfers.
 * @own_memory: Buffers are from memory that is reserved for the device.
 * @way: How its buffers are mapped into user space.
 * @engine: The hardware.
 * @nr_transfers: Transfers under way.
 * @idle: Woken when there is none left.
 * @bytes_held: Bytes that its buffers hold.
 * @max_bytes_held: The most that they may.
 * @lock: Protects the lists, and the memory of the buffers in @buffers.
 * @files: Open files.
 * @buffers: Buffers that have their memory.
 * @mappers: Who has mapped buffers.
 * @misc: /dev/dmademoN.
 * @nr: N.
 * @name: Name of @misc.
 */
struct dmademo {
	struct kref			ref;
	struct device			*dev;
	bool				gone;
	bool				ended;
	bool				own_memory;
	const struct dmademo_way	*way;
	struct dmademo_engine		engine;
	atomic_t			nr_transfers;
	wait_queue_head_t		idle;
	atomic64_t			bytes_held;
	u64				max_bytes_held;
	struct mutex			lock; /* see above */
	struct list_head		files;
	struct list_head		buffers;
	struct list_head		mappers;
	struct miscdevice		misc;
	int				nr;
	char				name[16];
};

bool dmademo_enter(struct dmademo *dd, int *idx);
void dmademo_exit(int idx);
void dmademo_put(struct dmademo *dd);

/**
 * struct dmademo_file - one open file
 * @dd: The device.
 * @node: In &dmademo.files.
 * @mapping: What its mappings can be found by.
 * @buffers: Buffers by handle.
 * @lock: Protects what follows.
 * @pending: Transfers under way.
 * @completed: Transfers whose completion user space has not got.
 * @nr_transfers: In either list.
 * @last_cookie: Of the latest transfer.
 * @wait: Woken when a transfer is completed.
 */
struct dmademo_file {
	struct dmademo		*dd;
	struct list_head	node;
	struct address_space	*mapping;
	struct xarray		buffers;
	spinlock_t		lock; /* see above */
	struct list_head	pending;
	struct list_head	completed;
	unsigned int		nr_transfers;
	u64			last_cookie;
	wait_queue_head_t	wait;
};

extern const struct file_operations dmademo_fops;

/* args.c */
int dmademo_info_check(const struct dmademo_info *arg);
int dmademo_alloc_check(const struct dmademo_alloc *arg);
int dmademo_run_check(const struct dmademo_run *arg);
int dmademo_wait_check(const struct dmademo_wait *arg);
int dmademo_sync_check(const struct dmademo_sync *arg);
int dmademo_export_check(const struct dmademo_export *arg);
int dmademo_import_check(const struct dmademo_import *arg);

/**
 * struct dmademo_buffer - one DMA buffer
 * @ref: One for the handle, one for each transfer under way, one for each
 *	dma-buf, and one for each mapping that does not hold the memory itself.
 * @dd: The device.
 * @node: In &dmademo.buffers; empty once the memory is given back.
 * @size: Bytes held.
 * @flags: DMADEMO_ALLOC_CACHED or DMADEMO_ALLOC_WRITE_COMBINE.
 * @way: How to map it into user space; NULL if it was imported.
 * @cpu_addr: Kernel address; NULL if it was imported.
 * @mem: What the engine may access.
 * @region: The only one of a buffer that was allocated.
 * @attachment: Of a dma-buf that was imported, and
 * @sgt: where it is for the device.
 */
struct dmademo_buffer {
	struct kref			ref;
	struct dmademo			*dd;
	struct list_head		node;
	size_t				size;
	u32				flags;
	const struct dmademo_way	*way;
	void				*cpu_addr;
	struct dmademo_memory		mem;
	struct dmademo_region		region;
	struct dma_buf_attachment	*attachment;
	struct sg_table			*sgt;
};

/* buffer.c */
struct dmademo_buffer *dmademo_buffer_alloc(struct dmademo *dd, size_t bytes,
					    u32 flags,
					    const struct dmademo_way *way);
struct dmademo_buffer *dmademo_buffer_new(struct dmademo *dd, size_t bytes);
void dmademo_buffer_add(struct dmademo_buffer *buf);
struct dmademo_buffer *dmademo_buffer_get(struct dmademo_file *df,
					  unsigned long handle);
void dmademo_buffer_put(struct dmademo_buffer *buf);
void dmademo_buffers_revoke(struct dmademo *dd);
int dmademo_buffer_sync(struct dmademo_buffer *buf,
			const struct dmademo_sync *arg);
unsigned long dmademo_buffer_attrs(const struct dmademo_buffer *buf);
size_t dmademo_max_segment(struct device *dev);
int dmademo_memory_of_sgt(struct dmademo_memory *mem, struct sg_table *sgt,
			  size_t size);
struct dmademo_seg *dmademo_slice(const struct dmademo_memory *mem,
				  size_t offset, size_t length,
				  unsigned int *nr);

/* transfer.c */
struct dmademo_transfer;
int dmademo_run(struct dmademo_file *df, struct dmademo_run *arg);
int dmademo_wait(struct dmademo_file *df, struct dmademo_wait *arg,
		 struct dmademo_transfer **found);
void dmademo_claim_finish(struct dmademo_transfer *t, int error);
bool dmademo_is_over(struct dmademo_file *df);
bool dmademo_has_completions(struct dmademo_file *df);
int dmademo_completion_read(struct dmademo_file *df, char __user *to);
void dmademo_transfer_discard(struct dmademo_file *df, u64 cookie);
void dmademo_transfers_cancel(struct dmademo_file *df);
void dmademo_transfers_stop(struct dmademo *dd);
int dmademo_request_irq(struct dmademo *dd);

/* user.c */
struct dmademo_user;
struct dmademo_user *dmademo_user_pin(unsigned long addr, size_t length,
				      bool write);
int dmademo_user_map(struct dmademo_user *user, struct dmademo *dd);
const struct dmademo_memory *dmademo_user_memory(struct dmademo_user *user);
void dmademo_user_release(struct dmademo_user *user, bool written);

/* dmabuf.c */
struct dma_buf *dmademo_export(struct dmademo_buffer *buf, u32 fd_flags);
struct dmademo_buffer *dmademo_import(struct dmademo *dd, int fd);
void dmademo_import_release(struct dmademo_buffer *buf);

/* mapping.c */
const struct dmademo_way *dmademo_way_by_name(const char *name);
const struct dmademo_way *dmademo_way_by_strategy(struct dmademo *dd,
						  u32 strategy, u32 flags);
bool dmademo_has_plain_pages(const struct dmademo *dd, u32 flags);
enum dmademo_mmap_mode dmademo_mmap_mode(struct dmademo *dd);
int dmademo_dma_mmap(struct dmademo_buffer *buf, struct vm_area_struct *vma);
int dmademo_map(struct dmademo_file *df, struct dmademo_buffer *buf,
		struct vm_area_struct *vma);
void dmademo_forget_mappers(struct dmademo_file *df);
void dmademo_unmap_all(struct dmademo *dd);

#endif /* _DMADEMO_H */
