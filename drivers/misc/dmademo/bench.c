// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA demo device: other ways to have buffers and to map them, to be measured beside
 * those of the custom DMA ops.  A driver needs none of them.
 */
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "dmademo.h"

/*
 * As a driver without the custom DMA ops has pages that it can map one by one, and that
 * others may hold: no more than the page allocator's largest block.
 */
static bool bench_alloc(struct dmademo_buffer *buf)
{
	struct device *dev = buf->dd->dev;

	if (!buf->dd->engine.coherent || buf->flags)
		return false;
	buf->cpu_addr = alloc_pages_exact(buf->size, GFP_KERNEL_ACCOUNT |
					  __GFP_ZERO | __GFP_NOWARN);
	if (!buf->cpu_addr)
		return false;
	/* Nobody would copy to and from a bounce buffer. */
	buf->attrs |= DMA_ATTR_REQUIRE_COHERENT;
	buf->dma_addr = dma_map_single_attrs(dev, buf->cpu_addr, buf->size,
					     DMA_BIDIRECTIONAL, buf->attrs);
	if (!dma_mapping_error(dev, buf->dma_addr))
		return true;
	free_pages_exact(buf->cpu_addr, buf->size);
	return false;
}

static void bench_free(struct dmademo_buffer *buf)
{
	dma_unmap_single_attrs(buf->dd->dev, buf->dma_addr, buf->size,
			       DMA_BIDIRECTIONAL, buf->attrs);
	free_pages_exact(buf->cpu_addr, buf->size);
}

/* The pages that the VMA selects, or NULL if it goes past the end. */
static struct page *bench_pages(struct dmademo_buffer *buf,
				struct vm_area_struct *vma)
{
	unsigned long count = buf->size >> PAGE_SHIFT;

	if (vma->vm_pgoff >= count || vma_pages(vma) > count - vma->vm_pgoff)
		return NULL;
	return virt_to_page(buf->cpu_addr) + vma->vm_pgoff;
}

static int bench_insert_page(struct dmademo_buffer *buf,
			     struct vm_area_struct *vma)
{
	struct page *page = bench_pages(buf, vma);
	unsigned long i;
	int ret = page ? 0 : -ENXIO;

	for (i = 0; !ret && i < vma_pages(vma); i++)
		ret = vm_insert_page(vma, vma->vm_start + i * PAGE_SIZE,
				     page + i);
	return ret;
}

static int bench_map_pages(struct dmademo_buffer *buf,
			   struct vm_area_struct *vma)
{
	unsigned long count = buf->size >> PAGE_SHIFT, i;
	struct page **pages = kvmalloc_array(count, sizeof(*pages),
					     GFP_KERNEL_ACCOUNT);
	int ret;

	if (!pages)
		return -ENOMEM;
	for (i = 0; i < count; i++)
		pages[i] = virt_to_page(buf->cpu_addr) + i;
	ret = vm_map_pages(vma, pages, count);
	kvfree(pages);
	return ret;
}

static int bench_remap_pfn(struct dmademo_buffer *buf,
			   struct vm_area_struct *vma)
{
	struct page *page = bench_pages(buf, vma);

	if (!page)
		return -ENXIO;
	return remap_pfn_range(vma, vma->vm_start, page_to_pfn(page),
			       vma->vm_end - vma->vm_start, vma->vm_page_prot);
}

/* One page in each page fault, as ->nopage was once. */
static vm_fault_t bench_vm_fault(struct vm_fault *vmf)
{
	struct dmademo_buffer *buf = vmf->vma->vm_private_data;

	guard(srcu)(&dmademo_srcu);
	if (vmf->pgoff >= buf->size >> PAGE_SHIFT || READ_ONCE(buf->dd->gone))
		return VM_FAULT_SIGBUS;
	vmf->page = virt_to_page(buf->cpu_addr) + vmf->pgoff;
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct bench_vm_ops = {
	.open	= dmademo_vm_open,
	.close	= dmademo_vm_close,
	.fault	= bench_vm_fault,
};

static int bench_fault(struct dmademo_buffer *buf, struct vm_area_struct *vma)
{
	if (!bench_pages(buf, vma))
		return -ENXIO;
	vma->vm_ops = &bench_vm_ops;
	return 0;
}

#define BENCH_WAY(_name, _mmap) \
	{ .name = _name, .alloc = bench_alloc, .free = bench_free, .mmap = _mmap }

static const struct dmademo_way bench_ways[] = {
	{ .name = "direct" },
	BENCH_WAY("insert_page", bench_insert_page),
	BENCH_WAY("map_pages", bench_map_pages),
	BENCH_WAY("remap_pfn", bench_remap_pfn),
	BENCH_WAY("fault", bench_fault),
};

const struct dmademo_way *dmademo_bench_way(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bench_ways); i++)
		if (!strcmp(name, bench_ways[i].name))
			return &bench_ways[i];
	return NULL;
}
