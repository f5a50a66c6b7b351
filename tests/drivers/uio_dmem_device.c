// SPDX-License-Identifier: GPL-2.0
/*
 * A device for the driver uio_dmem_genirq, which wants platform data: three regions
 * for DMA, and no interrupt.
 */
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/platform_data/uio_dmem_genirq.h>
#include <linux/platform_device.h>
#include <linux/sizes.h>
#include <linux/uio_driver.h>

static unsigned int sizes[] = { SZ_64K, SZ_2M + SZ_64K, SZ_16M };

static struct uio_dmem_genirq_pdata pdata = {
	.uioinfo = {
		.name = "uio_dmem_device",
		.version = "1",
		.irq = UIO_IRQ_CUSTOM,
	},
	.dynamic_region_sizes = sizes,
	.num_dynamic_regions = ARRAY_SIZE(sizes),
};

static struct platform_device *pdev;

static int __init uio_dmem_device_init(void)
{
	const struct platform_device_info info = {
		.name = "uio_dmem_genirq",
		.id = PLATFORM_DEVID_NONE,
		.data = &pdata,
		.size_data = sizeof(pdata),
		.dma_mask = DMA_BIT_MASK(32),
	};

	pdev = platform_device_register_full(&info);
	return PTR_ERR_OR_ZERO(pdev);
}
module_init(uio_dmem_device_init);

static void __exit uio_dmem_device_exit(void)
{
	platform_device_unregister(pdev);
}
module_exit(uio_dmem_device_exit);

MODULE_DESCRIPTION("A device for uio_dmem_genirq");
MODULE_LICENSE("GPL");
