/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * User API of the DMA demo device, /dev/dmademoN.
 *
 * See Documentation/misc-devices/dmademo.rst.
 */
#ifndef _UAPI_LINUX_DMADEMO_H
#define _UAPI_LINUX_DMADEMO_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * DOC: Conventions
 *
 * Every ioctl takes a pointer to a structure whose first member, @size, user
 * space sets to the size in bytes of the structure it was built with.  The
 * structures may grow at their end.  A program built with an older, smaller one
 * keeps working; one built with a newer, larger one works as long as all that
 * this kernel does not know is zero, and gets -E2BIG otherwise.  A @size that
 * does not reach to the end of the structure's first version is -EINVAL.
 *
 * Reserved and flags members have to be zero, or the call fails with -EINVAL.
 *
 * All calls may fail with -EFAULT if the structure cannot be read or written.
 * An unknown ioctl is -ENOTTY.
 */

#define DMADEMO_IOC_TYPE	0xBB

/* Version of this interface, struct dmademo_info.version */
#define DMADEMO_VERSION		1

/**
 * enum dmademo_mmap_mode - how mmap() of a buffer is done
 * @DMADEMO_MMAP_PAGES: by page references: the mapping keeps the memory
 * @DMADEMO_MMAP_PFN: by page frame numbers: the driver keeps the buffer
 * @DMADEMO_MMAP_HUGE: by huge page table entries: the mapping keeps the memory
 */
enum dmademo_mmap_mode {
	DMADEMO_MMAP_PAGES	= 0,
	DMADEMO_MMAP_PFN	= 1,
	DMADEMO_MMAP_HUGE	= 2,
};

/* struct dmademo_info.flags: CPU caches and the device see the same data. */
#define DMADEMO_INFO_COHERENT	(1U << 0)

/**
 * struct dmademo_info - ioctl(DMADEMO_IOC_INFO), what the device can do
 * @size: In: sizeof(struct dmademo_info).
 * @version: Out: DMADEMO_VERSION.
 * @max_bytes: Out: largest buffer that may be asked for, in bytes.  Whether
 *	there is contiguous memory of that size is another question.
 * @mmap_mode: Out: enum dmademo_mmap_mode.
 * @flags: Out: DMADEMO_INFO_COHERENT or 0.
 * @dma_mask: Out: bus addresses that the device can reach, as a bit mask.
 */
struct dmademo_info {
	__u32 size;
	__u32 version;
	__aligned_u64 max_bytes;
	__u32 mmap_mode;
	__u32 flags;
	__aligned_u64 dma_mask;
};

#define DMADEMO_IOC_INFO	_IO(DMADEMO_IOC_TYPE, 0x00)

/**
 * struct dmademo_alloc - ioctl(DMADEMO_IOC_ALLOC), allocate a DMA buffer
 * @size: In: sizeof(struct dmademo_alloc).
 * @flags: In: 0.
 * @bytes: In: bytes wanted, 1 to dmademo_info.max_bytes.
 * @bytes_held: Out: bytes that the buffer holds, a multiple of the page size.
 * @mmap_offset: Out: offset of the first byte for mmap() of this file.  Add a
 *	multiple of the page size to map a part.
 * @bus_addr: Out: address of the first byte as the device sees it; 0 for a
 *	caller without CAP_SYS_RAWIO.
 * @handle: Out: names the buffer in other calls on this file, 1 or more.
 * @__reserved: In: 0.
 *
 * The buffer is physically contiguous and zeroed.  It belongs to the open file
 * and goes away with DMADEMO_IOC_FREE or with the file's last reference, of
 * which each mapping is one.
 *
 * Errors: -EINVAL if @bytes is 0 or too many, -ENOMEM if there is no contiguous
 * memory of that size, -ENOSPC if the file has no handle left.  After an error,
 * -EFAULT among them, nothing is allocated.
 */
struct dmademo_alloc {
	__u32 size;
	__u32 flags;
	__aligned_u64 bytes;
	__aligned_u64 bytes_held;
	__aligned_u64 mmap_offset;
	__aligned_u64 bus_addr;
	__u32 handle;
	__u32 __reserved;
};

#define DMADEMO_IOC_ALLOC	_IO(DMADEMO_IOC_TYPE, 0x01)

/**
 * struct dmademo_free - ioctl(DMADEMO_IOC_FREE), free a DMA buffer
 * @size: In: sizeof(struct dmademo_free).
 * @handle: In: the buffer.
 *
 * What is mapped stays mapped and keeps its memory.
 *
 * Errors: -ENOENT if @handle names no buffer of this file.
 */
struct dmademo_free {
	__u32 size;
	__u32 handle;
};

#define DMADEMO_IOC_FREE	_IO(DMADEMO_IOC_TYPE, 0x02)

/**
 * enum dmademo_op - what the device does in one transfer
 * @DMADEMO_OP_COPY: copy @length bytes from @src to @dst
 * @DMADEMO_OP_FILL: set @length bytes of @dst to @value, 0 to 255
 * @DMADEMO_OP_CRC32: set @value to the CRC-32 (IEEE 802.3) of @length bytes of
 *	@src
 */
enum dmademo_op {
	DMADEMO_OP_COPY		= 0,
	DMADEMO_OP_FILL		= 1,
	DMADEMO_OP_CRC32	= 2,
};

/**
 * struct dmademo_run - ioctl(DMADEMO_IOC_RUN), one device transfer
 * @size: In: sizeof(struct dmademo_run).
 * @op: In: enum dmademo_op.
 * @src: In: handle of the buffer to read, 0 for DMADEMO_OP_FILL.
 * @dst: In: handle of the buffer to write, 0 for DMADEMO_OP_CRC32.
 * @src_offset: In: first byte to read, in bytes from the start of @src; 0 for
 *	DMADEMO_OP_FILL.
 * @dst_offset: In: first byte to write, in bytes from the start of @dst; 0 for
 *	DMADEMO_OP_CRC32.
 * @length: In: bytes, 1 or more; must not go past dmademo_alloc.bytes_held.
 * @value: In: byte for DMADEMO_OP_FILL, else 0.  Out: sum for DMADEMO_OP_CRC32,
 *	else as it was.
 * @__reserved: In: 0.
 *
 * Returns when the transfer is done.
 *
 * Errors: -EINVAL if @op is unknown, @length is 0, a member that @op does not
 * use is not 0, @value is over 255 or the two ranges of a copy overlap; -ENOENT
 * if @src or @dst names no buffer of this file; -ERANGE if a range goes past
 * the end of its buffer; -EIO if the device met a bus error; -ENOMEM if it ran
 * out of memory.
 */
struct dmademo_run {
	__u32 size;
	__u32 op;
	__u32 src;
	__u32 dst;
	__aligned_u64 src_offset;
	__aligned_u64 dst_offset;
	__aligned_u64 length;
	__u32 value;
	__u32 __reserved;
};

#define DMADEMO_IOC_RUN		_IO(DMADEMO_IOC_TYPE, 0x03)

#endif /* _UAPI_LINUX_DMADEMO_H */
