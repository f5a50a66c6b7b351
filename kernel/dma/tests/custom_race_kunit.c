// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the custom DMA ops: two threads at the same time, on two CPUs if there
 * are two.  Those of user space race with each other in
 * tools/testing/selftests/dmademo/dmademo_race_test.c.
 */
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/scatterlist.h>

#include "custom_kunit.h"

static unsigned int rounds = 500;
module_param(rounds, uint, 0444);
MODULE_PARM_DESC(rounds, "rounds of each race (default 500)");

/* A thread, and what it works on. */
struct racer {
	int			(*run)(void *racer);
	struct device		*dev;
	size_t			size;
	dma_addr_t		dma_addr;	/* of the last buffer, which may be gone */
	struct racer		*other;
	unsigned int		wrong;
	bool			done;
	struct completion	over;
};

static bool has_only(const void *p, unsigned char value, size_t size)
{
	return !memchr_inv(p, value, size);
}

/* A buffer is zeroed, and nobody else writes to it. */
static void alloc_and_free(struct racer *racer, unsigned char value)
{
	dma_addr_t dma_addr;
	void *cpu_addr = dma_alloc_attrs(racer->dev, racer->size, &dma_addr, GFP_KERNEL, 0);

	if (!cpu_addr || !has_only(cpu_addr, 0, racer->size))
		racer->wrong++;
	if (!cpu_addr)
		return;
	memset(cpu_addr, value, racer->size);
	WRITE_ONCE(racer->dma_addr, dma_addr);
	cond_resched();
	if (!has_only(cpu_addr, value, racer->size))
		racer->wrong++;
	dma_free_attrs(racer->dev, racer->size, cpu_addr, dma_addr, 0);
}

static int frees(void *data)
{
	struct racer *racer = data;
	unsigned int i;

	for (i = 0; i < rounds; i++)
		alloc_and_free(racer, i);
	WRITE_ONCE(racer->done, true);
	kthread_complete_and_exit(&racer->over, 0);
}

/* After each round the device is as it was. */
static int attaches_and_detaches(void *data)
{
	struct racer *racer = data;
	unsigned int i;

	for (i = 0; i < rounds; i++) {
		if (dma_custom_attach(racer->dev, NULL) || !dma_custom_attached(racer->dev))
			racer->wrong++;
		alloc_and_free(racer, i);
		dma_custom_detach(racer->dev);
		if (dma_custom_attached(racer->dev) || get_dma_ops(racer->dev))
			racer->wrong++;
	}
	kthread_complete_and_exit(&racer->over, 0);
}

/* It gets the pages that the address stands for, whether the buffer is there or was. */
static int gets_sgtables(void *data)
{
	struct racer *racer = data;
	struct sg_table sgt;
	dma_addr_t dma_addr;

	while (!READ_ONCE(racer->other->done)) {
		cond_resched();
		dma_addr = READ_ONCE(racer->other->dma_addr);
		if (!dma_addr)
			continue;
		if (dma_get_sgtable(racer->dev, &sgt, NULL, dma_addr, racer->size)) {
			racer->wrong++;
			continue;
		}
		if (page_to_pfn(sg_page(sgt.sgl)) != custom_kunit_pfn(racer->dev, dma_addr) ||
		    sgt.sgl->length != racer->size)
			racer->wrong++;
		sg_free_table(&sgt);
	}
	kthread_complete_and_exit(&racer->over, 0);
}

/* On the first and the last CPU, which are two if there are. */
static void run_race(struct kunit *test, struct racer *racers)
{
	struct task_struct *tasks[2];
	int i;

	for (i = 0; i < 2; i++) {
		init_completion(&racers[i].over);
		racers[i].other = &racers[!i];
		tasks[i] = kthread_create(racers[i].run, &racers[i], "custom_race_%d", i);
		if (i && IS_ERR(tasks[i]))
			kthread_stop(tasks[0]);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, tasks[i]);
	}
	kthread_bind(tasks[0], cpumask_first(cpu_online_mask));
	kthread_bind(tasks[1], cpumask_last(cpu_online_mask));
	for (i = 0; i < 2; i++)
		wake_up_process(tasks[i]);
	for (i = 0; i < 2; i++)
		wait_for_completion(&racers[i].over);

	kunit_info(test, "%u rounds on %u CPUs", rounds, min(num_online_cpus(), 2U));
	KUNIT_EXPECT_EQ(test, 0, racers[0].wrong);
	KUNIT_EXPECT_EQ(test, 0, racers[1].wrong);
}

/* What is looked up may be freed meanwhile: KASAN would see that it was used. */
static void sgtable_races_with_free(struct kunit *test)
{
	struct device *dev = custom_kunit_device(test, NULL);
	struct racer racers[2] = {
		{ .run = frees, .dev = dev, .size = PAGE_SIZE },
		{ .run = gets_sgtables, .dev = dev, .size = PAGE_SIZE },
	};

	run_race(test, racers);
}

/* They share nothing but lists of the provider's. */
static void free_races_with_detach_of_another_device(struct kunit *test)
{
	struct device *dev = custom_kunit_device(test, NULL);
	struct racer racers[2] = {
		{ .run = frees, .dev = dev, .size = 3 * PAGE_SIZE },
		{ .run = attaches_and_detaches, .size = 3 * PAGE_SIZE },
	};

	racers[1].dev = custom_kunit_plain_device(test, "other");
	run_race(test, racers);
}

static void attach_races_with_detach(struct kunit *test)
{
	struct racer racers[2] = {
		{ .run = attaches_and_detaches, .size = PAGE_SIZE },
		{ .run = attaches_and_detaches, .size = PAGE_SIZE },
	};

	racers[0].dev = custom_kunit_plain_device(test, "dev");
	racers[1].dev = custom_kunit_plain_device(test, "other");
	run_race(test, racers);
}

static struct kunit_case custom_race_cases[] = {
	KUNIT_CASE_SLOW(sgtable_races_with_free),
	KUNIT_CASE_SLOW(free_races_with_detach_of_another_device),
	KUNIT_CASE_SLOW(attach_races_with_detach),
	{}
};

static struct kunit_suite custom_race_suite = {
	.name = "dma_custom_race",
	.test_cases = custom_race_cases,
};

kunit_test_suite(custom_race_suite);
