// SPDX-License-Identifier: GPL-2.0
/*
 * Drivers that map DMA buffers into user space, each in its own way: UIO, usbfs and
 * ALSA (camera_test.c has V4L2).  The mapping has to show the memory that the device
 * sees.  On the custom DMA ops it can be pinned, stays until its last user is gone, and
 * the memory is freed then.  The UIO driver attaches them itself, the others are
 * unmodified, and have them with CUSTOM=1 in the environment.
 *
 * In the environment DISK names a block device whose first 16 MiB may be overwritten,
 * USBFS a USB disk, and USB and SOUND the devices of its controller and of the card.
 */
#define _GNU_SOURCE
#include <sys/ioctl.h>

#include <linux/usbdevice_fs.h>
#include <sound/asound.h>

#include "kselftest_harness.h"
#include "mappings.h"

#define ROUNDS 20 /* of memory that goes and comes */

/* Map 1 begins with its own first page, though its offset is that of the second. */
TEST(uio)
{
	/* The last one is more than the page allocator's largest block. */
	static const size_t sizes[] = { 64 * KIB, 2 * MIB + 64 * KIB, 16 * MIB };
	unsigned char *p[ARRAY_LEN(sizes)];
	size_t i;
	int fd;

	set_up();
	fd = open("/dev/uio0", O_RDWR);
	ASSERT_LE(0, fd);
	ASSERT_EQ(3, buffers("uio_dmem_genirq"));
	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		p[i] = mmap(NULL, sizes[i], PROT_READ | PROT_WRITE, MAP_SHARED,
			    fd, i * page_size);
		ASSERT_NE(MAP_FAILED, p[i]);
		EXPECT_TRUE(is_contiguous(p[i], sizes[i]));
		number(p[i], sizes[i], i << 32);
	}
	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		/* The buffer from its first byte: all of it is aligned. */
		if (sizes[i] >= 2 * MIB)
			EXPECT_EQ(0, pfn_of(p[i]) % (2 * MIB / page_size));
		EXPECT_TRUE(is_numbered(p[i], sizes[i], i << 32));
		EXPECT_TRUE(child_sees(p[i], sizes[i], i << 32));
		EXPECT_EQ(0, to_disk(p[i], sizes[i]));
	}
	/* Each mapping has the file, and this the buffers. */
	close(fd);
	EXPECT_TRUE(is_numbered(p[1], sizes[1], 1ULL << 32));
	ASSERT_EQ(0, munmap(p[0], sizes[0]));
	ASSERT_EQ(0, munmap(p[1] + 64 * KIB, 64 * KIB));
	ASSERT_EQ(0, munmap(p[2], sizes[2]));
	EXPECT_EQ(3, buffers("uio_dmem_genirq"));
	ASSERT_EQ(0, munmap(p[1], 64 * KIB));
	ASSERT_EQ(0, munmap(p[1] + 128 * KIB, sizes[1] - 128 * KIB));
	EXPECT_EQ(0, buffers("uio_dmem_genirq"));
}

#define BULK_IN 0x81
#define BULK_OUT 0x02
#define INQUIRY_LENGTH 36

/* QEMU's disk, whose interface number 0 has one way in and one way out. */
static int open_usb_disk(void)
{
	const char *path = getenv("USBFS");
	unsigned int zero = 0;
	int fd = path ? open(path, O_RDWR) : -1;

	if (fd >= 0 && ioctl(fd, USBDEVFS_CLAIMINTERFACE, &zero)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Bytes that went in or out, or a negative errno. */
static int bulk(int fd, int endpoint, void *buffer, int length)
{
	struct usbdevfs_urb urb = {
		.type = USBDEVFS_URB_TYPE_BULK,
		.endpoint = endpoint,
		.buffer = buffer,
		.buffer_length = length,
	}, *done;

	if (ioctl(fd, USBDEVFS_SUBMITURB, &urb) ||
	    ioctl(fd, USBDEVFS_REAPURB, &done))
		return -errno;
	return done->status ?: done->actual_length;
}

/* usbfs allocates in mmap(), and sets VM_IO and vm_ops after dma_mmap_coherent(). */
TEST(usbfs)
{
	/* An INQUIRY to a disk. */
	static const unsigned char command[31] = {
		'U', 'S', 'B', 'C', 1, 2, 3, 4, INQUIRY_LENGTH, 0, 0, 0, 0x80,
		0, 6, 0x12, 0, 0, 0, INQUIRY_LENGTH,
	};
	const size_t size = 2 * MIB + 3 * 4096;
	const char *device = getenv("USB");
	int fd, before;
	unsigned char *p;

	set_up();
	fd = open_usb_disk();
	ASSERT_LE(0, fd);
	ASSERT_NE(NULL, device);
	before = buffers(device);
	ASSERT_EQ(custom, before >= 0);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(custom ? before + 1 : -1, buffers(device));
	EXPECT_TRUE(is_contiguous(p, size));

	/* The device reads and writes the mapping's memory. */
	memcpy(p + MIB, command, sizeof(command));
	EXPECT_EQ((int)sizeof(command),
		  bulk(fd, BULK_OUT, p + MIB, sizeof(command)));
	EXPECT_EQ(INQUIRY_LENGTH,
		  bulk(fd, BULK_IN, p + 2 * MIB + 100, INQUIRY_LENGTH));
	EXPECT_EQ(0, memcmp(p + 2 * MIB + 108, "QEMU", 4));
	EXPECT_EQ(13, bulk(fd, BULK_IN, p, 13));
	EXPECT_EQ(0, memcmp(p, "USBS\1\2\3\4", 8));

	number(p, size, 0);
	EXPECT_EQ(custom ? 0 : -EFAULT, to_disk(p, MIB));
	EXPECT_TRUE(child_sees(p, size, 0));
	close(fd);
	EXPECT_TRUE(is_numbered(p, size, 0));
	ASSERT_EQ(0, munmap(p, size - 4096));
	EXPECT_EQ(custom ? before + 1 : -1, buffers(device));
	EXPECT_TRUE(is_numbered(p + size - 4096, 4096, (size - 4096) / 8));
	ASSERT_EQ(0, munmap(p + size - 4096, 4096));
	EXPECT_EQ(before, buffers(device));
}

/* Writes a word to a file in sysfs; returns 0 or -errno. */
static int write_word(const char *path, const char *word)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, word, strlen(word)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/*
 * Takes blocks of movable memory offline and online again, ROUNDS times; returns 0 or
 * what went wrong.  With half of 1 GiB movable these are the lowest that are; in the
 * highest there is what the firmware has left.
 */
static int change_memory(void)
{
	char path[] = "/sys/devices/system/memory/memoryX/state";
	char *block = strchr(path, 'X');
	int rounds = 0, tries, ret = 0;

	for (tries = 0; rounds < ROUNDS && tries < 100 * ROUNDS; tries++) {
		*block = tries % 2 ? '5' : '4';
		ret = write_word(path, "offline");
		if (ret)
			continue;
		rounds++;
		ret = write_word(path, "online_movable");
		if (ret)
			break;
	}
	printf("# blocks of memory taken offline: %d of %d tries\n", rounds, tries);
	return rounds < ROUNDS ? ret : 0;
}

FIXTURE(hotplug) {};

FIXTURE_SETUP(hotplug)
{
	set_up();
}

FIXTURE_TEARDOWN(hotplug)
{
	write_word("/sys/kernel/mm/ksm/run", "0");
}

/*
 * A memory notifier of KSM's waits for who holds the mmap lock of a process.  A
 * driver that allocates in mmap(), and so with that lock held, must not wait for
 * memory hotplug.
 */
TEST_F_TIMEOUT(hotplug, usbfs_beside_ksm_and_memory_hotplug, 300)
{
	const size_t size = 6 * MIB, merged = 4 * MIB;
	int fd, mapped = 0, tries = 0, status;
	pid_t pid;
	char *p;

	if (!custom)
		SKIP(return, "dma-direct has no buffer of that size");
	fd = open_usb_disk();
	ASSERT_LE(0, fd);
	p = mmap(NULL, merged, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, madvise(p, merged, MADV_MERGEABLE));
	ASSERT_EQ(0, write_word("/sys/kernel/mm/ksm/sleep_millisecs", "0"));
	ASSERT_EQ(0, write_word("/sys/kernel/mm/ksm/run", "1"));

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(-change_memory());
	while (!waitpid(pid, &status, WNOHANG)) {
		void *q = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			       fd, 0);

		memset(p, tries++, merged);
		/* What is just being moved away may be what is missing. */
		if (q == MAP_FAILED)
			continue;
		mapped++;
		ASSERT_EQ(0, munmap(q, size));
	}
	EXPECT_EQ(0, status);
	TH_LOG("buffers mapped: %d of %d", mapped, tries);
	EXPECT_LT(tries / 2, mapped);
	close(fd);
}

static void set_interval(struct snd_pcm_hw_params *params, int what,
			 unsigned int value)
{
	params->intervals[what - SNDRV_PCM_HW_PARAM_FIRST_INTERVAL] =
		(struct snd_interval){ .min = value, .max = value,
				       .integer = 1 };
}

static void set_mask(struct snd_pcm_hw_params *params, int what,
		     unsigned int value)
{
	struct snd_mask *mask =
		&params->masks[what - SNDRV_PCM_HW_PARAM_FIRST_MASK];

	memset(mask, 0, sizeof(*mask));
	mask->bits[value / 32] = 1U << value % 32;
}

/* ALSA has vm_ops before it calls dma_mmap_coherent(). */
TEST(alsa)
{
	const unsigned int channels = 2, bytes = 2, periods = 4, frames = 4096;
	const size_t size = periods * frames * channels * bytes;
	struct snd_pcm_hw_params params;
	struct snd_pcm_sync_ptr sync = {
		.flags = SNDRV_PCM_SYNC_PTR_APPL | SNDRV_PCM_SYNC_PTR_HWSYNC,
	};
	const char *device = getenv("SOUND");
	unsigned char *p;
	int fd, i;

	set_up();
	fd = open("/dev/snd/pcmC0D0p", O_RDWR);
	ASSERT_LE(0, fd);
	ASSERT_NE(NULL, device);
	memset(&params, 0xff, sizeof(params));
	params.flags = 0;
	params.info = 0;
	for (i = 0; i < (int)ARRAY_LEN(params.intervals); i++)
		params.intervals[i] = (struct snd_interval){ .max = ~0U };
	set_mask(&params, SNDRV_PCM_HW_PARAM_ACCESS,
		 (unsigned int)SNDRV_PCM_ACCESS_MMAP_INTERLEAVED);
	set_mask(&params, SNDRV_PCM_HW_PARAM_FORMAT,
		 (unsigned int)SNDRV_PCM_FORMAT_S16_LE);
	set_interval(&params, SNDRV_PCM_HW_PARAM_CHANNELS, channels);
	set_interval(&params, SNDRV_PCM_HW_PARAM_RATE, 48000);
	set_interval(&params, SNDRV_PCM_HW_PARAM_PERIODS, periods);
	set_interval(&params, SNDRV_PCM_HW_PARAM_PERIOD_SIZE, frames);
	ASSERT_EQ(0, ioctl(fd, SNDRV_PCM_IOCTL_HW_PARAMS, &params));
	ASSERT_EQ(custom, buffers(device) > 0);

	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		 SNDRV_PCM_MMAP_OFFSET_DATA);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_TRUE(is_contiguous(p, size));
	number(p, size, 0);
	EXPECT_EQ(custom ? 0 : -EFAULT, to_disk(p, size));
	EXPECT_TRUE(child_sees(p, size, 0));

	/* It plays: the card has read what was mapped. */
	ASSERT_EQ(0, ioctl(fd, SNDRV_PCM_IOCTL_PREPARE));
	sync.c.control.appl_ptr = periods * frames;
	sync.flags = 0;
	ASSERT_EQ(0, ioctl(fd, SNDRV_PCM_IOCTL_SYNC_PTR, &sync));
	ASSERT_EQ(0, ioctl(fd, SNDRV_PCM_IOCTL_START));
	for (i = 0; i < 600; i++) {
		sync.flags = SNDRV_PCM_SYNC_PTR_HWSYNC |
			     SNDRV_PCM_SYNC_PTR_APPL;
		if (ioctl(fd, SNDRV_PCM_IOCTL_SYNC_PTR, &sync) ||
		    sync.s.status.hw_ptr >= (unsigned long)frames ||
		    sync.s.status.state != SNDRV_PCM_STATE_RUNNING)
			break;
		usleep(100000);
	}
	EXPECT_GT(600, i);
	ASSERT_EQ(0, ioctl(fd, SNDRV_PCM_IOCTL_DROP));

	/* Not freed while it is mapped. */
	EXPECT_EQ(-1, ioctl(fd, SNDRV_PCM_IOCTL_HW_FREE));
	ASSERT_EQ(0, munmap(p, size));
	EXPECT_EQ(0, ioctl(fd, SNDRV_PCM_IOCTL_HW_FREE));
	close(fd);
}

TEST_HARNESS_MAIN
