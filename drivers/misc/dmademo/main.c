// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA demo device: binds the driver to the device.
 */
#include <linux/dma-mapping.h>
#include <linux/idr.h>
#include <linux/interrupt.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/of_reserved_mem.h>
#include <linux/platform_device.h>
#include <linux/property.h>

#include "dmademo.h"

#define MAX_DEVICES	16

static char *ways[MAX_DEVICES] = { "pages" };
static unsigned int nr_ways = 1;
module_param_array_named(mmap, ways, charp, &nr_ways, 0444);
MODULE_PARM_DESC(mmap, "mapping strategy per device: pages (default), pfn or huge; additional devices use the last one");

static int devices = -1;
module_param(devices, int, 0444);
MODULE_PARM_DESC(devices, "number of devices in addition to those of the device tree, up to 16 (default: one per entry of mmap=)");

static unsigned long buffer_size;
module_param(buffer_size, ulong, 0444);
MODULE_PARM_DESC(buffer_size, "size of a buffer that each device allocates when it is probed, in bytes (default: none)");

static unsigned long long bus_offset;
module_param(bus_offset, ullong, 0444);
MODULE_PARM_DESC(bus_offset, "offset added to a physical address to form the DMA address, in bytes (default 0)");

static unsigned long long max_device_bytes;
module_param(max_device_bytes, ullong, 0444);
MODULE_PARM_DESC(max_device_bytes, "upper limit for all buffers of one device, in bytes (default: three quarters of memory)");

static const char * const modes[] = {
	[DMA_CUSTOM_MMAP_PAGES]	= "pages",
	[DMA_CUSTOM_MMAP_PFN]	= "pfn",
	[DMA_CUSTOM_MMAP_HUGE]	= "huge",
};

static DEFINE_IDA(dmademo_ida);

/* The engine can see no memory that the kernel does not map. */
static int dmademo_init_memory(struct device *dev)
{
	int ret;

	if (!of_property_present(dev_of_node(dev), "memory-region"))
		return 0;
	ret = devm_of_reserved_mem_device_init(dev);
	if (ret)
		return dev_err_probe(dev, ret, "cannot use memory-region\n");
#ifdef CONFIG_DMA_CMA
	if (dev->cma_area)
		return 0;
#endif
	return dev_err_probe(dev, -EINVAL, "memory-region must be a reusable shared-dma-pool\n");
}

static int dmademo_attach(struct dmademo *dd, const char *name)
{
	struct device *dev = dd->dev;
	/* For a device-tree device, dma-ranges describe the translation. */
	struct dma_custom_config config = { .bus_offset = dev_of_node(dev) ? 0 : bus_offset };
	int ret = match_string(modes, ARRAY_SIZE(modes), name);

	if (ret < 0 && IS_ENABLED(CONFIG_DMADEMO_BENCH))
		dd->way = dmademo_bench_way(name);
	if (ret < 0 && !dd->way)
		return dev_err_probe(dev, ret, "unknown mapping strategy mmap=%s\n", name);
	dd->mode = dd->way ? DMA_CUSTOM_MMAP_PFN : ret;
	config.mmap = dd->mode;
	if (dd->way && config.bus_offset)
		return dev_err_probe(dev, -EINVAL, "mmap=%s does not support bus_offset\n", name);
	ret = dd->way ? 0 : devm_dma_custom_attach(dev, &config);
	if (ret)
		return dev_err_probe(dev, ret, "cannot attach the custom DMA ops\n");
	return 0;
}

static irqreturn_t dmademo_irq(int irq, void *dd)
{
	complete(&((struct dmademo *)dd)->done);
	return IRQ_HANDLED;
}

static int dmademo_init_device(struct dmademo *dd)
{
	struct device *dev = dd->dev;
	u64 bytes = buffer_size;
	int ret;

	if (dd->nr < 0)
		return dd->nr;
	ret = dmademo_init_memory(dev) ?:
	      dmademo_attach(dd, ways[min_t(unsigned int, dd->nr, nr_ways - 1)]) ?:
	      dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
	if (ret)
		return ret;
	/* The engine does not mind. */
	dma_set_max_seg_size(dev, UINT_MAX);
	ret = dmademo_engine_init(&dd->engine, dev);
	if (ret)
		return dev_err_probe(dev, ret, "cannot start the DMA engine\n");
	ret = devm_request_irq(dev, dd->engine.irq, dmademo_irq, 0, dev_name(dev), dd);
	if (ret)
		return ret;
	device_property_read_u64(dev, "buffer-size", &bytes);
	if (bytes)
		dd->buffer = dmademo_buffer_alloc(dd, bytes, 0);
	if (IS_ERR(dd->buffer))
		return dev_err_probe(dev, PTR_ERR(dd->buffer),
				     "cannot allocate a buffer of %llu bytes\n", bytes);
	return 0;
}

static void dmademo_stop(struct dmademo *dd)
{
	struct dmademo_buffer *buf, *next;

	WRITE_ONCE(dd->gone, true);
	synchronize_srcu(&dmademo_srcu);
	/* From here on nobody starts a transfer, and the last one ends.  Buffers stay as shells. */
	WRITE_ONCE(dd->engine.stop, -ENODEV);
	scoped_guard(mutex, &dd->run)
		list_for_each_entry_safe(buf, next, &dd->buffers, node)
			dmademo_buffer_revoke(buf);
	dmademo_buffer_put(dd->buffer);
}

/* The last of all that the driver has of the device to go. */
static void dmademo_devm_put(void *data)
{
	struct dmademo *dd = data;

	if (dd->nr >= 0)
		ida_free(&dmademo_ida, dd->nr);
	dmademo_put(dd);
}

static int dmademo_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	struct dmademo *dd = kzalloc_obj(*dd);
	int ret;

	if (!dd)
		return -ENOMEM;
	dd->nr = ida_alloc(&dmademo_ida, GFP_KERNEL);
	refcount_set(&dd->ref, 1);
	dd->dev = dev;
	mutex_init(&dd->run);
	init_completion(&dd->done);
	spin_lock_init(&dd->lock);
	INIT_LIST_HEAD(&dd->buffers);
	dd->max_bytes_held = max_device_bytes ?: (u64)totalram_pages() / 4 * 3 << PAGE_SHIFT;
	platform_set_drvdata(pdev, dd);
	ret = devm_add_action_or_reset(dev, dmademo_devm_put, dd) ?: dmademo_init_device(dd);
	if (ret)
		return ret;

	dd->misc.minor = MISC_DYNAMIC_MINOR;
	dd->misc.name = devm_kasprintf(dev, GFP_KERNEL, "dmademo%d", dd->nr);
	dd->misc.fops = dd->way && dd->way->mmap ? &dmademo_way_fops : &dmademo_fops;
	dd->misc.parent = dev;
	dd->misc.mode = 0600;
	ret = dd->misc.name ? misc_register(&dd->misc) : -ENOMEM;
	if (ret)
		dmademo_stop(dd);
	return ret;
}

static void dmademo_remove(struct platform_device *pdev)
{
	struct dmademo *dd = platform_get_drvdata(pdev);

	misc_deregister(&dd->misc);
	dmademo_stop(dd);
}

static ssize_t buffer_size_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct dmademo *dd = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%zu\n", dd->buffer ? dd->buffer->size : 0);
}
static DEVICE_ATTR_RO(buffer_size);

static struct attribute *dmademo_attrs[] = { &dev_attr_buffer_size.attr, NULL };
ATTRIBUTE_GROUPS(dmademo);

static const struct of_device_id dmademo_of_match[] = {
	{ .compatible = "linux,dmademo" },
	{}
};
MODULE_DEVICE_TABLE(of, dmademo_of_match);

static struct platform_driver dmademo_driver = {
	.probe	= dmademo_probe,
	.remove	= dmademo_remove,
	.driver	= {
		.name		= "dmademo",
		.of_match_table	= dmademo_of_match,
		.dev_groups	= dmademo_groups,
	},
};

static struct platform_device *dmademo_devices[MAX_DEVICES];

static void dmademo_unregister(void)
{
	unsigned int i;

	for (i = 0; i < MAX_DEVICES; i++)
		platform_device_unregister(dmademo_devices[i]);
	platform_driver_unregister(&dmademo_driver);
}
module_exit(dmademo_unregister);

static int __init dmademo_init(void)
{
	struct platform_device_info info = { .name = "dmademo", .dma_mask = DMA_BIT_MASK(64) };
	int ret;

	if (devices < 0)
		devices = nr_ways;
	if (devices > MAX_DEVICES) {
		pr_err("dmademo: devices=%d is more than %d\n", devices, MAX_DEVICES);
		return -EINVAL;
	}
	ret = platform_driver_register(&dmademo_driver);
	for (; !ret && info.id < devices; info.id++) {
		dmademo_devices[info.id] = platform_device_register_full(&info);
		ret = PTR_ERR_OR_ZERO(dmademo_devices[info.id]);
		if (ret)
			dmademo_unregister();
	}
	return ret;
}
module_init(dmademo_init);

MODULE_DESCRIPTION("DMA demo device");
MODULE_AUTHOR("DMA custom ops maintainers <dma-custom-ops@example.org>");
MODULE_LICENSE("GPL");
