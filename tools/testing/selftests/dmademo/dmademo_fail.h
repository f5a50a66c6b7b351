/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fault injection for tests of /dev/dmademo0: what a thread does is made to fail at one
 * site, see fail-nth in Documentation/fault-injection/fault-injection.rst.
 *
 * DMADEMO_FAIL_VERBOSE=2 has the kernel log show each site that fails.
 */
#ifndef DMADEMO_FAIL_H
#define DMADEMO_FAIL_H

#include "kselftest_harness.h"
#include "dmademo_test.h"

#define DEBUGFS "/sys/kernel/debug/"

/*
 * With these no site is left out, and none is logged.  The probability stays 0, so they
 * matter only to who has written to fail-nth.  The first are the device's.
 */
static const struct {
	const char *file, *value;
} settings[] = {
	{ "/fail_alloc/verbose", NULL }, { "/fail_map/verbose", NULL },
	{ "/fail_map_sg/verbose", NULL }, { "fail_usercopy/verbose", NULL },
	{ "failslab/verbose", NULL }, { "failslab/ignore-gfp-wait", "N" },
	{ "fail_page_alloc/verbose", NULL }, { "fail_page_alloc/ignore-gfp-wait", "N" },
	{ "fail_page_alloc/ignore-gfp-highmem", "N" }, { "fail_page_alloc/min-order", "0" },
};

struct injection {
	char saved[ARRAY_SIZE(settings)][16];
	int nth;	/* /proc/self/fail-nth */
};

static inline void setting_path(char *path, size_t size, const char *file)
{
	if (file[0] == '/')
		snprintf(path, size, DEBUGFS "dma_custom/platform:%s%s", NAME, file);
	else
		snprintf(path, size, DEBUGFS "%s", file);
}

/* NULL, or what is missing. */
static inline const char *use_settings(struct injection *inj)
{
	static char path[256];
	unsigned int i;
	ssize_t n;
	int fd;

	for (i = 0; i < ARRAY_SIZE(settings); i++) {
		setting_path(path, sizeof(path), settings[i].file);
		fd = open(path, O_RDONLY);
		n = read(fd, inj->saved[i], sizeof(inj->saved[i]) - 1);
		close(fd);
		if (n <= 0 || write_file(path, settings[i].value ?:
					 getenv("DMADEMO_FAIL_VERBOSE") ?: "0"))
			return path;
	}
	inj->nth = open("/proc/self/fail-nth", O_RDWR);
	return inj->nth < 0 ? "/proc/self/fail-nth" : NULL;
}

/* A device that was bound anew has new ones. */
static inline void restore_settings(const struct injection *inj)
{
	char path[256];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(settings) && inj->saved[i][0]; i++) {
		setting_path(path, sizeof(path), settings[i].file);
		write_file(path, inj->saved[i]);
	}
}

/*
 * Nothing fails that a function of the kernel calls, NULL for none such.  -EOPNOTSUPP
 * without CONFIG_FAULT_INJECTION_STACKTRACE_FILTER, or if the function is not known.
 */
static inline int leave_out(const char *function)
{
	static const char * const attrs[] = { "failslab", "fail_page_alloc" };
	FILE *f = function ? fopen("/proc/kallsyms", "re") : NULL;
	unsigned long long addr, start = 0, end = 0;
	char text[256], name[128], path[64];
	unsigned int i;
	int ret = 0;

	while (f && !end && fgets(text, sizeof(text), f)) {
		if (sscanf(text, "%llx %*c %127s", &addr, name) != 2)
			continue;
		if (!start && !strcmp(name, function))
			start = addr;
		else if (start && addr > start)
			end = addr;
	}
	if (f)
		fclose(f);
	for (i = 0; i < 2 * ARRAY_SIZE(attrs) && !ret; i++) {
		snprintf(path, sizeof(path), DEBUGFS "%s/reject-%s", attrs[i / 2],
			 i % 2 ? "end" : "start");
		snprintf(text, sizeof(text), "0x%llx", i % 2 ? end : start);
		ret = write_file(path, text);
	}
	return ret || (function && !end) ? -EOPNOTSUPP : 0;
}

/* To write to it is to access user memory, which may be made to fail itself. */
static inline void arm(const struct injection *inj, unsigned int nth)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", nth);
	while (pwrite(inj->nth, text, strlen(text), 0) < 0)
		;
}

/* How many sites too few there were, 0 if one has failed. */
static inline unsigned int disarm(const struct injection *inj)
{
	char text[16] = "";
	unsigned int left = 1;

	/* If one was left, this is it. */
	if (pread(inj->nth, text, sizeof(text) - 1, 0) > 0)
		left = strtoul(text, NULL, 10);
	arm(inj, 0);
	return left;
}

/* What a call that fails leaves as it was. */
struct state {
	unsigned long long files, buffers, buffer_bytes, locked_bytes;
};

static inline struct state look(void)
{
	struct state state = { .locked_bytes = demo_proc_bytes("/proc/self/status", "VmLck") };
	unsigned long long bytes;
	char line[256];
	FILE *f;
	int fd;

	setting_path(line, sizeof(line), "/buffers");
	f = fopen(line, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "0x%*x %llu", &bytes) == 1) {
			state.buffers++;
			state.buffer_bytes += bytes;
		}
	if (f)
		fclose(f);
	for (fd = 0; fd < 32; fd++)
		state.files += fcntl(fd, F_GETFD) >= 0;
	return state;
}

static inline void expect_same(struct __test_metadata *_metadata, const struct state *a,
			       const char *name, unsigned int nth)
{
	const struct state b = look();

	EXPECT_EQ(0, memcmp(a, &b, sizeof(b))) {
		TH_LOG("%s, site %u: %llu files, %llu buffers, %llu bytes of them, %llu locked",
		       name, nth, b.files - a->files, b.buffers - a->buffers,
		       b.buffer_bytes - a->buffer_bytes, b.locked_bytes - a->locked_bytes);
	}
}

/* Each test is a process of its own. */
static struct totals {
	unsigned int scenarios, sites, injected;
} *totals;

static __attribute__((constructor)) void totals_init(void)
{
	totals = mmap(NULL, sizeof(*totals), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static __attribute__((destructor)) void totals_print(void)
{
	printf("# scenarios %u, sites %u, injected %u\n",
	       totals->scenarios, totals->sites, totals->injected);
}

#endif /* DMADEMO_FAIL_H */
