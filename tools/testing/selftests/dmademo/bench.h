/* SPDX-License-Identifier: GPL-2.0 */
/*
 * dmademo bench: see bench.c.
 */
#ifndef BENCH_H
#define BENCH_H

/*
 * Measures all ways to have a buffer, or those that are named in the list, which
 * NULL ends, and prints "bench: WAY,OPERATION,BYTES,VALUE,UNIT" for each figure.
 * Returns 0, or exits with a message.
 */
int bench(char **ways);

#endif /* BENCH_H */
