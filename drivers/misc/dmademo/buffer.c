// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA demo device: buffers, and what the device was granted of memory.
 */
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "dmademo.h"

/* What to tell the DMA API of a buffer. */
unsigned long dmademo_buffer_attrs(const struct dmademo_buffer *buf)
{
	if (buf->flags & DMADEMO_ALLOC_WRITE_COMBINE)
		return DMA_ATTR_NO_WARN | DMA_ATTR_WRITE_COMBINE;
	return DMA_ATTR_NO_WARN;
}

/* What a device can have mapped in one piece; one bounce buffer holds no more. */
size_t dmademo_max_segment(struct device *dev)
{
	size_t most = min_t(size_t, dma_get_max_seg_size(dev),
			    dma_max_mapping_size(dev));

	return max(ALIGN_DOWN(most, PAGE_SIZE), PAGE_SIZE);
}

/*
 * As a driver without the custom DMA ops has pages that it can map one by one, and
 * that others may hold: no more than the page allocator's largest block.
 */
static bool dmademo_own_pages(const struct dmademo_buffer *buf)
{
	return buf->dd->way->by_page;
}

static bool dmademo_own_pages_alloc(struct dmademo_buffer *buf)
{
	struct device *dev = buf->dd->dev;
	unsigned long attrs = DMA_ATTR_NO_WARN;

	/* Nobody would copy to and from a bounce buffer. */
	if (buf->dd->engine.coherent)
		attrs |= DMA_ATTR_REQUIRE_COHERENT;
	buf->cpu_addr = alloc_pages_exact(buf->size, GFP_KERNEL_ACCOUNT |
					  __GFP_ZERO | __GFP_NOWARN);
	if (!buf->cpu_addr)
		return false;
	buf->region.seg.addr = dma_map_single_attrs(dev, buf->cpu_addr, buf->size,
						    DMA_BIDIRECTIONAL, attrs);
	if (dma_mapping_error(dev, buf->region.seg.addr)) {
		free_pages_exact(buf->cpu_addr, buf->size);
		return false;
	}
	return true;
}

static void dmademo_own_pages_free(struct dmademo_buffer *buf)
{
	dma_unmap_single(buf->dd->dev, buf->region.seg.addr, buf->size,
			 DMA_BIDIRECTIONAL);
	free_pages_exact(buf->cpu_addr, buf->size);
}

/* Gives the memory back.  The caller holds the device's lock. */
static void dmademo_buffer_revoke(struct dmademo_buffer *buf)
{
	struct dmademo *dd = buf->dd;

	list_del_init(&buf->node);
	dmademo_engine_revoke(&dd->engine, &buf->mem);
	if (!buf->way) {
		dmademo_import_release(buf);
		return;
	}
	if (dmademo_own_pages(buf))
		dmademo_own_pages_free(buf);
	else if (buf->flags & DMADEMO_ALLOC_CACHED)
		dma_free_pages(dd->dev, buf->size, virt_to_page(buf->cpu_addr),
			       buf->region.seg.addr, DMA_BIDIRECTIONAL);
	else
		dma_free_attrs(dd->dev, buf->size, buf->cpu_addr,
			       buf->region.seg.addr, dmademo_buffer_attrs(buf));
	atomic64_sub(buf->size, &dd->bytes_held);
}

static void dmademo_buffer_release(struct kref *ref)
{
	struct dmademo_buffer *buf = container_of(ref, struct dmademo_buffer,
						  ref);
	struct dmademo *dd = buf->dd;

	/* Unless the device is gone, and took the memory along. */
	scoped_guard(mutex, &dd->lock)
		if (!list_empty(&buf->node))
			dmademo_buffer_revoke(buf);
	kfree(buf);
	dmademo_put(dd);
}

void dmademo_buffer_put(struct dmademo_buffer *buf)
{
	if (buf)
		kref_put(&buf->ref, dmademo_buffer_release);
}

/**
 * dmademo_buffers_revoke - give back the memory of all buffers
 * @dd: the device, which no longer has transfers and gets no more buffers
 *
 * Whoever has a reference has an empty shell then.  Mappings to user space that
 * do not hold the memory are gone.
 */
void dmademo_buffers_revoke(struct dmademo *dd)
{
	struct dmademo_buffer *buf, *next;

	guard(mutex)(&dd->lock);
	list_for_each_entry_safe(buf, next, &dd->buffers, node)
		dmademo_buffer_revoke(buf);
}

/* A buffer without memory. */
struct dmademo_buffer *dmademo_buffer_new(struct dmademo *dd, size_t bytes)
{
	struct dmademo_buffer *buf = kzalloc_obj(*buf, GFP_KERNEL_ACCOUNT);

	if (!buf)
		return NULL;
	kref_init(&buf->ref);
	INIT_LIST_HEAD(&buf->node);
	buf->dd = dd;
	buf->size = bytes;
	kref_get(&dd->ref);
	return buf;
}

/* A buffer has got its memory; the device may access it. */
void dmademo_buffer_add(struct dmademo_buffer *buf)
{
	dmademo_engine_grant(&buf->dd->engine, &buf->mem);
	guard(mutex)(&buf->dd->lock);
	list_add_tail(&buf->node, &buf->dd->buffers);
}

/* Charged to the caller's memory cgroup, whose business a failure is. */
static bool dmademo_buffer_get_memory(struct dmademo_buffer *buf)
{
	struct device *dev = buf->dd->dev;
	struct page *page;

	if (dmademo_own_pages(buf))
		return dmademo_own_pages_alloc(buf);
	if (buf->flags & DMADEMO_ALLOC_CACHED) {
		page = dma_alloc_pages(dev, buf->size, &buf->region.seg.addr,
				       DMA_BIDIRECTIONAL,
				       GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
		if (!page)
			return false;
		buf->cpu_addr = page_address(page);
		/* The zeros are in the CPU's caches. */
		dma_sync_single_for_device(dev, buf->region.seg.addr, buf->size,
					   DMA_BIDIRECTIONAL);
	} else {
		buf->cpu_addr = dma_alloc_attrs(dev, buf->size,
						&buf->region.seg.addr,
						GFP_KERNEL_ACCOUNT,
						dmademo_buffer_attrs(buf));
	}
	return buf->cpu_addr;
}

/* Counts what a buffer holds, unless that is more than the device may have. */
static bool dmademo_buffer_count(struct dmademo_buffer *buf)
{
	struct dmademo *dd = buf->dd;
	s64 held = atomic64_read(&dd->bytes_held);

	do {
		if (held + buf->size > dd->max_bytes_held)
			return false;
	} while (!atomic64_try_cmpxchg(&dd->bytes_held, &held,
				       held + buf->size));
	return true;
}

/**
 * dmademo_buffer_alloc - allocate a buffer
 * @dd: the device, entered
 * @bytes: 1 to DMADEMO_MAX_BYTES
 * @flags: as in struct dmademo_alloc
 * @way: how it will be mapped
 *
 * Return: the buffer with a reference for the caller, or an error: -ENOMEM or
 * -EDQUOT.
 */
struct dmademo_buffer *dmademo_buffer_alloc(struct dmademo *dd, size_t bytes,
					    u32 flags,
					    const struct dmademo_way *way)
{
	struct dmademo_buffer *buf = dmademo_buffer_new(dd, PAGE_ALIGN(bytes));

	if (!buf)
		return ERR_PTR(-ENOMEM);
	buf->flags = flags;
	buf->way = way;
	if (!dmademo_buffer_count(buf)) {
		dmademo_buffer_put(buf);
		return ERR_PTR(-EDQUOT);
	}
	if (!dmademo_buffer_get_memory(buf)) {
		atomic64_sub(buf->size, &dd->bytes_held);
		dmademo_buffer_put(buf);
		return ERR_PTR(-ENOMEM);
	}
	buf->region.seg.length = buf->size;
	buf->mem.regions = &buf->region;
	buf->mem.nr = 1;
	dmademo_buffer_add(buf);
	return buf;
}

/* The buffer with a reference for the caller, NULL if there is none. */
struct dmademo_buffer *dmademo_buffer_get(struct dmademo_file *df,
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

/**
 * dmademo_buffer_sync - hand a part of a buffer to the device or the CPU
 * @buf: the buffer; its device is entered
 * @arg: which part, and whom to
 *
 * Return: 0, -ERANGE or -EOPNOTSUPP.
 */
int dmademo_buffer_sync(struct dmademo_buffer *buf,
			const struct dmademo_sync *arg)
{
	struct device *dev = buf->dd->dev;

	if (arg->offset >= buf->size || arg->length > buf->size - arg->offset)
		return -ERANGE;
	if (!buf->way)
		return -EOPNOTSUPP;
	/* Others are coherent, which is what dma_alloc_attrs() is for. */
	if (!(buf->flags & DMADEMO_ALLOC_CACHED))
		return 0;
	if (arg->flags & DMADEMO_SYNC_FOR_CPU)
		dma_sync_single_range_for_cpu(dev, buf->region.seg.addr,
					      arg->offset, arg->length,
					      DMA_BIDIRECTIONAL);
	else
		dma_sync_single_range_for_device(dev, buf->region.seg.addr,
						 arg->offset, arg->length,
						 DMA_BIDIRECTIONAL);
	return 0;
}

/**
 * dmademo_memory_of_sgt - describe memory that was mapped for the device
 * @mem: gets its regions, to be freed with kvfree()
 * @sgt: the table, mapped
 * @size: bytes that it has to have
 *
 * Return: 0, -ENOMEM, or -EINVAL if it has less, or nothing in some place.
 */
int dmademo_memory_of_sgt(struct dmademo_memory *mem, struct sg_table *sgt,
			  size_t size)
{
	struct dmademo_region *region;
	struct scatterlist *sg;
	size_t total = 0;
	unsigned int i;

	region = kvcalloc(sgt->nents, sizeof(*region), GFP_KERNEL_ACCOUNT);
	if (!region)
		return -ENOMEM;
	mem->regions = region;
	mem->nr = sgt->nents;
	for_each_sgtable_dma_sg(sgt, sg, i) {
		region->seg.addr = sg_dma_address(sg);
		region->seg.length = sg_dma_len(sg);
		if (!region->seg.length)
			goto out_free;
		total += region->seg.length;
		region++;
	}
	if (total >= size)
		return 0;

out_free:
	kvfree(mem->regions);
	mem->regions = NULL;
	mem->nr = 0;
	return -EINVAL;
}

/**
 * dmademo_slice - the segments of a part of memory
 * @mem: the memory
 * @offset: first byte
 * @length: bytes, 1 or more; must not go past the end
 * @nr: gets the number of segments
 *
 * Return: the segments, to be freed with kvfree(), or NULL if there is no
 * memory.
 */
struct dmademo_seg *dmademo_slice(const struct dmademo_memory *mem,
				  size_t offset, size_t length,
				  unsigned int *nr)
{
	const struct dmademo_region *region = mem->regions;
	struct dmademo_seg *segs;
	size_t covered;
	unsigned int i;

	for (; offset >= region->seg.length; region++)
		offset -= region->seg.length;
	covered = region->seg.length - offset;
	for (*nr = 1; covered < length; (*nr)++)
		covered += region[*nr].seg.length;

	segs = kvmalloc_array(*nr, sizeof(*segs), GFP_KERNEL_ACCOUNT);
	if (!segs)
		return NULL;
	for (i = 0; i < *nr; i++) {
		segs[i].addr = region[i].seg.addr + offset;
		segs[i].length = min(length, region[i].seg.length - offset);
		length -= segs[i].length;
		offset = 0;
	}
	return segs;
}
