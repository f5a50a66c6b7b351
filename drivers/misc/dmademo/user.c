// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA demo device: user memory, pinned and mapped for one transfer.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "dmademo.h"

/**
 * struct dmademo_user - user memory that the device may access
 * @dd: The device.
 * @owner: Whose RLIMIT_MEMLOCK counts it.
 * @nr: Number of @pages.
 * @pages: The pages, pinned.
 * @sgt: The same, mapped for the device.
 * @dir: In which direction.
 * @mem: What the engine may access.
 */
struct dmademo_user {
	struct dmademo		*dd;
	struct user_struct	*owner;
	unsigned long		nr;
	struct page		**pages;
	struct sg_table		sgt;
	enum dma_data_direction	dir;
	struct dmademo_memory	mem;
};

/* No lock, as the interrupt thread must not wait for a process. */
static int dmademo_user_charge(struct dmademo_user *user)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	long locked;

	user->owner = get_uid(current_user());
	locked = atomic_long_add_return(user->nr, &user->owner->locked_vm);
	if (locked <= limit || capable(CAP_IPC_LOCK))
		return 0;
	atomic_long_sub(user->nr, &user->owner->locked_vm);
	free_uid(user->owner);
	return -ENOMEM;
}

static void dmademo_user_uncharge(struct dmademo_user *user)
{
	atomic_long_sub(user->nr, &user->owner->locked_vm);
	free_uid(user->owner);
}

/* The device may have the pages for long, whatever the file systems think. */
static int dmademo_user_pin(struct dmademo_user *user, unsigned long addr)
{
	unsigned int flags = FOLL_LONGTERM;
	unsigned long pinned = 0;
	int ret;

	if (user->dir != DMA_TO_DEVICE)
		flags |= FOLL_WRITE;
	while (pinned < user->nr) {
		ret = pin_user_pages_fast(addr + pinned * PAGE_SIZE,
					  user->nr - pinned, flags,
					  user->pages + pinned);
		if (ret <= 0) {
			unpin_user_pages(user->pages, pinned);
			return ret ?: -EFAULT;
		}
		pinned += ret;
	}
	return 0;
}

static int dmademo_user_map_pages(struct dmademo_user *user,
				  unsigned long offset, size_t length)
{
	struct device *dev = user->dd->dev;
	/* One bounce buffer cannot hold more. */
	size_t segment = min_t(size_t, dma_get_max_seg_size(dev),
			       dma_max_mapping_size(dev));
	int ret;

	ret = sg_alloc_table_from_pages_segment(&user->sgt, user->pages,
						user->nr, offset, length,
						max(segment, PAGE_SIZE),
						GFP_KERNEL);
	if (ret)
		return ret;
	ret = dma_map_sgtable(dev, &user->sgt, user->dir, 0);
	if (ret)
		goto out_free;
	ret = dmademo_memory_of_sgt(&user->mem, &user->sgt);
	if (ret)
		goto out_unmap;
	dmademo_engine_grant(&user->dd->engine, &user->mem);
	return 0;

out_unmap:
	dma_unmap_sgtable(dev, &user->sgt, user->dir, 0);
out_free:
	sg_free_table(&user->sgt);
	return ret == -EIO ? -ENOMEM : ret;
}

/**
 * dmademo_user_map - let the device access user memory of the calling process
 * @dd: the device, entered
 * @addr: first byte
 * @length: bytes, 1 to DMADEMO_MAX_BYTES; must not wrap
 * @dir: DMA_TO_DEVICE or DMA_FROM_DEVICE
 *
 * Context: Process context, without locks.
 *
 * Return: what to give to dmademo_user_unmap(), or an error: -EFAULT if there is
 * no such memory, or it may not be written; -EOPNOTSUPP and others as
 * pin_user_pages_fast() for memory that cannot be pinned; -ENOMEM; -EINTR.
 */
struct dmademo_user *dmademo_user_map(struct dmademo *dd, unsigned long addr,
				      size_t length,
				      enum dma_data_direction dir)
{
	unsigned long offset = offset_in_page(addr);
	struct dmademo_user *user;
	int ret;

	if (!access_ok((const void __user *)addr, length))
		return ERR_PTR(-EFAULT);
	user = kzalloc_obj(*user, GFP_KERNEL_ACCOUNT);
	if (!user)
		return ERR_PTR(-ENOMEM);
	user->dd = dd;
	user->dir = dir;
	user->nr = PFN_UP(offset + length);
	user->pages = kvmalloc_array(user->nr, sizeof(*user->pages),
				     GFP_KERNEL_ACCOUNT);
	if (!user->pages) {
		ret = -ENOMEM;
		goto out_free;
	}
	ret = dmademo_user_charge(user);
	if (ret)
		goto out_free_pages;
	ret = dmademo_user_pin(user, addr - offset);
	if (ret)
		goto out_uncharge;
	ret = dmademo_user_map_pages(user, offset, length);
	if (ret)
		goto out_unpin;
	return user;

out_unpin:
	unpin_user_pages(user->pages, user->nr);
out_uncharge:
	dmademo_user_uncharge(user);
out_free_pages:
	kvfree(user->pages);
out_free:
	kfree(user);
	return ERR_PTR(ret);
}

const struct dmademo_memory *dmademo_user_memory(struct dmademo_user *user)
{
	return &user->mem;
}

/**
 * dmademo_user_unmap - end the device's access to user memory
 * @user: from dmademo_user_map(); the device has no transfer to it under way
 * @written: the device may have written to it
 *
 * Context: Process context, any process's.
 */
void dmademo_user_unmap(struct dmademo_user *user, bool written)
{
	dmademo_engine_revoke(&user->dd->engine, &user->mem);
	kvfree(user->mem.regions);
	dma_unmap_sgtable(user->dd->dev, &user->sgt, user->dir, 0);
	sg_free_table(&user->sgt);
	unpin_user_pages_dirty_lock(user->pages, user->nr, written);
	dmademo_user_uncharge(user);
	kvfree(user->pages);
	kfree(user);
}
