/*
 * carried.h - experiments that are part of the program, so that they are there
 * in any folder.
 */
#ifndef HARNESS_CARRIED_H
#define HARNESS_CARRIED_H

#include "harness/files/json.h"

/* The i-th one's name ("channels"), NULL past the end; by name, or by a path
 * that ends with NAME.json, what its file holds, or NULL. */
const char *carried_name(int i);
const char *carried_text(const char *name);

/* Where its file stands among the sources: "harness/experiments/". */
extern const char carried_folder[];

/* Parses the file of that path or, where there is none, the experiment of that
 * name in the program.  Fails as json_read does. */
int carried_read(Json *out, const char *path);

#endif
