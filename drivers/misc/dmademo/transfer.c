// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA demo device: transfers, from the call to the completion.
 *
 * A transfer belongs to the file that it was asked for on.  It is in the file's
 * list of pending ones, and the engine has its descriptor, until the interrupt
 * handler takes it back.
 */
#include <linux/capability.h>
#include <linux/interrupt.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "dmademo.h"

/**
 * struct dmademo_side - one side of a transfer
 * @buf: A buffer, or
 * @user: user memory, or neither.
 */
struct dmademo_side {
	struct dmademo_buffer	*buf;
	struct dmademo_user	*user;
};

/**
 * struct dmademo_transfer - one transfer
 * @node: In one of the file's lists.
 * @df: The file.
 * @desc: What the engine has.
 * @src: What it reads.
 * @dst: What it writes.
 * @cookie: Its name.
 * @async: Its completion is kept for user space.
 * @done: It is completed.
 * @claimed: Somebody is telling user space; it stays in the list until that is
 *	known to have worked.
 */
struct dmademo_transfer {
	struct list_head	node;
	struct dmademo_file	*df;
	struct dmademo_desc	desc;
	struct dmademo_side	src;
	struct dmademo_side	dst;
	u64			cookie;
	bool			async;
	bool			done;
	bool			claimed;
};

static void dmademo_side_put(struct dmademo_side *side, bool written)
{
	if (side->user)
		dmademo_user_release(side->user, written);
	dmademo_buffer_put(side->buf);
}

/* Pins user memory, if it is that; the device is not entered. */
static int dmademo_side_pin(struct dmademo_side *side, u64 addr, size_t length,
			    bool is_user, bool write)
{
	struct dmademo_user *user;

	if (!is_user)
		return 0;
	if (addr > ULONG_MAX - (length - 1))
		return -EFAULT;
	user = dmademo_user_pin(addr, length, write);
	if (IS_ERR(user))
		return PTR_ERR(user);
	side->user = user;
	return 0;
}

/* Makes one side of a transfer ready for the engine; the device is entered. */
static int dmademo_side_map(struct dmademo_file *df, struct dmademo_side *side,
			    u32 handle, u64 offset, size_t length, bool is_bus,
			    struct dmademo_seg **segs, unsigned int *nr)
{
	const struct dmademo_memory *mem;
	int ret;

	if (is_bus) {
		*segs = kvmalloc_array(1, sizeof(**segs), GFP_KERNEL_ACCOUNT);
		if (!*segs)
			return -ENOMEM;
		**segs = (struct dmademo_seg){ offset, length };
		*nr = 1;
		return (*segs)->addr == offset ? 0 : -EINVAL;
	}
	if (side->user) {
		ret = dmademo_user_map(side->user, df->dd);
		if (ret)
			return ret;
		mem = dmademo_user_memory(side->user);
		offset = 0;
	} else {
		side->buf = dmademo_buffer_get(df, handle);
		if (!side->buf)
			return -ENOENT;
		if (offset >= side->buf->size ||
		    length > side->buf->size - offset)
			return -ERANGE;
		mem = &side->buf->mem;
	}
	*segs = dmademo_slice(mem, offset, length, nr);
	return *segs ? 0 : -ENOMEM;
}

static void dmademo_transfer_free(struct dmademo_transfer *t)
{
	kvfree(t->desc.src);
	kvfree(t->desc.dst);
	kfree(t);
}

static void dmademo_transfer_abandon(struct dmademo_transfer *t)
{
	dmademo_side_put(&t->dst, false);
	dmademo_side_put(&t->src, false);
	dmademo_transfer_free(t);
}

/* All that can be done without the device. */
static struct dmademo_transfer *dmademo_transfer_new(struct dmademo_file *df,
						     const struct dmademo_run *arg)
{
	struct dmademo_transfer *t = kzalloc_obj(*t, GFP_KERNEL_ACCOUNT);
	int ret;

	if (!t)
		return ERR_PTR(-ENOMEM);
	t->df = df;
	t->async = arg->flags & DMADEMO_RUN_ASYNC;
	t->desc.op = arg->op;
	t->desc.length = arg->length;
	t->desc.value = arg->value;
	ret = dmademo_side_pin(&t->src, arg->src_offset, arg->length,
			       arg->flags & DMADEMO_RUN_SRC_USER, false);
	if (!ret)
		ret = dmademo_side_pin(&t->dst, arg->dst_offset, arg->length,
				       arg->flags & DMADEMO_RUN_DST_USER, true);
	if (ret) {
		dmademo_transfer_abandon(t);
		return ERR_PTR(ret);
	}
	return t;
}

static int dmademo_transfer_map(struct dmademo_transfer *t,
				const struct dmademo_run *arg)
{
	int ret = 0;

	if (dmademo_op_reads(arg->op))
		ret = dmademo_side_map(t->df, &t->src, arg->src,
				       arg->src_offset, arg->length,
				       arg->flags & DMADEMO_RUN_SRC_BUS,
				       &t->desc.src, &t->desc.nr_src);
	if (!ret && dmademo_op_writes(arg->op))
		ret = dmademo_side_map(t->df, &t->dst, arg->dst,
				       arg->dst_offset, arg->length,
				       arg->flags & DMADEMO_RUN_DST_BUS,
				       &t->desc.dst, &t->desc.nr_dst);
	return ret;
}

/*
 * Hands a transfer to the engine; the device is entered.  If it is asynchronous,
 * it may be gone afterwards.
 */
static int dmademo_transfer_submit(struct dmademo_transfer *t, u64 *cookie)
{
	struct dmademo_file *df = t->df;
	struct dmademo *dd = df->dd;

	scoped_guard(spinlock, &df->lock) {
		if (df->nr_transfers == DMADEMO_MAX_TRANSFERS)
			return -EAGAIN;
		df->nr_transfers++;
		t->cookie = ++df->last_cookie;
		if (t->async)
			*cookie = t->cookie;
		list_add_tail(&t->node, &df->pending);
	}
	atomic_inc(&dd->nr_transfers);
	dmademo_engine_submit(&dd->engine, &t->desc);
	return 0;
}

/* The engine is done with it: takes back what it had. */
static void dmademo_transfer_done(struct dmademo_transfer *t)
{
	struct dmademo_file *df = t->df;
	struct dmademo *dd = df->dd;

	dmademo_side_put(&t->dst, true);
	dmademo_side_put(&t->src, false);
	scoped_guard(spinlock, &df->lock) {
		t->done = true;
		if (t->async)
			list_move_tail(&t->node, &df->completed);
		else
			list_del(&t->node);
		/* The file, and with it @t, may go as soon as this is unlocked. */
		wake_up_all(&df->wait);
	}
	if (atomic_dec_and_test(&dd->nr_transfers))
		wake_up_all(&dd->idle);
}

/* Nothing to do before it is known which transfers are done. */
static irqreturn_t dmademo_irq(int irq, void *data)
{
	return IRQ_WAKE_THREAD;
}

/* To unmap and to unpin memory may sleep. */
static irqreturn_t dmademo_irq_thread(int irq, void *data)
{
	struct dmademo *dd = data;
	struct dmademo_desc *desc, *next;
	LIST_HEAD(finished);

	dmademo_engine_fetch(&dd->engine, &finished);
	list_for_each_entry_safe(desc, next, &finished, node)
		dmademo_transfer_done(container_of(desc,
						   struct dmademo_transfer,
						   desc));
	return IRQ_HANDLED;
}

int dmademo_request_irq(struct dmademo *dd)
{
	return devm_request_threaded_irq(dd->dev, dd->engine.irq, dmademo_irq,
					 dmademo_irq_thread, 0,
					 dev_name(dd->dev), dd);
}

static bool dmademo_transfer_is_done(struct dmademo_transfer *t)
{
	guard(spinlock)(&t->df->lock);
	return t->done;
}

/* Waits for a transfer that nobody else waits for, and frees it. */
static int dmademo_transfer_wait(struct dmademo_transfer *t, u32 *value)
{
	struct dmademo_file *df = t->df;
	int ret, idx;

	ret = wait_event_interruptible(df->wait, dmademo_transfer_is_done(t));
	if (ret) {
		/* If the device is gone, it is stopped, or about to be. */
		if (dmademo_enter(df->dd, &idx)) {
			dmademo_engine_stop(&df->dd->engine, &t->desc,
					    -ECANCELED);
			dmademo_exit(idx);
		}
		wait_event(df->wait, dmademo_transfer_is_done(t));
	}
	ret = t->desc.status == -ECANCELED ? -EINTR : t->desc.status;
	*value = t->desc.value;
	scoped_guard(spinlock, &df->lock)
		df->nr_transfers--;
	dmademo_transfer_free(t);
	return ret;
}

/**
 * dmademo_run - do a transfer, or start it
 * @df: the file
 * @arg: what to do; value and cookie are output
 *
 * Return: as DMADEMO_IOC_RUN.
 */
int dmademo_run(struct dmademo_file *df, struct dmademo_run *arg)
{
	struct dmademo_transfer *t;
	int ret, idx;

	ret = dmademo_run_check(arg);
	if (ret)
		return ret;
	if (arg->flags & (DMADEMO_RUN_SRC_BUS | DMADEMO_RUN_DST_BUS) &&
	    !capable(CAP_SYS_RAWIO))
		return -EPERM;

	t = dmademo_transfer_new(df, arg);
	if (IS_ERR(t))
		return PTR_ERR(t);
	if (!dmademo_enter(df->dd, &idx)) {
		dmademo_transfer_abandon(t);
		return -ENODEV;
	}
	ret = dmademo_transfer_map(t, arg);
	if (!ret)
		ret = dmademo_transfer_submit(t, &arg->cookie);
	if (ret)
		dmademo_transfer_abandon(t);
	dmademo_exit(idx);
	if (ret || arg->flags & DMADEMO_RUN_ASYNC)
		return ret;
	return dmademo_transfer_wait(t, &arg->value);
}

static bool dmademo_is_idle(struct dmademo_file *df)
{
	guard(spinlock)(&df->lock);
	return list_empty(&df->pending);
}

/* There will be no more completions. */
bool dmademo_is_over(struct dmademo_file *df)
{
	guard(spinlock)(&df->lock);
	return READ_ONCE(df->dd->ended) && list_empty(&df->completed);
}

/* The first of them, or the one with that cookie, that nobody is at. */
static struct dmademo_transfer *dmademo_find_completed(struct dmademo_file *df,
						       u64 cookie)
{
	struct dmademo_transfer *t;

	list_for_each_entry(t, &df->completed, node)
		if (!t->claimed && (!cookie || t->cookie == cookie))
			return t;
	return NULL;
}

bool dmademo_has_completions(struct dmademo_file *df)
{
	guard(spinlock)(&df->lock);
	return dmademo_find_completed(df, 0);
}

static struct dmademo_transfer *dmademo_find_pending(struct dmademo_file *df,
						     u64 cookie)
{
	struct dmademo_transfer *t;

	list_for_each_entry(t, &df->pending, node)
		if (t->cookie == cookie)
			return t;
	return NULL;
}

/* -ENOENT, or 0 with a completed transfer for the caller, or NULL. */
static int dmademo_claim(struct dmademo_file *df, u64 cookie,
			 struct dmademo_transfer **found)
{
	struct dmademo_transfer *t;

	guard(spinlock)(&df->lock);
	t = dmademo_find_completed(df, cookie);
	*found = t;
	if (t) {
		t->claimed = true;
		return 0;
	}
	t = dmademo_find_pending(df, cookie);
	if (t)
		return t->async ? 0 : -ENOENT;
	/* Somebody else may not succeed. */
	list_for_each_entry(t, &df->completed, node)
		if (t->cookie == cookie)
			return 0;
	return -ENOENT;
}

/**
 * dmademo_claim_finish - user space was told of a completion
 * @t: the transfer that it is of
 * @error: an error if it could not be told; the completion stays then
 */
void dmademo_claim_finish(struct dmademo_transfer *t, int error)
{
	struct dmademo_file *df = t->df;

	scoped_guard(spinlock, &df->lock) {
		if (error) {
			t->claimed = false;
		} else {
			list_del(&t->node);
			df->nr_transfers--;
		}
		/* Also those who wait for it in vain. */
		wake_up_all(&df->wait);
	}
	if (!error)
		dmademo_transfer_free(t);
}

static bool dmademo_wait_is_over(struct dmademo_file *df, u64 cookie,
				 struct dmademo_transfer **found, int *error)
{
	*error = dmademo_claim(df, cookie, found);
	return *error || *found;
}

/**
 * dmademo_wait - wait for the completion of one transfer
 * @df: the file
 * @arg: which, and how long; status and value are output
 * @found: the transfer, for dmademo_claim_finish()
 *
 * Return: 0, -ENOENT, -ETIMEDOUT or -EINTR.
 */
int dmademo_wait(struct dmademo_file *df, struct dmademo_wait *arg,
		 struct dmademo_transfer **found)
{
	const ktime_t timeout = ns_to_ktime(min_t(u64, arg->timeout_ns,
						  KTIME_MAX));
	int err, ret = -ETIME;

	if (!arg->cookie)
		return -ENOENT;
	if (!dmademo_wait_is_over(df, arg->cookie, found, &err) && timeout)
		ret = wait_event_interruptible_hrtimeout(df->wait,
							 dmademo_wait_is_over(df, arg->cookie,
									      found, &err),
							 timeout);
	if (err)
		return err;
	if (!*found)
		return ret == -ETIME ? -ETIMEDOUT : -EINTR;
	arg->status = (*found)->desc.status;
	arg->value = (*found)->desc.value;
	return 0;
}

/**
 * dmademo_completion_read - give the oldest completion to user space
 * @df: the file
 * @to: where to
 *
 * Return: 1 if it was given, 0 if there is none, or -EFAULT, in which case it
 * stays.
 */
int dmademo_completion_read(struct dmademo_file *df, char __user *to)
{
	struct dmademo_completion completion;
	struct dmademo_transfer *t;
	int ret = 0;

	dmademo_claim(df, 0, &t);
	if (!t)
		return 0;
	completion = (struct dmademo_completion){
		.cookie	= t->cookie,
		.status	= t->desc.status,
		.value	= t->desc.value,
	};
	if (copy_to_user(to, &completion, sizeof(completion)))
		ret = -EFAULT;
	dmademo_claim_finish(t, ret);
	return ret ?: 1;
}

/* Stops all that is under way.  The caller holds the file's lock. */
static void dmademo_file_stop(struct dmademo_file *df, int error)
{
	struct dmademo_transfer *t;

	list_for_each_entry(t, &df->pending, node)
		dmademo_engine_stop(&df->dd->engine, &t->desc, error);
}

static bool dmademo_is_pending(struct dmademo_file *df, u64 cookie)
{
	guard(spinlock)(&df->lock);
	return dmademo_find_pending(df, cookie);
}

/**
 * dmademo_transfer_discard - cancel a transfer whose cookie nobody knows
 * @df: the file
 * @cookie: the cookie; may be guessed, and waited for, all the same
 */
void dmademo_transfer_discard(struct dmademo_file *df, u64 cookie)
{
	struct dmademo_transfer *t;
	int idx;

	/* If the device is gone, it is stopped, or about to be. */
	if (dmademo_enter(df->dd, &idx)) {
		scoped_guard(spinlock, &df->lock) {
			t = dmademo_find_pending(df, cookie);
			if (t)
				dmademo_engine_stop(&df->dd->engine, &t->desc,
						    -ECANCELED);
		}
		dmademo_exit(idx);
	}
	wait_event(df->wait, !dmademo_is_pending(df, cookie));
	dmademo_claim(df, cookie, &t);
	if (t)
		dmademo_claim_finish(t, 0);
}

/**
 * dmademo_transfers_cancel - cancel all of a file that nobody uses any more
 * @df: the file
 */
void dmademo_transfers_cancel(struct dmademo_file *df)
{
	struct dmademo_transfer *t, *next;
	int idx;

	if (dmademo_enter(df->dd, &idx)) {
		scoped_guard(spinlock, &df->lock)
			dmademo_file_stop(df, -ECANCELED);
		dmademo_exit(idx);
	}
	wait_event(df->wait, dmademo_is_idle(df));
	list_for_each_entry_safe(t, next, &df->completed, node)
		dmademo_transfer_free(t);
}

/**
 * dmademo_transfers_stop - end all transfers of a device
 * @dd: the device, which gets no more
 */
void dmademo_transfers_stop(struct dmademo *dd)
{
	struct dmademo_file *df;

	scoped_guard(mutex, &dd->lock)
		list_for_each_entry(df, &dd->files, node)
			scoped_guard(spinlock, &df->lock)
				dmademo_file_stop(df, -ENODEV);
	wait_event(dd->idle, !atomic_read(&dd->nr_transfers));
	dmademo_engine_quiesce(&dd->engine);
}
