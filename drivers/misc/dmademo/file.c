// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA demo device: open files, their calls, and transfers.
 */
#include <linux/capability.h>
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/uaccess.h>
#include <linux/xarray.h>

#include "dmademo.h"

/* An open file, and its buffers by handle. */
struct dmademo_file {
	struct dmademo	*dd;
	struct xarray	buffers;
};

DEFINE_FREE(dmademo_buffer, struct dmademo_buffer *, dmademo_buffer_put(_T))

/* The buffer, live for the caller, or NULL. */
static struct dmademo_buffer *file_buffer(struct dmademo_file *df, u32 handle)
{
	struct dmademo_buffer *buf;

	xa_lock(&df->buffers);
	buf = handle ? xa_load(&df->buffers, handle) : df->dd->buffer;
	if (buf)
		refcount_inc(&buf->live);
	xa_unlock(&df->buffers);
	return buf;
}

static bool range_fits(const struct dmademo_buffer *buf, u64 offset, u64 length)
{
	return offset < buf->size && length <= buf->size - offset;
}

/* --- transfers --------------------------------------------------------------- */

/* One side of a transfer: a buffer, or user memory. */
struct run_side {
	enum dma_data_direction	dir;
	struct dmademo_side	at;
	struct dmademo_buffer	*buf;
	struct page		**pages;
	unsigned long		nr, pinned;
	struct sg_table		sgt;
	struct dmademo_grant	grant;
};

/* Takes as long as user space likes.  After an error, too, side_put() is needed. */
static int side_pin(struct run_side *side, u64 addr, size_t length)
{
	const unsigned int write = side->dir == DMA_BIDIRECTIONAL ? FOLL_WRITE : 0;
	const unsigned long nr = PFN_UP(offset_in_page(addr) + length);
	int ret;

	if (addr > ULONG_MAX)
		return -EFAULT;
	ret = account_locked_vm(current->mm, nr, true);
	if (ret)
		return ret;
	side->nr = nr;
	side->pages = kvmalloc_array(nr, sizeof(*side->pages), GFP_KERNEL_ACCOUNT);
	if (!side->pages)
		return -ENOMEM;
	ret = pin_user_pages_fast(addr, nr, FOLL_LONGTERM | write, side->pages);
	side->pinned = max(ret, 0);
	/* There are many reasons why it cannot be pinned. */
	if (side->pinned < nr)
		return ret == -ENOMEM || ret == -EINTR ? ret : -EFAULT;
	return 0;
}

static void side_put(struct run_side *side)
{
	dmademo_buffer_put(side->buf);
	sg_free_table(&side->sgt);
	unpin_user_pages_dirty_lock(side->pages, side->pinned, side->dir == DMA_BIDIRECTIONAL);
	kvfree(side->pages);
	account_locked_vm(current->mm, side->nr, false);
}

static int side_map(struct run_side *side, struct dmademo_file *df, u32 handle, u64 offset,
		    size_t length)
{
	struct dmademo *dd = df->dd;
	struct scatterlist *sg;
	int ret;

	if (!side->pages) {
		side->buf = file_buffer(df, handle);
		if (!side->buf)
			return -ENOENT;
		side->at = (struct dmademo_side){ &side->buf->grant, &side->buf->sg, offset };
		return range_fits(side->buf, offset, length) ? 0 : -ERANGE;
	}
	if (sg_alloc_table_from_pages_segment(&side->sgt, side->pages, side->nr,
					      offset_in_page(offset), length,
					      dmademo_max_segment(dd->dev), GFP_KERNEL_ACCOUNT))
		return -ENOMEM;
	sg = side->sgt.sgl;
	/* One page is mapped by itself, more as a scatterlist. */
	if (side->nr == 1) {
		sg_dma_address(sg) = dma_map_page(dd->dev, sg_page(sg), sg->offset, sg->length,
						  side->dir);
		sg_dma_len(sg) = sg->length;
		ret = dma_mapping_error(dd->dev, sg_dma_address(sg));
	} else {
		ret = dma_map_sgtable(dd->dev, &side->sgt, side->dir, 0);
	}
	if (ret)
		return -ENOMEM;
	side->at = (struct dmademo_side){ &side->grant, sg };
	dmademo_engine_grant(&dd->engine, &side->grant, side->dir);
	return 0;
}

static void side_unmap(struct run_side *side, struct dmademo *dd)
{
	if (side->at.grant != &side->grant)
		return;
	dmademo_engine_grant(&dd->engine, &side->grant, DMA_NONE);
	if (side->nr == 1)
		dma_unmap_page(dd->dev, sg_dma_address(side->at.sg), sg_dma_len(side->at.sg),
			       side->dir);
	else
		dma_unmap_sgtable(dd->dev, &side->sgt, side->dir, 0);
}

/* Nobody waits for user space with the lock, for which remove() waits. */
static int transfer(struct dmademo_file *df, struct dmademo_run *arg, struct run_side *src,
		    struct run_side *dst)
{
	struct dmademo_desc desc = { .length = arg->length, .value = arg->value };
	struct dmademo *dd = df->dd;
	int ret = 0;

	scoped_guard(srcu, &dmademo_srcu) {
		if (READ_ONCE(dd->gone))
			return -ENODEV;
		if (arg->op != DMADEMO_OP_FILL)
			ret = side_map(src, df, arg->src, arg->src_offset, arg->length);
		if (!ret && arg->op != DMADEMO_OP_CRC32)
			ret = side_map(dst, df, arg->dst, arg->dst_offset, arg->length);
		if (!ret) {
			desc.src = src->at;
			desc.dst = dst->at;
			reinit_completion(&dd->done);
			dmademo_engine_start(&dd->engine, &desc);
		}
	}
	if (!ret) {
		/* Only who is being killed does not want the result. */
		if (wait_for_completion_killable(&dd->done)) {
			WRITE_ONCE(dd->engine.stop, -EINTR);
			wait_for_completion(&dd->done);
		}
		ret = desc.status;
		arg->value = desc.value;
	}
	side_unmap(dst, dd);
	side_unmap(src, dd);
	return ret;
}

/* One side: what the operation has not is 0, and user memory has no handle. */
static bool side_is_wrong(bool used, u32 handle, u64 offset, bool is_user)
{
	return used ? is_user && handle : handle || offset || is_user;
}

/* What is wrong with the arguments, whoever's they are: 0 or -EINVAL. */
int dmademo_run_check(const struct dmademo_run *arg)
{
	const bool src_user = arg->flags & DMADEMO_RUN_SRC_USER;
	const bool dst_user = arg->flags & DMADEMO_RUN_DST_USER;

	if (arg->__reserved || arg->op > DMADEMO_OP_CRC32 ||
	    arg->flags & ~(DMADEMO_RUN_SRC_USER | DMADEMO_RUN_DST_USER) ||
	    !arg->length || arg->length > DMADEMO_MAX_BYTES ||
	    arg->value > (arg->op == DMADEMO_OP_FILL ? U8_MAX : 0) ||
	    side_is_wrong(arg->op != DMADEMO_OP_FILL, arg->src, arg->src_offset, src_user) ||
	    side_is_wrong(arg->op != DMADEMO_OP_CRC32, arg->dst, arg->dst_offset, dst_user))
		return -EINVAL;
	if (arg->op == DMADEMO_OP_COPY && src_user == dst_user && arg->src == arg->dst &&
	    abs_diff(arg->src_offset, arg->dst_offset) < arg->length)
		return -EINVAL;
	return 0;
}

static int dmademo_run(struct dmademo_file *df, struct dmademo_run *arg)
{
	struct run_side src = { .dir = DMA_TO_DEVICE };
	/* What the device does not write has to stay what it was, hence both ways. */
	struct run_side dst = { .dir = DMA_BIDIRECTIONAL };
	struct dmademo *dd = df->dd;
	int ret = dmademo_run_check(arg);

	if (ret)
		return ret;
	if (arg->flags & DMADEMO_RUN_SRC_USER)
		ret = side_pin(&src, arg->src_offset, arg->length);
	if (!ret && arg->flags & DMADEMO_RUN_DST_USER)
		ret = side_pin(&dst, arg->dst_offset, arg->length);
	/* Who waits for others has done nothing yet, and begins again after a signal. */
	if (!ret && mutex_lock_interruptible(&dd->run))
		ret = -ERESTARTNOINTR;
	if (!ret) {
		ret = transfer(df, arg, &src, &dst);
		mutex_unlock(&dd->run);
	}
	side_put(&dst);
	side_put(&src);
	return ret;
}

/* --- other calls ------------------------------------------------------------- */

static int dmademo_info(struct dmademo *dd, struct dmademo_info *arg)
{
	arg->max_bytes = DMADEMO_MAX_BYTES;
	arg->max_device_bytes = dd->max_bytes_held;
	arg->dma_mask = dma_get_mask(dd->dev);
	arg->buffer_bytes = dd->buffer ? dd->buffer->size : 0;
	arg->mmap_mode = dd->mode;
	arg->flags = dd->engine.coherent ? DMADEMO_INFO_COHERENT : 0;
	arg->max_buffers = DMADEMO_MAX_BUFFERS;
	return 0;
}

static int dmademo_alloc(struct dmademo_file *df, struct dmademo_alloc *arg)
{
	const u32 memory = arg->flags & ~DMADEMO_ALLOC_BUS_ADDR;
	struct dmademo_buffer *buf;
	int ret;

	if (memory > DMADEMO_ALLOC_WRITE_COMBINE) /* both, or unknown */
		return -EINVAL;
	if (memory != arg->flags && !capable(CAP_SYS_RAWIO))
		return -EPERM;
	buf = dmademo_buffer_alloc(df->dd, arg->bytes, memory);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	/* Once it has a handle it may be freed. */
	arg->bytes = buf->size;
	arg->bus_addr = memory != arg->flags ? buf->dma_addr : 0;
	ret = xa_alloc(&df->buffers, &arg->handle, buf, XA_LIMIT(1, DMADEMO_MAX_BUFFERS),
		       GFP_KERNEL_ACCOUNT);
	if (ret) {
		dmademo_buffer_put(buf);
		return ret == -EBUSY ? -ENOSPC : ret;
	}
	arg->mmap_offset = (u64)arg->handle << DMADEMO_HANDLE_SHIFT;
	return 0;
}

static int dmademo_free_buffer(struct dmademo_file *df, const struct dmademo_free *arg)
{
	struct dmademo_buffer *buf;
	int ret;

	if (arg->__reserved)
		return -EINVAL;
	xa_lock(&df->buffers);
	buf = xa_load(&df->buffers, arg->handle);
	ret = !buf ? -ENOENT : atomic_read(&buf->loose_maps) ? -EBUSY : 0;
	if (!ret)
		__xa_erase(&df->buffers, arg->handle);
	xa_unlock(&df->buffers);
	if (!ret)
		dmademo_buffer_put(buf);
	return ret;
}

static int dmademo_sync(struct dmademo_file *df, const struct dmademo_sync *arg)
{
	struct dmademo_buffer *buf __free(dmademo_buffer) = file_buffer(df, arg->handle);
	const u32 both = DMADEMO_SYNC_TO_DEVICE | DMADEMO_SYNC_FROM_DEVICE;
	const u32 way = arg->flags & both, whom = arg->flags & ~both;
	enum dma_data_direction dir = DMA_BIDIRECTIONAL;

	if ((whom != DMADEMO_SYNC_FOR_CPU && whom != DMADEMO_SYNC_FOR_DEVICE) || !way ||
	    !arg->length)
		return -EINVAL;
	if (!buf)
		return -ENOENT;
	if (!range_fits(buf, arg->offset, arg->length))
		return -ERANGE;
	if (way != both)
		dir = way == DMADEMO_SYNC_TO_DEVICE ? DMA_TO_DEVICE : DMA_FROM_DEVICE;
	dmademo_buffer_sync(buf, arg->offset, arg->length, dir, whom == DMADEMO_SYNC_FOR_CPU);
	return 0;
}

static int dmademo_export(struct dmademo_file *df, struct dmademo_export *arg,
			  struct dma_buf **dmabuf)
{
	struct dmademo_buffer *buf __free(dmademo_buffer) = file_buffer(df, arg->handle);

	if (!buf)
		return -ENOENT;
	*dmabuf = dmademo_buffer_export(buf);
	if (IS_ERR(*dmabuf))
		return PTR_ERR(*dmabuf);
	arg->fd = get_unused_fd_flags(O_CLOEXEC);
	if (arg->fd >= 0)
		return 0;
	dma_buf_put(*dmabuf);
	return arg->fd;
}

/* What any of the calls takes. */
union dmademo_arg {
	struct dmademo_info	info;
	struct dmademo_alloc	alloc;
	struct dmademo_free	free;
	struct dmademo_run	run;
	struct dmademo_sync	sync;
	struct dmademo_export	export;
};

static int dmademo_call(struct dmademo_file *df, unsigned int cmd, union dmademo_arg *arg,
			struct dma_buf **dmabuf)
{
	guard(srcu)(&dmademo_srcu);
	if (READ_ONCE(df->dd->gone))
		return -ENODEV;
	switch (cmd) {
	case DMADEMO_IOC_INFO:
		return dmademo_info(df->dd, &arg->info);
	case DMADEMO_IOC_ALLOC:
		return dmademo_alloc(df, &arg->alloc);
	case DMADEMO_IOC_FREE:
		return dmademo_free_buffer(df, &arg->free);
	case DMADEMO_IOC_SYNC:
		return dmademo_sync(df, &arg->sync);
	case DMADEMO_IOC_EXPORT:
		return dmademo_export(df, &arg->export, dmabuf);
	}
	return -ENOTTY;
}

static long dmademo_ioctl(struct file *file, unsigned int cmd, unsigned long uarg)
{
	const unsigned int size = _IOC_SIZE(cmd);
	struct dmademo_file *df = file->private_data;
	void __user *uptr = (void __user *)uarg;
	struct dma_buf *dmabuf;
	union dmademo_arg arg = {};
	int ret;

	if (_IOC_TYPE(cmd) != _IOC_TYPE(DMADEMO_IOC_INFO) || size > sizeof(arg))
		return -ENOTTY;
	if (_IOC_DIR(cmd) & _IOC_WRITE && copy_from_user(&arg, uptr, size))
		return -EFAULT;
	if (cmd == DMADEMO_IOC_RUN)
		ret = dmademo_run(df, &arg.run);
	else
		ret = dmademo_call(df, cmd, &arg, &dmabuf);
	if (ret)
		return ret;
	if (_IOC_DIR(cmd) & _IOC_READ && copy_to_user(uptr, &arg, size))
		ret = -EFAULT;
	/* What cannot be told has not happened. */
	if (cmd == DMADEMO_IOC_ALLOC && ret) {
		dmademo_free_buffer(df, &(struct dmademo_free){ arg.alloc.handle });
	} else if (cmd == DMADEMO_IOC_EXPORT && ret) {
		put_unused_fd(arg.export.fd);
		dma_buf_put(dmabuf);
	} else if (cmd == DMADEMO_IOC_EXPORT) {
		dma_buf_fd_install(dmabuf, arg.export.fd);
	}
	return ret;
}

/* The buffer whose number ->mmap_prepare has left may have gone in the meantime. */
static int dmademo_mapped(unsigned long start, unsigned long end, pgoff_t pgoff,
			  const struct file *file, void **vm_private_data)
{
	struct dmademo_file *df = file->private_data;
	int ret;

	guard(srcu)(&dmademo_srcu);
	if (READ_ONCE(df->dd->gone))
		return -ENODEV;
	struct dmademo_buffer *buf __free(dmademo_buffer) =
		file_buffer(df, xa_to_value(*vm_private_data));
	if (!buf)
		return -ENXIO;
	ret = dmademo_buffer_mapped(buf, start, end);
	if (!ret)
		*vm_private_data = buf;
	return ret;
}

static const struct vm_operations_struct dmademo_vm_ops = {
	.open	= dmademo_vm_open,
	.close	= dmademo_vm_close,
	.mapped	= dmademo_mapped,
};

/* Maps one buffer, or a part of it, from its own range of offsets. */
static int dmademo_mmap_prepare(struct vm_area_desc *desc)
{
	unsigned long handle = desc->pgoff >> DMADEMO_PGOFF_SHIFT;

	if (handle > DMADEMO_MAX_BUFFERS)
		return -ENXIO;
	/* The DMA API counts from the start of the buffer. */
	desc->pgoff -= handle << DMADEMO_PGOFF_SHIFT;
	desc->private_data = xa_mk_value(handle);
	desc->vm_ops = &dmademo_vm_ops;
	return dma_mmap_prepare(desc);
}

/* The same for a way that maps, as those have it in common that they take a VMA. */
static int dmademo_mmap(struct file *file, struct vm_area_struct *vma)
{
	unsigned long handle = vma->vm_pgoff >> DMADEMO_PGOFF_SHIFT;
	struct dmademo_file *df = file->private_data;

	guard(srcu)(&dmademo_srcu);
	if (READ_ONCE(df->dd->gone))
		return -ENODEV;
	struct dmademo_buffer *buf __free(dmademo_buffer) =
		handle <= DMADEMO_MAX_BUFFERS ? file_buffer(df, handle) : NULL;
	if (!buf)
		return -ENXIO;
	vma->vm_pgoff -= handle << DMADEMO_PGOFF_SHIFT;
	return dmademo_buffer_mmap(buf, vma);
}

/* The device is there: misc_open() and misc_deregister() exclude each other. */
static int dmademo_open(struct inode *inode, struct file *file)
{
	struct dmademo *dd = container_of(file->private_data, struct dmademo, misc);
	struct dmademo_file *df = kzalloc_obj(*df, GFP_KERNEL_ACCOUNT);

	if (!df)
		return -ENOMEM;
	refcount_inc(&dd->ref);
	df->dd = dd;
	xa_init_flags(&df->buffers, XA_FLAGS_ALLOC1);
	file->private_data = df;
	return nonseekable_open(inode, file);
}

static int dmademo_release(struct inode *inode, struct file *file)
{
	struct dmademo_file *df = file->private_data;
	struct dmademo_buffer *buf;
	unsigned long handle;

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
	.unlocked_ioctl		= dmademo_ioctl,
	.compat_ioctl		= compat_ptr_ioctl,
	.mmap_prepare		= dmademo_mmap_prepare,
	/* The offset of each buffer is a multiple of what it should suit. */
	.get_unmapped_area	= dma_custom_get_unmapped_area,
	.fop_flags		= FOP_UNSIGNED_OFFSET,
};

const struct file_operations dmademo_way_fops = {
	.owner			= THIS_MODULE,
	.open			= dmademo_open,
	.release		= dmademo_release,
	.unlocked_ioctl		= dmademo_ioctl,
	.compat_ioctl		= compat_ptr_ioctl,
	.mmap			= dmademo_mmap,
	.get_unmapped_area	= dma_custom_get_unmapped_area,
	.fop_flags		= FOP_UNSIGNED_OFFSET,
};
