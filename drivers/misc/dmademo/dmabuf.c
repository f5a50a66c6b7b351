// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA demo device: buffers as dma-bufs, and dma-bufs as buffers.
 *
 * Each page of a buffer of the custom DMA ops has a reference of its own.  A
 * dma-buf takes one more on each, so that the memory stays for other devices when
 * this one has gone.  They see it through the kernel's mapping, so this has to be
 * how the CPU sees it: buffers that are not cached cannot be exported.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/fcntl.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "dmademo.h"

MODULE_IMPORT_NS("DMA_BUF");

/**
 * struct dmademo_dmabuf - a buffer that is a dma-buf
 * @buf: The buffer.
 * @page: Its first page.
 * @lock: Protects @users.
 * @users: The devices that are attached.
 */
struct dmademo_dmabuf {
	struct dmademo_buffer	*buf;
	struct page		*page;
	struct mutex		lock; /* see above */
	struct list_head	users;
};

/**
 * struct dmademo_dmabuf_user - a device that is attached to a dma-buf
 * @node: In &dmademo_dmabuf.users.
 * @dev: The device.
 * @sgt: The memory as the device sees it while it is mapped.
 * @dir: The direction that it is mapped in, or DMA_NONE.
 */
struct dmademo_dmabuf_user {
	struct list_head	node;
	struct device		*dev;
	struct sg_table		sgt;
	enum dma_data_direction	dir;
};

/* In pieces that the device can have mapped. */
static int dmademo_dmabuf_alloc_table(struct dmademo_dmabuf *ddb,
				      struct device *dev, struct sg_table *sgt)
{
	const size_t most = dmademo_max_segment(dev);
	struct page *page = ddb->page;
	size_t left = ddb->buf->size;
	struct scatterlist *sg;
	unsigned int i;
	int ret;

	ret = sg_alloc_table(sgt, DIV_ROUND_UP(left, most), GFP_KERNEL);
	if (ret)
		return ret;
	for_each_sgtable_sg(sgt, sg, i) {
		size_t length = min(left, most);

		sg_set_page(sg, page, length, 0);
		page += length >> PAGE_SHIFT;
		left -= length;
	}
	return 0;
}

static int dmademo_dmabuf_attach(struct dma_buf *dmabuf,
				 struct dma_buf_attachment *attachment)
{
	struct dmademo_dmabuf *ddb = dmabuf->priv;
	struct dmademo_dmabuf_user *user;
	int ret;

	user = kzalloc_obj(*user);
	if (!user)
		return -ENOMEM;
	ret = dmademo_dmabuf_alloc_table(ddb, attachment->dev, &user->sgt);
	if (ret) {
		kfree(user);
		return ret;
	}
	user->dev = attachment->dev;
	user->dir = DMA_NONE;
	attachment->priv = user;
	guard(mutex)(&ddb->lock);
	list_add(&user->node, &ddb->users);
	return 0;
}

static void dmademo_dmabuf_detach(struct dma_buf *dmabuf,
				  struct dma_buf_attachment *attachment)
{
	struct dmademo_dmabuf_user *user = attachment->priv;
	struct dmademo_dmabuf *ddb = dmabuf->priv;

	scoped_guard(mutex, &ddb->lock)
		list_del(&user->node);
	sg_free_table(&user->sgt);
	kfree(user);
}

static struct sg_table *
dmademo_dmabuf_map(struct dma_buf_attachment *attachment,
		   enum dma_data_direction dir)
{
	struct dmademo_dmabuf *ddb = attachment->dmabuf->priv;
	struct dmademo_dmabuf_user *user = attachment->priv;
	int ret;

	guard(mutex)(&ddb->lock);
	ret = dma_map_sgtable(user->dev, &user->sgt, dir, 0);
	if (ret)
		return ERR_PTR(ret);
	user->dir = dir;
	return &user->sgt;
}

static void dmademo_dmabuf_unmap(struct dma_buf_attachment *attachment,
				 struct sg_table *sgt,
				 enum dma_data_direction dir)
{
	struct dmademo_dmabuf *ddb = attachment->dmabuf->priv;
	struct dmademo_dmabuf_user *user = attachment->priv;

	guard(mutex)(&ddb->lock);
	user->dir = DMA_NONE;
	dma_unmap_sgtable(user->dev, sgt, dir, 0);
}

/* All devices have to agree with the CPU, the buffer's own one among them. */
static int dmademo_dmabuf_sync(struct dmademo_dmabuf *ddb, u32 flags)
{
	const struct dmademo_sync all = {
		.flags	= flags,
		.length	= ddb->buf->size,
	};
	struct dmademo_dmabuf_user *user;
	int idx;

	if (dmademo_enter(ddb->buf->dd, &idx)) {
		dmademo_buffer_sync(ddb->buf, &all);
		dmademo_exit(idx);
	}
	guard(mutex)(&ddb->lock);
	list_for_each_entry(user, &ddb->users, node) {
		if (user->dir == DMA_NONE)
			continue;
		if (flags & DMADEMO_SYNC_FOR_CPU)
			dma_sync_sgtable_for_cpu(user->dev, &user->sgt,
						 user->dir);
		else
			dma_sync_sgtable_for_device(user->dev, &user->sgt,
						    user->dir);
	}
	return 0;
}

static int dmademo_dmabuf_begin(struct dma_buf *dmabuf,
				enum dma_data_direction dir)
{
	return dmademo_dmabuf_sync(dmabuf->priv, DMADEMO_SYNC_FOR_CPU);
}

static int dmademo_dmabuf_end(struct dma_buf *dmabuf,
			      enum dma_data_direction dir)
{
	return dmademo_dmabuf_sync(dmabuf->priv, DMADEMO_SYNC_FOR_DEVICE);
}

/* The VMA holds the dma-buf, and that the memory, in whatever mode it is. */
static int dmademo_dmabuf_mmap(struct dma_buf *dmabuf,
			       struct vm_area_struct *vma)
{
	struct dmademo_dmabuf *ddb = dmabuf->priv;
	int idx, ret;

	if (!dmademo_enter(ddb->buf->dd, &idx))
		return -ENODEV;
	ret = dmademo_dma_mmap(ddb->buf, vma);
	dmademo_exit(idx);
	return ret;
}

static void dmademo_dmabuf_free(struct dmademo_dmabuf *ddb)
{
	unsigned long i;

	for (i = 0; i < ddb->buf->size >> PAGE_SHIFT; i++)
		put_page(ddb->page + i);
	dmademo_buffer_put(ddb->buf);
	mutex_destroy(&ddb->lock);
	kfree(ddb);
}

static void dmademo_dmabuf_release(struct dma_buf *dmabuf)
{
	dmademo_dmabuf_free(dmabuf->priv);
}

static const struct dma_buf_ops dmademo_dmabuf_ops = {
	.attach			= dmademo_dmabuf_attach,
	.detach			= dmademo_dmabuf_detach,
	.map_dma_buf		= dmademo_dmabuf_map,
	.unmap_dma_buf		= dmademo_dmabuf_unmap,
	.begin_cpu_access	= dmademo_dmabuf_begin,
	.end_cpu_access		= dmademo_dmabuf_end,
	.mmap			= dmademo_dmabuf_mmap,
	.release		= dmademo_dmabuf_release,
};

/**
 * dmademo_export - make a buffer a dma-buf
 * @buf: the buffer; its device is entered
 * @fd_flags: flags of the file
 *
 * Return: the dma-buf, which has taken a reference on @buf, or an error:
 * -EOPNOTSUPP or -ENOMEM.
 */
struct dma_buf *dmademo_export(struct dmademo_buffer *buf, u32 fd_flags)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dmademo_dmabuf *ddb;
	struct dma_buf *dmabuf;
	unsigned long i;

	if (!buf->way || !dmademo_has_plain_pages(buf->dd, buf->flags))
		return ERR_PTR(-EOPNOTSUPP);
	ddb = kzalloc_obj(*ddb, GFP_KERNEL_ACCOUNT);
	if (!ddb)
		return ERR_PTR(-ENOMEM);
	ddb->page = virt_to_page(buf->cpu_addr);
	mutex_init(&ddb->lock);
	INIT_LIST_HEAD(&ddb->users);
	ddb->buf = buf;
	kref_get(&buf->ref);
	for (i = 0; i < buf->size >> PAGE_SHIFT; i++)
		get_page(ddb->page + i);

	info.ops = &dmademo_dmabuf_ops;
	info.size = buf->size;
	info.flags = fd_flags;
	info.priv = ddb;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf))
		dmademo_dmabuf_free(ddb);
	return dmabuf;
}

/**
 * dmademo_import - take a dma-buf as a buffer
 * @dd: the device, entered
 * @fd: file descriptor of the dma-buf
 *
 * The device has it mapped for as long as it is imported; who else uses it has
 * DMA_BUF_IOCTL_SYNC and fences to agree with the device.
 *
 * Return: the buffer with a reference for the caller, or an error.
 */
struct dmademo_buffer *dmademo_import(struct dmademo *dd, int fd)
{
	struct dma_buf *dmabuf = dma_buf_get(fd);
	struct dma_buf_attachment *attachment;
	struct dmademo_buffer *buf;
	int ret;

	if (IS_ERR(dmabuf))
		return ERR_CAST(dmabuf);
	ret = -EINVAL;
	if (!dmabuf->size || dmabuf->size > DMADEMO_MAX_BYTES)
		goto out_put;
	ret = -ENOMEM;
	buf = dmademo_buffer_new(dd, dmabuf->size);
	if (!buf)
		goto out_put;

	attachment = dma_buf_attach(dmabuf, dd->dev);
	if (IS_ERR(attachment)) {
		ret = PTR_ERR(attachment);
		goto out_put_buf;
	}
	buf->sgt = dma_buf_map_attachment_unlocked(attachment,
						   DMA_BIDIRECTIONAL);
	if (IS_ERR(buf->sgt)) {
		ret = PTR_ERR(buf->sgt);
		goto out_detach;
	}
	ret = dmademo_memory_of_sgt(&buf->mem, buf->sgt, buf->size);
	if (ret)
		goto out_unmap;
	buf->attachment = attachment;
	dmademo_buffer_add(buf);
	return buf;

out_unmap:
	dma_buf_unmap_attachment_unlocked(attachment, buf->sgt,
					  DMA_BIDIRECTIONAL);
out_detach:
	dma_buf_detach(dmabuf, attachment);
out_put_buf:
	dmademo_buffer_put(buf);
out_put:
	dma_buf_put(dmabuf);
	return ERR_PTR(ret);
}

/* The device no longer needs a dma-buf. */
void dmademo_import_release(struct dmademo_buffer *buf)
{
	struct dma_buf *dmabuf = buf->attachment->dmabuf;

	kvfree(buf->mem.regions);
	dma_buf_unmap_attachment_unlocked(buf->attachment, buf->sgt,
					  DMA_BIDIRECTIONAL);
	dma_buf_detach(dmabuf, buf->attachment);
	dma_buf_put(dmabuf);
}
