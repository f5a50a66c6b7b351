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

static char *mmap_strategy = "pages";
module_param_named(mmap, mmap_strategy, charp, 0444);
MODULE_PARM_DESC(mmap, "how buffers are mapped: pages (default), pfn or huge; to compare: direct, insert_page or map_pages");

static unsigned long long bus_offset;
module_param(bus_offset, ullong, 0444);
MODULE_PARM_DESC(bus_offset, "bus address less physical address, in bytes (default 0)");

static int dmademo_attach(struct dmademo *dd)
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
	struct dmademo *dd;
	int ret;

	dd = devm_kzalloc(dev, sizeof(*dd), GFP_KERNEL);
	if (!dd)
		return -ENOMEM;
	dd->dev = dev;
	platform_set_drvdata(pdev, dd);

	ret = dmademo_attach(dd);
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

static struct platform_device *dmademo_device;

static int __init dmademo_init(void)
{
	static const struct platform_device_info info = {
		.name		= DMADEMO,
		.id		= 0,
		.dma_mask	= DMA_BIT_MASK(64),
	};
	int ret = platform_driver_register(&dmademo_driver);

	if (ret)
		return ret;
	dmademo_device = platform_device_register_full(&info);
	if (IS_ERR(dmademo_device)) {
		platform_driver_unregister(&dmademo_driver);
		return PTR_ERR(dmademo_device);
	}
	return 0;
}
module_init(dmademo_init);

static void __exit dmademo_exit(void)
{
	platform_device_unregister(dmademo_device);
	platform_driver_unregister(&dmademo_driver);
}
module_exit(dmademo_exit);

MODULE_DESCRIPTION("DMA demo device");
MODULE_AUTHOR("DMA custom ops maintainers <dma-custom-ops@example.org>");
MODULE_LICENSE("GPL");
