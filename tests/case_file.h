/*
 * case_file.h - settings of the modules' case files, for tests of few channels.
 */
#ifndef TESTS_CASE_FILE_H
#define TESTS_CASE_FILE_H

#include "harness/network/case.h"

/* Where the settings of c's module do not take its channels, sets those of the
 * module's case file with 32 channels, <module>_settings1.safetensors. */
void case_fit(Case *c);

#endif
