// SPDX-License-Identifier: GPL-2.0
/*
 * Custom DMA ops: attaching the provider to a device, and the table of
 * operations.  Coherent buffers are in custom-alloc.c, cached ones in
 * custom-cached.c, user mappings in custom-mmap.c, and streaming mappings in
 * custom-streaming.c.
 */
#include <linux/dma-map-ops.h>
#include <linux/export.h>
#include <linux/iommu-dma.h>
#include <linux/slab.h>

#include "custom.h"
#include "direct.h"

/* Each device gets a copy of this. */
static const struct dma_custom dma_custom_initial = {
	.ops = {
		.alloc			= dma_custom_alloc,
		.free			= dma_custom_free,
		.alloc_pages_op		= dma_custom_alloc_pages,
		.free_pages		= dma_custom_free_pages,
		.mmap			= dma_custom_mmap,
		.mmap_pages		= dma_custom_mmap_page_buffer,
		.get_sgtable		= dma_custom_get_sgtable,
		.alloc_noncontiguous	= dma_custom_alloc_noncontiguous,
		.free_noncontiguous	= dma_custom_free_noncontiguous,
		.map_phys		= dma_custom_map_phys,
		.unmap_phys		= dma_custom_unmap_phys,
		.map_sg			= dma_custom_map_sg,
		.unmap_sg		= dma_direct_unmap_sg,
		.sync_single_for_cpu	= dma_custom_sync_single_for_cpu,
		.sync_single_for_device	= dma_direct_sync_single_for_device,
		.sync_sg_for_cpu	= dma_direct_sync_sg_for_cpu,
		.sync_sg_for_device	= dma_direct_sync_sg_for_device,
		.dma_supported		= dma_direct_supported,
		.get_required_mask	= dma_direct_get_required_mask,
		.max_mapping_size	= dma_direct_max_mapping_size,
		/* as in dma-direct, any size is optimal, and nothing is merged */
	},
};

static int dma_custom_check_config(struct device *dev,
				   const struct dma_custom_config *cfg)
{
	if (!dev->dma_mask)
		return -EINVAL;
	if (cfg->mmap > DMA_CUSTOM_MMAP_HUGE)
		return -EINVAL;
	if (!dma_direct_offset_size(cfg->bus_offset))
		return -EINVAL;

	if (get_dma_ops(dev))
		return -EBUSY;

	if (cfg->bus_offset && use_dma_iommu(dev))
		return -EINVAL;
	if (cfg->bus_offset && (!IS_ENABLED(CONFIG_DMA_CUSTOM_OPS_TESTING) ||
				IS_ENABLED(CONFIG_ARCH_HAS_PHYS_TO_DMA) ||
				dev->dma_range_map))
		return -EOPNOTSUPP;
	return 0;
}

/**
 * dma_custom_attach - attach the custom DMA ops to a device
 * @dev: the device
 * @cfg: the options, or NULL for the defaults
 *
 * After this call the provider handles the DMA API calls on @dev.  Attach before
 * the first DMA API call that allocates or maps memory, and detach after the last
 * one.  Memory that was allocated or mapped before attaching must be freed or
 * unmapped before attaching; memory that was allocated or mapped while attached,
 * before detaching.
 *
 * Context: Process context, may sleep.  The caller ensures that no other code uses
 * the DMA API on @dev at the same time.  A driver's probe function does.
 *
 * Return:
 * * 0 on success;
 * * -EINVAL if @dev has no DMA mask; if the mapping mode is unknown; or if
 *   &dma_custom_config.bus_offset is not a multiple of PAGE_SIZE, moves RAM out of
 *   the range of a dma_addr_t, or is not 0 for a device behind an IOMMU;
 * * -EBUSY if @dev has DMA ops already;
 * * -EOPNOTSUPP if the kernel was built without CONFIG_DMA_CUSTOM_OPS; or if
 *   &dma_custom_config.bus_offset is not 0 and the kernel was built without
 *   CONFIG_DMA_CUSTOM_OPS_TESTING, the architecture has its own phys_to_dma(), or
 *   firmware describes the DMA ranges of @dev;
 * * -ENOMEM if the state of the provider cannot be allocated.
 *
 * After an error @dev is unchanged.
 */
int dma_custom_attach(struct device *dev, const struct dma_custom_config *cfg)
{
	static const struct dma_custom_config defaults;
	struct dma_custom *dc;
	int ret;

	if (!cfg)
		cfg = &defaults;
	ret = dma_custom_check_config(dev, cfg);
	if (ret)
		return ret;

	dc = kmemdup(&dma_custom_initial, sizeof(*dc), GFP_KERNEL);
	if (!dc)
		return -ENOMEM;
	dc->dev = dev;
	dc->mmap = cfg->mmap;
	dma_custom_buffers_init(dc);
	dma_custom_faults_init(dc);

	if (cfg->bus_offset) {
		ret = dma_direct_set_offset(dev, 0, cfg->bus_offset,
					    dma_direct_offset_size(cfg->bus_offset));
		if (ret) {
			kfree(dc);
			return ret;
		}
		dc->range_map = dev->dma_range_map;
	}

	set_dma_ops(dev, &dc->ops);
	dma_reset_need_sync(dev);
	dma_custom_debugfs_add(dc);
	return 0;
}
EXPORT_SYMBOL_GPL(dma_custom_attach);

static void dma_custom_destroy(struct dma_custom *dc)
{
	struct device *dev = dc->dev;
	unsigned long leaked;

	dma_custom_debugfs_remove(dc);
	/* Another provider may have replaced the ops. */
	if (get_dma_ops(dev) == &dc->ops)
		set_dma_ops(dev, NULL);

	leaked = dma_custom_buffers_leak(dc);
	if (leaked)
		dev_err(dev, "driver left %lu DMA buffers allocated, leaking them\n",
			leaked);

	/* The driver core drops the map itself when a driver is unbound. */
	if (dc->range_map && dev->dma_range_map == dc->range_map) {
		dev->dma_range_map = NULL;
		kfree(dc->range_map);
	}
	kfree(dc);
}

/* With a driver's managed resources, or at last with those of the device. */
void dma_custom_devm_detach(void *data)
{
	struct dma_custom *dc = data;

	if (!dma_custom_stay(dc))
		dma_custom_destroy(dc);
}

/**
 * dma_custom_detach - detach the custom DMA ops from a device
 * @dev: the device
 *
 * The call has no effect if the provider is not attached to @dev, or if other code
 * has replaced the provider's DMA ops.
 *
 * The driver must have freed all buffers before.  If it has not, the provider logs
 * their number as an error and leaks their memory, because the device may still
 * write to it.
 *
 * Context: Process context, may sleep.  The caller ensures that no other code uses
 * the DMA API on @dev at the same time, and that no code uses it later on a child
 * device that inherited the DMA ops of @dev from its bus.
 */
void dma_custom_detach(struct device *dev)
{
	struct dma_custom *dc = dma_custom_of(dev);

	if (!dc)
		return;
	devm_remove_action_nowarn(dev, dma_custom_devm_detach, dc);
	dma_custom_destroy(dc);
}
EXPORT_SYMBOL_GPL(dma_custom_detach);

/**
 * devm_dma_custom_attach - attach the custom DMA ops until the driver is unbound
 * @dev: the device
 * @cfg: the options, or NULL for the defaults
 *
 * A managed dma_custom_attach(): the driver core calls dma_custom_detach() when the
 * driver is unbound from @dev.  Managed resources are released in reverse order.
 * Buffers that dmam_alloc_attrs() allocated after this call are therefore freed
 * before the provider is detached.
 *
 * Context: Process context, may sleep.  Call it in the driver's probe function.
 *
 * Return: see dma_custom_attach().
 */
int devm_dma_custom_attach(struct device *dev,
			   const struct dma_custom_config *cfg)
{
	int ret = dma_custom_attach(dev, cfg);

	if (ret)
		return ret;
	return devm_add_action_or_reset(dev, dma_custom_devm_detach,
					dma_custom_of(dev));
}
EXPORT_SYMBOL_GPL(devm_dma_custom_attach);

/**
 * dma_custom_attached - test whether the custom DMA ops are attached to a device
 * @dev: the device
 *
 * Context: Any context.  The caller prevents attaching and detaching at the same time.
 *
 * Return: true if the provider is attached to @dev.
 */
bool dma_custom_attached(struct device *dev)
{
	return dma_custom_of(dev);
}
EXPORT_SYMBOL_GPL(dma_custom_attached);
