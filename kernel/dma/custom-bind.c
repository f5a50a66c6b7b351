// SPDX-License-Identifier: GPL-2.0
/*
 * Custom DMA ops: attaching the provider by name, so that drivers which know
 * nothing of it run on it.
 *
 * dma_custom.attach= on the kernel command line, which is also
 * /sys/module/dma_custom/parameters/attach, lists devices and drivers.  A listed
 * device gets the provider when a driver is about to be bound to it, once the bus
 * has set up DMA for it, and loses it when the driver's other managed resources
 * have gone.
 *
 * Some drivers free a buffer when its last user is gone, which may be long after
 * they were unbound from the device.  They may, and know nothing of a provider that
 * has to stay for it, so it stays.
 */
#include <linux/amba/bus.h>
#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/dma-map-ops.h>
#include <linux/glob.h>
#include <linux/init.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <linux/string.h>

#include "custom.h"

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "dma_custom."

/* The command line is read before there is memory to allocate. */
static char dma_custom_names[512];
static DEFINE_MUTEX(dma_custom_names_lock);

static int dma_custom_names_set(const char *val, const struct kernel_param *kp)
{
	size_t len = strcspn(val, "\n");

	if (len >= sizeof(dma_custom_names)) {
		pr_err("dma_custom.attach: more than %zu characters\n",
		       sizeof(dma_custom_names) - 1);
		return -ENOSPC;
	}
	guard(mutex)(&dma_custom_names_lock);
	strscpy(dma_custom_names, val, len + 1);
	return 0;
}

static int dma_custom_names_get(char *buffer, const struct kernel_param *kp)
{
	guard(mutex)(&dma_custom_names_lock);
	return sysfs_emit(buffer, "%s\n", dma_custom_names);
}

static const struct kernel_param_ops dma_custom_names_ops = {
	.set	= dma_custom_names_set,
	.get	= dma_custom_names_get,
};

module_param_cb(attach, &dma_custom_names_ops, NULL, 0644);
MODULE_PARM_DESC(attach, "comma-separated names of devices or drivers that get the custom DMA ops when bound; wildcards are allowed");

static bool dma_custom_is_listed(struct device *dev)
{
	static char names[sizeof(dma_custom_names)];
	char *rest = names, *name;

	guard(mutex)(&dma_custom_names_lock);
	strscpy(names, dma_custom_names);
	while ((name = strsep(&rest, ",")))
		if (glob_match(name, dev_name(dev)) ||
		    glob_match(name, dev->driver->name))
			return true;
	return false;
}

/* What is there since the last driver was unbound, as it had left buffers, or NULL. */
static struct dma_custom *dma_custom_stayed(struct device *dev)
{
	struct dma_custom *dc = dma_custom_of(dev);

	return dc && dc->stayed ? dc : NULL;
}

/* When the driver is unbound; false if the provider has to go. */
bool dma_custom_stay(struct dma_custom *dc)
{
	if (!dc->by_name || dc->stayed || !dma_custom_has_buffers(dc))
		return false;
	dev_info(dc->dev, "driver left DMA buffers allocated, custom DMA ops stay attached\n");
	/* The device may go before they are freed. */
	dma_custom_debugfs_remove(dc);
	dc->stayed = true;
	return true;
}

static int dma_custom_bind_attach(struct device *dev)
{
	struct dma_custom *dc = dma_custom_stayed(dev);
	int ret;

	if (!dc) {
		ret = devm_dma_custom_attach(dev, NULL);
		if (!ret)
			dma_custom_of(dev)->by_name = true;
		return ret;
	}
	dc->stayed = false;
	dma_custom_debugfs_add(dc);
	return devm_add_action_or_reset(dev, dma_custom_devm_detach, dc);
}

/*
 * A device that the provider has stayed with is removed.  Whoever frees a buffer has
 * a reference to the device: with the last one the provider goes.  If there is no
 * memory to have that done, it is leaked.
 */
static void dma_custom_bind_removed(struct device *dev)
{
	struct dma_custom *dc = dma_custom_stayed(dev);

	if (dc)
		devm_add_action(dev, dma_custom_devm_detach, dc);
}

static int dma_custom_bus_notify(struct notifier_block *nb,
				 unsigned long event, void *data)
{
	struct device *dev = data;
	struct dma_custom *dc;
	int ret;

	if (event == BUS_NOTIFY_REMOVED_DEVICE)
		dma_custom_bind_removed(dev);
	if (event != BUS_NOTIFY_BIND_DRIVER)
		return NOTIFY_DONE;
	dc = dma_custom_stayed(dev);
	if (dc && !dma_custom_has_buffers(dc)) {
		dma_custom_detach(dev);
		dc = NULL;
	}
	if (!dc && !dma_custom_is_listed(dev))
		return NOTIFY_DONE;

	ret = dma_custom_bind_attach(dev);
	if (!ret)
		dev_info(dev, "custom DMA ops attached\n");
	else if (ret == -EBUSY)
		dev_info(dev, "custom DMA ops not attached: the device has DMA ops already\n");
	else
		dev_warn(dev, "cannot attach custom DMA ops: %pe\n",
			 ERR_PTR(ret));
	return NOTIFY_OK;
}

/* Those with devices that do DMA by themselves. */
static const struct bus_type * const dma_custom_buses[] = {
	&platform_bus_type,
#ifdef CONFIG_PCI
	&pci_bus_type,
#endif
#ifdef CONFIG_ARM_AMBA
	&amba_bustype,
#endif
};

static struct notifier_block dma_custom_notifiers[ARRAY_SIZE(dma_custom_buses)];

/* Once the buses are there, and before most drivers are. */
static int __init dma_custom_bind_init(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(dma_custom_buses); i++) {
		dma_custom_notifiers[i].notifier_call = dma_custom_bus_notify;
		bus_register_notifier(dma_custom_buses[i],
				      &dma_custom_notifiers[i]);
	}
	return 0;
}
postcore_initcall_sync(dma_custom_bind_init);
