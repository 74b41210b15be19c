/*
 * printed.c - prints a table into memory.
 */
#include "tests/printed.h"

#include <stdio.h>

#include "tests/test.h"

char *print(const char *db, const char *experiment, Printer *printer,
            TableOptions o)
{
    const RunFilter filter = { experiment, NULL, 0 };
    char *text = NULL;
    RunList runs;
    size_t size;
    Store *s;

    o.out = open_memstream(&text, &size);
    o.sort = o.sort ? o.sort : "paper";
    o.focus = o.focus ? o.focus : "scsa";
    o.base = o.base ? o.base : "none";
    BUG_IF(!o.out || store_open(&s, db, STORE_READ));
    BUG_IF(summary_read(&runs, s, &filter));
    CHECK_MSG(printer(s, &runs, &o) == OK, "%s", err_message());
    summary_free(&runs);
    store_close(s);
    fclose(o.out);
    return text;
}
