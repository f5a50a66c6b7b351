// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA demo device: binds the driver to the device.
 */
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/of_reserved_mem.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

#include "dmademo.h"

#define DMADEMO "dmademo"

#define MAX_DEVICES	16

static char *mmap_ways[MAX_DEVICES] = { "pages" };
static unsigned int nr_mmap_ways = 1;
module_param_array_named(mmap, mmap_ways, charp, &nr_mmap_ways, 0444);
MODULE_PARM_DESC(mmap, "how buffers are mapped: pages (default), pfn or huge; to compare: direct, insert_page, map_pages, remap_pfn or fault; in a list, one for each device");

static int devices = -1;
module_param(devices, int, 0444);
MODULE_PARM_DESC(devices, "how many devices there are besides those of the device tree, up to 16 (default: one for each in mmap=)");

static unsigned long long bus_offset;
module_param(bus_offset, ullong, 0444);
MODULE_PARM_DESC(bus_offset, "bus address less physical address, in bytes (default 0)");

static unsigned long long max_device_bytes;
module_param(max_device_bytes, ullong, 0444);
MODULE_PARM_DESC(max_device_bytes, "what the buffers of a device may hold, in bytes (default: three quarters of memory)");

DEFINE_STATIC_SRCU(dmademo_srcu);

/**
 * dmademo_enter - make sure that a device does not go away
 * @dd: the device
 * @idx: for dmademo_exit()
 *
 * Context: As srcu_read_lock(); the caller may sleep, but not until user space
 * does something.
 *
 * Return: false if it has gone.
 */
bool dmademo_enter(struct dmademo *dd, int *idx)
{
	*idx = srcu_read_lock(&dmademo_srcu);
	if (!READ_ONCE(dd->gone))
		return true;
	srcu_read_unlock(&dmademo_srcu, *idx);
	return false;
}

void dmademo_exit(int idx)
{
	srcu_read_unlock(&dmademo_srcu, idx);
}

static void dmademo_free(struct kref *ref)
{
	struct dmademo *dd = container_of(ref, struct dmademo, ref);

	mutex_destroy(&dd->lock);
	kfree(dd);
}

void dmademo_put(struct dmademo *dd)
{
	kref_put(&dd->ref, dmademo_free);
}

static void dmademo_devm_put(void *dd)
{
	dmademo_put(dd);
}

static DEFINE_IDA(dmademo_ida);

static void dmademo_devm_ida_free(void *dd)
{
	ida_free(&dmademo_ida, ((struct dmademo *)dd)->nr);
}

/* This module's devices are the first ones, in the order of mmap=. */
static int dmademo_choose_nr(struct dmademo *dd, struct platform_device *pdev)
{
	unsigned int way = 0;

	if (pdev->id >= 0) {
		/* Not a device of this module's. */
		if (pdev->id >= devices)
			return -ENODEV;
		dd->nr = pdev->id;
		way = min_t(unsigned int, pdev->id, nr_mmap_ways - 1);
	} else {
		int ret = ida_alloc_min(&dmademo_ida, devices, GFP_KERNEL);

		if (ret < 0)
			return ret;
		dd->nr = ret;
		ret = devm_add_action_or_reset(dd->dev, dmademo_devm_ida_free,
					       dd);
		if (ret)
			return ret;
	}
	dd->way = dmademo_way_by_name(mmap_ways[way]);
	if (!dd->way)
		return dev_err_probe(dd->dev, -EINVAL,
				     "there is no way mmap=%s to map buffers\n",
				     mmap_ways[way]);
	return 0;
}

static void dmademo_devm_release_memory(void *dev)
{
	of_reserved_mem_device_release(dev);
}

static bool dmademo_has_cma_area(struct device *dev)
{
#ifdef CONFIG_DMA_CMA
	return dev->cma_area;
#else
	return false;
#endif
}

static int dmademo_init_memory(struct dmademo *dd)
{
	int ret;

	if (!of_property_present(dev_of_node(dd->dev), "memory-region"))
		return 0;
	ret = of_reserved_mem_device_init(dd->dev);
	if (ret)
		return dev_err_probe(dd->dev, ret, "no memory-region\n");
	dd->own_memory = true;
	ret = devm_add_action_or_reset(dd->dev, dmademo_devm_release_memory,
				       dd->dev);
	if (ret)
		return ret;
	/* The engine can see no memory that the kernel does not map. */
	if (!dmademo_has_cma_area(dd->dev))
		return dev_err_probe(dd->dev, -EINVAL,
				     "memory-region is no reusable shared-dma-pool\n");
	return 0;
}

static int dmademo_attach(struct dmademo *dd)
{
	struct dma_custom_config config = { .mmap = dd->way->mode };
	int ret;

	/* Firmware says what the bus does to addresses, if it is asked. */
	if (!dev_of_node(dd->dev))
		config.bus_offset = bus_offset;
	if (dd->way->no_provider || dd->way->by_page) {
		if (config.bus_offset)
			return dev_err_probe(dd->dev, -EINVAL,
					     "mmap=%s knows no bus_offset\n",
					     dd->way->name);
		return 0;
	}
	ret = devm_dma_custom_attach(dd->dev, &config);
	if (ret)
		return dev_err_probe(dd->dev, ret, "no custom DMA ops\n");
	return 0;
}

static int dmademo_init_device(struct dmademo *dd, struct platform_device *pdev)
{
	struct device *dev = dd->dev;
	int ret;

	ret = dmademo_choose_nr(dd, pdev);
	if (ret)
		return ret;
	ret = dmademo_init_memory(dd);
	if (ret)
		return ret;
	ret = dmademo_attach(dd);
	if (ret)
		return ret;
	ret = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
	if (ret)
		return dev_err_probe(dev, ret, "no usable DMA mask\n");
	/* The engine does not mind. */
	dma_set_max_seg_size(dev, UINT_MAX);
	ret = dmademo_engine_init(&dd->engine, dev);
	if (ret)
		return dev_err_probe(dev, ret, "no engine\n");
	ret = dmademo_request_irq(dd);
	if (ret)
		return ret;
	if (IS_ERR(dmademo_way_by_strategy(dd, DMADEMO_STRATEGY_DEFAULT, 0)))
		return dev_err_probe(dev, -EINVAL,
				     "mmap=%s needs a cache coherent device without memory of its own\n",
				     dd->way->name);
	return 0;
}

static int dmademo_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	struct dmademo *dd;
	int ret;

	dd = kzalloc_obj(*dd);
	if (!dd)
		return -ENOMEM;
	kref_init(&dd->ref);
	dd->dev = dev;
	init_waitqueue_head(&dd->idle);
	mutex_init(&dd->lock);
	INIT_LIST_HEAD(&dd->files);
	INIT_LIST_HEAD(&dd->buffers);
	INIT_LIST_HEAD(&dd->mappers);
	dd->max_bytes_held = max_device_bytes ?:
			     (u64)totalram_pages() / 4 * 3 << PAGE_SHIFT;
	/* After all that the driver has of the device. */
	ret = devm_add_action_or_reset(dev, dmademo_devm_put, dd);
	if (ret)
		return ret;
	platform_set_drvdata(pdev, dd);
	ret = dmademo_init_device(dd, pdev);
	if (ret)
		return ret;

	snprintf(dd->name, sizeof(dd->name), DMADEMO "%d", dd->nr);
	dd->misc = (struct miscdevice) {
		.minor	= MISC_DYNAMIC_MINOR,
		.name	= dd->name,
		.fops	= &dmademo_fops,
		.parent	= dev,
		.mode	= 0600,
	};
	return misc_register(&dd->misc);
}

/* Ends what open files have under way, and takes the device from them. */
static void dmademo_remove(struct platform_device *pdev)
{
	struct dmademo *dd = platform_get_drvdata(pdev);
	struct dmademo_file *df;

	misc_deregister(&dd->misc);
	WRITE_ONCE(dd->gone, true);
	synchronize_srcu(&dmademo_srcu);
	/* From here on nobody starts anything. */
	dmademo_transfers_stop(dd);
	WRITE_ONCE(dd->ended, true);
	scoped_guard(mutex, &dd->lock)
		list_for_each_entry(df, &dd->files, node)
			wake_up_all(&df->wait);
	dmademo_unmap_all(dd);
	dmademo_buffers_revoke(dd);
}

static const struct of_device_id dmademo_of_match[] = {
	{ .compatible = "linux,dmademo" },
	{}
};
MODULE_DEVICE_TABLE(of, dmademo_of_match);

static struct platform_driver dmademo_driver = {
	.probe	= dmademo_probe,
	.remove	= dmademo_remove,
	.driver	= {
		.name		= DMADEMO,
		.of_match_table	= dmademo_of_match,
	},
};

static struct platform_device *dmademo_devices[MAX_DEVICES];

static void dmademo_unregister_devices(int nr)
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
	int i, ret;

	if (devices < 0)
		devices = nr_mmap_ways;
	if (devices > MAX_DEVICES) {
		pr_err(DMADEMO ": devices=%d is more than %d\n", devices,
		       MAX_DEVICES);
		return -EINVAL;
	}
	ret = platform_driver_register(&dmademo_driver);
	if (ret)
		return ret;
	for (i = 0; i < devices; i++) {
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

static void __exit dmademo_exit_module(void)
{
	dmademo_unregister_devices(devices);
	platform_driver_unregister(&dmademo_driver);
}
module_exit(dmademo_exit_module);

MODULE_DESCRIPTION("DMA demo device");
MODULE_AUTHOR("DMA custom ops maintainers <dma-custom-ops@example.org>");
MODULE_LICENSE("GPL");
