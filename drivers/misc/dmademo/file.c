// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA demo device: the user API.
 */
#include <linux/capability.h>
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/xarray.h>

#include "dmademo.h"

#define DMADEMO_MAX_BYTES	SZ_1G

/*
 * Each buffer has 4 GiB of file offsets of its own: the handle, shifted.  A
 * page offset is an unsigned long, which limits the number of handles.
 */
#define HANDLE_SHIFT		32
#define HANDLE_PGOFF_SHIFT	(HANDLE_SHIFT - PAGE_SHIFT)
#define HANDLE_MAX		min_t(unsigned long, U16_MAX, \
				      ULONG_MAX >> HANDLE_PGOFF_SHIFT)

/**
 * struct dmademo_file - one open file
 * @dd: The device.
 * @buffers: Buffers by handle.
 */
struct dmademo_file {
	struct dmademo	*dd;
	struct xarray	buffers;
};

static void dmademo_buffer_release(struct kref *ref)
{
	struct dmademo_buffer *buf = container_of(ref, struct dmademo_buffer,
						  ref);
	struct dmademo *dd = buf->dd;

	dmademo_engine_revoke(&dd->engine, &buf->region);
	dma_free_attrs(dd->dev, buf->size, buf->cpu_addr, buf->region.start,
		       DMA_ATTR_NO_WARN);
	kfree(buf);
}

void dmademo_buffer_put(struct dmademo_buffer *buf)
{
	if (buf)
		kref_put(&buf->ref, dmademo_buffer_release);
}

/* The buffer with a reference for the caller, NULL if there is none. */
static struct dmademo_buffer *dmademo_buffer_get(struct dmademo_file *df,
						 unsigned long handle)
{
	struct dmademo_buffer *buf;

	xa_lock(&df->buffers);
	buf = xa_load(&df->buffers, handle);
	if (buf)
		kref_get(&buf->ref);
	xa_unlock(&df->buffers);
	return buf;
}

static struct dmademo_buffer *dmademo_buffer_create(struct dmademo *dd,
						    size_t bytes)
{
	struct dmademo_buffer *buf;

	buf = kzalloc_obj(*buf, GFP_KERNEL_ACCOUNT);
	if (!buf)
		return NULL;
	kref_init(&buf->ref);
	buf->dd = dd;
	buf->size = PAGE_ALIGN(bytes);
	/* Charged to the caller's memory cgroup, whose business a failure is. */
	buf->cpu_addr = dma_alloc_attrs(dd->dev, buf->size, &buf->region.start,
					GFP_KERNEL_ACCOUNT, DMA_ATTR_NO_WARN);
	if (!buf->cpu_addr) {
		kfree(buf);
		return NULL;
	}
	buf->region.size = buf->size;
	dmademo_engine_grant(&dd->engine, &buf->region);
	return buf;
}

/**
 * struct dmademo_call - one ioctl under way
 * @info: Copy of user space's structure for DMADEMO_IOC_INFO, ...
 * @alloc: ... DMADEMO_IOC_ALLOC, ...
 * @free: ... DMADEMO_IOC_FREE, ...
 * @run: ... and DMADEMO_IOC_RUN.
 * @new_buffer: A buffer whose handle is reserved, but not valid until user space
 *	has been told.
 */
struct dmademo_call {
	/* first: what is copied from and to user space */
	union {
		struct dmademo_info	info;
		struct dmademo_alloc	alloc;
		struct dmademo_free	free;
		struct dmademo_run	run;
	};
	struct dmademo_buffer		*new_buffer;
};

static int dmademo_ioctl_info(struct dmademo_file *df,
			      struct dmademo_call *call)
{
	struct dmademo_info *arg = &call->info;

	if (arg->flags)
		return -EINVAL;
	arg->version = DMADEMO_VERSION;
	arg->max_bytes = DMADEMO_MAX_BYTES;
	arg->mmap_mode = df->dd->strategy->mode;
	if (df->dd->engine.coherent)
		arg->flags = DMADEMO_INFO_COHERENT;
	else if (arg->mmap_mode == DMADEMO_MMAP_PAGES)
		arg->mmap_mode = DMADEMO_MMAP_PFN;
	arg->dma_mask = dma_get_mask(df->dd->dev);
	return 0;
}

static int dmademo_ioctl_alloc(struct dmademo_file *df,
			       struct dmademo_call *call)
{
	struct dmademo_alloc *arg = &call->alloc;
	struct dmademo_buffer *buf;
	u32 handle;
	int ret;

	if (arg->flags || arg->__reserved || !arg->bytes ||
	    arg->bytes > DMADEMO_MAX_BYTES)
		return -EINVAL;

	buf = dmademo_buffer_create(df->dd, arg->bytes);
	if (!buf)
		return -ENOMEM;
	ret = xa_alloc(&df->buffers, &handle, NULL,
		       XA_LIMIT(1, HANDLE_MAX), GFP_KERNEL_ACCOUNT);
	if (ret) {
		dmademo_buffer_put(buf);
		return ret == -EBUSY ? -ENOSPC : ret;
	}

	arg->bytes_held = buf->size;
	arg->bus_addr = capable(CAP_SYS_RAWIO) ? buf->region.start : 0;
	arg->handle = handle;
	arg->mmap_offset = (u64)handle << HANDLE_SHIFT;
	call->new_buffer = buf;
	return 0;
}

/* Makes the handle of a new buffer valid, or takes both back after an error. */
static void dmademo_alloc_finish(struct dmademo_file *df,
				 struct dmademo_call *call, int error)
{
	if (error) {
		xa_release(&df->buffers, call->alloc.handle);
		dmademo_buffer_put(call->new_buffer);
	} else {
		/* Cannot fail: the place is reserved. */
		xa_store(&df->buffers, call->alloc.handle, call->new_buffer,
			 GFP_KERNEL_ACCOUNT);
	}
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

/*
 * The buffer for one side of a transfer, with a reference, NULL if the transfer
 * has no such side, or an error.
 */
static struct dmademo_buffer *dmademo_run_side(struct dmademo_file *df,
					       bool used, u32 handle,
					       u64 offset, u64 length)
{
	struct dmademo_buffer *buf;

	if (!used)
		return handle || offset ? ERR_PTR(-EINVAL) : NULL;

	buf = dmademo_buffer_get(df, handle);
	if (!buf)
		return ERR_PTR(-ENOENT);
	if (offset >= buf->size || length > buf->size - offset) {
		dmademo_buffer_put(buf);
		return ERR_PTR(-ERANGE);
	}
	return buf;
}

static int dmademo_ioctl_run(struct dmademo_file *df,
			     struct dmademo_call *call)
{
	struct dmademo_run *arg = &call->run;
	struct dmademo_buffer *src, *dst;
	struct dmademo_desc desc = {};
	int ret;

	if (arg->__reserved || !arg->length || arg->op > DMADEMO_OP_CRC32 ||
	    arg->value > (arg->op == DMADEMO_OP_FILL ? U8_MAX : 0))
		return -EINVAL;

	src = dmademo_run_side(df, arg->op != DMADEMO_OP_FILL, arg->src,
			       arg->src_offset, arg->length);
	if (IS_ERR(src))
		return PTR_ERR(src);
	dst = dmademo_run_side(df, arg->op != DMADEMO_OP_CRC32, arg->dst,
			       arg->dst_offset, arg->length);
	if (IS_ERR(dst)) {
		ret = PTR_ERR(dst);
		goto out_put_src;
	}
	if (src == dst && abs_diff(arg->src_offset, arg->dst_offset) <
			  arg->length) {
		ret = -EINVAL;
		goto out_put_dst;
	}

	desc.op = arg->op;
	if (src)
		desc.src = src->region.start + arg->src_offset;
	if (dst)
		desc.dst = dst->region.start + arg->dst_offset;
	desc.length = arg->length;
	desc.value = arg->value;
	dmademo_engine_submit(&df->dd->engine, &desc);
	/* Bounded by the size of a buffer, and @desc has to stay until then. */
	wait_for_completion(&desc.done);
	arg->value = desc.value;
	ret = desc.status;

out_put_dst:
	dmademo_buffer_put(dst);
out_put_src:
	dmademo_buffer_put(src);
	return ret;
}

/**
 * struct dmademo_ioctl - one ioctl
 * @size: Size of the structure that this kernel knows.
 * @min_size: Size of its first version.
 * @run: Does it.
 */
struct dmademo_ioctl {
	size_t	size;
	size_t	min_size;
	int	(*run)(struct dmademo_file *df, struct dmademo_call *call);
};

#define DMADEMO_IOCTL(nr, type, last, fn) \
	[_IOC_NR(nr)] = { sizeof(type), offsetofend(type, last), fn }

static const struct dmademo_ioctl dmademo_ioctls[] = {
	DMADEMO_IOCTL(DMADEMO_IOC_INFO, struct dmademo_info, dma_mask,
		      dmademo_ioctl_info),
	DMADEMO_IOCTL(DMADEMO_IOC_ALLOC, struct dmademo_alloc, __reserved,
		      dmademo_ioctl_alloc),
	DMADEMO_IOCTL(DMADEMO_IOC_FREE, struct dmademo_free, handle,
		      dmademo_ioctl_free),
	DMADEMO_IOCTL(DMADEMO_IOC_RUN, struct dmademo_run, __reserved,
		      dmademo_ioctl_run),
};

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

	ret = ioctl->run(df, &call);
	if (!ret && copy_to_user(uarg, &call, min(size, ioctl->size)))
		ret = -EFAULT;
	if (call.new_buffer)
		dmademo_alloc_finish(df, &call, ret);
	return ret;
}

/* Maps one buffer, or a part of it, into user space. */
static int dmademo_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct dmademo_file *df = file->private_data;
	struct dmademo_buffer *buf;
	int ret;

	buf = dmademo_buffer_get(df, vma->vm_pgoff >> HANDLE_PGOFF_SHIFT);
	if (!buf)
		return -ENXIO;

	/* dma_mmap_attrs() counts from the start of the buffer. */
	vma->vm_pgoff &= BIT(HANDLE_PGOFF_SHIFT) - 1;
	ret = dmademo_map(buf, vma);
	dmademo_buffer_put(buf);
	return ret;
}

static int dmademo_open(struct inode *inode, struct file *file)
{
	struct dmademo *dd = container_of(file->private_data, struct dmademo,
					  misc);
	struct dmademo_file *df = kzalloc_obj(*df, GFP_KERNEL_ACCOUNT);

	if (!df)
		return -ENOMEM;
	df->dd = dd;
	xa_init_flags(&df->buffers, XA_FLAGS_ALLOC1);
	file->private_data = df;
	return 0;
}

static int dmademo_release(struct inode *inode, struct file *file)
{
	struct dmademo_file *df = file->private_data;
	struct dmademo_buffer *buf;
	unsigned long handle;

	xa_for_each(&df->buffers, handle, buf)
		dmademo_buffer_put(buf);
	xa_destroy(&df->buffers);
	kfree(df);
	return 0;
}

const struct file_operations dmademo_fops = {
	.owner			= THIS_MODULE,
	.open			= dmademo_open,
	.release		= dmademo_release,
	.unlocked_ioctl		= dmademo_ioctl,
	.compat_ioctl		= compat_ptr_ioctl,
	.mmap			= dmademo_mmap,
	/* The offset of each buffer is a multiple of what it should suit. */
	.get_unmapped_area	= dma_custom_get_unmapped_area,
	.fop_flags		= FOP_UNSIGNED_OFFSET,
};
