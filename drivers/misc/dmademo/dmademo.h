/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DMA demo device: what the driver's files share.  Each uses only those before it.
 *
 * engine.c	plays the hardware
 * buffer.c	buffers: their memory, user mappings, and dma-bufs
 * file.c	the user API, and transfers
 * bench.c	other ways to have buffers and to map them, to compare
 * main.c	binds the driver to the device
 *
 * A file may stay open after the device is unbound, so struct dmademo counts its
 * users.  Who needs the device, and finds that it has not gone, is in a section of
 * dmademo_srcu, for which remove() waits.  One may sleep in there, but not until user
 * space does something: user memory is not touched.
 */
#ifndef _DMADEMO_H
#define _DMADEMO_H

#include <linux/completion.h>
#include <linux/dma-custom-ops.h>
#include <linux/dma-direction.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/workqueue.h>
#include <uapi/linux/dmademo.h>

struct dma_buf;
struct vm_area_struct;

#define DMADEMO_MAX_BYTES	SZ_1G

/*
 * Each buffer has 1 GiB of file offsets of its own.  A 32-bit program can name 44 bits
 * of them, which limits the number of handles.
 */
#define DMADEMO_HANDLE_SHIFT	30
#define DMADEMO_PGOFF_SHIFT	(DMADEMO_HANDLE_SHIFT - PAGE_SHIFT)
#define DMADEMO_MAX_BUFFERS	(BIT(44 - DMADEMO_HANDLE_SHIFT) - 1)

/* --- engine.c: the hardware --- */

/* What the engine may do with memory that was mapped for it. */
struct dmademo_grant {
	bool	read, write;
};

/* One side of a transfer: where the device has it, from the byte at @offset on. */
struct dmademo_side {
	const struct dmademo_grant	*grant;
	struct scatterlist		*sg;
	size_t				offset;
};

/* One transfer, as it is handed to the engine. */
struct dmademo_desc {
	struct dmademo_side	src, dst; /* without a grant, it has none of these */
	size_t			length;	/* not more than either has */
	u32			value;	/* to fill with without @src; CRC-32 without @dst */
	int			status;	/* 0, -EIO, -ENOMEM or dmademo_engine.stop */
};

struct dmademo_engine {
	struct device		*dev;
	bool			coherent;	/* sees the CPU's caches */
	struct mutex		access;		/* held while it accesses memory */
	u8			*fifo;		/* from one side to the other */
	struct dmademo_desc	*desc;
	int			stop;		/* what to end it with early, or 0 */
	struct work_struct	work;
	unsigned int		irq;		/* done */
};

int dmademo_engine_init(struct dmademo_engine *engine, struct device *dev);
void dmademo_engine_grant(struct dmademo_engine *engine, struct dmademo_grant *grant,
			  enum dma_data_direction dir);
void dmademo_engine_start(struct dmademo_engine *engine, struct dmademo_desc *desc);

/* --- the device --- */

struct dmademo_buffer;

/*
 * How to have buffers and map them without the custom DMA ops, by its name in the module
 * parameter.  Where there is no function the DMA API does it.
 */
struct dmademo_way {
	const char	*name;
	bool		(*alloc)(struct dmademo_buffer *buf);
	void		(*free)(struct dmademo_buffer *buf);
	int		(*mmap)(struct dmademo_buffer *buf, struct vm_area_struct *vma);
};

struct dmademo {
	refcount_t			ref;	/* driver, files and buffers */
	struct device			*dev;
	bool				gone;	/* to be read with READ_ONCE() */
	enum dma_custom_mmap		mode;
	const struct dmademo_way	*way;	/* or NULL */
	struct dmademo_engine		engine;
	struct mutex			run;	/* held from map to unmap */
	struct completion		done;	/* the engine says so */
	atomic64_t			bytes_held;
	u64				max_bytes_held;
	spinlock_t			lock;	/* protects @buffers: */
	struct list_head		buffers; /* those that have memory */
	struct dmademo_buffer		*buffer; /* the device's own, or NULL */
	struct miscdevice		misc;
	int				nr;	/* of /dev/dmademoN */
};

static inline void dmademo_put(struct dmademo *dd)
{
	if (refcount_dec_and_test(&dd->ref))
		kfree(dd);
}

extern struct srcu_struct dmademo_srcu;

const struct dmademo_way *dmademo_bench_way(const char *name);

/* --- buffer.c --- */

struct dmademo_buffer {
	refcount_t		ref;	/* live, memory and mappings */
	refcount_t		live;	/* handle, transfers and dma-bufs */
	struct dmademo		*dd;
	struct list_head	node;	/* in dmademo.buffers */
	size_t			size;	/* the device's as long as @ref counts */
	u32			flags;	/* DMADEMO_ALLOC_* of the memory */
	unsigned long		attrs;	/* for the DMA API */
	void			*cpu_addr;
	dma_addr_t		dma_addr;
	struct dmademo_grant	grant;
	struct scatterlist	sg;	/* where the device has it */
	bool			loose;	/* nothing but @live keeps what is mapped */
	atomic_t		loose_maps;
	struct page		**pages; /* a reference on each, until @ref is gone */
};

unsigned int dmademo_max_segment(struct device *dev);
struct dmademo_buffer *dmademo_buffer_alloc(struct dmademo *dd, u64 bytes, u32 flags);
void dmademo_buffer_put(struct dmademo_buffer *buf);
void dmademo_buffer_revoke(struct dmademo_buffer *buf);
void dmademo_buffer_sync(struct dmademo_buffer *buf, size_t offset, size_t length,
			 enum dma_data_direction dir, bool for_cpu);
int dmademo_buffer_mapped(struct dmademo_buffer *buf, unsigned long start, unsigned long end);
int dmademo_buffer_mmap(struct dmademo_buffer *buf, struct vm_area_struct *vma);
void dmademo_vm_open(struct vm_area_struct *vma);
void dmademo_vm_close(struct vm_area_struct *vma);
struct dma_buf *dmademo_buffer_export(struct dmademo_buffer *buf);

/* --- file.c --- */

extern const struct file_operations dmademo_fops;
extern const struct file_operations dmademo_way_fops; /* for a way that maps */

int dmademo_run_check(const struct dmademo_run *arg);

#endif /* _DMADEMO_H */
