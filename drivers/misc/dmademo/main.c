// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA demo device: a platform device with a DMA engine in software, and its
 * driver.
 */
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

#include "dmademo.h"

#define DMADEMO "dmademo"

#define MAX_DEVICES	16

/* One for each device. */
static char *mmap_strategies[MAX_DEVICES] = { "pages" };
static unsigned int nr_devices = 1;
module_param_array_named(mmap, mmap_strategies, charp, &nr_devices, 0444);
MODULE_PARM_DESC(mmap, "how buffers are mapped: pages (default), pfn or huge; to compare: direct, insert_page, map_pages, remap_pfn or fault; a device for each in a list");

static unsigned long long bus_offset;
module_param(bus_offset, ullong, 0444);
MODULE_PARM_DESC(bus_offset, "bus address less physical address, in bytes (default 0)");

static int dmademo_attach(struct dmademo *dd, const char *mmap_strategy)
{
	struct dma_custom_config config = { .bus_offset = bus_offset };
	int ret;

	dd->strategy = dmademo_strategy_find(mmap_strategy);
	if (!dd->strategy)
		return dev_err_probe(dd->dev, -EINVAL,
				     "there is no way mmap=%s to map buffers\n",
				     mmap_strategy);
	if (dd->strategy->no_provider) {
		if (bus_offset)
			return dev_err_probe(dd->dev, -EINVAL,
					     "mmap=%s knows no bus_offset\n",
					     mmap_strategy);
		return 0;
	}
	config.mmap = dd->strategy->provider_mode;
	ret = devm_dma_custom_attach(dd->dev, &config);
	if (ret)
		return dev_err_probe(dd->dev, ret, "no custom DMA ops\n");
	return 0;
}

static int dmademo_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	const char *mmap_strategy;
	struct dmademo *dd;
	int ret;

	/* Not a device of this module's. */
	if (pdev->id < 0 || pdev->id >= nr_devices)
		return -ENODEV;
	mmap_strategy = mmap_strategies[pdev->id];

	dd = devm_kzalloc(dev, sizeof(*dd), GFP_KERNEL);
	if (!dd)
		return -ENOMEM;
	dd->dev = dev;
	platform_set_drvdata(pdev, dd);

	ret = dmademo_attach(dd, mmap_strategy);
	if (ret)
		return ret;
	ret = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
	if (ret)
		return dev_err_probe(dev, ret, "no usable DMA mask\n");
	ret = dmademo_engine_init(&dd->engine, dev);
	if (ret)
		return dev_err_probe(dev, ret, "no engine\n");
	if (dd->strategy->coherent_only && !dd->engine.coherent)
		return dev_err_probe(dev, -EINVAL,
				     "mmap=%s needs a cache coherent device\n",
				     mmap_strategy);

	snprintf(dd->name, sizeof(dd->name), DMADEMO "%d", pdev->id);
	dd->misc = (struct miscdevice) {
		.minor	= MISC_DYNAMIC_MINOR,
		.name	= dd->name,
		.fops	= &dmademo_fops,
		.parent	= dev,
		.mode	= 0600,
	};
	return misc_register(&dd->misc);
}

static void dmademo_remove(struct platform_device *pdev)
{
	struct dmademo *dd = platform_get_drvdata(pdev);

	misc_deregister(&dd->misc);
}

/*
 * An open file pins the module and the module owns the device, so that nothing
 * is in use when the driver is unbound.
 */
static struct platform_driver dmademo_driver = {
	.probe	= dmademo_probe,
	.remove	= dmademo_remove,
	.driver	= {
		.name = DMADEMO,
		.suppress_bind_attrs = true,
	},
};

static struct platform_device *dmademo_devices[MAX_DEVICES];

static void dmademo_unregister_devices(unsigned int nr)
{
	while (nr--)
		platform_device_unregister(dmademo_devices[nr]);
}

static int __init dmademo_init(void)
{
	struct platform_device_info info = {
		.name		= DMADEMO,
		.dma_mask	= DMA_BIT_MASK(64),
	};
	struct platform_device *pdev;
	unsigned int i;
	int ret;

	ret = platform_driver_register(&dmademo_driver);
	if (ret)
		return ret;
	for (i = 0; i < nr_devices; i++) {
		info.id = i;
		pdev = platform_device_register_full(&info);
		if (IS_ERR(pdev)) {
			dmademo_unregister_devices(i);
			platform_driver_unregister(&dmademo_driver);
			return PTR_ERR(pdev);
		}
		dmademo_devices[i] = pdev;
	}
	return 0;
}
module_init(dmademo_init);

static void __exit dmademo_exit(void)
{
	dmademo_unregister_devices(nr_devices);
	platform_driver_unregister(&dmademo_driver);
}
module_exit(dmademo_exit);

MODULE_DESCRIPTION("DMA demo device");
MODULE_AUTHOR("DMA custom ops maintainers <dma-custom-ops@example.org>");
MODULE_LICENSE("GPL");
