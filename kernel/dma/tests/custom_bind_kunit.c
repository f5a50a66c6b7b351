// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the custom DMA ops: attaching by name when a driver is bound.
 * The names are written to sysfs, and real platform devices and drivers bound.
 */
#include <kunit/platform_device.h>
#include <linux/mm.h>
#include <linux/platform_device.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "custom_kunit.h"

#define PARAM	"module/dma_custom/parameters/attach"
#define DRIVER	"custom-bind-driver"
#define DEVICE	"custom-bind-device"

/* What the driver's probe does, and has seen. */
static struct {
	int (*probe)(struct device *dev);
	unsigned int probed;
	bool attached;
	int result;
} driver;

static int bind_probe(struct platform_device *pdev)
{
	driver.probed++;
	driver.attached = dma_custom_attached(&pdev->dev);
	if (driver.probe)
		driver.result = driver.probe(&pdev->dev);
	return driver.result;
}

/* The device's name is not the driver's. */
static const struct platform_device_id bind_ids[] = {
	{ DEVICE },
	{}
};

static struct platform_driver bind_driver = {
	.driver		= {
		.name			= DRIVER,
		.suppress_bind_attrs	= true,
	},
	.id_table	= bind_ids,
	.probe		= bind_probe,
};

static void list(struct kunit *test, const char *names)
{
	KUNIT_ASSERT_EQ(test, strlen(names),
			custom_kunit_write_file(test, "sysfs", PARAM, names));
}

static struct device *add_device(struct kunit *test)
{
	struct platform_device *pdev;

	pdev = kunit_platform_device_alloc(test, DEVICE, 7);
	KUNIT_ASSERT_NOT_NULL(test, pdev);
	KUNIT_ASSERT_EQ(test, 0, kunit_platform_device_add(test, pdev));
	return &pdev->dev;
}

static void bind(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, 0,
			kunit_platform_driver_register(test, &bind_driver));
	KUNIT_ASSERT_EQ(test, 1, driver.probed);
}

/* A device whose driver is listed, and calls @probe. */
static struct device *bind_listed(struct kunit *test,
				  int (*probe)(struct device *dev))
{
	struct device *dev;

	list(test, DRIVER);
	driver.probe = probe;
	dev = add_device(test);
	bind(test);
	return dev;
}

struct names_case {
	const char *name;
	const char *names;
	bool attached;
};

static const struct names_case names_cases[] = {
	{ "device", DEVICE ".7", true },
	{ "device, wildcard", "*-device.?", true },
	{ "device, class", DEVICE ".[0-9]", true },
	{ "driver", DRIVER, true },
	{ "driver, wildcard", "custom-bind-dr*", true },
	{ "either", "custom-bind-*", true },
	{ "second of two", "nvme," DRIVER, true },
	{ "first of two", DRIVER ",nvme", true },
	{ "between empty ones", ",," DRIVER ",", true },
	{ "with a newline", DRIVER "\n", true },
	{ "newline only", "\n", false },
	{ "commas only", ",,,\n", false },
	{ "another device", DEVICE ".8", false },
	{ "start of a name", "custom-bind", false },
	{ "end of a name", "driver", false },
	{ "with a blank", DRIVER " ", false },
};

KUNIT_ARRAY_PARAM_DESC(names, names_cases, name);

static void listed_device_is_attached(struct kunit *test)
{
	const struct names_case *names = test->param_value;

	list(test, names->names);
	add_device(test);
	bind(test);
	KUNIT_EXPECT_EQ(test, names->attached, driver.attached);
}

static void list_can_be_read(struct kunit *test)
{
	list(test, "a,b*\n");
	KUNIT_EXPECT_STREQ(test, "a,b*\n",
			   custom_kunit_read_file(test, "sysfs", PARAM));
}

static void list_that_is_too_long_is_refused(struct kunit *test)
{
	char *names = kunit_kzalloc(test, 513, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, names);
	memset(names, 'x', 512);
	list(test, "before");
	KUNIT_EXPECT_EQ(test, -ENOSPC,
			custom_kunit_write_file(test, "sysfs", PARAM, names));
	KUNIT_EXPECT_STREQ(test, "before\n",
			   custom_kunit_read_file(test, "sysfs", PARAM));
	names[511] = 0;
	list(test, names);
}

static void provider_goes_with_the_driver(struct kunit *test)
{
	struct device *dev = bind_listed(test, NULL);

	KUNIT_EXPECT_TRUE(test, dma_custom_attached(dev));

	device_release_driver(dev);
	KUNIT_EXPECT_FALSE(test, dma_custom_attached(dev));
	KUNIT_EXPECT_NULL(test, get_dma_ops(dev));

	/* Later changes are for later binds. */
	list(test, "nothing");
	KUNIT_EXPECT_EQ(test, 0, device_attach(dev) < 0);
	KUNIT_EXPECT_EQ(test, 2, driver.probed);
	KUNIT_EXPECT_FALSE(test, driver.attached);
	list(test, DRIVER);
	KUNIT_EXPECT_FALSE(test, dma_custom_attached(dev));
}

static int alloc_and_fail(struct device *dev)
{
	dma_addr_t dma_addr;

	if (!dmam_alloc_attrs(dev, PAGE_SIZE, &dma_addr, GFP_KERNEL, 0))
		return -ENOMEM;
	return -ENODEV;
}

/* Managed buffers are freed before, so that detach has none to complain of. */
static void provider_goes_when_probe_fails(struct kunit *test)
{
	struct device *dev = bind_listed(test, alloc_and_fail);

	KUNIT_EXPECT_TRUE(test, driver.attached);
	KUNIT_EXPECT_EQ(test, -ENODEV, driver.result);
	KUNIT_EXPECT_NULL(test, get_dma_ops(dev));
}

/* Freed when the last user is gone, as video buffers are. */
static struct custom_kunit_buffer late = { .size = 3 * PAGE_SIZE };

static int alloc_and_leave(struct device *dev)
{
	late.cpu_addr = dma_alloc_attrs(dev, late.size, &late.dma_addr,
					GFP_KERNEL, 0);
	return late.cpu_addr ? 0 : -ENOMEM;
}

static void provider_stays_until_buffers_are_freed(struct kunit *test)
{
	struct device *dev = bind_listed(test, alloc_and_leave);
	struct page *page;

	KUNIT_ASSERT_EQ(test, 0, driver.result);
	late.dev = dev;
	page = custom_kunit_page(&late, 0);
	get_page(page);

	device_release_driver(dev);
	KUNIT_EXPECT_TRUE(test, dma_custom_attached(dev));

	/* Also under the next driver, whether it is listed or not. */
	list(test, "nothing");
	driver.probe = NULL;
	KUNIT_EXPECT_EQ(test, 1, device_attach(dev));
	KUNIT_EXPECT_TRUE(test, driver.attached);
	device_release_driver(dev);
	KUNIT_EXPECT_TRUE(test, dma_custom_attached(dev));

	dma_free_attrs(dev, late.size, late.cpu_addr, late.dma_addr, 0);
	KUNIT_EXPECT_EQ(test, 1, page_count(page));
	put_page(page);

	KUNIT_EXPECT_EQ(test, 1, device_attach(dev));
	KUNIT_EXPECT_FALSE(test, driver.attached);
}

/* Whoever frees the last buffer has the last reference to the device. */
static struct {
	void (*release)(struct device *dev);
	bool attached;
} removed;

static void release_removed(struct device *dev)
{
	removed.attached = get_dma_ops(dev);
	removed.release(dev);
}

static void provider_goes_with_the_last_reference(struct kunit *test)
{
	struct device *dev;
	struct page *page;

	if (IS_ENABLED(CONFIG_DEBUG_KOBJECT_RELEASE))
		kunit_skip(test, "devices are released later");
	dev = bind_listed(test, alloc_and_leave);
	KUNIT_ASSERT_EQ(test, 0, driver.result);
	late.dev = dev;
	page = custom_kunit_page(&late, 0);
	removed.release = dev->release;
	removed.attached = true;
	dev->release = release_removed;

	get_device(dev);
	kunit_platform_device_unregister(test, to_platform_device(dev));
	KUNIT_EXPECT_TRUE(test, dma_custom_attached(dev));
	get_page(page);
	dma_free_attrs(dev, late.size, late.cpu_addr, late.dma_addr, 0);
	KUNIT_EXPECT_EQ(test, 1, page_count(page));
	put_page(page);
	put_device(dev);
	KUNIT_EXPECT_FALSE(test, removed.attached);
}

static int attach_and_leave(struct device *dev)
{
	int ret = dma_custom_attach(dev, NULL);

	return ret ?: alloc_and_leave(dev);
}

/* The architecture takes away at unbind what it has set up, not what others have. */
static void unbind_leaves_what_a_driver_has_attached(struct kunit *test)
{
	struct device *dev;

	if (!IS_ENABLED(CONFIG_ARCH_HAS_TEARDOWN_DMA_OPS))
		kunit_skip(test, "the architecture takes nothing away");
	list(test, "nothing");
	driver.probe = attach_and_leave;
	dev = add_device(test);
	/* As for a device of the device tree. */
	arch_setup_dma_ops(dev, true);
	if (get_dma_ops(dev))
		kunit_skip(test, "the architecture has DMA ops of its own");
	bind(test);
	KUNIT_ASSERT_EQ(test, 0, driver.result);
	device_release_driver(dev);
	KUNIT_EXPECT_TRUE(test, dma_custom_attached(dev));
	dma_free_attrs(dev, late.size, late.cpu_addr, late.dma_addr, 0);
	dma_custom_detach(dev);
	KUNIT_EXPECT_NULL(test, get_dma_ops(dev));
}

static int attach_itself(struct device *dev)
{
	return devm_dma_custom_attach(dev, NULL);
}

static void driver_that_attaches_is_told(struct kunit *test)
{
	bind_listed(test, attach_itself);
	KUNIT_EXPECT_EQ(test, -EBUSY, driver.result);
}

static int detach_itself(struct device *dev)
{
	dma_custom_detach(dev);
	return 0;
}

static void driver_that_detaches_is_served(struct kunit *test)
{
	struct device *dev = bind_listed(test, detach_itself);

	device_release_driver(dev);
	KUNIT_EXPECT_NULL(test, get_dma_ops(dev));
}

static void device_with_ops_is_left_alone(struct kunit *test)
{
	struct device *dev;

	list(test, DRIVER);
	dev = add_device(test);
	set_dma_ops(dev, &dma_dummy_ops);
	bind(test);
	KUNIT_EXPECT_FALSE(test, driver.attached);
	KUNIT_EXPECT_PTR_EQ(test, &dma_dummy_ops, get_dma_ops(dev));
	set_dma_ops(dev, NULL);
}

static int custom_bind_init(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_SYSFS) || !IS_ENABLED(CONFIG_MMU))
		kunit_skip(test, "needs CONFIG_SYSFS and CONFIG_MMU");
	memset(&driver, 0, sizeof(driver));
	/* What the command line may have said. */
	test->priv = (void *)custom_kunit_read_file(test, "sysfs", PARAM);
	return 0;
}

static void custom_bind_exit(struct kunit *test)
{
	if (test->priv)
		custom_kunit_write_file(test, "sysfs", PARAM, test->priv);
}

static struct kunit_case custom_bind_cases[] = {
	KUNIT_CASE_PARAM(listed_device_is_attached, names_gen_params),
	KUNIT_CASE(list_can_be_read),
	KUNIT_CASE(list_that_is_too_long_is_refused),
	KUNIT_CASE(provider_goes_with_the_driver),
	KUNIT_CASE(provider_goes_when_probe_fails),
	KUNIT_CASE(provider_stays_until_buffers_are_freed),
	KUNIT_CASE(provider_goes_with_the_last_reference),
	KUNIT_CASE(unbind_leaves_what_a_driver_has_attached),
	KUNIT_CASE(driver_that_attaches_is_told),
	KUNIT_CASE(driver_that_detaches_is_served),
	KUNIT_CASE(device_with_ops_is_left_alone),
	{}
};

static struct kunit_suite custom_bind_suite = {
	.name = "dma_custom_bind",
	.init = custom_bind_init,
	.exit = custom_bind_exit,
	.test_cases = custom_bind_cases,
};

kunit_test_suite(custom_bind_suite);
