// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA demo device: user memory, pinned and mapped for one transfer.
 */
#include <linux/capability.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "dmademo.h"

/**
 * struct dmademo_user - user memory that the device may access
 * @owner: Whose pinned memory it is, that RLIMIT_MEMLOCK limits.
 * @offset: First byte in the first page.
 * @length: Bytes.
 * @nr: Number of @pages.
 * @pages: The pages, pinned.
 * @write: The device may write.
 * @dd: The device that it is mapped for, or NULL.
 * @sgt: The pages, mapped.
 * @mem: What the engine may access.
 */
struct dmademo_user {
	struct mm_struct	*owner;
	unsigned long		offset;
	size_t			length;
	unsigned long		nr;
	struct page		**pages;
	bool			write;
	struct dmademo		*dd;
	struct sg_table		sgt;
	struct dmademo_memory	mem;
};

/*
 * What the device does not write, because a transfer fails or is stopped, has to
 * stay what it was.
 */
static enum dma_data_direction dmademo_user_dir(const struct dmademo_user *user)
{
	return user->write ? DMA_BIDIRECTIONAL : DMA_TO_DEVICE;
}

/* As RDMA does: no lock, as the interrupt thread must not wait for a process. */
static int dmademo_user_charge(struct dmademo_user *user)
{
	s64 limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	struct mm_struct *mm = current->mm;

	if (atomic64_add_return(user->nr, &mm->pinned_vm) > limit &&
	    !capable(CAP_IPC_LOCK)) {
		atomic64_sub(user->nr, &mm->pinned_vm);
		return -ENOMEM;
	}
	mmgrab(mm);
	user->owner = mm;
	return 0;
}

static void dmademo_user_uncharge(struct dmademo_user *user)
{
	atomic64_sub(user->nr, &user->owner->pinned_vm);
	mmdrop(user->owner);
}

/* The device may have the pages for long, whatever the file systems think. */
static int dmademo_user_get_pages(struct dmademo_user *user, unsigned long addr)
{
	unsigned int flags = FOLL_LONGTERM | (user->write ? FOLL_WRITE : 0);
	unsigned long pinned = 0;
	int ret;

	while (pinned < user->nr) {
		ret = pin_user_pages_fast(addr + pinned * PAGE_SIZE,
					  user->nr - pinned, flags,
					  user->pages + pinned);
		if (ret <= 0) {
			unpin_user_pages(user->pages, pinned);
			/* There are many reasons why it cannot be pinned. */
			return ret == -ENOMEM || ret == -EINTR ? ret : -EFAULT;
		}
		pinned += ret;
	}
	return 0;
}

/**
 * dmademo_user_pin - pin memory of the calling process
 * @addr: first byte
 * @length: bytes, 1 to DMADEMO_MAX_BYTES; must not wrap
 * @write: the device will write to it, rather than read
 *
 * Context: Process context, without locks, and with no device entered: to bring
 * memory in may take as long as user space likes.
 *
 * Return: what to give to dmademo_user_release(), or an error: -EFAULT if there is
 * no such memory, or it may not be written, or not be pinned; -ENOMEM if there
 * is no memory, or RLIMIT_MEMLOCK is reached; -EINTR.
 */
struct dmademo_user *dmademo_user_pin(unsigned long addr, size_t length,
				      bool write)
{
	struct dmademo_user *user;
	int ret;

	if (!access_ok((const void __user *)addr, length))
		return ERR_PTR(-EFAULT);
	user = kzalloc_obj(*user, GFP_KERNEL_ACCOUNT);
	if (!user)
		return ERR_PTR(-ENOMEM);
	user->write = write;
	user->offset = offset_in_page(addr);
	user->length = length;
	user->nr = PFN_UP(user->offset + length);
	user->pages = kvmalloc_array(user->nr, sizeof(*user->pages),
				     GFP_KERNEL_ACCOUNT);
	if (!user->pages) {
		ret = -ENOMEM;
		goto out_free;
	}
	ret = dmademo_user_charge(user);
	if (ret)
		goto out_free_pages;
	ret = dmademo_user_get_pages(user, addr - user->offset);
	if (ret)
		goto out_uncharge;
	return user;

out_uncharge:
	dmademo_user_uncharge(user);
out_free_pages:
	kvfree(user->pages);
out_free:
	kfree(user);
	return ERR_PTR(ret);
}

/**
 * dmademo_user_map - let the device access pinned memory
 * @user: the memory
 * @dd: the device, entered
 *
 * Return: 0, or -ENOMEM if there is no memory or no room for bounce buffers.
 */
int dmademo_user_map(struct dmademo_user *user, struct dmademo *dd)
{
	int ret;

	ret = sg_alloc_table_from_pages_segment(&user->sgt, user->pages,
						user->nr, user->offset,
						user->length,
						dmademo_max_segment(dd->dev),
						GFP_KERNEL_ACCOUNT);
	if (ret)
		return -ENOMEM;
	ret = dma_map_sgtable(dd->dev, &user->sgt, dmademo_user_dir(user), 0);
	if (ret)
		goto out_free;
	ret = dmademo_memory_of_sgt(&user->mem, &user->sgt, user->length);
	if (ret)
		goto out_unmap;
	user->mem.dir = dmademo_user_dir(user);
	user->dd = dd;
	dmademo_engine_grant(&dd->engine, &user->mem);
	return 0;

out_unmap:
	dma_unmap_sgtable(dd->dev, &user->sgt, dmademo_user_dir(user), 0);
out_free:
	sg_free_table(&user->sgt);
	return -ENOMEM;
}

const struct dmademo_memory *dmademo_user_memory(struct dmademo_user *user)
{
	return &user->mem;
}

/**
 * dmademo_user_release - end the device's access to user memory, if it has any
 * @user: from dmademo_user_pin(); the device has no transfer to it under way
 * @written: the device may have written to it
 *
 * Context: Process context, any process's.  If the memory is mapped, the device is
 * there.
 */
void dmademo_user_release(struct dmademo_user *user, bool written)
{
	if (user->dd) {
		dmademo_engine_revoke(&user->dd->engine, &user->mem);
		kvfree(user->mem.regions);
		dma_unmap_sgtable(user->dd->dev, &user->sgt,
				  dmademo_user_dir(user), 0);
		sg_free_table(&user->sgt);
	}
	unpin_user_pages_dirty_lock(user->pages, user->nr, written);
	dmademo_user_uncharge(user);
	kvfree(user->pages);
	kfree(user);
}
