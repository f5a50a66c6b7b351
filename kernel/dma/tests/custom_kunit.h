/* SPDX-License-Identifier: GPL-2.0 */
/*
 * KUnit tests of the custom DMA ops: what the suites share.
 */
#ifndef _KERNEL_DMA_TESTS_CUSTOM_KUNIT_H
#define _KERNEL_DMA_TESTS_CUSTOM_KUNIT_H

#include <kunit/test.h>
#include <linux/dma-custom-ops.h>
#include <linux/dma-map-ops.h>
#include <linux/pgtable.h>

struct custom_kunit_buffer {
	struct device	*dev;
	size_t		size;
	void		*cpu_addr;
	dma_addr_t	dma_addr;
	unsigned long	attrs;
};

/* A coherent device with 64-bit masks that nothing is attached to. */
struct device *custom_kunit_plain_device(struct kunit *test, const char *name);

/*
 * The same with the provider attached; detached when the test ends, or by
 * custom_kunit_detach().  Skips the test where the architecture cannot have it.
 */
struct device *custom_kunit_device(struct kunit *test,
				   const struct dma_custom_config *cfg);
void custom_kunit_detach(struct kunit *test, struct device *dev);

/* The same with a device of the caller's own. */
struct device *custom_kunit_attach(struct kunit *test, struct device *dev,
				   const struct dma_custom_config *cfg);

/* Some architectures have devices that are not cache coherent. */
#if defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_DEVICE) || \
	defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_CPU) || \
	defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_CPU_ALL)
#define CUSTOM_KUNIT_NONCOHERENT
#endif

/* The device must have no buffers when this changes. */
static inline void custom_kunit_set_coherent(struct device *dev, bool coherent)
{
#ifdef CUSTOM_KUNIT_NONCOHERENT
	dev_assign_dma_coherent(dev, coherent);
#endif
}

static inline struct device *
custom_kunit_noncoherent_device(struct kunit *test,
				const struct dma_custom_config *cfg)
{
	struct device *dev = custom_kunit_device(test, cfg);

	if (IS_ENABLED(CONFIG_ARCH_HAS_DMA_ALLOC) ||
	    IS_ENABLED(CONFIG_DMA_GLOBAL_POOL))
		kunit_skip(test, "the architecture allocates by itself");
	custom_kunit_set_coherent(dev, false);
	if (dev_is_dma_coherent(dev))
		kunit_skip(test, "all devices are coherent");
	return dev;
}

/* dma_alloc_attrs(); freed when the test ends or by custom_kunit_free(). */
struct custom_kunit_buffer *custom_kunit_alloc(struct kunit *test,
					       struct device *dev, size_t size);
struct custom_kunit_buffer *
custom_kunit_alloc_attrs(struct kunit *test, struct device *dev, size_t size,
			 gfp_t gfp, unsigned long attrs);
void custom_kunit_free(struct kunit *test, struct custom_kunit_buffer *buf);

/* The page frame that a device has at a DMA address. */
unsigned long custom_kunit_pfn(struct device *dev, dma_addr_t dma_addr);

/* The page that holds byte @offset of the buffer. */
struct page *custom_kunit_page(struct custom_kunit_buffer *buf, size_t offset);

/*
 * Leaves @size bytes of memory free until the test ends, but hardly any 32 pages side
 * by side.
 */
void custom_kunit_fragment(struct kunit *test, size_t size);

/*
 * A file of the kernel's own file system @fs, debugfs or sysfs; closed when the
 * test ends.  Opening it may give an error pointer.
 */
struct file *custom_kunit_open_file(struct kunit *test, const char *fs,
				    const char *path, int flags);
/* One read() of up to @size bytes; returns what that returns. */
ssize_t custom_kunit_read(struct kunit *test, struct file *file, size_t size);
/* All of the file's text. */
const char *custom_kunit_read_file(struct kunit *test, const char *fs,
				   const char *path);
/* One write() to the file; returns what that returns. */
ssize_t custom_kunit_write_file(struct kunit *test, const char *fs,
				const char *path, const char *text);

#ifdef CONFIG_MMU
/* The entry of a page middle directory, empty if there is none. */
pmd_t custom_kunit_pmd(struct mm_struct *mm, unsigned long addr);
#endif

/*
 * Expects that page table entries are there, none of which lets the CPU use its
 * caches.  Skips the rest of the test where it is not known what these look like.
 */
#ifdef CONFIG_ARM64
void custom_kunit_expect_uncached(struct kunit *test, struct mm_struct *mm,
				  unsigned long addr, size_t size);
#else
static inline void custom_kunit_expect_uncached(struct kunit *test,
						struct mm_struct *mm,
						unsigned long addr, size_t size)
{
	kunit_skip(test, "knows the page tables of arm64 only");
}
#endif

#endif /* _KERNEL_DMA_TESTS_CUSTOM_KUNIT_H */
