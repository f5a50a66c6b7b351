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
 * this kernel does not know is zero, and gets -E2BIG otherwise, or if @size is
 * more than a page.  A @size that does not reach to the end of the structure's
 * first version is -EINVAL.
 *
 * Reserved members and unknown flags have to be zero, or the call fails with
 * -EINVAL, and so have members that are output only, unless it says otherwise.
 *
 * All calls may fail with -EFAULT if the structure cannot be read or written,
 * with -ENOMEM if there is no memory for what the call needs itself, and with
 * -ENODEV once the device has been unbound from its driver, but for
 * DMADEMO_IOC_WAIT.  After an error nothing is allocated, queued, freed or lost;
 * what a transfer wrote before it failed, or before its result could not be
 * written, stays.  An unknown ioctl is -ENOTTY.
 *
 * A handle is a number from 1 to dmademo_info.max_buffers that means something to
 * the open file that it was given to, and to no other.  Offsets into a buffer and
 * lengths are in bytes, of any alignment.
 */

#define DMADEMO_IOC_TYPE	0xBB

/* Version of this interface, struct dmademo_info.version */
#define DMADEMO_VERSION		1

/**
 * enum dmademo_mmap_mode - how dma_mmap_attrs() maps buffers of the device
 * @DMADEMO_MMAP_PAGES: by page references: the mapping keeps the memory
 * @DMADEMO_MMAP_PFN: by page frame numbers: the driver keeps the buffer
 * @DMADEMO_MMAP_HUGE: by huge page table entries: the mapping keeps the memory
 */
enum dmademo_mmap_mode {
	DMADEMO_MMAP_PAGES	= 0,
	DMADEMO_MMAP_PFN	= 1,
	DMADEMO_MMAP_HUGE	= 2,
};

/**
 * enum dmademo_strategy - what mmap() of a buffer does
 * @DMADEMO_STRATEGY_DEFAULT: what the driver's parameter mmap= says for the
 *	device, DMADEMO_STRATEGY_DMA_MMAP unless it names another
 * @DMADEMO_STRATEGY_DMA_MMAP: dma_mmap_attrs(), in the device's mode
 * @DMADEMO_STRATEGY_INSERT_PAGE: a loop over vm_insert_page()
 * @DMADEMO_STRATEGY_MAP_PAGES: vm_map_pages()
 * @DMADEMO_STRATEGY_REMAP_PFN: remap_pfn_range()
 * @DMADEMO_STRATEGY_FAULT: a page in each page fault
 * @DMADEMO_STRATEGY_HUGE: dma_mmap_attrs() of a device whose mode is
 *	DMADEMO_MMAP_HUGE
 */
enum dmademo_strategy {
	DMADEMO_STRATEGY_DEFAULT	= 0,
	DMADEMO_STRATEGY_DMA_MMAP	= 1,
	DMADEMO_STRATEGY_INSERT_PAGE	= 2,
	DMADEMO_STRATEGY_MAP_PAGES	= 3,
	DMADEMO_STRATEGY_REMAP_PFN	= 4,
	DMADEMO_STRATEGY_FAULT		= 5,
	DMADEMO_STRATEGY_HUGE		= 6,
};

/**
 * enum dmademo_info_flags - dmademo_info.flags
 * @DMADEMO_INFO_COHERENT: the CPU's caches and the device see the same data
 * @DMADEMO_INFO_EXPORT: buffers can be exported as dma-bufs; if the device is not
 *	coherent, those with DMADEMO_ALLOC_CACHED
 */
enum dmademo_info_flags {
	DMADEMO_INFO_COHERENT	= 1U << 0,
	DMADEMO_INFO_EXPORT	= 1U << 1,
};

/**
 * struct dmademo_info - ioctl(DMADEMO_IOC_INFO), what the device can do
 * @size: In: sizeof(struct dmademo_info).
 * @version: Out: DMADEMO_VERSION.
 * @max_bytes: Out: largest buffer or transfer, in bytes, 1 GiB or more.  Whether
 *	there is contiguous memory of that size is another question.
 * @mmap_mode: Out: enum dmademo_mmap_mode.
 * @flags: In: 0.  Out: enum dmademo_info_flags, ORed together.
 * @dma_mask: Out: bus addresses that the device can reach, as a bit mask.
 * @max_device_bytes: Out: what all buffers of the device together may hold, in
 *	bytes.  One that was freed while it was mapped does not count any more; the
 *	memory cgroup still has it.
 * @max_buffers: Out: buffers that a file may have at a time, 1000 or more.
 * @max_transfers: Out: transfers that a file may have under way or unread, 2 or
 *	more.
 * @strategies: Out: bit N is set if enum dmademo_strategy N can be asked for
 *	without flags.
 * @__reserved: In: 0.  Out: 0.
 *
 * What is output only may be anything on input.
 */
struct dmademo_info {
	__u32 size;
	__u32 version;
	__aligned_u64 max_bytes;
	__u32 mmap_mode;
	__u32 flags;
	__aligned_u64 dma_mask;
	__aligned_u64 max_device_bytes;
	__u32 max_buffers;
	__u32 max_transfers;
	__u32 strategies;
	__u32 __reserved;
};

#define DMADEMO_IOC_INFO	_IO(DMADEMO_IOC_TYPE, 0x00)

/**
 * enum dmademo_alloc_flags - dmademo_alloc.flags
 * @DMADEMO_ALLOC_CACHED: memory that the CPU caches even if the device does not
 *	see the caches, from dma_alloc_pages(); DMADEMO_IOC_SYNC is needed then
 * @DMADEMO_ALLOC_WRITE_COMBINE: DMA_ATTR_WRITE_COMBINE; not with the above
 */
enum dmademo_alloc_flags {
	DMADEMO_ALLOC_CACHED		= 1U << 0,
	DMADEMO_ALLOC_WRITE_COMBINE	= 1U << 1,
};

/**
 * struct dmademo_alloc - ioctl(DMADEMO_IOC_ALLOC), allocate a DMA buffer
 * @size: In: sizeof(struct dmademo_alloc).
 * @flags: In: one of enum dmademo_alloc_flags, or 0.
 * @bytes: In: bytes wanted, 1 to dmademo_info.max_bytes.
 * @bytes_held: Out: bytes that the buffer holds, a multiple of the page size.
 * @mmap_offset: Out: offset of the first byte for mmap() of this file, in bytes,
 *	a multiple of the page size.  Add a multiple of that to map a part.
 * @bus_addr: Out: address of the first byte as the device sees it, up to
 *	dmademo_info.dma_mask; 0 for a caller without CAP_SYS_RAWIO.
 * @handle: Out: names the buffer in other calls on this file.
 * @strategy: In: enum dmademo_strategy.
 *
 * The buffer is physically contiguous and zeroed.  It belongs to the open file
 * and goes away with DMADEMO_IOC_FREE or with the file's last reference, of
 * which each mapping is one.  It is charged to the caller's memory cgroup.
 *
 * What is output only may be anything on input.
 *
 * Errors: -EINVAL if @bytes is 0 or too many, @strategy or @flags is unknown, or
 * there are two flags; -EOPNOTSUPP if the device has no such @strategy for such a
 * buffer; -ENOMEM if there is no contiguous memory of that size; -EDQUOT if the
 * device's buffers would hold more than they may; -ENOSPC if the file has no
 * handle left.
 */
struct dmademo_alloc {
	__u32 size;
	__u32 flags;
	__aligned_u64 bytes;
	__aligned_u64 bytes_held;
	__aligned_u64 mmap_offset;
	__aligned_u64 bus_addr;
	__u32 handle;
	__u32 strategy;
};

#define DMADEMO_IOC_ALLOC	_IO(DMADEMO_IOC_TYPE, 0x01)

/**
 * struct dmademo_free - ioctl(DMADEMO_IOC_FREE), give up a handle
 * @size: In: sizeof(struct dmademo_free).
 * @handle: In: the buffer, allocated or imported.
 *
 * What is mapped stays mapped, a transfer under way goes on, and a dma-buf that
 * the buffer was exported as stays; each keeps the memory.
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
 * @DMADEMO_OP_REVERSE: copy @length bytes from @src to @dst, the last one first
 */
enum dmademo_op {
	DMADEMO_OP_COPY		= 0,
	DMADEMO_OP_FILL		= 1,
	DMADEMO_OP_CRC32	= 2,
	DMADEMO_OP_REVERSE	= 3,
};

/**
 * enum dmademo_run_flags - dmademo_run.flags
 * @DMADEMO_RUN_ASYNC: do not wait, give a cookie
 * @DMADEMO_RUN_SRC_USER: read user memory; dmademo_run.src_offset is its address
 * @DMADEMO_RUN_DST_USER: write user memory; dmademo_run.dst_offset is its address
 * @DMADEMO_RUN_SRC_BUS: dmademo_run.src_offset is a bus address, whoever it
 *	belongs to, for a caller with CAP_SYS_RAWIO
 * @DMADEMO_RUN_DST_BUS: the same for dmademo_run.dst_offset
 *
 * User memory and a bus address exclude each other on one side.
 */
enum dmademo_run_flags {
	DMADEMO_RUN_ASYNC	= 1U << 0,
	DMADEMO_RUN_SRC_USER	= 1U << 1,
	DMADEMO_RUN_DST_USER	= 1U << 2,
	DMADEMO_RUN_SRC_BUS	= 1U << 3,
	DMADEMO_RUN_DST_BUS	= 1U << 4,
};

/**
 * struct dmademo_run - ioctl(DMADEMO_IOC_RUN), one device transfer
 * @size: In: sizeof(struct dmademo_run).
 * @op: In: enum dmademo_op.
 * @src: In: handle of the buffer to read; 0 for DMADEMO_OP_FILL, user memory or
 *	a bus address.
 * @dst: In: handle of the buffer to write; 0 for DMADEMO_OP_CRC32, user memory
 *	or a bus address.
 * @src_offset: In: first byte to read, in bytes from the start of @src, less than
 *	its dmademo_alloc.bytes_held; or an address; 0 for DMADEMO_OP_FILL.
 * @dst_offset: In: first byte to write, in bytes from the start of @dst, less than
 *	its dmademo_alloc.bytes_held; or an address; 0 for DMADEMO_OP_CRC32.
 * @length: In: bytes, 1 to dmademo_info.max_bytes; must not go past
 *	dmademo_alloc.bytes_held.
 * @value: In: byte for DMADEMO_OP_FILL, 0 to 255, else 0.  Out: sum for
 *	DMADEMO_OP_CRC32, else as it was.
 * @flags: In: enum dmademo_run_flags, ORed together, or 0.
 * @cookie: In: 0.  Out: names the transfer if DMADEMO_RUN_ASYNC, 1 or more.
 *
 * Transfers of one device are done one after the other, in the order they come.
 * Without DMADEMO_RUN_ASYNC, returns when the transfer is done.  With it, the
 * result is to be had by DMADEMO_IOC_WAIT or read(); what the transfer needs
 * stays until then, even if the handle is freed or the memory unmapped.  When
 * the file is closed, what is still under way is cancelled.
 *
 * User memory is pinned, and counted against RLIMIT_MEMLOCK, until the transfer
 * is done.  If the device is not coherent, what shares a cache line with either
 * end of it must not be written meanwhile.
 *
 * Errors: -EINVAL if @op or @flags is unknown, a flag is for a side that @op
 * has not, or there are two for one side, @length is 0 or too much, a member
 * that is not used is not 0, @value is over 255, a range of addresses wraps,
 * the two ranges overlap and are in the same buffer, or both in user memory, or
 * both bus addresses, or a bus address has too many bits; -ENOENT if @src or
 * @dst names no buffer of this file; -ERANGE if a range goes past the end of
 * its buffer; -EFAULT if user memory cannot be accessed, or pinned; -EPERM for
 * a bus address without CAP_SYS_RAWIO; -EAGAIN if dmademo_info.max_transfers
 * are under way or unread; -ENOMEM if there is no memory, or RLIMIT_MEMLOCK is
 * reached; -EINTR if a signal came, and the transfer was cancelled.  The
 * transfer itself may fail with -EIO if the device met a bus error, that is an
 * address that it was not given, or not for that direction; -ENOMEM if it ran
 * out of memory; -ENODEV if it was unbound meanwhile; and -ECANCELED, which
 * only a completion has, if the cookie could not be written to user space.  In
 * these cases, and with -EINTR, @dst may have been written in part.
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
	__u32 flags;
	__aligned_u64 cookie;
};

#define DMADEMO_IOC_RUN		_IO(DMADEMO_IOC_TYPE, 0x03)

/**
 * struct dmademo_completion - what read() returns, as many as fit and are there
 * @cookie: dmademo_run.cookie of the transfer, 1 or more.
 * @status: 0, or a negative errno: how the transfer itself has failed, see struct
 *	dmademo_run.
 * @value: As in struct dmademo_run.
 *
 * Each is returned once, in the order in which the transfers were done.  read()
 * waits for one, unless the file is O_NONBLOCK.  poll() says POLLIN if there is
 * one, and POLLHUP once the device is unbound.
 *
 * Errors of read(): -EINVAL if not one fits; -EAGAIN if it would have to wait;
 * -EINTR if a signal came; -EFAULT; -ENODEV if the device is unbound and nothing
 * is left to read.
 */
struct dmademo_completion {
	__aligned_u64 cookie;
	__s32 status;
	__u32 value;
};

/**
 * struct dmademo_wait - ioctl(DMADEMO_IOC_WAIT), wait for one transfer
 * @size: In: sizeof(struct dmademo_wait).
 * @flags: In: 0.
 * @cookie: In: dmademo_run.cookie, 1 or more.
 * @timeout_ns: In: how long, in nanoseconds; 0 does not wait, and 2^63 - 1
 *	or more waits for ever.
 * @status: Out: of the transfer, as in struct dmademo_completion.
 * @value: Out: as in struct dmademo_run.
 *
 * Returns its completion, which read() then does not.  What is output only may
 * be anything on input.
 *
 * Errors: -EINVAL if @flags is not 0; -ENOENT if @cookie names no transfer of this
 * file, or its completion was returned already; -ETIMEDOUT; -EINTR if a signal
 * came.
 */
struct dmademo_wait {
	__u32 size;
	__u32 flags;
	__aligned_u64 cookie;
	__aligned_u64 timeout_ns;
	__s32 status;
	__u32 value;
};

#define DMADEMO_IOC_WAIT	_IO(DMADEMO_IOC_TYPE, 0x04)

/**
 * enum dmademo_sync_flags - dmademo_sync.flags
 * @DMADEMO_SYNC_FOR_CPU: the CPU is to see what the device wrote
 * @DMADEMO_SYNC_FOR_DEVICE: the device is to see what the CPU wrote
 */
enum dmademo_sync_flags {
	DMADEMO_SYNC_FOR_CPU	= 1U << 0,
	DMADEMO_SYNC_FOR_DEVICE	= 1U << 1,
};

/**
 * struct dmademo_sync - ioctl(DMADEMO_IOC_SYNC), hand over a part of a buffer
 * @size: In: sizeof(struct dmademo_sync).
 * @flags: In: one of enum dmademo_sync_flags.
 * @handle: In: the buffer.
 * @__reserved: In: 0.
 * @offset: In: first byte, in bytes from the start of the buffer, less than
 *	dmademo_alloc.bytes_held.
 * @length: In: bytes, 1 or more; must not go past dmademo_alloc.bytes_held.
 *
 * Needed with DMADEMO_ALLOC_CACHED on a device that is not coherent, after the
 * CPU wrote and before the device reads or writes, and after the device wrote
 * and before the CPU reads.  Does nothing where it is not needed.
 *
 * Errors: -EINVAL if not exactly one flag is set, @__reserved is not 0 or @length
 * is; -ENOENT if @handle names no buffer of this file; -ERANGE if the range goes
 * past the end; -EOPNOTSUPP for any other range of an imported buffer, which has
 * DMA_BUF_IOCTL_SYNC.
 */
struct dmademo_sync {
	__u32 size;
	__u32 flags;
	__u32 handle;
	__u32 __reserved;
	__aligned_u64 offset;
	__aligned_u64 length;
};

#define DMADEMO_IOC_SYNC	_IO(DMADEMO_IOC_TYPE, 0x05)

/**
 * struct dmademo_export - ioctl(DMADEMO_IOC_EXPORT), make a buffer a dma-buf
 * @size: In: sizeof(struct dmademo_export).
 * @handle: In: the buffer.
 * @fd_flags: In: O_CLOEXEC, and O_RDONLY, O_WRONLY or O_RDWR.
 * @fd: Out: file descriptor of the dma-buf, 0 or more.
 *
 * The dma-buf keeps the memory, even after the device is unbound; it can be
 * mapped until then only.  @fd may be anything on input.
 *
 * Errors: -EINVAL if @fd_flags has others; -ENOENT if @handle names no buffer of
 * this file; -EOPNOTSUPP if the device lacks DMADEMO_INFO_EXPORT, or is not
 * coherent and the buffer lacks DMADEMO_ALLOC_CACHED, or the buffer was
 * imported; -EMFILE or -ENFILE if the process, or the system, has no descriptor
 * left; -ENOMEM.
 */
struct dmademo_export {
	__u32 size;
	__u32 handle;
	__u32 fd_flags;
	__s32 fd;
};

#define DMADEMO_IOC_EXPORT	_IO(DMADEMO_IOC_TYPE, 0x06)

/**
 * struct dmademo_import - ioctl(DMADEMO_IOC_IMPORT), take a dma-buf as a buffer
 * @size: In: sizeof(struct dmademo_import).
 * @flags: In: 0.
 * @bytes_held: Out: bytes that the buffer holds, a multiple of the page size.
 * @fd: In: file descriptor of the dma-buf, 0 or more.
 * @handle: Out: names it in DMADEMO_IOC_RUN and DMADEMO_IOC_FREE.
 *
 * To map it, map the dma-buf.  What is output only may be anything on input.
 *
 * Errors: -EINVAL if @flags is not 0, @fd is no dma-buf, or it has more bytes than
 * dmademo_info.max_bytes, or less memory than it says; -EBADF if @fd is no
 * file; -ENOSPC if the file has no handle left; -ENOMEM; -EINTR if a signal
 * came; and those of the exporter.
 */
struct dmademo_import {
	__u32 size;
	__u32 flags;
	__aligned_u64 bytes_held;
	__s32 fd;
	__u32 handle;
};

#define DMADEMO_IOC_IMPORT	_IO(DMADEMO_IOC_TYPE, 0x07)

#endif /* _UAPI_LINUX_DMADEMO_H */
