// SPDX-License-Identifier: GPL-2.0
/*
 * Parts of an imaginary PCI driver, for Documentation/core-api/dma-custom-ops.rst.
 * A complete driver is in samples/dma-buffer/.
 */
#include <linux/dma-custom-ops.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/ioctl.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/of_reserved_mem.h>
#include <linux/pci.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>

struct foo {
	struct device	*dev;
	struct mutex	lock;		/* mmap() against remove() */
	void		*cpu_addr;
	struct page	*page;		/* of a cached buffer */
	dma_addr_t	dma_addr;
	size_t		size;
};

/* Called by the probe function, after pcim_enable_device(). */
static int foo_init_buffer(struct foo *foo, struct pci_dev *pdev)
{
	static const struct dma_custom_config config = {
		.mmap = DMA_CUSTOM_MMAP_HUGE,
	};
	int ret;

	pci_set_master(pdev);
	ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(32));
	if (ret)
		return ret;
	ret = devm_dma_custom_attach(&pdev->dev, &config);
	if (ret)
		return ret;
	foo->dev = &pdev->dev;
	foo->size = SZ_64M;
	foo->cpu_addr = dma_alloc_attrs(foo->dev, foo->size, &foo->dma_addr,
					GFP_KERNEL, 0);
	return foo->cpu_addr ? 0 : -ENOMEM;
}

/* Called by the probe function of a device with a memory-region, before attaching. */
static int foo_init_memory(struct device *dev)
{
	int ret = devm_of_reserved_mem_device_init(dev);

	return ret == -ENODEV ? 0 : ret;	/* -ENODEV: no memory-region */
}

/* The handler of mmap(), which accepts refcounted mappings only. */
static int foo_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct foo *foo = file->private_data;
	int ret;

	guard(mutex)(&foo->lock);
	if (!foo->cpu_addr)	/* foo_remove() has freed the buffer */
		return -ENODEV;
	ret = dma_mmap_attrs(foo->dev, vma, foo->cpu_addr, foo->dma_addr,
			     foo->size, 0);
	if (ret)
		return ret;
	/* Memory of dma-direct or of a coherent pool has a PFN mapping. */
	return vma->vm_flags & VM_PFNMAP ? -EOPNOTSUPP : 0;
}

/* Called after the device node was deregistered. */
static void foo_remove(struct pci_dev *pdev)
{
	struct foo *foo = pci_get_drvdata(pdev);

	pci_clear_master(pdev);	/* the device must not write to the buffer any more */
	guard(mutex)(&foo->lock);
	dma_free_attrs(foo->dev, foo->size, foo->cpu_addr, foo->dma_addr, 0);
	foo->cpu_addr = NULL;
	/* A cached buffer: dma_free_pages() and foo->page = NULL, likewise. */
}

/* A cached buffer that the device writes and the CPU reads. */
static int foo_alloc_cached(struct foo *foo)
{
	foo->page = dma_alloc_pages(foo->dev, foo->size, &foo->dma_addr,
				    DMA_BIDIRECTIONAL, GFP_KERNEL);
	if (!foo->page)
		return -ENOMEM;
	/*
	 * Write the zeros from the CPU caches to memory.  DMA_FROM_DEVICE would
	 * discard them on some architectures.
	 */
	dma_sync_single_for_device(foo->dev, foo->dma_addr, foo->size,
				   DMA_BIDIRECTIONAL);
	return 0;
}

static int foo_mmap_cached(struct file *file, struct vm_area_struct *vma)
{
	struct foo *foo = file->private_data;

	guard(mutex)(&foo->lock);
	if (!foo->page)
		return -ENODEV;
	return dma_mmap_pages(foo->dev, vma, foo->size, foo->page);
}

struct foo_sync {
	__u64 offset, length;	/* in bytes */
	__u64 for_cpu;		/* 1, or 0 for the device */
};

#define FOO_IOC_SYNC _IOW('f', 0x10, struct foo_sync)

/* Sync for the CPU before a program reads, for the device before a transfer. */
static long foo_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct foo *foo = file->private_data;
	struct foo_sync s;

	if (cmd != FOO_IOC_SYNC)
		return -ENOTTY;
	if (copy_from_user(&s, (void __user *)arg, sizeof(s)))
		return -EFAULT;
	if (s.for_cpu > 1)
		return -EINVAL;
	guard(mutex)(&foo->lock);
	if (!foo->page)		/* foo_remove() has freed the buffer */
		return -ENODEV;
	if (s.offset > foo->size || s.length > foo->size - s.offset)
		return -ERANGE;
	if (s.for_cpu)
		dma_sync_single_range_for_cpu(foo->dev, foo->dma_addr, s.offset,
					      s.length, DMA_FROM_DEVICE);
	else
		dma_sync_single_range_for_device(foo->dev, foo->dma_addr, s.offset,
						 s.length, DMA_FROM_DEVICE);
	return 0;
}

/* Before porting: a PFN mapping by the driver, which has to count its mappings. */
static int foo_mmap_before(struct file *file, struct vm_area_struct *vma)
{
	struct foo *foo = file->private_data;
	unsigned long length = vma->vm_end - vma->vm_start;

	if (vma->vm_pgoff || length > foo->size)
		return -EINVAL;
	/* vma->vm_ops = &foo_vm_ops, whose open() and close() count */
	return remap_pfn_range(vma, vma->vm_start,
			       PHYS_PFN(virt_to_phys(foo->cpu_addr)), length,
			       vma->vm_page_prot);
}

/* Before porting: DMA operations of the driver. */
static void *foo_ops_alloc(struct device *dev, size_t size, dma_addr_t *dma_addr,
			   gfp_t gfp, unsigned long attrs)
{
	struct page *page = alloc_pages(gfp, get_order(size));

	if (!page)
		return NULL;
	*dma_addr = page_to_phys(page);	/* wrong with dma-ranges or an IOMMU */
	return page_address(page);
}

static const struct dma_map_ops foo_dma_ops = {
	.alloc = foo_ops_alloc,
	/* and free, mmap, get_sgtable, map_phys, map_sg, and the rest */
};

static void foo_install_ops(struct foo *foo)
{
	set_dma_ops(foo->dev, &foo_dma_ops);
}

/* An allocation of order > 0 that vm_map_pages() can map: each page has a count. */
static struct page *foo_alloc_split(unsigned int order)
{
	struct page *page = alloc_pages(GFP_KERNEL | __GFP_ZERO, order);

	if (page)
		split_page(page, order);
	return page;
}
