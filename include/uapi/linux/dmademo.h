/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * User API of the DMA demo device, /dev/dmademoN.
 *
 * All offsets and lengths are in bytes and need no alignment unless stated otherwise.
 * Unknown flags and nonzero reserved members fail with EINVAL.  Every call fails with
 * EFAULT if the structure cannot be read or written, with ENOMEM, and with ENODEV after
 * the driver was unbound.  A failed call has no effect, except that a transfer may
 * have written a part of its data.  An unknown ioctl fails with ENOTTY.
 *
 * A handle identifies a buffer of one open file.  Handle 0 is the buffer that the
 * device allocated when it was probed, if any.  Its offset for mmap() is 0.
 */
#ifndef _UAPI_LINUX_DMADEMO_H
#define _UAPI_LINUX_DMADEMO_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* dmademo_info.mmap_mode: how dma_mmap_attrs() maps a buffer */
#define DMADEMO_MMAP_PAGES	0 /* refcounted mapping */
#define DMADEMO_MMAP_PFN	1 /* PFN mapping */
#define DMADEMO_MMAP_HUGE	2 /* refcounted mapping with huge page table entries */

/* dmademo_info.flags */
#define DMADEMO_INFO_COHERENT	(1U << 0) /* the device is cache coherent */

/* DMADEMO_IOC_INFO, get the properties of the device: all members are output */
struct dmademo_info {
	__aligned_u64 max_bytes;	/* largest buffer or transfer */
	__aligned_u64 max_device_bytes;	/* limit for all buffers of the device */
	__aligned_u64 dma_mask;		/* DMA mask of the device */
	__aligned_u64 buffer_bytes;	/* size of buffer 0, or 0 */
	__u32 mmap_mode;		/* DMADEMO_MMAP_* */
	__u32 flags;			/* DMADEMO_INFO_*, ORed together */
	__u32 max_buffers;		/* limit for one open file */
	__u32 __reserved;
};

/* dmademo_alloc.flags; the first two exclude each other */
#define DMADEMO_ALLOC_CACHED		(1U << 0) /* dma_alloc_pages(); needs SYNC */
#define DMADEMO_ALLOC_WRITE_COMBINE	(1U << 1) /* DMA_ATTR_WRITE_COMBINE */
#define DMADEMO_ALLOC_BUS_ADDR		(1U << 2) /* return bus_addr; needs CAP_SYS_RAWIO */

/**
 * struct dmademo_alloc - DMADEMO_IOC_ALLOC, allocate a zeroed DMA buffer
 * @bytes: In: requested size, 1 to dmademo_info.max_bytes.  Out: allocated size, which
 *	is a multiple of the page size.
 * @mmap_offset: Out: offset of the buffer for mmap() of this file.
 * @bus_addr: Out: DMA address with DMADEMO_ALLOC_BUS_ADDR, otherwise 0.
 * @flags: In: DMADEMO_ALLOC_*, ORed together.
 * @handle: Out: handle of the buffer, 1 to dmademo_info.max_buffers.
 *
 * The memory is charged to the caller's memory cgroup.  It also counts against
 * dmademo_info.max_device_bytes, until the last mapping and the last dma-buf of the
 * buffer are gone.
 *
 * Errors: EINVAL, EPERM, EDQUOT, ENOSPC, ENOMEM.
 */
struct dmademo_alloc {
	__aligned_u64 bytes;
	__aligned_u64 mmap_offset;
	__aligned_u64 bus_addr;
	__u32 flags;
	__u32 handle;
};

/*
 * DMADEMO_IOC_FREE, free a buffer.  Mappings and dma-bufs of the buffer stay valid and
 * keep its memory.  Errors: EINVAL, ENOENT, EBUSY.
 */
struct dmademo_free {
	__u32 handle;		/* in: the buffer, not 0 */
	__u32 __reserved;	/* in: 0 */
};

/* dmademo_run.op */
#define DMADEMO_OP_COPY		0 /* from src to dst */
#define DMADEMO_OP_FILL		1 /* fill dst with the byte value */
#define DMADEMO_OP_CRC32	2 /* store the CRC-32 (IEEE 802.3) of src in value */

/* dmademo_run.flags: the offset is an address in user memory, and the handle is 0 */
#define DMADEMO_RUN_SRC_USER	(1U << 0)
#define DMADEMO_RUN_DST_USER	(1U << 1)

/**
 * struct dmademo_run - DMADEMO_IOC_RUN, start a transfer and wait for its end
 * @op: In: DMADEMO_OP_*.
 * @flags: In: DMADEMO_RUN_*, ORed together.
 * @src: In: handle of the buffer to read.
 * @dst: In: handle of the buffer to write.
 * @src_offset: In: first byte to read.
 * @dst_offset: In: first byte to write.
 * @length: In: number of bytes, 1 to dmademo_info.max_bytes.
 * @value: In: 0 to 255 for DMADEMO_OP_FILL, otherwise 0.  Out: result of
 *	DMADEMO_OP_CRC32.
 * @__reserved: In: 0.
 *
 * Members that @op does not use must be 0.  User memory counts against
 * RLIMIT_MEMLOCK during the transfer.
 *
 * Errors: EINVAL, ENOENT, ERANGE, EFAULT, EIO, EINTR, ENOMEM.
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

/* dmademo_sync.flags: one of the first two, and one or both of the last two */
#define DMADEMO_SYNC_FOR_CPU		(1U << 0)
#define DMADEMO_SYNC_FOR_DEVICE		(1U << 1)
#define DMADEMO_SYNC_TO_DEVICE		(1U << 2)
#define DMADEMO_SYNC_FROM_DEVICE	(1U << 3)

/*
 * DMADEMO_IOC_SYNC, sync a part of a cached buffer for the CPU or for the device.  The
 * call has no effect on other buffers.  Errors: EINVAL, ENOENT, ERANGE.
 */
struct dmademo_sync {
	__u32 handle;		/* in: the buffer */
	__u32 flags;		/* in: DMADEMO_SYNC_*, ORed together */
	__aligned_u64 offset;	/* in: first byte */
	__aligned_u64 length;	/* in: 1 or more */
};

/*
 * DMADEMO_IOC_EXPORT, export a buffer as a dma-buf.  The dma-buf needs no fences: each
 * transfer is complete when DMADEMO_IOC_RUN returns.  Errors: ENOENT, EOPNOTSUPP,
 * EMFILE, ENFILE.
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
