// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA demo device: buffers, their mappings into user space, and dma-bufs of them.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/vmalloc.h>
#include <linux/xarray.h>

#include "dmademo.h"

MODULE_IMPORT_NS("DMA_BUF");

DEFINE_SRCU(dmademo_srcu);

/* What a device can have mapped in one piece; one bounce buffer holds no more. */
unsigned int dmademo_max_segment(struct device *dev)
{
	return max(min(dma_get_max_seg_size(dev), dma_max_mapping_size(dev)), PAGE_SIZE);
}

/* Charged to the caller's memory cgroup, whose business a failure is. */
static bool buffer_get_memory(struct dmademo_buffer *buf)
{
	struct device *dev = buf->dd->dev;
	struct page *page;

	if (buf->dd->way && buf->dd->way->alloc)
		return buf->dd->way->alloc(buf);
	if (!(buf->flags & DMADEMO_ALLOC_CACHED)) {
		buf->cpu_addr = dma_alloc_attrs(dev, buf->size, &buf->dma_addr, GFP_KERNEL_ACCOUNT,
						buf->attrs);
		return buf->cpu_addr;
	}
	page = dma_alloc_pages(dev, buf->size, &buf->dma_addr, DMA_BIDIRECTIONAL,
			       GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!page)
		return false;
	buf->cpu_addr = page_address(page);
	/* The zeros are in the CPU's caches. */
	dma_sync_single_for_device(dev, buf->dma_addr, buf->size, DMA_BIDIRECTIONAL);
	return true;
}

static void buffer_unref(struct dmademo_buffer *buf)
{
	struct dmademo *dd = buf->dd;
	unsigned long i;

	if (!refcount_dec_and_test(&buf->ref))
		return;
	for (i = 0; buf->pages && i < buf->size >> PAGE_SHIFT; i++)
		put_page(buf->pages[i]);
	kvfree(buf->pages);
	atomic64_sub(buf->size, &dd->bytes_held);
	kfree(buf);
	dmademo_put(dd);
}

/* Live for the caller, or an error. */
struct dmademo_buffer *dmademo_buffer_alloc(struct dmademo *dd, u64 bytes, u32 flags)
{
	struct dmademo_buffer *buf;
	int ret = 0;

	if (!bytes || bytes > DMADEMO_MAX_BYTES)
		return ERR_PTR(-EINVAL);
	buf = kzalloc_obj(*buf, GFP_KERNEL_ACCOUNT);
	if (!buf)
		return ERR_PTR(-ENOMEM);
	refcount_set(&buf->ref, 1);
	refcount_set(&buf->live, 1);
	refcount_inc(&dd->ref);
	buf->dd = dd;
	buf->size = PAGE_ALIGN(bytes);
	buf->flags = flags;
	buf->attrs = DMA_ATTR_NO_WARN |
		     (flags & DMADEMO_ALLOC_WRITE_COMBINE ? DMA_ATTR_WRITE_COMBINE : 0);
	/* What an architecture allocates is as without the custom DMA ops. */
	buf->loose = dd->way || (IS_ENABLED(CONFIG_ARCH_HAS_DMA_ALLOC) &&
				 !dd->engine.coherent && !(flags & DMADEMO_ALLOC_CACHED));
	/* One that fails counts for a moment. */
	if (atomic64_add_return(buf->size, &dd->bytes_held) > dd->max_bytes_held)
		ret = -EDQUOT;
	else if (!buffer_get_memory(buf))
		ret = -ENOMEM;
	if (ret) {
		buffer_unref(buf);
		return ERR_PTR(ret);
	}
	sg_init_table(&buf->sg, 1);
	sg_dma_address(&buf->sg) = buf->dma_addr;
	sg_dma_len(&buf->sg) = buf->size;
	dmademo_engine_grant(&dd->engine, &buf->grant, DMA_BIDIRECTIONAL);
	refcount_inc(&buf->ref);
	guard(spinlock)(&dd->lock);
	list_add_tail(&buf->node, &dd->buffers);
	return buf;
}

/* Gives back the memory, but never under a lock that others need: it may take long. */
void dmademo_buffer_revoke(struct dmademo_buffer *buf)
{
	const struct dmademo_way *way = buf->dd->way;
	struct device *dev = buf->dd->dev;

	scoped_guard(spinlock, &buf->dd->lock)
		list_del(&buf->node);
	dmademo_engine_grant(&buf->dd->engine, &buf->grant, DMA_NONE);
	if (atomic_read(&buf->loose_maps))
		dev_warn(dev, "leaking %zu bytes that are mapped\n", buf->size);
	else if (way && way->free)
		way->free(buf);
	else if (buf->flags & DMADEMO_ALLOC_CACHED)
		dma_free_pages(dev, buf->size, virt_to_page(buf->cpu_addr), buf->dma_addr,
			       DMA_BIDIRECTIONAL);
	else
		dma_free_attrs(dev, buf->size, buf->cpu_addr, buf->dma_addr, buf->attrs);
	buffer_unref(buf);
}

/* Whoever had the buffer live, if there is one, has it no more. */
void dmademo_buffer_put(struct dmademo_buffer *buf)
{
	if (!buf || !refcount_dec_and_test(&buf->live))
		return;
	/* If the device has gone, it takes the memory along. */
	scoped_guard(srcu, &dmademo_srcu)
		if (!READ_ONCE(buf->dd->gone))
			dmademo_buffer_revoke(buf);
	buffer_unref(buf);
}

/* Hands a part of a live buffer over. */
void dmademo_buffer_sync(struct dmademo_buffer *buf, size_t offset, size_t length,
			 enum dma_data_direction dir, bool for_cpu)
{
	/* Others are coherent, which is what dma_alloc_attrs() is for. */
	if (!(buf->flags & DMADEMO_ALLOC_CACHED))
		return;
	if (for_cpu)
		dma_sync_single_range_for_cpu(buf->dd->dev, buf->dma_addr, offset, length, dir);
	else
		dma_sync_single_range_for_device(buf->dd->dev, buf->dma_addr, offset, length, dir);
}

/*
 * References on its pages keep the memory for mappings by page frame number, and for who
 * imports a dma-buf, even when this device has gone: the custom DMA ops count them.
 */
static int buffer_hold_pages(struct dmademo_buffer *buf)
{
	static DEFINE_MUTEX(lock);
	struct page **pages, **page;
	struct sg_page_iter iter;
	struct sg_table sgt;

	guard(mutex)(&lock);
	if (buf->pages)
		return 0;
	pages = kvmalloc_array(buf->size >> PAGE_SHIFT, sizeof(*pages), GFP_KERNEL_ACCOUNT);
	if (!pages || dma_get_sgtable_attrs(buf->dd->dev, &sgt, buf->cpu_addr, buf->dma_addr,
					    buf->size, buf->attrs)) {
		kvfree(pages);
		return -ENOMEM;
	}
	page = pages;
	for_each_sgtable_page(&sgt, &iter, 0) {
		*page = sg_page_iter_page(&iter);
		get_page(*page++);
	}
	sg_free_table(&sgt);
	buf->pages = pages;
	return 0;
}

/* For each mapping. */
static void buffer_ref(struct dmademo_buffer *buf)
{
	refcount_inc(&buf->ref);
	if (buf->loose) {
		refcount_inc(&buf->live);
		atomic_inc(&buf->loose_maps);
	}
}

void dmademo_vm_open(struct vm_area_struct *vma)
{
	struct dmademo_buffer *buf = vma->vm_private_data;

	if (!xa_is_value(buf))
		buffer_ref(buf);
}

void dmademo_vm_close(struct vm_area_struct *vma)
{
	struct dmademo_buffer *buf = vma->vm_private_data;

	/* ->mapped has failed, so this is still the number of the buffer. */
	if (xa_is_value(buf))
		return;
	if (buf->loose) {
		atomic_dec(&buf->loose_maps);
		dmademo_buffer_put(buf);
	}
	buffer_unref(buf);
}

static const struct vm_operations_struct buffer_vm_ops = {
	.open	= dmademo_vm_open,
	.close	= dmademo_vm_close,
};

/* Entries of the other modes hold the memory themselves. */
static int buffer_hold_for_mapping(struct dmademo_buffer *buf)
{
	return buf->dd->mode == DMA_CUSTOM_MMAP_PFN && !buf->loose ? buffer_hold_pages(buf) : 0;
}

/*
 * Maps a live buffer, or a part of it: the new VMA counts from its start.  The mapping
 * counts as the device's bytes until it has gone.
 */
int dmademo_buffer_mapped(struct dmademo_buffer *buf, unsigned long start, unsigned long end)
{
	struct device *dev = buf->dd->dev;
	int ret = buffer_hold_for_mapping(buf);

	if (ret)
		return ret;
	if (buf->flags & DMADEMO_ALLOC_CACHED)
		ret = dma_mmap_pages_mapped(dev, start, end, buf->size,
					    virt_to_page(buf->cpu_addr));
	else
		ret = dma_mmap_mapped(dev, start, end, buf->cpu_addr, buf->dma_addr, buf->size,
				      buf->attrs);
	/* After an error ->close has no buffer to put. */
	if (!ret)
		buffer_ref(buf);
	return ret;
}

/* The same where there is ->mmap: of dma-bufs, and to compare. */
int dmademo_buffer_mmap(struct dmademo_buffer *buf, struct vm_area_struct *vma)
{
	struct dmademo *dd = buf->dd;
	int ret;

	/* What is written to a copy nobody sees: neither now nor after mprotect(). */
	if (!(vma->vm_flags & VM_SHARED)) {
		if (vma->vm_flags & VM_WRITE)
			return -EINVAL;
		vm_flags_clear(vma, VM_MAYWRITE);
	}
	ret = buffer_hold_for_mapping(buf);
	if (ret)
		return ret;
	vma->vm_private_data = buf;
	vma->vm_ops = &buffer_vm_ops;
	if (dd->way && dd->way->mmap)
		ret = dd->way->mmap(buf, vma);
	else if (buf->flags & DMADEMO_ALLOC_CACHED)
		ret = dma_mmap_pages(dd->dev, vma, buf->size, virt_to_page(buf->cpu_addr));
	else
		ret = dma_mmap_attrs(dd->dev, vma, buf->cpu_addr, buf->dma_addr, buf->size,
				     buf->attrs);
	/* Else there are no calls of vm_ops. */
	if (!ret)
		buffer_ref(buf);
	return ret;
}

/* --- dma-bufs --------------------------------------------------------------- */

/* How a device that is attached has the memory mapped. */
struct dmabuf_map {
	struct sg_table		sgt;
	enum dma_data_direction	dir;
};

static struct sg_table *dmabuf_map(struct dma_buf_attachment *attachment,
				   enum dma_data_direction dir)
{
	struct dmademo_buffer *buf = attachment->dmabuf->priv;
	struct dmabuf_map *map = kzalloc_obj(*map);
	int ret;

	if (!map)
		return ERR_PTR(-ENOMEM);
	map->dir = dir;
	ret = sg_alloc_table_from_pages_segment(&map->sgt, buf->pages, buf->size >> PAGE_SHIFT, 0,
						buf->size, dmademo_max_segment(attachment->dev),
						GFP_KERNEL);
	if (!ret)
		ret = dma_map_sgtable(attachment->dev, &map->sgt, dir, 0);
	if (ret) {
		sg_free_table(&map->sgt);
		kfree(map);
		return ERR_PTR(ret);
	}
	attachment->priv = map;
	return &map->sgt;
}

static void dmabuf_unmap(struct dma_buf_attachment *attachment,
			 struct sg_table *sgt, enum dma_data_direction dir)
{
	attachment->priv = NULL;
	dma_unmap_sgtable(attachment->dev, sgt, dir, 0);
	sg_free_table(sgt);
	kfree(container_of(sgt, struct dmabuf_map, sgt));
}

/* All devices have to agree with the CPU, the buffer's own one among them. */
static int dmabuf_sync(struct dma_buf *dmabuf, bool for_cpu)
{
	struct dmademo_buffer *buf = dmabuf->priv;
	struct dma_buf_attachment *attachment;

	scoped_guard(srcu, &dmademo_srcu)
		if (!READ_ONCE(buf->dd->gone))
			dmademo_buffer_sync(buf, 0, buf->size, DMA_BIDIRECTIONAL, for_cpu);
	dma_resv_lock(dmabuf->resv, NULL);
	list_for_each_entry(attachment, &dmabuf->attachments, node) {
		struct dmabuf_map *map = attachment->priv;

		if (map && for_cpu)
			dma_sync_sgtable_for_cpu(attachment->dev, &map->sgt, map->dir);
		else if (map)
			dma_sync_sgtable_for_device(attachment->dev, &map->sgt, map->dir);
	}
	dma_resv_unlock(dmabuf->resv);
	return 0;
}

static int dmabuf_begin(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	return dmabuf_sync(dmabuf, true);
}

static int dmabuf_end(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	return dmabuf_sync(dmabuf, false);
}

static int dmabuf_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	struct dmademo_buffer *buf = dmabuf->priv;

	guard(srcu)(&dmademo_srcu);
	return READ_ONCE(buf->dd->gone) ? -ENODEV : dmademo_buffer_mmap(buf, vma);
}

/* Not the kernel address of the buffer, which goes with the device. */
static int dmabuf_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct dmademo_buffer *buf = dmabuf->priv;
	void *vaddr = vmap(buf->pages, buf->size >> PAGE_SHIFT, VM_MAP, PAGE_KERNEL);

	if (!vaddr)
		return -ENOMEM;
	iosys_map_set_vaddr(map, vaddr);
	return 0;
}

static void dmabuf_vunmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	vunmap(map->vaddr);
}

static void dmabuf_release(struct dma_buf *dmabuf)
{
	dmademo_buffer_put(dmabuf->priv);
}

static const struct dma_buf_ops dmabuf_ops = {
	.map_dma_buf		= dmabuf_map,
	.unmap_dma_buf		= dmabuf_unmap,
	.begin_cpu_access	= dmabuf_begin,
	.end_cpu_access		= dmabuf_end,
	.mmap			= dmabuf_mmap,
	.vmap			= dmabuf_vmap,
	.vunmap			= dmabuf_vunmap,
	.release		= dmabuf_release,
};

/* The dma-buf has the buffer live; -EOPNOTSUPP if the CPU does not cache that. */
struct dma_buf *dmademo_buffer_export(struct dmademo_buffer *buf)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *dmabuf;
	int ret;

	/* Others see the pages as the CPU does. */
	if (buf->loose || (!buf->dd->engine.coherent && !(buf->flags & DMADEMO_ALLOC_CACHED)))
		return ERR_PTR(-EOPNOTSUPP);
	ret = buffer_hold_pages(buf);
	if (ret)
		return ERR_PTR(ret);
	info.ops = &dmabuf_ops;
	info.size = buf->size;
	info.flags = O_RDWR;
	info.priv = buf;
	dmabuf = dma_buf_export(&info);
	if (!IS_ERR(dmabuf))
		refcount_inc(&buf->live);
	return dmabuf;
}
