/*
 * printed.h - a table of the runs of a database, in tests.
 */
#ifndef TESTS_PRINTED_H
#define TESTS_PRINTED_H

#include "harness/report/tables.h"

/* Output of a table function for an experiment; to be freed. */
typedef int Printer(Store *s, RunList *runs, const TableOptions *o);
char *print(const char *db, const char *experiment, Printer *printer,
            TableOptions o);

#endif
