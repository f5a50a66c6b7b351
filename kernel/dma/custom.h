/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Custom DMA ops: what the provider's files share.
 */
#ifndef _KERNEL_DMA_CUSTOM_H
#define _KERNEL_DMA_CUSTOM_H

#include <linux/dma-custom-ops.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/fault-inject.h>
#include <linux/kref.h>
#include <linux/rbtree.h>
#include <linux/spinlock.h>

struct dentry;

/* Operations that can be made to fail on purpose. */
enum dma_custom_fault {
	DMA_CUSTOM_FAULT_ALLOC,		/* dma_alloc_attrs(), dma_alloc_pages() */
	DMA_CUSTOM_FAULT_MAP,		/* dma_map_phys() and what is made of it */
	DMA_CUSTOM_FAULT_MAP_SG,	/* dma_map_sgtable(), dma_map_sg() */
	DMA_CUSTOM_NR_FAULTS,
};

/**
 * struct dma_custom - state of the provider for one device
 * @ops: What the device's dma_ops points to.
 * @dev: The device.  Some buses copy the dma_ops of a parent device.
 * @mmap: How buffers are mapped into user space.
 * @range_map: The translation that attach gave the device, NULL if none.
 * @lock: Protects @buffers.
 * @buffers: Live buffers by DMA address.
 * @by_name: Attached by name.
 * @stayed: Still there, as the last driver left buffers.
 * @faults: When an operation is made to fail.
 * @debugfs: The device's directory.
 */
struct dma_custom {
	const struct dma_map_ops	ops;
	struct device			*dev;
	enum dma_custom_mmap		mmap;
	const struct bus_dma_region	*range_map;
	spinlock_t			lock; /* of the buffers */
	struct rb_root			buffers;
	bool				by_name;
	bool				stayed;
#ifdef CONFIG_DMA_CUSTOM_OPS_FAULTS
	struct fault_attr		faults[DMA_CUSTOM_NR_FAULTS];
#endif
#ifdef CONFIG_DMA_CUSTOM_OPS_DEBUGFS
	struct dentry			*debugfs;
#endif
};

/* Where the pages of a buffer are from. */
enum dma_custom_source {
	DMA_CUSTOM_SOURCE_DIRECT,	/* dma-direct or dma-iommu, whose they are */
	DMA_CUSTOM_SOURCE_CMA,		/* a CMA area */
	DMA_CUSTOM_SOURCE_BLOCK,	/* a block of the page allocator */
	DMA_CUSTOM_SOURCE_RANGE,	/* alloc_contig_pages_within() */
	DMA_CUSTOM_SOURCE_PIECES,	/* blocks that an IOMMU puts together */
};

/* Contiguous pages of a buffer, which end @end bytes from its start. */
struct dma_custom_piece {
	struct page	*page;
	size_t		end;
};

/**
 * struct dma_custom_buffer - one buffer
 * @node: In &dma_custom.buffers.
 * @ref: One for the driver, until it frees the buffer, and one for whoever is looking
 *	at it.
 * @leaked: The driver never freed it, so the pages are not to be reused.
 * @dma_addr: DMA address of the first byte.
 * @size: Bytes held, a multiple of PAGE_SIZE.
 * @cpu_addr: What dma_alloc_attrs() or dma_alloc_pages() returned.
 * @page: First of the pages.  Each folio of PMD_SIZE, and each page that is in
 *	none, has its own reference.  NULL if dma-direct or dma-iommu allocated the
 *	buffer.
 * @pieces: What the pages consist of, NULL if they are all contiguous.
 * @nr_pieces: How many.
 * @iova: Where an IOMMU has it.
 * @iommu: Whether its device was behind an IOMMU when it was allocated.
 * @cma: The CMA area that the pages are from, NULL if from none.
 * @source: Where the pages are from.
 * @mapped: How often it was mapped into user space.
 */
struct dma_custom_buffer {
	struct rb_node		node;
	struct kref		ref;
	bool			leaked;
	dma_addr_t		dma_addr;
	size_t			size;
	void			*cpu_addr;
	struct page		*page;
	struct dma_custom_piece	*pieces;
	unsigned int		nr_pieces;
	struct dma_iova_state	iova;
	bool			iommu;
	struct cma		*cma;
	enum dma_custom_source	source;
	atomic_t		mapped;
};

/* custom-ops.c */
void dma_custom_devm_detach(void *data);

/* custom-debugfs.c */
#ifdef CONFIG_DMA_CUSTOM_OPS_DEBUGFS
void dma_custom_debugfs_add(struct dma_custom *dc);
void dma_custom_debugfs_remove(struct dma_custom *dc);
#else
static inline void dma_custom_debugfs_add(struct dma_custom *dc)
{
}

static inline void dma_custom_debugfs_remove(struct dma_custom *dc)
{
}
#endif

/* custom-fault.c */
#ifdef CONFIG_DMA_CUSTOM_OPS_FAULTS
void dma_custom_faults_init(struct dma_custom *dc);
void dma_custom_faults_debugfs_add(struct dma_custom *dc, struct dentry *dir);

bool dma_custom_should_fail(struct device *dev, enum dma_custom_fault fault,
			    size_t size, bool nowarn);
bool dma_custom_should_fail_sg(struct device *dev, struct scatterlist *sgl,
			       int nents, bool nowarn);
#else
static inline void dma_custom_faults_init(struct dma_custom *dc)
{
}

static inline void dma_custom_faults_debugfs_add(struct dma_custom *dc,
						 struct dentry *dir)
{
}

static inline bool dma_custom_should_fail(struct device *dev,
					  enum dma_custom_fault fault,
					  size_t size, bool nowarn)
{
	return false;
}

static inline bool dma_custom_should_fail_sg(struct device *dev,
					     struct scatterlist *sgl, int nents,
					     bool nowarn)
{
	return false;
}
#endif

/* custom-bind.c */
#ifdef CONFIG_DMA_CUSTOM_OPS_TESTING
bool dma_custom_stay(struct dma_custom *dc);
#else
static inline bool dma_custom_stay(struct dma_custom *dc)
{
	return false;
}
#endif

/* custom-pages.c */
bool dma_custom_pages_alloc(struct device *dev, struct dma_custom_buffer *buf,
			    gfp_t gfp, bool contiguous);
void dma_custom_pages_free(struct dma_custom_buffer *buf);
struct page *dma_custom_pages_at(const struct dma_custom_buffer *buf,
				 size_t off, size_t *size);

/* custom-iommu.c */
#ifdef CONFIG_DMA_CUSTOM_OPS_IOMMU
bool dma_custom_iommu_map(struct device *dev, struct dma_custom_buffer *buf,
			  enum dma_data_direction dir, gfp_t gfp,
			  unsigned long attrs);
void dma_custom_iommu_unmap(struct device *dev, struct dma_custom_buffer *buf,
			    enum dma_data_direction dir);
#else
static inline bool dma_custom_iommu_map(struct device *dev,
					struct dma_custom_buffer *buf,
					enum dma_data_direction dir, gfp_t gfp,
					unsigned long attrs)
{
	return false;
}

static inline void dma_custom_iommu_unmap(struct device *dev,
					  struct dma_custom_buffer *buf,
					  enum dma_data_direction dir)
{
}
#endif

/* custom-buffer.c */
void dma_custom_buffers_init(struct dma_custom *dc);
bool dma_custom_has_buffers(struct dma_custom *dc);
unsigned long dma_custom_buffers_leak(struct dma_custom *dc);
struct dma_custom_buffer *dma_custom_buffer_find(struct device *dev,
						 dma_addr_t dma_addr);
struct dma_custom_buffer *dma_custom_buffer_find_addr(struct device *dev,
						      void *cpu_addr,
						      dma_addr_t dma_addr);
struct dma_custom_buffer *dma_custom_buffer_find_page(struct device *dev,
						      struct page *page,
						      size_t *off);
void dma_custom_buffer_put(struct dma_custom_buffer *buf);
struct dma_custom_buffer *dma_custom_buffer_create(struct device *dev,
						   size_t size, gfp_t gfp);
bool dma_custom_buffer_add(struct dma_custom *dc, struct dma_custom_buffer *buf);
struct dma_custom_buffer *dma_custom_buffer_remove(struct dma_custom *dc,
						   size_t size, void *cpu_addr,
						   dma_addr_t dma_addr);

/* Are @size bytes at @dma_addr, which is in the buffer, all in it? */
static inline bool dma_custom_buffer_has(const struct dma_custom_buffer *buf,
					 dma_addr_t dma_addr, size_t size)
{
	return size <= buf->size - (dma_addr - buf->dma_addr);
}

/* custom-alloc.c */
void *dma_custom_alloc(struct device *dev, size_t size, dma_addr_t *dma_addr,
		       gfp_t gfp, unsigned long attrs);

/*
 * The state of a device, NULL if the provider is not attached to it.  Some buses copy
 * a parent's dma_ops: such a device is dma-direct's, while the parent is attached.
 */
static inline struct dma_custom *dma_custom_of(struct device *dev)
{
	const struct dma_map_ops *ops = get_dma_ops(dev);
	struct dma_custom *dc;

	if (!ops || ops->alloc != dma_custom_alloc)
		return NULL;
	dc = container_of(ops, struct dma_custom, ops);
	return dc->dev == dev ? dc : NULL;
}

bool dma_custom_use_direct_pages(struct device *dev);
gfp_t dma_custom_quiet(size_t size, gfp_t gfp);
void dma_custom_report(struct device *dev, size_t size, gfp_t gfp, bool direct);
bool dma_custom_device_map(struct device *dev, struct dma_custom_buffer *buf,
			   enum dma_data_direction dir, gfp_t gfp,
			   unsigned long attrs);
void dma_custom_free(struct device *dev, size_t size, void *cpu_addr,
		     dma_addr_t dma_addr, unsigned long attrs);

/* custom-cached.c */
struct page *dma_custom_alloc_pages(struct device *dev, size_t size,
				    dma_addr_t *dma_addr,
				    enum dma_data_direction dir, gfp_t gfp);
void dma_custom_free_pages(struct device *dev, size_t size, struct page *page,
			   dma_addr_t dma_addr, enum dma_data_direction dir);
struct sg_table *dma_custom_alloc_noncontiguous(struct device *dev, size_t size,
						enum dma_data_direction dir,
						gfp_t gfp, unsigned long attrs);
void dma_custom_free_noncontiguous(struct device *dev, size_t size,
				   struct sg_table *sgt,
				   enum dma_data_direction dir);

/* custom-sgtable.c */
int dma_custom_fill_sgtable(struct sg_table *sgt,
			    const struct dma_custom_buffer *buf, size_t off,
			    size_t size, size_t max, gfp_t gfp);
int dma_custom_get_sgtable(struct device *dev, struct sg_table *sgt,
			   void *cpu_addr, dma_addr_t dma_addr, size_t size,
			   unsigned long attrs);

/* custom-mmap.c */
enum dma_custom_mmap dma_custom_mmap_mode(const struct dma_custom *dc,
					  const struct dma_custom_buffer *buf);
int dma_custom_mmap(struct device *dev, struct vm_area_struct *vma,
		    void *cpu_addr, dma_addr_t dma_addr, size_t size,
		    unsigned long attrs);
int dma_custom_mmap_page_buffer(struct device *dev, struct vm_area_struct *vma,
				size_t size, struct page *page);

/* custom-streaming.c */
dma_addr_t dma_custom_map_phys(struct device *dev, phys_addr_t phys,
			       size_t size, enum dma_data_direction dir,
			       unsigned long attrs);
void dma_custom_unmap_phys(struct device *dev, dma_addr_t dma_addr, size_t size,
			   enum dma_data_direction dir, unsigned long attrs);
int dma_custom_map_sg(struct device *dev, struct scatterlist *sgl, int nents,
		      enum dma_data_direction dir, unsigned long attrs);
void dma_custom_sync_single_for_cpu(struct device *dev, dma_addr_t dma_addr,
				    size_t size, enum dma_data_direction dir);

#endif /* _KERNEL_DMA_CUSTOM_H */
