// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA demo device: what is wrong with the arguments of a call, whoever's it is.
 * Whether a handle is one of the file's, what the device can do and what there is
 * of memory is looked at later.
 *
 * All of them return 0 or -EINVAL.
 */
#include <linux/fcntl.h>
#include <linux/log2.h>
#include <linux/math.h>
#include <linux/overflow.h>

#include "dmademo.h"

int dmademo_info_check(const struct dmademo_info *arg)
{
	return arg->flags || arg->__reserved ? -EINVAL : 0;
}

int dmademo_alloc_check(const struct dmademo_alloc *arg)
{
	if (arg->flags & ~(DMADEMO_ALLOC_CACHED |
			   DMADEMO_ALLOC_WRITE_COMBINE) ||
	    (arg->flags & DMADEMO_ALLOC_CACHED &&
	     arg->flags & DMADEMO_ALLOC_WRITE_COMBINE) ||
	    arg->strategy > DMADEMO_STRATEGY_HUGE || !arg->bytes ||
	    arg->bytes > DMADEMO_MAX_BYTES)
		return -EINVAL;
	return 0;
}

#define RUN_SRC_FLAGS	(DMADEMO_RUN_SRC_USER | DMADEMO_RUN_SRC_BUS)
#define RUN_DST_FLAGS	(DMADEMO_RUN_DST_USER | DMADEMO_RUN_DST_BUS)
#define RUN_FLAGS	(DMADEMO_RUN_ASYNC | RUN_SRC_FLAGS | RUN_DST_FLAGS)

/* One side; @flags are the two that say that it is no buffer. */
static int dmademo_run_check_side(bool used, u32 handle, u64 offset, u64 length,
				  u32 flags)
{
	u64 last;

	if (!used)
		return handle || offset || flags ? -EINVAL : 0;
	if (!flags) /* handle and range are looked at later */
		return 0;
	if (handle || !is_power_of_2(flags) ||
	    check_add_overflow(offset, length - 1, &last))
		return -EINVAL;
	return 0;
}

int dmademo_run_check(const struct dmademo_run *arg)
{
	const u32 src_flags = arg->flags & RUN_SRC_FLAGS;
	const u32 dst_flags = arg->flags & RUN_DST_FLAGS;
	bool same;

	if (arg->cookie || arg->flags & ~RUN_FLAGS ||
	    arg->op > DMADEMO_OP_REVERSE ||
	    !arg->length || arg->length > DMADEMO_MAX_BYTES ||
	    arg->value > (arg->op == DMADEMO_OP_FILL ? U8_MAX : 0) ||
	    dmademo_run_check_side(dmademo_op_reads(arg->op), arg->src,
				   arg->src_offset, arg->length, src_flags) ||
	    dmademo_run_check_side(dmademo_op_writes(arg->op), arg->dst,
				   arg->dst_offset, arg->length, dst_flags))
		return -EINVAL;

	/* The flags of the two sides are neighbours. */
	same = src_flags << 1 == dst_flags && arg->src == arg->dst;
	if (dmademo_op_reads(arg->op) && dmademo_op_writes(arg->op) && same &&
	    abs_diff(arg->src_offset, arg->dst_offset) < arg->length)
		return -EINVAL;
	return 0;
}

int dmademo_wait_check(const struct dmademo_wait *arg)
{
	return arg->flags ? -EINVAL : 0;
}

int dmademo_sync_check(const struct dmademo_sync *arg)
{
	if ((arg->flags != DMADEMO_SYNC_FOR_CPU &&
	     arg->flags != DMADEMO_SYNC_FOR_DEVICE) ||
	    arg->__reserved || !arg->length)
		return -EINVAL;
	return 0;
}

int dmademo_export_check(const struct dmademo_export *arg)
{
	if (arg->fd_flags & ~(O_CLOEXEC | O_ACCMODE) ||
	    (arg->fd_flags & O_ACCMODE) == O_ACCMODE)
		return -EINVAL;
	return 0;
}

int dmademo_import_check(const struct dmademo_import *arg)
{
	return arg->flags ? -EINVAL : 0;
}
