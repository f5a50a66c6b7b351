// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA demo device: open files and their calls.
 */
#include <linux/capability.h>
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "dmademo.h"

/**
 * struct dmademo_call - one ioctl under way
 * @info: Copy of user space's structure, of whichever call it is.
 * @alloc: The same.
 * @free: The same.
 * @run: The same.
 * @wait: The same.
 * @sync: The same.
 * @export: The same.
 * @import: The same.
 * @finish: Called when user space has been told the result, or could not be told,
 *	which is an error; NULL if there is nothing to do then.
 * @handle: Of @buf; reserved, but not valid until then.
 * @buf: A new buffer.
 * @dmabuf: A new dma-buf, for the file descriptor in @export.
 * @transfer: A completed transfer.
 */
struct dmademo_call {
	/* first: what is copied from and to user space */
	union {
		struct dmademo_info	info;
		struct dmademo_alloc	alloc;
		struct dmademo_free	free;
		struct dmademo_run	run;
		struct dmademo_wait	wait;
		struct dmademo_sync	sync;
		struct dmademo_export	export;
		struct dmademo_import	import;
	};
	void		(*finish)(struct dmademo_file *df,
				  struct dmademo_call *call, int error);
	u32			handle;
	struct dmademo_buffer	*buf;
	struct dma_buf		*dmabuf;
	struct dmademo_transfer	*transfer;
};

static int dmademo_ioctl_info(struct dmademo_file *df,
			      struct dmademo_call *call)
{
	struct dmademo_info *arg = &call->info;
	struct dmademo *dd = df->dd;
	u32 strategy;
	int ret;

	ret = dmademo_info_check(arg);
	if (ret)
		return ret;
	*arg = (struct dmademo_info){
		.size			= arg->size,
		.version		= DMADEMO_VERSION,
		.max_bytes		= DMADEMO_MAX_BYTES,
		.mmap_mode		= dmademo_mmap_mode(dd),
		.dma_mask		= dma_get_mask(dd->dev),
		.max_device_bytes	= dd->max_bytes_held,
		.max_buffers		= DMADEMO_MAX_BUFFERS,
		.max_transfers		= DMADEMO_MAX_TRANSFERS,
	};
	if (dd->engine.coherent)
		arg->flags |= DMADEMO_INFO_COHERENT;
	if (dmademo_has_plain_pages(dd, DMADEMO_ALLOC_CACHED))
		arg->flags |= DMADEMO_INFO_EXPORT;
	for (strategy = 0; strategy <= DMADEMO_STRATEGY_HUGE; strategy++)
		if (!IS_ERR(dmademo_way_by_strategy(dd, strategy, 0)))
			arg->strategies |= BIT(strategy);
	return 0;
}

/* Makes the handle of a new buffer valid, or takes both back after an error. */
static void dmademo_buffer_finish(struct dmademo_file *df,
				  struct dmademo_call *call, int error)
{
	if (error) {
		xa_release(&df->buffers, call->handle);
		dmademo_buffer_put(call->buf);
	} else {
		/* Cannot fail: the place is reserved. */
		xa_store(&df->buffers, call->handle, call->buf,
			 GFP_KERNEL_ACCOUNT);
	}
}

/* Reserves a handle for a new buffer, or gives the buffer up. */
static int dmademo_buffer_reserve(struct dmademo_file *df,
				  struct dmademo_call *call,
				  struct dmademo_buffer *buf)
{
	int ret = xa_alloc(&df->buffers, &call->handle, NULL,
			   XA_LIMIT(1, DMADEMO_MAX_BUFFERS),
			   GFP_KERNEL_ACCOUNT);

	if (ret) {
		dmademo_buffer_put(buf);
		return ret == -EBUSY ? -ENOSPC : ret;
	}
	call->buf = buf;
	call->finish = dmademo_buffer_finish;
	return 0;
}

static int dmademo_ioctl_alloc(struct dmademo_file *df,
			       struct dmademo_call *call)
{
	struct dmademo_alloc *arg = &call->alloc;
	const struct dmademo_way *way;
	struct dmademo_buffer *buf;
	int ret;

	ret = dmademo_alloc_check(arg);
	if (ret)
		return ret;
	way = dmademo_way_by_strategy(df->dd, arg->strategy, arg->flags);
	if (IS_ERR(way))
		return PTR_ERR(way);
	buf = dmademo_buffer_alloc(df->dd, arg->bytes, arg->flags, way);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	ret = dmademo_buffer_reserve(df, call, buf);
	if (ret)
		return ret;

	arg->bytes_held = buf->size;
	arg->bus_addr = capable(CAP_SYS_RAWIO) ? buf->region.seg.addr : 0;
	arg->handle = call->handle;
	arg->mmap_offset = (u64)call->handle << DMADEMO_HANDLE_SHIFT;
	return 0;
}

static int dmademo_ioctl_import(struct dmademo_file *df,
				struct dmademo_call *call)
{
	struct dmademo_import *arg = &call->import;
	struct dmademo_buffer *buf;
	int ret;

	ret = dmademo_import_check(arg);
	if (ret)
		return ret;
	buf = dmademo_import(df->dd, arg->fd);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	ret = dmademo_buffer_reserve(df, call, buf);
	if (ret)
		return ret;
	arg->bytes_held = buf->size;
	arg->handle = call->handle;
	return 0;
}

static int dmademo_ioctl_free(struct dmademo_file *df,
			      struct dmademo_call *call)
{
	u32 handle = call->free.handle;
	struct dmademo_buffer *buf;

	/* Not xa_erase(), which would take a reserved handle back too. */
	xa_lock(&df->buffers);
	buf = xa_load(&df->buffers, handle);
	if (buf)
		__xa_erase(&df->buffers, handle);
	xa_unlock(&df->buffers);

	if (!buf)
		return -ENOENT;
	dmademo_buffer_put(buf);
	return 0;
}

/* Nobody could know the cookie. */
static void dmademo_run_finish(struct dmademo_file *df,
			       struct dmademo_call *call, int error)
{
	if (error)
		dmademo_transfer_discard(df, call->run.cookie);
}

static int dmademo_ioctl_run(struct dmademo_file *df,
			     struct dmademo_call *call)
{
	int ret = dmademo_run(df, &call->run);

	if (!ret && call->run.cookie)
		call->finish = dmademo_run_finish;
	return ret;
}

/* What user space does not know yet stays. */
static void dmademo_completion_finish(struct dmademo_file *df,
				      struct dmademo_call *call, int error)
{
	dmademo_claim_finish(call->transfer, error);
}

static int dmademo_ioctl_wait(struct dmademo_file *df,
			      struct dmademo_call *call)
{
	int ret;

	ret = dmademo_wait_check(&call->wait);
	if (ret)
		return ret;
	ret = dmademo_wait(df, &call->wait, &call->transfer);
	if (!ret)
		call->finish = dmademo_completion_finish;
	return ret;
}

static int dmademo_ioctl_sync(struct dmademo_file *df,
			      struct dmademo_call *call)
{
	const struct dmademo_sync *arg = &call->sync;
	struct dmademo_buffer *buf;
	int ret;

	ret = dmademo_sync_check(arg);
	if (ret)
		return ret;
	buf = dmademo_buffer_get(df, arg->handle);
	if (!buf)
		return -ENOENT;
	ret = dmademo_buffer_sync(buf, arg);
	dmademo_buffer_put(buf);
	return ret;
}

static void dmademo_export_finish(struct dmademo_file *df,
				  struct dmademo_call *call, int error)
{
	if (error) {
		put_unused_fd(call->export.fd);
		dma_buf_put(call->dmabuf);
	} else {
		fd_install(call->export.fd, call->dmabuf->file);
	}
}

static int dmademo_ioctl_export(struct dmademo_file *df,
				struct dmademo_call *call)
{
	struct dmademo_export *arg = &call->export;
	struct dmademo_buffer *buf;
	int ret;

	ret = dmademo_export_check(arg);
	if (ret)
		return ret;
	buf = dmademo_buffer_get(df, arg->handle);
	if (!buf)
		return -ENOENT;
	call->dmabuf = dmademo_export(buf, arg->fd_flags);
	dmademo_buffer_put(buf);
	if (IS_ERR(call->dmabuf))
		return PTR_ERR(call->dmabuf);
	arg->fd = get_unused_fd_flags(arg->fd_flags & O_CLOEXEC);
	if (arg->fd < 0) {
		dma_buf_put(call->dmabuf);
		return arg->fd;
	}
	call->finish = dmademo_export_finish;
	return 0;
}

/**
 * struct dmademo_ioctl - one ioctl
 * @size: Size of the structure that this kernel knows.
 * @min_size: Size of its first version.
 * @out: It has output.  Without, user space may have the structure in read-only
 *	memory.
 * @sleeps: It waits for user space or a transfer, so it enters the device by
 *	itself.
 * @run: Does it.
 */
struct dmademo_ioctl {
	size_t	size;
	size_t	min_size;
	bool	out;
	bool	sleeps;
	int	(*run)(struct dmademo_file *df, struct dmademo_call *call);
};

#define DMADEMO_IOCTL(nr, type, last, fn, ...) \
	[_IOC_NR(nr)] = { .size = sizeof(type), \
			  .min_size = offsetofend(type, last), \
			  .run = fn, __VA_ARGS__ }

static const struct dmademo_ioctl dmademo_ioctls[] = {
	DMADEMO_IOCTL(DMADEMO_IOC_INFO, struct dmademo_info, __reserved,
		      dmademo_ioctl_info, .out = true),
	DMADEMO_IOCTL(DMADEMO_IOC_ALLOC, struct dmademo_alloc, strategy,
		      dmademo_ioctl_alloc, .out = true),
	DMADEMO_IOCTL(DMADEMO_IOC_FREE, struct dmademo_free, handle,
		      dmademo_ioctl_free),
	DMADEMO_IOCTL(DMADEMO_IOC_RUN, struct dmademo_run, cookie,
		      dmademo_ioctl_run, .out = true, .sleeps = true),
	DMADEMO_IOCTL(DMADEMO_IOC_WAIT, struct dmademo_wait, value,
		      dmademo_ioctl_wait, .out = true, .sleeps = true),
	DMADEMO_IOCTL(DMADEMO_IOC_SYNC, struct dmademo_sync, length,
		      dmademo_ioctl_sync),
	DMADEMO_IOCTL(DMADEMO_IOC_EXPORT, struct dmademo_export, fd,
		      dmademo_ioctl_export, .out = true),
	DMADEMO_IOCTL(DMADEMO_IOC_IMPORT, struct dmademo_import, handle,
		      dmademo_ioctl_import, .out = true),
};

static int dmademo_ioctl_run_it(struct dmademo_file *df,
				const struct dmademo_ioctl *ioctl,
				struct dmademo_call *call)
{
	int ret, idx;

	if (ioctl->sleeps)
		return ioctl->run(df, call);
	if (!dmademo_enter(df->dd, &idx))
		return -ENODEV;
	ret = ioctl->run(df, call);
	dmademo_exit(idx);
	return ret;
}

static long dmademo_ioctl(struct file *file, unsigned int cmd,
			  unsigned long arg)
{
	struct dmademo_file *df = file->private_data;
	void __user *uarg = (void __user *)arg;
	const struct dmademo_ioctl *ioctl;
	struct dmademo_call call = {};
	u32 size;
	int ret;

	if (_IOC_NR(cmd) >= ARRAY_SIZE(dmademo_ioctls) ||
	    cmd != _IO(DMADEMO_IOC_TYPE, _IOC_NR(cmd)))
		return -ENOTTY;
	ioctl = &dmademo_ioctls[_IOC_NR(cmd)];

	if (get_user(size, (u32 __user *)uarg))
		return -EFAULT;
	if (size < ioctl->min_size)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	ret = copy_struct_from_user(&call, ioctl->size, uarg, size);
	if (ret)
		return ret;

	ret = dmademo_ioctl_run_it(df, ioctl, &call);
	if (!ret && ioctl->out &&
	    copy_to_user(uarg, &call, min(size, ioctl->size)))
		ret = -EFAULT;
	if (call.finish)
		call.finish(df, &call, ret);
	return ret;
}

static ssize_t dmademo_read(struct file *file, char __user *to, size_t count,
			    loff_t *pos)
{
	const size_t size = sizeof(struct dmademo_completion);
	struct dmademo_file *df = file->private_data;
	size_t done = 0;
	int ret;

	if (count < size)
		return -EINVAL;
	while (count - done >= size) {
		ret = dmademo_completion_read(df, to + done);
		if (ret < 0)
			return done ?: ret;
		if (ret) {
			done += size;
			continue;
		}
		if (done)
			break;
		if (dmademo_is_over(df))
			return -ENODEV;
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		ret = wait_event_interruptible(df->wait,
					       dmademo_has_completions(df) ||
					       dmademo_is_over(df));
		if (ret)
			return ret;
	}
	return done;
}

static __poll_t dmademo_poll(struct file *file, poll_table *table)
{
	struct dmademo_file *df = file->private_data;
	__poll_t mask = 0;

	poll_wait(file, &df->wait, table);
	if (dmademo_has_completions(df))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (READ_ONCE(df->dd->gone))
		mask |= EPOLLHUP;
	return mask;
}

/* Maps one buffer, or a part of it, into user space. */
static int dmademo_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct dmademo_file *df = file->private_data;
	struct dmademo_buffer *buf;
	int ret, idx;

	if (!dmademo_enter(df->dd, &idx))
		return -ENODEV;
	buf = dmademo_buffer_get(df, vma->vm_pgoff >> DMADEMO_PGOFF_SHIFT);
	/* An imported one has a file of its own. */
	ret = buf && buf->way ? dmademo_map(df, buf, vma) : -ENXIO;
	dmademo_buffer_put(buf);
	dmademo_exit(idx);
	return ret;
}

/* The device is there: misc_open() and misc_deregister() exclude each other. */
static int dmademo_open(struct inode *inode, struct file *file)
{
	struct dmademo *dd = container_of(file->private_data, struct dmademo,
					  misc);
	struct dmademo_file *df = kzalloc_obj(*df, GFP_KERNEL_ACCOUNT);

	if (!df)
		return -ENOMEM;
	kref_get(&dd->ref);
	df->dd = dd;
	df->mapping = file->f_mapping;
	xa_init_flags(&df->buffers, XA_FLAGS_ALLOC1);
	spin_lock_init(&df->lock);
	INIT_LIST_HEAD(&df->pending);
	INIT_LIST_HEAD(&df->completed);
	init_waitqueue_head(&df->wait);
	file->private_data = df;
	guard(mutex)(&dd->lock);
	list_add_tail(&df->node, &dd->files);
	return nonseekable_open(inode, file);
}

static int dmademo_release(struct inode *inode, struct file *file)
{
	struct dmademo_file *df = file->private_data;
	struct dmademo_buffer *buf;
	unsigned long handle;

	dmademo_transfers_cancel(df);
	scoped_guard(mutex, &df->dd->lock) {
		list_del(&df->node);
		dmademo_forget_mappers(df);
	}
	xa_for_each(&df->buffers, handle, buf)
		dmademo_buffer_put(buf);
	xa_destroy(&df->buffers);
	dmademo_put(df->dd);
	kfree(df);
	return 0;
}

const struct file_operations dmademo_fops = {
	.owner			= THIS_MODULE,
	.open			= dmademo_open,
	.release		= dmademo_release,
	.read			= dmademo_read,
	.poll			= dmademo_poll,
	.unlocked_ioctl		= dmademo_ioctl,
	.compat_ioctl		= compat_ptr_ioctl,
	.mmap			= dmademo_mmap,
	/* The offset of each buffer is a multiple of what it should suit. */
	.get_unmapped_area	= dma_custom_get_unmapped_area,
	.fop_flags		= FOP_UNSIGNED_OFFSET,
};
