// SPDX-License-Identifier: GPL-2.0-only
/*
 * A large DMA buffer that user space can map, and all that a driver does for it.
 *
 * A real driver takes the same four steps as dma_buffer_probe().  This device does no
 * DMA: only the programs that map /dev/dma-buffer access the buffer.
 */
#include <linux/dma-custom-ops.h>
#include <linux/dma-mapping.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/sizes.h>
#include <linux/string.h>

static unsigned long size = SZ_64M;
module_param(size, ulong, 0444);
MODULE_PARM_DESC(size, "size of the buffer in bytes (default: 64 MiB)");

static char *mode = "huge";
module_param(mode, charp, 0444);
MODULE_PARM_DESC(mode, "mapping mode: pages, pfn or huge (default)");

static const char * const modes[] = {
	[DMA_CUSTOM_MMAP_PAGES]	= "pages",
	[DMA_CUSTOM_MMAP_PFN]	= "pfn",
	[DMA_CUSTOM_MMAP_HUGE]	= "huge",
};

/* The only device.  It cannot be unbound, and an open file pins the module. */
static struct device *dma_buffer_dev;
static void *cpu_addr;
static dma_addr_t dma_addr;

/* The mapping holds references on the memory, so munmap() needs no handler. */
static int dma_buffer_mapped(unsigned long start, unsigned long end,
			     pgoff_t pgoff, const struct file *file,
			     void **vm_private_data)
{
	return dma_mmap_mapped(dma_buffer_dev, start, end, cpu_addr, dma_addr,
			       size, 0);
}

static const struct vm_operations_struct dma_buffer_vm_ops = {
	.mapped	= dma_buffer_mapped,
};

/* A driver that has ->mmap calls dma_mmap_attrs() there instead of these two. */
static int dma_buffer_mmap_prepare(struct vm_area_desc *desc)
{
	desc->vm_ops = &dma_buffer_vm_ops;
	return dma_mmap_prepare(desc);
}

static const struct file_operations dma_buffer_fops = {
	.owner			= THIS_MODULE,
	.mmap_prepare		= dma_buffer_mmap_prepare,
	/* Chooses an address that is aligned for huge page table entries. */
	.get_unmapped_area	= dma_custom_get_unmapped_area,
};

static struct miscdevice dma_buffer_misc = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "dma-buffer",
	.fops	= &dma_buffer_fops,
};

static int dma_buffer_probe(struct platform_device *pdev)
{
	struct dma_custom_config config = {};
	struct device *dev = &pdev->dev;
	int ret = match_string(modes, ARRAY_SIZE(modes), mode);

	if (ret < 0)
		return dev_err_probe(dev, ret, "unknown mode=%s\n", mode);
	config.mmap = ret;

	/* 1. Set the DMA mask: the addresses that the device can reach. */
	ret = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
	if (ret)
		return ret;

	/* 2. Attach the provider, before the first allocation. */
	ret = devm_dma_custom_attach(dev, &config);
	if (ret)
		return dev_err_probe(dev, ret, "cannot attach the custom DMA ops\n");

	/* 3. Allocate: any size, zeroed, contiguous, freed before the detach. */
	cpu_addr = dmam_alloc_attrs(dev, size, &dma_addr, GFP_KERNEL, 0);
	if (!cpu_addr)
		return -ENOMEM;
	dev_info(dev, "%lu bytes at DMA address %pad\n", size, &dma_addr);

	/* 4. Register the device node last: from now on programs can map it. */
	dma_buffer_dev = dev;
	return misc_register(&dma_buffer_misc);
}

static void dma_buffer_remove(struct platform_device *pdev)
{
	misc_deregister(&dma_buffer_misc);
}

static struct platform_driver dma_buffer_driver = {
	.remove	= dma_buffer_remove,
	.driver	= { .name = "dma-buffer" },
};

static struct platform_device *dma_buffer_pdev;

static int __init dma_buffer_init(void)
{
	dma_buffer_pdev = platform_create_bundle(&dma_buffer_driver,
						 dma_buffer_probe, NULL, 0,
						 NULL, 0);
	return PTR_ERR_OR_ZERO(dma_buffer_pdev);
}
module_init(dma_buffer_init);

static void __exit dma_buffer_exit(void)
{
	platform_device_unregister(dma_buffer_pdev);
	platform_driver_unregister(&dma_buffer_driver);
}
module_exit(dma_buffer_exit);

MODULE_DESCRIPTION("Sample: a large DMA buffer that user space can map");
MODULE_AUTHOR("DMA custom ops maintainers <dma-custom-ops@example.org>");
MODULE_LICENSE("GPL");
