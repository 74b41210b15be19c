/*
 * db.h - opens the database for a command.
 */
#ifndef HARNESS_DB_H
#define HARNESS_DB_H

#include "results/store.h"

/* As store_open; but what another process has locked is waited for, then and
 * later, until it is free or Ctrl-C ends the wait.  A wait of more than a
 * moment is reported on standard error. */
int db_open(Store **out, const char *path, StoreMode mode);

#endif
