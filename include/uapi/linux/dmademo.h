/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * User API of the DMA demo device, /dev/dmademoN.
 *
 * All offsets and lengths are in bytes, of any alignment unless it says otherwise.
 * Unknown flags, and reserved members that are not 0, are -EINVAL.  All calls may fail
 * with -EFAULT if the structure cannot be read or written, with -ENOMEM, and with
 * -ENODEV once the driver is unbound; then nothing has changed, but for what a
 * transfer wrote before it failed.  An unknown ioctl is -ENOTTY.
 *
 * A handle names a buffer of the open file that it was given to.  Handle 0 is the
 * buffer that the device may have of its own, at offset 0 for mmap().
 */
#ifndef _UAPI_LINUX_DMADEMO_H
#define _UAPI_LINUX_DMADEMO_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* dmademo_info.mmap_mode: how dma_mmap_attrs() maps a buffer */
#define DMADEMO_MMAP_PAGES	0 /* by page references */
#define DMADEMO_MMAP_PFN	1 /* by page frame numbers */
#define DMADEMO_MMAP_HUGE	2 /* by huge page table entries, with references */

/* dmademo_info.flags */
#define DMADEMO_INFO_COHERENT	(1U << 0) /* the device sees the CPU's caches */

/* DMADEMO_IOC_INFO, what the device can do: all output */
struct dmademo_info {
	__aligned_u64 max_bytes;	/* of a buffer or a transfer */
	__aligned_u64 max_device_bytes;	/* of all buffers of the device */
	__aligned_u64 dma_mask;		/* what it can reach, as a bit mask */
	__aligned_u64 buffer_bytes;	/* of its own buffer, or 0 */
	__u32 mmap_mode;		/* DMADEMO_MMAP_* */
	__u32 flags;			/* DMADEMO_INFO_*, ORed together */
	__u32 max_buffers;		/* of a file at a time */
	__u32 __reserved;
};

/* dmademo_alloc.flags; the first two exclude each other */
#define DMADEMO_ALLOC_CACHED		(1U << 0) /* dma_alloc_pages(); needs SYNC */
#define DMADEMO_ALLOC_WRITE_COMBINE	(1U << 1) /* DMA_ATTR_WRITE_COMBINE */
#define DMADEMO_ALLOC_BUS_ADDR		(1U << 2) /* say it; takes CAP_SYS_RAWIO */

/**
 * struct dmademo_alloc - DMADEMO_IOC_ALLOC, allocate a zeroed DMA buffer
 * @bytes: In: 1 to dmademo_info.max_bytes.  Out: what it holds, whole pages.
 * @mmap_offset: Out: offset of its first byte for mmap() of this file.
 * @bus_addr: Out: its address for the device, with DMADEMO_ALLOC_BUS_ADDR, or 0.
 * @flags: In: DMADEMO_ALLOC_*, ORed together.
 * @handle: Out: its name in other calls, 1 to dmademo_info.max_buffers.
 *
 * It is charged to the caller's memory cgroup, and to the device for as long as a
 * mapping or a dma-buf has its memory.
 *
 * Errors: -EINVAL; -EPERM; -EDQUOT if the device has no bytes left; -ENOSPC if the
 * file has no handle left; -ENOMEM if there is no such memory.
 */
struct dmademo_alloc {
	__aligned_u64 bytes;
	__aligned_u64 mmap_offset;
	__aligned_u64 bus_addr;
	__u32 flags;
	__u32 handle;
};

/*
 * DMADEMO_IOC_FREE, free a buffer.  What is mapped stays mapped and keeps its memory,
 * and so does a dma-buf.  Errors: -ENOENT; -EBUSY, see CONFIG_DMADEMO_BENCH.
 */
struct dmademo_free {
	__u32 handle;		/* in: the buffer, not 0 */
	__u32 __reserved;	/* in: 0 */
};

/* dmademo_run.op */
#define DMADEMO_OP_COPY		0 /* from src to dst */
#define DMADEMO_OP_FILL		1 /* dst with value, 0 to 255 */
#define DMADEMO_OP_CRC32	2 /* value becomes that of src (IEEE 802.3) */

/* dmademo_run.flags: the offset is an address in user memory, and the handle 0 */
#define DMADEMO_RUN_SRC_USER	(1U << 0)
#define DMADEMO_RUN_DST_USER	(1U << 1)

/**
 * struct dmademo_run - DMADEMO_IOC_RUN, have the device make a transfer, and wait
 * @op: In: DMADEMO_OP_*.
 * @flags: In: DMADEMO_RUN_*, ORed together.
 * @src: In: handle of the buffer to read.
 * @dst: In: handle of the buffer to write.
 * @src_offset: In: first byte to read.
 * @dst_offset: In: first byte to write.
 * @length: In: 1 to dmademo_info.max_bytes; not past the end of a buffer.
 * @value: In: for DMADEMO_OP_FILL, else 0.  Out: of DMADEMO_OP_CRC32.
 * @__reserved: In: 0.
 *
 * Members of a side that @op has not are 0.  User memory counts against
 * RLIMIT_MEMLOCK meanwhile.
 *
 * Errors: -EINVAL, also if the two sides overlap; -ENOENT; -ERANGE past the end of a
 * buffer; -EFAULT for user memory that cannot be pinned; -EIO for a bus error; -EINTR
 * if the caller is being killed.
 */
struct dmademo_run {
	__u32 op;
	__u32 flags;
	__u32 src;
	__u32 dst;
	__aligned_u64 src_offset;
	__aligned_u64 dst_offset;
	__aligned_u64 length;
	__u32 value;
	__u32 __reserved;
};

/* dmademo_sync.flags: to whom, and which way data goes or went, one or both */
#define DMADEMO_SYNC_FOR_CPU		(1U << 0)
#define DMADEMO_SYNC_FOR_DEVICE		(1U << 1)
#define DMADEMO_SYNC_TO_DEVICE		(1U << 2)
#define DMADEMO_SYNC_FROM_DEVICE	(1U << 3)

/*
 * DMADEMO_IOC_SYNC, hand over a part of a cached buffer; does nothing for others.
 * Errors: -EINVAL; -ENOENT; -ERANGE past the end.
 */
struct dmademo_sync {
	__u32 handle;		/* in: the buffer */
	__u32 flags;		/* in: DMADEMO_SYNC_*, ORed together */
	__aligned_u64 offset;	/* in: first byte */
	__aligned_u64 length;	/* in: 1 or more */
};

/*
 * DMADEMO_IOC_EXPORT, make a buffer a dma-buf.  What the device does to it is done when
 * DMADEMO_IOC_RUN returns.  Errors: -ENOENT; -EOPNOTSUPP if the CPU does not cache it;
 * -EMFILE; -ENFILE.
 */
struct dmademo_export {
	__u32 handle;	/* in: the buffer */
	__s32 fd;	/* out: file descriptor, O_RDWR and O_CLOEXEC */
};

#define DMADEMO_IOC_INFO	_IOR(0xBB, 0x10, struct dmademo_info)
#define DMADEMO_IOC_ALLOC	_IOWR(0xBB, 0x11, struct dmademo_alloc)
#define DMADEMO_IOC_FREE	_IOW(0xBB, 0x12, struct dmademo_free)
#define DMADEMO_IOC_RUN		_IOWR(0xBB, 0x13, struct dmademo_run)
#define DMADEMO_IOC_SYNC	_IOW(0xBB, 0x14, struct dmademo_sync)
#define DMADEMO_IOC_EXPORT	_IOWR(0xBB, 0x15, struct dmademo_export)

#endif /* _UAPI_LINUX_DMADEMO_H */
