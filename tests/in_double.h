/*
 * in_double.h - makes every float of a file a double, if it comes before all.
 *
 * With it the definitions of the ops are compiled once more, so that their
 * gradients can be compared with differences of nearly equal numbers.
 */
#ifndef TESTS_IN_DOUBLE_H
#define TESTS_IN_DOUBLE_H

/* Headers whose float declarations stay as they are. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define float double

#endif
