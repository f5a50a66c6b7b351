// SPDX-License-Identifier: GPL-2.0
/*
 * The unmodified camera driver vivid on the custom DMA ops (CUSTOM=1 in the
 * environment) and on dma-direct: its own buffers, mapped into user space, and buffers
 * of the demo device, which is always on the custom DMA ops.
 *
 * In the environment DISK names a block device whose first MiB may be overwritten.
 * There have to be two cameras: vivid.n_devs=2 vivid.allocators=1,0
 */
#define _GNU_SOURCE
#include <sys/ioctl.h>

#include <linux/dmademo.h>
#include <linux/videodev2.h>

#include "kselftest_harness.h"
#include "mappings.h"

#define FRAMES 3
#define CAPTURE V4L2_BUF_TYPE_VIDEO_CAPTURE

/* The camera vivid-00N. */
static int open_camera(int number)
{
	char bus[] = "platform:vivid-00N";
	struct v4l2_capability cap;
	char path[32];
	int i, fd;

	bus[strlen(bus) - 1] = '0' + number;
	for (i = 0; i < 64; i++) {
		snprintf(path, sizeof(path), "/dev/video%d", i);
		fd = open(path, O_RDWR);
		if (fd < 0)
			continue;
		if (!ioctl(fd, VIDIOC_QUERYCAP, &cap) &&
		    !strcmp((char *)cap.bus_info, bus) &&
		    cap.device_caps & V4L2_CAP_VIDEO_CAPTURE)
			return fd;
		close(fd);
	}
	return -1;
}

/* All of these return 0 or a negative errno. */
static int set_format(int fd, unsigned int width, unsigned int height)
{
	struct v4l2_format format = {
		.type = CAPTURE,
		.fmt.pix = {
			.width = width,
			.height = height,
			.pixelformat = V4L2_PIX_FMT_BGR32,
		},
	};

	return ioctl(fd, VIDIOC_S_FMT, &format) ? -errno : 0;
}

static int request_buffers(int fd, int count, int memory, int flags)
{
	struct v4l2_requestbuffers request = {
		.count = count, .type = CAPTURE, .memory = memory, .flags = flags,
	};

	if (ioctl(fd, VIDIOC_REQBUFS, &request))
		return -errno;
	return request.count == (unsigned int)count ? 0 : -EIO;
}

static int queue(int fd, int index, int memory, int dmabuf)
{
	struct v4l2_buffer b = {
		.index = index, .type = CAPTURE, .memory = memory, .m.fd = dmabuf,
	};

	return ioctl(fd, VIDIOC_QBUF, &b) ? -errno : 0;
}

/* Has each frame captured once: a test picture, neither nothing nor all the same. */
static int capture(int fd, int memory, unsigned char *p[], size_t size)
{
	int type = CAPTURE, i, ret = 0;

	if (ioctl(fd, VIDIOC_STREAMON, &type))
		return -errno;
	for (i = 0; i < FRAMES && !ret; i++) {
		struct v4l2_buffer b = { .type = CAPTURE, .memory = memory };

		if (ioctl(fd, VIDIOC_DQBUF, &b))
			ret = -errno;
		else if (b.flags & V4L2_BUF_FLAG_ERROR)
			ret = -EIO;
		else if (!memcmp(p[b.index], p[b.index] + 1, size - 1))
			ret = -ENODATA;
	}
	if (ioctl(fd, VIDIOC_STREAMOFF, &type) && !ret)
		ret = -errno;
	return ret;
}

FIXTURE(camera) {
	int fd;
};

FIXTURE_VARIANT(camera) {
	unsigned int width, height;
	int flags;
	int above_direct; /* larger than what dma-direct allocates without CMA */
};

/* dma_alloc_attrs() */
FIXTURE_VARIANT_ADD(camera, coherent) {
	.width = 640, .height = 360,
};

/* dma_alloc_noncontiguous() */
FIXTURE_VARIANT_ADD(camera, noncoherent) {
	.width = 640, .height = 360,
	.flags = V4L2_MEMORY_FLAG_NON_COHERENT,
};

/* 33 MB a frame. */
FIXTURE_VARIANT_ADD(camera, coherent_4k) {
	.width = 3840, .height = 2160,
	.above_direct = 1,
};

FIXTURE_SETUP(camera)
{
	set_up();
	self->fd = open_camera(0);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(camera)
{
}

/* vb2 sets vm_ops after dma_mmap_attrs(), and frees with the last of the VMAs. */
TEST_F_TIMEOUT(camera, frames, 300)
{
	unsigned char *p[FRAMES];
	size_t size = 0;
	int i, ret;

	ASSERT_EQ(0, set_format(self->fd, variant->width, variant->height));
	ret = request_buffers(self->fd, FRAMES, V4L2_MEMORY_MMAP, variant->flags);
	if (variant->above_direct && !custom) {
		EXPECT_EQ(-ENOMEM, ret);
		return;
	}
	ASSERT_EQ(0, ret);
	EXPECT_EQ(custom ? FRAMES : -1, buffers("vivid.0"));
	for (i = 0; i < FRAMES; i++) {
		struct v4l2_buffer b = {
			.index = i, .type = CAPTURE, .memory = V4L2_MEMORY_MMAP,
		};

		ASSERT_EQ(0, ioctl(self->fd, VIDIOC_QUERYBUF, &b));
		/* Without the part of a page at its end. */
		size = b.length / page_size * page_size;
		p[i] = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			    self->fd, b.m.offset);
		ASSERT_NE(MAP_FAILED, p[i]);
		EXPECT_TRUE(is_contiguous(p[i], size));
		ASSERT_EQ(0, queue(self->fd, i, V4L2_MEMORY_MMAP, 0));
	}
	ASSERT_EQ(0, capture(self->fd, V4L2_MEMORY_MMAP, p, size));
	for (i = 0; i < FRAMES; i++)
		EXPECT_EQ(custom ? 0 : -EFAULT,
			  to_disk(p[i], size < MIB ? size : MIB));

	/* Frees the buffers but for those that are mapped, and so does close(). */
	for (i = 0; i < FRAMES; i++)
		number(p[i], size, (uint64_t)i << 32);
	ASSERT_EQ(0, request_buffers(self->fd, 0, V4L2_MEMORY_MMAP, 0));
	close(self->fd);
	for (i = 0; i < FRAMES; i++) {
		EXPECT_TRUE(child_sees(p[i], size, (uint64_t)i << 32));
		EXPECT_TRUE(is_numbered(p[i], size, (uint64_t)i << 32));
		ASSERT_EQ(0, munmap(p[i], page_size));
		EXPECT_EQ(custom ? FRAMES - i : -1, buffers("vivid.0"));
		ASSERT_EQ(0, munmap(p[i] + page_size, size - page_size));
		EXPECT_EQ(custom ? FRAMES - i - 1 : -1, buffers("vivid.0"));
	}
}

FIXTURE(importer) {
	int camera, demo;
};

FIXTURE_VARIANT(importer) {
	int number;
};

/* As guests have them: vivid.allocators=1,0 */
FIXTURE_VARIANT_ADD(importer, dma_contig) {
	.number = 0,
};

FIXTURE_VARIANT_ADD(importer, vmalloc) {
	.number = 1,
};

FIXTURE_SETUP(importer)
{
	set_up();
	self->camera = open_camera(variant->number);
	ASSERT_LE(0, self->camera);
	self->demo = open("/dev/dmademo0", O_RDWR);
	ASSERT_LE(0, self->demo);
}

FIXTURE_TEARDOWN(importer)
{
}

/* It captures into dma-bufs, which stay when the exporter's file has been closed. */
TEST_F(importer, frames)
{
	struct v4l2_format format = { .type = CAPTURE };
	unsigned char *p[FRAMES];
	size_t size;
	int i;

	ASSERT_EQ(0, set_format(self->camera, 640, 360));
	ASSERT_EQ(0, ioctl(self->camera, VIDIOC_G_FMT, &format));
	size = format.fmt.pix.sizeimage;
	ASSERT_EQ(0, request_buffers(self->camera, FRAMES, V4L2_MEMORY_DMABUF, 0));
	for (i = 0; i < FRAMES; i++) {
		struct dmademo_alloc alloc = { .bytes = size };
		struct dmademo_export export = {};

		ASSERT_EQ(0, ioctl(self->demo, DMADEMO_IOC_ALLOC, &alloc));
		p[i] = mmap(NULL, alloc.bytes, PROT_READ | PROT_WRITE,
			    MAP_SHARED, self->demo, alloc.mmap_offset);
		ASSERT_NE(MAP_FAILED, p[i]);
		export.handle = alloc.handle;
		ASSERT_EQ(0, ioctl(self->demo, DMADEMO_IOC_EXPORT, &export));
		ASSERT_EQ(0, queue(self->camera, i, V4L2_MEMORY_DMABUF, export.fd));
		close(export.fd);
	}
	close(self->demo);
	EXPECT_EQ(FRAMES, buffers("dmademo.0"));
	ASSERT_EQ(0, capture(self->camera, V4L2_MEMORY_DMABUF, p, size));
	close(self->camera);
	for (i = 0; i < FRAMES; i++)
		ASSERT_EQ(0, munmap(p[i], size));
	EXPECT_EQ(0, buffers("dmademo.0"));
}

TEST_HARNESS_MAIN
