// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the custom DMA ops: devices and buffers for the suites.
 */
#include <kunit/device.h>
#include <linux/bitfield.h>
#include <linux/dma-direct.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/iommu.h>
#include <linux/iommu-dma.h>
#include <linux/mman.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/mount.h>
#include <linux/pci.h>
#include <linux/pgtable.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>
#include <linux/vmstat.h>

#include "custom_kunit.h"

#ifdef CONFIG_PCI
/* Such as one behind an IOMMU. */
static char *pci_device;
module_param_named(pci, pci_device, charp, 0444);
MODULE_PARM_DESC(pci, "name of a PCI device that the suites attach the provider to, instead of devices of their own");

#ifdef CONFIG_DMA_CMA
/* A test may give it another one. */
static struct cma *pci_cma_area;
#endif

static void custom_kunit_put_action(void *data)
{
	struct device *dev = data;

#ifdef CONFIG_DMA_CMA
	dev->cma_area = pci_cma_area;
#endif
	put_device(dev);
}

static struct device *custom_kunit_pci_device(struct kunit *test)
{
	struct device *dev = bus_find_device_by_name(&pci_bus_type, NULL,
						     pci_device);
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, dev);
#ifdef CONFIG_DMA_CMA
	pci_cma_area = dev->cma_area;
#endif
	ret = kunit_add_action_or_reset(test, custom_kunit_put_action, dev);
	KUNIT_ASSERT_EQ(test, 0, ret);
	return dev;
}
#endif

struct device *custom_kunit_plain_device(struct kunit *test, const char *name)
{
	struct device *dev = NULL;

#ifdef CONFIG_PCI
	if (pci_device && !strcmp(name, "attached"))
		dev = custom_kunit_pci_device(test);
#endif
	if (!dev)
		dev = kunit_device_register(test, name);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	if (get_dma_ops(dev))
		kunit_skip(test, "the architecture has DMA ops of its own");
	dev_set_dma_coherent(dev);
	KUNIT_ASSERT_EQ(test, 0,
			dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64)));
	return dev;
}

static void custom_kunit_detach_action(void *dev)
{
	dma_custom_detach(dev);
}

void custom_kunit_detach(struct kunit *test, struct device *dev)
{
	kunit_release_action(test, custom_kunit_detach_action, dev);
}

struct device *custom_kunit_attach(struct kunit *test, struct device *dev,
				   const struct dma_custom_config *cfg)
{
	int ret;

	if (cfg && cfg->bus_offset && IS_ENABLED(CONFIG_ARCH_HAS_PHYS_TO_DMA))
		kunit_skip(test, "the architecture translates DMA addresses");
	if (cfg && cfg->bus_offset && !IS_ENABLED(CONFIG_DMA_CUSTOM_OPS_TESTING))
		kunit_skip(test, "needs CONFIG_DMA_CUSTOM_OPS_TESTING");
	KUNIT_ASSERT_EQ(test, 0, dma_custom_attach(dev, cfg));
	ret = kunit_add_action_or_reset(test, custom_kunit_detach_action, dev);
	KUNIT_ASSERT_EQ(test, 0, ret);
	return dev;
}

struct device *custom_kunit_device(struct kunit *test,
				   const struct dma_custom_config *cfg)
{
	struct device *dev = custom_kunit_plain_device(test, "attached");

	return custom_kunit_attach(test, dev, cfg);
}

static void custom_kunit_free_action(void *data)
{
	struct custom_kunit_buffer *buf = data;

	dma_free_attrs(buf->dev, buf->size, buf->cpu_addr, buf->dma_addr,
		       buf->attrs);
}

struct custom_kunit_buffer *
custom_kunit_alloc_attrs(struct kunit *test, struct device *dev, size_t size,
			 gfp_t gfp, unsigned long attrs)
{
	struct custom_kunit_buffer *buf;
	int ret;

	buf = kunit_kzalloc(test, sizeof(*buf), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, buf);
	buf->dev = dev;
	buf->size = size;
	buf->attrs = attrs;
	buf->cpu_addr = dma_alloc_attrs(dev, size, &buf->dma_addr, gfp, attrs);
	KUNIT_ASSERT_NOT_NULL(test, buf->cpu_addr);
	ret = kunit_add_action_or_reset(test, custom_kunit_free_action, buf);
	KUNIT_ASSERT_EQ(test, 0, ret);
	return buf;
}

struct custom_kunit_buffer *custom_kunit_alloc(struct kunit *test,
					       struct device *dev, size_t size)
{
	return custom_kunit_alloc_attrs(test, dev, size, GFP_KERNEL, 0);
}

void custom_kunit_free(struct kunit *test, struct custom_kunit_buffer *buf)
{
	kunit_release_action(test, custom_kunit_free_action, buf);
}

unsigned long custom_kunit_pfn(struct device *dev, dma_addr_t dma_addr)
{
#ifdef CONFIG_DMA_CUSTOM_OPS_IOMMU
	if (use_dma_iommu(dev))
		return PHYS_PFN(iommu_iova_to_phys(iommu_get_dma_domain(dev),
						   dma_addr));
#endif
	return PHYS_PFN(dma_to_phys(dev, dma_addr));
}

/* Not from the kernel address, which need not be in the linear mapping. */
struct page *custom_kunit_page(struct custom_kunit_buffer *buf, size_t offset)
{
	return pfn_to_page(custom_kunit_pfn(buf->dev, buf->dma_addr + offset));
}

static unsigned long free_pages_now(void)
{
	return global_zone_page_state(NR_FREE_PAGES) -
	       global_zone_page_state(NR_FREE_CMA_PAGES);
}

static void free_pages_of(void *pages)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, (struct list_head *)pages, lru)
		__free_page(page);
}

/* All blocks of the order that there are, but for @spare bytes. */
static void take_blocks(struct list_head *pages, unsigned int order, size_t spare)
{
	struct page *page;
	unsigned int i;

	/* Also of what is kept back for emergencies, which large blocks are left in. */
	while (free_pages_now() > spare / PAGE_SIZE &&
	       (page = alloc_pages(GFP_NOWAIT | __GFP_NOWARN | __GFP_MEMALLOC,
				   order))) {
		split_page(page, order);
		for (i = 0; i < 1 << order; i++)
			list_add(&page[i].lru, pages);
	}
}

/* @size bytes stay free, in each 32 pages at most 31. */
void custom_kunit_fragment(struct kunit *test, size_t size)
{
	struct list_head *pages = kunit_kzalloc(test, sizeof(*pages), GFP_KERNEL);
	struct page *page, *next;
	unsigned int order;

	KUNIT_ASSERT_NOT_NULL(test, pages);
	INIT_LIST_HEAD(pages);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, free_pages_of, pages));
	for (order = MAX_PAGE_ORDER; order >= 5; order--)
		take_blocks(pages, order, SZ_4M);
	list_for_each_entry_safe(page, next, pages, lru) {
		if (IS_ALIGNED(page_to_pfn(page), 32))
			continue;
		if (free_pages_now() > size / PAGE_SIZE)
			break;
		list_del(&page->lru);
		__free_page(page);
	}
	/* What was left to others meanwhile. */
	for (order = MAX_PAGE_ORDER; order > 5; order--)
		take_blocks(pages, order, 0);
}

/* At once, so that nobody holds a file that goes with the device. */
KUNIT_DEFINE_ACTION_WRAPPER(custom_kunit_close_action, __fput_sync,
			    struct file *);
KUNIT_DEFINE_ACTION_WRAPPER(custom_kunit_unmount_action, kern_unmount,
			    struct vfsmount *);

struct file *custom_kunit_open_file(struct kunit *test, const char *fs,
				    const char *path, int flags)
{
	struct file_system_type *type = get_fs_type(fs);
	struct vfsmount *mnt;
	struct file *file;
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, type);
	mnt = kern_mount(type);
	put_filesystem(type);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, mnt);
	ret = kunit_add_action_or_reset(test, custom_kunit_unmount_action, mnt);
	KUNIT_ASSERT_EQ(test, 0, ret);

	file = file_open_root_mnt(mnt, path, flags, 0);
	if (IS_ERR(file))
		return file;
	ret = kunit_add_action_or_reset(test, custom_kunit_close_action, file);
	KUNIT_ASSERT_EQ(test, 0, ret);
	return file;
}

/* Files of debugfs can be read by user space only, so be that. */
static char __user *custom_kunit_user_page(struct kunit *test)
{
	unsigned long addr;

	KUNIT_ASSERT_EQ(test, 0, kunit_attach_mm());
	addr = kunit_vm_mmap(test, NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
			     MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_NE(test, 0, addr);
	return (char __user *)addr;
}

ssize_t custom_kunit_read(struct kunit *test, struct file *file, size_t size)
{
	return vfs_read(file, custom_kunit_user_page(test), size,
			&file->f_pos);
}

const char *custom_kunit_read_file(struct kunit *test, const char *fs,
				   const char *path)
{
	struct file *file = custom_kunit_open_file(test, fs, path, O_RDONLY);
	char __user *page = custom_kunit_user_page(test);
	const size_t max = 16 * PAGE_SIZE;
	size_t len = 0;
	ssize_t ret;
	char *text;

	KUNIT_ASSERT_NOT_ERR_OR_NULL_MSG(test, file, "%s", path);
	text = kunit_kzalloc(test, max, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, text);
	while ((ret = vfs_read(file, page, PAGE_SIZE, &file->f_pos)) > 0) {
		KUNIT_ASSERT_LT(test, len + ret, max);
		KUNIT_ASSERT_EQ(test, 0,
				copy_from_user(text + len, page, ret));
		len += ret;
	}
	KUNIT_ASSERT_EQ(test, 0, ret);
	kunit_release_action(test, custom_kunit_close_action, file);
	return text;
}

ssize_t custom_kunit_write_file(struct kunit *test, const char *fs,
				const char *path, const char *text)
{
	struct file *file = custom_kunit_open_file(test, fs, path, O_WRONLY);
	char __user *page = custom_kunit_user_page(test);
	size_t len = strlen(text);
	ssize_t ret;

	KUNIT_ASSERT_NOT_ERR_OR_NULL_MSG(test, file, "%s", path);
	KUNIT_ASSERT_LE(test, len, PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, 0, copy_to_user(page, text, len));
	ret = vfs_write(file, page, len, &file->f_pos);
	kunit_release_action(test, custom_kunit_close_action, file);
	return ret;
}

#ifdef CONFIG_MMU
pmd_t custom_kunit_pmd(struct mm_struct *mm, unsigned long addr)
{
	pmd_t none = __pmd(0);
	pgd_t *pgd;
	p4d_t *p4d;
	pud_t *pud;

	guard(mmap_read_lock)(mm);
	pgd = pgd_offset(mm, addr);
	if (pgd_none(*pgd))
		return none;
	p4d = p4d_offset(pgd, addr);
	if (p4d_none(*p4d))
		return none;
	pud = pud_offset(p4d, addr);
	if (pud_none(*pud) || pud_leaf(*pud))
		return none;
	return *pmd_offset(pud, addr);
}
#endif /* CONFIG_MMU */

#ifdef CONFIG_ARM64
static int custom_kunit_memory_type(pte_t *pte, unsigned long addr, void *types)
{
	*(u64 *)types |= BIT_ULL(FIELD_GET(PTE_ATTRINDX_MASK,
					   pte_val(ptep_get(pte))));
	return 0;
}

void custom_kunit_expect_uncached(struct kunit *test, struct mm_struct *mm,
				  unsigned long addr, size_t size)
{
	unsigned long end = addr + size, next;
	u64 types = 0;

	for (; addr < end; addr = next) {
		pmd_t pmd = custom_kunit_pmd(mm, addr);
		int ret = 0;

		next = pmd_addr_end(addr, end);
		if (pmd_leaf(pmd))
			types |= BIT_ULL(FIELD_GET(PTE_ATTRINDX_MASK,
						   pmd_val(pmd)));
		else
			ret = apply_to_existing_page_range(mm, addr,
							   next - addr,
							   custom_kunit_memory_type,
							   &types);
		KUNIT_EXPECT_EQ(test, 0, ret);
	}
	KUNIT_EXPECT_EQ(test, BIT_ULL(MT_NORMAL_NC), types);
}
#endif /* CONFIG_ARM64 */
