// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit devices that can do DMA, for testing code that uses the DMA API.
 *
 * The device has DMA ops that call dma-direct and write down what is allocated and
 * mapped.  So a test can play the device, which sees nothing else, and what is left
 * behind when the device goes fails the test.
 */
#include <kunit/device.h>
#include <kunit/dma.h>
#include <kunit/test.h>
#include <linux/dma-map-ops.h>
#include <linux/highmem.h>
#include <linux/list.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "direct.h"

enum kunit_dma_kind {
	KUNIT_DMA_BUFFER,
	KUNIT_DMA_PAGES,
	KUNIT_DMA_MAPPING,
	KUNIT_DMA_SG,
};

static const char * const kunit_dma_kinds[] = {
	[KUNIT_DMA_BUFFER]	= "buffer",
	[KUNIT_DMA_PAGES]	= "buffer of pages",
	[KUNIT_DMA_MAPPING]	= "mapping",
	[KUNIT_DMA_SG]		= "mapping of a scatterlist entry",
};

static const char * const kunit_dma_directions[] = {
	[DMA_BIDIRECTIONAL]	= "bidirectional",
	[DMA_TO_DEVICE]		= "to device",
	[DMA_FROM_DEVICE]	= "from device",
	[DMA_NONE]		= "in no direction",
};

/* What the device may access. */
struct kunit_dma_region {
	struct list_head	list;
	enum kunit_dma_kind	kind;
	dma_addr_t		dma_addr;
	size_t			size;
	enum dma_data_direction	dir;
	void			*cpu_addr;
	unsigned long		attrs;
};

struct kunit_dma {
	struct kunit			*test;
	struct device			*dev;
	const struct dma_map_ops	ops;
	/* how many operations from now one fails; never, if that is 0 */
	atomic_t			fail[KUNIT_DMA_NR_FAULTS];
	/* protects the list; drivers map in interrupt handlers too */
	spinlock_t			lock;
	struct list_head		regions;
};

static struct kunit_dma *to_kunit_dma(struct device *dev)
{
	return container_of(get_dma_ops(dev), struct kunit_dma, ops);
}

static bool kunit_dma_should_fail(struct kunit_dma *kd,
				  enum kunit_dma_fault fault)
{
	return !atomic_dec_if_positive(&kd->fail[fault]);
}

/* Drivers map and unmap with interrupts off too, where KUNIT_FAIL() cannot be. */
static __printf(2, 3) void kunit_dma_fail(struct kunit_dma *kd,
					  const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	va_list args;

	va_start(args, fmt);
	vaf.va = &args;
	dev_err(kd->dev, "DMA: %pV", &vaf);
	va_end(args);
	kunit_set_failure(kd->test);
}

static bool kunit_dma_add(struct kunit_dma *kd, enum kunit_dma_kind kind,
			  dma_addr_t dma_addr, size_t size,
			  enum dma_data_direction dir, void *cpu_addr,
			  unsigned long attrs)
{
	struct kunit_dma_region *region = kzalloc_obj(*region, GFP_ATOMIC);

	if (!region)
		return false;
	region->kind = kind;
	region->dma_addr = dma_addr;
	region->size = size;
	region->dir = dir;
	region->cpu_addr = cpu_addr;
	region->attrs = attrs;
	guard(spinlock_irqsave)(&kd->lock);
	list_add(&region->list, &kd->regions);
	return true;
}

/* Takes back what was added with the same arguments. */
static bool kunit_dma_remove(struct kunit_dma *kd, enum kunit_dma_kind kind,
			     dma_addr_t dma_addr, size_t size,
			     enum dma_data_direction dir, void *cpu_addr)
{
	struct kunit_dma_region *region;

	scoped_guard(spinlock_irqsave, &kd->lock) {
		list_for_each_entry(region, &kd->regions, list) {
			if (region->kind == kind && region->size == size &&
			    region->dma_addr == dma_addr && region->dir == dir &&
			    region->cpu_addr == cpu_addr) {
				list_del(&region->list);
				kfree(region);
				return true;
			}
		}
	}
	kunit_dma_fail(kd, "there is no %s of %zu bytes at %pad, %s, to give back\n",
		       kunit_dma_kinds[kind], size, &dma_addr,
		       kunit_dma_directions[dir]);
	return false;
}

/* The region that has all of the range, for transfers in this direction. */
static struct kunit_dma_region *kunit_dma_find(struct kunit_dma *kd,
					       dma_addr_t dma_addr, size_t size,
					       enum dma_data_direction dir)
{
	struct kunit_dma_region *region;

	list_for_each_entry(region, &kd->regions, list)
		if (dma_addr >= region->dma_addr &&
		    dma_addr - region->dma_addr <= region->size &&
		    size <= region->size - (dma_addr - region->dma_addr) &&
		    (region->dir == dir || region->dir == DMA_BIDIRECTIONAL))
			return region;
	return NULL;
}

static bool kunit_dma_check_sync(struct kunit_dma *kd, dma_addr_t dma_addr,
				 size_t size, enum dma_data_direction dir)
{
	scoped_guard(spinlock_irqsave, &kd->lock)
		if (kunit_dma_find(kd, dma_addr, size, dir))
			return true;
	kunit_dma_fail(kd, "sync of %zu bytes at %pad, %s, which are not mapped so\n",
		       size, &dma_addr, kunit_dma_directions[dir]);
	return false;
}

static void *kunit_dma_alloc(struct device *dev, size_t size,
			     dma_addr_t *dma_addr, gfp_t gfp,
			     unsigned long attrs)
{
	struct kunit_dma *kd = to_kunit_dma(dev);
	void *cpu_addr;

	if (kunit_dma_should_fail(kd, KUNIT_DMA_FAULT_ALLOC))
		return NULL;
	cpu_addr = dma_direct_alloc(dev, size, dma_addr, gfp, attrs);
	if (cpu_addr && !kunit_dma_add(kd, KUNIT_DMA_BUFFER, *dma_addr, size,
				       DMA_BIDIRECTIONAL, cpu_addr, attrs)) {
		dma_direct_free(dev, size, cpu_addr, *dma_addr, attrs);
		return NULL;
	}
	return cpu_addr;
}

static void kunit_dma_free(struct device *dev, size_t size, void *cpu_addr,
			   dma_addr_t dma_addr, unsigned long attrs)
{
	struct kunit_dma *kd = to_kunit_dma(dev);

	if (kunit_dma_remove(kd, KUNIT_DMA_BUFFER, dma_addr, size,
			     DMA_BIDIRECTIONAL, cpu_addr))
		dma_direct_free(dev, size, cpu_addr, dma_addr, attrs);
}

static struct page *kunit_dma_alloc_pages(struct device *dev, size_t size,
					  dma_addr_t *dma_addr,
					  enum dma_data_direction dir,
					  gfp_t gfp)
{
	struct kunit_dma *kd = to_kunit_dma(dev);
	struct page *page;

	if (kunit_dma_should_fail(kd, KUNIT_DMA_FAULT_ALLOC))
		return NULL;
	page = dma_direct_alloc_pages(dev, size, dma_addr, dir, gfp);
	if (page && !kunit_dma_add(kd, KUNIT_DMA_PAGES, *dma_addr, size, dir,
				   page, 0)) {
		dma_direct_free_pages(dev, size, page, *dma_addr, dir);
		return NULL;
	}
	return page;
}

static void kunit_dma_free_pages(struct device *dev, size_t size,
				 struct page *page, dma_addr_t dma_addr,
				 enum dma_data_direction dir)
{
	struct kunit_dma *kd = to_kunit_dma(dev);

	if (kunit_dma_remove(kd, KUNIT_DMA_PAGES, dma_addr, size, dir, page))
		dma_direct_free_pages(dev, size, page, dma_addr, dir);
}

static dma_addr_t kunit_dma_map_phys(struct device *dev, phys_addr_t phys,
				     size_t size, enum dma_data_direction dir,
				     unsigned long attrs)
{
	struct kunit_dma *kd = to_kunit_dma(dev);
	dma_addr_t dma_addr;

	if (kunit_dma_should_fail(kd, KUNIT_DMA_FAULT_MAP))
		return DMA_MAPPING_ERROR;
	dma_addr = dma_direct_map_phys(dev, phys, size, dir, attrs, true);
	if (dma_addr != DMA_MAPPING_ERROR &&
	    !kunit_dma_add(kd, KUNIT_DMA_MAPPING, dma_addr, size, dir, NULL,
			   attrs)) {
		dma_direct_unmap_phys(dev, dma_addr, size, dir, attrs, true);
		return DMA_MAPPING_ERROR;
	}
	return dma_addr;
}

static void kunit_dma_unmap_phys(struct device *dev, dma_addr_t dma_addr,
				 size_t size, enum dma_data_direction dir,
				 unsigned long attrs)
{
	struct kunit_dma *kd = to_kunit_dma(dev);

	if (kunit_dma_remove(kd, KUNIT_DMA_MAPPING, dma_addr, size, dir, NULL))
		dma_direct_unmap_phys(dev, dma_addr, size, dir, attrs, true);
}

/* All entries go, even if one of them is a mistake. */
static bool kunit_dma_remove_sg(struct kunit_dma *kd, struct scatterlist *sgl,
				int nents, enum dma_data_direction dir)
{
	struct scatterlist *sg;
	bool ret = true;
	int i;

	for_each_sg(sgl, sg, nents, i)
		if (!kunit_dma_remove(kd, KUNIT_DMA_SG, sg_dma_address(sg),
				      sg_dma_len(sg), dir, NULL))
			ret = false;
	return ret;
}

static int kunit_dma_map_sg(struct device *dev, struct scatterlist *sgl,
			    int nents, enum dma_data_direction dir,
			    unsigned long attrs)
{
	struct kunit_dma *kd = to_kunit_dma(dev);
	struct scatterlist *sg;
	int ret, i;

	if (kunit_dma_should_fail(kd, KUNIT_DMA_FAULT_MAP_SG))
		return -ENOMEM;
	ret = dma_direct_map_sg(dev, sgl, nents, dir, attrs);
	for_each_sg(sgl, sg, ret, i) {
		if (kunit_dma_add(kd, KUNIT_DMA_SG, sg_dma_address(sg),
				  sg_dma_len(sg), dir, NULL, attrs))
			continue;
		kunit_dma_remove_sg(kd, sgl, i, dir);
		dma_direct_unmap_sg(dev, sgl, nents, dir, attrs);
		return -ENOMEM;
	}
	return ret;
}

static void kunit_dma_unmap_sg(struct device *dev, struct scatterlist *sgl,
			       int nents, enum dma_data_direction dir,
			       unsigned long attrs)
{
	struct kunit_dma *kd = to_kunit_dma(dev);

	if (kunit_dma_remove_sg(kd, sgl, nents, dir))
		dma_direct_unmap_sg(dev, sgl, nents, dir, attrs);
}

static void kunit_dma_sync_single_for_cpu(struct device *dev,
					  dma_addr_t dma_addr, size_t size,
					  enum dma_data_direction dir)
{
	struct kunit_dma *kd = to_kunit_dma(dev);

	if (kunit_dma_check_sync(kd, dma_addr, size, dir))
		dma_direct_sync_single_for_cpu(dev, dma_addr, size, dir, true);
}

static void kunit_dma_sync_single_for_device(struct device *dev,
					     dma_addr_t dma_addr, size_t size,
					     enum dma_data_direction dir)
{
	struct kunit_dma *kd = to_kunit_dma(dev);

	if (kunit_dma_check_sync(kd, dma_addr, size, dir))
		dma_direct_sync_single_for_device(dev, dma_addr, size, dir);
}

static bool kunit_dma_check_sync_sg(struct kunit_dma *kd,
				    struct scatterlist *sgl, int nents,
				    enum dma_data_direction dir)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, nents, i)
		if (!kunit_dma_check_sync(kd, sg_dma_address(sg),
					  sg_dma_len(sg), dir))
			return false;
	return true;
}

static void kunit_dma_sync_sg_for_cpu(struct device *dev,
				      struct scatterlist *sgl, int nents,
				      enum dma_data_direction dir)
{
	struct kunit_dma *kd = to_kunit_dma(dev);

	if (kunit_dma_check_sync_sg(kd, sgl, nents, dir))
		dma_direct_sync_sg_for_cpu(dev, sgl, nents, dir);
}

static void kunit_dma_sync_sg_for_device(struct device *dev,
					 struct scatterlist *sgl, int nents,
					 enum dma_data_direction dir)
{
	struct kunit_dma *kd = to_kunit_dma(dev);

	if (kunit_dma_check_sync_sg(kd, sgl, nents, dir))
		dma_direct_sync_sg_for_device(dev, sgl, nents, dir);
}

/* Reports what is left, and gives it back: no device is there to use it. */
static void kunit_dma_finish(void *data)
{
	const unsigned long skip = DMA_ATTR_SKIP_CPU_SYNC;
	struct kunit_dma *kd = data;
	struct kunit_dma_region *region, *next;
	struct device *dev = kd->dev;

	set_dma_ops(dev, NULL);
	list_for_each_entry_safe(region, next, &kd->regions, list) {
		KUNIT_FAIL(kd->test,
			   "%s: a %s of %zu bytes at DMA address %pad, %s, was left behind",
			   dev_name(dev), kunit_dma_kinds[region->kind],
			   region->size, &region->dma_addr,
			   kunit_dma_directions[region->dir]);
		if (region->kind == KUNIT_DMA_BUFFER)
			dma_direct_free(dev, region->size, region->cpu_addr,
					region->dma_addr, region->attrs);
		else if (region->kind == KUNIT_DMA_PAGES)
			dma_direct_free_pages(dev, region->size,
					      region->cpu_addr,
					      region->dma_addr, region->dir);
		else
			dma_direct_unmap_phys(dev, region->dma_addr,
					      region->size, region->dir,
					      region->attrs | skip, true);
		kfree(region);
	}
}

static int kunit_dma_mmap(struct device *dev, struct vm_area_struct *vma,
			  void *cpu_addr, dma_addr_t dma_addr, size_t size,
			  unsigned long attrs)
{
	if (!dma_direct_can_mmap(dev))
		return -ENXIO;
	return dma_direct_mmap(dev, vma, cpu_addr, dma_addr, size, attrs);
}

static const struct kunit_dma kunit_dma_initial = {
	.ops = {
		.alloc			= kunit_dma_alloc,
		.free			= kunit_dma_free,
		.alloc_pages_op		= kunit_dma_alloc_pages,
		.free_pages		= kunit_dma_free_pages,
		.mmap			= kunit_dma_mmap,
		.get_sgtable		= dma_direct_get_sgtable,
		.map_phys		= kunit_dma_map_phys,
		.unmap_phys		= kunit_dma_unmap_phys,
		.map_sg			= kunit_dma_map_sg,
		.unmap_sg		= kunit_dma_unmap_sg,
		.sync_single_for_cpu	= kunit_dma_sync_single_for_cpu,
		.sync_single_for_device	= kunit_dma_sync_single_for_device,
		.sync_sg_for_cpu	= kunit_dma_sync_sg_for_cpu,
		.sync_sg_for_device	= kunit_dma_sync_sg_for_device,
		.dma_supported		= dma_direct_supported,
		.get_required_mask	= dma_direct_get_required_mask,
		.max_mapping_size	= dma_direct_max_mapping_size,
	},
};

static int kunit_dma_check_offset(u64 offset)
{
	if (!dma_direct_offset_size(offset))
		return -EINVAL;
	if (offset && IS_ENABLED(CONFIG_ARCH_HAS_PHYS_TO_DMA))
		return -EOPNOTSUPP;
	return 0;
}

static int kunit_dma_start(struct kunit *test, struct device *dev)
{
	struct kunit_dma *kd;

	if (get_dma_ops(dev))
		return -EBUSY;
	kd = devm_kmemdup(dev, &kunit_dma_initial, sizeof(*kd), GFP_KERNEL);
	if (!kd)
		return -ENOMEM;
	kd->test = test;
	kd->dev = dev;
	spin_lock_init(&kd->lock);
	INIT_LIST_HEAD(&kd->regions);
	set_dma_ops(dev, &kd->ops);
	return devm_add_action_or_reset(dev, kunit_dma_finish, kd);
}

/**
 * kunit_dma_device_register() - make a device that can do DMA
 * @test: The test.
 * @name: Name of the device.
 * @cfg: What to choose, NULL for the defaults.
 *
 * The device is cache coherent and can address all memory.  When the test
 * ends, or after kunit_device_unregister(), what is still allocated or mapped is
 * reported, with its kind and size, and fails the test.  So do unmapping,
 * freeing and syncing of what is not mapped.
 *
 * Context: Process context, may sleep.
 *
 * Return: the device, or an error pointer: -EBUSY if the test has a device of that
 * name already, or the architecture has DMA ops of its own; -EINVAL if the bus offset
 * is not a multiple of PAGE_SIZE or moves RAM out of the range of a dma_addr_t;
 * -EOPNOTSUPP for a bus offset on an architecture with its own phys_to_dma(), or if
 * the kernel was built without CONFIG_KUNIT_DMA; -EIO if a device that reaches all
 * memory is not supported; or -ENOMEM.
 */
struct device *kunit_dma_device_register(struct kunit *test, const char *name,
					 const struct kunit_dma_config *cfg)
{
	const u64 offset = cfg ? cfg->bus_offset : 0;
	struct device *dev;
	int ret;

	ret = kunit_dma_check_offset(offset);
	if (ret)
		return ERR_PTR(ret);
	dev = kunit_device_register(test, name);
	if (IS_ERR(dev))
		return dev;
	dev_set_dma_coherent(dev);
	ret = kunit_dma_start(test, dev);
	/* The driver core frees the map when the device goes. */
	if (!ret && offset)
		ret = dma_direct_set_offset(dev, 0, offset,
					    dma_direct_offset_size(offset));
	if (!ret)
		ret = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
	if (ret) {
		kunit_device_unregister(test, dev);
		return ERR_PTR(ret);
	}
	return dev;
}
EXPORT_SYMBOL_GPL(kunit_dma_device_register);

static void kunit_dma_copy(phys_addr_t phys, void *data, size_t size,
			   enum dma_data_direction dir)
{
	while (size) {
		struct page *page = phys_to_page(phys);
		size_t offset = offset_in_page(phys);
		size_t len = min(size, PAGE_SIZE - offset);

		if (dir == DMA_TO_DEVICE)
			memcpy_from_page(data, page, offset, len);
		else
			memcpy_to_page(page, offset, data, len);
		data += len;
		phys += len;
		size -= len;
	}
}

static int kunit_dma_access(struct device *dev, dma_addr_t dma_addr, void *data,
			    size_t size, enum dma_data_direction dir)
{
	struct kunit_dma *kd = to_kunit_dma(dev);
	struct kunit_dma_region *region;
	bool memory;

	/* What is in the list stays mapped: it is taken off it first. */
	scoped_guard(spinlock_irqsave, &kd->lock) {
		region = kunit_dma_find(kd, dma_addr, size, dir);
		memory = region && !(region->attrs & DMA_ATTR_MMIO);
		if (memory)
			kunit_dma_copy(dma_to_phys(dev, dma_addr), data, size,
				       dir);
	}
	if (memory)
		return 0;
	kunit_dma_fail(kd, "the device has no access to %zu bytes at %pad, %s\n",
		       size, &dma_addr, kunit_dma_directions[dir]);
	return -EFAULT;
}

/**
 * kunit_dma_read() - read memory as the device does
 * @dev: A device from kunit_dma_device_register().
 * @dma_addr: DMA address.
 * @data: Where the bytes go.
 * @size: How many, all of them in one buffer or mapping.
 *
 * Context: Any context in which a spinlock may be taken.
 *
 * Return: 0, or -EFAULT if the range is not mapped for reading by the device, or
 * is no memory (dma_map_resource()), which also fails the test.
 */
int kunit_dma_read(struct device *dev, dma_addr_t dma_addr, void *data,
		   size_t size)
{
	return kunit_dma_access(dev, dma_addr, data, size, DMA_TO_DEVICE);
}
EXPORT_SYMBOL_GPL(kunit_dma_read);

/**
 * kunit_dma_write() - write memory as the device does
 * @dev: A device from kunit_dma_device_register().
 * @dma_addr: DMA address.
 * @data: The bytes.
 * @size: How many, all of them in one buffer or mapping.
 *
 * Context: Any context in which a spinlock may be taken.
 *
 * Return: 0, or -EFAULT if the range is not mapped for writing by the device, or
 * is no memory (dma_map_resource()), which also fails the test.
 */
int kunit_dma_write(struct device *dev, dma_addr_t dma_addr, const void *data,
		    size_t size)
{
	return kunit_dma_access(dev, dma_addr, (void *)data, size,
				DMA_FROM_DEVICE);
}
EXPORT_SYMBOL_GPL(kunit_dma_write);

/**
 * kunit_dma_fail_nth() - make an operation fail
 * @dev: A device from kunit_dma_device_register().
 * @fault: The kind of operation.
 * @nth: 1 for the next one, 2 for the one after that, and so on; 0 for none.
 *
 * One of them fails, then they work again.
 *
 * Context: Any context.
 */
void kunit_dma_fail_nth(struct device *dev, enum kunit_dma_fault fault,
			unsigned int nth)
{
	atomic_set(&to_kunit_dma(dev)->fail[fault], nth);
}
EXPORT_SYMBOL_GPL(kunit_dma_fail_nth);
